"""Watching the operations of a block as they are recorded: their lines, and what they save for a sweep.

While such a block is open anywhere, `Tensor.bind` is one that shows each new node to the watchers of its thread or
task; otherwise nothing of this is paid for. What a compiled function does is not watched, nor what a tape records.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

import numpy as np

from .context import Kept
from .drawn import Drawn
from .hooks import Hookable
from .primitive import Aval, aval_of
from .tape import STATE, Node, current_tape, enable_grad, setting, user_line
from .tensor import Tensor, constant
from .tree import flatten, unflatten

_bind = Tensor.bind


def _watched_bind(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    out = _bind(self, *args, **kwargs)
    if out.node is not None and current_tape() is None:
        for watcher in reversed(STATE.watchers):
            watcher(out.node)
    return out


class _Watching:
    """A block whose new nodes `watch(node)` is called with."""

    lock = RLock()
    #: How many blocks are open in all threads.
    open = 0

    def watch(self, node: Node) -> None:
        """Is shown a new node."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        if current_tape() is not None:
            raise RuntimeError(
                f"`{type(self).__name__}` watches operations as they run, which those of a recording do at other "
                "times; put it around the call of the compiled function, or leave it out"
            )
        STATE.watchers = (*STATE.watchers, self.watch)
        with _Watching.lock:
            _Watching.open += 1
            Tensor.bind = _watched_bind  # type: ignore[method-assign]
        return self

    def __exit__(self, *error: object) -> None:
        STATE.watchers = STATE.watchers[:-1]
        with _Watching.lock:
            _Watching.open -= 1
            if not _Watching.open:
                Tensor.bind = _bind  # type: ignore[method-assign]


class detect_anomaly(_Watching):
    """A block in which `backward` and `grad` stop at the first gradient that is not a number.

    The error names the operation whose derivative that is, and the line that called it, if that is in the block too.
    Looking for it takes time; it is meant for finding a mistake.

    >>> import autograd as ag
    >>> x = ag.tensor(0.0, requires_grad=True)
    >>> with ag.detect_anomaly():
    ...     y = ag.sqrt(x) * 0.0
    ...     y.backward()
    Traceback (most recent call last):
        ...
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output; it was called at <doctest ...
    """

    def __enter__(self) -> Any:
        super().__enter__()
        self.before = STATE.anomaly
        STATE.anomaly = Hookable.hooked = True
        return self

    def __exit__(self, *error: object) -> None:
        STATE.anomaly = self.before
        super().__exit__(*error)

    def watch(self, node: Node) -> None:
        """Notes the line that called an operation."""
        node.own_hooks().where = user_line()


class saved_tensors_hooks(_Watching):
    """A block whose operations keep `pack(x)` for each tensor `x` that a sweep needs, and the sweep `unpack`s that.

    Of nested blocks the inner one counts.

    **Arguments:** `pack`, a function of a tensor that returns anything; `unpack`, which returns a tensor like it.

    **Errors:** in a sweep `TypeError` where `unpack` returns no tensor.

    >>> import numpy as np
    >>> import autograd as ag
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.saved_tensors_hooks(lambda x: x.numpy().astype(np.float16), lambda x: ag.tensor(x, float)):
    ...     y = x**3
    >>> y.sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """

    def __init__(self, pack: Callable[[Tensor], Any], unpack: Callable[[Any], Tensor]) -> None:
        self.pack, self.unpack = pack, unpack

    def watch(self, node: Node) -> None:
        """Packs what a node has saved."""
        hooks = node.own_hooks()
        if hooks.unpack is not None:
            return  # by the block inside
        hooks.unpack = self._unpacked
        if node.primitive.reads_inputs and node.inputs is not None:
            node.inputs = tuple([self._packed(x) for x in node.inputs])
        if node.primitive.reads_out:
            node.out = self._packed(node.out)

    def _packed(self, x: Any) -> Any:
        return _Packed(self.pack(constant(x))) if isinstance(x, np.ndarray | np.generic) else x

    def _unpacked(self, x: Any) -> Any:
        if not isinstance(x, _Packed):
            return x
        found = self.unpack(x.content)
        if not isinstance(found, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(found).__name__}"
            )
        return found.data


class _Packed:
    """What `pack` has returned."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content


def checkpoint(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The value of a function, which keeps nothing for a sweep but its arguments: the sweep calls it again.

    It saves memory and costs time. In a compiled function, which needs to keep less, it is simply the call.

    **Arguments:** `function`, which has to do the same each time; random numbers of `ag.random` are drawn as the first
    time; its arguments.

    **Errors:** in a sweep `RuntimeError` where the second call saves other values than the first.

    >>> import autograd as ag
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> ag.checkpoint(lambda x: ag.exp(ag.log(x) * 2), x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if current_tape() is not None:
        return function(*args, **kwargs)
    again = _Again(function, args, kwargs)
    with saved_tensors_hooks(again.pack, again.unpack), again.drawn:
        return function(*args, **kwargs)


class _Again:
    """What a checkpointed call saved, by the order in which it did."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        leaves, self.structure = flatten((args, kwargs))
        self.leaves = [Kept(x) if isinstance(x, Tensor) else x for x in leaves]
        self.avals: list[Aval] = []
        self.values: dict[int, Tensor] = {}
        self.lock = RLock()
        self.drawn = Drawn()

    def pack(self, x: Tensor) -> int:
        """Drops a value."""
        self.avals.append(aval_of(x))
        return len(self.avals) - 1

    def unpack(self, i: int) -> Tensor:
        """A value, each time by the last call that has it."""
        with self.lock:
            if i not in self.values:
                self.values = self.computed()
            return self.values.pop(i)

    def computed(self) -> dict[int, Tensor]:
        """All values, by another call."""
        found: list[Tensor] = []
        with setting("tape", None), enable_grad(), saved_tensors_hooks(found.append, _never), self.drawn:
            leaves = [x.restored() if isinstance(x, Kept) else x for x in self.leaves]
            args, kwargs = unflatten(self.structure, leaves)
            self.function(*args, **kwargs)
        avals = [aval_of(x) for x in found]
        if avals != self.avals:
            i = next((i for i, (x, y) in enumerate(zip(avals, self.avals, strict=False)) if x != y), -1)
            how = f"{avals[i]} in place of {self.avals[i]}" if i >= 0 else f"{len(avals)} values, not {len(self.avals)}"
            name = getattr(self.function, "__name__", "function")
            raise RuntimeError(
                f"`checkpoint`: the second call of `{name}` saved {how}; a function that is called again needs to do "
                "the same each time"
            )
        return dict(enumerate(found))


def _never(x: Any) -> Tensor:
    raise AssertionError("values that were computed again are never unpacked")
