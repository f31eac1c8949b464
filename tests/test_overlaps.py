"""Sums of arrays that overlap: which are taken apart, how many passes they take, and that they are the same numbers."""

import numpy as np
import pytest

from autograd import ops
from jit.graph import Graph
from jit.passes import overlaps
from jit.passes.overlaps import LEAST
from tests.graphs import check, graph_after, graph_before, loops, program_of, with_gradient
from tests.test_fuse import stores, work

N = LEAST + 5
X = np.random.default_rng(1).normal(size=N)
MATRIX = np.random.default_rng(2).normal(size=(72, 80))


def total(x):
    return ops.sum(x, axis=tuple(range(len(x.shape))), keepdims=False)


def part(x, start, size, axis=0):
    return ops.slice_(x, index=tuple([(start, size, 1) if i == axis else (0, n, 1) for i, n in enumerate(x.shape)]))


def whole(x, start, n, axis=0):
    """`x` between zeros, from `start` on, on an axis of that length."""
    shape = tuple([n if i == axis else m for i, m in enumerate(x.shape)])
    index = tuple([(start if i == axis else 0, m, 1) for i, m in enumerate(x.shape)])
    return ops.unslice(x, index=index, shape=shape)


def difference(x, axis=0):
    n = x.shape[axis] - 1
    return part(x, 1, n, axis) - part(x, 0, n, axis)


def valley(x):
    """Rosenbrock's."""
    n = x.shape[0] - 1
    before, after = part(x, 0, n), part(x, 1, n)
    return total(100.0 * ops.square(after - ops.square(before)) + ops.square(1.0 - before))


def roughness(x, axis=0):
    return total(ops.square(difference(x, axis)))


def bending(x):
    return total(ops.square(difference(difference(x))))


def names(graph: Graph) -> list[str]:
    return [str(equation.primitive) for equation in graph.equations]


@pytest.mark.parametrize("f", [valley, roughness], ids=lambda f: f.__name__)
def test_a_function_of_neighbours_and_its_gradient_are_one_pass(f):
    program = program_of(with_gradient(f), X)
    (nest,) = loops(program)
    assert stores(nest) == ["output"]
    assert not work(program)
    check(with_gradient(f), X, rtol=1e-10)


def test_differences_of_differences():
    check(with_gradient(bending), X, rtol=1e-10)


@pytest.mark.parametrize("axis", [0, 1])
def test_either_axis_of_a_matrix(axis):
    f = with_gradient(lambda x: roughness(x, axis))
    assert "unslice" in names(graph_before(f, MATRIX))
    assert "unslice" not in names(graph_after(f, MATRIX))
    check(f, MATRIX, rtol=1e-10)


def test_what_lies_inside_on_the_other_axis_stays_there():
    f = with_gradient(lambda x: roughness(part(x, 3, 60), 1))
    assert names(graph_after(f, MATRIX)).count("unslice") == 1
    check(f, MATRIX, rtol=1e-10)


def test_parts_that_leave_a_gap():
    def f(x):
        y = 2.0 * part(x, 10, N - 40)
        return whole(part(y, 0, N - 60), 10, N) + whole(part(y, 5, N - 60), 15, N) + whole(part(y, 1, 5), N - 9, N)

    assert names(graph_after(f, X))[-1] == "concatenate"
    check(f, X)


UNCHANGED = {
    "costly": lambda x: total(ops.square(difference(ops.exp(x)))) + total(ops.exp(difference(x))),
    "apart": lambda x: total(part(x, 0, 50) * 2.0) + total(part(x, 100, 50) * 3.0),
    "on two axes": lambda x: total(ops.square(part(part(x, 0, 70), 2, 70, 1) - part(part(x, 2, 70), 0, 70, 1))),
    "with steps": lambda x: total(ops.square(x[::2] * 2.0)) + total(ops.square(x[1:-1:2])),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_other_sums_are_left_alone(name):
    x = MATRIX if name == "on two axes" else X
    f = with_gradient(UNCHANGED[name])
    graph = graph_before(f, x)
    assert overlaps(graph) is graph
    check(f, x, rtol=1e-10)


def test_small_arrays_are_left_alone():
    graph = graph_before(with_gradient(valley), X[:100])
    assert overlaps(graph) is graph


def test_a_part_that_is_read_elsewhere():
    def f(x):
        y = difference(x) * 3.0
        both = whole(y, 0, N) + whole(y, 1, N)
        return both, y, total(both * x), total(y)

    check(f, X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_numbers(dtype):
    x = X.astype(dtype)
    x[[3, 700, 701, N - 1]] = np.nan, np.inf, -np.inf, np.inf
    check(with_gradient(valley), x)
    # The sign of a zero: a sum with zeros that were filled in has none.
    f = lambda x: whole(part(x, 0, N - 1), 0, N) + whole(part(x, 1, N - 1), 1, N)
    zeros = np.full(N, -0.0, dtype)
    (found,) = check(f, zeros)(zeros)[1]
    np.testing.assert_array_equal(np.signbit(found), np.signbit(f(zeros)))


def test_single_precision():
    check(with_gradient(bending), X.astype(np.float32), rtol=1e-5)


@pytest.mark.parametrize("seed", range(15))
def test_random_functions_of_neighbours(seed):
    draw = np.random.default_rng(seed)
    terms = [(int(draw.integers(4)), int(draw.integers(3)), int(draw.integers(3)), draw.normal()) for _ in range(4)]
    axis, length = int(draw.integers(2)), int(draw.integers(60, 70))

    def f(x):
        value = 0.0
        for kind, first, second, factor in terms:
            y, z = part(x, first, length, axis), part(x, second, length, axis)
            made = (y * z, ops.square(y - factor * z), ops.maximum(y, factor) * z, y * ops.exp(-ops.square(z)))[kind]
            value = value + total(factor * made)
        return value

    check(with_gradient(f), MATRIX, rtol=1e-9)
