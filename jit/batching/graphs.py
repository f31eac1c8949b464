"""A graph of one example, for many examples at once.

Most equations become one equation on values that have the axis of the examples in front (`rules.py`). A loop
becomes one loop, whose steps are steps of all examples, if they multiply by large matrices that the examples share.
Any other graph that has loops, branches or functions with a rule of their own is run by example, as a loop over them:
so each example takes its own branches and its own number of steps, and keeps what its gradient needs to itself. So
is what takes small arrays apart, for that loop runs in lanes (`passes/lanes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from autograd.function import function_call
from autograd.functions.arguments import transposed
from autograd.primitive import Primitive

from ..graph import Atom, Equation, Graph, Literal, Loop
from ..loop import SHARED, key_of, scan
from ..passes.dce import dce
from ..passes.small import shared_factor, takes_apart
from ..recording.body import bind, element_of, placeholder, recorded_body
from ..recording.replay import pullback, replay
from .rules import RULES, Batch, Rule, by_example, for_all

# Products with a matrix of so many elements, which no cache of a core holds, are one for all examples in each step.
SHARED_MATRIX = 1 << 17


class Mapped(NamedTuple):
    """A value, and whether it is another one for each example: then their axis is its first one."""

    value: Any
    mapped: bool

    def whole(self, size: Any) -> Any:
        """The value with the axis of the examples."""
        return self.value if self.mapped else for_all(self.value, size)


def batched(graph: Graph, size: Any, values: Sequence[Any], mapped: Sequence[bool]) -> list[Mapped]:
    """The outputs of a graph without captures and guards for so many examples.

    **Arguments:** `values` of the inputs, of which those that are `mapped` have the axis of the examples in front.

    **Errors:** `NotImplementedError` for an operation without a rule.
    """
    varying = varying_in(graph, mapped)
    inside = dce(graph._replace(equations=tuple([x for x in graph.equations if x.out in varying])))
    read = {x for equation in inside.equations for x in equation.inputs} | {*graph.outputs}
    # What is the same for all is computed once.
    shared = [x.out for x in graph.equations if x.out in read and x.out not in varying]
    found, _ = replay(dce(graph._replace(outputs=tuple(shared))), values)
    given: dict[Atom, Mapped] = {x: Mapped(y, z) for x, y, z in zip(graph.inputs, values, mapped, strict=True)}
    given.update({x: Mapped(y, False) for x, y in zip(shared, found, strict=True)})
    alone = any(is_run_by_example(x, varying) for x in inside.equations) or takes_apart(inside, varying)
    made = (_apart if alone else _together)(inside, size, given)
    known: dict[Atom, Mapped] = {**given, **made}
    return [Mapped(x.value, False) if isinstance(x, Literal) else known[x] for x in graph.outputs]


def varying_in(graph: Graph, mapped: Sequence[bool]) -> set[Atom]:
    """The variables of a graph that are mapped where these of its inputs are."""
    found: set[Atom] = {x for x, given in zip(graph.inputs, mapped, strict=True) if given}
    for equation in graph.equations:
        if not found.isdisjoint(equation.inputs):
            found.add(equation.out)
    return found


# ---- one example after the other ----


def is_run_by_example(equation: Equation, varying: set[Atom]) -> bool:
    """Whether an equation that reads variables that vary makes the whole graph a loop over the examples."""
    if equation.primitive is scan:
        return not _multiplies(dict(equation.params)["loop"], [x in varying for x in equation.inputs])
    return equation.primitive in SHARED or equation.primitive is function_call


def _multiplies(loop: Loop, mapped: Sequence[bool]) -> bool:
    """Whether a loop is one for all examples: it ends after a fixed number of steps, which multiply by one matrix."""
    if loop.dynamic:
        return False
    varying = varying_in(loop.body, _carried_flags(loop, mapped))
    inside = [x for x in loop.body.equations if x.out in varying]
    return any(_is_shared_product(x, varying) for x in inside) and not any(
        is_run_by_example(x, varying) for x in inside
    )


def _is_shared_product(equation: Equation, varying: set[Atom]) -> bool:
    factor = shared_factor(equation, varying)
    return factor is not None and factor.aval.size >= SHARED_MATRIX


def _apart(inside: Graph, size: Any, given: Mapping[Atom, Mapped]) -> dict[Atom, Mapped]:
    """What equations that vary make of given values, by a loop over the examples."""
    read = {x for equation in inside.equations for x in equation.inputs}
    inputs = tuple([x for x in given if x in read and not isinstance(x, Literal)])
    outputs = tuple([x for x in dict.fromkeys(inside.outputs) if x not in given and not isinstance(x, Literal)])
    body = inside._replace(inputs=inputs, outputs=outputs)
    batch = Batch(size, [given[x].value for x in inputs], [given[x].mapped for x in inputs])
    return {x: Mapped(y, True) for x, y in zip(outputs, by_example(body, batch), strict=True)}


# ---- all examples at once ----


def _together(inside: Graph, size: Any, given: Mapping[Atom, Mapped]) -> dict[Atom, Mapped]:
    """What equations that vary make of given values, one after the other."""
    known = dict(given)
    loops: dict[Any, list[Any]] = {}
    for equation in inside.equations:
        primitive, inputs, params, out = equation
        xs = [Mapped(x.value, False) if isinstance(x, Literal) else known[x] for x in inputs]
        batch = Batch(size, [x.value for x in xs], [x.mapped for x in xs])
        if primitive is scan:
            key = key_of(equation)
            if key not in loops:
                loops[key] = _loop(dict(params)["loop"], batch)
            known[out] = Mapped(loops[key][dict(params)["pick"]], True)
        else:
            known[out] = Mapped(rule_of(primitive)(batch, **dict(params)), True)
    return known


def rule_of(primitive: Primitive) -> Rule:
    """What a primitive makes of many examples.

    **Errors:** `NotImplementedError` for one that recorded functions do not have.
    """
    if primitive not in RULES:
        raise NotImplementedError(
            f"`vmap` has no rule for `{primitive}`, which is no operation of a recorded function; map a function that "
            "does its work by the operations of `autograd`"
        )
    return RULES[primitive]


def _carried_flags(loop: Loop, mapped: Sequence[bool]) -> list[bool]:
    """Which inputs of a loop's body are mapped: what it carries is, once it is after any of the steps."""
    flags, m = list(mapped), loop.constants
    while True:
        varying = varying_in(loop.body, flags)
        after = [flags[m + i] or x in varying for i, x in enumerate(loop.body.outputs[: loop.carried])]
        if after == flags[m : m + loop.carried]:
            return flags
        flags[m : m + loop.carried] = after


def _loop(loop: Loop, batch: Batch) -> list[Any]:
    """The results of one loop for all examples."""
    m, n = loop.constants, loop.constants + loop.carried
    flags = _carried_flags(loop, batch.mapped)
    constants = list(batch.values[:m])
    carried = [batch.whole(i) if flags[i] else batch.values[i] for i in range(m, n)]
    arrays = [_exchanged(x) if z else x for x, z in zip(batch.values[n:], flags[n:], strict=True)]
    of_constants = [placeholder(x) for x in constants]
    own = [placeholder(x) for x in carried] + [element_of(x) for x in arrays]
    results: list[bool] = []

    def step() -> list[Any]:
        outputs = batched(loop.body, batch.size, [*of_constants, *own], flags)
        results[:] = [*flags[m:n], *[x.mapped for x in outputs[loop.carried :]]]
        return [x.whole(batch.size) if z else x.value for x, z in zip(outputs, results, strict=True)]

    body = recorded_body("vmap", of_constants, own, step)
    made = replace(loop, body=body.graph, constants=len(body.constants) + m)
    found = bind(made, [*body.constants, *constants, *carried, *arrays], pullback)
    # Of what steps make, their axis comes first.
    wholes = [
        _exchanged(x) if z and i >= loop.carried else x for i, (x, z) in enumerate(zip(found, results, strict=True))
    ]
    return [Mapped(x, z).whole(batch.size) for x, z in zip(wholes, results, strict=True)]


def _exchanged(x: Any) -> Any:
    """An array with its first two axes exchanged: those of the examples and of the steps."""
    return transposed(x, (1, 0, *range(2, len(x.shape))))
