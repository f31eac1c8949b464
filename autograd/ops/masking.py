"""`where`, and cotangents that know which of their elements count.

The branch that `where` does not take has no influence, whatever its derivatives are: they may be infinite or NaN, and
a product of the cotangent 0 with them would be NaN. So the rule of `where` masks cotangents, and the mask stays with
them while a sweep multiplies them by derivatives, moves them and sums them. Elements behind the mask are set to zero
once, at the end, by another `where`, so that the same holds for derivatives of derivatives. A 0 that is not behind a
mask times an infinite derivative stays NaN, as the rules of arithmetic have it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..lengths import broadcast_shapes
from ..primitive import Aval, Primitive, Swept, Traced
from .broadcasting import astype, expand, unbroadcast

#: Zeros without axes: NumPy takes them as they are, and would make an array of a Python number first.
_ZEROS: dict[Any, Any] = {np.dtype(name): np.zeros((), name) for name in ("float32", "float64")}


class Masked(Traced):
    """A cotangent of which only the elements count where a condition is `taken`.

    **Arguments:** `value`; `condition`, an array of booleans that broadcasts to its shape, or a function that makes
    it, for few are read; `taken`, whether elements count where that is true or where it is false; `clean`, whether
    those that do not count are zero already.
    """

    __slots__ = ("_condition", "clean", "taken", "value")

    # An array on the left leaves operators to this class.
    __array_ufunc__ = None

    def __init__(self, value: Any, condition: Any, taken: bool = True, clean: bool = False) -> None:
        self.value, self._condition, self.taken, self.clean = value, condition, taken, clean

    @property
    def shape(self) -> Any:
        """The shape of the cotangent."""
        return self.value.shape

    @property
    def dtype(self) -> Any:
        """The dtype of the cotangent."""
        return self.value.dtype

    @property
    def condition(self) -> Any:
        """The array of the condition."""
        if callable(self._condition):
            self._condition = self._condition()
        return self._condition

    @property
    def covers_all(self) -> bool:
        """Whether all elements count or none does."""
        return not callable(self._condition) and np.shape(self._condition) == ()

    def live(self) -> Any:
        """Which elements count."""
        inputs = (self.condition, self.taken, not self.taken)
        # A recording has to see what is made of an array that was captured.
        return self.value.bind(where, inputs, {}) if isinstance(self.value, Traced) else where.of(inputs, {})

    def filled(self) -> Any:
        """The cotangent as an array or tensor, with zeros where its elements do not count."""
        if not self.clean:
            value = self.value
            zero = 0 if isinstance(value, Traced) else _ZEROS.get(value.dtype, 0)
            branches = (value, zero) if self.taken else (zero, value)
            self.value, self.clean = _chosen(self._condition, self, *branches), True
        return self.value

    def with_value(self, value: Any) -> Masked:
        """What a linear function of each element makes of the cotangent."""
        return Masked(value, self._condition, self.taken)

    def through(self, rules: Any) -> Any:
        """Rules that get this cotangent, filled, and give masked ones where the mask covers all."""
        if not self.covers_all:
            return rules
        return tuple([None if rule is None else self._behind(rule) for rule in rules])

    def _behind(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        def masked(*values: Any) -> Any:
            gx = rule(*values)
            return None if gx is None else self.with_value(gx)

        return masked

    # ---- what rules do with cotangents ----

    def __mul__(self, y: Any) -> Masked:
        return Masked(self.value * y, self._condition, self.taken)

    __rmul__ = __mul__

    def __truediv__(self, y: Any) -> Masked:
        return self.with_value(self.value / y)

    def __neg__(self) -> Masked:
        return Masked(-self.value, self._condition, self.taken)

    def __add__(self, other: Any) -> Any:
        if type(other) is not Masked:
            return self.filled() + other
        if self._condition is other._condition:
            x, y = self.value, other.value
            if self.taken != other.taken and x.shape == y.shape and x.dtype == y.dtype:
                # Each element of the sum is that of one of the two.
                return _chosen(self._condition, self, x, y) if self.taken else _chosen(self._condition, self, y, x)
            total = self.filled() + other.filled()
            return Masked(total, self._condition, self.taken, True) if self.taken == other.taken else total
        live = self.live() | other.live()
        return Masked(self.filled() + other.filled(), live, True, True)

    def __radd__(self, other: Any) -> Any:
        return other + self.filled()

    def bind(
        self,
        primitive: Primitive,
        inputs: tuple[Any, ...],
        params: dict[str, Any],
        run: Callable[..., Any] | None = None,
    ) -> Any:
        """The op on the cotangent, masked as far as the mask is known to follow it."""
        if inputs[0] is not self or not (primitive.moves or primitive is astype):
            return primitive.of(tuple([x.filled() if type(x) is Masked else x for x in inputs]), params, run)
        others = inputs[1:]
        if primitive is astype or self.covers_all:
            return self.with_value(primitive.of((self.value, *others), params, run))

        def moved() -> Any:
            live = self.live()
            if live.shape != self.shape:
                live = expand(live, shape=self.shape)
            # Values in the place of elements, which `put` has beside positions, are zeros.
            beside = [astype(x, dtype=live.dtype) if x.dtype.kind in "fc" else x for x in others]
            return primitive.of((live, *beside), params) > 0

        return Masked(primitive.of((self.filled(), *others), params, run), moved, True, True)


def _chosen(condition: Any, masked: Masked, x: Any, y: Any) -> Any:
    """`where(masked.condition, x, y)`, by NumPy alone where all are arrays."""
    if type(condition) is type(x) is type(y) is np.ndarray:
        return np.where(condition, x, y)
    return where(masked.condition, x, y)


def filled(g: Any) -> Any:
    """A cotangent as an array or tensor."""
    return g.filled() if type(g) is Masked else g


def masked(g: Any, condition: Any, taken: bool = True) -> Any:
    """A cotangent of which only those elements count where the condition is `taken`."""
    if type(g) is not Masked:
        return Masked(g, condition, taken)
    both = g.live() & Masked(g.value, condition, taken).live()
    return Masked(g.value, both)


def promoted(*avals: Aval) -> Aval:
    """The shape and dtype that inputs of these have together."""
    shape = broadcast_shapes(*[x.shape for x in avals])
    return Aval(shape, np.result_type(*[x.dtype for x in avals]))


def _where_aval(condition: Aval, x: Aval, y: Aval) -> Aval:
    out = promoted(x, y)
    return Aval(broadcast_shapes(condition.shape, out.shape), out.dtype)


def _branch(g: Any, condition: Any, x: Any, taken: bool) -> Any:
    g = masked(g, condition, taken)
    value = g.value
    return g if value.dtype is x.dtype and value.shape == x.shape else unbroadcast(g, x)


where = Primitive(
    "where",
    eval=np.where,
    aval=_where_aval,
    vjps=(
        None,
        Swept(lambda g, _, inputs, params: _branch(g, inputs[0], inputs[1], True)),
        Swept(lambda g, _, inputs, params: _branch(g, inputs[0], inputs[2], False)),
    ),
    saves="inputs",
    elementwise=True,
)
