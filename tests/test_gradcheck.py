"""The public check of gradients: what it accepts, what it finds, and how it says so."""

import re

import numpy as np
import pytest

import autograd as ag
from autograd import ops
from autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from autograd.primitive import PRIMITIVES, Aval, Primitive


@pytest.fixture
def wrong():
    """`x * x` with the rule of `1.5 * x * x` for its last element, and a second rule that is right."""

    def rule(g, _, x):
        return g * x * np.array([2.0, 2.0, 3.0])

    yield Primitive("wrong", eval=lambda x: x * x, aval=lambda x: Aval(x.shape, x.dtype), vjps=(rule,))
    del PRIMITIVES["wrong"]


@pytest.fixture
def misshapen():
    """A rule that forgets to undo the broadcasting."""

    def rule(g, _, x):
        return ops.expand(g, shape=(2, *g.shape))

    yield Primitive("misshapen", eval=lambda x: x, aval=lambda x: x, vjps=(rule,))
    del PRIMITIVES["misshapen"]


def test_correct_gradients_pass():
    x, y = np.array([0.5, -1.0]), np.array([[2.0], [3.0]])
    assert gradcheck(lambda x, y: ops.sin(x) * y, (x, y)) is True
    assert gradgradcheck(lambda x, y: ops.sin(x) * y, (x, y)) is True
    assert gradcheck(lambda x: x * 3.0, x)
    assert gradcheck(lambda x: x * 3.0, [2.0])


def test_several_outputs_are_checked():
    x = np.array([0.5, -1.0, 2.0])
    both = lambda x: (x * x, ops.exp(x))
    assert gradcheck(both, x)
    assert gradgradcheck(both, x)
    assert gradgradcheck(both, x, grad_outputs=(np.ones(3), np.array([1.0, 0.0, 2.0])))


def test_the_message_names_the_worst_element(wrong):
    f = lambda c, x: (c * 2.0, wrong(x))
    with pytest.raises(GradcheckError) as error:
        gradcheck(f, (np.ones(2), np.array([1.0, 2.0, 4.0])))
    found = re.search(
        r"gradient of output 1 at \(2,\) by input 1 at \(2,\): finite differences say (\S+), "
        r"the rules say (\S+); 1 of 9 elements differ by more than 1e-05 \+ 0.001",
        str(error.value),
    )
    assert found
    assert float(found[1]) == pytest.approx(8.0)
    assert float(found[2]) == 12.0
    assert isinstance(error.value, RuntimeError)


def test_tolerances_decide(wrong):
    x = np.array([1.0, 2.0, 4.0])
    assert gradcheck(wrong, x, rtol=0.51)
    assert gradcheck(wrong, x, atol=4.1)
    with pytest.raises(GradcheckError):
        gradcheck(wrong, x, atol=3.9, rtol=0.0)
    with pytest.raises(GradcheckError, match="finite differences say"):
        gradcheck(lambda x: x * x * x, np.array(2.0), eps=1.0)


def test_a_gradient_of_another_shape_is_found(misshapen):
    with pytest.raises(GradcheckError, match=r"shape and dtype of the input, \(3,\) of float64, got \(2, 3\)"):
        gradcheck(misshapen, np.ones(3))


def test_a_gradient_that_is_not_a_number_is_found():
    with pytest.raises(GradcheckError, match="the rules say nan"):
        gradcheck(lambda x: ops.where(x < 0, 0.0, x * 1.0) * ops.hypot(x, x), np.array([0.0]))


def test_a_second_derivative_is_found_where_the_first_is_right():
    def right_once(x):
        detached = ops.stop_gradient(x)
        return x * x * detached + 0.5 * detached * detached * (x - detached)

    x = np.array([1.0, 2.0])
    with pytest.raises(GradcheckError):
        gradcheck(right_once, x)
    linear = lambda x: ops.mul(x, 3.0)
    assert gradgradcheck(linear, x)


def test_constants_are_held():
    x = np.array([1.0, 2.0, 3.0])
    index = np.array([0, 2])
    assert gradcheck(lambda x, i: ops.gather(x, i.data), (x, index))
    fixed = ag.Tensor(x)
    assert gradcheck(lambda y, c: y * ops.floor(c), (x, fixed))
    with pytest.raises(GradcheckError):
        gradcheck(lambda y, c: y * ops.stop_gradient(c), (x, ag.Tensor(x, requires_grad=True)))


def test_inputs_are_left_as_they_are():
    x = np.array([1.0, 2.0])
    t = ag.Tensor(x, requires_grad=True)
    assert gradcheck(lambda a, b: a * b, (x, t))
    np.testing.assert_array_equal(x, [1.0, 2.0])
    assert t.grad is None


def test_empty_inputs_pass():
    assert gradcheck(lambda x: x * 2.0, np.zeros((0, 3)))
    assert gradcheck(lambda x: ops.sum(x, axis=(0,), keepdims=False), np.zeros((0, 3)))
    assert gradgradcheck(lambda x: x * x, np.zeros(0))


def test_a_constant_function_has_the_gradient_zero():
    assert gradcheck(lambda x: ops.stop_gradient(ops.floor(x)), np.array([0.5]))


def test_wrong_use_is_explained():
    x = np.ones(2)
    with pytest.raises(ValueError, match="finite differences need float64 or complex128, got float32 as input 1"):
        gradcheck(lambda x, y: x * y, (x, x.astype(np.float32)))
    with pytest.raises(ValueError, match="at least one float64 array"):
        gradcheck(lambda x: x, np.array([1, 2]))
    with pytest.raises(TypeError, match=r"returns a tensor or several, got \['float'\]"):
        gradcheck(lambda x: 3.0, x)
    with pytest.raises(ValueError, match="`grad_outputs` for each of 1 differentiable outputs, got 2"):
        gradgradcheck(lambda x: x * x, x, grad_outputs=(x, x))
