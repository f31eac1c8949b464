"""Rolling: the iterations of a loop of Python, recorded one after the other, become a loop again.

Equations of the same op, shapes and parameters at an even distance are the iterations of a loop if their operands
come from the same places: from the same iteration, from the one before (what is carried), from outside (constants), or
from the elements of an array (what the loop goes over).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from autograd import ops
from autograd.primitive import Aval, Primitive

from .graph import Atom, Equation, Graph, Literal, Loop, Var
from .loop import SHARED, scan
from .periods import LEAST_ITERATIONS, Stretch, stretches
from .residuals import with_candidates
from .views import VIEWS

# Fewer equations than this are not worth a loop.
LEAST_SAVED = 64
# At most so many stretches of one graph are rolled, and so many are tried for each.
MOST_LOOPS = 16
MOST_TRIED = 8


class Rolled(NamedTuple):
    """A graph with loops, and the arrays for the captures that it has beside those of the old one."""

    graph: Graph
    arrays: list[Any]


class _Unfit(Exception):
    """The stretch is no loop after all."""


def rolled(graph: Graph) -> Rolled:
    """The graph with stretches of equations that repeat as loops."""
    arrays: list[Any] = []
    for _ in range(MOST_LOOPS):
        found = _once(graph)
        if found is None:
            break
        graph = found.graph
        arrays += found.arrays
    return Rolled(graph, arrays)


def _once(graph: Graph) -> Rolled | None:
    found = [x for x in stretches([_kind(x) for x in graph.equations]) if x.saved >= LEAST_SAVED]
    if not found:
        return None
    index = _Index(graph)
    for stretch in found[:MOST_TRIED]:
        if not all(x.primitive in VIEWS for x in graph.equations[stretch.start : stretch.start + stretch.period]):
            try:
                return _Roller(graph, stretch, index).rolled()
            except _Unfit:
                continue
    return None


class _Index:
    """Where the variables of a graph are defined and read."""

    def __init__(self, graph: Graph) -> None:
        self.places: dict[Atom, int] = {x.out: i for i, x in enumerate(graph.equations)}
        self.readers: defaultdict[Atom, list[int]] = defaultdict(list)
        for i, equation in enumerate(graph.equations):
            for x in equation.inputs:
                self.readers[x].append(i)


def _kind(equation: Equation) -> Any:
    """What the equation has in common with those of other iterations."""
    primitive, inputs, params, out = equation
    if primitive in SHARED:
        return id(equation)
    if primitive is ops.slice_:
        # A position along an axis may be another one in every step.
        params = tuple([("index", int if type(i) is int else i) for i in dict(params)["index"]])
    return primitive, params, tuple([(type(x), x.aval) for x in inputs]), out.aval


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


class _Roller:
    """Makes a loop of a stretch: `count` iterations of `period` equations, from `start` on."""

    def __init__(self, graph: Graph, stretch: Stretch, index: _Index) -> None:
        self.graph, self.equations, self.period = graph, graph.equations, stretch.period
        self.index, self.readers = index.places, index.readers
        self.start = stretch.start + self.rotation(stretch)
        self.count = (stretch.stop - self.start) // self.period
        self.stop = self.start + self.count * self.period
        if self.count < LEAST_ITERATIONS:
            raise _Unfit
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

    def rotation(self, stretch: Stretch) -> int:
        """Where in the period an iteration begins so that the least is carried to the next one."""
        p = self.period
        begin = stretch.start + ((stretch.stop - stretch.start) // p - 2) * p
        change = np.zeros(2 * p + 2, np.int64)
        for i in range(begin, begin + p):
            out = self.equations[i].out
            last = max([j for j in self.readers[out] if j < begin + 2 * p], default=i)
            # It is carried over every boundary behind itself, up to its last reader.
            change[i + 1 - begin] += out.aval.size
            change[last + 1 - begin] -= out.aval.size
        over = np.cumsum(change)
        return int(np.argmin(over[:p] + over[p : 2 * p]))

    def rolled(self) -> Rolled:
        """The graph with the loop.

        **Errors:** `_Unfit` where operands come from elsewhere in every step.
        """
        for q in range(self.period):
            self.made.append(self.equation(q))
        lasts, stacks = self.read_outside()
        k = len(self.carried.known)
        body = Graph(
            (*self.constants.variables, *self.carried.variables, *self.elements.variables),
            (),
            tuple(self.body),
            (),
            (*self.carried_on(), *[self.made[q] for q in stacks], *self.carried.variables),
        )
        inner, arrays = rolled(body)
        captures = [Var(x.aval) for x in inner.captures]
        inner = inner._replace(inputs=(*inner.captures, *inner.inputs), captures=())
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
        equations = (*self.equations[: self.start], *self.before, *results, *self.equations[self.stop :])
        graph = self.graph._replace(
            captures=(*self.graph.captures, *self.captures, *captures), equations=_with_stacks(equations)
        )
        return Rolled(graph, [*self.arrays, *arrays])

    def at(self, t: int, q: int) -> Equation:
        """An equation of an iteration."""
        return self.equations[self.start + t * self.period + q]

    # ---- the body ----

    def equation(self, q: int) -> Var:
        """What an equation makes in the body."""
        primitive, _, params, out = self.at(0, q)
        if any(self.at(t, q).params != params for t in range(1, self.count)):
            return self.moving_slice(q)
        columns = [self.operands(q, r) for r in range(len(self.at(0, q).inputs))]
        if any(isinstance(atoms[0], Var) for atoms in columns) and all(map(self.is_constant, columns)):
            once = self.prepared(primitive, *[atoms[0] for atoms in columns], **dict(params))
            self.outside.update({self.at(t, q).out: once for t in range(self.count)})
            return self.constant(once)
        return self.add(primitive, tuple([self.operand(atoms) for atoms in columns]), params, out.aval)

    def operands(self, q: int, r: int) -> list[Atom]:
        """What an equation reads in each step."""
        atoms = [self.at(t, q).inputs[r] for t in range(self.count)]
        return [self.outside.get(x, x) for x in atoms]

    def is_constant(self, atoms: list[Atom]) -> bool:
        """Whether an operand is the same in every step, and comes from outside."""
        first = atoms[0]
        if isinstance(first, Literal):
            return len({x.value.tobytes() for x in atoms}) == 1  # type: ignore[union-attr]
        return self.is_outside(first) and all(x is first for x in atoms)

    def is_outside(self, x: Atom) -> bool:
        return self.index.get(x, -1) < self.start

    def add(self, primitive: Primitive, inputs: tuple[Atom, ...], params: Any, aval: Aval) -> Var:
        out = Var(aval)
        self.body.append(Equation(primitive, inputs, params, out))
        return out

    def operand(self, atoms: list[Atom]) -> Atom:
        """What stands in the body for an operand, which is one of the atoms in each step."""
        last = atoms[-1]
        if isinstance(last, Literal):
            values = np.array([x.value for x in atoms], last.aval.dtype)  # type: ignore[union-attr]
            return last if self.is_constant(atoms) else self.element(self.captured(values))
        if self.is_outside(last):
            return self.constant(last) if self.is_constant(atoms) else self.element(self.array_of(atoms))
        t, source = divmod(self.index[last] - self.start, self.period)
        back = self.count - 1 - t
        if back > 1 or any(x is not self.at(t - back, source).out for t, x in enumerate(atoms) if t >= back):
            raise _Unfit
        if not back:
            return self.made[source]
        first = atoms[0]
        if not self.is_outside(first):
            raise _Unfit
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

    def moving_slice(self, q: int) -> Var:
        """A slice whose position along one axis is another one in every step."""
        sources = self.operands(q, 0)
        indices = [dict(self.at(t, q).params)["index"] for t in range(self.count)]
        found = self.moving(sources[0], indices) if self.is_constant(sources) else None
        if found is None:
            raise _Unfit
        array, index = found
        element = self.element(array)
        if all(i == (0, n, 1) for i, n in zip(index, element.aval.shape, strict=True)):
            return element
        return self.add(ops.slice_, (element,), (("index", index),), self.at(0, q).out.aval)

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

    def array_of(self, atoms: list[Atom]) -> Var:
        """An array of what stands outside of the loop, an element for each step."""
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
        results = {x for x in (*self.graph.outputs, *self.graph.guards) if isinstance(x, Var)}
        steps: defaultdict[int, list[int]] = defaultdict(list)
        for i in range(self.start, self.stop):
            out = self.equations[i].out
            if out in results or any(j >= self.stop for j in self.readers[out]):
                t, q = divmod(i - self.start, self.period)
                steps[q].append(t)
        lasts = {q: self.place_of(q) for q, read in steps.items() if read == [self.count - 1]}
        return lasts, {q: read for q, read in steps.items() if q not in lasts}

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


def _with_stacks(equations: tuple[Equation, ...]) -> tuple[Equation, ...]:
    """Elements of one array that are put together again, as part of that array."""
    made = {x.out: x for x in equations}
    found: list[Equation] = []
    for equation in equations:
        found += _stack(equation, made) if equation.primitive is ops.concatenate else [equation]
    return tuple(found)


def _stack(equation: Equation, made: dict[Var, Equation]) -> list[Equation]:
    axis, out = dict(equation.params)["axis"], equation.out
    picks = []
    for x in equation.inputs:
        reshape = made.get(x)  # type: ignore[arg-type]
        pick = made.get(reshape.inputs[0]) if reshape is not None and reshape.primitive is ops.reshape else None  # type: ignore[arg-type]
        if pick is None or pick.primitive is not ops.slice_:
            return [equation]
        shape = pick.out.aval.shape
        if reshape.out.aval.shape != (*shape[:axis], 1, *shape[axis:]):  # type: ignore[union-attr]
            return [equation]
        picks.append((pick.inputs[0], dict(pick.params)["index"]))
    array, first = picks[0]
    whole = tuple([(0, n, 1) for n in array.aval.shape[1:]])
    start = first[0]
    if type(start) is not int or picks != [(array, (start + i, *whole)) for i in range(len(picks))]:
        return [equation]
    part = Var(Aval((len(picks), *array.aval.shape[1:]), array.aval.dtype))
    order = (*range(1, axis + 1), 0, *range(axis + 1, array.aval.ndim))
    return [
        Equation(ops.slice_, (array,), (("index", ((start, len(picks), 1), *whole)),), part),
        Equation(ops.transpose, (part,), (("axes", order),), out),
    ]
