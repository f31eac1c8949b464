"""The chart, as SVG: for each workload the best peer's time, and all others', by that of ours compiled."""

import math
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.contestants import BY_NAME, PEER
from benchmarks.drawing import (
    FAINT,
    FASTER,
    INK,
    OTHER,
    QUIET,
    SLOWER,
    WRITTEN,
    LogAxis,
    number,
    picture,
    segment,
    text,
)
from benchmarks.regimes import REGIMES

TITLE = "Time of a value and gradient, relative to ours compiled"
WIDTH, LEFT, RIGHT, TOP, ROW, HEAD = 980, 210, 215, 92, 28, 46
LOW, HIGH = -0.5, 1.0
MARKS = {
    "bound": f'<circle r="4" fill="{FASTER}" stroke="white"/>',
    "eager": f'<circle r="4" fill="white" stroke="{FASTER}" stroke-width="2"/>',
    "written": f'<rect x="-4" y="-4" width="8" height="8" transform="rotate(45)" fill="{WRITTEN}" stroke="white"/>',
    "peer": f'<circle r="4" fill="{OTHER}" stroke="white"/>',
}
LEGEND = (
    (f'<rect x="-8" y="-6" width="16" height="12" rx="2" fill="{FASTER}"/>', "best peer, slower"),
    (f'<rect x="-8" y="-6" width="16" height="12" rx="2" fill="{SLOWER}"/>', "best peer, faster"),
    (MARKS["peer"], "other peers"),
    (MARKS["written"], "Numba by hand"),
    (MARKS["bound"], "ours, bound"),
    (MARKS["eager"], "ours, eager"),
)


def axis_of(ratios: Iterable[float]) -> LogAxis:
    """An axis whose ends are half powers of ten, on either side of one."""
    logs = [math.log10(r) for r in ratios]
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    return LogAxis(min(LOW, math.floor(low * 2) / 2), max(HIGH, math.ceil(high * 2) / 2), LEFT, WIDTH - RIGHT)


def marked(workload: dict[str, Any]) -> dict[str, tuple[str, float]]:
    """By contestant that is shown: its kind of mark and its ratio to ours; of what is written by hand, the best."""
    kinds = {"bound": "bound", "eager": "eager", workload["best_written"]: "written"}
    kinds |= {name: "peer" for name in workload["contestants"] if BY_NAME[name].kind == PEER}
    ratios = {name: workload["contestants"][name]["ratio"] for name in kinds if name in workload["contestants"]}
    return {name: (kinds[name], ratio) for name, ratio in ratios.items() if ratio}


def grid(axis: LogAxis, top: float, bottom: float) -> list[str]:
    """Vertical lines with their labels; the one at 1 is ours."""
    parts = []
    for tick in axis.ticks():
        x, ours = axis(tick), tick == 1.0
        parts.append(segment(x, top - 6, x, bottom, INK if ours else FAINT, 1.5 if ours else 1.0))
        words = "ours" if ours else f"{tick:,g}x"
        parts.append(text(x, top - 12, words, "middle", 12, INK if ours else QUIET, 700 if ours else 400))
    return parts


def row(axis: LogAxis, y: float, workload: dict[str, Any], titles: dict[str, str]) -> list[str]:
    """One workload: its bar from ours to the best peer, the others' marks, and the ratio in figures."""
    shown, best = marked(workload), workload["best_peer"]
    parts = [text(LEFT - 14, y + 4.5, workload["title"], "end")]
    if best in shown:
        ratio = shown[best][1]
        start, end = sorted((axis(1.0), axis(ratio)))
        fill = FASTER if ratio >= 1.0 else SLOWER
        width = max(1.5, end - start)
        parts.append(f'<rect x="{start:.1f}" y="{y - 8:g}" width="{width:.1f}" height="16" rx="2" fill="{fill}"/>')
        parts.append(text(WIDTH - RIGHT + 80, y + 4.5, f"{number(ratio)}x", "end", 14, INK, 700))
        parts.append(text(WIDTH - RIGHT + 90, y + 4.5, titles[best], "start", 12, QUIET))
    for name, (kind, ratio) in shown.items():
        if name != best:
            hint = f"<title>{escape(titles[name])}: {number(ratio)}x</title>"
            parts.append(f'<g transform="translate({axis(ratio):.1f} {y:g})">{MARKS[kind]}{hint}</g>')
    return parts


def legend(y: float) -> list[str]:
    """What the marks mean."""
    parts = []
    for i, (mark, words) in enumerate(LEGEND):
        x = 34.0 + 152 * i
        parts.append(f'<g transform="translate({x:g} {y:g})">{mark}</g>')
        parts.append(text(x + 16, y + 4, words, size=12))
    return parts


def regime(axis: LogAxis, top: float, name: str, report: dict[str, Any]) -> tuple[list[str], float]:
    """The rows of one regime under its name and geometric mean, and where they end."""
    figures = report["regimes"][name]
    workloads = [w for w in report["workloads"] if w["small"] is (name == REGIMES[True][0])]
    bottom = top + ROW * len(workloads)
    parts = [text(24, top - 12, figures["title"], size=14, weight=700), *grid(axis, top, bottom)]
    if figures["best_peer"]:
        parts.append(text(WIDTH - RIGHT + 80, top - 12, f"{number(figures['best_peer'])}x", "end", 14, QUIET, 700))
        parts.append(text(WIDTH - RIGHT + 90, top - 12, "geometric mean", "start", 12, QUIET))
    for i, workload in enumerate(workloads):
        parts += row(axis, top + ROW * (i + 0.5), workload, report["contestants"])
    return parts, bottom


def chart(report: dict[str, Any]) -> str:
    """The SVG of a report as the program writes it."""
    machine = report["machine"]
    axis = axis_of(ratio for workload in report["workloads"] for _, ratio in marked(workload).values())
    subtitle = f"{machine['cpu']}, {machine['cores']} cores; logarithmic; right of the line is slower than ours"
    parts = [text(24, 34, TITLE, size=18, weight=700), text(24, 56, subtitle, size=12, fill=QUIET)]
    top = TOP + 12.0
    for name in report["regimes"]:
        drawn, bottom = regime(axis, top, name, report)
        parts += drawn
        top = bottom + HEAD
    parts += legend(top - 16)
    return picture(WIDTH, top + 12, TITLE, parts)
