"""NumPy's functions of samples: sorting and quantiles, NaN passed over, differences and interpolation, filters.

Values are NumPy's, gradients those of finite differences, in both orders; compiled as eager.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.protocols import WITHOUT_GRADIENT
from tests import checks
from tests.checks import DIFFERENCES

NAN, INFINITY = float("nan"), float("inf")


def drawn(*shape, low=-2.0, high=2.0):
    """Numbers that are far enough from each other for finite differences to keep their order."""
    size = int(np.prod(shape))
    steps = np.random.default_rng(size + len(shape)).permutation(size)
    return (low + (high - low) * (steps + 0.5) / max(size, 1)).reshape(shape)


def with_nan(*shape):
    x = drawn(*shape)
    x.flat[::5] = NAN
    return x


class Sample(NamedTuple):
    """A function of NumPy's, and arrays that it is called with."""

    f: Callable[..., Any]
    arrays: tuple[Any, ...]
    #: The arrays by which it is differentiated.
    by: tuple[int, ...] = (0,)


VECTOR, MATRIX, CUBE = drawn(7), drawn(3, 4), drawn(2, 3, 4)
POINTS = np.array([-1.5, -0.5, 0.25, 1.0, 1.75])

SAMPLES = {
    "sort": Sample(np.sort, (VECTOR,)),
    "sort, first axis": Sample(lambda x: np.sort(x, 0), (CUBE,)),
    "sort, middle axis": Sample(lambda x: np.sort(x, axis=1), (CUBE,)),
    "sort, flat": Sample(lambda x: np.sort(x, None), (MATRIX,)),
    "sort, one": Sample(np.sort, (drawn(3, 1),)),
    "ptp": Sample(lambda x: np.ptp(x, 1), (MATRIX,)),
    "median, odd": Sample(np.median, (VECTOR,)),
    "median, even": Sample(lambda x: np.median(x, 1), (MATRIX,)),
    "median, two axes": Sample(lambda x: np.median(x, (0, 2), keepdims=True), (CUBE,)),
    "median, one": Sample(lambda x: np.median(x, 0), (drawn(1, 3),)),
    "quantile": Sample(lambda x: np.quantile(x, 0.37), (VECTOR,)),
    "quantile, met": Sample(lambda x: np.quantile(x, 0.5, axis=0), (drawn(5, 2),)),
    "quantile, ends": Sample(lambda x: np.quantile(x, [0.0, 1.0], axis=1), (MATRIX,)),
    "quantile, several": Sample(lambda x: np.quantile(x, [[0.1, 0.25], [0.5, 0.9]], axis=(0, 1)), (CUBE,)),
    "quantile, kept": Sample(lambda x: np.quantile(x, [0.1, 0.9], axis=1, keepdims=True), (CUBE,)),
    "percentile": Sample(lambda x: np.percentile(x, 30, axis=0), (MATRIX,)),
    "nansum": Sample(lambda x: np.nansum(x, 0), (with_nan(3, 4),)),
    "nanprod": Sample(lambda x: np.nanprod(x, 1), (with_nan(3, 4),)),
    "nanmean": Sample(lambda x: np.nanmean(x, 1, keepdims=True), (with_nan(3, 4),)),
    "nanvar": Sample(lambda x: np.nanvar(x, 0, ddof=1), (with_nan(4, 3),)),
    "nanstd": Sample(np.nanstd, (with_nan(4, 3),)),
    "nanmax": Sample(lambda x: np.nanmax(x, 1), (with_nan(3, 4),)),
    "nanmin": Sample(lambda x: np.nanmin(x, (0, 1)), (with_nan(3, 4),)),
    "nan_to_num": Sample(lambda x: np.nan_to_num(x, nan=3.0), (with_nan(3, 4),)),
    "cumprod": Sample(np.cumprod, (VECTOR,)),
    "cumprod, axis": Sample(lambda x: np.cumprod(x, 1), (CUBE,)),
    "cumprod, first axis": Sample(lambda x: np.cumprod(x, 0), (drawn(5, 2),)),
    "cumprod, zeros": Sample(np.cumprod, (np.array([2.0, 0.0, 3.0, -1.0, 0.0, 5.0]),)),
    "cumprod, one": Sample(np.cumprod, (drawn(1),)),
    "diff": Sample(lambda x: np.diff(x, 2, axis=0), (drawn(4, 2),)),
    "ediff1d": Sample(lambda x, y: np.ediff1d(x, y, 2.0), (MATRIX, drawn(2)), (0, 1)),
    "trapezoid": Sample(lambda y: np.trapezoid(y, dx=0.5), (MATRIX,)),
    "trapezoid, at": Sample(lambda y, x: np.trapezoid(y, x, axis=0), (drawn(4, 2), np.sort(drawn(4))), (0, 1)),
    "trapezoid, all": Sample(lambda y, x: np.trapezoid(y, x), (MATRIX, np.sort(MATRIX)), (0, 1)),
    "gradient": Sample(np.gradient, (VECTOR,)),
    "gradient, two": Sample(lambda x: np.gradient(x, 0.5), (drawn(2),)),
    "gradient, axis": Sample(lambda x, h: np.gradient(x, h, axis=1), (MATRIX, np.array(0.7)), (0, 1)),
    "gradient, at": Sample(lambda x, at: np.gradient(x, at, axis=1), (drawn(3, 5), POINTS), (0, 1)),
    "gradient, edges": Sample(lambda x: np.gradient(x, 0.5, edge_order=2, axis=0), (drawn(4, 2),)),
    "gradient, edges at": Sample(lambda x, at: np.gradient(x, at, edge_order=2), (drawn(5), POINTS), (0, 1)),
    "interp": Sample(np.interp, (MATRIX + 0.03, POINTS, drawn(5)), (0, 1, 2)),
    "interp, beside": Sample(lambda x, y: np.interp(x, POINTS, y, -9.0, 9.0), (VECTOR * 2, drawn(5)), (0, 1)),
    "interp, one": Sample(lambda x, y: np.interp(x, [0.1], y), (VECTOR, drawn(1)), (0, 1)),
    "polyval": Sample(np.polyval, (drawn(4), MATRIX), (0, 1)),
    "vander": Sample(lambda x: np.vander(x, 4), (VECTOR,)),
    "vander, increasing": Sample(lambda x: np.vander(x, increasing=True), (drawn(3),)),
    "cross": Sample(np.cross, (drawn(4, 3), drawn(3)), (0, 1)),
    "cross, axes": Sample(lambda x, y: np.cross(x, y, axisa=0, axisb=1, axisc=0), (drawn(3, 2), drawn(2, 3)), (0, 1)),
    "logspace": Sample(lambda a, b: np.logspace(a, b, 4, base=2.0), (np.array(0.5), np.array(2.0)), (0, 1)),
    "geomspace": Sample(lambda a, b: np.geomspace(a, b, 4), (drawn(3, low=0.5), np.array(2.0)), (0, 1)),
    "linspace": Sample(lambda a, b: np.linspace(a, b, 4), (drawn(3), np.array(2.0)), (0, 1)),
    "fmax": Sample(np.fmax, (with_nan(3, 4), drawn(4) + 0.01), (0, 1)),
    "fmin": Sample(np.fmin, (drawn(3, 4), with_nan(4) + 0.01), (0, 1)),
    "heaviside": Sample(np.heaviside, (np.array([-1.0, 0.0, 2.0]), np.array(0.5)), (1,)),
    "fmod": Sample(np.fmod, (drawn(3, 4) * 2, np.array([1.3, -0.7, 5.0, 0.9])), (0, 1)),
    "logaddexp2": Sample(np.logaddexp2, (MATRIX, drawn(4)), (0, 1)),
    "append": Sample(np.append, (MATRIX, drawn(2)), (0, 1)),
    "append, axis": Sample(lambda x, y: np.append(x, y, 1), (MATRIX, drawn(3, 2)), (0, 1)),
    "nancumsum": Sample(lambda x: np.nancumsum(x, 1), (with_nan(3, 4),)),
    "nancumsum, flat": Sample(np.nancumsum, (with_nan(3, 4),)),
    "nancumprod": Sample(lambda x: np.nancumprod(x, 0), (with_nan(3, 4),)),
    "linalg.cross": Sample(np.linalg.cross, (drawn(4, 3), drawn(4, 3)[::-1].copy()), (0, 1)),
    "linalg.diagonal": Sample(lambda x: np.linalg.diagonal(x, offset=1), (CUBE,)),
    "linalg.outer": Sample(np.linalg.outer, (VECTOR, drawn(3)), (0, 1)),
    "linalg.trace": Sample(lambda x: np.linalg.trace(x, offset=-1), (CUBE,)),
    "copysign": Sample(np.copysign, (MATRIX, drawn(4)), (0, 1)),
    **{
        f"{f.__name__}, {mode}, {n} and {m}": Sample(
            lambda x, y, f=f, mode=mode: f(x, y, mode), (drawn(n), drawn(m)), (0, 1)
        )
        for f in (np.convolve, np.correlate)
        for mode, n, m in (("full", 5, 3), ("same", 5, 3), ("same", 3, 4), ("valid", 3, 5), ("valid", 4, 4))
    },
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", SAMPLES)
#: Their order, where it is the result, has no gradient.
POSITIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "argsort": (lambda x: np.argsort(x, 1), (CUBE,)),
    "argsort, ties": (lambda x: np.argsort(x, kind="stable"), (np.array([2.0, 1.0, 2.0, NAN, 1.0, 0.0, -0.0]),)),
    "searchsorted": (lambda x, y: np.searchsorted(x, y, "right"), (POINTS, MATRIX)),
    "digitize": (np.digitize, (MATRIX, POINTS)),
    "digitize, descending": (lambda x, bins: np.digitize(x, bins, right=True), (MATRIX, POINTS[::-1])),
    "count_nonzero": (lambda x: np.count_nonzero(x, axis=0), (np.array([[1.0, 0.0], [2.0, NAN]]),)),
}


def of_tensors(f, arrays, by):
    """The function of the chosen arrays, on tensors."""

    def g(*xs):
        inputs = list(arrays)
        for i, x in zip(by, xs, strict=True):
            inputs[i] = x
        return f(*inputs)

    return g


@EVERY
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_are_those_of_numpy(name, dtype):
    f, arrays, _ = SAMPLES[name]
    arrays = tuple(x.astype(dtype) for x in arrays)
    expected = np.asarray(f(*arrays))
    out = f(*[ag.tensor(x) for x in arrays])
    assert isinstance(out, ag.Tensor)
    assert out.shape == expected.shape
    if name.split(",")[0] in ("interp", "geomspace"):  # which NumPy computes in float64, whatever it is given
        expected = expected.astype(out.dtype)
    assert out.dtype == expected.dtype
    # The shares of an array `q` are in float64, and so is what float32 elements make of them, but no more exact.
    checks.close(out.numpy().astype(dtype), expected.astype(dtype), ulps=64)


@EVERY
def test_gradients_are_those_of_finite_differences(name):
    f, arrays, by = SAMPLES[name]
    for x in arrays:
        # Where an element is NaN, there is no difference to take, and the gradient is zero.
        if np.isnan(x).any():
            t = ag.tensor(x, requires_grad=True)
            (g,) = ag.grad(f(*[t if y is x else y for y in arrays]).sum(), [t])
            assert np.isfinite(g.numpy()).all()
            assert (g.numpy()[np.isnan(x)] == 0).all()
            known = ~np.isnan(x)
            places = np.flatnonzero(known)

            def of_known(y, x=x, places=places):
                flat = ag.where(np.isnan(x), NAN, 0.0).reshape(-1)
                parts = [flat[i : i + 1] for i in range(x.size)]
                for k, i in enumerate(places):
                    parts[i] = y[k : k + 1]
                whole = ag.concatenate(parts).reshape(x.shape)
                return f(*[whole if z is x else z for z in arrays])

            gradcheck(of_known, (x[known],), **DIFFERENCES)
            return
    chosen = tuple(arrays[i] for i in by)
    gradcheck(of_tensors(f, arrays, by), chosen, **DIFFERENCES)
    gradgradcheck(of_tensors(f, arrays, by), chosen, **DIFFERENCES)


@EVERY
def test_compiled(name):
    f, arrays, by = SAMPLES[name]

    def value_and_gradients(*xs):
        out = f(*xs)
        weights = np.linspace(0.5, 1.5, int(np.prod(out.shape))).reshape(out.shape).astype(out.dtype)
        return (out, *ag.grad(lambda *ys: ag.sum(f(*ys) * weights), by)(*xs))

    kernel = jit.compile(value_and_gradients)
    # A function of many forms is compiled in float32 in its first one.
    for dtype in (np.float64, np.float32) if "," not in name else (np.float64,):
        given = [x.astype(dtype) for x in arrays]
        before = checks.contents(given)
        with np.errstate(all="ignore"):
            expected = [np.asarray(x.detach().data) for x in value_and_gradients(*map(ag.tensor, given))]
            for ours, eager in zip(kernel(*given), expected, strict=True):
                checks.close(ours, eager, ulps=512)
        assert checks.contents(given) == before


@pytest.mark.parametrize("name", POSITIONS)
def test_positions(name):
    f, arrays = POSITIONS[name]
    expected = np.asarray(f(*arrays))
    out = f(*[ag.tensor(x, requires_grad=True) for x in arrays])
    assert not out.requires_grad
    for found in (out.numpy(), jit.compile(f)(*arrays)):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    ("n", "dtype"),
    [(2, np.float64), (3, np.float64), (31, np.float64), (1000, np.float64), (100, np.float32), (64, np.int64),
     (33, np.int32), (100, np.uint8), (65, np.bool_)],
)  # fmt: skip
def test_a_compiled_sort_of_many_ties_is_stable(n, dtype, rng):
    x = rng.integers(0, max(n // 4, 2), n).astype(dtype)
    if np.dtype(dtype).kind == "f":
        x[rng.random(n) < 0.2] = NAN
        x[rng.random(n) < 0.1] = -INFINITY
    order, values = jit.compile(lambda x: (ag.argsort(x), ag.sort(x)))(x)
    np.testing.assert_array_equal(order, np.argsort(x, kind="stable"))
    np.testing.assert_array_equal(values, np.sort(x))


@pytest.mark.parametrize("layout", ["strided", "reversed", "fortran", "repeated"])
def test_memory_layouts(layout):
    for f in (lambda x: np.sort(x, 0), lambda x: np.cumprod(x, 1), lambda x: np.quantile(x, 0.3, axis=1)):
        x = checks.laid_out(layout, [CUBE])[0]
        expected = f(np.ascontiguousarray(x))
        np.testing.assert_allclose(f(ag.tensor(x)).numpy(), expected, rtol=1e-14)
        np.testing.assert_allclose(jit.compile(f)(x), expected, rtol=1e-14)


# ---- conventions ----


def gradient_of(f, x):
    """The gradient of the sum, eager and compiled, which must be the same."""
    x = np.array(x)
    with np.errstate(all="ignore"):
        eager, compiled = ag.grad(lambda x: ag.sum(f(x)))(x), jit.grad(lambda x: ag.sum(f(x)))(x)
    np.testing.assert_array_equal(eager, compiled)
    return eager.tolist()


def test_ties():
    x = [2.0, 1.0, 2.0, 1.0]
    # A stable sort: of equal elements the first comes first.
    assert gradient_of(lambda x: np.sort(x)[0], x) == [0, 1, 0, 0]
    assert gradient_of(lambda x: np.sort(x) * np.array([1.0, 2.0, 3.0, 4.0]), x) == [3, 1, 4, 2]
    assert gradient_of(np.median, x) == [0.5, 0, 0, 0.5]
    assert gradient_of(np.median, [1.0, 1.0, 1.0]) == [0, 1, 0]
    assert gradient_of(lambda x: np.quantile(x, 0.25), [1.0, 1.0, 1.0]) == [0.5, 0.5, 0]
    # Symmetric functions share it.
    assert gradient_of(np.ptp, [1.0, 3.0, 3.0, 1.0]) == [-0.5, 0.5, 0.5, -0.5]
    assert gradient_of(np.nanmax, [3.0, NAN, 3.0]) == [0.5, 0, 0.5]
    assert gradient_of(lambda x: np.fmax(x, np.array([1.0, 2.0])), [1.0, NAN]) == [0.5, 0]


def test_nan_and_infinity():
    for f in (np.median, lambda x: np.quantile(x, 0.2), lambda x: np.sort(x)[-1]):
        assert np.isnan(f(ag.tensor([1.0, NAN, 2.0])).item())
        assert np.isnan(jit.compile(f)(np.array([1.0, NAN, 2.0])))
    x = np.array([1.0, 2.0, INFINITY])
    for f in (np.median, lambda x: np.quantile(x, 0.5), lambda x: np.quantile(x, [0.0, 0.5])[1]):
        with np.errstate(invalid="ignore"):
            assert f(ag.tensor(x)).item() == 2.0
        assert gradient_of(f, x) == [0, 1, 0]
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(np.nanmean(ag.tensor([NAN, NAN])).item())
    assert np.isnan(np.nanmax(ag.tensor([[NAN, NAN], [1.0, NAN]]), axis=1).numpy()).tolist() == [True, False]
    assert gradient_of(lambda x: np.nanmax(x, axis=1), [[NAN, NAN], [1.0, NAN]]) == [[0, 0], [1, 0]]
    assert np.isnan(np.nanvar(ag.tensor([1.0, NAN]), ddof=1).item())
    big = np.finfo(np.float64).max
    assert np.nan_to_num(ag.tensor([NAN, INFINITY, -INFINITY])).tolist() == [0, big, -big]
    assert gradient_of(np.nan_to_num, [NAN, INFINITY, 2.0]) == [0, 0, 1]


def test_the_slope_of_an_interpolation_at_its_points():
    xp, fp = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0])
    assert gradient_of(lambda x: np.interp(x, xp, fp), [-1.0, 0.0, 1.0, 2.0, 3.0]) == [0, 1, 4, 4, 0]
    jump = np.array([0.0, 1.0, 1.0])
    assert np.interp(ag.tensor([0.5, 1.0, 2.0]), jump, fp).tolist() == np.interp([0.5, 1.0, 2.0], jump, fp).tolist()


def test_steps():
    assert gradient_of(lambda x: np.heaviside(x, 0.5), [-1.0, 0.0, 2.0]) == [0, 0, 0]
    assert np.isnan(np.heaviside(ag.tensor(NAN), 0.5).item())
    assert np.copysign(ag.tensor([1.0, 1.0]), np.array([-0.0, 0.0])).tolist() == [-1, 1]
    assert gradient_of(lambda x: np.copysign(x, -1.0), [2.0, -2.0, 0.0]) == [-1, 1, 0]


def test_integers_and_numbers():
    assert np.sort(ag.tensor([3, 1, 2])).tolist() == [1, 2, 3]
    assert np.median(ag.tensor([3, 1, 2, 2])).item() == 2.0
    assert np.cumprod(ag.tensor([True, True, False])).dtype == np.int64
    assert np.nanmax(ag.tensor([3, 1])).item() == 3
    assert ag.median(4.0) == 4.0
    assert ag.quantile([1, 2], 0.5) == 1.5
    assert ag.count_nonzero([0, 3]) == 1


def test_nothing_at_all():
    empty = ag.tensor(np.zeros((0, 3)))
    assert np.sort(empty, axis=0).shape == np.sort(empty, axis=1).shape == (0, 3)
    assert np.cumprod(empty, axis=0).shape == (0, 3)
    assert np.nansum(empty, axis=0).tolist() == [0, 0, 0]
    assert np.median(empty, axis=1).shape == (0,)
    assert np.trapezoid(empty, axis=0).tolist() == [0, 0, 0]
    assert np.interp(ag.tensor(np.zeros(0)), POINTS, POINTS).shape == (0,)
    for f in (np.median, lambda x, axis: np.quantile(x, 0.5, axis=axis)):
        with pytest.raises(ValueError, match=r"needs one element at least along the axes, got shape \(0, 3\)"):
            f(empty, axis=0)


def test_methods():
    x = ag.tensor([3.0, 1.0, NAN, 0.0])
    assert x.argsort().tolist() == [3, 1, 0, 2]
    assert x.nansum().item() == 4.0
    assert x.nanmean().item() == 4 / 3
    assert x[:2].cumprod().tolist() == [3, 3]
    assert x[:2].median().item() == x[:2].quantile(0.5).item() == 2.0
    assert x.nan_to_num(7.0).tolist() == [3, 1, 7, 0]
    assert x.count_nonzero().item() == 3
    assert x[:2].diff().tolist() == [-2]
    assert x.copysign(-1.0)[:2].tolist() == [-3, -1]


def test_spaces():
    stop = ag.tensor(8.0, requires_grad=True)
    for f, expected in ((ag.geomspace, [1, 2, 4, 8]), (lambda a, b, n: ag.logspace(0, ag.log2(b), n, 2), [1, 2, 4, 8])):
        y = f(1.0, stop, 4)
        np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-14)
        (g,) = ag.grad(y[-1], [stop])
        np.testing.assert_allclose(g.numpy(), 1.0)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda x: np.quantile(x, 1.5), ValueError, "`quantile` needs `q` between 0 and 1, got 1.5"),
        (lambda x: np.percentile(x, [50, 101]), ValueError, "`percentile` needs `q` between 0 and 100, got"),
        (lambda x: np.quantile(x, x), TypeError, "`quantile` needs `q` as numbers.*got a tensor"),
        (lambda x: np.quantile(x, 0.5, method="nearest"), TypeError, "does not take `method='nearest'`"),
        (lambda x: np.sort(x, axis=1), ValueError, "`sort` needs an axis between -1 and 0"),
        (lambda x: np.partition(x, 7), ValueError, "`partition` needs positions between -7 and 6, got 7"),
        (lambda x: np.searchsorted(x, x, side="both"), ValueError, '`searchsorted` needs the side "left" or "right"'),
        (lambda x: np.searchsorted(x[None], x), ValueError, "`searchsorted` needs an ascending vector, got shape"),
        (lambda x: np.digitize(x, np.array([0.0, 2.0, 1.0])), ValueError, "`digitize` needs bounds that ascend or"),
        (lambda x: np.interp(x, [0.0, 1.0], [1.0]), ValueError, "`interp` needs two vectors of points of one length"),
        (lambda x: np.interp(x, x, x, period=2.0), TypeError, "does not take `period=2.0`"),
        (lambda x: np.gradient(x[:1]), ValueError, "`gradient` needs more than 1 samples along axis 0"),
        (lambda x: np.gradient(x, 1.0, 2.0), TypeError, "`gradient` needs one spacing or one for each of 1 axes"),
        (lambda x: np.gradient(x, POINTS), ValueError, "`gradient` needs a number or 7 coordinates for axis 0"),
        (lambda x: np.gradient(x, edge_order=3), ValueError, "`gradient` needs an edge order of 1 or 2, got 3"),
        (lambda x: np.cross(x[:2], x[:2]), ValueError, "`cross` needs an axis of length 3, got axis -1 of shape"),
        (lambda x: np.convolve(x, x[:0]), ValueError, "`convolve` needs two vectors that are not empty"),
        (lambda x: np.convolve(x, x, "half"), ValueError, '`convolve` needs the mode "full", "same" or "valid"'),
        (lambda x: np.vander(x[None]), ValueError, "`vander` needs a vector, got shape"),
        (lambda x: np.polyval(x[None], 1.0), ValueError, "`polyval` needs a vector of coefficients, got shape"),
    ],
)  # fmt: skip
def test_errors(f, error, words):
    with pytest.raises(error, match=words):
        f(ag.tensor(VECTOR, requires_grad=True))


@pytest.mark.parametrize("f", WITHOUT_GRADIENT, ids=lambda f: f.__name__)
def test_what_depends_on_values_says_that_it_has_no_gradient(f):
    x = ag.tensor(VECTOR)
    two = f in (np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d, np.histogram2d)
    with pytest.raises(
        TypeError, match=rf"`np.{f.__name__}` has no gradient, for it returns .*`x.detach\(\).numpy\(\)`"
    ):
        f(*[x] * (1 + two))
