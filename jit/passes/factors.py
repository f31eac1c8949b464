"""Factors: what needs a factorisation says so, and equations with the same matrix share one by `cse`.

The gradient of a solution solves the equations of the transpose, and a determinant is the product of the same pivots:
one LU factorisation serves all of them.
"""

from __future__ import annotations

from typing import Any

from autograd import ops
from autograd.primitive import Primitive

from ..graph import Atom, Equation, Graph, Literal, Var


def factors(graph: Graph) -> Graph:
    """The graph with solutions and pseudoinverses by factorisations that are equations of their own."""
    if not any(equation.primitive in RULES for equation in graph.equations):
        return graph
    made = _Equations()
    for equation in graph.equations:
        rule = RULES.get(equation.primitive)
        if rule is None:
            made.list.append(equation)
        else:
            rule(made, equation.out, *equation.inputs, **dict(equation.params))
    return graph._replace(equations=tuple(made.list))


class _Equations:
    """The equations in the making."""

    def __init__(self) -> None:
        self.list: list[Equation] = []

    def add(self, primitive: Primitive, *inputs: Atom, out: Var | None = None, **params: Any) -> Var:
        """A new equation; its result is `out` where that is given."""
        if out is None:
            out = Var(primitive.aval(*[x.aval for x in inputs], **params))
        self.list.append(Equation(primitive, inputs, tuple(sorted(params.items())), out))
        return out

    def columns(self, x: Var, start: int, size: int) -> Var:
        index = (*[(0, n, 1) for n in x.aval.shape[:-1]], (start, size, 1))
        return self.add(ops.slice_, x, index=index)

    def transposed(self, x: Var, out: Var | None = None) -> Var:
        n = x.aval.ndim
        return self.add(ops.transpose, x, axes=(*range(n - 2), n - 1, n - 2), out=out)


def _solve(made: _Equations, out: Var, x: Var, y: Var, transpose: bool) -> None:
    if x.aval.dtype != out.aval.dtype:
        x = made.add(ops.astype, x, dtype=out.aval.dtype)
    made.add(ops.lu_solve, made.add(ops.lu, x), y, transpose=transpose, out=out)


def _pinv(made: _Equations, out: Var, x: Var, rcond: float) -> None:
    # P = V diag(1/s) Uᵀ, with zeros for the singular values that count as such.
    m, n = x.aval.shape[-2:]
    if not x.aval.size:
        made.add(ops.pinv, x, rcond=rcond, out=out)
        return
    packed = made.add(ops.svd, x)
    s, ut, vt = made.columns(packed, 0, 1), made.columns(packed, 1, m), made.columns(packed, 1 + m, n)
    rank = x.aval.ndim
    largest = made.add(ops.max, s, axis=(rank - 2,), keepdims=True)
    cutoff = made.add(ops.mul, largest, Literal.of(rcond, x.aval.dtype))
    counts = made.add(ops.greater, s, cutoff)
    zero, one = Literal.of(0, x.aval.dtype), Literal.of(1, x.aval.dtype)
    inverse = made.add(ops.where, counts, made.add(ops.div, one, s), zero)
    made.add(ops.matmul, made.transposed(vt), made.add(ops.mul, ut, inverse), out=out)


RULES: dict[Primitive, Any] = {ops.solve: _solve, ops.pinv: _pinv}
