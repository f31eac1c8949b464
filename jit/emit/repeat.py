"""Loops of whole programs: what is carried lies in two buffers in turn, numbers in registers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from llvmlite import ir

from autograd.primitive import Aval

from ..program import Repeat, View
from .blas import alloca
from .loops import loop
from .types import INDEX, index, load, memory_type, opaque, store

Address = Callable[[View], ir.Value]
#: From the addresses of inputs, outputs and the workspace by kind and position to the outputs of shape ().
Run = Callable[[dict[tuple[str, int], ir.Value]], dict[int, ir.Value]]


def repeat(builder: ir.IRBuilder, step: Repeat, address: Address, run: Run) -> None:
    """Emits a loop.

    **Arguments:** `address`, which gives that of a view; `run`, which emits the program of a step.
    """
    _Emitter(builder, step, address, run).emit()


class _Emitter:
    def __init__(self, builder: ir.IRBuilder, step: Repeat, address: Address, run: Run) -> None:
        self.builder, self.step, self.run = builder, step, run
        body, n = step.program.graph, step.loop.constants
        self.carried = [x.aval for x in body.inputs[n : n + step.loop.carried]]
        self.elements = [x.aval for x in body.inputs[n + step.loop.carried :]]
        self.made = [x.aval for x in body.outputs[step.loop.carried :]]
        self.constants = [address(view) for view in step.constants]
        self.first = [address(view) for view in step.first]
        self.arrays = [address(view) for view in step.arrays]
        self.stacks = [None if view is None else address(view) for view in step.stacks]
        self.buffers = [None if pair is None else [address(view) for view in pair] for pair in step.buffers]
        self.last = [None if view is None else address(view) for view in step.last]
        self.work = None if step.work is None else address(step.work)
        # Where a number that is carried can be read by its address, from which LLVM takes it back.
        self.slots = [
            opaque(builder, alloca(builder, memory_type(x.dtype))) if x.shape == () else None for x in self.carried
        ]

    def emit(self) -> None:
        b = self.builder
        begin: list[ir.Value] = []
        for aval, first, pair in zip(self.carried, self.first, self.buffers, strict=True):
            # An array is read at the first address, written at the second, and at the third in the next step.
            begin += [load(b, first, aval.dtype)] if pair is None else [first, *pair]
        end = iter(loop(b, self.step.loop.length, begin, self.body))
        for aval, target, pair in zip(self.carried, self.last, self.buffers, strict=True):
            value = next(end)
            if pair is not None:
                next(end), next(end)
            if target is not None and pair is None:
                store(b, value, target, aval.dtype)
            elif target is not None:
                self.copy(target, value, aval)

    def body(self, i: ir.Value, state: list[ir.Value]) -> list[ir.Value]:
        b, loop_ = self.builder, self.step.loop
        i = b.sub(index(loop_.length - 1), i) if loop_.reverse else i
        rest = iter(state)
        memory: dict[tuple[str, int], ir.Value] = {("work", 0): self.work}
        inputs, turns = list(self.constants), []
        for position, (aval, slot) in enumerate(zip(self.carried, self.slots, strict=True)):
            value = next(rest)
            if slot is not None:
                store(b, value, slot, aval.dtype)
                inputs.append(slot)
                turns.append(None)
                continue
            write, other = next(rest), next(rest)
            inputs.append(value)
            memory["output", position] = write
            turns.append([write, other, write])
        inputs += [self.element(base, aval, i) for base, aval in zip(self.arrays, self.elements, strict=True)]
        memory.update({("input", position): x for position, x in enumerate(inputs)})
        stacks = []
        for base, aval in zip(self.stacks, self.made, strict=True):
            stacks.append(None if base is None else self.element(base, aval, i))
            memory["output", loop_.carried + len(stacks) - 1] = stacks[-1]
        numbers = self.run(memory)
        for position, (target, aval) in enumerate(zip(stacks, self.made, strict=True), loop_.carried):
            if position in numbers and target is not None:
                store(b, numbers[position], target, aval.dtype)
        return [x for position, turn in enumerate(turns) for x in (turn or [numbers[position]])]

    def element(self, base: ir.Value, aval: Aval, i: ir.Value) -> ir.Value:
        """The address of a step's element in an array with an axis for the steps."""
        distance = self.builder.mul(i, index(self.bytes(aval)), flags=("nsw",))
        return self.builder.gep(base, [distance], inbounds=True, source_etype=ir.IntType(8))

    def copy(self, target: ir.Value, source: ir.Value, aval: Aval) -> None:
        b = self.builder
        memcpy = b.module.declare_intrinsic("llvm.memcpy", [target.type, source.type, INDEX])
        b.call(memcpy, [target, source, index(self.bytes(aval)), ir.Constant(ir.IntType(1), 0)])

    @staticmethod
    def bytes(aval: Aval) -> int:
        return prod(aval.shape) * aval.dtype.itemsize
