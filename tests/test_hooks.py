"""Hooks on tensors and nodes, and gradients of what is no leaf. The expected results are those of PyTorch 2.13."""

import gc
import threading
import weakref

import numpy as np
import pytest

import autograd as ag
import jit


def leaf(*values):
    return ag.tensor(list(values), requires_grad=True)


# ---- on tensors ----


def test_hooks_replace_the_gradient_in_their_order():
    x = leaf(1.0, 2.0)
    y = x * 2
    first = y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.register_hook(lambda g: g + 1)
    y.sum().backward(retain_graph=True)
    assert (y.grad.tolist(), x.grad.tolist()) == ([11.0, 11.0], [22.0, 22.0])
    first.remove()
    first.remove()
    x.grad = None
    y.sum().backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([13.0, 13.0], [4.0, 4.0])


def test_a_hook_sees_the_sum_of_all_uses_once():
    seen = []
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * 3
    y.register_hook(lambda g: seen.append((g.tolist(), g.requires_grad, ag.is_grad_enabled())))
    (z + y * y).sum().backward()
    assert seen == [([7.0, 11.0], False, False)]
    assert x.grad.tolist() == [14.0, 22.0]


def test_hooks_on_leaves_and_in_grad():
    x = leaf(1.0, 2.0)
    with x.register_hook(lambda g: g * 100):
        assert ag.grad((x * 3).sum(), x)[0].tolist() == [300.0, 300.0]
        (x * 3).sum().backward()
        assert x.grad.tolist() == [300.0, 300.0]
    assert ag.grad((x * 3).sum(), x)[0].tolist() == [3.0, 3.0]
    y = x * 2
    y.register_hook(lambda g: g * 10)
    assert ag.grad(y.sum(), y)[0].tolist() == [10.0, 10.0]


def test_hooks_are_differentiated_where_the_sweep_is():
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * y)
    (g,) = ag.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [16.0]  # x**2 * 2 * x
    # The hook is called again: 2 * y directly, and by y 2 * x, times y, times 2 * x.
    assert ag.grad(g.sum(), x)[0].tolist() == [72.0]


def test_what_a_hook_may_not_return():
    x = leaf(1.0, 2.0)
    cases = [
        (lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
        (
            lambda g: g.sum(),
            RuntimeError,
            r"hook '<lambda>' has changed the size of value: .* \(2,\), got \(\)",
        ),
        (lambda g: g.float(), RuntimeError, "has changed the type of value .was float64 got float32."),
    ]
    for hook, error, words in cases:
        y = x * 2
        y.register_hook(hook)
        with pytest.raises(error, match=words):
            y.sum().backward()


def test_what_has_no_gradient_takes_no_hook():
    c = ag.tensor(1.0)
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        c.register_hook(print)
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        c.retain_grad()
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        c.register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="post accumulate grad hooks cannot be registered on non-leaf tensors"):
        (leaf(1.0) * 2).register_post_accumulate_grad_hook(print)


# ---- retained gradients ----


def test_retained_gradients_add_up_and_own_their_memory():
    x = leaf(1.0, 2.0)
    assert not x.retains_grad
    x.retain_grad()
    assert not x.retains_grad
    y = x + 0.0
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    y.sum().backward(retain_graph=True)
    assert not np.shares_memory(y.grad.data, x.grad.data)
    y.sum().backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([2.0, 2.0], [2.0, 2.0])


def test_a_hook_keeps_no_dropped_result_alive():
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = x * 2
        y.retain_grad()
        y.register_hook(lambda g: None)
        node, tensor = weakref.ref(y.grad_fn), weakref.ref(y)
        z = y.sum()
        del y
        assert tensor() is None
        z.backward()
        del z
        assert node() is None
    finally:
        gc.enable()


# ---- after accumulation ----


def test_post_accumulate_hooks_see_the_leaf_after_each_backward():
    seen = []
    x = leaf(1.0, 2.0)
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append((p is x, p.grad.tolist())))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    ag.grad((x * 2).sum(), x)
    handle.remove()
    (x * 2).sum().backward()
    assert seen == [(True, [2.0, 2.0]), (True, [4.0, 4.0])]


# ---- on nodes ----


def test_hooks_before_and_after_a_node():
    seen = []
    x = leaf(1.0, 2.0)
    y = x * 3

    def before(outputs):
        seen.append([g.tolist() for g in outputs])
        return (outputs[0] * 2,)

    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs[0].tolist(), inputs[1], outputs[0].tolist())))
    y.grad_fn.register_prehook(before)
    y.sum().backward()
    assert seen == [[[1.0, 1.0]], ([6.0, 6.0], None, [2.0, 2.0])]
    assert x.grad.tolist() == [6.0, 6.0]
    y = x * 3
    handle = y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 7, inputs[1]))
    assert ag.grad(y.sum(), x, retain_graph=True)[0].tolist() == [21.0, 21.0]
    handle.remove()
    assert ag.grad(y.sum(), x)[0].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("op", [lambda x: x[:1], lambda x: ag.concatenate([x, x]), lambda x: x @ x])
def test_hooks_after_every_kind_of_rule(op):
    x = leaf(1.0, 2.0)
    expected = ag.grad(op(x).sum() + op(x).sum(), x)[0].numpy()
    a, b = op(x), op(x)
    for y in (a, b):
        y.grad_fn.register_hook(lambda inputs, outputs: tuple([None if g is None else g * 2 for g in inputs]))
    np.testing.assert_array_equal(ag.grad(a.sum() + b.sum(), x)[0].numpy(), 2 * expected)


def test_a_prehook_runs_where_the_node_does_and_after_the_hooks_of_the_tensor():
    seen = []
    x = leaf(1.0, 2.0)
    y = x * 3
    y.grad_fn.register_prehook(lambda outputs: seen.append("node"))
    y.register_hook(lambda g: seen.append("tensor"))
    ag.grad(y.sum(), y, retain_graph=True)
    assert seen == ["tensor"]
    y.sum().backward()
    assert seen == ["tensor", "tensor", "node"]


def test_hooks_on_a_function_of_several_outputs():
    class Two(ag.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 3

    x = leaf(1.0)
    a, b = Two.apply(x)
    a.register_hook(lambda g: g * 10)
    call = b.grad_fn.next_functions[1][0]
    call.register_prehook(lambda outputs: (outputs[0], outputs[1] * 100))
    (a + b).sum().backward()
    assert x.grad.tolist() == [320.0]


def test_what_a_hook_of_a_node_may_not_return():
    x = leaf(1.0, 2.0)
    cases = [
        ("register_hook", lambda i, o: (i[0],), RuntimeError, "incorrect number of values .got 1, but expected 2."),
        ("register_prehook", lambda o: o[0], TypeError, "expected tuple, but hook returned 'Tensor'"),
        ("register_prehook", lambda o: (o[0], o[0]), RuntimeError, "number of values .got 2, but expected 1."),
        ("register_prehook", lambda o: (o[0].sum(),), RuntimeError, "hook '<lambda>' has changed the size of value"),
    ]
    for method, hook, error, words in cases:
        y = x * 3
        getattr(y.grad_fn, method)(hook)
        with pytest.raises(error, match=words):
            y.sum().backward()


# ---- compiled ----


def test_hooks_inside_a_compiled_function_are_recorded():
    def loss(x):
        y = ag.sin(x)
        y.register_hook(lambda g: g * 2)
        z = y * y
        z.retain_grad()
        (g,) = ag.grad((z * 3).sum(), x, create_graph=True)
        return g + z.grad

    def fresh(x):
        return loss(ag.tensor(x, requires_grad=True))

    fast = jit.compile(lambda x: loss(x.requires_grad_()))
    for x in (np.array([0.3, 0.7]), np.array([1.3, -0.7])):
        expected = 12 * np.sin(x) * np.cos(x) + 3
        np.testing.assert_allclose(fresh(x).tolist(), expected, rtol=1e-14)
        np.testing.assert_allclose(fast(x), expected, rtol=1e-14)


def test_a_hook_on_a_captured_leaf_is_part_of_the_recording():
    w = leaf(2.0, 3.0)
    w.register_hook(lambda g: g * 10)

    @jit.compile
    def step(x):
        (w * x).sum().backward()

    for x in (np.array([1.0, 2.0]), np.array([5.0, 6.0])):
        w.grad = None
        step(x)
        assert w.grad.tolist() == (10 * x).tolist()
    v = leaf(2.0, 3.0)
    v.register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="a post accumulate grad hook on a tensor whose `backward"):
        jit.compile(lambda x: (v * x).sum().backward())(x)
    assert v.grad is None


# ---- threads ----


def test_threads_that_run_backward_at_once_lose_nothing():
    x = ag.tensor(np.zeros(50), requires_grad=True)
    started = threading.Barrier(4)

    def run():
        started.wait()
        for _ in range(500):
            (x * 2 + x[:1]).sum().backward()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.tolist() == [104000.0] + [4000.0] * 49
