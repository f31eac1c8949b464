"""What the pictures share: colours, text, a logarithmic axis, and the frame of an SVG."""

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

FASTER, SLOWER, WRITTEN, OTHER, INK, QUIET, FAINT = (
    "#1f7a8c", "#d9773f", "#7b4fa3", "#9aa5b1", "#22303c", "#5c6b78", "#e1e6eb",
)  # fmt: skip
#: For lines beside each other; ours is the first.
COLOURS = (FASTER, SLOWER, WRITTEN, "#4c8c4a", "#b0413e", "#5c6b78")
FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"


def text(
    x: float, y: float, words: str, anchor: str = "start", size: int = 13, fill: str = INK, weight: int = 400
) -> str:
    """A text element."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} font-weight="{weight}" fill="{fill}">{escape(words)}</text>'


def segment(x1: float, y1: float, x2: float, y2: float, stroke: str = FAINT, width: float = 1.0) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'


def number(value: float) -> str:
    """A ratio for readers: two digits below ten, whole above, thousands apart."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


class LogAxis:
    """Maps what lies between two powers of ten, given by their exponents, to the places between `start` and `end`."""

    def __init__(self, low: float, high: float, start: float, end: float):
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """The powers of ten within."""
        return [10.0**k for k in range(math.ceil(self.low), math.floor(self.high) + 1)]


def spread(places: Sequence[float], distance: float) -> list[float]:
    """The places in the same order, moved as little as keeps them a distance apart, so that labels do not overlap."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    groups: list[list[int]] = []

    def middle(group: list[int]) -> float:
        return sum(places[i] for i in group) / len(group)

    for i in order:
        groups.append([i])
        while len(groups) > 1:
            above, below = groups[-2:]
            needed = distance * (len(above) + len(below)) / 2
            if middle(below) - middle(above) >= needed:
                break
            groups[-2:] = [above + below]
    moved = list(places)
    for group in groups:
        for k, i in enumerate(group):
            moved[i] = middle(group) + distance * (k - (len(group) - 1) / 2)
    return moved


def picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """The SVG of what is drawn; the title is for those who cannot see it."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} font-family="{FONT}">'
    background = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", background, *parts, "</svg>"]) + "\n"
