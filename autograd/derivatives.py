"""Derivatives of functions as functions: products with vectors in both directions, Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .linear import Linear, direction, zeros_of
from .tape import STATE
from .tensor import Tensor
from .transforms import Argnums, by_argument, differentiable, grad, leaving, positions_of
from .tree import Structure, flatten, unflatten


def vjp(f: Callable[..., Any], *xs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of a function, and the function that pulls cotangents of the value back to the arguments.

    **Arguments:** `f`; `xs`, its arguments, each an array, a tensor or nested tuples, lists and dicts of them.

    **Returns:** `(value, pullback)`; `pullback(g)`, for `g` of the structure and shapes of the value, returns a tuple
    with a cotangent for each argument, and may be called again.

    **Errors:** `TypeError` for integers, which have no derivative; `ValueError` for a cotangent of another shape.

    >>> import numpy as np
    >>> import autograd as ag
    >>> value, pullback = ag.vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    linear, structures, given = linearised("vjp", f, xs, {}, tuple(range(len(xs))))
    leave = leaving(given)

    def pullback(g: Any) -> tuple[Any, ...]:
        gs = _directions("vjp", "a cotangent", g, linear.structure, linear.outputs)
        follow = STATE.nesting > 0 or any(isinstance(x, Tensor) and x.requires_grad for x in gs)
        back = leaving([*given, *flatten(g)[0]])
        found = [
            back(zeros_of(x) if gx is None else gx)
            for x, gx in zip(linear.leaves, linear.pull(gs, follow), strict=True)
        ]
        parts: tuple[Any, ...] = by_argument(structures, found, tuple(range(len(xs))))
        return parts

    return unflatten(linear.structure, [leave(y) for y in linear.values()]), pullback


def jvp(f: Callable[..., Any], xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]:
    """The value of a function, and its derivative in a direction, in forward mode.

    **Arguments:** `f`; `xs`, a tuple of its arguments; `vs`, a tuple of tangents, of their structures and shapes.

    **Returns:** `(value, tangent)`, both of the structure that `f` returns.

    **Errors:** `TypeError` for integers, which have no derivative; `ValueError` for a tangent of another shape.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.jvp(lambda x: x**2, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    if not isinstance(xs, tuple | list) or not isinstance(vs, tuple | list):
        raise TypeError(
            "`jvp` needs a tuple of arguments and a tuple of tangents, got "
            f"{type(xs).__name__} and {type(vs).__name__}; write `jvp(f, (x,), (v,))`"
        )
    linear, structures, given = linearised("jvp", f, tuple(xs), {}, tuple(range(len(xs))), flatten(list(vs))[0])
    structure = Structure(tuple, (), tuple(structures))
    tangents = linear.push(_directions("jvp", "a tangent", tuple(vs), structure, linear.leaves))
    leave = leaving(given)
    values = [leave(y) for y in linear.values()]
    return unflatten(linear.structure, values), unflatten(
        linear.structure,
        [
            leave(zeros_of(y) if tangent is None else tangent)
            for y, tangent in zip(linear.outputs, tangents, strict=True)
        ],
    )


def jacobian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of `f`, by columns or by rows, whichever are fewer.

    **Arguments:** `f`; `argnums`, the position of the argument to differentiate, or several positions.

    **Returns:** a function with the arguments of `f`. Its result has the structure of the value of `f`, and in the
    place of each array there the structure of the argument, or a tuple of such for several positions, with arrays of
    the shape of the value followed by that of the argument.

    **Errors:** `TypeError` for integers and complex numbers.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian("jacobian", f, argnums, forward=None)


def jacfwd(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of `f` by columns, in forward mode: the cost is that of the arguments.

    **Arguments:** as for `jacobian`.

    >>> import autograd as ag
    >>> ag.jacfwd(lambda x: (x**2, x**3))(2.0)
    (4.0, 12.0)
    """
    return _jacobian("jacfwd", f, argnums, forward=True)


def jacrev(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of `f` by rows, in reverse mode: the cost is that of the results.

    **Arguments:** as for `jacobian`.

    >>> import autograd as ag
    >>> ag.jacrev(lambda x, y: x * y, (0, 1))(2.0, 3.0)
    (3.0, 2.0)
    """
    return _jacobian("jacrev", f, argnums, forward=False)


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the matrix of second derivatives of `f`, the Jacobian of its gradient.

    **Arguments:** `f`, a function that returns one number; `argnums`, as for `jacobian`.

    **Returns:** a function with the arguments of `f`; its result has the structure of the argument twice, and the
    shapes of two arguments one after the other.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.hessian(lambda x: x[0] * x[1] ** 2)(np.array([1.0, 2.0]))
    array([[0., 4.],
           [4., 2.]])
    """
    positions_of("hessian", f, argnums)
    return _jacobian("hessian", grad(f, argnums), argnums, forward=False)


def hvp(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the product of the Hessian of `f` and a vector, in the time of a few gradients.

    **Arguments:** as for `hessian`.

    **Returns:** a function with the arguments of `f` and, last, the vector, of the structure of the argument, or a
    tuple of such for several positions; the result has that structure too.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([  6., 120.])
    """
    positions = positions_of("hvp", f, argnums)
    gradient = grad(f, argnums)

    def product(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(
                f"`hvp` needs the arguments of the function and a vector after them, got {len(args)} in all"
            )
        *xs, v = args
        linear, structures, given = linearised("hvp", gradient, tuple(xs), kwargs, positions, flatten(v)[0])
        # The Hessian is symmetric, and to pull back takes a sweep less than to push forward.
        found = linear.pull(_directions("hvp", "a vector", v, linear.structure, linear.outputs))
        leave = leaving(given)
        left = [leave(zeros_of(x) if y is None else y) for x, y in zip(linear.leaves, found, strict=True)]
        return by_argument(structures, left, argnums)

    product.__name__ = getattr(f, "__name__", "f")
    return product


def _jacobian(name: str, f: Callable[..., Any], argnums: Argnums, forward: bool | None) -> Callable[..., Any]:
    positions = positions_of(name, f, argnums)

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        linear, structures, given = linearised(name, f, args, kwargs, positions)
        leave = leaving(given)
        rows = [
            by_argument(structures, [leave(block) for block in linear.filled(k, row)], argnums)
            for k, row in enumerate(linear.matrices(forward))
        ]
        return unflatten(linear.structure, rows)

    return differentiated


def linearised(
    name: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    positions: tuple[int, ...],
    directions: Sequence[Any] = (),
) -> tuple[Linear, list[Structure], list[Any]]:
    """A function at its arguments, the structures of those at the positions, and all leaves that were given.

    **Arguments:** `directions`, the leaves of vectors that come with the arguments.
    """
    if not callable(f):
        raise TypeError(f"`{name}` needs a function, got {type(f).__name__}")
    leaves, structures, all_args = differentiable(f, args, positions)
    given = [*flatten((args, kwargs))[0], *directions]
    connected = STATE.nesting > 0 or any(isinstance(x, Tensor) and x.requires_grad for x in given)
    called = getattr(f, "__name__", "f")
    return Linear(called, lambda: f(*all_args, **kwargs), leaves, connected), structures, given


def _directions(name: str, what: str, tree: Any, structure: Structure, xs: Sequence[Any]) -> list[Any]:
    """
    **Errors:** `TypeError` for a tree of another structure, and the errors of `direction`.
    """
    leaves, given = flatten(tree)
    if given != structure:
        raise TypeError(
            f"`{name}` needs {what} of the structure of what it belongs to, {len(xs)} arrays nested alike, got "
            f"{len(leaves)} arrays in {type(tree).__name__}"
        )
    return [direction(name, what, v, x) for v, x in zip(leaves, xs, strict=True)]
