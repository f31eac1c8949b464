"""Products of vectors, matrices and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from .. import ops
from .arguments import as_array, axis_of, reshaped
from .complexes import conj
from .einsum import plan_of, run
from .movement import ravel


def matmul(x: Any, y: Any) -> Any:
    """The matrix product, as `x @ y`.

    **Arguments:** `x`, of shape `(..., n, k)` or `(k,)`; `y`, of shape `(..., k, m)` or `(k,)`; the leading
    axes broadcast.

    **Returns:** an array of shape `(..., n, m)`, without the axis that a vector lacks.

    **Errors:** `ValueError` for shapes that do not fit.

    >>> import autograd as ag
    >>> ag.matmul([[1, 2], [3, 4]], [5, 6])
    array([17, 39])
    """
    return ops.matmul(as_array(x), as_array(y))


def dot(x: Any, y: Any) -> Any:
    """The sum of products over the last axis of `x` and the last but one of `y`, or its only one.

    For vectors and matrices it is `matmul`; with a number it is the product.

    >>> import autograd as ag
    >>> float(ag.dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    x, y = as_array(x), as_array(y)
    n, m = len(x.shape), len(y.shape)
    if n == 0 or m == 0:
        return ops.mul(x, y)
    if m == 1 or n <= 2 == m:
        return ops.matmul.of((x, y), {}, _dot)
    return _summed("dot", x, y, [n - 1], [m - 2])


def _dot(x: Any, y: Any) -> Any:
    # What NumPy computes for `dot`, which takes half as long as its `matmul`.
    return x.dot(y)


def inner(x: Any, y: Any) -> Any:
    """The sum of products over the last axis of both; with a number it is the product.

    >>> import autograd as ag
    >>> ag.inner([[1, 2], [3, 4]], [5, 6])
    array([17, 39])
    """
    x, y = as_array(x), as_array(y)
    if not x.shape or not y.shape:
        return ops.mul(x, y)
    if len(y.shape) == 1:
        return ops.matmul(x, y)
    return _summed("inner", x, y, [len(x.shape) - 1], [len(y.shape) - 1])


def outer(x: Any, y: Any) -> Any:
    """The product of each element of `x` with each element of `y`, both flattened.

    >>> import autograd as ag
    >>> ag.outer([1, 2], [3, 4])
    array([[3, 4],
           [6, 8]])
    """
    x = as_array(x)
    return ops.mul(reshaped(x, (prod(x.shape), 1)), ravel(y))


def vdot(x: Any, y: Any) -> Any:
    """The sum of the products of all elements.

    Complex elements of `x` are taken as their conjugates, as in NumPy.

    **Errors:** `ValueError` for different numbers of elements.

    >>> import autograd as ag
    >>> float(ag.vdot([[1.0, 2.0]], [[3.0], [4.0]]))
    11.0
    """
    x, y = ravel(x), ravel(y)
    if x.shape != y.shape:
        raise ValueError(f"`vdot` needs as many elements in both, got {x.shape[0]} and {y.shape[0]}")
    return ops.matmul(conj(x), y)


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """The sum of products over some axes of both.

    **Arguments:** `x` and `y`; `axes`, the number of last axes of `x` and first axes of `y`, or a pair: the
    axes of `x`, and as many of `y`.

    **Returns:** an array with the other axes of `x`, then those of `y`.

    **Errors:** `ValueError` for axes of different lengths or numbers.

    >>> import autograd as ag
    >>> ag.tensordot([[1, 2], [3, 4]], [[5, 6], [7, 8]], axes=1)
    array([[19, 22],
           [43, 50]])
    """
    x, y = as_array(x), as_array(y)
    if np.ndim(axes) == 0:
        count = int(axes)
        if not 0 <= count <= min(len(x.shape), len(y.shape)):
            raise ValueError(
                f"`tensordot` needs a number of axes that both have, got {count} for shapes {x.shape} and {y.shape}"
            )
        return _summed("tensordot", x, y, list(range(len(x.shape) - count, len(x.shape))), list(range(count)))
    first, second = [list(part) if isinstance(part, Sequence) else [part] for part in axes]
    return _summed(
        "tensordot",
        x,
        y,
        [axis_of("tensordot", i, len(x.shape)) for i in first],
        [axis_of("tensordot", i, len(y.shape)) for i in second],
    )


def _summed(name: str, x: Any, y: Any, x_axes: list[int], y_axes: list[int]) -> Any:
    """The sum of products over pairs of axes, as one matrix product."""
    lengths = [x.shape[i] for i in x_axes], [y.shape[i] for i in y_axes]
    if lengths[0] != lengths[1] or len(set(x_axes)) != len(x_axes) or len(set(y_axes)) != len(y_axes):
        raise ValueError(
            f"`{name}` needs axes of the same lengths, each once, got axes {x_axes} of shape {x.shape} and "
            f"axes {y_axes} of shape {y.shape}; transpose or reshape one of them"
        )
    labels = iter(ascii_letters)
    first = [next(labels) for _ in x.shape]
    second = [first[x_axes[y_axes.index(i)]] if i in y_axes else next(labels) for i in range(len(y.shape))]
    kept = [c for i, c in enumerate(first) if i not in x_axes] + [c for c in second if c not in first]
    subscripts = f"{''.join(first)},{''.join(second)}->{''.join(kept)}"
    return run(plan_of(subscripts, (x.shape, y.shape)), [x, y])
