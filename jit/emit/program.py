"""The body of a kernel: its steps one after the other, scalars in registers between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import inf
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from autograd.custom import custom_call

from ..graph import Literal
from ..lowering.plan import NEARLY_HUGE, Plan, most_compiled, plan, weight
from ..lowering.program import (
    Blocks,
    Buffer,
    Call,
    Choose,
    Fill,
    Gather,
    Nest,
    Operand,
    Program,
    Repeat,
    Scatter,
    Step,
    View,
    atoms_by_value,
    nests,
    views,
)
from .again import Run
from .blas import alloca
from .blocks import add_up, share
from .calls import CALLS, foreign
from .choose import choose
from .functions import Functions, Registers, moved
from .interface import interface
from .interpreter import Rows, Script, entries_of, in_runs, is_plain, surprises
from .lapack import ROUTINES
from .loops import loop
from .nest import scalars
from .open import Sizes
from .outline import decided, last_reads, makes, pieces, variety
from .repeat import repeat
from .shared import share_steps
from .types import INDEX, POINTER, AsItIs, constant, element, index, load, memory_type, opaque, store
from .wiring import Layout, Location, Wiring

# In a program of more nests than this none is inlined, or its body would grow without bound.
MOST_INLINED = 16
# So many pieces show whether a processor would guess less than this part as often wrong if the rows had another order.
SEEN, SORTED = 32, 0.6


class Memory(NamedTuple):
    """The addresses of the inputs, captures and outputs by their positions, and that of the workspace."""

    inputs: Mapping[int, ir.Value]
    captures: Mapping[int, ir.Value]
    outputs: Mapping[int, ir.Value]
    work: ir.Value | None

    def all(self) -> dict[tuple[str, int], ir.Value]:
        """The addresses by the kind and position of the buffers; there is one workspace."""
        kinds = {"input": self.inputs, "capture": self.captures, "output": self.outputs, "work": {0: self.work}}
        return {(kind, i): address for kind, known in kinds.items() for i, address in known.items()}


def emit(
    builder: ir.IRBuilder, name: str, program: Program, plan: Plan, memory: Memory
) -> tuple[Any, list[Any], dict[ir.Function, Sizes]]:
    """Emits the body of a kernel, which ends as soon as a guard is known to have failed.

    **Returns:** the status (0 where all went well, otherwise the number of the first guard that failed,
    `OUT_OF_RANGE` or `REFUSED`), the outputs of shape () as values, and the open sizes in each task.
    """
    few = sum(isinstance(step, Nest) and step.shape != () for step in program.steps) <= MOST_INLINED
    layout = Layout(plan)
    memories = memory.all()

    def address(location: Location) -> ir.Value:
        return moved(builder, memories[location.memory], location.offset)

    functions = Functions(builder.module, name, few, program.graph.open)
    body = _Body(builder, layout, address, functions)
    first = len(program.steps) if plan.state is not None else decided(program)
    if plan.state is None:
        body.steps(program.steps[:first])
    else:
        body.pieces(program, memories)
    failed = body.failed([body.scalar(guard) for guard in program.guards])
    returned = zip(program.graph.outputs, program.outputs, strict=True)
    numbers = [operand for x, operand in returned if x.aval.shape == ()]
    if first == len(program.steps):
        status, *scalars = body.results(failed, numbers)
        return status, scalars, functions.tasks
    early = builder.block
    with builder.if_then(builder.icmp_unsigned("==", failed, index(0)), likely=True):
        body.steps(program.steps[first:])
        results, late = body.results(failed, numbers), builder.block
    otherwise = [failed, *[ir.Constant(x.type, ir.Undefined) for x in results[1:]]]
    status, *scalars = [_either(builder, x, late, y, early) for x, y in zip(results, otherwise, strict=True)]
    return status, scalars, functions.tasks


def _either(b: ir.IRBuilder, x: ir.Value, late: ir.Block, otherwise: ir.Value, early: ir.Block) -> ir.Value:
    """`x` from the one block, and `otherwise` from the other."""
    made = b.phi(x.type)
    made.add_incoming(x, late)
    made.add_incoming(otherwise, early)
    return made


def _given(b: ir.IRBuilder, memories: ir.Value, table: ir.Value, entry: int) -> ir.Value:
    """The address that an entry of the table stands for: the place of a buffer among all, and an offset."""
    place, offset = (b.load(moved(b, table, entry + i), typ=INDEX) for i in (0, 8))
    base = b.load(b.gep(memories, [place], inbounds=True, source_etype=ir.IntType(8)), typ=POINTER)
    return b.gep(base, [offset], inbounds=True, source_etype=ir.IntType(8))


class _Piece(NamedTuple):
    """A call of a piece, and where in the table its addresses are."""

    function: ir.Function
    wiring: int


class _Body:
    """The steps of a function in the making; `address` gives that of a location."""

    def __init__(
        self,
        builder: ir.IRBuilder,
        layout: Layout,
        address: Callable[[Location], ir.Value],
        functions: Functions,
        status: ir.Value | None = None,
    ) -> None:
        self.builder, self.layout, self.located, self.functions = builder, layout, address, functions
        self.values = Registers(builder, address, layout)
        self.status = status

    def pieces(self, program: Program, memories: dict[tuple[str, int], ir.Value]) -> None:
        """Emits a long program: its pieces as functions, and the calls of them."""
        cut = list(pieces(program.steps))
        last = last_reads(program, cut)
        numbers = {memory: i for i, memory in enumerate(memories)}
        table: list[int] = []
        calls: list[_Piece | Script] = []
        waiting: list[Step] = []
        whole = variety(cut) if self.layout.plan.interpreted else 0
        sorts = whole > NEARLY_HUGE and self.sorts(cut)
        most = most_compiled(whole, sorts) if self.layout.plan.interpreted else inf

        @cache
        def rows() -> Rows:
            return Rows(self.functions.interpreter, self.layout, numbers)

        def interpret() -> None:
            if waiting:
                entries = entries_of(waiting)
                calls.append(rows().of(in_runs(entries) if sorts else entries))
                waiting.clear()

        for i, steps in enumerate(cut):
            if self.functions.weight > most and is_plain(steps):
                waiting += steps
                continue
            interpret()
            for x in makes(steps):
                if last.get(x, i) > i:
                    self.layout.keep(x)
            wired = Wiring(self.layout, steps)
            calls.append(_Piece(self.piece(wired, steps), 8 * len(table)))
            table += [x for memory, _, offset in wired.given.values() for x in (8 * numbers[memory], offset)]
        interpret()
        self.run(calls, table, memories)

    def run(
        self, calls: Sequence[_Piece | Script], table: Sequence[int], memories: dict[tuple[str, int], ir.Value]
    ) -> None:
        """Emits the calls of pieces, and of the interpreter, in their order."""
        b = self.builder
        known = opaque(b, alloca(b, ir.ArrayType(POINTER, len(memories))))
        for i, address in enumerate(memories.values()):
            b.store(address, moved(b, known, 8 * i))
        lies = opaque(b, self.functions.table(bytearray(np.array(table, np.int64).tobytes())))
        for call in calls:
            if isinstance(call, Script):
                self.interpreted(call, known, memories["work", 0])
            else:
                b.call(call.function, [self.noted(), known, moved(b, lies, call.wiring)])

    def sorts(self, cut: Sequence[Sequence[Step]]) -> bool:
        """Whether the interpreter is faster with rows in another order."""
        # The last pieces are interpreted in any case, and the others are like them.
        last = entries_of([step for steps in cut[-SEEN:] if is_plain(steps) for step in steps])
        return surprises(in_runs(last)) < SORTED * surprises(last)

    def interpreted(self, script: Script, memories: ir.Value, work: ir.Value) -> None:
        """Calls the interpreter."""
        b, state = self.builder, self.layout.plan.state
        assert state is not None
        rows = opaque(b, self.functions.table(script.rows))
        function = self.functions.interpreter.function
        b.call(function, [moved(b, work, state), memories, rows, index(script.length), index(script.first)])

    def piece(self, wired: Wiring, steps: Sequence[Step]) -> ir.Function:
        """The function of a piece."""
        made = self.functions.made.get(wired.key)
        if made is None:
            # Scalars, and calls of what is compiled with care: LLVM takes a third less time for the whole kernel if it
            # translates them as they are, and calls of it take 2 to 5 % longer.
            kind = AsItIs if all(isinstance(step, Nest) for step in steps) else ir.Function
            made = self.functions.made[wired.key] = self.functions.piece(kind)
            self.functions.weight += sum(map(weight, steps))
            b = ir.IRBuilder(made.append_basic_block("entry"))
            status, memories, table = made.args
            given = [_given(b, memories, table, 16 * i) for i in range(len(wired.given))]

            def address(location: Location) -> ir.Value:
                i, distance = wired.relative(location)
                return moved(b, given[i], distance)

            _Body(b, self.layout, address, self.functions, status).steps(steps)
            b.ret_void()
        return made

    def steps(self, steps: Sequence[Step]) -> None:
        """Emits steps one after the other."""
        for step in steps:
            if isinstance(step, Fill):
                self.fill(step)
            elif isinstance(step, Blocks):
                self.blocks(step)
            elif isinstance(step, Repeat):
                self.repeat(step)
            elif isinstance(step, Choose):
                runs = [self.runner(program) for program in step.programs]
                choose(self.builder, step, self.address, runs, self.noted())
            elif isinstance(step, Call) and step.equation.primitive is custom_call:
                foreign(self.builder, step, self.base, self.noted())
            elif isinstance(step, Call) and step.equation.primitive in ROUTINES:
                ROUTINES[step.equation.primitive](self.builder, step, self.base, self.noted)
            elif isinstance(step, Call):
                CALLS[step.equation.primitive](self.builder, step, self.base)
            elif step.shape == ():
                self.read(step)
                scalars(self.builder, step, self.values, self.address, self.status_of(step), self.values.spill)
            elif step.entries:
                self.nest(step)

    def nest(self, nest: Nest) -> None:
        b = self.builder
        status = self.status_of(nest)
        self.read(nest)
        made, needed = self.functions.of(nest, status is not None), interface(nest)
        slots = [alloca(b, memory_type(x.aval.dtype)) for x in needed.results]
        arguments = [self.address(view) for view in needed.views]
        arguments += [self.values[x] for x in needed.scalars]
        b.call(made, arguments + slots + ([] if status is None else [status]))
        for x, slot in zip(needed.results, slots, strict=True):
            self.values[x] = load(b, slot, x.aval.dtype)
            self.values.spill(x)

    def blocks(self, step: Blocks) -> None:
        """Emits tasks, and adds up what each of them gives."""
        for nest in nests(step):
            self.read(nest)
        scalars = dict.fromkeys([x for nest in nests(step) for x in atoms_by_value(nest)])
        memory = {view.buffer.number: self.base(view.buffer) for view in views(step)}
        share(self.builder, self.functions, step, {x: self.values[x] for x in scalars}, memory)
        for partial in step.partials:
            total = add_up(self.builder, step, partial, self.base(partial.buffer), self.base)
            if total is not None:
                self.values[partial.equation.out] = total
                self.values.spill(partial.equation.out)

    def repeat(self, step: Repeat) -> None:
        """Emits a loop, whose steps may be tasks."""
        if step.tasks is None:
            repeat(self.builder, step, self.address, self.runner, self.noted)
            return

        def within(builder: ir.IRBuilder, status: ir.Value) -> Callable[[Program], Run]:
            return _Body(builder, self.layout, self.located, self.functions, status).runner

        share_steps(self.builder, self.functions, step, self.address, self.noted(), within)

    def runner(self, program: Program) -> Run:
        """What emits a program within this one, from its addresses to its outputs of shape ()."""
        layout, status = Layout(plan(program)), self.noted()

        def run(memories: dict[tuple[str, int], ir.Value]) -> dict[int, ir.Value]:
            def address(location: Location) -> ir.Value:
                return moved(self.builder, memories[location.memory], location.offset)

            inner = _Body(self.builder, layout, address, self.functions, status)
            if layout.plan.state is None:
                inner.steps(program.steps)
            else:
                inner.pieces(program, memories)
            outputs = enumerate(zip(program.graph.outputs, program.outputs, strict=True))
            return {i: inner.scalar(operand) for i, (x, operand) in outputs if x.aval.shape == ()}

        return run

    def read(self, nest: Nest) -> None:
        """Notes where the scalars lie that the nest is given."""
        for entry in nest.entries:
            for atom, place in entry.operands:
                if isinstance(place, View) and atom.aval.size == 1:
                    self.values.places[atom] = place

    def scalar(self, operand: Operand) -> ir.Value:
        """A value of one element, loaded at its first use if it lies in memory."""
        atom, place = operand
        if isinstance(atom, Literal):
            return constant(atom.value, atom.aval.dtype)
        if isinstance(place, View):
            self.values.places[atom] = place
        return self.values[atom]

    def address(self, view: View) -> ir.Value:
        """The address of the first element of a view."""
        return self.located(self.layout.view(view))

    def base(self, buffer: Buffer) -> ir.Value:
        """The address of a buffer."""
        return self.address(View(buffer, 0, ()))

    def fill(self, fill: Fill) -> None:
        b, buffer = self.builder, fill.target.buffer
        base = self.base(buffer)
        if not fill.value.value:
            size = buffer.size * buffer.dtype.itemsize
            memset = b.module.declare_intrinsic("llvm.memset", [base.type, INDEX])
            zero, ordinary = ir.Constant(ir.IntType(8), 0), ir.Constant(ir.IntType(1), 0)
            b.call(memset, [base, zero, index(size), ordinary])
            return
        value = constant(fill.value.value, buffer.dtype)

        def body(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            store(b, value, element(b, base, i, buffer.dtype), buffer.dtype)
            return []

        loop(b, buffer.size, [], body)

    def status_of(self, nest: Nest) -> ir.Value | None:
        """Where a nest that indexes by values says that one was out of range."""
        if not any(isinstance(entry, Gather | Scatter) for entry in nest.entries):
            return None
        return self.noted()

    def noted(self) -> ir.Value:
        """Where an index out of range, a matrix that LAPACK refuses, or a custom function that failed is noted."""
        if self.status is None:
            self.status = alloca(self.builder, INDEX)
            with self.builder.goto_entry_block():
                self.builder.store(index(0), self.status)
        return self.status

    def failed(self, guards: list[ir.Value]) -> ir.Value:
        """The first guard that failed, counted from 1, or 0."""
        number: ir.Value = index(0)
        for i in range(len(guards), 0, -1):
            number = self.builder.select(guards[i - 1], number, index(i))
        return number

    def results(self, failed: ir.Value, numbers: Sequence[Operand]) -> list[ir.Value]:
        """The status after all steps, where a failed guard explains any other trouble, and these numbers."""
        b = self.builder
        noted: ir.Value = index(0) if self.status is None else b.load(self.status, typ=INDEX)
        fine = b.icmp_unsigned("==", failed, index(0))
        return [b.select(fine, noted, failed), *[self.scalar(x) for x in numbers]]
