"""The Kalman filter by hand, for four states of which two are measured: the inverse of a 2x2 matrix is a formula.

Each step back uses the transposes of what the step did, in the opposite order.
"""

import math
from typing import Any

import numpy as np

from .kernels import kernel

N, M = 4, 2


@kernel
def add_product(x: Any, y: Any, factor: Any, out: Any, rows: Any, inner: Any, columns: Any) -> None:
    """Adds factor * x @ y; the sizes are constants where it is called."""
    for i in range(rows):
        for k in range(inner):
            for j in range(columns):
                out[i, j] += factor * x[i, k] * y[k, j]


@kernel
def inverse(s: Any, out: Any) -> Any:
    """The inverse of a symmetric 2x2 matrix; its determinant is returned."""
    determinant = s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0]
    out[0, 0], out[1, 1] = s[1, 1] / determinant, s[0, 0] / determinant
    out[0, 1], out[1, 0] = -s[0, 1] / determinant, -s[1, 0] / determinant
    return determinant


@kernel
def kalman(
    f: Any, h: Any, q: Any, r: Any, measurements: Any,
    means: Any, covariances: Any, predicted: Any, spreads: Any, surprises: Any,
) -> Any:  # fmt: skip
    """Negative log-likelihood and its gradient by `f`, `h`, `q` and `r`; what the steps are at is kept."""
    steps = len(measurements)
    ft, ht = np.ascontiguousarray(f.T), np.ascontiguousarray(h.T)
    means[0], covariances[0] = 0.0, np.eye(N)
    c, s, gain, between = np.empty((M, N)), np.empty((M, M)), np.empty((N, M)), np.empty((N, N))
    value = 0.0
    for t in range(steps):
        mean, w, e = means[t + 1], spreads[t], surprises[t]
        mean[:] = 0.0
        for i in range(N):
            for j in range(N):
                mean[i, 0] += f[i, j] * means[t, j, 0]
        between[:] = 0.0
        add_product(f, covariances[t], 1.0, between, N, N, N)
        predicted[t] = q
        add_product(between, ft, 1.0, predicted[t], N, N, N)
        for i in range(M):
            e[i, 0] = measurements[t, i]
        add_product(h, mean, -1.0, e, M, N, 1)
        c[:] = 0.0
        add_product(h, predicted[t], 1.0, c, M, N, N)
        s[:] = r
        add_product(c, ht, 1.0, s, M, N, M)
        value += 0.5 * math.log(inverse(s, w))
        for i in range(M):
            for j in range(M):
                value += 0.5 * e[i, 0] * w[i, j] * e[j, 0]
        gain[:] = 0.0
        add_product(c.T, w.T, 1.0, gain, N, M, M)
        add_product(gain, e, 1.0, mean, N, M, 1)
        covariances[t + 1] = predicted[t]
        add_product(gain, c, -1.0, covariances[t + 1], N, M, N)
    g_f, g_h, g_q, g_r = np.zeros((N, N)), np.zeros((M, N)), np.zeros((N, N)), np.zeros((M, M))
    g_mean, g_covariance = np.zeros((N, 1)), np.zeros((N, N))
    g_gain, g_c, g_s, g_e = np.empty((N, M)), np.empty((M, N)), np.empty((M, M)), np.empty((M, 1))
    mean, weighted = np.empty((N, 1)), np.empty((M, 1))
    for t in range(steps - 1, -1, -1):
        p, w, e = predicted[t], spreads[t], surprises[t]
        mean[:], c[:], gain[:], weighted[:] = 0.0, 0.0, 0.0, 0.0
        add_product(f, means[t], 1.0, mean, N, N, 1)
        add_product(h, p, 1.0, c, M, N, N)
        add_product(c.T, w.T, 1.0, gain, N, M, M)
        add_product(w, e, 1.0, weighted, M, M, 1)
        # What the step ends with: mean + gain @ e and p - gain @ c, and its part of the value.
        g_gain[:], g_c[:], g_e[:] = 0.0, 0.0, weighted
        add_product(g_mean, e.T, 1.0, g_gain, N, 1, M)
        add_product(g_covariance, c.T, -1.0, g_gain, N, N, M)
        add_product(gain.T, g_covariance, -1.0, g_c, M, N, N)
        add_product(gain.T, g_mean, 1.0, g_e, M, N, 1)
        for i in range(M):
            for j in range(M):
                g_s[i, j] = 0.5 * (w[j, i] - weighted[i, 0] * weighted[j, 0])
        # gain.T is w @ c.
        add_product(w.T, g_gain.T, 1.0, g_c, M, M, N)
        for i in range(M):
            for j in range(M):
                for k in range(N):
                    for o in range(M):
                        g_s[i, j] -= w[o, i] * g_gain[k, o] * gain[k, j]
        add_product(g_s, h, 1.0, g_c, M, M, N)
        add_product(g_s.T, c, 1.0, g_h, M, M, N)
        g_r += g_s
        add_product(g_c, p.T, 1.0, g_h, M, N, N)
        add_product(ht, g_c, 1.0, g_covariance, N, M, N)
        add_product(g_e, mean.T, -1.0, g_h, M, 1, N)
        add_product(ht, g_e, -1.0, g_mean, N, M, 1)
        # The prediction: f @ mean and f @ covariance @ f.T + q.
        g_q += g_covariance
        between[:] = 0.0
        add_product(f, covariances[t].T, 1.0, between, N, N, N)
        add_product(g_covariance, between, 1.0, g_f, N, N, N)
        between[:] = 0.0
        add_product(f, covariances[t], 1.0, between, N, N, N)
        add_product(g_covariance.T, between, 1.0, g_f, N, N, N)
        add_product(g_mean, means[t].T, 1.0, g_f, N, 1, N)
        between[:] = 0.0
        add_product(ft, g_covariance, 1.0, between, N, N, N)
        g_covariance[:] = 0.0
        add_product(between, f, 1.0, g_covariance, N, N, N)
        mean[:] = g_mean
        g_mean[:] = 0.0
        add_product(ft, mean, 1.0, g_mean, N, N, 1)
    return value, g_f, g_h, g_q, g_r


def kalman_memory(length: int) -> tuple[np.ndarray, ...]:
    """What a caller allocates once for many calls: where each step begins, and what it is at."""
    shapes = ((length + 1, N, 1), (length + 1, N, N), (length, N, N), (length, M, M), (length, M, 1))
    return tuple(np.empty(shape) for shape in shapes)
