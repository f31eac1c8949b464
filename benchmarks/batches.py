"""`python -m benchmarks.batches`: functions of one example mapped over many, beside `jax.vmap` of the same.

Gradients of 100 Runge-Kutta steps of the Lorenz system from 100,000 starting points; the greeks of a million options,
mapped and written for arrays; residuals of a bundle adjustment at 100,000 observations with their Jacobians, and the
gradient of the sum of their squares. Results are compared first; each time is measured beside one of ours.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from benchmarks.contestants import OURS, PEER, PEERS, Contestant
from benchmarks.examples import (
    adjustment,
    adjustment_inputs,
    jacobians,
    jacobians_inputs,
    options,
    orbits,
    orbits_inputs,
)
from benchmarks.harness import compete
from benchmarks.process import Crew
from benchmarks.report import Progress, seconds, times
from benchmarks.workloads import LARGE, Workload, black_scholes_inputs

MAPPED = "mapped"
CONTESTANTS = (
    Contestant(MAPPED, "ours, one example", OURS, "benchmarks.mapped", "mapped", "numba"),
    Contestant("arrays", "ours, arrays", OURS, "benchmarks.mapped", "arrays", "numba"),
    Contestant("jax", "JAX", PEER, f"{PEERS}jax_batches", "vmap", "jax"),
)
TITLES = {
    "orbits": "Lorenz, value and gradient of each start",
    "options": "Black-Scholes, greeks of all options",
    "jacobians": "bundle adjustment, Jacobians of each residual",
    "adjustment": "bundle adjustment, gradient of the sum",
}


def workloads(scale: int) -> list[Workload]:
    """The workloads, with 1 / `scale` of their examples."""
    many = 100_000 // scale
    return [
        Workload("orbits", orbits, (0,), lambda: orbits_inputs(many), LARGE),
        Workload("options", options, (0, 2, 3, 4), lambda: black_scholes_inputs(10 * many), LARGE),
        Workload("jacobians", jacobians, (0, 1), lambda: jacobians_inputs(many), LARGE),
        Workload("adjustment", adjustment, (0, 1), lambda: adjustment_inputs(many), LARGE),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=TITLES, default=list(TITLES), help="default: all")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the examples")
    parser.add_argument("--rounds", type=int, default=5, help="rounds a contestant (default 5)")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds that an answer may take (default 180)")
    options = parser.parse_args(argv)
    crew, progress, failed = Crew({}, options.timeout), Progress(), False
    print(f"{'':46}{''.join(f'{c.title:>28}' for c in CONTESTANTS)}")
    try:
        for workload in workloads(100 if options.quick else 1):
            if workload.name not in options.only:
                continue
            title = TITLES[workload.name]
            entries = compete(workload, CONTESTANTS, crew, options.rounds, MAPPED, partial(progress.about, title))
            progress.clear()
            cells = []
            for name, entry in entries.items():
                failed |= entry.status not in ("ok", "absent", "missing")
                ratio = "" if name == MAPPED or entry.time is None else f" ({times(entry.ratio)})"
                cells.append(f"{seconds(entry.time) if entry.status == 'ok' else entry.status}{ratio}")
                if failed and entry.detail:
                    print(f"{title}, {name}: {entry.detail}", file=sys.stderr)
            print(f"{title:46}{''.join(f'{cell:>28}' for cell in cells)}", flush=True)
    finally:
        crew.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
