"""Measurement: results are compared first, then contestants alternate with ours, round by round."""

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.contestants import VALUE, Contestant
from benchmarks.measure import Entries, Entry, Result, alternate, difference
from benchmarks.process import CACHE_VARIABLE, Crew, Worker, WorkerError
from benchmarks.workloads import Workload

BATCH_SECONDS = 0.03
WARM_SECONDS = 0.003
# The threads of the contestant before this one may spin for some 50 ms after their work.
SETTLE_SECONDS = 0.1


def batch_size(worker: Worker) -> tuple[int, int]:
    """How many calls fill a batch, and how many to make untimed before it."""
    calls, seconds = 1, 0.0
    time.sleep(SETTLE_SECONDS)
    while True:
        # The first calls meet memory that is new, and take many times what the others do.
        seconds = min(worker.ask(do="time", calls=calls, warm=0)["seconds"] for _ in range(3))
        if seconds >= BATCH_SECONDS / 4:
            break
        calls *= 4
    one = seconds / calls
    # At least one: the first call after a pause wakes threads, and finds the caches as others have left them.
    return max(1, round(BATCH_SECONDS / one)), max(1, int(WARM_SECONDS / one))


def timer(worker: Worker) -> Callable[[], float]:
    """A function that times one batch of a prepared worker's calls, in seconds a call."""
    calls, warm = batch_size(worker)

    def measure() -> float:
        time.sleep(SETTLE_SECONDS)
        seconds: float = worker.ask(do="time", calls=calls, warm=warm)["seconds"]
        return seconds / calls

    return measure


def first_result(worker: Worker, workload: Workload, folder: Path) -> tuple[Result, float] | None:
    """Lets a worker build the workload; its first result and the seconds to it, or None where it has no form of it."""
    answer = worker.ask(
        do="prepare",
        family=workload.family,
        argnums=workload.argnums,
        inputs=str(folder / "inputs.npz"),
        result=str(folder / "result.npz"),
    )
    if "absent" in answer:
        return None
    with np.load(folder / "result.npz") as stored:
        result = float(stored["arr_0"]), [stored[f"arr_{i + 1}"] for i in range(len(stored.files) - 1)]
    return result, answer["first_call"]


def call_again(
    workload: Workload, contestant: Contestant, crew: Crew, folder: Path, result: Result, entry: Entry
) -> None:
    """Notes the first call of a new process, where the disk cache is the one that the old process has filled.

    **Errors:** `WorkerError` where the result is another one.
    """
    worker = crew.fresh(contestant, {CACHE_VARIABLE: str(crew.get(contestant).kernels)})
    try:
        answer = first_result(worker, workload, folder)
    finally:
        worker.close()
    wrong = "no answer" if answer is None else difference(result, answer[0], workload.tolerance)
    if answer is None or wrong:
        raise WorkerError("wrong", f"with what the disk cache holds: {wrong}")
    entry.warm_call = answer[1]


def gather(
    workload: Workload,
    contestants: Sequence[Contestant],
    crew: Crew,
    entries: Entries,
    progress: Callable[[str], None],
    again: str | None = None,
) -> dict[str, Result]:
    """Every contestant's first result, and from a second process that of `again`; failures go to the entries."""
    results = {}
    with TemporaryDirectory(prefix="benchmarks-") as name:
        np.savez(Path(name, "inputs.npz"), *workload.inputs())
        for contestant in contestants:
            entry = entries[contestant.name]
            progress(f"preparing {contestant.name}")
            try:
                answer = first_result(crew.get(contestant), workload, Path(name))
                if answer is None:
                    entry.status = "absent"
                    continue
                results[contestant.name], entry.first_call = answer
                if contestant.name == again:
                    call_again(workload, contestant, crew, Path(name), answer[0], entry)
            except WorkerError as error:
                entry.fail(error)
                crew.drop(contestant.name)
    return {name: result for name, result in results.items() if entries[name].status == "ok"}


def check(workload: Workload, results: dict[str, Result], entries: Entries, valued: Collection[str] = ()) -> None:
    """Compares each value with NumPy's and each gradient with the first contestant's that has that value.

    Contestants that are `valued` compute no gradient.
    """
    value = float(workload.function(*workload.inputs()))
    reference: Result | None = None
    for name, result in results.items():
        wrong = difference((value, result[1]), result, workload.tolerance)
        if not wrong and name in valued:
            wrong = f"{len(result[1])} gradients, not 0" if result[1] else ""
        elif not wrong and reference is not None:
            wrong = difference(reference, result, workload.tolerance)
        if wrong:
            entries[name].status, entries[name].detail = "wrong", wrong
        elif reference is None and name not in valued:
            reference = result


def finish(crew: Crew, contestant: Contestant, entry: Entry) -> None:
    """Asks a contestant for its memory, or ends its process where it has failed."""
    if entry.status == "ok":
        try:
            answer = crew.get(contestant).ask(do="memory")
            entry.memory, entry.call_memory = answer["whole"], answer["calls"]
        except WorkerError as error:
            entry.fail(error)
    if entry.status in ("timeout", "error"):
        crew.drop(contestant.name)


def compete(
    workload: Workload,
    contestants: Sequence[Contestant],
    crew: Crew,
    rounds: int,
    baseline: str,
    progress: Callable[[str], None] = lambda text: None,
    again: str | None = None,
) -> Entries:
    """One workload's whole comparison: build (`again` in a second process too), compare, then time those that agree."""
    entries = {contestant.name: Entry() for contestant in contestants}
    results = gather(workload, contestants, crew, entries, progress, again)
    check(workload, results, entries, [c.name for c in contestants if c.kind == VALUE])
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
    for contestant in contestants:
        finish(crew, contestant, entries[contestant.name])
    return entries
