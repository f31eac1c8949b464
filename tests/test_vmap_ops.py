"""`jit.vmap` of every primitive: what a loop of Python over the examples gives, value and gradients."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jit
from autograd.primitive import PRIMITIVES
from autograd.tape import Tape, onto
from autograd.tensor import constant
from autograd.transforms import value_and_grad
from autograd.tree import leaves_of
from jit.batching.graphs import rule_of
from jit.batching.rules import RULES
from tests import checks
from tests.cases import CASES, Case
from tests.programs import programs
from tests.test_jit_ops import ULPS, arguments, flipped, function

#: Those that no rule is for, and why.
ELSEWHERE = {
    "one loop, or a loop over the examples (`batching/graphs.py`)": {
        "scan",
        "switch",
        "function_call",
        "function_output",
    },
    "a number that all examples share": {"length"},
    "on tapes alone, where graphs have their results": {"loop_call", "loop_output"},
    "outside of recordings alone": {"rerun_call", "rerun_output", "compiled_call", "compiled_output"},
    "made by the passes alone": {"dft", "geev"},
}

FIRST = {case.op: case for case in reversed(CASES)}
# Of ops of one family with many cases some stand for all.
MAPPED = [case for i, case in enumerate(CASES) if i % 3 == 0 or not case.op.elementwise or FIRST[case.op] is case]


def test_every_primitive_has_a_rule_or_a_reason_for_none():
    known = {op.name for op in RULES}
    elsewhere = set().union(*ELSEWHERE.values())
    assert not known & elsewhere
    assert known | elsewhere == set(PRIMITIVES)


def test_what_recorded_functions_do_not_have_is_refused():
    words = "`vmap` has no rule for `geev`, which is no operation of a recorded function; map a function"
    with pytest.raises(NotImplementedError, match=words):
        rule_of(PRIMITIVES["geev"])


def choices(count: int) -> list[tuple[int, ...]]:
    """Which of so many arrays are mapped: each alone, each pair, and all, the cotangent among them."""
    singles = [c for n in (1, 2) for c in combinations(range(count - 1), n)]
    return [*singles, tuple(range(count))]


def stacked(case: Case) -> tuple[list[Any], list[Any]]:
    """Two examples of the arrays of a case, and of a cotangent."""
    inputs = case.arrays()
    return arguments(case, inputs), arguments(case, [flipped(x) for x in inputs])


def mapped(case: Case, choice: tuple[int, ...]) -> tuple[list[Any], tuple[Any, ...], list[Any]]:
    """The arguments, the axes of the examples in them, and the results of each example."""
    one, other = stacked(case)
    given = [np.stack([x, other[i]], -1) if i in choice else x for i, x in enumerate(one)]
    axes = tuple([-1 if i in choice else None for i in range(len(one))])
    second = [other[i] if i in choice else x for i, x in enumerate(one)]
    f = function(case)
    with np.errstate(all="ignore"):
        expected = [np.stack(pair) for pair in zip(f(*one), f(*second), strict=True)]
    return given, axes, expected


def interpreted(f: Any, given: list[Any]) -> list[Any]:
    """The values and gradients that a mapped function gives while a tape records, by NumPy: nothing is compiled."""
    with onto(Tape(defers=True)):
        return [np.asarray(x.data) for x in leaves_of(f(*[constant(x) for x in given]))]


@pytest.mark.parametrize("case", MAPPED, ids=repr)
def test_value_and_gradients(case):
    for choice in choices(len(stacked(case)[0])):
        given, axes, expected = mapped(case, choice)
        before = checks.contents(given)
        with np.errstate(all="ignore"):
            actual = interpreted(jit.vmap(function(case), axes), given)
        for ours, eager in zip(actual, expected, strict=True):
            checks.close(ours, eager, ULPS)
        assert checks.contents(given) == before


@pytest.mark.parametrize("case", [case for i, case in enumerate(FIRST.values()) if i % 6 == 0], ids=repr)
def test_compiled(case):
    given, axes, expected = mapped(case, choices(len(stacked(case)[0]))[-1])
    actual = jit.vmap(function(case), axes)(*given)
    for ours, eager in zip(actual, expected, strict=True):
        checks.close(ours, eager, ULPS)


@settings(max_examples=60)
@given(programs(smooth=False), st.data())
def test_random_programs(program, data):
    inputs = program.inputs()
    given = data.draw(st.lists(st.booleans(), min_size=len(inputs), max_size=len(inputs)).filter(any))
    many = [np.stack([x, 0.9 * x, 1.1 * x]) if z else x for x, z in zip(inputs, given, strict=True)]
    f = value_and_grad(program, tuple(range(len(inputs))))
    rows = [leaves_of(f(*[x[i] if z else x for x, z in zip(many, given, strict=True)])) for i in range(3)]
    actual = interpreted(jit.vmap(f, tuple([0 if z else None for z in given])), many)
    for ours, column in zip(actual, zip(*rows, strict=True), strict=True):
        checks.close(ours, np.stack(column), 1 << 16)
