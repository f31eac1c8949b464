"""From a program to machine code: an LLVM body in a Numba intrinsic, under one `@njit` function.

    @njit("Tuple((int64, float64))(Dense(float64[3]), Dense(float64[3]))")
    def k_1f3a...(a0, a1):            # inputs, captures, outputs, and the workspace if there is one
        return body(a0, a1)           # (status, outputs of shape () ...)

Called from Python, the kernel checks dtype, shape and layout of every array as it takes it (`boxing.py`); called from
compiled code, where Numba knows dtype, rank and layout, the body checks the shapes.

The machine code can be kept (`saved`) and made a kernel again in another process (`restored`), which compiles nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.machinery import EXTENSION_SUFFIXES
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, codegen, config, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from autograd.lengths import LEAST, Lengths, closed, is_length
from autograd.primitive import Aval

from ..emit import special
from ..emit.blas import link
from ..emit.open import define
from ..emit.open import emit as emit_lengths
from ..emit.program import Memory, emit
from ..emit.types import INDEX, POINTER, index, opaque, store
from ..graph import Graph
from ..lowering.blocks import blocked
from ..lowering.fuse import fuse
from ..lowering.plan import Plan, plan
from ..lowering.program import Nest, Program
from ..runtime import pool
from .boxing import Dense
from .disjoint import disjoint
from .loader import code_of, load, packed, unpacked
from .tuples import Items

#: What the body of a kernel returns when an array has another shape than the graph says.
WRONG_SHAPE = -1
#: And when an array that it writes to shares memory with another of its arrays.
OVERLAP = -2
#: A workspace up to this size lies on the stack and costs nothing to get.
STACK = 16 * 1024
# A kernel of at most so many operations keeps Python's lock: to give it away takes as long as the kernel.
_BRIEF = 500
# What the symbols of functions that kernels call by address begin with.
_PREFIX = "jit_"
# Numba's options that change the code.
_OPTIONS = ("CPU_NAME", "CPU_FEATURES", "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK")


def _sources() -> str:
    """A hash of this package."""
    folder, found = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        text = path.read_bytes()
        found.update(f"{path.relative_to(folder).as_posix()} {len(text)}\n".encode() + text)
    return found.hexdigest()


# Taken with the import: by the time of the first kernel the files may be newer than what runs.
_SOURCES = _sources()


@dataclass(frozen=True, eq=False)
class Kernel:
    """A compiled graph.

    `entry(*inputs, *captures, *outputs[, workspace])` takes inputs of shape () by value and everything else as
    contiguous arrays, or all of this in one tuple if the graph takes it `together`; it returns the status and the
    outputs of shape (). It is the shortest way from Python, and raises `TypeError` for an array that the kernel was not
    made for. `workspace` is the size of the one to be given, 0 for none; `made` is what Numba has compiled, `None` if
    the kernel comes from the disk.
    """

    name: str
    graph: Graph
    workspace: int
    entry: Callable[..., Any]
    made: Any = None

    @cached_property
    def program(self) -> Program:
        """The steps of the kernel."""
        return blocked(fuse(self.graph))

    @cached_property
    def function(self) -> Any:
        """The kernel as compiled code calls it, by Numba's dispatcher; one from the disk is compiled for that now."""
        return self.made or build(self.graph, self.name).made

    @property
    def llvm(self) -> str:
        """The LLVM code, after optimisation."""
        (text,) = self.function.inspect_llvm().values()
        return str(text)

    @property
    def asm(self) -> str:
        """The machine code as assembly text."""
        (text,) = self.function.inspect_asm().values()
        return str(text)


def name_of(graph: Graph) -> str:
    """The name of a graph's kernel: unique by its content, since machine code is linked by name."""
    conditions = "" if graph.open is None else f"{list(graph.open.values)} {sorted(map(str, graph.open.conditions))}"
    return "k_" + hashlib.sha256(f"{graph.key} {conditions} {_circumstances()}".encode()).hexdigest()[:32]


@cache
def _circumstances() -> str:
    """All that decides on the code beside the graph: this package, the versions under it, the processor, options."""
    versions = (_SOURCES, numba.__version__, llvmlite.__version__, np.__version__, EXTENSION_SUFFIXES[0])
    cpu = (llvm.get_process_triple(), llvm.get_host_cpu_name(), codegen.get_host_cpu_features())
    return repr((versions, cpu, [str(getattr(config, x, None)) for x in _OPTIONS]))


def build(graph: Graph, name: str) -> Kernel:
    """Compiles a graph."""
    program, planned = _planned(graph)
    workspace = planned.size if is_length(planned.size) or planned.size > STACK else 0
    signature = _signature(graph, workspace)
    arguments = ", ".join(f"a{i}" for i in range(len(signature.args)))
    namespace: dict[str, Any] = {
        "codegen": _codegen(name, graph, [(program, planned)], workspace),
        "signature": signature,
    }
    source = f"def body(context, {arguments}):\n    return signature, codegen\n" if arguments else (
        "def body(context):\n    return signature, codegen\n"
    )  # fmt: skip
    exec(source, namespace)
    namespace["body"] = intrinsic(namespace["body"])
    exec(f"def {name}({arguments}):\n    return body({arguments})\n", namespace)
    options: dict[str, Any] = {"error_model": "numpy", "nogil": not is_brief(program), "no_cfunc_wrapper": True}
    with _effort(1 if is_long(planned) else 3):
        made = numba.njit(signature, **options)(namespace[name])
    return Kernel(name, graph, workspace, _result(made).entry_point, made)


def _planned(graph: Graph) -> tuple[Program, Plan]:
    """The program of a graph, and where its arrays lie."""
    program = blocked(fuse(graph))
    return program, plan(program)


def is_long(planned: Plan) -> bool:
    """Whether the program is cut into pieces, which LLVM need not optimise much."""
    return planned.state is not None


@contextmanager
def _effort(level: int) -> Iterator[None]:
    """Has LLVM optimise at that level at most.

    The pieces of a long program are straight lines of what is simple already: at level 1 they take a third of the time
    in LLVM's passes, and what they become is as fast.
    """
    options = vars(config)
    with global_compiler_lock:
        before = options["OPT"]
        options["OPT"] = min(before, type(before)(level))
        try:
            yield
        finally:
            options["OPT"] = before


def draft(graph: Graph) -> str:
    """The body of a kernel as text, which nothing compiles."""
    program, planned = _planned(graph)
    module = ir.Module()
    n, m = len(graph.inputs), len(graph.captures)
    arrays = [i for i, x in enumerate(graph.outputs) if x.aval.shape != ()]
    kind = ir.FunctionType(ir.VoidType(), [POINTER] * (n + m + len(arrays) + 1))
    root = ir.Function(module, kind, "draft")
    builder = ir.IRBuilder(root.append_basic_block("entry"))
    outputs = dict(zip(arrays, root.args[n + m :], strict=False))
    memory = Memory(dict(enumerate(root.args[:n])), dict(enumerate(root.args[n : n + m])), outputs, root.args[-1])
    _, _, tasks = emit(builder, "draft", program, planned, memory)
    if graph.open is not None:
        define(root, graph.open, tasks)
    return f"{module} {planned.size}"


def is_brief(program: Program) -> bool:
    """Whether a call of Python costs as much as what the program does."""
    nests = [step for step in program.steps if isinstance(step, Nest)]
    # This does not change what is computed, so that the kernel may be another one at other open sizes.
    return len(nests) == len(program.steps) and sum(prod(closed(x.shape)) * len(x.entries) for x in nests) <= _BRIEF


def saved(kernel: Kernel) -> bytes:
    """The machine code of a kernel that this process has compiled."""
    # Open, it is what the program says.
    workspace = 0 if kernel.graph.open is not None else kernel.workspace
    return packed(code_of(_result(kernel.made), workspace))


def restored(graph: Graph, name: str, content: bytes) -> Kernel:
    """The kernel of that graph and name, from what `saved` has returned.

    **Errors:** `RuntimeError` where the kernel needs a symbol that this process does not have.
    """
    code = unpacked(content)
    link_symbols(code.symbols)
    workspace = code.workspace if graph.open is None else plan(blocked(fuse(graph))).size
    return Kernel(name, graph, workspace, load(name, code))


def link_symbols(symbols: Iterable[str]) -> None:
    """Makes known to LLVM what kernels call by name."""
    for symbol in symbols:
        if symbol == pool.SYMBOL:
            pool.link()
        elif symbol.startswith(special.PREFIX):
            special.link(symbol)
        elif symbol.startswith(_PREFIX) and not llvm.address_of_symbol(symbol):
            link(symbol.removeprefix(_PREFIX))


def _result(dispatcher: Any) -> Any:
    """What Numba has compiled for the one signature of a dispatcher."""
    (result,) = dispatcher.overloads.values()
    return result


def _signature(graph: Graph, workspace: int) -> Any:
    written = [x.aval for x in graph.outputs if x.aval.shape != ()]
    if workspace:
        written.append(Aval((workspace,), np.dtype(np.uint8)))
    if graph.together:
        read = [x.aval for x in (*graph.inputs, *graph.captures)]
        items = [*[(aval, False) for aval in read], *[(aval, True) for aval in written]]
        arguments: list[Any] = [Items(items, graph.open, is_length(workspace))]
    else:
        arguments = [_argument(x.aval) for x in graph.inputs]
        arguments += [Dense(x.aval) for x in graph.captures]
        arguments += [Dense(aval, written=True) for aval in written]
    scalars = [numba.from_dtype(x.aval.dtype) for x in graph.outputs if x.aval.shape == ()]
    return types.Tuple([types.int64, *scalars])(*arguments)


def _argument(aval: Aval) -> Any:
    return numba.from_dtype(aval.dtype) if aval.shape == () else Dense(aval)


def _codegen(name: str, graph: Graph, ready: list[tuple[Program, Plan]], workspace: int) -> Callable[..., Any]:
    """What Numba calls to have the body of a kernel emitted; the first time it takes what is `ready`.

    Numba holds on to the last hundred functions of this kind, and a program can be larger than all else.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[Any]) -> Any:
        if graph.together:
            found: Sequence[_Argument | _Item] = _items(builder, signature.args[0], arguments[0])
        else:
            found = [_Argument(context, builder, t, x) for t, x in zip(signature.args, arguments, strict=True)]
        pointers = [x.pointer for x in found]
        n, m = len(graph.inputs), len(graph.captures)
        arrays = [i for i, x in enumerate(graph.outputs) if x.aval.shape != ()]
        outputs = dict(zip(arrays, [x.pointer for x in found[n + m :]], strict=False))
        avals = [x.aval for x in (*graph.inputs, *graph.captures)] + [graph.outputs[i].aval for i in arrays]
        result = context.get_value_type(signature.return_type)
        slot = cgutils.alloca_once(builder, result)
        sizes = _sizes(builder, graph.open, found, avals)
        head = builder.block
        if graph.open is not None:
            builder.branch(tested := builder.append_basic_block("tested"))
            builder.position_at_end(tested)
        fits = _fits(builder, found, avals)
        if graph.open is not None:
            fits = builder.and_(
                fits, _hold(builder, graph.open, found[-1] if is_length(workspace) else None, workspace)
            )
        reads = [(x.pointer, avals[i]) for i, x in enumerate(found[: n + m]) if i >= n or avals[i].shape != ()]
        written = list(zip(pointers[n + m :], avals[n + m :], strict=False))
        body, refused, end = (builder.append_basic_block(x) for x in ("body", "refused", "end"))
        # Who hands over a tuple has made the arrays that are written.
        apart = fits if graph.together else disjoint(builder, f"{name}_disjoint", written, reads)
        builder.cbranch(builder.and_(fits, apart), body, refused)
        builder.position_at_end(refused)
        why = builder.select(fits, index(OVERLAP), index(WRONG_SHAPE))
        builder.store(builder.insert_value(ir.Constant(result, None), why, 0), slot)
        builder.branch(end)
        builder.position_at_end(body)
        program, planned = ready.pop() if ready else _planned(graph)
        work = found[-1].pointer if workspace else _stack(builder, planned.size)
        memory = Memory(dict(enumerate(pointers[:n])), dict(enumerate(pointers[n : n + m])), outputs, work)
        status, scalars, tasks = emit(builder, name, program, planned, memory)
        builder.store(context.make_tuple(builder, signature.return_type, [status, *scalars]), slot)
        builder.branch(end)
        if graph.open is not None:
            used = define(builder.function, graph.open, tasks)
            with builder.goto_block(head):
                emit_lengths(builder, used, sizes)
        builder.position_at_end(end)
        return builder.load(slot, typ=result)

    return codegen


class _Argument:
    """An argument of a kernel as an address: a number is put on the stack, from where LLVM takes it back."""

    def __init__(self, context: Any, builder: ir.IRBuilder, kind: Any, value: Any) -> None:
        self.shape: list[Any] = []
        if isinstance(kind, types.Array):
            array = context.make_array(kind)(context, builder, value)
            self.pointer = opaque(builder, array.data)
            self.shape = cgutils.unpack_tuple(builder, array.shape)
            return
        dtype = np.dtype(kind.name if kind is not types.boolean else bool)
        memory = ir.IntType(8) if kind is types.boolean else value.type
        self.pointer = opaque(builder, cgutils.alloca_once(builder, memory))
        store(builder, value, self.pointer, dtype)


class _Item(NamedTuple):
    """An item of the tuple that a kernel takes, by its address; the wrapper has looked at the rest.

    The lengths of its axes are known where an open size is taken from them.
    """

    pointer: ir.Value
    shape: Sequence[ir.Value | None] = ()


def _items(builder: ir.IRBuilder, kind: Items, table: ir.Value) -> list[_Item]:
    def entry(i: int, of: ir.Type) -> ir.Value:
        place = builder.gep(table, [index(8 * i)], source_etype=ir.IntType(8))
        return builder.load(opaque(builder, place), typ=of)

    n = len(kind.items)
    lengths: list[list[ir.Value | None]] = [[None] * len(aval.shape) for aval, _ in kind.items]
    for i, (item, axis) in enumerate(kind.taken):
        lengths[item][axis] = entry(n + i, INDEX)
    return [_Item(entry(i, POINTER), shape) for i, shape in enumerate(lengths)]


def _fits(builder: ir.IRBuilder, found: Sequence[_Argument | _Item], avals: list[Aval]) -> ir.Value:
    """Whether every array has the shape that the graph says."""
    fits: ir.Value = ir.Constant(ir.IntType(1), 1)
    for argument, aval in zip(found, avals, strict=False):
        for length, n in zip(argument.shape, aval.shape, strict=False):
            if length is None:
                continue
            fits = builder.and_(fits, builder.icmp_unsigned("==", length, index(n)))
    return fits


def _sizes(
    builder: ir.IRBuilder, sizes: Lengths | None, found: Sequence[_Argument | _Item], avals: list[Aval]
) -> dict[str, ir.Value]:
    """The open sizes by name, each from the first array that has an axis of it."""
    values: dict[str, ir.Value] = {}
    for name in () if sizes is None else sizes.values:
        size = str(name)
        values[name] = next(
            length
            for argument, aval in zip(found, avals, strict=False)
            for length, n in zip(argument.shape, aval.shape, strict=False)
            if length is not None and str(n) == size
        )
    return values


def _hold(builder: ir.IRBuilder, sizes: Lengths, work: Any, workspace: Any) -> ir.Value:
    """Whether the open sizes are at least 2 and fulfil their conditions, and the workspace is large enough."""
    holds: ir.Value = ir.Constant(ir.IntType(1), 1)
    for name in sizes.values:
        holds = builder.and_(holds, builder.icmp_signed(">=", index(sizes.size(name)), index(LEAST)))
    for terms, sign, is_so in sizes.conditions:
        holds_now = builder.icmp_signed(sign, index(sizes.made(terms)), index(0))
        holds = builder.and_(holds, holds_now if is_so else builder.not_(holds_now))
    if work is not None:
        holds = builder.and_(holds, builder.icmp_signed(">=", work.shape[0], index(workspace)))
    return holds


def _stack(builder: ir.IRBuilder, size: int) -> ir.Value | None:
    if not size:
        return None
    slot = cgutils.alloca_once(builder, ir.IntType(8), size=ir.Constant(ir.IntType(64), size))
    slot.align = 64
    return opaque(builder, slot)
