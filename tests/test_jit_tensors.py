"""Compiled functions of tensors: part of the outer tape, as the eager function would be."""

from functools import partial

import numpy as np
import pytest

import autograd as ag
import jit

X = np.array([1.0, 2.0, 3.0])
MATRIX = np.arange(12.0).reshape(3, 4)


def leaf(data=X):
    return ag.tensor(np.array(data), requires_grad=True)


def arrays(x):
    """Tensors as arrays, in any container."""
    if isinstance(x, tuple | list):
        return [arrays(y) for y in x]
    return np.asarray(x.detach().numpy()) if isinstance(x, ag.Tensor) else np.asarray(x)


def check(function, *tensors):
    """The outputs and all gradients are those of eager execution, twice."""
    compiled = jit.compile(function)
    found = []
    for f in (function, compiled, compiled):
        for x in tensors:
            x.grad = None
        outputs = f(*tensors)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert all(isinstance(y, ag.Tensor) for y in outputs)
        total = sum([(y * (i + 2)).sum() for i, y in enumerate(outputs)])
        total.backward()
        grads = [None if x.grad is None else x.grad.numpy() for x in tensors]
        found.append(([y.requires_grad for y in outputs], arrays(outputs), grads))
    for flags, values, grads in found[1:]:
        assert flags == found[0][0]
        for ours, expected in zip(values + grads, found[0][1] + found[0][2], strict=True):
            if expected is None:
                assert ours is None
            else:
                np.testing.assert_allclose(ours, expected, rtol=1e-14)


def within_no_grad(x):
    with ag.no_grad():
        s = x * x
    return x * s


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.sin(x) * x),
        lambda x: x * 2,
        lambda x: (x * 2, np.sin(x), x.sum()),
        lambda x: (x * 2, x.detach() * 3),
        lambda x: x * x.detach(),
        within_no_grad,
        lambda x: x[0] * x[1:],
        lambda x: x if x.sum() > 0 else -x,
        lambda x: (x, x),
        lambda x: ag.grad(lambda y: (y**3).sum())(x),
    ],
)
def test_tensors_are_connected(function):
    check(function, leaf())


def test_layouts_and_several_inputs():
    check(lambda x, y: (x @ y, x.sum()), ag.tensor(np.asfortranarray(MATRIX), requires_grad=True), leaf(MATRIX.T))
    check(lambda x, y: x * y, leaf(MATRIX[::-1, ::2]), ag.tensor(MATRIX[:, :2]))
    check(lambda x, y: (x * y).sum(), leaf(2.0), leaf(3.0))
    check(lambda x, y: x * y, leaf(X.astype(np.float32)), leaf(X))


def test_tensors_in_tensors_out():
    f = jit.compile(lambda x, y: (x * y, x.sum(), "text", {"n": 3}))
    product, total, text, n = f(ag.tensor(X), X)
    assert isinstance(product, ag.Tensor)
    assert isinstance(total, ag.Tensor)
    assert not product.requires_grad
    assert (text, n) == ("text", {"n": 3})
    assert repr(total) == "tensor(6.)"
    product = f(X, X)[0]
    assert isinstance(product, np.ndarray)


def test_tensors_beside_arrays_and_numbers():
    f = jit.compile(lambda x, a, k: (x * a * k).sum())
    x = leaf()
    f(x, X, 2.0).backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * X)
    f(x, X, 3.0).backward()
    np.testing.assert_array_equal(x.grad.numpy(), 5 * X)


def test_arguments_that_no_output_depends_on():
    x, y = leaf(), leaf([np.inf, np.nan, 1.0])
    out = jit.compile(lambda x, y: (x * 2, y * 2))(x, y)
    (ours,) = ag.grad(out[0].sum(), [x])
    np.testing.assert_array_equal(ours.numpy(), np.full(3, 2.0))
    x.grad = y.grad = None
    out = jit.compile(lambda x, y: (x * 2, y * 2))(x, y)
    out[0].sum().backward()
    np.testing.assert_array_equal(y.grad.numpy(), np.zeros(3))


def test_no_grad_outside():
    f = jit.compile(lambda x: (x * x).sum())
    x = leaf()
    with ag.no_grad():
        assert not f(x).requires_grad
    y = f(x)
    assert y.requires_grad
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * X)
    with ag.no_grad():
        assert not f(x).requires_grad


def test_requires_grad_is_switched():
    f = jit.compile(lambda x: (x * x).sum())
    x = ag.tensor(X)
    assert not f(x).requires_grad
    x.requires_grad_()
    assert f(x).requires_grad
    x.requires_grad_(False)
    assert not f(x).requires_grad


def test_a_second_sweep_needs_a_retained_graph():
    y = jit.compile(lambda x: (x * x).sum())(leaf())
    y.backward()
    with pytest.raises(RuntimeError, match="swept already"):
        y.backward()


def test_second_order():
    f = jit.compile(lambda x, y: (x**3 * y).sum())
    x, y = leaf(), leaf(2 * X)
    gx, gy = ag.grad(f(x, y), [x, y], create_graph=True)
    np.testing.assert_allclose(gx.detach().numpy(), 3 * X**2 * 2 * X)
    ((gx * gx).sum() + gy.sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * (6 * X**3) * 12 * X**2 + 3 * X**2)
    np.testing.assert_allclose(y.grad.numpy(), 2 * (6 * X**3) * 3 * X**2)


def test_results_go_on_in_eager_code():
    f = jit.compile(lambda x: x * x)
    x = leaf()
    f(f(x) * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 16 * X**3)


# ---- captured tensors ----


def test_captured_parameters_get_their_gradient():
    w, b = leaf(MATRIX[0, :3]), leaf(2.0)
    f = jit.compile(lambda x: (x * w + b).sum())
    for k in (1.0, 2.0):
        w.grad = b.grad = None
        f(ag.tensor(k * X)).backward()
        np.testing.assert_array_equal(w.grad.numpy(), k * X)
        np.testing.assert_array_equal(b.grad.numpy(), 3.0)
        w.data = w.data - 0.5


def test_arrays_in_and_captured_parameters():
    w = leaf()
    f = jit.compile(lambda x: (x * w).sum())
    loss = f(2 * X)
    assert isinstance(loss, ag.Tensor)
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), 2 * X)
    w.requires_grad_(False)
    assert isinstance(f(X), np.float64)
    w.requires_grad_()
    assert f(X).requires_grad
    with ag.no_grad():
        assert not f(X).requires_grad


def test_functional_forms_return_arrays_beside_captured_parameters():
    w = leaf()
    vg = jit.value_and_grad(lambda x: (x * w).sum())
    value, g = vg(X)
    assert isinstance(value, np.float64)
    np.testing.assert_array_equal(g, X)

    def outer(w):
        inner = jit.grad(lambda x: (x * x * w).sum())
        return inner(X).sum()

    np.testing.assert_array_equal(ag.grad(outer)(X), 2 * X)


def test_one_function_inside_and_outside_of_an_outer_gradient():
    w = leaf()
    inner = jit.grad(lambda x: (x * x * w).sum())
    assert isinstance(inner(X), np.ndarray)
    assert isinstance(ag.grad(lambda v: (v * inner(X)).sum())(X), np.ndarray)
    assert isinstance(inner(X), np.ndarray)


def test_captured_results_of_eager_code_pass_gradients_on():
    w = leaf()
    total, product = (w * 2).sum(), w * 3
    f = jit.compile(lambda x: (x * product * total).sum())
    f(ag.tensor(X)).backward()
    expected = leaf()
    (ag.tensor(X) * (expected * 3) * (expected * 2).sum()).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), expected.grad.numpy())


def test_permuted_captured_parameters():
    w = ag.tensor(np.asfortranarray(MATRIX), requires_grad=True)
    f = jit.compile(lambda x: (w @ x).sum())
    f(ag.tensor(MATRIX[0])).backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.tile(MATRIX[0], (3, 1)))


# ---- backward inside ----


def gradient_of_a_copy(x):
    y = x.detach().requires_grad_()
    (y**3).sum().backward()
    return y.grad


def gradient_of_a_new_tensor(x):
    y = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (y * y * x).sum().backward()
    return y.grad


@pytest.mark.parametrize(
    ("function", "expected"), [(gradient_of_a_copy, 3 * X**2), (gradient_of_a_new_tensor, 2 * X * X)]
)
def test_backward_inside(function, expected):
    f = jit.compile(function)
    for _ in range(2):
        np.testing.assert_array_equal(f(X), expected)
        out = f(ag.tensor(X))
        assert not out.requires_grad
        np.testing.assert_array_equal(out.numpy(), expected)


def test_backward_inside_sets_the_gradient_of_arguments():
    @jit.compile
    def step(w, x):
        loss = (w * w * x).sum()
        loss.backward()
        return loss, w.grad

    w = leaf()
    for k in (1.0, 2.0):
        w.grad = None
        loss, g = step(w, k * X)
        assert loss.item() == k * 36.0
        np.testing.assert_array_equal(w.grad.numpy(), 2 * k * X * X)
        np.testing.assert_array_equal(g.numpy(), 2 * k * X * X)
        assert not w.grad.requires_grad


def test_backward_inside_sets_the_gradient_of_captured_parameters():
    w, b = leaf(), leaf(1.0)
    runs = []

    @partial(jit.compile, verify=False)
    def step(x):
        runs.append(x)
        loss = (w * w * x + b).sum()
        loss.backward()
        return loss.detach()

    for k in (1.0, 2.0, 3.0):
        w.grad = b.grad = None
        assert step(k * X).item() == np.sum(w.data * w.data * k * X + b.data)
        np.testing.assert_array_equal(w.grad.numpy(), 2 * k * w.data * X)
        assert b.grad.item() == 3.0
        w.data = w.data - 0.5
    assert len(runs) == 1


def test_backward_inside_refuses_to_add_to_a_gradient():
    w = leaf()
    before = w.grad = ag.tensor(X)

    @jit.compile
    def step(x):
        (w * x).sum().backward()

    @jit.compile
    def step_of(w):
        (w * w).sum().backward()

    for f, x in ((step, X), (step_of, w)):
        with pytest.raises(
            RuntimeError, match=r"has already; set it to `None` before each call, or return the gradients"
        ):
            f(x)
        assert w.grad is before
        w.grad = None
        f(x)
        with pytest.raises(RuntimeError, match="has already"):
            f(x)
        w.grad = before


def test_a_gradient_that_is_taken_away_again():
    w = leaf()

    @jit.compile
    def gradient(x):
        (w * w * x).sum().backward()
        g, w.grad = w.grad, None
        return g

    for k in (1.0, 2.0):
        np.testing.assert_array_equal(arrays(gradient(k * X)), 2 * k * X * X)
        assert w.grad is None


def test_backward_that_fails_leaves_gradients_alone():
    w = leaf()

    @jit.compile
    def step(x):
        (w * x).sum().backward()
        raise KeyError("later")

    with pytest.raises(KeyError):
        step(X)
    assert w.grad is None


def test_two_sweeps_inside_add_up():
    w = leaf()

    @jit.compile
    def step(x):
        (w * x).sum().backward()
        (w * x * 2).sum().backward()

    step(X)
    np.testing.assert_array_equal(w.grad.numpy(), 3 * X)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_call_before_a_tape_opens_is_differentiated_while_it_records(create_graph):
    x = leaf()
    y = jit.compile(lambda x: x * x * x)(x).sum()
    with ag.record():
        (g,) = ag.grad(y, [x], create_graph=create_graph)
    np.testing.assert_allclose(g.detach().numpy(), 3 * X**2, rtol=1e-15)
    assert g.requires_grad is create_graph


def test_a_recorded_gradient_of_a_call_before_the_tape_opened_is_replayed():
    x = leaf()
    y = jit.compile(lambda x: x * x * x)(x).sum()
    scale = ag.tensor(2.0)
    with ag.record() as tape:
        (g,) = ag.grad(y, [x])
        scaled = scale * g
    replayed = jit.compile(tape, inputs=[scale], outputs=[scaled])(5.0)
    assert not replayed.requires_grad
    np.testing.assert_allclose(replayed.numpy(), 15 * X**2, rtol=1e-15)


def test_what_a_tape_computes_without_gradients_from_captured_tensors_has_none():
    x, scale = leaf(), ag.tensor(2.0)
    with ag.record() as tape:
        with ag.no_grad():
            square = x * x
        scaled = scale * square
        product = scaled * x
    squares, products = jit.compile(tape, inputs=[scale], outputs=[scaled, product])(3.0)
    assert not squares.requires_grad
    products.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 3 * X**2, rtol=1e-15)


def test_a_gradient_by_a_number_of_its_own_makes_no_tensors():
    product = jit.compile(lambda x: ag.value_and_grad(lambda x, y: np.sum(x * y), (0, 1))(x, 3.0))
    value, (by_x, by_y) = product(X)
    assert [type(found) for found in (value, by_x, by_y)] == [np.float64, np.ndarray, np.float64]
    np.testing.assert_array_equal(by_x, [3.0, 3.0, 3.0])
    assert (value, by_y) == (18.0, 6.0)
