"""Decisions that Python takes on values: each outcome is recorded once, and every call gets the one that is its own."""

import math

import numpy as np
import pytest

import autograd as ag
import jit


def sorting(x):
    low, *_, high = sorted([x[0], x[1], x[2]])
    return high * high - low


def largest(x):
    return max(x[0], x[1]) * min(x[1], x[2])


def among(x):
    return x[0] * 3 if 2.0 in [x[0], x[1]] else x[1] * x[2]


def counted(x):
    y = x[1]
    for _ in range(int(x[0])):
        y = y * x[2]
    return y


def rounded(x):
    return x[1] * round(x[0]) + x[2] * math.floor(x[0])


def matched(x):
    match int(x[0]):
        case 1:
            return x[1] ** 2
        case 2:
            return x[1] * x[2]
        case _:
            return x[2] ** 2


def stopped(x):
    y = x[1]
    for i in range(5):
        if i > x[0]:
            break
        y = y * x[2]
    return y


POINTS = [np.array(x) for x in ([1.2, 2.0, 0.5], [2.0, 1.0, 0.7], [3.4, 0.3, 1.5], [1.7, 0.9, 2.5])]


@pytest.mark.parametrize(
    ("f", "outcomes"),
    [(sorting, 4), (largest, 3), (among, 3), (counted, 3), (rounded, 4), (matched, 3), (stopped, 3)],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_each_outcome_is_recorded_once(f, outcomes):
    compiled = jit.value_and_grad(f)
    for x in (*POINTS, *POINTS, *POINTS[::-1]):
        value, gradient = compiled(x)
        expected, wanted = ag.value_and_grad(f)(x)
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        np.testing.assert_allclose(gradient, wanted, rtol=1e-14)
    assert sum(map(len, compiled.variants.values())) == outcomes


@pytest.mark.parametrize("f", [sorting, largest, among, counted, rounded, matched, stopped])
def test_decisions_are_listed_with_their_lines(f):
    text = str(jit.explain_recording(f, POINTS[0]))
    first = f.__code__.co_firstlineno
    lines = [f"test_decisions.py:{n}" for n in range(first, first + 8)]
    assert any(line in text for line in lines), text
