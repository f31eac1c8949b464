"""Sums of products that a loop carries: one product of matrices after the loop.

    for t: total = total + outer(x[t], y[t])        total = total + transpose(x) @ y

So the gradient of a matrix by which every step multiplies reads and writes that matrix once, not once in every step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

from autograd import ops
from autograd.lengths import is_long
from autograd.primitive import Aval, Primitive

from ..graph import Atom, Equation, Graph, Loop, Var
from ..loop import key_of, scan, uses_of
from .dce import dce
from .outer import Outer, outer

# Smaller sums stay in registers, or nearly so.
LEAST = 256


class _Product(NamedTuple):
    """A sum that is carried: its position, and the factors of what each step adds to it."""

    place: int
    term: Outer


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
        factors = [v for product in self.products.values() for v in product.term[:2]]
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

        *both, rows = product.term
        factors = []
        for v in both:
            found.append(self.result(self.stacks[v], Var(Aval((self.loop.length, *v.aval.shape), v.aval.dtype))))
            shape = (self.loop.length * rows, v.aval.size // rows)
            factors.append(add(ops.reshape, found[-1].out, shape=shape))
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
        if equation is None or equation.primitive is not ops.add or own.aval.ndim != 2:
            continue
        if not is_long(own.aval.size, LEAST):
            continue
        if uses[own] != 1 or uses[equation.out] != 1 or own not in equation.inputs or own.aval.dtype.kind != "f":
            continue
        (term,) = [x for x in equation.inputs if x is not own]
        factors = outer(made[term], made) if term in made and term.aval == own.aval and uses[term] == 1 else None
        if factors is not None:
            found.append(_Product(place, factors))
    return found
