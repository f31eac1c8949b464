"""Every primitive compiled: its value and its gradients are those of eager execution."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

import jit
from autograd import ops
from autograd.primitive import Primitive
from autograd.transforms import grad
from tests import checks
from tests.cases import BINARY, CASES, COMPLEX, UNARY, Case

#: Roundings by which a compiled result may differ: fused multiply-adds, and the library's own functions.
ULPS = 256

FIRST = {case.op: case for case in reversed(CASES)}

# How inputs broadcast and axes are reduced does not depend on the op: some ops stand for all in this.
_STANDING_FOR_ALL = {ops.mul, ops.maximum, ops.sum, ops.max}
_ONE_FORM = {*BINARY, ops.prod, ops.min} - _STANDING_FOR_ALL
COMPILED = [case for i, case in enumerate(CASES) if case.op not in _ONE_FORM or i % 3 == 0]
COMPILED += [case for case in FIRST.values() if case not in COMPILED]
IN_OTHER_DTYPES = [(case, dtype) for case in FIRST.values() for dtype in case.dtypes[1:] if dtype != np.int32]
IN_OTHER_DTYPES += [(case, np.dtype(np.complex64)) for case in COMPLEX[::2]]
IN_OTHER_DTYPES += [(FIRST[op], np.dtype(np.int32)) for op in (ops.add, ops.sum, ops.mod, ops.abs, ops.sin)]


def rank(x: Any) -> int:
    """The number of axes of an input of a case."""
    return len(x) if isinstance(x, tuple) else np.ndim(x)


def merged(case: Case, arrays: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
    """The inputs of the case with `xs` in place of the arrays; numbers stay a part of the program."""
    rest = iter(xs)
    return [next(rest) if isinstance(x, np.ndarray) else x for x in arrays]


def function(case: Case) -> Callable[..., tuple[Any, ...]]:
    """From the case's arrays and a cotangent to its value and its gradients."""
    arrays = case.arrays()
    places = [i for i, x in enumerate(arrays) if isinstance(x, np.ndarray)]
    argnums = [places.index(i) for i in case.wrt]

    def value(*xs: Any) -> Any:
        return case(*merged(case, arrays, xs))

    def value_and_gradients(*xs_and_g: Any) -> tuple[Any, ...]:
        *xs, g = xs_and_g
        out = value(*xs)
        if not argnums:
            return (out,)

        def projected(*xs: Any) -> Any:
            product = value(*xs) * g
            product = ops.real(product) if product.dtype.kind == "c" else product
            return ops.sum(product, axis=tuple(range(len(product.shape))), keepdims=False)

        return (out, *grad(projected, argnums)(*xs))

    return value_and_gradients


@cache
def compiled(case: Case) -> Callable[..., tuple[Any, ...]]:
    return jit.compile(function(case))


def arguments(case: Case, inputs: Sequence[Any]) -> list[Any]:
    """The arrays among the inputs, and a cotangent."""
    with np.errstate(all="ignore"):
        out = np.asarray(case(*inputs))
    return [*[x for x in inputs if isinstance(x, np.ndarray)], checks.cotangent(out)]


def check_compiled(case: Case, inputs: Sequence[Any], each: bool = False, count: int | None = None) -> None:
    """The first `count` results (all, unless said) are those of eager execution, in memory of their own."""
    given = arguments(case, inputs)
    before = checks.contents(given)
    with np.errstate(all="ignore"):
        expected = function(case)(*given)
        actual = compiled(case)(*given)
    assert len(actual) == len(expected)
    for ours, eager in zip(actual[:count], expected[:count], strict=True):
        checks.close(ours, eager, ULPS, each)
        assert not any(np.shares_memory(ours, x) for x in given), "a result shares memory with an input"
    assert checks.contents(given) == before, "the kernel wrote into an input"


def test_every_primitive_is_compiled():
    assert {case.op for case in COMPILED} == {case.op for case in CASES}


def flipped(x: Any) -> Any:
    """Other values of the same kind: the elements in the opposite order."""
    return np.array(np.flip(x)) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("case", COMPILED, ids=repr)
def test_value_and_gradients(case):
    check_compiled(case, case.arrays())
    check_compiled(case, [flipped(x) for x in case.arrays()])


@pytest.mark.parametrize(("case", "dtype"), IN_OTHER_DTYPES, ids=str)
def test_other_dtypes(case, dtype):
    if dtype.kind in "fc":
        check_compiled(case, case.arrays(dtype))
    else:
        constant = Case(case.op, case.inputs, case.params, case.domain, (), case.kinds, name=f"{case}-{dtype}")
        check_compiled(constant, constant.arrays(dtype))


@pytest.mark.parametrize("case", [case for case in FIRST.values() if case.special], ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_values(case, dtype):
    check_compiled(case, checks.sprinkled(case, dtype), each=case.op.elementwise, count=1)


def of_most_axes(op: Primitive) -> Case:
    """The compiled case of the op with the input of the highest rank."""
    return max((case for case in COMPILED if case.op is op), key=lambda case: max(map(rank, case.inputs)))


# A transposed array has a kernel of its own, other layouts are copied: some ops stand for all in the first.
TRANSPOSED = (ops.mul, ops.where, ops.sum, ops.max, ops.cumsum, ops.argmax, ops.matmul, ops.transpose, ops.slice_,
              ops.unslice, ops.reshape, ops.expand, ops.concatenate, ops.gather, ops.scatter_add)  # fmt: skip
IN_LAYOUTS = [(case, layout) for case in FIRST.values() for layout in checks.LAYOUTS if layout != "fortran"]
IN_LAYOUTS += [(case, "fortran") for case in map(of_most_axes, TRANSPOSED)]


@pytest.mark.parametrize(("case", "layout"), IN_LAYOUTS, ids=str)
def test_layouts(case, layout):
    check_compiled(case, checks.laid_out(layout, case.arrays()))


ONE = [(), (0,), (0, 3), (2, 1, 3), (17,), (3, 33)]
TWO = [((), ()), ((0,), (0,)), ((0, 3), (3,)), ((), (0,)), ((1,), (2, 1, 3)), ((33, 1), (1, 17))]
RESHAPED = [FIRST[op].reshaped(shape) for op in (ops.exp, ops.abs, ops.tanh) for shape in ONE]
RESHAPED += [FIRST[op].reshaped(*shapes) for op in (ops.mul, ops.maximum, ops.pow) for shapes in TWO]


@pytest.mark.parametrize("case", RESHAPED, ids=repr)
def test_elementwise_shapes(case):
    assert case.op in UNARY or case.op in BINARY
    check_compiled(case, case.arrays())
    if case.inputs[0] == ():
        check_compiled(case, case.arrays(np.float32))


WITH_NUMBERS = {case.op: case for case in CASES if case.op in BINARY and isinstance(case.inputs[1], float)}


@pytest.mark.parametrize("case", WITH_NUMBERS.values(), ids=repr)
def test_numbers_as_arguments(case):
    x, number = case.arrays(case.precisions[1])
    f = jit.compile(lambda x, y: case(x, y))
    for y in (number, 2 * number, np.float64(number), 2):
        checks.close(f(x, y), case(x, y), ULPS)
