"""Fourier transforms: NumPy's values, gradients, and transforms of all lengths in kernels."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.protocols import FUNCTIONS

F = np.fft
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 4, 5))
Z = X + 1j * RANDOM.normal(size=X.shape)

CALLS = {
    "fft": [(F.fft, Z), (lambda a: F.fft(a, 7, 0, "ortho"), Z), (lambda a: F.fft(a, 2, 1, "forward"), Z), (F.fft, X)],
    "ifft": [(F.ifft, Z), (lambda a: F.ifft(a, 6, norm="forward"), Z), (lambda a: F.ifft(a, norm="ortho"), X)],
    "rfft": [(F.rfft, X), (lambda a: F.rfft(a, axis=1, norm="ortho"), X), (lambda a: F.rfft(a, 7, 0), X)],
    "irfft": [(F.irfft, Z), (lambda a: F.irfft(a, 7, 0, "forward"), Z), (lambda a: F.irfft(a, 3), X)],
    "hfft": [(F.hfft, Z), (lambda a: F.hfft(a, norm="ortho"), Z)],
    "ihfft": [(F.ihfft, X), (lambda a: F.ihfft(a, 6, norm="forward"), X)],
    "fftn": [(F.fftn, Z), (lambda a: F.fftn(a, axes=(0, 2)), Z), (lambda a: F.fftn(a, (2, 6), (0, 2), "ortho"), X)],
    "ifftn": [(F.ifftn, Z), (lambda a: F.ifftn(a, axes=(1,), norm="forward"), Z)],
    "rfftn": [(F.rfftn, X), (lambda a: F.rfftn(a, (4, 6), (0, 2)), X)],
    "irfftn": [(F.irfftn, Z), (lambda a: F.irfftn(a, (4, 6), (1, 2)), Z), (lambda a: F.irfftn(a, axes=(0, 2)), Z)],
    "fft2": [(F.fft2, Z)],
    "ifft2": [(F.ifft2, X)],
    "rfft2": [(lambda a: F.rfft2(a, norm="ortho"), X)],
    "irfft2": [(F.irfft2, Z)],
    "fftshift": [(F.fftshift, Z), (lambda a: F.fftshift(a, 1), X)],
    "ifftshift": [(F.ifftshift, Z), (lambda a: F.ifftshift(a, axes=(0, 2)), X)],
}
EVERY_CALL = [pytest.param(f, x, id=f"{name}-{i}") for name, calls in CALLS.items() for i, (f, x) in enumerate(calls)]


def test_every_function_has_a_call():
    ours = {function for function in FUNCTIONS if function in {getattr(F, name) for name in F.__all__}}
    assert {function.__name__ for function in ours} == CALLS.keys()
    assert {name for name in ag.fft.__all__ if not name.endswith("freq")} == CALLS.keys()


@pytest.mark.parametrize(("f", "x"), EVERY_CALL)
def test_values(f, x):
    for dtype in (x.dtype, np.complex64 if x.dtype.kind == "c" else np.float32):
        given = x.astype(dtype)
        expected = f(given)
        for found in (f(ag.tensor(given)).data, jit.compile(lambda a: f(a))(given)):
            assert found.dtype == expected.dtype
            tolerance = 1e-14 if dtype == x.dtype else 1e-5
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(("f", "x"), EVERY_CALL)
def test_gradients(f, x):
    assert gradcheck(f, x[:2], check_forward=True)
    assert gradgradcheck(f, x[:1])

    def loss(a):
        return np.sum(np.abs(f(a) - 0.3) ** 3)

    eager, compiled = (library.value_and_grad(loss)(x) for library in (ag, jit))
    for ours, theirs in zip(compiled, eager, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-11 * np.abs(theirs).max())


@pytest.mark.parametrize(("f", "x"), [(F.fft, Z), (F.rfft, X), (lambda a: F.irfft(a, 7), Z)])
def test_second_order_in_kernels(f, x):
    def of_gradient(a):
        return np.sum(np.abs(ag.grad(lambda a: np.sum(np.abs(f(a) - 0.3) ** 3))(a)) ** 2)

    eager, compiled = (library.grad(of_gradient)(x) for library in (ag, jit))
    np.testing.assert_allclose(compiled, eager, rtol=1e-10, atol=1e-11 * np.abs(eager).max())


#: Powers of each radix and products of them; primes, and what has a large prime factor; even and odd.
LENGTHS = (1, 2, 3, 4, 6, 7, 8, 13, 15, 17, 22, 34, 60, 64, 97, 1009, 4096)
IN_BOTH = (8, 15, 34)


@pytest.mark.parametrize(("n", "dtype"), [*[(n, np.float64) for n in LENGTHS], *[(n, np.float32) for n in IN_BOTH]])
def test_lengths_in_kernels(n, dtype):
    x = RANDOM.normal(size=n).astype(dtype)
    z = (x + 1j * RANDOM.normal(size=n)).astype(np.result_type(dtype, np.complex64))
    half = z[: n // 2 + 1]

    def all_of_them(z, x, half):
        return F.fft(z), F.ifft(z), F.rfft(x), F.irfft(half, n)

    values = jit.compile(all_of_them)(z, x, half)
    calls = ((F.fft, z), (F.ifft, z), (F.rfft, x), (lambda a: F.irfft(a, n), half))
    for (f, given), found in zip(calls, values, strict=True):
        exact = f(given.astype(np.result_type(given.dtype, np.float64)))
        assert found.dtype == f(given).dtype
        error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
        assert error < 4 * np.finfo(dtype).eps * max(np.log2(n), 1)


def test_strides_and_several_uses_in_one_kernel():
    def f(z):
        both = F.fft(z, axis=0) + F.fft(z, axis=1)
        return F.ifft(both[:, ::2] * F.fftfreq(2), axis=0), F.rfft(np.real(z.T), axis=0)

    z = RANDOM.normal(size=(4, 8)) + 1j * RANDOM.normal(size=(4, 8))
    for given in (z[:, :4], z[:, ::2], z[::-1, 4:], np.asfortranarray(z[:, :4])):
        for ours, expected in zip(jit.compile(f)(given), f(given), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-14)


def test_in_loops():
    def f(z):
        def step(c, x):
            c = F.ifft(F.fft(c) * z[1]) + x
            return c, F.rfft(np.real(c))

        last, rows = ag.scan(step, z[0], np.arange(3.0))
        return np.sum(np.abs(last) ** 2) + np.sum(np.abs(rows))

    eager, compiled = (library.value_and_grad(f)(Z[0]) for library in (ag, jit))
    for ours, theirs in zip(compiled, eager, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)


ERRORS = [
    (lambda x: ag.fft.fft(x, 0), ValueError, "`fft` needs a length of one at least, got 0"),
    (lambda x: ag.fft.irfft(x[..., :1]), ValueError, "`irfft` needs a length of one at least, got 0"),
    (lambda x: ag.fft.fft(x, norm="other"), ValueError, '`fft` needs `norm` "backward", "ortho" or "forward"'),
    (lambda x: ag.fft.hfft(x, norm="other"), ValueError, '`hfft` needs `norm` "backward", "ortho" or "forward"'),
    (lambda x: ag.fft.rfft(x * 1j), TypeError, "`rfft` needs real numbers, got complex128; take `fft`"),
    (lambda x: ag.fft.fftn(x, (2, 3), (1,)), ValueError, "`fftn` needs axes, and as many lengths"),
    (lambda x: ag.fft.fft(x, axis=3), ValueError, "`fft` needs an axis between -3 and 2"),
]


@pytest.mark.parametrize(("call", "error", "words"), ERRORS)
def test_errors(call, error, words):
    for x in (X, ag.tensor(X)):
        with pytest.raises(error, match=words):
            call(x)
