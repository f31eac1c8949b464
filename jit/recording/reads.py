"""What a function and its code read from outside of it, by name."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})


class Reads(NamedTuple):
    """The names of globals and of attributes that a code reads, each with the source line that does so first.

    `first` is the line at which the code begins.
    """

    first: str
    globals: Mapping[str, str]
    attributes: Mapping[str, str]
    free: Mapping[str, str]


@lru_cache(maxsize=1024)
def reads_of(code: CodeType) -> Reads:
    """What a code reads, with the functions that are defined inside of it.

    >>> found = reads_of(compile("scale * model.rate", "file.py", "eval"))
    >>> dict(found.globals), dict(found.attributes)
    ({'scale': 'file.py:1', 'model': 'file.py:1'}, {'rate': 'file.py:1'})
    """
    names: dict[str, str] = {}
    attributes: dict[str, str] = {}
    free: dict[str, str] = {}
    for instruction in dis.get_instructions(code):
        positions, name = instruction.positions, instruction.argval
        line = f"{code.co_filename}:{positions.lineno if positions else code.co_firstlineno}"
        if instruction.opname in _GLOBAL:
            names.setdefault(name, line)
        elif instruction.opname in _ATTRIBUTE:
            attributes.setdefault(name, line)
        elif name in code.co_freevars and instruction.opname.startswith("LOAD_"):
            free.setdefault(name, line)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found = reads_of(inner)
            names, attributes = {**found.globals, **names}, {**found.attributes, **attributes}
            free = {**{name: line for name, line in found.free.items() if name in code.co_freevars}, **free}
    return Reads(f"{code.co_filename}:{code.co_firstlineno}", names, attributes, free)


def names_in(code: CodeType) -> Iterator[str]:
    """All names that a code may look up outside or as attributes, those of the functions inside it too."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names_in(inner)


def filled_cells(function: Any) -> dict[str, Any]:
    """The cells of a function's closure that hold something, by the names of their variables."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            cell.cell_contents  # noqa: B018
        except ValueError:
            continue
        found[name] = cell
    return found
