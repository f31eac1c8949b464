"""Matrices of few rows: their factors and triangular equations, written out for elements in registers.

A call of LAPACK takes longer than the arithmetic on so few numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from .types import index, intrinsic

_FEW = 4
_FUSED = ("contract",)

Elements = Sequence[Sequence[ir.Value]]


def is_few(*sizes: Any) -> bool:
    """Whether a matrix of such sizes is written out."""
    return all(isinstance(n, int) and n <= _FEW for n in sizes)


def lu(builder: ir.IRBuilder, x: Elements) -> tuple[Elements, list[ir.Value]]:
    """The factors of a matrix, L below the diagonal and U on and above it, and the numbers of its rows in their order.

    As in LAPACK, each step exchanges two rows: its own, and the first one with the largest element below the diagonal.
    """
    b, rows, order = builder, [list(row) for row in x], [index(i) for i in range(len(x))]
    for k in range(min(len(x), len(x[0]))):
        largest, pivot = _size(b, rows[k][k]), index(k)
        for i in range(k + 1, len(x)):
            size = _size(b, rows[i][k])
            larger = b.fcmp_ordered(">", size, largest)
            largest, pivot = b.select(larger, size, largest), b.select(larger, index(i), pivot)
        for i in range(k + 1, len(x)):
            chosen = b.icmp_signed("==", pivot, index(i))
            rows[k], rows[i] = _exchanged(b, chosen, rows[k], rows[i])
            order[k], order[i] = (values[0] for values in _exchanged(b, chosen, order[k : k + 1], order[i : i + 1]))
        zero = b.fcmp_ordered("==", rows[k][k], ir.Constant(rows[k][k].type, 0))
        for row in rows[k + 1 :]:
            # A pivot of zero makes factors all the same: below it stand zeros alone.
            row[k] = b.select(zero, row[k], b.fdiv(row[k], rows[k][k]))
            row[k + 1 :] = [_less(b, y, row[k], z) for y, z in zip(row[k + 1 :], rows[k][k + 1 :], strict=True)]
    return rows, order


def cholesky(builder: ir.IRBuilder, x: Elements) -> tuple[Elements, ir.Value]:
    """The lower factor of a symmetric matrix, of which the lower triangle is read, and whether there is none."""
    b, rows = builder, [list(row) for row in x]
    wrong: ir.Value = ir.Constant(ir.IntType(1), 0)
    for j, pivot in enumerate(rows):
        for y in pivot[:j]:
            pivot[j] = _less(b, pivot[j], y, y)
        zero = ir.Constant(pivot[j].type, 0)
        wrong = b.or_(wrong, b.fcmp_unordered("<=", pivot[j], zero))
        pivot[j] = intrinsic(b, "llvm.sqrt", pivot[j])
        pivot[j + 1 :] = [zero] * (len(x) - j - 1)
        for row in rows[j + 1 :]:
            for y, z in zip(row[:j], pivot[:j], strict=True):
                row[j] = _less(b, row[j], y, z)
            row[j] = b.fdiv(row[j], pivot[j])
    return rows, wrong


def substituted(builder: ir.IRBuilder, x: Elements, ys: Sequence[ir.Value], lower: bool, unit: bool) -> list[ir.Value]:
    """The solution of triangular equations with the right side `ys`; with `unit` the diagonal counts as ones."""
    found = list(ys)
    n = len(found)
    for i in range(n) if lower else reversed(range(n)):
        for j in range(i) if lower else range(i + 1, n):
            found[i] = _less(builder, found[i], x[i][j], found[j])
        if not unit:
            found[i] = builder.fdiv(found[i], x[i][i])
    return found


def _size(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    return intrinsic(builder, "llvm.fabs", x)


def _less(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """`x - y * z`."""
    return builder.fsub(x, builder.fmul(y, z, flags=_FUSED), flags=_FUSED)


def _exchanged(
    builder: ir.IRBuilder, chosen: ir.Value, x: Sequence[ir.Value], y: Sequence[ir.Value]
) -> tuple[list[ir.Value], list[ir.Value]]:
    """Two rows, exchanged where they are `chosen`."""
    first = [builder.select(chosen, b, a) for a, b in zip(x, y, strict=True)]
    second = [builder.select(chosen, a, b) for a, b in zip(x, y, strict=True)]
    return first, second
