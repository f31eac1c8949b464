"""Loops as operations: their body is recorded once when a function is compiled, and run step by step otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np

from . import functions, ops
from .carry import carried_on, settled
from .functions.arguments import as_array
from .lengths import is_length
from .primitive import aval_of
from .rerun import Rerun
from .tape import current_tape, is_grad_enabled
from .tree import Structure, flatten, unflatten

Body = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    f: Body,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    checkpoint: int | str | None = None,
) -> tuple[Any, Any]:
    """A loop over the first axis of arrays that carries values from step to step.

    Compiled, it stays a loop: `f` is recorded once, whatever the number of steps, and so is its gradient.

    **Arguments:** `f(carry, x)`, which returns the next carry and a result of this step, `None` for none; `init`, the
    first carry; `xs`, arrays of one length whose elements along the first axis are the `x` of the steps, `None` for
    none; `length`, the number of steps where there are no `xs`; `reverse`, whether the last element comes first. Carry,
    `xs` and results may be nested tuples, lists and dicts. The gradient keeps what every step begins with, or, with
    `checkpoint`, so many bytes of it, or that of as many steps as the square root of their number (`"sqrt"`): it makes
    the rest again, step by step, and each step as few times as the room allows. Second derivatives keep what the steps
    of the gradient begin with.

    **Returns:** the last carry, and the results of all steps, stacked along a new first axis.

    **Errors:** `TypeError` where the carry changes its structure, shapes or dtypes, and where `f` returns no pair;
    `ValueError` for `xs` of different lengths, for a loop whose length nothing says, and for a `checkpoint` in which
    not even the first carry has room.

    >>> import numpy as np
    >>> import autograd as ag
    >>> total, sums = ag.scan(lambda total, x: (total + x, total + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), sums
    (6.0, array([1., 3., 6.]))
    """
    carried, structure = flatten(init)
    elements, structure_of_xs = flatten(() if xs is None else xs)
    elements = [as_array(x) for x in elements]
    length = _length("scan", elements, length)
    loop = _Loop("scan", f, structure, structure_of_xs, xs is not None)
    tape = current_tape()
    run = _step_by_step if tape is None or tape.control is None else tape.control.scan
    carried = [settled(x) for x in carried]
    return run(loop, carried, elements, length, bool(reverse), _kept(checkpoint, carried, length))


def fori_loop(
    lower: int, upper: int, f: Callable[[Any, Any], Any], init: Any, checkpoint: int | str | None = None
) -> Any:
    """What `for i in range(lower, upper): carry = f(i, carry)` makes of `carry`, as one operation.

    **Arguments:** `lower` and `upper`, integers; `f(i, carry)`, which returns the next carry; `init`, the first one;
    `checkpoint`, as `scan` has it.

    >>> import autograd as ag
    >>> float(ag.fori_loop(1, 5, lambda i, product: product * i, 1.0))
    24.0
    """
    if upper <= lower:
        return init
    return scan(lambda carry, i: (f(i, carry), None), init, np.arange(lower, upper), checkpoint=checkpoint)[0]


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` of each element along the first axis, the results stacked.

    **Arguments:** `f`; `xs`, an array, or arrays of one length in nested tuples, lists and dicts.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.map(lambda x: x.sum(), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]


def while_loop(cond_fn: Callable[[Any], Any], body_fn: Callable[[Any], Any], carry: Any) -> Any:
    """What `while cond_fn(carry): carry = body_fn(carry)` makes of `carry`, as one operation.

    Compiled, both functions are recorded once, and one kernel serves every number of steps, its gradient as well: the
    kernel keeps what each step begins with, and is made anew with more room where that is not enough.

    **Arguments:** `cond_fn(carry)`, a single boolean: whether there is another step; `body_fn(carry)`, which returns
    the next carry; `carry`, the first one, which may be nested tuples, lists and dicts.

    **Errors:** `TypeError` where the carry changes its structure, shapes or dtypes; `ValueError` where `cond_fn`
    returns more than one value.

    The square root of 2 by Newton's method, and its derivative:

    >>> import autograd as ag
    >>> def root(a):
    ...     return ag.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)
    >>> value, slope = ag.value_and_grad(root)(2.0)
    >>> round(float(value), 6), round(float(slope), 6)
    (1.414214, 0.353553)
    """
    carried, structure = flatten(carry)
    loop = _While(cond_fn, body_fn, structure)
    carried = [settled(x) for x in carried]
    tape = current_tape()
    if tape is not None and tape.control is not None:
        return unflatten(structure, tape.control.while_loop(loop, carried))
    while loop.goes_on(carried):
        carried = loop.step(carried)
    return unflatten(structure, carried)


class _While:
    """The test and the body of a loop as functions of leaves."""

    name = "while_loop"

    def __init__(self, test: Callable[[Any], Any], body: Callable[[Any], Any], carry: Structure) -> None:
        self.test, self.body, self.carry = test, body, carry

    def goes_on(self, carried: Sequence[Any]) -> Any:
        """Whether there is another step: an array or a tensor without axes."""
        found = as_array(self.test(unflatten(self.carry, list(carried))))
        if found.shape != ():
            raise ValueError(
                f"`while_loop` needs a `cond_fn` that returns a single boolean, got the shape {found.shape}; reduce it "
                "with `all` or `any`"
            )
        return found if found.dtype.kind == "b" else ops.not_equal(found, 0)

    def step(self, carried: Sequence[Any]) -> list[Any]:
        """The leaves of the next carry."""
        return carried_on(self.name, self.carry, carried, self.body(unflatten(self.carry, list(carried))))


class _Loop:
    """The body of a loop as a function of leaves, and what its results are put together to."""

    def __init__(self, name: str, f: Body, carry: Structure, xs: Structure, has_xs: bool) -> None:
        self.name, self.f, self.carry, self.xs, self.has_xs = name, f, carry, xs, has_xs
        self.results: Structure | None = None

    def step(self, carried: Sequence[Any], x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The leaves of the next carry and of the result of a step."""
        element = unflatten(self.xs, list(x)) if self.has_xs else None
        outcome = self.f(unflatten(self.carry, list(carried)), element)
        if not (isinstance(outcome, tuple) and len(outcome) == 2):
            raise TypeError(
                f"`{self.name}` needs a function that returns the carry and a result, got "
                f"{type(outcome).__name__}; return `carry, None` where there is no result"
            )
        after = carried_on(self.name, self.carry, carried, outcome[0])
        result, self.results = flatten(() if outcome[1] is None else outcome[1])
        return after, [as_array(x) for x in result]

    def outcome(self, carried: Sequence[Any], results: Sequence[Any]) -> tuple[Any, Any]:
        """The carry and the stacked results from their leaves."""
        assert self.results is not None
        stacked = unflatten(self.results, list(results))
        return unflatten(self.carry, list(carried)), stacked if results else None


def _step_by_step(
    loop: _Loop, carried: list[Any], xs: list[Any], length: int, reverse: bool, kept: int = 0
) -> tuple[Any, Any]:
    """The loop run by Python, every step an operation of its own, or all of them one that keeps few states."""
    if kept and is_grad_enabled() and current_tape() is None:
        return Rerun(loop, xs, length, reverse, kept).outcome(carried)
    stacks: list[list[Any]] = []
    for i in range(length)[:: -1 if reverse else 1]:
        carried, result = loop.step(carried, [x[i] for x in xs])
        stacks.append(result)
    columns = zip(*stacks[:: -1 if reverse else 1], strict=True)
    return loop.outcome(carried, [functions.stack(column) for column in columns])


def _kept(checkpoint: int | str | None, carried: Sequence[Any], length: int) -> int:
    """Of how many steps a gradient keeps what they begin with, 0 for all."""
    size = sum([aval.size * aval.dtype.itemsize for aval in [aval_of(x) for x in carried]])
    if checkpoint is None or not size:
        return 0
    if checkpoint == "sqrt":
        kept = ceil(sqrt(length))
    elif isinstance(checkpoint, int) and not isinstance(checkpoint, bool):
        kept = checkpoint // size
    else:
        raise TypeError(
            f"`scan` needs a number of bytes, 'sqrt' or None as its `checkpoint`, got {checkpoint!r}; leave it out to "
            "keep what all steps begin with"
        )
    if kept < 1:
        raise ValueError(
            f"`scan` needs room for one carry of {size} bytes at least, got `checkpoint={checkpoint}`; with room for "
            f"{ceil(sqrt(length))} of them, {ceil(sqrt(length)) * size} bytes, no step is done more than three times"
        )
    return kept if kept < length else 0


def _length(name: str, xs: Sequence[Any], length: int | None) -> int:
    lengths = {x.shape[0] if x.shape else None for x in xs} | ({length} if length is not None else set())
    if len(lengths) != 1 or None in lengths:
        given = " and ".join(str(x.shape) for x in xs) or "none"
        raise ValueError(
            f"`{name}` needs arrays `xs` of one length, or a `length` that is theirs, got shapes {given} and "
            f"length {length}"
        )
    (found,) = lengths
    if not found or found < 0:
        raise ValueError(f"`{name}` needs one step at least, got the length {found}; leave the loop out")
    steps: int = found if is_length(found) else int(found)  # type: ignore[assignment]
    return steps
