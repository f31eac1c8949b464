"""What the tests of Jacobians and Hessians have in common: a function, and its derivatives by differences."""

import numpy as np

import autograd as ag
from autograd.gradcheck import numerical_jacobians


def energy(x):
    """One number, with a full Hessian."""
    return np.sum(np.sin(x) * x[::-1]) ** 2 + np.prod(x)


def close(actual, expected, rtol=1e-12):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-13)


def differences(f, x):
    """The Jacobian of `f` by central differences, of the shape of the result and then that of `x`."""
    (found,) = numerical_jacobians(f, [ag.tensor(x)], 0, 1e-6)
    return found.reshape(*f(ag.tensor(x)).shape, *x.shape)
