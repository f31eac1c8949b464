"""Functions that take axes away: sums, means, extrema and where they stand."""

from __future__ import annotations

from functools import cache
from math import prod as product
from typing import Any

import numpy as np

from .. import ops
from ..primitive import Primitive
from .arguments import Axis, as_array, axes_of, axis_of, fixed, floating, reshaped
from .complexes import squared_size


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of the elements along the axes.

    **Arguments:** `x`, an array of any shape; `axis`, an axis, a tuple of them or `None` for all;
    `keepdims`, whether the axes stay, with length 1. The other reductions take the same.

    **Returns:** an array of the shape that is left; booleans and integers have integer sums.

    **Errors:** `AxisError`, a `ValueError` and `IndexError`, for an axis that `x` does not have.

    >>> import autograd as ag
    >>> ag.sum([[1, 2], [3, 4]], axis=0)
    array([4, 6])
    """
    x = as_array(x)
    return ops.sum.on(x, {"axis": axes_of("sum", axis, len(x.shape)), "keepdims": keepdims})


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product of the elements along the axes; its gradient is exact where elements are zero.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> ag.prod([[1, 2], [3, 4]], axis=1)
    array([ 2, 12])
    """
    x = as_array(x)
    return ops.prod.on(x, {"axis": axes_of("prod", axis, len(x.shape)), "keepdims": keepdims})


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element along the axes; elements that tie share the gradient equally.

    **Arguments:** as for `sum`.

    **Errors:** `ValueError` where there is no element to choose from.

    >>> import autograd as ag
    >>> ag.max([[1.0, 5.0], [3.0, 4.0]], axis=1)
    array([5., 4.])
    """
    x = as_array(x)
    return ops.max.on(x, {"axis": axes_of("max", axis, len(x.shape)), "keepdims": keepdims})


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element along the axes; elements that tie share the gradient equally.

    **Arguments:** as for `sum`.

    **Errors:** `ValueError` where there is no element to choose from.

    >>> import autograd as ag
    >>> ag.min([[1.0, 5.0], [3.0, 4.0]], axis=1)
    array([1., 3.])
    """
    x = as_array(x)
    return ops.min.on(x, {"axis": axes_of("min", axis, len(x.shape)), "keepdims": keepdims})


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the largest element along the axis, the first one of several.

    **Arguments:** `x`; `axis`, `None` for the position in the flattened array; `keepdims`.

    **Returns:** integers; as an index they pick the elements: `x[ag.argmax(x)]`.

    >>> import autograd as ag
    >>> ag.argmax([[1.0, 5.0], [3.0, 2.0]], axis=1)
    array([1, 0])
    """
    return _position(ops.argmax, x, axis, keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the smallest element along the axis, the first one of several.

    **Arguments:** as for `argmax`.

    >>> import autograd as ag
    >>> ag.argmin([[1.0, 5.0], [3.0, 2.0]], axis=1)
    array([0, 1])
    """
    return _position(ops.argmin, x, axis, keepdims)


def _position(primitive: Primitive, x: Any, axis: int | None, keepdims: bool) -> Any:
    x = as_array(x)
    ndim = len(x.shape)
    if axis is None:
        out = primitive(reshaped(x, (product(x.shape),)), axis=0)
        return reshaped(out, (1,) * ndim) if keepdims else out
    i = axis_of(primitive.name, axis, ndim)
    out = primitive(x, axis=i)
    return reshaped(out, (*x.shape[:i], 1, *x.shape[i + 1 :])) if keepdims else out


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether some element along the axes is true, that is, not zero.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> ag.any([[0, 0], [0, 2]], axis=0)
    array([False,  True])
    """
    x = as_array(x)
    true = x if x.dtype.kind == "b" else ops.not_equal(x, 0)
    count = ops.sum(true, axis=axes_of("any", axis, len(x.shape)), keepdims=keepdims)
    return ops.not_equal(count, 0)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether all elements along the axes are true, that is, not zero.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> ag.all([[0, 1], [0, 2]], axis=0)
    array([False,  True])
    """
    x = as_array(x)
    false = ops.logical_not(x) if x.dtype.kind == "b" else ops.equal(x, 0)
    count = ops.sum(false, axis=axes_of("all", axis, len(x.shape)), keepdims=keepdims)
    return ops.equal(count, 0)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of the elements along the axes.

    **Arguments:** as for `sum`.

    **Returns:** an array of the dtype of `x`; of float64 for integers and booleans.

    >>> import autograd as ag
    >>> ag.mean([[1, 2], [3, 4]], axis=0)
    array([2., 3.])
    """
    x = as_array(x)
    axes = axes_of("mean", axis, len(x.shape))
    total = ops.sum.on(x, {"axis": axes, "keepdims": keepdims})
    return ops.div(total, _count(x, axes))


def average(x: Any, axis: Axis = None, weights: Any = None, keepdims: bool = False) -> Any:
    """The weighted mean of the elements along the axes.

    **Arguments:** as for `sum`; `weights`, of the shape of `x`, or for a single axis of its length; without
    them it is the mean.

    **Errors:** `ValueError` for weights of another shape.

    >>> import autograd as ag
    >>> ag.average([[1.0, 2.0], [3.0, 4.0]], axis=1, weights=[3, 1])
    array([1.25, 3.25])
    """
    x = as_array(x)
    axes = axes_of("average", axis, len(x.shape))
    if weights is None:
        return mean(x, axes, keepdims)
    weights = as_array(weights)
    if len(axes) == 1 and weights.shape == (x.shape[axes[0]],):
        weights = reshaped(weights, tuple([n if i in axes else 1 for i, n in enumerate(x.shape)]))
    elif weights.shape != x.shape:
        raise ValueError(
            f"`average` needs weights of the shape of `x`, {x.shape}, or of the length of a single axis, got "
            f"{weights.shape} with axis={axis}; reshape them"
        )
    total = ops.sum(ops.mul(x, weights), axis=axes, keepdims=keepdims)
    weight = ops.sum(weights, axis=axes, keepdims=keepdims)
    return ops.div(total, weight if keepdims or weights.shape == x.shape else reshaped(weight, ()))


def var(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The variance of the elements along the axes: the mean square distance from their mean.

    **Arguments:** as for `sum`; `ddof`, what the divisor is less than the number of elements: 0 unless
    said, as in NumPy; 1 is PyTorch's.

    >>> import autograd as ag
    >>> ag.var([[1.0, 3.0], [2.0, 6.0]], axis=1)
    array([1., 4.])
    """
    return _variance("var", x, axis, ddof, keepdims)


def std(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The standard deviation of the elements along the axes; where they are all equal its gradient is zero.

    **Arguments:** as for `var`.

    >>> import autograd as ag
    >>> ag.std([[1.0, 3.0], [2.0, 6.0]], axis=1)
    array([1., 2.])
    """
    variance = _variance("std", x, axis, ddof, keepdims)
    # The square root has an infinite slope at 0, which a slope of 0 would turn into NaN.
    zero = ops.equal(variance, 0)
    return ops.where(zero, variance, ops.sqrt(ops.where(zero, 1, variance)))


def _variance(name: str, x: Any, axis: Axis, ddof: float, keepdims: bool) -> Any:
    x = as_array(x)
    axes = axes_of(name, axis, len(x.shape))
    count = _count(x, axes)
    deviation = ops.sub(x, ops.div(ops.sum(x, axis=axes, keepdims=True), count))
    total = ops.sum(squared_size(deviation), axis=axes, keepdims=keepdims)
    return ops.div(total, count - ddof if count > ddof else 0)


def _count(x: Any, axes: tuple[int, ...]) -> int:
    return product([x.shape[i] for i in axes])


def cumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum along the axis.

    **Arguments:** `x`; `axis`, `None` for the running sum of the flattened array.

    >>> import autograd as ag
    >>> ag.cumsum([1, 2, 3])
    array([1, 3, 6])
    """
    x = as_array(x)
    if axis is None:
        return ops.cumsum(reshaped(x, (product(x.shape),)), axis=0, reverse=False)
    return ops.cumsum(x, axis=axis_of("cumsum", axis, len(x.shape)), reverse=False)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The logarithm of the sum of exponentials, without overflow.

    **Arguments:** as for `sum`.

    **Returns:** an array of the shape that is left; `-inf`, with a gradient of zero, where all elements are.

    >>> import autograd as ag
    >>> ag.logsumexp([[0.0, 0.0], [1000.0, -1000.0]], axis=1)
    array([6.93147181e-01, 1.00000000e+03])
    """
    x = floating(as_array(x))
    axes = axes_of("logsumexp", axis, len(x.shape))
    if _count(x, axes) == 0:
        return ops.sub(ops.sum(x, axis=axes, keepdims=keepdims), np.inf)
    along = {"axis": axes, "keepdims": True}
    greatest, tiny = _limits(x.dtype)
    largest = ops.max.on(fixed(x), along)
    shifted = ops.sub(x, ops.clip(largest, -greatest, greatest))
    total = ops.sum.on(ops.exp(shifted), along)
    # The total is at least 1, where the addend is lost, or 0 if all elements are -inf, as the result is then.
    out = ops.add(ops.log(ops.add(total, tiny)), largest)
    if keepdims:
        return out
    return reshaped(out, tuple([n for i, n in enumerate(x.shape) if i not in axes]))


@cache
def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The greatest number of a dtype, and the least normal one above 0."""
    limits = np.finfo(dtype)
    return float(limits.max), float(limits.tiny)


def softmax(x: Any, axis: Axis = -1) -> Any:
    """The exponentials along the axis, divided by their sum, without overflow.

    **Arguments:** `x`; `axis`, the last one unless said.

    **Returns:** an array of the shape of `x`, positive, with sum 1 along the axis.

    >>> import autograd as ag
    >>> ag.softmax([[0.0, 0.0], [1000.0, -1000.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    x = as_array(x)
    axes = axes_of("softmax", axis, len(x.shape))
    if _count(x, axes) == 0:
        return floating(x)
    exponentials = ops.exp(_shifted(x, axes))
    return ops.div(exponentials, ops.sum(exponentials, axis=axes, keepdims=True))


def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """The logarithm of `softmax`, exact also where that is nearly zero.

    **Arguments:** as for `softmax`.

    >>> import autograd as ag
    >>> ag.log_softmax([[0.0, 0.0], [1000.0, -1000.0]])
    array([[-6.93147181e-01, -6.93147181e-01],
           [ 0.00000000e+00, -2.00000000e+03]])
    """
    x = as_array(x)
    axes = axes_of("log_softmax", axis, len(x.shape))
    if _count(x, axes) == 0:
        return floating(x)
    shifted = _shifted(x, axes)
    return ops.sub(shifted, ops.log(ops.sum(ops.exp(shifted), axis=axes, keepdims=True)))


def _shifted(x: Any, axes: tuple[int, ...]) -> Any:
    return ops.sub(x, ops.max.on(fixed(x), {"axis": axes, "keepdims": True}))
