"""Lengths that a recording leaves open: arithmetic on them is kept as an expression, a decision on them as a condition.

    n = x.shape[0]             an open length, s0
    reshape(x, (n // 2, 2))    has the shape (s0 // 2, 2), under the condition that s0 % 2 == 0

All open sizes are at least 2: an axis of length 0 or 1 means something else, to broadcasting above all. Where something
needs the very number, as `range(n)` and `float(n)` do, the size is fixed, and is no longer open.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, isfinite, prod
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from .primitive import Aval, Primitive, Shape
from .weak import WeakInt

#: A factor of a term: the name of a size, or the quotient of two sums, rounded down.
Atom = Any
#: A sum of products of integers and atoms: pairs of the atoms and their factor, in a fixed order.
Terms = tuple[tuple[tuple[Atom, ...], int], ...]
# The smallest size that can be open.
LEAST = 2


class Condition(NamedTuple):
    """Whether a sum is zero (`==`), or negative (`<`), and that it is, or is not."""

    terms: Terms
    sign: str
    holds: bool

    def __str__(self) -> str:
        sign = self.sign if self.holds else {"==": "!=", "<": ">="}[self.sign]
        return f"{written(self.terms)} {sign} 0"


class Lengths:
    """The open sizes of one recording, by name, with the value of each that it is made at.

    `conditions` are what it takes for granted of them. `fixed` says, for each size that turned out not to be open, what
    has fixed it. While a function is recorded `number(n)` gives a length as a tensor, for arithmetic with fractions,
    and `where()` the line that is being run.
    """

    def __init__(
        self,
        values: Mapping[str, int],
        number: Callable[[Length], Any] | None = None,
        where: Callable[[], str] | None = None,
    ) -> None:
        self.values, self.number, self.where = dict(values), number, where
        self.conditions: dict[Condition, None] = {}
        self.fixed: dict[str, str] = {}

    def size(self, name: str) -> Length:
        """The open size of that name."""
        return Length(self, (((name,), 1),))

    def made(self, terms: Terms) -> Any:
        """The length of these terms, an integer where it is one."""
        if not terms:
            return 0
        return terms[0][1] if len(terms) == 1 and not terms[0][0] else Length(self, terms)

    def decided(self, terms: Terms, sign: str) -> bool:
        """Whether the sum is zero, or negative; a condition, where it depends on the sizes."""
        least, most = _bounds(terms)
        if sign == "==" and ((least is not None and least > 0) or (most is not None and most < 0)):
            return False
        if sign == "<" and least is not None and least >= 0:
            return False
        if sign == "<" and most is not None and most < 0:
            return True
        x = evaluated(terms, self.values)
        holds = x == 0 if sign == "==" else x < 0
        self.conditions[Condition(terms, sign, holds)] = None
        atoms = {x for product, _ in terms for x in product}
        if sign == "==" and holds and len(atoms) == 1 and atoms <= self.values.keys():
            (name,) = atoms
            self.fix(name, f"it has to be {self.values[name]}")
        return holds

    def quotient(self, x: Terms, y: Terms) -> Terms:
        """The quotient rounded down; a condition, where the sign of the divisor depends on the sizes."""
        if not self.decided(_scaled(y, -1), "<"):
            if not self.decided(y, "<"):
                raise ZeroDivisionError("integer division or modulo by zero")
            x, y = _scaled(x, -1), _scaled(y, -1)
        return _quotient(x, y)

    def fix(self, name: str, why: str) -> None:
        """Notes that the size is not open."""
        self.fixed.setdefault(name, why if self.where is None else f"{why} ({self.where()})")

    def hold_at(self, values: Mapping[str, int]) -> bool:
        """Whether sizes are at least 2 and fulfil the conditions."""
        return all(n >= LEAST for n in values.values()) and all(self.answers_at(values))

    def answers_at(self, values: Mapping[str, int]) -> tuple[bool, ...]:
        """Whether sizes fulfil each of the conditions."""
        numbers = [(x, evaluated(x.terms, values)) for x in self.conditions]
        return tuple([(n == 0 if x.sign == "==" else n < 0) is x.holds for x, n in numbers])


_INFIX: dict[str, Callable[[Any, Any], Any]] = {
    f"__{name}__": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "truediv", "pow")
}
#: What NumPy's integers ask for beside a length.
_WHOLE: dict[Any, Callable[[Any, Any], Any]] = {
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul, np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
}  # fmt: skip


class Length:
    """An integer expression of open sizes."""

    __slots__ = ("_hash", "sizes", "terms")
    __array_priority__ = 1000

    def __init__(self, sizes: Lengths, terms: Terms) -> None:
        self.sizes, self.terms = sizes, terms
        # Recordings share caches of shapes, but no lengths.
        self._hash = hash((id(sizes), terms))

    def __reduce__(self) -> Any:
        return Length, (self.sizes, self.terms)

    @property
    def value(self) -> int:
        """The number that it is in this recording."""
        return evaluated(self.terms, self.sizes.values)

    def __str__(self) -> str:
        return written(self.terms)

    __repr__ = __str__

    # ---- arithmetic ----

    def __add__(self, other: Any) -> Any:
        return _combined(self, other, lambda x, y: _sum(x, y), "__add__")

    def __radd__(self, other: Any) -> Any:
        return _combined(self, other, lambda x, y: _sum(x, y), "__radd__")

    def __sub__(self, other: Any) -> Any:
        return _combined(self, other, lambda x, y: _sum(x, _scaled(y, -1)), "__sub__")

    def __rsub__(self, other: Any) -> Any:
        return _combined(self, other, lambda x, y: _sum(y, _scaled(x, -1)), "__rsub__")

    def __mul__(self, other: Any) -> Any:
        return _combined(self, other, _product, "__mul__")

    def __rmul__(self, other: Any) -> Any:
        return _combined(self, other, _product, "__rmul__")

    def __floordiv__(self, other: Any) -> Any:
        return _combined(self, other, self.sizes.quotient, "__floordiv__")

    def __rfloordiv__(self, other: Any) -> Any:
        return _combined(self, other, lambda x, y: self.sizes.quotient(y, x), "__rfloordiv__")

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other if _is_whole(other) else self._number("__mod__", other)

    def __rmod__(self, other: Any) -> Any:
        return other - other // self * self if _is_whole(other) else self._number("__rmod__", other)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __neg__(self) -> Any:
        return self.sizes.made(_scaled(self.terms, -1))

    def __pos__(self) -> Length:
        return self

    def __truediv__(self, other: Any) -> Any:
        return self._number("__truediv__", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._number("__rtruediv__", other)

    def __pow__(self, other: Any) -> Any:
        if type(other) is int and 0 < other < 4:
            return prod([self] * other)
        return self._number("__pow__", other)

    def __rpow__(self, other: Any) -> Any:
        return self._number("__rpow__", other)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        whole = _WHOLE.get(ufunc)
        if whole is not None and method == "__call__" and not kwargs and all(map(_is_whole, inputs)):
            return whole(*[x if type(x) is Length else int(x) for x in inputs])
        given = [x._as_number() if type(x) is Length else x for x in inputs]
        return getattr(ufunc, method)(*given, **kwargs)

    def _number(self, method: str, other: Any) -> Any:
        if type(other) is not Length and not isinstance(other, int | float | np.generic):
            return NotImplemented
        x, y = self._as_number(), other._as_number() if type(other) is Length else other
        return _INFIX[method](x, y) if method in _INFIX else _INFIX[f"__{method[3:]}"](y, x)

    def _as_number(self) -> Any:
        return self._fixed("it is used as a number") if self.sizes.number is None else self.sizes.number(self)

    # ---- decisions ----

    def __bool__(self) -> bool:
        return not self.sizes.decided(self.terms, "==")

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        if isinstance(other, float | np.floating):
            return float(other).is_integer() and self == int(other)
        if not _is_whole(other):
            return NotImplemented
        if type(other) is Length and other.sizes is not self.sizes:
            return False
        difference = _sum(self.terms, _scaled(_terms(other), -1))
        return not difference or self.sizes.decided(difference, "==")

    def __lt__(self, other: Any) -> bool:
        if isinstance(other, float | np.floating):
            return self < ceil(other) if isfinite(other) else bool(other > 0)
        return self._is_less(other, 1)

    def __gt__(self, other: Any) -> bool:
        if isinstance(other, float | np.floating):
            return self > floor(other) if isfinite(other) else bool(other < 0)
        return self._is_less(other, -1)

    def __ge__(self, other: Any) -> bool:
        less = self.__lt__(other)
        return less if less is NotImplemented else not less

    def __le__(self, other: Any) -> bool:
        greater = self.__gt__(other)
        return greater if greater is NotImplemented else not greater

    def __hash__(self) -> int:
        return self._hash

    def _is_less(self, other: Any, way: int) -> bool:
        if not _is_whole(other):
            return NotImplemented
        difference = _scaled(_sum(self.terms, _scaled(_terms(other), -1)), way)
        return bool(difference) and self.sizes.decided(difference, "<")

    # ---- where it is a number for good ----

    def _fixed(self, why: str) -> int:
        for name in names_of(self.terms):
            self.sizes.fix(name, why)
        self.sizes.decided(_sum(self.terms, _scaled(_terms(self.value), -1)), "==")
        return self.value

    def __index__(self) -> int:
        return self._fixed("it is used as an integer of Python's, as `len` and `range` use it")

    __int__ = __index__

    def __float__(self) -> float:
        return float(self._fixed("it is used as a float of Python's, as by `math`"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(int(self), dtype)

    def item(self) -> int:
        """The number."""
        return int(self)


#: An open length as a number, which computes with fractions.
length = Primitive(
    "length",
    # A tape has the length itself, by `tensor.open_number`; whoever asks for the number fixes it.
    eval=lambda *, n: WeakInt(int(n)),
    aval=lambda *, n: Aval((), WeakInt.dtype),
    saves="shapes",
)


# ---- sums ----


def _is_whole(x: Any) -> bool:
    return type(x) is int or type(x) is Length or isinstance(x, np.integer | bool)


def _terms(x: Any) -> Terms:
    if type(x) is Length:
        return x.terms
    return (((), int(x)),) if x else ()


def _combined(x: Length, other: Any, combine: Callable[[Terms, Terms], Terms], method: str) -> Any:
    if _is_whole(other):
        return x.sizes.made(combine(x.terms, _terms(other)))
    return x._number(method, other)


def _made(found: Mapping[tuple[Atom, ...], int]) -> Terms:
    return tuple(sorted([(atoms, n) for atoms, n in found.items() if n], key=repr))


def _sum(x: Terms, y: Terms) -> Terms:
    found = dict(x)
    for atoms, n in y:
        found[atoms] = found.get(atoms, 0) + n
    return _made(found)


def _scaled(x: Terms, by: int) -> Terms:
    return tuple([(atoms, n * by) for atoms, n in x])


def _product(x: Terms, y: Terms) -> Terms:
    found: dict[tuple[Atom, ...], int] = {}
    for a, n in x:
        for b, m in y:
            atoms = tuple(sorted((*a, *b), key=repr))
            found[atoms] = found.get(atoms, 0) + n * m
    return _made(found)


def _quotient(x: Terms, y: Terms) -> Terms:
    if not x:
        return ()
    if len(y) == 1:
        ((atoms, n),) = y
        parts = [_without(a, atoms) for a, _ in x]
        if all(part is not None for part in parts) and all(m % n == 0 for _, m in x):
            return _made({part: m // n for part, (_, m) in zip(parts, x, strict=True) if part is not None})
    return ((((x, y),), 1),)


def _without(atoms: tuple[Atom, ...], divisor: tuple[Atom, ...]) -> tuple[Atom, ...] | None:
    rest = list(atoms)
    for x in divisor:
        if x not in rest:
            return None
        rest.remove(x)
    return tuple(rest)


def evaluated(terms: Terms, values: Mapping[str, int]) -> int:
    """The number that a sum is at these sizes."""
    return sum([n * prod([_atom_value(x, values) for x in atoms]) for atoms, n in terms])


def _atom_value(x: Atom, values: Mapping[str, int]) -> int:
    # A divisor is positive where the conditions hold, which may not have been looked at yet.
    return values[x] if isinstance(x, str) else evaluated(x[0], values) // max(evaluated(x[1], values), 1)


def names_of(terms: Terms) -> list[str]:
    """The sizes in a sum, in the order of their names."""
    found: set[str] = set()
    for atoms, _ in terms:
        for x in atoms:
            found.update([x] if isinstance(x, str) else [*names_of(x[0]), *names_of(x[1])])
    return sorted(found)


def written(terms: Terms, names: Mapping[str, str] | None = None) -> str:
    """A sum as an expression of Python, the sizes under other `names` where these are given."""
    parts = []
    for atoms, n in terms:
        factors = [_atom_text(x, names) for x in atoms]
        parts.append("*".join([str(n)] * (n != 1 or not factors) + factors))
    return " + ".join(parts) if parts else "0"


def _atom_text(x: Atom, names: Mapping[str, str] | None) -> str:
    if isinstance(x, str):
        return x if names is None else names[x]
    above, below = (written(part, names) for part in x)
    is_code, least = names is not None, _bounds(x[1])[0]
    if is_code and (least is None or least < 1):
        return f"(({above}) // max({below}, 1))"
    return f"(({above}) // ({below}))"


def _bounds(terms: Terms) -> tuple[int | None, int | None]:
    """The least and the greatest value of a sum for all sizes, `None` where they are not known."""
    # In terms of what the atoms are above their smallest values.
    found: dict[tuple[Atom, ...], int] = {}
    for atoms, n in terms:
        shifted: dict[tuple[Atom, ...], int] = {(): n}
        for x in atoms:
            least = LEAST if isinstance(x, str) else _least_quotient(x)
            if least is None:
                return None, None
            following: dict[tuple[Atom, ...], int] = {}
            for rest, m in shifted.items():
                following[rest] = following.get(rest, 0) + least * m
                longer = tuple(sorted((*rest, x), key=repr))
                following[longer] = following.get(longer, 0) + m
            shifted = following
        for rest, m in shifted.items():
            found[rest] = found.get(rest, 0) + m
    constant = found.pop((), 0)
    least_known = constant if all(m >= 0 for m in found.values()) else None
    return least_known, constant if all(m <= 0 for m in found.values()) else None


def _least_quotient(x: Atom) -> int | None:
    """A number that the quotient is never below, if it is never negative."""
    above, below = _bounds(x[0])[0], _bounds(x[1])[0]
    if above is None or above < 0 or below is None or below <= 0:
        return None
    if len(x[1]) == 1 and not x[1][0][0]:
        return above // below
    over = _bounds(_sum(x[0], _scaled(x[1], -1)))[0]
    return int(over is not None and over >= 0)


# ---- shapes ----


def is_length(x: Any) -> TypeGuard[Length]:
    """Whether a length is an open one."""
    return type(x) is Length


def is_open(shape: Sequence[Any]) -> bool:
    """Whether a shape has an open length."""
    return any(type(n) is Length for n in shape)


def is_long(n: Any, least: int) -> bool:
    """Whether a length is so large, for a choice that concerns speed alone; one that is open counts as large."""
    return type(n) is Length or n >= least


def has_open(params: Mapping[str, Any]) -> bool:
    """Whether a parameter of an operation that makes an array depends on an open length."""
    return any(type(x) is tuple and closed(x) is not x for x in params.values())


def closed(x: Any, values: Mapping[str, int] | None = None) -> Any:
    """A shape, or a parameter of an operation, with numbers in the place of open lengths: those of the recording, or
    those at other `values` of the sizes.
    """
    if type(x) is Length:
        return x.value if values is None else evaluated(x.terms, values)
    if type(x) is not tuple:
        return x
    found = tuple([closed(y, values) for y in x])
    return x if all(y is z for y, z in zip(found, x, strict=True)) else found


def broadcast_shapes(*shapes: Shape) -> Shape:
    """NumPy's broadcasting of shapes, open ones among them."""
    if not any(map(is_open, shapes)):
        return np.broadcast_shapes(*shapes)
    rank = max(map(len, shapes))
    found: list[Any] = [1] * rank
    for shape in shapes:
        for i, n in enumerate(shape, rank - len(shape)):
            if n == 1 or found[i] == n:
                continue
            if found[i] != 1:
                raise ValueError(f"shape mismatch: objects cannot be broadcast to a single shape, got {shapes}")
            found[i] = n
    return tuple(found)
