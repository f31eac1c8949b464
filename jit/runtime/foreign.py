"""Custom functions as kernels call them: by the address of a C function.

    int64 f(void *input0, int64 n0, int64 n1, ..., void *out, int64 m0, ...)      // 0 where all went well

Each array is a pointer and the lengths of its axes, so that one function serves all shapes.

What `@njit` has made is called from machine code alone, anything else back in Python, which takes Python's lock for it.
A function that raises, or whose result has another shape than it had while it was recorded, makes the kernel's call
fail: the caller runs the user's function eagerly then, which shows what was wrong.
"""

from __future__ import annotations

import ctypes
from _thread import interrupt_main
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import carray, cfunc, from_dtype, types  # type: ignore[attr-defined]
from numba.extending import is_jitted

from autograd.custom import Custom, custom_call

from ..graph import Choice, Equation, Graph, Loop

#: The number of axes and the dtype of an array.
Kind = tuple[int, np.dtype[Any]]


class Entry(NamedTuple):
    """The address of a custom function for certain kinds of arrays, and what keeps it alive."""

    address: int
    kept: Any


def custom_functions(graph: Graph) -> Iterator[Custom]:
    """The custom functions that a graph calls, in its loops and branches too."""
    for equation in graph.equations:
        for name, value in equation.params:
            if equation.primitive is custom_call and name == "function":
                yield value
            elif isinstance(value, Loop | Choice):
                for body in value.bodies:
                    yield from custom_functions(body)


def is_foreign(graph: Graph) -> bool:
    """Whether a graph calls custom functions, which only this process has."""
    return any(True for _ in custom_functions(graph))


def called_back(graph: Graph) -> list[str]:
    """The names of the custom functions for which a kernel goes back to Python."""
    return [x.name for x in custom_functions(graph) if not is_jitted(x.function)]


def entry_of(equation: Equation) -> Entry:
    """The entry of an equation's custom function; the function holds it, so it lives as long as the graph."""
    function: Custom = dict(equation.params)["function"]
    kinds = tuple([(x.aval.ndim, x.aval.dtype) for x in (*equation.inputs, equation.out)])
    found: Entry | None = function.compiled.get(kinds)
    if found is None:
        make = _compiled if is_jitted(function.function) else _called_back
        found = function.compiled[kinds] = make(function, kinds)
    return found


def place_of(function: Custom) -> str:
    """Where the function runs, for people."""
    return "compiled by Numba" if is_jitted(function.function) else "called back in Python"


# ---- in machine code ----

_SOURCE = """\
def foreign({parameters}):
    try:
        y = asarray(function({arguments}))
        if y.shape != {shape}:
            return 1
        {store}
    except Exception:
        return 1
    return 0
"""


def _compiled(function: Custom, kinds: Sequence[Kind]) -> Entry:
    """A C function around a function that Numba has compiled."""
    names = [f"x{i}" for i in range(len(kinds) - 1)] + ["out"]
    lengths = [[f"{x}_{axis}" for axis in range(ndim)] for x, (ndim, _) in zip(names, kinds, strict=True)]
    shapes = [f"({', '.join(found)},)" if found else "()" for found in lengths]
    inputs = [
        f"carray({x}, {shape})" if found else f"{x}[0]" for x, shape, found in zip(names, shapes, lengths, strict=True)
    ]
    source = _SOURCE.format(
        parameters=", ".join([y for x, found in zip(names, lengths, strict=True) for y in (x, *found)]),
        arguments=", ".join(inputs[:-1]),
        shape=shapes[-1],
        store=f"carray(out, {shapes[-1]})[...] = y" if lengths[-1] else "out[0] = y.item()",
    )
    namespace: dict[str, Any] = {"asarray": np.asarray, "carray": carray, "function": function.function}
    exec(source, namespace)
    parameters: list[Any] = []
    for ndim, dtype in kinds:
        parameters += [types.CPointer(from_dtype(dtype)), *[types.intp] * ndim]
    made: Any = cfunc(types.int64(*parameters))(namespace["foreign"])
    return Entry(made.address, made)


# ---- in Python ----


def _called_back(function: Custom, kinds: Sequence[Kind]) -> Entry:
    """A C function that calls back into Python."""

    def call(*given: int) -> int:
        try:
            *inputs, target = _arrays(given, kinds)
            # What a kernel computes warns of nothing; and it may be on a branch that is not taken.
            with np.errstate(all="ignore"):
                # As copies: the function may keep them, and the memory of the kernel is used again.
                found = function.value([x.copy() for x in inputs])
            if np.shape(found) != target.shape or found.dtype != target.dtype:
                return 1
            target[...] = found
        except BaseException as error:
            # Nothing passes through a kernel: what is raised here would be lost.
            if isinstance(error, KeyboardInterrupt):
                interrupt_main()
            return 1
        return 0

    parameters: list[Any] = []
    for ndim, _ in kinds:
        parameters += [ctypes.c_void_p, *[ctypes.c_int64] * ndim]
    made = ctypes.CFUNCTYPE(ctypes.c_int64, *parameters)(call)
    address = ctypes.cast(made, ctypes.c_void_p).value
    assert address is not None
    return Entry(address, made)


def _arrays(given: Sequence[int], kinds: Sequence[Kind]) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays that a kernel hands over, as they lie in its memory."""
    start = 0
    for ndim, dtype in kinds:
        address, *shape = given[start : start + 1 + ndim]
        start += 1 + ndim
        size = prod(shape)
        if size:
            memory: Any = (ctypes.c_char * (size * dtype.itemsize)).from_address(address)
            yield np.frombuffer(memory, dtype, size).reshape(shape)
        else:
            yield np.empty(shape, dtype)
