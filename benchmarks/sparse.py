"""`python -m benchmarks.sparse`: sparse Jacobians and Hessians, by the time of an entry over that of the function.

A function takes its time for each of its unknowns; a matrix for each of its entries. The calls of a function, its
matrix and, where there is one, a kernel by hand alternate, and the least time of each counts. Values are compared with
the kernel by hand, or with products of the matrix and a vector, before.
"""

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numba
import numpy as np

import autograd as ag
import jit
from benchmarks.report import seconds

SIDE, STEPS, STEP = 316, 20_000, 1e-3


def diffusion(u: Any) -> Any:
    """The residual of a diffusion whose conductivity is 1 + u², with a reaction, on a square of zeros around it."""
    n = round(u.size**0.5)
    p = ag.pad(ag.reshape(u, (n, n)), 1)
    k = 1 + p**2
    down = (k[1:, 1:-1] + k[:-1, 1:-1]) / 2 * (p[1:, 1:-1] - p[:-1, 1:-1])
    across = (k[1:-1, 1:] + k[1:-1, :-1]) / 2 * (p[1:-1, 1:] - p[1:-1, :-1])
    return ag.reshape(down[1:] - down[:-1] + across[:, 1:] - across[:, :-1] + np.exp(p[1:-1, 1:-1]), (-1,))


def dynamics(x: Any, v: Any, u: Any) -> tuple[Any, Any]:
    """The rates of a pendulum with friction."""
    return v, u - np.sin(x) - 0.1 * v * np.abs(v)


def defects(z: Any) -> Any:
    """The constraints of optimal control by the trapezoidal rule: states and controls one step after the other."""
    z = ag.reshape(z, (-1, 3))
    x, v, u = z[:, 0], z[:, 1], z[:, 2]
    dx, dv = dynamics(x, v, u)
    first = x[1:] - x[:-1] - STEP / 2 * (dx[1:] + dx[:-1])
    second = v[1:] - v[:-1] - STEP / 2 * (dv[1:] + dv[:-1])
    return ag.reshape(ag.stack([first, second], 1), (-1,))


def lagrangian(z: Any, factor: Any, multipliers: Any) -> Any:
    """The costs of the states and of the controls, and the constraints with their multipliers."""
    states = ag.reshape(z, (-1, 3))
    costs = STEP * ag.sum(states[:, 2] ** 2 + 1 - np.cos(states[:, 0] - np.pi))
    return factor * costs + ag.sum(multipliers * defects(z))


@numba.njit
def _link(u: float, w: float) -> tuple[float, float]:
    """The derivatives of the flux between two neighbours by either, of the one at `w` first."""
    half, slope = (1 + u * u + 1 + w * w) / 2, w - u
    return half + w * slope, -half + u * slope


@numba.njit
def diffusion_by_hand(u: Any, nonzeros: int) -> Any:
    """The entries of the Jacobian of `diffusion`, row by row."""
    n, k = int(np.sqrt(len(u))), 0
    out = np.empty(nonzeros)
    for i in range(n):
        for j in range(n):
            at, middle = i * n + j, 0.0
            here = u[at]
            middle += np.exp(here)
            left = right = above = below = 0.0
            if i > 0:
                above, own = _link(here, u[at - n])
                middle += own
            else:
                middle += _link(here, 0.0)[1]
            if j > 0:
                left, own = _link(here, u[at - 1])
                middle += own
            else:
                middle += _link(here, 0.0)[1]
            if j < n - 1:
                right, own = _link(here, u[at + 1])
                middle += own
            else:
                middle += _link(here, 0.0)[1]
            if i < n - 1:
                below, own = _link(here, u[at + n])
                middle += own
            else:
                middle += _link(here, 0.0)[1]
            if i > 0:
                out[k], k = above, k + 1
            if j > 0:
                out[k], k = left, k + 1
            out[k], k = middle, k + 1
            if j < n - 1:
                out[k], k = right, k + 1
            if i < n - 1:
                out[k], k = below, k + 1
    return out


class Case(NamedTuple):
    """A function, its matrix, arguments, and a kernel by hand of the first argument and the number of entries."""

    name: str
    function: Callable[..., Any]
    matrix: jit.SparseDerivative
    args: tuple[Any, ...]
    hand: Callable[..., Any] | None = None


def cases(side: int = SIDE, steps: int = STEPS) -> list[Case]:
    """The cases, on a grid of that side and for so many steps of control."""
    rng = np.random.default_rng(0)
    u, z = rng.normal(size=side**2), rng.normal(size=3 * steps)
    multipliers = rng.normal(size=2 * (steps - 1))
    return [
        Case("Jacobian, diffusion on a grid", diffusion, jit.sparse_jacobian(diffusion), (u,), diffusion_by_hand),
        Case("Jacobian, constraints of optimal control", defects, jit.sparse_jacobian(defects), (z,)),
        Case(
            "Hessian, Lagrangian of optimal control", lagrangian, jit.sparse_hessian(lagrangian), (z, 1.0, multipliers)
        ),
    ]


def check(case: Case) -> None:
    """Compares the matrix with what else there is."""
    found = case.matrix(*case.args)
    if case.hand is not None:
        np.testing.assert_allclose(found.data, case.hand(case.args[0], found.nnz), rtol=1e-9, atol=1e-9)
    v = np.random.default_rng(1).normal(size=case.args[0].size)

    def moved(x: Any) -> Any:
        return case.function(x, *case.args[1:])

    if case.function is lagrangian:
        expected = ag.hvp(moved)(case.args[0], v)
    else:
        expected = ag.jvp(moved, (case.args[0],), (v,))[1]
    np.testing.assert_allclose(found @ v, expected, rtol=1e-9, atol=1e-9)


def compare(case: Case, rounds: int) -> list[float]:
    """Seconds of a call of the function, of the matrix, and of the kernel by hand, if there is one."""
    nonzeros = case.matrix.pattern(*case.args).nnz
    function = jit.compile(case.function)
    calls: list[Callable[[], Any]] = [lambda: function(*case.args), lambda: case.matrix(*case.args)]
    if case.hand is not None:
        hand = case.hand
        calls.append(lambda: hand(case.args[0], nonzeros))
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            call()
            begun = perf_counter()
            call()
            least[i] = min(least[i], perf_counter() - begun)
    return least


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    heads = [
        "matrix",
        "unknowns",
        "entries",
        "products",
        "first call",
        "function",
        "matrix",
        "an entry over an unknown",
    ]
    print("| " + " | ".join([*heads, "by hand"]) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for case in cases():
        begun = perf_counter()
        found = case.matrix(*case.args)
        first = perf_counter() - begun
        check(case)
        function, matrix, *hand = compare(case, rounds)
        unknowns = case.args[0].size
        ratio = matrix / found.nnz / (function / unknowns)
        columns = [
            case.name, f"{unknowns:,}", f"{found.nnz:,}", str(case.matrix.products(*case.args)), seconds(first),
            seconds(function), seconds(matrix), f"{ratio:.1f}", seconds(hand[0]) if hand else "",
        ]  # fmt: skip
        print("| " + " | ".join(columns) + " |")


if __name__ == "__main__":
    main()
