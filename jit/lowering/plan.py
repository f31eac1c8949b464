"""Memory: where in one workspace each intermediate array lies, so that those never alive together share room."""

from __future__ import annotations

from bisect import bisect_left
from heapq import heappop, heappush
from typing import Any, NamedTuple

from autograd.lengths import is_length

from .program import Buffer, Compute, Entry, Gather, Nest, Program, Reduce, Step, View, nests, views

ALIGNMENT = 64
# A program of more weight is compiled in pieces.
LONG = 1500
# The pieces that are compiled have at most about so much weight together; the scalars of all others are interpreted.
# Of a program of more weight than the second number fewer are, down to a third, if the interpreter is fast: they gain
# little of a call. What is interpreted of a smaller one a processor learns by heart.
HUGE, NEARLY_HUGE = 15_000, 20_000
# What a call weighs: its arguments are about as many instructions.
CALL = 8


class Plan(NamedTuple):
    """The byte offset of each work buffer, by its number, and the size of the workspace in bytes.

    `state` is where the scalars of a long program lie between its pieces, `None` for a short one. If scalars may be
    `interpreted`, there is room for all that the interpreter makes.
    """

    offsets: dict[int, int]
    size: int
    state: int | None
    interpreted: bool = False


def plan(program: Program) -> Plan:
    """The workspace of a program: first fit, over the steps between a buffer's first and last use."""
    lives: dict[int, tuple[Buffer, int, int]] = {}
    results = [x.place for x in (*program.guards, *program.outputs) if isinstance(x.place, View)]
    uses = [(i, view) for i, step in enumerate(program.steps) for view in views(step)]
    uses += [(len(program.steps), view) for view in results]
    for i, view in uses:
        buffer = view.buffer
        if buffer.kind == "work":
            first = lives.get(buffer.number, (buffer, i, i))[1]
            lives[buffer.number] = (buffer, first, i)
    ordered = sorted(lives.values(), key=lambda life: life[1])
    offsets, total = _first_fit([life for life in ordered if not is_length(life[0].size)])
    more, total = _behind([life for life in ordered if is_length(life[0].size)], total)
    offsets |= more
    whole = sum(map(weight, program.steps))
    if whole <= LONG:
        return Plan(offsets, total, None)
    slots = sum([_slots(nest, whole > HUGE) for step in program.steps for nest in nests(step)])
    return Plan(offsets, total + 8 * max(slots, 1), total, whole > HUGE)


def most_compiled(whole: int, fast: bool) -> int:
    """How much is compiled at most of pieces of so much weight that differ, where the interpreter is fast or not."""
    return max(HUGE // 3, HUGE - max(whole - NEARLY_HUGE, 0) // 2) if fast else HUGE


def weight(step: Step) -> int:
    """About how many instructions a step is in the body of a kernel, where an array is one call."""
    return len(step.entries) if isinstance(step, Nest) and step.shape == () else CALL


def _slots(nest: Nest, interpreted: bool) -> int:
    """How many slots the entries of a nest need at most."""
    if interpreted and nest.shape == ():
        # Each of their operands may have to be put into one as well.
        return sum([1 + len(entry.operands) for entry in nest.entries])
    return sum([_is_kept(nest, entry) for entry in nest.entries])


def _is_kept(nest: Nest, entry: Entry) -> bool:
    """Whether an entry makes a scalar that may be kept in a slot."""
    if isinstance(entry, Reduce):
        return entry.target is None
    return nest.shape == () and isinstance(entry, Compute | Gather)


def _first_fit(lives: list[tuple[Buffer, int, int]]) -> tuple[dict[int, int], int]:
    """The offset of each buffer, in the order of their first use: the first gap that is large enough."""
    offsets: dict[int, int] = {}
    total = 0
    # The stretches in use, by their last step; and those that are free again, by their offset.
    ending: list[tuple[int, int, int]] = []
    gaps: list[tuple[int, int]] = []
    for buffer, first, last in lives:
        while ending and ending[0][0] < first:
            _, start, end = heappop(ending)
            _release(gaps, start, end)
        size = _aligned(buffer)
        start = _take(gaps, size, total)
        total = max(total, start + size)
        offsets[buffer.number] = start
        heappush(ending, (last, start, start + size))
    return offsets, total


def _behind(lives: list[tuple[Buffer, int, int]], total: Any) -> tuple[dict[int, Any], Any]:
    """The offsets of buffers of open sizes, from `total` on: each takes the room of one of the very same size."""
    offsets: dict[int, Any] = {}
    # For each size the last steps of what has a place, and the places.
    taken: dict[Any, list[tuple[int, Any]]] = {}
    for buffer, first, last in lives:
        size = _aligned(buffer)
        places = taken.setdefault(size, [])
        free = next((x for x in places if x[0] < first), None)
        if free is None:
            start, total = total, total + size
        else:
            start = free[1]
            places.remove(free)
        places.append((last, start))
        offsets[buffer.number] = start
    return offsets, total


def _aligned(buffer: Buffer) -> Any:
    return (max(buffer.size * buffer.dtype.itemsize, 1) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def _take(gaps: list[tuple[int, int]], size: int, total: int) -> int:
    for i, (start, end) in enumerate(gaps):
        # The last gap can grow.
        if end - start >= size or end == total:
            gaps[i : i + 1] = [(start + size, end)] if end - start > size else []
            return start
    return total


def _release(gaps: list[tuple[int, int]], start: int, end: int) -> None:
    i = bisect_left(gaps, (start, end))
    if i < len(gaps) and gaps[i][0] == end:
        end = gaps.pop(i)[1]
    if i and gaps[i - 1][1] == start:
        i -= 1
        start = gaps.pop(i)[0]
    gaps.insert(i, (start, end))
