"""Random compositions of ops over mixed dtypes, ranks and layouts, empty arrays and single elements included.

Nothing in them needs to be smooth, so all ops take part with all dtypes; what NumPy refuses is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd import ops
from autograd.primitive import Shape

DTYPES = [np.dtype(t) for t in (np.float64, np.float32, np.int64, np.int32, np.bool_, np.uint8)]
SHAPES: list[Shape] = [(), (1,), (3,), (2, 3), (2, 1), (1, 1, 1), (4, 2, 3), (0, 3), (3, 3), (1, 3)]
MOST_ELEMENTS = 200
LARGEST = 1e6

UNARY = [
    ops.neg, ops.abs, ops.sign, ops.square, ops.floor, ops.exp, ops.tanh, ops.sin, ops.sqrt, ops.isnan,
    ops.logical_not, ops.stop_gradient, ops.reciprocal,
]  # fmt: skip
BINARY = [
    ops.add, ops.sub, ops.mul, ops.div, ops.floor_divide, ops.mod, ops.maximum, ops.minimum, ops.equal, ops.less,
    ops.greater_equal, ops.logical_and, ops.logical_or,
]  # fmt: skip
NUMBERS = [1.0, 2.0, 0.0, -1.0, 0.5, 3, 1, 0.25, np.float32(2.0)]
EXPONENTS = [1, 2, 3, 4, 0.5, -1.0, -2.0, 1.5]

# One op on values: what it is given are the positions of its operands.
Made = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Mixture:
    """A function of arrays: steps on all values before them, and the positions of its results."""

    seed: int
    inputs: tuple[Any, ...]
    steps: tuple[Made, ...]
    results: tuple[int, ...]

    def __call__(self, *xs: Any) -> tuple[Any, ...]:
        values = list(xs)
        for step in self.steps:
            values.append(step(values))
        return tuple([values[i] for i in self.results])

    def __repr__(self) -> str:
        return f"mixture({self.seed})"


def mixtures() -> st.SearchStrategy[Mixture]:
    """Mixtures by their seeds."""
    return st.integers(0, 10**6).map(mixture)


def mixture(seed: int) -> Mixture:
    """The mixture of that seed."""
    random, numbers = Random(seed), np.random.default_rng(seed)
    inputs = [drawn(numbers, random.choice(SHAPES), random.choice(DTYPES)) for _ in range(random.randint(1, 4))]
    values, steps = list(inputs), []
    with np.errstate(all="ignore"):
        for _ in range(random.randint(1, 14)):
            made = random.choice(STEPS)(random, values)
            out = attempted(made, values) if made is not None else None
            if made is not None and out is not None:
                steps.append(made)
                values.append(out)
    results = [random.randrange(len(values)) for _ in range(random.randint(0, 3))]
    return Mixture(seed, tuple(inputs), tuple(steps), (*results, len(values) - 1))


def drawn(numbers: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return np.asarray(numbers.uniform(-1.5, 1.5, shape), dtype)
    low, high = {"b": (0, 2), "u": (0, 4), "i": (-3, 4)}[dtype.kind]
    return np.asarray(numbers.integers(low, high, shape), dtype)


def attempted(made: Made, values: Sequence[Any]) -> Any:
    """The value of a step, `None` where NumPy refuses it or its elements are many, large or of another kind."""
    try:
        out = np.asarray(made(values))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if out.size > MOST_ELEMENTS or out.dtype.name not in {"float64", "float32", "int64", "int32", "bool", "uint8"}:
        return None
    return None if np.abs(out[np.isfinite(out)].astype(float)).max(initial=0) > LARGEST else out


def position(random: Random, values: Sequence[Any]) -> int:
    return random.randrange(len(values))


def unary(random: Random, values: Sequence[Any]) -> Made:
    op, i = random.choice(UNARY), position(random, values)
    return lambda xs: op(xs[i])


def binary(random: Random, values: Sequence[Any]) -> Made:
    op, i, j = random.choice(BINARY), position(random, values), position(random, values)
    return lambda xs: op(xs[i], xs[j])


def with_number(random: Random, values: Sequence[Any]) -> Made:
    op, i, number = random.choice(BINARY), position(random, values), random.choice(NUMBERS)
    return (lambda xs: op(xs[i], number)) if random.random() < 0.5 else (lambda xs: op(number, xs[i]))


def power(random: Random, values: Sequence[Any]) -> Made:
    i, exponent = position(random, values), random.choice(EXPONENTS)
    return lambda xs: xs[i] ** exponent


def ternary(random: Random, values: Sequence[Any]) -> Made:
    op, (i, j, k) = random.choice([ops.where, ops.clip]), [position(random, values) for _ in range(3)]
    return lambda xs: op(xs[i], xs[j], xs[k])


def cast(random: Random, values: Sequence[Any]) -> Made:
    i, dtype = position(random, values), random.choice(DTYPES)
    return lambda xs: ops.astype(xs[i], dtype=dtype)


def reduction(random: Random, values: Sequence[Any]) -> Made:
    i, op, keepdims = (
        position(random, values),
        random.choice([ops.sum, ops.prod, ops.max, ops.min]),
        random.random() < 0.5,
    )
    rank = values[i].ndim
    axis = tuple(sorted(random.sample(range(rank), random.randint(0, rank))))
    return lambda xs: op(xs[i], axis=axis, keepdims=keepdims)


def along_an_axis(random: Random, values: Sequence[Any]) -> Made | None:
    i = position(random, values)
    if not values[i].ndim:
        return None
    axis, reverse = random.randrange(values[i].ndim), random.random() < 0.5
    op = random.choice([ops.argmax, ops.argmin, ops.cumsum])
    if op is ops.cumsum:
        return lambda xs: ops.cumsum(xs[i], axis=axis, reverse=reverse)
    return lambda xs: op(xs[i], axis=axis)


def other_shape(random: Random, values: Sequence[Any]) -> Made:
    i = position(random, values)
    shape, size = values[i].shape, values[i].size
    axes = tuple(random.sample(range(len(shape)), len(shape)))
    larger = (random.randint(0, 3), *[n if n != 1 else random.randint(1, 2) for n in shape])
    return random.choice([
        lambda xs: ops.transpose(xs[i], axes=axes),
        lambda xs: ops.reshape(xs[i], shape=(size,)),
        lambda xs: ops.reshape(xs[i], shape=(1, *shape, 1)),
        lambda xs: ops.expand(xs[i], shape=larger),
    ])  # fmt: skip


def part(random: Random, values: Sequence[Any]) -> Made:
    i = position(random, values)
    index = tuple([some_of(random, n) for n in values[i].shape])
    return lambda xs: ops.slice_(xs[i], index=index)


def some_of(random: Random, n: int) -> Any:
    if n and random.random() < 0.2:
        return random.randrange(n)
    if n == 0:
        return 0, 0, 1
    start, step = random.randrange(n), random.choice([1, 1, 2, -1, -2])
    most = (n - 1 - start) // step + 1 if step > 0 else start // -step + 1
    return start, random.randint(min(1, most), most), step


def padded(random: Random, values: Sequence[Any]) -> Made:
    i = position(random, values)
    shape, index = [], []
    for n in values[i].shape:
        step, before, after = random.choice([1, 2, -1, -2]), random.randint(0, 1), random.randint(0, 1)
        length = (n - 1) * abs(step) + 1 if n else 0
        shape.append(before + length + after)
        index.append((before if step > 0 or not n else before + length - 1, n, step if n else 1))
    return lambda xs: ops.unslice(xs[i], shape=tuple(shape), index=tuple(index))


def joined(random: Random, values: Sequence[Any]) -> Made | None:
    i = position(random, values)
    shape = values[i].shape
    if not shape:
        return None
    axis = random.randrange(len(shape))

    def without_axis(x: Any) -> Shape:
        return (*x.shape[:axis], *x.shape[axis + 1 :]) if x.ndim == len(shape) else (-1,)

    fitting = [j for j, x in enumerate(values) if without_axis(x) == without_axis(values[i])]
    chosen = random.choices(fitting, k=random.randint(1, 3))
    return lambda xs: ops.concatenate(*[xs[j] for j in chosen], axis=axis)


def indexed(random: Random, values: Sequence[Any]) -> Made | None:
    i = position(random, values)
    shape = values[i].shape
    if not shape or not shape[0]:
        return None
    where = np.array(random.choices(range(-shape[0], shape[0]), k=random.randint(0, 3)), np.intp)
    rows = np.array(random.choices(range(-4, 4), k=shape[0]), np.intp)
    if random.random() < 0.5:
        return lambda xs: ops.gather(xs[i], where)
    return lambda xs: ops.scatter_add(xs[i], rows, shape=(4, *shape[1:]))


def product(random: Random, values: Sequence[Any]) -> Made | None:
    i, j = position(random, values), position(random, values)
    return (lambda xs: ops.matmul(xs[i], xs[j])) if values[i].ndim and values[j].ndim else None


STEPS = [
    unary, binary, binary, binary, with_number, power, ternary, cast, reduction, reduction, along_an_axis,
    other_shape, other_shape, part, padded, joined, indexed, product,
]  # fmt: skip
