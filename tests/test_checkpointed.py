"""Loops whose gradients keep few states: the same gradients, in the memory that was given, by the fewest steps."""

import gc
import tracemalloc
from functools import cache

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.schedules import replayed, split, steps_again

W = np.linspace(-0.3, 0.4, 100).reshape(10, 10)
U = np.linspace(-1.0, 1.0, 60)
H = np.linspace(0.0, 1.0, 10)
STATE = 88
BUDGETS = ["sqrt", STATE, 3 * STATE, 20 * STATE, 59 * STATE, 1000 * STATE]


def recurrence(checkpoint, reverse=False):
    """A function of a matrix, a first state, and the elements of the steps."""

    def f(w, h, us):
        def step(carry, u):
            h, total = carry
            return (np.tanh(h @ w + u), total + np.sum(h) * u), np.sum(h * w[0])

        (h, total), ys = ag.scan(step, (h, 0.0), us, reverse=reverse, checkpoint=checkpoint)
        return np.sum(h) + total + np.sum(ys**2)

    return f


# ---- schedules ----


@cache
def fewest(n, room):
    """The fewest steps that have to be done again, by trying all."""
    if n <= 1:
        return 0
    if room == 1:
        return n * (n - 1) // 2
    return min(m + fewest(n - m, room - 1) + fewest(m, room) for m in range(1, n))


def test_no_schedule_does_fewer_steps():
    for n in range(1, 50):
        for room in range(1, 8):
            assert steps_again(n, room) == fewest(n, room), (n, room)


def test_a_schedule_has_each_state_when_it_needs_it():
    for n, room in [(1, 1), (7, 1), (30, 2), (100, 5), (64, 64), (1000, 10)]:
        kept, here, done = {0: 0}, None, []
        for action, i, j in replayed(n, room):
            if action == "restore":
                assert kept[j] == i
                here = i
            elif action == "advance":
                assert here == i < j
                here = j
            elif action == "keep":
                assert here == i
                assert j < room
                kept[j] = i
            else:
                assert here == i
                done.append(i)
        assert done == list(range(n))[::-1]


def test_the_first_split_leaves_both_parts_doable():
    assert [split(n, 2) for n in (2, 3, 4, 6)] == [1, 1, 2, 3]


# ---- gradients ----


@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("checkpoint", BUDGETS)
def test_compiled_gradients_are_the_same(checkpoint, reverse):
    wanted = jit.value_and_grad(recurrence(None, reverse), (0, 1, 2))(W, H, U)
    found = jit.value_and_grad(recurrence(checkpoint, reverse), (0, 1, 2))(W, H, U)
    assert found[0] == wanted[0]
    for actual, expected in zip(found[1], wanted[1], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=1e-14)


def test_compiled_gradients_do_not_depend_on_the_budget():
    first, *others = [jit.grad(recurrence(n * STATE), (0, 1, 2))(W, H, U) for n in (1, 2, 5, 20, 59)]
    for other in others:
        for actual, expected in zip(other, first, strict=True):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("checkpoint", BUDGETS)
def test_eager_gradients_are_the_same(checkpoint, reverse):
    wanted = ag.value_and_grad(recurrence(None, reverse), (0, 1, 2))(W, H, U)
    found = ag.value_and_grad(recurrence(checkpoint, reverse), (0, 1, 2))(W, H, U)
    assert found[0] == wanted[0]
    for actual, expected in zip(found[1], wanted[1], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("grad", [ag.grad, jit.grad], ids=["eager", "compiled"])
def test_second_order(grad):
    def norm(checkpoint):
        f = recurrence(checkpoint)
        return lambda w, h, us: sum(np.sum(g * g) for g in ag.grad(f, (0, 1, 2))(w, h, us))

    small, few = W * 0.3, U[:12]
    wanted = ag.grad(norm(None), (0, 1, 2))(small, H, few)
    for actual, expected in zip(grad(norm("sqrt"), (0, 1, 2))(small, H, few), wanted, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def test_a_number_that_is_carried_and_float32():
    def f(checkpoint):
        return lambda x: ag.fori_loop(0, 40, lambda i, x: x - 0.01 * np.sin(x), x, checkpoint=checkpoint)

    for x in (0.7, np.float32(0.7)):
        assert jit.grad(f(24))(x) == jit.grad(f(None))(x)
        np.testing.assert_allclose(ag.grad(f(24))(x), ag.grad(f(None))(x), rtol=1e-6)


def test_a_loop_in_a_loop():
    def f(checkpoint):
        def outer(h, u):
            inner, _ = ag.scan(lambda c, v: (np.sin(c + v * u), None), h, U[:9], checkpoint=checkpoint)
            return inner, np.sum(inner)

        return lambda h: np.sum(ag.scan(outer, h, U[:10], checkpoint=checkpoint)[1] ** 2)

    wanted = jit.grad(f(None))(H)
    np.testing.assert_array_equal(jit.grad(f(3 * H.nbytes))(H), wanted)
    np.testing.assert_allclose(ag.grad(f(3 * H.nbytes))(H), wanted, rtol=1e-11)


def test_what_the_body_takes_from_outside_has_gradients():
    w, v = ag.tensor(W, requires_grad=True), ag.tensor(H, requires_grad=True)

    def loss(checkpoint):
        scaled = w * 0.5
        twice = scaled + scaled * scaled

        def step(h, u):
            # What is taken changes from step to step.
            return np.tanh(h @ scaled + u * (v if float(u) > 0 else twice[0])), twice

        h, stacked = ag.scan(step, ag.tensor(H), U, checkpoint=checkpoint)
        return np.sum(h) + np.sum(stacked * stacked), scaled

    for checkpoint in ("sqrt", 2 * H.nbytes):
        found, inner = loss(checkpoint)
        wanted, other = loss(None)
        actual = ag.grad(found, [w, v, inner])
        for x, y in zip(actual, ag.grad(wanted, [w, v, other]), strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-11, atol=1e-12)


def test_backward_and_a_value_without_gradient():
    h = ag.tensor(H, requires_grad=True)
    f = recurrence(4 * STATE)
    f(ag.tensor(W), h, U).backward()
    np.testing.assert_allclose(h.grad.numpy(), ag.grad(recurrence(None), 1)(W, H, U), rtol=1e-12)
    assert f(W, H, U) == recurrence(None)(W, H, U)
    with ag.no_grad():
        assert not f(ag.tensor(W), h, U).requires_grad


# ---- memory ----

LONG, WIDE = 400, 5000


def long_loop(checkpoint):
    def f(x):
        return np.sum(ag.fori_loop(0, LONG, lambda i, x: x - 0.001 * np.sin(x) * x, x, checkpoint=checkpoint))

    return f


@pytest.mark.parametrize("kept", [2, 20, 100])
def test_a_kernel_works_in_the_memory_that_was_given(kept):
    x = np.linspace(0, 1, WIDE)
    compiled = jit.value_and_grad(long_loop(kept * x.nbytes))
    _, gradient = compiled(x)
    plain = jit.value_and_grad(long_loop(None))
    np.testing.assert_array_equal(gradient, plain(x)[1])
    workspace, all_of_it = (f.variants[next(iter(f.variants))][0].kernel.workspace for f in (compiled, plain))
    assert workspace < (kept + 8) * x.nbytes
    assert all_of_it > LONG * x.nbytes
    text = compiled.explain(x)
    assert f"states of {LONG} steps, {kept} of them kept at a time, by {steps_again(LONG, kept)} steps" in text


@pytest.mark.parametrize("kept", [2, 20])
def test_eager_gradients_take_the_memory_that_was_given(kept):
    x = np.linspace(0, 1, WIDE)

    def peak(f):
        gc.collect()
        tracemalloc.start()
        try:
            ag.grad(f)(x)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(long_loop(kept * x.nbytes)) < (kept + 20) * x.nbytes
    assert peak(long_loop(None)) > LONG * x.nbytes


# ---- errors ----


def test_what_is_no_budget():
    with pytest.raises(ValueError, match=r"`scan` needs room for one carry of 88 bytes at least, got `checkpoint=87`"):
        recurrence(87)(W, H, U)
    with pytest.raises(
        TypeError, match=r"`scan` needs a number of bytes, 'sqrt' or None as its `checkpoint`, got 'log'"
    ):
        recurrence("log")(W, H, U)
