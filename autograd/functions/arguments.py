"""What the functions take: arrays, tensors, numbers and nested lists; axes; shapes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .. import ops
from ..lengths import Length
from ..ops.broadcasting import repeated
from ..primitive import Shape, Traced
from ..tape import current_tape

Axis = int | Sequence[int] | None

# Tuples, for `isinstance` makes an object of `A | B` at each call.
ARRAYS: Any = (Traced, np.ndarray)
SEQUENCES = (tuple, list)
#: The types of a length.
WHOLE = (int, Length)

# NumPy's limit on the number of axes is 64.
ALL_AXES: tuple[tuple[int, ...], ...] = tuple([tuple(range(n)) for n in range(65)])
_REVERSED = tuple([axes[::-1] for axes in ALL_AXES])


def as_array(x: Any) -> Any:
    """`x` itself if it is a tensor or an array, otherwise the array or tensor that it stands for.

    A nested list that holds a tensor somewhere becomes a tensor, recorded as a concatenation.
    """
    if isinstance(x, ARRAYS):
        return x
    if isinstance(x, SEQUENCES) and _holds_tensor(x):
        return stacked("stack", [as_array(y) for y in x], 0)
    return np.asarray(x)


def _holds_tensor(x: Any) -> bool:
    if isinstance(x, SEQUENCES):
        return any(_holds_tensor(y) for y in x)
    return isinstance(x, Traced)


def stacked(name: str, xs: Sequence[Any], axis: int) -> Any:
    """Arrays or tensors of one shape joined along a new axis."""
    shape = xs[0].shape if xs else ()
    if not xs or any(x.shape != shape for x in xs):
        got = " and ".join(map(str, sorted({x.shape for x in xs}))) or "none"
        raise ValueError(
            f"`{name}` needs at least one array, and all of one shape, got {got}; reshape or `expand` them"
        )
    axis = axis_of(name, axis, len(shape) + 1)
    if axis < len(shape) and current_tape() is None:
        # One reshape of what is joined. A tape has one of each part instead: the parts are compiled to stores.
        return reshaped(joined(xs, axis), (*shape[:axis], len(xs), *shape[axis:]))
    params, run = _sizes((*shape[:axis], 1, *shape[axis:]))
    return joined([ops.reshape.on(x, params, run) for x in xs], axis)


def joined(xs: Sequence[Any], axis: int) -> Any:
    """Arrays or tensors joined along an axis that they have."""
    return ops.concatenate.of(tuple(xs), *_joint(axis))


@lru_cache(maxsize=64)
def _joint(axis: int) -> tuple[dict[str, Any], Any]:
    """The parameters of a concatenation, and what does it to arrays."""
    return {"axis": axis}, lambda *xs: np.concatenate(xs, axis)


def axis_of(name: str, axis: Any, ndim: int) -> int:
    """The axis counted from the first one."""
    i = axis if type(axis) is int else operator.index(axis)
    if -ndim <= i < ndim:
        return i + ndim if i < 0 else i
    if not ndim:
        raise np.exceptions.AxisError(
            f"`{name}` needs an array that has axes, got a single number, of rank 0, and axis {axis}"
        )
    raise np.exceptions.AxisError(
        f"`{name}` needs an axis between {-ndim} and {ndim - 1} for an array of rank {ndim}, got {axis}"
    )


def axes_of(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes in ascending order, all of them for `None`."""
    if axis is None:
        return ALL_AXES[ndim]
    if not isinstance(axis, SEQUENCES):
        return (axis_of(name, axis, ndim),)
    axes = sorted([axis_of(name, i, ndim) for i in axis])
    if len(set(axes)) != len(axes):
        raise ValueError(f"`{name}` needs each axis once, got {tuple(axis)} for an array of rank {ndim}")
    return tuple(axes)


def shape_of(sizes: Any) -> Shape:
    """A shape, given as a number or a sequence of them; a tensor among them is read, and guarded."""
    if type(sizes) in WHOLE:
        return (sizes,)
    if isinstance(sizes, SEQUENCES):
        return tuple([n if type(n) in WHOLE else operator.index(n) for n in sizes])
    if isinstance(sizes, np.ndarray) and sizes.ndim == 1:
        return tuple(sizes.tolist())
    return (operator.index(sizes),)


def floating(x: Any) -> Any:
    """`x` itself if its dtype has fractions, otherwise in float64."""
    return x if x.dtype.kind in "fc" else ops.astype(x, dtype=np.dtype(np.float64))


def given_shape(sizes: tuple[Any, ...]) -> Any:
    """The shape that a method got, either as several numbers or as one sequence."""
    return sizes[0] if len(sizes) == 1 else sizes


def fixed(x: Any) -> Any:
    """`x` as a constant: no gradient flows through it, and where no tape records it is an array."""
    if isinstance(x, Traced) and current_tape() is None:
        return x.data  # type: ignore[attr-defined]
    return ops.stop_gradient(x)


def reshaped(x: Any, shape: Shape) -> Any:
    """`x` in that very shape; `x` itself if it has it already."""
    return x if x.shape == shape else ops.reshape.on(x, *_sizes(shape))


@lru_cache(maxsize=4096)
def _sizes(shape: Shape) -> tuple[dict[str, Any], Any]:
    """The parameters of a reshape, and what does it to an array; without axes a number is left, not an array."""
    return {"shape": shape}, operator.methodcaller("reshape", shape) if shape else None


def reversed_axes(x: Any) -> Any:
    """`x` with its axes in the reverse order."""
    return transposed(x, _REVERSED[len(x.shape)])


def transposed(x: Any, axes: Sequence[int]) -> Any:
    """`x` with its axes in that order; `x` itself if they are so already."""
    params, run = _order(tuple(axes))
    return x if params is None else ops.transpose.on(x, params, run)


@lru_cache(maxsize=256)
def _order(axes: tuple[int, ...]) -> tuple[dict[str, Any] | None, Any]:
    """The parameters of a transposition, `None` where it changes nothing, and what does it to an array."""
    return None if axes == ALL_AXES[len(axes)] else {"axes": axes}, operator.methodcaller("transpose", axes)


def expanded(x: Any, shape: Shape) -> Any:
    """`x` repeated to that shape; `x` itself if it has it already."""
    return x if x.shape == shape else ops.expand(x, shape=shape)


def filled(number: Any, shape: Shape, dtype: Any) -> Any:
    """An array of one number; while a tape records, one that is known to stay that number."""
    if current_tape() is not None and np.ndim(number) == 0:
        return repeated(number, dtype, shape)
    return np.full(shape, number, dtype)


def part(x: Any, axis: int, start: int, size: int, step: int = 1) -> Any:
    """`size` elements along one axis, from `start` on; `x` itself if these are all."""
    shape = x.shape
    if size == shape[axis] and (step == 1 or size <= 1):
        return x
    if size <= 1:
        start, step = start if size else 0, 1
    index = [(0, n, 1) for n in shape]
    index[axis] = (start, size, step)
    return ops.slice_(x, index=tuple(index))


def merged(shape: Shape, axis: int, count: int) -> Shape:
    """The shape with `count` axes, from `axis` on, made one."""
    return (*shape[:axis], prod(shape[axis : axis + count]), *shape[axis + count :])
