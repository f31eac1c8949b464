"""Hot tapes: the gradients of interpreted sweeps for every tape, and kernels for those that come again."""

import gc
import threading
import weakref

import numpy as np
import pytest
from hypothesis import assume, given, settings

import autograd as ag
import jit
from autograd import ops
from autograd.primitive import PRIMITIVES, Primitive
from autograd.tape import STATE
from benchmarks import hot_tapes as benchmark
from benchmarks import workloads
from jit.hot import recorded_sweep
from jit.hot import tapes as hot
from tests.cases import SMOOTH
from tests.hot import agree, check, gradients, hits, leaf
from tests.programs import programs

# ---- the same gradients ----

SMALL = {
    "polynomial": workloads.polynomial_inputs,
    "rosenbrock": lambda: workloads.rosenbrock_inputs(10),
    "logistic": lambda: workloads.logistic_inputs(100, 5),
    "mlp": lambda: workloads.mlp_inputs(32, 16, 16, 4),
    "black_scholes": lambda: workloads.black_scholes_inputs(100),
    "rnn": lambda: workloads.rnn_inputs(12, 8),
    "lorenz": workloads.lorenz_inputs,
    "heat": lambda: workloads.heat_inputs(12),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SMALL)
def test_workloads(name, dtype, at_once, monkeypatch):
    monkeypatch.setattr(workloads, "LORENZ_STEPS", 3)
    monkeypatch.setattr(workloads, "HEAT_STEPS", 3)
    (workload,) = [w for w in workloads.WORKLOADS if (w.family == name and w.small) or w.name == f"{name}-128x50"][:1]
    arrays = [np.asarray(x, dtype) for x in SMALL[name]()]
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    for factor in (1.0, 1.0, 0.9, 1.1):
        xs = [leaf(factor * x) if i in workload.argnums else x for i, x in enumerate(arrays)]
        check(lambda xs=xs: workload.function(*xs), [xs[i] for i in workload.argnums], tolerance)
    assert jit.hot_tapes_info()[:5] == (1, 1, 0, 3, 1)


@settings(max_examples=60)
@given(programs(smooth=False))
def test_random_programs(program):
    arrays = program.inputs()
    assume(program(*[leaf(x) for x in arrays]).requires_grad)
    with jit.disable_hot_tapes(), jit.enable_hot_tapes(after=1):
        for factor in (1.0, 0.9, 1.1):
            xs = [leaf(factor * x) for x in arrays]
            check(lambda xs=xs: program(*xs), xs)
        info = jit.hot_tapes_info()
        assert info.unfit == 0
        assert info.hits >= 1


def total(x):
    """The sum of all elements, of its real part where they are complex."""
    x = ops.real(x) if x.dtype.kind == "c" else x
    return ops.sum(x, axis=tuple(range(x.ndim)), keepdims=False)


#: All cases of ops that move, reduce or multiply, and one of each elementwise op and number of inputs.
OF_EVERY_OP = {(c.op, len(c.wrt)) if c.op.elementwise else c.name: c for c in reversed(SMOOTH)}.values()


@pytest.mark.parametrize("case", OF_EVERY_OP, ids=repr)
def test_every_op(case, at_once, rng):
    arrays = case.arrays()
    for factor in (1.0, 1.0, 0.97):
        xs = [leaf(factor * x) if i in case.wrt else x for i, x in enumerate(arrays)]
        weights = rng.normal(size=np.shape(case(*arrays)))
        check(lambda xs=xs, w=weights: total(case(*xs) * w), [xs[i] for i in case.wrt])
    assert (hits(), jit.hot_tapes_info().unfit) == (2, 0)


#: One case of each op of several floating inputs.
OF_SEVERAL = {case.op: case for case in reversed(SMOOTH) if case.op.elementwise and len(case.wrt) > 1}


@pytest.mark.parametrize("case", OF_SEVERAL.values(), ids=[op.name for op in OF_SEVERAL])
def test_a_rule_that_decides_by_a_number_sees_each_number(case, at_once):
    zero = 3.0 if case.op in (ops.div, ops.floor_divide, ops.mod) else 0.0
    arrays = [np.abs(x) + 0.1 if np.asarray(x).dtype.kind == "f" else x for x in case.arrays()]
    for i in case.wrt:
        for j in case.wrt:
            for number in (0.5, 0.5, 0.7, 2.0, zero, 1.0, 1, 1, 2, int(zero)) if i != j else ():
                xs = list(arrays)
                xs[i], xs[j] = leaf(arrays[i]), number
                check(lambda xs=xs: total(case(*xs)), [xs[i]])
    assert hits() > 0


def test_equal_numbers_in_other_objects_and_of_other_types(at_once):
    x = leaf(2.0)
    for _ in range(4):
        check(lambda: x ** float("2.5") * int("-1000"), [x])
    assert hits() == 3
    for other in (-1000.0, np.int64(-1000), -1001):
        check(lambda other=other: x**2.5 * other, [x])
    assert hits() == 3


# ---- what may change from tape to tape ----


def test_arrays_masks_indices_numbers_and_cotangents_are_arguments(at_once, rng):
    w = leaf(rng.normal(size=5))
    for i in range(6):
        batch, mask = rng.normal(size=(4, 5)), rng.random(4) > 0.5
        index, number, seed = rng.integers(-5, 5, 7), float(rng.normal()), rng.normal()

        def loss(batch=batch, mask=mask, index=index, number=number, seed=seed):
            x = np.where(mask, np.tanh(batch @ w), number * (batch @ w))
            return (np.sum(x) + np.sum(w[index] ** 2)) * np.float64(seed)

        check(loss, [w])
        assert hits() == i
    assert jit.hot_tapes_info().compiled == 1


def test_values_that_were_saved_before_a_change_in_place(at_once, rng):
    for _ in range(3):
        w, x = leaf(rng.normal(size=4)), rng.normal(size=4)
        found = []
        for hot_one in (True, False):
            with jit.enable_hot_tapes(after=1) if hot_one else jit.disable_hot_tapes():
                w.grad = None
                loss = np.sum(np.exp(w + x) * x)
                before = x.copy()
                # The exponential was saved, `x` was not copied.
                x *= 2.0
                loss.backward()
                x[:] = before
                found.append(w.grad.data)
        agree(*[[g] for g in found])
    assert hits() == 2


def test_other_data_of_a_tensor(at_once, rng):
    w = leaf(rng.normal(size=4))
    for shape in ((4,), (4,), (4,), (1,), (1,), (2, 2), (2, 2), (4,)):
        w.data = rng.normal(size=shape)
        check(lambda: np.sum(np.sin(w) * w), [w])
    assert jit.hot_tapes_info()[:4] == (3, 3, 0, 5)


def test_the_data_of_a_result_replaced_before_the_sweep(at_once, rng):
    """The consumer keeps another array than the op that made it."""
    for same in (True, True, False, False, False, True):
        w = leaf(rng.normal(size=3))
        other = rng.normal(size=3)

        def loss(w=w, other=other, same=same):
            h = np.tanh(w)
            if not same:
                h.data = other
            return np.sum(h * h)

        check(loss, [w])
    assert hits() == 4


def test_layouts(at_once, rng):
    a = rng.normal(size=(6, 4))
    for x in (a, a, a.copy(order="F"), a.copy(order="F"), a[::-1], a[::-1], rng.normal(size=(6, 8))[:, ::2], a):
        w = leaf(rng.normal(size=(4, 3)))
        check(lambda w=w, x=x: np.sum(np.tanh(x @ w) + x @ w.T.T), [w])
        v = leaf(x)
        check(lambda w=w, v=v: np.sum(np.tanh(v.T[::-1].T @ w)), [v, w])


# ---- what is part of a structure ----


def structures(*losses):
    """How many structures there are among functions that each make a tape, by the fingerprint of its loss."""
    for loss in losses:
        for _ in range(3):
            loss().backward()
    return jit.hot_tapes_info().structures


def test_what_tells_structures_apart(at_once, rng):
    x, y = leaf(rng.normal(size=3)), leaf(rng.normal(size=3))
    z, f = leaf(np.abs(rng.normal(size=3))), leaf(np.ones(3, np.float32))
    losses = [
        *[lambda y=y: np.sum(x * y) for y in (x, y, 2.0, np.float64(2.0), 2, -1, -2, True)],
        *[lambda y=y: np.sum(x * y) for y in (np.ones(3), np.ones((2, 3)), np.ones(3, int))],
        *[lambda n=n: np.sum(z**n) for n in (2, 2.0, 3.0)],
        *[lambda y=y: np.sum(f * y) for y in (2.0, np.float64(2.0))],
        *[lambda i=i: x[i] * 1.5 for i in (1, 2)],
        lambda: np.sum(x / y), lambda: np.sum(np.sin(x) * z.data), lambda: np.sum(z.data * np.sin(x)),
        # The other way round, the compiled sweep for two nodes would take one node for both.
        lambda: (lambda s: np.sum(s + s))(np.sin(x)), lambda: np.sum(np.sin(x) + np.sin(x)),
    ]  # fmt: skip
    # It is all the same which leaf is which, and what `detach` cuts off is an array like any other.
    others = [lambda: np.sum(y * x), lambda: np.sum(x * y.detach())]
    assert structures(*losses, *others) == len(losses)
    for loss in (*losses, *others):
        check(loss, [x, y, z, f])
    info = jit.hot_tapes_info()
    assert (info.compiled, info.unfit) == (len(losses), 0)


def test_one_node_where_there_were_two(at_once):
    """The two pass the same conditions, since sweeps are linear."""
    x = leaf([0.3, 0.4])
    two = lambda: (lambda a, b: np.sum(a * b))(np.sin(x), np.sin(x))
    one = lambda: (lambda a: np.sum(a * a))(np.sin(x))
    for loss in (two, two, one, two, one, one):
        check(loss, [x])


def test_one_leaf_where_there_were_two(at_once):
    x, y = leaf([0.3, 0.4]), leaf([0.5, 0.6])
    for a, b in ((x, y), (x, y), (x, x), (y, x), (y, y)):
        check(lambda a=a, b=b: np.sum(a * np.cos(b)), [x, y])


def test_a_wanted_result_where_one_node_stands_for_two(at_once):
    x = leaf([0.3, 0.4])

    def slope(one):
        a = np.sin(x)
        b = a if one else np.sin(x)
        return ag.grad(np.sum(a * np.exp(b)), [a])[0].data

    for one in (False, False, True, True, False):
        ours = slope(one)
        with jit.disable_hot_tapes():
            agree([ours], [slope(one)])


def test_an_array_that_two_nodes_share_by_chance(at_once, rng):
    w = leaf(rng.normal(size=3))
    a = rng.normal(size=3)
    for first, second in ((a, a), (a, a), (a, a + 1), (a + 2, a), (a, a)):
        check(lambda p=first, q=second: np.sum(np.tanh(w * p) * q), [w])
    # Compiled once more, without taking the two for one.
    assert jit.hot_tapes_info()[:4] == (1, 1, 0, 3)


def test_a_leaf_whose_gradient_is_switched_off(at_once):
    x, y = leaf(2.0), leaf(3.0)
    for on in (True, True, True, False, False, False, True):
        x.grad = y.grad = None
        loss = np.sin(x * y)
        y.requires_grad_(on)
        loss.backward()
        y.requires_grad_(True)
        np.testing.assert_allclose(x.grad.data, 3.0 * np.cos(6.0))
        assert (y.grad is not None) == on


# ---- semantics ----


def test_gradients_accumulate_and_own_their_memory(at_once):
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    for i in range(4):
        (np.sum(x + y) + np.sum(x * 0.0)).backward()
        np.testing.assert_array_equal(x.grad.data, np.full(2, i + 1.0))
    assert hits() == 3
    x.grad.data[0] = 9.0
    np.testing.assert_array_equal(y.grad.data, [4.0, 4.0])


def test_the_cotangent_that_is_given_is_not_handed_out(at_once):
    x = leaf([1.0, 2.0])
    g = np.array([3.0, 4.0])
    for _ in range(3):
        x.grad = None
        (x + 1.0).backward(g)
        assert not np.shares_memory(x.grad.data, g)
        np.testing.assert_array_equal(x.grad.data, g)
    assert hits() == 2


def test_a_second_sweep_needs_retain_graph(at_once):
    x = leaf(2.0)
    for _ in range(3):
        x.grad = None
        y = x**3
        y.backward(retain_graph=True)
        y.backward()
        assert float(x.grad) == 24.0
        with pytest.raises(RuntimeError, match="swept already"):
            y.backward()
        with pytest.raises(RuntimeError, match="swept already"):
            (y + 1.0).backward()
    assert hits() > 3


def test_a_tape_that_was_swept_in_part(at_once):
    x = leaf(2.0)
    for _ in range(4):
        h = np.sin(x)
        a, b = h + 1.0, h * 2.0
        a.backward()
        with pytest.raises(RuntimeError, match="`SinBackward0`: the graph was swept already"):
            b.backward()


def test_a_part_that_was_swept_before_and_of_which_nothing_is_read(at_once):
    x = leaf(2.0)
    for _ in range(4):
        y = x * 2 + x * 3
        (y + 1).backward()
        with pytest.raises(RuntimeError, match="`AddBackward0`: the graph was swept already"):
            (y + 1).backward()
    assert hits() == 3


def test_what_was_saved_is_freed(at_once):
    x = leaf(np.ones(1000))
    for _ in range(3):
        y = np.exp(x * 2.0)
        loss = np.sum(y)
        saved = weakref.ref(y.data)
        del y
        gc.disable()
        try:
            loss.backward()
            assert saved() is None
        finally:
            gc.enable()
    assert hits() == 2


def test_inputs(at_once):
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    for some in ([x], [x], [y], [y], [x, y], [y, x], [x]):
        x.grad = y.grad = None
        np.sum(x * x * y).backward(inputs=some)
        assert (x.grad is not None, y.grad is not None) == (x in set(some), y in set(some))
        for g, expected in ((x.grad, 2 * x.data * y.data), (y.grad, x.data**2)):
            if g is not None:
                np.testing.assert_allclose(g.data, expected)
    assert hits() >= 3


def test_what_is_not_asked_for_is_not_freed(at_once):
    x, y = leaf(2.0), leaf(3.0)
    for _ in range(3):
        a, b = np.sin(x), np.cos(y)
        (a * b).backward(inputs=[x])
        b.backward()
        with pytest.raises(RuntimeError, match="swept already"):
            a.backward()


def test_a_way_to_what_is_asked_for_that_was_not_there(at_once):
    """The constant factor of the first tapes depends on `x` in later ones."""
    x, z = leaf(2.0), leaf(3.0)
    for other in (z, z, z, x, x, z):
        found = ag.grad(x * np.sin(other), [x])[0]
        expected = np.sin(3.0) if other is z else np.sin(2.0) + 2.0 * np.cos(2.0)
        np.testing.assert_allclose(found.data, expected)


def test_gradient_as_array_or_tensor(at_once, rng):
    x = leaf(rng.normal(size=3))
    for kind in (np.asarray, np.asarray, ag.tensor, ag.tensor, lambda g: g[::-1], lambda g: g[::-1], np.asarray):
        g = rng.normal(size=3)
        x.grad = None
        np.sin(x).backward(kind(g))
        np.testing.assert_allclose(x.grad.data, np.cos(x.data) * np.asarray(kind(g).data if g is None else kind(g)))
    assert hits() >= 3
    with pytest.raises(ValueError, match="`gradient` needs the shape of the output"):
        np.sin(x).backward(np.ones(4))


def test_a_cotangent_that_requires_a_gradient(at_once):
    x, g = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    for _ in range(3):
        x.grad = None
        np.sin(x).backward(g)
        assert not x.grad.requires_grad
        agree([x.grad.data], [np.cos(x.data) * g.data])
    assert hits() == 2


def test_grad_of_tensors(at_once, rng):
    x, y = leaf(rng.normal(size=3)), leaf(rng.normal(size=3))
    for _ in range(4):
        h = np.sin(x)
        outputs = [np.sum(h * y), h * 2.0]
        seeds = [None, rng.normal(size=3)]
        ours = ag.grad(outputs, [x, y, h], seeds, retain_graph=True)
        with jit.disable_hot_tapes():
            theirs = ag.grad(outputs, [x, y, h], seeds)
        agree([g.data for g in ours], [g.data for g in theirs])
    assert hits() == 3


def test_unused_inputs(at_once):
    x, y = leaf(2.0), leaf(3.0)
    for _ in range(3):
        g, none = ag.grad(np.sin(x), [x, y], allow_unused=True)
        np.testing.assert_allclose(g.data, np.cos(2.0))
        assert none is None
        with pytest.raises(RuntimeError, match="do not depend on input 1"):
            ag.grad(np.sin(x), [x, y])


def test_gradients_of_functions(at_once, rng):
    f = ag.value_and_grad(lambda w, x: np.mean(np.tanh(x @ w) ** 2))
    for _ in range(4):
        w, x = rng.normal(size=3), rng.normal(size=(5, 3))
        value, g = f(w, x)
        with jit.disable_hot_tapes():
            agree([value, g], f(w, x))
        assert type(g) is np.ndarray
    assert hits() == 3


def test_sweeps_that_are_recorded_are_not_compiled(at_once):
    x = leaf(2.0)
    for _ in range(4):
        (first,) = ag.grad(x**3, [x], create_graph=True)
        with ag.record():
            x.grad = None
            (x**3).backward()
    assert hits() == 0
    assert jit.hot_tapes_info().others == 0
    for _ in range(3):
        (first,) = ag.grad(x**3, [x], create_graph=True)
        (second,) = ag.grad(first, [x])
        np.testing.assert_allclose(second.data, 12.0)
    assert hits() == 2


def test_a_leaf_swept_by_itself(at_once):
    x = leaf(2.0)
    for _ in range(3):
        x.backward()
    assert float(x.grad) == 3.0
    assert ag.grad([], [], []) == ()


# ---- what is compiled, and when ----


def test_one_kernel_for_a_structure(at_once, rng):
    jit.clear_cache()
    x = leaf(rng.normal(size=3))
    for _ in range(20):
        np.sum(np.sin(x) * 1.5).backward()
    assert jit.cache_info().misses == 1
    assert jit.hot_tapes_info() == (1, 1, 0, 19, 1, hot.BOUND, 0, ())


def test_structures_in_turn_are_foreseen(at_once, rng, monkeypatch):
    x = leaf(rng.normal(size=3))
    losses = [lambda: np.sum(np.sin(x)), lambda: np.sum(np.cos(x)), lambda: np.sum(np.sin(x) * 2.0)]
    for _ in range(3):
        for loss in losses:
            check(loss, [x])
    looked = []
    monkeypatch.setattr(hot, "fingerprint", lambda *args: looked.append(args))
    for _ in range(4):
        for loss in losses:
            check(loss, [x])
    assert not looked
    assert jit.hot_tapes_info()[:5] == (3, 3, 0, 18, 3)


def test_without_repetition_looks_become_rare(monkeypatch):
    looks = []
    fingerprint = hot.fingerprint
    monkeypatch.setattr(hot, "fingerprint", lambda *args: looks.append(1) or fingerprint(*args))
    x = leaf(2.0)
    with jit.disable_hot_tapes(), jit.enable_hot_tapes():
        for i in range(2000):
            (x * i).backward()
        assert 0 < len(looks) < 20
        # One structure from now on: it is found again.
        for _ in range(40_000):
            (x * 1.5).backward()
        assert jit.hot_tapes_info().compiled == 1
    assert 0 < len(looks) < 2000


def test_what_is_over_is_not_tried_for_ever(at_once):
    x = leaf(2.0)
    for _ in range(3):
        (x * 0.5).backward()
    (site,) = STATE.hot_tapes.sites.values()
    assert site.expected is site.last is not None
    for i in range(100):
        (x * i).backward()
    assert site.expected is None
    for _ in range(3):
        check(lambda: x * 0.5, [x])
    assert hits() == 5
    assert site.expected is not None


def test_a_structure_is_worth_its_compilation(rng):
    """Short loops never wait for a kernel, long ones do, and the sooner the longer the tape is."""
    x = leaf(2.0)

    def compiled_after(length):
        with jit.disable_hot_tapes(), jit.enable_hot_tapes():
            for i in range(40_000):
                y = x
                for _ in range(length):
                    y = y * 1.5
                y.backward()
                if hits():
                    return i
        return None

    few, many = compiled_after(40), compiled_after(5)
    assert 150 < few < many


def test_a_kernel_from_before_is_used_sooner(tmp_path, monkeypatch):
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path))
    x = leaf(2.0)

    def compiled_after():
        with jit.disable_hot_tapes(), jit.enable_hot_tapes():
            for i in range(10_000):
                x.grad = None
                y = x
                for _ in range(20):
                    y = np.sin(y) * 1.25
                y.backward()
                if hits():
                    return i
        return None

    jit.clear_cache()
    first, second = compiled_after(), compiled_after()
    jit.clear_cache()
    third = compiled_after()
    assert jit.cache_info()[:3] == (0, 0, 1)
    assert 10 < second == third < first / 3


def test_memory_of_structures_is_bounded(at_once, monkeypatch):
    monkeypatch.setattr("jit.hot.structures.BOUND", 10)
    monkeypatch.setattr("jit.hot.structures.BOUND_COMPILED", 3)
    x = leaf(2.0)
    for i in range(30):
        for _ in range(1 + (i % 2) * 3):
            x.grad = None
            (x * i).backward()
            assert float(x.grad) == i
    info = jit.hot_tapes_info()
    assert info.structures <= 10
    assert 1 <= info.compiled <= 3
    made = STATE.hot_tapes
    assert sum(x.sweep is not None for x in made.structures.known.values()) == info.compiled


def test_no_array_of_a_tape_is_kept(at_once):
    x, data = leaf(np.ones(1000)), np.ones(1000)
    kept = weakref.ref(data), weakref.ref(x)
    for _ in range(3):
        np.sum(np.exp(x * data) * data).backward()
    assert hits() == 2
    del x, data
    assert [ref() for ref in kept] == [None, None]


def test_the_block_ends_what_it_began(at_once):
    x = leaf(2.0)
    before = STATE.hot_tapes
    with jit.enable_hot_tapes(after=1):
        assert STATE.hot_tapes is before
    with jit.disable_hot_tapes():
        for _ in range(3):
            (x * 2.0).backward()
        assert jit.hot_tapes_info() == (0, 0, 0, 0, 0, hot.BOUND, 0, ())
        with jit.enable_hot_tapes(after=5):
            (x * 2.0).backward()
            assert jit.hot_tapes_info().structures == 1
        assert STATE.hot_tapes is None
    assert STATE.hot_tapes is before
    assert jit.hot_tapes_info().structures == 0


def test_a_number_of_tapes_is_at_least_one():
    with pytest.raises(ValueError, match="`enable_hot_tapes` needs `after` to be at least 1, got 0"):
        jit.enable_hot_tapes(after=0)


def test_threads(at_once, rng):
    """Threads that sweep at once, each with leaves of its own, structures shared and not."""
    errors = []
    data = rng.normal(size=(4, 50))

    def work(number):
        try:
            for i in range(60):
                x = leaf(data[number] + i)
                for _ in range(1 + i % 3):
                    x.grad = None
                    loss = np.sum(np.sin(x) * x) if i % 2 else np.sum(np.exp(-x * x) @ data[0])
                    loss.backward()
                expected = np.cos(x.data) * x.data + np.sin(x.data)
                if not i % 2:
                    expected = -2 * x.data * np.exp(-x.data * x.data) * data[0]
                np.testing.assert_allclose(x.grad.data, expected, rtol=1e-11, atol=1e-11)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert hits() > 100


@pytest.mark.parametrize("seed", [1.0 + 0.0j, 0.5 - 2.0j])
def test_complex_tapes_are_compiled(at_once, seed):
    for i in range(4):
        x = leaf(np.array([1.0 + 2.0j * i]))
        np.sum(x * x).backward(np.array(seed))
        np.testing.assert_allclose(x.grad.data, seed * np.conj(2 * x.data))
    assert jit.hot_tapes_info()[1:4] == (1, 0, 3)


# ---- what is not compiled ----


def test_a_sweep_of_very_many_values_stays_interpreted(at_once, monkeypatch):
    monkeypatch.setattr(recorded_sweep, "_MOST_VALUES", 2)
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    for _ in range(3):
        check(lambda: np.sum(x * x), [x])
        check(lambda: np.sum(x * y), [x, y])
    # The cotangent is one of the values.
    assert jit.hot_tapes_info()[1:4] == (1, 1, 2)


def test_compiled_calls_have_kernels_of_their_own(at_once):
    f, x = jit.compile(lambda x: np.sum(np.sin(x))), leaf([1.0, 2.0])
    for _ in range(3):
        x.grad = None
        (f(x) * 2.0).backward()
        np.testing.assert_allclose(x.grad.data, 2 * np.cos(x.data))
    assert jit.hot_tapes_info()[1:4] == (0, 1, 0)


def test_an_op_of_the_user_is_compiled_by_its_rule(at_once):
    cube = Primitive("cube_of_test", eval=lambda x: x**3, aval=lambda x: x, vjps=(lambda g, _, x: 3 * g * x * x,))
    try:
        x = leaf([1.0, 2.0])
        for _ in range(3):
            check(lambda: np.sum(cube(x)), [x])
        assert hits() == 2
    finally:
        del PRIMITIVES["cube_of_test"]


def test_a_function_of_the_user_stays_interpreted(at_once):
    class Cube(ag.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x = leaf([1.0, 2.0])
    for _ in range(4):
        check(lambda: np.sum(Cube.apply(x) * x), [x])
    assert hits() == 0
    # The sweeps within its rule have structures of their own.
    for _ in range(4):
        check(lambda: np.sum(ag.implicit.root(lambda y, x: y**3 + y - x, np.ones(2), x)), [x])
    assert hits() > 0


def test_a_loop_that_does_its_steps_again_stays_interpreted(at_once):
    def slope():
        x = leaf([1.0, 2.0])
        ag.scan(lambda c, _: (c * np.sin(c), c), x, length=5, checkpoint="sqrt")[1].sum().backward()
        return x.grad.numpy()

    with jit.disable_hot_tapes():
        expected = slope()
    # Those that are over may have been where new ones are.
    for _ in range(15):
        np.testing.assert_array_equal(slope(), expected)


def test_a_rule_that_needs_what_has_no_lowering(at_once):
    odd = Primitive("odd_of_test", eval=np.sin, aval=lambda x: x, vjps=(lambda g, _, x: g * odd_slope(x),))
    odd_slope = Primitive("odd_slope_of_test", eval=np.cos, aval=lambda x: x)
    try:
        x = leaf([1.0, 2.0])
        for _ in range(3):
            check(lambda: np.sum(odd(x)), [x])
        assert jit.hot_tapes_info()[1:4] == (0, 1, 0)
    finally:
        del PRIMITIVES["odd_of_test"], PRIMITIVES["odd_slope_of_test"]


def test_a_rule_that_asks_for_a_value_is_guarded(at_once):
    kink = Primitive(
        "kink_of_test", eval=np.abs, aval=lambda x: x, vjps=(lambda g, _, x: g if bool(x > 0) else -g,)
    )  # fmt: skip
    try:
        for value in (1.0, 1.0, 2.0, -2.0, 3.0, -1.0, -1.0, -1.0, -1.0):
            x = leaf(value)
            check(lambda x=x: kink(x) * 2.0, [x])
        assert jit.hot_tapes_info()[1:4] == (0, 1, 3)
    finally:
        del PRIMITIVES["kink_of_test"]


# ---- the benchmark ----


def test_the_benchmark_compares_before_it_measures(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["hot_tapes", "polynomial", "--rounds", "1"])
    monkeypatch.setattr(benchmark, "PATIENCE", 1e-4)
    benchmark.main()
    printed = capsys.readouterr().out
    assert "Seed polynomial" in printed
    assert "where no structure repeats" in printed


# ---- what watches a sweep ----


def test_hooks_are_called(at_once):
    x, seen = leaf(np.array([0.3, 0.6])), []
    loss = lambda: (np.sin(x) * x).sum()
    for _ in range(3):
        gradients(loss, [x])
    before = hits()
    handle = x.register_hook(lambda g: seen.append(g.data))
    (expected,) = gradients(loss, [x])
    assert len(seen) == 1
    assert hits() == before
    np.testing.assert_array_equal(seen[0], expected)
    handle.remove()


def test_an_anomaly_is_detected(at_once):
    x = leaf(np.array([0.0, 0.6]))
    loss = lambda: np.sum(np.sqrt(x) * 0.0)
    for _ in range(3):
        gradients(loss, [x])
    with ag.detect_anomaly(), pytest.raises(RuntimeError, match="returned nan values"):
        loss().backward()


def test_a_value_without_axes_that_is_also_read_by_an_index(at_once):
    x = leaf(np.array(0.5))
    y = lambda: ops.mul(x, 1.0)
    loss = lambda: (lambda y: ops.slice_(y, index=()) * y + ops.slice_(y, index=()))(y())
    for _ in range(3):
        check(loss, [x])
