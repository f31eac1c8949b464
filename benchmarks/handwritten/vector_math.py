"""Elementary functions as arithmetic on registers, so that LLVM vectorises the loops that call them.

Numba by itself calls the C library for each element, which takes five to fifteen times as long. What is here holds
for the arguments that the kernels meet: errors are absolute ones of some 1e-16 (1e-7 in single precision), and
infinities and NaN are not provided for.
"""

import math

import numba
import numpy as np

# Contraction to fused multiply-adds alone: to reorder sums would undo the rounding by a large addend.
arithmetic = numba.njit(error_model="numpy", fastmath={"contract"})

LOG2E = 1.0 / math.log(2.0)
LN2 = math.log(2.0)
# The leading 32 bits of log(2), whose products with exponents are exact, and what is left of it.
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
# Added and subtracted, it rounds to an integer, which stays in its last bits meanwhile.
ROUND = 1.5 * 2.0**52
ROUND32, LOG2E32, LN2_32 = np.float32(1.5 * 2.0**23), np.float32(LOG2E), np.float32(LN2)
BELOW, ABOVE = np.float32(-87.0), np.float32(88.0)
ONE32, TWO32 = np.float32(1.0), np.float32(2.0)
F2, F3, F4, F5, F6, F7 = (np.float32(1.0 / math.factorial(k)) for k in range(2, 8))
SQRT_HALF_BITS = int(np.float64(math.sqrt(0.5)).view(np.int64))


@arithmetic
def exp(x):
    """e to the x: Taylor's polynomial near zero, scaled by a power of two that is put together from bits."""
    x = min(max(x, -708.0), 709.0)
    shifted = x * LOG2E + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)


@arithmetic
def log(x):
    """The logarithm of a normal positive number: of its mantissa by the series of the area tangent."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - SQRT_HALF_BITS) >> 52
    mantissa = np.int64(bits - (exponent << 52)).view(np.float64)
    f = (mantissa - 1.0) / (mantissa + 1.0)
    z = f * f
    p = 1.0 / 21.0
    p = p * z + 1.0 / 19.0
    p = p * z + 1.0 / 17.0
    p = p * z + 1.0 / 15.0
    p = p * z + 1.0 / 13.0
    p = p * z + 1.0 / 11.0
    p = p * z + 1.0 / 9.0
    p = p * z + 1.0 / 7.0
    p = p * z + 1.0 / 5.0
    p = p * z + 1.0 / 3.0
    return exponent * LN2 + (2.0 * f + 2.0 * f * z * p)


@arithmetic
def tanh(x):
    """The hyperbolic tangent by the exponential."""
    return 1.0 - 2.0 / (exp(2.0 * x) + 1.0)


@arithmetic
def tanh32(x):
    """The hyperbolic tangent in single precision."""
    x = min(max(x + x, BELOW), ABOVE)
    shifted = x * LOG2E32 + ROUND32
    r = x - (shifted - ROUND32) * LN2_32
    p = F7
    p = p * r + F6
    p = p * r + F5
    p = p * r + F4
    p = p * r + F3
    p = p * r + F2
    p = p * r + ONE32
    p = p * r + ONE32
    power = np.int32((np.float32(shifted).view(np.int32) + np.int32(127)) << np.int32(23)).view(np.float32)
    return ONE32 - TWO32 / (p * power + ONE32)


@arithmetic
def normal_tail(x, decay):
    """The standard normal's mass beyond `x` >= 0, given exp(-x²/2): the quotient of Hart et al. (1968), no. 5666."""
    p = 3.52624965998911e-02
    p = p * x + 0.700383064443688
    p = p * x + 6.37396220353165
    p = p * x + 33.912866078383
    p = p * x + 112.079291497871
    p = p * x + 221.213596169931
    p = p * x + 220.206867912376
    q = 8.83883476483184e-02
    q = q * x + 1.75566716318264
    q = q * x + 16.064177579207
    q = q * x + 86.7807322029461
    q = q * x + 296.564248779674
    q = q * x + 637.333633378831
    q = q * x + 793.826512519948
    q = q * x + 440.413735824752
    return decay * p / q
