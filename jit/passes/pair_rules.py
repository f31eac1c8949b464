"""Complex functions by real ones: for each op its real and imaginary part.

Where the textbook's formula overflows or cancels, it is W. Kahan's, "Branch cuts for complex elementary functions"
(1987), and R. L. Smith's for the quotient (1962), as in NumPy. A part that is zero everywhere is `None`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd import ops
from autograd.primitive import Primitive

from ..graph import Atom, Equation, Literal

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
# Past this the hyperbolic tangent is 1 to the last bit, and its parts by products would overflow.
_SATURATED = 20.0
# Powers with integers up to this are products.
_MOST_FACTORS = 64


class Number:
    """An atom that equations can be written with as with numbers; its equations are added to a list."""

    __slots__ = ("atom", "equations")

    def __init__(self, atom: Atom, equations: list[Equation]) -> None:
        self.atom, self.equations = atom, equations

    def apply(self, primitive: Primitive, *inputs: Any, **params: Any) -> Number:
        """`primitive(*inputs, **params)`, where inputs are numbers of this kind or of Python's."""
        dtype = self.atom.aval.dtype
        atoms = [x.atom if isinstance(x, Number) else Literal.of(x, dtype) for x in inputs]
        self.equations.append(Equation.of(primitive, *atoms, **params))
        return Number(self.equations[-1].out, self.equations)

    def of(self, primitive: Primitive, *others: Any) -> Number:
        return self.apply(primitive, self, *others)

    # fmt: off
    def __neg__(self) -> Number: return self.of(ops.neg)
    def __add__(self, y: Any) -> Number: return self.of(ops.add, y)
    def __sub__(self, y: Any) -> Number: return self.of(ops.sub, y)
    def __mul__(self, y: Any) -> Number: return self.of(ops.mul, y)
    def __truediv__(self, y: Any) -> Number: return self.of(ops.div, y)
    def __radd__(self, x: Any) -> Number: return self.apply(ops.add, x, self)
    def __rsub__(self, x: Any) -> Number: return self.apply(ops.sub, x, self)
    def __rmul__(self, x: Any) -> Number: return self.apply(ops.mul, x, self)
    def __rtruediv__(self, x: Any) -> Number: return self.apply(ops.div, x, self)
    # fmt: on


Part = Number | None


class Pair(NamedTuple):
    """A complex number: its parts, `None` for one that is zero everywhere."""

    re: Part
    im: Part

    def alone(self) -> Number:
        """The part that there is, of a number with no other one."""
        found = self.re if self.im is None else self.im
        assert found is not None
        return found


def _plus(x: Part, y: Part) -> Part:
    return y if x is None else x if y is None else x + y


def _minus(x: Part, y: Part) -> Part:
    return x if y is None else -y if x is None else x - y


def _times(x: Part, y: Part) -> Part:
    return None if x is None or y is None else x * y


def _negative(x: Part) -> Part:
    return None if x is None else -x


def where(condition: Number, x: Any, y: Any) -> Number:
    """A choice of numbers, one of which at least is no number of Python's."""
    known = x if isinstance(x, Number) else y
    return known.apply(ops.where, condition, x, y)


def whole(x: Pair) -> tuple[Number, Number]:
    """Both parts as numbers, zeros of the shape of the other where there is none."""
    re, im = x
    known = re if re is not None else im
    assert known is not None
    zeros = Number(Literal.of(0, known.atom.aval.dtype), known.equations)
    return zeros if re is None else re, zeros if im is None else im


# ---- arithmetic ----


def add(x: Pair, y: Pair) -> Pair:
    return Pair(_plus(x.re, y.re), _plus(x.im, y.im))


def sub(x: Pair, y: Pair) -> Pair:
    return Pair(_minus(x.re, y.re), _minus(x.im, y.im))


def neg(x: Pair) -> Pair:
    return Pair(_negative(x.re), _negative(x.im))


def conj(x: Pair) -> Pair:
    return Pair(x.re, _negative(x.im))


def bilinear(times: Callable[[Part, Part], Part]) -> Callable[[Pair, Pair], Pair]:
    """The product of pairs, by that of their parts."""

    def product(x: Pair, y: Pair) -> Pair:
        re = _minus(times(x.re, y.re), times(x.im, y.im))
        return Pair(re, _plus(times(x.re, y.im), times(x.im, y.re)))

    return product


mul = bilinear(_times)


def times_i(x: Pair) -> Pair:
    """The product with the imaginary unit."""
    return Pair(_negative(x.im), x.re)


def over_i(x: Pair) -> Pair:
    """The quotient by the imaginary unit."""
    return Pair(x.im, _negative(x.re))


def scaled(x: Pair, factor: float) -> Pair:
    """The product with a real number."""
    return Pair(*[None if part is None else part * factor for part in x])


def div(x: Pair, y: Pair) -> Pair:
    if y.im is None:
        assert y.re is not None
        return Pair(*[None if part is None else part / y.re for part in x])
    if y.re is None:
        return over_i(div(x, Pair(y.im, None)))
    c, d = y.re, y.im
    real = c.of(ops.abs).of(ops.greater_equal, d.of(ops.abs))
    large, small = where(real, c, d), where(real, d, c)
    # Division by zero is that of both parts by zero, so the ratio must be none.
    ratio = small / where(large.of(ops.equal, 0), 1, large)
    scale = 1 / (large + small * ratio)
    a, b = whole(x)
    re = where(real, a + b * ratio, a * ratio + b)
    im = where(real, b - a * ratio, b * ratio - a)
    return Pair(re * scale, im * scale)


def square(x: Pair) -> Pair:
    re, im = x
    if re is None or im is None:
        size = x.alone().of(ops.square)
        return Pair(size if im is None else -size, None)
    return Pair(re.of(ops.square) - im.of(ops.square), 2 * (re * im))


def reciprocal(x: Pair) -> Pair:
    known = x.re if x.re is not None else x.im
    assert known is not None
    return div(Pair(Number(Literal.of(1, known.atom.aval.dtype), known.equations), None), x)


def size(x: Pair) -> Number:
    """The absolute value."""
    re, im = x
    if re is None or im is None:
        return x.alone().of(ops.abs)
    return re.of(ops.hypot, im)


def sign(x: Pair) -> Pair:
    absolute = size(x)
    absolute = where(absolute.of(ops.equal, 0), 1, absolute)
    return Pair(*[None if part is None else part / absolute for part in x])


# ---- exponentials and logarithms ----


def exp(x: Pair) -> Pair:
    re, im = x
    if im is None:
        assert re is not None
        return Pair(re.of(ops.exp), None)
    cos, sin = im.of(ops.cos), im.of(ops.sin)
    if re is None:
        return Pair(cos, sin)
    growth = re.of(ops.exp)
    # A real number has a real exponential, also an infinite one.
    return Pair(growth * cos, where(im.of(ops.equal, 0), im, growth * sin))


def exp2(x: Pair) -> Pair:
    return exp(scaled(x, LN2))


def expm1(x: Pair) -> Pair:
    re, im = whole(x)
    half = (0.5 * im).of(ops.sin)
    real = re.of(ops.expm1) * im.of(ops.cos) - 2 * (half * half)
    return Pair(real, where(im.of(ops.equal, 0), im, re.of(ops.exp) * im.of(ops.sin)))


def log(x: Pair) -> Pair:
    re, im = whole(x)
    absolute = size(x)
    # Near the unit circle the logarithm of the absolute value is small, and rounding of that would be all of it.
    first, second = re.of(ops.abs), im.of(ops.abs)
    large, small = first.of(ops.maximum, second), first.of(ops.minimum, second)
    near = absolute.of(ops.greater, 0.5).of(ops.logical_and, absolute.of(ops.less, 2.0))
    excess = where(near, (large - 1) * (large + 1) + small * small, 0)
    real = where(near, 0.5 * excess.of(ops.log1p), absolute.of(ops.log))
    return Pair(real, im.of(ops.arctan2, re))


def log1p(x: Pair) -> Pair:
    re, im = whole(x)
    away = log(Pair(re + 1, im))
    assert away.re is not None
    excess = re * (re + 2) + im * im
    near = excess.of(ops.abs).of(ops.less, 0.5)
    return Pair(where(near, 0.5 * where(near, excess, 0).of(ops.log1p), away.re), away.im)


def power(x: Pair, y: Pair) -> Pair:
    exponent = y.re.atom if y.re is not None and y.im is None else None
    if isinstance(exponent, Literal) and exponent.value == int(exponent.value) and abs(exponent.value) <= _MOST_FACTORS:
        return _whole_power(x, int(exponent.value))
    re, im = whole(x)
    zero = re.of(ops.equal, 0).of(ops.logical_and, im.of(ops.equal, 0))
    base = Pair(where(zero, 1, re), x.im)
    found = whole(exp(mul(y, log(base))))
    c, d = whole(y)
    # 0**0 is 1, and 0 to a power with a positive real part is 0.
    constant = c.of(ops.equal, 0).of(ops.logical_and, d.of(ops.equal, 0))
    at_zero = where(constant, 1, c.apply(ops.where, c.of(ops.greater, 0), 0, np.nan))
    return Pair(where(zero, at_zero, found[0]), where(zero, 0, found[1]))


def _whole_power(x: Pair, n: int) -> Pair:
    if n < 0:
        return reciprocal(_whole_power(x, -n))
    if n == 0:
        re, _ = whole(x)
        return Pair(Number(Literal.of(1, re.atom.aval.dtype), re.equations), None)
    half = _whole_power(x, n // 2) if n > 1 else None
    if half is None:
        return x
    return mul(square(half), x) if n % 2 else square(half)


def sqrt(x: Pair) -> Pair:
    re, im = whole(x)
    root = (0.5 * (re.of(ops.abs) + size(x))).of(ops.sqrt)
    other = (0.5 * im) / where(root.of(ops.equal, 0), 1, root)
    right = re.of(ops.greater_equal, 0)
    return Pair(where(right, root, other.of(ops.abs)), where(right, other, root.of(ops.copysign, im)))


# ---- trigonometric functions ----


def sinh(x: Pair) -> Pair:
    re, im = whole(x)
    return Pair(re.of(ops.sinh) * im.of(ops.cos), re.of(ops.cosh) * im.of(ops.sin))


def cosh(x: Pair) -> Pair:
    re, im = whole(x)
    return Pair(re.of(ops.cosh) * im.of(ops.cos), re.of(ops.sinh) * im.of(ops.sin))


def tanh(x: Pair) -> Pair:
    re, im = whole(x)
    far = re.of(ops.abs).of(ops.greater, _SATURATED)
    sin_h, tangent = where(far, 0, re).of(ops.sinh), im.of(ops.tan)
    beta = tangent * tangent + 1
    rho = (sin_h * sin_h + 1).of(ops.sqrt)
    denominator = beta * (sin_h * sin_h) + 1
    tail = 4 * (im.of(ops.sin) * im.of(ops.cos)) * (-2 * re.of(ops.abs)).of(ops.exp)
    one = re.apply(ops.copysign, 1.0, re)
    return Pair(where(far, one, beta * rho * sin_h / denominator), where(far, tail, tangent / denominator))


def _by_turning(of: Callable[[Pair], Pair]) -> Callable[[Pair], Pair]:
    """`of(i z) / i`: of a hyperbolic function the circular one."""
    return lambda x: over_i(of(times_i(x)))


def cos(x: Pair) -> Pair:
    return cosh(times_i(x))


def _roots(x: Pair) -> tuple[Number, Number, Number, Number]:
    """The parts of the roots of 1 - z and 1 + z."""
    re, im = whole(x)
    return *whole(sqrt(Pair(1 - re, -im))), *whole(sqrt(Pair(re + 1, im)))


def arcsin(x: Pair) -> Pair:
    re, _ = whole(x)
    a, b, c, d = _roots(x)
    return Pair(re.of(ops.arctan2, a * c - b * d), (a * d - b * c).of(ops.arcsinh))


def arccos(x: Pair) -> Pair:
    a, b, c, d = _roots(x)
    return Pair(2 * a.of(ops.arctan2, c), (c * b - d * a).of(ops.arcsinh))


def arccosh(x: Pair) -> Pair:
    re, im = whole(x)
    a, b = whole(sqrt(Pair(re - 1, im)))
    c, d = whole(sqrt(Pair(re + 1, im)))
    return Pair((a * c + b * d).of(ops.arcsinh), 2 * b.of(ops.arctan2, c))


def arctanh(x: Pair) -> Pair:
    re, im = whole(x)
    squared = im * im
    away = (1 - re) * (1 - re) + squared
    real = 0.25 * (4 * re / away).of(ops.log1p)
    return Pair(real, 0.5 * (2 * im).of(ops.arctan2, (1 - re) * (re + 1) - squared))


#: For each op that gives complex numbers their parts, from those of its inputs.
ELEMENTWISE: dict[Primitive, Callable[..., Pair]] = {
    ops.add: add,
    ops.sub: sub,
    ops.neg: neg,
    ops.conj: conj,
    ops.mul: mul,
    ops.div: div,
    ops.square: square,
    ops.reciprocal: reciprocal,
    ops.sign: sign,
    ops.exp: exp,
    ops.exp2: exp2,
    ops.expm1: expm1,
    ops.log: log,
    ops.log2: lambda x: scaled(log(x), 1 / LN2),
    ops.log10: lambda x: scaled(log(x), 1 / LN10),
    ops.log1p: log1p,
    ops.pow: power,
    ops.sqrt: sqrt,
    ops.sinh: sinh,
    ops.cosh: cosh,
    ops.tanh: tanh,
    ops.sin: _by_turning(sinh),
    ops.cos: cos,
    ops.tan: _by_turning(tanh),
    ops.arcsin: arcsin,
    ops.arccos: arccos,
    ops.arctan: _by_turning(arctanh),
    ops.arcsinh: _by_turning(arcsin),
    ops.arccosh: arccosh,
    ops.arctanh: arctanh,
    ops.stop_gradient: lambda x: x,
}


def _either(of: Callable[[Number], Number], together: Primitive) -> Callable[[Pair], Number]:
    """A question about both parts."""

    def answer(x: Pair) -> Number:
        found = [of(part) for part in x if part is not None]
        return found[0] if len(found) == 1 else found[0].of(together, found[1])

    return answer


def equal(x: Pair, y: Pair) -> Number:
    (a, b), (c, d) = whole(x), whole(y)
    same = a.of(ops.equal, c)
    return same if x.im is None and y.im is None else same.of(ops.logical_and, b.of(ops.equal, d))


def not_equal(x: Pair, y: Pair) -> Number:
    return equal(x, y).of(ops.logical_not)


def truth(x: Pair) -> Number:
    """Whether the number is not zero."""
    return _either(lambda part: part.of(ops.not_equal, 0), ops.logical_or)(x)


def _of_truths(primitive: Primitive) -> Callable[..., Number]:
    return lambda *xs: truth(xs[0]).of(primitive, *[truth(x) for x in xs[1:]])


#: For each op that gives real numbers or booleans what that is.
REAL: dict[Primitive, Callable[..., Number]] = {
    ops.real: lambda x: whole(x)[0],
    ops.imag: lambda x: whole(x)[1],
    ops.abs: size,
    ops.equal: equal,
    ops.not_equal: not_equal,
    ops.isnan: _either(lambda part: part.of(ops.isnan), ops.logical_or),
    ops.isinf: _either(lambda part: part.of(ops.isinf), ops.logical_or),
    ops.isfinite: _either(lambda part: part.of(ops.isfinite), ops.logical_and),
    ops.logical_not: _of_truths(ops.logical_not),
    ops.logical_and: _of_truths(ops.logical_and),
    ops.logical_or: _of_truths(ops.logical_or),
    ops.logical_xor: _of_truths(ops.logical_xor),
}
