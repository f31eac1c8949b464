"""Random programs: their gradients, and their values on arrays and on tensors."""

import numpy as np
from hypothesis import given, settings

import autograd as ag
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.transforms import grad, value_and_grad
from tests.programs import APPLY, Program, Step, programs


def tolerances(program: Program) -> dict[str, float]:
    scale = max(1.0, abs(float(program(*program.inputs()))))
    return {"eps": 1e-6, "atol": 1e-6 * scale, "rtol": 1e-5}


@settings(max_examples=120)
@given(programs(smooth=True))
def test_gradient(program):
    assert gradcheck(program, program.inputs(), **tolerances(program))


@settings(max_examples=25)
@given(programs(smooth=True, most_steps=4))
def test_second_order(program):
    assert gradgradcheck(program, program.inputs(), **tolerances(program))


@settings(max_examples=80)
@given(programs(smooth=False))
def test_tensors_and_arrays_and_both_sweeps_agree(program):
    arrays = program.inputs()
    argnums = tuple(range(len(arrays)))
    xs = [ag.Tensor(x, requires_grad=True) for x in arrays]
    out = program(*xs)
    np.testing.assert_array_equal(out.data, program(*arrays))
    value, expected = value_and_grad(program, argnums)(*arrays)
    np.testing.assert_array_equal(value, out.data)
    if out.requires_grad:
        for create_graph in (True, False):
            found = grad(out, xs, create_graph=create_graph, allow_unused=True)
            for g, x, y in zip(found, xs, expected, strict=True):
                assert x.shape == np.shape(y)
                np.testing.assert_allclose(np.zeros(x.shape) if g is None else g.data, y, rtol=1e-14)


def test_programs_reach_every_kind_of_step():
    seen: set[str] = set()

    @settings(max_examples=300, database=None, derandomize=True)
    @given(programs(smooth=False))
    def collect(program: Program) -> None:
        seen.update(step.name for step in program.steps)

    collect()
    assert seen <= set(APPLY)
    assert len(seen) > 0.8 * len(APPLY)


def test_a_program_is_what_its_steps_say():
    program = Program(((2, 1), (3,)), (Step("mul", (0, 1)), Step("mean", (2,), ((0,), False))), 0)
    x, y = program.inputs()
    expected = (0.5 * x * y).mean(0) @ np.cos([0.5, 1.5, 2.5]) / 3
    np.testing.assert_allclose(program(x, y), expected, rtol=1e-14)
