"""A polynomial's gradient step by step, then a logistic regression on real data, eager and compiled."""

from collections.abc import Callable
from dataclasses import dataclass
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


def typical(call: Callable[[], object]) -> float:
    """The median seconds of a call, over half a second of calls."""
    end = perf_counter() + 0.5
    seconds = [timed(call)]
    while perf_counter() < end:
        seconds.append(timed(call))
    return median(seconds)


@dataclass(frozen=True)
class Run:
    """One fit, and the seconds that its first gradient, the whole of it and a later gradient took."""

    found: OptimizeResult
    first: float
    whole: float
    each: float


def run(gradient: Callable[..., tuple[float, np.ndarray]], train: Rows) -> Run:
    """Fit weights to `train` with a function that returns the loss and its gradient."""
    zero = np.zeros(train[0].shape[1] + 1)
    first = timed(lambda: gradient(zero, *train))
    start = perf_counter()
    found = minimize(
        gradient, zero, train, jac=True, method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-7}
    )
    whole = perf_counter() - start
    return Run(found, first, whole, typical(lambda: gradient(found.x, *train)))


def show_fit() -> None:
    train, held = read_data()
    print(f"\nLogistic regression on {len(train[1])} tumours, {len(held[1])} held out")
    eager, compiled = run(ag.value_and_grad(loss), train), run(jit.value_and_grad(loss), train)
    np.testing.assert_allclose(compiled.found.fun, eager.found.fun, rtol=1e-9)
    np.testing.assert_allclose(compiled.found.x, eager.found.x, atol=1e-4)

    lines: dict[str, Callable[[Run], str]] = {
        "loss": lambda r: f"{r.found.fun:.9f}",
        "accuracy, fitted": lambda r: f"{accuracy(r.found.x, *train):.1%}",
        "accuracy, held out": lambda r: f"{accuracy(r.found.x, *held):.1%}",
        "iterations": lambda r: f"{r.found.nit}",
        "gradients taken": lambda r: f"{r.found.nfev}",
        "first gradient": lambda r: f"{r.first * 1e3:.1f} ms",
        "one gradient": lambda r: f"{r.each * 1e6:.1f} us",
        "whole fit": lambda r: f"{r.whole * 1e3:.1f} ms",
    }
    print(f"  {'':18}{'eager':>14}{'compiled':>14}")
    for label, cell in lines.items():
        print(f"  {label:18}{cell(eager):>14}{cell(compiled):>14}")
    print(f"  A gradient takes {eager.each / compiled.each:.1f} times as long eager as compiled.")


if __name__ == "__main__":
    show_polynomial()
    show_fit()
