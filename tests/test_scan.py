"""Loops as operations: what Python's loop gives, eager and compiled, with gradients of any order."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.gradcheck import gradcheck, gradgradcheck

U = np.linspace(-1.0, 1.0, 5)
W = np.array([[0.5, -0.3], [0.2, 0.9]])
H = np.array([0.3, -0.6])
X = np.linspace(-1.0, 1.0, 10).reshape(5, 2)


def by_python(f, init, xs=None, length=None, reverse=False):
    """A loop of Python that `scan` must agree with; the carry and the results are single arrays."""
    carry, results = init, []
    steps = range(length if xs is None else len(xs))
    for i in reversed(steps) if reverse else steps:
        carry, y = f(carry, None if xs is None else xs[i])
        results.append(y)
    return carry, ag.stack(results[::-1] if reverse else results)


def total(outcome):
    """A number that all of an outcome has a part in."""
    carry, results = outcome
    return np.sum(np.sin(carry)) + np.sum(results * results)


# Each is a function of a loop, of some inputs.
LOOPS = {
    "recurrence": (lambda scan, h, w, x: scan(lambda h, x: (np.tanh(h @ w + x), np.sum(h)), h, x), (H, W, X)),
    "backwards": (lambda scan, h, w, x: scan(lambda h, x: (np.tanh(h @ w + x), h * x), h, x, reverse=True), (H, W, X)),
    "a number": (lambda scan, h, w, u: scan(lambda h, u: (h * w + np.sin(u), h), h, u), (0.3, 0.7, U)),
    "no arrays": (lambda scan, h, w: scan(lambda h, _: (h @ w, h), h, None, 4), (H, W)),
    "one step": (lambda scan, h, w: scan(lambda h, _: (h @ w, h), h, None, 1), (H, W)),
    "what never changes": (lambda scan, h, w, x: scan(lambda h, x: (h, h * x), h, x), (H, W, X)),
    "what is not carried": (lambda scan, h, w, x: scan(lambda h, x: (x, x @ w), h, x), (H, W, X)),
    "a slice in the loop": (lambda scan, h, w, x: scan(lambda h, x: (h[::-1] * w[0], w[:, 0] + h[0]), h, x), (H, W, X)),
    "a branch": (lambda scan, h, w, x: scan(lambda h, x: (np.where(h > x, h, x * h), h), h, x), (H, W, X)),
    "one element": (lambda scan, h, w, u: scan(lambda h, u: (h * w + u, h), h, u), (H[:1], H[1:], U)),
    "a gather": (
        lambda scan, h, w, x: scan(lambda h, x: (w[ag.argmax(h) * np.ones(2, int)][0] * h, h), h, x),
        (H, W, X),
    ),
    "a sum over it": (lambda scan, h, w, x: scan(lambda h, x: (h + np.sum(w * x) * h, h), h, x), (H, W, X)),
}


def both(name):
    """The function by `scan` and by a loop of Python, and its inputs."""
    f, inputs = LOOPS[name]
    return (lambda *xs: total(f(ag.scan, *xs))), (lambda *xs: total(f(by_python, *xs))), inputs


def close(actual, expected):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("transform", [lambda f: f, jit.compile], ids=["eager", "compiled"])
def test_values_are_those_of_a_loop_of_python(name, transform):
    f, g, inputs = both(name)
    close(transform(f)(*inputs), g(*inputs))


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("value_and_grad", [ag.value_and_grad, jit.value_and_grad], ids=["eager", "compiled"])
def test_gradients_are_those_of_a_loop_of_python(name, value_and_grad):
    f, g, inputs = both(name)
    argnums = tuple(range(len(inputs)))
    compiled = value_and_grad(f, argnums)
    for factor in (1.0, 0.9):
        xs = [factor * x for x in inputs]
        value, gradients = compiled(*xs)
        expected, expected_gradients = ag.value_and_grad(g, argnums)(*xs)
        close(value, expected)
        for actual, wanted in zip(gradients, expected_gradients, strict=True):
            close(actual, wanted)


@pytest.mark.parametrize("name", LOOPS)
def test_second_order(name):
    f, g, inputs = both(name)
    argnums = tuple(range(len(inputs)))

    def norm(h):
        return lambda *xs: sum(np.sum(gx * gx) for gx in ag.grad(h, argnums)(*xs))

    actual, expected = jit.grad(norm(f), argnums)(*inputs), ag.grad(norm(g), argnums)(*inputs)
    for x, y in zip(actual, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)


def test_finite_differences():
    f, _, inputs = both("recurrence")
    gradcheck(f, inputs)
    gradgradcheck(f, inputs)


def test_float32_stays_float32():
    inputs = [x.astype(np.float32) for x in (H, W, X)]
    f, g, _ = both("recurrence")
    value, gradients = jit.value_and_grad(f, (0, 1, 2))(*inputs)
    assert value.dtype == np.float32
    for actual, expected in zip(gradients, ag.grad(g, (0, 1, 2))(*inputs), strict=True):
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_nested_structures_and_integers():
    def f(x):
        def step(carry, element):
            n = carry["n"] + 1
            return {"n": n, "pair": (carry["pair"][1], carry["pair"][0] * element["u"] + n)}, [n, element["u"]]

        carry, (counts, us) = ag.scan(step, {"n": 0, "pair": (x, x * x)}, {"u": U})
        return carry["n"], carry["pair"][0], counts, us * x

    for run in (f, jit.compile(f)):
        n, x, counts, us = run(0.5)
        assert n == 5
        np.testing.assert_array_equal(counts, [1, 2, 3, 4, 5])
        np.testing.assert_allclose(us, 0.5 * U)
        pair = (0.5, 0.25)
        for i, u in enumerate(U, 1):
            pair = pair[1], pair[0] * u + i
        np.testing.assert_allclose(x, pair[0], rtol=1e-14)


def test_loops_in_loops():
    def f(scan):
        def outer(h, x):
            inner, ys = scan(lambda c, u: (c * np.cos(h[0] * u), c), h, U)
            return inner + x, np.sum(ys)

        return lambda h, x: total(scan(outer, h, x))

    value, gradients = jit.value_and_grad(f(ag.scan), (0, 1))(H, X)
    expected, expected_gradients = ag.value_and_grad(f(by_python), (0, 1))(H, X)
    close(value, expected)
    for actual, wanted in zip(gradients, expected_gradients, strict=True):
        close(actual, wanted)


def test_a_gradient_inside_the_body():
    def f(x):
        slope = ag.grad(lambda x: np.sum(np.sin(x) ** 2))
        return np.sum(ag.scan(lambda x, _: (x - 0.1 * slope(x), None), x, None, 20)[0])

    def g(x):
        for _ in range(20):
            x = x - 0.1 * ag.grad(lambda x: np.sum(np.sin(x) ** 2))(x)
        return np.sum(x)

    close(jit.compile(f)(H), g(H))
    close(jit.grad(f)(H), ag.grad(g)(H))


def test_captured_tensors_have_gradients():
    w = ag.tensor(W, requires_grad=True)
    f = jit.compile(lambda h, x: total(ag.scan(lambda h, x: (np.tanh(h @ w + x), h), h, x)))
    f(H, X).backward()
    expected = ag.grad(lambda w: total(by_python(lambda h, x: (np.tanh(h @ w + x), h), H, X)))(W)
    close(w.grad.numpy(), expected)


def test_a_compiled_loop_in_an_outer_gradient():
    f, g, inputs = both("recurrence")
    compiled = jit.compile(f)
    for actual, expected in zip(
        ag.grad(lambda *xs: compiled(*xs) ** 2, (0, 1, 2))(*inputs),
        ag.grad(lambda *xs: g(*xs) ** 2, (0, 1, 2))(*inputs),
        strict=True,
    ):
        close(actual, expected)


def test_large_rows_are_shared_among_threads():
    w = np.linspace(-1, 1, 100_000)
    f = lambda w: np.sum(ag.scan(lambda h, _: (np.sin(h) * w, None), w * 0.5, None, 3)[0])
    g = lambda w: np.sum(by_python(lambda h, _: (np.sin(h) * w, h), w * 0.5, None, 3)[0])
    expected = ag.grad(g)(w)
    results = [jit.grad(f, threads=n)(w) for n in (1, 2, 3)]
    np.testing.assert_allclose(results[0], expected, rtol=1e-12, atol=1e-14)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_a_long_body_is_compiled_in_pieces():
    def step(h, _):
        for i in range(500):
            h = np.sin(h) * 1.01 + i * 1e-3
        return h, h

    f = lambda h: total(ag.scan(step, h, None, 3))
    g = lambda h: total(by_python(step, h, None, 3))
    np.testing.assert_allclose(jit.grad(f)(0.3), ag.grad(g)(0.3), rtol=1e-9)


def test_a_loop_is_recorded_once_whatever_its_length():
    calls = []

    def step(h, x):
        calls.append(1)
        return np.tanh(h + x), None

    f = jit.value_and_grad(lambda h, x: np.sum(ag.scan(step, h, x)[0]))
    f(H, np.zeros((1000, 2)))
    assert len(calls) == 1
    assert len(f.graph(H, np.zeros((1000, 2))).equations) < 20


def test_an_index_out_of_range_in_the_body():
    table = np.arange(3.0)

    def f(table, i):
        return ag.scan(lambda total, k: (total + table[k], None), 0.0, i)[0]

    compiled = jit.compile(f)
    assert compiled(table, np.array([0, 2, 1])) == 3.0
    with pytest.raises(IndexError, match="out of"):
        compiled(table, np.array([0, 3, 1]))


def test_fori_loop_and_map():
    for run in (lambda f: f, jit.compile):
        power = run(lambda x: ag.fori_loop(0, 5, lambda i, p: p * (x + i), 1.0))
        np.testing.assert_allclose(power(2.0), 2.0 * 3 * 4 * 5 * 6, rtol=1e-15)
        np.testing.assert_allclose(run(lambda x: ag.map(lambda row: np.sum(row**2), x))(X), np.sum(X**2, axis=1))
        assert run(lambda x: ag.fori_loop(3, 3, lambda i, p: p * x, x))(2.0) == 2.0
    slope = jit.grad(lambda x: ag.fori_loop(0, 5, lambda i, p: p * (x + i), 1.0))(2.0)
    np.testing.assert_allclose(slope, 720 * sum(1 / (2.0 + i) for i in range(5)), rtol=1e-14)


# ---- errors ----


@pytest.mark.parametrize("transform", [lambda f: f, jit.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (
            lambda x: ag.scan(lambda c, _: ({"a": np.stack([c["a"], c["a"]])}, None), {"a": x}, None, 2),
            TypeError,
            r"`scan` needs a carry whose .* got float64\[2\] for `carry\['a'\]` before a step and float64\[2,2\] after",
        ),
        (
            lambda x: ag.scan(lambda c, _: (c > 0, None), x, None, 2),
            TypeError,
            r"got float64\[2\] for `carry` before a step and bool\[2\] after it; convert it",
        ),
        (
            lambda x: ag.scan(lambda c, _: ((c, c), None), x, None, 2),
            TypeError,
            r"the carry of `scan` needs the structure that it begins with, \*, got \(\*, \*\)",
        ),
        (
            lambda x: ag.scan(lambda c, _: c, x, None, 2),
            TypeError,
            "`scan` needs a function that returns the carry and",
        ),
        (lambda x: ag.scan(lambda c, _: (c, None), x), ValueError, "`scan` needs arrays `xs` of one length"),
        (lambda x: ag.scan(lambda c, _: (c, None), x, (U, X[:3])), ValueError, r"got shapes \(5,\) and \(3, 2\)"),
        (lambda x: ag.scan(lambda c, _: (c, None), x, U, 4), ValueError, r"got shapes \(5,\) and length 4"),
        (lambda x: ag.scan(lambda c, _: (c, None), x, None, 0), ValueError, "one step at least, got the length 0"),
    ],
)
def test_what_does_not_fit_is_an_error(transform, f, error, message):
    with pytest.raises(error, match=message):
        transform(f)(H)


def test_a_decision_in_the_body_is_an_error():
    f = jit.compile(lambda x: ag.scan(lambda c, _: (c * 2 if np.sum(c) > 0 else c, None), x, None, 3)[0])
    with pytest.raises(RuntimeError, match=r"the body of `scan` decides on a value at .*test_scan.py:\d+, which may"):
        f(H)


def test_backward_in_the_body_is_an_error():
    def step(c, _):
        y = ag.tensor(1.0, requires_grad=True)
        (y * y).backward()
        return c * y.grad, None

    with pytest.raises(RuntimeError, match="the body of `scan` calls `backward"):
        jit.compile(lambda x: ag.scan(step, x, None, 3)[0])(H)
