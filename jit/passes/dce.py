"""Dead code elimination: equations whose results nobody reads are left out."""

from __future__ import annotations

from ..graph import Graph


def dce(graph: Graph) -> Graph:
    """The graph without the equations that neither outputs nor guards need."""
    live = {*graph.outputs, *graph.guards}
    kept = []
    for equation in reversed(graph.equations):
        if equation.out in live:
            kept.append(equation)
            live.update(equation.inputs)
    return graph._replace(equations=tuple(kept[::-1]))
