"""Memory: where in one workspace each intermediate array lies, so that those never alive together share room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .program import Buffer, Call, Compute, Fill, Gather, Nest, Program, Reduce, Scatter, Step, Store, View

ALIGNMENT = 64
# A scalar program longer than this is compiled in pieces; a piece shorter than that is not worth a call.
LONG = 1500
SHORT = 50


class Plan(NamedTuple):
    """The byte offset of each work buffer, by its number, and the size of the workspace in bytes.

    `state` is where the scalars of a long program lie between its pieces, `None` for a short one.
    """

    offsets: dict[int, int]
    size: int
    state: int | None


def plan(program: Program) -> Plan:
    """The workspace of a program: first fit, over the steps between a buffer's first and last use."""
    lives: dict[int, tuple[Buffer, int, int]] = {}
    results = [x.place for x in (*program.guards, *program.outputs) if isinstance(x.place, View)]
    uses = [(i, view) for i, step in enumerate(program.steps) for view in views(step)]
    uses += [(len(program.steps), view) for view in results]
    for i, view in uses:
        buffer = view.buffer
        if buffer.kind == "work":
            first = lives.get(buffer.number, (buffer, i, i))[1]
            lives[buffer.number] = (buffer, first, i)
    offsets, total = _first_fit(sorted(lives.values(), key=lambda life: life[1]))
    scalars = [step.entries for step in program.steps if isinstance(step, Nest) and step.shape == ()]
    if sum(map(len, scalars)) <= LONG:
        return Plan(offsets, total, None)
    entries = [entry for nest in scalars for entry in nest]
    slots = {operand.atom for entry in entries for operand in entry.operands}
    slots |= {entry.equation.out for entry in entries if isinstance(entry, Compute | Gather | Reduce)}
    return Plan(offsets, total + 8 * len(slots), total)


def _first_fit(lives: list[tuple[Buffer, int, int]]) -> tuple[dict[int, int], int]:
    offsets: dict[int, int] = {}
    taken: list[tuple[int, int, int]] = []
    total = 0
    for buffer, first, last in lives:
        taken = [place for place in taken if place[2] >= first]
        size = -(-max(buffer.size * buffer.dtype.itemsize, 1) // ALIGNMENT) * ALIGNMENT
        offset = 0
        for start, end, _ in sorted(taken):
            if start - offset >= size:
                break
            offset = max(offset, end)
        offsets[buffer.number] = offset
        taken.append((offset, offset + size, last))
        total = max(total, offset + size)
    return offsets, total


def views(step: Step) -> Iterator[View]:
    """Every view that a step reads or writes."""
    if isinstance(step, Fill):
        yield step.target
    elif isinstance(step, Call):
        yield from step.operands
        yield step.target
    else:
        yield from _nest_views(step)


def _nest_views(nest: Nest) -> Iterator[View]:
    for entry in nest.entries:
        for operand in entry.operands:
            if isinstance(operand.place, View):
                yield operand.place
        if isinstance(entry, Gather):
            yield entry.source
        if isinstance(entry, Store | Scatter):
            yield entry.target
        if isinstance(entry, Reduce) and entry.target is not None:
            yield entry.target
