"""Nested parameters as one vector, which is what solvers work on, and back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

from .creation import as_tensor
from .functions import concatenate, reshape
from .tensor import Tensor
from .tree import flatten, unflatten


def ravel_tree(tree: Any) -> tuple[Tensor, Callable[[Any], Any]]:
    """Nested parameters one after another in a vector, and the function that makes them of such a vector again.

    Both ways are differentiable.

    **Arguments:** `tree`, an array, a tensor or nested tuples, lists and dicts of them, of one dtype.

    **Returns:** `(vector, unravel)`; `unravel(vector)` gives tensors in the structure and shapes of `tree`, and in the
    dtype of the vector.

    **Errors:** `TypeError` for leaves of several dtypes; `ValueError` for a tree without leaves and, by `unravel`, for
    another length.

    >>> import autograd as ag
    >>> vector, unravel = ag.ravel_tree({"w": [1.0, 2.0], "b": 3.0})
    >>> vector
    tensor([1., 2., 3.])
    >>> unravel(10 * vector)["b"]
    tensor(30.)
    """
    leaves, structure = flatten(tree)
    xs = [as_tensor(x) for x in leaves]
    dtypes = sorted({x.dtype.name for x in xs})
    if not xs:
        raise ValueError("`ravel_tree` needs a tree with at least one array, got none")
    if len(dtypes) > 1:
        raise TypeError(f"`ravel_tree` needs leaves of one dtype, got {', '.join(dtypes)}; convert them first")
    shapes = [x.shape for x in xs]
    ends = list(accumulate((x.size for x in xs), initial=0))

    def unravel(vector: Any) -> Any:
        found = as_tensor(vector)
        if found.shape != (ends[-1],):
            raise ValueError(f"`unravel` needs a vector of the shape ({ends[-1]},), got the shape {found.shape}")
        parts = [found[start:end] for start, end in pairwise(ends)]
        return unflatten(structure, [reshape(x, shape) for x, shape in zip(parts, shapes, strict=True)])

    return concatenate([reshape(x, (x.size,)) for x in xs]), unravel
