"""Matrix products: tiles, BLAS, called by address with transposes as flags, or loops, for integers and odd views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from autograd.lengths import broadcast_shapes, is_length
from autograd.primitive import Shape

from ..lowering.matrix import PREFIX, Product, as_matrix, by_blas, by_tiles, product_of
from ..lowering.program import Buffer, Call
from . import scalar
from .cython import address_of
from .loops import loop, offset
from .product import tiles
from .types import constant, element, index, load, opaque, store

Base = Callable[[Buffer], ir.Value]

#: The routines of BLAS that kernels call, without the letter of the dtype; others are LAPACK's.
BLAS = frozenset({"gemm", "trsm", "trsv"})


def matmul(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits `out = x @ y` for all ranks; leading axes are a batch, with NumPy's broadcasting."""
    x, y = (operand.aval.shape for operand in call.equation.inputs)
    views = (*call.operands, call.target)
    it = product_of(x, y, tuple([view.strides for view in views]), call.target.buffer.dtype)  # type: ignore[arg-type]
    batch = broadcast_shapes(x[:-2], y[:-2])
    left, right = (
        _aligned(view.strides[: max(len(shape) - 2, 0)], shape[:-2], batch)
        for view, shape in zip(call.operands, (x, y), strict=True)
    )
    steps = (left, right, call.target.strides[: len(batch)])
    emit = tiles if by_tiles(it) else _gemm if by_blas(it) else _loops

    def each(position: list[ir.Value]) -> None:
        if len(position) < len(batch):

            def body(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                each([*position, i])
                return []

            loop(builder, batch[len(position)], [], body)
            return
        pointers = [
            element(builder, base(view.buffer), offset(builder, view.offset, s, position), view.buffer.dtype)
            for view, s in zip(views, steps, strict=True)
        ]
        emit(builder, it, *pointers)

    each([])


def _aligned(strides: tuple[int, ...], shape: Shape, batch: Shape) -> tuple[int, ...]:
    own = tuple([0 if n == 1 else s for n, s in zip(shape, strides, strict=True)])
    return (0,) * (len(batch) - len(shape)) + own


def _gemm(b: ir.IRBuilder, it: Product, x: ir.Value, y: ir.Value, out: ir.Value) -> None:
    # Row-major out = x y is column-major out' = y' x'.
    left, right = as_matrix((it.k, it.n), it.y), as_matrix((it.m, it.k), it.x)
    assert left is not None
    assert right is not None
    one, zero = constant(1, it.dtype), constant(0, it.dtype)
    arguments = [left.flag, right.flag, it.n, it.m, it.k, one, y, left.leading, x, right.leading]
    blas(b, PREFIX[it.dtype.name] + "gemm", [*arguments, zero, out, max(it.out[0], it.n, 1)])


def _loops(b: ir.IRBuilder, it: Product, x: ir.Value, y: ir.Value, out: ir.Value) -> None:
    def row(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        def column(j: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            def term(k: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
                left = load(b, element(b, x, offset(b, 0, it.x, [i, k]), it.dtype), it.dtype)
                right = load(b, element(b, y, offset(b, 0, it.y, [k, j]), it.dtype), it.dtype)
                return [_plus(b, it.dtype, carried[0], scalar.mul(b, it.dtype, left, right))]

            (total,) = loop(b, it.k, [constant(0, it.dtype)], term)
            store(b, total, element(b, out, offset(b, 0, it.out, [i, j]), it.dtype), it.dtype)
            return []

        return loop(b, it.n, [], column)

    loop(b, it.m, [], row)


def _plus(b: ir.IRBuilder, dtype: np.dtype[Any], x: ir.Value, y: ir.Value) -> ir.Value:
    return b.fadd(x, y, flags=("reassoc", "contract")) if dtype.kind == "f" else scalar.add(b, dtype, x, y)


def blas(builder: ir.IRBuilder, name: str, arguments: list[Any]) -> None:
    """Emits the call of a routine of BLAS or LAPACK; numbers and flags are passed by address, as Fortran does."""
    whole = link(name)
    pointers = [_pointer(builder, x, whole) for x in arguments]
    symbol = "jit_" + name
    function = builder.module.globals.get(symbol)
    if function is None:
        types = [x.type for x in pointers]
        function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), types), symbol)
    builder.call(function, pointers)


def _pointer(builder: ir.IRBuilder, x: Any, whole: ir.Type) -> ir.Value:
    if is_length(x):
        place = alloca(builder, whole)
        builder.store(builder.trunc(index(x), whole), place)
        return opaque(builder, place)
    if isinstance(x, str):
        x = ir.Constant(ir.IntType(8), ord(x))
    elif isinstance(x, int):
        x = ir.Constant(whole, x)
    return _addressed(builder.module, x) if isinstance(x, ir.Constant) else x


def _addressed(module: ir.Module, x: ir.Constant) -> ir.Value:
    """The address of a number in constant memory, one for all calls."""
    name = f"jit_{x.type}_{x.constant}"
    place = module.globals.get(name)
    if place is None:
        place = ir.GlobalVariable(module, x.type, name)
        place.linkage, place.global_constant, place.initializer = "internal", True, x
    return place


def alloca(builder: ir.IRBuilder, kind: ir.Type, size: int | None = None) -> ir.Value:
    """Memory on the stack, reserved once at the entry of the function, also when called in a loop."""
    with builder.goto_entry_block():
        return builder.alloca(kind, size=size)


def link(name: str) -> ir.Type:
    """Makes SciPy's routine known to LLVM, and returns the type of its integers."""
    module = "cython_blas" if name[1:] in BLAS else "cython_lapack"
    llvm.add_symbol("jit_" + name, address_of(module, name))
    return ir.IntType(32)
