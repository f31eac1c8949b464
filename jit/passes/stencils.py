"""The gradient of a stencil: a slice of a sum of unslices, as a sum of shifted slices of one padded array.

    slice[B](unslice[A1](x) + unslice[A2](x))  =  slice[B1](pad(x)) + slice[B2](pad(x))

The right side reads each element of `x` from a view, as the stencil itself does; the left side writes a whole array
for every term.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any, NamedTuple

from autograd import ops
from autograd.primitive import Aval, Shape

from ..graph import Atom, Equation, Graph, Var

Axis = tuple[int, int, int]
# A padded array is at most so many times as large as what lies in it.
MOST_PADDING = 4


class _Padded(NamedTuple):
    """A view of an array between zeros: where the array lies in how much, and the slice of that."""

    shape: Shape
    inside: tuple[Axis, ...]
    view: tuple[Any, ...]


def stencils(graph: Graph) -> Graph:
    """The graph with every slice of a sum of unslices, which nobody else reads, as a sum of slices."""
    if not any(equation.primitive is ops.unslice for equation in graph.equations):
        return graph
    uses = Counter([x for equation in graph.equations for x in equation.inputs])
    uses.update([*graph.outputs, *graph.guards])
    made: dict[Atom, tuple[int, Equation]] = {}
    equations: list[Equation] = []
    for i, equation in enumerate(graph.equations):
        terms = _sum(equation.inputs[0], made, uses) if equation.primitive is ops.slice_ else []
        equations += (_sliced(equation, terms) if terms else None) or [equation]
        made[equation.out] = i, equation
    return graph._replace(equations=tuple(equations))


def _sum(x: Atom, made: dict[Atom, tuple[int, Equation]], uses: Counter[Atom]) -> list[Equation]:
    """The equations of a sum of unslices in their order; none where something else has a part in it."""
    found = []
    pending = [x]
    while pending:
        x = pending.pop()
        i, equation = made.get(x, (-1, None))
        if equation is None or uses[x] != 1:
            return []
        if equation.primitive is ops.add and all(y.aval == x.aval for y in equation.inputs):
            pending += equation.inputs
        elif equation.primitive is not ops.unslice:
            return []
        found.append((i, equation))
    return [equation for _, equation in sorted(found, key=lambda pair: pair[0])]


def _sliced(equation: Equation, terms: list[Equation]) -> list[Equation] | None:
    """The equations that give the terms sliced; `None` where one of them has steps, or lies too far away."""
    view = dict(equation.params)["index"]
    renamed: dict[Atom, Var] = {}
    found = []
    for primitive, inputs, params, out in terms:
        aval = equation.out.aval
        renamed[out] = equation.out if out is equation.inputs[0] else Var(aval)
        if primitive is ops.add:
            found.append(Equation(primitive, tuple([renamed[x] for x in inputs]), params, renamed[out]))
            continue
        padded = _padded(view, dict(params)["index"], out.aval.shape)
        if padded is None:
            return None
        (x,) = inputs
        around = Var(Aval(padded.shape, x.aval.dtype))
        found.append(Equation(ops.unslice, (x,), (("index", padded.inside), ("shape", padded.shape)), around))
        found.append(Equation(ops.slice_, (around,), (("index", padded.view),), renamed[out]))
    return found


def _padded(view: tuple[Any, ...], part: tuple[Any, ...], shape: Shape) -> _Padded | None:
    """What `view` sees of zeros of that shape in which an array lies at `part`.

    The margin is the same on all sides, so that several terms can share the padded array.
    """
    if not all(type(i) is tuple and i[1] > 0 and i[2] == 1 for i in part):
        return None
    seen = [(*sorted((i[0], i[0] + (i[1] - 1) * i[2])), i[1]) if type(i) is tuple else (i, i, 1) for i in view]
    if not all(size for *_, size in seen):
        return None
    margin = max([
        max(start - low, high - (start + size - 1), 0)
        for (low, high, _), (start, size, _) in zip(seen, part, strict=True)
    ], default=0)  # fmt: skip
    margins = [0 if size == n else margin for (_, size, _), n in zip(part, shape, strict=True)]
    lengths = tuple([size + 2 * m for (_, size, _), m in zip(part, margins, strict=True)])
    if prod(lengths) > MOST_PADDING * prod([size for _, size, _ in part]):
        return None
    inside = tuple([(m, size, 1) for (_, size, _), m in zip(part, margins, strict=True)])
    shifted = tuple([
        (i[0] - start + m, *i[1:]) if type(i) is tuple else i - start + m
        for i, (start, _, _), m in zip(view, part, margins, strict=True)
    ])  # fmt: skip
    return _Padded(lengths, inside, shifted)
