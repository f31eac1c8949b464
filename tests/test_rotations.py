"""Arrays that are read rotated, and sums of parts that together are a whole array: fewer passes, the same numbers."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops
from jit.passes import dce, joins, rotations
from tests.graphs import check, graph_before, same, with_gradient

RNG = np.random.default_rng(11)
X = RNG.normal(size=100)
PLATE = RNG.normal(size=(12, 9))
NUMBERS = np.arange(100)


def total(x):
    return ops.sum(x, axis=tuple(range(x.ndim)), keepdims=False)


def laplacian(x):
    return sum(np.roll(x, shift, axis) for axis in range(x.ndim) for shift in (1, -1)) - 2.0 * x.ndim * x


def diffused(x, rate):
    for _ in range(12):
        x = x + rate * laplacian(x)
    return total(np.sin(x))


def concatenations(graph):
    return [equation for equation in graph.equations if equation.primitive is ops.concatenate]


@pytest.mark.parametrize("x", [X, PLATE], ids=["one axis", "two axes"])
def test_a_periodic_stencil_reads_one_array_for_each_axis(x):
    graph = graph_before(laplacian, x)
    assert len(concatenations(graph)) == 2 * x.ndim
    found = concatenations(rotations(graph))
    assert [len(equation.inputs) for equation in found] == [3] * x.ndim
    check(laplacian, x)
    check(with_gradient(lambda x: total(np.sin(laplacian(x)))), x)


def test_the_gradient_of_a_rotation_is_a_rotation():
    graph = joins(graph_before(with_gradient(lambda x: total(np.sin(laplacian(x)))), PLATE))
    # Four that are read, and as many that go back.
    assert len(concatenations(graph)) == 8
    assert not any(equation.primitive is ops.unslice for equation in dce(graph).equations)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.roll(x, 3) * np.roll(x, -4) + np.roll(x, 99),
        lambda x: np.roll(x, 50) + np.roll(x, -50) + np.roll(x, 7),
        lambda x: np.roll(np.sin(x), 1) - np.roll(np.sin(x), 2),
        lambda x: np.roll(np.roll(x, 1), 2) + np.roll(x, 3),
        lambda x: np.roll(x.reshape(10, 10), (1, -2), (0, 1)) + np.roll(x.reshape(10, 10), (-1, 2), (0, 1)),
        lambda x: (
            np.concatenate([x[90:], x[:90]]) + np.concatenate([x[20:], x[:20]]) + np.concatenate([x[:50], x[50:]])
        ),
        lambda x: np.concatenate([x[10:], x[:20]])[:100] + np.concatenate([x[20:], x[:10]])[:90].sum(),
    ],
)
def test_rotations_of_all_kinds(f):
    check(f, X)
    check(f, X.astype(np.float32), rtol=1e-5)
    check(f, NUMBERS)
    check(with_gradient(lambda x: total(np.sin(f(x)))), X, rtol=1e-10)
    gradient = lambda x: ag.grad(lambda x: total(np.sin(f(x))))(x)
    check(with_gradient(lambda x: total(gradient(x) ** 2)), X, rtol=1e-10)


@pytest.mark.parametrize("x", [X[:20], X], ids=["few elements", "a single rotation"])
def test_what_stays_as_it_is(x):
    f = (lambda x: np.roll(x, 1) + np.roll(x, -1)) if len(x) < 64 else (lambda x: np.roll(x, 1) * x)
    graph = graph_before(f, x)
    assert rotations(graph) is graph
    check(f, x)


@pytest.mark.parametrize(
    "parts",
    [
        lambda x, y: [
            ops.unslice(x[:40], index=((0, 40, 1),), shape=(100,)),
            ops.unslice(y[:60], index=((40, 60, 1),), shape=(100,)),
        ],
        lambda x, y: [
            ops.unslice(y[:60], index=((40, 60, 1),), shape=(100,)),
            x,
            ops.unslice(x[:40], index=((0, 40, 1),), shape=(100,)),
        ],
        lambda x, y: [x, *[ops.unslice(z[:50], index=((i, 50, 1),), shape=(100,)) for z in (x, y) for i in (0, 50)]],
    ],
)
def test_two_parts_of_a_sum_are_one_term(parts):
    f = lambda x, y: sum(parts(x, y)[1:], parts(x, y)[0])
    graph = joins(graph_before(f, X, X[::-1].copy()))
    assert concatenations(graph)
    check(f, X, X[::-1].copy())


@pytest.mark.parametrize(
    "bounds", [((0, 40), (41, 100)), ((0, 40), (30, 100)), ((10, 40), (40, 100)), ((0, 40), (0, 40))]
)
def test_parts_that_are_not_a_whole(bounds):
    def f(x, y):
        parts = [ops.unslice(x[a:b], index=((a, b - a, 1),), shape=(100,)) for a, b in bounds]
        return parts[0] + parts[1] + y

    graph = graph_before(f, X, X)
    assert joins(graph) is graph
    check(f, X, X)


def test_a_part_that_is_broadcast_is_no_part_of_the_sum():
    x = RNG.normal(size=(10, 10))

    def f(x):
        first = ops.unslice(x[:, :4], index=((0, 10, 1), (0, 4, 1)), shape=(10, 10))
        return x + first + ops.unslice(x[:1, 4:], index=((0, 1, 1), (4, 6, 1)), shape=(1, 10))

    graph = graph_before(f, x)
    assert joins(graph) is graph
    check(f, x)


def test_a_loop_of_periodic_steps():
    compiled = jit.value_and_grad(diffused, (0, 1))
    for factor in (1.0, 0.5):
        x, rate = factor * PLATE, np.full_like(PLATE, 0.1)
        (value, gradients), (expected, others) = compiled(x, rate), ag.value_and_grad(diffused, (0, 1))(x, rate)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        same(gradients, others, rtol=1e-10)
