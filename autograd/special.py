"""Special functions, by SciPy's names and with SciPy's arguments, as `autograd.special`.

They have derivatives of every order by all arguments, with these exceptions, which raise `NotImplementedError` where
such a gradient is asked for: `betainc` by `a` and `b`, `gammainc` and `gammaincc` by `a`, `iv` and `ive` by `v`, and
`zeta` by `x`. `polygamma` is constant in `n`. At poles and outside of the domain values are SciPy's, infinite or NaN.
At the edge of the domain `entr` has an infinite derivative, as `log` has; `rel_entr` and `kl_div` have 0 by `x` where
`x` is 0, and 0 by both where they are infinite.

>>> import autograd as ag
>>> ag.grad(ag.special.gammaln)(1.0)
-0.5772156649015329
"""

from .functions import erf, erfc, exp2, expm1, log1p, log_softmax, logsumexp, softmax
from .functions import sigmoid as expit
from .functions.special import (
    log_expit,
    multigammaln,
    ndtr,
    polygamma,
    sinc,
    xlog1py,
    xlogy,
    zeta,
)
from .ops import (
    beta,
    betainc,
    betaln,
    digamma,
    entr,
    erfcinv,
    erfcx,
    erfinv,
    gamma,
    gammainc,
    gammaincc,
    gammaln,
    i0,
    i0e,
    i1,
    i1e,
    iv,
    ive,
    kl_div,
    log_ndtr,
    logit,
    ndtri,
    rel_entr,
)

psi = digamma

__all__ = [
    "beta", "betainc", "betaln", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp2",
    "expit", "expm1", "gamma", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "iv", "ive",
    "kl_div", "log1p", "log_expit", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr",
    "ndtri", "polygamma", "psi", "rel_entr", "sinc", "softmax", "xlog1py", "xlogy", "zeta",
]  # fmt: skip
