"""Arrays that are read rotated, as `np.roll` makes them: parts of one that goes on where it ends.

    concatenate(x[-1:], x[:-1]) + concatenate(x[1:], x[:1])        y = concatenate(x[-1:], x, x[:1]);  y[:-2] + y[2:]

One array is written then for each axis, and read as views, instead of one for each rotation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from autograd import ops
from autograd.lengths import is_open

from ..graph import Atom, Equation, Graph, Var

# The fewest elements: smaller arrays may stay in registers. What stands twice is at most this part of an axis.
LEAST, MOST_TWICE = 64, 0.5


class _Rotation(NamedTuple):
    """An array whose last elements on an axis, so many of them, stand first."""

    x: Atom
    axis: int
    last: int

    @property
    def shift(self) -> int:
        """How far each element moves, the shorter way."""
        n = self.x.aval.shape[self.axis]
        return self.last if 2 * self.last <= n else self.last - n


def rotations(graph: Graph) -> Graph:
    """The graph with the rotations of an array along an axis, if there are several, as parts of one array."""
    concatenated = [equation for equation in graph.equations if equation.primitive is ops.concatenate]
    if len(concatenated) < 2:
        return graph
    made: dict[Atom, Equation] = {equation.out: equation for equation in graph.equations}
    found = {equation.out: rotation for equation in concatenated if (rotation := _rotation(equation, made))}
    shifts: defaultdict[Atom, defaultdict[int, set[int]]] = defaultdict(lambda: defaultdict(lambda: {0}))
    for rotation in found.values():
        shifts[rotation.x][rotation.axis].add(rotation.shift)
    around: dict[tuple[Atom, int], tuple[int, Var]] = {}
    equations: list[Equation] = []
    for equation in graph.equations:
        rotated = found.get(equation.out)
        if rotated is not None:
            # Those for all axes at once, so that what reads them is one pass.
            for axis, by in shifts.pop(rotated.x, {}).items():
                if len(by) > 2 and max(by) - min(by) <= MOST_TWICE * rotated.x.aval.shape[axis]:
                    equations += _around(rotated.x, axis, max(by), -min(by))
                    around[rotated.x, axis] = max(by), equations[-1].out
        if rotated is None or (rotated.x, rotated.axis) not in around:
            equations.append(equation)
            continue
        x, axis, _ = rotated
        before, whole = around[x, axis]
        index = _index(x, axis, before - rotated.shift, x.aval.shape[axis])
        equations.append(Equation(ops.slice_, (whole,), (("index", index),), equation.out))
    return graph._replace(equations=tuple(equations)) if around else graph


def _rotation(equation: Equation, made: Mapping[Atom, Equation]) -> _Rotation | None:
    """What is rotated, where an equation puts together the two parts of an array the other way around."""
    parts = [made.get(x) for x in equation.inputs]
    if len(parts) != 2 or not all(part is not None and part.primitive is ops.slice_ for part in parts):
        return None
    last, first = parts
    x, axis = last.inputs[0], dict(equation.params)["axis"]  # type: ignore[union-attr]
    aval = x.aval
    if first.inputs[0] is not x or is_open(aval.shape) or aval.size < LEAST or aval != equation.out.aval:  # type: ignore[union-attr]
        return None
    n, count = aval.shape[axis], equation.inputs[0].aval.shape[axis]
    indices = [dict(part.params)["index"] for part in (last, first)]  # type: ignore[union-attr]
    wanted = [_index(x, axis, n - count, count), _index(x, axis, 0, n - count)]
    return _Rotation(x, axis, count) if indices == wanted and 0 < count < n else None


def _index(x: Atom, axis: int, start: int, count: int) -> tuple[Any, ...]:
    """The index of a stretch of an axis."""
    return tuple([(start, count, 1) if i == axis else (0, n, 1) for i, n in enumerate(x.aval.shape)])


def _around(x: Atom, axis: int, before: int, after: int) -> list[Equation]:
    """The equations of an array with so many elements of its end before it, and of its beginning behind it."""
    n = x.aval.shape[axis]
    ends = [_index(x, axis, n - before, before)] * (before > 0), [_index(x, axis, 0, after)] * (after > 0)
    last, first = ([Equation.of(ops.slice_, x, index=index) for index in indices] for indices in ends)
    parts = [*[part.out for part in last], x, *[part.out for part in first]]
    return [*last, *first, Equation.of(ops.concatenate, *parts, axis=axis)]
