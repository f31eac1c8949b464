"""From a graph to a program of steps: loop nests that fuse many equations, and calls that stand alone.

Every step has a place in one order. An elementwise equation joins the first nest over its shape that runs
late enough for all its operands; inside a nest its value stays in a register, and it is stored only if
another step reads it. Views (reshape, transpose, slice, expand) move nothing: they are strides.
Values of one element are scalars: they live in registers of the kernel itself.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import count
from typing import Any

import numpy as np

from autograd import ops
from autograd.primitive import Aval, Primitive, Shape

from .graph import Atom, Equation, Graph, Literal, Var
from .matrix import by_blas, is_readable
from .program import (
    Buffer,
    Call,
    Compute,
    Entry,
    Fill,
    Gather,
    Nest,
    Operand,
    Place,
    Program,
    Reduce,
    Scalar,
    Scatter,
    Step,
    Store,
    View,
)
from .views import VIEWS, broadcast, row_major, sliced

REDUCTIONS = frozenset({ops.sum, ops.prod, ops.max, ops.min})
CALLS = frozenset({ops.matmul, ops.cumsum, ops.argmax, ops.argmin})
# Past this many equations a vectorised loop body spills its registers and compiles ever slower.
LONGEST_NEST = 300


def fuse(graph: Graph) -> Program:
    """The program of a graph."""
    lowering = _Lowering(graph)
    for equation in graph.equations:
        lowering.add(equation)
    return lowering.program()


class _Group:
    """A step in the making."""

    def __init__(self, shape: Shape, step: Step | None = None) -> None:
        self.shape, self.step = shape, step
        self.entries: list[Entry] = []


class _Lowering:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.groups: list[_Group] = []
        self.nests: dict[Shape, list[int]] = {}
        self.places: dict[Var, Place] = {}
        # Where a value is made inside a nest, and the step from which others can read it.
        self.home: dict[Var, int] = {}
        self.ready: dict[Var, int] = {}
        self.stored: dict[Var, tuple[View, int]] = {}
        self.copies: dict[Var, tuple[View, int]] = {}
        # What is filled just before a step writes to it.
        self.fills: dict[int, list[Fill]] = {}
        self.numbers = count()
        self.output_of = _output_buffers(graph)
        self.claimed: set[int] = set()
        for kind, variables in (("input", graph.inputs), ("capture", graph.captures)):
            for i, x in enumerate(variables):
                self.places[x] = self.buffer(kind, i, x.aval)
                self.ready[x] = 0

    # ---- equations ----

    def add(self, equation: Equation) -> None:
        primitive, _, params, out = equation
        view = VIEWS.get(primitive)
        if out.aval.size == 0:
            self.places[out], self.ready[out] = self.new_buffer(out), 0
        elif view is not None:
            self.alias(equation, dict(params))
        elif primitive.elementwise:
            self.compute(equation)
        elif primitive in REDUCTIONS:
            self.reduce(equation, **dict(params))
        elif primitive in CALLS:
            self.call(equation)
        elif primitive in MOVES:
            MOVES[primitive](self, equation, **dict(params))
        else:
            raise NotImplementedError(
                f"`{primitive}` has no lowering, so it cannot be compiled; run this part outside the compiled function"
            )

    def compute(self, equation: Equation) -> None:
        out = equation.out
        shape = () if out.aval.size == 1 else out.aval.shape
        group = self.group(shape, max([self.level(x, shape) for x in equation.inputs], default=0))
        operands = tuple([self.operand(x, group, shape) for x in equation.inputs])
        self.groups[group].entries.append(Compute(equation, operands))
        self.made(out, group)

    def made(self, out: Var, group: int) -> None:
        self.home[out], self.ready[out] = group, group + 1
        if out.aval.size == 1:
            self.places[out] = Scalar(out)

    def alias(self, equation: Equation, params: dict[str, Any]) -> None:
        primitive, (x,), _, out = equation
        if isinstance(x, Literal) or isinstance(self.places.get(x), Scalar):
            place = Scalar(x) if isinstance(x, Literal) else self.places[x]
            self.places[out] = place
            root = place.atom  # type: ignore[union-attr]
            self.ready[out] = 0 if isinstance(root, Literal) else self.ready[root]
            return
        view, ready = self.view(x)
        strides = VIEWS[primitive](view, x.aval, **params)
        if strides is None:
            view, ready = self.copy(x)
            strides = VIEWS[primitive](view, x.aval, **params)
        self.places[out], self.ready[out] = strides, ready

    def reduce(self, equation: Equation, axis: tuple[int, ...], keepdims: bool) -> None:
        x, out = equation.inputs[0], equation.out
        shape = x.aval.shape
        if x.aval.size == 0:
            self.fill(out, Literal.of(_IDENTITY[equation.primitive], out.aval.dtype))
            return
        shape = () if x.aval.size == 1 else shape
        group = self.group(shape, self.level(x, shape))
        operand = self.operand(x, group, shape)
        if out.aval.size == 1:
            self.groups[group].entries.append(Reduce(equation, (operand,), None))
            self.places[out] = Scalar(out)
            self.ready[out] = group + 1
            if shape == ():
                self.home[out] = group
            return
        view = self.new_buffer(out)
        kept = iter(view.strides if not keepdims else [s for i, s in enumerate(view.strides) if i not in axis])
        aligned = tuple([0 if i in axis else next(kept) for i in range(len(shape))])
        self.groups[group].entries.append(Reduce(equation, (operand,), view._replace(strides=aligned)))
        self.places[out], self.ready[out] = view, group + 1

    def call(self, equation: Equation) -> None:
        out = equation.out
        if any(x.aval.size == 0 for x in equation.inputs):
            self.fill(out, Literal.of(0, out.aval.dtype))
            return
        found = self.factors(equation) if equation.primitive is ops.matmul else [self.view(equation.inputs[0])]
        target = self.new_buffer(out)
        step = Call(equation, tuple([view for view, _ in found]), target)
        self.groups.append(_Group((), step))
        self.places[out], self.ready[out] = target, len(self.groups)

    def factors(self, equation: Equation) -> list[tuple[View, int]]:
        """The operands of a matrix product, copied where they have another dtype, or strides that BLAS cannot read."""
        out, found = equation.out.aval, []
        left, right = equation.inputs
        needs_blas = by_blas(left.aval.shape, right.aval.shape, out)
        for x in equation.inputs:
            if x.aval.dtype != out.dtype:
                found.append(self.converted(x, out.dtype))
                continue
            view, ready = self.view(x)
            unreadable = needs_blas and not is_readable(x.aval.shape, view.strides)
            found.append(self.copy(x) if unreadable else (view, ready))  # type: ignore[arg-type]
        return found

    def fill(self, out: Var, value: Literal) -> None:
        if out.aval.size == 1:
            self.places[out], self.ready[out] = Scalar(value), 0
            return
        target = self.new_buffer(out)
        self.groups.append(_Group((), Fill(target, value)))
        self.places[out], self.ready[out] = target, len(self.groups)

    def concatenate(self, equation: Equation, axis: int) -> None:
        out = equation.out
        target = self.new_buffer(out)
        start, ready = 0, 0
        for x in equation.inputs:
            part = target._replace(offset=target.offset + start * target.strides[axis])
            if x.aval.size:
                ready = max(ready, self.store(x, part, 0))
            start += x.aval.shape[axis]
        self.places[out], self.ready[out] = target, ready

    def unslice(self, equation: Equation, shape: Shape, index: Any) -> None:
        x, out = equation.inputs[0], equation.out
        if not x.aval.size:
            self.fill(out, Literal.of(0, out.aval.dtype))
            return
        target = self.new_buffer(out)
        ready = self.store(x, sliced(target, x.aval, index=index), 0)
        self.zeros(out, target, ready - 1)

    def zeros(self, out: Var, target: View, group: int) -> None:
        """Fills the memory of `out` with zeros just before the step that writes a part of it."""
        self.fills.setdefault(group, []).append(Fill(target, Literal.of(0, out.aval.dtype)))
        self.places[out], self.ready[out] = target, group + 1

    def gather(self, equation: Equation) -> None:
        x, *indices = equation.inputs
        out = equation.out
        source, ready = self.view(x)
        shape = () if out.aval.size == 1 else out.aval.shape
        level = max([ready, *[self.level(i, shape) for i in indices]])
        group = self.group(shape, level)
        trailing = len(out.aval.shape) - len(indices[0].aval.shape)
        operands = tuple([self.leading(i, group, shape, trailing) for i in indices])
        self.groups[group].entries.append(Gather(equation, source, operands))
        self.made(out, group)

    def scatter_add(self, equation: Equation, shape: Shape) -> None:
        x, *indices = equation.inputs
        out = equation.out
        if not x.aval.size:
            self.fill(out, Literal.of(0, out.aval.dtype))
            return
        target = self.new_buffer(out)
        space = () if x.aval.size == 1 else x.aval.shape
        group = self.scattering(space, max([self.level(i, space) for i in equation.inputs]))
        trailing = len(x.aval.shape) - len(indices[0].aval.shape)
        operands = (
            self.operand(x, group, space),
            *[self.leading(i, group, space, trailing) for i in indices],
        )
        self.groups[group].entries.append(Scatter(operands, target, shape))
        self.zeros(out, target, group)

    def scattering(self, shape: Shape, level: int) -> int:
        """A nest of its own: sums at repeated indices cannot be vectorised, nor could what shared their loop."""
        if shape == ():
            return self.group(shape, level)
        self.groups.append(_Group(shape))
        return len(self.groups) - 1

    # ---- where operands lie ----

    def group(self, shape: Shape, level: int) -> int:
        """The first nest over that shape from step `level` on with room, or a new one at the end."""
        nests = self.nests.setdefault(shape, [])
        first = bisect_left(nests, level)
        while first < len(nests):
            if len(self.groups[nests[first]].entries) < LONGEST_NEST:
                return nests[first]
            del nests[first]
        self.groups.append(_Group(shape))
        nests.append(len(self.groups) - 1)
        return len(self.groups) - 1

    def level(self, x: Atom, shape: Shape) -> int:
        """The first step whose nest over `shape` can read `x`."""
        if isinstance(x, Literal):
            return 0
        place = self.places.get(x)
        if isinstance(place, Scalar):
            x = place.atom
            if isinstance(x, Literal):
                return 0
        home = self.home.get(x)
        if home is not None and self.groups[home].shape == shape:
            return home
        return self.ready[x]

    def operand(self, x: Atom, group: int, shape: Shape) -> Operand:
        """`x` as the nest reads it, its strides aligned with the nest's shape."""
        place = Scalar(x) if isinstance(x, Literal) else self.places.get(x)
        if isinstance(place, Scalar):
            return Operand(place.atom, place)
        if self.home.get(x) == group:  # type: ignore[arg-type]
            return Operand(x, None)
        view, _ = self.view(x)
        return Operand(x, broadcast(view, x.aval.shape, shape))

    def leading(self, x: Atom, group: int, shape: Shape, trailing: int) -> Operand:
        """As `operand`, for an index array which stands for the leading axes of the nest."""
        operand = self.operand(x, group, shape[: len(shape) - trailing] if trailing else shape)
        if isinstance(operand.place, View):
            view = operand.place
            return operand._replace(place=view._replace(strides=view.strides + (0,) * trailing))
        return operand

    def view(self, x: Atom) -> tuple[View, int]:
        """`x` in memory, and the step from which it can be read there."""
        if isinstance(x, Var):
            place = self.places.get(x)
            if isinstance(place, View):
                return place, self.ready[x]
            if x in self.stored:
                return self.stored[x]
        found = self.stored_copy(x)
        if isinstance(x, Var):
            self.stored[x] = found
            if x in self.home and x.aval.size > 1:
                self.places[x] = found[0]
        return found

    def copy(self, x: Var) -> tuple[View, int]:
        """A contiguous copy of `x`."""
        if x not in self.copies:
            self.copies[x] = self.stored_copy(x, work=True)
        return self.copies[x]

    def converted(self, x: Atom, dtype: np.dtype[Any]) -> tuple[View, int]:
        """A contiguous copy of `x` in another dtype."""
        target = self.buffer("work", 0, Aval(x.aval.shape, dtype))
        return target, self.store(x, target, 0)

    def stored_copy(self, x: Atom, work: bool = False) -> tuple[View, int]:
        target = self.buffer("work", 0, x.aval) if work or isinstance(x, Literal) else self.new_buffer(x)
        return target, self.store(x, target, 0)

    def store(self, x: Atom, target: View, level: int) -> int:
        """Stores `x` in the nest that makes it, if that runs late enough; returns the step after."""
        shape = () if x.aval.size == 1 else x.aval.shape
        if shape == ():
            target = target._replace(strides=())
        group = self.group_of_store(x, shape, max(level, self.level(x, shape)))
        operand = self.operand(x, group, shape)
        self.groups[group].entries.append(Store((operand,), target))
        return group + 1

    def group_of_store(self, x: Atom, shape: Shape, level: int) -> int:
        # A value must be stored by the very nest that holds it in a register, however long that is.
        home = self.home.get(x) if isinstance(x, Var) else None
        if home is not None and not isinstance(self.places.get(x), View) and shape != ():  # type: ignore[arg-type]
            if home >= level:
                return home
            self.view(x)
        return self.group(shape, level)

    # ---- buffers ----

    def buffer(self, kind: str, index: int, aval: Aval) -> View:
        buffer = Buffer(next(self.numbers), kind, index, aval.dtype, aval.size)
        return View(buffer, 0, row_major(aval.shape))

    def new_buffer(self, x: Var) -> View:
        """Memory for `x`: that of an output if `x` is to be returned, otherwise of the workspace."""
        index = self.output_of.get(x)
        if index is None or index in self.claimed:
            return self.buffer("work", 0, x.aval)
        self.claimed.add(index)
        return self.buffer("output", index, x.aval)

    # ---- the end ----

    def program(self) -> Program:
        outputs = tuple([self.output(i, x) for i, x in enumerate(self.graph.outputs)])
        guards = tuple([self.operand(x, -1, ()) for x in self.graph.guards])
        steps: list[Step] = []
        for i, group in enumerate(self.groups):
            steps += self.fills.get(i, ())
            steps.append(group.step or Nest(group.shape, tuple(group.entries)))
        return Program(self.graph, tuple(steps), guards, outputs)

    def output(self, i: int, x: Atom) -> Operand:
        if x.aval.shape == ():
            return self.operand(x, -1, ())
        if isinstance(x, Var) and self.output_of.get(x) == i:
            place = self.places.get(x)
            if place is None or (isinstance(place, Scalar) and x.aval.size):
                place, _ = self.view(x)
            if isinstance(place, View) and place.buffer.kind == "output" and place.buffer.position == i:
                return Operand(x, place)
        target = self.buffer("output", i, x.aval)
        if x.aval.size:
            self.store(x, target, 0)
        return Operand(x, target)


def _output_buffers(graph: Graph) -> dict[Var, int]:
    """For each variable whose memory can be that of an output, the output's position.

    A reshaped result has the memory of what was reshaped.
    """
    made = {equation.out: equation for equation in graph.equations}
    found: dict[Var, int] = {}
    for i, x in enumerate(graph.outputs):
        if not isinstance(x, Var) or x.aval.shape == () or x in found:
            continue
        found[x] = i
        while x in made and made[x].primitive is ops.reshape:
            (x,) = made[x].inputs
            if not isinstance(x, Var) or x.aval.shape == () or x in found:
                break
            found[x] = i
    return found


#: The ops that write or read parts of an array.
MOVES: dict[Primitive, Any] = {
    ops.concatenate: _Lowering.concatenate,
    ops.unslice: _Lowering.unslice,
    ops.gather: _Lowering.gather,
    ops.scatter_add: _Lowering.scatter_add,
}

_IDENTITY: dict[Primitive, int] = {ops.sum: 0, ops.prod: 1}
