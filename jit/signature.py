"""The signature of a call: the structure of its arguments, and of each leaf all that a kernel fixes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor
from autograd.lengths import is_length, is_open
from autograd.primitive import Shape
from autograd.tree import Structure, flatten

Order = tuple[int, ...] | None
_FLOAT, _INT, _COMPLEX = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.complex128)
_PRECISIONS = frozenset(map(np.dtype, (np.float64, np.float32, np.complex128, np.complex64)))


class Leaf(NamedTuple):
    """A leaf of the arguments.

    `kind` is `array`, `number` or `static`; a static leaf (a string, a boolean, `None`, any other object) is part of
    the program by its `value`; the `value` of a number is its type, since Python's numbers promote as NumPy's do not,
    and that of an array is its type as well. `order` is the permutation of the axes under which the array is
    contiguous; one that is not `ready` is copied for each call.
    """

    kind: str
    shape: Shape = ()
    dtype: Any = None
    order: Order = None
    ready: bool = True
    is_tensor: bool = False
    requires_grad: bool = False
    value: Any = None


class Signature(NamedTuple):
    """The structure of positional and keyword arguments, and their leaves."""

    structure: Structure
    leaves: tuple[Leaf, ...]


def signature_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Signature, list[Any]]:
    """The signature of a call, and the leaves of its arguments."""
    values, structure = flatten((args, kwargs))
    return Signature(structure, tuple([leaf_of(x) for x in values])), values


def sizes_of(signature: Signature, values: Sequence[Any]) -> dict[str, int]:
    """The open sizes of a signature, by name, as they are for the leaves of a call."""
    pairs = [(leaf.shape, np.shape(x)) for leaf, x in zip(signature.leaves, values, strict=True) if is_open(leaf.shape)]
    return {str(n): m for lengths, shape in pairs for n, m in zip(lengths, shape, strict=True) if is_length(n)}


def leaf_of(x: Any) -> Leaf:
    """What a signature says of a leaf."""
    kind = type(x)
    if isinstance(x, Tensor):
        leaf = _array_leaf(np.asarray(x.data), kind)
        return leaf._replace(is_tensor=True, requires_grad=x.requires_grad)
    if isinstance(x, np.ndarray):
        return _array_leaf(x, kind)
    if kind is float:
        return Leaf("number", dtype=_FLOAT, value=float)
    if kind is int:
        if not -(2**63) <= x < 2**63:
            raise OverflowError(f"compiled functions take integers of 64 bits, got {x}; pass a float")
        return Leaf("number", dtype=_INT, value=int)
    if kind is complex:
        return Leaf("number", dtype=_COMPLEX, value=complex)
    if isinstance(x, np.number):
        check_dtype(x.dtype)
        return Leaf("number", dtype=x.dtype, value=kind)
    return Leaf("static", value=_hashable(x))


def _array_leaf(x: np.ndarray[Any, Any], kind: type) -> Leaf:
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise TypeError(
            f"compiled functions take plain arrays, got a {type(x).__name__}, whose operations mean other things; pass "
            "`np.asarray(x)`"
        )
    check_dtype(x.dtype)
    order = order_of(x)
    return Leaf("array", x.shape, x.dtype, order, is_ready(x if order is None else x.transpose(order)), value=kind)


def check_dtype(dtype: np.dtype[Any]) -> None:
    """
    **Errors:** `TypeError` for a dtype that kernels do not compute with.
    """
    if dtype.kind not in "fiubc" or (dtype.kind in "fc" and dtype.newbyteorder("=") not in _PRECISIONS):
        raise TypeError(
            "compiled functions compute with float64, float32, complex128, complex64, integers and booleans, got "
            f"{dtype}; convert it with `astype`, or call the function itself"
        )


def order_of(x: np.ndarray[Any, Any]) -> Order:
    """The permutation of the axes that makes a dense array contiguous; `None` where it is, or none does."""
    if x.ndim < 2 or x.flags.c_contiguous:
        return None
    order = tuple(sorted(range(x.ndim), key=lambda i: -x.strides[i]))
    return order if x.transpose(order).flags.c_contiguous else None


def _hashable(x: Any) -> Any:
    if hasattr(type(x), "__array__") and not isinstance(x, np.generic):
        raise TypeError(
            f"compiled functions take arrays, tensors and numbers, got {type(x).__name__}; convert it, with "
            "`np.asarray(x)`"
        )
    try:
        hash(x)
    except (TypeError, ValueError):
        raise TypeError(
            "an argument of a compiled function is an array, a tensor, a number, a hashable object, or nested tuples, "
            f"lists and dicts of them, got {type(x).__name__}, which is not hashable; pass the arrays that it holds"
        ) from None
    # Equal values of different types, 1 and True, are different programs.
    return (type(x), x)


def is_ready(x: np.ndarray[Any, Any]) -> bool:
    """Whether kernels take the array as it is: contiguous, aligned, of the machine's byte order, and of no subclass."""
    return type(x) is np.ndarray and x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative


def ready(x: Any, order: Order = None) -> np.ndarray[Any, Any]:
    """The array as kernels take it: permuted to `order`, and copied where it is not `is_ready` then."""
    x = np.asarray(x)
    x = x if order is None else x.transpose(order)
    return x if is_ready(x) else np.array(x, x.dtype.newbyteorder("="), order="C")
