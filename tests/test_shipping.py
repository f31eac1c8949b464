"""Compiled functions in pickles and in other processes."""

import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import autograd as ag
import jit

RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(20, 3)), RNG.normal(size=20), RNG.normal(size=3)


def loss(w, x, y):
    return np.mean((np.tanh(x @ w) - y) ** 2)


@jit.value_and_grad
def decorated(w):
    return np.sum(np.sin(w) * X[0])


def closed(x):
    """A function of a closure, which no module has by its name."""
    return lambda w: np.sum((x @ w) ** 2)


def copied(f):
    return pickle.loads(pickle.dumps(f))


def same(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, tuple | list):
        for x, y in zip(got, expected, strict=True):
            same(x, y)
    elif isinstance(expected, dict):
        same(list(got), list(expected))
        same(list(got.values()), list(expected.values()))
    else:
        np.testing.assert_array_equal(got, expected)


FUNCTIONS = {
    "a function of a module": (jit.value_and_grad(loss), (W, X, Y), (W, X[:5], Y[:5])),
    "a decorated one": (decorated, (W,), (W[:2][[0, 1, 0]],)),
    "a lambda": (jit.value_and_grad(lambda w: np.sum(w**3)), (W,), (W[:2],)),
    "a closure": (jit.value_and_grad(closed(X)), (W,), (2 * W,)),
    "derivatives": (jit.hessian(lambda w: np.sum(w**4)), (W,), (W[:2],)),
    "a loop": (jit.grad(lambda x: ag.fori_loop(0, 9, lambda i, x: x - 0.1 * np.sin(x), x)), (1.0,), (np.ones(2)[0],)),
    "a loop that ends by a value": (
        jit.value_and_grad(lambda x, n: ag.while_loop(lambda x: x < n, lambda x: x * 1.5, x)),
        (1.0, 5.0),
        (2.0, 7.0),
    ),
    "branches": (jit.grad(lambda x: x * x if x > 1 else -x), (3.0,), (0.5,)),
    "containers": (
        jit.compile(lambda p, *, c: {"s": p["a"] * c, "t": [p["b"], "text", None]}),
        ({"a": W, "b": 2.0},),
        None,
    ),
    "threads": (jit.compile(lambda x: np.sum(x * 2), threads=1), (W,), (X,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_recordings_and_functions_come_out_of_a_pickle(name):
    f, args, others = FUNCTIONS[name]
    options = {"c": 3.0} if name == "containers" else {}
    expected = f(*args, **options)
    before = jit.cache_info()
    made = copied(f)
    same(made(*args, **options), expected)
    after = jit.cache_info()
    # The recording came along, and its kernel was found by its name.
    assert (after.misses, after.loaded) == (before.misses, before.loaded)
    assert sum(map(len, made.variants.values())) == sum(map(len, f.variants.values()))
    assert repr(made) == repr(f)
    assert made.threads == f.threads
    if others is not None:
        same(made(*others), f(*others))


def test_a_function_that_was_not_called_yet():
    same(copied(jit.value_and_grad(closed(X)))(W), jit.value_and_grad(closed(X))(W))


def test_a_function_that_cannot_be_pickled_answers_what_it_was_recorded_for():
    f = jit.value_and_grad(with_lock(X))
    expected = f(W)
    made = copied(copied(f))
    same(made(W), expected)
    same(made(2 * W), f(2 * W))
    message = r"`f` came out of a pickle without its Python function \(TypeError: .*lock.*\), so it answers only what"
    with pytest.raises(TypeError, match=message):
        made(W.astype(np.float32))
    f.rebind(x=2 * X)
    with pytest.raises(
        TypeError, match=r"<compiled f> cannot be pickled \(.*lock.*\), and without its function it has no"
    ):
        pickle.dumps(f)


def with_lock(x):
    lock = threading.Lock()

    def f(w):
        with lock:
            return np.sum((x @ w) ** 2)

    return f


def test_captured_tensors_and_gradients_that_are_set():
    w = ag.tensor(W, requires_grad=True)
    f = jit.compile(lambda x: np.sum(w * x))
    x = ag.tensor(X[0])
    f(x)
    made = copied(f)
    y = made(x)
    assert y.requires_grad
    np.testing.assert_array_equal(y.data, f(x).data)


def test_tapes_and_rebound_functions_and_custom_functions():
    x = ag.tensor(2.0, requires_grad=True)
    with ag.record() as tape:
        y = x**3
    replayed = copied(jit.compile(tape, inputs=[x], outputs=[y]))
    assert float(replayed(3.0)) == 27.0
    assert [float(z) for z in replayed.value_and_grad(3.0)[1]] == [27.0]
    f = jit.value_and_grad(closed(X))
    f.rebind(x=2 * X)
    made = copied(f)
    same(made(W), f(W))
    made.rebind(x=X)
    same(made(W), jit.value_and_grad(closed(X))(W))
    g = jit.grad(lambda x: CUBE(x) * 2)
    assert copied(g)(2.0) == g(2.0) == 24.0


def cube(x):
    return x**3


def cube_vjp(g, out, x):
    return g * 3 * x**2


CUBE = ag.custom(cube, cube_vjp)


def answer(f, w):
    """What a worker answers, and how many kernels it had to compile and to load."""
    value = f(w)
    info = jit.cache_info()
    return value, info.misses, info.loaded, os.getpid()


def test_a_worker_loads_the_machine_code(tmp_path, monkeypatch):
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]))
    jit.clear_cache()
    f = jit.value_and_grad(closed(X))
    expected = f(W)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        value, misses, loaded, process = pool.submit(answer, f, W).result(timeout=120)
    assert process != os.getpid()
    same(value, expected)
    assert (misses, loaded) == (0, 1)
