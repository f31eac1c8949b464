"""One row an op: the instructions that compute one element.

A row takes the builder, the dtype that it computes in, and its operands in that dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from autograd import ops
from autograd.lengths import length
from autograd.primitive import Primitive

from ..graph import Equation
from .random import random_bits
from .special import SPECIAL
from .types import BOOL, CONTRACT, cast, constant, external, index, intrinsic
from .vecmath import VECMATH

Row = Callable[..., ir.Value]
DType = np.dtype[Any]
_BOOL = np.dtype(bool)


def compute(builder: ir.IRBuilder, equation: Equation, operands: list[ir.Value], in_loop: bool) -> ir.Value:
    """One element of an elementwise equation, from elements in the dtypes of its inputs.

    In a loop a transcendental function is inlined arithmetic, which vectorises; by itself a call of the C library.
    """
    primitive, inputs, params, out = equation
    if primitive is length:
        return index(dict(params)["n"])
    dtypes = [x.aval.dtype for x in inputs]
    if primitive in PREDICATES:
        target = np.result_type(*dtypes)
    elif primitive in LOGICAL:
        target = _BOOL
    else:
        target = out.aval.dtype
    targets = [target] * len(dtypes)
    if primitive is ops.where:
        targets[0] = _BOOL
    values = [cast(builder, x, s, t) for x, s, t in zip(operands, dtypes, targets, strict=True)]
    inlined = VECMATH.get(primitive.name) if in_loop and target.kind == "f" else None
    return SCALAR[primitive](builder, target, *values) if inlined is None else inlined(builder, *values)


def _arithmetic(real: str, whole: str) -> Row:
    def row(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
        if dtype.kind == "f":
            return getattr(b, real)(x, y, flags=CONTRACT)
        if dtype.kind == "b":
            return b.or_(x, y) if whole == "add" else b.and_(x, y)
        return getattr(b, whole)(x, y)

    return row


def _compared(sign: str) -> Row:
    def row(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
        if dtype.kind == "f":
            # NaN is unequal to everything, and neither less nor greater.
            return b.fcmp_unordered(sign, x, y) if sign == "!=" else b.fcmp_ordered(sign, x, y)
        return b.icmp_signed(sign, x, y) if dtype.kind == "i" else b.icmp_unsigned(sign, x, y)

    return row


def _by_intrinsic(name: str) -> Row:
    def row(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
        return intrinsic(b, name, x) if dtype.kind == "f" else x

    return row


def _libm(symbol: str) -> Row:
    """A call of the C library."""

    def row(b: ir.IRBuilder, dtype: DType, *operands: ir.Value) -> ir.Value:
        return external(b, symbol + ("f" if dtype.itemsize == 4 else ""), operands[0].type, list(operands))

    return row


def _neg(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    return b.fneg(x) if dtype.kind == "f" else b.neg(x)


def _abs(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    if dtype.kind == "f":
        return intrinsic(b, "llvm.fabs", x)
    if dtype.kind == "i":
        return b.select(b.icmp_signed("<", x, constant(0, dtype)), b.neg(x), x)
    return x


def _sign(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    zero, one = constant(0, dtype), constant(1, dtype)
    less, greater = _compared("<")(b, dtype, x, zero), _compared(">")(b, dtype, x, zero)
    if dtype.kind == "b":
        return x
    negative = constant(-1, dtype) if dtype.kind != "u" else one
    # NaN is neither, and stays; -0.0 becomes 0.0.
    other = b.select(b.fcmp_unordered("uno", x, x), x, zero) if dtype.kind == "f" else zero
    return b.select(less, negative, b.select(greater, one, other))


def _square(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    return _arithmetic("fmul", "mul")(b, dtype, x, x)


def _reciprocal(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    # NumPy's reciprocal of an integer is that of the float, without its fraction.
    real = dtype if dtype.kind == "f" else np.dtype(np.float64)
    return cast(b, _div(b, real, constant(1, real), cast(b, x, dtype, real)), real, dtype)


def _div(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.fdiv(x, y, flags=CONTRACT)


def _floor_divide(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    if dtype.kind == "f":
        return _floor_divide_real(b, dtype, x, y)
    quotient, remainder, zero = _whole_division(b, dtype, x, y)
    if dtype.kind == "i":
        inexact = b.icmp_signed("!=", remainder, constant(0, dtype))
        opposite = b.icmp_signed("<", b.xor(remainder, y), constant(0, dtype))
        lower = b.and_(inexact, opposite)
        quotient = b.sub(quotient, b.zext(lower, quotient.type))
    return b.select(zero, constant(0, dtype), quotient)


def _whole_division(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Quotient and remainder of integers; a division by zero, which would end the process, is flagged."""
    zero = b.icmp_unsigned("==", y, constant(0, dtype))
    if dtype.kind == "u":
        safe = b.select(zero, constant(1, dtype), y)
        return b.udiv(x, safe), b.urem(x, safe), zero
    # The smallest integer over -1 overflows, and traps as a division by zero does.
    negated = b.icmp_signed("==", y, constant(-1, dtype))
    safe = b.select(b.or_(zero, negated), constant(1, dtype), y)
    quotient = b.select(negated, b.neg(x), b.sdiv(x, safe))
    return quotient, b.select(negated, constant(0, dtype), b.srem(x, safe)), zero


def _mod(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    if dtype.kind == "f":
        return _mod_real(b, dtype, x, y)
    _, remainder, zero = _whole_division(b, dtype, x, y)
    if dtype.kind == "i":
        inexact = b.icmp_signed("!=", remainder, constant(0, dtype))
        opposite = b.icmp_signed("<", b.xor(remainder, y), constant(0, dtype))
        remainder = b.select(b.and_(inexact, opposite), b.add(remainder, y), remainder)
    return b.select(zero, constant(0, dtype), remainder)


def _real_division(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """C's remainder, which has the sign of `x`, and whether Python's, which has that of `y`, differs from it."""
    zero = constant(0, dtype)
    remainder = b.frem(x, y)
    opposite = b.xor(b.fcmp_ordered("<", remainder, zero), b.fcmp_ordered("<", y, zero))
    return remainder, b.and_(opposite, b.fcmp_ordered("!=", remainder, zero))


def _mod_real(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    zero = constant(0, dtype)
    remainder, opposite = _real_division(b, dtype, x, y)
    shifted = b.select(opposite, b.fadd(remainder, y), remainder)
    signed_zero = intrinsic(b, "llvm.copysign", zero, y)
    return b.select(b.fcmp_ordered("==", remainder, zero), signed_zero, shifted)


def _floor_divide_real(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """The quotient less the remainder's part, rounded to the integer that it is close to."""
    zero, half, one = (constant(c, dtype) for c in (0, 0.5, 1))
    remainder, opposite = _real_division(b, dtype, x, y)
    quotient = b.fdiv(b.fsub(x, remainder), y)
    # One less, rather than the quotient less Python's remainder, which is infinite where `y` is.
    quotient = b.select(opposite, b.fsub(quotient, one), quotient)
    floored = intrinsic(b, "llvm.floor", quotient)
    floored = b.select(b.fcmp_ordered(">", b.fsub(quotient, floored), half), b.fadd(floored, one), floored)
    signed_zero = intrinsic(b, "llvm.copysign", zero, b.fdiv(x, y))
    floored = b.select(b.fcmp_ordered("==", quotient, zero), signed_zero, floored)
    return b.select(b.fcmp_ordered("==", y, zero), b.fdiv(x, y), floored)


def _pow(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    if dtype.kind == "f":
        is_half = isinstance(y, ir.Constant) and y.constant == 0.5
        return _power_of_half(b, dtype, x) if is_half else _libm("pow")(b, dtype, x, y)
    return _whole_power(b, dtype, x, y)


def _power_of_half(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    """The square root, but for two numbers: the power of -inf is inf, that of -0.0 is 0.0."""
    root = intrinsic(b, "llvm.fabs", intrinsic(b, "llvm.sqrt", x))
    infinity = constant(np.inf, dtype)
    return b.select(b.fcmp_ordered("==", x, constant(-np.inf, dtype)), infinity, root)


def _whole_power(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """The power of integers by repeated squaring, modulo the word as NumPy's; a negative exponent counts as 0."""
    zero, one = constant(0, dtype), constant(1, dtype)
    if dtype.kind == "i":
        y = b.select(b.icmp_signed("<", y, zero), zero, y)
    before, start, end = b.block, b.append_basic_block("power"), b.append_basic_block("end")
    b.branch(start)
    b.position_at_end(start)
    result, base, exponent = (b.phi(x.type) for _ in range(3))
    odd = b.trunc(exponent, BOOL)
    following = (b.select(odd, b.mul(result, base), result), b.mul(base, base), b.lshr(exponent, one))
    for phi, first, last in zip((result, base, exponent), (one, x, y), following, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(last, start)
    b.cbranch(b.icmp_unsigned("!=", following[2], zero), start, end)
    b.position_at_end(end)
    return following[0]


def _extremum(real: str, sign: str) -> Row:
    def row(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
        if dtype.kind == "f":
            # llvm.maximum and llvm.minimum give NaN where either operand is one, as NumPy's do.
            return intrinsic(b, real, x, y)
        return b.select(_compared(sign)(b, dtype, x, y), x, y)

    return row


maximum = _extremum("llvm.maximum", ">")
minimum = _extremum("llvm.minimum", "<")
add = _arithmetic("fadd", "add")
mul = _arithmetic("fmul", "mul")


def _relu(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    return maximum(b, dtype, x, constant(0, dtype))


def _clip(b: ir.IRBuilder, dtype: DType, x: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    return minimum(b, dtype, maximum(b, dtype, x, low), high)


def _sigmoid(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    one = constant(1, dtype)
    return b.fdiv(one, b.fadd(one, _libm("exp")(b, dtype, b.fneg(x))))


def _logaddexp(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    distance = b.fneg(intrinsic(b, "llvm.fabs", b.fsub(x, y)))
    # Equal infinities have no distance, and the result is their own.
    equal = b.fcmp_ordered("==", x, y)
    distance = b.select(equal, constant(0, dtype), distance)
    tail = _libm("log1p")(b, dtype, _libm("exp")(b, dtype, distance))
    return b.fadd(maximum(b, dtype, x, y), tail)


def _softplus(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    return _logaddexp(b, dtype, x, constant(0, dtype))


def _isnan(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    return b.fcmp_unordered("uno", x, x) if dtype.kind == "f" else constant(0, _BOOL)


def _isinf(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    if dtype.kind != "f":
        return constant(0, _BOOL)
    return b.fcmp_ordered("==", intrinsic(b, "llvm.fabs", x), constant(np.inf, dtype))


def _isfinite(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    if dtype.kind != "f":
        return constant(1, _BOOL)
    return b.fcmp_ordered("<", intrinsic(b, "llvm.fabs", x), constant(np.inf, dtype))


# fmt: off
SCALAR: dict[Primitive, Row] = {
    ops.neg:           _neg,
    ops.abs:           _abs,
    ops.sign:          _sign,
    ops.floor:         _by_intrinsic("llvm.floor"),
    ops.ceil:          _by_intrinsic("llvm.ceil"),
    ops.round:         _by_intrinsic("llvm.rint"),
    ops.trunc:         _by_intrinsic("llvm.trunc"),
    ops.square:        _square,
    ops.sqrt:          _by_intrinsic("llvm.sqrt"),
    ops.reciprocal:    _reciprocal,
    ops.exp:           _libm("exp"),
    ops.exp2:          _libm("exp2"),
    ops.expm1:         _libm("expm1"),
    ops.log:           _libm("log"),
    ops.log2:          _libm("log2"),
    ops.log10:         _libm("log10"),
    ops.log1p:         _libm("log1p"),
    ops.sin:           _libm("sin"),
    ops.cos:           _libm("cos"),
    ops.tan:           _libm("tan"),
    ops.arcsin:        _libm("asin"),
    ops.arccos:        _libm("acos"),
    ops.arctan:        _libm("atan"),
    ops.sinh:          _libm("sinh"),
    ops.cosh:          _libm("cosh"),
    ops.tanh:          _libm("tanh"),
    ops.arcsinh:       _libm("asinh"),
    ops.arccosh:       _libm("acosh"),
    ops.arctanh:       _libm("atanh"),
    ops.erf:           _libm("erf"),
    ops.erfc:          _libm("erfc"),
    ops.sigmoid:       _sigmoid,
    ops.softplus:      _softplus,
    ops.relu:          _relu,
    ops.isnan:         _isnan,
    ops.isinf:         _isinf,
    ops.isfinite:      _isfinite,
    ops.logical_not:   lambda b, dtype, x: b.not_(x),
    ops.astype:        lambda b, dtype, x: x,
    ops.stop_gradient: lambda b, dtype, x: x,
    ops.add:           add,
    ops.sub:           _arithmetic("fsub", "sub"),
    ops.mul:           mul,
    ops.div:           _div,
    ops.floor_divide:  _floor_divide,
    ops.mod:           _mod,
    ops.pow:           _pow,
    ops.arctan2:       _libm("atan2"),
    ops.hypot:         _libm("hypot"),
    ops.copysign:      lambda b, dtype, x, y: intrinsic(b, "llvm.copysign", x, y),
    ops.logaddexp:     _logaddexp,
    ops.maximum:       maximum,
    ops.minimum:       minimum,
    ops.clip:          _clip,
    ops.random_bits:   random_bits,
    ops.where:         lambda b, dtype, condition, x, y: b.select(condition, x, y),
    ops.equal:         _compared("=="),
    ops.not_equal:     _compared("!="),
    ops.less:          _compared("<"),
    ops.less_equal:    _compared("<="),
    ops.greater:       _compared(">"),
    ops.greater_equal: _compared(">="),
    ops.logical_and:   lambda b, dtype, x, y: b.and_(x, y),
    ops.logical_or:    lambda b, dtype, x, y: b.or_(x, y),
    ops.logical_xor:   lambda b, dtype, x, y: b.xor(x, y),
    **SPECIAL,
}
# fmt: on

#: Ops whose result is boolean but which compute in the dtype of their operands.
PREDICATES = frozenset({
    ops.equal, ops.not_equal, ops.less, ops.less_equal, ops.greater, ops.greater_equal,
    ops.isnan, ops.isinf, ops.isfinite,
})  # fmt: skip
LOGICAL = frozenset({ops.logical_not, ops.logical_and, ops.logical_or, ops.logical_xor})
