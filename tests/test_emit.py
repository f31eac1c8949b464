"""What the emitted code computes at one element and along one axis, against NumPy."""

import platform

import numpy as np
import pytest

from autograd import ops
from tests.graphs import check, compiled, same
from tests.mixtures import DTYPES, drawn

FLOATS = [np.dtype(np.float64), np.dtype(np.float32)]
WHOLE = [np.dtype(t) for t in (np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8)]


def sample(shape, dtype):
    """Random elements."""
    return drawn(np.random.default_rng(len(shape)), shape, np.dtype(dtype))


# ---- along an axis ----


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


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "?"])
def test_running_sums(dtype):
    f = lambda x: tuple([ops.cumsum(x, axis=axis, reverse=reverse) for axis in (0, 1, 2) for reverse in (False, True)])
    check(f, sample((2, 5, 3), dtype))


# ---- casts ----


TABLE = np.arange(10.0)
EVERY = [*FLOATS, *WHOLE, np.dtype(bool)]
VALUES = {
    "f": [0, 1, -0.0, 3.7, 100.5, 127.9], "b": [0, 1], "u": [0, 1, 100, 255], "i": [0, 1, -1, 127, -128],
}  # fmt: skip


def in_each_dtype(x):
    return tuple([ops.astype(x, dtype=dtype) for dtype in EVERY])


@pytest.mark.parametrize("source", ["f8", "f4", "i8", "i2", "i1", "u8", "u1", "?"])
def test_casts(source):
    check(in_each_dtype, np.array(VALUES[np.dtype(source).kind]).astype(source))


def test_casts_of_one_number():
    for x in (100.5, 1, True):
        check(in_each_dtype, np.asarray(x))


def test_casts_of_negative_numbers_round_towards_zero():
    signed = [*FLOATS, *WHOLE[:4]]
    check(lambda x: tuple([ops.astype(x, dtype=dtype) for dtype in signed]), np.array([-1.0, -2.9, -100.5, -0.3]))


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="C leaves it to the machine")
@pytest.mark.parametrize("source", FLOATS, ids=str)
def test_floats_wrap_around_in_integers(source):
    check(
        in_each_dtype, np.array([-1, -2.9, 300, -300, 70000, -70000, 2.0**32, 2.0**40, 2.0**63, 1.5 * 2.0**63], source)
    )


def test_floats_that_no_integer_has_are_the_smallest():
    x = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 2.0**63])
    status, found = compiled(in_each_dtype, x)(x)
    assert status == 0
    for dtype, ours in zip(EVERY, found, strict=True):
        if dtype in (np.int64, np.int32):
            assert (ours == np.iinfo(dtype).min).all()
    assert found[-1].all()


def test_the_integer_of_nan_is_one_value():
    # Left undefined, it could be another wherever it is read.
    f = lambda i: ops.gather(TABLE, ops.astype(i**0.5, dtype=np.dtype(np.int64)))
    run = compiled(f, np.array([0, 1, 4]))
    same(run(np.array([9, 0, 4]))[1][0], TABLE[[3, 0, 2]])
    assert run(np.array([0, -1, 4]))[0] != 0


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
