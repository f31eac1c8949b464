"""Modes, recording, nodes and the sweep."""

import asyncio
import gc
import threading
from time import thread_time

import numpy as np
import pytest

import autograd as ag
from autograd import ops
from autograd.primitive import PRIMITIVES, Primitive, Swept
from autograd.tape import STATE, Node, sweep

ONE = np.float64(1.0)


def leaf(data):
    return ag.tensor(data, requires_grad=True)


# ---- modes ----


def test_no_grad_and_enable_grad_nest():
    x = leaf(1.0)
    assert (x * 2).requires_grad
    with ag.no_grad():
        assert not ag.is_grad_enabled()
        assert not (x * 2).requires_grad
        assert not ops.sin(x).requires_grad
        with ag.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert ag.is_grad_enabled()


def test_the_mode_is_restored_after_an_error():
    with pytest.raises(KeyError), ag.no_grad():
        raise KeyError
    assert ag.is_grad_enabled()


def test_one_object_may_be_entered_again_and_within_itself():
    off = ag.no_grad()
    for _ in range(2):
        with off:
            with off:
                assert not ag.is_grad_enabled()
            assert not ag.is_grad_enabled()
        assert ag.is_grad_enabled()


def test_modes_decorate_functions():
    @ag.no_grad()
    def off(depth):
        """Whether gradients are on, at each depth."""
        return [ag.is_grad_enabled()] + (off(depth - 1) if depth else []) + [ag.is_grad_enabled()]

    assert off(2) == [False] * 6
    assert ag.is_grad_enabled()
    assert (off.__name__, off.__doc__) == ("off", "Whether gradients are on, at each depth.")

    @ag.set_grad_enabled(False)
    def also_off():
        return ag.is_grad_enabled()

    assert ag.is_grad_enabled()
    assert also_off() is False
    assert ag.is_grad_enabled()


def test_set_grad_enabled_works_at_once():
    before = ag.set_grad_enabled(False)
    assert not ag.is_grad_enabled()
    with before:
        assert not ag.is_grad_enabled()
    assert ag.is_grad_enabled()
    with ag.set_grad_enabled(False), ag.set_grad_enabled(True):
        assert ag.is_grad_enabled()
    assert ag.is_grad_enabled()


def test_modes_belong_to_a_thread():
    seen = []
    off = ag.no_grad()

    def other():
        seen.append(ag.is_grad_enabled())
        with off, ag.record():
            seen.append(ag.is_grad_enabled())
        seen.append(ag.is_grad_enabled())

    with off, ag.record() as tape:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert not ag.is_grad_enabled()
        assert STATE.tape is tape
    assert seen == [True, False, True]
    assert ag.is_grad_enabled()
    assert STATE.tape is None


def test_modes_belong_to_an_asynchronous_task():
    seen = []

    async def off():
        with ag.no_grad():
            await asyncio.sleep(0)
            seen.append(ag.is_grad_enabled())

    async def on():
        seen.append(ag.is_grad_enabled())

    async def both():
        await asyncio.gather(off(), on())

    asyncio.run(both())
    assert seen == [True, False]


def test_the_state_has_no_other_fields():
    with pytest.raises(AttributeError, match="fields grad_enabled, tape, nesting, anomaly, watchers, drawn, got grad"):
        STATE.grad  # noqa: B018


# ---- recording ----


def test_a_recording_within_a_recording():
    x = ag.tensor([1.0])
    with ag.record() as outer:
        x + 1
        with ag.record() as inner:
            x * 2
        x - 1
    assert [node.primitive.name for node in outer.nodes] == ["add", "sub"]
    assert [node.primitive.name for node in inner.nodes] == ["mul"]
    assert repr(outer) == "<Tape of 2 equations and 0 guards>"


def test_what_escapes_is_guarded_with_its_line():
    x = ag.tensor([1.0, 2.0])
    i = ag.tensor(1)
    with ag.record() as tape:
        y = x.sum()
        assert y > 2
        float(y)
        int(y)
        y.item()
        x.tolist()
        range(i)
    assert [guard.value for guard in tape.guards] == [True, 3.0, 3, 3.0, [1.0, 2.0], 1]
    assert tape.guards[1].node is y.node
    assert tape.guards[-1].node is i
    for guard in tape.guards:
        file, line = guard.where.rsplit(":", 1)
        assert file == __file__
        assert int(line) > 0


def test_nothing_is_guarded_without_a_tape():
    tape = ag.Tape()
    assert float(ag.tensor(1.0)) == 1.0
    assert tape.guards == []


# ---- nodes ----


def test_nodes_are_numbered_in_order():
    x = leaf(1.0)
    y = x * 2
    z = ops.sin(y)
    assert y.node.number < z.node.number
    assert z.node.parents == (y.node,)
    assert y.node.parents == (x, None)


def test_names_of_nodes():
    x = leaf([1.0, 2.0])
    assert repr((x.sum()).node) == "<SumBackward0>"
    assert repr(ops.floor_divide(x, 2.0).node) == "<FloorDivideBackward0>"


# ---- the sweep ----


def test_the_sweep_returns_cotangents_by_node_and_leaf():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    w = z * z
    assert sweep([(w.node, ONE)], None, None, True) == {x: 36.0, y: 24.0}
    assert sweep([(w.node, ONE)], {z.node, y}, None, True) == {z.node: 12.0, y: 24.0}
    assert sweep([(w.node, ONE), (z.node, ONE)], {x}, None, True) == {x: 39.0}
    assert sweep([(w.node, ONE), (w.node, ONE)], {x}, None, True) == {x: 72.0}


def test_the_sweep_computes_only_what_the_targets_need():
    calls = []
    x, y = leaf(2.0), leaf(3.0)
    z = ops.sin(x) * ops.exp(y)

    class Watched(np.float64):
        def __mul__(self, other):
            calls.append(other)
            return np.float64(self) * other

    found = sweep([(z.node, Watched(1.0))], {x}, None, True)
    assert list(found) == [x]
    assert calls == [np.exp(3.0)]


def test_a_sweep_for_targets_stops_at_them():
    x = leaf(2.0)
    before = x * x
    y = before * 3
    before.backward()
    # The part before the target is freed, and is not needed.
    assert sweep([(y.node, ONE)], {before.node}, None, True) == {before.node: 3.0}
    with pytest.raises(RuntimeError, match="swept already"):
        sweep([(y.node, ONE)], {x}, None, True)


def test_a_target_that_leads_to_another():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    assert sweep([(z.node, ONE)], {y.node, x}, None, True) == {y.node: 3.0, x: 12.0}
    assert sweep([(z.node, ONE)], {z.node, x}, None, True) == {z.node: 1.0, x: 12.0}


def test_a_target_that_is_not_reached():
    x, other = leaf(2.0), leaf(3.0)
    z = x * x
    assert sweep([(z.node, ONE)], {other}, None, True) == {}


def test_a_leaf_that_was_switched_off_is_passed_by():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y * y
    x.requires_grad_(False)
    assert sweep([(z.node, ONE)], None, None, True) == {y: 12.0}
    assert sweep([(z.node, ONE)], {x, y}, None, True) == {y: 12.0}
    z.backward()
    assert x.grad is None
    assert float(y.grad) == 12.0


def test_a_rule_in_the_form_of_the_sweep_is_a_rule_like_any_other():
    swept = Swept(lambda g, out, inputs, params: g * inputs[1] * params["by"])
    assert swept(2.0, None, 3.0, 5.0, by=7.0) == 70.0
    op = Primitive("scaled", lambda x, y, *, by: x * y * by, aval=lambda x, y, *, by: x, vjps=(swept,))
    try:
        x, y = leaf(3.0), leaf(5.0)
        op(x, y, by=7.0).backward()
        assert float(x.grad) == op.vjp(0)(1.0, None, 3.0, 5.0, by=7.0) == 35.0
        # There is no rule for the second input.
        assert y.grad is None
    finally:
        del PRIMITIVES["scaled"]


def test_one_rule_for_all_inputs_may_leave_some_out():
    op = Primitive("first", lambda *xs: xs[0], aval=lambda *xs: xs[0], vjps=lambda g, out, *xs: [g, None, 2 * g])
    try:
        x, y, z = leaf(3.0), leaf(5.0), leaf(7.0)
        op(x, y, z).backward()
        assert (float(x.grad), y.grad, float(z.grad)) == (1.0, None, 2.0)
    finally:
        del PRIMITIVES["first"]


def test_many_paths_are_walked_once():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_consumers_in_any_order():
    x = leaf(3.0)
    early = x * 2
    late = early * early
    (early + late * early).backward()
    # early + early^3 at early = 6, times 2.
    assert x.grad.item() == 2 * (1 + 3 * 36)


def test_a_deep_chain():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y * -1.0
    (g,) = ag.grad(y, [x], retain_graph=True)
    y.backward()
    assert g.item() == x.grad.item() == 1.0
    del y
    assert x.grad.item() == 1.0


def test_the_time_of_a_sweep_is_linear():
    def time_of(length):
        x = leaf(1.0)
        y = x
        for _ in range(length):
            y = y + x
        start = thread_time()
        y.backward()
        return thread_time() - start

    gc.disable()
    try:
        short, long = (min([time_of(n) for _ in range(5)]) for n in (2_000, 20_000))
    finally:
        gc.enable()
    assert long < 40 * short


def test_a_node_may_be_made_by_hand():
    x = leaf(2.0)
    node = Node(ops.mul, (3.0, np.float64(2.0)), None, {}, (None, x), True)
    assert sweep([(node, 5 * ONE)], None, None, True) == {x: 15.0}


def test_a_cotangent_may_be_a_tensor_where_rules_add_in_place():
    x, g = leaf([1.0, 2.0, 3.0]), ag.tensor([1.0, 10.0, 100.0])
    (found,) = ag.grad(ag.concatenate([x[:2], x[1:2]]) * 1.0, [x], g)
    np.testing.assert_array_equal(found.data, [1.0, 110.0, 0.0])
    (x[1:] + x[:2]).backward(g[:2])
    np.testing.assert_array_equal(x.grad.data, [1.0, 11.0, 10.0])
    np.testing.assert_array_equal(g.data, [1.0, 10.0, 100.0])


# ---- sweeps within sweeps ----


def test_an_inner_gradient_is_by_its_own_argument():
    # Both arguments have the value 3: d/dy (x y) is x, and not x + y.
    def outer(x):
        return x * ag.grad(lambda y: x * y)(x)

    assert outer(np.array(3.0)) == 9.0
    assert ag.grad(outer)(np.array(3.0)) == 6.0


def test_an_inner_gradient_holds_the_outer_argument_constant():
    f = ag.grad(lambda x: x * ag.grad(lambda y: x + y)(np.array(1.0)))
    assert f(np.array(1.0)) == 1.0


def test_nested_gradients_of_a_polynomial():
    f = lambda x: x**5
    for order, factor in enumerate([1, 5, 20, 60, 120, 120, 0]):
        assert f(np.array(1.0)) == factor, order
        f = ag.grad(f)


def test_backward_within_a_functional_gradient():
    def f(x):
        w = ag.tensor(2.0, requires_grad=True)
        (w**3).backward()
        return x * w.grad

    assert ag.grad(f)(np.array(5.0)) == 12.0


def test_parts_add_up_in_arrays_that_nobody_else_has():
    x = ag.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    rows = x * 2
    y = rows[0] * rows[1] + rows[1:].sum(0) + rows[[0, 0, 2]].sum(0) + rows[:, 1].sum()
    g = np.array([1.0, 3.0])
    y.backward(g, retain_graph=True)
    first = x.grad.numpy().copy()
    y.backward(g)
    np.testing.assert_array_equal(x.grad.numpy(), 2 * first)
    np.testing.assert_array_equal(g, [1.0, 3.0])
    expected = np.zeros((3, 2))
    values = rows.detach().numpy()
    expected[0] += g * values[1]
    expected[1] += g * values[0]
    expected[1:] += g
    expected += np.array([2.0, 0.0, 1.0])[:, None] * g
    expected[:, 1] += g.sum()
    np.testing.assert_array_equal(first, 2 * expected)


def test_a_cotangent_that_goes_to_two_places_is_not_added_to():
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    y = ag.tensor([3.0, 4.0], requires_grad=True)
    total = x + y
    (total[0] + total[1] + x[0] * 5 + total.sum()).backward()
    assert x.grad.tolist() == [7.0, 2.0]
    assert y.grad.tolist() == [2.0, 2.0]
