"""A loop whose steps are tasks, which the threads of the pool share.

define internal void @task(ptr %context, i64 %number) {
  for each of the steps of the task: its program, in the part of the workspace that is the task's own
}
call @jit_parallel_for(@task, context, tasks)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ..lowering.program import Program, Repeat, View, views
from .again import Address, Run
from .blocks import run_tasks
from .repeat import steps
from .types import index


def share_steps(
    builder: ir.IRBuilder,
    functions: Any,
    step: Repeat,
    address: Address,
    status: ir.Value,
    within: Callable[[ir.IRBuilder, ir.Value], Callable[[Program], Run]],
) -> None:
    """Emits the tasks and the call that runs them.

    **Arguments:** `functions`, which makes those of tasks; `address`, which gives that of a view; `status`, where a
    step says that it failed; `within(builder, status)`, which gives what emits programs in another function.
    """
    tasks = step.tasks
    assert tasks is not None
    places = dict.fromkeys(views(step))

    def body(b: ir.IRBuilder, number: ir.Value, given: list[ir.Value]) -> None:
        *bases, noted = given
        known: dict[View, ir.Value] = dict(zip(places, bases, strict=True))
        if step.work is not None:
            start = b.mul(number, index(tasks.room))
            known[step.work] = b.gep(known[step.work], [start], inbounds=True, source_etype=ir.IntType(8))
        first = b.mul(number, index(tasks.steps))
        left = b.sub(index(step.length), first)
        most = index(tasks.steps)
        count = b.select(b.icmp_signed("<", left, most), left, most)
        steps(b, step, known.__getitem__, within(b, noted), first, count)

    number = (step.length + tasks.steps - 1) // tasks.steps
    run_tasks(builder, functions, [*map(address, places), status], number, tasks.threads, body)
