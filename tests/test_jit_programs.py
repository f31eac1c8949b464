"""Random programs, compiled: the value and the gradients of eager execution, at new inputs too."""

from typing import Any

import numpy as np
from hypothesis import example, given, settings

import jit
from autograd.transforms import value_and_grad
from tests.programs import Program, Step, programs

#: Relative to the larger of one and the largest element: the terms of a sum that cancels are of that size.
TOLERANCE = 1e-11


def agree(program: Any, inputs: tuple[np.ndarray, ...]) -> None:
    """The compiled value and gradients are the eager ones, where they were recorded and elsewhere."""
    argnums = tuple(range(len(inputs)))
    f = jit.value_and_grad(program, argnums)
    for factor in (1.0, 0.9):
        xs = [np.asarray(factor * x) for x in inputs]
        value, gradients = f(*xs)
        expected, expected_gradients = value_and_grad(program, argnums)(*xs)
        for ours, eager in zip((value, *gradients), (expected, *expected_gradients), strict=True):
            assert np.shape(ours) == np.shape(eager)
            assert ours.dtype == eager.dtype
            scale = max(1.0, np.abs(eager).max(initial=0.0))
            np.testing.assert_allclose(ours, eager, rtol=TOLERANCE, atol=TOLERANCE * scale)


@settings(max_examples=60)
@given(programs(smooth=False))
@example(Program(((), (1, 1)), (Step("flatten", (0,)), Step("matmul", (2, 1))), 0))
@example(Program(((1, 1),), (Step("gather", (0,), ((-1,),)), Step("add", (0, 1))), 0))
def test_compiled_equals_eager(program):
    agree(program, program.inputs())


@settings(max_examples=30)
@given(programs(smooth=False, most_steps=6, max_side=40, largest=4000))
def test_larger_arrays(program):
    agree(program, program.inputs())


@settings(max_examples=15)
@given(programs(smooth=True, most_steps=5))
@example(Program(((), (1, 1)), (Step("scatter_add", (1,), ((0,), 4)),), 0))
def test_second_order(program):
    inputs = program.inputs()

    def norm(*xs):
        _, gradients = value_and_grad(program, tuple(range(len(xs))))(*xs)
        total = 0.0
        for g in gradients:
            total = total + (g * g).sum()
        return total

    agree(norm, inputs)


def test_a_result_that_is_one_element_reshaped():
    f = lambda x, y: (x * y.reshape(1)).reshape(())
    xs = np.array(0.3), np.array(0.2)
    np.testing.assert_allclose(jit.compile(f)(*xs), 0.06, rtol=1e-15)
