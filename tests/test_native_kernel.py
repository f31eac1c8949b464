"""Kernels in compiled code: `kernel` of a compiled function, called from Numba and as a function of C."""

import ctypes
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from numba import njit, prange, types
from numba.core.errors import NumbaExperimentalFeatureWarning, NumbaWarning, TypingError
from numba.extending import overload
from numba.typed import List

import autograd as ag
import jit
from jit import Status
from jit.native.numba_calls import ERRORS

RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(20, 3)), RNG.normal(size=20), RNG.normal(size=3)


def loss(w, x, y):
    return np.mean((np.tanh(x @ w) - y) ** 2)


VALUE_AND_GRAD = jit.value_and_grad(loss)
KERNEL = VALUE_AND_GRAD.kernel(W, X, Y)


def called(kernel, *args):
    """What the kernel returns in compiled code."""

    @njit
    def call(*args):
        return kernel(*args)

    return call(*args)


def same(got, expected):
    """Whether nested results are the same to the last bits."""
    if isinstance(expected, tuple | list):
        assert len(got) == len(expected)
        for x, y in zip(got, expected, strict=True):
            same(x, y)
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-13)


# ---- calls ----


def test_a_call_writes_into_the_given_array_or_makes_one():
    @njit
    def both(w, x, y):
        g = np.empty_like(w)
        return KERNEL(w, x, y, g), g, KERNEL(w, x, y)

    for w in (W, 2 * W):
        value, slope = VALUE_AND_GRAD(w, X, Y)
        same(both(w, X, Y), (value, slope, (value, slope)))


def test_python_calls_it_like_compiled_code():
    g = np.empty(3)
    value, slope = VALUE_AND_GRAD(W, X, Y)
    same((KERNEL(W, X, Y, g), g, KERNEL(W, X, Y)), (value, slope, (value, slope)))
    assert KERNEL.status(W, X, Y, g) == (Status.OK, KERNEL(W, X, Y, g))
    assert repr(KERNEL) == "<kernel loss: float64[3], float64[20,3], float64[20]>"


def test_loops_of_threads_ufuncs_and_arguments():
    kernel = jit.value_and_grad(lambda x: np.sum(x**3)).kernel(np.ones(2))
    slope = jit.grad(lambda x: np.sin(x) * x).kernel(1.0)

    @njit(parallel=True)
    def rows(x):
        values, slopes = np.empty(len(x)), np.empty_like(x)
        for i in prange(len(x)):
            values[i] = kernel(x[i], slopes[i])
        return values, slopes

    @numba.guvectorize(["void(f8[::1], f8[::1], f8[::1])"], "(n)->(),(n)")
    def each(x, value, g):
        value[0] = kernel(x, g)

    @njit
    def given(f, x):
        return f(x)

    x = RNG.normal(size=(11, 2))
    expected = np.sum(x**3, axis=1), 3 * x**2
    same(rows(x), expected)
    same(each(x), expected)
    same(numba.vectorize(["f8(f8)"])(lambda x: slope(x))(x), np.sin(x) + x * np.cos(x))
    same(given(kernel, x[0]), (expected[0][0], expected[1][0]))


ARGUMENTS = {
    "numbers": (lambda x, y: x * y, (2.0, 3.0)),
    "an integer": (lambda x, n: x * n, (2.0, 3)),
    "one precision": (lambda x: np.sum(x * x), (np.ones(3, np.float32),)),
    "a number of one precision": (lambda x: x * x, (np.float32(3),)),
    "by columns": (lambda x: np.sum(x * np.arange(6.0).reshape(2, 3)), (np.asfortranarray(RNG.normal(size=(2, 3))),)),
    "of no length": (lambda x: np.sum(x) + 1.0, (np.empty((0, 3)),)),
    "integers and booleans": (
        lambda x, i, b: np.sum(np.where(b, x[i], 0.0)),
        (W, np.array([2, 0]), np.array([True, False])),
    ),
    "memory of its own": (lambda x: np.sum((x @ x) @ np.tanh(x)), (RNG.normal(size=(60, 60)),)),
    "large, on threads": (lambda x: np.sum(np.tanh(x) * x), (RNG.normal(size=200_000),)),
    "solved": (lambda a, b: np.sum(np.linalg.solve(a, b)), (X[:3] + 3 * np.eye(3), W)),
    "special": (lambda x: np.sum(ag.special.gammaln(x * x + 1)), (W,)),
    "a loop": (lambda x: ag.fori_loop(0, 100, lambda i, x: x - 0.01 * np.sin(x), x), (1.0,)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_all_kinds(name):
    f, args = ARGUMENTS[name]
    fast = jit.value_and_grad(f)
    same(called(fast.kernel(*args), *args), fast(*args))


def test_a_brief_kernel_becomes_a_part_of_its_caller_and_a_larger_one_is_a_call():
    slope = jit.value_and_grad(lambda x: 5 * x**3 + 2 * x**2 + 4 * x + 8).kernel(2.0)

    def used(kernel):
        @njit(["f8(f8, i8)"])
        def descend(x, n):
            for _ in range(n):
                x -= 1e-3 * kernel(x)[1]
            return x

        (text,) = descend.inspect_llvm().values()
        return descend(1.0, 3), f"call i64 @{kernel.name}(" in text

    x = 1.0
    for _ in range(3):
        x -= 1e-3 * (15 * x**2 + 4 * x + 4)
    found, called = used(slope)
    assert not called
    np.testing.assert_allclose(found, x, rtol=1e-14)
    matrix = np.linspace(0, 1e-3, 10_000).reshape(100, 100)
    larger = jit.value_and_grad(lambda x: np.sum((matrix * x) @ matrix)).kernel(2.0)
    assert used(larger)[1]


def test_many_arrays():
    xs = [RNG.normal(size=3) for _ in range(60)]
    fast = jit.value_and_grad(lambda xs: sum(np.sum(x * x) for x in xs))
    value, slopes = fast(xs)
    same(called(fast.kernel(xs), *xs), (value, slopes))


def test_a_status_has_its_name_in_compiled_code():
    @njit
    def fine(w, x, y):
        return KERNEL.status(w, x, y)[0] == Status.OK

    assert fine(W, X, Y)
    assert not fine(W[:2], X, Y)


def test_nested_arguments_and_results_stand_one_by_one():
    def step(params, x, *, scale, name):
        (w, b), c = params["layers"], params["c"]
        return {"sum": np.sum(w * x) * scale + c, "rest": [b * x, None, "text", 3]}

    args = {"layers": (W, 2.0), "c": 3.0}, X[0]
    fast = jit.compile(step)
    kernel = fast.kernel(*args, scale=2.0, name="some")
    expected = fast(*args, scale=2.0, name="some")
    got = called(kernel, W, 2.0, 3.0, X[0], 2.0)
    same(got, (expected["sum"], (expected["rest"][0], 3)))
    out = np.empty(3)
    same(called(kernel, W, 2.0, 3.0, X[0], 2.0, out), (expected["sum"], 3))
    same(out, expected["rest"][0])


def test_results_of_other_forms():
    double = jit.compile(lambda x: 2 * x).kernel(W)
    out = np.empty(3)
    assert called(double, W, out) is None
    same(out, 2 * W)
    same(called(double, W), 2 * W)
    same(called(jit.value_and_grad(lambda x, y: x * y, (0, 1)).kernel(2.0, 3.0), 2.0, 3.0), (6.0, (3.0, 2.0)))
    same(called(jit.compile(lambda x: (x > 0, x)).kernel(2.0), 2.0), (True, 2.0))
    assert called(jit.compile(lambda x: None).kernel(2.0), 2.0) is None


def test_all_derivatives_have_kernels():
    f = lambda x: np.sum(np.sin(x) * x[0])
    for made, args in (
        (jit.hessian(f), (W,)),
        (jit.hvp(f), (W, X[0])),
        (jit.jacobian(lambda x: np.outer(x, x)[0]), (W,)),
    ):
        same(called(made.kernel(*args), *args), made(*args))
    made = jit.jvp(f)
    same(called(made.kernel((W,), (X[0],)), W, X[0]), made((W,), (X[0],)))


def test_a_custom_function_is_called():
    cube = ag.custom(njit(lambda x: x**3), lambda g, out, x: g * 3 * x**2)
    back = ag.custom(lambda x: x**3, lambda g, out, x: g * 3 * x**2)
    for f in (lambda x: cube(x) + x, lambda x: back(x) + x):
        same(called(jit.value_and_grad(f).kernel(2.0), 3.0), (30.0, 28.0))


@njit
def spherical(x):
    if x > 10:
        raise ValueError("too large")
    return np.sin(x) * x


def test_outside_code_of_numbers_has_a_checked_rule_and_is_compiled():
    wave = ag.custom(spherical, njit(lambda g, out, x: g * (np.cos(x) * x + np.sin(x))))
    wrong = ag.custom(spherical, njit(lambda g, out, x: g * np.cos(x)))
    x = ag.tensor(0.7, requires_grad=True)
    assert ag.gradcheck(lambda x: wave(x) * x, (x,))
    with pytest.raises(ag.GradcheckError, match="finite differences say"):
        ag.gradcheck(lambda x: wrong(x), (x,))
    kernel = jit.value_and_grad(lambda x: wave(x) * x).kernel(0.7)
    same(called(kernel, 0.7), ag.value_and_grad(lambda x: wave(x) * x)(0.7))
    assert raised(kernel, 11.0) is Status.INDEX


# ---- what may go wrong ----


def raised(kernel, *args):
    """The status of a call, which has raised what belongs to it."""

    @njit
    def status_of(*args):
        return kernel.status(*args)[0]

    status = status_of(*args)
    error, text = ERRORS[Status(status)]
    for call in (lambda: called(kernel, *args), lambda: kernel(*args)):
        with pytest.raises(error) as found:
            call()
        assert str(found.value) == text
    assert kernel.status(*args)[0] == status
    return Status(status)


def test_branches_that_were_recorded_are_in_the_kernel():
    f = jit.value_and_grad(lambda x: x**3 if x > 1 else (-x if x < -1 else x * x))
    f(2.0)
    one = f.kernel(3.0)
    same(called(one, 2.0), (8.0, 12.0))
    assert raised(one, 0.5) is Status.BRANCH
    f(0.5)
    f(-3.0)
    every = f.kernel(0.0)
    for x in (2.0, 0.5, -3.0):
        same(called(every, x), f(x))
        same(every(x), f(x))


def test_branches_with_results_of_other_shapes_are_refused():
    f = jit.compile(lambda x: x[:2] if x[0] > 0 else x)
    f(W)
    f(-W)
    with pytest.raises(TypeError, match="the kernel of `<lambda>` needs results of one structure, of the same shapes"):
        f.kernel(W)


def test_captures_of_all_branches():
    low, high = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    f = jit.compile(lambda x: np.sum(x * high) if x[0] > 0 else np.sum(x * low) + np.sum(high))
    x = np.ones(2)
    f(x)
    f(-x)
    kernel = f.kernel(x)
    for x in (np.ones(2), -np.ones(2)):
        same(called(kernel, x), f(x))


def test_an_index_out_of_range():
    kernel = jit.compile(lambda x, i: x[i]).kernel(W, np.array([0]))
    same(called(kernel, W, np.array([2])), W[2:])
    assert raised(kernel, W, np.array([3])) is Status.INDEX


def test_a_loop_that_takes_too_many_steps():
    grown = lambda x: x + 0.1 * np.sqrt(x)
    f = jit.value_and_grad(lambda x, n: np.sum(ag.while_loop(lambda x: x[0] < n, grown, x)))
    few, many = (np.ones(20_000), 2.0), (np.ones(20_000), 50.0)
    one = f.kernel(*few)
    same(called(one, *few), f(*few))
    assert raised(one, *many) is Status.STEPS
    f(*many)
    more = f.kernel(*few)
    for args in (few, many):
        same(called(more, *args), f(*args))


def test_a_matrix_that_is_not_positive_definite():
    kernel = jit.compile(lambda a: np.sum(np.linalg.cholesky(a))).kernel(np.eye(3))
    assert raised(kernel, -np.eye(3)) is Status.MATRIX


def test_another_shape_and_memory_that_is_written_and_read():
    g = np.empty(3)
    w = W.copy()

    @njit
    def status(w, x, y, g):
        return KERNEL.status(w, x, y, g)[0]

    assert status(W, X, Y, g) == Status.OK
    assert status(W, X[:19], Y[:19], g) == Status.SHAPE
    assert status(W, X, Y, np.empty(4)) == Status.SHAPE
    assert status(w, X, Y, w) == Status.OVERLAP
    with pytest.raises(ValueError, match="an array has another shape than the example that the kernel was made for"):
        called(KERNEL, W, X[:19], Y[:19])
    with pytest.raises(ValueError, match="an array that is written shares memory with another argument"):
        called(KERNEL, w, X, Y, w)
    assert KERNEL.status(w, X, Y, w)[0] is Status.OVERLAP


REFUSED = {
    "argument 0 of this kernel is .*f.*, got array.float64, 1d, A.": lambda: called(KERNEL, np.ones(6)[::2], X, Y),
    "argument 0 of this kernel is .*, got array.float32, 1d, C.": lambda: called(KERNEL, W.astype("f4"), X, Y),
    "argument 1 of this kernel is array.float64, 2d, C., got float64": lambda: called(KERNEL, W, 1.0, Y),
    "this kernel takes 3 arguments, or 4 with the arrays that it writes to": lambda: called(KERNEL, W, X),
    "argument 0 of this kernel is a number, float64, got array": lambda: called(SCALAR, W),
    "argument 0 of this kernel is a number, float32, got float64": lambda: called(SINGLE, 0.1),
    "argument 3 of this kernel is written to, got the read-only": lambda: called(KERNEL, W, X, Y, READ_ONLY),
}
SCALAR = jit.grad(lambda x: x * x).kernel(2.0)
SINGLE = jit.grad(lambda x: x * x).kernel(np.float32(2))
READ_ONLY = np.frombuffer(bytes(24))


@pytest.mark.parametrize("message", REFUSED)
def test_arguments_that_are_refused(message):
    with pytest.raises(TypingError, match=message):
        REFUSED[message]()


def test_python_is_refused_what_compiled_code_is():
    with pytest.raises(
        ValueError, match=r"argument 0 of this kernel needs a contiguous array of float64\[3\], got array"
    ):
        KERNEL(np.ones(6)[::2], X, Y)
    with pytest.raises(
        TypeError, match=r"<kernel loss: .*> takes 3 arguments, or 4 with the arrays to write to, got 2"
    ):
        KERNEL(W, X)
    with pytest.raises(ValueError, match=r"argument 3 of this kernel needs an array that can be written to"):
        KERNEL(W, X, Y, READ_ONLY)


def test_examples_and_functions_that_have_no_kernel():
    total = jit.compile(lambda x: np.sum(x))
    with pytest.raises(TypeError, match=r"needs arrays that are contiguous and aligned, got one of float64\[3\]"):
        total.kernel(np.ones(6)[::2])
    with pytest.raises(TypeError, match=r"needs arrays that lie by rows or by columns, got float64\[2,3,4\]"):
        total.kernel(np.ones((3, 2, 4)).transpose(1, 0, 2))
    strided = np.ones(6)[::2]
    with pytest.raises(TypeError, match=r"needs captured arrays that are contiguous.*got one of float64\[3\]"):
        jit.compile(lambda x: np.sum(x * strided)).kernel(W)
    with pytest.raises(TypeError, match="cannot return an array that no argument has a part in"):
        jit.compile(lambda x: (x, np.ones(2))).kernel(W)
    w = ag.tensor(W, requires_grad=True)

    @jit.compile
    def train(x):
        np.sum(w * x).backward()

    with pytest.raises(
        TypeError, match=r"the kernel of `train` cannot set the `\.grad` of tensors; return the gradients"
    ):
        train.kernel(W)


# ---- what was captured ----


def scaled(scale):
    return jit.value_and_grad(lambda x: np.sum(scale * x**2)).kernel(np.ones(3))


def test_captured_arrays_are_read_at_every_call_and_kernels_of_one_code_have_their_own():
    first, second = np.ones(3), np.full(3, 10.0)
    a, b = scaled(first), scaled(second)
    assert a.name == b.name
    assert a.address == b.address

    @njit
    def both(x):
        return a(x), b(x)

    @njit
    def given(f, x):
        return f(x)

    x = np.ones(3)
    same(both(x), ((3.0, 2 * x), (30.0, 20 * x)))
    same((given(a, x), given(b, x)), both(x))
    assert len(given.signatures) == 1
    first[:] = 5.0
    same(both(x), ((15.0, 10 * x), (30.0, 20 * x)))


def test_what_compiled_code_refers_to_lives_on():
    kernel = scaled(np.full(3, 2.0))

    def made(kernel):
        return njit(lambda x: kernel(x))

    call = made(kernel)
    same(call(np.ones(3)), (6.0, np.full(3, 4.0)))
    del kernel
    call.py_func.__closure__[0].cell_contents = None
    gc.collect()
    scaled(np.full(3, 7.0))
    same(call(np.ones(3)), (6.0, np.full(3, 4.0)))


def test_a_captured_tensor_and_a_pickled_kernel():
    w = ag.tensor(W, requires_grad=True)
    kernel = jit.compile(lambda x: np.sum(w * x)).kernel(W)
    same(called(kernel, W), W @ W)
    copy = pickle.loads(pickle.dumps(kernel))
    assert copy.name == kernel.name
    same(called(copy, W), W @ W)


# ---- first-class functions ----


@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaExperimentalFeatureWarning")
def test_first_class_functions_in_arguments_and_containers():
    assert NumbaExperimentalFeatureWarning.__name__  # what the mark above is about
    kernels = [scaled(np.full(3, n)) for n in (1.0, 2.0)]
    kernels.append(jit.value_and_grad(lambda x: np.sum(np.sin(x))).kernel(np.ones(3)))
    kind = types.FunctionType(kernels[0].first_class.signature())

    @njit([types.Tuple([types.float64, types.float64[::1]])(kind, types.float64[::1])])
    def consumer(f, x):
        g = np.empty_like(x)
        return f(x, g), g

    @njit
    def total(fs, x):
        value, g = 0.0, np.empty_like(x)
        for f in fs:
            value += f(x, g)
        return value

    x = np.ones(3)
    for kernel in kernels:
        same(consumer(kernel.first_class, x), kernel(x))
    several = List.empty_list(kind)
    for kernel in kernels:
        several.append(kernel.first_class)
    same(total(several, x), sum(kernel(x)[0] for kernel in kernels))
    same(total(tuple([kernel.first_class for kernel in kernels]), x), sum(kernel(x)[0] for kernel in kernels))


def test_a_first_class_function_that_goes_wrong_gives_nan():
    kernel = scaled(np.ones(3)).first_class

    @njit
    def call(f, x):
        g = np.zeros(3)
        return f(x, g), g

    same(call(kernel, np.ones(3)), (3.0, np.full(3, 2.0)))
    same(call(kernel, np.ones(4)), (np.nan, np.full(3, np.nan)))
    pair = jit.value_and_grad(lambda x: np.sqrt(x) if x > 0 else x)
    pair(1.0)
    same(njit(lambda f, x: f(x))(pair.kernel(1.0).first_class, -1.0), (np.nan, np.nan))
    with pytest.raises(TypeError, match="has results that are no floats, which cannot say that a call went wrong"):
        jit.compile(lambda x: x > 0).kernel(1.0).first_class  # noqa: B018


# ---- C ----


def test_a_call_of_c():
    types = [ctypes.c_void_p] * 6
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *types)(KERNEL.address)
    value, g = np.empty(()), np.empty(3)
    assert call(*[x.ctypes.data for x in (W, X, Y, value, g)], KERNEL.data) == Status.OK
    same((value, g), VALUE_AND_GRAD(W, X, Y))


def test_threads_call_it_at_once():
    kernel = jit.value_and_grad(lambda x: np.sum((x @ x) @ np.tanh(x))).kernel(np.ones((60, 60)))

    @njit(nogil=True)
    def call(x):
        total = 0.0
        for _ in range(20):
            total += kernel(x)[0]
        return total

    xs = [RNG.normal(size=(60, 60)) for _ in range(8)]
    expected = [20 * kernel(x)[0] for x in xs]
    with ThreadPoolExecutor(4) as pool:
        same(list(pool.map(call, xs)), expected)


def test_what_calls_python_or_a_hidden_kernel_is_not_kept():
    f = ag.custom(lambda x: x**3, lambda g, out, x: g * 3 * x**2)
    kernel = jit.compile(lambda x: f(x)).kernel(2.0)
    plain = jit.compile(lambda x: x * 3).kernel(2.0)

    def hidden(x):
        raise NotImplementedError

    @overload(hidden)
    def _(x):
        return lambda x: plain(x)

    for body in (lambda x: kernel(x), lambda x: hidden(x)):
        with pytest.warns(NumbaWarning, match="as it uses dynamic globals"):
            assert njit(cache=True)(body)(2.0) in (8.0, 6.0)
