"""The heat equation by hand: states in arrays with a rim of zeros, one fused pass a step in either direction."""

from typing import Any

import numpy as np
from numba import get_num_threads, prange

from benchmarks.steps import HEAT_STEPS

from .kernels import kernel, parallel


@kernel
def forward(u: Any, rates: Any, bent: Any, out: Any, begin: Any, end: Any) -> None:
    """A step over some rows; its stencil's values are kept."""
    for i in range(begin, end):
        above, here, below, rate, kept, after = u[i], u[i + 1], u[i + 2], rates[i], bent[i], out[i + 1]
        for j in range(rate.size):
            kept[j] = below[j + 1] + above[j + 1] + here[j + 2] + here[j] - 4.0 * here[j + 1]
            after[j + 1] = here[j + 1] + rate[j] * kept[j]


@kernel
def backward(bent: Any, rates: Any, flux: Any, g: Any, g_rates: Any, out: Any, begin: Any, end: Any) -> None:
    """The transposed step; `flux` is rate times cotangent, and `out` that of the step before."""
    for i in range(begin, end):
        above, here, below = flux[i], flux[i + 1], flux[i + 2]
        rate, kept, cotangent, g_rate, after = rates[i], bent[i], g[i], g_rates[i], out[i + 1]
        for j in range(rate.size):
            g_rate[j] += cotangent[j] * kept[j]
            cotangent[j] += below[j + 1] + above[j + 1] + here[j + 2] + here[j] - 4.0 * here[j + 1]
            after[j + 1] = rate[j] * cotangent[j]


@kernel
def miss(u: Any, rates: Any, target: Any, g: Any, flux: Any) -> Any:
    """The mean squared misfit; writes its gradient, and the first flux."""
    rows, columns = target.shape
    value, scale = 0.0, 1.0 / target.size
    for i in range(rows):
        here, wanted, cotangent, rate, first = u[i + 1], target[i], g[i], rates[i], flux[i + 1]
        for j in range(columns):
            difference = here[j + 1] - wanted[j]
            value += difference * difference
            cotangent[j] = 2.0 * scale * difference
            first[j + 1] = rate[j] * cotangent[j]
    return value * scale


@kernel
def heat(initial: Any, rates: Any, target: Any, bent: Any, states: Any, fluxes: Any) -> Any:
    """Misfit and gradients on one thread; the last three are the caller's memory, the rims of two of them zero."""
    rows = len(initial)
    g, g_rates = np.empty_like(initial), np.zeros_like(initial)
    states[0, 1:-1, 1:-1] = initial
    for step in range(HEAT_STEPS):
        forward(states[step % 2], rates, bent[step], states[1 - step % 2], 0, rows)
    value = miss(states[HEAT_STEPS % 2], rates, target, g, fluxes[HEAT_STEPS % 2])
    for step in range(HEAT_STEPS, 0, -1):
        backward(bent[step - 1], rates, fluxes[step % 2], g, g_rates, fluxes[1 - step % 2], 0, rows)
    return value, g, g_rates


@parallel
def heat_threads(initial: Any, rates: Any, target: Any, bent: Any, states: Any, fluxes: Any) -> Any:
    """The same with each step's rows shared among the threads."""
    rows, tasks = len(initial), get_num_threads()
    g, g_rates = np.empty_like(initial), np.zeros_like(initial)
    states[0, 1:-1, 1:-1] = initial
    for step in range(HEAT_STEPS):
        u, after, kept = states[step % 2], states[1 - step % 2], bent[step]
        for task in prange(tasks):
            forward(u, rates, kept, after, rows * task // tasks, rows * (task + 1) // tasks)
    value = miss(states[HEAT_STEPS % 2], rates, target, g, fluxes[HEAT_STEPS % 2])
    for step in range(HEAT_STEPS, 0, -1):
        flux, before, kept = fluxes[step % 2], fluxes[1 - step % 2], bent[step - 1]
        for task in prange(tasks):
            begin, end = rows * task // tasks, rows * (task + 1) // tasks
            backward(kept, rates, flux, g, g_rates, before, begin, end)
    return value, g, g_rates


def memory(initial: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a caller allocates once for many calls: the stencils of all steps, two states, two fluxes."""
    rows, columns = initial.shape
    rimmed = (2, rows + 2, columns + 2)
    return np.empty((HEAT_STEPS, rows, columns)), np.zeros(rimmed), np.zeros(rimmed)
