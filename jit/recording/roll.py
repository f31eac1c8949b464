"""Rolling: the iterations of a loop of Python, recorded one after the other, become a loop again.

Equations of the same op, shapes and parameters at an even distance are the iterations of a loop if their operands
come from the same places: from the same iteration, from the one before (what is carried), from outside (constants), or
from the elements of an array (what the loop goes over).
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..graph import Equation, Graph
from ..loop import SHARED
from ..lowering.views import VIEWS
from .periods import LEAST_ITERATIONS, stretches
from .roller import AT_POSITIONS, Index, Rolled, Roller, Unfit

# Fewer equations than this are not worth a loop.
LEAST_SAVED = 64
# At most so many stretches of one graph are rolled, and so many are tried for each.
MOST_LOOPS = 16
MOST_TRIED = 8
# Values that are read so many repetitions later make as many repetitions one iteration.
MOST_TOGETHER = range(2, 4)


def rolled(graph: Graph) -> Rolled:
    """The graph with stretches of equations that repeat as loops."""
    done = Rolled(graph, [], list(range(len(graph.guards))), [])
    for _ in range(MOST_LOOPS):
        # What could not be rolled before cannot be now.
        refused: list[str] = []
        found = _once(done.graph, refused)
        if found is None:
            return done._replace(notes=[*done.notes, *refused])
        sources = [done.sources[i] for i in found.sources]
        done = Rolled(found.graph, [*done.arrays, *found.arrays], sources, [*done.notes, *found.notes])
    return done


def _once(graph: Graph, refused: list[str]) -> Rolled | None:
    """The graph with one more loop, `None` where there is none; notes which stretches were `refused`, and why."""
    found = [x for x in stretches([_kind(x) for x in graph.equations]) if x.saved >= LEAST_SAVED]
    if not found:
        return None
    index = Index(graph)
    waiting = deque(found[:MOST_TRIED])
    while waiting:
        stretch = waiting.popleft()
        if not all(x.primitive in VIEWS for x in graph.equations[stretch.start : stretch.start + stretch.period]):
            try:
                return Roller(graph, stretch, index).rolled(rolled)
            except Unfit as why:
                count = (stretch.stop - stretch.start) // stretch.period
                if why.back in MOST_TOGETHER and count >= LEAST_ITERATIONS * why.back:
                    # So many of them, which take arrays in turn, are one iteration.
                    waiting.appendleft(stretch._replace(period=stretch.period * why.back))
                    continue
                refused.append(f"{count} repetitions of {stretch.period} equations are no loop: {why}")
    return None


def _kind(equation: Equation) -> Any:
    """What the equation has in common with those of other iterations."""
    primitive, inputs, params, out = equation
    if primitive in SHARED:
        return id(equation)
    if primitive in AT_POSITIONS:
        # A position along an axis may be another one in every step.
        params = tuple([("index", int if type(i) is int else i) for i in dict(params)["index"]])
    return primitive, params, tuple([(type(x), x.aval) for x in inputs]), out.aval
