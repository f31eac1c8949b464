"""Values of the steps of a loop that the reverse loop reads instead of making them again."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from autograd import ops

from ..graph import Atom, Equation, Graph, Literal, Loop, Var
from ..passes.dce import dce
from ..passes.simplify import PRODUCTS_OF_ITSELF

# What takes longer to compute again than to store and to read, the last ones while they lie in the cache.
PRODUCTS = frozenset({ops.matmul})
COSTLY = frozenset({
    ops.exp, ops.exp2, ops.expm1, ops.log, ops.log2, ops.log10, ops.log1p, ops.sin, ops.cos, ops.tan, ops.sinh,
    ops.cosh, ops.tanh, ops.arcsin, ops.arccos, ops.arctan, ops.arcsinh, ops.arccosh, ops.arctanh, ops.sigmoid,
    ops.softplus, ops.erf, ops.erfc, ops.pow, ops.arctan2, ops.logaddexp, ops.hypot,
})  # fmt: skip
MOST_BYTES = 1 << 20
# What is read of arrays that are written to, and what writes to them.
PARTS = frozenset({ops.slice_, ops.slice_at})
WRITES = frozenset({ops.put, ops.put_at})


def with_candidates(graph: Graph, carried: int) -> Graph:
    """The body of a loop that makes, before what each step begins with, all values that are worth keeping."""
    costly = [x.out for x in graph.equations if _is_costly(x) and x.out.aval.shape]
    found = [*costly, *_parts_read(graph, carried)]
    kept = [x for x in found if not any(x is y for y in graph.outputs[carried:])]
    first = len(graph.outputs) - carried
    return graph._replace(outputs=(*graph.outputs[:first], *kept, *graph.outputs[first:]))


def _parts_read(graph: Graph, carried: int) -> list[Var]:
    """The parts that a step reads of carried arrays which it writes to, where these are less than the array."""
    found: list[Var] = []
    for own in graph.outputs[len(graph.outputs) - carried :]:
        versions: set[Atom] = {own}
        parts: list[Var] = []
        size = 0
        for primitive, inputs, _, out in graph.equations:
            if versions.isdisjoint(inputs):
                continue
            if primitive in WRITES and inputs[0] in versions and versions.isdisjoint(inputs[1:]):
                versions.add(out)
            elif primitive in PARTS:
                parts.append(out)
                size += out.aval.size
            else:
                size += own.aval.size
        if len(versions) > 1 and size < own.aval.size:
            found += parts
    return found


def with_residuals(loop: Loop, graph: Graph, inputs: Mapping[Atom, Var]) -> tuple[Graph, list[int]]:
    """The body of a reverse loop which reads what the forward loop has made.

    **Arguments:** `loop`; `graph`, the body of the reverse loop, which makes the values of a forward step again;
    `inputs`, which of its inputs stand for those of the forward body.

    **Returns:** the body, with elements of stacks as further inputs, and the results of the loop that these are.
    """
    if loop.kept:
        # There is no room for values of all steps.
        return graph, []
    places = {x: i for i, x in enumerate(loop.body.outputs) if i >= loop.carried and isinstance(x, Var)}
    known = {x.out: x for x in loop.body.equations}
    same = _same(loop.body, graph, inputs)
    found: dict[Atom, Var] = {}
    picks = []
    for equation in graph.equations:
        x = same.get(equation.out)
        if equation.primitive is ops.stop_gradient or x not in places or x not in known:
            continue
        if _is_worth(known[x], loop.length):
            found[equation.out] = Var(x.aval)
            picks.append(places[x])
    if not found:
        return graph, []
    equations = [
        equation._replace(inputs=tuple([found.get(x, x) for x in equation.inputs]))
        for equation in graph.equations
        if equation.out not in found
    ]
    outputs = tuple([found.get(x, x) for x in graph.outputs])
    return dce(
        graph._replace(inputs=(*graph.inputs, *found.values()), equations=tuple(equations), outputs=outputs)
    ), picks


def _is_costly(equation: Equation) -> bool:
    if equation.primitive is ops.pow:
        exponent = equation.inputs[1]
        return not isinstance(exponent, Literal) or float(exponent.value) not in PRODUCTS_OF_ITSELF
    return equation.primitive in PRODUCTS | COSTLY


def _is_worth(equation: Equation, length: int) -> bool:
    size = length * prod(equation.out.aval.shape) * equation.out.aval.dtype.itemsize
    return equation.primitive in PRODUCTS | PARTS or (_is_costly(equation) and size <= MOST_BYTES)


def _same(forward: Graph, graph: Graph, inputs: Mapping[Atom, Var]) -> dict[Atom, Var]:
    """The variables of a graph that are those of the forward body, by what they are there."""
    # How often gradients were stopped makes no other value of it.
    stopped: dict[Atom, Var] = {}
    known: dict[Any, Var] = {}
    for equation in forward.equations:
        if equation.primitive is ops.stop_gradient:
            (x,) = equation.inputs
            stopped[equation.out] = stopped.get(x, x)  # type: ignore[arg-type]
        else:
            known[_key(equation, stopped)] = equation.out
    same = dict(inputs)
    for equation in graph.equations:
        stops = equation.primitive is ops.stop_gradient
        made = same.get(equation.inputs[0]) if stops else known.get(_key(equation, same))
        if made is not None:
            same[equation.out] = made
    return same


def _key(equation: Any, renamed: Mapping[Atom, Var]) -> Any:
    primitive, inputs, params, _ = equation
    atoms = [renamed.get(x, x) for x in inputs]
    return primitive, params, *[(x.value.tobytes(), x.aval) if isinstance(x, Literal) else x for x in atoms]
