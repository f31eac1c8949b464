"""The words of the errors that ops raise: the op, what it needs, what it got, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .primitive import Primitive

NEEDS = {
    "matmul": (
        "the last axis of `x` as long as the last but one of `y` (the only one of a vector)",
        "transpose or reshape one of them",
    ),
    "concatenate": ("arrays alike in all axes but the joined one", "reshape or `expand` them"),
    "reshape": ("a shape of the same number of elements", "check the product of the new shape"),
    "expand": ("a shape that NumPy's broadcasting reaches", "reshape it first so that the axes line up"),
}
_BROADCAST = (
    "shapes that broadcast together",
    "reshape one of them, or add an axis with `x[:, None]`",
)


def explained(primitive: Primitive, values: Sequence[Any], params: dict[str, Any], error: Exception) -> Exception:
    """The error of a NumPy call as one that names the op, the shapes and the remedy."""
    shapes = " and ".join(str(np.shape(x)) for x in values)
    dtypes = " and ".join(getattr(x, "dtype", np.dtype(type(x))).name for x in values)
    if isinstance(error, ValueError) and (primitive.elementwise or primitive.name in NEEDS):
        need, remedy = NEEDS.get(primitive.name, _BROADCAST)
        if primitive.name in NEEDS or "broadcast" in str(error):
            given = "".join(f", {name}={value}" for name, value in params.items())
            return ValueError(f"`{primitive}` needs {need}, got {shapes}{given}; {remedy}")
    if isinstance(error, np.linalg.LinAlgError):
        return error  # it says all that itself, since the rules of ops meet it too
    message = f"`{primitive}` of shapes {shapes} and dtypes {dtypes}: {error}"
    try:
        return type(error)(message)
    except TypeError:  # some of NumPy's own errors are made of other things than a message
        return TypeError(message)
