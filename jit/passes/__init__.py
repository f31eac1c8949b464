"""Passes: from a graph to a graph that computes the same, in the order of `PIPELINE`."""

from ..graph import Graph
from .carries import parted
from .cse import cse
from .dce import dce
from .factors import factors
from .joins import joins
from .lanes import lanes
from .loops import loops
from .overlaps import overlaps
from .pairs import pairs
from .products import products
from .rotations import rotations
from .scalarise import scalarise
from .simplify import simplify
from .stacks import stacks
from .stencils import stencils
from .sums import sums
from .totals import totals
from .turns import turns


def _lanes(graph: Graph) -> Graph:
    return lanes(graph, optimise)


def _loops(graph: Graph) -> Graph:
    reduced = loops(graph, optimise)
    changed = parted(reduced)
    return reduced if changed is reduced else loops(changed, optimise)


def _reformed(graph: Graph) -> Graph:
    """The graph with products, loops and sums in other forms, which may have made what was there already."""
    before = graph
    for run in (products, _lanes, _loops, sums, totals):
        graph = run(graph)
    return graph if graph is before else cse(graph)


PIPELINE = (
    pairs,
    factors,
    simplify,
    stencils,
    joins,
    rotations,
    cse,
    dce,
    _reformed,
    stacks,
    overlaps,
    turns,
    scalarise,
)


def optimise(graph: Graph) -> Graph:
    """The graph after all passes."""
    for run in PIPELINE:
        graph = run(graph)
    return graph


__all__ = [
    "PIPELINE",
    "cse",
    "dce",
    "factors",
    "joins",
    "lanes",
    "loops",
    "optimise",
    "overlaps",
    "pairs",
    "parted",
    "products",
    "rotations",
    "scalarise",
    "simplify",
    "stacks",
    "stencils",
    "sums",
    "totals",
    "turns",
]
