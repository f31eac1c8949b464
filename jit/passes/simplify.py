"""Identities: an equation with a simpler equivalent gives way to it.

Only identities that hold for every floating-point number, NaN, infinities and signed zeros included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import ops
from autograd.function import function_output
from autograd.lengths import broadcast_shapes
from autograd.primitive import Aval, Primitive

from ..graph import Atom, Equation, Graph, Literal, Params, Var


class Rewriter:
    """The graph in the making: `made` maps a variable to the equation that defines it."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.made: dict[Var, Equation] = {}

    def equation(self, primitive: Primitive, *inputs: Atom, **params: Any) -> Atom:
        """The simplest atom equal to `primitive(*inputs, **params)`, with new equations where it needs some."""
        aval = primitive.aval(*[x.aval for x in inputs], **params)
        return self.simplest(primitive, inputs, tuple(sorted(params.items())), Var(aval))

    def simplest(self, primitive: Primitive, inputs: tuple[Atom, ...], params: Params, out: Var) -> Atom:
        if primitive.elementwise:
            is_array = out.aval.shape != ()
            if is_array:
                inputs = self.without_expansions(inputs, out)
            if Var not in map(type, inputs):
                return self.expanded(_folded(primitive, inputs, params, out), out)
            scalars = self.scalars(inputs) if is_array and out.aval.size > 1 else None
            if scalars is not None:
                aval = Aval((), out.aval.dtype)
                return self.expanded(self.simplest(primitive, scalars, params, Var(aval)), out)
        rule = IDENTITIES.get(primitive)
        simpler = None if rule is None else rule(self, out, *inputs, **dict(params))
        if simpler is not None and simpler.aval == out.aval:
            return simpler
        self.take(Equation(primitive, inputs, params, out))
        return out

    def take(self, equation: Equation) -> None:
        """Takes an equation as it is."""
        self.equations.append(equation)
        self.made[equation.out] = equation

    def expanded(self, x: Atom, out: Var) -> Atom:
        if x.aval.shape == out.aval.shape:
            return x
        return self.equation(ops.expand, x, shape=out.aval.shape)

    def source(self, x: Atom, primitive: Primitive) -> Equation | None:
        """The equation that defines `x`, if it is one of that primitive."""
        equation = self.made.get(x) if type(x) is Var else None
        return equation if equation is not None and equation.primitive is primitive else None

    def without_expansions(self, inputs: tuple[Atom, ...], out: Var) -> tuple[Atom, ...]:
        """The inputs of an elementwise op, which broadcasts by itself, read before they were expanded."""
        for i, x in enumerate(inputs):
            if self.source(x, ops.expand) is None:
                continue
            smaller = (*inputs[:i], self.made[x].inputs[0], *inputs[i + 1 :])  # type: ignore[index]
            if broadcast_shapes(*[y.aval.shape for y in smaller]) == out.aval.shape:
                inputs = smaller
        return inputs

    def scalars(self, inputs: tuple[Atom, ...]) -> tuple[Atom, ...] | None:
        """The inputs as the scalars that they repeat, `None` if some input is more than that."""
        found = []
        for x in inputs:
            equation = self.source(x, ops.expand)
            x = x if equation is None else equation.inputs[0]
            if x.aval.shape != ():
                return None
            found.append(x)
        return tuple(found)


def simplify(graph: Graph) -> Graph:
    """The graph with constants folded and identities applied."""
    rewriter = Rewriter()
    renamed: dict[Var, Atom] = {}
    for primitive, inputs, params, out in graph.equations:
        inputs = tuple([renamed.get(x, x) if type(x) is Var else x for x in inputs])
        simpler = rewriter.simplest(primitive, inputs, params, out)
        if simpler is not out:
            renamed[out] = simpler
    results = [tuple([renamed.get(x, x) if type(x) is Var else x for x in xs]) for xs in (graph.guards, graph.outputs)]
    return graph._replace(equations=tuple(rewriter.equations), guards=results[0], outputs=results[1])


def _folded(primitive: Primitive, inputs: tuple[Atom, ...], params: Params, out: Var) -> Literal:
    with np.errstate(all="ignore"):
        value = primitive.eval(*[x.value for x in inputs], **dict(params))  # type: ignore[union-attr]
    return Literal.of(value, out.aval.dtype)


def _is(x: Atom, number: float) -> bool:
    return type(x) is Literal and x.value == number and not (number == 0 and np.signbit(x.value))


def _mul(r: Rewriter, out: Var, x: Atom, y: Atom) -> Atom | None:
    if _is(y, 1):
        return x
    if _is(x, 1):
        return y
    if _is(y, -1) and x.aval.dtype == out.aval.dtype and out.aval.dtype.kind == "f":
        return r.equation(ops.neg, x)
    if _is(x, -1) and y.aval.dtype == out.aval.dtype and out.aval.dtype.kind == "f":
        return r.equation(ops.neg, y)
    return None


def _add(r: Rewriter, out: Var, x: Atom, y: Atom) -> Atom | None:
    left, right = r.source(x, ops.unslice), r.source(y, ops.unslice)
    if left is None or right is None or left.params != right.params or x.aval != y.aval:
        return None
    return r.equation(ops.unslice, r.equation(ops.add, left.inputs[0], right.inputs[0]), **dict(left.params))


def _sub(r: Rewriter, out: Var, x: Atom, y: Atom) -> Atom | None:
    return x if _is(y, 0) else None


def _div(r: Rewriter, out: Var, x: Atom, y: Atom) -> Atom | None:
    if type(y) is Literal and out.aval.dtype.kind == "f" and y.aval.dtype == out.aval.dtype:
        mantissa, exponent = np.frexp(y.value)
        # The reciprocal of a power of two is exact while it is a normal number.
        if abs(mantissa) == 0.5 and abs(exponent) < 100:
            return r.equation(ops.mul, x, Literal.of(1 / y.value, y.aval.dtype))
    return None


def _pow(r: Rewriter, out: Var, x: Atom, y: Atom) -> Atom | None:
    if type(y) is not Literal or out.aval.dtype.kind != "f" or x.aval.dtype != out.aval.dtype:
        return None
    if y.value == 0.5 and not out.aval.shape:
        # NumPy takes the root of an array, which for -inf is NaN, but the power of one number, which is inf.
        return None
    expansion = _POWERS.get(float(y.value))
    return None if expansion is None else expansion(r, x)


def _with_root(r: Rewriter, x: Atom, power: Callable[..., Atom], at_infinity: float) -> Atom:
    """A power from |x| and the root of x, which for -inf, whose power is `at_infinity`, is none."""
    absolute, root = (r.equation(ops.abs, y) for y in (x, r.equation(ops.sqrt, x)))
    is_infinite = r.equation(ops.equal, x, Literal.of(-np.inf, x.aval.dtype))
    return r.equation(ops.where, is_infinite, Literal.of(at_infinity, x.aval.dtype), power(absolute, root))


def _over_root(r: Rewriter, x: Atom, power: Callable[[Atom], Atom]) -> Atom:
    """A power from z = 1/x and the root of z: one division.

    Zero is added to x, for the root of 1/-0.0 is none; the sign that 1/-inf has is taken from the result.
    """
    over = r.equation(ops.reciprocal, r.equation(ops.add, x, Literal.of(0.0, x.aval.dtype)))
    return r.equation(ops.abs, r.equation(ops.mul, power(over), r.equation(ops.sqrt, over)))


#: Powers that are no more than 3 ulp off; a logarithm and an exponential take three to ten times as long.
_POWERS: dict[float, Callable[[Rewriter, Any], Atom]] = {
    1.0: lambda r, x: x,
    2.0: lambda r, x: r.equation(ops.square, x),
    3.0: lambda r, x: r.equation(ops.mul, r.equation(ops.square, x), x),
    4.0: lambda r, x: r.equation(ops.square, r.equation(ops.square, x)),
    0.5: lambda r, x: r.equation(ops.sqrt, x),
    -1.0: lambda r, x: r.equation(ops.reciprocal, x),
    # In this order: the square of a large number would overflow before its reciprocal underflows.
    -2.0: lambda r, x: r.equation(ops.square, r.equation(ops.reciprocal, x)),
    1.5: lambda r, x: _with_root(r, x, lambda y, root: r.equation(ops.mul, y, root), np.inf),
    2.5: lambda r, x: _with_root(r, x, lambda y, root: r.equation(ops.mul, r.equation(ops.square, y), root), np.inf),
    -0.5: lambda r, x: _with_root(r, x, lambda y, root: r.equation(ops.reciprocal, root), 0.0),
    -1.5: lambda r, x: _over_root(r, x, lambda z: z),
    -2.5: lambda r, x: _over_root(r, x, lambda z: r.equation(ops.square, z)),
}
#: Those that cost no more than to read a number from memory.
PRODUCTS_OF_ITSELF = frozenset(x for x in _POWERS if x == int(x))


def _neg(r: Rewriter, out: Var, x: Atom) -> Atom | None:
    inner = r.source(x, ops.neg)
    return None if inner is None else inner.inputs[0]


def _same(r: Rewriter, out: Var, x: Atom, **params: Any) -> Atom | None:
    return x if x.aval == out.aval else None


def _stop_gradient(r: Rewriter, out: Var, x: Atom) -> Atom | None:
    return x


def _reshape(r: Rewriter, out: Var, x: Atom, *, shape: Any) -> Atom | None:
    if x.aval == out.aval:
        return x
    inner = r.source(x, ops.reshape)
    if inner is not None:
        return r.equation(ops.reshape, inner.inputs[0], shape=shape)
    inner = r.source(x, ops.expand)
    if inner is not None and inner.inputs[0].aval.shape == ():
        return r.equation(ops.expand, inner.inputs[0], shape=shape)
    return None


def _expand(r: Rewriter, out: Var, x: Atom, *, shape: Any) -> Atom | None:
    if x.aval == out.aval:
        return x
    inner = r.source(x, ops.expand)
    return None if inner is None else r.equation(ops.expand, inner.inputs[0], shape=shape)


def _transpose(r: Rewriter, out: Var, x: Atom, *, axes: Any) -> Atom | None:
    if axes == tuple(range(len(axes))):
        return x
    inner = r.source(x, ops.transpose)
    if inner is None:
        return None
    first = dict(inner.params)["axes"]
    return r.equation(ops.transpose, inner.inputs[0], axes=tuple([first[i] for i in axes]))


def _slice(r: Rewriter, out: Var, x: Atom, *, index: Any) -> Atom | None:
    if all(i == (0, n, 1) for i, n in zip(index, x.aval.shape, strict=True)):
        return x
    written = r.source(x, ops.put)
    return written.inputs[1] if written is not None and dict(written.params)["index"] == index else None


def _put(r: Rewriter, out: Var, x: Atom, y: Atom, *, index: Any) -> Atom | None:
    return y if all(i == (0, n, 1) for i, n in zip(index, x.aval.shape, strict=True)) else None


def _reduction(r: Rewriter, out: Var, x: Atom, *, axis: Any, keepdims: bool) -> Atom | None:
    return x if not axis and x.aval == out.aval else None


def _value_of_output(r: Rewriter, out: Var, raw: Atom, call: Atom, **_: Any) -> Atom:
    # Its gradient has been taken by now.
    return raw


IDENTITIES: dict[Primitive, Callable[..., Atom | None]] = {
    ops.add: _add,
    ops.mul: _mul,
    ops.sub: _sub,
    ops.div: _div,
    ops.pow: _pow,
    ops.neg: _neg,
    ops.astype: _same,
    ops.stop_gradient: _stop_gradient,
    ops.reshape: _reshape,
    ops.expand: _expand,
    ops.transpose: _transpose,
    ops.slice_: _slice,
    ops.put: _put,
    ops.sum: _reduction,
    ops.prod: _reduction,
    ops.max: _reduction,
    ops.min: _reduction,
    function_output: _value_of_output,
}
