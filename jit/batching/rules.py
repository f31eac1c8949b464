"""What an op makes of many examples at once: one rule for each family of primitives, on values with a further axis.

An input is *mapped* if it has another value for each example: then the axis of the examples is its first one. What is
the same for all is not repeated. The rules are written in the library's own ops, so that what they make is recorded,
differentiated and compiled like anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor, ops
from autograd.custom import custom_call
from autograd.functions.arguments import expanded, reshaped, transposed
from autograd.lengths import is_length
from autograd.ops.broadcasting import repeated
from autograd.primitive import PRIMITIVES, Primitive, aval_of
from autograd.tensor import constant

from ..graph import Equation, Graph, Loop, Var
from ..recording.body import bind
from ..recording.replay import pullback
from ..recording.residuals import with_candidates


class Batch(NamedTuple):
    """The inputs of an equation for `size` examples, and which of them are mapped."""

    size: Any
    values: Sequence[Any]
    mapped: Sequence[bool]

    def ndim(self, i: int) -> int:
        """The number of axes that an example of an input has."""
        return len(self.values[i].shape) - self.mapped[i]

    def whole(self, i: int) -> Any:
        """An input with the axis of the examples, repeated along it if it is the same for all."""
        return self.values[i] if self.mapped[i] else for_all(self.values[i], self.size)

    def wholes(self) -> list[Any]:
        """All inputs with the axis of the examples."""
        return [self.whole(i) for i in range(len(self.values))]


Rule = Callable[..., Any]


def followed(x: Any) -> Any:
    """A value that all examples share as a tensor: an array from outside is known by itself, whatever is made of it."""
    if isinstance(x, Tensor):
        return x
    # What NumPy would make of the array, a view or a copy, is another one.
    return constant(x).bind(ops.stop_gradient, (x,), {}) if isinstance(x, np.ndarray) else constant(np.asarray(x))


def for_all(x: Any, size: Any) -> Any:
    """A value that all examples share, repeated along an axis of so many of them."""
    return expanded(followed(x), (size, *x.shape))


def positions(size: Any) -> Any:
    """The numbers of the examples; of an open number of them as well."""
    if not is_length(size):
        return np.arange(size)
    shape: Any = (size,)
    return ops.cumsum(constant(repeated(1, np.int64, shape)), axis=0, reverse=False) - 1


def by_example(graph: Graph, batch: Batch) -> list[Any]:
    """The outputs of a graph without captures and guards, stacked: a loop over the examples that carries nothing."""
    if batch.size == 0:
        return [constant(repeated(0, x.aval.dtype, (0, *x.aval.shape))) for x in graph.outputs]
    order = sorted(range(len(batch.values)), key=lambda i: batch.mapped[i])
    body = with_candidates(graph._replace(inputs=tuple([graph.inputs[i] for i in order])), 0)
    loop = Loop(body, len(order) - sum(batch.mapped), 0, batch.size, False)
    return bind(loop, [batch.values[i] for i in order], pullback)[: len(graph.outputs)]


# ---- the families ----


def _elementwise(op: Primitive, batch: Batch, **params: Any) -> Any:
    most = max(batch.ndim(i) for i in range(len(batch.values)))
    return op.of(tuple([_aligned(batch, i, most) for i in range(len(batch.values))]), params)


def _aligned(batch: Batch, i: int, ndim: int) -> Any:
    """An input that broadcasts with mapped ones of so many axes beside that of the examples."""
    x = batch.values[i]
    if not batch.mapped[i]:
        return x
    return reshaped(x, (x.shape[0], *[1] * (ndim + 1 - len(x.shape)), *x.shape[1:]))


def _of_axes(op: Primitive, batch: Batch, *, axis: tuple[int, ...], **params: Any) -> Any:
    return op(batch.values[0], axis=tuple([i + 1 for i in axis]), **params)


def _of_axis(op: Primitive, batch: Batch, *, axis: int, **params: Any) -> Any:
    # The tables of Fourier transforms, further inputs, are the same for all.
    return op(*batch.values, axis=axis + 1, **params)


def _of_matrices(op: Primitive, batch: Batch, **params: Any) -> Any:
    return op(batch.values[0], **params)


def _reshape(op: Primitive, batch: Batch, *, shape: tuple[Any, ...]) -> Any:
    return reshaped(batch.values[0], (batch.size, *shape))


def _expand(op: Primitive, batch: Batch, *, shape: tuple[Any, ...]) -> Any:
    return expanded(_aligned(batch, 0, len(shape)), (batch.size, *shape))


def _transpose(op: Primitive, batch: Batch, *, axes: tuple[int, ...]) -> Any:
    return op(batch.values[0], axes=(0, *[i + 1 for i in axes]))


def _of_part(op: Primitive, batch: Batch, *, index: tuple[Any, ...], **params: Any) -> Any:
    if "shape" in params:
        params["shape"] = (batch.size, *params["shape"])
    return op(*batch.wholes(), index=((0, batch.size, 1), *index), **params)


def _of_part_at(op: Primitive, batch: Batch, *, index: tuple[Any, ...]) -> Any:
    count = 1 if op is ops.slice_at else 2
    if any(batch.mapped[count:]):
        return _each(op, batch, index=index)
    arrays = [batch.whole(i) for i in range(count)]
    return op(*arrays, *batch.values[count:], index=((0, batch.size, 1), *index))


def _concatenate(op: Primitive, batch: Batch, *, axis: int) -> Any:
    return op(*batch.wholes(), axis=axis + 1)


def _gather(op: Primitive, batch: Batch) -> Any:
    x, *indices = batch.values
    count, ndim = len(indices), batch.ndim(1)
    if not any(batch.mapped[1:]):
        # The axis of the examples stands behind those that are indexed.
        found = op(transposed(x, (*range(1, count + 1), 0, *range(count + 1, len(x.shape)))), *indices)
        return transposed(found, (ndim, *range(ndim), *range(ndim + 1, len(found.shape))))
    wholes = [batch.whole(i) for i in range(1, count + 1)]
    return op(x, *_with_positions(wholes)) if batch.mapped[0] else op(x, *wholes)


def _scatter_add(op: Primitive, batch: Batch, *, shape: tuple[Any, ...]) -> Any:
    x, *indices = batch.values
    count, ndim = len(indices), batch.ndim(1)
    if not any(batch.mapped[1:]):
        moved = transposed(x, (*range(1, ndim + 1), 0, *range(ndim + 1, len(x.shape))))
        found = op(moved, *indices, shape=(*shape[:count], batch.size, *shape[count:]))
        return transposed(found, (count, *range(count), *range(count + 1, len(found.shape))))
    wholes = [batch.whole(i) for i in range(1, count + 1)]
    return op(batch.whole(0), *_with_positions(wholes), shape=(batch.size, *shape))


def _with_positions(indices: Sequence[Any]) -> list[Any]:
    """Indices with that of the example before them."""
    shape = indices[0].shape
    numbers = reshaped(positions(shape[0]), (shape[0], *[1] * (len(shape) - 1)))
    return [expanded(numbers, shape), *indices]


def _matmul(op: Primitive, batch: Batch) -> Any:
    x, y = batch.values
    n, m = batch.ndim(0), batch.ndim(1)
    if not batch.mapped[1] and m <= 2:
        if n != 2 or m != 2:
            return op(x, y)
        # One matrix for all: their rows are those of one product.
        rows = reshaped(x, (x.shape[0] * x.shape[1], x.shape[2]))
        return reshaped(op(rows, y), (*x.shape[:-1], y.shape[-1]))
    if not batch.mapped[0] and m == 1 and n <= 2:
        return op(y, transposed(x, tuple(range(n))[::-1]))
    if n == m == 1 and x.dtype.kind in "fc":
        return ops.sum(x * y, axis=(1,), keepdims=False)
    # As stacks of matrices, with the same number of axes.
    rows = reshaped(x, (*x.shape[:-1], 1, x.shape[-1])) if n == 1 else x
    columns = reshaped(y, (*y.shape, 1)) if m == 1 else y
    stacks = Batch(batch.size, (rows, columns), batch.mapped)
    found = op(*[_aligned(stacks, i, max(n, m, 2)) for i in (0, 1)])
    dropped = [len(found.shape) - 2] * (n == 1) + [len(found.shape) - 1] * (m == 1)
    return reshaped(found, tuple([k for i, k in enumerate(found.shape) if i not in dropped]))


def _solve(op: Primitive, batch: Batch, **params: Any) -> Any:
    x, y = batch.values
    if batch.mapped[0] or batch.ndim(0) > 2 or batch.ndim(1) > 2:
        return op(*batch.wholes(), **params)
    # One matrix for all: their right sides are columns of one.
    count, n, m = y.shape
    found = op(x, reshaped(transposed(y, (1, 0, 2)), (n, count * m)), **params)
    return transposed(reshaped(found, (n, count, m)), (1, 0, 2))


def _searchsorted(op: Primitive, batch: Batch, **params: Any) -> Any:
    return _each(op, batch, **params) if batch.mapped[0] else op(*batch.values, **params)


def _each(op: Primitive, batch: Batch, **params: Any) -> Any:
    avals = [aval_of(x) for x in batch.values]
    inputs = [Var(aval._replace(shape=aval.shape[given:])) for aval, given in zip(avals, batch.mapped, strict=True)]
    equation = Equation.of(op, *inputs, **params)
    return by_example(Graph(tuple(inputs), (), (equation,), (), (equation.out,)), batch)[0]


_FAMILIES: dict[Rule, tuple[Primitive, ...]] = {
    _elementwise: (
        *[x for x in PRIMITIVES.values() if x.elementwise], ops.real, ops.imag, ops.conj, ops.complex_,
    ),
    _of_axes: (ops.sum, ops.max, ops.min, ops.prod),
    _of_axis: (ops.argmax, ops.argmin, ops.cumsum, ops.argsort, ops.fft, ops.rfft, ops.irfft),
    _of_matrices: (ops.cholesky, ops.lu, ops.qr, ops.eigh, ops.eig, ops.svd, ops.pinv),
    _solve: (ops.solve, ops.lu_solve, ops.solve_triangular),
    _reshape: (ops.reshape,),
    _expand: (ops.expand,),
    _transpose: (ops.transpose,),
    _of_part: (ops.slice_, ops.unslice, ops.put),
    _of_part_at: (ops.slice_at, ops.put_at),
    _concatenate: (ops.concatenate,),
    _gather: (ops.gather,),
    _scatter_add: (ops.scatter_add,),
    _matmul: (ops.matmul,),
    _searchsorted: (ops.searchsorted,),
    # Of one example at a time.
    _each: (ops.convolve, custom_call),
}  # fmt: skip

#: The value of an equation for all examples, by the primitive: `RULES[op](batch, **params)`.
RULES: dict[Primitive, Rule] = {op: partial(rule, op) for rule, known in _FAMILIES.items() for op in known}
