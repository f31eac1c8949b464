"""Arrays that lie between margins of one number, as `pad` makes them, in memory that others of their kind had before.

The margin is written once for all of them: each writes its inside alone. A loop of padded steps then stays in a few
arrays, where otherwise each step has one of its own.

    margin(a); margin(b);  inside(a); inside(b) = f(a); inside(a) = f(b); ...
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import prod
from typing import Any

from autograd.primitive import Shape

from ..graph import Literal
from .program import Buffer, Call, Compute, Gather, Nest, Operand, Program, Step, Store, View, views
from .renamed import Places, in_places, stored


class _Use:
    """How a program uses an array: its margin, and the steps that write the margin, and that write or read the rest."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.margin: set[Any] = set()
        self.covered = 0
        self.margins: list[int] = []
        self.steps: list[int] = []
        self.plain = buffer.kind == "work"

    def store(self, store: Store, shape: Shape, step: int) -> None:
        """Notes that a step stores elements: a nest of that shape one for each of its own."""
        (operand,), target = store
        self.covered += prod(shape)
        if isinstance(operand.atom, Literal):
            number = operand.atom.value.tobytes(), operand.atom.aval.dtype
            self.margin.add((shape, target.offset, target.strides, number))
            self.margins.append(step)
        else:
            self.steps.append(step)

    @property
    def kind(self) -> Any:
        """What arrays with the same margin have in common; `None` for an array without one.

        Where as many elements are stored as there are, none is stored twice: the margin stays as it is.
        """
        if not self.plain or not self.margin or not self.steps or self.covered != self.buffer.size:
            return None
        return self.buffer.dtype, self.buffer.size, frozenset(self.margin)


def with_shared_margins(program: Program) -> Program:
    """The program with arrays that have the same margin in the same memory, if they are not needed at the same time."""
    if len(stored(program, 2)) < 2:
        return program
    kinds: defaultdict[Any, list[_Use]] = defaultdict(list)
    for use in _uses(program):
        kinds[use.kind].append(use)
    kinds.pop(None, None)
    places = {number: buffer for uses in kinds.values() for number, buffer in _places(uses).items()}
    if not places:
        return program
    steps = [_without_margins(step, places) for step in program.steps]
    kept = [step for step in steps if not isinstance(step, Nest) or step.entries]
    return in_places(program._replace(steps=tuple(kept)), places)


def _uses(program: Program) -> Iterable[_Use]:
    found: dict[int, _Use] = {}

    def use(view: View) -> _Use:
        return found.setdefault(view.buffer.number, _Use(view.buffer))

    def note(operands: Iterable[Operand], step: int) -> None:
        for x in operands:
            if isinstance(x.place, View):
                use(x.place).steps.append(step)

    for i, step in enumerate(program.steps):
        if isinstance(step, Nest):
            for entry in step.entries:
                note(entry.operands, i)
                if isinstance(entry, Store):
                    use(entry.target).store(entry, step.shape, i)
                elif isinstance(entry, Gather):
                    use(entry.source).steps.append(i)
                elif not isinstance(entry, Compute) and entry.target is not None:
                    use(entry.target).plain = False
        elif isinstance(step, Call):
            use(step.target).plain = False
            for view in step.operands:
                use(view).steps.append(i)
        else:
            for view in views(step):
                use(view).plain = False
    for x in (*program.guards, *program.outputs):
        if isinstance(x.place, View):
            use(x.place).plain = False
    return found.values()


def _places(uses: list[_Use]) -> Places:
    """For each array that can have it the memory of an earlier one, which is needed no more."""
    found: Places = {}
    free: list[tuple[int, Buffer]] = []
    for use in sorted(uses, key=lambda use: min(use.steps)):
        ended = next((i for i, (last, _) in enumerate(free) if last < min(use.steps)), None)
        if ended is not None:
            found[use.buffer.number] = free.pop(ended)[1]
        free.append((max(*use.steps, *use.margins), found.get(use.buffer.number, use.buffer)))
    return found


def _without_margins(step: Step, places: Places) -> Step:
    """The step without stores to margins that are there already."""
    if not isinstance(step, Nest):
        return step
    entries = [entry for entry in step.entries if not (isinstance(entry, Store) and _is_given(entry, places))]
    return Nest(step.shape, tuple(entries))


def _is_given(store: Store, places: Places) -> bool:
    return store.target.buffer.number in places and isinstance(store.operands[0].atom, Literal)
