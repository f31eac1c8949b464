"""The picture of an autograd graph, as DOT text and as an SVG that needs no other program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

from .layout import Layout, layout
from .tape import Node
from .tensor import Tensor

FONT_FAMILY = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
FONT_SIZE = 12.0
CHARACTER = 0.602 * FONT_SIZE
LINE_HEIGHT = 16.0
UNFIT = re.compile(r"[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
EDGE_COLOUR = "#7d8590"
ARROW_LENGTH, ARROW_HALF = 7.0, 3.2


class _Look(NamedTuple):
    """The colours of one kind of box."""

    fill: str
    border: str
    text: str


LOOKS = {
    "leaf": _Look("#d6eaf8", "#6aa9d8", "#163a56"),
    "accumulate": _Look("#fafafa", "#c9ced4", "#6b7280"),
    "operation": _Look("#f1f2f4", "#a9b0b9", "#24292f"),
    "output": _Look("#d5f0c8", "#77b55a", "#1f4612"),
}


class Box(NamedTuple):
    """A box of the picture: `kind` is a key of `LOOKS`, `lines` its text."""

    kind: str
    lines: tuple[str, ...]


class Picture:
    """The drawing of a graph: a notebook shows it, `save` writes it, `source` is its DOT text.

    `boxes` are in topological order, and `edges` are pairs of their indices, from an input to its use.
    """

    def __init__(self, boxes: Sequence[Box], edges: Sequence[tuple[int, int]]) -> None:
        self.boxes = tuple(boxes)
        self.edges = tuple(edges)

    @cached_property
    def source(self) -> str:
        """The picture as DOT text, for Graphviz and what reads its language."""
        return _dot(self)

    @cached_property
    def drawing(self) -> Layout:
        """Where the SVG's boxes and edges are."""
        return layout([_size(box) for box in self.boxes], self.edges)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG text."""
        return _svg(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the picture to a file.

        **Arguments:** `path`, a name ending in `.svg` for the drawing, in `.dot` or `.gv` for its DOT text.

        **Errors:** `ValueError` for any other ending.

        >>> import autograd as ag, os, tempfile
        >>> x = ag.tensor(2.0, requires_grad=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ag.make_dot(x * x).save(os.path.join(folder, "y.svg"))
        ...     os.listdir(folder)
        ['y.svg']
        """
        texts = {".svg": "svg", ".dot": "source", ".gv": "source"}
        ending = Path(path).suffix.lower()
        if ending not in texts:
            raise ValueError(
                f"`Picture.save` writes `.svg` (a drawing), `.dot` or `.gv` (Graphviz text), "
                f"got {fspath(path)!r}; choose a name with one of these endings"
            )
        Path(path).write_text(getattr(self, texts[ending]), encoding="utf-8", newline="\n")

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"Picture(boxes={len(self.boxes)}, edges={len(self.edges)})"


def make_dot(y: Tensor | list[Tensor] | tuple[Tensor, ...], params: Mapping[str, Tensor] | None = None) -> Picture:
    """The picture of the graph that made `y`, as PyTorchViz draws it.

    Grey boxes are operations, blue ones the leaves whose gradients `backward` computes, green ones the
    outputs. Arrows point the way that values flow, from the leaves at the top to `y` at the bottom.

    **Arguments:** `y`, a tensor that requires grad, or several in a list or tuple; `params`, names for
    tensors, shown in their boxes.

    **Returns:** a `Picture`, which holds no tensors: a notebook shows it, `save` writes it.

    **Errors:** `ValueError` when `y` has no graph, `TypeError` when something is not a tensor.

    >>> import autograd as ag
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> picture = ag.make_dot((x * x).sum(), params={"x": x})
    >>> picture
    Picture(boxes=5, edges=5)
    >>> [" ".join(box.lines) for box in picture.boxes]
    ['x (2,)', 'AccumulateGrad', 'MulBackward0', 'SumBackward0', '()']
    """
    outputs = _checked_outputs(y)
    names = _names(params)
    parts = _in_order(outputs)
    used = {id(parent) for part in parts for parent in _inputs(part)}
    output_ids = {id(output) for output in outputs}
    boxes: list[Box] = []
    edges: list[tuple[int, int]] = []
    found: dict[int, int] = {}
    for part in parts:
        if isinstance(part, Node):
            edges += [(found[id(parent)], len(boxes)) for parent in _inputs(part)]
            boxes.append(Box("operation", (_clean(part.name),)))
        else:
            boxes.append(_tensor_box("output" if id(part) in output_ids else "leaf", part, names))
            if id(part) in used:
                edges.append((len(boxes) - 1, len(boxes)))
                boxes.append(Box("accumulate", ("AccumulateGrad",)))
        found[id(part)] = len(boxes) - 1
    for output in outputs:
        if not output.is_leaf:
            edges.append((found[id(output.node)], len(boxes)))
            boxes.append(_tensor_box("output", output, names))
    return Picture(boxes, edges)


def _checked_outputs(y: Any) -> list[Tensor]:
    """The outputs as a list, each once."""
    outputs = list(y) if isinstance(y, (list, tuple)) else [y]
    if not outputs:
        raise ValueError("`make_dot` needs at least one tensor, got none; pass the result whose graph is meant")
    for output in outputs:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"`make_dot` needs a tensor, or a list or tuple of tensors, got {type(output).__name__}; "
                "pass the result of operations on tensors"
            )
        if not output.requires_grad:
            raise ValueError(
                f"`make_dot` needs a tensor that requires grad, got one of shape {output.shape} without "
                "a graph; make its inputs with `requires_grad=True` and compute it outside `no_grad`"
            )
    return list({id(output): output for output in outputs}.values())


def _names(params: Mapping[str, Tensor] | None) -> dict[int, str]:
    """The name of each tensor by its identity; a tensor under several names has them all."""
    names: dict[int, str] = {}
    for name, tensor in (params or {}).items():
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"`make_dot` needs tensors in `params`, got {type(tensor).__name__} for {name!r}; "
                "pass a dict from names to the tensors of the graph"
            )
        names[id(tensor)] = f"{names[id(tensor)]}, {name}" if id(tensor) in names else str(name)
    return names


def _inputs(part: Node | Tensor) -> list[Any]:
    """What an operation differentiates: nodes and leaf tensors; a leaf has none."""
    if not isinstance(part, Node):
        return []
    return [parent for parent in part.parents if parent is not None and parent.requires_grad]


def _in_order(outputs: list[Tensor]) -> list[Any]:
    """All nodes and leaves that the outputs depend on, each behind its inputs, left ones first."""
    order: list[Any] = []
    seen: set[int] = set()
    for output in outputs:
        root: Any = output if output.is_leaf else output.node
        stack = [(root, iter(_inputs(root)))]
        while stack:
            part, inputs = stack[-1]
            if id(part) not in seen:
                waiting = next((parent for parent in inputs if id(parent) not in seen), None)
                if waiting is not None:
                    stack.append((waiting, iter(_inputs(waiting))))
                    continue
                seen.add(id(part))
                order.append(part)
            stack.pop()
    return order


def _tensor_box(kind: str, tensor: Tensor, names: dict[int, str]) -> Box:
    shape = str(tuple(tensor.shape))
    return Box(kind, (_clean(names[id(tensor)]), shape) if id(tensor) in names else (shape,))


def _clean(text: str) -> str:
    """The text on one line, with the characters that XML cannot hold replaced."""
    return UNFIT.sub("\ufffd", " ".join(text.splitlines()).replace("\t", " "))


# -------------------------------------------------------------------------------------------------------- DOT


def _dot(picture: Picture) -> str:
    lines = [
        "digraph autograd {",
        '    graph [rankdir=TB, nodesep=0.3, ranksep=0.3, bgcolor="white"];',
        '    node [shape=box, style="rounded,filled", fontname="monospace", fontsize=10, height=0.3];',
        f'    edge [color="{EDGE_COLOUR}", arrowsize=0.7];',
    ]
    for i, box in enumerate(picture.boxes):
        look = LOOKS[box.kind]
        label = "\\n".join(_dot_text(line) for line in box.lines)
        colours = f'fillcolor="{look.fill}", color="{look.border}", fontcolor="{look.text}"'
        lines.append(f'    n{i} [label="{label}", {colours}];')
    lines += [f"    n{u} -> n{v};" for u, v in picture.edges]
    return "\n".join([*lines, "}", ""])


def _dot_text(text: str) -> str:
    # Graphviz reads HTML's entities in every label, so a bare `&` may not stay.
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


# -------------------------------------------------------------------------------------------------------- SVG


def _size(box: Box) -> tuple[float, float]:
    """The width and height of a box, for a font with characters of one width (East Asian ones: two)."""
    columns = max(sum(2 if east_asian_width(c) in "WF" else 1 for c in line) for line in box.lines)
    return max(columns * CHARACTER, 28.0) + 22, len(box.lines) * LINE_HEIGHT + 12


def _svg(picture: Picture) -> str:
    drawing = picture.drawing
    width, height = round(drawing.width), round(drawing.height)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="{FONT_FAMILY}" font-size="{FONT_SIZE:g}">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
            f'<g fill="none" stroke="{EDGE_COLOUR}" stroke-width="1.2">',
            *(f'<path d="{_curve(path)}"/>' for path in drawing.paths),
            "</g>",
            f'<g fill="{EDGE_COLOUR}">',
            *(f'<path d="{_arrow(path)}"/>' for path in drawing.paths),
            "</g>",
            '<g text-anchor="middle" xml:space="preserve">',
            *(_svg_box(box, centre) for box, centre in zip(picture.boxes, drawing.centres, strict=True)),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _curve(path: list[tuple[float, float]]) -> str:
    """The SVG path through an edge's corners, up to its arrowhead."""
    x, y = path[0]
    pieces = [f"M{x:.1f} {y:.1f}"]
    for i, (next_x, next_y) in enumerate(path[1:], 1):
        if i == len(path) - 1:
            next_y -= ARROW_LENGTH
        middle = (y + next_y) / 2
        if x == next_x:
            pieces.append(f"V{next_y:.1f}")
        else:
            pieces.append(f"C{x:.1f} {middle:.1f} {next_x:.1f} {middle:.1f} {next_x:.1f} {next_y:.1f}")
        x, y = next_x, next_y
    return "".join(pieces)


def _arrow(path: list[tuple[float, float]]) -> str:
    """The head of an edge: it always comes in from straight above."""
    x, y = path[-1]
    return f"M{x:.1f} {y:.1f}l{-ARROW_HALF} {-ARROW_LENGTH - 1}h{2 * ARROW_HALF}z"


def _svg_box(box: Box, centre: tuple[float, float]) -> str:
    look, (width, height), (x, y) = LOOKS[box.kind], _size(box), centre
    first = y - (len(box.lines) - 1) * LINE_HEIGHT / 2 + 0.35 * FONT_SIZE
    weights = ["", ""] if len(box.lines) == 1 else [' font-weight="600"', ""]
    texts = [
        f'<text x="{x:.1f}" y="{first + i * LINE_HEIGHT:.1f}"{weights[i]}>{escape(line)}</text>'
        for i, line in enumerate(box.lines)
    ]
    corner = f'x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}"'
    colours = f'fill="{look.fill}" stroke="{look.border}"'
    return "\n".join(
        [
            f'<g data-kind="{box.kind}" fill="{look.text}">',
            f'<rect {corner} rx="7" {colours}/>',
            *texts,
            "</g>",
        ]
    )
