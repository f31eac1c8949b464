"""What eager execution records, and the backward sweep over it.

A `Node` is one recorded equation. It holds the values that its rules read and the nodes of its inputs,
never the tensor that it made, so that a dropped result is freed by its reference count at once.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from itertools import count
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .primitive import Primitive

next_number = count().__next__
_PACKAGE = str(Path(__file__).parent)


class Node:
    """One recorded equation: `out = primitive(*inputs, **params)`.

    `parents` has an entry for each input: the node that made it, the leaf tensor that it is, or `None`
    where it is a constant. `number` grows with time, so it orders the sweep.
    """

    __slots__ = ("inputs", "number", "out", "params", "parents", "primitive", "requires_grad")

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Any, ...] | None,
        out: Any,
        params: dict[str, Any],
        parents: tuple[Any, ...],
        requires_grad: bool,
    ) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.out = out
        self.params = params
        self.parents = parents
        self.requires_grad = requires_grad
        self.number = next_number()

    @property
    def name(self) -> str:
        """The name that PyTorch would print: `MulBackward0`."""
        return "".join(part.capitalize() for part in self.primitive.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The parents as PyTorch lists them."""
        return tuple((parent, 0) for parent in self.parents)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Guard(NamedTuple):
    """A value that escaped to Python while a tape recorded: the recording holds for this value alone."""

    node: Any
    value: Any
    where: str


class Tape:
    """All that happened to tensors while it recorded: the equations in their order, and the guards."""

    __slots__ = ("guards", "nodes")

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.guards: list[Guard] = []

    def __repr__(self) -> str:
        return f"<Tape of {len(self.nodes)} equations and {len(self.guards)} guards>"


class _State(threading.local):
    """Whether gradients are wanted, and the tape that records, in this thread."""

    grad_enabled = True
    tape: Tape | None = None
    nesting = 0


STATE = _State()


class _Setting:
    """Sets a field of the state within a `with` block, or for each call of a decorated function."""

    def __init__(self, field: str, value: Any) -> None:
        self.field, self.value = field, value
        self.before: list[Any] = []

    def __enter__(self) -> Any:
        self.before.append(getattr(STATE, self.field))
        setattr(STATE, self.field, self.value)
        return self.value

    def __exit__(self, *error: object) -> None:
        setattr(STATE, self.field, self.before.pop())

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        field, value = self.field, self.value

        def within(*args: Any, **kwargs: Any) -> Any:
            with _Setting(field, value):
                return f(*args, **kwargs)

        within.__name__ = getattr(f, "__name__", "within")
        within.__doc__ = f.__doc__
        return within


def no_grad() -> _Setting:
    """Nothing within the block requires a gradient.

    >>> import autograd as ag
    >>> x = ag.tensor(2.0, requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return _Setting("grad_enabled", False)


def enable_grad() -> _Setting:
    """Gradients are recorded within the block, also inside `no_grad`."""
    return _Setting("grad_enabled", True)


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require gradients record a graph."""
    return STATE.grad_enabled


class set_grad_enabled(_Setting):
    """Switches gradients on or off, at once; in a `with` statement, until the block's end.

    >>> import autograd as ag
    >>> with ag.set_grad_enabled(False):
    ...     ag.is_grad_enabled()
    False
    >>> ag.is_grad_enabled()
    True
    """

    def __init__(self, mode: bool) -> None:
        super().__init__("grad_enabled", bool(mode))
        self.previous = STATE.grad_enabled
        STATE.grad_enabled = bool(mode)

    def __enter__(self) -> bool:
        self.before.append(self.previous)
        STATE.grad_enabled = self.value
        return bool(self.value)


def record() -> _Setting:
    """Records every operation on tensors within the block, for `jit.compile(tape, inputs, outputs)`.

    >>> import autograd as ag
    >>> x = ag.tensor([1.0, 2.0])
    >>> with ag.record() as tape:
    ...     y = (x * x).sum()
    >>> tape
    <Tape of 2 equations and 0 guards>
    """
    return _Setting("tape", Tape())


def user_line() -> str:
    """The file and line outside of this package which called into it."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return "unknown" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def reachable(roots: Iterable[Any], targets: set[Any] | None) -> list[Node]:
    """The nodes to sweep, in the order of their making: all that the roots depend on, less those that
    depend on no target."""
    seen: set[Any] = set()
    stack = [root for root in roots if type(root) is Node]
    seen.update(stack)
    order = []
    while stack:
        node = stack.pop()
        order.append(node)
        for parent in node.parents:
            if type(parent) is Node and parent.requires_grad and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    order.sort(key=attrgetter("number"))
    if targets is None:
        return order
    needed: set[Any] = set(targets)
    kept = []
    for node in order:
        if any(parent is not None and parent in needed for parent in node.parents):
            needed.add(node)
            kept.append(node)
    return kept


FREED = (
    "the graph was swept already and its saved values are freed; call `backward(retain_graph=True)` (or "
    "`grad(..., retain_graph=True)`) the first time if a second sweep is meant"
)


def sweep(
    seeds: list[tuple[Any, Any]],
    targets: set[Any] | None,
    lift: Callable[[Any, Any], Any] | None,
    retain_graph: bool,
) -> dict[Any, Any]:
    """The cotangents of the leaves, or of `targets`, by reverse accumulation.

    **Arguments:** `seeds`, pairs of a root (a node or a leaf tensor) and its cotangent; `targets`, the nodes and
    leaves that are wanted, `None` for all leaves; `lift(value, parent)`, which makes a tensor of a saved
    value where the sweep itself is to be recorded, `None` for a sweep on bare arrays.
    """
    cotangents: dict[Any, Any] = {}
    for root, g in seeds:
        seen = cotangents.get(root)
        cotangents[root] = g if seen is None else seen + g
    order = reachable(cotangents, targets)
    wanted = None if targets is None else targets.union(order)
    found: dict[Any, Any] = {}
    for node in reversed(order):
        g = cotangents.pop(node, None)
        if g is None:
            continue
        if targets is not None and node in targets:
            found[node] = g
        inputs, out = node.inputs, node.out
        if inputs is None:
            raise RuntimeError(f"`{node.name}`: {FREED}")
        if lift is not None:
            out = lift(out, node)
            inputs = tuple([lift(x, p) for x, p in zip(inputs, node.parents, strict=True)])
        primitive, params = node.primitive, node.params
        vjps = primitive.vjps
        for i, parent in enumerate(node.parents):
            if parent is None or not parent.requires_grad:
                continue
            if wanted is not None and parent not in wanted:
                continue
            rule = vjps[i] if type(vjps) is tuple else primitive.vjp(i)
            if rule is None:
                continue
            gx = rule(g, out, *inputs, **params)
            seen = cotangents.get(parent)
            cotangents[parent] = gx if seen is None else seen + gx
        if not retain_graph:
            node.inputs = node.out = None
    for target, g in cotangents.items():
        if targets is None or target in targets:
            found[target] = g
    return found


def ones_like(x: Any) -> Any:
    """The seed of a sweep from a single number."""
    return np.ones(x.shape, x.dtype)[()]
