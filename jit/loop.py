"""Loops and branches in graphs: an equation for each of their results.

    a, b = init, arrays to go over
    c = scan[loop=loop0 pick=0] a b         # the last value that is carried
    d = scan[loop=loop0 pick=1] a b         # an array made of one element of each step
    e = switch[loop=choice1 pick=0] i a b   # what the body number i gives

Equations of one loop and the same inputs are one loop in the kernel, so that what nobody reads is left out as any
other equation is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.context import Cotangents
from autograd.primitive import Aval, Primitive

from .graph import Atom, Choice, Equation, Graph, Literal, Loop


def _aval(*_: Aval, loop: Loop | Choice, pick: int) -> Aval:
    return loop.results[pick]


def _eval(*inputs: Any, loop: Loop, pick: int) -> Any:
    first = loop.constants + loop.carried
    constants, carried, arrays = inputs[: loop.constants], list(inputs[loop.constants : first]), inputs[first:]
    aval = loop.results[pick]
    stack = np.zeros(aval.shape, aval.dtype) if pick >= loop.carried else None
    step = 0
    while carried[0] if loop.dynamic else step < loop.length:
        i = step if not loop.reverse else int(carried[0]) - 1 if loop.dynamic else loop.length - 1 - step
        if loop.dynamic and i >= loop.length and (arrays or stack is not None):
            raise IndexError(f"a loop has room for {loop.length} steps, and takes more")
        outputs = evaluated(loop.body, [*constants, *carried, *[x[i] for x in arrays]])
        carried = outputs[: loop.carried]
        if stack is not None:
            stack[i] = outputs[pick]
        step += 1
    return carried[pick] if stack is None else stack


def _chosen(index: Any, *inputs: Any, loop: Choice, pick: int) -> Any:
    return evaluated(loop.bodies[int(index)], list(inputs))[pick]


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
#: One result of the body that the first input chooses, by its position among the outputs.
switch = Primitive("switch", eval=_chosen, aval=_aval)
#: Equations of which several are one step of the kernel.
SHARED = frozenset({scan, switch})


def primitive_of(loop: Loop | Choice) -> Primitive:
    """The primitive of the results."""
    return scan if isinstance(loop, Loop) else switch


def key_of(equation: Equation) -> Any:
    """What the results of one loop, or of one choice, have in common."""
    return dict(equation.params)["loop"], *map(id, equation.inputs)


def uses_of(graph: Graph, *primitives: Primitive) -> dict[Any, list[Equation]]:
    """The equations of each loop, or of what the `primitives` are, by their key."""
    found: dict[Any, list[Equation]] = {}
    for equation in graph.equations:
        if equation.primitive in (primitives or (scan,)):
            found.setdefault(key_of(equation), []).append(equation)
    return found


def has_bounds(graph: Graph) -> bool:
    """Whether there is a loop, maybe in another one, that may take more steps than it has room for."""
    inner = [dict(x.params)["loop"] for x in graph.equations if x.primitive in SHARED]
    if any(isinstance(x, Loop) and x.dynamic for x in inner):
        return True
    return any(has_bounds(body) for x in inner for body in x.bodies)


def _no_eval(*inputs: Any, **params: Any) -> Any:
    raise NotImplementedError("a loop is evaluated by its results")


def _pick_vjp(g: Any, _: Any, x: Any, *, pick: int, loop: Loop | Choice) -> Any:
    return Cotangents.one(g, pick, len(loop.results))


# On a tape a loop, or a choice, is one node, whose results are nodes of their own.
loop_call = Primitive(
    "loop_call",
    eval=_no_eval,
    aval=_no_eval,
    vjps=lambda g, _, *inputs, loop, pullback: pullback(loop, g, inputs),
    saves="inputs",
)
loop_output = Primitive("loop_output", eval=_no_eval, aval=_no_eval, vjps=(_pick_vjp,), saves="shapes", moves=True)
