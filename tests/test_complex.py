"""Complex numbers: gradients by PyTorch's convention, branch cuts, and what kernels take and return."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops
from autograd.gradcheck import gradcheck, gradgradcheck
from tests.cases import COMPLEX_UNARY

Z = np.array([[1.0 + 2.0j, 0.5 - 1.0j, -0.3 + 0.1j], [0.7j + 0.2, -1.1 - 0.4j, 0.9 + 0.0j]])
W = np.array([0.4 - 0.8j, 1.5 + 0.2j, -0.6 + 1.1j])
X = np.array([[0.4, 1.5, 2.0], [1.2, 0.7, 0.3]])

#: Functions that are composed, each with arrays that it takes.
COMPOSED = {
    "angle": (np.angle, (Z,)),
    "mean": (np.mean, (Z,)),
    "var": (lambda z: np.var(z, axis=1, ddof=1), (Z,)),
    "std": (np.std, (Z,)),
    "norm": (np.linalg.norm, (Z,)),
    "norm of rows": (lambda z: np.linalg.norm(z, 3, axis=1), (Z,)),
    "vdot": (np.vdot, (Z, X)),
    "inner": (lambda z, w: np.inner(z[0], w), (Z, W)),
    "einsum": (lambda z, x: np.einsum("ij,kj->ik", z, x), (Z, X)),
    "outer": (np.outer, (W, X)),
    "kron": (np.kron, (Z, X)),
    "correlate": (lambda z, w: np.correlate(z[0], w, "full"), (Z, W)),
    "complex": (ag.complex, (X, X[:1])),
    "phase of real numbers": (lambda x, w: np.abs(np.exp(1j * x) + w) ** 2, (X, W)),
    "methods": (lambda z: z.real * z.conj() + z.imag - z.conjugate().angle(), (Z,)),
    "indices": (lambda z: z[:, [0, 2, 2]] * z[1, ::-1], (Z,)),
    "stack": (lambda z, x: np.stack([z, x]), (Z, X)),
    "power of a negative number": (lambda x, w: (-x) ** w, (X, W)),
}


@pytest.mark.parametrize(("f", "arrays"), COMPOSED.values(), ids=COMPOSED)
def test_composed_functions(f, arrays):
    assert gradcheck(f, arrays, check_forward=True)
    assert gradgradcheck(f, arrays)
    positions = tuple(range(len(arrays)))

    def loss(*arrays):
        return np.sum(np.abs(f(*arrays) - 0.3) ** 2)

    eager, compiled = (x.value_and_grad(loss, positions)(*arrays) for x in (ag, jit))
    np.testing.assert_allclose(compiled[0], eager[0], rtol=1e-12)
    for ours, theirs, x in zip(compiled[1], eager[1], arrays, strict=True):
        assert ours.dtype == theirs.dtype == x.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["angle", "mean", "var", "std", "norm", "norm of rows", "vdot", "inner", "einsum"])
def test_values_are_those_of_numpy(name):
    f, arrays = COMPOSED[name]
    np.testing.assert_allclose(f(*map(ag.tensor, arrays)).data, f(*arrays), rtol=1e-14)


# ---- the convention ----


@pytest.mark.parametrize("grad", [ag.grad, jit.grad], ids=["eager", "compiled"])
def test_a_gradient_is_the_direction_of_growth(grad):
    np.testing.assert_allclose(grad(lambda z: np.sum(np.abs(z) ** 2))(Z), 2 * Z, rtol=1e-14)
    np.testing.assert_allclose(grad(lambda z: np.sum(np.real(z)))(Z), np.ones_like(Z))
    np.testing.assert_allclose(grad(lambda z: np.sum(np.imag(z)))(Z), 1j * np.ones_like(Z))
    np.testing.assert_allclose(grad(lambda z: np.sum(np.real(W * z)))(Z), np.conj(W) * np.ones_like(Z))
    found = grad(lambda x: np.sum(np.real(W * x)))(X)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, W.real * np.ones_like(X))


def test_hooks_and_rules_of_the_user_see_gradients():
    seen = []

    class Square(ag.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z * z

        @staticmethod
        def backward(ctx, g):
            seen.append(g.data)
            (z,) = ctx.saved_tensors
            return g * np.conj(2 * z)

    cube = ag.custom(lambda z: z**3, vjp=lambda g, out, z: g * np.conj(3 * z**2))
    z = ag.tensor(W, requires_grad=True)
    y = Square.apply(z)
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.data))
    z.register_hook(lambda g: seen.append(g.data))
    np.sum(np.imag(cube(y))).backward()
    expected_y, expected_z = 1j * np.conj(3 * W**4), 1j * np.conj(6 * W**5)
    np.testing.assert_allclose(z.grad.data, expected_z, rtol=1e-14)
    np.testing.assert_allclose(y.grad.data, expected_y, rtol=1e-14)
    for g, expected in zip(seen, (expected_y, expected_y, expected_z), strict=True):
        np.testing.assert_allclose(g, expected, rtol=1e-14)
    assert gradgradcheck(lambda z: Square.apply(z), W)


def test_backward_of_a_complex_number_needs_its_gradient():
    z = ag.tensor(W, requires_grad=True)
    with pytest.raises(RuntimeError, match="needs a single real number"):
        np.sum(z).backward()
    np.sum(z * z).backward(np.array(2.0 - 1.0j))
    np.testing.assert_allclose(z.grad.data, (2.0 - 1.0j) * np.conj(2 * W))


def test_products_with_derivatives():
    _, tangent = ag.jvp(lambda z: z**3, (W,), (1j * W,))
    np.testing.assert_allclose(tangent, 3 * W**2 * 1j * W)
    _, pull = ag.vjp(lambda z: z**3, W)
    np.testing.assert_allclose(pull(1j * W)[0], 1j * W * np.conj(3 * W**2))
    np.testing.assert_allclose(jit.jvp(lambda z: z**3)((W,), (1j * W,))[1], 3 * W**2 * 1j * W)


def test_gradcheck_says_which_part_is_wrong():
    wrong = ag.custom(lambda z: z * z, vjp=lambda g, out, z: g * 2 * z)
    with pytest.raises(ag.GradcheckError, match=r"output 0 at \(0,\)\.(real|imag) by input 0 at \(0,\)\.(real|imag)"):
        gradcheck(wrong, W[:1])


# ---- values where functions jump ----

PARTS = (0.0, -0.0, 0.5, -0.5, 2.0, -2.0)
ON_AXES = np.array([complex(x, y) for x in PARTS for y in PARTS])
#: What has a pole or a logarithm of zero among these numbers; there NumPy's infinities are complex infinities.
_SINGULAR = {ops.log, ops.log2, ops.log10, ops.reciprocal}


@pytest.mark.parametrize("op", COMPLEX_UNARY, ids=repr)
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_branch_cuts_are_numpys(op, dtype):
    z = ON_AXES.astype(dtype)
    z = z[z != 0] if op in _SINGULAR else z
    with np.errstate(all="ignore"):
        expected = op(z)
    tolerance = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(jit.compile(lambda z: op(z))(z), expected, rtol=tolerance, atol=tolerance)


def test_quotients_of_large_and_small_numbers():
    x = np.array([1e200 + 1e200j, 1e-200 - 1e-200j, 1e300 - 1j, 3e-310 + 1e-300j])
    for y in (x, np.array([1e100 - 1e200j, 2e-200j, 1e100, 1e-300 - 3e-310j])):
        np.testing.assert_allclose(jit.compile(lambda x, y: x / y)(x, y), x / y, rtol=1e-14)


def test_not_a_number_is_seen():
    z = np.array([complex(np.nan, 1), complex(1, np.nan), complex(np.inf, 0), 1j, 0])
    for f in (np.isnan, np.isinf, np.isfinite, lambda z: z == z, np.real, np.imag, np.conj):
        np.testing.assert_array_equal(jit.compile(f)(z), f(z))
    np.testing.assert_array_equal(jit.compile(np.nan_to_num)(z), np.nan_to_num(z))


# ---- what kernels take and return ----


def same(ours, expected):
    assert np.asarray(ours).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(
        ours, expected, rtol=1e-6 if np.asarray(expected).dtype in (np.complex64, np.float32) else 1e-13
    )


ARGUMENTS = {
    "array": W,
    "complex64": W.astype(np.complex64),
    "number": 2.0 + 3.0j,
    "numpy number": np.complex128(2.0 + 3.0j),
    "narrow number": np.complex64(2.0 + 3.0j),
    "array without axes": np.array(2.0 + 3.0j),
    "narrow array without axes": np.array(2.0 + 3.0j, np.complex64),
    "one element": W[:1],
    "no elements": W[:0],
    "transposed": Z.T,
    "every second": Z[:, ::2],
    "backward": Z[::-1],
    "other byte order": W.astype(">c16"),
}


@pytest.mark.parametrize("z", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments(z):
    f = jit.compile(lambda z: (z * z + 1j, np.sum(z), np.abs(z)))
    for _ in range(2):
        for ours, expected in zip(f(z), (z * z + 1j, np.sum(z), np.abs(z)), strict=True):
            same(ours, np.asarray(expected).astype(np.asarray(expected).dtype.newbyteorder("=")))
    call = f.bind(z)
    same(call()[0], np.asarray(z * z + 1j).astype(np.asarray(z * z).dtype.newbyteorder("=")))


def test_numbers_in_numbers_out():
    assert jit.compile(lambda z: z * z)(2.0 + 3.0j) == -5.0 + 12.0j
    assert type(jit.compile(lambda z: z * z)(2.0 + 3.0j)) is complex


def test_a_python_number_does_not_widen_complex64():
    z = W.astype(np.complex64)
    f = jit.compile(lambda z, c: z * c)
    for c in (2j, 2.0, 3):
        same(f(z, c), z * c)
    same(jit.compile(lambda x, c: x * c)(X.astype(np.float32), 2j), X.astype(np.float32) * 2j)


def test_results_in_given_arrays():
    out = np.empty_like(W)
    f = jit.compile(lambda z: np.exp(1j * z))
    assert f(W, out=out) is out
    same(out, np.exp(1j * W))
    with pytest.raises(ValueError, match="needs an array of complex128"):
        f(W, out=np.empty(3))


@pytest.mark.parametrize("f", [np.nansum, np.nanmean, np.nanvar, np.nan_to_num], ids=lambda f: f.__name__)
def test_what_passes_over_nan(f):
    z = np.array([1 + 2j, complex(np.nan, 1), 0.5 - 1j, complex(1, np.nan)])
    for found in (f(ag.tensor(z)).data, jit.compile(f)(z)):
        same(found, f(z))


def test_one_result_twice_and_an_argument_as_a_result():
    f = jit.compile(lambda z: (2 * z, 2 * z, z, np.broadcast_to(z, (2, 3)), np.sum(z) * 3j))
    for ours, expected in zip(f(W), (2 * W, 2 * W, W, np.broadcast_to(W, (2, 3)), np.sum(W) * 3j), strict=True):
        same(ours, expected)


def test_captured_arrays():
    w, number = W.copy(), np.array(1.0 + 1.0j)
    f = jit.compile(lambda z: z * w + number)
    same(f(Z), Z * w + number)
    w[0], number[...] = 2j, 0
    same(f(Z), Z * w + number)


@pytest.mark.parametrize("make", [lambda i: W * i, lambda i: 1j * i, lambda i: np.complex64(1j * i)])
def test_very_many_arguments(make):
    given = [make(i) for i in range(120)]
    same(jit.compile(lambda *xs: sum(xs))(*given), sum(given))


def test_a_decision_on_a_complex_number():
    f = jit.compile(lambda z: 2 * z if complex(np.sum(z)) == 6.0 + 2.0j else z)
    z = np.array([4.0 + 2.0j, 2.0])
    same(f(z), 2 * z)
    same(f(2 * z), 2 * z)
    same(f(z), 2 * z)


def by_scan(z):
    last, rows = ag.scan(lambda c, x: (c * z[0] / 2.3 + x * z[2], 1j * c), z[1] * 0 + 1, np.arange(9.0))
    return np.abs(last) ** 2 + np.sum(np.abs(rows) ** 2)


def by_python(z):
    c = z[1]
    for _ in range(200):
        c = c * z[0] / 2.3 + np.conj(z[2])
    return np.abs(c) ** 2


def by_while(z):
    def step(carry):
        c, n = carry
        return c * z[0] / 2.3 + z[2], n + 1

    last, _ = ag.while_loop(lambda carry: np.abs(carry[0]) + carry[1] < 12, step, (z[1], 0.0))
    return np.abs(last) ** 2


def by_cond(z):
    c = ag.cond(np.abs(z[0]) < 1, lambda z: z * z, lambda z: np.conj(z), z)
    return np.sum(np.abs(c + 1j) ** 2)


@pytest.mark.parametrize("loop", [by_scan, by_python, by_while, by_cond])
def test_loops(loop):
    eager, compiled = (x.value_and_grad(loop)(W) for x in (ag, jit))
    np.testing.assert_allclose(compiled[0], eager[0], rtol=1e-12)
    np.testing.assert_allclose(compiled[1], eager[1], rtol=1e-11)


def test_gradients_through_compiled_calls():
    f = jit.compile(lambda z: np.exp(z) * 1j)
    z = ag.tensor(W, requires_grad=True)
    loss = np.sum(np.abs(f(z)) ** 2)
    np.testing.assert_allclose(
        ag.grad(loss, [z])[0].data, ag.grad(lambda z: np.sum(np.abs(np.exp(z)) ** 2))(W), rtol=1e-13
    )


@pytest.mark.parametrize("f", [np.sort, np.max, lambda z: z > 0, lambda z: np.maximum(z, 1j)])
def test_what_kernels_do_not_do_to_complex_numbers(f):
    with pytest.raises(NotImplementedError, match="of complex numbers cannot be compiled; run this part outside"):
        jit.compile(f)(W)


def test_parts_that_no_complex_number_is_made_of():
    with pytest.raises(TypeError, match="`complex` needs parts of float64 or float32, got int64"):
        ag.complex(np.array([1]), 2.0)
