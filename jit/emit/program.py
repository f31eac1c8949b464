"""The body of a kernel: its steps one after the other, scalars in registers between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from llvmlite import ir

from ..graph import Literal
from ..plan import SHORT, Plan
from ..program import Buffer, Call, Fill, Gather, Nest, Operand, Program, Scatter, View
from .blas import alloca
from .calls import CALLS
from .interface import by_value, interface, structure
from .loops import loop
from .nest import function, scalars
from .outline import Registers, piece, uses
from .types import INDEX, constant, element, index, load, memory_type, store

# In a program of more nests than this none is inlined, or its body would grow without bound.
MOST_INLINED = 16


class Memory(NamedTuple):
    """The addresses that a kernel is called with: of each input, capture and output, and of the workspace."""

    inputs: Sequence[ir.Value]
    captures: Sequence[ir.Value]
    outputs: Sequence[ir.Value]
    work: ir.Value | None


def emit(builder: ir.IRBuilder, name: str, program: Program, plan: Plan, memory: Memory) -> tuple[Any, list[Any]]:
    """Emits the body of a kernel.

    **Returns:** the status (0 where all went well, otherwise the number of the first guard that failed, or
    `OUT_OF_RANGE`), and the outputs of shape () as values.
    """
    body = _Body(builder, name, program, plan, memory)
    for step in program.steps:
        body.step(step)
    status = body.checked([body.scalar(guard) for guard in program.guards])
    returned = zip(program.graph.outputs, program.outputs, strict=True)
    return status, [body.scalar(operand) for x, operand in returned if x.aval.shape == ()]


class _Body:
    def __init__(self, builder: ir.IRBuilder, name: str, program: Program, plan: Plan, memory: Memory) -> None:
        self.builder, self.name, self.plan, self.memory = builder, name, plan, memory
        state = None if plan.state is None else self.at(plan.state)
        self.values = Registers(builder, state, {})
        self.uses = uses(program) if plan.state is not None else Counter()
        self.status: ir.Value | None = None
        self.count = 0
        self.functions: dict[Any, ir.Function] = {}
        self.inline = sum(isinstance(step, Nest) and step.shape != () for step in program.steps) <= MOST_INLINED

    def step(self, step: Nest | Fill | Call) -> None:
        if isinstance(step, Fill):
            self.fill(step)
        elif isinstance(step, Call):
            CALLS[step.equation.primitive](self.builder, step, self.base)
        elif step.shape == ():
            self.read(step)
            if self.plan.state is None or len(step.entries) < SHORT:
                scalars(self.builder, step, self.values, self.address, self.status_of(step))
            else:
                piece(self.values, self.next_name(), step, self.uses, self.address, self.noted())
        elif step.entries:
            self.nest(step)

    def nest(self, nest: Nest) -> None:
        b = self.builder
        status = self.status_of(nest)
        self.read(nest)
        key = (structure(nest), status is None)
        made = self.functions.get(key)
        if made is None:
            made = self.functions[key] = function(b.module, self.next_name(), nest, status is not None, self.inline)
        needed = interface(nest)
        slots = [alloca(b, memory_type(x.aval.dtype)) for x in needed.results]
        arguments = [self.address(view) for view in needed.views]
        arguments += [self.values[x] for x in needed.scalars]
        b.call(made, arguments + slots + ([] if status is None else [status]))
        for x, slot in zip(needed.results, slots, strict=True):
            self.values[x] = load(b, slot, x.aval.dtype)

    def read(self, nest: Nest) -> None:
        """Loads the scalars that the nest is given and that lie in memory."""
        for entry in nest.entries:
            for operand in entry.operands:
                if by_value(operand) and isinstance(operand.place, View):
                    self.scalar(operand)

    def scalar(self, operand: Operand) -> ir.Value:
        """A value of one element, loaded at its first use if it lies in memory."""
        atom = operand.atom
        if isinstance(atom, Literal):
            return constant(atom.value, atom.aval.dtype)
        if not self.values.has(atom):
            view = operand.place
            assert isinstance(view, View)
            self.values[atom] = load(self.builder, self.address(view), view.buffer.dtype)
        return self.values[atom]

    def next_name(self) -> str:
        """A name for the next function of this kernel."""
        self.count += 1
        return f"{self.name}_{self.count}"

    def at(self, offset: int) -> ir.Value:
        """An address in the workspace."""
        return self.builder.gep(self.memory.work, [index(offset)], inbounds=True, source_etype=ir.IntType(8))

    def address(self, view: View) -> ir.Value:
        """The address of the first element of a view."""
        base = self.base(view.buffer)
        return element(self.builder, base, index(view.offset), view.buffer.dtype) if view.offset else base

    def base(self, buffer: Buffer) -> ir.Value:
        """The address of a buffer."""
        if buffer.kind == "work":
            return self.at(self.plan.offsets[buffer.number])
        lists = {"input": self.memory.inputs, "capture": self.memory.captures, "output": self.memory.outputs}
        return lists[buffer.kind][buffer.position]

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
        """Where an index out of range is noted."""
        if self.status is None:
            self.status = alloca(self.builder, INDEX)
            with self.builder.goto_entry_block():
                self.builder.store(index(0), self.status)
        return self.status

    def checked(self, guards: list[ir.Value]) -> ir.Value:
        """The first guard that failed, counted from 1; a failed guard explains any other trouble."""
        status: ir.Value = index(0) if self.status is None else self.builder.load(self.status, typ=INDEX)
        for number in range(len(guards), 0, -1):
            status = self.builder.select(guards[number - 1], status, index(number))
        return status
