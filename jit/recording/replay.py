"""A graph evaluated on tensors, by the eager ops: recorded again, it can be differentiated like any function."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from autograd import Tensor, enable_grad, is_grad_enabled, ops
from autograd.context import Cotangents
from autograd.functions.arguments import expanded
from autograd.lengths import is_length, length
from autograd.ops.broadcasting import repeated
from autograd.ops.masking import Masked, filled
from autograd.primitive import aval_of
from autograd.tape import current_tape
from autograd.tensor import open_number, swept
from autograd.transforms import fresh

from ..graph import Atom, Choice, Graph, Literal, Loop, Var
from ..loop import SHARED
from ..signature import Order
from ..sized import of_shapes
from .body import bind, element_of, placeholder, recorded_body, united
from .residuals import with_residuals
from .rooms import roomier


def replay(graph: Graph, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The outputs and the guards of a graph for values of its inputs and captures."""
    known: dict[Any, Any] = dict(zip((*graph.inputs, *graph.captures), values, strict=True))
    loops: dict[Any, list[Tensor]] = {}

    def read(x: Atom) -> Any:
        return x.value if isinstance(x, Literal) else known[x]

    for primitive, inputs, params, out in graph.equations:
        given = [read(x) for x in inputs]
        if primitive in SHARED and current_tape() is not None:
            loop, pick = dict(params)["loop"], dict(params)["pick"]
            key = (loop, *[id(x) for x in inputs])
            if key not in loops:
                loops[key] = bind(loop, given, pullback if isinstance(loop, Loop) else pullback_of_choice)
            known[out] = loops[key][pick]
        elif primitive is length and is_length(dict(params)["n"]) and current_tape() is not None:
            known[out] = open_number(dict(params)["n"])
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
    tape = current_tape()
    if tape is not None and tape.control is not None:
        graph = roomier(graph, tape.control.room)
    with enable_grad():
        xs = [fresh(x) if want else x for x, want in zip(values, wanted, strict=True)]
        given = permuted(xs, orders)
        outputs, _ = replay(of_shapes(graph, [x.shape for x in given]), given)
        targets = [x for x, want in zip(xs, wanted, strict=True) if want]
        found = _swept(outputs, gs, targets, create_graph)
    rest = iter([np.zeros(x.shape, x.dtype) if g is None else g for x, g in zip(targets, found, strict=True)])
    return [next(rest) if want else None for want in wanted]


def _swept(
    outputs: Sequence[Any], gs: Sequence[Any], targets: Sequence[Tensor], create_graph: bool, masks: bool = False
) -> Sequence[Any]:
    """The cotangents of the targets, `None` where none of the outputs that have one depends on a target.

    **Arguments:** `masks`, whether they come with the masks that they have.
    """
    pairs = [
        (y, g) for y, g in zip(outputs, gs, strict=True) if g is not None and isinstance(y, Tensor) and y.requires_grad
    ]
    if not pairs or not targets:
        return [None] * len(targets)
    ys, seeds = zip(*pairs, strict=True)
    found = swept(ys, seeds, targets, masks or None, create_graph, masks)
    return [found.get(x.node or x) for x in targets]


# ---- the gradient of a loop ----


def pullback(loop: Loop, g: Cotangents, inputs: Sequence[Any]) -> list[Any]:
    """The cotangents of a loop's inputs from those of its results: a loop in the other direction.

    A step of it makes the values of the forward step again from what that began with, and carries on the cotangents of
    what was carried, and the sums of those of the constants. If some of its results are masked (`ops/masking.py`), it
    carries the masks as well.
    """
    return _Reverse(loop, g, inputs).cotangents()


class _Reverse:
    """The reverse of a loop in the making; what stands for the values of a step begins with `of_`."""

    def __init__(self, loop: Loop, g: Cotangents, inputs: Sequence[Any]) -> None:
        self.loop, self.g, self.inputs = loop, [filled(x) for x in g], inputs
        self.live = {i: expanded(x.live(), x.shape) for i, x in enumerate(g) if type(x) is Masked}
        m, n = loop.constants, loop.constants + loop.carried
        self.constants, self.carried, self.arrays = inputs[:m], inputs[m:n], inputs[n:]
        # The results that have cotangents, beside the last values that are carried; and by which inputs there are some.
        self.stacks = [i for i in range(loop.carried, len(g)) if g[i] is not None]
        self.smooth = [i for i, x in enumerate(self.carried) if aval_of(x).dtype.kind in "fc"]
        self.summed = [i for i, x in enumerate(self.constants) if _has_gradient(x)]
        self.wanted = [i for i, x in enumerate(self.arrays) if _has_gradient(x)]
        self.of_constants = [placeholder(x) for x in self.constants]
        self.of_carried = [placeholder(x) for x in self.carried]
        self.of_arrays = [element_of(x) for x in self.arrays]
        self.of_g_carried = [placeholder(self.carried[i]) for i in self.smooth]
        self.of_totals = [placeholder(self.constants[i]) for i in self.summed]
        self.of_g_stacks = [element_of(self.g[i]) for i in self.stacks]
        # Which elements of them count.
        self.of_live = [placeholder(_every(self.carried[i], True)) for i in self.smooth if self.live]
        self.of_live_stacks = [element_of(self.live.get(i, _every(g[i], True))) for i in self.stacks if self.live]
        # Which of the targets of a step have masks, which is known when it is recorded.
        self.masked: list[int] = []
        # How many steps of a dynamic loop are left.
        self.of_left = [placeholder(np.int64(1))] if loop.dynamic else []

    def step(self) -> list[Any]:
        """What a step carries on, the cotangents of the elements, and what it began with."""
        outputs, _ = replay(self.loop.body, [*self.of_constants, *self.of_carried, *self.of_arrays])
        places = (*self.smooth, *self.stacks)
        known = dict(zip(places, (*self.of_g_carried, *self.of_g_stacks), strict=True))
        for i, counts in zip(places, (*self.of_live, *self.of_live_stacks), strict=False):
            outputs[i] = ops.where(counts, outputs[i], 0)
        targets = [self.of_carried[i] for i in self.smooth]
        targets += [self.of_constants[i] for i in self.summed] + [self.of_arrays[i] for i in self.wanted]
        swept = _swept(outputs, [known.get(i) for i in range(len(outputs))], targets, True, True)
        live = [_live(x, gx) for x, gx in zip(self.of_g_carried, swept, strict=False) if self.live]
        found = [_zeros(x) if gx is None else filled(gx) for x, gx in zip(targets, swept, strict=True)]
        first, last = len(self.smooth), len(self.smooth) + len(self.summed)
        sums = [total + gx for total, gx in zip(self.of_totals, found[first:last], strict=True)]
        left = [x - 1 for x in self.of_left]
        # Of the elements of stacks, masks are results of their own, which nobody may read.
        self.masked = [i for i, gx in enumerate(swept) if i >= last and type(gx) is Masked]
        masks = [_live(targets[i], swept[i]) for i in self.masked]
        return [*left, *live, *found[:first], *sums, *found[last:], *masks, *self.state()]

    def state(self) -> list[Any]:
        """What a step begins with."""
        return [*self.of_left, *self.of_live, *self.of_g_carried, *self.of_totals]

    def cotangents(self) -> list[Any]:
        """The cotangents of all inputs, `None` for those that are not wanted."""
        loop, m = self.loop, self.loop.constants
        results = bind(loop, self.inputs, pullback)
        state = self.state()
        own = [*state, *self.of_carried, *self.of_arrays, *self.of_g_stacks, *self.of_live_stacks]
        body = recorded_body("scan", self.of_constants, own, self.step)
        graph, picks = with_residuals(loop, body.graph, self.forward(body.graph.inputs[len(body.constants) :]))
        begin = [self.count(results) for _ in self.of_left]
        begin += [self.live.get(i, _every(self.carried[i], self.g[i])) for i in self.smooth if self.live]
        begin += [_zeros(self.carried[i]) if self.g[i] is None else self.g[i] for i in self.smooth]
        begin += [_zeros(self.constants[i]) for i in self.summed]
        begins = results[len(results) - loop.carried :]
        elements = [*begins, *self.arrays, *[self.g[i] for i in self.stacks]]
        elements += [self.live.get(i, _every(self.g[i], True)) for i in self.stacks if self.live]
        elements += [results[i] for i in picks]
        reverse = Loop(graph, len(body.constants) + m, len(state), loop.length, not loop.reverse, loop.dynamic)
        found = bind(reverse, [*body.constants, *self.constants, *begin, *elements], pullback)
        places = [*[m + i for i in self.smooth], *self.summed, *[m + loop.carried + i for i in self.wanted]]
        cotangents: list[Any] = [None] * len(self.inputs)
        head = len(self.of_left)
        first = head + len(self.of_live)
        last = first + len(places)
        for i, gx in zip(places, found[first:last], strict=True):
            cotangents[i] = gx
        masks = [*zip(places, found[head:first], strict=False)]
        masks += zip([places[i] for i in self.masked], found[last:], strict=False)
        for i, live in masks:
            cotangents[i] = Masked(cotangents[i], live, True, True)
        return cotangents

    def count(self, results: Sequence[Any]) -> Any:
        """How many steps a dynamic loop takes: what it begins to count down from, or has counted beside its test."""
        first = self.carried[0]
        return first if aval_of(first).dtype.kind == "i" else results[1]

    def forward(self, own: Sequence[Var]) -> dict[Atom, Var]:
        """Which inputs of the reverse body, after its further constants, are those of the forward one."""
        m = self.loop.constants
        after = m + len(self.state())
        mine = [*own[:m], *own[after : after + len(self.carried) + len(self.arrays)]]
        return dict(zip(mine, self.loop.body.inputs, strict=True))


def pullback_of_choice(choice: Choice, g: Cotangents, inputs: Sequence[Any]) -> list[Any]:
    """The cotangents of a choice's inputs from those of its results: a choice by the same index.

    Each case makes the values of the forward one again.
    """
    index, *values = inputs
    g = Cotangents([filled(x) for x in g])
    given = [i for i, x in enumerate(g) if x is not None]
    wanted = [i for i, x in enumerate(values) if _has_gradient(x)]
    of_values, of_gs = [placeholder(x) for x in values], [placeholder(g[i]) for i in given]

    def run(body: Graph) -> list[Any]:
        outputs, _ = replay(body, of_values)
        known = dict(zip(given, of_gs, strict=True))
        targets = [of_values[i] for i in wanted]
        swept = _swept(outputs, [known.get(i) for i in range(len(outputs))], targets, True)
        return [_zeros(x) if gx is None else gx for x, gx in zip(targets, swept, strict=True)]

    bodies = [recorded_body("switch", of_values, of_gs, partial(run, body)) for body in choice.bodies]
    reverse, constants = united(bodies)
    found = bind(reverse, [index, *constants, *values, *[g[i] for i in given]], pullback_of_choice)
    cotangents: list[Any] = [None] * len(inputs)
    for i, gx in zip(wanted, found, strict=True):
        cotangents[1 + i] = gx
    return cotangents


def _has_gradient(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad and x.dtype.kind in "fc"


def _every(x: Any, g: Any) -> Any:
    """The mask of all elements of `x`, which count unless there is no cotangent `g`."""
    return repeated(g is not None, np.dtype(bool), aval_of(x).shape)


def _live(x: Any, g: Any) -> Any:
    """Which elements of the cotangent `g` of `x` count."""
    return expanded(g.live(), x.shape) if type(g) is Masked else _every(x, g)


def _zeros(x: Any) -> Any:
    aval = aval_of(x)
    return repeated(0, aval.dtype, aval.shape)
