"""Random programs: compositions of ops over a few inputs, as data that prints and shrinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd import ops
from autograd.ops import transposed

AT = 0.123  # where kinks lie: no value meets it but by chance

# Each keeps values of the order of one near it, so that finite differences stay exact.
# fmt: off
UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": lambda x: -x,                     "square": lambda x: 0.25 * ops.square(x),
    "sin": ops.sin,                          "cos": ops.cos,
    "tanh": ops.tanh,                        "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,                "arctan": ops.arctan,
    "arcsinh": ops.arcsinh,                  "erf": ops.erf,
    "gauss": lambda x: ops.exp(-(x * x)),    "expm1": lambda x: ops.expm1(-ops.square(x)),
    "log": lambda x: ops.log(x * x + 1.0),   "log1p": lambda x: ops.log1p(x * x),
    "sqrt": lambda x: ops.sqrt(x * x + 1.0), "reciprocal": lambda x: 1.0 / (1.0 + x * x),
    "cube": lambda x: 0.1 * x**3,            "power": lambda x: (x * x + 0.5) ** 0.3,
}

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,               "sub": lambda x, y: x - y,
    "mul": lambda x, y: 0.5 * (x * y),       "div": lambda x, y: x / (y * y + 1.0),
    "logaddexp": ops.logaddexp,              "hypot": lambda x, y: ops.hypot(x, y * y + 0.5),
    "arctan2": lambda x, y: ops.arctan2(x, y * y + 0.5),
    "pow": lambda x, y: (x * x + 0.5) ** ops.tanh(y),
}

KINKED_UNARY: dict[str, Callable[[Any], Any]] = {
    "abs": lambda x: ops.abs(x - AT),        "relu": lambda x: ops.relu(x - AT),
    "clip": lambda x: ops.clip(x, -AT, AT),  "stop": ops.stop_gradient,
}

KINKED_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "where": lambda x, y: ops.where(x > AT, x, y),
    "maximum": lambda x, y: ops.maximum(x, y - AT),
    "minimum": lambda x, y: ops.minimum(x, y - AT),
}
# fmt: on


@dataclass(frozen=True)
class Step:
    """One operation on the values before it."""

    name: str
    operands: tuple[int, ...]
    params: tuple[Any, ...] = ()

    def __call__(self, values: list[Any]) -> Any:
        return APPLY[self.name](*[values[i] for i in self.operands], *self.params)


@dataclass(frozen=True)
class Program:
    """A function of arrays of the given shapes: its steps, and a weighted mean of what no step uses."""

    shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    seed: int

    def inputs(self) -> tuple[Any, ...]:
        random = np.random.default_rng(self.seed)
        return tuple(np.asarray(random.uniform(-1.5, 1.5, shape)) for shape in self.shapes)

    def __call__(self, *xs: Any) -> Any:
        values = list(xs)
        for step in self.steps:
            values.append(step(values))
        used = {i for step in self.steps for i in step.operands}
        results = [x for i, x in enumerate(values) if i not in used]
        total = weighted_mean(results[0])
        for x in results[1:]:
            total = total + weighted_mean(x)
        return total


def weighted_mean(x: Any) -> Any:
    size = max(prod(x.shape), 1)
    weights = np.cos(np.arange(prod(x.shape)) + 0.5).reshape(x.shape)
    return ops.sum(x * weights, axis=tuple(range(len(x.shape))), keepdims=False) * (1.0 / size)


def mean(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    count = prod(x.shape[i] for i in axis)
    return ops.sum(x, axis=axis, keepdims=keepdims) * (1.0 / max(count, 1))


APPLY: dict[str, Callable[..., Any]] = {
    **UNARY,
    **BINARY,
    **KINKED_UNARY,
    **KINKED_BINARY,
    "mean": mean,
    "prod": lambda x, axis, keepdims: ops.prod(ops.sin(x), axis=axis, keepdims=keepdims),
    "cumsum": lambda x, axis, reverse: 0.3 * ops.cumsum(x, axis=axis, reverse=reverse),
    "expand": lambda x, n: ops.expand(x, shape=(n, *x.shape)),
    "flatten": lambda x: ops.reshape(x, shape=(prod(x.shape),)),
    "column": lambda x: ops.reshape(x, shape=(*x.shape, 1)),
    "transpose": lambda x, axes: ops.transpose(x, axes=axes),
    "slice": lambda x, index: ops.slice_(x, index=index),
    "unslice": lambda x, shape, index: ops.unslice(x, shape=shape, index=index),
    "put": lambda x, y, index: ops.put(x, ops.sin(ops.slice_(y, index=index)), index=index),
    "concatenate": lambda x, y, axis: ops.concatenate(x, y, axis=axis),
    "gather": lambda x, indices: ops.gather(x, np.array(indices, np.intp)),
    "scatter_add": lambda x, indices, n: ops.scatter_add(x, np.array(indices, np.intp), shape=(n, *x.shape[1:])),
    "gram": lambda x: ops.matmul(x, transposed(x)) * (1.0 / max(x.shape[-1], 1)),
    "matmul": lambda x, y: ops.matmul(x, y) * (1.0 / max(x.shape[-1], 1)),
}


def joined(x: tuple[int, ...], y: tuple[int, ...], largest: int) -> tuple[int, ...] | None:
    """The shape that the two broadcast to, if there is one that is not too large."""
    try:
        shape = np.broadcast_shapes(x, y)
    except ValueError:
        return None
    return shape if prod(shape) <= largest else None


def product_shape(x: tuple[int, ...], y: tuple[int, ...], largest: int) -> tuple[int, ...] | None:
    """The shape of the matrix product of the two, if there is one that is not too large."""
    if not x or not y or x[-1] != (y[-2] if len(y) > 1 else y[0]):
        return None
    batch = joined(x[:-2], y[:-2], largest)
    if batch is None:
        return None
    shape = batch + x[-2:-1] + (y[-1:] if len(y) > 1 else ())
    return shape if prod(shape) <= largest else None


@st.composite
def programs(draw: st.DrawFn, smooth: bool, most_steps: int = 8, max_side: int = 3, largest: int = 48) -> Program:
    """Programs on arrays of up to `largest` elements; where they are `smooth`, without kinks."""
    count = draw(st.integers(1, 3))
    dims = 3 if max_side <= 3 else 2
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=dims, max_side=max_side))
    shapes = drawn.input_shapes
    known = [tuple(shape) for shape in shapes]
    steps = []
    for _ in range(draw(st.integers(1, most_steps))):
        step = draw(a_step(known, smooth, largest))
        steps.append(step)
        known.append(step([np.zeros(shape) for shape in known]).shape)
    return Program(tuple(shapes), tuple(steps), draw(st.integers(0, 2**16)))


@st.composite
def a_step(draw: st.DrawFn, known: list[tuple[int, ...]], smooth: bool, largest: int) -> Step:
    """A step that the values of those shapes allow, rather on the newer ones."""
    i = len(known) - 1 - draw(st.integers(0, len(known) - 1))
    family = draw(st.sampled_from(["unary", "binary", "binary", "structure", "matmul"]))
    if family == "binary":
        names = list(BINARY) if smooth else [*BINARY, *KINKED_BINARY]
        partners = [j for j, shape in enumerate(known) if joined(known[i], shape, largest) is not None]
        pair = draw(st.permutations([i, draw(st.sampled_from(partners))]))
        return Step(draw(st.sampled_from(names)), tuple(pair))
    if family == "matmul":
        partners = [j for j, shape in enumerate(known) if product_shape(known[i], shape, largest) is not None]
        if partners:
            return Step("matmul", (i, draw(st.sampled_from(partners))))
        if product_shape(known[i], known[i][:-2] + known[i][:-3:-1], largest) is not None and len(known[i]) > 1:
            return Step("gram", (i,))
    if family == "structure":
        return draw(a_movement(i, known, largest))
    return Step(draw(st.sampled_from(list(UNARY) if smooth else [*UNARY, *KINKED_UNARY])), (i,))


@st.composite
def a_movement(draw: st.DrawFn, i: int, known: list[tuple[int, ...]], largest: int) -> Step:
    """A step that moves, repeats or adds up elements of value `i`."""
    shape = known[i]
    n = len(shape)
    choices = ["mean", "flatten", "transpose", "slice", "unslice"]
    choices += ["expand", "column"] if 2 * prod(shape) <= largest and n < 4 else []
    choices += ["prod", "cumsum"] if n else []
    choices += ["gather", "scatter_add"] if n and shape[0] and 4 * prod(shape) <= largest else []
    same = [j for j, other in enumerate(known) if n and other == shape and 2 * prod(shape) <= largest]
    name = draw(st.sampled_from(choices + ["concatenate", "put", "put"] * bool(same)))
    if name == "put":
        return Step(name, (i, draw(st.sampled_from(same))), (tuple([draw(an_index(size)) for size in shape]),))
    if name == "concatenate":
        return Step(name, (i, draw(st.sampled_from(same))), (draw(st.integers(0, n - 1)),))
    if name in ("mean", "prod"):
        axis = tuple(sorted(draw(st.sets(st.integers(0, n - 1))))) if n else ()
        return Step(name, (i,), (axis, draw(st.booleans())))
    if name == "cumsum":
        return Step(name, (i,), (draw(st.integers(0, n - 1)), draw(st.booleans())))
    if name == "expand":
        return Step(name, (i,), (draw(st.integers(1, 2)),))
    if name == "transpose":
        return Step(name, (i,), (tuple(draw(st.permutations(range(n)))),))
    if name == "slice":
        return Step(name, (i,), (tuple([draw(an_index(size)) for size in shape]),))
    if name == "unslice":
        index = tuple([(draw(st.integers(0, 1)), size, 1) for size in shape])
        return Step(name, (i,), (tuple([start + size for start, size, _ in index]), index))
    if name == "gather":
        limits = st.integers(-shape[0], shape[0] - 1)
        return Step(name, (i,), (tuple(draw(st.lists(limits, min_size=1, max_size=4))),))
    if name == "scatter_add":
        rows = draw(st.lists(st.integers(-4, 3), min_size=shape[0], max_size=shape[0]))
        return Step(name, (i,), (tuple(rows), 4))
    return Step(name, (i,))


@st.composite
def an_index(draw: st.DrawFn, size: int) -> tuple[int, int, int]:
    """The first element, the number of elements and the step of a slice of an axis."""
    if size == 0:
        return 0, 0, 1
    start = draw(st.integers(0, size - 1))
    step = draw(st.sampled_from([1, 1, 2, -1, -2]))
    most = (size - 1 - start) // step + 1 if step > 0 else start // -step + 1
    return start, draw(st.integers(0, most)) if size > 1 else most, step
