"""The functions of a kernel, each made once, and the scalars that are known in one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from llvmlite import ir

from autograd.lengths import Lengths

from ..graph import Atom
from ..lowering.program import Nest, View
from .interface import structure
from .interpreter import Interpreter
from .nest import function
from .open import Sizes
from .types import INDEX, POINTER, apart, index, load, store
from .wiring import Layout, Location


def moved(builder: ir.IRBuilder, address: ir.Value, distance: int) -> ir.Value:
    """The address so many bytes further."""
    if not distance:
        return address
    return builder.gep(address, [index(distance)], inbounds=True, source_etype=ir.IntType(8))


class Functions:
    """The functions of a kernel: one for all nests of a structure, and its pieces."""

    def __init__(self, module: ir.Module, name: str, inline: bool, sizes: Lengths | None = None) -> None:
        self.module, self.name, self.inline = module, name, inline
        # The open sizes, and their values in each task.
        self.sizes = [] if sizes is None else [sizes.size(x) for x in sizes.values]
        self.tasks: dict[ir.Function, Sizes] = {}
        self.made: dict[Any, ir.Function] = {}
        self.count = 0
        # The weight of the pieces so far.
        self.weight = 0

    def next_name(self) -> str:
        """A name for the next function."""
        self.count += 1
        return f"{self.name}_{self.count}"

    def of(self, nest: Nest, status: bool, rows: bool = False) -> ir.Function:
        """The function of a nest, with `rows` for any number of them."""
        key = (structure(nest), status, rows)
        if key not in self.made:
            self.made[key] = function(self.module, self.next_name(), nest, status, self.inline and not rows, rows)
        return self.made[key]

    def task(self) -> ir.Function:
        """A new function for a task: what it is given, and its number."""
        types = ir.FunctionType(ir.VoidType(), [POINTER, INDEX])
        made = ir.Function(self.module, types, self.next_name())
        made.linkage = "internal"
        return made

    def piece(self, kind: type[ir.Function]) -> ir.Function:
        """A new function that is given the status, the addresses of all buffers, and its part of the table."""
        return apart(self.module, self.next_name(), 3, kind)

    @cached_property
    def interpreter(self) -> Interpreter:
        """What works through the scalars that are not compiled."""
        return Interpreter(self.module, self.next_name())

    def table(self, content: bytearray) -> ir.GlobalVariable:
        """A constant array of integers."""
        # As bytes: one constant for each number would take much longer to write and to read.
        kind = ir.ArrayType(ir.IntType(8), len(content))
        made = ir.GlobalVariable(self.module, kind, self.next_name())
        made.linkage, made.global_constant, made.align = "internal", True, 8
        made.initializer = ir.Constant(kind, content)
        return made


class Registers(dict[Atom, ir.Value]):
    """The scalars known in one function; those that lie in memory are loaded at their first use."""

    def __init__(self, builder: ir.IRBuilder, address: Callable[[Location], ir.Value], layout: Layout) -> None:
        super().__init__()
        self.builder, self.address, self.layout = builder, address, layout
        self.places: dict[Atom, View] = {}

    def __missing__(self, atom: Atom) -> ir.Value:
        slot = self.layout.slot(atom)
        location = self.layout.view(self.places[atom]) if slot is None else slot
        self[atom] = load(self.builder, self.address(location), atom.aval.dtype)
        return self[atom]

    def spill(self, atom: Atom) -> None:
        """Puts a new scalar where other pieces find it, if they read it."""
        slot = self.layout.slot(atom)
        if slot is not None:
            store(self.builder, self[atom], self.address(slot), atom.aval.dtype)
