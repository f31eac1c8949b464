"""The order of elements: what sorting and searching are composed of. Neither has a gradient, being positions."""

from __future__ import annotations

import numpy as np

from ..primitive import Aval, Primitive

# Stable: elements that compare equal keep their order. NaN comes last.
argsort = Primitive(
    "argsort",
    eval=lambda x, *, axis: np.argsort(x, axis, kind="stable"),
    aval=lambda x, *, axis: Aval(x.shape, np.dtype(np.intp)),
)

# How many elements of the ascending vector `x` are less than each of `y`; with `right` less or equal.
searchsorted = Primitive(
    "searchsorted",
    eval=lambda x, y, *, right: np.searchsorted(x, y, side="right" if right else "left"),
    aval=lambda x, y, *, right: Aval(y.shape, np.dtype(np.intp)),
)
