"""Tensors: what they are, what they record, and `backward`, as PyTorch has it."""

import math
import operator

import numpy as np
import pytest

import autograd as ag
from autograd import ops
from autograd.tensor import Tensor


def leaf(data, dtype=None):
    return ag.tensor(data, dtype, requires_grad=True)


def polynomial(x):
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


# ---- what it is ----


def test_attributes():
    x = ag.tensor([[1.0, 2.0, 3.0]])
    assert (x.shape, x.ndim, x.size, x.dtype) == ((1, 3), 2, 3, np.float64)
    assert x.requires_grad is False
    assert x.grad is x.grad_fn is None
    assert x.is_leaf


def test_what_requires_a_gradient():
    x, c = leaf([1.0, 2.0]), ag.tensor([3.0, 4.0])
    assert (x * c).requires_grad
    assert not (x * c).is_leaf
    assert repr((x * c).grad_fn) == "<MulBackward0>"
    assert not (c * c).requires_grad
    assert (c * c).is_leaf
    assert (c * c).grad_fn is None
    assert not (x > 1.5).requires_grad


def test_grad_fn_names_its_parents():
    x = leaf(2.0)
    y = x * x
    z = y + 1.0
    assert z.grad_fn.name == "AddBackward0"
    assert z.grad_fn.next_functions == ((y.grad_fn, 0), (None, 0))
    assert y.grad_fn.next_functions == ((x, 0), (x, 0))


def test_the_constructor_shares_memory():
    a = np.zeros(2)
    x = Tensor(a)
    a[0] = 5.0
    assert x.data is a
    assert Tensor(x).data is a
    assert Tensor([1.0], requires_grad=True).requires_grad


def test_requires_grad_in_place():
    x = ag.tensor([1.0])
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad
    with pytest.raises(RuntimeError, match=r"changes leaf tensors only.*MulBackward0.*detach\(\)"):
        (leaf([1.0]) * 2).requires_grad_(False)


@pytest.mark.parametrize("data", [1, True, [1, 2], np.zeros(2, np.int32)])
def test_integers_and_booleans_refuse_requires_grad(data):
    with pytest.raises(TypeError, match=r"needs a floating-point tensor, got (int|bool).*astype\(float\)"):
        ag.tensor(data, requires_grad=True)


def test_a_tensor_is_a_key():
    x, y = ag.tensor([1.0]), ag.tensor([1.0])
    assert {x: "x", y: "y"}[x] == "x"
    assert len({x, y, x}) == 2


def test_detach_shares_the_values_and_cuts_the_graph():
    x = leaf([1.0, 2.0])
    y = x * 2
    d = y.detach()
    assert d.is_leaf
    assert not d.requires_grad
    assert d.data is y.data
    (x * d).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


# ---- dtypes ----


@pytest.mark.parametrize("number", [2, 2.0, True])
@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.sub, operator.truediv, operator.pow])
def test_python_numbers_are_weak(op, number):
    x = leaf([1.0, 2.0], np.float32)
    assert op(x, number).dtype == np.float32
    assert op(number, x).dtype == np.float32
    op(x, number).sum().backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("other", [np.float64(2.0), np.array([1.0, 2.0]), np.array([1, 2])])
def test_dtypes_promote_as_in_numpy(other):
    x = leaf([1.0, 2.0], np.float32)
    y = x * other
    assert y.dtype == (x.data * other).dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_the_gradient_of_what_becomes_an_integer_ends_there():
    x = leaf([1.5, 2.5])
    assert not x.astype(int).requires_grad
    assert x.astype(np.float32).requires_grad


# ---- backward ----


def test_the_seed_example():
    x = leaf(2.0)
    y = polynomial(x)
    assert y.item() == 64.0
    y.backward()
    assert x.grad.item() == 72.0
    assert x.grad.shape == ()


def test_gradients_of_several_leaves():
    x, w, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([1.0, -1.0]), leaf(0.5)
    ((x @ w + b) ** 2).sum().backward()
    residual = 2 * (x.data @ w.data + b.data)
    np.testing.assert_allclose(x.grad.data, np.outer(residual, w.data))
    np.testing.assert_allclose(w.grad.data, x.data.T @ residual)
    np.testing.assert_allclose(b.grad.data, residual.sum())


def test_a_leaf_is_its_own_gradient():
    x = leaf(3.0)
    x.backward()
    assert x.grad.item() == 1.0


def test_an_input_used_twice():
    x = leaf(3.0)
    (x * x + x).backward()
    assert x.grad.item() == 7.0


def test_accumulation_and_reset():
    x = leaf([1.0, 2.0])
    for count in (1, 2, 3):
        (x * x).sum().backward()
        assert x.grad.tolist() == [2.0 * count, 4.0 * count]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_gradient_that_was_read_does_not_change_with_the_next():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    before = x.grad
    (x * x).sum().backward()
    assert before.tolist() == [2.0, 4.0]


def test_only_leaves_get_a_gradient():
    x = leaf(2.0)
    y = x * x
    (y * 3).backward()
    assert y.grad is None
    assert x.grad.item() == 12.0


def test_a_given_gradient():
    x = leaf([1.0, 2.0, 3.0])
    y = x * x
    for gradient in ([1.0, 0.1, 0.01], np.array([1, 10, 100]), ag.tensor([1.0, 1.0, 1.0])):
        x.grad = None
        y.backward(gradient, retain_graph=True)
        np.testing.assert_allclose(x.grad.data, 2 * x.data * np.asarray(gradient))


def test_a_single_element_of_any_rank_needs_no_gradient():
    x = leaf([[3.0]])
    (x * x).backward()
    assert x.grad.tolist() == [[6.0]]


def test_inputs_limit_where_gradients_go():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    z.backward(inputs=x, retain_graph=True)
    assert x.grad.item() == 3.0
    assert y.grad is None
    z.backward(inputs=[y])
    assert x.grad.item() == 3.0
    assert y.grad.item() == 2.0
    with pytest.raises(ValueError, match=r"`backward\(inputs=...\)` needs at least one tensor"):
        (x * y).backward(inputs=[])


def test_inputs_may_be_what_operations_made():
    x = leaf(2.0)
    y = x * x
    (y * y).backward(inputs=[y])
    assert y.grad.item() == 8.0
    assert x.grad is None


def test_a_frozen_leaf_gets_no_gradient():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    y.requires_grad_(False)
    z.backward()
    assert x.grad.item() == 3.0
    assert y.grad is None


def test_backward_says_nothing_of_infinities():
    x = leaf([0.0, 1.0])
    ops.sqrt(x).sum().backward()
    assert x.grad.tolist() == [math.inf, 0.5]


# ---- errors of backward, with PyTorch's words ----


def test_a_tensor_without_a_graph():
    with pytest.raises(RuntimeError, match=r"does not require grad and does not have a grad_fn; set"):
        ag.tensor(1.0).backward()
    with ag.no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="leave `no_grad`"):
        y.backward()


def test_several_numbers_without_a_gradient():
    with pytest.raises(RuntimeError, match=r"implicitly created only for scalar outputs.*got shape \(2,\)"):
        (leaf([1.0, 2.0]) * 2).backward()


@pytest.mark.parametrize("gradient", [[1.0, 2.0], np.ones((3, 1)), ag.ones(1), 1.0])
def test_a_gradient_of_another_shape(gradient):
    with pytest.raises(ValueError, match=r"needs the shape of the output, \(3,\), got \("):
        (leaf([1.0, 2.0, 3.0]) * 2).backward(gradient)


def test_a_second_sweep():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"`SumBackward0`: .*swept already.*retain_graph=True"):
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_second_sweep_over_a_shared_part():
    x = leaf(2.0)
    shared = x * x
    (shared * 2).backward()
    with pytest.raises(RuntimeError, match=r"`MulBackward0`: .*swept already"):
        (shared * 3).backward()


def test_a_retained_graph():
    x = leaf(2.0)
    y = polynomial(x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 144.0


# ---- memory of gradients ----


def holders(x):
    """An array of each kind of gradient that shares what others hold: itself, a view, a broadcast."""
    return {"itself": x + 0.0, "view": x.reshape(2, 2), "broadcast": x.sum()}


@pytest.mark.parametrize("kind", ["itself", "view", "broadcast"])
def test_a_gradient_owns_its_memory(kind):
    x, w = leaf(np.arange(4.0)), leaf(np.arange(4.0))
    y = holders(x)[kind] + holders(w)[kind]
    gradient = np.ones(y.shape)
    y.backward(gradient)
    for t in (x, w):
        assert t.grad.data.flags.writeable
        assert t.grad.data.base is None
        assert not np.shares_memory(t.grad.data, gradient)
    assert not np.shares_memory(x.grad.data, w.grad.data)


def test_a_gradient_does_not_share_memory_with_a_leaf_that_is_the_output():
    x, gradient = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    x.backward(gradient)
    gradient[0] = 9.0
    assert x.grad.tolist() == [3.0, 4.0]
    x.grad = None
    t = ag.tensor([3.0, 4.0])
    x.backward(t)
    assert not np.shares_memory(x.grad.data, t.data)


def test_gradients_of_a_recorded_sweep_do_not_share_memory():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    gradient = leaf([1.0, 1.0])
    (x + w).backward(gradient, create_graph=True)
    arrays = [x.grad.data, w.grad.data, gradient.data, x.data]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    (x.grad * w.grad).sum().backward()
    assert gradient.grad.tolist() == [2.0, 2.0]


def test_gradients_do_not_share_memory_with_saved_values():
    x = leaf(np.linspace(0.5, 1.5, 4))
    for f in (
        ops.exp,
        ops.sqrt,
        ops.abs,
        ops.neg,
        ops.relu,
        lambda t: t.reshape(2, 2),
        lambda t: t[1:],
        lambda t: t.max(),
    ):
        x.grad = None
        y = f(x)
        node = y.node
        y.backward(np.ones(y.shape), retain_graph=True)
        saved = [v for v in (*node.inputs, node.out) if isinstance(v, np.ndarray)]
        assert not any(np.shares_memory(x.grad.data, v) for v in saved)


# ---- higher order ----


def test_second_and_third_derivative():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    assert first.item() == 12.0
    x.grad = None
    first.backward(create_graph=True)
    second = x.grad
    assert second.item() == 12.0
    x.grad = None
    second.backward()
    assert x.grad.item() == 6.0


@pytest.mark.parametrize(
    ("f", "second"),
    [
        (ops.sin, lambda v: -np.sin(v)),
        (ops.exp, np.exp),
        (ops.tanh, lambda v: -2 * np.tanh(v) * (1 - np.tanh(v) ** 2)),
        (ops.log, lambda v: -1 / v**2),
        (lambda x: 1 / x, lambda v: 2 / v**3),
        (lambda x: x**2.5, lambda v: 3.75 * v**0.5),
    ],
)
def test_second_derivatives(f, second):
    x = leaf([0.5, 1.0, 1.5])
    f(x).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    np.testing.assert_allclose(x.grad.data, second(x.data), rtol=1e-12)


def test_a_penalty_on_the_gradient():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x * w * w).sum().backward(create_graph=True, inputs=[w])
    penalty = (w.grad * w.grad).sum()
    w.grad = None
    penalty.backward()
    # The gradient 2 x w has the squared norm sum of 4 x^2 w^2.
    np.testing.assert_allclose(w.grad.data, 8 * x.data**2 * w.data)
    np.testing.assert_allclose(x.grad.data, 8 * x.data * w.data**2)


def test_accumulation_of_recorded_gradients_is_recorded():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    total = x.grad
    assert total.item() == 16.0
    x.grad = None
    total.backward()
    assert x.grad.item() == 14.0


def test_a_recorded_sweep_works_within_no_grad():
    x = leaf(2.0)
    y = x**3
    with ag.no_grad():
        y.backward(create_graph=True)
    assert x.grad.requires_grad
    x.grad = None
    (x**3).backward()
    assert not x.grad.requires_grad


# ---- leaving the library ----


def test_numpy_shares_memory():
    x = ag.tensor([1.0, 2.0])
    assert x.numpy() is x.data
    assert isinstance((x[0] * 2).numpy(), np.ndarray)


def test_numpy_refuses_to_cut_a_gradient():
    with pytest.raises(RuntimeError, match=r"`numpy\(\)` of a tensor that requires .*\.detach\(\)\.numpy\(\)"):
        leaf([1.0]).numpy()
    with ag.record(), pytest.raises(RuntimeError, match=r"while a tape records.*freeze.*stack"):
        ag.tensor([1.0]).numpy()


def test_numbers():
    x = leaf([[2.5]])
    assert (x.item(), float(x), int(x), complex(x)) == (2.5, 2.5, 2, 2.5 + 0j)
    assert bool(x) is True
    assert bool(x - 2.5) is False
    assert math.sin(x) == math.sin(2.5)
    assert x.tolist() == [[2.5]]
    assert isinstance(x.item(), float)
    assert [10, 20, 30][ag.tensor(1)] == 20
    assert list(range(ag.tensor(3))) == [0, 1, 2]


def test_errors_of_conversion_to_numbers():
    x = ag.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"`item` needs a tensor with one element, got shape \(2,\); use `tolist"):
        x.item()
    with pytest.raises(ValueError, match=r"truth of a tensor with shape \(2,\) is ambiguous; use `.any\(\)`"):
        bool(x)
    for convert in (float, int, complex):
        with pytest.raises(TypeError, match=rf"`{convert.__name__}` needs a tensor with one element"):
            convert(x)
    with pytest.raises(TypeError, match=r"an index needs an integer, got a tensor of float64; use `int\(x\)`"):
        operator.index(x[0])


# ---- recording ----


def test_two_inputs_and_more_are_recorded_alike():
    x, y = leaf([1.0, 4.0]), ag.tensor([2.0, 3.0])
    pair = (x * y).node
    triple = ops.where(x > 2, x, y).node
    assert pair.parents == (x, None)
    assert triple.parents == (None, x, None)
    assert pair.inputs[0] is x.data
    assert pair.params == {}


def test_numbers_are_computed_as_numbers():
    x = leaf(2.0)
    assert isinstance(x.data, np.ndarray)
    assert isinstance((x * x).data, np.float64)
    assert isinstance((x * x).node.inputs[0], np.float64)
    assert isinstance(ops.sin(x).node.inputs[0], np.float64)


def test_lists_that_hold_tensors_are_operands():
    x = leaf(2.0)
    y = ag.tensor([1.0, 2.0]) * [x, 3 * x]
    y.sum().backward()
    assert y.tolist() == [2.0, 12.0]
    assert x.grad.item() == 7.0


@pytest.mark.parametrize("other", [None, "a", object(), [None, 1]])
def test_an_operand_that_is_no_number(other):
    with pytest.raises(TypeError, match=r"`add` needs tensors, arrays or numbers, got elements of"):
        ag.tensor([1.0, 2.0]) + other


def test_a_tape_sees_every_operation_with_all_its_values():
    x, c = leaf(np.ones(1000)), ag.tensor(np.ones(1000))
    with ag.record() as tape:
        y = x + c
        z = c * 2
        w = (y > 0) & (z > 0)
    assert [node.primitive for node in tape.nodes] == [
        ops.add,
        ops.mul,
        ops.greater,
        ops.greater,
        ops.logical_and,
    ]
    first, second = tape.nodes[:2]
    assert first.inputs[0] is x.data
    assert first.out is y.data
    assert first.parents == (x, c)
    assert second.parents == (c, None)
    assert (first.requires_grad, second.requires_grad, w.node.requires_grad) == (True, False, False)
    assert z.is_leaf


def test_a_sweep_within_a_recording_keeps_the_values():
    x = leaf([1.0, 2.0])
    with ag.record() as tape:
        (x * x).sum().backward()
    assert x.grad.node in tape.nodes
    assert not x.grad.requires_grad
    assert all(node.inputs is not None for node in tape.nodes)
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_leaf_that_a_recorded_program_made():
    x = ag.tensor([1.0, 2.0])
    with ag.record() as tape:
        w = (x * 3).detach().requires_grad_()
        assert w.is_leaf
        assert w.grad_fn is None
        (w * w).sum().backward()
    assert w.grad.tolist() == [6.0, 12.0]
    assert w.grad.node in tape.nodes
    assert x.grad is None
