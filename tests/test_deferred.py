"""Arrays that a recording does not compute: shapes and errors are those of NumPy, and values come when asked for."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings

import autograd as ag
import jit
from autograd import deferred, functions
from autograd.deferred import Deferred
from jit.recording.record import graph_of
from tests.cases import CASES
from tests.mixtures import mixtures
from tests.programs import programs

X = np.linspace(0.5, 2.0, 6).reshape(2, 3)


@pytest.fixture(autouse=True, scope="module")
def _all_deferred():
    """No array is small enough to be computed while a function is recorded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deferred, "LARGE", 0)
        yield


def recorded(f, *arrays):
    """What `f` makes of tensors of the arrays while a tape defers."""
    with ag.record(defer=True):
        return f(*[ag.tensor(x) for x in arrays])


def graph(f, arrays, defer):
    """The printed graph of what `f` does to tensors of the arrays."""
    inputs = [ag.tensor(x) for x in arrays]
    with ag.record(defer) as tape:
        outputs = f(*inputs)
    return str(graph_of(tape, inputs, outputs).graph)


def same_graph(f, arrays):
    with np.errstate(all="ignore"):
        assert graph(f, arrays, True) == graph(f, arrays, False)


# ---- what is recorded ----


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_is_recorded_as_if_it_were_computed(case):
    for dtype in case.dtypes:
        arrays = case.arrays(dtype)
        places = [i for i, x in enumerate(arrays) if isinstance(x, np.ndarray)]
        wrt = [places.index(i) for i in case.wrt] if dtype.kind in "fc" else []

        def value_and_gradients(*xs, arrays=arrays, wrt=wrt):
            given = iter(xs)
            value = lambda *xs: case(*merged(arrays, xs))
            out = value(*given)
            if not wrt:
                return [out]
            return [out, *ag.grad(lambda *xs: functions.sum(functions.real(value(*xs) * out)), wrt)(*xs)]

        same_graph(value_and_gradients, [arrays[i] for i in places])


def merged(arrays, xs):
    """The inputs of a case with `xs` in place of its arrays."""
    rest = iter(xs)
    return [next(rest) if isinstance(x, np.ndarray) else x for x in arrays]


@settings(max_examples=100)
@given(programs(smooth=False))
def test_a_program_is_recorded_as_if_it_were_computed(program):
    argnums = tuple(range(len(program.inputs())))

    def value_and_gradients(*xs):
        value, gradients = ag.value_and_grad(program, argnums)(*xs)
        return [value, *gradients]

    same_graph(value_and_gradients, program.inputs())


@settings(max_examples=100)
@given(mixtures())
def test_a_mixture_is_recorded_as_if_it_were_computed(mixture):
    same_graph(lambda *xs: [x for x in mixture(*xs) if isinstance(x, ag.Tensor)], mixture.inputs)


def test_no_large_array_is_computed_to_compile_a_function(monkeypatch):
    monkeypatch.setattr(deferred, "LARGE", 1000)
    x = np.linspace(0.1, 1.0, 100_000)
    f = jit.value_and_grad(lambda x: np.sum(np.exp(np.sin(x)) * np.tanh(x)))
    f(x[:10].copy())
    tracemalloc.start()
    value, g = f(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(value, np.sum(np.exp(np.sin(x)) * np.tanh(x)), rtol=1e-12)
    # The gradient itself, and what compiling takes.
    assert peak < 2 * g.nbytes + 2_000_000


# ---- values that are asked for ----


def test_a_value_is_computed_when_it_is_asked_for():
    y = recorded(lambda x: np.exp(x) * 2.0, X)
    assert type(y.data) is Deferred
    assert (y.shape, y.dtype, y.ndim, y.size) == ((2, 3), np.float64, 2, 6)
    np.testing.assert_array_equal(np.asarray(y.data), np.exp(X) * 2.0)
    np.testing.assert_array_equal((y + 1).numpy(), np.exp(X) * 2.0 + 1)
    np.testing.assert_array_equal((y.sum(axis=0) @ y.T).numpy(), (np.exp(X) * 2).sum(axis=0) @ (np.exp(X) * 2).T)
    assert repr(y) == repr(ag.tensor(np.exp(X) * 2.0))


def test_a_value_that_python_decides_on_is_computed_and_guarded():
    @jit.compile
    def halved(x):
        while np.sum(x) > 1.0:
            x = x / 2
        return x

    def by_numpy(x):
        while np.sum(x) > 1.0:
            x = x / 2
        return x

    for factor in (1.0, 5.0, 0.01, 1.0):
        np.testing.assert_allclose(halved(factor * X), by_numpy(factor * X), rtol=1e-15)


def test_a_mask_is_computed():
    f = jit.compile(lambda x: np.sum(np.exp(x)[np.sin(x) > 0.9]))
    np.testing.assert_allclose(f(X), np.sum(np.exp(X)[np.sin(X) > 0.9]), rtol=1e-14)


def test_a_chain_longer_than_the_stack_of_python():
    def chain(x):
        for _ in range(5_000):
            x = x + 1.0
        return x

    y = recorded(chain, X)
    np.testing.assert_allclose(np.asarray(y.data), X + 5_000.0, rtol=1e-12)


def test_what_was_computed_once_is_kept():
    y = recorded(lambda x: np.exp(x), X)
    assert np.asarray(y.data).sum() == y.data.sum()
    assert y.data.value() is y.data.value()


def test_dropped_results_are_freed_by_reference_counts():
    gc.disable()
    try:
        y = recorded(lambda x: np.exp(np.sin(x)), X)
        seen = weakref.ref(y.data)
        del y
        assert seen() is None
    finally:
        gc.enable()


# ---- errors ----


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x @ x, "`matmul` needs the last axis of `x` as long as .*got \\(2, 3\\) and \\(2, 3\\)"),
        (lambda x: x + np.ones((2, 4)), "`add` needs shapes that broadcast together, got \\(2, 3\\) and \\(2, 4\\)"),
        (lambda x: x.reshape(7), "`reshape` needs"),
        (lambda x: ag.broadcast_to(x, (2, 2)), "needs a shape"),
        (lambda x: np.concatenate([x, np.ones((1, 4))]), "`concatenate` needs"),
    ],
)
def test_shapes_that_do_not_fit_have_the_same_error(f, message):
    for run in (jit.compile(f), lambda x: f(ag.tensor(x))):
        with pytest.raises(ValueError, match=message):
            run(X)


def test_an_index_out_of_range_has_the_same_error():
    f = jit.compile(lambda x, i: np.sin(x)[i + 0])
    np.testing.assert_array_equal(f(X, np.array([1, 0])), np.sin(X)[[1, 0]])
    for compiled in (f, jit.compile(f.function)):
        with pytest.raises(IndexError, match="index 2 is out of"):
            compiled(X, np.array([0, 2]))


def test_a_negative_power_of_integers_has_the_same_error():
    x = np.array([1, 2, 3])
    with pytest.raises(ValueError, match=r"`pow` .*negative integer powers"):
        jit.compile(lambda x: (x + 1) ** -2)(x)


# ---- what a recording keeps ----


def peak_of_recording(f, x):
    """The most bytes that were allocated at once while the function was recorded and compiled, beyond those before."""
    compiled = jit.value_and_grad(f)
    compiled(x[:1])
    gc.collect()
    tracemalloc.start()
    try:
        value, _ = compiled(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(value, f(x), rtol=1e-12)
    return peak


@pytest.mark.parametrize("size", [4000, 100_000])
@pytest.mark.parametrize("looks", [False, True])
def test_a_long_recording_does_not_keep_the_arrays_of_its_steps(size, looks, monkeypatch):
    monkeypatch.setattr(deferred, "LARGE", 4096)

    def f(x):
        for _ in range(300):
            x = x * 0.999 + 0.001
            if looks and np.max(x) > 5:
                break
        return np.sum(x)

    # The gradient of this needs no step of it.
    assert peak_of_recording(f, np.linspace(0, 1, size)) < 12 * 8 * size + 6_000_000


def test_a_stand_in_computes_its_value_again(monkeypatch):
    monkeypatch.setattr(deferred, "LARGE", 4096)
    x = ag.tensor(np.linspace(0, 1, 1000))
    with ag.record(defer=True) as tape:
        y = x * 2
        z = y + 1
        del y
    kept = [node.out for node in tape.nodes]
    assert [type(out) for out in kept] == [Deferred, Deferred]
    np.testing.assert_array_equal(np.asarray(kept[1]), x.numpy() * 2 + 1)
    assert kept[1].value() is z.data
    np.testing.assert_array_equal(np.asarray(kept[0]), x.numpy() * 2)


def test_stand_ins_of_a_long_chain_are_computed_without_recursion():
    x = ag.tensor(np.linspace(0, 1, 1000))
    with ag.record(defer=True) as tape:
        y = x
        for _ in range(5000):
            y = y + 1
    last = tape.nodes[-1].out
    del y
    np.testing.assert_allclose(np.asarray(last), x.numpy() + 5000)


def test_a_decision_on_a_gradient_within_a_loop(monkeypatch):
    monkeypatch.setattr(deferred, "LARGE", 4096)

    def descent(w):
        slope = ag.grad(lambda w: np.sum((w * w - 2) ** 2))
        for _ in range(60):
            g = slope(w)
            w = w - 0.02 * g
            if np.sum(g * g) < 1e-6:
                break
        return np.sum(w)

    w = np.linspace(0.5, 1.5, 1000)
    np.testing.assert_allclose(jit.compile(descent)(w), descent(w), rtol=1e-12)


def test_a_dtype_by_its_type():
    y = recorded(lambda x: ag.ops.astype(x, dtype=np.int64), X)
    assert y.dtype == np.dtype(np.int64)
    assert isinstance(y.dtype, np.dtype)
