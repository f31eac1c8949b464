"""`while_loop`: what Python's loop gives, for any number of steps, eager and compiled, with gradients of any order."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.gradcheck import gradcheck, gradgradcheck
from jit.recording import scan

W = np.array([[0.5, 0.3], [-0.2, 0.4]])
B = np.array([0.7, -0.4])


def by_python(cond_fn, body_fn, carry):
    """The loop that `while_loop` must agree with."""
    while cond_fn(carry):
        carry = body_fn(carry)
    return carry


def root(loop, a):
    """Newton's method."""
    return loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)


def fixed_point(loop, w, b):
    """Arrays, a count, and what the loop takes from outside."""
    x, count = loop(
        lambda c: np.sum((np.tanh(w @ c[0] + b) - c[0]) ** 2) > 1e-20,
        lambda c: (np.tanh(w @ c[0] + b), c[1] + 1),
        (b, 0),
    )
    return np.sum(x * x) * count


def nested(loop, w, b):
    """A loop in a loop, both of them with a number of steps that changes."""

    def outer(carry):
        inner = loop(lambda x: np.sum(x * x) > 0.1, lambda x: x * np.cos(w[0]), carry["x"])
        return {"x": np.sin(inner + b), "left": carry["left"] * 0.5}

    carry = loop(lambda carry: carry["left"] > 0.1, outer, {"x": b, "left": np.sum(b * b)})
    return np.sum(carry["x"] * w[1]) * carry["left"]


def in_scan(loop, w, b):
    """A loop in every step of a `scan`."""

    def step(carry, x):
        y = loop(lambda y: np.sum(y * y) > 0.01, lambda y: y * w[0], x)
        return carry + y, np.sum(y)

    last, sums = ag.scan(step, b, np.outer([1.0, 0.1, 3.0], b))
    return np.sum(last * b) + np.sum(sums**2)


LOOPS = {
    "root": (root, [(2.0,), (1.0,), (700.0,)]),
    "fixed point": (fixed_point, [(W, B), (0.5 * W, 0.9 * B), (W, 0 * B)]),
    "nested": (nested, [(W, B), (W, 3 * B), (W, 0.1 * B)]),
    "in a scan": (in_scan, [(W, B), (0.5 * W, 4 * B)]),
}


def close(actual, expected, rtol=1e-11):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)


def functions(name):
    f, points = LOOPS[name]
    return (lambda *xs: f(ag.while_loop, *xs)), (lambda *xs: f(by_python, *xs)), points


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("value_and_grad", [ag.value_and_grad, jit.value_and_grad], ids=["eager", "compiled"])
def test_one_function_serves_every_number_of_steps(name, value_and_grad):
    f, g, points = functions(name)
    argnums = tuple(range(len(points[0])))
    transformed = value_and_grad(f, argnums)
    for xs in points:
        value, gradients = transformed(*xs)
        expected, expected_gradients = ag.value_and_grad(g, argnums)(*xs)
        close(value, expected)
        for actual, wanted in zip(gradients, expected_gradients, strict=True):
            close(actual, wanted)
    if value_and_grad is jit.value_and_grad:
        (variants,) = transformed.variants.values()
        assert len(variants) == 1


@pytest.mark.parametrize("name", LOOPS)
def test_second_order(name):
    f, g, points = functions(name)
    argnums = tuple(range(len(points[0])))

    def norm(h):
        return lambda *xs: sum(np.sum(gx * gx) for gx in ag.grad(h, argnums)(*xs))

    compiled = jit.grad(norm(f), argnums)
    for xs in points:
        for actual, wanted in zip(compiled(*xs), ag.grad(norm(g), argnums)(*xs), strict=True):
            close(actual, wanted, 1e-9)


def test_third_order():
    f, g, _ = functions("root")
    close(jit.grad(jit.grad(jit.grad(f)))(3.0), ag.grad(ag.grad(ag.grad(g)))(3.0))
    close(jit.grad(jit.grad(jit.grad(f)))(3.0), 0.375 * 3.0**-2.5)


def test_forward_mode():
    f, _, _ = functions("root")
    value, tangent = jit.jvp(f)((3.0,), (2.0,))
    close(value, np.sqrt(3.0))
    close(tangent, 1 / np.sqrt(3.0))
    powers = lambda loop, b: loop(lambda x: np.sum(x) > 0.2, lambda x: x * b, b)
    slopes = ag.grad(lambda b: np.sum(powers(by_python, b)))(np.abs(B))
    close(jit.jacfwd(lambda b: powers(ag.while_loop, b))(np.abs(B)), np.diag(slopes))


def test_finite_differences():
    f, _, _ = functions("root")
    gradcheck(f, (3.0,))
    gradgradcheck(f, (3.0,))
    gradcheck(jit.compile(f), (ag.tensor(3.0, requires_grad=True),))


def test_no_step_at_all_is_the_first_carry():
    f = lambda x: ag.while_loop(lambda x: np.sum(x) < 0, lambda x: x * np.nan, x)
    for run in (f, jit.compile(f)):
        close(run(np.ones(3)), np.ones(3))
    close(jit.grad(lambda x: np.sum(f(x) ** 2))(np.ones(3)), 2 * np.ones(3))


def test_float32_stays_float32():
    b = B.astype(np.float32)
    value, gradient = jit.value_and_grad(fixed_point_of_b)(b)
    assert value.dtype == gradient.dtype == np.float32
    expected, wanted = ag.value_and_grad(fixed_point_of_b)(b)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4)


def fixed_point_of_b(b):
    w = W.astype(b.dtype)
    return np.sum(
        ag.while_loop(lambda x: np.sum((np.tanh(w @ x + b) - x) ** 2) > 1e-8, lambda x: np.tanh(w @ x + b), b)
    )


def test_large_arrays_and_a_nan_that_ends_the_loop():
    x = np.linspace(0.5, 2.0, 5000)
    f = lambda x: np.sum(ag.while_loop(lambda y: np.max(y) > 0.4, lambda y: y * 0.8, x) * x)
    close(jit.value_and_grad(f)(x)[1], ag.grad(f)(x))
    x[7] = np.nan
    assert np.isnan(jit.compile(f)(x))
    assert np.isnan(f(x))


def decay(x):
    return ag.while_loop(lambda c: c[0] > 0.5, lambda c: (c[0] - 0.01 * np.sin(c[0]) * c[1], c[1]), (x, x * x))[0]


@pytest.fixture
def little_room(monkeypatch):
    """At first there is room for four steps."""
    monkeypatch.setattr(scan, "ROOM", 0)
    monkeypatch.setattr(scan, "FEWEST_STEPS", 4)


def test_a_kernel_with_too_little_room_is_made_anew(little_room):
    f = jit.value_and_grad(decay)
    for x in (0.51, 1.0, 2.0, 0.6):
        value, slope = f(x)
        expected, wanted = ag.value_and_grad(decay)(x)
        close(value, expected)
        close(slope, wanted)
    (variants,) = f.variants.values()
    lengths = [
        dict(e.params)["loop"].length for v in variants for e in v.kernel.graph.equations if "loop" in dict(e.params)
    ]
    assert max(lengths) == 4 * 8**2
    assert len(variants) == 3


def test_a_value_alone_needs_no_room(little_room):
    f = jit.compile(decay)
    close(f(2.0), decay(2.0))
    (variants,) = f.variants.values()
    assert len(variants) == 1


def test_tensors_that_come_out_of_a_loop_with_too_little_room(little_room):
    x = ag.tensor(2.0, requires_grad=True)
    jit.compile(decay)(x).backward()
    close(x.grad.numpy(), ag.grad(decay)(2.0))
    bound = jit.value_and_grad(decay).bind(np.float64(2.0))
    close(bound()[1], ag.grad(decay)(2.0))


@pytest.mark.parametrize("transform", [lambda f: f, jit.compile], ids=["eager", "compiled"])
def test_errors_name_what_changes(transform):
    def run(body, carry, test=lambda c: c["n"] < 3):
        transform(lambda n: ag.while_loop(test, body, {"n": n, "x": carry}))(0.0)

    with pytest.raises(TypeError, match=r"`while_loop` needs a carry .* got float64\[2\] for `carry\['x'\]` .*\[3\]"):
        run(lambda c: {"n": c["n"] + 1, "x": np.ones(3)}, np.ones(2))
    with pytest.raises(TypeError, match=r"got int64\[\] for `carry\['x'\]` before a step and float64\[\] after it"):
        run(lambda c: {"n": c["n"] + 1, "x": c["x"] * 0.5}, 1)
    with pytest.raises(
        TypeError, match=r"the carry of `while_loop` needs the structure .*\{'n': \*, 'x': \*\}, got \*"
    ):
        run(lambda c: c["n"], 1.0)
    with pytest.raises(ValueError, match=r"`cond_fn` that returns a single boolean, got the shape \(2,\)"):
        run(lambda c: c, np.ones(2), lambda c: c["x"] > 0)


def test_a_body_that_decides_on_a_value_is_refused():
    f = jit.compile(lambda x: ag.while_loop(lambda x: x < 3, lambda x: x + 1 if x > 0 else x + 2, x))
    with pytest.raises(
        RuntimeError, match=r"the body of `while_loop` decides on a value at .*use `where` or `ag.cond`"
    ):
        f(0.5)


def test_the_body_is_traced_once():
    calls = []

    def body(x):
        calls.append(x)
        return x * 2

    f = jit.value_and_grad(lambda x: ag.while_loop(lambda x: x < 1000, body, x), verify=False)
    assert f(1.0) == (1024.0, 1024.0)
    assert f(600.0) == (1200.0, 2.0)
    assert len(calls) == 1


def test_explain_says_how_often():
    assert "repeat  as often as it says, 131072 times at most" in jit.grad(functions("root")[0]).explain(2.0)
    assert "repeat  as often as it says;" in jit.compile(functions("root")[0]).explain(2.0)
