"""A number by which tapes of one structure are known again: all that a compiled sweep fixes goes into it.

Values do not, except numbers that a derivative rule looks at. Two structures may have one number by chance: the
compiled sweep looks at everything again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from autograd import Tensor, ops
from autograd.primitive import Primitive
from autograd.tape import Node

#: Ops whose derivative rules decide by the value of a Python number: `x**2` has another derivative than `x**y`.
DECIDED: frozenset[Primitive] = frozenset({ops.pow})

Seeds = Sequence[tuple[Any, Any]]


def is_fixed(primitive: Primitive, x: Any) -> bool:
    """Whether a Python number is part of a sweep's structure, not one of its arguments.

    Integers are, since NumPy's promotion asks for their values, and so are the numbers that a rule looks at.
    """
    kind = type(x)
    return kind is int or kind is bool or (kind is float and primitive in DECIDED)


def fingerprint(seeds: Seeds, wanted: Collection[Any] | None) -> tuple[int | None, int]:
    """The number of the structure of the tape behind the roots, and how many nodes it has.

    The number is `None` where there is none, or where the tape was swept before.

    **Arguments:** `seeds`, pairs of a root and its cotangent; `wanted`, the nodes and leaves that are asked for.
    """
    places: dict[Any, int] = {}
    nodes = []
    found: list[Any] = [wanted is None]
    add, place_of = found.append, places.get
    for root, g in seeds:
        if type(root) is not Node:
            return None, 0
        places[root] = len(places)
        nodes.append(root)
        add(type(g))
        add(_kind(g.data if isinstance(g, Tensor) else g))
    # The list grows while it is read.
    for node in nodes:
        primitive, params, inputs = node.primitive, node.params, node.inputs
        add(primitive)
        if params:
            found += params.values()
        if inputs is None:
            # Off the way to what is wanted, nobody reads them.
            if wanted is None:
                return None, 0
            inputs = (None,) * len(node.parents)
        for i, parent in enumerate(node.parents):
            place = place_of(parent)
            if place is not None:
                add(place)
            elif parent is None or not parent.requires_grad:
                x = inputs[i]
                # A number by its text: to `hash` 2 is 2.0, and -1 is -2.
                add(repr(x) if is_fixed(primitive, x) else _kind(x))
            else:
                places[parent] = place = len(places)
                if type(parent) is Node:
                    nodes.append(parent)
                    add(place)
                else:
                    add((place, _kind(inputs[i])))
    if wanted is not None:
        found += sorted([places.get(x, -1) for x in wanted])
    try:
        return hash(tuple(found)), len(nodes)
    except TypeError:
        return None, 0


def _kind(x: Any) -> Any:
    """What a sweep fixes of a value: the layout of an array is in its strides."""
    kind = type(x)
    return (x.shape, x.strides, x.dtype.num) if kind is np.ndarray else kind
