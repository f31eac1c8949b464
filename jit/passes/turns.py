"""Loops whose steps pass twice over large arrays, turned so that each passes once.

    for x in xs: u = early(c, x); c = late(u)

    u = early(c, xs[0]); for x in xs[1:]: u = early(late(u), x)
    c = late(u)

The late half of a step reads neighbours in what the early one makes, and so has to come after all of that; what it
makes the next step reads element by element. The gradient of a stencil, step by step, is such a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from autograd import ops
from autograd.lengths import is_length, is_long

from ..graph import Atom, Equation, Graph, Loop, Var
from ..loop import key_of, scan, uses_of
from .loops import substituted

# The first and the last step are code of their own, which fewer steps and smaller arrays are not worth.
FEWEST, LEAST = 8, 1024


class _Halves(NamedTuple):
    """The equations of a step, and the variables that the late ones read of what is carried or the early ones make."""

    early: list[Equation]
    late: list[Equation]
    crossing: list[Var]


def turns(graph: Graph) -> Graph:
    """The graph with loops turned where that spares a pass."""
    uses = uses_of(graph)
    if not uses:
        return graph
    made = {equation.out: equation for equation in graph.equations}
    found = {}
    for key, results in uses.items():
        loop: Loop = dict(results[0].params)["loop"]
        halves = _halves(loop) if _may_be_turned(loop, results[0].inputs, made) else None
        if halves is not None:
            found[key] = halves
    if not found:
        return graph
    equations: list[Equation] = []
    ends: dict[object, list[Atom]] = {}
    renamed: dict[Atom, Atom] = {}
    for equation in graph.equations:
        key = key_of(equation) if equation.primitive is scan else None
        if key not in found:
            equations.append(equation)
            continue
        if key not in ends:
            turn = _Turn(dict(equation.params)["loop"], equation.inputs, found[key])
            ends[key] = turn.emit()
            equations += turn.equations
        renamed[equation.out] = ends[key][dict(equation.params)["pick"]]
    return substituted(graph._replace(equations=tuple(equations)), renamed)


def _may_be_turned(loop: Loop, inputs: Sequence[Atom], made: Mapping[Var, Equation]) -> bool:
    """Whether a loop makes nothing but what it carries, and goes over arrays of which parts can be taken."""
    outputs = loop.body.outputs
    if len(outputs) != loop.carried or not all(isinstance(x, Var) for x in outputs):
        return False
    if loop.dynamic or is_length(loop.length) or loop.length < FEWEST:
        return False
    arrays = [made[x] for x in inputs[loop.constants + loop.carried :] if isinstance(x, Var) and x in made]
    # States that are made again are there for whole loops alone.
    return not any(x.primitive is scan and dict(x.params)["loop"].kept for x in arrays)


def _halves(loop: Loop) -> _Halves | None:
    """The halves of a step, `None` where a turn would spare nothing."""
    body, given = loop.body, set(loop.body.inputs)
    moved: set[Atom] = set()
    late: dict[Atom, Equation] = {}
    early: list[Equation] = []
    for equation in body.equations:
        primitive, inputs, _, out = equation
        if any(x in late for x in inputs):
            if not (primitive.elementwise or primitive is ops.sum):
                return None
            late[out] = equation
        elif primitive is ops.slice_ and inputs[0] not in given and inputs[0] not in moved:
            late[out] = equation
        elif primitive.elementwise or primitive in (ops.unslice, ops.sum, ops.slice_, ops.expand):
            early.append(equation)
            if primitive is ops.slice_:
                moved.add(out)
        else:
            return None
    carried = body.inputs[loop.constants :][: loop.carried]
    ends = [x for x, end in zip(carried, body.outputs, strict=True) if end in late and is_long(x.aval.size, LEAST)]
    if not ends or not all(_is_read_in_place(x, early) for x in ends):
        return None
    makes = {*carried, *[equation.out for equation in early]}
    crossing = {x: None for equation in late.values() for x in equation.inputs if isinstance(x, Var) and x in makes}
    return _Halves(early, list(late.values()), list(crossing))


def _is_read_in_place(x: Var, equations: Iterable[Equation]) -> bool:
    """Whether equations read an array element by element, and not otherwise."""
    readers = [equation.primitive for equation in equations if x in equation.inputs]
    return bool(readers) and all(primitive.elementwise for primitive in readers)


class _Turn:
    """The equations of a loop that is turned."""

    def __init__(self, loop: Loop, inputs: Sequence[Atom], halves: _Halves) -> None:
        self.loop, self.halves = loop, halves
        m, n = loop.constants, loop.constants + loop.carried
        own = loop.body.inputs
        self.constants, self.carried, self.elements = own[:m], own[m:n], own[n:]
        self.given: dict[Atom, Atom] = dict(zip(own[:n], inputs[:n], strict=True))
        self.arrays = inputs[n:]
        self.equations: list[Equation] = []
        late = {equation.out for equation in halves.late}
        # What the early half alone carries on.
        stays = {end: Var(end.aval) for end in loop.body.outputs if end not in (*late, *halves.crossing)}
        self.stays: dict[Atom, Var] = stays

    def emit(self) -> list[Atom]:
        """Makes the equations; returns what the loop carries last."""
        first = self.given | self.elements_of(0)
        self.equations += _copied(self.halves.early, first)
        ends = [first[x] for x in self.kept]
        loop = replace(self.loop, body=self.body(), carried=len(ends), length=self.loop.length - 1)
        given = (*[self.given[x] for x in self.constants], *ends, *self.parts(0), *self.parts(1))
        results = [Var(x.aval) for x in ends]
        self.equations += [Equation(scan, given, (("loop", loop), ("pick", pick)), x) for pick, x in enumerate(results)]
        last = self.given | self.elements_of(loop.length) | dict(zip(self.kept, results, strict=True))
        self.equations += _copied(self.halves.late, last)
        return [last[x] for x in self.loop.body.outputs]

    @property
    def kept(self) -> list[Atom]:
        """What the turned loop carries, under the names of a step of the loop as it was."""
        return [*self.halves.crossing, *self.stays]

    def body(self) -> Graph:
        """The late half of a step, and the early one of the next."""
        following: dict[Atom, Var] = {x: Var(x.aval) for x in self.elements}
        known: dict[Atom, Atom] = {**{x: x for x in self.constants}, **following}
        known.update({x: self.stays.get(end, end) for x, end in zip(self.carried, self.loop.body.outputs, strict=True)})
        equations = [*self.halves.late, *_copied(self.halves.early, known)]
        carried = (*self.halves.crossing, *self.stays.values())
        inputs = (*self.constants, *carried, *self.elements, *following.values())
        return Graph(inputs, (), tuple(equations), (), tuple([known[x] for x in self.kept]))

    def parts(self, first: int) -> list[Atom]:
        """The arrays without the elements of the last step (0), or of the first one (1)."""
        start = 1 - first if self.loop.reverse else first
        return [self.part(x, start, self.loop.length - 1) for x in self.arrays]

    def elements_of(self, step: int) -> dict[Atom, Atom]:
        """The elements of the arrays for a step."""
        i = self.loop.length - 1 - step if self.loop.reverse else step
        found: dict[Atom, Atom] = {}
        for x, array in zip(self.elements, self.arrays, strict=True):
            self.equations.append(Equation.of(ops.reshape, self.part(array, i, 1), shape=x.aval.shape))
            found[x] = self.equations[-1].out
        return found

    def part(self, array: Atom, start: int, count: int) -> Var:
        whole = tuple([(0, n, 1) for n in array.aval.shape[1:]])
        self.equations.append(Equation.of(ops.slice_, array, index=((start, count, 1), *whole)))
        return self.equations[-1].out


def _copied(equations: Iterable[Equation], known: dict[Atom, Atom]) -> list[Equation]:
    """The equations with new variables, which `known` gains, on those that it has for theirs."""
    found = []
    for equation in equations:
        out = known[equation.out] = Var(equation.out.aval)
        inputs = tuple([known.get(x, x) for x in equation.inputs])
        found.append(equation._replace(inputs=inputs, out=out))
    return found
