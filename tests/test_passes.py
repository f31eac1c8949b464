"""Passes: what each identity makes of an equation, and that none of them changes a value."""

import numpy as np
import pytest
from hypothesis import given, settings

from autograd import ops, stop_gradient
from jit.graph import Graph, Literal, verify
from jit.passes import PIPELINE, cse, dce, optimise, simplify, stencils
from jit.recording.replay import replay
from tests.graphs import (
    captured_arrays,
    equation,
    graph_after,
    graph_before,
    recorded,
    same,
    variable,
    with_gradient,
)
from tests.mixtures import Mixture, mixtures
from tests.programs import programs

SPECIAL = np.array([-np.inf, -1e300, -2.0, -0.5, -5e-324, -0.0, 0.0, 1e-310, 0.3, 1.5, 1e200, np.inf, np.nan])
X = np.array([1.5, -2.0, 3.0])
MATRIX = np.arange(6.0).reshape(2, 3)
WHOLE = np.array([1, -2, 3])
SINGLE = X.astype(np.float32)


def said(graph: Graph) -> str:
    """The equations and results of a graph in one line, without dtypes of arrays."""
    lines = [line.strip().removesuffix(" }") for line in str(graph).splitlines()[1:]]
    return "; ".join(lines)


def reshape(x, *shape):
    return ops.reshape(x, shape=shape)


def expand(x, *shape):
    return ops.expand(x, shape=shape)


def cast(x, dtype):
    return ops.astype(x, dtype=np.dtype(dtype))


ALL = ((0, 2, 1), (0, 3, 1))

SIMPLIFIED = {
    "x * 1": (lambda x: x * 1.0, X, "in a"),
    "1 * x": (lambda x: 1.0 * x, X, "in a"),
    "x * 1 of integers": (lambda x: x * 1, WHOLE, "in a"),
    "x * -1": (lambda x: x * -1.0, X, "b:float64[3] = neg a; in b"),
    "-1 * x": (lambda x: -1.0 * x, SINGLE, "b:float32[3] = neg a; in b"),
    "x - 0": (lambda x: x - 0.0, X, "in a"),
    "x - 0 of integers": (lambda x: x - 0, WHOLE, "in a"),
    "x / 2": (lambda x: x / 2, X, "b:float64[3] = mul a 0.5:float64; in b"),
    "x / -0.25": (lambda x: x / -0.25, SINGLE, "b:float32[3] = mul a -4.0:float32; in b"),
    "integers / 2.0": (lambda x: x / 2.0, WHOLE, "b:float64[3] = mul a 0.5:float64; in b"),
    "x / 1": (lambda x: x / 1.0, X, "in a"),
    "x**1": (lambda x: x**1, X, "in a"),
    "x**2": (lambda x: x**2, X, "b:float64[3] = square a; in b"),
    "x**3": (lambda x: x**3, SINGLE, "b:float32[3] = square a; c:float32[3] = mul b a; in c"),
    "x**4": (lambda x: x**4, X, "b:float64[3] = square a; c:float64[3] = square b; in c"),
    "x**0.5": (lambda x: x**0.5, X, "b:float64[3] = sqrt a; in b"),
    "x**-1": (lambda x: x**-1.0, X, "b:float64[3] = reciprocal a; in b"),
    "x**-2": (lambda x: x**-2.0, X, "b:float64[3] = reciprocal a; c:float64[3] = square b; in c"),
    "--x": (lambda x: ops.neg(-x), X, "in a"),
    "---x": (lambda x: ops.neg(ops.neg(-x)), X, "b:float64[3] = neg a; in b"),
    "--x of integers": (lambda x: ops.neg(-x), WHOLE, "in a"),
    "astype of the same": (lambda x: cast(x, np.float64), X, "in a"),
    "stop_gradient": (lambda x: stop_gradient(x), X, "in a"),
    "reshape to the same": (lambda x: reshape(x, 2, 3), MATRIX, "in a"),
    "reshape of reshape": (
        lambda x: reshape(reshape(x, 6), 3, 2),
        MATRIX,
        "b:float64[3,2] = reshape[shape=(3,2)] a; in b",
    ),
    "reshape and back": (lambda x: reshape(reshape(x, 6), 2, 3), MATRIX, "in a"),
    "reshape of an expanded number": (
        lambda x: reshape(expand(x, 6), 2, 3),
        2.0,
        "b:float64[2,3] = expand[shape=(2,3)] a; in b",
    ),
    "expand to the same": (lambda x: expand(x, 2, 3), MATRIX, "in a"),
    "expand of expand": (
        lambda x: expand(expand(x, 2, 3), 4, 2, 3),
        X,
        "b:float64[4,2,3] = expand[shape=(4,2,3)] a; in b",
    ),
    "transpose to the same": (lambda x: ops.transpose(x, axes=(0, 1)), MATRIX, "in a"),
    "transpose of transpose": (lambda x: x.T.T, MATRIX, "in a"),
    "slice of everything": (lambda x: ops.slice_(x, index=ALL), MATRIX, "in a"),
    "sum over no axis": (lambda x: ops.sum(x, axis=(), keepdims=False), X, "in a"),
    "max over no axis": (lambda x: ops.max(x, axis=(), keepdims=True), X, "in a"),
    "product with an expanded number": (
        lambda x, y: x * expand(y, 3),
        (X, 2.0),
        "c:float64[3] = mul a b; in c",
    ),
    "sine of an expanded number": (
        lambda x: ops.sin(expand(x, 3)),
        0.5,
        "b:float64[] = sin a; c:float64[3] = expand[shape=(3,)] b; in c",
    ),
}


@pytest.mark.parametrize(("f", "x", "expected"), SIMPLIFIED.values(), ids=SIMPLIFIED)
def test_simplified(f, x, expected):
    inputs = [np.asarray(x) for x in (x if isinstance(x, tuple) else (x,))]
    before = graph_before(f, *inputs)
    after = dce(simplify(before))
    assert said(after) == expected
    with np.errstate(all="ignore"):
        same(replay(after, inputs)[0][0], replay(before, inputs)[0][0], 1e-15)


KEPT = {
    "x + 0, since -0.0 + 0.0 is 0.0": (lambda x: x + 0.0, X),
    "x - -0, since -0.0 - -0.0 is 0.0": (lambda x: x - -0.0, X),
    "0 - x, since 0.0 - 0.0 is 0.0": (lambda x: 0.0 - x, X),
    "x * 0, since inf * 0 is NaN": (lambda x: x * 0.0, X),
    "x - x, since inf - inf is NaN": (lambda x: x - x, X),
    "x / x": (lambda x: x / x, X),
    "x / 3, whose reciprocal is rounded": (lambda x: x / 3.0, X),
    "x / 0": (lambda x: x / 0.0, X),
    "x / 2**150, whose reciprocal is subnormal in float32": (lambda x: x / 2.0**120, SINGLE),
    "x**2.2": (lambda x: x**2.2, X),
    "root of a number, which NumPy takes as a power": (lambda x: x**0.5, 2.0),
    "integers * -1": (lambda x: x * -1, WHOLE),
    "integers * 1.0, which are converted": (lambda x: x * 1.0, WHOLE),
    "booleans * -1.0, which have no negative": (lambda x: x * -1.0, X > 0),
    "integers**2": (lambda x: x**2, WHOLE),
    "integers**0.5": (lambda x: x**0.5, WHOLE),
    "float32**float64": (lambda x: x ** np.float64(2.0), SINGLE),
    "astype to another": (lambda x: cast(x, np.float32), X),
    "a part": (lambda x: ops.slice_(x, index=((0, 2, 1), (0, 2, 1))), MATRIX),
    "a flip": (lambda x: ops.slice_(x, index=((1, 2, -1), (0, 3, 1))), MATRIX),
    "sum of one row": (lambda x: ops.sum(x, axis=(0,), keepdims=True), MATRIX[:1]),
    "sum of booleans over no axis, which counts": (lambda x: ops.sum(x, axis=(), keepdims=False), X > 0),
}


@pytest.mark.parametrize(("f", "x"), KEPT.values(), ids=KEPT)
def test_kept(f, x):
    before = graph_before(f, x)
    assert str(dce(simplify(before))) == str(before)


# ---- values ----

ON_SPECIAL = {
    name: f
    for name, (f, x, _) in SIMPLIFIED.items()
    # NumPy's sum starts from 0.0, to which -0.0 is nothing.
    if (x is X or x is SINGLE) and name not in {"expand of expand", "sum over no axis"}
}


def assert_same_signs(found, expected):
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(expected)[number])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", ON_SPECIAL.values(), ids=ON_SPECIAL)
def test_special_values(f, dtype):
    with np.errstate(all="ignore"):
        x = SPECIAL.astype(dtype)
        (found,), _ = replay(graph_after(f, x), [x])
        expected = f(x)
    assert found.dtype == expected.dtype
    assert_same_signs(found, expected)
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=np.finfo(dtype).smallest_subnormal)


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 0.5, -1.0, -2.0, 0.0, 1.5, 2.5, -0.5, -1.5, -2.5])
def test_powers_of_one_number(exponent):
    graph = graph_after(lambda x: x**exponent, 2.0)
    with np.errstate(all="ignore"):
        found = [replay(graph, [x])[0][0] for x in SPECIAL]
        expected = [x**exponent for x in SPECIAL]
    assert_same_signs(found, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=5e-324)


# ---- constants ----


def folded(primitive, *literals, **params):
    """The result of an equation between literals, once it is simplified."""
    made = equation(primitive, *literals, **params)
    after = simplify(Graph((), (), (made,), (), (made.out,)))
    assert after.equations == ()
    return after.outputs[0]


def literal(value, dtype=np.float64):
    return Literal.of(value, dtype)


@pytest.mark.parametrize(
    ("primitive", "literals", "value", "dtype"),
    [
        (ops.add, (literal(0.1), literal(0.2)), 0.1 + 0.2, np.float64),
        (ops.add, (literal(0.1, np.float32), literal(0.2, np.float32)), np.float32(0.1) + np.float32(0.2), np.float32),
        (ops.mul, (literal(0.1, np.float32), literal(3.0)), np.float32(0.1) * np.float64(3), np.float64),
        (ops.sub, (literal(-(2**31), np.int32), literal(1, np.int32)), 2**31 - 1, np.int32),
        (ops.div, (literal(1, np.int64), literal(4, np.int64)), 0.25, np.float64),
        (ops.floor_divide, (literal(1, np.int64), literal(0, np.int64)), 0, np.int64),
        (ops.greater, (literal(2.0), literal(1.0)), True, np.bool_),
        (ops.add, (literal(True, np.bool_), literal(True, np.bool_)), True, np.bool_),
        (ops.where, (literal(False, np.bool_), literal(1, np.int32), literal(2.0, np.float32)), 2.0, np.float64),
        (ops.log, (literal(-1.0),), np.nan, np.float64),
        (ops.div, (literal(1.0), literal(-0.0)), -np.inf, np.float64),
        (ops.exp, (literal(1.0, np.float32),), np.exp(np.float32(1)), np.float32),
    ],
)
def test_constants_are_folded(primitive, literals, value, dtype):
    found = folded(primitive, *literals)
    assert isinstance(found, Literal)
    assert found.aval.dtype == found.value.dtype == dtype
    np.testing.assert_array_equal(found.value, value)


def test_a_cast_of_a_constant():
    assert folded(ops.astype, literal(2.7), dtype=np.dtype(np.int32)) == literal(2, np.int32)


def test_signed_zeros_survive():
    assert np.signbit(folded(ops.neg, literal(0.0)).value)


def test_expanded_constants_stay_expanded():
    two, one = (equation(ops.expand, literal(c), shape=s) for c, s in ((2.0, (3,)), (1.0, (2, 3))))
    total = equation(ops.add, two.out, one.out)
    assert said(optimise(Graph((), (), (two, one, total), (), (total.out,)))) == (
        "a:float64[2,3] = expand[shape=(2,3)] 3.0:float64; in a"
    )


# ---- common subexpressions and dead code ----


def test_equal_equations_are_computed_once():
    graph = graph_before(lambda x: ops.sin(x + 1) * ops.sin(x + 1), X)
    assert said(cse(graph)) == "b:float64[3] = add a 1.0:float64; c:float64[3] = sin b; d:float64[3] = mul c c; in d"


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [(0.0, -0.0, 2), (np.nan, np.nan, 1), (0.0, 0.0, 1), (1.0, np.float32(1.0), 2), (1.0, 2.0, 2)],
)
def test_literals_are_compared_by_their_bytes(first, second, count):
    x = variable(3)
    products = [equation(ops.mul, x, Literal.of(c, np.asarray(c).dtype)) for c in (first, second)]
    after = cse(Graph((x,), (), tuple(products), (), tuple([e.out for e in products])))
    assert len(after.equations) == count
    assert len(set(after.outputs)) == count


def test_params_and_the_order_of_operands_count():
    f = lambda x, y: (x - y, y - x, np.sum(x, 0), np.sum(x, 1), x - y)
    assert len(cse(graph_before(f, MATRIX, MATRIX)).equations) == 4


def test_guards_take_the_first_of_two():
    def f(x):
        return (x + 1 if x > 0 else x) * (2 if x > 0 else 3)

    after = optimise(graph_before(f, 1.0))
    assert [e.primitive for e in after.equations].count(ops.greater) == 1
    assert len(set(after.guards)) == 1


def test_dead_equations_go_and_guards_stay():
    def f(x):
        unused = ops.exp(x)
        unused = unused + 1
        return x * 2 if np.sum(ops.log(x)) < 100 else x

    x, y = variable(3), variable(3)
    dead, live = equation(ops.exp, x), equation(ops.neg, x)
    assert dce(Graph((x, y), (), (dead, live), (), (live.out,))) == Graph((x, y), (), (live,), (), (live.out,))
    assert [e.primitive for e in graph_after(f, np.abs(X)).equations] == [ops.log, ops.sum, ops.less, ops.mul]


# ---- whole programs ----


def unchanged(f, inputs, rtol=1e-11):
    """Passes keep the values and every invariant of a graph, and a second round finds nothing more to do."""
    recording = recorded(f, *inputs)
    before, values = recording.graph, [*inputs, *captured_arrays(recording)]
    once = before
    for run in PIPELINE:
        once = verify(run(once))
    assert str(optimise(once)) == str(once)
    with np.errstate(all="ignore"):
        for ours, expected in zip(replay(once, values)[0], replay(before, values)[0], strict=True):
            same(ours, expected, rtol)


@settings(max_examples=80)
@given(programs(smooth=False))
def test_random_programs_and_gradients(program):
    unchanged(with_gradient(program, len(program.shapes)), program.inputs())


@settings(max_examples=150)
@given(mixtures())
def test_random_mixtures_of_dtypes(mixture: Mixture):
    unchanged(mixture, mixture.inputs, 1e-5)


# ---- stencils ----


def shifted(x, *index):
    return ops.slice_(x, index=index)


def pad(x, shape, *index):
    return ops.unslice(x, shape=shape, index=index)


def test_a_slice_of_a_sum_of_unslices_reads_one_padded_array():
    def f(x):
        y = pad(x, (5,), (0, 3, 1)) + pad(x, (5,), (2, 3, 1))
        return shifted(y, (1, 3, 1))

    graph = dce(cse(stencils(graph_before(f, X))))
    assert said(graph) == (
        "b:float64[5] = unslice[index=((1,3,1),) shape=(5,)] a; c:float64[3] = slice[index=((2,3,1),)] b; "
        "d:float64[3] = slice[index=((0,3,1),)] b; e:float64[3] = add c d; in e"
    )
    assert np.array_equal(replay(graph, [X])[0][0], f(X))


FIRST, SECOND = (0, 2, 1), (1, 2, 1)
STENCILS = {
    "rows and columns": (
        lambda x: pad(x, (9, 8), FIRST, (3, 3, 1)) + pad(x, (9, 8), SECOND, (2, 3, 1)), ((0, 3, 1), (2, 4, 1)),
    ),
    "one row": (lambda x: pad(x, (4, 3), SECOND, (0, 3, 1)) + pad(x, (4, 3), FIRST, (0, 3, 1)), (1, (0, 3, 1))),
    "steps of the slice": (lambda x: pad(x, (5, 3), SECOND, (0, 3, 1)), ((4, 3, -2), (0, 3, 1))),
    "a sum of three": (
        lambda x: pad(x, (2, 5), FIRST, (0, 3, 1))
        + (pad(-x, (2, 5), FIRST, (1, 3, 1)) + pad(x, (2, 5), FIRST, (2, 3, 1))),
        (FIRST, (1, 3, 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STENCILS)
def test_slices_of_sums_keep_their_values(name):
    array, index = STENCILS[name]
    f = lambda x: shifted(array(x), *index)
    before = graph_before(f, MATRIX)
    graph = dce(verify(stencils(before)))
    assert str(graph) != str(before)
    assert np.array_equal(replay(graph, [MATRIX])[0][0], f(MATRIX))


UNTOUCHED = {
    "read twice": lambda x: (lambda y: (shifted(y, (0, 3, 1)), y))(pad(x, (5,), (1, 3, 1)) + pad(x, (5,), (2, 3, 1))),
    "another term": lambda x: shifted(pad(x, (3,), (0, 3, 1)) + ops.sin(x), (0, 2, 1)),
    "steps of a part": lambda x: shifted(pad(x, (6,), (0, 3, 2)) + pad(x, (6,), (1, 3, 1)), (0, 2, 1)),
    "far away": lambda x: shifted(pad(x, (900,), (0, 3, 1)) + pad(x, (900,), (1, 3, 1)), (800, 2, 1)),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_other_slices_stay(name):
    graph = graph_before(UNTOUCHED[name], X)
    assert stencils(graph) == graph
