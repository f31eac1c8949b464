"""Memory that was written in place: which elements, and when, so that a sweep does not take them for what was saved.

Nodes hold the arrays that their rules read by reference. Nodes and writes have numbers from one counter: what a node
saved is no longer there if an element of it was written under a higher number. Who never writes pays nothing.
"""

from __future__ import annotations

import weakref
from itertools import count
from typing import Any, NoReturn

import numpy as np

from .primitive import Traced

next_number = count().__next__


class _Record:
    """The writes to one array that owns its memory: `whole`, the last one to all of it, and later ones by element."""

    __slots__ = ("name", "numbers", "owner", "whole")

    def __init__(self, owner: Any) -> None:
        self.owner, self.name = weakref.ref(owner, _forget(id(owner))), ""
        self.whole = -1
        self.numbers: Any = None


class _Writes:
    """What was written, by the identity of the array that owns the memory; `last` is the number of the last write."""

    def __init__(self) -> None:
        self.records: dict[int, _Record] = {}
        self.last = -1


WRITES = _Writes()


def _forget(key: int) -> Any:
    return lambda _: WRITES.records.pop(key, None)


def owner_of(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array whose memory `x` is a view of, or `x` itself."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def note_write(x: np.ndarray[Any, Any], name: str) -> None:
    """Notes that the elements of an array have changed, by the operation of that name."""
    owner = owner_of(x)
    record = WRITES.records.get(id(owner))
    if record is None:
        record = WRITES.records[id(owner)] = _Record(owner)
    record.name, WRITES.last = name, next_number()
    part = None
    if x.size < owner.size and owner.flags.forc and x.dtype.itemsize == owner.dtype.itemsize:
        if record.numbers is None:
            record.numbers = np.full(owner.size, record.whole)
        part = _numbers_of(record, owner, x)
    if part is None:
        record.whole, record.numbers = WRITES.last, None
    else:
        part[...] = WRITES.last


def _numbers_of(record: _Record, owner: np.ndarray[Any, Any], x: np.ndarray[Any, Any]) -> Any:
    """The numbers of the last writes to the elements of a view."""
    itemsize = owner.dtype.itemsize
    offset = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return np.ndarray(
        x.shape,
        np.int64,
        record.numbers,
        offset // itemsize * 8,
        tuple([stride // itemsize * 8 for stride in x.strides]),
    )


def overwritten_by(x: np.ndarray[Any, Any], number: int) -> str:
    """The name of an operation that has written to elements of an array after that number; empty if none has."""
    owner = owner_of(x)
    record = WRITES.records.get(id(owner))
    if record is None or not x.size:
        return ""
    if record.numbers is None or x.dtype.itemsize != owner.dtype.itemsize:
        return record.name if record.whole > number or record.numbers is not None else ""
    return record.name if _numbers_of(record, owner, x).max() > number else ""


class Overwritten(Traced):
    """Stands for a saved value that is no longer there: its shape and dtype are known, its elements are an error."""

    __slots__ = ("dtype", "ndim", "shape", "size", "words")

    def __init__(self, x: np.ndarray[Any, Any], words: str) -> None:
        self.shape, self.dtype, self.ndim, self.size, self.words = x.shape, x.dtype, x.ndim, x.size, words

    def bind(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(self.words)

    def __getattr__(self, _: str) -> NoReturn:
        raise RuntimeError(self.words)

    __array__ = __array_ufunc__ = __array_function__ = __getitem__ = __len__ = __bool__ = __iter__ = bind
    __neg__ = __abs__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = __rpow__ = bind
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __lt__ = __le__ = __gt__ = __ge__ = bind


def still_there(name: str, values: Any, number: int) -> Any:
    """Values that a node of that name and number has saved, with `Overwritten` for those that are no longer there."""
    if type(values) is tuple:
        return tuple([still_there(name, x, number) for x in values])
    by = overwritten_by(values, number) if type(values) is np.ndarray else ""
    return Overwritten(values, _WORDS.format(name=name, by=by, values=values)) if by else values


_WORDS = (
    "one of the variables needed for gradient computation has been modified by an inplace operation: `{by}` has "
    "written to the {values.dtype.name} of shape {values.shape} that `{name}` reads in `backward`; write to a copy, "
    "`x.clone()`, or build the array without writing"
)
