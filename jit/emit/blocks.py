"""Steps over the rows of arrays as tasks, which the threads of the pool share.

define internal void @task(ptr %context, i64 %i) {
  the sums of the task: set to where they start from
  for each block of its rows: nest(x + rows before, ..., rows), product(...), ...
}
call @jit_parallel_for(@task, context, tasks)
for each sum: the sums of all tasks, in their order
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llvmlite import ir

from autograd.lengths import is_length

from ..graph import Atom
from ..lowering.blocks import product
from ..lowering.program import Blocks, Buffer, Call, Nest, Partial, View
from ..runtime.pool import SYMBOL, link
from .blas import alloca
from .interface import interface
from .loops import loop
from .nest import combined, prefill
from .product import tiles
from .types import INDEX, POINTER, Symbol, element, index, load, memory_type, opaque, store


class Rows(NamedTuple):
    """The rows that a step is done for: the first one, and how many."""

    first: ir.Value
    count: ir.Value


def share(
    builder: ir.IRBuilder,
    functions: Any,
    blocks: Blocks,
    scalars: Mapping[Atom, ir.Value],
    memory: Mapping[int, ir.Value],
) -> None:
    """Emits the tasks and the call that runs them.

    **Arguments:** `functions`, which has those of nests and makes those of tasks; `scalars` and `memory`, the values
    and the addresses of buffers that the steps need.
    """

    def body(b: ir.IRBuilder, number: ir.Value, given: list[ir.Value]) -> None:
        own = dict(zip(scalars, given, strict=False))
        addresses = dict(zip(memory, given[len(scalars) :], strict=True))
        _Task(b, number, functions, blocks, own, addresses).emit()

    run_tasks(builder, functions, [*scalars.values(), *memory.values()], _tasks(blocks), blocks.threads, body)


def run_tasks(
    builder: ir.IRBuilder,
    functions: Any,
    given: Sequence[ir.Value],
    count: int,
    threads: int,
    body: Callable[[ir.IRBuilder, ir.Value, list[ir.Value]], None],
) -> None:
    """Emits a function for tasks and the call that runs `count` of them on so many threads.

    **Arguments:** `functions`, which makes it; `given`, values that a task needs; `body(builder, number, given)`, which
    emits the task of that number.
    """
    sizes = functions.sizes
    kept = [*given, *[Symbol(x) for x in sizes]]
    context = opaque(builder, alloca(builder, INDEX, len(kept)))
    for i, x in enumerate(kept):
        builder.store(x, builder.gep(context, [index(i)], source_etype=INDEX))
    task = functions.task()
    b = ir.IRBuilder(task.append_basic_block("entry"))
    own, number = task.args
    found = [b.load(b.gep(own, [index(i)], source_etype=INDEX), typ=x.type) for i, x in enumerate(kept)]
    functions.tasks[task] = {str(size): value for size, value in zip(sizes, found[len(given) :], strict=True)}
    body(b, number, found[: len(given)])
    b.ret_void()
    link()
    types = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, INDEX, INDEX])
    run = builder.module.globals.get(SYMBOL) or ir.Function(builder.module, types, SYMBOL)
    builder.call(run, [task, context, index(count), index(threads)])


def add_up(
    builder: ir.IRBuilder, blocks: Blocks, partial: Partial, base: ir.Value, address_of: Callable[[Buffer], ir.Value]
) -> ir.Value | None:
    """Emits the sum of what the tasks give, in their order; returns it where it is a scalar."""
    dtype, tasks = partial.buffer.dtype, _tasks(blocks)
    size = partial.buffer.size // tasks

    def total(j: ir.Value) -> ir.Value:
        found = load(builder, element(builder, base, j, dtype), dtype)
        if is_length(tasks):

            def add(i: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
                where = builder.add(j, builder.mul(builder.add(i, index(1)), index(size)))
                other = load(builder, element(builder, base, where, dtype), dtype)
                return [combined(builder, partial.equation, totals[0], other, dtype)]

            return loop(builder, index(tasks - 1), [found], add)[0]
        for i in range(1, tasks):
            where = builder.add(j, index(i * size))
            found = combined(
                builder, partial.equation, found, load(builder, element(builder, base, where, dtype), dtype), dtype
            )
        return found

    if partial.target is None:
        return total(index(0))
    target = address_of(partial.target)

    def body(j: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        store(builder, total(j), element(builder, target, j, dtype), dtype)
        return []

    loop(builder, size, [], body)
    return None


def _tasks(blocks: Blocks) -> int:
    return (blocks.rows + blocks.task - 1) // blocks.task


class _Task:
    def __init__(
        self, builder: ir.IRBuilder, number: ir.Value, functions: Any, blocks: Blocks,
        scalars: dict[Atom, ir.Value], memory: dict[int, ir.Value],
    ) -> None:  # fmt: skip
        self.builder, self.number, self.functions, self.blocks = builder, number, functions, blocks
        self.scalars, self.memory = scalars, memory
        self.partials = {partial.buffer.number: partial for partial in blocks.partials}
        self.sums = {partial.equation.out: partial for partial in blocks.partials}

    def emit(self) -> None:
        b, blocks = self.builder, self.blocks
        for partial in blocks.partials:
            size = partial.buffer.size // _tasks(blocks)
            start = b.mul(self.number, index(size))
            self.memory[partial.buffer.number] = element(
                b, self.memory[partial.buffer.number], start, partial.buffer.dtype
            )
            prefill(b, partial.equation, self.memory[partial.buffer.number], size)
        first = b.mul(self.number, index(blocks.task))
        rows = self.smaller(index(blocks.task), b.sub(index(blocks.rows), first))
        count = b.udiv(b.add(rows, index(blocks.block - 1)), index(blocks.block))

        def body(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            done = b.mul(i, index(blocks.block))
            block = Rows(b.add(first, done), self.smaller(index(blocks.block), b.sub(rows, done)))
            for step in blocks.steps:
                self.product(step, block) if isinstance(step, Call) else self.nest(step, block)
            return []

        loop(b, count, [], body)

    def smaller(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.icmp_signed("<", x, y), x, y)

    def address(self, view: View, stride: int, rows: Rows) -> ir.Value:
        """Where a view starts for the rows of a block."""
        b = self.builder
        where = b.add(index(view.offset), b.mul(rows.first, index(stride)))
        return element(b, self.memory[view.buffer.number], where, view.buffer.dtype)

    def nest(self, nest: Nest, rows: Rows) -> None:
        b = self.builder
        needed = interface(nest)
        arguments = [self.address(view, view.strides[0], rows) for view in needed.views]
        arguments += [self.scalars[x] for x in needed.scalars]
        slots = [alloca(b, memory_type(x.aval.dtype)) for x in needed.results]
        b.call(self.functions.of(nest, False, rows=True), [*arguments, *slots, rows.count])
        for x, slot in zip(needed.results, slots, strict=True):
            partial = self.sums[x]
            base, dtype = self.memory[partial.buffer.number], x.aval.dtype
            total = combined(b, partial.equation, load(b, base, dtype), load(b, slot, dtype), dtype)
            store(b, total, base, dtype)

    def product(self, call: Call, rows: Rows) -> None:
        it = product(call)
        x, y = call.operands
        axis = "m" if it.m == self.blocks.rows else "k"
        steps = (it.x[0], 0, it.out[0]) if axis == "m" else (it.x[1], it.y[0], 0)
        pointers = [self.address(view, s, rows) for view, s in zip((x, y, call.target), steps, strict=True)]
        tiles(self.builder, it, pointers[0], pointers[1], pointers[2], (axis, rows.count))
