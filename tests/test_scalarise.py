"""Tiny arrays as scalars: the same values to the last bit, and only where it pays."""

from collections import Counter
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings

import autograd as ag
import jit
from autograd import ops
from autograd.transforms import value_and_grad
from jit.graph import Graph, Literal, verify
from jit.passes import optimise, scalarise
from jit.recording.replay import replay
from tests.cases import CASES, Case
from tests.graphs import Running, captured_arrays, graph_after, graph_before, recorded, same, with_gradient
from tests.mixtures import mixtures
from tests.programs import programs

MODULE = import_module("jit.passes.scalarise")
SPECIAL = np.array([-np.inf, -1.5, -0.0, 0.0, 2.0, np.inf, np.nan, -5e-324, 1e300])


def apart(graph: Graph, tiny: int = 48) -> Graph:
    """The graph after all passes, with every equation on arrays of up to `tiny` elements taken apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "TINY", tiny)
        patch.setattr(MODULE, "_chosen", lambda graph: {e.out for e in graph.equations if MODULE._is_tiny(e)})
        return verify(optimise(graph))


def computed(graph: Graph, values):
    """The outputs of a graph by NumPy."""
    with np.errstate(all="ignore"):
        return replay(graph, values)[0]


def as_recorded(f, *inputs, rtol=1e-15, tiny=48):
    """`f` taken apart gives what was recorded; returns its graph."""
    recording = recorded(f, *inputs)
    values = [*inputs, *captured_arrays(recording)]
    after = apart(recording.graph, tiny)
    for ours, expected in zip(computed(after, values), computed(recording.graph, values), strict=True):
        same(ours, expected, rtol)
    return after


def arithmetic_on_arrays(graph: Graph) -> Counter:
    """The ops on arrays of a graph, without those by which elements enter and leave."""
    border = {ops.slice_, ops.concatenate, ops.reshape, ops.expand}
    kept = [e for e in graph.equations if e.out.aval.shape or any(x.aval.shape for x in e.inputs)]
    return Counter([e.primitive.name for e in kept if e.primitive not in border])


# ---- each op ----


def arrays_of(case: Case, dtype):
    """The case's arrays, and the case as a function of them with its numbers filled in."""
    inputs = case.arrays(dtype)

    def f(*xs):
        rest = iter(xs)
        return case(*[next(rest) if isinstance(x, np.ndarray) else x for x in inputs])

    return f, [x for x in inputs if isinstance(x, np.ndarray)]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_values_in_all_dtypes(case):
    for dtype in case.dtypes:
        f, inputs = arrays_of(case, dtype)
        as_recorded(f, *inputs, rtol=1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("case", [case for case in CASES if case.wrt], ids=repr)
def test_gradients(case):
    f, inputs = arrays_of(case, np.float64)
    places = [i for i, x in enumerate(case.arrays()) if isinstance(x, np.ndarray)]
    argnums = tuple(places.index(i) for i in case.wrt)

    def gradients(*xs):
        return tuple(value_and_grad(lambda *xs: ag.real(ag.sum(f(*xs) * 0.5)), argnums)(*xs)[1])

    as_recorded(gradients, *inputs, rtol=1e-13)


TAKEN_APART = {
    "elementwise": (lambda x, y: x * y + ops.sin(x), [(2, 2), (2,)]),
    "where": (lambda x, y: ops.where(x > y, x, 0.0), [(3,), (3,)]),
    "clip": (lambda x: ops.clip(x, -0.5, 0.5), [(4,)]),
    "stack": (lambda x: np.stack([x[1], -x[0], x[2] * 2]), [(3,)]),
    "matrix product": (lambda x, y: x @ y.T, [(2, 3), (2, 3)]),
    "matrix and vector": (lambda x, y: (x @ y, y @ x), [(2, 2), (2,)]),
    "batch of products": (lambda x, y: x @ y, [(2, 1, 2), (2, 1)]),
    "dot": (lambda x, y: x @ y, [(3,), (3,)]),
    "sums": (lambda x: (ag.sum(x), x.sum(0), x.sum(1, keepdims=True)), [(2, 3)]),
    "other reductions": (lambda x: (np.max(x, 0), np.min(x), np.prod(x, 1)), [(2, 3)]),
    "running sums": (
        lambda x: (ops.cumsum(x, axis=0, reverse=False), ops.cumsum(x, axis=1, reverse=True)),
        [(2, 3)],
    ),
    "a pad": (lambda x: np.pad(x, 1), [(2,)]),
    "views": (lambda x: np.transpose(x[::-1, 1:]).reshape(-1) * 2, [(3, 2)]),
}


@pytest.mark.parametrize(("f", "shapes"), TAKEN_APART.values(), ids=TAKEN_APART)
def test_nothing_is_left_on_arrays(f, shapes):
    random = np.random.default_rng(0)
    inputs = [random.standard_normal(shape) for shape in shapes]
    assert not arithmetic_on_arrays(as_recorded(f, *inputs))
    gradient = with_gradient(lambda *xs: sum_of_all(f(*xs)), len(inputs))
    assert not arithmetic_on_arrays(as_recorded(gradient, *inputs, rtol=1e-14))


def sum_of_all(results):
    results = results if isinstance(results, tuple) else (results,)
    return sum([ag.sum(x * (i + 1)) for i, x in enumerate(results)])


def test_special_numbers_keep_their_signs():
    def f(x, y):
        joined = np.concatenate([x[4:], -y[:2], x[:2] * 0.0])
        return joined + y[::-1], ag.sum(x * y), np.pad(x, 1) + np.pad(y, 1), np.max(x), x - y

    for n in range(len(SPECIAL)):
        x, y = np.roll(SPECIAL, n), SPECIAL[::-1].copy()
        before = graph_before(with_gradient(lambda x, y: sum_of_all(f(x, y)), 2), x, y)
        for graph in (before, graph_before(f, x, y)):
            for ours, expected in zip(computed(apart(graph), (x, y)), computed(graph, (x, y)), strict=True):
                np.testing.assert_array_equal(ours, expected)
                number = ~np.isnan(expected)
                np.testing.assert_array_equal(np.signbit(ours)[number], np.signbit(expected)[number])


def test_zero_and_minus_zero_are_two_literals():
    f = lambda x: np.stack([x[0] * 0.0, x[0] * -0.0]) + np.stack([x[1], x[1]])
    x = np.array([1.0, -0.0])
    (out,) = computed(as_recorded(f, x), [x])
    np.testing.assert_array_equal(np.signbit(out), [False, True])


def test_what_is_one_array_again_is_not_put_together_twice():
    f = lambda x, w: (w @ (x + 1), (x + 1) @ w.T)
    after = as_recorded(f, np.arange(3.0), np.ones((40, 3)), tiny=3)
    assert [e.primitive for e in after.equations].count(ops.concatenate) == 1


def test_one_number_is_expanded():
    after = as_recorded(lambda x: np.stack([x[0] * 2] * 3), np.arange(3.0))
    assert [e.primitive for e in after.equations] == [ops.slice_, ops.mul, ops.expand]


def test_large_equations_read_and_write_elements():
    def f(x, w):
        y = np.stack([x[1] * 2, x[0], x[2]])
        z = w @ y
        return np.sum(z), y * z[:3], np.ones((40, 1)) * y

    after = as_recorded(f, np.arange(3.0), np.ones((40, 3)), tiny=3)
    assert set(arithmetic_on_arrays(after)) == {"matmul", "mul", "sum"}


# ---- which sets ----


def slope(x):
    return np.stack([10.0 * (x[1] - x[0]), x[0] * (28.0 - x[2]) - x[1], x[0] * x[1] - 2.5 * x[2]])


def orbit(x, steps=6):
    for _ in range(steps):
        x = x + 0.01 * slope(x + 0.005 * slope(x))
    return np.sum(x**2)


def test_a_set_of_many_equations_is_taken_apart():
    after = graph_after(with_gradient(orbit), np.array([1.0, 2.0, 20.0]))
    assert not arithmetic_on_arrays(after)
    # Three elements in, three out, and the zeros between the gradients of all those slices are gone.
    counts = Counter([e.primitive for e in after.equations])
    assert counts[ops.slice_] == 3
    assert counts[ops.concatenate] == 1
    zeros = [e for e in after.equations if e.primitive is ops.add and any(isinstance(x, Literal) for x in e.inputs)]
    assert len(zeros) <= 3
    assert str(optimise(after)) == str(after)


def unrolled_arithmetic(x):
    y = x
    for _ in range(60):
        y = y * x + 0.5 * (y - x)
    return np.sum(y)


def weighted(x, *weights):
    for w in weights:
        x = x[::-1] * w
    return np.sum(x)


KEPT = {
    "few equations": (lambda x: orbit(x, 1), [np.ones(3)]),
    "larger arrays": (orbit, [np.ones((3, MODULE.TINY + 1))]),
    "arithmetic alone": (unrolled_arithmetic, [np.ones(3)]),
    "many borders": (weighted, [np.ones(3)] * 41),
}


@pytest.mark.parametrize(("f", "inputs"), KEPT.values(), ids=KEPT)
def test_a_graph_that_stays_as_it_is(f, inputs):
    graph = graph_before(f, *inputs)
    for run in (p for p in import_module("jit.passes").PIPELINE if p is not scalarise):
        graph = run(graph)
    assert scalarise(graph) is graph


def test_sets_are_judged_one_by_one():
    def f(x, y):
        return orbit(x), np.sum(np.stack([y[1] * y[0], y[2]]))

    after = graph_after(f, np.ones(3), np.ones(3))
    assert set(arithmetic_on_arrays(after)) == {"sum"}


# ---- whole programs ----


@settings(max_examples=60)
@given(programs(smooth=False))
def test_random_programs(program):
    as_recorded(with_gradient(program, len(program.shapes)), *program.inputs(), rtol=1e-11)


@settings(max_examples=150)
@given(mixtures())
def test_random_mixtures_of_dtypes(mixture):
    as_recorded(mixture, *mixture.inputs, rtol=1e-5)


@settings(max_examples=15)
@given(programs(smooth=False, most_steps=6))
def test_random_programs_compiled(program):
    f, inputs = with_gradient(program, len(program.shapes)), program.inputs()
    recording = recorded(f, *inputs)
    run = Running(apart(recording.graph), captured_arrays(recording))
    status, found = run(*inputs)
    assert status == 0
    for ours, eager in zip(found, f(*inputs), strict=True):
        same(ours, eager, 1e-10, scale=1.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_orbit_compiled_to_second_order(dtype):
    f = jit.value_and_grad(lambda x: np.sum(value_and_grad(lambda x: orbit(x, 3))(x)[1] ** 2))
    for x in ([1.0, 2.0, 20.0], [0.3, -0.1, 0.2]):
        x = np.array(x, dtype)
        value, gradient = f(x)
        expected, expected_gradient = value_and_grad(
            lambda x: np.sum(value_and_grad(lambda x: orbit(x, 3))(x)[1] ** 2)
        )(x)
        rtol = 1e-12 if dtype == np.float64 else 2e-4
        same(np.asarray(value), expected, rtol)
        same(gradient, expected_gradient, rtol)


def test_captures_are_read_at_every_call_and_guards_hold():
    step, turn = np.array([0.1, 0.2, 0.3]), np.array([0, 2, 1])

    def f(x):
        for _ in range(12):
            x = np.stack([x[2], x[0], x[1]]) * 0.9 + step
            x = x + 0.1 * x[turn]
            if np.max(x) > 3.0:
                x = x / 2.0
        return np.sum(x), x

    g = jit.compile(f)
    for x in (np.ones(3), 5 * np.ones(3), np.array([-1.0, 0.0, 4.0])):
        for _ in range(2):
            step *= 1.5
            for ours, eager in zip(g(x), f(x), strict=True):
                same(np.asarray(ours), np.asarray(eager))


def test_numbers_of_no_axis_and_empty_arrays_pass_by():
    def f(x, y, empty):
        for _ in range(20):
            x = np.stack([x[1] * y, x[0] + y, x[2]]) + ag.sum(empty)
        return np.concatenate([x, empty]), x

    inputs = np.ones(3), np.asarray(0.5), np.zeros(0)
    for ours, eager in zip(jit.compile(f)(*inputs), f(*inputs), strict=True):
        same(np.asarray(ours), np.asarray(eager))
