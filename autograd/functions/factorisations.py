"""Factorisations of matrices: Cholesky, QR, LU, singular values and eigenvalues.

Everything takes stacks of matrices: arrays of two axes at least, of which the last two are the rows and columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..ops.linalg import column, columns, permutation, rows, stack_positions
from .arguments import as_array, reshaped
from .movement import matrix_transpose
from .selecting import tril, triu


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangular matrix."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """Left vectors as columns, singular values, right vectors as rows."""

    U: Any
    S: Any
    Vh: Any


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Eigenvalues in ascending order and their vectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class LUResult(NamedTuple):
    """A permutation matrix, a unit lower triangular and an upper triangular one."""

    P: Any
    L: Any
    U: Any


# ---- what is given ----


def matrices(name: str, x: Any, complex: bool = False) -> Any:
    """`x` as matrices of floating-point numbers, or `complex` ones too.

    **Errors:** `ValueError` for fewer than two axes; `TypeError` for other numbers.
    """
    x = as_array(x)
    x = x if complex and x.dtype in ops.REAL_OF else floating(name, x)
    if len(x.shape) < 2:
        raise ValueError(f"`{name}` needs a matrix or a stack of them, got shape {x.shape}; reshape it to two axes")
    return x


def floating(name: str, x: Any) -> Any:
    """`x` in a dtype of real numbers that LAPACK computes with: integers become float64."""
    if x.dtype.kind in "iub":
        return ops.astype(x, dtype=np.dtype(np.float64))
    if x.dtype not in (np.float64, np.float32):
        raise TypeError(f"`{name}` needs float64 or float32, got {x.dtype.name}; convert it with `astype`")
    return x


def square(name: str, x: Any, complex: bool = False) -> Any:
    """`x` as square matrices."""
    x = matrices(name, x, complex)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(f"`{name}` needs square matrices, got shape {x.shape}; for others take `lstsq` or `pinv`")
    return x


# ---- the factorisations ----


def cholesky(x: Any, *, upper: bool = False) -> Any:
    """The triangular `L` with `x = L @ L.T`, for symmetric positive definite matrices.

    Only the lower triangle of `x` is read. The gradient is symmetric, as in PyTorch: that of a function of symmetric
    matrices, with half of what belongs to a pair of elements in each of them.

    **Arguments:** `x`; `upper`, whether the transpose of `L` is returned, and the upper triangle read.

    **Errors:** `LinAlgError` for a matrix that is not positive definite.

    >>> import autograd as ag
    >>> ag.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]])
    array([[2., 0.],
           [1., 2.]])
    """
    x = square("cholesky", x)
    return matrix_transpose(ops.cholesky(matrix_transpose(x))) if upper else ops.cholesky(x)


def qr(x: Any, mode: str = "reduced") -> Any:
    """Orthonormal columns `Q` and an upper triangular `R` with `x = Q @ R`.

    **Arguments:** `x`; `mode`, `"reduced"`, or `"r"` for `R` alone.

    **Returns:** `Q` of shape `(..., m, k)` and `R` of shape `(..., k, n)`, where `k` is the shorter side of `x`.

    **Errors:** `LinAlgError` in the backward pass where the first `k` columns are linearly dependent.

    >>> import autograd as ag
    >>> q, r = ag.linalg.qr([[3.0, 1.0], [4.0, 2.0]])
    >>> (q @ r).round(12)
    array([[3., 1.],
           [4., 2.]])
    """
    if mode not in ("reduced", "r"):
        raise ValueError(f'`qr` needs a mode of "reduced" or "r", got {mode!r}; the rest of a full basis is arbitrary')
    x = matrices("qr", x)
    m, n = x.shape[-2:]
    k = min(m, n)
    packed = ops.qr(columns(x, 0, k) if n > k else x)
    q, r = matrix_transpose(columns(packed, 0, m)), columns(packed, m, k)
    if n > k:
        rest = ops.matmul(matrix_transpose(q), columns(x, k, n - k))
        r = ops.concatenate(r, rest, axis=len(x.shape) - 1)
    return r if mode == "r" else QRResult(q, r)


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition `x = U @ diag(S) @ Vh`.

    The vectors of equal singular values are arbitrary, and have no derivative: a gradient that depends on them is
    infinite or NaN. One of the values alone is finite. With vectors of a value of zero it is the same.

    **Arguments:** `x`, of shape `(..., m, n)`; `full_matrices`, to be `False` unless `m == n`; `compute_uv`, whether
    the vectors are returned too.

    **Returns:** `U` of shape `(..., m, k)`, `S` in descending order, and `Vh` of shape `(..., k, n)`.

    **Errors:** `ValueError` for `full_matrices=True` where that adds vectors; `LinAlgError` where the iteration does
    not converge, as for NaN.

    >>> import autograd as ag
    >>> ag.linalg.svd([[0.0, 2.0], [3.0, 0.0]], full_matrices=False).S.round(12)
    array([3., 2.])
    """
    x = matrices("svd", x)
    m, n = x.shape[-2:]
    packed = ops.svd(x)
    if not compute_uv:
        return column(packed, 0)
    if full_matrices and m != n:
        raise ValueError(
            f"`svd` needs `full_matrices=False` for shape {x.shape}: the other vectors of a full basis are arbitrary "
            "and have no derivative"
        )
    return SVDResult(matrix_transpose(columns(packed, 1, m)), column(packed, 0), columns(packed, 1 + m, n))


def svdvals(x: Any) -> Any:
    """The singular values in descending order.

    >>> import autograd as ag
    >>> ag.linalg.svdvals([[0.0, 2.0], [3.0, 0.0]]).round(12)
    array([3., 2.])
    """
    return svd(x, compute_uv=False)


def eigh(x: Any, UPLO: str = "L") -> EighResult:
    """The eigenvalues and eigenvectors of symmetric matrices.

    Only one triangle of `x` is read, and the gradient is symmetric, as for `cholesky`. The vectors of equal
    eigenvalues are arbitrary, and have no derivative: a gradient that depends on them is infinite or NaN.

    **Arguments:** `x`; `UPLO`, which triangle is read, `"L"` or `"U"`.

    **Returns:** `eigenvalues` in ascending order, and `eigenvectors`, in the columns of a matrix.

    >>> import autograd as ag
    >>> ag.linalg.eigh([[2.0, 0.0], [0.0, 1.0]]).eigenvalues
    array([1., 2.])
    """
    packed = _eigh("eigh", x, UPLO)
    return EighResult(column(packed, 0), matrix_transpose(columns(packed, 1, packed.shape[-2])))


def eigvalsh(x: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices in ascending order; arguments as for `eigh`.

    Where some are equal, the gradient is that along the vectors which happen to be chosen.

    >>> import autograd as ag
    >>> ag.linalg.eigvalsh([[2.0, 0.0], [0.0, 1.0]])
    array([1., 2.])
    """
    return column(_eigh("eigvalsh", x, UPLO), 0)


def _eigh(name: str, x: Any, triangle: str) -> Any:
    if triangle not in ("L", "U"):
        raise ValueError(f'`{name}` needs `UPLO` to be "L" or "U", got {triangle!r}')
    x = square(name, x)
    return ops.eigh(matrix_transpose(x) if triangle == "U" else x)


def eig(x: Any) -> EigResult:
    """The eigenvalues and eigenvectors of square matrices, complex also where all of them happen to be real.

    The vectors have length one, and their largest elements are real, as in LAPACK; a gradient may depend on that. Those
    of equal eigenvalues are arbitrary, and have no derivative: a gradient that depends on them is infinite or NaN.

    **Arguments:** `x`, real or complex.

    **Returns:** `eigenvalues` in LAPACK's order, and `eigenvectors`, in the columns of a matrix.

    >>> import autograd as ag
    >>> ag.linalg.eig([[0.0, 1.0], [-1.0, 0.0]]).eigenvalues
    array([0.+1.j, 0.-1.j])
    """
    packed = ops.eig(square("eig", x, complex=True))
    return EigResult(column(packed, 0), matrix_transpose(columns(packed, 1, packed.shape[-2])))


def eigvals(x: Any) -> Any:
    """The complex eigenvalues of square matrices, as those of `eig`.

    Their gradient is infinite or NaN where a matrix has too few eigenvectors.

    >>> import autograd as ag
    >>> ag.linalg.eigvals([[0.0, 1.0], [-1.0, 0.0]])
    array([0.+1.j, 0.-1.j])
    """
    return column(ops.eig(square("eigvals", x, complex=True)), 0)


def lu(x: Any) -> LUResult:
    """The factors of `x = P @ L @ U`, with rows exchanged for the largest pivots; `P` has no gradient.

    **Arguments:** `x`, of shape `(..., m, n)`.

    **Returns:** `P` of shape `(..., m, m)`, `L` of `(..., m, k)` with ones on the diagonal, `U` of `(..., k, n)`.

    **Errors:** `LinAlgError` in the backward pass where a pivot is zero.

    >>> import autograd as ag
    >>> ag.linalg.lu([[1.0, 2.0], [2.0, 6.0]]).U
    array([[ 2.,  6.],
           [ 0., -1.]])
    """
    x = matrices("lu", x)
    m, n = x.shape[-2:]
    k = min(m, n)
    factors = ops.lu(columns(x, 0, k) if n > k else x)
    order, both = permutation(factors), columns(factors, 0, k)
    positions = np.arange(m)[:, None]
    p = ops.astype(ops.equal(positions, reshaped(order, (*order.shape[:-1], 1, m))), dtype=x.dtype)
    left, right = ops.add(tril(both, -1), np.eye(m, k, dtype=x.dtype)), triu(rows(both, 0, k))
    if n > k:
        rest = ops.gather(columns(x, k, n - k), *stack_positions(x.shape[:-1]), order)
        rest = ops.solve_triangular(both, rest, lower=True, transpose=False, unit=True)
        right = ops.concatenate(right, rest, axis=len(x.shape) - 1)
    return LUResult(p, left, right)
