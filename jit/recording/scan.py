"""Loops and branches while a function is recorded: one operation each, whose bodies are recorded once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.closed import source_of
from autograd.primitive import Aval, aval_of
from autograd.tape import Guard, Tape, current_tape, enable_grad, onto
from autograd.tensor import constant

from ..graph import Loop
from ..loop import loop_call
from ..passes.carries import padded
from .body import bind, body_of, element_of, placeholder, recorded_body, united
from .periods import stretches
from .record import live
from .replay import pullback, pullback_of_choice, replay
from .residuals import with_candidates
from .roll import LEAST_SAVED, rolled
from .whiles import whiles

# Into so many bytes the states of a loop have to fit whose number of steps nobody knows, or so many of them.
ROOM, FEWEST_STEPS = 1 << 20, 64


def recorded_loop(
    loop: Any, carried: Sequence[Any], xs: Sequence[Any], length: int, reverse: bool, kept: int
) -> tuple[Any, Any]:
    """The last values that are carried and the stacked results of a loop, as a result of `autograd.scan`.

    **Arguments:** `loop`, whose `step(carried, element)` runs the body; the first values `carried`; the arrays `xs`;
    of how many steps the gradient keeps what they begin with, 0 for all.

    **Errors:** those of the body, and of `recorded_body`.
    """
    outer = current_tape()
    assert outer is not None
    generators: list[Any] = []
    while True:
        given = [*carried, *[(outer.states or {}).get(x, x) for x in generators]]
        before = [placeholder(x) for x in given]
        elements = [element_of(x) for x in xs]
        states = None if outer.states is None else dict(zip(generators, before[len(carried) :], strict=True))
        run = partial(_step, loop, before, elements, states, generators)
        body = recorded_body(loop.name, [], [*before, *elements], run, states)
        if states is None or len(states) == len(generators):
            break
        # Only now it is known who draws: what they carry from step to step is part of the loop.
        generators = list(states)
    graph, last = with_candidates(body.graph, len(before)), len(body.graph.outputs) - len(before)
    made = Loop(graph, len(body.constants), len(before), length, reverse, kept=kept)
    outputs = bind(made, [*body.constants, *given, *xs], pullback)
    if outer.states is not None:
        outer.states.update(zip(generators, outputs[len(carried) :], strict=False))
    return loop.outcome(outputs[: len(carried)], outputs[len(before) : last])


def _step(loop: Any, before: list[Any], elements: list[Any], states: Any, generators: list[Any]) -> list[Any]:
    """What a step carries on, its results, and what it began with, which a loop keeps for the gradient."""
    count = len(before) - len(generators)
    after, results = loop.step(before[:count], elements)
    return [*after, *[states[x] for x in generators], *results, *before]


def recorded_while(loop: Any, carried: Sequence[Any]) -> list[Any]:
    """The last values that are carried, as a result of `autograd.while_loop`.

    **Arguments:** `loop`, whose `goes_on(carried)` and `step(carried)` run the test and the body; the first values
    `carried`.

    **Errors:** those of test and body, and of `recorded_body`.
    """
    given = [loop.goes_on(carried), np.int64(0), *carried]
    before = [placeholder(x) for x in given]

    def run() -> list[Any]:
        after = loop.step(before[2:])
        return [loop.goes_on(after), before[1] + 1, *after, *before]

    body = recorded_body(loop.name, [], before, run)
    graph = with_candidates(body.graph, len(before))
    made = Loop(
        graph, len(body.constants), len(before), _room_for(current_tape(), [aval_of(x) for x in carried]), False, True
    )
    return bind(made, [*body.constants, *given], pullback)[2 : len(before)]


def _room_for(tape: Tape | None, carried: Sequence[Aval]) -> int:
    """For how many steps of a loop there is room, if nobody knows how many there will be."""
    assert tape is not None
    assert tape.control is not None
    size = sum([aval.size * aval.dtype.itemsize for aval in carried])
    return tape.control.room * max(FEWEST_STEPS, ROOM // max(size, 1))


def recorded_switch(branches: Any, index: Tensor, operands: Sequence[Any]) -> list[Any]:
    """The results of the branch with that index, as those of `autograd.switch`.

    **Arguments:** `branches`, whose `run(i, operands)` runs one of its `functions`.

    **Errors:** those of the branches, and of `recorded_body`.
    """
    given = [placeholder(x) for x in operands]
    count = len(branches.functions)
    bodies = [recorded_body(branches.name, [], given, partial(branches.run, i, given)) for i in range(count)]
    choice, constants = united(bodies)
    return bind(choice, [index, *constants, *operands], pullback_of_choice)


def rolled_results(
    tape: Tape, node: int, guard: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Sequence[Tensor]:
    """The outputs, computed by loops where what the tape recorded repeats itself; they themselves where it does not.

    Guards on what has become part of a loop are guards on what the loop says of all its steps.

    **Arguments:** `node` and `guard`, the numbers of nodes and guards that the tape had before; `inputs`, the tensors
    that the outputs are made of.
    """
    recent = Tape()
    recent.nodes, recent.guards = tape.nodes[node:], tape.guards[guard:]
    if len(recent.nodes) < LEAST_SAVED and not any(x.primitive is loop_call for x in recent.nodes):
        return outputs
    known = set(map(id, recent.nodes))
    rest = [x for x in recent.guards if id(x.node) not in known]
    recent.guards = [x for x in recent.guards if id(x.node) in known]
    arrays = [x.where for x in recent.guards if x.node.out.size != 1]
    if arrays:
        tape.notes.append(f"nothing is rolled: Python took a whole array at {arrays[0]}")
        return outputs
    if not _repeats(recent, inputs, outputs):
        return outputs
    body = body_of(recent, inputs, outputs)
    found = rolled(body.graph)
    tape.notes += found.notes
    graph, numbers, sources = whiles(found.graph, partial(_room_for, tape))
    # As tensors, whose values are no part of the program.
    counts = [constant(x) for x in numbers]
    tape.counts += counts
    graph = padded(graph)
    if graph is body.graph:
        return outputs
    with onto(tape), enable_grad():
        results, conditions = replay(graph, [*body.constants, *inputs, *found.arrays, *counts])
    places = [body.places[found.sources[i]] for i in sources]
    made = [Guard(x.node or x, True, place) for x, place in zip(conditions, places, strict=True)]
    tape.guards[guard:] = [*rest, *made]
    return results


def _repeats(tape: Tape, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """Whether a graph of the tape could have loops, as its nodes show for less than it takes to make the graph."""
    nodes = live(tape, [source_of(x) for x in outputs], {id(source_of(x)) for x in inputs})
    if any(x.primitive is loop_call for x in nodes):
        return True
    # Every second equation at least is a node's own; the others are made of its operands.
    least = LEAST_SAVED // 2
    return any(x.saved >= least for x in stretches([(x.primitive, x.out.shape) for x in nodes]))
