"""`x[...]`: NumPy's indexing by slices, reshapes and gathers.

An index of integers, slices, `None` and `...` is one slice and one reshape, or less. One with arrays, masks
or integer tensors is, after that, a gather along the first axes, between transposes where these are not
the first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from math import prod
from types import EllipsisType, NoneType
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..lengths import Length, is_length
from ..ops.movement import slices
from ..primitive import Shape, Traced
from .arguments import ARRAYS, SEQUENCES, as_array, expanded, reshaped, transposed

_BASIC = frozenset({int, slice, NoneType, EllipsisType})
_BOUNDS = frozenset({int, NoneType, Length})
_INTP = np.dtype(np.intp)


def getitem(x: Any, key: Any) -> Any:
    """`x[key]`, with NumPy's meaning for every key.

    Integers, slices, `None`, `...`, arrays and lists of integers, masks, and integer tensors, which stay
    part of what is recorded.

    **Errors:** `IndexError` for what is out of range, naming axis and length; for a mask of another shape;
    for more indices than axes.
    """
    kind = type(key)
    if kind is int:
        return _planned(x, (key,))
    if kind is slice:
        return _planned(x, (_bounds(key),))
    items = key if kind is tuple else (key,)
    known = []
    for item in items:
        kind = type(item)
        if kind is slice:
            item = _bounds(item)
        elif kind not in _BASIC:
            return _by_arrays(x, items)
        known.append(item)
    return _planned(x, tuple(known))


# ---- integers, slices, None and ... ----


def _basic(x: Any, items: tuple[Any, ...]) -> Any:
    return _planned(x, tuple([_bounds(item) if type(item) is slice else item for item in items]))


def _planned(x: Any, items: tuple[Any, ...]) -> Any:
    """The elements by an index of these kinds: one slice and one reshape, or less."""
    part, shape, run = _plan(items, x.shape)
    if part is not None:
        x = ops.slice_.on(x, part, run)
    return x if shape is None else reshaped(x, shape)


def _bounds(item: slice) -> tuple[int | None, int | None, int | None]:
    """A slice as a key that is equal for equal slices alone; a tensor among the bounds is read, and guarded."""
    start, stop, step = item.start, item.stop, item.step
    if type(start) in _BOUNDS and type(stop) in _BOUNDS and type(step) in _BOUNDS:
        return start, stop, step
    start, stop, step = [None if i is None else operator.index(i) for i in (start, stop, step)]
    return start, stop, step


class _Plan(NamedTuple):
    """The parameters of the slice that an index is, and the shape after it; `None` for what is not needed."""

    part: dict[str, Any] | None
    shape: Shape | None
    #: The slice of an array.
    run: Callable[..., Any]


@lru_cache(maxsize=4096)
def _plan(items: tuple[Any, ...], shape: Shape) -> _Plan:
    """The meaning of an index of integers, `(start, stop, step)`, `None` and `...`.

    A program asks for the same index at each run, and finding its meaning takes longer than following it.
    """
    index: list[int | tuple[int, int, int]] = []
    kept: list[int] = []
    given = tuple([slice(*item) if type(item) is tuple else item for item in items])
    for item in _filled(given, shape):
        if item is None:
            kept.append(1)
            continue
        n = shape[len(index)]
        if type(item) is int:
            if not -n <= item < n:
                raise _out_of_range(item, len(index), shape)
            at = item if item >= 0 else item + n
            index.append(at if type(at) is int else (at, 1, 1))
            continue
        start, stop, step = indices(item, n)
        size = (stop - start) * step if is_length(n) else len(range(start, stop, step))
        index.append((start, size, step) if size > 1 else (start if size else 0, size, 1))
        kept.append(size)
    whole = tuple([(0, n, 1) for n in shape])
    return _Plan(
        None if tuple(index) == whole else {"index": tuple(index)},
        tuple(kept) if None in items or len(kept) < sum([type(i) is tuple for i in index]) else None,
        operator.itemgetter(slices(tuple(index))),
    )


_ALL = slice(None)


def positioned(key: Any, shape: Shape) -> tuple[dict[str, Any], list[Any]] | None:
    """The parameters of `slice_at`, and the positions, for an index in which single integers are tensors.

    `None` for an index with other tensors or arrays, or with none at all.
    """
    items = key if type(key) is tuple else (key,)
    positions = [i for i in items if isinstance(i, Traced)]
    kinds = {type(i) for i in items if not isinstance(i, Traced)}
    if not positions or not kinds <= {int, slice, EllipsisType}:
        return None
    if any(i.ndim or i.dtype.kind not in "iu" for i in positions):  # type: ignore[attr-defined]
        return None
    given = _filled(items, shape)
    basic = [_ALL if isinstance(i, Traced) else i for i in given]
    part = _plan(tuple([_bounds(i) if type(i) is slice else i for i in basic]), shape).part
    index = [(0, n, 1) for n in shape] if part is None else part["index"]
    index = [None if isinstance(i, Traced) else j for i, j in zip(given, index, strict=True)]
    return {"index": tuple(index)}, positions


def indices(item: slice, n: Any) -> tuple[Any, Any, int]:
    """The first position, the one past the last, and the step of a slice on an axis of length `n`."""
    start, stop, step = item.start, item.stop, item.step
    if not is_length(n) or step not in (None, 1, -1) or (step == -1 and (start, stop) != (None, None)):
        return item.indices(n)
    if step == -1:
        return n - 1, -1, -1
    start, stop = [end if i is None else _clipped(i, n) for i, end in ((start, 0), (stop, n))]
    return start, start if stop < start else stop, 1


def _clipped(i: Any, n: Length) -> Any:
    if i < 0:
        return 0 if i + n < 0 else i + n
    return n if i > n else i


def _filled(items: tuple[Any, ...], shape: Shape) -> tuple[Any, ...]:
    """The items without the ellipsis, one for each axis beside the new ones."""
    dots = used = 0
    for item in items:
        if item is Ellipsis:
            dots += 1
        elif item is not None:
            used += item.ndim if _is_mask(item) else 1
    if dots > 1:
        raise IndexError("an index needs one `...` at most, for it stands for all axes that are left")
    spare = len(shape) - used
    if spare < 0:
        raise IndexError(f"an index of {used} axes needs an array of as many, got shape {shape}")
    if not dots:
        return items + (_ALL,) * spare if spare else items
    i = next(i for i, item in enumerate(items) if item is Ellipsis)
    return items[:i] + (_ALL,) * spare + items[i + 1 :]


def _out_of_range(i: Any, axis: int, shape: Shape) -> IndexError:
    return IndexError(f"index {i} is out of range for axis {axis} of length {shape[axis]}, in shape {shape}")


# ---- arrays, masks and tensors ----


def _item(item: Any) -> Any:
    """An item of an index as an integer, a slice, `None`, `...`, or an array or tensor of integers.

    A mask becomes an array of booleans.
    """
    if type(item) in _BASIC:
        return item
    if isinstance(item, (bool, np.bool_)):
        return np.asarray(item)
    if isinstance(item, SEQUENCES) and len(item) == 0:
        return np.zeros(0, np.intp)
    if hasattr(item, "__index__") and not isinstance(item, ARRAYS):
        return operator.index(item)
    array = as_array(item)
    recorded = isinstance(array, Traced)
    kind = array.dtype.kind
    if kind == "b":
        # The shape depends on the values of a mask, so a recording holds for these values alone.
        return array.escape(np.asarray(array.data)) if recorded else array
    if kind not in "iu":
        raise IndexError(
            f"an index needs integers, slices, `None`, `...` or booleans, got {type(item).__name__} of "
            f"{array.dtype.name}; convert it with `.astype(int)`"
        )
    return array if recorded or array.ndim else int(array)


def _is_mask(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype.kind == "b"


def _is_array(item: Any) -> bool:
    return isinstance(item, ARRAYS)


def _by_arrays(x: Any, items: tuple[Any, ...]) -> Any:
    key = items[0]
    alone = len(items) == 1 and isinstance(key, ARRAYS) and key.dtype == _INTP and len(x.shape) > 0
    if alone and (key.shape or isinstance(key, Traced)):
        try:
            return ops.gather(x, key)
        except IndexError:
            # The long way finds the words for it.
            return _mixed(x, items)
    return _mixed(x, tuple([_item(item) for item in items]))


class _Layout(NamedTuple):
    """An index whose masks are positions in merged axes.

    `shape` is that of the array with the merged axes, `items` has an entry for each of its axes beside the
    new ones, and `axes` says for each entry which axis of the user's array it is.
    """

    shape: Shape
    items: tuple[Any, ...]
    axes: tuple[int, ...]


def _mixed(x: Any, items: tuple[Any, ...]) -> Any:
    layout = _without_masks(_filled(items, x.shape), x.shape)
    indices = [item for item in layout.items if isinstance(item, ARRAYS)]
    if not indices:
        return _basic(x, layout.items)
    common = _common_shape(indices)
    rest = reshaped(x, layout.shape)
    basic = tuple([_ALL if _is_array(item) else item for item in layout.items])
    if basic.count(_ALL) < len(basic):
        rest = _basic(rest, basic)
    axes, place = _places(items, layout.items)
    others = [i for i in range(len(rest.shape)) if i not in axes]
    moved = transposed(rest, (*axes, *others))
    try:
        out = ops.gather(moved, *[_aligned(i, common) for i in indices])
    except IndexError as error:
        raise _explained(error, layout, x.shape) from None
    order = list(range(len(common), len(out.shape)))
    order[place:place] = range(len(common))
    return transposed(out, order)


def _without_masks(items: tuple[Any, ...], shape: Shape) -> _Layout:
    """Each mask as the positions in its axes made one; one without axes picks from a new axis of length 1."""
    merged: list[int] = []
    entries: list[Any] = []
    axes: list[int] = []
    axis = 0
    for item in items:
        axes.append(axis)
        if item is None:
            entries.append(item)
            continue
        count = item.ndim if _is_mask(item) else 1
        if _is_mask(item):
            if item.shape != shape[axis : axis + count]:
                raise IndexError(
                    f"a mask needs the shape of the axes that it stands for, {shape[axis : axis + count]}, "
                    f"got {item.shape} for shape {shape}"
                )
            item = np.flatnonzero(item)
        entries.append(item)
        merged.append(prod(shape[axis : axis + count]))
        axis += count
    return _Layout(tuple(merged), tuple(entries), tuple(axes))


def _common_shape(indices: list[Any]) -> Any:
    shapes = [i.shape for i in indices]
    if len(shapes) == 1:
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        got = " and ".join(map(str, shapes))
        raise IndexError(f"the arrays of an index need shapes that broadcast together, got {got}") from None


def _places(given: tuple[Any, ...], items: tuple[Any, ...]) -> tuple[list[int], int]:
    """The axes that arrays stand for once the rest of the index is done, and where their own axes go.

    These take the place of the arrays and integers if nothing stands between them, and come first otherwise.
    """
    axes: list[int] = []
    kept = 0
    for item in items:
        if _is_array(item):
            axes.append(kept)
        kept += type(item) is not int
    chosen = [i for i, item in enumerate(given) if type(item) is int or _is_array(item)]
    if chosen[-1] - chosen[0] + 1 != len(chosen):
        return axes, 0
    return axes, axes[0]


def _aligned(index: Any, shape: Shape) -> Any:
    """An index in the dtype and the common shape that a gather takes."""
    # Without a copy where none is needed: a recorded function reads the user's own array at each call.
    index = index if index.dtype == _INTP else ops.astype(index, dtype=_INTP)
    if isinstance(index, Traced):
        return expanded(index, shape)
    return index if index.shape == shape else np.broadcast_to(index, shape)


def _explained(error: IndexError, layout: _Layout, shape: Shape) -> IndexError:
    """The error of a gather, with the axis of the user's array."""
    sizes = iter(layout.shape)
    for item, axis in zip(layout.items, layout.axes, strict=True):
        n = 1 if item is None else next(sizes)
        if isinstance(item, np.ndarray) and item.size and not (-n <= item.min() and item.max() < n):
            return _out_of_range(int(item[(item < -n) | (item >= n)][0]), axis, shape)
    return error
