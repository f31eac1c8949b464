"""Kernels: their code is vectorised and allocates nothing; their names, status, threads and calling convention."""

import functools
import re
import threading
import time

import numpy as np
import pytest

import autograd as ag
from autograd import ops
from autograd.primitive import Aval
from jit.graph import Graph, Var
from jit.kernels import kernel as kernels
from jit.kernels.kernel import Kernel, build, name_of, restored, saved
from jit.lowering.program import Fill, Nest
from tests.graphs import Running, check, compiled, garbage, graph_after, loops, same, with_gradient

X = np.linspace(0.5, 2.0, 1000)
MATRIX = np.linspace(-0.1, 0.2, 7000).reshape(100, 70)


def total(x, axis=None):
    return ops.sum(x, axis=tuple(range(x.ndim)) if axis is None else axis, keepdims=False)


def vectors(run: Running) -> set[str]:
    """The types of vectors of numbers in the code of a kernel."""
    return set(re.findall(r"<\d+ x (double|float|i64|i32)>", run.llvm))


def functions(run: Running) -> int:
    """The number of functions that nests have become."""
    return len(re.findall(rf"^define internal .*@{run.kernel.name}_\d+\(", run.llvm, re.MULTILINE))


# ---- the code ----

VECTORISED = {
    "product and sum": (lambda x, y: x * y + 1, (X, X), "double"),
    "exponential": (ops.exp, (X,), "double"),
    "inner product": (lambda x, y: total(x * y), (X, X), "double"),
    "column sums": (lambda x: total(x, (0,)), (MATRIX,), "double"),
    "row sums": (lambda x: total(x, (1,)), (MATRIX,), "double"),
    "maximum": (lambda x: ops.max(x, axis=(0,), keepdims=False), (X,), "double"),
    "single precision": (lambda x: ops.tanh(x) * 2, (X.astype(np.float32),), "float"),
    "single precision sum": (total, (X.astype(np.float32),), "double"),
    "integer sum": (lambda i: total(i * 3), (np.arange(1000),), "i64"),
    "where": (lambda x, y: ops.where(x > y, x, 0.0), (X, X[::-1].copy()), "double"),
    "rows and columns": (lambda x, v: ops.exp(x * v + x[:, :1]), (MATRIX, X[:70]), "double"),
    "gradient": (with_gradient(lambda x: total(ops.log1p(ops.exp(x)) * ops.sin(x))), (X,), "double"),
    "power": (lambda x: x**1.3, (X,), "double"),
    "joined": (lambda x, y: ops.concatenate(x * 2, y * 3, axis=0), (X, X), "double"),
    "padded": (lambda x: ops.unslice(ops.sin(x), shape=(1002,), index=((1, 1000, 1),)), (X,), "double"),
    "gathered": (lambda x, i: ops.exp(ops.gather(x, i)), (X, np.arange(500)), "double"),
}


@pytest.mark.parametrize(("f", "inputs", "kind"), VECTORISED.values(), ids=VECTORISED)
def test_loops_are_vectorised_and_allocate_nothing(f, inputs, kind):
    run = check(f, *inputs, rtol=1e-10)
    assert kind in vectors(run)
    assert not re.search(r"NRT_(Allocate|MemInfo_alloc)|@malloc|@calloc|PyObject_Malloc", run.llvm)


def test_what_is_not_a_loop_has_no_vectors():
    assert not vectors(compiled(lambda x: ops.sin(x) * x + 1, 2.0))


def black_scholes(price, strike, time):
    root = 0.2 * ops.sqrt(time)
    d1 = (ops.log(price / strike) + 0.07 * time) / root
    normal = lambda x: 0.5 * (1 + ops.erf(x / np.sqrt(2)))
    return price * normal(d1) - strike * ops.exp(-0.05 * time) * normal(d1 - root)


def test_a_long_chain_and_its_gradients_are_one_loop_without_memory():
    inputs = [X + 0.1 * i for i in range(3)]
    run = check(with_gradient(lambda *xs: total(black_scholes(*xs)), 3), *inputs, rtol=1e-9)
    (nest,) = run.kernel.program.steps
    assert isinstance(nest, Nest)
    assert run.kernel.workspace == 0
    assert functions(run) == 1
    assert "alloca [" not in run.llvm
    assert "double" in vectors(run)


def test_iterations_of_an_unrolled_loop_share_a_function():
    def heat(u):
        for _ in range(12):
            u = ops.unslice(u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2]), shape=u.shape, index=((1, 998, 1),))
        return u

    run = check(heat, X)
    assert len(loops(run.kernel.program)) == 12
    # The first reads the input and the last writes the output: the same code on other memory.
    assert functions(run) == 1
    run = check(with_gradient(lambda u: total(heat(u) ** 2)), X)
    assert functions(run) < 8 < len(loops(run.kernel.program))


def test_nests_that_differ_do_not_share():
    f = lambda x, y: (ops.sin(x[:500]) * 2, ops.sin(y[1:701]) * 2, ops.sin(x[::2][:400]) * 2, ops.sin(x[:300]) * 3)
    assert functions(check(f, X, X)) == 4
    same_code = lambda x, y: (total(x[:500]), total(y[300:800]), total(x[100:600] * 2))
    assert functions(check(same_code, X, X)) <= 2


# ---- names ----


def test_a_name_is_the_content():
    f, g = (lambda x: x * 2 + 1), (lambda y: 1 + (y + 0) * 2)
    assert name_of(graph_after(f, X)) == name_of(graph_after(f, X[::-1].copy()))
    assert name_of(graph_after(f, X)) != name_of(graph_after(g, X))
    assert name_of(graph_after(f, X)) != name_of(graph_after(f, X[1:]))
    assert re.fullmatch(r"k_[0-9a-f]{32}", name_of(graph_after(f, X)))


def test_a_kernel_goes_by_its_name():
    run = compiled(lambda x: x * 2, X)
    assert run.kernel.name == name_of(run.graph)
    assert run.kernel.function.__name__ == run.kernel.name
    assert run.kernel.name in run.llvm


def test_a_name_depends_on_the_machine_and_on_what_compiles(monkeypatch):
    graph = graph_after(lambda x: x * 2, X)
    before = name_of(graph)
    names = [before]
    changes = [
        (kernels, "_SOURCES", "of another version"), (kernels.numba, "__version__", "0.1"),
        (kernels.llvmlite, "__version__", "0.1"), (kernels.np, "__version__", "0.1"),
        (kernels, "EXTENSION_SUFFIXES", [".cpython-399.so"]), (kernels.llvm, "get_process_triple", lambda: "vax"),
        (kernels.llvm, "get_host_cpu_name", lambda: "780"), (kernels.config, "CPU_FEATURES", "+none"),
        (kernels.codegen, "get_host_cpu_features", lambda: "-all"), (kernels.config, "OPT", "0"),
    ]  # fmt: skip
    for where, what, other in changes:
        with monkeypatch.context() as changed:
            changed.setattr(where, what, other)
            kernels._circumstances.cache_clear()
            names.append(name_of(graph))
    kernels._circumstances.cache_clear()
    assert len(set(names)) == len(changes) + 1
    assert name_of(graph) == before


def test_the_sources_are_those_of_the_package(tmp_path, monkeypatch):
    found = [kernels._sources()]
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernel.py"))
    (tmp_path / "emit").mkdir()
    for text in ("x = 1", "x = 2"):
        (tmp_path / "emit" / "scalar.py").write_text(text)
        found.append(kernels._sources())
    (tmp_path / "emit" / "scalar.py").rename(tmp_path / "emit" / "other.py")
    found.append(kernels._sources())
    assert len(set(found)) == 4


def test_kernels_of_one_graph_live_side_by_side():
    f = lambda x: total(ops.exp(x))
    first, second = compiled(f, X), compiled(f, X)
    assert first.kernel.entry is not second.kernel.entry
    assert first(X) == second(X)
    del first
    assert second(X)[0] == 0


# ---- calling ----


def test_arrays_of_another_shape_are_refused():
    run = compiled(lambda x, y: x * y, X, X)
    out = np.zeros(1000)
    assert run.kernel.entry(X, X, out) == (0,)
    for arguments in ((X[1:], X, out), (X, X[1:], out), (X, X, out[1:]), (X[:0], X, out)):
        before = out.copy()
        with pytest.raises(TypeError, match=r"takes a contiguous float64\[1000\]"):
            run.kernel.entry(*arguments)
        np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize("wrong", [X.astype(np.float32), X.reshape(10, 100), X[::2], np.arange(1000), 1.0])
def test_other_dtypes_ranks_and_layouts_are_refused(wrong):
    kernel = compiled(lambda x: x * 2, X).kernel
    with pytest.raises(TypeError, match=r"takes a contiguous float64\[1000\]"):
        kernel.entry(wrong, np.empty(1000))


@pytest.mark.parametrize("captured", [np.array(2.0), np.ones(3)], ids=str)
def test_a_captured_array_is_read_at_each_call(captured):
    f = lambda x: (x * captured, total(x) + captured)
    run = compiled(f, X[:3])
    for value in (2.0, 5.0):
        run.captured[0][...] = captured[...] = value
        for ours, expected in zip(run(X[:3])[1], f(X[:3]), strict=True):
            same(ours, expected)


def test_numbers_go_by_value():
    run = check(
        lambda x, i, flag: (x * i, i + 1, ops.where(flag, x, 0.0), ops.logical_not(flag)), 2.0, 3, np.bool_(True)
    )
    assert [x.aval.dtype.name for x in run.graph.inputs] == ["float64", "int64", "bool"]
    assert run(0.5, -4, False) == (0, [-2.0, -3, 0.0, True])


def test_no_arguments_at_all():
    assert build(Graph((), (), (), (), ()), "k_nothing").entry() == (0,)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"])
def test_arrays_and_numbers_of_each_dtype(dtype):
    x = Var(Aval((4,), np.dtype(dtype)))
    y = Var(Aval((), np.dtype(dtype)))
    run = Running(Graph((x, y), (), (), (), (x, y)))
    given = np.array([0, 1, 1, 0], dtype)
    status, (array, number) = run(given, given[1])
    assert status == 0
    same(array, given)
    same(number, given[1])


def test_a_dtype_without_arithmetic_is_an_error():
    half = lambda x: ops.astype(ops.astype(x, dtype=np.dtype(np.float16)), dtype=np.dtype(np.float64))
    with pytest.raises(NotImplementedError, match="compute with float64, float32, integers and booleans, got float16"):
        build(graph_after(half, X), "k_half")


# ---- memory and threads ----


def two_products(x):
    return total(ops.tanh(x.T @ x) @ x.T)


def stacked_products(x):
    # BLAS computes those of stacks, whatever the processor.
    return total(ops.tanh(x @ x) @ ops.transpose(x, axes=(0, 2, 1)))


def test_a_small_workspace_is_on_the_stack_and_a_large_one_is_given():
    small, large = compiled(two_products, np.ones((8, 8))), compiled(two_products, MATRIX)
    assert small.kernel.workspace == 0
    assert large.kernel.workspace >= 70 * 70 * 8
    assert len(large.kernel.function.signatures[0]) == 2
    check(two_products, MATRIX, rtol=1e-9)


def test_nothing_is_read_before_it_is_written():
    # The harness fills results and workspace with NaN; a sum over them would show it.
    f = with_gradient(lambda x: total(ops.tanh(x[::2] @ x[1::2].T)) + total(ops.cumsum(x, axis=0, reverse=False)))
    run = check(f, MATRIX, rtol=1e-8)
    assert np.isnan(garbage((3,), np.dtype(np.float64))).all()
    assert any(isinstance(step, Fill) for step in run.kernel.program.steps)


def test_the_lock_of_python_is_released():
    run = compiled(lambda x: total(ops.sin(x) * ops.cos(x)), np.ones(4_000_000))
    assert "PyEval_SaveThread" in run.llvm
    x, counted, ended = np.ones(4_000_000), [0], threading.Event()
    worker = threading.Thread(target=lambda: ([run.kernel.entry(x) for _ in range(10)], ended.set()))
    worker.start()
    while not ended.is_set():
        counted[0] += 1
        time.sleep(0)
    worker.join()
    assert counted[0] > 10


def test_a_brief_kernel_keeps_the_lock():
    assert "PyEval_SaveThread" not in compiled(lambda x: 5 * x**3 + 2 * x**2, 2.0).llvm
    assert "PyEval_SaveThread" not in compiled(lambda x: total(x * x), np.ones(10)).llvm
    assert "PyEval_SaveThread" in compiled(lambda x: x @ x, np.ones((30, 30))).llvm


def test_threads_get_their_own_results():
    run = compiled(two_products, MATRIX)
    inputs = [MATRIX * k for k in range(1, 5)]
    expected = [run(x) for x in inputs]
    found: list = [None] * len(inputs)

    def work(i):
        found[i] = [run(inputs[i]) for _ in range(20)]

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [[result] * 20 for result in expected]


# ---- from machine code ----


def again(run: Running) -> Kernel:
    """The kernel, made of its machine code."""
    return restored(run.graph, run.kernel.name, saved(run.kernel))


RESTORED = {
    "numbers": (lambda x, i: (x * i, i + 1), (2.0, 3)),
    "arrays": (with_gradient(lambda x: total(ops.tanh(x) * ops.sin(x))), (X,)),
    "nothing": (lambda: (np.array(2.0) * ag.tensor(3.0),), ()),
    "products by tiles, and a workspace": (two_products, (MATRIX,)),
    "products by BLAS": (stacked_products, (np.stack([MATRIX[:70, :70]] * 2),)),
    "functions of C": (lambda x: (ops.sin(x), ops.exp(x), x**0.3, ops.erf(x), ops.log1p(x)), (1.25,)),
    "an index": (lambda x, i: ops.gather(x, i), (X, np.array([3, 999]))),
    "single precision": (lambda x: ops.exp(x) * 2, (X.astype(np.float32),)),
    "a long program": (lambda x: functools.reduce(lambda y, _: ops.sin(y) * 1.5 + x, range(800), x), (0.3,)),
}


@pytest.mark.parametrize(("f", "inputs"), RESTORED.values(), ids=RESTORED)
def test_machine_code_makes_the_same_kernel(f, inputs):
    run = compiled(f, *inputs)
    expected = run(*inputs)
    run.kernel = again(run)
    found = run(*inputs)
    assert found[0] == expected[0] == 0
    for ours, theirs in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_restored_kernel_checks_its_arrays():
    kernel = again(compiled(lambda x: x * 2, X))
    out = np.empty(1000)
    for wrong in (X[::2], X[1:], X.astype(np.float32), "x", None, [1.0]):
        with pytest.raises(TypeError, match=r"takes a contiguous float64\[1000\]"):
            kernel.entry(wrong, out)
    with pytest.raises(TypeError, match="expected 2 arguments, got 1"):
        kernel.entry(out)
    assert kernel.entry(X, out) == (0,)


def test_a_restored_kernel_is_compiled_when_its_code_is_looked_at():
    run = compiled(lambda x: x * 2, X)
    kernel = again(run)
    assert kernel.made is None
    assert (kernel.name, kernel.workspace) == (run.kernel.name, run.kernel.workspace)
    assert len(kernel.program.steps) == len(run.kernel.program.steps)
    assert "fmul" in kernel.llvm or "fadd" in kernel.llvm
    assert kernel.function is kernel.function
    assert kernel.name in kernel.asm


def test_restored_code_lives_as_long_as_what_calls_it():
    run = compiled(lambda x: total(x) * 2, X)
    several = [again(run) for _ in range(3)]
    entry = several[1].entry
    del several
    assert entry(X) == run.kernel.entry(X)
