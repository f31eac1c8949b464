"""What makes two pieces of a program the same function with other addresses.

Whatever a piece reads or writes in memory lies at a fixed distance from one of the addresses that it is given: the
place of its first use of an array, or of one of the slots in which pieces leave scalars for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..graph import Atom, Literal, Var
from ..lowering.plan import Plan
from ..lowering.program import (
    Blocks,
    Choose,
    Compute,
    Entry,
    Fill,
    Nest,
    Operand,
    Repeat,
    Scatter,
    Step,
    Store,
    View,
    by_value,
    nests,
    views,
)
from .interface import interface, structure

# With more addresses than this a piece is given where memory begins, and shares its function with no other.
MOST_ADDRESSES = 64
# A piece that reads what was left at more places than this is no iteration of a loop.
MOST_MARKS = 8
# The region of the slots, and how many bytes around one of them share its address: what the iterations of a loop leave
# for others lies at even distances.
STATE = -1
NEAR = 512
_WORK = ("work", 0)


class Location(NamedTuple):
    """A place in memory: the kind and position of a buffer, the workspace as one; a region of it; and an offset.

    The distances within a region, in bytes, are the same wherever pieces are alike.
    """

    memory: tuple[str, int]
    region: int
    offset: int


class Layout:
    """Where arrays and scalars lie; `slots` has the number of the slot of each scalar that several pieces use."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.slots: dict[Atom, int] = {}
        self.count = 0

    def view(self, view: View) -> Location:
        """Where the first element of a view lies."""
        buffer = view.buffer
        offset = view.offset * buffer.dtype.itemsize
        if buffer.kind == "work":
            return Location(_WORK, buffer.number, self.plan.offsets[buffer.number] + offset)
        return Location((buffer.kind, buffer.position), buffer.number, offset)

    def keep(self, x: Var) -> None:
        """Gives a scalar the next slot."""
        self.slots[x] = self.next()

    def next(self) -> int:
        """The number of the next slot."""
        self.count += 1
        return self.count - 1

    def slot(self, x: Atom) -> Location | None:
        """The slot of a scalar, if it has one."""
        number = self.slots.get(x)
        if number is None:
            return None
        assert self.plan.state is not None
        return Location(_WORK, STATE, self.plan.state + 8 * number)

    def atom(self, operand: Operand) -> Location:
        """Where a scalar that no register holds lies."""
        slot = self.slot(operand.atom)
        if slot is not None:
            return slot
        assert isinstance(operand.place, View)
        return self.view(operand.place)


class Wiring:
    """The addresses that a piece is given, by what they lead to, and the key of all that its code depends on."""

    def __init__(self, layout: Layout, steps: Sequence[Step]) -> None:
        self.layout, self.shared = layout, True
        self.given: dict[Any, Location] = {}
        self.order: dict[Any, int] = {}
        self.marks: list[int] = []
        self.numbers: dict[Atom, int] = {}
        self.key: Any = tuple([part for step in steps for part in self.described(step)])
        if len(self.given) > MOST_ADDRESSES or len(self.marks) > MOST_MARKS:
            self.shared, self.key = False, object()
            memories = dict.fromkeys([location.memory for location in self.given.values()])
            self.given = {memory: Location(memory, 0, 0) for memory in memories}
            self.order = {memory: i for i, memory in enumerate(memories)}

    def relative(self, location: Location) -> tuple[int, int]:
        """Which of the addresses leads to a place, and the distance from there."""
        memory, region, offset = location
        name = memory if not self.shared else self.mark(offset) if region == STATE else region
        known = self.given.get(name)
        if known is None:
            known = self.given[name] = location
            self.order[name] = len(self.order)
        return self.order[name], offset - known.offset

    def mark(self, offset: int) -> Any:
        """What the slots around that one go by: the first of them that was used."""
        near = next((x for x in self.marks if abs(x - offset) <= NEAR), None)
        if near is None:
            self.marks.append(offset)
            near = offset
        return STATE, near

    def described(self, step: Step) -> list[Any]:
        if isinstance(step, Nest):
            return [self.entry(entry) for entry in step.entries] if step.shape == () else [self.nest(step)]
        if isinstance(step, Fill):
            return [("fill", self.placed(step.target), step.target.buffer.size, self.literal(step.value))]
        if isinstance(step, Blocks):
            return [self.blocks(step)]
        if isinstance(step, Repeat | Choose):
            return [self.alone(step)]
        primitive, inputs, params, out = step.equation
        places = tuple([self.placed(view) for view in (*step.operands, *step.scratch, step.target)])
        return [(primitive, tuple([x.aval for x in inputs]), params, out.aval, places)]

    def entry(self, entry: Entry) -> Any:
        """An entry that stands in the body itself."""
        if not isinstance(entry, Compute):
            return self.nest(Nest((), (entry,)))
        primitive, _, params, out = entry.equation
        return primitive, params, tuple([self.read(x) for x in entry.operands]), out.aval.dtype, self.makes(out)

    def nest(self, nest: Nest) -> Any:
        needed = interface(nest)
        views = tuple([self.relative(self.layout.view(view)) for view in needed.views])
        operands = [x for entry in nest.entries for x in entry.operands]
        # In the body itself a value that is made in place is a scalar too.
        scalars = tuple([self.read(x) for x in operands if by_value(x) or (x.place is None and nest.shape == ())])
        if nest.shape == () and not isinstance(nest.entries[0], Store | Scatter):
            return structure(nest), views, scalars, self.makes(nest.entries[0].equation.out)
        return structure(nest), views, scalars, tuple([self.makes(x) for x in needed.results])

    def blocks(self, blocks: Blocks) -> Any:
        key = self.alone(blocks)
        for nest in nests(blocks):
            self.nest(nest)
        for partial in blocks.partials:
            self.makes(partial.equation.out)
        return key

    def alone(self, step: Blocks | Repeat | Choose) -> Any:
        """The key of a step with functions of its own: a piece with it shares its code with no other."""
        for buffer in dict.fromkeys([view.buffer for view in views(step)]):
            self.relative(self.layout.view(View(buffer, 0, ())))
        return id(step)

    def read(self, operand: Operand) -> Any:
        atom = operand.atom
        if type(atom) is Literal:
            return self.literal(atom)
        known = self.numbers.get(atom)
        if known is not None:
            return known
        self.numbers[atom] = len(self.numbers)
        return *self.relative(self.layout.atom(operand)), atom.aval.dtype

    def makes(self, x: Var) -> Any:
        self.numbers[x] = len(self.numbers)
        slot = self.layout.slot(x)
        return None if slot is None else self.relative(slot)

    def placed(self, view: View) -> Any:
        return self.relative(self.layout.view(view)), view.strides, view.buffer.dtype

    @staticmethod
    def literal(x: Literal) -> Any:
        return x.value.tobytes(), x.aval.dtype
