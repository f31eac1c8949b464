"""What passes between `forward` and `backward` of a function of the user's: what it saved, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .ops import mul
from .ops.broadcasting import unbroadcast
from .primitive import Aval, Shape
from .tensor import Tensor, constant, lift


class Cotangents(tuple[Any, ...]):
    """The cotangents of several outputs, `None` for those that nothing depends on; they add element by element."""

    __slots__ = ()

    def __add__(self, other: Any) -> Cotangents:
        pairs = zip(self, other, strict=True)
        return Cotangents([y if x is None else x if y is None else x + y for x, y in pairs])

    @staticmethod
    def one(g: Any, i: int, count: int) -> Cotangents:
        """Those of `count` outputs of which the `i`-th alone has one."""
        return Cotangents([g if k == i else None for k in range(count)])


class Output:
    """Stands for an output among the saved tensors: the output itself would keep its own node alive."""

    def __init__(self, index: int, data: Any) -> None:
        self.index, self.data = index, data


class Kept:
    """A tensor as it is now: it may be given other data, or leave its graph, before it is read again."""

    __slots__ = ("data", "source", "tensor")

    def __init__(self, x: Tensor) -> None:
        self.tensor, self.data = x, x.data
        self.source = (x.node or x) if x.requires_grad else None

    def restored(self) -> Tensor:
        """The tensor as it was."""
        x = self.tensor
        if x.data is self.data and ((x.node or x) if x.requires_grad else None) is self.source:
            return x
        found = lift(self.data, self.source)
        return found if isinstance(found, Tensor) else constant(found)


class Context:
    """What `forward` leaves for `backward`; attributes may be set on it, but tensors belong in `save_for_backward`."""

    def __init__(self, function: Any, needs_input_grad: tuple[bool, ...]) -> None:
        #: For each argument, whether its gradient is wanted.
        self.needs_input_grad = needs_input_grad
        self._function, self._materialize = function, True
        self._saved: Sequence[Any] = ()
        self._unmarked: tuple[Any, ...] = ()
        # Shapes and dtypes of the arguments and the outputs that are tensors.
        self._avals: tuple[Aval | None, ...] = ()
        self._outputs: Sequence[Aval | None] = ()
        # Of an eager call, the nodes of its outputs; of a recorded one, which saved tensors are outputs or `None`.
        self._nodes: list[Any] = []
        self._places: Sequence[int | None] = ()
        self._absent: Sequence[bool] = ()

    def __repr__(self) -> str:
        return self._function.__name__

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs, outputs or tensors made in between for `backward`; the values are freed with the graph."""
        for i, x in enumerate(tensors):
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(x).__name__}; "
                    "set it as an attribute of `ctx` instead"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps them for `jvp`, as `save_for_backward` does: both read the same `saved_tensors`."""
        self.save_for_backward(*tensors)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` was given, in `backward` and `jvp`."""
        return tuple(self._saved)

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Says that these outputs have no gradient."""
        self._unmarked = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros, and not `None`, for outputs that nothing depends on; it does unless said."""
        self._materialize = value


def fitted(name: str, i: int, g: Any, aval: Aval, recorded: bool) -> Any:
    """What a user's rule gives as the cotangent of input `i`, in the shape and dtype of that input.

    It is an array, or where the sweep is `recorded` a tensor; its memory is somebody else's.

    **Errors:** `ValueError` for a shape that broadcasting does not make of the input's.
    """
    x = g if isinstance(g, Tensor) else constant(np.asarray(g))
    if x.dtype.kind not in "biufc" or not _reaches(aval.shape, x.shape):
        raise ValueError(
            f"{name} returned an invalid gradient at index {i} - got {x.dtype.name} of shape {x.shape} but expected "
            f"shape compatible with {aval.shape}"
        )
    if recorded:
        # A tensor of somebody else's must not become the `.grad` of a leaf.
        return unbroadcast(mul(x, 1) if x.node is None else x, aval)
    # As a view, which shows that the memory may be somebody else's.
    return unbroadcast(np.asarray(x.data)[...], aval)


def _reaches(shape: Shape, wider: Shape) -> bool:
    """Whether broadcasting makes the one shape the other."""
    try:
        return np.broadcast_shapes(shape, wider) == wider
    except ValueError:
        return False
