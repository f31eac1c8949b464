"""What is recorded of a contestant, how results are compared, and how measurements alternate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.contestants import Gradients
from benchmarks.process import WorkerError

Result = tuple[float, Gradients]


def timed(call: Callable[[], object], count: int = 1) -> float:
    """The seconds that a call takes, on average over so many."""
    begun = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - begun) / count


@dataclass
class Entry:
    """What came of one contestant at one workload; times in seconds a call, memory in bytes.

    `warm_call` is the first call of a process whose disk cache another one has filled. `memory` is the growth of the
    peak from before the workload was built, `call_memory` the same without the peak of the first call.
    """

    status: str = "ok"
    detail: str = ""
    first_call: float | None = None
    warm_call: float | None = None
    memory: int | None = None
    call_memory: int | None = None
    rounds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def time(self) -> float | None:
        """The median over the rounds."""
        return median(self.rounds) if self.status == "ok" and self.rounds else None

    @property
    def ratio(self) -> float | None:
        """The median over the rounds of this contestant's time by the baseline's beside it."""
        return median(self.ratios) if self.status == "ok" and self.ratios else None

    def fail(self, error: WorkerError) -> None:
        """Notes why there is no result."""
        self.status, self.detail = error.kind, str(error)


Entries = dict[str, Entry]


def difference(reference: Result, result: Result, tolerance: float) -> str:
    """What is wrong with a result, in words; empty where it agrees within the relative tolerance."""
    (value, gradients), (other, others) = reference, result
    if not abs(other - value) <= tolerance * abs(value):
        return f"value {other!r}, not {value!r}"
    if len(others) != len(gradients):
        return f"{len(others)} gradients, not {len(gradients)}"
    for i, (g, h) in enumerate(zip(gradients, others, strict=True)):
        if g.shape != h.shape:
            return f"gradient {i} has shape {h.shape}, not {g.shape}"
        error = float(np.max(np.abs(h - g), initial=0.0))
        scale = float(np.max(np.abs(g), initial=0.0))
        if not error <= tolerance * scale:
            return f"gradient {i} is off by {error:.1e}, where the largest is {scale:.1e}"
    return ""


def attempt(timers: dict[str, Callable[[], float]], name: str, entries: Entries) -> float | None:
    """One measurement, noted; None where the contestant has failed, now or before."""
    if name not in timers or entries[name].status != "ok":
        return None
    try:
        seconds = timers[name]()
    except WorkerError as error:
        entries[name].fail(error)
        return None
    entries[name].rounds.append(seconds)
    return seconds


def alternate(
    timers: dict[str, Callable[[], float]],
    baseline: str,
    rounds: int,
    entries: Entries,
    progress: Callable[[str], None] = lambda text: None,
) -> None:
    """Fills the entries with times, each beside one of the baseline's, so that both saw the same machine.

    `timers` return seconds a call; one that raises `WorkerError` is noted and left out from then on.
    """
    for number in range(rounds):
        others = [name for name in timers if name != baseline and entries[name].status == "ok"]
        for name in others:
            progress(f"round {number + 1} of {rounds}: {name}")
            theirs, base = attempt(timers, name, entries), attempt(timers, baseline, entries)
            if theirs is not None and base is not None:
                entries[name].ratios.append(theirs / base)
        if not others:
            progress(f"round {number + 1} of {rounds}: {baseline}")
            attempt(timers, baseline, entries)
