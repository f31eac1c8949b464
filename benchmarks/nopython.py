"""`python -m benchmarks.nopython`: value and gradient within compiled code, by our kernels and by an expert's.

A compiled loop calls either, at inputs that change; both make the arrays of the gradient. The last column is the same
call of ours from Python.
"""

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from numba import njit

import jit
from benchmarks import handwritten
from benchmarks.measure import timed
from benchmarks.report import seconds, times
from benchmarks.workloads import Workload, select

ROUNDS, LEAST = 15, 5e-3


@njit
def at_numbers(f, count, x):
    """The sum of the values of so many calls, each at another number."""
    total = 0.0
    for _ in range(count):
        value, g = f(x)
        x -= 1e-9 * g
        total += value
    return total


@njit
def at_arrays(f, count, x, *others):
    """The sum of the values of so many calls, each at another array."""
    total = 0.0
    for _ in range(count):
        value = f(x, *others)[0]
        x.flat[0] -= 1e-9 * value
        total += value
    return total


def contestants(workload: Workload) -> tuple[Callable[[int], float], Callable[[int], float], Callable[[], Any]]:
    """The loops that call our kernel and the written one, and the call from Python."""
    inputs = tuple(x if np.ndim(x) else float(x) for x in workload.inputs())
    argnums = workload.argnums if len(workload.argnums) > 1 else workload.argnums[0]
    fast = jit.value_and_grad(workload.function, argnums)
    kernel = fast.kernel(*inputs)
    written, memory = handwritten.SERIAL[workload.family](*inputs)
    first, *rest = inputs
    loop = at_arrays if isinstance(first, np.ndarray) else at_numbers
    start = first.copy if isinstance(first, np.ndarray) else lambda: first
    return (
        lambda count: loop(kernel, count, start(), *rest),
        lambda count: loop(written, count, start(), *rest, *memory),
        lambda: fast(*inputs),
    )


def rounds(workload: Workload, number: int) -> tuple[float, float, float]:
    """Median seconds of a call of our kernel, of the written one, and of ours from Python, in alternating rounds."""
    ours, written, python = contestants(workload)
    value, expected = ours(3), written(3)
    if not np.isclose(value, expected, rtol=1e-6):
        raise ValueError(f"{workload.name}: the kernels give {value} and {expected}")
    count = 1
    while timed(partial(ours, count)) < LEAST:
        count *= 2
    forms = (partial(ours, count), partial(written, count), lambda: [python() for _ in range(min(count, 1000))])
    taken = [[timed(form) for form in forms] for _ in range(number)]
    calls = (count, count, min(count, 1000))
    a, b, c = (median(column) / n for column, n in zip(zip(*taken, strict=True), calls, strict=True))
    return a, b, c


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nopython", description=__doc__)
    parser.add_argument("--workloads", nargs="*", help="only those whose names contain one of these")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="alternating rounds, of which the median counts")
    options = parser.parse_args()
    jit.set_num_threads(1)
    print(f"{'within compiled code':<26}{'ours':>12}{'by hand':>12}{'by ours':>10}{'from Python':>14}")
    for workload in select(options.workloads, quick=True):
        a, b, c = rounds(workload, options.rounds)
        print(f"{workload.title:<26}{seconds(a):>12}{seconds(b):>12}{times(b / a):>10}{seconds(c):>14}", flush=True)


if __name__ == "__main__":
    main()
