"""What eager execution records, and the backward sweep over it.

A `Node` is one recorded equation. It holds the values that its rules read and the nodes of its inputs,
never the tensor that it made, so that a dropped result is freed by its reference count at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from itertools import count
from operator import attrgetter
from pathlib import Path
from threading import get_ident
from typing import Any, NamedTuple

from .primitive import Primitive

next_number = count().__next__
_PACKAGE = str(Path(__file__).parent)


class Node:
    """One recorded equation: `out = primitive(*inputs, **params)`.

    `parents` has an entry for each input: the node that made it, the leaf tensor that it is, or `None`
    where it is a constant. `number` grows with time, so it orders the sweep.
    """

    __slots__ = ("__weakref__", "inputs", "number", "out", "params", "parents", "primitive", "requires_grad")

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
    """All that happened to tensors while it recorded: the equations in their order, and the guards.

    `leaves` are the tensors that became leaves while it recorded, by the equation that made them or by themselves;
    `accumulated` has each tensor that `backward()` gave a `.grad`, with what it had before. A tape that `defers` does
    not compute large arrays unless their values are asked for; `loop(...)`, where there is one, records a loop as one
    operation, and `roll(tape, first, inputs, outputs)` gives the outputs by loops where operations repeat themselves.
    """

    __slots__ = ("accumulated", "defers", "guards", "leaves", "loop", "nodes", "roll")

    def __init__(
        self,
        defers: bool = False,
        loop: Callable[..., Any] | None = None,
        roll: Callable[..., Any] | None = None,
    ) -> None:
        self.defers, self.loop, self.roll = defers, loop, roll
        self.nodes: list[Node] = []
        self.guards: list[Guard] = []
        self.leaves: dict[Any, Any] = {}
        self.accumulated: list[tuple[Any, Any]] = []

    def __repr__(self) -> str:
        return f"<Tape of {len(self.nodes)} equations and {len(self.guards)} guards>"


_FIELDS: dict[str, ContextVar[Any]] = {
    "grad_enabled": ContextVar("grad_enabled", default=True),
    "tape": ContextVar("tape", default=None),
    "nesting": ContextVar("nesting", default=0),
}


def _field(variable: ContextVar[Any]) -> Any:
    return property(lambda _: variable.get(), lambda _, value: variable.set(value) and None)


class _State:
    """Whether gradients are wanted, the tape that records, and the depth of nested gradients.

    Each thread and each asynchronous task has its own.
    """

    __slots__ = ()

    grad_enabled = _field(_FIELDS["grad_enabled"])
    tape = _field(_FIELDS["tape"])
    nesting = _field(_FIELDS["nesting"])

    def __getattr__(self, field: str) -> Any:
        raise AttributeError(f"the state has the fields {', '.join(_FIELDS)}, got {field}")


STATE = _State()
# What every operation asks, by the shortest way.
current_tape: Callable[[], Tape | None] = _FIELDS["tape"].get
gradients_enabled: Callable[[], bool] = _FIELDS["grad_enabled"].get


class _Setting:
    """Sets a field of the state within a `with` block, or for each call of a decorated function."""

    def __init__(self, field: str, value: Any) -> None:
        self.field, self.value = _FIELDS[field], value
        # By thread, what was set before each open block: those of one object may nest.
        self.before: dict[int, list[Any]] = {}

    def __enter__(self) -> Any:
        self.before.setdefault(get_ident(), []).append(self.field.get())
        self.field.set(self.value)
        return self.value

    def __exit__(self, *error: object) -> None:
        self.field.set(self.before[get_ident()].pop())

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        name, value = self.field.name, self.value

        @wraps(f)
        def within(*args: Any, **kwargs: Any) -> Any:
            with _Setting(name, value):
                return f(*args, **kwargs)

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
        STATE.grad_enabled = self.value

    def __enter__(self) -> Any:
        super().__enter__()
        # Making the object has set the mode already: the block ends with what was set before that.
        self.before[get_ident()][-1] = self.previous
        return self.value

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        STATE.grad_enabled = self.previous
        return super().__call__(f)


def record(defer: bool = False) -> _Setting:
    """Records every operation on tensors within the block, for `jit.compile(tape, inputs, outputs)`.

    **Arguments:** `defer`, whether large arrays are computed only where their values are asked for.

    >>> import autograd as ag
    >>> x = ag.tensor([1.0, 2.0])
    >>> with ag.record() as tape:
    ...     y = (x * x).sum()
    >>> tape
    <Tape of 2 equations and 0 guards>
    """
    return onto(Tape(defer))


def onto(tape: Tape) -> _Setting:
    """Records every operation on tensors within the block on that tape."""
    return _Setting("tape", tape)


def user_line() -> str:
    """The file and line outside of this package which called into it."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return "unknown" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


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

    **Arguments:** `seeds`, pairs of a root (a node or a leaf tensor) and its cotangent; `targets`, the nodes
    and leaves that are wanted, `None` for all leaves; `lift(value, parent)`, which makes a tensor of a saved
    value where the sweep itself is to be recorded, `None` for a sweep on bare arrays; `retain_graph`, whether
    the nodes keep their values for another sweep.

    **Returns:** the cotangents by node or leaf.

    **Errors:** `RuntimeError` for nodes that were swept before.
    """
    cotangents: dict[Any, Any] = {}
    for root, g in seeds:
        seen = cotangents.get(root)
        cotangents[root] = g if seen is None else seen + g
    # What is recorded may be swept in turn, and costs more than to look what leads to the targets.
    nodes, wanted = _paths([root for root in cotangents if type(root) is Node], targets, lift is not None)
    tape = current_tape()
    ends = targets or (tape.leaves if tape is not None else ())
    found: dict[Any, Any] = {}
    # Those whose cotangent is an array that nobody else has.
    own: set[Any] = set()
    for node in nodes:
        g = cotangents.pop(node, None)
        if g is None:
            continue
        if ends and node in ends:
            found[node] = g
        if wanted is not None and not any(parent in wanted for parent in node.parents):
            continue
        inputs, out, params = node.inputs, node.out, node.params
        if inputs is None:
            raise RuntimeError(f"`{node.name}`: {FREED}")
        if lift is not None:
            out = lift(out, node)
            inputs = tuple([lift(x, parent) for x, parent in zip(inputs, node.parents, strict=True)])
        rules: Any = node.primitive.vjps
        together = None if type(rules) is tuple else rules(g, out, *inputs, **params)
        add = node.primitive.add_vjp if lift is None else None
        for i, parent in enumerate(node.parents):
            if parent is None or not parent.requires_grad:
                continue
            if wanted is not None and parent not in wanted:
                continue
            if add is not None:
                if parent in own:
                    add(cotangents[parent], g, *inputs, **params)
                    continue
                own.add(parent)
            if together is not None:
                gx = together[i]
            else:
                rule = rules[i] if i < len(rules) else None
                gx = None if rule is None else rule(g, out, *inputs, **params)
            if gx is not None:
                seen = cotangents.get(parent)
                cotangents[parent] = gx if seen is None else seen + gx
        if not retain_graph:
            node.inputs = node.out = None
    for leaf, g in cotangents.items():
        if targets is None or leaf in targets:
            found[leaf] = g
    return found


def _paths(roots: list[Node], targets: set[Any] | None, elsewhere: bool) -> tuple[list[Node], set[Any] | None]:
    """The nodes that lead to the roots, the youngest first, so that each comes after all its consumers.

    Beside them, the nodes and leaves on a path from a target to a root; `None` where that is all of them, unless paths
    may lead `elsewhere` without ending in a leaf.
    """
    seen: set[Any] = set(roots)
    nodes = list(roots)
    # The list grows while it is read.
    for node in nodes:
        for parent in node.parents:
            if parent is None or parent in seen or not parent.requires_grad:
                continue
            seen.add(parent)
            if type(parent) is Node:
                nodes.append(parent)
            elif targets is not None and parent not in targets:
                elsewhere = True
    nodes.sort(key=attrgetter("number"), reverse=True)
    if targets is None or not elsewhere:
        return nodes, None
    wanted = set(targets)
    for node in reversed(nodes):
        if any(parent in wanted for parent in node.parents):
            wanted.add(node)
    return nodes, wanted
