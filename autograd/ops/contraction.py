"""The matrix product, for all ranks and batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import Aval, Primitive
from .broadcasting import reshape, unbroadcast
from .movement import transpose


def _matmul_aval(x: Aval, y: Aval) -> Aval:
    if not (x.shape and y.shape and x.shape[-1] == y.shape[-2:][0]):
        raise ValueError(f"shapes {x.shape} and {y.shape} do not fit together")
    rows = x.shape[-2:-1]
    columns = y.shape[-1:] if y.ndim > 1 else ()
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return Aval(batch + rows + columns, np.result_type(x.dtype, y.dtype))


def transposed(x: Any) -> Any:
    """`x` with its last two axes exchanged."""
    n = len(x.shape)
    return transpose(x, axes=(*range(n - 2), n - 1, n - 2))


def _column(x: Any) -> Any:
    return reshape(x, shape=(*x.shape, 1))


def _row(x: Any) -> Any:
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _matmul_x(g: Any, _: Any, x: Any, y: Any) -> Any:
    if len(y.shape) == 1:
        return unbroadcast((g if len(x.shape) == 1 else _column(g)) * y, x)
    if len(x.shape) == 1 and len(y.shape) == 2:
        return unbroadcast(matmul(y, g), x)
    if len(x.shape) == 1:
        # g has the batch axes of y and its columns: x_k = sum over the batch and j of g_j y_kj.
        return unbroadcast(reshape(matmul(y, _column(g)), shape=y.shape[:-1]), x)
    return unbroadcast(matmul(g, transposed(y)), x)


def _matmul_y(g: Any, _: Any, x: Any, y: Any) -> Any:
    if len(x.shape) == 1:
        return unbroadcast((g if len(y.shape) < 3 else _row(g)) * (x if len(y.shape) == 1 else _column(x)), y)
    if len(y.shape) == 1:
        if len(x.shape) == 2:
            return unbroadcast(matmul(g, x), y)
        product = matmul(_row(g), x)
        return unbroadcast(reshape(product, shape=(*product.shape[:-2], product.shape[-1])), y)
    return unbroadcast(matmul(transposed(x), g), y)


matmul = Primitive(
    "matmul",
    eval=np.matmul,
    aval=_matmul_aval,
    vjps=(_matmul_x, _matmul_y),
    saves="inputs",
)
