"""The signature of a call: the structure of its arguments, and of each leaf all that a kernel fixes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor
from autograd.primitive import Shape
from autograd.tree import Structure, flatten

NUMBERS = (float, int, np.generic)


class Leaf(NamedTuple):
    """A leaf of the arguments.

    `kind` is `array`, `number` or `static`; a static leaf (a string, a boolean, `None`, any other object) is part of
    the program by its `value`; the `value` of a number is its type, since Python's numbers promote as NumPy's do not.
    `order` is the permutation of the axes under which the array is contiguous.
    """

    kind: str
    shape: Shape = ()
    dtype: Any = None
    order: tuple[int, ...] | None = None
    is_tensor: bool = False
    requires_grad: bool = False
    value: Any = None


class Signature(NamedTuple):
    """The structure of positional and keyword arguments, and their leaves."""

    structure: Structure
    leaves: tuple[Leaf, ...]


def signature_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Signature, list[Any]]:
    """The signature of a call, and the values of its leaves as kernels take them: contiguous or permuted arrays."""
    values, structure = flatten((args, kwargs))
    leaves = [_leaf(x) for x in values]
    ready = [_ready(x, leaf) for x, leaf in zip(values, leaves, strict=True)]
    return Signature(structure, tuple(leaves)), ready


def _leaf(x: Any) -> Leaf:
    if isinstance(x, Tensor):
        leaf = _array_leaf(np.asarray(x.data))
        return leaf._replace(is_tensor=True, requires_grad=x.requires_grad)
    if isinstance(x, np.ndarray):
        return _array_leaf(x)
    if isinstance(x, bool | np.bool_) or not isinstance(x, NUMBERS):
        return Leaf("static", value=_hashable(x))
    return Leaf("number", dtype=np.asarray(x).dtype, value=type(x))


def _array_leaf(x: np.ndarray[Any, Any]) -> Leaf:
    if x.dtype.kind not in "fiub":
        raise TypeError(
            f"compiled functions take arrays of floats, integers and booleans, got {x.dtype}; convert it, or pass it as "
            "part of a closure"
        )
    return Leaf("array", x.shape, x.dtype, order_of(x))


def order_of(x: np.ndarray[Any, Any]) -> tuple[int, ...] | None:
    """The permutation of the axes that makes a dense array contiguous; `None` where it is, or none does."""
    if x.ndim < 2 or x.flags.c_contiguous:
        return None
    order = tuple(sorted(range(x.ndim), key=lambda i: -x.strides[i]))
    return order if x.transpose(order).flags.c_contiguous else None


def _hashable(x: Any) -> Any:
    try:
        hash(x)
    except TypeError:
        raise TypeError(
            f"an argument of a compiled function is an array, a tensor, a number, a hashable object, or nested tuples, "
            f"lists and dicts of them, got {type(x).__name__}"
        ) from None
    # Equal values of different types, 1 and True, are different programs.
    return (type(x), x)


def _ready(x: Any, leaf: Leaf) -> Any:
    if leaf.kind != "array":
        return x
    array = np.asarray(x.data if isinstance(x, Tensor) else x)
    dense = leaf.order is not None or array.flags.c_contiguous
    # Kernels read writeable native arrays without gaps; anything else is copied for the call.
    if dense and array.flags.writeable and array.flags.aligned and array.dtype.isnative:
        return array
    return np.array(array, array.dtype.newbyteorder("="), order="C" if leaf.order is None else "K")
