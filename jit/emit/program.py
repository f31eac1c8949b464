"""The body of a kernel: its steps one after the other, scalars in registers between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llvmlite import ir

from ..graph import Atom, Literal, Var
from ..plan import Plan, views
from ..program import Buffer, Call, Fill, Gather, Nest, Operand, Program, Scatter, Step, View
from .blas import alloca
from .calls import CALLS
from .interface import by_value, interface, structure
from .loops import loop
from .nest import function, scalars
from .outline import Registers, pieces, reads, uses
from .types import INDEX, POINTER, constant, element, index, load, memory_type, store

# In a program of more nests than this none is inlined, or its body would grow without bound.
MOST_INLINED = 16


class Memory(NamedTuple):
    """The addresses of the inputs, captures and outputs by their positions, and that of the workspace."""

    inputs: Mapping[int, ir.Value]
    captures: Mapping[int, ir.Value]
    outputs: Mapping[int, ir.Value]
    work: ir.Value | None

    def of(self, kind: str) -> Mapping[int, ir.Value]:
        """The addresses of the buffers of that kind."""
        return {"input": self.inputs, "capture": self.captures, "output": self.outputs}[kind]


def emit(builder: ir.IRBuilder, name: str, program: Program, plan: Plan, memory: Memory) -> tuple[Any, list[Any]]:
    """Emits the body of a kernel.

    **Returns:** the status (0 where all went well, otherwise the number of the first guard that failed, or
    `OUT_OF_RANGE`), and the outputs of shape () as values.
    """
    few = sum(isinstance(step, Nest) and step.shape != () for step in program.steps) <= MOST_INLINED
    body = _Body(builder, plan, memory, _Functions(builder.module, name, few), {})
    if plan.state is None:
        for step in program.steps:
            body.step(step)
    else:
        everywhere = uses(program)
        for steps in pieces(program.steps):
            body.piece(steps, everywhere)
    status = body.checked([body.scalar(guard) for guard in program.guards])
    returned = zip(program.graph.outputs, program.outputs, strict=True)
    return status, [body.scalar(operand) for x, operand in returned if x.aval.shape == ()]


class _Functions:
    """The functions of a kernel: one for all nests of a structure, and its pieces."""

    def __init__(self, module: ir.Module, name: str, inline: bool) -> None:
        self.module, self.name, self.inline = module, name, inline
        self.made: dict[Any, ir.Function] = {}
        self.count = 0

    def next_name(self) -> str:
        """A name for the next function."""
        self.count += 1
        return f"{self.name}_{self.count}"

    def of(self, nest: Nest, status: bool) -> ir.Function:
        """The function of a nest."""
        key = (structure(nest), status)
        if key not in self.made:
            self.made[key] = function(self.module, self.next_name(), nest, status, self.inline)
        return self.made[key]

    def piece(self, count: int) -> ir.Function:
        """A new function of so many addresses, no two of which lead to the same memory."""
        made = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [POINTER] * count), self.next_name())
        made.linkage = "internal"
        made.attributes.add("noinline")
        for argument in made.args:
            argument.add_attribute("noalias")
        return made


class _Body:
    """The steps of a function in the making; `kept` says which scalars are read outside of it too."""

    def __init__(
        self, builder: ir.IRBuilder, plan: Plan, memory: Memory, functions: _Functions, slots: dict[Atom, int],
        status: ir.Value | None = None, kept: Callable[[Var], bool] = lambda x: False,
    ) -> None:  # fmt: skip
        self.builder, self.plan, self.memory, self.functions = builder, plan, memory, functions
        self.values = Registers(builder, None if plan.state is None else self.at(plan.state), slots)
        self.status, self.kept = status, kept

    def piece(self, steps: Sequence[Step], everywhere: Counter[Atom]) -> None:
        """Emits steps as a function, and the call of it; `everywhere` counts the reads in the whole program."""
        buffers = {(x.buffer.kind, x.buffer.position) for step in steps for x in views(step)}
        given = sorted([x for x in buffers if x[0] != "work"])
        addresses = [self.memory.work, self.noted(), *[self.memory.of(kind)[i] for kind, i in given]]
        made = self.functions.piece(len(addresses))
        work, status, *rest = made.args
        known: dict[str, dict[int, ir.Value]] = {"input": {}, "capture": {}, "output": {}}
        for (kind, i), address in zip(given, rest, strict=True):
            known[kind][i] = address
        builder = ir.IRBuilder(made.append_basic_block("entry"))
        here = reads(steps)
        memory = Memory(known["input"], known["capture"], known["output"], work)
        inner = _Body(
            builder, self.plan, memory, self.functions, self.values.slots, status, lambda x: everywhere[x] > here[x]
        )
        for step in steps:
            inner.step(step)
        builder.ret_void()
        self.builder.call(made, addresses)

    def step(self, step: Step) -> None:
        """Emits one step."""
        if isinstance(step, Fill):
            self.fill(step)
        elif isinstance(step, Call):
            CALLS[step.equation.primitive](self.builder, step, self.base)
        elif step.shape == ():
            self.read(step)
            scalars(self.builder, step, self.values, self.address, self.status_of(step), self.keep)
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
            self.keep(x)

    def keep(self, x: Var) -> None:
        """Puts a new scalar where other pieces find it."""
        if self.kept(x):
            self.values.spill(x)

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
        return self.memory.of(buffer.kind)[buffer.position]

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
