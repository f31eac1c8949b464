"""Matrix products as loops over tiles that stay in vector registers.

A call of BLAS takes longer than a product of small matrices, and with wide vectors than one of larger ones as well.
Where the columns of `y` and of the result are contiguous, a tile of the result is a sum of outer products; where the
rows of `x` and the columns of `y` are, each of its elements is an inner product.

    tile[r, c] += x[r, k] * y[k, c]      c in the lanes of a vector
    tile[r, c] += x[r, k] * y[k, c]      k in the lanes of a vector, summed at the end
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from llvmlite import ir

from autograd.lengths import is_length, is_long

from ..lowering.matrix import ENOUGH, TALLEST, Product, Strides
from ..target import vector_bytes
from .loops import loop, offset
from .types import CONTRACT, INDEX, POINTER, element, index, opaque, scalar_type

# The rows of a tile by the bytes of a vector, and its vectors, of several rows and of one: with room for what is
# multiplied, since AVX2 has 16 registers, AVX-512 32.
_ROWS, _VECTORS, _ALONE = {32: 4, 64: TALLEST}, 2, 8
# Inner products of fewer terms are done sooner with shorter vectors, for each is added across.
_LONG = 64
# What is left beside whole tiles is in such pieces, where nobody knows how much it is, and in single rows and columns.
_SMALLER = 4
# The most terms that a register adds up.
_LONGEST = 128

Factors = tuple[ir.Value, ir.Value]
Count = Any


def tiles(
    builder: ir.IRBuilder,
    it: Product,
    x: ir.Value,
    y: ir.Value,
    out: ir.Value,
    part: tuple[str, ir.Value] | None = None,
) -> None:
    """Emits a call of the product's function, one for all products of that form.

    **Arguments:** `part`, where only a part of the product is to be computed: the dimension that is divided, `"m"` or
    `"k"`, and how much of it; a part of the terms is added to what is there.
    """
    axis = "" if part is None else part[0]
    if it.transposed.is_outer and not it.is_outer:
        it, x, y = it.transposed, y, x
        axis = "n" if axis == "m" else axis
    if axis:
        m, n, k = (0 if name == axis else size for name, size in (("m", it.m), ("n", it.n), ("k", it.k)))
        it = Product(m, n, k, it.x, it.y, it.out, it.dtype)
    name = "_".join(["jit_product", axis, *map(str, (*it[:3], *it.x, *it.y, *it.out)), it.dtype.name]).replace("-", "m")
    function = builder.module.globals.get(name)
    if function is None:
        function = _function(builder.module, name, it, axis)
    builder.call(function, [x, y, out, *([] if part is None else [part[1]])])


def _function(module: ir.Module, name: str, it: Product, axis: str) -> ir.Function:
    types = [POINTER] * 3 + [INDEX] * bool(axis)
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), types), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    # It is vectorised as it stands; unrolled it would take longer to compile, and no less to run.
    made.attributes.add("optsize")
    made.args[2].add_attribute("noalias")
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    x, y, out, *given = made.args
    whole = {name: index(n) if is_length(n) else n for name, n in (("m", it.m), ("n", it.n), ("k", it.k))}
    lengths: dict[str, Count] = whole | ({axis: given[0]} if axis else {})
    tile = _Tile(builder, it, x, y, out, lengths["k"], axis == "k")
    emit = tile.outer if it.is_outer else tile.inner
    is_tall = axis == "m" or is_length(it.m) or it.m >= tile.height
    height = tile.height if is_tall else _SMALLER if it.m >= _SMALLER else 1
    width = _VECTORS if height > 1 else _ALONE if it.is_outer else 1
    width *= tile.lanes if it.is_outer else 1

    def rows(row: ir.Value, height: int) -> None:
        _over(builder, lengths["n"], width, lambda column, width: emit(row, height, column, width))

    def columns(column: ir.Value, width: int) -> None:
        near = tile.of_columns(column, width, room)
        _over(builder, lengths["m"], height, lambda row, height: near.outer(row, height, index(0), width))

    if it.has_far_columns and (axis == "m" or is_long(it.m, ENOUGH)):
        aligned = builder.alloca(tile.kind, index(it.k * width))
        aligned.align = vector_bytes()
        room = opaque(builder, aligned)
        _over(builder, lengths["n"], width, columns)
    else:
        _over(builder, lengths["m"], height, rows)
    builder.ret_void()
    return made


def _over(builder: ir.IRBuilder, n: Count, size: int, emit: Callable[[ir.Value, int], None]) -> None:
    """Loops over stretches of that size; what is left is a smaller one, or several of a single element."""

    def body(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        emit(builder.mul(i, index(size)), size)
        return []

    if isinstance(n, int):
        count, rest = divmod(n, size)
        loop(builder, count, [], body)
        if rest:
            emit(index(count * size), rest)
        return
    whole = builder.udiv(n, index(size))
    loop(builder, whole, [], body)
    if size > 1:
        done = builder.mul(whole, index(size))
        smaller = _SMALLER if size > TALLEST else 1
        _over(builder, builder.sub(n, done), smaller, lambda i, size: emit(builder.add(done, i), size))


def _vectors(n: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Where vectors of `n` elements begin, and their lengths: whole ones, then halves of these, then the rest."""
    start = 0
    while start < n:
        while lanes > n - start and lanes > _SMALLER:
            lanes //= 2
        size = min(lanes, n - start)
        yield start, size
        start += size


class _Tile:
    """The tiles of a product with sums over `k` terms, which are added to what is there, or replace it."""

    def __init__(
        self, builder: ir.IRBuilder, it: Product, x: ir.Value, y: ir.Value, out: ir.Value, k: Count, adds: bool
    ) -> None:
        self.builder, self.it, self.x, self.y, self.out = builder, it, x, y, out
        self.k, self.adds = k, adds
        self.kind = scalar_type(it.dtype)
        size = vector_bytes() if it.is_outer or is_long(it.k, _LONG) else 32
        self.height, self.lanes = _ROWS[size], size // it.dtype.itemsize

    def of_columns(self, column: ir.Value, width: int, room: ir.Value) -> _Tile:
        """The tiles of some columns of the result, for which those of `y` are put side by side."""
        b, it = self.builder, self.it._replace(y=(width, 1))

        def body(k: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            row = self.vector(self.at(self.y, self.it.y, k, column), width)
            b.store(row, self.at(room, it.y, k, index(0)), align=it.dtype.itemsize)
            return []

        loop(b, self.k, [], body)
        return _Tile(b, it, self.x, room, self.at(self.out, it.out, index(0), column), self.k, self.adds)

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
        parts = list(_vectors(width, self.lanes))
        places = [(self.plus(row, r), self.plus(column, start), n) for r in range(height) for start, n in parts]

        def factors(k: ir.Value) -> list[Factors]:
            ys = [self.vector(self.at(self.y, it.y, k, self.plus(column, start)), n) for start, n in parts]
            xs = [b.load(self.at(self.x, it.x, self.plus(row, r), k), typ=self.kind) for r in range(height)]
            return [(self.splat(x, n), y) for x in xs for y, (_, n) in zip(ys, parts, strict=True)]

        totals = self.summed(index(0), self.k, 1, [self.zeros(n) for *_, n in places], factors)
        for (i, j, _), total in zip(places, totals, strict=True):
            pointer = self.at(self.out, it.out, i, j)
            if self.adds:
                total = b.fadd(b.load(pointer, align=it.dtype.itemsize, typ=total.type), total)
            b.store(total, pointer, align=it.dtype.itemsize)

    def inner(self, row: ir.Value, height: int, column: ir.Value, width: int) -> None:
        """A tile as the products of rows of `x` and columns of `y`."""
        it = self.it
        rows, columns = [self.plus(row, r) for r in range(height)], [self.plus(column, c) for c in range(width)]
        totals = [ir.Constant(self.kind, 0.0)] * (height * width)
        for start, count, size in self.stretches():

            def factors(k: ir.Value, size: int = size) -> list[Factors]:
                xs = [self.vector(self.at(self.x, it.x, i, k), size) for i in rows]
                ys = [self.vector(self.at(self.y, it.y, k, j), size) for j in columns]
                return [(x, y) for x in xs for y in ys]

            sums = self.summed(start, count, size, [self.zeros(size)] * len(totals), factors)
            totals = [self.across(x, total) for x, total in zip(sums, totals, strict=True)]
        for (i, j), total in zip(product(rows, columns), totals, strict=True):
            pointer = self.at(self.out, it.out, i, j)
            if self.adds:
                total = self.builder.fadd(self.builder.load(pointer, typ=self.kind), total)
            self.builder.store(total, pointer)

    def stretches(self) -> list[tuple[ir.Value, Count, int]]:
        """Where vectors of terms begin, how many there are, and their length; and then those that are left."""
        b, k, lanes = self.builder, self.k, self.lanes
        if not isinstance(k, int):
            count = b.udiv(k, index(lanes))
            start = b.mul(count, index(lanes))
            return [(index(0), count, lanes), (start, b.sub(k, start), 1)]
        count = k // lanes
        rest = [(index(start), 1, size) for start, size in _vectors(k, lanes) if size < lanes]
        return [(index(0), count, lanes), *rest] if count else rest

    def summed(
        self,
        start: ir.Value,
        count: Count,
        step: int,
        zeros: list[ir.Value],
        factors: Callable[[ir.Value], list[Factors]],
    ) -> list[ir.Value]:
        """The sums of products at k = start, start + step, ...; long ones in parts, for the sake of rounding errors."""
        b = self.builder

        def part(first: ir.Value, count: Count) -> list[ir.Value]:
            def body(i: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
                pairs = factors(b.add(b.mul(i, index(step)), first))
                return [
                    b.fadd(total, b.fmul(x, y, flags=CONTRACT), flags=CONTRACT)
                    for total, (x, y) in zip(totals, pairs, strict=True)
                ]

            return loop(b, count, zeros, body)

        def body(i: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
            sums = part(b.add(b.mul(i, index(_LONGEST * step)), start), _LONGEST)
            return [b.fadd(x, y) for x, y in zip(totals, sums, strict=True)]

        if isinstance(count, int) and count <= _LONGEST:
            return part(start, count)
        parts = count // _LONGEST if isinstance(count, int) else b.udiv(count, index(_LONGEST))
        done = index(parts * _LONGEST) if isinstance(parts, int) else b.mul(parts, index(_LONGEST))
        totals = loop(b, parts, zeros, body)
        rest = count % _LONGEST if isinstance(count, int) else b.sub(count, done)
        sums = part(b.add(b.mul(done, index(step)), start), rest)
        return [b.fadd(x, y) for x, y in zip(totals, sums, strict=True)]

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
