"""Results that are written into arrays which the caller gives: `out=`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.lengths import closed
from autograd.primitive import Aval, aval_of
from autograd.tree import Structure

from ..signature import is_ready, ready, sizes_of
from .caller import Constant, Wiring, Writer


def caller_with_out(wiring: Wiring) -> Callable[..., Any]:
    """The function that calls the kernel with arguments of the wiring's signature, and with `out=`."""
    return _Writer(wiring).function()


class _Writer(Writer):
    keywords = ("out",)

    def parameters(self) -> str:
        """The parameters, `out` among them; whether its arrays fit is seen by the kernel."""
        head = super().parameters()
        self.places: dict[int, str] = {}
        self.walk("out", self.result.structure, iter(self.result.leaves), self.place)
        return head

    def place(self, path: str, x: int | Constant) -> None:
        """Notes where in `out` the array for an output is."""
        if isinstance(x, Constant) or self.kernel.graph.outputs[x].aval.shape == ():
            self.unless(f"{path} is None")
        else:
            self.places[x] = path

    def output(self, i: int, empty: str) -> str:
        """The array that was given, or a new one."""
        if i not in self.places:
            return super().output(i, empty)
        self.lines += [f"__o{i} = {self.places[i]}", f"if __o{i} is None: __o{i} = {empty}"]
        return f"__o{i}"


def check_out(name: str, wiring: Wiring, out: Any, values: Sequence[Any]) -> None:
    """
    **Arguments:** `name` of the function; `out` as it was given; `values`, the leaves of the arguments.

    **Errors:** `TypeError` or `ValueError` if the results cannot be written into `out`.
    """
    if wiring.result.tensors:
        raise TypeError(f"`{name}` returns tensors, and `out=` takes arrays; call it with arrays: `x.detach().numpy()`")
    pairs = list(zip(values, wiring.signature.leaves, strict=True))
    read = [ready(x, leaf.order) for x, leaf in pairs if leaf.kind == "array"]
    read += [ready(x.source.data if isinstance(x.source, Tensor) else x.source, x.order) for x in wiring.captured]
    written: list[Any] = []
    sizes = sizes_of(wiring.signature, values)
    for path, x, leaf in _places(name, "out", wiring.result.structure, iter(wiring.result.leaves), out):
        if x is None:
            continue
        aval = None if isinstance(leaf, Constant) else wiring.kernel.graph.outputs[leaf].aval
        aval = None if aval is None else Aval(closed(aval.shape, sizes), aval.dtype)
        _check_array(f"`{path}` of `{name}`", aval, x)
        if any(np.may_share_memory(x, other) for other in read):
            raise ValueError(f"`{path}` of `{name}` shares memory with an array that the function reads; give another")
        if any(np.may_share_memory(x, other) for other in written):
            raise ValueError(f"`{path}` of `{name}` shares memory with another array of `out`; give another")
        written.append(x)


def _places(
    name: str, path: str, structure: Structure, leaves: Iterator[Any], out: Any
) -> Iterator[tuple[str, Any, Any]]:
    """What stands in `out` for each leaf of the result, with its path and that leaf."""
    kind: Any = structure.kind
    if kind is None:
        yield path, out, next(leaves)
        return
    keys: Sequence[Any] = structure.keys or range(len(structure.parts))
    if type(out) is not kind or len(out) != len(keys) or (structure.keys and list(out) != list(keys)):
        parts = f"the keys {list(keys)}" if structure.keys else f"{len(keys)} parts"
        raise TypeError(
            f"`{path}` of `{name}` needs the structure of the result, a {kind.__name__} of {parts} with `None` for "
            f"what is to be allocated, got {_described(out)}"
        )
    for key, part in zip(keys, structure.parts, strict=True):
        yield from _places(name, f"{path}[{key!r}]", part, leaves, out[key])


def _check_array(place: str, aval: Aval | None, x: Any) -> None:
    if aval is None or aval.shape == ():
        raise TypeError(
            f"{place} stands for a result without axes, which is returned; it must be None, got {_described(x)}"
        )
    if type(x) is not np.ndarray:
        raise TypeError(f"{place} needs an array of {aval}, got {_described(x)}")
    if Aval(x.shape, x.dtype.newbyteorder("=")) != aval:
        raise ValueError(f"{place} needs an array of {aval}, got {_described(x)}")
    if not is_ready(x):
        raise ValueError(
            f"{place} needs an array that is contiguous, aligned and of this machine's byte order; give "
            f"`np.empty({aval.shape})`, or copy the result"
        )
    if not x.flags.writeable:
        raise ValueError(f"{place} needs an array that can be written to, got a read-only one")


def _described(x: Any) -> str:
    if isinstance(x, np.ndarray | Tensor):
        return f"{type(x).__name__} of {aval_of(x)}"
    return f"{type(x).__name__} of {len(x)}" if isinstance(x, tuple | list | dict) else type(x).__name__


def written(structure: Structure, out: Any, result: Any) -> Any:
    """The result with its arrays copied into those of `out`."""
    if structure.kind is None:
        if out is None:
            return result
        out[...] = result
        return out
    kind: Any = structure.kind
    keys: Sequence[Any] = structure.keys or range(len(structure.parts))
    parts = [written(part, out[key], result[key]) for key, part in zip(keys, structure.parts, strict=True)]
    if issubclass(kind, dict):
        return kind(zip(keys, parts, strict=True))
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
