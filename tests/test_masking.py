"""The branch that `where` does not take has no influence on gradients, however its derivatives look."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops
from autograd.ops.masking import Masked

ROWS = np.array([[0.0, 1.5, 0.0], [0.0, 0.0, 0.0]])


def _normalised(x):
    norm = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return np.where(norm > 0, x / norm, 0)


def _shared(x):
    root = np.sqrt(x)
    return np.where(x > 0, root, 0) + np.where(x > 1, root * root, 0)


def _stepped(x):
    def step(y, _):
        return np.where(y > 0, np.sqrt(y) + 0.1, 0 * y), None

    return ag.scan(step, x, length=12)[0]


def _unrolled(x):
    for _ in range(12):
        x = np.where(x > 0, np.sqrt(x) + 0.1, 0 * x)
    return x


#: A function, and one without `where` that is the same where `x` is positive; elsewhere it is 0, or 1.
FUNCTIONS = {
    "sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0), np.sqrt),
    "log": (lambda x: np.where(x > 0, np.log(x), 0), np.log),
    "sinc": (lambda x: np.where(x == 0, 1, np.sin(x) / x), lambda x: np.sin(x) / x),
    "pow": (lambda x: np.where(x > 0, x**-1.5, 0), lambda x: x**-1.5),
    "overflow": (lambda x: np.where(x > 0, np.exp(1 / x) * x, 0), lambda x: np.exp(1 / x) * x),
    "nested": (lambda x: np.where(x > 0, np.where(x > 2, np.log(x - 2), np.sqrt(x)), 0), np.sqrt),
    "select": (lambda x: np.select([x == 0, x < 2], [0 * x, np.log(x)], np.sqrt(x)), np.log),
    "shared": (_shared, lambda x: np.sqrt(x) + x),
    "transposed": (lambda x: np.where(x.T > 0, np.log(x).T, 0).T, np.log),
    "slices": (lambda x: np.where(x[:, ::-1] > 0, np.log(x)[:, ::-1], 0)[:, ::-1], np.log),
    "gather": (lambda x: np.where(x[[1, 0]] > 0, np.log(x)[[1, 0]], 0)[[1, 0]], np.log),
    "joined": (lambda x: np.where(np.concatenate([x, x]) > 0, np.concatenate([np.log(x), np.sqrt(x)]), 0)[:2], np.log),
    "weighted": (lambda x: np.where(x > 0, 2 * np.log(x).astype(x.dtype), 0), lambda x: 2 * np.log(x)),
    "in a scan": (_stepped, lambda x: _stepped(x + 0)),
    "in a loop": (_unrolled, lambda x: _unrolled(x + 0)),
}


def weighted(function):
    return lambda x: np.sum(function(x) * np.array([1.0, 2.0, 3.0], x.dtype))


def sloped(function):
    return lambda x: np.sum(ag.grad(weighted(function))(x) * np.array([0.5, 1.0, 0.25], x.dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("grad", [ag.grad, jit.grad], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_both_orders_are_those_of_the_branch_that_is_taken(name, grad, dtype):
    function, taken = FUNCTIONS[name]
    x, one = ROWS.astype(dtype), np.full((1, 3), 1.5, dtype)
    with np.errstate(all="ignore"):
        for total in (weighted, sloped):
            found, expected = grad(total(function))(x), grad(total(taken))(one)
            assert found.dtype == dtype
            np.testing.assert_allclose(found[0, 1], expected[0, 1], rtol=1e-5 if dtype == np.float32 else 1e-12)
            found[0, 1] = 0
            assert not found.any()


@pytest.mark.parametrize("grad", [ag.grad, jit.grad], ids=["eager", "compiled"])
def test_masks_pass_sums_and_broadcasting(grad):
    with np.errstate(all="ignore"):
        found = grad(weighted(_normalised))(ROWS)
        np.testing.assert_array_equal(found, [[1 / 1.5, 0, 3 / 1.5], [0, 0, 0]])
        found = grad(lambda x: np.sum(np.where(x > 0, np.log(np.sum(x, axis=1, keepdims=True)), 0)))(ROWS)
        np.testing.assert_allclose(found, [[1 / 1.5] * 3, [0, 0, 0]], rtol=1e-14)


@pytest.mark.parametrize("grad", [ag.grad, jit.grad], ids=["eager", "compiled"])
def test_a_condition_of_one_number_covers_whatever_lies_behind(grad):
    def chosen(x):
        total = np.sum(np.log(x) @ np.sqrt(x).T) + np.sum(np.linalg.inv(x @ x.T))
        return np.where(np.sum(x) > 9, total, np.sum(x))

    x = ROWS + np.diag([1.0, 1.0, 0.0])[:2]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(grad(chosen)(x), np.ones((2, 3)))


@pytest.mark.parametrize("jvp", [ag.jvp, lambda f, xs, vs: jit.jvp(f)(xs, vs)], ids=["eager", "compiled"])
def test_forward_mode_has_the_same_masks(jvp):
    with np.errstate(all="ignore"):
        _, tangent = jvp(FUNCTIONS["sinc"][0], (ROWS,), (np.ones_like(ROWS),))
    expected = np.zeros((2, 3))
    expected[0, 1] = np.cos(1.5) / 1.5 - np.sin(1.5) / 1.5**2
    np.testing.assert_allclose(tangent, expected, rtol=1e-14)


@pytest.mark.parametrize("grad", [ag.grad, jit.grad], ids=["eager", "compiled"])
def test_what_is_nan_in_the_branch_that_is_taken_stays_nan(grad):
    with np.errstate(all="ignore"):
        for function in (
            lambda x: np.where(x == 0, np.sqrt(x) ** 2, x),
            lambda x: np.where(x == 0, np.log(0 * x), x),
            lambda x: 0 * np.sqrt(x),
            lambda x: np.where(x > 0, np.sqrt(x), 0) + 0 * np.sqrt(x),
        ):
            assert np.isnan(grad(function)(0.0))


def test_masks_hold_under_hooks_and_where_gradients_are_looked_at():
    x = ag.tensor([0.0, 4.0], requires_grad=True)
    seen = []
    with ag.detect_anomaly():
        root = ag.sqrt(ag.square(x).sum() * ag.tensor([0.0, 1.0]))
        root.retain_grad()
        root.register_hook(seen.append)
        root.node.register_hook(lambda inputs, outputs: None)
        ag.where(root > 0, root * 3, 0).sum().backward()
    assert seen[0].tolist() == root.grad.tolist() == [0.0, 3.0]
    assert x.grad.tolist() == [0.0, 3.0]
    # What a hook puts there counts.
    root = ag.sqrt(ag.tensor([0.0], requires_grad=True))
    root.register_hook(lambda g: g + 1)
    (g,) = ag.grad(ag.where(root > 0, root, 0).sum(), [root])
    assert g.tolist() == [1.0]


def test_a_function_of_the_users_gets_zeros():
    class Root(ag.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return ag.sqrt(x)

        @staticmethod
        def backward(ctx, g):
            assert isinstance(g, ag.Tensor)
            assert g.tolist() == [0.0, 1.0]
            return ag.where(g == 0, 0, g / 2)

    x = ag.tensor([0.0, 4.0], requires_grad=True)
    y = Root.apply(x)
    ag.where(x > 0, y, 0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.5]


def test_a_mask_of_an_array_that_changes_is_read_at_every_call():
    keep = np.array([[True], [False]])

    @jit.grad
    def slope(x):
        return np.sum(np.where(keep, np.sqrt(np.sum(x, axis=1, keepdims=True)), 0))

    x = np.array([[1.0, 3.0], [0.0, 0.0]])
    np.testing.assert_array_equal(slope(x), [[0.25, 0.25], [0, 0]])
    keep[:] = ~keep
    np.testing.assert_array_equal(slope(x[::-1].copy()), [[0, 0], [0.25, 0.25]])


def test_masks_add_up():
    g, keep = np.array([1.0, np.nan, np.inf]), np.array([True, False, False])
    same = Masked(g, keep) + Masked(g, keep)
    assert same.filled().tolist() == [2, 0, 0]
    assert same.live().tolist() == keep.tolist()
    either = Masked(g, keep) + Masked(np.ones(3), np.array([False, True, False]))
    assert either.filled().tolist() == [1, 1, 0]
    assert either.live().tolist() == [True, True, False]
    assert (Masked(np.ones(3), keep) + Masked(np.full(3, 2.0), keep, False)).tolist() == [1, 2, 2]
    assert (np.ones(3) + Masked(g, keep)).tolist() == (Masked(g, keep) + np.ones(3)).tolist() == [2, 1, 1]
    assert (ops.where(keep, Masked(g, keep), 5.0)).tolist() == [1, 5, 5]


def _diverging_by_hand(x):
    y = x
    for _ in range(60):
        y = y * y + 0.5 * x
    return np.where(np.isfinite(y), y, 0)


def _diverging_in_a_scan(x):
    y, _ = ag.scan(lambda y, _: (y * y + 0.5 * x, np.sum(y)), x, length=60)
    return np.where(np.isfinite(y), y, 0)


def _stacked(x):
    _, ys = ag.scan(lambda y, _: (y * y + 0.5 * x, y), np.sqrt(x), length=60)
    return np.sum(np.where(np.isfinite(ys[-1]), ys, 0), axis=0)


def _diverging_while(x):
    _, y = ag.while_loop(lambda s: s[0] < 60, lambda s: (s[0] + 1, s[1] * s[1] + 0.5 * x), (np.int64(0), x))
    return np.where(np.isfinite(y), y, 0)


@pytest.mark.parametrize("function", [_diverging_by_hand, _diverging_in_a_scan, _stacked, _diverging_while])
def test_masks_pass_through_loops(function):
    x = np.array([0.1, 5.0, 0.2])

    def total(x):
        return np.sum(function(x) ** 2)

    def slope(x):
        return np.sum(ag.grad(total)(x) * np.array([1.0, 2.0, 3.0]))

    with np.errstate(all="ignore"):
        for f in (total, slope):
            expected = ag.grad(f)(x)
            assert np.isfinite(expected).all()
            np.testing.assert_allclose(jit.grad(f)(x), expected, rtol=1e-9)


@pytest.mark.parametrize("grad", [ag.grad, jit.grad])
def test_two_branches_that_meet_in_one_value_are_chosen_from(grad):
    """Behind each mask the other branch counts, so neither is filled with zeros first."""

    def f(x):
        y = x * 2.0
        return np.sum(np.where(x > 0, np.sqrt(y), np.log(-y)))

    x = np.array([0.5, -0.5, 2.0, -4.0])
    first = np.where(x > 0, 1 / np.sqrt(2 * np.abs(x)), 1 / x)
    second = np.where(x > 0, -1 / (2 * np.abs(x)) ** 1.5, -1 / x**2)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(grad(f)(x), first, rtol=1e-12)
        np.testing.assert_allclose(grad(lambda x: np.sum(grad(f)(x)))(x), second, rtol=1e-12)
