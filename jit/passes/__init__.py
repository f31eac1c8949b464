"""Passes: from a graph to a graph that computes the same, in the order of `PIPELINE`."""

from ..graph import Graph
from .cse import cse
from .dce import dce
from .overlaps import overlaps
from .scalarise import scalarise
from .simplify import simplify
from .stacks import stacks
from .stencils import stencils

PIPELINE = (simplify, stencils, cse, dce, stacks, overlaps, scalarise)


def optimise(graph: Graph) -> Graph:
    """The graph after all passes."""
    for run in PIPELINE:
        graph = run(graph)
    return graph


__all__ = ["PIPELINE", "cse", "dce", "optimise", "overlaps", "scalarise", "simplify", "stacks", "stencils"]
