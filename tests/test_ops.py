"""Every primitive, through every generic check."""

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import ops
from autograd.transforms import grad
from tests import checks
from tests.cases import BINARY, CASES, SMOOTH, UNARY

every_case = pytest.mark.parametrize("case", CASES, ids=repr)
every_smooth_case = pytest.mark.parametrize("case", SMOOTH, ids=repr)
every_case_in_its_dtypes = pytest.mark.parametrize(
    ("case", "dtype"), [pytest.param(c, dtype, id=f"{c}-{dtype}") for c in CASES for dtype in c.dtypes]
)


@every_case_in_its_dtypes
def test_value(case, dtype):
    checks.check_value(case, dtype)


@every_case_in_its_dtypes
def test_aval_is_the_shape_and_dtype_of_the_value(case, dtype):
    checks.check_aval(case, dtype)


@pytest.mark.parametrize("case", [c for c in CASES if "f" in c.kinds and c.special], ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_values(case, dtype):
    checks.check_special_values(case, dtype)


@every_smooth_case
def test_gradient(case):
    checks.check_gradient(case)


@every_smooth_case
def test_second_order(case):
    checks.check_second_order(case)


@every_smooth_case
def test_a_recorded_sweep_gives_the_values_of_a_plain_one(case):
    checks.check_sweeps_agree(case)


@every_case
def test_inputs_are_unchanged(case):
    checks.check_inputs_unchanged(case)


@every_case
@pytest.mark.parametrize("layout", checks.LAYOUTS)
def test_layout(case, layout):
    checks.check_layout(case, layout)


@every_smooth_case
def test_gradients_of_float32(case):
    checks.check_dtype_of_gradients(case)


@pytest.mark.parametrize("case", [c for c in SMOOTH if len(c.wrt) > 1], ids=repr)
def test_mixed_dtypes(case):
    checks.check_mixed_dtypes(case)


# ---- shapes that every elementwise op takes ----

ONE = [(), (0,), (0, 3), (2, 1, 3)]
TWO = [((), ()), ((0,), (0,)), ((0, 3), (3,)), ((2, 0), (2, 1)), ((), (0,)), ((1,), (2, 1, 3))]
FIRST = {c.op: c for c in reversed(CASES) if c.op in UNARY or c.op in BINARY}
RESHAPED = [FIRST[op].reshaped(shape) for op in UNARY for shape in ONE]
RESHAPED += [FIRST[op].reshaped(*shapes) for op in BINARY for shapes in TWO]


@pytest.mark.parametrize("case", RESHAPED, ids=repr)
def test_elementwise_shapes(case):
    checks.check_value(case, case.dtypes[0])
    checks.check_aval(case, case.dtypes[0])
    if case.wrt:
        checks.check_gradient(case)
        checks.check_sweeps_agree(case)


@pytest.mark.parametrize("op", UNARY, ids=repr)
def test_numbers_are_taken_as_numpy_takes_them(op):
    number = float(FIRST[op].reshaped(()).arrays()[0])
    checks.close(op(number), checks.REFERENCES[op](np.float64(number)))
    checks.close(op(np.float32(number)), checks.REFERENCES[op](np.float32(number)))


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.op in BINARY and len(c.wrt) == 1], ids=repr)
def test_a_python_number_does_not_widen_float32(case):
    narrow = case.precisions[1]
    arrays = case.arrays(narrow)
    assert case(*arrays).dtype == narrow
    for create_graph in (False, True):
        assert checks.gradients(case, arrays, create_graph)[0].dtype == narrow


# ---- where an op has no derivative, or one that is easily lost ----


def at(*inputs: Any) -> tuple[Any, ...]:
    return tuple(np.array(x, np.float64) if isinstance(x, list) else x for x in inputs)


AT_ONCE = {"axis": (0,), "keepdims": False}
INFINITE = float("inf")

# fmt: off
CONVENTIONS = [
    # op, inputs, params, the gradient of the sum of the output by each array among the inputs
    (ops.abs,     at([0.0, -0.0]),                          {}, [[0, 0]]),
    (ops.sign,    at([0.0, 2.0]),                           {}, [[0, 0]]),
    (ops.round,   at([0.5, 1.5]),                           {}, [[0, 0]]),
    (ops.relu,    at([0.0, -1.0, 1.0]),                     {}, [[0, 0, 1]]),
    (ops.sqrt,    at([0.0]),                                {}, [[INFINITE]]),
    (ops.log,     at([0.0]),                                {}, [[INFINITE]]),
    (ops.maximum, at([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]),     {}, [[0.5, 0, 1], [0.5, 1, 0]]),
    (ops.minimum, at([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]),     {}, [[0.5, 1, 0], [0.5, 0, 1]]),
    (ops.max,     at([1.0, 3.0, 3.0]),                      AT_ONCE, [[0, 0.5, 0.5]]),
    (ops.min,     at([1.0, 3.0, 1.0, 1.0]),                 AT_ONCE, [[1 / 3, 0, 1 / 3, 1 / 3]]),
    (ops.clip,    at([-1.0, 0.0, 1.0, 2.0], -1.0, 1.0),     {}, [[1, 1, 1, 0]]),
    (ops.pow,     at([0.0, 2.0], 0),                        {}, [[0, 0]]),
    (ops.pow,     at([0.0, 2.0], 0.0),                      {}, [[0, 0]]),
    (ops.pow,     at([0.0], 1),                             {}, [[1]]),
    (ops.pow,     at([0.0], 0.5),                           {}, [[INFINITE]]),
    (ops.pow,     at([0.0, 0.0, 0.0], [0.0, 1.0, 2.0]),     {}, [[0, 1, 0], [0, 0, 0]]),
    (ops.pow,     at([-2.0, -2.0], [2.0, 3.0]),             {}, [[-4, 12], [np.nan, np.nan]]),
    (ops.mod,     at([1.0, -1.0], [0.1, 0.1]),              {}, [[1, 1], [-9, 10]]),
    (ops.where,   (True, *at([np.nan, 1.0], [3.0, np.nan])), {}, [[1, 1], [0, 0]]),
    (ops.sigmoid, at([-800.0, 800.0]),                      {}, [[0, 0]]),
    (ops.softplus, at([-800.0, 800.0]),                     {}, [[0, 1]]),
    (ops.logaddexp, at([1000.0, -1000.0], [-1000.0, 1000.0]), {}, [[1, 0], [0, 1]]),
    (ops.tanh,    at([-400.0, 400.0]),                      {}, [[0, 0]]),
    (ops.hypot,   at([3e200, 1e-200], [4e200, 0.0]),        {}, [[0.6, 1], [0.8, 0]]),
    (ops.prod,    at([0.0, 2.0, 0.0]),                      AT_ONCE, [[0, 0, 0]]),
    (ops.prod,    at([0.0, 2.0, 3.0]),                      AT_ONCE, [[6, 0, 0]]),
    (ops.max,     at([1.0, np.nan]),                        AT_ONCE, [[np.nan, np.nan]]),
]
# fmt: on


@pytest.mark.parametrize(("op", "inputs", "params", "expected"), CONVENTIONS, ids=str)
def test_conventions(op, inputs, params, expected):
    wanted = [ag.Tensor(x, requires_grad=True) for x in inputs if isinstance(x, np.ndarray)]
    rest = iter(wanted)
    with np.errstate(divide="ignore"):
        out = op(*[next(rest) if isinstance(x, np.ndarray) else x for x in inputs], **params)
    found = grad(out, wanted, np.ones(out.shape))
    for g, numbers in zip(found, expected, strict=True):
        np.testing.assert_allclose(g.data, numbers, rtol=1e-15)


def test_stop_gradient_stops_it():
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    assert not ops.stop_gradient(x).requires_grad
    (g,) = grad(x * ops.stop_gradient(x), [x], np.ones(2))
    np.testing.assert_array_equal(g.data, [1.0, 2.0])


def test_a_conversion_to_integers_has_no_gradient():
    x = ag.Tensor([1.5, 2.5], requires_grad=True)
    assert not ops.astype(x, dtype=np.dtype(np.int64)).requires_grad
    assert not ops.astype(x, dtype=np.dtype(np.bool_)).requires_grad
    assert ops.astype(x, dtype=np.dtype(np.float32)).requires_grad


@pytest.mark.parametrize("shape", [(64, 64), (65, 64)])
def test_the_gradient_of_a_large_sum_is_not_shared(shape):
    x = ag.Tensor(np.zeros(shape), requires_grad=True)
    ops.sum(x, axis=(0, 1), keepdims=False).backward()
    assert x.grad is not None
    x.grad.data[0, 0] = 5.0
    np.testing.assert_array_equal(x.grad.data.reshape(-1)[:3], [5.0, 1.0, 1.0])
