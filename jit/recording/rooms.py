"""Graphs whose loops have room for more steps than when they were recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autograd.primitive import Aval

from ..graph import Atom, Choice, Equation, Graph, Loop, Var
from ..loop import SHARED, has_bounds


def roomier(graph: Graph, factor: int) -> Graph:
    """The graph with room for that many times as many steps in each loop whose number of steps nobody knows.

    **Errors:** `RuntimeError` where something else than loops reads the arrays of such a loop.
    """
    return graph if factor == 1 or not has_bounds(graph) else _roomier(graph, factor)


def _roomier(graph: Graph, factor: int) -> Graph:
    changed: dict[Any, Any] = {}
    renamed: dict[Atom, Var] = {}
    equations = []
    for primitive, inputs, params, out in graph.equations:
        if primitive not in SHARED:
            if any(x in renamed for x in inputs):
                raise RuntimeError(
                    f"`{primitive}` reads what the steps of a loop have left, for which there is too little room; "
                    "take the gradient within the compiled function, as `jit.grad(jit.grad(f))` does"
                )
            equations.append(Equation(primitive, inputs, params, out))
            continue
        loop, pick = dict(params)["loop"], dict(params)["pick"]
        if loop not in changed:
            changed[loop] = _changed(loop, factor)
        aval: Aval = changed[loop].results[pick]
        if aval != out.aval:
            renamed[out] = Var(aval)
        given = tuple([renamed.get(x, x) for x in inputs])
        equations.append(Equation(primitive, given, (("loop", changed[loop]), ("pick", pick)), renamed.get(out, out)))
    return graph._replace(equations=tuple(equations))


def _changed(loop: Loop | Choice, factor: int) -> Loop | Choice:
    if isinstance(loop, Choice):
        return Choice(tuple([_roomier(body, factor) for body in loop.bodies]))
    length = loop.length * factor if loop.dynamic else loop.length
    return replace(loop, body=_roomier(loop.body, factor), length=length)
