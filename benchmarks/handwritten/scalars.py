"""The polynomial, Rosenbrock's valley and the Lorenz system by hand: what lives in registers."""

from typing import Any

import numpy as np
from numba import get_num_threads, prange

from benchmarks.steps import LORENZ_STEPS

from .kernels import kernel, parallel


@kernel
def square(x: Any) -> Any:
    """The warm-up."""
    return x**2, 2.0 * x


@kernel
def polynomial(x: Any) -> Any:
    """5x³ + 2x² + 4x + 8 and its slope."""
    return ((5.0 * x + 2.0) * x + 4.0) * x + 8.0, (15.0 * x + 4.0) * x + 4.0


@kernel
def valley_between(x: Any, gradient: Any, begin: Any, end: Any) -> Any:
    """Inner elements in one pass; what two share is computed twice, since to carry it along would end vectorisation."""
    value = 0.0
    for i in range(begin, end):
        before, excess, rest = x[i] - x[i - 1] * x[i - 1], x[i + 1] - x[i] * x[i], 1.0 - x[i]
        value += 100.0 * excess * excess + rest * rest
        gradient[i] = 200.0 * before - 400.0 * excess * x[i] - 2.0 * rest
    return value


@kernel
def valley_ends(x: Any, gradient: Any) -> Any:
    """The first and the last element."""
    n = x.size
    excess, rest = x[1] - x[0] * x[0], 1.0 - x[0]
    gradient[0] = -400.0 * excess * x[0] - 2.0 * rest
    gradient[n - 1] = 200.0 * (x[n - 1] - x[n - 2] * x[n - 2])
    return 100.0 * excess * excess + rest * rest


@kernel
def rosenbrock(x: Any) -> Any:
    """The valley on one thread."""
    gradient = np.empty(x.size)
    return valley_ends(x, gradient) + valley_between(x, gradient, 1, x.size - 1), gradient


@parallel
def rosenbrock_threads(x: Any) -> Any:
    """The valley with the elements shared among the threads."""
    inner, tasks, gradient = x.size - 2, get_num_threads(), np.empty(x.size)
    value = valley_ends(x, gradient)
    for task in prange(tasks):
        value += valley_between(x, gradient, 1 + inner * task // tasks, 1 + inner * (task + 1) // tasks)
    return value, gradient


STEP = 0.01
HALF, SIXTH, THIRD = STEP / 2.0, STEP / 6.0, STEP / 3.0


@kernel
def slope(x: Any, y: Any, z: Any, a: Any, b: Any, c: Any) -> Any:
    """Right-hand side of the Lorenz system."""
    return a * (y - x), x * (b - z) - y, x * y - c * z


@kernel
def pull(x: Any, y: Any, z: Any, a: Any, b: Any, c: Any, u: Any, v: Any, w: Any) -> Any:
    """The transposed Jacobian of `slope` times (u, v, w)."""
    return (b - z) * v - a * u + y * w, a * u - v + x * w, -x * v - c * w


@kernel
def stages(x: Any, y: Any, z: Any, a: Any, b: Any, c: Any) -> Any:
    """The three states within a Runge-Kutta step, and the slopes at all four."""
    p1, q1, r1 = slope(x, y, z, a, b, c)
    x2, y2, z2 = x + HALF * p1, y + HALF * q1, z + HALF * r1
    p2, q2, r2 = slope(x2, y2, z2, a, b, c)
    x3, y3, z3 = x + HALF * p2, y + HALF * q2, z + HALF * r2
    p3, q3, r3 = slope(x3, y3, z3, a, b, c)
    x4, y4, z4 = x + STEP * p3, y + STEP * q3, z + STEP * r3
    p4, q4, r4 = slope(x4, y4, z4, a, b, c)
    step = SIXTH * (p1 + 2.0 * (p2 + p3) + p4), SIXTH * (q1 + 2.0 * (q2 + q3) + q4), SIXTH * (r1 + 2.0 * (r2 + r3) + r4)
    return x2, y2, z2, x3, y3, z3, x4, y4, z4, step


@kernel
def lorenz(initial: Any, parameters: Any) -> Any:
    """Steps with the states stored; backwards each step's stages are made again, beside the chain of adjoints."""
    a, b, c = parameters[0], parameters[1], parameters[2]
    x, y, z = initial[0], initial[1], initial[2]
    states = np.empty((LORENZ_STEPS, 3))
    for i in range(LORENZ_STEPS):
        states[i, 0], states[i, 1], states[i, 2] = x, y, z
        dx, dy, dz = stages(x, y, z, a, b, c)[-1]
        x, y, z = x + dx, y + dy, z + dz
    value = x * x + y * y + z * z
    u, v, w = 2.0 * x, 2.0 * y, 2.0 * z
    ga, gb, gc = 0.0, 0.0, 0.0
    for i in range(LORENZ_STEPS - 1, -1, -1):
        x, y, z = states[i, 0], states[i, 1], states[i, 2]
        x2, y2, z2, x3, y3, z3, x4, y4, z4, _ = stages(x, y, z, a, b, c)
        u4, v4, w4 = SIXTH * u, SIXTH * v, SIXTH * w
        d4, e4, f4 = pull(x4, y4, z4, a, b, c, u4, v4, w4)
        u3, v3, w3 = THIRD * u + STEP * d4, THIRD * v + STEP * e4, THIRD * w + STEP * f4
        d3, e3, f3 = pull(x3, y3, z3, a, b, c, u3, v3, w3)
        u2, v2, w2 = THIRD * u + HALF * d3, THIRD * v + HALF * e3, THIRD * w + HALF * f3
        d2, e2, f2 = pull(x2, y2, z2, a, b, c, u2, v2, w2)
        u1, v1, w1 = SIXTH * u + HALF * d2, SIXTH * v + HALF * e2, SIXTH * w + HALF * f2
        d1, e1, f1 = pull(x, y, z, a, b, c, u1, v1, w1)
        ga += ((y - x) * u1 + (y2 - x2) * u2) + ((y3 - x3) * u3 + (y4 - x4) * u4)
        gb += (x * v1 + x2 * v2) + (x3 * v3 + x4 * v4)
        gc -= (z * w1 + z2 * w2) + (z3 * w3 + z4 * w4)
        u, v, w = u + (d1 + d2) + (d3 + d4), v + (e1 + e2) + (e3 + e4), w + (f1 + f2) + (f3 + f4)
    return value, np.array([u, v, w]), np.array([ga, gb, gc])
