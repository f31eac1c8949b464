"""Matrix products: which of them BLAS computes, and which views it can read."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from autograd.primitive import Aval, Shape

# Below this many multiplications a call of BLAS costs more than the loops.
SMALL = 512
#: The letter by which BLAS calls a dtype.
PREFIX = {"float64": "d", "float32": "s"}


class Matrix(NamedTuple):
    """A matrix as BLAS wants it, column by column: whether to transpose it, and the stride between columns."""

    flag: str
    leading: int


def as_matrix(shape: Shape, strides: tuple[int, ...]) -> Matrix | None:
    """How BLAS reads the transpose of a row-major matrix; `None` if it cannot without a copy."""
    (rows, columns), (row, column) = shape[-2:], strides[-2:]
    if (column == 1 or columns == 1) and (row >= columns or rows == 1):
        return Matrix("N", max(row, columns, 1))
    if (row == 1 or rows == 1) and (column >= rows or columns == 1):
        return Matrix("T", max(column, rows, 1))
    return None


def is_readable(shape: Shape, strides: tuple[int, ...]) -> bool:
    """Whether BLAS can read that view in place."""
    if len(shape) == 1:
        return strides[0] > 0
    return as_matrix(shape, strides) is not None


def by_blas(x: Shape, y: Shape, out: Aval) -> bool:
    """Whether BLAS computes the product of arrays of those shapes; any other one is loops, which read every view."""
    if out.dtype.name not in PREFIX or len(x) == len(y) == 1:
        return False
    rows = x[-2] if len(x) > 1 else 1
    columns = y[-1] if len(y) > 1 else 1
    return prod((rows, columns, x[-1])) > SMALL
