"""Loops whose steps are independent of each other, as tasks that the threads share."""

from __future__ import annotations

from math import prod

from autograd.custom import custom_call
from autograd.lengths import closed, is_length, is_long

from ..graph import Loop
from .blocks import TASKS, WORTH, cost
from .plan import ALIGNMENT
from .program import Call, Choose, Program, Repeat, Step, Tasks

# The bytes that the workspaces of all tasks may have together.
ROOM = 64 * 1024 * 1024
# Picoseconds that a step takes of which nothing is known, for each element that it reads or writes.
_UNKNOWN = 1000


def tasks_of(loop: Loop, program: Program, room: int) -> Tasks | None:
    """How the threads share the steps of a loop, `None` if they do not, or if there is not enough to do.

    **Arguments:** `program`, that of a step; `room`, the bytes of its workspace.
    """
    if loop.carried or loop.dynamic or not is_long(loop.length, 2) or _is_alone(program):
        return None
    if closed(loop.length) * _work(program) < WORTH:
        return None
    tasks = min(TASKS, ROOM // max(closed(room), 1))
    if tasks < 2:
        return None
    # Of an open length nobody knows that it is not zero.
    steps = loop.length // tasks + 1 if is_length(loop.length) else (loop.length + tasks - 1) // tasks
    return Tasks(steps, (room + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT, program.graph.threads)


def _is_alone(program: Program) -> bool:
    """Whether a program calls functions of the user's own, which know nothing of threads."""
    calls = [step for step in program.steps if isinstance(step, Call)]
    return any(step.equation.primitive is custom_call for step in calls) or any(
        _is_alone(inner) for step in program.steps for inner in _programs(step)
    )


def _programs(step: Step) -> tuple[Program, ...]:
    if isinstance(step, Repeat):
        return (step.program,)
    return step.programs if isinstance(step, Choose) else ()


def _work(program: Program) -> int:
    """About how many picoseconds a program takes."""
    return sum(map(_of, program.steps))


def _of(step: Step) -> int:
    if isinstance(step, Repeat):
        return closed(step.length) * _work(step.program)
    if isinstance(step, Choose):
        return max(map(_work, step.programs))
    known = closed(cost(step))
    if known or not isinstance(step, Call):
        return known
    return _UNKNOWN * sum([prod(closed(x.aval.shape)) for x in (*step.equation.inputs, step.equation.out)])
