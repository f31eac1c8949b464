"""Zeros that change nothing: `x + 0.0` gives way to `x` where nobody sees the difference.

The two differ for one number, -0.0. So the sum may go where `x` is never -0.0, and where the sign of a zero shows
in no result: it passes through sums and products, and ends where it meets a term that is never -0.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from autograd import ops
from autograd.primitive import Primitive

from ..graph import Atom, Equation, Graph, Literal, Var

#: Where the sign of a zero among the inputs changes at most the sign of a zero in the result.
PASSING = frozenset({
    ops.add, ops.sub, ops.mul, ops.neg, ops.sum, ops.stop_gradient, ops.expand, ops.reshape, ops.transpose,
    ops.slice_, ops.unslice, ops.concatenate, ops.where,
})  # fmt: skip
#: Where it changes nothing.
BLIND = frozenset({
    ops.square, ops.abs, ops.exp, ops.cos, ops.cosh, ops.equal, ops.not_equal, ops.less, ops.less_equal,
    ops.greater, ops.greater_equal,
})  # fmt: skip


def without_zeros(graph: Graph) -> Graph:
    """The graph without the zeros whose addition changes no result."""
    positive = _never_negative_zero(graph.equations)
    seen = _seen(graph.equations, (*graph.outputs, *graph.guards), positive)
    renamed: dict[Atom, Atom] = {}
    kept = []
    for primitive, inputs, params, out in graph.equations:
        inputs = tuple([renamed.get(x, x) if type(x) is Var else x for x in inputs])
        x = _added_to_zero(primitive, inputs)
        if x is not None and x.aval == out.aval and (x in positive or out not in seen):
            renamed[out] = x
        else:
            kept.append(Equation(primitive, inputs, params, out))
    results = [tuple([renamed.get(x, x) if type(x) is Var else x for x in xs]) for xs in (graph.guards, graph.outputs)]
    return graph._replace(equations=tuple(kept), guards=results[0], outputs=results[1])


def _is_zero(x: Atom) -> bool:
    return type(x) is Literal and x.value == 0 and not np.signbit(x.value)


def _added_to_zero(primitive: Primitive, inputs: Sequence[Atom]) -> Var | None:
    if primitive is not ops.add:
        return None
    x, y = inputs
    x, y = (x, y) if type(x) is Var else (y, x)
    return x if type(x) is Var and _is_zero(y) else None


def _never_negative_zero(equations: Iterable[Equation]) -> set[Atom]:
    """Sums with a term that is never -0.0: a sum is -0.0 only if both terms are."""
    found: set[Atom] = set()
    for primitive, inputs, _, out in equations:
        if primitive is ops.add and any(_is_zero(x) or x in found for x in inputs):
            found.add(out)
    return found


def _seen(equations: Sequence[Equation], results: Iterable[Atom], positive: set[Atom]) -> set[Atom]:
    """The variables whose sign shows in a result where they are zero."""
    seen: set[Atom] = {x for x in results if type(x) is Var}
    for primitive, inputs, _, out in reversed(equations):
        if primitive in BLIND or (primitive in PASSING and out not in seen):
            continue
        if primitive is ops.add:
            x, y = inputs
            # One term that is never -0.0 hides the other's sign, and must itself stay as it is.
            inputs = (x,) if x in positive or _is_zero(x) else (y,) if y in positive or _is_zero(y) else inputs
        seen.update([x for x in inputs if type(x) is Var])
    return seen
