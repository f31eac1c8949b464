"""The derivatives of `autograd.derivatives`, compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import autograd as ag
from autograd.transforms import Argnums

from .dispatch.compiled import Compiled
from .dispatch.recordings import Options


def jacobian(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the Jacobian of `function`, by columns or by rows, whichever are fewer.

    **Arguments:** as for `autograd.jacobian`; `options`, as for `compile`.

    >>> import numpy as np
    >>> import jit
    >>> jit.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return Compiled(ag.jacobian(function, argnums), functional=True, **options)


def jacfwd(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the Jacobian of `function` by columns, in forward mode.

    **Arguments:** as for `jacobian`.

    >>> import jit
    >>> jit.jacfwd(lambda x: (x**2, x**3))(2.0)
    (4.0, 12.0)
    """
    return Compiled(ag.jacfwd(function, argnums), functional=True, **options)


def jacrev(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the Jacobian of `function` by rows, in reverse mode.

    **Arguments:** as for `jacobian`.

    >>> import jit
    >>> jit.jacrev(lambda x, y: x * y, (0, 1))(2.0, 3.0)
    (3.0, 2.0)
    """
    return Compiled(ag.jacrev(function, argnums), functional=True, **options)


def hessian(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the matrix of second derivatives of `function`, which returns one number.

    **Arguments:** as for `jacobian`.

    >>> import numpy as np
    >>> import jit
    >>> jit.hessian(lambda x: x[0] * x[1] ** 2)(np.array([1.0, 2.0]))
    array([[0., 4.],
           [4., 2.]])
    """
    return Compiled(ag.hessian(function, argnums), functional=True, **options)


def hvp(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function of the arguments of `function` and a vector: the product of the Hessian and the vector.

    **Arguments:** as for `jacobian`.

    >>> import numpy as np
    >>> import jit
    >>> jit.hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([  6., 120.])
    """
    return Compiled(ag.hvp(function, argnums), functional=True, **options)


def gauss_newton(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns `(value, gradient, matrix)` of least squares for the residuals of `function`.

    **Arguments:** as for `autograd.gauss_newton`; `options`, as for `compile`.

    >>> import numpy as np
    >>> import jit
    >>> jit.gauss_newton(lambda x: 3 * x)(np.array([1.0, 2.0]))[2]
    array([[9., 0.],
           [0., 9.]])
    """
    return Compiled(ag.gauss_newton(function, argnums), functional=True, **options)


def jacobian_diagonal(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the diagonal of the Jacobian of `function`.

    **Arguments:** as for `autograd.jacobian_diagonal`; `options`, as for `compile`.

    >>> import numpy as np
    >>> import jit
    >>> jit.jacobian_diagonal(lambda x: x**2 + np.sum(x))(np.array([1.0, 2.0]))
    array([3., 5.])
    """
    return Compiled(ag.jacobian_diagonal(function, argnums), functional=True, **options)


def laplacian(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the trace of the Hessian of `function`, which returns one number.

    **Arguments:** as for `autograd.laplacian`; `options`, as for `compile`.

    >>> import numpy as np
    >>> import jit
    >>> float(jit.laplacian(lambda x: np.sum(x**3))(np.array([1.0, 2.0])))
    18.0
    """
    return Compiled(ag.laplacian(function, argnums), functional=True, **options)


def jvp(function: Callable[..., Any], **options: Unpack[Options]) -> Compiled:
    """A compiled function of a tuple of arguments and a tuple of tangents, which returns what `autograd.jvp` does.

    **Arguments:** `function`; `options`, as for `compile`.

    >>> import jit
    >>> jit.jvp(lambda x: x**2)((3.0,), (10.0,))
    (9.0, 60.0)
    """

    def value_and_tangent(xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]:
        return ag.jvp(function, xs, vs)

    return Compiled(_called(value_and_tangent, function), functional=True, **options)


def vjp(function: Callable[..., Any], **options: Unpack[Options]) -> Compiled:
    """A compiled function of a tuple of arguments and a cotangent: the value, and a tuple of cotangents.

    **Arguments:** `function`; `options`, as for `compile`.

    >>> import jit
    >>> jit.vjp(lambda x, y: x * y)((3.0, 5.0), 10.0)
    (15.0, (50.0, 30.0))
    """

    def value_and_cotangents(xs: Sequence[Any], g: Any) -> tuple[Any, Any]:
        value, pullback = ag.vjp(function, *xs)
        return value, pullback(g)

    return Compiled(_called(value_and_cotangents, function), functional=True, **options)


def _called(f: Callable[..., Any], function: Any) -> Callable[..., Any]:
    f.__name__ = getattr(function, "__name__", f.__name__)
    return f
