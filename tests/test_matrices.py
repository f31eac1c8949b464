"""Gauss-Newton matrices, diagonals of Jacobians and Laplacians: closed forms, differences, and Jacobians in full."""

import ctypes
import re

import numba
import numpy as np
import pytest

import autograd as ag
import jit
from jit import Status
from jit.batching import each
from jit.loop import scan
from tests.derivatives import close, differences, energy

X = np.array([0.3, -1.2, 2.0])
A = np.array([[0.5, -0.7, 1.1], [0.2, 0.9, -0.4], [1.3, 0.1, 0.6], [0.3, 0.8, -1.0], [0.4, 0.2, 0.7]])

both = pytest.mark.parametrize("package", [ag, jit], ids=["eager", "compiled"])


def residual(x):
    """Five residuals of three parameters."""
    return np.tanh(A @ x) * np.sum(x) - 0.5


def mixed(x):
    """A function whose Jacobian is full."""
    return np.sin(x) * np.sum(x**2) + x[::-1]


def own(x):
    """A function whose Jacobian is diagonal."""
    return np.where(x > 0, np.exp(-x) * x, x**3) / (1 + x * x)


# ---- Gauss-Newton ----


@both
def test_gauss_newton(package):
    r, J = residual(X), differences(residual, X)
    value, gradient, matrix = package.gauss_newton(residual)(X)
    close(value, r @ r / 2)
    close(gradient, J.T @ r, 1e-8)
    close(matrix, J.T @ J, 1e-8)
    close(gradient, ag.grad(lambda x: np.sum(residual(x) ** 2) / 2)(X))
    close(package.gauss_newton(lambda x: A @ x)(X)[2], A.T @ A)


@both
def test_gauss_newton_of_more_parameters_than_residuals(package):
    x = np.linspace(-1, 1, 7)
    f = lambda x: np.stack([np.sum(np.sin(x)), np.prod(1 + x * x)])
    J = ag.jacobian(f)(x)
    close(package.gauss_newton(f)(x)[2], J.T @ J)


@both
def test_gauss_newton_of_nested_parameters_and_residuals(package):
    W, b = A[:2], np.array([0.1, -0.3])
    f = lambda p, s: {"fit": np.tanh(p["W"] @ X + p["b"]) * s, "penalty": (0.1 * p["W"], p["b"])}
    vector, unravel = ag.ravel_tree({"W": W, "b": b})
    flat = lambda v: ag.ravel_tree(f(unravel(v), 2.0))[0]
    value, gradient, matrix = ag.gauss_newton(flat)(vector.numpy())
    found = package.gauss_newton(f)({"W": W, "b": b}, 2.0)
    close(found[0], value)
    close(ag.ravel_tree(found[1])[0].numpy(), gradient)
    rows = [[found[2][i][j].reshape(n, m) for j, m in (("W", 6), ("b", 2))] for i, n in (("W", 6), ("b", 2))]
    close(np.block(rows), matrix)
    assert found[2]["W"]["b"].shape == (2, 3, 2)
    gradients, matrices = package.gauss_newton(lambda x, y: x * y, (0, 1))(2.0, 3.0)[1:]
    assert gradients == (18.0, 12.0)
    assert matrices == ((9.0, 6.0), (6.0, 4.0))


# ---- diagonals ----


@both
@pytest.mark.parametrize("f", [mixed, own, lambda x: x * 2, lambda x: np.cumsum(x), lambda x: np.ones(3)])
def test_the_diagonal(package, f):
    close(package.jacobian_diagonal(f)(X), np.diag(ag.jacobian(f)(X)))
    close(package.jacobian_diagonal(f)(X), np.diag(differences(lambda x: f(x) + 0 * x, X)), 1e-8)


@both
def test_the_diagonal_of_nested_arguments(package):
    f = lambda x, y: (np.sin(x) * np.sum(y), (x[:, :2] * y).T @ x[:, :2])
    x, y = A[:2], A[2:4, :2]
    of_x, of_y = package.jacobian_diagonal(f, (0, 1))(x, y)
    close(of_x, np.cos(x) * np.sum(y))
    close(of_y, np.einsum("ijij->ij", ag.jacobian(lambda y: f(x, y)[1])(y)))
    found = package.jacobian_diagonal(lambda p: {"a": p["a"] ** 2, "b": p["a"] * p["b"]})({"a": X, "b": 2.0 * X})
    close(found["a"], 2 * X)
    close(found["b"], X)


def test_elementwise_functions_take_one_product():
    rows = lambda f: [x.out.aval.shape for x in jit.jacobian_diagonal(f).graph(X).equations]
    assert not any(len(shape) > 1 for shape in rows(own))
    calls = []
    square = ag.custom(lambda x: x**2, vjp=lambda g, out, x: calls.append(1) or 2 * g * x)
    for f, count in ((lambda x: square(x), 3), (lambda x: np.sin(x), 0)):
        calls.clear()
        ag.jacobian_diagonal(f)(X)
        assert len(calls) == count


@both
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + x.reshape(2, 2).T.reshape(4),
        lambda x: x * x[0],
        lambda x: x * np.sum(x),
        lambda x: x[np.array([1, 0, 3, 2])] * x,
        lambda x: np.sort(x) + x,
        lambda x: ag.scan(lambda c, e: (c + e, c * e), 0.0, x)[1],
    ],
)
def test_what_looks_elementwise_and_is_not(package, f):
    x = np.array([0.3, -1.2, 2.0, 0.7])
    close(package.jacobian_diagonal(f)(x), np.diag(ag.jacobian(f)(x)))


def test_an_infinite_derivative_elsewhere_is_not_in_the_diagonal():
    f = lambda x: np.stack([x[0] + np.sqrt(x[1]), x[1] * x[0]])
    x = np.array([2.0, 0.0])
    for g in (ag.jacobian_diagonal(f), jit.jacobian_diagonal(f)):
        assert g(x)[0] == 1.0
        np.testing.assert_array_equal(g(x), np.diag(ag.jacobian(f)(x)))


# ---- Laplacians ----


@both
def test_the_laplacian(package):
    close(package.laplacian(energy)(X), np.trace(ag.hessian(energy)(X)))
    close(package.laplacian(energy)(X), np.trace(differences(ag.grad(energy), X)), 1e-8)
    # The potential of a charge is harmonic in three dimensions.
    assert abs(package.laplacian(lambda x: 1 / np.sqrt(np.sum(x**2)))(X)) < 1e-14
    n = 9
    close(package.laplacian(lambda x: np.sum(x**2) ** 2)(np.ones(n)), (4.0 * n + 8) * n)


@both
def test_the_laplacian_by_several_arguments(package):
    f = lambda p, y: np.sum(p["a"] ** 2) * y**3 + p["b"]
    p = {"a": X, "b": 1.0}
    close(package.laplacian(f)(p, 2.0), 2 * 3 * 8.0)
    close(package.laplacian(f, (0, 1))(p, 2.0), 48.0 + 12 * np.sum(X**2))
    close(package.laplacian(f, 1)(p, 2.0), 12 * np.sum(X**2))


def test_no_matrix_is_kept():
    n = 40
    graph = jit.laplacian(lambda x: np.sum(x**2) ** 2).graph(np.ones(n))
    assert max(x.out.aval.size for x in graph.equations) < n * n


# ---- conventions ----


@both
def test_single_numbers_and_nothing(package):
    assert package.laplacian(lambda x: x**3)(2.0) == 12.0
    assert package.jacobian_diagonal(lambda x: x**3)(2.0) == 12.0
    assert package.gauss_newton(lambda x: x**3)(2.0) == (32.0, 96.0, 144.0)
    empty = np.zeros(0)
    close(package.jacobian_diagonal(lambda x: x * 2)(empty), empty)
    assert package.laplacian(lambda x: np.sum(x**2))(empty) == 0
    value, gradient, matrix = package.gauss_newton(lambda x: x * 2)(empty)
    assert (value, gradient.shape, matrix.shape) == (0.0, (0,), (0, 0))
    close(package.gauss_newton(lambda x: x[:0])(X)[2], np.zeros((3, 3)))
    assert package.gauss_newton(lambda x: ())(X)[0] == 0.0
    assert package.laplacian(lambda x: 1.0)(X) == 0.0
    assert package.laplacian(lambda x, y: y * y)((), 2.0) == 0.0


@both
def test_float32(package):
    x = X.astype(np.float32)
    low = lambda f: lambda x: f(x.astype(np.float32))
    found = [*package.gauss_newton(lambda x: np.tanh(x) * np.sum(x))(x), package.jacobian_diagonal(mixed)(x)]
    found += [package.laplacian(low(energy))(x)]
    assert {y.dtype.name for y in found} == {"float32"}
    close(found[3], ag.jacobian_diagonal(mixed)(X).astype(np.float32), 1e-5)
    close(found[4], np.float32(ag.laplacian(energy)(X)), 1e-5)


def test_tensors_in_tensors_out_and_derivatives_of_them():
    x = ag.tensor(X, requires_grad=True)
    assert all(isinstance(y, ag.Tensor) for y in ag.gauss_newton(residual)(x))
    ag.laplacian(energy)(x).backward()
    slope = ag.grad(ag.laplacian(energy))
    close(x.grad.numpy(), slope(X))
    close(slope(X), differences(ag.laplacian(energy), X), 1e-7)
    close(jit.grad(ag.laplacian(energy))(X), slope(X))
    f = lambda x: np.sum(ag.jacobian_diagonal(mixed)(x) ** 2)
    close(jit.grad(f)(X), differences(f, X), 1e-7)


# ---- modes and blocks ----


def equations(f, x):
    """The equations of a compiled function: the names of their primitives, and the numbers of steps of its loops."""
    return equations_of(f.graph(x))


def equations_of(graph):
    """The same of a graph."""
    loops = {dict(x.params)["loop"] for x in graph.equations if x.primitive is scan}
    return [x.primitive.name for x in graph.equations], [x.length for x in loops]


def test_the_mode_with_fewer_sweeps_is_taken():
    few, many = np.linspace(-1, 1, 6), np.linspace(-1, 1, 9)
    tall, wide = (lambda x: np.sin(np.tile(x, 2)[:9])), (lambda x: np.sin(x[:6]) * x[-1])
    # A loop takes a step for each sweep, and the first array of the stack that it makes is as long.
    for f, x, steps in ((tall, few, 6), (wide, many, 6)):
        assert equations(jit.jacobian(f), x)[1] == [steps]
        close(jit.jacobian(f)(x), ag.jacobian(f)(x))
    assert equations(jit.jacrev(tall), few)[1] == equations(jit.jacfwd(wide), many)[1] == [9]


def test_as_many_rows_as_columns():
    A = np.random.default_rng(0).normal(size=(6, 6))
    f = lambda x: np.tanh(A @ x) * x
    x = np.linspace(-1, 1, 6)
    forward, reverse, chosen = (equations(made(f), x) for made in (jit.jacfwd, jit.jacrev, jit.jacobian))
    assert chosen == forward != reverse
    close(jit.jacobian(f)(x), ag.jacobian(f)(x))
    calls = []
    sine = ag.custom(np.sin, vjp=lambda g, out, x: calls.append(1) or g * np.cos(x))
    ag.jacobian(sine)(x)
    assert len(calls) == 6


def test_products_with_a_matrix_are_one_for_all_columns():
    X = np.random.default_rng(0).normal(size=(40, 7))
    w = np.linspace(-1, 1, 7)
    f = lambda w: np.sum(np.log1p(np.exp(X @ w)))
    names, loops = equations(jit.hessian(f), w)
    # X w, the gradient by it, X times all unit vectors, and what they are pulled back to.
    assert loops == []
    assert 2 <= names.count("matmul") <= 4
    p = 1 / (1 + np.exp(-X @ w))
    close(jit.hessian(f)(w), X.T @ np.diag(p * (1 - p)) @ X)
    close(jit.laplacian(f)(w), np.sum(p * (1 - p) * np.sum(X**2, 1)))
    close(jit.grad(lambda w: np.sum(ag.hessian(f)(w) ** 2))(w), ag.grad(lambda w: np.sum(ag.hessian(f)(w) ** 2))(w))


def test_what_multiplies_by_no_matrix_is_a_loop():
    f = lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2)
    x = np.linspace(-1, 1, 7)
    assert equations(jit.hessian(f), x)[1] == [7]
    close(jit.hessian(f)(x), ag.hessian(f)(x))


@pytest.mark.parametrize(("most", "loops"), [(1 << 21, []), (4 * 11, [3]), (1, [12])], ids=["all", "blocks", "one"])
def test_many_columns_are_taken_in_blocks(monkeypatch, most, loops):
    monkeypatch.setattr(each, "MOST_AT_ONCE", most)
    A = np.random.default_rng(0).normal(size=(11, 12)).astype(np.float32) / 8
    x = np.linspace(-1, 1, 12).astype(np.float32)
    f = lambda x: {"a": np.tanh(A @ x)[:10], "b": (x[:6] ** 2).reshape(2, 3)}
    made = jit.jacfwd(f)
    found, expected = made(x), ag.jacfwd(f)(x)
    assert equations(made, x)[1] == loops
    for name in ("a", "b"):
        assert found[name].dtype == np.float32
        close(found[name], expected[name], 1e-5)


def test_every_number_of_rows():
    f = lambda w, X: np.sum(np.log1p(np.exp(X @ w)))
    w = np.linspace(-1, 1, 18)
    made = jit.hessian(f, dynamic={"X": (0,)})
    before = jit.cache_info().misses
    for rows in (5, 18, 40):
        X = np.random.default_rng(rows).normal(size=(rows, 18))
        close(made(w, X), ag.hessian(f)(w, X), 1e-11)
    assert jit.cache_info().misses <= before + 1
    assert equations_of(made.graph(w, X))[1] == [18]


@pytest.mark.parametrize("n", [3, 20])
def test_products_in_loops(n):
    W = np.random.default_rng(0).normal(size=(n, n)) / n
    f = lambda x: ag.fori_loop(0, 5, lambda i, s: np.tanh(W @ s), x)
    x = np.linspace(-1, 1, n)
    close(jit.jacobian(f)(x), ag.jacobian(f)(x))


# ---- kernels ----


def test_kernels():
    gauss, trace, diagonal = (
        jit.gauss_newton(residual).kernel(X),
        jit.laplacian(energy).kernel(X),
        jit.jacobian_diagonal(mixed).kernel(X),
    )

    @numba.njit
    def run(x, gradient, matrix, d):
        value = gauss(x, gradient, matrix)
        diagonal(x, d)
        return value, trace(x), gauss(x), diagonal(x)

    gradient, matrix, d = np.empty(3), np.empty((3, 3)), np.empty(3)
    value, laplacian, made, again = run(X, gradient, matrix, d)
    expected = ag.gauss_newton(residual)(X)
    for found in ((value, gradient, matrix), made):
        for x, y in zip(found, expected, strict=True):
            close(x, y)
    close(laplacian, ag.laplacian(energy)(X))
    close(d, ag.jacobian_diagonal(mixed)(X))
    close(again, d)


def test_jacobians_hessians_and_products_in_compiled_code():
    jacobian, hessian = jit.jacobian(residual).kernel(X), jit.hessian(energy).kernel(X)
    product, tangent = jit.hvp(energy).kernel(X, X), jit.jvp(residual).kernel((X,), (X,))

    @numba.njit
    def run(x, v, J, H, Hv, r, Jv):
        jacobian(x, J)
        hessian(x, H)
        product(x, v, Hv)
        tangent(x, v, r, Jv)
        return jacobian(x), hessian(x), product(x, v), *tangent(x, v)

    v = np.array([1.0, -2.0, 0.5])
    given = np.empty((5, 3)), np.empty((3, 3)), np.empty(3), np.empty(5), np.empty(5)
    made = run(X, v, *given)
    J, H = ag.jacobian(residual)(X), ag.hessian(energy)(X)
    for found in (given, made):
        for x, y in zip(found, (J, H, H @ v, residual(X), J @ v), strict=True):
            close(x, y)


def test_matrices_in_c():
    v = np.array([1.0, -2.0, 0.5])
    gauss, product = jit.gauss_newton(residual).kernel(X), jit.hvp(energy).kernel(X, v)
    value, gradient, matrix, Hv = np.empty(()), np.empty(3), np.empty((3, 3)), np.empty(3)
    for kernel, arrays in ((gauss, (X, value, gradient, matrix)), (product, (X, v, Hv))):
        call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * (len(arrays) + 1))(kernel.address)
        assert call(*[x.ctypes.data for x in arrays], kernel.data) == Status.OK
    for x, y in zip((value, gradient, matrix), ag.gauss_newton(residual)(X), strict=True):
        close(x, y)
    close(Hv, ag.hessian(energy)(X) @ v)
    assert gauss.c_signature.count("double *out") == 3
    call = gauss.callback("double f(const double *in0, double *out1, double *out2, void *data)")
    arguments = [x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for x in (X, gradient, matrix)]
    close(call.ctypes(*arguments, call.user_data), value)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: ag.jacobian_diagonal(lambda x: x[:2])(X),
            ValueError,
            "`jacobian_diagonal` needs results of the shapes of the arguments, (3,), got (2,) of `<lambda>`; use",
        ),
        (lambda: ag.jacobian_diagonal(lambda x: ())(X), ValueError, "got none of"),
        (lambda: ag.jacobian_diagonal(own)(X + 1j), TypeError, "needs real arguments, got complex128"),
        (lambda: ag.gauss_newton(own)(X + 1j), TypeError, "needs real arguments, got complex128"),
        (lambda: ag.gauss_newton(own)(np.arange(3)), TypeError, "needs floating-point arguments, got int64"),
        (lambda: ag.laplacian(own)(X), ValueError, "needs a single number, got shape (3,)"),
        (lambda: ag.laplacian(3.0), TypeError, "`laplacian` needs a function and positions of arguments, got 3.0"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        call()
