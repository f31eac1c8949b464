"""What is dropped is freed by reference counts alone, and what is saved is what the rules promise."""

import gc
import weakref

import numpy as np
import pytest

import autograd as ag
from autograd import ops
from autograd.primitive import Aval
from autograd.tape import Node

LARGE = 10_000


@pytest.fixture(autouse=True)
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(data):
    return ag.tensor(data, requires_grad=True)


def large(requires_grad=True):
    return ag.ones(LARGE, requires_grad=requires_grad)


def watched(*tensors):
    """Weak references to tensors, to all nodes that lead to them and to all arrays that these hold."""
    found, stack, seen = [weakref.ref(x) for x in tensors], [x.node for x in tensors], set()
    for x in tensors:
        if isinstance(x.data, np.ndarray):
            found.append(weakref.ref(x.data))
    while stack:
        node = stack.pop()
        if type(node) is not Node or node in seen:
            continue
        seen.add(node)
        found.append(weakref.ref(node))
        found += [weakref.ref(x) for x in (*(node.inputs or ()), node.out) if isinstance(x, np.ndarray)]
        stack += node.parents
    return found


def alive(references, *leaves):
    """What still lives, other than the arrays of these leaves."""
    objects = [r() for r in references]
    return [x for x in objects if x is not None and not any(x is leaf.data for leaf in leaves)]


def network(x, w):
    return ((ops.tanh(x @ w) * 2 + 1) ** 2).sum()


# ---- results that are dropped ----


def test_a_dropped_result_frees_its_graph():
    x, w = leaf(np.ones((3, 4))), leaf(np.ones((4, 2)))
    y = network(x, w)
    references = watched(y)
    assert len(references) > 10
    del y
    assert alive(references, x, w) == []


def test_dropped_leaves_are_freed_with_the_last_result():
    x = leaf(np.ones(3))
    y = x * x
    references = watched(x, y)
    del x
    assert len(alive(references)) == len(references)
    del y
    assert alive(references) == []


def test_a_result_keeps_the_graph_and_not_the_tensors_between():
    x = leaf(np.ones(3))
    y = x * x
    z = y * 2
    tensor, node = weakref.ref(y), weakref.ref(y.node)
    del y
    assert tensor() is None
    assert node() is z.node.parents[0]


def test_backward_frees_the_saved_values_and_dropping_frees_the_rest():
    x, w = leaf(np.ones((3, 4))), leaf(np.ones((4, 2)))
    y = network(x, w)
    arrays = [r for r in watched(y) if isinstance(r(), np.ndarray)]
    nodes = [r for r in watched(y) if isinstance(r(), Node)]
    y.backward()
    assert alive(arrays, x, w) == []
    assert len(alive(nodes)) == len(nodes)
    del y
    assert alive(nodes) == []


def test_a_retained_graph_is_freed_when_dropped():
    x = leaf(np.ones(3))
    y = (ops.exp(x) * x).sum()
    references = watched(y)
    y.backward(retain_graph=True)
    assert len(alive(references)) == len(references)
    del y
    assert alive(references, x) == []


def test_a_gradient_is_freed_with_its_leaf():
    x = leaf(np.ones(3))
    (x * x).sum().backward()
    references = [weakref.ref(x), weakref.ref(x.grad), weakref.ref(x.grad.data)]
    del x
    assert alive(references) == []


def test_recorded_gradients_have_no_cycles():
    x = leaf(np.ones(3))
    y = (x**3).sum()
    (g,) = ag.grad(y, [x], create_graph=True)
    (h,) = ag.grad((g * g).sum(), [x], create_graph=True)
    references = watched(y, g, h)
    del y, g, h
    assert alive(references, x) == []
    data = weakref.ref(x.data)
    del x
    assert data() is None


def test_a_recorded_gradient_of_a_leaf_is_freed_when_it_is_reset():
    # The leaf holds its gradient, whose graph leads to the leaf: the one cycle, and `grad = None` opens it.
    x = leaf(np.ones(3))
    (x**3).sum().backward(create_graph=True)
    references = watched(x.grad)
    x.grad = None
    assert alive(references, x) == []


def test_a_recording_is_freed_with_its_tape():
    x = leaf(np.ones(3))
    with ag.record() as tape:
        w = (x * 2).detach().requires_grad_()
        (w * w).sum().backward()
        assert float(w.sum()) == 6.0
    references = [weakref.ref(node) for node in tape.nodes] + watched(w.grad) + [weakref.ref(w)]
    del tape, w
    assert alive(references, x) == []


def test_functional_gradients_are_freed():
    made = []

    def f(x):
        y = (x**3).sum()
        made.extend(watched(x, y))
        return y

    g = ag.grad(f)(np.ones(3))
    assert g.tolist() == [3.0, 3.0, 3.0]
    assert alive(made) == []
    h = ag.grad(lambda x: (ag.grad(f)(x) ** 2).sum())(np.ones(3))
    assert h.tolist() == [36.0, 36.0, 36.0]
    assert alive(made) == []


def test_an_error_in_an_operation_leaves_nothing():
    x = leaf(np.ones(3))
    y = x * 2
    references = watched(y)
    with pytest.raises(ValueError, match="broadcast"):
        y + np.ones(2)
    del y
    assert alive(references, x) == []


def test_a_deep_chain_is_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = y + 1.0
    first = weakref.ref(y.node)
    del y
    assert first() is None


# ---- what is saved ----


def saved(y):
    """What the node of `y` holds: arrays themselves, and shapes."""
    return [x for x in (*y.node.inputs, y.node.out) if x is not None]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + x,
        lambda x: x - 1.0,
        lambda x: -x,
        lambda x: x + ag.ones(LARGE),
        lambda x: x.sum(),
        lambda x: x.reshape(100, 100),
        lambda x: x[::2],
        lambda x: x.reshape(100, 100).T,
        lambda x: ag.concatenate([x, x]),
        lambda x: x.cumsum(),
        lambda x: ops.expand(x, shape=(2, LARGE)),
        lambda x: ops.astype(x, dtype=np.dtype(np.float32)),
    ],
)
def test_linear_operations_save_shapes_alone(f):
    y = f(large())
    assert all(isinstance(x, Aval | int | float) for x in saved(y))


@pytest.mark.parametrize("f", [ops.exp, ops.sqrt, ops.tanh, ops.sigmoid, ops.relu, ops.tan, ops.expm1])
def test_operations_that_save_their_output_alone(f):
    y = f(large())
    assert y.node.inputs == (Aval((LARGE,), np.dtype(np.float64)),)
    assert y.node.out is y.data


def test_operations_that_save_their_inputs_alone():
    x, y = large(), large()
    for z, inputs in [(x * y, [x, y]), (ops.sin(x), [x]), (ops.log(x), [x]), (x @ y, [x, y])]:
        assert z.node.out is None
        assert all(value is t.data for value, t in zip(z.node.inputs, inputs, strict=True))


def test_a_sum_keeps_neither_array_alive():
    x = large()
    a, b = x * 2, x * 3
    arrays = [weakref.ref(a.data), weakref.ref(b.data)]
    y = a + b
    del a, b
    # The products hold `x` and their factors; the sum holds nothing.
    assert alive(arrays) == []
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.full(LARGE, 5.0))


def test_an_exponential_does_not_keep_its_input_alive():
    x = large()
    a = x * 2
    array = weakref.ref(a.data)
    y = ops.exp(a)
    del a
    assert array() is None
    assert y.node.out is y.data


def test_a_small_view_does_not_keep_a_large_array_alive():
    x = large()
    a = x * 2
    array = weakref.ref(a.data)
    y = a[:3] + 1.0
    z = a[:3].sum() + a.reshape(100, 100)[0, :2]
    del a
    assert array() is None
    (y.sum() + z.sum()).backward()
    assert x.grad.data[:4].tolist() == [8.0, 8.0, 6.0, 0.0]


def test_constants_are_not_saved_without_a_gradient():
    c = large(requires_grad=False)
    array = weakref.ref(c.data)
    y = ops.exp(c * c)
    del c
    assert array() is None
    assert y.node is None


def test_no_grad_saves_nothing():
    x = large()
    with ag.no_grad():
        y = ops.sin(x) * x
    assert y.node is None


def test_only_leaves_keep_gradients_after_a_sweep():
    x = large()
    y = ops.exp(x)
    z = (y * 2).sum()
    z.backward()
    assert [t.grad is None for t in (x, y, z)] == [False, True, True]
