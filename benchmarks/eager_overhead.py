"""`python -m benchmarks.eager_overhead`: what recording adds to an operation; eager gradients beside others'.

The second part is the same comparison as `python -m benchmarks`, of the eager forms only.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from timeit import Timer
from typing import Any

import numpy as np

import autograd as ag
from benchmarks.contestants import BY_NAME, Contestant
from benchmarks.harness import compete
from benchmarks.process import HIPS_VARIABLE, Crew, WorkerError
from benchmarks.report import Outcome, Progress, block, failures, summary
from benchmarks.workloads import select

VECTORS = (np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]))
NUMBERS = (np.array(0.1), np.array(2.0))
MATRICES = (np.arange(9.0).reshape(3, 3), np.ones((3, 3)))
CHOICE = np.array([True, False, True])

Arrays = tuple[np.ndarray, np.ndarray]
# Each operation as a user writes it, on two arrays.
# fmt: off
OPERATIONS: tuple[tuple[str, Arrays, Callable[[Any, Any], Any]], ...] = (
    ("x * y",               VECTORS,  lambda x, y: x * y),
    ("x + 2.0",             VECTORS,  lambda x, y: x + 2.0),
    ("np.sin(x)",           VECTORS,  lambda x, y: np.sin(x)),
    ("x * y, 0-d",          NUMBERS,  lambda x, y: x * y),
    ("x + 2.0, 0-d",        NUMBERS,  lambda x, y: x + 2.0),
    ("np.sin(x), 0-d",      NUMBERS,  lambda x, y: np.sin(x)),
    ("np.sum(x)",           VECTORS,  lambda x, y: np.sum(x)),
    ("x.sum()",             VECTORS,  lambda x, y: x.sum()),
    ("np.sum(m, axis=0)",   MATRICES, lambda m, _: np.sum(m, axis=0)),
    ("np.max(x)",           VECTORS,  lambda x, y: np.max(x)),
    ("np.mean(x), two ops", VECTORS,  lambda x, y: np.mean(x)),
    ("m.reshape(9)",        MATRICES, lambda m, _: m.reshape(9)),
    ("m.T",                 MATRICES, lambda m, _: m.T),
    ("x[1]",                VECTORS,  lambda x, y: x[1]),
    ("x[1:]",               VECTORS,  lambda x, y: x[1:]),
    ("m[1]",                MATRICES, lambda m, _: m[1]),
    ("m[:, 0]",             MATRICES, lambda m, _: m[:, 0]),
    ("np.where(c, x, y)",   VECTORS,  lambda x, y: np.where(CHOICE, x, y)),
    ("m @ m",               MATRICES, lambda m, _: m @ m),
    ("np.dot(m, m)",        MATRICES, lambda m, _: np.dot(m, m)),
    ("np.stack([x, y])",    VECTORS,  lambda x, y: np.stack([x, y])),
)
# fmt: on
CALLS = 500
LINKS = 7


def overheads(rounds: int) -> list[tuple[str, float, float]]:
    """Seconds of each small operation on arrays and on tensors that record, the least of alternating rounds."""
    figures = []
    for name, arrays, operation in OPERATIONS:
        tensors = [ag.tensor(x, requires_grad=True) for x in arrays]
        bare, recorded = Timer(partial(operation, *arrays)), Timer(partial(operation, *tensors))
        pairs = [(bare.timeit(CALLS) / CALLS, recorded.timeit(CALLS) / CALLS) for _ in range(10 * rounds)]
        figures.append((name, min(p[0] for p in pairs), min(p[1] for p in pairs)))
    return figures


def survival(x: Any, censored: Any, links: int = LINKS) -> Any:
    """A program of `7 * links` operations on small arrays, of the kinds that a survival model has."""
    total = 0.0
    for _ in range(links):
        hazard = np.exp(0.1 * x)
        total = total + np.sum(np.where(censored, hazard, np.log(hazard) - x))
    return total


def gradient_cost(rounds: int) -> tuple[float, float]:
    """Seconds of one operation of `survival`: forward in NumPy, and recorded, forward and backward together."""
    x = np.linspace(0.5, 1.5, 10)
    leaf, censored = ag.tensor(x, requires_grad=True), x > 1.0
    bare, swept = Timer(partial(survival, x, censored)), Timer(lambda: survival(leaf, censored).backward())
    pairs = [(bare.timeit(5) / 5, swept.timeit(5) / 5) for _ in range(10 * rounds)]
    operations = 7 * LINKS
    return min(p[0] for p in pairs) / operations, min(p[1] for p in pairs) / operations


def show_overheads(rounds: int) -> None:
    """Prints what recording adds."""
    print(f"{'':<22}{'NumPy':>9}{'recorded':>10}{'added':>9}   us a call")
    for name, bare, recorded in overheads(rounds):
        figures = f"{bare * 1e6:>9.2f}{recorded * 1e6:>10.2f}{(recorded - bare) * 1e6:>9.2f}"
        print(f"{name:<22}{figures}", flush=True)
    bare, swept = (1e6 * seconds for seconds in gradient_cost(rounds))
    print(f"\n{7 * LINKS} small operations, forward and backward: {swept:.2f} us each; forward in NumPy: {bare:.2f}\n")


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


def gradients(names: list[str] | None, crew: Crew, rounds: int, quick: bool) -> list[Outcome]:
    """Compares the eager gradients of the workloads, of the small ones only when `quick`, printed as they come."""
    progress, contestants, outcomes = Progress(), installed(crew), []
    for workload in select(names, quick):
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
    parser.add_argument("--only", nargs="+", metavar="NAME", help="workloads by part of the name")
    parser.add_argument("--quick", action="store_true", help="the small workloads only")
    options = parser.parse_args()
    show_overheads(options.rounds)
    crew = Crew({"hips": options.hips}, patience=180.0)
    try:
        outcomes = gradients(options.only, crew, options.rounds, options.quick)
    finally:
        crew.close()
    print(summary(outcomes, "eager"))
    return 1 if any(failures(outcome) for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
