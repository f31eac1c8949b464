"""What eager execution records, and the backward sweep over it.

A `Node` is one recorded equation. It holds the values that its rules read and the nodes of its inputs,
never the tensor that it made, so that a dropped result is freed by its reference count at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from inspect import isgeneratorfunction
from operator import attrgetter
from os import sep
from pathlib import Path
from threading import get_ident
from typing import Any, NamedTuple

from .hooks import Handle, Hookable, check_numbers
from .memory import WRITES, next_number, still_there
from .ops.masking import Masked, filled
from .primitive import Primitive
from .stepping import stepped

_age = attrgetter("number")
#: The folder of this package, as the names of its files begin.
PACKAGE = str(Path(__file__).parent) + sep


class Node(Hookable):
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
        # A function of the user's own goes by its name.
        context = self.params.get("context")
        if context is not None:
            return f"{context}Backward"
        return "".join(part.capitalize() for part in self.primitive.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The parents as PyTorch lists them."""
        return tuple((parent, 0) for parent in self.parents)

    def register_hook(self, hook: Callable[..., Any]) -> Handle:
        """Calls `hook(grad_inputs, grad_outputs)`, two tuples, whenever a sweep has passed this node.

        What it returns, if anything, takes the place of `grad_inputs`.
        """
        return Handle(self.own_hooks().after, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Handle:
        """Calls `hook(grad_outputs)`, a tuple, whenever a sweep comes to this node.

        What it returns, if anything, takes the place of `grad_outputs`.
        """
        return Handle(self.own_hooks().before, hook)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Guard(NamedTuple):
    """A value that escaped to Python while a tape recorded: the recording holds for this value alone."""

    node: Any
    value: Any
    where: str


class Control(NamedTuple):
    """How a tape records control flow as operations: what does `ag.scan`, `ag.while_loop` and `ag.switch`, on leaves.

    `each(function, stack)` is what a linear function of an array makes of each of those in a stack, as stacks. `room`
    is the factor to the number of steps for which loops have memory whose number nobody knows.
    """

    scan: Callable[..., Any]
    while_loop: Callable[..., Any]
    switch: Callable[..., Any]
    each: Callable[..., Any]
    room: int


class Tape:
    """All that happened to tensors while it recorded: the equations in their order, and the guards.

    `leaves` are the tensors that became leaves while it recorded, by the equation that made them or by themselves;
    `accumulated` has each tensor that `backward()` gave a `.grad`, with what it had before. A tape that `defers` does
    not compute large arrays unless their values are asked for; its `control`, where there is one, records loops and
    branches as operations, and `roll(tape, node, guard, inputs, outputs)` gives the outputs by loops where operations
    repeat themselves from that node and that guard on; `notes` say what has become of them, and `counts` are tensors
    of the numbers of steps for which the recording holds, one for each loop that ends by a value. What was made before
    the number `began` is from outside, and so is a constant that is not among those `made`. `states` are those of
    random generators: what a call leaves in a tensor from outside, `None` where nothing may be drawn. `open` says that
    there are lengths which are left open.
    """

    __slots__ = (
        "accumulated",
        "began",
        "control",
        "counts",
        "defers",
        "guards",
        "leaves",
        "made",
        "nodes",
        "notes",
        "open",
        "roll",
        "states",
    )

    def __init__(
        self,
        defers: bool = False,
        control: Control | None = None,
        roll: Callable[..., Any] | None = None,
        open: bool = False,
    ) -> None:
        self.defers, self.control, self.roll, self.open = defers, control, roll, open
        self.began = next_number()
        self.nodes: list[Node] = []
        self.guards: list[Guard] = []
        self.notes: list[str] = []
        self.counts: list[Any] = []
        self.leaves: dict[Any, Any] = {}
        self.made: set[Any] = set()
        self.accumulated: list[tuple[Any, Any]] = []
        self.states: dict[Any, Any] | None = None

    def __repr__(self) -> str:
        return f"<Tape of {len(self.nodes)} equations and {len(self.guards)} guards>"


_FIELDS: dict[str, ContextVar[Any]] = {
    "grad_enabled": ContextVar("grad_enabled", default=True),
    "tape": ContextVar("tape", default=None),
    "nesting": ContextVar("nesting", default=0),
    "anomaly": ContextVar("anomaly", default=False),
    "watchers": ContextVar("watchers", default=()),
    "drawn": ContextVar("drawn", default=()),
}


def _field(variable: ContextVar[Any]) -> Any:
    return property(lambda _: variable.get(), lambda _, value: variable.set(value) and None)


class _State:
    """Whether gradients are wanted, the tape that records, and the depth of nested gradients; and whether sweeps look
    for what is not a number, who is shown new nodes, and what notes random draws.

    Each thread and each asynchronous task has its own. `hot_tapes`, for all of them, may do what `sweep` does on bare
    arrays: its own `sweep` takes `seeds`, `targets` and `retain_graph`, and returns `None` where it does not.
    """

    __slots__ = ("hot_tapes",)

    def __init__(self) -> None:
        self.hot_tapes: Any = None

    grad_enabled = _field(_FIELDS["grad_enabled"])
    tape = _field(_FIELDS["tape"])
    nesting = _field(_FIELDS["nesting"])
    anomaly = _field(_FIELDS["anomaly"])
    watchers = _field(_FIELDS["watchers"])
    drawn = _field(_FIELDS["drawn"])

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
        if isgeneratorfunction(f):
            return wraps(f)(lambda *args, **kwargs: stepped(f(*args, **kwargs), lambda: _Setting(name, value)))

        @wraps(f)
        def within(*args: Any, **kwargs: Any) -> Any:
            with _Setting(name, value):
                return f(*args, **kwargs)

        return within


def setting(field: str, value: Any) -> _Setting:
    """Sets a field of the state within a block."""
    return _Setting(field, value)


def no_grad(f: Any = None) -> Any:
    """Nothing within the block requires a gradient; as a decorator, nothing within the function.

    >>> import autograd as ag
    >>> x = ag.tensor(2.0, requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    off = _Setting("grad_enabled", False)
    return off if f is None else off(f)


def enable_grad(f: Any = None) -> Any:
    """Gradients are recorded within the block or the decorated function, also inside `no_grad`."""
    on = _Setting("grad_enabled", True)
    return on if f is None else on(f)


def inference_mode(mode: Any = True) -> Any:
    """As `no_grad`, and as `enable_grad` with `mode=False`.

    Unlike PyTorch's, the tensors made in it are like any other: they may be used where gradients are recorded.
    """
    switch = _Setting("grad_enabled", not mode if isinstance(mode, bool) else False)
    return switch if isinstance(mode, bool) else switch(mode)


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


def made_here(x: Any) -> Any:
    """A new constant, noted on the tape that records: what is made there may be written to."""
    tape = current_tape()
    if tape is not None:
        tape.made.add(x)
    return x


def user_line(within: tuple[str, ...] = (PACKAGE,)) -> str:
    """The file and line outside of this package, or of the folders `within`, which called into it."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(within):
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
    wrap: Callable[[Any], Any] | None = None,
    masks: bool = False,
) -> dict[Any, Any]:
    """The cotangents of the leaves, or of `targets`, by reverse accumulation.

    **Arguments:** `seeds`, pairs of a root (a node or a leaf tensor) and its cotangent; `targets`, the nodes
    and leaves that are wanted, `None` for all leaves; `lift(value, parent)`, which makes a tensor of a saved
    value where the sweep itself is to be recorded, `None` for a sweep on bare arrays; `retain_graph`, whether
    the nodes keep their values for another sweep; `wrap(value)`, the tensor of a cotangent, for hooks;
    `masks`, whether cotangents of leaves come with the masks that they have.

    **Returns:** the cotangents by node or leaf.

    **Errors:** `RuntimeError` for nodes that were swept before, and for saved values that were written over.
    """
    cotangents: dict[Any, Any] = {}
    for root, g in seeds:
        seen = cotangents.get(root)
        cotangents[root] = g if seen is None else seen + g
    # What is recorded may be swept in turn, and costs more than to look what leads to the targets.
    nodes, wanted = _paths([root for root in cotangents if type(root) is Node], targets, lift is not None)
    tape = current_tape()
    # What is wanted on the way; leaves have no node that would take their cotangents away.
    ends = {x for x in targets or (tape.leaves if tape is not None else ()) if type(x) is Node}
    found: dict[Any, Any] = {}
    # Those whose cotangent is an array that nobody else has.
    own: set[Any] = set()
    hooked = Hookable.hooked
    # Whether something was written in place since the oldest of them saved its values.
    late = bool(WRITES.records) and bool(nodes) and nodes[-1].number < WRITES.last
    checked = hooked and tape is None and STATE.anomaly
    # On small arrays all questions below take as long as NumPy does: mostly, none of them is to be asked.
    plain = lift is None and wanted is None and not (hooked or late or ends)
    rules: Any
    take, known = cotangents.pop, cotangents.get
    for node in nodes:
        g = take(node, None)
        if g is None:
            continue
        primitive, inputs = node.primitive, node.inputs
        if plain and primitive.one_by_one and inputs is not None and (primitive.masks or type(g) is not Masked):
            out, params, rules = node.out, node.params, primitive.rules
            for i, parent in enumerate(node.parents):
                if parent is None or i >= len(rules):
                    continue
                rule = rules[i]
                gx = None if rule is None else rule(g, out, inputs, params)
                if gx is not None:
                    seen = known(parent)
                    cotangents[parent] = gx if seen is None else seen + gx
            if not retain_graph:
                node.inputs = node.out = None
            continue
        hooks: Any = getattr(node, "hooks", None) if hooked else None
        if hooks is not None:
            g = _shown(hooks.on_gradient, g, wrap, lift is None)
        if node in ends:
            found[node] = filled(g)
        parents = node.parents
        if wanted is not None:
            if wanted.isdisjoint(parents):
                continue
            parents = tuple([parent if parent in wanted else None for parent in parents])
        out, params = node.out, node.params
        if inputs is None:
            raise RuntimeError(f"`{node.name}`: {FREED}")
        if late:
            inputs, out = still_there(node.name, (inputs, out), node.number)
        if hooks is not None and hooks.unpack is not None:
            inputs, out = tuple([hooks.unpack(x) for x in inputs]), hooks.unpack(out)
        add = primitive.add_vjp
        if lift is not None:
            out, add = lift(out, node), None
            inputs = tuple([lift(x, parent) for x, parent in zip(inputs, node.parents, strict=True)])
        rules = primitive.rules
        if hooks is not None:
            g = _shown(hooks.before_rules, g, wrap, lift is None)
        mask = None
        if type(g) is Masked:
            add = None
            if not primitive.masks:
                mask, g = g, g.filled()
        if type(rules) is not tuple:
            rules = [_given(gx) for gx in rules(g, out, inputs, params)]
        if mask is not None:
            rules = mask.through(rules)
        if checked or (hooks is not None and hooks.after):
            together: Any = _by_input(node, rules, g, out, inputs)
            if checked:
                check_numbers(node.name, [filled(gx) for gx in together], None if hooks is None else hooks.where, wrap)
            if hooks is not None and hooks.after:
                together = hooks.after_rules([filled(gx) for gx in together], filled(g), wrap, lift is None)
            rules, add = [_given(gx) for gx in together], None
        for i, parent in enumerate(parents):
            if parent is None or i >= len(rules):
                continue
            if add is not None:
                # A sum of arrays without axes is one of NumPy's scalars, which cannot be written to.
                if parent in own and cotangents[parent].shape:
                    add(cotangents[parent], g, *inputs, **params)
                    continue
                own.add(parent)
            rule = rules[i]
            gx = None if rule is None else rule(g, out, inputs, params)
            if gx is not None:
                seen = cotangents.get(parent)
                cotangents[parent] = gx if seen is None else seen + gx
        if not retain_graph:
            node.inputs = node.out = None
    for leaf, g in cotangents.items():
        if targets is None or leaf in targets:
            hooks = getattr(leaf, "hooks", None) if hooked else None
            g = g if masks and hooks is None else filled(g)
            found[leaf] = g if hooks is None else hooks.on_gradient(g, wrap, lift is None)
    return found


def _shown(hook: Callable[..., Any], g: Any, wrap: Any, bare: bool) -> Any:
    """The cotangent as hooks leave it: with its mask, unless they change it."""
    plain = filled(g)
    shown = hook(plain, wrap, bare)
    return g if shown is plain else shown


def is_watched(seeds: list[tuple[Any, Any]]) -> bool:
    """Whether a sweep from these roots has more to do than the rules say.

    It calls hooks, looks for NaN, or for saved values that were written over.
    """
    if not Hookable.hooked and not WRITES.records:
        return False
    nodes, _ = _paths([root for root, _ in seeds if type(root) is Node], None)
    if nodes and nodes[-1].number < WRITES.last:
        return True
    return STATE.anomaly or any(hasattr(x, "hooks") for node in nodes for x in (node, *node.parents) if x is not None)


def _by_input(node: Node, rules: Any, g: Any, out: Any, inputs: tuple[Any, ...]) -> list[Any]:
    """What each rule of a node gives, `None` for inputs that have no gradient."""
    found = []
    for i, parent in enumerate(node.parents):
        rule = rules[i] if parent is not None and parent.requires_grad and i < len(rules) else None
        found.append(None if rule is None else rule(g, out, inputs, node.params))
    return found


def _given(gx: Any) -> Callable[..., Any]:
    """A cotangent that is there already, as the rule for it."""
    return lambda *_: gx


def _paths(roots: list[Node], targets: set[Any] | None, elsewhere: bool = False) -> tuple[list[Node], set[Any] | None]:
    """The nodes that lead to the roots, the youngest first, so that each comes after all its consumers.

    Beside them, the nodes and leaves on a path from a target to a root; `None` where that is all of them, unless paths
    may lead `elsewhere` without ending in a leaf.
    """
    seen: set[Any] = set(roots)
    nodes = list(roots)
    # The list grows while it is read.
    for node in nodes:
        for parent in node.parents:
            if parent is None or parent in seen:
                continue
            if not parent.requires_grad:
                elsewhere = True
                continue
            seen.add(parent)
            if type(parent) is Node:
                nodes.append(parent)
            elif targets is not None and parent not in targets:
                elsewhere = True
    nodes.sort(key=_age, reverse=True)
    if not elsewhere:
        return nodes, None
    if targets is None:
        return nodes, seen
    wanted = {target for target in targets if target.requires_grad}
    for node in reversed(nodes):
        if any(parent in wanted for parent in node.parents):
            wanted.add(node)
    return nodes, wanted
