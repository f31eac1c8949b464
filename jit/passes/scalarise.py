"""Tiny arrays as scalars: equations over a few elements become equations of each element by itself.

A loop over three elements costs more than it computes. Where many equations on tiny arrays feed each other, their
elements stay in registers: arithmetic is that of scalars, and moving elements about is renaming. Elements of an
array that comes from elsewhere are read by `slice`; an array that is needed elsewhere is put together by `concatenate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from autograd import ops
from autograd.lengths import is_long
from autograd.primitive import Aval, Primitive, Shape

from ..graph import Atom, Equation, Graph, Literal, Params, Var
from .cse import cse
from .dce import dce
from .loops import with_bodies
from .simplify import Rewriter
from .zeros import without_zeros

# The most elements of a tiny array. A gradient of 100 Runge-Kutta steps of n variables ran 2.5 times as fast for n = 4,
# 2.2 times for 6 and 1.7 times for 8, but took 1.3, 1.7 and 2.5 times as long to compile.
TINY = 6
# The fewest equations of a set: below it loops are inlined, and LLVM does by itself what is done here.
LEAST = 64
# The fewest equations for each array that enters or leaves the set.
BORDER = 4
# Of so many equations at least one must move or combine elements: arithmetic alone is as fast in a vectorised loop.
MOVES = 8

Elements = tuple[Atom, ...]


def scalarise(graph: Graph) -> Graph:
    """The graph with its sets of equations on tiny arrays, where they are large, taken apart into scalars."""
    return _apart(graph, _chosen(graph))


def apart(graph: Graph, most: int) -> Graph:
    """The graph with all equations on arrays of at most so many elements taken apart, also within loops."""
    chosen = {e.out for e in graph.equations if _touches_arrays(e) and _is_tiny(e, most)}
    return with_bodies(_apart(graph, chosen), lambda body: apart(body, most))


def _apart(graph: Graph, chosen: set[Var]) -> Graph:
    if not chosen:
        return graph
    scalars = _Scalars()
    for equation in graph.equations:
        if equation.out in chosen:
            scalars.take_apart(equation)
        else:
            scalars.keep(equation)
    results = [tuple([scalars.array(x) for x in xs]) for xs in (graph.guards, graph.outputs)]
    apart = graph._replace(equations=tuple(scalars.equations), guards=results[0], outputs=results[1])
    return dce(cse(without_zeros(apart)))


# ---- which equations ----


def _chosen(graph: Graph) -> set[Var]:
    """What the equations to take apart define: sets that feed each other, with many equations and few borders."""
    equations = graph.equations
    if not any(map(_is_array, (*graph.inputs, *graph.captures, *[e.out for e in equations]))):
        return set()
    arrays = {e.out: e for e in equations if _touches_arrays(e) and _is_tiny(e)}
    if len(arrays) < LEAST:
        return set()
    sets = _Sets()
    for e in equations:
        # Scalars belong to a set as well: they lead from one array of it to the next.
        if e.out in arrays or not _touches_arrays(e):
            sets.add(e.out, e.inputs)
    sizes = Counter([sets.root(x) for x in arrays])
    moves = Counter([sets.root(x) for x, e in arrays.items() if not e.primitive.elementwise])
    entering = {(sets.root(e.out), x) for e in arrays.values() for x in e.inputs if _is_array(x) and x not in sets}
    read = [x for e in equations if e.out not in sets for x in e.inputs]
    leaving = {(sets.root(x), x) for x in (*read, *graph.outputs) if _is_array(x) and x in sets}
    borders = Counter([root for root, _ in entering | leaving])
    worth = {
        root for root, n in sizes.items() if n >= LEAST and n >= BORDER * borders[root] and n <= MOVES * moves[root]
    }
    return {x for x in arrays if sets.root(x) in worth}


def _is_array(x: Atom) -> bool:
    return x.aval.shape != ()


def _touches_arrays(equation: Equation) -> bool:
    return _is_array(equation.out) or any(map(_is_array, equation.inputs))


def _is_tiny(equation: Equation, most: int = TINY) -> bool:
    if not (equation.primitive.elementwise or equation.primitive in RULES):
        return False
    sizes = [x.aval.size for x in (*equation.inputs, equation.out)]
    return not any(n == 0 or is_long(n, most + 1) for n in sizes)


class _Sets:
    """Disjoint sets of variables that feed each other."""

    def __init__(self) -> None:
        self.above: dict[Atom, Atom] = {}

    def __contains__(self, x: Atom) -> bool:
        return x in self.above

    def add(self, out: Var, inputs: Sequence[Atom]) -> None:
        self.above[out] = out
        for x in inputs:
            if x in self.above:
                self.above[self.root(x)] = out

    def root(self, x: Atom) -> Atom:
        """The variable that stands for the set of `x`."""
        while self.above[x] is not x:
            self.above[x] = x = self.above[self.above[x]]
        return x


# ---- the graph in the making ----


class _Scalars(Rewriter):
    """`elements` maps an array to its elements in row-major order, `whole` to the array that a kept equation reads."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: dict[Var, Elements] = {}
        self.whole: dict[Var, Atom] = {}

    def keep(self, equation: Equation) -> None:
        primitive, inputs, params, out = equation
        made = self.simplest(primitive, tuple([self.array(x) for x in inputs]), params, out)
        if made is not out:
            self.whole[out] = made

    def take_apart(self, equation: Equation) -> None:
        rule = _elementwise if equation.primitive.elementwise else RULES[equation.primitive]
        self.elements[equation.out] = rule(self, equation, [self.elements_of(x) for x in equation.inputs])

    def elements_of(self, x: Atom) -> Elements:
        if isinstance(x, Literal):
            return (x,)
        if x not in self.elements:
            shape = x.aval.shape
            whole = self.array(x)
            self.elements[x] = (
                tuple([self.equation(ops.slice_, whole, index=i) for i in np.ndindex(shape)]) if shape else (whole,)
            )
        return self.elements[x]

    def array(self, x: Atom) -> Atom:
        """What stands for `x` in an equation that is kept."""
        if isinstance(x, Literal):
            return x
        if x not in self.whole:
            self.whole[x] = self.put_together(self.elements[x], x.aval.shape) if x in self.elements else x
        return self.whole[x]

    def put_together(self, elements: Elements, shape: Shape) -> Atom:
        if shape == ():
            return elements[0]
        if len(set(map(id, elements))) == 1:
            return self.equation(ops.expand, elements[0], shape=shape)
        rows = [self.equation(ops.reshape, x, shape=(1,)) for x in elements]
        return self.equation(ops.reshape, self.equation(ops.concatenate, *rows, axis=0), shape=shape)

    def scalar(self, primitive: Primitive, inputs: Elements, params: Params, dtype: Any) -> Atom:
        return self.simplest(primitive, inputs, params, Var(Aval((), dtype)))

    def converted(self, x: Atom, dtype: Any) -> Atom:
        return x if x.aval.dtype == dtype else self.scalar(ops.astype, (x,), (("dtype", dtype),), dtype)

    def combined(self, primitive: Primitive, elements: Sequence[Atom], dtype: Any) -> Atom:
        """The elements combined from the first on, in the order of NumPy."""
        total, *others = [self.converted(x, dtype) for x in elements]
        for x in others:
            total = self.scalar(primitive, (total, x), (), dtype)
        return total


# ---- one rule for each kind of op: from the elements of the inputs to those of the result ----


def _elementwise(scalars: _Scalars, equation: Equation, inputs: list[Elements]) -> Elements:
    primitive, given, params, out = equation
    order = _broadcast(out.aval.shape, *[x.aval.shape for x in given])
    return tuple(
        [
            scalars.scalar(primitive, tuple([x[i] for x, i in zip(inputs, at, strict=True)]), params, out.aval.dtype)
            for at in order
        ]
    )


def _moved(scalars: _Scalars, equation: Equation, inputs: list[Elements]) -> Elements:
    primitive, given, params, out = equation
    dtype = out.aval.dtype
    pool = (Literal.of(0, dtype), *[scalars.converted(x, dtype) for elements in inputs for x in elements])
    return tuple([pool[i] for i in _positions(primitive, params, *[x.aval.shape for x in given])])


def _reduced(scalars: _Scalars, equation: Equation, inputs: list[Elements]) -> Elements:
    primitive, (x,), params, out = equation
    by = _COMBINED_BY[primitive]
    groups = _groups(x.aval.shape, dict(params)["axis"])
    return tuple([scalars.combined(by, [inputs[0][i] for i in group], out.aval.dtype) for group in groups])


def _cumsum(scalars: _Scalars, equation: Equation, inputs: list[Elements]) -> Elements:
    _, (x,), params, out = equation
    axis, reverse = dict(params)["axis"], dict(params)["reverse"]
    sums: dict[int, Atom] = {}
    for group in _groups(x.aval.shape, (axis,)):
        order = group[::-1] if reverse else group
        for n, i in enumerate(order):
            here = scalars.converted(inputs[0][i], out.aval.dtype)
            sums[i] = scalars.combined(ops.add, [sums[order[n - 1]], here], out.aval.dtype) if n else here
    return tuple([sums[i] for i in range(len(sums))])


def _matmul(scalars: _Scalars, equation: Equation, inputs: list[Elements]) -> Elements:
    _, (x, y), _, out = equation
    dtype = out.aval.dtype
    left, right = [[scalars.converted(element, dtype) for element in elements] for elements in inputs]
    results = []
    for pairs in _products(x.aval.shape, y.aval.shape):
        terms = [scalars.scalar(ops.mul, (left[i], right[j]), (), dtype) for i, j in pairs]
        results.append(scalars.combined(ops.add, terms, dtype))
    return tuple(results)


def _numbered(shape: Shape, first: int = 0) -> Any:
    return np.arange(first, first + prod(shape)).reshape(shape)


@cache
def _broadcast(shape: Shape, *given: Shape) -> list[tuple[int, ...]]:
    """For each element of the result, which element of each input it is computed from."""
    flat = [np.broadcast_to(_numbered(x), shape).ravel().tolist() for x in given]
    return list(zip(*flat, strict=True))


@cache
def _positions(primitive: Primitive, params: Params, *given: Shape) -> list[int]:
    """For each element of the result, which element of the inputs, counted from 1, it is; 0 where it is a zero."""
    starts = np.cumsum([1, *map(prod, given)]).tolist()
    numbered = [_numbered(shape, first) for shape, first in zip(given, starts, strict=False)]
    return primitive.eval(*numbered, **dict(params)).ravel().tolist()


@cache
def _groups(shape: Shape, axis: tuple[int, ...]) -> list[list[int]]:
    """For each element of a reduction over those axes, the elements that it combines."""
    kept = [i for i in range(len(shape)) if i not in axis]
    length = prod([shape[i] for i in axis])
    return _numbered(shape).transpose((*kept, *axis)).reshape(-1, length).tolist()


@cache
def _products(left: Shape, right: Shape) -> list[list[list[int]]]:
    """For each element of a matrix product, the pairs of elements that it multiplies."""
    x = _numbered(left)[..., None, :] if len(left) > 1 else _numbered(left)
    y = np.swapaxes(_numbered(right), -1, -2) if len(right) > 1 else _numbered(right)
    if len(left) > 1 and len(right) > 1:
        y = y[..., None, :, :]
    x, y = np.broadcast_arrays(x, y)
    return np.stack([x, y], -1).reshape(-1, left[-1], 2).tolist()


_COMBINED_BY = {ops.sum: ops.add, ops.prod: ops.mul, ops.max: ops.maximum, ops.min: ops.minimum}

RULES: dict[Primitive, Callable[[_Scalars, Equation, list[Elements]], Elements]] = {
    ops.reshape: _moved,
    ops.transpose: _moved,
    ops.slice_: _moved,
    ops.expand: _moved,
    ops.unslice: _moved,
    ops.concatenate: _moved,
    ops.sum: _reduced,
    ops.prod: _reduced,
    ops.max: _reduced,
    ops.min: _reduced,
    ops.cumsum: _cumsum,
    ops.matmul: _matmul,
}
