"""`python -m benchmarks.eager_overhead`: what recording adds to an operation; eager gradients beside others'.

The second part is the same comparison as `python -m benchmarks`, of the eager forms only.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from statistics import median
from timeit import Timer
from typing import Any

import numpy as np

import autograd as ag
from benchmarks.contestants import BY_NAME, Contestant
from benchmarks.harness import compete
from benchmarks.process import HIPS_VARIABLE, Crew, WorkerError
from benchmarks.report import Outcome, Progress, block, failures, summary
from benchmarks.workloads import select

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "x * y": lambda x, y: x * y,
    "np.sin(x)": lambda x, y: np.sin(x),
    "x + 2.0": lambda x, y: x + 2.0,
}
OPERANDS = {
    "3-vector": (np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0])),
    "0-d": (np.array(0.1), np.array(2.0)),
}
CALLS = 20_000


def overheads(rounds: int) -> list[tuple[str, float, float]]:
    """Seconds of each small operation on arrays and on tensors that record, medians of alternating rounds."""
    figures = []
    for shape, arrays in OPERANDS.items():
        tensors = [ag.tensor(x, requires_grad=True) for x in arrays]
        for name, operation in OPERATIONS.items():
            bare, recorded = Timer(partial(operation, *arrays)), Timer(partial(operation, *tensors))
            pairs = [(bare.timeit(CALLS) / CALLS, recorded.timeit(CALLS) / CALLS) for _ in range(rounds)]
            figures.append((f"{name}, {shape}", median(p[0] for p in pairs), median(p[1] for p in pairs)))
    return figures


def show_overheads(rounds: int) -> None:
    """Prints what recording adds."""
    print(f"{'':<22}{'NumPy':>9}{'recorded':>10}{'added':>9}   us a call")
    for name, bare, recorded in overheads(rounds):
        figures = f"{bare * 1e6:>9.2f}{recorded * 1e6:>10.2f}{(recorded - bare) * 1e6:>9.2f}"
        print(f"{name:<22}{figures}", flush=True)
    print()


def installed(crew: Crew) -> list[Contestant]:
    """Ours and those of the eager peers that start."""
    found = [BY_NAME["eager"]]
    for name in ("torch", "hips"):
        try:
            crew.get(BY_NAME[name])
        except WorkerError as error:
            print(f"{BY_NAME[name].title} is left out: {error}\n")
            continue
        found.append(BY_NAME[name])
    return found


def gradients(names: list[str] | None, crew: Crew, rounds: int) -> list[Outcome]:
    """Compares the eager gradients of the small workloads, printed as they come."""
    progress, contestants, outcomes = Progress(), installed(crew), []
    for workload in select(names, quick=True):
        say = partial(progress.about, workload.title)
        outcome = Outcome(workload, compete(workload, contestants, crew, rounds, "eager", say))
        outcomes.append(outcome)
        progress.clear()
        print(block(outcome, "eager"), end="\n\n", flush=True)
    return outcomes


def main() -> int:
    """Prints both parts; 1 where somebody's gradient was wrong or ours failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager_overhead", description=__doc__)
    parser.add_argument("--hips", default=os.environ.get(HIPS_VARIABLE), help="folder of HIPS autograd")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="small workloads by part of the name")
    options = parser.parse_args()
    show_overheads(options.rounds)
    crew = Crew({"hips": options.hips}, patience=180.0)
    try:
        outcomes = gradients(options.only, crew, options.rounds)
    finally:
        crew.close()
    print(summary(outcomes, "eager"))
    return 1 if any(failures(outcome) for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
