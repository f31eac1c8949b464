"""x**y."""

import math

from llvmlite import ir

from .arithmetic import (
    at_least,
    at_most,
    constant,
    format_of,
    fused,
    less_product,
    magnitude,
    nearest,
    polynomial,
    quick_two_sum,
    two_product,
    unary,
)
from .exponential import EXP_RANGE, LOG2_E, LOG_2, less_multiple_of_log_2, past_first_order, scale
from .logarithm import scaled_to_normal, split
from .trigonometric import negate_if, sign_bit

# (2*atanh(s) - 2*s - 2/3*s**3) / s**5 as a polynomial in s**2, for |s| <= (sqrt(2) - 1) / (sqrt(2) + 1),
# minimax relative to 2*atanh(s): 2**-66 and 2**-37.
ATANH = {
    64: (
        0.40000000000002267,
        0.28571428570093227,
        0.22222222521163554,
        0.18181784250184954,
        0.15386763057014907,
        0.13256677461037145,
        0.13197688103875793,
    ),
    32: (0.40000153, 0.2854709, 0.23419662),
}
TWO_THIRDS = {
    64: (float.fromhex("0x1.5555555555555p-1"), float.fromhex("0x1.5555555555555p-55")),
    32: (float.fromhex("0x1.555556p-1"), float.fromhex("-0x1.555556p-26")),
}


def pow(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """x**y, with the special values of IEEE 754 (and of NumPy).

    exp(y*log|x|), with the logarithm and the product as sums of two numbers: the absolute error of an
    exponent, which may be near 700, is the relative error of the power (Markstein, IA-64 and Elementary
    Functions, 2000).
    """
    kind = format_of(x)
    size = magnitude(builder, x)
    log_high, log_low = _log(builder, size)
    high, low = two_product(builder, y, log_high)
    low = fused(builder, y, log_low, low)
    bound = EXP_RANGE[kind.width]
    high_inside = at_most(builder, at_least(builder, high, bound[0]), bound[1])
    # Where the product has left the range its low part may be anything.
    left = builder.fcmp_unordered("!=", high, high_inside)
    low = builder.select(left, constant(x.type, 0), low)
    n, bits = nearest(builder, high_inside, LOG2_E, 2 * kind.bias)
    r, rounding = less_multiple_of_log_2(builder, high_inside, n)
    r, low = quick_two_sum(builder, r, builder.fadd(rounding, low))
    q = builder.fadd(r, past_first_order(builder, r, low))
    result = scale(builder, builder.fadd(q, constant(x.type, 1)), bits)
    return _signed(builder, x, y, size, result)


def _signed(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, size: ir.Value, result: ir.Value) -> ir.Value:
    """x**y from |x|**y: the sign, NaN for a root of a negative number, and what is 1 for any x or y."""
    one = constant(x.type, 1)
    infinity = constant(x.type, math.inf)
    half = builder.fmul(y, constant(y.type, 0.5))
    whole = builder.fcmp_ordered("==", unary(builder, "rint", y), y)
    odd = builder.and_(whole, builder.fcmp_ordered("!=", unary(builder, "rint", half), half))
    kind = format_of(x)
    sign = builder.select(odd, sign_bit(builder, x), constant(kind.integer, 0))
    result = negate_if(builder, result, sign)
    negative = builder.fcmp_ordered("<", x, constant(x.type, 0))
    finite = builder.fcmp_ordered("<", size, infinity)
    root = builder.and_(builder.and_(negative, finite), builder.not_(whole))
    result = builder.select(root, constant(x.type, math.nan), result)
    unit = builder.fcmp_ordered("==", y, constant(y.type, 0))
    unit = builder.or_(unit, builder.fcmp_ordered("==", x, one))
    endless = builder.fcmp_ordered("==", magnitude(builder, y), infinity)
    unit = builder.or_(unit, builder.and_(endless, builder.fcmp_ordered("==", size, one)))
    return builder.select(unit, one, result)


def _log(builder: ir.IRBuilder, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """log(x) for x >= 0 as a sum of two numbers, with half as many bits again as one holds."""
    width = format_of(x).width
    k, f, _ = split(builder, *scaled_to_normal(builder, x))
    two = constant(x.type, 2)
    # s = f / (2 + f) and its error.
    below, below_low = quick_two_sum(builder, two, f)
    inverse = builder.fdiv(constant(x.type, 1), below)
    s = builder.fmul(f, inverse)
    remainder = less_product(builder, less_product(builder, f, s, below), s, below_low)
    s_low = builder.fmul(remainder, inverse)
    # s**2, and s**3.
    square, error = two_product(builder, s, s)
    square_low = fused(builder, builder.fmul(two, s), s_low, error)
    cube, error = two_product(builder, square, s)
    cube_low = fused(builder, square, s_low, fused(builder, square_low, s, error))
    # s**3 * (2/3 + s**2 * (2/5 + ...)).
    third, third_low = (constant(x.type, part) for part in TWO_THIRDS[width])
    fifth = builder.fmul(square, polynomial(builder, square, ATANH[width]))
    factor, factor_low = quick_two_sum(builder, third, fifth)
    factor_low = builder.fadd(factor_low, third_low)
    tail, error = two_product(builder, cube, factor)
    tail_low = fused(builder, cube, factor_low, fused(builder, cube_low, factor, error))
    # k*log(2) + 2*s + tail.
    high, low = (constant(x.type, part) for part in LOG_2[width])
    total, error = quick_two_sum(builder, builder.fmul(k, high), builder.fmul(two, s))
    total, error_2 = quick_two_sum(builder, total, tail)
    rest = builder.fadd(fused(builder, k, low, tail_low), builder.fmul(two, s_low))
    rest = builder.fadd(rest, builder.fadd(error, error_2))
    total, rest = quick_two_sum(builder, total, rest)
    zero = constant(x.type, 0)
    infinity = constant(x.type, math.inf)
    pole = builder.fcmp_ordered("==", x, zero)
    regular = builder.and_(builder.fcmp_ordered("<", x, infinity), builder.not_(pole))
    total = builder.select(regular, total, builder.select(pole, constant(x.type, -math.inf), x))
    return total, builder.select(regular, rest, zero)
