"""The hidden Markov model, the bodies and the LSTM by hand: what a step leaves behind is kept for the way back."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.recurrences import NBODY_STEP, SOFTENING
from benchmarks.steps import NBODY_STEPS

from .kernels import kernel
from .vector_math import exp, log, tanh


def hmm(states: int) -> Callable[..., Any]:
    """The forward pass for one number of states; `weights` keeps the exponentials, `totals` their sums."""

    @kernel
    def hmm(initial: Any, transition: Any, emission: Any, weights: Any, totals: Any) -> Any:
        length = len(emission)
        forward, top = initial + emission[0], np.empty(states)
        for t in range(1, length):
            weight, total = weights[t], totals[t]
            top[:] = -np.inf
            for i in range(states):
                for j in range(states):
                    top[j] = max(top[j], forward[i] + transition[i, j])
            total[:] = 0.0
            for i in range(states):
                for j in range(states):
                    weight[i, j] = exp(forward[i] + transition[i, j] - top[j])
                    total[j] += weight[i, j]
            for j in range(states):
                forward[j] = log(total[j]) + top[j] + emission[t, j]
        value = np.log(np.sum(np.exp(forward - np.max(forward)))) + np.max(forward)
        g = np.exp(forward - value)
        g_transition, g_emission, share = np.zeros((states, states)), np.empty_like(emission), np.empty(states)
        for t in range(length - 1, 0, -1):
            weight, total = weights[t], totals[t]
            for j in range(states):
                g_emission[t, j] = g[j]
                share[j] = g[j] / total[j]
            for i in range(states):
                sum_ = 0.0
                for j in range(states):
                    part = weight[i, j] * share[j]
                    g_transition[i, j] += part
                    sum_ += part
                g[i] = sum_
        g_emission[0] = g
        return value, g, g_transition, g_emission

    return hmm


def hmm_memory(length: int, states: int) -> tuple[np.ndarray, ...]:
    """What a caller allocates once for many calls."""
    return np.empty((length, states, states)), np.empty((length, states))


@kernel
def accelerate(x: Any, mass: Any, v: Any, time: Any) -> None:
    """Adds to the velocities what gravity does in that time; coordinates first, so that bodies are vectors."""
    n = mass.size
    for i in range(n):
        u0, u1, u2 = 0.0, 0.0, 0.0
        for j in range(n):
            d0, d1, d2 = x[0, j] - x[0, i], x[1, j] - x[1, i], x[2, j] - x[2, i]
            squared = d0 * d0 + d1 * d1 + d2 * d2 + SOFTENING**2
            strength = mass[j] / (squared * math.sqrt(squared))
            u0 += strength * d0
            u1 += strength * d1
            u2 += strength * d2
        v[0, i] += time * u0
        v[1, i] += time * u1
        v[2, i] += time * u2


@kernel
def pull_acceleration(x: Any, mass: Any, g_v: Any, time: Any, g_x: Any, g_mass: Any) -> None:
    """The cotangents of positions and masses from those of the velocities that were added to."""
    n = mass.size
    for i in range(n):
        u0, u1, u2 = time * g_v[0, i], time * g_v[1, i], time * g_v[2, i]
        s0, s1, s2 = 0.0, 0.0, 0.0
        for j in range(n):
            d0, d1, d2 = x[0, j] - x[0, i], x[1, j] - x[1, i], x[2, j] - x[2, i]
            inverse = 1.0 / (d0 * d0 + d1 * d1 + d2 * d2 + SOFTENING**2)
            strength = inverse * math.sqrt(inverse)
            along = strength * (d0 * u0 + d1 * u1 + d2 * u2)
            g_mass[j] += along
            strength, along = strength * mass[j], -3.0 * along * inverse * mass[j]
            g0, g1, g2 = strength * u0 + along * d0, strength * u1 + along * d1, strength * u2 + along * d2
            g_x[0, j] += g0
            g_x[1, j] += g1
            g_x[2, j] += g2
            s0 += g0
            s1 += g1
            s2 += g2
        g_x[0, i] -= s0
        g_x[1, i] -= s1
        g_x[2, i] -= s2


@kernel
def nbody(position: Any, velocity: Any, mass: Any, path: Any) -> Any:
    """Leapfrog steps: the two half kicks between drifts are one."""
    v = np.empty((3, mass.size))
    v[:] = velocity.T
    path[0] = position.T
    for t in range(NBODY_STEPS):
        accelerate(path[t], mass, v, NBODY_STEP if t > 0 else 0.5 * NBODY_STEP)
        for k in range(3):
            for i in range(mass.size):
                path[t + 1, k, i] = path[t, k, i] + NBODY_STEP * v[k, i]
    value = np.sum(path[NBODY_STEPS] ** 2)
    g_x, g_v, g_mass = 2.0 * path[NBODY_STEPS], np.zeros((3, mass.size)), np.zeros(mass.size)
    for t in range(NBODY_STEPS - 1, -1, -1):
        for k in range(3):
            for i in range(mass.size):
                g_v[k, i] += NBODY_STEP * g_x[k, i]
        pull_acceleration(path[t], mass, g_v, NBODY_STEP if t > 0 else 0.5 * NBODY_STEP, g_x, g_mass)
    return value, np.ascontiguousarray(g_x.T), np.ascontiguousarray(g_v.T), g_mass


def nbody_memory(bodies: int) -> tuple[np.ndarray, ...]:
    """What a caller allocates once for many calls: all positions."""
    return (np.empty((NBODY_STEPS + 1, 3, bodies)),)


def lstm(width: int) -> Callable[..., Any]:
    """The kernel for one width of the state."""

    @kernel
    def advance(gates: Any, weights: Any, bias: Any, cells: Any, squashed: Any, states: Any) -> None:
        for t in range(len(gates)):
            gate, cell, state = gates[t], cells[t], states[t]
            for j in range(4 * width):
                gate[j] += bias[j]
            for k in range(width if t > 0 else 0):
                for j in range(4 * width):
                    gate[j] += states[t - 1, k] * weights[k, j]
            for j in range(3 * width):
                gate[j] = 1.0 / (1.0 + exp(-gate[j]))
            for j in range(width):
                gate[3 * width + j] = tanh(gate[3 * width + j])
                before = cells[t - 1, j] if t > 0 else 0.0
                cell[j] = gate[width + j] * before + gate[j] * gate[3 * width + j]
                squashed[t, j] = tanh(cell[j])
                state[j] = gate[2 * width + j] * squashed[t, j]

    @kernel
    def retreat(gates: Any, turned: Any, cells: Any, squashed: Any, g_state: Any, slopes: Any) -> None:
        g_cell = np.zeros(width)
        for t in range(len(gates) - 1, -1, -1):
            gate, slope = gates[t], slopes[t]
            for j in range(width):
                let_in, forget, let_out, new = (
                    gate[j], gate[width + j], gate[2 * width + j], gate[3 * width + j],
                )  # fmt: skip
                before = cells[t - 1, j] if t > 0 else 0.0
                g = g_cell[j] + g_state[j] * let_out * (1.0 - squashed[t, j] * squashed[t, j])
                slope[j] = g * new * let_in * (1.0 - let_in)
                slope[width + j] = g * before * forget * (1.0 - forget)
                slope[2 * width + j] = g_state[j] * squashed[t, j] * let_out * (1.0 - let_out)
                slope[3 * width + j] = g * let_in * (1.0 - new * new)
                g_cell[j] = g * forget
                g_state[j] = 0.0
            for k in range(4 * width):
                for j in range(width):
                    g_state[j] += slope[k] * turned[k, j]

    @kernel
    def lstm(
        weights_in: Any, weights: Any, bias: Any, readout: Any, sequence: Any, target: Any,
        gates: Any, slopes: Any, cells: Any, squashed: Any, states: Any, turned: Any,
    ) -> Any:  # fmt: skip
        np.dot(sequence, weights_in, gates)
        advance(gates, weights, bias, cells, squashed, states)
        miss = np.dot(states[-1], readout) - target
        value = np.dot(miss, miss)
        miss *= 2.0
        turned[:] = weights.T
        retreat(gates, turned, cells, squashed, np.dot(readout, miss), slopes)
        g_weights_in, g_weights, g_bias = np.empty_like(weights_in), np.empty_like(weights), np.zeros(4 * width)
        np.dot(sequence.T, slopes, g_weights_in)
        np.dot(states[:-1].T, slopes[1:], g_weights)
        for t in range(len(slopes)):
            g_bias += slopes[t]
        return value, g_weights_in, g_weights, g_bias, np.outer(states[-1], miss)

    return lstm


def lstm_memory(length: int, width: int) -> tuple[np.ndarray, ...]:
    """What a caller allocates once for many calls: gates and their cotangents, cells, states, turned weights."""
    wide = (np.empty((length, 4 * width)) for _ in range(2))
    narrow = (np.empty((length, width)) for _ in range(3))
    return *wide, *narrow, np.empty((4 * width, width))
