"""Blocks that watch operations: anomalies, what is saved for a sweep, checkpoints. As PyTorch 2.13, unless said."""

import gc
import inspect
import threading
import weakref

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.watching import _bind


def leaf(*values):
    return ag.tensor(list(values), requires_grad=True)


def line():
    """The place of the caller's next line."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno + 1}"


# ---- anomalies ----


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_error_names_the_operation_and_its_line(create_graph):
    x = leaf(0.0, 1.0)
    with ag.detect_anomaly():
        where = line()
        y = ag.sqrt(x)
        z = (y * ag.tensor([0.0, 1.0])).sum() + (x * 2).sum()
        with pytest.raises(
            RuntimeError, match=r"Function 'SqrtBackward0' returned nan values in its 0th output; "
        ) as e:
            z.backward(create_graph=create_graph)
    assert str(e.value).endswith(f"it was called at {where}")
    assert x.grad is None


@pytest.mark.parametrize(("product", "which"), [(lambda c, w: w * c, 0), (lambda c, w: c * w, 1)])
def test_it_is_the_first_that_is_named_and_its_input(product, which):
    w = leaf(1.0)
    with ag.detect_anomaly():
        y = product(ag.tensor([np.inf]), ag.exp(ag.sin(w)))
        with np.errstate(invalid="ignore"):
            z = (y * 0.0).sum()
        with pytest.raises(RuntimeError, match=f"Function 'MulBackward0' returned nan values in its {which}th output"):
            z.backward()


def test_numbers_pass_and_so_does_everything_outside_of_the_block():
    x = leaf(1.0, 4.0)
    with ag.detect_anomaly():
        ag.sqrt(x).sum().backward()
    assert x.grad.tolist() == [0.5, 0.25]
    x = leaf(0.0)
    y = ag.sqrt(x) * 0.0
    with ag.detect_anomaly(), pytest.raises(RuntimeError, match="put its call into the block too"):
        y.backward(np.ones(1), retain_graph=True)
    y.backward(np.ones(1))
    assert np.isnan(x.grad.item())


def test_functions_of_the_users_and_compiled_calls_are_looked_at():
    class Bad(ag.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * np.nan

    x = leaf(1.0)
    fast = jit.compile(lambda x: ag.sqrt(x) * 0.0)
    fast(x)
    with ag.detect_anomaly():
        with pytest.raises(RuntimeError, match="Function 'BadBackward' returned nan values in its 0th output"):
            Bad.apply(x)[1].sum().backward()
        with pytest.raises(RuntimeError, match="Function 'CompiledCallBackward0' returned nan values"):
            fast(x * 0.0).sum().backward()


# ---- saved tensors ----


def test_what_is_saved_is_packed_and_unpacked():
    packed, unpacked = [], []
    x = leaf(1.0, 2.0)

    def pack(t):
        packed.append(t.tolist())
        return t

    def unpack(t):
        unpacked.append(t.tolist())
        return t * 2

    with ag.saved_tensors_hooks(pack, unpack):
        y = ag.exp(x * x)
        z = y + 1.0
    exp = np.exp([1.0, 4.0])
    assert packed == [[1.0, 2.0], [1.0, 2.0], exp.tolist()]
    z.sum().backward()
    np.testing.assert_array_equal(x.grad.tolist(), 2 * exp * 2 * np.array([2.0, 4.0]))
    assert unpacked == [exp.tolist(), [1.0, 2.0], [1.0, 2.0]]


def test_the_inner_block_counts_and_threads_have_their_own():
    seen = []

    def noting(name):
        return ag.saved_tensors_hooks(lambda t: (seen.append(name), t)[1], lambda t: t)

    x = leaf(1.0)
    with noting("outer"):
        ag.exp(x)
        with noting("inner"):
            ag.exp(x)
        thread = threading.Thread(target=lambda: ag.exp(x))
        thread.start()
        thread.join()
        ag.exp(x)
    ag.exp(x)
    assert seen == ["outer", "inner", "outer"]
    assert ag.Tensor.bind is _bind


def test_errors_of_hooks():
    x = leaf(1.0)
    with ag.saved_tensors_hooks(lambda t: 3, lambda t: t):
        y = x**2
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.sum().backward()
    with pytest.raises(ZeroDivisionError), ag.saved_tensors_hooks(lambda t: 1 / 0, lambda t: t):
        x**2
    assert ag.Tensor.bind is _bind
    for block in (ag.detect_anomaly(), ag.saved_tensors_hooks(print, print)):
        name = type(block).__name__
        with ag.record(), pytest.raises(RuntimeError, match=f"`{name}` watches operations as they run"):
            block.__enter__()
    assert ag.Tensor.bind is _bind


# ---- checkpoints ----


def test_a_checkpoint_calls_again_in_the_sweep():
    calls = []
    x, w = leaf(1.0, 2.0), ag.tensor(3.0, requires_grad=True)

    def f(x, scale):
        calls.append(1)
        return ag.exp(ag.sin(x) * w) * scale

    y = ag.checkpoint(f, x, 2.0)
    y.sum().backward(retain_graph=True)
    assert len(calls) == 2
    v = np.array([1.0, 2.0])
    out = 2 * np.exp(np.sin(v) * 3)
    np.testing.assert_allclose(x.grad.tolist(), out * 3 * np.cos(v), rtol=1e-14)
    np.testing.assert_allclose(w.grad.item(), (out * np.sin(v)).sum(), rtol=1e-14)
    y.sum().backward()
    assert len(calls) == 3
    (g,) = ag.grad(ag.checkpoint(f, x, 2.0).sum(), x, create_graph=True)
    (e,) = ag.grad(f(x, 2.0).sum(), x, create_graph=True)
    np.testing.assert_array_equal(ag.grad(g.sum(), x)[0].tolist(), ag.grad(e.sum(), x)[0].tolist())


def test_arguments_that_have_other_data_by_the_time_of_the_sweep():
    x = leaf(1.0, 2.0)
    y = ag.checkpoint(lambda pair: ag.exp(pair[0]) * pair[1], (x, 2.0))
    x.data = np.array([10.0, 20.0])
    np.testing.assert_array_equal(ag.grad(y.sum(), x)[0].tolist(), 2 * np.exp([1.0, 2.0]))


def test_nested_checkpoints_and_several_results():
    x = leaf(0.5, 1.0)

    def inner(x):
        return ag.sin(x * x), ag.cos(x) * x

    def outer(x):
        a, b = ag.checkpoint(inner, ag.exp(x))
        return a * b + ag.tanh(b)

    (g,) = ag.grad(ag.checkpoint(outer, ag.sqrt(x)).sum(), x)
    a, b = inner(ag.exp(ag.sqrt(x)))
    (e,) = ag.grad((a * b + ag.tanh(b)).sum(), x)
    np.testing.assert_array_equal(g.tolist(), e.tolist())


def test_a_checkpoint_keeps_nothing_alive():
    gc.disable()
    try:
        x = ag.tensor(np.ones(1000), requires_grad=True)
        kept = []

        def f(x):
            y = ag.exp(x)
            kept.append(weakref.ref(y.data))
            return ag.sin(y) * y

        z = ag.checkpoint(f, x).sum()
        assert kept[0]() is None
        z.backward()
        assert [ref() for ref in kept] == [None, None]
        node = weakref.ref(z.grad_fn)
        del z
        assert node() is None
    finally:
        gc.enable()


def test_a_function_that_does_something_else_the_second_time():
    calls = []

    def other(x):
        calls.append(1)
        y = ag.exp(x)
        return y if len(calls) == 1 else ag.exp(y)

    def longer(x):
        calls.append(1)
        return ag.exp(x if len(calls) == 1 else ag.concatenate([x, x]))

    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="second call of `other` saved 2 values, not 1; a function that is called"):
        ag.checkpoint(other, x).sum().backward()
    calls.clear()
    with pytest.raises(RuntimeError, match=r"`longer` saved float64\[2\] in place of float64\[1\]"):
        ag.checkpoint(longer, x).sum().backward()


def test_a_checkpoint_in_a_compiled_function_is_the_call():
    def loss(x):
        return ag.checkpoint(lambda x: ag.exp(ag.sin(x)), x).sum()

    for x in (np.array([0.3, 0.7]), np.array([1.3, -0.7])):
        np.testing.assert_allclose(jit.grad(loss)(x), ag.grad(loss)(x), rtol=1e-13)
    assert jit.grad(loss).graph(x).key == jit.grad(lambda x: ag.exp(ag.sin(x)).sum()).graph(x).key


def test_an_eager_checkpoint_that_a_recording_sweeps():
    x = leaf(0.3, 0.7)
    y = ag.checkpoint(lambda x: ag.exp(ag.sin(x)) * x, x)
    scaled = jit.compile(lambda s: ag.grad((y * s).sum(), x, retain_graph=True)[0])
    (e,) = ag.grad((ag.exp(ag.sin(x)) * x).sum(), x)
    for s in (1.0, 2.5):
        np.testing.assert_allclose(np.asarray(scaled(np.full(2, s)).detach()), s * e.numpy(), rtol=1e-13)
