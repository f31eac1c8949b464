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
# What has one scalar type of NumPy, whatever its value; an integer may be too large for the usual one.
_SCALARS: dict[type, Any] = {
    float: np.float64, WeakFloat: np.float64, complex: np.complex128, WeakComplex: np.complex128, bool: np.bool_,
}  # fmt: skip
_PLAIN = {WeakFloat: float, WeakInt: int, WeakComplex: complex}
#: The types of such numbers.
WEAK = frozenset(_PLAIN)
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
    kind: Any = _PLAIN.get(type(x))
    return x if kind is None else kind(x)


def evaluate(primitive: Any, values: Sequence[Any], params: dict[str, Any]) -> Any:
    """The value of a primitive, with Python's rule that numbers alone give numbers.

    Numbers alone are computed by NumPy all the same, since Python's own division by zero would raise.
    """
    numbers = []
    for x in values:
        kind = _SCALARS.get(type(x))
        if kind is None:
            break
        numbers.append(kind(x))
    else:
        return _result(primitive, numbers, params)
    values = [plain(x) for x in values]
    if not all(type(x) in _NUMBERS for x in values):
        return primitive.eval(*values, **params)
    return _result(primitive, [np.asarray(x)[()] for x in values], params)


def _result(primitive: Any, numbers: Sequence[Any], params: dict[str, Any]) -> Any:
    out = primitive.eval(*numbers, **params)
    return weak(out.item()) if primitive.eval in _INFIX else out
