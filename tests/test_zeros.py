"""Added zeros: they go where no result can tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import ops
from jit.graph import Graph, Literal, verify
from jit.passes import dce
from jit.passes.zeros import without_zeros
from jit.recording.replay import replay
from tests.graphs import equation, graph_before, variable

ZERO, X = 0.0, np.array([-1.5, -0.0, 0.0, 2.0, np.inf, -np.inf, np.nan])


def added(graph: Graph) -> int:
    """How many zeros are added."""
    literals = [x for e in graph.equations if e.primitive is ops.add for x in e.inputs if isinstance(x, Literal)]
    return sum(x.value == 0 for x in literals)


def square_and_reciprocal(x):
    return ops.square(x) * ops.reciprocal(x)


# How many zeros are added before, and how many stay.
COUNTS = {
    "a result": (lambda x, y: x + ZERO, 1, 1),
    "a second zero": (lambda x, y: (x + ZERO) + ZERO, 2, 1),
    "on both sides": (lambda x, y: ZERO + (ZERO + x), 2, 1),
    "a sum that is never -0.0": (lambda x, y: ((x + ZERO) + y) + ZERO, 2, 1),
    "a sum that may be -0.0": (lambda x, y: (x + y) + ZERO, 1, 1),
    "each hides the other, so one stays": (lambda x, y: (x + ZERO) + (y + ZERO), 2, 1),
    "a later zero hides it": (lambda x, y: (x + ZERO) * y + ZERO, 2, 1),
    "hidden behind a product, a difference and a sign": (lambda x, y: 3.0 - -((x + ZERO) * y), 1, 1),
    "a square": (lambda x, y: ops.square(x + ZERO), 1, 0),
    "a comparison": (lambda x, y: (x + ZERO) > y, 1, 0),
    "a divisor": (lambda x, y: y / (x + ZERO) + ZERO, 2, 2),
    "an angle": (lambda x, y: ops.square(ops.arctan2(x + ZERO, y)), 1, 1),
    "-0.0, which hides nothing": (lambda x, y: (x + -ZERO) + ZERO, 2, 2),
    "booleans that become floats": (lambda x, y: ops.square((x > y) + ZERO), 1, 1),
    "read twice, once where it shows": (lambda x, y: square_and_reciprocal(x + ZERO), 1, 1),
}


@pytest.mark.parametrize(("f", "before", "after"), COUNTS.values(), ids=COUNTS)
def test_zeros_that_stay(f, before, after):
    graph = dce(graph_before(f, X, X))
    assert added(graph) == before
    found = verify(without_zeros(graph))
    assert added(found) == after
    exact(graph, found, [np.repeat(X, len(X)), np.tile(X, len(X))])


def exact(before: Graph, after: Graph, inputs):
    """The two compute the same, signs of zeros included."""
    inputs = inputs if before.inputs[0].aval.shape == inputs[0].shape else [x[: len(X)] for x in inputs]
    with np.errstate(all="ignore"):
        results = [replay(graph, inputs)[0] for graph in (before, after)]
    for ours, expected in zip(results[1], results[0], strict=True):
        np.testing.assert_array_equal(ours, expected)
        number = ~np.isnan(np.asarray(expected, float))
        np.testing.assert_array_equal(signs(ours)[number], signs(expected)[number])


def signs(x):
    return np.signbit(np.asarray(x, float))


OPS = [ops.add, ops.sub, ops.mul, ops.div, ops.neg, ops.square, ops.abs, ops.sin, ops.where, ops.exp]


@settings(max_examples=300)
@given(st.data())
def test_random_programs_to_the_last_sign(data):
    shape = (len(X) ** 2,)
    known, equations = [variable(*shape), variable(*shape)], []
    for _ in range(data.draw(st.integers(1, 12))):
        x, y, z = (data.draw(st.sampled_from(known)) for _ in range(3))
        primitive = data.draw(st.sampled_from([None, None, *OPS]))
        if primitive is None:
            made = equation(ops.add, *data.draw(st.permutations([x, Literal.of(0.0, np.float64)])))
        elif primitive is ops.where:
            condition = equation(ops.greater, x, y)
            equations.append(condition)
            made = equation(ops.where, condition.out, y, z)
        else:
            made = equation(primitive, *([x, y] if primitive in OPS[:4] else [x]))
        equations.append(made)
        known.append(made.out)
    results = tuple(data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))
    graph = verify(Graph(tuple(known[:2]), (), tuple(equations), (), results))
    exact(graph, verify(without_zeros(graph)), [np.repeat(X, len(X)), np.tile(X, len(X))])
