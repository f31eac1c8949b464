"""Eigenvalues of general matrices, and equations with complex ones: values, conventions, gradients, kernels."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.gradcheck import gradcheck, gradgradcheck

L = ag.linalg
RANDOM = np.random.default_rng(3)
REAL = {n: RANDOM.normal(size=(n, n)) for n in (1, 2, 3, 5)}
COMPLEX = {n: x + 1j * RANDOM.normal(size=(n, n)) for n, x in REAL.items()}
STACK = RANDOM.normal(size=(2, 3, 3))
MATRICES = [*REAL.values(), *COMPLEX.values(), STACK]
EVERY_MATRIX = pytest.mark.parametrize("x", MATRICES, ids=lambda x: f"{x.dtype}-{x.shape}")

FUNCTIONS = {
    "eigvals": L.eigvals,
    "eigenvectors": lambda x: L.eig(x).eigenvectors,
    "inv": L.inv,
    "solve": lambda x: L.solve(x, 1j * x[..., :1]),
}


@EVERY_MATRIX
@pytest.mark.parametrize("narrow", [False, True])
def test_values(x, narrow):
    x = x.astype({"c": np.complex64, "f": np.float32}[x.dtype.kind]) if narrow else x
    for values, vectors in (L.eig(x), np.linalg.eig(ag.tensor(x)), np.linalg.eig(x)):
        values, vectors = np.asarray(values), np.asarray(vectors)
        np.testing.assert_allclose(x @ vectors, vectors * values[..., None, :], atol=1e-4 if narrow else 1e-12)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=-2), 1, rtol=1e-5)
        largest = np.take_along_axis(vectors, np.argmax(np.abs(vectors), -2)[..., None, :], -2)
        np.testing.assert_allclose(largest.imag, 0, atol=1e-6)
    assert L.eig(x).eigenvalues.dtype == L.eigvals(x).dtype == (np.complex64 if narrow else np.complex128)


@EVERY_MATRIX
@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_gradients(f, x):
    assert gradcheck(f, x, check_forward=True)
    assert gradgradcheck(f, x, atol=1e-4)


def test_the_gradient_of_real_matrices_is_real():
    assert ag.grad(lambda x: np.sum(np.abs(L.eigvals(x))))(REAL[3]).dtype == np.float64


@pytest.mark.parametrize("x", [*REAL.values(), STACK], ids=lambda x: str(x.shape))
def test_kernels(x):
    for f in FUNCTIONS.values():
        eager, compiled = (
            library.value_and_grad(lambda x, f=f: np.sum(np.abs(f(x) - 0.3j) ** 3))(x) for library in (ag, jit)
        )
        for ours, theirs in zip(compiled, eager, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)
    narrow = x.astype(np.float32)
    for ours, theirs in zip(jit.compile(L.eig)(narrow), L.eig(narrow), strict=True):
        assert ours.dtype == np.complex64
        # What LAPACK promises of an element is relative to the largest.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * np.max(np.abs(theirs)))


@pytest.mark.parametrize("f", [FUNCTIONS["inv"], FUNCTIONS["solve"]])
def test_equations_of_complex_matrices_in_kernels(f):
    for x in COMPLEX.values():
        eager, compiled = (library.value_and_grad(lambda x: np.sum(np.abs(f(x)) ** 2))(x) for library in (ag, jit))
        for ours, theirs in zip(compiled, eager, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-14)


def test_equal_eigenvalues():
    """The sum of the eigenvalues is smooth; a vector of equal ones has no derivative, and what a matrix lacks none."""
    trace = ag.grad(lambda x: np.real(np.sum(L.eigvals(x))))
    np.testing.assert_array_equal(trace(np.eye(2)), np.eye(2))
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    for x in (np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]])):
        assert not np.isfinite(ag.grad(lambda x: np.sum(np.real(L.eig(x).eigenvectors) * weights))(x)).all()


def test_matrices_without_elements():
    found = L.eig(np.ones((0, 0)))
    assert (found.eigenvalues.shape, found.eigenvectors.shape) == ((0,), (0, 0))
    assert jit.compile(L.eigvals)(np.ones((2, 0, 0))).shape == (2, 0)


def test_errors():
    with pytest.raises(ValueError, match="`eig` needs square matrices"):
        L.eig(np.ones((2, 3)))
    with pytest.raises(NotImplementedError, match="`eig` of complex numbers cannot be compiled; run this part outside"):
        jit.compile(L.eigvals)(COMPLEX[2])
    for name in ("cholesky", "det", "eigh", "qr", "svd", "lu"):
        with pytest.raises(TypeError, match=f"`{name}` needs float64 or float32, got complex128; convert"):
            getattr(L, name)(COMPLEX[2])
