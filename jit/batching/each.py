"""What a recorded function makes of each array of a stack, such as the unit vectors of a Jacobian.

Where it multiplies by matrices that do not change, all arrays are taken at once: their products with a matrix are one
product of matrices, whose columns LLVM computes in lanes. What else it does is faster one array after the other: that
is a loop which carries nothing, whose values stay in the cache or in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from autograd import ops
from autograd.functions.arguments import reshaped
from autograd.lengths import is_length
from autograd.tree import flatten, unflatten

from ..graph import Graph
from ..recording.body import Body, element_of, recorded_body
from .graphs import batched, varying_in
from .rules import Batch, by_example

#: So many elements has the largest array that taking several arrays at once may make.
MOST_AT_ONCE = 1 << 21


def recorded_each(function: Callable[[Any], Any], stack: Any) -> Any:
    """What a linear function makes of each array of a stack, as stacks in the structure that it returns.

    **Errors:** those of the function, and of `recorded_body`.
    """
    element = element_of(stack)
    structures: list[Any] = []

    def run() -> list[Any]:
        leaves, structure = flatten(function(element))
        structures[:] = [structure]
        return leaves

    body = recorded_body("jacobian", [], [element], run)
    count = stack.shape[0]
    width = _width(body.graph, count)
    if width == 1:
        found = _one_by_one(body, stack)
    elif width == count:
        found = _at_once(body, stack)
    else:
        found = _by_blocks(body, stack, width)
    return unflatten(structures[0], found)


def _width(graph: Graph, count: int) -> int:
    """How many arrays are taken at once."""
    varying = varying_in(graph, [x is graph.inputs[-1] for x in graph.inputs])
    inside = [x for x in graph.equations if x.out in varying]
    if not any(x.primitive is ops.matmul for x in inside):
        return 1
    sizes = [prod(x.out.aval.shape) for x in inside]
    if any(is_length(n) for n in sizes):
        # Matrices of the rows that are open and of the columns would have to be told apart, by how many there are.
        return 1
    most = max(MOST_AT_ONCE // max(max(sizes), 1), 1)
    return max(n for n in range(1, count + 1) if count % n == 0 and n <= most)


def _mapped(body: Body) -> list[bool]:
    return [*[False] * len(body.constants), True]


def _one_by_one(body: Body, stack: Any) -> list[Any]:
    return by_example(body.graph, Batch(stack.shape[0], [*body.constants, stack], _mapped(body)))


def _at_once(body: Body, stack: Any) -> list[Any]:
    count = stack.shape[0]
    return [x.whole(count) for x in batched(body.graph, count, [*body.constants, stack], _mapped(body))]


def _by_blocks(body: Body, stack: Any, width: int) -> list[Any]:
    """A loop over blocks of so many arrays, each of which is taken at once."""
    count = stack.shape[0]
    blocks = reshaped(stack, (count // width, width, *stack.shape[1:]))
    element = element_of(blocks)
    block = recorded_body("jacobian", [], [element], lambda: _at_once(body, element))
    return [reshaped(x, (count, *x.shape[2:])) for x in _one_by_one(block, blocks)]
