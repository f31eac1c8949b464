"""Measurement: results are compared first, then contestants alternate with ours, round by round."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.contestants import Contestant
from benchmarks.measure import Entries, Entry, Result, alternate, difference
from benchmarks.process import Crew, Worker, WorkerError
from benchmarks.workloads import Workload

BATCH_SECONDS = 0.03
WARM_SECONDS = 0.003

SETTLE_SECONDS = 0.03


def batch_size(worker: Worker) -> tuple[int, int]:
    """How many calls fill a batch, and how many to make untimed before it."""
    calls, seconds = 1, 0.0
    while True:
        seconds = worker.ask(do="time", calls=calls, warm=0)["seconds"]
        if seconds >= BATCH_SECONDS / 4:
            break
        calls *= 4
    one = seconds / calls
    return max(1, round(BATCH_SECONDS / one)), int(WARM_SECONDS / one)


def timer(worker: Worker) -> Callable[[], float]:
    """A function that times one batch of a prepared worker's calls, in seconds a call."""
    calls, warm = batch_size(worker)

    def measure() -> float:
        # The threads of the contestant before this one may spin for some 30 ms after their work.
        time.sleep(SETTLE_SECONDS)
        seconds: float = worker.ask(do="time", calls=calls, warm=warm)["seconds"]
        return seconds / calls

    return measure


def first_result(worker: Worker, workload: Workload, folder: Path, entry: Entry) -> Result | None:
    """Lets a worker build the workload; its first result, or None where it has no form of it."""
    answer = worker.ask(
        do="prepare",
        family=workload.family,
        argnums=workload.argnums,
        inputs=str(folder / "inputs.npz"),
        result=str(folder / "result.npz"),
    )
    if "absent" in answer:
        entry.status = "absent"
        return None
    entry.first_call = answer["first_call"]
    with np.load(folder / "result.npz") as stored:
        return float(stored["arr_0"]), [stored[f"arr_{i + 1}"] for i in range(len(stored.files) - 1)]


def gather(
    workload: Workload,
    contestants: Sequence[Contestant],
    crew: Crew,
    entries: Entries,
    progress: Callable[[str], None],
) -> dict[str, Result]:
    """Every contestant's first result; failures go to the entries."""
    results = {}
    with TemporaryDirectory(prefix="benchmarks-") as name:
        np.savez(Path(name, "inputs.npz"), *workload.inputs())
        for contestant in contestants:
            entry = entries[contestant.name]
            progress(f"preparing {contestant.name}")
            try:
                result = first_result(crew.get(contestant), workload, Path(name), entry)
            except WorkerError as error:
                entry.fail(error)
                crew.drop(contestant.name)
                continue
            if result is not None:
                results[contestant.name] = result
    return results


def check(workload: Workload, results: dict[str, Result], entries: Entries) -> None:
    """Compares each value with NumPy's and each gradient with the first contestant's that has that value."""
    value = float(workload.function(*workload.inputs()))
    reference: Result | None = None
    for name, result in results.items():
        wrong = difference((value, result[1]), result, workload.tolerance)
        if not wrong and reference is not None:
            wrong = difference(reference, result, workload.tolerance)
        if wrong:
            entries[name].status, entries[name].detail = "wrong", wrong
        elif reference is None:
            reference = result


def compete(
    workload: Workload,
    contestants: Sequence[Contestant],
    crew: Crew,
    rounds: int,
    baseline: str,
    progress: Callable[[str], None] = lambda text: None,
) -> Entries:
    """One workload's whole comparison: build, compare, then time those that agree."""
    entries = {contestant.name: Entry() for contestant in contestants}
    check(workload, gather(workload, contestants, crew, entries, progress), entries)
    timers = {}
    for contestant in contestants:
        name = contestant.name
        if entries[name].status != "ok":
            continue
        progress(f"sizing {name}")
        try:
            timers[name] = timer(crew.get(contestant))
        except WorkerError as error:
            entries[name].fail(error)
    alternate(timers, baseline, rounds, entries, progress)
    for name, entry in entries.items():
        if entry.status in ("timeout", "error"):
            crew.drop(name)
    return entries
