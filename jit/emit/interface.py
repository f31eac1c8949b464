"""What a nest is given, and what makes two nests the same function with other arguments."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..graph import Literal, Var
from ..lowering.program import (
    Entry,
    Gather,
    Nest,
    Operand,
    Origin,
    Reduce,
    Scatter,
    Store,
    View,
    by_value,
    origin,
    touched,
)


class Interface(NamedTuple):
    """What a nest takes: arrays by the address where their view starts, scalars by value, and an address for each
    scalar result.
    """

    views: tuple[View, ...]
    scalars: tuple[Var, ...]
    results: tuple[Var, ...]


def interface(nest: Nest) -> Interface:
    """The parameters of a nest, in the order of their first use."""
    views: dict[Origin, View] = {}
    scalars: dict[Var, None] = {}
    results = []
    for entry in nest.entries:
        for operand in entry.operands:
            if by_value(operand):
                if isinstance(operand.atom, Var):
                    scalars[operand.atom] = None
            elif operand.place is not None:
                views.setdefault(origin(operand.place), operand.place)  # type: ignore[arg-type]
        for view in touched(entry):
            views.setdefault(origin(view), view)
        if isinstance(entry, Reduce) and entry.target is None:
            results.append(entry.equation.out)
    return Interface(tuple(views.values()), tuple(scalars), tuple(results))


def structure(nest: Nest) -> tuple[Any, ...]:
    """All that the code of a nest depends on, with variables and addresses by the order of their first use.

    The iterations of an unrolled loop have nests of one structure, and so one function.
    """
    numbers: dict[Any, int] = {}

    def number(x: Any) -> int:
        return numbers.setdefault(x, len(numbers))

    def placed(view: View | None) -> Any:
        return None if view is None else (number(origin(view)), view.strides, view.buffer.dtype, view.buffer.size)

    def read(operand: Operand) -> Any:
        atom = operand.atom
        if isinstance(atom, Literal):
            return atom.value.tobytes(), atom.aval.dtype
        if by_value(operand) or operand.place is None:
            return by_value(operand), number(atom), atom.aval.dtype
        return placed(operand.place)  # type: ignore[arg-type]

    def described(entry: Entry) -> Any:
        operands = tuple([read(x) for x in entry.operands])
        views = tuple([placed(view) for view in touched(entry)])
        if isinstance(entry, Store):
            return "store", operands, views
        if isinstance(entry, Scatter):
            return "scatter", operands, views, entry.shape, entry.adds
        primitive, inputs, params, out = entry.equation
        avals: tuple[Any, ...] = tuple([x.aval.dtype for x in inputs])
        if isinstance(entry, Gather):
            avals = (*avals, inputs[0].aval.shape)
        return primitive, operands, views, avals, params, number(out), out.aval.dtype

    return nest.shape, tuple([described(entry) for entry in nest.entries])
