"""Special functions that are composed of ops, under SciPy's names and with SciPy's order of arguments."""

from __future__ import annotations

from math import factorial, log, pi, sqrt
from typing import Any

from .. import ops
from ..ops import special
from .arguments import as_array

# The series of sin(y) / y in y**2, which has more digits near 0 than the quotient, and so have its derivatives.
_SINC_SERIES = tuple([(-1) ** k / factorial(2 * k + 1) for k in range(10)])


def xlogy(x: Any, y: Any) -> Any:
    """`x * log(y)`, and 0 where `x` is 0, unless `y` is NaN.

    **Arguments:** `x` and `y`, which broadcast together. Where `x` is 0 the gradient by `y` is 0, and so is that
    by `x` unless `y` is positive; there it is `log(y)`.

    >>> import autograd as ag
    >>> ag.special.xlogy([0.0, 2.0], [0.0, 1.0])
    array([0., 0.])
    """
    return special.xlogy(as_array(x), as_array(y))


def xlog1py(x: Any, y: Any) -> Any:
    """`x * log1p(y)`, and 0 where `x` is 0, unless `y` is NaN.

    **Arguments:** as for `xlogy`, with -1 in the place of 0 for `y`.

    >>> import autograd as ag
    >>> ag.special.xlog1py([0.0, 2.0], [-1.0, 0.0])
    array([0., 0.])
    """
    return special.xlog1py(as_array(x), as_array(y))


def log_expit(x: Any) -> Any:
    """The logarithm of the logistic function, `-log(1 + exp(-x))`, exact also where that is nearly zero.

    >>> import autograd as ag
    >>> ag.special.log_expit([0.0, -1000.0])
    array([-6.93147181e-01, -1.00000000e+03])
    """
    return ops.neg(ops.softplus(ops.neg(as_array(x))))


def ndtr(x: Any) -> Any:
    """The distribution function of the standard normal distribution.

    >>> import autograd as ag
    >>> ag.special.ndtr([0.0, 2.0])
    array([0.5       , 0.97724987])
    """
    return ops.mul(0.5, ops.erfc(ops.mul(as_array(x), -sqrt(0.5))))


def polygamma(n: Any, x: Any) -> Any:
    """The `n`-th derivative of `digamma`.

    **Arguments:** `n`, whole numbers of 0 or more, without a gradient; `x`, which broadcasts with it.

    >>> import autograd as ag
    >>> ag.special.polygamma(1, [1.0, 2.0])
    array([1.64493407, 0.64493407])
    """
    x = as_array(x)
    if isinstance(n, int):
        return ops.digamma(x) if n == 0 else ops.mul((-1.0) ** (n + 1) * factorial(n), ops.zeta(n + 1.0, x))
    n = ops.stop_gradient(as_array(n))
    # The zeta function has a pole at 1.
    order = ops.where(ops.equal(n, 0), 1.0, n)
    sign = ops.sub(1.0, ops.mul(2.0, ops.mod(ops.add(order, 1.0), 2.0)))
    higher = ops.mul(ops.mul(sign, ops.gamma(ops.add(order, 1.0))), ops.zeta(ops.add(order, 1.0), x))
    return ops.where(ops.equal(n, 0), ops.digamma(x), higher)


def multigammaln(a: Any, d: int) -> Any:
    """The logarithm of the multivariate gamma function of dimension `d`.

    **Arguments:** `a`, greater than `(d - 1) / 2`; `d`, a whole number of 1 or more.

    **Errors:** `ValueError` for another dimension.

    >>> import autograd as ag
    >>> round(float(ag.special.multigammaln(2.5, 2)), 6)
    0.857048
    """
    if int(d) != d or d < 1:
        raise ValueError(f"`multigammaln` needs a dimension that is a whole number of 1 or more, got {d}")
    a = as_array(a)
    total = ops.add(ops.gammaln(a), 0.25 * d * (d - 1) * log(pi))
    for j in range(1, int(d)):
        total = ops.add(total, ops.gammaln(ops.sub(a, 0.5 * j)))
    return total


def sinc(x: Any) -> Any:
    """`sin(pi * x) / (pi * x)`, and 1 at 0, where its derivatives are those of the series.

    >>> import autograd as ag
    >>> ag.special.sinc([0.0, 0.5])
    array([1.        , 0.63661977])
    """
    y = ops.mul(as_array(x), pi)
    squared = ops.square(y)
    near = ops.less(squared, 1)
    safe = ops.where(near, 1, y)
    u = ops.where(near, squared, 0)
    series: Any = _SINC_SERIES[-1]
    for coefficient in reversed(_SINC_SERIES[:-1]):
        series = ops.add(ops.mul(series, u), coefficient)
    return ops.where(near, series, ops.div(ops.sin(safe), safe))


def zeta(x: Any, q: Any = 1.0) -> Any:
    """The zeta function of Hurwitz, `sum((k + q) ** -x for k = 0, 1, ...)`; of Riemann where `q` is 1.

    **Arguments:** `x`, greater than 1, without a gradient; `q`, which broadcasts with it.

    **Errors:** `NotImplementedError` where a gradient by `x` is asked for.

    >>> import autograd as ag
    >>> round(float(ag.special.zeta(2.0)), 6)
    1.644934
    """
    return ops.zeta(x, q)
