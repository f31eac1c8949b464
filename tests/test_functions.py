"""The functions of elements and the reductions, against NumPy and SciPy."""

import numpy as np
import pytest
from scipy import special

import autograd as ag
from autograd import functions as F
from autograd.gradcheck import gradgradcheck
from autograd.tape import Node
from tests.compare import agrees, same

SHAPES = [(), (3,), (2, 3), (2, 1, 3), (2, 0), (0,)]
NONEMPTY = [(), (3,), (2, 3), (2, 1, 3)]


def axes_for(shape):
    """No axis, each axis from both ends, pairs and the empty tuple."""
    ndim = len(shape)
    pairs = [(0, -1)] if ndim > 1 else []
    return [None, (), *range(-ndim, ndim), *pairs]


def reductions(shapes):
    return [(shape, axis, keep) for shape in shapes for axis in axes_for(shape) for keep in (False, True)]


def positive(rng, shape):
    return rng.uniform(0.5, 2.0, shape)


# ---- reductions ----


@pytest.mark.parametrize(("shape", "axis", "keepdims"), reductions(SHAPES))
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_sums_and_products(rng, name, shape, axis, keepdims):
    agrees(
        lambda x: getattr(F, name)(x, axis, keepdims),
        lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims),
        positive(rng, shape),
    )


@pytest.mark.parametrize(("shape", "axis", "keepdims"), reductions(NONEMPTY))
@pytest.mark.parametrize("name", ["max", "min", "mean", "var", "std"])
def test_extrema_and_moments(rng, name, shape, axis, keepdims):
    single = np.sum(np.ones(shape), axis).max() == 1
    agrees(
        lambda x: getattr(F, name)(x, axis=axis, keepdims=keepdims),
        lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims),
        positive(rng, shape),
        gradient=not (name == "std" and single),
    )


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("ddof", [1, 0.5])
def test_delta_degrees_of_freedom(rng, name, ddof):
    x = positive(rng, (3, 4))
    agrees(lambda x: getattr(F, name)(x, 1, ddof), lambda x: getattr(np, name)(x, axis=1, ddof=ddof), x)


def test_deviation_of_equal_elements_has_a_zero_gradient():
    x = ag.Tensor(np.full(3, 2.0), requires_grad=True)
    out = F.std(x)
    out.backward()
    assert out.data == 0
    np.testing.assert_array_equal(x.grad.data, np.zeros(3))


@pytest.mark.parametrize(("shape", "axis", "keepdims"), reductions(SHAPES))
@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("dtype", [bool, float])
def test_any_and_all(rng, name, dtype, shape, axis, keepdims):
    agrees(
        lambda x: getattr(F, name)(x, axis, keepdims),
        lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims),
        rng.integers(0, 2, shape).astype(dtype),
        gradient=False,
        replayed=dtype is bool,
    )


@pytest.mark.parametrize("shape", NONEMPTY)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions(rng, name, shape, keepdims):
    for axis in [None, *range(-len(shape), len(shape))]:
        agrees(
            lambda x, axis=axis: getattr(F, name)(x, axis, keepdims),
            lambda x, axis=axis: getattr(np, name)(x, axis=axis, keepdims=keepdims),
            positive(rng, shape),
            gradient=False,
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_running_sums(rng, shape):
    for axis in [None, *range(-len(shape), len(shape))]:
        agrees(
            lambda x, axis=axis: F.cumsum(x, axis),
            lambda x, axis=axis: np.cumsum(x, axis),
            positive(rng, shape),
        )


@pytest.mark.parametrize(("shape", "axis", "keepdims"), reductions(NONEMPTY))
def test_logsumexp(rng, shape, axis, keepdims):
    agrees(
        lambda x: F.logsumexp(x, axis, keepdims),
        lambda x: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
        rng.normal(size=shape),
    )


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(("shape", "axis"), [(s, a) for s in NONEMPTY for a in axes_for(s) if a != ()])
def test_softmax(rng, name, shape, axis):
    agrees(
        lambda x: getattr(F, name)(x, axis),
        lambda x: getattr(special, name)(x, axis=axis),
        rng.normal(size=shape),
    )


def test_softmax_of_nothing_is_empty():
    same(F.softmax(np.zeros((2, 0))), np.zeros((2, 0)))
    same(F.log_softmax(np.zeros((2, 0), int)), np.zeros((2, 0)))


def test_logsumexp_neither_overflows_nor_loses_infinite_rows():
    x = np.array([[-np.inf, -np.inf], [1e4, 1e4], [-np.inf, 3.0], [np.inf, 0.0], [np.nan, 0.0]])
    t = ag.Tensor(x, requires_grad=True)
    out = F.logsumexp(t, axis=1)
    same(out.data, np.array([-np.inf, 1e4 + np.log(2), 3.0, np.inf, np.nan]))
    F.sum(out[:3]).backward()
    np.testing.assert_array_equal(t.grad.data[:3], [[0, 0], [0.5, 0.5], [0, 1]])
    same(F.logsumexp(np.zeros((2, 0)), axis=1), np.full(2, -np.inf))
    same(F.logsumexp(ag.Tensor(np.zeros(2, np.float32))).data, np.float32(np.log(2)))


@pytest.mark.parametrize("keepdims", [False, True])
def test_weighted_means(rng, keepdims):
    x, w, v = positive(rng, (2, 3)), positive(rng, (2, 3)), positive(rng, 3)
    agrees(
        lambda x, w: F.average(x, 1, w, keepdims),
        lambda x, w: np.average(x, axis=1, weights=w, keepdims=keepdims),
        x,
        w,
    )
    agrees(
        lambda x, w: F.average(x, 1, w, keepdims),
        lambda x, w: np.average(x, axis=1, weights=w, keepdims=keepdims),
        x,
        v,
    )
    agrees(lambda x: F.average(x, None), np.mean, x)
    with pytest.raises(ValueError, match=r"`average` needs weights of the shape of `x`, \(2, 3\)"):
        F.average(x, None, v)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "cumsum"])
def test_reductions_keep_to_the_dtypes_of_numpy(rng, name, dtype):
    x = rng.integers(0, 2, (2, 3)).astype(dtype)
    expected = getattr(np, name)(x, axis=0)
    same(getattr(F, name)(x, axis=0), expected, rtol=1e-6)
    same(getattr(F, name)(ag.Tensor(x), axis=0).data, expected, rtol=1e-6)


def test_warnings_are_those_of_numpy():
    with pytest.warns(RuntimeWarning, match="invalid value"):
        F.mean(np.zeros((0,)))


# ---- each element ----


@pytest.mark.parametrize(
    ("low", "high"), [(0.9, 1.5), (None, 1.5), (0.9, None), (None, None), (np.array([[0.9], [1.1]]), 1.6)]
)
def test_clip(rng, low, high):
    x = positive(rng, (2, 3))
    agrees(
        lambda x: F.clip(x, low, high),
        lambda x: np.clip(x, low, high) if low is not None or high is not None else x,
        x,
    )


def test_clip_by_tensors(rng):
    x = positive(rng, (2, 3))
    agrees(lambda x, y: F.clip(x, y), lambda x, y: np.clip(x, y, None), x, np.array([1.0, 0.1, 1.2]))
    agrees(lambda x, y: F.clip(x, None, y), lambda x, y: np.clip(x, None, y), x, np.array([1.0, 0.1, 1.2]))


def test_clip_gives_the_gradient_at_a_bound_to_the_argument():
    x = ag.Tensor(np.array([0.0, 1.0, 2.0]), requires_grad=True)
    F.clip(x, 0.0).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.ones(3))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float32])
@pytest.mark.parametrize("bounds", [(None, 1), (1, None), (0, 1)])
def test_clip_keeps_the_dtype_that_numpy_gives(dtype, bounds):
    x = np.array([0, 1, 1]).astype(dtype)
    same(F.clip(x, *bounds), np.clip(x, *bounds))
    same(F.clip(ag.Tensor(x), *bounds).data, np.clip(x, *bounds))


def test_where(rng):
    x, y = positive(rng, (2, 3)), positive(rng, 3)
    mask = x > 1
    agrees(lambda x, y: F.where(mask, x, y), lambda x, y: np.where(mask, x, y), x, y)
    agrees(lambda x: F.where([True, False, True], x, 0), lambda x: np.where([True, False, True], x, 0), x)
    single = ag.Tensor(np.ones(2, np.float32))
    assert F.where([True, False], single, 0.0).dtype == np.float32
    with pytest.raises(TypeError, match="missing 2 required"):
        F.where(mask)


@pytest.mark.parametrize("decimals", [0, 1, -1])
@pytest.mark.parametrize("dtype", [float, np.float32, int])
def test_round(rng, decimals, dtype):
    x = (rng.normal(size=7) * 20).astype(dtype)
    same(F.round(x, decimals), np.round(x, decimals))
    same(round(ag.Tensor(x), decimals).data, np.round(x, decimals))
    same(F.round(F.round(x, decimals), decimals), np.round(x, decimals))


def test_conversion_to_another_float_keeps_the_gradient_and_to_an_integer_cuts_it():
    x = ag.Tensor(np.array([1.5, -2.5]), requires_grad=True)
    (x.astype(np.float32) * 3).sum().backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad.data, [3, 3])
    for dtype in (int, bool, np.uint8):
        if dtype is not np.uint8:
            same(x.astype(dtype).data, x.data.astype(dtype))
        assert not abs(x).astype(dtype).requires_grad
    assert x.astype(float) is x
    assert x.float().dtype == np.float32
    assert x.float().double().dtype == np.float64


@pytest.mark.parametrize("name", ["negative", "absolute", "rint"])
def test_names_of_numpy_with_one_argument(rng, name):
    agrees(getattr(F, name), getattr(np, name), positive(rng, 3))


@pytest.mark.parametrize("name", ["subtract", "multiply", "divide", "true_divide", "power"])
def test_names_of_numpy_with_two_arguments(rng, name):
    agrees(getattr(F, name), getattr(np, name), positive(rng, (2, 3)), positive(rng, 3))


# ---- what goes in ----


def test_lists_that_hold_tensors_become_tensors():
    x, y = ag.Tensor(2.0, requires_grad=True), ag.Tensor(3.0, requires_grad=True)
    total = F.sum([[x, 1.0], [y, x]])
    total.backward()
    assert (total.data, x.grad.data, y.grad.data) == (8.0, 2.0, 1.0)


def test_every_public_name_is_there_and_documented():
    assert sorted(F.__all__) == sorted(set(F.__all__))
    for name in F.__all__:
        assert callable(getattr(F, name))
        assert getattr(F, name).__doc__


# ---- errors ----


AXIS = [
    "sum", "prod", "max", "min", "argmax", "argmin", "any", "all", "mean", "var", "std", "cumsum",
    "logsumexp", "softmax", "log_softmax", "average", "squeeze", "flip", "diff",
]  # fmt: skip


@pytest.mark.parametrize("name", AXIS)
def test_an_axis_out_of_range_is_named_with_its_function_and_the_rank(name):
    message = f"`{name}` needs an axis between -2 and 1 for an array of rank 2, got 2"
    for x in (np.ones((2, 3)), ag.Tensor(np.ones((2, 3)))):
        with pytest.raises(np.exceptions.AxisError, match=message):
            getattr(F, name)(x, axis=2)


def test_an_axis_of_a_single_number_and_an_axis_given_twice():
    with pytest.raises(np.exceptions.AxisError, match=r"`sum` needs an array that has axes, got a single .* axis 0"):
        F.sum(1.0, axis=0)
    with pytest.raises(ValueError, match=r"`max` needs each axis once, got \(0, -2\) for an array of rank 2"):
        F.max(np.ones((2, 3)), axis=(0, -2))
    with pytest.raises(TypeError, match="interpreted as an integer"):
        F.sum(np.ones(2), axis=0.5)


# ---- methods and operators ----


UNARY = [
    "abs", "arccos", "arcsin", "arctan", "ceil", "cos", "cosh", "exp", "expm1", "floor", "isfinite", "isinf",
    "isnan", "log", "log10", "log1p", "log2", "reciprocal", "sign", "sin", "sinh", "sqrt", "square", "tan",
    "tanh", "trunc",
]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_methods_of_each_element(rng, name):
    x = rng.uniform(0.1, 0.9, (2, 3))
    same(getattr(ag.Tensor(x), name)().data, getattr(np, name)(x))
    assert getattr(ag.Tensor, name).__doc__ == f"See `autograd.{name}`."


def test_methods_with_the_names_of_pytorch(rng):
    x, y = rng.uniform(0.1, 0.9, (2, 3)), rng.uniform(0.1, 0.9, (2, 3))
    s, t = ag.Tensor(x), ag.Tensor(y)
    same(s.add(t).data, x + y)
    same(s.sub(2).data, x - 2)
    same(s.mul(t).data, x * y)
    same(s.div(t).data, x / y)
    same(s.pow(3).data, x**3)
    same(s.neg().data, -x)
    same(s.maximum(t).data, np.maximum(x, y))
    same(s.minimum(t).data, np.minimum(x, y))
    same(s.clamp(min=0.3).data, np.clip(x, 0.3, None))
    same(s.clamp(max=0.3).data, np.clip(x, None, 0.3))
    same(s.sigmoid().data, special.expit(x))
    same(s.softplus().data, np.logaddexp(x, 0))
    same((s - 0.5).relu().data, np.maximum(x - 0.5, 0))
    same(s.erf().data, special.erf(x))
    same(s.unsqueeze(0).expand(4, -1, -1).data, np.broadcast_to(x, (4, 2, 3)))
    same(s.expand_as(ag.Tensor(np.ones((4, 2, 3)))).data, np.broadcast_to(x, (4, 2, 3)))
    same(s.permute(1, 0).data, x.T)
    same(s.flatten().data, x.ravel())
    same(s.matmul(t.mT).data, x @ y.T)


def test_methods_take_shapes_in_both_forms(rng):
    x = rng.normal(size=(2, 3))
    t = ag.Tensor(x)
    same(t.reshape(3, -1).data, x.reshape(3, -1))
    same(t.reshape((3, 2)).data, x.reshape(3, 2))
    same(t.reshape(-1).data, x.reshape(-1))
    same(t.transpose().data, x.T)
    same(t.transpose(1, 0).data, x.transpose(1, 0))
    same(t.transpose((1, 0)).data, x.transpose(1, 0))
    same(t.T.data, x.T)
    same(t.swapaxes(0, 1).data, x.T)


def test_a_tensor_is_a_sequence_of_rows():
    x = ag.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    assert len(x) == 3
    a, b, c = x
    (a * 2 + b * 3 + c).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[2, 2], [3, 3], [1, 1]])
    assert 4.0 in x
    assert 7.0 not in x
    number = ag.Tensor(1.0)
    with pytest.raises(TypeError, match="`len` needs a tensor of one axis at least, got a single number"):
        len(number)
    with pytest.raises(TypeError, match="an iteration needs a tensor of one axis at least"):
        iter(number)


def test_logical_operators_are_for_booleans():
    x = ag.Tensor([1.0, 2.0, 3.0])
    same(((x > 1) & (x < 3)).data, np.array([False, True, False]))
    same(((x < 2) | (x > 2)).data, np.array([True, False, True]))
    same(((x < 3) ^ (x > 1)).data, np.array([True, False, True]))
    same((~(x > 1)).data, np.array([True, False, False]))
    same((True & (x > 1)).data, np.array([False, True, True]))
    same((False | (x > 1)).data, np.array([False, True, True]))
    same((True ^ (x > 1)).data, np.array([True, False, False]))
    with pytest.raises(TypeError, match="`&` on tensors needs booleans, got int64 and int64; compare them first"):
        ag.Tensor([1, 2]) & ag.Tensor([1, 2])
    with pytest.raises(TypeError, match=r"`~` on tensors needs booleans, got float64.*or use `logical_not`"):
        x.__invert__()


def test_division_with_remainder():
    quotient, remainder = divmod(ag.Tensor([7.0, -7.0]), 4)
    same(quotient.data, np.array([1.0, -2.0]))
    same(remainder.data, np.array([3.0, 1.0]))
    quotient, remainder = divmod(7, ag.Tensor([4.0]))
    assert (quotient.data, remainder.data) == (1.0, 3.0)


def test_a_recorded_function_holds_nothing_but_primitives(rng):
    x = ag.Tensor(rng.normal(size=(2, 3)))
    with ag.record() as tape:
        y = F.softmax(x @ x.T, axis=-1).var(axis=0)
    assert isinstance(y.node, Node)
    assert [node.primitive.name for node in tape.nodes] == [
        "transpose", "matmul", "stop_gradient", "max", "sub", "exp", "sum", "div",
        "sum", "div", "sub", "square", "sum", "div",
    ]  # fmt: skip


# ---- gradients of gradients ----


TWICE = {
    "mean": lambda x: F.mean(x, 0),
    "var": lambda x: F.var(x, 1),
    "std": lambda x: F.std(x, 1),
    "prod": lambda x: F.prod(x, 1),
    "logsumexp": lambda x: F.logsumexp(x, 1),
    "softmax": lambda x: F.softmax(x),
    "log_softmax": lambda x: F.log_softmax(x, 0),
    "clip": lambda x: F.clip(x * x, 0.6, None),
    "einsum": lambda x: F.einsum("ij,kj,ij->ki", x, x, x),
    "tensordot": lambda x: F.tensordot(x, x * x, ([0, 1], [0, 1])),
    "indexing": lambda x: x[[0, 1, 1], ::-1] * x[x.detach().argmax(1), None],
    "pad": lambda x: F.pad(x * x, 1, "reflect"),
    "cumsum": lambda x: F.cumsum(x * x, 1),
    "diagonal": lambda x: F.diagonal(x * x, 1) * F.diag(x[0])[0, :2],
}


@pytest.mark.parametrize("name", TWICE)
def test_second_derivatives(rng, name):
    assert gradgradcheck(TWICE[name], rng.uniform(0.5, 1.5, (2, 3)))


def test_the_gradient_of_a_product_is_right_where_the_product_overflows():
    x = ag.Tensor(np.array([1e200, 1e200]), requires_grad=True)
    with np.errstate(over="ignore"):
        F.prod(x).backward()
    np.testing.assert_array_equal(x.grad.data, [1e200, 1e200])
    x = ag.Tensor(np.array([np.inf]), requires_grad=True)
    F.prod(x).backward()
    np.testing.assert_array_equal(x.grad.data, [1.0])


def test_results_without_a_gradient_do_not_ask_for_one(rng):
    x = ag.Tensor(rng.normal(size=(2, 3)), requires_grad=True)
    for out in (F.argmax(x), F.any(x), F.all(x, 0), x > 0, x.astype(int), F.argmin(x, 1, keepdims=True)):
        assert not out.requires_grad
