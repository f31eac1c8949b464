"""States of a loop that are not all kept: the loop which goes over them makes them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from autograd.primitive import Aval

from ..graph import Atom, Equation, Graph, Loop, Var
from ..loop import key_of, scan
from ..passes.dce import dce
from .plan import plan
from .program import Again, Program, View
from .steps import Lowering
from .views import is_contiguous

#: The program of a body, some of whose inputs own their memory, each with the output that it may become.
ProgramOf = Callable[[Graph, Mapping[int, int]], Program]


def forgotten(graph: Graph) -> dict[Atom, Equation]:
    """The stacks of what the steps of loops began with that are made again wherever they are read."""
    found: dict[Atom, Equation] = {}
    if not any(equation.primitive is scan for equation in graph.equations):
        return found
    for equation in graph.equations:
        for i, x in enumerate(equation.inputs):
            if x in found and not (equation.primitive is scan and i >= _first_array(equation)):
                del found[x]
        if equation.primitive is scan and _is_begin(equation) and not any(x in found for x in equation.inputs):
            found[equation.out] = equation
    for x in (*graph.outputs, *graph.guards):
        found.pop(x, None)
    return found


def _first_array(equation: Equation) -> int:
    loop: Loop = dict(equation.params)["loop"]
    return loop.constants + loop.carried


def _is_begin(equation: Equation) -> bool:
    """Whether a result of a loop that keeps few states is the stack of what its steps begin with."""
    loop, pick = dict(equation.params)["loop"], dict(equation.params)["pick"]
    own = loop.body.inputs[loop.constants :][: loop.carried]
    return bool(loop.kept) and pick >= loop.carried and loop.body.outputs[pick] in own


def made_again(low: Lowering, equation: Equation, program_of: ProgramOf) -> tuple[Again, ...]:
    """The states of earlier loops that the loop with this result goes over and nobody has kept."""
    first = _first_array(equation)
    sources: dict[object, list[tuple[int, Equation]]] = {}
    for i, x in enumerate(equation.inputs[first:]):
        if x in low.forgotten:
            source = low.forgotten[x]
            sources.setdefault(key_of(source), []).append((i, source))
    reverse = dict(equation.params)["loop"].reverse
    return tuple([_again(low, reads, reverse, program_of) for reads in sources.values()])


def _again(low: Lowering, reads: list[tuple[int, Equation]], reverse: bool, program_of: ProgramOf) -> Again:
    equation = reads[0][1]
    loop: Loop = dict(equation.params)["loop"]
    m, n = loop.constants, loop.constants + loop.carried
    given = [contiguous(low, x) for x in equation.inputs]
    program = program_of(dce(loop.body._replace(outputs=loop.body.outputs[: loop.carried])), {})
    own = loop.body.inputs[m:n]
    forward = loop.reverse == reverse
    room = 1 if forward else loop.kept

    def buffer(aval: Aval) -> View:
        return low.buffer("work", 0, aval)

    size = plan(program).size
    return Again(
        program,
        loop.length,
        loop.reverse,
        forward,
        room,
        tuple(given[:m]),
        tuple(given[m:n]),
        tuple(given[n:]),
        tuple([(buffer(x.aval), buffer(x.aval)) for x in own]),
        tuple([buffer(Aval((room, *x.aval.shape), x.aval.dtype)) for x in own]),
        buffer(Aval((room,), np.dtype(np.int64))),
        buffer(Aval((size,), np.dtype(np.uint8))) if size else None,
        tuple([(i, own.index(_state(source))) for i, source in reads]),
    )


def _state(equation: Equation) -> Var:
    """The carried value, as a body has it, of which a result is the stack."""
    x = dict(equation.params)["loop"].body.outputs[dict(equation.params)["pick"]]
    assert isinstance(x, Var)
    return x


def contiguous(low: Lowering, x: Atom) -> View:
    """Where a value lies without gaps."""
    view, _ = low.view(x)
    return view if is_contiguous(view, x.aval.shape) else low.copy(x)[0]  # type: ignore[arg-type]
