"""Where a function and what it calls read values that are no arguments: closures, globals, defaults, attributes.

What is read is known from the code, without running it. Names of variables say exactly what; of attributes only the
names are known, so that `rate` stands for the attribute of that name of every object which the function can reach.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property, partial
from operator import is_
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor
from autograd.tree import LEAF, Structure, flatten

from .reads import filled_cells, reads_of

#: What is a value as it stands, and leads to no other.
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic)
_OWN = frozenset({"autograd", "jit"})
_LIBRARIES = frozenset({*_OWN, *sys.stdlib_module_names, "numpy", "scipy", "numba"}) - {"__main__"}
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")})
_MISSING = object()


class Place(NamedTuple):
    """What a function reads: an attribute of the `holder`, or an item of it, by its `key`.

    The `leaves` are what was found there, in that `structure`; `name` and `where`, a source line, are for its user.
    """

    holder: Any
    key: str
    is_item: bool
    leaves: list[Any]
    structure: Structure
    name: str
    where: str


def places_of(roots: Iterable[Any], without: Collection[tuple[int, str]] = ()) -> list[Place]:
    """The places that functions read, with those that they call; what libraries read is their own affair.

    **Arguments:** `roots`, the functions, and objects whose attributes they read; `without`, the holders, by identity,
    and keys of places that are left out.
    """
    walk = _Walk(roots)
    walk.run()
    return [place for key, place in walk.places.items() if key not in without]


def untouched(before: list[Place], after: list[Place]) -> list[Place]:
    """The places after a run of the function without those that held something else before it."""
    known = {(id(p.holder), p.key): p for p in before}
    return [p for p in after if _is_kept(known.get((id(p.holder), p.key), p), p)]


def _is_kept(before: Place, after: Place) -> bool:
    return before.structure == after.structure and all(map(is_same, before.leaves, after.leaves))


class _Walk:
    """What was found on the way from the roots."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self.places: dict[tuple[int, str], Place] = {}
        # The names of attributes that are read somewhere, each with a source line.
        self.attributes: dict[str, str] = {}
        # Objects of the user's classes, the classes, and modules: what attributes are read of.
        self.objects: list[Any] = []
        self.looked: set[tuple[int, str]] = set()
        self.seen: set[int] = set()
        self.waiting = list(roots)
        self.kept: list[Any] = []
        # The packages of the functions that were compiled: where one is installed, it is followed all the same.
        self.packages: set[str] = set()
        for x in self.waiting:
            self.root(x)

    def run(self) -> None:
        """Follows everything, until neither an object nor the name of an attribute is new."""
        while self.waiting:
            while self.waiting:
                self.value(self.waiting.pop())
            for x in list(self.objects):
                for name, where in list(self.attributes.items()):
                    if (id(x), name) not in self.looked:
                        self.looked.add((id(x), name))
                        self.attribute(x, name, where)

    def root(self, x: Any) -> None:
        self.packages.add(_package(getattr(x, "__module__", None) or ""))

    def is_followed(self, module: str | None) -> bool:
        """Whether a module is the user's own: neither Python's nor this package nor another that is installed."""
        # What `exec` has made in a bare namespace has no module.
        package = _package(module or "__main__")
        if package in _LIBRARIES:
            return False
        if package == "__main__" or package in self.packages:
            return True
        file = getattr(sys.modules.get(module or "__main__"), "__file__", None)
        return not (file and file.startswith(_INSTALLED))

    def value(self, x: Any) -> None:
        """Follows a value to what is read through it."""
        if isinstance(x, (*PLAIN, np.ndarray, Tensor)) or id(x) in self.seen:
            return
        self.seen.add(id(x))
        self.kept.append(x)
        if isinstance(x, FunctionType):
            self.function(x)
        elif isinstance(x, MethodType):
            self.waiting += [x.__func__, x.__self__]
        elif isinstance(x, partial):
            self.waiting += [x.func, *x.args, *x.keywords.values()]
        elif isinstance(x, list | tuple | dict):
            self.waiting += [] if _package(type(x).__module__) in _OWN else _leaves(x)[0]
        elif isinstance(x, staticmethod | classmethod):
            self.waiting.append(x.__func__)
        elif isinstance(x, property):
            self.waiting += [x.fget]
        elif isinstance(x, cached_property):
            self.waiting += [x.func]
        elif isinstance(x, ModuleType):
            self.objects += [x] if self.is_followed(x.__name__) else []
        elif isinstance(x, type):
            if self.is_followed(x.__module__):
                self.objects.append(x)
                self.methods(x)
        elif _package(type(x).__module__) in _OWN:
            # Functions that are made of others hold on to them.
            self.inner([y for key, y in getattr(x, "__dict__", {}).items() if key[0] != "_"])
        elif self.is_followed(type(x).__module__):
            self.objects.append(x)
            self.methods(type(x))

    def inner(self, found: Iterable[Any]) -> None:
        """Follows the functions among what a function of this library holds."""
        for x in found:
            if callable(x):
                self.root(x)
                self.waiting.append(x)

    def methods(self, kind: type) -> None:
        """Follows what Python calls by itself of a class of the user."""
        for base in kind.__mro__:
            if self.is_followed(base.__module__):
                found = [y for name, y in vars(base).items() if name[:2] == "__" and isinstance(y, FunctionType)]
                self.waiting += found

    def function(self, f: FunctionType) -> None:
        cells = filled_cells(f)
        module = f.__globals__.get("__name__")
        if not self.is_followed(module):
            if _package(module or "") in _OWN:
                self.inner([cell.cell_contents for cell in cells.values()])
            return
        reads = reads_of(f.__code__)
        for name, where in reads.attributes.items():
            self.attributes.setdefault(name, where)
        for name, cell in cells.items():
            where = reads.free.get(name, reads.first)
            self.place(cell, "cell_contents", False, cell.cell_contents, f"`{name}`, a variable around it", where)
        for name, where in reads.globals.items():
            if name in f.__globals__:
                self.place(f.__globals__, name, True, f.__globals__[name], f"the global `{name}`", where)
        for key in ("__defaults__", "__kwdefaults__"):
            if getattr(f, key):
                name = f"the defaults of `{f.__name__}`"
                self.place(f, key, False, getattr(f, key), name, reads.first)

    def attribute(self, x: Any, name: str, where: str) -> None:
        """Looks whether an object has an attribute, without running any code of it."""
        if isinstance(x, ModuleType):
            if name in vars(x):
                self.place(vars(x), name, True, vars(x)[name], f"`{x.__name__}.{name}`", where)
            return
        kind = x if isinstance(x, type) else type(x)
        found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), _MISSING)
        if not isinstance(x, type) and name in getattr(x, "__dict__", {}):
            found = x.__dict__[name]
        elif isinstance(found, MemberDescriptorType):
            found = getattr(x, name, _MISSING)
        elif isinstance(found, FunctionType | staticmethod | property | cached_property):
            # Of the class these are what they are, and not bound to the object.
            x, found = kind, getattr(kind, name)
        elif isinstance(found, classmethod):
            self.waiting.append(found)
            return
        elif hasattr(type(found), "__get__"):
            return
        if found is not _MISSING:
            self.place(x, name, False, found, f"`{kind.__name__}.{name}`", where)

    def place(self, holder: Any, key: str, is_item: bool, x: Any, name: str, where: str) -> None:
        self.waiting.append(x)
        if not isinstance(x, ModuleType) and (id(holder), key) not in self.places:
            self.kept.append(holder)
            self.places[id(holder), key] = Place(holder, key, is_item, *_leaves(x), name, where)


def _leaves(x: Any) -> tuple[list[Any], Structure]:
    try:
        return flatten(x)
    except RecursionError:
        # A container that holds itself.
        return [x], LEAF


def _package(module: str) -> str:
    return module.partition(".")[0]


def is_same(x: Any, y: Any) -> bool:
    """Whether two values are one to a program: the same object, or equal numbers or strings of the same type.

    >>> is_same(1.5, 3 / 2), is_same(1, True), is_same(0.0, -0.0)
    (True, False, False)
    """
    if x is y:
        return True
    if type(x) is not type(y) or not isinstance(x, PLAIN):
        return False
    # Zeros of either sign are equal, and not a number is not; both print as what they are.
    return bool(x == y and repr(x) == repr(y)) or (x != x and y != y)


class Container:
    """A list, tuple or dict with many leaves, as a place has it; `contents` says what arrays in it hold."""

    def __init__(self, place: Place, contents: Sequence[tuple[Any, bytes]] = ()) -> None:
        self.leaves, self.structure, self.contents = place.leaves, place.structure, contents
        now = place.holder[place.key] if place.is_item else getattr(place.holder, place.key)
        # Where no item can change, it is enough that each is the very object that it was, and much quicker to see.
        is_fixed = are_same(now, self.leaves, self.structure) and all(map(_is_fixed, _items(now)))
        self.items = _items(now) if is_fixed else None

    def holds(self, x: Any) -> bool:
        """Whether a value is such a container that holds the same."""
        if not (self._is_as_it_was(x) or are_same(x, self.leaves, self.structure)):
            return False
        return all(y.tobytes() == held for y, held in self.contents)

    def _is_as_it_was(self, x: Any) -> bool:
        if self.items is None or type(x) is not self.structure.kind:
            return False
        items = _items(x)
        return len(items) == len(self.items) and all(map(is_, items, self.items))


def are_same(x: Any, leaves: list[Any], structure: Structure) -> bool:
    """Whether a container holds what it held."""
    found, now = _leaves(x)
    return now == structure and all(map(is_same, found, leaves))


def _items(x: Any) -> Sequence[Any]:
    """What a container holds, a copy if it can change."""
    return [*x, *x.values()] if isinstance(x, dict) else x if isinstance(x, tuple) else list(x)


def _is_fixed(x: Any) -> bool:
    """Whether a value is a leaf, or a tuple of such."""
    return not isinstance(x, list | dict) and (not isinstance(x, tuple) or all(map(_is_fixed, x)))
