"""Views: tensors that show the elements of another one, their base, and change with it.

A slice, a transposed or a reshaped tensor is a view of what it was made of, in NumPy as in PyTorch. Where NumPy writes
to the memory of one, all of them hold the new values. Their places in the graph follow: the base is at once what was
written put into what it was, and its views are taken anew when they are next used.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from . import ops
from .deferred import Deferred
from .memory import next_number, owner_of
from .ops.movement import back
from .primitive import Primitive, Traced
from .tape import current_tape, setting

#: The operations that lead from a base to a view of it.
Steps = list[tuple[Primitive, dict[str, Any]]]

#: The bases that were written to while gradients were recorded, by their identity: only they may have views of old.
WRITTEN: dict[int, Any] = {}

# What a view is made of, by which operation, and when, as its `link` says. That of an argument, which must not change:
_ARGUMENT: Any = (None, ops.stop_gradient, {}, -1)


def protect(x: Any) -> None:
    """Makes a tensor an argument: neither it nor its views can be written to."""
    x.link = _ARGUMENT


def is_view(x: Any) -> bool:
    """Whether a tensor shows the memory of another one."""
    return x.data.ndim > 0 and base_of(x)[0] is not x and getattr(x, "link", None) is not _ARGUMENT


def base_of(x: Any) -> tuple[Any, Steps]:
    """The tensor that `x` is a view or an element of, `x` itself if it is none, `None` for an argument; and how."""
    steps: Steps = []
    link = getattr(x, "link", None)
    while link is not None:
        above, primitive, params, _ = link
        if above is None:
            return None, steps[::-1]
        # A number has no views, and NumPy copies to reshape what is not contiguous.
        if not above.data.ndim or (primitive is ops.reshape and not _is_reshaped_view(x, above)):
            break
        steps.append((primitive, params))
        x, link = above, getattr(above, "link", None)
    return x, steps[::-1]


def _is_reshaped_view(x: Any, above: Any) -> bool:
    """Whether `x`, which was reshaped, has the memory of what it was."""
    if not x.data.ndim:
        return True
    if current_tape() is None:
        return owner_of(x.data) is owner_of(above.data)
    # A recorded base is contiguous: a sample of its shape shows what NumPy does.
    base, steps = base_of(above)
    if base is None or not x.data.size:
        return True
    sample = seen = np.empty(base.shape, np.bool_)
    for primitive, params in steps:
        seen = primitive.eval(seen, **params)
    return owner_of(seen.reshape(x.shape)) is sample


def is_same_view(x: Any, y: Any) -> bool:
    """Whether two tensors show the same elements of one base, as it is now."""
    if x is y:
        return True
    (base, steps), (other, others) = base_of(x), base_of(y)
    return base is other and steps == others and bool(x.data.ndim) and not is_stale(x, base) and not is_stale(y, base)


def is_stale(x: Any, base: Any) -> bool:
    """Whether a view was taken before its base was last written to."""
    return x is not base and x.data.ndim > 0 and x.link[3] < getattr(base, "written", -1)


def refresh(x: Any) -> None:
    """Takes a view anew if its base has been written to since it was taken."""
    link = getattr(x, "link", None)
    if link is None or link[0] is None or (x.node is None and x.requires_grad):
        return
    base, steps = base_of(x)
    if base is None or not is_stale(x, base):
        return
    fresh = taken(base, steps)
    x.node, x.requires_grad, x.link = fresh.node, fresh.requires_grad, (*link[:3], next_number())
    if type(fresh.data) is Deferred or type(x.data) is Deferred or not np.may_share_memory(x.data, fresh.data):
        x.data = fresh.data


def taken(base: Any, steps: Steps) -> Any:
    """The view of a base, or its element, that these operations lead to."""
    with setting("grad_enabled", True):
        for primitive, params in steps:
            base = base.bind(primitive, (base,), params)
    return base


def put(base: Any, steps: Steps, value: Any, shown: Any) -> Any:
    """The base with a value in the place of a view, or of itself where there are no steps, as a new tensor.

    **Arguments:** `shown(x, value)`, which gives what is in memory already for the result, `None` to compute it.
    """
    seen = [base]
    for primitive, params in steps:
        seen.append(seen[-1].bind(primitive, (seen[-1],), params))
    for (primitive, params), x in zip(reversed(steps), reversed(seen[:-1]), strict=True):
        if primitive is ops.slice_:
            value = _placed(x, value, params["index"], shown)
        elif primitive is ops.transpose:
            value = ops.transpose.on(value, back(params["axes"]))
        else:
            value = ops.reshape.on(value, {"shape": x.shape})
    # A constant in the place of all elements is still a result of the base.
    is_placed = steps and isinstance(value, Traced)
    return value if is_placed else _placed(base, value, tuple([(0, n, 1) for n in base.shape]), shown)


def _placed(x: Any, value: Any, index: Any, shown: Any) -> Any:
    return x.bind(ops.put, (x, value), {"index": index}, shown)


def note_base(base: Any) -> None:
    """Notes that a base has been written to, so that its views are taken anew."""
    base.written, key = next_number(), id(base)
    if key not in WRITTEN:
        WRITTEN[key] = weakref.ref(base, lambda _: WRITTEN.pop(key, None))
