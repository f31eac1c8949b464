"""Panels of lines on logarithmic axes, as SVG."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.drawing import COLOURS, FAINT, QUIET, LogAxis, segment, spread, text

Tick = tuple[float, str]

LEFT, ABOVE, BELOW = 66, 60, 52
# The height of a label, the width of one of its letters at most, and its distance from the last point.
LABEL, LETTER, APART = 16, 7.6, 18
METRIC = ((1e6, "M"), (1e3, "k"), (1.0, ""))
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def scaled(value: float, units: Sequence[tuple[float, str]], space: str) -> str:
    """A round number with the largest unit that fits."""
    size, unit = next((u for u in units if value >= u[0] * (1 - 1e-9)), units[-1])
    return f"{value / size:.3g}{space if unit else ''}{unit}"


def count(value: float) -> str:
    """A tick of a number of things."""
    return scaled(value, METRIC, "")


def duration(value: float) -> str:
    """A tick of a time in seconds."""
    return scaled(value, UNITS, " ")


@dataclass(frozen=True)
class Line:
    """Points that are joined, with a label at the last; `dashed` where it is only for comparison."""

    title: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines with their axes; the first and the last tick are the ends."""

    title: str
    subtitle: str
    x_title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def decades(values: Iterable[float], label: Callable[[float], str] = count) -> tuple[Tick, ...]:
    """The powers of ten from below the least to above the largest value."""
    logs = [math.log10(v) for v in values] or [0.0]
    low, high = math.floor(min(logs) + 1e-9), math.ceil(max(logs) - 1e-9)
    return tuple((10.0**k, label(10.0**k)) for k in range(low, max(high, low + 1) + 1))


def axis(ticks: Sequence[Tick], start: float, end: float) -> LogAxis:
    """The axis from the first tick to the last."""
    return LogAxis(math.log10(ticks[0][0]), math.log10(ticks[-1][0]), start, end)


def frame(panel: Panel, x: LogAxis, y: LogAxis) -> list[str]:
    """Grid, ticks and titles."""
    parts = []
    for value, label in panel.y_ticks:
        parts.append(segment(x.start, y(value), x.end, y(value)))
        parts.append(text(x.start - 10, y(value) + 4, label, "end", 12, QUIET))
    for value, label in panel.x_ticks:
        parts.append(segment(x(value), y.start, x(value), y.start + 5, QUIET))
        parts.append(text(x(value), y.start + 20, label, "middle", 12, QUIET))
    parts.append(segment(x.start, y.start, x.end, y.start, QUIET))
    parts.append(text((x.start + x.end) / 2, y.start + 42, panel.x_title, "middle", 12, QUIET))
    left, top = x.start - LEFT, y.end - ABOVE
    return [
        text(left, top + 18, panel.title, size=15, weight=700),
        text(left, top + 36, panel.subtitle, size=12, fill=QUIET),
        *parts,
    ]


def curve(line: Line, x: LogAxis, y: LogAxis, colour: str) -> list[str]:
    """A line with a dot at each point."""
    places = [(x(a), y(b)) for a, b in line.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dashes = 'stroke-dasharray="5 4"' if line.dashed else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {dashes}/>']
    if not line.dashed:
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
    return parts


def draw(panel: Panel, left: float, top: float, width: float, height: float) -> list[str]:
    """The panel in a rectangle, labels to the right of the lines' ends."""
    lines = [line for line in panel.lines if line.points]
    right = APART + LETTER * max(len(line.title) for line in lines)
    x = axis(panel.x_ticks, left + LEFT, left + width - right)
    y = axis(panel.y_ticks, top + height - BELOW, top + ABOVE)
    parts = frame(panel, x, y)
    labels = spread([y(line.points[-1][1]) for line in lines], LABEL)
    solid = iter(COLOURS)
    for line, place in zip(lines, labels, strict=True):
        colour = QUIET if line.dashed else next(solid)
        end = line.points[-1]
        parts += curve(line, x, y, colour)
        parts.append(segment(x(end[0]) + 5, y(end[1]), x.end + APART - 4, place, FAINT))
        parts.append(text(x.end + APART, place + 4, line.title, size=12, fill=colour, weight=600))
    return parts
