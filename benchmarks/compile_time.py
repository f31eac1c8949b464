"""`python -m benchmarks.compile_time`: the first call of scalar functions of ten to 16,000 operations.

A chain repeats itself, and is a loop in the kernel; a tangle, of operations drawn at random, does not.
Each is measured in a process of its own, with empty caches, after another function was compiled, so that
Numba's start-up, which is shown beside it, is not in the figure.
"""

import argparse
import json
import operator
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

import autograd as ag
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


def tangle(length: int) -> Callable[[Any], Any]:
    """A function of one number that is `length` operations long, drawn at random, on up to twelve numbers at a time."""
    operations = (
        operator.mul,
        operator.sub,
        lambda _, y: 0.5 * y,
        lambda _, y: np.sin(y),
        lambda _, y: np.cos(y),
        lambda _, y: np.tanh(y),
    )
    width = min(12, length // 3)

    def function(x: Any) -> Any:
        draw = random.Random(0)
        live = [(0.1 * i + 0.3) * x for i in range(width)]
        for _ in range(length - 2 * width):
            i, j = draw.randrange(width), draw.randrange(width)
            live[j] = draw.choice(operations)(live[i], live[j])
        return sum(live)

    return function


FUNCTIONS = {"chain": chain, "tangle": tangle}


def first_call(name: str, length: int, mode: str) -> dict[str, float]:
    """The seconds of a first call in this process, and of the start-up before it; the result is checked."""
    function = FUNCTIONS[name](length)
    begun = time.perf_counter()
    transform = jit.compile if mode == "value" else jit.value_and_grad
    transform(lambda x: x * x)(np.array(3.0))
    ready = time.perf_counter()
    result = transform(function)(np.array(POINT))
    done = time.perf_counter()
    expected = ag.value_and_grad(function)(np.array(POINT))
    if not np.allclose(result, expected[: np.size(result)], rtol=1e-9, atol=0.0):
        raise ArithmeticError(f"{mode} of a {name} of {length} operations: got {result}, expected {expected}")
    return {"start-up": ready - begun, "first call": done - ready}


def in_fresh_process(name: str, length: int, mode: str) -> dict[str, float]:
    """`first_call` where nothing was compiled before."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as scratch:
        command = [sys.executable, "-m", "benchmarks.compile_time", "--child", name, str(length), mode]
        done = subprocess.run(command, env=environment(scratch), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def table(lengths: tuple[int, ...]) -> None:
    """Measures and prints every length of both functions in both modes; the last column is 1 where cost is linear."""
    print(f"{'':<28}{'operations':>11}{'start-up':>11}{'first call':>12}{'an operation':>14}{'by linear':>11}")
    for name, mode in product(FUNCTIONS, MODES):
        before = None
        for length in lengths:
            figures = in_fresh_process(name, length, mode)
            start, first = figures["start-up"], figures["first call"]
            linear = f"{first / length / before:.2f}x" if before else "-"
            shown = f"{seconds(start):>11}{seconds(first):>12}{seconds(first / length):>14}{linear:>11}"
            print(f"{name + ', ' + mode:<28}{length:>11,}{shown}", flush=True)
            before = first / length if length > LENGTHS[0] else None


def main() -> None:
    """Prints the table, or, as a child, one measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compile_time", description=__doc__)
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS, help="operations in the function")
    parser.add_argument("--child", nargs=3, metavar=("NAME", "LENGTH", "MODE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, length, mode = options.child
        print(json.dumps(first_call(name, int(length), mode)))
    else:
        table(tuple(options.lengths))


if __name__ == "__main__":
    main()
