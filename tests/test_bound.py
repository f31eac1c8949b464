"""Bound calls: fixed arguments, fixed result arrays."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import autograd as ag
import jit

X = np.array([1.0, 2.0, 3.0])


def polynomial(x):
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def cubes(x):
    return np.sum(x**3)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_it_reads_what_the_array_holds(shape):
    x = np.full(shape, 2.0)
    call = jit.value_and_grad(lambda x: polynomial(x).sum()).bind(x)
    for value in (2.0, 3.0, -1.0):
        x[...] = value
        total, g = call()
        assert total == polynomial(value) * x.size
        assert g.shape == shape
        np.testing.assert_array_equal(g, 15 * x**2 + 4 * x + 4)


def test_results_are_the_same_arrays_each_time():
    x = X.copy()
    f = jit.value_and_grad(cubes)
    call = f.bind(x)
    first, again = call(), call()
    assert first[1] is again[1]
    assert first[0] == again[0] == 36.0
    x += 1
    call()
    np.testing.assert_array_equal(first[1], 3 * x**2)
    assert f(x)[1] is not first[1]
    assert not np.shares_memory(first[1], x)


def test_two_bound_calls_have_results_of_their_own():
    f = jit.compile(lambda x: x * 2)
    one, two = f.bind(X), f.bind(X + 1)
    a, b = one(), two()
    assert not np.shares_memory(a, b)
    np.testing.assert_array_equal(a, 2 * X)
    np.testing.assert_array_equal(b, 2 * (X + 1))
    assert not np.shares_memory(jit.compile(lambda x: x).bind(X)(), X)


def test_results_in_given_arrays():
    x, g = X.copy(), np.empty(3)
    call = jit.value_and_grad(cubes).bind(x, out=(None, g))
    for _ in range(2):
        x += 1
        assert call()[1] is g
        np.testing.assert_array_equal(g, 3 * x**2)
    with pytest.raises(ValueError, match=r"`out\[1\]` of `cubes` shares memory with an array that the function reads"):
        jit.value_and_grad(cubes).bind(x, out=(None, x))


def strided(x):
    return np.repeat(x, 2, axis=-1)[..., ::2]


def unaligned(x):
    return np.concatenate([np.zeros(1, np.uint8), x.ravel().view(np.uint8)])[1:].view(x.dtype).reshape(x.shape)


class Sub(np.ndarray):
    pass


@pytest.mark.parametrize(
    "made", [np.array, np.asfortranarray, strided, unaligned, lambda x: x.astype(">f8"), lambda x: x.view(Sub)]
)
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_arrays_of_any_layout(made, shape):
    x = made(np.ones(shape)) if shape else made(np.ones((1,))).reshape(())
    call = jit.compile(lambda x: (x * 2, x.sum())).bind(x)
    for value in (2.0, 5.0):
        x[...] = value
        double, total = call()
        assert np.asarray(double).dtype == np.dtype(float)
        np.testing.assert_array_equal(double, np.full(shape, 2 * value))
        assert total == value * x.size


def test_a_read_only_view():
    x = X.copy()
    view = x.view()
    view.flags.writeable = False
    call = jit.compile(lambda x: x * 2).bind(view)
    x += 1
    np.testing.assert_array_equal(call(), 2 * x)


def test_numbers_and_all_else_stay_what_they_were():
    p = {"w": X.copy(), "k": 2.0}

    def f(p, n, mode, *, shift):
        return p["w"] * p["k"] * n + shift if mode == "plus" else p["w"]

    call = jit.compile(f).bind(p, 3, "plus", shift=X.copy())
    p["k"] = 5.0
    p["w"] += 1
    np.testing.assert_array_equal(call(), p["w"] * 6 + X)
    p["w"] = np.zeros(3)
    np.testing.assert_array_equal(call(), (X + 1) * 6 + X)


@pytest.mark.parametrize("x", [2.0, 3, np.float32(2), np.int16(3)], ids=repr)
def test_bound_numbers(x):
    f = jit.compile(polynomial)
    found, expected = f.bind(x)(), f(x)
    assert found == expected
    assert type(found) is type(expected)


def test_nested_results_and_constants():
    f = jit.compile(lambda x: {"a": [x * 2, x.sum()], "b": "text", "c": X})
    call = f.bind(X)
    one, two = call(), call()
    assert one["a"][0] is two["a"][0]
    assert one["b"] == "text"
    np.testing.assert_array_equal(one["c"], X)
    assert one["c"] is not X


def test_a_branch_that_changes():
    calls = []

    def f(x):
        calls.append(1)
        return x * 2 if x[0] > 0 else -x

    x = X.copy()
    call = jit.compile(f, verify=False).bind(x)
    out = call()
    for sign in (1, -1, 1, -1, -1):
        x[0] = sign
        assert call() is out
        np.testing.assert_array_equal(out, 2 * x if sign > 0 else -x)
    assert len(calls) == 2


def test_lists_are_those_of_the_binding_in_every_branch():
    xs = [X.copy(), X.copy()]
    f = jit.compile(lambda xs: xs[0] * 2 if xs[0][0] > 0 else xs[1] * 3)
    call, held = f.bind(xs), list(xs)
    xs[:] = [np.zeros(3), np.zeros(3)]
    np.testing.assert_array_equal(call(), 2 * X)
    held[0][0] = -1.0
    np.testing.assert_array_equal(call(), 3 * X)


def test_a_branch_with_other_results():
    x = X.copy()
    call = jit.compile(lambda x: x * 2 if x[0] > 0 else x[1:]).bind(x)
    for _ in range(2):
        x[0] = 1.0
        np.testing.assert_array_equal(call(), 2 * x)
        x[0] = -1.0
        with pytest.raises(
            ValueError, match=r"needs an array of float64\[3\], got ndarray of float64\[3\]|float64\[2\]"
        ):
            call()


def test_an_index_out_of_range():
    i = np.array([0, 2])
    call = jit.compile(lambda i: X[i] if False else ag.as_tensor(X)[i]).bind(i)
    np.testing.assert_array_equal(call(), X[i])
    i[0] = 3
    with pytest.raises(IndexError):
        call()
    i[0] = 1
    np.testing.assert_array_equal(call(), X[i])


def test_captured_arrays_and_tensors():
    w, t = X.copy(), ag.tensor(X.copy(), requires_grad=True)
    call = jit.grad(lambda x: (x * w * t).sum()).bind(X)
    np.testing.assert_array_equal(call(), X * X)
    w += 1
    np.testing.assert_array_equal(call(), (X + 1) * X)
    t.data = np.full(3, 2.0)
    np.testing.assert_array_equal(call(), (X + 1) * 2)
    t.data = np.full((3, 2), 3.0).T[1]
    np.testing.assert_array_equal(call(), (X + 1) * 3)
    t.data = np.full(3, 2.0, np.float32)
    np.testing.assert_array_equal(call(), (X + 1) * 2)


def test_a_captured_tensor_that_is_given_the_results():
    t = ag.tensor(X.copy())
    call = jit.compile(lambda x: np.cumsum(x * t)[::-1] * t).bind(X)
    t.data = call()
    with pytest.raises(ValueError, match="shares memory with an array that the function reads"):
        call()


def test_gradients_of_tensors_from_outside():
    w = ag.tensor(X.copy(), requires_grad=True)

    def step(x):
        (w * w).sum().backward()
        return (x**3).sum()

    call = jit.grad(step).bind(X)
    assert w.grad is None
    for _ in range(2):
        np.testing.assert_array_equal(call(), 3 * X**2)
        np.testing.assert_array_equal(w.grad.numpy(), 2 * X)
        before, w.grad = w.grad, None
    call()
    assert not np.shares_memory(before.numpy(), w.grad.numpy())
    with pytest.raises(RuntimeError, match="set it to `None` before each call"):
        call()


def test_tensors():
    words = "bound_f would return tensors, and can return arrays only; bind"
    x, w = ag.tensor(X, requires_grad=True), ag.tensor(X, requires_grad=True)

    def f(x):
        loss = (x * w).sum()
        loss.backward()
        return loss

    for given in (x, X, ag.tensor(X)):
        with pytest.raises(TypeError, match=words):
            jit.compile(f).bind(given)
        assert x.grad is None
        assert w.grad is None


def test_within_a_recording():
    x = X.copy()
    call = jit.compile(lambda x: x * 2).bind(x)
    f = jit.compile(lambda y: y + call())
    np.testing.assert_array_equal(f(X), 3 * X)


def test_errors_of_bind_are_those_of_a_call():
    f = jit.compile(lambda x, y: x + y)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        f.bind(X)
    with pytest.raises(TypeError, match="got float16; convert it"):
        f.bind(X, np.array([1], np.float16))


def test_methods_and_names():
    class Line:
        slope = 2.0

        @jit.compile
        def value(self, x):
            return self.slope * x

    call = Line().value.bind(X)
    np.testing.assert_array_equal(call(), 2 * X)
    assert call.__name__ == "bound_value"


def test_threads_with_a_bound_call_each():
    w = np.random.default_rng(0).normal(size=(60, 60))
    f = jit.value_and_grad(lambda x: np.sum(np.tanh(x @ w) @ w.T))
    inputs = [np.random.default_rng(i).normal(size=(60, 60)) for i in range(4)]
    expected = [f(x) for x in inputs]
    barrier = threading.Barrier(4)

    def work(i):
        call = f.bind(inputs[i])
        barrier.wait()
        for _ in range(20):
            value, g = call()
            if value != expected[i][0] or not np.array_equal(g, expected[i][1]):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_many_branches_are_kept_and_found():
    calls = []

    def f(x):
        calls.append(1)
        return sum([x[1] * 2**i for i in range(3) if x[0] > i]) * x[1:]

    x = X.copy()
    compiled = jit.value_and_grad(lambda x: np.sum(f(x)))
    call = compiled.bind(x)
    first = call()[1]
    for n in range(300):
        x[:] = n % 5 - 0.5, n, 1.0
        value, g = call()
        assert g is first
        factor = [0, 1, 3, 7, 7][n % 5]
        np.testing.assert_allclose(value, factor * n * (n + 1.0))
        np.testing.assert_allclose(g, [0, factor * (2 * n + 1), factor * n])
    assert len(calls) <= 8
    x[:] = 9.0
    np.testing.assert_allclose(call()[0], 7 * 9 * 18.0)
