"""NumPy's dtypes as LLVM's types: loads, stores, constants and casts."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from autograd.lengths import Length, is_length

INDEX = ir.IntType(64)
BOOL = ir.IntType(1)
POINTER = ir.PointerType()
# x * y + z may become one instruction with one rounding; sums are not reordered.
CONTRACT = ("contract",)

_FLOATS: dict[str, ir.Type] = {"float64": ir.DoubleType(), "float32": ir.FloatType()}

_COMPLEX: dict[str, ir.Type] = {"complex128": ir.DoubleType(), "complex64": ir.FloatType()}


@cache
def scalar_type(dtype: np.dtype[Any]) -> ir.Type:
    """The type of a value of that dtype in a register.

    **Errors:** `NotImplementedError` for a dtype that kernels do not compute with.
    """
    if dtype.kind == "b":
        return BOOL
    if dtype.kind in "iu":
        return ir.IntType(8 * dtype.itemsize)
    if dtype.name in _COMPLEX:
        # Only what a kernel is given and returns: in between there are the parts.
        return ir.LiteralStructType([_COMPLEX[dtype.name]] * 2)
    if dtype.name in _FLOATS:
        return _FLOATS[dtype.name]
    raise NotImplementedError(
        f"compiled functions compute with float64, float32, integers and booleans, got {dtype.name}; convert it with "
        "`astype`, or run this part eagerly"
    )


def memory_type(dtype: np.dtype[Any]) -> ir.Type:
    """The type of an element of that dtype in memory."""
    return ir.IntType(8) if dtype.kind == "b" else scalar_type(dtype)


def constant(value: Any, dtype: np.dtype[Any]) -> ir.Constant:
    """A number as a constant of that dtype."""
    kind = scalar_type(dtype)
    if dtype.kind == "f":
        return ir.Constant(kind, float(value))
    return ir.Constant(kind, int(value))


class Symbol(ir.Value):
    """An open length as an operand; `emit.open` has each function compute those that it uses, under their names."""

    def __init__(self, length: Length) -> None:
        self.type, self.length = INDEX, length
        self.name = f"length.{length}"

    def get_reference(self) -> str:
        """The operand as text."""
        return f'%"{self.name}"'


def index(i: Any) -> ir.Value:
    """A position or a length as a constant; an open one as the operand that stands for it."""
    return Symbol(i) if is_length(i) else ir.Constant(INDEX, i)


def load(builder: ir.IRBuilder, pointer: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """The element at that address."""
    value = builder.load(pointer, typ=memory_type(dtype))
    if dtype.kind == "b":
        return builder.icmp_unsigned("!=", value, ir.Constant(ir.IntType(8), 0))
    return value


def store(builder: ir.IRBuilder, value: ir.Value, pointer: ir.Value, dtype: np.dtype[Any]) -> None:
    """Writes an element to that address."""
    if dtype.kind == "b":
        value = builder.zext(value, ir.IntType(8))
    builder.store(value, pointer)


def element(builder: ir.IRBuilder, base: ir.Value, offset: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """The address of an element, `offset` elements from `base`."""
    return builder.gep(base, [offset], inbounds=True, source_etype=memory_type(dtype))


def opaque(builder: ir.IRBuilder, pointer: ir.Value) -> ir.Value:
    """A pointer without a pointee; `IRBuilder.bitcast` takes the two for equal and would keep the pointee."""
    made = ir.instructions.CastInstr(builder.block, "bitcast", pointer, POINTER)
    builder._insert(made)
    return made


def cast(builder: ir.IRBuilder, x: ir.Value, source: np.dtype[Any], target: np.dtype[Any]) -> ir.Value:
    """The value of one dtype in another, as NumPy's `astype` converts it."""
    if source == target:
        return x
    kind = scalar_type(target)
    if target.kind == "b":
        zero = constant(0, source)
        if source.kind == "f":
            return builder.fcmp_unordered("!=", x, zero)
        return builder.icmp_unsigned("!=", x, zero)
    if source.kind == "f":
        if target.kind == "f":
            return builder.fptrunc(x, kind) if target.itemsize < source.itemsize else builder.fpext(x, kind)
        return _to_whole(builder, x, target)
    if target.kind == "f":
        return builder.sitofp(x, kind) if source.kind == "i" else builder.uitofp(x, kind)
    if target.itemsize < source.itemsize and source.kind != "b":
        return builder.trunc(x, kind)
    if source.kind != "b" and target.itemsize == source.itemsize:
        return x
    return builder.sext(x, kind) if source.kind == "i" else builder.zext(x, kind)


def _to_whole(builder: ir.IRBuilder, x: ir.Value, target: np.dtype[Any]) -> ir.Value:
    """The float as an integer: one that the dtype has not wraps around, as C's conversions of NumPy let it."""
    kind, bits = scalar_type(target), 8 * target.itemsize
    if target.kind == "u" and bits == 64:
        half = ir.Constant(x.type, 2.0**63)
        upper = builder.xor(_to_signed(builder, builder.fsub(x, half), 64), ir.Constant(kind, 2**63))
        return builder.select(builder.fcmp_ordered(">=", x, half), upper, _to_signed(builder, x, 64))
    wider = max(bits, 32) if target.kind == "i" or bits < 32 else 64
    whole = _to_signed(builder, x, wider)
    return whole if wider == bits else builder.trunc(whole, kind)


def _to_signed(builder: ir.IRBuilder, x: ir.Value, bits: int) -> ir.Value:
    # What does not fit, and NaN, is the smallest integer, as x86 has it; LLVM would leave it undefined.
    kind = ir.IntType(bits)
    inside = builder.fcmp_ordered("<", intrinsic(builder, "llvm.fabs", x), ir.Constant(x.type, 2.0 ** (bits - 1)))
    return builder.select(inside, builder.fptosi(x, kind), ir.Constant(kind, -(2 ** (bits - 1))))


def intrinsic(builder: ir.IRBuilder, name: str, *operands: ir.Value) -> ir.Value:
    """A call of the LLVM intrinsic of that name for the type of its operands."""
    kind = operands[0].type
    function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [x.type for x in operands]))
    return builder.call(function, operands)


def external(builder: ir.IRBuilder, name: str, result: ir.Type, operands: list[ir.Value]) -> ir.Value:
    """A call of a C function that the process has loaded."""
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(result, [x.type for x in operands]), name)
    if isinstance(builder.function, AsItIs):
        function = builder.function.in_register(builder, function)
    return builder.call(function, operands)


class AsItIs(ir.Function):
    """A function that LLVM translates quickly, without making it better."""

    def __init__(self, module: ir.Module, kind: ir.FunctionType, name: str) -> None:
        super().__init__(module, kind, name)
        self.attributes.add("optnone")
        self.attributes.add("noinline")
        self.registers: dict[str, ir.Value] = {}

    def in_register(self, builder: ir.IRBuilder, function: ir.Function) -> ir.Value:
        """The address of a C function, in a register throughout this one.

        It may lie anywhere, and where a call says so LLVM's quick translation gives up: calls of what lies in a
        register take two thirds of its time. The assembler code, which is empty, hides from it that both are the same.
        """
        known = self.registers.get(function.name)
        if known is None:
            kind = ir.FunctionType(function.type, [function.type])
            with builder.goto_entry_block():
                known = self.registers[function.name] = builder.asm(kind, "", "=r,0", [function], False)
        return known


def apart(module: ir.Module, name: str, count: int, kind: type[ir.Function] = ir.Function) -> ir.Function:
    """A function of its own, of so many pointers that do not alias: of arguments LLVM can be told that."""
    made = kind(module, ir.FunctionType(ir.VoidType(), [POINTER] * count), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    for argument in made.args:
        argument.add_attribute("noalias")
    return made
