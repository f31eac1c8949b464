"""What a write in place would make, as a new array: against NumPy's writes, finite differences, and compiled."""

import numpy as np
import pytest

import autograd as ag
import jit

RNG = np.random.default_rng(5)
X = RNG.normal(size=(4, 3))


def put(x, key, values):
    out = x.copy()
    out[key] = values
    return out


def added(x, key, values):
    out = x.copy()
    np.add.at(out, key, values)
    return out


MASK = np.array([True, False, True])
ROWS = np.array([0, 0, -1])
GRID = np.array([[0, 2], [1, 1], [3, 0]])
CASES = {
    "masked_fill": (lambda x, v: ag.masked_fill(x, MASK, v), lambda x, v: put(x, (slice(None), MASK), v), ()),
    "masked_fill by a column": (
        lambda x, v: ag.masked_fill(x, x[:, :1] > 0, v),
        lambda x, v: np.where(x[:, :1] > 0, v, x),
        (),
    ),
    "index_add": (lambda x, v: ag.index_add(x, 0, ROWS, v), lambda x, v: added(x, ROWS, v), (3, 3)),
    "index_add of columns": (
        lambda x, v: ag.index_add(x, -1, ROWS[:2], v, alpha=2),
        lambda x, v: added(x, (slice(None), ROWS[:2]), 2 * v),
        (4, 2),
    ),
    "scatter_add": (
        lambda x, v: ag.scatter_add(x, 0, GRID, v),
        lambda x, v: added(x, (GRID, np.arange(2)), v[:3, :2]),
        (4, 3),
    ),
    "scatter_add of columns": (
        lambda x, v: ag.scatter_add(x, 1, GRID % 3, v),
        lambda x, v: added(x, (np.arange(3)[:, None], GRID % 3), v),
        (3, 2),
    ),
    "index_put of a number": (lambda x, v: ag.index_put(x, (1, 2), v), lambda x, v: put(x, (1, 2), v), ()),
    "index_put of a slice": (
        lambda x, v: ag.index_put(x, (slice(None, None, -2), slice(1, None)), v),
        lambda x, v: put(x, (slice(None, None, -2), slice(1, None)), v),
        (2,),
    ),
    "index_put by a mask": (
        lambda x, v: ag.index_put(x, X > 0, v),
        lambda x, v: put(x, X > 0, v),
        (int((X > 0).sum()),),
    ),
    "index_put twice": (lambda x, v: ag.index_put(x, (ROWS, 1), v), lambda x, v: put(x, (ROWS, 1), v), (3,)),
    "index_put added": (
        lambda x, v: ag.index_put(x, (ROWS, 1), v, accumulate=True),
        lambda x, v: added(x, (ROWS, 1), v),
        (3,),
    ),
    "index_put of nothing": (lambda x, v: ag.index_put(x, slice(0), v), lambda x, v: x, (3,)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_gradients_eager_and_compiled(name, dtype):
    f, reference, shape = CASES[name]
    x, v = X.astype(dtype), RNG.normal(size=shape).astype(dtype)
    kept = x.copy()
    out = f(x, v)
    # What is added to one element is summed first.
    few = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(out, reference(x, v), rtol=few, atol=few)
    assert out.dtype == dtype
    np.testing.assert_allclose(jit.compile(f)(x, v), out, rtol=few, atol=few)
    weights = RNG.normal(size=out.shape)

    def loss(x, v):
        return (f(x, v) ** 2 * weights).sum()

    eager, fast = ag.grad(loss, (0, 1))(x, v), jit.grad(loss, (0, 1))(x, v)
    for g, h in zip(eager, fast, strict=True):
        np.testing.assert_allclose(h, g, rtol=1e-5 if dtype is np.float32 else 1e-13)
        assert g.dtype == h.dtype == dtype
    np.testing.assert_array_equal(x, kept)
    if dtype is np.float64:
        tensors = [ag.tensor(x, requires_grad=True), ag.tensor(v, requires_grad=True)]
        ag.gradcheck(f, tensors)
        ag.gradgradcheck(f, tensors)


def test_methods_and_positions_that_are_tensors():
    x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert x.masked_fill(x > 2, -1).tolist() == [1.0, 2.0, -1.0]
    assert x.index_add(0, ag.tensor([0, 0]), ag.ones(2), alpha=3).tolist() == [7.0, 2.0, 3.0]
    assert x.scatter_add(0, ag.tensor([2]), ag.ones(3)).tolist() == [1.0, 2.0, 4.0]
    assert x.index_put(ag.tensor([0, 2]), 9.0).tolist() == [9.0, 2.0, 9.0]
    fast = jit.compile(lambda x, i: ag.index_add(x, 0, i, x[:2]))
    for i in ([0, 0], [2, 1]):
        np.testing.assert_array_equal(fast(np.arange(3.0), np.array(i)), added(np.arange(3.0), np.array(i), [0.0, 1.0]))


def test_a_value_that_is_overwritten_has_no_part_in_the_gradient():
    x = ag.tensor([0.0, 4.0], requires_grad=True)
    ag.index_put(ag.sqrt(x), 0, 1.0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]  # not the infinity of `sqrt`, as with `where`
    v = ag.tensor([1.0, 2.0], requires_grad=True)
    (g,) = ag.grad(ag.index_put(ag.zeros(2), [0, 0], v).sum(), v)
    assert g.tolist() == [0.0, 1.0]


def test_errors():
    x = X
    cases = [
        (lambda: ag.masked_fill(x, x, 0), TypeError, "only supports boolean masks, but got mask with dtype float64"),
        (
            lambda: ag.masked_fill(x, x > 0, np.ones(2)),
            ValueError,
            "a 0-dimensional value tensor, but got tensor",
        ),
        (lambda: ag.index_add(x, 0, [0, 1], np.ones((3, 3))), ValueError, r"`index_add` needs .* index \(2,\), source"),
        (
            lambda: ag.index_add(x, 0, [0.0], np.ones((1, 3))),
            TypeError,
            "`index_add` needs positions that",
        ),
        (lambda: ag.index_add(x, 0, [4], np.ones((1, 3))), IndexError, "out of bounds"),
        (lambda: ag.scatter_add(x, 1, [0], np.ones(3)), ValueError, r"`scatter_add` needs an index of the rank of `x`"),
        (lambda: ag.scatter_add(x, 1, [[0, 1]], np.ones((1, 1))), ValueError, r"no larger than `src`, .* src \(1, 1\)"),
        (lambda: ag.scatter_add(x, 1, [[3]], np.ones((1, 1))), IndexError, "out of bounds"),
        (lambda: ag.index_put(x, 4, 0.0), IndexError, "out of bounds"),
        (lambda: jit.compile(lambda i: ag.index_put(x, i, 0.0))(np.array([1])), RuntimeError, "while a tape records"),
    ]
    for f, error, words in cases:
        with pytest.raises(error, match=words):
            f()
