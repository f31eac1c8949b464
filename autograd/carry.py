"""What loops carry from step to step and branches give: nested structures whose leaves keep their shapes and dtypes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import ops
from .functions.arguments import as_array
from .primitive import aval_of
from .tensor import Tensor
from .tree import Structure, flatten
from .weak import Weak


def settled(x: Any) -> Any:
    """A leaf as an array or a tensor; its dtype no longer depends on what it meets, as that of a Python number does."""
    x = as_array(x)
    return ops.astype(x, dtype=x.dtype) if isinstance(x, Tensor) and isinstance(x.data, Weak) else x


def carried_on(name: str, structure: Structure, before: Sequence[Any], outcome: Any) -> list[Any]:
    """The leaves of the next carry.

    **Arguments:** `name` of the loop; `structure` and the leaves `before` the step; `outcome`, the carry after it.

    **Errors:** `TypeError` where the structure is another one, or naming the first entry whose shape or dtype is.
    """
    leaves, changed = flatten(outcome)
    if changed != structure:
        raise TypeError(
            f"the carry of `{name}` needs the structure that it begins with, {written(structure)}, got "
            f"{written(changed)}"
        )
    after = [as_array(x) for x in leaves]
    for path, x, y in zip(paths(structure, "carry"), before, after, strict=True):
        if aval_of(x) != aval_of(y):
            raise TypeError(
                f"`{name}` needs a carry whose shapes and dtypes stay the same, got {aval_of(x)} for `{path}` "
                f"before a step and {aval_of(y)} after it; convert it before the loop or in it, with `astype`, "
                "`reshape` or `broadcast_to`"
            )
    return after


def paths(structure: Structure, path: str) -> Iterator[str]:
    """Where each leaf stands: `carry['w'][0]`."""
    if structure.kind is None:
        yield path
    keys = [repr(key) for key in structure.keys] or [str(i) for i in range(len(structure.parts))]
    for key, part in zip(keys, structure.parts, strict=True):
        yield from paths(part, f"{path}[{key}]")


def written(structure: Structure) -> str:
    """A structure as Python writes it, with a star for each leaf."""
    if structure.kind is None:
        return "*"
    parts = [written(part) for part in structure.parts]
    if structure.keys:
        return "{" + ", ".join(f"{key!r}: {part}" for key, part in zip(structure.keys, parts, strict=True)) + "}"
    return f"[{', '.join(parts)}]" if structure.kind is list else f"({', '.join(parts)})"
