"""Writes in place: `x[index] = v`, `x += y`, and PyTorch's methods whose names end in `_`.

The elements change in memory, so views and NumPy's arrays of the same memory show them; in the graph what was written
is put into what was there before. While a tape records nothing is overwritten: the tensor becomes another value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions, ops
from .functions.arguments import ARRAYS, as_array
from .functions.indexing import getitem, positioned
from .memory import note_write
from .ops.broadcasting import repeated
from .ops.movement import slices
from .primitive import Primitive, Traced
from .tape import current_tape, gradients_enabled
from .views import Steps, base_of, is_same_view, note_base, put, refresh, taken

# These read nothing of their inputs when they are differentiated.
_LINEAR = frozenset({ops.add, ops.sub, ops.neg})


def write(x: Any, value: Any, name: str) -> None:
    """Gives a tensor the elements of `value`, which broadcasts to its shape and takes its dtype.

    **Arguments:** `name` of the operation, for errors.

    **Errors:** `RuntimeError` for a leaf that requires a gradient or a view of one, for memory that cannot be written
    to, for an argument of a recorded function, and for another shape.
    """
    check(x, name)
    _write(x, _fitted(x, value), name, False)


def update(x: Any, name: str, function: Callable[[Any], Any], linear: bool = False) -> Any:
    """Gives a tensor the elements of `function(x)`, and returns it.

    **Arguments:** `name` of the operation, for errors; `linear`, whether the derivative of the function needs no `x`.

    **Errors:** those of `write`; `RuntimeError` where the result has another shape, or a dtype that cannot become that
    of `x`.
    """
    check(x, name)
    # What is saved for the sweep must not be what is about to be written over; of a constant that is known afterwards.
    spares = linear or not gradients_enabled() or current_tape() is not None
    value = function(x if spares or not x.requires_grad else _twin(x, x.data.copy()))
    if not (spares or x.requires_grad) and value.requires_grad:
        value = function(_twin(x, x.data.copy()))
    if value.shape != x.shape:
        raise RuntimeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(value.shape)} in `{name}`; "
            "write the operation without `=` or `_`, which makes a new tensor"
        )
    if not np.can_cast(value.dtype, x.dtype, "same_kind"):
        raise RuntimeError(
            f"result type {value.dtype.name} can't be cast to the desired output type {x.dtype.name} in `{name}`; "
            "convert the tensor first, with `.astype`"
        )
    _write(x, functions.astype(value, x.dtype), name, True)
    return x


def _twin(x: Any, data: Any) -> Any:
    """Another tensor at the place of `x` in the graph, of that array."""
    y = object.__new__(type(x))
    y.data, y.node, y.requires_grad, y.grad = data, x.node, x.requires_grad, None
    return y


def check(x: Any, name: str) -> None:
    """Refuses a write that the graph, the memory or a recording could not follow."""
    refresh(x)
    base, steps = base_of(x)
    tape, enabled = current_tape(), gradients_enabled()
    source = x if base is None else base
    if enabled and source.requires_grad and (base is None or source.is_leaf):
        kind = "a view of a leaf Variable" if steps else "a leaf Variable"
        raise RuntimeError(
            f"{kind} that requires grad is being used in an in-place operation. `{name}` would change what the "
            "gradient is taken by; write to a copy, `x.clone()`, or within `no_grad()`"
        )
    if enabled and source.requires_grad and not x.requires_grad and x.dtype.kind in "fc":
        raise RuntimeError(
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled: it is not clear "
            f"whether `{name}` is to be part of the gradient; take the view where it is written to"
        )
    if any(primitive is ops.expand for primitive, _ in steps):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location "
            f"in `{name}`. Please clone() the tensor before performing the operation."
        )
    if tape is not None:
        if base is None or (base not in tape.made if base.node is None else base.node.number < tape.began):
            raise RuntimeError(
                f"`{name}` writes to a tensor from outside of the recorded function, where a compiled call could not "
                "change it; write to a copy, `x.clone()`, and return that"
            )
        if base.requires_grad and not enabled:
            raise RuntimeError(
                f"`{name}` within `no_grad` changes the values of a tensor and not its gradient, which cannot be "
                "recorded; write to `x.detach().clone()`"
            )


def _fitted(x: Any, value: Any) -> Any:
    """A value in the shape and the dtype of `x`."""
    if not isinstance(value, Traced | np.ndarray | list | tuple):
        return repeated(value, x.dtype, x.shape)
    value = functions.astype(as_array(value), x.dtype)
    while len(value.shape) > len(x.shape) and value.shape[0] == 1:
        value = functions.reshape(value, value.shape[1:])
    if value.shape == x.shape:
        return value
    try:
        return functions.broadcast_to(value, x.shape)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of "
            f"shape {list(x.shape)}"
        ) from None


def _write(x: Any, value: Any, name: str, is_result: bool) -> None:
    """Writes a value of the right shape and dtype; `is_result` says that it was made for that alone."""
    base, steps = base_of(x)
    tape = current_tape()
    traced = isinstance(value, Traced)
    known = traced and value.requires_grad
    if tape is None:
        _store(x, base, steps, value.data if traced else value, name)
        if not _connects(base, value):
            return
    elif base.node is None:
        # The recording holds on to the constant as it was.
        base.node = functions.clone(_twin(base, base.data)).node
    if is_result and base is x and (known or (traced and tape is not None and not base.requires_grad)):
        found = value
    else:
        found = put(base, steps, value, None if tape is not None else _shown)
    _move_retained(base, found)
    base.node, base.requires_grad = found.node, found.requires_grad
    if tape is not None:
        base.data = found.data
    note_base(base)
    if base is not x:
        _seen_anew(x, base, steps, value)


def _connects(base: Any, value: Any) -> bool:
    """Whether a gradient flows through what is written."""
    known = bool(getattr(value, "requires_grad", False))
    return gradients_enabled() and (base.requires_grad or known) and base.dtype.kind in "fc"


def _shown(x: Any, _: Any) -> Any:
    return x


def _seen_anew(x: Any, base: Any, steps: Steps, value: Any) -> None:
    """A view, or an element, after it was written to itself."""
    refresh(x)
    if x.data.ndim:
        return
    seen: Any = value if isinstance(value, Traced) else taken(base, steps)
    if seen.requires_grad and seen.node is None:
        seen = functions.clone(seen)
    x.data, x.node, x.requires_grad = seen.data, seen.node, seen.requires_grad


def _store(x: Any, base: Any, steps: Steps, value: Any, name: str) -> None:
    """Writes to memory; a number has none, and becomes another one."""
    data = x.data
    if steps and not data.ndim:
        data = _memory_of(base.data, steps)
    if type(data) is not np.ndarray:
        x.data = np.asarray(value, x.dtype)[()]
        return
    if not data.flags.writeable:
        raise RuntimeError(
            f"`{name}` needs memory that can be written to, got a read-only array of shape {data.shape}; write to a "
            "copy, `x.clone()`"
        )
    data[...] = value
    if data is not x.data:
        x.data = data[()]
    note_write(data, name)


def _memory_of(data: Any, steps: Steps) -> Any:
    """The array without axes that is a single element of an array."""
    for primitive, params in steps[:-1]:
        data = primitive.eval(data, **params)
    primitive, params = steps[-1]
    if primitive is ops.reshape:
        return data.reshape(())
    key = slices(params["index"])
    return data[(*(key if type(key) is tuple else (key,)), ...)]


def _move_retained(base: Any, found: Any) -> None:
    """`retain_grad` is for the tensor as it is, not as it was."""
    hooks = None if base.node is None else getattr(base.node, "hooks", None)
    if hooks is not None and hooks.retained is not None and found.node is not base.node:
        found.node.own_hooks().retained, hooks.retained = hooks.retained, None


def _is_number(x: Any) -> bool:
    """Whether infix operators leave a tensor alone, as they do with Python's numbers and NumPy's."""
    data = x.data
    if data.ndim or (type(data) is np.ndarray and current_tape() is None):
        return False
    return not x.requires_grad or x.node is not None or gradients_enabled()


def _infix(primitive: Primitive, sign: str) -> Callable[..., Any]:
    def method(self: Any, y: Any) -> Any:
        if _is_number(self):
            return self.bind(primitive, (self, y), {})
        return update(
            self, f"{sign}=", lambda x: x.bind(primitive, (x, x if y is self else y), {}), primitive in _LINEAR
        )

    return method


def _method(primitive: Primitive) -> Callable[..., Any]:
    """The method that applies an op to the tensor and what other inputs it has, in place."""
    name = f"{primitive.name}_"

    def method(self: Any, *others: Any) -> Any:
        def function(x: Any) -> Any:
            return x.bind(primitive, (x, *[x if y is self else y for y in others]), {})

        return update(self, name, function, primitive in _LINEAR)

    method.__name__ = name
    method.__qualname__ = f"Writes.{name}"
    method.__doc__ = f"See `autograd.{primitive.name}`; in place."
    return method


def _items(key: Any) -> tuple[Any, ...]:
    return key if type(key) is tuple else (key,)


def _is_gathered(key: Any) -> bool:
    """Whether an index has arrays, so that what it finds is no view."""
    kinds = (list, Traced)
    return any(isinstance(x, kinds) or _is_boolean(x) or (isinstance(x, ARRAYS) and x.ndim) for x in _items(key))


def _is_boolean(x: Any) -> bool:
    return isinstance(x, bool | np.bool_) or (isinstance(x, ARRAYS) and x.dtype.kind == "b")


def _by_mask(x: Any, key: Any, value: Any) -> Any:
    """`x` with a single value where a mask says so, which is known to a recording; `None` for other keys and values."""
    items = _items(key)
    if len(items) != 1 or not _is_boolean(items[0]) or np.size(value) != 1 or isinstance(items[0], bool | np.bool_):
        return None
    mask, shape = items[0], x.shape
    if mask.shape != shape[: len(mask.shape)]:
        return None
    mask = functions.reshape(mask, (*mask.shape, *(1,) * (len(shape) - len(mask.shape))))
    value = value if not isinstance(value, Traced | np.ndarray | list) else functions.reshape(value, ())
    return functions.masked_fill(x, mask, value)


class Writes(Traced):
    """What writes to a tensor."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        """`x[key] = value`, with NumPy's meaning for every key; `value` broadcasts and takes the dtype of `x`."""
        name = "x[...] = v"
        if _is_gathered(key):
            update(self, name, lambda x: _replaced(x, key, value), True)
            return
        part = getitem(self, key)
        if not (isinstance(value, Traced) and is_same_view(part, value)):
            write(part, value, name)

    # ---- infix ----

    __iadd__ = _infix(ops.add, "+")
    __isub__ = _infix(ops.sub, "-")
    __imul__ = _infix(ops.mul, "*")
    __itruediv__ = _infix(ops.div, "/")
    __ifloordiv__ = _infix(ops.floor_divide, "//")
    __imod__ = _infix(ops.mod, "%")
    __ipow__ = _infix(ops.pow, "**")

    # ---- all elements ----

    def copy_(self, src: Any) -> Any:
        """Takes the values of another tensor or array, which broadcasts to this shape and takes this dtype.

        >>> import autograd as ag
        >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> y = ag.zeros(2)
        >>> y.copy_(x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        write(self, src, "copy_")
        return self

    def fill_(self, value: Any) -> Any:
        """Takes one value everywhere, a number or a tensor of one element.

        >>> import autograd as ag
        >>> ag.zeros(2).fill_(3.0)
        tensor([3., 3.])
        """
        if np.ndim(value):
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {np.ndim(value)} dimensions; "
                "use `copy_` for several values"
            )
        write(self, value, "fill_")
        return self

    def zero_(self) -> Any:
        """Becomes zero everywhere.

        >>> import autograd as ag
        >>> ag.ones(2).zero_()
        tensor([0., 0.])
        """
        write(self, 0, "zero_")
        return self

    # ---- some elements ----

    def masked_fill_(self, mask: Any, value: Any) -> Any:
        """See `autograd.masked_fill`; in place."""
        return update(self, "masked_fill_", lambda x: functions.masked_fill(x, mask, value), True)

    def index_add_(self, dim: int, index: Any, source: Any, alpha: Any = 1) -> Any:
        """See `autograd.index_add`; in place."""
        return update(self, "index_add_", lambda x: functions.index_add(x, dim, index, source, alpha), True)

    def index_put_(self, indices: Any, values: Any, accumulate: bool = False) -> Any:
        """See `autograd.index_put`; in place."""
        return update(self, "index_put_", lambda x: functions.index_put(x, indices, values, accumulate), True)

    def scatter_add_(self, dim: int, index: Any, src: Any) -> Any:
        """See `autograd.scatter_add`; in place."""
        return update(self, "scatter_add_", lambda x: functions.scatter_add(x, dim, index, src), True)

    # ---- each element ----

    def add_(self, y: Any, alpha: Any = 1) -> Any:
        """Adds `alpha * y`.

        >>> import autograd as ag
        >>> ag.ones(2).add_(ag.ones(2), alpha=3)
        tensor([4., 4.])
        """
        return update(self, "add_", lambda x: ops.add(x, y if type(alpha) is int and alpha == 1 else y * alpha), True)

    def sub_(self, y: Any, alpha: Any = 1) -> Any:
        """Subtracts `alpha * y`.

        >>> import autograd as ag
        >>> ag.ones(2).sub_(2.0)
        tensor([-1., -1.])
        """
        return update(self, "sub_", lambda x: ops.sub(x, y if type(alpha) is int and alpha == 1 else y * alpha), True)

    def clamp_(self, min: Any = None, max: Any = None) -> Any:
        """See `autograd.clip`; in place."""
        return update(self, "clamp_", lambda x: functions.clip(x, min, max))

    clip_ = clamp_

    abs_ = _method(ops.abs)
    ceil_ = _method(ops.ceil)
    cos_ = _method(ops.cos)
    div_ = _method(ops.div)
    exp_ = _method(ops.exp)
    expm1_ = _method(ops.expm1)
    floor_ = _method(ops.floor)
    floor_divide_ = _method(ops.floor_divide)
    log_ = _method(ops.log)
    log1p_ = _method(ops.log1p)
    mul_ = _method(ops.mul)
    neg_ = _method(ops.neg)
    pow_ = _method(ops.pow)
    reciprocal_ = _method(ops.reciprocal)
    relu_ = _method(ops.relu)
    round_ = _method(ops.round)
    sigmoid_ = _method(ops.sigmoid)
    sign_ = _method(ops.sign)
    sin_ = _method(ops.sin)
    sqrt_ = _method(ops.sqrt)
    square_ = _method(ops.square)
    tan_ = _method(ops.tan)
    tanh_ = _method(ops.tanh)
    trunc_ = _method(ops.trunc)


def _replaced(x: Any, key: Any, value: Any) -> Any:
    found = _by_mask(x, key, value)
    if found is not None:
        return found
    known = positioned(key, x.shape)
    if known is None:
        return functions.index_put(x, key, value)
    index, positions = known
    return ops.put_at.of((x, _fitted(ops.slice_at.of((x, *positions), index), value), *positions), index)
