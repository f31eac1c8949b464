"""The kernel cache, the names of kernels, counts of recordings and compilations, and calls from many threads."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import jit
from jit.dispatch.tracing import trace
from jit.kernels import cache
from jit.kernels.kernel import name_of
from jit.passes import optimise
from jit.signature import signature_of

ROOT = Path(__file__).parents[1]
X = np.array([1.0, 2.0, 3.0])


@pytest.fixture(autouse=True)
def _an_empty_cache():
    jit.clear_cache()


def counts():
    info = jit.cache_info()
    return info.hits, info.misses, info.size


def test_the_same_graph_is_compiled_once():
    first, second = jit.compile(lambda x: x * 2 + 1), jit.compile(lambda y, k: y * k + np.sin(0.0) + 1)
    np.testing.assert_array_equal(first(X), 2 * X + 1)
    np.testing.assert_array_equal(jit.compile(lambda y: y * 2.0 + 1)(5 * X), 10 * X + 1)
    assert counts() == (1, 1, 1)
    np.testing.assert_array_equal(second(X, 2.0), 2 * X + 1)
    assert counts() == (1, 2, 2)


def test_what_is_compiled():
    """Each call's recordings and compilations, in all."""
    runs = []

    def f(x, k=1.0):
        runs.append(x)
        return (x * k).sum() if np.ndim(x) else x * k

    g = jit.compile(f, verify=False)
    matrix = np.ones((3, 2))
    calls = [
        (X, 1, 1), (2 * X, 1, 1), (X[:2], 2, 2), (X, 2, 2), (matrix, 3, 3), (np.asfortranarray(matrix), 4, 4),
        (matrix, 4, 4), (X.astype("f4"), 5, 5), (X[::-1], 6, 5), (X[::-1], 6, 5), (2.0, 7, 6), (3.0, 7, 6),
        (np.float64(2), 8, 6), (np.array(2.0), 9, 6), (ag.tensor(X), 10, 6), (ag.tensor(2 * X), 10, 6),
    ]  # fmt: skip
    for x, recordings, compilations in calls:
        assert arrays(g(x)) == arrays(f(x) if not isinstance(x, ag.Tensor) else f(x.numpy()))
        runs.pop()
        assert (len(runs), jit.cache_info().misses) == (recordings, compilations)


def arrays(x):
    return x.numpy() if isinstance(x, ag.Tensor) else x


def test_gradients_of_tensors_are_compiled_once():
    f = jit.compile(lambda x: (x**3).sum())
    x = ag.tensor(X, requires_grad=True)
    for _ in range(3):
        f(x).backward()
    assert jit.cache_info().misses == 2


def test_the_bound_drops_the_kernel_used_longest_ago(monkeypatch):
    monkeypatch.setattr(cache, "BOUND", 2)
    functions = [lambda x: x * 2, lambda x: x * 3, lambda x: x * 4]
    first, second, third = [jit.compile(f) for f in functions]
    first(X), second(X)
    jit.compile(functions[0])(X)
    assert counts() == (1, 2, 2)
    third(X)
    assert counts() == (1, 3, 2)
    jit.compile(functions[0])(X)
    assert counts() == (2, 3, 2)
    jit.compile(functions[1])(X)
    assert counts() == (2, 4, 2)
    np.testing.assert_array_equal(third(X), 4 * X)
    assert jit.cache_info().bound == 2


def test_clearing_the_cache():
    f = jit.compile(lambda x: x * 2)
    f(X)
    jit.clear_cache()
    assert counts() == (0, 0, 0)
    np.testing.assert_array_equal(f(X), 2 * X)
    assert counts() == (0, 0, 0)


# ---- names ----

NAMED = """
import numpy as np
import autograd as ag
from jit.kernels.kernel import name_of
from jit.passes import optimise
from jit.signature import signature_of
from jit.dispatch.tracing import trace

def graph_of(f, *args):
    return optimise(trace(f, *signature_of(args, {}), False, 1).recording.graph)

def name():
    f = ag.value_and_grad(lambda p: np.sum(np.tanh(p["w"]) * p["b"]) ** 2.5)
    return name_of(graph_of(f, {"w": np.ones((3, 4)), "b": 1.5}))
"""


def test_names_are_the_same_in_every_process():
    code = [sys.executable, "-c", NAMED + "print(name())"]
    other = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=True)
    namespace = {}
    exec(NAMED, namespace)
    assert other.stdout.strip() == namespace["name"]()


W = np.array(2.0)
GRAPHS = [
    (lambda x: x * 2, X),
    (lambda x: x * 2, X[:2]),
    (lambda x: x * 2, X.astype(np.float32)),
    (lambda x: x * 2, X.reshape(1, 3)),
    (lambda x: x * 2, 1.0),
    (lambda: ag.as_tensor(W) * 2,),
    (lambda x: x * 2.0000000000000004, X),
    (lambda x: x * -0.0, X),
    (lambda x: x * 0.0, X),
    (lambda x: x * np.nan, X),
    (lambda x: x * np.inf, X),
    (lambda x: x * 2 if x[0] > 0 else x, X),
    (lambda x: x[0:2], X),
    (lambda x: x[1:3], X),
    (lambda x: x.sum(0), np.ones((3, 3))),
    (lambda x: x.sum(1), np.ones((3, 3))),
    (lambda x: x.sum(1, keepdims=True), np.ones((3, 3))),
    (lambda x, y: x - y, X, X),
    (lambda x, y: y - x, X, X),
    (lambda x, y: (x, y), X, X),
    (lambda x, y: (y, x), X, X),
    (lambda x: (x, x), X),
    (lambda x: x, X),
]


def test_other_graphs_have_other_names():
    graphs = [optimise(trace(f, *signature_of(args, {}), False, 1).recording.graph) for f, *args in GRAPHS]
    keys = [graph.key for graph in graphs]
    twins = [(i, j) for i in range(len(keys)) for j in range(i) if keys[i] == keys[j]]
    assert not twins
    assert len({name_of(graph) for graph in graphs}) == len(graphs)


def test_a_captured_number_is_no_argument():
    """The two graphs differ in nothing but where the number comes from."""
    w = np.array(2.0)
    assert jit.compile(lambda x: x * 2)(2.0) == 4.0
    f = jit.compile(lambda: ag.as_tensor(w) * 2)
    assert f() == 4.0
    w[...] = 3.0
    assert f() == 6.0


# ---- threads ----


def in_threads(work, n=8):
    """Runs `work(i)` in threads that start together."""
    barrier = threading.Barrier(n)

    def run(i):
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


def test_calls_from_many_threads():
    w = np.random.default_rng(0).normal(size=(60, 60))
    f = jit.value_and_grad(lambda x: np.sum(np.tanh(x @ w) @ w.T))
    inputs = [np.random.default_rng(i).normal(size=(60, 60)) for i in range(8)]
    expected = [f(x) for x in inputs]
    assert next(iter(f.variants.values()))[0].kernel.workspace, "this must test kernels with a workspace"

    def work(i):
        for _ in range(20):
            value, g = f(inputs[i])
            if value != expected[i][0] or not np.array_equal(g, expected[i][1]):
                return False
        return True

    assert all(in_threads(work))


def test_first_calls_race():
    f = jit.grad(lambda x: (x**3).sum() if x[0] > 0 else x.sum())
    shapes = [(n,) for n in (2, 3, 4, 5)]

    def work(i):
        x = np.full(shapes[i % 4], 1.0 + i) * (1 if i < 4 else -1)
        return np.array_equal(f(x), 3 * x**2 if i < 4 else np.ones(len(x)))

    assert all(in_threads(work))
    assert jit.cache_info().misses == 8


def test_tensors_in_many_threads():
    w = ag.tensor(X, requires_grad=True)
    f = jit.compile(lambda x: (x * w).sum())

    def work(i):
        return np.array_equal(ag.grad(f(X + i), [w])[0].numpy(), X + i)

    assert all(in_threads(work))


# ---- the disk ----


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """The folder of kernels on the disk."""
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def tanh_squared(x):
    return np.sum(np.tanh(x) ** 2)


def anew():
    """What a function returns that is recorded now, by a process that knows no kernel."""
    jit.clear_cache()
    return jit.value_and_grad(tanh_squared)(X)


def test_the_disk_spares_compiling(kernels):
    value, g = anew()
    info = jit.cache_info()
    assert (info.misses, info.loaded, info.files, info.folder) == (1, 0, 1, str(kernels))
    assert info.bytes == sum(path.stat().st_size for path in kernels.iterdir())
    again, same_g = anew()
    assert jit.cache_info()[:4] == (0, 0, 1, 1)
    assert (again, same_g.tolist()) == (value, g.tolist())
    jit.value_and_grad(tanh_squared)(X)
    assert jit.cache_info()[:4] == (1, 0, 1, 1)


def test_kernels_from_the_disk_can_be_looked_at(kernels):
    anew(), anew()
    f = jit.value_and_grad(tanh_squared)
    f(X)
    assert "from the disk" in f.explain(X)
    assert "tanh" in f.explain(X)
    assert "fmul" in f.llvm(X)
    assert next(iter(f.variants.values()))[0].kernel.name in f.asm(X)
    assert jit.cache_info().misses == 0


@pytest.mark.parametrize("place", [0, 20, 60, 500, -1])
def test_a_flipped_bit_does_no_harm(kernels, place):
    value, g = anew()
    (path,) = kernels.iterdir()
    whole = bytearray(path.read_bytes())
    whole[place] ^= 4
    path.write_bytes(whole)
    jit.clear_cache()
    cache._CACHE._store = None
    with pytest.warns(RuntimeWarning, match="is damaged") as caught:
        again, same_g = anew()
    assert len(caught) == 1
    assert jit.cache_info().misses == 1
    assert (again, same_g.tolist()) == (value, g.tolist())
    anew()
    assert jit.cache_info().loaded == 1, "what was damaged has been replaced"


def test_code_that_cannot_be_linked_is_compiled(kernels, monkeypatch):
    value, _ = anew()

    def restored(*_):
        raise RuntimeError("Symbols not found: [ jit_dgemm ]")

    monkeypatch.setattr(cache, "restored", restored)
    with pytest.warns(RuntimeWarning, match="jit_dgemm"):
        assert anew()[0] == value
    assert jit.cache_info()[1:3] == (1, 0)


def test_clearing_the_disk_too(kernels):
    f = jit.value_and_grad(tanh_squared)
    value, _ = f(X)
    jit.clear_cache()
    assert jit.cache_info().files == 1
    jit.clear_cache(disk=True)
    assert jit.cache_info()[:4] == (0, 0, 0, 0)
    assert (jit.cache_info().files, jit.cache_info().bytes) == (0, 0)
    assert f(X)[0] == value
    anew()
    assert jit.cache_info().misses == 1


def test_the_folder_may_change_and_be_none(kernels, monkeypatch, tmp_path):
    anew()
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path / "other"))
    anew()
    assert jit.cache_info()[1:3] == (1, 0)
    assert len(list((tmp_path / "other").iterdir())) == 1
    monkeypatch.setenv("JIT_CACHE_DIR", "")
    anew()
    assert jit.cache_info()[1:3] == (1, 0)
    assert (jit.cache_info().folder, jit.cache_info().files) == (None, 0)
    jit.clear_cache(disk=True)
    assert len(list(kernels.iterdir())) == len(list((tmp_path / "other").iterdir())) == 1


SECOND = """
import json, sys
import numpy as np
import numba.core.compiler, numba.core.cpu
import jit

def never(*_, **__):
    raise AssertionError("this process must not compile, nor load what compiles")

if sys.argv[1] == "second":
    numba.core.compiler.compile_extra = never
    numba.core.cpu.CPUContext.load_additional_registries = never
    jit.kernels.cache.build = never
X = np.linspace(0.5, 2.0, 20)
W = np.outer(X, X)
functions = [
    (lambda x: 5 * x**3 + 2 * x, 1.5),
    (lambda x: np.sum(np.tanh(x @ W) * x), X),
    (lambda w: np.sum(np.exp(w @ w.T / 50)), np.tile(W, (4, 4)) / 9),
]
results = [jit.value_and_grad(f)(x) for f, x in functions]
print(json.dumps([[float(value), np.asarray(g).tolist()] for value, g in results]))
print(list(jit.cache_info()[:3]))
"""


def test_a_second_process_compiles_nothing(kernels):
    outputs = []
    for which in ("first", "second"):
        code = [sys.executable, "-W", "error", "-c", SECOND, which]
        done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.splitlines())
    (expected, first), (found, second) = outputs
    assert first == "[0, 3, 0]"
    assert second == "[0, 0, 3]"
    assert found == expected
