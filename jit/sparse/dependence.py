"""Which elements of its inputs each element of an operation's result depends on.

The structure is taken from the operation itself: what moves elements is run on the numbers of these elements, what sums
them unites what reaches the summands. What is rounded, compared or chosen by carries nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from autograd import ops
from autograd.primitive import Aval, Primitive, Shape

from .reach import Reach, grouped, numbers, paired, stacked, taken, union


class Known:
    """A value that does not depend on the inputs, computed when it is asked for.

    `fixed` says that it is made of integers and booleans alone, which are positions and masks rather than data.
    """

    def __init__(self, compute: Callable[[], Any], fixed: bool) -> None:
        self._compute: Callable[[], Any] | None = compute
        self._value: Any = None
        self.fixed = fixed

    def get(self) -> Any:
        """The value."""
        if self._compute is not None:
            self._value, self._compute = self._compute(), None
        return self._value


class State(NamedTuple):
    """A variable: what reaches it, `None` for nothing, and its value, `None` where that depends on the inputs."""

    reach: Reach | None
    known: Known | None


class Step(NamedTuple):
    """An equation with the states of its inputs."""

    primitive: Primitive
    avals: tuple[Aval, ...]
    params: Mapping[str, Any]
    out: Aval
    states: tuple[State, ...]

    def active(self) -> list[tuple[int, Reach]]:
        """The inputs that something reaches and by which the operation has a derivative."""
        found = [(i, x.reach) for i, x in enumerate(self.states)]
        return [(i, x) for i, x in found if x is not None and self.primitive.vjp(i) is not None]


def dependence(step: Step) -> Reach | None:
    """What reaches the result of an operation; `None` for nothing."""
    if not step.active() or not step.out.size:
        return None
    rule = RULES.get(step.primitive) or (_elementwise if step.primitive.elementwise else _everything)
    return rule(step)


def _elementwise(step: Step) -> Reach | None:
    shape = step.out.shape
    return union(
        [
            taken(x, np.broadcast_to(numbers(step.avals[i].shape), shape))
            for i, x in step.active()
            if (step.primitive, i) not in FLAT
        ]
    )


def _power(step: Step) -> Reach | None:
    """Powers with the exponent 0 are constant; derivatives of others have them."""
    exponent = step.states[1].known
    is_constant = exponent is not None and exponent.fixed and not np.any(exponent.get())
    return None if is_constant else _elementwise(step)


def _chosen(step: Step) -> Reach | None:
    """Where the condition is a mask, that of the two which it takes."""
    condition = step.states[0].known
    if condition is None or not condition.fixed:
        return _elementwise(step)
    mask = np.broadcast_to(condition.get(), step.out.shape)
    return union(
        [
            taken(x, np.where(mask == (i == 1), np.broadcast_to(numbers(step.avals[i].shape), step.out.shape), 0))
            for i, x in step.active()
        ]
    )


def _moved(step: Step) -> Reach | None:
    """What moves elements is run on their numbers."""
    active = dict(step.active())
    given: list[Any] = []
    first = 0
    for i, (aval, state) in enumerate(zip(step.avals, step.states, strict=True)):
        if i in active:
            given.append(numbers(aval.shape) + first)
            first += aval.size
        elif aval.dtype.kind in "fc":
            given.append(np.zeros(aval.shape, int))
        elif state.known is None:
            return _everything(step)
        else:
            given.append(state.known.get())
    return taken(stacked(list(active.values())), step.primitive.eval(*given, **step.params))


def _added(step: Step) -> Reach | None:
    """What adds elements up, or compares all of them: those of the reduced axes together."""
    (x,) = [x for _, x in step.active()]
    axis = step.params["axis"]
    return _over(x, step.avals[0].shape, axis)


def _over(x: Reach, shape: Shape, axis: Sequence[int]) -> Reach:
    """What reaches any of the elements along these axes."""
    left = tuple([1 if i in axis else n for i, n in enumerate(shape)])
    return grouped(x, np.broadcast_to(numbers(left), shape), prod(left))


def _scattered(step: Step) -> Reach | None:
    ((_, x),) = step.active()
    at = [state.known for state in step.states[1:]]
    if None in at:
        return _everything(step)
    shape = step.params["shape"]
    return grouped(x, numbers(shape)[tuple([y.get() for y in at if y is not None])], prod(shape))


def _running(step: Step) -> Reach | None:
    ((_, x),) = step.active()
    rows = np.moveaxis(numbers(step.out.shape) - 1, step.params["axis"], -1)
    earlier, later = np.triu_indices(rows.shape[-1])
    outs, ins = (earlier, later) if step.params["reverse"] else (later, earlier)
    return paired(x, rows[..., outs], rows[..., ins], step.out.size)


def _product(step: Step) -> Reach | None:
    """A product of matrices: a row of the one and a column of the other."""
    x, y = [aval.shape for aval in step.avals]
    first = x if len(x) > 1 else (1, *x)
    second = y if len(y) > 1 else (*y, 1)
    batch = np.broadcast_shapes(first[:-2], second[:-2])
    shape = (*batch, first[-2], second[-1])
    parts = []
    for i, reach in step.active():
        whole, axis = (first, len(first) - 1) if i == 0 else (second, len(second) - 2)
        left = tuple([1 if k == axis else n for k, n in enumerate(whole)])
        parts.append(taken(_over(reach, whole, (axis,)), np.broadcast_to(numbers(left), shape)))
    return union(parts)


def _convolved(step: Step) -> Reach | None:
    (n,), (m,) = [aval.shape for aval in step.avals]
    at = np.indices((n, m))
    return union([paired(x, at[0] + at[1], at[i], step.out.size) for i, x in step.active()])


def _transformed(step: Step) -> Reach | None:
    """A Fourier transform: all elements along the axis."""
    ((_, x),) = step.active()
    shape, axis = step.avals[0].shape, step.params["axis"] % len(step.avals[0].shape)
    left = tuple([1 if i == axis else n for i, n in enumerate(shape)])
    return taken(_over(x, shape, (axis,)), np.broadcast_to(numbers(left), step.out.shape))


def _factored(step: Step) -> Reach | None:
    """A factorisation: all elements of the same matrix of a stack."""
    ((_, x),) = step.active()
    return _of_matrices(x, step.avals[0].shape, step.out.shape, (-2, -1))


def _of_matrices(x: Reach, shape: Shape, out: Shape, axes: Sequence[int]) -> Reach:
    """What reaches any element along these axes of a stack of matrices, for each element of such another stack."""
    axis = tuple([len(shape) + i for i in axes])
    left = tuple([1 if i in axis else n for i, n in enumerate(shape)])
    return taken(_over(x, shape, axis), np.broadcast_to(numbers(left), out))


def _solved(step: Step) -> Reach | None:
    """The solution of equations: all of the matrix, and the same column of the right side."""
    axes = ((-2, -1), (-2,))
    return union([_of_matrices(x, step.avals[i].shape, step.out.shape, axes[i]) for i, x in step.active()])


def _everything(step: Step) -> Reach | None:
    """An operation that is not looked into: all elements of its inputs."""
    total = union([_over(x, step.avals[i].shape, range(step.avals[i].ndim)) for i, x in step.active()])
    return None if total is None else taken(total, np.ones(step.out.size, int))


#: The operations whose derivative by an input is zero wherever there is one.
FLAT = frozenset(
    {
        *[(op, 0) for op in (ops.sign, ops.floor, ops.ceil, ops.round, ops.trunc, ops.floor_divide)],
        (ops.floor_divide, 1),
        (ops.copysign, 1),
    }
)

RULES: dict[Primitive, Callable[[Step], Reach | None]] = {
    **dict.fromkeys([ops.real, ops.imag, ops.conj, ops.complex_], _elementwise),
    **dict.fromkeys(
        [
            ops.transpose, ops.reshape, ops.expand, ops.slice_, ops.unslice, ops.put, ops.slice_at, ops.put_at,
            ops.concatenate, ops.gather,
        ],
        _moved,
    ),
    **dict.fromkeys([ops.sum, ops.prod, ops.max, ops.min], _added),
    ops.where: _chosen,
    ops.pow: _power,
    ops.scatter_add: _scattered,
    ops.cumsum: _running,
    ops.matmul: _product,
    ops.convolve: _convolved,
    **dict.fromkeys([ops.fft, ops.rfft, ops.irfft], _transformed),
    **dict.fromkeys([ops.cholesky, ops.lu, ops.qr, ops.eigh, ops.eig, ops.svd, ops.pinv], _factored),
    **dict.fromkeys([ops.solve, ops.solve_triangular], _solved),
}  # fmt: skip
