"""Nothing is left out: every primitive has cases, references and rules that are checked."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import ops
from autograd.custom import custom_call
from autograd.function import function_call, function_output
from autograd.lengths import length
from autograd.primitive import PRIMITIVES, Primitive
from autograd.rerun import rerun_call, rerun_output
from tests.cases import CASES, REPEATED, SMOOTH, has_rule
from tests.references import REFERENCES

# Asked of a process of its own: others than the library may have registered primitives in this one.
_PROGRAM = "import autograd.primitive; print(*autograd.primitive.PRIMITIVES)"
_NAMES = subprocess.run(
    [sys.executable, "-c", _PROGRAM],
    cwd=Path(__file__).parents[1],
    capture_output=True,
    text=True,
    check=True,
)
#: What stands on a tape for functions of the user's, loops among them, and for an open length; these have tests of
#: their own.
OTHERS = {custom_call, function_call, function_output, length, rerun_call, rerun_output}
EVERY = [PRIMITIVES[name] for name in sorted(_NAMES.stdout.split()) if PRIMITIVES[name] not in OTHERS]
NUMPY_OWN = [ufunc for ufunc in ops.UFUNCS if isinstance(ufunc, np.ufunc)]


def rules(op: Primitive) -> set[int]:
    """The inputs by which the op has a rule; of an op of any number of inputs, the first two."""
    count = 2 if callable(op.vjps) else len(op.vjps)
    return {i for i in range(count) if has_rule(op, i)}


def test_every_primitive_has_a_case():
    assert set(EVERY) - {c.op for c in CASES} == set()


def test_every_primitive_has_a_reference():
    assert set(EVERY) - set(REFERENCES) == set()


def test_every_rule_is_checked():
    checked = {(c.op, i) for c in SMOOTH for i in c.wrt}
    assert {(op, i) for op in EVERY for i in rules(op)} - checked == set()


def test_every_primitive_is_in_the_namespace_of_ops():
    assert {op for op in EVERY if op not in vars(ops).values()} == set()
    assert sorted(ops.__all__) == sorted(set(ops.__all__))
    assert [name for name in ops.__all__ if not hasattr(ops, name)] == []


def test_every_case_has_a_name_of_its_own():
    assert REPEATED == []


@pytest.mark.parametrize("ufunc", NUMPY_OWN, ids=lambda ufunc: ufunc.__name__)
def test_every_ufunc_is_the_primitive_that_it_maps_to(ufunc):
    op = ops.UFUNCS[ufunc]
    for case in [c for c in CASES if c.op is op and c.kinds != "c" and len(c.inputs) == ufunc.nin]:
        arrays = case.arrays()
        expected = ufunc(*arrays)
        np.testing.assert_array_equal(op(*arrays), expected)
        assert op(*arrays).dtype == expected.dtype
