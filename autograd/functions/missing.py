"""Reductions that pass over NaN, which has no gradient in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from .arguments import Axis, as_array, axes_of, floating
from .complexes import complex, imag, real, squared_size
from .reduction import max, min, prod, sum


def _without(x: Any, number: float) -> Any:
    return ops.where(ops.isnan(x), number, x) if x.dtype.kind in "fc" else x


def _count(x: Any, axis: Axis, keepdims: bool) -> Any:
    return ops.astype(sum(ops.logical_not(ops.isnan(x)), axis, keepdims), dtype=real(x).dtype)


def nansum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of the elements that are not NaN.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> float(ag.nansum([1.0, float("nan"), 2.0]))
    3.0
    """
    return sum(_without(as_array(x), 0), axis, keepdims)


def nanprod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product of the elements that are not NaN.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> float(ag.nanprod([3.0, float("nan"), 2.0]))
    6.0
    """
    return prod(_without(as_array(x), 1), axis, keepdims)


def nanmean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of the elements that are not NaN; NaN where there is none.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> float(ag.nanmean([1.0, float("nan"), 2.0]))
    1.5
    """
    x = floating(as_array(x))
    return ops.div(nansum(x, axis, keepdims), _count(x, axis, keepdims))


def nanvar(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The variance of the elements that are not NaN; NaN where there are not more than `ddof` of them.

    **Arguments:** as for `var`.

    >>> import autograd as ag
    >>> float(ag.nanvar([1.0, float("nan"), 3.0]))
    1.0
    """
    x = floating(as_array(x))
    deviation = ops.sub(x, nanmean(x, axis, True))
    count = ops.sub(_count(x, axis, keepdims), ddof)
    total = sum(squared_size(ops.where(ops.isnan(x), 0, deviation)), axis, keepdims)
    return ops.div(total, ops.where(ops.greater(count, 0), count, np.nan))


def nanstd(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The square root of `nanvar`.

    **Arguments:** as for `var`.

    >>> import autograd as ag
    >>> float(ag.nanstd([1.0, float("nan"), 3.0]))
    1.0
    """
    return ops.sqrt(nanvar(x, axis, ddof, keepdims))


def nanmax(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element that is not NaN; NaN where there is none. Ties share the gradient, as in `max`.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> float(ag.nanmax([1.0, float("nan"), 2.0]))
    2.0
    """
    return _extremum(max, as_array(x), -np.inf, axis, keepdims)


def nanmin(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element that is not NaN; NaN where there is none. Ties share the gradient, as in `min`.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> float(ag.nanmin([1.0, float("nan"), 2.0]))
    1.0
    """
    return _extremum(min, as_array(x), np.inf, axis, keepdims)


def _extremum(reduce: Any, x: Any, last: float, axis: Axis, keepdims: bool) -> Any:
    if x.dtype.kind != "f":
        return reduce(x, axis, keepdims)
    axes = axes_of(f"nan{reduce.__name__}", axis, len(x.shape))
    some = ops.greater(_count(x, axes, keepdims), 0)
    return ops.where(some, reduce(_without(x, last), axes, keepdims), np.nan)


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """NaN and infinities replaced by numbers, which have no gradient.

    **Arguments:** `x`; `nan`, what stands for NaN; `posinf` and `neginf`, what stands for infinities, the largest and
    the smallest number of the dtype unless said.

    >>> import autograd as ag
    >>> ag.nan_to_num([1.0, float("nan")], nan=-1.0)
    array([ 1., -1.])
    """
    x = as_array(x)
    if x.dtype.kind == "c":
        return complex(*[nan_to_num(part, nan, posinf, neginf) for part in (real(x), imag(x))])
    if x.dtype.kind != "f":
        return x
    limits = np.finfo(x.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = ops.where(ops.isnan(x), nan, x)
    return ops.where(ops.equal(x, np.inf), high, ops.where(ops.equal(x, -np.inf), low, x))


def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many elements are not zero; it has no gradient.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> int(ag.count_nonzero([1.0, 0.0, 2.0]))
    2
    """
    return sum(ops.not_equal(as_array(x), 0), axis, keepdims)
