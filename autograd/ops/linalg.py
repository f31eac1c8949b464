"""Linear algebra: factorisations of matrices and the solutions of equations, each for stacks of matrices too.

The rules are those of Giles, "Collected matrix derivative results" (2008), Walter and Lehmann, "Algorithmic
differentiation of linear algebra functions" (2010), Murray, "Differentiation of the Cholesky decomposition" (2016),
Seeger et al., "Auto-differentiating linear algebra" (2017), and Golub and Pereyra (1973) for the pseudoinverse.

A factorisation with several results returns one array, so that they share the work and their cotangents arrive
together; its parts are views:

    eigh  row i has the eigenvalue i, then its vector                          [w | Vᵀ]
    eig   the same, complex                                                    [w | Vᵀ]
    svd   row i has the singular value i, its left vector, its right one       [s | Uᵀ | Vᵀ]
    qr    row i has column i of Q, then row i of R                             [Qᵀ | R]
    lu    L below the diagonal, U on and above it, then the row permutation    [L\\U | p], x[p] = L U
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..primitive import Aval, Primitive, Shape
from . import lapack
from .broadcasting import astype, reshape, sum, unbroadcast, zeros
from .complexes import complex_, conj, imag, real
from .contraction import transposed
from .elementwise import abs, equal, logical_and
from .indexing import scatter_add
from .masking import where
from .movement import concatenate, slice_
from .reduction import argmax

# ---- parts of matrices ----


def _fixed(x: Any) -> Any:
    """`x`, which nobody can write to from now on."""
    x.flags.writeable = False
    return x


@lru_cache(maxsize=32)
def triangle(rows: int, columns: int, k: int) -> Any:
    """Whether each element of a matrix stands on or below the `k`-th diagonal; one array for all calls."""
    return _fixed(np.tri(rows, columns, k, dtype=bool))


@lru_cache(maxsize=32)
def diagonal_mask(n: int) -> Any:
    """Whether each element of a square matrix stands on the diagonal."""
    return _fixed(np.eye(n, dtype=bool))


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


@lru_cache(maxsize=32)
def _positions(n: int) -> Any:
    return _fixed(np.arange(n))


@lru_cache(maxsize=32)
def stack_positions(shape: Shape) -> tuple[Any, ...]:
    """For each element of an array of that shape its position on every axis but the last."""
    return tuple(_fixed(np.indices(shape))[:-1])


def permutation(factors: Any) -> Any:
    """The rows of `x` in the order of its factors, from what `lu` returns."""
    return astype(column(factors, factors.shape[-1] - 1), dtype=np.dtype(np.intp))


# ---- shapes ----


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


def _eig_x(g: Any, out: Any, x: Any) -> Any:
    # dw = diag(V⁻¹ dX V), and dV = V Q, where Q_ij (w_j - w_i) = (V⁻¹ dX V)_ij for i ≠ j. The diagonal of Q keeps the
    # vectors at length one, and their largest elements real. All is transposed without conjugates: see `complexes.py`.
    if not x.size:
        return zeros(x)
    n = x.shape[-1]
    last = len(x.shape) - 1
    w, vt = column(out, 0), columns(out, 1, n)
    gw, gvt = column(g, 0), columns(g, 1, n)
    largest = equal(_tall(argmax(abs(vt), axis=last)), _positions(n))
    pivot = real(sum(where(largest, vt, 0), axis=(last,), keepdims=True))
    along = sum(vt * gvt, axis=(last,), keepdims=True)
    gvt = gvt - real(along) * conj(vt) - where(largest, complex_(0.0, imag(along) / pivot), 0)
    inner = where(diagonal_mask(n), 0, vt @ transposed(gvt))
    inner = _quotient(inner, _flat(w) - _tall(w)) + _diagonal(gw)
    return unbroadcast(solve(vt, inner, transpose=False) @ vt, x)


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
    eval=lapack.checked(
        "cholesky", "positive definite matrices", f"{_MULTIPLE}, or look at `eigvalsh`", np.linalg.cholesky
    ),
    aval=lambda x: x,
    vjps=(_cholesky_x,),
)

solve = Primitive(
    "solve",
    eval=lapack.checked("solve", "invertible matrices", _DEFICIENT, lapack.solve),
    aval=_second,
    vjps=_solve_vjp,
)

solve_triangular = Primitive(
    "solve_triangular",
    eval=lapack.checked("solve_triangular", "a diagonal without zeros", _DEFICIENT, lapack.triangular),
    aval=_second,
    vjps=_triangular_vjp,
)

lu = Primitive("lu", eval=lapack.lu, aval=_widened(lambda m, n: (m, n + 1)), vjps=(_lu_x,))

# What `solve` becomes when it is compiled, so that all equations with one matrix share its factors.
lu_solve = Primitive("lu_solve", eval=lapack.lu_solve, aval=_second)

qr = Primitive("qr", eval=lapack.qr, aval=_widened(lambda m, n: (n, m + n)), vjps=(_qr_x,))

eigh = Primitive(
    "eigh", eval=lapack.checked("eigh", *_FINITE, lapack.eigh), aval=_widened(lambda m, n: (n, 1 + n)), vjps=(_eigh_x,)
)

eig = Primitive(
    "eig",
    eval=lapack.checked("eig", *_FINITE, lapack.eig),
    aval=lambda x: Aval((*x.shape[:-1], x.shape[-1] + 1), np.result_type(x.dtype, np.complex64)),
    vjps=(_eig_x,),
)

svd = Primitive(
    "svd",
    eval=lapack.checked("svd", *_FINITE, lapack.svd),
    aval=_widened(lambda m, n: (min(m, n), 1 + m + n)),
    vjps=(_svd_x,),
)

pinv = Primitive(
    "pinv",
    eval=lapack.checked("pinv", *_FINITE, lambda x, *, rcond: np.linalg.pinv(x, rcond)),
    aval=lambda x, *, rcond: Aval((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype),
    vjps=(_pinv_x,),
)
