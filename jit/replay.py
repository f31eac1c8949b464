"""A graph evaluated on tensors, by the eager ops: recorded again, it can be differentiated like any function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .graph import Atom, Graph, Literal


def replay(graph: Graph, values: Sequence[Any], places: Sequence[str] = ()) -> list[Any]:
    """The outputs of a graph for values of its inputs and captures.

    **Errors:** `RuntimeError` where a guard fails: the recorded branch is not the one that these values take.
    """
    known: dict[Any, Any] = dict(zip((*graph.inputs, *graph.captures), values, strict=True))

    def read(x: Atom) -> Any:
        return x.value if isinstance(x, Literal) else known[x]

    for primitive, inputs, params, out in graph.equations:
        known[out] = primitive(*[read(x) for x in inputs], **dict(params))
    for guard, place in zip(graph.guards, places, strict=False):
        if not bool(read(guard)):
            raise RuntimeError(
                f"the tape was recorded for another outcome at {place}, and these inputs take the branch that was not "
                "recorded; compile the function instead of its tape, or record a tape for this case"
            )
    return [read(x) for x in graph.outputs]


def is_float(x: Any) -> bool:
    """Whether a value can have a gradient."""
    return x.dtype.kind == "f"
