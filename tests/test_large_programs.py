"""Random NumPy code on larger arrays, whose rows tasks share: the values and the gradients of eager execution.

What is drawn for a program are matrices that fit each other as they are or transposed, so that products of every
layout meet sums over rows, stencils and loops.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import jit
from jit.lowering import blocks

DIMENSIONS = (1, 2, 7, 16, 63, 65, 100, 130, 257, 300, 1000, 4096)
LARGEST = 200_000

Step = Callable[..., Any]


def product(x: Any, y: Any, pick: int) -> Any:
    """One of the products of the two, each as it is or transposed; `None` where none fits."""
    fits = [
        (a, b)
        for a in (x, x.T)
        for b in (y, y.T)
        if a.ndim and b.ndim and a.shape[-1] == b.shape[0] and np.prod([*a.shape[:-1], *b.shape[1:]]) <= LARGEST
    ]
    if not fits:
        return None
    a, b = fits[pick % len(fits)]
    return a @ b / np.sqrt(a.shape[-1])


def elementwise(x: Any, y: Any, pick: int) -> Any:
    try:
        size = np.prod(np.broadcast_shapes(x.shape, y.shape))
    except ValueError:
        return None
    return (x * y, x + y, np.where(x > y, x, 0.3 * y))[pick % 3] if size <= LARGEST else None


def reduced(x: Any, _: Any, pick: int) -> Any:
    return (np.mean, np.max)[pick % 2](x, axis=pick // 2 % x.ndim) if x.ndim else None


def softmax(x: Any, _: Any, pick: int) -> Any:
    if not x.ndim:
        return None
    z = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return z / np.sum(z, axis=-1, keepdims=True)


def neighbours(x: Any, _: Any, pick: int) -> Any:
    return x[2:] - 0.5 * x[:-2] + x[1:-1] if x.ndim and len(x) > 4 else None


def joined(x: Any, _: Any, pick: int) -> Any:
    return np.concatenate([x, 0.5 * x[::-1]]) if x.ndim and x.size <= LARGEST // 2 else None


def diffused(x: Any, _: Any, pick: int) -> Any:
    """A loop whose steps read other rows of what they carry."""
    if not x.ndim:
        return None
    for _ in range(9):
        p = np.pad(x, [(1, 1), *[(0, 0)] * (x.ndim - 1)])
        x = x + 0.1 * (p[2:] - 2.0 * x + p[:-2]) * (0.5 if pick % 2 else np.cos(x))
    return x


def recurrent(x: Any, y: Any, pick: int) -> Any:
    """A loop that multiplies by a matrix in each step."""
    if x.ndim < 2 or x.shape[0] != x.shape[1] or not y.ndim or len(y) != len(x):
        return None
    for _ in range(6):
        y = np.tanh(x @ y / np.sqrt(len(x)))
    return y


STEPS: tuple[Step, ...] = (
    *[product] * 5,
    *[elementwise] * 2,
    *(reduced, softmax, neighbours, joined, diffused, recurrent),
    lambda x, y, pick: np.tanh(x) + 0.1 * x,
    lambda x, y, pick: x.T,
    lambda x, y, pick: np.sum(x * x, axis=1)[:, None] / x.shape[1] + x if x.ndim == 2 else None,
)


def drawn(seed: int) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A function, and inputs for it."""
    random = np.random.default_rng(seed)
    while True:
        a, b, c = (int(n) for n in random.choice(DIMENSIONS, 3))
        if max(a * b, b * c, a * c) <= LARGEST // 2:
            break
    shapes = [(a, b), (b, c), (a, c), (b, a), (a,), (b,), (c,), (a, a) if a <= 300 else (a,)]
    inputs = [random.normal(size=shapes[i]) for i in random.choice(len(shapes), random.integers(2, 5))]
    picks = random.integers(10**6, size=(random.integers(3, 7), 4)).tolist()

    def f(*xs: Any) -> Any:
        values = list(xs)
        for step, i, j, pick in picks:
            made = STEPS[step % len(STEPS)](values[i % len(values)], values[j % len(values)], pick)
            values += [] if made is None else [made]
        total = 0.0
        for x in values:
            weights = np.cos(np.arange(x.size) + 0.5).reshape(x.shape)
            total = total + np.sum(x * weights) / np.sqrt(x.size)
        return total

    return f, inputs


@pytest.mark.parametrize("seed", range(48))
def test_compiled_equals_eager(seed, monkeypatch):
    monkeypatch.setattr(blocks, "WORTH", 100_000)
    f, inputs = drawn(seed)
    argnums = tuple(range(len(inputs)))
    compiled, eager = jit.value_and_grad(f, argnums), ag.value_and_grad(f, argnums)
    for factor in (1.0, 0.7):
        xs = [factor * x for x in inputs]
        (value, gradients), (expected, others) = compiled(*xs), eager(*xs)
        np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-10)
        for g, h in zip(gradients, others, strict=True):
            np.testing.assert_allclose(g, h, rtol=0, atol=1e-10 * max(np.abs(h).max(), 1e-3))
