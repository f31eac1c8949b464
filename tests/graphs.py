"""From functions to graphs, programs and kernels, without the public functions on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

import autograd as ag
from autograd import Tensor
from autograd.primitive import Aval, Primitive
from autograd.tensor import constant
from autograd.transforms import value_and_grad
from autograd.weak import weak
from jit.graph import Atom, Equation, Graph, Var, verify
from jit.kernels.kernel import Kernel, build, name_of
from jit.lowering.fuse import fuse
from jit.lowering.program import Nest, Program
from jit.passes import optimise
from jit.recording.record import Recording, graph_of


def variable(*shape: int, dtype: Any = np.float64) -> Var:
    """A new variable."""
    return Var(Aval(shape, np.dtype(dtype)))


def equation(primitive: Primitive, *inputs: Atom, **params: Any) -> Equation:
    """An equation with a new variable for its result."""
    aval = primitive.aval(*[x.aval for x in inputs], **params)
    return Equation(primitive, inputs, tuple(sorted(params.items())), Var(aval))


def with_gradient(f: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    """From the arguments of `f` to its value and its gradients by the first `count` of them."""

    def value_and_gradients(*xs: Any) -> tuple[Any, ...]:
        value, gradients = value_and_grad(f, tuple(range(count)))(*xs)
        return value, *gradients

    return value_and_gradients


def recorded(f: Callable[..., Any], *inputs: Any) -> Recording:
    """What `f` does with those inputs, before any pass."""
    given = [constant(weak(x)) for x in inputs]
    with np.errstate(all="ignore"), ag.record() as tape:
        out = f(*given)
    outputs = list(out) if isinstance(out, tuple) else [out]
    assert all(isinstance(x, Tensor) for x in outputs)
    return graph_of(tape, given, outputs)


def graph_before(f: Callable[..., Any], *inputs: Any) -> Graph:
    """The graph of `f` before any pass."""
    return verify(recorded(f, *inputs).graph)


def graph_after(f: Callable[..., Any], *inputs: Any) -> Graph:
    """The graph of `f` as it is compiled."""
    return verify(optimise(graph_before(f, *inputs)))


def program_of(f: Callable[..., Any], *inputs: Any) -> Program:
    """The steps of `f`."""
    return fuse(graph_after(f, *inputs))


def loops(program: Program) -> list[Nest]:
    """The nests of a program that are loops."""
    return [step for step in program.steps if isinstance(step, Nest) and step.shape != () and step.entries]


def captured_arrays(recording: Recording) -> list[Any]:
    """What the captures of a graph stand for, as its kernel takes them."""
    sources = [x.source.data if isinstance(x.source, Tensor) else x.source for x in recording.captured]
    orders = [x.order for x in recording.captured]
    return [np.array(x if order is None else x.transpose(order)) for x, order in zip(sources, orders, strict=True)]


class Running:
    """The kernel of a graph as a function from arrays to its status and its outputs."""

    def __init__(self, graph: Graph, captured: Sequence[Any] = ()) -> None:
        self.graph, self.captured = graph, captured
        self.kernel: Kernel = build(graph, name_of(graph))

    def __call__(self, *inputs: Any) -> tuple[int, list[Any]]:
        given = [
            np.asarray(x, v.aval.dtype)[()] if v.aval.shape == () else np.array(x, order="C")
            for x, v in zip(inputs, self.graph.inputs, strict=True)
        ]
        avals = [x.aval for x in self.graph.outputs]
        results = [garbage(a.shape, a.dtype) for a in avals if a.shape != ()]
        work = [garbage((self.kernel.workspace,), np.dtype(np.uint8))] if self.kernel.workspace else []
        status, *scalars = self.kernel.entry(*given, *self.captured, *results, *work)
        arrays, numbers = iter(results), iter(scalars)
        return status, [a.dtype.type(next(numbers)) if a.shape == () else next(arrays) for a in avals]

    @property
    def llvm(self) -> str:
        """The optimised LLVM code."""
        return self.kernel.llvm


def garbage(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """An array of bytes that are all set: NaN where they are floats, so what a kernel leaves unwritten shows."""
    return np.full(prod(shape) * dtype.itemsize, 0xFF, np.uint8).view(dtype).reshape(shape)


def compiled(f: Callable[..., Any], *inputs: Any) -> Running:
    """The kernel of `f`, recorded at those inputs."""
    recording = recorded(f, *inputs)
    return Running(verify(optimise(recording.graph)), captured_arrays(recording))


def check(f: Callable[..., Any], *inputs: Any, rtol: float = 1e-12, scale: float = 0.0) -> Running:
    """`f` compiled gives what eager execution gives, to the tolerance of `same`."""
    run = compiled(f, *inputs)
    before = [np.array(x) for x in inputs]
    with np.errstate(all="ignore"):
        expected = f(*inputs)
    status, found = run(*inputs)
    assert status == 0
    for ours, eager in zip(found, expected if isinstance(expected, tuple) else (expected,), strict=True):
        same(ours, eager, rtol, scale)
    for x, y in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(x, y)
    return run


def magnitude(arrays: Sequence[Any]) -> float:
    """The largest finite number among the arrays."""
    finite = [np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in map(np.asarray, arrays)]
    return float(max(finite, default=0.0))


def same(ours: Any, eager: Any, rtol: float = 1e-12, scale: float = 0.0) -> None:
    """Same shape and dtype, and elements equal to that tolerance.

    It is relative to the largest element, or to `scale`, where a sum may cancel: a difference that is zero when every
    product is rounded is a rounding error when fused multiply-adds round once.
    """
    ours, eager = np.asarray(ours), np.asarray(eager.data if isinstance(eager, Tensor) else eager)
    assert ours.shape == eager.shape, f"shape {ours.shape}, expected {eager.shape}"
    assert ours.dtype == eager.dtype, f"dtype {ours.dtype}, expected {eager.dtype}"
    if eager.dtype.kind not in "fc":
        np.testing.assert_array_equal(ours, eager)
        return
    tolerance = max(rtol, 16 * float(np.finfo(eager.dtype).eps))
    largest = max(scale, magnitude([eager]))
    np.testing.assert_allclose(ours, eager, rtol=tolerance, atol=tolerance * min(largest, 1e300))
