"""`x[...]`, `take` and their relatives, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import functions as F
from tests.compare import agrees, replay, same

X = np.arange(24.0).reshape(2, 3, 4)


def scattered(shape, key, g):
    """The gradient of `x[key]` for the cotangent `g`."""
    out = np.zeros(shape)
    np.add.at(out, key, g)
    return out


def check(x, key):
    expected = x[key]
    t = ag.Tensor(x, requires_grad=True)
    out = t[key]
    assert isinstance(out, ag.Tensor)
    same(out.data, expected)
    g = np.random.default_rng(3).normal(size=expected.shape)
    out.backward(g)
    np.testing.assert_allclose(t.grad.data, scattered(x.shape, key, g), rtol=1e-12, atol=1e-12)


KEYS = [
    0, -1, (0,), (1, 2), (1, 2, 3), (-1, -3, -4), (), ..., (..., 0), (0, ...), (0, ..., 1), slice(None),
    slice(1, None), slice(None, None, -1), slice(5, 1), (slice(None), slice(1, 3)),
    (slice(None), slice(2, 0, -2)), (slice(None), slice(None, None, -2), slice(1, None, 2)), None, (None, 0),
    (..., None), (0, None, slice(1, 2)), (slice(None), None, 1, ..., None), np.int64(1), np.array(1),
    (np.int8(1), slice(None), np.uint8(2)), [0, 1], [], [1, 0, -1, 1], (slice(None), [0, 2]), (..., [3, 0]),
    ([0, 1], [2, 0]), ([0, 1], slice(None), [3, 0]), (0, slice(None), [1, 2]), (0, [1, 2]),
    ([[0], [1]], [0, 1, 2]), (slice(None), [0, 1], [1, 2]), (slice(None), 1, [1, 2]), ([0, 1], None, [1, 2]),
    (None, [0, 1], ..., None), (slice(None), [0, 1], None), (np.array([[0, 1], [1, 0]]), ..., 0),
    ([0], ..., [1]), (slice(1, 2), [2, 1], slice(None, None, -1)), True, False, (True, 0), (0, True),
    (slice(None), True), (False, ...), (True, [0, 1]), (True, True), np.array([True, False]),
    (slice(None), [True, False, True]), X > 5, X > 100, (..., X[0, 0] > 1), (X[:, 0, 0] > 2, [0]),
    (X[:, 0, 0] > -1, slice(1, 2), [1, 3]), (0, X[0] % 2 == 0), (X[..., 0] > 4, [1]), (X[..., 0] > 4, 1),
    (1, [0, 1], X[0, 0] > 1), ([0, 1], ..., [0, 1]), ([0, 1], [0, 1], ...), (..., [0, 1], [0, 1]),
    ([0, 1], [0, 1], ..., [0, 1]), (0, [0, 1], ..., 1), (np.zeros((2, 0), int), 1), (slice(0, 0), [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_keys(key):
    check(X, key)


def test_keys_of_numbers_vectors_and_empty_arrays():
    for key in ((), ..., None, (None, ...), True, False, np.array(True)):
        check(np.array(2.0), key)
    for key in (2, -3, slice(None, None, 2), [0, 0, 1], np.array([True, False, True])):
        check(np.arange(3.0), key)
    for key in (slice(None), (..., 0), (slice(None), 1), [], np.zeros((0, 2), bool)):
        check(np.zeros((0, 2)), key)


# ---- random keys ----


def slices(n):
    bound = st.none() | st.integers(-n - 2, n + 2)
    step = st.none() | st.sampled_from([1, 2, 3, -1, -2])
    return st.builds(slice, bound, bound, step)


@st.composite
def keys(draw, shape):
    """An index that NumPy takes for arrays of that shape."""
    common = draw(st.sampled_from([(2,), (1,), (3, 1), (0,), (2, 2)]))
    arrays = [common, (1,) * len(common), common[-1:], ()]
    items = []
    axis = 0
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["slice", "slice", "integer", "array", "mask", "new", "stop"]))
        if kind == "new":
            items.append(None)
            continue
        if kind == "stop":
            break
        if kind == "slice" or n == 0:
            items.append(draw(slices(n)))
        elif kind == "integer":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            own = draw(st.sampled_from(arrays))
            size = int(np.prod(own))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
            items.append(np.array(values, int).reshape(own))
        else:
            mask = np.zeros(n, bool)
            mask[draw(st.integers(0, n - 1))] = True
            items.append(mask)
        axis += 1
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), ...)
    return tuple(items)


@settings(max_examples=250)
@given(st.data())
def test_random_keys(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=4)))
    key = data.draw(keys(shape))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    try:
        x[key]
    except IndexError:
        with pytest.raises(IndexError):
            ag.Tensor(x)[key]
    else:
        check(x, key)


# ---- what is recorded ----


RECORDED = [
    (0, ["slice"]),
    (slice(1, 2), ["slice"]),
    ((0, slice(1, None), 2), ["slice"]),
    ((..., None), ["reshape"]),
    ([1, 0], ["gather"]),
    (([1, 0], [2, 0]), ["gather"]),
    ((slice(None), [1, 0]), ["transpose", "gather", "transpose"]),
    ((0, [1, 0]), ["slice", "gather"]),
    (X > 3, ["reshape", "gather"]),
    (X[:, 0, 0] > 3, ["gather"]),
    (slice(None), []),
    (..., []),
]


@pytest.mark.parametrize(("key", "names"), RECORDED, ids=str)
def test_an_index_records_few_primitives(key, names):
    with ag.record() as tape:
        ag.Tensor(X)[key]
    assert [node.primitive.name for node in tape.nodes] == names


def replayed(function, inputs, others):
    """What a tape of the function gives at other values, beside the function itself there."""
    tensors = [ag.Tensor(x) for x in inputs]
    with ag.record() as tape:
        out = function(*tensors)
    assert not tape.guards
    return replay(tape, tensors, others)[out.node], function(*others)


DYNAMIC = [
    lambda x, i: x[i],
    lambda x, i: x[:, i],
    lambda x, i: x[0, i],
    lambda x, i: x[..., i],
    lambda x, i: x[:, i, 1:],
    lambda x, i: x[i, i],
    lambda x, i: x[i, :, i],
    lambda x, i: x[1, i, :2],
    lambda x, i: x[i, None],
]


@pytest.mark.parametrize("function", DYNAMIC)
@pytest.mark.parametrize("index", [0, -1, [0, 1, 1], [[1], [-1]]], ids=str)
def test_integer_tensors_as_indices_are_inputs(function, index):
    other = np.asarray(index) * -1
    found, expected = replayed(function, [X, np.asarray(index)], [X * 2, other])
    same(found, expected)
    same(function(ag.Tensor(X), ag.Tensor(np.asarray(index, np.int8))).data, function(X, np.asarray(index)))


def test_the_result_of_argmax_is_an_index():
    x = np.array([[1.0, 5.0, 2.0], [7.0, 3.0, 4.0]])

    def largest(x):
        rows = np.arange(2)
        return x[rows, F.argmax(x, axis=1)] + F.take(x[0], F.argmax(x[1]))

    found, expected = replayed(largest, [x], [-x])
    same(found, expected)


def test_an_array_is_indexed_by_tensors():
    x, i = np.arange(5.0), ag.Tensor([3, 1])
    same(F.take(x, i).data, x[[3, 1]])
    x = ag.Tensor(x, requires_grad=True)
    F.sum(x[i] * [1.0, 2.0]).backward()
    np.testing.assert_array_equal(x.grad.data, [0, 2, 0, 1, 0])
    same(x[[ag.Tensor(3), 1]].data, x.data[[3, 1]])


def test_a_mask_of_a_tensor_is_guarded():
    x = ag.Tensor(np.array([1.0, -2.0, 3.0]))
    with ag.record() as tape:
        mask = x > 0
        out = x[mask]
    same(out.data, np.array([1.0, 3.0]))
    (guard,) = tape.guards
    assert guard.node is mask.node
    np.testing.assert_array_equal(guard.value, [True, False, True])


def test_bounds_that_are_tensors_are_guarded():
    x, n = ag.Tensor(np.arange(5.0)), ag.Tensor(2)
    with ag.record() as tape:
        out = x[n : n + 2]
    same(out.data, np.array([2.0, 3.0]))
    assert [guard.value for guard in tape.guards] == [2, 4]


def test_an_index_array_is_read_where_it_is():
    index = np.array([0, 1])
    x = ag.Tensor(X)
    with ag.record() as tape:
        x[index]
    assert tape.nodes[0].inputs[1] is index


# ---- functions ----


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("indices", [0, -1, [1, 0], [[0, 1], [-1, 0]], []], ids=str)
def test_take(axis, indices):
    indices = np.asarray(indices, int)
    agrees(lambda x: F.take(x, indices, axis), lambda x: np.take(x, indices, axis), X)
    agrees(lambda x, i: F.take(x, i, axis), lambda x, i: np.take(x, i, axis), X, indices)


@pytest.mark.parametrize("mode", ["clip", "wrap"])
def test_take_out_of_range(mode):
    indices = np.array([-5, 7, 2, -1])
    agrees(lambda x: F.take(x, indices, 1, mode), lambda x: np.take(x, indices, 1, mode=mode), X)
    agrees(lambda x, i: F.take(x, i, 1, mode), lambda x, i: np.take(x, i, 1, mode=mode), X, indices)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_take_along_an_axis(rng, axis):
    x = rng.permutation(24).reshape(2, 3, 4).astype(float)
    indices = np.argsort(x, axis)
    agrees(lambda x: F.take_along_axis(x, indices, axis), lambda x: np.take_along_axis(x, indices, axis), x)
    agrees(lambda x, i: F.take_along_axis(x, i, axis), lambda x, i: np.take_along_axis(x, i, axis), x, indices)


def test_take_along_an_axis_broadcasts(rng):
    x, indices = rng.normal(size=(2, 3)), np.array([[0, -1, 1, 2]])
    agrees(lambda x, i: F.take_along_axis(x, i, 1), lambda x, i: np.take_along_axis(x, i, 1), x, indices)


def test_compress():
    condition = [True, False, True]
    agrees(lambda x: F.compress(condition, x, 1), lambda x: np.compress(condition, x, 1), X)
    agrees(lambda x: F.compress([0, 2], x), lambda x: np.compress([0, 2], x), X)


# ---- errors ----


ERRORS = [
    (lambda x: x[2], r"index 2 is out of range for axis 0 of length 2, in shape \(2, 3, 4\)"),
    (lambda x: x[0, -4], r"index -4 is out of range for axis 1 of length 3"),
    (lambda x: x[0, 0, 0, 0], r"an index of 4 axes needs an array of as many, got shape \(2, 3, 4\)"),
    (lambda x: x[..., ...], r"an index needs one `...` at most"),
    (lambda x: x[:, :, [1, 9]], r"index 9 is out of range for axis 2 of length 4"),
    (lambda x: x[:, [-5], 0], r"index -5 is out of range for axis 1 of length 3"),
    (lambda x: x[None, [0, 3]], r"index 3 is out of range for axis 0 of length 2"),
    (lambda x: F.take(x, 5, axis=1), r"index 5 is out of range for axis 1 of length 3"),
    (
        lambda x: x[[0, 1], [0, 1, 2]],
        r"the arrays of an index need shapes that broadcast together, got \(2,\) and \(3,\)",
    ),
    (
        lambda x: x[[0.5]],
        r"an index needs integers, .* got list of float64; convert it with `.astype\(int\)`",
    ),
    (lambda x: x[1.0], r"got float of float64"),
    (lambda x: x["a"], r"got str of str"),
    (lambda x: x[ag.Tensor([0.5])], r"got Tensor of float64"),
    (
        lambda x: x[np.ones((3, 3), bool)],
        r"a mask needs the shape of the axes that it stands for, \(2, 3\), got \(3, 3\)",
    ),
    (lambda x: x[:, [True]], r"a mask needs the shape of the axes that it stands for, \(3,\), got \(1,\)"),
    (lambda x: x[ag.Tensor([5])], r"`gather`.*index 5 is out of bounds"),
]


@pytest.mark.parametrize(("call", "words"), ERRORS)
def test_errors_say_what_is_needed(call, words):
    with pytest.raises(IndexError, match=words):
        call(ag.Tensor(X))


def test_errors_of_functions():
    with pytest.raises(TypeError, match=r"`take` needs indices that are integers, got bool; `x\[mask\]` picks by"):
        F.take(X, [True, False])
    with pytest.raises(ValueError, match='`take` needs a mode of "raise", "clip", "wrap", got \'no\''):
        F.take(X, 0, mode="no")
    with pytest.raises(np.exceptions.AxisError, match=r"`take` needs an axis between -3 and 2 .* got 3"):
        F.take(X, 0, axis=3)
    with pytest.raises(ValueError, match="`take_along_axis` needs indices of the rank of `x`"):
        F.take_along_axis(X, np.zeros(3, int), 0)
    with pytest.raises(TypeError, match="`take_along_axis` needs indices that are integers"):
        F.take_along_axis(X, X, 0)


def test_an_index_that_is_equal_but_no_integer_is_refused_although_its_equal_was_seen():
    t = ag.Tensor(X)
    assert t[1:].shape == (1, 3, 4)
    assert t[0:1].shape == (1, 3, 4)
    with pytest.raises(TypeError):
        t[1.0:]
    with pytest.raises(TypeError):
        t[0:1.0]
    assert t[1].shape == (3, 4)
    assert t[True].shape == (1, 2, 3, 4)


@pytest.mark.parametrize("bound", [np.int64(1), np.uint8(1), True, ag.Tensor(1), np.array(1)])
def test_bounds_of_a_slice_are_what_has_an_index(bound):
    t = ag.Tensor(X)
    same(t[bound:, :bound], X[1:, :1])
    same(t[..., ::bound], X)


def test_a_tensor_in_a_slice_is_a_guard_each_time():
    t = ag.Tensor(X)
    for n in (1, 2):
        with ag.record() as tape:
            assert t[: ag.tensor(n)].shape == (n, 3, 4)
        assert [guard.value for guard in tape.guards] == [n]


def test_equations_share_the_parameters_of_an_index_and_nobody_writes_to_them():
    t = ag.Tensor(X, requires_grad=True)
    y, z = t[1, ::2], t[1, ::2]
    assert y.node.params is z.node.params
    (y * z).sum().backward()
    assert y.node.params == {"index": (1, (0, 2, 2), (0, 4, 1))}
    same(t.grad, scattered(X.shape, (1, slice(None, None, 2)), 2 * X[1, ::2]))
