"""Values and gradients derived and written by hand as Numba kernels: what a patient user would write."""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange

from benchmarks.contestants import Gradients, Run
from benchmarks.steps import HEAT_STEPS, LORENZ_STEPS

LARGE = 50_000
INV_SQRT2 = 1.0 / math.sqrt(2.0)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@numba.njit
def square(x):
    """The warm-up."""
    return x**2, 2.0 * x


@numba.njit
def polynomial(x):
    """5x³ + 2x² + 4x + 8 and its slope."""
    return ((5.0 * x + 2.0) * x + 4.0) * x + 8.0, (15.0 * x + 4.0) * x + 4.0


@numba.njit
def rosenbrock(x):
    """Rosenbrock's valley and its gradient in one pass."""
    n = x.size
    gradient = np.empty(n)
    value, before = 0.0, 0.0
    for i in range(n - 1):
        excess, rest = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        value += 100.0 * excess * excess + rest * rest
        gradient[i] = before - 400.0 * excess * x[i] - 2.0 * rest
        before = 200.0 * excess
    gradient[n - 1] = before
    return value, gradient


@numba.njit
def logistic(weights, features, labels):
    """Logistic loss and gradient, both from one pass over the rows."""
    rows, columns = features.shape
    gradient = np.zeros(columns)
    value, penalty = 0.0, 0.0
    for i in range(rows):
        margin = 0.0
        for j in range(columns):
            margin += features[i, j] * weights[j]
        decay = math.exp(-margin * labels[i])
        value += math.log1p(decay)
        slope = -labels[i] * decay / (1.0 + decay) / rows
        for j in range(columns):
            gradient[j] += slope * features[i, j]
    for j in range(columns):
        penalty += 0.01 * weights[j] * weights[j]
        gradient[j] += 0.02 * weights[j]
    return value / rows + penalty, gradient


def black_scholes_loop(spot, strike, time, rate, volatility):
    """Total price and the four greeks in closed form, one option an iteration."""
    n = spot.size
    delta, theta, rho, vega = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    value = 0.0
    for i in prange(n):
        root = math.sqrt(time[i])
        spread = volatility[i] * root
        d1 = (math.log(spot[i] / strike[i]) + (rate[i] + 0.5 * volatility[i] ** 2) * time[i]) / spread
        d2 = d1 - spread
        cdf1 = 0.5 * (1.0 + math.erf(d1 * INV_SQRT2))
        cdf2 = 0.5 * (1.0 + math.erf(d2 * INV_SQRT2))
        density = spot[i] * math.exp(-0.5 * d1 * d1) * INV_SQRT_2PI
        owed = strike[i] * math.exp(-rate[i] * time[i]) * cdf2
        value += spot[i] * cdf1 - owed
        delta[i] = cdf1
        theta[i] = 0.5 * density * volatility[i] / root + rate[i] * owed
        rho[i] = time[i] * owed
        vega[i] = density * root
    return value, delta, theta, rho, vega


black_scholes = numba.njit(black_scholes_loop)
black_scholes_parallel = numba.njit(parallel=True)(black_scholes_loop)


@numba.njit
def lorenz_slope(s, p, out):
    """Right-hand side of the Lorenz system, written to `out`."""
    out[0] = p[0] * (s[1] - s[0])
    out[1] = s[0] * (p[1] - s[2]) - s[1]
    out[2] = s[0] * s[1] - p[2] * s[2]


@numba.njit
def lorenz_pull(s, p, g, out, parameters_out):
    """Writes the transposed Jacobian times `g` to `out`, and adds the parameters' share."""
    a, b, c = g[0], g[1], g[2]
    out[0] = -p[0] * a + (p[1] - s[2]) * b + s[1] * c
    out[1] = p[0] * a - b + s[0] * c
    out[2] = -s[0] * b - p[2] * c
    parameters_out[0] += (s[1] - s[0]) * a
    parameters_out[1] += s[0] * b
    parameters_out[2] -= s[2] * c


OFFSETS = np.array([0.0, 0.005, 0.005, 0.01])
SHARES = np.array([1.0, 2.0, 2.0, 1.0]) * 0.01 / 6.0


@numba.njit
def lorenz(initial, parameters):
    """Runge-Kutta steps with every stage stored, then the adjoint steps backwards."""
    stages = np.empty((LORENZ_STEPS, 4, 3))
    state, slope, total = initial.copy(), np.zeros(3), np.empty(3)
    for step in range(LORENZ_STEPS):
        total[:] = 0.0
        for k in range(4):
            for j in range(3):
                stages[step, k, j] = state[j] + OFFSETS[k] * slope[j]
            lorenz_slope(stages[step, k], parameters, slope)
            for j in range(3):
                total[j] += SHARES[k] * slope[j]
        for j in range(3):
            state[j] += total[j]
    value = state[0] ** 2 + state[1] ** 2 + state[2] ** 2
    g, g_parameters = 2.0 * state, np.zeros(3)
    g_slope, g_stage = np.empty(3), np.empty(3)
    for step in range(LORENZ_STEPS - 1, -1, -1):
        total[:] = 0.0
        for k in range(3, -1, -1):
            for j in range(3):
                after = OFFSETS[k + 1] * g_stage[j] if k < 3 else 0.0
                g_slope[j] = SHARES[k] * g[j] + after
            lorenz_pull(stages[step, k], parameters, g_slope, g_stage, g_parameters)
            for j in range(3):
                total[j] += g_stage[j]
        for j in range(3):
            g[j] += total[j]
    return value, g, g_parameters


@numba.njit
def laplacian(p, out):
    """Five-point stencil over the inside of `p`, whose rim is zero; `out` has the same rim."""
    rows, columns = p.shape
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            out[i, j] = p[i + 1, j] + p[i - 1, j] + p[i, j + 1] + p[i, j - 1] - 4.0 * p[i, j]


@numba.njit
def heat(initial, diffusivity, target):
    """Explicit steps, every stencil stored, then the transposed steps (the stencil is symmetric)."""
    rows, columns = initial.shape
    u = np.zeros((rows + 2, columns + 2))
    bent = np.zeros((HEAT_STEPS, rows + 2, columns + 2))
    for i in range(rows):
        for j in range(columns):
            u[i + 1, j + 1] = initial[i, j]
    for step in range(HEAT_STEPS):
        laplacian(u, bent[step])
        for i in range(rows):
            for j in range(columns):
                u[i + 1, j + 1] += diffusivity[i, j] * bent[step, i + 1, j + 1]
    value = 0.0
    g, flux, spread = np.empty((rows, columns)), np.zeros_like(u), np.zeros_like(u)
    g_diffusivity = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            miss = u[i + 1, j + 1] - target[i, j]
            value += miss * miss
            g[i, j] = 2.0 * miss / (rows * columns)
    for step in range(HEAT_STEPS - 1, -1, -1):
        for i in range(rows):
            for j in range(columns):
                g_diffusivity[i, j] += g[i, j] * bent[step, i + 1, j + 1]
                flux[i + 1, j + 1] = g[i, j] * diffusivity[i, j]
        laplacian(flux, spread)
        for i in range(rows):
            for j in range(columns):
                g[i, j] += spread[i + 1, j + 1]
    return value / (rows * columns), g, g_diffusivity


SERIAL: dict[str, Callable[..., Any]] = {
    "square": square,
    "polynomial": polynomial,
    "rosenbrock": rosenbrock,
    "logistic": logistic,
    "black_scholes": black_scholes,
    "lorenz": lorenz,
    "heat": heat,
}
PARALLEL: dict[str, Callable[..., Any]] = {"black_scholes": black_scholes_parallel}


def collect(result: Any) -> tuple[float, Gradients]:
    """A result as plain numbers."""
    value, *gradients = result
    return float(value), [np.asarray(g) for g in gradients]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The kernel for a workload; None where none was written."""
    table = PARALLEL if np.size(inputs[0]) >= LARGE and family in PARALLEL else SERIAL
    return Run(table[family], inputs, collect) if family in table else None
