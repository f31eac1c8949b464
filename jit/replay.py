"""A graph evaluated on tensors, by the eager ops: recorded again, it can be differentiated like any function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor, enable_grad, grad, is_grad_enabled, ops
from autograd.transforms import fresh

from .graph import Atom, Graph, Literal
from .signature import Order


def replay(graph: Graph, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The outputs and the guards of a graph for values of its inputs and captures."""
    known: dict[Any, Any] = dict(zip((*graph.inputs, *graph.captures), values, strict=True))

    def read(x: Atom) -> Any:
        return x.value if isinstance(x, Literal) else known[x]

    for primitive, inputs, params, out in graph.equations:
        known[out] = primitive(*[read(x) for x in inputs], **dict(params))
    return [read(x) for x in graph.outputs], [read(x) for x in graph.guards]


def permuted(values: Sequence[Any], orders: Sequence[Order]) -> list[Any]:
    """Values of inputs and captures with their axes as the graph takes them."""
    return [x if order is None else ops.transpose(x, axes=order) for x, order in zip(values, orders, strict=True)]


def cotangents(
    graph: Graph, orders: Sequence[Order], gs: Sequence[Any], values: Sequence[Any], wanted: Sequence[bool]
) -> list[Any]:
    """The cotangents of inputs and captures of a graph from those of its outputs.

    **Arguments:** `orders`, for each input and capture the permutation in which the graph takes it; `gs`, the
    cotangents of the outputs, `None` for those that nothing depends on; `values` of inputs and captures; `wanted`,
    whose cotangents are returned: `None` stands for the others.
    """
    # A sweep that is recorded has gradients off, unless its own result is to be differentiated.
    create_graph = is_grad_enabled()
    with enable_grad():
        xs = [fresh(x) if want else x for x, want in zip(values, wanted, strict=True)]
        outputs, _ = replay(graph, permuted(xs, orders))
        pairs = [
            (y, g)
            for y, g in zip(outputs, gs, strict=True)
            if g is not None and isinstance(y, Tensor) and y.requires_grad
        ]
        targets = [x for x, want in zip(xs, wanted, strict=True) if want]
        found: Any = [None] * len(targets)
        if pairs:
            ys, seeds = zip(*pairs, strict=True)
            found = grad(ys, targets, seeds, create_graph=create_graph, allow_unused=True)
    rest = iter([np.zeros(x.shape, x.dtype) if g is None else g for x, g in zip(targets, found, strict=True)])
    return [next(rest) if want else None for want in wanted]
