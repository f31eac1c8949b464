"""Linear algebra: factorisations of matrices and the solutions of equations, each for stacks of matrices too.

The rules are those of Giles, "Collected matrix derivative results" (2008), Walter and Lehmann, "Algorithmic
differentiation of linear algebra functions" (2010), Murray, "Differentiation of the Cholesky decomposition" (2016),
Seeger et al., "Auto-differentiating linear algebra" (2017), and Golub and Pereyra (1973) for the pseudoinverse.

A factorisation with several results returns one array, so that they share the work and their cotangents arrive
together; its parts are views:

    eigh  row i has the eigenvalue i, then its vector                          [w | Vᵀ]
    svd   row i has the singular value i, its left vector, its right one       [s | Uᵀ | Vᵀ]
    qr    row i has column i of Q, then row i of R                             [Qᵀ | R]
    lu    L below the diagonal, U on and above it, then the row permutation    [L\\U | p], x[p] = L U
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import scipy
from numpy.linalg import LinAlgError

from ..primitive import Aval, Primitive, Shape
from .broadcasting import astype, reshape, unbroadcast
from .contraction import transposed
from .elementwise import equal, logical_and, where
from .indexing import scatter_add
from .movement import concatenate, slice_

SINGULAR = "Singular matrix"
NOT_CONVERGED = "the iteration did not converge"
# In stacks of matrices up to this size what NumPy does for all of them at once is faster than a call for each.
_SMALL = 16


# ---- parts of matrices ----


@lru_cache(maxsize=256)
def triangle(rows: int, columns: int, k: int) -> Any:
    """Whether each element of a matrix stands on or below the `k`-th diagonal; one array for all calls."""
    return np.tri(rows, columns, k, dtype=bool)


@lru_cache(maxsize=256)
def diagonal_mask(n: int) -> Any:
    """Whether each element of a square matrix stands on the diagonal."""
    return np.eye(n, dtype=bool)


def lower(x: Any, k: int = 0) -> Any:
    """The elements on and below the `k`-th diagonal, zeros elsewhere."""
    return where(triangle(*x.shape[-2:], k), x, 0)


def upper(x: Any) -> Any:
    """The elements on and above the diagonal, zeros elsewhere."""
    return where(triangle(*x.shape[-2:], -1), 0, x)


def columns(x: Any, start: int, size: int) -> Any:
    """So many columns, from `start` on."""
    return slice_(x, index=(*[(0, n, 1) for n in x.shape[:-1]], (start, size, 1)))


def rows(x: Any, start: int, size: int) -> Any:
    """So many rows, from `start` on."""
    return slice_(x, index=(*[(0, n, 1) for n in x.shape[:-2]], (start, size, 1), (0, x.shape[-1], 1)))


def column(x: Any, i: int) -> Any:
    """One column, as vectors."""
    return slice_(x, index=(*[(0, n, 1) for n in x.shape[:-1]], i))


def _tall(x: Any) -> Any:
    """Vectors as columns."""
    return reshape(x, shape=(*x.shape, 1))


def _flat(x: Any) -> Any:
    """Vectors as rows."""
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _diagonal(x: Any) -> Any:
    return where(diagonal_mask(x.shape[-1]), _tall(x), 0)


def _skew(x: Any) -> Any:
    return x - transposed(x)


def _quotient(x: Any, y: Any) -> Any:
    """`x / y`, and 0 where both are zero: what does not depend on a vector needs no derivative of it."""
    neither = logical_and(equal(x, 0), equal(y, 0))
    return where(neither, 0, x / where(neither, 1, y))


@lru_cache(maxsize=256)
def stack_positions(shape: Shape) -> tuple[Any, ...]:
    """For each element of an array of that shape its position on every axis but the last."""
    return tuple(np.indices(shape)[:-1])


def permutation(factors: Any) -> Any:
    """The rows of `x` in the order of its factors, from what `lu` returns."""
    return astype(column(factors, factors.shape[-1] - 1), dtype=np.dtype(np.intp))


# ---- values ----


def _checked(name: str, need: str, remedy: str, evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """`evaluate` with the errors of LAPACK in words."""

    def checked(*arrays: Any, **params: Any) -> Any:
        try:
            return evaluate(*arrays, **params)
        except LinAlgError as error:
            shapes = " and ".join(str(x.shape) for x in arrays)
            raise LinAlgError(f"`{name}` needs {need}, got shapes {shapes}: {error}; {remedy}") from None

    return checked


def _each(f: Any, shape: Shape, *stacks: Any) -> Any:
    """`f` of each matrix of stacks, as a stack of matrices of that shape; LAPACK is not asked for empty ones."""
    out = np.empty(shape, stacks[0].dtype)
    if not out.size:
        return out
    for at in np.ndindex(shape[:-2]):
        out[at] = f(*[x[at] for x in stacks])
    return out


def _packed(*parts: Any) -> Any:
    return np.concatenate(parts, axis=-1)


def _routine(name: str, x: Any, library: Any = None) -> Any:
    """SciPy's routine of LAPACK for the dtype of `x`, the one that kernels call: signs of vectors are then the same."""
    return getattr(library or scipy.linalg.lapack, ("s" if x.dtype == np.float32 else "d") + name)


def _eigh_eval(x: Any) -> Any:
    def one(x: Any) -> Any:
        values, vectors, info = _routine("syevd", x)(x, lower=1)
        if info:
            raise LinAlgError(NOT_CONVERGED)
        return _packed(values[:, None], vectors.T)

    return _each(one, (*x.shape[:-1], x.shape[-1] + 1), x)


def _svd_eval(x: Any) -> Any:
    m, n = x.shape[-2:]

    def one(x: Any) -> Any:
        u, s, vt, info = _routine("gesdd", x)(x, full_matrices=0)
        if info:
            raise LinAlgError(NOT_CONVERGED)
        return _packed(s[:, None], u.T, vt)

    return _each(one, (*x.shape[:-2], min(m, n), 1 + m + n), x)


def _qr_eval(x: Any) -> Any:
    q, r = np.linalg.qr(x)
    return _packed(np.swapaxes(q, -1, -2), r)


def _lu_eval(x: Any) -> Any:
    m, n = x.shape[-2:]
    if x.ndim > 2 and n <= _SMALL:
        return _lu_of_stack(_packed(x, np.broadcast_to(np.arange(m, dtype=x.dtype)[:, None], (*x.shape[:-1], 1))))

    def one(x: Any) -> Any:
        order = np.arange(m)
        if not x.size:
            return _packed(x, order[:, None])
        found, pivots, _ = _routine("getrf", x)(x)
        for i, k in enumerate(pivots):
            order[[i, k]] = order[[k, i]]
        return _packed(found, order[:, None])

    return _each(one, (*x.shape[:-1], n + 1), x)


def _lu_of_stack(x: Any) -> Any:
    """Gaussian elimination in all matrices at once; the last column has the numbers of the rows."""
    m, n = x.shape[-2], x.shape[-1] - 1
    for k in range(min(m, n)):
        pivot = k + np.argmax(np.abs(x[..., k:, k]), -1)[..., None, None]
        row = np.take_along_axis(x, pivot, -2)
        np.put_along_axis(x, pivot, x[..., k : k + 1, :].copy(), -2)
        x[..., k : k + 1, :] = row
        # Below a pivot of zero all is zero already.
        x[..., k + 1 :, k] /= np.where(row[..., k] == 0, 1, row[..., k])
        x[..., k + 1 :, k + 1 : n] -= x[..., k + 1 :, k : k + 1] * row[..., k + 1 : n]
    return x


def _triangular_eval(x: Any, y: Any, *, lower: bool, transpose: bool, unit: bool) -> Any:
    dtype = np.result_type(x, y)
    zero = np.diagonal(x, axis1=-2, axis2=-1) == 0
    if not unit and zero.any():
        raise LinAlgError(SINGULAR)
    if x.ndim > 2 and x.shape[-1] <= _SMALL:
        x = np.tril(x, -int(unit)) if lower else np.triu(x, int(unit))
        x = x + np.eye(x.shape[-1], dtype=x.dtype) if unit else x
        return np.linalg.solve(np.swapaxes(x, -1, -2) if transpose else x, y)
    # BLAS reads columns: to it the rows of `x` are those of the transpose.
    options = {"lower": not lower, "trans_a": not transpose, "diag": unit}

    def one(x: Any, y: Any) -> Any:
        return _routine("trsm", x, scipy.linalg.blas)(1, x.T, y, **options)

    return _each(one, y.shape, x.astype(dtype, copy=False), y.astype(dtype, copy=False))


def _solve_eval(x: Any, y: Any, *, transpose: bool) -> Any:
    return np.linalg.solve(np.swapaxes(x, -1, -2) if transpose else x, y)


def _lu_solve_eval(factors: Any, y: Any, *, transpose: bool) -> Any:
    n = y.shape[-2]
    order = factors[..., n:].astype(np.intp)
    left = {"lower": True, "unit": True, "transpose": transpose}
    right = {"lower": False, "unit": False, "transpose": transpose}
    if not transpose:
        given = np.take_along_axis(y, order, -2)
        return _triangular_eval(factors[..., :n], _triangular_eval(factors[..., :n], given, **left), **right)
    found = _triangular_eval(factors[..., :n], _triangular_eval(factors[..., :n], y, **right), **left)
    out = np.empty_like(found)
    np.put_along_axis(out, order, found, -2)
    return out


def _second(x: Aval, y: Aval, **_: Any) -> Aval:
    return Aval(y.shape, np.result_type(x.dtype, y.dtype))


def _widened(extra: Any) -> Any:
    """The shape rule of a packed factorisation, with so many columns for matrices of `m` rows and `n` columns."""

    def aval(x: Aval) -> Aval:
        m, n = x.shape[-2:]
        return Aval((*x.shape[:-2], *extra(m, n)), x.dtype)

    return aval


# ---- rules ----


def _cholesky_x(g: Any, out: Any, x: Any) -> Any:
    # dL = L Φ(L⁻¹ dX L⁻ᵀ): Φ keeps the lower triangle and half of the diagonal.
    n = x.shape[-1]
    inner = lower(transposed(out) @ g) * np.asarray(1 - np.eye(n) / 2, x.dtype)
    half = transposed(solve_triangular(out, inner, lower=True, transpose=True, unit=False))
    whole = solve_triangular(out, half, lower=True, transpose=True, unit=False)
    return (whole + transposed(whole)) / 2


def _solve_vjp(g: Any, out: Any, x: Any, y: Any, *, transpose: bool) -> list[Any]:
    # X dZ = dY - dX Z
    gy = solve(x, g, transpose=not transpose)
    gx = out @ transposed(gy) if transpose else gy @ transposed(out)
    return [unbroadcast(-gx, x), unbroadcast(gy, y)]


def _triangular_vjp(g: Any, out: Any, x: Any, y: Any, *, lower: bool, transpose: bool, unit: bool) -> list[Any]:
    gy = solve_triangular(x, g, lower=lower, transpose=not transpose, unit=unit)
    gx = out @ transposed(gy) if transpose else gy @ transposed(out)
    n = x.shape[-1]
    kept = triangle(n, n, -int(unit)) if lower else triangle(n, n, -int(unit)).T
    return [unbroadcast(where(kept, -gx, 0), x), unbroadcast(gy, y)]


def _lu_x(g: Any, out: Any, x: Any) -> Any:
    # With B = X[p] = L U:  dL = L tril(M), dU = triu(M) U  for  M = L⁻¹ dB U⁻¹.
    m, n = x.shape[-2:]
    top, g_top = columns(rows(out, 0, n), 0, n), columns(rows(g, 0, n), 0, n)
    unit_lower, g_upper = lower(top, -1) + np.eye(n, dtype=x.dtype), upper(g_top)
    if m > n:
        # The rows below: L₂ = B₂ U⁻¹.
        below = columns(rows(out, n, m - n), 0, n)
        g_below = transposed(_over_u(top, transposed(columns(rows(g, n, m - n), 0, n))))
        g_upper = g_upper - upper(transposed(below) @ g_below)
    inner = lower(transposed(unit_lower) @ lower(g_top, -1), -1) + upper(g_upper @ transposed(upper(top)))
    half = solve_triangular(top, inner, lower=True, transpose=True, unit=True)
    gb = transposed(_over_u(top, transposed(half)))
    if m > n:
        gb = concatenate(gb, g_below, axis=len(x.shape) - 2)
    return scatter_add(gb, *stack_positions(x.shape[:-1]), permutation(out), shape=x.shape)


def _over_u(top: Any, y: Any) -> Any:
    return solve_triangular(top, y, lower=False, transpose=False, unit=False)


def _qr_x(g: Any, out: Any, x: Any) -> Any:
    # dX R⁻¹ = dQ + Q dR R⁻¹, where Qᵀ dQ is skew and dR R⁻¹ upper triangular.
    m, n = x.shape[-2:]
    qt, r = columns(out, 0, m), columns(out, m, n)
    gqt, gr = columns(g, 0, m), upper(columns(g, m, n))
    inner = r @ transposed(gr) - gqt @ transposed(qt)
    inner = lower(inner) + transposed(lower(inner, -1))
    return transposed(solve_triangular(r, gqt + transposed(inner) @ qt, lower=False, transpose=False, unit=False))


def _eigh_x(g: Any, out: Any, x: Any) -> Any:
    # dw = diag(Vᵀ dX V), and dV = V F for the skew F with F_ij (w_j - w_i) = (Vᵀ dX V)_ij.
    n = x.shape[-1]
    w, vt = column(out, 0), columns(out, 1, n)
    gw, gvt = column(g, 0), columns(g, 1, n)
    inner = _quotient(_skew(vt @ transposed(gvt)) / 2, _flat(w) - _tall(w))
    return transposed(vt) @ (inner + _diagonal(gw)) @ vt


def _svd_x(g: Any, out: Any, x: Any) -> Any:
    # As for eigh, of Xᵀ X and X Xᵀ, whose eigenvalues are s²; and what leaves the span of the vectors, over s.
    m, n = x.shape[-2:]
    k = min(m, n)
    s, ut, vt = column(out, 0), columns(out, 1, m), columns(out, 1 + m, n)
    gs, gut, gvt = column(g, 0), columns(g, 1, m), columns(g, 1 + m, n)
    across, down = _flat(s), _tall(s)
    gaps = (across - down) * (across + down)
    left = _quotient(_skew(ut @ transposed(gut)), gaps) * across
    right = _quotient(_skew(vt @ transposed(gvt)), gaps) * down
    gx = transposed(ut) @ (left + right + _diagonal(gs)) @ vt
    if m > k:
        gx = gx + transposed(_quotient(gut - (gut @ transposed(ut)) @ ut, down)) @ vt
    if n > k:
        gx = gx + transposed(ut) @ _quotient(gvt - (gvt @ transposed(vt)) @ vt, down)
    return gx


def _pinv_x(g: Any, out: Any, x: Any, *, rcond: float) -> Any:
    # dP = -P dX P + P Pᵀ dXᵀ (I - X P) + (I - P X) dXᵀ Pᵀ P
    pt, gt = transposed(out), transposed(g)
    left, right = (gt @ out) @ pt, pt @ (out @ gt)
    return (left - x @ (out @ left)) + (right - (right @ out) @ x) - (pt @ g) @ pt


# ---- the primitives ----

_MULTIPLE = "add a multiple of the identity"
_DEFICIENT = f"take `lstsq` or `pinv`, or {_MULTIPLE}"
_FINITE = ("finite matrices", "look for NaN and infinity in them")

cholesky = Primitive(
    "cholesky",
    eval=_checked("cholesky", "positive definite matrices", f"{_MULTIPLE}, or look at `eigvalsh`", np.linalg.cholesky),
    aval=lambda x: x,
    vjps=(_cholesky_x,),
)

solve = Primitive(
    "solve",
    eval=_checked("solve", "invertible matrices", _DEFICIENT, _solve_eval),
    aval=_second,
    vjps=_solve_vjp,
)

solve_triangular = Primitive(
    "solve_triangular",
    eval=_checked("solve_triangular", "a diagonal without zeros", _DEFICIENT, _triangular_eval),
    aval=_second,
    vjps=_triangular_vjp,
)

lu = Primitive("lu", eval=_lu_eval, aval=_widened(lambda m, n: (m, n + 1)), vjps=(_lu_x,))

# What `solve` becomes when it is compiled, so that all equations with one matrix share its factors.
lu_solve = Primitive("lu_solve", eval=_lu_solve_eval, aval=_second)

qr = Primitive("qr", eval=_qr_eval, aval=_widened(lambda m, n: (n, m + n)), vjps=(_qr_x,))

eigh = Primitive(
    "eigh", eval=_checked("eigh", *_FINITE, _eigh_eval), aval=_widened(lambda m, n: (n, 1 + n)), vjps=(_eigh_x,)
)

svd = Primitive(
    "svd",
    eval=_checked("svd", *_FINITE, _svd_eval),
    aval=_widened(lambda m, n: (min(m, n), 1 + m + n)),
    vjps=(_svd_x,),
)

pinv = Primitive(
    "pinv",
    eval=_checked("pinv", *_FINITE, lambda x, *, rcond: np.linalg.pinv(x, rcond)),
    aval=lambda x, *, rcond: Aval((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype),
    vjps=(_pinv_x,),
)
