"""Reductions other than the sum, and the running sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import Aval, Primitive
from .broadcasting import astype, reduced_shape, repeated, reshape, sum, unreduce
from .movement import concatenate, slice_, transpose

Axes = tuple[int, ...]


def _extremum_vjp(g: Any, out: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    # Ties share the gradient equally, as the op is symmetric in its elements.
    chosen = x == unreduce(out, x.shape, axis, keepdims)
    count = astype(sum(chosen, axis=axis, keepdims=keepdims), dtype=x.dtype)
    return unreduce(g / count, x.shape, axis, keepdims) * chosen


def _prod_vjp(g: Any, _: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    kept = tuple([i for i in range(x.ndim) if i not in axis])
    order = kept + axis
    moved = transpose(x, axes=order)
    rows = reshape(moved, shape=(*moved.shape[: len(kept)], int(np.prod(moved.shape[len(kept) :]))))
    others = reshape(products_of_others(rows), shape=moved.shape)
    others = transpose(others, axes=tuple(np.argsort(order).tolist()))
    return unreduce(g, x.shape, axis, keepdims) * others


def products_of_others(x: Any) -> Any:
    """For each element of the last axis the product of all the others, exact where some are zero.

    Pairs are multiplied up a binary tree; on the way down each half gets its sibling's product. A quotient
    `prod / x` would be wrong at zeros, and its own derivative wrong near them.
    """
    n = x.shape[-1]
    if n <= 1:
        return repeated(1, x.dtype, x.shape)
    half = n // 2
    first, second = _part(x, 0, half), _part(x, half, half)
    above = products_of_others(first * second)
    parts = [above * second, above * first]
    if n % 2 == 0:
        return concatenate(*parts, axis=x.ndim - 1)
    last = _part(x, n - 1, 1)
    pairs = _part(above, 0, 1) * _part(first, 0, 1) * _part(second, 0, 1)
    return concatenate(*[part * last for part in parts], pairs, axis=x.ndim - 1)


def _part(x: Any, start: int, size: int) -> Any:
    return slice_(x, index=(*[(0, n, 1) for n in x.shape[:-1]], (start, size, 1)))


def _cumsum_eval(x: Any, *, axis: int, reverse: bool) -> Any:
    if reverse:
        return np.flip(np.cumsum(np.flip(x, axis), axis), axis)
    return np.cumsum(x, axis)


def _reduced(x: Aval, *, axis: Axes, keepdims: bool) -> Aval:
    return Aval(reduced_shape(x.shape, axis, keepdims), x.dtype)


def _prod_aval(x: Aval, *, axis: Axes, keepdims: bool) -> Aval:
    return Aval(reduced_shape(x.shape, axis, keepdims), np.multiply.reduce(np.empty(0, x.dtype)).dtype)


def _position(x: Aval, *, axis: int) -> Aval:
    return Aval(reduced_shape(x.shape, (axis,), False), np.dtype(np.intp))


max = Primitive(
    "max",
    eval=np.maximum.reduce,
    aval=_reduced,
    vjps=(_extremum_vjp,),
)

min = Primitive(
    "min",
    eval=np.minimum.reduce,
    aval=_reduced,
    vjps=(_extremum_vjp,),
)

prod = Primitive(
    "prod",
    eval=np.multiply.reduce,
    aval=_prod_aval,
    vjps=(_prod_vjp,),
    saves="inputs",
)

argmax = Primitive("argmax", eval=lambda x, *, axis: np.argmax(x, axis), aval=_position)
argmin = Primitive("argmin", eval=lambda x, *, axis: np.argmin(x, axis), aval=_position)

cumsum = Primitive(
    "cumsum",
    eval=_cumsum_eval,
    aval=lambda x, *, axis, reverse: Aval(x.shape, np.cumsum(np.empty(0, x.dtype)).dtype),
    vjps=(lambda g, _, x, *, axis, reverse: cumsum(g, axis=axis, reverse=not reverse),),
    saves="shapes",
    moves=True,
)
