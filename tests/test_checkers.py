"""The checks themselves: each must fail for a primitive with the error that it is there to find."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograd import ops
from autograd.gradcheck import GradcheckError
from autograd.ops.masking import filled
from autograd.primitive import PRIMITIVES, Aval, Primitive
from tests import checks
from tests.cases import SMOOTH, Case
from tests.references import REFERENCES

Failure = (AssertionError, GradcheckError)


@contextmanager
def broken(case: Case, **changes: Any) -> Iterator[Case]:
    """The case with fields of its primitive changed, registered within the block alone."""
    try:
        yield replace(case, op=replace(case.op, name="broken", **changes))
    finally:
        del PRIMITIVES["broken"]


def first(op: Primitive) -> Case:
    return next(c for c in SMOOTH if c.op is op)


def steep(op: Primitive) -> Case | None:
    """The first case of the op with a gradient that is not zero."""
    for c in SMOOTH:
        if c.op is op and any(np.any(g) for g in checks.gradients(c, c.arrays())):
            return c
    return None


DIFFERENTIABLE = list(dict.fromkeys(c.op for c in SMOOTH))
FLAT = [op for op in DIFFERENTIABLE if steep(op) is None]
STEEP = [op for op in DIFFERENTIABLE if op not in FLAT]


def each_rule(case: Case, change: Any) -> Any:
    """The rules of the case's primitive by the inputs in question, each as `change` makes it."""

    rules = [case.op.vjp(i) for i in range(len(case.inputs))]
    return tuple([change(rule) if i in case.wrt else rule for i, rule in enumerate(rules)])


def scaled(rule: Any) -> Any:
    return lambda *args, **params: rule(*args, **params) * 1.001


def shifted(rule: Any) -> Any:
    return lambda *args, **params: rule(*args, **params) + 1e-3


def right_once(rule: Any) -> Any:
    """The same values, with derivatives that are off by one in a thousand."""

    def off(*args: Any, **params: Any) -> Any:
        g = filled(rule(*args, **params))
        return g + (g - ops.stop_gradient(g)) * 0.001

    return off


def test_the_flat_ops_are_those_that_are_constant_between_jumps():
    # The sign of a complex number turns with it.
    assert set(FLAT) == {ops.floor, ops.ceil, ops.round, ops.trunc, ops.floor_divide}


@pytest.mark.parametrize("op", STEEP, ids=repr)
def test_a_rule_off_by_one_in_a_thousand_fails(op):
    case = steep(op)
    assert case is not None
    checks.check_gradient(case)
    with broken(case, vjps=each_rule(case, scaled)) as wrong, pytest.raises(GradcheckError, match="output 0"):
        checks.check_gradient(wrong)


@pytest.mark.parametrize("op", FLAT, ids=repr)
def test_a_rule_off_by_a_constant_fails(op):
    case = first(op)
    with (
        broken(case, vjps=each_rule(case, shifted)) as wrong,
        pytest.raises(GradcheckError, match="output 0"),
    ):
        checks.check_gradient(wrong)


@pytest.mark.parametrize("op", STEEP, ids=repr)
def test_a_second_derivative_off_by_one_in_a_thousand_fails(op):
    case = steep(op)
    assert case is not None
    checks.check_second_order(case)
    with broken(case, vjps=each_rule(case, right_once)) as wrong:
        checks.check_gradient(wrong)
        with pytest.raises(GradcheckError, match="finite differences say"):
            checks.check_second_order(wrong)


def wrong_shape(aval: Any) -> Any:
    return lambda *avals, **params: Aval((7, *aval(*avals, **params).shape), np.dtype(np.float64))


def wrong_dtype(aval: Any) -> Any:
    return lambda *avals, **params: Aval(aval(*avals, **params).shape, np.dtype(np.float16))


@pytest.mark.parametrize(("change", "words"), [(wrong_shape, "aval says shape"), (wrong_dtype, "aval says dtype")])
@pytest.mark.parametrize("op", [ops.mul, ops.sum, ops.matmul, ops.gather], ids=repr)
def test_a_wrong_aval_fails(op, change, words):
    case = first(op)
    checks.check_aval(case, np.float64)
    with broken(case, aval=change(op.aval)) as wrong, pytest.raises(AssertionError, match=words):
        checks.check_aval(wrong, np.float64)


@pytest.mark.parametrize("op", [ops.exp, ops.matmul, ops.cumsum], ids=repr)
def test_a_value_off_in_its_twelfth_digit_fails(op):
    case = first(op)
    change = lambda *args, **params: op.eval(*args, **params) * (1 + 1e-12)
    with broken(case, eval=change) as wrong, pytest.raises(AssertionError, match="Not equal to tolerance"):
        checks.check_value(wrong, np.float64, REFERENCES[op])


def test_a_value_of_another_dtype_fails():
    narrow = lambda x: np.exp(x).astype(np.float32)
    words = "dtype float32, expected float64"
    with broken(first(ops.exp), eval=narrow) as wrong, pytest.raises(AssertionError, match=words):
        checks.check_value(wrong, np.float64, np.exp)


def test_a_lost_nan_fails():
    case = first(ops.exp)
    with broken(case, eval=lambda x: np.nan_to_num(np.exp(x))) as wrong, pytest.raises(AssertionError):
        checks.check_special_values(wrong, np.float64, np.exp)
    checks.check_special_values(case, np.float64)


def mutates_cotangent(rule: Any) -> Any:
    def mutating(g: Any, *args: Any, **params: Any) -> Any:
        if isinstance(g, np.ndarray):
            g *= 2.0
        return rule(g, *args, **params)

    return mutating


def mutates_input(rule: Any) -> Any:
    def mutating(g: Any, out: Any, x: Any, *args: Any, **params: Any) -> Any:
        if isinstance(x, np.ndarray):
            x += 1.0
        return rule(g, out, x, *args, **params)

    return mutating


def mutates_output(rule: Any) -> Any:
    def mutating(g: Any, out: Any, *args: Any, **params: Any) -> Any:
        if isinstance(out, np.ndarray):
            out += 1.0
        return rule(g, out, *args, **params)

    return mutating


@pytest.mark.parametrize("change", [mutates_cotangent, mutates_input, mutates_output])
def test_a_rule_that_writes_into_what_it_is_given_fails(change):
    case = first(ops.hypot)
    with (
        broken(case, vjps=each_rule(case, change)) as wrong,
        pytest.raises(AssertionError, match="wrote into"),
    ):
        checks.check_inputs_unchanged(wrong)


def test_a_value_that_writes_into_its_input_fails():
    def writes(x):
        x += 1.0
        return np.sin(x)

    with broken(first(ops.sin), eval=writes) as wrong:
        with pytest.raises(AssertionError, match="wrote into"):
            checks.check_inputs_unchanged(wrong)
        with pytest.raises(AssertionError, match="wrote into"):
            checks.check_inputs_unchanged(replace(wrong, wrt=()))


def widened(rule: Any) -> Any:
    return lambda *args, **params: ops.astype(rule(*args, **params), dtype=np.dtype(np.float64))


def blurred(rule: Any) -> Any:
    def through_float16(*args: Any, **params: Any) -> Any:
        g = rule(*args, **params)
        if g.dtype == np.float64:
            return g
        return ops.astype(ops.astype(g, dtype=np.dtype(np.float16)), dtype=g.dtype)

    return through_float16


@pytest.mark.parametrize(("change", "words"), [(widened, "dtype float64"), (blurred, "Not equal")])
@pytest.mark.parametrize("op", [ops.tanh, ops.mul, ops.sum, ops.matmul], ids=repr)
def test_a_gradient_of_the_wrong_dtype_or_accuracy_fails(op, change, words):
    case = first(op)
    with broken(case, vjps=each_rule(case, change)) as wrong, pytest.raises(AssertionError, match=words):
        checks.check_dtype_of_gradients(wrong)


@pytest.mark.parametrize("op", [ops.add, ops.matmul, ops.concatenate], ids=repr)
def test_a_gradient_of_the_dtype_of_the_other_input_fails(op):
    case = first(op)
    with broken(case, vjps=each_rule(case, widened)) as wrong, pytest.raises(AssertionError, match="float64"):
        checks.check_mixed_dtypes(wrong)


def test_a_value_that_depends_on_the_memory_layout_fails():
    case = next(c for c in SMOOTH if c.op is ops.transpose and c.inputs == ((2, 3, 4),))
    reads_memory = lambda x, *, axes: np.transpose(x.ravel(order="K").reshape(x.shape), axes)
    with broken(case, eval=reads_memory) as wrong:
        checks.check_value(wrong, np.float64, REFERENCES[ops.transpose])
        with pytest.raises(Failure):
            checks.check_layout(wrong, "fortran")


def test_a_gradient_that_depends_on_the_memory_layout_fails():
    case = next(c for c in SMOOTH if c.op is ops.square)
    reads_memory = lambda rule: lambda g, out, x: 2 * g * x.ravel(order="K").reshape(x.shape)
    with broken(case, vjps=each_rule(case, reads_memory)) as wrong, pytest.raises(AssertionError):
        checks.check_layout(wrong, "fortran")


def test_a_rule_that_differs_on_tensors_fails():
    case = first(ops.exp)
    differs = lambda rule: lambda g, *args: rule(g, *args) * (1.0 if isinstance(g, np.ndarray) else 1.001)
    with broken(case, vjps=each_rule(case, differs)) as wrong, pytest.raises(AssertionError):
        checks.check_sweeps_agree(wrong)
