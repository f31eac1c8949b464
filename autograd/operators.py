"""Infix operators and methods: what a tensor can do, each by an op or a function of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import functions, linalg, ops
from .functions.arguments import given_shape, reversed_axes
from .functions.indexing import getitem
from .primitive import Primitive, Traced, aval_of

_NO_PARAMS: dict[str, Any] = {}


def _method(primitive: Primitive, name: str = "") -> Callable[..., Any]:
    """The method that applies an op to the tensor and what other inputs it has."""

    def method(self: Any, *others: Any) -> Any:
        return self.bind(primitive, (self, *others), _NO_PARAMS)

    method.__name__ = name or primitive.name
    method.__qualname__ = f"Operators.{method.__name__}"
    method.__doc__ = f"See `autograd.{method.__name__}`."
    return method


class Operators(Traced):
    """The operators and methods of a traced value."""

    __slots__ = ()

    shape: Any
    dtype: Any

    # ---- operators ----

    # fmt: off
    def __neg__(self) -> Any: return self.bind(ops.neg, (self,), _NO_PARAMS)
    def __pos__(self) -> Any: return self
    def __abs__(self) -> Any: return self.bind(ops.abs, (self,), _NO_PARAMS)
    def __invert__(self) -> Any: return self._logical(ops.logical_not, "~", self)
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
    def __divmod__(self, y: Any) -> Any: return self // y, self % y
    def __rdivmod__(self, x: Any) -> Any: return x // self, x % self
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
    def __and__(self, y: Any) -> Any: return self._logical(ops.logical_and, "&", self, y)
    def __rand__(self, x: Any) -> Any: return self._logical(ops.logical_and, "&", x, self)
    def __or__(self, y: Any) -> Any: return self._logical(ops.logical_or, "|", self, y)
    def __ror__(self, x: Any) -> Any: return self._logical(ops.logical_or, "|", x, self)
    def __xor__(self, y: Any) -> Any: return self._logical(ops.logical_xor, "^", self, y)
    def __rxor__(self, x: Any) -> Any: return self._logical(ops.logical_xor, "^", x, self)
    def __round__(self, decimals: int = 0) -> Any: return functions.round(self, decimals)
    # fmt: on

    def _logical(self, primitive: Primitive, sign: str, *inputs: Any) -> Any:
        dtypes = [aval_of(x).dtype for x in inputs]
        if any(dtype.kind != "b" for dtype in dtypes):
            got = " and ".join([dtype.name for dtype in dtypes])
            raise TypeError(
                f"`{sign}` on tensors needs booleans, got {got}; compare them first, as in "
                f"`(x > 0) & (y > 0)`, or use `{primitive}`"
            )
        return self.bind(primitive, inputs, _NO_PARAMS)

    # ---- a sequence of rows ----

    __getitem__ = getitem

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("`len` needs a tensor of one axis at least, got a single number")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("an iteration needs a tensor of one axis at least, got a single number")
        return map(self.__getitem__, range(self.shape[0]))

    def __contains__(self, item: Any) -> bool:
        return bool(functions.any(self == item))

    # ---- the shape ----

    @property
    def T(self) -> Any:
        """The axes in reverse order; see `autograd.transpose`."""
        return reversed_axes(self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged; see `autograd.matrix_transpose`."""
        return functions.matrix_transpose(self)

    def reshape(self, *shape: Any) -> Any:
        """See `autograd.reshape`; the shape may be given as several numbers."""
        return functions.reshape(self, given_shape(shape))

    def transpose(self, *axes: Any) -> Any:
        """See `autograd.transpose`; the axes may be given as several numbers.

        As in NumPy these are all axes in their new order; `swapaxes` exchanges two, as PyTorch's method does.
        """
        return functions.transpose(self, given_shape(axes) if axes else None)

    def permute(self, *axes: Any) -> Any:
        """See `autograd.permute`; the axes may be given as several numbers."""
        return functions.permute(self, given_shape(axes))

    def expand(self, *shape: Any) -> Any:
        """See `autograd.expand`; the shape may be given as several numbers."""
        return functions.expand(self, given_shape(shape))

    def expand_as(self, y: Any) -> Any:
        """See `autograd.broadcast_to`: the shape of another tensor."""
        return functions.broadcast_to(self, y.shape)

    flatten = functions.flatten
    ravel = functions.ravel
    squeeze = functions.squeeze
    swapaxes = functions.swapaxes
    unsqueeze = functions.unsqueeze

    # ---- elements ----

    diagonal = functions.diagonal
    diff = functions.diff
    flip = functions.flip
    index_add = functions.index_add
    index_put = functions.index_put
    masked_fill = functions.masked_fill
    repeat = functions.repeat
    roll = functions.roll
    scatter_add = functions.scatter_add
    split = functions.split
    take = functions.take
    tile = functions.tile
    tril = functions.tril
    triu = functions.triu

    # ---- reductions ----

    all = functions.all
    any = functions.any
    argmax = functions.argmax
    argmin = functions.argmin
    cumsum = functions.cumsum
    log_softmax = functions.log_softmax
    logsumexp = functions.logsumexp
    max = functions.max
    mean = functions.mean
    min = functions.min
    prod = functions.prod
    softmax = functions.softmax
    std = functions.std
    sum = functions.sum
    trace = functions.trace
    var = functions.var

    argsort = functions.argsort
    count_nonzero = functions.count_nonzero
    cumprod = functions.cumprod
    median = functions.median
    nanmean = functions.nanmean
    nansum = functions.nansum
    quantile = functions.quantile

    # ---- products ----

    dot = functions.dot
    inner = functions.inner
    matmul = functions.matmul
    outer = functions.outer

    # ---- each element ----

    abs = _method(ops.abs)
    add = _method(ops.add)
    arccos = _method(ops.arccos)
    arcsin = _method(ops.arcsin)
    arctan = _method(ops.arctan)
    ceil = _method(ops.ceil)
    cos = _method(ops.cos)
    cosh = _method(ops.cosh)
    div = _method(ops.div)
    erf = _method(ops.erf)
    exp = _method(ops.exp)
    expm1 = _method(ops.expm1)
    floor = _method(ops.floor)
    isfinite = _method(ops.isfinite)
    isinf = _method(ops.isinf)
    isnan = _method(ops.isnan)
    log = _method(ops.log)
    log10 = _method(ops.log10)
    log1p = _method(ops.log1p)
    log2 = _method(ops.log2)
    maximum = _method(ops.maximum)
    minimum = _method(ops.minimum)
    mul = _method(ops.mul)
    neg = _method(ops.neg)
    pow = _method(ops.pow)
    reciprocal = _method(ops.reciprocal)
    relu = _method(ops.relu)
    sigmoid = _method(ops.sigmoid)
    sign = _method(ops.sign)
    sin = _method(ops.sin)
    sinh = _method(ops.sinh)
    softplus = _method(ops.softplus)
    sqrt = _method(ops.sqrt)
    square = _method(ops.square)
    sub = _method(ops.sub)
    tan = _method(ops.tan)
    tanh = _method(ops.tanh)
    trunc = _method(ops.trunc)

    clip = functions.clip
    copysign = _method(ops.copysign)
    nan_to_num = functions.nan_to_num
    round = functions.round

    def clamp(self, min: Any = None, max: Any = None) -> Any:
        """See `autograd.clip`."""
        return functions.clip(self, min, max)

    # ---- complex numbers ----

    angle = functions.angle
    conj = functions.conj
    conjugate = functions.conj

    @property
    def real(self) -> Any:
        """The real parts of the elements; see `autograd.real`."""
        return functions.real(self)

    @property
    def imag(self) -> Any:
        """The imaginary parts of the elements; see `autograd.imag`."""
        return functions.imag(self)

    # ---- linear algebra ----

    det = linalg.det
    inverse = linalg.inv
    norm = linalg.norm

    # ---- the dtype ----

    astype = functions.astype
    clone = functions.clone
    copy = functions.clone

    def double(self) -> Any:
        """The elements in float64; see `autograd.astype`."""
        return functions.astype(self, np.float64)

    def float(self) -> Any:
        """The elements in float32, as in PyTorch; see `autograd.astype`."""
        return functions.astype(self, np.float32)
