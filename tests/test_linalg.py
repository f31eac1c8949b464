"""Linear algebra: values, derivatives, stacks, layouts, errors and conventions, eager and compiled."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import autograd as ag
import jit
from autograd import ops
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.linalg import __all__ as names
from autograd.protocols import FUNCTIONS
from tests.checks import DIFFERENCES, close
from tests.graphs import graph_after

ROOT = Path(__file__).parents[1]
L = ag.linalg
FLOATS = [np.float64, np.float32]


def drawn(*shape: int, diagonal: float = 0.0, seed: int = 0) -> Any:
    """Random numbers, with a diagonal of different large numbers where one is asked for."""
    x = np.random.default_rng([seed, *shape]).uniform(-1, 1, shape)
    return x + np.eye(*shape[-2:]) * (1 + np.arange(shape[-1])) * diagonal if diagonal else x


SQUARE, STACK = drawn(3, 3, diagonal=3), drawn(2, 3, 3, diagonal=3)
# Rows in another order, so that pivots are exchanged and the determinant is negative.
MIXED = np.ascontiguousarray(SQUARE[[1, 0, 2]])
TALL, WIDE, TALLS = drawn(5, 3, diagonal=3), drawn(3, 5, diagonal=3), drawn(2, 4, 2, diagonal=4)
VECTOR, SIDES, CROSSED = drawn(3), drawn(3, 2), drawn(2, 3)
# NumPy gives complex eigenvalues where some of them are.
TURNING = np.array([[0.3, 1.0], [-1.0, 0.5]])
SPD, SPDS = [x @ np.swapaxes(x, -1, -2) + np.eye(3) for x in (SQUARE, STACK)]


def of_symmetric(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the symmetric part of its first argument: all triangles are read alike."""
    return lambda x, *others: f((x + ag.swapaxes(x, -1, -2)) / 2, *others)


def lu_part(i: int) -> Callable[..., Any]:
    return lambda x: scipy.linalg.lu(x)[i]


def decaying(x: Any) -> Any:
    return x - 9 * np.eye(3, dtype=x.dtype)


# fmt: off
#: Functions of arrays by name: what computes them here, what else does, and inputs by which they are smooth.
TABLE: list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
    *[("solve", L.solve, np.linalg.solve, xs)
      for xs in ((SQUARE, VECTOR), (MIXED, SIDES), (STACK, VECTOR), (STACK, SIDES), (SQUARE, drawn(2, 2, 3, 1)),
                 (STACK, drawn(3, 1, 3, 2)))],
    *[("inv", L.inv, np.linalg.inv, (x,)) for x in (SQUARE, MIXED, STACK, SQUARE[:1, :1])],
    *[("det", L.det, np.linalg.det, (x,)) for x in (SQUARE, MIXED, STACK, SQUARE[:1, :1])],
    *[("logabsdet", lambda x: L.slogdet(x).logabsdet, lambda x: np.linalg.slogdet(x)[1], (x,))
      for x in (SQUARE, MIXED, STACK)],
    *[("pinv", L.pinv, np.linalg.pinv, (x,)) for x in (SQUARE, TALL, WIDE, TALLS)],
    *[("lstsq", lambda x, y: L.lstsq(x, y).solution, lambda x, y: np.linalg.lstsq(x, y)[0], (x, y))
      for x, y in ((TALL, drawn(5)), (TALL, drawn(5, 2)), (WIDE, SIDES), (SQUARE, VECTOR))],
    ("residuals", lambda x, y: L.lstsq(x, y).residuals, lambda x, y: np.linalg.lstsq(x, y)[1], (TALL, drawn(5, 2))),
    ("residuals", lambda x, y: L.lstsq(x, y).residuals, lambda x, y: np.linalg.lstsq(x, y)[1], (TALL, drawn(5))),
    *[("cholesky", of_symmetric(L.cholesky), np.linalg.cholesky, (x,)) for x in (SPD, SPDS)],
    ("cholesky upper", of_symmetric(lambda x: L.cholesky(x, upper=True)), lambda x: np.linalg.cholesky(x).T, (SPD,)),
    *[("cholesky_solve", of_symmetric(lambda x, y, u=u: L.cholesky_solve(y, L.cholesky(x, upper=u), upper=u)),
       np.linalg.solve, (x, y))
      for x, y in ((SPD, VECTOR), (SPDS, SIDES)) for u in (False, True)],
    *[("Q", lambda x: L.qr(x).Q, lambda x: np.linalg.qr(x)[0], (x,)) for x in (SQUARE, TALL, WIDE, TALLS)],
    *[("R", lambda x: L.qr(x, "r"), lambda x: np.linalg.qr(x)[1], (x,)) for x in (SQUARE, TALL, WIDE, TALLS)],
    *[("svdvals", L.svdvals, np.linalg.svdvals, (x,)) for x in (SQUARE, TALL, WIDE, TALLS)],
    *[("eigvalsh", of_symmetric(L.eigvalsh), np.linalg.eigvalsh, (x,)) for x in (SPD, SPDS)],
    *[("lu L", lambda x: L.lu(x).L, lu_part(1), (x,)) for x in (MIXED, TALL, WIDE, STACK)],
    *[("lu U", lambda x: L.lu(x).U, lu_part(2), (x,)) for x in (MIXED, TALL, WIDE, STACK)],
    *[("norm", lambda x, o=o: L.norm(x, o, (-2, -1)), lambda x, o=o: np.linalg.norm(x, o, (-2, -1)), (x,))
      for o in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf) for x in (SQUARE, TALLS)],
    ("norm of columns", lambda x: L.norm(x, 1, (-1, -2), True), lambda x: np.linalg.norm(x, 1, (-1, -2), True),
     (TALLS,)),
    *[("vector norm", lambda x, o=o: L.norm(x, o, 0), lambda x, o=o: np.linalg.norm(x, o, 0), (TALL,))
      for o in (None, 1, 2, 3, -1, 2.5, 0.5, np.inf, -np.inf)],
    ("norm of all", L.norm, np.linalg.norm, (TALLS,)),
    ("norm kept", lambda x: L.norm(x, keepdims=True), lambda x: np.linalg.norm(x, keepdims=True), (TALL,)),
    *[("cond", lambda x, p=p: L.cond(x, p), lambda x, p=p: np.linalg.cond(x, p), (STACK,))
      for p in (None, 2, -2, "fro", 1, np.inf)],
    *[("matrix_power", lambda x, n=n: L.matrix_power(x, n), lambda x, n=n: np.linalg.matrix_power(x, n), (STACK,))
      for n in (-2, 1, 2, 5)],
    *[("expm", lambda x, s=s: L.expm(decaying(x) * s), lambda x, s=s: scipy.linalg.expm(decaying(x) * s), (x,))
      for x in (SQUARE, STACK) for s in (0.3, 1.0)],
    ("kron", L.kron, np.kron, (SQUARE, TALL)),
    ("kron of ranks", L.kron, np.kron, (VECTOR, TALLS)),
    *[("multi_dot", lambda *xs: L.multi_dot(xs), lambda *xs: np.linalg.multi_dot(xs), xs)
      for xs in ((drawn(3), drawn(3, 4), drawn(4, 2), drawn(2, 5)), (drawn(2, 3), drawn(3, 4), drawn(4)))],
    *[("solve_triangular", lambda x, y, o=o: L.solve_triangular(x, y, *o),
       lambda x, y, o=o: scipy.linalg.solve_triangular(x, y, *o), (SQUARE, y))
      for o in ((0, False), (1, False), ("T", True), ("N", True, True)) for y in (VECTOR, SIDES)],
]
# fmt: on
ROWS = pytest.mark.parametrize(
    ("f", "reference", "xs"), [pytest.param(*row, id=f"{name}-{i}") for i, (name, *row) in enumerate(TABLE)]
)


@ROWS
def test_value_and_derivatives(f, reference, xs):
    close(f(*xs), reference(*xs), ulps=4096)
    gradcheck(f, xs, **DIFFERENCES)


# One row of each name stands for all.
FIRST = [pytest.param(*row, id=name) for name, *row in {row[0]: row for row in reversed(TABLE)}.values()]


@pytest.mark.parametrize(("f", "reference", "xs"), FIRST)
def test_second_order(f, reference, xs):
    gradgradcheck(f, xs, **(DIFFERENCES | {"rtol": 1e-5}))


def squares(f: Callable[..., Any]) -> Callable[..., Any]:
    """The squares of the elements, each with a weight of its own: no gradient is zero by orthogonality."""

    def weighted(*xs):
        out = ag.ravel(f(*xs))
        return ag.sum(ag.square(out) * np.linspace(1, 2, out.size, dtype=out.dtype) ** 3)

    return weighted


def first_order(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: [f(*xs), *ag.grad(squares(f), tuple(range(len(xs))))(*xs)]


def second_order(f: Callable[..., Any]) -> Callable[..., Any]:
    def gradients(*xs):
        return sum([squares(lambda x: x)(g) for g in ag.grad(squares(f), tuple(range(len(xs))))(*xs)])

    return lambda *xs: ag.grad(gradients, tuple(range(len(xs))))(*xs)


def agree(f: Callable[..., Any], xs: Any, ulps: float) -> None:
    before = [x.copy() for x in xs]
    for actual, expected in zip(jit.compile(f)(*xs), f(*xs), strict=True):
        close(actual, expected, ulps)
    for x, y in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, y)


@ROWS
def test_compiled(f, reference, xs):
    agree(first_order(f), xs, 2**12)


@pytest.mark.parametrize(("f", "reference", "xs"), FIRST)
def test_compiled_in_other_precision_and_order(f, reference, xs):
    agree(first_order(f), [x.astype(np.float32) for x in xs], 2**12)
    agree(second_order(f), xs, 2**16)


# ---- NumPy's functions ----

CALLS: dict[str, list[Callable[..., Any]]] = {
    "cholesky": [lambda a: np.linalg.cholesky(a(SPD)), lambda a: np.linalg.cholesky(a(SPD), upper=True)],
    "cond": [lambda a: np.linalg.cond(a(SQUARE)), lambda a: np.linalg.cond(a(SQUARE), p="fro")],
    "det": [lambda a: np.linalg.det(a(SQUARE))],
    "eig": [lambda a: np.linalg.eig(a(TURNING))],
    "eigvals": [lambda a: np.linalg.eigvals(a(TURNING))],
    "eigh": [lambda a: np.linalg.eigh(a(SPD)), lambda a: np.linalg.eigh(a(SPDS), UPLO="U")[0]],
    "eigvalsh": [lambda a: np.linalg.eigvalsh(a(SPD))],
    "inv": [lambda a: np.linalg.inv(a(STACK))],
    "lstsq": [
        lambda a: np.linalg.lstsq(a(TALL), drawn(5))[:2],
        lambda a: np.linalg.lstsq(a(WIDE), VECTOR, rcond=None)[0],
    ],
    "matrix_norm": [lambda a: np.linalg.matrix_norm(a(STACK), ord="nuc", keepdims=True)],
    "matrix_power": [lambda a: np.linalg.matrix_power(a(SQUARE), 3)],
    "matrix_rank": [lambda a: np.linalg.matrix_rank(a(TALLS)), lambda a: np.linalg.matrix_rank(a(TALL), tol=1e9)],
    "multi_dot": [lambda a: np.linalg.multi_dot([a(SQUARE), a(SIDES), drawn(2)])],
    "norm": [lambda a: np.linalg.norm(a(TALL)), lambda a: np.linalg.norm(a(TALL), np.inf, axis=1, keepdims=True)],
    "pinv": [lambda a: np.linalg.pinv(a(TALL)), lambda a: np.linalg.pinv(a(WIDE), rcond=1e-9, hermitian=False)],
    "qr": [lambda a: np.linalg.qr(a(WIDE)), lambda a: np.linalg.qr(a(TALL), mode="r")],
    "slogdet": [lambda a: np.linalg.slogdet(a(MIXED))],
    "solve": [lambda a: np.linalg.solve(a(SQUARE), VECTOR), lambda a: np.linalg.solve(SQUARE, a(SIDES))],
    "svd": [
        lambda a: np.linalg.svd(a(TALL), full_matrices=False),
        lambda a: np.linalg.svd(a(SQUARE)),
        lambda a: np.linalg.svd(a(TALL), compute_uv=False),
    ],
    "svdvals": [lambda a: np.linalg.svdvals(a(TALLS))],
    "cross": [
        lambda a: np.linalg.cross(a(CROSSED), CROSSED[::-1]),
        lambda a: np.linalg.cross(a(CROSSED.T), CROSSED.T, axis=0),
    ],
    "diagonal": [lambda a: np.linalg.diagonal(a(TALLS)), lambda a: np.linalg.diagonal(a(TALLS), offset=-1)],
    "outer": [lambda a: np.linalg.outer(a(VECTOR), VECTOR)],
    "trace": [lambda a: np.linalg.trace(a(TALLS)), lambda a: np.linalg.trace(a(TALLS), offset=-1)],
    "vector_norm": [
        lambda a: np.linalg.vector_norm(a(TALLS)),
        lambda a: np.linalg.vector_norm(a(TALL), axis=0, ord=1),
        lambda a: np.linalg.vector_norm(a(TALL), keepdims=True),
    ],
}


def test_every_function_of_numpy_has_a_call():
    assert {f.__name__ for f in FUNCTIONS if f.__module__ == "numpy.linalg"} == CALLS.keys()


@pytest.mark.parametrize(
    ("name", "f"), [pytest.param(n, f, id=f"{n}-{i}") for n, fs in CALLS.items() for i, f in enumerate(fs)]
)
def test_functions_of_numpy(name, f):
    expected, found = f(np.array), f(lambda x: ag.tensor(x, requires_grad=True))
    pairs = list(zip(expected, found, strict=True)) if isinstance(expected, tuple) else [(expected, found)]
    for i, (e, r) in enumerate(pairs):
        assert isinstance(r, ag.Tensor)
        assert r.requires_grad == (name != "matrix_rank" and not (name == "slogdet" and i == 0))
        close(r.detach().data, e, ulps=4096)


def test_what_numpy_has_and_tensors_have_not_is_refused():
    x = ag.tensor(SQUARE, requires_grad=True)
    for f in (np.linalg.tensorinv, np.linalg.matrix_transpose):
        with pytest.raises(TypeError, match=rf"`np\.linalg\.{f.__name__}` has no derivative rule and does not work"):
            f(x)
    with pytest.raises(TypeError, match="takes one axis or none, got"):
        np.linalg.vector_norm(x, axis=(0, 1))


def test_the_namespace_has_what_it_says():
    assert [name for name in names if not hasattr(L, name)] == []
    x = ag.tensor(SQUARE, requires_grad=True)
    close(x.inverse().detach().data, np.linalg.inv(SQUARE))
    close(x.det().detach().data, np.linalg.det(SQUARE))
    close(x.norm().detach().data, np.linalg.norm(SQUARE))


# ---- closed forms ----


def test_gradients_in_closed_form():
    x, inverse = MIXED, np.linalg.inv(MIXED)
    forms = [
        (L.det, np.linalg.det(x) * inverse.T),
        (lambda x: L.slogdet(x)[1], inverse.T),
        (lambda x: ag.trace(L.inv(x)), -(inverse @ inverse).T),
        (lambda x: ag.trace(L.expm(x)), scipy.linalg.expm(x).T),
        (lambda x: L.norm(x), x / np.linalg.norm(x)),
        (lambda x: ag.trace(L.matrix_power(x, 3)), 3 * (x @ x).T),
        (lambda x: L.norm(x, "nuc"), (lambda u, _, vt: u @ vt)(*np.linalg.svd(x))),
        (lambda x: L.norm(x, 2), (lambda u, _, vt: np.outer(u[:, 0], vt[0]))(*np.linalg.svd(x))),
        (lambda x: ag.sum(L.svdvals(x) ** 2), 2 * x),
        (of_symmetric(lambda x: ag.sum(L.eigvalsh(x))), np.eye(3)),
        (lambda x: ag.sum(ag.log(ag.diagonal(L.cholesky(x @ x.T)))), inverse.T),
        (lambda x: ag.sum(L.qr(x).R ** 2), 2 * x),
        (lambda x: ag.sum((L.lu(x).L @ L.lu(x).U) ** 2), 2 * x),
    ]
    for f, expected in forms:
        np.testing.assert_allclose(ag.grad(f)(x), expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(jit.grad(f)(x), expected, rtol=1e-10, atol=1e-12)


def test_the_gradient_of_triangles_that_are_not_read():
    for f in (lambda x: L.cholesky(x), lambda x: L.eigh(x).eigenvalues):
        loss = lambda x, f=f: ag.sum(f(x) ** 2 * np.arange(1, 4))
        upper = SPD + np.triu(np.full((3, 3), 7.0), 1)
        close(f(upper), f(SPD))
        g = ag.grad(loss)(upper)
        np.testing.assert_allclose(g, g.T, rtol=1e-10)
        np.testing.assert_allclose(g, ag.grad(of_symmetric(loss))(SPD), rtol=1e-10)
    triangle = ag.grad(lambda x: ag.sum(L.solve_triangular(x, VECTOR, lower=True)))(SQUARE)
    assert not np.triu(triangle, 1).any()


# ---- factorisations put together again ----


def transposed(x: Any) -> Any:
    return ag.swapaxes(x, -1, -2)


@pytest.mark.parametrize(
    "x",
    [SQUARE, MIXED, STACK, TALL, WIDE, TALLS, SQUARE[:1, :1], drawn(40, 30), drawn(30, 40), drawn(60, 2), drawn(2, 60)],
    ids=np.shape,
)
@pytest.mark.parametrize("run", [lambda f: f, jit.compile], ids=["eager", "compiled"])
def test_factors(x, run):
    k = min(x.shape[-2:])
    eye = np.broadcast_to(np.eye(k), (*x.shape[:-2], k, k))
    u, s, vt = run(lambda x: tuple(L.svd(x, full_matrices=False)))(x)
    np.testing.assert_allclose((u * s[..., None, :]) @ vt, x, atol=1e-12)
    q, r = run(lambda x: tuple(L.qr(x)))(x)
    np.testing.assert_allclose(q @ r, x, atol=1e-12)
    assert not np.tril(r, -1).any()
    for columns in (u, transposed(vt), q):
        np.testing.assert_allclose(transposed(columns) @ columns, eye, atol=1e-12)
    p, low, up = run(lambda x: tuple(L.lu(x)))(x)
    np.testing.assert_allclose(p @ low @ up, x, atol=1e-12)
    assert np.abs(low).max() <= 1
    symmetric = x @ transposed(x)
    w, v = run(lambda x: tuple(L.eigh(x)))(symmetric)
    np.testing.assert_allclose(v * w[..., None, :] @ transposed(v), symmetric, atol=1e-10)


@pytest.mark.parametrize("dtype", FLOATS)
def test_vectors_have_the_same_signs_eager_and_compiled(dtype):
    svd, eigh = jit.compile(ops.svd), jit.compile(ops.eigh)
    for seed in range(20):
        x = drawn(4, 4, seed=seed).astype(dtype)
        close(svd(x), ops.svd(x))
        close(eigh(x), ops.eigh(x))


# ---- layouts, sizes, sharing ----

VIEWS: list[Callable[[Any], Any]] = [
    transposed,
    lambda x: x[..., ::-1, :],
    lambda x: x[..., ::-1],
    lambda x: transposed(x)[..., ::-1, :],
    lambda x: ag.concatenate([x, x], -1)[..., ::2],
    lambda x: ag.concatenate([x, x], -2)[..., ::2, :],
    lambda x: ag.concatenate([x, x], -1)[..., 1 : x.shape[-1] + 1],
    lambda x: x[::-1],
    lambda x: x[:1] * 1,
]
OF_VIEWS: list[Callable[[Any], Any]] = [
    lambda v: L.solve(v + 9 * np.eye(3), v),
    lambda v: L.solve_triangular(v, v * 1, lower=True),
    lambda v: L.solve_triangular(v, v[..., :1], trans=1),
    lambda v: L.cholesky(transposed(v) @ v + np.eye(3)),
    lambda v: L.svdvals(v),
    lambda v: L.qr(v).R,
    lambda v: L.eigvalsh(v),
    lambda v: L.det(v),
]


@pytest.mark.parametrize("view", VIEWS, ids=range(len(VIEWS)))
@pytest.mark.parametrize("x", [SQUARE, STACK], ids=["matrix", "stack"])
def test_views(view, x):
    if x.ndim == 2 and view(x).shape != x.shape:
        pytest.skip("a part of the stack")

    def everything(x):
        return [f(view(x)) for f in OF_VIEWS]

    for given in (x, np.asfortranarray(x), x[..., ::-1, ::-1]):
        for actual, expected in zip(jit.compile(everything)(given), everything(given), strict=True):
            close(actual, expected, ulps=2**16)


def test_a_matrix_solves_for_a_stack_of_right_sides_at_once():
    graph = graph_after(L.solve, SQUARE, drawn(7, 3, 2))
    (lu,) = [e for e in graph.equations if e.primitive is ops.lu]
    assert lu.inputs[0].aval.shape == (3, 3)


def test_one_factorisation_serves_the_solution_its_gradient_and_the_determinant():
    def log_density(x, y):
        return L.slogdet(x).logabsdet + ag.sum(y * L.solve(x, y))

    graph = graph_after(lambda x, y: ag.grad(log_density, (0, 1))(x, y), SQUARE, VECTOR)
    made = [e.primitive for e in graph.equations]
    assert made.count(ops.lu) == 1
    assert ops.solve not in made
    g = ag.grad(log_density, (0, 1))(SQUARE, VECTOR)
    for actual, expected in zip(jit.grad(log_density, (0, 1))(SQUARE, VECTOR), g, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-10)


@pytest.mark.parametrize("n", [2, 16, 17])
@pytest.mark.parametrize("dtype", FLOATS)
def test_stacks_are_factorised_as_their_matrices_are(n, dtype):
    x, y = drawn(3, n, n).astype(dtype), drawn(3, n, 2).astype(dtype)
    x[1, :, 0] = 0  # a pivot of zero
    close(ops.lu(x), np.stack([ops.lu(m) for m in x]), ulps=2**12)
    close(ops.lu(x[:, :, : n - 1]), np.stack([ops.lu(m[:, : n - 1]) for m in x]), ulps=2**12)
    for lower, transpose, unit in product(*[(False, True)] * 3):
        given = x / 8 + 2 * np.eye(n, dtype=dtype)
        f = lambda x, y, o=(transpose, lower, unit): L.solve_triangular(x, y, *o)
        close(f(given, y), np.stack([f(*pair) for pair in zip(given, y, strict=True)]), ulps=2**10)


def test_mixed_dtypes_and_integers():
    for f in (L.solve, lambda x, y: L.solve_triangular(x, y), lambda x, y: L.lstsq(x, y)[0]):
        for x, y in ((SQUARE.astype(np.float32), VECTOR), (SQUARE, VECTOR.astype(np.float32))):
            assert f(x, y).dtype == np.float64
            for g, given in zip(ag.grad(squares(f), (0, 1))(x, y), (x, y), strict=True):
                assert g.dtype == given.dtype
            close(jit.compile(f)(x, y), f(x, y), ulps=256)
    assert L.inv([[2, 0], [0, 4]]).dtype == np.float64
    assert L.det(SQUARE.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("n", [0, 1])
def test_matrices_of_no_and_one_element(n):
    x = np.full((n, n), 4.0)
    for f in (L.inv, L.det, L.expm, L.pinv, L.cholesky, L.svdvals, L.eigvalsh, L.norm, lambda x: L.slogdet(x)[1]):
        expected = f(x)
        close(jit.compile(f)(x), expected)
        assert ag.grad(squares(f))(x).shape == x.shape
        close(jit.grad(squares(f))(x), ag.grad(squares(f))(x))
    assert float(L.det(x)) == (4.0 if n else 1.0)


def test_expm_is_recorded_again_where_it_squares_more_often():
    f = jit.compile(L.expm)
    for scale in (0.1, 1.0, 2.0, 10.0, 0.2):
        close(f(-SQUARE * scale), scipy.linalg.expm(-SQUARE * scale), ulps=2**14)
    assert len(next(iter(f.variants.values()))) <= 5


def test_a_compiled_call_is_part_of_an_outer_graph():
    f = lambda x, y: L.slogdet(x).logabsdet + ag.sum(L.solve(x, y) ** 2) + ag.sum(L.svdvals(x) ** 3)
    x, y = ag.tensor(SQUARE, requires_grad=True), ag.tensor(VECTOR, requires_grad=True)
    (jit.compile(f)(x, y) ** 2).backward()
    expected = ag.grad(lambda x, y: f(x, y) ** 2, (0, 1))(SQUARE, VECTOR)
    for found, g in zip((x.grad, y.grad), expected, strict=True):
        close(found.data, g, ulps=2**12)


_PROGRAM = """
import numpy as np, jit, autograd as ag
f = jit.value_and_grad(lambda x: ag.linalg.slogdet(x)[1] + ag.sum(ag.linalg.inv(x)) + ag.sum(ag.linalg.svdvals(x)))
print(float(f(np.eye(3) * 2 + 0.1)[0]), jit.cache_info().loaded)
"""


def test_kernels_that_call_lapack_are_found_on_the_disk(tmp_path):
    environment = {**os.environ, "JIT_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", _PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    (value, loaded), (again, loaded_again) = [run.stdout.split() for run in runs]
    assert (value, loaded, loaded_again) == (again, "0", "1")


def test_rank():
    x = np.outer([1.0, 2.0, 3.0], [4.0, 5.0])
    assert int(L.matrix_rank(x)) == int(L.lstsq(x, np.ones(3)).rank) == 1
    assert int(jit.compile(L.matrix_rank)(x)) == 1
    assert L.matrix_rank(np.stack([x, TALL[:3, :2]])).tolist() == [1, 2]
    assert int(L.matrix_rank(x, tol=100.0)) == 0
    close(L.pinv(x), np.linalg.pinv(x), ulps=256)
    close(jit.compile(L.pinv)(x), np.linalg.pinv(x), ulps=256)


def test_the_pseudoinverse_of_deficient_rank_has_the_gradient_for_that_rank():
    f = lambda a, b: L.pinv((a + np.eye(4, 2)) @ (b + np.eye(2, 3)), 1e-9)
    gradcheck(f, (drawn(4, 2), drawn(2, 3)), **DIFFERENCES)


# ---- conventions ----

CONVENTIONS: list[tuple[Callable[..., Any], Any, Any]] = [
    (lambda x: L.norm(x), np.zeros((2, 2)), np.zeros((2, 2))),
    (lambda x: L.norm(x, 3, 0).sum(), np.zeros((2, 2)), np.zeros((2, 2))),
    (lambda x: L.norm(x, 1, 0).sum(), np.zeros((2, 1)), np.zeros((2, 1))),
    (lambda x: L.norm(x, 1.5, 0).sum(), np.array([[0.0], [-4.0]]), np.array([[0.0], [-1.0]])),
    (lambda x: L.norm(x, 0.5), np.zeros(1), np.zeros(1)),
    (lambda x: L.norm(x, np.inf), np.array([3.0, -3.0]), np.array([0.5, -0.5])),
    # Equal values: the sum of them, and what is symmetric in them, has a gradient.
    (lambda x: ag.sum(L.eigvalsh(x)), np.eye(2), np.eye(2)),
    (lambda x: ag.sum(L.eigvalsh(x) ** 3), 2 * np.eye(3), 12 * np.eye(3)),
    (lambda x: ag.sum(L.svdvals(x)), np.eye(3, 2), np.eye(3, 2)),
    (lambda x: ag.sum(L.svdvals(x) ** 2), np.zeros((2, 3)), np.zeros((2, 3))),
    # Each vector by itself has none.
    (
        lambda x: ag.sum(L.eigh(x)[1] * np.array([[0.0, 1], [0, 0]])),
        np.eye(2),
        np.array([[np.nan, np.inf], [np.inf, np.nan]]),
    ),
]


@pytest.mark.parametrize(("f", "x", "expected"), CONVENTIONS, ids=range(len(CONVENTIONS)))
def test_conventions(f, x, expected):
    finite = np.isfinite(expected).all()
    for run in (ag.grad, jit.grad):
        with np.errstate(all="ignore"):
            g = run(f)(x)
        if finite:
            np.testing.assert_allclose(g, expected, atol=1e-12)
        else:
            assert not np.isfinite(g).any()


# ---- errors ----

ONES, NAN = np.ones((2, 2)), np.full((3, 3), np.nan)
REFUSED: list[tuple[Callable[..., Any], Any, str]] = [
    (L.cholesky, -np.eye(2), r"`cholesky` needs positive definite matrices, got shapes \(2, 2\): .*add a multiple of"),
    (L.cholesky, np.stack([np.eye(2), -np.eye(2)]), r"`cholesky` needs positive definite .* \(2, 2, 2\)"),
    (
        L.inv,
        ONES,
        r"`solve` needs invertible matrices, got shapes \(2, 2\) and \(2, 2\): Singular matrix; take `lstsq`",
    ),
    (lambda x: L.solve(x, x[..., 0]), np.zeros((3, 3)), r"`solve` needs invertible matrices"),
    (lambda x: L.solve_triangular(x, x), np.tri(2) - np.eye(2), r"`solve_triangular` needs a diagonal without zeros"),
    (L.eigh, NAN, r"`eigh` needs finite matrices, got shapes \(3, 3\): the iteration did not converge; look for NaN"),
    (L.svdvals, NAN, r"`svd` needs finite matrices"),
    (L.pinv, NAN, r"`(pinv|svd)` needs finite matrices"),
    (ag.grad(L.det), ONES, r"`solve_triangular` needs a diagonal without zeros"),
    (ag.grad(lambda x: ag.sum(L.qr(x).R)), np.zeros((2, 2)), r"`solve_triangular` needs a diagonal without zeros"),
]


@pytest.mark.parametrize(("f", "x", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_lapack_refuses_is_the_same_error_eager_and_compiled(f, x, words):
    compiled = jit.compile(f)
    fine = np.broadcast_to(3 * np.eye(x.shape[-1]) + 0.5, x.shape).copy()
    compiled(fine)
    for run in (f, compiled, lambda x: f(ag.tensor(x)), lambda x: compiled(ag.tensor(x))):
        with np.errstate(all="ignore"), pytest.raises(np.linalg.LinAlgError, match=words):
            run(x)
    compiled(fine)


def test_nan_goes_through_where_lapack_lets_it():
    for f in (L.det, L.expm, L.inv, lambda x: L.qr(x).R[..., 0, :]):
        with np.errstate(all="ignore"):
            assert np.isnan(f(NAN)).all()
            assert np.isnan(jit.compile(f)(NAN)).all()


X = ag.tensor(SQUARE, requires_grad=True)
MISUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: L.inv(ag.tensor(TALL)),
        ValueError,
        r"`inv` needs square matrices, got shape \(5, 3\); for others take `ls",
    ),
    (
        lambda: L.det(ag.tensor(VECTOR)),
        ValueError,
        r"`det` needs a matrix or a stack of them, got shape \(3,\); reshape",
    ),
    (
        lambda: L.solve(X, np.ones(4)),
        ValueError,
        r"`solve` needs a right side of 3 rows for .* \(3, 3\), got shape \(4,\)",
    ),
    (lambda: L.lstsq(X, np.ones((4, 1))), ValueError, r"`lstsq` needs a right side of 3 rows .*, got shape \(4, 1\)"),
    (lambda: L.solve_triangular(X, X, trans="C"), ValueError, r'`trans` to be 0, 1, "N" or "T", got \'C\''),
    (lambda: L.svd(ag.tensor(TALL)), ValueError, r"`svd` needs `full_matrices=False` for shape \(5, 3\)"),
    (lambda: L.qr(X, "complete"), ValueError, r'`qr` needs a mode of "reduced" or "r", got \'complete\''),
    (lambda: L.eigh(X, "X"), ValueError, r'`eigh` needs `UPLO` to be "L" or "U", got \'X\''),
    (lambda: L.norm(X, 5), ValueError, r"`norm` of matrices needs an order among .*, got 5; for vectors give one axis"),
    (lambda: L.norm(X, "fro", 0), ValueError, r"`norm` of vectors needs a number for the order, got 'fro'"),
    (lambda: L.norm(ag.tensor(STACK), 2), ValueError, r"`norm` with an order needs a vector, a matrix or `axis`"),
    (lambda: L.norm(X, 2, (0, 0)), ValueError, r"`norm` needs one axis, or two different ones, got axis=\(0, 0\)"),
    (lambda: L.matrix_power(X, 0.5), TypeError, r"`matrix_power` needs an integer for the power, got 0.5"),
    (lambda: L.multi_dot([X]), ValueError, r"`multi_dot` needs two matrices at least, .* got \(3, 3\)"),
    (lambda: L.det(np.eye(2, dtype=complex)), TypeError, r"`det` needs float64 or float32, got complex128; convert"),
    (lambda: L.inv(np.eye(2, dtype=np.float16)), TypeError, r"`inv` needs float64 or float32, got float16"),
]


@pytest.mark.parametrize(("f", "error", "words"), MISUSED, ids=range(len(MISUSED)))
def test_errors_say_what_is_needed(f, error, words):
    with pytest.raises(error, match=words):
        f()
