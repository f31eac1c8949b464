"""Nested tuples, lists and dicts of values, taken apart into leaves and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple


class Structure(NamedTuple):
    """What is left of a nested container when its leaves are taken out: its kind and its parts.

    `kind` is the container's type, or `None` for a leaf; `keys` are a dict's keys.
    """

    kind: type | None
    keys: tuple[Any, ...]
    parts: tuple[Structure, ...]


LEAF = Structure(None, (), ())
# A tuple, for `isinstance` makes an object of `A | B` at each call.
_SEQUENCES = (list, tuple)
_CONTAINERS = (list, tuple, dict)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of nested tuples, lists and dicts, and the structure that they were in.

    >>> leaves, structure = flatten({"w": [1.0, 2.0], "b": (3.0,)})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, [10.0, 20.0, 30.0])
    {'w': [10.0, 20.0], 'b': (30.0,)}
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    if isinstance(tree, dict):
        return Structure(type(tree), tuple(tree), tuple([_flatten(x, leaves) for x in tree.values()]))
    if isinstance(tree, _SEQUENCES):
        return Structure(type(tree), (), tuple([_flatten(x, leaves) for x in tree]))
    leaves.append(tree)
    return LEAF


def leaves_of(tree: Any) -> list[Any]:
    """The leaves alone of nested tuples, lists and dicts.

    >>> leaves_of({"w": [1.0, 2.0], "b": (3.0,)})
    [1.0, 2.0, 3.0]
    """
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    elif not isinstance(tree, _SEQUENCES):
        return [tree]
    leaves = []
    for x in tree:
        if isinstance(x, _CONTAINERS):
            leaves += leaves_of(x)
        else:
            leaves.append(x)
    return leaves


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The nested container of that structure with these leaves; an iterator is left where they end."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    kind: Any = structure.kind
    if kind is None:
        return next(leaves)
    parts = [_unflatten(part, leaves) for part in structure.parts]
    if structure.keys or issubclass(kind, dict):
        return kind(zip(structure.keys, parts, strict=True))
    if hasattr(kind, "_fields"):
        return kind(*parts)
    return kind(parts)


def tree_map(f: Callable[..., Any], tree: Any) -> Any:
    """The same container with `f` applied to each leaf.

    >>> tree_map(lambda x: 2 * x, [1.0, {"a": 2.0}])
    [2.0, {'a': 4.0}]
    """
    leaves, structure = flatten(tree)
    return unflatten(structure, [f(leaf) for leaf in leaves])
