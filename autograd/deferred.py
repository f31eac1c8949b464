"""Large arrays that a recording does not compute: their shape and dtype are known, their values wait to be asked for.

To compile a function is to learn which operations it does. The values of large arrays would cost time and memory, and
most are never looked at: the kernel computes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .primitive import Aval, Primitive, Shape
from .weak import evaluate, plain

#: Arrays of more elements are not computed; below, NumPy takes less time than the shape rules.
LARGE = 4096


class Deferred(NDArrayOperatorsMixin):
    """The value of `primitive(*values, **params)`, computed when something else than its shape and dtype is asked for.

    From then on it is what NumPy made of it, to whoever uses it as an array.
    """

    __slots__ = ("__weakref__", "_equation", "_value", "dtype", "shape")

    def __init__(self, primitive: Primitive, values: tuple[Any, ...], params: dict[str, Any]) -> None:
        aval = primitive.aval(*_avals(values), **params)
        self.shape: Shape = aval.shape
        self.dtype: np.dtype[Any] = aval.dtype
        self._equation: Any = primitive, values, params
        self._value: Any = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    def value(self) -> Any:
        """The array, or NumPy's scalar."""
        # The oldest first, without recursion: a chain may be longer than Python's stack.
        waiting = [self]
        while waiting:
            x = waiting[-1]
            if x._equation is None:
                waiting.pop()
                continue
            primitive, values, params = x._equation
            missing = [y for y in values if type(y) is Deferred and y._equation is not None]
            if missing:
                waiting += missing
                continue
            x._value = evaluate(primitive, [computed(y) for y in values], params)
            x._equation = None
        return self._value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.value(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*[computed(x) for x in inputs], **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.value(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.value()[key]

    def __len__(self) -> int:
        return len(self.value())


def is_deferred(values: Iterable[Any]) -> bool:
    """Whether an operation on these values is not to be computed: one is large, or is not computed itself."""
    for x in values:
        kind = type(x)
        if kind is Deferred or (kind is np.ndarray and x.size > LARGE):
            return True
    return False


def computed(x: Any) -> Any:
    """`x`, or the value that it stands for."""
    return x.value() if type(x) is Deferred else x


def _is_array(x: Any) -> bool:
    return type(x) is Deferred or isinstance(x, np.ndarray | np.generic)


def dtypes_of(values: Iterable[Any]) -> list[np.dtype[Any]]:
    """The dtypes of those values that are no Python numbers, which take theirs from them."""
    return [x.dtype for x in values if _is_array(x)]


def _avals(values: tuple[Any, ...]) -> list[Aval]:
    dtypes = dtypes_of(values)
    return [Aval(x.shape, x.dtype) if _is_array(x) else Aval((), np.result_type(*dtypes, plain(x))) for x in values]
