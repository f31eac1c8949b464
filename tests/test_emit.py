"""What the emitted code computes, against NumPy: reductions, casts, arithmetic, indexing."""

from itertools import combinations

import numpy as np
import pytest

import jit
from autograd import ops
from tests.graphs import check, compiled, same
from tests.mixtures import DTYPES, drawn

FLOATS = [np.dtype(np.float64), np.dtype(np.float32)]
WHOLE = [np.dtype(t) for t in (np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8)]
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


# ---- reductions ----


LENGTHS = [(n, DTYPES[0]) for n in (1, 2, 3, 7, 64, 65, 1000)] + [(n, dtype) for n in (3, 65) for dtype in DTYPES[1:]]


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


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
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


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_positions_of_extrema(dtype):
    x = sample((4, 7), dtype) if dtype.kind != "f" else np.random.default_rng(1).integers(0, 3, (4, 7)).astype(dtype)
    f = lambda x: tuple([op(x, axis=axis) for op in (ops.argmax, ops.argmin) for axis in (0, 1)])
    check(f, x)


def test_positions_with_nan_and_ties():
    nan, inf = np.nan, np.inf
    x = np.array(
        [[1, 2, 2, 0, 0], [nan, 1, nan, 2, 0], [3, nan, 1, 5, nan], [inf, inf, -inf, -inf, 0.0], [-0.0, 0, 0, -0.0, 0]]
    )
    check(lambda x: (ops.argmax(x, axis=1), ops.argmin(x, axis=1), ops.argmax(x[0], axis=0)), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_running_sums(dtype):
    f = lambda x: tuple([ops.cumsum(x, axis=axis, reverse=reverse) for axis in (0, 1, 2) for reverse in (False, True)])
    check(f, sample((2, 5, 3), dtype))


# ---- casts ----


@pytest.mark.parametrize("source", [*FLOATS, *WHOLE, np.dtype(bool)], ids=str)
def test_casts(source):
    values = {
        "f": [0, 1, -1, -100, 3.7, -2.9, -0.0, 100.5, 300, -300],
        "b": [0, 1],
        "u": [0, 1, 100, 255],
        "i": [0, 1, -1, 127, -128],
    }
    f = lambda x: tuple([ops.astype(x, dtype=dtype) for dtype in (*FLOATS, *WHOLE, np.dtype(bool))])
    x = np.array(values[source.kind]).astype(source)
    check(f, x)


def test_casts_of_one_number():
    f = lambda x: tuple([ops.astype(x, dtype=dtype) for dtype in (*FLOATS, *WHOLE, np.dtype(bool))])
    for x in (100.5, 1, True):
        check(f, np.asarray(x))


def test_floats_that_no_integer_has_end_nothing():
    x = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, -1.0])
    f = lambda x: tuple([ops.astype(x, dtype=dtype) for dtype in (*WHOLE, np.dtype(bool))])
    status, found = compiled(f, x)(x)
    assert status == 0
    assert found[-1].all()


def test_truth_of_nan_and_zeros():
    check(lambda x: ops.astype(x, dtype=np.dtype(bool)), np.array([np.nan, 0.0, -0.0, 5e-324]))


# ---- arithmetic ----


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint64, np.uint8])
def test_integer_arithmetic_at_the_limits(dtype):
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.min + 1, 0, 1, 2, 7, limits.max, *([-1, -7] if limits.min else [])], dtype)
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(values, values))
    f = lambda x, y: (x // y, x % y, x * y, x - y, x + y, abs(x), ops.sign(x), x / y, x < y, ops.maximum(x, y), x**2)
    check(f, x, y)
    check(ops.reciprocal, values[values != 0])
    run = compiled(lambda x, y: (x // y, x % y), x[0], y[0])
    with np.errstate(all="ignore"):
        for a, b in zip(x, y, strict=True):
            assert run(a, b) == (0, [a // b, a % b])


SPECIAL = np.array([-np.inf, -2.0, -1.0, -0.5, -0.0, 0.0, 5e-324, 0.3, 1.0, 2.0, 1e300, np.inf, np.nan])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floor_and_remainder_of_special_values(dtype):
    with np.errstate(all="ignore"):
        x, y = (np.ascontiguousarray(a.ravel()).astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL))
        expected = x // y, x % y
    _, found = compiled(lambda x, y: (x // y, x % y), x, y)(x, y)
    for ours, numpys in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, numpys)
        number = ~np.isnan(numpys)
        np.testing.assert_array_equal(np.signbit(ours)[number], np.signbit(numpys)[number])


@pytest.mark.parametrize("exponent", [0.5, -1.0, -2.0, 2, 3, 1.5])
def test_powers_of_one_number(exponent):
    run = compiled(lambda x: x**exponent, 2.0)
    with np.errstate(all="ignore"):
        for x in SPECIAL:
            same(run(x)[1][0], x**exponent)
            assert np.signbit(run(x)[1][0]) == np.signbit(x**exponent) or np.isnan(x**exponent)


MIXED = {
    "booleans": lambda a, b, i, x: (a + b, a * b, a + 1, a * 2.5, a + i, ops.logical_xor(a, b), ops.maximum(a, b)),
    "one boolean": lambda a, b, i, x: (a[0, 0] + b[0, 0], a[0, 0] * b[1, 1], a[0, 0] + 1, a + b[0], a[0, 1] * x),
    "integers and floats": lambda a, b, i, x: (
        i + x,
        i * 2,
        i * 2.5,
        i // 2,
        i % 2,
        i - x,
        i / 2,
        -i,
        i**3,
        i > x,
        i * a,
    ),
    "comparisons": lambda a, b, i, x: ops.logical_and(x < i, ops.logical_or(i < 0.5, x == i)) * x,
    "where": lambda a, b, i, x: (
        ops.where(a, i, x),
        ops.where(i, x, 0.0),
        ops.where(a[0, 0], 1, 2),
        ops.where(x > 0, i, 7),
    ),
}


@pytest.mark.parametrize("f", MIXED.values(), ids=MIXED)
@pytest.mark.parametrize(("whole", "real"), [(np.int32, np.float32), (np.uint8, np.float64)])
def test_mixed_dtypes(f, whole, real):
    i = sample((3, 4), whole)
    check(f, i > 1, i % 2 == 0, i, sample((3, 4), real))


def test_single_precision_stays_beside_numbers():
    x = sample((5,), np.float32)
    f = lambda x: (
        x * 2.0,
        x + 1,
        x**2,
        x**0.5,
        ops.sin(x) * 0.1,
        2.0 / x,
        ops.sum(x * x, axis=(0,), keepdims=False) * 2.0,
    )
    assert all(x.dtype == np.float32 for x in check(f, x)(x)[1])


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
