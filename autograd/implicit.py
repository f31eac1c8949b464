"""Solutions of equations, differentiated by the implicit function theorem and not through the steps of their solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .adjoint import LinearSolver, attached, by_linear_solver
from .adjoint import cg as cg
from .adjoint import linear_solve as linear_solve
from .control import while_loop
from .creation import as_tensor
from .derivatives import jacobian, jvp
from .functions import abs, isfinite, max, reshape, stop_gradient, where
from .linalg import solve
from .tape import current_tape, no_grad
from .tensor import Tensor
from .transforms import grad
from .tree import tree_map

Solver = Callable[[Callable[[Any], Any], Any], Any]


def root(
    residual: Callable[..., Any],
    x0: Any,
    *params: Any,
    solver: Solver | None = None,
    linear_solver: LinearSolver | None = None,
    max_steps: int = 100,
) -> Tensor:
    """The `x` for which `residual(x, *params)` is zero, with derivatives by the implicit function theorem.

    A gradient is one solution of the transposed linear equations at the solution, whatever the number of parameters,
    and nothing of the solver's steps is kept. It can be differentiated again, to any order. What the residual takes
    from closures counts as its `params` do.

    **Arguments:** `residual`, whose value has the shape and dtype of `x`; `x0`, the first guess, to which there is no
    derivative; `params`, arrays, tensors or nested tuples, lists and dicts of them; `solver(f, x0)`, which returns
    the solution for a function of `x` alone, on arrays, instead of Newton's method; `linear_solver`, as the `solver` of
    `linear_solve`, for large systems: the steps and the gradient then need products with the Jacobian alone, and no
    matrix; `max_steps` of Newton's method.

    **Returns:** a tensor of the shape of `x0`. Where compiled, it is NaN if the steps did not converge.

    **Errors:** `ArithmeticError` if they did not converge; `TypeError` for an `x0` that is not real floating point and
    for a `solver` in a recording, which cannot run Python.

    >>> import autograd as ag
    >>> cubic = lambda a: ag.implicit.root(lambda x, a: x**3 + x - a, 1.0, a)
    >>> value, slope = ag.value_and_grad(cubic)(10.0)
    >>> round(float(value), 6), round(float(slope), 6)
    (2.0, 0.076923)
    """
    x0 = _guess("root", x0)
    frozen = tree_map(stop_gradient, params)
    if solver is None:
        x = _repeated("root", lambda x: _newton(residual, x, frozen, linear_solver), x0, max_steps)
    else:
        x = _by_solver("root", solver, lambda x: residual(x, *frozen), x0)
    return attached(residual, x, params, linear_solver)


def fixed_point(
    f: Callable[..., Any], x0: Any, *params: Any, linear_solver: LinearSolver | None = None, max_steps: int = 1000
) -> Tensor:
    """The `x` for which `f(x, *params)` is `x` again, found by repeating `f`; differentiated as `root` is.

    **Arguments:** `f`, whose value has the shape and dtype of `x`; `x0`, `params`,
    `linear_solver` and `max_steps` as for `root`.

    **Returns:** a tensor of the shape of `x0`. Where compiled, it is NaN if the steps did not converge.

    **Errors:** as for `root`.

    >>> import autograd as ag
    >>> slope = ag.grad(lambda a: ag.implicit.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a))(4.0)
    >>> round(float(slope), 6)
    0.25
    """
    x0 = _guess("fixed_point", x0)
    frozen = tree_map(stop_gradient, params)
    x = _repeated("fixed_point", lambda x: f(x, *frozen), x0, max_steps)
    return attached(lambda x, *params: f(x, *params) - x, x, params, linear_solver)


def minimize(
    objective: Callable[..., Any],
    x0: Any,
    *params: Any,
    solver: Solver | None = None,
    linear_solver: LinearSolver | None = None,
    max_steps: int = 100,
) -> Tensor:
    """The `x` for which the convex `objective(x, *params)` is least; differentiated as `root` of its gradient is.

    **Arguments:** `objective`, whose value is a scalar; `solver(f, x0)`, which returns the minimum of a function of `x`
    alone. Without one the steps are Newton's, which find a stationary point of any kind where the objective is not
    convex. `x0`, `params`,
    `linear_solver` and `max_steps` as for `root`.

    **Returns:** a tensor of the shape of `x0`. Where compiled, it is NaN if the steps did not converge.

    **Errors:** as for `root`.

    >>> import autograd as ag
    >>> ridge = lambda a: ag.implicit.minimize(lambda x, a: (x - 3.0) ** 2 + a * x**2, 0.0, a)
    >>> round(float(ag.grad(ridge)(1.0)), 6)
    -0.75
    """
    x0 = _guess("minimize", x0)
    frozen = tree_map(stop_gradient, params)
    slope = grad(objective)
    if solver is None:
        x = _repeated("minimize", lambda x: _newton(slope, x, frozen, linear_solver), x0, max_steps)
    else:
        x = _by_solver("minimize", solver, lambda x: objective(x, *frozen), x0)
    return attached(slope, x, params, linear_solver)


def _guess(name: str, x0: Any) -> Tensor:
    x = stop_gradient(as_tensor(x0))
    if x.dtype.kind != "f":
        raise TypeError(f"`implicit.{name}` needs an `x0` of real floating point, got {x.dtype.name}; convert it")
    return x


def _newton(residual: Callable[..., Any], x: Any, params: Any, linear_solver: LinearSolver | None) -> Any:
    """A step of Newton's method: x - J⁻¹ F."""
    f = lambda x: residual(x, *params)
    if linear_solver is not None:
        return x - by_linear_solver(linear_solver, lambda v: jvp(f, (x,), (v,))[1], f(x))
    slopes = reshape(jacobian(f)(x), (x.size, x.size))
    return x - reshape(solve(slopes, reshape(f(x), (x.size,))), x.shape)


def _repeated(name: str, step: Callable[[Any], Any], x0: Tensor, max_steps: int) -> Any:
    """Steps until one moves `x` by little more than rounding does."""
    if not x0.size:
        return x0
    small = float(np.finfo(x0.dtype).eps) ** 0.75

    def body(carry: Any) -> Any:
        x, _, count = carry
        y = step(x)
        return y, max(abs(y - x)) / (1 + max(abs(y))), count + 1

    start = (x0, max(abs(x0)) * 0 + 1, 0)
    with no_grad():
        x, moved, _ = while_loop(lambda carry: (carry[1] > small) & (carry[2] < max_steps), body, start)
    if current_tape() is not None:
        return where(moved <= small, x, np.nan)
    if not moved <= small:
        raise ArithmeticError(
            f"`implicit.{name}` did not converge in {max_steps} steps: the last one moved `x` by {float(moved):.3g} "
            f"of its size, and at most {small:.3g} is needed; begin nearer to the solution or give more `max_steps`"
        )
    return x


def _by_solver(name: str, solver: Solver, f: Callable[[Any], Any], x0: Tensor) -> Any:
    if current_tape() is not None:
        raise TypeError(
            f"`implicit.{name}` cannot run a `solver` in a recording; leave it out, which takes Newton's method, or "
            "call it eagerly"
        )
    found = np.asarray(solver(lambda x: np.asarray(stop_gradient(f(as_tensor(x)))), np.asarray(x0)), x0.dtype)
    if found.shape != x0.shape or not isfinite(found).all():
        raise ArithmeticError(
            f"the `solver` of `implicit.{name}` must return finite numbers of the shape {x0.shape}, got the shape "
            f"{found.shape}" + ("" if found.shape != x0.shape else " with infinities or NaN")
        )
    return as_tensor(found)
