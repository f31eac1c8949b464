"""What each primitive that is not one of NumPy's functions must return, written element by element."""

from __future__ import annotations

from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np

from autograd import ops


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def where(condition, x, y):
    dtype = np.result_type(x, y)
    condition, x, y = np.broadcast_arrays(condition, x, y)
    chosen = [b if a else c for a, b, c in zip(condition.flat, x.flat, y.flat, strict=True)]
    return np.array(chosen, dtype).reshape(condition.shape)


def random_bits(key, counter):
    key, counter = np.broadcast_arrays(key, counter)
    found = [threefry(int(k), int(c)) for k, c in zip(key.flat, counter.flat, strict=True)]
    return np.array(found, np.uint64).reshape(key.shape)


def threefry(key, counter):
    """20 rounds in Python's integers, one by one as the paper numbers them."""
    word, keys = 2**32, [key % 2**32, key // 2**32]
    keys.append(keys[0] ^ keys[1] ^ 0x1BD11BDA)
    x, y = (counter % word + keys[0]) % word, (counter // word + keys[1]) % word
    for i, bits in enumerate((13, 15, 26, 6, 17, 29, 16, 24) * 2 + (13, 15, 26, 6), 1):
        x = (x + y) % word
        y = (y * 2**bits % word + y // 2 ** (32 - bits)) ^ x
        if i % 4 == 0:
            x, y = (x + keys[i // 4 % 3]) % word, (y + keys[(i // 4 + 1) % 3] + i // 4) % word
    return x + y * word


def astype(x, *, dtype):
    return np.array(x.real if x.dtype.kind == "c" and dtype.kind == "f" else x, dtype)


def transpose(x, *, axes):
    out = np.empty([x.shape[i] for i in axes], x.dtype)
    for at in np.ndindex(x.shape):
        out[tuple(at[i] for i in axes)] = x[at]
    return out


def slice_(x, *, index):
    for axis, i in reversed(list(enumerate(index))):
        x = np.take(x, i if isinstance(i, int) else [i[0] + i[2] * k for k in range(i[1])], axis)
    return np.asarray(x)


def unslice(x, *, shape, index):
    out = np.zeros(shape, x.dtype)
    for at in np.ndindex(x.shape):
        steps = iter(at)
        out[tuple(i if isinstance(i, int) else i[0] + i[2] * next(steps) for i in index)] = x[at]
    return out


def placed(index, at, shape):
    given = iter(at)
    return tuple(int(next(given)) % n if i is None else i for i, n in zip(index, shape, strict=True))


def put(x, y, *, index):
    out = np.array(x)
    for at in np.ndindex(y.shape):
        steps = iter(at)
        out[tuple(i if isinstance(i, int) else i[0] + i[2] * next(steps) for i in index)] = y[at]
    return out


def concatenate(*xs, axis):
    rows = [row for x in xs for row in np.moveaxis(x, axis, 0)]
    if not rows:
        return xs[0]
    return np.stack(rows, axis).astype(np.result_type(*xs))


def gather(x, *indices):
    out = np.empty(indices[0].shape + x.shape[len(indices) :], x.dtype)
    for at in np.ndindex(indices[0].shape):
        out[at] = x[tuple(int(index[at]) for index in indices)]
    return out


def scatter_add(x, *indices, shape):
    out = np.zeros(shape, x.dtype)
    for at in np.ndindex(indices[0].shape):
        out[tuple(int(index[at]) for index in indices)] += x[at]
    return out


def fold(f, x, axis, keepdims, start=()):
    """`f` over the elements of the axes, one after another."""
    moved = np.moveaxis(x, axis, range(len(axis)))
    count = int(np.prod(moved.shape[: len(axis)]))
    rows = list(moved.reshape(count, *moved.shape[len(axis) :]))
    out = np.asarray(reduce(f, rows, *start))
    return np.expand_dims(out, axis) if keepdims else out


def wide(x):
    """The dtype in which NumPy adds up, and one that loses nothing."""
    if x.dtype.kind == "c":
        return x.dtype, np.complex128
    return (x.dtype, np.float64) if x.dtype.kind == "f" else (np.dtype(np.intp), np.intp)


def sum_(x, *, axis, keepdims):
    dtype, exact = wide(x)
    shape = [n for i, n in enumerate(x.shape) if i not in axis]
    return fold(np.add, x.astype(exact), axis, keepdims, (np.zeros(shape, exact),)).astype(dtype)


def prod(x, *, axis, keepdims):
    dtype, exact = wide(x)
    shape = [n for i, n in enumerate(x.shape) if i not in axis]
    return fold(np.multiply, x.astype(exact), axis, keepdims, (np.ones(shape, exact),)).astype(dtype)


def max_(x, *, axis, keepdims):
    return fold(lambda a, b: np.where((a > b) | (a != a), a, b), x, axis, keepdims)


def min_(x, *, axis, keepdims):
    return fold(lambda a, b: np.where((a < b) | (a != a), a, b), x, axis, keepdims)


def position(best):
    """The first position of the best element of each row, of NaN where there is one."""

    def of_row(row: Any) -> int:
        unordered = [i for i, x in enumerate(row) if x != x]
        return unordered[0] if unordered else list(row).index(best(row))

    def reference(x, *, axis):
        moved = np.moveaxis(x, axis, -1)
        out = np.empty(moved.shape[:-1], np.intp)
        for at in np.ndindex(out.shape):
            out[at] = of_row(moved[at])
        return out

    return reference


def cumsum(x, *, axis, reverse):
    dtype, exact = wide(x)
    rows = list(np.moveaxis(x, axis, 0).astype(exact))
    if not rows:
        return x.astype(dtype)
    sums = list(accumulate(rows[::-1] if reverse else rows, np.add))
    return np.stack(sums[::-1] if reverse else sums, axis).astype(dtype)


def matmul(x, y):
    rows = x[None, :] if x.ndim == 1 else x
    columns = y[:, None] if y.ndim == 1 else y
    out = np.einsum("...ij,...jk->...ik", rows, columns)
    lost = tuple(axis for axis, lone in ((-2, x.ndim == 1), (-1, y.ndim == 1)) if lone)
    return np.squeeze(out, lost)


def exactly(ufunc):
    """A ufunc in float64, its result in the dtype of the arrays; NumPy would take that of a number for some."""
    return lambda x, y: np.asarray(ufunc(np.float64(x), np.float64(y))).astype(np.result_type(x, y, 0.0))


def key(x):
    """What compares as NumPy orders numbers, NaN after all others."""
    return x != x, x


def argsort(x, *, axis):
    out = np.empty(x.shape, np.intp)
    for at in np.ndindex(*x.shape[:axis], *x.shape[axis + 1 :]):
        line = (*at[:axis], slice(None), *at[axis:])
        out[line] = sorted(range(x.shape[axis]), key=lambda i, row=x[line]: key(row[i]))
    return out


def searchsorted(x, y, *, right):
    out = np.empty(y.shape, np.intp)
    for at in np.ndindex(y.shape):
        before = [not key(y[at]) < key(z) if right else key(z) < key(y[at]) for z in x]
        out[at] = sum(before)
    return out


def convolve(x, y):
    dtype = np.result_type(x, y)
    out = np.zeros(len(x) + len(y) - 1, dtype)
    for i, j in np.ndindex(len(x), len(y)):
        out[i + j] += x[i] * y[j]
    return out


def each_matrix(reference):
    """The reference of a stack of matrices, computed in float64 matrix by matrix."""

    def of_stack(x, *others, **params):
        exact = np.complex128 if "c" in x.dtype.kind + "".join([y.dtype.kind for y in others]) else np.float64
        stacks = [np.asarray(a, exact) for a in (x, *others)]
        found = [reference(*[a[at] for a in stacks], **params) for at in np.ndindex(x.shape[:-2])]
        dtype = np.result_type(x, *others)
        if not found:
            shape = reference(*[np.zeros(a.shape[-2:]) + np.eye(*a.shape[-2:]) for a in stacks], **params).shape
            return np.zeros((*x.shape[:-2], *shape), dtype)
        return np.array(found).reshape(*x.shape[:-2], *found[0].shape).astype(dtype)

    return of_stack


@each_matrix
def cholesky(x):
    out = np.zeros_like(x)
    for i, j in np.ndindex(x.shape):
        if i >= j:
            rest = x[i, j] - out[i, :j] @ out[j, :j]
            out[i, j] = np.sqrt(rest) if i == j else rest / out[j, j]
    return out


@each_matrix
def solve(x, y, *, transpose):
    return np.linalg.inv(x.T if transpose else x) @ y


@each_matrix
def solve_triangular(x, y, *, lower, transpose, unit):
    x = np.tril(x) if lower else np.triu(x)
    if unit:
        x = x - np.diag(np.diag(x)) + np.eye(len(x))
    return np.linalg.inv(x.T if transpose else x) @ y


@each_matrix
def lu(x):
    m, n = x.shape
    both, order = x.copy(), np.arange(m)
    for k in range(min(m, n)):
        pivot = k + int(np.argmax(np.abs(both[k:, k])))
        both[[k, pivot]], order[[k, pivot]] = both[[pivot, k]], order[[pivot, k]]
        both[k + 1 :, k] /= both[k, k]
        both[k + 1 :, k + 1 :] -= np.outer(both[k + 1 :, k], both[k, k + 1 :])
    return np.column_stack([both, order])


@each_matrix
def lu_solve(factors, y, *, transpose):
    n = len(y)
    both, order = factors[:, :n], factors[:, n].astype(int)
    x = np.empty((n, n))
    x[order] = (np.tril(both, -1) + np.eye(n)) @ np.triu(both)
    return np.linalg.inv(x.T if transpose else x) @ y


@each_matrix
def qr(x):
    m, n = x.shape
    q, r = np.zeros((m, n)), np.zeros((n, n))
    for j in range(n):
        rest = x[:, j].copy()
        for i in range(j):
            r[i, j] = q[:, i] @ rest
            rest -= q[:, i] * r[i, j]
        # The diagonal of these matrices is negative, as reflections leave it; a single row is not reflected.
        r[j, j] = np.linalg.norm(rest) * (1 if m == j + 1 else -np.sign(x[j, j]))
        if m == j + 1:
            r[j, j] *= np.sign(x[j, j] - r[:j, j] @ q[j, :j])
        q[:, j] = rest / r[j, j]
    return np.column_stack([q.T, r])


@each_matrix
def eigh(x):
    w, v = np.linalg.eigh(x)
    return np.column_stack([w, v.T])


def eig(x):
    w, v = np.linalg.eig(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64))
    found = np.concatenate([w[..., None], np.swapaxes(v, -1, -2)], -1)
    return found.astype(np.result_type(x.dtype, np.complex64))


@each_matrix
def svd(x):
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return np.column_stack([s, u.T, vt])


@each_matrix
def pinv(x, *, rcond):
    m, n = x.shape
    if not x.size:
        return np.zeros((n, m))
    return np.linalg.inv(x.T @ x) @ x.T if m >= n else x.T @ np.linalg.inv(x @ x.T)


def by_definition(x, axis, sign):
    """The sums of the Fourier transform, one after the other."""
    n = x.shape[axis]
    waves = np.exp(sign * 2j * np.pi * np.outer(np.arange(n), np.arange(n)) / max(n, 1))
    out = np.moveaxis(np.tensordot(waves, x.astype(np.complex128), (1, axis)), 0, axis)
    return out.astype(ops.COMPLEX_OF.get(x.dtype, x.dtype))


def fft(x, *, axis, inverse):
    return by_definition(x, axis, 1 if inverse else -1)


def rfft(x, *, axis):
    return np.take(by_definition(x, axis, -1), range(x.shape[axis] // 2 + 1), axis)


def irfft(x, *, axis, n):
    half = np.moveaxis(x, axis, 0)
    whole = np.stack([half[k] if k < len(half) else np.conj(half[n - k]) for k in range(n)])
    whole[0] = whole[0].real
    if n % 2 == 0:
        whole[n // 2] = whole[n // 2].real
    return np.moveaxis(by_definition(whole, 0, 1).real, 0, axis)


UFUNC_OF = {op: ufunc for ufunc, op in reversed(ops.UFUNCS.items())}

REFERENCES = {
    **UFUNC_OF,
    **{op: exactly(UFUNC_OF[op]) for op in (ops.beta, ops.betaln, ops.gammainc, ops.gammaincc)},
    ops.softplus: softplus,
    ops.relu: lambda x: np.clip(x, 0, None),
    ops.where: where,
    ops.clip: np.clip,
    ops.stop_gradient: lambda x: x,
    ops.random_bits: random_bits,
    ops.astype: astype,
    ops.real: lambda x: (x + np.conj(x)).real / 2,
    ops.imag: lambda x: (-1j * x).real,
    ops.complex_: lambda x, y: x + np.asarray(1j).astype(ops.COMPLEX_OF[x.dtype]) * y,
    ops.reshape: lambda x, *, shape: np.array(list(x.flat), x.dtype).reshape(shape),
    ops.expand: lambda x, *, shape: x * np.ones(shape, x.dtype),
    ops.transpose: transpose,
    ops.slice_: slice_,
    ops.put: put,
    ops.put_at: lambda x, y, *at, index: put(x, y, index=placed(index, at, x.shape)),
    ops.slice_at: lambda x, *at, index: slice_(x, index=placed(index, at, x.shape)),
    ops.unslice: unslice,
    ops.concatenate: concatenate,
    ops.gather: gather,
    ops.scatter_add: scatter_add,
    ops.sum: sum_,
    ops.prod: prod,
    ops.max: max_,
    ops.min: min_,
    ops.argmax: position(max),
    ops.argmin: position(min),
    ops.cumsum: cumsum,
    ops.matmul: matmul,
    ops.argsort: argsort,
    ops.searchsorted: searchsorted,
    ops.convolve: convolve,
    ops.fft: fft,
    ops.rfft: rfft,
    ops.irfft: irfft,
    ops.cholesky: cholesky,
    ops.solve: solve,
    ops.solve_triangular: solve_triangular,
    ops.lu: lu,
    ops.lu_solve: lu_solve,
    ops.qr: qr,
    ops.eig: eig,
    ops.eigh: eigh,
    ops.svd: svd,
    ops.pinv: pinv,
}
