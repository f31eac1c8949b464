"""Sums of products of a matrix and a vector as products: where they are, and where a sum stays."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops

RANDOM = np.random.default_rng(3)
M, V, W = RANDOM.normal(size=(12, 16)), RANDOM.normal(size=16), RANDOM.normal(size=12)


def total(x, axis, keepdims=False):
    return ops.sum(x, axis=(axis,), keepdims=keepdims)


def column(x):
    return ops.reshape(x, shape=(*x.shape, 1))


PRODUCTS = {
    "rows": (lambda m, v: total(m * v, 1), (M, V)),
    "rows by a row": (lambda m, v: total(v * m, 1), (M, V[None])),
    "columns": (lambda m, w: total(m * column(w), 0), (M, W)),
    "columns by a column": (lambda m, w: total(w * m, 0), (M, W[:, None])),
    "a transpose": (lambda m, w: total(ops.transpose(m, axes=(1, 0)) * w, 1), (M, W)),
    "a product": (lambda m, n, v: total((n @ m) * v, 1), (M, RANDOM.normal(size=(12, 12)), V)),
}
SUMS = {
    "elements of the nest": (lambda m, v: total(ops.exp(m) * v, 1), (M, V)),
    "single precision": (lambda m, v: total(m * v, 1), (M.astype(np.float32), V.astype(np.float32))),
    "two matrices": (lambda m, n: total(m * n, 1), (M, M[::-1].copy())),
    "another axis": (lambda m, v: total(m * v, 0), (M, V)),
    "kept axes": (lambda m, v: total(m * v, 1, keepdims=True), (M, V)),
    "a small matrix": (lambda m, v: total(m * v, 1), (M[:2, :3].copy(), V[:3])),
    "a product that is read": (lambda m, v: (lambda p: (total(p, 1), p))(m * v), (M, V)),
    "what repeats itself": (lambda v, w: total(ops.expand(v, shape=(12, 16)) * column(w), 0), (V, W)),
    "three axes": (lambda m, v: total(m * v, 1), (RANDOM.normal(size=(5, 6, 16)), V)),
    "one column": (lambda m, v: total(m * v, 1), (RANDOM.normal(size=(150, 1)), np.ones((150, 1)))),
}


def names(graph):
    return [equation.primitive.name for equation in graph.equations]


@pytest.mark.parametrize("name", PRODUCTS)
def test_sums_that_are_products(name):
    f, inputs = PRODUCTS[name]
    found = names(jit.compile(f).graph(*inputs))
    assert found.count("matmul") == (2 if name == "a product" else 1)
    assert {"sum", "mul"}.isdisjoint(found)
    np.testing.assert_allclose(jit.compile(f)(*inputs), f(*inputs), rtol=1e-13, atol=1e-14)
    loss = lambda *xs: np.sum(f(*xs) ** 2)
    for ours, eager in zip(
        jit.grad(loss, tuple(range(len(inputs))))(*inputs),
        ag.grad(loss, tuple(range(len(inputs))))(*inputs),
        strict=True,
    ):
        np.testing.assert_allclose(ours, eager, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", SUMS)
def test_sums_that_stay(name):
    f, inputs = SUMS[name]
    assert "matmul" not in names(jit.compile(f).graph(*inputs))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values(special):
    m = M.copy()
    m[2, 3] = special
    for f, v in (PRODUCTS["rows"][0], V), (PRODUCTS["columns"][0], W):
        for vector in (v, np.zeros_like(v)):
            with np.errstate(invalid="ignore"):
                np.testing.assert_allclose(jit.compile(f)(m, vector), f(m, vector), rtol=1e-13, atol=1e-14)


def test_forward_mode_of_a_recurrence_is_products():
    weights, tangents, x = RANDOM.normal(size=(12, 12)), RANDOM.normal(size=(12, 12)), W
    f = lambda w: ag.scan(lambda h, _: (np.tanh(h @ w), None), x, length=5)[0]
    graph = jit.jvp(f).graph((weights,), (tangents,))
    assert "mul " in str(graph)
    assert "sum" not in str(graph)
    np.testing.assert_allclose(
        jit.jvp(f)((weights,), (tangents,))[1], ag.jvp(f, (weights,), (tangents,))[1], rtol=1e-12, atol=1e-13
    )
