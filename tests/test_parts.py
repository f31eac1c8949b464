"""Parts of arrays: what a sum of them leaves to be filled."""

import numpy as np
import pytest

from autograd import ops
from jit.graph import Equation, Literal
from jit.lowering.parts import cover, sums_of_parts
from tests.graphs import graph_before, variable

ALL = (0, 4, 1)


def unslice(*index, shape):
    size = tuple([i[1] for i in index if isinstance(i, tuple)])
    return Equation(ops.unslice, (variable(*size),), (("index", index), ("shape", shape)), variable(*shape))


@pytest.mark.parametrize(
    ("indices", "count"),
    [
        ([((1, 2, 1), (1, 2, 1))], 1),
        ([(2, ALL), (0, ALL), (4, ALL)], 3),
        ([((0, 2, 1), ALL), ((3, 2, 1), ALL), ((2, 1, 1), ALL)], 3),
        ([((0, 2, 1), ALL), ((1, 2, 1), ALL)], 1),
        ([((0, 3, 1), ALL), (4, ALL), (2, ALL)], 2),
        ([((1, 2, 1), (0, 1, 1)), ((1, 2, 1), (2, 2, 1))], 2),
        ([((1, 2, 1), (0, 1, 1)), ((0, 2, 1), (2, 2, 1))], 1),
        ([((1, 2, 1), (0, 1, 1)), ((0, 4, 2), ALL)], 1),
    ],
)
def test_stored_parts_and_the_rest_cover_each_element_once(indices, count):
    shape = (5, 4)
    parts = [unslice(*index, shape=shape) for index in indices]
    found = cover(parts, shape)
    assert found.stored == count
    seen = np.zeros(shape, int)
    for box in found.rest:
        seen[tuple([slice(*stretch) for stretch in box])] += 1
    for index in indices[:count]:
        seen[tuple([i if isinstance(i, int) else slice(i[0], i[0] + i[1]) for i in index])] += 1
    assert (seen == 1).all()


def test_steps_leave_the_whole_array_to_be_filled():
    assert cover([unslice((0, 2, 2), ALL, shape=(5, 4))], (5, 4)) == (1, None)


def test_many_gaps_leave_the_whole_array_to_be_filled():
    parts = [unslice(2 * i, shape=(40,)) for i in range(20)]
    assert cover(parts, (40,)) == (20, None)


def test_a_number_is_covered_by_its_only_part():
    assert cover([unslice(shape=())], ()) == (1, [])


def part(x, i):
    return ops.unslice(x, shape=(4, 3), index=(i, (0, 3, 1)))


X = np.arange(3.0)


def test_a_sum_of_parts_has_them_in_its_order():
    graph = graph_before(lambda x: (part(x, 0) + part(-x, 1)) + part(x * 2, 2), X)
    sums, terms = sums_of_parts(graph)
    (parts,) = sums.values()
    assert [dict(x.params)["index"][0] for x in parts] == [0, 1, 2]
    assert len(terms) == 4


def test_a_sum_on_the_right_changes_sides_but_two_sums_stay():
    graph = graph_before(lambda x: part(x, 0) + (part(-x, 1) + part(x * 2, 2)), X)
    (parts,) = sums_of_parts(graph)[0].values()
    assert [dict(x.params)["index"][0] for x in parts] == [1, 2, 0]
    graph = graph_before(lambda x: (part(x, 0) + part(x, 1)) + (part(-x, 1) + part(x * 2, 2)), X)
    assert sorted(map(len, sums_of_parts(graph)[0].values())) == [2, 2]


def test_what_something_else_reads_is_a_sum_of_its_own():
    graph = graph_before(lambda x: (lambda y: (y, y + part(x, 1)))(part(x, 0)), X)
    sums, terms = sums_of_parts(graph)
    assert sorted(map(len, sums.values())) == [1, 1]
    assert not terms
    assert not any(isinstance(x, Literal) for x in sums)
