"""Arrays with some elements replaced or added to: what a write in place would make, as a new array."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import ops
from ..primitive import Traced
from .arguments import as_array, axis_of
from .elementwise import astype, where
from .indexing import getitem
from .movement import broadcast_to, moveaxis, ravel, reshape


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """The elements of `x`, and `value` where the mask is true.

    **Arguments:** `x`; `mask`, booleans that broadcast with `x`; `value`, one number, which takes the dtype of `x`.

    >>> import autograd as ag
    >>> ag.masked_fill([1.0, 2.0, 3.0], [True, False, True], 0.0)
    array([0., 2., 0.])
    """
    x, mask = as_array(x), as_array(mask)
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype.name}")
    if np.ndim(value):
        raise ValueError(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{np.ndim(value)} dimension(s); use `where` for several values"
        )
    return where(mask, astype(value, x.dtype), x)


def index_add(x: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Any:
    """`x` with the rows of `source` along an axis, times `alpha`, added to the rows at these positions.

    **Arguments:** `x`; `dim`, the axis; `index`, a vector of integers, where one may stand several times and negative
    ones count from the end; `source`, of the shape of `x` beside that axis, with a row for each of them; `alpha`.

    **Errors:** `IndexError` for positions out of range.

    >>> import autograd as ag
    >>> ag.index_add([1.0, 2.0], 0, [0, 0, 1], [10.0, 20.0, 30.0])
    array([31., 32.])
    """
    x, index, source = as_array(x), _integers("index_add", index), as_array(source)
    axis = axis_of("index_add", dim, len(x.shape))
    expected = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    if len(index.shape) != 1 or source.shape != expected:
        raise ValueError(
            "`index_add` needs a vector of positions, and a source with a row for each of them and the shape of `x` "
            f"beside the axis, got x {x.shape}, axis {axis}, index {index.shape}, source {source.shape}"
        )
    rows = moveaxis(x, axis, 0)
    added = ops.scatter_add(astype(moveaxis(source, axis, 0) * alpha, x.dtype), index, shape=rows.shape)
    return moveaxis(rows + added, 0, axis)


def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Any:
    """`x` with each element of `src` added at a position of its own along an axis.

    **Arguments:** `x`; `dim`, the axis; `index`, integers of the rank of `x`: the element of `src` at `[i, j]` is added
    to `x[index[i, j], j]` for the first axis, and so on; it may be smaller than `src`, and beside the axis than `x`.

    **Errors:** `IndexError` for positions out of range.

    >>> import autograd as ag
    >>> ag.scatter_add([[1.0, 2.0]], 1, [[1, 1]], [[10.0, 20.0]])
    array([[ 1., 32.]])
    """
    x, index, src = as_array(x), _integers("scatter_add", index), as_array(src)
    axis, shape, ndim = axis_of("scatter_add", dim, len(x.shape)), index.shape, len(x.shape)
    fits = len(shape) == len(src.shape) == ndim and all(
        shape[i] <= min(src.shape[i], x.shape[i] if i != axis else shape[i]) for i in range(ndim)
    )
    if not fits:
        raise ValueError(
            f"`scatter_add` needs an index of the rank of `x`, no larger than `src`, nor than `x` beside axis {axis}, "
            f"got x {x.shape}, index {shape}, src {src.shape}"
        )
    part = getitem(src, tuple([slice(n) for n in shape]))
    places = [
        index if i == axis else np.broadcast_to(np.arange(n).reshape((n,) + (1,) * (ndim - 1 - i)), shape)
        for i, n in enumerate(shape)
    ]
    return x + ops.scatter_add(astype(part, x.dtype), *places, shape=x.shape)


def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """`x` with `values` at an index: the new array that `x[indices] = values` would make of it.

    **Arguments:** `x`; `indices`, what may stand in brackets, integers, slices and arrays, but no tensor while a tape
    records; `values`, which broadcast to the shape of `x[indices]`; `accumulate`, whether they are added. Where one
    position stands several times the last value counts, or with `accumulate` all of them.

    **Errors:** `IndexError` for an index out of range.

    >>> import autograd as ag
    >>> ag.index_put([1.0, 2.0, 3.0], slice(1, None), 0.0)
    array([1., 0., 0.])
    """
    x = as_array(x)
    parts = indices if isinstance(indices, tuple) else (indices,)
    places = np.arange(prod(x.shape)).reshape(x.shape)[tuple([_known(part) for part in parts])]
    values = ravel(broadcast_to(astype(values, x.dtype), places.shape))
    places = places.ravel()
    flat = ravel(x)
    if accumulate:
        return reshape(flat + ops.scatter_add(values, places, shape=flat.shape), x.shape)
    if not places.size:
        return x
    # Which value each element gets: the last one that is written there, or none.
    source = np.full(flat.shape, -1)
    source[places] = np.arange(places.size)
    return reshape(where(source >= 0, getitem(values, np.maximum(source, 0)), flat), x.shape)


def _integers(name: str, index: Any) -> Any:
    index = as_array(index)
    if index.size == 0 and not isinstance(index, Traced):
        return index.astype(np.intp)
    if index.dtype.kind not in "iu":
        raise TypeError(f"`{name}` needs positions that are integers, got {index.dtype.name}")
    return index


def _known(part: Any) -> Any:
    """A part of an index, whose values have to be known."""
    return part.numpy() if isinstance(part, Traced) else part  # type: ignore[attr-defined]
