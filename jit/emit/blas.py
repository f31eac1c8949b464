"""Matrix products: BLAS, called by address with transposes as flags; loops for small ones and for integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.extending import get_cython_function_address

from autograd.primitive import Shape

from ..matrix import PREFIX, as_matrix, by_blas
from ..program import Buffer, Call
from . import scalar
from .loops import loop, offset
from .types import constant, element, load, store

Base = Callable[[Buffer], ir.Value]
_MODULE = "scipy.linalg.cython_blas"


def matmul(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits `out = x @ y` for all ranks; leading axes are a batch, with NumPy's broadcasting."""
    x, y = (operand.aval.shape for operand in call.equation.inputs)
    out = call.target
    batch = np.broadcast_shapes(x[:-2], y[:-2])
    left, right = (
        _aligned(view.strides[: max(len(shape) - 2, 0)], shape[:-2], batch)
        for view, shape in zip(call.operands, (x, y), strict=True)
    )
    steps = (left, right, out.strides[: len(batch)])
    product = _Product(call, x[-2:], y[-2:])

    def each(position: list[ir.Value]) -> None:
        if len(position) < len(batch):

            def body(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                each([*position, i])
                return []

            loop(builder, batch[len(position)], [], body)
            return
        pointers = [
            element(builder, base(view.buffer), offset(builder, view.offset, s, position), view.buffer.dtype)
            for view, s in zip((*call.operands, out), steps, strict=True)
        ]
        product.emit(builder, *pointers)

    each([])


def _aligned(strides: tuple[int, ...], shape: Shape, batch: Shape) -> tuple[int, ...]:
    own = tuple([0 if n == 1 else s for n, s in zip(shape, strides, strict=True)])
    return (0,) * (len(batch) - len(shape)) + own


class _Product:
    """One product of matrices or vectors, without its batch."""

    def __init__(self, call: Call, x: Shape, y: Shape) -> None:
        self.dtype = call.target.buffer.dtype
        self.by_blas = by_blas(x, y, call.equation.out.aval)
        self.x, self.y = x, y
        self.x_strides = call.operands[0].strides[-len(x) :]
        self.y_strides = call.operands[1].strides[-len(y) :]
        self.m = x[0] if len(x) == 2 else 1
        self.n = y[1] if len(y) == 2 else 1
        self.k = x[-1]
        self.row = call.target.strides[-len(x) - len(y) + 2 :]

    def emit(self, b: ir.IRBuilder, x: ir.Value, y: ir.Value, out: ir.Value) -> None:
        if not self.by_blas:
            self.by_loops(b, x, y, out)
        elif len(self.y) == 1:
            self.times_vector(b, self.x, self.x_strides, x, y, self.y_strides[0], out, transposed=False)
        elif len(self.x) == 1:
            self.times_vector(b, self.y, self.y_strides, y, x, self.x_strides[0], out, transposed=True)
        else:
            self.times_matrix(b, x, y, out)

    def times_matrix(self, b: ir.IRBuilder, x: ir.Value, y: ir.Value, out: ir.Value) -> None:
        # Row-major out = x y is column-major out' = y' x'.
        left, right = as_matrix(self.y, self.y_strides), as_matrix(self.x, self.x_strides)
        assert left is not None
        assert right is not None
        leading = max(self.row[0], self.n, 1)
        one, zero = constant(1, self.dtype), constant(0, self.dtype)
        arguments = [left.flag, right.flag, self.n, self.m, self.k, one, y, left.leading, x, right.leading]
        blas(b, PREFIX[self.dtype.name] + "gemm", [*arguments, zero, out, leading])

    def times_vector(
        self, b: ir.IRBuilder, shape: Shape, strides: tuple[int, ...], matrix: ir.Value, vector: ir.Value,
        step: int, out: ir.Value, transposed: bool,
    ) -> None:  # fmt: skip
        found = as_matrix(shape, strides)
        assert found is not None
        one, zero = constant(1, self.dtype), constant(0, self.dtype)
        # BLAS sees the transpose of a row-major matrix.
        flag = "N" if (found.flag == "N") == transposed else "T"
        rows, columns = shape[::-1] if found.flag == "N" else shape
        arguments = [flag, rows, columns, one, matrix, found.leading, vector, step, zero, out, 1]
        blas(b, PREFIX[self.dtype.name] + "gemv", arguments)

    def by_loops(self, b: ir.IRBuilder, x: ir.Value, y: ir.Value, out: ir.Value) -> None:
        rows, columns = len(self.x) == 2, len(self.y) == 2

        def entry(i: ir.Value, j: ir.Value) -> None:
            def term(k: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
                u = self.item(b, x, self.x_strides, [i, k] if rows else [k])
                v = self.item(b, y, self.y_strides, [k, j] if columns else [k])
                return [self.plus(b, carried[0], scalar.mul(b, self.dtype, u, v))]

            (total,) = loop(b, self.k, [constant(0, self.dtype)], term)
            where = [i] * rows + [j] * columns
            store(b, total, element(b, out, offset(b, 0, self.row[: len(where)], where), self.dtype), self.dtype)

        def row(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            def column(j: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                entry(i, j)
                return []

            return loop(b, self.n, [], column)

        loop(b, self.m, [], row)

    def item(self, b: ir.IRBuilder, base: ir.Value, strides: Any, position: list[ir.Value]) -> ir.Value:
        return load(b, element(b, base, offset(b, 0, strides, position), self.dtype), self.dtype)

    def plus(self, b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        if self.dtype.kind == "f":
            return b.fadd(x, y, flags=("reassoc", "nsz", "contract"))
        return scalar.add(b, self.dtype, x, y)


def blas(builder: ir.IRBuilder, name: str, arguments: list[Any]) -> None:
    """Emits the call of a BLAS routine; numbers and flags are passed by address, as Fortran does."""
    whole = link(name)
    values = [_argument(x, whole) for x in arguments]
    pointers = [_addressed(builder.module, x) if isinstance(x, ir.Constant) else x for x in values]
    symbol = "jit_" + name
    function = builder.module.globals.get(symbol)
    if function is None:
        types = [x.type for x in pointers]
        function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), types), symbol)
    builder.call(function, pointers)


def _argument(x: Any, whole: ir.Type) -> ir.Value:
    if isinstance(x, str):
        return ir.Constant(ir.IntType(8), ord(x))
    return ir.Constant(whole, x) if isinstance(x, int) else x


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
    llvm.add_symbol("jit_" + name, get_cython_function_address(_MODULE, name))
    return ir.IntType(32)
