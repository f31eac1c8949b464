"""`python -m benchmarks.matrices`: Jacobians, Hessians, Laplacians and Gauss-Newton matrices against JAX's.

Values are compared first. A row has the time of a call, how many times as long it takes as the function alone, both
compiled, and how many times as long JAX takes, in rounds that alternate; the least counts, since JAX's threads wait for
whatever else the machine does. Without JAX its column is empty.
"""

import argparse
import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import jit
from benchmarks.measure import timed
from benchmarks.report import seconds, times

ROUNDS, PATIENCE = 15, 5e-3
STEPS, WIDTH = 100, 0.01


class Case(NamedTuple):
    """A derivative of a function `f(xp, repeat, x)`, where `xp` is NumPy or JAX's and `repeat` their loop."""

    name: str
    kind: str
    function: Callable[..., Any]
    x: Any


def rosenbrock(xp: Any, repeat: Any, x: Any) -> Any:
    """Rosenbrock's valley."""
    return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def network(features: Any, targets: Any, xp: Any, repeat: Any, x: Any) -> Any:
    """The squared error of a network with one hidden layer, of 64 parameters."""
    hidden = xp.tanh(features @ x[:48].reshape(6, 8) + x[48:56])
    return xp.mean((hidden @ x[56:] - targets) ** 2)


def logistic(features: Any, labels: Any, xp: Any, repeat: Any, x: Any) -> Any:
    """The mean loss of a logistic regression."""
    return xp.mean(xp.log1p(xp.exp(-labels * (features @ x))))


def residual(matrix: Any, xp: Any, repeat: Any, x: Any) -> Any:
    """As many residuals as unknowns."""
    return xp.tanh(matrix @ x) * x - 0.5


def lorenz(xp: Any, repeat: Any, x: Any) -> Any:
    """The state of the Lorenz system after steps of Runge and Kutta."""

    def slope(s: Any) -> Any:
        return xp.stack([10.0 * (s[1] - s[0]), s[0] * (28.0 - s[2]) - s[1], s[0] * s[1] - 8.0 / 3.0 * s[2]])

    def step(s: Any) -> Any:
        a = slope(s)
        b = slope(s + 0.5 * WIDTH * a)
        c = slope(s + 0.5 * WIDTH * b)
        return s + WIDTH / 6.0 * (a + 2.0 * b + 2.0 * c + slope(s + WIDTH * c))

    return repeat(step, x)


def projection(xp: Any, repeat: Any, x: Any) -> Any:
    """Two residuals of a camera with 12 parameters and a point with three."""
    r, t, f, point = x[:3], x[3:6], x[6:12], x[12:]
    angle = xp.sqrt(xp.sum(r * r))
    axis = r / angle
    cross = xp.stack([
        axis[1] * point[2] - axis[2] * point[1],
        axis[2] * point[0] - axis[0] * point[2],
        axis[0] * point[1] - axis[1] * point[0],
    ])  # fmt: skip
    seen = point * xp.cos(angle) + cross * xp.sin(angle) + axis * xp.sum(axis * point) * (1.0 - xp.cos(angle)) + t
    flat = -seen[:2] / seen[2]
    n = xp.sum(flat * flat)
    return f[0] * (1.0 + f[1] * n + f[2] * n * n) * flat + f[3] * flat[::-1] + f[4:6]


def cases() -> list[Case]:
    """What is measured."""
    rng = np.random.default_rng(0)
    mlp = partial(network, rng.normal(size=(50, 6)), rng.normal(size=50))
    regression = partial(logistic, rng.normal(size=(200, 20)), rng.choice([-1.0, 1.0], size=200))
    square = partial(residual, rng.normal(size=(30, 30)) / 5)
    camera = np.concatenate(
        [[0.1, -0.2, 0.3], [0.1, 0.2, -5.0], [500.0, 0.01, 0.001, 0.1, 320.0, 240.0], [1.0, 2.0, 0.5]]
    )
    return [
        *[Case(f"Rosenbrock {n}", "hessian", rosenbrock, rng.normal(size=n)) for n in (10, 50, 200)],
        Case("MLP, 64 parameters", "hessian", mlp, rng.normal(size=64)),
        Case("Logistic regression 200x20", "hessian", regression, rng.normal(size=20)),
        Case("Residual 30x30", "jacobian", square, rng.normal(size=30)),
        Case("Residual 30x30", "jacfwd", square, rng.normal(size=30)),
        Case("Residual 30x30", "jacrev", square, rng.normal(size=30)),
        Case("Lorenz RK4 100", "jacobian", lorenz, np.array([1.0, 2.0, 3.0])),
        Case("Projection 2x15", "jacobian", projection, camera),
        Case("Residual 30x30", "gauss_newton", square, rng.normal(size=30)),
        Case("Rosenbrock 50", "laplacian", rosenbrock, rng.normal(size=50)),
        Case("MLP, 64 parameters", "laplacian", mlp, rng.normal(size=64)),
        Case("Residual 30x30", "jacobian_diagonal", square, rng.normal(size=30)),
    ]


def by_python(step: Callable[[Any], Any], x: Any) -> Any:
    """So many steps."""
    for _ in range(STEPS):
        x = step(x)
    return x


def jax_of(case: Case) -> Callable[[], Any] | None:
    """The call of JAX, where it is installed."""
    if importlib.util.find_spec("jax") is None:
        return None
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    f = partial(case.function, jax.numpy, lambda step, x: jax.lax.fori_loop(0, STEPS, lambda _, s: step(s), x))

    def gauss_newton(x: Any) -> Any:
        r, matrix = f(x), jax.jacobian(f)(x)
        return r @ r / 2, r @ matrix, matrix.T @ matrix

    made = {
        "hessian": jax.hessian(f),
        # Its `jacobian` is `jacrev`; the better one of both.
        "jacobian": jax.jacfwd(f) if case.x.size <= 3 else jax.jacrev(f),
        "jacfwd": jax.jacfwd(f),
        "jacrev": jax.jacrev(f),
        "gauss_newton": gauss_newton,
        "laplacian": lambda x: jax.numpy.trace(jax.hessian(f)(x)),
        "jacobian_diagonal": lambda x: jax.numpy.diag(jax.jacrev(f)(x)),
    }
    compiled, x = jax.jit(made[case.kind]), jax.numpy.asarray(case.x)
    return lambda: jax.block_until_ready(compiled(x))


def measured(case: Case, rounds: int) -> tuple[float, float, float | None]:
    """Least seconds of a call of ours, of the function alone, and of JAX's, in alternating rounds."""
    f = partial(case.function, np, by_python)
    compiled, function, peer = getattr(jit, case.kind)(f), jit.compile(f), jax_of(case)
    forms: list[Callable[[], Any]] = [lambda: compiled(case.x), lambda: function(case.x)]
    forms += [] if peer is None else [peer]
    for form in forms:
        form()
        form()
    if peer is not None:
        mine, other = forms[0](), peer()
        for x, y in zip(*[z if isinstance(z, tuple) else (z,) for z in (mine, other)], strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-9)
    counts = [max(1, int(PATIENCE / timed(form, 1))) for form in forms]
    taken = [[timed(form, n) for form, n in zip(forms, counts, strict=True)] for _ in range(rounds)]
    found = [min(column) for column in zip(*taken, strict=True)]
    return found[0], found[1], found[2] if peer is not None else None


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matrices", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="alternating rounds, of which the least counts")
    parser.add_argument("--cases", default="", help="only those whose names contain this")
    options = parser.parse_args()
    print(f"{'':<28}{'':<20}{'a call':>10}{'by function':>13}{'JAX':>8}")
    for case in cases():
        if options.cases in f"{case.name} {case.kind}":
            ours, function, peer = measured(case, options.rounds)
            other = "–" if peer is None else times(peer / ours)
            print(
                f"{case.name:<28}{case.kind:<20}{seconds(ours):>10}{times(ours / function):>13}{other:>8}", flush=True
            )


if __name__ == "__main__":
    main()
