"""The tables of the README, in Markdown, from a report."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.contestants import BY_NAME, PEER
from benchmarks.drawing import number
from benchmarks.regimes import REGIMES
from benchmarks.report import megabytes, seconds

TITLES = {"casadi-buffer": "CasADi, bound"}
#: What a cell says where there is no figure.
ABSENT = "–"


def row(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its head."""
    return "\n".join([row(heads), "|---" * len(heads) + "|", *map(row, rows)])


def ratio(workload: dict[str, Any], name: str | None) -> str:
    """A contestant's ratio to ours, or why there is none."""
    entry = workload["contestants"].get(name, {"status": "absent", "ratio": None})
    if entry["status"] in ("ok", "absent"):
        return number(entry["ratio"]) if entry["ratio"] else ABSENT
    return str(entry["status"])


def figure(workload: dict[str, Any], name: str, key: str) -> str:
    """A contestant's time or memory."""
    value = workload["contestants"].get(name, {}).get(key)
    if value is None:
        return ABSENT
    return megabytes(value) if "memory" in key else seconds(value)


def speed(title: str, workloads: Sequence[dict[str, Any]], means: dict[str, float | None]) -> str:
    """Ours in time, all others by ours; the last line has the geometric means."""
    peers = [name for name, c in BY_NAME.items() if c.kind == PEER and any(name in w["contestants"] for w in workloads)]
    heads = [title, "a call", "bound", *(TITLES.get(name, BY_NAME[name].title) for name in peers), "Numba by hand"]
    rows = [
        [
            w["title"],
            figure(w, "compiled", "time"),
            figure(w, "bound", "time"),
            *(f"**{ratio(w, name)}**" if name == w["best_peer"] else ratio(w, name) for name in peers),
            ratio(w, w["best_written"]),
        ]
        for w in workloads
    ]
    peer, hand = (number(x) if x else ABSENT for x in (means["best_peer"], means["by_hand"]))
    last = [f"geometric mean, best peer {peer}", *[""] * (len(peers) + 2), hand]
    return table(heads, [*rows, last])


def cost(workloads: Sequence[dict[str, Any]]) -> str:
    """What a gradient costs beside its value, first calls, and memory."""
    heads = ("", "gradient by value", "first call", "warm", "JAX's", "peak memory", "JAX's", "in calls", "JAX's")
    return table(
        heads,
        [
            (
                w["title"],
                number(w["gradient_cost"]) if w["gradient_cost"] else ABSENT,
                figure(w, "compiled", "first_call"),
                figure(w, "compiled", "warm_call"),
                figure(w, "jax", "first_call"),
                figure(w, "compiled", "memory"),
                figure(w, "jax", "memory"),
                figure(w, "compiled", "call_memory"),
                figure(w, "jax", "call_memory"),
            )
            for w in workloads
        ],
    )


def markdown(report: dict[str, Any]) -> str:
    """A table of speed for each regime, and one of costs."""
    parts = []
    for small, (name, title, _) in REGIMES.items():
        workloads = [w for w in report["workloads"] if w["small"] is small]
        if workloads:
            parts.append(speed(title, workloads, report["regimes"][name]))
    return "\n\n".join([*parts, cost(report["workloads"])]) + "\n"
