"""Functions that give an array another shape, and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

from .. import ops
from ..lengths import broadcast_shapes
from ..primitive import Shape
from .arguments import (
    SEQUENCES,
    Axis,
    as_array,
    axes_of,
    axis_of,
    expanded,
    merged,
    reshaped,
    reversed_axes,
    shape_of,
    transposed,
)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """The same elements, in the same order, in another shape.

    **Arguments:** `x`; `shape`, a number or a sequence of them; one of them may be -1, for what is left.

    **Errors:** `ValueError` for a shape of another number of elements.

    >>> import autograd as ag
    >>> ag.reshape([1, 2, 3, 4], (2, -1))
    array([[1, 2],
           [3, 4]])
    """
    x = as_array(x)
    sizes = shape_of(shape)
    return reshaped(x, _resolved(sizes, x.shape) if -1 in sizes else sizes)


@lru_cache(maxsize=4096)
def _resolved(sizes: Shape, shape: Shape) -> Shape:
    """The sizes with -1 replaced by what is left."""
    known, size = prod([n for n in sizes if n != -1]), prod(shape)
    if sizes.count(-1) > 1 or known == 0 or size % known:
        raise ValueError(
            f"`reshape` needs a shape of the {size} elements of {shape}, got {sizes}, where -1 has no single "
            "value; give all sizes but one"
        )
    return tuple([size // known if n == -1 else n for n in sizes])


def ravel(x: Any) -> Any:
    """The elements in a single axis.

    >>> import autograd as ag
    >>> ag.ravel([[1, 2], [3, 4]])
    array([1, 2, 3, 4])
    """
    x = as_array(x)
    return reshaped(x, (prod(x.shape),))


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from `start_dim` to `end_dim`, that one included, made a single axis.

    >>> import autograd as ag
    >>> ag.flatten([[[1, 2], [3, 4]]], start_dim=1)
    array([[1, 2, 3, 4]])
    """
    x = as_array(x)
    ndim = len(x.shape)
    if ndim == 0:
        return reshaped(x, (1,))
    first, last = axis_of("flatten", start_dim, ndim), axis_of("flatten", end_dim, ndim)
    if first > last:
        raise ValueError(f"`flatten` needs start_dim before end_dim, got {start_dim} and {end_dim}")
    return reshaped(x, merged(x.shape, first, last - first + 1))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order, reversed unless said.

    **Arguments:** `x`; `axes`, for each axis of the result the axis of `x` that it is.

    **Errors:** `ValueError` for axes that are not each axis once.

    >>> import autograd as ag
    >>> ag.transpose([[1, 2], [3, 4]])
    array([[1, 3],
           [2, 4]])
    """
    x = as_array(x)
    ndim = len(x.shape)
    if axes is None:
        return reversed_axes(x)
    order = [axis_of("transpose", i, ndim) for i in axes]
    if sorted(order) != list(range(ndim)):
        raise ValueError(
            f"`transpose` needs each of the {ndim} axes of shape {x.shape} once, got {tuple(axes)}; "
            "`swapaxes` exchanges two axes"
        )
    return transposed(x, order)


permute = transpose


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged.

    >>> import autograd as ag
    >>> ag.swapaxes([[[1, 2], [3, 4]]], 0, 2).shape
    (2, 2, 1)
    """
    x = as_array(x)
    order = list(range(len(x.shape)))
    i, j = axis_of("swapaxes", axis1, len(order)), axis_of("swapaxes", axis2, len(order))
    order[i], order[j] = j, i
    return transposed(x, order)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Some axes moved to other positions, the rest in their order.

    **Arguments:** `x`; `source` and `destination`, an axis each or as many of them.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_array(x)
    ndim = len(x.shape)
    sources = [axis_of("moveaxis", i, ndim) for i in _listed(source)]
    destinations = [axis_of("moveaxis", i, ndim) for i in _listed(destination)]
    if not len(set(sources)) == len(sources) == len(destinations) == len(set(destinations)):
        raise ValueError(f"`moveaxis` needs as many axes to move as places, each once, got {source} and {destination}")
    order = [i for i in range(ndim) if i not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return transposed(x, order)


def _listed(axis: int | Sequence[int]) -> Sequence[int]:
    return axis if isinstance(axis, SEQUENCES) else (axis,)


def squeeze(x: Any, axis: Axis = None) -> Any:
    """Axes of length 1 taken away.

    **Arguments:** `x`; `axis`, which of them, all unless said.

    **Errors:** `ValueError` for an axis of another length.

    >>> import autograd as ag
    >>> ag.squeeze([[1, 2]])
    array([1, 2])
    """
    x = as_array(x)
    shape = x.shape
    if axis is None:
        return reshaped(x, tuple([n for n in shape if n != 1]))
    axes = axes_of("squeeze", axis, len(shape))
    for i in axes:
        if shape[i] != 1:
            raise ValueError(f"`squeeze` needs axes of length 1, got axis {i} of length {shape[i]} in shape {shape}")
    return reshaped(x, tuple([n for i, n in enumerate(shape) if i not in axes]))


def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """New axes of length 1, at these places of the result.

    >>> import autograd as ag
    >>> ag.expand_dims([1, 2], 1)
    array([[1],
           [2]])
    """
    x = as_array(x)
    ndim = len(x.shape) + len(_listed(axis))
    axes = axes_of("expand_dims", axis, ndim)
    rest = iter(x.shape)
    return reshaped(x, tuple([1 if i in axes else next(rest) for i in range(ndim)]))


unsqueeze = expand_dims


def broadcast_to(x: Any, shape: int | Sequence[int]) -> Any:
    """The elements repeated along new axes and axes of length 1.

    **Arguments:** `x`; `shape`, one that NumPy's broadcasting reaches from that of `x`.

    **Errors:** `ValueError` for a shape that it does not reach.

    >>> import autograd as ag
    >>> ag.broadcast_to([1, 2], (2, 2))
    array([[1, 2],
           [1, 2]])
    """
    return _broadcast("broadcast_to", as_array(x), shape_of(shape))


def _broadcast(name: str, x: Any, shape: Shape) -> Any:
    lead = len(shape) - len(x.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[lead:], strict=True)):
        raise ValueError(
            f"`{name}` needs a shape that {x.shape} broadcasts to, got {shape}; reshape it first so that the "
            "axes line up"
        )
    return expanded(x, shape)


def expand(x: Any, shape: int | Sequence[int]) -> Any:
    """The elements repeated along axes of length 1, as PyTorch says it: -1 keeps an axis as it is.

    **Arguments:** `x`; `shape`, as for `broadcast_to`, or -1 for the length that the axis has.

    >>> import autograd as ag
    >>> ag.expand([[1], [2]], (-1, 2))
    array([[1, 1],
           [2, 2]])
    """
    x = as_array(x)
    sizes = shape_of(shape)
    lead = len(sizes) - len(x.shape)
    if -1 in sizes[: lead if lead > 0 else 0]:
        raise ValueError(f"`expand` needs the length of a new axis, got {sizes} for shape {x.shape}")
    if lead >= 0:
        sizes = (*sizes[:lead], *[m if n == -1 else n for n, m in zip(sizes[lead:], x.shape, strict=True)])
    return _broadcast("expand", x, sizes)


def broadcast_arrays(*xs: Any) -> tuple[Any, ...]:
    """Arrays broadcast against each other, so that all have one shape.

    >>> import autograd as ag
    >>> ag.broadcast_arrays([1, 2], 3)
    (array([1, 2]), array([3, 3]))
    """
    arrays = [as_array(x) for x in xs]
    shapes = [x.shape for x in arrays]
    try:
        shape = broadcast_shapes(*shapes)
    except ValueError:
        got = " and ".join(map(str, shapes))
        raise ValueError(f"`broadcast_arrays` needs shapes that broadcast together, got {got}") from None
    return tuple([expanded(x, shape) for x in arrays])


def atleast_1d(x: Any) -> Any:
    """`x` with one axis at least.

    >>> import autograd as ag
    >>> ag.atleast_1d(3.0)
    array([3.])
    """
    x = as_array(x)
    return x if x.shape else reshaped(x, (1,))


def atleast_2d(x: Any) -> Any:
    """`x` with two axes at least; a vector becomes a row.

    >>> import autograd as ag
    >>> ag.atleast_2d([1, 2])
    array([[1, 2]])
    """
    x = as_array(x)
    return reshaped(x, (*(1,) * (2 - len(x.shape)), *x.shape))


def atleast_3d(x: Any) -> Any:
    """`x` with three axes at least; a vector becomes a row of single elements, a matrix gets a last axis.

    >>> import autograd as ag
    >>> ag.atleast_3d([1, 2]).shape
    (1, 2, 1)
    """
    x = as_array(x)
    if len(x.shape) >= 3:
        return x
    return reshaped(x, (*x.shape, 1) if len(x.shape) == 2 else (1, *(x.shape or (1,)), 1))


def meshgrid(*xs: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinates of the points of a grid, from the coordinates along each axis.

    **Arguments:** vectors; `indexing`, `"ij"` for axes in the order of the vectors, `"xy"`, as in NumPy, for
    the first two exchanged.

    >>> import autograd as ag
    >>> x, y = ag.meshgrid([1, 2], [3, 4, 5], indexing="ij")
    >>> x
    array([[1, 1, 1],
           [2, 2, 2]])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f'`meshgrid` needs indexing "xy" or "ij", got {indexing!r}')
    vectors = [ravel(x) for x in xs]
    places = list(range(len(vectors)))
    if indexing == "xy" and len(places) > 1:
        places[:2] = [1, 0]
    shape = [0] * len(vectors)
    for place, x in zip(places, vectors, strict=True):
        shape[place] = x.shape[0]
    found = []
    for place, x in zip(places, vectors, strict=True):
        own = tuple([n if i == place else 1 for i, n in enumerate(shape)])
        found.append(expanded(reshaped(x, own), tuple(shape)))
    return tuple(found)


def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged.

    **Errors:** `ValueError` for an array of less than two axes.

    >>> import autograd as ag
    >>> ag.matrix_transpose([[[1, 2, 3]]]).shape
    (1, 3, 1)
    """
    x = as_array(x)
    if len(x.shape) < 2:
        raise ValueError(f"`matrix_transpose` needs two axes at least, got shape {x.shape}")
    return ops.transposed(x)
