"""`python -m benchmarks.compile_time`: the first call of scalar functions of ten to 16,000 operations.

Each is measured in a process of its own, with empty caches, after another function was compiled, so that
Numba's start-up, which is shown beside it, is not in the figure.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import jit
from benchmarks.process import environment
from benchmarks.report import seconds

LENGTHS = (10, 1_600, 16_000)
MODES = ("value", "value and gradient")
POINT = 0.3


def chain(length: int) -> Callable[[Any], Any]:
    """A function of one number that is `length` operations long: + * sin exp in turn."""
    operations = (lambda y: y * 0.5, lambda y: y + 0.25, np.sin, np.exp)

    def function(x: Any) -> Any:
        y = x
        for i in range(length):
            y = operations[i % 4](y)
        return y

    return function


def expected(length: int) -> tuple[float, float]:
    """The chain's value and slope, by the chain rule on plain numbers."""
    y, slope = POINT, 1.0
    for i in range(length):
        kind = i % 4
        if kind == 0:
            y, slope = y * 0.5, slope * 0.5
        elif kind == 1:
            y += 0.25
        elif kind == 2:
            y, slope = math.sin(y), slope * math.cos(y)
        else:
            y, slope = math.exp(y), slope * math.exp(y)
    return y, slope


def first_call(length: int, mode: str) -> dict[str, float]:
    """The seconds of a first call in this process, and of the start-up before it; the result is checked."""
    begun = time.perf_counter()
    transform = jit.compile if mode == "value" else jit.value_and_grad
    transform(lambda x: x * x)(np.array(3.0))
    ready = time.perf_counter()
    result = transform(chain(length))(np.array(POINT))
    done = time.perf_counter()
    if not np.allclose(result, expected(length)[: np.size(result)], rtol=1e-9, atol=0.0):
        raise ArithmeticError(f"{mode} of {length} operations: got {result}, expected {expected(length)}")
    return {"start-up": ready - begun, "first call": done - ready}


def in_fresh_process(length: int, mode: str) -> dict[str, float]:
    """`first_call` where nothing was compiled before."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as scratch:
        command = [sys.executable, "-m", "benchmarks.compile_time", "--child", str(length), mode]
        done = subprocess.run(command, env=environment(scratch), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def table(lengths: tuple[int, ...]) -> None:
    """Measures and prints every length in both modes; the last column is 1 where cost is linear in length."""
    print(f"{'':<20}{'operations':>11}{'start-up':>11}{'first call':>12}{'an operation':>14}{'by linear':>11}")
    for mode in MODES:
        before = None
        for length in lengths:
            figures = in_fresh_process(length, mode)
            start, first = figures["start-up"], figures["first call"]
            linear = f"{first / length / before:.2f}x" if before else "-"
            shown = f"{seconds(start):>11}{seconds(first):>12}{seconds(first / length):>14}{linear:>11}"
            print(f"{mode:<20}{length:>11,}{shown}", flush=True)
            before = first / length if length > LENGTHS[0] else None


def main() -> None:
    """Prints the table, or, as a child, one measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compile_time", description=__doc__)
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS, help="operations in the function")
    parser.add_argument("--child", nargs=2, metavar=("LENGTH", "MODE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(first_call(int(options.child[0]), options.child[1])))
    else:
        table(tuple(options.lengths))


if __name__ == "__main__":
    main()
