"""A graph with other lengths in the place of its open ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from autograd.lengths import Length, evaluated, is_length
from autograd.primitive import Aval, Shape

from .graph import Choice, Equation, Graph, Literal, Loop, Var


def with_lengths(graph: Graph, length_of: Callable[[Length], Any]) -> Graph:
    """The same graph, with what `length_of` gives for each open length."""
    known: dict[Var, Var] = {}
    inner: dict[Any, Any] = {}

    def given(x: Any) -> Any:
        if is_length(x):
            return length_of(x)
        if isinstance(x, Loop | Choice):
            if x not in inner:
                inner[x] = within(x)
            return inner[x]
        return tuple([given(y) for y in x]) if type(x) is tuple else x

    def within(x: Loop | Choice) -> Loop | Choice:
        if isinstance(x, Loop):
            return replace(x, body=with_lengths(x.body, length_of), length=given(x.length))
        return replace(x, bodies=tuple([with_lengths(body, length_of) for body in x.bodies]))

    def variable(x: Any) -> Any:
        if isinstance(x, Literal):
            return x
        if x not in known:
            known[x] = Var(Aval(given(x.aval.shape), x.aval.dtype))
        return known[x]

    def all_of(xs: Iterable[Any]) -> tuple[Any, ...]:
        return tuple([variable(x) for x in xs])

    equations = tuple([
        Equation(primitive, all_of(inputs), tuple([(name, given(x)) for name, x in params]), variable(out))
        for primitive, inputs, params, out in graph.equations
    ])  # fmt: skip
    parts = [all_of(xs) for xs in (graph.inputs, graph.captures, graph.guards, graph.outputs)]
    return graph._replace(inputs=parts[0], captures=parts[1], equations=equations, guards=parts[2], outputs=parts[3])


def of_shapes(graph: Graph, shapes: Sequence[Shape]) -> Graph:
    """The graph for inputs and captures of these shapes, which may have open lengths of another recording."""
    found: dict[str, Any] = {}
    for x, shape in zip((*graph.inputs, *graph.captures), shapes, strict=True):
        found.update([(str(n), m) for n, m in zip(x.aval.shape, shape, strict=True) if is_length(n)])
    return with_lengths(graph, lambda n: evaluated(n.terms, found)) if found else graph
