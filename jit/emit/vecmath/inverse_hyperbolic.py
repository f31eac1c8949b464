"""arcsinh, arccosh and arctanh."""

import math

from llvmlite import ir

from .arithmetic import (
    at_least,
    constant,
    format_of,
    fused,
    less_product,
    magnitude,
    polynomial,
    quick_two_sum,
    square_root,
    two_sum,
    with_sign_of,
)
from .exponential import LOG_2
from .logarithm import ATANH, log_of_sum, split


def arcsinh(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """log(|x| + sqrt(x**2 + 1)) with the sign of x, as log(1 + u), u = |x| + x**2 / (1 + sqrt(x**2 + 1))."""
    one = constant(x.type, 1)
    size = magnitude(builder, x)
    square = builder.fmul(size, size)
    root = square_root(builder, builder.fadd(square, one))
    second = builder.fdiv(square, builder.fadd(root, one))
    u, u_low = quick_two_sum(builder, size, second)
    return with_sign_of(builder, _log_one_plus(builder, size, u, u_low), x)


def arccosh(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """log(x + sqrt(x**2 - 1)), as log(1 + u), u = t + sqrt(t**2 + 2*t), t = x - 1."""
    t = builder.fsub(x, constant(x.type, 1))
    square = fused(builder, t, t, builder.fadd(t, t))
    root = square_root(builder, square)
    remainder = less_product(builder, square, root, root)
    some_root = at_least(builder, root, 2.0**-60)  # only a zero is less
    root_low = builder.fdiv(builder.fmul(remainder, constant(x.type, 0.5)), some_root)
    u, u_low = quick_two_sum(builder, root, t)
    y = _log_one_plus(builder, x, u, builder.fadd(u_low, root_low))
    inside = builder.fcmp_ordered(">=", x, constant(x.type, 1))
    return builder.select(inside, y, constant(x.type, math.nan))


def arctanh(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """log((1 + |x|) / (1 - |x|)) / 2 with the sign of x.

    That quotient is 2**k * (1 + f), and s = f / (2 + f) is written in x itself: for small x, k = 0 and s = x.
    """
    kind = format_of(x)
    one, half = constant(x.type, 1), constant(x.type, 0.5)
    size = magnitude(builder, x)
    ratio = builder.fdiv(builder.fadd(one, size), builder.fsub(one, size))
    k, _, twice_inverse = split(builder, ratio)
    inverse = builder.fmul(twice_inverse, half)
    s = _ratio(builder, inverse, size)
    square = builder.fmul(s, s)
    series = builder.fmul(polynomial(builder, square, ATANH[kind.width]), half)
    high, low = (constant(x.type, part / 2) for part in LOG_2[kind.width])
    tail = fused(builder, builder.fmul(square, s), series, builder.fmul(k, low))
    leading, error = quick_two_sum(builder, builder.fmul(k, high), s)
    y = builder.fadd(leading, builder.fadd(error, tail))
    pole = builder.fcmp_ordered("==", size, one)
    beyond = builder.select(pole, constant(x.type, math.inf), constant(x.type, math.nan))
    inside = builder.fcmp_ordered("<", size, one)
    return with_sign_of(builder, builder.select(inside, y, beyond), x)


def _ratio(builder: ir.IRBuilder, p: ir.Value, x: ir.Value) -> ir.Value:
    """(p*(1 + x) - (1 - x)) / (p*(1 + x) + (1 - x)) for 0 <= x < 1 and a power of two p.

    Below 1/2 as x times p ± 1 plus p ∓ 1, where p is 1 or 1/2; above, where 1 - x is exact, as written.
    """
    one = constant(x.type, 1)
    low = builder.fcmp_ordered("<", x, constant(x.type, 0.5))
    above, below = builder.fadd(p, one), builder.fsub(p, one)
    rest = builder.fsub(one, x)
    numerator = fused(
        builder,
        x,
        builder.select(low, above, p),
        builder.select(low, below, builder.fsub(p, rest)),
    )
    denominator = fused(
        builder,
        x,
        builder.select(low, below, p),
        builder.select(low, above, builder.fadd(p, rest)),
    )
    return builder.fdiv(numerator, denominator)


def _log_one_plus(builder: ir.IRBuilder, x: ir.Value, u: ir.Value, u_low: ir.Value) -> ir.Value:
    """log(1 + u + u_low), and log(2*x) where x is so large that this is the same."""
    kind = format_of(x)
    zero, one = constant(x.type, 0), constant(x.type, 1)
    high, low = two_sum(builder, one, u)
    low = builder.fadd(low, u_low)
    large = builder.fcmp_ordered(">", x, constant(x.type, 2.0 ** (kind.fraction // 2 + 4)))
    high = builder.select(large, x, high)
    low = builder.select(large, zero, low)
    y = log_of_sum(builder, high, low, builder.select(large, one, zero))
    return builder.select(builder.fcmp_ordered("<", x, constant(x.type, math.inf)), y, x)
