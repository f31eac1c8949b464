"""Programs without Python inside: what they find, and that it is what Python finds, driving the same ones."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

import jit
from examples.driven import interpreted, writing
from examples.fit import loss, read_data
from examples.fits import START, by_scipy, curves, fits, pieces
from examples.minimise import descend, lbfgs
from examples.nuts import DEEPEST, TARGET, log_density, sample
from examples.stiff import GAMMA, TIMES, Y0, integrate, reactions, with_jacobian


def regression():
    (x, sign), _ = read_data()
    return jit.value_and_grad(lambda w: loss(w, x, sign)), np.zeros(x.shape[1] + 1)


@pytest.mark.parametrize(("program", "options"), [(descend, (0.5, 50)), (lbfgs, (10, 1e-9, 500))])
def test_minimisers_go_the_same_way_as_in_python(program, options):
    fast, zero = regression()
    found = program(fast.kernel(zero), zero, *options)
    expected = interpreted(program)(writing(fast), zero, *options)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-7)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)


def test_a_minimum_is_the_one_that_scipy_finds():
    fast, zero = regression()
    x, value, calls = lbfgs(fast.kernel(zero), zero, 10, 1e-9, 500)
    expected = minimize(fast, zero, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    np.testing.assert_allclose(value, expected.fun, rtol=1e-13)
    np.testing.assert_allclose(x, expected.x, atol=1e-6)
    assert calls <= 2 * expected.nfev


def test_a_sampler_goes_the_same_way_as_in_python():
    fast, q = jit.value_and_grad(log_density), np.zeros(10)
    found, steps = sample(fast.kernel(q), np.random.default_rng(3), q, 20, 20, TARGET, DEEPEST)
    expected, same = interpreted(sample)(writing(fast), np.random.default_rng(3), q, 20, 20, TARGET, DEEPEST)
    assert steps == same
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_sampler_draws_from_the_distribution():
    """The second moments of normal variables, known exactly, some of which depend on each other."""
    factor = np.array([[2.0, 0.0, 0.0], [1.5, 1.0, 0.0], [-1.0, 0.5, 0.3]])
    precision = np.linalg.inv(factor @ factor.T)
    kernel = jit.value_and_grad(lambda q: -0.5 * q @ (precision @ q)).kernel(np.zeros(3))
    chain, steps = sample(kernel, np.random.default_rng(0), np.zeros(3), 1000, 40_000, TARGET, DEEPEST)
    assert 3 < steps / 40_000 < 40
    np.testing.assert_allclose(chain.mean(axis=0), 0, atol=0.08)
    np.testing.assert_allclose(np.cov(chain.T), factor @ factor.T, atol=0.15)


def test_eight_schools_have_the_known_posterior():
    fast, q = jit.value_and_grad(log_density), np.zeros(10)
    chain, _ = sample(fast.kernel(q), np.random.default_rng(1), q, 1000, 20_000, TARGET, DEEPEST)
    # Those of other samplers for this model.
    assert chain[:, 0].mean() == pytest.approx(4.4, abs=0.25)
    assert np.exp(chain[:, 1]).mean() == pytest.approx(3.6, abs=0.3)


def test_implicit_steps_go_the_same_way_as_in_python_and_to_the_solution():
    rates, fast = np.array([0.04, 1e4, 3e7]), jit.compile(with_jacobian)
    kernel = fast.kernel(Y0, rates)

    def driven(y, rates, slope, jacobian):
        fast(y, rates, out=(slope, jacobian))

    found, iterations = integrate(kernel, Y0, rates, TIMES[:200], GAMMA)
    expected, same = interpreted(integrate)(driven, Y0, rates, TIMES[:200], GAMMA)
    assert iterations == same
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)

    states, _ = integrate(kernel, Y0, rates, TIMES, GAMMA)
    span = (0.0, TIMES[-1])
    exact = solve_ivp(lambda t, y: reactions(y, rates), span, Y0, "Radau", rtol=1e-9, atol=1e-12, t_eval=TIMES)
    np.testing.assert_allclose(states, exact.y.T, rtol=2e-3, atol=1e-7)
    np.testing.assert_allclose(states.sum(axis=1), 1.0, rtol=1e-9)


def test_many_fits_are_those_of_scipy_and_of_the_same_program_in_python():
    wanted, ys = curves(20, np.random.default_rng(5))
    fast = jit.compile(pieces)

    def driven(p, y, gradient, matrix):
        return fast(p, y, out=(None, gradient, matrix))[0]

    found, calls = fits(fast.kernel(START, ys[0]), START, ys, 1e-9, 200)
    expected, same = interpreted(fits)(driven, START, ys, 1e-9, 200)
    assert calls == same
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(found, by_scipy(ys), atol=1e-5)
    np.testing.assert_allclose(found, wanted, atol=0.15)
