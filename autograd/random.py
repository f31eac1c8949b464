"""Random numbers with NumPy's names, the same eagerly and compiled; each call of a compiled function draws new ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from . import functions, ops
from .drawn import note
from .functions.arguments import as_array, reshaped, shape_of
from .primitive import Shape, aval_of
from .tape import current_tape
from .tensor import Tensor, constant

Size = int | Sequence[int] | None
_DRAWING = Lock()
_UINT64 = np.dtype(np.uint64)
_FLOAT64 = np.dtype(np.float64)
#: For each dtype by what random bits are divided to leave as many as it has, and the distance of what is left.
_FRACTIONS = {"float64": (1 << 11, 2.0**-53), "float32": (1 << 40, 2.0**-24)}


class Generator:
    """Draws random numbers; `default_rng` makes one.

    Its state is a key, which the seed gives, and a counter of what was drawn. In a compiled function each call goes on
    where the last draw ended, eager or compiled, and loops draw anew in each step. What depends on random numbers is
    differentiated as on any constants, so `loc + scale * z` has gradients by `loc` and `scale`.

    **Arguments:** `key`, an integer of 64 bits; `counter`, how many numbers were drawn.

    **Errors:** `RuntimeError` where draws are recorded by `ag.record()`, or in `while_loop`, `cond` and `switch`.
    """

    def __init__(self, key: int, counter: int = 0) -> None:
        self._state = constant(np.array([key, counter], _UINT64))

    def __repr__(self) -> str:
        key, counter = self.get_state()
        return f"<Generator {key:#x} at {counter}>"

    def __reduce__(self) -> Any:
        return Generator, tuple(self.get_state().tolist())

    # ---- the state ----

    def get_state(self) -> Any:
        """The state, an array of two integers.

        >>> import autograd as ag
        >>> rng = ag.random.default_rng(0)
        >>> state = rng.get_state()
        >>> x = rng.random(3)
        >>> rng.set_state(state)
        >>> bool((rng.random(3) == x).all())
        True
        """
        return self._state.data.copy()

    def set_state(self, state: Any) -> None:
        """Goes on from a state of `get_state`, also where compiled functions draw.

        **Errors:** `ValueError` for anything else.
        """
        given = np.asarray(state)
        if given.shape != (2,) or given.dtype != _UINT64:
            raise ValueError(
                f"`set_state` needs what `get_state` returned, two integers of uint64, got {aval_of(given)}"
            )
        self._state.data[...] = given

    def spawn(self, n_children: int) -> list[Generator]:
        """New generators whose streams are independent of this one and of each other."""
        return [Generator(key) for key in np.atleast_1d(self._bits(n_children)).tolist()]

    def _bits(self, count: int) -> Any:
        """So many words of 64 random bits."""
        tape = current_tape()
        if tape is None:
            with _DRAWING:
                note(self._state)
                key, first = self._state.data
                with np.errstate(over="ignore"):
                    self._state.data[1] += _UINT64.type(count)
            with np.errstate(over="ignore"):
                return ops.random_bits(key, first + _counting(count))
        if tape.states is None:
            raise RuntimeError(
                "random numbers are drawn where a recording would repeat them: in `ag.record()`, `while_loop`, `cond` "
                "or `switch`; draw them before, and pass them in"
            )
        state = tape.states.get(self._state, self._state)
        tape.states[self._state] = state + np.array([0, count], _UINT64)
        return ops.random_bits(state[0], state[1] + _counting(count))

    # ---- numbers ----

    def random(self, size: Size = None, dtype: Any = np.float64) -> Any:
        """Numbers from 0 to 1, without 1, all of them equally likely.

        **Arguments:** `size`, the shape, `None` for one number; `dtype`, float64 or float32.

        **Returns:** an array; a tensor where a function is recorded.

        **Errors:** `TypeError` for another dtype.

        >>> import autograd as ag
        >>> ag.random.default_rng(0).random(2).shape
        (2,)
        """
        dtype, shape = np.dtype(dtype), () if size is None else shape_of(size)
        if dtype.name not in _FRACTIONS:
            raise TypeError(f"random numbers are drawn in float64 or float32, got {dtype}; convert them with `astype`")
        divisor, distance = _FRACTIONS[dtype.name]
        bits = ops.floor_divide(reshaped(self._bits(prod(shape)), shape), divisor)
        return ops.mul(ops.astype(bits, dtype=dtype), distance)[()]

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Size = None, dtype: Any = None) -> Any:
        """Numbers from `low` to `high`, all of them equally likely.

        **Arguments:** `low` and `high`, numbers, arrays or tensors; `size`, the shape, that of `low` and `high` unless
        said; `dtype`, that of `low` and `high` unless said, float64 for numbers.
        """
        low, high = _operand(low), _operand(high)
        return low + (high - low) * self.random(*_drawn(size, dtype, low, high))

    def standard_normal(self, size: Size = None, dtype: Any = np.float64) -> Any:
        """Normal numbers with mean 0 and deviation 1, two draws each.

        They are made by Box and Muller's formula (1958).

        **Arguments:** as for `random`.
        """
        shape = () if size is None else shape_of(size)
        u = self.random((2, *shape), dtype)
        radius = ops.sqrt(-2 * ops.log(1 - u[0]))
        return radius * ops.cos(2 * np.pi * u[1])

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Size = None, dtype: Any = None) -> Any:
        """Normal numbers, `loc + scale * z`, differentiable by both.

        **Arguments:** `loc` and `scale`, numbers, arrays or tensors; `size` and `dtype`, as for `uniform`.

        >>> import autograd as ag
        >>> rng = ag.random.default_rng(1)
        >>> scale = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> x = rng.normal(0.0, scale)
        >>> x.sum().backward()
        >>> bool(abs(scale.grad * scale - x).max() < 1e-15)
        True
        """
        loc, scale = _operand(loc), _operand(scale)
        return loc + scale * self.standard_normal(*_drawn(size, dtype, loc, scale))

    def standard_exponential(self, size: Size = None, dtype: Any = np.float64) -> Any:
        """Exponential numbers with mean 1.

        **Arguments:** as for `random`.
        """
        return -ops.log(1 - self.random(size, dtype))

    def exponential(self, scale: Any = 1.0, size: Size = None, dtype: Any = None) -> Any:
        """Exponential numbers with mean `scale`, differentiable by it.

        **Arguments:** `scale`, a number, an array or a tensor; `size` and `dtype`, as for `uniform`.
        """
        scale = _operand(scale)
        return scale * self.standard_exponential(*_drawn(size, dtype, scale))

    def integers(self, low: int, high: int | None = None, size: Size = None, endpoint: bool = False) -> Any:
        """Integers from `low` to `high`, without `high` unless it is an `endpoint`; from 0 to `low` if it is alone.

        **Arguments:** `low` and `high`, Python's integers; `size`, the shape, `None` for one.

        **Errors:** `ValueError` where there are none.

        >>> import autograd as ag
        >>> x = ag.random.default_rng(0).integers(5, size=100)
        >>> int(x.min()), int(x.max())
        (0, 4)
        """
        low, high = (0, low) if high is None else (low, high)
        count = high - low + bool(endpoint)
        if not 0 < count < 1 << 63:
            raise ValueError(f"`integers` needs a `low` below `high`, at most 2**63 apart, got {low} and {high}")
        shape = () if size is None else shape_of(size)
        # What the remainder favours is less likely by a fraction of count / 2**64.
        rest = ops.mod(reshaped(self._bits(prod(shape)), shape), count)
        return ops.astype(rest, dtype=np.dtype(np.int64))[()] + low

    def permutation(self, x: Any) -> Any:
        """The integers below `x`, or the elements along the first axis of an array `x`, in random order.

        >>> import autograd as ag
        >>> sorted(ag.random.default_rng(0).permutation(4).tolist())
        [0, 1, 2, 3]
        """
        alone = isinstance(x, int | np.integer)
        count = int(x) if alone else as_array(x).shape[0]
        order = functions.argsort(self.random(count))
        return order if alone else functions.take(x, order, 0)

    def choice(self, a: Any, size: Size = None, replace: bool = True, p: Any = None) -> Any:
        """Elements along the first axis of `a`, or integers below it.

        **Arguments:** `a`, an array or an integer; `size`, the shape, `None` for one element; `replace`, whether an
        element may be drawn again; `p`, how likely each is, which sums to 1, all equally unless said.

        **Errors:** `ValueError` where more are wanted than there are, and for `p` without replacement.

        >>> import autograd as ag
        >>> int(ag.random.default_rng(0).choice(3, p=[0.0, 1.0, 0.0]))
        1
        """
        alone = isinstance(a, int | np.integer)
        count = int(a) if alone else as_array(a).shape[0]
        shape = () if size is None else shape_of(size)
        if replace:
            if p is None:
                chosen = self.integers(count, size=shape)
            else:
                bounds = functions.cumsum(as_array(p))
                # Sums are rounded: the last element ends where all numbers do.
                chosen = functions.searchsorted(bounds[:-1], self.random(shape), side="right")
        else:
            if p is not None or prod(shape) > count:
                raise ValueError(
                    f"`choice` without replacement needs equal chances and at most {count} draws, got {prod(shape)} "
                    f"draws and {'no ' if p is None else ''}chances `p`; draw with replacement, or fewer"
                )
            chosen = reshaped(self.permutation(count)[: prod(shape)], shape)
        return chosen if alone else functions.take(a, chosen, 0)


def default_rng(seed: Any = None) -> Generator:
    """A generator of random numbers.

    **Arguments:** `seed`, what `np.random.SeedSequence` takes: integers, or `None` for a stream that nobody knows.

    >>> import autograd as ag
    >>> rng = ag.random.default_rng(7)
    >>> rng.normal(size=3).shape
    (3,)
    """
    return Generator(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]))


@lru_cache(maxsize=64)
def _counting(count: int) -> Any:
    """The integers below `count`, in an array that nobody can write to."""
    found = np.arange(count, dtype=_UINT64)
    found.flags.writeable = False
    return found


def _operand(x: Any) -> Any:
    """A parameter as a number, an array or a tensor."""
    return x if isinstance(x, int | float) else as_array(x)


def _drawn(size: Size, dtype: Any, *parameters: Any) -> tuple[Shape, Any]:
    """The shape and dtype in which to draw for the parameters of a distribution."""
    avals = [aval_of(x) for x in parameters]
    shape = np.broadcast_shapes(*[x.shape for x in avals]) if size is None else shape_of(size)
    if dtype is None:
        known = [
            x.dtype for x, y in zip(avals, parameters, strict=True) if isinstance(y, Tensor | np.ndarray | np.generic)
        ]
        dtype = np.result_type(*known) if known and all(x.kind == "f" for x in known) else _FLOAT64
    return shape, dtype
