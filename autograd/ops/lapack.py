"""The values of linear algebra, by NumPy and by LAPACK through SciPy, for stacks of matrices too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from numpy.linalg import LinAlgError

from ..primitive import Shape

SINGULAR = "Singular matrix"
NOT_CONVERGED = "the iteration did not converge"
# In stacks of matrices up to this size what NumPy does for all of them at once is faster than a call for each.
_SMALL = 16
_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}


def checked(name: str, need: str, remedy: str, evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """`evaluate` with the errors of LAPACK in words."""

    def in_words(*arrays: Any, **params: Any) -> Any:
        try:
            return evaluate(*arrays, **params)
        except LinAlgError as error:
            shapes = " and ".join(str(x.shape) for x in arrays)
            raise LinAlgError(f"`{name}` needs {need}, got shapes {shapes}: {error}; {remedy}") from None

    return in_words


def _each(f: Any, shape: Shape, *stacks: Any, dtype: Any = None) -> Any:
    """`f` of each matrix of stacks, as a stack of matrices of that shape; LAPACK is not asked for empty ones."""
    out = np.empty(shape, stacks[0].dtype if dtype is None else dtype)
    if not out.size:
        return out
    for at in np.ndindex(shape[:-2]):
        out[at] = f(*[x[at] for x in stacks])
    return out


def _packed(*parts: Any) -> Any:
    return np.concatenate(parts, axis=-1)


def _routine(name: str, x: Any, library: Any = None) -> Any:
    """SciPy's routine of LAPACK for the dtype of `x`, the one that kernels call: signs of vectors are then the same."""
    return getattr(library or scipy.linalg.lapack, _LETTERS[x.dtype.name] + name)


def eigh(x: Any) -> Any:
    """The eigenvalues and vectors, as `linalg.py` puts them side by side; so for the others."""

    def one(x: Any) -> Any:
        values, vectors, info = _routine("syevd", x)(x, lower=1)
        if info:
            raise LinAlgError(NOT_CONVERGED)
        return _packed(values[:, None], vectors.T)

    return _each(one, (*x.shape[:-1], x.shape[-1] + 1), x)


def eig(x: Any) -> Any:
    """The complex eigenvalues and vectors, each of length one with its largest element real."""
    dtype = np.result_type(x.dtype, np.complex64)

    def one(x: Any) -> Any:
        if x.dtype.kind == "c":
            values, _, vectors, info = _routine("geev", x)(x, compute_vl=0)
        else:
            re, im, _, parts, info = _routine("geev", x)(x, compute_vl=0)
            values, vectors = re + 1j * im, parts.astype(dtype)
            # Of a pair of conjugates one column has the real parts of the vectors, the next one the imaginary ones.
            for i in np.flatnonzero(im > 0):
                vectors[:, i] = parts[:, i] + 1j * parts[:, i + 1]
                vectors[:, i + 1] = vectors[:, i].conj()
        if info:
            raise LinAlgError(NOT_CONVERGED)
        return _packed(values[:, None], vectors.T)

    return _each(one, (*x.shape[:-1], x.shape[-1] + 1), x, dtype=dtype)


def svd(x: Any) -> Any:
    """The singular values and vectors."""
    m, n = x.shape[-2:]

    def one(x: Any) -> Any:
        u, s, vt, info = _routine("gesdd", x)(x, full_matrices=0)
        if info:
            raise LinAlgError(NOT_CONVERGED)
        return _packed(s[:, None], u.T, vt)

    return _each(one, (*x.shape[:-2], min(m, n), 1 + m + n), x)


def qr(x: Any) -> Any:
    """The orthonormal columns and the triangle, of matrices that have no more columns than rows."""
    q, r = np.linalg.qr(x)
    return _packed(np.swapaxes(q, -1, -2), r)


def lu(x: Any) -> Any:
    """The triangular factors and the permutation of the rows."""
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


def triangular(x: Any, y: Any, *, lower: bool, transpose: bool, unit: bool) -> Any:
    """The solution of triangular equations."""
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


def solve(x: Any, y: Any, *, transpose: bool) -> Any:
    """The solution of equations, or of those of the transpose."""
    return np.linalg.solve(np.swapaxes(x, -1, -2) if transpose else x, y)


def lu_solve(factors: Any, y: Any, *, transpose: bool) -> Any:
    """The same from what `lu` returns."""
    n = y.shape[-2]
    order = factors[..., n:].astype(np.intp)
    left = {"lower": True, "unit": True, "transpose": transpose}
    right = {"lower": False, "unit": False, "transpose": transpose}
    if not transpose:
        given = np.take_along_axis(y, order, -2)
        return triangular(factors[..., :n], triangular(factors[..., :n], given, **left), **right)
    found = triangular(factors[..., :n], triangular(factors[..., :n], y, **right), **left)
    out = np.empty_like(found)
    np.put_along_axis(out, order, found, -2)
    return out
