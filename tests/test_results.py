"""The memory of large results is used again, and never while somebody has it."""

import threading

import numpy as np

import jit
from autograd.primitive import Aval
from jit.calling.results import LEAST, MOST, Results, is_kept

N = LEAST // 8
X = np.linspace(0.0, 1.0, N)


def doubled():
    return jit.compile(lambda x: x + x)


def test_memory_that_nobody_has_is_used_again():
    f = doubled()
    f(X)
    places = {f(X).ctypes.data for _ in range(6)}
    assert len(places) <= 2


def test_a_result_that_is_held_is_not_written_to():
    f = doubled()
    held = [f(factor * X) for factor in (1.0, 2.0, 3.0, 4.0)]
    for factor, y in zip((1.0, 2.0, 3.0, 4.0), held, strict=True):
        np.testing.assert_array_equal(y, 2 * factor * X)


def test_a_view_of_a_result_holds_it():
    f = doubled()
    views = [f(factor * X)[::2] for factor in (1.0, 2.0, 3.0)]
    for factor, y in zip((1.0, 2.0, 3.0), views, strict=True):
        np.testing.assert_array_equal(y, 2 * factor * X[::2])


def test_a_memoryview_of_a_result_holds_it():
    f = doubled()
    first = memoryview(f(X))
    for factor in (2.0, 3.0, 4.0):
        f(factor * X)
    np.testing.assert_array_equal(np.asarray(first), 2 * X)


def test_a_result_that_was_changed_is_not_given_again():
    f = doubled()
    for change in (
        lambda y: y.flags.__setattr__("writeable", False),
        lambda y: y.resize((2, N // 2), refcheck=False),
        lambda y: y.fill(7.0),
    ):
        y = f(X)
        change(y)
        del y
        y = f(X)
        assert y.shape == X.shape
        assert y.flags.writeable
        np.testing.assert_array_equal(y, 2 * X)
        del y


def test_threads_have_results_of_their_own():
    f, wrong = doubled(), []
    f(X)

    def run(factor):
        x = factor * X
        for _ in range(20):
            if not np.array_equal(f(x), 2 * x):
                wrong.append(factor)

    threads = [threading.Thread(target=run, args=(factor,)) for factor in (1.0, 2.0, 3.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_is_kept():
    float64 = np.dtype(np.float64)
    assert [is_kept(Aval((n,), float64)) for n in (N - 1, N, MOST // 8, MOST // 8 + 1)] == [False, True, True, False]
    results = Results(Aval((N,), float64))
    held = [results() for _ in range(5)]
    assert len({id(x) for x in held}) == 5
    assert len(results.kept) == 2
