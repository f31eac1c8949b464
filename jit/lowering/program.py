"""The program of a kernel: its steps, what they read and write, and where that lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from autograd.primitive import Shape

from ..graph import Atom, Equation, Graph, Literal, Var


class Buffer(NamedTuple):
    """Memory: `kind` is `input`, `capture`, `output` (each with its position) or `work`."""

    number: int
    kind: str
    position: int
    dtype: np.dtype[Any]
    size: int


class View(NamedTuple):
    """Elements of a buffer: where the first one is, and the strides, counted in elements."""

    buffer: Buffer
    offset: int
    strides: tuple[int, ...]


class Scalar(NamedTuple):
    """A value of one element, in a register; a larger array may repeat it."""

    atom: Atom


Place = View | Scalar


class Operand(NamedTuple):
    """What an entry reads: a value made in the same nest (`place` is `None`), or one that lies elsewhere."""

    atom: Atom
    place: Place | None


class Compute(NamedTuple):
    """An elementwise equation."""

    equation: Equation
    operands: tuple[Operand, ...]


class Gather(NamedTuple):
    """An equation that reads `source` at the positions that the operands hold."""

    equation: Equation
    source: View
    operands: tuple[Operand, ...]


class Reduce(NamedTuple):
    """A reduction of the operand, to `target` where the result is an array."""

    equation: Equation
    operands: tuple[Operand, ...]
    target: View | None


class Store(NamedTuple):
    """The operand, stored element by element."""

    operands: tuple[Operand, ...]
    target: View


class Scatter(NamedTuple):
    """The first operand, at the positions that the others hold of `target`, of that shape: added, or in its place."""

    operands: tuple[Operand, ...]
    target: View
    shape: Shape
    adds: bool = True


Entry = Compute | Gather | Reduce | Store | Scatter


class Nest(NamedTuple):
    """Loops over a shape with all entries in the body; of shape () the entries once, in registers."""

    shape: Shape
    entries: tuple[Entry, ...]


class Fill(NamedTuple):
    """A buffer set to one number."""

    target: View
    value: Literal


class Call(NamedTuple):
    """An equation with an emitter of its own, and the memory that it works in beside its operands and its target."""

    equation: Equation
    operands: tuple[View, ...]
    target: View
    scratch: tuple[View, ...] = ()


class Partial(NamedTuple):
    """What a reduction, or a product, over some of the rows gives, in `buffer` for one task after the other.

    The results of the tasks, added up, lie in `target`; for `None` they are a scalar.
    """

    buffer: Buffer
    target: Buffer | None
    equation: Equation


class Blocks(NamedTuple):
    """Steps that are done block by block: the blocks of a task one after the other, the tasks by any thread.

    The `rows` of all tasks together, those of a `task`, and those of a `block`.
    """

    steps: tuple[Nest | Call, ...]
    rows: int
    task: int
    block: int
    partials: tuple[Partial, ...]
    threads: int


class Carried(NamedTuple):
    """A value that a loop carries from step to step.

    It is read from `first`, and from then on lies in two `buffers` in turn, or in one that is named twice; or step for
    step in a `stack` that is one longer than the loop; or, if it is a number, in a register. The last value goes to
    `last`, if that is not `None`.
    """

    first: View
    buffers: tuple[View, View] | None
    stack: View | None
    last: View | None


class Again(NamedTuple):
    """What the steps of an earlier loop began with, made again for a loop that goes over it.

    `room` states are kept at a time, in `kept`, one array for each carried value, with their numbers in `numbers`; from
    the last of them the `program` of a step makes others, in the two `buffers` of each value in turn. Its inputs are
    `constants`, what is carried, first `firsts`, and elements of `arrays`, from their ends for a `reverse` loop; `work`
    is its workspace. `reads` are pairs: which array of the later loop is what carried value. That one may go over them
    `forward`, as they were made.
    """

    program: Program
    length: int
    reverse: bool
    forward: bool
    room: int
    constants: tuple[View, ...]
    firsts: tuple[View, ...]
    arrays: tuple[View, ...]
    buffers: tuple[tuple[View, View], ...]
    kept: tuple[View, ...]
    numbers: View
    work: View | None
    reads: tuple[tuple[int, int], ...]


class Tasks(NamedTuple):
    """How the threads share a loop: so many `steps` are a task, which has `room` bytes of the loop's workspace.

    The `threads` are at most so many, 0 for the number that is set for all.
    """

    steps: int
    room: int
    threads: int


class Repeat(NamedTuple):
    """A loop: the program of a step, run for one after the other.

    The inputs of the program are `constants` and what is `carried`, then elements of the `arrays`; its outputs are what
    is carried on, then elements of the `stacks`. `work` is the workspace of a step. A `dynamic` one ends by what it
    carries first, as a `graph.Loop` does, after `length` steps at the latest if it is `bounded` by its arrays. An array
    that is `None` is made `again`. The steps of one that carries nothing may be `tasks`.
    """

    program: Program
    length: int
    reverse: bool
    constants: tuple[View, ...]
    carried: tuple[Carried, ...]
    arrays: tuple[View | None, ...]
    stacks: tuple[View | None, ...]
    work: View | None
    dynamic: bool = False
    again: tuple[Again, ...] = ()
    tasks: Tasks | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is memory for so many steps alone."""
        return bool(self.arrays) or any(x is not None for x in (*self.stacks, *[y.stack for y in self.carried]))


class Choose(NamedTuple):
    """One of several programs, the one whose number is at `number`, with the same `inputs` and `results`.

    The outputs of a program lie where the results do, `None` for those that nobody reads. `work` is its workspace.
    """

    programs: tuple[Program, ...]
    number: View
    inputs: tuple[View, ...]
    results: tuple[View | None, ...]
    work: View | None


Step = Nest | Fill | Call | Blocks | Repeat | Choose


class Program(NamedTuple):
    """The steps in their order, and where the results lie."""

    graph: Graph
    steps: tuple[Step, ...]
    guards: tuple[Operand, ...]
    outputs: tuple[Operand, ...]


#: Where a view starts: the number of its buffer, and the offset of its first element.
Origin = tuple[int, int]


def origin(view: View) -> Origin:
    """What the address of a view stands for."""
    return view.buffer.number, view.offset


def by_value(operand: Operand) -> bool:
    """Whether the operand is one number, which the kernel's body reads for the nest."""
    return isinstance(operand.place, Scalar) or (operand.place is not None and operand.atom.aval.size == 1)


def touched(entry: Entry) -> Iterator[View]:
    """The views that an entry reads or writes beside its operands."""
    if isinstance(entry, Gather):
        yield entry.source
    if isinstance(entry, Store | Scatter) or (isinstance(entry, Reduce) and entry.target is not None):
        yield entry.target  # type: ignore[misc]


def atoms_by_value(nest: Nest) -> list[Atom]:
    """The scalar variables that a nest reads, as often as it does."""
    return [x.atom for entry in nest.entries for x in entry.operands if isinstance(x.atom, Var) and by_value(x)]


def nests(step: Step) -> Iterator[Nest]:
    """The nests that a step consists of."""
    if isinstance(step, Nest):
        yield step
    elif isinstance(step, Blocks):
        yield from [inner for inner in step.steps if isinstance(inner, Nest)]


def views(step: Step) -> Iterator[View]:
    """Every view that a step reads or writes."""
    if isinstance(step, Nest):
        for entry in step.entries:
            yield from [x.place for x in entry.operands if isinstance(x.place, View)]
            if not isinstance(entry, Compute):
                yield from touched(entry)
    elif isinstance(step, Blocks):
        for inner in step.steps:
            yield from views(inner)
        yield from _sums(step)
    elif isinstance(step, Repeat):
        yield from (*step.constants, *[x.first for x in step.carried])
        yield from [view for view in step.arrays if view is not None]
        for again in step.again:
            yield from (*again.constants, *again.firsts, *again.arrays)
        yield from written(step)
    elif isinstance(step, Choose):
        yield from (step.number, *step.inputs)
        yield from written(step)
    else:
        yield from (*step.operands, *step.scratch) if isinstance(step, Call) else ()
        yield step.target


def _sums(blocks: Blocks) -> Iterator[View]:
    """Where the sums of the tasks lie, and the sums of these."""
    yield from [View(x, 0, ()) for partial in blocks.partials for x in partial[:2] if x is not None]


def written(step: Step) -> Iterator[View]:
    """Every view that a step writes."""
    if isinstance(step, Nest):
        for entry in step.entries:
            if not isinstance(entry, Gather):
                yield from touched(entry)
    elif isinstance(step, Blocks):
        for inner in step.steps:
            yield from written(inner)
        yield from _sums(step)
    elif isinstance(step, Repeat):
        places = [view for x in step.carried for view in (*(x.buffers or ()), x.stack, x.last)]
        for again in step.again:
            places += [*[view for pair in again.buffers for view in pair], *again.kept, again.numbers, again.work]
        yield from [view for view in (*places, *step.stacks, step.work) if view is not None]
    elif isinstance(step, Choose):
        yield from [view for view in (*step.results, step.work) if view is not None]
    else:
        yield step.target
