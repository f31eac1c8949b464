"""A graph in lanes: what it computes of one element, computed of many at once, which lie along the last axis.

    x:f64[3]  y:f64[]                   x:f64[3,80]  y:f64[80]
    a:f64[3] = mul x y                  a:f64[3,80] = mul x y
    b:f64[] = sum[axis=(0,)] a          b:f64[80] = sum[axis=(0,)] a

NumPy's broadcasting goes by the last axes, so arithmetic stays as it is; ops that name axes name the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from autograd import ops
from autograd.primitive import Primitive

from ..graph import Atom, Choice, Equation, Graph, Loop, Var
from ..loop import SHARED, key_of
from .simplify import Rewriter


class NoLanes(Exception):
    """Something that no graph in lanes can do."""


def widened(graph: Graph, wide: Sequence[bool], lanes: int, required: Collection[int] = ()) -> tuple[Graph, list[bool]]:
    """The graph in lanes, and which of its outputs have them; the others are the same for all.

    **Arguments:** `wide`, which of the inputs have lanes; `required`, outputs that get some in any case.

    **Errors:** `NoLanes`.
    """
    made = _Wide(lanes)
    inputs = tuple([made.input(x, has) for x, has in zip(graph.inputs, wide, strict=True)])
    for equation in graph.equations:
        made.add(equation)
    results = [x in made.wide or i in required for i, x in enumerate(graph.outputs)]
    outputs = made.given(graph.outputs, results)
    return graph._replace(inputs=inputs, equations=tuple(made.equations), outputs=outputs), results


class _Wide(Rewriter):
    """`known` maps variables of the graph to what stands for them, `wide` are those with lanes."""

    def __init__(self, lanes: int) -> None:
        super().__init__()
        self.lanes = lanes
        self.known: dict[Atom, Atom] = {}
        self.wide: set[Atom] = set()
        self.loops: dict[Any, tuple[Loop | Choice, tuple[Atom, ...], list[bool]]] = {}

    def input(self, x: Var, has: bool) -> Var:
        """The input that stands for one of the graph."""
        made = Var(x.aval._replace(shape=(*x.aval.shape, self.lanes))) if has else Var(x.aval)
        self.known[x] = made
        if has:
            self.wide.add(x)
        return made

    def add(self, equation: Equation) -> None:
        """Adds what stands for an equation."""
        primitive, inputs, params, out = equation
        if primitive in SHARED:
            self.shared(equation)
        elif self.wide.isdisjoint(inputs):
            self.known[out] = self.equation(primitive, *[self.narrow(x) for x in inputs], **dict(params))
        else:
            rule = _elementwise if primitive.elementwise else RULES.get(primitive)
            if rule is None:
                raise NoLanes(f"`{primitive}` has no form in lanes")
            self.known[out] = rule(self, primitive, inputs, dict(params))
            self.wide.add(out)

    def narrow(self, x: Atom) -> Atom:
        """What stands for a value without lanes."""
        if x in self.wide:
            raise NoLanes(f"{x} differs from lane to lane")
        return self.known.get(x, x)

    def spread(self, x: Atom) -> Atom:
        """What stands for a value in lanes, where all of them may be the same."""
        made = self.known.get(x, x)
        if x in self.wide:
            return made
        shape = (*x.aval.shape, 1)
        column = self.equation(ops.reshape, made, shape=shape) if x.aval.shape else made
        return self.equation(ops.expand, column, shape=(*shape[:-1], self.lanes))

    def shared(self, equation: Equation) -> None:
        """A result of a loop or of a choice."""
        key, params = key_of(equation), dict(equation.params)
        if key not in self.loops:
            loop = params["loop"]
            self.loops[key] = (self.loop if isinstance(loop, Loop) else self.choice)(loop, equation.inputs)
        loop, inputs, wide = self.loops[key]
        self.known[equation.out] = self.equation(equation.primitive, *inputs, loop=loop, pick=params["pick"])
        if wide[params["pick"]]:
            self.wide.add(equation.out)

    def loop(self, loop: Loop, inputs: Sequence[Atom]) -> tuple[Loop, tuple[Atom, ...], list[bool]]:
        if loop.dynamic:
            raise NoLanes("a loop that ends by a value takes other numbers of steps in other lanes")
        wide = [x in self.wide for x in inputs]
        m, k = loop.constants, loop.carried
        while True:
            required = [i for i in range(k) if wide[m + i]]
            body, results = widened(loop.body, wide, self.lanes, required)
            if sum(results[:k]) == len(required):
                return replace(loop, body=body), self.given(inputs, wide), results
            # What has lanes after a step has them before the next one.
            wide[m : m + k] = results[:k]

    def choice(self, choice: Choice, inputs: Sequence[Atom]) -> tuple[Choice, tuple[Atom, ...], list[bool]]:
        index, *given = inputs
        wide = [x in self.wide for x in given]
        found = [widened(body, wide, self.lanes)[1] for body in choice.bodies]
        required = [i for i, has in enumerate(zip(*found, strict=True)) if any(has)]
        bodies = tuple([widened(body, wide, self.lanes, required)[0] for body in choice.bodies])
        results = [i in required for i in range(len(choice.results))]
        return Choice(bodies), (self.narrow(index), *self.given(given, wide)), results

    def given(self, inputs: Sequence[Atom], wide: Sequence[bool]) -> tuple[Atom, ...]:
        return tuple([self.spread(x) if has else self.narrow(x) for x, has in zip(inputs, wide, strict=True)])


# ---- rules: the equation in lanes, of which at least one input has them ----

_Rule = Callable[[_Wide, Primitive, Sequence[Atom], dict[str, Any]], Atom]


def _elementwise(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
    return wide.equation(primitive, *[_column(wide, x) for x in inputs], **params)


def _column(wide: _Wide, x: Atom) -> Atom:
    """What stands for an operand that NumPy broadcasts along the lanes."""
    made = wide.known.get(x, x)
    if x in wide.wide or not x.aval.shape:
        return made
    return wide.equation(ops.reshape, made, shape=(*x.aval.shape, 1))


def _same_axes(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
    return wide.equation(primitive, *[wide.spread(x) for x in inputs], **params)


def _with_shape(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
    return wide.equation(primitive, wide.spread(inputs[0]), shape=(*params["shape"], wide.lanes))


def _transpose(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
    axes = params["axes"]
    return wide.equation(primitive, wide.spread(inputs[0]), axes=(*axes, len(axes)))


def _part(count: int) -> _Rule:
    """The rule of an op with an index, whose first inputs, so many, have lanes; the others are positions."""

    def rule(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
        given = {**params, "index": (*params["index"], (0, wide.lanes, 1))}
        if "shape" in params:
            given["shape"] = (*params["shape"], wide.lanes)
        values, positions = [wide.spread(x) for x in inputs[:count]], [wide.narrow(x) for x in inputs[count:]]
        return wide.equation(primitive, *values, *positions, **given)

    return rule


def _gather(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
    x, *indices = inputs
    if x in wide.wide:
        return wide.equation(primitive, wide.known[x], *[wide.narrow(i) for i in indices])
    found = wide.equation(primitive, wide.narrow(x), *[wide.spread(i) for i in indices])
    # The axes of what lies at one position come after those of the positions, and so after the lanes.
    lane, rank = len(indices[0].aval.shape), len(found.aval.shape)
    axes = (*range(lane), *range(lane + 1, rank), lane)
    return wide.equation(ops.transpose, found, axes=axes) if lane + 1 < rank else found


def _scatter(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
    x, *indices = inputs
    shape = (*params["shape"], wide.lanes)
    return wide.equation(primitive, wide.spread(x), *[wide.narrow(i) for i in indices], shape=shape)


def _matmul(wide: _Wide, primitive: Primitive, inputs: Sequence[Atom], params: dict[str, Any]) -> Atom:
    """A product of two small matrices, or of a vector and one, as a sum of products of elements."""
    x, y = inputs
    n, m = len(x.aval.shape), len(y.aval.shape)
    if max(n, m) > 2:
        raise NoLanes("products of stacks of matrices have no form in lanes")
    left, right = _column(wide, x), _column(wide, y)
    if m == 2:
        # (k, lanes) times (k, columns, lanes), or (rows, k, 1, lanes) times (k, columns, lanes).
        left = wide.equation(ops.reshape, left, shape=(*left.aval.shape[:-1], 1, left.aval.shape[-1]))
    terms = wide.equation(ops.mul, left, right)
    if terms.aval.dtype.kind != "f":
        raise NoLanes("products of matrices of integers have no form in lanes")
    return wide.equation(ops.sum, terms, axis=(n - 1,), keepdims=False)


def _all(primitives: Iterable[Primitive], rule: _Rule) -> dict[Primitive, _Rule]:
    return dict.fromkeys(primitives, rule)


#: What has a form in lanes beside arithmetic element by element, loops and choices.
RULES: dict[Primitive, _Rule] = {
    **_all((ops.sum, ops.prod, ops.max, ops.min, ops.argmax, ops.argmin, ops.cumsum, ops.concatenate), _same_axes),
    **_all((ops.reshape, ops.expand), _with_shape),
    **_all((ops.slice_, ops.unslice, ops.slice_at), _part(1)),
    **_all((ops.put, ops.put_at), _part(2)),
    ops.transpose: _transpose,
    ops.gather: _gather,
    ops.scatter_add: _scatter,
    ops.matmul: _matmul,
}
