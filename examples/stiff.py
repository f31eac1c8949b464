"""A stiff differential equation by implicit steps, compiled as a whole: the equation and its Jacobian are one kernel.

Robertson's reactions (1966), by the L-stable method of two stages and second order of Alexander (1977),
https://doi.org/10.1137/0714068, each stage solved by Newton's method.
"""

from functools import partial

import numpy as np
from numba import njit
from scipy.integrate import solve_ivp

import autograd as ag
import jit
from examples.driven import interpreted, timed

Y0 = np.array([1.0, 0.0, 0.0])
TIMES = np.concatenate([[0.0], np.geomspace(1e-6, 1e5, 1000)])
GAMMA = 1 - 1 / np.sqrt(2)


def reactions(y, rates):
    """How fast the concentrations of three substances change."""
    first, second, third = rates[0] * y[0], rates[1] * y[1] * y[2], rates[2] * y[1] ** 2
    return np.stack([second - first, first - second - third, third])


def with_jacobian(y, rates):
    """The change, and its derivatives by `y`."""
    return reactions(y, rates), ag.jacobian(reactions)(y, rates)


@njit
def stage(f, known, y, rates, h, slope, jacobian):
    """The solution of `y = known + h * f(y)` near a guess, and the number of iterations; `slope` becomes `f(y)`."""
    one = np.eye(y.size)
    for i in range(20):
        f(y, rates, slope, jacobian)
        step = np.linalg.solve(one - h * jacobian, known + h * slope - y)
        y = y + step
        if np.abs(step).max() < 1e-12:
            return y, i + 1
    return y, 20


@njit
def integrate(f, y, rates, times, gamma):
    """The states at the times, and the number of Newton's iterations; `f(y, rates, slope, jacobian)` writes both."""
    states, iterations = np.empty((times.size, y.size)), 0
    states[0] = y
    first, second, jacobian = np.empty_like(y), np.empty_like(y), np.empty((y.size, y.size))
    for i in range(1, times.size):
        h = times[i] - times[i - 1]
        middle, n = stage(f, y, y, rates, gamma * h, first, jacobian)
        known = y + (1 - gamma) * h * first
        y, m = stage(f, known, middle, rates, gamma * h, second, jacobian)
        states[i] = y
        iterations += n + m
    return states, iterations


def main() -> None:
    rates = np.array([0.04, 1e4, 3e7])
    fast = jit.compile(with_jacobian)
    kernel = fast.kernel(Y0, rates)

    def writing(y, rates, slope, jacobian):
        fast(y, rates, out=(slope, jacobian))

    integrate(kernel, Y0, rates, TIMES[:2], GAMMA)
    for name, program, f in (("compiled", integrate, kernel), ("by Python", interpreted(integrate), writing)):
        (states, iterations), taken = timed(partial(program, f, Y0, rates, TIMES, GAMMA))
        print(f"{name:10} {states[-1]} after {iterations} iterations in {taken * 1e3:.2f} ms")
    equation = jit.compile(lambda t, y: reactions(y, rates))
    jacobian = lambda t, y: fast(y, rates)[1]
    radau = partial(solve_ivp, equation, (0.0, TIMES[-1]), Y0, "Radau", rtol=1e-8, atol=1e-12, jac=jacobian)
    exact, taken = timed(radau)
    print(f"{'Radau':10} {exact.y[:, -1]} in {taken * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
