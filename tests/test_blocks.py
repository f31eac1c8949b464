"""Steps taken together over blocks of rows: which join, and that the results are those of the steps by themselves."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings

import autograd as ag
import jit
from autograd import ops
from jit.lowering import blocks
from jit.lowering.blocks import blocked
from jit.lowering.program import Blocks, Call, Nest, Program
from tests.graphs import check, magnitude, program_of, with_gradient
from tests.programs import programs

ROWS = 300
X = np.linspace(-1.0, 1.7, ROWS)
MATRIX = np.random.default_rng(0).standard_normal((ROWS, 5))
WEIGHTS = np.linspace(-0.5, 0.5, 5)


@pytest.fixture(autouse=True)
def everything_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "WORTH", 0.001)
    monkeypatch.setattr(blocks, "_ALIGNED", 4)
    monkeypatch.setattr(blocks, "_BYTES", 512)


@pytest.fixture
def threads() -> Iterator[None]:
    before = jit.get_num_threads()
    yield
    jit.set_num_threads(before)


def total(x, axis=None):
    return ops.sum(x, axis=tuple(range(x.ndim)) if axis is None else axis, keepdims=False)


def regions(f, *inputs) -> list[Blocks]:
    return [step for step in blocked(program_of(f, *inputs)).steps if isinstance(step, Blocks)]


def kinds(region: Blocks) -> list[type]:
    return [type(step) for step in region.steps]


def logistic(weights, x, labels):
    return total(ops.log1p(ops.exp(-labels * (x @ weights))))


def test_a_matrix_is_read_once_for_the_value_and_the_gradient():
    inputs = WEIGHTS, MATRIX, np.sign(X)
    (region,) = regions(with_gradient(logistic), *inputs)
    assert kinds(region) == [Call, Nest, Call]
    assert region.rows == ROWS
    assert region.block < region.task < ROWS
    check(with_gradient(logistic), *inputs)


def test_a_single_nest_is_a_task_without_blocks():
    f = lambda x: (ops.sin(x), total(ops.cos(x)))
    (region,) = regions(f, X)
    assert region.block == region.task == 20
    check(f, X)


def test_what_comes_before_some_steps_is_taken_together_too():
    # The steps over the rows of `y` can come before those over the rows of `x`, which begin and end the program.
    f = lambda x, y: total(ops.sin(x) * total(ops.cos(x)) * total(ops.exp(y) / total(ops.exp(y))))
    y = np.linspace(0.0, 1.0, ROWS + 40)
    found = regions(f, X, y)
    assert sorted([region.rows for region in found]) == [ROWS, ROWS, ROWS + 40, ROWS + 40]
    check(f, X, y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_results_are_the_same_for_any_number_of_threads(threads, dtype):
    def f(weights, x, labels):
        z = ops.tanh(x @ weights)
        return total(z), total(x * ops.expand(ops.reshape(z, shape=(ROWS, 1)), shape=(ROWS, 5)), axis=(0,)), z @ x, z

    inputs = [x.astype(dtype) for x in (WEIGHTS, MATRIX, X)]
    run = check(f, *inputs, rtol=1e-4 if dtype == np.float32 else 1e-12)
    assert len([step for step in run.kernel.program.steps if isinstance(step, Blocks)]) == 1
    found = []
    for n in (1, 2, 3, 4):
        jit.set_num_threads(n)
        found.append(run(*inputs)[1])
    for other in found[1:]:
        for x, y in zip(found[0], other, strict=True):
            assert x.tobytes() == y.tobytes()


TOGETHER = {
    "rows and their sums": lambda x: (lambda y: (total(y, (1,)), y * 2))(ops.exp(x)),
    "a row that is repeated": lambda x: ops.exp(x) * ops.sin(ops.expand(x[:1], shape=(ROWS, 5))),
    "a part of each row": lambda x: ops.sin(x[:, 1:4]) * ops.exp(x[:, :3]),
    "sums over columns": lambda x: (total(ops.sin(x), (0,)), ops.max(ops.cos(x), axis=(0,), keepdims=True)),
    "products of all kinds": lambda x: (x @ WEIGHTS, x[:, 0] @ x, x @ x[:5], x.T @ ops.sin(x)),
    "the product of a column": lambda x: ops.prod(ops.sin(x[:, 0]) + 1, axis=(0,), keepdims=False),
    "transposed": lambda x: ops.sin(x.T) + ops.transpose(x, axes=(1, 0)),
    "extremes": lambda x: (ops.max(x, axis=(0, 1), keepdims=False), ops.min(ops.exp(x), axis=(0,), keepdims=False)),
    "an index": lambda x: ops.gather(ops.sin(x), np.arange(ROWS)[::-1].copy()),
    "a scattered sum": lambda x: ops.scatter_add(ops.sin(x), np.arange(ROWS) % 7, shape=(7, 5)),
    "no number": lambda x: total(ops.where(ops.equal(x, x[0, 0]), np.nan, x), (0,)),
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_rows_taken_together_give_what_they_give_alone(name):
    check(TOGETHER[name], MATRIX)


@pytest.mark.parametrize("name", ["rows and their sums", "sums over columns", "extremes"])
def test_whole_numbers_and_booleans(name):
    check(TOGETHER[name], MATRIX.astype(np.float32), rtol=1e-5)
    whole = np.arange(ROWS * 5).reshape(ROWS, 5) % 11
    check(lambda x: (total(x, (0,)), ops.max(x, axis=(0,), keepdims=False), x * 2), whole)
    check(
        lambda x: (ops.min(x, axis=(0, 1), keepdims=False), ops.max(ops.less(x, 3), axis=(0,), keepdims=False)), whole
    )


def steps_of(f, *inputs) -> list[int]:
    """How many steps each of the regions has."""
    return [len(region.steps) for region in regions(f, *inputs)]


def test_what_needs_other_rows_does_not_join():
    assert steps_of(lambda x: (lambda y: y[1:] * y[:-1])(ops.sin(x)), X) == [1, 1]
    assert steps_of(lambda x: (lambda y: ops.sin(y) / total(y))(ops.exp(x)), X) == [1, 1]
    assert steps_of(lambda x: (lambda y: y[::-1] * y)(ops.sin(x)), X) == [1]
    check(lambda x: (lambda y: y @ (x.T @ y))(ops.sin(x)), MATRIX)


@pytest.mark.parametrize(
    ("shape", "columns", "dtype"),
    [
        *[((ROWS, 7), columns, np.float64) for columns in (None, 1, 3, 70)],
        ((7, ROWS), None, np.float64),
        ((7, ROWS), 3, np.float32),
        ((ROWS, ROWS), None, np.float32),
        ((ROWS, ROWS), 3, np.float64),
        ((70, ROWS + 1), None, np.float64),
    ],
)
def test_products_of_rows_in_every_layout(shape, columns, dtype, rng):
    """Each factor as it is and transposed, and the result as well; what is made of it is done row by row as well."""
    x = rng.normal(size=shape).astype(dtype)
    y = rng.normal(size=shape[1:] if columns is None else (shape[1], columns)).astype(dtype)
    z = rng.normal(size=shape[0]).astype(dtype)
    products = [
        lambda x, xt, y, yt, z: x @ y,
        lambda x, xt, y, yt, z: xt.T @ y,
        lambda x, xt, y, yt, z: x @ yt.T,
        lambda x, xt, y, yt, z: xt.T @ yt.T,
        lambda x, xt, y, yt, z: y.T @ xt,
        lambda x, xt, y, yt, z: yt @ x.T,
        lambda x, xt, y, yt, z: np.tanh(xt.T @ y).T * z,
        lambda x, xt, y, yt, z: np.tanh(yt @ xt) + z,
        lambda x, xt, y, yt, z: (z @ x) @ y,
        lambda x, xt, y, yt, z: xt @ np.tanh(z) + x.T @ z,
    ]
    given = x, np.ascontiguousarray(x.T), y, np.ascontiguousarray(y.T), z
    found = jit.compile(lambda *given: [f(*given) for f in products])(*given)
    for f, actual in zip(products, found, strict=True):
        expected = f(*given)
        assert actual.dtype == dtype
        tolerance = 4 * np.finfo(dtype).eps * ROWS * np.abs(expected).max()
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def test_what_is_in_between_stays_in_its_place():
    def f(x):
        y = ops.cumsum(ops.sin(x), axis=0, reverse=False)
        return y * ops.exp(x), total(ops.sin(x)) * x, y[0] * 2 + total(y)

    check(f, X)
    check(with_gradient(lambda x: total(f(x)[0]) + total(f(x)[1])), X)


def test_little_work_and_few_rows_stay_as_they_are(monkeypatch):
    program = program_of(with_gradient(logistic), WEIGHTS, MATRIX[:40], np.sign(X[:40]))
    assert blocked(program) is program
    monkeypatch.setattr(blocks, "WORTH", 1e9)
    program = program_of(with_gradient(logistic), WEIGHTS, MATRIX, np.sign(X))
    assert blocked(program) is program


def test_a_long_program_has_regions_between_its_pieces():
    def f(x):
        scalars = [total(ops.sin(x + i)) for i in range(5)]
        z = scalars[0]
        for i in range(400):
            z = ops.sin(z) * 0.5 + scalars[i % 5] * 0.01
        return total(ops.exp(x * z)), z

    run = check(f, X)
    assert sum(isinstance(step, Blocks) for step in run.kernel.program.steps) >= 2


@settings(max_examples=25)
@given(programs(smooth=False))
def test_random_programs(program: Program):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_FEWEST", 2)
        patch.setattr(blocks, "_ALIGNED", 1)
        patch.setattr(blocks, "TASKS", 2)
        inputs = program.inputs()
        check(with_gradient(program, len(program.shapes)), *inputs, rtol=1e-11, scale=magnitude(inputs))


def test_a_function_may_have_its_own_number_of_threads():
    x = np.linspace(0.0, 1.0, 200_003)
    found = {threads: jit.value_and_grad(lambda x: np.sum(np.exp(x)), threads=threads) for threads in (None, 1, 3)}
    results = {threads: f(x) for threads, f in found.items()}
    assert "on 3 threads" in str(found[3].graph(x))
    assert "on 1 thread\n" in str(found[1].graph(x))
    assert "thread" not in str(found[None].graph(x))
    for value, g in results.values():
        assert value == results[None][0]
        assert np.array_equal(g, results[None][1])
    with pytest.raises(ValueError, match="a compiled function needs a number of threads from 1 to 1024, got 0"):
        jit.grad(np.sum, threads=0)


def test_a_reduction_within_the_rows_begins_anew_in_every_call():
    # The axis in the middle is summed through memory, which holds what was there before.
    x = np.linspace(-1.0, 1.0, ROWS * 12).reshape(ROWS, 4, 3)
    f = lambda x: (total(ops.sin(x), (1,)), total(ops.cos(x), (0,)), total(ops.exp(x), (1, 2)))
    (region,) = regions(f, x)
    assert region.task < ROWS
    compiled = jit.compile(f)
    for factor in (1.0, 2.0, 3.0):
        found = compiled(factor * x)
        for actual, expected in zip(found, f(factor * x), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)


def diffused(u, rate):
    for _ in range(12):
        p = np.pad(u, 1)
        u = u + rate * (p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4.0 * u)
    return u


def test_a_loop_whose_steps_read_other_rows_of_what_they_carry():
    u, rate = np.cos(np.linspace(0.0, 9.0, ROWS * 6)).reshape(ROWS, 6), np.full((ROWS, 6), 0.2)
    compiled = jit.compile(diffused)
    assert "tasks" in str(compiled.explain(u, rate))
    np.testing.assert_allclose(compiled(u, rate), diffused(u, rate), rtol=1e-12, atol=1e-14)
    check(with_gradient(lambda u, rate: total(diffused(u, rate) ** 2), 2), u, rate)


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_random_loops_over_rows(seed, keeps):
    """Each step makes each of three arrays from rows of any of them; some loops keep what they made on the way."""
    random = np.random.default_rng(seed)
    makes = random.integers(0, (3, 3, 5, 3), size=(3, 4)).tolist()
    reverse = bool(random.integers(2))

    def step(carried, x):
        made = []
        for first, second, by, kind in makes:
            y, z = carried[first][by : ROWS + by], carried[second][2:-2]
            made.append((y * 0.5 + z * x, np.sin(y) + 0.2 * z, z - 0.1 * y * z)[kind])
        return tuple([np.pad(y, ((2, 2), (0, 0))) for y in made]), made[0] * x if keeps else None

    def f(*given):
        *arrays, xs = given
        last, kept = ag.scan(step, tuple(arrays), xs, reverse=reverse)
        return sum(total(np.sin(x)) for x in last) + (0.0 if kept is None else total(kept))

    inputs = [*random.normal(size=(3, ROWS + 4, 2)), random.normal(size=(4, ROWS, 2))]
    np.testing.assert_allclose(jit.compile(f)(*inputs), f(*inputs), rtol=1e-10)
    found, expected = (package.grad(f, (0, 1, 2, 3))(*inputs) for package in (jit, ag))
    for g, h in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-9, atol=1e-11)
