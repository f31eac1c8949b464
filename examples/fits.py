"""Thousands of small fits in one compiled loop: Levenberg and Marquardt's method on a kernel, and SciPy's by Python."""

import numpy as np
from numba import njit
from scipy.optimize import least_squares

import autograd as ag
import jit
from examples.driven import timed

T = np.linspace(0.0, 4.0, 40)
START = np.array([1.0, 1.0, 0.0])


def residual(p, y):
    """What is left of a decay to a level, measured at the times `T`."""
    return p[0] * np.exp(-p[1] * T) + p[2] - y


def pieces(p, y):
    """Half the sum of squares, its gradient, and the matrix JᵀJ in the place of its Hessian."""
    r, J = residual(p, y), ag.jacobian(residual)(p, y)
    return 0.5 * (r @ r), J.T @ r, J.T @ J


@njit
def fit(f, p, y, tolerance, most):
    """The parameters and the number of calls; Marquardt (1963). `f(p, y, g, h)` writes the gradient and the matrix."""
    p, n = p.copy(), p.size
    g, h, new_g, new_h = np.empty(n), np.empty((n, n)), np.empty(n), np.empty((n, n))
    value, damping, calls = f(p, y, g, h), 1e-3, 1
    while calls < most:
        step = -np.linalg.solve(h + damping * np.diag(np.diag(h)), g)
        trial = p + step
        found = f(trial, y, new_g, new_h)
        calls += 1
        # Not the other way round, so that NaN counts as too far.
        if found <= value:
            small = np.abs(step).max() <= tolerance * (1.0 + np.abs(trial).max())
            p, value, g, h, new_g, new_h = trial, found, new_g, new_h, g, h
            damping *= 0.2
            if small:
                break
        else:
            damping *= 5.0
            if damping > 1e12:
                break
    return p, calls


@njit
def fits(f, p, ys, tolerance, most):
    """The fit of each row of `ys`, and how many calls they took together."""
    found, calls = np.empty((len(ys), p.size)), 0
    for i in range(len(ys)):
        found[i], count = fit(f, p, ys[i], tolerance, most)
        calls += count
    return found, calls


def curves(count, rng):
    """True parameters, and curves measured with noise."""
    p = rng.uniform([1.0, 0.5, -0.5], [3.0, 3.0, 0.5], (count, 3))
    exact = np.stack([residual(x, 0.0) for x in p])
    return p, exact + 0.02 * rng.normal(size=exact.shape)


def by_scipy(ys):
    """The same fits by SciPy's MINPACK on compiled residuals and Jacobians, one after the other."""
    fast, jacobian = jit.compile(residual), jit.jacobian(residual)
    return np.stack([least_squares(fast, START, jacobian, method="lm", args=(y,)).x for y in ys])


def main() -> None:
    wanted, ys = curves(2000, np.random.default_rng(0))
    kernel = jit.compile(pieces).kernel(START, ys[0])
    (found, calls), seconds = timed(lambda: fits(kernel, START, ys, 1e-9, 200))
    expected, slow = timed(lambda: by_scipy(ys))
    print(f"{len(ys)} fits of {ys.shape[1]} points, {calls / len(ys):.1f} calls each")
    print(f"in one compiled loop  {seconds / len(ys) * 1e6:8.1f} us a fit")
    print(f"by SciPy              {slow / len(ys) * 1e6:8.1f} us a fit, {slow / seconds:.0f} times as long")
    print(
        f"they differ by {np.abs(found - expected).max():.1e}, and from the truth by {np.abs(found - wanted).max():.2f}"
    )


if __name__ == "__main__":
    main()
