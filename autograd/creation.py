"""Functions that make tensors."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import functions
from .functions.arguments import filled
from .primitive import Shape
from .tape import made_here
from .tensor import Tensor, constant


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of its own memory, with the values of `data`.

    **Arguments:** `data`, a number, an array, or nested lists of them; `dtype`, that of `data` unless said:
    float64 for Python's floats, int64 for its integers; `requires_grad`, whether operations on the tensor are
    recorded.

    **Returns:** a leaf; for a list that holds tensors their stack, which is recorded.

    **Errors:** `TypeError` for what holds no numbers, for `requires_grad` of integers or booleans, and for a
    tensor whose gradient a new leaf would cut; `ValueError` for lists of unequal lengths.

    >>> import autograd as ag
    >>> ag.tensor([1, 2])
    tensor([1, 2])
    >>> ag.tensor([1.0, 2.0], requires_grad=True)
    tensor([1., 2.], requires_grad=True)
    """
    if isinstance(data, Tensor):
        if data.requires_grad:
            raise TypeError(
                "`tensor` makes a leaf, which would cut the gradient of the tensor that it got; use that "
                "tensor itself, as `as_tensor` does, or `detach()` it first"
            )
        # As an operation, so that a recording knows where the values are from.
        x = functions.stop_gradient(data) if dtype is None else functions.astype(data, dtype)
        x.data = np.array(x.data)
    elif _holds_tensor(data):
        x = _stacked(data, dtype)
    else:
        x = made_here(constant(np.array(_numbers(data, dtype))))
    return x.requires_grad_() if requires_grad and not x.requires_grad else x


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """A tensor with the values of `data`, which shares the memory of an array; a tensor stays itself.

    **Arguments:** as for `tensor`.

    >>> import numpy as np
    >>> import autograd as ag
    >>> a = np.zeros(2)
    >>> x = ag.as_tensor(a)
    >>> a[0] = 5.0
    >>> x
    tensor([5., 0.])
    """
    if isinstance(data, Tensor):
        return data if dtype is None else functions.astype(data, dtype)
    return _stacked(data, dtype) if _holds_tensor(data) else constant(_numbers(data, dtype))


def from_dlpack(x: Any) -> Tensor:
    """A tensor which shares the memory of an array of another library, by the DLPack protocol.

    >>> import numpy as np
    >>> import autograd as ag
    >>> a = np.zeros(2)
    >>> x = ag.from_dlpack(a)
    >>> a[0] = 5.0
    >>> x
    tensor([5., 0.])
    """
    return constant(np.from_dlpack(x))


def _holds_tensor(data: Any) -> bool:
    return isinstance(data, list | tuple) and any(isinstance(x, Tensor) or _holds_tensor(x) for x in data)


def _stacked(data: Any, dtype: Any) -> Tensor:
    x: Tensor = functions.stack(data)
    return x if dtype is None else functions.astype(x, dtype)


def _numbers(data: Any, dtype: Any) -> Any:
    try:
        x = np.asarray(data, dtype=dtype)
    except (ValueError, TypeError) as error:
        raise type(error)(
            f"`tensor` needs a number, an array or nested lists of equal lengths, got {data!r:.200}: {error}"
        ) from None
    if x.dtype.kind not in "biufc":
        raise TypeError(
            f"`tensor` needs numbers or booleans, got {type(data).__name__} with elements of {x.dtype}; "
            "convert them first"
        )
    return x


def _made(data: Any, requires_grad: bool) -> Tensor:
    x = data if isinstance(data, Tensor) else made_here(constant(np.asarray(data)))
    return x.requires_grad_() if requires_grad else x


def _shape(name: str, sizes: tuple[Any, ...]) -> Shape:
    if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
        sizes = tuple(sizes[0])
    try:
        shape = tuple([operator.index(n) for n in sizes])
    except TypeError:
        raise TypeError(
            f"`{name}` needs a shape of integers, got {sizes}; name the other arguments: `dtype=...`"
        ) from None
    if any(n < 0 for n in shape):
        raise ValueError(f"`{name}` needs lengths of 0 or more, got {shape}")
    return shape


def zeros(*shape: Any, dtype: Any = float, requires_grad: bool = False) -> Tensor:
    """Zeros.

    **Arguments:** `shape`, the length of each axis, by themselves or as one tuple; `dtype`; `requires_grad`.

    >>> import autograd as ag
    >>> ag.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _made(filled(0, _shape("zeros", shape), dtype), requires_grad)


def ones(*shape: Any, dtype: Any = float, requires_grad: bool = False) -> Tensor:
    """Ones.

    **Arguments:** as for `zeros`.

    >>> import autograd as ag
    >>> ag.ones((3,), dtype=int)
    tensor([1, 1, 1])
    """
    return _made(filled(1, _shape("ones", shape), dtype), requires_grad)


def empty(*shape: Any, dtype: Any = float, requires_grad: bool = False) -> Tensor:
    """A tensor whose values are what its memory held before.

    **Arguments:** as for `zeros`.

    >>> import autograd as ag
    >>> ag.empty(2, 3).shape
    (2, 3)
    """
    return _made(np.empty(_shape("empty", shape), dtype), requires_grad)


def full(shape: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The same value everywhere; a tensor as the value gets the gradient of all of them.

    **Arguments:** `shape`, a number or a tuple; `fill_value`, which broadcasts to the shape; `dtype`, that of
    the value unless said; `requires_grad`.

    >>> import autograd as ag
    >>> ag.full((2,), 7.0)
    tensor([7., 7.])
    """
    shape = _shape("full", (shape,))
    if isinstance(fill_value, Tensor):
        value = fill_value if dtype is None else functions.astype(fill_value, dtype)
        return _made(functions.broadcast_to(value, shape), requires_grad and not value.requires_grad)
    return _made(filled(fill_value, shape, dtype), requires_grad)


def zeros_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape of `x`.

    **Arguments:** `x`, a tensor or an array; `dtype`, that of `x` unless said; `requires_grad`.

    >>> import autograd as ag
    >>> ag.zeros_like(ag.tensor([1, 2]))
    tensor([0, 0])
    """
    x = as_tensor(x)
    return _made(filled(0, x.shape, dtype or x.dtype), requires_grad)


def ones_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape of `x`.

    **Arguments:** as for `zeros_like`.

    >>> import autograd as ag
    >>> ag.ones_like(ag.tensor([1.5, 2.5]))
    tensor([1., 1.])
    """
    x = as_tensor(x)
    return _made(filled(1, x.shape, dtype or x.dtype), requires_grad)


def full_like(x: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The same value everywhere, in the shape of `x`.

    **Arguments:** `fill_value` as for `full`; the others as for `zeros_like`.

    >>> import autograd as ag
    >>> ag.full_like(ag.tensor([1.5, 2.5]), 3)
    tensor([3., 3.])
    """
    x = as_tensor(x)
    return full(x.shape, fill_value, dtype or x.dtype, requires_grad)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers from `start`, or from 0 if that is the only one given, up to but without `stop`.

    **Arguments:** `start`, `stop` and `step`, numbers; `dtype`; `requires_grad`.

    >>> import autograd as ag
    >>> ag.arange(3)
    tensor([0, 1, 2])
    >>> ag.arange(1, 2, 0.5)
    tensor([1.0000, 1.5000])
    """
    if stop is None:
        start, stop = 0, start
    # How many there are is part of the program: a tensor is read, and guarded.
    bounds: list[Any] = [x.item() if isinstance(x, Tensor) else x for x in (start, stop, step)]
    return _made(np.arange(*bounds, dtype=dtype), requires_grad)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    dtype: Any = None,
    requires_grad: bool = False,
    endpoint: bool = True,
) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, both of which may be tensors with a gradient.

    **Arguments:** `start` and `stop`; `num`; `dtype`; `requires_grad`; `endpoint`, whether `stop` is the last
    of them.

    >>> import autograd as ag
    >>> ag.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    x: Any = np.linspace(start, stop, num, endpoint)
    x = x if dtype is None else functions.astype(x, dtype)
    return _made(x, requires_grad and not (isinstance(x, Tensor) and x.requires_grad))


def logspace(start: Any, stop: Any, num: int = 50, base: Any = 10.0, endpoint: bool = True) -> Tensor:
    """`num` powers of the base whose exponents lie at equal distances from `start` to `stop`.

    **Arguments:** as for `linspace`; `base`, which may be a tensor too.

    >>> import autograd as ag
    >>> ag.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    return _made(np.logspace(start, stop, num, endpoint, base), False)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Tensor:
    """`num` numbers from `start` to `stop`, each the same multiple of the one before.

    **Arguments:** as for `linspace`.

    >>> import autograd as ag
    >>> ag.geomspace(1, 8, 4)
    tensor([1., 2., 4., 8.])
    """
    return _made(np.geomspace(start, stop, num, endpoint), False)


def eye(n: int, m: int | None = None, dtype: Any = float, requires_grad: bool = False) -> Tensor:
    """The identity matrix, with `n` rows and, unless said, as many columns.

    >>> import autograd as ag
    >>> ag.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _made(np.eye(n, m, dtype=dtype), requires_grad)
