"""Long programs in pieces: each piece a function of its own, scalars between them in memory.

LLVM takes more than linear time for one huge function, so that the body of a long program is cut. What one piece
computes and another needs lies in a slot of the state, eight bytes each, at the end of the workspace.

    define internal void @piece(ptr noalias %work, ptr noalias %status, ptr noalias %input) { ... }
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from llvmlite import ir

from ..graph import Atom
from ..plan import weight
from ..program import Nest, Program, Step
from .interface import atoms_by_value
from .types import index, load, store

# A piece ends with the step that reaches this weight.
PIECE = 300


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


def pieces(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in stretches that are functions of a good size."""
    stretch: list[Step] = []
    total = 0
    for step in steps:
        stretch.append(step)
        total += weight(step)
        if total >= PIECE:
            yield stretch
            stretch, total = [], 0
    if stretch:
        yield stretch


def reads(steps: Sequence[Step]) -> Counter[Atom]:
    """How often each scalar is read in these steps."""
    found: Counter[Atom] = Counter()
    for step in steps:
        if isinstance(step, Nest):
            found.update(atoms_by_value(step))
    return found


def uses(program: Program) -> Counter[Atom]:
    """How often each scalar is read, anywhere in the program."""
    found = reads(program.steps)
    found.update([x.atom for x in (*program.guards, *program.outputs)])
    return found
