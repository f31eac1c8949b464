"""Common subexpressions: an equation that says the same as an earlier one takes its result."""

from __future__ import annotations

from typing import Any

from ..graph import Atom, Equation, Graph, Literal, Var


def cse(graph: Graph) -> Graph:
    """The graph with every equation computed once."""
    first: dict[Any, Var] = {}
    renamed: dict[Any, Atom] = {}
    equations = []
    for equation in graph.equations:
        primitive, inputs, params, out = equation
        known = tuple([renamed.get(x, x) if type(x) is Var else x for x in inputs])
        key = known if Literal not in map(type, known) else tuple(map(_identity, known))
        earlier = first.setdefault((primitive, params, key), out)
        if earlier is out:
            equations.append(equation if known == inputs else Equation(primitive, known, params, out))
        else:
            renamed[out] = earlier
    results = [tuple([renamed.get(x, x) if type(x) is Var else x for x in xs]) for xs in (graph.guards, graph.outputs)]
    return graph._replace(equations=tuple(equations), guards=results[0], outputs=results[1])


def _identity(x: Atom) -> Any:
    # By its bytes: 0.0 and -0.0 are equal numbers but not the same, and NaN is not equal to itself.
    return (x.value.tobytes(), x.aval.dtype) if type(x) is Literal else x
