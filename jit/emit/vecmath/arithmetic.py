"""Building blocks of the vector math: the same text serves float32 and float64.

Everything here emits straight-line scalar IR without fast-math flags, since several sequences below
are exact only as written. LLVM's loop vectoriser widens it to whatever the target has.
"""

from collections.abc import Sequence
from typing import NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import config


class Format(NamedTuple):
    """A binary floating-point format."""

    width: int  # bits in all
    fraction: int  # stored bits of the significand
    bias: int  # of the exponent
    integer: ir.IntType  # the integer of the same width


FORMATS = {
    ir.DoubleType(): Format(64, 52, 1023, ir.IntType(64)),
    ir.FloatType(): Format(32, 23, 127, ir.IntType(32)),
}


def target_fuses() -> bool:
    """Whether the target of Numba's JIT multiplies and adds in one instruction.

    **Returns:** `True` where `llvm.fma` is an instruction; elsewhere it would be a call into libm.
    """
    if not llvm.get_process_triple().startswith(("x86", "i386", "i686", "amd64")):
        return True  # AArch64 and POWER always have it
    features = config.CPU_FEATURES  # type: ignore[attr-defined] # what NUMBA_CPU_FEATURES says
    if features is not None:
        return "+fma" in features.split(",")
    return bool(llvm.get_host_cpu_features().get("fma", False))


FUSES = target_fuses()


def format_of(x: ir.Value) -> Format:
    """The floating-point format of a value."""
    return FORMATS[x.type]


def constant(kind: ir.Type, value: float) -> ir.Constant:
    """A constant of a floating-point or integer type."""
    return ir.Constant(kind, value)


def unary(builder: ir.IRBuilder, name: str, x: ir.Value) -> ir.Value:
    """The intrinsic `llvm.<name>` of one value."""
    return builder.call(builder.module.declare_intrinsic(f"llvm.{name}", [x.type]), [x])


def magnitude(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """|x|."""
    return unary(builder, "fabs", x)


def square_root(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The square root, correctly rounded."""
    return unary(builder, "sqrt", x)


def with_sign_of(builder: ir.IRBuilder, x: ir.Value, sign: ir.Value) -> ir.Value:
    """|x| with the sign of `sign`, zeros and NaN included."""
    kind = ir.FunctionType(x.type, [x.type, x.type])
    function = builder.module.declare_intrinsic("llvm.copysign", [x.type], kind)
    return builder.call(function, [x, sign])


def fused(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """x*y + z, rounded once where the target can do that in an instruction, else twice."""
    if FUSES:
        return builder.fma(x, y, z)
    return builder.fadd(builder.fmul(x, y), z)


def polynomial(builder: ir.IRBuilder, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    """The sum of coefficients[k] * x**k, by Horner's rule.

    Past a few terms the even and the odd powers are summed apart, in x**2: half the latency.
    """
    if len(coefficients) < 6:
        return horner(builder, x, coefficients)
    square = builder.fmul(x, x)
    odd = horner(builder, square, coefficients[1::2])
    return fused(builder, odd, x, horner(builder, square, coefficients[::2]))


def horner(builder: ir.IRBuilder, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    """The sum of coefficients[k] * x**k, one fused operation after the other."""
    total: ir.Value = constant(x.type, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = fused(builder, total, x, constant(x.type, coefficient))
    return total


def as_integer(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The bits of a floating-point value."""
    return builder.bitcast(x, format_of(x).integer)


def as_float(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    """The floating-point value with these bits."""
    return builder.bitcast(bits, ir.DoubleType() if bits.type.width == 64 else ir.FloatType())


def at_most(builder: ir.IRBuilder, x: ir.Value, bound: float) -> ir.Value:
    """The smaller of x and a constant; NaN stays NaN."""
    limit = constant(x.type, bound)
    return builder.select(builder.fcmp_ordered("<", limit, x), limit, x)


def at_least(builder: ir.IRBuilder, x: ir.Value, bound: float) -> ir.Value:
    """The larger of x and a constant; NaN stays NaN."""
    limit = constant(x.type, bound)
    return builder.select(builder.fcmp_ordered(">", limit, x), limit, x)


def nearest(builder: ir.IRBuilder, x: ir.Value, factor: float, offset: int = 0) -> tuple[ir.Value, ir.Value]:
    """n = x*factor rounded to an integer, and a word whose lowest bits are n + offset.

    Adding 1.5 * 2**fraction leaves an integer in the lowest bits of the significand; AVX2 has no
    conversion from float64 to a 64-bit integer, but this it can do.
    """
    shift = 1.5 * 2.0 ** format_of(x).fraction + offset
    shifted = fused(builder, x, constant(x.type, factor), constant(x.type, shift))
    return builder.fsub(shifted, constant(x.type, shift)), as_integer(builder, shifted)


def two_sum(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """x + y as the rounded sum and its error, exactly (Knuth 1969)."""
    total = builder.fadd(x, y)
    part = builder.fsub(total, x)
    error = builder.fadd(builder.fsub(x, builder.fsub(total, part)), builder.fsub(y, part))
    return total, error


def quick_two_sum(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """x + y as the rounded sum and its error, exactly when |x| >= |y| or x = 0 (Dekker 1971)."""
    total = builder.fadd(x, y)
    return total, builder.fsub(y, builder.fsub(total, x))


def two_product(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """x * y as the rounded product and its error, exactly short of overflow and underflow."""
    product = builder.fmul(x, y)
    if FUSES:
        return product, builder.fma(x, y, builder.fneg(product))
    x_high, x_low = _halves(builder, x)
    y_high, y_low = _halves(builder, y)
    error = builder.fsub(builder.fmul(x_high, y_high), product)
    error = builder.fadd(error, builder.fmul(x_high, y_low))
    error = builder.fadd(error, builder.fmul(x_low, y_high))
    return product, builder.fadd(error, builder.fmul(x_low, y_low))


def less_product(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """x - y*z, accurate where the product is close to x."""
    if FUSES:
        return builder.fma(builder.fneg(y), z, x)
    product, error = two_product(builder, y, z)
    return builder.fsub(builder.fsub(x, product), error)


def quotient(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, y_low: ir.Value) -> ir.Value:
    """x / (y + y_low), where y_low is the rounding error of y: the remainder refines x * (1/y)."""
    inverse = builder.fdiv(constant(x.type, 1), y)
    estimate = builder.fmul(x, inverse)
    remainder = less_product(builder, less_product(builder, x, estimate, y), estimate, y_low)
    return fused(builder, remainder, inverse, estimate)


def _halves(builder: ir.IRBuilder, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """x as a sum of two values of half as many bits, whose products are exact (Dekker 1971)."""
    kind = format_of(x)
    mask = (1 << kind.width) - (1 << (kind.fraction + 2) // 2)
    high = as_float(builder, builder.and_(as_integer(builder, x), constant(kind.integer, mask)))
    return high, builder.fsub(x, high)
