"""Branches as operations: all of them are recorded when a function is compiled, the one taken is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index as as_index
from typing import Any

import numpy as np

from . import ops
from .carry import paths, settled, written
from .functions.arguments import as_array
from .primitive import aval_of
from .tape import current_tape
from .tensor import Tensor
from .tree import Structure, flatten, unflatten


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *operands: Any) -> Any:
    """`true_fn(*operands) if pred else false_fn(*operands)`, as one operation.

    Compiled, both functions are recorded, and the kernel runs the one that `pred` says. So the other one's errors, its
    time and its gradient, which may be NaN, are not there, as they would be with `where`.

    **Arguments:** `pred`, a single boolean or number; two functions whose results have the same structure, shapes and
    dtypes; `operands`, nested tuples, lists and dicts of arrays and numbers. What the functions take from outside may
    be tensors too.

    **Errors:** `ValueError` where `pred` has more than one element; compiled, `TypeError` naming the result in which
    the branches differ.

    >>> import autograd as ag
    >>> root = lambda x: ag.cond(x > 0, ag.sqrt, lambda x: 0.0 * x, x)
    >>> ag.grad(root)(4.0), ag.grad(root)(-4.0)
    (0.25, 0.0)
    """
    pred = as_array(pred)
    if pred.shape != ():
        raise ValueError(
            f"`cond` needs a single boolean, got the shape {pred.shape}; reduce it with `all` or `any`, or choose "
            "element by element with `where`"
        )
    tape = current_tape()
    if isinstance(pred, Tensor) and tape is not None and tape.control is not None:
        return _switched("cond", ops.astype(ops.not_equal(pred, 0), dtype=np.int64), (false_fn, true_fn), operands)
    return (true_fn if pred else false_fn)(*_settled(operands))


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, as one operation; negative indices are out of range.

    Compiled, all functions are recorded, and the kernel runs the one that `index` says.

    **Arguments:** `index`, an integer; `branches`, functions whose results have the same structure, shapes and dtypes;
    `operands`, nested tuples, lists and dicts of arrays and numbers.

    **Errors:** `IndexError` where there is no such branch; `TypeError` for an index that is no single integer and,
    compiled, naming the result in which two branches differ.

    >>> import autograd as ag
    >>> f = lambda i, x: ag.switch(i, [ag.sin, ag.cos, lambda x: x * x], x)
    >>> ag.grad(f, 1)(2, 3.0)
    6.0
    """
    branches = tuple(branches)
    if not branches:
        raise ValueError("`switch` needs at least one branch, got none")
    index = as_array(index)
    if index.shape != () or index.dtype.kind not in "iu":
        raise TypeError(f"`switch` needs a single integer as its index, got {aval_of(index)}; convert it with `astype`")
    tape = current_tape()
    if isinstance(index, Tensor) and tape is not None and tape.control is not None:
        return _switched("switch", ops.astype(index, dtype=np.int64), branches, operands)
    i = as_index(index)
    if not 0 <= i < len(branches):
        raise IndexError(f"`switch` needs an index from 0 to {len(branches) - 1}, the last of its branches, got {i}")
    return branches[i](*_settled(operands))


def _settled(operands: Sequence[Any]) -> Sequence[Any]:
    leaves, structure = flatten(tuple(operands))
    return unflatten(structure, [settled(x) for x in leaves])


def _switched(name: str, index: Tensor, functions: Sequence[Callable[..., Any]], operands: Sequence[Any]) -> Any:
    """The branches recorded, by what the tape has for that."""
    leaves, structure = flatten(tuple(operands))
    tape = current_tape()
    assert tape is not None
    assert tape.control is not None
    branches = _Branches(name, functions, structure)
    return branches.outcome(tape.control.switch(branches, index, [settled(x) for x in leaves]))


class _Branches:
    """Branches as functions of leaves, and what their results are put together to."""

    def __init__(self, name: str, functions: Sequence[Callable[..., Any]], operands: Structure) -> None:
        self.name, self.functions, self.operands = name, functions, operands
        self.results: Structure | None = None
        self.avals: list[Any] = []

    def run(self, i: int, operands: Sequence[Any]) -> list[Any]:
        """The leaves of what a branch returns.

        **Errors:** `TypeError` where they are not like those of the first branch.
        """
        leaves, structure = flatten(self.functions[i](*unflatten(self.operands, list(operands))))
        found = [as_array(x) for x in leaves]
        avals = [aval_of(x) for x in found]
        if self.results is None:
            self.results, self.avals = structure, avals
        one, other = ("false_fn", "true_fn") if self.name == "cond" else ("branch 0", f"branch {i}")
        if structure != self.results:
            raise TypeError(
                f"`{self.name}` needs branches whose results have one structure, got {written(self.results)} from "
                f"`{one}` and {written(structure)} from `{other}`"
            )
        for path, x, y in zip(paths(structure, "result"), self.avals, avals, strict=True):
            if x != y:
                raise TypeError(
                    f"`{self.name}` needs branches whose results have the same shapes and dtypes, got {x} for `{path}` "
                    f"from `{one}` and {y} from `{other}`; convert one of them with `astype`, `reshape` or "
                    "`broadcast_to`"
                )
        return found

    def outcome(self, leaves: Sequence[Any]) -> Any:
        """The result from its leaves."""
        assert self.results is not None
        return unflatten(self.results, list(leaves))
