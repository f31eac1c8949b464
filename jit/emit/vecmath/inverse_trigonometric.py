"""arctan, arctan2, arcsin and arccos."""

import math

from llvmlite import ir

from .arithmetic import (
    constant,
    format_of,
    fused,
    magnitude,
    polynomial,
    quick_two_sum,
    square_root,
    with_sign_of,
)
from .trigonometric import HALF_PI, negate_if, sign_bit

# (atan(t) - t) / t**3 for |t| <= 1/2 as a polynomial in t**2, minimax relative to atan(t): 2**-57 and 2**-29.
ATAN = {
    64: (
        -0.3333333333333298,
        0.19999999999902793,
        -0.142857142763577,
        0.11111110658408996,
        -0.09090896213849414,
        0.07692073426522435,
        -0.06663805631703014,
        0.05858265059068318,
        -0.05121854815176811,
        0.04186079434809576,
        -0.027428108452616368,
        0.010112045035226292,
    ),
    32: (-0.33333325, 0.19999483, -0.14272077, 0.10940899, -0.079836495, 0.038716067),
}
# (asin(t) - t) / t**3 for |t| <= 1/2 as a polynomial in t**2, minimax relative to asin(t): 2**-59 and 2**-31.
ASIN = {
    64: (
        0.1666666666666676,
        0.074999999999708,
        0.04464285717461312,
        0.03038194270773879,
        0.022372214988606597,
        0.017351612000580503,
        0.013980820668201714,
        0.011398911413870637,
        0.010780256906042689,
        0.0037063933426883266,
        0.02170748613439169,
        -0.020999121445062153,
        0.03262866333897436,
    ),
    32: (0.1666666, 0.07500505, 0.044517063, 0.0318071, 0.014440528, 0.03751431),
}
# pi/4 in two parts; the first has two trailing zeros, so that multiples up to 4 are exact.
QUARTER_PI = {
    64: (float.fromhex("0x1.921fb54442d18p-1"), float.fromhex("0x1.1a62633145c07p-55")),
    32: (float.fromhex("0x1.921fb0p-1"), float.fromhex("0x1.5110b4p-23")),
}


def arctan(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The arc tangent."""
    quarters, t = _reduce(builder, magnitude(builder, x), constant(x.type, 1))
    return with_sign_of(builder, _angle(builder, quarters, t), x)


def arctan2(builder: ir.IRBuilder, y: ir.Value, x: ir.Value) -> ir.Value:
    """The angle of the point (x, y), with the special values of IEEE 754 (and of NumPy)."""
    width, height = _finite_point(builder, magnitude(builder, x), magnitude(builder, y))
    quarters, t = _reduce(builder, height, width)
    # Left of the axis the angle is pi less.
    left = builder.icmp_signed("<", sign_bit(builder, x), constant(format_of(x).integer, 0))
    quarters = builder.select(left, builder.fsub(constant(x.type, 4), quarters), quarters)
    t = negate_if(builder, t, sign_bit(builder, x))
    return with_sign_of(builder, _angle(builder, quarters, t), y)


def arcsin(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The arc sine: its series up to 1/2, from there pi/2 - 2*asin(sqrt((1 - |x|)/2))."""
    near, t, tail = _arc_sine_terms(builder, x)
    high, low = (constant(x.type, part) for part in HALF_PI[format_of(x).width][:2])
    leading, error = quick_two_sum(builder, high, builder.fneg(builder.fadd(t, t)))
    rest = builder.fsub(builder.fadd(error, low), builder.fadd(tail, tail))
    far = builder.fadd(leading, rest)
    return with_sign_of(builder, builder.select(near, builder.fadd(t, tail), far), x)


def arccos(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The arc cosine: pi/2 - asin(x) up to 1/2, from there 2*asin(sqrt((1 - |x|)/2)) or pi less that."""
    near, t, tail = _arc_sine_terms(builder, x)
    high, low = (constant(x.type, part) for part in HALF_PI[format_of(x).width][:2])
    sign = sign_bit(builder, x)
    middle = builder.fsub(negate_if(builder, tail, sign), low)
    middle = builder.fsub(high, builder.fadd(negate_if(builder, t, sign), middle))
    half_angle = builder.fadd(t, tail)
    right = builder.fadd(half_angle, half_angle)
    twice_high, twice_low = builder.fadd(high, high), builder.fadd(low, low)
    left = builder.fsub(twice_high, builder.fsub(right, twice_low))
    negative = builder.fcmp_ordered("<", x, constant(x.type, 0))
    return builder.select(near, middle, builder.select(negative, left, right))


def _arc_sine_terms(builder: ir.IRBuilder, x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Whether |x| < 1/2, then t = |x|, else t = sqrt((1 - |x|)/2); and asin(t) - t."""
    size = magnitude(builder, x)
    half = constant(x.type, 0.5)
    near = builder.fcmp_ordered("<", size, half)
    # Exact from 1/2 on.
    far_square = fused(builder, size, constant(x.type, -0.5), half)
    square = builder.select(near, builder.fmul(x, x), far_square)
    t = builder.select(near, size, square_root(builder, far_square))
    cube = builder.fmul(square, t)
    return near, t, builder.fmul(cube, polynomial(builder, square, ASIN[format_of(x).width]))


def _finite_point(builder: ir.IRBuilder, width: ir.Value, height: ir.Value) -> tuple[ir.Value, ir.Value]:
    """A point of the same direction, of which no sum overflows."""
    zero, one = constant(width.type, 0), constant(width.type, 1)
    infinity = constant(width.type, math.inf)
    wide = builder.fcmp_ordered("==", width, infinity)
    high = builder.fcmp_ordered("==", height, infinity)
    # Next to an infinity a number is zero; two infinities are alike.
    endless = builder.and_(builder.or_(wide, high), builder.fcmp_ordered("ord", width, height))
    larger = builder.select(builder.fcmp_ordered(">", width, height), width, height)
    exponent = 1000 if format_of(width).width == 64 else 120
    huge = builder.fcmp_ordered(">", larger, constant(width.type, 2.0**exponent))
    factor = builder.select(huge, constant(width.type, 2.0**-30), one)
    width = builder.select(endless, builder.select(wide, one, zero), builder.fmul(width, factor))
    height = builder.select(endless, builder.select(high, one, zero), builder.fmul(height, factor))
    return width, height


def _reduce(builder: ir.IRBuilder, y: ir.Value, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """n and t with atan(y/x) = n*pi/4 + atan(t), n in 0, 1, 2 and |t| <= 1/2, for x, y >= 0."""
    zero, one = constant(x.type, 0), constant(x.type, 1)
    flat = builder.fcmp_ordered("<=", builder.fadd(y, y), x)
    steep = builder.fcmp_ordered(">", y, builder.fadd(x, x))
    numerator = builder.select(steep, builder.fneg(x), builder.fsub(y, x))
    numerator = builder.select(flat, y, numerator)
    denominator = builder.select(steep, y, builder.fadd(y, x))
    denominator = builder.select(flat, x, denominator)
    origin = builder.fcmp_ordered("==", denominator, zero)
    t = builder.fdiv(numerator, builder.select(origin, one, denominator))
    n = builder.select(flat, zero, builder.select(steep, constant(x.type, 2), one))
    return n, t


def _angle(builder: ir.IRBuilder, n: ir.Value, t: ir.Value) -> ir.Value:
    """n*pi/4 + atan(t)."""
    width = format_of(t).width
    square = builder.fmul(t, t)
    cube = builder.fmul(square, t)
    high, low = (constant(t.type, part) for part in QUARTER_PI[width])
    leading, error = quick_two_sum(builder, builder.fmul(n, high), t)
    rest = fused(builder, n, low, builder.fmul(cube, polynomial(builder, square, ATAN[width])))
    return builder.fadd(leading, builder.fadd(rest, error))
