"""Expand and sum, each the other's transpose; and what undoes NumPy's broadcasting in a gradient."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..deferred import Deferred
from ..lengths import broadcast_shapes, is_open
from ..primitive import PLAIN, Aval, Primitive, Shape, Swept

# Below this size filling an array is cheaper than making a view with `np.broadcast_to`.
_SMALL = 4096
_float64 = np.float64


def _reshape_eval(x: Any, *, shape: Shape) -> Any:
    # The method is four times as fast as the function, and NumPy's scalars ten times as fast as arrays without axes.
    out = (x if type(x) is np.ndarray else np.asarray(x)).reshape(shape)
    return out if shape else out[()]


def _expand_eval(x: Any, *, shape: Shape) -> Any:
    if shape and prod(shape) <= _SMALL:
        out = np.empty(shape, x.dtype)
        out[...] = x
        return out
    return np.broadcast_to(x, shape)


def _reshape_rule(g: Any, _: Any, inputs: Any, params: Any) -> Any:
    shape = inputs[0].shape
    return _reshape_eval(g, shape=shape) if type(g) is np.ndarray else reshape(g, shape=shape)


def _reshape_aval(x: Aval, *, shape: Shape) -> Aval:
    if prod(shape) != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {shape}")
    return Aval(shape, x.dtype)


def _expand_aval(x: Aval, *, shape: Shape) -> Aval:
    if broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"shape {x.shape} cannot be broadcast to {shape}")
    return Aval(shape, x.dtype)


@lru_cache(maxsize=4096)
def reduced_shape(shape: Shape, axis: tuple[int, ...], keepdims: bool) -> Shape:
    """The shape that is left when the axes are reduced."""
    if keepdims:
        return tuple([1 if i in axis else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axis])


def unreduce(g: Any, shape: Shape, axis: tuple[int, ...], keepdims: bool) -> Any:
    """`g`, which has the shape of a reduction, repeated along the reduced axes to `shape`."""
    if not keepdims and len(axis) != len(shape):
        g = reshape.on(g, {"shape": reduced_shape(shape, axis, True)})
    return _expand_eval(g, shape=shape) if type(g) in PLAIN else expand(g, shape=shape)


def _astype_eval(x: Any, *, dtype: Any) -> Any:
    # The cotangent of a real number is the real part of what complex arithmetic makes of it.
    x = np.asarray(x)
    return (x.real if x.dtype.kind == "c" and np.dtype(dtype).kind in "fiu" else x).astype(dtype)


def _sum_aval(x: Aval, *, axis: tuple[int, ...], keepdims: bool) -> Aval:
    return Aval(reduced_shape(x.shape, axis, keepdims), np.add.reduce(np.empty(0, x.dtype)).dtype)


reshape = Primitive(
    "reshape",
    eval=_reshape_eval,
    aval=_reshape_aval,
    vjps=(Swept(_reshape_rule),),
    saves="shapes",
    view=True,
    moves=True,
)

expand = Primitive(
    "expand",
    eval=_expand_eval,
    aval=_expand_aval,
    vjps=(Swept(lambda g, _, inputs, params: unbroadcast(g, inputs[0])),),
    saves="shapes",
    view=True,
    moves=True,
)

sum = Primitive(
    "sum",
    eval=np.add.reduce,
    aval=_sum_aval,
    vjps=(Swept(lambda g, _, inputs, params: unreduce(g, inputs[0].shape, params["axis"], params["keepdims"])),),
    saves="shapes",
    moves=True,
)

astype = Primitive(
    "astype",
    eval=_astype_eval,
    aval=lambda x, *, dtype: Aval(x.shape, np.dtype(dtype)),
    vjps=(lambda g, _, x, *, dtype: astype(g, dtype=x.dtype),),
    saves="shapes",
    elementwise=True,
)


def unbroadcast(g: Any, x: Any) -> Any:
    """The cotangent of `x`, from the cotangent of what NumPy's broadcasting and promotion made of it."""
    if type(g) is type(x) is _float64:
        return g  # the attributes of NumPy's scalars are slow
    shape = x.shape
    if g.shape == shape:
        if g.dtype is x.dtype:
            return g
    else:
        params = _broadcast_axes(g.shape, shape)
        g = sum.on(g, params)
        if g.shape != shape:
            g = reshape(g, shape=shape)
    return g if g.dtype == x.dtype else astype(g, dtype=x.dtype)


@lru_cache(maxsize=4096)
def _broadcast_axes(wide: Shape, shape: Shape) -> dict[str, Any]:
    """The parameters of the sum over the axes that broadcasting to a wide shape adds or repeats."""
    lead = len(wide) - len(shape)
    repeated = [lead + i for i, n in enumerate(shape) if n == 1 and wide[lead + i] != 1]
    return {"axis": (*range(lead), *repeated), "keepdims": False}


def zeros(x: Any) -> Any:
    """The zero cotangent of `x`."""
    return repeated(0, x.dtype, x.shape)


def repeated(number: float, dtype: Any, shape: Shape) -> Any:
    """An array of one number that nobody can write to, so that it is known to stay that number."""
    one = np.asarray(number, dtype)
    one.flags.writeable = False
    return Deferred(expand, (one,), {"shape": shape}) if is_open(shape) else np.broadcast_to(one, shape)
