"""Both networks by hand: products by BLAS into memory that is kept, all else in vectorised loops.

Each is made for one hidden width or dtype, which its compiler then knows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .kernels import kernel
from .vector_math import exp, log, tanh, tanh32


@kernel
def cross_entropy(logits: Any, bias: Any, one_hot: Any, g_bias: Any, scales: Any) -> Any:
    """The mean loss; the logits become its gradient. Loops over rows and over elements, so that both vectorise."""
    batch, classes = logits.shape
    value, flat = 0.0, logits.reshape(-1)
    for i in range(batch):
        top = logits[i, 0] + bias[0]
        for j in range(classes):
            logits[i, j] += bias[j]
            top = max(top, logits[i, j])
        for j in range(classes):
            logits[i, j] -= top
            value -= one_hot[i, j] * logits[i, j]
    for k in range(flat.size):
        flat[k] = exp(np.float64(flat[k]))
    for i in range(batch):
        scales[i] = 0.0
        for j in range(classes):
            scales[i] += logits[i, j]
    for i in range(batch):
        value += log(scales[i])
        scales[i] = 1.0 / (batch * scales[i])
    for i in range(batch):
        for j in range(classes):
            logits[i, j] = logits[i, j] * scales[i] - one_hot[i, j] / batch
            g_bias[j] += logits[i, j]
    return value / batch


def mlp(dtype: np.dtype) -> Callable[..., Any]:
    """The kernel for one dtype."""
    squash = tanh32 if dtype == np.float32 else tanh
    one = dtype.type(1.0)

    @kernel
    def activate(hidden: Any, bias: Any) -> None:
        for i in range(len(hidden)):
            row = hidden[i]
            for j in range(bias.size):
                row[j] = squash(row[j] + bias[j])

    @kernel
    def pull_activation(g: Any, hidden: Any, g_bias: Any) -> None:
        for i in range(len(hidden)):
            cotangent, row = g[i], hidden[i]
            for j in range(g_bias.size):
                cotangent[j] *= one - row[j] * row[j]
                g_bias[j] += cotangent[j]

    @kernel
    def mlp(
        weights1: Any, bias1: Any, weights2: Any, bias2: Any, features: Any, one_hot: Any,
        hidden: Any, g_hidden: Any, logits: Any, scales: Any,
    ) -> Any:  # fmt: skip
        g_weights1, g_bias1 = np.empty_like(weights1), np.zeros_like(bias1)
        g_weights2, g_bias2 = np.empty_like(weights2), np.zeros_like(bias2)
        np.dot(features, weights1, hidden)
        activate(hidden, bias1)
        np.dot(hidden, weights2, logits)
        value = cross_entropy(logits, bias2, one_hot, g_bias2, scales)
        np.dot(hidden.T, logits, g_weights2)
        np.dot(logits, weights2.T, g_hidden)
        pull_activation(g_hidden, hidden, g_bias1)
        np.dot(features.T, g_hidden, g_weights1)
        return value, g_weights1, g_bias1, g_weights2, g_bias2

    return mlp


def mlp_memory(features: np.ndarray, width: int, classes: int) -> tuple[np.ndarray, ...]:
    """What a caller allocates once for many calls: two of the hidden layer, logits, a number a row."""
    batch, dtype = len(features), features.dtype
    hidden, g_hidden = np.empty((batch, width), dtype), np.empty((batch, width), dtype)
    return hidden, g_hidden, np.empty((batch, classes), dtype), np.empty(batch)


def rnn(width: int) -> Callable[..., Any]:
    """The kernel for one width of the state, so that a state times the weights is unrolled over its sum."""

    @kernel
    def add_product(x: Any, weights: Any, out: Any) -> None:
        for j in range(width):
            total = 0.0
            for k in range(width):
                total += x[k] * weights[k * width + j]
            out[j] += total

    @kernel
    def advance(states: Any, weights: Any, bias: Any) -> None:
        flat = weights.reshape(-1)
        for t in range(len(states)):
            state = states[t]
            if t > 0:
                add_product(states[t - 1], flat, state)
            for j in range(width):
                state[j] = tanh(state[j] + bias[j])

    @kernel
    def retreat(states: Any, turned: Any, g: Any, slopes: Any) -> None:
        flat = turned.reshape(-1)
        for t in range(len(states) - 1, -1, -1):
            state, slope = states[t], slopes[t]
            for j in range(width):
                slope[j] = g[j] * (1.0 - state[j] * state[j])
                g[j] = 0.0
            add_product(slope, flat, g)

    @kernel
    def rnn(
        weights_in: Any, weights: Any, bias: Any, readout: Any, sequence: Any, target: Any,
        states: Any, slopes: Any, turned: Any,
    ) -> Any:  # fmt: skip
        np.dot(sequence, weights_in, states)
        advance(states, weights, bias)
        miss = np.dot(states[-1], readout) - target
        value = np.dot(miss, miss)
        miss *= 2.0
        turned[:] = weights.T
        retreat(states, turned, np.dot(readout, miss), slopes)
        g_weights_in, g_weights, g_bias = np.empty_like(weights_in), np.empty_like(weights), np.zeros(width)
        # Two products over all steps at once, in the place of one outer product a step.
        np.dot(sequence.T, slopes, g_weights_in)
        np.dot(states[:-1].T, slopes[1:], g_weights)
        for t in range(len(slopes)):
            g_bias += slopes[t]
        return value, g_weights_in, g_weights, g_bias, np.outer(states[-1], miss)

    return rnn


def rnn_memory(length: int, width: int) -> tuple[np.ndarray, ...]:
    """What a caller allocates once for many calls: states, their cotangents, the weights transposed."""
    return np.empty((length, width)), np.empty((length, width)), np.empty((width, width))
