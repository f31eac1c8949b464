"""Steps that do the same in other memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.lengths import is_long

from .program import (
    Again,
    Blocks,
    Buffer,
    Call,
    Carried,
    Choose,
    Compute,
    Entry,
    Gather,
    Nest,
    Operand,
    Program,
    Repeat,
    Step,
    Store,
    View,
)

#: For the number of a buffer the one that takes its place.
Places = dict[int, Buffer]


def stored(program: Program, least: int) -> set[int]:
    """The numbers of the buffers of the workspace, of so many elements at least, that loops store to."""
    loops = [step for step in program.steps if isinstance(step, Nest) and step.shape != ()]
    buffers = [entry.target.buffer for nest in loops for entry in nest.entries if isinstance(entry, Store)]
    return {buffer.number for buffer in buffers if buffer.kind == "work" and is_long(buffer.size, least)}


def in_places(program: Program, places: Places) -> Program:
    """The program with other buffers in its steps; those of its results are to stay."""
    return program._replace(steps=tuple([renamed(step, places) for step in program.steps])) if places else program


def renamed(step: Step, places: Places) -> Step:
    """The step with other buffers."""
    if isinstance(step, Nest):
        return Nest(step.shape, tuple([_entry(entry, places) for entry in step.entries]))
    if isinstance(step, Blocks):
        raise TypeError("blocks are made of steps whose memory is settled")
    if isinstance(step, Repeat):
        return _repeat(step, places)
    if isinstance(step, Choose):
        return _choose(step, places)
    if isinstance(step, Call):
        step = step._replace(operands=tuple([_view(view, places) for view in step.operands]))
    return step._replace(target=_view(step.target, places))


def _repeat(step: Repeat, places: Places) -> Repeat:
    def moved(views: Iterable[View | None]) -> tuple[Any, ...]:
        return _moved(views, places)

    carried = [
        Carried(_view(x.first, places), x.buffers and moved(x.buffers), *moved([x.stack, x.last])) for x in step.carried
    ]
    return step._replace(
        constants=moved(step.constants),
        carried=tuple(carried),
        arrays=moved(step.arrays),
        stacks=moved(step.stacks),
        work=moved([step.work])[0],
        again=tuple([_again(x, places) for x in step.again]),
    )


def _again(again: Again, places: Places) -> Again:
    numbers, work = _moved([again.numbers, again.work], places)
    return again._replace(
        constants=_moved(again.constants, places),
        firsts=_moved(again.firsts, places),
        arrays=_moved(again.arrays, places),
        buffers=tuple([_moved(pair, places) for pair in again.buffers]),
        kept=_moved(again.kept, places),
        numbers=numbers,
        work=work,
    )


def _choose(step: Choose, places: Places) -> Choose:
    number, work = _moved([step.number, step.work], places)
    return Choose(step.programs, number, _moved(step.inputs, places), _moved(step.results, places), work)


def _moved(views: Iterable[View | None], places: Places) -> tuple[Any, ...]:
    return tuple([None if view is None else _view(view, places) for view in views])


def _entry(entry: Entry, places: Places) -> Entry:
    operands = tuple([_operand(x, places) for x in entry.operands])
    if isinstance(entry, Gather):
        return entry._replace(source=_view(entry.source, places), operands=operands)
    if isinstance(entry, Compute) or entry.target is None:
        return entry._replace(operands=operands)
    return entry._replace(operands=operands, target=_view(entry.target, places))


def _operand(x: Operand, places: Places) -> Operand:
    return x._replace(place=_view(x.place, places)) if isinstance(x.place, View) else x


def _view(view: View, places: Places) -> View:
    return view._replace(buffer=places.get(view.buffer.number, view.buffer))
