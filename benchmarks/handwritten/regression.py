"""Logistic regression by hand."""

from typing import Any

import numpy as np
from numba import get_num_threads, prange

from .kernels import kernel, parallel
from .vector_math import exp, log

# So many rows stay in the first cache between the product with the weights and that of the gradient.
BLOCK = 64


@kernel
def margins(weights: Any, features: Any, labels: Any, start: Any, out: Any) -> None:
    """Writes a block's margins, four rows at once."""
    i = 0
    while i + 4 <= out.size:
        k = start + i
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for j in range(weights.size):
            a += features[k, j] * weights[j]
            b += features[k + 1, j] * weights[j]
            c += features[k + 2, j] * weights[j]
            d += features[k + 3, j] * weights[j]
        out[i], out[i + 1], out[i + 2], out[i + 3] = a, b, c, d
        i += 4
    for rest in range(i, out.size):
        a = 0.0
        for j in range(weights.size):
            a += features[start + rest, j] * weights[j]
        out[rest] = a
    for i in range(out.size):
        out[i] *= labels[start + i]


@kernel
def add_product(slopes: Any, features: Any, start: Any, gradient: Any) -> None:
    """Adds a block's rows, each times its slope, four at once."""
    i = 0
    while i + 4 <= slopes.size:
        k, a, b, c, d = start + i, slopes[i], slopes[i + 1], slopes[i + 2], slopes[i + 3]
        for j in range(gradient.size):
            first = a * features[k, j] + b * features[k + 1, j]
            gradient[j] += first + (c * features[k + 2, j] + d * features[k + 3, j])
        i += 4
    for rest in range(i, slopes.size):
        for j in range(gradient.size):
            gradient[j] += slopes[rest] * features[start + rest, j]


@kernel
def rows_between(weights: Any, features: Any, labels: Any, begin: Any, end: Any, gradient: Any) -> Any:
    """The losses of some rows, summed; their gradient is added. The features are read once."""
    value, block = 0.0, np.empty(BLOCK)
    for start in range(begin, end, BLOCK):
        slopes = block[: min(BLOCK, end - start)]
        margins(weights, features, labels, start, slopes)
        for i in range(slopes.size):
            decay = exp(-slopes[i])
            value += log(1.0 + decay)
            slopes[i] = -labels[start + i] * decay / (1.0 + decay)
        add_product(slopes, features, start, gradient)
    return value


@kernel
def finish(value: Any, gradient: Any, weights: Any, rows: Any) -> Any:
    """Means of the sums, and the penalty."""
    value /= rows
    for j in range(weights.size):
        value += 0.01 * weights[j] * weights[j]
        gradient[j] = gradient[j] / rows + 0.02 * weights[j]
    return value, gradient


@kernel
def logistic(weights: Any, features: Any, labels: Any) -> Any:
    """Loss and gradient on one thread."""
    rows, gradient = labels.size, np.zeros(weights.size)
    value = rows_between(weights, features, labels, 0, rows, gradient)
    return finish(value, gradient, weights, rows)


@parallel
def logistic_threads(weights: Any, features: Any, labels: Any) -> Any:
    """Loss and gradient with the rows shared among the threads."""
    rows, tasks = labels.size, get_num_threads()
    parts, value = np.empty((tasks, weights.size)), 0.0
    for task in prange(tasks):
        # Memory of its own, far from that of the other threads.
        part = np.zeros(weights.size)
        value += rows_between(weights, features, labels, rows * task // tasks, rows * (task + 1) // tasks, part)
        parts[task] = part
    gradient = np.zeros(weights.size)
    for task in range(tasks):
        gradient += parts[task]
    return finish(value, gradient, weights, rows)
