"""The place of a tensor in its graph: hooks on its gradient, leaving the graph, copies."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from . import ops
from .hooks import Handle, Hookable
from .primitive import Traced
from .tape import Node, current_tape
from .views import is_view, refresh


class Tracking(Traced, Hookable):
    """What a tensor lets its user do with its place in the graph."""

    __slots__ = ()

    data: Any
    dtype: Any
    grad: Any
    node: Node | None
    requires_grad: bool

    # ---- leaves ----

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation that leads to a gradient made it."""
        refresh(self)
        node = self.node
        if node is None or not node.requires_grad:
            return True
        tape = current_tape()
        return tape is not None and node in tape.leaves

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made it, `None` for a leaf."""
        return None if self.is_leaf else self.node

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Switches the recording of operations on this leaf, in place."""
        if not self.is_leaf:
            raise RuntimeError(
                "`requires_grad_` changes leaf tensors only, got the result of "
                f"`{self.node}`; call `detach()` first for a new leaf"
            )
        if requires_grad and self.dtype.kind not in "fc":
            raise TypeError(
                f"`requires_grad` needs a floating-point tensor, got {self.dtype.name}; convert it first, "
                "with `.astype(float)` or a decimal point: `tensor(2.0)`"
            )
        self.requires_grad = requires_grad  # type: ignore[misc]
        tape = current_tape()
        if tape is not None:
            # What the recorded program computed before is where the gradient ends, and yet a leaf.
            if self.node is not None:
                self.node.requires_grad = requires_grad
            tape.leaves[self.node or self] = self
        return self

    def detach_(self) -> Any:
        """Takes this very tensor out of the graph: it is a leaf from now on, without a gradient.

        >>> import autograd as ag
        >>> y = ag.tensor(3.0, requires_grad=True) * 2
        >>> y.detach_()
        tensor(6.)

        **Errors:** `RuntimeError` for a view, which would no longer show what its base is.
        """
        if is_view(self):
            raise RuntimeError("Can't detach views in-place. Use detach() instead")
        self.node = self.detach().node  # type: ignore[attr-defined, misc]
        self.requires_grad = False  # type: ignore[misc]
        return self

    # ---- copies ----

    def __reduce__(self) -> Any:
        """A copy, or what comes from a pickle, is a leaf: the graph does not go with it."""
        self._check_copied()
        return type(self), (np.asarray(self.data), self.requires_grad)

    def __deepcopy__(self, known: dict[int, Any]) -> Any:
        self._check_copied()
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                f"moment, got the result of `{self.node}`; copy `x.detach()`, or use `x.clone()`, which keeps the graph"
            )
        made: Any = known.get(id(self))
        if made is None:
            made = known[id(self)] = type(self)(np.array(self.data), self.requires_grad)  # type: ignore[call-arg]
            made.grad = deepcopy(self.grad, known)
        return made

    def _check_copied(self) -> None:
        if current_tape() is not None:
            raise RuntimeError(
                "a copy of a tensor while a tape records would freeze the values of this call into the recording; use "
                "`x.clone()`, which is recorded"
            )

    # ---- hooks ----

    def register_hook(self, hook: Callable[[Any], Any]) -> Handle:
        """Calls `hook(gradient)` whenever a sweep has the gradient of this tensor, before anything uses it.

        **Arguments:** `hook`, which may return another gradient of the same shape and dtype in its place.

        **Returns:** a handle, whose `remove()` takes the hook away.

        **Errors:** `RuntimeError` for a tensor that does not require a gradient.

        >>> import autograd as ag
        >>> x = ag.tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> handle = y.register_hook(lambda g: 10 * g)
        >>> y.backward()
        >>> x.grad
        tensor(60.)
        """
        self._check_requires_grad("cannot register a hook on a tensor that doesn't require gradient")
        return Handle(self._owner().own_hooks().gradient, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], Any]) -> Handle:
        """Calls `hook(leaf)` whenever `backward()` has added to the `.grad` of this leaf.

        **Returns:** a handle, whose `remove()` takes the hook away.

        **Errors:** `RuntimeError` for a tensor that is no leaf, or that does not require a gradient.
        """
        self._check_requires_grad("cannot register a hook on a tensor that doesn't require gradient")
        if not self.is_leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return Handle(self.own_hooks().accumulated, hook)

    def retain_grad(self) -> None:
        """Gives this tensor a `.grad` in later sweeps although it is no leaf.

        >>> import autograd as ag
        >>> x = ag.tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (2 * y).backward()
        >>> y.grad
        tensor(2.)
        """
        self._check_requires_grad("can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf:
            return
        # The node must not keep the tensor alive.
        this = weakref.ref(self)

        def keep(g: Any) -> None:
            x = this()
            if x is not None:
                x.grad = ops.mul(g, 1) if x.grad is None else x.grad + g

        self._owner().own_hooks().retained = keep

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this tensor, which is no leaf."""
        hooks = None if self.node is None else getattr(self.node, "hooks", None)
        return hooks is not None and hooks.retained is not None

    def _owner(self) -> Hookable:
        refresh(self)
        return self.node or self

    def _check_requires_grad(self, words: str) -> None:
        if not self.requires_grad:
            raise RuntimeError(f"{words}; create it with `requires_grad=True`")
