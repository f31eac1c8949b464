"""The same programs driven by Python, to compare with: interpreted, with gradients from the compiled function."""

from collections.abc import Callable
from time import perf_counter
from types import FunctionType
from typing import Any

from numba.extending import is_jitted


def interpreted(program: Any) -> Callable[..., Any]:
    """What `@njit` was given, and so with all the functions of its module that it calls."""
    names = dict(program.py_func.__globals__)
    for name, x in names.items():
        if is_jitted(x):
            names[name] = FunctionType(x.py_func.__code__, names, name, x.py_func.__defaults__)
    found: Callable[..., Any] = names[program.py_func.__name__]
    return found


def writing(fast: Any) -> Callable[..., float]:
    """A compiled function of value and gradient in the form of its kernel: the last argument is written to."""

    def call(*args: Any) -> float:
        *given, g = args
        value: float = fast(*given, out=(None, g))[0]
        return value

    return call


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the least seconds that one of three takes."""
    found, seconds = None, float("inf")
    for _ in range(3):
        start = perf_counter()
        found = call()
        seconds = min(seconds, perf_counter() - start)
    return found, seconds
