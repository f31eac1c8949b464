"""The matrix product, for all ranks and batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..lengths import broadcast_shapes
from ..primitive import Aval, Primitive, Swept
from .broadcasting import reshape, unbroadcast
from .movement import transpose


def _matmul_aval(x: Aval, y: Aval) -> Aval:
    if not (x.shape and y.shape and x.shape[-1] == y.shape[-2:][0]):
        raise ValueError(f"shapes {x.shape} and {y.shape} do not fit together")
    rows = x.shape[-2:-1]
    columns = y.shape[-1:] if y.ndim > 1 else ()
    batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return Aval(batch + rows + columns, np.result_type(x.dtype, y.dtype))


def transposed(x: Any) -> Any:
    """`x` with its last two axes exchanged."""
    if type(x) is np.ndarray:
        return x.swapaxes(-1, -2)
    n = len(x.shape)
    return transpose(x, axes=(*range(n - 2), n - 1, n - 2))


def _column(x: Any) -> Any:
    return reshape(x, shape=(*x.shape, 1))


def _row(x: Any) -> Any:
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _matmul_x(g: Any, _: Any, inputs: Any, params: Any) -> Any:
    x, y = inputs
    n, m = len(x.shape), len(y.shape)
    if n > 1 < m:
        return unbroadcast(matmul.of((g, transposed(y)), params), x)
    if m == 1:
        return unbroadcast((g if n == 1 else _column(g)) * y, x)
    if m == 2:
        return unbroadcast(matmul.of((y, g), params), x)
    # g has the batch axes of y and its columns: x_k = sum over the batch and j of g_j y_kj.
    return unbroadcast(reshape(matmul(y, _column(g)), shape=y.shape[:-1]), x)


def _matmul_y(g: Any, _: Any, inputs: Any, params: Any) -> Any:
    x, y = inputs
    n, m = len(x.shape), len(y.shape)
    if n > 1 < m:
        return unbroadcast(matmul.of((transposed(x), g), params), y)
    if n == 1:
        return unbroadcast((g if m < 3 else _row(g)) * (x if m == 1 else _column(x)), y)
    if n == 2:
        return unbroadcast(matmul.of((g, x), params), y)
    product = matmul(_row(g), x)
    return unbroadcast(reshape(product, shape=(*product.shape[:-2], product.shape[-1])), y)


matmul = Primitive(
    "matmul",
    eval=np.matmul,
    aval=_matmul_aval,
    vjps=(Swept(_matmul_x), Swept(_matmul_y)),
    saves="inputs",
)
