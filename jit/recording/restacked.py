"""Elements that were picked out of a stack and put together again: a part of that stack."""

from __future__ import annotations

from autograd import ops
from autograd.primitive import Aval

from ..graph import Equation, Var


def with_stacks(equations: tuple[Equation, ...]) -> tuple[Equation, ...]:
    """Elements of one array that are put together again, as part of that array."""
    made = {x.out: x for x in equations}
    found: list[Equation] = []
    for equation in equations:
        found += _stack(equation, made) if equation.primitive is ops.concatenate else [equation]
    return tuple(found)


def _stack(equation: Equation, made: dict[Var, Equation]) -> list[Equation]:
    axis, out = dict(equation.params)["axis"], equation.out
    picks = []
    for x in equation.inputs:
        reshape = made.get(x)  # type: ignore[arg-type]
        pick = made.get(reshape.inputs[0]) if reshape is not None and reshape.primitive is ops.reshape else None  # type: ignore[arg-type]
        if pick is None or pick.primitive is not ops.slice_:
            return [equation]
        shape = pick.out.aval.shape
        if reshape.out.aval.shape != (*shape[:axis], 1, *shape[axis:]):  # type: ignore[union-attr]
            return [equation]
        picks.append((pick.inputs[0], dict(pick.params)["index"]))
    array, first = picks[0]
    whole = tuple([(0, n, 1) for n in array.aval.shape[1:]])
    start = first[0]
    # A loop that goes back over what another one made picks from the end on.
    step = -1 if len(picks) > 1 and type(start) is int and picks[1][1][0] == start - 1 else 1
    if type(start) is not int or picks != [(array, (start + step * i, *whole)) for i in range(len(picks))]:
        return [equation]
    part = Var(Aval((len(picks), *array.aval.shape[1:]), array.aval.dtype))
    order = (*range(1, axis + 1), 0, *range(axis + 1, array.aval.ndim))
    return [
        Equation(ops.slice_, (array,), (("index", ((start, len(picks), step), *whole)),), part),
        Equation(ops.transpose, (part,), (("axes", order),), out),
    ]
