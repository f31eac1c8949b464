"""The second call runs a function once more: what depends on more than its arguments is an error, not frozen."""

import itertools
import re
import time
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import jit

X = np.array([1.0, 2.0, 3.0])
H = np.zeros(4)
NUMBERS = itertools.count()


class Counter:
    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return self.count


def line(text):
    """Where this file says so."""
    for number, words in enumerate(Path(__file__).read_text().splitlines(), 1):
        if words.endswith(f"# {text}"):
            return re.escape(f"{__file__}:{number}")
    raise AssertionError(text)


def drawn(x):
    y = x * 2.0
    return np.sin(y) * np.random.rand()  # a random number


def drawn_array(x):
    y = np.exp(x)
    return y + np.random.rand(3)  # a random array


def timed(x):
    return x * time.perf_counter_ns()  # a clock


def counted(x, counter=Counter()):  # noqa: B008
    y = x + 1.0
    return y / counter()  # a counter


def indexed(x):
    return x[next(NUMBERS) % 2 :].sum()  # another index


def branched(x):
    return np.sin(x) if next(NUMBERS) % 2 else np.cos(x)  # another branch


def in_a_loop(x):
    h = x
    for _ in range(30):
        h = np.tanh(h * 0.5 + np.random.rand())  # a random number in each step
    return h


def message(name, place):
    return rf"`{name}` does not depend on its arguments alone: .* in {line(place)} got .* in one run and .* in the next"


@pytest.mark.parametrize(
    ("function", "operation", "place"),
    [
        (drawn, "mul", "a random number"),
        (drawn_array, "add", "a random array"),
        (timed, "mul", "a clock"),
        (counted, "div", "a counter"),
        (in_a_loop, "add", "a random number in each step"),
    ],
)
@pytest.mark.parametrize("gradient", [False, True])
def test_the_first_operation_that_differs_is_named(function, operation, place, gradient):
    compiled = jit.value_and_grad(lambda x: np.sum(function(x))) if gradient else jit.compile(function)
    compiled(X)
    with pytest.raises(RuntimeError, match=f"`{operation}` in {line(place)} got .* in one run and .* in the next"):
        compiled(X)


def test_the_function_and_the_numbers_are_named():
    compiled = jit.compile(counted)
    compiled(X)
    words = message("counted", "a counter") + ".*random numbers, a clock, a file, an object.*`verify=False`"
    with pytest.raises(RuntimeError, match=words):
        compiled(X)


@pytest.mark.parametrize(("function", "place"), [(indexed, "another index"), (branched, "another branch")])
def test_other_operations(function, place):
    compiled = jit.compile(function)
    compiled(X)
    with pytest.raises(RuntimeError, match=message(function.__name__, place)):
        compiled(X)


def test_a_file(tmp_path):
    path = tmp_path / "rate"
    path.write_text("2.0")
    compiled = jit.compile(lambda x: x * float(path.read_text()))  # a file
    np.testing.assert_array_equal(compiled(X), 2 * X)
    path.write_text("3.0")
    with pytest.raises(RuntimeError, match=f"`mul` in {line('a file')} got 2.0 in one run and 3.0 in the next"):
        compiled(X)


def test_a_result_that_no_operation_makes():
    compiled = jit.compile(lambda x: (x, time.perf_counter_ns()))
    compiled(X)
    with pytest.raises(RuntimeError, match=r"the result in a line that is not known got \d+ in one run and \d+ in"):
        compiled(X)


def test_an_array_of_the_first_run_alone():
    kept = []

    def f(x):
        if not kept:
            kept.append(np.random.rand(3))
            return x + 1.0
        return x * 2.0

    compiled = jit.compile(f)
    compiled(X)
    with pytest.raises(RuntimeError, match=r"got `add` to .* in one run and `mul` to"):
        compiled(X)


def test_it_can_be_switched_off():
    calls = []

    def f(x):
        calls.append(1)
        return x * np.random.rand()

    for verify, runs in ((False, 1), (True, 2)):
        calls.clear()
        compiled = jit.compile(f, verify=verify)
        first = compiled(X)
        if verify:
            with pytest.raises(RuntimeError, match="not depend on its arguments alone"):
                compiled(X)
            assert len(calls) == 4, "two runs more find the line"
        else:
            np.testing.assert_array_equal(compiled(X), first)
            assert len(calls) == runs


def test_each_variant_is_run_twice():
    calls = []

    def f(x):
        calls.append(1)
        return x * 2 if x[0] > 0 else -x

    compiled = jit.compile(f)
    for x in (X, X, X, -X, -X, -X, X, -X):
        np.testing.assert_array_equal(compiled(x), f(x))
        calls.pop()
    assert len(calls) == 4


def test_a_new_variant_found_by_the_second_run_is_not_recorded_again():
    calls = []

    def f(x):
        calls.append(1)
        return x * 2 if x[0] > 0 else -x

    compiled = jit.compile(f)
    np.testing.assert_array_equal(compiled(X), 2 * X)
    np.testing.assert_array_equal(compiled(-X), X)
    assert len(calls) == 2


# ---- no false alarms ----


def pure():
    matrix = np.arange(9.0).reshape(3, 3)
    history, state = [], {"calls": 0}

    def with_a_history(x):
        history.append(len(history))
        state["calls"] += 1
        return x * 2

    def with_arrays_of_its_own(x):
        return x @ np.linspace(0, 1, 9).reshape(3, 3) + ag.tensor([1.0, 2.0, 3.0]) + np.sqrt(matrix)[0]

    def with_tensors_of_its_own(x):
        y = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
        (y * y * x).sum().backward()
        return y.grad

    def with_seeded_numbers(x):
        return x + np.random.default_rng(0).normal(size=3)

    def with_functions_of_its_own(x):
        class Cube(ag.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 3 * x**2

        square = ag.custom(lambda x: x**2, vjp=lambda g, out, x: 2 * g * x)
        return Cube.apply(x) + square(x) + np.sum(ag.scan(lambda c, u: (c * u, c), x, X)[1])

    def with_not_a_number(x):
        return np.where(x > 2, x, np.nan)

    def with_a_loop(x):
        for _ in range(40):
            x = np.tanh(x * 0.5 + 1.0)
        return x

    def with_decisions(x):
        return x * float(x[0]) if x.sum() > 0 else -x

    return [f for name, f in locals().items() if name.startswith("with_")]


@pytest.mark.parametrize("function", pure(), ids=lambda f: f.__name__)
def test_functions_of_their_arguments_alone(function):
    compiled = jit.compile(function)
    for _ in range(4):
        np.testing.assert_allclose(compiled(X), np.asarray(function(ag.tensor(X)).data), rtol=1e-12)
    assert all(variant.verified for known in compiled.variants.values() for variant in known)


def test_what_numpy_warns_of_is_said_once():
    compiled = jit.compile(lambda x: np.log(x))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        compiled(H)
    np.testing.assert_array_equal(compiled(H), np.full(4, -np.inf))


def test_bound_calls_are_verified():
    with pytest.raises(RuntimeError, match=f"`mul` in {line('a random number')}"):
        jit.compile(drawn).bind(X)
    np.testing.assert_array_equal(jit.compile(drawn, verify=False).bind(X)().shape, (3,))


# ---- strict functions ----


def test_a_strict_function_names_the_decision():
    compiled = jit.compile(lambda x: x * 2 if x.sum() > 1 else -x, strict=True)  # a decision
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), 2 * X)
        words = (
            rf"<compiled <lambda>> would have to be recorded again, which `strict=True` forbids: the value that Python "
            rf"looks at in {line('a decision')} was True and is False"
        )
        with pytest.raises(RuntimeError, match=words):
            compiled(-X)


def test_a_strict_function_names_the_constant():
    rate = 2.0
    compiled = jit.compile(lambda x: x * rate, strict=True)  # a constant
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), 2 * X)
    rate = 3.0
    words = rf"`rate`, a variable around it, read in {line('a constant')}, was 2.0 and is 3.0"
    with pytest.raises(RuntimeError, match=words):
        compiled(X)


def test_a_strict_function_names_an_array_of_another_shape():
    w = X.copy()
    compiled = jit.compile(lambda x: x * w, strict=True)
    compiled(X)
    w = 2 * w
    np.testing.assert_array_equal(compiled(X), X * w)
    w = np.ones((2, 3))
    with pytest.raises(RuntimeError, match=r"`w`, .* was array\(\[2., 4., 6.\]\) and is array\(\[\[1., 1., 1.\], "):
        compiled(X)


def test_a_strict_function_takes_other_shapes():
    compiled = jit.compile(lambda x: x * 2, strict=True)
    np.testing.assert_array_equal(compiled(X), 2 * X)
    np.testing.assert_array_equal(compiled(H), 2 * H)


def test_how_many_variants_may_be():
    for wrong in (0, -1, 1.5, "many"):
        with pytest.raises(ValueError, match=f"`max_variants` needs an integer of at least 1, got {wrong!r}"):
            jit.compile(lambda x: x, max_variants=wrong)


def test_too_many_values_of_a_constant():
    rate = 0.0
    compiled = jit.compile(lambda x: x * rate, max_variants=2)  # many values
    for _ in range(2):
        rate += 1.0
        compiled(X)
    rate = 3.0
    words = rf"recorded 3 times for one signature.*`rate`, .*read in {line('many values')}, was 2.0 and is 3.0"
    with pytest.warns(UserWarning, match=words):
        compiled(X)


# ---- what is told ----


def test_explain_recording():
    rate, weights, table = 2.0, np.ones(3), np.array([1.0, 4.0, 9.0])

    def f(x, power=2):
        y = rate * x**power * weights  # names
        if y.sum() > 0:  # the decision
            return y * np.sqrt(table)  # NumPy alone
        return y

    here = {name: line(name).replace("\\", "") for name in ("names", "the decision", "NumPy alone")}
    first = f"{__file__}:{f.__code__.co_firstlineno}"
    expected = f"""f
decided on values, checked in the kernel:
  {here["the decision"]}: True
read from outside, checked at each call:
  {here["names"]}: `rate`, a variable around it is 2.0
  {here["NumPy alone"]}: `table`, a variable around it is an array of float64[3]
  {first}: the defaults of `f` is (2,)
taken from outside at each call:
  {here["names"]}: `weights`, a variable around it, an array of float64[3]
made by NumPy alone, and kept as it was:
  {here["NumPy alone"]}: an array of float64[3], for `mul`"""
    assert jit.explain_recording(f, X) == expected
    assert jit.explain_recording(jit.compile(f), X) == expected
    assert "names: `weights`" not in jit.explain_recording(jit.grad(lambda x: x * x), 2.0)
