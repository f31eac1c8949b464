"""log, what is made of it, and what is made of it and exp.

A positive x is 2**k * (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). With s = f / (2 + f),
log(1 + f) = 2*atanh(s), an odd series in s of |s| < 0.172; it is summed as f - f**2/2 + s*(f**2/2 + R(s)),
whose leading terms carry no error of the division (Tang, ACM Trans. Math. Software 16, 1990).
"""

import math
from typing import NamedTuple

from llvmlite import ir

from .arithmetic import (
    as_float,
    as_integer,
    at_least,
    constant,
    format_of,
    fused,
    magnitude,
    polynomial,
    quick_two_sum,
    two_product,
    two_sum,
    with_sign_of,
)
from .exponential import LOG_2, exp

# (2*atanh(s) - 2*s) / s**3 as a polynomial in s**2, for |s| <= (sqrt(2) - 1) / (sqrt(2) + 1), minimax
# relative to 2*atanh(s): 2**-59 and 2**-30.
ATANH = {
    64: (
        0.6666666666666735,
        0.39999999999412217,
        0.2857142874302571,
        0.22222198498108267,
        0.18183568721141458,
        0.15313925931340613,
        0.14797312738289048,
    ),
    32: (0.66666776, 0.39977533, 0.29873058),
}
# The same for |s| <= 1/3: 2**-61 and 2**-32.
ATANH_THIRD = {
    64: (
        0.6666666666666667,
        0.39999999999994024,
        0.28571428572510016,
        0.22222222125471686,
        0.18181823202879407,
        0.15384451933039728,
        0.1333680580888211,
        0.11715950719692805,
        0.10972566851436898,
        0.06994245574301741,
        0.1646763888714973,
    ),
    32: (0.66666675, 0.3999889, 0.28616878, 0.21427768, 0.2430066),
}

# 1/log(2), 1/log(10) and log10(2) in two parts, the first of log10(2) with trailing zeros.
LOG2_OF_E = {
    64: (float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56")),
    32: (float.fromhex("0x1.715476p+0"), float.fromhex("0x1.4ae0cp-26")),
}
LOG10_OF_E = {
    64: (float.fromhex("0x1.bcb7b1526e50ep-2"), float.fromhex("0x1.95355baaafad3p-57")),
    32: (float.fromhex("0x1.bcb7b2p-2"), float.fromhex("-0x1.5b235ep-27")),
}
LOG10_2 = {
    64: (float.fromhex("0x1.34413509f78p-2"), float.fromhex("0x1.fef311f12b358p-46")),
    32: (float.fromhex("0x1.344p-2"), float.fromhex("0x1.3509f8p-18")),
}


class Split(NamedTuple):
    """A positive number as 2**k * (1 + f)."""

    k: ir.Value
    f: ir.Value
    twice_inverse: ir.Value  # 2**(1-k), and 0 for the largest k, where that is subnormal


def log(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The natural logarithm."""
    k, f, _ = split(builder, *scaled_to_normal(builder, x))
    high, low = LOG_2[format_of(x).width]
    half_square, tail = log_terms(builder, f, builder.fmul(k, constant(x.type, low)))
    y = builder.fsub(f, builder.fsub(half_square, tail))
    return _limits(builder, x, fused(builder, k, constant(x.type, high), y))


def log2(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The logarithm to base 2; exact where the result is an integer."""
    return _log_to_base(builder, x, (1.0, 0.0), LOG2_OF_E[format_of(x).width])


def log10(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The logarithm to base 10."""
    width = format_of(x).width
    return _log_to_base(builder, x, LOG10_2[width], LOG10_OF_E[width])


def log1p(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """log(1 + x), accurate near zero."""
    one = constant(x.type, 1)
    y = log_of_sum(builder, *two_sum(builder, one, x))
    above = builder.fcmp_ordered(">", x, constant(x.type, -1))
    pole = builder.fcmp_ordered("==", x, constant(x.type, -1))
    below = builder.select(pole, constant(x.type, -math.inf), constant(x.type, math.nan))
    finite = builder.fcmp_ordered("<", x, constant(x.type, math.inf))
    return with_sign_of(builder, builder.select(above, builder.select(finite, y, x), below), x)


def softplus(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """log(1 + e**x), as max(x, 0) + log(1 + e**-|x|)."""
    t = exp(builder, builder.fneg(magnitude(builder, x)))
    return builder.fadd(at_least(builder, x, 0.0), _log1p_unit(builder, t))


def logaddexp(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """log(e**x + e**y), as max(x, y) + log(1 + e**-|x - y|)."""
    larger = builder.select(builder.fcmp_ordered(">", x, y), x, y)
    equal = builder.fcmp_ordered("==", x, y)  # infinities too, whose difference is NaN
    difference = builder.select(equal, constant(x.type, 0), builder.fsub(x, y))
    t = exp(builder, builder.fneg(magnitude(builder, difference)))
    return builder.fadd(larger, _log1p_unit(builder, t))


def log_of_sum(builder: ir.IRBuilder, high: ir.Value, low: ir.Value, k_more: ir.Value | None = None) -> ir.Value:
    """log(high + low) + k_more*log(2), where high > 0 is normal and `low` its rounding error."""
    ln2_high, ln2_low = LOG_2[format_of(high).width]
    k, f, twice_inverse = split(builder, high)
    if k_more is not None:
        k = builder.fadd(k, k_more)
    half_square, tail = log_terms(builder, f, builder.fmul(k, constant(k.type, ln2_low)))
    y = builder.fsub(f, builder.fsub(half_square, tail))
    # To first order log(1 + f + e) = log(1 + f) + e / (1 + f), and 1 / (1 + f) is near 1 - f + f**2.
    twice_error = builder.fmul(low, twice_inverse)
    y = fused(builder, twice_error, polynomial(builder, f, (0.5, -0.5, 0.5)), y)
    return fused(builder, k, constant(high.type, ln2_high), y)


def log_terms(builder: ir.IRBuilder, f: ir.Value, addend: ir.Value) -> tuple[ir.Value, ir.Value]:
    """f**2/2, and what is left of log(1 + f) after f - f**2/2, plus an addend."""
    return _terms(builder, f, ATANH[format_of(f).width], addend)


def split(builder: ir.IRBuilder, x: ir.Value, k_less: ir.Value | None = None) -> Split:
    """x = 2**(k + k_less) * (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for normal x > 0."""
    kind = format_of(x)
    one = kind.bias << kind.fraction
    root = one - (1 << kind.fraction) + int((math.sqrt(2) - 1) * 2**kind.fraction)
    bits = as_integer(builder, x)
    # Shifted so that the exponent field changes at 2**k * sqrt(1/2), not at 2**k.
    shifted = builder.add(bits, constant(kind.integer, one - root))
    field = builder.lshr(shifted, constant(kind.integer, kind.fraction))
    # An integer in the significand of 2**fraction is read as that integer plus 2**fraction.
    unit = constant(kind.integer, (kind.bias + kind.fraction) << kind.fraction)
    offset: ir.Value = constant(x.type, 2.0**kind.fraction + kind.bias)
    if k_less is not None:
        offset = builder.fadd(offset, k_less)
    k = builder.fsub(as_float(builder, builder.or_(field, unit)), offset)
    fraction = builder.and_(shifted, constant(kind.integer, (1 << kind.fraction) - 1))
    mantissa = builder.add(fraction, constant(kind.integer, root))
    f = builder.fsub(as_float(builder, mantissa), constant(x.type, 1))
    inverse = builder.add(builder.sub(mantissa, bits), constant(kind.integer, one + (1 << kind.fraction)))
    return Split(k, f, as_float(builder, inverse))


def _terms(
    builder: ir.IRBuilder, f: ir.Value, coefficients: tuple[float, ...], addend: ir.Value | None = None
) -> tuple[ir.Value, ir.Value]:
    s = builder.fdiv(f, builder.fadd(f, constant(f.type, 2)))
    square = builder.fmul(s, s)
    half_square = builder.fmul(builder.fmul(f, constant(f.type, 0.5)), f)
    rest = fused(builder, square, polynomial(builder, square, coefficients), half_square)
    tail = builder.fmul(s, rest) if addend is None else fused(builder, s, rest, addend)
    return half_square, tail


def _log1p_unit(builder: ir.IRBuilder, t: ir.Value) -> ir.Value:
    """log(1 + t) for t in [0, 1], where |s| <= 1/3 needs no exponent to be split off."""
    half_square, tail = _terms(builder, t, ATANH_THIRD[format_of(t).width])
    return builder.fsub(t, builder.fsub(half_square, tail))


def _log_to_base(
    builder: ir.IRBuilder, x: ir.Value, unit: tuple[float, float], factor: tuple[float, float]
) -> ir.Value:
    """k*unit + log(1 + f)*factor, with constants and the larger terms in two parts."""
    k, f, _ = split(builder, *scaled_to_normal(builder, x))
    half_square, tail = log_terms(builder, f, constant(x.type, 0.0))
    high, low = quick_two_sum(builder, f, builder.fneg(half_square))
    low = builder.fadd(low, tail)
    product, error = two_product(builder, high, constant(x.type, factor[0]))
    error = fused(builder, high, constant(x.type, factor[1]), error)
    error = fused(builder, low, constant(x.type, factor[0]), error)
    error = fused(builder, k, constant(x.type, unit[1]), error)
    whole = builder.fmul(k, constant(x.type, unit[0]))
    total, rounding = quick_two_sum(builder, whole, product)
    return _limits(builder, x, builder.fadd(total, builder.fadd(rounding, error)))


def scaled_to_normal(builder: ir.IRBuilder, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """x, scaled by 2**k if it is subnormal, and k."""
    kind = format_of(x)
    shift = kind.fraction + 2
    tiny = builder.fcmp_ordered("<", x, constant(x.type, 2.0 ** (1 - kind.bias)))
    scaled = builder.fmul(x, constant(x.type, 2.0**shift))
    k = builder.select(tiny, constant(x.type, shift), constant(x.type, 0))
    return builder.select(tiny, scaled, x), k


def _limits(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """The logarithm y where 0 < x < inf, and the values that belong to other x."""
    zero = constant(x.type, 0)
    pole = builder.fcmp_ordered("==", x, zero)
    below = builder.select(pole, constant(x.type, -math.inf), constant(x.type, math.nan))
    finite = builder.fcmp_ordered("<", x, constant(x.type, math.inf))
    return builder.select(builder.fcmp_ordered(">", x, zero), builder.select(finite, y, x), below)
