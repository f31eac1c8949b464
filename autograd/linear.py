"""The derivative of a function at a point as a linear map, in both directions.

Backwards it is a sweep. A sweep is linear in its cotangents, so sweeping it once more, from the gradient to the
cotangents, gives the map forwards: exact for every operation that has a rule, without rules of its own. The
cotangents of the first sweep have no influence on that, and what is computed of them alone is dropped when compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from . import functions, ops
from .functions.arguments import as_array
from .ops.broadcasting import repeated
from .primitive import aval_of
from .tape import STATE, Node, current_tape, set_grad_enabled, sweep
from .tensor import Tensor, constant, cotangents_of, lift, swept
from .transforms import fresh
from .tree import flatten
from .weak import Weak

#: So many unit vectors are a program each when a function is compiled; more of them are a loop.
MOST_UNROLLED = 4


class Linear:
    """A function at a point: its value, and its derivative there, which may be applied again and again.

    **Arguments:** `name` of the function; `run()`, which returns its value; `leaves`, the tensors that it is a function
    of; `connected`, whether the results can be differentiated in turn.

    **Errors:** `TypeError` for a value that has no derivative.
    """

    def __init__(self, name: str, run: Callable[[], Any], leaves: Sequence[Tensor], connected: bool) -> None:
        self.name, self.leaves, self.connected = name, leaves, connected
        nesting, enabled = STATE.nesting, STATE.grad_enabled
        STATE.nesting, STATE.grad_enabled = nesting + 1, True
        try:
            outputs, self.structure = _by_loops(run, leaves)
        finally:
            STATE.nesting, STATE.grad_enabled = nesting, enabled
        for y in outputs:
            dtype = getattr(y, "dtype", None)
            if dtype is None or dtype.kind not in "fc":
                raise TypeError(
                    f"the derivative of `{name}` needs floating-point results, got "
                    f"{type(y).__name__ if dtype is None else dtype.name}; return tensors, or nested tuples, lists and "
                    "dicts of them"
                )
        self.outputs: list[Any] = outputs
        self._smooth = [i for i, y in enumerate(outputs) if isinstance(y, Tensor) and y.requires_grad]
        self._transposed: tuple[list[Tensor], list[Any]] | None = None

    def values(self) -> list[Any]:
        """The outputs, without the graph that leads to the leaves unless it leads on."""
        if self.connected or current_tape() is not None:
            return self.outputs
        return [constant(y.data) if isinstance(y, Tensor) else y for y in self.outputs]

    def pull(self, gs: Sequence[Any], create_graph: bool = False) -> list[Any]:
        """The cotangents of the leaves from those of the outputs, `None` for those that are zero.

        **Arguments:** `gs`, where `None` stands for zero; `create_graph`, whether the cotangents `gs` are connected.
        """
        pairs = [(self.outputs[i], gs[i]) for i in self._smooth if gs[i] is not None]
        return self._swept(cotangents_of, pairs, self.leaves, create_graph)

    def push(self, vs: Sequence[Any]) -> list[Any]:
        """The tangents of the outputs from those of the leaves, `None` for those that are zero.

        **Arguments:** `vs`, where `None` stands for zero.
        """
        if self._transposed is None:
            self._transposed = self._transpose()
        cotangents, gradients = self._transposed
        pairs = [
            (g, v)
            for g, v in zip(gradients, vs, strict=True)
            if isinstance(g, Tensor) and g.requires_grad and v is not None
        ]
        tangents: list[Any] = [None] * len(self.outputs)
        # By the rules' own cotangents the transpose of the transpose is the map itself, also for complex numbers.
        for i, tangent in zip(self._smooth, self._swept(swept, pairs, cotangents, False), strict=True):
            tangents[i] = tangent
        return tangents

    def _transpose(self) -> tuple[list[Tensor], list[Any]]:
        """Cotangents of the smooth outputs, and the cotangents of the leaves as functions of them."""
        ys = [self.outputs[i] for i in self._smooth]
        cotangents = [fresh(constant(repeated(0, y.dtype, y.shape))) for y in ys]
        seeds = [(y.node or y, u) for y, u in zip(ys, cotangents, strict=True)]
        # What the rules read is followed only where it is differentiated or recorded.
        held = lift if self.connected or current_tape() is not None else _value
        with np.errstate(all="ignore"), set_grad_enabled(True):
            found = sweep(seeds, {x.node or x for x in self.leaves}, held, True)
        return cotangents, [found.get(x.node or x) for x in self.leaves]

    def _swept(
        self, by: Callable[..., Any], pairs: Sequence[tuple[Any, Any]], targets: Sequence[Tensor], create_graph: bool
    ) -> list[Any]:
        if not pairs or not targets:
            return [None] * len(targets)
        roots, seeds = zip(*pairs, strict=True)
        found = by(roots, seeds, targets, True, self.connected or create_graph)
        return [found.get(x.node or x) for x in targets]

    # ---- as matrices ----

    def rows(self, k: int) -> list[Any]:
        """The Jacobians of output `k` by each leaf, one sweep for each row, `None` for those that are zero."""
        y = self.outputs[k]
        gs: list[Any] = [None] * len(self.outputs)
        found = _of_units(y, lambda unit: self.pull([*gs[:k], unit, *gs[k + 1 :]]))
        return [
            None if j not in found else functions.reshape(found[j], (*y.shape, *x.shape))
            for j, x in enumerate(self.leaves)
        ]

    def columns(self, j: int) -> list[Any]:
        """The Jacobians of each output by leaf `j`, one sweep for each column, `None` for those that are zero."""
        x = self.leaves[j]
        vs: list[Any] = [None] * len(self.leaves)
        found = _of_units(x, lambda unit: self.push([*vs[:j], unit, *vs[j + 1 :]]))
        return [
            None if k not in found else functions.reshape(functions.moveaxis(found[k], 0, -1), (*y.shape, *x.shape))
            for k, y in enumerate(self.outputs)
        ]

    def check_real(self) -> None:
        """
        **Errors:** `TypeError` for complex numbers, by which a derivative is no single number.
        """
        for what, xs in (("arguments", self.leaves), ("results", self.outputs)):
            for x in xs:
                if x.dtype.kind == "c":
                    raise TypeError(
                        f"the Jacobian of `{self.name}` needs real {what}, got {x.dtype.name}; use `vjp` or `jvp`, or "
                        "take real and imaginary parts"
                    )

    def matrices(self, forward: bool | None = None) -> list[list[Any]]:
        """The Jacobian of each output by each leaf, with the shapes of both; `None` for those that are zero.

        **Arguments:** `forward`, whether by columns or by rows; for `None` by those of which there are fewer. If they
        are as many, it is by columns where a tape records, since these read less of what the function has made, and
        else by rows, since columns take one sweep more to begin with.

        **Errors:** those of `check_real`.
        """
        self.check_real()
        if forward is None:
            columns, rows = sum(x.size for x in self.leaves), sum(y.size for y in self.outputs)
            forward = columns < rows or (columns == rows and current_tape() is not None)
        if forward:
            by_leaf = [self.columns(j) for j in range(len(self.leaves))]
            found = [[by_leaf[j][k] for j in range(len(self.leaves))] for k in range(len(self.outputs))]
        else:
            found = [self.rows(k) for k in range(len(self.outputs))]
        return found

    def diagonal(self, j: int) -> Any:
        """The derivatives of output `j` by leaf `j`, of each element by the one at its own place; `None` for zeros.

        They are one product with ones where the operations on the way have the elements apart, and otherwise a product
        for each element.
        """
        y, x = self.outputs[j], self.leaves[j]
        gs: list[Any] = [None] * len(self.outputs)

        def product(g: Any) -> Any:
            return self.pull([*gs[:j], g, *gs[j + 1 :]])[j]

        def element(unit: Any) -> list[Any]:
            row = product(unit)
            # What is elsewhere in the row may be infinite, so it is no product with the unit vector.
            return [None if row is None else functions.sum(ops.where(ops.not_equal(unit, 0), row, 0))]

        if _is_by_element(y, x):
            return product(np.ones(y.shape, y.dtype))
        found = _of_units(y, element)
        return functions.reshape(found[0], x.shape) if found else None

    def filled(self, k: int, row: Sequence[Any]) -> list[Any]:
        """The Jacobians of output `k`, with zeros where there is `None`."""
        y = self.outputs[k]
        return [
            np.zeros((*y.shape, *x.shape), x.dtype) if block is None else block
            for block, x in zip(row, self.leaves, strict=True)
        ]


def direction(name: str, what: str, v: Any, x: Any) -> Any:
    """A cotangent or tangent `v` of `x`, with its shape and dtype.

    **Errors:** `ValueError` for another shape, `TypeError` for complex numbers in a real direction.
    """
    given = as_array(v)
    dtype = given.dtype
    if given.shape != x.shape:
        raise ValueError(f"`{name}` needs {what} of shape {x.shape}, got {given.shape}; reshape or expand it")
    if dtype.kind not in "biufc" or (dtype.kind == "c" and x.dtype.kind != "c"):
        raise TypeError(f"`{name}` needs {what} of {x.dtype.name}, got {dtype.name}; convert it with `astype`")
    if not isinstance(given, Tensor):
        # A view, so that what is left of it can be told from the caller's own.
        return np.asarray(given, x.dtype)[...]
    return ops.astype(given, dtype=x.dtype) if dtype != x.dtype or isinstance(given.data, Weak) else given


def zeros_of(x: Any) -> Any:
    """Zeros of the shape and dtype of `x`."""
    aval = aval_of(x)
    return np.zeros(aval.shape, aval.dtype)


def _by_loops(run: Callable[[], Any], leaves: Sequence[Tensor]) -> tuple[list[Any], Any]:
    """The leaves of what `run` returns and their structure; by loops where the tape that records rolls."""
    tape = STATE.tape
    nodes, guards = (0, 0) if tape is None else (len(tape.nodes), len(tape.guards))
    outputs, structure = flatten(run())
    outputs = [
        y if isinstance(y, Tensor) or not isinstance(y, int | float | np.number) else np.asarray(y) for y in outputs
    ]
    if tape is None or tape.roll is None:
        return outputs, structure
    made = [i for i, y in enumerate(outputs) if isinstance(y, Tensor)]
    for i, y in zip(made, tape.roll(tape, nodes, guards, leaves, [outputs[i] for i in made]), strict=True):
        outputs[i] = y
    return outputs, structure


def _is_by_element(y: Any, x: Tensor) -> bool:
    """Whether elementwise operations alone lead from `x` to `y`, without a broadcast of what depends on `x`."""
    start = x.node or x
    reached: dict[int, Any] = {}
    ahead = [y.node] if isinstance(y, Tensor) and y.node is not None and y.shape == x.shape else []
    while ahead:
        node = ahead.pop()
        if node is not start and id(node) not in reached and isinstance(node, Node):
            reached[id(node)] = node
            ahead += [parent for parent in node.parents if parent is not None and parent.requires_grad]
    depending = {id(start)}
    for node in sorted(reached.values(), key=lambda node: node.number):
        if not depending.isdisjoint([id(parent) for parent in node.parents]):
            depending.add(id(node))
            if not node.primitive.elementwise or np.shape(node.out) != x.shape:
                return False
    return bool(ahead or reached) and id(y.node) in depending


def _of_units(x: Any, apply: Callable[[Any], list[Any]]) -> dict[int, Any]:
    """What `apply` makes of each unit vector of the shape of `x`, stacked, by its position; without what is zero."""
    size, shape, dtype = prod(x.shape), x.shape, x.dtype
    if not size:
        return {}

    def applied(unit: Any) -> dict[int, Any]:
        return {i: y for i, y in enumerate(apply(unit)) if y is not None}

    tape = current_tape()
    if tape is not None and tape.control is not None and size > MOST_UNROLLED:
        units = np.eye(size, dtype=dtype).reshape(size, *shape)
        found: dict[int, Any] = tape.control.each(applied, units)
        return found
    rows = [applied(_unit(i, shape, dtype)) for i in range(size)]
    return {i: functions.stack([row[i] for row in rows]) for i in rows[0]}


def _unit(i: int, shape: tuple[int, ...], dtype: Any) -> Any:
    unit = np.zeros(shape, dtype)
    unit.reshape(-1)[i] = 1
    return unit


def _value(value: Any, parent: Any) -> Any:
    return value
