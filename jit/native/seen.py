"""Which kernels a function of Numba sees, so that what Numba keeps of it on the disk is found again with these alone.

Numba knows kept code again by the source file of a function, its signature and its bytecode. A kernel that is a global
there is no part of that, and may be another one in the next process, with other code or other data. So the key gets the
kernels as well, with the names under which the function sees them, also by way of the functions that it calls. Where a
function reaches a kernel in another way, as through the body of an `@overload`, its code is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from types import ModuleType
from typing import Any

from numba.core import caching

from ..recording.reads import filled_cells, names_in


class Seen:
    """A kernel of that `name`, whose data code refers to by the `symbol`."""

    name: str
    symbol: str

    def hold(self) -> None:
        """Keeps it for ever, since Numba never frees code."""
        raise NotImplementedError


def seen_by(function: Any) -> dict[str, Seen]:
    """The kernels that a Python function sees, by the paths that lead to them."""
    return dict(_of_function("", function, set()))


def _of_function(path: str, function: Any, known: set[int]) -> Iterator[tuple[str, Seen]]:
    code = getattr(function, "__code__", None)
    if code is None or id(function) in known:
        return
    known.add(id(function))
    names = list(dict.fromkeys(names_in(code)))
    values = {name: function.__globals__[name] for name in names if name in function.__globals__}
    values |= {name: cell.cell_contents for name, cell in filled_cells(function).items()}
    values |= {f"default {i}": x for i, x in enumerate(function.__defaults__ or ())}
    for name, value in values.items():
        yield from _of_value(f"{path}/{name}", value, names, known)


def _of_value(path: str, value: Any, names: list[str], known: set[int]) -> Iterator[tuple[str, Seen]]:
    if isinstance(value, Seen):
        yield path, value
    elif isinstance(value, ModuleType):
        if id(value) not in known:
            known.add(id(value))
            for name in names:
                if name in vars(value):
                    yield from _of_value(f"{path}.{name}", vars(value)[name], names, known)
    elif isinstance(value, tuple | list):
        for i, part in enumerate(value):
            yield from _of_value(f"{path}[{i}]", part, names, known)
    else:
        # What `@njit` and its relatives have made.
        yield from _of_function(path, getattr(value, "py_func", None), known)


def _with_kernels(index_key: Any) -> Any:
    @wraps(index_key)
    def with_kernels(self: Any, sig: Any, codegen: Any) -> Any:
        key = index_key(self, sig, codegen)
        found = seen_by(self._py_func)
        for kernel in found.values():
            # The code may be loaded next, and is linked to them by their symbols.
            kernel.hold()
        return (*key, tuple([(path, x.symbol) for path, x in found.items()])) if found else key

    return with_kernels


caching.Cache._index_key = _with_kernels(caching.Cache._index_key)  # type: ignore[method-assign]
