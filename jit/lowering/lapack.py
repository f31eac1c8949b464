"""Linear algebra by LAPACK: operands that it can read, where its results lie, and the memory that it works in.

LAPACK reads matrices column by column. So what a factorisation stores by columns is given on as the transpose of a
row-major array, and right sides are solved for from the right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import ops
from autograd.primitive import Aval, Primitive

from ..eigen import geev
from ..graph import Equation
from .matrix import as_matrix
from .program import Call, View
from .steps import Group, Lowering

LAPACK = frozenset({ops.cholesky, ops.solve_triangular, ops.lu, ops.lu_solve, ops.qr, ops.eigh, ops.svd, geev})
#: So many columns LAPACK works on together at most.
PANEL = 32
_WHOLE = np.dtype(np.int32)


def scratch_sizes(primitive: Primitive, m: int, n: int, params: dict[str, Any]) -> list[tuple[int, bool]]:
    """The arrays that a routine works in: the length of each, and whether it has integers.

    The formulas are those of LAPACK's documentation, with room for panels.
    """
    k = min(m, n)
    return {
        ops.lu: [(k, True)],
        # What is substituted, before its rows are put in their order.
        ops.lu_solve: [(m * n, False)] if params.get("transpose") else [],
        ops.qr: [(n, False), (PANEL * n, False)],
        # The eigenvalues, and the two workspaces.
        ops.eigh: [(n, False), (1 + 6 * n + 2 * n * n + PANEL * n, False), (3 + 5 * n, True)],
        # The matrix, both parts of the eigenvalues, the vectors, and the workspace.
        geev: [(n * n, False), (n, False), (n, False), (n * n, False), ((4 + PANEL) * n, False)],
        # The matrix, the singular values, the right vectors, and the two workspaces.
        ops.svd: [
            (m * n, False),
            (k, False),
            (k * n, False),
            (4 * k * k + 7 * k + max(m, n) + PANEL * (m + n), False),
            (8 * k, True),
        ],
    }.get(primitive, [])


def factorise(low: Lowering, equation: Equation) -> None:
    """Adds the call that computes the equation."""
    primitive, inputs, params, out = equation
    operands = [_given(low, equation, i) for i in range(len(inputs))]
    # The sizes of a matrix that is factorised, of the right side of an equation.
    m, n = inputs[-1].aval.shape[-2:]
    dtype = out.aval.dtype
    scratch = tuple(
        low.buffer("work", 0, Aval((max(size, 1),), _WHOLE if whole else dtype))
        for size, whole in scratch_sizes(primitive, m, n, dict(params))
    )
    target = place = low.new_buffer(out)
    if primitive is ops.lu:
        *batch, rows, columns = out.aval.shape
        target = low.buffer("work", 0, Aval((*batch, columns, rows), dtype))
        place = target._replace(strides=(*target.strides[:-2], 1, target.strides[-2]))
    low.groups.append(Group((), Call(equation, tuple(operands), target, scratch)))
    low.places[out], low.ready[out] = place, len(low.groups)


def _given(low: Lowering, equation: Equation, i: int) -> View:
    """An operand as the routine takes it: a matrix that is only read has to lie by rows or by columns."""
    x = equation.inputs[i]
    dtype = equation.out.aval.dtype
    if x.aval.dtype != dtype:
        return low.converted(x, dtype)[0]
    view, _ = low.view(x)
    if i == 0 and equation.primitive in (ops.solve_triangular, ops.lu_solve):
        n = x.aval.shape[-2]
        if as_matrix((n, n), view.strides[-2:]) is None:
            view, _ = low.copy(x)  # type: ignore[arg-type]
    return view
