"""Equations: their solutions, inverses and determinants."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..ops.linalg import column, columns, permutation
from .arguments import as_array, expanded, reshaped
from .factorisations import floating, matrices, square, svdvals
from .movement import moveaxis
from .selecting import diagonal, tril


class SlogdetResult(NamedTuple):
    """The sign of a determinant and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


class LstsqResult(NamedTuple):
    """The solution of least squares, the squared residuals, the rank and the singular values."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


# ---- equations ----


def _equation(name: str, x: Any, y: Any, solve: Any, complex: bool = False) -> Any:
    """`solve(x, y)` for matrices `x` that broadcast with `y`, which is one vector or matrices."""
    x, y = square(name, x, complex), as_array(y)
    y = y if complex and y.dtype.kind == "c" else floating(name, y)
    n = x.shape[-1]
    if not y.shape or y.shape[-1 if len(y.shape) == 1 else -2] != n:
        raise ValueError(
            f"`{name}` needs a right side of {n} rows for matrices of shape {x.shape}, got shape {y.shape}; a stack "
            "of vectors has to be one of columns, `y[..., None]`"
        )
    x, y = _alike(x, y)
    if len(y.shape) == 1:
        out = _equation(name, x, reshaped(y, (n, 1)), solve, complex)
        return reshaped(out, out.shape[:-1])
    if len(x.shape) == 2 < len(y.shape):
        # One matrix for a stack of right sides, which are its columns.
        wide = moveaxis(y, -2, 0)
        return moveaxis(reshaped(solve(x, reshaped(wide, (n, y.size // n if n else 0))), wide.shape), 0, -2)
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return solve(expanded(x, (*batch, n, n)), expanded(y, (*batch, *y.shape[-2:])))


def _alike(x: Any, y: Any) -> list[Any]:
    """Both in the dtype that holds both."""
    dtype = np.result_type(x.dtype, y.dtype)
    return [a if a.dtype == dtype else ops.astype(a, dtype=dtype) for a in (x, y)]


def solve(x: Any, y: Any) -> Any:
    """The solution `z` of the equations `x @ z = y`.

    **Arguments:** `x`, square matrices, real or complex; `y`, one vector or matrices whose columns are the right sides;
    the leading axes broadcast.

    **Returns:** an array of the shape of `y`, broadcast.

    **Errors:** `LinAlgError`, a `ValueError`, for a singular matrix; `ValueError` for shapes that do not fit.

    >>> import autograd as ag
    >>> ag.linalg.solve([[2.0, 0.0], [1.0, 4.0]], [2.0, 5.0])
    array([1., 1.])
    """
    return _equation("solve", x, y, lambda x, y: ops.solve(x, y, transpose=False), complex=True)


def solve_triangular(x: Any, y: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    """The solution `z` of `x @ z = y` for triangular matrices.

    **Arguments:** `x` and `y` as for `solve`; `trans`, 1 or `"T"` for the equations of the transpose of `x`; `lower`,
    whether the lower triangle is read and not the upper one; `unit_diagonal`, whether the diagonal is taken to be ones.
    What is not read has a gradient of zero.

    **Errors:** `LinAlgError` for a zero on the diagonal.

    >>> import autograd as ag
    >>> ag.linalg.solve_triangular([[2.0, 0.0], [1.0, 4.0]], [2.0, 5.0], lower=True)
    array([1., 1.])
    """
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f'`solve_triangular` needs `trans` to be 0, 1, "N" or "T", got {trans!r}')
    params = {"lower": bool(lower), "transpose": trans in (1, "T"), "unit": bool(unit_diagonal)}
    return _equation("solve_triangular", x, y, lambda x, y: ops.solve_triangular(x, y, **params))


def cholesky_solve(y: Any, factor: Any, upper: bool = False) -> Any:
    """The solution `z` of `x @ z = y` from the Cholesky factor of `x`.

    **Arguments:** `y`, as for `solve`; `factor`, what `cholesky` returns; `upper`, whether that is an upper triangle.

    >>> import autograd as ag
    >>> factor = ag.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]])
    >>> ag.linalg.cholesky_solve([6.0, 7.0], factor)
    array([1., 1.])
    """
    first = solve_triangular(factor, y, trans=int(upper), lower=not upper)
    return solve_triangular(factor, first, trans=int(not upper), lower=not upper)


def inv(x: Any) -> Any:
    """The inverse of square matrices; `solve` is faster and more exact where it is multiplied with something.

    **Errors:** `LinAlgError` for a singular matrix.

    >>> import autograd as ag
    >>> ag.linalg.inv([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    x = square("inv", x, complex=True)
    return solve(x, expanded(np.eye(x.shape[-1], dtype=x.dtype), x.shape))


def pinv(x: Any, rcond: float | None = None) -> Any:
    """The pseudoinverse of matrices of any shape and rank.

    The gradient is that for matrices of the same rank (Golub and Pereyra 1973).

    **Arguments:** `x`; `rcond`, singular values below `rcond` times the largest one count as zeros: by default the
    larger side of the matrix times the precision of its dtype.

    >>> import autograd as ag
    >>> ag.linalg.pinv([[2.0, 0.0], [0.0, 0.0]])
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    x = matrices("pinv", x)
    return ops.pinv(x, rcond=cutoff(x) if rcond is None else float(rcond))


def lstsq(x: Any, y: Any, rcond: float | None = None) -> LstsqResult:
    """The least squares solution `z` of `x @ z = y`, the shortest one of several.

    **Arguments:** `x`, matrices; `y`, one vector or matrices; `rcond` as for `pinv`.

    **Returns:** `solution`; `residuals`, the sums of squared residuals of each column where there are more equations
    than unknowns, otherwise an empty array; `rank` and `singular_values` of `x`. The gradient is that of full rank.

    >>> import autograd as ag
    >>> ag.linalg.lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0]).solution.round(12)
    array([1., 2.])
    """
    x, y = matrices("lstsq", x), floating("lstsq", as_array(y))
    m, n = x.shape[-2:]
    if not y.shape or y.shape[-1 if len(y.shape) == 1 else -2] != m:
        raise ValueError(f"`lstsq` needs a right side of {m} rows for matrices of shape {x.shape}, got shape {y.shape}")
    x, y = _alike(x, y)
    solution = ops.matmul(pinv(x, rcond), y)
    residuals: Any = np.zeros(0, solution.dtype)
    if m > n:
        error = ops.square(ops.sub(ops.matmul(x, solution), y))
        residuals = ops.sum(error, axis=(max(len(error.shape) - 2, 0),), keepdims=len(y.shape) == 1)
    values = svdvals(x)
    return LstsqResult(solution, residuals, rank_of(values, cutoff(x) if rcond is None else rcond), values)


def cutoff(x: Any) -> float:
    """The part of the largest singular value below which others count as zeros."""
    return max(x.shape[-2:]) * float(np.finfo(x.dtype).eps)


def rank_of(values: Any, rcond: float) -> Any:
    """How many of the singular values are larger than `rcond` times the first."""
    last = len(values.shape) - 1
    if not values.shape[-1]:
        return np.zeros(values.shape[:-1], np.intp)
    largest = column(values, 0)
    above = ops.greater(values, ops.mul(reshaped(largest, (*largest.shape, 1)), rcond))
    return ops.sum(above, axis=(last,), keepdims=False)


# ---- determinants ----


def det(x: Any) -> Any:
    """The determinant of square matrices; its gradient is `det(x) * inv(x).T`.

    **Errors:** `LinAlgError` in the backward pass of a singular matrix.

    >>> import autograd as ag
    >>> float(ag.linalg.det([[0.0, 2.0], [3.0, 4.0]]))
    -6.0
    """
    sign, values = _pivots("det", x)
    return ops.mul(sign, ops.prod(values, axis=(len(values.shape) - 1,), keepdims=False))


def slogdet(x: Any) -> SlogdetResult:
    """The sign of the determinant and the logarithm of its absolute value, which does not overflow.

    **Returns:** `sign` and `logabsdet`: 0 and `-inf` for a singular matrix. The gradient of the second is `inv(x).T`.

    **Errors:** `LinAlgError` in the backward pass of a singular matrix.

    >>> import autograd as ag
    >>> sign, logabsdet = ag.linalg.slogdet([[0.0, 2.0], [3.0, 4.0]])
    >>> float(sign), float(logabsdet.round(6))
    (-1.0, 1.791759)
    """
    sign, values = _pivots("slogdet", x)
    last = (len(values.shape) - 1,)
    sign = ops.mul(sign, ops.prod(ops.sign(values), axis=last, keepdims=False))
    zero = ops.equal(values, 0)
    logarithms = ops.where(zero, -np.inf, ops.log(ops.abs(ops.where(zero, 1, values))))
    return SlogdetResult(ops.stop_gradient(sign), ops.sum(logarithms, axis=last, keepdims=False))


def _pivots(name: str, x: Any) -> tuple[Any, Any]:
    """The sign of the row permutation of `lu`, and the diagonal of U."""
    x = square(name, x)
    n = x.shape[-1]
    factors = ops.lu(x)
    order = permutation(factors)
    # An even permutation has an even number of pairs that stand in the wrong order.
    after, before = reshaped(order, (*order.shape, 1)), reshaped(order, (*order.shape[:-1], 1, n))
    wrong = ops.sum(tril(ops.less(after, before), -1), axis=(len(x.shape) - 2, len(x.shape) - 1), keepdims=False)
    sign = ops.astype(ops.sub(1, ops.mul(2, ops.mod(wrong, 2))), dtype=x.dtype)
    return sign, diagonal(columns(factors, 0, n), axis1=-2, axis2=-1)
