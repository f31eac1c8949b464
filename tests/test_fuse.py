"""Fusion: how many loop nests a function becomes, what they hold, and where results lie."""

import numpy as np
import pytest
from hypothesis import given, settings

from autograd import ops
from jit.graph import Graph, Literal
from jit.lowering import steps as lowering
from jit.lowering.program import Call, Compute, Fill, Nest, Reduce, Scatter, Store, View
from tests.graphs import Running, check, equation, loops, magnitude, program_of, same, variable, with_gradient
from tests.mixtures import mixtures
from tests.programs import programs

X = np.linspace(-1.0, 1.5, 6)
MATRIX = np.linspace(-1.0, 2.0, 30).reshape(6, 5)
CUBE = np.linspace(-1.0, 1.0, 24).reshape(2, 3, 4)


def total(x, axis=None, keepdims=False):
    return ops.sum(x, axis=tuple(range(x.ndim)) if axis is None else axis, keepdims=keepdims)


def reshape(x, *shape):
    return ops.reshape(x, shape=shape)


def expand(x, *shape):
    return ops.expand(x, shape=shape)


def made(nest: Nest) -> list[str]:
    """The names of the ops that a nest holds."""
    return [str(entry.equation.primitive) for entry in nest.entries if isinstance(entry, Compute | Reduce)]


def stores(nest: Nest) -> list[str]:
    """The kinds of the buffers that a nest stores to, reductions included."""
    targets = [entry.target for entry in nest.entries if isinstance(entry, Store | Reduce | Scatter)]
    return [target.buffer.kind for target in targets if target is not None]


def work(program) -> set[int]:
    """The work buffers of a program."""
    views = [view for nest in loops(program) for entry in nest.entries for view in views_of(entry)]
    views += [step.target for step in program.steps if isinstance(step, Call | Fill)]
    return {view.buffer.number for view in views if view.buffer.kind == "work"}


def views_of(entry) -> list[View]:
    found = [x.place for x in entry.operands] + [getattr(entry, "target", None), getattr(entry, "source", None)]
    return [x for x in found if isinstance(x, View)]


# ---- elementwise chains and the reductions that end them ----


def test_a_chain_and_its_sum_are_one_nest_without_memory():
    f = lambda x, y: total(ops.exp(x * y) / (1 + y * y) - ops.sin(x))
    program = program_of(f, X, X)
    (nest,) = program.steps
    assert made(nest) == ["mul", "exp", "mul", "add", "div", "sin", "sub", "sum"]
    assert stores(nest) == []
    check(f, X, X)


def test_several_results_of_a_chain_are_stored_by_its_nest():
    f = lambda x: (x * 2, ops.sin(x * 2), total(x * 2))
    (nest,) = loops(program_of(f, X))
    assert stores(nest) == ["output", "output"]
    check(f, X)


def black_scholes(price, strike, time):
    root = 0.2 * ops.sqrt(time)
    d1 = (ops.log(price / strike) + 0.07 * time) / root
    normal = lambda x: 0.5 * (1 + ops.erf(x / np.sqrt(2)))
    return price * normal(d1) - strike * ops.exp(-0.05 * time) * normal(d1 - root)


def test_a_long_chain_has_one_nest_and_no_intermediate_array():
    inputs = [np.linspace(0.5, 2.0, 50) + 0.1 * i for i in range(3)]
    f = with_gradient(lambda *xs: total(black_scholes(*xs)), 3)
    program = program_of(f, *inputs)
    (nest,) = program.steps
    assert stores(nest) == ["output"] * 3
    assert not work(program)
    check(f, *inputs, rtol=1e-10)


def test_reductions_over_one_space_share_a_pass():
    f = lambda x: (total(x), total(x * x), ops.max(x, axis=(0, 1), keepdims=False), total(x, (0,)), total(x, (1,)))
    (nest,) = program_of(f, MATRIX).steps
    assert made(nest) == ["sum", "mul", "sum", "max", "sum", "sum"]
    assert stores(nest) == ["output", "output"]
    check(f, MATRIX)


def test_scalars_after_a_reduction_are_no_loop():
    f = lambda x: x / ops.sqrt(total(x * x) + 1)
    program = program_of(f, X)
    first, scalars, second = program.steps
    assert (made(first), made(scalars), made(second)) == (["mul", "sum"], ["add", "sqrt"], ["div"])
    assert scalars.shape == ()
    assert not work(program)
    check(f, X)


def softmax(x):
    e = ops.exp(x - ops.max(x, axis=(1,), keepdims=True))
    return e / total(e, (1,), True)


def test_softmax_of_rows():
    program = program_of(softmax, MATRIX)
    assert [made(nest) for nest in program.steps] == [["max"], ["sub", "exp", "sum"], ["div"]]
    # The maxima, the sums and the exponentials; what the last nest makes is the output.
    assert len(work(program)) == 3
    check(softmax, MATRIX)


def layer(w, b, x):
    return total(ops.tanh(x @ w + b) ** 2)


def test_a_layer_and_its_gradient():
    inputs = np.ones((5, 4)), np.ones(4), MATRIX
    f = with_gradient(layer, 3)
    program = program_of(f, *inputs)
    kinds = [type(step) for step in program.steps]
    assert kinds == [Call, Nest, Call, Call]
    (nest,) = loops(program)
    # The bias of the gradient is a column sum in the nest that makes its terms, which the products read as well.
    assert made(nest)[-1] == "sum"
    assert sorted(stores(nest)) == ["output", "work"]
    assert [step.target.buffer.kind for step in program.steps if isinstance(step, Call)] == ["work", "output", "output"]
    check(f, *inputs)


@pytest.mark.parametrize("axis", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_reduction_ends_the_chain_that_it_reduces(axis, keepdims):
    f = lambda x: total(x * x + 1, axis, keepdims)
    (nest,) = loops(program_of(f, CUBE))
    assert made(nest) == ["mul", "add", "sum"]
    assert not work(program_of(f, CUBE))
    check(f, CUBE)


def test_what_needs_a_reduction_waits_for_it():
    f = lambda x: x - total(x, (0,), True)
    assert [made(nest) for nest in program_of(f, MATRIX).steps] == [["sum"], ["sub"]]
    check(f, MATRIX)


# ---- values that several steps read ----


def test_a_value_of_two_nests_is_stored_once():
    f = lambda x: (lambda y: (y[1:] * y[:-1], y - total(y)))(ops.exp(x))
    program = program_of(f, X)
    assert [name for nest in loops(program) for name in made(nest)].count("exp") == 1
    assert stores(loops(program)[0]) == ["work"]
    assert len(work(program)) == 1
    check(f, X)


def test_a_value_of_its_own_nest_alone_is_never_stored():
    f = lambda x: ops.sin(ops.exp(x)) + ops.cos(ops.exp(x))
    (nest,) = program_of(f, X).steps
    assert stores(nest) == ["output"]


# ---- views ----

VIEWED = {
    "slices": lambda x: x[1:, :3] * x[:-1, 2:],
    "steps": lambda x: x[::2, ::-1] + 1,
    "transpose": lambda x: x.T * 2,
    "transposed slices": lambda x: x[1:4].T * x[2:5].T,
    "rows and columns": lambda x: x[0] * x[:, :1],
    "an element": lambda x: x * x[2, 3],
    "expanded": lambda x: expand(x[:, :1], 6, 5) * x,
    "reshaped": lambda x: reshape(x, 5, 6) * 2,
    "reshaped rows": lambda x: reshape(x[1:3], 10) * 2,
    "a view of a view of a view": lambda x: reshape(x[::2].T[1:4], 3, 1, 3) * 2,
    "a long axis": lambda x: expand(reshape(x, 30), 2, 30) * 3,
}


@pytest.mark.parametrize("f", VIEWED.values(), ids=VIEWED)
def test_views_of_inputs_cost_nothing(f):
    program = program_of(f, MATRIX)
    assert len(loops(program)) == 1
    assert not work(program)
    check(f, MATRIX)


def test_a_reshape_that_needs_a_copy_makes_one():
    f = lambda x: (reshape(x.T, 30) * 2, reshape(x.T, 10, 3) + 1)
    program = program_of(f, MATRIX)
    assert len(work(program)) == 1
    check(f, MATRIX)


def test_views_of_values_are_stored_once():
    f = lambda x: (lambda y: y[1:] + y[:-1] * y[:1])(ops.exp(x))
    program = program_of(f, MATRIX)
    assert [stores(nest) for nest in loops(program)] == [["work"], ["output"]]
    check(f, MATRIX)


# ---- arrays put together ----


def test_parts_are_stored_where_they_are_joined():
    f = lambda x, y: ops.concatenate(ops.sin(x), y, ops.exp(y[:2]), axis=0)
    program = program_of(f, MATRIX, MATRIX[:4])
    assert all(stores(nest) == ["output"] for nest in loops(program))
    assert not work(program)
    check(f, MATRIX, MATRIX[:4])


@pytest.mark.parametrize("index", [((11, 6, -2), (4, 5, -1)), ((0, 6, 2), (0, 5, 1))])
def test_what_steps_of_a_slice_leave_is_filled_before(index):
    f = lambda x: ops.unslice(ops.sin(x), shape=(13, 9), index=index)
    fill, nest = program_of(f, MATRIX).steps
    assert isinstance(fill, Fill)
    assert made(nest) == ["sin"]
    assert stores(nest) == ["output"]
    check(f, MATRIX)


def test_only_the_border_of_a_padded_array_is_filled():
    f = lambda x: ops.unslice(ops.sin(x), shape=(14, 9), index=((1, 6, 1), (2, 5, 1)))
    inner, *borders = program_of(f, MATRIX).steps
    assert made(inner) == ["sin"]
    assert sum(np.prod(nest.shape) * len(stores(nest)) for nest in borders) == 14 * 9 - 6 * 5
    check(f, MATRIX)


def test_a_padded_array_serves_as_the_array_itself():
    f = lambda x: (lambda y: ops.unslice(y, shape=(8, 5), index=((1, 6, 1), (0, 5, 1)))[2:] + y)(ops.sin(x))
    program = program_of(f, MATRIX)
    assert len(work(program)) == 1
    check(f, MATRIX)


def test_rows_are_put_together_without_a_sum():
    def f(x):
        rows = [ops.sin(x[i]) * x[(i + 1) % 6] for i in range(6)]
        return ops.stop_gradient(x) * sum_of(
            [ops.unslice(y, shape=(6, 5), index=(i, (0, 5, 1))) for i, y in enumerate(rows)]
        )

    program = program_of(f, MATRIX)
    assert not any(isinstance(step, Fill) for step in program.steps)
    assert [stores(nest) for nest in loops(program)] == [["work"] * 6, ["output"]]
    check(f, MATRIX)


def sum_of(xs):
    out = xs[0]
    for x in xs[1:]:
        out = out + x
    return out


def test_parts_that_overlap_are_added_in_their_order():
    def f(x):
        parts = [ops.unslice(ops.sin(x[i:]), shape=(6, 5), index=((0, 6 - i, 1), (0, 5, 1))) for i in range(3)]
        return sum_of([ops.scatter_add(x[1:3], np.array([4, 4]), shape=(6, 5)), *parts])

    check(f, MATRIX)
    check(with_gradient(lambda x: total(ops.sin(f(x)))), MATRIX)


def test_a_value_made_of_one_stored_array_is_made_again():
    def f(x):
        y = ops.cumsum(x, axis=0, reverse=False)
        z = 1 - 2 * y
        return z * total(ops.sin(z))

    program = program_of(f, X)
    first, second = loops(program)
    assert made(first) == ["mul", "sub", "sin", "sum"]
    assert made(second) == ["mul", "sub", "mul"]
    assert len(work(program)) == 1
    check(f, X)


def test_a_value_made_of_several_arrays_is_stored():
    f = lambda x, y: (lambda z: z * total(ops.sin(z)))(x + y * ops.cumsum(x, axis=0, reverse=False))
    program = program_of(f, X, X)
    assert [stores(nest) for nest in loops(program)] == [["work"], ["output"]]
    check(f, X, X)


def rosenbrock(x):
    return total(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_gradients_of_slices_add_up_in_the_memory_of_the_result():
    program = program_of(with_gradient(rosenbrock), X)
    assert [step.shape for step in program.steps] == [(5,), (), (5,)]
    assert made(program.steps[-1]) == ["add"]
    assert stores(program.steps[-1]) == ["output"]
    check(with_gradient(rosenbrock), X)


def test_a_scatter_has_a_nest_of_its_own():
    rows = np.array([0, 2, 2, 1, -1, 0])
    f = lambda x: (ops.scatter_add(ops.sin(x), rows, shape=(4, 5)), ops.sin(x) * 2)
    program = program_of(f, MATRIX)
    assert [[type(entry) for entry in nest.entries] for nest in loops(program)].count([Scatter]) == 1
    check(f, MATRIX)


# ---- outputs ----


def test_a_reshaped_output_is_written_in_place():
    f = lambda x: (reshape(x * 2, 30), reshape(ops.exp(x), 2, 3, 5))
    program = program_of(f, MATRIX)
    (nest,) = program.steps
    assert stores(nest) == ["output", "output"]
    check(f, MATRIX)


def test_a_product_is_written_where_it_is_returned():
    f = lambda x: reshape(x @ x.T, 36)
    (call,) = program_of(f, MATRIX).steps
    assert call.target.buffer.kind == "output"
    check(f, MATRIX)


def test_a_reduction_is_written_where_it_is_returned():
    f = lambda x: reshape(total(x, (0,)), 5, 1)
    (nest,) = program_of(f, MATRIX).steps
    assert stores(nest) == ["output"]
    check(f, MATRIX)


def twice(x):
    y = ops.sin(x)
    return y, y, reshape(y, 30), y.T, y[1:], y * 2


OUTPUTS = {
    "an input": lambda x: (x, x),
    "views of an input": lambda x: (x.T, x[::-1], x[0], x[1:3, ::2], reshape(x, 30), x[2, 3], x),
    "one value in several forms": twice,
    "a reshaped value before the value": lambda x: (lambda y: (reshape(y, 30), y, total(y)))(x * 2),
    "expanded": lambda x: (
        expand(x[0], 3, 5),
        expand(x[1, 1], 4),
        expand(total(x), 2, 2),
        expand(total(x, (1,)), 2, 6),
    ),
    "single elements": lambda x: (
        x[:1, :1],
        x[0, 0],
        reshape(x[0, 0], 1, 1, 1),
        total(x, (0, 1), True),
        reshape(total(x), 1),
    ),
    "a joined value and its parts": lambda x: (lambda y: (ops.concatenate(y, x, axis=1), y))(ops.exp(x)),
    "empty": lambda x: (
        x[:0],
        x[:0] * 2,
        total(x[:0], (0,)),
        total(x[:0]),
        x[:0].T @ x[:0],
        ops.prod(x[:0], axis=(0,), keepdims=True),
    ),
    "padded from nothing": lambda x: (
        ops.unslice(x[:0], shape=(2, 5), index=((0, 0, 1), (0, 5, 1))),
        ops.concatenate(x[:0], x, axis=0),
    ),
}


@pytest.mark.parametrize("f", OUTPUTS.values(), ids=OUTPUTS)
def test_outputs(f):
    check(f, MATRIX)


def test_a_literal_output():
    x = variable(3)
    ones = equation(ops.expand, Literal.of(1.5, np.float32), shape=(2, 2))
    status, found = Running(Graph((x,), (), (ones,), (), (ones.out, Literal.of(7, np.int64), x)))(X[:3])
    assert status == 0
    same(found[0], np.full((2, 2), 1.5, np.float32))
    same(found[1], np.int64(7))
    same(found[2], X[:3])


ODD = {
    "sum of a repeated number": lambda x: total(expand(x[0, 0], 3)),
    "product and maximum of a repeated number": lambda x: (
        ops.prod(expand(x[1, 1], 2, 3), axis=(1,), keepdims=False),
        ops.max(expand(x[1, 1], 3), axis=(0,), keepdims=True),
    ),
    "sum of repeated rows": lambda x: total(expand(x[0], 4, 5), (0,)),
    "expanded reshape of a slice": lambda x: expand(reshape(x[1:5:2, 1:4], 6, 1), 6, 4) * 2.0,
    "transpose of a reduction": lambda x: (total(x, (1,), True).T * 2, total(reshape(x, 2, 3, 5), (1,)).T),
    "condition of one element": lambda x: ops.where(total(x) > 0, x, -x),
    "branches of one element": lambda x: ops.where(x > 0, total(x), 1.0),
    "ranks of one element": lambda x: reshape(x[0, 0], 1, 1, 1) * x[1, 1] + reshape(x[2, 2], 1),
    "one element as an array": lambda x: ops.concatenate(reshape(x[0, 0], 1), reshape(x[1, 1] * 2, 1), axis=0),
    "gather with one element": lambda x: (
        ops.gather(x[:, :1], np.array([3])),
        ops.gather(x[:1, :1], np.array([0, -1, 0])),
    ),
    "gather from a repeated number": lambda x: ops.gather(expand(x[0, 0], 4), np.array([1, -1])),
    "gather of rows at indices that are made": lambda x: ops.gather(x * 2, 5 - ops.argmax(x, axis=0)),
    "product with a repeated number": lambda x: x @ expand(x[0, 0], 5, 2),
    "padding of one element": lambda x: (
        ops.unslice(x[:1, :1], shape=(1, 1), index=((0, 1, 1), (0, 1, 1))) + x,
        ops.unslice(x[:1, :1] * 2, shape=(2, 3), index=((1, 1, 1), (2, 1, 1))),
    ),
    "scatter of one element": lambda x: ops.scatter_add(x[:1, 0], np.array([2]), shape=(3,)),
    "sum over rows of a sum over columns": lambda x: total(total(x * x, (0,)) * 2),
    "cumulated transpose": lambda x: ops.cumsum(x.T[::-1], axis=0, reverse=True) * 2,
}


@pytest.mark.parametrize("f", ODD.values(), ids=ODD)
def test_odd_compositions(f):
    check(f, MATRIX)


# ---- long nests ----


def test_a_long_chain_is_split():
    def f(x):
        for i in range(20):
            x = ops.sin(x) + i
        return x

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lowering, "LONGEST_NEST", 10)
        program = program_of(f, X)
        assert [len(made(nest)) for nest in loops(program)] == [10, 10, 10, 10]
        check(f, X)


@settings(max_examples=12)
@given(programs(smooth=False))
def test_splitting_changes_no_program(program):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lowering, "LONGEST_NEST", 3)
        inputs = program.inputs()
        check(with_gradient(program, len(program.shapes)), *inputs, rtol=1e-11, scale=magnitude(inputs))


# The same in every run, since in a rare mixture a rounding decides a comparison.
@settings(max_examples=30, derandomize=True)
@given(mixtures())
def test_random_mixtures(mixture):
    check(mixture, *mixture.inputs, rtol=1e-5)
