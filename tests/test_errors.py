"""The words of the errors of ops: which op, what it needs, what it got, what to do."""

import numpy as np
import pytest

import autograd as ag
from autograd import ops
from autograd.errors import explained


def x(*shape):
    return ag.ones(*shape, requires_grad=True)


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (
            lambda: x(3) + x(2),
            ValueError,
            r"`add` needs shapes that broadcast together, got \(3,\) and \(2,\); reshape one of them, or "
            r"add an axis with `x\[:, None\]`",
        ),
        (lambda: x(2, 3) * np.ones((3, 2)), ValueError, r"`mul` needs shapes .*, got \(2, 3\) and \(3, 2\)"),
        (lambda: [1.0, 2.0] - x(3), ValueError, r"`sub` needs shapes .*, got \(2,\) and \(3,\)"),
        (lambda: x(2) ** x(3), ValueError, r"`pow` needs shapes .*, got \(2,\) and \(3,\)"),
        (lambda: x(2) > x(3), ValueError, r"`greater` needs shapes .*, got \(2,\) and \(3,\)"),
        (lambda: np.maximum(x(2), x(3)), ValueError, r"`maximum` needs shapes .*, got \(2,\) and \(3,\)"),
        (
            lambda: ag.where(x(4) > 0, x(2), x(3)),
            ValueError,
            r"`where` needs shapes that broadcast together, got \(4,\) and \(2,\) and \(3,\); reshape",
        ),
        (
            lambda: x(2, 3) @ x(2, 3),
            ValueError,
            r"`matmul` needs the last axis of `x` as long as the last but one of `y`.*got \(2, 3\) and "
            r"\(2, 3\); transpose or reshape",
        ),
        (lambda: x(3) @ x(2), ValueError, r"`matmul` needs .* got \(3,\) and \(2,\)"),
        (lambda: np.ones((2, 2)) @ x(3), ValueError, r"`matmul` needs .* got \(2, 2\) and \(3,\)"),
        (lambda: x(3) @ 2.0, ValueError, r"`matmul` needs .* got \(3,\) and \(\)"),
        (
            lambda: x(2, 3).reshape(4, 2),
            ValueError,
            r"`reshape` needs a shape of the same number of elements, got \(2, 3\).* check the product",
        ),
        (
            lambda: ag.concatenate([x(2, 3), x(3, 2)]),
            ValueError,
            r"`concatenate` needs arrays alike in all axes but the joined one, got \(2, 3\) and \(3, 2\), ax",
        ),
        (
            lambda: ops.expand(x(3), shape=(2,)),
            ValueError,
            r"`expand` needs a shape that NumPy's broadcasting reaches, got \(3,\), shape=\(2,\); reshape",
        ),
        (lambda: -(x(2) > 0), TypeError, r"`neg` of shapes \(2,\) and dtypes bool: "),
        (
            lambda: x(2).astype(bool) - True,
            TypeError,
            r"`sub` of shapes \(2,\) and \(\) and dtypes bool and bool: ",
        ),
        (
            lambda: x(2) + "a",
            TypeError,
            r"`add` needs tensors, arrays or numbers, got elements of <U1: array\('a'",
        ),
        (
            lambda: x(2) * None,
            TypeError,
            r"`mul` needs tensors, arrays or numbers, got elements of object: array\(None",
        ),
        (
            lambda: ops.max(x(0), axis=(0,), keepdims=False),
            ValueError,
            r"`max` of shapes \(0,\) and dtypes float64: ",
        ),
        (
            lambda: ops.gather(x(3), np.array([5])),
            IndexError,
            r"`gather` of shapes \(3,\) and \(1,\) and dtypes float64 and int64: index 5 is out of bounds",
        ),
    ],
)
def test_words(f, error, words):
    with pytest.raises(error, match=words) as caught:
        f()
    assert caught.value.__cause__ is None


def test_the_words_are_the_same_while_a_tape_records():
    with (
        ag.record() as tape,
        pytest.raises(ValueError, match=r"`add` needs shapes .*, got \(3,\) and \(2,\)"),
    ):
        x(3) + x(2)
    assert tape.nodes == []


def test_errors_that_are_made_of_more_than_a_message():
    with pytest.raises(TypeError) as caught:
        np.sin(np.array("a"))
    again = explained(ops.sin, (np.array("a"),), {}, caught.value)
    assert type(again) is TypeError
    assert str(again).startswith("`sin` of shapes () and dtypes str")


def test_the_kind_of_an_error_is_kept():
    assert isinstance(explained(ops.sum, (np.ones(2),), {}, np.exceptions.AxisError("no axis")), IndexError)
