"""sin, cos and tan.

The argument is reduced by multiples of pi with pi in three parts (Cody and Waite 1980), and the remainder is
kept as a sum of two numbers, so that results near a zero of the function keep their digits. That serves
arguments up to 2**30 (float32: 2**17). Beyond, libm is called, on a path that the vectoriser keeps:
the call stands in a branch that vector code takes for single elements, see `_by_libm`.
"""

import math

from llvmlite import ir

from .arithmetic import (
    as_float,
    as_integer,
    constant,
    format_of,
    fused,
    magnitude,
    nearest,
    polynomial,
    quick_two_sum,
    quotient,
    two_product,
    unary,
)

# pi/2 in three parts; pi has twice these.
HALF_PI = {
    64: (
        float.fromhex("0x1.921fb54442d18p+0"),
        float.fromhex("0x1.1a62633145c07p-54"),
        float.fromhex("-0x1.f1976b7ed8fbcp-110"),
    ),
    32: (
        float.fromhex("0x1.921fb6p+0"),
        float.fromhex("-0x1.777a5cp-25"),
        float.fromhex("-0x1.ee59dap-50"),
    ),
}

# (sin(r) - r) / r**3 on |r| <= pi/2 (and what rounding of n adds) as a polynomial in r**2, minimax relative
# to sin(r): 2**-59 and 2**-28.
SIN = {
    64: (
        -0.16666666666666666,
        0.008333333333333194,
        -0.00019841269841209188,
        2.755731921113653e-06,
        -2.505210687267743e-08,
        1.6058939696520368e-10,
        -7.642991161654503e-13,
        2.721170634500412e-15,
    ),
    32: (-0.16666667, 0.008333333, -0.00019840815, 2.75238e-06, -2.3860357e-08),
}
# (tan(r) - r) / r**3 on |r| <= pi/4: 2**-57 and 2**-28.
TAN = {
    64: (
        0.33333333333333376,
        0.13333333333325817,
        0.053968253972645215,
        0.021869488406435968,
        0.008863237806221388,
        0.0035921021044961125,
        0.001456036785850464,
        0.0005889085870906761,
        0.0002435934757016022,
        8.396366754544676e-05,
        6.648209345665533e-05,
        -2.4694541381406367e-05,
        4.784893005755943e-05,
        -2.388268460822819e-05,
        9.711666675835348e-06,
    ),
    32: (0.33333352, 0.13332604, 0.054066695, 0.02124608, 0.01093212, -3.5789897e-05, 0.0044395975),
}

REDUCIBLE = {64: 2.0**30, 32: 2.0**17}


def sin(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The sine: (-1)**n * sin(r) with |x| = n*pi + r."""
    size = magnitude(builder, x)
    n, bits = nearest(builder, size, 1 / math.pi)
    r, low = less_multiple(builder, size, n, 2.0)
    flip = builder.xor(last_bit_as_sign(builder, bits), sign_bit(builder, x))
    return _within_reach(builder, "sin", x, size, negate_if(builder, _sine(builder, r, low), flip))


def cos(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The cosine: (-1)**(n + 1) * sin(r) with |x| = (n + 1/2)*pi + r."""
    size = magnitude(builder, x)
    turns = fused(builder, size, constant(x.type, 1 / math.pi), constant(x.type, -0.5))
    n, bits = nearest(builder, turns, 1.0, 1)
    odd = fused(builder, n, constant(x.type, 2), constant(x.type, 1))
    r, low = less_multiple(builder, size, odd, 1.0)
    flip = last_bit_as_sign(builder, bits)
    return _within_reach(builder, "cos", x, size, negate_if(builder, _sine(builder, r, low), flip))


def tan(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The tangent: tan(r) or -1/tan(r) with |x| = n*pi/2 + r."""
    size = magnitude(builder, x)
    n, bits = nearest(builder, size, 2 / math.pi)
    r, low = less_multiple(builder, size, n, 1.0)
    square = builder.fmul(r, r)
    cube = builder.fmul(square, r)
    # The derivative of tan(r), 1 + r**2 + ..., times the low part.
    low = fused(builder, builder.fmul(square, constant(x.type, 1.3)), low, low)
    rest = fused(builder, cube, polynomial(builder, square, TAN[format_of(x).width]), low)
    tangent, error = quick_two_sum(builder, r, rest)
    cotangent = quotient(builder, constant(x.type, 1), tangent, error)
    odd = last_bit_as_sign(builder, bits)
    swap = builder.icmp_signed("<", odd, constant(odd.type, 0))
    flip = builder.xor(odd, sign_bit(builder, x))
    y = negate_if(builder, builder.select(swap, cotangent, tangent), flip)
    return _within_reach(builder, "tan", x, size, y)


def less_multiple(builder: ir.IRBuilder, x: ir.Value, n: ir.Value, factor: float) -> tuple[ir.Value, ir.Value]:
    """x - n*factor*pi/2 as a sum of two numbers, for n the nearest integer and `factor` a power of two."""
    first, second, third = (constant(x.type, part * factor) for part in HALF_PI[format_of(x).width])
    product, error = two_product(builder, n, first)
    # Exact: x and the product are close, and the difference is a short multiple of their last place.
    exact = builder.fsub(builder.fsub(x, product), error)
    product, error = two_product(builder, n, second)
    r = builder.fsub(exact, product)
    low = builder.fsub(builder.fsub(builder.fsub(exact, r), product), error)
    return r, fused(builder, builder.fneg(n), third, low)


def _sine(builder: ir.IRBuilder, r: ir.Value, low: ir.Value) -> ir.Value:
    """sin(r + low) for |r| <= pi/2."""
    first, *others = SIN[format_of(r).width]
    square = builder.fmul(r, r)
    cube = builder.fmul(square, r)
    # The derivative of sin(r), well enough for a last place.
    slope = fused(builder, square, constant(r.type, -0.4), constant(r.type, 1))
    fifth = builder.fmul(cube, square)
    rest = fused(builder, fifth, polynomial(builder, square, others), builder.fmul(slope, low))
    return builder.fadd(r, fused(builder, cube, constant(r.type, first), rest))


def last_bit_as_sign(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    """The last bit in the place of the sign, the others zero."""
    return builder.shl(bits, constant(bits.type, bits.type.width - 1))


def sign_bit(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The sign bit alone."""
    kind = format_of(x)
    return builder.and_(as_integer(builder, x), constant(kind.integer, 1 << (kind.width - 1)))


def negate_if(builder: ir.IRBuilder, x: ir.Value, sign: ir.Value) -> ir.Value:
    """x with its sign bit flipped where `sign` has it set."""
    return as_float(builder, builder.xor(as_integer(builder, x), sign))


def _within_reach(builder: ir.IRBuilder, name: str, x: ir.Value, size: ir.Value, y: ir.Value) -> ir.Value:
    """y where the reduction above holds, and libm's value elsewhere."""
    before = builder.block
    far = builder.fcmp_ordered(">", size, constant(x.type, REDUCIBLE[format_of(x).width]))
    with builder.if_then(far, likely=False):
        value = builder.call(_by_libm(builder.module, name, x.type), [x])
        inside = builder.block
    result = builder.phi(x.type)
    result.add_incoming(y, before)
    result.add_incoming(value, inside)
    return result


def _by_libm(module: ir.Module, name: str, kind: ir.Type) -> ir.Function:
    """libm's function, in a form that LLVM admits to a vector loop as conditional calls of single elements.

    LLVM admits a conditional call if the function has a masked vector variant, named by an attribute and
    mangled as the vector function ABI says. The variant named here is 64 wide: no target chooses it, and so
    each lane is tested, and called if it must be, alone.
    """
    symbol = f"vecmath.{name}.{kind.intrinsic_name}"
    if symbol in module.globals:
        return module.globals[symbol]
    function = ir.Function(module, ir.FunctionType(kind, [kind]), symbol)
    function.linkage = "linkonce_odr"
    variant = f'"vector-function-abi-variant"="_ZGV_LLVM_M64v_{symbol}({symbol})"'
    for attribute in ("noinline", "cold", "nounwind", "willreturn", "memory(none)", variant):
        set.add(function.attributes, attribute)  # the method of llvmlite's subclass knows only older ones
    double = ir.DoubleType()
    body = ir.IRBuilder(function.append_basic_block())
    x = function.args[0]
    y = unary(body, name, x if kind == double else body.fpext(x, double))
    body.ret(y if kind == double else body.fptrunc(y, kind))
    return function
