"""The one table of primitives with sample inputs, which every generic check runs through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any
from zlib import crc32

import numpy as np

from autograd import ops
from autograd.ops.special import Refused
from autograd.primitive import Primitive

Range = tuple[float, float]
Array = np.ndarray[Any, np.dtype[Any]]

DTYPES = {
    "f": (np.float64, np.float32),
    "c": (np.complex128, np.complex64),
    "i": (np.int64, np.int32),
    "b": (np.bool_,),
}


@dataclass(frozen=True, eq=False)
class Case:
    """Sample inputs of a primitive, and what holds for them.

    An entry of `inputs` is a shape, for which floats are drawn from `domain`, or the array or Python number
    itself. `domain` is one range for all inputs or one for each. `wrt` are the inputs by which the
    primitive is smooth at this place; `kinds` the NumPy kinds of dtypes that the drawn inputs may have;
    `special`, whether NaN and infinity have a result that NumPy defines; `prepare` makes of the inputs, by ops, those
    that the primitive gets, for instance symmetric matrices; `finish` takes from the result what is arbitrary.
    """

    op: Primitive
    inputs: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    domain: Range | tuple[Range, ...] = (-2.0, 2.0)
    wrt: tuple[int, ...] = ()
    kinds: str = "f"
    special: bool = True
    name: str = ""
    prepare: Callable[..., tuple[Any, ...]] | None = None
    finish: Callable[[Any], Any] | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def dtypes(self) -> list[np.dtype[Any]]:
        """The dtypes that the drawn inputs are tried in, the usual one first."""
        return [np.dtype(dtype) for kind in self.kinds for dtype in DTYPES[kind]]

    @property
    def precisions(self) -> tuple[Any, Any]:
        """The wide and the narrow dtype with fractions."""
        wide, narrow = DTYPES["c" if self.kinds == "c" else "f"]
        return wide, narrow

    def range_of(self, i: int) -> Range:
        """The range of the values of input `i`."""
        ranges = self.domain if isinstance(self.domain[0], tuple) else (self.domain,) * len(self.inputs)
        low, high = ranges[i]  # type: ignore[misc]
        return low, high

    def arrays(self, dtype: Any = None) -> tuple[Any, ...]:
        """The inputs, drawn from a seed that is the case's name; arrays of float64 take `dtype` or its parts'."""
        dtype = self.dtypes[0] if dtype is None else dtype
        random = np.random.default_rng(crc32(self.name.encode()))
        found = []
        for i, x in enumerate(self.inputs):
            if isinstance(x, tuple):
                found.append(draw(random, x, self.range_of(i), np.dtype(dtype)))
            elif isinstance(x, np.ndarray) and x.dtype == np.float64:
                found.append(x.astype(ops.REAL_OF.get(np.dtype(dtype), dtype)))
            else:
                found.append(x.copy() if isinstance(x, np.ndarray) else x)
        return tuple(found)

    def __call__(self, *arrays: Any) -> Any:
        return self.finished(self.op(*self.prepared(arrays), **self.params))

    def prepared(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """What the primitive gets for these inputs."""
        return arrays if self.prepare is None else self.prepare(*arrays)

    def finished(self, out: Any) -> Any:
        """The result without what is arbitrary in it."""
        return out if self.finish is None else self.finish(out)

    def reshaped(self, *shapes: tuple[int, ...]) -> Case:
        """The same case with inputs of other shapes."""
        return replace(self, inputs=shapes, name=f"{self.name}at{shapes}".replace(" ", ""))


def draw(random: np.random.Generator, shape: tuple[int, ...], limits: Range, dtype: np.dtype[Any]) -> Array:
    """Random values of the range, in that dtype."""
    low, high = limits
    if dtype.kind == "c":
        part = ops.REAL_OF[dtype]
        return np.asarray(draw(random, shape, limits, part) + 1j * draw(random, shape, limits, part))
    if dtype.kind == "b":
        return np.asarray(random.integers(0, 2, shape), dtype)
    if dtype.kind in "iu":
        low, high = np.ceil(low), np.floor(high)
        return np.asarray(random.integers(int(low), int(max(low, high)) + 1, shape), dtype)
    return np.asarray(random.uniform(low, high, shape), dtype)


def case(
    op: Primitive,
    *inputs: Any,
    domain: Range | tuple[Range, ...] = (-2.0, 2.0),
    wrt: tuple[int, ...] | None = None,
    kinds: str = "f",
    special: bool = True,
    prepare: Callable[..., tuple[Any, ...]] | None = None,
    finish: Callable[[Any], Any] | None = None,
    **params: Any,
) -> Case:
    """A `Case` with the defaults filled in: smooth in all floating inputs that have a rule."""
    if wrt is None:
        wrt = tuple(i for i, x in enumerate(inputs) if is_floating(x) and has_rule(op, i))
    text = ",".join([*map(described, inputs), *(f"{name}={value}" for name, value in params.items())])
    place = "" if domain == (-2.0, 2.0) else f"in{domain}"
    name = f"{'complex' * (kinds == 'c')}{op.name}({text}){place}".replace(" ", "")
    return Case(op, inputs, params, domain, wrt, kinds, special, name, prepare, finish)


def has_rule(op: Primitive, i: int) -> bool:
    """Whether there is a rule for input `i`, and one that gives something."""
    return not (op.vjp(i) is None or isinstance(op.vjp(i), Refused))


def is_floating(x: Any) -> bool:
    return isinstance(x, tuple) or (isinstance(x, np.ndarray) and x.dtype.kind in "fc")


def described(x: Any) -> str:
    """An input in a case's name: a shape as it is, an array by its values."""
    return str(x.tolist()) if isinstance(x, np.ndarray) else str(x)


# ---- elementwise ----

# fmt: off
UNARY: dict[Primitive, tuple[Range, str]] = {
    ops.neg:        ((-2, 2), "fi"),     ops.abs:         ((-2, 2), "fi"),
    ops.sign:       ((-2, 2), "fi"),     ops.floor:       ((-3, 3), "fi"),
    ops.ceil:       ((-3, 3), "fi"),     ops.round:       ((-3, 3), "fi"),
    ops.trunc:      ((-3, 3), "fi"),     ops.square:      ((-2, 2), "fi"),
    ops.sqrt:       ((0.1, 4), "fi"),    ops.reciprocal:  ((0.3, 3), "fi"),
    ops.exp:        ((-2, 2), "fi"),     ops.exp2:        ((-2, 2), "fi"),
    ops.expm1:      ((-2, 2), "fi"),     ops.log:         ((0.1, 5), "fi"),
    ops.log2:       ((0.1, 5), "fi"),    ops.log10:       ((0.1, 5), "fi"),
    ops.log1p:      ((-0.8, 3), "fi"),   ops.sin:         ((-4, 4), "fi"),
    ops.cos:        ((-4, 4), "fi"),     ops.tan:         ((-1.2, 1.2), "fi"),
    ops.arcsin:     ((-0.9, 0.9), "fi"), ops.arccos:      ((-0.9, 0.9), "fi"),
    ops.arctan:     ((-3, 3), "fi"),     ops.sinh:        ((-2, 2), "fi"),
    ops.cosh:       ((-2, 2), "fi"),     ops.tanh:        ((-2, 2), "fi"),
    ops.arcsinh:    ((-3, 3), "fi"),     ops.arccosh:     ((1.2, 4), "fi"),
    ops.arctanh:    ((-0.9, 0.9), "fi"), ops.sigmoid:     ((-4, 4), "f"),
    ops.softplus:   ((-4, 4), "f"),      ops.relu:        ((-2, 2), "fi"),
    ops.erf:        ((-2, 2), "f"),      ops.erfc:        ((-2, 2), "f"),
    ops.isnan:      ((-2, 2), "fi"),     ops.isinf:       ((-2, 2), "fi"),
    ops.isfinite:   ((-2, 2), "fi"),     ops.logical_not: ((-1, 1), "fib"),
    ops.stop_gradient: ((-2, 2), "fib"),
    ops.gammaln:     ((0.3, 5), "fi"),   ops.gamma:       ((0.3, 4), "fi"),
    ops.digamma:     ((0.3, 5), "fi"),   ops.erfinv:      ((-0.9, 0.9), "f"),
    ops.erfcinv:     ((0.1, 1.9), "f"),  ops.erfcx:       ((-1, 3), "f"),
    ops.ndtri:       ((0.1, 0.9), "f"),  ops.log_ndtr:    ((-4, 2), "f"),
    ops.logit:       ((0.1, 0.9), "f"),  ops.entr:        ((0.1, 3), "fi"),
    ops.i0:          ((-3, 3), "fi"),    ops.i1:          ((-3, 3), "f"),
    ops.i0e:         ((-3, 3), "f"),     ops.i1e:         ((-3, 3), "f"),
}

BINARY: dict[Primitive, tuple[tuple[Range, Range], str]] = {
    ops.add:           (((-2, 2), (-2, 2)), "fib"),    ops.sub:         (((-2, 2), (-2, 2)), "fi"),
    ops.mul:           (((-2, 2), (-2, 2)), "fib"),    ops.div:         (((-2, 2), (0.5, 2)), "fi"),
    ops.floor_divide:  (((-9, 9), (0.7, 3)), "fi"),    ops.mod:         (((-9, 9), (0.7, 3)), "fi"),
    ops.pow:           (((0.3, 3), (-2, 2)), "f"),     ops.arctan2:     (((-2, 2), (-2, 2)), "fi"),
    ops.logaddexp:     (((-2, 2), (-2, 2)), "fi"),     ops.hypot:       (((-2, 2), (0.3, 2)), "fi"),
    ops.maximum:       (((-2, 2), (-2, 2)), "fib"),    ops.minimum:     (((-2, 2), (-2, 2)), "fib"),
    ops.equal:         (((-1, 1), (-1, 1)), "fib"),    ops.not_equal:   (((-1, 1), (-1, 1)), "fib"),
    ops.less:          (((-1, 1), (-1, 1)), "fib"),    ops.less_equal:  (((-1, 1), (-1, 1)), "fib"),
    ops.greater:       (((-1, 1), (-1, 1)), "fib"),    ops.greater_equal: (((-1, 1), (-1, 1)), "fib"),
    ops.logical_and:   (((-1, 1), (-1, 1)), "fib"),    ops.logical_or:  (((-1, 1), (-1, 1)), "fib"),
    ops.logical_xor:   (((-1, 1), (-1, 1)), "fib"),
    ops.copysign:      (((-2, 2), (-2, 2)), "fi"),
    ops.beta:          (((0.3, 3), (0.3, 3)), "f"),    ops.betaln:      (((0.3, 3), (0.3, 3)), "fi"),
    ops.zeta:          (((1.5, 4), (0.3, 4)), "fi"),   ops.iv:          (((0, 3), (0.3, 3)), "f"),
    ops.ive:           (((0, 3), (0.3, 3)), "f"),      ops.gammainc:    (((0.5, 3), (0.3, 4)), "f"),
    ops.gammaincc:     (((0.5, 3), (0.3, 4)), "f"),    ops.rel_entr:    (((0.3, 2), (0.3, 2)), "fi"),
    ops.kl_div:        (((0.3, 2), (0.3, 2)), "f"),
}
# fmt: on


def elementwise_cases() -> list[Case]:
    """Each unary op once (its shapes vary in the checks), each binary op with each kind of broadcasting."""
    cases = [case(op, (2, 3), domain=domain, kinds=kinds) for op, (domain, kinds) in UNARY.items()]
    for op, (domain, kinds) in BINARY.items():
        shapes = [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2, 2)), ((1, 2, 1), (2, 1, 3))]
        cases += [case(op, x, y, domain=domain, kinds=kinds) for x, y in shapes]
        number = 2.0 if domain[1][0] > 0 else 0.5
        cases += [case(op, (2, 3), number, domain=domain), case(op, number, (2, 3), domain=domain[::-1])]
    return cases


CONDITION = np.array([[True, False, True], [False, False, True]])
UNIT, POSITIVE = (0.1, 0.9), (0.5, 3)
INTEGER_POWERS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])

ELEMENTWISE = [
    *elementwise_cases(),
    case(ops.div, (2, 3), (2, 3), domain=((-2, 2), (-2, -0.5))),
    case(ops.reciprocal, (2, 2), domain=(-3, -0.3)),
    case(ops.mod, (2, 3), (2, 2, 3), domain=((-9, 9), (-3, -0.7)), kinds="fi"),
    case(ops.floor_divide, (2, 3), (2, 2, 3), domain=((-9, 9), (-3, -0.7)), kinds="fi"),
    *[case(ops.pow, (2, 3), n, kinds="f") for n in (1, 2, 3, 2.0, 4.0)],
    *[case(ops.pow, (2, 3), n, domain=(0.3, 3)) for n in (-1, -2, 0.5, -0.5, 1.5, -1.0)],
    *[case(ops.pow, np.array([0.0, 1.5, -1.0]), n) for n in (0, 0.0, 1, 2, 3)],
    case(ops.pow, (2, 3), 2, domain=(-3, 3), kinds="fi"),
    case(ops.pow, (2, 3), (3,), domain=((-3, 3), (0, 3)), kinds="i", wrt=()),
    case(ops.pow, 2.0, (2, 3), domain=(-2, 2)),
    case(ops.pow, (2, 6), INTEGER_POWERS, domain=(-2.5, -0.5), wrt=(0,)),
    case(ops.pow, np.zeros(4), np.array([0.0, 1.0, 2.0, 3.0]), wrt=(0,)),
    case(ops.pow, np.zeros(3), np.array([1.0, 2.0, 2.5]), wrt=(1,)),
    case(ops.where, CONDITION, (2, 3), (2, 3), kinds="fib"),
    case(ops.where, CONDITION[0], (2, 1), (), kinds="fib"),
    case(ops.where, CONDITION[:, :1], (3,), (4, 1, 3)),
    case(ops.where, CONDITION, (2, 3), 0.0),
    case(ops.where, CONDITION, 1, (2, 3)),
    case(ops.where, True, (2, 3), (3,)),
    case(ops.where, np.array(False), (2,), (2,)),
    case(ops.clip, (3, 4), -1.0, 1.0),
    case(ops.clip, (3, 4), (3, 4), (3, 4), domain=((-2, 2), (-1, -0.3), (0.3, 1)), kinds="f"),
    case(ops.clip, (3, 4), (4,), (3, 1), domain=((-2, 2), (-1, -0.3), (0.3, 1))),
    case(ops.clip, (3, 4), (4,), (), domain=((-2, 2), (0.2, 1), (-1, 0))),
    case(ops.clip, (3, 4), -1, 1, kinds="fi"),
    case(ops.betainc, (2, 3), (2, 3), (2, 3), domain=(POSITIVE, POSITIVE, UNIT)),
    case(ops.betainc, 2.0, (3,), (2, 1), domain=(POSITIVE, POSITIVE, UNIT)),
    case(ops.gammaln, (5,), domain=(-3.9, -3.1)),
    case(ops.digamma, (5,), domain=(-3.9, -3.1)),
    case(ops.zeta, np.array([2.0, 3.0, 4.0]), (2, 3), domain=(-2.9, -2.1)),
    case(ops.iv, np.array([0.0, 1.0, 2.0]), (2, 3), domain=(-3, -0.5)),
    case(ops.ive, np.array([0.0, 1.0, 2.0]), (2, 3), domain=(-3, -0.5)),
    case(ops.astype, (2, 3), dtype=np.dtype(np.float64), kinds="fib"),
    case(ops.astype, (2, 3), dtype=np.dtype(np.float32), kinds="fib", wrt=()),
    case(ops.astype, (2, 3), dtype=np.dtype(np.bool_), kinds="fib", wrt=()),
    # What NaN is as an integer, the processor decides.
    case(ops.astype, (2, 3), dtype=np.dtype(np.int64), kinds="fib", wrt=(), special=False),
    case(ops.astype, (2, 3), dtype=np.dtype(np.int32), kinds="fib", wrt=(), special=False),
]

# ---- structure ----

SHAPES = [
    *[
        case(ops.reshape, x, shape=shape, kinds="fib")
        for x, shape in (
            ((2, 3), (6,)),
            ((6,), (2, 3)),
            ((2, 3), (3, 2)),
            ((4, 3), (2, 2, 3)),
            ((), (1, 1)),
            ((1,), ()),
            ((0, 3), (3, 0)),
            ((2, 3), (2, 3)),
        )
    ],
    *[
        case(ops.expand, x, shape=shape, kinds="fib")
        for x, shape in (
            ((3,), (2, 3)),
            ((2, 1), (2, 3)),
            ((), (2, 2)),
            ((), ()),
            ((1,), (4,)),
            ((1, 3), (0, 3)),
            ((2, 1, 1), (3, 2, 4, 2)),
            ((3,), (3,)),
        )
    ],
    case(ops.expand, (80, 1), shape=(80, 80), wrt=()),
    *[
        case(ops.transpose, x, axes=axes, kinds="fib")
        for x, axes in (
            ((2, 3), (1, 0)),
            ((2, 3), (0, 1)),
            ((2, 3, 4), (2, 0, 1)),
            ((2, 3, 4), (1, 2, 0)),
            ((2, 1, 3), (0, 2, 1)),
            ((2, 0), (1, 0)),
            ((), ()),
            ((3,), (0,)),
        )
    ],
]

#: Indices of an array of shape (4, 5): for each axis the first element, the number of elements and the step.
INDICES = (
    ((0, 4, 1), (0, 5, 1)),
    ((1, 2, 1), (2, 3, 1)),
    ((0, 2, 2), (1, 2, 3)),
    ((3, 4, -1), (4, 5, -1)),
    ((3, 2, -2), (4, 2, -3)),
    ((2, 2, -1), (0, 5, 1)),
    ((2, 1, 1), (3, 1, -1)),
    ((1, 0, 1), (0, 5, 1)),
    ((4, 0, 1), (4, 0, -1)),
    ((0, 1, -1), (0, 3, 2)),
    (2, (0, 5, 1)),
    ((3, 2, -2), 4),
    (3, 0),
)

MOVEMENT = [
    *[case(ops.slice_, (4, 5), index=index, kinds="fib") for index in INDICES],
    case(ops.slice_, (), index=()),
    case(ops.slice_, (0, 2), index=((0, 0, 1), (1, 2, -1))),
    *[
        case(ops.unslice, tuple(i[1] for i in index if not isinstance(i, int)), shape=(4, 5), index=index, kinds="fib")
        for index in INDICES
    ],
    *[
        case(ops.put, (4, 5), tuple(i[1] for i in index if not isinstance(i, int)), index=index, kinds="fib")
        for index in INDICES
    ],
    *[
        case(op, (4, 5), *shapes, *at, index=index, kinds="fb", wrt=tuple(range(1 + len(shapes))))
        for index, at, shape in (
            ((None, None), (np.array(2), np.array(-1)), ()),
            ((None, (1, 2, 2)), (np.array(3),), (2,)),
            ((2, None), (np.array(0),), ()),
            (((3, 4, -1), None), (np.array(4),), (4,)),
        )
        for op, shapes in ((ops.slice_at, ()), (ops.put_at, (shape,)))
    ],
    case(ops.put, (), (), index=()),
    case(ops.put, (1, 1), (1,), index=(0, (0, 1, 1))),
    case(ops.put, (0, 3), (0, 2), index=((0, 0, 1), (1, 2, -1))),
    case(ops.unslice, (), shape=(), index=()),
    case(ops.unslice, (0, 2), shape=(0, 2), index=((0, 0, 1), (1, 2, -1))),
    case(ops.concatenate, (2, 3), (2, 3), axis=0, kinds="fib"),
    case(ops.concatenate, (2, 3), (2, 1), (2, 2), axis=1, kinds="fib"),
    case(ops.concatenate, (2,), axis=0),
    case(ops.concatenate, (2, 0), (2, 2), axis=1),
    case(ops.concatenate, (0, 2), (0, 2), axis=0),
    case(ops.concatenate, (2, 1, 3), (2, 4, 3), axis=1),
]

INDEXING = [
    case(ops.gather, (4,), np.array([0, 2, 2, -1]), kinds="fib"),
    case(ops.gather, (4, 3), np.array([3, 0, 0, -4]), kinds="fib"),
    case(ops.gather, (4, 3), np.array([[1, 1], [-2, 0]])),
    case(ops.gather, (4, 3), np.array([0, 3, 0, -1]), np.array([1, -3, 1, 2])),
    case(ops.gather, (2, 3, 2), np.array([[0, 1]]), np.array([[2, -1]])),
    case(ops.gather, (4, 3), np.array(2)),
    case(ops.gather, (4, 3), np.array(-1), np.array(0)),
    case(ops.gather, (4, 3), np.zeros(0, np.intp)),
    case(ops.gather, (4,), np.array([0, 2], np.int32)),
    case(ops.scatter_add, (4,), np.array([0, 2, 2, -1]), shape=(5,), kinds="fi"),
    case(ops.scatter_add, (4, 3), np.array([3, 0, 0, -4]), shape=(4, 3), kinds="fi"),
    case(ops.scatter_add, (2, 2, 3), np.array([[1, 1], [-2, 0]]), shape=(4, 3)),
    case(ops.scatter_add, (4,), np.array([0, 3, 0, -1]), np.array([1, -3, 1, 2]), shape=(4, 3)),
    case(ops.scatter_add, (1, 2, 2), np.array([[0, 1]]), np.array([[2, -1]]), shape=(2, 3, 2)),
    case(ops.scatter_add, (3,), np.array(2), shape=(4, 3)),
    case(ops.scatter_add, (0, 3), np.zeros(0, np.intp), shape=(4, 3)),
    case(ops.scatter_add, (2,), np.array([0, 2], np.int32), shape=(4,)),
]

# ---- reductions and products ----

#: A shape, the reduced axes, and whether they are kept with length one.
REDUCTIONS = (
    ((2, 3), (0,), False),
    ((2, 3), (1,), False),
    ((2, 3), (0, 1), False),
    ((2, 3), (1,), True),
    ((2, 3), (0, 1), True),
    ((2, 3, 4), (0, 2), False),
    ((2, 3, 2), (1,), True),
    ((2, 3), (), False),
    ((), (), False),
    ((7,), (0,), False),
    ((3, 0), (0,), False),
)


def reductions(op: Primitive, kinds: str) -> list[Case]:
    return [
        case(op, shape, axis=axis, keepdims=keepdims, kinds=kinds, domain=(-1.5, 1.5))
        for shape, axis, keepdims in REDUCTIONS
    ]


ONE_ZERO = np.array([[0.5, 0.0, -1.5, 2.0], [1.0, -0.5, 2.0, 0.75]])
TWO_ZEROS = np.array([0.5, 0.0, -1.5, 0.0, 2.0])

REDUCTION = [
    *reductions(ops.sum, "fib"),
    *reductions(ops.prod, "fib"),
    *reductions(ops.max, "fib"),
    *reductions(ops.min, "fib"),
    *[case(op, (0, 3), axis=(0,), keepdims=False) for op in (ops.sum, ops.prod)],
    case(ops.sum, (70, 60), axis=(0, 1), keepdims=False, wrt=()),
    *[case(ops.prod, (n,), axis=(0,), keepdims=False) for n in (1, 2, 3, 4, 5)],
    case(ops.prod, ONE_ZERO, axis=(1,), keepdims=False),
    case(ops.prod, ONE_ZERO, axis=(0, 1), keepdims=True),
    case(ops.prod, TWO_ZEROS, axis=(0,), keepdims=False),
    *[
        case(op, shape, axis=axis, kinds="fib")
        for op in (ops.argmax, ops.argmin)
        for shape, axis in (((5,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 2), 1), ((0, 3), 1))
    ],
    *[case(op, np.array([1.0, 3.0, 3.0, 1.0]), axis=0) for op in (ops.argmax, ops.argmin)],
    *[
        case(ops.cumsum, shape, axis=axis, reverse=reverse, kinds="fib")
        for reverse in (False, True)
        for shape, axis in (((5,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 2), 1), ((0, 2), 0), ((1,), 0))
    ],
]

CONTRACTION = [
    case(ops.matmul, x, y, kinds="fib")
    for x, y in (
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (2, 3, 2)),
        ((2, 2, 3), (2, 3, 2)),
        ((2, 1, 2, 3), (2, 3, 2)),
        ((1, 2, 3), (2, 3, 1)),
        ((2, 2, 1, 3), (3,)),
        ((1, 1), (1, 1)),
        ((1, 4), (4, 1)),
        ((4, 1), (1, 4)),
        ((2, 0), (0, 3)),
        ((0, 3), (3, 2)),
        ((0,), (0,)),
        ((0, 2, 3), (3, 2)),
    )
]

TIES = np.array([2.0, -1.0, 2.0, 0.5, -1.0, 2.0, 0.0, -0.0])
ASCENDING = np.array([-1.5, -1.0, -1.0, 0.0, 0.25, 1.0, 1.0, 1.5])

ORDERING = [
    *[
        case(ops.argsort, shape, axis=axis, kinds="fib")
        for shape, axis in (((5,), 0), ((1,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 7, 3), 1), ((0, 3), 1), ((0, 3), 0))
    ],
    *[case(ops.argsort, (n,), axis=0) for n in (2, 4, 16, 33, 129)],
    case(ops.argsort, TIES, axis=0),
    *[
        case(ops.searchsorted, ASCENDING[:n], shape, right=right)
        for right in (False, True)
        for n, shape in ((8, (2, 5)), (8, ()), (1, (4,)), (5, (0,)), (0, (3,)))
    ],
    *[case(ops.searchsorted, ASCENDING, TIES / 2, right=right) for right in (False, True)],
    case(ops.searchsorted, np.array([-1, 0, 0, 2]), (5,), kinds="fib", right=True),
]

CONVOLUTION = [
    case(ops.convolve, (n,), (m,), kinds="fib") for n, m in ((5, 3), (3, 5), (4, 4), (1, 1), (1, 6), (40, 7))
]

# ---- linear algebra ----


def well_conditioned(x: Any, *others: Any) -> tuple[Any, ...]:
    """`x` with a diagonal that outweighs its rows, of different numbers, and what else there is."""
    m, n = x.shape[-2:]
    return (x + np.eye(m, n, dtype=x.dtype) * (5 + 3 * np.arange(n, dtype=x.dtype)), *others)


def exchanged(x: Any) -> tuple[Any, ...]:
    """The same with its rows in another order, so that pivots are exchanged."""
    m, n = x.shape[-2:]
    return (x + np.roll(np.eye(m, n, dtype=x.dtype), 1, 0) * (5 + 3 * np.arange(n, dtype=x.dtype)),)


def symmetric(x: Any) -> tuple[Any, ...]:
    return (well_conditioned((x + ops.transposed(x)) / 2)[0],)


def turning(x: Any) -> tuple[Any, ...]:
    """The same with a large skew part, so that eigenvalues are complex."""
    n = x.shape[-1]
    return (x + np.triu(np.full((n, n), 6, x.dtype), 1) - np.tril(np.full((n, n), 6, x.dtype), -1),)


def without_phase(out: Any) -> Any:
    """Eigenvalues, and vectors turned until their first elements are real."""
    *lead, n = out.shape
    before = [(0, k, 1) for k in lead]
    values, vectors = (ops.slice_(out, index=(*before, (i, k, 1))) for i, k in ((0, 1), (1, n - 1)))
    first = ops.slice_(vectors, index=(*before, (0, min(n - 1, 1), 1)))
    return ops.concatenate(values, vectors * ops.conj(first), axis=len(lead))


def factored(x: Any, y: Any) -> tuple[Any, ...]:
    return ops.lu(exchanged(x)[0]), y


def signed(count: Callable[[int], int]) -> Callable[[Any], Any]:
    """What gives the vectors in the rows of a factorisation, behind a value, the sign by which the first is positive.

    The first has `count(n)` elements in rows of `n`; it is an axis nearly, so that its cubes add up to no zero.
    """

    def finish(out: Any) -> Any:
        *lead, n = out.shape
        before = [(0, k, 1) for k in lead]
        first = ops.stop_gradient(ops.slice_(out, index=(*before, (1, count(n), 1))))
        sign = ops.sign(ops.sum(first * first * first, axis=(len(lead),), keepdims=True))
        vectors = ops.slice_(out, index=(*before, (1, n - 1, 1)))
        return ops.concatenate(ops.slice_(out, index=(*before, (0, 1, 1))), vectors * sign, axis=len(lead))

    return finish


SQUARES = ((3, 3), (1, 1), (2, 3, 3), (2, 1, 2, 2), (0, 0), (0, 3, 3), (2, 0, 0))
SIDES = (
    ((3, 3), (3, 2)),
    ((3, 3), (3, 1)),
    ((1, 1), (1, 1)),
    ((2, 3, 3), (2, 3, 2)),
    ((0, 0), (0, 2)),
    ((2, 2), (2, 0)),
)
MATRICES = (*SQUARES, (4, 3), (2, 3, 2), (3, 0), (3, 1), (2, 3, 0))
WITHIN: dict[str, Any] = {"domain": (-1.0, 1.0), "special": False}

LINALG = [
    *[case(ops.cholesky, x, prepare=symmetric, **WITHIN) for x in SQUARES],
    *[case(ops.eigh, x, prepare=symmetric, finish=signed(lambda n: n - 1), **WITHIN) for x in SQUARES],
    # Nearly diagonal, so that their order is the same in both precisions.
    *[
        case(ops.eig, x, prepare=well_conditioned, finish=without_phase, domain=(-0.3, 0.3), special=False)
        for x in SQUARES
    ],
    *[case(ops.eig, x, prepare=turning, finish=without_phase, domain=(-0.9, 0.9), special=False) for x in SQUARES],
    *[
        case(ops.solve, x, y, prepare=well_conditioned, transpose=transpose, **WITHIN)
        for x, y in SIDES
        for transpose in (False, True)
    ],
    *[
        case(ops.lu_solve, x, y, prepare=factored, wrt=(), transpose=transpose, **WITHIN)
        for x, y in SIDES
        for transpose in (False, True)
    ],
    *[
        case(
            ops.solve_triangular, x, y, prepare=well_conditioned, lower=lower, transpose=transpose, unit=unit, **WITHIN
        )
        for i, (x, y) in enumerate(SIDES)
        for lower, transpose, unit in product(*[(False, True)] * 3)
        # All flags for matrices, those that BLAS takes in another way for single columns too.
        if i == 0 or (not unit and (i == 1 or (lower and not transpose)))
    ],
    *[case(ops.lu, x, prepare=exchanged, **WITHIN) for x in MATRICES],
    *[case(ops.qr, x, prepare=well_conditioned, **WITHIN) for x in MATRICES],
    *[
        case(ops.svd, x, prepare=well_conditioned, finish=signed(lambda n, m=x[-2]: m), **WITHIN)
        for x in (*MATRICES, (3, 4), (2, 1, 3))
    ],
    *[case(ops.pinv, x, prepare=well_conditioned, rcond=1e-6, **WITHIN) for x in (*MATRICES, (3, 4), (2, 1, 3))],
]

WORDS = np.array([[0, 1, 2], [2**64 - 1, 2**63, 12345678901234567890]], np.uint64)
RANDOM = [
    case(ops.random_bits, WORDS, WORDS[::-1].copy()),
    case(ops.random_bits, WORDS[0, 1], WORDS),
    case(ops.random_bits, WORDS[1], 2),
    case(ops.random_bits, WORDS[0, 1], WORDS[:0]),
]

# ---- complex numbers ----


def complexes(op: Primitive, *inputs: Any, **options: Any) -> Case:
    return case(op, *inputs, kinds="c", **{"special": False, **options})


REALS = np.array([[0.4, -1.5, 2.0], [1.2, 0.7, -0.3]])
POSITIVES = np.abs(REALS)
COMPLEX_UNARY = (
    ops.neg, ops.conj, ops.abs, ops.sign, ops.real, ops.imag, ops.square, ops.sqrt, ops.reciprocal, ops.exp, ops.exp2,
    ops.expm1, ops.log, ops.log2, ops.log10, ops.log1p, ops.sin, ops.cos, ops.tan, ops.arcsin, ops.arccos, ops.arctan,
    ops.sinh, ops.cosh, ops.tanh, ops.arcsinh, ops.arccosh, ops.arctanh, ops.isnan, ops.isinf, ops.isfinite,
    ops.logical_not, ops.stop_gradient,
)  # fmt: skip
COMPLEX = [
    *[complexes(op, (2, 3)) for op in COMPLEX_UNARY],
    *[complexes(op, (5,), domain=(3, 40)) for op in (ops.log, ops.sqrt, ops.arcsin, ops.arccosh, ops.arctanh)],
    *[complexes(op, (5,), domain=(-3, -2)) for op in (ops.log, ops.sqrt, ops.arccos, ops.arcsinh, ops.arctan)],
    *[
        complexes(op, *inputs)
        for op in (ops.add, ops.sub, ops.mul, ops.div)
        for inputs in (
            ((2, 3), (2, 3)),
            ((2, 1), (3,)),
            ((), (2, 2)),
            ((2, 3), POSITIVES),
            (POSITIVES, (3,)),
            ((3,), 2j),
        )
    ],
    *[
        complexes(op, (2, 3), (3,))
        for op in (ops.equal, ops.not_equal, ops.logical_and, ops.logical_or, ops.logical_xor)
    ],
    complexes(ops.equal, (2, 3), REALS),
    *[complexes(ops.pow, (2, 3), n) for n in (0, 1, 2, 3, -1, -2, 5, 0.5, 1.5, 2j, 1 - 1j)],
    *[complexes(ops.pow, *inputs) for inputs in (((2, 3), (3,)), (POSITIVES, (3,)), (REALS, (3,)), ((2, 3), REALS))],
    complexes(ops.pow, 2.0, (2, 3)),
    complexes(ops.complex_, REALS, POSITIVES),
    complexes(ops.complex_, REALS[:, :1], POSITIVES[0]),
    complexes(ops.complex_, REALS, 0.5),
    *[complexes(ops.where, CONDITION, *xs) for xs in (((2, 3), (2, 3)), ((2, 3), REALS), ((3,), 0.0), (1j, (3,)))],
    complexes(ops.astype, (2, 3), dtype=np.dtype(np.complex128)),
    complexes(ops.astype, REALS, dtype=np.dtype(np.complex128)),
    complexes(ops.astype, (2, 3), dtype=np.dtype(np.complex64), wrt=()),
    complexes(ops.astype, (2, 3), dtype=np.dtype(np.float64)),
    complexes(ops.astype, (2, 3), dtype=np.dtype(np.bool_), wrt=()),
    complexes(ops.reshape, (2, 3), shape=(6,)),
    complexes(ops.reshape, (1,), shape=()),
    complexes(ops.expand, (2, 1), shape=(2, 3)),
    complexes(ops.expand, (), shape=(2, 2)),
    complexes(ops.transpose, (2, 3, 4), axes=(2, 0, 1)),
    *[complexes(ops.slice_, (4, 5), index=index) for index in INDICES[1::3]],
    *[
        complexes(ops.unslice, tuple(i[1] for i in index if not isinstance(i, int)), shape=(4, 5), index=index)
        for index in INDICES[1::3]
    ],
    complexes(ops.put, (4, 5), (2, 3), index=((1, 2, 1), (2, 3, 1))),
    complexes(ops.concatenate, (2, 3), (2, 1), REALS, axis=1),
    complexes(ops.concatenate, (0, 2), (1, 2), axis=0),
    complexes(ops.gather, (4, 3), np.array([3, 0, 0, -4])),
    complexes(ops.scatter_add, (4, 3), np.array([3, 0, 0, -4]), shape=(4, 3)),
    *[
        complexes(op, (2, 3, 5), axis=axis, keepdims=keepdims, domain=(-1.5, 1.5))
        for op in (ops.sum, ops.prod)
        for axis, keepdims in (((0, 2), False), ((1,), True), ((), False))
    ],
    complexes(ops.prod, (0, 3), axis=(0,), keepdims=False),
    *[complexes(ops.cumsum, (2, 3), axis=1, reverse=reverse) for reverse in (False, True)],
    *[
        complexes(ops.matmul, x, y)
        for x, y in (
            ((3, 4), (4, 2)),
            ((4,), (4,)),
            ((2, 3, 4), (4,)),
            ((2, 3), REALS.T),
            (REALS, (3,)),
            ((40, 30), (30, 20)),
        )
    ],
    *[
        complexes(ops.fft, shape, axis=axis, inverse=inverse)
        for shape, axis in (((8,), 0), ((5, 3), 0), ((2, 6), 1), ((1,), 0), ((17,), 0), ((0, 4), 1))
        for inverse in (False, True)
    ],
    *[complexes(ops.irfft, shape, axis=axis, n=n) for shape, axis, n in (((5,), 0, 8), ((4, 2), 0, 7), ((1,), 0, 1))],
    *[
        complexes(ops.solve, x, y, prepare=well_conditioned, domain=(-1.0, 1.0), transpose=transpose)
        for x, y in (((3, 3), (3, 2)), ((2, 2, 2), (2, 2, 1)), (np.eye(3) + 0.5, (3, 1)), ((2, 2), np.eye(2)))
        for transpose in (False, True)
    ],
    complexes(ops.convolve, (5,), (3,)),
    complexes(ops.convolve, (5,), REALS[0]),
]

FOURIER = [
    case(ops.rfft, shape, axis=axis, special=False)
    for shape, axis in (((8,), 0), ((5, 3), 0), ((2, 6), 1), ((1,), 0), ((34,), 0), ((2, 19), 1), ((0, 4), 1))
]

CASES = [
    *ELEMENTWISE,
    *SHAPES,
    *MOVEMENT,
    *INDEXING,
    *REDUCTION,
    *CONTRACTION,
    *ORDERING,
    *CONVOLUTION,
    *LINALG,
    *RANDOM,
    *COMPLEX,
    *FOURIER,
]
SMOOTH = [c for c in CASES if c.wrt]
REPEATED = [name for name, count in Counter(c.name for c in CASES).items() if count > 1]
