"""Elementary functions as inlined LLVM IR that the loop vectoriser widens.

Each function takes an `ir.IRBuilder` and float32 or float64 values, and returns the value of the result. The
IR has neither tables nor loops nor calls, except that `sin`, `cos` and `tan` of huge arguments call libm in a
branch; so after them the builder stands in another block. Results are within 2 ulp, and signed zeros,
infinities, NaN, subnormal arguments and subnormal results are those of NumPy.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from llvmlite import ir

from .error_function import erf as erf
from .error_function import erfc as erfc
from .exponential import cosh as cosh
from .exponential import exp as exp
from .exponential import exp2 as exp2
from .exponential import expm1 as expm1
from .exponential import sigmoid as sigmoid
from .exponential import sinh as sinh
from .exponential import tanh as tanh
from .inverse_hyperbolic import arccosh as arccosh
from .inverse_hyperbolic import arcsinh as arcsinh
from .inverse_hyperbolic import arctanh as arctanh
from .inverse_trigonometric import arccos as arccos
from .inverse_trigonometric import arcsin as arcsin
from .inverse_trigonometric import arctan as arctan
from .inverse_trigonometric import arctan2 as arctan2
from .logarithm import log as log
from .logarithm import log1p as log1p
from .logarithm import log2 as log2
from .logarithm import log10 as log10
from .logarithm import logaddexp as logaddexp
from .logarithm import softplus as softplus
from .power import pow as pow
from .trigonometric import cos as cos
from .trigonometric import sin as sin
from .trigonometric import tan as tan

FUNCTIONS: tuple[Callable[..., ir.Value], ...] = (
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    sin,
    cos,
    tan,
    tanh,
    sinh,
    cosh,
    sigmoid,
    softplus,
    erf,
    erfc,
    arctan,
    arcsin,
    arccos,
    arcsinh,
    arccosh,
    arctanh,
    pow,
    arctan2,
    logaddexp,
)
VECMATH: Mapping[str, Callable[..., ir.Value]] = MappingProxyType({f.__name__: f for f in FUNCTIONS})
