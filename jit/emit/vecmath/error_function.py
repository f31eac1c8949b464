"""erf and erfc."""

from llvmlite import ir

from .arithmetic import (
    at_most,
    constant,
    format_of,
    fused,
    magnitude,
    nearest,
    polynomial,
    with_sign_of,
)
from .exponential import LOG2_E, less_multiple_of_log_2, past_first_order, power_of_two

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
# Beyond this erf(x) rounds to 1.
SATURATED = {64: 6.0, 32: 4.0}


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
