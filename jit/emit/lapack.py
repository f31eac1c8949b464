"""Factorisations and triangular equations, matrix by matrix: LAPACK, called by address; few rows are written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from autograd import ops
from autograd.primitive import Primitive

from ..eigen import geev
from ..lowering.lapack import scratch_sizes
from ..lowering.matrix import PREFIX, Matrix, as_matrix
from ..lowering.program import Call, View
from .blas import Base, alloca, blas
from .loops import loop, offset
from .types import constant, element, index, load, store
from .written import Elements, cholesky, is_few, lu, substituted

#: The status of a kernel whose matrix has no such factors; the eager op says what is wrong.
REFUSED = 2**62 + 1
_WHOLE = ir.IntType(32)
_INTEGERS = np.dtype(np.int32)

Values = Sequence[ir.Value]


class Routine:
    """The call of a step in the making: addresses, copies, and routines of its dtype.

    `at(view)` is the address of the matrix that the loops over the stack have come to.
    """

    def __init__(self, builder: ir.IRBuilder, call: Call, base: Base, status: Callable[[], ir.Value]) -> None:
        self.builder, self.call, self.base, self.status = builder, call, base, status
        self.params = dict(call.equation.params)
        self.dtype = call.target.buffer.dtype
        self.shapes = [x.aval.shape for x in call.equation.inputs]
        self.position: list[ir.Value] = []

    def emit(self, one: Callable[[Routine], None]) -> None:
        """Emits loops over the stack around `one`."""
        batch = self.shapes[0][:-2]

        def each(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            self.position.append(i)
            around()
            self.position.pop()
            return []

        def around() -> None:
            if len(self.position) == len(batch):
                one(self)
            else:
                loop(self.builder, batch[len(self.position)], [], each)

        around()

    def at(self, view: View) -> ir.Value:
        where = offset(self.builder, view.offset, view.strides[: len(self.position)], self.position)
        return element(self.builder, self.base(view.buffer), where, view.buffer.dtype)

    def scratch(self) -> list[ir.Value]:
        return [self.base(view.buffer) for view in self.call.scratch]

    def moved(self, pointer: ir.Value, distance: int) -> ir.Value:
        return element(self.builder, pointer, index(distance), self.dtype) if distance else pointer

    def get(self, pointer: ir.Value, strides: Sequence[int], position: Values) -> ir.Value:
        return load(self.builder, self.place(pointer, strides, position), self.dtype)

    def put(self, value: ir.Value, pointer: ir.Value, strides: Sequence[int], position: Values) -> None:
        store(self.builder, value, self.place(pointer, strides, position), self.dtype)

    def place(self, pointer: ir.Value, strides: Sequence[int], position: Values) -> ir.Value:
        return element(self.builder, pointer, offset(self.builder, 0, strides, position), self.dtype)

    def over(self, sizes: tuple[int, int], body: Callable[[ir.Value, ir.Value], None]) -> None:
        """Emits `body(i, j)` for all `i`, and within that for all `j`."""

        def outer(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            def inner(j: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                body(i, j)
                return []

            return loop(self.builder, sizes[1], [], inner)

        loop(self.builder, sizes[0], [], outer)

    def by_columns(self, x: View, target: ir.Value, leading: int) -> None:
        """Copies a matrix, column by column, with that distance between the columns."""
        m, n = self.shapes[0][-2:]
        source, strides = self.at(x), x.strides[-2:]
        self.over((n, m), lambda j, i: self.put(self.get(source, strides, (i, j)), target, (1, leading), (i, j)))

    def run(self, name: str, arguments: list[Any]) -> ir.Value:
        """Emits the call of a LAPACK routine, and returns what it says in the end."""
        info = alloca(self.builder, _WHOLE)
        blas(self.builder, PREFIX[self.dtype.name] + name, [*arguments, info])
        return self.builder.load(info, typ=_WHOLE)

    def refuse_if(self, wrong: ir.Value) -> None:
        status = self.status()
        with self.builder.if_then(wrong, likely=False):
            self.builder.store(index(REFUSED), status)

    def check(self, info: ir.Value) -> None:
        self.refuse_if(self.builder.icmp_signed("!=", info, ir.Constant(_WHOLE, 0)))

    def lengths(self) -> list[int]:
        """The lengths of the scratch arrays."""
        m, n = self.shapes[-1][-2:]
        return [size for size, _ in scratch_sizes(self.call.equation.primitive, m, n, self.params)]

    def substitute(self, x: ir.Value, form: Matrix, out: ir.Value, lower: bool, transpose: bool, unit: bool) -> None:
        """Solves triangular equations for the rows at `out`, in place."""
        n, k = self.shapes[-1][-2:]
        if is_few(n):
            self.substitute_few(x, form, out, lower, transpose, unit)
            return
        # Read by columns, a matrix that lies by rows is its transpose; and so are the right sides.
        flipped = form.flag == "N"
        prefix, diagonal = PREFIX[self.dtype.name], "U" if unit else "N"
        triangle = "L" if lower != flipped else "U"
        if k == 1:
            flags = [triangle, "T" if transpose != flipped else "N", diagonal]
            blas(self.builder, prefix + "trsv", [*flags, n, x, form.leading, out, 1])
        else:
            flags = ["R", triangle, "N" if transpose != flipped else "T", diagonal]
            one = constant(1, self.dtype)
            blas(self.builder, prefix + "trsm", [*flags, k, n, one, x, form.leading, out, k])

    def substitute_few(
        self, x: ir.Value, form: Matrix, out: ir.Value, lower: bool, transpose: bool, unit: bool
    ) -> None:
        n, k = self.shapes[-1][-2:]
        by_rows = (form.flag == "N") != transpose
        factors = self.elements(x, (form.leading, 1) if by_rows else (1, form.leading), (n, n))

        def column(j: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            ys = [self.get(out, (k, 1), (index(i), j)) for i in range(n)]
            for i, y in enumerate(substituted(self.builder, factors, ys, lower != transpose, unit)):
                self.put(y, out, (k, 1), (index(i), j))
            return []

        loop(self.builder, k, [], column)

    def elements(self, pointer: ir.Value, strides: Sequence[int], shape: tuple[int, int]) -> Elements:
        """The elements of a matrix of few rows."""
        m, n = shape
        return [[self.get(pointer, strides, (index(i), index(j))) for j in range(n)] for i in range(m)]

    def put_elements(self, x: Elements, pointer: ir.Value, strides: Sequence[int]) -> None:
        for i, row in enumerate(x):
            for j, value in enumerate(row):
                self.put(value, pointer, strides, (index(i), index(j)))

    def check_diagonal(self, x: ir.Value, strides: Sequence[int], n: int) -> None:
        zero = constant(0, self.dtype)

        def each(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            self.refuse_if(self.builder.fcmp_ordered("==", self.get(x, strides, (i, i)), zero))
            return []

        loop(self.builder, n, [], each)


def _cholesky(r: Routine) -> None:
    n = r.shapes[0][-1]
    (x,) = r.call.operands
    source, out, zero = r.at(x), r.at(r.call.target), constant(0, r.dtype)
    if is_few(n):
        factor, wrong = cholesky(r.builder, r.elements(source, x.strides[-2:], (n, n)))
        r.put_elements(factor, out, (n, 1))
        r.refuse_if(wrong)
        return

    def each(i: ir.Value, j: ir.Value) -> None:
        kept = r.builder.icmp_unsigned("<=", j, i)
        value = r.builder.select(kept, r.get(source, x.strides[-2:], (i, j)), zero)
        r.put(value, out, (n, 1), (i, j))

    r.over((n, n), each)
    # The lower triangle by rows is the upper one by columns.
    r.check(r.run("potrf", ["U", n, out, n]))


def _lu(r: Routine) -> None:
    m, n = r.shapes[0][-2:]
    (x,), out, b = r.call.operands, r.at(r.call.target), r.builder
    order, kind = r.moved(out, m * n), constant(0, r.dtype).type
    if n and is_few(m, n):
        factors, rows = lu(b, r.elements(r.at(x), x.strides[-2:], (m, n)))
        r.put_elements(factors, out, (1, m))
        r.put_elements([[b.sitofp(i, kind) for i in rows]], order, (0, 1))
        return
    (pivots,) = r.scratch()
    r.by_columns(x, out, m)
    if n:
        # A pivot of zero makes factors all the same.
        r.run("getrf", [m, n, out, m, pivots])

    def number(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        r.put(b.sitofp(i, kind), order, (1,), (i,))
        return []

    def exchange(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        pivot = load(b, element(b, pivots, i, _INTEGERS), _INTEGERS)
        j = b.sub(b.sext(pivot, i.type), index(1))
        j = b.select(b.icmp_unsigned("<", j, index(m)), j, i)
        first, second = (r.get(order, (1,), (at,)) for at in (i, j))
        r.put(second, order, (1,), (i,))
        r.put(first, order, (1,), (j,))
        return []

    loop(b, m, [], number)
    loop(b, min(m, n), [], exchange)


def _lu_solve(r: Routine) -> None:
    n, k = r.shapes[1][-2:]
    factors, y = r.call.operands
    strides = factors.strides[-2:]
    form = as_matrix((n, n), strides)
    assert form is not None
    x, source, out, b = r.at(factors), r.at(y), r.at(r.call.target), r.builder
    transpose = r.params["transpose"]
    r.check_diagonal(x, strides, n)

    def row(i: ir.Value) -> ir.Value:
        number = b.fptosi(r.get(x, strides, (i, index(n))), i.type)
        return b.select(b.icmp_unsigned("<", number, index(n)), number, index(0))

    if not transpose:
        r.over((n, k), lambda i, j: r.put(r.get(source, y.strides[-2:], (row(i), j)), out, (k, 1), (i, j)))
        r.substitute(x, form, out, lower=True, transpose=False, unit=True)
        r.substitute(x, form, out, lower=False, transpose=False, unit=False)
        return
    (found,) = r.scratch()
    r.over((n, k), lambda i, j: r.put(r.get(source, y.strides[-2:], (i, j)), found, (k, 1), (i, j)))
    r.substitute(x, form, found, lower=False, transpose=True, unit=False)
    r.substitute(x, form, found, lower=True, transpose=True, unit=True)
    r.over((n, k), lambda i, j: r.put(r.get(found, (k, 1), (i, j)), out, (k, 1), (row(i), j)))


def _solve_triangular(r: Routine) -> None:
    n, k = r.shapes[1][-2:]
    x, y = r.call.operands
    form = as_matrix((n, n), x.strides[-2:])
    assert form is not None
    matrix, source, out = r.at(x), r.at(y), r.at(r.call.target)
    if not r.params["unit"]:
        r.check_diagonal(matrix, x.strides[-2:], n)
    r.over((n, k), lambda i, j: r.put(r.get(source, y.strides[-2:], (i, j)), out, (k, 1), (i, j)))
    r.substitute(matrix, form, out, **r.params)


def _qr(r: Routine) -> None:
    m, n = r.shapes[0][-2:]
    row = m + n
    out, (tau, work) = r.at(r.call.target), r.scratch()
    r.by_columns(r.call.operands[0], out, row)
    size = r.lengths()[1]
    r.check(r.run("geqrf", [m, n, out, row, tau, work, size]))
    right, zero = r.moved(out, m), constant(0, r.dtype)

    def each(i: ir.Value, j: ir.Value) -> None:
        kept = r.builder.icmp_unsigned("<=", i, j)
        r.put(r.builder.select(kept, r.get(out, (1, row), (i, j)), zero), right, (row, 1), (i, j))

    r.over((n, n), each)
    r.check(r.run("orgqr", [m, n, n, out, row, tau, work, size]))


def _eigh(r: Routine) -> None:
    n = r.shapes[0][-1]
    row = 1 + n
    out, (values, work, integers) = r.at(r.call.target), r.scratch()
    vectors = r.moved(out, 1)
    r.by_columns(r.call.operands[0], vectors, row)
    _, *sizes = r.lengths()
    r.check(r.run("syevd", ["V", "L", n, vectors, row, values, work, sizes[0], integers, sizes[1]]))
    r.over((n, 1), lambda i, j: r.put(r.get(values, (1,), (i,)), out, (row,), (i,)))


def _geev(r: Routine) -> None:
    n = r.shapes[0][-1]
    width, b = 2 * (n + 1), r.builder
    out, (matrix, re, im, vectors, work) = r.at(r.call.target), r.scratch()
    r.by_columns(r.call.operands[0], matrix, n)
    # Vectors on the left are not asked for.
    found = [re, im, matrix, n, vectors, n]
    r.check(r.run("geev", ["N", "V", n, matrix, n, *found, work, r.lengths()[4]]))
    zero, one = constant(0, r.dtype), index(1)

    def value(i: ir.Value, _: ir.Value) -> None:
        r.put(r.get(re, (1,), (i,)), out, (width,), (i,))
        r.put(r.get(im, (1,), (i,)), r.moved(out, n + 1), (width,), (i,))

    def element_of(i: ir.Value, k: ir.Value) -> None:
        # Of a pair of conjugates one column has the real parts of the vectors, the next one the imaginary ones.
        part = r.get(im, (1,), (i,))
        first, second = b.fcmp_ordered(">", part, zero), b.fcmp_ordered("<", part, zero)
        own = r.get(vectors, (n, 1), (i, k))
        before = r.get(vectors, (n, 1), (b.select(second, b.sub(i, one), i), k))
        after = r.get(vectors, (n, 1), (b.select(first, b.add(i, one), i), k))
        r.put(before, r.moved(out, 1), (width, 1), (i, k))
        imaginary = b.select(first, after, b.select(second, b.fneg(own), zero))
        r.put(imaginary, r.moved(out, n + 2), (width, 1), (i, k))

    r.over((n, 1), value)
    r.over((n, n), element_of)


def _svd(r: Routine) -> None:
    m, n = r.shapes[0][-2:]
    k, row = min(m, n), 1 + m + n
    out, (matrix, values, right, work, integers) = r.at(r.call.target), r.scratch()
    r.by_columns(r.call.operands[0], matrix, m)
    left = r.moved(out, 1)
    vectors = [matrix, m, values, left, row, right, k]
    r.check(r.run("gesdd", ["S", m, n, *vectors, work, r.lengths()[3], integers]))
    r.over((k, 1), lambda i, j: r.put(r.get(values, (1,), (i,)), out, (row,), (i,)))
    target = r.moved(out, 1 + m)
    r.over((k, n), lambda i, j: r.put(r.get(right, (1, k), (i, j)), target, (row, 1), (i, j)))


def _routine(one: Callable[[Routine], None]) -> Callable[..., None]:
    def emit(builder: ir.IRBuilder, call: Call, base: Base, status: Callable[[], ir.Value]) -> None:
        Routine(builder, call, base, status).emit(one)

    return emit


ROUTINES: dict[Primitive, Callable[..., None]] = {
    ops.cholesky: _routine(_cholesky),
    ops.solve_triangular: _routine(_solve_triangular),
    ops.lu: _routine(_lu),
    ops.lu_solve: _routine(_lu_solve),
    ops.qr: _routine(_qr),
    ops.eigh: _routine(_eigh),
    ops.svd: _routine(_svd),
    geev: _routine(_geev),
}
