"""The entries of a sparse Jacobian or Hessian as a function that is recorded: the pattern is found while it runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

import autograd as ag
from autograd import Tensor, ops
from autograd.closed import source_of
from autograd.derivatives import linearised
from autograd.linear import MOST_UNROLLED, Linear
from autograd.ops.broadcasting import repeated
from autograd.tape import Guard, current_tape
from autograd.weak import plain

from ..graph import Var
from ..recording.record import Captured, Recording, graph_of
from .colouring import Colouring, coloured, coloured_symmetric
from .reach import empty, made, stacked
from .sparsity import structure


class Found(NamedTuple):
    """The pattern of a matrix, how its entries are read from products, and for which program and values that holds.

    `at` are the positions of the entries in all products, one after the other. `key` is that of the graph of the
    function; `reads` are the captures whose values the pattern depends on, by their positions, and these values.
    """

    pattern: csr_array
    colouring: Colouring
    at: np.ndarray[Any, Any]
    key: str
    reads: tuple[tuple[int, Any], ...]


class Entries:
    """A function of the arguments of `function`: the entries of the matrix, and the position of its pattern in `known`.

    **Arguments:** `name`, for errors; `function`; `positions` of the arguments to differentiate; `kind`, `"jacobian"`,
    `"hessian"`, or `"lower"` for the entries of that on and below the diagonal.
    """

    def __init__(self, name: str, function: Callable[..., Any], positions: tuple[int, ...], kind: str) -> None:
        functools.update_wrapper(self, function, updated=())
        self.name, self.function, self.positions, self.kind = name, function, positions, kind
        self.known: list[Found] = []

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, int]:
        function = ag.grad(self.function, self.positions) if self.kind != "jacobian" else self.function
        linear, _, given = linearised(self.name, function, args, kwargs, self.positions)
        linear.check_real()
        k = self.find(linear, [x for x in given if isinstance(x, Tensor)])
        found = self.known[k]
        if not found.pattern.nnz:
            return np.zeros(0, np.result_type(*[y.dtype for y in linear.outputs])), k
        return ops.gather(_products(linear, found.colouring), found.at), k

    def find(self, linear: Linear, given: Sequence[Tensor]) -> int:
        """The position of the pattern of a function among the known ones, of which it is one from now on.

        The values that the pattern depends on become conditions of the recording.
        """
        tape: Any = current_tape()
        recording = graph_of(tape, [*linear.leaves, *given], _smooth(linear))
        graph = recording.graph
        shapes = [(y.shape, isinstance(y, Tensor) and y.requires_grad) for y in linear.outputs]
        key = f"{graph.key} {shapes}"
        sources = [*[Captured(x, None) for x in given], *recording.captured]
        variables = [*graph.inputs[len(linear.leaves) :], *graph.captures]
        values = dict(zip(variables, map(_value_of, sources), strict=True))
        k = next(
            (k for k, x in enumerate(self.known) if x.key == key and _agrees(x, [*values.values()])), len(self.known)
        )
        if k == len(self.known):
            self.known.append(self.made(linear, recording, values, key))
        for i, value in self.known[k].reads:
            source = source_of(sources[i].source)
            tape.guards.append(Guard(source, value, f"the positions that `{linear.name}` looks up"))
        return k

    def made(self, linear: Linear, recording: Recording, values: Mapping[Var, Callable[[], Any]], key: str) -> Found:
        """The pattern of a recorded function, and its colouring."""
        columns = sum(x.size for x in linear.leaves)
        reached, reads = structure(recording.graph, values)
        rows = dict(zip(map(id, _smooth(linear)), reached, strict=True))
        pattern = stacked([rows[id(y)] if id(y) in rows else empty(y.size, columns) for y in linear.outputs])
        if self.kind != "jacobian":
            pattern = pattern + pattern.T
        pattern.sort_indices()
        colouring = coloured(pattern) if self.kind == "jacobian" else coloured_symmetric(pattern)
        if self.kind == "lower":
            pattern, colouring = _lower(pattern, colouring)
        # Said once, for all matrices that are copies of this one.
        pattern.has_canonical_format = True
        at = colouring.by.astype(np.int64) * pattern.shape[colouring.mode != "columns"] + colouring.at
        for x in (pattern.indices, pattern.indptr, at):
            x.flags.writeable = False
        places = list(values)
        return Found(pattern, colouring, at, key, tuple([(places.index(x), np.array(values[x]())) for x in reads]))


class Alone:
    """The entries without the position of their pattern.

    **Arguments:** `function`, which gives both.
    """

    def __init__(self, function: Entries) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)[0]


def _lower(pattern: csr_array, colouring: Colouring) -> tuple[csr_array, Colouring]:
    """The entries on and below the diagonal, and how they are read."""
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    kept = pattern.indices <= rows
    ends = np.concatenate([[0], np.cumsum(kept)])[pattern.indptr]
    found = made(pattern.indices[kept], ends.astype(pattern.indptr.dtype), pattern.shape[1])
    return found, colouring._replace(by=colouring.by[kept], at=colouring.at[kept])


def _smooth(linear: Linear) -> list[Tensor]:
    """The outputs that depend on the leaves."""
    return [y for y in linear.outputs if isinstance(y, Tensor) and y.requires_grad]


def _agrees(found: Found, values: Sequence[Callable[[], Any]]) -> bool:
    return all(np.array_equal(values[i](), x) for i, x in found.reads)


def _value_of(captured: Captured) -> Callable[[], Any]:
    """The value of a capture, or of an argument, as the graph takes it."""

    def value() -> Any:
        source, order = captured
        x = np.asarray(plain(source.data if isinstance(source, Tensor) else source))
        return x if order is None else x.transpose(order)

    return value


def _products(linear: Linear, colouring: Colouring) -> Any:
    """The products with the sum of the unit vectors of each colour, one after the other."""
    forward = colouring.mode == "columns"
    given, made = (linear.leaves, linear.outputs) if forward else (linear.outputs, linear.leaves)
    apply = linear.push if forward else linear.pull
    ends = np.cumsum([x.size for x in given])[:-1]
    parts = [part.reshape(x.shape) for part, x in zip(np.split(colouring.colours, ends), given, strict=True)]

    def product(colour: Any) -> Any:
        seeds = [ops.astype(ops.equal(part, colour), dtype=x.dtype) for part, x in zip(parts, given, strict=True)]
        found = [
            repeated(0, y.dtype, (y.size,)) if found is None else ag.reshape(found, (y.size,))
            for found, y in zip(apply(seeds), made, strict=True)
        ]
        return ag.concatenate(found) if len(found) > 1 else found[0]

    if colouring.number > MOST_UNROLLED:
        return ag.reshape(ag.map(product, np.arange(colouring.number)), (-1,))
    return ag.concatenate([product(colour) for colour in range(colouring.number)])
