"""A number by which tapes of one structure are known again: all that a compiled sweep fixes goes into it.

Values do not, except numbers that a derivative rule looks at. Nor do lengths from 2 on, and Python integers as large,
which may be lengths: of 0 and 1 they are another structure, since these mean something else to broadcasting. Two
structures may have one number by chance: the compiled sweep looks at everything again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor, ops
from autograd.function import function_call
from autograd.lengths import LEAST
from autograd.primitive import Aval, Primitive
from autograd.rerun import rerun_call
from autograd.tape import Node

from ..signature import order_of

#: Ops whose derivative rules decide by the value of a Python number: `x**2` has another derivative than `x**y`.
DECIDED: frozenset[Primitive] = frozenset({ops.pow})
#: Ops whose parameters have lengths in them, and nothing else.
SIZED: frozenset[Primitive] = frozenset({
    ops.reshape, ops.expand, ops.slice_, ops.unslice, ops.put, ops.slice_at, ops.put_at, ops.scatter_add,
})  # fmt: skip
#: Calls that a sweep runs in Python, each with a state of its own: no two of them are alike.
SINGLE: frozenset[Primitive] = frozenset({function_call, rerun_call})

Seeds = Sequence[tuple[Any, Any]]


class Fingerprint(NamedTuple):
    """The number of a structure, how many nodes a tape of it has, and a number for the lengths of this tape.

    The first is `None` for a tape without a structure, or one that was swept before.
    """

    number: int | None
    size: int
    lengths: int


_NONE = Fingerprint(None, 0, 0)


def is_fixed(primitive: Primitive, x: Any) -> bool:
    """Whether a Python number is part of a sweep's structure, not one of its arguments.

    Integers are, since NumPy's promotion asks for their values, and so are the numbers that a rule looks at.
    """
    kind = type(x)
    return kind is int or kind is bool or (kind is float and primitive in DECIDED)


def may_be_length(primitive: Primitive, x: Any) -> bool:
    """Whether a value that an op has saved is an integer which the shape of an array may have given."""
    return type(x) is int and x >= LEAST and primitive not in DECIDED


def fingerprint(seeds: Seeds, wanted: Collection[Any] | None) -> Fingerprint:
    """The number of the structure of the tape behind the roots.

    **Arguments:** `seeds`, pairs of a root and its cotangent; `wanted`, the nodes and leaves that are asked for.
    """
    places: dict[Any, int] = {}
    nodes = []
    found: list[Any] = [wanted is None]
    lengths: list[Any] = []
    add, place_of = found.append, places.get
    for root, g in seeds:
        if type(root) is not Node:
            return _NONE
        places[root] = len(places)
        nodes.append(root)
        add(type(g))
        add(_kind(g.data if isinstance(g, Tensor) else g, lengths))
    # The list grows while it is read.
    for node in nodes:
        primitive, params, inputs = node.primitive, node.params, node.inputs
        if primitive in SINGLE:
            return _NONE
        add(primitive)
        if params:
            if primitive in SIZED:
                lengths += params.values()
                found += map(_without_lengths, params.values())
            else:
                found += params.values()
        if inputs is None:
            # Off the way to what is wanted, nobody reads them.
            if wanted is None:
                return _NONE
            inputs = (None,) * len(node.parents)
        for i, parent in enumerate(node.parents):
            place = place_of(parent)
            if place is not None:
                add(place)
            elif parent is None or not parent.requires_grad:
                x = inputs[i]
                if may_be_length(primitive, x):
                    lengths.append(x)
                    add(int)
                else:
                    # A number by its text: to `hash` 2 is 2.0, and -1 is -2.
                    add(repr(x) if is_fixed(primitive, x) else _kind(x, lengths, primitive.reads_inputs))
            else:
                places[parent] = place = len(places)
                if type(parent) is Node:
                    nodes.append(parent)
                    add(place)
                else:
                    add((place, _kind(inputs[i], lengths, primitive.reads_inputs)))
    if wanted is not None:
        found += sorted([places.get(x, -1) for x in wanted])
    try:
        return Fingerprint(hash(tuple(found)), len(nodes), hash(tuple(lengths)))
    except TypeError:
        return _NONE


def _kind(x: Any, lengths: list[Any], read: bool = True) -> Any:
    """What a sweep fixes of a value; the lengths of its axes are added to the list.

    Where rules do not read it, it may be there or not, as its size is.
    """
    kind = type(x)
    if kind is not np.ndarray and kind is not Aval:
        return kind
    lengths.append(x.shape)
    layout = not read or x.flags.c_contiguous or order_of(x)
    return _without_lengths(x.shape), layout, x.dtype.num


@lru_cache(maxsize=4096)
def _without_lengths(x: Any) -> Any:
    """A shape, or an index, with one number in the place of all that may be lengths."""
    if type(x) is tuple:
        return tuple([_without_lengths(y) for y in x])
    return LEAST if type(x) is int and x > LEAST else x
