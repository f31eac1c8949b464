"""The chart, as SVG: for each workload the best peer's time, and all others', by that of ours compiled."""

import math
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 920, 210, 190, 104, 30
FASTER, SLOWER, WRITTEN, OTHER, INK, FAINT = "#1f7a8c", "#d9773f", "#7b4fa3", "#9aa5b1", "#22303c", "#d8dee4"


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 13, style: str = "") -> str:
    """A text element."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="{INK}" {style}>{escape(words)}</text>'


def number(value: float) -> str:
    """A ratio for readers: two digits below ten, whole above."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def bounds(ratios: Iterable[float]) -> tuple[float, float]:
    """The axis' ends as powers of ten exponents, half a decade apart at least from one."""
    logs = [math.log10(r) for r in ratios]
    return min(-0.5, math.floor(min(logs, default=0.0) * 2) / 2), max(1.0, math.ceil(max(logs, default=0.0) * 2) / 2)


def ratios_of(workload: dict[str, Any]) -> dict[str, float]:
    """The ratios to ours of all contestants that have one."""
    return {name: entry["ratio"] for name, entry in workload["contestants"].items() if entry["ratio"]}


class Axis:
    """Maps a ratio to a place on the logarithmic axis."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high

    def __call__(self, ratio: float) -> float:
        """The horizontal place."""
        return LEFT + (math.log10(ratio) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        """The powers of ten within."""
        return [10.0**k for k in range(math.ceil(self.low), math.floor(self.high) + 1)]


def grid(axis: Axis, bottom: float) -> list[str]:
    """Vertical lines with their labels; the one at 1 is ours."""
    parts = []
    for tick in axis.ticks():
        x, strong = axis(tick), tick == 1.0
        stroke = f'stroke="{INK if strong else FAINT}" stroke-width="1"'
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom:.1f}" {stroke}/>')
        parts.append(text(x, TOP - 14, "ours" if strong else f"{tick:g}x", "middle", 12))
    return parts


def dot(axis: Axis, y: float, name: str, title: str, ratio: float) -> str:
    """A contestant other than the best peer."""
    x, hint = axis(ratio), f"<title>{escape(title)}: {number(ratio)}x</title>"
    paint = f'fill="white" stroke="{FASTER}" stroke-width="2"' if name == "eager" else f'fill="{OTHER}"'
    if name == "numba":
        square = f'x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"'
        turned = f'transform="rotate(45 {x:.1f} {y:.1f})" fill="{WRITTEN}" stroke="white"'
        return f"<rect {square} {turned}>{hint}</rect>"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {paint}>{hint}</circle>'


def line(axis: Axis, y: float, workload: dict[str, Any], titles: dict[str, str]) -> list[str]:
    """One workload: its bar from ours to the best peer, the others' dots, and the ratio in figures."""
    ratios, best = ratios_of(workload), workload["best_peer"]
    parts = [text(LEFT - 14, y + 4.5, workload["title"], "end")]
    if best in ratios:
        ratio = ratios[best]
        start, end = sorted((axis(1.0), axis(ratio)))
        fill = FASTER if ratio >= 1.0 else SLOWER
        width = max(1.5, end - start)
        parts.append(f'<rect x="{start:.1f}" y="{y - 8}" width="{width:.1f}" height="16" rx="2" fill="{fill}"/>')
        bold = text(WIDTH - RIGHT + 52, y + 4.5, f"{number(ratio)}x", "end", 14, 'font-weight="700"')
        parts += [bold, text(WIDTH - RIGHT + 60, y + 4.5, titles[best], "start", 12)]
    parts += [dot(axis, y, name, titles[name], r) for name, r in ratios.items() if name != best]
    return parts


def legend(y: float) -> list[str]:
    """What the marks mean."""
    place, parts = 24.0, []
    marks = (
        (f'<rect x="0" y="-6" width="16" height="12" rx="2" fill="{FASTER}"/>', "best peer, slower", 142),
        (f'<rect x="0" y="-6" width="16" height="12" rx="2" fill="{SLOWER}"/>', "best peer, faster", 142),
        (f'<circle cx="8" cy="0" r="4" fill="{OTHER}"/>', "other peers", 108),
        (
            f'<circle cx="8" cy="0" r="4" fill="white" stroke="{FASTER}" stroke-width="2"/>',
            "ours, eager",
            108,
        ),
        (
            f'<rect x="4" y="-4" width="8" height="8" transform="rotate(45 8 0)" fill="{WRITTEN}"/>',
            "Numba by hand",
            0,
        ),
    )
    for mark, words, width in marks:
        parts.append(f'<g transform="translate({place:.1f} {y:.1f})">{mark}</g>')
        parts.append(text(place + 22, y + 4, words, size=12))
        place += width
    return parts


def chart(report: dict[str, Any]) -> str:
    """The SVG of a report as `report.as_json` makes it."""
    workloads, machine, titles = report["workloads"], report["machine"], report["contestants"]
    axis = Axis(*bounds(r for workload in workloads for r in ratios_of(workload).values()))
    bottom = TOP + ROW * len(workloads)
    parts = [
        text(
            24,
            32,
            "Time of a value and gradient, relative to ours compiled",
            size=18,
            style='font-weight="600"',
        ),
        text(
            24,
            54,
            f"{machine['cpu']}, {machine['cores']} cores; logarithmic; right of the line is slower",
            size=12,
        ),
        *grid(axis, bottom),
    ]
    for i, workload in enumerate(workloads):
        parts += line(axis, TOP + ROW * (i + 0.5), workload, titles)
    parts += legend(bottom + 28)
    height = bottom + 52
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    font = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"
