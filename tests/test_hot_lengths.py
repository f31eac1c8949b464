"""Hot tapes whose arrays change their lengths: one kernel for all of them, and the gradients of interpreted sweeps."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import autograd as ag
import jit
from autograd.lengths import LEAST
from jit.dispatch.opening import NotOpen
from jit.hot.patterns import pattern_of
from tests.hot import check, hits, leaf
from tests.programs import Program, programs

SIZES = (10, 12, 7, 64, 65, 3, 2, 500, 11)


def info():
    return jit.hot_tapes_info()


# ---- one kernel ----


def logistic(w, x, y):
    return np.mean(np.log1p(np.exp(-y * (x @ w)))) + 0.01 * np.sum(w**2)


def test_a_bootstrap_whose_size_changes_each_time_has_one_kernel(at_once, rng):
    jit.clear_cache()
    w, x, y = leaf(rng.normal(size=5)), rng.normal(size=(900, 5)), rng.choice([-1.0, 1.0], 900)
    for n in range(100, 145):
        rows = rng.integers(900, size=n)
        check(lambda rows=rows: logistic(w, x[rows], y[rows]), [w])
    assert jit.cache_info().misses == 1
    assert info()[:5] == (1, 1, 0, 44, 1)
    assert info()[6:] == (1, ())


def test_the_usual_bootstrap_pays_for_one_kernel_as_soon_as_for_tapes_of_one_size(rng):
    """Sweeps of all sizes count, not those of each by itself."""
    jit.clear_cache()
    w, x, y = leaf(np.zeros(5)), rng.normal(size=(400, 5)), rng.normal(size=400)
    with jit.disable_hot_tapes(), jit.enable_hot_tapes():
        for _ in range(4200):
            n = int(rng.integers(100, 245))
            logistic(w, x[:n], y[:n]).backward()
        assert info().compiled == info().open == 1
        assert info().hits > 500
    assert jit.cache_info().misses == 1


def test_a_smaller_last_minibatch(at_once, rng):
    w, v = leaf(rng.normal(size=(3, 8))), leaf(rng.normal(size=8))
    x, y = rng.normal(size=(70, 3)), rng.normal(size=70)
    jit.clear_cache()
    for _ in range(3):
        order = rng.permutation(70)
        for i in range(0, 70, 32):
            rows = order[i : i + 32]
            check(lambda rows=rows: np.mean((np.tanh(x[rows] @ w) @ v - y[rows]) ** 2), [w, v])
    # The first is for batches of 32, the second for all.
    assert jit.cache_info().misses == 2
    assert info()[:5] == (1, 1, 0, 8, 1)


# fmt: off
OPEN = {
    "elementwise": lambda x: np.sum(np.tanh(x) * x),
    "mean": lambda x: np.mean(x * x),
    "variance": lambda x: np.var(x),
    "a length": lambda x: np.sum(np.sin(x)) / len(x),
    "two lengths": lambda x: np.sum(x[:, None] * x[None, :]) / (len(x) * len(x)),
    "differences": lambda x: np.sum((x[1:] - x[:-1]) ** 2),
    "ends": lambda x: x[0] * x[-1] * np.sum(x),
    "halves": lambda x: np.sum(x[::2] ** 3) + np.sum(x[: len(x) // 2 + 1] ** 2),
    "reversed": lambda x: np.sum(x[::-1] * np.cumsum(x)),
    "reshape": lambda x: np.sum(np.tanh(np.stack([x, x * x]).reshape(-1)) ** 2),
    "concatenate": lambda x: np.sum(np.concatenate([x, np.sin(x), x * 2]) ** 3),
    "columns": lambda x: np.sum(np.mean(np.stack([x, x**2, np.cos(x)], axis=1), axis=0) ** 2),
    "gather": lambda x: np.sum(x[np.arange(len(x)) // 2] * x),
    "extrema": lambda x: np.max(x) * np.min(x),
    "what is saved as a shape if it is large": lambda x: np.sum((x + np.ones(len(x))) * x.data),
    "where": lambda x: np.sum(np.where(x > 0, x, 0.1 * x)),
    "softmax": lambda x: np.sum(ag.softmax(x) ** 2),
    "sorted": lambda x: np.sum(np.sort(x) * np.arange(len(x))),
    "outer": lambda x: np.sum(np.tanh(x[:, None] - 2 * x)),
    "a scalar alone": lambda x: np.mean(x[0] + np.zeros(len(x))),
}
# fmt: on


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, np.float64) for name in OPEN] + [("mean", np.float32), ("ends", np.float32)]
)
def test_one_kernel_serves_all_lengths(name, dtype, at_once, rng):
    for n in (10, 12, 7, 64, 65, 30, 500, 11):
        x = leaf(rng.normal(size=n).astype(dtype))
        check(lambda x=x: OPEN[name](x), [x], 1e-11 if dtype == np.float64 else 1e-4)
    assert info().refused == ()
    assert info().unfit == 0
    assert info().compiled == info().open <= 2


def test_lengths_below_two_have_kernels_of_their_own(at_once, rng):
    for n in (5, 6, 1, 1, 0, 0, 2, 9, 1, 0):
        x, y = leaf(rng.normal(size=(n, 1))), leaf(rng.normal(size=(1, 3)))
        check(lambda x=x, y=y: np.sum(np.sin(x * y)), [x, y])
    assert LEAST == 2
    assert info()[:5] == (3, 3, 0, 7, 3)


def test_lengths_that_were_equal_by_chance(at_once, rng):
    for n, m in ((5, 5), (6, 6), (7, 7), (7, 9), (3, 4), (4, 4), (20, 5)):
        x, y = leaf(rng.normal(size=n)), leaf(rng.normal(size=m))
        check(lambda x=x, y=y: np.sum(np.sin(x)) * np.sum(y * y) + np.sum(x[:, None] + y), [x, y])
    # For two that are one; then for two sizes, and by the side for two that are one by chance.
    assert info()[:4] == (2, 1, 0, 5)


def test_more_lengths_change_one_after_the_other(at_once, rng):
    jit.clear_cache()
    for n, m, k in ((5, 6, 7), (5, 6, 7), (8, 6, 7), (9, 6, 7), (9, 5, 7), (9, 5, 3), (4, 11, 12)):
        x, y = leaf(rng.normal(size=(n, m))), leaf(rng.normal(size=(m, k)))
        check(lambda x=x, y=y: np.sum(np.tanh(x @ y)), [x, y])
    assert info()[:5] == (1, 1, 0, 6, 1)
    assert jit.cache_info().misses == 4


def test_layouts_and_saved_shapes(at_once, rng):
    """Of large arrays the shapes alone are saved where the values are not needed."""
    for n in (300, 310, 290):
        w = leaf(rng.normal(size=4))
        a = rng.normal(size=(4, n))
        for x in (a.T, a.T[::-1], np.ascontiguousarray(a.T)):
            check(lambda w=w, x=x, n=n: np.sum((x @ w + 1.0).reshape(n, 1) * np.ones((n, 2))), [w])
    assert info().refused == ()
    assert hits() == 6


def test_values_are_inputs_at_every_length(at_once, rng):
    w = leaf(rng.normal(size=6))
    for n in SIZES:
        mask, index, number = rng.random(n) > 0.5, rng.integers(-6, 6, n), float(rng.normal())
        check(lambda m=mask, i=index, c=number: np.sum(np.where(m, np.sin(w[i]), c * w[i])), [w])
    assert info()[:4] == (1, 1, 0, len(SIZES) - 1)


def test_grad_of_tensors_and_a_given_cotangent(at_once, rng):
    for n in SIZES:
        x = leaf(rng.normal(size=n))
        g = rng.normal(size=n)
        h = np.sin(x)
        found = ag.grad([h * x], [x, h], [g], retain_graph=True)
        np.testing.assert_allclose(found[0].data, g * (np.cos(x.data) * x.data + np.sin(x.data)), rtol=1e-12)
        np.testing.assert_allclose(found[1].data, g * x.data, rtol=1e-12)
    assert info()[:4] == (1, 1, 0, len(SIZES) - 1)


def test_a_workspace_grows(at_once, rng):
    for n in (300, 310, 4000, 20, 9000, 300):
        x = leaf(rng.normal(size=n))
        check(lambda x=x: np.sum(np.cumsum(np.sin(np.cumsum(x) / 100)) ** 2), [x], 1e-9)
    assert info().open == info().compiled == 1


def test_kernels_for_every_length_are_kept_on_the_disk(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path))
    for counts in ((1, 0), (0, 1)):
        jit.clear_cache()
        with jit.disable_hot_tapes(), jit.enable_hot_tapes(after=1):
            for n in (30, 40, 50, 3):
                x = leaf(rng.normal(size=n))
                check(lambda x=x: np.sum(np.cumsum(x) ** 2) / len(x), [x])
        assert (jit.cache_info().misses, jit.cache_info().loaded) == counts


# ---- conditions ----


def test_structures_stand_side_by_side_where_conditions_do_not_hold(at_once, rng):
    """A product of five columns and more is another program than one of fewer."""
    for n, m in ((3, 4), (4, 5), (300, 400), (310, 420), (5, 3), (290, 300), (4, 4), (8, 3), (1000, 30)):
        x, y = leaf(rng.normal(size=(n, m))), leaf(rng.normal(size=m))
        check(lambda x=x, y=y: np.sum(np.tanh(x @ y) ** 2) + np.sum(np.tanh(x.T @ x)), [x, y])
    assert info().unfit == 0
    assert info().compiled < 9


def test_an_integer_that_no_length_gives_is_fixed(at_once):
    x = leaf([0.5, 0.7])
    for i in (2, 3, 3, 2, 2, 4, 3):
        check(lambda i=i: np.sum(np.sin(x) * i), [x])
    assert info()[1:4] == (2, 0, 3)
    assert info().refused == ("an integer of it was 2 and then 3, which no length of an array gives",)


def test_what_needs_its_length_has_a_kernel_for_each(at_once, rng):
    for n in (4, 5, 5, 5, 4, 4, 6):
        x = leaf(rng.uniform(1, 2, size=n))
        check(lambda x=x: np.prod(x) / 3.0, [x])
    assert (info().open, info().compiled, info().unfit) == (0, 2, 0)
    (why,) = info().refused
    assert "an integer of Python's" in why


def test_a_part_that_was_swept_before_is_interpreted(at_once, rng):
    for n in (4, 5, 6):
        x, y = leaf(rng.normal(size=n)), leaf(rng.normal(size=n))
        a = np.sin(y)
        np.sum(a).backward(inputs=[y])
        found = ag.grad(np.sum(x * x * a), [x])[0]
        np.testing.assert_allclose(found.data, 2 * x.data * np.sin(y.data))


# ---- patterns ----


def test_patterns_of_lengths():
    def sample(n, m, shape, index, count):
        return {("__n0", 0): (n, m), ("__n0", "shape"): shape, ("__n1", "index"): index, ("__n1", 1): count}

    first = sample(10, 4, (40,), ((1, 9, 1), (0, 2, 1)), 40)
    pattern = pattern_of([first, sample(12, 4, (48,), ((1, 11, 1), (0, 2, 1)), 48)])
    assert list(map(str, pattern.at.values())) == ["(s0, 4)", "(4*s0,)", "((1, s0 + -1, 1), (0, 2, 1))", "4*s0"]
    assert pattern.sizes(first) == {"s0": 10}
    assert pattern.sizes(sample(20, 4, (80,), ((1, 19, 1), (0, 2, 1)), 80)) == {"s0": 20}
    for other in (
        sample(20, 5, (80,), ((1, 19, 1), (0, 2, 1)), 80),
        sample(20, 4, (80,), ((1, 18, 1), (0, 2, 1)), 80),
        sample(20, 4, (80,), ((1, 19, 1), (0, 2, 1)), 81),
        {},
    ):
        assert pattern.sizes(other) is None
    assert not pattern_of([first]).axes
    product = pattern_of([first, sample(12, 5, (60,), ((1, 11, 1), (0, 2, 1)), 60)])
    assert str(product.at["__n0", "shape"]) == "(s0*s1,)"
    with pytest.raises(NotOpen, match="was 40 and then 51, which no length"):
        pattern_of([first, sample(12, 4, (51,), ((1, 11, 1), (0, 2, 1)), 51)])
    with pytest.raises(NotOpen, match="another form"):
        pattern_of([first, sample(12, 4, (48, 1), ((1, 11, 1), (0, 2, 1)), 48)])


# ---- random programs ----

#: What stands for moves whose parameters hold for one size alone.
CUTS = (
    lambda x: x[1:], lambda x: x[:-1], lambda x: x[::-1], lambda x: x[::2], lambda x: x[:2], lambda x: x[-1],
    lambda x: x[1:-1], lambda x: x[: x.shape[0] // 2 + 1], lambda x: x[::-2],
)  # fmt: skip


def at_any_size(program, xs):
    """What a program computes, with other moves where its own would not fit, and the mean of what nobody reads."""
    values, used = list(xs), set()
    for i, step in enumerate(program.steps):
        x = values[step.operands[0]]
        try:
            if step.name in ("slice", "unslice", "put", "scatter_add"):
                y = CUTS[(program.seed + i) % len(CUTS)](x) if x.shape and x.shape[0] > 2 else x * 1.5
            else:
                y = step(values)
        except (ValueError, IndexError):
            y = x * 1.25
        values.append(y)
        used.update(step.operands)
    return sum(np.mean(np.sin(x) * x) for i, x in enumerate(values) if i not in used)


def test_random_programs_at_many_sizes():
    open_ones = []

    @settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
    @given(programs(smooth=False))
    def look(program: Program) -> None:
        rng = np.random.default_rng(program.seed)
        with jit.disable_hot_tapes(), jit.enable_hot_tapes(after=1):
            for n, m in ((4, 5), (5, 7), (6, 9), (7, 7), (3, 3), (2, 5), (9, 4), (20, 6)):
                shapes = [[{2: n, 3: m}.get(k, k) for k in shape] for shape in program.shapes]
                xs = [leaf(rng.uniform(-1.5, 1.5, shape)) for shape in shapes]
                if at_any_size(program, xs).requires_grad:
                    check(lambda xs=xs: at_any_size(program, xs), xs)
            assert info().unfit == 0
            open_ones.append(info().open)

    look()
    assert any(open_ones)
