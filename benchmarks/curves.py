"""`python -m benchmarks.curves`: time against size, compile time against operations, time against threads.

Sizes: Black-Scholes greeks of 1 to 1e7 options, beside what the peers and NumPy's plain function (the price alone)
take. Examples: gradients of 100 Runge-Kutta steps mapped over 1 to 1e5 starts, beside `jax.vmap`. Unknowns: the sparse
Jacobian of a diffusion on grids of 16 to 1e6 points, beside its function and a kernel by hand. Operations: the first
call of chains of scalar operations, each in a process of its own. Threads: large workloads with JIT_NUM_THREADS of one
up to the number of cores.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import batches, sparse
from benchmarks.compile_time import MODES, in_fresh_process
from benchmarks.contestants import BY_NAME, VALUE, Contestant
from benchmarks.curves_chart import curves_chart
from benchmarks.examples import orbits, orbits_inputs
from benchmarks.harness import compete
from benchmarks.machine import describe
from benchmarks.process import Crew, WorkerError
from benchmarks.report import COMPILED, Progress, seconds
from benchmarks.workloads import LARGE, Workload, black_scholes, black_scholes_inputs, select

RESULTS = Path(__file__).parent / "results"
NUMPY = Contestant("numpy", "NumPy, value alone", VALUE, "benchmarks.plain", "numpy", "numpy")
PEERS = ("jax", "torch-compile")
SIZES = tuple(10**k for k in range(8))
EXAMPLES = tuple(10**k for k in range(6))
SIDES = (4, 10, 32, 100, 316, 1000)
OPERATIONS = (10, 100, 1_000, 10_000)
THREADED = ("rosenbrock-1e5", "logistic-1e5x20", "mlp-128x784x256x10", "black-scholes-1e6", "heat-128x50")
PARTS = ("size", "examples", "unknowns", "operations", "threads")


def sized(size: int) -> Workload:
    """Black-Scholes greeks of so many options."""
    return Workload(
        f"black-scholes-{size}", black_scholes, (0, 2, 3, 4), lambda: black_scholes_inputs(size), size < 1e5
    )


def mapped(count: int) -> Workload:
    """Gradients of the Lorenz system's state after 100 steps from so many starts."""
    return Workload(f"orbits-{count}", orbits, (0,), lambda: orbits_inputs(count), LARGE)


def started(crew: Crew, contestants: Sequence[Contestant], say: Callable[[str], None]) -> list[Contestant]:
    """The contestants that are there; ours and NumPy must be."""
    found = []
    for contestant in contestants:
        say(f"starting {contestant.name}")
        try:
            crew.get(contestant)
        except WorkerError as error:
            if contestant.name not in PEERS or error.kind != "missing":
                raise SystemExit(f"{contestant.title}: {error}") from None
            continue
        found.append(contestant)
    return found


def line(first: str, cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"{first:<22}{''.join(f'{cell:>20}' for cell in cells)}"


def measured(
    workload: Workload, contestants: Sequence[Contestant], crew: Crew, rounds: int, baseline: str, progress: Progress
) -> dict[str, float | None]:
    """Each contestant's time, the least of the rounds; what is wrong with a result of anyone ends the program."""
    entries = compete(workload, contestants, crew, rounds, baseline, partial(progress.about, workload.name))
    progress.clear()
    wrong = [f"{workload.name}, {name}: {e.detail}" for name, e in entries.items() if e.status == "wrong"]
    if wrong or entries[baseline].status != "ok":
        raise SystemExit("\n".join(wrong) or f"{workload.name}, {baseline}: {entries[baseline].detail}")
    return {name: min(entry.rounds) if entry.time else None for name, entry in entries.items()}


def by_size(
    heading: str,
    made: Callable[[int], Workload],
    sizes: Sequence[int],
    wanted: Sequence[Contestant],
    rounds: int,
    patience: float,
    progress: Progress,
) -> Any:
    """Times by size and contestant, of which the first is ours."""
    crew = Crew({}, patience)
    try:
        contestants = started(crew, wanted, progress)
        progress.clear()
        print(line(heading, [c.title for c in contestants]))
        rows = []
        for size in sizes:
            times = measured(made(size), contestants, crew, rounds, wanted[0].name, progress)
            print(line(f"{size:,}", [seconds(times[c.name]) for c in contestants]), flush=True)
            rows.append({"size": size, "times": times})
    finally:
        crew.close()
    return {"contestants": {c.name: c.title for c in contestants}, "rows": rows}


def by_unknowns(sides: Sequence[int], rounds: int, progress: Progress) -> Any:
    """Times of a function, of its sparse Jacobian, and of that by hand, by the number of unknowns."""
    titles = {"function": "function", "matrix": "sparse Jacobian", "hand": "by hand"}
    print(line("unknowns", list(titles.values())))
    rows = []
    for side in sides:
        progress(f"{side**2} unknowns")
        case = sparse.cases(side)[0]
        sparse.check(case)
        times = dict(zip(titles, sparse.compare(case, rounds), strict=True))
        progress.clear()
        print(line(f"{side**2:,}", [seconds(times[name]) for name in titles]), flush=True)
        rows.append({"size": side**2, "times": times})
    return {"contestants": titles, "rows": rows}


def by_operations(lengths: Sequence[int], progress: Progress) -> Any:
    """First calls of chains by number of operations."""
    print(line("operations", MODES))
    rows = []
    for length in lengths:
        times = {}
        for mode in MODES:
            progress(f"{mode} of {length} operations")
            times[mode] = in_fresh_process("chain", length, mode)["first call"]
        progress.clear()
        print(line(f"{length:,}", [seconds(times[mode]) for mode in MODES]), flush=True)
        rows.append({"operations": length, "times": times})
    return {"rows": rows}


def by_threads(names: Sequence[str], most: int, rounds: int, patience: float, progress: Progress) -> Any:
    """Times by workload and number of threads."""
    counts = sorted({min(2**k, max(2, most)) for k in range(most.bit_length() + 1)})
    contestants = [replace(BY_NAME[COMPILED], name=f"{k}", title=f"{k} threads") for k in counts]
    crew = Crew({}, patience, {f"{k}": {"JIT_NUM_THREADS": f"{k}"} for k in counts})
    print(line("", [f"{k} thread{'s' if k > 1 else ''}" for k in counts]))
    rows = []
    try:
        for workload in select(list(names), quick=False):
            times = measured(workload, contestants, crew, rounds, "1", progress)
            print(line(workload.title, [seconds(times[c.name]) for c in contestants]), flush=True)
            rows.append({"name": workload.name, "title": workload.title, "times": times})
    finally:
        crew.close()
    return {"rows": rows}


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curves",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, short chains, one workload with threads")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="which curves; default: all")
    parser.add_argument("--peers", nargs="*", choices=[*PEERS, "none"], default=PEERS, help="default: those installed")
    parser.add_argument("--rounds", type=int, default=3, help="rounds a contestant (default 3)")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds that an answer may take (default 180)")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER", help="where JSON and chart go")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints, and writes `curves.json` and `curves.svg`."""
    options = arguments(argv)
    machine, progress = describe(), Progress()
    short, peers = options.quick, [name for name in PEERS if name in options.peers]
    settings = options.rounds, options.timeout, progress
    report: dict[str, Any] = {"machine": machine}
    if "size" in options.only:
        wanted = [BY_NAME[COMPILED], NUMPY, *(BY_NAME[name] for name in peers)]
        report["size"] = by_size("options", sized, SIZES[:4] if short else SIZES, wanted, *settings)
    if "examples" in options.only:
        wanted = [c for c in batches.CONTESTANTS if c.name in (batches.MAPPED, *peers)]
        report["examples"] = by_size("starts", mapped, EXAMPLES[:3] if short else EXAMPLES, wanted, *settings)
    if "unknowns" in options.only:
        report["unknowns"] = by_unknowns(SIDES[:3] if short else SIDES, options.rounds, progress)
    if "operations" in options.only:
        report["operations"] = by_operations(OPERATIONS[:2] if short else OPERATIONS, progress)
    if "threads" in options.only:
        names = THREADED[:1] if short else THREADED
        report["threads"] = by_threads(names, int(machine["cores"]), *settings)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "curves.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "curves.svg").write_text(curves_chart(report))
    print(f"written: {options.out / 'curves.json'}, {options.out / 'curves.svg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
