"""`out=`: results in arrays that the caller gives."""

import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import autograd as ag
import jit

X = np.array([1.0, 2.0, 3.0])
Pair = namedtuple("Pair", "first second")


def cubes(x):
    return np.sum(x**3)


def test_one_array():
    f, out = jit.compile(lambda x: x * 2), np.empty(3)
    for x in (X, X + 1, X + 2):
        assert f(x, out=out) is out
        np.testing.assert_array_equal(out, 2 * x)
    np.testing.assert_array_equal(f(X, out=None), 2 * X)
    np.testing.assert_array_equal(f(X), 2 * X)
    assert len(f.variants) == 1


def test_value_and_gradient():
    f, g = jit.value_and_grad(cubes), np.empty(3)
    for _ in range(2):
        value, gradient = f(X, out=(None, g))
        assert value == 36.0
        assert gradient is g
        np.testing.assert_array_equal(g, 3 * X**2)
    value, gradient = f(X, out=(None, None))
    np.testing.assert_array_equal(gradient, g)
    assert gradient is not g


def test_nested_results():
    def f(x, *, k=2.0):
        return {"a": [x, x.sum(), "text"], "b": Pair(x * k, None), 3: ()}

    a, b = np.empty(3), np.empty(3)
    compiled = jit.compile(f)
    for k in (2.0, 3.0):
        found = compiled(X, k=k, out={"a": [a, None, None], "b": Pair(b, None), 3: ()})
        assert list(found) == ["a", "b", 3]
        assert found["a"][0] is a
        assert found["a"][1:] == [6.0, "text"]
        assert type(found["b"]) is Pair
        assert found["b"].first is b
        np.testing.assert_array_equal(a, X)
        np.testing.assert_array_equal(b, k * X)
    half = compiled(X, out={"a": [None, None, None], "b": Pair(b, None), 3: ()})
    assert half["b"].first is b
    np.testing.assert_array_equal(half["a"][0], X)


def test_inputs_of_any_layout():
    out = np.empty((3, 2))
    f = jit.compile(lambda x: x + 1)
    x = np.arange(6.0).reshape(3, 2)
    for given in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f8")):
        assert f(given, out=out) is out
        np.testing.assert_array_equal(out, x + 1)


def test_an_input_that_is_copied_may_share_memory():
    memory = np.arange(6.0)
    f = jit.compile(lambda x: x * 2)
    for _ in range(2):
        memory[:] = np.arange(6.0)
        f(memory[::2], out=memory[:3])
        np.testing.assert_array_equal(memory[:3], [0.0, 4.0, 8.0])


def frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (np.empty(3), r"`out` of `cubes` needs the structure of the result, a tuple of 2 parts.*got ndarray of float"),
        ((None,), r"a tuple of 2 parts with `None` for what is to be allocated, got tuple of 1"),
        ([None, np.empty(3)], "a tuple of 2 parts.*got list of 2"),
        ((np.array(0.0), None), r"`out\[0\]` of `cubes` stands for a result without axes, which is returned"),
        ((None, ag.tensor(X)), r"`out\[1\]` of `cubes` needs an array of float64\[3\], got Tensor of float64\[3\]"),
        ((None, [1.0, 2.0, 3.0]), r"needs an array of float64\[3\], got list of 3"),
        ((None, np.empty(4)), r"needs an array of float64\[3\], got ndarray of float64\[4\]"),
        ((None, np.empty((1, 3))), r"needs an array of float64\[3\], got ndarray of float64\[1,3\]"),
        ((None, np.empty(3, "f4")), r"needs an array of float64\[3\], got ndarray of float32\[3\]"),
        ((None, np.empty(6)[::2]), r"contiguous, aligned and of this machine's byte order"),
        ((None, np.empty(3, ">f8")), r"contiguous, aligned and of this machine's byte order"),
        ((None, frozen(X)), r"`out\[1\]` of `cubes` needs an array that can be written to, got a read-only one"),
        ((None, X), r"`out\[1\]` of `cubes` shares memory with an array that the function reads"),
        ((None, X[:]), "shares memory"),
    ],
)
def test_what_cannot_be_written_to(out, words):
    f, before, good = jit.value_and_grad(cubes), X.copy(), np.empty(3)
    for _ in range(2):
        with pytest.raises((TypeError, ValueError), match=words):
            f(X, out=out)
        np.testing.assert_array_equal(X, before)
        assert f(X, out=(None, good))[1] is good
        np.testing.assert_array_equal(good, 3 * X**2)


def test_keys_of_a_dict():
    f = jit.compile(lambda x: {"a": x, "b": x * 2})
    with pytest.raises(TypeError, match=r"a dict of the keys \['a', 'b'\] with.*got dict of 2"):
        f(X, out={"b": None, "a": None})


def test_arrays_that_share_memory_with_each_other_or_with_captured_ones():
    w = np.ones(3)
    f, memory = jit.compile(lambda x: (x * w, x + w)), np.empty(5)
    f(X, out=(memory[:3], None))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"`out\[1\]` of `<lambda>` shares memory with another array of `out`"):
            f(X, out=(memory[:3], memory[2:]))
        with pytest.raises(ValueError, match=r"`out\[0\]` of `<lambda>` shares memory with an array that the function"):
            f(X, out=(w, None))
    np.testing.assert_array_equal(w, np.ones(3))
    t = ag.tensor(w)
    g = jit.compile(lambda x: x * t)
    with pytest.raises(ValueError, match="shares memory with an array that the function reads"):
        g(X, out=t.data)


def test_data_that_a_captured_tensor_gets_later():
    t, out = ag.tensor(X), np.empty(3)
    f = jit.compile(lambda x: x * t)
    f(X, out=out)
    t.data = out
    with pytest.raises(ValueError, match="shares memory with an array that the function reads"):
        f(X, out=out)
    np.testing.assert_array_equal(out, X * X)


def test_many_threads():
    f, barrier = jit.value_and_grad(lambda x: (x**3).sum()), threading.Barrier(8)

    def work(i):
        x = np.full(3 + i % 2, 1.0 + i, np.float64 if i % 4 < 2 else np.float32)
        g = np.empty_like(x)
        barrier.wait()
        return all(f(x, out=(None, g))[1] is g and np.array_equal(g, 3 * x**2) for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_tensors():
    f = jit.compile(lambda x: x * 2)
    with pytest.raises(TypeError, match="`<lambda>` returns tensors, and `out=` takes arrays; call it with arrays"):
        f(ag.tensor(X), out=np.empty(3))


def test_within_a_recording():
    f = jit.compile(lambda x: x * 2)
    with pytest.raises(TypeError, match="with `out=` while a tape records"):
        jit.compile(lambda x: f(x, out=np.empty(3)))(X)
    with ag.record():
        assert f(ag.tensor(X), out=None).tolist() == [2.0, 4.0, 6.0]


def test_a_parameter_of_that_name_is_the_functions_own():
    f = jit.compile(lambda x, out: x * out)
    np.testing.assert_array_equal(f(X, out=X), X * X)
    np.testing.assert_array_equal(f(X, out=2.0), X * 2)
    np.testing.assert_array_equal(f.bind(X, out=X)(), X * X)


def test_keywords_that_are_no_names():
    f, out = jit.compile(lambda x, **options: x * options["a b"]), np.empty(3)
    assert f(X, out=out, **{"a b": 2.0}) is out
    np.testing.assert_array_equal(out, 2 * X)


def test_branches_with_other_results():
    f = jit.compile(lambda x: x * 2 if x[0] > 0 else x[1:] * 3)
    three, two = np.empty(3), np.empty(2)
    for _ in range(2):
        assert f(X, out=three) is three
        assert f(-X, out=two) is two
        np.testing.assert_array_equal(three, 2 * X)
        np.testing.assert_array_equal(two, -3 * X[1:])
        with pytest.raises(ValueError, match=r"needs an array of float64\[2\], got ndarray of float64\[3\]"):
            f(-X, out=three)
        with pytest.raises(ValueError, match=r"needs an array of float64\[3\], got ndarray of float64\[2\]"):
            f(X, out=two)


def test_the_eager_result_is_copied():
    """The kernel adds in another order than NumPy, and so takes another branch."""
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    total = np.sum(x)

    def f(x):
        return x * 2 if np.sum(x) == total else x * 3

    compiled, out = jit.compile(f), np.empty(1000, np.float32)
    exact = jit.compile(lambda x: np.sum(x))(x) == total
    if exact:
        assert compiled(x, out=out) is out
    else:
        with pytest.warns(UserWarning, match="differs in its last digits"):
            assert compiled(x, out=out) is out
    np.testing.assert_array_equal(out, x * 2)


def test_looking_inside_with_out():
    f, out = jit.compile(lambda x: x * 2), np.empty(3)
    assert "mul" in str(f.graph(X, out=out))
    assert "mul" in f.explain(X, out=out)
