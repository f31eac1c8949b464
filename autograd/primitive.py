"""The record of an op: its name, its value, its shape rule and its derivatives.

A `Primitive` is data. Calling one on arrays evaluates it; calling one on anything `Traced` hands the
call to that value, which evaluates it and records what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, ...]
Rule = Callable[..., Any]


@cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """NumPy's name of a dtype, which NumPy itself takes microseconds to make."""
    return dtype.name


#: The types whose values NumPy takes as they are.
PLAIN = frozenset(
    {np.ndarray, float, int, bool, complex}
    | {np.float64, np.float32, np.int64, np.int32, np.bool_, np.complex128, np.complex64}
)


class Aval(NamedTuple):
    """The abstract value of an array: all that is known of it before it is computed."""

    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    def __str__(self) -> str:
        return f"{dtype_name(self.dtype)}[{','.join(map(str, self.shape))}]"


class Traced:
    """A value that records the primitives applied to it."""

    __slots__ = ()

    def bind(
        self,
        primitive: Primitive,
        inputs: tuple[Any, ...],
        params: dict[str, Any],
        run: Callable[..., Any] | None = None,
    ) -> Any:
        """The result of `primitive(*inputs, **params)`, where `self` is one of the inputs.

        `run(*arrays)` is the value by a shorter way, where the caller knows one for these parameters.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Swept:
    """A rule in the form in which the sweep calls it, `swept(g, out, inputs, params)`.

    Nothing is packed and unpacked on the way, which would take longer than most rules do.
    """

    swept: Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]

    def __call__(self, g: Any, out: Any, *inputs: Any, **params: Any) -> Any:
        return self.swept(g, out, inputs, params)


def _swept(rule: Rule | None) -> Rule | None:
    if rule is None:
        return None
    if isinstance(rule, Swept):
        return rule.swept
    return lambda g, out, inputs, params: rule(g, out, *inputs, **params)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Primitive:
    """One op.

    **Arguments:** `name`; `eval(*arrays, **params)`, its value by NumPy; `aval(*avals, **params)`, the
    shape and dtype of that value; `vjps`, one rule for each input, where inputs past the last rule have
    none; or one function that gives the cotangents of all inputs, for ops with any number of them. A rule is
    `rule(g, out, *inputs, **params)` and returns the cotangent of its input; `None` says that the op is
    constant in that input. One that runs often may be given as the `Swept` that the sweep calls. Rules are written with
    infix operators, primitives, `.shape` and `.dtype` alone, so that the same rule runs on arrays and
    on tensors. `saves` says which values the rules read (`"inputs"`, `"out"`, `"both"` or `"shapes"`,
    where the shape and dtype of the inputs suffice); `elementwise` marks the ops whose element
    `out[i]` depends on the elements `x[i]`, `y[i]` alone, after broadcasting. Where the first rule gives
    an array of mostly zeros, `add_vjp(total, g, *inputs, **params)` adds that to an array in place. `view` marks
    the ops whose result is the memory of their input, seen in another way; `moves` those that move the elements of
    their first input, or add them up; `by_element` those whose rules are linear in each element of the cotangent by
    itself, though no kernel computes them so.
    """

    name: str
    eval: Callable[..., Any]
    aval: Callable[..., Aval]
    vjps: tuple[Rule | None, ...] | Rule = ()
    saves: str = "both"
    elementwise: bool = False
    add_vjp: Callable[..., None] | None = None
    view: bool = False
    moves: bool = False
    by_element: bool = False
    #: The rules, or the one for all inputs, as the sweep calls them.
    rules: tuple[Rule | None, ...] | Rule = field(init=False)
    differentiable: bool = field(init=False)
    reads_inputs: bool = field(init=False)
    reads_out: bool = field(init=False)
    #: Whether the rules take cotangents with a mask (`ops/masking.py`): those that are linear in each of its elements.
    masks: bool = field(init=False)
    #: Whether a sweep gets each cotangent from a rule of its own, and adds it to others by `+`.
    one_by_one: bool = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.vjps, tuple):
            rules: Any = tuple([_swept(rule) for rule in self.vjps])
            has_rule = any(rule is not None for rule in rules)
        else:
            rules, has_rule = _swept(self.vjps), True
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "one_by_one", isinstance(rules, tuple) and self.add_vjp is None)
        object.__setattr__(self, "differentiable", has_rule)
        object.__setattr__(self, "reads_inputs", self.saves in ("inputs", "both"))
        object.__setattr__(self, "reads_out", self.saves in ("out", "both"))
        object.__setattr__(self, "masks", self.elementwise or self.moves or self.by_element)
        if self.name in PRIMITIVES:
            raise ValueError(f"there is a primitive `{self.name}` already; give the new one another name")
        PRIMITIVES[self.name] = self

    def __reduce__(self) -> Any:
        """By its name: its rules are functions without one."""
        return _registered, (self.name,)

    def vjp(self, i: int) -> Rule | None:
        """The rule for the cotangent of input `i`."""
        together = self.vjps
        if isinstance(together, tuple):
            return together[i] if i < len(together) else None
        return lambda *values, **params: together(*values, **params)[i]

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        return self.of(inputs, params)

    def of(self, inputs: tuple[Any, ...], params: dict[str, Any], run: Callable[..., Any] | None = None) -> Any:
        """The op on arrays and tensors: `self(*inputs, **params)` without taking either apart."""
        plain = True
        for x in inputs:
            if type(x) not in PLAIN:
                if isinstance(x, Traced):
                    return x.bind(self, inputs, params, run)
                plain = False
        if plain:
            return self.eval(*inputs, **params)
        return self.eval(*[x if type(x) in PLAIN else np.asarray(x) for x in inputs], **params)

    def on(self, x: Any, params: dict[str, Any], run: Callable[..., Any] | None = None) -> Any:
        """The op on one array or tensor: `self(x, **params)` without taking the parameters apart."""
        if isinstance(x, Traced):
            return x.bind(self, (x,), params, run)
        return self.eval(x if type(x) in PLAIN else np.asarray(x), **params)

    def __repr__(self) -> str:
        return self.name


PRIMITIVES: dict[str, Primitive] = {}


def _registered(name: str) -> Primitive:
    return PRIMITIVES[name]


def aval_of(x: Any) -> Aval:
    """The shape and dtype of an array, a tensor or a number."""
    dtype = getattr(x, "dtype", None)
    return Aval(np.shape(x), np.asarray(x).dtype) if dtype is None else Aval(x.shape, dtype)
