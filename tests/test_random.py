"""Random numbers: a known stream, the same eagerly and compiled, new numbers at every call and in every step."""

import pickle
from threading import Thread

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops

SEED = 20


def rng():
    return ag.random.default_rng(SEED)


# The known answers that come with Random123, the authors' library.
@pytest.mark.parametrize(
    ("key", "counter", "bits"),
    [
        (0, 0, 0x99BA4EFE6B200159),
        (2**64 - 1, 2**64 - 1, 0xBB002BE71CB996FC),
        (0x0370734413198A2E, 0x85A308D3243F6A88, 0x483DF7A0C4923A9C),
    ],
)
def test_bits_are_those_of_threefry(key, counter, bits):
    assert int(ops.random_bits(np.uint64(key), np.uint64(counter))) == bits


DRAWS = {
    "random": lambda g: g.random((3, 2)),
    "float32": lambda g: g.random(5, np.float32),
    "one": lambda g: g.random(),
    "none": lambda g: g.random((0, 2)),
    "uniform": lambda g: g.uniform(-1, [1.0, 2.0]),
    "integers": lambda g: g.integers(-3, 4, size=(2, 5)),
    "endpoint": lambda g: g.integers(1, endpoint=True, size=4),
    "permutation": lambda g: g.permutation(6),
    "shuffled": lambda g: g.permutation(np.arange(8.0).reshape(4, 2)),
    "choice": lambda g: g.choice(np.arange(5.0), (2, 2)),
    "one choice": lambda g: g.choice(5),
    "chances": lambda g: g.choice(3, 6, p=[0.2, 0.5, 0.3]),
    "without replacement": lambda g: g.choice(6, (2, 3), replace=False),
    "normal": lambda g: g.normal(1.0, 2.0, (2, 3)),
    "normal, float32": lambda g: g.normal(np.ones(4, np.float32), np.float32(2)),
    "exponential": lambda g: g.exponential(np.array([1.0, 5.0])),
}
EXACT = [name for name in DRAWS if not name.startswith(("uniform", "normal", "exponential"))]


@pytest.mark.parametrize("name", DRAWS)
def test_the_stream_is_the_same_eagerly_and_compiled(name):
    one, other = rng(), rng()
    # An argument makes the recording one of tensors.
    drawn = jit.compile(lambda x: (DRAWS[name](other), x))
    for _ in range(3):
        expected, found = np.asarray(DRAWS[name](one)), np.asarray(drawn(1.0)[0])
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        if name in EXACT:
            np.testing.assert_array_equal(found, expected)
        else:
            # A kernel may round `low + width * u` once, not twice.
            rounding = np.finfo(found.dtype).eps
            np.testing.assert_allclose(found, expected, rtol=8 * rounding, atol=4 * rounding)
    assert one.get_state().tolist() == other.get_state().tolist()


def test_each_draw_and_each_call_is_new_and_eager_and_compiled_calls_take_turns():
    g, other = rng(), rng()
    draw = jit.compile(lambda x: x + g.random(4))
    zeros = np.zeros(4)
    found = [draw(zeros), g.random(4), draw(zeros), draw(zeros), g.random(4)]
    np.testing.assert_array_equal(np.concatenate(found), other.random(20))


def test_the_state_is_saved_set_and_pickled():
    g = rng()
    draw = jit.compile(lambda x: x * g.normal(size=3))
    draw(1.0)
    state, copied = g.get_state(), pickle.loads(pickle.dumps(g))
    after = draw(1.0)
    np.testing.assert_array_max_ulp(copied.normal(size=3), after, 8)
    g.set_state(state)
    np.testing.assert_array_equal(draw(1.0), after)
    assert repr(g) == f"<Generator {int(state[0]):#x} at {int(state[1]) + 6}>"
    with pytest.raises(ValueError, match=r"`set_state` needs what `get_state` returned.*got float64\[2\]"):
        g.set_state([1.0, 2.0])


def test_children_have_streams_of_their_own():
    parent = rng()
    children = parent.spawn(3)
    numbers = np.array([x.random(1000) for x in (parent, *children)])
    assert np.abs(np.corrcoef(numbers) - np.eye(4)).max() < 0.1
    np.testing.assert_array_equal(rng().spawn(1)[0].random(1000), numbers[1])


def test_moments():
    g, n = rng(), 200_000
    for x, mean, deviation in (
        (g.random(n), 0.5, 12**-0.5),
        (g.random(n, np.float32), 0.5, 12**-0.5),
        (g.normal(size=n), 0, 1),
        (g.normal(np.float32(3), np.float32(2), size=n), 3, 2),
        (g.exponential(2.0, size=n), 2, 2),
        (g.integers(1, 6, endpoint=True, size=n), 3.5, (35 / 12) ** 0.5),
        (g.choice(2, n, p=[0.25, 0.75]), 0.75, 0.1875**0.5),
    ):
        assert abs(x.mean() - mean) < 5 * deviation / n**0.5
        assert abs(x.std() - deviation) < 0.01 * deviation
    x = g.normal(size=n)
    assert abs((x**4).mean() - 3) < 0.1
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 5 / n**0.5
    assert np.unique(g.random(n)).size == n


@pytest.mark.parametrize("grad", [ag.value_and_grad, jit.value_and_grad], ids=["eager", "compiled"])
def test_gradients_by_location_and_scale(grad):
    g, other = rng(), rng()
    value_and_slopes = grad(lambda loc, scale: np.sum(g.normal(loc, scale, size=3) ** 2), argnums=(0, 1))
    for _ in range(2):
        z = other.normal(size=3)
        value, (by_loc, by_scale) = value_and_slopes(0.5, 2.0)
        x = 0.5 + 2 * z
        np.testing.assert_allclose([value, by_loc, by_scale], [np.sum(x * x), np.sum(2 * x), np.sum(2 * x * z)])


def walk_by_scan(g):
    def step(x, push):
        return x + push * g.normal(size=2), np.sum(x * x)

    return lambda x: np.sum(ag.scan(step, x, np.linspace(0, 1, 40))[1]) + g.random()


def walk_by_hand(g):
    def walk(x):
        total = 0.0
        for push in np.linspace(0, 1, 40):
            x, total = x + push * g.normal(size=2), total + np.sum(x * x)
        return total + g.random()

    return walk


def walk_in_walks(g):
    def inner(x, _):
        return x + 0.1 * g.normal(size=2), None

    def outer(x, _):
        x = ag.scan(inner, x * g.random(), length=3)[0]
        return x, np.sum(x * x)

    return lambda x: np.sum(ag.scan(outer, x, length=4)[1])


@pytest.mark.parametrize("make", [walk_by_scan, walk_by_hand, walk_in_walks])
def test_loops_draw_anew_in_each_step(make):
    one, other = rng(), rng()
    eager, compiled = ag.value_and_grad(make(one)), jit.value_and_grad(make(other))
    x, values = np.ones(2), []
    for _ in range(3):
        expected, found = eager(x), compiled(x)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-13)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-13)
        values.append(float(found[0]))
    assert len(set(values)) == 3
    assert one.get_state().tolist() == other.get_state().tolist()


def test_a_map_draws_for_each_element_and_second_derivatives_see_the_same_numbers():
    one, other = rng(), rng()
    xs = np.arange(3.0)

    def total(g):
        return lambda xs: np.sum(ag.map(lambda x: x**3 * g.random(), xs))

    expected = ag.hessian(total(one))(xs)
    np.testing.assert_allclose(jit.hessian(total(other))(xs), expected, rtol=1e-14)
    np.testing.assert_allclose(np.diag(expected), 6 * xs * rng().random(3), rtol=1e-14)


def test_a_sweep_after_later_draws_reads_the_numbers_of_its_call():
    g, other = rng(), rng()
    product = jit.compile(lambda x: (x * x * g.random(3)).sum())
    x = ag.tensor(np.ones(3), requires_grad=True)
    y = product(x)
    product(x)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * other.random(3), rtol=1e-15)


def test_results_in_given_arrays_and_bound_calls_draw_too():
    g, other = rng(), rng()
    draw = jit.compile(lambda x: x + g.random(4))
    x, out = np.zeros(4), np.empty(4)
    draw(x, out=out)
    np.testing.assert_array_equal(out, other.random(4))
    call = draw.bind(x)
    found = [call().copy() for _ in range(3)]
    numbers = np.concatenate(found)
    assert np.unique(numbers).size == 12
    assert np.isin(numbers, other.random(40)).all()


def test_where_a_recording_would_repeat_the_numbers_it_refuses():
    g = rng()
    x = ag.tensor(1.0)
    with ag.record(), pytest.raises(RuntimeError, match=r"in `ag.record\(\)`, `while_loop`, `cond` or `switch`; draw"):
        x + g.random()
    with pytest.raises(RuntimeError, match="would repeat them"):
        jit.compile(lambda x: ag.cond(x > 0, lambda x: x + g.random(), lambda x: x, x))(1.0)
    with pytest.raises(RuntimeError, match="would repeat them"):
        jit.compile(lambda x: ag.while_loop(lambda x: x < 3, lambda x: x + g.random(), x))(1.0)
    assert g.get_state()[1] == 0


def test_bad_parameters():
    g = rng()
    with pytest.raises(TypeError, match="drawn in float64 or float32, got int64"):
        g.random(3, np.int64)
    with pytest.raises(ValueError, match=r"`integers` needs a `low` below `high`.*got 3 and 3"):
        g.integers(3, 3)
    with pytest.raises(ValueError, match="at most 3 draws, got 4 draws and no chances `p`"):
        g.choice(3, 4, replace=False)
    with pytest.raises(ValueError, match="equal chances and at most 3 draws, got 2 draws and chances `p`"):
        g.choice(3, 2, replace=False, p=[0.5, 0.5, 0.0])


def test_threads_draw_different_numbers():
    g, found = rng(), []
    threads = [Thread(target=lambda: found.extend([g.random(7) for _ in range(50)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(np.sort(np.concatenate(found)), np.sort(rng().random(4 * 50 * 7)))


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_is_run_again_draws_the_same_again(create_graph):
    def step(x, _):
        return x * g.uniform(0.9, 1.1, size=2), np.sum(x)

    def total(x, checkpoint):
        return np.sum(ag.scan(step, x, length=16, checkpoint=checkpoint)[1])

    found = []
    for checkpoint in (None, "sqrt"):
        g = rng()
        x = ag.tensor([1.0, 2.0], requires_grad=True)
        y = total(x, checkpoint)
        g.random(5)
        (gx,) = ag.grad(y, [x], create_graph=create_graph)
        found.append((float(y), gx.tolist(), g.get_state().tolist()))
    assert found[0] == found[1]

    g, other = rng(), rng()
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    y = ag.checkpoint(lambda x: ag.exp(x) * g.random(2), x).sum()
    g.random(5)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]) * other.random(2), rtol=1e-15)
    np.testing.assert_array_equal(g.random(3), other.random(8)[5:])
