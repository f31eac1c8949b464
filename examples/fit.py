"""A polynomial's gradient step by step, then a logistic regression on real data, eager and compiled."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from scipy.optimize import OptimizeResult, minimize

import autograd as ag
import jit

DATA = Path(__file__).parent / "data" / "breast_cancer.csv"
PICTURE = Path("out") / "polynomial.svg"
PENALTY = 0.01

Rows = tuple[np.ndarray, np.ndarray]


def polynomial(x):
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def loss(w, X, sign):
    """The mean logistic loss of labels `sign` (1 or -1) under weights `w` (the intercept last), penalised."""
    margin = sign * (X @ w[:-1] + w[-1])
    return np.mean(np.logaddexp(0.0, -margin)) + 0.5 * PENALTY * np.sum(w[:-1] ** 2)


def show_polynomial() -> None:
    x = ag.tensor(2.0, requires_grad=True)
    y = polynomial(x)
    PICTURE.parent.mkdir(exist_ok=True)
    ag.make_dot(y, params={"x": x}).save(PICTURE)
    y.backward()
    value, gradient = jit.value_and_grad(polynomial)(2.0)
    np.testing.assert_allclose((value, gradient), (y.item(), x.grad.item()), rtol=1e-14)

    print("y = 5*x**3 + 2*x**2 + 4*x + 8 at x = 2")
    print(f"  y          {y}")
    print(f"  its graph  {PICTURE}")
    print(f"  x.grad     {x.grad}")
    print(f"  compiled   value {value}, gradient {gradient}")


def read_data() -> tuple[Rows, Rows]:
    """The rows to fit and the held-out fifth: standardised features, and labels 1 (malignant) or -1."""
    rows = np.random.default_rng(0).permutation(np.loadtxt(DATA, delimiter=",", skiprows=1))
    sign, X = 2 * rows[:, 0] - 1, rows[:, 1:]
    held = len(rows) // 5
    X = (X - X[held:].mean(axis=0)) / X[held:].std(axis=0)
    return (X[held:], sign[held:]), (X[:held], sign[:held])


def accuracy(w: np.ndarray, X: np.ndarray, sign: np.ndarray) -> float:
    return float(np.mean(np.sign(X @ w[:-1] + w[-1]) == sign))


def timed(call: Callable[[], object]) -> float:
    """The seconds that one call takes."""
    start = perf_counter()
    call()
    return perf_counter() - start


def typical(*calls: Callable[[], object]) -> list[float]:
    """Each call's median seconds, over a second in which they take turns, twenty calls at a time."""
    seconds: list[list[float]] = [[] for _ in calls]
    end = perf_counter() + 1.0
    while perf_counter() < end:
        for call, taken in zip(calls, seconds, strict=True):
            taken.extend(timed(call) for _ in range(20))
    return [median(taken) for taken in seconds]


def fit(gradient: Callable[..., tuple[float, np.ndarray]], train: Rows) -> OptimizeResult:
    """The weights of least loss, found with a function that returns the loss and its gradient."""
    zero = np.zeros(train[0].shape[1] + 1)
    first = timed(lambda: gradient(zero, *train))
    found = minimize(gradient, zero, train, jac=True, method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-7})
    return OptimizeResult(found, first=first)


def show_fit() -> None:
    train, held = read_data()
    print(f"\nLogistic regression on {len(train[1])} tumours, {len(held[1])} held out")
    by_tape, by_kernel = ag.value_and_grad(loss), jit.value_and_grad(loss)
    eager, compiled = fit(by_tape, train), fit(by_kernel, train)
    np.testing.assert_allclose(compiled.fun, eager.fun, rtol=1e-9)
    np.testing.assert_allclose(compiled.x, eager.x, atol=1e-4)
    slow, fast = typical(lambda: by_tape(eager.x, *train), lambda: by_kernel(eager.x, *train))

    def line(label: str, *cells: str) -> None:
        print(f"  {label:20}" + "".join(f"{cell:>14}" for cell in cells))

    line("", "eager", "compiled")
    line("loss", *(f"{found.fun:.9f}" for found in (eager, compiled)))
    line("accuracy, fitted", *(f"{accuracy(found.x, *train):.1%}" for found in (eager, compiled)))
    line("accuracy, held out", *(f"{accuracy(found.x, *held):.1%}" for found in (eager, compiled)))
    line("iterations", *(f"{found.nit}" for found in (eager, compiled)))
    line("gradients taken", *(f"{found.nfev}" for found in (eager, compiled)))
    line("first gradient", *(f"{found.first * 1e3:.1f} ms" for found in (eager, compiled)))
    line("one gradient", *(f"{seconds * 1e6:.1f} us" for seconds in (slow, fast)))
    print(f"  A gradient takes {slow / fast:.1f} times as long eager as compiled.")


if __name__ == "__main__":
    show_polynomial()
    show_fit()
