"""Functions on their way to other processes: by name where they have one, otherwise with their code and closure."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import cloudpickle


class Shipped(NamedTuple):
    """A function as bytes; `None` where it cannot be pickled, and then why, in words."""

    name: str
    content: bytes | None
    why: str

    def function(self) -> Callable[..., Any]:
        """The function; one that cannot come along raises when it is called."""
        if self.content is None:
            return Absent(self)
        found: Callable[..., Any] = pickle.loads(self.content)
        return found


class Absent:
    """What stands for a function that could not be pickled."""

    def __init__(self, shipped: Shipped) -> None:
        self.shipped, self.__name__ = shipped, shipped.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"`{self.shipped.name}` came out of a pickle without its Python function ({self.shipped.why}), so it "
            "answers only what it was recorded for: call it with arguments of these shapes, dtypes and branches before "
            "it is pickled, or make its closure of what can be pickled"
        )


def shipped(function: Callable[..., Any]) -> Shipped:
    """The function as bytes, if that is possible."""
    name = str(getattr(function, "__name__", type(function).__name__))
    if isinstance(function, Absent):
        return function.shipped
    try:
        return Shipped(name, cloudpickle.dumps(function), "")
    except Exception as error:
        return Shipped(name, None, f"{type(error).__name__}: {error}")
