"""Sorting, what is read off a sorted array, and searching in one.

A sort is stable: elements that compare equal keep their order, and each has its own gradient. NaN comes last.
"""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np

from .. import ops
from ..primitive import Traced
from .arguments import Axis, as_array, axes_of, axis_of, floating, merged, part, reshaped, transposed
from .movement import ravel
from .reduction import all, max, min
from .selecting import take_along_axis


def sort(x: Any, axis: int | None = -1) -> Any:
    """The elements along the axis in ascending order, NaN last; each has the gradient of its new place.

    **Arguments:** `x`; `axis`, `None` for the flattened array.

    >>> import autograd as ag
    >>> ag.sort([3.0, 1.0, 2.0])
    array([1., 2., 3.])
    >>> ag.grad(lambda x: ag.sort(x)[0])(ag.tensor([3.0, 1.0, 1.0]))
    tensor([0., 1., 0.])
    """
    return _sorted("sort", x, axis)


def _sorted(name: str, x: Any, axis: int | None) -> Any:
    x = as_array(x)
    x, i = (ravel(x), 0) if axis is None else (x, axis_of(name, axis, len(x.shape)))
    return take_along_axis(x, ops.argsort(x, axis=i), i)


def argsort(x: Any, axis: int | None = -1) -> Any:
    """The positions along the axis in the order that sorts it; it has no gradient.

    **Arguments:** as for `sort`.

    >>> import autograd as ag
    >>> ag.argsort([3.0, 1.0, 2.0, 1.0])
    array([1, 3, 2, 0])
    """
    x = as_array(x)
    x, i = (ravel(x), 0) if axis is None else (x, axis_of("argsort", axis, len(x.shape)))
    return ops.argsort(x, axis=i)


def partition(x: Any, kth: Any, axis: int | None = -1) -> Any:
    """The elements along the axis so that what stands at `kth` is where a sort would put it: all of them sorted.

    **Arguments:** `x`; `kth`, a position or several; `axis`, as for `sort`.

    **Errors:** `ValueError` for a position out of range.

    >>> import autograd as ag
    >>> float(ag.partition([3.0, 1.0, 2.0], 1)[1])
    2.0
    """
    x = as_array(x)
    n = x.size if axis is None else x.shape[axis_of("partition", axis, len(x.shape))]
    for k in np.atleast_1d(kth).tolist():
        if not -n <= k < n:
            raise ValueError(f"`partition` needs positions between {-n} and {n - 1}, got {k} for shape {x.shape}")
    return _sorted("partition", x, axis)


def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element less the smallest one; ties share the gradient, as in `max` and `min`.

    **Arguments:** as for `sum`.

    >>> import autograd as ag
    >>> float(ag.ptp([3.0, 1.0, 2.0]))
    2.0
    """
    return ops.sub(max(x, axis, keepdims), min(x, axis, keepdims))


# ---- quantiles ----


def median(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The element in the middle, or the mean of the two there; NaN where there is one.

    **Arguments:** as for `sum`. Of elements that tie the ones that a stable sort puts in the middle have the
    gradient.

    **Errors:** `ValueError` where there is no element.

    >>> import autograd as ag
    >>> float(ag.median([1.0, 7.0, 2.0, 4.0]))
    3.0
    """
    return _reduced("median", x, axis, keepdims, _middle)


def quantile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The number below which the share `q` of the elements lies, between neighbours in proportion.

    **Arguments:** `x`; `q`, numbers between 0 and 1, which are part of the program; `axis` and `keepdims` as for
    `sum`. Of elements that tie the ones that a stable sort puts there have the gradient.

    **Returns:** an array with the axes of `q` in front; NaN where there is one among the elements.

    **Errors:** `ValueError` for `q` out of range or where there is no element; `TypeError` for a tensor `q`.

    >>> import autograd as ag
    >>> ag.quantile([1.0, 2.0, 4.0, 8.0, 16.0], [0.25, 0.5, 0.9])
    array([ 2. ,  4. , 12.8])
    """
    return _quantile("quantile", x, _shares("quantile", q, 1), axis, keepdims)


def percentile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """As `quantile`, with `q` between 0 and 100.

    >>> import autograd as ag
    >>> float(ag.percentile([1.0, 2.0, 4.0], 50))
    2.0
    """
    return _quantile("percentile", x, _shares("percentile", q, 100), axis, keepdims)


def _shares(name: str, q: Any, whole: float) -> Any:
    if isinstance(q, Traced):
        raise TypeError(
            f"`{name}` needs `q` as numbers, for which elements it reads depends on them, got a tensor; "
            "pass `q.numpy()`, or bind it before the function is compiled"
        )
    q = np.asarray(q)
    q = q if q.dtype.kind == "f" else q.astype(np.float64)
    if not ((q >= 0) & (q <= whole)).all():
        raise ValueError(f"`{name}` needs `q` between 0 and {whole}, got {q.tolist()}")
    return q / whole


def _quantile(name: str, x: Any, q: Any, axis: Axis, keepdims: bool) -> Any:
    return _reduced(name, x, axis, keepdims, lambda rows: _between(rows, q))


def _reduced(name: str, x: Any, axis: Axis, keepdims: bool, f: Any) -> Any:
    """`f` of the sorted elements of the axes, which are made the first axis."""
    x = floating(as_array(x))
    ndim = len(x.shape)
    axes = axes_of(name, axis, ndim)
    kept = [i for i in range(ndim) if i not in axes]
    moved = transposed(x, (*axes, *kept))
    rows = reshaped(moved, merged(moved.shape, 0, len(axes)))
    if not rows.shape[0]:
        raise ValueError(f"`{name}` needs one element at least along the axes, got shape {x.shape}")
    rows = _sorted(name, rows, 0)
    out = f(rows)
    # NaN is the last of a sorted row.
    out = ops.where(ops.isnan(_at(rows, rows.shape[0] - 1)), np.nan, out)
    if not keepdims:
        return out
    lead = out.shape[: len(out.shape) - len(kept)]
    return reshaped(out, (*lead, *[n if i in kept else 1 for i, n in enumerate(x.shape)]))


def _at(rows: Any, i: int) -> Any:
    return reshaped(part(rows, 0, i, 1), rows.shape[1:])


def _middle(rows: Any) -> Any:
    n = rows.shape[0]
    if n % 2:
        return _at(rows, n // 2)
    return ops.mul(ops.add(_at(rows, n // 2 - 1), _at(rows, n // 2)), 0.5)


def _between(rows: Any, q: Any) -> Any:
    """The rows at the positions `q * (n - 1)`, between two of them in proportion."""
    n = rows.shape[0]
    if not q.shape:
        place = float(q) * (n - 1)
        low = floor(place)
        below = _at(rows, low)
        if place == low:
            return below
        return ops.add(below, ops.mul(ops.sub(_at(rows, low + 1), below), place - low))
    place = q.astype(np.float64) * (n - 1)
    low = np.floor(place).astype(np.intp)
    # As in NumPy, numbers take the dtype of `x` and an array has a dtype of its own.
    weight = (place - low).astype(q.dtype).reshape(q.shape + (1,) * (len(rows.shape) - 1))
    below, above = ops.gather(rows, low), ops.gather(rows, np.minimum(low + 1, n - 1))
    # An infinite neighbour has no part in an element that is met.
    return ops.where(weight == 0, below, ops.add(below, ops.mul(ops.sub(above, below), weight)))


# ---- searching ----


def searchsorted(x: Any, y: Any, side: str = "left") -> Any:
    """The positions in an ascending vector before which numbers would stay in order; it has no gradient.

    **Arguments:** `x`, an ascending vector; `y`, the numbers; `side`, `"left"` of elements equal to them or
    `"right"`.

    **Errors:** `ValueError` for an `x` that is no vector, or another side.

    >>> import autograd as ag
    >>> ag.searchsorted([1.0, 2.0, 3.0], [2.0, 2.5])
    array([1, 2])
    """
    x, y = as_array(x), as_array(y)
    if len(x.shape) != 1:
        raise ValueError(f"`searchsorted` needs an ascending vector, got shape {x.shape}; search rows one by one")
    if side not in ("left", "right"):
        raise ValueError(f'`searchsorted` needs the side "left" or "right", got {side!r}')
    return ops.searchsorted(x, y, right=side == "right")


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The number of the bin that each element falls in; it has no gradient.

    **Arguments:** `x`; `bins`, the bounds, ascending or descending; `right`, whether a bin holds its upper bound in
    place of its lower one.

    **Errors:** `ValueError` for bounds that are neither.

    >>> import autograd as ag
    >>> ag.digitize([0.5, 1.0, 7.0], [0.0, 1.0, 2.0])
    array([1, 2, 3])
    """
    x, bins = as_array(x), as_array(bins)
    if len(bins.shape) != 1:
        raise ValueError(f"`digitize` needs a vector of bounds, got shape {bins.shape}")
    n = bins.shape[0]
    steps = ops.sub(part(bins, 0, 1, n - 1), part(bins, 0, 0, n - 1)) if n > 1 else np.zeros(0)
    if bool(all(ops.greater_equal(steps, 0))):
        return ops.searchsorted(bins, x, right=not right)
    if not bool(all(ops.less_equal(steps, 0))):
        raise ValueError("`digitize` needs bounds that ascend or descend; sort them first")
    turned = part(bins, 0, n - 1, n, -1)
    return ops.sub(n, ops.searchsorted(turned, x, right=not right))
