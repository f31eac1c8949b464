"""The test that no array which a kernel writes shares memory with another of its arrays, as machine code."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from llvmlite import ir

from autograd.primitive import Aval

from ..emit.blas import alloca
from ..emit.types import INDEX, POINTER, element, index, opaque

# More pairs than this are compared in loops.
_MOST_WRITTEN_OUT = 16
_BOOL = ir.IntType(1)
_TRUE, _FALSE = _BOOL(1), _BOOL(0)

Range = tuple[ir.Value, ir.Value]


def disjoint(
    builder: ir.IRBuilder, name: str, written: Sequence[tuple[ir.Value, Aval]], read: Sequence[tuple[ir.Value, Aval]]
) -> ir.Value:
    """Whether the arrays that are written share no memory with each other, nor with those that are read.

    **Arguments:** `name` for a function, should one be needed; `written` and `read`, contiguous arrays by their
    addresses.
    """
    first, rest = ([_range(builder, *x) for x in arrays if prod(x[1].shape)] for arrays in (written, read))
    ranges = first + rest
    pairs = [(i, j) for i in range(len(first)) for j in range(i + 1, len(ranges))]
    if len(pairs) > _MOST_WRITTEN_OUT:
        tables = [_table(builder, list(column)) for column in zip(*ranges, strict=True)]
        made = _compared_in_loops(builder.module, name)
        result: ir.Value = builder.call(made, [*tables, index(len(first)), index(len(ranges))])
        return result
    apart: ir.Value = _TRUE
    for i, j in pairs:
        apart = builder.and_(apart, _apart(builder, ranges[i], ranges[j]))
    return apart


def _range(builder: ir.IRBuilder, start: ir.Value, aval: Aval) -> Range:
    return start, element(builder, start, index(prod(aval.shape)), aval.dtype)


def _apart(builder: ir.IRBuilder, x: Range, y: Range) -> ir.Value:
    return builder.or_(builder.icmp_unsigned("<=", x[1], y[0]), builder.icmp_unsigned("<=", y[1], x[0]))


def _table(builder: ir.IRBuilder, addresses: list[ir.Value]) -> ir.Value:
    table = opaque(builder, alloca(builder, POINTER, len(addresses)))
    for i, address in enumerate(addresses):
        builder.store(address, _place(builder, table, index(i)))
    return table


def _place(builder: ir.IRBuilder, table: ir.Value, i: ir.Value) -> ir.Value:
    return builder.gep(table, [i], inbounds=True, source_etype=POINTER)


def _compared_in_loops(module: ir.Module, name: str) -> ir.Function:
    """The function `(starts, ends, n, m)` that compares each of the first `n` of `m` ranges with those behind it.

    Its linkage is not internal, or LLVM would unroll the loops of its one call.
    """
    made = ir.Function(module, ir.FunctionType(_BOOL, [POINTER, POINTER, INDEX, INDEX]), name)
    made.attributes.add("noinline")
    starts, ends, n, m = made.args
    entry, outer, inner, again, following, yes, no = (made.append_basic_block() for _ in range(7))
    b = ir.IRBuilder(entry)
    b.branch(outer)

    def range_at(i: ir.Value) -> Range:
        start, end = (b.load(_place(b, table, i), typ=POINTER) for table in (starts, ends))
        return start, end

    b.position_at_end(outer)
    i = b.phi(INDEX)
    x, second = range_at(i), b.add(i, index(1))
    b.cbranch(b.icmp_unsigned("<", second, m), inner, following)
    b.position_at_end(inner)
    j = b.phi(INDEX)
    b.cbranch(_apart(b, x, range_at(j)), again, no)
    b.position_at_end(again)
    next_j = b.add(j, index(1))
    b.cbranch(b.icmp_unsigned("<", next_j, m), inner, following)
    b.position_at_end(following)
    b.cbranch(b.icmp_unsigned("<", second, n), outer, yes)
    for phi, incoming in ((i, ((index(0), entry), (second, following))), (j, ((second, outer), (next_j, again)))):
        for value, block in incoming:
            phi.add_incoming(value, block)
    for block, answer in ((yes, _TRUE), (no, _FALSE)):
        ir.IRBuilder(block).ret(answer)
    return made
