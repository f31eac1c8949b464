"""Passes: from a graph to a graph that computes the same, in the order of `PIPELINE`."""

from ..graph import Graph
from .carries import parted
from .cse import cse
from .dce import dce
from .loops import loops
from .products import products
from .scalarise import scalarise
from .simplify import simplify
from .stencils import stencils
from .sums import sums


def _loops(graph: Graph) -> Graph:
    reduced = loops(graph, optimise)
    changed = parted(reduced)
    return reduced if changed is reduced else loops(changed, optimise)


PIPELINE = (simplify, stencils, cse, dce, products, _loops, sums, cse, scalarise)


def optimise(graph: Graph) -> Graph:
    """The graph after all passes."""
    for run in PIPELINE:
        graph = run(graph)
    return graph


__all__ = [
    "PIPELINE",
    "cse",
    "dce",
    "loops",
    "optimise",
    "parted",
    "products",
    "scalarise",
    "simplify",
    "stencils",
    "sums",
]
