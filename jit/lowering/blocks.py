"""Steps over the rows of large arrays, taken together: block by block in the cache, and shared among threads.

Steps join where each needs the same rows of what the others make: a product of a matrix and a vector, what becomes of
it element by element, and the transposed product of the gradient. A block of rows goes through all of them while it is
in the cache, so that the matrix is read once. What sums over the rows is summed for each task, and the sums are then
added in the order of the tasks: the result is the same for any number of threads.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from itertools import combinations, count
from math import prod
from typing import Any, NamedTuple

from autograd import ops
from autograd.lengths import closed
from autograd.primitive import Shape

from ..graph import Atom, Var
from .matrix import ENOUGH, TALLEST, Product, by_tiles, product_of
from .program import (
    Blocks,
    Buffer,
    Call,
    Compute,
    Gather,
    Nest,
    Partial,
    Program,
    Reduce,
    Scatter,
    Step,
    Store,
    View,
    atoms_by_value,
    nests,
    origin,
    views,
    written,
)

# Picoseconds of work below which it is not shared among threads, and what an operation takes on one element, a product
# of matrices on one term, one with a vector on an element that it reads.
WORTH = 100_000_000
# The part of it that is enough in a loop: from one step to the next the threads do not fall asleep.
_IN_LOOP = 0.15
_CHEAP, _COSTLY, _TERM, _READ = 150, 1500, 100, 1500
# Into how many tasks rows are divided, and how many bytes the rows of a block have.
TASKS, _BYTES = 16, 128 * 1024
# Rows of a task are a multiple of this, so that no two threads write to one cache line.
_ALIGNED = 64
_FEWEST = 64
# How many steps in between are passed over in search of another one.
_FURTHEST = 32

_QUICK = frozenset({
    ops.add, ops.sub, ops.mul, ops.neg, ops.square, ops.maximum, ops.minimum, ops.where, ops.abs, ops.astype, ops.equal,
    ops.not_equal, ops.less, ops.less_equal, ops.greater, ops.greater_equal, ops.sign,
})  # fmt: skip


class Access(NamedTuple):
    """What a step reads or writes of a buffer for one row: elements from `offset` on, `stride` further for the next.

    A stride of 0 stands for the same elements in all rows, a `partial` write for a sum over the rows.
    """

    buffer: int
    offset: int
    stride: int
    extent: int
    writes: bool
    partial: bool = False


def blocked(program: Program, in_loop: bool = False) -> Program:
    """The program with its large steps taken together; `in_loop`, whether it is run again and again."""
    least = WORTH * _IN_LOOP if in_loop else WORTH
    worth = _worth(program.steps, least)
    if not worth:
        return program
    facts = [_facts(step, worth) for step in program.steps]
    numbers = count(1 + max([number for fact in facts for number in fact.buffers], default=0))
    done: list[Step] = []
    rest = deque(facts)
    while rest:
        regions = [_Region(rows, rest) for rows in rest[0].accesses]
        best = max(regions, key=lambda region: closed(region.cost), default=None)
        if best is None or closed(best.cost) < least:
            done.append(rest.popleft().step)
            continue
        made = _facts(best.made(numbers, program.graph.threads), worth)
        for _ in range(best.seen):
            rest.popleft()
        # What comes before it can be large as well.
        rest.extendleft(reversed([*best.before, made, *best.after]))
    return program._replace(steps=tuple(done))


def _rows(step: Step) -> list[int]:
    """The numbers of rows that a step may have: those of a nest, or the rows or the terms of a product."""
    if isinstance(step, Nest):
        return list(step.shape[:1])
    if isinstance(step, Call) and step.equation.primitive is ops.matmul:
        x, y = (x.aval.shape for x in step.equation.inputs)
        if len(x) <= 2 and len(y) <= 2:
            return list(x)
    return []


def cost(step: Step) -> int:
    """About how many picoseconds a step takes."""
    if isinstance(step, Nest):
        made = [entry.equation.primitive for entry in step.entries if isinstance(entry, Compute | Reduce)]
        return prod(step.shape) * sum([_CHEAP if primitive in _QUICK else _COSTLY for primitive in made])
    if isinstance(step, Call) and step.equation.primitive is ops.matmul:
        x, y = (x.aval for x in step.equation.inputs)
        return x.size * (_TERM * y.shape[-1] if y.ndim > 1 else _READ)
    return 0


def _worth(steps: Iterable[Step], least: float) -> set[int]:
    """The numbers of rows for which there is enough work, all steps together."""
    work: defaultdict[int, int] = defaultdict(int)
    for step in steps:
        found = cost(step)
        for rows in set(_rows(step)):
            work[rows] += found
    return {rows for rows, found in work.items() if found >= least and rows >= _FEWEST}


def _accesses(step: Step, rows: int) -> list[Access] | None:
    """What a step reads and writes for each row; `None` if it cannot be done row by row."""
    if isinstance(step, Nest):
        return _of_nest(step, rows)
    if isinstance(step, Call) and rows in _rows(step):
        return _of_product(step, rows)
    return None


def _of_nest(nest: Nest, rows: int) -> list[Access] | None:
    if nest.shape[:1] != (rows,) or any(isinstance(entry, Gather | Scatter) for entry in nest.entries):
        return None
    found = []
    strides: dict[Any, int] = {}
    for entry in nest.entries:
        reads = [(x.place, False) for x in entry.operands if isinstance(x.place, View)]
        target = entry.target if isinstance(entry, Store | Reduce) else None
        for view, writes in [*reads, *([(target, True)] if target is not None else [])]:
            access = _access(view, nest.shape, writes)
            if access is None or strides.setdefault(origin(view), access.stride) != access.stride:
                return None
            if writes and not access.stride:
                access = access._replace(partial=True)
            elif writes and access.extent > access.stride:
                return None
            found.append(access)
    return found


def _access(view: View, shape: Shape, writes: bool) -> Access | None:
    strides = view.strides or (0,) * len(shape)
    if any(s < 0 for s in strides):
        return None
    extent = 1 + sum((n - 1) * s for n, s in zip(shape[1:], strides[1:], strict=True))
    return Access(view.buffer.number, view.offset, strides[0], extent, writes)


def _of_product(call: Call, rows: int) -> list[Access] | None:
    it = product(call)
    (x, y), out = call.operands, call.target
    by_rows = it.m == rows and it.out[0] >= it.n
    # Sums over the rows are in memory of each task, so that there have to be few of them.
    few = it._replace(m=_ALIGNED) if by_rows else it._replace(k=_ALIGNED, stacked=True)
    if not by_tiles(few) or any(s < 0 for view in (x, y, out) for s in view.strides):
        return None
    whole = [Access(view.buffer.number, view.offset, 0, 1, False) for view in (x, y)]
    if by_rows:
        left = Access(x.buffer.number, x.offset, it.x[0], 1 + (it.k - 1) * it.x[1], False)
        return [left, whole[1], Access(out.buffer.number, out.offset, it.out[0], it.n, True)]
    if it.k == rows:
        left = Access(x.buffer.number, x.offset, it.x[1], 1 + (it.m - 1) * it.x[0], False)
        right = Access(y.buffer.number, y.offset, it.y[0], 1 + (it.n - 1) * it.y[1], False)
        return [left, right, Access(out.buffer.number, out.offset, 0, 1, True, partial=True)]
    return None


class _Facts(NamedTuple):
    """A step, its accesses by the number of rows, the buffers and scalars that it needs, and those that it makes."""

    step: Step
    accesses: dict[int, list[Access]]
    buffers: frozenset[int]
    written: frozenset[int]
    scalars: frozenset[Atom]
    made: frozenset[Atom]


def _facts(step: Step, worth: set[int]) -> _Facts:
    by_rows = {rows: _accesses(step, rows) for rows in set(_rows(step)) & worth}
    return _Facts(
        step,
        {rows: found for rows, found in by_rows.items() if found is not None},
        frozenset([view.buffer.number for view in views(step)]),
        frozenset([view.buffer.number for view in written(step)]),
        frozenset([x for nest in nests(step) for x in atoms_by_value(nest)]),
        frozenset([x for nest in nests(step) for x in _made(nest)]),
    )


def _made(nest: Nest) -> list[Var]:
    return [
        entry.equation.out
        for entry in nest.entries
        if (isinstance(entry, Reduce) and entry.target is None)
        or (nest.shape == () and isinstance(entry, Compute | Gather))
    ]


class _Region:
    """Steps over the same rows, and those that must come before and after them."""

    def __init__(self, rows: int, steps: Iterable[_Facts]) -> None:
        self.rows, self.cost, self.seen = rows, 0, 0
        self.steps: list[Nest | Call] = []
        self.before: list[_Facts] = []
        self.after: list[_Facts] = []
        self.accesses: defaultdict[int, list[Access]] = defaultdict(list)
        self.inside, self.later = _Touched(), _Touched()
        for facts in steps:
            self.sort(facts)
            if len(self.after) > _FURTHEST:
                break

    def sort(self, facts: _Facts) -> None:
        """Puts the next step where it belongs."""
        self.seen += 1
        accesses = facts.accesses.get(self.rows)
        if accesses is not None and self.can_join(facts, accesses):
            self.join(facts, accesses)
        elif self.inside.bears(facts) and self.later.bears(facts):
            self.before.append(facts)
        else:
            self.after.append(facts)
            self.later.add(facts)

    def can_join(self, facts: _Facts, accesses: list[Access]) -> bool:
        """Whether the step needs of each row only what the others make of that row, and nothing that comes later."""
        if not self.later.bears(facts) or not self.inside.scalars.isdisjoint(facts.scalars):
            return False
        known = [(x, y) for x in accesses for y in self.accesses.get(x.buffer, ())]
        return all(_agree(x, y) for x, y in [*known, *combinations(accesses, 2)] if x.buffer == y.buffer)

    def join(self, facts: _Facts, accesses: list[Access]) -> None:
        self.steps.append(facts.step)  # type: ignore[arg-type]
        self.inside.add(facts)
        self.cost += cost(facts.step)
        for access in accesses:
            if access not in self.accesses[access.buffer]:
                self.accesses[access.buffer].append(access)

    def made(self, numbers: Iterator[int], threads: int) -> Blocks:
        """The steps as one, with memory for the sums of each task."""
        row = sum(
            {(x.buffer, x.offset): x.extent * 8 for xs in self.accesses.values() for x in xs if x.stride}.values()
        )
        narrow = min([x.extent for xs in self.accesses.values() for x in xs if x.stride and x.writes], default=_ALIGNED)
        multiple = _up(_ALIGNED, narrow)
        products = [product(step) for step in self.steps if isinstance(step, Call)]
        if products:
            whole = ENOUGH if any(it.has_far_columns for it in products) else TALLEST
            multiple = _up(multiple, whole) * whole
        task = _rounded(self.rows, TASKS, multiple)
        tasks = _up(self.rows, task)
        block = min(task, _rounded(_BYTES, row, multiple), key=closed) if len(self.steps) > 1 else task
        partials = []
        steps = []
        for step in self.steps:
            made, found = _with_partials(step, self.rows, tasks, numbers)
            steps.append(made)
            partials += found
        return Blocks(tuple(steps), self.rows, task, block, tuple(partials), threads)


def _rounded(n: int, parts: int, multiple: int) -> int:
    return _up(n, parts * multiple) * multiple


def _up(n: int, by: int) -> int:
    """The quotient, rounded up."""
    return (n + by - 1) // by


def _agree(x: Access, y: Access) -> bool:
    """Whether each row is done with before another one touches it."""
    if x is y or not (x.writes or y.writes):
        return True
    if x.partial or y.partial or x.stride != y.stride or not x.stride:
        return False
    return max(x.offset + x.extent, y.offset + y.extent) - min(x.offset, y.offset) <= x.stride


class _Touched:
    """What some steps need and make."""

    def __init__(self) -> None:
        self.buffers: set[int] = set()
        self.written: set[int] = set()
        self.scalars: set[Atom] = set()

    def add(self, facts: _Facts) -> None:
        self.buffers |= facts.buffers
        self.written |= facts.written
        self.scalars |= facts.made

    def bears(self, facts: _Facts) -> bool:
        """Whether a step that comes later could as well have come before."""
        apart = self.scalars.isdisjoint(facts.scalars) and self.written.isdisjoint(facts.buffers)
        return apart and self.buffers.isdisjoint(facts.written)


def _with_partials(
    step: Nest | Call, rows: int, tasks: int, numbers: Iterator[int]
) -> tuple[Nest | Call, list[Partial]]:
    """The step with its sums over the rows in memory of each task."""
    found = []

    def partial(aval: Any, equation: Any, target: Buffer | None) -> View:
        size = 1 if target is None else target.size
        buffer = Buffer(next(numbers), "work", 0, aval.dtype, tasks * size)
        found.append(Partial(buffer, target, equation))
        return View(buffer, 0, ())

    if isinstance(step, Call):
        it = product(step)
        if it.m == rows:
            return step, []
        view = partial(step.equation.out.aval, step.equation, step.target.buffer)
        return step._replace(target=view._replace(strides=step.target.strides)), found
    entries = []
    for entry in step.entries:
        if isinstance(entry, Reduce) and entry.target is None:
            partial(entry.equation.out.aval, entry.equation, None)
        elif isinstance(entry, Reduce) and not entry.target.strides[0]:  # type: ignore[union-attr]
            assert entry.target is not None
            view = partial(entry.equation.out.aval, entry.equation, entry.target.buffer)
            entry = entry._replace(target=view._replace(strides=entry.target.strides))
        entries.append(entry)
    return Nest(step.shape, tuple(entries)), found


def product(call: Call) -> Product:
    """The product that a call computes."""
    x, y = (x.aval.shape for x in call.equation.inputs)
    strides = (call.operands[0].strides, call.operands[1].strides, call.target.strides)
    return product_of(x, y, strides, call.target.buffer.dtype)
