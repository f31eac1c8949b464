"""`python -m benchmarks`: value and gradient of the public workloads, ours and the installed peers'."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.chart import chart
from benchmarks.contestants import CONTESTANTS, PEER, Contestant
from benchmarks.harness import compete
from benchmarks.machine import describe
from benchmarks.markdown import markdown
from benchmarks.process import HIPS_VARIABLE, Crew, WorkerError
from benchmarks.regimes import overview, regimes_as_json
from benchmarks.report import COMPILED, Outcome, Progress, as_json, block, failures
from benchmarks.workloads import WORKLOADS, Workload, select

RESULTS = Path(__file__).parent / "results"
EPILOG = f"""
HIPS autograd has our import name, so it is read from a folder of its own:
  pip install --no-deps --target FOLDER autograd
  python -m benchmarks --hips FOLDER        (or {HIPS_VARIABLE}=FOLDER)
The other peers are found when they are installed: JAX, PyTorch, PyTensor, CasADi.
"""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line."""
    peers = [c.name for c in CONTESTANTS if c.kind == PEER]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(w.name for w in WORKLOADS)
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"workloads by part of the name: {names}")
    parser.add_argument(
        "--peers", nargs="*", choices=[*peers, "none"], help="peers to run, or none; default: all found"
    )
    parser.add_argument(
        "--hips", default=os.environ.get(HIPS_VARIABLE), metavar="FOLDER", help="where HIPS autograd is"
    )
    parser.add_argument("--rounds", type=int, help="rounds a contestant (default 15, quick 5)")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds that an answer may take (default 180)")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER", help="where JSON and chart go")
    options = parser.parse_args(argv)
    if options.rounds is None:
        options.rounds = 5 if options.quick else 15
    return options


def present(crew: Crew, peers: list[str] | None, progress: Progress) -> tuple[list[Contestant], list[str]]:
    """The contestants that start, and a line about each that does not; an asked-for peer must."""
    wanted = [c for c in CONTESTANTS if c.kind != PEER or peers is None or c.name in peers]
    found, notes = [], []
    for contestant in wanted:
        progress(f"starting {contestant.name}")
        try:
            crew.get(contestant)
        except WorkerError as error:
            notes.append(f"{contestant.title} is left out: {error}")
            if contestant.kind != PEER or peers is not None or error.kind != "missing":
                raise SystemExit("\n".join(notes)) from None
            continue
        found.append(contestant)
    return found, notes


def run(
    workloads: Sequence[Workload],
    contestants: Sequence[Contestant],
    crew: Crew,
    rounds: int,
    progress: Progress,
    keep: Callable[[Sequence[Outcome]], None],
) -> list[Outcome]:
    """Every workload's outcome, printed and kept as it comes."""
    outcomes = []
    for workload in workloads:
        say = partial(progress.about, workload.title)
        outcome = Outcome(workload, compete(workload, contestants, crew, rounds, COMPILED, say, again=COMPILED))
        outcomes.append(outcome)
        progress.clear()
        print(block(outcome), end="\n\n", flush=True)
        keep(outcomes)
    return outcomes


def write(options: argparse.Namespace, machine: dict[str, Any], crew: Crew, outcomes: Sequence[Outcome]) -> None:
    """Writes what is known so far."""
    settings = {"quick": options.quick, "rounds": options.rounds, "timeout": options.timeout}
    report = as_json(outcomes, machine | {"peers": crew.versions}, settings) | {"regimes": regimes_as_json(outcomes)}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "chart.svg").write_text(chart(report))
    (options.out / "tables.md").write_text(markdown(report))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the comparison; 1 where a result was wrong or ours failed."""
    options = arguments(argv)
    try:
        workloads = select(options.only, options.quick)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    machine = describe()
    print(f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['date']}")
    progress, crew = Progress(), Crew({"hips": options.hips}, options.timeout)
    try:
        contestants, notes = present(crew, options.peers, progress)
        progress.clear()
        print("\n".join([*notes, ""]))
        keep = partial(write, options, machine, crew)
        outcomes = run(workloads, contestants, crew, options.rounds, progress, keep)
    finally:
        crew.close()
    print(overview(outcomes))
    print(f"\nwritten to {options.out}: results.json, chart.svg, tables.md")
    bad = [line for outcome in outcomes for line in failures(outcome)]
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
