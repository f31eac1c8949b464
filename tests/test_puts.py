"""Writes to parts of arrays, compiled: in place where nobody reads what was there, in a copy elsewhere."""

import numpy as np
import pytest

from autograd import ops
from jit.lowering.program import Store, views
from tests.graphs import check, loops, program_of, with_gradient

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 5))
INSIDE = ((1, 4, 1), (1, 3, 1))


def put(x, index, y):
    return ops.put(x, y, index=index)


def part(x, index):
    return ops.slice_(x, index=index)


def total(x):
    return ops.sum(x, axis=tuple(range(len(x.shape))), keepdims=False)


def moved(start, other):
    return (start, 4, 1), (other, 3, 1)


def buffers_of(f, *inputs):
    """How many arrays the program has in its workspace, and how many elements its nests store."""
    program = program_of(f, *inputs)
    work = {view.buffer.number for step in program.steps for view in views(step) if view.buffer.kind == "work"}
    stores = sum(np.prod(nest.shape) for nest in loops(program) for x in nest.entries if isinstance(x, Store))
    return len(work), stores


def neighbours(x):
    return part(x, moved(0, 1)) + part(x, moved(2, 1)) + part(x, moved(1, 0)) * part(x, moved(1, 2))


def test_a_chain_of_writes_is_in_one_array():
    def f(x, y):
        x = ops.sin(x)
        for i in range(6):
            x = put(x, (i, (0, 5, 1)), part(y, (5 - i, (0, 5, 1))) * 2)
        return total(x)

    check(with_gradient(f, 2), X, Y)
    assert buffers_of(f, X, Y) == (1, 2 * X.size)


def test_two_arrays_in_turn():
    def f(x, y):
        x, y = ops.sin(x), ops.sin(y)
        for _ in range(4):
            x = put(x, INSIDE, neighbours(y))
            y = put(y, INSIDE, neighbours(x))
        return total(x * y)

    check(with_gradient(f, 2), X, Y)
    assert buffers_of(f, X, Y) == (2, 2 * X.size + 8 * 12)


def test_neighbours_in_the_same_array_are_read_first():
    def f(x):
        x = ops.sin(x)
        for _ in range(3):
            x = put(x, INSIDE, neighbours(x))
        return total(x)

    check(with_gradient(f), X)
    # What is made of neighbours waits in an array of its own.
    assert buffers_of(f, X) == (4, X.size + 6 * 12)


def test_what_is_read_at_the_same_place_is_written_at_once():
    def f(x, y):
        x = ops.sin(x)
        x = put(x, INSIDE, part(x, INSIDE) * part(y, INSIDE))
        return total(x)

    check(with_gradient(f, 2), X, Y)
    assert buffers_of(f, X, Y) == (1, X.size + 12)


def test_an_old_value_that_is_read_later_is_kept():
    def f(x):
        old = ops.sin(x)
        new = put(old, INSIDE, part(old, moved(2, 2)))
        column = part(old, ((0, 6, 1), 1))
        newer = put(new, (0, (0, 5, 1)), part(new, (1, (0, 5, 1))))
        return total(old * newer) + total(column)

    check(with_gradient(f), X)


def test_results_and_arguments_are_not_written_over():
    def f(x, y):
        first = put(x, INSIDE, part(y, INSIDE) * 2)
        second = put(first, (5, (0, 5, 1)), part(x, (0, (0, 5, 1))))
        third = put(ops.transpose(second, axes=(1, 0)), (0, 1), total(second))
        return first, second, third, put(y, (0, 0), part(y, (1, 1)))

    check(f, X, Y)


def test_what_is_made_again_elsewhere_reads_what_was_there():
    def f(x, y):
        x = ops.sin(x)
        cheap = x + 1.0
        x = put(x, (0, (0, 5, 1)), part(y, (0, (0, 5, 1))))
        return total(cheap * total(x)) + total(ops.transpose(cheap, axes=(1, 0)) * total(y)), cheap * x

    check(f, X, Y)


def test_parts_of_a_concatenation_that_are_written_to():
    def f(x, y):
        a, b = ops.sin(x), ops.sin(y)
        both = ops.concatenate(a, b, axis=0)
        a = put(a, INSIDE, part(b, INSIDE))
        both = put(both, ((0, 6, 1), 0), part(a, ((0, 6, 1), 2)))
        return total(both * both) + total(a), both

    check(f, X, Y)


@pytest.mark.parametrize("seed", range(20))
def test_random_writes(seed):
    def f(*arrays):
        random = np.random.default_rng(seed)
        arrays, kept = [ops.sin(x) if random.random() < 0.5 else x for x in arrays], []
        for _ in range(random.integers(3, 12)):
            i, j = random.integers(len(arrays), size=2)
            rows, columns = random.integers(0, 3, size=2).tolist()
            y = part(arrays[j], moved(rows, columns))
            kind = random.integers(7)
            if kind == 0:
                kept.append(arrays[i] if j % 2 else y)
            elif kind == 1:
                arrays[i] = arrays[i] * 0.5 + arrays[j]
            elif kind == 2:
                arrays[i] = put(arrays[i], (rows, (0, 5, 1)), part(arrays[j], (columns, (0, 5, 1))))
            elif kind == 3:
                arrays[i] = put(arrays[i], (rows, columns), part(arrays[j], (columns, rows)) * total(y))
            elif kind == 4:
                arrays[i] = ops.transpose(put(ops.transpose(arrays[i], axes=(1, 0)), (1, (0, 6, 1)),
                                              part(arrays[j], ((0, 6, 1), 2)) + 1.0), axes=(1, 0))  # fmt: skip
            else:
                y = y if kind == 5 else ops.cos(y) + part(arrays[i], moved(*random.integers(0, 3, size=2).tolist()))
                arrays[i] = put(arrays[i], moved(*random.integers(0, 3, size=2).tolist()), y)
        results = [x for x in arrays if random.random() < 0.4]
        value = sum(total(ops.sin(x)) for x in (*arrays, *kept))
        return (value, *results)

    inputs = [RNG.normal(size=(6, 5)) for _ in range(3)]
    check(f, *inputs, scale=1.0)
    check(with_gradient(lambda *xs: f(*xs)[0], 3), *inputs, rtol=1e-11, scale=1.0)
