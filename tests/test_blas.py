"""Matrix products: all ranks, dtypes and layouts, on both sides of the size where BLAS takes over."""

import re

import numpy as np
import pytest

from autograd import ops
from jit.emit import product
from jit.lowering import matrix
from jit.lowering.matrix import Matrix, Product, as_matrix, by_blas, by_tiles, product_of
from jit.lowering.program import Call
from jit.lowering.views import row_major
from tests.graphs import check, compiled, program_of

FLOATS = [np.dtype(np.float64), np.dtype(np.float32)]


@pytest.fixture(autouse=True, params=[32, 64], ids=["AVX2", "AVX-512"])
def vector(request, monkeypatch):
    for module in (matrix, product):
        monkeypatch.setattr(module, "vector_bytes", lambda: request.param)
    return request.param


RANKS = [
    ((7,), (7,)), ((5, 7), (7,)), ((7,), (7, 3)), ((5, 7), (7, 3)), ((2, 5, 7), (7, 3)), ((5, 7), (2, 7, 3)),
    ((7,), (2, 7, 3)), ((2, 5, 7), (7,)), ((2, 5, 7), (2, 7, 3)), ((2, 1, 5, 7), (3, 7, 4)), ((1, 7), (7, 1)),
    ((5, 1), (1, 3)), ((1, 1), (1, 1)),
]  # fmt: skip
LARGE = [
    ((40, 30), (30, 50)), ((40, 30), (30,)), ((30,), (30, 40)), ((3, 11, 20), (20, 12)), ((600,), (600,)),
    ((2, 1, 11, 20), (3, 20, 12)), ((3, 40, 20), (20,)), ((20,), (2, 3, 20, 40)), ((1, 2000), (2000, 1)),
    ((200, 1), (1, 300)),
]  # fmt: skip
EMPTY = [((4, 0), (0, 3)), ((0, 4), (4, 3)), ((4, 3), (3, 0)), ((0,), (0,)), ((2, 3, 0), (0, 4)), ((0, 3, 4), (4, 2))]


def factors(shapes, dtype=np.float64):
    return [np.asarray(np.random.default_rng(len(s)).uniform(-1, 1, s) * 4, dtype) for s in shapes]


@pytest.mark.parametrize("shapes", RANKS + LARGE + EMPTY, ids=str)
def test_products_of_all_ranks(shapes):
    check(ops.matmul, *factors(shapes))


def factor(m, n, k, dtype=FLOATS[0], **changed):
    return Product(m, n, k, (k, 1), (n, 1), (n, 1), dtype)._replace(**changed)


def test_tiles_compute_all_products_with_vectors_and_small_ones_of_matrices(vector):
    assert by_tiles(factor(1, 5000, 5000))
    assert by_tiles(factor(5000, 1, 5000))
    assert by_tiles(factor(64, 64, 64, FLOATS[1]))
    assert by_blas(factor(64, 65, 64)) == (vector == 32)
    assert not by_blas(factor(64, 64, 64))


def test_tiles_compute_larger_products_with_the_vectors_of_avx_512(vector):
    wide = vector == 64
    assert by_tiles(factor(400, 400, 400)) == wide
    assert by_blas(factor(410, 410, 410))
    assert by_tiles(factor(64, 5000, 60)) == wide
    assert by_blas(factor(63, 5000, 60))
    assert by_blas(factor(64, 64, 65, stacked=True))
    inner = {"x": (256, 1), "y": (1, 256)}
    assert by_tiles(factor(256, 256, 256, **inner)) == wide
    assert by_blas(factor(256, 257, 256, **inner))


@pytest.mark.parametrize("shapes", [((70, 40), (40, 100)), ((256, 300), (300, 260)), ((97, 700), (700, 130))], ids=str)
def test_larger_products(shapes):
    x, y = factors(shapes)
    check(lambda x, y, u, v: (x @ y, u.T @ y, x @ v.T), x, y, x.T.copy(), y.T.copy(), rtol=1e-11, scale=1.0)


def test_loops_compute_what_tiles_cannot_while_it_is_small():
    steps = {"x": (1, 9), "y": (1, 9)}
    assert not by_tiles(factor(8, 8, 8, **steps))
    assert not by_blas(factor(8, 8, 8, **steps))
    assert by_blas(factor(9, 8, 8, **steps))
    assert not by_blas(factor(40, 40, 40, np.dtype(np.int64)))
    assert not by_tiles(factor(40, 40, 40, np.dtype(np.int64)))


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (((2, 5, 7), (7, 3)), (5, 3, 7, (7, 1), (3, 1), (3, 1))),
        (((5, 7), (7,)), (5, 1, 7, (7, 1), (1, 0), (1, 0))),
        (((7,), (7, 3)), (1, 3, 7, (0, 1), (3, 1), (0, 1))),
        (((7,), (2, 7, 3)), (1, 3, 7, (0, 1), (3, 1), (0, 1))),
        (((7,), (7,)), (1, 1, 7, (0, 1), (1, 0), (0, 0))),
    ],
)
def test_vectors_are_rows_and_columns(shapes, expected):
    out = np.matmul(*factors(shapes)).shape
    strides = tuple([row_major(shape) for shape in (*shapes, out)])
    stacked = any(len(shape) > 2 for shape in shapes)
    assert product_of(*shapes, strides, FLOATS[0]) == (*expected, FLOATS[0], stacked)


# Each size below, at and above that of a tile; each operand as it is and transposed.
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("m", [1, 3, 5, 13])
@pytest.mark.parametrize("n", [1, 2, 19, 70])
def test_tiles_of_all_sizes(m, n, dtype, vector):
    arrays = [x for k in (1, 4, 13) for x in factors(((m, k), (k, n), (k, m), (n, k)), dtype)]

    def f(*arrays):
        groups = [arrays[i : i + 4] for i in range(0, len(arrays), 4)]
        return tuple([z for x, y, u, v in groups for z in (x @ y, u.T @ y, x @ v.T, u.T @ v.T)])

    run = check(f, *arrays, rtol=1e-5 if dtype == np.float32 else 1e-12)
    lanes = vector // dtype.itemsize
    if n > lanes:
        assert f"<{lanes} x {'double' if dtype == np.float64 else 'float'}>" in run.llvm


def test_long_sums_are_taken_in_parts():
    n = 300_007
    x, ones = np.full((1, n), 0.1, np.float32), np.ones((n, 1), np.float32)
    run = compiled(lambda x, y: (x @ y, x @ ops.expand(y, shape=(n, 3))), x, ones)
    for got in run(x, ones)[1]:
        np.testing.assert_allclose(got, np.full_like(got, n * np.float64(np.float32(0.1))), rtol=4e-6)


@pytest.mark.parametrize(
    ("shape", "strides", "expected"),
    [
        ((4, 3), (3, 1), Matrix("N", 3)),
        ((4, 3), (5, 1), Matrix("N", 5)),
        ((4, 3), (1, 4), Matrix("T", 4)),
        ((4, 3), (1, 9), Matrix("T", 9)),
        ((1, 3), (7, 1), Matrix("N", 7)),
        ((1, 3), (0, 2), Matrix("T", 2)),
        ((4, 1), (2, 0), Matrix("N", 2)),
        ((4, 1), (1, 1), Matrix("N", 1)),
        ((1, 1), (0, 0), Matrix("N", 1)),
        ((4, 3), (0, 1), None),
        ((4, 3), (1, 0), None),
        ((4, 3), (-3, 1), None),
        ((4, 3), (3, -1), None),
        ((4, 3), (6, 2), None),
    ],
)
def test_what_blas_reads_in_place(shape, strides, expected):
    assert as_matrix(shape, strides) == expected


@pytest.mark.parametrize("shapes", [((5, 7), (7, 3)), ((40, 30), (30, 50))], ids=str)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("f4", "f4"),
        ("f4", "f8"),
        ("f8", "f4"),
        ("i8", "f8"),
        ("i4", "f4"),
        ("i8", "i8"),
        ("u1", "u1"),
        ("?", "?"),
        ("?", "i8"),
    ],
)
def test_products_of_other_dtypes(shapes, left, right):
    check(ops.matmul, factors(shapes, left)[0], factors(shapes, right)[1], rtol=1e-5)


OPERANDS = {
    "transposed": lambda x, y: y.T @ x.T,
    "flipped": lambda x, y: (x[::-1] @ y, x[:, ::-1] @ y[::-1], y.T[::-1] @ x.T),
    "strided": lambda x, y: (x[::2, ::3] @ y[::3], x[:, 3:20] @ y[3:20, ::2]),
    "repeated": lambda x, y: (ops.expand(x[0], shape=(40, 30)) @ y, x @ ops.expand(x[:1].T, shape=(30, 50))),
    "columns": lambda x, y: (x[:, 2:3] @ y[1:2], x[1:2] @ y, x[:, :1].T @ x, x @ y[:, :1]),
    "vectors": lambda x, y: (x @ y[:, 0], x @ y[::-1, 0], x[::-1] @ y[:, 2], y[:, 0] @ x.T, y[::-1, 0] @ y[:, ::-1]),
    "a repeated number": lambda x, y: (x @ ops.expand(y[0, 0], shape=(30,)), ops.expand(y[0, 0], shape=(40,)) @ x),
    "computed": lambda x, y: ops.exp(x).T[:, ::2] @ ops.sin(x)[::2],
    "batches": lambda x, y: (
        ops.reshape(x, shape=(4, 10, 30))[:, ::-1] @ y, ops.expand(x, shape=(3, 40, 30)) @ y,
        ops.transpose(ops.reshape(x, shape=(4, 10, 30)), axes=(1, 0, 2)) @ y[:, ::2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("f", OPERANDS.values(), ids=OPERANDS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_products_of_views(f, dtype):
    check(f, *factors(((40, 30), (30, 50)), dtype), rtol=1e-5 if dtype == np.float32 else 1e-12)


def test_views_that_blas_reads_are_not_copied():
    f = lambda x, y: (y.T @ x.T, x[::2, 3:20] @ y[3:20], x @ y[:, 0], y[:, 3] @ x.T, y[:, 1:9].T @ y[:, 9:])
    program = program_of(f, *factors(((40, 30), (30, 50))))
    assert [type(step) for step in program.steps] == [Call] * 5


def test_what_products_have_in_common_is_there_once(monkeypatch):
    monkeypatch.setattr(matrix, "vector_bytes", lambda: 32)
    run = check(lambda x: x @ x @ x @ x.T, np.eye(70))
    assert re.findall(r"^@jit_i32_\d+ = internal", run.llvm, re.MULTILINE) == ["@jit_i32_70 = internal"]
    assert "alloca i32" not in run.llvm
    run = check(lambda x: x @ x @ x @ x, np.eye(40))
    assert len(re.findall(r"^define internal .*@jit_product", run.llvm, re.MULTILINE)) == 1
