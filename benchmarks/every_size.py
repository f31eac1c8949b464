"""`python -m benchmarks.every_size`: a bootstrap, whose samples differ in size, and what a kernel for all sizes costs.

Calls at one size are timed in rounds that alternate between the kernel of that size and the one of all; the least
counts. Results of both are compared first.
"""

import argparse
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import numpy as np

import autograd as ag
import jit
from benchmarks.report import seconds

# So many sizes of samples, so many that each get a kernel of their own, and sizes at which calls are timed.
SAMPLES, ALONE, SIZES = 1000, 10, (10, 1000, 100_000)
PATIENCE = 0.02


def logistic(w: Any, X: Any, y: Any) -> Any:
    """The mean loss of a logistic regression."""
    return np.mean(np.log1p(np.exp(-y * (X @ w))))


def reduction(x: Any) -> Any:
    """Elementwise operations and a sum."""
    return np.sum(np.exp(-x * x) * x)


def regression(n: int) -> list[Any]:
    """The arguments of `logistic` for so many rows."""
    rng = np.random.default_rng(n)
    return [np.ones(20), rng.normal(size=(n, 20)), rng.normal(size=n)]


def vector(n: int) -> list[Any]:
    """The argument of `reduction`."""
    return [np.random.default_rng(n).normal(size=n)]


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[[int], list[Any]]]] = {
    "elementwise and a sum": (reduction, vector),
    "logistic regression": (logistic, regression),
}


def bootstrap(function: Callable[..., Any], sizes: Iterable[int]) -> tuple[float, int]:
    """Seconds of calls at these numbers of rows, and how many kernels were compiled."""
    samples = [regression(n) for n in sizes]
    jit.clear_cache()
    begun = perf_counter()
    for given in samples:
        function(*given)
    return perf_counter() - begun, jit.cache_info().misses


def compare(function: Callable[..., Any], given: list[Any], others: list[Any], rounds: int) -> tuple[float, float]:
    """Seconds of a call of the kernel for these sizes, and of the one for all, which `others` help to find."""
    alone, for_all = jit.value_and_grad(function, dynamic={}), jit.value_and_grad(function)
    for_all(*others)
    for x, y in zip(alone(*given), for_all(*given), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
    begun = perf_counter()
    alone(*given)
    count = max(1, int(PATIENCE / (perf_counter() - begun)))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for compiled, found in zip((alone, for_all), times, strict=True):
            begun = perf_counter()
            for _ in range(count):
                compiled(*given)
            found.append((perf_counter() - begun) / count)
    return min(times[0]), min(times[1])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    sizes = range(200, 200 + SAMPLES)
    print(f"A logistic regression at {SAMPLES} sizes:")
    found, kernels = bootstrap(jit.value_and_grad(logistic), sizes)
    print(f"  one kernel for all sizes   {seconds(found)}, {kernels} kernels")
    found, _ = bootstrap(ag.value_and_grad(logistic), sizes)
    print(f"  eager                      {seconds(found)}")
    found, kernels = bootstrap(jit.value_and_grad(logistic, dynamic={}), sizes[:ALONE])
    print(f"  a kernel for each size     {seconds(found * SAMPLES / ALONE)}, by the first {kernels}")
    print("A call, value and gradient, of the kernel for one size and of that for all:")
    for name, (function, make) in FUNCTIONS.items():
        for n in SIZES:
            alone, for_all = compare(function, make(n), make(n + 1), rounds)
            print(f"  {name:22} {n:8,}  {seconds(alone):>10} {seconds(for_all):>10}  {for_all / alone:.2f}")


if __name__ == "__main__":
    main()
