"""Which graphs are worth lanes: those that take small arrays apart; a loop over their elements would be too short."""

from __future__ import annotations

from collections.abc import Container, Iterator

from autograd import ops
from autograd.lengths import is_long

from ..graph import Atom, Equation, Graph
from ..loop import SHARED
from .wide import RULES

# With arrays of more elements than this, loops over these are long enough.
LARGEST = 16
_COMPUTED = frozenset({ops.sum, ops.prod, ops.max, ops.min, ops.cumsum, ops.matmul})
# So many equations at least move elements or combine them, and one of so many on arrays: arithmetic alone is as fast in
# a loop over all elements of all examples.
_FEWEST_MOVES, _ONE_OF = 8, 8


def is_small(graph: Graph) -> bool:
    """Whether a graph computes something, and with small arrays alone."""
    found = list(_sizes(graph))
    return bool(found) and not any(is_long(n, LARGEST + 1) for n in found)


def _sizes(graph: Graph) -> Iterator[int]:
    """The sizes of the arrays that a graph computes with."""
    for primitive, inputs, params, out in graph.equations:
        if primitive in SHARED:
            for body in dict(params)["loop"].bodies:
                yield from _sizes(body)
        elif primitive.elementwise or primitive in _COMPUTED:
            yield from [x.aval.size for x in (*inputs, out)]


def takes_apart(graph: Graph, varying: Container[Atom]) -> bool:
    """Whether a graph without loops, of which these variables differ from example to example, is worth lanes."""
    if not all(x.primitive.elementwise or x.primitive in RULES for x in graph.equations):
        return False
    arrays = [x for x in graph.equations if any(y.aval.shape for y in (*x.inputs, x.out))]
    moves = [x for x in arrays if not x.primitive.elementwise]
    if len(moves) < _FEWEST_MOVES or len(arrays) > _ONE_OF * len(moves):
        return False
    return is_small(graph) and all(shared_factor(x, varying) is None for x in graph.equations)


def shared_factor(equation: Equation, varying: Container[Atom]) -> Atom | None:
    """The matrix, one for all examples, that an equation which varies multiplies by; `None` if there is none."""
    if equation.primitive is not ops.matmul:
        return None
    return next((x for x in equation.inputs if x not in varying), None)
