"""Nested parameters as one vector and back."""

import numpy as np
import pytest

import autograd as ag
import jit

TREE = {"w": np.arange(6.0).reshape(3, 2).T, "rest": (np.float64(7.0), [np.zeros((0, 2))])}


def test_there_and_back_is_the_same():
    vector, unravel = ag.ravel_tree(TREE)
    np.testing.assert_array_equal(vector.numpy(), [0, 2, 4, 1, 3, 5, 7])
    back = unravel(vector)
    np.testing.assert_array_equal(back["w"].numpy(), TREE["w"])
    assert isinstance(back["rest"], tuple)
    assert float(back["rest"][0]) == 7.0
    assert back["rest"][1][0].shape == (0, 2)


def test_both_ways_are_differentiable_and_compile():
    vector, unravel = ag.ravel_tree(TREE)

    def of_vector(v):
        tree = unravel(v)
        return ag.sum(tree["w"] ** 2) * tree["rest"][0]

    def of_tree(w, b):
        return ag.sum(ag.ravel_tree([w, b])[0] ** 3)

    v = vector.numpy()
    expected = np.append(2 * v[:6] * 7, np.sum(v[:6] ** 2))
    np.testing.assert_allclose(ag.grad(of_vector)(v), expected)
    np.testing.assert_allclose(jit.value_and_grad(of_vector)(v)[1], expected)
    np.testing.assert_allclose(ag.grad(of_tree)(TREE["w"], 2.0), 3 * TREE["w"] ** 2)
    np.testing.assert_allclose(jit.value_and_grad(of_tree)(TREE["w"], 2.0)[1], 3 * TREE["w"] ** 2)


def test_the_dtype_is_that_of_the_leaves_and_then_of_the_vector():
    vector, unravel = ag.ravel_tree([np.float32(1), np.ones(2, np.float32)])
    assert vector.dtype == np.float32
    assert unravel(np.ones(3))[0].dtype == np.float64


def test_what_makes_no_vector_is_refused():
    with pytest.raises(TypeError, match="`ravel_tree` needs leaves of one dtype, got float32, float64"):
        ag.ravel_tree([np.float32(1), np.float64(1)])
    with pytest.raises(ValueError, match="`ravel_tree` needs a tree with at least one array"):
        ag.ravel_tree({})
    with pytest.raises(ValueError, match=r"`unravel` needs a vector of the shape \(7,\), got the shape \(3,\)"):
        ag.ravel_tree(TREE)[1](np.ones(3))
