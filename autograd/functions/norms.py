"""Norms of vectors and matrices, ranks, powers, exponentials and products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..ops.linalg import column
from .arguments import Axis, as_array, axes_of, axis_of, expanded, reshaped, transposed
from .complexes import real, squared_size
from .equations import cutoff, inv, rank_of, solve
from .factorisations import floating, matrices, square, svdvals

# ---- norms ----

_ORDERS = ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The norm of vectors or matrices.

    **Arguments:** `x`; `ord`, for vectors any number: 2 unless said, `inf` and `-inf` for the largest and the smallest
    absolute value, 0 for the number of elements that are not zero; for matrices `"fro"` (the default), `"nuc"`, the sum
    of the singular values, 2 and -2, the largest and the smallest of them, 1 and -1, `inf` and `-inf`, the largest and
    the smallest sum of absolute values in a column and in a row; `axis`, one axis for vectors, two for matrices, and
    `None` for a vector or a matrix as a whole, or all elements where `ord` is `None`; `keepdims`.

    **Returns:** an array without these axes. Where all elements are zero, the gradient of `"fro"` and of the vector
    norms of an order of 1 or more is zero; below that order it is NaN at zeros, where the slope is infinite.

    **Errors:** `ValueError` for an order that there is not.

    >>> import autograd as ag
    >>> float(ag.linalg.norm([3.0, 4.0]))
    5.0
    """
    x = as_array(x)
    x = x if x.dtype.kind == "c" else floating("norm", x)
    ndim = len(x.shape)
    if axis is None and ord is None:
        return _vector_norm(x, 2, axes_of("norm", None, ndim), keepdims)
    if axis is None and ndim not in (1, 2):
        raise ValueError(
            f"`norm` with an order needs a vector, a matrix or `axis`, got shape {x.shape} and ord={ord!r}"
        )
    axes = [
        axis_of("norm", i, ndim)
        for i in (range(ndim) if axis is None else axis if isinstance(axis, Sequence) else (axis,))
    ]
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, tuple(axes), keepdims)
    if len(set(axes)) != 2 or len(axes) != 2:
        raise ValueError(f"`norm` needs one axis, or two different ones, got axis={axis!r} for shape {x.shape}")
    ord = "fro" if ord is None else ord
    if ord not in _ORDERS:
        raise ValueError(f"`norm` of matrices needs an order among {_ORDERS}, got {ord!r}; for vectors give one axis")
    kept = [i for i in range(ndim) if i not in axes]
    out = _matrix_norm(transposed(x, [*kept, *axes]), ord)
    return reshaped(out, tuple([1 if i in axes else n for i, n in enumerate(x.shape)])) if keepdims else out


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if not isinstance(ord, int | float | np.number):
        raise ValueError(f"`norm` of vectors needs a number for the order, got {ord!r}; for matrices give two axes")
    given = {"axis": axes, "keepdims": keepdims}
    if ord == 0:
        return ops.astype(ops.sum(ops.not_equal(x, 0), **given), dtype=real(x).dtype)
    if ord == 2:
        return _root(ops.sum(squared_size(x), **given), 0.5)
    sizes = ops.abs(x)
    if np.isinf(ord):
        return (ops.max if ord > 0 else ops.min)(sizes, **given)
    if ord == 1:
        return ops.sum(sizes, **given)
    return _root(ops.sum(ops.pow(sizes, float(ord)), **given), 1 / float(ord))


def _root(total: Any, power: float) -> Any:
    """A root that has no slope at zero, where a norm has none, or all of them."""
    if power < 0:
        return ops.pow(total, power)
    zero = ops.equal(total, 0)
    inner = ops.where(zero, 1, total)
    return ops.where(zero, 0, ops.sqrt(inner) if power == 0.5 else ops.pow(inner, power))


def _matrix_norm(x: Any, ord: Any) -> Any:
    last = len(x.shape) - 1
    if ord == "fro":
        return _vector_norm(x, 2, (last - 1, last), False)
    if ord == "nuc":
        return ops.sum(svdvals(x), axis=(last - 1,), keepdims=False)
    if ord in (2, -2):
        return column(svdvals(x), 0 if ord == 2 else min(x.shape[-2:]) - 1)
    summed = last - 1 if abs(ord) == 1 else last
    sums = ops.sum(ops.abs(x), axis=(summed,), keepdims=False)
    return (ops.max if ord > 0 else ops.min)(sums, axis=(last - 1,), keepdims=False)


def cond(x: Any, p: Any = None) -> Any:
    """The condition number of matrices: the norm of each times the norm of its inverse.

    **Arguments:** `x`; `p`, an order of `norm` for matrices; by default 2, the largest over the smallest singular
    value, which also matrices that are not square have.

    >>> import autograd as ag
    >>> float(ag.linalg.cond([[2.0, 0.0], [0.0, 4.0]]).round(12))
    2.0
    """
    x = matrices("cond", x)
    if p in (None, 2, -2):
        values = svdvals(x)
        first, last = column(values, 0), column(values, values.shape[-1] - 1)
        return ops.div(last, first) if p == -2 else ops.div(first, last)
    x = square("cond", x)
    return ops.mul(norm(x, p, (-2, -1)), norm(inv(x), p, (-2, -1)))


def matrix_rank(x: Any, tol: float | None = None, rtol: float | None = None) -> Any:
    """The number of singular values that count as more than zero; it has no gradient.

    **Arguments:** `x`; `tol`, the largest value that counts as zero; or `rtol`, the same over the largest value: by
    default the larger side of the matrix times the precision of its dtype.

    >>> import autograd as ag
    >>> int(ag.linalg.matrix_rank([[1.0, 1.0], [1.0, 1.0]]))
    1
    """
    x = matrices("matrix_rank", x)
    values = svdvals(ops.stop_gradient(x))
    if tol is not None:
        return ops.sum(ops.greater(values, tol), axis=(len(values.shape) - 1,), keepdims=False)
    return rank_of(values, cutoff(x) if rtol is None else rtol)


# ---- the exponential ----

# Padé's approximant of degree 13, exact to the last digit of float64 in value and derivative up to that 1-norm.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_LARGEST = 4.74


def expm(x: Any) -> Any:
    """The exponential of square matrices: the sum of `matrix_power(x, n) / n!`.

    By scaling and squaring (Higham, "The scaling and squaring method for the matrix exponential revisited", 2005;
    Al-Mohy and Higham 2009 for the derivative). How often it squares, Python decides on the largest 1-norm: compiled,
    that is a guard.

    >>> import autograd as ag
    >>> ag.linalg.expm([[0.0, 1.0], [0.0, 0.0]])
    array([[1., 1.],
           [0., 1.]])
    """
    x = square("expm", x)
    n = x.shape[-1]
    if not x.size:
        return x
    squarings = _squarings(ops.stop_gradient(x))
    x = ops.mul(x, 0.5**squarings)
    one = np.eye(n, dtype=x.dtype)
    x2 = ops.matmul(x, x)
    x4 = ops.matmul(x2, x2)
    x6 = ops.matmul(x4, x2)
    b = _PADE
    high = ops.matmul(x6, b[13] * x6 + b[11] * x4 + b[9] * x2)
    odd = ops.matmul(x, high + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one)
    even = ops.matmul(x6, b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    out = solve(even - odd, even + odd)
    for _ in range(squarings):
        out = ops.matmul(out, out)
    return out


def _squarings(x: Any) -> int:
    sums = ops.sum(ops.abs(x), axis=(len(x.shape) - 2,), keepdims=False)
    largest = ops.max(sums, axis=tuple(range(len(sums.shape))), keepdims=False)
    # NaN and infinity need none: they are in every element afterwards.
    ratio = ops.where(ops.isfinite(largest), ops.maximum(ops.div(largest, _LARGEST), 1), 1)
    return int(ops.ceil(ops.log2(ratio)))


# ---- powers and products ----


def matrix_power(x: Any, n: int) -> Any:
    """The product of `n` copies of square matrices; of the inverse for negative `n`, and the identity for 0.

    >>> import autograd as ag
    >>> ag.linalg.matrix_power([[1.0, 1.0], [0.0, 1.0]], 3)
    array([[1., 3.],
           [0., 1.]])
    """
    x = square("matrix_power", x)
    if not isinstance(n, int | np.integer):
        raise TypeError(f"`matrix_power` needs an integer for the power, got {n!r}")
    if n < 0:
        x, n = inv(x), -n
    out = None
    while n:
        n, odd = divmod(n, 2)
        if odd:
            out = x if out is None else ops.matmul(out, x)
        x = ops.matmul(x, x) if n else x
    return expanded(np.eye(x.shape[-1], dtype=x.dtype), x.shape) if out is None else out


def kron(x: Any, y: Any) -> Any:
    """The Kronecker product: each element of `x` times all of `y`.

    >>> import autograd as ag
    >>> ag.linalg.kron([[1, 2]], [[1], [10]])
    array([[ 1,  2],
           [10, 20]])
    """
    x, y = as_array(x), as_array(y)
    ndim = max(len(x.shape), len(y.shape))
    first, second = [(1,) * (ndim - len(a.shape)) + tuple(a.shape) for a in (x, y)]
    apart = [
        [n for pair in zip(a, b, strict=True) for n in pair] for a, b in ((first, (1,) * ndim), ((1,) * ndim, second))
    ]
    product = ops.mul(reshaped(x, tuple(apart[0])), reshaped(y, tuple(apart[1])))
    return reshaped(product, tuple([n * m for n, m in zip(first, second, strict=True)]))


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of a chain of matrices, in the order that needs the fewest multiplications.

    **Arguments:** `arrays`, two at least; the first and the last may be vectors.

    >>> import autograd as ag
    >>> float(ag.linalg.multi_dot([[1.0, 2.0], [[1.0, 0.0], [0.0, 3.0]], [1.0, 1.0]]))
    7.0
    """
    xs = [as_array(x) for x in arrays]
    ranks = [len(x.shape) for x in xs]
    if len(xs) < 2 or any(r != 2 for r in ranks[1:-1]) or not {ranks[0], ranks[-1]} <= {1, 2}:
        shapes = " and ".join(str(x.shape) for x in xs) or "none"
        raise ValueError(f"`multi_dot` needs two matrices at least, vectors only at the ends, got {shapes}")
    sizes = [x.shape[0] if len(x.shape) == 2 or i else 1 for i, x in enumerate(xs)]
    sizes.append(xs[-1].shape[1] if ranks[-1] == 2 else 1)
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(xs))}
    for width in range(1, len(xs)):
        for i in range(len(xs) - width):
            j = i + width
            best[i, j] = min(
                (best[i, s][0] + best[s + 1, j][0] + sizes[i] * sizes[s + 1] * sizes[j + 1], s) for s in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        s = best[i, j][1]
        return xs[i] if i == j else ops.matmul(product(i, s), product(s + 1, j))

    return product(0, len(xs) - 1)
