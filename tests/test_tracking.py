"""Tensors and their place in a graph: leaving it, copies, modes, other libraries. As PyTorch 2.13, unless said."""

import copy
import pickle
import threading

import numpy as np
import pytest

import autograd as ag
import jit


def leaf(*values):
    return ag.tensor(list(values), requires_grad=True)


# ---- grad ----


def test_grad_materializes_zeros():
    x, z = leaf(1.0, 2.0), ag.tensor([1], dtype=np.float32, requires_grad=True)
    gx, gz = ag.grad((x * 2).sum(), [x, z], materialize_grads=True)
    assert (gx.tolist(), gz.tolist(), gz.dtype) == ([2.0, 2.0], [0.0], np.float32)
    assert ag.grad((x * 2).sum(), [z], allow_unused=True) == (None,)
    with pytest.raises(ValueError, match=r"allow_unused to be True or not passed when materialize_grads=True"):
        ag.grad((x * 2).sum(), [z], allow_unused=False, materialize_grads=True)
    with pytest.raises(RuntimeError, match="do not depend on input 0"):
        ag.grad((x * 2).sum(), [z])


def test_grad_of_stacked_cotangents():
    x, w = leaf(1.0, 2.0), leaf(3.0)
    (g,) = ag.grad(x * x, x, np.eye(2), is_grads_batched=True)
    assert g.tolist() == [[2.0, 0.0], [0.0, 4.0]]
    y, z = x * x * w, x.sum()
    gs = ag.grad([y, z], [x, w], [ag.eye(2), ag.tensor([10.0, 20.0])], is_grads_batched=True, create_graph=True)
    assert [g.tolist() for g in gs] == [[[16.0, 10.0], [20.0, 32.0]], [[1.0], [4.0]]]
    assert ag.grad(gs[0].sum(), w)[0].tolist() == [6.0]
    hessian = jit.compile(lambda x: ag.grad(x**3, x, np.eye(2), is_grads_batched=True)[0])
    np.testing.assert_allclose(hessian(ag.tensor([1.0, 2.0], requires_grad=True)).tolist(), [[3.0, 0.0], [0.0, 12.0]])
    with pytest.raises(ValueError, match=r"`is_grads_batched=True` needs .* first axis of one length, got None"):
        ag.grad((x * x).sum(), x, is_grads_batched=True)
    with pytest.raises(ValueError, match=r"of one length, got \(2, 2\) and \(3,\)"):
        ag.grad([x * x, x.sum()], x, [np.eye(2), np.ones(3)], is_grads_batched=True)


# ---- in and out of the graph ----


def test_detach_in_place():
    x = leaf(1.0, 2.0)
    y = x * 2
    assert y.detach_() is y
    assert (y.tolist(), y.is_leaf, y.requires_grad, y.grad_fn) == ([2.0, 4.0], True, False, None)
    assert not x.detach_().requires_grad
    np.testing.assert_allclose(jit.grad(lambda x: ((x * 2).detach_() * x).sum())(np.array([1.0, 2.0])), [2.0, 4.0])


def test_clone_has_its_own_memory_and_a_gradient():
    x = leaf(1.0, -0.0)
    y = x.clone()
    assert not np.shares_memory(x.data, y.data)
    assert np.signbit(y.tolist()).tolist() == [False, True]
    (y * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    for z in (ag.clone(ag.tensor([True])), np.copy(ag.tensor([True]))):
        assert z.dtype == bool
    assert type(ag.clone([1.0])) is np.ndarray
    assert jit.grad(lambda x: x.clone() ** 2)(3.0) == 6.0


@pytest.mark.parametrize("values", [2.0, [1.0, 2.0]])
def test_a_leaf_that_has_other_data_by_the_time_of_the_sweep(values):
    for create_graph in (False, True):
        x = ag.tensor(values, requires_grad=True)
        y = (x * x * x).sum()
        before, x.data = x.data, 10 * x.data
        (g,) = ag.grad(y, x, create_graph=create_graph)
        np.testing.assert_array_equal(g.tolist(), 3 * before**2)
    np.testing.assert_array_equal(ag.grad(g.sum(), x)[0].tolist(), 6 * before)


# ---- copies ----


def test_copies_and_pickles_are_leaves():
    x = leaf(1.0, 2.0)
    x.grad = ag.ones(2)
    shallow, deep, pickled = copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))
    for y in (shallow, deep, pickled):
        assert repr(y) == "tensor([1., 2.], requires_grad=True)"
    assert np.shares_memory(shallow.data, x.data)
    assert not np.shares_memory(deep.data, x.data)
    assert deep.grad.tolist() == [1.0, 1.0]
    assert shallow.grad is pickled.grad is None
    assert not np.shares_memory(deep.grad.data, x.grad.data)
    a, b = copy.deepcopy([x, x])
    assert a is b
    assert pickle.loads(pickle.dumps(ag.tensor([1, 2]))).tolist() == [1, 2]


def test_copies_of_results():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(RuntimeError, match=r"Only Tensors created explicitly by the user \(graph leaves\) support"):
        copy.deepcopy(y)
    for z in (copy.copy(y), pickle.loads(pickle.dumps(y))):
        assert z.is_leaf
        assert z.requires_grad
    with pytest.raises(RuntimeError, match=r"while a tape records .* use `x.clone\(\)`"):
        jit.compile(lambda x: copy.deepcopy(x))(np.ones(2))


# ---- modes ----


@pytest.mark.parametrize("mode", [ag.no_grad, ag.no_grad(), ag.inference_mode, ag.inference_mode()])
def test_a_decorated_generator_has_the_mode_within_its_steps_alone(mode):
    seen = []

    @mode
    def steps(n):
        """Steps."""
        try:
            for i in range(n):
                seen.append((yield i, ag.is_grad_enabled()))
        except KeyError:
            yield "caught", ag.is_grad_enabled()
        finally:
            seen.append(("closed", ag.is_grad_enabled()))
        return "end"

    run = steps(3)
    assert next(run) == (0, False)
    assert ag.is_grad_enabled()
    assert run.send("sent") == (1, False)
    assert run.throw(KeyError()) == ("caught", False)
    assert ag.is_grad_enabled()
    run.close()
    assert seen == ["sent", ("closed", False)]
    assert steps.__doc__ == "Steps."
    with pytest.raises(StopIteration, match="end"):
        next(steps(0))
    broken = steps(2)
    next(broken)
    with pytest.raises(ValueError, match="out"):
        broken.throw(ValueError("out"))
    assert ag.is_grad_enabled()


def test_decorators_without_parentheses():
    x = leaf(1.0)
    assert not ag.no_grad(lambda: x * 2)().requires_grad
    with ag.no_grad():
        assert ag.enable_grad(lambda: x * 2)().requires_grad
    assert not ag.inference_mode(lambda: x * 2)().requires_grad


def test_inference_mode():
    x = leaf(1.0, 2.0)
    with ag.inference_mode():
        y = x * 2
        assert not y.requires_grad
        with ag.inference_mode(False):
            assert (x * 2).requires_grad
    # PyTorch refuses this product; here what is made in the mode is an ordinary constant.
    (x * y).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_modes_are_those_of_a_thread():
    seen = []
    with ag.inference_mode():
        thread = threading.Thread(target=lambda: seen.append(ag.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


# ---- other libraries ----


def test_dlpack_copies_nothing_either_way():
    x = ag.tensor([[1.0, 2.0], [3.0, 4.0]])
    for y in (x, x[:, 1], x.T):
        a = np.from_dlpack(y)
        assert a.__array_interface__["data"] == y.data.__array_interface__["data"]
        assert a.strides == y.data.strides
        z = ag.from_dlpack(y)
        assert z.data.__array_interface__["data"] == y.data.__array_interface__["data"]
    a = np.arange(3.0)
    z = ag.from_dlpack(a)
    assert z.data.__array_interface__["data"] == a.__array_interface__["data"]
    assert x.__dlpack_device__() == (1, 0)
    copied = np.from_dlpack(x, copy=True)
    assert not np.shares_memory(copied, x.data)


def test_dlpack_refuses_to_cut_a_gradient_or_a_recording():
    with pytest.raises(BufferError, match=r"Can't export tensors that require gradient, use tensor.detach\(\)"):
        np.from_dlpack(leaf(1.0))
    with pytest.raises(RuntimeError, match="DLPack of a tensor while a tape records"):
        jit.compile(lambda x: np.from_dlpack(x) + x)(np.ones(2))


def test_the_arguments_of_array():
    x = ag.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.data)
    assert np.asarray(x, np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(x), x.data)
    assert np.shares_memory(np.array(x, copy=False), x.data)
    with pytest.raises(ValueError, match=r"[Uu]nable to avoid copy"):
        np.array(x, dtype=np.float32, copy=False)


def test_rows_lengths_and_membership():
    x = leaf(1.0, 2.0)
    assert [y.item() for y in x] == [1.0, 2.0]
    assert len(x) == 2
    assert 1.0 in x
    assert 3.0 not in x
    for f in (len, iter):
        with pytest.raises(TypeError, match="needs a tensor of one axis at least, got a single number"):
            f(ag.tensor(1.0))
    for y in (x, ag.tensor([])):
        with pytest.raises(ValueError, match=r"the truth of a tensor with shape .* is ambiguous"):
            bool(y)
