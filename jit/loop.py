"""Loops in graphs: an equation for each of their results.

    a, b = init, arrays to go over
    c = scan[loop=loop0 pick=0] a b         # the last value that is carried
    d = scan[loop=loop0 pick=1] a b         # an array made of one element of each step

Equations of one loop and the same inputs are one loop in the kernel, so that what nobody reads is left out as any
other equation is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.context import Cotangents
from autograd.primitive import Aval, Primitive

from .graph import Atom, Equation, Graph, Literal, Loop


def _aval(*_: Aval, loop: Loop, pick: int) -> Aval:
    out = loop.body.outputs[pick].aval
    return out if pick < loop.carried else Aval((loop.length, *out.shape), out.dtype)


def _eval(*inputs: Any, loop: Loop, pick: int) -> Any:
    first = loop.constants + loop.carried
    constants, carried, arrays = inputs[: loop.constants], list(inputs[loop.constants : first]), inputs[first:]
    rows = []
    for i in range(loop.length)[:: -1 if loop.reverse else 1]:
        outputs = evaluated(loop.body, [*constants, *carried, *[x[i] for x in arrays]])
        carried = outputs[: loop.carried]
        rows.append(outputs[pick])
    return rows[-1] if pick < loop.carried else np.stack(rows[:: -1 if loop.reverse else 1])


def evaluated(graph: Graph, values: list[Any]) -> list[Any]:
    """The outputs of a graph without captures, by NumPy."""
    known: dict[Any, Any] = dict(zip(graph.inputs, values, strict=True))

    def read(x: Atom) -> Any:
        return x.value if isinstance(x, Literal) else known[x]

    for primitive, inputs, params, out in graph.equations:
        known[out] = primitive.eval(*[read(x) for x in inputs], **dict(params))
    return [read(x) for x in graph.outputs]


#: One result of a loop, by its position among the outputs of the body.
scan = Primitive("scan", eval=_eval, aval=_aval)


def key_of(equation: Equation) -> Any:
    """What the results of one loop have in common."""
    return dict(equation.params)["loop"], *map(id, equation.inputs)


def uses_of(graph: Graph) -> dict[Any, list[Equation]]:
    """The equations of each loop, by their key."""
    found: dict[Any, list[Equation]] = {}
    for equation in graph.equations:
        if equation.primitive is scan:
            found.setdefault(key_of(equation), []).append(equation)
    return found


def _no_eval(*inputs: Any, **params: Any) -> Any:
    raise NotImplementedError("a loop is evaluated by its results")


def _pick_vjp(g: Any, _: Any, x: Any, *, pick: int, loop: Loop) -> Any:
    return Cotangents.one(g, pick, len(loop.body.outputs))


# On a tape a loop is one node, whose results are nodes of their own.
loop_call = Primitive(
    "loop_call",
    eval=_no_eval,
    aval=_no_eval,
    vjps=lambda g, _, *inputs, loop, pullback: pullback(loop, g, inputs),
    saves="inputs",
)
loop_output = Primitive("loop_output", eval=_no_eval, aval=_no_eval, vjps=(_pick_vjp,), saves="shapes")
