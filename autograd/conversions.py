"""How values leave the library: as arrays, as Python's numbers, and where they must not."""

from __future__ import annotations

import sys
from opcode import opmap
from typing import Any

import numpy as np

from .primitive import Traced
from .tape import Guard, Node, current_tape, user_line

_STORE_SUBSCR = opmap["STORE_SUBSCR"]


class Conversions(Traced):
    """The conversions of a tensor: none cuts a gradient or a recording without a word."""

    __slots__ = ()

    data: Any
    node: Node | None
    requires_grad: bool

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array, which shares their memory.

        **Errors:** `RuntimeError` for a tensor that requires a gradient, or while a tape records.
        """
        self._check_array("`numpy()`")
        return np.asarray(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        self._check_array("the NumPy array")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        """The memory of the tensor for another library, by the DLPack protocol; nothing is copied unless asked."""
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        self._check_array("DLPack")
        return np.asarray(self.data).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.asarray(self.data).__dlpack_device__()

    def item(self) -> Any:
        """The only element as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"`item` needs a tensor with one element, got shape {self.data.shape}; use `tolist()`")
        return self.escape(self.data.item())

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.escape(self.data.tolist())

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"the truth of a tensor with shape {self.data.shape} is ambiguous; use `.any()`, `.all()` or `where`"
            )
        return self._number("bool", bool)

    def __float__(self) -> float:
        return self._number("float", float)

    def __int__(self) -> int:
        return self._number("int", int)

    def __complex__(self) -> complex:
        return self._number("complex", complex)

    def __index__(self) -> int:
        if self.data.dtype.kind not in "iu":
            raise TypeError(f"an index needs an integer, got a tensor of {self.data.dtype.name}; use `int(x)`")
        return self._number("index", int)

    def _number(self, name: str, kind: type) -> Any:
        """The only element as a number of that kind, for a method that Python or NumPy calls.

        `array[i] = x` calls the same methods as `float(x)`. The two differ in nothing but the instruction that the
        frame of their caller is at.
        """
        if self.data.size != 1:
            raise TypeError(f"`{name}` needs a tensor with one element, got shape {self.data.shape}")
        if self.requires_grad or current_tape() is not None:
            frame = sys._getframe(2)
            if frame.f_code.co_code[frame.f_lasti] == _STORE_SUBSCR:
                self._check_array("`array[i] = x`")
        return self.escape(kind(self.data.item()))

    def escape(self, value: Any) -> Any:
        """`value`, which Python is about to decide on, noted as a guard where a tape records."""
        tape = current_tape()
        if tape is not None:
            tape.guards.append(Guard(self.node or self, value, user_line()))
        return value

    def _check_array(self, name: str) -> None:
        """Refuses to hand the bare array to NumPy where that would cut a gradient or a recording."""
        if self.requires_grad:
            raise RuntimeError(
                f"{name} of a tensor that requires a gradient would cut the gradient; to write it into an array, "
                "make that a tensor, `ag.zeros(...)`, or build it with `stack` or `concatenate`; to leave the gradient "
                "behind, call `.detach().numpy()`"
            )
        if current_tape() is not None:
            raise RuntimeError(
                f"{name} of a tensor while a tape records would freeze the values of this call into the "
                "recording; use the functions of `autograd` or of NumPy on the tensor itself, and `stack`, or a tensor "
                "to write into, `ag.zeros(...)`, instead of an array"
            )
