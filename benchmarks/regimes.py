"""What the figures of all workloads come to: two tables for each regime, and its geometric means."""

from collections.abc import Callable, Iterable, Sequence
from statistics import geometric_mean
from typing import Any

from benchmarks.contestants import BY_NAME
from benchmarks.report import Outcome, megabytes, seconds, times

#: By `Workload.small`.
REGIMES = {
    True: ("small", "Many small values", "the cost of a call and of an operation is everything"),
    False: ("large", "Large arrays", "fusion, bandwidth and threads are"),
}
LEGEND = """
Best peer and by hand: their time by ours, compiled, in rounds that alternate; above 1x ours is faster. Gradient: value
and gradient by the value alone, both compiled by us. Warm: the first call in a new process that finds its kernels on
the disk. Memory: growth of the process' peak from before the workload was built, and the same after the first call."""


def mean(ratios: Iterable[float | None]) -> float | None:
    """The geometric mean of those that are known, None of none."""
    known = [ratio for ratio in ratios if ratio]
    return geometric_mean(known) if known else None


def named(outcome: Outcome, name: str | None) -> str:
    """A contestant's ratio and title."""
    return f"{times(outcome.ratio(name)):>6} {BY_NAME[name].title}" if name else "     -"


Column = tuple[str, int, Callable[[Outcome], str]]

# fmt: off
SPEED: tuple[Column, ...] = (
    ("ours",          10, lambda o: seconds(o.time("compiled"))),
    ("bound",         10, lambda o: seconds(o.time("bound"))),
    ("  best peer",  -24, lambda o: "  " + named(o, o.best_peer)),
    ("  by hand",    -23, lambda o: "  " + named(o, o.best_written)),
    ("gradient",       9, lambda o: times(o.gradient_cost)),
)
COST: tuple[Column, ...] = (
    ("first call",    12, lambda o: seconds(o.entry("compiled").first_call)),
    ("warm",          10, lambda o: seconds(o.entry("compiled").warm_call)),
    ("JAX's",         10, lambda o: seconds(o.entry("jax").first_call)),
    ("peak memory",   15, lambda o: megabytes(o.entry("compiled").memory)),
    ("JAX's",         10, lambda o: megabytes(o.entry("jax").memory)),
    ("in calls",      12, lambda o: megabytes(o.entry("compiled").call_memory)),
    ("JAX's",         10, lambda o: megabytes(o.entry("jax").call_memory)),
)
# fmt: on


def line(title: str, cells: Iterable[tuple[str, int]]) -> str:
    """Cells beside a title, to the left where the width is negative."""
    parts = [f"{text:<{-width}}" if width < 0 else f"{text:>{width}}" for text, width in cells]
    return f"{title:<27}{''.join(parts)}".rstrip()


def table(title: str, columns: Sequence[Column], outcomes: Sequence[Outcome]) -> list[str]:
    """A head and one line a workload."""
    lines = [line(title, [(head, width) for head, width, _ in columns])]
    return lines + [line(o.workload.title, [(cell(o), width) for _, width, cell in columns]) for o in outcomes]


def means(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """The geometric means over some workloads."""
    return {
        "best_peer": mean(o.ratio(o.best_peer) for o in outcomes),
        "by_hand": mean(o.ratio(o.best_written) for o in outcomes),
        "gradient": mean(o.gradient_cost for o in outcomes),
    }


def regimes(outcomes: Sequence[Outcome]) -> dict[bool, list[Outcome]]:
    """The outcomes of each regime that has any."""
    found = {small: [o for o in outcomes if o.workload.small is small] for small in REGIMES}
    return {small: several for small, several in found.items() if several}


def overview(outcomes: Sequence[Outcome]) -> str:
    """Both tables of both regimes."""
    lines = []
    for small, several in regimes(outcomes).items():
        _, title, meaning = REGIMES[small]
        lines += [f"{title}: {meaning}", "", *table("", SPEED, several)]
        peer, hand, gradient = (times(x) for x in means(several).values())
        cells = [("", 20), (f"  {peer:>6}", -24), (f"  {hand:>6}", -23), (gradient, 9)]
        lines += [line("geometric mean", cells), "", *table("", COST, several), ""]
    return "\n".join([*lines, LEGEND.strip()])


def regimes_as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The means by regime."""
    return {
        REGIMES[small][0]: {"title": REGIMES[small][1], "workloads": len(several), **means(several)}
        for small, several in regimes(outcomes).items()
    }
