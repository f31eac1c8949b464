"""Solutions of equations as functions of their parameters, by linear equations: with matrices or products alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .closed import Closed
from .control import while_loop
from .creation import as_tensor
from .derivatives import jacobian
from .function import Function
from .functions import clone, isfinite, reshape, stop_gradient, sum, where
from .linalg import solve
from .tape import current_tape, gradients_enabled, no_grad
from .tensor import Tensor
from .transforms import grad
from .tree import flatten, tree_map, unflatten

#: `solver(product, b)` returns the `x` for which `product(x)` is `b`.
LinearSolver = Callable[[Callable[[Any], Any], Any], Any]


def cg(product: Callable[[Any], Any], b: Any, tolerance: float | None = None, max_steps: int = 1000) -> Any:
    """The `x` for which `product(x)` is `b`, by conjugate gradients, for `linear_solver` and `linear_solve`.

    Hestenes and Stiefel, Methods of Conjugate Gradients for Solving Linear Systems, 1952.

    **Arguments:** `product(v)`, that of a symmetric positive definite matrix with `v`, of the shape of `b`;
    `tolerance`, the norm of what is left, by that of `b`; unless said, little more than rounding leaves.

    **Returns:** `x`, of the shape of `b`; NaN where that many steps were not enough.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.implicit.cg(lambda v: np.array([2.0, 4.0]) * v, np.array([2.0, 2.0]))
    array([1. , 0.5])
    """

    def body(carry: Any) -> Any:
        x, r, v, square, count = carry
        image = product(v)
        rate = square / sum(v * image)
        r = r - rate * image
        new = sum(r * r)
        return x + rate * v, r, r + new / square * v, new, count + 1

    if tolerance is None:
        tolerance = float(np.finfo(b.dtype).eps) ** 0.75
    square = sum(b * b)
    small = tolerance**2 * square
    goes_on = lambda carry: (carry[3] > small) & (carry[4] < max_steps)
    x, _, _, left, _ = while_loop(goes_on, body, (b * 0.0, b, b, square, 0))
    return where(left <= small, x, np.nan)


def linear_solve(product: Callable[..., Any], b: Any, *params: Any, solver: LinearSolver = cg) -> Tensor:
    """The `x` for which `product(x, *params)` is `b`, with derivatives by the same solver on the transposed product.

    For matrices there is `linalg.solve`; this is for large systems of which there are products alone.

    **Arguments:** `product`, linear in `x`, with values of the shape of `b`; `b`, an array or tensor of real floating
    point; `params`, arrays, tensors or nested tuples, lists and dicts of them; `solver(product, b)`, for functions of
    `x` alone, on arrays, or while a function is compiled on tensors, which SciPy's solvers do not take. The transposed
    product is given to it too, so it has to solve both.

    **Returns:** a tensor of the shape of `b`. Where compiled, it is NaN if the solver gives that.

    **Errors:** `ArithmeticError` if the solver does not return finite numbers of the shape of `b`.

    >>> import numpy as np
    >>> import autograd as ag
    >>> solved = lambda a: ag.sum(ag.implicit.linear_solve(lambda x, a: a * x, np.ones(2), a))
    >>> ag.grad(solved)(np.array([1.0, 2.0]))
    array([-1.  , -0.25])
    """
    b = as_tensor(b)
    if b.dtype.kind != "f":
        raise TypeError(f"`implicit.linear_solve` needs a `b` of real floating point, got {b.dtype.name}; convert it")
    frozen = tree_map(stop_gradient, params)
    x = by_linear_solver(solver, lambda x: product(x, *frozen), b)
    return attached(lambda x, b, *params: product(x, *params) - b, x, (b, *params), solver)


def by_linear_solver(solver: LinearSolver, product: Callable[[Any], Any], b: Any) -> Any:
    """What the solver finds, as a tensor without a gradient.

    **Errors:** `ArithmeticError` if that is of another shape, or eagerly not finite.
    """
    b = stop_gradient(b)
    with no_grad():
        if current_tape() is not None:
            found = as_tensor(solver(product, b))
        else:
            found = as_tensor(solver(lambda v: np.asarray(stop_gradient(product(as_tensor(v)))), np.asarray(b)))
    if found.shape != b.shape or (current_tape() is None and not isfinite(np.asarray(found)).all()):
        raise ArithmeticError(
            f"the linear solver must return finite numbers of the shape {b.shape}, got the shape {found.shape}"
            + ("" if found.shape != b.shape else " with infinities or NaN: it may need more steps")
        )
    return stop_gradient(found)


def attached(residual: Callable[..., Any], x: Any, params: Any, solver: LinearSolver | None = None) -> Any:
    """A solution of `residual(x, *params) = 0` as a function of the parameters and of what the residual closes over.

    **Arguments:** `solver` of the linear equations of its derivatives, `None` for a matrix.
    """
    if not gradients_enabled() and current_tape() is None:
        return x
    leaves, structure = flatten(params)
    closed = Closed(lambda x, *leaves: residual(x, *unflatten(structure, leaves)), x, *leaves)
    return _Solution.apply(closed, len(leaves), solver, x, *leaves, *closed.outer)


class _Solution(Function):
    """The solution of `closed(x, *leaves) = 0`: its rule, in which it stands itself, can be differentiated again.

    With u from Jᵀ u = g, where J is the derivative by x, the cotangents of the parameters are those that -u has.
    """

    @staticmethod
    def forward(ctx: Any, closed: Closed, count: int, solver: Any, x: Tensor, *leaves: Any) -> Any:
        out = clone(x)
        tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        ctx.closed, ctx.count, ctx.solver, ctx.tensors = closed, count, solver, tensors
        ctx.leaves = [None if i in tensors else leaf for i, leaf in enumerate(leaves)]
        ctx.save_for_backward(out, *[leaves[i] for i in tensors])
        return out

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, *tensors = ctx.saved_tensors
        leaves = list(ctx.leaves)
        for i, leaf in zip(ctx.tensors, tensors, strict=True):
            leaves[i] = leaf

        def residual(x: Any, *leaves: Any) -> Any:
            return ctx.closed([x, *leaves[: ctx.count]], leaves[ctx.count :])

        along = lambda x, u, *leaves: sum(residual(x, *leaves) * u)
        if ctx.solver is None:
            slopes = reshape(jacobian(residual)(x, *leaves), (x.size, x.size))
            u = reshape(solve(slopes.T, reshape(g, (x.size,))), x.shape)
        else:
            transposed = lambda u, x, *leaves: grad(along)(x, u, *leaves)
            u = linear_solve(transposed, g, x, *leaves, solver=ctx.solver)
        wanted = [i for i, need in enumerate(ctx.needs_input_grad[4:]) if need]
        cotangents = grad(along, tuple([2 + i for i in wanted]))(x, -u, *leaves)
        found = dict(zip(wanted, cotangents, strict=True))
        return (None, None, None, None, *[found.get(i) for i in range(len(leaves))])
