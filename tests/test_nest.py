"""Loop nests: reductions over all axes, and indices by value, against NumPy."""

import re
from itertools import combinations

import numpy as np
import pytest

import jit
from autograd import ops
from tests.graphs import check, compiled, same
from tests.mixtures import DTYPES, drawn

FLOATS = [np.dtype(np.float64), np.dtype(np.float32)]
REDUCTIONS = [ops.sum, ops.prod, ops.max, ops.min]


def sample(shape, dtype):
    """Random elements, whose products stay of the order of one."""
    numbers = np.random.default_rng(len(shape))
    if np.dtype(dtype).kind == "f":
        return np.asarray(numbers.uniform(0.9, 1.1, shape), dtype)
    return drawn(numbers, shape, np.dtype(dtype))


def axes_of(shape):
    """All combinations of axes."""
    return [axis for k in range(len(shape) + 1) for axis in combinations(range(len(shape)), k)]


# ---- short rows ----


ROWS = {
    "elementwise": lambda x, y, z: x * y + x,
    "a number a row": lambda x, y, z: x * z,
    "a sum a row": lambda x, y, z: ops.sum(x * y, axis=(1,), keepdims=False),
    "a sum a column": lambda x, y, z: ops.sum(x * z, axis=(0,), keepdims=False),
    "transposed": lambda x, y, z: x + ops.transpose(ops.reshape(x * z, shape=x.shape[::-1]), axes=(1, 0)),
}


def rows_of(n):
    return sample((50, n), np.float64), sample((n,), np.float64), sample((50, 1), np.float64)


@pytest.mark.parametrize("f", ROWS.values(), ids=ROWS)
def test_short_rows(f):
    for n in (7, 8, 9, 15, 16, 17, 32, 63, 64, 65):
        check(f, *rows_of(n))


@pytest.mark.parametrize("n", [8, 16, 32, 48, 64])
def test_short_rows_are_read_as_vectors(n):
    inputs = rows_of(n)
    text = jit.compile(lambda x, y, z: x * y + x * z).llvm
    assert re.search(r"load <\d+ x double>", text(*inputs))
    # A stride between the elements of a vector would be a gather, or one load for each.
    assert not re.search(r"gather|scatter|insertelement <\d+ x double> %", text(*inputs))


@pytest.mark.parametrize("few", [2, 3, 4])
def test_few_coordinates_of_bodies_are_taken_in_vectors_of_bodies(few):
    f = lambda x: (x[:, None] - x, np.sum((x[:, None] - x) ** 2, axis=-1))
    x = sample((8, few), np.float64)
    check(f, x)
    text = jit.compile(f).llvm(x)
    assert re.search(r"fsub.* <\d+ x double>", text)
    assert not re.search(r"gather|scatter", text)


# ---- reductions ----


LENGTHS = [(n, DTYPES[0]) for n in (1, 2, 3, 7, 64, 65, 1000)] + [(65, dtype) for dtype in DTYPES[1:]]


@pytest.mark.parametrize(("n", "dtype"), LENGTHS, ids=str)
def test_reductions_of_vectors(n, dtype):
    f = lambda x: tuple([op(x, axis=(0,), keepdims=False) for op in REDUCTIONS])
    check(f, sample((n,), dtype))


SHAPES = [(3, 5), (1, 5), (65, 7), (7, 65), (3, 1, 4), (1, 1, 1), (2, 3, 2, 2)]


@pytest.mark.parametrize(
    ("shape", "op"), [*[(shape, ops.sum) for shape in SHAPES], ((5, 9), ops.max), ((2, 3, 4), ops.min)]
)
def test_reductions_over_all_combinations_of_axes(shape, op):
    axes = axes_of(shape)
    f = lambda x: tuple([op(x, axis=axis, keepdims=i % 2 == 0) for i, axis in enumerate(axes)])
    check(f, sample(shape, np.float64))


@pytest.mark.parametrize("dtype", ["f4", "i4", "?", "u1"])
def test_reductions_of_other_dtypes(dtype):
    f = lambda x: tuple([op(x, axis=axis, keepdims=False) for op in REDUCTIONS for axis in ((0,), (1,), (0, 2))])
    check(f, sample((4, 3, 5), dtype))


@pytest.mark.parametrize("place", [0, 3, 64, 99])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nan_reaches_every_reduction(place, dtype):
    x = sample((100,), dtype)
    x[place] = np.nan
    run = compiled(lambda x: tuple([op(x, axis=(0,), keepdims=False) for op in REDUCTIONS]), x)
    status, found = run(x)
    assert status == 0
    assert np.isnan(found).all()


def test_infinities():
    x = np.array([[np.inf, 1.0, -np.inf], [np.inf, 2.0, 3.0]])
    check(lambda x: tuple([op(x, axis=axis, keepdims=False) for op in REDUCTIONS for axis in ((0,), (1,))]), x)


@pytest.mark.parametrize("shape", [(10**6,), (1000, 1000)], ids=str)
def test_single_precision_sums_are_accurate(shape):
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    f = lambda x: ops.sum(x, axis=(x.ndim - 1,), keepdims=False)
    _, (found,) = compiled(f, x)(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, x.astype(np.float64).sum(-1), rtol=np.finfo(np.float32).eps)


def test_integer_sums_wrap():
    check(lambda x: (ops.sum(x, axis=(0,), keepdims=False), ops.prod(x, axis=(0,), keepdims=False)), np.full(9, 2**62))


# ---- indexing ----

TABLE = np.arange(60.0).reshape(5, 4, 3)
INDICES = [
    np.array([0, -1, -5, 4]), np.array([[1, 2], [3, -4]]), np.array(2), np.array([], np.intp),
    np.array([1, 2], np.uint8),
]  # fmt: skip


@pytest.mark.parametrize("i", INDICES, ids=repr)
def test_gather(i):
    f = lambda x, i: (
        ops.gather(x, i),
        ops.gather(x * 2, i) + 1,
        ops.gather(x, i, i % 4),
        ops.gather(x, i, i % 4, i % 3),
    )
    check(f, TABLE, i)


@pytest.mark.parametrize("i", INDICES, ids=repr)
def test_scatter_add(i):
    rows, elements = sample((*i.shape, 3), np.float64), sample(i.shape, np.float64)
    f = lambda x, i: (ops.scatter_add(x, i, shape=(5, 3)), ops.scatter_add(x * 2, i, i % 4, shape=(5, 4, 3)) * 2)
    check(f, rows, i)
    check(lambda x, i: ops.scatter_add(x, i, i % 4, shape=(5, 4)), elements, i)


def test_repeated_indices_add_up():
    numbers = np.random.default_rng(3)
    i = numbers.integers(-4, 4, 1000)
    check(lambda x, i: ops.scatter_add(x, i, shape=(4,)), numbers.uniform(size=1000), i)


def test_gather_from_views():
    f = lambda x, i: (
        ops.gather(ops.transpose(x, axes=(2, 0, 1)), i),
        ops.gather(x[::-1, ::2], i),
        ops.gather(ops.expand(x[0], shape=(6, 4, 3)), i),
    )
    check(f, TABLE, np.array([0, 2, -1]))


@pytest.mark.parametrize("bad", [5, -6, 2**40, -(2**62)])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: ops.gather(x, i),
        lambda x, i: ops.scatter_add(x[0], i, shape=(5, 3)),
        lambda x, i: x[i[0]],
        lambda x, i: x[i],
    ],
)
def test_an_index_out_of_range_is_an_error(f, bad):
    run = jit.compile(f)
    assert run(TABLE, np.array([1, 0, 2, 3])).shape == f(TABLE, np.array([1, 0, 2, 3])).shape
    with pytest.raises(IndexError, match="out of bounds"):
        run(TABLE, np.array([bad, 0, 1, 2]))
    same(run(TABLE, np.array([4, 0, 2, 3])), f(TABLE, np.array([4, 0, 2, 3])))


def test_a_scalar_as_an_index():
    run = compiled(lambda x, i: (ops.gather(x, i), ops.gather(x, i, i)), TABLE, 2)
    for i in (0, -1, 3):
        status, found = run(TABLE, i)
        assert status == 0
        same(found[0], TABLE[i])
        same(found[1], TABLE[i, i])
    assert run(TABLE, 5)[0] != 0


@pytest.mark.parametrize("columns", [2, 3, 7, 8, 16, 100])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_infinities_of_both_signs_are_no_number_in_a_sum(columns):
    """A factor that all terms of a row have stays where it is: inf * x + inf * y is not inf * (x + y)."""
    x, y = np.array([1.0, np.inf, 2.0, 0.0]), np.cos(2.0 * np.arange(columns))
    for axis in (None, 0, 1):
        f = lambda x, y, axis=axis: np.sum(x[:, None] * y, axis=axis)
        np.testing.assert_allclose(jit.compile(f)(x, y), f(x, y), rtol=1e-12)
    products = lambda x, y: x[:, None] @ y[None] @ np.ones(len(y))
    np.testing.assert_allclose(jit.compile(products)(x, y), products(x, y), rtol=1e-12)
