"""Python numbers that a tape follows: like any Python number they take the dtype of the arrays beside them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np


class WeakFloat(float):
    """A Python float as the data of a tensor."""

    shape: tuple[int, ...] = ()
    ndim, size = 0, 1
    dtype = np.dtype(np.float64)

    def item(self) -> float:
        return float(self)

    tolist = item

    def __getitem__(self, _: tuple[()]) -> np.float64:
        return np.float64(self)


class WeakInt(int):
    """A Python integer as the data of a tensor."""

    shape: tuple[int, ...] = ()
    ndim, size = 0, 1
    dtype = np.dtype(np.int64)

    def item(self) -> int:
        return int(self)

    tolist = item

    def __getitem__(self, _: tuple[()]) -> np.int64:
        return np.int64(self)


class WeakComplex(complex):
    """A Python complex number as the data of a tensor."""

    shape: tuple[int, ...] = ()
    ndim, size = 0, 1
    dtype = np.dtype(np.complex128)

    def item(self) -> complex:
        return complex(self)

    tolist = item

    def __getitem__(self, _: tuple[()]) -> np.complex128:
        return np.complex128(self)


# What Python itself computes for two numbers; a function of NumPy gives an array.
_INFIX = frozenset({
    operator.neg, operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow,
})  # fmt: skip

_NUMBERS = frozenset({float, int, bool, complex})
Weak = WeakFloat | WeakInt | WeakComplex


def weak(x: Any) -> Any:
    """`x` as the data of a tensor: a Python number in its weak form, anything else as an array."""
    if type(x) is float:
        return WeakFloat(x)
    if type(x) is complex:
        return WeakComplex(x)
    return WeakInt(x) if type(x) is int else np.asarray(x)


def plain(x: Any) -> Any:
    """`x` as NumPy promotes it: exactly a Python number where it is one, which no subclass is."""
    return x.item() if isinstance(x, Weak) else x


def evaluate(primitive: Any, values: Sequence[Any], params: dict[str, Any]) -> Any:
    """The value of a primitive, with Python's rule that numbers alone give numbers.

    Numbers alone are computed by NumPy all the same, since Python's own division by zero would raise.
    """
    values = [plain(x) for x in values]
    if not all(type(x) in _NUMBERS for x in values):
        return primitive.eval(*values, **params)
    out = primitive.eval(*[np.asarray(x)[()] for x in values], **params)
    return weak(out.item()) if primitive.eval in _INFIX else out
