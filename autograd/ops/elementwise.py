"""One line an op: its name, NumPy's function, and its partial derivatives given the output.

A partial is a function of `out` and the inputs, or a number where the derivative is constant. The
constructor turns it into the rule `unbroadcast(g * partial, x)`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from ..lengths import broadcast_shapes
from ..primitive import Aval, Primitive, Rule, Swept
from .broadcasting import astype, unbroadcast, zeros
from .complexes import by_element, conj, real
from .masking import masked, promoted, where

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))
TWO_OVER_SQRT_PI = float(2 / np.sqrt(np.pi))


def elementwise(
    name: str,
    ufunc: Any,
    *partials: Rule | float,
    eval: Callable[..., Any] | None = None,
    aval: Callable[..., Aval] | None = None,
    saves: str = "both",
) -> Primitive:
    """The primitive of a NumPy ufunc and its partial derivatives; without partials, of one that has none.

    `eval` replaces the ufunc's own call where an operator says the same and is faster on numbers.
    """
    if all(isinstance(partial, float) for partial in partials):
        saves = "shapes"
    return Primitive(
        name,
        eval=eval or ufunc,
        aval=aval or (lambda *avals: ufunc_aval(ufunc, avals)),
        vjps=tuple(_rule(partial, i, len(partials)) for i, partial in enumerate(partials)),
        saves=saves,
        elementwise=True,
    )


def _rule(partial: Rule | float, i: int, count: int) -> Swept:
    """The rule of input `i` of `count`; what `unbroadcast` would leave as it is does not reach it."""
    if not callable(partial):
        scaled = _SCALED.get(partial) or (lambda g, x: unbroadcast(g * partial, x))
        return Swept(lambda g, out, inputs, params: scaled(g, inputs[i]))
    if count == 1:

        def unary(g: Any, out: Any, inputs: Any, _: Any) -> Any:
            (x,) = inputs
            g = g * partial(out, x)
            return g if g.dtype is x.dtype else unbroadcast(g, x)

        return Swept(unary)

    def binary(g: Any, out: Any, inputs: Any, _: Any) -> Any:
        x, y = inputs
        g = g * partial(out, x, y)
        x = inputs[i]
        return g if g.dtype is x.dtype and g.shape == x.shape else unbroadcast(g, x)

    return Swept(binary)


#: The cotangent of an input from that of the output, by the partial derivative where that is a number.
_SCALED: dict[float, Callable[[Any, Any], Any]] = {
    1.0: unbroadcast,
    -1.0: lambda g, x: unbroadcast(-g, x),
    0.0: lambda _, x: zeros(x),
}


def ufunc_aval(ufunc: Any, avals: tuple[Aval, ...]) -> Aval:
    """The shape and dtype of what a ufunc makes of inputs of these."""
    dtypes = ufunc.resolve_dtypes((*[x.dtype for x in avals], None))
    return Aval(broadcast_shapes(*[x.shape for x in avals]), dtypes[-1])


def _pow_x(_out: Any, x: Any, y: Any) -> Any:
    # x**0 is constant, also at x = 0 where y * x**(y - 1) would be 0 * inf.
    if type(y) is int or isinstance(y, float):
        if y == 2:
            return 2 * x
        return y * x ** (y - 1) if y != 0 else 0
    constant = equal(y, 0)
    return where(constant, 0, y * x ** where(constant, 1, y - 1))


def _pow_y(out: Any, x: Any, _y: Any) -> Any:
    # 0**y is constant for y > 0; log(0) would make it NaN.
    zero = equal(x, 0)
    base = where(zero, 1, x)
    if out.dtype.kind == "c" and base.dtype.kind != "c":
        base = astype(base, dtype=out.dtype)
    return where(zero, 0, out * log(base))


def _abs_slope(x: Any) -> Any:
    return conj(sign(x)) if x.dtype.kind == "c" else sign(x)


def _sign_x(g: Any, out: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return zeros(x)
    # z / |z| changes only across its own direction.
    size = abs(x)
    zero = equal(size, 0)
    return by_element(lambda g: where(zero, 0, g - conj(out) * real(g * out)) / where(zero, 1, size), g)


def _arccosh_root(x: Any) -> Any:
    # To the left of the imaginary axis one root of the product would have the other sign.
    return sqrt(x - 1) * sqrt(x + 1) if x.dtype.kind == "c" else sqrt((x - 1) * (x + 1))


def _inverse(x: Any) -> Any:
    # The same number from NumPy, which would make an array of the 1 first.
    return np.reciprocal(x) if type(x) is np.ndarray and x.dtype.kind == "f" else 1 / x


def _relu(x: Any) -> Any:
    return np.maximum(x, 0)


def _split_ties(chosen: Any, x: Any, y: Any) -> Any:
    # Ties share the gradient equally, as the op is symmetric in its inputs.
    return where(equal(x, y), 0.5, chosen)


# fmt: off
neg        = elementwise("neg",        np.negative,   -1.0, eval=operator.neg)
abs        = elementwise("abs",        np.abs,        lambda _, x: _abs_slope(x), saves="inputs")
floor      = elementwise("floor",      np.floor,      0.0)
ceil       = elementwise("ceil",       np.ceil,       0.0)
round      = elementwise("round",      np.rint,       0.0)
trunc      = elementwise("trunc",      np.trunc,      0.0)
square     = elementwise("square",     np.square,     lambda _, x: 2 * x, saves="inputs")
sqrt       = elementwise("sqrt",       np.sqrt,       lambda out, _: 0.5 / out, saves="out")
reciprocal = elementwise("reciprocal", np.reciprocal, lambda out, _: -(out * out), saves="out")
exp        = elementwise("exp",        np.exp,        lambda out, _: out, saves="out")
exp2       = elementwise("exp2",       np.exp2,       lambda out, _: LN2 * out, saves="out")
expm1      = elementwise("expm1",      np.expm1,      lambda out, _: out + 1, saves="out")
log        = elementwise("log",        np.log,        lambda _, x: _inverse(x), saves="inputs")
log2       = elementwise("log2",       np.log2,       lambda _, x: 1 / (LN2 * x), saves="inputs")
log10      = elementwise("log10",      np.log10,      lambda _, x: 1 / (LN10 * x), saves="inputs")
log1p      = elementwise("log1p",      np.log1p,      lambda _, x: 1 / (1 + x), saves="inputs")
sin        = elementwise("sin",        np.sin,        lambda _, x: cos(x), saves="inputs")
cos        = elementwise("cos",        np.cos,        lambda _, x: -sin(x), saves="inputs")
tan        = elementwise("tan",        np.tan,        lambda out, _: 1 + out * out, saves="out")
arcsin     = elementwise("arcsin",     np.arcsin,     lambda _, x: 1 / sqrt((1 - x) * (1 + x)), saves="inputs")
arccos     = elementwise("arccos",     np.arccos,     lambda _, x: -1 / sqrt((1 - x) * (1 + x)), saves="inputs")
arctan     = elementwise("arctan",     np.arctan,     lambda _, x: 1 / (1 + x * x), saves="inputs")
sinh       = elementwise("sinh",       np.sinh,       lambda _, x: cosh(x), saves="inputs")
cosh       = elementwise("cosh",       np.cosh,       lambda _, x: sinh(x), saves="inputs")
tanh       = elementwise("tanh",       np.tanh,       lambda out, _: 1 - out * out, saves="out")
arcsinh    = elementwise("arcsinh",    np.arcsinh,    lambda _, x: 1 / sqrt(x * x + 1), saves="inputs")
arccosh    = elementwise("arccosh",    np.arccosh,    lambda _, x: 1 / _arccosh_root(x), saves="inputs")
arctanh    = elementwise("arctanh",    np.arctanh,    lambda _, x: 1 / ((1 - x) * (1 + x)), saves="inputs")
sigmoid    = elementwise("sigmoid",    special.expit, lambda out, _: out * (1 - out), saves="out")
softplus   = elementwise("softplus",   special.expit, lambda _, x: sigmoid(x), saves="inputs",
                         eval=lambda x: np.logaddexp(x, 0))
relu       = elementwise("relu",       np.sqrt,       lambda out, _: greater(out, 0), saves="out", eval=_relu, aval=promoted)
erf        = elementwise("erf",        special.erf,   lambda _, x: TWO_OVER_SQRT_PI * exp(-(x * x)), saves="inputs")
erfc       = elementwise("erfc",       special.erfc,  lambda _, x: -TWO_OVER_SQRT_PI * exp(-(x * x)), saves="inputs")
isnan      = elementwise("isnan",      np.isnan)
isinf      = elementwise("isinf",      np.isinf)
isfinite   = elementwise("isfinite",   np.isfinite)
logical_not = elementwise("logical_not", np.logical_not)

add           = elementwise("add",           np.add,          1.0, 1.0, eval=operator.add)
sub           = elementwise("sub",           np.subtract,     1.0, -1.0, eval=operator.sub)
mul           = elementwise("mul",           np.multiply,     lambda _, x, y: y, lambda _, x, y: x, saves="inputs", eval=operator.mul)
floor_divide  = elementwise("floor_divide",  np.floor_divide, 0.0, 0.0, eval=operator.floordiv)
mod           = elementwise("mod",           np.remainder,    1.0, lambda _, x, y: -floor_divide(x, y), saves="inputs", eval=operator.mod)
pow           = elementwise("pow",           np.power,        _pow_x, _pow_y, eval=operator.pow)
arctan2       = elementwise("arctan2",       np.arctan2,      lambda _, x, y: y / (x * x + y * y), lambda _, x, y: -x / (x * x + y * y), saves="inputs")
logaddexp     = elementwise("logaddexp",     np.logaddexp,    lambda _, x, y: sigmoid(x - y), lambda _, x, y: sigmoid(y - x), saves="inputs")
copysign      = elementwise("copysign",      np.copysign,     lambda _, x, y: sign(x) * copysign(1.0, y), 0.0, saves="inputs")
hypot         = elementwise("hypot",         np.hypot,        lambda out, x, y: x / out, lambda out, x, y: y / out)
maximum       = elementwise("maximum",       np.maximum,      lambda _, x, y: _split_ties(greater(x, y), x, y), lambda _, x, y: _split_ties(less(x, y), x, y), saves="inputs")
minimum       = elementwise("minimum",       np.minimum,      lambda _, x, y: _split_ties(less(x, y), x, y), lambda _, x, y: _split_ties(greater(x, y), x, y), saves="inputs")
equal         = elementwise("equal",         np.equal)
not_equal     = elementwise("not_equal",     np.not_equal)
less          = elementwise("less",          np.less)
less_equal    = elementwise("less_equal",    np.less_equal)
greater       = elementwise("greater",       np.greater)
greater_equal = elementwise("greater_equal", np.greater_equal)
logical_and   = elementwise("logical_and",   np.logical_and)
logical_or    = elementwise("logical_or",    np.logical_or)
logical_xor   = elementwise("logical_xor",   np.logical_xor)
# fmt: on

div = Primitive(
    "div",
    eval=operator.truediv,
    aval=lambda x, y: ufunc_aval(np.divide, (x, y)),
    # g / y rather than g * (1 / y): one operation less, and Python's 1 / 0 would raise.
    vjps=(
        lambda g, _, x, y: unbroadcast(g / y, x),
        # With g / y again, which a kernel computes once for both.
        lambda g, out, x, y: unbroadcast(-(g / y) * out, y),
    ),
    elementwise=True,
)

sign = Primitive(
    "sign",
    eval=np.sign,
    aval=lambda x: ufunc_aval(np.sign, (x,)),
    vjps=(_sign_x,),
    elementwise=True,
)

clip = Primitive(
    "clip",
    eval=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    aval=promoted,
    # At the bounds the gradient is that of `x`, as in PyTorch.
    vjps=(
        lambda g, _, x, low, high: unbroadcast(masked(g, logical_and(x >= low, x <= high)), x),
        lambda g, _, x, low, high: unbroadcast(masked(g, logical_and(x < low, low < high)), low),
        lambda g, _, x, low, high: unbroadcast(masked(g, logical_or(x > high, low >= high)), high),
    ),
    saves="inputs",
    elementwise=True,
)

stop_gradient = Primitive(
    "stop_gradient", eval=lambda x: x, aval=lambda x: x, vjps=(None,), saves="shapes", elementwise=True
)

#: NumPy's ufuncs by the primitive that records them.
UFUNCS: dict[Any, Primitive] = {
    np.negative: neg, np.conjugate: conj, np.absolute: abs, np.fabs: abs, np.sign: sign, np.floor: floor, np.ceil: ceil,
    np.rint: round, np.trunc: trunc, np.square: square, np.sqrt: sqrt, np.reciprocal: reciprocal,
    np.exp: exp, np.exp2: exp2, np.expm1: expm1, np.log: log, np.log2: log2, np.log10: log10,
    np.log1p: log1p, np.sin: sin, np.cos: cos, np.tan: tan, np.arcsin: arcsin, np.arccos: arccos,
    np.arctan: arctan, np.sinh: sinh, np.cosh: cosh, np.tanh: tanh, np.arcsinh: arcsinh,
    np.arccosh: arccosh, np.arctanh: arctanh, special.expit: sigmoid, special.erf: erf,
    special.erfc: erfc, np.isnan: isnan, np.isinf: isinf, np.isfinite: isfinite,
    np.logical_not: logical_not, np.add: add, np.subtract: sub, np.multiply: mul, np.divide: div,
    np.floor_divide: floor_divide, np.remainder: mod, np.power: pow,
    np.arctan2: arctan2, np.logaddexp: logaddexp, np.hypot: hypot, np.copysign: copysign, np.maximum: maximum,
    np.minimum: minimum, np.equal: equal, np.not_equal: not_equal, np.less: less,
    np.less_equal: less_equal, np.greater: greater, np.greater_equal: greater_equal,
    np.logical_and: logical_and, np.logical_or: logical_or, np.logical_xor: logical_xor,
}  # fmt: skip
