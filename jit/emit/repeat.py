"""Loops of whole programs: what is carried lies in two buffers in turn, numbers in registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from llvmlite import ir

from autograd.primitive import Aval

from ..lowering.program import Carried, Program, Repeat
from .again import Address, Run, States, copied, element
from .blas import alloca
from .loops import loop, while_loop
from .types import index, load, memory_type, opaque, store

#: The status of a kernel in which a loop took more steps than there is memory for.
NO_ROOM = 2**62 + 2


def repeat(
    builder: ir.IRBuilder,
    step: Repeat,
    address: Address,
    runner: Callable[[Program], Run],
    status: Callable[[], ir.Value],
) -> None:
    """Emits a loop.

    **Arguments:** `address`, which gives that of a view; `runner`, which gives what emits the program of a step;
    `status`, which gives where the loop says that there was no room for all its steps.
    """
    if step.dynamic:
        _Dynamic(builder, step, address, runner).emit_while(status)
    else:
        _Emitter(builder, step, address, runner).emit()


def steps(
    builder: ir.IRBuilder,
    step: Repeat,
    address: Address,
    runner: Callable[[Program], Run],
    first: ir.Value,
    count: ir.Value,
) -> None:
    """Emits so many steps, from the `first` on, of a loop that carries nothing; the rest as `repeat` has it."""
    emitter = _Emitter(builder, step, address, runner)
    loop(builder, count, [], lambda i, state: emitter.body(builder.add(first, i), state))


class _Emitter:
    def __init__(self, builder: ir.IRBuilder, step: Repeat, address: Address, runner: Callable[[Program], Run]) -> None:
        self.builder, self.step, self.run = builder, step, runner(step.program)
        body, m, k = step.program.graph, len(step.constants), len(step.carried)
        self.avals = [x.aval for x in body.inputs[m : m + k]]
        self.elements = [x.aval for x in body.inputs[m + k :]]
        self.made = [x.aval for x in body.outputs[k:]]
        self.constants = [address(view) for view in step.constants]
        self.arrays = [None if view is None else address(view) for view in step.arrays]
        self.again = [States(builder, x, address, runner(x.program)) for x in step.again]
        self.stacks = [None if view is None else address(view) for view in step.stacks]
        self.work = None if step.work is None else address(step.work)
        places = zip(step.carried, self.avals, strict=True)
        self.carried = [_kind_of(x)(builder, x, aval, step, address) for x, aval in places]

    def emit(self) -> None:
        begin = [x for place in self.carried for x in place.begin()]
        for states in self.again:
            states.begin()
        rest = iter(loop(self.builder, self.step.length, begin, self.body))
        for place in self.carried:
            place.end([next(rest) for _ in range(place.count)])

    def position(self, i: ir.Value, state: list[ir.Value]) -> ir.Value:
        """Where the elements of step `i` lie in the arrays."""
        return self.builder.sub(index(self.step.length - 1), i) if self.step.reverse else i

    def body(self, i: ir.Value, state: list[ir.Value]) -> list[ir.Value]:
        b = self.builder
        i = self.position(i, state)
        rest = iter(state)
        turns = [place.turn(i, [next(rest) for _ in range(place.count)]) for place in self.carried]
        made = {place: x for states in self.again for place, x in states.at(i).items()}
        inputs = [*self.constants, *[turn.read for turn in turns]]
        inputs += [
            made[place] if base is None else element(b, base, aval, i)
            for place, (base, aval) in enumerate(zip(self.arrays, self.elements, strict=True))
        ]
        stacks = [
            None if base is None else element(b, base, aval, i)
            for base, aval in zip(self.stacks, self.made, strict=True)
        ]
        memory: dict[tuple[str, int], ir.Value] = {("input", position): x for position, x in enumerate(inputs)}
        memory.update({("output", position): x for position, x in enumerate([*[x.write for x in turns], *stacks])})
        memory["work", 0] = self.work
        # Numbers have no address: a step returns them.
        numbers = self.run({place: x for place, x in memory.items() if x is not None})
        for position, (target, aval) in enumerate(zip(stacks, self.made, strict=True), len(turns)):
            if position in numbers and target is not None:
                store(b, numbers[position], target, aval.dtype)
        return [
            x
            for position, turn in enumerate(turns)
            for x in (turn.after if turn.after is not None else [numbers[position]])
        ]


class _Dynamic(_Emitter):
    """A loop that goes by the first value that it carries, which is in a register: the first of the state."""

    def emit_while(self, status: Callable[[], ir.Value]) -> None:
        """Emits the loop; one that has no room for all its steps ends early, and says so."""
        b, length = self.builder, index(self.step.length)
        begin = [x for place in self.carried for x in place.begin()]
        bounded = self.step.bounded
        if bounded and self.step.reverse:
            # What was counted by a loop without arrays may be more.
            self.refuse_if(b.icmp_unsigned(">", begin[0], length), status)
            begin[0] = b.select(b.icmp_unsigned(">", begin[0], length), length, begin[0])
        if self.step.reverse:
            for place in self.carried:
                place.begin_at(b.sub(begin[0], index(1)))

        def left(state: list[ir.Value]) -> ir.Value:
            return b.icmp_unsigned("!=", state[0], ir.Constant(state[0].type, 0))

        def goes_on(i: ir.Value, state: list[ir.Value]) -> ir.Value:
            return b.and_(left(state), b.icmp_unsigned("<", i, length)) if bounded else left(state)

        count, state = while_loop(b, begin, goes_on, self.body)
        if bounded and not self.step.reverse:
            self.refuse_if(left(state), status)
        rest = iter(state)
        for place in self.carried:
            place.end([next(rest) for _ in range(place.count)])
            place.end_at(count)

    def refuse_if(self, wrong: ir.Value, status: Callable[[], ir.Value]) -> None:
        place = status()
        with self.builder.if_then(wrong, likely=False):
            self.builder.store(index(NO_ROOM), place)

    def position(self, i: ir.Value, state: list[ir.Value]) -> ir.Value:
        return self.builder.sub(state[0], index(1)) if self.step.reverse else i


class _Turn(NamedTuple):
    """Where a carried value is read in a step and where the next one is written, `None` for a register.

    `after` is the state of the loop after the step; that of a register is the number which the step makes.
    """

    read: ir.Value
    write: ir.Value | None
    after: list[ir.Value] | None


class _Place:
    """Where a carried value lies; `count` is how many values of the state of the loop say where it is."""

    count = 0

    def __init__(self, builder: ir.IRBuilder, it: Carried, aval: Aval, step: Repeat, address: Address) -> None:
        self.builder, self.it, self.aval, self.step = builder, it, aval, step
        self.first = address(it.first)
        self.last = None if it.last is None else address(it.last)
        self.prepare(address)

    def prepare(self, address: Address) -> None:
        """Finds the addresses that are needed beside the first and the last one."""

    def begin(self) -> list[ir.Value]:
        """The state before the loop."""
        return []

    def turn(self, i: ir.Value, state: list[ir.Value]) -> _Turn:
        """A step, the one of the elements at `i`."""
        raise NotImplementedError

    def end(self, state: list[ir.Value]) -> None:
        """Brings the last value where it belongs."""

    def begin_at(self, start: ir.Value) -> None:
        """Begins a loop of which only now is known with which elements."""

    def end_at(self, count: ir.Value) -> None:
        """Ends a loop of which only now is known after how many steps."""

    def copy(self, target: ir.Value, source: ir.Value) -> None:
        copied(self.builder, target, source, self.aval)


class _Register(_Place):
    """A number."""

    count = 1

    def prepare(self, address: Address) -> None:
        # A step reads numbers by their address; LLVM takes them back into registers.
        self.slot = opaque(self.builder, alloca(self.builder, memory_type(self.aval.dtype)))

    def begin(self) -> list[ir.Value]:
        return [load(self.builder, self.first, self.aval.dtype)]

    def turn(self, i: ir.Value, state: list[ir.Value]) -> _Turn:
        store(self.builder, state[0], self.slot, self.aval.dtype)
        return _Turn(self.slot, None, None)

    def end(self, state: list[ir.Value]) -> None:
        if self.last is not None:
            store(self.builder, state[0], self.last, self.aval.dtype)


class _Buffers(_Place):
    """An array in two buffers in turn: the state is where to read, where to write, and where to write after that."""

    count = 3

    def prepare(self, address: Address) -> None:
        self.buffers = [address(view) for view in self.it.buffers or ()]

    def begin(self) -> list[ir.Value]:
        return [self.first, *self.buffers]

    def turn(self, i: ir.Value, state: list[ir.Value]) -> _Turn:
        read, write, following = state
        return _Turn(read, write, [write, following, write])

    def end(self, state: list[ir.Value]) -> None:
        if self.last is not None:
            self.copy(self.last, state[0])


class _InPlace(_Place):
    """An array of which a step writes each element where it has read it."""

    def prepare(self, address: Address) -> None:
        assert self.it.buffers is not None
        self.place = address(self.it.buffers[0])

    def begin(self) -> list[ir.Value]:
        self.copy(self.place, self.first)
        return []

    def turn(self, i: ir.Value, state: list[ir.Value]) -> _Turn:
        return _Turn(self.place, self.place, [])


class _Stack(_Place):
    """An array whose values all are kept: a step writes where the next one reads."""

    def prepare(self, address: Address) -> None:
        assert self.it.stack is not None
        self.stack = address(self.it.stack)

    def begin(self) -> list[ir.Value]:
        if not (self.step.dynamic and self.step.reverse):
            self.begin_at(index(self.step.length - 1 if self.step.reverse else 0))
        return []

    def begin_at(self, start: ir.Value) -> None:
        self.copy(element(self.builder, self.stack, self.aval, start), self.first)

    def end_at(self, count: ir.Value) -> None:
        if self.last is not None:
            self.copy(self.last, element(self.builder, self.stack, self.aval, count))

    def turn(self, i: ir.Value, state: list[ir.Value]) -> _Turn:
        following = self.builder.add(i, index(-1 if self.step.reverse else 1))
        read, write = (element(self.builder, self.stack, self.aval, x) for x in (i, following))
        return _Turn(read, write, [])


def _kind_of(it: Carried) -> type[_Place]:
    if it.stack is not None:
        return _Stack
    if it.buffers is None:
        return _Register
    return _InPlace if it.buffers[0] == it.buffers[1] else _Buffers
