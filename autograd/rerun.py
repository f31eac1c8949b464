"""Loops run by Python whose gradient keeps few states: their reverse does steps again, as `schedules` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import functions
from .closed import nodes_since, rewire, taken
from .context import Cotangents
from .drawn import Drawn
from .memory import next_number
from .ops.masking import filled
from .primitive import Primitive, aval_of
from .schedules import replayed
from .tape import Node, enable_grad, no_grad, setting, sweep
from .tensor import Tensor, constant
from .transforms import fresh, grad


def _no_eval(*inputs: Any, **params: Any) -> Any:
    raise NotImplementedError("the steps of a loop are run by Python")


def _pick_vjp(g: Any, _: Any, x: Any, *, pick: int, count: int) -> Any:
    return Cotangents.one(g, pick, count)


# A loop is one node, whose results are nodes of their own.
rerun_call = Primitive(
    "rerun_call", eval=_no_eval, aval=_no_eval, vjps=lambda g, _, *inputs, rerun: rerun.pullback(g, inputs),
    saves="inputs",
)  # fmt: skip
rerun_output = Primitive("rerun_output", eval=_no_eval, aval=_no_eval, vjps=(_pick_vjp,), saves="shapes")


class Rerun:
    """A loop of `autograd.scan` in eager execution, of whose steps so many states are `kept`.

    **Arguments:** `loop`, whose `step(carried, element)` runs the body; the arrays `xs`; the number of steps.
    """

    def __init__(self, loop: Any, xs: Sequence[Any], length: int, reverse: bool, kept: int) -> None:
        self.loop, self.xs, self.length, self.kept = loop, xs, length, kept
        self.positions = range(length)[:: -1 if reverse else 1]
        # The tensors that the body takes from outside, by the node or leaf that they are.
        self.outer: dict[Any, Any] = {}
        self.drawn = [Drawn() for _ in range(length)]

    def outcome(self, carried: Sequence[Any]) -> tuple[Any, Any]:
        """The last values that are carried and the stacked results, as `autograd.scan` returns them."""
        given = [*carried, *self.xs]
        values: list[Any] = [x.data if isinstance(x, Tensor) else x for x in carried]
        rows: list[Any] = [None] * self.length
        for i in self.positions:
            values, rows[i] = self.step(values, i)
        stacks = [np.stack(column) for column in zip(*rows, strict=True)]
        parents = [(x.node or x) if isinstance(x, Tensor) and x.requires_grad else None for x in given]
        parents += self.outer
        outputs = [constant(np.asarray(x)) for x in (*values, *stacks)]
        if any(parent is not None for parent in parents):
            inputs = [x.data if isinstance(x, Tensor) else x for x in given] + list(self.outer.values())
            call = Node(rerun_call, tuple(inputs), None, {"rerun": self}, tuple(parents), True)
            for pick, y in enumerate(outputs):
                if y.dtype.kind in "fc":
                    params = {"pick": pick, "count": len(outputs)}
                    y.requires_grad, y.node = True, Node(rerun_output, (None,), None, params, (call,), True)
        elif not any(isinstance(x, Tensor) for x in given):
            # Arrays in, arrays out.
            return self.loop.outcome([y.data for y in outputs[: len(carried)]], stacks)
        return self.loop.outcome(outputs[: len(carried)], outputs[len(carried) :])

    def run(self, i: int, carried: Sequence[Any], elements: Sequence[Any]) -> tuple[Any, Any]:
        """What the loop makes of a step, each time with the same random numbers."""
        with self.drawn[i]:
            return self.loop.step(carried, elements)

    def step(self, values: Sequence[Any], i: int) -> tuple[list[Any], list[Any]]:
        """The values after a step and its results; notes what it takes from outside."""
        start = next_number()
        carried, elements = [_leaf(x) for x in values], [_leaf(x) for x in self.elements(i)]
        with enable_grad(), setting("watchers", ()):
            after, results = self.run(i, carried, elements)
        made = [*after, *results]
        for source, value in taken(made, nodes_since(made, start), {*carried, *elements}, start):
            self.outer.setdefault(source, value)
        return [_value(x) for x in after], [_value(x) for x in results]

    def elements(self, i: int) -> list[Any]:
        """What a step has of the arrays."""
        return [_value(x)[i] for x in self.xs]

    # ---- the gradient ----

    def pullback(self, g: Cotangents, inputs: Sequence[Any]) -> list[Any]:
        """The cotangents of the first carry, of the arrays and of what the body takes from outside."""
        g = Cotangents([filled(x) for x in g])
        if any(isinstance(x, Tensor) for x in inputs) or any(isinstance(x, Tensor) for x in g if x is not None):
            return self.differentiable(g, inputs)
        k, n = len(self.loop_carried(inputs)), len(inputs) - len(self.outer)
        total = list(g[:k])
        of_xs = [np.zeros(x.shape, x.dtype) if x.dtype.kind in "fc" else None for x in inputs[k:n]]
        of_outer: list[Any] = [None] * len(self.outer)
        kept: dict[int, list[Any]] = {0: list(inputs[:k])}
        state = kept[0]
        for action, i, j in replayed(self.length, self.kept):
            if action == "restore":
                kept = {place: x for place, x in kept.items() if place <= j}
                state = kept[j]
            elif action == "advance":
                state = self.advanced(state, i, j)
            elif action == "keep":
                kept[j] = state
            else:
                total, elements, outer = self.reversed(state, self.positions[i], total, g[k:])
                for sums, gx in zip(of_xs, elements, strict=True):
                    if sums is not None and gx is not None:
                        sums[self.positions[i]] = gx
                of_outer = [_sum(x, gx) for x, gx in zip(of_outer, outer, strict=True)]
        return [*total, *of_xs, *of_outer]

    def loop_carried(self, inputs: Sequence[Any]) -> Sequence[Any]:
        return inputs[: len(inputs) - len(self.outer) - len(self.xs)]

    def advanced(self, state: list[Any], start: int, stop: int) -> list[Any]:
        """The state some steps later."""
        with no_grad():
            for t in range(start, stop):
                place = self.positions[t]
                after, _ = self.run(place, [constant(x) for x in state], self.elements(place))
                state = [_value(x) for x in after]
        return state

    def reversed(self, state: list[Any], i: int, g: Sequence[Any], stacks: Sequence[Any]) -> tuple[Any, Any, Any]:
        """The cotangents of what a step began with, of its elements, and of what it took from outside."""
        start = next_number()
        carried, elements = [_leaf(x) for x in state], [_leaf(x) for x in self.elements(i)]
        with enable_grad(), setting("watchers", ()):
            after, results = self.run(i, carried, elements)
        outer = {source: _leaf(value) for source, value in self.outer.items()}
        rewire(nodes_since([*after, *results], start), outer)
        gs = [*g, *[None if x is None else x[i] for x in stacks]]
        pairs = zip([*after, *results], gs, strict=True)
        seeds = [(outer.get(y.node or y, y.node or y), gy) for y, gy in pairs if gy is not None and _connected(y)]
        targets = [*carried, *elements, *outer.values()]
        with np.errstate(all="ignore"):
            found = sweep(seeds, set(targets), None, False, constant) if seeds else {}
        gx = [found.get(x) for x in targets]
        k, n = len(carried), len(carried) + len(elements)
        return gx[:k], gx[k:n], gx[n:]

    def differentiable(self, g: Cotangents, inputs: Sequence[Any]) -> list[Any]:
        """The cotangents as tensors with a graph of their own: every step is kept."""
        k, n = len(self.loop_carried(inputs)), len(inputs) - len(self.outer)
        with enable_grad():
            own = [fresh(x) if aval_of(x).dtype.kind in "fc" else x for x in inputs]
            start = next_number()
            state, rows = list(own[:k]), [None] * self.length
            for i in self.positions:
                state, rows[i] = self.run(i, state, [x[i] for x in own[k:n]])
            outputs = [*state, *[functions.stack(column) for column in zip(*rows, strict=True)]]
            rewire(nodes_since(outputs, start), dict(zip(self.outer, own[n:], strict=True)))
            pairs = [(y, gy) for y, gy in zip(outputs, g, strict=True) if gy is not None and _connected(y)]
            targets = [x for x in own if isinstance(x, Tensor)]
            found = iter(
                grad([y for y, _ in pairs], targets, [gy for _, gy in pairs], create_graph=True, allow_unused=True)
            )
        return [next(found) if isinstance(x, Tensor) else None for x in own]


def _leaf(x: Any) -> Tensor:
    made = constant(np.asarray(x))
    made.requires_grad = made.dtype.kind in "fc"
    return made


def _value(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _connected(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _sum(x: Any, y: Any) -> Any:
    return y if x is None else x if y is None else x + y
