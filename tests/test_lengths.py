"""Open lengths: arithmetic is that of integers, decisions are conditions, and what needs a number fixes them."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.lengths import Length, Lengths, broadcast_shapes, closed, is_long, is_open, written

N, M = 7, 12


def sizes():
    made = Lengths({"s0": N, "s1": M})
    return made, made.size("s0"), made.size("s1")


INFIX = (operator.add, operator.sub, operator.mul)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(range(5)), st.integers(0, 9), st.integers(0, 9), st.integers(1, 9)), max_size=8)
)
def test_arithmetic_is_that_of_integers(steps):
    made, n, m = sizes()
    pairs = [(n, N), (m, M), (3, 3)]
    for kind, i, j, constant in steps:
        (x, a), (y, b) = pairs[i % len(pairs)], pairs[j % len(pairs)]
        if kind < 3:
            pairs.append((INFIX[kind](x, y), INFIX[kind](a, b)))
        elif kind == 3:
            pairs.append((x // constant, a // constant))
        else:
            pairs.append((x % constant, a % constant))
    for x, a in pairs:
        assert closed(x) == a
        # The text is an expression of Python.
        assert eval(str(x), {"s0": N, "s1": M}) == a
        assert closed(x, {"s0": 9, "s1": 20}) == eval(str(x), {"s0": 9, "s1": 20})
        assert type(x) in (int, Length)
    assert not made.fixed


def test_what_cancels_is_an_integer():
    _, n, m = sizes()
    assert (n + 3 - n, n * 0, n - n, n // n, (n * m) // (m * n)) == (3, 0, 0, 1, 1)
    assert str((5 * n * m) // n) == "5*s1"
    assert str(2 * n + m - 4) == "-4 + 2*s0 + s1" or set((2 * n + m - 4).terms) == {
        ((), -4),
        (("s0",), 2),
        (("s1",), 1),
    }


def test_decisions_that_need_no_condition():
    made, n, m = sizes()
    # Sizes are 2 and more.
    assert n > 1
    assert n != 0
    assert n != 1
    assert n + 1 > n
    assert n * m >= 4
    assert n >= 2
    assert bool(n)
    assert (n + 1023) // 1024 >= 1
    assert n == made.size("s0")
    assert n != "s0"
    assert n is not None
    assert n < math.inf
    assert not made.conditions


@pytest.mark.parametrize(
    ("decide", "text"),
    [
        (lambda n, m: n > 5, "5 + -1*s0 < 0"),
        (lambda n, m: n < 5, "-5 + s0 >= 0"),
        (lambda n, m: n >= 2.5, "-3 + s0 >= 0"),
        (lambda n, m: n == 5, "-5 + s0 != 0"),
        (lambda n, m: n == 7.5, None),
        (lambda n, m: n == m, "s0 + -1*s1 != 0"),
        (lambda n, m: n < m, "s0 + -1*s1 < 0"),
        (lambda n, m: n % 2 == 1, None),
    ],
)
def test_conditions(decide, text):
    made, n, m = sizes()
    assert decide(n, m) == decide(N, M)
    texts = {frozenset(str(x).replace(" + ", " ").split()) for x in made.conditions}
    if text is not None:
        assert texts == {frozenset(text.replace(" + ", " ").split())}
    assert made.hold_at({"s0": N, "s1": M})
    for a in range(2, 15):
        for b in range(2, 15):
            if made.hold_at({"s0": a, "s1": b}):
                assert decide(a, b) == decide(N, M)
    assert not made.fixed


@pytest.mark.parametrize(
    "use",
    [
        lambda n: range(n),
        lambda n: [0] * n,
        lambda n: np.zeros(n),
        lambda n: float(n),
        lambda n: int(n),
        lambda n: math.sqrt(n),
        lambda n: n == N,
        lambda n: np.sqrt(n),
        lambda n: 0.5 * n,
        lambda n: n.item(),
        lambda n: [*range(100)][n],
    ],
)
def test_what_needs_the_number_fixes_the_size(use):
    made, n, _ = sizes()
    use(n)
    assert list(made.fixed) == ["s0"]
    assert made.hold_at({"s0": N, "s1": 3})
    assert not made.hold_at({"s0": N + 1, "s1": M})


def test_sizes_below_two_are_never_served():
    made, _, _ = sizes()
    assert made.hold_at({"s0": 2, "s1": 2})
    assert not made.hold_at({"s0": 1, "s1": 2})
    assert not made.hold_at({"s0": 2, "s1": 0})


def test_recordings_share_no_lengths():
    _, n, _ = sizes()
    _, other, _ = sizes()
    assert n != other
    assert hash(n) != hash(other)


def test_shapes():
    made, n, m = sizes()
    assert broadcast_shapes((n, 1), (3,)) == (n, 3)
    assert broadcast_shapes((n, 1), (m,)) == (n, m)
    assert broadcast_shapes((2, 1), (3,)) == (2, 3)
    assert is_open((3, n))
    assert not is_open((3, 4))
    assert is_long(n, 10**6)
    assert not is_long(3, 4)
    assert not made.conditions
    with pytest.raises(ValueError, match="shape mismatch"):
        broadcast_shapes((n,), (m,))


def test_text_under_other_names():
    _, n, _ = sizes()
    assert written((2 * n).terms, {"s0": "x.shape[0]"}) == "2*x.shape[0]"


def test_division_by_zero():
    _, n, _ = sizes()
    for divide in (lambda n: n // 0, lambda n: n // (n - N), lambda n: n % (N - n)):
        with pytest.raises(ZeroDivisionError):
            divide(n)


@pytest.mark.parametrize(
    "divide",
    [
        lambda n, m: n // (m - 5),
        lambda n, m: n // -3 + m // -1,
        lambda n, m: (n - 20) % (9 - m),
        lambda n, m: 30 % (n - m),
        lambda n, m: 30 // (n - m) * (n // (m % 5)),
    ],
)
def test_divisors_of_either_sign(divide):
    """The sign of a divisor is a condition: for other signs, and for zero, the recording is none."""
    made, n, m = sizes()
    x = divide(n, m)
    assert closed(x) == divide(N, M)
    for a in range(2, 25):
        for b in range(2, 25):
            values = {"s0": a, "s1": b}
            found, code = closed(x, values), eval(written(x.terms, {"s0": str(a), "s1": str(b)}))
            assert found == code
            if made.hold_at(values):
                assert found == divide(a, b)
    assert not made.fixed
