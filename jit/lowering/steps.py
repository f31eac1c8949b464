"""Where the values of a program lie: the steps in the making, the nests that have room, the buffers.

Every step has a place in one order. What an equation makes inside a nest stays in a register, and it is stored only
if another step reads it. Views (reshape, transpose, slice, expand) move nothing: they are strides. Values of one
element are scalars: they live in registers of the kernel itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from math import prod
from typing import Any

import numpy as np

from autograd import ops
from autograd.lengths import is_long
from autograd.primitive import Aval, Shape

from ..graph import Atom, Equation, Graph, Literal, Var
from ..passes.overlaps import CHEAP
from .program import (
    Buffer,
    Compute,
    Entry,
    Fill,
    Gather,
    Nest,
    Operand,
    Place,
    Program,
    Scalar,
    Step,
    Store,
    View,
)
from .views import broadcast, row_major

# Past this many equations a vectorised loop body spills its registers and compiles ever slower.
LONGEST_NEST = 300
# How many operations that cost less than to store an array and to read it again are repeated in a row.
MOST_REPEATED = 4
# What is smaller than this is made where an array that is put together has it; blocks of rows want arrays of their own.
SMALL_PART = 4096


def key_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the keys that numbers are sorted by: integers compare faster than floats, where NaN is one."""
    return np.dtype(f"i{dtype.itemsize}") if dtype.kind == "f" else dtype


class Places(dict[Var, Place]):
    """Where variables lie; `lying` has those that lie in each buffer, by its number."""

    def __init__(self) -> None:
        super().__init__()
        self.lying: defaultdict[int, list[Var]] = defaultdict(list)

    def __setitem__(self, x: Var, place: Place) -> None:
        super().__setitem__(x, place)
        if isinstance(place, View):
            self.lying[place.buffer.number].append(x)

    def in_register(self, x: Var) -> None:
        """Notes that a variable is a number in a register."""
        dict.__setitem__(self, x, Scalar(x))


class Group:
    """A step in the making."""

    def __init__(self, shape: Shape, step: Step | None = None) -> None:
        self.shape, self.step = shape, step
        self.entries: list[Entry] = []


class Lowering:
    """The program of a graph in the making."""

    def __init__(self, graph: Graph, owned: Mapping[int, int]) -> None:
        self.graph = graph
        # The inputs whose memory may be written to, each with the output that it may become.
        self.owned = owned
        self.groups: list[Group] = []
        self.nests: dict[Shape, list[int]] = {}
        self.places = Places()
        # What is no longer where it was.
        self.overwritten: set[Atom] = set()
        # What a write has made of an array.
        self.written: set[Atom] = set()
        # For each buffer that writes share, the step from which it was complete.
        self.begun: dict[int, int] = {}
        # Where a value is made inside a nest, and the step from which others can read it.
        self.home: dict[Var, int] = {}
        self.ready: dict[Var, int] = {}
        self.stored: dict[Var, tuple[View, int]] = {}
        # The arrays that a nest makes, and what it makes once more instead of reading it.
        self.equations: dict[Var, Equation] = {}
        self.repeated: dict[tuple[Atom, int], Var] = {}
        self.copies: dict[Var, tuple[View, int]] = {}
        # What is filled just before a step writes to it.
        self.fills: dict[int, list[Fill]] = {}
        self.numbers = count()
        self.output_of = _output_buffers(graph)
        self.part_of = _parts_of_stacks(graph)
        self.targets: dict[Var, View] = {}
        # The real and the imaginary part of each complex result.
        self.parts: dict[Var, tuple[Atom, ...]] = {}
        self.claimed: set[int] = set()
        # What lies nowhere, since it is made again where it is read, by the equation that first made it.
        self.forgotten: dict[Atom, Equation] = {}
        for kind, variables in (("input", graph.inputs), ("capture", graph.captures)):
            for i, x in enumerate(variables):
                self.places[x] = self.buffer(kind, i, x.aval)
                self.ready[x] = 0

    # ---- where operands lie ----

    def group(self, shape: Shape, level: int) -> int:
        """The first nest over that shape from step `level` on with room, or a new one at the end."""
        nests = self.nests.setdefault(shape, [])
        first = bisect_left(nests, level)
        while first < len(nests):
            if len(self.groups[nests[first]].entries) < LONGEST_NEST:
                return nests[first]
            del nests[first]
        self.groups.append(Group(shape))
        nests.append(len(self.groups) - 1)
        return len(self.groups) - 1

    def made(self, out: Var, group: int, shape: Shape) -> None:
        """Notes that a nest over that shape makes `out`."""
        self.home[out], self.ready[out] = group, group + 1
        if shape == ():
            self.places.in_register(out)

    def level(self, x: Atom, shape: Shape) -> int:
        """The first step whose nest over `shape` can read `x`."""
        if isinstance(x, Literal):
            return 0
        home = self.home.get(x)
        if home is None:
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
        if isinstance(x, Literal):
            return Operand(x, Scalar(x))
        place = self.places.get(x)
        if isinstance(place, Scalar):
            return Operand(place.atom, place)
        if self.home.get(x) == group:
            return Operand(x, None)
        again = self.repeat(x, group, shape)
        if again is not None:
            return Operand(again, None)
        view, _ = self.view(x)
        return Operand(x, broadcast(view, x.aval.shape, shape))

    def repeat(self, x: Var, group: int, shape: Shape) -> Var | None:
        """`x` made again in another nest, if a few cheap operations make it of a single array in memory.

        That spares its own way through memory.
        """
        if (x, group) not in self.repeated and shape == x.aval.shape and not self.in_memory(x):
            found: dict[Var, Equation] = {}
            arrays: set[Var] = set()
            if self.is_cheap(x, group, found, arrays, 0) and len(found) <= MOST_REPEATED and len(arrays) <= 1:
                for equation in found.values():
                    self.add_again(equation, group, shape)
        return self.repeated.get((x, group))

    def is_cheap(self, x: Atom, group: int, found: dict[Var, Equation], arrays: set[Var], depth: int) -> bool:
        """Whether cheap operations make `x` of arrays in memory; notes both, the operations in their order."""
        if isinstance(x, Literal) or x in found or isinstance(self.places.get(x), Scalar) or self.home.get(x) == group:
            return True
        if x in self.overwritten:
            return False
        if self.in_memory(x):
            arrays.add(x)
            return self.view(x)[1] <= group
        equation = self.equations.get(x)
        if equation is None or equation.primitive not in CHEAP or depth == MOST_REPEATED:
            return False
        if not all(self.is_cheap(y, group, found, arrays, depth + 1) for y in equation.inputs):
            return False
        found[x] = equation
        return True

    def add_again(self, equation: Equation, group: int, shape: Shape) -> None:
        """Makes the result of an equation a second time, in another nest."""
        out = self.repeated[equation.out, group] = Var(equation.out.aval)
        operands = []
        for x in equation.inputs:
            known = self.repeated.get((x, group))
            operands.append(self.operand(x, group, shape) if known is None else Operand(known, None))
        inputs = tuple([operand.atom for operand in operands])
        entry = Compute(Equation(equation.primitive, inputs, equation.params, out), tuple(operands))
        self.groups[group].entries.append(entry)

    def in_memory(self, x: Var) -> bool:
        """Whether `x` lies in memory, or will by the end of the nest that makes it."""
        return x in self.stored or isinstance(self.places.get(x), View)

    def remember(self, x: Atom, view: View, ready: int) -> None:
        """Notes that `x` lies in a part of another array too."""
        if isinstance(x, Var) and x in self.home and x.aval.size > 1 and not self.in_memory(x):
            self.stored[x] = view, ready
            self.places.lying[view.buffer.number].append(x)

    def overwrite(self, view: View, is_hit: Callable[[Var], bool]) -> None:
        """Notes that variables in the buffer of a view are about to be written over, those that the condition says."""
        lying = self.places.lying[view.buffer.number]
        hit = {x for x in lying if is_hit(x)}
        self.overwritten |= hit
        lying[:] = [x for x in lying if x not in hit]

    def leading(self, x: Atom, group: int, shape: Shape, trailing: int) -> Operand:
        """As `operand`, for an index array which stands for the leading axes of the nest."""
        if not trailing or isinstance(x, Literal) or isinstance(self.places.get(x), Scalar):
            return self.operand(x, group, shape)
        view = broadcast(self.view(x)[0], x.aval.shape, shape[:-trailing])
        return Operand(x, view._replace(strides=view.strides + (0,) * trailing))

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
            self.places.lying[found[0].buffer.number].append(x)
            if x in self.home and x.aval.size > 1:
                self.places[x] = found[0]
        return found

    def copy(self, x: Var) -> tuple[View, int]:
        """A contiguous copy of `x`."""
        if x not in self.copies:
            self.copies[x] = self.stored_copy(x, work=True)
            self.places.lying[self.copies[x][0].buffer.number].append(x)
        return self.copies[x]

    def converted(self, x: Atom, dtype: np.dtype[Any]) -> tuple[View, int]:
        """A contiguous copy of `x` in another dtype."""
        target = self.buffer("work", 0, Aval(x.aval.shape, dtype))
        return target, self.store(x, target, 0)

    def stored_copy(self, x: Atom, work: bool = False) -> tuple[View, int]:
        target = self.buffer("work", 0, x.aval) if work or isinstance(x, Literal) else self.new_buffer(x)
        return target, self.store(x, target, 0)

    def store(self, x: Atom, target: View, level: int, addend: Atom | None = None) -> int:
        """Stores `x` in the nest that makes it, if that runs late enough; returns the step after.

        With an `addend` it stores their sum: a number, or a variable that stands for what is there already.
        """
        shape = () if x.aval.size == 1 else x.aval.shape
        if shape == ():
            target = target._replace(strides=())
        group = self.group_of_store(x, shape, max(level, self.level(x, shape)))
        operand, entries = self.operand(x, group, shape), self.groups[group].entries
        if addend is not None:
            out = Var(x.aval)
            added = Operand(addend, Scalar(addend) if isinstance(addend, Literal) else target)
            entries.append(Compute(Equation(ops.add, (x, addend), (), out), (operand, added)))
            operand = Operand(out, None)
        entries.append(Store((operand,), target))
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
        if aval.dtype.kind == "c":
            # The parts of a complex number lie side by side.
            buffer = Buffer(next(self.numbers), kind, index, ops.REAL_OF[aval.dtype], 2 * aval.size)
            return View(buffer, 0, tuple([2 * s for s in row_major(aval.shape)]))
        buffer = Buffer(next(self.numbers), kind, index, aval.dtype, aval.size)
        return View(buffer, 0, row_major(aval.shape))

    def new_buffer(self, x: Var) -> View:
        """Memory for `x`: that of an output if it is to be returned, of an array that it is a part of, or its own."""
        index = self.output_of.get(x)
        if index is not None and index not in self.claimed:
            self.claimed.add(index)
            return self.buffer("output", index, x.aval)
        if x in self.part_of:
            whole, offset = self.part_of.pop(x)
            view = self.target(whole)
            return View(view.buffer, view.offset + offset, row_major(x.aval.shape))
        return self.buffer("work", 0, x.aval)

    def target(self, x: Var) -> View:
        """The memory of an array that is put together of others, some of which may lie there before."""
        if x not in self.targets:
            self.targets[x] = self.new_buffer(x)
        return self.targets[x]

    # ---- the end ----

    def program(self) -> Program:
        outputs = tuple([self.output(i, x) for i, x in enumerate(self.graph.outputs)])
        guards = tuple([self.operand(x, -1, ()) for x in self.graph.guards])
        steps: list[Step] = []
        for i, group in enumerate(self.groups):
            steps += self.fills.get(i, ())
            entries = _needed(group)
            if group.step is not None or entries:
                steps.append(group.step or Nest(group.shape, entries))
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
        place = self.places.get(x) if x in self.written else None  # type: ignore[arg-type]
        if isinstance(place, View) and place.buffer.kind == "input" and self.owned.get(place.buffer.position) == i:
            return Operand(x, place)
        target = self.buffer("output", i, x.aval)
        if x.aval.size and isinstance(x, Var) and x in self.parts:
            self.store_parts(x, target)
        elif x.aval.size:
            self.store(x, target, 0)
        return Operand(x, target)

    def store_parts(self, x: Var, target: View) -> int:
        """Stores the parts of a complex result side by side; returns the step after."""
        places = [target._replace(offset=target.offset + i) for i in range(2)]
        return max([self.store(part, place, 0) for part, place in zip(self.parts[x], places, strict=True)])


def _needed(group: Group) -> tuple[Entry, ...]:
    """The entries of a nest without values that nobody reads, since they are made again elsewhere."""
    if group.shape == ():
        return tuple(group.entries)
    kept = []
    live: set[Atom] = set()
    for entry in reversed(group.entries):
        if not isinstance(entry, Compute | Gather) or entry.equation.out in live:
            kept.append(entry)
            live.update([x.atom for x in entry.operands if x.place is None])
    return tuple(kept[::-1])


def _output_buffers(graph: Graph) -> dict[Var, int]:
    """For each variable whose memory can be that of an output, the output's position.

    A reshaped result has the memory of what was reshaped.
    """
    if not any(x.aval.shape for x in graph.outputs):
        return {}
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


def _parts_of_stacks(graph: Graph) -> dict[Var, tuple[Var, int]]:
    """For each variable that is concatenated to others, the result and its offset there, if its elements stay together.

    What is reshaped and then concatenated, as by `stack`, is a part too. Only what nests store element by element can
    lie in a part of a buffer: sums and products begin by setting a whole one.
    """
    if not any(equation.primitive is ops.concatenate for equation in graph.equations):
        return {}
    made = {equation.out: equation for equation in graph.equations}
    found: dict[Var, tuple[Var, int]] = {}
    for primitive, inputs, params, out in graph.equations:
        if primitive is not ops.concatenate or prod(out.aval.shape[: dict(params)["axis"]]) != 1:
            continue
        offset = 0
        for part in inputs:
            x = part
            while x in made and made[x].primitive is ops.reshape:
                (x,) = made[x].inputs
            if x in made and made[x].primitive.elementwise and x.aval.size > 1 and not is_long(x.aval.size, SMALL_PART):
                found.setdefault(x, (out, offset))
            offset += part.aval.size
    return found
