"""Choices between whole programs: a jump to the one that an index says, which leaves its results where all do."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from ..lowering.program import Choose
from .again import Address, Run
from .nest import OUT_OF_RANGE
from .types import INDEX, index, store


def choose(builder: ir.IRBuilder, step: Choose, address: Address, runs: Sequence[Run], status: ir.Value) -> None:
    """Emits a choice.

    **Arguments:** `address`, which gives that of a view; `runs`, which emit the programs; `status`, where an index of
    which there is no program is noted.
    """
    memory = {("input", i): address(view) for i, view in enumerate(step.inputs)}
    memory.update({("output", i): address(view) for i, view in enumerate(step.results) if view is not None})
    if step.work is not None:
        memory["work", 0] = address(step.work)
    chosen = builder.load(address(step.number), typ=INDEX)
    wrong, end = builder.append_basic_block("none"), builder.append_basic_block("chosen")
    jump = builder.switch(chosen, wrong)
    for i, (program, run) in enumerate(zip(step.programs, runs, strict=True)):
        block = builder.append_basic_block(f"case{i}")
        jump.add_case(index(i), block)
        builder.position_at_end(block)
        numbers = run(memory)
        for position, x in numbers.items():
            if ("output", position) in memory:
                store(builder, x, memory["output", position], program.graph.outputs[position].aval.dtype)
        builder.branch(end)
    builder.position_at_end(wrong)
    builder.store(index(OUT_OF_RANGE), status)
    builder.branch(end)
    builder.position_at_end(end)
