"""What is computed of matrices of derivatives: those of least squares, the diagonal, and the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce, wraps
from math import prod
from operator import add
from typing import Any

import numpy as np

from . import functions
from .derivatives import linearised
from .linear import Linear, zeros_of
from .primitive import aval_of
from .transforms import Argnums, by_argument, grad, leaving, positions_of


def gauss_newton(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns what a step of least squares needs: the value, the gradient and the Gauss-Newton matrix.

    For residuals r with the Jacobian J these are r·r / 2, Jᵀr and JᵀJ. The step of Gauss and Newton is
    `-np.linalg.solve(matrix, gradient)`.

    **Arguments:** `f`, a function that returns residuals, in an array or in nested tuples, lists and dicts of them;
    `argnums`, as for `jacobian`.

    **Returns:** a function with the arguments of `f` that returns `(value, gradient, matrix)`: a number, what has the
    structure and the shapes of the argument, and what has those of `hessian`.

    **Errors:** `TypeError` for integers and complex numbers.

    Source: J. Nocedal, S. Wright, Numerical Optimization (2006), section 10.3.

    >>> import numpy as np
    >>> import autograd as ag
    >>> value, gradient, matrix = ag.gauss_newton(lambda x: np.stack([x[0] - 1, 3 * x[1]]))(np.array([3.0, 2.0]))
    >>> float(value), gradient, matrix
    (20.0, array([ 2., 18.]), array([[1., 0.],
           [0., 9.]]))
    """
    positions = positions_of("gauss_newton", f, argnums)

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        linear, structures, given = linearised("gauss_newton", f, args, kwargs, positions)
        leave, shapes = leaving(given), [x.shape for x in linear.leaves]
        residuals = [functions.reshape(y, (prod(y.shape),)) for y in linear.values()]
        sizes = [prod(shape) for shape in shapes]
        rows = [
            [functions.reshape(x, (r.shape[0], n)) for x, n in zip(linear.filled(k, row), sizes, strict=True)]
            for k, (r, row) in enumerate(zip(residuals, linear.matrices(), strict=True))
        ]
        value = _total([r @ r / 2 for r in residuals], ())
        gradient = [
            leave(_total([r @ row[i] for r, row in zip(residuals, rows, strict=True)], shape))
            for i, shape in enumerate(shapes)
        ]
        matrix = [
            [
                leave(_total([functions.transpose(row[i]) @ row[j] for row in rows], (*a, *b)))
                for j, b in enumerate(shapes)
            ]
            for i, a in enumerate(shapes)
        ]
        blocks = [by_argument(structures, row, argnums) for row in matrix]
        return leave(value), by_argument(structures, gradient, argnums), by_argument(structures, blocks, argnums)

    return differentiated


def jacobian_diagonal(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the diagonal of the Jacobian of `f`: of each element of the result the derivative by the
    element of the argument at its own place.

    Where the operations of `f` are elementwise it takes one product, and otherwise one for each element, so it is exact
    whatever `f` does.

    **Arguments:** `f`, a function that returns what has the structure and the shapes of the argument, or a tuple of
    such for several positions; `argnums`, as for `jacobian`.

    **Returns:** a function with the arguments of `f` that returns what has the structure and the shapes of the
    argument, or a tuple of such for several positions.

    **Errors:** `ValueError` for a result of other shapes; `TypeError` for integers and complex numbers.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.jacobian_diagonal(lambda x: x**2 + np.sum(x))(np.array([1.0, 2.0]))
    array([3., 5.])
    """
    positions = positions_of("jacobian_diagonal", f, argnums)

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        linear, structures, given = linearised("jacobian_diagonal", f, args, kwargs, positions)
        linear.check_real()
        got, needed = [[aval_of(x).shape for x in xs] for xs in (linear.outputs, linear.leaves)]
        if got != needed:
            raise ValueError(
                f"`jacobian_diagonal` needs results of the shapes of the arguments, {_text(needed)}, got {_text(got)} "
                f"of `{linear.name}`; use `jacobian` where the Jacobian is not square"
            )
        leave = leaving(given)
        return by_argument(structures, [leave(_diagonal(linear, j)) for j in range(len(needed))], argnums)

    return differentiated


def laplacian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the sum of the second derivatives of `f` by each element of the argument.

    It is the trace of the Hessian, exactly, by a product of the Hessian with each unit vector, and keeps no matrix.

    **Arguments:** `f`, a function that returns one number; `argnums`, as for `jacobian`.

    **Returns:** a function with the arguments of `f` that returns one number.

    **Errors:** `TypeError` for integers and complex numbers.

    >>> import numpy as np
    >>> import autograd as ag
    >>> float(ag.laplacian(lambda x: np.sum(x**3))(np.array([1.0, 2.0])))
    18.0
    """
    positions = positions_of("laplacian", f, argnums)

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        linear, _, given = linearised("laplacian", grad(f, positions), args, kwargs, positions)
        linear.check_real()
        total = _total([functions.sum(_diagonal(linear, j)) for j in range(len(linear.leaves))], ())
        return leaving(given)(total)

    return differentiated


def _diagonal(linear: Linear, j: int) -> Any:
    """The diagonal of the Jacobian of output `j` by leaf `j`."""
    found = linear.diagonal(j)
    return zeros_of(linear.leaves[j]) if found is None else found


def _total(terms: Sequence[Any], shape: tuple[int, ...]) -> Any:
    return functions.reshape(reduce(add, terms), shape) if terms else np.zeros(shape)


def _text(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "none"
