"""Loops of Python become loops again, and compute what they computed before."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
import jit
from autograd import ops
from jit.loop import scan
from jit.recording.periods import Stretch, stretches
from jit.recording.roll import rolled

X = np.linspace(-1.0, 1.0, 150).reshape(50, 3)
W = np.array([[0.5, -0.3, 0.1], [0.2, 0.9, -0.4], [-0.1, 0.3, 0.6]])
H = np.array([0.3, -0.6, 0.2])


def loops_of(graph):
    """The loops in a graph, those in loops included."""
    found = {dict(x.params)["loop"] for x in graph.equations if x.primitive is scan}
    return found | {inner for loop in found for inner in loops_of(loop.body)}


def check(f, *inputs, rtol=1e-11):
    """The value and the gradients are those of eager execution, at new inputs too."""
    argnums = tuple(range(len(inputs)))
    compiled = jit.value_and_grad(f, argnums)
    for factor in (1.0, 0.9):
        xs = [factor * x for x in inputs]
        value, gradients = compiled(*xs)
        expected, expected_gradients = ag.value_and_grad(f, argnums)(*xs)
        np.testing.assert_allclose(value, expected, rtol=rtol)
        for actual, wanted in zip(gradients, expected_gradients, strict=True):
            scale = max(1.0, np.abs(wanted).max(initial=0.0))
            np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=rtol * scale)
    return compiled.graph(*inputs)


# ---- where a sequence repeats itself ----


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("xabcabcabcabcy", Stretch(1, 13, 3)),
        ("aaaaaaaa", Stretch(0, 8, 1)),
        ("xyz" + "abacabac" * 5 + "xyz", Stretch(3, 43, 4)),
        ("xy" + "ab" * 40 + "q" * 3, Stretch(2, 82, 2)),
    ],
)
def test_the_longest_repetition(items, expected):
    assert stretches(items)[0] == expected


def test_nothing_repeats():
    assert stretches("abcdefgh") == []
    assert stretches("") == []
    assert stretches("abab") == []


def test_nested_repetition_has_the_outer_period_first():
    inner = "pq" * 6
    assert stretches(("x" + inner + "y") * 5)[0] == Stretch(0, 70, 14)


# ---- loops ----


def recurrence(w, x):
    h = np.zeros(3)
    for t in range(len(x)):
        h = np.tanh(h @ w + x[t])
    return np.sum(h * h)


def first_step_apart(w, x):
    h = np.tanh(x[0])
    for t in range(1, len(x)):
        h = np.tanh(h @ w + x[t])
    return np.sum(h)


def backwards(w, x):
    h = H
    for t in reversed(range(len(x))):
        h = np.tanh(h @ w + x[t])
    return np.sum(h)


def every_second(w, x):
    h = H
    for t in range(0, len(x), 2):
        h = np.tanh(h @ w + x[t])
    return np.sum(h)


def in_some_order(w, x):
    h = H
    for t in np.random.default_rng(0).permutation(len(x)).tolist():
        h = np.tanh(h @ w + x[t])
    return np.sum(h)


def columns(w, x):
    h = H
    for t in range(len(x)):
        h = np.tanh(h @ w + x.T[:, t])
    return np.sum(h)


def a_column_of_elements(w, x):
    h = H
    for t in range(len(x)):
        h = np.tanh(h * w[0] + x[t, 1])
    return np.sum(h)


def numbers_that_change(w, x):
    h = H
    for t in range(len(x)):
        h = np.tanh(h @ w + x[t]) * (1.0 + 0.1 * t * t)
    return np.sum(h)


def appended(w, x):
    h, found = H, []
    for t in range(len(x)):
        h = np.tanh(h @ w + x[t])
        found.append(h)
    return np.sum(np.stack(found) ** 2 * x)


def appended_along_the_last_axis(w, x):
    h, found = H, []
    for t in range(len(x)):
        h = np.tanh(h @ w + x[t])
        found.append(h)
    return np.sum(np.stack(found, axis=1) * x.T)


def losses_added(w, x):
    h, total = H, 0.0
    for t in range(len(x)):
        h = np.tanh(h @ w)
        total = total + np.sum((h - x[t]) ** 2)
    return total


def some_steps_read(w, x):
    h, found = H, []
    for t in range(len(x)):
        h = np.tanh(h @ w + x[t])
        found.append(h)
    return np.sum(found[3] * found[-1]) + np.sum(found[7])


def two_carried(w, x):
    h, c = H, H * 2
    for t in range(len(x)):
        c = np.tanh(c * w[1] + x[t] * h)
        h = np.tanh(c) * np.exp(-h * h)
    return np.sum(h * c)


def unpacked_before(w, x):
    rows = [x[t] for t in range(len(x))]
    h = H
    for row in rows:
        h = np.tanh(h @ w + row)
    return np.sum(h)


def made_before(w, x):
    rows = [np.sin(x[t]) * (t + 1) for t in range(len(x))]
    h = H
    for row in rows:
        h = np.tanh(h @ w + row)
        h = h - 0.1 * np.sum(h * row)
    return np.sum(h)


def nested(w, x):
    h = H
    for t in range(10):
        for _ in range(20):
            h = np.tanh(h @ w)
            h = h - 0.01 * h * h
        h = h + x[t]
    return np.sum(h)


def runge_kutta(w, x):
    slope = lambda h: np.stack([h[1] * h[2], -h[0] * h[2], -0.5 * h[0] * h[1]]) + np.tanh(h @ w)
    h = x[0]
    for _ in range(20):
        k1 = slope(h)
        k2 = slope(h + 0.05 * k1)
        k3 = slope(h + 0.05 * k2)
        k4 = slope(h + 0.1 * k3)
        h = h + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(h)


def two_loops(w, x):
    h = H
    for t in range(len(x)):
        h = np.tanh(h @ w + x[t])
    for t in range(len(x)):
        h = np.sin(h * x[t]) + h @ w.T + 0.1
        h = h / (1 + np.sum(h * h))
    return np.sum(h)


LOOPS = [
    recurrence, first_step_apart, backwards, every_second, in_some_order, columns, a_column_of_elements,
    numbers_that_change, appended, appended_along_the_last_axis, losses_added, some_steps_read, two_carried,
    unpacked_before, made_before, nested, runge_kutta, two_loops,
]  # fmt: skip


@pytest.mark.parametrize("f", LOOPS, ids=lambda f: f.__name__)
def test_a_loop_of_python_is_rolled(f):
    graph = check(f, W, X)
    assert len(loops_of(graph)) >= 2
    assert len(graph.equations) < 60


@pytest.mark.parametrize("f", LOOPS, ids=lambda f: f.__name__)
def test_the_value_alone(f):
    compiled = jit.compile(f)
    np.testing.assert_allclose(compiled(W, X), f(W, X), rtol=1e-12)
    assert loops_of(compiled.graph(W, X))


@pytest.mark.parametrize("f", [recurrence, appended, two_carried, runge_kutta], ids=lambda f: f.__name__)
def test_second_order(f):
    norm = lambda w, x: sum(np.sum(g * g) for g in ag.grad(f, (0, 1))(w, x))
    check(norm, W, X, rtol=1e-9)


def test_the_loops_in_a_loop_are_rolled():
    assert {loop.length for loop in loops_of(jit.compile(nested).graph(W, X))} == {10, 20}


def test_the_length_does_not_change_the_graph():
    def f(n):
        def g(h):
            for _ in range(n):
                h = np.sin(h) * 1.1 + 0.1 * h * h
            return np.sum(h)

        return g

    short, long = (str(jit.grad(f(n)).graph(H)).replace(f"{n}", "n").replace(f"{n - 1}", "n") for n in (50, 500))
    assert len(short.splitlines()) == len(long.splitlines())


# ---- loops in which Python decides on values ----


def decided(h):
    for _ in range(50):
        h = h * 0.9 + 0.1 if np.sum(h) > 0 else h * 1.1 - 0.01
    return np.sum(h * h)


def decided_until_then(h):
    for _ in range(300):
        h = h * 0.9 if np.sum(h) > 0.01 else h + 0.02
    return np.sum(h * h)


def until(h):
    while np.sum(h * h) > 1e-4:
        h = h * np.cos(h)
        h = 0.9 * h
    return np.sum(h)


def until_at_most(h):
    for _ in range(1000):
        h = 0.9 * h
        if np.sum(h * h) < 1e-4:
            break
    else:
        h = h * 1e9
    return np.sum(h)


def decided_twice_in_loops(h):
    for _ in range(12):
        for _ in range(40):
            h = h * 0.99 if np.sum(h) > -100 else h
        if np.sum(h) < 100:
            h = np.sin(h)
    return np.sum(h * h)


def by_integers(h):
    for i in range(60):
        h = h * 0.99 + X[int(np.sum(h) * 0 + i) % 7]
    return np.sum(h)


def by_floats(h):
    for _ in range(60):
        h = h * 0.99 + 0.01 * float(h[0])
    return np.sum(h)


DECIDED = [decided, decided_until_then, until, until_at_most, decided_twice_in_loops, by_integers, by_floats]


@pytest.mark.parametrize("f", DECIDED, ids=lambda f: f.__name__)
def test_a_loop_with_decisions_is_rolled(f):
    compiled = jit.value_and_grad(f)
    for h in (H, 0.5 * H, -H, H):
        value, gradient = compiled(h)
        expected, wanted = ag.value_and_grad(f)(h)
        np.testing.assert_allclose(value, expected, rtol=1e-11)
        np.testing.assert_allclose(gradient, wanted, rtol=1e-11, atol=1e-12)
    graph = compiled.graph(H)
    assert loops_of(graph)
    assert len(graph.guards) < 10 or f is decided_until_then


def test_each_step_of_a_loop_is_guarded():
    f = jit.compile(decided)
    for h in (H, -H, H * 1e-3, -H):
        np.testing.assert_allclose(f(h), decided(h), rtol=1e-12)
    text = f.explain(H)
    assert "loops: 50 repetitions of 5 equations are a loop" in text
    assert f"guards: {__file__}" in text


def test_the_derivative_of_what_python_has_decided():
    check(lambda h: sum(np.sum(g * g) for g in ag.grad(decided, (0,))(h)), H, rtol=1e-9)
    np.testing.assert_allclose(jit.jacfwd(decided)(H), ag.grad(decided)(H), rtol=1e-12)


@pytest.mark.parametrize("back", [2, 3])
def test_values_that_are_read_some_repetitions_later(back):
    def f(h):
        values = [h] * back
        for _ in range(49):
            values.append(np.sin(values[-1]) + 0.5 * values[-back])
        return np.sum(values[-1])

    check(f, H)
    assert loops_of(jit.compile(f).graph(H))


def test_explain_says_why_there_is_no_loop():
    def back_and_forth(h):
        values = [h] * 5
        for _ in range(50):
            values.append(np.sin(values[-1]) + values[-5])
        return np.sum(values[-1])

    text = jit.compile(back_and_forth).explain(H)
    assert "repetitions of 2 equations are no loop: `add` of float64[3], equation" in text
    assert "is read 5 repetitions later" in text


def test_a_whole_array_that_python_took():
    def f(h):
        for _ in range(40):
            h = np.where(np.array((h > 0).tolist()), h * 0.9, h)
        return np.sum(h)

    compiled = jit.compile(f)
    np.testing.assert_allclose(compiled(H), f(H))
    assert f"nothing is rolled: Python took a whole array at {__file__}" in compiled.explain(H)


def test_where_one_step_reads_an_earlier_result_there_is_no_loop():
    def f(x):
        y, other, made = x[0], x[1], []
        for step in range(60):
            y = np.sin(y) * 0.9 + (made[3] if step == 8 else other)
            made.append(y)
        return y

    assert not loops_of(check(f, np.array([0.3, 0.2])))


def test_the_reverse_loop_reads_exponentials_and_roots_but_no_squares():
    def f(x, w):
        for _ in range(20):
            x = ag.logsumexp(x[:, None] + w, axis=0) + (1.0 + x**2) ** -1.5
        return np.sum(x)

    forward, reverse = sorted(loops_of(check(f, H, W)), key=lambda loop: loop.reverse)
    assert count(forward, ops.exp) == 1
    assert count(reverse, ops.exp) == 0
    # The slope has a square of its own, that of 1/(1 + x**2).
    assert (count(forward, ops.square), count(reverse, ops.square)) == (1, 2)


def count(loop, primitive):
    """How many equations of an op there are in the body of a loop."""
    return sum(x.primitive is primitive for x in loop.body.equations)


def test_numbers():
    def f(x, a):
        for i in range(100):
            x = x - 0.01 * (a * x**3 - i)
        return x

    check(f, 0.5, 0.3)


def test_float32():
    def f(x):
        for _ in range(60):
            x = np.tanh(x * 1.01) + 0.001
        return np.sum(x)

    x = H.astype(np.float32)
    value, g = jit.value_and_grad(f)(x)
    assert value.dtype == g.dtype == np.float32
    np.testing.assert_allclose(g, ag.grad(f)(x), rtol=1e-4)


# ---- random loops ----

STEPS = {
    "matrix": lambda h, c, x, w, t: (np.tanh(h @ w), c),
    "element": lambda h, c, x, w, t: (h + 0.1 * x[t], c),
    "number": lambda h, c, x, w, t: (h * (0.9 + 0.01 * (t % 5)), c),
    "swap": lambda h, c, x, w, t: (c, h),
    "mix": lambda h, c, x, w, t: (np.sin(h + c), c * 0.9 + np.sum(h) * 0.1),
    "flip": lambda h, c, x, w, t: (h[::-1] * w[1], c),
    "both": lambda h, c, x, w, t: (np.where(h > c, h, 0.5 * (h + c)), c),
    "slice": lambda h, c, x, w, t: (np.concatenate([h[1:], c[:1]]), c),
    "history": lambda h, c, x, w, t: (h, np.tanh(c + x[t] * x[max(t - 1, 0)])),
    "outer": lambda h, c, x, w, t: (h + np.sum(np.outer(h, c) * w, axis=0) * 0.1, c),
}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_random_loops(seed):
    random = Random(seed)
    names = [random.choice(list(STEPS)) for _ in range(random.randint(2, 6))]
    length, collect = random.randint(16, 30), random.random() < 0.4

    def f(w, x):
        h, c, found = H, H * 0.5, []
        for t in range(length):
            for name in names:
                h, c = STEPS[name](h, c, x, w, t)
            if collect:
                found.append(h * c)
        return np.sum(h * c) + (np.sum(np.sin(np.stack(found))) if collect else 0.0)

    check(f, W, X, rtol=1e-9)


def test_rolling_a_graph_without_repetition_changes_nothing():
    graph = jit.compile(lambda x: np.sum(np.sin(x) * x)).graph(H)
    assert rolled(graph).graph is graph


# ---- sums of products ----


def wide_recurrence(w, x, h):
    for t in range(len(x)):
        h = np.tanh(h @ w + x[t])
    return np.sum(h * h)


@pytest.mark.parametrize("shape", [(20,), (4, 20)], ids=["vectors", "matrices"])
def test_the_gradient_of_a_matrix_is_one_product_after_the_loop(shape):
    random = np.random.default_rng(0)
    w, x, h = random.normal(size=(20, 20)) * 0.2, random.normal(size=(30, *shape)), random.normal(size=shape)
    graph = check(wide_recurrence, w, x, h)
    rows = 29 * x[0].size // 20
    assert any(e.primitive.name == "matmul" and e.inputs[1].aval.shape[0] >= rows for e in graph.equations)
    assert max(loop.carried for loop in loops_of(graph)) == 1


def heat(u, d):
    for _ in range(20):
        p = np.pad(u, 1)
        u = u + d * (p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u)
    return np.sum(u * u)


def test_a_stencil_carries_its_padding():
    random = np.random.default_rng(2)
    graph = check(heat, random.normal(size=(6, 7)), random.uniform(0.05, 0.24, size=(6, 7)))
    forward, backward = sorted(loops_of(graph), key=lambda loop: loop.reverse)
    assert [x.aval.shape for x in forward.body.outputs][:1] == [(8, 9)]
    # The gradient carries the part that is read.
    assert [x.aval.shape for x in backward.body.outputs[: backward.carried]] == [(6, 7), (6, 7)]


def test_what_is_returned_of_a_padded_loop_has_no_padding():
    random = np.random.default_rng(3)
    u, d = random.normal(size=(4, 5)), random.uniform(0.05, 0.24, size=(4, 5))

    def end(u, d):
        for _ in range(20):
            p = np.pad(u, 1)
            u = u + d * (p[2:, 1:-1] + p[:-2, 1:-1] - 2 * u)
        return u

    np.testing.assert_allclose(jit.compile(end)(u, d), end(u, d), rtol=1e-13)


def test_small_sums_are_carried():
    graph = check(recurrence, W, X)
    assert max(loop.carried for loop in loops_of(graph)) == 2


def test_a_sum_that_the_loop_reads_is_carried():
    def f(w, x):
        total, h = np.zeros((20, 20)), x[0]
        for t in range(len(x)):
            h = np.tanh(h @ w + total[0])
            total = total + np.outer(h, x[t])
        return np.sum(total * total)

    random = np.random.default_rng(1)
    check(f, random.normal(size=(20, 20)) * 0.1, random.normal(size=(12, 20)) * 0.1)


def test_a_loop_that_goes_back_over_what_another_one_made():
    """A gradient by hand: the states, read five times in each step, are one stack, which is not put together again."""

    def f(u, rate):
        states = []
        for _ in range(20):
            p = np.pad(u, 1)
            states.append(p)
            u = u + rate * (p[2:] + p[:-2] - 2.0 * u)
        g = 2.0 * u
        total = np.zeros_like(rate)
        for p in reversed(states):
            total = total + g * (p[2:] + p[:-2] - 2.0 * p[1:-1])
            q = np.pad(rate * g, 1)
            g = g + q[2:] + q[:-2] - 2.0 * q[1:-1]
        return np.sum(u**2), g, total

    u, rate = np.cos(np.arange(30.0)), np.full(30, 0.2)
    compiled = jit.compile(f)
    graph = str(compiled.graph(u, rate))
    assert graph.count("times,") == 2
    assert "concatenate" not in graph
    for found, expected in zip(compiled(u, rate), f(u, rate), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    value, gradients = ag.value_and_grad(lambda u, rate: f(u, rate)[0], (0, 1))(u, rate)
    for found, expected in zip(compiled(u, rate), (value, *gradients), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
