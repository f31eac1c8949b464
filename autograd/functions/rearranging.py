"""Functions that turn and shift arrays, and the differences of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from .arguments import Axis, as_array, axes_of, axis_of, part, reshaped, shape_of, transposed
from .movement import ravel


def flip(x: Any, axis: Axis = None) -> Any:
    """The elements in reverse order along the axes.

    **Arguments:** `x`; `axis`, an axis, a tuple of them or `None` for all.

    >>> import autograd as ag
    >>> ag.flip([[1, 2], [3, 4]], axis=1)
    array([[2, 1],
           [4, 3]])
    """
    return _flipped("flip", as_array(x), axis)


def _flipped(name: str, x: Any, axis: Axis) -> Any:
    axes = axes_of(name, axis, len(x.shape))
    index = [(n - 1, n, -1) if i in axes and n > 1 else (0, n, 1) for i, n in enumerate(x.shape)]
    return x if all(step == 1 for _, _, step in index) else ops.slice_(x, index=tuple(index))


def fliplr(x: Any) -> Any:
    """The elements in reverse order along the second axis.

    >>> import autograd as ag
    >>> ag.fliplr([[1, 2], [3, 4]])
    array([[2, 1],
           [4, 3]])
    """
    return _flipped("fliplr", as_array(x), 1)


def flipud(x: Any) -> Any:
    """The elements in reverse order along the first axis.

    >>> import autograd as ag
    >>> ag.flipud([[1, 2], [3, 4]])
    array([[3, 4],
           [1, 2]])
    """
    return _flipped("flipud", as_array(x), 0)


def roll(x: Any, shift: int | Sequence[int], axis: Axis = None) -> Any:
    """The elements moved along an axis; those that leave it at the end come in at its start.

    **Arguments:** `x`; `shift`, by how many places, negative for backwards; `axis`, or several with a shift
    each or one for all; `None` to move in the flattened array.

    >>> import autograd as ag
    >>> ag.roll([1, 2, 3, 4], 1)
    array([4, 1, 2, 3])
    """
    x = as_array(x)
    if axis is None:
        return reshaped(roll(ravel(x), shift, 0), x.shape)
    shifts, axes = np.broadcast_arrays(shape_of(shift), shape_of(axis))
    total: dict[int, int] = {}
    for amount, i in zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True):
        i = axis_of("roll", i, len(x.shape))
        total[i] = total.get(i, 0) + amount
    for i, amount in total.items():
        n = x.shape[i]
        amount = amount % n if n else 0
        if amount:
            x = ops.concatenate(part(x, i, n - amount, amount), part(x, i, 0, n - amount), axis=i)
    return x


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """The array turned by `k` right angles in the plane of two axes, from the first towards the second.

    >>> import autograd as ag
    >>> ag.rot90([[1, 2], [3, 4]])
    array([[2, 4],
           [1, 3]])
    """
    x = as_array(x)
    i, j = [axis_of("rot90", axis, len(x.shape)) for axis in axes]
    if i == j:
        raise ValueError(f"`rot90` needs two different axes, got {axes} for an array of rank {len(x.shape)}")
    order = list(range(len(x.shape)))
    order[i], order[j] = j, i
    turns = (
        lambda: x,
        lambda: transposed(_flipped("rot90", x, j), order),
        lambda: _flipped("rot90", x, (i, j)),
        lambda: _flipped("rot90", transposed(x, order), j),
    )
    return turns[k % 4]()


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along the axis, taken `n` times.

    >>> import autograd as ag
    >>> ag.diff([1, 4, 9, 16])
    array([3, 5, 7])
    """
    x = as_array(x)
    if n < 0:
        raise ValueError(f"`diff` needs an order of 0 or more, got {n}")
    i = axis_of("diff", axis, len(x.shape))
    for _ in range(n):
        size = x.shape[i] - 1
        if size <= 0:
            return part(x, i, 0, 0)
        minus = ops.not_equal if x.dtype.kind == "b" else ops.sub
        x = minus(part(x, i, 1, size), part(x, i, 0, size))
    return x
