"""Products of a transposed matrix and a matrix, as a column times a row is: terms of the gradient of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autograd import ops

from ..graph import Equation, Var


class Outer(NamedTuple):
    """The transpose of `x` times `y`, both of them of so many `rows`; for one row `x` can be a column as well."""

    x: Var
    y: Var
    rows: int


def outer(equation: Equation, made: Mapping[Any, Equation]) -> Outer | None:
    """The factors of such a product, `None` for anything else; `made` has the equations by what they make."""
    out = equation.out.aval
    if len(out.shape) != 2 or out.dtype.kind != "f":
        return None
    if not all(isinstance(x, Var) and x.aval.dtype == out.dtype for x in equation.inputs):
        return None
    if equation.primitive is ops.mul:
        for x, y in (equation.inputs, equation.inputs[::-1]):
            if x.aval.shape == (out.shape[0], 1) and y.aval.shape in (out.shape[1:], (1, out.shape[1])):
                return Outer(x, y, 1)  # type: ignore[arg-type]
    elif equation.primitive is ops.matmul:
        x, y = equation.inputs
        if x in made and made[x].primitive is ops.transpose and len(y.aval.shape) == 2:
            return Outer(made[x].inputs[0], y, y.aval.shape[0])  # type: ignore[arg-type]
    return None
