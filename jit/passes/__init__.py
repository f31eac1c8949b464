"""Passes: from a graph to a graph that computes the same, in the order of `PIPELINE`."""

from ..graph import Graph
from .cse import cse
from .dce import dce
from .factors import factors
from .scalarise import scalarise
from .simplify import simplify
from .stencils import stencils

PIPELINE = (factors, simplify, stencils, cse, dce, scalarise)


def optimise(graph: Graph) -> Graph:
    """The graph after all passes."""
    for run in PIPELINE:
        graph = run(graph)
    return graph


__all__ = ["PIPELINE", "cse", "dce", "factors", "optimise", "scalarise", "simplify", "stencils"]
