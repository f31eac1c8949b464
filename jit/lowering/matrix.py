"""Matrix products: which of them BLAS computes, which are tiles or loops, and which views BLAS can read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autograd.lengths import is_length, is_long
from autograd.primitive import Shape

from ..target import vector_bytes

Strides = tuple[int, ...]

# Up to so many multiplications loops are faster than BLAS; up to so many, 64 ** 3, tiles of vector registers.
_FEW, _MANY = 512, 262_144
# With the vectors of AVX-512 tiles take half the time of BLAS, and up to so many multiplications at least no more, if
# threads can share rows; a quarter as many where both factors are read along the terms of the sums.
_MOST = 2**26
#: The most rows of a tile.
TALLEST = 8
# Of a matrix `y` of more bytes the columns that a tile reads are copied side by side, if they have at most so many
# rows: they lie far apart, in a slower cache.
_NEAR, _COPIED = 512 * 1024, 2048
#: For so many rows of `x` that is worth while.
ENOUGH = 64
#: The letter by which BLAS calls a dtype.
PREFIX = {"float64": "d", "float32": "s"}


class Matrix(NamedTuple):
    """A matrix as BLAS wants it, column by column: whether to transpose it, and the stride between columns."""

    flag: str
    leading: int


class Product(NamedTuple):
    """`out = x @ y` for matrices of shapes `(m, k)` and `(k, n)`, with the strides of each, in elements.

    `stacked`, whether it is one of several.
    """

    m: int
    n: int
    k: int
    x: Strides
    y: Strides
    out: Strides
    dtype: np.dtype[Any]
    stacked: bool = False

    @property
    def transposed(self) -> Product:
        """The product of the transposes in the other order, whose result is the transpose."""
        return Product(self.n, self.m, self.k, self.y[::-1], self.x[::-1], self.out[::-1], self.dtype, self.stacked)

    @property
    def is_outer(self) -> bool:
        """Whether rows of `y` and of the result lie in memory as vectors; a length of 0 stands for any."""
        return self.n != 1 and self.y[1] == 1 == self.out[1]

    @property
    def has_far_columns(self) -> bool:
        """Whether the columns of `y` that a tile reads are best copied side by side, if `x` has enough rows."""
        if not self.is_outer or is_length(self.n) or is_length(self.k):
            return False
        return self.n * self.k * self.dtype.itemsize > _NEAR and self.k <= _COPIED

    @property
    def is_inner(self) -> bool:
        """Whether rows of `x` and columns of `y` lie in memory as vectors."""
        return self.k > 1 and self.x[1] == 1 == self.y[0]


def product_of(x: Shape, y: Shape, strides: tuple[Strides, Strides, Strides], dtype: np.dtype[Any]) -> Product:
    """The product of the matrices in two stacks of them, or of vectors: a row on the left, a column on the right.

    **Arguments:** the shapes of the factors; the strides of both and of the result; the dtype of the result.
    """
    left, right, out = strides
    rows, columns = len(x) > 1, len(y) > 1
    last = out[len(out) - rows - columns :]
    return Product(
        x[-2] if rows else 1,
        y[-1] if columns else 1,
        x[-1],
        left[-2:] if rows else (0, *left),
        right[-2:] if columns else (*right, 0),
        (last[0] if rows else 0, last[-1] if columns else 0),
        dtype,
        len(x) > 2 or len(y) > 2,
    )


def by_tiles(it: Product) -> bool:
    """Whether tiles compute the product: one with a vector is never faster by BLAS, one of matrices if it is large."""
    is_outer = it.is_outer or it.transposed.is_outer
    if it.dtype.name not in PREFIX or not (is_outer or it.is_inner):
        return False
    if it.m == 1 or it.n == 1 or it.m * it.n * it.k <= _MANY:
        return True
    shared = vector_bytes() == 64 and is_long(it.m, ENOUGH) and not it.stacked
    return shared and it.m * it.n * it.k <= (_MOST if is_outer else _MOST // 4)


def by_blas(it: Product) -> bool:
    """Whether BLAS computes the product, by itself or from copies that it can read."""
    return it.dtype.name in PREFIX and is_long(it.m * it.n * it.k, _FEW + 1) and not by_tiles(it)


def as_matrix(shape: Shape, strides: Strides) -> Matrix | None:
    """How BLAS reads the transpose of a row-major matrix; `None` if it cannot without a copy."""
    (rows, columns), (row, column) = shape, strides
    if (column == 1 or columns == 1) and (row >= columns or rows == 1):
        return Matrix("N", max(row, columns, 1))
    if (row == 1 or rows == 1) and (column >= rows or columns == 1):
        return Matrix("T", max(column, rows, 1))
    return None
