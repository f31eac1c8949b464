"""NumPy's functions on tensors: the same values as on arrays, recorded; and what is refused."""

import math

import numpy as np
import pytest
from scipy import special

import autograd as ag
from autograd import ops
from autograd.protocols import FUNCTIONS, REDUCTIONS, UFUNCS

VECTOR = np.array([0.3, 0.7, 0.5])
MATRIX = np.array([[0.1, 0.8, 0.3], [0.6, 0.2, 0.9]])
SQUARE = np.array([[0.1, 0.8], [0.6, 0.2]])
CUBE = np.linspace(0.1, 0.9, 12).reshape(2, 3, 2)
MASK = np.array([True, False, True])


def leaf(data, dtype=None):
    return ag.tensor(data, dtype, requires_grad=True)


def parts(result):
    return list(result) if isinstance(result, tuple | list) else [result]


# Calls with each array `a` replaced by a tensor; the functions that return no tensor stand below.
CALLS = {
    "all": [lambda a: np.all(a(MATRIX) > 0.2, axis=0)],
    "angle": [lambda a: np.angle(a(MATRIX) * 1j), lambda a: np.angle(a(VECTOR), deg=True)],
    "imag": [lambda a: np.imag(a(MATRIX) * 1j), lambda a: np.imag(a(VECTOR))],
    "real": [lambda a: np.real(a(MATRIX) * 1j), lambda a: np.real(a(VECTOR))],
    "allclose": [
        lambda a: np.allclose(a(VECTOR), VECTOR + 1e-10),
        lambda a: np.allclose(VECTOR, a(VECTOR), atol=1),
    ],
    "amax": [lambda a: np.amax(a(MATRIX), axis=1)],
    "amin": [lambda a: np.amin(a(MATRIX))],
    "any": [lambda a: np.any(a(MATRIX) > 0.8, 1, None, True)],
    "append": [
        lambda a: np.append(a(MATRIX), VECTOR),
        lambda a: np.append(VECTOR, a(0.5)),
        lambda a: np.append(a(MATRIX), values=a(MATRIX), axis=1),
    ],
    "argmax": [lambda a: np.argmax(a(MATRIX)), lambda a: np.argmax(a(MATRIX), axis=1, keepdims=True)],
    "argmin": [lambda a: np.argmin(a(MATRIX), 0)],
    "argsort": [lambda a: np.argsort(a(MATRIX), 0), lambda a: np.argsort(a(MATRIX), kind="stable")],
    "around": [lambda a: np.around(a(VECTOR), 1)],
    "array_equal": [
        lambda a: np.array_equal(a(VECTOR), VECTOR),
        lambda a: np.array_equal(a(VECTOR), a(MATRIX)),
    ],
    "array_split": [lambda a: np.array_split(a(VECTOR), 2), lambda a: np.array_split(a(MATRIX), [1], axis=1)],
    "atleast_1d": [lambda a: np.atleast_1d(a(0.5))],
    "atleast_2d": [lambda a: np.atleast_2d(a(VECTOR))],
    "atleast_3d": [lambda a: np.atleast_3d(a(MATRIX))],
    "average": [
        lambda a: np.average(a(MATRIX), 1, [1, 2, 3]),
        lambda a: np.average(a(VECTOR), weights=a(VECTOR)),
    ],
    "broadcast_arrays": [lambda a: np.broadcast_arrays(a(VECTOR), a(0.5))],
    "broadcast_to": [lambda a: np.broadcast_to(a(VECTOR), (2, 3))],
    "clip": [
        lambda a: np.clip(a(VECTOR), 0.4, 0.6),
        lambda a: np.clip(a(VECTOR), a_min=0.4, a_max=None),
        lambda a: np.clip(a(VECTOR), max=0.6),
    ],
    "column_stack": [lambda a: np.column_stack((a(VECTOR), VECTOR))],
    "compress": [lambda a: np.compress([True, False], a(MATRIX), axis=0)],
    "concatenate": [
        lambda a: np.concatenate([a(MATRIX), MATRIX]),
        lambda a: np.concatenate((a(MATRIX), a(MATRIX)), axis=1),
        lambda a: np.concatenate([a(MATRIX), a(MATRIX)], None),
    ],
    "convolve": [lambda a: np.convolve(a(VECTOR), VECTOR, "same"), lambda a: np.convolve(v=a(VECTOR), a=VECTOR)],
    "correlate": [lambda a: np.correlate(a(VECTOR), a(VECTOR)), lambda a: np.correlate(a(VECTOR), VECTOR, mode="full")],
    "count_nonzero": [lambda a: np.count_nonzero(a(MATRIX), axis=1)],
    "cross": [lambda a: np.cross(a(VECTOR), MATRIX.T[:, [0, 1, 0]]), lambda a: np.cross(a(MATRIX), VECTOR, axis=-1)],
    "cumprod": [lambda a: np.cumprod(a(MATRIX)), lambda a: np.cumprod(a(MATRIX), axis=1)],
    "copy": [lambda a: np.copy(a(VECTOR))],
    "cumsum": [lambda a: np.cumsum(a(MATRIX)), lambda a: np.cumsum(a(MATRIX), 1)],
    "diag": [lambda a: np.diag(a(VECTOR)), lambda a: np.diag(a(SQUARE), k=1)],
    "diagflat": [lambda a: np.diagflat(a(VECTOR), 1)],
    "diagonal": [lambda a: np.diagonal(a(CUBE), 0, 0, 2)],
    "diff": [lambda a: np.diff(a(MATRIX), 1, 0), lambda a: np.diff(a(VECTOR), n=2)],
    "digitize": [
        lambda a: np.digitize(a(MATRIX), [0.2, 0.5]),
        lambda a: np.digitize(a(VECTOR), [0.5, 0.3], right=True),
    ],
    "dot": [lambda a: np.dot(a(MATRIX), a(VECTOR)), lambda a: np.dot(a=a(VECTOR), b=VECTOR)],
    "dstack": [lambda a: np.dstack([a(MATRIX), a(MATRIX)])],
    "ediff1d": [lambda a: np.ediff1d(a(MATRIX), to_end=[1.0], to_begin=0.0)],
    "einsum": [
        lambda a: np.einsum("ij,j->i", a(MATRIX), a(VECTOR)),
        lambda a: np.einsum("ij,kj", a(MATRIX), MATRIX, optimize=True),
    ],
    "expand_dims": [lambda a: np.expand_dims(a(VECTOR), (0, 2))],
    "flip": [lambda a: np.flip(a(MATRIX)), lambda a: np.flip(a(MATRIX), 1)],
    "fliplr": [lambda a: np.fliplr(a(MATRIX))],
    "flipud": [lambda a: np.flipud(m=a(MATRIX))],
    "full_like": [
        lambda a: np.full_like(a(MATRIX), a(0.5)),
        lambda a: np.full_like(a(MATRIX), a(0.5), dtype=np.float32),
    ],
    "hsplit": [lambda a: np.hsplit(a(MATRIX), 3)],
    "hstack": [lambda a: np.hstack([a(MATRIX), a(MATRIX)])],
    "inner": [lambda a: np.inner(a(MATRIX), a(VECTOR))],
    "isclose": [
        lambda a: np.isclose(a(VECTOR), 0.3),
        lambda a: np.isclose(np.array([np.inf, np.nan, 1]), a(VECTOR)),
    ],
    "kron": [lambda a: np.kron(a(MATRIX), a(VECTOR))],
    "linspace": [
        lambda a: np.linspace(a(0.5), 2.0, 5),
        lambda a: np.linspace(0.0, a(0.5), num=4, endpoint=False),
    ],
    "matrix_transpose": [lambda a: np.matrix_transpose(a(CUBE))],
    "max": [lambda a: np.max(a(MATRIX), axis=(0, 1))],
    "mean": [lambda a: np.mean(a(MATRIX)), lambda a: np.mean(a(MATRIX), 0, keepdims=True)],
    "meshgrid": [lambda a: np.meshgrid(a(VECTOR), a(VECTOR), indexing="ij")],
    "min": [lambda a: np.min(a(MATRIX), 0)],
    "moveaxis": [lambda a: np.moveaxis(a(CUBE), 0, -1)],
    "outer": [lambda a: np.outer(a(VECTOR), a(VECTOR))],
    "pad": [
        lambda a: np.pad(a(MATRIX), 1),
        lambda a: np.pad(a(VECTOR), (1, 2), mode="constant", constant_values=7.0),
        lambda a: np.pad(a(VECTOR), 1, "edge"),
    ],
    "prod": [lambda a: np.prod(a(MATRIX)), lambda a: np.prod(a(MATRIX), axis=1)],
    "ravel": [lambda a: np.ravel(a(MATRIX)), lambda a: np.ravel(a(MATRIX), "C")],
    "repeat": [lambda a: np.repeat(a(VECTOR), 2), lambda a: np.repeat(a(MATRIX), [1, 2], axis=0)],
    "reshape": [
        lambda a: np.reshape(a(MATRIX), (3, 2)),
        lambda a: np.reshape(a(MATRIX), -1, order="C"),
        lambda a: np.reshape(a(MATRIX), shape=(6,)),
    ],
    "roll": [lambda a: np.roll(a(MATRIX), 1, axis=1), lambda a: np.roll(a(VECTOR), -1)],
    "rot90": [lambda a: np.rot90(a(MATRIX), 3)],
    "round": [lambda a: np.round(a(VECTOR), 1)],
    "select": [
        lambda a: np.select([a(VECTOR) > 0.5, a(VECTOR) > 0.1], [a(VECTOR) * 2, VECTOR]),
        lambda a: np.select([a(VECTOR) > 0.5], [a(VECTOR)], default=7.0),
    ],
    "split": [lambda a: np.split(a(VECTOR), 3), lambda a: np.split(a(MATRIX), [1, 2], axis=1)],
    "squeeze": [lambda a: np.squeeze(a(CUBE[:1])), lambda a: np.squeeze(a(CUBE[:1]), axis=0)],
    "stack": [lambda a: np.stack([a(VECTOR), VECTOR], axis=1), lambda a: np.stack([a(0.5), a(0.7)])],
    "std": [lambda a: np.std(a(MATRIX), axis=0, ddof=1)],
    "sum": [
        lambda a: np.sum(a(MATRIX)),
        lambda a: np.sum(a(MATRIX), 0),
        lambda a: np.sum(a=a(MATRIX), axis=1, keepdims=True),
        lambda a: np.sum(a(MATRIX), (0, 1), None, None, True),
    ],
    "swapaxes": [lambda a: np.swapaxes(a(CUBE), 0, 2)],
    "take": [
        lambda a: np.take(a(VECTOR), [0, 2]),
        lambda a: np.take(a(MATRIX), [0, 5], axis=1, mode="clip"),
        lambda a: np.take(a(MATRIX), [0, 5], 1, None, "wrap"),
    ],
    "take_along_axis": [lambda a: np.take_along_axis(a(MATRIX), np.array([[2], [0]]), axis=1)],
    "tensordot": [lambda a: np.tensordot(a(CUBE), a(CUBE), axes=([0, 1], [0, 1]))],
    "tile": [lambda a: np.tile(a(VECTOR), (2, 2))],
    "trace": [lambda a: np.trace(a(SQUARE)), lambda a: np.trace(a(CUBE), 0, 0, 2)],
    "transpose": [lambda a: np.transpose(a(CUBE)), lambda a: np.transpose(a(CUBE), axes=(1, 0, 2))],
    "tril": [lambda a: np.tril(a(MATRIX), 1)],
    "triu": [lambda a: np.triu(m=a(MATRIX), k=1)],
    "var": [lambda a: np.var(a(MATRIX)), lambda a: np.var(a(MATRIX), 1, correction=1)],
    "vdot": [lambda a: np.vdot(a(MATRIX), a(MATRIX))],
    "vsplit": [lambda a: np.vsplit(a(MATRIX), 2)],
    "vstack": [lambda a: np.vstack([a(MATRIX), VECTOR])],
    "where": [
        lambda a: np.where(MASK, a(VECTOR), 0.0),
        lambda a: np.where(a(VECTOR) > 0.4, a(VECTOR), VECTOR),
    ],
    # What gives no tensor, for it depends on shapes and dtypes alone.
    "empty_like": [lambda a: np.empty_like(a(MATRIX)) * 0],
    "iscomplexobj": [lambda a: np.iscomplexobj(a(MATRIX))],
    "isrealobj": [lambda a: np.isrealobj(a(MATRIX))],
    "ndim": [lambda a: np.ndim(a(MATRIX))],
    "ones_like": [lambda a: np.ones_like(a(MATRIX))],
    "result_type": [
        lambda a: np.result_type(a(MATRIX), np.float32),
        lambda a: np.result_type(1.0, a(MATRIX)),
    ],
    "shape": [lambda a: np.shape(a(MATRIX))],
    "interp": [
        lambda a: np.interp(a(VECTOR), [0.4, 0.6], [1.0, 3.0]),
        lambda a: np.interp(VECTOR, np.array([0.4, 0.6]), a(np.array([1.0, 3.0])), right=7.0),
    ],
    "geomspace": [lambda a: np.geomspace(a(0.5), 4.0, 5), lambda a: np.geomspace(a(VECTOR), 1.0, num=3)],
    "gradient": [
        lambda a: np.gradient(a(MATRIX)),
        lambda a: np.gradient(a(VECTOR), 0.5, edge_order=2),
        lambda a: np.gradient(a(MATRIX), a(np.sort(VECTOR)), axis=1),
    ],
    "logspace": [lambda a: np.logspace(a(0.5), 2.0, 4), lambda a: np.logspace(0.0, a(VECTOR), 3, base=2.0)],
    "median": [lambda a: np.median(a(MATRIX)), lambda a: np.median(a(CUBE), axis=(0, 2), keepdims=True)],
    "nan_to_num": [lambda a: np.nan_to_num(a(MATRIX), nan=1.0)],
    "nancumprod": [lambda a: np.nancumprod(a(MATRIX)), lambda a: np.nancumprod(a(MATRIX), axis=1)],
    "nancumsum": [lambda a: np.nancumsum(a(MATRIX)), lambda a: np.nancumsum(a(MATRIX), 1)],
    "nanmax": [lambda a: np.nanmax(a(MATRIX), axis=1)],
    "nanmean": [lambda a: np.nanmean(a(MATRIX), axis=0)],
    "nanmin": [lambda a: np.nanmin(a(MATRIX))],
    "nanprod": [lambda a: np.nanprod(a(MATRIX), 1)],
    "nanstd": [lambda a: np.nanstd(a(MATRIX), axis=1, ddof=1)],
    "nansum": [lambda a: np.nansum(a(MATRIX), axis=1, keepdims=True)],
    "nanvar": [lambda a: np.nanvar(a(MATRIX), 0)],
    "partition": [lambda a: np.partition(a(VECTOR), 1)],
    "percentile": [lambda a: np.percentile(a(MATRIX), [10, 50], axis=1)],
    "polyval": [lambda a: np.polyval(a(VECTOR), 2.0), lambda a: np.polyval([1.0, 2.0], a(MATRIX))],
    "ptp": [lambda a: np.ptp(a(MATRIX), axis=1)],
    "quantile": [
        lambda a: np.quantile(a(MATRIX), 0.3),
        lambda a: np.quantile(a(MATRIX), [0.1, 0.9], axis=0, keepdims=True),
        lambda a: np.quantile(a(VECTOR), 0.5, method="linear"),
    ],
    "searchsorted": [lambda a: np.searchsorted(np.sort(VECTOR), a(MATRIX), side="right")],
    "sort": [lambda a: np.sort(a(MATRIX)), lambda a: np.sort(a(MATRIX), axis=None, kind="stable")],
    "sinc": [lambda a: np.sinc(a(MATRIX))],
    "trapezoid": [lambda a: np.trapezoid(a(MATRIX), a(VECTOR)), lambda a: np.trapezoid(a(MATRIX), dx=0.5, axis=0)],
    "vander": [lambda a: np.vander(a(VECTOR)), lambda a: np.vander(a(VECTOR), 2, increasing=True)],
    "size": [lambda a: np.size(a(MATRIX)), lambda a: np.size(a(MATRIX), 1)],
    "zeros_like": [lambda a: np.zeros_like(a(MATRIX)), lambda a: np.zeros_like(a(MATRIX), dtype=int)],
}
PLAIN = {
    "allclose", "array_equal", "iscomplexobj", "isrealobj", "ndim", "result_type", "shape", "size",
}  # fmt: skip
CONSTANT = {"empty_like", "ones_like", "zeros_like"}
EVERY_CALL = [pytest.param(name, f, id=f"{name}-{i}") for name, fs in CALLS.items() for i, f in enumerate(fs)]


def test_every_function_has_a_call():
    # Those of `numpy.linalg` and `numpy.fft` have theirs in `test_linalg.py` and `test_fft.py`.
    assert {function.__name__ for function in FUNCTIONS if function.__module__ == "numpy"} == CALLS.keys()


@pytest.mark.parametrize(("name", "f"), EVERY_CALL)
def test_functions_of_numpy(name, f):
    expected, result = f(np.array), f(leaf)
    assert len(parts(expected)) == len(parts(result))
    for e, r in zip(parts(expected), parts(result), strict=True):
        if name in PLAIN:
            assert type(r) is type(e)
        else:
            assert isinstance(r, ag.Tensor)
        e, r = np.asarray(e), np.asarray(r.detach().data if isinstance(r, ag.Tensor) else r)
        assert (r.shape, r.dtype) == (e.shape, e.dtype)
        if name != "result_type":
            np.testing.assert_allclose(r, e, rtol=1e-14)


@pytest.mark.parametrize(("name", "f"), EVERY_CALL)
def test_functions_of_numpy_are_recorded(name, f):
    made = []

    def recorded(data):
        made.append(leaf(data))
        return made[-1]

    results = [r for r in parts(f(recorded)) if isinstance(r, ag.Tensor) and r.dtype.kind == "f"]
    if name in CONSTANT:
        assert not any(r.requires_grad for r in results)
        return
    for r in results:
        assert r.requires_grad
        r.sum().backward(retain_graph=True)
    if results:
        assert any(x.grad is not None for x in made)


# ---- ufuncs ----


def domain(ufunc):
    if ufunc is np.arccosh:
        return (np.array([1.5, 2.0, 3.0]),)
    if ufunc.__name__.startswith(("logical", "bitwise", "invert")):
        return (MASK, MASK[::-1].copy())[: ufunc.nin]
    if ufunc is np.matmul:
        return (MATRIX, VECTOR)
    return (VECTOR, VECTOR[::-1].copy(), VECTOR)[: ufunc.nin]


def tensor_of(a):
    return ag.tensor(a, requires_grad=a.dtype.kind == "f")


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_ufuncs(ufunc):
    inputs = domain(ufunc)
    expected = ufunc(*inputs)
    for i in range(len(inputs)):
        mixed = [tensor_of(a) if i == j else a for j, a in enumerate(inputs)]
        result = ufunc(*mixed)
        assert isinstance(result, ag.Tensor)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(result.data, expected, rtol=1e-14)
        if inputs[i].dtype.kind == "f" and expected.dtype.kind == "f" and (ufunc, i) != (np.heaviside, 0):
            assert result.requires_grad


def test_arrays_and_numpy_numbers_on_the_left():
    x = leaf([1.0, 2.0])
    for y in (np.array([3.0, 4.0]) * x, np.float64(3.0) * x, np.array([[1.0, 2.0]]) @ x, np.array(3.0) - x):
        assert isinstance(y, ag.Tensor)
        assert y.requires_grad
    (np.array([3.0, 4.0]) * x).sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]
    assert isinstance(np.array([3.0, 4.0]) < x, ag.Tensor)


def test_dtypes_are_those_of_numpy():
    x = leaf([1.0, 2.0], np.float32)
    assert np.add(x, 1.0).dtype == np.float32
    assert (np.float32(2) * x).dtype == np.float32
    assert (np.float64(2) * x).dtype == np.float64
    assert np.multiply(2, x).dtype == np.float32


@pytest.mark.parametrize("ufunc", REDUCTIONS, ids=lambda ufunc: ufunc.__name__)
def test_reductions_by_ufuncs(ufunc):
    a = MATRIX > 0.5 if ufunc.__name__.startswith("logical") else MATRIX
    for args, kwargs in [
        ((), {}),
        ((1,), {}),
        ((), {"axis": (0, 1)}),
        ((), {"axis": None, "keepdims": True}),
    ]:
        expected, result = ufunc.reduce(a, *args, **kwargs), ufunc.reduce(ag.tensor(a), *args, **kwargs)
        assert isinstance(result, ag.Tensor)
        np.testing.assert_allclose(result.data, expected)
        assert result.shape == np.shape(expected)


def test_accumulation_and_outer_by_ufuncs():
    x = leaf(MATRIX)
    for y, expected in [
        (np.add.accumulate(x), np.add.accumulate(MATRIX)),
        (np.add.accumulate(x, 1), np.add.accumulate(MATRIX, 1)),
        (np.subtract.outer(x, VECTOR), np.subtract.outer(MATRIX, VECTOR)),
        (np.multiply.outer(VECTOR, x), np.multiply.outer(VECTOR, MATRIX)),
    ]:
        np.testing.assert_allclose(y.detach().data, expected)
        assert y.requires_grad


# ---- what is refused ----


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: np.unwrap(x), "np.unwrap"),
        (lambda x: np.nanmedian(x), "np.nanmedian"),
        (lambda x: np.linalg.tensorinv(x), "np.linalg.tensorinv"),
        (lambda x: np.copyto(x, np.zeros(2)), "np.copyto"),
        (lambda x: np.cbrt(x), "np.cbrt"),
        (lambda x: np.nextafter(x, 1.0), "np.nextafter"),
        (lambda x: np.fmax.reduce(x), "np.fmax.reduce"),
        (lambda x: np.subtract.reduce(x), "np.subtract.reduce"),
        (lambda x: np.multiply.accumulate(x), "np.multiply.accumulate"),
        (lambda x: np.add.reduceat(x, [0, 1]), "np.add.reduceat"),
        (lambda x: special.j0(x), "scipy.special.j0"),
    ],
)
def test_what_has_no_rule(f, name):
    with pytest.raises(TypeError, match=rf"`{name}`.* does(n't| not) work on tensors; "):
        f(leaf([1.0, 2.0]))


def test_integers_have_no_bits_here():
    with pytest.raises(TypeError, match=r"`np.bitwise_and` of a tensor needs booleans; for the bits of integers"):
        np.bitwise_and(ag.tensor([1, 2]), 1)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (
            lambda x, a: np.sum(x, dtype=np.float32),
            r"`np.sum` of a tensor does not take `dtype=.*\.astype\(dtype\)",
        ),
        (lambda x, a: np.sum(x, 0, np.float32), r"`np.sum` of a tensor does not take `dtype="),
        (lambda x, a: np.sum(x, out=a), r"does not take `out=.*assign the result, `y = ...`"),
        (
            lambda x, a: np.sum(x, where=[True, False]),
            r"does not take `where=.*select with `np.where` before",
        ),
        (lambda x, a: np.sum(x, initial=5.0), r"does not take `initial=5.0`; leave it out"),
        (lambda x, a: np.reshape(x, (2, 1), order="F"), r"does not take `order='F'`; leave it out"),
        (lambda x, a: np.concatenate([x, x], out=a), r"`np.concatenate` of a tensor does not take `out="),
        (lambda x, a: np.where(x), r"`np.where` of a tensor needs a condition, `x` and `y`"),
        (lambda x, a: np.sin(x, dtype=np.float32), r"`np.sin`, `dtype=.* does not work on tensors; convert"),
        (lambda x, a: np.add(x, a, where=a > 0), r"`np.add`, `where=.* does not work on tensors; select"),
        (
            lambda x, a: np.add.reduce(x, initial=5.0),
            r"`np.add.reduce`, `initial=5.0` does not work on tensors",
        ),
        (lambda x, a: np.add(x, a, out=a), r"`np.add` would write a tensor into an array.*`a = a \+ t`"),
        (lambda x, a: np.add.at(a, [0], x[0]), r"`np.add.at` would write a tensor into an array"),
    ],
)
def test_arguments_that_are_refused(f, words):
    with pytest.raises(TypeError, match=words):
        f(leaf([1.0, 2.0]), np.zeros(2))


def test_a_sum_into_an_array():
    a, x = np.zeros(2), leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"cuts its gradient; assign the result instead: `a = a \+ t` for `a \+= t`"):
        a += x
    assert a.tolist() == [0.0, 0.0]
    a = a + x
    assert a.requires_grad


# ---- arrays of tensors, and tensors in arrays ----


@pytest.mark.parametrize(
    "convert",
    [
        np.array,
        np.asarray,
        lambda x: np.array([x, x]),
        lambda x: np.array([0.0, x[0]]),
        lambda x: np.asarray(x, int),
    ],
)
def test_an_array_of_a_tensor_that_requires_a_gradient(convert):
    with pytest.raises(RuntimeError, match=r"would cut the gradient; .*`stack`.*`\.detach\(\)\.numpy\(\)`"):
        convert(leaf([1.0, 2.0]))
    with (
        ag.record(),
        pytest.raises(RuntimeError, match=r"while a tape records would freeze the values .*`stack`"),
    ):
        convert(ag.tensor([1.0, 2.0]))


def test_an_array_of_a_tensor_without_a_gradient():
    x = ag.tensor([1.0, 2.0])
    assert np.asarray(x) is x.data
    assert np.array(x) is not x.data
    assert np.asarray(x, np.float32).dtype == np.float32
    assert np.asarray(x, copy=True) is not x.data
    assert np.asarray(x[0]).shape == ()
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, np.float32, copy=False)


def write_one(a, x):
    a[0] = x


def write_all(a, x):
    a[...] = x


def write_some(a, x):
    a[a < 1] = x


def write_by_index(a, x):
    a[[0, 1]] = x


def write_slice(a, x):
    a[0:1] = x


def write_sum(a, x):
    a[0] += x


def write_copy(a, x):
    np.copyto(a, x)


def write_put(a, x):
    np.put(a, [0], x)


WRITES = [write_copy, write_put, write_one, write_all, write_some, write_by_index, write_slice, write_sum]


def words_of(error):
    """An error's message and that of its cause: NumPy may put its own in front."""
    return f"{error} {error.__cause__}"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("dtype", [float, np.float32, complex, int, bool])
def test_a_tensor_with_a_gradient_is_not_written_into_an_array(write, dtype):
    a = np.zeros(2, dtype)
    with pytest.raises((RuntimeError, ValueError, TypeError)) as caught:
        write(a, leaf(2.0))
    if not (write is write_sum and dtype is bool):
        assert "would cut the gradient; to write it into an array, make that a tensor, `ag.zeros(...)`" in words_of(
            caught.value
        )
    assert not a.any()


def test_an_array_is_not_filled_with_a_tensor_with_a_gradient():
    with pytest.raises(RuntimeError, match="would cut the gradient"):
        np.full_like(VECTOR, leaf(2.0))
    with pytest.raises(RuntimeError, match="would cut the gradient"):
        np.full(3, leaf(2.0))


@pytest.mark.parametrize("write", WRITES)
def test_a_tensor_is_not_written_into_an_array_while_a_tape_records(write):
    a, x = np.zeros(2), ag.tensor(2.0)
    with ag.record() as tape, pytest.raises((RuntimeError, ValueError)) as caught:
        write(a, x)
    assert "would freeze the values" in words_of(caught.value)
    assert tape.guards == []
    assert not a.any()


@pytest.mark.parametrize("write", WRITES)
def test_other_tensors_are_written(write):
    a = np.zeros(2)
    write(a, ag.tensor(2.0))
    assert a[0] == 2.0


def test_the_conversion_by_a_user_is_no_write():
    x = leaf(2.0)
    a = np.zeros(2)
    a[0] = float(x)
    a[1] = x.item()
    assert a.tolist() == [2.0, 2.0]
    assert math.exp(x) == math.exp(2.0)
    assert np.float64(x) == 2.0


def test_arrays_of_objects_hold_tensors():
    a = np.empty(2, object)
    x = leaf(2.0)
    a[0], a[1] = x, x * x
    assert a[0] is x
    total = np.sum(a)
    total.backward()
    assert x.grad.item() == 5.0


def test_ops_are_found_by_ufuncs():
    x = leaf([1.0, 2.0])
    assert np.exp(x).node.primitive is ops.exp
    assert special.expit(x).node.primitive is ops.sigmoid
    assert np.power(x, 2).node.primitive is ops.pow
