"""Arrays as kernels take them: what is accepted, from Python and from compiled code, and what is not."""

import pickle

import numba
import numpy as np
import pytest

import jit
from jit.kernels.boxing import numbers_of
from jit.kernels.kernel import OVERLAP, WRONG_SHAPE

X = np.array([1.0, 2.0, 3.0])


class Sub(np.ndarray):
    pass


def doubling(like):
    """The kernel of `x + x`."""
    return jit.compile(lambda x: x + x)._variant((like,), {}).kernel


def frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def unaligned(x):
    return np.concatenate([np.zeros(1, np.uint8), x.view(np.uint8)])[1:].view(x.dtype)


@pytest.mark.parametrize(
    "x",
    [
        X, X.view(), frozen(X), pickle.loads(pickle.dumps(X)), np.arange(12.0)[3:6], np.ones((1, 3)).T.reshape(3),
        X.astype(np.dtype("f8", metadata={"unit": "m"})),
    ],
    ids=["array", "view", "read-only", "pickled", "slice", "reshaped", "dtype with metadata"],
)  # fmt: skip
def test_arrays_that_a_kernel_takes(x):
    out = np.empty(3)
    assert doubling(X).entry(x, out) == (0,)
    np.testing.assert_array_equal(out, x + x)


@pytest.mark.parametrize(
    "x",
    [
        None, 2.0, [1.0, 2.0, 3.0], np.float64(1), "abc", X.view(Sub), X.astype("f4"), X.view("i8"), X.astype(">f8"),
        X[:2], np.ones(4), np.array(1.0), np.ones((3, 1)), np.ones((1, 3)), np.ones(6)[::2], X[::-1], unaligned(X),
        X.view("M8[s]"), X.astype(object), np.ma.masked_array(X), np.empty(0), np.empty((3, 0)),
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')} {np.shape(x)}",
)  # fmt: skip
def test_what_a_kernel_does_not_take(x):
    entry, out = doubling(X).entry, np.zeros(3)
    with pytest.raises(TypeError, match=r"this kernel takes a contiguous float64\[3\] here"):
        entry(x, out)
    assert not out.any()
    if x is not None and type(x) is np.ndarray and x.dtype.kind in "fi":
        with pytest.raises(TypeError, match=r"this kernel takes a contiguous float64\[3\] here"):
            entry(X, x)


def test_what_is_written_must_be_writeable():
    with pytest.raises(TypeError, match="here"):
        doubling(X).entry(X, frozen(X))


def test_axes_of_length_one_and_none():
    x = np.ones((3, 1, 2))[:, :, :1]
    assert doubling(np.ones((1, 1))).entry(x[:1, :, 0], np.empty((1, 1))) == (0,)
    assert doubling(np.ones((2, 0))).entry(np.ones((4, 0))[::2], np.empty((2, 0))) == (0,)


@pytest.mark.parametrize("code", "?bhilqBHILQfd")
def test_every_type_of_c(code):
    dtype = np.dtype(code)
    x, out = np.array([0, 1, 1], dtype), np.zeros(3, dtype)
    assert dtype.num in numbers_of(dtype)
    assert jit.compile(lambda x: x)._variant((x,), {}).kernel.entry(x, out) == (0,)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(jit.compile(lambda x: x)(x), x)


def test_equal_types_of_c_share_their_variants():
    f = jit.compile(lambda x: x + x)
    for code in "lq":
        assert f(np.array([1, 2], code)).tolist() == [2, 4]
    assert len(f.variants) == 1 + (np.dtype("l") != np.dtype("q"))


def test_calls_from_compiled_code():
    kernel = doubling(X).function

    @numba.njit
    def call(x, out):
        return kernel(x, out)[0]

    out = np.zeros(3)
    assert call(X, out) == call(frozen(X), out) == 0
    np.testing.assert_array_equal(out, 2 * X)
    assert call(X[:2], out) == call(X, np.zeros(4)) == WRONG_SHAPE
    assert call(out, out) == OVERLAP


def test_shared_memory_is_found():
    entry, memory = doubling(X).entry, np.zeros(8)
    for start in range(6):
        expected = OVERLAP if start < 6 and abs(start - 2) < 3 else 0
        assert entry(memory[2:5], memory[start : start + 3]) == (expected,)


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_shared_memory_is_found_among_many(count):
    """Few pairs are compared one by one, many in loops."""
    xs = [np.arange(3.0) + i for i in range(count)]
    entry = jit.compile(lambda *xs: tuple([x + x for x in xs]))._variant(tuple(xs), {}).kernel.entry
    outs = [np.zeros(3) for _ in xs]
    assert entry(*xs, *outs) == (0,)
    for x, out in zip(xs, outs, strict=True):
        np.testing.assert_array_equal(out, x + x)
    for i in range(count):
        for other in [*xs, *outs[:i], *outs[i + 1 :]]:
            assert entry(*xs, *outs[:i], other, *outs[i + 1 :]) == (OVERLAP,)
    assert entry(*[xs[0]] * count, *outs) == (0,)
    for x, out in zip(xs, outs, strict=True):
        np.testing.assert_array_equal(out, 2 * xs[0])
        assert not np.shares_memory(x, out)


def test_arrays_without_elements_share_nothing():
    x = np.empty((0, 3))
    assert doubling(x).entry(x, x) == (0,)
