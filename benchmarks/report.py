"""The report: blocks and a summary as text, and the same as JSON."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from benchmarks.contestants import BY_NAME, CONTESTANTS, OURS, PEER
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


@dataclass(frozen=True)
class Outcome:
    """One workload's entries."""

    workload: Workload
    entries: Entries

    @property
    def best_peer(self) -> str | None:
        """The peer with the least time, hand-written kernels not being one; None where none was timed."""
        timed = [name for name, entry in self.entries.items() if BY_NAME[name].kind == PEER and entry.time]
        return min(timed, key=lambda name: self.entries[name].time or 0.0, default=None)


def row(name: str, entry: Entry, baseline: str) -> str:
    """A contestant's line in a block."""
    start = f"  {BY_NAME[name].title:<28}"
    if entry.status != "ok":
        return start + STATUS[entry.status] + (f": {entry.detail}" if entry.detail else "")
    ratio = "1x" if name == baseline else times(entry.ratio)
    return f"{start}{seconds(entry.time):>10}{seconds(entry.first_call):>14}{ratio:>19}"


def block(outcome: Outcome, baseline: str = COMPILED) -> str:
    """Every contestant's line for one workload; the last column is the time by the baseline's."""
    by = f"by {BY_NAME[baseline].title}"
    head = f"{outcome.workload.title:<30}{'a call':>10}{'first call':>14}{by:>19}"
    return "\n".join([head, *(row(name, entry, baseline) for name, entry in outcome.entries.items())])


def summary(outcomes: Sequence[Outcome], baseline: str = COMPILED) -> str:
    """One line a workload: the baseline, the best peer, their ratio, and plain Numba's."""
    lines = [f"{'':<28}{'ours':>9}{'best peer':>11}{'by ours':>9}  {'':<15}{'Numba by hand':>14}"]
    for outcome in outcomes:
        entries, best = outcome.entries, outcome.best_peer
        ours = entries.get(baseline, Entry())
        peer, written = entries.get(best or "", Entry()), entries.get("numba", Entry())
        title = BY_NAME[best].title if best else ""
        lines.append(
            f"{outcome.workload.title:<28}{seconds(ours.time):>9}{seconds(peer.time):>11}"
            f"{times(peer.ratio):>9}  {title:<15}{times(written.ratio):>14}"
        )
    return "\n".join(lines)


def failures(outcome: Outcome) -> list[str]:
    """A line about each wrong result of anyone, and about whatever stopped ours."""
    return [
        f"{outcome.workload.name}, {BY_NAME[name].title}: {entry.status}: {entry.detail}"
        for name, entry in outcome.entries.items()
        if entry.status == "wrong" or (entry.status not in ("ok", "absent") and BY_NAME[name].kind == OURS)
    ]


def as_json(outcomes: Sequence[Outcome], machine: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Everything measured; times in seconds, ratios are the contestant's time by that of ours compiled."""
    return {
        "machine": machine,
        "options": options,
        "contestants": {c.name: c.title for c in CONTESTANTS},
        "workloads": [
            {
                "name": outcome.workload.name,
                "title": outcome.workload.title,
                "best_peer": outcome.best_peer,
                "contestants": {
                    name: {
                        "status": entry.status,
                        "detail": entry.detail,
                        "first_call": entry.first_call,
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
