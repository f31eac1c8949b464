"""Functions that make tensors."""

import numpy as np
import pytest

import autograd as ag


def same(x, expected):
    expected = np.asarray(expected)
    assert isinstance(x, ag.Tensor)
    assert x.is_leaf
    assert (x.shape, x.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(x.data, expected)


@pytest.mark.parametrize(
    "data",
    [
        2,
        2.0,
        True,
        1j,
        [1, 2],
        [[1.0], [2.0]],
        (1.5, 2),
        [True, False],
        np.ones((2, 3), np.float32),
        np.int8(3),
        [],
    ],
)
def test_tensor_has_the_values_and_the_dtype(data):
    same(ag.tensor(data), data)
    same(ag.as_tensor(data), data)


def test_dtypes():
    assert ag.tensor(1.0).dtype == np.float64
    assert ag.tensor(1).dtype == np.int64
    assert ag.tensor([1, 2], np.float32).dtype == np.float32
    assert ag.tensor([1, 2], float, requires_grad=True).requires_grad
    assert ag.as_tensor(np.ones(2), np.float32).dtype == np.float32


def test_tensor_copies_and_as_tensor_shares():
    a = np.ones(2)
    x, y = ag.tensor(a), ag.as_tensor(a)
    a[0] = 5.0
    assert x.tolist() == [1.0, 1.0]
    assert y.tolist() == [5.0, 1.0]
    z = ag.tensor(y)
    a[1] = 6.0
    assert z.tolist() == [5.0, 1.0]
    assert ag.as_tensor(y) is y


def test_a_tensor_of_a_tensor():
    x = ag.tensor([1.0, 2.0])
    same(ag.tensor(x, int), [1, 2])
    assert ag.tensor(x, requires_grad=True).requires_grad
    with pytest.raises(TypeError, match=r"would cut the gradient .*`as_tensor` does, or `detach"):
        ag.tensor(ag.tensor(1.0, requires_grad=True))
    with ag.record() as tape:
        y = ag.tensor(x, requires_grad=True)
        (y * y).sum().backward()
    assert tape.nodes[0].parents == (x,)
    assert y.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("make", [ag.tensor, ag.as_tensor])
def test_lists_of_tensors_are_stacked(make):
    x = ag.tensor(2.0, requires_grad=True)
    y = make([[x, 1], [3.0, x * x]])
    assert y.tolist() == [[2.0, 1.0], [3.0, 4.0]]
    y.sum().backward()
    assert x.grad.item() == 5.0
    assert make([x, 1], np.float32).dtype == np.float32


@pytest.mark.parametrize("data", ["a", None, [None], {"a": 1}, object()])
def test_what_holds_no_numbers(data):
    with pytest.raises(TypeError, match=r"`tensor` needs numbers or booleans, got .* with elements of"):
        ag.tensor(data)


def test_lists_of_unequal_lengths():
    with pytest.raises(ValueError, match="nested lists of equal lengths"):
        ag.tensor([[1, 2], [3]])


@pytest.mark.parametrize(("make", "value"), [(ag.zeros, 0.0), (ag.ones, 1.0)])
def test_zeros_and_ones(make, value):
    for shape in [(), (3,), (2, 0), (2, 3)]:
        same(make(shape), np.full(shape, value))
        same(make(*shape), np.full(shape, value))
    same(make([2, 3], dtype=np.int32), np.full((2, 3), value, np.int32))
    assert make(2, requires_grad=True).requires_grad
    with pytest.raises(TypeError, match=r"needs a shape of integers, got \(\(2,\), <class 'int'>\); name"):
        make((2,), int)
    with pytest.raises(ValueError, match=r"needs lengths of 0 or more, got \(2, -1\)"):
        make(2, -1)
    with pytest.raises(TypeError, match="`requires_grad` needs a floating-point tensor, got int64"):
        make(2, dtype=int, requires_grad=True)


def test_empty():
    x = ag.empty(2, 3, dtype=np.float32, requires_grad=True)
    assert (x.shape, x.dtype, x.requires_grad) == ((2, 3), np.float32, True)


def test_full():
    same(ag.full((2, 2), 7), np.full((2, 2), 7))
    same(ag.full(2, 7.0), np.full(2, 7.0))
    same(ag.full((), 7.0, np.float32), np.float32(7))
    x = ag.tensor(2.0, requires_grad=True)
    y = ag.full((2, 3), x, requires_grad=True)
    y.sum().backward()
    assert x.grad.item() == 6.0


def test_likes():
    x = ag.tensor([[1.5], [2.5]], np.float32, requires_grad=True)
    same(ag.zeros_like(x), np.zeros((2, 1), np.float32))
    same(ag.ones_like(x, int), np.ones((2, 1), int))
    same(ag.full_like(x, 3), np.full((2, 1), 3, np.float32))
    same(ag.zeros_like([1, 2]), [0, 0])
    assert not ag.zeros_like(x).requires_grad
    assert ag.ones_like(x, requires_grad=True).requires_grad


def test_arange():
    for args in [(3,), (1, 3), (1.0, 2.0, 0.25), (5, 0, -2), (0,)]:
        same(ag.arange(*args), np.arange(*args))
    same(ag.arange(3, dtype=np.float32), np.arange(3, dtype=np.float32))
    same(ag.arange(ag.tensor(3)), np.arange(3))
    with ag.record() as tape:
        ag.arange(ag.tensor(3))
    assert [guard.value for guard in tape.guards] == [3]


def test_linspace():
    same(ag.linspace(0, 1, 5), np.linspace(0, 1, 5))
    same(ag.linspace(0, 1, 4, endpoint=False), np.linspace(0, 1, 4, endpoint=False))
    same(ag.linspace(-1, 1, 3, np.float32, requires_grad=True), np.linspace(-1, 1, 3, dtype=np.float32))
    start, stop = ag.tensor(1.0, requires_grad=True), ag.tensor(3.0, requires_grad=True)
    x = ag.linspace(start, stop, 5)
    np.testing.assert_allclose(x.detach().data, np.linspace(1, 3, 5))
    (x * ag.arange(5.0)).sum().backward()
    weights = np.arange(5.0)
    np.testing.assert_allclose(stop.grad.data, weights @ np.linspace(0, 1, 5))
    np.testing.assert_allclose(start.grad.data, weights @ np.linspace(1, 0, 5))


def test_eye():
    same(ag.eye(2), np.eye(2))
    same(ag.eye(2, 3, dtype=int), np.eye(2, 3, dtype=int))
    assert ag.eye(2, requires_grad=True).requires_grad
