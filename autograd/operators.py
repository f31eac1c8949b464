"""Infix operators and methods: what a tensor can do, each by an op or a function of the library."""

from __future__ import annotations

from typing import Any

from . import functions, ops
from .primitive import Shape, Traced

_NO_PARAMS: dict[str, Any] = {}


class Operators(Traced):
    """The operators and methods of a traced value."""

    __slots__ = ()

    # fmt: off
    def __neg__(self) -> Any: return self.bind(ops.neg, (self,), _NO_PARAMS)
    def __pos__(self) -> Any: return self
    def __abs__(self) -> Any: return self.bind(ops.abs, (self,), _NO_PARAMS)
    def __invert__(self) -> Any: return self.bind(ops.logical_not, (self,), _NO_PARAMS)
    def __add__(self, y: Any) -> Any: return self.bind(ops.add, (self, y), _NO_PARAMS)
    def __radd__(self, x: Any) -> Any: return self.bind(ops.add, (x, self), _NO_PARAMS)
    def __sub__(self, y: Any) -> Any: return self.bind(ops.sub, (self, y), _NO_PARAMS)
    def __rsub__(self, x: Any) -> Any: return self.bind(ops.sub, (x, self), _NO_PARAMS)
    def __mul__(self, y: Any) -> Any: return self.bind(ops.mul, (self, y), _NO_PARAMS)
    def __rmul__(self, x: Any) -> Any: return self.bind(ops.mul, (x, self), _NO_PARAMS)
    def __truediv__(self, y: Any) -> Any: return self.bind(ops.div, (self, y), _NO_PARAMS)
    def __rtruediv__(self, x: Any) -> Any: return self.bind(ops.div, (x, self), _NO_PARAMS)
    def __floordiv__(self, y: Any) -> Any: return self.bind(ops.floor_divide, (self, y), _NO_PARAMS)
    def __rfloordiv__(self, x: Any) -> Any: return self.bind(ops.floor_divide, (x, self), _NO_PARAMS)
    def __mod__(self, y: Any) -> Any: return self.bind(ops.mod, (self, y), _NO_PARAMS)
    def __rmod__(self, x: Any) -> Any: return self.bind(ops.mod, (x, self), _NO_PARAMS)
    def __pow__(self, y: Any) -> Any: return self.bind(ops.pow, (self, y), _NO_PARAMS)
    def __rpow__(self, x: Any) -> Any: return self.bind(ops.pow, (x, self), _NO_PARAMS)
    def __matmul__(self, y: Any) -> Any: return self.bind(ops.matmul, (self, y), _NO_PARAMS)
    def __rmatmul__(self, x: Any) -> Any: return self.bind(ops.matmul, (x, self), _NO_PARAMS)
    def __eq__(self, y: Any) -> Any: return self.bind(ops.equal, (self, y), _NO_PARAMS)
    def __ne__(self, y: Any) -> Any: return self.bind(ops.not_equal, (self, y), _NO_PARAMS)
    def __lt__(self, y: Any) -> Any: return self.bind(ops.less, (self, y), _NO_PARAMS)
    def __le__(self, y: Any) -> Any: return self.bind(ops.less_equal, (self, y), _NO_PARAMS)
    def __gt__(self, y: Any) -> Any: return self.bind(ops.greater, (self, y), _NO_PARAMS)
    def __ge__(self, y: Any) -> Any: return self.bind(ops.greater_equal, (self, y), _NO_PARAMS)
    def __and__(self, y: Any) -> Any: return self.bind(ops.logical_and, (self, y), _NO_PARAMS)
    def __or__(self, y: Any) -> Any: return self.bind(ops.logical_or, (self, y), _NO_PARAMS)
    def __xor__(self, y: Any) -> Any: return self.bind(ops.logical_xor, (self, y), _NO_PARAMS)
    # fmt: on
