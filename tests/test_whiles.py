"""Loops of Python that end by a value: one kernel for every number of steps that gives the same program."""

import warnings

import numpy as np
import pytest

import autograd as ag
import jit

H = np.array([0.3, -0.6, 0.2])


def variants_of(compiled):
    """The recordings that a compiled function keeps."""
    return [variant for known in compiled.variants.values() for variant in known]


def check(f, points, count, rtol=1e-11):
    """The values and gradients are those of eager execution, by so many kernels."""
    compiled = jit.value_and_grad(f)
    for x in (*points, *points):
        value, gradient = compiled(x)
        expected, wanted = ag.value_and_grad(f)(x)
        np.testing.assert_allclose(value, expected, rtol=rtol)
        np.testing.assert_allclose(gradient, wanted, rtol=rtol, atol=rtol)
    assert len(variants_of(compiled)) == count
    return compiled


def newton(a):
    y = a
    while abs(y * y - a) > 1e-10:
        y = y - 0.05 * (y * y - a) / (2 * y)
    return y


def shrinking(h):
    while np.sum(h * h) > 1e-3:
        h = 0.95 * np.sin(h)
    return np.sum(h * h[::-1])


def at_the_end_of_a_step(h):
    while True:
        h = 0.95 * np.sin(h)
        if np.sum(h * h) < 1e-3:
            break
    return np.sum(h)


def with_a_decision_in_it(h):
    while np.sum(h * h) > 1e-3:
        h = 0.95 * np.sin(h) if h[0] > -5 else h * 0.5
    return np.sum(h)


@pytest.mark.parametrize("f", [shrinking, at_the_end_of_a_step, with_a_decision_in_it], ids=lambda f: f.__name__)
def test_one_kernel_serves_every_number_of_steps(f):
    compiled = check(f, [H, 2 * H, -H, 0.5 * H, 1.3 * H], 1)
    (variant,) = variants_of(compiled)
    (steps,) = variant.run.counts
    assert np.sum(steps.numpy()[1:]) > 1
    assert "as often as it says" in compiled.explain(H)


def test_numbers():
    compiled = check(newton, [2.0, 3.0, 50.0, 2.5, 1.5], 1)
    assert isinstance(compiled(2.5)[0], float)


def test_a_number_of_steps_is_recorded_once():
    calls = []

    def f(h):
        calls.append(h)
        return shrinking(h)

    compiled = jit.grad(f, verify=False)
    scales = (0.5, 3.0, 1.0, 2.0, 0.7)
    for scale in (*scales, *scales):
        np.testing.assert_allclose(compiled(scale * H), ag.grad(shrinking)(scale * H), rtol=1e-10)
    assert len(calls) == len({steps_of(scale * H) for scale in scales})
    assert len(variants_of(compiled)) == 1


def steps_of(h):
    count = 0
    while np.sum(h * h) > 1e-3:
        h, count = 0.95 * np.sin(h), count + 1
    return count


def test_what_python_asks_of_the_number_of_steps():
    def f(h):
        count = 0
        while np.sum(h * h) > 1e-3:
            h, count = 0.95 * np.sin(h), count + 1
        return np.sum(h) if count % 2 else np.sum(h * h)

    compiled = jit.grad(f)
    points = [H * (1 + 0.02 * i) for i in range(12)]
    assert {steps_of(h) % 2 for h in points} == {0, 1}
    for h in (*points[::3], *points):
        np.testing.assert_allclose(compiled(h), ag.grad(f)(h), rtol=1e-10)
    assert len(variants_of(compiled)) == 2


def test_second_order_and_forward_mode():
    norm = lambda h: np.sum(ag.grad(shrinking)(h) ** 2)
    check(norm, [H, 2 * H, 1.5 * H], 1, rtol=1e-8)
    np.testing.assert_allclose(jit.jacfwd(shrinking)(H), ag.grad(shrinking)(H), rtol=1e-10)


def test_tensors():
    compiled = jit.compile(shrinking)
    for scale in (1.0, 2.0, 1.5):
        h = ag.tensor(scale * H, requires_grad=True)
        compiled(h).backward()
        np.testing.assert_allclose(h.grad.numpy(), ag.grad(shrinking)(scale * H), rtol=1e-10)


# ---- what Python knows of the number of steps ----


def test_steps_that_python_has_counted():
    def f(h):
        count = 0
        while np.sum(h * h) > 1e-3:
            h, count = 0.95 * np.sin(h), count + 1
        return np.sum(h) * count

    check(f, [H, 2 * H, 0.5 * H], 3)


def test_steps_that_python_returns():
    def f(h):
        count = 0
        while np.sum(h * h) > 1e-3:
            h, count = 0.95 * np.sin(h), count + 1
        return np.sum(h), count

    compiled = jit.compile(f)
    for x in (H, 2 * H, 1.5 * H, H):
        assert compiled(x)[1] == f(x)[1]


def test_python_stops_at_some_number():
    def f(h):
        for _ in range(100):
            h = 0.95 * np.sin(h)
            if np.sum(h * h) < 1e-3:
                return np.sum(h)
        return np.sum(h) * 1e6

    few, many = 0.3 * H, np.array([0.3, -1e-9, 1.5])
    assert abs(f(many)) > 1e3 or abs(f(few)) < 1
    compiled = jit.value_and_grad(f)
    for x in (few, H, 0.4 * H, 4 * H, many, few):
        np.testing.assert_allclose(compiled(x)[0], f(x), rtol=1e-10)
        np.testing.assert_allclose(compiled(x)[1], ag.grad(f)(x), rtol=1e-9)


def test_all_states_that_are_returned_are_a_loop_of_one_number_of_steps():
    def f(h):
        found = []
        while np.sum(h * h) > 1e-2:
            h = 0.95 * np.sin(h)
            found.append(np.sum(h))
        return np.sum(np.stack(found) ** 2)

    check(f, [H, 2 * H], 2)


def test_a_loop_that_never_ends_in_a_kernel_ends():
    # With one rounding for product and difference this is never so exact.
    def f(a):
        y = a
        for _ in range(2000):
            if abs(y * y - a) <= 1e-13:
                break
            y = y - 0.05 * (y * y - a) / (2 * y)
        return y

    with warnings.catch_warnings():
        # Whether the kernel is as exact as the eager run depends on the processor.
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(jit.compile(f)(50.0), f(50.0), rtol=1e-12)
