"""Parts that together are a whole array, among the terms of a sum: one term, in one pass, instead of one for each.

    x + unslice[:m](y) + ... + unslice[m:](z)  =  x + concatenate(y, z) + ...

So the gradient of an array that is read rotated, as `np.roll` makes it, adds up arrays that are rotated back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from autograd import ops
from autograd.lengths import is_open

from ..graph import Atom, Equation, Graph, Var


class _Part(NamedTuple):
    """What lies in an array of zeros: on which axis from where to where, whole on all others."""

    x: Atom
    axis: int
    start: int
    stop: int


def joins(graph: Graph) -> Graph:
    """The graph with two terms of a sum that are the two parts of an array as one."""
    if sum([equation.primitive is ops.unslice for equation in graph.equations]) < 2:
        return graph
    uses = Counter([x for equation in graph.equations for x in equation.inputs])
    uses.update([*graph.outputs, *graph.guards])
    made: dict[Atom, Equation] = {equation.out: equation for equation in graph.equations}
    inner = {
        equation.inputs[0] for equation in graph.equations
        if equation.primitive is ops.add and _is_sum(equation.inputs[0], made) and uses[equation.inputs[0]] == 1
    }  # fmt: skip
    changed = {}
    for equation in graph.equations:
        if equation.primitive is ops.add and equation.out not in inner:
            terms = _terms(equation, made, inner)
            # A term that is broadcast in the sum is no part of it.
            whole = [x for x in terms if x.aval == equation.out.aval and uses[x] == 1]
            joined = _joined(terms, {x: made[x] for x in whole if x in made})
            if len(joined) < len(terms):
                changed[equation.out] = joined
    if not changed:
        return graph
    equations = []
    for equation in graph.equations:
        equations += _summed(equation.out, changed[equation.out]) if equation.out in changed else [equation]
    return graph._replace(equations=tuple(equations))


def _is_sum(x: Atom, made: Mapping[Atom, Equation]) -> bool:
    """Whether it is a sum of two arrays of its own shape."""
    equation = made.get(x)
    return equation is not None and equation.primitive is ops.add and all(y.aval == x.aval for y in equation.inputs)


def _terms(equation: Equation, made: Mapping[Atom, Equation], inner: set[Atom]) -> list[Atom]:
    """The terms of a sum from the left, in their order."""
    found: list[Atom] = []
    while True:
        found.append(equation.inputs[1])
        first = equation.inputs[0]
        if first not in inner or first.aval != equation.out.aval:
            return [*found, first][::-1]
        equation = made[first]


def _joined(terms: list[Atom], made: Mapping[Atom, Equation]) -> list[Atom | Equation]:
    """The terms, with an equation that joins them for two parts, where the first one stood.

    **Arguments:** `made`, what makes the terms that nobody else reads.
    """
    found: list[Atom | Equation] = []
    # Of which part the other one is still to come, and where it stands.
    waiting: dict[tuple[int, int, int], tuple[int, Atom]] = {}
    for term in terms:
        part = _part(made.get(term))
        if part is None:
            found.append(term)
            continue
        x, axis, start, stop = part
        n = term.aval.shape[axis]
        place, other = waiting.pop((axis, stop, n) if start == 0 else (axis, 0, start), (-1, x))
        if place < 0:
            waiting[axis, start, stop] = len(found), x
            found.append(term)
        else:
            found[place] = Equation.of(ops.concatenate, *((x, other) if start == 0 else (other, x)), axis=axis)
    return found


def _part(equation: Equation | None) -> _Part | None:
    """What an array of zeros holds, where that reaches from one end of a single axis to somewhere."""
    if equation is None or equation.primitive is not ops.unslice or is_open(equation.out.aval.shape):
        return None
    shape, index = equation.out.aval.shape, dict(equation.params)["index"]
    if not all(type(i) is tuple and i[2] == 1 for i in index):
        return None
    axes = [axis for axis, (i, n) in enumerate(zip(index, shape, strict=True)) if i[:2] != (0, n)]
    if len(axes) != 1:
        return None
    start, count, _ = index[axes[0]]
    is_end = (start == 0) != (start + count == shape[axes[0]])
    return _Part(equation.inputs[0], axes[0], start, start + count) if is_end and count else None


def _summed(out: Var, terms: list[Atom | Equation]) -> list[Equation]:
    """The equations of a sum."""
    found = [x for x in terms if isinstance(x, Equation)]
    if len(terms) == 1:
        return [found[0]._replace(out=out)]
    atoms = [x.out if isinstance(x, Equation) else x for x in terms]
    total = atoms[0]
    for i, x in enumerate(atoms[1:], 2):
        found.append(Equation(ops.add, (total, x), (), out if i == len(atoms) else Var(out.aval)))
        total = found[-1].out
    return found
