"""Long scalar programs in pieces: each piece a function of its own, values between them in memory.

LLVM takes more than linear time for one huge block, so that a recorded function of many thousand scalar
operations is cut. What one piece computes and another needs lies in a slot of the state, eight bytes each.

    define internal void @piece(ptr noalias %state, ptr %status, ptr %x) { ... }
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ..graph import Atom
from ..program import Compute, Gather, Nest, Program, Reduce
from .interface import atoms_by_value, origin, touched
from .nest import Address, scalars
from .types import POINTER, index, load, store


class Registers(dict[Atom, ir.Value]):
    """The scalars known in one function; those that lie in the state are loaded at their first use."""

    def __init__(self, builder: ir.IRBuilder, state: ir.Value | None, slots: dict[Atom, int]) -> None:
        super().__init__()
        self.builder, self.state, self.slots = builder, state, slots

    def __missing__(self, atom: Atom) -> ir.Value:
        dtype = atom.aval.dtype
        self[atom] = load(self.builder, self.slot(atom), dtype)
        return self[atom]

    def has(self, atom: Atom) -> bool:
        """Whether the scalar is computed, wherever it lies."""
        return atom in self or atom in self.slots

    def slot(self, atom: Atom) -> ir.Value:
        """The address of a scalar's slot, its own from now on."""
        number = self.slots.setdefault(atom, len(self.slots))
        place = self.builder.gep(self.state, [index(8 * number)], inbounds=True, source_etype=ir.IntType(8))
        return place

    def spill(self, atom: Atom) -> None:
        """Puts a scalar that a register holds into its slot."""
        store(self.builder, self[atom], self.slot(atom), atom.aval.dtype)


def uses(program: Program) -> Counter[Atom]:
    """How often each scalar is read, anywhere in the program."""
    found: Counter[Atom] = Counter()
    for step in program.steps:
        if isinstance(step, Nest):
            found.update(atoms_by_value(step))
    found.update([x.atom for x in (*program.guards, *program.outputs)])
    return found


def piece(
    registers: Registers, name: str, nest: Nest, everywhere: Counter[Atom], address: Address, status: ir.Value
) -> None:
    """Emits the entries of a nest of shape () as a function, and the call of it.

    **Arguments:** `registers`, those of the kernel's body; `everywhere`, the uses in the whole program;
    `address`, which gives that of a view; `status`, where an index out of range is noted.
    """
    builder = registers.builder
    here = Counter(atoms_by_value(nest))
    made = {x.equation.out for x in nest.entries if isinstance(x, Compute | Gather | Reduce)}
    for atom in here:
        if atom not in made and atom not in registers.slots:
            registers.spill(atom)
    views = {origin(view): view for entry in nest.entries for view in touched(entry)}
    types = [POINTER] * (2 + len(views))
    function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), types), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.args[0].add_attribute("noalias")
    inner = ir.IRBuilder(function.append_basic_block("entry"))
    addresses = dict(zip(views, function.args[2:], strict=True))
    values = Registers(inner, function.args[0], registers.slots)
    kept = {atom for atom in made if everywhere[atom] > here[atom]}
    scalars(inner, nest, values, lambda view: addresses[origin(view)], function.args[1], _keeper(values, kept))
    inner.ret_void()
    builder.call(function, [registers.state, status, *[address(view) for view in views.values()]])


def _keeper(values: Registers, kept: set[Any]) -> Callable[[Any], None]:
    def keep(out: Any) -> None:
        if out in kept:
            values.spill(out)

    return keep
