"""Loops whose steps pass twice over large arrays: which are turned, and that the results stay what they were."""

from importlib import import_module

import numpy as np
import pytest

import autograd as ag
import jit

# The package has the pass itself by that name.
TURNS = import_module("jit.passes.turns")
STEPS = 12
RNG = np.random.default_rng(7)
PLATE, RATE, TARGET = RNG.normal(size=(3, 40, 40))
ROD = RNG.normal(size=1500)


def neighbours(p):
    return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2]


def heat(u, rate):
    for _ in range(STEPS):
        u = u + 0.1 * rate * (neighbours(np.pad(u, 1)) - 4.0 * u)
    return np.mean((u - TARGET) ** 2)


def heat_with_one_rate(u, rate):
    for _ in range(STEPS):
        u = u + rate[0, 0] * np.tanh(neighbours(np.pad(u, 1)) - 4.0 * u)
    return np.sum(u**2)


def wave(u, speed):
    v = 0.0 * u
    for _ in range(STEPS):
        v = v + 0.05 * speed * (neighbours(np.pad(u, 1)) - 4.0 * u)
        u = u + 0.1 * v
    return np.sum(u**2)


def forced(u, forces):
    """A force of its own in each step, which the gradient reads as well."""

    def step(u, force):
        p = np.pad(u, 1)
        return u + 0.1 * np.sin(neighbours(p) * force), None

    return np.sum(ag.scan(step, u, forces)[0] ** 2)


def rod(u, rate):
    for _ in range(STEPS):
        p = np.pad(u, 1)
        u = u + 0.2 * rate * (p[2:] - 2.0 * u + p[:-2]) - 0.01 * np.sin(u) * (p[2:] - p[:-2])
    return np.sum(np.cos(u))


def loops_of(function, *inputs):
    """The first lines of the loops of a gradient."""
    text = str(jit.value_and_grad(function, (0, 1)).graph(*inputs))
    return [line.strip() for line in text.splitlines() if "times" in line]


def agree(function, *inputs):
    found, expected = (package.value_and_grad(function, (0, 1))(*inputs) for package in (jit, ag))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    for g, h in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-9, atol=1e-12 * np.abs(h).max())


@pytest.mark.parametrize("function", [heat, heat_with_one_rate, wave, rod], ids=lambda f: f.__name__)
def test_the_gradient_of_a_stencil(function):
    inputs = (ROD, np.full_like(ROD, 0.3)) if function is rod else (PLATE, RATE)
    forward, backward = loops_of(function, *inputs)
    assert f"{STEPS} times" in forward
    assert f"{STEPS - 1} times backward" in backward
    agree(function, *inputs)


def test_a_turned_step_is_one_pass():
    text = jit.value_and_grad(heat, (0, 1)).explain(PLATE, RATE)
    inside = text[text.index(f"repeat  {STEPS - 1} times") :].splitlines()
    assert sum("40 x 40" in line and line.startswith("  |") for line in inside) == 1


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (heat, (PLATE[:20, :20], RATE[:20, :20])),
        (lambda u, rate: np.sum(ag.fori_loop(0, STEPS, lambda i, u: np.sin(u * rate), u)), (PLATE, RATE)),
        # What the loop back makes step by step, the gradients by the forces, would have to be put together.
        (forced, (PLATE, RNG.normal(size=(STEPS, 40, 40)))),
    ],
    ids=["small arrays", "no neighbours", "a stack"],
)
def test_what_stays_as_it_is(function, inputs, monkeypatch):
    monkeypatch.setitem(globals(), "TARGET", TARGET[: len(inputs[0]), : len(inputs[0])])
    assert all(f"{STEPS} times" in line for line in loops_of(function, *inputs))
    agree(function, *inputs)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_random_loops(seed, reverse, monkeypatch):
    """Steps of two halves, drawn at random: what is early and what is late reads of what is carried and gone over."""
    monkeypatch.setattr(TURNS, "LEAST", 8)
    monkeypatch.setattr(TURNS, "FEWEST", 2)
    random = np.random.default_rng(seed)
    picks = random.integers(0, 4, size=(3, 3))
    shifts = random.integers(0, 5, size=6)

    def step(carried, given):
        u, v, w = carried
        x, y = given
        values = (u, v, w, x)
        early = np.pad(np.sin(u * 0.5) + v * values[picks[0, 0]], 2)
        other = np.pad(values[picks[0, 1]] * y + u, 2)
        n = u.shape[0]
        late = early[shifts[0] : shifts[0] + n] * 0.3 + other[shifts[1] : shifts[1] + n] * values[picks[1, 0]]
        following = (late + (0.1 * y, u, w, x * v)[picks[1, 1]], np.tanh(v + u), (late, v, u, w)[picks[2, 0]])
        return following, None

    def f(u, xs):
        return sum(np.sum(np.cos(x)) for x in ag.scan(step, (u, 0.5 * u, u * u), (xs, xs[::-1]), reverse=reverse)[0])

    u, xs = random.normal(size=24), random.normal(size=(5, 24))
    compiled = jit.compile(f)
    assert "4 times" in str(compiled.graph(u, xs))
    np.testing.assert_allclose(compiled(u, xs), f(u, xs), rtol=1e-12)
    agree(f, u, xs)
