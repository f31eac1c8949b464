"""Calls whose arguments and result arrays are fixed: nothing is left to look at but what the arrays hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.lengths import is_open
from autograd.tape import current_tape
from autograd.tree import flatten, unflatten

from ..recording.record import Captured
from ..signature import Leaf, Signature
from .caller import MISS, PATIENCE, Constant, Wiring, Writer, answer_of

#: From arguments and `out` to the wiring of the variant that answers, the leaves of the arguments, the result, and
#: whether it is the kernel's.
Answer = Callable[[tuple[Any, ...], dict[str, Any], Any], tuple[Wiring, Sequence[Any], Any, bool]]
#: From a signature and the leaves of the arguments to what finds the variant that answers, if there is such a thing.
Finder = Callable[[Signature, Sequence[Any]], Callable[[], Any] | None]


def _never() -> Any:
    return MISS


def _nothing() -> Any:
    return None


def bound_call(
    function: Callable[..., Any],
    answer: Answer,
    finder: Finder,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    out: Any,
) -> Callable[[], Any]:
    """A call of a compiled function with fixed arguments; `bind` says more.

    **Arguments:** `function`, what was compiled; `answer`, which answers a call in the general way; `finder`, asked
    where calls often find another variant than the last.
    """
    binding = _Binding(function, answer, finder, args, kwargs, out)
    call = binding.bind()[0]

    def bound() -> Any:
        nonlocal call
        if current_tape() is not None:
            return function(*binding.args, **binding.kwargs)
        try:
            result = call()
        except Exception:
            # Whatever it is comes out below.
            result = MISS
        if result is MISS:
            call, result = binding.again(call)
        return result

    _forget_gradients(binding.wiring, binding.values)
    bound.__name__ = bound.__qualname__ = _name(function)
    return bound


class _Binding:
    """The variants of a bound call, of which another one may answer at each."""

    wiring: Wiring
    values: Sequence[Any]

    def __init__(
        self,
        function: Callable[..., Any],
        answer: Answer,
        finder: Finder,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
    ) -> None:
        self.function, self.answer, self.finder, self.out = function, answer, finder, out
        # Lists and dicts of our own, which nobody changes.
        values, structure = flatten((args, kwargs))
        self.args, self.kwargs = unflatten(structure, values)
        # The calls of the variants that have answered, by the identity of their wirings.
        self.calls: dict[int, tuple[Wiring, Callable[[], Any]]] = {}
        self.changes = 0
        self.find: Callable[[], Any] = _nothing

    def again(self, last: Callable[[], Any]) -> tuple[Callable[[], Any], Any]:
        """The call that answers where the last one has not, and its result."""
        found = self.found()
        result = MISS if found is last else answer_of(found, (), {})
        if result is not MISS:
            return found, result
        for _, call in list(self.calls.values()):
            result = MISS if call is last or call is found else answer_of(call, (), {})
            if result is not MISS:
                self.changed()
                return call, result
        return self.bind()

    def found(self) -> Callable[[], Any]:
        """The call of the variant that is found, if it has answered before."""
        try:
            variant = self.find()
        except Exception:
            return _never
        known = None if variant is None else self.calls.get(id(variant.wiring))
        return _never if known is None else known[1]

    def changed(self) -> None:
        """Has variants searched for, once other ones than the last were found often by trying them."""
        self.changes += 1
        if self.changes == PATIENCE:
            self.changes = 0
            self.find = self.finder(self.wiring.signature, self.values) or _nothing

    def bind(self) -> tuple[Callable[[], Any], Any]:
        """Answers a call in the general way; the call of the variant that has answered, and the result."""
        wiring, values, result, from_kernel = self.answer(self.args, self.kwargs, self.out)
        if wiring.result.tensors:
            _forget_gradients(wiring, values)
            raise TypeError(
                f"{_name(self.function)} would return tensors, and can return arrays only; bind `x.detach().numpy()`"
            )
        leaves, structure = flatten(result)
        if not from_kernel and self.out is None:
            leaves = [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in leaves]
            result = unflatten(structure, leaves)
        made = [
            not isinstance(x, Constant) and isinstance(y, np.ndarray)
            for x, y in zip(wiring.result.leaves, leaves, strict=True)
        ]
        if any(made):
            self.out = unflatten(structure, [y if is_made else None for y, is_made in zip(leaves, made, strict=True)])
        self.wiring, self.values = wiring, values
        if not from_kernel:
            return _never, result
        call = BoundWriter(wiring, values, leaves).function()
        self.calls[id(wiring)] = wiring, call
        return call, result


def _name(function: Callable[..., Any]) -> str:
    return f"bound_{getattr(function, '__name__', type(function).__name__)}"


def _forget_gradients(wiring: Wiring, values: Sequence[Any]) -> None:
    """Takes back the gradients that a call has set: to bind is not to call."""
    given = [x for x, leaf in zip(values, wiring.signature.leaves, strict=True) if leaf.kind != "static"]
    for target, _ in wiring.result.gradients:
        tensor = given[target] if isinstance(target, int) else target
        tensor.grad = None


class BoundWriter(Writer):
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
