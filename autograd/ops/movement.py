"""Ops that move elements and compute nothing: transpose, slice and its transpose, concatenate."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from ..primitive import Aval, Primitive, Shape, Swept
from .broadcasting import astype, zeros

#: For each axis the first element, the number of elements and the step; or one position, which drops the axis.
Index = tuple[int | tuple[int, int, int], ...]


@lru_cache(maxsize=4096)
def slices(index: Index) -> Any:
    """NumPy's form of an index, which is faster without a tuple where there is one axis."""
    key = tuple([_slice(*i) if type(i) is tuple else i for i in index])
    return key[0] if len(key) == 1 else key


def _slice(start: int, size: int, step: int) -> slice:
    # A negative step that reaches element 0 stops at `None`.
    stop = start + size * step
    return slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0)


def _unslice_eval(x: Any, *, shape: Shape, index: Index) -> Any:
    out = np.zeros(shape, x.dtype)
    out[slices(index)] = x
    return out


def _put_eval(x: Any, y: Any, *, index: Index) -> Any:
    out = np.array(x)
    out[slices(index)] = y
    return out if out.ndim else out[()]


def _put_aval(x: Aval, y: Aval, *, index: Index) -> Aval:
    part = tuple([i[1] for i in index if type(i) is tuple])
    if y.shape != part:
        raise ValueError(f"`put` needs values of the shape of the part that they replace, {part}, got {y.shape}")
    return x


def _placed(index: Any, at: Any, shape: Shape) -> Any:
    """NumPy's form of an index with positions in the place of `None`."""
    given = iter(at)
    found = [int(next(given)) if i is None else i for i in index]
    for i, item in enumerate(found):
        if isinstance(item, int) and not -shape[i] <= item < shape[i]:
            raise IndexError(f"index {item} is out of bounds for axis {i} with size {shape[i]}")
    return slices(tuple(found))


def _put_at_eval(x: Any, y: Any, *at: Any, index: Any) -> Any:
    out = np.array(x)
    out[_placed(index, at, out.shape)] = y
    return out


def _add_unsliced(total: Any, g: Any, _: Any, *, index: Index) -> None:
    total[slices(index)] += g


def _concatenate_aval(*xs: Aval, axis: int) -> Aval:
    if len({(*x.shape[:axis], -1, *x.shape[axis + 1 :]) for x in xs}) != 1:
        raise ValueError(f"all the input array dimensions except for axis {axis} must match exactly")
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return Aval(tuple(shape), np.result_type(*[x.dtype for x in xs]))


def _concatenate_rule(g: Any, _: Any, inputs: Any, params: Any) -> list[Any]:
    axis = params["axis"]
    indices, keys = _parts(g.shape, axis, tuple([x.shape[axis] for x in inputs]))
    if type(g) is np.ndarray:
        parts = [g[key] for key in keys]
    else:
        parts = [slice_(g, index=index) for index in indices]
    return [_as(x.dtype, part) for part, x in zip(parts, inputs, strict=True)]


def _as(dtype: Any, x: Any) -> Any:
    return x if x.dtype is dtype or x.dtype == dtype else astype(x, dtype=dtype)


@lru_cache(maxsize=4096)
def _parts(shape: Shape, axis: int, sizes: tuple[int, ...]) -> tuple[list[Index], list[Any]]:
    """The indices of the parts of these sizes that an axis consists of, and NumPy's form of them."""
    before = [(0, n, 1) for n in shape[:axis]]
    after = [(0, n, 1) for n in shape[axis + 1 :]]
    starts = accumulate(sizes, initial=0)
    indices: list[Index] = [(*before, (start, size, 1), *after) for start, size in zip(starts, sizes, strict=False)]
    return indices, [slices(index) for index in indices]


@lru_cache(maxsize=256)
def back(axes: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The parameters of the transposition that undoes one."""
    return {"axes": tuple(np.argsort(axes).tolist())}


transpose = Primitive(
    "transpose",
    eval=lambda x, *, axes: x.transpose(axes) if type(x) is np.ndarray else np.transpose(x, axes),
    aval=lambda x, *, axes: Aval(tuple([x.shape[i] for i in axes]), x.dtype),
    vjps=(Swept(lambda g, _, inputs, params: transpose.on(g, back(params["axes"]))),),
    saves="shapes",
    view=True,
    moves=True,
)

slice_ = Primitive(
    "slice",
    eval=lambda x, *, index: x[slices(index)],
    aval=lambda x, *, index: Aval(tuple([i[1] for i in index if type(i) is tuple]), x.dtype),
    vjps=(Swept(lambda g, _, inputs, params: unslice.on(g, {"shape": inputs[0].shape, **params})),),
    saves="shapes",
    add_vjp=_add_unsliced,
    view=True,
    moves=True,
)

unslice = Primitive(
    "unslice",
    eval=_unslice_eval,
    aval=lambda x, *, shape, index: Aval(shape, x.dtype),
    vjps=(Swept(lambda g, _, inputs, params: slice_.on(g, {"index": params["index"]})),),
    saves="shapes",
    moves=True,
)

# `x` with `y` in the place of x[index].
put = Primitive(
    "put",
    eval=_put_eval,
    aval=_put_aval,
    vjps=(
        Swept(lambda g, _, inputs, params: put.of((g, zeros(inputs[1])), params)),
        Swept(lambda g, _, inputs, params: _as(inputs[1].dtype, slice_.on(g, params))),
    ),
    saves="shapes",
    moves=True,
)

# As `slice` and `put`, at positions that are inputs: one for each `None` in the index, in their order.
slice_at = Primitive(
    "slice_at",
    eval=lambda x, *at, index: x[_placed(index, at, x.shape)],
    aval=lambda x, *at, index: Aval(tuple([i[1] for i in index if isinstance(i, tuple)]), x.dtype),
    vjps=(Swept(lambda g, _, inputs, params: put_at.of((zeros(inputs[0]), g, *inputs[1:]), params)),),
    saves="inputs",
)

put_at = Primitive(
    "put_at",
    eval=_put_at_eval,
    aval=lambda x, y, *at, index: x,
    vjps=(
        Swept(lambda g, _, inputs, params: put_at.of((g, zeros(inputs[1]), *inputs[2:]), params)),
        Swept(lambda g, _, inputs, params: _as(inputs[1].dtype, slice_at.of((g, *inputs[2:]), params))),
    ),
    saves="inputs",
)

concatenate = Primitive(
    "concatenate",
    eval=lambda *xs, axis: np.concatenate(xs, axis=axis),
    aval=_concatenate_aval,
    vjps=Swept(_concatenate_rule),
    saves="shapes",
    moves=True,
)
