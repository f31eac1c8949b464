"""Gather and scatter-add, each the other's transpose: indexing by arrays of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import Aval, Primitive, Shape


def _scatter_add_eval(x: Any, *indices: Any, shape: Shape) -> Any:
    out = np.zeros(shape, x.dtype)
    np.add.at(out, tuple(indices), x)
    return out


# The index arrays share one shape and stand for the first axes of `x`: out = x[indices[0], indices[1], ...].
gather = Primitive(
    "gather",
    eval=lambda x, *indices: x[tuple(indices)],
    aval=lambda x, *indices: Aval(indices[0].shape + x.shape[len(indices) :], x.dtype),
    vjps=(lambda g, _, x, *indices: scatter_add(g, *indices, shape=x.shape),),
    saves="inputs",
    add_vjp=lambda total, g, _, *indices: np.add.at(total, tuple(indices), g),
    moves=True,
)

scatter_add = Primitive(
    "scatter_add",
    eval=_scatter_add_eval,
    aval=lambda x, *indices, shape: Aval(shape, x.dtype),
    vjps=(lambda g, _, x, *indices, shape: gather(g, *indices),),
    saves="inputs",
    moves=True,
)
