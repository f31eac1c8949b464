"""exp and what is made of it.

Every argument is reduced to x = n*log(2) + r with |r| <= log(2)/2 (Cody and Waite, Software Manual for the
Elementary Functions, 1980); exp(r) - 1 is a polynomial, and 2**n is written into an exponent field.
"""

import math

from llvmlite import ir

from .arithmetic import (
    as_float,
    at_least,
    at_most,
    constant,
    format_of,
    fused,
    horner,
    magnitude,
    nearest,
    polynomial,
    quick_two_sum,
    quotient,
    with_sign_of,
)

LOG2_E = 1.4426950408889634

# log(2) in two parts; the first has trailing zeros, so that its products with exponents are exact.
LOG_2 = {
    64: (float.fromhex("0x1.62e42fefa38p-1"), float.fromhex("0x1.ef35793c7673p-45")),
    32: (float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
}

# (exp(r) - 1 - r) / r**2 on |r| <= log(2)/2, minimax (Remez) relative to expm1(r): 2**-61 and 2**-30,
# rounded to the format by a search over the neighbours of the coefficients, as all tables here.
EXPM1 = {
    64: (
        0.5,
        0.16666666666666677,
        0.04166666666666652,
        0.00833333333332163,
        0.0013888888888962637,
        0.00019841269886073507,
        2.4801587172229382e-05,
        2.755724425402703e-06,
        2.755740277564093e-07,
        2.51090245464078e-08,
        2.087532903685174e-09,
    ),
    32: (0.5, 0.16666666, 0.0416664, 0.00833349, 0.0013941707, 0.00019845541),
}

# (sinh(r) - r) / r**3 and (cosh(r) - 1) / r**2 on |r| <= log(2)/2 as polynomials in r**2: 2**-61 and 2**-32.
SINH = {
    64: (
        0.16666666666666677,
        0.008333333333321565,
        0.00019841269886250324,
        2.7557244073133906e-06,
        2.5109087934465046e-08,
    ),
    32: (0.16666667, 0.008333249, 0.00019904487),
}
COSH = {
    64: (
        0.5,
        0.04166666666666671,
        0.0013888888888863628,
        2.4801587363523374e-05,
        2.7557241711552175e-07,
        2.0924461861884873e-09,
    ),
    32: (0.5, 0.04166635, 0.0013946289),
}

# Below the first exp underflows to zero, above the second it overflows.
EXP_RANGE = {64: (-746.0, 710.0), 32: (-104.0, 89.0)}
EXP2_RANGE = {64: (-1076.0, 1025.0), 32: (-151.0, 129.0)}
# Beyond this tanh(x) rounds to 1 and expm1(-x) to -1.
SATURATED = {64: 38.0, 32: 18.0}
# Above this cosh and sinh overflow.
COSH_RANGE = {64: 711.0, 32: 90.0}


def exp(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """e**x."""
    low, high = EXP_RANGE[format_of(x).width]
    x = at_most(builder, at_least(builder, x, low), high)
    n, bits = nearest(builder, x, LOG2_E, 2 * format_of(x).bias)
    r = less_multiple_of_log_2(builder, x, n)[0]
    q = past_first_order(builder, r, r)
    return scale(builder, builder.fadd(q, constant(x.type, 1)), bits)


def exp2(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """2**x; exact where x is an integer."""
    kind = format_of(x)
    low, high = EXP2_RANGE[kind.width]
    x = at_most(builder, at_least(builder, x, low), high)
    n, bits = nearest(builder, x, 1.0, 2 * kind.bias)
    part = builder.fsub(x, n)
    unit, unit_low = (constant(x.type, value) for value in LOG_2[kind.width])
    r = fused(builder, part, unit_low, builder.fmul(part, unit))
    q = past_first_order(builder, r, r)
    return scale(builder, builder.fadd(q, constant(x.type, 1)), bits)


def expm1(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """e**x - 1, accurate near zero."""
    kind = format_of(x)
    inside = at_most(builder, at_least(builder, x, -SATURATED[kind.width]), EXP_RANGE[kind.width][1])
    half = _expm1_scaled(builder, inside, 0.5)
    # Halving and doubling would round a subnormal number, and lose the sign of zero.
    small = builder.fcmp_ordered("<", magnitude(builder, x), constant(x.type, 2.0 ** -(kind.fraction + 2)))
    return builder.select(small, x, builder.fadd(half, half))


def tanh(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The hyperbolic tangent, as -e / (2 + e) with e = expm1(-2|x|)."""
    double = at_most(builder, magnitude(builder, builder.fadd(x, x)), SATURATED[format_of(x).width])
    e = _expm1_scaled(builder, builder.fneg(double), 1.0)
    denominator = quick_two_sum(builder, constant(x.type, 2), e)
    return with_sign_of(builder, quotient(builder, e, *denominator), x)


def sigmoid(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """1 / (1 + e**-x), as t / (1 + t) with t = e**-|x| where x < 0, so that the tail keeps its digits."""
    one = constant(x.type, 1)
    t = exp(builder, builder.fneg(magnitude(builder, x)))
    numerator = builder.select(builder.fcmp_ordered("<", x, constant(x.type, 0)), t, one)
    return quotient(builder, numerator, *quick_two_sum(builder, one, t))


def sinh(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The hyperbolic sine, by addition: sinh(n*log(2)) * cosh(r) + cosh(n*log(2)) * sinh(r)."""
    r, sinh_tail, cosh_tail, growing, falling = _hyperbolic_parts(builder, x)
    sinh_n, cosh_n = builder.fsub(growing, falling), builder.fadd(growing, falling)
    # The two largest terms first: they may cancel, and the others are small.
    leading = fused(builder, cosh_n, r, sinh_n)
    rest = fused(builder, cosh_n, sinh_tail, builder.fmul(sinh_n, cosh_tail))
    result = with_sign_of(builder, _four_times(builder, builder.fadd(leading, rest)), x)
    small = builder.fcmp_ordered("<", magnitude(builder, x), constant(x.type, 2.0**-28))
    return builder.select(small, x, result)


def cosh(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The hyperbolic cosine, by addition: cosh(n*log(2)) * cosh(r) + sinh(n*log(2)) * sinh(r)."""
    r, sinh_tail, cosh_tail, growing, falling = _hyperbolic_parts(builder, x)
    sinh_n, cosh_n = builder.fsub(growing, falling), builder.fadd(growing, falling)
    # To first order in r the growing and the falling exponential apart, so that their sum is rounded once.
    leading = fused(builder, growing, r, growing)
    opposite = fused(builder, builder.fneg(falling), r, falling)
    rest = fused(builder, sinh_n, sinh_tail, fused(builder, cosh_n, cosh_tail, opposite))
    return _four_times(builder, builder.fadd(leading, rest))


def _four_times(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    return builder.fmul(x, constant(x.type, 4))


def _hyperbolic_parts(builder: ir.IRBuilder, x: ir.Value) -> tuple[ir.Value, ...]:
    """With |x| = n*log(2) + r: r, sinh(r) - r, cosh(r) - 1, 2**(n-3) and 2**(-n-3).

    An eighth of the powers, a quarter of the results, since 2**n overflows before the results do.
    """
    kind = format_of(x)
    x = at_most(builder, magnitude(builder, x), COSH_RANGE[kind.width])
    n, bits = nearest(builder, x, LOG2_E, kind.bias - 3)
    r, low = less_multiple_of_log_2(builder, x, n)
    square = builder.fmul(r, r)
    sinh_tail = fused(builder, builder.fmul(square, r), horner(builder, square, SINH[kind.width]), low)
    cosh_tail = builder.fmul(square, horner(builder, square, COSH[kind.width]))
    growing = power_of_two(builder, bits)
    # 2**(-n-3) from the same word, as the two exponent fields add to a constant. The mask keeps the field
    # from falling below zero where the term is too small to matter.
    opposite = builder.sub(constant(kind.integer, 2 * (kind.bias - 3)), bits)
    falling = power_of_two(builder, builder.and_(opposite, constant(kind.integer, kind.bias)))
    return r, sinh_tail, cosh_tail, growing, falling


def _expm1_scaled(builder: ir.IRBuilder, x: ir.Value, factor: float) -> ir.Value:
    """factor * (e**x - 1), for a power of two `factor`, where neither it nor 2**n overflows.

    2**n * (exp(r) - 1) + (2**n - 1): the two leading terms are added without error, since they may cancel.
    """
    exponent = format_of(x).bias + int(math.log2(factor))
    n, bits = nearest(builder, x, LOG2_E, exponent)
    r, low = less_multiple_of_log_2(builder, x, n)
    power = power_of_two(builder, bits)
    offset = builder.fsub(power, constant(x.type, factor))
    leading, error = quick_two_sum(builder, offset, builder.fmul(power, r))
    rest = fused(builder, power, past_first_order(builder, r, low), error)
    return builder.fadd(leading, rest)


def less_multiple_of_log_2(builder: ir.IRBuilder, x: ir.Value, n: ir.Value) -> tuple[ir.Value, ir.Value]:
    """r = x - n*log(2) and its rounding error."""
    high, low = (constant(x.type, -part) for part in LOG_2[format_of(x).width])
    exact = fused(builder, n, high, x)
    r = fused(builder, n, low, exact)
    return r, fused(builder, n, low, builder.fsub(exact, r))


def past_first_order(builder: ir.IRBuilder, r: ir.Value, addend: ir.Value) -> ir.Value:
    """exp(r) - 1 - r + addend, for |r| <= log(2)/2."""
    square = builder.fmul(r, r)
    return fused(builder, square, polynomial(builder, r, EXPM1[format_of(r).width]), addend)


def power_of_two(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    """2**n, when the lowest bits of `bits` are n + bias and 2**n is a normal number."""
    fraction = 52 if bits.type.width == 64 else 23
    return as_float(builder, builder.shl(bits, constant(bits.type, fraction)))


def scale(builder: ir.IRBuilder, y: ir.Value, bits: ir.Value) -> ir.Value:
    """y * 2**n, when the lowest bits of `bits` are n + 2*bias.

    Two factors, as 2**n itself may overflow or underflow; only the second product rounds.
    """
    half = builder.lshr(bits, constant(bits.type, 1))
    first = power_of_two(builder, half)
    second = power_of_two(builder, builder.sub(bits, half))
    return builder.fmul(builder.fmul(y, first), second)
