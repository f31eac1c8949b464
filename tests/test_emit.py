"""What the emitted code computes, against NumPy: reductions, casts, integers, indexing, matrix products, long programs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings

import jit
from autograd import ops
from jit import matrix
from jit import plan as plan_module
from jit.emit import program as program_module
from jit.program import Call, Nest
from tests.graphs import check, compiled, program_of, same, with_gradient
from tests.mixtures import DTYPES, drawn, mixtures
from tests.programs import programs

FLOATS = [np.dtype(np.float64), np.dtype(np.float32)]
WHOLE = [np.dtype(t) for t in (np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8)]
REDUCTIONS = [ops.sum, ops.prod, ops.max, ops.min]


def sample(shape, dtype):
    """Random elements, whose products stay of the order of one."""
    numbers = np.random.default_rng(len(shape))
    if np.dtype(dtype).kind == "f":
        return np.asarray(numbers.uniform(0.9, 1.1, shape), dtype)
    return drawn(numbers, shape, np.dtype(dtype))


def axes_of(shape):
    """All combinations of axes."""
    return [axis for k in range(len(shape) + 1) for axis in combinations(range(len(shape)), k)]


# ---- reductions ----


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 65, 1000])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reductions_of_vectors(n, dtype):
    f = lambda x: tuple([op(x, axis=(0,), keepdims=False) for op in REDUCTIONS])
    check(f, sample((n,), dtype))


SHAPES = [(3, 5), (1, 5), (65, 7), (7, 65), (2, 3, 4), (3, 1, 4), (1, 1, 1), (2, 3, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("op", [ops.sum, ops.max], ids=str)
def test_reductions_over_all_combinations_of_axes(shape, op):
    axes = axes_of(shape)
    f = lambda x: tuple([op(x, axis=axis, keepdims=i % 2 == 0) for i, axis in enumerate(axes)])
    check(f, sample(shape, np.float64))


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_reductions_of_other_dtypes(dtype):
    f = lambda x: tuple([op(x, axis=axis, keepdims=False) for op in REDUCTIONS for axis in ((0,), (1,), (0, 2))])
    check(f, sample((4, 3, 5), dtype))


@pytest.mark.parametrize("place", [0, 3, 64, 99])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nan_reaches_every_reduction(place, dtype):
    x = sample((100,), dtype)
    x[place] = np.nan
    run = compiled(lambda x: tuple([op(x, axis=(0,), keepdims=False) for op in REDUCTIONS]), x)
    status, found = run(x)
    assert status == 0
    assert np.isnan(found).all()


def test_infinities():
    x = np.array([[np.inf, 1.0, -np.inf], [np.inf, 2.0, 3.0]])
    check(lambda x: tuple([op(x, axis=axis, keepdims=False) for op in REDUCTIONS for axis in ((0,), (1,))]), x)


@pytest.mark.parametrize("shape", [(10**6,), (1000, 1000)], ids=str)
def test_single_precision_sums_are_accurate(shape):
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    f = lambda x: ops.sum(x, axis=(x.ndim - 1,), keepdims=False)
    _, (found,) = compiled(f, x)(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, x.astype(np.float64).sum(-1), rtol=np.finfo(np.float32).eps)


def test_integer_sums_wrap():
    check(lambda x: (ops.sum(x, axis=(0,), keepdims=False), ops.prod(x, axis=(0,), keepdims=False)), np.full(9, 2**62))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_positions_of_extrema(dtype):
    x = sample((4, 7), dtype) if dtype.kind != "f" else np.random.default_rng(1).integers(0, 3, (4, 7)).astype(dtype)
    f = lambda x: tuple([op(x, axis=axis) for op in (ops.argmax, ops.argmin) for axis in (0, 1)])
    check(f, x)


def test_positions_with_nan_and_ties():
    nan, inf = np.nan, np.inf
    x = np.array(
        [[1, 2, 2, 0, 0], [nan, 1, nan, 2, 0], [3, nan, 1, 5, nan], [inf, inf, -inf, -inf, 0.0], [-0.0, 0, 0, -0.0, 0]]
    )
    check(lambda x: (ops.argmax(x, axis=1), ops.argmin(x, axis=1), ops.argmax(x[0], axis=0)), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_running_sums(dtype):
    f = lambda x: tuple([ops.cumsum(x, axis=axis, reverse=reverse) for axis in (0, 1, 2) for reverse in (False, True)])
    check(f, sample((2, 5, 3), dtype))


# ---- casts ----


@pytest.mark.parametrize("source", [*FLOATS, *WHOLE, np.dtype(bool)], ids=str)
def test_casts(source):
    values = {
        "f": [0, 1, -1, -100, 3.7, -2.9, -0.0, 100.5],
        "b": [0, 1],
        "u": [0, 1, 100, 255],
        "i": [0, 1, -1, 127, -128],
    }
    # A negative float has no value in an unsigned integer, and NumPy's own depends on the machine.
    targets = [*FLOATS, *WHOLE, np.dtype(bool)] if source.kind != "f" else [*FLOATS, *WHOLE[:4], np.dtype(bool)]
    f = lambda x: tuple([ops.astype(x, dtype=dtype) for dtype in targets])
    x = np.array(values[source.kind]).astype(source)
    check(f, x)
    check(f, x[1])


def test_floats_that_no_integer_has_end_nothing():
    x = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, -1.0])
    f = lambda x: tuple([ops.astype(x, dtype=dtype) for dtype in (*WHOLE, np.dtype(bool))])
    status, found = compiled(f, x)(x)
    assert status == 0
    assert found[-1].all()


def test_truth_of_nan_and_zeros():
    check(lambda x: ops.astype(x, dtype=np.dtype(bool)), np.array([np.nan, 0.0, -0.0, 5e-324]))


# ---- arithmetic ----


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
def test_integer_arithmetic_at_the_limits(dtype):
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.min + 1, 0, 1, 2, 7, limits.max, *([-1, -7] if limits.min else [])], dtype)
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(values, values))
    f = lambda x, y: (x // y, x % y, x * y, x - y, x + y, abs(x), ops.sign(x), x / y, x < y, ops.maximum(x, y), x**2)
    check(f, x, y)
    run = compiled(lambda x, y: (x // y, x % y), x[0], y[0])
    with np.errstate(all="ignore"):
        for a, b in zip(x, y, strict=True):
            assert run(a, b) == (0, [a // b, a % b])


SPECIAL = np.array([-np.inf, -2.0, -1.0, -0.5, -0.0, 0.0, 5e-324, 0.3, 1.0, 2.0, 1e300, np.inf, np.nan])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floor_and_remainder_of_special_values(dtype):
    x, y = (np.ascontiguousarray(a.ravel()).astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        expected = x // y, x % y
    _, found = compiled(lambda x, y: (x // y, x % y), x, y)(x, y)
    for ours, numpys in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, numpys)
        number = ~np.isnan(numpys)
        np.testing.assert_array_equal(np.signbit(ours)[number], np.signbit(numpys)[number])


@pytest.mark.parametrize("exponent", [0.5, -1.0, -2.0, 2, 3, 1.5])
def test_powers_of_one_number(exponent):
    run = compiled(lambda x: x**exponent, 2.0)
    with np.errstate(all="ignore"):
        for x in SPECIAL:
            same(run(x)[1][0], x**exponent)
            assert np.signbit(run(x)[1][0]) == np.signbit(x**exponent) or np.isnan(x**exponent)


MIXED = {
    "booleans": lambda a, b, i, x: (a + b, a * b, a + 1, a * 2.5, a + i, ops.logical_xor(a, b), ops.maximum(a, b)),
    "one boolean": lambda a, b, i, x: (a[0, 0] + b[0, 0], a[0, 0] * b[1, 1], a[0, 0] + 1, a + b[0], a[0, 1] * x),
    "integers and floats": lambda a, b, i, x: (i + x, i * 2, i * 2.5, i // 2, i % 2, i - x, i / 2, -i, i**3, i > x, i * a),
    "comparisons": lambda a, b, i, x: ops.logical_and(x < i, ops.logical_or(i < 0.5, x == i)) * x,
    "where": lambda a, b, i, x: (ops.where(a, i, x), ops.where(i, x, 0.0), ops.where(a[0, 0], 1, 2), ops.where(x > 0, i, 7)),
}  # fmt: skip


@pytest.mark.parametrize("f", MIXED.values(), ids=MIXED)
@pytest.mark.parametrize("whole", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("real", [np.float64, np.float32])
def test_mixed_dtypes(f, whole, real):
    i = sample((3, 4), whole)
    check(f, i > 1, i % 2 == 0, i, sample((3, 4), real))


def test_single_precision_stays_beside_numbers():
    x = sample((5,), np.float32)
    f = lambda x: (
        x * 2.0,
        x + 1,
        x**2,
        x**0.5,
        ops.sin(x) * 0.1,
        2.0 / x,
        ops.sum(x * x, axis=(0,), keepdims=False) * 2.0,
    )
    assert all(x.dtype == np.float32 for x in check(f, x)(x)[1])


# ---- indexing ----

TABLE = np.arange(60.0).reshape(5, 4, 3)
INDICES = [
    np.array([0, -1, -5, 4]), np.array([[1, 2], [3, -4]]), np.array(2), np.array([3]), np.array([], np.intp),
    np.array([1, -2], np.int32), np.array([1, 2], np.uint8),
]  # fmt: skip


@pytest.mark.parametrize("i", INDICES, ids=repr)
def test_gather(i):
    f = lambda x, i: (
        ops.gather(x, i),
        ops.gather(x * 2, i) + 1,
        ops.gather(x, i, i % 4),
        ops.gather(x, i, i % 4, i % 3),
    )
    check(f, TABLE, i)


@pytest.mark.parametrize("i", INDICES, ids=repr)
def test_scatter_add(i):
    rows, elements = sample((*i.shape, 3), np.float64), sample(i.shape, np.float64)
    f = lambda x, i: (ops.scatter_add(x, i, shape=(5, 3)), ops.scatter_add(x * 2, i, i % 4, shape=(5, 4, 3)) * 2)
    check(f, rows, i)
    check(lambda x, i: ops.scatter_add(x, i, i % 4, shape=(5, 4)), elements, i)


def test_repeated_indices_add_up():
    numbers = np.random.default_rng(3)
    i = numbers.integers(-4, 4, 1000)
    check(lambda x, i: ops.scatter_add(x, i, shape=(4,)), numbers.uniform(size=1000), i)


def test_gather_from_views():
    f = lambda x, i: (
        ops.gather(ops.transpose(x, axes=(2, 0, 1)), i), ops.gather(x[::-1, ::2], i), ops.gather(ops.expand(x[0], shape=(6, 4, 3)), i),
    )  # fmt: skip
    check(f, TABLE, np.array([0, 2, -1]))


@pytest.mark.parametrize("bad", [5, -6, 2**40, -(2**62)])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: ops.gather(x, i),
        lambda x, i: ops.scatter_add(x[0], i, shape=(5, 3)),
        lambda x, i: x[i[0]],
        lambda x, i: x[i],
    ],
)
def test_an_index_out_of_range_is_an_error(f, bad):
    run = jit.compile(f)
    assert run(TABLE, np.array([1, 0, 2, 3])).shape == f(TABLE, np.array([1, 0, 2, 3])).shape
    with pytest.raises(IndexError, match="out of bounds"):
        run(TABLE, np.array([bad, 0, 1, 2]))
    same(run(TABLE, np.array([4, 0, 2, 3])), f(TABLE, np.array([4, 0, 2, 3])))


def test_a_scalar_as_an_index():
    run = compiled(lambda x, i: (ops.gather(x, i), ops.gather(x, i, i)), TABLE, 2)
    for i in (0, -1, 3):
        status, found = run(TABLE, i)
        assert status == 0
        same(found[0], TABLE[i])
        same(found[1], TABLE[i, i])
    assert run(TABLE, 5)[0] != 0


# ---- matrix products ----

RANKS = [
    ((7,), (7,)), ((5, 7), (7,)), ((7,), (7, 3)), ((5, 7), (7, 3)), ((2, 5, 7), (7, 3)), ((5, 7), (2, 7, 3)), ((7,), (2, 7, 3)),
    ((2, 5, 7), (7,)), ((2, 5, 7), (2, 7, 3)), ((2, 1, 5, 7), (3, 7, 4)), ((1, 7), (7, 1)), ((5, 1), (1, 3)), ((1, 1), (1, 1)),
]  # fmt: skip
LARGE = [((40, 30), (30, 50)), ((40, 30), (30,)), ((30,), (30, 40)), ((3, 11, 20), (20, 12)), ((2, 1, 11, 20), (3, 20, 12)),
         ((3, 40, 20), (20,)), ((20,), (2, 3, 20, 40)), ((1, 2000), (2000, 1)), ((200, 1), (1, 300)), ((600,), (600,))]  # fmt: skip
EMPTY = [((4, 0), (0, 3)), ((0, 4), (4, 3)), ((4, 3), (3, 0)), ((0,), (0,)), ((2, 3, 0), (0, 4)), ((0, 3, 4), (4, 2))]


def factors(shapes, dtype=np.float64):
    return [np.asarray(np.random.default_rng(len(s)).uniform(-1, 1, s) * 4, dtype) for s in shapes]


@pytest.mark.parametrize("shapes", RANKS + LARGE + EMPTY, ids=str)
def test_products_of_all_ranks(shapes):
    check(ops.matmul, *factors(shapes))


def test_products_around_the_size_where_blas_takes_over():
    for n in (7, 8, 9):
        shapes = (n, 8), (8, 8)
        assert matrix.by_blas(*shapes, ops.matmul.aval(*[x.aval for x in map(float_variable, shapes)])) == (n > 8)
        check(ops.matmul, *factors(shapes))


def float_variable(shape):
    return program_of(lambda x: x, np.empty(shape)).graph.inputs[0]


@pytest.mark.parametrize(
    "shapes", [((5, 7), (7, 3)), ((40, 30), (30, 50)), ((40, 30), (30,)), ((3, 9, 20), (20, 12))], ids=str
)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("f4", "f4"),
        ("f4", "f8"),
        ("f8", "f4"),
        ("i8", "f8"),
        ("i4", "f4"),
        ("i8", "i8"),
        ("u1", "u1"),
        ("?", "?"),
        ("?", "i8"),
    ],
)
def test_products_of_other_dtypes(shapes, left, right):
    check(ops.matmul, factors(shapes, left)[0], factors(shapes, right)[1], rtol=1e-5)


OPERANDS = {
    "transposed": lambda x, y: y.T @ x.T,
    "flipped": lambda x, y: (x[::-1] @ y, x[:, ::-1] @ y[::-1], y.T[::-1] @ x.T),
    "strided": lambda x, y: (x[::2, ::3] @ y[::3], x[:, 3:20] @ y[3:20, ::2]),
    "repeated": lambda x, y: (ops.expand(x[0], shape=(40, 30)) @ y, x @ ops.expand(x[:1].T, shape=(30, 50))),
    "columns": lambda x, y: (x[:, 2:3] @ y[1:2], x[1:2] @ y, x[:, :1].T @ x, x @ y[:, :1]),
    "vectors": lambda x, y: (x @ y[:, 0], x @ y[::-1, 0], x[::-1] @ y[:, 2], y[:, 0] @ x.T, y[::-1, 0] @ y[:, ::-1]),
    "a repeated number": lambda x, y: (x @ ops.expand(y[0, 0], shape=(30,)), ops.expand(y[0, 0], shape=(40,)) @ x),
    "computed": lambda x, y: ops.exp(x).T[:, ::2] @ ops.sin(x)[::2],
    "batches": lambda x, y: (
        ops.reshape(x, shape=(4, 10, 30))[:, ::-1] @ y, ops.expand(x, shape=(3, 40, 30)) @ y,
        ops.transpose(ops.reshape(x, shape=(4, 10, 30)), axes=(1, 0, 2)) @ y[:, ::2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("f", OPERANDS.values(), ids=OPERANDS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_products_of_views(f, dtype):
    check(f, *factors(((40, 30), (30, 50)), dtype), rtol=1e-5 if dtype == np.float32 else 1e-12)


def test_views_that_blas_reads_are_not_copied():
    f = lambda x, y: (y.T @ x.T, x[::2, 3:20] @ y[3:20], x @ y[:, 0], y[:, 3] @ x.T, y[:, 1:9].T @ y[:, 9:])
    program = program_of(f, *factors(((40, 30), (30, 50))))
    assert [type(step) for step in program.steps] == [Call] * 5


# ---- long programs ----


def in_pieces(f, *inputs, long=2, short=2, inlined=16):
    """`f` compiled with limits that take even a short function to pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "LONG", long)
        patch.setattr(program_module, "SHORT", short)
        patch.setattr(program_module, "MOST_INLINED", inlined)
        return check(f, *inputs, rtol=1e-9)


@settings(max_examples=15)
@given(programs(smooth=False, most_steps=12))
def test_programs_in_pieces(program):
    in_pieces(with_gradient(program, len(program.shapes)), *program.inputs())


@settings(max_examples=20, derandomize=True)
@given(mixtures())
def test_mixtures_in_pieces(mixture):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "LONG", 1)
        patch.setattr(program_module, "SHORT", 1)
        patch.setattr(program_module, "MOST_INLINED", 0)
        check(mixture, *mixture.inputs, rtol=1e-5)


def scalars_and_loops(x, i):
    """Scalars, loops, products, guards and indices by turns."""
    a, b = x[0], x[1]
    for k in range(4):
        for _ in range(8):
            a, b = ops.sin(a) + b * 0.5, ops.tanh(a * b) - k
        x = x * a + ops.gather(x, i) * b
        if ops.sum(x, axis=(0,), keepdims=False) > -1e9:
            a = a + x @ x * 1e-3
        b = b + ops.gather(x, i[k])
    return a, b, x, ops.astype(a, dtype=np.dtype(np.float32)), a > b


@pytest.mark.parametrize("short", [1, 3, 20, 1000])
@pytest.mark.parametrize("inlined", [0, 16])
def test_pieces_between_loops_and_guards(short, inlined):
    x = np.linspace(-0.5, 0.5, 70)
    i = np.arange(70)[::-1].copy()
    run = in_pieces(scalars_and_loops, x, i, short=short, inlined=inlined)
    assert len(run.graph.guards) == 4
    assert any(isinstance(step, Nest) and step.shape for step in run.kernel.program.steps)


def test_a_piece_notes_an_index_out_of_range():
    x, i = np.linspace(-0.5, 0.5, 70), np.arange(70)
    run = in_pieces(scalars_and_loops, x, i, short=1)
    i[2] = 70
    assert run(x, i)[0] == compiled(scalars_and_loops, x, np.arange(70))(x, i)[0] != 0


def test_a_piece_reports_its_guards():
    def f(x):
        for _ in range(20):
            x = ops.sin(x) + 0.1
        return x if x > 0 else -x

    run = in_pieces(f, 0.5)
    assert run(0.5)[0] == 0
    assert run(np.nan)[0] == 1


def test_a_long_program_as_it_comes():
    def f(x):
        y = x
        for k in range(1200):
            y = ops.sin(y) * x + k * 1e-3
        return y

    run = check(with_gradient(f), 0.3, rtol=1e-9)
    assert "define internal" in run.llvm
