"""What a function reads from outside of its arguments, in the generated function that calls its kernel.

Numbers, strings, functions and other objects are part of the kernel, so each call asks whether they are still those:

    if not (__c1.cell_contents is __v2 or __same(__c1.cell_contents, __v2)): return __MISS

Arrays and tensors are arguments of the kernel, taken at each call from where the function reads them. An array that is
no argument, since NumPy alone computed with it, must still be that array and hold what it held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.tree import LEAF, Structure

from ..recording.places import PLAIN, Container, Place, is_same
from ..recording.record import Captured
from ..signature import Order, is_ready, ready

# Larger containers are compared in a loop.
_MANY = 32


def contents_of(captured: Sequence[Captured], places: Sequence[Place]) -> dict[int, bytes]:
    """What arrays hold, by identity, that are read from places and are neither captured nor share memory with such."""
    sources = [x.source.data if isinstance(x.source, Tensor) else x.source for x in captured]
    arrays = [x for place in places for x in place.leaves if isinstance(x, np.ndarray) and not x.dtype.hasobject]
    return {id(x): x.tobytes() for x in arrays if not any(np.may_share_memory(x, source) for source in sources)}


class Code:
    """A Python function in the making: its lines, and the values that they name."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.lines: list[str] = []

    def name(self, prefix: str, value: Any) -> str:
        """A name for a value in the namespace of the function."""
        name = f"__{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def unless(self, condition: str) -> None:
        """Ends the call where the condition does not hold."""
        self.lines.append(f"if not ({condition}): return __MISS")

    def walk(self, path: str, structure: Structure, leaves: Iterator[Any], leaf: Callable[[str, Any], None]) -> None:
        """Checks a structure, and calls `leaf` with the expression of each of its leaves."""
        if structure.kind is None:
            leaf(path, next(leaves))
            return
        kind = self.name("t", structure.kind)
        self.unless(f"type({path}) is {kind} and len({path}) == {len(structure.parts)}")
        if structure.keys:
            self.unless(f"list({path}) == {self.name('k', list(structure.keys))}")
        for i, part in enumerate(structure.parts):
            step = self.name("k", structure.keys[i]) if structure.keys else i
            self.walk(f"{path}[{step}]", part, leaves, leaf)


class Outside(Code):
    """The lines that look at closures, globals, defaults and attributes.

    **Arguments:** `names`, the namespace; `captured`, what the kernel takes beside the arguments; `sources`, all
    tensors and arrays that were recorded as such; `places`, what the function reads; `contents`, what other arrays
    hold.
    """

    def __init__(
        self,
        names: dict[str, Any],
        captured: Sequence[Captured],
        sources: Sequence[Any],
        places: Sequence[Place],
        contents: Mapping[int, bytes],
    ) -> None:
        super().__init__({**names, "__same": is_same, "__ready": ready, "__array": np.asarray})
        self.captured, self.sources, self.outside, self.contents = captured, sources, places, contents
        self.taken = {id(x.source) for x in captured}
        # The expressions of captured tensors and arrays, by identity, where the function reads them from a place.
        self.found: dict[int, str] = {}

    def read(self) -> None:
        """Looks at everything that the function reads, and at the captured tensors."""
        for place in self.outside:
            holder = self.name("h", place.holder)
            path = f"{holder}[{place.key!r}]" if place.is_item else f"{holder}.{place.key}"
            if place.structure is LEAF:
                self.value(path, place.leaves[0])
            elif len(place.leaves) > _MANY:
                contents = [(x, self.contents[id(x)]) for x in place.leaves if id(x) in self.contents]
                self.unless(f"{self.name('f', Container(place, contents).holds)}({path})")
            else:
                self.walk(self.local(path), place.structure, iter(place.leaves), self.value)
        for source in self.sources:
            if isinstance(source, Tensor) and source.node is None:
                self.unless(f"{self.source(source)}.requires_grad is {source.requires_grad}")

    def local(self, expression: str) -> str:
        """A variable of that value."""
        name = f"__p{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return name

    def value(self, path: str, x: Any) -> None:
        """Takes an array from where it is read, or asks whether a value is what it was."""
        if x is None or type(x) is bool:
            self.unless(f"{path} is {x}")
        elif id(x) in self.found:
            self.unless(f"{path} is {self.found[id(x)]}")
        elif id(x) in self.taken:
            self.found[id(x)] = found = self.local(path)
            kind = self.name("t", type(x))
            self.unless(f"type({found}) is {kind}" + (f" and {found}.node is None" if isinstance(x, Tensor) else ""))
        elif isinstance(x, PLAIN):
            expected = self.name("v", x)
            self.unless(f"{path} is {expected} or __same({path}, {expected})")
        else:
            self.unless(f"{path} is {self.name('v', x)}")
            if id(x) in self.contents:
                self.unless(f"{path}.tobytes() == {self.name('b', self.contents[id(x)])}")

    def source(self, source: Any) -> str:
        """The expression of a captured tensor or array."""
        return self.found.get(id(source)) or self.name("c", source)

    def capture(self, captured: Captured) -> str:
        """The expression of what is captured as the kernel takes it."""
        source, order = captured
        if not isinstance(source, Tensor):
            if id(source) in self.found:
                return self.taken_from(self.found[id(source)], source, order)
            # A view shares the memory of the array, so it sees what is written there later.
            return self.held(source, order)
        # The tensor may be given other data later.
        name = self.source(source) + ".data"
        return f"__array({name})" if source.ndim == 0 else self.taken_from(name, source.data, order)

    def taken_from(self, name: str, x: Any, order: Order) -> str:
        """The expression of an array that may be another one at each call, as the kernel takes it; now it is `x`."""
        if not is_ready(x if order is None else x.transpose(order)):
            return f"__ready({name}, {order})"
        return name if order is None else f"{name}.transpose({order})"

    def held(self, x: Any, order: Order) -> str:
        """The expression of an array that the function holds on to, as the kernel takes it."""
        view = np.asarray(x).view() if order is None else x.transpose(order)
        name = self.name("c", view)
        return name if is_ready(view) else f"__ready({name})"
