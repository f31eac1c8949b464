"""Fourier transforms: each step of a line is a function of pointers that do not alias, with vectorised loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi, sin
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ..fourier import Stage, convolved, stages, work_size
from ..lowering.program import Call
from .loops import loop
from .over import Base, over, pointer
from .types import CONTRACT, apart, element, index, load, store

#: The real and the imaginary part of a number.
Pair = tuple[ir.Value, ir.Value]
# In a step whose innermost loop would be shorter than this the loop over the butterflies is the inner one.
_SHORT = 4


class Line(NamedTuple):
    """Numbers in memory: where each part begins, `None` for zeros, and how many elements it steps."""

    re: ir.Value | None
    im: ir.Value | None
    steps: tuple[int, int] = (1, 1)

    def turned(self) -> Line:
        """The numbers with their parts exchanged: the transform of these is that in the other direction."""
        return Line(self.im, self.re, self.steps[::-1])


def dft(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits the transforms of all lines along an axis."""
    params = dict(call.equation.params)
    axis, kind, n = params["axis"], params["kind"], params["n"]
    *views, roots, scratch = call.operands
    shape = call.equation.inputs[0].aval.shape
    out = call.target
    lead = () if kind == "hermitian" else (0,)
    planes = (0,) if kind == "hermitian" else (0, 1)
    emitter = _Lines(builder, out.buffer.dtype, n)
    steps = tuple([view.strides[axis] for view in views])
    along = out.strides[axis + len(lead)]
    made = emitter.function(kind, steps, along)
    table = element(builder, base(roots.buffer), index(roots.offset), roots.buffer.dtype)
    work = base(scratch.buffer)

    def line(outer: list[ir.Value]) -> None:
        position = [*outer[:axis], index(0), *outer[axis:]]
        given = [pointer(builder, base, view, position) for view in views]
        targets = [pointer(builder, base, out, [*([index(i)] * len(lead)), *position]) for i in planes]
        builder.call(made, [*given, *targets, work, table])

    over(builder, shape[:axis] + shape[axis + 1 :], line)


class _Lines:
    """The functions of the transforms of one length in the making."""

    def __init__(self, builder: ir.IRBuilder, dtype: np.dtype[Any], n: int) -> None:
        self.module, self.dtype, self.n = builder.module, dtype, n

    def function(self, kind: str, steps: tuple[int, ...], along: int) -> ir.Function:
        """The function of a line: what is read, what is written, memory to work in, and the table."""
        outputs = 1 if kind == "hermitian" else 2

        def body(b: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
            read, (*written, work, table) = arguments[: len(steps)], arguments[len(steps) :]
            source = Line(read[0], read[1] if len(read) > 1 else None, (steps[0], steps[-1]))
            target = Line(written[0], written[-1], (along, along))
            made = _Transform(self, b, work, table)
            if kind == "complex":
                made.complex(self.n, source, target, 0, 0)
            elif kind == "real":
                made.real(source, target)
            else:
                made.hermitian(source, target)

        return self.of_pointers(len(steps) + outputs + 2, body)

    def of_pointers(self, count: int, body: Callable[[ir.IRBuilder, Sequence[ir.Value]], None]) -> ir.Function:
        """A function of so many pointers that do not alias."""
        made = apart(self.module, self.module.get_unique_name("dft"), count)
        b = ir.IRBuilder(made.append_basic_block("entry"))
        body(b, made.args)
        b.ret_void()
        return made


class _Arithmetic:
    """Complex arithmetic of pairs, and their places in memory."""

    def __init__(self, builder: ir.IRBuilder, dtype: np.dtype[Any]) -> None:
        self.builder, self.dtype = builder, dtype

    def number(self, x: float) -> ir.Constant:
        return ir.Constant(ir.DoubleType() if self.dtype.itemsize == 8 else ir.FloatType(), x)

    def plus(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.builder.fadd(x, y, flags=CONTRACT)

    def minus(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.builder.fsub(x, y, flags=CONTRACT)

    def times(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.builder.fmul(x, y, flags=CONTRACT)

    def add(self, x: Pair, y: Pair) -> Pair:
        return self.plus(x[0], y[0]), self.plus(x[1], y[1])

    def sub(self, x: Pair, y: Pair) -> Pair:
        return self.minus(x[0], y[0]), self.minus(x[1], y[1])

    def mul(self, x: Pair, y: Pair) -> Pair:
        (a, b), (c, d) = x, y
        re = self.minus(self.times(a, c), self.times(b, d))
        return re, self.plus(self.times(a, d), self.times(b, c))

    def scaled(self, x: Pair, factor: float) -> Pair:
        return self.times(x[0], self.number(factor)), self.times(x[1], self.number(factor))

    def over_i(self, x: Pair) -> Pair:
        """The quotient by the imaginary unit."""
        return x[1], self.builder.fneg(x[0])

    def conj(self, x: Pair) -> Pair:
        return x[0], self.builder.fneg(x[1])

    def place(self, base: ir.Value, i: ir.Value, step: int = 1) -> ir.Value:
        where = i if step == 1 else self.builder.mul(i, index(step), flags=("nsw",))
        return element(self.builder, base, where, self.dtype)

    def get(self, line: Line, i: ir.Value) -> Pair:
        parts = zip((line.re, line.im), line.steps, strict=True)
        re, im = (
            self.number(0) if base is None else load(self.builder, self.place(base, i, step), self.dtype)
            for base, step in parts
        )
        return re, im

    def put(self, line: Line, i: ir.Value, x: Pair) -> None:
        for base, step, part in zip((line.re, line.im), line.steps, x, strict=True):
            store(self.builder, part, self.place(base, i, step), self.dtype)

    def moved(self, base: ir.Value, distance: int) -> ir.Value:
        return element(self.builder, base, index(distance), self.dtype)

    def pair_at(self, base: ir.Value, distance: int, length: int) -> Line:
        """Two arrays of that length, one after the other."""
        return Line(self.moved(base, distance), self.moved(base, distance + length))


class _Transform(_Arithmetic):
    """The steps of one line: calls of functions, each a loop over its elements."""

    def __init__(self, lines: _Lines, builder: ir.IRBuilder, work: ir.Value, table: ir.Value) -> None:
        super().__init__(builder, lines.dtype)
        self.lines, self.n, self.work, self.table = lines, lines.n, work, table

    def each(self, n: int, lines: Sequence[Line], body: Callable[..., None]) -> None:
        """Emits the call of a function that does `body(arithmetic, i, *lines)` for each `i` below `n`."""
        bases = [base for line in lines for base in (line.re, line.im) if base is not None]

        def function(b: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
            rest = iter(arguments)
            known = [
                line._replace(re=None if line.re is None else next(rest), im=None if line.im is None else next(rest))
                for line in lines
            ]
            arithmetic = _Arithmetic(b, self.dtype)

            def at(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                body(arithmetic, i, *known)
                return []

            loop(b, n, [], at)

        self.builder.call(self.lines.of_pointers(len(bases), function), bases)

    # ---- complex numbers ----

    def complex(self, n: int, source: Line, target: Line, work: int, roots: int) -> None:
        """Emits a transform; `work` and `roots` are where its memory and its part of the table begin."""
        steps = stages(n)
        if steps is None:
            self.bluestein(n, source, target, work, roots)
            return
        if not steps:
            self.put(target, index(0), self.get(source, index(0)))
            return
        between = [self.pair_at(self.work, work + 2 * n * i, n) for i in range(2)]
        places = [source, *[between[i % 2] for i in range(len(steps) - 1)], target]
        for i, stage in enumerate(steps):
            self.stage(stage, places[i], places[i + 1], roots)

    def stage(self, stage: Stage, source: Line, target: Line, roots: int) -> None:
        bases = [base for base in (source.re, source.im, target.re, target.im) if base is not None]

        def function(b: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
            *read, re, im, table = arguments
            rest = iter(read)
            known = source._replace(
                re=None if source.re is None else next(rest), im=None if source.im is None else next(rest)
            )
            _Butterflies(b, self.dtype, stage, known, target._replace(re=re, im=im), table).emit()

        made = self.lines.of_pointers(len(bases) + 1, function)
        self.builder.call(made, [*bases, self.moved(self.table, roots + stage.roots)])

    def bluestein(self, n: int, source: Line, target: Line, work: int, roots: int) -> None:
        """Emits a transform as a convolution with a wave whose frequency grows."""
        m = convolved(n)
        wave = self.pair_at(self.table, roots, n)
        kernel = self.pair_at(self.table, roots + 2 * n, m)
        first, second = (self.pair_at(self.work, work + 2 * m * i, m) for i in range(2))
        rest = Line(self.moved(first.re, n), self.moved(first.im, n))
        self.each(n, [source, wave, first], lambda a, i, x, w, y: a.put(y, i, a.mul(a.get(x, i), a.get(w, i))))
        self.each(m - n, [rest], lambda a, i, y: a.put(y, i, (a.number(0), a.number(0))))
        inner = work + 4 * m, roots + 2 * n + 2 * m
        self.complex(m, first, second, *inner)
        self.each(m, [second, kernel, first], lambda a, i, x, f, y: a.put(y, i, a.mul(a.get(x, i), a.get(f, i))))
        self.complex(m, first.turned(), second.turned(), *inner)
        self.each(n, [second, wave, target], lambda a, i, x, w, y: a.put(y, i, a.mul(a.get(x, i), a.get(w, i))))

    # ---- real numbers ----

    def real(self, source: Line, target: Line) -> None:
        """Emits the first half of the transform of real numbers."""
        n, m = self.n, self.n // 2
        if n % 2:
            whole = self.pair_at(self.work, work_size(n), n)
            self.complex(n, source, whole, 0, 0)
            self.each(m + 1, [whole, target], lambda a, i, x, y: a.put(y, i, a.get(x, i)))
            return
        step = source.steps[0]
        odd = self.moved(source.re, step)
        half = self.pair_at(self.work, work_size(m), m)
        self.complex(m, Line(source.re, odd, (2 * step, 2 * step)), half, 0, n)

        def untangled(a: _Arithmetic, i: ir.Value, z: Line, w: Line, y: Line) -> None:
            # Of x = even + i odd both transforms: what is symmetric in the sum, and what is not.
            k = a.builder.add(i, index(1), flags=("nsw",))
            first = a.get(z, k)
            last = a.conj(a.get(z, a.builder.sub(index(m), k, flags=("nsw",))))
            even, turned = a.add(first, last), a.over_i(a.mul(a.sub(first, last), a.get(w, k)))
            a.put(y, k, a.scaled(a.add(even, turned), 0.5))

        self.each(m - 1, [half, self.pair_at(self.table, 0, m), target], untangled)
        re, im = self.get(half, index(0))
        zero = self.number(0)
        self.put(target, index(0), (self.plus(re, im), zero))
        self.put(target, index(m), (self.minus(re, im), zero))

    def hermitian(self, source: Line, target: Line) -> None:
        """Emits the inverse of that, without a factor."""
        n, m = self.n, self.n // 2
        step = target.steps[0]
        if n % 2:
            whole = self.pair_at(self.work, work_size(n), n)
            result = self.pair_at(self.work, work_size(n) + 2 * n, n)

            def mirrored(a: _Arithmetic, i: ir.Value, x: Line, y: Line) -> None:
                k = a.builder.add(i, index(1), flags=("nsw",))
                found = a.get(x, k)
                a.put(y, k, found)
                a.put(y, a.builder.sub(index(n), k, flags=("nsw",)), a.conj(found))

            self.each(m, [source, whole], mirrored)
            self.put(whole, index(0), (self.get(source, index(0))[0], self.number(0)))
            self.complex(n, whole.turned(), result.turned(), 0, 0)
            reals, to = Line(result.re, None), Line(target.re, None, (step, step))
            self.each(n, [reals, to], _copied)
            return
        half = self.pair_at(self.work, work_size(m), m)

        def tangled(a: _Arithmetic, i: ir.Value, x: Line, w: Line, z: Line) -> None:
            k = a.builder.add(i, index(1), flags=("nsw",))
            first = a.get(x, k)
            last = a.conj(a.get(x, a.builder.sub(index(m), k, flags=("nsw",))))
            turned = a.mul(a.sub(first, last), a.conj(a.get(w, k)))
            even = a.add(first, last)
            a.put(z, k, (a.minus(even[0], turned[1]), a.plus(even[1], turned[0])))

        self.each(m - 1, [source, self.pair_at(self.table, 0, m), half], tangled)
        first, last = self.get(source, index(0))[0], self.get(source, index(m))[0]
        self.put(half, index(0), (self.plus(first, last), self.minus(first, last)))
        odd = self.moved(target.re, step)
        self.complex(m, half.turned(), Line(odd, target.re, (2 * step, 2 * step)), 0, n)


def _copied(a: _Arithmetic, i: ir.Value, x: Line, y: Line) -> None:
    store(a.builder, a.get(x, i)[0], a.place(y.re, i, y.steps[0]), a.dtype)


class _Butterflies(_Arithmetic):
    """A step of a transform: out[q + s (r p + j)] = w**(p j) sum over k of x[q + s (p + m k)] exp(-2 pi i j k / r)."""

    def __init__(
        self, builder: ir.IRBuilder, dtype: np.dtype[Any], stage: Stage, source: Line, target: Line, table: ir.Value
    ) -> None:
        super().__init__(builder, dtype)
        self.stage, self.source, self.target, self.table = stage, source, target, table

    def emit(self) -> None:
        _, m, s, _ = self.stage

        def outer(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            if s >= _SHORT or m == 1:
                roots = self.roots(i)
                loop(self.builder, s, [], lambda q, _: self.butterfly(i, q, roots))
            else:
                loop(self.builder, m, [], lambda p, _: self.butterfly(p, i, self.roots(p)))
            return []

        loop(self.builder, m if s >= _SHORT or m == 1 else s, [], outer)

    def roots(self, p: ir.Value) -> list[Pair]:
        """The factors of all results but the first."""
        r, m, _, _ = self.stage
        if m == 1:
            return []
        return [self.get(self.pair_at(self.table, 2 * m * j, m), p) for j in range(r - 1)]

    def butterfly(self, p: ir.Value, q: ir.Value, roots: list[Pair]) -> list[ir.Value]:
        r, m, s, _ = self.stage
        b = self.builder
        first = b.add(b.mul(p, index(s), flags=("nsw",)), q, flags=("nsw",))
        xs = [self.get(self.source, b.add(first, index(s * m * k), flags=("nsw",))) for k in range(r)]
        ys = self.four(xs) if r == 4 else [self.add(*xs), self.sub(*xs)] if r == 2 else self.odd(xs)
        place = b.add(b.mul(p, index(s * r), flags=("nsw",)), q, flags=("nsw",))
        for j, y in enumerate(ys):
            y = self.mul(y, roots[j - 1]) if j and roots else y
            self.put(self.target, b.add(place, index(s * j), flags=("nsw",)), y)
        return []

    def four(self, x: list[Pair]) -> list[Pair]:
        even, other = self.add(x[0], x[2]), self.sub(x[0], x[2])
        odd, turned = self.add(x[1], x[3]), self.over_i(self.sub(x[1], x[3]))
        return [self.add(even, odd), self.add(other, turned), self.sub(even, odd), self.sub(other, turned)]

    def odd(self, x: list[Pair]) -> list[Pair]:
        """An odd number of points: sums and differences of those that lie symmetrically."""
        r = len(x)
        half = range(1, r // 2 + 1)
        sums = [self.add(x[k], x[r - k]) for k in half]
        differences = [self.sub(x[k], x[r - k]) for k in half]
        found = [x[0]] * r
        for one in sums:
            found[0] = self.add(found[0], one)
        for j in half:
            real, imaginary = x[0], None
            for k in half:
                angle = 2 * pi * (j * k % r) / r
                real = self.add(real, self.scaled(sums[k - 1], cos(angle)))
                term = self.scaled(differences[k - 1], sin(angle))
                imaginary = term if imaginary is None else self.add(imaginary, term)
            assert imaginary is not None
            turned = self.over_i(imaginary)
            found[j], found[r - j] = self.add(real, turned), self.sub(real, turned)
        return found
