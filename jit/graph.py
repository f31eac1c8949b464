"""The graph that is compiled: equations in static single assignment form.

    graph    := { inputs ; captures | equation* | guards in outputs }
    equation := var:aval = primitive[params] atom*
    atom     := var | literal

A graph is immutable; passes make new ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count, product
from string import ascii_lowercase
from typing import Any, NamedTuple

import numpy as np

from autograd.lengths import Lengths
from autograd.primitive import Aval, Primitive, dtype_name

_next_number = count().__next__


class Var:
    """A variable: what an equation defines, or an input. Two are the same only if they are one object."""

    __slots__ = ("aval", "number")

    def __init__(self, aval: Aval) -> None:
        self.aval = aval
        self.number = _next_number()

    def __repr__(self) -> str:
        return f"v{self.number}"

    def __reduce__(self) -> Any:
        # Its number is one of this process.
        return Var, (self.aval,)


class Literal(NamedTuple):
    """A number that is part of the program."""

    value: Any
    aval: Aval

    @staticmethod
    def of(value: Any, dtype: Any) -> Literal:
        """The literal of that number in that dtype."""
        dtype = np.dtype(dtype)
        return Literal(dtype.type(value), Aval((), dtype))

    def __str__(self) -> str:
        return repr(self.value.item())


Atom = Var | Literal
Params = tuple[tuple[str, Any], ...]


class Equation(NamedTuple):
    """`out = primitive(*inputs, **params)`."""

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: Params
    out: Var

    @staticmethod
    def of(primitive: Primitive, *inputs: Atom, **params: Any) -> Equation:
        """The equation of a new variable, whose shape and dtype are what the primitive says."""
        out = Var(primitive.aval(*[x.aval for x in inputs], **params))
        return Equation(primitive, inputs, tuple(sorted(params.items())), out)


class Graph(NamedTuple):
    """A program: `outputs` from `inputs`, the arguments of a call, and `captures`, the arrays that it holds on to.

    `guards` are boolean scalars which must be true for the outputs to be those of the recorded function. `threads` is
    the most that may run it, 0 for the number that is set for all. The kernel takes its arguments one by one, or
    `together` in one tuple. `open` are the sizes that shapes leave open, `None` where there are none.
    """

    inputs: tuple[Var, ...]
    captures: tuple[Var, ...]
    equations: tuple[Equation, ...]
    guards: tuple[Atom, ...]
    outputs: tuple[Atom, ...]
    threads: int = 0
    together: bool = False
    open: Lengths | None = None

    def __str__(self) -> str:
        return "\n".join(self._lines(_Names()))

    def _lines(self, names: _Names) -> Iterator[str]:
        heads = [", ".join(f"{names[x]}:{x.aval}" for x in xs) for xs in (self.inputs, self.captures)]
        # A graph of captures alone must not read as one of inputs.
        yield "{ " + "; ".join(heads if self.captures else heads[:1])
        avals: dict[Aval, str] = {}
        inner: dict[Any, str] = {}
        for primitive, inputs, params, out in self.equations:
            for _, value in params:
                if isinstance(value, Loop | Choice) and value not in inner:
                    inner[value] = f"{'loop' if isinstance(value, Loop) else 'choice'}{len(inner)}"
                    yield from value.lines(inner[value])
            arguments = " ".join([names[x] for x in inputs])
            option = f"[{' '.join([_option(name, value, inner) for name, value in params])}]" if params else ""
            aval = avals.get(out.aval) or avals.setdefault(out.aval, str(out.aval))
            yield f"  {names[out]}:{aval} = {primitive.name}{option} {arguments}"
        for guard in self.guards:
            yield f"  guard {names[guard]}"
        if self.threads:
            yield f"  on {self.threads} thread{'s' * (self.threads > 1)}"
        if self.together:
            yield "  together"
        yield "  in " + ", ".join(names[x] for x in self.outputs) + " }"

    @property
    def key(self) -> str:
        """A hash of all that the graph computes, the same for every graph of that structure."""
        return hashlib.sha256(str(self).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Loop:
    """A body that is run `length` times.

    The inputs of the `body` are first the `constants`, the same in every step, then what is `carried` from step to
    step, then one element each of the arrays that the loop goes over, from their ends if `reverse`. Its outputs are
    first what is carried on, then one element each of the arrays that the loop makes.

    A `dynamic` loop runs while the first of what it carries is not zero: a boolean, or how many steps are left, which
    in a `reverse` one is the position after that of the step's elements. Its arrays have room for `length` steps; what
    lies behind the last one is not defined. Of what the steps begin with so many states are `kept` for a loop that goes
    over them, which makes the others again; 0 stands for all.
    """

    body: Graph
    constants: int
    carried: int
    length: int
    reverse: bool
    dynamic: bool = False
    kept: int = 0

    @property
    def bodies(self) -> tuple[Graph, ...]:
        """The body, as the only one: what goes through all bodies of a graph need not tell loops from choices."""
        return (self.body,)

    @property
    def results(self) -> list[Aval]:
        """The shape and dtype of each result."""
        avals = [x.aval for x in self.body.outputs]
        rows = [Aval((self.length, *x.shape), x.dtype) for x in avals[self.carried :]]
        return [*avals[: self.carried], *rows]

    def lines(self, name: str) -> Iterator[str]:
        """The loop as text, under that name."""
        backward = " backward" if self.reverse else ""
        steps = f"room for {self.length} steps" if self.dynamic else f"{self.length} times"
        steps += f", {self.kept} states kept" if self.kept else ""
        yield f"  {name}: {steps}{backward}, {self.constants} constants, {self.carried} carried"
        yield from [f"    {line}" for line in str(self.body).splitlines()]


@dataclass(frozen=True, eq=False)
class Choice:
    """Bodies with the same inputs and like results, of which an index chooses the one that is run."""

    bodies: tuple[Graph, ...]

    @property
    def results(self) -> list[Aval]:
        """The shape and dtype of each result."""
        return [x.aval for x in self.bodies[0].outputs]

    def lines(self, name: str) -> Iterator[str]:
        """The bodies as text, under that name."""
        for i, body in enumerate(self.bodies):
            yield f"  {name}, case {i}"
            yield from [f"    {line}" for line in str(body).splitlines()]


def _option(name: str, value: Any, inner: Mapping[Any, str]) -> str:
    return f"{name}={inner[value] if isinstance(value, Loop | Choice) else _brief(value)}"


def _brief(value: Any) -> str:
    return dtype_name(value) if isinstance(value, np.dtype) else str(value).replace(" ", "")


class _Names(dict[Any, str]):
    """The names of variables in the order of their printing: a, b, ..., z, ba, bb, ..."""

    def __init__(self) -> None:
        super().__init__()
        longer = (product(ascii_lowercase[1:], *[ascii_lowercase] * n) for n in count(1))
        self.next = chain(ascii_lowercase, map("".join, chain.from_iterable(longer))).__next__

    def __missing__(self, atom: Atom) -> str:
        if type(atom) is Literal:
            return f"{atom}:{dtype_name(atom.aval.dtype)}"
        name = self[atom] = self.next()
        return name


class GraphError(Exception):
    """A graph that a pass has broken: a mistake of the compiler, never of its user."""


def verify(graph: Graph) -> Graph:
    """The graph itself, once every variable is known to be defined before its use, once, and as its primitive says."""
    defined: set[Var] = set()
    for given in (*graph.inputs, *graph.captures):
        if given in defined:
            raise GraphError(f"the input {given} stands twice in\n{graph}")
        defined.add(given)
    for equation in graph.equations:
        primitive, inputs, params, out = equation
        for x in inputs:
            if isinstance(x, Var) and x not in defined:
                raise GraphError(f"`{primitive}` reads {x} before its definition in\n{graph}")
        if out in defined:
            raise GraphError(f"`{primitive}` defines {out} a second time in\n{graph}")
        expected = primitive.aval(*[x.aval for x in inputs], **dict(params))
        if expected != out.aval:
            raise GraphError(f"`{primitive}` gives {expected}, its variable says {out.aval} in\n{graph}")
        defined.add(out)
    for x in (*graph.guards, *graph.outputs):
        if isinstance(x, Var) and x not in defined:
            raise GraphError(f"the result {x} is never defined in\n{graph}")
    return graph
