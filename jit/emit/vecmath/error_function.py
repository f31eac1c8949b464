"""erf and erfc."""

from llvmlite import ir

from .arithmetic import (
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
    with_sign_of,
)
from .exponential import LOG2_E, less_multiple_of_log_2, past_first_order, power_of_two, scale

# erf(x)/x - 1 for |x| <= 1 as a polynomial in x**2, minimax relative to erf(x): 2**-55 and 2**-29.
ERF = {
    64: (
        0.1283791670955126,
        -0.3761263890318352,
        0.11283791670944199,
        -0.026866170643113425,
        0.00522397760613084,
        -0.000854832592976625,
        0.00012055293586936946,
        -1.492471243953482e-05,
        1.6447132699786607e-06,
        -1.620631875296921e-07,
        1.3710988704190498e-08,
        -7.779462971761605e-10,
    ),
    32: (0.12837917, -0.37612626, 0.112835854, -0.026853817, 0.0051883315, -0.0008010206, 7.85385e-05),
}
# -log(erfc(x))/x - 1 for 1 <= x <= 6 (float32: 4), minimax relative to erf(x): 2**-58 and 2**-28.
LOG_ERFC = {
    64: (
        0.1283791109358884,
        0.6366202519660494,
        0.10277083011618406,
        -0.019124972651986476,
        -0.0002120219797765885,
        0.0016925887679133792,
        -0.0005746394276068106,
        -9.899211502899463e-07,
        9.549585567466598e-05,
        -5.6043081319826326e-05,
        2.0353128422088606e-05,
        -5.385779756282759e-06,
        1.07825387312288e-06,
        -1.63045974338334e-07,
        1.813353531395547e-08,
        -1.4026627022187424e-09,
        6.746022563538563e-11,
        -1.5191543110723752e-12,
    ),
    32: (0.12848012, 0.6358313, 0.10511633, -0.022798583, 0.0031869838, -0.00021064744),
}
# (1 + 2*x) * exp(x**2) * erfc(x) for 3/4 <= x <= 27.5 (float32: 10.6) as a polynomial in (x - 3) / (x + 3),
# minimax relative: 2**-56 and 2**-28; the constant in two parts.
ERFCX_CONSTANT = {64: (1.2530080582697296, 4.5344682212681693e-17), 32: (1.253008, 4.9481496e-08)}
ERFCX = {
    64: (
        -0.13562110612458153,
        -0.04756229435345115,
        0.1296451587028147,
        -0.11927366341529268,
        0.06830802734157775,
        -0.0237705149183345,
        0.002529391864866432,
        0.0018886903369371433,
        -0.0007798328123077874,
        -0.00010515940304711497,
        0.00012510286759077443,
        4.9460118678935305e-06,
        -2.011428112014139e-05,
        -7.144496274177596e-07,
        3.50328849574359e-06,
        3.0857178095405944e-07,
        -6.509163542553789e-07,
        -6.679154485071126e-08,
        1.0859074591351119e-07,
        -1.126257080289623e-08,
    ),
    32: (
        -0.13562109,
        -0.04756218,
        0.12964448,
        -0.11927651,
        0.068317585,
        -0.023746394,
        0.002474786,
        0.0018044504,
        -0.0006448125,
    ),
}
# Beyond this erf(x) rounds to 1.
SATURATED = {64: 6.0, 32: 4.0}
# Beyond this erfc(x) underflows to zero.
VANISHED = {64: 27.5, 32: 10.6}


def erf(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The error function: its series below 1, from there 1 - exp(log(erfc(|x|)))."""
    kind = format_of(x)
    size = magnitude(builder, x)
    near = fused(builder, x, polynomial(builder, builder.fmul(x, x), ERF[kind.width]), x)
    t = at_most(builder, size, SATURATED[kind.width])
    log = builder.fneg(fused(builder, t, polynomial(builder, t, LOG_ERFC[kind.width]), t))
    n, bits = nearest(builder, log, LOG2_E, kind.bias)
    r, _ = less_multiple_of_log_2(builder, log, n)
    power = power_of_two(builder, bits)
    distance = builder.fsub(constant(x.type, 1), power)
    far = fused(builder, builder.fneg(power), past_first_order(builder, r, r), distance)
    is_near = builder.fcmp_ordered("<", size, constant(x.type, 1))
    return builder.select(is_near, near, with_sign_of(builder, far, x))


def erfc(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """1 - erf(x): from the series of erf up to 3/4, from there exp(-x**2) * (exp(x**2) * erfc(x)).

    The second factor, made slowly varying by 1 + 2*x, is a polynomial of (x - 3) / (x + 3)
    (Shepherd and Laframboise, Math. Comp. 36, 1981).
    """
    kind = format_of(x)
    one, two = constant(x.type, 1), constant(x.type, 2)
    rest = builder.fmul(x, polynomial(builder, builder.fmul(x, x), ERF[kind.width]))
    near = builder.fsub(builder.fsub(one, x), rest)
    size = magnitude(builder, x)
    far = _erfc_far(builder, at_most(builder, size, VANISHED[kind.width]))
    negative = builder.fcmp_ordered("<", x, constant(x.type, 0))
    far = builder.select(negative, builder.fsub(two, far), far)
    is_near = builder.fcmp_ordered("<", size, constant(x.type, 0.75))
    return builder.select(is_near, near, far)


def _erfc_far(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """erfc(x) for x >= 3/4."""
    width = format_of(x).width
    one, three = constant(x.type, 1), constant(x.type, 3)
    t = builder.fdiv(builder.fsub(x, three), builder.fadd(x, three))
    constant_high, constant_low = (constant(x.type, part) for part in ERFCX_CONSTANT[width])
    rest = fused(builder, t, polynomial(builder, t, ERFCX[width]), constant_low)
    p, p_low = quick_two_sum(builder, constant_high, rest)
    # p / (1 + 2*x), as a sum of two numbers.
    divisor, divisor_low = quick_two_sum(builder, builder.fadd(x, x), one)
    inverse = builder.fdiv(one, divisor)
    factor = builder.fmul(p, inverse)
    remainder = less_product(builder, less_product(builder, p, factor, divisor), factor, divisor_low)
    factor_low = builder.fmul(builder.fadd(remainder, p_low), inverse)
    # exp(-x**2) with both parts of the square; its 1 is not added before the product.
    square, square_low = two_product(builder, x, x)
    exponent = builder.fneg(square)
    n, bits = nearest(builder, exponent, LOG2_E, 2 * format_of(x).bias)
    r, rounding = less_multiple_of_log_2(builder, exponent, n)
    r, low = quick_two_sum(builder, r, builder.fsub(rounding, square_low))
    rest = fused(builder, factor, past_first_order(builder, r, low), factor_low)
    return scale(builder, builder.fadd(factor, fused(builder, factor, r, rest)), bits)
