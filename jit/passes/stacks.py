"""Sums of matrix products as one product of stacked factors: the gradient of a matrix that each step of a loop uses.

    x1 y1 + x2 y2 + ...  =  concatenate(x1, x2, ...) concatenate(y1, y2, ...)

A column times a row, which is an elementwise product of the two, is such a term. The sum passes through memory once for
each term, the product once for all of them; it adds the same products in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, NamedTuple

from autograd import ops
from autograd.lengths import is_long

from ..graph import Atom, Equation, Graph, Var
from .dce import dce
from .outer import Outer, outer
from .simplify import Rewriter

# The fewest terms, and the fewest elements of the sum: a tiny one stays in registers.
FEWEST, LEAST = 8, 64
_PRODUCTS = frozenset({ops.mul, ops.matmul})


class _Sum(NamedTuple):
    """Products, and what else is added to them, both in the order of the sum."""

    products: list[Outer]
    others: list[Atom]


def stacks(graph: Graph) -> Graph:
    """The graph with every long sum of products as one product."""
    sums = _sums(graph)
    if not sums:
        return graph
    rewriter = Rewriter()
    renamed: dict[Atom, Atom] = {}
    for equation in graph.equations:
        rewriter.take(equation._replace(inputs=tuple([renamed.get(x, x) for x in equation.inputs])))
        if equation.out in sums:
            renamed[equation.out] = _stacked(rewriter, sums[equation.out], renamed)
    outputs, guards = (tuple([renamed.get(x, x) for x in xs]) for xs in (graph.outputs, graph.guards))
    return dce(graph._replace(equations=tuple(rewriter.equations), outputs=outputs, guards=guards))


def _sums(graph: Graph) -> dict[Var, _Sum]:
    if sum([e.primitive in _PRODUCTS and is_long(e.out.aval.size, LEAST) for e in graph.equations]) < FEWEST:
        return {}
    made: dict[Any, Equation] = {equation.out: equation for equation in graph.equations}
    uses = Counter([x for equation in graph.equations for x in equation.inputs])
    uses.update([*graph.outputs, *graph.guards])
    inner: set[Atom] = set()
    found = {}
    for equation in reversed(graph.equations):
        if equation.primitive is ops.add and equation.out not in inner and is_long(equation.out.aval.size, LEAST):
            terms = _terms(equation, made, uses, inner)
            products = [None if uses[x] != 1 or x not in made else _product(made[x], made) for x in terms]
            others = [x for x, product in zip(terms, products, strict=True) if product is None]
            known = [product for product in products if product is not None]
            if len(known) >= FEWEST:
                found[equation.out] = _Sum(known, others)
    return found


def _terms(root: Equation, made: Mapping[Any, Equation], uses: Counter[Atom], inner: set[Atom]) -> list[Atom]:
    """The terms of a sum of arrays of one shape, in their order; `inner` gains the sums on the way."""
    found: list[Atom] = []
    pending: list[Atom] = [root.out]
    while pending:
        x = pending.pop()
        equation = made.get(x)
        is_sum = equation is not None and equation.primitive is ops.add and (x is root.out or uses[x] == 1)
        if equation is not None and is_sum and all(y.aval == root.out.aval for y in equation.inputs):
            inner.add(x)
            pending += equation.inputs[::-1]
        else:
            found.append(x)
    return found


def _product(equation: Equation, made: Mapping[Any, Equation]) -> Outer | None:
    """The factors of a product that is worth to be stacked."""
    found, out = outer(equation, made), equation.out.aval
    # To stack more rows than these takes as long as to add up what they give.
    return found if found is not None and found.rows * sum(out.shape) <= 2 * out.size else None


def _stacked(rewriter: Rewriter, found: _Sum, renamed: Mapping[Atom, Atom]) -> Atom:
    """The sum as what else is added and one product."""

    def stack(xs: Iterable[Atom]) -> Atom:
        rows = [
            rewriter.equation(ops.reshape, renamed.get(x, x), shape=(n, x.aval.size // n))
            for x, (*_, n) in zip(xs, found.products, strict=True)
        ]
        return rewriter.equation(ops.concatenate, *rows, axis=0)

    left = rewriter.equation(ops.transpose, stack([x for x, *_ in found.products]), axes=(1, 0))
    product = rewriter.equation(ops.matmul, left, stack([y for _, y, _ in found.products]))
    others = [renamed.get(x, x) for x in found.others]
    return reduce(lambda x, y: rewriter.equation(ops.add, x, y), [*others, product])
