"""Sums of products that a loop carries: one product of matrices after the loop.

    for t: total = total + outer(x[t], y[t])        total = total + transpose(x) @ y

So the gradient of a matrix by which every step multiplies reads and writes that matrix once, not once in every step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

from autograd import ops
from autograd.primitive import Aval, Primitive

from ..graph import Atom, Equation, Graph, Loop, Var
from ..loop import key_of, scan, uses_of
from .dce import dce

# Smaller sums stay in registers, or nearly so.
LEAST = 256


class _Product(NamedTuple):
    """A sum that is carried: its position, and the factors whose rows are multiplied: `x` (b, k) and `y` (b, n)."""

    place: int
    x: Var
    y: Var


def sums(graph: Graph) -> Graph:
    """The graph with products of matrices in place of the sums of products that loops carry."""
    found = {key: _Split(equations) for key, equations in uses_of(graph).items()}
    if not any(split.products for split in found.values()):
        return graph
    equations: list[Equation] = []
    for equation in graph.equations:
        split = found[key_of(equation)] if equation.primitive is scan else None
        equations += [equation] if split is None or not split.products else split.replaced(equation)
    return graph._replace(equations=tuple(equations))


class _Split:
    """A loop without the sums that it carries."""

    def __init__(self, results: list[Equation]) -> None:
        self.loop: Loop = dict(results[0].params)["loop"]
        self.inputs = results[0].inputs
        picks = {dict(x.params)["pick"] for x in results}
        self.products = {x.place: x for x in _products(self.loop) if x.place in picks}
        if not self.products:
            return
        m, k, body = self.loop.constants, self.loop.carried, self.loop.body
        kept = [i for i in range(k) if i not in self.products]
        rest = [i for i in range(len(body.inputs)) if i - m not in self.products]
        factors = [v for product in self.products.values() for v in (product.x, product.y)]
        outputs = [*[body.outputs[i] for i in kept], *body.outputs[k:]]
        self.places = {i: place for place, i in enumerate([*kept, *range(k, len(body.outputs))])}
        self.stacks: dict[Var, int] = {}
        for v in factors:
            if v not in outputs[len(kept) :]:
                outputs.append(v)
            self.stacks[v] = len(kept) + outputs[len(kept) :].index(v)
        smaller = body._replace(inputs=tuple([body.inputs[i] for i in rest]), outputs=tuple(outputs))
        self.smaller = replace(self.loop, body=dce(smaller), carried=len(kept))
        self.left = tuple([self.inputs[i] for i in rest])

    def replaced(self, equation: Equation) -> list[Equation]:
        """What gives the same result."""
        pick = dict(equation.params)["pick"]
        if pick in self.places:
            return [self.result(self.places[pick], equation.out)]
        product, found = self.products[pick], []

        def add(primitive: Primitive, *inputs: Atom, **params: Any) -> Var:
            found.append(Equation.of(primitive, *inputs, **params))
            return found[-1].out

        factors = []
        for v in (product.x, product.y):
            found.append(self.result(self.stacks[v], Var(Aval((self.loop.length, *v.aval.shape), v.aval.dtype))))
            columns = v.aval.shape[-1]
            factors.append(add(ops.reshape, found[-1].out, shape=(prod(found[-1].out.aval.shape) // columns, columns)))
        total = add(ops.matmul, add(ops.transpose, factors[0], axes=(1, 0)), factors[1])
        first = self.inputs[self.loop.constants + pick]
        return [*found, Equation(ops.add, (first, total), (), equation.out)]

    def result(self, pick: int, out: Var) -> Equation:
        return Equation(scan, self.left, (("loop", self.smaller), ("pick", pick)), out)


def _products(loop: Loop) -> list[_Product]:
    """The sums of products of a loop that nothing in it reads."""
    if loop.dynamic:
        # Behind the last step its arrays hold anything.
        return []
    body, m = loop.body, loop.constants
    uses = Counter([x for equation in body.equations for x in equation.inputs])
    uses.update(body.outputs)
    made = {equation.out: equation for equation in body.equations}
    found = []
    for place in range(loop.carried):
        own, equation = body.inputs[m + place], made.get(body.outputs[place])  # type: ignore[arg-type]
        if equation is None or equation.primitive is not ops.add or own.aval.size < LEAST or own.aval.ndim != 2:
            continue
        if uses[own] != 1 or uses[equation.out] != 1 or own not in equation.inputs or own.aval.dtype.kind != "f":
            continue
        (term,) = [x for x in equation.inputs if x is not own]
        factors = _factors(made.get(term), made) if term.aval == own.aval and uses[term] == 1 else None  # type: ignore[arg-type]
        if factors is not None:
            found.append(_Product(place, *factors))
    return found


def _factors(equation: Equation | None, made: dict[Var, Equation]) -> tuple[Var, Var] | None:
    """Factors (b, k) or (k,) and (b, n) or (n,) of a product of shape (k, n), `None` for anything else."""
    if equation is None:
        return None
    x, y = equation.inputs if len(equation.inputs) == 2 else (None, None)
    if not (isinstance(x, Var) and isinstance(y, Var) and x.aval.dtype == y.aval.dtype == equation.out.aval.dtype):
        return None
    if equation.primitive is ops.matmul and x.aval.ndim == y.aval.ndim == 2:
        source = made.get(x)
        transposed = source is not None and source.primitive is ops.transpose
        return (source.inputs[0], y) if transposed else None  # type: ignore[return-value, union-attr]
    if equation.primitive is ops.mul:
        for column, row in ((x, y), (y, x)):
            source = made.get(column)
            if source is None or source.primitive is not ops.reshape or row.aval.ndim != 1:
                continue
            if column.aval.shape == (equation.out.aval.shape[0], 1) and source.inputs[0].aval.ndim == 1:
                return source.inputs[0], row  # type: ignore[return-value]
    return None
