"""Solutions of differential equations by SciPy's solvers: their derivatives against closed forms and fixed steps."""

import numpy as np
import pytest

import autograd as ag
import jit

TIMES = np.array([0.0, 0.5, 0.7, 1.5])
EXACT = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-12}
WEIGHTS = np.array([0.3, -1.0, 2.0, 0.7])


def growth(t, y, params):
    """Has the solution y0 * exp(rate * t + push * t² / 2)."""
    return (params["rate"] + params["push"] * t) * y


def exact_growth(times, y0, rate, push):
    start = times[0]
    return y0 * ag.exp(rate * (times - start) + push * (times**2 - start**2) / 2)


def grown(times, y0, rate, push):
    found = ag.solve_ivp(growth, times, y0, {"rate": rate, "push": push}, **EXACT)
    return ag.sum(found * WEIGHTS)


def swing(t, y, k, w):
    return ag.stack([y[1], -k * ag.sin(y[0]) - w @ y])


W = np.array([0.1, 0.3])


@pytest.mark.parametrize("times", [TIMES + 0.2, TIMES[::-1].copy()], ids=["forwards", "backwards"])
def test_derivatives_by_all_arguments_are_those_of_the_closed_form(times):
    args = times, 1.3, -0.8, 0.5
    expected = ag.value_and_grad(lambda *args: ag.sum(exact_growth(*args) * WEIGHTS), (0, 1, 2, 3))(*args)
    for package in ag, jit:
        value, gradients = package.value_and_grad(grown, (0, 1, 2, 3))(*args)
        np.testing.assert_allclose(value, expected[0], rtol=1e-9)
        for g, e in zip(gradients, expected[1], strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-8)


@pytest.mark.parametrize("method", ["RK45", "DOP853", "Radau", "BDF", "LSODA"])
def test_each_method_has_the_gradient_of_fixed_steps(method):
    y0, k, h = np.array([1.0, -0.2]), 2.0, 0.005

    def fixed(y0, k, w):
        def step(i, y):
            k1 = swing(0, y, k, w)
            k2 = swing(0, y + h / 2 * k1, k, w)
            k3 = swing(0, y + h / 2 * k2, k, w)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + swing(0, y + h * k3, k, w))

        return ag.sum(ag.fori_loop(0, 200, step, y0) ** 2)

    def adaptive(y0, k, w):
        return ag.sum(ag.solve_ivp(swing, [0.0, 1.0], y0, k, w, method=method, rtol=1e-7, atol=1e-9)[-1] ** 2)

    expected = jit.grad(fixed, (0, 1, 2))(y0, k, W)
    for g, e in zip(ag.grad(adaptive, (0, 1, 2))(y0, k, W), expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=2e-4)


def test_compiled_functions_give_the_same():
    y0 = np.array([1.0, -0.2])
    of = lambda compile: lambda y0, k: ag.sum(ag.solve_ivp(swing, TIMES, y0, k, W, compile=compile) ** 2)
    expected = ag.value_and_grad(of(None), (0, 1))(y0, 2.0)
    found = ag.value_and_grad(of(jit.compile), (0, 1))(y0, 2.0)
    for g, e in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12)


def test_a_function_made_in_a_compiled_function_is_called_at_each_call():
    slope = jit.grad(lambda rate: ag.solve_ivp(lambda t, y, rate: -rate * y, [0.0, 1.0], 1.0, rate, **EXACT)[-1])
    for rate in 2.0, 3.0, 0.5:
        assert float(slope(rate)) == pytest.approx(-np.exp(-rate), rel=1e-8)


def test_a_variable_that_is_bound_to_another_value_later_is_what_it_was():
    def both(a):
        total = 0.0
        for k in 1.0, 2.0:
            total = total + ag.solve_ivp(lambda t, y, a: -k * a * y, [0.0, 1.0], 1.0, a, **EXACT)[-1]  # noqa: B023
        return total

    for package in ag, jit:
        expected = -np.exp(-0.5) - 2 * np.exp(-1.0)
        assert float(package.grad(both)(0.5)) == pytest.approx(expected, rel=1e-8)


def test_a_tensor_that_the_function_closes_over_has_its_gradient():
    rate = ag.tensor(-0.8, requires_grad=True)
    twice = 2 * rate
    out = ag.solve_ivp(lambda t, y: (twice - rate) * y, TIMES, 1.3, **EXACT)
    (out * WEIGHTS).sum().backward(retain_graph=True)
    expected = np.sum(WEIGHTS * 1.3 * TIMES * np.exp(-0.8 * TIMES))
    assert float(rate.grad) == pytest.approx(expected, rel=1e-8)
    last = ag.solve_ivp(lambda t, y: twice, TIMES, 0.0)[-1]
    assert last.item() == pytest.approx(-2.4, rel=1e-8)
    assert ag.grad(last, rate)[0].item() == pytest.approx(3.0, rel=1e-8)


def test_what_a_compiled_function_cannot_follow_is_refused():
    def closing(a):
        return ag.sum(ag.solve_ivp(lambda t, y: a * y, TIMES, 1.0))

    for f in jit.grad(closing), jit.compile(closing):
        with pytest.raises(
            TypeError, match=r"cannot follow tensors that `f` closes over, got 1 .* pass them as `params`"
        ):
            f(2.0)
    a = ag.tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="pass them as `params`"):
        ag.solve_ivp(lambda t, y: a * y, TIMES, 1.0, compile=jit.compile)


def test_second_derivatives_and_forward_mode_are_refused():
    refused = pytest.raises(NotImplementedError, match=r"first derivatives in reverse mode alone: .* use `jacrev`")
    with refused:
        ag.grad(ag.grad(lambda rate: grown(TIMES, 1.0, rate, 0.0)))(0.5)
    with refused:
        ag.jvp(lambda rate: grown(TIMES, 1.0, rate, 0.0), (0.5,), (1.0,))


def test_a_jacobian_backwards():
    states = lambda rate: ag.solve_ivp(lambda t, y, rate: rate * y, TIMES, np.ones(2), rate, **EXACT)
    rate = np.array([0.5, -1.0])
    expected = np.einsum("t,ti,ij->tij", TIMES, np.exp(np.outer(TIMES, rate)), np.eye(2))
    for package in ag, jit:
        np.testing.assert_allclose(package.jacrev(states)(rate), expected, rtol=1e-8, atol=1e-10)


def test_arrays_in_arrays_out_and_float32_stays():
    y0 = np.ones((2, 3), np.float32)
    found = ag.solve_ivp(lambda t, y: -y, TIMES, y0)
    assert isinstance(found, np.ndarray)
    assert (found.shape, found.dtype) == ((4, 2, 3), np.float32)
    np.testing.assert_allclose(found[-1], np.exp(-1.5), rtol=1e-5)
    slope = ag.grad(lambda y0: ag.sum(ag.solve_ivp(lambda t, y: -y, TIMES, y0)[-1]))(y0)
    assert slope.dtype == np.float32
    np.testing.assert_allclose(slope, np.exp(-1.5), rtol=1e-4)


def test_wrong_arguments_are_named():
    decay = lambda t, y: -y
    for args, options, error, text in (
        ((TIMES, 1), {}, TypeError, "needs `y0` of real floating point, got int64"),
        ((TIMES, 1.0), {"method": "Euler"}, ValueError, "one of the methods RK23, .*, got 'Euler'"),
        ((TIMES[:1], 1.0), {}, ValueError, r"two times at least .* got the shapes \(1,\)"),
        ((np.array([0.0, 1.0, 1.0]), 1.0), {}, ValueError, "times that increase or decrease"),
    ):
        with pytest.raises(error, match=text):
            ag.solve_ivp(decay, *args, **options)
    with pytest.raises(ArithmeticError, match="`solve_ivp` did not reach 2 from 0: Required step size"):
        ag.solve_ivp(lambda t, y: y**2, [0.0, 2.0], 1.0)
    with pytest.raises(ValueError, match=r"an `f` whose value has the shape of `y`, \(\), got \(2,\)"):
        ag.solve_ivp(lambda t, y: np.ones(2), TIMES, 1.0)
