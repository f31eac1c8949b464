"""States of an earlier loop, made again by its steps: the schedule of `autograd.schedules`, followed as it runs."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from llvmlite import ir

from autograd.primitive import Aval

from ..lowering.program import Again, View
from .blas import alloca
from .loops import while_loop
from .types import INDEX, POINTER, index, opaque, store

Address = Callable[[View], ir.Value]
#: From the addresses of inputs, outputs and the workspace by kind and position to the outputs of shape ().
Run = Callable[[dict[tuple[str, int], ir.Value]], dict[int, ir.Value]]


class States:
    """What the steps of a loop began with, one state at a time; `run` emits the program of a step.

    Of each carried value `here` holds the address of the state, `there` that of the buffer which the next one is made
    in; `count` holds how many states are kept.
    """

    def __init__(self, builder: ir.IRBuilder, it: Again, address: Address, run: Run) -> None:
        self.builder, self.it, self.run = builder, it, run
        body, m, k = it.program.graph, len(it.constants), len(it.firsts)
        self.avals = [x.aval for x in body.inputs[m : m + k]]
        self.elements = [x.aval for x in body.inputs[m + k :]]
        self.constants, self.firsts, self.arrays, self.kept = (
            [address(view) for view in views] for views in (it.constants, it.firsts, it.arrays, it.kept)
        )
        self.buffers = [(address(one), address(other)) for one, other in it.buffers]
        self.numbers = address(it.numbers)
        self.work = None if it.work is None else address(it.work)
        self.here, self.there = ([opaque(builder, alloca(builder, POINTER)) for _ in self.avals] for _ in range(2))
        self.count = opaque(builder, alloca(builder, INDEX))

    def begin(self) -> None:
        """Keeps the first state."""
        b = self.builder
        self.copy([element(b, x, aval, index(0)) for x, aval in self.places()], self.firsts)
        b.store(index(0), self.numbers)
        b.store(index(1), self.count)
        if self.it.forward:
            self.restore(index(0))

    def at(self, i: ir.Value) -> dict[int, ir.Value]:
        """Makes the state that the step with the elements at `i` began with.

        **Returns:** the addresses of what the later loop reads, by the position of the array.
        """
        b = self.builder
        step = b.sub(index(self.it.length - 1), i) if self.it.reverse else i
        if self.it.forward:
            with b.if_then(b.icmp_unsigned(">", step, index(0))):
                self.advance(b.sub(step, index(1)), step)
        else:
            self.reach(step)
        return {place: b.load(self.here[k], typ=POINTER) for place, k in self.it.reads}

    def reach(self, step: ir.Value) -> None:
        """Makes a state from the last one that is kept, and keeps some on the way."""
        b = self.builder
        count = b.load(self.count, typ=INDEX)
        last = b.sub(count, index(1))
        self.restore(last)

        def goes_on(_: ir.Value, state: list[ir.Value]) -> ir.Value:
            return b.icmp_unsigned("<", state[0], step)

        def further(_: ir.Value, state: list[ir.Value]) -> list[ir.Value]:
            here, count = state
            left = b.add(b.sub(index(self.it.room), count), index(1))
            steps = b.add(b.sub(step, here), index(1))
            some = b.icmp_unsigned(">", left, index(1))
            there = b.add(here, b.select(some, self.split(steps, b.select(some, left, index(2))), b.sub(step, here)))
            self.advance(here, there)
            with b.if_then(b.icmp_unsigned("<", there, step)):
                sources = [b.load(x, typ=POINTER) for x in self.here]
                self.copy([element(b, x, aval, count) for x, aval in self.places()], sources)
                b.store(there, b.gep(self.numbers, [count], inbounds=True, source_etype=INDEX))
            return [there, b.select(b.icmp_unsigned("<", there, step), b.add(count, index(1)), count)]

        _, (_, count) = while_loop(b, [self.number(last), count], goes_on, further)
        # A state that a step has begun with is not needed by earlier ones.
        last = b.sub(count, index(1))
        b.store(b.select(b.icmp_unsigned("==", self.number(last), step), last, count), self.count)

    def number(self, place: ir.Value) -> ir.Value:
        """The number of a state that is kept."""
        return self.builder.load(self.builder.gep(self.numbers, [place], inbounds=True, source_etype=INDEX), typ=INDEX)

    def places(self) -> list[tuple[ir.Value, Aval]]:
        return list(zip(self.kept, self.avals, strict=True))

    def split(self, n: ir.Value, room: ir.Value) -> ir.Value:
        """As `autograd.schedules.split`."""
        b = self.builder

        def goes_on(_: ir.Value, state: list[ir.Value]) -> ir.Value:
            return b.icmp_unsigned("<", state[1], n)

        def further(repeats: ir.Value, state: list[ir.Value]) -> list[ir.Value]:
            more = b.add(repeats, index(1))
            return [state[1], b.udiv(b.mul(state[1], b.add(room, more)), more)]

        repeats, (before, _) = while_loop(b, [index(0), index(1)], goes_on, further)
        rest = b.sub(n, b.udiv(b.mul(before, room), b.sub(b.add(room, repeats), index(1))))
        least = b.select(b.icmp_unsigned("<", before, rest), before, rest)
        return b.select(b.icmp_signed("<", least, index(1)), index(1), least)

    def restore(self, place: ir.Value) -> None:
        """Takes a state that is kept for the current one."""
        b = self.builder
        for (one, other), here, there in zip(self.buffers, self.here, self.there, strict=True):
            b.store(one, here)
            b.store(other, there)
        self.copy([one for one, _ in self.buffers], [element(b, x, aval, place) for x, aval in self.places()])

    def copy(self, targets: list[ir.Value], sources: list[ir.Value]) -> None:
        for target, source, aval in zip(targets, sources, self.avals, strict=True):
            copied(self.builder, target, source, aval)

    def advance(self, start: ir.Value, stop: ir.Value) -> None:
        """Does the steps from one state to another."""
        b = self.builder

        def goes_on(i: ir.Value, _: list[ir.Value]) -> ir.Value:
            return b.icmp_unsigned("<", b.add(start, i), stop)

        def step(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            self.step(b.add(start, i))
            return []

        while_loop(b, [], goes_on, step)

    def step(self, number: ir.Value) -> None:
        b = self.builder
        i = b.sub(index(self.it.length - 1), number) if self.it.reverse else number
        before, after = ([b.load(x, typ=POINTER) for x in slots] for slots in (self.here, self.there))
        inputs = [*self.constants, *before]
        inputs += [element(b, base, aval, i) for base, aval in zip(self.arrays, self.elements, strict=True)]
        memory = {("input", position): x for position, x in enumerate(inputs)}
        memory.update({("output", position): x for position, x in enumerate(after) if self.avals[position].shape})
        if self.work is not None:
            memory["work", 0] = self.work
        for position, x in self.run(memory).items():
            store(b, x, after[position], self.avals[position].dtype)
        for here, there, x, y in zip(self.here, self.there, before, after, strict=True):
            b.store(y, here)
            b.store(x, there)


def element(builder: ir.IRBuilder, base: ir.Value, aval: Aval, i: ir.Value) -> ir.Value:
    """The address of an element of an array with an axis for the steps."""
    distance = builder.mul(i, index(_bytes(aval)), flags=("nsw",))
    return builder.gep(base, [distance], inbounds=True, source_etype=ir.IntType(8))


def copied(builder: ir.IRBuilder, target: ir.Value, source: ir.Value, aval: Aval) -> None:
    """Copies a whole value."""
    memcpy = builder.module.declare_intrinsic("llvm.memcpy", [target.type, source.type, INDEX])
    builder.call(memcpy, [target, source, index(_bytes(aval)), ir.Constant(ir.IntType(1), 0)])


def _bytes(aval: Aval) -> int:
    return prod(aval.shape) * aval.dtype.itemsize
