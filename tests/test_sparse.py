"""Sparse Jacobians and Hessians: values against dense ones, patterns by decisions and positions, errors."""

import ctypes
import pickle

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import spsolve

import autograd as ag
import jit
from benchmarks.sparse import cases, check

X = np.random.default_rng(0).uniform(0.5, 1.5, 12)


def chain(x):
    return np.sin(x[1:]) * x[:-1] ** 2


def diffusion(u):
    p = ag.pad(ag.reshape(u, (3, 4)), 1)
    k = 1 + p**2
    across = (k[1:-1, 1:] + k[1:-1, :-1]) * (p[1:-1, 1:] - p[1:-1, :-1])
    down = (k[1:, 1:-1] + k[:-1, 1:-1]) * (p[1:, 1:-1] - p[:-1, 1:-1])
    return ag.reshape(across[:, 1:] - across[:, :-1] + down[1:] - down[:-1] - np.exp(p[1:-1, 1:-1]), (-1,))


def rosenbrock(x):
    return ag.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def energy(u):
    p = ag.pad(ag.reshape(u, (3, 4)), 1)
    return ag.sum(np.sqrt(1 + (p[1:] - p[:-1]) ** 2)) + ag.sum((p[:, 1:] - p[:, :-1]) ** 4) + ag.sum(np.exp(p))


def wide(x):
    """Few values of many elements each."""
    return ag.stack([ag.sum(x**2), x[0] * x[1]])


JACOBIANS = [chain, diffusion, wide, lambda x: x * x[0], lambda x: ag.cumsum(x * x)]


@pytest.mark.parametrize("f", JACOBIANS)
def test_a_jacobian_is_that_of_dense_derivatives(f):
    jacobian = jit.sparse_jacobian(f)
    for x in (X, X[::-1].copy(), X + 1):
        found = jacobian(x)
        assert type(found) is csr_array
        assert found.has_canonical_format
        np.testing.assert_allclose(found.toarray(), ag.jacobian(f)(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", [rosenbrock, energy, lambda x: ag.sum(x) ** 2, lambda x: ag.sum(x * x[0] ** 2)])
def test_a_hessian_is_that_of_dense_derivatives(f):
    hessian = jit.sparse_hessian(f)
    for x in (X, X[::-1].copy(), X + 1):
        found = hessian(x).toarray()
        np.testing.assert_allclose(found, ag.hessian(f)(x), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(found, found.T)


class Square(ag.Function):
    """A function whose rule is the user's."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x


inner = jit.compile(lambda x: np.sin(x) * x)


@pytest.mark.parametrize(
    ("f", "entries"),
    [(lambda x: Square.apply(x) * x[0], 144), (lambda x: inner(x)[1:], 11), (lambda x: np.sort(x) ** 2, 144)],
    ids=["Function", "compiled", "sorted"],
)
def test_functions_with_rules_compiled_ones_and_sorts_have_their_patterns(f, entries):
    found = jit.sparse_jacobian(f)(X)
    np.testing.assert_allclose(found.toarray(), ag.jacobian(f)(X), rtol=1e-12)
    assert found.nnz == entries


def test_the_fewest_products_are_taken():
    modes = [jit.sparse_jacobian(f)._found((X,), {}).colouring for f in (chain, wide, lambda x: x * x[0])]
    assert [(x.mode, x.number) for x in modes] == [("columns", 2), ("rows", 2), ("columns", 2)]


def test_float32_stays_float32():
    x = X.astype(np.float32)
    found = jit.sparse_jacobian(chain)(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), ag.jacobian(chain)(x), rtol=1e-5)


def test_rows_and_columns_are_the_elements_of_all_arrays_in_their_order():
    def f(p, scale, y):
        return {"a": p["u"][1:] * y, "b": [p["v"] * scale, np.ones(2)]}

    p, y = {"u": X[:3], "v": X[3:5]}, X[5:7]
    found = jit.sparse_jacobian(f, (0, 2))(p, 2.0, y).toarray()
    expected = np.zeros((6, 7))
    expected[[0, 1], [1, 2]], expected[[0, 1], [5, 6]] = y, p["u"][1:]
    expected[[2, 3], [3, 4]] = 2.0
    np.testing.assert_array_equal(found, expected)


def test_the_hessian_of_a_lagrangian_takes_multipliers():
    def lagrangian(x, factor, multipliers):
        return factor * rosenbrock(x) + ag.sum(multipliers * chain(x))

    hessian = jit.sparse_hessian(lagrangian)
    for factor in (1.0, 0.0):
        found = hessian(X, factor, X[1:]).toarray()
        np.testing.assert_allclose(found, ag.hessian(lagrangian)(X, factor, X[1:]), atol=1e-10)
    assert len(hessian._entries.known) == 1


def test_another_decision_has_another_pattern():
    jacobian = jit.sparse_jacobian(lambda x: x**2 if x[0] > 0 else x * x[::-1])
    for x in (X, -X, X, -X):
        found = jacobian(x)
        np.testing.assert_allclose(found.toarray(), ag.jacobian(lambda x: x**2 if x[0] > 0 else x * x[::-1])(x))
    assert [x.pattern.nnz for x in jacobian._entries.known] == [12, 24]
    assert jacobian.pattern(-X).nnz == 24


EDGES = np.array([[0, 1], [1, 2], [4, 5]])


def springs(x, edges):
    return (x[edges[:, 0]] - x[edges[:, 1]]) ** 2


def test_other_positions_have_another_pattern():
    jacobian, other = jit.sparse_jacobian(springs), np.array([[0, 7], [1, 2], [3, 5]])
    for edges in (EDGES, other, EDGES, other):
        found = jacobian(X, edges)
        np.testing.assert_allclose(found.toarray(), ag.jacobian(springs)(X, edges), atol=1e-15)
        assert found.nnz == 6
    assert len(jacobian._entries.known) == 2


def test_positions_from_outside_are_seen_to_change():
    edges = EDGES.copy()
    jacobian = jit.sparse_jacobian(lambda x: springs(x, edges))
    for change in (None, None, 9, None):
        if change is not None:
            edges[0, 1] = change
        np.testing.assert_allclose(jacobian(X).toarray(), ag.jacobian(springs)(X, edges), atol=1e-15)
    edges = EDGES[::-1].copy()
    np.testing.assert_allclose(jacobian(X).toarray(), ag.jacobian(springs)(X, edges), atol=1e-15)


def test_many_colours_are_a_loop():
    f = lambda x: ag.stack([x[i:] @ x[: len(x) - i] for i in range(20)])
    x = np.random.default_rng(1).normal(size=40)
    jacobian = jit.sparse_jacobian(f)
    for _ in range(2):
        np.testing.assert_allclose(jacobian(x).toarray(), ag.jacobian(f)(x), atol=1e-12)
    assert jacobian._found((x,), {}).colouring.number == 20


def test_the_pattern_of_the_results_cannot_be_written_to():
    found = jit.sparse_jacobian(chain)(X)
    assert not found.indices.flags.writeable
    assert not found.indptr.flags.writeable
    own = found.copy()
    own.data[:] = 0
    own.eliminate_zeros()
    assert own.nnz == 0
    assert found.nnz == 22
    # SciPy reads it as it is.
    square = jit.sparse_jacobian(diffusion)(X)
    np.testing.assert_allclose(square @ spsolve(square.tocsc(), X), X)
    np.testing.assert_allclose(square @ spsolve(square, X), X)


def test_patterns_come_without_values():
    found = jit.jacobian_pattern(chain, X)
    assert found.dtype == bool
    assert found.nnz == 22
    np.testing.assert_array_equal(found.toarray(), np.eye(11, 12, dtype=bool) | np.eye(11, 12, 1, dtype=bool))
    np.testing.assert_array_equal(
        jit.hessian_pattern(lambda a, x: a * rosenbrock(x), 1.0, X, argnums=1).toarray(),
        abs(np.subtract.outer(range(12), range(12))) <= 1,
    )


def test_the_entries_alone_are_a_compiled_function():
    jacobian = jit.sparse_jacobian(chain)
    entries = jacobian.data(X)
    np.testing.assert_array_equal(entries, jacobian(X).data)
    g = ag.grad(lambda x: ag.sum(jacobian.data(x) ** 2))(X)
    step = 1e-6 * np.eye(12)
    expected = [(np.sum(jacobian.data(X + v) ** 2) - np.sum(jacobian.data(X - v) ** 2)) / 2e-6 for v in step]
    np.testing.assert_allclose(g, expected, rtol=1e-6)
    for call in (jit.compile(lambda x: jacobian(x).data), ag.grad(lambda x: ag.sum(jacobian(x).data))):
        with pytest.raises(TypeError, match=r"neither gradients nor recordings go; .* call `\.data\(\.\.\.\)`"):
            call(X)


def test_tensors_may_come_in():
    x = ag.tensor(X)
    np.testing.assert_array_equal(jit.sparse_jacobian(chain)(x).toarray(), jit.sparse_jacobian(chain)(X).toarray())


def test_what_has_no_entries():
    assert jit.sparse_jacobian(lambda x: np.floor(x))(X).nnz == 0
    assert jit.sparse_jacobian(lambda x: x[:0])(X).shape == (0, 12)
    assert jit.sparse_jacobian(lambda x: x**2)(np.zeros(0)).shape == (0, 0)
    assert jit.sparse_hessian(lambda x: ag.sum(x))(X).nnz == 0


def test_a_number_is_a_matrix_of_one_row_and_column():
    np.testing.assert_array_equal(jit.sparse_jacobian(lambda x: x**2)(3.0).toarray(), [[6.0]])


def test_explain_says_how_many_products_there_are():
    text = jit.sparse_jacobian(diffusion).explain(X)
    assert "<sparse_jacobian of diffusion>: 12 x 12, 46 entries, 5 colours: products with the Jacobian" in text
    assert "star" not in text
    assert "read at their places or at their mirror images" in jit.sparse_hessian(energy).explain(X)


def test_it_survives_a_pickle():
    jacobian = jit.sparse_jacobian(chain)
    expected = jacobian(X).toarray()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(jacobian))(X).toarray(), expected)


def test_errors_say_what_to_do():
    with pytest.raises(TypeError, match=r"the Jacobian of `.*` needs real arguments, got complex128"):
        jit.sparse_jacobian(lambda x: x**2)(X + 0j)
    with pytest.raises(TypeError, match=r"needs floating-point arguments, got int64 for argument 0"):
        jit.sparse_jacobian(lambda x: x**2)(np.arange(3))
    with pytest.raises(ValueError, match=r"needs a single number, got shape \(11,\)"):
        jit.sparse_hessian(chain)(X)
    with pytest.raises(TypeError, match="`sparse_hessian` makes a pattern for each length, so it takes no `dynamic`"):
        jit.sparse_hessian(rosenbrock, dynamic={"x": (0,)})
    with pytest.raises(TypeError, match="`sparse_jacobian` needs a function and positions"):
        jit.sparse_jacobian(3)
    with pytest.raises(ValueError, match=r"depend on few elements each, got more than .* in all; use `jit.jvp`"):
        jit.jacobian_pattern(lambda x: x * ag.sum(x), np.ones(20_000))


@pytest.mark.parametrize("case", cases(5, 6), ids=lambda case: case.name)
def test_the_benchmark_compares_equals(case):
    check(case)
    assert case.matrix.products(*case.args) <= 5
    wrong = case._replace(matrix=lambda *args: 1.001 * case.matrix(*args))
    with pytest.raises(AssertionError):
        check(wrong)


def test_the_lower_half_of_a_hessian():
    for f in (rosenbrock, energy):
        lower = jit.sparse_hessian(f, lower=True)
        found = lower(X)
        np.testing.assert_array_equal(found.toarray(), np.tril(jit.sparse_hessian(f)(X).toarray()))
        assert found.nnz == np.tril(lower.pattern(X).toarray()).sum()


def test_a_kernel_gives_the_entries_to_compiled_code():
    jacobian = jit.sparse_jacobian(chain)
    kernel = jacobian.kernel(X)

    @numba.njit
    def filled(x, out):
        kernel(x, out)
        return out.sum()

    out = np.empty(22)
    assert filled(X, out) == pytest.approx(jacobian(X).data.sum())
    np.testing.assert_array_equal(out, jacobian(X).data)
    rows, columns = jacobian.places(X)
    np.testing.assert_array_equal(csr_array((out, (rows, columns)), (11, 12)).toarray(), jacobian(X).toarray())
    two = jit.sparse_jacobian(lambda x: x**2 if x[0] > 0 else x * x[::-1])
    two(X)
    two(-X)
    with pytest.raises(TypeError, match=r"has 2 patterns by decisions .* decide with `np.where`"):
        two.kernel(X)


def test_ipopt_asks_for_places_and_then_for_values():
    def lagrangian(x, factor, multipliers):
        return factor * rosenbrock(x) + ag.sum(multipliers * chain(x))

    def pointer(x, kind=ctypes.c_double):
        return x.ctypes.data_as(ctypes.POINTER(kind))

    multipliers = X[1:].copy()
    jacobian, hessian = jit.sparse_jacobian(chain), jit.sparse_hessian(lagrangian, lower=True)
    g, h = jacobian(X), hessian(X, 0.5, multipliers)
    first = jacobian.kernel(X).callback("ipopt jac_g")
    second = hessian.kernel(X, 1.0, multipliers).callback("ipopt h")
    for call, matrix, before in (
        (first, g, (12, pointer(X), True, 11)),
        (second, h, (12, pointer(X), True, 0.5, 11, pointer(multipliers), True)),
    ):
        rows, columns, values = np.zeros(matrix.nnz, "i4"), np.zeros(matrix.nnz, "i4"), np.zeros(matrix.nnz)
        places = pointer(rows, ctypes.c_int), pointer(columns, ctypes.c_int)
        given = (before[0], None, *before[2:])
        assert call.ctypes(*given, matrix.nnz, *places, None, call.user_data)
        assert call.ctypes(*before, matrix.nnz, None, None, pointer(values), call.user_data)
        found = csr_array((values, (rows, columns)), matrix.shape)
        np.testing.assert_allclose(found.toarray(), matrix.toarray(), rtol=1e-12)


def test_one_address_leads_to_the_data_of_several_functions():
    scales = np.array([2.0]), np.array([3.0])
    kernels = [jit.sparse_jacobian(lambda x, scale=scale: chain(x) * scale).kernel(X) for scale in scales]
    text = "bool f(const double *in0, int *rows, int *columns, double *out0, void *data{})"
    calls = [kernel.callback(text.format(k)) for k, kernel in enumerate(kernels)]
    table = np.array([call.data for call in calls], np.uintp)
    for call, scale in zip(calls, scales, strict=True):
        values = np.empty(22)
        given = [ctypes.cast(x.ctypes.data, ctypes.POINTER(ctypes.c_double)) for x in (X, values)]
        assert call.ctypes(given[0], None, None, given[1], ctypes.c_void_p(table.ctypes.data))
        np.testing.assert_allclose(values, jit.sparse_jacobian(chain)(X).data * scale)


def test_places_need_a_sparse_derivative_and_an_answer():
    with pytest.raises(TypeError, match=r"take the kernel of a sparse derivative, `jit.sparse_jacobian"):
        jit.jacobian(chain).kernel(X).callback("ipopt jac_g")
    kernel = jit.sparse_jacobian(chain).kernel(X)
    with pytest.raises(TypeError, match="has to return a bool or an integer"):
        kernel.callback("void f(const double *in0, int *rows, int *columns, double *out0, void *data)")
    with pytest.raises(TypeError, match=r"`rows` of .* is int \*, which is no `int64 \*`"):
        kernel.callback("bool f(const double *in0, int64_t *rows, int *columns, double *out0, void *data)")
    with pytest.raises(TypeError, match="needs data, and the signature has no parameter `data`"):
        kernel.callback("bool f(const double *in0, int *rows, int *columns, double *out0)")
