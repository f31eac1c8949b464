"""Calls whose arguments and result arrays are fixed: nothing is left to look at but what the arrays hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.lengths import is_open
from autograd.tape import current_tape
from autograd.tree import flatten, unflatten

from .caller import MISS, Constant, Wiring, Writer
from .record import Captured
from .signature import Leaf

#: From arguments and `out` to the wiring of the variant that answers, the leaves of the arguments, the result, and
#: whether it is the kernel's.
Answer = Callable[[tuple[Any, ...], dict[str, Any], Any], tuple[Wiring, Sequence[Any], Any, bool]]


def _never() -> Any:
    return MISS


def bound_call(
    function: Callable[..., Any], answer: Answer, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
) -> Callable[[], Any]:
    """A call of a compiled function with fixed arguments; `bind` says more.

    **Arguments:** `function`, what was compiled; `answer`, which answers a call in the general way.
    """
    # Lists and dicts of our own, which nobody changes.
    values, structure = flatten((args, kwargs))
    args, kwargs = unflatten(structure, values)
    call: Callable[[], Any] = _never

    def bind() -> tuple[Wiring, Sequence[Any], Any]:
        """Answers a call, and binds the variant that has answered."""
        nonlocal call, out
        wiring, values, result, from_kernel = answer(args, kwargs, out)
        if wiring.result.tensors:
            _forget_gradients(wiring, values)
            raise TypeError(
                f"{_name(function)} would return tensors, and can return arrays only; bind `x.detach().numpy()`"
            )
        leaves, structure = flatten(result)
        if not from_kernel and out is None:
            leaves = [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in leaves]
            result = unflatten(structure, leaves)
        made = [
            not isinstance(x, Constant) and isinstance(y, np.ndarray)
            for x, y in zip(wiring.result.leaves, leaves, strict=True)
        ]
        if any(made):
            out = unflatten(structure, [y if is_made else None for y, is_made in zip(leaves, made, strict=True)])
        if from_kernel:
            call = _Writer(wiring, values, leaves).function()
        return wiring, values, result

    def bound() -> Any:
        if current_tape() is not None:
            return function(*args, **kwargs)
        try:
            result = call()
        except Exception:
            # Whatever it is comes out below.
            result = MISS
        return bind()[2] if result is MISS else result

    _forget_gradients(*bind()[:2])
    bound.__name__ = bound.__qualname__ = _name(function)
    return bound


def _name(function: Callable[..., Any]) -> str:
    return f"bound_{getattr(function, '__name__', type(function).__name__)}"


def _forget_gradients(wiring: Wiring, values: Sequence[Any]) -> None:
    """Takes back the gradients that a call has set: to bind is not to call."""
    given = [x for x, leaf in zip(values, wiring.signature.leaves, strict=True) if leaf.kind != "static"]
    for target, _ in wiring.result.gradients:
        tensor = given[target] if isinstance(target, int) else target
        tensor.grad = None


class _Writer(Writer):
    """Writes a function without parameters, for given leaves of the arguments and of the result."""

    def __init__(self, wiring: Wiring, values: Sequence[Any], results: Sequence[Any]) -> None:
        super().__init__(wiring)
        self.bound = values
        self.buffers = {i: x for i, x in zip(self.result.leaves, results, strict=True) if isinstance(x, np.ndarray)}

    def parameters(self) -> str:
        """Nothing; the arguments are part of the function."""
        for x, leaf in zip(self.bound, self.signature.leaves, strict=True):
            if is_open(leaf.shape):
                self.note_sizes(self.name("x", np.asarray(x)), leaf)
        self.arguments = [
            self.bound_leaf(x, leaf)
            for x, leaf in zip(self.bound, self.signature.leaves, strict=True)
            if leaf.kind != "static"
        ]
        return ""

    def bound_leaf(self, x: Any, leaf: Leaf) -> str:
        """The expression of a number or an array."""
        if leaf.kind == "number":
            return self.name("n", x)
        return self.held(x, leaf.order) + ("[()]" if leaf.shape == () and leaf.dtype.kind == "c" else "")

    def capture(self, captured: Captured) -> str:
        """The expression of what is captured; a tensor must still have the data that it had."""
        source, order = captured
        if not isinstance(source, Tensor):
            return super().capture(captured)
        self.unless(f"{self.source(source)}.data is {self.name('d', source.data)}")
        return self.held(np.asarray(source.data), order)

    def output(self, i: int, empty: str) -> str:
        """The array that the output has in every call; a new one for what is no part of the result."""
        return self.name("o", self.buffers[i]) if i in self.buffers else super().output(i, empty)
