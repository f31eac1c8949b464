"""Views: the ops that move nothing, as strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import ops
from autograd.primitive import Aval, Primitive, Shape

from .program import View


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of a contiguous array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(strides[::-1])


def broadcast(view: View, shape: Shape, space: Shape) -> View:
    """The view of an array of that shape, broadcast to a nest's space."""
    if space == ():
        return view._replace(strides=())
    lead = len(space) - len(shape)
    strides = [0 if n == 1 else s for n, s in zip(shape, view.strides, strict=True)]
    return view._replace(strides=(0,) * lead + tuple(strides))


def _reshaped(view: View, x: Aval, *, shape: Shape) -> View | None:
    if is_contiguous(view, x.shape):
        return view._replace(strides=row_major(shape))
    squeezed = [(n, s) for n, s in zip(x.shape, view.strides, strict=True) if n != 1]
    if [n for n, _ in squeezed] != [n for n in shape if n != 1]:
        return None
    strides = iter([s for _, s in squeezed])
    return view._replace(strides=tuple([1 if n == 1 else next(strides) for n in shape]))


def is_contiguous(view: View, shape: Shape) -> bool:
    expected = row_major(shape)
    return all(n == 1 or s == e for n, s, e in zip(shape, view.strides, expected, strict=True))


def _transposed(view: View, x: Aval, *, axes: tuple[int, ...]) -> View:
    return view._replace(strides=tuple([view.strides[i] for i in axes]))


def _expanded(view: View, x: Aval, *, shape: Shape) -> View:
    return broadcast(view, x.shape, shape)


def sliced(view: View, x: Aval, *, index: Any) -> View:
    pairs = list(zip(index, view.strides, strict=True))
    offset = view.offset + sum((i[0] if isinstance(i, tuple) else i) * s for i, s in pairs)
    return view._replace(offset=offset, strides=tuple([i[2] * s for i, s in pairs if isinstance(i, tuple)]))


def _real(view: View, x: Aval) -> View:
    return view


def _imaginary(view: View, x: Aval) -> View:
    return view._replace(offset=view.offset + 1)


#: For each op the view of its result, from the view of its input; `None` where only a copy has one.
VIEWS: dict[Primitive, Any] = {
    ops.reshape: _reshaped,
    ops.transpose: _transposed,
    ops.expand: _expanded,
    ops.slice_: sliced,
    ops.real: _real,
    ops.imag: _imaginary,
}
