"""Loops of Python that end by a value: what was recorded as so many steps becomes a loop of any number of them.

    while test(x): x = step(x)        guards: test(x) in each of 598 steps, and not test(x) after them

The recording shows one number of steps, and Python may have counted them: it may stop at a thousand, divide by their
number, or ask whether it is odd. So the loop has a guard of its own: the number has to be a known one, at first that of
the recording alone. When a recording with another number turns out to be the same program, it is known from then on
(`Compiled`), and nothing is compiled for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd import ops
from autograd.primitive import Aval, Primitive

from ..graph import Atom, Equation, Graph, Literal, Loop, Var
from ..loop import scan, uses_of
from .residuals import with_candidates

_BOOL, _COUNT = np.dtype(bool), np.dtype(np.int64)

# So many numbers of steps at least can be known of a loop.
_LEAST_KNOWN = 1024


class Whiles(NamedTuple):
    """A graph with loops that end by a value, with what is known of their numbers of steps: its last captures.

    Of each loop that is an array: first the largest known number, then for each number from 0 on whether it is known.

    `sources` has for each guard one of the old graph which it stands for.
    """

    graph: Graph
    numbers: list[Any]
    sources: list[int]


def whiles(graph: Graph, room: Callable[[Sequence[Aval]], int]) -> Whiles:
    """The graph with loops that end by a value in the place of those that a guard says would have ended by one.

    **Arguments:** `room`, for how many steps there is to be room where these are what is carried.
    """
    done = Whiles(graph, [], list(range(len(graph.guards))))
    for key in uses_of(graph):
        found = _Search(done.graph, uses_of(done.graph).get(key, [])).found()
        if found is not None:
            made = _Made(done.graph, found, room)
            sources = [done.sources[i] for i in made.sources]
            done = Whiles(made.graph, [*done.numbers, made.numbers], sources)
    return done


class _Found(NamedTuple):
    """A loop that a value ends: its results, which of them is the test of each step, and which are other guards.

    `guards` has for each of these results the place of its guard.
    """

    results: list[Equation]
    test: int
    others: list[int]
    guards: dict[int, int]


class _Search:
    """Looks whether a loop ended because of a value."""

    def __init__(self, graph: Graph, results: list[Equation]) -> None:
        self.graph, self.results = graph, results
        self.made: dict[Atom, Equation] = {x.out: x for x in graph.equations}
        self.same: dict[tuple[Atom, Atom], bool] = {}

    def found(self) -> _Found | None:
        """The loop, `None` if it is another one."""
        if not self.results:
            return None
        loop: Loop = dict(self.results[0].params)["loop"]
        fixed = loop.dynamic or loop.reverse or loop.kept
        if fixed or len(self.results[0].inputs) != loop.constants + loop.carried:
            return None
        guards = self.decisions(loop)
        if not guards:
            return None
        self.loop, self.inputs = loop, self.results[0].inputs
        self.lasts = {dict(x.params)["pick"]: x.out for x in self.results}
        for pick in guards:
            if any(self.is_end(loop.body.outputs[pick], x) for x in self.graph.guards):
                return _Found(self.results, pick, [x for x in guards if x != pick], guards)
        return None

    def is_end(self, test: Atom, guard: Atom) -> bool:
        """Whether a guard after the loop says that the test did not hold once more."""
        inside = next((e for e in self.loop.body.equations if e.out is test), None)
        outside = self.made.get(guard)
        if outside is not None and outside.primitive is ops.logical_not:
            return self.is_last(test, outside.inputs[0])
        return inside is not None and inside.primitive is ops.logical_not and self.is_last(inside.inputs[0], guard)

    def decisions(self, loop: Loop) -> dict[int, int]:
        """The guards that say something of all steps, by the result; none if the loop leaves anything else of them."""
        readers: defaultdict[Atom, list[Equation]] = defaultdict(list)
        for equation in self.graph.equations:
            for x in equation.inputs:
                readers[x].append(equation)
        places = {x: i for i, x in enumerate(self.graph.guards)}
        found = {}
        for result in self.results:
            pick, read = dict(result.params)["pick"], readers[result.out]
            if pick < loop.carried:
                continue
            whole = len(read) == 1 and read[0].primitive is ops.min and read[0].out in places
            if not whole or readers[read[0].out] or {result.out, read[0].out} & {*self.graph.outputs}:
                return {}
            found[pick] = places[read[0].out]
        return found

    def is_last(self, inside: Atom, outside: Atom) -> bool:
        """Whether something after the loop is what one more step would make of a variable of its body."""
        known = self.same.get((inside, outside))
        if known is None:
            known = self.same[inside, outside] = self.compared(inside, outside)
        return known

    def compared(self, inside: Atom, outside: Atom) -> bool:
        own, m = self.loop.body.inputs, self.loop.constants
        if isinstance(inside, Literal):
            alike = isinstance(outside, Literal) and inside.aval == outside.aval
            return alike and inside.value.tobytes() == outside.value.tobytes()  # type: ignore[union-attr]
        if inside in own:
            i = own.index(inside)
            if i >= m:
                return self.lasts.get(i - m) is outside
            given = self.inputs[i]
            return given is outside or (isinstance(given, Literal) and self.alike(given, outside))
        x = next(e for e in self.loop.body.equations if e.out is inside)
        y = self.made.get(outside)
        if y is None or (x.primitive, x.params, len(x.inputs)) != (y.primitive, y.params, len(y.inputs)):
            return False
        return all(self.is_last(a, b) for a, b in zip(x.inputs, y.inputs, strict=True))

    @staticmethod
    def alike(x: Literal, y: Atom) -> bool:
        return isinstance(y, Literal) and x.aval == y.aval and x.value.tobytes() == y.value.tobytes()


class _Made:
    """The graph with a loop that ends by a value in the place of one."""

    def __init__(self, graph: Graph, found: _Found, room: Callable[[Sequence[Aval]], int]) -> None:
        self.found, self.old = found, dict(found.results[0].params)["loop"]
        # A loop that may take one step too many still finds its number in the array.
        size = 3 + max(_LEAST_KNOWN, 1 << self.old.length.bit_length())
        self.known = Var(Aval((size,), _COUNT))
        self.numbers = np.zeros(size, _COUNT)
        self.numbers[0], self.numbers[1 + self.old.length] = self.old.length, 1
        # What the loop carries beside what it carried.
        self.flag, self.count, self.fine = Var(Aval((), _BOOL)), Var(Aval((), _COUNT)), Var(Aval((), _BOOL))
        own = self.old.body.inputs[self.old.constants :]
        self.state = (self.flag, self.count, *own, self.fine)
        self.loop = Loop(
            with_candidates(self.body(), len(self.state)),
            self.old.constants + 1,
            len(self.state),
            room([x.aval for x in own]),
            False,
            dynamic=True,
        )
        gone = {graph.guards[i] for i in found.guards.values()}
        kept = [i for i, x in enumerate(graph.guards) if x not in gone]
        self.sources = [*kept, found.guards[found.test]]
        place = next(i for i, x in enumerate(graph.equations) if x is found.results[0])
        replaced = {id(x) for x in found.results}
        rest = [x for x in graph.equations[place:] if id(x) not in replaced and x.out not in gone]
        made, condition = self.equations()
        self.graph = graph._replace(
            captures=(*graph.captures, self.known),
            equations=(*graph.equations[:place], *made, *rest),
            guards=(*[graph.guards[i] for i in kept], condition),
        )

    def body(self) -> Graph:
        """A step, which says whether there is another one, counts, and says whether the other guards held so far."""
        body, m, k = self.old.body, self.old.constants, self.old.carried
        equations = list(body.equations)

        def add(primitive: Primitive, *inputs: Atom) -> Var:
            equations.append(Equation.of(primitive, *inputs))
            return equations[-1].out

        after: dict[Atom, Atom] = dict(zip(body.inputs[m:], body.outputs[:k], strict=True))
        following = _again(body, body.outputs[self.found.test], after, equations)
        counted, most = add(ops.add, self.count, Literal.of(1, _COUNT)), Var(self.count.aval)
        # In a kernel, where a product and a sum are rounded once, the test might hold for ever.
        goes_on = add(ops.logical_and, following, add(ops.less_equal, counted, most))
        fine: Var = self.fine
        for pick in self.found.others:
            fine = add(ops.logical_and, fine, body.outputs[pick])
        outputs = (goes_on, counted, *body.outputs[:k], fine, *self.state)
        return Graph((*body.inputs[:m], most, *self.state), (), tuple(equations), (), outputs)

    def equations(self) -> tuple[list[Equation], Var]:
        """What gives the results of the old loop, and a guard: the number of steps is known, and all guards held."""
        equations: list[Equation] = []

        def add(primitive: Primitive, *inputs: Atom, **params: Any) -> Var:
            equations.append(Equation.of(primitive, *inputs, **params))
            return equations[-1].out

        def result(pick: int, out: Var) -> Var:
            equations.append(Equation(scan, inputs, (("loop", self.loop), ("pick", pick)), out))
            return out

        given, m = self.found.results[0].inputs, self.old.constants
        at_first: dict[Atom, Atom] = dict(zip(self.old.body.inputs, given, strict=True))
        first = _again(self.old.body, self.old.body.outputs[self.found.test], at_first, equations)
        high = add(ops.slice_, self.known, index=(0,))
        inputs = (*given[:m], high, first, Literal.of(0, _COUNT), *given[m:], Literal.of(True, _BOOL))
        steps = result(1, Var(self.count.aval))
        fine = result(len(self.state) - 1, Var(self.fine.aval))
        for equation in self.found.results:
            pick = dict(equation.params)["pick"]
            if pick < self.old.carried:
                result(2 + pick, equation.out)
        known = add(ops.gather, self.known, add(ops.add, steps, Literal.of(1, _COUNT)))
        return equations, add(ops.logical_and, add(ops.equal, known, Literal.of(1, _COUNT)), fine)


def _again(body: Graph, x: Atom, known: Mapping[Atom, Atom], equations: list[Equation]) -> Atom:
    """What a body makes of other values of its inputs; adds the equations that are needed for it."""
    needed = {x}
    for equation in reversed(body.equations):
        if equation.out in needed:
            needed.update(equation.inputs)
    renamed = dict(known)
    for equation in body.equations:
        if equation.out in needed:
            inputs = tuple([renamed.get(y, y) for y in equation.inputs])
            equations.append(equation._replace(inputs=inputs, out=Var(equation.out.aval)))
            renamed[equation.out] = equations[-1].out
    return renamed.get(x, x)
