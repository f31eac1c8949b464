"""Functions of each element by itself that are composed of others, and NumPy's other names for ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..primitive import Traced, aval_of
from .arguments import SEQUENCES, as_array

negative = ops.neg
absolute = ops.abs
subtract = ops.sub
multiply = ops.mul
divide = true_divide = ops.div
remainder = ops.mod
power = ops.pow
rint = ops.round


def where(condition: Any, x: Any, y: Any) -> Any:
    """The elements of `x` where the condition is true, those of `y` elsewhere.

    **Arguments:** three arrays or numbers whose shapes broadcast together.

    **Returns:** an array of their common shape. A NaN or infinity in what is not taken has no effect on the
    gradient.

    >>> import autograd as ag
    >>> ag.where([True, False], [1.0, 2.0], 0.0)
    array([1., 0.])
    """
    condition = as_array(condition)
    for traced in (x, y, condition):
        if isinstance(traced, Traced):
            return traced.bind(ops.where, (condition, x, y), {})
    return ops.where(condition, _operand(x), _operand(y))


def _operand(x: Any) -> Any:
    # A Python number must stay one: it takes the dtype of its partner.
    return as_array(x) if isinstance(x, SEQUENCES) else x


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """The elements, or the nearest bound for those outside of the bounds.

    **Arguments:** `x`; `low` and `high`, numbers or arrays that broadcast with `x`; `None` for no bound. At a
    bound the gradient is that of `x`.

    >>> import autograd as ag
    >>> ag.clip([1.0, 2.0, 3.0], 1.5, 2.5)
    array([1.5, 2. , 2.5])
    >>> ag.clip([-1, 1], low=0)
    array([0, 1])
    """
    x = as_array(x)
    low, high = _operand(low), _operand(high)
    if low is None and high is None:
        return x
    # Unlike `maximum`, which shares it, `clip` has at a bound the gradient of `x`; integers have none.
    if low is None:
        return ops.clip(x, -np.inf, high) if _is_floating(x, high) else ops.minimum(x, high)
    if high is None:
        return ops.clip(x, low, np.inf) if _is_floating(x, low) else ops.maximum(x, low)
    return ops.clip(x, low, high)


def _is_floating(x: Any, bound: Any) -> bool:
    return "f" in x.dtype.kind + aval_of(bound).dtype.kind


def round(x: Any, decimals: int = 0) -> Any:
    """The elements rounded to that number of decimals, halves to even; its gradient is zero.

    **Arguments:** `x`; `decimals`, which may be negative.

    >>> import autograd as ag
    >>> ag.round([0.5, 1.5, 2.26], decimals=1)
    array([0.5, 1.5, 2.3])
    """
    x = as_array(x)
    if x.dtype.kind in "iu":
        if decimals >= 0:
            return x
        return astype(ops.mul(ops.round(ops.div(x, 10**-decimals)), 10**-decimals), x.dtype)
    if decimals == 0:
        return ops.round(x)
    if decimals > 0:
        return ops.div(ops.round(ops.mul(x, 10**decimals)), 10**decimals)
    return ops.mul(ops.round(ops.div(x, 10**-decimals)), 10**-decimals)


around = round


def clone(x: Any) -> Any:
    """The same values in memory of their own, connected with the graph.

    >>> import autograd as ag
    >>> ag.clone(ag.tensor([1.0, 2.0], requires_grad=True))
    tensor([1., 2.], grad_fn=<AstypeBackward0>)
    """
    x = as_array(x)
    return ops.astype(x, dtype=x.dtype)


def astype(x: Any, dtype: Any) -> Any:
    """The elements in another dtype.

    **Arguments:** `x`; `dtype`, what `np.dtype` takes. Integers and booleans have no gradient, so a
    conversion to them cuts it off.

    >>> import autograd as ag
    >>> ag.astype([1.5, 2.5], int)
    array([1, 2])
    """
    x = as_array(x)
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    if dtype.kind not in "fc" and x.dtype.kind in "fc":
        x = ops.stop_gradient(x)
    return ops.astype(x, dtype=dtype)


def fmax(x: Any, y: Any) -> Any:
    """The larger of two elements, or the one that is not NaN; ties share the gradient, as in `maximum`.

    >>> import autograd as ag
    >>> ag.fmax([1.0, float("nan")], [2.0, 3.0])
    array([2., 3.])
    """
    return ops.maximum(*_known(x, y))


def fmin(x: Any, y: Any) -> Any:
    """The smaller of two elements, or the one that is not NaN; ties share the gradient, as in `minimum`.

    >>> import autograd as ag
    >>> ag.fmin([1.0, float("nan")], [2.0, 3.0])
    array([1., 3.])
    """
    return ops.minimum(*_known(x, y))


def _known(x: Any, y: Any) -> tuple[Any, Any]:
    """Both, each in the place of the other where that is NaN."""
    x, y = _operand(x), _operand(y)
    return ops.where(ops.isnan(x), y, x), ops.where(ops.isnan(y), x, y)


def heaviside(x: Any, y: Any) -> Any:
    """0 where `x` is negative, 1 where it is positive, and `y` where it is 0; only `y` has a gradient, there.

    >>> import autograd as ag
    >>> ag.heaviside([-1.0, 0.0, 2.0], 0.5)
    array([0. , 0.5, 1. ])
    """
    x, y = as_array(x), _operand(y)
    step = ops.where(ops.isnan(x), np.nan, ops.where(ops.greater(x, 0), x.dtype.type(1), x.dtype.type(0)))
    return ops.where(ops.equal(x, 0), y, step)
