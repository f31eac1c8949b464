"""Products with derivatives, Jacobians and Hessians: closed forms, differences, and the conventions of PyTorch."""

import re
from typing import NamedTuple

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import functional, ops
from autograd.gradcheck import GradcheckError, gradcheck
from autograd.primitive import PRIMITIVES, Primitive
from autograd.tensor import Tensor
from tests import checks
from tests.cases import SMOOTH, draw
from tests.derivatives import close, differences, energy

X = np.array([0.3, -1.2, 2.0])
Y = np.array([[0.5, -0.7, 1.1], [0.2, 0.9, -0.4]])
V = np.array([1.0, -2.0, 0.5])

both = pytest.mark.parametrize("run", [lambda f: f, jit.compile], ids=["eager", "compiled"])


def tall(x):
    """Seven results of three arguments."""
    return ag.concatenate([np.sin(x) * x[::-1], x**3, np.sum(x * x).reshape(1)])


def wide(x):
    """Two results of three arguments."""
    return np.stack([np.prod(x), np.sum(np.exp(x))])


# ---- every operation, forwards ----


def real_product(x, y):
    """The inner product of arrays as vectors of real numbers, complex ones of two each."""
    return float(np.sum(np.real(np.conj(np.asarray(x, np.complex128)) * y)))


@pytest.mark.parametrize("case", SMOOTH, ids=repr)
@pytest.mark.parametrize("precision", [0, 1], ids=["wide", "narrow"])
def test_forward_mode_is_the_transpose_of_the_gradient(case, precision):
    arrays = case.arrays(case.precisions[precision])
    f = checks.function_of(case, arrays)
    xs = tuple(arrays[i] for i in case.wrt)
    random = np.random.default_rng(1)
    vs = tuple(draw(random, x.shape, (-2.0, 2.0), x.dtype) for x in xs)
    value, tangent = ag.jvp(f, xs, vs)
    assert (tangent.shape, tangent.dtype) == (value.shape, value.dtype)
    _, pullback = ag.vjp(f, *xs)
    g = checks.cotangent(value)
    there = real_product(g, tangent)
    back = sum(real_product(gx, v) for gx, v in zip(pullback(g), vs, strict=True))
    scale = 1 + float(np.sum(np.abs(g * tangent)))
    assert abs(there - back) <= scale * (1e-4 if precision else 1e-12)


# ---- closed forms and differences ----


@both
def test_products_with_vectors(run):
    jac = differences(tall, X)
    value, tangent = run(lambda x, v: ag.jvp(tall, (x,), (v,)))(X, V)
    close(value, tall(X))
    close(tangent, ag.jacobian(tall)(X) @ V)
    close(tangent, jac @ V, rtol=1e-7)
    g = np.linspace(-1.0, 1.0, 7)
    value, (back,) = run(lambda x, g: (lambda value, pull: (value, pull(g)))(*ag.vjp(tall, x)))(X, g)
    close(value, tall(X))
    close(back, g @ jac, rtol=1e-7)


@both
@pytest.mark.parametrize("f", [tall, wide])
def test_jacobians_agree(run, f):
    forward, reverse, either = (run(j(f))(X) for j in (ag.jacfwd, ag.jacrev, ag.jacobian))
    close(forward, reverse)
    close(either, reverse)
    close(either, differences(f, X), rtol=1e-7)
    assert isinstance(either, np.ndarray)


@both
def test_many_rows_and_columns(run):
    x = np.linspace(-1.0, 1.0, 12)
    f = lambda x: np.exp(np.sin(x) * x[::-1])
    slope = np.diag(np.cos(x) * x[::-1]) + np.fliplr(np.diag(np.sin(x)))
    expected = f(x)[:, None] * slope
    close(run(ag.jacfwd(f))(x), expected)
    close(run(ag.jacrev(f))(x), expected)
    g = lambda x: np.sum(np.exp(x) * x[::-1])
    curvature = np.diag(np.exp(x) * x[::-1]) + np.fliplr(np.diag(np.exp(x) + np.exp(x[::-1])))
    close(run(ag.hessian(g))(x), curvature)
    close(run(ag.jacfwd(ag.grad(g)))(x), curvature)


@both
def test_hessian_and_its_products(run):
    matrix = run(ag.hessian(energy))(X)
    close(matrix, matrix.T)
    close(matrix, differences(lambda x: ag.grad(energy)(x), X), rtol=1e-6)
    close(run(ag.hvp(energy))(X, V), matrix @ V)
    close(run(lambda x, v: ag.jvp(ag.grad(energy), (x,), (v,))[1])(X, V), matrix @ V)
    close(run(ag.jacobian(ag.jacobian(energy)))(X), matrix)


@both
def test_matrices_as_arguments(run):
    f = lambda y: np.sin(y) @ y.T
    jac = run(ag.jacobian(f))(Y)
    assert jac.shape == (2, 2, 2, 3)
    close(jac, differences(f, Y), rtol=1e-7)
    close(run(ag.jacfwd(f))(Y), jac)
    assert run(ag.hessian(lambda y: np.sum(f(y) ** 2)))(Y).shape == (2, 3, 2, 3)


def test_compiled_forms():
    close(jit.jvp(tall)((X,), (V,))[1], ag.jvp(tall, (X,), (V,))[1])
    g = np.linspace(-1.0, 1.0, 7)
    value, (back,) = jit.vjp(tall)((X,), g)
    close(value, tall(X))
    close(back, ag.vjp(tall, X)[1](g)[0])
    for name in ("jacobian", "jacfwd", "jacrev"):
        close(getattr(jit, name)(tall)(X), getattr(ag, name)(tall)(X))
    close(jit.hessian(energy)(X), ag.hessian(energy)(X))
    close(jit.hvp(energy)(X, V), ag.hvp(energy)(X, V))
    two = jit.hvp(lambda x, y: np.sum(x * x * y), argnums=(0, 1), threads=1)
    close(two(X, V, (V, X)), (2 * V * V + 2 * X * X, 2 * X * V))


# ---- forward mode costs what it should ----


def test_nothing_is_left_of_the_sweep_that_is_swept():
    f = lambda x: np.exp(np.sin(x)) * x
    graph = jit.jvp(f).graph((X,), (V,))
    names = [equation.primitive.name for equation in graph.equations]
    assert sorted(names) == ["add", "cos", "exp", "mul", "mul", "mul", "mul", "mul", "sin"]
    graph = jit.jvp(lambda x: Y @ x).graph((X,), (V,))
    assert [equation.primitive.name for equation in graph.equations] == ["matmul", "matmul"]


def test_the_linear_part_alone_is_in_the_loop_over_columns():
    x = np.linspace(-1.0, 1.0, 50)
    graph = jit.jacfwd(lambda x: np.tanh(ag.concatenate([x, x * x]))).graph(x)
    assert "tanh" not in str(graph.equations[-1].params)
    assert len(graph.equations) < 20


def test_eager_forward_mode_runs_the_function_once():
    calls = []

    def f(x):
        calls.append(x)
        return tall(x)

    ag.jacobian(f)(X)
    ag.jacrev(f)(X)
    assert len(calls) == 2


# ---- through loops, compiled calls, and in one another ----


def growth(x):
    last, sums = ag.scan(lambda c, _: (c + 0.1 * np.sin(c) * c[::-1], np.sum(c)), x, length=6)
    return ag.concatenate([last, sums])


@both
def test_through_loops(run):
    jac = differences(growth, X)
    close(run(lambda x, v: ag.jvp(growth, (x,), (v,))[1])(X, V), jac @ V, rtol=1e-7)
    close(run(ag.jacfwd(growth))(X), jac, rtol=1e-7)
    close(run(ag.jacrev(growth))(X), run(ag.jacfwd(growth))(X))
    square = lambda x: np.sum(growth(x) ** 2)
    close(run(ag.hessian(square))(X), differences(lambda x: ag.grad(square)(x), X), rtol=1e-6)
    close(run(ag.hvp(square))(X, V), run(ag.hessian(square))(X) @ V)


def test_many_columns_through_a_loop():
    x = np.linspace(0.1, 1.0, 7)
    square = lambda x: np.sum(growth(x) ** 2)
    close(jit.jacfwd(growth)(x), ag.jacfwd(growth)(x))
    close(jit.hessian(square)(x), ag.hessian(square)(x))
    close(jit.jacfwd(jit.grad(square))(x), ag.hessian(square)(x))


def test_loops_of_python_are_loops_forwards_too():
    def f(x):
        for _ in range(60):
            x = x + 0.01 * np.sin(x) * x[::-1]
        return x

    graph = jit.jvp(f).graph((X,), (V,))
    assert "60 times" in str(graph)
    assert len(graph.equations) < 10
    close(jit.jvp(f)((X,), (V,))[1], ag.jvp(f, (X,), (V,))[1])


def test_of_compiled_functions():
    compiled = jit.compile(tall)
    close(ag.jacobian(compiled)(X), ag.jacobian(tall)(X))
    close(ag.jacfwd(compiled)(X), ag.jacobian(tall)(X))
    close(ag.jvp(compiled, (X,), (V,))[1], ag.jvp(tall, (X,), (V,))[1])
    close(ag.hessian(jit.compile(energy))(X), ag.hessian(energy)(X))
    close(ag.hvp(jit.compile(energy))(X, V), ag.hvp(energy)(X, V))
    close(jit.jacobian(jit.jacobian(energy))(X), ag.hessian(energy)(X))


@both
def test_derivatives_of_derivatives(run):
    along = lambda x: np.sum(ag.jvp(tall, (x,), (x,))[1] ** 2)
    close(run(ag.grad(along))(X), differences(along, X), rtol=1e-6)
    for j in (ag.jacfwd, ag.jacrev):
        of = lambda x, j=j: np.sum(j(tall)(x) ** 2)
        close(run(ag.grad(of))(X), differences(of, X), rtol=1e-6)
    of = lambda x: np.sum(ag.hessian(energy)(x) ** 2)
    close(run(ag.grad(of))(X), differences(of, X), rtol=1e-6)
    long = np.linspace(-1.0, 1.0, 6)
    close(run(ag.grad(of))(long), differences(of, long), rtol=1e-6)
    by_vector = lambda v: np.sum(ag.jvp(tall, (X,), (v,))[1] ** 3)
    close(run(ag.grad(by_vector))(V), differences(by_vector, V), rtol=1e-6)
    third = ag.jvp(lambda x: ag.jvp(lambda x: ag.jvp(np.sin, (x,), (1.0,))[1], (x,), (1.0,))[1], (0.7,), (1.0,))[1]
    close(third, -np.cos(0.7))


@both
def test_perturbations_are_not_confused(run):
    f = lambda x: x * ag.jvp(lambda y: x * y, (2.0,), (1.0,))[1]
    close(run(lambda x: ag.jvp(f, (x,), (1.0,))[1])(3.0), 6.0)
    g = lambda x: x * ag.jacfwd(lambda y: x + y)(1.0)
    close(run(ag.jacrev(g))(5.0), 1.0)


@both
def test_pullbacks_may_be_called_again(run):
    def f(x, g, h):
        _, pullback = ag.vjp(tall, x)
        return pullback(g)[0], pullback(h)[0]

    g, h = np.linspace(-1.0, 1.0, 7), np.ones(7)
    jac = ag.jacobian(tall)(X)
    first, second = run(f)(X, g, h)
    close(first, g @ jac)
    close(second, h @ jac)


def test_a_pullback_is_compiled_later():
    _, pullback = ag.vjp(tall, X)
    close(jit.compile(pullback)(np.ones(7))[0], np.ones(7) @ ag.jacobian(tall)(X))
    close(
        ag.grad(lambda g: np.sum(pullback(g)[0] ** 2))(np.ones(7)), 2 * (j := ag.jacobian(tall)(X)) @ j.T @ np.ones(7)
    )


# ---- structures, numbers, dtypes ----


class Pair(NamedTuple):
    """A structure of two arrays."""

    a: np.ndarray
    b: float


@both
def test_structures(run):
    f = lambda p, scale: {"product": p.a * p.b * scale, "both": [np.sum(p.a), p.b**2]}
    p = Pair(X, 2.0)
    jac = run(ag.jacobian(f, (0, 1)))(p, 3.0)
    by_pair, by_scale = jac["product"]
    assert type(by_pair) is Pair
    close(by_pair.a, 6.0 * np.eye(3))
    close(by_pair.b, 3.0 * X)
    close(by_scale, 2.0 * X)
    close(jac["both"][0][0].a, np.ones(3))
    close(jac["both"][0][0].b, 0.0)
    close(jac["both"][1][0].b, 4.0)
    close(jac["both"][1][1], 0.0)
    value, tangent = run(lambda p, v: ag.jvp(f, (p, 3.0), (v, 0.0)))(p, Pair(V, 1.0))
    close(value["product"], 6.0 * X)
    close(tangent["product"], 6.0 * V + 3.0 * X)
    close(tangent["both"], [np.sum(V), 4.0])
    matrix = run(ag.hessian(lambda p: np.sum(p.a**2) * p.b))(p)
    close(matrix.a.a, 4.0 * np.eye(3))
    close(matrix.a.b, 2.0 * X)
    close(matrix.b.a, 2.0 * X)
    close(matrix.b.b, 0.0)


@both
def test_numbers_in_numbers_out(run):
    cube = lambda x: x**3
    for found, expected in (
        (run(ag.jacobian(cube))(2.0), 12.0),
        (run(ag.jacfwd(cube))(2.0), 12.0),
        (run(ag.hessian(cube))(2.0), 12.0),
        (run(ag.hvp(cube))(2.0, 3.0), 36.0),
        (run(lambda x, v: ag.jvp(cube, (x,), (v,)))(2.0, 3.0), (8.0, 36.0)),
    ):
        assert type(found) is type(expected)
        close(found, expected)


def test_tensors_in_tensors_out():
    x = ag.tensor(X)
    for found in (ag.jacobian(tall)(x), ag.hessian(energy)(x), ag.hvp(energy)(x, x), *ag.jvp(tall, (x,), (V,))):
        assert isinstance(found, Tensor)
        assert not found.requires_grad
    x = ag.tensor(X, requires_grad=True)
    ag.jacfwd(tall)(x).sum().backward()
    close(x.grad, ag.grad(lambda x: np.sum(ag.jacrev(tall)(x)))(X))
    v = ag.tensor(V, requires_grad=True)
    ag.jvp(tall, (X,), (v,))[1].sum().backward()
    close(v.grad, ag.jacobian(tall)(X).sum(0))


@both
def test_float32(run):
    x, v = X.astype(np.float32), V.astype(np.float32)
    assert run(ag.jacfwd(tall))(x).dtype == np.float32
    assert run(ag.jacrev(tall))(x).dtype == np.float32
    assert run(ag.hessian(energy))(x).dtype == np.float32
    assert run(ag.hvp(energy))(x, V).dtype == np.float32
    assert run(lambda x, v: ag.jvp(tall, (x,), (v,)))(x, v)[1].dtype == np.float32
    close(run(ag.jacfwd(tall))(x), ag.jacobian(tall)(X).astype(np.float32), rtol=2e-6)


@both
def test_single_numbers_and_nothing(run):
    zero = np.array(0.5)
    assert run(ag.jacobian(lambda x: x * x))(zero).shape == ()
    assert run(ag.jacobian(lambda x: x * X))(zero).shape == (3,)
    none = np.zeros((0, 2))
    assert run(ag.jacfwd(lambda x: x * x))(none).shape == (0, 2, 0, 2)
    assert run(ag.jacrev(lambda x: np.sum(x, axis=0)))(none).shape == (2, 0, 2)
    assert run(ag.hessian(lambda x: np.sum(x * x)))(none).shape == (0, 2, 0, 2)


@both
def test_what_does_not_depend(run):
    close(run(ag.jacobian(lambda x: np.ones(2)))(X), np.zeros((2, 3)))
    same, constant = run(ag.jacfwd(lambda x: (x, 3.0)))(X)
    close(same, np.eye(3))
    close(constant, np.zeros(3))
    close(run(ag.hessian(lambda x: np.sum(x)))(X), np.zeros((3, 3)))
    close(run(lambda x, v: ag.jvp(lambda x: ops.stop_gradient(x), (x,), (v,))[1])(X, V), np.zeros(3))
    twice = run(lambda x, v: ag.jvp(lambda x: (x, x), (x,), (v,))[1])(X, V)
    close(twice[0], V)
    close(twice[1], V)


def test_results_are_the_callers_own():
    v = V.copy()
    _, tangent = ag.jvp(lambda x: x, (X,), (v,))
    tangent[:] = 7.0
    (back,) = ag.vjp(lambda x: x, X)[1](v)
    back[:] = 7.0
    close(v, V)


def test_where_python_decides():
    f = lambda x: x**2 if x > 0 else -x
    tangent = jit.jvp(f)
    assert tangent((3.0,), (1.0,)) == (9.0, 6.0)
    assert tangent((-3.0,), (1.0,)) == (3.0, -1.0)


def test_complex_products():
    z, v = np.array([1.0 + 2.0j, -0.5j]), np.array([0.5 - 1.0j, 2.0 + 0.0j])
    close(ag.jvp(lambda z: z * z * z, (z,), (v,))[1], 3 * z * z * v)


# ---- PyTorch's forms ----


def pair(x, y):
    """Two outputs of two inputs of shapes [3] and [2, 3]: of shapes [2] and []."""
    return y @ (x * x), np.sum(y) * np.sum(x)


TX, TY = ag.tensor(X), ag.tensor(Y)


def shapes(tree):
    return tuple(shapes(part) for part in tree) if isinstance(tree, tuple) else tree.shape


def test_shapes_of_pytorch():
    one, square = (lambda x: x * x), (lambda x, y: np.sum(y @ (x * x)))
    assert shapes(functional.jacobian(one, TX)) == (3, 3)
    assert shapes(functional.jacobian(one, (TX,))) == ((3, 3),)
    assert shapes(functional.jacobian(lambda x: (x * x, np.sum(x)), TX)) == ((3, 3), (3,))
    assert shapes(functional.jacobian(square, (TX, TY))) == ((3,), (2, 3))
    assert shapes(functional.jacobian(pair, (TX, TY))) == (((2, 3), (2, 2, 3)), ((3,), (2, 3)))
    assert shapes(functional.hessian(lambda x: np.sum(x**3), TX)) == (3, 3)
    assert shapes(functional.hessian(lambda x: np.sum(x**3), (TX,))) == (((3, 3),),)
    assert shapes(functional.hessian(square, (TX, TY))) == (((3, 3), (3, 2, 3)), ((2, 3, 3), (2, 3, 2, 3)))
    g = (ag.ones(2), ag.tensor(1.0))
    assert shapes(functional.vjp(pair, (TX, TY), g)) == (((2,), ()), ((3,), (2, 3)))
    assert shapes(functional.jvp(pair, (TX, TY), (TX, TY))) == (((2,), ()), ((2,), ()))
    assert shapes(functional.vhp(square, (TX, TY), (TX, TY))) == ((), ((3,), (2, 3)))
    assert shapes(functional.hvp(square, (TX, TY), (TX, TY))) == ((), ((3,), (2, 3)))
    assert shapes(functional.hvp(lambda x: np.sum(x**3), TX, TX)) == ((), (3,))


def test_values_of_pytorch():
    forward = functional.jacobian(pair, (TX, TY), strategy="forward-mode")
    reverse = functional.jacobian(pair, (TX, TY))
    for k in range(2):
        for j in range(2):
            close(forward[k][j], reverse[k][j])
    close(reverse[0][0], 2 * Y * X)
    close(reverse[1][1], np.full((2, 3), X.sum()))
    outputs, back = functional.vjp(pair, (TX, TY), (np.array([1.0, 2.0]), 3.0))
    close(outputs[0], Y @ X**2)
    close(back[0], np.array([1.0, 2.0]) @ (2 * Y * X) + 3 * Y.sum())
    _, tangent = functional.jvp(pair, (TX, TY), (V, np.zeros((2, 3))))
    close(tangent[0], (2 * Y * X) @ V)
    close(tangent[1], Y.sum() * V.sum())
    value, product = functional.vhp(energy, X, V)
    close(value, energy(X))
    close(product, ag.hessian(energy)(X) @ V)
    close(functional.hvp(energy, X, V)[1], product)
    close(functional.hessian(energy, X), ag.hessian(energy)(X))
    close(functional.vjp(lambda x: np.sum(x**2), TX)[1], 2 * X)
    close(functional.jvp(lambda x: x * X, 2.0)[1], X)


def test_graphs_are_created_if_asked_for():
    x = ag.tensor(X, requires_grad=True)
    for make in (
        lambda c: functional.jacobian(tall, x, create_graph=c),
        lambda c: functional.jacobian(tall, x, create_graph=c, strategy="forward-mode"),
        lambda c: functional.hessian(energy, x, create_graph=c),
        lambda c: functional.vjp(tall, x, np.ones(7), create_graph=c)[1],
        lambda c: functional.jvp(tall, x, V, create_graph=c)[1],
        lambda c: functional.hvp(energy, x, V, create_graph=c)[1],
        lambda c: functional.hvp(energy, x, V, create_graph=c)[0],
    ):
        assert not make(False).requires_grad
        made = make(True)
        assert made.requires_grad
        assert np.any(ag.grad(made.sum(), [x])[0].data)
    g = ag.tensor(np.ones(7), requires_grad=True)
    back = functional.vjp(tall, x, g, create_graph=True)[1]
    close(ag.grad(back.sum(), [g])[0], ag.jacobian(tall)(X).sum(1))


def test_pytorch_forms_compiled():
    x = np.linspace(-1.0, 1.0, 6)
    close(jit.compile(lambda x: functional.jacobian(tall, x))(x), ag.jacobian(tall)(x))
    close(jit.compile(lambda x: functional.hessian(energy, x))(x), ag.hessian(energy)(x))
    value, product = jit.compile(lambda x, v: functional.hvp(energy, x, v))(x, x)
    close(value, energy(x))
    close(product, ag.hessian(energy)(x) @ x)
    of = lambda x: np.sum(functional.jacobian(tall, x, create_graph=True) ** 2)
    close(jit.grad(of)(x), differences(of, x), rtol=1e-6)


def test_strict():
    f = lambda x, y: (x * 2.0, np.sum(y) * x)
    assert shapes(functional.jacobian(f, (TX, TY))) == (((3, 3), (3, 2, 3)), ((3, 3), (3, 2, 3)))
    for strategy in ("reverse-mode", "forward-mode"):
        with pytest.raises(RuntimeError, match="with `strict=True`: output 0 of `<lambda>` does not depend on input 1"):
            functional.jacobian(f, (TX, TY), strict=True, strategy=strategy)
    with pytest.raises(RuntimeError, match="the value of `<lambda>` does not depend on input 1"):
        functional.vjp(lambda x, y: x, (TX, TY), V, strict=True)
    with pytest.raises(RuntimeError, match="output 1 of `<lambda>` does not depend on the inputs"):
        functional.jvp(lambda x: (x, ag.ones(2)), TX, V, strict=True)
    with pytest.raises(RuntimeError, match="`the gradient of <lambda>` does not depend on input 0"):
        functional.hvp(lambda x: np.sum(x), TX, V, strict=True)
    with pytest.raises(RuntimeError, match="a derivative of `<lambda>` does not depend on the inputs; leave `strict`"):
        functional.jacobian(lambda x: 2.0 * x, TX, create_graph=True, strict=True)
    functional.jacobian(tall, TX, create_graph=True, strict=True)
    functional.hessian(energy, TX, strict=True)


# ---- errors ----


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: ag.jacobian(tall)(np.arange(3)),
            TypeError,
            "needs floating-point arguments, got int64 for argument 0",
        ),
        (lambda: ag.jacobian(3.0), TypeError, "`jacobian` needs a function and positions of arguments, got 3.0"),
        (lambda: ag.hessian(tall, "x"), TypeError, "`hessian` needs a function and positions of arguments"),
        (lambda: ag.jacfwd(tall, 1)(X), TypeError, "by argument 1 needs that argument, got 1"),
        (lambda: ag.jacobian(lambda x: x > 0)(X), TypeError, "needs floating-point results, got bool; return tensors"),
        (lambda: ag.jacobian(lambda x: None)(X), TypeError, "needs floating-point results, got NoneType"),
        (lambda: ag.jacobian(lambda x: x)(X + 1j), TypeError, "needs real arguments, got complex128; use `vjp` or"),
        (lambda: ag.hessian(tall)(X), ValueError, "needs a single number, got shape"),
        (lambda: ag.hvp(energy)(X), TypeError, "needs the arguments of the function and a vector after them, got 1"),
        (lambda: ag.hvp(energy)(X, V[:2]), ValueError, "`hvp` needs a vector of shape (3,), got (2,); reshape"),
        (lambda: ag.jvp(tall, X, V), TypeError, "write `jvp(f, (x,), (v,))`"),
        (lambda: ag.jvp(tall, (X,), (V, V)), TypeError, "`jvp` needs a tangent of the structure of what it belongs to"),
        (lambda: ag.jvp(tall, (X,), (V[:1],)), ValueError, "`jvp` needs a tangent of shape (3,), got (1,)"),
        (lambda: ag.jvp(tall, (X,), (V * 1j,)), TypeError, "needs a tangent of float64, got complex128; convert it"),
        (lambda: ag.vjp(tall, X)[1](V), ValueError, "`vjp` needs a cotangent of shape (7,), got (3,)"),
        (lambda: ag.vjp(3, X), TypeError, "`vjp` needs a function, got int"),
        (lambda: functional.vjp(tall, TX), RuntimeError, "`vjp` needs `v` unless the output is a single number, got 1"),
        (lambda: functional.jvp(tall, TX), RuntimeError, "`jvp` needs `v` unless the input is a single number, got 1"),
        (lambda: functional.jvp(tall, TX, (V, V)), ValueError, "`jvp` needs `v` of shape (3,), got (2, 3)"),
        (lambda: functional.vjp(pair, (TX, TY), (V,)), ValueError, "needs `v` for each of 2 outputs, got 1"),
        (lambda: functional.hessian(tall, TX), RuntimeError, "`hessian` needs a function that returns a single number"),
        (lambda: functional.jacobian(tall, [1, 2]), TypeError, "needs floating-point inputs, got int64 for input 0"),
        (
            lambda: functional.jacobian(tall, TX, strategy="both"),
            ValueError,
            "of 'reverse-mode' or 'forward-mode', got",
        ),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        call()


# ---- the check of forward mode ----


def test_gradcheck_of_forward_mode():
    assert gradcheck(tall, X, check_forward=True)
    assert gradcheck(pair, (X, Y), check_forward=True)
    assert gradcheck(lambda x: (x * 2.0, ag.ones(2)), X, check_forward=True)
    assert ag.gradcheck(jit.compile(tall), X, check_forward=True)
    assert ag.gradgradcheck(jit.compile(tall), X)


@pytest.fixture
def nonlinear():
    """A rule that is right for the cotangent one alone."""
    yield Primitive("nonlinear", eval=lambda x: x * x, aval=lambda x: x, vjps=(lambda g, _, x: g * g * 2.0 * x,))
    del PRIMITIVES["nonlinear"]


def test_gradcheck_finds_a_rule_that_has_no_transpose(nonlinear):
    assert gradcheck(nonlinear, X)
    with pytest.raises(GradcheckError, match=r"by input 0 at \(2,\): finite differences say 4, forward mode says 0"):
        gradcheck(nonlinear, X, check_forward=True)
