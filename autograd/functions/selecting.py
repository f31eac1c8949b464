"""Functions that pick elements: by position, by a mask, on and beside a diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..primitive import Traced
from .arguments import as_array, axis_of, expanded, part, reshaped, transposed
from .indexing import getitem
from .movement import ravel


def take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """The elements at these positions of an axis.

    **Arguments:** `x`; `indices`, integers of any shape, negative ones count from the end; `axis`, `None` for
    positions in the flattened array; `mode`, what happens to positions out of range: `"raise"`, `"clip"` to
    the first or last element, or `"wrap"` around.

    **Returns:** an array in which the axes of `indices` stand in the place of the axis.

    **Errors:** `IndexError` for positions out of range; `TypeError` for indices that are not integers.

    >>> import autograd as ag
    >>> ag.take([10, 20, 30], [2, 0, -1])
    array([30, 10, 30])
    """
    x, indices = as_array(x), as_array(indices)
    x, i = (ravel(x), 0) if axis is None else (x, axis_of("take", axis, len(x.shape)))
    indices = _integers("take", indices)
    if mode not in ("raise", "clip", "wrap"):
        raise ValueError(f'`take` needs a mode of "raise", "clip", "wrap", got {mode!r}')
    n = x.shape[i]
    if mode == "clip":
        indices = ops.clip(indices, 0, n - 1)
    elif mode == "wrap":
        indices = ops.mod(indices, n)
    return getitem(x, (*(slice(None),) * i, indices))


def _integers(name: str, indices: Any) -> Any:
    if indices.size == 0 and not isinstance(indices, Traced):
        return indices.astype(np.intp)
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"`{name}` needs indices that are integers, got {indices.dtype.name}; `x[mask]` picks by booleans"
        )
    return indices


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """The elements at positions of the axis, one for each place in the other axes.

    **Arguments:** `x`; `indices`, integers of as many axes as `x`, which broadcast with it beside the axis;
    `axis`, `None` to flatten `x` first.

    >>> import autograd as ag
    >>> x = [[1.0, 5.0], [7.0, 3.0]]
    >>> ag.take_along_axis(x, ag.argmax(x, axis=1, keepdims=True), axis=1)
    array([[5.],
           [7.]])
    """
    x, indices = as_array(x), as_array(indices)
    x, i = (ravel(x), 0) if axis is None else (x, axis_of("take_along_axis", axis, len(x.shape)))
    indices = _integers("take_along_axis", indices)
    ndim = len(x.shape)
    if len(indices.shape) != ndim:
        raise ValueError(
            f"`take_along_axis` needs indices of the rank of `x`, got shapes {indices.shape} and {x.shape}; "
            "add axes with `None`"
        )
    key: list[Any] = []
    for j, n in enumerate(x.shape):
        key.append(indices if j == i else np.arange(n).reshape((1,) * j + (n,) + (1,) * (ndim - j - 1)))
    return getitem(x, tuple(key))


def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    """The elements along the axis where the condition, a vector, is true.

    >>> import autograd as ag
    >>> ag.compress([True, False, True], [10, 20, 30])
    array([10, 30])
    """
    x = as_array(x)
    x, i = (ravel(x), 0) if axis is None else (x, axis_of("compress", axis, len(x.shape)))
    mask = as_array(condition)
    mask = mask if mask.dtype.kind == "b" else ops.not_equal(mask, 0)
    return getitem(part(x, i, 0, mask.shape[0]), (*(slice(None),) * i, mask))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """For each element that of the first choice whose condition holds; the others have no influence on gradients.

    **Arguments:** `condlist`, conditions; `choicelist`, a choice for each; `default`, where none holds.

    **Errors:** `ValueError` for other numbers of conditions and choices.

    >>> import autograd as ag
    >>> x = ag.tensor([-1.0, 0.5, 2.0])
    >>> ag.select([x < 0, x < 1], [0.0, x], 1.0)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"`select` needs a choice for each condition, and one at least, got {len(condlist)} conditions and "
            f"{len(choicelist)} choices"
        )
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = ops.where(condition, choice, out)
    return out


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements on a diagonal of two axes.

    **Arguments:** `x`, of two axes at least; `offset`, how far the diagonal lies above the main one, negative
    for below; `axis1` and `axis2`.

    **Returns:** an array without the two axes, the diagonal as its last one.

    >>> import autograd as ag
    >>> ag.diagonal([[1, 2], [3, 4]])
    array([1, 4])
    """
    return _diagonal("diagonal", as_array(x), offset, axis1, axis2)


def _diagonal(name: str, x: Any, offset: int, axis1: int, axis2: int) -> Any:
    ndim = len(x.shape)
    i, j = axis_of(name, axis1, ndim), axis_of(name, axis2, ndim)
    if i == j:
        raise ValueError(f"`{name}` needs two different axes, got {axis1} and {axis2} for an array of rank {ndim}")
    x = transposed(x, [*[k for k in range(ndim) if k not in (i, j)], i, j])
    *lead, n, m = x.shape
    # In the flattened matrix the next element of a diagonal is one row and one column further.
    start = offset if offset >= 0 else -offset * m
    size = max(min(n, m - offset) if offset >= 0 else min(n + offset, m), 0)
    flat = reshaped(x, (*lead, n * m))
    return part(flat, ndim - 2, start, size, m + 1)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the elements on a diagonal of two axes.

    **Arguments:** as for `diagonal`.

    >>> import autograd as ag
    >>> float(ag.trace([[1.0, 2.0], [3.0, 4.0]]))
    5.0
    """
    elements = _diagonal("trace", as_array(x), offset, axis1, axis2)
    return ops.sum(elements, axis=(len(elements.shape) - 1,), keepdims=False)


def diag(x: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal and zeros elsewhere.

    **Arguments:** `x`, a vector or a matrix; `k`, how far the diagonal lies above the main one.

    >>> import autograd as ag
    >>> ag.diag([1, 2])
    array([[1, 0],
           [0, 2]])
    """
    x = as_array(x)
    if len(x.shape) == 2:
        return _diagonal("diag", x, k, 0, 1)
    if len(x.shape) != 1:
        raise ValueError(f"`diag` needs a vector or a matrix, got shape {x.shape}; `diagonal` takes more axes")
    size = x.shape[0]
    n = size + abs(k)
    start = k if k >= 0 else -k * n
    flat = ops.unslice(x, shape=(n * n,), index=((start if size else 0, size, n + 1),))
    return ops.reshape(flat, shape=(n, n))


def diagflat(x: Any, k: int = 0) -> Any:
    """The matrix with the elements of `x`, flattened, on its diagonal.

    >>> import autograd as ag
    >>> ag.diagflat([[1, 2]])
    array([[1, 0],
           [0, 2]])
    """
    return diag(ravel(x), k)


def tril(x: Any, k: int = 0) -> Any:
    """The elements on and below a diagonal of the last two axes, zeros above it.

    **Arguments:** `x`, of two axes at least, or a vector, which stands for the rows of a square; `k`, how far
    the diagonal lies above the main one.

    >>> import autograd as ag
    >>> ag.tril([[1, 2], [3, 4]])
    array([[1, 0],
           [3, 4]])
    """
    x = _rows("tril", as_array(x))
    n, m = x.shape[-2:]
    return ops.where(np.tri(n, m, k, dtype=bool), x, x.dtype.type(0))


def triu(x: Any, k: int = 0) -> Any:
    """The elements on and above a diagonal of the last two axes, zeros below it.

    **Arguments:** as for `tril`.

    >>> import autograd as ag
    >>> ag.triu([[1, 2], [3, 4]])
    array([[1, 2],
           [0, 4]])
    """
    x = _rows("triu", as_array(x))
    n, m = x.shape[-2:]
    return ops.where(np.tri(n, m, k - 1, dtype=bool), x.dtype.type(0), x)


def _rows(name: str, x: Any) -> Any:
    if not x.shape:
        raise ValueError(f"`{name}` needs one axis at least, got a single number")
    return expanded(x, x.shape * 2) if len(x.shape) == 1 else x
