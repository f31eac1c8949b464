"""Which elements of the inputs reach each element of an array: a row for each element, a column for each input's.

Rows are sorted and have no column twice. Numbers of elements begin at 1, so that 0 says "none of them".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from autograd.primitive import Shape

Reach = csr_array

#: More entries than this are refused: at some point a matrix is no longer sparse, and memory is what tells.
MOST = 2**28


def identity(first: int, size: int, columns: int) -> Reach:
    """The elements `first`, `first + 1`, ... of all inputs, each reached by itself."""
    return made(np.arange(first, first + size), np.arange(size + 1), columns)


def made(indices: Any, indptr: Any, columns: int) -> Reach:
    """The matrix of these rows."""
    checked(int(indptr[-1]))
    data = np.ones(len(indices), bool)
    return csr_array((data, indices, indptr), shape=(len(indptr) - 1, columns))


def checked(count: int) -> None:
    """
    **Errors:** `ValueError` for too many entries.
    """
    if count > MOST:
        raise ValueError(
            f"a sparse derivative needs a function whose values depend on few elements each, got more than {MOST:,} in "
            "all; use `jit.jvp`, `jit.vjp` or `jit.hvp`, which make no matrix"
        )


def numbers(shape: Shape) -> Any:
    """The numbers of the elements of an array."""
    return np.arange(1, int(np.prod(shape)) + 1).reshape(shape)


def union(xs: list[Reach]) -> Reach | None:
    """What any of several arrays of one shape is reached by."""
    total: Reach | None = None
    for x in {id(x): x for x in xs}.values():
        total = x if total is None else total + x
    return total


def taken(x: Reach, at: Any) -> Reach:
    """The rows of these numbers."""
    at = np.asarray(at).ravel()
    count = x.shape[0]
    if at.size == count and np.array_equal(at, np.arange(1, count + 1)):
        return x
    lengths = np.diff(x.indptr, prepend=0)
    lengths[0] = 0
    checked(int(lengths[at].sum()))
    padded = csr_array((x.data, x.indices, np.concatenate([[0], x.indptr])), shape=(count + 1, x.shape[1]))
    return padded[at]


def grouped(x: Reach, groups: Any, count: int) -> Reach:
    """What reaches so many sums, where each row of `x` is part of the sum of that number."""
    return paired(x, np.asarray(groups).ravel() - 1, np.arange(x.shape[0]), count)


def paired(x: Reach, outs: Any, ins: Any, count: int) -> Reach:
    """What reaches so many elements, each of which depends on the rows `ins[i]` with `outs[i]` its position."""
    outs, ins = np.ravel(outs), np.ravel(ins)
    which = csr_array((np.ones(len(ins), bool), (outs, ins)), shape=(count, x.shape[0]))
    found = which @ x
    checked(found.nnz)
    found.sort_indices()
    return found


def stacked(xs: list[Reach]) -> Reach:
    """The rows of several matrices, one after the other."""
    indices = np.concatenate([x.indices for x in xs])
    ends = np.cumsum([0, *[x.nnz for x in xs]])
    indptr = np.concatenate([[0], *[x.indptr[1:] + end for x, end in zip(xs, ends, strict=False)]])
    return made(indices, indptr, xs[0].shape[1])


def empty(count: int, columns: int) -> Reach:
    """So many rows that nothing reaches."""
    return made(np.arange(0), np.zeros(count + 1, int), columns)


def part(x: Reach, start: int, count: int) -> Reach:
    """So many rows from one on."""
    indptr = x.indptr[start : start + count + 1]
    return made(x.indices[indptr[0] : indptr[-1]], indptr - indptr[0], x.shape[1])
