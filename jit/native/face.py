"""How a kernel is called from compiled code: what it takes, what it writes, what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd.primitive import Aval
from autograd.tree import Structure

from ..calling.caller import Constant, Result
from ..graph import Atom, Graph, Literal
from ..signature import Leaf, Signature

#: The result of a call: the position of an output, or a tuple of such.
Tree = int | tuple[Any, ...]


class Given(NamedTuple):
    """An input: its shape and dtype as the caller has it, and whether it lies by columns."""

    aval: Aval
    by_columns: bool = False

    def __str__(self) -> str:
        return f"{self.aval}{' by columns' if self.by_columns else ''}"


class Face(NamedTuple):
    """What a call of the function `name` takes, and what it makes of the outputs.

    A call gives the inputs, one by one, and an array for each output that has axes; it returns the others. Or it gives
    the inputs alone, and gets all outputs, in tuples as in `result`. What was captured is found in a table.
    """

    name: str
    inputs: tuple[Given, ...]
    outputs: tuple[Aval, ...]
    result: Tree
    captures: int

    @property
    def written(self) -> list[int]:
        """The positions of the outputs that have axes."""
        return [i for i, aval in enumerate(self.outputs) if aval.shape != ()]

    @property
    def numbers(self) -> Tree:
        """What a call returns that is given arrays to write to: nothing, a number, or a tuple of numbers."""
        if not self.written:
            return self.result
        found = tuple([i for i, aval in enumerate(self.outputs) if aval.shape == ()])
        return found[0] if len(found) == 1 else found


def given(what: str, signature: Signature) -> tuple[Given, ...]:
    """What a call of that signature gives, leaf by leaf.

    **Errors:** `TypeError` for an array whose axes lie neither by rows nor by columns.
    """
    return tuple([_given(what, leaf) for leaf in signature.leaves if leaf.kind != "static"])


def _given(what: str, leaf: Leaf) -> Given:
    aval = Aval(leaf.shape, leaf.dtype.newbyteorder("="))
    if not leaf.ready:
        raise TypeError(
            f"{what} needs arrays that are contiguous and aligned, got one of {aval} that is not; pass "
            "`np.ascontiguousarray(x)` as the example, and in calls"
        )
    if leaf.order not in (None, tuple(range(len(leaf.shape)))[::-1]):
        raise TypeError(f"{what} needs arrays that lie by rows or by columns, got {aval} in the order {leaf.order}")
    return Given(aval, leaf.order is not None)


def with_results(what: str, graph: Graph, result: Result) -> tuple[Graph, Tree]:
    """The graph with one output for each leaf of the result that is a number or an array, and the result of these.

    **Errors:** `TypeError` where a call does more than to return results, or returns a constant array.
    """
    if result.gradients:
        raise TypeError(f"{what} cannot set the `.grad` of tensors; return the gradients: `ag.grad(loss, [w])`")
    if result.states:
        raise TypeError(f"{what} cannot change the state of a random generator; pass the random numbers as an argument")
    outputs: list[Atom] = []
    leaves = iter(result.leaves)

    def walk(structure: Structure) -> Tree | None:
        if structure.kind is not None:
            parts = [walk(part) for part in structure.parts]
            return tuple([x for x in parts if x is not None])
        leaf = next(leaves)
        output = graph.outputs[leaf] if isinstance(leaf, int) else _literal(what, leaf)
        if output is None:
            return None
        outputs.append(output)
        return len(outputs) - 1

    tree = walk(result.structure)
    return graph._replace(outputs=tuple(outputs)), () if tree is None else tree


def _literal(what: str, constant: Constant) -> Literal | None:
    value: Any = constant.value
    if isinstance(value, bool | int | float | np.generic):
        return Literal.of(value, np.asarray(value).dtype)
    if isinstance(value, np.ndarray):
        raise TypeError(f"{what} cannot return an array that no argument has a part in; leave it out of the result")
    return None


def built(tree: Tree, values: Sequence[Any]) -> Any:
    """The result that is made of the values of outputs; `None` for nothing."""
    if isinstance(tree, int):
        return values[tree]
    return tuple([built(part, values) for part in tree]) if tree else None
