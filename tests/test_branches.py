"""`cond` and `switch`: what Python's branches give, eager and compiled, with gradients of any order."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.gradcheck import gradcheck, gradgradcheck

X = np.array([0.3, -0.6, 0.9])
W = np.array([[0.5, -0.3, 0.1], [0.2, 0.9, -0.4], [-0.1, 0.3, 0.6]])


def close(actual, expected, rtol=1e-12):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-14)


def by_python(index, branches, *operands):
    return branches[int(index)](*operands)


def three_ways(switch, i, x, w):
    """Arrays, a number and a nested result, some of them of what stands outside."""
    y = switch(
        i,
        [
            lambda x, scale: {"y": np.tanh(w @ x), "z": [np.sum(x * scale)]},
            lambda x, scale: {"y": x * scale, "z": [np.sum(w)]},
            lambda x, _: {"y": w[0], "z": [x[0] * 1.0]},
        ],
        x,
        x[::-1],
    )
    return np.sum(y["y"] ** 3) + np.sin(y["z"][0])


def nested(switch, i, x, w):
    inner = lambda x: switch(i % 2, [lambda x: x * x, lambda x: np.exp(x) @ w], x)
    return np.sum(switch(i, [inner, lambda x: inner(x) * 2, lambda x: np.sin(x)], x) * x)


FUNCTIONS = {"three ways": three_ways, "nested": nested}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("value_and_grad", [ag.value_and_grad, jit.value_and_grad], ids=["eager", "compiled"])
def test_values_and_gradients_are_those_of_the_branch(name, value_and_grad):
    f = FUNCTIONS[name]
    transformed = value_and_grad(lambda i, x, w: f(ag.switch, i, x, w), (1, 2))
    for i in range(3):
        value, gradients = transformed(i, X, W)
        expected, wanted = ag.value_and_grad(lambda x, w: f(by_python, i, x, w), (0, 1))(X, W)  # noqa: B023
        close(value, expected)
        for actual, other in zip(gradients, wanted, strict=True):
            close(actual, other)
    if value_and_grad is jit.value_and_grad:
        (variants,) = transformed.variants.values()
        assert len(variants) == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_order(name):
    f = FUNCTIONS[name]
    compiled = jit.hessian(lambda i, x: f(ag.switch, i, x, W), 1)
    for i in range(3):
        close(compiled(i, X), ag.hessian(lambda x: f(by_python, i, x, W))(X), 1e-10)  # noqa: B023


def test_finite_differences():
    for i in range(3):
        f = lambda x: three_ways(ag.switch, i, x, W)  # noqa: B023
        gradcheck(f, (X,))
        gradgradcheck(f, (X,))


def test_forward_mode():
    f = lambda i, x: three_ways(ag.switch, i, x, W)
    for i in range(3):
        _, tangent = jit.jvp(lambda x: f(i, x))((X,), (X[::-1],))  # noqa: B023
        close(tangent, ag.grad(f, 1)(i, X) @ X[::-1])


def absolute_root(x):
    return ag.cond(x > 0, np.sqrt, lambda x: 0.0 * x, x)


def test_the_other_branch_is_not_there():
    f = jit.value_and_grad(absolute_root)
    assert f(4.0) == (2.0, 0.25)
    assert f(-4.0) == (0.0, 0.0)
    assert ag.value_and_grad(absolute_root)(-4.0) == (0.0, 0.0)
    assert jit.grad(jit.grad(absolute_root))(4.0) == -1 / 32
    (variants,) = f.variants.values()
    assert len(variants) == 1


def test_only_the_branch_taken_is_run():
    calls = []
    note = ag.custom(lambda x: calls.append(float(x)) or x * 2.0, vjp=lambda g, out, x: g * 2.0)
    f = jit.compile(lambda p, x: ag.cond(p > 0, note, lambda x: x, x), verify=False)
    assert f(1.0, 3.0) == 6.0
    before = len(calls)
    assert f(-1.0, 5.0) == 5.0
    assert f(1.0, 7.0) == 14.0
    assert calls[before:] == [7.0]


def test_branches_in_the_steps_of_a_loop():
    def f(scan, x):
        step = lambda c, u: (ag.cond(np.sum(c) > u, lambda c: c * 0.5, lambda c: c + np.sin(u * c), c), np.sum(c))
        last, sums = scan(step, x, np.linspace(-1, 1, 7))
        return np.sum(last) + np.sum(sums**2)

    def by_steps(step, carry, xs):
        results = []
        for x in xs:
            carry, y = step(carry, x)
            results.append(y)
        return carry, ag.stack(results)

    for x in (X, 3 * X, -X):
        close(jit.grad(lambda x: f(ag.scan, x))(x), ag.grad(lambda x: f(by_steps, x))(x))


def test_large_arrays_and_float32():
    x = np.linspace(-1, 1, 20_000).astype(np.float32)
    f = lambda p, x: np.sum(ag.cond(p, lambda x: np.exp(x) * x, lambda x: x * x, x))
    compiled = jit.value_and_grad(f, 1)
    for p in (True, np.bool_(False), 1.0):
        value, gradient = compiled(p, x)
        assert value.dtype == gradient.dtype == np.float32
        np.testing.assert_allclose(value, f(p, x), rtol=1e-5)
        np.testing.assert_allclose(gradient, ag.grad(f, 1)(p, x), rtol=1e-5, atol=1e-6)


def test_captured_tensors_have_gradients():
    w = ag.tensor(W, requires_grad=True)
    f = jit.compile(lambda i, x: ag.switch(i, [lambda x: np.sum(w @ x), lambda x: np.sum(w * x)], x))
    f(ag.tensor(0), X).backward()
    close(w.grad.numpy(), np.outer(np.ones(3), X))


def test_results_without_elements():
    f = lambda p, x: ag.cond(p > 0, lambda x: (x, x[:0]), lambda x: (x * 2, x[3:]), x)
    value, empty = jit.compile(f)(-1.0, X)
    close(value, 2 * X)
    assert empty.shape == (0,)


@pytest.mark.parametrize("transform", [lambda f: f, jit.compile], ids=["eager", "compiled"])
def test_an_index_out_of_range(transform):
    f = transform(lambda i: ag.switch(i, [lambda: 1.0, lambda: 2.0]))
    assert f(1) == 2.0
    for i in (2, -1):
        with pytest.raises(IndexError, match=rf"`switch` needs an index from 0 to 1, .* got {i}"):
            f(i)


@pytest.mark.parametrize("transform", [lambda f: f, jit.compile], ids=["eager", "compiled"])
def test_what_cannot_choose(transform):
    with pytest.raises(ValueError, match=r"`cond` needs a single boolean, got the shape \(3,\)"):
        transform(lambda x: ag.cond(x > 0, np.sin, np.cos, x))(X)
    with pytest.raises(TypeError, match=r"`switch` needs a single integer as its index, got float64\[\]"):
        transform(lambda x: ag.switch(x, [np.sin], x))(1.0)
    with pytest.raises(ValueError, match="`switch` needs at least one branch, got none"):
        transform(lambda x: ag.switch(x, [], x))(1)


def test_branches_that_differ():
    with pytest.raises(
        TypeError,
        match=r"`cond` needs branches .* got int64\[\] for `result\[1\]` from `false_fn` and float64\[3\] from",
    ):
        jit.compile(lambda x: ag.cond(x[0] > 0, lambda x: (x, x), lambda x: (x, 1), x))(X)
    with pytest.raises(
        TypeError,
        match=r"`switch` needs branches .* one structure, got \(\*, \*\) from `branch 0` and \* from `branch 1`",
    ):
        jit.compile(lambda i: ag.switch(i, [lambda: (1.0, 2.0), lambda: 1.0]))(0)


def test_a_branch_that_decides_on_a_value_is_refused():
    with pytest.raises(RuntimeError, match=r"the body of `cond` decides on a value at"):
        jit.compile(lambda x: ag.cond(x > 0, lambda x: x if x > 1 else 2.0 * x, lambda x: x, x))(3.0)


def test_static_choices_are_made_while_recording():
    f = jit.compile(lambda x: ag.switch(1, [np.sin, np.cos], x) + ag.cond(True, np.exp, np.log, x))
    close(f(-1.0), np.cos(-1.0) + np.exp(-1.0))
    assert "switch" not in str(f.graph(-1.0))


def test_explain_shows_the_cases():
    text = jit.compile(absolute_root).explain(4.0)
    assert "choose  one of 2" in text
    assert "case 1\n  | scalars: sqrt" in text
