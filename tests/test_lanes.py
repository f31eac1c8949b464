"""Loops over independent elements: in lanes, by blocks, shared among threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops
from autograd.tape import Control, Tape, onto
from autograd.tensor import constant
from autograd.tree import flatten
from jit.batching.each import recorded_each
from jit.graph import verify
from jit.loop import evaluated
from jit.passes.wide import RULES, NoLanes, widened
from jit.recording.record import graph_of
from jit.recording.scan import recorded_loop, recorded_switch, recorded_while
from tests.graphs import captured_arrays

LANES = 5
rng = np.random.default_rng(0)


@pytest.fixture
def threads() -> Iterator[None]:
    before = jit.get_num_threads()
    yield
    jit.set_num_threads(before)


def recurrence(x):
    """Steps that mix the elements of a small array, as a system of differential equations does."""

    def step(s, _):
        a, b = s[0], s[1]
        return s + 0.1 * np.stack([b * np.cos(a), -a + 0.2 * b]), None

    last, _ = ag.scan(step, x, None, length=6)
    return np.sum(last * last)


# ---- graphs in lanes ----

W = rng.normal(size=(3, 2))
TABLE = rng.normal(size=(4, 3))
ROW = rng.normal(size=3)
BODIES = {
    "elementwise": (lambda x, y: np.where(x > 0, np.exp(x) * y, ROW), (3,), ()),
    "of another rank": (lambda x, y: x * ROW + np.ones((2, 1)) * y, (3,), (3,)),
    "reductions": (lambda x, y: x.sum(0) + x.prod(1) + x.max() * x.min(0) + y, (3, 3), (3,)),
    "positions": (lambda x, y: np.argmax(x) + np.argmin(x) * y, (3,), ()),
    "cumsum": (lambda x, y: np.cumsum(x) * y, (3,), ()),
    "shapes": (lambda x, y: np.broadcast_to(x.T.reshape(6), (2, 6)) + y, (2, 3), ()),
    "parts": (lambda x, y: np.concatenate([x[::-1], y[None], ROW[1:]]), (3,), ()),
    "gradients of parts": (lambda x, y: ag.grad(lambda x: np.sum(x[1:] * x[:-1]) * y)(x), (3,), ()),
    "matrix and vector": (lambda x, y: W @ x + y, (2,), (3,)),
    "vector and matrix": (lambda x, y: x @ W + y, (3,), (2,)),
    "vectors": (lambda x, y: x @ ROW + y, (3,), ()),
    "matrices": (lambda x, y: x @ W @ y, (2, 3), (2, 2)),
    "a table": (lambda x, y: ops.gather(TABLE, (x > 0).astype(np.int64)) + y, (), ()),
    "rows": (lambda x, y: ops.gather(x, np.array([2, 0, 2])) * y, (3, 2), ()),
    "gradients of rows": (lambda x, y: ag.grad(lambda x: np.sum(x[np.array([2, 0, 2])]) * y)(x) + x, (3,), ()),
    "a loop": (lambda x, y: ag.scan(lambda s, r: (s + x * r, s[0]), x * 0 + y, TABLE), (3,), ()),
    "a loop that begins without lanes": (lambda x, y: ag.scan(lambda s, r: (s * r + y, x * r), ROW, TABLE), (3,), ()),
    "counted": (lambda x, y: ag.fori_loop(0, 3, lambda i, s: s + x[i] * y, 0.0), (3,), ()),
    "a choice": (lambda x, y: ag.cond(np.sum(ag.tensor(ROW)) > 0, lambda x: x * y, lambda x: x, x), (3,), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_graph_in_lanes_computes_for_each_lane_what_the_graph_does(name):
    f, *shapes = BODIES[name]
    lanes = [rng.normal(size=(*shape, LANES)) for shape in shapes]
    graph, captured = open_graph(f, *[x[..., 0] for x in lanes])
    wide, has = widened(graph, [False] * len(captured) + [True] * len(lanes), LANES)
    found = evaluated(verify(wide), [*captured, *lanes])
    for lane in range(LANES):
        for x, y, lies in zip(evaluated(graph, [*captured, *[x[..., lane] for x in lanes]]), found, has, strict=True):
            np.testing.assert_allclose(y[..., lane] if lies else y, x, rtol=1e-13)
            assert np.shape(y)[: np.ndim(x)] == np.shape(x)


def open_graph(f, *xs):
    """The graph of `f`, loops as they are, whose first inputs are what it captures; and what that is."""
    given = [constant(x) for x in xs]
    with onto(Tape(True, Control(recorded_loop, recorded_while, recorded_switch, recorded_each, 1))) as tape:
        outputs = [x for x in flatten(f(*given))[0] if x is not None]
    found = graph_of(tape, given, outputs)
    return found.graph._replace(inputs=(*found.graph.captures, *found.graph.inputs), captures=()), captured_arrays(
        found
    )


def test_what_no_lane_reads_is_computed_once():
    graph, captured = open_graph(lambda x: (np.exp(ag.tensor(ROW)) * 2, x * 2), np.ones(3))
    wide, has = widened(graph, [False] * len(captured) + [True], LANES)
    assert has == [False, True]
    assert [x.aval.shape for x in wide.outputs] == [(3,), (3, LANES)]


def test_the_table_of_rules_is_tested():
    used = set()
    for f, *shapes in BODIES.values():
        graph, _ = open_graph(f, *[np.ones(shape) for shape in shapes])
        used |= {equation.primitive for equation in graph.equations}
    assert set(RULES) - used == {ops.put, ops.put_at, ops.slice_at}


@pytest.mark.parametrize(
    ("f", "x", "words"),
    [
        (lambda x: np.linalg.solve(x, np.eye(2)), np.eye(2), "`solve` has no form in lanes"),
        (lambda x: ag.while_loop(lambda s: s < 1, lambda s: s + x, x), np.float64(0.3), "ends by a value"),
        (lambda x: ops.gather(x, (x > 0).astype(np.int64)), np.ones(2), "differs from lane to lane"),
        (lambda x: x @ np.ones((2, 3, 2)), np.ones(3), "stacks of matrices"),
        (lambda x: x @ x, np.ones(3, np.int64), "matrices of integers"),
    ],
)
def test_what_has_no_form_in_lanes_says_so(f, x, words):
    graph, captured = open_graph(f, x)
    with pytest.raises(NoLanes, match=words):
        widened(graph, [False] * len(captured) + [True], LANES)


# ---- loops by blocks ----


def blocks(f, *xs):
    """How often the loops of the compiled graph are run."""
    graph = jit.compile(f).graph(*xs)
    return [int(line.split()[1]) for line in str(graph).splitlines() if line.startswith("  loop")]


def close(x, y, dtype=np.float64):
    tolerance = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 3e-5, "atol": 1e-5}
    np.testing.assert_allclose(x, y, **tolerance)
    assert np.asarray(x).dtype == np.asarray(y).dtype


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("count", [64, 71])
def test_values_and_gradients_of_each_element(count, dtype):
    xs = rng.normal(size=(count, 2)).astype(dtype)

    def f(xs):
        return ag.map(lambda x: (recurrence(x), ag.grad(recurrence)(x)), xs)

    found = jit.compile(f)(xs)
    for x, y in zip(found, f(xs), strict=True):
        close(x, y, dtype)


@pytest.mark.parametrize("count", [64, 71])
def test_gradients_by_elements_and_by_what_all_of_them_read(count):
    xs, p = rng.normal(size=(count, 2)), np.array([0.9, 1.1])

    def f(p, xs):
        return np.sum(ag.map(lambda x: p[0] * recurrence(x * p) + p[1], xs) ** 2)

    value, gradients = jit.value_and_grad(f, (0, 1))(p, xs)
    expected, others = ag.value_and_grad(f, (0, 1))(p, xs)
    close(value, expected)
    for x, y in zip(gradients, others, strict=True):
        close(x, y)


def test_second_derivatives():
    xs = rng.normal(size=(64, 2))

    def f(xs):
        return np.sum(ag.map(lambda x: np.sin(x[0]) * x[1] ** 3, xs) ** 2)

    def slope(xs):
        return np.sum(ag.grad(f)(xs) ** 2)

    close(jit.grad(slope)(xs), ag.grad(slope)(xs))


def test_blocks_and_what_is_left_over():
    xs = np.ones((96 * 16 + 5, 2))
    assert blocks(lambda xs: ag.map(recurrence, xs), xs) == [16, 1]
    assert blocks(lambda xs: ag.map(recurrence, xs), xs[:64]) == [2]
    # Too few, long arrays, nothing to compute, or steps that depend on each other: as they are.
    assert blocks(lambda xs: ag.map(recurrence, xs), xs[:63]) == [63]
    assert blocks(lambda xs: ag.map(lambda x: np.cumsum(np.sin(x))[-1], xs), np.ones((64, 40))) == [64]
    assert blocks(lambda xs: ag.map(lambda x: x[::-1], xs), xs[:64]) == [64]
    assert blocks(lambda xs: ag.scan(lambda s, x: (s * x, s), 1.0, xs)[1], xs[:64, 0]) == [64]


def test_one_kernel_for_every_size():
    p = np.array([0.9, 1.1])

    def f(p, xs):
        return np.sum(ag.map(lambda x: p[0] * recurrence(x * p), xs))

    compiled, expected = jit.value_and_grad(f, (0, 1)), ag.value_and_grad(f, (0, 1))
    before = jit.cache_info().misses
    # One for the first size, and one for the others.
    for count in (300, 301, 333, 150):
        xs = rng.normal(size=(count, 2))
        (value, gradients), (right, others) = compiled(p, xs), expected(p, xs)
        close(value, right)
        for x, y in zip(gradients, others, strict=True):
            close(x, y)
        assert jit.cache_info().misses - before == 1 + (count != 300)
    # Where none is left over there is another one.
    close(compiled(p, np.ones((512, 2)))[0], f(p, np.ones((512, 2))))


def test_sums_that_go_through_all_steps():
    xs = rng.normal(size=(70, 3))

    def f(xs):
        return ag.scan(lambda s, x: (s + np.sum(np.exp(x) * x), x * 2), 0.5, xs)

    assert blocks(f, xs) == [2, 1]
    for x, y in zip(jit.compile(f)(xs), f(xs), strict=True):
        close(x, y)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ag.while_loop(lambda s: s[0] < 3, lambda s: s + np.exp(-s * s), x)[1],
        lambda x: ag.cond(x[0] > 0, np.sin, np.cos, x),
        lambda x: np.linalg.solve(np.array([[3.0, 1.0], [1.0, 2.0]]) * (1 + x[0] ** 2), x),
        lambda x: x[(x[0] > x[1]).astype(np.int64)],
    ],
    ids=["a loop that ends by a value", "a choice by an element", "a solution", "positions that are computed"],
)
def test_what_stays_a_loop_over_elements(f):
    xs = rng.normal(size=(64, 2))
    assert blocks(lambda xs: ag.map(f, xs), xs)[0] == 64
    close(jit.compile(lambda xs: ag.map(f, xs))(xs), ag.map(f, xs))


def test_random_numbers_are_those_of_the_loop():
    def f(xs):
        generator = ag.random.default_rng(1)
        return ag.map(lambda x: x * generator.random(), xs)

    close(jit.compile(f)(np.ones(64)), f(np.ones(64)))


# ---- examples of vmap ----


def turned(axis, x):
    """A vector turned about an axis."""
    across = np.stack([
        axis[1] * x[2] - axis[2] * x[1], axis[2] * x[0] - axis[0] * x[2], axis[0] * x[1] - axis[1] * x[0],
    ])  # fmt: skip
    return x * np.cos(axis[0]) + across * np.sin(axis[0]) + axis * np.sum(axis * x)


def test_examples_with_small_arrays_are_taken_apart():
    axes, xs = rng.normal(size=(2, 70, 3))

    def total(axes, xs):
        return np.sum(jit.vmap(turned)(axes, xs) ** 2)

    assert blocks(jit.vmap(turned), axes, xs) == [2, 1]
    rows = [turned(*given) for given in zip(axes, xs, strict=True)]
    close(jit.vmap(turned)(axes, xs), np.stack(rows))
    jacobian = jit.vmap(ag.jacobian(turned))(axes, xs)
    close(jacobian[5], ag.jacobian(turned)(axes[5], xs[5]))
    for x, y in zip(jit.grad(total, (0, 1))(axes, xs), ag.grad(total, (0, 1))(axes, xs), strict=True):
        close(x, y)


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda x: np.exp(x) * x + np.sum(x), (3,)),
        (lambda x: np.tanh(np.concatenate([x[i : i + 1] for i in range(3)] * 4) @ np.ones((12, 2)))[::-1], (3,)),
        (lambda x: np.sum(np.stack([x[i] * x[1:] for i in range(9)])), (40,)),
    ],
    ids=["arithmetic", "a matrix that all share", "long arrays"],
)
def test_other_examples_are_arrays_of_all(f, shape):
    xs = rng.normal(size=(70, *shape))
    assert blocks(jit.vmap(f), xs) == []
    close(jit.vmap(f)(xs), np.stack([f(x) for x in xs]))


# ---- tasks ----


def test_results_are_the_same_for_any_number_of_threads(threads):
    xs = rng.normal(size=(5000, 2))

    def f(p, xs):
        return np.sum(ag.map(lambda x: recurrence(x * p), xs))

    compiled = jit.value_and_grad(f, (0, 1))
    assert "a task" in compiled.explain(np.ones(2), xs)
    results = []
    for n in (1, 2, 5):
        jit.set_num_threads(n)
        value, gradients = compiled(np.ones(2), xs)
        results.append((value, *[x.tobytes() for x in gradients]))
    assert len(set(results)) == 1


def test_steps_that_are_no_lanes_are_shared_too(threads):
    xs = rng.normal(size=(300, 12, 12)) + 12 * np.eye(12)

    def f(xs):
        return ag.map(lambda x: np.linalg.slogdet(x)[1], xs)

    compiled = jit.compile(f)
    assert "repeat  300 times, 19 a task" in compiled.explain(xs)
    jit.set_num_threads(3)
    close(compiled(xs), np.linalg.slogdet(xs)[1])


def test_a_failure_in_a_task_is_known(threads):
    table, at = np.arange(3.0), np.zeros(20_000, np.int64)
    at[17_000] = 3
    jit.set_num_threads(2)

    def f(table, at):
        return ag.map(lambda i: np.sum(np.exp(table[i] * ag.tensor(np.ones(50)))), at)

    compiled = jit.compile(f)
    assert "a task" in compiled.explain(table, at)
    with pytest.raises(IndexError):
        compiled(table, at)


def test_large_workspaces_are_not_multiplied():
    xs = rng.normal(size=(8, 700, 700))

    def f(xs):
        return ag.map(lambda x: np.sum((x @ x) @ x), xs)

    text = jit.compile(f).explain(xs)
    assert "repeat  8 times" in text
    (size,) = [int(line.split()[0]) for line in text.splitlines() if "of workspace" in line]
    assert size < 100 * 2**20


def test_long_steps_are_no_lanes():
    def f(x):
        for i in range(400):
            x = np.sin(x * (1 + i % 7)) + (i % 11) * x
        return x

    assert blocks(lambda xs: ag.map(f, xs), np.ones(64)) == [64]
