"""The report of each workload as text, and of all as JSON."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from benchmarks.contestants import BY_NAME, CONTESTANTS, OURS, PEER, VALUE, WRITTEN
from benchmarks.measure import Entries, Entry
from benchmarks.workloads import Workload

COMPILED = "compiled"
UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6))
STATUS = {"absent": "-", "missing": "not installed", "timeout": "timeout", "error": "error", "wrong": "WRONG"}


def seconds(value: float | None) -> str:
    """A time with three digits and the unit that suits it."""
    if value is None:
        return "-"
    unit, size = next((u for u in UNITS if value >= u[1]), UNITS[-1])
    scaled = value / size
    return f"{scaled:.3g} {unit}" if scaled < 100 else f"{scaled:.0f} {unit}"


def times(ratio: float | None) -> str:
    """A ratio with three digits."""
    return "-" if ratio is None else f"{ratio:.3g}x" if ratio < 100 else f"{ratio:.0f}x"


def megabytes(size: int | None) -> str:
    """Memory with one digit below ten."""
    if size is None:
        return "-"
    scaled = max(0.0, size / 1e6)
    return f"{scaled:.1f} MB" if scaled < 9.95 else f"{scaled:.0f} MB"


@dataclass(frozen=True)
class Outcome:
    """One workload's entries."""

    workload: Workload
    entries: Entries

    def entry(self, name: str | None) -> Entry:
        """A contestant's entry, an empty one where it did not take part."""
        return self.entries.get(name or "", Entry())

    def time(self, name: str | None) -> float | None:
        """A contestant's time."""
        return self.entry(name).time

    def ratio(self, name: str | None) -> float | None:
        """A contestant's time by that of ours compiled."""
        return self.entry(name).ratio

    def best(self, kind: str) -> str | None:
        """The contestant of a kind with the least time; None where none was timed."""
        timed = [name for name, entry in self.entries.items() if BY_NAME[name].kind == kind and entry.time]
        return min(timed, key=lambda name: self.entries[name].time or 0.0, default=None)

    @property
    def best_peer(self) -> str | None:
        """The fastest peer, hand-written kernels not being one."""
        return self.best(PEER)

    @property
    def best_written(self) -> str | None:
        """The faster hand-written kernel."""
        return self.best(WRITTEN)

    @property
    def gradient_cost(self) -> float | None:
        """The time of value and gradient by that of the value alone, both compiled by us."""
        ratio = self.ratio("value")
        return 1.0 / ratio if ratio else None


def row(name: str, entry: Entry, baseline: str) -> str:
    """A contestant's line in a block."""
    start = f"  {BY_NAME[name].title:<24}"
    if entry.status != "ok":
        return start + STATUS[entry.status] + (f": {entry.detail}" if entry.detail else "")
    ratio = "1x" if name == baseline else times(entry.ratio)
    return f"{start}{seconds(entry.time):>10}{ratio:>12}{seconds(entry.first_call):>14}{megabytes(entry.memory):>12}"


def block(outcome: Outcome, baseline: str = COMPILED) -> str:
    """Every contestant's line for one workload; the second column is the time by the baseline's."""
    head = f"{outcome.workload.title:<26}{'a call':>10}{'by ours':>12}{'first call':>14}{'memory':>12}"
    return "\n".join([head, *(row(name, entry, baseline) for name, entry in outcome.entries.items())])


def summary(outcomes: Sequence[Outcome], baseline: str = COMPILED) -> str:
    """One line a workload: the baseline, the best peer, and their ratio."""
    lines = [f"{'':<28}{'ours':>9}{'best peer':>11}{'by ours':>9}"]
    for outcome in outcomes:
        best = outcome.best_peer
        figures = (
            f"{seconds(outcome.time(baseline)):>9}{seconds(outcome.time(best)):>11}{times(outcome.ratio(best)):>9}"
        )
        lines.append(f"{outcome.workload.title:<28}{figures}  {BY_NAME[best].title if best else ''}".rstrip())
    return "\n".join(lines)


def failures(outcome: Outcome) -> list[str]:
    """A line about each wrong result of anyone, and about whatever stopped ours."""
    return [
        f"{outcome.workload.name}, {BY_NAME[name].title}: {entry.status}: {entry.detail}"
        for name, entry in outcome.entries.items()
        if entry.status == "wrong" or (entry.status not in ("ok", "absent") and BY_NAME[name].kind in (OURS, VALUE))
    ]


def as_json(outcomes: Sequence[Outcome], machine: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Everything measured; times in seconds, memory in bytes, ratios a contestant's time by that of ours compiled."""
    return {
        "machine": machine,
        "options": options,
        "contestants": {c.name: c.title for c in CONTESTANTS},
        "workloads": [
            {
                "name": outcome.workload.name,
                "title": outcome.workload.title,
                "small": outcome.workload.small,
                "best_peer": outcome.best_peer,
                "best_written": outcome.best_written,
                "gradient_cost": outcome.gradient_cost,
                "contestants": {
                    name: {
                        "status": entry.status,
                        "detail": entry.detail,
                        "first_call": entry.first_call,
                        "warm_call": entry.warm_call,
                        "memory": entry.memory,
                        "call_memory": entry.call_memory,
                        "time": entry.time,
                        "ratio": entry.ratio,
                        "rounds": entry.rounds,
                    }
                    for name, entry in outcome.entries.items()
                },
            }
            for outcome in outcomes
        ],
    }


class Progress:
    """One line that is written over, on a terminal only."""

    def __init__(self, stream: TextIO = sys.stderr):
        self.stream = stream
        self.shown = stream.isatty()

    def __call__(self, text: str) -> None:
        """Shows the text in place of the one before."""
        if self.shown:
            self.stream.write(f"\r\033[K{text[:100]}")
            self.stream.flush()

    def about(self, subject: str, text: str) -> None:
        """Shows what is done, and with what."""
        self(f"{subject}: {text}")

    def clear(self) -> None:
        """Removes the line."""
        self("")
