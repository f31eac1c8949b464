"""Recordings as one function of C: every argument a pointer, no Python and no Numba around it.

    int64_t n_1f3a...(const T0 *input0, ..., T1 *output0, ..., const void *const *data)

The arguments are the inputs of the graph, its outputs, those of shape () as well, and a table of the addresses of what
it captured. What is returned is a `Status`. Several recordings of a function are one such function, which runs them
one after the other until the guards of one hold.

The function is compiled by LLVM as kernels are, kept on the disk as they are, and found by its name, which says all
that it depends on: code of other modules calls it by that name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cached_property
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from ..emit.lapack import REFUSED
from ..emit.nest import OUT_OF_RANGE
from ..emit.program import Memory, emit
from ..emit.repeat import NO_ROOM
from ..emit.types import INDEX, POINTER, index, opaque, store
from ..graph import Graph
from ..lowering.blocks import blocked
from ..lowering.fuse import fuse
from ..lowering.plan import plan
from ..lowering.program import Program
from ..runtime.foreign import is_foreign
from .kernel import STACK, is_brief, is_long, link_symbols, name_of
from .loader import linked, packed, unpacked
from .machine import code_of_module, new_module


class Status(IntEnum):
    """What a call of a kernel from compiled code came to; only after `OK` the results are there.

    >>> import jit
    >>> jit.Status.OK, jit.Status(1).name
    (<Status.OK: 0>, 'BRANCH')
    """

    #: All went well.
    OK = 0
    #: A value that Python looked at leads to a branch of the function that was not recorded.
    BRANCH = 1
    #: An index is out of range, or a custom function failed.
    INDEX = 2
    #: LAPACK refuses a matrix: it is singular, or not positive definite.
    MATRIX = 3
    #: An array has another shape than the example had.
    SHAPE = 4
    #: An array that is written shares memory with another argument.
    OVERLAP = 5
    #: There is no memory for intermediate results.
    MEMORY = 6
    #: A loop that ends by a value takes more steps than its gradient has room for.
    STEPS = 7


class Native:
    """A function of C for graphs of the same inputs and outputs, from its machine code.

    It is in the memory of this process as long as the object lives, at that `address`, and other code can be linked to
    it by its `name`.

    **Errors:** `RuntimeError` where the code needs a symbol that this process does not have.
    """

    def __init__(self, name: str, graphs: Sequence[Graph], content: bytes) -> None:
        self.name, self.graphs = name, tuple(graphs)
        code = unpacked(content)
        link_symbols(code.symbols)
        self._kept = linked(name, code)
        self.address = int(self._kept[1][code.entry])
        llvm.add_symbol(name, self.address)

    @cached_property
    def programs(self) -> list[Program]:
        """The steps of each graph."""
        return [blocked(fuse(graph)) for graph in self.graphs]

    @cached_property
    def is_brief(self) -> bool:
        """Whether it is worthwhile to compile it anew as a part of its callers."""
        return all(map(is_brief, self.programs)) and not any(plan(x).size > STACK for x in self.programs)

    @property
    def type(self) -> ir.FunctionType:
        """Its type in LLVM."""
        return _type(self.graphs[0])

    @property
    def is_foreign(self) -> bool:
        """Whether it calls functions by addresses of this process."""
        return any(map(is_foreign, self.graphs))

    def declared(self, module: ir.Module) -> ir.Function:
        """The function in another module; a brief one with its body, so that it can become a part of its callers."""
        found = module.globals.get(self.name)
        if found is None:
            found = _function(module, self.name, self.graphs[0])
            if self.is_brief:
                found.linkage = "available_externally"
                _define(found, self.programs)
        return found


def native_name(graphs: Sequence[Graph]) -> str:
    """The name of the function for these graphs, unique by its content."""
    return "n_" + hashlib.sha256(" ".join(map(name_of, graphs)).encode()).hexdigest()[:32]


def native_code(name: str, graphs: Sequence[Graph]) -> bytes:
    """The machine code of the function, as `Native` takes it."""
    module = new_module(name)
    programs = [blocked(fuse(graph)) for graph in graphs]
    _define(_function(module, name, graphs[0]), programs)
    level = 1 if any(is_long(plan(x)) for x in programs) else 3
    return packed(code_of_module(module, name, level))


# ---- the function ----


def _function(module: ir.Module, name: str, graph: Graph) -> ir.Function:
    return ir.Function(module, _type(graph), name)


def _type(graph: Graph) -> ir.FunctionType:
    return ir.FunctionType(INDEX, [POINTER] * (len(graph.inputs) + len(graph.outputs) + 1))


def _define(function: ir.Function, programs: Sequence[Program]) -> None:
    """Writes the body: each program in turn, until one has its guards fulfilled."""
    b = ir.IRBuilder(function.append_basic_block("entry"))
    *given, data = function.args
    start = 0
    for i, program in enumerate(programs):
        name = f"{function.name}_{i}"
        run = _variant(function.module, name, program) if len(programs) > 1 else None
        table = b.gep(data, [index(start)], source_etype=POINTER)
        start += len(program.graph.captures)
        if run is None:
            _body(b, name, program, given, table)
            return
        status = b.call(run, [*given, table])
        if i + 1 == len(programs):
            b.ret(status)
        else:
            other = b.icmp_unsigned("==", status, index(Status.BRANCH))
            with b.if_then(b.not_(other)):
                b.ret(status)


def _variant(module: ir.Module, name: str, program: Program) -> ir.Function:
    made = _function(module, name, program.graph)
    made.linkage = "internal"
    *given, table = made.args
    _body(ir.IRBuilder(made.append_basic_block("entry")), f"{name}_", program, given, table)
    return made


def _body(b: ir.IRBuilder, name: str, program: Program, given: Sequence[Any], table: ir.Value) -> None:
    """The steps of one program, and the return of its status."""
    graph, planned = program.graph, plan(program)
    inputs, outputs = given[: len(graph.inputs)], given[len(graph.inputs) :]
    captures = [b.load(b.gep(table, [index(i)], source_etype=POINTER), typ=POINTER) for i in range(len(graph.captures))]
    work, release = _workspace(b, planned.size)
    written = {i: x for i, x in enumerate(outputs) if graph.outputs[i].aval.shape != ()}
    memory = Memory(dict(enumerate(inputs)), dict(enumerate(captures)), written, work)
    status, scalars, _ = emit(b, name, program, planned, memory)
    alone = [(x, graph.outputs[i].aval.dtype) for i, x in enumerate(outputs) if i not in written]
    for value, (pointer, dtype) in zip(scalars, alone, strict=True):
        store(b, value, pointer, dtype)
    release()
    b.ret(_public(b, status))


def _workspace(b: ir.IRBuilder, size: int) -> tuple[ir.Value | None, Callable[[], None]]:
    """Memory for intermediate results, and what gives it back."""
    if not size:
        return None, lambda: None
    if size <= STACK:
        with b.goto_entry_block():
            slot = b.alloca(ir.IntType(8), size=index(size))
        slot.align = 64
        return opaque(b, slot), lambda: None
    module = b.module
    get = _external(module, "malloc", ir.FunctionType(POINTER, [INDEX]))
    give = _external(module, "free", ir.FunctionType(ir.VoidType(), [POINTER]))
    work = b.call(get, [index(size)])
    with b.if_then(b.icmp_unsigned("==", work, ir.Constant(POINTER, None)), likely=False):
        b.ret(index(Status.MEMORY))
    return work, lambda: b.call(give, [work])


def _external(module: ir.Module, name: str, kind: ir.FunctionType) -> ir.Function:
    return module.globals.get(name) or ir.Function(module, kind, name)


def _public(b: ir.IRBuilder, status: ir.Value) -> ir.Value:
    """The status of a kernel as a `Status`: guards are counted from 1 there."""
    found = b.select(b.icmp_unsigned("==", status, index(0)), index(Status.OK), index(Status.BRANCH))
    for inner, outer in ((OUT_OF_RANGE, Status.INDEX), (REFUSED, Status.MATRIX), (NO_ROOM, Status.STEPS)):
        found = b.select(b.icmp_unsigned("==", status, index(inner)), index(outer), found)
    return found
