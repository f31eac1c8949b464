"""Large arrays that a recording does not compute: their shape and dtype are known, their values wait to be asked for.

To compile a function is to learn which operations it does. The values of large arrays would cost time and memory, and
most are never looked at: the kernel computes them.

Neither does the tape keep them. A tensor has its value as long as somebody has the tensor; the tape has a stand-in,
which computes that value once more if need be.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import lru_cache
from math import prod
from typing import Any
from weakref import ref

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .lengths import closed
from .primitive import Aval, Primitive, Shape
from .weak import evaluate, plain

#: Arrays of more elements are not computed; below, NumPy takes less time than the shape rules.
LARGE = 4096
#: The tape does not keep those of more.
KEPT = 256


_new = object.__new__
# Parameters of these types belong to nobody, and equal ones mean the same. Of others a cache would prolong the life.
_SIMPLE = frozenset({int, bool, str, tuple, type(None), np.dtype, *[type(np.dtype(x)) for x in "?bhilefdFD"]})


class Deferred(NDArrayOperatorsMixin):
    """The value of `primitive(*values, **params)`, computed when something else than its shape and dtype is asked for.

    From then on it is what NumPy made of it, to whoever uses it as an array. One that stands in for another value takes
    it from there as long as that lives, and keeps nothing of what is computed on the way to another one.
    """

    __slots__ = ("__weakref__", "_alive", "_equation", "_value", "dtype", "shape")

    def __init__(self, primitive: Primitive, values: tuple[Any, ...], params: dict[str, Any]) -> None:
        aval = _aval(primitive, tuple(_avals(values)), params)
        self.shape: Shape = aval.shape
        self.dtype: np.dtype[Any] = aval.dtype
        self._equation: Any = primitive, values, params
        self._value: Any = None
        self._alive: Any = None

    @staticmethod
    def standing_in(for_: Any, primitive: Primitive, values: tuple[Any, ...], params: dict[str, Any]) -> Deferred:
        """What computes an array, or a deferred one, once more."""
        made = _new(Deferred)
        made.shape, made.dtype = for_.shape, for_.dtype
        made._equation = primitive, values, params
        made._value, made._alive = None, ref(for_)
        return made

    @classmethod
    def of(cls, value: Any, shape: Shape) -> Deferred:
        """An array that is there, under a shape with open lengths."""
        made = cls.__new__(cls)
        made.shape, made.dtype = shape, value.dtype
        made._equation, made._value, made._alive = None, value, None
        return made

    @property
    def equation(self) -> tuple[Primitive, tuple[Any, ...], dict[str, Any]] | None:
        """What gives the value, until it is computed."""
        found: tuple[Primitive, tuple[Any, ...], dict[str, Any]] | None = self._equation
        return found

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
        passing: dict[int, Any] = {}
        while waiting:
            x = waiting[-1]
            if x._equation is None or id(x) in passing:
                waiting.pop()
                continue
            alive = None if x._alive is None else x._alive()
            if alive is not None and (type(alive) is not Deferred or alive._equation is None):
                passing[id(x)] = computed(alive)
                continue
            primitive, values, params = x._equation
            missing = [y for y in values if type(y) is Deferred and y._equation is not None and id(y) not in passing]
            if missing:
                waiting += missing
                continue
            given = [passing[id(y)] if id(y) in passing else computed(y) for y in values]
            found = evaluate(primitive, given, {name: closed(param) for name, param in params.items()})
            if x._alive is None:
                x._value, x._equation = found, None
            else:
                passing[id(x)] = found
        if id(self) in passing:
            self._value, self._equation = passing[id(self)], None
        return self._value

    def array(self) -> Any:
        """The value for someone who sees how long it is, so that its lengths are open no more."""
        for n in self.shape:
            operator.index(n)
        return self.value()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*[x.array() if type(x) is Deferred else x for x in inputs], **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.array(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.array()[key]

    def __len__(self) -> int:
        return len(self.array())


def light(
    out: Any, primitive: Primitive, values: tuple[Any, ...], params: dict[str, Any], parents: tuple[Any, ...]
) -> tuple[Any, tuple[Any, ...]]:
    """A result and the inputs that it was made of as a tape keeps them, by the nodes of the inputs."""
    saved = tuple([
        parent.out if parent is not None and type(getattr(parent, "out", None)) is Deferred else x
        for x, parent in zip(values, parents, strict=True)
    ])  # fmt: skip
    kind = type(out)
    if kind is Deferred or (kind is np.ndarray and out.size > KEPT):
        out = Deferred.standing_in(out, primitive, saved, params)
    return out, saved


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


# As a tuple, since a union would be made anew at each call.
_ARRAYS = (Deferred, np.ndarray, np.generic)


def _is_array(x: Any) -> bool:
    return isinstance(x, _ARRAYS)


def dtypes_of(values: Iterable[Any]) -> list[np.dtype[Any]]:
    """The dtypes of those values that are no Python numbers, which take theirs from them."""
    return [x.dtype for x in values if _is_array(x)]


def _aval(primitive: Primitive, avals: tuple[Aval, ...], params: dict[str, Any]) -> Aval:
    """What the shape rule says; of the steps of a loop it is asked once."""
    if all(type(x) in _SIMPLE for x in params.values()):
        return _known_aval(primitive, avals, tuple(params.items()))
    return primitive.aval(*avals, **params)


@lru_cache(maxsize=4096)
def _known_aval(primitive: Primitive, avals: tuple[Aval, ...], params: tuple[tuple[str, Any], ...]) -> Aval:
    return primitive.aval(*avals, **dict(params))


def _avals(values: tuple[Any, ...]) -> list[Aval]:
    dtypes = dtypes_of(values)
    return [Aval(x.shape, x.dtype) if _is_array(x) else Aval((), np.result_type(*dtypes, plain(x))) for x in values]
