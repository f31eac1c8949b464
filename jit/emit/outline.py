"""Where a long program is cut into pieces, each a function of its own.

LLVM takes more than linear time for one huge function. The cuts follow what the steps are, not how many came before,
so that the iterations of an unrolled loop are cut alike, and their pieces can share one function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeGuard

from ..graph import Atom, Var
from ..lowering.plan import weight
from ..lowering.program import (
    Blocks,
    Choose,
    Compute,
    Entry,
    Fill,
    Gather,
    Nest,
    Program,
    Reduce,
    Repeat,
    Scatter,
    Step,
    Store,
    View,
    atoms_by_value,
    nests,
    written,
)

# A piece ends between these weights.
SMALLEST, LARGEST = 75, 225
_WORD = 2**64 - 1
_ENTRIES = frozenset({Compute, Gather, Reduce, Store, Scatter})
#: What stands between two places where a program can be cut: a step, or an entry of a nest of shape ().
Part = Step | Entry


def pieces(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in stretches that are functions of a good size; a nest of shape () can be cut between its entries."""
    parts = [part for step in steps for part in _parts(step)]
    begin = 0
    weights = [1 if _is_entry(part) else weight(part) for part in parts]  # type: ignore[arg-type]
    for end in _cuts(weights, _marks(parts)):
        yield list(_joined(parts[begin:end]))
        begin = end


def variety(cut: Iterable[Sequence[Step]]) -> int:
    """The weight of the pieces that differ in what they do; those that do not may share their functions."""
    found = {tuple([_kind(part) for step in steps for part in _parts(step)]): steps for steps in cut}
    return sum([weight(step) for steps in found.values() for step in steps])


def _parts(step: Step) -> Sequence[Part]:
    return step.entries if _is_scalar(step) else (step,)


def _is_scalar(step: Step) -> TypeGuard[Nest]:
    return type(step) is Nest and step.shape == ()


def _is_entry(part: Part) -> TypeGuard[Entry]:
    return type(part) in _ENTRIES


def _joined(parts: list[Part]) -> Iterator[Step]:
    for is_entry, stretch in groupby(parts, _is_entry):
        if is_entry:
            yield Nest((), tuple(stretch))  # type: ignore[arg-type]
        else:
            yield from stretch  # type: ignore[misc]


def _cuts(weights: list[int], marks: list[int]) -> Iterator[int]:
    """Where the pieces end: of the places at a good distance the one with the lowest mark."""
    begin, count = 0, len(weights)
    while begin < count:
        total, lowest, end = 0, _WORD, begin
        while end < count and total < LARGEST:
            total += weights[end]
            end += 1
            if total >= SMALLEST and marks[end - 1] < lowest:
                lowest, begin = marks[end - 1], end
        begin = begin if total >= LARGEST else count
        yield begin


def _marks(parts: list[Part]) -> list[int]:
    """For each part a number that the sixteen parts up to it give."""
    kinds: dict[Any, int] = {}
    mark, found = 0, []
    for part in parts:
        kind = kinds.setdefault(_kind(part), len(kinds) + 1)
        mark = ((mark << 4) ^ (kind * 0x9E3779B97F4A7C15)) & _WORD
        found.append((mark * 0xD6E8FEB86659FD93) & _WORD)
    return found


def _kind(part: Part) -> Any:
    if isinstance(part, Store | Scatter):
        return "store"
    if _is_entry(part):
        return part.equation.primitive, part.equation.params  # type: ignore[union-attr]
    if isinstance(part, Nest):
        return part.shape, len(part.entries)
    if isinstance(part, Blocks):
        return part.rows, len(part.steps)
    if isinstance(part, Repeat):
        return "loop", part.length
    if isinstance(part, Choose):
        return "choice", len(part.programs)
    return "fill" if isinstance(part, Fill) else (part.equation.primitive, part.equation.out.aval)


def makes(steps: Sequence[Step]) -> Iterator[Var]:
    """The scalars that these steps make, in their order."""
    for step in steps:
        if isinstance(step, Nest):
            for entry in step.entries:
                if isinstance(entry, Reduce):
                    if entry.target is None:
                        yield entry.equation.out
                elif step.shape == () and not isinstance(entry, Store | Scatter):
                    yield entry.equation.out
        elif isinstance(step, Blocks):
            yield from [x.equation.out for x in step.partials if x.target is None]


def last_reads(program: Program, cut: Sequence[Sequence[Step]]) -> dict[Atom, int]:
    """The piece that reads each scalar last; what the program returns is read after all of them."""
    found: dict[Atom, int] = {}
    for i, steps in enumerate(cut):
        for step in steps:
            for nest in nests(step):
                # What the body itself makes and reads can be in different pieces.
                read = (
                    [x.atom for entry in nest.entries for x in entry.operands]
                    if nest.shape == ()
                    else (atoms_by_value(nest))
                )
                found.update([(x, i) for x in read if type(x) is Var])
    found.update([(x.atom, len(cut)) for x in (*program.guards, *program.outputs) if type(x.atom) is Var])
    return found


def decided(program: Program) -> int:
    """After how many steps all guards are known; after all of them where only scalars are left to do then."""
    scalars = {x.atom for x in program.guards if type(x.atom) is Var}
    memory = {x.place.buffer.number for x in program.guards if isinstance(x.place, View)}
    known = 0
    for i, step in enumerate(program.steps, 1):
        if not scalars.isdisjoint(makes([step])) or not memory.isdisjoint([x.buffer.number for x in written(step)]):
            known = i
    rest = program.steps[known:]
    return known if program.guards and not all(map(_is_scalar, rest)) else len(program.steps)
