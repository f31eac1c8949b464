"""Recording: values that Python looks at are guarded, arrays from outside are read anew at each call."""

import gc
import math
import weakref

import numpy as np
import pytest

import autograd as ag
import jit
from jit.signature import ready

X = np.array([1.0, 2.0, 3.0])
MATRIX = np.arange(12.0).reshape(3, 4)


class Counted:
    """A function that counts how often it is run."""

    def __init__(self, function):
        self.function, self.runs, self.__name__ = function, 0, "counted"

    def __call__(self, *args):
        self.runs += 1
        return self.function(*args)


def check(function, *steps):
    """Calls with the arguments of each step give what eager execution gives, after so many recordings."""
    counted = Counted(function)
    f = jit.compile(counted, verify=False)
    for runs, *args in steps:
        ours, expected = f(*args), function(*args)
        np.testing.assert_array_equal(ours, expected)
        assert np.asarray(ours).dtype == np.asarray(expected).dtype
        assert counted.runs == runs, f"recorded {counted.runs} times for {args}, expected {runs}"


# ---- guards ----


def halved(x):
    while x > 1:
        x = x / 2
    return x


def doubled(x, n):
    for _ in range(n):
        x = x * 2
    return x


NAN = np.array([np.nan, 1.0, 2.0])


@pytest.mark.parametrize(
    ("function", "steps"),
    [
        (lambda x: x * 2 if x.sum() > 0 else -x, [(1, X), (2, -X), (2, 2 * X), (2, -2 * X), (2, X)]),
        (lambda x: x * 2 if x[0] > 0 else -x, [(1, X), (2, NAN), (2, X), (2, NAN)]),
        (lambda x: x if 0 < x < 2 else -x, [(1, 1.0), (2, 3.0), (3, -1.0), (3, 1.5), (3, 4.0)]),
        (halved, [(1, 1.5), (2, 8.0), (2, 1.2), (3, 20.0), (3, 7.0)]),
        (lambda x: np.ones(3) * x * int(x), [(1, 1.5), (1, 1.7), (2, 2.5), (2, 1.2), (3, -0.5), (3, 0.5)]),
        (lambda x: x * float(x[0]), [(1, X), (2, 2 * X), (2, X), (3, NAN), (3, NAN)]),
        (lambda x: x * x[0].item(), [(1, X), (2, 2 * X), (2, X)]),
        (lambda x: x * sum(x.tolist()), [(1, X), (2, 2 * X), (2, X)]),
        (doubled, [(1, X, 2), (2, X, 3), (2, X, 2), (3, X, 0), (3, 2 * X, 3)]),
        (lambda x: doubled(x, int(x[0])), [(1, X), (2, 2 * X), (2, X + 0.5)]),
        (lambda x, i: MATRIX[i] * x, [(1, 2.0, 0), (2, 2.0, 2), (2, 3.0, 0), (3, 3.0, -1)]),
        (lambda x, i: x[i], [(1, X, 0), (1, X, 2), (1, X, -1)]),
        (lambda x: x[x > 1.5], [(1, X), (2, 2 * X), (2, X), (2, X + 0.1)]),
        (lambda x: np.sum(x[x > 1.5]), [(1, X), (2, 2 * X), (2, X)]),
        (lambda x: x * max(x[0], x[1]), [(1, X), (2, X[::-1].copy()), (2, X)]),
        (lambda x: math.sin(x) * x, [(1, 1.0), (2, 2.0), (2, 1.0)]),
        (lambda x, y: x * 2 if np.allclose(x, y) else y, [(1, X, X), (2, X, 2 * X), (2, X, X)]),
        (lambda x: x if (x > 0).all() and not (x > 5).any() else -x, [(1, X), (2, -X), (3, 3 * X), (3, X)]),
        (lambda n: np.ones(3) if n == 2 else np.zeros(3), [(1, 2), (2, 3), (2, 2), (2, 4)]),
        (lambda x, n: x**n, [(1, 3, 2), (1, 3, 0), (1, -2, 3)]),
        (lambda x: x * True + (x > 1) * x, [(1, 3.5), (1, 0.5), (2, 3)]),
    ],
)
def test_guards(function, steps):
    check(function, *steps)


def test_guards_of_gradients():
    def f(x):
        return np.sum(x * x) if x[0] > 0 else -np.sum(x)

    counted = Counted(f)
    vg = jit.value_and_grad(counted, verify=False)
    for x in (X, -X, 2 * X, -X):
        for ours, expected in zip(vg(x), ag.value_and_grad(f)(x), strict=True):
            np.testing.assert_array_equal(ours, expected)
    assert counted.runs == 2


def test_a_guard_on_a_captured_tensor():
    w = ag.tensor(X)
    counted = Counted(lambda x: x * w if w.sum() > 0 else x)
    f = jit.compile(counted, verify=False)
    np.testing.assert_array_equal(f(X), X * X)
    w.data = -X
    np.testing.assert_array_equal(f(X), X)
    w.data = 2 * X
    np.testing.assert_array_equal(f(X), 2 * X * X)
    assert counted.runs == 2


def test_many_variants_give_a_warning_that_names_the_line_and_the_values():
    f = jit.compile(lambda x: x * float(x), max_variants=3, verify=False)
    for times in range(1, 9):
        x = float(times)
        if times not in (4, 7):
            assert f(x) == x * x
            continue
        words = (
            rf"<lambda>> was recorded {times} times for one signature.*"
            rf"looks at in .*test_jit_record.py:\d+ was {x - 1} and is {x}; use `where`"
        )
        with pytest.warns(UserWarning, match=words) as seen:
            assert f(x) == x * x
        assert seen[0].filename == __file__


def changing(a, x):
    """A decision on a value that has changed when the kernel takes it again, as another rounding would."""
    a[...] = 1.0
    y = x * 2 if x[0] * 0 + a == 1 else -x
    a[...] = 2.0
    return y


def test_a_decision_that_the_kernel_takes_otherwise():
    a = np.array(1.0)
    f = jit.compile(lambda x: changing(a, x))
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"test_jit_record.py:\d+\) differs in its last digits") as seen:
            np.testing.assert_array_equal(f(X), 2 * X)
        assert seen[0].filename == __file__
    x = ag.tensor(X, requires_grad=True)
    with pytest.warns(UserWarning, match="the eager result is returned"):
        f(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, 2.0))
    assert not any(f.variants.values())


def test_values_that_would_be_frozen_are_refused():
    with pytest.raises(RuntimeError, match="while a tape records would freeze the values"):
        jit.compile(lambda x: np.asarray(x) * 2)(X)
    with pytest.raises(RuntimeError, match="while a tape records would freeze the values"):
        jit.compile(lambda x: x.numpy() * 2)(X)


# ---- what is captured ----


def strided():
    return np.arange(24.0).reshape(3, 8)[:, ::2]


def read_only():
    a = np.arange(12.0).reshape(3, 4)
    view = a.view()
    view.flags.writeable = False
    return view


CAPTURED = {
    "contiguous": lambda: np.arange(12.0).reshape(3, 4),
    "permuted": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": strided,
    "reversed": lambda: np.arange(12.0).reshape(3, 4)[::-1],
    "read-only": read_only,
    "integers": lambda: np.arange(12).reshape(3, 4),
    "booleans": lambda: np.arange(12).reshape(3, 4) % 2 == 0,
    "big-endian": lambda: np.arange(12.0).reshape(3, 4).astype(">f8"),
    "without axes": lambda: np.array(3.0),
    "one element": lambda: np.array([3.0]),
    "empty": lambda: np.ones((0, 4)),
    "repeated": lambda: np.broadcast_to(np.arange(4.0), (3, 4)),
    "one number repeated": lambda: np.broadcast_to(np.array(2.0), (3, 4)),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_arrays_are_read_at_each_call(name):
    a = CAPTURED[name]()
    counted = Counted(lambda x: np.sin(x) + x * a)
    f = jit.compile(counted, verify=False)
    x = 0.1 if not a.size else np.linspace(0, 1, 4)
    np.testing.assert_allclose(f(x), counted.function(x), rtol=1e-15)
    owner = a if a.flags.writeable else a.base
    owner[...] = np.roll(owner, 1) if owner.size > 1 else owner + 5
    np.testing.assert_allclose(f(x), counted.function(x), rtol=1e-15)
    assert counted.runs == 1
    assert not np.shares_memory(f(x), a)


def test_a_captured_array_that_is_returned_is_copied():
    a = X.copy()
    f = jit.compile(lambda x: (x + 1, a))
    first = f(X)[1]
    assert not np.shares_memory(first, a)
    a[0] = 7.0
    np.testing.assert_array_equal(f(X)[1], a)
    np.testing.assert_array_equal(first, X)


def test_a_tensor_whose_data_is_replaced():
    w = ag.tensor(X)
    counted = Counted(lambda x: x * w)
    f = jit.compile(counted, verify=False)
    for data in (
        X,
        2 * X,
        X.astype(np.float32),
        strided()[0, :3],
        np.float64(3.0),
        np.array(4.0),
        MATRIX[:, :3],
        3 * X,
    ):
        w.data = data
        np.testing.assert_array_equal(f(X), X * data)
    assert counted.runs == 5, "one recording for each shape and dtype, and one for the gaps"


def test_a_tensor_that_holds_a_number():
    w = ag.tensor(2.0)
    counted = Counted(lambda x: x * w)
    f = jit.compile(counted, verify=False)
    for _ in range(3):
        np.testing.assert_array_equal(f(X), X * w.data)
        w.data = w.data + 1
    assert counted.runs == 1


# ---- inputs ----

LAYOUTS = {
    "contiguous": MATRIX,
    "permuted": np.asfortranarray(MATRIX),
    "transposed": MATRIX.T,
    "reversed": MATRIX[::-1, ::-1],
    "strided": np.repeat(MATRIX, 2, axis=1)[:, ::2],
    "read-only": read_only(),
    "big-endian": MATRIX.astype(">f8"),
    "float32": MATRIX.astype(np.float32),
    "integers": MATRIX.astype(int),
    "int32": MATRIX.astype(np.int32),
    "uint8": MATRIX.astype(np.uint8),
    "booleans": MATRIX > 5,
    "unaligned": np.frombuffer(b"\0" + MATRIX.tobytes(), np.uint8)[1:].view(float).reshape(3, 4),
    "empty": MATRIX[:0],
    "one row": MATRIX[1:2],
    "mapped": np.ndarray.__new__(type("Mapped", (np.ndarray,), {}), (3, 4), buffer=MATRIX.copy()),
    "without axes": np.array(2.0),
    "big-endian without axes": np.array(2.0, ">f8"),
    "read-only without axes": read_only()[1:2, 1].reshape(()),
    "float": 2.0,
    "int": 2,
    "np.float64": np.float64(2),
    "np.float32": np.float32(2),
    "np.int32": np.int32(2),
}


@pytest.fixture(scope="module")
def one_function():
    """One function for inputs of all kinds: it must tell them apart."""
    counted = Counted(lambda x: x * 3 + x * np.float32(0.5))
    return counted, jit.compile(counted, verify=False)


@pytest.mark.parametrize("name", LAYOUTS)
def test_inputs(one_function, name):
    counted, f = one_function
    x = LAYOUTS[name]
    expected = np.asarray(counted.function(x))
    runs = counted.runs
    for other in (x, -x if name != "booleans" else ~x, x):
        ours = f(other)
        assert np.asarray(ours).dtype == expected.dtype
        np.testing.assert_array_equal(ours, np.asarray(counted.function(other)))
        assert not np.shares_memory(ours, other)
    assert counted.runs <= runs + 3


def test_every_kind_of_input_is_recorded_once(one_function):
    counted, f = one_function
    for x in LAYOUTS.values():
        f(x)
    runs = counted.runs
    for x in LAYOUTS.values():
        f(x)
    assert counted.runs == runs


def test_python_numbers_promote_as_numpys_rules_say():
    x = X.astype(np.float32)
    check(
        lambda x, y: x * y + 1,
        (1, x, 2.0),
        (1, x, 3.0),
        (2, x, np.float64(3.0)),
        (3, x, np.float32(3.0)),
        (4, x, 2),
        (5, np.arange(3), 2),
        (6, np.arange(3), 2.5),
        (7, np.arange(3, dtype=np.int8), 2),
        (8, X > 1, 2),
        (9, x, np.array(2.0)),
    )


def test_a_large_python_number():
    f = jit.compile(lambda x, n: x * n)
    np.testing.assert_array_equal(f(X, 2), 2 * X)
    with pytest.raises(OverflowError, match="integers of 64 bits, got 1180591620717411303424; pass a float"):
        f(X, 2**70)
    np.testing.assert_array_equal(f(X, 3), 3 * X)


def test_lists_of_numbers_are_containers():
    check(
        lambda xs: xs[0] * xs[1], (1, [1.5, 2.0]), (1, [2.5, 3.0]), (2, (2.5, 3.0)), (3, [1.5, 3]), (4, [1.5, 2.0, 3.0])
    )


def test_new_shapes_are_new_recordings():
    check(np.square, (1, X), (1, 2 * X), (2, X[:2]), (2, X), (3, MATRIX), (3, X[:2]), (3, MATRIX))


def test_ready_arrays_are_views_where_they_can_be():
    view = read_only()
    assert ready(view) is view
    assert ready(MATRIX) is MATRIX
    assert ready(MATRIX.T, (1, 0)).flags.c_contiguous
    assert not np.shares_memory(ready(strided()), strided())


# ---- results ----


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x,
        lambda x: x.reshape(4, 3),
        lambda x: x[:2],
        lambda x: x.T,
        lambda x: x * 1,
        lambda x: np.broadcast_to(x[0], (3, 4)),
        lambda x: (x, x.T, x + 1)[1],
    ],
)
def test_results_alias_nothing(function):
    x = MATRIX.copy()
    f = jit.compile(function)
    first = f(x)
    copy = first.copy()
    assert first.flags.writeable
    assert not np.shares_memory(first, x)
    x += 1
    second = f(x)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, copy)
    np.testing.assert_array_equal(second, function(x))


def test_results_do_not_lie_in_the_workspace():
    x = np.random.default_rng(0).normal(size=(60, 60))

    def f(x):
        y = np.sin(x) @ x
        return y, y @ x, (y @ x).T

    g = jit.compile(f)
    first = g(x)
    copies = [np.array(y) for y in first]
    g(-x)
    for y, copy, expected in zip(first, copies, f(x), strict=True):
        np.testing.assert_array_equal(y, copy)
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


# ---- memory ----


def test_dropped_functions_free_what_they_capture():
    gc.collect()
    gc.disable()
    try:
        a, w = X.copy(), ag.tensor(X, requires_grad=True)
        kept = [weakref.ref(a), weakref.ref(w)]
        f = jit.compile(lambda x, a=a, w=w: (x * a * w).sum())
        f(ag.tensor(X)).backward()
        del f, a, w
        assert [x() for x in kept] == [None, None]
    finally:
        gc.enable()


def test_arguments_are_not_kept():
    f = jit.compile(lambda x: (x * 2).sum())
    x, t = X.copy(), ag.tensor(X, requires_grad=True)
    f(x), f(t)
    kept = [weakref.ref(x), weakref.ref(t)]
    del x, t
    assert [x() for x in kept] == [None, None]
