"""Complex numbers as pairs: every complex variable becomes two real ones, its real and its imaginary part.

    c = mul z w             re = z.re * w.re - z.im * w.im;  im = z.re * w.im + z.im * w.re

What a kernel is given and returns stays complex: there `real` and `imag` are views of its memory, and `complex` stores
both parts side by side. Everything between them is real arithmetic, which all other passes know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from autograd import ops
from autograd.primitive import Aval, Primitive, Shape

from ..eigen import geev
from ..fourier import dft
from ..graph import Atom, Choice, Equation, Graph, Literal, Loop, Params, Var
from ..loop import SHARED
from .pair_rules import ELEMENTWISE, REAL, Number, Pair, Part, bilinear, mul, truth, whole

#: The ops that do to each part what they do to a real number; index arrays among their inputs are shared.
LINEAR: frozenset[Primitive] = frozenset({
    ops.reshape, ops.expand, ops.transpose, ops.slice_, ops.unslice, ops.gather, ops.scatter_add, ops.slice_at, ops.sum,
    ops.cumsum,
})  # fmt: skip
BILINEAR: frozenset[Primitive] = frozenset({ops.matmul, ops.convolve})


def pairs(graph: Graph) -> Graph:
    """The graph without complex variables but its inputs, captures and outputs."""
    avals = [x.aval for x in (*graph.inputs, *graph.captures, *graph.outputs)]
    avals += [equation.out.aval for equation in graph.equations]
    if not any(aval.dtype.kind == "c" for aval in avals):
        return graph
    made = _Pairs()
    for x in (*graph.inputs, *graph.captures):
        if x.aval.dtype.kind == "c":
            made.known[x] = Pair(made.new(ops.real, x), made.new(ops.imag, x))
    for equation in graph.equations:
        made.take(equation)
    outputs = tuple([made.joined(x) if x.aval.dtype.kind == "c" else made.atom(x) for x in graph.outputs])
    guards = tuple([made.atom(x) for x in graph.guards])
    return graph._replace(equations=tuple(made.equations), guards=guards, outputs=outputs)


class _Pairs:
    """The equations in the making; `known` has the parts of complex variables, `renamed` what real ones are now."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.known: dict[Atom, Pair] = {}
        self.renamed: dict[Atom, Atom] = {}
        # By the loop before: the loop of the parts, and where each result of it is now.
        self.loops: dict[Any, tuple[Any, list[list[int]]]] = {}
        # Both parts of what loops take, which one loop must be given as the same atoms each time.
        self.given: dict[int, tuple[Any, list[Atom]]] = {}

    def new(self, primitive: Primitive, *inputs: Atom, **params: Any) -> Number:
        self.equations.append(Equation.of(primitive, *inputs, **params))
        return Number(self.equations[-1].out, self.equations)

    def atom(self, x: Atom) -> Atom:
        """A real atom as it is now."""
        return self.renamed.get(x, x) if type(x) is Var else x

    def number(self, x: Atom, dtype: Any = None) -> Number:
        """A real atom, in that dtype."""
        x = self.atom(x)
        if dtype is None or x.aval.dtype == dtype:
            return Number(x, self.equations)
        if isinstance(x, Literal):
            return Number(Literal.of(x.value, dtype), self.equations)
        return self.new(ops.astype, x, dtype=dtype)

    def pair(self, x: Atom, dtype: Any = None) -> Pair:
        """The parts of an atom, which may be real, in a real dtype."""
        if x.aval.dtype.kind != "c":
            return Pair(self.number(x, dtype), None)
        if isinstance(x, Literal):
            dtype = ops.REAL_OF[x.aval.dtype] if dtype is None else dtype
            parts = [Number(Literal.of(part, dtype), self.equations) for part in (x.value.real, x.value.imag)]
            # One part stays, so that there is something to compute with.
            return Pair(None, parts[1]) if _is_zero(parts[0]) and not _is_zero(parts[1]) else (
                Pair(parts[0], None if _is_zero(parts[1]) else parts[1])
            )  # fmt: skip
        return Pair(*[None if part is None else self.number(part.atom, dtype) for part in self.known[x]])

    def fitted(self, parts: Pair, aval: Aval) -> Pair:
        """Parts in the shape and dtype of the whole."""
        dtype = ops.REAL_OF[aval.dtype]
        return Pair(*[x if x is None else Number(self.filled(x, aval.shape, dtype), self.equations) for x in parts])

    def filled(self, part: Part, shape: Shape, dtype: Any) -> Atom:
        """A part as an atom of that shape and real dtype, also one that is zero."""
        atom: Atom = Literal.of(0, dtype) if part is None else self.number(part.atom, dtype).atom
        return atom if atom.aval.shape == shape else self.new(ops.expand, atom, shape=shape).atom

    def both(self, x: Atom) -> list[Atom]:
        """What a loop takes in the place of an atom: itself, or the two parts of a complex one."""
        if x.aval.dtype.kind != "c":
            return [self.atom(x)]
        known = self.given.get(id(x))
        if known is None:
            dtype = ops.REAL_OF[x.aval.dtype]
            known = self.given[id(x)] = x, [self.filled(part, x.aval.shape, dtype) for part in self.pair(x)]
        return known[1]

    def joined(self, x: Atom) -> Atom:
        """A complex result of its parts."""
        dtype = ops.REAL_OF[x.aval.dtype]
        return self.new(ops.complex_, *[self.filled(part, x.aval.shape, dtype) for part in self.pair(x)]).atom

    # ---- equations ----

    def take(self, equation: Equation) -> None:
        """Adds what an equation becomes."""
        primitive, inputs, params, out = equation
        if primitive in SHARED:
            self.result(equation)
        elif out.aval.dtype.kind == "c":
            parts = self.parts(primitive, inputs, params, out)
            self.known[out] = self.fitted(parts, out.aval)
        elif any(x.aval.dtype.kind == "c" for x in inputs):
            found = self.real(primitive, inputs, params, out).atom
            self.renamed[out] = (
                found if found.aval == out.aval else self.new(ops.expand, found, shape=out.aval.shape).atom
            )
        else:
            self.equations.append(equation._replace(inputs=tuple([self.atom(x) for x in inputs])))

    def parts(self, primitive: Primitive, inputs: Sequence[Atom], params: Params, out: Var) -> Pair:
        """The parts of a complex result."""
        dtype = ops.REAL_OF[out.aval.dtype]
        if primitive in LINEAR:
            x, *others = inputs
            rest = [self.atom(i) for i in others]
            return Pair(
                *[
                    None if p is None else self.new(primitive, p.atom, *rest, **dict(params))
                    for p in self.pair(x, dtype)
                ]
            )
        if primitive in ELEMENTWISE:
            return ELEMENTWISE[primitive](*[self.pair(x, dtype) for x in inputs])
        if primitive in BILINEAR:
            product = bilinear(lambda x, y: None if x is None or y is None else x.of(primitive, y))
            x, y = inputs
            return product(self.pair(x, dtype), self.pair(y, dtype))
        if primitive in SPECIAL:
            return SPECIAL[primitive](self, out, *inputs, **dict(params))
        raise NotImplementedError(_REFUSED.format(primitive))

    def real(self, primitive: Primitive, inputs: Sequence[Atom], params: Params, out: Var) -> Number:
        """What an op on complex numbers gives that is not complex."""
        dtype = ops.REAL_OF[np.result_type(*[x.aval.dtype for x in inputs], np.complex64)]
        if primitive is ops.astype:
            x = self.pair(inputs[0])
            if out.aval.dtype.kind == "b":
                return truth(x)
            return self.number(whole(x)[0].atom, out.aval.dtype)
        if primitive is ops.irfft:
            return self.real_transform(inputs[0], inputs[1], **dict(params))
        if primitive in REAL:
            return REAL[primitive](*[self.pair(x, dtype) for x in inputs])
        raise NotImplementedError(_REFUSED.format(primitive))

    def of_parts(self, out: Var, *inputs: Atom) -> Pair:
        """A complex number of two real ones."""
        return Pair(*[self.number(x, ops.REAL_OF[out.aval.dtype]) for x in inputs])

    def converted(self, out: Var, x: Atom, dtype: Any) -> Pair:
        """A number in another precision, or a real one as a complex one."""
        return self.pair(x, ops.REAL_OF[dtype])

    def chosen(self, out: Var, condition: Atom, *inputs: Atom) -> Pair:
        """A choice of numbers, part by part."""
        dtype = ops.REAL_OF[out.aval.dtype]
        zero, given = Number(Literal.of(0, dtype), self.equations), self.number(condition)
        columns = zip(*[self.pair(x, dtype) for x in inputs], strict=True)
        return Pair(
            *[
                None if x is None and y is None else given.apply(ops.where, given, x or zero, y or zero)
                for x, y in columns
            ]
        )

    def concatenated(self, out: Var, *inputs: Atom, axis: int) -> Pair:
        """Arrays one after another."""
        return self.by_parts(ops.concatenate, out, *inputs, axis=axis)

    def product(self, out: Var, x: Atom, axis: tuple[int, ...], keepdims: bool) -> Pair:
        """The product of elements along axes, half by half."""
        if not x.aval.size:
            return Pair(Number(Literal.of(1, ops.REAL_OF[out.aval.dtype]), self.equations), None)
        found = self.fitted(self.pair(x), x.aval)
        for i in axis:
            found = self.product_along(found, i, x.aval.shape[i])
        return Pair(*[None if p is None else self.new(ops.reshape, p.atom, shape=out.aval.shape) for p in found])

    def product_along(self, x: Pair, axis: int, n: int) -> Pair:
        if n == 1:
            return x
        halves = [self.stretch(x, axis, start, n // 2) for start in (0, n // 2)]
        found = self.product_along(mul(*halves), axis, n // 2)
        return mul(found, self.stretch(x, axis, n - 1, 1)) if n % 2 else found

    def stretch(self, x: Pair, axis: int, start: int, count: int) -> Pair:
        """So many elements along an axis."""

        def of(part: Part) -> Part:
            if part is None:
                return None
            index = [(0, n, 1) for n in part.atom.aval.shape]
            index[axis] = (start, count, 1)
            return self.new(ops.slice_, part.atom, index=tuple(index))

        return Pair(*map(of, x))

    def transform(self, out: Var, x: Atom, roots: Atom, axis: int, inverse: bool) -> Pair:
        """A Fourier transform; in the other direction that of the parts exchanged."""
        turn = -1 if inverse else 1
        n = x.aval.shape[axis]
        found = self.halves(*self.both(x)[::turn], self.atom(roots), kind="complex", axis=axis, n=n)
        return Pair(*found[::turn])

    def half_transform(self, out: Var, x: Atom, roots: Atom, axis: int) -> Pair:
        """The first half of the Fourier transform of real numbers."""
        return Pair(*self.halves(self.atom(x), self.atom(roots), kind="real", axis=axis, n=x.aval.shape[axis]))

    def halves(self, *inputs: Atom, **params: Any) -> list[Number]:
        """Both parts of a Fourier transform, which lie one after the other."""
        whole = self.new(dft, *inputs, **params).atom
        rest = [(0, n, 1) for n in whole.aval.shape[1:]]
        return [self.new(ops.slice_, whole, index=(i, *rest)) for i in range(2)]

    def real_transform(self, x: Atom, roots: Atom, axis: int, n: int) -> Number:
        """Real numbers from the first half of their Fourier transform."""
        return self.new(dft, *self.both(x), self.atom(roots), kind="hermitian", axis=axis, n=n)

    def eigen(self, out: Var, x: Atom) -> Pair:
        """The eigenvalues and vectors of real matrices."""
        if x.aval.dtype.kind == "c":
            raise NotImplementedError(_REFUSED.format(ops.eig))
        packed, width = self.new(geev, self.atom(x)).atom, out.aval.shape[-1]
        lead = [(0, n, 1) for n in out.aval.shape[:-1]]
        return Pair(*[self.new(ops.slice_, packed, index=(*lead, (i * width, width, 1))) for i in range(2)])

    def solution(self, out: Var, x: Atom, y: Atom, transpose: bool) -> Pair:
        """The solution of equations: of twice as many real ones, where the matrix is complex."""
        dtype = ops.REAL_OF[out.aval.dtype]
        re, im = self.pair(x, dtype)
        right = self.pair(y, dtype)
        if im is None:
            assert re is not None
            return Pair(
                *[None if part is None else re.apply(ops.solve, re, part, transpose=transpose) for part in right]
            )
        rank, n = x.aval.ndim, x.aval.shape[-1]
        parts = [Number(self.filled(part, x.aval.shape, dtype), self.equations) for part in (re, im)]
        if transpose:
            axes = (*range(rank - 2), rank - 1, rank - 2)
            parts = [part.apply(ops.transpose, part, axes=axes) for part in parts]
        real, imaginary = parts
        upper = real.apply(ops.concatenate, real, -imaginary, axis=rank - 1)
        lower = real.apply(ops.concatenate, imaginary, real, axis=rank - 1)
        matrix = real.apply(ops.concatenate, upper, lower, axis=rank - 2)
        sides = [Number(self.filled(part, y.aval.shape, dtype), self.equations) for part in right]
        side = real.apply(ops.concatenate, *sides, axis=rank - 2)
        found = real.apply(ops.solve, matrix, side, transpose=False)
        lead = [(0, k, 1) for k in out.aval.shape[:-2]]
        columns = (0, out.aval.shape[-1], 1)
        return Pair(*[real.apply(ops.slice_, found, index=(*lead, (i * n, n, 1), columns)) for i in range(2)])

    def put(self, out: Var, x: Atom, y: Atom, index: Any) -> Pair:
        """An array with another one in the place of a part."""
        return self.by_parts(ops.put, out, x, y, index=index)

    def put_at(self, out: Var, x: Atom, y: Atom, *positions: Atom, index: Any) -> Pair:
        """The same at positions that are inputs, which both parts share."""
        dtype, rest = ops.REAL_OF[out.aval.dtype], [self.atom(i) for i in positions]
        parts = [[self.filled(part, z.aval.shape, dtype) for part in self.pair(z, dtype)] for z in (x, y)]
        return Pair(*[self.new(ops.put_at, *column, *rest, index=index) for column in zip(*parts, strict=True)])

    def by_parts(self, primitive: Primitive, out: Var, *inputs: Atom, **params: Any) -> Pair:
        """What an op does to the real parts of all inputs, and what it does to the imaginary parts."""
        dtype = ops.REAL_OF[out.aval.dtype]
        parts = [[self.filled(part, x.aval.shape, dtype) for part in self.pair(x, dtype)] for x in inputs]
        return Pair(*[self.new(primitive, *column, **params) for column in zip(*parts, strict=True)])

    def result(self, equation: Equation) -> None:
        """A result of a loop or a choice, whose bodies have parts in the place of complex variables."""
        primitive, given, params, out = equation
        loop, pick = dict(params)["loop"], dict(params)["pick"]
        if loop not in self.loops:
            self.loops[loop] = _choice_of_parts(loop) if isinstance(loop, Choice) else _loop_of_parts(loop)
        made, places = self.loops[loop]
        inputs = tuple([atom for x in given for atom in self.both(x)])
        found = [self.new(primitive, *inputs, loop=made, pick=place) for place in places[pick]]
        if len(found) == 2:
            self.known[out] = Pair(*found)
        else:
            self.renamed[out] = found[0].atom


#: Ops with a way of their own to complex results.
SPECIAL: dict[Primitive, Callable[..., Pair]] = {
    ops.complex_: _Pairs.of_parts,
    ops.astype: _Pairs.converted,
    ops.where: _Pairs.chosen,
    ops.concatenate: _Pairs.concatenated,
    ops.prod: _Pairs.product,
    ops.put: _Pairs.put,
    ops.put_at: _Pairs.put_at,
    ops.eig: _Pairs.eigen,
    ops.solve: _Pairs.solution,
    ops.fft: _Pairs.transform,
    ops.rfft: _Pairs.half_transform,
}
#: All ops that a kernel does to complex numbers.
COMPLEX = LINEAR | BILINEAR | SPECIAL.keys() | ELEMENTWISE.keys() | REAL.keys() | {ops.irfft}


def _is_zero(x: Number) -> bool:
    # The product with a negative zero differs in its sign from none.
    return isinstance(x.atom, Literal) and x.atom.value == 0 and not np.signbit(x.atom.value)


class _Body(NamedTuple):
    """The body of a loop or a choice made of parts: how many inputs each input before is, and where each output is."""

    graph: Graph
    counts: list[int]
    places: list[list[int]]


def _body_of_parts(graph: Graph) -> _Body:
    made, inputs, counts = _Pairs(), [], []
    for x in graph.inputs:
        parts: list[Var] = [x]
        if x.aval.dtype.kind == "c":
            parts = [Var(Aval(x.aval.shape, ops.REAL_OF[x.aval.dtype])) for _ in range(2)]
            made.known[x] = Pair(*[Number(part, made.equations) for part in parts])
        inputs += parts
        counts.append(len(parts))
    for equation in graph.equations:
        made.take(equation)
    outputs: list[Atom] = []
    places: list[list[int]] = []
    for y in graph.outputs:
        found = made.both(y)
        places.append(list(range(len(outputs), len(outputs) + len(found))))
        outputs += found
    body = graph._replace(inputs=tuple(inputs), equations=tuple(made.equations), outputs=tuple(outputs))
    return _Body(body, counts, places)


def _loop_of_parts(loop: Loop) -> tuple[Loop, list[list[int]]]:
    """A loop over parts, and for each result of the loop before where it, or its parts, are now."""
    body, counts, places = _body_of_parts(loop.body)
    m, n = loop.constants, loop.constants + loop.carried
    return replace(loop, body=body, constants=sum(counts[:m]), carried=sum(counts[m:n])), places


def _choice_of_parts(choice: Choice) -> tuple[Choice, list[list[int]]]:
    """A choice of bodies that make parts, and where each result of the choice before, or its parts, are now."""
    bodies = [_body_of_parts(body) for body in choice.bodies]
    return Choice(tuple([body.graph for body in bodies])), bodies[0].places


_REFUSED = (
    "`{}` of complex numbers cannot be compiled; run this part outside of the compiled function, or on real and "
    "imaginary parts"
)
