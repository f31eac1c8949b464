"""Functions whose tensors from outside, those of closures and globals, are arguments like the others.

A rule that calls a function again has to give the cotangents of these tensors too, and not those of what they were made
of. So a run of the function tells which they are, and in later runs others are put into their places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from types import CellType, FunctionType
from typing import Any

import numpy as np

from .functions import clone
from .memory import next_number
from .tape import Node, current_tape, enable_grad, setting
from .tensor import Tensor, constant, lift
from .transforms import fresh
from .tree import leaves_of, tree_map


class Closed:
    """`f(*args)` as a function of its arguments and of the tensors that it takes from outside.

    Others in their place take their part in the graph, and so in derivatives. The values are those from outside.

    **Arguments:** `f`, which returns one tensor; `args`, trees for a run of it.

    >>> import autograd as ag
    >>> a = ag.tensor(3.0, requires_grad=True)
    >>> closed = Closed(lambda x: a * x, 2.0)
    >>> closed.outer
    [tensor(3., requires_grad=True)]
    >>> b = ag.tensor(3.0, requires_grad=True)
    >>> ag.grad(closed([2.0], [b]), b)
    (tensor(2.),)
    """

    def __init__(self, f: Callable[..., Any], *args: Any) -> None:
        self.f = f = snapshot(f)
        with enable_grad(), setting("watchers", ()):
            own = tree_map(_followed, args)
            start = next_number()
            out = f(*own)
        given = {source_of(x) for x in leaves_of(own) if isinstance(x, Tensor)}
        found = dict(taken([out], nodes_since([out], start), given, start, current_tape() is not None))
        self.sources = list(found)
        #: The tensors from outside.
        self.outer = [lift(value, source) for source, value in found.items()]

    def __call__(self, args: Sequence[Any], outer: Sequence[Any]) -> Any:
        """The value for these arguments, with the tensors `outer` in the place of those from outside."""
        instead = {
            source: x if isinstance(x, Tensor) else constant(np.asarray(x))
            for source, x in zip(self.sources, outer, strict=True)
        }
        start = next_number()
        with enable_grad(), setting("watchers", ()):
            out = self.f(*args)
            if isinstance(out, Tensor) and source_of(out) in instead:
                out = clone(out)
        rewire(nodes_since([out], start), instead)
        return out


def snapshot(f: Any, known: dict[int, Any] | None = None) -> Any:
    """A function whose variables from outside stay what they are now, though their names are bound to others later.

    `x = root(lambda y: y - x, x)` binds `x` before the sweep calls the function again. Variables of closures are held,
    of functions among them too, and the globals of functions that are not this library's.
    """
    known = {} if known is None else known
    if type(f) is not FunctionType or id(f) in known:
        return known.get(id(f), f)
    names = f.__globals__
    ours = str(names.get("__name__")).partition(".")[0] == __package__
    cells = tuple([CellType() for _ in f.__closure__ or ()])
    held = FunctionType(f.__code__, names if ours else dict(names), f.__name__, f.__defaults__, cells)
    held.__kwdefaults__ = f.__kwdefaults__
    known[id(f)] = held
    for cell, variable in zip(cells, f.__closure__ or (), strict=True):
        with suppress(ValueError):  # one that is not bound yet
            cell.cell_contents = snapshot(variable.cell_contents, known)
    return held


def source_of(x: Any) -> Any:
    """The node that made a tensor, or the leaf tensor itself: what identifies it on a tape."""
    return (x.node or x) if isinstance(x, Tensor) else x


def nodes_since(outputs: Iterable[Any], start: int) -> list[Node]:
    """The nodes made since `start` that outputs depend on."""
    found: dict[Any, None] = {
        x.node: None for x in outputs if isinstance(x, Tensor) and x.node is not None and x.node.number > start
    }
    waiting = list(found)
    for node in waiting:
        for parent in node.parents:
            if type(parent) is Node and parent.number > start and parent not in found:
                found[parent] = None
                waiting.append(parent)
    return waiting


def taken(
    outputs: Sequence[Any], nodes: Sequence[Node], own: set[Any], start: int, recorded: bool = False
) -> Iterator[tuple[Any, Any]]:
    """What nodes and outputs take from outside: sources that require a gradient, each with an array like its value.

    **Arguments:** `own`, the sources that are not from outside; `recorded`, whether those without a gradient count too,
    since a recorded graph may be differentiated later, and whether the values are known.
    """
    pairs = [(x, y) for node in nodes for x, y in zip(node.inputs or (), node.parents, strict=True)]
    pairs += [(x.data, source_of(x)) for x in outputs if isinstance(x, Tensor)]
    for x, source in pairs:
        if source is None or source in own or not (source.requires_grad or (recorded and x.dtype.kind in "fc")):
            continue
        if type(source) is not Node:
            yield source, source.data
        elif source.number <= start:
            yield source, x if recorded else np.broadcast_to(np.zeros((), x.dtype), x.shape)


def rewire(nodes: Sequence[Node], instead: dict[Any, Tensor]) -> None:
    """Puts tensors in the place of others from which nodes come."""
    for node in nodes:
        if any(parent in instead for parent in node.parents):
            found = [instead.get(parent, parent) for parent in node.parents]
            node.parents = tuple([source_of(x) if isinstance(x, Tensor) else x for x in found])


def _followed(x: Any) -> Any:
    """An argument as a tensor of its own that requires a gradient, if it can have one."""
    data = x if isinstance(x, Tensor) else np.asarray(x)
    return fresh(data) if data.dtype.kind in "fc" else constant(data) if not isinstance(x, Tensor) else x
