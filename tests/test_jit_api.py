"""What `jit` takes and returns: forms, nesting, arguments, results, tapes, and the errors of wrong calls."""

import functools
from collections import OrderedDict, namedtuple
from enum import Enum

import numpy as np
import pytest

import autograd as ag
import jit

X = np.array([1.0, 2.0, 3.0])
MATRIX = np.arange(12.0).reshape(3, 4)
Pair = namedtuple("Pair", "first second")


class Mode(Enum):
    PLUS = 1
    MINUS = 2


def cubes(x):
    return np.sum(x**3)


def same(ours, expected):
    """Same structure, types, shapes, dtypes and values."""
    assert type(ours) is type(expected)
    if isinstance(expected, dict):
        assert list(ours) == list(expected)
        ours, expected = list(ours.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        for x, y in zip(ours, expected, strict=True):
            same(x, y)
        return
    assert np.asarray(ours).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(ours, expected)


# ---- forms ----


def test_functions_and_decorators():
    @jit.compile
    def f(x):
        """Cubes."""
        return cubes(x)

    @jit.value_and_grad
    def vg(x):
        return cubes(x)

    same(f(X), np.float64(36.0))
    same(vg(X), (np.float64(36.0), np.array([3.0, 12.0, 27.0])))
    same(jit.grad(cubes)(X), np.array([3.0, 12.0, 27.0]))
    assert f.__name__ == "f"
    assert f.__doc__ == "Cubes."
    assert repr(f) == "<compiled f>"


def test_seed_polynomial():
    f = jit.value_and_grad(lambda x: 5 * x**3 + 2 * x**2 + 4 * x + 8)
    for _ in range(2):
        same(f(2.0), (64.0, 72.0))


@pytest.mark.parametrize("x", [2.0, 2, np.float64(2), np.float32(2), np.array(2.0), np.array([2.0])], ids=repr)
def test_numbers_in_numbers_out(x):
    def f(x, k=3):
        return x**k

    def several(x):
        return x * 2, x > 1, x * 1.5

    same(jit.compile(f)(x), f(x))
    same(jit.compile(f)(x, 2), f(x, 2))
    same(jit.compile(several)(x), several(x))
    if type(x) is not int and not np.ndim(x):
        same(jit.value_and_grad(f)(x), ag.value_and_grad(f)(x))
        same(jit.value_and_grad(f)(x, 2), ag.value_and_grad(f)(x, 2))


class Line:
    kind = "line"

    def __init__(self, slope):
        self.slope = slope

    def __call__(self, x):
        return self.slope * x

    def value(self, x):
        return self.slope * x

    @jit.compile
    def compiled(self, x):
        return self.slope * x

    @jit.grad
    def slopes(self, x):
        return self.slope * x


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 2.0 * x,
        functools.partial(np.multiply, 2.0),
        functools.partial(lambda x, y: x * y, y=2.0),
        Line(2.0),
        Line(2.0).value,
    ],
    ids=["lambda", "partial of a ufunc", "partial", "callable", "method"],
)
def test_callables(function):
    same(jit.compile(function)(X), 2.0 * X)


def test_compiled_methods():
    two, three = Line(2.0), Line(3.0)
    same(two.compiled(X), 2.0 * X)
    same(three.compiled(X), 3.0 * X)
    same(two.compiled(X), 2.0 * X)
    same(Line.compiled(three, X), 3.0 * X)
    assert "mul" in str(two.compiled.graph(X))
    assert two.compiled.function is Line.__dict__["compiled"].function


def test_a_callables_attributes_stay_its_own():
    line = Line(2.0)
    line.graph = line.explain = None
    assert "mul" in str(jit.compile(line).graph(X))


def test_what_is_no_function():
    with pytest.raises(TypeError, match=r"`jit.compile` needs a function or a tape of `ag.record\(\)`, got float"):
        jit.compile(2.0)
    with pytest.raises(TypeError, match=r"`inputs` and `outputs` with a tape"):
        jit.compile(cubes, inputs=[ag.tensor(1.0)])


# ---- nesting ----

CURVATURE = np.array([6.0, 12.0, 18.0])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (jit.compile(ag.grad(cubes)), np.array([3.0, 12.0, 27.0])),
        (jit.grad(jit.compile(cubes)), np.array([3.0, 12.0, 27.0])),
        (jit.compile(jit.compile(jit.grad(cubes))), np.array([3.0, 12.0, 27.0])),
        (ag.grad(jit.compile(cubes)), np.array([3.0, 12.0, 27.0])),
        (jit.grad(lambda x: jit.grad(cubes)(x).sum()), CURVATURE),
        (jit.grad(lambda x: ag.grad(cubes)(x).sum()), CURVATURE),
        (ag.grad(lambda x: jit.grad(cubes)(x).sum()), CURVATURE),
        (ag.grad(lambda x: ag.grad(jit.compile(cubes))(x).sum()), CURVATURE),
        (ag.grad(jit.compile(lambda x: ag.grad(cubes)(x).sum())), CURVATURE),
    ],
)
def test_nested_transforms(function, expected):
    same(function(X), expected)
    same(function(X), expected)


def test_higher_derivatives_of_a_number():
    third = jit.grad(jit.grad(jit.grad(lambda x: x**4)))
    assert [third(2.0), third(3.0)] == [48.0, 72.0]


def test_a_compiled_function_inside_another_is_inlined():
    inner = jit.compile(lambda x: np.sin(x) * x)
    outer = jit.grad(lambda x: np.sum(inner(x)))
    np.testing.assert_allclose(outer(X), np.sin(X) + X * np.cos(X), rtol=1e-14)
    assert not inner.variants


@pytest.mark.parametrize("argnums", [0, 1, -1, (0,), (1, 0), (0, -1)])
def test_argnums(argnums):
    def f(x, y):
        return np.sum(x * x * y)

    same(jit.value_and_grad(f, argnums)(X, 2 * X), ag.value_and_grad(f, argnums)(X, 2 * X))
    same(jit.grad(f, argnums)(X, 2 * X), ag.grad(f, argnums)(X, 2 * X))


def test_argnums_that_do_not_fit():
    with pytest.raises(TypeError, match=r"the gradient of `cubes` by argument 1 needs that argument, got 1"):
        jit.grad(cubes, 1)(X)
    with pytest.raises(TypeError, match=r"needs a function and positions of arguments"):
        jit.value_and_grad(cubes, "x")
    with pytest.raises(TypeError, match=r"floating-point arguments, got int64"):
        jit.grad(cubes)(3)
    with pytest.raises(ValueError, match=r"needs a single number, got shape \(3,\)"):
        jit.grad(lambda x: x * 2)(X)


# ---- arguments and results ----


def test_nested_arguments():
    def f(p, scale=1.0):
        return np.sum(p["w"][0] * p["w"][1].first) * p["w"][1].second * scale

    p = {"w": [X, Pair(2 * X, 3.0)]}
    expected = ag.value_and_grad(f)(p, scale=2.0)
    compiled = jit.value_and_grad(f)
    same(compiled(p, scale=2.0), expected)
    same(compiled(p, scale=2.0), expected)
    same(compiled(p), ag.value_and_grad(f)(p))


def test_nested_results():
    def f(x):
        return {"a": (x, [x + 1]), "b": Pair(x.sum(), None), "c": "text", 1: [3, True, ()], "d": OrderedDict(z=x)}

    same(jit.compile(f)(X), f(X))


@pytest.mark.parametrize(
    "constant", [X, np.float32(2), 2, 2.5, "a", None, np.dtype("f4"), Mode.PLUS, slice(1, 2)], ids=repr
)
def test_constant_results(constant):
    out = jit.compile(lambda x: constant)(X)
    same(out, constant)


def test_results_that_would_hide_tensors():
    with pytest.raises(TypeError, match=r"returns arrays, tensors, numbers.*got set from `<lambda>`"):
        jit.compile(lambda x: {x})(X)
    with pytest.raises(TypeError, match=r"got Line from `<lambda>`"):
        jit.compile(lambda x: Line(x))(X)


def test_keyword_and_default_arguments():
    f = jit.compile(lambda x, k=2.0, *, shift=0.0: x * k + shift)
    same(f(X), 2 * X)
    same(f(X, k=3.0), 3 * X)
    same(f(X, 3.0, shift=X), 4 * X)
    same(f(X, shift=X, k=3.0), 4 * X)
    same(f(k=3.0, x=X), 3 * X)


def test_keywords_that_are_no_names():
    f = jit.compile(lambda x, **options: x * options["lambda"] + options["a b"])
    same(f(X, **{"lambda": 2.0, "a b": X}), 3 * X)
    same(f(X, **{"a b": X, "lambda": 3.0}), 4 * X)
    g = jit.compile(lambda x, **options: {"if": x * options["__a0"]})
    same(g(X, __a0=2.0), {"if": 2 * X})


@pytest.mark.parametrize(
    "values", [("plus", "minus"), (True, False), (Mode.PLUS, Mode.MINUS), (np.bool_(1), np.bool_(0))]
)
def test_static_arguments(values):
    traced = []

    def f(x, mode):
        traced.append(mode)
        return x if mode == values[0] else -x

    compiled = jit.compile(f, verify=False)
    for _ in range(2):
        same(compiled(X, values[0]), X)
        same(compiled(X, values[1]), -X)
    assert traced == list(values)


def test_equal_static_arguments_of_other_types_are_others():
    f = jit.compile(lambda x, n: x * 2 if n is True else x * n)
    same(f(X, True), 2 * X)
    same(f(X, 1), X)
    same(f(X, 1.0), X)
    same(f(X, True), 2 * X)


def test_none_and_numbers():
    f = jit.compile(lambda x, y: x if y is None else x * y)
    same(f(X, None), X)
    same(f(X, 2.0), 2 * X)
    same(f(X, None), X)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (np.array([1j], np.clongdouble), f"got {np.dtype(np.clongdouble)}; convert it"),
        (np.array([None]), "got object; convert it"),
        (np.array([1], "f2"), "got float16; convert it"),
        (np.float16(1), "got float16; convert it"),
        (np.array(["a"]), "got <U1; convert it"),
        (np.ones((1, 1)).view(np.matrix), "plain arrays, got a matrix"),
        (np.ma.masked_array([1.0], [True]), "plain arrays, got a MaskedArray"),
        ({1.0}, "got set, which is not hashable"),
        (memoryview(X), "got memoryview, which is not hashable"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_arguments_that_kernels_do_not_take(argument, words):
    with pytest.raises(TypeError, match=words):
        jit.compile(lambda x: x)(argument)


def test_captured_arrays_that_kernels_do_not_take():
    a = np.array([1, 2, 3], np.float16)
    with pytest.raises(TypeError, match="got float16; convert it"):
        jit.compile(lambda x: x * a)(X)


class Sub(np.ndarray):
    pass


KINDS = [
    2.0, 2, True, np.float64(2), np.float32(2), np.int64(2), np.bool_(True), np.array(2.0), np.array(2), np.array(True),
    np.array([2.0]), np.array([2]), np.array([[2.0]]), np.array(2.0, ">f8"), np.array([2.0], ">f8"),
    np.array([2.0], "f4"), np.array([2.0]).view(Sub), np.array(2.0).view(Sub), ag.tensor(2.0),
    ag.tensor([2.0]), [2.0], (2.0,),
]  # fmt: skip


def test_kinds_of_arguments_are_told_apart():
    """After each kind of argument comes each other one, first as a new one and then as a known one."""

    def f(x):
        x = x[0] if isinstance(x, list | tuple) else x
        return x * 2.5, x + 1

    def plain(x):
        return x.view(np.ndarray)[()] if isinstance(x, Sub) else x

    def native(x):
        return x.numpy() if isinstance(x, ag.Tensor) else np.asarray(x, np.asarray(x).dtype.newbyteorder("="))[()]

    compiled = jit.compile(f)
    expected = [f(plain(x)) for x in KINDS]
    for shift in range(len(KINDS)):
        for i in range(len(KINDS)):
            k = (i * (shift + 1)) % len(KINDS)
            ours = compiled(KINDS[k])
            for y, z in zip(ours, expected[k], strict=True):
                assert isinstance(y, ag.Tensor) == isinstance(z, ag.Tensor)
                same(native(y), native(z))
    assert len(compiled.variants) == len(KINDS)


def test_more_signatures_than_are_tried_at_once():
    f = jit.compile(lambda x: x * 2, dynamic={})
    for _ in range(2):
        for n in range(1, 20):
            same(f(np.ones(n)), np.full(n, 2.0))
    assert [len(variants) for variants in f.variants.values()] == [1] * 19


# ---- wrong calls ----


def message(function, *args, **kwargs):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the eager op raises
        function(*args, **kwargs)
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("function", "good", "bad"),
    [
        (lambda x, y: x + y, (X, X), (X, X[:2])),
        (lambda x, y: x @ y, (MATRIX, MATRIX.T), (MATRIX, MATRIX)),
        (lambda x, y: x + y, (X, X), (X,)),
        (lambda x, y: x + y, (X, X), (X, X, X)),
        (lambda x, y: x + y, (X, X), (X, "text")),
        (lambda x, i: x[i], (X, np.array([0, -3])), (X, np.array([0, 3]))),
        (lambda x, i: x[i], (X, np.array([0, -3])), (X, np.array([0, -4]))),
        (lambda x, i: x[i], (X, 1), (X, 3)),
        (lambda x, shape: x.reshape(shape), (X, (3, 1)), (X, (2, 2))),
    ],
)
def test_errors_are_those_of_eager_execution(function, good, bad):
    compiled = jit.compile(function)
    same(compiled(*good), function(*good))
    tensors = [ag.tensor(x) if isinstance(x, np.ndarray | int) else x for x in bad]
    for _ in range(2):
        assert message(compiled, *bad) == message(function, *tensors)
        same(compiled(*good), function(*good))


def test_errors_of_the_function_itself():
    calls = []

    @jit.compile
    def f(x):
        calls.append(x)
        if len(calls) == 1:
            raise KeyError("mine")
        return x * 2

    with pytest.raises(KeyError, match="mine"):
        f(X)
    same(f(X), 2 * X)


# ---- tapes ----


def recorded(f, *xs):
    with ag.record() as tape:
        y = f(*xs)
    return tape, y


def test_a_tape():
    x = ag.tensor(2.0)
    tape, y = recorded(lambda x: 5 * x**3 + 2 * x**2 + 4 * x + 8, x)
    f = jit.compile(tape, inputs=[x], outputs=[y])
    assert [f(2.0), f(3.0), f(3), f(np.array(0.0))] == [64.0, 173.0, 173.0, 8.0]
    value, (slope,) = f.value_and_grad(3.0)
    assert (value, slope) == (173.0, 151.0)
    assert repr(f) == "<compiled tape>"


def test_a_tape_of_several_inputs_and_outputs():
    x, y = ag.tensor(X), ag.tensor(2.0, requires_grad=True)
    tape, (loss, product) = recorded(lambda x, y: ((x * y).sum(), x * y), x, y)
    f = jit.compile(tape, [x, y], [loss, product])
    same(f(X, 3.0), (np.float64(18.0), 3 * X))
    value, gradients = f.value_and_grad(X, 3.0)
    same((value, gradients), (np.float64(18.0), (np.full(3, 3.0), np.float64(6.0))))
    out = f(ag.tensor(X), ag.tensor(4.0))
    assert [type(x) for x in out] == [ag.Tensor, ag.Tensor]


def test_a_tape_that_holds_a_backward_sweep():
    x = ag.tensor(X, requires_grad=True)
    with ag.record() as tape:
        y = cubes(x)
        y.backward()
    f = jit.compile(tape, x, [y, x.grad])
    same(f(2 * X), (np.float64(288.0), 12 * X**2))


def test_a_tape_whose_input_was_computed():
    x = ag.tensor(X)
    with ag.record() as tape:
        y = x * 2
        z = y.sum()
    assert jit.compile(tape, y, z)(X) == 6.0


def test_a_tape_that_reads_detached_values():
    x = ag.tensor(X)
    tape, y = recorded(lambda x: (x * x.detach()).sum(), x)
    _, (g,) = jit.compile(tape, x, y).value_and_grad(X)
    same(g, X)


def test_guards_of_a_tape():
    x = ag.tensor(X)
    tape, y = recorded(lambda x: x * 2 if x.sum() > 0 else -x, x)
    f = jit.compile(tape, x, y)
    same(f(X), 2 * X)
    with pytest.raises(RuntimeError, match=r"another outcome at .*test_jit_api.py:\d+"):
        f(-X)
    same(f(X), 2 * X)


def test_wrong_calls_of_a_tape():
    x, y = ag.tensor(X), ag.tensor(2.0)
    tape, z = recorded(lambda x, y: x * y, x, y)
    f = jit.compile(tape, [x, y], z)
    with pytest.raises(TypeError, match="recorded with 2 inputs, got 1"):
        f(X)
    with pytest.raises(ValueError, match=r"input 0 of float64\[3\], got float64\[2\]; compile the function itself"):
        f(X[:2], 2.0)
    with pytest.raises(ValueError, match=r"input 1 of float64\[\], got float32\[\]"):
        f(X, np.float32(2.0))
    same(f(X, 2.0), 2 * X)


def test_tensors_that_a_tape_does_not_know():
    x = ag.tensor(X)
    tape, y = recorded(lambda x: x * 2, x)
    with pytest.raises(ValueError, match="input 0 of the tape is no tensor that it has read"):
        jit.compile(tape, ag.tensor(X), y)
    with pytest.raises(ValueError, match="output 0 of the tape is no tensor that it has made"):
        jit.compile(tape, x, ag.tensor(X))
    with pytest.raises(TypeError, match="needs `outputs`, the tensors that it was recorded with, got None"):
        jit.compile(tape, x)
    with pytest.raises(TypeError, match="needs `inputs`"):
        jit.compile(tape, X, y)
    same(jit.compile(tape, x, x)(X), X)


def test_a_tape_that_was_swept_outside():
    x = ag.tensor(X, requires_grad=True)
    tape, y = recorded(lambda x: (x * x).sum(), x)
    y.backward()
    with pytest.raises(RuntimeError, match="freed by a sweep outside of the recording"):
        jit.compile(tape, x, y)


# ---- looking inside ----


def test_graph_llvm_and_assembly():
    f = jit.grad(lambda x: np.sum(np.tanh(x)))
    assert "tanh" in str(f.graph(X))
    assert "define" in f.llvm(X)
    assert "mov" in f.asm(X)
    assert len(f.variants) == 1
