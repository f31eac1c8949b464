"""`rebind`: variables around a function and globals of its module as arguments of its kernels."""

import numpy as np
import pytest
from numba import njit

import autograd as ag
import jit

RNG = np.random.default_rng(0)
DATA, RATE = RNG.normal(size=(8, 3)), 0.5
W = RNG.normal(size=3)


def scaled(w):
    return np.sum((DATA @ w) ** 2) * RATE


def make(x, y):
    """A loss in which NumPy computes with data, also to a number, before a tensor is met."""

    def loss(w):
        centred = x - x.mean(axis=0)
        return np.mean((centred @ w - y) ** 2) + float(np.abs(y).max()) * w[0]

    return loss


def weighted(x, y, scales, runs=()):
    def loss(w):
        if isinstance(runs, list):
            runs.append(1)
        return np.sum((x @ w - y) ** 2 * scales / np.mean(scales))

    return loss


def squares(x, y):
    return lambda w: np.mean((x @ w - y) ** 2)


def data(n=8):
    return RNG.normal(size=(n, 3)), RNG.normal(size=n)


def same(got, expected):
    for x, y in zip(got, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def counted():
    """How many kernels were looked for, wherever they were found."""
    info = jit.cache_info()
    return info.hits + info.misses + info.loaded


def test_other_data_needs_no_recording_and_what_is_computed_from_it_follows():
    x, y = data()
    f = jit.value_and_grad(make(x, y))
    same(f(W), ag.value_and_grad(make(x, y))(W))
    runs = []
    f = jit.value_and_grad(weighted(x, y, np.ones(8), runs), verify=False)
    f.rebind(x=x, y=y, scales=np.ones(8))
    f(W)
    before = len(runs), counted()
    for _ in range(3):
        x1, y1 = data()
        scales1 = RNG.uniform(1, 2, size=8)
        f.rebind(x=x1, y=y1, scales=scales1)
        same(f(W), ag.value_and_grad(weighted(x1, y1, scales1))(W))
    assert (len(runs), counted()) == before


def test_a_number_that_python_looks_at_makes_another_recording():
    x, y = data()
    loss = make(x, y)
    f = jit.value_and_grad(loss)
    f.rebind(x=x, y=y)
    for _ in range(3):
        x1, y1 = data()
        f.rebind(x=x1, y=y1)
        same(f(W), ag.value_and_grad(make(x1, y1))(W))
    same(f(W), ag.value_and_grad(loss)(W))


def test_data_of_another_shape_is_another_signature():
    x, y = data()
    f = jit.value_and_grad(squares(x, y))
    f.rebind(x=x, y=y)
    for n in (8, 5, 8, 5):
        x1, y1 = data(n)
        f.rebind(x=x1, y=y1)
        before = counted()
        same(f(W), ag.value_and_grad(squares(x1, y1))(W))
    assert counted() == before


def test_globals_and_numbers_and_assignments_in_python():
    global RATE
    f, before = jit.grad(scaled), (DATA, RATE)
    np.testing.assert_allclose(f(W), DATA.T @ (DATA @ W), rtol=1e-12)
    try:
        f.rebind(RATE=2.0)
        np.testing.assert_allclose(f(W), 4 * DATA.T @ (DATA @ W), rtol=1e-12)
        f.rebind(DATA=2 * DATA)
        assert RATE == 2.0
        np.testing.assert_allclose(f(W), 4 * DATA.T @ (DATA @ W), rtol=1e-12)
        RATE = 1.0
        np.testing.assert_allclose(f(W), 2 * DATA.T @ (DATA @ W), rtol=1e-12)
        np.testing.assert_allclose(ag.grad(scaled)(W), f(W), rtol=1e-12)
    finally:
        globals().update(DATA=before[0], RATE=before[1])


def test_all_forms_of_a_call_take_the_variables():
    x, y = data()
    f = jit.value_and_grad(squares(x, y))
    f.rebind(x=x)
    x1 = data()[0]
    f.rebind(x=x1)
    expected = ag.value_and_grad(squares(x1, y))(W)
    g = np.empty(3)
    assert f(W, out=(None, g))[1] is g
    same((f(W)[0], g), expected)
    same(f.bind(W)(), expected)
    assert len(f.graph(W).inputs) == 2
    assert "float64[8,3]" in f.explain(W)
    assert "define" in f.llvm(W)
    with pytest.raises(RuntimeError, match="needs a single real number"):
        f(W.astype(complex))


def waves(x):
    return lambda w: np.sum(np.sin(x @ w))


DERIVATIVES = {
    "hessian": (lambda m: m.hessian, (W,)),
    "hvp": (lambda m: m.hvp, (W, W)),
    "jacobian": (lambda m: m.jacobian, (W,)),
    "jvp": (lambda m: lambda f: (lambda xs, vs: m.jvp(f, xs, vs)) if m is ag else m.jvp(f), ((W,), (W,))),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_are_rebound_by_the_variables_of_their_function(name):
    form, args = DERIVATIVES[name]
    x, _ = data()
    made = form(jit)(waves(x))
    made.rebind(x=x)
    made(*args)
    before = counted()
    made.rebind(x=2 * x)
    np.testing.assert_allclose(made(*args), form(ag)(waves(2 * x))(*args), rtol=1e-12)
    assert counted() == before


def test_a_kernel_in_compiled_code_is_given_other_data():
    x, y = data()
    f = jit.value_and_grad(lambda w: np.mean((x @ w - y) ** 2) * rate)
    rate = 1.0
    f.rebind(x=x, y=y, rate=rate)
    kernel = f.kernel(W)

    @njit
    def call(w):
        return kernel(w)

    same(call(W), f(W))
    x1, y1 = data()
    kernel.rebind(x=x1, y=y1)
    same(call(W), ag.value_and_grad(squares(x1, y1))(W))
    kernel.rebind(rate=3.0)
    same(call(W), [3 * z for z in ag.value_and_grad(squares(x1, y1))(W)])
    same(f(W), ag.value_and_grad(squares(x, y))(W))
    with pytest.raises(
        ValueError, match=r"<kernel <lambda>: float64\[3\]> has no variable `z`, only x, y, rate; name it"
    ):
        kernel.rebind(z=1.0)
    with pytest.raises(ValueError, match=r"`x` of this kernel needs a contiguous array of float64\[8,3\], got"):
        kernel.rebind(x=x[:5])


def test_a_variable_that_there_is_not():
    x, _ = data()
    with pytest.raises(ValueError, match=r"needs names of variables that `<lambda>` reads .*, got `z`; there are: x"):
        jit.compile(lambda w: np.sum(x @ w)).rebind(z=1.0)
    with pytest.raises(ValueError, match=r"needs names of variables that `sum` reads .*, got `z`; there are: none"):
        jit.compile(np.sum).rebind(z=1.0)


def test_a_recording_that_fails_leaves_the_variables_as_they_were():
    x = np.ones(3)

    def f(w):
        if isinstance(x, ag.Tensor):
            raise KeyError("once")
        return np.sum(w * x)

    made = jit.compile(f)
    made.rebind(x=2 * x)
    with pytest.raises(KeyError, match="once"):
        made(W)
    np.testing.assert_array_equal(x, np.full(3, 2.0))
