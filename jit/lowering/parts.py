"""Arrays that are put together from parts: sums of unslices and of scattered arrays, as gradients of indexing are.

unslice[0](x) + unslice[1](y) + unslice[2](z)       the rows of one array, each written once
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from typing import Any, NamedTuple

from autograd import ops
from autograd.primitive import Shape

from ..graph import Equation, Graph, Var

PARTS = frozenset({ops.unslice, ops.scatter_add})
#: For each axis the first position, and the one past the last.
Box = tuple[tuple[int, int], ...]
# With more boxes than this it is cheaper to fill the whole array.
MOST_BOXES = 8


class Cover(NamedTuple):
    """What the first `stored` parts, which share no element, leave of an array: boxes; `None` for the whole array."""

    stored: int
    rest: list[Box] | None


def sums_of_parts(graph: Graph) -> tuple[dict[Var, list[Equation]], set[Var]]:
    """The parts of each array that is a sum of parts, in the order of the sum; and the terms of such sums."""
    if not any(equation.primitive in PARTS for equation in graph.equations):
        return {}, set()
    uses = Counter([x for equation in graph.equations for x in equation.inputs])
    uses.update([*graph.outputs, *graph.guards])
    parts: dict[Any, list[Equation]] = {}
    terms: set[Any] = set()
    for equation in graph.equations:
        primitive, inputs, _, out = equation
        if primitive in PARTS:
            parts[out] = [equation]
        elif primitive is ops.add and all(x in parts and uses[x] == 1 and x.aval == out.aval for x in inputs):
            x, y = inputs if len(parts[inputs[1]]) == 1 else inputs[::-1]
            # A longer sum on the right would be added in another order.
            if len(parts[y]) == 1:
                parts[out] = parts.pop(x)
                parts[out] += parts.pop(y)
                terms.update(inputs)
    return parts, terms


def cover(parts: list[Equation], shape: Shape) -> Cover:
    """How many of the parts, from the first on, can be stored as they are, and what must be filled beside them."""
    first = _box(parts[0])
    if first is None:
        # A slice with steps is stored all the same, over an array of zeros.
        return Cover(int(parts[0].primitive is ops.unslice), None)
    if not shape:
        return Cover(1, [])
    boxes = [_box(part) for part in parts]
    axis = next((i for box in boxes[1:2] if box for i in range(len(shape)) if box[i] != first[i]), 0)
    taken: list[tuple[int, int]] = []
    for box in boxes:
        if box is None or any(i != axis and x != y for i, (x, y) in enumerate(zip(box, first, strict=True))):
            break
        start, stop = box[axis]
        at = bisect_left(taken, (start, stop))
        if (at < len(taken) and taken[at][0] < stop) or (at > 0 and taken[at - 1][1] > start):
            break
        insort(taken, (start, stop))
    rest = _rest(first, axis, taken, shape)
    return Cover(len(taken), rest if len(rest) <= MOST_BOXES else None)


def _box(part: Equation) -> Box | None:
    """Where a part lies, if that is a box."""
    if part.primitive is not ops.unslice:
        return None
    index = dict(part.params)["index"]
    if any(type(i) is tuple and i[2] != 1 and i[1] > 1 for i in index):
        return None
    return tuple([(i[0], i[0] + i[1]) if type(i) is tuple else (i, i + 1) for i in index])


def _rest(first: Box, axis: int, taken: list[tuple[int, int]], shape: Shape) -> list[Box]:
    """What is left of a shape beside boxes that are like the first one, but for the stretches of one axis."""
    found = []
    # What is left on one axis is a box over all of the axes that come later.
    seen: dict[int, tuple[int, int]] = {}
    for i in [*[i for i in range(len(shape)) if i != axis], axis]:
        stretches = taken if i == axis else [first[i]]
        edges = [0, *[x for stretch in stretches for x in stretch], shape[i]]
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if start < stop:
                found.append(tuple([(start, stop) if j == i else seen.get(j, (0, n)) for j, n in enumerate(shape)]))
        seen[i] = first[i]
    return found
