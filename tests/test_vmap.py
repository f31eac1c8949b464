"""`jit.vmap`: arguments, results, nesting, gradients, loops, branches, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import jit
from jit.batching import graphs as batching

RANDOM = np.random.default_rng(11)
X, W, Y = RANDOM.normal(size=(5, 4)), RANDOM.normal(size=4), RANDOM.uniform(0.5, 2.0, 5)
SHARED = RANDOM.normal(size=(8, 8)) / 6
SEQUENCES = RANDOM.normal(size=(3, 4, 8))


def loop(f: Callable[..., Any], axes: tuple[int | None, ...], *args: Any) -> Any:
    """What a loop of Python over the examples gives, stacked."""
    count = next(x.shape[axis] for x, axis in zip(args, axes, strict=True) if axis is not None)
    rows = []
    for i in range(count):
        rows.append(f(*[x if axis is None else np.take(x, i, axis) for x, axis in zip(args, axes, strict=True)]))
    return np.stack([np.asarray(row) for row in rows])


def check(f: Callable[..., Any], *args: Any, axes: tuple[int | None, ...] | None = None) -> None:
    """`vmap` gives what a loop does, and leaves its arguments as they were."""
    axes = (0,) * len(args) if axes is None else axes
    before = [x.copy() for x in args]
    actual = jit.vmap(f, axes)(*args)
    np.testing.assert_allclose(actual, loop(f, axes, *args), rtol=1e-11, atol=1e-13)
    for x, y in zip(args, before, strict=True):
        np.testing.assert_array_equal(x, y)


def residual(w: Any, x: Any, y: Any) -> Any:
    return (np.tanh(w @ x) - y) ** 2


def newton(a: Any) -> Any:
    return ag.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)


def root(x: Any) -> Any:
    return ag.cond(x > 1, ag.sqrt, lambda x: 0.5 * x * x, x)


def chosen(x: Any) -> Any:
    return ag.switch(ag.astype(x * 1.4, np.int64), [ag.sin, ag.cos, lambda x: x * x], x)


def settled(x: Any) -> Any:
    for _ in range(100):
        x = x + 0.01 * np.cos(x)
    return x


def recurrent(xs: Any, w: Any) -> Any:
    return ag.scan(lambda h, x: (np.tanh(w @ h + x), h.sum()), np.zeros(8), xs)[0].sum()


def stacked(xs: Any, w: Any) -> Any:
    return ag.scan(lambda h, x: (np.tanh(w @ h + x), (h.sum(), x)), np.zeros(8), xs, reverse=True)[1][0]


def filter_of(x: Any) -> Any:
    return ag.scan(lambda c, t: (np.sin(c * t), c * t), 0.5, x)[1]


# ---- arguments and results ----


def test_per_example_gradients():
    check(jit.grad(residual), W, X, Y, axes=(None, 0, 0))
    check(ag.grad(residual, 1), W, X, Y, axes=(None, 0, 0))


@pytest.mark.parametrize("axes", [(1, None), (-1, None), (-2, 0), (None, 0)])
def test_axes_of_arguments(axes):
    y = RANDOM.normal(size=(4, 4))
    check(lambda x, y: np.sin(x) * y.sum(), RANDOM.normal(size=(4, 4)), y, axes=axes)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_axis_of_the_result(axis):
    x = RANDOM.normal(size=(5, 2, 3))
    actual = jit.vmap(lambda x: 2 * x, out_axes=axis)(x)
    np.testing.assert_array_equal(actual, np.moveaxis(2 * x, 0, axis))


def test_nested_arguments_and_results():
    def f(parameters: Any, x: Any) -> Any:
        return {"y": parameters["w"] @ x + parameters["b"], "kept": (parameters["b"], x, "name", None, 3.0)}

    b = np.arange(5.0)
    mapped = jit.vmap(f, ({"w": None, "b": 0}, 1), {"y": 0, "kept": (0, 1, None, 0, 0)})
    found = mapped({"w": W, "b": b}, X.T)
    np.testing.assert_allclose(found["y"], X @ W + b)
    np.testing.assert_array_equal(found["kept"][0], b)
    np.testing.assert_array_equal(found["kept"][1], X.T)
    assert found["kept"][2:4] == ("name", None)
    np.testing.assert_array_equal(found["kept"][4], np.full(5, 3.0))


def test_what_is_shared_is_not_repeated():
    found = jit.vmap(lambda w, x: (w * 2, w @ x), (None, 0), (None, 0))(W, X)
    np.testing.assert_array_equal(found[0], 2 * W)
    np.testing.assert_allclose(found[1], X @ W)


def test_keyword_arguments_are_mapped_along_their_first_axis():
    np.testing.assert_allclose(jit.vmap(lambda x, *, y: x.sum() * y)(X, y=Y), X.sum(1) * Y)


def test_closures_are_shared():
    np.testing.assert_allclose(jit.vmap(lambda x: x @ W)(X), X @ W)


def test_arrays_from_outside_may_be_other_ones():
    matrix, vector = RANDOM.normal(size=(4, 4)), RANDOM.normal(size=4)
    f = jit.vmap(lambda x: (np.concatenate([matrix @ x, vector]), vector), 0, (0, 0))
    f(X), f(X)
    before = f.explain(X).splitlines()[-2]
    for _ in range(2):
        matrix, vector = matrix + 1, vector * 2
        vector[0] += 1
        joined, shared = f(X)
        repeated = np.tile(vector, (5, 1))
        np.testing.assert_allclose(joined, np.concatenate([X @ matrix.T, repeated], 1))
        np.testing.assert_array_equal(shared, repeated)
    assert "1 recording of this function" in before
    assert f.explain(X).splitlines()[-2] == before


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64, bool])
def test_dtypes(dtype):
    x = (RANDOM.normal(size=(3, 4)) * 2).astype(dtype)
    found = jit.vmap(lambda x: x[::-1] * x)(x)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, x[:, ::-1] * x)


@pytest.mark.parametrize("f", [np.sin, newton, root, jit.grad(newton), settled], ids=lambda f: f.__name__)
@pytest.mark.parametrize("count", [0, 1])
def test_none_and_one(f, count):
    x = Y[:count]
    found = jit.vmap(f)(x)
    assert found.shape == (count,)
    np.testing.assert_allclose(found, [float(f(float(y))) for y in x])


def indexed(x: Any) -> Any:
    return x[np.argmax(x)] * np.sort(x) + np.linalg.solve(SHARED[:4, :4] + np.eye(4), x)


def carried(x: Any) -> Any:
    return ag.scan(lambda h, t: (np.tanh(SHARED[:4, :4] @ h + t), None), np.zeros(4), x)[0]


@pytest.mark.parametrize("f", [indexed, carried], ids=lambda f: f.__name__)
def test_other_numbers_of_examples_need_no_other_kernel(f):
    mapped = jit.vmap(jit.grad(lambda x: (f(x) ** 2).sum()))
    mapped(np.ones((3, 4))), mapped(np.ones((5, 4)))
    before = jit.cache_info().misses
    x = RANDOM.normal(size=(9, 4))
    np.testing.assert_allclose(mapped(x), loop(ag.grad(lambda x: (f(x) ** 2).sum()), (0,), x), rtol=1e-10)
    mapped(x[:7].copy())
    assert jit.cache_info().misses == before


def test_other_numbers_of_examples_draw_other_numbers():
    one, other = ag.random.default_rng(5), ag.random.default_rng(5)
    f = jit.vmap(lambda x: x + one.normal())
    for n in (3, 4, 5, 4):
        np.testing.assert_allclose(f(np.zeros(n)), [float(other.normal()) for _ in range(n)])


def test_layouts():
    x = np.asfortranarray(RANDOM.normal(size=(6, 8)))
    check(lambda x: np.cumsum(x), x)
    check(lambda x: np.cumsum(x), x[::2, ::-2])
    check(lambda x: np.cumsum(x), np.broadcast_to(np.arange(3.0), (2, 3)))


# ---- nesting ----


def test_maps_of_maps():
    check(lambda x: jit.vmap(lambda t: t**2 * x.sum())(x), X)
    outer = jit.vmap(jit.vmap(lambda x, y: np.sin(x) * y, (None, 0)), (0, None))
    np.testing.assert_allclose(outer(Y, W), np.sin(Y)[:, None] * W)


def test_a_gradient_of_a_map():
    def total(w: Any, x: Any) -> Any:
        return jit.vmap(lambda x: np.tanh(w @ x) ** 2)(x).sum()

    expected = ag.grad(lambda w, x: np.sum(np.tanh(x @ w) ** 2), (0, 1))(W, X)
    for grad in (ag.grad, jit.grad):
        for ours, eager in zip(grad(total, (0, 1))(W, X), expected, strict=True):
            np.testing.assert_allclose(ours, eager, rtol=1e-12)


def test_tensors_stay_connected():
    w = ag.tensor(W, requires_grad=True)
    jit.vmap(lambda w, x: np.tanh(w @ x), (None, 0))(w, X).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), ag.grad(lambda w: np.sum(np.tanh(X @ w)))(W))


def test_rows_of_a_jacobian():
    f = lambda x: np.sin(x) * x.sum()
    rows = jit.vmap(lambda g: ag.vjp(f, W)[1](g)[0])(np.eye(4))
    np.testing.assert_allclose(rows, ag.jacobian(f)(W))


def test_second_order():
    hessian = jit.vmap(jit.hessian(lambda x: np.prod(np.sin(x))))
    np.testing.assert_allclose(hessian(X), loop(ag.hessian(lambda x: np.prod(np.sin(x))), (0,), X), rtol=1e-10)


def test_within_compiled_functions_and_loops():
    compiled = jit.compile(lambda x: jit.vmap(np.sin)(x).sum())
    np.testing.assert_allclose(compiled(X), np.sin(X).sum())
    scanned = jit.compile(lambda x: ag.scan(lambda c, row: (c + jit.vmap(newton)(row**2 + 1), None), np.zeros(4), x)[0])
    np.testing.assert_allclose(scanned(X), np.sqrt(X**2 + 1).sum(0))


# ---- loops and branches ----


def nested(x: Any) -> Any:
    def step(c: Any, t: Any) -> tuple[Any, Any]:
        return ag.cond(t > 0, lambda c: c + ag.while_loop(lambda z: z < 5, lambda z: z * 1.7, t + 0.2), np.sin, c), c

    return ag.scan(step, 0.3, x * np.array([1.0, -1.0, 0.5]))[0]


@pytest.mark.parametrize("f", [newton, root, chosen, settled, nested], ids=lambda f: f.__name__)
def test_control_flow_of_each_example(f):
    check(f, Y)
    check(jit.grad(f), Y)
    slope = ag.grad(lambda y: ag.map(ag.grad(f), y).sum())(Y)
    np.testing.assert_allclose(jit.grad(lambda y: jit.vmap(jit.grad(f))(y).sum())(Y), slope, rtol=1e-9)


@pytest.fixture
def products(monkeypatch):
    """Loops that multiply by any matrix that all examples share are steps of all examples."""
    monkeypatch.setattr(batching, "SHARED_MATRIX", 1)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("axes", [(0, None), (0, 0), (None, 0)])
def test_loops_with_products(axes):
    xs = SEQUENCES if axes[0] == 0 else SEQUENCES[0]
    w = np.stack([SHARED, SHARED.T, -SHARED]) if axes[1] == 0 else SHARED
    check(jit.grad(recurrent, 1), xs, w, axes=axes)


@pytest.mark.usefixtures("products")
def test_stacks_of_loops_with_products():
    check(stacked, SEQUENCES, SHARED, axes=(0, None))
    assert "repeat  4 times" in jit.vmap(stacked, (0, None)).explain(SEQUENCES, SHARED)
    check(jit.grad(lambda xs, w: stacked(xs, w).prod()), SEQUENCES, SHARED, axes=(0, None))


def test_scans():
    check(filter_of, X)
    check(jit.grad(lambda x: filter_of(x).prod()), X)


def test_a_branch_that_all_share():
    def f(x: Any, i: Any) -> Any:
        return ag.switch(i, [np.sin, np.cos], x)

    np.testing.assert_allclose(jit.vmap(f, (0, None))(Y, 1), np.cos(Y))


def test_a_decision_that_all_share_is_guarded():
    f = jit.vmap(lambda x, w: x * w if w > 0 else x - w, (0, None))
    np.testing.assert_array_equal(f(Y, 2.0), Y * 2)
    np.testing.assert_array_equal(f(Y, -2.0), Y + 2)
    g = jit.vmap(lambda x, w: x * w if np.sin(w) > 0 else x - w, (0, None))
    np.testing.assert_array_equal(g(Y, 2.0), Y * 2)
    np.testing.assert_array_equal(g(Y, 4.0), Y - 4)


def test_a_decision_on_numbers_of_the_program():
    def f(x: Any) -> Any:
        return x * ag.tensor(2) ** ag.full(1, 3, np.int64)[0] if ag.zeros(3).sum() == 0 else x

    np.testing.assert_array_equal(jit.vmap(f)(Y), Y * 8)


def test_a_loop_of_python_that_ends_for_all_at_once():
    def f(x: Any, w: Any) -> Any:
        for i in range(20):
            x = np.cos(x * w[0])
            if w[1] * i > 3:
                break
        return x

    w = np.array([0.5, 0.3])
    check(jit.grad(f), Y, w, axes=(0, None))


# ---- functions of the user's own, random numbers ----


class Cube(ag.Function):
    """A cube, with a gradient that is not its own."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 7 * x.sum()


def test_functions_with_a_gradient_of_their_own():
    np.testing.assert_allclose(jit.vmap(Cube.apply)(X), X**3)
    found = jit.vmap(jit.grad(lambda x: Cube.apply(x).sum()))(X)
    np.testing.assert_allclose(found, np.repeat(7 * X.sum(1, keepdims=True), 4, 1))


class Both(ag.Function):
    """A product and a sum."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y, x + y

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y + h, g * x + h


def test_functions_of_several_results():
    slopes = jit.vmap(jit.grad(lambda x, y: sum(z.sum() for z in Both.apply(x, y)), (0, 1)), (0, None))(X, W)
    np.testing.assert_allclose(slopes[0], np.broadcast_to(W + 1, X.shape))
    np.testing.assert_allclose(slopes[1], X + 1)


def test_custom_functions():
    sine = ag.custom(np.sin, lambda g, out, x: g * np.cos(x))
    check(lambda x: sine(x) * 2, X)
    np.testing.assert_allclose(jit.vmap(jit.grad(lambda x: sine(x).sum()))(X), np.cos(X))


def test_each_example_draws_numbers_of_its_own():
    one, other = ag.random.default_rng(3), ag.random.default_rng(3)
    found = jit.vmap(lambda x: x + one.normal(size=2))(Y)
    np.testing.assert_allclose(found, [np.asarray(y + other.normal(size=2)) for y in Y])
    assert float(one.normal()) == float(other.normal())


def test_maps_of_maps_draw_in_the_order_of_loops():
    one, other = ag.random.default_rng(3), ag.random.default_rng(3)
    found = jit.vmap(jit.vmap(lambda x: x + one.normal()))(X)
    np.testing.assert_allclose(found, [[x + float(other.normal()) for x in row] for row in X])
    summed = jit.vmap(lambda x: ag.scan(lambda c, t: (c + t * one.normal(), None), 0.0, x)[0])(X)
    np.testing.assert_allclose(summed, [sum(x * float(other.normal()) for x in row) for row in X])


# ---- what compiled functions can do ----


def test_threads_change_no_bit():
    x = np.abs(RANDOM.normal(size=(20000, 3))) + 0.5

    def slope(x: Any) -> Any:
        return jit.grad(lambda x: np.tanh(x) @ x + newton(x[0]))(x)

    one, two = [jit.vmap(slope, threads=n)(x) for n in (1, 2)]
    assert one.tobytes() == two.tobytes()
    np.testing.assert_allclose(one[:3], loop(slope, (0,), x[:3]), rtol=1e-10)


def test_results_in_given_arrays_kernels_and_tapes():
    f = jit.vmap(lambda x: np.sin(x).prod())
    expected = np.sin(X).prod(1)
    out = np.empty(5)
    assert f(X, out=out) is out
    np.testing.assert_allclose(out, expected)
    np.testing.assert_allclose(f.kernel(X)(X), expected)
    x = ag.tensor(X)
    with ag.record() as tape:
        y = f(x)
    np.testing.assert_allclose(jit.compile(tape, [x], [y])(x).numpy(), expected)


def test_forward_mode():
    _, tangent = jit.jvp(jit.vmap(newton))((Y,), (np.ones(5),))
    np.testing.assert_allclose(tangent, 0.5 / np.sqrt(Y))


# ---- errors ----


def refused(error: type[Exception], words: str, f: Any, *args: Any) -> None:
    with pytest.raises(error, match=words):
        f(*args)


def test_a_decision_on_an_example_is_refused():
    words = (
        r"`vmap` of `clipped`: Python decides on a value at .*test_vmap.py:\d+ that differs .*`ag.where` or `ag.cond`"
    )

    def clipped(x: Any) -> Any:
        return x if x > 0 else -x

    refused(RuntimeError, words, jit.vmap(clipped), Y)
    refused(RuntimeError, "Python decides on a value at", jit.vmap(lambda x: float(x)), Y)
    refused(RuntimeError, "Python decides on a value at", jit.vmap(lambda x: x.tolist()), X)


def test_numbers_of_examples_that_differ():
    words = r"as many examples in each mapped argument, got 5 of args\[0\]\['a'\], 4 of args\[1\]"
    refused(ValueError, words, jit.vmap(lambda x, y: x["a"] * y), {"a": Y}, W)


def test_nothing_is_mapped():
    refused(ValueError, "needs an argument that is mapped, got none", jit.vmap(np.sin, None), Y)


def test_axes_that_do_not_fit():
    refused(ValueError, r"needs an axis of examples in args\[0\], got a single number", jit.vmap(np.sin), 1.0)
    refused(ValueError, r"an axis of args\[0\], which has shape \(5,\), got 1", jit.vmap(np.sin, 1), Y)
    refused(ValueError, r"got \(0, 0\) for args, which is a tuple of 1", jit.vmap(np.sin, (0, 0)), Y)
    refused(ValueError, r"got \(0,\) for args\[0\], which is a single value", jit.vmap(np.sin, ((0,),)), Y)
    refused(ValueError, r"in `out_axes`.*got \(0, 0\) for result", jit.vmap(np.sin, 0, (0, 0)), Y)
    refused(ValueError, "`vmap` needs an axis between -1 and 0", jit.vmap(np.sin, 0, 1), Y)


def test_one_result_for_all_that_differs():
    refused(ValueError, "for one result for all examples, and it differs", jit.vmap(np.sin, 0, None), Y)


def test_backward_is_refused():
    def f(x: Any) -> Any:
        y = ag.tensor(1.0, requires_grad=True)
        (x * y).backward()
        return y.grad

    refused(RuntimeError, "`vmap` of `f`, which calls `backward", jit.vmap(f), Y)
