"""Loops that carry nothing, over blocks of elements: what was one element becomes an array of one lane for each.

    y = [f(x) for x in xs]        for each block of `lanes` elements: y of the block = f in lanes

Each number of a step becomes a vector, whose axis comes last, so that the elements of small arrays lie apart and LLVM's
vectoriser finds long loops over contiguous memory; and a block's intermediate values stay in the cache, those of loops
within `f` as well. What is only summed up, as the cotangents of constants are, is summed over the lanes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from autograd import ops
from autograd.lengths import is_length, is_long
from autograd.primitive import Aval

from ..graph import Atom, Equation, Graph, Literal, Loop, Var
from ..loop import SHARED, key_of, scan, uses_of
from .loops import loops, substituted
from .scalarise import apart
from .simplify import Rewriter
from .small import LARGEST, is_small
from .wide import NoLanes, widened

# How many lanes a block has at least, and at most: calls of loop nests have to be worth it.
FEWEST, MOST = 32, 256
# A register's worth; the number of lanes is a multiple of it, so that no loop has a rest.
_MULTIPLE = 16
# The bytes that a block reads, writes and keeps meanwhile, which are to stay in the cache.
BYTES = 256 * 1024
# LLVM takes some ms for each equation of a vectorised loop, and more than that for each of a long one.
MOST_EQUATIONS = 1000
# Into about so many blocks a loop is divided at least, which the threads share.
_TASKS = 16


def lanes(graph: Graph, optimise: Callable[[Graph], Graph]) -> Graph:
    """The graph with its loops over independent elements as loops over blocks of lanes.

    **Arguments:** `optimise`, all passes over the graph of a body.
    """
    if not any(equation.primitive is scan and _is_long(_loop(equation)) for equation in graph.equations):
        return graph
    # What nobody reads must not look as if the steps depended on each other.
    graph = loops(graph, lambda body: body)
    made = _Blocks(graph, optimise)
    for equation in graph.equations:
        made.add(equation)
    return substituted(graph._replace(equations=tuple(made.equations)), made.renamed)


def _loop(equation: Equation) -> Loop:
    loop: Loop = dict(equation.params)["loop"]
    return loop


def _is_long(loop: Loop) -> bool:
    """Whether a loop takes many steps, and as many whatever it computes."""
    return not loop.dynamic and loop.length >= 2 * FEWEST


def _terms(loop: Loop) -> list[Atom] | None:
    """What each step adds to the numbers that are carried, `None` if it does anything else with them."""
    body = loop.body
    own = body.inputs[loop.constants :][: loop.carried]
    made = {equation.out: equation for equation in body.equations if equation.primitive is ops.add}
    found = []
    for x, y in zip(own, body.outputs, strict=False):
        readers = [equation for equation in body.equations if x in equation.inputs]
        if y not in made or readers != [made[y]] or body.outputs.count(x) or body.outputs.count(y) != 1:
            return None
        term = next((z for z in made[y].inputs if z is not x), None)
        if (
            term is None
            or term.aval != x.aval
            or x.aval.dtype.kind != "f"
            or any(y in equation.inputs for equation in body.equations)
        ):
            return None
        found.append(term)
    return found


def _weight(graph: Graph) -> int:
    """How many equations a graph has, those of its loops included."""
    inner = {dict(x.params)["loop"] for x in graph.equations if x.primitive in SHARED}
    return len(graph.equations) + sum([_weight(body) for loop in inner for body in loop.bodies])


def _count(length: Any, graph: Graph) -> int:
    """How many lanes a block has: where possible so many that no elements are left over."""
    kept = [x.out for x in graph.equations if x.primitive in SHARED]
    size = sum([x.aval.size * x.aval.dtype.itemsize for x in (*graph.inputs, *kept, *graph.outputs)])
    most = min(MOST, BYTES // max(size, 1))
    # Of an open length nobody knows more than that there are two of the smallest blocks.
    most = max(min(most, 2 * FEWEST if is_length(length) else length // _TASKS) // _MULTIPLE * _MULTIPLE, FEWEST)
    if is_length(length):
        return most
    return next((n for n in range(most, FEWEST - 1, -_MULTIPLE) if length % n == 0), most)


class _Steps(NamedTuple):
    """Independent steps: the graph of one, which makes so many `terms` of sums before anything else.

    The first of the `inputs` are the `constants`, the others arrays, of which a step reads one element each.
    """

    graph: Graph
    terms: int
    constants: int
    inputs: tuple[Atom, ...]


class _Blocks(Rewriter):
    """The equations in the making; `renamed` has what stands for results of loops that are gone."""

    def __init__(self, graph: Graph, optimise: Callable[[Graph], Graph]) -> None:
        super().__init__()
        self.optimise = optimise
        self.results = uses_of(graph)
        self.renamed: dict[Any, Atom] = {}

    def add(self, equation: Equation) -> None:
        """Adds an equation, or what stands for all results of a loop."""
        if equation.primitive is not scan:
            self.take(equation)
            return
        # The first of its results brings all others with it.
        results = self.results.pop(key_of(equation), [])
        found = self.in_blocks(_loop(equation), equation.inputs) if results else None
        for result in results:
            if found is None:
                self.take(result)
            else:
                self.renamed[result.out] = found[dict(result.params)["pick"]]

    def in_blocks(self, loop: Loop, inputs: Sequence[Atom]) -> list[Atom] | None:
        """The results of a loop by blocks, `None` for one that has to stay as it is."""
        terms = _terms(loop) if _is_long(loop) else None
        if terms is None or any(is_long(x.aval.size, LARGEST + 1) for x in terms):
            return None
        body, m, n = loop.body, loop.constants, loop.constants + loop.carried
        own = (*body.inputs[:m], *body.inputs[n:])
        step = self.optimise(body._replace(inputs=own, outputs=(*terms, *body.outputs[loop.carried :])))
        if not is_small(step) or _weight(step) > MOST_EQUATIONS:
            return None
        steps = _Steps(apart(step, LARGEST), len(terms), m, (*inputs[:m], *inputs[n:]))
        count = _count(loop.length, step)
        rest = loop.length % count
        try:
            found = self.run(steps, 0, loop.length // count, count)
            if is_length(rest) or rest:
                others = self.run(steps, loop.length - rest, *((rest, None) if is_length(rest) else (1, rest)))
                found = [self.equation(ops.concatenate, x, y, axis=0) for x, y in zip(found, others, strict=True)]
        except NoLanes:
            return None
        for i, x in enumerate(inputs[m:n]):
            total = self.equation(ops.sum, found[i], axis=(0,), keepdims=False)
            found[i] = self.equation(ops.add, x, total)
        return found

    def run(self, steps: _Steps, first: Any, blocks: Any, count: int | None) -> list[Atom]:
        """What so many blocks of `count` lanes make, from an element on: a term for each block, and the stacks.

        Without a count these are single elements.
        """
        size = blocks if count is None else blocks * count
        lanes = () if count is None else (count,)
        arrays = []
        for x in steps.inputs[steps.constants :]:
            shape = x.aval.shape[1:]
            part = self.equation(ops.slice_, x, index=((first, size, 1), *[(0, k, 1) for k in shape]))
            arrays.append(self.equation(ops.reshape, part, shape=(blocks, *lanes, *shape)))
        body = steps.graph if count is None else _block(steps, count)
        loop = Loop(body, steps.constants, 0, blocks, False)
        given = (*steps.inputs[: steps.constants], *arrays)
        found = [self.equation(scan, *given, loop=loop, pick=i) for i in range(len(body.outputs))]
        stacks = [
            self.equation(ops.reshape, x, shape=(size, *x.aval.shape[1 + len(lanes) :])) for x in found[steps.terms :]
        ]
        return [*found[: steps.terms], *stacks]


def _block(steps: _Steps, count: int) -> Graph:
    """The graph of a block: that of a step in lanes, which come first in what it reads and makes."""
    m = steps.constants
    elements = steps.graph.inputs[m:]
    graph, wide = widened(steps.graph, [False] * m + [True] * len(elements), count)
    made = Rewriter()
    given = tuple([Var(Aval((count, *x.aval.shape), x.aval.dtype)) for x in elements])
    moved = [made.equation(ops.transpose, x, axes=(*range(1, x.aval.ndim), 0)) for x in given]
    graph = substituted(graph, dict(zip(graph.inputs[m:], moved, strict=True)))
    for equation in graph.equations:
        made.take(equation)
    outputs = zip(graph.outputs, wide, strict=True)
    found = [(_sum if i < steps.terms else _rows)(made, x, has, count) for i, (x, has) in enumerate(outputs)]
    return graph._replace(inputs=(*graph.inputs[:m], *given), equations=tuple(made.equations), outputs=tuple(found))


def _sum(made: Rewriter, x: Atom, wide: bool, count: int) -> Atom:
    """The sum of what all lanes have."""
    if wide:
        return made.equation(ops.sum, x, axis=(x.aval.ndim - 1,), keepdims=False)
    return made.equation(ops.mul, x, Literal.of(count, x.aval.dtype))


def _rows(made: Rewriter, x: Atom, wide: bool, count: int) -> Atom:
    """What each lane has, one after the other."""
    if wide:
        last = x.aval.ndim - 1
        return made.equation(ops.transpose, x, axes=(last, *range(last)))
    return made.equation(ops.expand, x, shape=(count, *x.aval.shape))
