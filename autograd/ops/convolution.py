"""The convolution of two vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import Aval, Primitive
from .broadcasting import unbroadcast
from .movement import slice_


def _overlap(g: Any, x: Any, y: Any) -> Any:
    """The cotangent of `x`: the products of `y` with the stretches of `g` that it makes of each element."""
    (n,), (m,) = x.shape, y.shape
    turned = slice_(y, index=((m - 1, m, -1),))
    return unbroadcast(slice_(convolve(g, turned), index=((m - 1, n, 1),)), x)


# out[k] = sum of x[i] * y[k - i], for every k that has a term.
convolve = Primitive(
    "convolve",
    eval=np.convolve,
    aval=lambda x, y: Aval((x.shape[0] + y.shape[0] - 1,), np.result_type(x.dtype, y.dtype)),
    vjps=(lambda g, _, x, y: _overlap(g, x, y), lambda g, _, x, y: _overlap(g, y, x)),
    saves="inputs",
)
