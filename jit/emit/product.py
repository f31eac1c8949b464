"""Small matrix products as loops over tiles that stay in vector registers.

A call of BLAS costs more than a product of small matrices takes. Where the columns of `y` and of the result are
contiguous, a tile of the result is a sum of outer products; where the rows of `x` and the columns of `y` are, each of
its elements is an inner product.

    tile[r, c] += x[r, k] * y[k, c]      c in the lanes of a vector
    tile[r, c] += x[r, k] * y[k, c]      k in the lanes of a vector, summed at the end
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from llvmlite import ir

from ..matrix import Product, Strides
from .loops import loop, offset
from .types import CONTRACT, POINTER, element, index, scalar_type, store

# Vectors of 32 bytes; a wider or narrower machine makes its own of them.
_BYTES = 32
# The accumulators of a tile, with room for what is multiplied: the registers of AVX2 are 16.
_ROWS, _VECTORS, _ALONE = 4, 2, 8
# The most terms that a register adds up.
_LONGEST = 128

Factors = tuple[ir.Value, ir.Value]


def tiles(builder: ir.IRBuilder, it: Product, x: ir.Value, y: ir.Value, out: ir.Value) -> None:
    """Emits a call of the product's function, one for all products of that form."""
    if it.transposed.is_outer and not it.is_outer:
        it, x, y = it.transposed, y, x
    name = "_".join(["jit_product", *map(str, (*it[:3], *it.x, *it.y, *it.out)), it.dtype.name]).replace("-", "m")
    function = builder.module.globals.get(name)
    if function is None:
        function = _function(builder.module, name, it)
    builder.call(function, [x, y, out])


def _function(module: ir.Module, name: str, it: Product) -> ir.Function:
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER] * 3), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    made.args[2].add_attribute("noalias")
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    tile = _Tile(builder, it, *made.args)
    emit = tile.outer if it.is_outer else tile.inner
    height = _ROWS if it.m >= _ROWS else 1
    width = _VECTORS if height > 1 else _ALONE if it.is_outer else 1
    width *= tile.lanes if it.is_outer else 1

    def rows(row: ir.Value, height: int) -> None:
        _over(builder, it.n, width, lambda column, width: emit(row, height, column, width))

    _over(builder, it.m, height, rows)
    builder.ret_void()
    return made


def _over(builder: ir.IRBuilder, n: int, size: int, emit: Callable[[ir.Value, int], None]) -> None:
    """Loops over stretches of that size; what is left is a smaller one."""

    def body(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        emit(builder.mul(i, index(size)), size)
        return []

    count, rest = divmod(n, size)
    loop(builder, count, [], body)
    if rest:
        emit(index(count * size), rest)


class _Tile:
    def __init__(self, builder: ir.IRBuilder, it: Product, x: ir.Value, y: ir.Value, out: ir.Value) -> None:
        self.builder, self.it, self.x, self.y, self.out = builder, it, x, y, out
        self.kind = scalar_type(it.dtype)
        self.lanes = _BYTES // it.dtype.itemsize

    def at(self, base: ir.Value, strides: Strides, i: ir.Value, j: ir.Value) -> ir.Value:
        """The address of an element of a matrix."""
        return element(self.builder, base, offset(self.builder, 0, strides, [i, j]), self.it.dtype)

    def plus(self, i: ir.Value, by: int) -> ir.Value:
        return self.builder.add(i, index(by)) if by else i

    def vector(self, pointer: ir.Value, size: int) -> ir.Value:
        """Contiguous elements."""
        return self.builder.load(pointer, align=self.it.dtype.itemsize, typ=ir.VectorType(self.kind, size))

    def zeros(self, size: int) -> ir.Value:
        return ir.Constant(ir.VectorType(self.kind, size), [0.0] * size)

    def outer(self, row: ir.Value, height: int, column: ir.Value, width: int) -> None:
        """A tile as the sum over k of a column of `x` times a row of `y`."""
        b, it = self.builder, self.it
        parts = [(start, min(self.lanes, width - start)) for start in range(0, width, self.lanes)]
        places = [(self.plus(row, r), self.plus(column, start), n) for r in range(height) for start, n in parts]

        def factors(k: ir.Value) -> list[Factors]:
            ys = [self.vector(self.at(self.y, it.y, k, self.plus(column, start)), n) for start, n in parts]
            xs = [b.load(self.at(self.x, it.x, self.plus(row, r), k), typ=self.kind) for r in range(height)]
            return [(self.splat(x, n), y) for x in xs for y, (_, n) in zip(ys, parts, strict=True)]

        totals = self.summed(0, it.k, 1, [self.zeros(n) for *_, n in places], factors)
        for (i, j, _), total in zip(places, totals, strict=True):
            b.store(total, self.at(self.out, it.out, i, j), align=it.dtype.itemsize)

    def inner(self, row: ir.Value, height: int, column: ir.Value, width: int) -> None:
        """A tile as the products of rows of `x` and columns of `y`."""
        it, lanes = self.it, self.lanes
        rows, columns = [self.plus(row, r) for r in range(height)], [self.plus(column, c) for c in range(width)]
        totals = [ir.Constant(self.kind, 0.0)] * (height * width)
        whole = it.k - it.k % lanes
        for start, count, size in ((0, whole // lanes, lanes), (whole, int(whole < it.k), it.k - whole)):
            if not count:
                continue

            def factors(k: ir.Value, size: int = size) -> list[Factors]:
                xs = [self.vector(self.at(self.x, it.x, i, k), size) for i in rows]
                ys = [self.vector(self.at(self.y, it.y, k, j), size) for j in columns]
                return [(x, y) for x in xs for y in ys]

            sums = self.summed(start, count, size, [self.zeros(size)] * len(totals), factors)
            totals = [self.across(x, total) for x, total in zip(sums, totals, strict=True)]
        for (i, j), total in zip(product(rows, columns), totals, strict=True):
            store(self.builder, total, self.at(self.out, it.out, i, j), it.dtype)

    def summed(
        self, start: int, count: int, step: int, zeros: list[ir.Value], factors: Callable[[ir.Value], list[Factors]]
    ) -> list[ir.Value]:
        """The sums of products at k = start, start + step, ...; long ones in parts, for the sake of rounding errors."""
        b = self.builder

        def part(first: ir.Value, count: int) -> list[ir.Value]:
            def body(i: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
                pairs = factors(b.add(b.mul(i, index(step)), first))
                return [
                    b.fadd(total, b.fmul(x, y, flags=CONTRACT), flags=CONTRACT)
                    for total, (x, y) in zip(totals, pairs, strict=True)
                ]

            return loop(b, count, zeros, body)

        def body(i: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
            sums = part(b.add(b.mul(i, index(_LONGEST * step)), index(start)), _LONGEST)
            return [b.fadd(x, y) for x, y in zip(totals, sums, strict=True)]

        parts, rest = divmod(count, _LONGEST)
        if not parts:
            return part(index(start), rest)
        totals = loop(b, parts, zeros, body)
        if rest:
            sums = part(index(start + parts * _LONGEST * step), rest)
            totals = [b.fadd(x, y) for x, y in zip(totals, sums, strict=True)]
        return totals

    def splat(self, x: ir.Value, size: int) -> ir.Value:
        """A vector of the same number."""
        vector = ir.VectorType(self.kind, size)
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), size), [0] * size)
        return self.builder.shuffle_vector(one, one, lanes)

    def across(self, vector: ir.Value, start: ir.Value) -> ir.Value:
        """The elements of a vector and a number, added in any order."""
        module = self.builder.module
        name = f"llvm.vector.reduce.fadd.v{vector.type.count}f{8 * self.it.dtype.itemsize}"
        add = module.globals.get(name)
        if add is None:
            add = ir.Function(module, ir.FunctionType(self.kind, [self.kind, vector.type]), name)
        return self.builder.call(add, [start, vector], fastmath=("reassoc",))
