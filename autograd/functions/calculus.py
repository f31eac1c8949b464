"""Differences, integrals, interpolation, running products and polynomials of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from .arguments import as_array, axis_of, floating, part, reshaped, stacked, transposed
from .elementwise import astype
from .joining import concatenate
from .movement import ravel
from .rearranging import diff
from .reduction import sum


def cumprod(x: Any, axis: int | None = None) -> Any:
    """The running product along the axis; its gradient is exact where elements are zero.

    **Arguments:** `x`; `axis`, `None` for the flattened array.

    >>> import autograd as ag
    >>> ag.cumprod([1, 2, 3])
    array([1, 2, 6])
    """
    x = as_array(x)
    x, i = (ravel(x), 0) if axis is None else (x, axis_of("cumprod", axis, len(x.shape)))
    dtype = np.multiply.reduce(np.empty(0, x.dtype)).dtype
    return _running_product(x if x.dtype == dtype else ops.astype(x, dtype=dtype), i)


def _running_product(x: Any, axis: int) -> Any:
    """That of the products of pairs is known at every second place; one factor more gives the places between."""
    n = x.shape[axis]
    if n <= 1:
        return x
    half = n // 2
    even, odd = part(x, axis, 0, n - half, 2), part(x, axis, 1, half, 2)
    known = _running_product(ops.mul(part(even, axis, 0, half), odd), axis)
    between = ops.mul(part(known, axis, 0, n - half - 1), part(even, axis, 1, n - half - 1))
    first = ops.concatenate(part(even, axis, 0, 1), between, axis=axis)
    shape = (*x.shape[:axis], 2 * half, *x.shape[axis + 1 :])
    out = reshaped(stacked("cumprod", [part(first, axis, 0, half), known], axis + 1), shape)
    return ops.concatenate(out, part(first, axis, half, 1), axis=axis) if n % 2 else out


def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours in the flattened array, between what is put at its end and its begin.

    >>> import autograd as ag
    >>> ag.ediff1d([1, 4, 9], to_begin=0)
    array([0, 3, 5])
    """
    x = ravel(x)
    beside = [None if y is None else astype(ravel(y), x.dtype) for y in (to_begin, to_end)]
    return concatenate([y for y in (beside[0], diff(x), beside[1]) if y is not None])


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples along the axis by the trapezoidal rule.

    **Arguments:** `y`; `x`, where the samples lie: a vector for the axis or an array of the shape of `y`; `dx`, their
    distance where `x` is not given; `axis`.

    >>> import autograd as ag
    >>> float(ag.trapezoid([0.0, 1.0, 4.0]))
    3.0
    """
    y = as_array(y)
    i = axis_of("trapezoid", axis, len(y.shape))
    n = y.shape[i]
    if x is not None:
        dx = as_array(x)
        dx = diff(dx, axis=axis if len(dx.shape) > 1 else 0)
        dx = _along(dx, i, len(y.shape)) if len(dx.shape) == 1 else dx
    size = n - 1 if n else 0
    means = ops.div(ops.add(part(y, i, min(1, n), size), part(y, i, 0, size)), 2.0)
    return sum(ops.mul(means, dx), i)


def _along(x: Any, axis: int, ndim: int) -> Any:
    """A vector along one of `ndim` axes."""
    return reshaped(x, (1,) * axis + x.shape + (1,) * (ndim - axis - 1))


def gradient(x: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """The slopes of samples by central differences, at the edges by those of one side.

    **Arguments:** `x`; `spacing`, one distance or vector of coordinates for all axes, or one for each; `axis`, one or
    several, `None` for all; `edge_order`, 1 or 2, the order of the differences at the edges.

    **Returns:** an array for one axis, a tuple of them for several.

    **Errors:** `ValueError` where an axis has not more samples than `edge_order`; `TypeError` for another number of
    spacings.

    >>> import autograd as ag
    >>> ag.gradient([1.0, 2.0, 4.0, 7.0])
    array([1. , 1.5, 2.5, 3. ])
    """
    x = floating(as_array(x))
    ndim = len(x.shape)
    chosen = range(ndim) if axis is None else np.atleast_1d(axis)
    axes = [axis_of("gradient", i, ndim) for i in chosen]
    steps = spacing or (1.0,)
    if len(steps) == 1:
        steps = steps * len(axes)
    if len(steps) != len(axes):
        raise TypeError(f"`gradient` needs one spacing or one for each of {len(axes)} axes, got {len(steps)}")
    if edge_order not in (1, 2):
        raise ValueError(f"`gradient` needs an edge order of 1 or 2, got {edge_order}")
    found = tuple([_slopes(x, i, step, edge_order) for i, step in zip(axes, steps, strict=True)])
    return found[0] if len(found) == 1 else found


def _slopes(x: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    n = x.shape[axis]
    if n <= edge_order:
        raise ValueError(f"`gradient` needs more than {edge_order} samples along axis {axis}, got shape {x.shape}")
    at = as_array(spacing)
    if len(at.shape) > 1 or (at.shape and at.shape != (n,)):
        raise ValueError(f"`gradient` needs a number or {n} coordinates for axis {axis}, got shape {at.shape}")
    lengths = _along(diff(at), axis, len(x.shape)) if at.shape else spacing

    def step(i: int, size: int = 1) -> Any:
        return part(lengths, axis, i, size) if at.shape else lengths

    def value(i: int, size: int = 1) -> Any:
        return part(x, axis, i, size)

    if edge_order == 1:
        first = ops.div(ops.sub(value(1), value(0)), step(0))
        last = ops.div(ops.sub(value(n - 1), value(n - 2)), step(n - 2))
    else:
        first = _one_sided([value(i) for i in range(3)], step(0), step(1))
        last = ops.neg(_one_sided([value(n - 1 - i) for i in range(3)], step(n - 2), step(n - 3)))
    if n == 2:
        return ops.concatenate(first, last, axis=axis)
    before, after = step(0, n - 2), step(1, n - 2)
    # The slopes on both sides, each weighed with the distance on the other one.
    left = ops.div(ops.sub(value(1, n - 2), value(0, n - 2)), before)
    right = ops.div(ops.sub(value(2, n - 2), value(1, n - 2)), after)
    inner = ops.div(ops.add(ops.mul(left, after), ops.mul(right, before)), ops.add(before, after))
    return ops.concatenate(first, inner, last, axis=axis)


def _one_sided(values: list[Any], near: Any, far: Any) -> Any:
    """The slope at the first of three samples of the parabola through them."""
    left, right = ops.div(ops.sub(values[1], values[0]), near), ops.div(ops.sub(values[2], values[1]), far)
    return ops.sub(left, ops.div(ops.mul(ops.sub(right, left), near), ops.add(near, far)))


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """The values at `x` of the broken line through the points `(xp, fp)`.

    **Arguments:** `x`; `xp`, an ascending vector; `fp`, a vector as long; `left` and `right`, the values beside the
    points, the first and the last of `fp` unless said. There are gradients by all; at a point that by `x` is the
    slope on its right, at the last one that on its left.

    **Errors:** `ValueError` for vectors that are empty or of different lengths.

    >>> import autograd as ag
    >>> ag.interp([0.5, 3.0], [0.0, 1.0, 2.0], [0.0, 10.0, 30.0])
    array([ 5., 30.])
    """
    x, xp, fp = as_array(x), as_array(xp), as_array(fp)
    if len(xp.shape) != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ValueError(f"`interp` needs two vectors of points of one length, got shapes {xp.shape} and {fp.shape}")
    n = xp.shape[0]
    begin, end = [reshaped(part(fp, 0, i, 1), ()) for i in (0, n - 1)]
    low, high = [reshaped(part(xp, 0, i, 1), ()) for i in (0, n - 1)]
    if n == 1:
        inside = ops.add(ops.mul(x, 0.0), begin)
    else:
        i = ops.clip(ops.sub(ops.searchsorted(xp, x, right=True), 1), 0, n - 2)
        following = ops.add(i, 1)
        start, value = ops.gather(xp, i), ops.gather(fp, i)
        run = ops.sub(ops.gather(xp, following), start)
        slope = ops.div(ops.sub(ops.gather(fp, following), value), ops.where(ops.equal(run, 0), 1, run))
        # At two points in one place, the last ones, the second counts.
        inside = ops.where(
            ops.equal(run, 0), ops.gather(fp, following), ops.add(value, ops.mul(slope, ops.sub(x, start)))
        )
    out = ops.where(ops.less(x, low), begin if left is None else left, inside)
    return ops.where(ops.greater(x, high), end if right is None else right, out)


def polyval(p: Any, x: Any) -> Any:
    """The polynomial with the coefficients `p`, that of the highest power first, at `x`.

    >>> import autograd as ag
    >>> float(ag.polyval([3.0, 0.0, 1.0], 5.0))
    76.0
    """
    p, x = as_array(p), as_array(x)
    if len(p.shape) != 1:
        raise ValueError(f"`polyval` needs a vector of coefficients, got shape {p.shape}")
    out = ops.mul(x, 0)
    for i in range(p.shape[0]):
        coefficient = reshaped(part(p, 0, i, 1), ())
        out = ops.add(ops.mul(out, x) if i else out, coefficient)
    return out


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of the elements of a vector as the columns of a matrix, the highest first unless `increasing`.

    >>> import autograd as ag
    >>> ag.vander([1, 2, 3])
    array([[1, 1, 1],
           [4, 2, 1],
           [9, 3, 1]])
    """
    x = as_array(x)
    if len(x.shape) != 1:
        raise ValueError(f"`vander` needs a vector, got shape {x.shape}")
    powers = np.arange(x.shape[0] if N is None else N)
    return ops.pow(reshaped(x, (*x.shape, 1)), powers if increasing else powers[::-1].copy())


def cross(x: Any, y: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The vector product along an axis of length 3.

    **Arguments:** `x` and `y`, which broadcast beside that axis; `axisa`, `axisb` and `axisc`, where it lies in `x`,
    in `y` and in the result; `axis`, one for all three.

    **Errors:** `ValueError` for an axis of another length.

    >>> import autograd as ag
    >>> ag.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    (x0, x1, x2), (y0, y1, y2) = _components(x, axisa), _components(y, axisb)
    parts = [(x1, y2, x2, y1), (x2, y0, x0, y2), (x0, y1, x1, y0)]
    found = [ops.sub(ops.mul(a, b), ops.mul(c, d)) for a, b, c, d in parts]
    return stacked("cross", found, axis_of("cross", axisc, len(found[0].shape) + 1))


def _components(x: Any, axis: int) -> list[Any]:
    x = as_array(x)
    i = axis_of("cross", axis, len(x.shape))
    if x.shape[i] != 3:
        raise ValueError(f"`cross` needs an axis of length 3, got axis {axis} of shape {x.shape}")
    last = transposed(x, [*[j for j in range(len(x.shape)) if j != i], i])
    return [reshaped(part(last, len(x.shape) - 1, k, 1), last.shape[:-1]) for k in range(3)]
