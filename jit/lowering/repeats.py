"""Loops and choices in a program: where what they carry and what they make lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from autograd.primitive import Aval

from ..graph import Atom, Choice, Equation, Loop, Var
from ..passes.dce import dce
from .again import ProgramOf, contiguous, made_again
from .inplace import carried_in_place
from .plan import plan
from .program import Carried, Choose, Program, Repeat, View, written
from .steps import Group, Lowering
from .tasks import tasks_of
from .views import row_major


def repeat(low: Lowering, results: Sequence[Equation], program_of: ProgramOf) -> None:
    """Adds the loop of which these are the results, as a step; `program_of` gives the program of its body."""
    loop: Loop = dict(results[0].params)["loop"]
    outs = {dict(x.params)["pick"]: x.out for x in results if x.out.aval.size and x.out not in low.forgotten}
    m, n = loop.constants, loop.constants + loop.carried
    given = [contiguous(low, x) for x in results[0].inputs[:n]]
    arrays = [None if x in low.forgotten else contiguous(low, x) for x in results[0].inputs[n:]]
    again = made_again(low, results[0], program_of)
    begins = _begins(low, loop, outs)
    ends = _ends(low, loop, outs, begins)
    places: dict[int, View] = {}
    carried = [_carried(low, loop, i, begins.get(i), outs.get(i), given[m + i], places) for i in range(loop.carried)]
    for i, pick in ends.items():
        # What a step carries on is what the next one begins with.
        size = loop.body.inputs[m + i].aval.size
        begin = places[begins[i]]
        places[pick] = begin._replace(offset=begin.offset + (-size if loop.reverse else size))
    shared = {*begins.values(), *ends.values()}
    picks = [i for i in range(loop.carried, len(loop.body.outputs)) if i in outs and i not in shared]
    places.update({i: low.new_buffer(outs[i]) for i in picks})
    kept = [*range(loop.carried), *picks]
    owned = {m + i: i for i, x in enumerate(carried) if x.buffers is not None}
    body = dce(loop.body._replace(outputs=tuple([loop.body.outputs[i] for i in kept])))
    program = program_of(body, owned)
    lost = _written(program) - {m + i for i in owned.values() if _ends_at(program, i, m + i)}
    if lost:
        # What is written to has to be what is carried on.
        owned = {position: i for position, i in owned.items() if position not in lost}
        program = program_of(body, owned)
    changes = _written(program)
    for i, x in enumerate(carried):
        if m + i in changes and x.buffers is not None:
            place = x.last or x.buffers[0]
            carried[i] = x._replace(buffers=(place, place), last=None)
        elif x.buffers is not None:
            changed = carried_in_place(program, m + i, i)
            if changed is not None:
                program, place = changed, x.last or x.buffers[0]
                carried[i] = x._replace(buffers=(place, place), last=None)
    size = plan(program).size
    tasks = tasks_of(loop, program, size) if not again else None
    if tasks is not None:
        size = tasks.room * ((loop.length + tasks.steps - 1) // tasks.steps)
    work = low.buffer("work", 0, Aval((size,), np.dtype(np.uint8))) if size else None
    stacks = tuple([places.get(i) for i in picks])
    step = Repeat(
        program, loop.length, loop.reverse, tuple(given[:m]), tuple(carried), tuple(arrays), stacks, work,
        loop.dynamic, again, tasks,
    )  # fmt: skip
    low.groups.append(Group((), step))
    for i, out in outs.items():
        low.places[out], low.ready[out] = places[i], len(low.groups)


def choose(low: Lowering, results: Sequence[Equation], program_of: ProgramOf) -> None:
    """Adds the choice of which these are the results, as a step; `program_of` gives the program of a case."""
    choice: Choice = dict(results[0].params)["loop"]
    outs = {dict(x.params)["pick"]: x.out for x in results if x.out.aval.size}
    index, *given = [contiguous(low, x) for x in results[0].inputs]
    places = {i: low.new_buffer(x) for i, x in outs.items()}
    programs = tuple([program_of(body, {}) for body in choice.bodies])
    size = max([plan(program).size for program in programs])
    work = low.buffer("work", 0, Aval((size,), np.dtype(np.uint8))) if size else None
    ends = tuple([places.get(i) for i in range(len(choice.results))])
    low.groups.append(Group((), Choose(programs, index, tuple(given), ends, work)))
    for i, out in outs.items():
        low.places[out], low.ready[out] = places[i], len(low.groups)


def _written(program: Program) -> set[int]:
    """The positions of the inputs that a program writes to."""
    return {view.buffer.position for step in program.steps for view in written(step) if view.buffer.kind == "input"}


def _ends_at(program: Program, i: int, position: int) -> bool:
    """Whether an output of a program lies where an input was."""
    place = program.outputs[i].place
    return isinstance(place, View) and (place.buffer.kind, place.buffer.position) == ("input", position)


def _begins(low: Lowering, loop: Loop, outs: dict[int, Var]) -> dict[int, int]:
    """For each carried array of which all values are read, the result that has what each step begins with."""
    own = loop.body.inputs[loop.constants :][: loop.carried]
    return _stacks_of(low, loop, outs, {x: i for i, x in enumerate(own) if x.aval.shape})


def _ends(low: Lowering, loop: Loop, outs: dict[int, Var], begins: dict[int, int]) -> dict[int, int]:
    """For each carried array whose values all are kept, the result that has what each step carries on."""
    return _stacks_of(low, loop, outs, {loop.body.outputs[i]: i for i in begins})


def _stacks_of(low: Lowering, loop: Loop, outs: dict[int, Var], own: Mapping[Atom, int]) -> dict[int, int]:
    """By the number that each value has in `own`, the result of the loop that is a stack of it within the kernel."""
    return {
        own[x]: pick
        for pick, x in enumerate(loop.body.outputs)
        if pick >= loop.carried and pick in outs and x in own and outs[pick] not in low.output_of
    }


def _carried(
    low: Lowering, loop: Loop, i: int, stack: int | None, last: Var | None, first: View, places: dict[int, View]
) -> Carried:
    """Where a carried value lies; notes the places of its results, that in which all its values are the `stack`."""
    aval = loop.body.inputs[loop.constants + i].aval
    if stack is not None:
        # One place more than there are steps: a step writes where the next one reads.
        whole = low.buffer("work", 0, Aval((loop.length + 1, *aval.shape), aval.dtype))
        places[stack] = whole._replace(offset=aval.size if loop.reverse else 0)
        if loop.dynamic and not loop.reverse:
            # Nobody knows where the last one will lie.
            if last is not None:
                places[i] = low.new_buffer(last)
            return Carried(first, None, places[stack], places.get(i))
        end = 0 if loop.reverse else loop.length * aval.size
        places[i] = View(whole.buffer, end, row_major(aval.shape))
        return Carried(first, None, places[stack], None)
    if last is not None:
        places[i] = low.new_buffer(last)
    buffers = (low.buffer("work", 0, aval), low.buffer("work", 0, aval)) if aval.shape else None
    return Carried(first, buffers, None, places.get(i))
