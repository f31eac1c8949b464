"""`ag.custom`: functions of NumPy and Numba as ops, eager and compiled."""

import gc
import threading

import numba
import numpy as np
import pytest

import autograd as ag
import jit
from jit.runtime.foreign import is_foreign


@numba.njit
def _power(x, n):
    out = np.empty_like(x)
    for i in range(x.size):
        if x[i] > 100:
            raise ValueError("a base above 100")
        out[i] = x[i] ** n
    return out


@numba.njit
def _power_vjp(g, out, x, n):
    return g * n * x ** (n - 1)


power = ag.custom(_power, (_power_vjp, None))
sine = ag.custom(
    lambda x: np.array([np.sin(t) for t in np.ravel(x)]).reshape(np.shape(x)), lambda g, out, x: g * np.cos(x)
)
KINDS = {"njit": lambda x: power(x, 3.0), "numpy": sine}
SLOPES = {"njit": lambda x: 3 * x**2, "numpy": np.cos}


@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradient_eager_and_compiled_at_fresh_values(kind):
    f, slope = KINDS[kind], SLOPES[kind]
    eager, fast = ag.value_and_grad(lambda x: (f(x * 2) * x).sum()), jit.value_and_grad(lambda x: (f(x * 2) * x).sum())
    for x in (np.array([0.3, 0.5]), np.array([-1.0, 2.0]), np.array([4.0, 0.0])):
        expected = 2 * slope(2 * x) * x + f(2 * x)
        for value, g in (eager(x), fast(x)):
            np.testing.assert_allclose(value, (f(2 * x) * x).sum(), rtol=1e-13)
            np.testing.assert_allclose(g, expected, rtol=1e-13)
    np.testing.assert_array_equal(fast(x)[0], (f(x * 2) * x).sum())


def test_arrays_in_arrays_out_and_tensors_in_tensors_out():
    x = np.array([0.3, 0.5])
    assert type(power(x, 2.0)) is np.ndarray
    y = power(ag.tensor(x, requires_grad=True), 2.0)
    assert repr(y.grad_fn) == "<CustomCallBackward0>"
    assert not power(ag.tensor(x), 2.0).requires_grad
    assert repr(power) == "<custom _power>"
    assert power.__name__ == "_power"


def test_a_function_is_called_once_eagerly_with_contiguous_arrays_and_numbers():
    seen = []

    @ag.custom(vjp=lambda g, out, x, n: (g * n, None))
    def f(x, n):
        seen.append((type(x), x.flags.c_contiguous, type(n), n.dtype))
        return x * n

    x = ag.tensor(np.ones((3, 2)).T, requires_grad=True)
    f(x, ag.tensor(2.0)).sum().backward()
    assert seen == [(np.ndarray, True, np.float64, np.float64)]
    assert x.grad.tolist() == [[2.0] * 3] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[::-1], lambda x: x[::2], lambda x: x[:0], lambda x: x[3:4]])
def test_layouts_and_dtypes(kind, dtype, view):
    f, slope = KINDS[kind], SLOPES[kind]
    x = view(np.linspace(0.1, 1.4, 8, dtype=dtype))
    kept = x.copy()
    rtol = 1e-13 if dtype is np.float64 else 1e-5
    for derivative in (ag.grad, jit.grad):
        g = derivative(lambda x: f(x).sum())(x)
        np.testing.assert_allclose(g, slope(x), rtol=rtol)
    value = jit.compile(f)(x)
    np.testing.assert_allclose(value, f(x), rtol=rtol)
    assert value.dtype == f(x).dtype
    np.testing.assert_array_equal(x, kept)


@numba.njit
def _norm(x):
    return np.sqrt((x * x).sum())


@numba.njit
def _count(x, mask):
    return np.array((mask & (x > 0)).sum())


def test_numbers_integers_and_booleans():
    norm = ag.custom(_norm, lambda g, out, x: g * x / out)
    x = np.array([[3.0, 4.0], [0.0, 12.0]])
    assert jit.compile(norm)(x) == norm(x) == 13.0
    np.testing.assert_allclose(jit.grad(lambda x: norm(x.T) * 13)(x), x, rtol=1e-14)
    np.testing.assert_allclose(jit.grad(jit.grad(lambda t: norm(x * t)))(1.5), 0.0, atol=1e-12)
    count = ag.custom(_count)
    mask = np.array([[True, False], [True, True]])
    assert jit.compile(lambda x, mask: count(x, mask) + 1)(x, mask) == 3
    assert not count(ag.tensor(x, requires_grad=True), mask).requires_grad
    positive = ag.custom(numba.njit(lambda x: x > 0))
    fast = jit.compile(lambda x: ag.where(positive(x), x, -1.0))
    np.testing.assert_array_equal(fast(x), [[3.0, 4.0], [-1.0, 12.0]])
    scalar = ag.custom(numba.njit(lambda x: x * x), lambda g, out, x: 2 * g * x)
    assert jit.grad(scalar)(3.0) == ag.grad(scalar)(3.0) == 6.0
    assert jit.grad(jit.grad(scalar))(3.0) == 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_second_order(kind):
    if kind == "numpy":
        second = jit.grad(jit.grad(lambda x: sine(x)))
        assert second(0.4) == pytest.approx(-np.sin(0.4), rel=1e-14)
        ag.gradgradcheck(lambda x: sine(x).sum(), [ag.tensor([0.4, 1.2], requires_grad=True)])
        return
    with pytest.raises(NotImplementedError, match="the custom function `_power_vjp` has no gradient; give it a rule"):
        ag.grad(lambda x: ag.grad(lambda x: power(x, 3.0).sum())(x).sum())(np.ones(2))


def test_a_compiled_call_inside_an_eager_graph():
    fast = jit.compile(lambda x: (power(x, 3.0) * sine(x)).sum())
    for values in ([0.5, 0.7], [1.5, 2.5]):
        x = ag.tensor(values, requires_grad=True)
        (fast(x) ** 2).backward()
        v = np.array(values)
        total = (v**3 * np.sin(v)).sum()
        np.testing.assert_allclose(x.grad.numpy(), 2 * total * (3 * v**2 * np.sin(v) + v**3 * np.cos(v)), rtol=1e-13)


def test_it_stands_among_the_steps():
    text = jit.grad(lambda x: (power(x, 3.0) * sine(x)).sum()).explain(np.ones(3))
    assert "custom  _power, compiled by Numba: " in text
    assert "custom  <lambda>, called back in Python: " in text


def test_large_arrays_and_long_programs():
    x = np.linspace(0, 1, 200_000)
    loss = jit.grad(lambda x: (ag.exp(sine(ag.sin(x) * 2)) * x).sum())
    inner = 2 * np.sin(x)
    expected = np.exp(np.sin(inner)) * (1 + x * np.cos(inner) * 2 * np.cos(x))
    np.testing.assert_allclose(loss(x), expected, rtol=1e-11)

    def long(x):
        for _ in range(120):
            x = power(ag.tanh(x) * 0.5 + ag.sin(x) * 0.25, 1.0) + 0.1
        return x.sum()

    y = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(jit.grad(long)(y), ag.grad(long)(y), rtol=1e-11)


def test_a_failure_is_the_error_of_the_function_itself():
    fast = jit.compile(lambda x: power(x, 2.0) + 1)
    x = np.array([1.0, 3.0])
    np.testing.assert_array_equal(fast(x), [2.0, 10.0])
    with pytest.raises(ValueError, match="a base above 100"):
        fast(x * 1000)
    np.testing.assert_array_equal(fast(x), [2.0, 10.0])

    @ag.custom
    def careful(x):
        if x[0] < 0:
            raise KeyError("below zero")
        return x

    fast = jit.compile(lambda x: careful(x * 2))
    np.testing.assert_array_equal(fast(x), [2.0, 6.0])
    with pytest.raises(KeyError, match="below zero"):
        fast(-x)


def test_a_result_of_another_shape_is_recorded_again():
    unique = ag.custom(lambda x: np.unique(x[x > 0]))
    fast = jit.compile(lambda x: unique(x) * 2)
    for values in ([1.0, 2.0, 1.0], [1.0, 2.0, 3.0], [-1.0, -2.0, -3.0], [5.0, 2.0, 5.0], [0.0, 0.0, 7.0]):
        np.testing.assert_array_equal(fast(np.array(values)), 2 * unique(np.array(values)))
    compiled = ag.custom(numba.njit(lambda x: x[x > 0]))
    fast = jit.compile(lambda x: compiled(x) * 2)
    for values in ([-1.0, -2.0], [1.0, 2.0], [-1.0, 5.0], [3.0, 2.0], [-4.0, -3.0]):
        np.testing.assert_array_equal(fast(np.array(values)), 2 * compiled(np.array(values)))


def test_a_branch_that_is_not_taken_does_no_harm():
    log = ag.custom(np.log, lambda g, out, x: g / x)
    fast = jit.grad(lambda x: log(x) if x > 0 else -x)
    assert [fast(x) for x in (2.0, -1.0, 4.0, -3.0)] == [0.5, -1.0, 0.25, -1.0]


def test_a_function_that_calls_a_kernel_itself():
    inner = jit.compile(lambda x: np.tanh(x) + 1)
    outer = ag.custom(lambda x: inner(x), lambda g, out, x: g * (1 - np.tanh(x) ** 2))
    fast = jit.value_and_grad(lambda x: outer(x * 2).sum())
    x = np.linspace(-1, 1, 50_000)
    for scale in (1.0, 0.5):
        value, g = fast(x * scale)
        np.testing.assert_allclose(value, (np.tanh(2 * x * scale) + 1).sum(), rtol=1e-12)
        np.testing.assert_allclose(g, 2 * (1 - np.tanh(2 * x * scale) ** 2), rtol=1e-9, atol=1e-12)


def test_inputs_may_be_kept_by_the_function():
    kept = []
    keep = ag.custom(lambda x: kept.append(x) or x)
    fast = jit.compile(lambda x: keep(x * 2) + ag.exp(x))
    for i in range(4):
        fast(np.full(3, float(i)))
    assert [x[0] for x in kept][-3:] == [2.0, 4.0, 6.0]


def test_threads():
    fast = jit.grad(lambda x: (power(x, 3.0) + sine(x)).sum())
    x = np.linspace(0, 1, 2000)
    fast(x)
    found = {}

    def run(i):
        for _ in range(20):
            found[i] = fast(x + i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        np.testing.assert_allclose(found[i], 3 * (x + i) ** 2 + np.cos(x + i), rtol=1e-12)


def test_kernels_with_custom_functions_stay_in_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path / "kernels"))
    assert jit.compile(lambda x: sine(x) * 5)(0.0) == 0.0
    assert jit.cache_info().files == 0
    assert jit.compile(lambda x: ag.sin(x) * 12345)(0.0) == 0.0
    assert jit.cache_info().files == 1


def test_two_functions_of_one_name_have_kernels_of_their_own():
    first, second = (ag.custom(lambda x, k=k: x * k) for k in (2.0, 3.0))
    assert jit.compile(lambda x: first(x))(1.0) == 2.0
    assert jit.compile(lambda x: second(x))(1.0) == 3.0


def test_a_function_lives_as_long_as_what_calls_it():
    fast = jit.compile(ag.custom(lambda x: x * 2))
    gc.collect()
    assert fast(2.0) == 4.0
    gc.collect()
    assert fast(3.0) == 6.0


def test_errors():
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="`<lambda>` needs to return an array or a number, got tuple"):
        ag.custom(lambda x: (x, x))(x)
    with pytest.raises(TypeError, match="needs to return an array or a number, got Tensor"):
        ag.custom(lambda x: ag.tensor(x))(x)
    with pytest.raises(NotImplementedError, match=r"has no gradient; .* or stop the gradient of its inputs"):
        ag.custom(np.sin)(x).sum().backward()
    with pytest.raises(ValueError, match="custom function `sin` needs to give a gradient for each of 1"):
        ag.custom(np.sin, lambda g, out, x: (g, g))(x).sum().backward()
    with pytest.raises(ValueError, match=r"custom function `sin` returned an invalid gradient at index 0"):
        ag.custom(np.sin, lambda g, out, x: np.ones(3))(x).sum().backward()
    with pytest.raises(TypeError, match="`custom` needs a function and its rule, or a tuple of rules, got 3 and None"):
        ag.custom(3)
    with pytest.raises(TypeError, match="a custom function needs tensors, arrays or numbers, got elements of <U1"):
        ag.custom(np.sin)(x, "a")
    calls = iter(range(9))
    with pytest.raises(ValueError, match=r"`custom_call` .*: it gave float64\[2\], and float64\[1\] before"):
        jit.compile(ag.custom(lambda x: np.ones(1 + next(calls))))(np.ones(3))


def test_a_custom_function_in_a_loop_or_a_branch_is_one_of_this_process():
    loop = lambda x: ag.fori_loop(0, 3, lambda i, x: power(x, 2.0) * 0.5, x)
    branch = lambda x: ag.cond(x[0] > 0, lambda x: power(x, 2.0), lambda x: x, x)
    for f in (loop, branch):
        assert is_foreign(jit.compile(f).graph(np.array([0.3, 0.5])))
    assert not is_foreign(jit.compile(lambda x: ag.fori_loop(0, 3, lambda i, x: x * x, x)).graph(np.array([0.3])))
