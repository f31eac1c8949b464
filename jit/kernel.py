"""From a program to machine code: an LLVM body in a Numba intrinsic, under one `@njit` function.

    @njit("Tuple((int64, float64))(float64[::1], float64[::1])")
    def k_1f3a...(a0, a1):            # inputs, captures, outputs, and the workspace if there is one
        return body(a0, a1)           # (status, outputs of shape () ...)

Numba's dispatcher checks dtype, rank and layout of every argument; the body checks the shapes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import llvmlite
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from autograd.primitive import Aval

from .emit.program import Memory, emit
from .emit.types import opaque, store
from .fuse import fuse
from .graph import Graph
from .plan import Plan, plan
from .program import Program

#: What the body of a kernel returns when an array has another shape than the graph says.
WRONG_SHAPE = -1
# A workspace up to this size lies on the stack and costs nothing to get.
_STACK = 16 * 1024
# Changes with the code that is generated, so that an older kernel is never taken for a newer one.
VERSION = 1


class Kernel(NamedTuple):
    """A compiled graph.

    `function(*inputs, *captures, *outputs[, workspace])` takes inputs of shape () by value and everything
    else as contiguous arrays; it returns the status and the outputs of shape ().
    """

    name: str
    function: Any
    graph: Graph
    program: Program
    workspace: int


def name_of(graph: Graph) -> str:
    """The name of a graph's kernel: unique by its content, since machine code is linked by name."""
    versions = (VERSION, numba.__version__, llvmlite.__version__)
    return "k_" + hashlib.sha256(repr((graph.key, versions)).encode()).hexdigest()[:32]


def build(graph: Graph, name: str) -> Kernel:
    """Compiles a graph."""
    program = fuse(graph)
    planned = plan(program)
    workspace = planned.size if planned.size > _STACK else 0
    signature = _signature(graph, workspace)
    arguments = ", ".join(f"a{i}" for i in range(len(signature.args)))
    namespace: dict[str, Any] = {
        "codegen": _codegen(name, program, planned, workspace),
        "signature": signature,
    }
    source = f"def body(context, {arguments}):\n    return signature, codegen\n" if arguments else (
        "def body(context):\n    return signature, codegen\n"
    )  # fmt: skip
    exec(source, namespace)
    namespace["body"] = intrinsic(namespace["body"])
    exec(f"def {name}({arguments}):\n    return body({arguments})\n", namespace)
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
    function = numba.njit(signature, **options)(namespace[name])
    return Kernel(name, function, graph, program, workspace)


def _signature(graph: Graph, workspace: int) -> Any:
    arguments = [_argument(x.aval) for x in graph.inputs]
    arguments += [_array(x.aval) for x in graph.captures]
    arguments += [_array(x.aval) for x in graph.outputs if x.aval.shape != ()]
    if workspace:
        arguments.append(types.Array(types.uint8, 1, "C"))
    scalars = [numba.from_dtype(x.aval.dtype) for x in graph.outputs if x.aval.shape == ()]
    return types.Tuple([types.int64, *scalars])(*arguments)


def _argument(aval: Aval) -> Any:
    return numba.from_dtype(aval.dtype) if aval.shape == () else _array(aval)


def _array(aval: Aval) -> Any:
    return types.Array(numba.from_dtype(aval.dtype), aval.ndim, "C")


def _codegen(name: str, program: Program, planned: Plan, workspace: int) -> Callable[..., Any]:
    """What Numba calls to have the body of a kernel emitted."""
    graph = program.graph

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[Any]) -> Any:
        found = [_Argument(context, builder, t, x) for t, x in zip(signature.args, arguments, strict=True)]
        n, m = len(graph.inputs), len(graph.captures)
        arrays = [i for i, x in enumerate(graph.outputs) if x.aval.shape != ()]
        outputs = dict(zip(arrays, [x.pointer for x in found[n + m :]], strict=False))
        avals = [x.aval for x in (*graph.inputs, *graph.captures)] + [graph.outputs[i].aval for i in arrays]
        result = context.get_value_type(signature.return_type)
        slot = cgutils.alloca_once(builder, result)
        body, wrong, end = (builder.append_basic_block(x) for x in ("body", "wrong_shape", "end"))
        builder.cbranch(_fits(builder, found, avals), body, wrong)
        builder.position_at_end(wrong)
        failed = builder.insert_value(ir.Constant(result, None), ir.Constant(ir.IntType(64), WRONG_SHAPE), 0)
        builder.store(failed, slot)
        builder.branch(end)
        builder.position_at_end(body)
        work = found[-1].pointer if workspace else _stack(builder, planned.size)
        pointers = [x.pointer for x in found]
        memory = Memory(dict(enumerate(pointers[:n])), dict(enumerate(pointers[n : n + m])), outputs, work)
        status, scalars = emit(builder, name, program, planned, memory)
        builder.store(context.make_tuple(builder, signature.return_type, [status, *scalars]), slot)
        builder.branch(end)
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


def _fits(builder: ir.IRBuilder, found: list[_Argument], avals: list[Aval]) -> ir.Value:
    """Whether every array has the shape that the graph says."""
    fits: ir.Value = ir.Constant(ir.IntType(1), 1)
    for argument, aval in zip(found, avals, strict=False):
        for length, n in zip(argument.shape, aval.shape, strict=False):
            fits = builder.and_(fits, builder.icmp_unsigned("==", length, ir.Constant(length.type, n)))
    return fits


def _stack(builder: ir.IRBuilder, size: int) -> ir.Value | None:
    if not size:
        return None
    slot = cgutils.alloca_once(builder, ir.IntType(8), size=ir.Constant(ir.IntType(64), size))
    slot.align = 64
    return opaque(builder, slot)
