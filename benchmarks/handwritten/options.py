"""Black-Scholes greeks by hand, in closed form."""

import math
from typing import Any

import numpy as np
from numba import get_num_threads, prange

from .kernels import kernel, parallel
from .vector_math import exp, log, normal_tail

INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@kernel
def options_between(
    spot: Any, strike: Any, time: Any, rate: Any, volatility: Any,
    delta: Any, theta: Any, rho: Any, vega: Any, begin: Any, end: Any,
) -> Any:  # fmt: skip
    """Price and greeks of some options. The second normal density is the first times spot by discounted strike."""
    value = 0.0
    # Unsigned, since LLVM would have to provide for negative indices.
    for i in range(np.uintp(begin), np.uintp(end)):
        root = math.sqrt(time[i])
        spread = volatility[i] * root
        carry = rate[i] * time[i]
        d1 = (log(spot[i] / strike[i]) + carry) / spread + 0.5 * spread
        d2 = d1 - spread
        owed = strike[i] * exp(-carry)
        decay = exp(-0.5 * d1 * d1)
        tail1 = normal_tail(abs(d1), decay)
        tail2 = normal_tail(abs(d2), decay * spot[i] / owed)
        cdf1 = 1.0 - tail1 if d1 > 0.0 else tail1
        owed *= 1.0 - tail2 if d2 > 0.0 else tail2
        density = spot[i] * decay * INV_SQRT_2PI
        value += spot[i] * cdf1 - owed
        delta[i] = cdf1
        theta[i] = 0.5 * density * volatility[i] / root + rate[i] * owed
        rho[i] = time[i] * owed
        vega[i] = density * root
    return value


@kernel
def black_scholes(spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    """Total price and the four greeks on one thread."""
    n = spot.size
    delta, theta, rho, vega = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    value = options_between(spot, strike, time, rate, volatility, delta, theta, rho, vega, 0, n)
    return value, delta, theta, rho, vega


@parallel
def black_scholes_threads(spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    """Total price and the four greeks with the options shared among the threads."""
    n, tasks = spot.size, get_num_threads()
    delta, theta, rho, vega = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    value = 0.0
    for task in prange(tasks):
        begin, end = n * task // tasks, n * (task + 1) // tasks
        value += options_between(spot, strike, time, rate, volatility, delta, theta, rho, vega, begin, end)
    return value, delta, theta, rho, vega
