"""Gradient descent and L-BFGS that never return to Python: the regression of `examples.fit`, its gradient a kernel."""

from functools import partial

import numpy as np
from numba import njit
from scipy.optimize import minimize

import jit
from examples.driven import interpreted, timed, writing
from examples.fit import loss, read_data


@njit
def descend(f, x, rate, steps):
    """Gradient descent: the last point and the value before the last step; `f(x, g)` writes the gradient into `g`."""
    x, g, value = x.copy(), np.empty_like(x), 0.0
    for _ in range(steps):
        value = f(x, g)
        x -= rate * g
    return x, value


@njit
def lbfgs(f, x, memory, tolerance, most):
    """A minimum, its value, and the number of calls; Nocedal and Wright, Numerical Optimization, algorithm 7.5."""
    n, count, calls = x.size, 0, 1
    steps, changes, products = np.zeros((memory, n)), np.zeros((memory, n)), np.zeros(memory)
    x, g, new = x.copy(), np.empty(n), np.empty(n)
    value = f(x, g)
    while np.abs(g).max() > tolerance and calls < most:
        direction = two_loops(g, steps, changes, products, count)
        along = direction @ g
        rate = 1.0 if count else min(1.0, 1.0 / np.sqrt(g @ g))
        while True:
            trial = x + rate * direction
            found = f(trial, new)
            calls += 1
            # Not the other way round, so that NaN counts as too far.
            if found <= value + 1e-4 * rate * along or rate < 1e-12:
                break
            rate *= 0.5
        step, change = trial - x, new - g
        product = step @ change
        if product > 1e-12 * (change @ change):
            i = count % memory
            steps[i], changes[i], products[i] = step, change, product
            count += 1
        x, value, g, new = trial, found, new, g
    return x, value, calls


@njit
def two_loops(g, steps, changes, products, count):
    """The direction of the step from the last steps and changes of the gradient; the same book, algorithm 7.4."""
    memory = len(products)
    first = max(0, count - memory)
    direction, weights = -g, np.zeros(memory)
    for k in range(count - 1, first - 1, -1):
        i = k % memory
        weights[i] = (steps[i] @ direction) / products[i]
        direction -= weights[i] * changes[i]
    if count:
        i = (count - 1) % memory
        direction *= products[i] / (changes[i] @ changes[i])
    for k in range(first, count):
        i = k % memory
        direction += (weights[i] - (changes[i] @ direction) / products[i]) * steps[i]
    return direction


def main() -> None:
    (X, sign), _ = read_data()
    fast = jit.value_and_grad(lambda w: loss(w, X, sign))
    zero = np.zeros(X.shape[1] + 1)
    kernel = fast.kernel(zero)
    expected = minimize(fast, zero, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    print(f"SciPy's L-BFGS-B     {expected.fun:.12f} after {expected.nfev} gradients")
    programs = {"gradient descent": (descend, (0.5, 500)), "L-BFGS": (lbfgs, (10, 1e-9, 500))}
    for name, (program, options) in programs.items():
        seconds = []
        for call, f in ((program, kernel), (interpreted(program), writing(fast))):
            found, taken = timed(partial(call, f, zero, *options))
            seconds.append(taken)
            print(f"{name:20} {found[1]:.12f} in {seconds[-1] * 1e3:8.2f} ms")
        print(f"{'':20} {seconds[1] / seconds[0]:.1f} times as long driven by Python")


if __name__ == "__main__":
    main()
