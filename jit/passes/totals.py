"""What is added to parts of arrays that are written to, as writes of these parts, which leave the rest where it is.

    total + unslice[i](x)        put[i](total, slice[i](total) + x)

Such an array is what a write makes, as the gradient of a write is one too, or what a reverse loop carries. The two
forms differ where a zero is added to -0.0 beside the part, which eager sweeps leave alone as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from autograd import ops

from ..graph import Atom, Equation, Graph, Literal, Loop, Params, Var
from ..loop import scan
from .dce import dce
from .simplify import simplify

WRITES = frozenset({ops.put, ops.put_at})


def totals(graph: Graph) -> Graph:
    """The graph, and its reverse loops, with writes in the place of sums."""
    changed: dict[int, Loop] = {}
    equations = []
    for equation in graph.equations:
        loop = dict(equation.params)["loop"] if equation.primitive is scan else None
        if loop is not None and loop.reverse:
            if id(loop) not in changed:
                own = loop.body.inputs[loop.constants :][: loop.carried]
                changed[id(loop)] = replace(loop, body=_written(loop.body, {x for x in own if x.aval.shape}))
            params = {**dict(equation.params), "loop": changed[id(loop)]}
            equation = equation._replace(params=tuple(sorted(params.items())))
        equations.append(equation)
    return _written(graph._replace(equations=tuple(equations)) if changed else graph, set())


def _written(graph: Graph, totals: set[Atom]) -> Graph:
    """The graph with writes in the place of sums with those arrays, and with what writes make."""
    if not totals and not any(equation.primitive in WRITES for equation in graph.equations):
        return graph
    uses = Counter([x for equation in graph.equations for x in equation.inputs])
    uses.update([*graph.outputs, *graph.guards])
    made: dict[Atom, Equation] = {}
    equations: list[Equation] = []
    for equation in graph.equations:
        made[equation.out] = equation
        primitive, inputs, _, out = equation
        found = None
        if primitive in WRITES and not _is_zero(made.get(inputs[0])):
            totals.add(out)
        elif primitive is ops.add:
            for total, term in (inputs, inputs[::-1]):
                part = _part(term, made)
                if total in totals and part is not None and uses[term] == 1 and total.aval == out.aval == term.aval:
                    found = _write(total, *part, out)
                    totals.add(out)
                    break
        equations += found or [equation]
    return simplify(dce(graph._replace(equations=tuple(equations))))


def _part(term: Atom, made: Mapping[Atom, Equation]) -> tuple[Atom, tuple[Atom, ...], Params] | None:
    """What an array of zeros holds at a part: the values, the positions and the parameters of the part."""
    equation = made.get(term)
    if equation is None:
        return None
    primitive, inputs, params, _ = equation
    if primitive is ops.unslice:
        return inputs[0], (), (("index", dict(params)["index"]),)
    if primitive in WRITES and _is_zero(made.get(inputs[0])):
        return inputs[1], inputs[2:], params
    return None


def _is_zero(equation: Equation | None) -> bool:
    if equation is None or equation.primitive is not ops.expand:
        return False
    number = equation.inputs[0]
    return isinstance(number, Literal) and number.value == 0


def _write(total: Atom, x: Atom, positions: tuple[Atom, ...], params: Params, out: Var) -> list[Equation]:
    before = Equation.of(ops.slice_at if positions else ops.slice_, total, *positions, **dict(params))
    after = Equation.of(ops.add, before.out, x)
    write = ops.put_at if positions else ops.put
    return [before, after, Equation(write, (total, after.out, *positions), params, out)]
