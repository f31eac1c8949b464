"""The picture of the curves: wide panels for what grows above two smaller ones."""

import math
from typing import Any

from benchmarks.drawing import QUIET, picture, text
from benchmarks.plot import Line, Panel, decades, draw, duration

TITLE = "How time grows"
WIDTH, TOP, GAP, EDGE = 960, 80, 20, 24
HIGH, LOW = 400, 350
WIDTHS = {"operations": 400, "threads": WIDTH - 2 * EDGE - GAP - 400}


#: The panels of time against something that grows: a title, what is measured, and what grows.
GROWING = {
    "size": ("Time against size", "Black-Scholes greeks: value and gradient, a call", "options"),
    "examples": (
        "Time against examples",
        "100 steps of the Lorenz system from each start: value and gradient",
        "starts",
    ),
    "unknowns": ("Time against unknowns", "diffusion on a grid: the residual, and its sparse Jacobian", "unknowns"),
}


def growing_panel(name: str, part: dict[str, Any]) -> Panel:
    """Time against what grows, one line a contestant."""
    lines = tuple(
        Line(title, tuple((row["size"], row["times"][name]) for row in part["rows"] if row["times"][name]))
        for name, title in part["contestants"].items()
    )
    xs, ys = zip(*(point for line in lines for point in line.points), strict=True)
    title, subtitle, grows = GROWING[name]
    return Panel(title, subtitle, grows, lines, decades(xs), decades(ys, duration))


def operations_panel(part: dict[str, Any]) -> Panel:
    """First call against the number of operations, one line a mode."""
    modes = part["rows"][0]["times"]
    lines = tuple(Line(mode, tuple((row["operations"], row["times"][mode]) for row in part["rows"])) for mode in modes)
    xs, ys = zip(*(point for line in lines for point in line.points), strict=True)
    subtitle = "first call of a chain of scalar operations"
    return Panel("Compile time against operations", subtitle, "operations", lines, decades(xs), decades(ys, duration))


def threads_panel(part: dict[str, Any]) -> Panel:
    """Speed by that of one thread, one line a workload."""
    lines = []
    for row in part["rows"]:
        times = {int(k): t for k, t in row["times"].items() if t}
        points = tuple((k, times[1] / t) for k, t in sorted(times.items()))
        lines.append(Line(f"{points[-1][1]:.1f}x {row['title']}", points))
    counts = sorted({k for line in lines for k, _ in line.points})
    ideal = Line("ideal", tuple((k, k) for k in counts), dashed=True)
    shown = [y for line in (*lines, ideal) for _, y in line.points]
    # A twentieth beyond an end is noise, for which no room is made.
    low, high = math.floor(math.log2(min(shown) * 1.05)), math.ceil(math.log2(max(shown) / 1.05))
    x_ticks = tuple((float(k), f"{k}") for k in counts)
    y_ticks = tuple((2.0**k, f"{2.0**k:g}x") for k in range(low, high + 1))
    return Panel("Speed against threads", "by that of one thread", "threads", (*lines, ideal), x_ticks, y_ticks)


PANELS = {"operations": operations_panel, "threads": threads_panel}


def curves_chart(report: dict[str, Any]) -> str:
    """The SVG of a report as the program writes it."""
    machine = report["machine"]
    parts = [
        text(EDGE, 34, TITLE, size=18, weight=700),
        text(EDGE, 56, f"{machine['cpu']}, {machine['cores']} cores; both axes are logarithmic", size=12, fill=QUIET),
    ]
    top, left = float(TOP), float(EDGE)
    for name in [name for name in GROWING if name in report]:
        parts += draw(growing_panel(name, report[name]), EDGE, top, WIDTH - 2 * EDGE, HIGH)
        top += HIGH + GAP
    small = [name for name in ("operations", "threads") if name in report]
    for name in small:
        parts += draw(PANELS[name](report[name]), left, top, WIDTHS[name], LOW)
        left += WIDTHS[name] + GAP
    return picture(WIDTH, top + (LOW + GAP if small else 0), TITLE, parts)
