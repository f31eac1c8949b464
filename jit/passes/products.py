"""Sums of the products of a matrix and what repeats along its rows or columns: products of a matrix and a vector.

    sum(m * v, axis=1)            m @ v
    sum(m * v[:, None], axis=0)   v @ m

So the transpose of an outer product, which is what forward mode makes of the gradient of a matrix, is as fast as a
product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from autograd import ops
from autograd.lengths import is_long
from autograd.primitive import Aval

from ..graph import Atom, Equation, Graph, Var
from ..loop import scan, switch

# Smaller sums stay in registers.
LEAST = 128


def products(graph: Graph) -> Graph:
    """The graph with products in place of sums, where the matrix is in memory.

    In double precision alone, since other sums are more accurate than products.
    """
    if not any(equation.primitive is ops.sum for equation in graph.equations):
        return graph
    uses = Counter([id(x) for equation in graph.equations for x in equation.inputs])
    uses.update([id(x) for x in (*graph.guards, *graph.outputs)])
    made = {equation.out: equation for equation in graph.equations}
    equations: list[Equation] = []
    replaced: set[Var] = set()
    for equation in graph.equations:
        term = made.get(equation.inputs[0]) if equation.primitive is ops.sum else None  # type: ignore[arg-type]
        found = None if term is None or uses[id(term.out)] != 1 else _product(equation, term, made)
        if found is not None and term is not None:
            replaced.add(term.out)
        equations += [equation] if found is None else found
    if not replaced:
        return graph
    return graph._replace(equations=tuple([equation for equation in equations if equation.out not in replaced]))


def _product(total: Equation, term: Equation, made: Mapping[Var, Equation]) -> list[Equation] | None:
    """What gives the sum as a product, `None` where it is none."""
    params, aval = dict(total.params), term.out.aval
    if term.primitive is not ops.mul or params["keepdims"] or params["axis"] not in ((0,), (1,)):
        return None
    if aval.ndim != 2 or not is_long(aval.size, LEAST) or aval.dtype != np.float64:
        return None
    (axis,) = params["axis"]
    shape = (aval.shape[axis],)
    repeated = ((aval.shape[0], 1),) if axis == 0 else (shape, (1, aval.shape[1]))
    for matrix, vector in (term.inputs, term.inputs[::-1]):
        if matrix.aval == aval and vector.aval.dtype == aval.dtype and vector.aval.shape in repeated:
            if not _is_in_memory(matrix, made):
                return None
            flat, equations = _flat(vector, shape, made)
            factors = (flat, matrix) if axis == 0 else (matrix, flat)
            return [*equations, Equation(ops.matmul, factors, (), total.out)]
    return None


def _is_in_memory(x: Atom, made: Mapping[Var, Equation]) -> bool:
    """Whether an array lies in memory in any case, and not in registers of the nest that sums it."""
    source = made.get(x)  # type: ignore[arg-type]
    if source is not None and source.primitive is ops.transpose:
        return _is_in_memory(source.inputs[0], made)
    return type(x) is Var and (source is None or source.primitive in (ops.matmul, scan, switch))


def _flat(x: Atom, shape: tuple[int, ...], made: Mapping[Var, Equation]) -> tuple[Atom, list[Equation]]:
    """The elements of `x` as a vector, and what makes it."""
    source = made.get(x)  # type: ignore[arg-type]
    x = source.inputs[0] if source is not None and source.primitive is ops.reshape else x
    if x.aval.shape == shape:
        return x, []
    out = Var(Aval(shape, x.aval.dtype))
    return out, [Equation(ops.reshape, (x,), (("shape", shape),), out)]
