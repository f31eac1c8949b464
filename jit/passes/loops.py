"""Loops and choices: each with what its results need alone, its bodies optimised like any graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..graph import Atom, Choice, Equation, Graph, Literal, Loop, Var
from ..loop import SHARED, key_of, uses_of


class _Use(NamedTuple):
    """A loop, or a choice, with its inputs, and which of its results are read."""

    loop: Any
    inputs: tuple[Atom, ...]
    picks: tuple[int, ...]


def loops(graph: Graph, optimise: Callable[[Graph], Graph]) -> Graph:
    """The graph without what nobody reads, with every loop, and the loops in it, reduced to what is read of it.

    **Arguments:** `optimise`, all passes over the graph of a body.
    """
    uses = uses_of(graph, *SHARED)
    if not uses:
        return graph
    live: set[Atom] = {*graph.outputs, *graph.guards}
    renamed: dict[Any, Atom] = {}
    reduced: dict[Any, tuple[_Use, dict[int, int | Atom]]] = {}
    kept: list[Equation] = []
    # From the last equation on: what a loop is read for is known once all that comes after it is done.
    for equation in reversed(graph.equations):
        if equation.out not in live:
            continue
        kept.append(equation)
        if equation.primitive not in SHARED:
            live.update(equation.inputs)
            continue
        key = key_of(equation)
        read = [x for x in uses[key] if x.out in live]
        if equation is not read[0]:
            continue
        picks = {x.out: dict(x.params)["pick"] for x in read}
        use = _Use(dict(equation.params)["loop"], equation.inputs, tuple(picks.values()))
        use, places = (_reduced if isinstance(use.loop, Loop) else _chosen)(use, optimise)
        outside = {pick: x for pick, x in places.items() if not isinstance(x, int)}
        renamed.update({out: outside[pick] for out, pick in picks.items() if pick in outside})
        reduced[key] = use, places
        live.update([*use.inputs, *outside.values()])
    equations = [_replaced(x, reduced) for x in reversed(kept) if x.out not in renamed]
    return substituted(graph._replace(equations=tuple(equations)), renamed)


def with_bodies(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with the bodies of its loops and choices changed, which keep their inputs and outputs."""
    changed: dict[Any, Loop | Choice] = {}
    equations = []
    for equation in graph.equations:
        if equation.primitive in SHARED:
            params = dict(equation.params)
            loop = params["loop"]
            if loop not in changed:
                bodies = tuple([change(body) for body in loop.bodies])
                changed[loop] = Choice(bodies) if isinstance(loop, Choice) else replace(loop, body=bodies[0])
            equation = equation._replace(params=(("loop", changed[loop]), ("pick", params["pick"])))
        equations.append(equation)
    return graph._replace(equations=tuple(equations)) if changed else graph


def _replaced(equation: Equation, reduced: dict[Any, tuple[_Use, dict[int, int | Atom]]]) -> Equation:
    if equation.primitive not in SHARED:
        return equation
    use, places = reduced[key_of(equation)]
    params = (("loop", use.loop), ("pick", places[dict(equation.params)["pick"]]))
    return equation._replace(inputs=use.inputs, params=params)


def _chosen(use: _Use, optimise: Callable[[Graph], Graph]) -> tuple[_Use, dict[int, int | Atom]]:
    """The choice without what is not read, and where its results are now."""
    choice, inputs, picks = use
    places: dict[int, int | Atom] = {pick: i for i, pick in enumerate(picks)}
    bodies = [optimise(body._replace(outputs=tuple([body.outputs[i] for i in picks]))) for body in choice.bodies]
    read = {x for body in bodies for equation in body.equations for x in equation.inputs}
    read.update([x for body in bodies for x in body.outputs])
    kept = [i for i in range(len(inputs) - 1) if any(body.inputs[i] in read for body in bodies)]
    bodies = [body._replace(inputs=tuple([body.inputs[i] for i in kept])) for body in bodies]
    given = (inputs[0], *[inputs[1 + i] for i in kept])
    return _Use(Choice(tuple(bodies)), given, tuple(range(len(picks)))), places


def _reduced(use: _Use, optimise: Callable[[Graph], Graph]) -> tuple[_Use, dict[int, int | Atom]]:
    """The loop without what is not read, and where its results are now: a position, or an atom outside of it."""
    places: dict[int, int | Atom] = {pick: pick for pick in use.picks}
    # What the passes find out, for instance that a value is not read, may spare more.
    for turn in range(2):
        before = use.loop.body
        use, moved = _pruned(_without_constants(use))
        places = {pick: moved[place] if isinstance(place, int) else place for pick, place in places.items()}
        body = use.loop.body
        if turn and (body.inputs, body.outputs) == (before.inputs, before.outputs):
            # Nothing was spared; to optimise the loops in a body once more would double their time at every depth.
            break
        use = use._replace(loop=_with(use.loop, optimise(body), use.loop.constants, use.loop.carried))
    return use, places


def _with(loop: Loop, body: Graph, constants: int, carried: int) -> Loop:
    return replace(loop, body=body, constants=constants, carried=carried)


def _without_constants(use: _Use) -> _Use:
    """The loop with constants that are numbers as part of its body."""
    loop, inputs, _ = use
    constants = zip(loop.body.inputs, inputs[: loop.constants], strict=False)
    known: dict[Any, Atom] = {x: given for x, given in constants if isinstance(given, Literal)}
    if not known:
        return use
    body = substituted(loop.body, known)
    kept = [i for i, x in enumerate(loop.body.inputs) if x not in known]
    body = body._replace(inputs=tuple([body.inputs[i] for i in kept]))
    smaller = _with(loop, body, loop.constants - len(known), loop.carried)
    return use._replace(loop=smaller, inputs=tuple([inputs[i] for i in kept]))


def substituted(graph: Graph, known: dict[Any, Atom]) -> Graph:
    """The graph with atoms in place of variables, which may stand for others in turn."""

    def resolved(x: Atom) -> Atom:
        while type(x) is Var and x in known:
            x = known[x]
        return x

    def of(xs: Iterable[Atom]) -> tuple[Atom, ...]:
        return tuple([resolved(x) for x in xs])

    equations = [equation._replace(inputs=of(equation.inputs)) for equation in graph.equations]
    return graph._replace(equations=tuple(equations), guards=of(graph.guards), outputs=of(graph.outputs))


def _pruned(use: _Use) -> tuple[_Use, dict[int, int | Atom]]:
    """The loop without the values that no result needs.

    A value that is carried and never changes is a constant; a stack of the elements of an array is that array.
    """
    loop, inputs, picks = use
    body, m, k = loop.body, loop.constants, loop.carried
    elements_of = dict(zip(body.inputs[m + k :], inputs[m + k :], strict=True))
    # What a dynamic loop goes by stays where it is, whether it changes or not.
    goes_by = [0] if loop.dynamic else []
    unchanged = [i for i in range(len(goes_by), k) if body.outputs[i] is body.inputs[m + i]]
    fixed = set(unchanged)
    arrays = {i: elements_of[x] for i, x in enumerate(body.outputs) if i >= k and i in picks and x in elements_of}
    results = [i for i in dict.fromkeys([*goes_by, *picks]) if i not in fixed and i not in arrays]
    needed = _needed(loop, results, fixed)
    carried = [i for i in range(k) if i not in fixed and (i in results or body.inputs[m + i] in needed)]
    stacks = [i for i in results if i >= k]
    constants = [i for i in range(m) if body.inputs[i] in needed]
    constants += [m + i for i in unchanged if body.inputs[m + i] in needed]
    elements = [i for i in range(m + k, len(inputs)) if body.inputs[i] in needed]
    kept = [*constants, *[m + i for i in carried], *elements]
    outputs = [*carried, *stacks]
    smaller = body._replace(
        inputs=tuple([body.inputs[i] for i in kept]), outputs=tuple([body.outputs[i] for i in outputs])
    )
    places: dict[int, int | Atom] = {pick: inputs[m + pick] for pick in picks if pick in fixed}
    places.update(arrays)
    places.update({pick: i for i, pick in enumerate(outputs)})
    made = _Use(
        _with(loop, smaller, len(constants), len(carried)),
        tuple([inputs[i] for i in kept]),
        tuple([i for i, pick in enumerate(outputs) if pick in set(picks)]),
    )
    return made, places


def _needed(loop: Loop, results: Sequence[int], fixed: set[int]) -> set[Atom]:
    """The variables of the body that its results, in this step or a later one, are made of."""
    body, m = loop.body, loop.constants
    made = {equation.out: equation for equation in body.equations}
    needed: set[Atom] = set()
    waiting = [body.outputs[i] for i in results]
    carried = {body.inputs[m + i]: body.outputs[i] for i in range(loop.carried) if i not in fixed}
    while waiting:
        x = waiting.pop()
        if x in needed or not isinstance(x, Var):
            continue
        needed.add(x)
        waiting += made[x].inputs if x in made else ()
        waiting += [carried[x]] if x in carried else ()
    return needed
