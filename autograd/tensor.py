"""Tensor: an array that records the operations on it, and sweeps them backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import ops
from .errors import explained
from .operators import Operators
from .primitive import PLAIN, Aval, Primitive, Shape
from .tape import STATE, Guard, Node, no_grad, ones_like, sweep, user_line

# Values this small are cheaper to keep than to describe by their shape.
_KEPT = 256


class Tensor(Operators):
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

    __slots__ = ("__weakref__", "data", "grad", "node", "requires_grad")

    data: Any
    grad: Tensor | None
    node: Node | None
    requires_grad: bool

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.data = np.asarray(data.data if isinstance(data, Tensor) else data)
        self.grad = None
        self.node = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    # ---- what it is ----

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        shape: Shape = self.data.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        dtype: np.dtype[Any] = self.data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.data.size)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.node is None or not self.node.requires_grad

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made it, `None` for a leaf."""
        return None if self.is_leaf else self.node

    # ---- recording ----

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
        recording = STATE.tape is not None
        values, parents = [], []
        requires_grad = False
        for x in inputs:
            if isinstance(x, Tensor):
                values.append(x.data)
                if x.requires_grad:
                    requires_grad = True
                    parents.append(x.node or x)
                else:
                    parents.append((x.node or x) if recording else None)
            else:
                values.append(x if type(x) in PLAIN else np.asarray(x))
                parents.append(None)
        try:
            out = primitive.eval(*values, **params)
        except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
            raise explained(primitive, values, params, error) from None
        requires_grad = requires_grad and primitive.differentiable and STATE.grad_enabled
        result = Tensor.__new__(Tensor)
        result.data = out
        result.grad = None
        result.requires_grad = requires_grad
        if recording:
            result.node = node = Node(primitive, tuple(values), out, params, tuple(parents), requires_grad)
            STATE.tape.nodes.append(node)  # type: ignore[union-attr]
        elif requires_grad:
            saves = primitive.saves
            if saves != "both":
                if saves != "inputs":
                    values = [_shape_only(x) for x in values]
                saved = out if saves == "out" else None
            else:
                saved = out
            result.node = Node(primitive, tuple(values), saved, params, tuple(parents), True)
        else:
            result.node = None
        return result

    def escape(self, value: Any, op: str) -> Any:
        """`value`, which Python is about to decide on, noted as a guard where a tape records."""
        tape = STATE.tape
        if tape is not None and self.node is not None:
            tape.guards.append(Guard(self.node, value, user_line()))
        elif tape is not None:
            tape.guards.append(Guard(self, value, user_line()))
        return value

    def detach(self) -> Tensor:
        """The same values, cut off from the graph.

        >>> import autograd as ag
        >>> x = ag.tensor(3.0, requires_grad=True)
        >>> (x * x.detach()).backward()
        >>> x.grad
        tensor(3.)
        """
        if STATE.tape is not None:
            return self.bind(ops.stop_gradient, (self,), {})
        return constant(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
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
        self.requires_grad = requires_grad
        return self

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
        targets = None
        if inputs is not None:
            targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
            if not targets:
                raise ValueError("`backward(inputs=...)` needs at least one tensor, got an empty sequence")
        cotangents = cotangents_of([self], [gradient], targets, retain_graph, create_graph)
        fresh = {id(gradient.data if isinstance(gradient, Tensor) else gradient)}
        for leaf, g in cotangents.items():
            leaf = leaf if isinstance(leaf, Tensor) else _target(leaf, targets)
            if leaf.requires_grad:
                _accumulate(leaf, g, fresh)

    # ---- leaving the library ----

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array, which shares their memory.

        **Errors:** `RuntimeError` for a tensor that requires a gradient, or while a tape records.
        """
        if self.requires_grad:
            raise RuntimeError(
                "`numpy()` on a tensor that requires a gradient would cut the gradient; call "
                "`.detach().numpy()` if that is meant"
            )
        if STATE.tape is not None:
            raise RuntimeError(
                "`numpy()` inside a recorded function would freeze the values of this call into the "
                "kernel; use the functions of `autograd` or of NumPy on the tensor itself"
            )
        return np.asarray(self.data)

    def item(self) -> Any:
        """The only element as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"`item` needs a tensor with one element, got shape {self.shape}; use `tolist()`")
        return self.escape(self.data.item(), "item")

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.escape(self.data.tolist(), "tolist")

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"the truth of a tensor with shape {self.shape} is ambiguous; use `.any()`, `.all()` or `where`"
            )
        return bool(self.escape(bool(self.data), "bool"))

    def __float__(self) -> float:
        return float(self.escape(float(self._single("float")), "float"))

    def __int__(self) -> int:
        return int(self.escape(int(self._single("int")), "int"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"an index needs an integer, got a tensor of {self.dtype.name}; use `int(x)`")
        return int(self.escape(int(self._single("index")), "index"))

    def _single(self, name: str) -> Any:
        if self.data.size != 1:
            raise TypeError(f"`{name}` needs a tensor with one element, got shape {self.shape}")
        return self.data.item()

    def __hash__(self) -> int:
        return id(self) >> 4


def constant(data: Any) -> Tensor:
    """A tensor of that very array, without a gradient."""
    x = Tensor.__new__(Tensor)
    x.data, x.grad, x.node, x.requires_grad = data, None, None, False
    return x


def lift(value: Any, parent: Any) -> Any:
    """The tensor that a saved value was, for a sweep which is itself recorded."""
    if parent is None or type(value) is Aval:
        return value
    if isinstance(parent, Tensor):
        return parent
    x = constant(value)
    x.node, x.requires_grad = parent, parent.requires_grad
    return x


def cotangents_of(
    outputs: Sequence[Tensor],
    gradients: Sequence[Any],
    targets: Sequence[Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> dict[Any, Any]:
    """The cotangents of the targets (of all leaves for `None`), by their node or leaf, swept from outputs."""
    seeds = [_seed(y, g) for y, g in zip(outputs, gradients, strict=True)]
    retain = create_graph if retain_graph is None else retain_graph
    wanted = None if targets is None else {x.node or x for x in targets}
    recorded = create_graph or STATE.tape is not None
    with np.errstate(all="ignore"):
        if not recorded:
            return sweep([(root, getattr(g, "data", g) if isinstance(g, Tensor) else g) for root, g in seeds],
                         wanted, None, retain)  # fmt: skip
        seeds = [(root, g if isinstance(g, Tensor) else constant(g)) for root, g in seeds]
        if create_graph:
            return sweep(seeds, wanted, lift, retain)
        with no_grad():
            return sweep(seeds, wanted, lift, retain)


def _seed(y: Tensor, g: Any) -> tuple[Any, Any]:
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise RuntimeError(
            "`backward` and `grad` need a tensor that depends on one with `requires_grad=True`, got one that "
            "does not; set `requires_grad=True` on the inputs, and leave `no_grad`"
        )
    root = y.node or y
    if g is None:
        if y.size != 1:
            raise RuntimeError(
                f"`backward` without a `gradient` needs a single number, got shape {y.shape}; reduce it (`y.sum()`) "
                "or pass `gradient`, an array of that shape"
            )
        return root, ones_like(y)
    g = g if isinstance(g, Tensor) else np.asarray(g, y.dtype)
    if g.shape != y.shape:
        raise ValueError(f"`gradient` needs the shape of the output, {y.shape}, got {g.shape}")
    return root, g


def _shape_only(x: Any) -> Any:
    if type(x) is np.ndarray and x.size > _KEPT:
        return Aval(x.shape, x.dtype)
    return x


def _target(node: Any, targets: Any) -> Tensor:
    return next(x for x in targets if x.node is node)


def _accumulate(leaf: Tensor, g: Any, fresh: set[int]) -> None:
    """Adds to `.grad`, which owns its memory: another holder of the same array must not change with it."""
    if isinstance(g, Tensor):
        leaf.grad = g if leaf.grad is None else leaf.grad + g
        return
    if leaf.grad is not None:
        leaf.grad = constant(np.asarray(leaf.grad.data + g))
        return
    g = np.asarray(g)
    if g.base is not None or id(g) in fresh or not g.flags.writeable:
        g = g.copy()
    fresh.add(id(g))
    leaf.grad = constant(g)
