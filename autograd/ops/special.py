"""SciPy's special functions: one line an op, as in `elementwise.py`, and those of more inputs below.

A function of several inputs may have no derivative of closed form by some of them; their rule refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from scipy import special

from ..primitive import Primitive
from .broadcasting import unbroadcast
from .elementwise import (
    TWO_OVER_SQRT_PI,
    elementwise,
    equal,
    exp,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    relu,
    sign,
    square,
    ufunc_aval,
)
from .elementwise import UFUNCS as ELEMENTARY
from .masking import where

SQRT_HALF = float(np.sqrt(0.5))
SQRT_TWO_PI = float(np.sqrt(2 * np.pi))
HALF_SQRT_PI = float(np.sqrt(np.pi) / 2)
_NUMBERS = (float, int)
# `special.zeta` is a function, which calls this ufunc.
_ZETA: Any = special._ufuncs._zeta


@dataclass(frozen=True)
class Refused:
    """The rule of an input by which the op is smooth, but has no derivative here: it raises, where zero would lie."""

    op: str
    input: str

    def __call__(self, *values: Any, **params: Any) -> NoReturn:
        raise NotImplementedError(
            f"`{self.op}` has no derivative with respect to `{self.input}`, and its gradient was asked for; pass "
            f"`{self.input}` as a number or as `{self.input}.detach()` if none is meant to flow through it"
        )


def _narrow(ufunc: Any) -> Any:
    """A ufunc whose loop for float64 comes first, so that NumPy would widen float32 beside a Python number."""

    def evaluate(x: Any, y: Any) -> Any:
        if type(x) in _NUMBERS and getattr(y, "dtype", None) == np.float32:
            x = np.float32(x)
        elif type(y) in _NUMBERS and getattr(x, "dtype", None) == np.float32:
            y = np.float32(y)
        return ufunc(x, y)

    return evaluate


def xlogy(x: Any, y: Any) -> Any:
    """`x * log(y)`, and 0 where `x` is 0, whatever `y` is."""
    # Where `y` is positive the product is 0 by itself, and its derivative by `x` the logarithm.
    unlike = logical_and(equal(x, 0), logical_or(y <= 0, equal(y, np.inf)))
    return x * log(where(unlike, 1, y))


def xlog1py(x: Any, y: Any) -> Any:
    """`x * log1p(y)`, and 0 where `x` is 0, whatever `y` is."""
    unlike = logical_and(equal(x, 0), logical_or(y <= -1, equal(y, np.inf)))
    return x * log1p(where(unlike, 0, y))


def _erfcx_slope(out: Any, x: Any) -> Any:
    # Far out the two terms cancel; their difference has a series, https://dlmf.nist.gov/7.12.E1 term by term.
    far = x > 25
    u = 1 / square(where(far, x, 25))
    series = 1 - u * (3 / 2 - u * (15 / 4 - u * (105 / 8 - u * (945 / 16))))
    near = 2 * where(far, 0, x) * out - TWO_OVER_SQRT_PI
    return where(far, -0.5 * TWO_OVER_SQRT_PI * u * series, near)


def _positive(x: Any, y: Any) -> Any:
    """Where neither is negative or 0; NaN counts as positive, and so goes on."""
    return logical_not(logical_or(x <= 0, y <= 0))


def _ratio(x: Any, y: Any) -> Any:
    positive = _positive(x, y)
    return where(positive, x, 0) / where(positive, y, 1)


def _log_ratio(x: Any, y: Any) -> Any:
    positive = _positive(x, y)
    return log(where(positive, x, 1) / where(positive, y, 1))


def _kl_div_y(_out: Any, x: Any, y: Any) -> Any:
    infinite = logical_or(logical_or(x < 0, y < 0), logical_and(equal(y, 0), x > 0))
    return where(infinite, 0, 1 - _ratio(x, y))


def _hazard(out: Any, x: Any) -> Any:
    # On the left both the density and its integral underflow, and their logarithms cancel.
    left = TWO_OVER_SQRT_PI * SQRT_HALF / erfcx(relu(-SQRT_HALF * x))
    return where(x < 0, left, exp(-0.5 * x * x - where(x < 0, 0, out)) / SQRT_TWO_PI)


# fmt: off
gammaln  = elementwise("gammaln",  special.gammaln,  lambda _, x: digamma(x), saves="inputs")
gamma    = elementwise("gamma",    special.gamma,    lambda out, x: out * digamma(x))
digamma  = elementwise("digamma",  special.psi,      lambda _, x: zeta(2.0, x), saves="inputs")
erfinv   = elementwise("erfinv",   special.erfinv,   lambda out, _: HALF_SQRT_PI * exp(out * out), saves="out")
erfcinv  = elementwise("erfcinv",  special.erfcinv,  lambda out, _: -HALF_SQRT_PI * exp(out * out), saves="out")
erfcx    = elementwise("erfcx",    special.erfcx,    _erfcx_slope)
ndtri    = elementwise("ndtri",    special.ndtri,    lambda out, _: SQRT_TWO_PI * exp(0.5 * out * out), saves="out")
log_ndtr = elementwise("log_ndtr", special.log_ndtr, _hazard)
logit    = elementwise("logit",    special.logit,    lambda _, x: 1 / (x * (1 - x)), saves="inputs")
entr     = elementwise("entr",     special.entr,     lambda _, x: -log(x) - 1, saves="inputs")
i0       = elementwise("i0",       special.i0,       lambda _, x: i1(x), saves="inputs")
i1       = elementwise("i1",       special.i1,       lambda _, x: 0.5 * (i0(x) + iv(2.0, x)), saves="inputs")
i0e      = elementwise("i0e",      special.i0e,      lambda out, x: i1e(x) - sign(x) * out)
i1e      = elementwise("i1e",      special.i1e,      lambda out, x: 0.5 * (i0e(x) + ive(2.0, x)) - sign(x) * out)

beta     = elementwise("beta",     special.beta,     lambda out, a, b: out * (digamma(a) - digamma(a + b)),
                                                     lambda out, a, b: out * (digamma(b) - digamma(a + b)), eval=_narrow(special.beta))
betaln   = elementwise("betaln",   special.betaln,   lambda _, a, b: digamma(a) - digamma(a + b),
                                                     lambda _, a, b: digamma(b) - digamma(a + b), saves="inputs", eval=_narrow(special.betaln))
rel_entr = elementwise("rel_entr", special.rel_entr, lambda _, x, y: where(_positive(x, y), _log_ratio(x, y) + 1, 0),
                                                     lambda _, x, y: -_ratio(x, y), saves="inputs")
kl_div   = elementwise("kl_div",   special.kl_div,   lambda _, x, y: _log_ratio(x, y), _kl_div_y, saves="inputs")
# fmt: on


def _by_second(name: str, ufunc: Any, first: str, partial: Any, eval: Any = None) -> Primitive:
    """The primitive of a function of two inputs with a derivative by the second one."""
    return Primitive(
        name,
        eval=eval or ufunc,
        aval=lambda x, y: ufunc_aval(ufunc, (x, y)),
        vjps=(Refused(name, first), lambda g, out, x, y: unbroadcast(g * partial(out, x, y), y)),
        elementwise=True,
    )


def _gamma_density(a: Any, x: Any) -> Any:
    return exp(xlogy(a - 1, x) - x - gammaln(a))


# fmt: off
zeta      = _by_second("zeta",      _ZETA, "s", lambda _, s, x: -s * zeta(s + 1, x), special.zeta)
iv        = _by_second("iv",        special.iv,        "v", lambda _, v, x: 0.5 * (iv(v - 1, x) + iv(v + 1, x)))
ive       = _by_second("ive",       special.ive,       "v", lambda out, v, x: 0.5 * (ive(v - 1, x) + ive(v + 1, x)) - sign(x) * out)
gammainc  = _by_second("gammainc",  special.gammainc,  "a", lambda _, a, x: _gamma_density(a, x), _narrow(special.gammainc))
gammaincc = _by_second("gammaincc", special.gammaincc, "a", lambda _, a, x: -_gamma_density(a, x), _narrow(special.gammaincc))
# fmt: on

betainc = Primitive(
    "betainc",
    eval=special.betainc,
    aval=lambda a, b, x: ufunc_aval(special.betainc, (a, b, x)),
    vjps=(
        Refused("betainc", "a"),
        Refused("betainc", "b"),
        lambda g, _, a, b, x: unbroadcast(g * exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b)), x),
    ),
    saves="inputs",
    elementwise=True,
)

#: NumPy's and SciPy's ufuncs by the primitive that records them.
UFUNCS: dict[Any, Primitive] = {
    **ELEMENTARY,
    special.gammaln: gammaln, special.gamma: gamma, special.psi: digamma, special.erfinv: erfinv,
    special.erfcinv: erfcinv, special.erfcx: erfcx, special.ndtri: ndtri, special.log_ndtr: log_ndtr,
    special.logit: logit, special.entr: entr, special.i0: i0, special.i1: i1, special.i0e: i0e,
    special.i1e: i1e, special.beta: beta, special.betaln: betaln, _ZETA: zeta,
    special.iv: iv, special.ive: ive, special.gammainc: gammainc, special.gammaincc: gammaincc,
    special.betainc: betainc, special.rel_entr: rel_entr, special.kl_div: kl_div,
}  # fmt: skip
