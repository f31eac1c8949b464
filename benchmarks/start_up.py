"""`python -m benchmarks.start_up`: what a fresh process takes to its first gradient, and to the next one.

Each line is a process: first with an empty disk cache of kernels, then with what that one has left there. The import
is not in the figures of the gradients. The last column is the time to compile a kernel, or to load it. BLAS has one
thread, since to start others takes it longer than all the rest.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.process import environment
from benchmarks.report import seconds

X = np.linspace(0.5, 2.0, 100)
W = np.outer(X, X) / 300
# The second function of each pair is measured when nothing but its own kernel is new.
WORKLOADS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Any]] = {
    "a polynomial": (lambda x: 5 * x**3 + 2 * x**2 + 4 * x + 8, lambda x: 3 * x**4 - x, 1.5),
    "a sum over 100 elements": (lambda x: np.sum(np.tanh(x) ** 2), lambda x: np.sum(np.exp(-x) * x), X),
    "products of matrices": (lambda x: np.sum(np.tanh(x @ W) ** 2), lambda x: np.sum(np.exp(-(x @ W)) * x), W),
}
# Of so many processes the fastest counts.
ROUNDS = 3


def first_gradients(name: str) -> dict[str, float]:
    """The seconds of the import and of the first gradients in this process, and those for the kernel of the second."""
    begun = time.perf_counter()
    # Its import is what is measured.
    import jit

    first, second, x = WORKLOADS[name]
    figures = [begun, time.perf_counter()]
    for function in (first, second):
        compiled = jit.value_and_grad(function)
        compiled(x)
        figures.append(time.perf_counter())
    ((variant,),) = compiled.variants.values()
    imported, one, two = np.diff(figures)
    return {"import": imported, "first": one, "second": two, "kernel": variant.times.compile}


def fresh_process(name: str, scratch: str) -> dict[str, float]:
    """`first_gradients` in a process of its own, with the disk cache that lies in `scratch`."""
    command = [sys.executable, "-m", "benchmarks.start_up", "--child", name]
    variables = environment(scratch) | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def rounds(name: str, count: int) -> dict[str, dict[str, float]]:
    """The least of each figure, with an empty and with a warm disk cache."""
    found: dict[str, list[dict[str, float]]] = {"empty": [], "warm": []}
    for _ in range(count):
        with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as scratch:
            for state in found:
                found[state].append(fresh_process(name, scratch))
    return {state: {key: min(x[key] for x in several) for key in several[0]} for state, several in found.items()}


def main() -> None:
    """Prints the table, or, as a child, one measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="processes for each line")
    parser.add_argument("--child", choices=WORKLOADS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(first_gradients(options.child)))
        return
    heads = ("import", "first gradient", "second gradient", "its kernel")
    print(f"{'':<26}{'disk cache':>11}" + "".join(f"{head:>17}" for head in heads))
    for name in WORKLOADS:
        for state, figures in rounds(name, options.rounds).items():
            shown = "".join(f"{seconds(x):>17}" for x in figures.values())
            print(f"{name:<26}{state:>11}{shown}", flush=True)


if __name__ == "__main__":
    main()
