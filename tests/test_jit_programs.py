"""Random programs, compiled: the value and the gradients of eager execution, at new inputs too."""

import numpy as np
from hypothesis import given, settings

import jit
from autograd.transforms import value_and_grad
from tests.checks import close
from tests.programs import Program, programs

#: Roundings, at the scale of the largest element, by which the results may differ.
ULPS = 2**12


def agree(program: Program, inputs: tuple[np.ndarray, ...], f: object) -> None:
    argnums = tuple(range(len(inputs)))
    value, gradients = f(*inputs)
    expected, expected_gradients = value_and_grad(program, argnums)(*inputs)
    close(value, expected, ULPS)
    for ours, eager in zip(gradients, expected_gradients, strict=True):
        close(ours, np.asarray(eager), ULPS)


@settings(max_examples=60)
@given(programs(smooth=False))
def test_compiled_equals_eager(program):
    inputs = program.inputs()
    f = jit.value_and_grad(program, tuple(range(len(inputs))))
    agree(program, inputs, f)
    agree(program, tuple(0.9 * x for x in inputs), f)


@settings(max_examples=15)
@given(programs(smooth=True, most_steps=5))
def test_second_order(program):
    inputs = program.inputs()

    def norm(*xs):
        _, gradients = value_and_grad(program, tuple(range(len(xs))))(*xs)
        total = 0.0
        for g in gradients:
            total = total + (g * g).sum()
        return total

    f = jit.value_and_grad(norm, tuple(range(len(inputs))))
    agree(norm, inputs, f)
