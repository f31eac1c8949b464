"""A graph evaluated on tensors, by the eager ops: recorded again, it can be differentiated like any function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor, enable_grad, grad, is_grad_enabled, ops
from autograd.context import Cotangents
from autograd.ops.broadcasting import repeated
from autograd.primitive import aval_of
from autograd.tape import current_tape
from autograd.transforms import fresh

from .body import bind, element_of, placeholder, recorded_body
from .graph import Atom, Graph, Literal, Loop
from .loop import scan
from .residuals import with_residuals
from .signature import Order


def replay(graph: Graph, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The outputs and the guards of a graph for values of its inputs and captures."""
    known: dict[Any, Any] = dict(zip((*graph.inputs, *graph.captures), values, strict=True))
    loops: dict[Any, list[Tensor]] = {}

    def read(x: Atom) -> Any:
        return x.value if isinstance(x, Literal) else known[x]

    for primitive, inputs, params, out in graph.equations:
        given = [read(x) for x in inputs]
        if primitive is scan and current_tape() is not None:
            loop, pick = dict(params)["loop"], dict(params)["pick"]
            key = (loop, *[id(x) for x in inputs])
            if key not in loops:
                loops[key] = bind(loop, given, pullback)
            known[out] = loops[key][pick]
        else:
            known[out] = primitive(*given, **dict(params))
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
        targets = [x for x, want in zip(xs, wanted, strict=True) if want]
        found = _swept(outputs, gs, targets, create_graph)
    rest = iter([np.zeros(x.shape, x.dtype) if g is None else g for x, g in zip(targets, found, strict=True)])
    return [next(rest) if want else None for want in wanted]


def _swept(outputs: Sequence[Any], gs: Sequence[Any], targets: Sequence[Tensor], create_graph: bool) -> Sequence[Any]:
    """The cotangents of the targets, `None` where none of the outputs that have one depends on a target."""
    pairs = [
        (y, g) for y, g in zip(outputs, gs, strict=True) if g is not None and isinstance(y, Tensor) and y.requires_grad
    ]
    if not pairs or not targets:
        return [None] * len(targets)
    ys, seeds = zip(*pairs, strict=True)
    return grad(ys, targets, seeds, create_graph=create_graph, allow_unused=True)


# ---- the gradient of a loop ----


def pullback(loop: Loop, g: Cotangents, inputs: Sequence[Any]) -> list[Any]:
    """The cotangents of a loop's inputs from those of its results: a loop in the other direction.

    A step of it makes the values of the forward step again from what that began with, and carries on the cotangents of
    what was carried, and the sums of those of the constants.
    """
    m, n = loop.constants, loop.constants + loop.carried
    constants, carried, arrays = inputs[:m], inputs[m:n], inputs[n:]
    stacks = [i for i in range(loop.carried, len(g)) if g[i] is not None]
    results = bind(loop, inputs, pullback)
    begins = results[len(g) - loop.carried :]
    given = [placeholder(x) for x in constants]
    before = [placeholder(x) for x in carried]
    elements = [element_of(x) for x in arrays]
    smooth = [i for i, x in enumerate(before) if x.requires_grad]
    summed = [i for i, x in enumerate(constants) if _has_gradient(x)]
    wanted = [i for i, x in enumerate(arrays) if _has_gradient(x)]
    # What is carried, then the elements.
    g_carried, totals = [placeholder(carried[i]) for i in smooth], [placeholder(constants[i]) for i in summed]
    g_results = [element_of(g[i]) for i in stacks]

    def run() -> list[Any]:
        outputs, _ = replay(loop.body, [*given, *before, *elements])
        gs: list[Any] = [None] * len(outputs)
        for i, gx in zip((*smooth, *stacks), (*g_carried, *g_results), strict=True):
            gs[i] = gx
        targets = [*[before[i] for i in smooth], *[given[i] for i in summed], *[elements[i] for i in wanted]]
        found = [
            _zeros(x) if gx is None else gx for x, gx in zip(targets, _swept(outputs, gs, targets, True), strict=True)
        ]
        k = len(smooth) + len(summed)
        sums = [total + gx for total, gx in zip(totals, found[len(smooth) : k], strict=True)]
        return [*found[: len(smooth)], *sums, *found[k:], *g_carried, *totals]

    body = recorded_body("scan", given, [*g_carried, *totals, *before, *elements, *g_results], run)
    # Of the inputs of the reverse body, those that are inputs of the forward one.
    own = body.graph.inputs[len(body.constants) :]
    after = m + len(smooth) + len(summed)
    forward = [*own[:m], *own[after : after + len(before) + len(elements)]]
    graph, picks = with_residuals(loop, body.graph, dict(zip(forward, loop.body.inputs, strict=True)))
    reverse = Loop(graph, len(body.constants) + m, len(smooth) + len(summed), loop.length, not loop.reverse)
    first = [_zeros(carried[i]) if g[i] is None else g[i] for i in smooth] + [_zeros(constants[i]) for i in summed]
    found = bind(
        reverse,
        [*body.constants, *constants, *first, *begins, *arrays, *[g[i] for i in stacks], *[results[i] for i in picks]],
        pullback,
    )
    places = [*[m + i for i in smooth], *summed, *[n + i for i in wanted]]
    result: list[Any] = [None] * len(inputs)
    for i, gx in zip(places, found, strict=False):
        result[i] = gx
    return result


def _has_gradient(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad and x.dtype.kind == "f"


def _zeros(x: Any) -> Any:
    aval = aval_of(x)
    return repeated(0, aval.dtype, aval.shape)
