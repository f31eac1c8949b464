"""Tensor: an array that records the operations on it, and sweeps them backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from threading import RLock
from typing import Any

import numpy as np

from . import ops
from .conversions import Conversions
from .deferred import KEPT, Deferred, is_deferred, light
from .errors import explained
from .formatting import text_of
from .functions.arguments import as_array
from .hooks import after_accumulation, turned
from .lengths import Length, has_open, is_length, length
from .memory import Overwritten, next_number
from .operators import Operators
from .ops.broadcasting import repeated
from .ops.masking import filled
from .primitive import PLAIN, Aval, Primitive, aval_of
from .protocols import Protocols
from .tape import (
    STATE,
    Node,
    Tape,
    current_tape,
    gradients_enabled,
    is_watched,
    no_grad,
    set_grad_enabled,
    sweep,
)
from .tracking import Tracking
from .views import WRITTEN, refresh
from .weak import WEAK, WeakInt, evaluate
from .writes import Writes

# Values this small are cheaper to keep than to describe by their shape.
_KEPT = 256
_ERRORS = (ValueError, TypeError, IndexError, ZeroDivisionError)
# Threads may add to the `.grad` of one leaf.
_ACCUMULATING = RLock()
_new = object.__new__
_ndarray, _float64 = np.ndarray, np.float64
_ONE = np.float64(1)


class Tensor(Operators, Writes, Protocols, Conversions, Tracking):
    """An array with a gradient.

    **Arguments:** `data`, an array or what `np.asarray` takes; `requires_grad`, whether operations on it
    are recorded, so that `backward()` can find its gradient.

    **Errors:** `TypeError` when a gradient is asked of integers or booleans.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    # Only views have a `link`, and only what was written to, in the graph, `written`.
    __slots__ = ("__weakref__", "data", "grad", "link", "node", "requires_grad", "written")

    data: Any
    grad: Tensor | None
    node: Node | None
    requires_grad: bool
    link: Any
    written: int

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.data = np.asarray(data.data if isinstance(data, Tensor) else data)
        self.grad = None
        self.node = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    # ---- what it is ----

    # What every function asks: read without a call of Python.
    shape = property(attrgetter("data.shape"), doc="The length of each axis.")
    dtype = property(attrgetter("data.dtype"), doc="The NumPy dtype of the elements.")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size: int = self.data.size
        return size

    def __repr__(self) -> str:
        if not self.requires_grad:
            return text_of(self.data)
        return text_of(self.data, "requires_grad=True" if self.is_leaf else f"grad_fn={self.node}")

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        if self.data.size != 1:
            raise TypeError(
                f"the format {spec!r} needs a tensor with one element, got shape {self.shape}; format the "
                "elements of `.tolist()`, or leave the format out"
            )
        return format(self.data.item(), spec)

    # ---- recording ----

    def bind(
        self,
        primitive: Primitive,
        inputs: tuple[Any, ...],
        params: dict[str, Any],
        run: Callable[..., Any] | None = None,
    ) -> Tensor:
        if WRITTEN:
            _refresh_all(inputs)
        tape = current_tape()
        if tape is not None:
            return _recorded(primitive, inputs, params, tape)
        # Most operations have one or two inputs: what `_taken_apart` does, without its loop and lists, which
        # would take a quarter of the time.
        if len(inputs) == 2:
            x, y = inputs
            x_parent = y_parent = None
            requires_grad = False
            if isinstance(x, Tensor):
                node = x.node
                if x.requires_grad:
                    x_parent = node or x
                    requires_grad = True
                x = x.data
                if node is None and x.ndim == 0:
                    x = x[()]
            elif type(x) not in PLAIN:
                return self.bind(primitive, (_operand(primitive, x), y), params)
            if isinstance(y, Tensor):
                node = y.node
                if y.requires_grad:
                    y_parent = node or y
                    requires_grad = True
                y = y.data
                if node is None and y.ndim == 0:
                    y = y[()]
            elif type(y) not in PLAIN:
                return self.bind(primitive, (inputs[0], _operand(primitive, y)), params)
            values: tuple[Any, ...] = (x, y)
            parents: tuple[Any, ...] = (x_parent, y_parent)
        elif len(inputs) == 1:
            data, node = self.data, self.node
            requires_grad = self.requires_grad
            parents = (node or self,) if requires_grad else (None,)
            values = (data[()] if node is None and data.ndim == 0 else data,)
        else:
            values, parents, requires_grad = _taken_apart(primitive, inputs)
        try:
            if run is not None:
                out = run(*values)
            else:
                out = primitive.eval(*values, **params) if params else primitive.eval(*values)
        except _ERRORS as error:
            raise explained(primitive, values, params, error) from None
        # Field by field: an `__init__` would take as long as all the rest.
        result = _new(Tensor)
        result.data = out
        result.grad = None
        if not (requires_grad and primitive.differentiable and gradients_enabled()) or (
            "dtype" in params and _is_cut(params)
        ):
            result.requires_grad = False
            result.node = None
            if primitive.view:
                result.link = self, primitive, params, next_number()
            return result
        result.requires_grad = True
        result.node = node = _new(Node)
        node.primitive = primitive
        node.params = params
        node.parents = parents
        node.requires_grad = True
        node.number = number = next_number()
        if primitive.view:
            result.link = self, primitive, params, number
        node.inputs = values if primitive.reads_inputs else _light(values)
        node.out = out if primitive.reads_out else None
        return result

    def detach(self) -> Tensor:
        """The same values, cut off from the graph.

        >>> import autograd as ag
        >>> x = ag.tensor(3.0, requires_grad=True)
        >>> (x * x.detach()).backward()
        >>> x.grad
        tensor(3.)
        """
        if current_tape() is not None:
            return self.bind(ops.stop_gradient, (self,), {})
        return constant(self.data)

    # ---- the sweep ----

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Adds the gradient of this tensor to the `.grad` of every leaf that it depends on.

        **Arguments:** `gradient`, the cotangent of this tensor, of its shape; it may be left out for a
        single number; `retain_graph`, whether the graph may be swept again (as `create_graph` unless
        said); `create_graph`, whether the gradients can be differentiated in turn; `inputs`, the leaves
        whose `.grad` is wanted, all of them unless said.

        **Errors:** `RuntimeError` for a tensor without a graph, a graph swept before, or a missing
        `gradient`; `ValueError` for a `gradient` of another shape.

        >>> import autograd as ag
        >>> x = ag.tensor(2.0, requires_grad=True)
        >>> y = 5 * x**3 + 2 * x**2 + 4 * x + 8
        >>> y.backward()
        >>> x.grad
        tensor(72.)
        """
        tape = current_tape()
        tensors: dict[Any, Any] = {}
        taken: set[int] = set()
        # All questions but these would take as long as a compiled sweep of a few numbers does.
        if gradient is None and inputs is None and tape is None and not create_graph:
            cotangents = _swept_bare([_seed_of(self)], None, retain_graph or False)
        else:
            given = None if gradient is None else _given(gradient)
            targets = None if inputs is None else _targets(inputs)
            cotangents = swept([self], [given], targets, retain_graph, create_graph)
            taken.add(id(gradient.data if isinstance(gradient, Tensor) else gradient))
            if targets is not None:
                tensors = {x.node: x for x in targets}
            elif tape is not None:
                tensors = tape.leaves
        # In a `with` statement the lock takes a tenth of the whole call.
        _ACCUMULATING.acquire()
        try:
            for source, g in cotangents.items():
                leaf = source if isinstance(source, Tensor) else tensors[source]
                if leaf.requires_grad:
                    if tape is not None:
                        tape.accumulated.append((leaf, leaf.grad))
                    _accumulate(leaf, g, taken)
        finally:
            _ACCUMULATING.release()
        if Node.hooked:
            after_accumulation([x if isinstance(x, Tensor) else tensors[x] for x in cotangents], tape is not None)

    # `==` compares elements, so the identity has to be said again; as a slot in C it costs nothing.
    __hash__ = object.__hash__


def _operand(primitive: Primitive, x: Any) -> Any:
    """An input of any type as a tensor, an array or a number; a list may hold tensors.

    **Errors:** `TypeError` for what holds no numbers.
    """
    if type(x) in PLAIN or type(x) is Deferred:
        return x
    if is_length(x):
        return open_number(x)
    x = filled(as_array(x))
    if isinstance(x, Tensor):
        return x
    if x.dtype.kind not in "biufc":
        raise TypeError(f"`{primitive}` needs tensors, arrays or numbers, got elements of {x.dtype}: {x!r:.100}")
    return np.asarray(x)


def _refresh_all(inputs: tuple[Any, ...]) -> None:
    for x in inputs:
        if isinstance(x, Tensor):
            refresh(x)


def _is_cut(params: dict[str, Any]) -> bool:
    """Whether the operation converts to integers or booleans, which have no gradient."""
    return "dtype" in params and np.dtype(params["dtype"]).kind not in "fc"


def _taken_apart(primitive: Primitive, inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...], bool]:
    """The values of an operation's inputs, their parents, and whether one of them requires a gradient."""
    values: list[Any] = []
    parents: list[Any] = []
    requires_grad = False
    for x in inputs:
        parent = None
        if isinstance(x, Tensor):
            node = x.node
            if x.requires_grad:
                requires_grad = True
                parent = node or x
            x = x.data
            # NumPy computes ten times faster with its scalars than with arrays without axes.
            if node is None and x.ndim == 0:
                x = x[()]
        elif type(x) not in PLAIN:
            return _taken_apart(primitive, tuple([_operand(primitive, x) for x in inputs]))
        values.append(x)
        parents.append(parent)
    return tuple(values), tuple(parents), requires_grad


def _recorded(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], tape: Tape) -> Tensor:
    """The result of an operation as an equation of the tape, whatever it requires."""
    values: Any = []
    parents: Any = []
    out: Any
    requires_grad = weak = lasts = False
    parent: Any
    for x in inputs:
        parent = None
        if isinstance(x, Tensor):
            parent = node = x.node
            if node is None:
                parent = x
            elif type(node.out) is Deferred:
                lasts = True
            requires_grad = requires_grad or x.requires_grad
            x = x.data
            if type(x) not in PLAIN:
                weak = weak or type(x) in WEAK
        elif type(x) not in PLAIN and type(x) is not Deferred:
            return _recorded(primitive, tuple([_operand(primitive, x) for x in inputs]), params, tape)
        values.append(x)
        parents.append(parent)
    values, parents = tuple(values), tuple(parents)
    try:
        # Of an array that is written to many times the last value alone may be read.
        if tape.defers and (is_deferred(values) or primitive is ops.put or (tape.open and has_open(params))):
            out = Deferred(primitive, values, params)
        else:
            out = evaluate(primitive, values, params) if weak else primitive.eval(*values, **params)
    except _ERRORS as error:
        raise explained(primitive, values, params, error) from None
    result = constant(out)
    result.requires_grad = (
        requires_grad and primitive.differentiable and gradients_enabled() and not (params and _is_cut(params))
    )
    if tape.defers and (lasts or type(out) is Deferred or (type(out) is _ndarray and out.size > KEPT)):
        out, values = light(out, primitive, values, params, parents)
    # As in `bind`.
    result.node = node = _new(Node)
    node.primitive = primitive
    node.inputs = values
    node.out = out
    node.params = params
    node.parents = parents
    node.requires_grad = result.requires_grad
    node.number = next_number()
    tape.nodes.append(node)
    if primitive.view:
        result.link = inputs[0], primitive, params, node.number
    return result


def open_number(n: Length) -> Tensor:
    """An open length as a number that the tape follows."""
    tape = current_tape()
    assert tape is not None
    made = constant(WeakInt(n.value))
    made.node = Node(length, (), made.data, {"n": n}, (), False)
    tape.nodes.append(made.node)
    return made


def constant(data: Any) -> Tensor:
    """A tensor of that very array, without a gradient."""
    x = _new(Tensor)
    x.data = data
    x.grad = x.node = None
    x.requires_grad = False
    return x


def lift(value: Any, parent: Any) -> Any:
    """The tensor that a saved value was, for a sweep which is itself recorded."""
    if parent is None or type(value) is Aval or type(value) is Overwritten:
        return value
    if isinstance(parent, Tensor):
        if _is_of(value, parent):
            return parent
        # The leaf has other data by now: its gradient is that of what the operation read.
        parent = Node(ops.astype, (aval_of(parent),), None, {"dtype": value.dtype}, (parent,), True)
    x = constant(value)
    x.node, x.requires_grad = parent, parent.requires_grad
    return x


def _is_of(value: Any, leaf: Tensor) -> bool:
    """Whether a saved value is that of the leaf; operations read numbers out of arrays without axes."""
    data = leaf.data
    return data is value or (data.ndim == 0 and np.array_equal(data, value, True))


def cotangents_of(
    outputs: Sequence[Tensor],
    gradients: Sequence[Any],
    targets: Sequence[Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> dict[Any, Any]:
    """The gradients of the targets (of all leaves for `None`), by their node or leaf, swept from those of outputs."""
    given = [None if g is None else _given(g) for g in gradients]
    found = swept(outputs, given, targets, retain_graph, create_graph)
    for source, g in found.items():
        if type(g) is not _float64 and g.dtype.kind == "c":
            found[source] = turned(g)
    return found


def _given(gradient: Any) -> Any:
    """The cotangent of an output whose gradient a user gives."""
    return turned(gradient if isinstance(gradient, Tensor) else np.asarray(gradient))


def swept(
    outputs: Sequence[Tensor],
    gradients: Sequence[Any],
    targets: Sequence[Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
    masks: bool = False,
) -> dict[Any, Any]:
    """As `cotangents_of`, with complex cotangents as rules have them: the conjugates of gradients.

    **Arguments:** `masks`, whether a sweep that is recorded gives them with their masks.
    """
    if WRITTEN:
        _refresh_all(tuple(targets or ()))
    seeds = [_seed(y, g) for y, g in zip(outputs, gradients, strict=True)]
    retain = create_graph if retain_graph is None else retain_graph
    wanted = None if targets is None else {x.node or x for x in targets}
    tape = current_tape()
    if not create_graph and tape is None:
        # Rules write into arrays of their own, which a tensor would not allow.
        return _swept_bare([(root, g.data if isinstance(g, Tensor) else g) for root, g in seeds], wanted, retain)
    with np.errstate(all="ignore"):
        # A number stays one: on a tape it is part of the program.
        seeds = [(root, g if isinstance(g, Tensor | np.generic) else constant(g)) for root, g in seeds]
        with set_grad_enabled(create_graph):
            # A recording still needs the values that a sweep would free.
            return sweep(seeds, wanted, lift, retain or tape is not None, _wrapped, masks)


def _swept_bare(seeds: list[tuple[Any, Any]], wanted: set[Any] | None, retain: bool) -> dict[Any, Any]:
    """The cotangents by a sweep on arrays that nothing records."""
    hot = STATE.hot_tapes
    if hot is not None and not is_watched(seeds):
        found = hot.sweep(seeds, wanted, retain)
        if found is not None:
            return found
    with np.errstate(all="ignore"):
        if not Node.hooked:
            return sweep(seeds, wanted, None, retain, constant)
        with no_grad():
            return sweep(seeds, wanted, None, retain, constant)


def _wrapped(g: Any) -> Tensor:
    return g if isinstance(g, Tensor) else constant(g)


def _seed(y: Tensor, g: Any) -> tuple[Any, Any]:
    if g is None:
        root, one = _seed_of(y)
        return root, one if current_tape() is None else repeated(1, one.dtype, one.shape)
    root, data = _root(y), y.data
    g = g if isinstance(g, Tensor) else np.asarray(g, data.dtype)
    if g.shape != data.shape:
        raise ValueError(f"`gradient` needs the shape of the output, {data.shape}, got {g.shape}; reshape or expand it")
    return root, g


def _seed_of(y: Tensor) -> tuple[Any, Any]:
    """The root of a sweep whose cotangent is not given."""
    root, data = _root(y), y.data
    # What most losses are, known by one look.
    if type(data) is _float64:
        return root, _ONE
    if data.size != 1 or data.dtype.kind == "c":
        raise RuntimeError(
            "`backward` without a `gradient` needs a single real number (grad can be implicitly created "
            f"only for scalar outputs), got shape {y.shape} of {y.dtype.name}; reduce it (`y.sum()`) or "
            "pass `gradient`, an array of that shape"
        )
    return root, data.dtype.type(1) if data.ndim == 0 else np.ones(data.shape, data.dtype)


def _root(y: Tensor) -> Any:
    """Where a sweep from a tensor begins."""
    if WRITTEN:
        _refresh_all((y,))
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise RuntimeError(
            "`backward` and `grad` need a tensor that depends on one with `requires_grad=True`, got one that "
            "does not require grad and does not have a grad_fn; set `requires_grad=True` on the inputs, and "
            "leave `no_grad`"
        )
    return y.node or y


def _targets(inputs: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """The leaves that `backward` was asked for."""
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not targets:
        raise ValueError("`backward(inputs=...)` needs at least one tensor, got an empty sequence")
    return targets


def _light(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of inputs whose shapes alone are needed, without the arrays that are worth freeing."""
    for x in values:
        if type(x) is _ndarray:
            # A small view may be all that keeps a large array alive.
            base = x.base
            if x.size > _KEPT if base is None else type(base) is not _ndarray or base.size > _KEPT:
                return tuple([Aval(x.shape, x.dtype) if type(x) is _ndarray else x for x in values])
    return values


def _accumulate(leaf: Tensor, g: Any, taken: set[int]) -> None:
    """Adds the gradient of a cotangent to `.grad`, which owns its memory: no other holder of an array sees it change.

    `taken` has the identities of what belongs to others already.
    """
    before = leaf.grad
    if type(g) is _float64:
        # It has no memory to own.
        leaf.grad = constant(g if before is None else before.data + g)
        return
    g = turned(g)
    if before is not None:
        leaf.grad = before + g if isinstance(g, Tensor) else constant(before.data + g)
        return
    data = g.data if isinstance(g, Tensor) else g
    if isinstance(data, np.ndarray):
        if data.base is not None or not data.flags.writeable or id(data) in taken:
            g = ops.mul(g, 1) if isinstance(g, Tensor) else g.copy()
        else:
            taken.add(id(data))
    leaf.grad = g if isinstance(g, Tensor) else constant(g)
