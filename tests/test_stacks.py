"""Sums of products that become one product: which they are, that they are the same numbers, and where factors lie."""

import numpy as np
import pytest

from autograd import ops
from jit.graph import Graph
from jit.lowering.program import Call
from jit.passes import stacks
from jit.passes.stacks import FEWEST
from tests.graphs import check, graph_after, graph_before, program_of, with_gradient

DRAW = np.random.default_rng(1)
W, V, H = DRAW.normal(size=(9, 9)) / 3, DRAW.normal(size=(9, 12)), DRAW.normal(size=9)
STEPS = 10


def total(x):
    return ops.sum(x, axis=tuple(range(len(x.shape))), keepdims=False)


def row(x):
    return ops.reshape(x, shape=(1, *x.shape))


def column(x):
    return ops.reshape(x, shape=(*x.shape, 1))


def recurrent(w, h):
    """So many steps that use the same matrix."""
    for _ in range(STEPS):
        h = ops.tanh(h @ w)
    return total(h * h)


def batched(w, x):
    for _ in range(STEPS):
        x = ops.sin(x @ w)
    return total(x * x)


def names(graph: Graph) -> list[str]:
    return [str(equation.primitive) for equation in graph.equations]


@pytest.mark.parametrize(("f", "x"), [(recurrent, H), (batched, DRAW.normal(size=(3, 9)))], ids=["vector", "batch"])
def test_the_gradient_of_a_matrix_of_all_steps_is_one_product(f, x):
    g = with_gradient(f, 2)
    # One product for each step forwards and one backwards, and that of the gradient.
    assert names(graph_after(g, W, x)).count("matmul") == 2 * STEPS + 1
    assert names(graph_after(g, W, x)).count("concatenate") == 2
    check(g, W, x, rtol=1e-10)


def test_the_steps_leave_their_rows_where_the_product_reads_them():
    program = program_of(with_gradient(recurrent, 2), W, H)
    products = [step for step in program.steps if isinstance(step, Call)]
    (last,) = [call for call in products if call.operands[0].buffer.size == 9 * STEPS == call.operands[1].buffer.size]
    states, pulls = [view.buffer for view in last.operands]
    # Each step reads the row that the one before has left there.
    assert [call.operands[0].buffer for call in products[1:STEPS]] == [states] * (STEPS - 1)
    assert [call.operands[1].buffer for call in products[STEPS : 2 * STEPS]] == [pulls] * STEPS


def outer(x, y):
    return column(x) * y


def transposed(x, y):
    return ops.transpose(x, axes=(1, 0)) @ y


PRODUCTS = {
    "columns times rows": lambda a, b: [column(a[i]) * row(b[i]) for i in range(12)],
    "rows times columns": lambda a, b: [b[i] * column(a[i]) for i in range(12)],
    "of several rows": lambda a, b: [transposed(a[i : i + 2], b[i : i + 2]) for i in range(10)],
    "of another product": lambda a, b: [outer(a[i] * total(outer(a[i], b[i])), b[i]) for i in range(12)],
}
ORDERS = {
    "from the left": lambda x: [x[0] + x[1], *x[2:]],
    "from the right": lambda x: [*x[:-2], x[-2] + x[-1]],
    "as a tree": lambda x: [*x[2:], x[0] + x[1]],
}
A, B = DRAW.normal(size=(12, 10)), DRAW.normal(size=(12, 7))


def summed(terms, order):
    while len(terms) > 1:
        terms = order(terms)
    return terms[0]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_sums_of_products(name, order):
    f = lambda a, b: summed(PRODUCTS[name](a, b), order)
    assert names(graph_after(f, A, B)).count("matmul") == 1
    check(f, A, B)
    check(f, A.astype(np.float32), B.astype(np.float32), rtol=1e-5)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_what_is_no_product_is_added_to_it(order):
    def f(a, b):
        terms = [outer(a[i], b[i]) for i in range(FEWEST)]
        return summed([transposed(a, b), *terms, ops.exp(outer(a[0], b[1])), outer(a[2], b[3])], order)

    # The product of all rows by itself, and that of the others.
    assert names(graph_after(f, A, B)).count("matmul") == 2
    assert names(graph_after(f, A, B)).count("add") == 2
    check(f, A, B)


UNCHANGED = {
    "few": lambda a, b: summed([outer(a[i], b[i]) for i in range(FEWEST - 1)], ORDERS["from the left"]),
    "tiny": lambda a, b: summed([outer(a[i][:4], b[i]) for i in range(12)], ORDERS["from the left"]),
    "of rows": lambda a, b: summed([row(b[i]) * b for i in range(12)], ORDERS["from the left"]),
    "of many rows": lambda a, b: summed([transposed(a * i, b) for i in range(12)], ORDERS["from the left"]),
    "of two dtypes": lambda a, b: summed([outer(a[i], b[i] > 0) for i in range(12)], ORDERS["from the left"]),
}


@pytest.mark.parametrize("f", UNCHANGED.values(), ids=UNCHANGED)
def test_other_sums_are_left_alone(f):
    graph = graph_before(f, A, B)
    assert stacks(graph) is graph
    check(f, A, B)


def test_a_term_that_is_read_elsewhere_stays():
    def f(a, b):
        terms = [outer(a[i], b[i]) for i in range(12)]
        return summed(terms, ORDERS["from the left"]), total(ops.exp(terms[3]))

    check(f, A, B)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_numbers(value):
    a = A.copy()
    a[4, 3] = value
    for f in PRODUCTS.values():
        check(lambda a, b, f=f: summed(f(a, b), ORDERS["from the left"]), a, B)


# ---- parts where they are put together ----


def test_a_stack_of_what_steps_leave():
    def f(w, h):
        states = [h]
        for _ in range(5):
            states.append(ops.tanh(states[-1] @ w))
        return ops.concatenate(*map(row, states), axis=0), total(states[-1])

    program = program_of(f, W, H)
    buffers = [step.operands[0].buffer.kind for step in program.steps if isinstance(step, Call)]
    assert buffers == ["input"] + ["output"] * 4
    check(f, W, H)


def test_sums_and_products_that_are_stacked():
    x, weights = DRAW.normal(size=(20_000, 5)), DRAW.normal(size=20_000)

    def f(x, weights):
        sums = ops.sum(x, axis=(0,), keepdims=False), ops.max(ops.exp(x), axis=(0,), keepdims=False)
        products = weights @ x, ops.transpose(x, axes=(1, 0)) @ ops.sin(weights)
        places = (
            ops.unslice(x[0, :2], index=((0, 2, 3),), shape=(5,)),
            x[1] * 2.0,
            ops.cumsum(x[2], axis=0, reverse=False),
        )
        scattered = ops.unslice(x[3, 1:], index=((1, 4, 1),), shape=(5,)) + ops.unslice(
            x[4], index=((0, 5, 1),), shape=(5,)
        )
        return ops.concatenate(*map(row, (*sums, *products, *places, scattered)), axis=0)

    check(f, x, weights, rtol=1e-10)


@pytest.mark.parametrize("axis", [0, 1])
def test_parts_that_are_read_elsewhere_and_repeated(axis):
    def f(x):
        y, z = ops.exp(x), ops.sin(x) @ x
        both = ops.concatenate(y, z, y, axis=axis)
        return both, y, y @ z, ops.concatenate(z, ops.transpose(y, axes=(1, 0)), axis=axis) * 2.0, both @ both.T

    check(f, W)


@pytest.mark.parametrize("seed", range(10))
def test_random_stacks(seed):
    draw = np.random.default_rng(seed)
    plan = draw.integers(100, size=(12, 3)).tolist()

    def f(x):
        known = [x]
        for kind, i, j in plan:
            y, z = known[i % len(known)], known[j % len(known)]
            if kind % 4 == 0:
                stack = ops.concatenate(row(y), row(z), row(ops.cos(y)), axis=0)
                made = stack[i % 3] * 0.5 + ops.sum(stack, axis=(0,), keepdims=False) * 0.1
            elif kind % 4 == 1:
                made = ops.sin(y) @ z
            elif kind % 4 == 2:
                made = ops.concatenate(y[:3], ops.sin(z)[3:7], y[7:], axis=0)
            else:
                made = ops.reshape(ops.concatenate(ops.reshape(y, shape=(81,)), z[0], axis=0)[9:], shape=(9, 9))
            known = [*known[-4:], ops.sin(made)]
        return total(known[-1] + known[0])

    check(with_gradient(f), W, rtol=1e-9)
