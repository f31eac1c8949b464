"""Hooks: functions of the user's that a sweep calls with the gradients that pass by."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar

import numpy as np

from .primitive import Traced

Hook = Callable[..., Any]
_next_number = count().__next__


class Handle:
    """Takes a hook away again, by `remove()` or at the end of a `with` block."""

    def __init__(self, hooks: HookList, hook: Hook) -> None:
        self._hooks, self._number = weakref.ref(hooks), _next_number()
        hooks[self._number] = hook

    def remove(self) -> None:
        """Takes the hook away; a second time it does nothing."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self._number, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class HookList(dict[int, Hook]):
    """Hooks in the order of their registration."""


class Hooks:
    """What hangs on a node, or on a leaf: hooks on its gradient, before and after a node's rules, after `.grad` is set.

    `retained` takes the gradient of a tensor that is no leaf; `unpack` gives the saved value for what was kept in its
    place; `where` is the line that called the operation. `wrap` makes a tensor of what a sweep passes along, and
    `bare` says that the sweep itself wants arrays.
    """

    __slots__ = ("accumulated", "after", "before", "gradient", "retained", "unpack", "where")

    def __init__(self) -> None:
        self.gradient, self.before, self.after, self.accumulated = HookList(), HookList(), HookList(), HookList()
        self.retained: Hook | None = None
        self.unpack: Hook | None = None
        self.where: str | None = None

    def on_gradient(self, g: Any, wrap: Hook, bare: bool) -> Any:
        """The gradient as the hooks of the tensor leave it."""
        if not self.gradient and self.retained is None:
            return g
        g = turned(wrap(g))
        for hook in tuple(self.gradient.values()):
            g = _checked(hook, g, hook(g))
        if self.retained is not None:
            self.retained(g)
        return turned(g.data if bare else g)

    def before_rules(self, g: Any, wrap: Hook, bare: bool) -> Any:
        """The gradients of the outputs of a node as its hooks leave them."""
        if not self.before:
            return g
        several = isinstance(g, tuple)
        given = _wrapped(g if several else (g,), wrap)
        for hook in tuple(self.before.values()):
            given = _all_checked(hook, given, hook(given))
        found = _unwrapped(given, bare)
        return type(g)(found) if several else found[0]

    def after_rules(self, found: Sequence[Any], g: Any, wrap: Hook, bare: bool) -> Sequence[Any]:
        """The gradients of the inputs of a node as its hooks leave them."""
        if not self.after:
            return found
        outputs, inputs = _wrapped(g if isinstance(g, tuple) else (g,), wrap), _wrapped(found, wrap)
        for hook in tuple(self.after.values()):
            inputs = _all_checked(hook, inputs, hook(inputs, outputs))
        return _unwrapped(inputs, bare)


class Hookable:
    """What hooks can hang on."""

    __slots__ = ("hooks",)

    #: Whether anything was ever given hooks in this process: before that no sweep looks for them.
    hooked: ClassVar[bool] = False
    hooks: Hooks

    def own_hooks(self) -> Hooks:
        """The hooks of this object, which may be new."""
        found: Hooks | None = getattr(self, "hooks", None)
        if found is None:
            found = self.hooks = Hooks()
            Hookable.hooked = True
        return found


def after_accumulation(leaves: Sequence[Any], recorded: bool) -> None:
    """Calls the hooks of leaves that have a new `.grad`.

    **Errors:** `RuntimeError` where that was recorded.
    """
    found = [(x, x.hooks.accumulated.values()) for x in leaves if x.requires_grad and hasattr(x, "hooks")]
    for leaf, hook in [(leaf, hook) for leaf, hooks in found for hook in hooks]:
        if recorded:
            raise RuntimeError(
                "a post accumulate grad hook on a tensor whose `backward()` is recorded would run with the recording "
                "alone; remove it, and do its work where the compiled function has returned"
            )
        hook(leaf)


def check_numbers(name: str, found: Sequence[Any], where: str | None, wrap: Any) -> None:
    """Refuses the cotangents that a node gives if they are not numbers; `where` is the line that called its operation.

    **Errors:** `RuntimeError`, which says what gave them.
    """
    called = f"it was called at {where}" if where else "put its call into the block too, to see which line that is"
    for i, g in enumerate(found):
        parts = g if isinstance(g, tuple) else (g,)
        if any(x is not None and np.isnan(wrap(x).data).any() for x in parts):
            raise RuntimeError(f"Function '{name}' returned nan values in its {i}th output; {called}")


def turned(g: Any) -> Any:
    """A gradient as users see it, from a cotangent as a sweep passes it on; and the other way."""
    return g.conj() if g.dtype.kind == "c" else g


def _wrapped(values: Sequence[Any], wrap: Hook) -> tuple[Any, ...]:
    return tuple([None if x is None else turned(wrap(x)) for x in values])


def _unwrapped(values: Sequence[Any], bare: bool) -> tuple[Any, ...]:
    return tuple([None if x is None else turned(x.data if bare else x) for x in values])


def _all_checked(hook: Hook, given: tuple[Any, ...], returned: Any) -> tuple[Any, ...]:
    if returned is None:
        return given
    if not isinstance(returned, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(returned).__name__}'")
    if len(returned) != len(given):
        raise RuntimeError(
            f"hook '{_name(hook)}' has returned an incorrect number of values (got {len(returned)}, but expected "
            f"{len(given)})"
        )
    return tuple([x if x is None or y is None else _checked(hook, x, y) for x, y in zip(given, returned, strict=True)])


def _checked(hook: Hook, given: Any, returned: Any) -> Any:
    if returned is None:
        return given
    if not isinstance(returned, Traced):
        raise TypeError(f"expected Variable, but hook returned '{type(returned).__name__}'")
    if returned.shape != given.shape:  # type: ignore[attr-defined]
        raise RuntimeError(
            f"hook '{_name(hook)}' has changed the size of value: it needs to return the shape {given.shape}, got "
            f"{returned.shape}"  # type: ignore[attr-defined]
        )
    if returned.dtype != given.dtype:  # type: ignore[attr-defined]
        raise RuntimeError(
            f"hook '{_name(hook)}' has changed the type of value (was {given.dtype} got {returned.dtype})"  # type: ignore[attr-defined]
        )
    return returned


def _name(hook: Hook) -> str:
    return getattr(hook, "__name__", type(hook).__name__)
