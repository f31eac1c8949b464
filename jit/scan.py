"""`autograd.scan` while a function is recorded: one operation, whose body is recorded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import Tensor
from autograd.tape import Tape, enable_grad, onto

from .body import bind, body_of, element_of, placeholder, recorded_body
from .graph import Loop
from .loop import loop_call
from .passes.carries import padded
from .replay import pullback, replay
from .residuals import with_candidates
from .roll import LEAST_SAVED, rolled


def recorded_loop(loop: Any, carried: Sequence[Any], xs: Sequence[Any], length: int, reverse: bool) -> tuple[Any, Any]:
    """The last values that are carried and the stacked results of a loop, as a result of `autograd.scan`.

    **Arguments:** `loop`, whose `step(carried, element)` runs the body; the first values `carried`; the arrays `xs`.

    **Errors:** those of the body, and of `recorded_body`.
    """
    before = [placeholder(x) for x in carried]
    elements = [element_of(x) for x in xs]

    def run() -> list[Any]:
        after, results = loop.step(before, elements)
        # Beside its results a loop has what each step begins with, for the gradient.
        return [*after, *results, *before]

    body = recorded_body(loop.name, [], [*before, *elements], run)
    graph, last = with_candidates(body.graph, len(before)), len(body.graph.outputs) - len(before)
    made = Loop(graph, len(body.constants), len(before), length, reverse)
    outputs = bind(made, [*body.constants, *carried, *xs], pullback)
    return loop.outcome(outputs[: len(before)], outputs[len(before) : last])


def rolled_results(tape: Tape, first: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """The outputs, computed by loops where what the tape recorded repeats itself; they themselves where it does not.

    **Arguments:** `first`, the number of nodes that the tape had before; `inputs`, the tensors that they are made of.
    """
    nodes = tape.nodes[first:]
    if len(nodes) < LEAST_SAVED and not any(node.primitive is loop_call for node in nodes):
        return outputs
    recent = Tape()
    recent.nodes = nodes
    body = body_of(recent, inputs, outputs)
    graph, arrays = rolled(body.graph)
    graph = padded(graph)
    if graph is body.graph:
        return outputs
    with onto(tape), enable_grad():
        found, _ = replay(graph, [*body.constants, *inputs, *arrays])
    return found
