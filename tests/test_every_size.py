"""Kernels that serve every size: found by themselves or marked, the same results, nothing compiled for later sizes."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops
from benchmarks.every_size import FUNCTIONS, bootstrap, compare, logistic
from jit.lowering import blocks

# The first is compiled for itself, the second for all.
SIZES = (6, 11, 23, 24, 64, 130, 333, 1, 2, 3, 47, 6)
CLOSURE, CAPTURED = np.arange(1000.0), ag.tensor(np.zeros(5))


def arrays(rng, shapes, n):
    """Arrays of these shapes with `n` in the place of the letter; of integers where a bound stands first."""
    found: list[Any] = []
    for shape in shapes:
        bound = shape[0] if shape and isinstance(shape[0], list) else None
        lengths = [n if k == "n" else k for k in shape if not isinstance(k, list)]
        found.append(rng.normal(size=lengths) if bound is None else rng.integers(bound[0], size=lengths))
    return found


def agree(compiled, eager, given):
    for x, y in zip(jit_leaves(compiled(*given)), jit_leaves(eager(*given)), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-10)


def jit_leaves(result):
    return result if isinstance(result, tuple) else (result,)


# fmt: off
OPEN = {
    "elementwise": (lambda x: np.tanh(x) * x + 1, [("n",)]),
    "sum": (lambda x: np.sum(x * x), [("n",)]),
    "mean": (lambda x: np.mean(x * x), [("n",)]),
    "variance": (lambda x: np.var(x) + np.std(x), [("n",)]),
    "mean of columns": (lambda x: np.sum(np.mean(x * x, axis=0) ** 2), [("n", 4)]),
    "mean of rows": (lambda x: np.sum(np.mean(x * x, axis=1) ** 2), [("n", 4)]),
    "logistic": (lambda w, x, y: np.mean(np.log1p(np.exp(-y * (x @ w)))), [(5,), ("n", 5), ("n",)]),
    "network": (lambda w, v, x, y: np.mean((np.tanh(x @ w) @ v - y) ** 2), [(4, 8), (8,), ("n", 4), ("n",)]),
    "broadcast": (lambda a, x: np.sum((x - a) ** 2 * x[:, :1]), [(9,), ("n", 9)]),
    "gather": (lambda b, y, i: np.mean((b[i] - y) ** 2), [(7,), ("n",), ([7], "n")]),
    "gather of rows": (lambda x, i: np.sum(x[i] ** 2), [("n", 3), ([1], 5)]),
    "cumsum": (lambda x: np.sum(np.cumsum(x) ** 2), [("n",)]),
    "extrema": (lambda x: np.max(x) + np.min(x * x), [("n",)]),
    "logsumexp": (lambda x: ag.logsumexp(x), [("n",)]),
    "softmax": (lambda x: np.sum(ag.softmax(x, axis=1) ** 2), [("n", 4)]),
    "reshape": (lambda x: np.sum(np.tanh(x.reshape(-1)) ** 2), [("n", 4)]),
    "product of columns": (lambda x: np.sum((x.T @ x) ** 2), [("n", 4)]),
    "concatenate": (lambda x, y: np.sum(np.concatenate([x, y, x * 2]) ** 3), [("n",), ("n",)]),
    "stack": (lambda x, y: np.sum(np.stack([x, y, x * 2], axis=1) ** 3), [("n",), ("n",)]),
    "where": (lambda x: np.sum(np.where(x > 0, x, 0.1 * x)), [("n",)]),
    "length": (lambda x: np.sum(x) / x.shape[0] ** 0.5 + 1.0 / x.size, [("n",)]),
    "integers of NumPy": (lambda x: np.sum(x) * np.int64(3) / (np.int64(2) + x.shape[0]), [("n",)]),
    "root of the length": (lambda x: np.sum(x) / np.sqrt(x.shape[0]), [("n",)]),
    "einsum": (lambda x, w: np.sum(np.einsum("ij,j->i", x, w) ** 2), [("n", 9), (9,)]),
    "reversed": (lambda x: np.sum(x[::-1] * np.cumsum(x)), [("n",)]),
    "sorted": (lambda x: np.sum(np.sort(x) * x), [("n",)]),
    "random": (lambda x: np.sum(x * (ops.random_bits(np.uint64(3), ops.astype(x * x, dtype="uint64")) % 7)), [("n",)]),
    "complex": (lambda x: np.sum(ag.real(ops.complex_(x, 2 * x) ** 2)), [("n",)]),
    "gradient inside": (lambda x: np.sum(ag.grad(lambda y: np.sum(y**3) / y.shape[0])(x) ** 2), [("n",)]),
}
# fmt: on


@pytest.mark.parametrize("name", OPEN)
def test_one_kernel_serves_all_sizes(name, rng):
    function, shapes = OPEN[name]
    if name != "elementwise":
        compiled, eager = jit.value_and_grad(function), ag.value_and_grad(function)
    else:
        compiled, eager = jit.compile(function), function
    for n in SIZES:
        agree(compiled, eager, arrays(rng, shapes, n))
    assert not compiled.refused
    # One for the first size, one for all from 2 on, and one for size 1.
    assert len(compiled.open) == 1
    assert len(compiled.variants) == 2


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x: np.sum((x[1:] - x[:-1]) ** 2), [("n",)]),
        (lambda x: np.sum(x[0] * x) + x[-1], [("n",)]),
        (lambda x: np.sum(np.tanh(x[:, None] - 2 * x[None, :])), [("n",)]),
        (lambda x, y: np.sum(np.linalg.solve(x.T @ x + np.eye(9), x.T @ y)), [("n", 9), ("n",)]),
        (lambda x: np.median(x), [("n",)]),
        (lambda x: np.sum(x) if x.shape[0] > 50 else np.sum(x * x), [("n",)]),
        (lambda x: np.sum(x) if np.sum(x) > 0 else np.sum(x * x), [("n",)]),
        (lambda x: np.sum(np.tanh(x @ x.T)), [("n", 4)]),
        (lambda x, y: np.sum((x @ y) ** 2), [("n", 7), (7, "n")]),
        (lambda x, k: np.sum(np.convolve(x, k, "same") ** 2), [("n",), (3,)]),
    ],
)
def test_conditions_on_sizes_choose_among_kernels(function, shapes, rng):
    compiled, eager = jit.value_and_grad(function), ag.value_and_grad(function)
    for n in SIZES:
        agree(compiled, eager, arrays(rng, shapes, n))
    assert len(compiled.open) >= 1
    assert len(compiled.variants) + len(compiled.open) < len(set(SIZES))


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: np.sum(x) / len(x), "an integer of Python's"),
        (lambda x: sum([x[i] ** 2 for i in range(x.shape[0])]), "an integer of Python's"),
        (lambda x: np.sum(x * np.arange(x.shape[0])), "an integer of Python's"),
        (lambda x: np.sum(x * CLOSURE[: x.shape[0]]), "an integer of Python's"),
        (lambda x: np.sum(x) * float(x.shape[0]), "a float of Python's"),
        (lambda x: np.prod(1 + 0.01 * x), "an integer of Python's"),
    ],
)
def test_what_needs_its_length_has_a_kernel_for_each(function, why, rng):
    compiled, eager = jit.value_and_grad(function), ag.value_and_grad(function)
    for n in (5, 8, 13, 21):
        agree(compiled, eager, [rng.normal(size=n)])
    assert len(compiled.open) == 0
    assert len(compiled.variants) == 4
    assert why in compiled.explain(rng.normal(size=5))
    assert "these alone" in compiled.explain(rng.normal(size=5))
    with pytest.raises(ValueError, match=r"no kernel for every length of `x` along 0: .*" + why):
        jit.value_and_grad(function, dynamic={"x": 0})(np.ones(5))


def test_a_thousand_sizes_compile_twice(rng):
    """A bootstrap, a fit to samples of different sizes."""
    jit.clear_cache()
    fit = jit.value_and_grad(OPEN["logistic"][0])
    for n in range(50, 1050):
        fit(np.ones(5), np.ones((n, 5)), np.ones(n))
    info = jit.cache_info()
    assert info.misses + info.loaded == 2


def test_the_benchmark_of_a_bootstrap():
    assert bootstrap(jit.value_and_grad(logistic), range(50, 60))[1] == 2
    assert bootstrap(jit.value_and_grad(logistic, dynamic={}), range(50, 53))[1] == 3
    for name, (function, make) in FUNCTIONS.items():
        times = compare(function, make(30), make(31), 2)
        assert min(times) > 0, name


# ---- marked ----


def loss(w, x, y):
    return np.mean((x @ w - y) ** 2)


def test_marked_axes_compile_once(rng):
    jit.clear_cache()
    compiled, eager = jit.value_and_grad(loss, dynamic={"x": (0,), "y": 0}), ag.value_and_grad(loss)
    for n in (20, 2, 300, 21):
        agree(compiled, eager, arrays(rng, [(3,), ("n", 3), ("n",)], n))
    info = jit.cache_info()
    assert (info.misses + info.loaded, len(compiled.open), len(compiled.variants)) == (1, 1, 0)
    assert "s0, from 2 on, recorded at 20" in compiled.explain(*arrays(rng, [(3,), ("n", 3), ("n",)], 20))


def test_a_length_below_two_has_a_kernel_of_its_own(rng):
    compiled, eager = jit.compile(lambda x: np.sum(x, axis=0), dynamic={"x": 0}), lambda x: np.sum(x, axis=0)
    for n in (0, 1, 5, 0, 1):
        agree(compiled, eager, [rng.normal(size=(n, 3))])
    assert (len(compiled.open), len(compiled.variants)) == (1, 2)


def test_two_sizes(rng):
    function = lambda x, y: np.sum(x[:, None] * y[None, :]) + np.mean(x) * np.mean(y)
    compiled = jit.value_and_grad(function, dynamic={"x": 0, "y": 0})
    for n, m in ((5, 9), (9, 5), (4, 4), (100, 3)):
        agree(compiled, ag.value_and_grad(function), [rng.normal(size=n), rng.normal(size=m)])
    assert len(compiled.open) == 1


def test_lengths_that_were_equal_by_chance(rng):
    function = lambda x, y: np.sum(x) * np.sum(y)
    compiled = jit.compile(function, dynamic={"x": 0, "y": 0})
    for n, m in ((5, 5), (9, 5), (4, 4), (100, 3)):
        agree(compiled, function, [rng.normal(size=n), rng.normal(size=m)])
    assert len(compiled.open) == 2


def test_no_axis_is_open_where_none_is_to_be():
    compiled = jit.compile(lambda x: x * 2, dynamic={})
    for n in (3, 4, 5):
        compiled(np.ones(n))
    assert (len(compiled.open), len(compiled.variants)) == (0, 3)


def test_leaves_of_nested_and_keyword_arguments(rng):
    compiled = jit.compile(lambda data, *, z: np.sum(data["x"] * z) + data["b"], dynamic={"data": 0, "z": 0})
    for n in (4, 7, 9):
        x, z = rng.normal(size=n), rng.normal(size=n)
        np.testing.assert_allclose(compiled({"x": x, "b": 2.0}, z=z), x @ z + 2.0)
    assert (len(compiled.open), len(compiled.variants)) == (1, 0)


@pytest.mark.parametrize(
    ("dynamic", "error", "words"),
    [
        ({"z": 0}, ValueError, r"`dynamic` names `z`, which `loss` does not take; it takes w, x, y"),
        ({"x": (2,)}, ValueError, r"`dynamic` marks axis 2 of `x`, which has shape \(7, 3\)"),
        ({"x": ("a",)}, TypeError, r"`dynamic` needs axes, integers, for `x`, got \('a',\)"),
        ({"x": (0,)}, ValueError, r"no kernel for every length of `x` along 0: it has to be 7 \(.*test_every_size"),
    ],
)
def test_errors(dynamic, error, words):
    with pytest.raises(error, match=words):
        jit.value_and_grad(loss, dynamic=dynamic)(np.ones(3), np.ones((7, 3)), np.ones(7))


def test_a_tape_has_the_shapes_that_it_was_recorded_with():
    x = ag.tensor([1.0, 2.0])
    with ag.record() as tape:
        y = x * 2
    with pytest.raises(TypeError, match="a tape is recorded for its shapes alone"):
        jit.compile(tape, inputs=[x], outputs=[y], dynamic={"x": 0})


def test_an_error_of_the_function_is_its_own():
    compiled = jit.compile(lambda x, y: x + y)
    compiled(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="shapes"):
        compiled(np.ones(4), np.ones(5))


# ---- with all else that a call can have ----


def opened(function, *examples, **options):
    """The function, compiled and open after two examples."""
    compiled = jit.compile(function, **options)
    for given in examples:
        compiled(*given)
    assert len(compiled.open) == 1
    return compiled


def test_float32(rng):
    f = opened(lambda x: np.mean(x * x) + x / x.shape[0], (np.ones(3, np.float32),), (np.ones(4, np.float32),))
    x = rng.normal(size=9).astype(np.float32)
    out = f(x)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, np.mean(x * x) + x / 9, rtol=1e-6)
    assert len(f.open) == 1


def test_layouts(rng):
    f = opened(lambda x: np.sum(x, axis=0), (np.ones((3, 2)),), (np.ones((4, 2)),))
    x = rng.normal(size=(20, 2))
    for given in (x, x[::2], np.asfortranarray(x), x[:, ::-1], x.astype(">f8")):
        np.testing.assert_allclose(f(given), np.sum(given, axis=0))
    f = opened(lambda x: x * 2, (np.ones((3, 2)).T,), (np.ones((4, 2)).T,))
    np.testing.assert_array_equal(f(x.T), 2 * x.T)


def test_out(rng):
    f = opened(lambda x: (x * 2, np.sum(x)), (np.ones(3),), (np.ones(4),))
    x, out = rng.normal(size=6), np.empty(6)
    doubled, total = f(x, out=(out, None))
    assert doubled is out
    np.testing.assert_array_equal(out, 2 * x)
    np.testing.assert_allclose(total, np.sum(x))
    with pytest.raises(ValueError, match=r"needs an array of float64\[6\], got ndarray of float64\[5\]"):
        f(x, out=(np.empty(5), None))
    with pytest.raises(ValueError, match="shares memory"):
        f(x, out=(x, None))


def test_bind(rng):
    function = OPEN["cumsum"][0]
    f = jit.value_and_grad(function)
    for n in (3, 4):
        f(np.ones(n))
    x = rng.normal(size=12)
    call = f.bind(x)
    for _ in range(2):
        value, g = call()
        expected = ag.value_and_grad(function)(x)
        np.testing.assert_allclose(value, expected[0])
        np.testing.assert_allclose(g, expected[1])
        x += 0.5
    assert len(f.open) == 1


def test_tensors(rng):
    f = jit.compile(lambda x, w: np.mean(x**3) * np.sum(np.tanh(x * w)) / x.shape[0])
    for n in (3, 4, 7, 1, 20):
        given, found = rng.normal(size=n), []
        for function in (f, f.function):
            x, w = ag.tensor(given, requires_grad=True), ag.tensor(0.5, requires_grad=True)
            y = function(x, w)
            (y * y).backward()
            found.append((y.data, x.grad.data, w.grad.data))
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)
    assert (len(f.open), len(f.variants), f.refused) == (1, 2, [])


def test_a_captured_tensor_has_a_gradient(rng):
    w = ag.tensor(rng.normal(size=3), requires_grad=True)
    f = jit.compile(lambda x: np.mean((x @ w) ** 2))
    for n in (5, 8, 13):
        x = rng.normal(size=(n, 3))
        w.grad = None
        f(x).backward()
        np.testing.assert_allclose(w.grad.data, 2 * x.T @ (x @ w.data) / n)
    assert len(f.open) == 1


def test_a_workspace_grows(rng):
    function = OPEN["cumsum"][0]
    f = jit.value_and_grad(function)
    for n in (3, 4, 100, 5, 300, 4):
        agree(f, ag.value_and_grad(function), [rng.normal(size=n)])
    assert len(f.open) == 1


def test_a_function_without_a_gradient_and_with_captured_arrays(rng):
    CAPTURED.data[...] = rng.normal(size=5)
    f = opened(lambda i: CAPTURED[i] * 2, (np.array([1, 2]),), (np.array([1, 2, 3]),))
    CAPTURED.data[1] = 8.0
    np.testing.assert_array_equal(f(np.array([1, 0, 4, 1])), 2 * CAPTURED.data[[1, 0, 4, 1]])
    with pytest.raises(IndexError):
        f(np.array([1, 0, 4, 9]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(x) / x.data.nbytes,
        lambda x: np.sum(x) * x.data.T.shape[0],
        lambda x: np.sum(x) * len(x.detach().tolist()),
        lambda x: np.sum(x[x > 0]),
    ],
)
def test_who_sees_the_array_sees_its_length(function, rng):
    compiled = jit.compile(function)
    for n in (5, 8, 13):
        x = rng.normal(size=n)
        np.testing.assert_allclose(compiled(x), function(ag.tensor(x)).data)
    assert len(compiled.open) == 0


def test_branches_on_values_and_sizes_together(rng):
    def function(x):
        return (np.sum(x) if x[0] > 0 else np.mean(x)) * (2.0 if x.shape[0] > 10 else 3.0)

    f, eager = jit.value_and_grad(function), ag.value_and_grad(function)
    for n in (3, 4, 20, 5, 30, 9):
        for sign in (1, -1, 1):
            agree(f, eager, [sign * np.abs(rng.normal(size=n))])
    # The first size alone, then each decision.
    assert sum(map(len, f.variants.values())) + len(f.open) <= 6


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", ["elementwise", "sum", "mean of columns", "logistic", "network"])
def test_tasks_of_open_rows(name, threads, rng, monkeypatch):
    monkeypatch.setattr(blocks, "WORTH", 1)
    function, shapes = OPEN[name]
    if name == "elementwise":
        compiled, closed, eager = jit.compile(function, threads=threads), jit.compile(function, dynamic={}), function
    else:
        compiled, eager = jit.value_and_grad(function, threads=threads), ag.value_and_grad(function)
        closed = jit.value_and_grad(function, dynamic={})
    for n in (70, 101, 64, 65, 1000, 1024, 1025, 5000):
        given = arrays(rng, shapes, n)
        agree(compiled, eager, given)
        agree(compiled, closed, given)
    assert len(compiled.open) == 1
    assert "tasks over s0 rows" in compiled.explain(*given)


def test_many_rows_at_first_and_none_later(rng):
    """The tasks of rows that are two fewer than the elements: how many there are is no number where there are none."""
    function = lambda x: np.sum((x[1:] - x[:-1]) ** 2)
    compiled, eager = jit.value_and_grad(function), ag.value_and_grad(function)
    for n in (600_000, 700_000, 2, 3, 4, 2):
        x = rng.normal(size=n)
        for found, expected in zip(compiled(x), eager(x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert len(compiled.open) >= 1
    assert "tasks over s0" in compiled.explain(rng.normal(size=700_000))


def test_quotients_of_either_sign(rng):
    def f(x):
        n = x.shape[0]
        return np.sum(x) * (2 * n // (n - 5)) + n // -2 + n % -3

    compiled = jit.compile(f)
    for n in (100, 120, 50, 7, 3, 4, 2, 6):
        x = rng.normal(size=n)
        np.testing.assert_allclose(compiled(x), f(x), rtol=1e-10)
    # One for more than five, one for fewer.
    assert len(compiled.open) == 2
    with pytest.raises(ZeroDivisionError):
        compiled(rng.normal(size=5))


def test_the_disk_has_kernels_for_every_size(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path))
    function = OPEN["cumsum"][0]
    for again in (False, True):
        jit.clear_cache()
        f = jit.value_and_grad(function, dynamic={"x": 0})
        for n in (5, 40):
            agree(f, ag.value_and_grad(function), [rng.normal(size=n)])
        info = jit.cache_info()
        assert (info.misses, info.loaded) == ((0, 1) if again else (1, 0))


def test_pickles():
    f = opened(scaled, (np.ones(3),), (np.ones(4),))
    again = pickle.loads(pickle.dumps(f))
    for n in (4, 7, 12):
        np.testing.assert_array_equal(again(np.ones(n)), np.full(n, 2.0 / n))
    assert (len(again.open), len(again.variants)) == (1, 1)


def forty_steps(x):
    y = x
    for _ in range(40):
        y = np.tanh(y) * 0.9 + 0.1 * x
    return y


def scaled(x):
    return x * 2 / x.shape[0]


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x: ag.scan(lambda c, y: (0.5 * c + y, c * y), 0.0, x)[0], [("n",)]),
        (lambda x: np.sum(ag.scan(lambda c, y: (np.tanh(c + y), c), 0.3, x, reverse=True)[1]), [("n",)]),
        (lambda x: ag.scan(lambda c, y: (0.5 * c + y / x.shape[0], None), 0.0, x)[0], [("n",)]),
        (lambda x: np.sum(ag.map(lambda y: np.sin(y) * y, x)), [("n",)]),
        (lambda w, x: np.sum(ag.scan(lambda c, y: (np.tanh(w @ c + y), c), x[0], x)[1] ** 2), [(4, 4), ("n", 4)]),
        (lambda x: np.sum(ag.scan(lambda c, _: (np.tanh(c) + np.mean(c), None), x, length=7)[0]), [("n",)]),
        (lambda x: np.sum(forty_steps(x)), [("n",)]),
    ],
)
def test_loops_over_an_open_axis_and_on_open_arrays(function, shapes, rng):
    compiled, eager = jit.value_and_grad(function), ag.value_and_grad(function)
    # From 64 steps on independent ones are done by blocks.
    for n in (6, 9, 4, 1, 50, 63, 7):
        agree(compiled, eager, arrays(rng, shapes, n))
    assert len(compiled.open) == 1
    assert len(compiled.variants) <= 2


def test_kernels_of_one_size_know_of_no_lengths():
    f = jit.value_and_grad(OPEN["logistic"][0])
    code = f.llvm(np.ones(5), np.ones((9, 5)), np.ones(9))
    assert "length." not in code
    assert "s0" not in str(f.graph(np.ones(5), np.ones((9, 5)), np.ones(9)))


def test_derivatives(rng):
    hessian = jit.hessian(lambda x: np.mean(x**3))
    product = jit.hvp(lambda x: np.mean(x**3))
    for n in (3, 4, 6):
        x = rng.normal(size=n)
        np.testing.assert_allclose(hessian(x), np.diag(6 * x) / n)
        np.testing.assert_allclose(product(x, np.ones(n)), 6 * x / n)


# ---- random programs ----


def a_program(rng):
    """A random function of a vector and a matrix of n rows, and of a vector of 4."""
    steps = [
        (int(rng.integers(20)), int(rng.integers(100)), int(rng.integers(100))) for _ in range(int(rng.integers(3, 9)))
    ]

    def function(x, y, w):
        values = [x, y, w]
        for kind, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values += made(kind, a, b)
        return sum([np.sum(np.tanh(v)) * (k + 1) for k, v in enumerate(values)])

    return function


def made(kind, a, b):
    if kind < 6:
        return [(np.tanh, np.sin, lambda v: v * v, np.exp, np.abs, lambda v: v - 0.5)[kind](np.tanh(a))]
    if kind < 9:
        if a.shape == b.shape or not a.shape or not b.shape or (len(a.shape) == 2 and b.shape == a.shape[1:]):
            return [(a + b, a * b, a - 2 * b)[kind - 6]]
        return []
    if not a.shape:
        return [a * 2.0]
    if kind < 12:
        return [(np.mean(a, axis=0), np.max(a, axis=0), np.sum(a, axis=-1, keepdims=True))[kind - 9]]
    if kind == 12:
        return [a[::-1]]
    if kind == 13:
        return [np.concatenate([a, a * 2])]
    if kind == 14:
        return [a.reshape(-1)]
    if kind == 15:
        return [a / a.shape[0]]
    if kind == 16:
        return [a.T]
    if kind == 17:
        return [a.T @ a]
    if kind == 18:
        return [np.cumsum(a, axis=0)]
    return [np.stack([a, a + 1])]


@pytest.mark.parametrize("seed", range(25))
def test_random_programs(seed):
    rng = np.random.default_rng(seed)
    function = a_program(rng)
    compiled = jit.value_and_grad(function, argnums=(0, 1, 2))
    eager = ag.value_and_grad(function, argnums=(0, 1, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in (7, 9, 5, 31, 16):
            given = [rng.normal(size=n), rng.normal(size=(n, 4)), rng.normal(size=4)]
            value, gradients = compiled(*given)
            expected, slopes = eager(*given)
            np.testing.assert_allclose(value, expected, rtol=1e-9)
            for g, slope in zip(gradients, slopes, strict=True):
                np.testing.assert_allclose(g, slope, rtol=1e-8, atol=1e-9)
    assert len(compiled.open) >= 1
