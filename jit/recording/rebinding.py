"""Variables around a function, and globals of its module, as arguments that are given by their names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from .reads import names_in

_OWN = ("autograd.", "jit.")


class Variable(NamedTuple):
    """A variable that a function reads: an item of a dict of globals, or what a cell of its closure holds."""

    name: str
    cell: Any
    globals: dict[str, Any]

    def get(self) -> Any:
        """What it holds."""
        return self.globals[self.name] if self.cell is None else self.cell.cell_contents

    def set(self, value: Any) -> None:
        """Binds it to another value."""
        if self.cell is None:
            self.globals[self.name] = value
        else:
            self.cell.cell_contents = value


class Rebound:
    """A function of the values of variables, in a tuple, and of its own arguments."""

    def __init__(self, function: Callable[..., Any], variables: Sequence[Variable]) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.variables = function, tuple(variables)
        #: What the variables hold now.
        self.values = _reader(self.variables)

    def keys(self) -> frozenset[tuple[int, str]]:
        """The variables, as `places_of` tells places apart."""
        pairs = [(x.globals, x.name) if x.cell is None else (x.cell, "cell_contents") for x in self.variables]
        return frozenset([(id(holder), key) for holder, key in pairs])

    def __call__(self, values: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        with _bound(self.variables, values):
            return self.function(*args, **kwargs)


def _reader(variables: Sequence[Variable]) -> Callable[[], tuple[Any, ...]]:
    """The function that reads variables, written for these: it is called before each call of a kernel."""
    names: dict[str, Any] = {}
    items = []
    for i, x in enumerate(variables):
        names[f"v{i}"] = x.globals if x.cell is None else x.cell
        items.append(f"v{i}[{x.name!r}], " if x.cell is None else f"v{i}.cell_contents, ")
    exec(f"def read(): return ({''.join(items)})", names)
    made: Callable[[], tuple[Any, ...]] = names.pop("read")
    return made


@contextmanager
def _bound(variables: Sequence[Variable], values: Sequence[Any]) -> Iterator[None]:
    before = [x.get() for x in variables]
    for x, value in zip(variables, values, strict=True):
        x.set(value)
    try:
        yield
    finally:
        for x, value in zip(variables, before, strict=True):
            x.set(value)


def variables_of(function: Callable[..., Any]) -> dict[str, Variable]:
    """The variables that the function of the user reads, by their names."""
    found: dict[str, Variable] = {}
    f = _innermost(function)
    if isinstance(f, FunctionType):
        for name in names_in(f.__code__):
            if name in f.__globals__:
                found[name] = Variable(name, None, f.__globals__)
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            found[name] = Variable(name, cell, f.__globals__)
    return found


def rebound(function: Callable[..., Any], known: Sequence[Variable], values: Mapping[str, Any]) -> Sequence[Variable]:
    """Binds variables of a function to values, and returns them, with those that are known already.

    **Errors:** `ValueError` where the function does not read a variable of that name.
    """
    by_name = {x.name: x for x in known}
    if all(name in by_name for name in values):
        for name, value in values.items():
            by_name[name].set(value)
        return known
    variables = variables_of(function)
    for name in values:
        if name not in variables:
            data = [x for x, it in variables.items() if not isinstance(it.get(), ModuleType) and not callable(it.get())]
            reader = getattr(function, "__name__", function)
            raise ValueError(
                f"`rebind` needs names of variables that `{reader}` reads and that are no arguments, got `{name}`; "
                f"there are: {', '.join(data) or 'none'}"
            )
    for name, value in values.items():
        variables[name].set(value)
    every = dict.fromkeys([*[x.name for x in known], *values])
    return [variables[name] for name in every]


def _innermost(function: Any) -> Any:
    """The function of the user within what `jit.value_and_grad` and its relatives have made of it."""
    if isinstance(function, MethodType):
        return _innermost(function.__func__)
    if isinstance(function, functools.partial):
        return _innermost(function.func)
    if hasattr(function, "__wrapped__"):
        return _innermost(function.__wrapped__)
    if isinstance(function, FunctionType) and function.__module__.startswith(_OWN):
        held = [x.cell_contents for x in function.__closure__ or ()]
        return next((_innermost(x) for x in held if callable(x)), function)
    return function
