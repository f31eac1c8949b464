"""The program of a kernel: its steps, what they read and write, and where that lies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autograd.primitive import Shape

from .graph import Atom, Equation, Graph, Literal


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
    """The first operand, added to `target`, of that shape, at the positions that the others hold."""

    operands: tuple[Operand, ...]
    target: View
    shape: Shape


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
    """An equation with an emitter of its own."""

    equation: Equation
    operands: tuple[View, ...]
    target: View


Step = Nest | Fill | Call


class Program(NamedTuple):
    """The steps in their order, and where the results lie."""

    graph: Graph
    steps: tuple[Step, ...]
    guards: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
