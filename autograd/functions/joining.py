"""Functions that join arrays, take them apart and repeat their elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from .arguments import as_array, axis_of, expanded, joined, part, reshaped, shape_of, stacked
from .indexing import getitem
from .movement import atleast_1d, atleast_2d, atleast_3d, ravel


def concatenate(xs: Any, axis: int | None = 0) -> Any:
    """Arrays joined along an axis that they have.

    **Arguments:** `xs`, a sequence of arrays, tensors or lists, alike in all other axes; `axis`, `None` to
    flatten them first.

    **Errors:** `ValueError` for arrays that do not fit together.

    >>> import autograd as ag
    >>> ag.concatenate([[1, 2], [3]])
    array([1, 2, 3])
    """
    arrays = [as_array(x) for x in xs]
    if axis is None:
        arrays, axis = [ravel(x) for x in arrays], 0
    _check_joined(arrays)
    return joined(arrays, axis_of("concatenate", axis, len(arrays[0].shape)))


concat = concatenate


def _check_joined(arrays: list[Any]) -> None:
    ranks = {len(x.shape) for x in arrays}
    if len(ranks) != 1 or 0 in ranks:
        got = " and ".join([str(x.shape) for x in arrays]) or "none"
        raise ValueError(
            f"`concatenate` needs at least one array, and all of one rank above 0, got {got}; `stack` joins "
            "along a new axis"
        )


def stack(xs: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis.

    **Arguments:** `xs`, a sequence of arrays, tensors or numbers; `axis`, the place of the new axis.

    **Errors:** `ValueError` for arrays of different shapes.

    >>> import autograd as ag
    >>> ag.stack([[1, 2], [3, 4]], axis=1)
    array([[1, 3],
           [2, 4]])
    """
    return stacked("stack", [as_array(x) for x in xs], axis)


def vstack(xs: Any) -> Any:
    """Rows, or matrices one above the other.

    >>> import autograd as ag
    >>> ag.vstack([[1, 2], [3, 4]])
    array([[1, 2],
           [3, 4]])
    """
    return concatenate([atleast_2d(x) for x in xs], 0)


def hstack(xs: Any) -> Any:
    """Vectors one after the other, or matrices side by side.

    >>> import autograd as ag
    >>> ag.hstack([[1, 2], 3])
    array([1, 2, 3])
    """
    arrays = [atleast_1d(x) for x in xs]
    return concatenate(arrays, 1 if arrays and len(arrays[0].shape) > 1 else 0)


def dstack(xs: Any) -> Any:
    """Arrays joined along the third axis.

    >>> import autograd as ag
    >>> ag.dstack([[1, 2], [3, 4]])
    array([[[1, 3],
            [2, 4]]])
    """
    return concatenate([atleast_3d(x) for x in xs], 2)


def column_stack(xs: Any) -> Any:
    """Vectors as the columns of a matrix; matrices side by side.

    >>> import autograd as ag
    >>> ag.column_stack([[1, 2], [3, 4]])
    array([[1, 3],
           [2, 4]])
    """
    arrays = [as_array(x) for x in xs]
    columns = [x if len(x.shape) > 1 else reshaped(x, (prod(x.shape), 1)) for x in arrays]
    return concatenate(columns, 1)


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """The parts of an array along an axis.

    **Arguments:** `x`; `indices_or_sections`, the number of equal parts, or where each part but the first
    starts; `axis`.

    **Returns:** a list of arrays.

    **Errors:** `ValueError` for a number of parts that does not divide the length; see `array_split`.

    >>> import autograd as ag
    >>> ag.split([1, 2, 3, 4], 2)
    [array([1, 2]), array([3, 4])]
    """
    x = as_array(x)
    i = axis_of("split", axis, len(x.shape))
    if np.ndim(indices_or_sections) == 0:
        (sections,) = shape_of(indices_or_sections)
        if sections < 1 or x.shape[i] % sections:
            raise ValueError(
                f"`split` needs a number of parts that divides the length of axis {i}, {x.shape[i]}, got "
                f"{sections}; `array_split` makes parts of different lengths"
            )
    return _parts(x, indices_or_sections, i)


def array_split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """The parts of an array along an axis, the first ones longer by one where they cannot be equal.

    **Arguments:** as for `split`.

    >>> import autograd as ag
    >>> ag.array_split([1, 2, 3], 2)
    [array([1, 2]), array([3])]
    """
    x = as_array(x)
    return _parts(x, indices_or_sections, axis_of("array_split", axis, len(x.shape)))


def _parts(x: Any, indices_or_sections: int | Sequence[int], axis: int) -> list[Any]:
    n = x.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        (sections,) = shape_of(indices_or_sections)
        if sections < 1:
            raise ValueError(f"`array_split` needs at least one part, got {sections}")
        size, longer = divmod(n, sections)
        bounds = [i * size + min(i, longer) for i in range(sections + 1)]
    else:
        # A slice clips positions to the length and counts negative ones from the end.
        bounds = [0, *[slice(i, None).indices(n)[0] for i in shape_of(indices_or_sections)], n]
    return [part(x, axis, start, max(stop - start, 0)) for start, stop in pairwise(bounds)]


def vsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """The parts of an array along its first axis.

    >>> import autograd as ag
    >>> ag.vsplit([[1, 2], [3, 4]], 2)
    [array([[1, 2]]), array([[3, 4]])]
    """
    return split(x, indices_or_sections, 0)


def hsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """The parts of an array along its second axis, of a vector along its only one.

    >>> import autograd as ag
    >>> ag.hsplit([[1, 2], [3, 4]], 2)
    [array([[1],
           [3]]), array([[2],
           [4]])]
    """
    x = as_array(x)
    return split(x, indices_or_sections, 1 if len(x.shape) > 1 else 0)


def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """The whole array repeated along its axes.

    **Arguments:** `x`; `reps`, how often along each of the last axes; more of them than `x` has axes add
    new ones.

    >>> import autograd as ag
    >>> ag.tile([1, 2], (2, 2))
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    x = as_array(x)
    times = shape_of(reps)
    ndim = max(len(times), len(x.shape))
    times = (*(1,) * (ndim - len(times)), *times)
    shape = (*(1,) * (ndim - len(x.shape)), *x.shape)
    if all(n == 1 for n in times):
        return reshaped(x, shape)
    apart = tuple([m for n in shape for m in (1, n)])
    wide = tuple([m for pair in zip(times, shape, strict=True) for m in pair])
    return reshaped(expanded(reshaped(x, apart), wide), tuple([n * m for n, m in zip(times, shape, strict=True)]))


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element repeated, the copies side by side.

    **Arguments:** `x`; `repeats`, how often, or as many numbers as there are elements along the axis; `axis`,
    `None` to flatten `x` first.

    >>> import autograd as ag
    >>> ag.repeat([1, 2], [3, 1])
    array([1, 1, 1, 2])
    """
    x = as_array(x)
    x, i = (ravel(x), 0) if axis is None else (x, axis_of("repeat", axis, len(x.shape)))
    times = shape_of(repeats if isinstance(repeats, int) else as_array(repeats).tolist())
    n = x.shape[i]
    if len(times) == 1:
        shape = (*x.shape[: i + 1], 1, *x.shape[i + 1 :])
        wide = (*x.shape[: i + 1], times[0], *x.shape[i + 1 :])
        return reshaped(expanded(reshaped(x, shape), wide), (*x.shape[:i], n * times[0], *x.shape[i + 1 :]))
    if len(times) != n:
        raise ValueError(f"`repeat` needs a number for each of {n} elements along axis {i}, got {len(times)}")
    return getitem(x, (*(slice(None),) * i, np.repeat(np.arange(n), times)))


_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")

# Past this many parts, one gather is cheaper than slices and a concatenation.
_MANY_PARTS = 8


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """An array with elements added at the ends of its axes.

    **Arguments:** `x`; `pad_width`, the number of elements before and after, `((before, after), ...)` for
    each axis, `(before, after)` or a number for all; `mode`, `"constant"`, `"edge"`, `"reflect"`,
    `"symmetric"` or `"wrap"`, with NumPy's meaning; `constant_values`, a number, or as `pad_width`.

    **Errors:** `ValueError` for another mode, a negative width, or an empty axis with nothing to repeat.

    >>> import autograd as ag
    >>> ag.pad([1, 2, 3], (1, 2))
    array([0, 1, 2, 3, 0, 0])
    >>> ag.pad([1, 2, 3], 2, mode="reflect")
    array([3, 2, 1, 2, 3, 2, 1])
    """
    x = as_array(x)
    if mode not in _MODES:
        raise ValueError(f"`pad` needs a mode of {', '.join(_MODES)}, got {mode!r}")
    pairs = _pairs(pad_width, len(x.shape))
    if mode == "constant":
        return _pad_constant(x, pairs, constant_values)
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            x = _taken(x, axis, _positions(x.shape[axis], before, after, mode))
    return x


def _pairs(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """The numbers of elements before and after each axis."""
    if type(pad_width) is int and pad_width >= 0:
        return [(pad_width, pad_width)] * ndim
    widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ValueError(f"`pad` needs widths of 0 or more, integers, got {pad_width}")
    return [(before, after) for before, after in widths.tolist()]


def _pad_constant(x: Any, pairs: list[tuple[int, int]], values: Any) -> Any:
    if isinstance(values, int | float) and values == 0:
        index = tuple([(before, n, 1) for n, (before, _) in zip(x.shape, pairs, strict=True)])
        shape = tuple([before + n + after for n, (before, after) in zip(x.shape, pairs, strict=True)])
        return x if shape == x.shape else ops.unslice(x, shape=shape, index=index)
    table = expanded(as_array(values), (len(pairs), 2))
    for axis, widths in enumerate(pairs):
        blocks = []
        for side, width in enumerate(widths):
            value = getitem(table, (axis, side))
            value = value if value.dtype == x.dtype else ops.astype(value, dtype=x.dtype)
            blocks.append(expanded(value, (*x.shape[:axis], width, *x.shape[axis + 1 :])))
        x = ops.concatenate(blocks[0], x, blocks[1], axis=axis)
    return x


class _Positions(NamedTuple):
    """Positions along an axis, and the start, size and step of the stretches whose step is 1, 0 or -1."""

    all: tuple[int, ...]
    runs: tuple[tuple[int, int, int], ...]


@lru_cache(maxsize=256)
def _positions(n: int, before: int, after: int, mode: Any) -> _Positions:
    """Where the elements of a padded axis of length `n` come from."""
    padded = np.pad(np.arange(n), (before, after), mode).tolist()
    return _Positions(tuple(padded), tuple(_runs(padded)))


def _taken(x: Any, axis: int, positions: _Positions) -> Any:
    """The elements at these positions of an axis, as slices joined together where these are few."""
    if len(positions.runs) > _MANY_PARTS:
        return getitem(x, (*(slice(None),) * axis, np.array(positions.all, np.intp)))
    blocks = []
    for start, size, step in positions.runs:
        block = part(x, axis, start, size if step else 1, step or 1)
        blocks.append(block if step else expanded(block, (*x.shape[:axis], size, *x.shape[axis + 1 :])))
    return ops.concatenate(*blocks, axis=axis)


def _runs(positions: list[int]) -> Iterator[tuple[int, int, int]]:
    i = 0
    while i < len(positions):
        step = positions[i + 1] - positions[i] if i + 1 < len(positions) else 1
        size = 1
        if -1 <= step <= 1:
            while i + size < len(positions) and positions[i + size] == positions[i] + size * step:
                size += 1
        yield positions[i], size, step if size > 1 else 1
        i += size
