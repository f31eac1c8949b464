"""What runs along an array with a window: convolutions, correlations and pooling."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import ops
from ..primitive import Shape
from .arguments import as_array, expanded, part, reshaped, shape_of, transposed
from .complexes import conj
from .joining import pad

# ---- of vectors, as in NumPy ----


def convolve(x: Any, y: Any, mode: str = "full") -> Any:
    """The convolution of two vectors.

    **Arguments:** `x` and `y`; `mode`, which of its elements: `"full"` for all, `"same"` for the middle ones, as many
    as the longer vector has, `"valid"` for those where the shorter one lies inside the longer one.

    **Errors:** `ValueError` for what is no vector or is empty, and for another mode.

    >>> import autograd as ag
    >>> ag.convolve([1.0, 2.0, 3.0], [1.0, 1.0])
    array([1., 3., 5., 3.])
    """
    return _trimmed("convolve", as_array(x), as_array(y), mode, ops.convolve)


def correlate(x: Any, y: Any, mode: str = "valid") -> Any:
    """The products of a vector with another one that is moved along it, summed.

    **Arguments:** as for `convolve`. Complex elements of `y` are taken as their conjugates, as in NumPy.

    >>> import autograd as ag
    >>> ag.correlate([1.0, 2.0, 4.0], [1.0, 3.0])
    array([ 7., 14.])
    """
    return _trimmed("correlate", as_array(x), as_array(y), mode, _turned_product)


def _turned_product(x: Any, y: Any) -> Any:
    m = y.shape[0]
    return ops.convolve(x, ops.slice_(conj(y), index=((m - 1, m, -1),)))


def _trimmed(name: str, x: Any, y: Any, mode: str, product: Any) -> Any:
    if len(x.shape) != 1 or len(y.shape) != 1 or not x.shape[0] or not y.shape[0]:
        raise ValueError(f"`{name}` needs two vectors that are not empty, got shapes {x.shape} and {y.shape}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f'`{name}` needs the mode "full", "same" or "valid", got {mode!r}')
    long, short = sorted((x.shape[0], y.shape[0]), reverse=True)
    out = product(x, y)
    if mode == "valid":
        return part(out, 0, short - 1, long - short + 1)
    if mode == "same":
        # Where the middle lies between two elements NumPy's choice depends on the order, for a correlation.
        odd = name == "correlate" and x.shape[0] < y.shape[0]
        return part(out, 0, short // 2 if odd else (short - 1) // 2, long)
    return out


# ---- of batches of images, as in PyTorch ----


def conv1d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0) -> Any:
    """The correlation of each row of channels with filters, as in PyTorch.

    **Arguments:** `x`, of shape (batch, channels, length) or (channels, length); `weight`, of shape (filters, channels,
    size); `bias`, one number for each filter; `stride`, how far the window moves; `padding`, how many zeros stand on
    both sides.

    **Returns:** an array of shape (batch, filters, places of the window).

    **Errors:** `ValueError` for shapes that do not fit.

    >>> import autograd as ag
    >>> ag.conv1d([[1.0, 2.0, 4.0]], [[[1.0, 3.0]]])
    array([[ 7., 14.]])
    """
    return _convolution("conv1d", as_array(x), as_array(weight), bias, stride, padding, 1)


def conv2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0) -> Any:
    """The correlation of images with filters, as in PyTorch.

    **Arguments:** `x`, of shape (batch, channels, height, width) or without the batch; `weight`, of shape (filters,
    channels, height, width of the window); `bias`, `stride` and `padding` as for `conv1d`, one number or one for each
    axis.

    **Returns:** an array of shape (batch, filters, places of the window in either axis).

    **Errors:** `ValueError` for shapes that do not fit.

    >>> import autograd as ag
    >>> ag.conv2d(ag.ones((1, 3, 3)), ag.ones((1, 1, 2, 2))).shape
    (1, 2, 2)
    """
    return _convolution("conv2d", as_array(x), as_array(weight), bias, stride, padding, 2)


def _convolution(name: str, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, rank: int) -> Any:
    batch = _as_batch(name, x, rank)
    if len(weight.shape) != rank + 2 or weight.shape[1] != batch.shape[1]:
        raise ValueError(
            f"`{name}` needs a weight of shape (filters, {batch.shape[1]} channels{', size' * rank}) for an array of "
            f"shape {x.shape}, got {weight.shape}"
        )
    filters, channels, *sizes = weight.shape
    batch = _padded(batch, _each(name, "padding", padding, rank), 0)
    found = _windows(name, batch, tuple(sizes), _each(name, "stride", stride, rank))
    places = found.shape[2 + rank :]
    columns = reshaped(found, (batch.shape[0], channels * prod(sizes), prod(places)))
    out = ops.matmul(reshaped(weight, (filters, channels * prod(sizes))), columns)
    out = reshaped(out, (batch.shape[0], filters, *places))
    if bias is not None:
        out = ops.add(out, reshaped(as_array(bias), (filters, *(1,) * rank)))
    return _as_given(out, x)


def max_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The largest element in each window along the last axis; elements that tie share the gradient.

    **Arguments:** `x`, of shape (batch, channels, length) or (channels, length); `kernel_size`, the length of the
    window; `stride`, how far it moves, by its length unless said; `padding`, by how many places, which are never the
    largest, both sides are longer.

    **Errors:** `ValueError` for a window that does not fit or less than half of which lies in the array.

    >>> import autograd as ag
    >>> ag.max_pool1d([[1.0, 3.0, 2.0, 0.0]], 2)
    array([[3., 2.]])
    """
    return _pool("max_pool1d", as_array(x), kernel_size, stride, padding, 1, -np.inf, ops.max)


def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The largest element in each window over the last two axes; elements that tie share the gradient.

    **Arguments:** as for `max_pool1d`, one number or one for each axis.

    >>> import autograd as ag
    >>> ag.max_pool2d([[[1.0, 3.0], [2.0, 0.0]]], 2)
    array([[[3.]]])
    """
    return _pool("max_pool2d", as_array(x), kernel_size, stride, padding, 2, -np.inf, ops.max)


def avg_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of the elements in each window along the last axis; zeros beside the array count.

    **Arguments:** as for `max_pool1d`.

    >>> import autograd as ag
    >>> ag.avg_pool1d([[1.0, 3.0, 2.0, 0.0]], 2)
    array([[2., 1.]])
    """
    return _pool("avg_pool1d", as_array(x), kernel_size, stride, padding, 1, 0, ops.sum)


def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of the elements in each window over the last two axes; zeros beside the array count.

    **Arguments:** as for `max_pool2d`.

    >>> import autograd as ag
    >>> ag.avg_pool2d([[[1.0, 3.0], [2.0, 0.0]]], 2)
    array([[[1.5]]])
    """
    return _pool("avg_pool2d", as_array(x), kernel_size, stride, padding, 2, 0, ops.sum)


def _pool(name: str, x: Any, size: Any, stride: Any, padding: Any, rank: int, beside: float, reduce: Any) -> Any:
    batch = _as_batch(name, x, rank)
    sizes = _each(name, "kernel_size", size, rank)
    paddings = _each(name, "padding", padding, rank)
    if any(2 * n > size for n, size in zip(paddings, sizes, strict=True)):
        raise ValueError(f"`{name}` needs a padding of half of the window at most, got {paddings} for {sizes}")
    strides = sizes if stride is None else _each(name, "stride", stride, rank)
    found = _windows(name, _padded(batch, paddings, beside), sizes, strides)
    out = reduce(found, axis=tuple(range(2, 2 + rank)), keepdims=False)
    return _as_given(out if reduce is ops.max else ops.div(out, float(prod(sizes))), x)


def _as_batch(name: str, x: Any, rank: int) -> Any:
    if len(x.shape) not in (rank + 1, rank + 2):
        raise ValueError(f"`{name}` needs an array of {rank + 1} or {rank + 2} axes, got shape {x.shape}")
    return x if len(x.shape) == rank + 2 else reshaped(x, (1, *x.shape))


def _as_given(out: Any, x: Any) -> Any:
    return out if len(out.shape) == len(x.shape) else reshaped(out, out.shape[1:])


def _each(name: str, argument: str, sizes: Any, rank: int) -> Shape:
    """One number for all axes, or one for each."""
    found = shape_of(sizes)
    found = found * rank if len(found) == 1 else found
    if len(found) != rank or min(found) < (argument != "padding"):
        raise ValueError(f"`{name}` needs one `{argument}` or {rank}, 1 at least (0 for a padding), got {sizes}")
    return found


def _padded(x: Any, paddings: Shape, value: float) -> Any:
    if not any(paddings):
        return x
    return pad(x, ((0, 0), (0, 0), *[(n, n) for n in paddings]), constant_values=value)


def _windows(name: str, x: Any, sizes: Shape, strides: Shape) -> Any:
    """The windows over the axes from the third on: of shape (batch, channels, sizes..., places...)."""
    rank = len(sizes)
    for i, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        # An axis becomes two, so those of the axes before take two places each.
        axis = 2 + 2 * i
        if size > x.shape[axis]:
            raise ValueError(f"`{name}` needs windows that fit into the array, got {sizes} for shape {x.shape}")
        x = _window(x, axis, size, stride)
    return transposed(x, (0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2)))


def _window(x: Any, axis: int, size: int, stride: int) -> Any:
    """The axis as two: a place in the window, and where the window stands."""
    n = x.shape[axis]
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    count = (n - size) // stride + 1
    if stride == size:
        rows = reshaped(part(x, axis, 0, count * size), (*before, count, size, *after))
        order = [*range(axis), axis + 1, axis, *range(axis + 2, len(rows.shape))]
        return transposed(rows, order)
    # Copies of the array one after another, read again in rows that are one longer: row k begins at element k.
    copies = expanded(reshaped(x, (*before, 1, n, *after)), (*before, size + 1, n, *after))
    flat = part(reshaped(copies, (*before, (size + 1) * n, *after)), axis, 0, size * (n + 1))
    rows = reshaped(flat, (*before, size, n + 1, *after))
    return part(rows, axis + 1, 0, count, stride)
