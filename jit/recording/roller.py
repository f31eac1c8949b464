"""A stretch of equations that repeats as a loop: what is carried, what is the same in all steps, what it goes over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd import ops
from autograd.lengths import closed
from autograd.primitive import Aval, Primitive

from ..graph import Atom, Equation, Graph, Literal, Loop, Var
from ..loop import scan
from .periods import LEAST_ITERATIONS, Stretch
from .residuals import with_candidates
from .restacked import with_stacks


class Rolled(NamedTuple):
    """A graph with loops, and the arrays for the captures that it has beside those of the old one.

    `sources` has for each guard one of the old graph which it stands for; `notes` say what was rolled, and what not.
    """

    graph: Graph
    arrays: list[Any]
    sources: list[int]
    notes: list[str]


#: What these become at positions that are inputs of a step.
AT_POSITIONS = {ops.slice_: ops.slice_at, ops.put: ops.put_at}


class Unfit(Exception):
    """The stretch is no loop after all; what it says is why.

    `back` is how many iterations later a value is read, where that is it.
    """

    def __init__(self, why: str, back: int = 0) -> None:
        super().__init__(why)
        self.back = back


class Index:
    """Where the variables of a graph are defined, and where they are read last."""

    def __init__(self, graph: Graph) -> None:
        self.places: dict[Atom, int] = {x.out: i for i, x in enumerate(graph.equations)}
        self.last: dict[Atom, int] = {x: i for i, e in enumerate(graph.equations) for x in e.inputs if type(x) is Var}


class _Inputs:
    """Inputs of the body of one sort: for each the variable in the body, and the atom outside of it."""

    def __init__(self) -> None:
        self.known: dict[Any, tuple[Var, Atom]] = {}

    def of(self, key: Any, aval: Aval, outside: Atom) -> Var:
        """The variable for a key, a new one where there is none."""
        return self.known.setdefault(key, (Var(aval), outside))[0]

    @property
    def variables(self) -> list[Var]:
        return [variable for variable, _ in self.known.values()]

    @property
    def atoms(self) -> list[Atom]:
        return [atom for _, atom in self.known.values()]


class Roller:
    """Makes a loop of a stretch: `count` iterations of `period` equations, from `start` on."""

    def __init__(self, graph: Graph, stretch: Stretch, index: Index) -> None:
        self.graph, self.equations, self.period = graph, graph.equations, stretch.period
        self.index, self.last = index.places, index.last
        # One of the guards that a variable is.
        self.guards: dict[Atom, int] = {x: i for i, x in enumerate(graph.guards)}
        self.start = stretch.start + self.rotation(stretch)
        self.count = (stretch.stop - self.start) // self.period
        self.stop = self.start + self.count * self.period
        if self.count < LEAST_ITERATIONS:
            raise Unfit("too few of them are whole")
        # What the arrays that the loop goes over are made of, and the body in the making: `made` has for each equation
        # of an iteration what it makes in the body.
        self.before: list[Equation] = []
        self.body: list[Equation] = []
        self.made: list[Var] = []
        self.constants, self.carried, self.elements = _Inputs(), _Inputs(), _Inputs()
        self.captures: list[Var] = []
        self.arrays: list[Any] = []
        # What is the same in every step, by what it is computed as in each of them.
        self.outside: dict[Atom, Var] = {}
        # The arrays of what stands outside, by the identities of their elements.
        self.stacked: dict[tuple[int, ...], Var] = {}

    def rotation(self, stretch: Stretch) -> int:
        """Where in the period an iteration begins so that the least is carried to the next one."""
        p = self.period
        begin = stretch.start + ((stretch.stop - stretch.start) // p - 2) * p
        change = np.zeros(2 * p + 2, np.int64)
        window = self.equations[begin : begin + 2 * p]
        last = {x: i for i, equation in enumerate(window) for x in equation.inputs}
        for i, equation in enumerate(window[:p]):
            # It is carried over every boundary behind itself, up to its last reader.
            change[i + 1] += closed(equation.out.aval.size)
            change[last.get(equation.out, i) + 1] -= closed(equation.out.aval.size)
        over = np.cumsum(change)
        return int(np.argmin(over[:p] + over[p : 2 * p]))

    def rolled(self, inner_loops: Callable[[Graph], Rolled]) -> Rolled:
        """The graph with the loop; `inner_loops` rolls those in its body.

        **Errors:** `Unfit` where operands come from elsewhere in every step.
        """
        for q in range(self.period):
            self.made.append(self.equation(q))
        lasts, stacks = self.read_outside()
        guarded, parts = self.decided()
        kept = [*stacks, *[q for q, _ in parts]]
        k = len(self.carried.known)
        body = Graph(
            (*self.constants.variables, *self.carried.variables, *self.elements.variables),
            (),
            tuple(self.body),
            tuple([self.made[q] for q in guarded]),
            (*self.carried_on(), *[self.made[q] for q in kept], *self.carried.variables),
        )
        inner, arrays, sources, notes = inner_loops(body)
        captures = [Var(x.aval) for x in inner.captures]
        conditions, first = inner.guards, k + len(kept)
        outputs = (*inner.outputs[:first], *conditions, *inner.outputs[first:])
        inner = Graph((*inner.captures, *inner.inputs), (), inner.equations, (), outputs)
        inner = with_candidates(inner, k)
        loop = Loop(inner, len(captures) + len(self.constants.known), k, self.count, False)
        inputs = (*captures, *self.constants.atoms, *self.carried.atoms, *self.elements.atoms)
        results = [
            Equation(scan, inputs, (("loop", loop), ("pick", pick)), self.equations[self.stop - self.period + q].out)
            for q, pick in lasts.items()
        ]
        for pick, (q, steps) in enumerate(stacks.items(), k):
            aval = self.made[q].aval
            stack = Var(Aval((self.count, *aval.shape), aval.dtype))
            results.append(Equation(scan, inputs, (("loop", loop), ("pick", pick)), stack))
            results += [self.picked(stack, t, self.at(t, q).out) for t in steps]
        guards = [
            (x, i) for i, x in enumerate(self.graph.guards) if not self.start <= self.index.get(x, -1) < self.stop
        ]
        whole = range(self.count)
        decided = [*parts, *[(guarded[i], whole) for i in sources]]
        for pick, (q, held) in enumerate(decided, k + len(stacks)):
            stack = Var(Aval((self.count,), np.dtype(bool)))
            results.append(Equation(scan, inputs, (("loop", loop), ("pick", pick)), stack))
            index = ((held.start, len(held), 1),)
            part = results[-1] if held == whole else Equation.of(ops.slice_, stack, index=index)
            results += [part] * (held != whole)
            results.append(Equation.of(ops.min, part.out, axis=(0,), keepdims=False))
            guards.append((results[-1].out, self.guards[self.at(held.start, q).out]))
        equations = (*self.equations[: self.start], *self.before, *results, *self.equations[self.stop :])
        graph = self.graph._replace(
            captures=(*self.graph.captures, *self.captures, *captures),
            equations=with_stacks(equations),
            guards=tuple([x for x, _ in guards]),
        )
        note = f"{self.count} repetitions of {self.period} equations are a loop"
        notes = [note, *[f"in it {x}" for x in notes]]
        return Rolled(graph, [*self.arrays, *arrays], [i for _, i in guards], notes)

    def at(self, t: int, q: int) -> Equation:
        """An equation of an iteration."""
        return self.equations[self.start + t * self.period + q]

    def column(self, q: int) -> Sequence[Equation]:
        """An equation of all iterations."""
        return self.equations[self.start + q : self.stop : self.period]

    def named(self, equation: Equation) -> str:
        """An equation of the first iteration, for a reader of the recorded function."""
        place = self.index[equation.out] - self.start
        return f"`{equation.primitive}` of {equation.out.aval}, equation {place + 1} of {self.period},"

    # ---- the body ----

    def equation(self, q: int) -> Var:
        """What an equation makes in the body."""
        primitive, _, params, out = self.at(0, q)
        column = self.column(q)
        if any(x.params != params for x in column):
            return self.moving_part(q)
        columns = [self.resolved(atoms) for atoms in zip(*[x.inputs for x in column], strict=True)]
        if any(isinstance(atoms[0], Var) for atoms in columns) and all(map(self.is_constant, columns)):
            once = self.prepared(primitive, *[atoms[0] for atoms in columns], **dict(params))
            self.outside.update({self.at(t, q).out: once for t in range(self.count)})
            return self.constant(once)
        return self.add(primitive, tuple([self.operand(atoms) for atoms in columns]), params, out.aval)

    def resolved(self, atoms: Sequence[Atom]) -> Sequence[Atom]:
        """What an equation reads in each step, where that is known to be the same in all of them."""
        outside = self.outside
        return [outside.get(x, x) for x in atoms] if type(atoms[0]) is Var and atoms[0] in outside else atoms

    def is_constant(self, atoms: Sequence[Atom]) -> bool:
        """Whether an operand is the same in every step, and comes from outside."""
        first = atoms[0]
        if isinstance(first, Literal):
            return len({x.value.tobytes() for x in {id(x): x for x in atoms}.values()}) == 1  # type: ignore[union-attr]
        return self.is_outside(first) and all(x is first for x in atoms)

    def is_outside(self, x: Atom) -> bool:
        return self.index.get(x, -1) < self.start

    def add(self, primitive: Primitive, inputs: tuple[Atom, ...], params: Any, aval: Aval) -> Var:
        out = Var(aval)
        self.body.append(Equation(primitive, inputs, params, out))
        return out

    def operand(self, atoms: Sequence[Atom]) -> Atom:
        """What stands in the body for an operand, which is one of the atoms in each step."""
        last = atoms[-1]
        if isinstance(last, Literal):
            values = np.array([x.value for x in atoms], last.aval.dtype)  # type: ignore[union-attr]
            return last if self.is_constant(atoms) else self.element(self.captured(values))
        if self.is_outside(last):
            if not all(map(self.is_outside, atoms)):
                raise Unfit("an operand comes from outside in some of them alone")
            return self.constant(last) if self.is_constant(atoms) else self.element(self.array_of(atoms))
        t, source = divmod(self.index[last] - self.start, self.period)
        back = self.count - 1 - t
        if back > 1:
            raise Unfit(f"{self.named(self.at(0, source))} is read {back} repetitions later", back)
        made = [x.out for x in self.column(source)]
        # Two are the same only if they are one object, so lists of them are compared by identity.
        if list(atoms[back:]) != made[: self.count - back]:
            raise Unfit(f"what becomes of {self.named(self.at(0, source))} differs between them")
        if not back:
            return self.made[source]
        first = atoms[0]
        if not self.is_outside(first):
            raise Unfit(f"the first of them reads another value in the place of {self.named(self.at(0, source))}")
        return self.carried.of((source, first), last.aval, first)

    def constant(self, x: Var) -> Var:
        return self.constants.of(x, x.aval, x)

    def element(self, array: Var) -> Var:
        """The element of a step, of an array with an axis for the steps."""
        return self.elements.of(array, Aval(array.aval.shape[1:], array.aval.dtype), array)

    def carried_on(self) -> list[Var]:
        """What becomes of that which is carried."""
        return [self.made[source] for source, _ in self.carried.known]

    # ---- arrays to go over ----

    def moving_part(self, q: int) -> Var:
        """A slice, or a write to one, whose position along some axes is another one in every step."""
        primitive, _, _, out = self.at(0, q)
        if primitive not in AT_POSITIONS:
            raise Unfit(f"{self.named(self.at(0, q))} differs between them")
        column = self.column(q)
        columns = [self.resolved(atoms) for atoms in zip(*[x.inputs for x in column], strict=True)]
        sources = columns[0]
        indices = [dict(x.params)["index"] for x in column]
        found = self.moving(sources[0], indices) if primitive is ops.slice_ and self.is_constant(sources) else None
        if found is None:
            index, positions = self.positions(indices)
            operands = [self.operand(atoms) for atoms in columns]
            return self.add(AT_POSITIONS[primitive], (*operands, *positions), (("index", index),), out.aval)
        array, index = found
        element = self.element(array)
        if all(i == (0, n, 1) for i, n in zip(index, element.aval.shape, strict=True)):
            return element
        return self.add(ops.slice_, (element,), (("index", index),), self.at(0, q).out.aval)

    def positions(self, indices: list[Any]) -> tuple[tuple[Any, ...], list[Var]]:
        """An index with `None` for each position that differs between the steps, and these positions."""
        index: list[Any] = []
        positions = []
        for entries in zip(*indices, strict=True):
            differs = len(set(entries)) > 1
            index.append(None if differs else entries[0])
            if differs:
                positions.append(self.element(self.captured(np.array(entries, np.int64))))
        return tuple(index), positions

    def moving(self, source: Atom, indices: list[Any]) -> tuple[Var, tuple[Any, ...]] | None:
        """The array from whose elements slices of an array outside are taken, and what is taken of each."""
        if not isinstance(source, Var):
            return None
        axes = [axis for axis, entries in enumerate(zip(*indices, strict=True)) if len(set(entries)) > 1]
        if len(axes) != 1 or any(type(index[axes[0]]) is not int for index in indices):
            return None
        (axis,) = axes
        rest = (*indices[0][:axis], *indices[0][axis + 1 :])
        return self.rows(source, axis, [index[axis] for index in indices]), rest

    def rows(self, array: Var, axis: int, positions: list[int]) -> Var:
        """The parts of an array at positions along an axis, which comes first."""
        order = (axis, *[i for i in range(array.aval.ndim) if i != axis])
        if axis:
            array = self.prepared(ops.transpose, array, axes=order)
        steps = set(np.diff(positions).tolist())
        if len(steps) > 1:
            return self.prepared(ops.gather, array, self.captured(np.array(positions, np.int64)))
        index = [(0, n, 1) for n in array.aval.shape]
        if positions == list(range(array.aval.shape[0])):
            return array
        index[0] = positions[0], len(positions), steps.pop()
        return self.prepared(ops.slice_, array, index=tuple(index))

    def array_of(self, atoms: Sequence[Atom]) -> Var:
        """An array of what stands outside of the loop, an element for each step; the same one for the same atoms."""
        key = tuple(map(id, atoms))
        if key not in self.stacked:
            self.stacked[key] = self.array_made_of(atoms)
        return self.stacked[key]

    def array_made_of(self, atoms: Sequence[Atom]) -> Var:
        made = [self.equations[self.index[x]] for x in atoms if isinstance(x, Var) and x in self.index]
        slices = [x for x in made if x.primitive is ops.slice_]
        if len(slices) == len(atoms) and len({x.inputs[0] for x in slices}) == 1:
            found = self.moving(slices[0].inputs[0], [dict(x.params)["index"] for x in slices])
            if found is not None and all(
                i == (0, n, 1) for i, n in zip(found[1], found[0].aval.shape[1:], strict=True)
            ):
                return found[0]
        shape = (1, *atoms[0].aval.shape)
        return self.prepared(ops.concatenate, *[self.prepared(ops.reshape, x, shape=shape) for x in atoms], axis=0)

    def prepared(self, primitive: Primitive, *inputs: Atom, **params: Any) -> Var:
        """An equation before the loop."""
        self.before.append(Equation.of(primitive, *inputs, **params))
        return self.before[-1].out

    def captured(self, values: Any) -> Var:
        """A constant array."""
        values.flags.writeable = False
        self.captures.append(Var(Aval(values.shape, values.dtype)))
        self.arrays.append(values)
        return self.captures[-1]

    # ---- what is read of the loop ----

    def read_outside(self) -> tuple[dict[int, int], dict[int, list[int]]]:
        """What is read outside of the loop.

        **Returns:** for equations of which the last iteration's result alone is read, which of the carried values it
        is; for others the steps whose results are read.
        """
        last = {**self.last, **dict.fromkeys(self.graph.outputs, self.stop)}
        inside = enumerate(self.equations[self.start : self.stop])
        steps: defaultdict[int, list[int]] = defaultdict(list)
        for i in [i for i, x in inside if last.get(x.out, 0) >= self.stop]:
            t, q = divmod(i, self.period)
            steps[q].append(t)
        lasts = {q: self.place_of(q) for q, read in steps.items() if read == [self.count - 1]}
        return lasts, {q: read for q, read in steps.items() if q not in lasts}

    def decided(self) -> tuple[list[int], list[tuple[int, range]]]:
        """The equations whose results are guards in every step; and stretches of steps in which those of others are."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for x in self.guards:
            i = self.index.get(x, -1)
            if self.start <= i < self.stop:
                t, q = divmod(i - self.start, self.period)
                found[q].append(t)
        always = [q for q, steps in found.items() if len(steps) == self.count]
        parts = []
        for q, steps in found.items():
            edges = [i for i in range(1, len(steps)) if steps[i] != steps[i - 1] + 1]
            if q not in always:
                for start, stop in zip([0, *edges], [*edges, len(steps)], strict=True):
                    parts.append((q, range(steps[start], steps[stop - 1] + 1)))
        return always, parts

    def place_of(self, q: int) -> int:
        """Which of the carried values the result of an equation is; it is made one if need be."""
        places = [i for i, (source, _) in enumerate(self.carried.known) if source == q]
        if places:
            return places[0]
        aval = self.made[q].aval
        zero: Atom = Literal.of(0, aval.dtype)
        self.carried.of((q, None), aval, self.prepared(ops.expand, zero, shape=aval.shape) if aval.shape else zero)
        return len(self.carried.known) - 1

    def picked(self, stack: Var, t: int, out: Var) -> Equation:
        return Equation(ops.slice_, (stack,), (("index", (t, *[(0, n, 1) for n in out.aval.shape])),), out)
