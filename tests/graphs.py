"""From functions to graphs, and from graphs to results, without the public functions on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd import Tensor
from autograd.tensor import constant
from autograd.weak import weak
from jit.fuse import fuse
from jit.graph import Graph
from jit.kernel import Kernel, build, name_of
from jit.passes import optimise
from jit.program import Program
from jit.record import Recording, graph_of


def recorded(f: Callable[..., Any], *inputs: Any) -> Recording:
    """What `f` does with those inputs, before any pass."""
    given = [constant(weak(x)) for x in inputs]
    with ag.record() as tape:
        out = f(*given)
    outputs = list(out) if isinstance(out, tuple) else [out]
    assert all(isinstance(x, Tensor) for x in outputs)
    return graph_of(tape, given, outputs)


def graph_before(f: Callable[..., Any], *inputs: Any) -> Graph:
    """The graph of `f` before any pass."""
    return recorded(f, *inputs).graph


def graph_after(f: Callable[..., Any], *inputs: Any) -> Graph:
    """The graph of `f` as it is compiled."""
    return optimise(graph_before(f, *inputs))


def program_of(f: Callable[..., Any], *inputs: Any) -> Program:
    """The steps of `f`."""
    return fuse(graph_after(f, *inputs))


class Running:
    """The kernel of a graph as a function from arrays to its status and its outputs."""

    def __init__(self, graph: Graph, captured: Sequence[Any] = ()) -> None:
        self.graph, self.captured = graph, captured
        self.kernel: Kernel = build(graph, name_of(graph))

    def __call__(self, *inputs: Any) -> tuple[int, list[Any]]:
        avals = [x.aval for x in self.graph.inputs]
        given = [
            np.asarray(x, a.dtype)[()] if a.shape == () else np.array(x, order="C")
            for x, a in zip(inputs, avals, strict=True)
        ]
        arrays = [np.array(x) for x in self.captured]
        # What a kernel leaves unwritten shows as NaN, or as an integer far away.
        results = [garbage(x.aval.shape, x.aval.dtype) for x in self.graph.outputs if x.aval.shape != ()]
        work = [np.full(self.kernel.workspace, 0xFF, np.uint8)] if self.kernel.workspace else []
        status, *scalars = self.kernel.function(*given, *arrays, *results, *work)
        rest = iter(results), iter(scalars)
        outputs = [
            x.aval.dtype.type(next(rest[1])) if x.aval.shape == () else next(rest[0]) for x in self.graph.outputs
        ]
        return status, outputs


def garbage(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array whose bytes are all set."""
    return np.frombuffer(b"\xff" * max(int(np.prod(shape)) * dtype.itemsize, 1), np.uint8)[
        : int(np.prod(shape)) * dtype.itemsize
    ].view(dtype).reshape(shape).copy()  # fmt: skip


def compiled(f: Callable[..., Any], *inputs: Any) -> Running:
    """The kernel of `f`, recorded at those inputs."""
    recording = recorded(f, *inputs)
    values = [x.source.data if isinstance(x.source, Tensor) else x.source for x in recording.captured]
    orders = [x.order for x in recording.captured]
    arrays = [np.asarray(x) if order is None else x.transpose(order) for x, order in zip(values, orders, strict=True)]
    return Running(optimise(recording.graph), arrays)


def check(f: Callable[..., Any], *inputs: Any, rtol: float = 1e-12, at: Sequence[Any] = ()) -> Running:
    """`f` compiled gives what eager execution gives, at the inputs of the recording and `at` others."""
    run = compiled(f, *inputs)
    for xs in (inputs, *at):
        with np.errstate(all="ignore"):
            expected = f(*xs)
        status, found = run(*xs)
        assert status == 0
        expected = expected if isinstance(expected, tuple) else (expected,)
        for ours, eager in zip(found, expected, strict=True):
            same(ours, eager, rtol)
    return run


def same(ours: Any, eager: Any, rtol: float = 1e-12) -> None:
    """Same shape and dtype, and elements equal to that tolerance, relative to the largest for sums that cancel."""
    ours, eager = np.asarray(ours), np.asarray(eager.data if isinstance(eager, Tensor) else eager)
    assert ours.shape == eager.shape, f"shape {ours.shape}, expected {eager.shape}"
    assert ours.dtype == eager.dtype, f"dtype {ours.dtype}, expected {eager.dtype}"
    if eager.dtype.kind != "f":
        np.testing.assert_array_equal(ours, eager)
        return
    tolerance = max(rtol, 16 * float(np.finfo(eager.dtype).eps))
    scale = np.abs(eager[np.isfinite(eager)]).max(initial=0.0)
    np.testing.assert_allclose(ours, eager, rtol=tolerance, atol=tolerance * min(float(scale), 1e300))
