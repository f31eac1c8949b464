"""Kernels for every size: which axes are left open, and the graph of a function with open axes.

The function is recorded once, on tensors whose shapes have open lengths: what is computed of them becomes part of the
graph, and each decision a condition. The passes and the lowering treat open lengths as numbers, and add conditions of
their own. In the end all of it is done once more for other sizes that fulfil the conditions. Were the code another
one, something would have taken a length for a number, and the kernel is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter
from typing import Any, NamedTuple

from autograd.lengths import LEAST, Lengths, is_length, is_open
from autograd.tape import user_line
from autograd.tensor import open_number
from autograd.tree import Structure

from ..graph import Graph, GraphError, verify
from ..kernels.kernel import draft
from ..passes import optimise
from ..signature import Leaf, Signature
from ..sized import with_lengths
from .tracing import Trace, trace

#: For each parameter, by its name, the axes that are open, as a user gives them.
Dynamic = Mapping[str, int | Sequence[int]]
#: For each leaf of the arguments, by its position, the axes that are open.
Axes = Mapping[int, frozenset[int]]
# How other sizes are made, until some fulfil the conditions.
_OTHERS: tuple[Callable[[int], int], ...] = (
    lambda n: n + 1, lambda n: n + 2, lambda n: 2 * n + 1, lambda n: 2 * n, lambda n: n - 1, lambda n: 3 * n,
    lambda n: n - 2, lambda n: n + 64,
)  # fmt: skip


class NotOpen(Exception):
    """A function that needs a kernel of its own for each size, and why."""


class Opened(NamedTuple):
    """A recording with open lengths: the signature that has them, the run, and its graph after all passes."""

    signature: Signature
    run: Trace
    graph: Graph


def open_signature(signature: Signature, axes: Axes, twins: Signature | None = None) -> tuple[Signature, Lengths]:
    """The signature with these axes open; those of one length, in `twins` as well, are one size."""
    names: dict[Any, str] = {}
    values: dict[str, int] = {}
    sizes = Lengths(values, open_number, user_line)
    leaves = list(signature.leaves)
    for i, open_axes in axes.items():
        shape: list[Any] = list(leaves[i].shape)
        for axis in sorted(open_axes):
            other = shape[axis] if twins is None else twins.leaves[i].shape[axis]
            name = names.setdefault((shape[axis], other), f"s{len(names)}")
            sizes.values[name] = shape[axis]
            shape[axis] = sizes.size(name)
        leaves[i] = leaves[i]._replace(shape=tuple(shape))
    return signature._replace(leaves=tuple(leaves)), sizes


def axes_that_differ(signature: Signature, known: Signature) -> Axes | None:
    """The axes whose lengths are all that differs; `None` where there is more, or a length that cannot be open."""
    if signature.structure != known.structure:
        return None
    found: dict[int, frozenset[int]] = {}
    for i, (x, y) in enumerate(zip(signature.leaves, known.leaves, strict=True)):
        if x == y:
            continue
        if x.kind != "array" or len(x.shape) != len(y.shape) or x != y._replace(shape=x.shape):
            return None
        differing = [axis for axis, (n, m) in enumerate(zip(x.shape, y.shape, strict=True)) if n != m]
        if any(min(x.shape[axis], y.shape[axis]) < LEAST for axis in differing):
            return None
        found[i] = frozenset(differing)
    return found


def sizes_in(opened: Signature, signature: Signature) -> dict[str, int] | None:
    """The open sizes in a signature of that form; `None` for one of another."""
    if opened.structure != signature.structure:
        return None
    found: dict[str, int] = {}
    for x, y in zip(opened.leaves, signature.leaves, strict=True):
        if not is_open(x.shape) and x == y:
            continue
        if len(x.shape) != len(y.shape) or x._replace(shape=()) != y._replace(shape=()):
            return None
        for n, m in zip(x.shape, y.shape, strict=True):
            if is_length(n):
                if found.setdefault(str(n), m) != m:
                    return None
            elif n != m:
                return None
    return found


def is_served(opened: Signature, signature: Signature) -> bool:
    """Whether a recording with open lengths answers calls of a signature."""
    found, sizes = sizes_in(opened, signature), lengths_of(opened)
    return found is not None and sizes is not None and sizes.hold_at(found)


def lengths_of(signature: Signature) -> Lengths | None:
    """The open sizes of a signature, `None` where it has none."""
    return next((n.sizes for leaf in signature.leaves for n in leaf.shape if is_length(n)), None)


def opened(
    function: Callable[..., Any],
    signature: Signature,
    sizes: Lengths,
    values: Sequence[Any],
    functional: bool,
    threads: int,
) -> Opened:
    """Records a function with open lengths.

    **Arguments:** `signature`, with open axes, of `sizes`; `values`, the leaves of the arguments.

    **Errors:** `NotOpen` where there is no one kernel for all sizes.
    """
    try:
        run = trace(function, signature, values, functional, 1)
    except Exception as error:
        # What is wrong with the function itself is found once more, when it is recorded with its sizes.
        raise NotOpen(f"it failed with open lengths: {error}") from error
    graph = open_graph(run.recording.graph, sizes, threads)
    return Opened(signature, run, graph)


def open_graph(recorded: Graph, sizes: Lengths, threads: int = 0) -> Graph:
    """A recorded graph with open lengths after all passes, which no longer records anything about `sizes`.

    **Errors:** `NotOpen` where the code would not be the same at other sizes.
    """
    sizes.number = sizes.where = None
    _check(sizes)
    try:
        verify(recorded)
        graph = optimise(recorded)._replace(threads=threads, open=sizes)
        text = draft(graph)
        _check(sizes)
        others = _others(sizes)
        again = optimise(with_lengths(recorded, lambda n: others.made(n.terms)))._replace(threads=threads, open=others)
        same = draft(again) == text and str(again) == str(graph)
    except (GraphError, NotImplementedError, ValueError, TypeError) as error:
        raise NotOpen(f"what it does cannot be compiled for every length: {error}") from error
    if not same or set(others.conditions) - set(sizes.conditions):
        raise NotOpen("its code would be another one at another length")
    return graph


def told(sizes: Lengths | None, refused: Sequence[str]) -> list[str]:
    """What a user is told of the sizes that a kernel serves; `refused` are the reasons why others serve one alone."""
    if sizes is None:
        return [f"these alone, for with others {why}" for why in dict.fromkeys(refused)]
    each = [f"{name}, from {LEAST} on, recorded at {n}" for name, n in sizes.values.items()]
    return each + [f"where {condition}" for condition in sizes.conditions]


def _check(sizes: Lengths) -> None:
    for why in sizes.fixed.values():
        raise NotOpen(why)


def _others(sizes: Lengths) -> Lengths:
    """Other sizes that fulfil the conditions."""
    for other in _OTHERS:
        # Neighbouring sizes go apart.
        values = {name: other(n) + i for i, (name, n) in enumerate(sizes.values.items())}
        if sizes.hold_at(values):
            return Lengths(values)
    raise NotOpen(f"it needs sizes for which {', and '.join(map(str, sizes.conditions))}")


def checked_axes(dynamic: Dynamic, parameters: Mapping[str, Parameter], name: str) -> dict[str, frozenset[int]]:
    """The axes that a user has marked.

    **Arguments:** `parameters` and `name` of the function.

    **Errors:** `ValueError` for a parameter that the function does not have, `TypeError` for what is no axis.
    """
    any_name = not parameters or any(x.kind is Parameter.VAR_KEYWORD for x in parameters.values())
    found = {}
    for parameter, axes in dynamic.items():
        if parameter not in parameters and not any_name:
            known = ", ".join(parameters)
            raise ValueError(f"`dynamic` names `{parameter}`, which `{name}` does not take; it takes {known}")
        given = (axes,) if isinstance(axes, int) else tuple(axes)
        if not all(isinstance(axis, int) for axis in given):
            raise TypeError(f"`dynamic` needs axes, integers, for `{parameter}`, got {axes!r}")
        found[parameter] = frozenset(given)
    return found


def marked(dynamic: Mapping[str, frozenset[int]], parameters: Sequence[Parameter], signature: Signature) -> Axes:
    """The axes of the leaves of a call that are marked by the names of parameters.

    **Errors:** `ValueError` for an axis that an argument does not have.
    """
    found: dict[int, frozenset[int]] = {}
    for i, name in enumerate(_parameters_of_leaves(parameters, signature)):
        leaf: Leaf = signature.leaves[i]
        if name not in dynamic or leaf.kind != "array":
            continue
        n = len(leaf.shape)
        for axis in dynamic[name]:
            if not -n <= axis < n:
                raise ValueError(f"`dynamic` marks axis {axis} of `{name}`, which has shape {leaf.shape}")
        own = frozenset([axis % n for axis in dynamic[name] if leaf.shape[axis] >= LEAST])
        if own:
            found[i] = own
    return found


def _parameters_of_leaves(parameters: Sequence[Parameter], signature: Signature) -> Iterator[str]:
    """For each leaf of the arguments the parameter that it belongs to."""
    positional, keywords = signature.structure.parts
    rest = next((x.name for x in parameters if x.kind is Parameter.VAR_POSITIONAL), "")
    named = [x.name for x in parameters if x.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    for i, part in enumerate(positional.parts):
        yield from [named[i] if i < len(named) else rest] * _leaves(part)
    for key, part in zip(keywords.keys, keywords.parts, strict=True):
        yield from [key] * _leaves(part)


def _leaves(structure: Structure) -> int:
    return 1 if structure.kind is None else sum(map(_leaves, structure.parts))
