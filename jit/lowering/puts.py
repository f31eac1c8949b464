"""Writes to a part of an array: in its own memory where nobody reads the array any more, otherwise in a copy.

b = put(a, x)       x is stored to the part, if this is the last that is read of a; otherwise a is copied first
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from autograd import ops
from autograd.primitive import Aval, Shape

from ..graph import Atom, Equation, Graph, Var
from ..passes.dce import dce
from .program import Buffer, Gather, Nest, Scalar, Scatter, View, views
from .steps import Group, Lowering
from .views import is_contiguous, row_major, sliced

Box = tuple[tuple[int, int], ...]

# How many steps back a write may go to join the nest that makes what is written.
FURTHEST = 64
WRITES = frozenset({ops.put, ops.put_at})


def with_early_guards(graph: Graph) -> Graph:
    """The graph with what its guards need before all else, so that a call of another branch ends early.

    Where something is written in place the order stays, since it says what can be written over.
    """
    if not graph.guards or any(x.primitive in WRITES for x in graph.equations):
        return graph
    needed = {id(x) for x in dce(graph._replace(outputs=())).equations}
    ordered = sorted(graph.equations, key=lambda equation: id(equation) not in needed)
    return graph._replace(equations=tuple(ordered))


def with_late_writes(graph: Graph) -> Graph:
    """The graph with each write just before its result is read, so that others read what was there before it."""
    if not any(equation.primitive in WRITES for equation in graph.equations):
        return graph
    waiting: dict[Atom, Equation] = {}
    done: list[Equation] = []

    def flush(xs: Sequence[Atom]) -> None:
        found = []
        pending = [x for x in xs if x in waiting]
        while pending:
            equation = waiting.pop(pending.pop(), None)
            if equation is not None:
                found.append(equation)
                pending += [x for x in equation.inputs if x in waiting]
        # What was written first was read by what comes later.
        done.extend(sorted(found, key=lambda equation: order[equation.out]))

    order = {equation.out: i for i, equation in enumerate(graph.equations)}
    for equation in graph.equations:
        if equation.primitive in WRITES:
            waiting[equation.out] = equation
        else:
            flush(equation.inputs)
            done.append(equation)
    flush(list(waiting))
    return graph._replace(equations=tuple(done))


def last_reads(graph: Graph, sums: Mapping[Var, Sequence[Equation]]) -> dict[Atom, float]:
    """For each variable the place of the equation that reads it last, infinity for a result.

    **Arguments:** `sums`, the parts of arrays that are put together, which are read where their sum is.

    **Returns:** nothing where the graph has no writes, which alone ask for it.
    """
    found: dict[Atom, float] = {}
    if not any(equation.primitive in WRITES for equation in graph.equations):
        return found
    for i, equation in enumerate(graph.equations):
        for read in (equation, *sums.get(equation.out, ())):
            found.update(dict.fromkeys(read.inputs, i))
    found.update(dict.fromkeys([*graph.outputs, *graph.guards], inf))
    return found


def put(low: Lowering, equation: Equation, index: Any, last: Mapping[Atom, float], now: int) -> None:
    """Adds a write, the equation at place `now` of the graph."""
    x, y, *positions = equation.inputs
    out = equation.out
    found = _own_memory(low, x, y, index, last, now)
    if found is None:
        target = low.target(out)
        first = ready = low.store(x, target, 0)
    else:
        target, ready = found
        first = low.begun.get(target.buffer.number, ready)
    first = max(first, len(low.groups) - FURTHEST)
    shape = out.aval.shape
    written = _box_of(index, shape)
    # At positions that are not known it may be any part.
    part = None if positions else sliced(target, out.aval, index=index)
    level = _after_others(low, y, target if part is None else part, written, shape, first)
    low.overwrite(target, lambda other: _overlaps(low, other, target.buffer, written, shape))
    low.written.add(out)
    low.begun[target.buffer.number] = first
    if part is None:
        stored = _store_at(low, y, positions, at_positions(target, out.aval, index), level)
    else:
        stored = low.store(y, part, level)
        low.remember(y, part, stored)
    low.places[out], low.ready[out] = target, max(ready, stored)


def at_positions(view: View, x: Aval, index: Any) -> tuple[View, Shape]:
    """A part of an array at all positions that may be given for each `None` in its index.

    These are the first axes; beside the view their lengths.
    """
    pairs = list(zip(index, view.strides, strict=True))
    offset = sum([(i[0] if isinstance(i, tuple) else i) * s for i, s in pairs if i is not None])
    strides = [s for i, s in pairs if i is None] + [i[2] * s for i, s in pairs if isinstance(i, tuple)]
    lengths = tuple([n for i, n in zip(index, x.shape, strict=True) if i is None])
    return View(view.buffer, view.offset + offset, tuple(strides)), lengths


def _store_at(low: Lowering, y: Atom, positions: list[Atom], target: tuple[View, Shape], level: int) -> int:
    """Stores `y` at positions; returns the step after."""
    part, lengths = target
    shape = () if y.aval.size == 1 else y.aval.shape
    level = max([level, *[low.level(x, shape) for x in (y, *positions)]])
    if shape == ():
        group = low.group((), level)
    else:
        low.groups.append(Group(shape))
        group = len(low.groups) - 1
    places = [low.leading(x, group, shape, len(shape)) for x in positions]
    low.groups[group].entries.append(Scatter((low.operand(y, group, shape), *places), part, lengths, adds=False))
    return group + 1


def _own_memory(
    low: Lowering, x: Atom, y: Atom, index: Any, last: Mapping[Atom, float], now: int
) -> tuple[View, int] | None:
    """The memory of `x`, if nobody reads the part there after this write, and the step from which it holds `x`."""
    if not isinstance(x, Var) or last[x] > now or isinstance(low.places.get(x), Scalar):
        return None
    view, ready = low.view(x)
    buffer = view.buffer
    if buffer.kind == "input" and buffer.position not in low.owned:
        return None
    if buffer.kind == "capture" or buffer.size != x.aval.size or not is_contiguous(view, x.aval.shape):
        return None
    place = low.places.get(y) if isinstance(y, Var) else None
    if isinstance(place, View) and place.buffer == buffer:
        # Moved within one array: what is written might not have been read.
        return None
    written = _box_of(index, x.aval.shape)
    later = [other for other in low.places.lying[buffer.number] if last.get(other, -1) > now]
    if any(_overlaps(low, other, buffer, written, x.aval.shape) for other in later):
        return None
    return View(buffer, 0, row_major(x.aval.shape)), ready


def _box_of(index: Any, shape: Shape) -> Box:
    """The stretch of each axis in which an index lies."""
    found = []
    for i, n in zip(index, shape, strict=True):
        if i is None:
            found.append((0, n))
        elif not isinstance(i, tuple):
            found.append((i, i + 1))
        else:
            ends = i[0], i[0] + (i[1] - 1) * i[2]
            found.append((min(ends), max(ends) + 1))
    return tuple(found)


def _overlaps(low: Lowering, x: Var, buffer: Buffer, written: Box, shape: Shape) -> bool:
    """Whether a variable lies in a part of an array of that shape, which is all of a buffer."""
    places = [low.places.get(x), *[known[x][0] for known in (low.stored, low.copies) if x in known]]
    here = [view for view in places if isinstance(view, View) and view.buffer.number == buffer.number]
    return any(_meet(_box(view, x.aval.shape, shape), written) for view in here)


def _meet(one: Box | None, other: Box) -> bool:
    """Whether two boxes share an element; `None` is any."""
    return one is None or all(a < d and c < b for (a, b), (c, d) in zip(one, other, strict=True))


def _box(view: View, shape: Shape | None, whole: Shape) -> Box | None:
    """The stretch of each axis of an array in which a view of it lies; `None` where it is not known."""
    if shape is None:
        return None
    steps, rest = row_major(whole), view.offset
    first, last = [], []
    for step in steps:
        i, rest = divmod(rest, step)
        first.append(i)
        last.append(i)
    for n, stride in zip(shape, view.strides, strict=False):
        if n == 1 or not stride:
            continue
        axis = next(i for i, step in enumerate(steps) if stride % step == 0)
        (last if stride > 0 else first)[axis] += (n - 1) * stride // steps[axis]
        if first[axis] < 0 or last[axis] >= whole[axis]:
            return None
    return tuple([(i, j + 1) for i, j in zip(first, last, strict=True)])


def _after_others(low: Lowering, y: Atom, part: View, written: Box, shape: Shape, first: int) -> int:
    """The first step, from `first` on, that can write to a part of an array, after all others that touch it.

    **Arguments:** `written`, where the part lies in the array of that `shape`.
    """
    home = low.home.get(y) if isinstance(y, Var) else None
    for i in range(len(low.groups) - 1, first - 1, -1):
        group = low.groups[i]
        found = {view for view, space in _touched(group, part.buffer) if _meet(_box(view, space, shape), written)}
        if found:
            # Each element is read before it is written.
            aligned = group.shape == () or (found == {part} and not any(isinstance(x, Gather) for x in group.entries))
            return i if home == i and aligned else i + 1
    return first


def _touched(group: Group, buffer: Buffer) -> Iterator[tuple[View, Shape | None]]:
    """What a step reads or writes of a buffer, with the shape of the nest that it is; `None` for all of the buffer."""
    found = group.step or Nest(group.shape, tuple(group.entries))
    for view in views(found):
        if view.buffer.number == buffer.number:
            is_known = isinstance(found, Nest) and len(view.strides) == len(found.shape)
            gathered = any(isinstance(x, Gather | Scatter) for x in group.entries)
            yield view, found.shape if is_known and not gathered else None  # type: ignore[union-attr]
