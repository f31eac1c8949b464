"""What a function reads from closures, globals, defaults and objects: a change of it is seen at the next call."""

import copy
import functools
import gc
import math
import types
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import autograd as ag
import jit
from jit.recording.places import Container, are_same, is_same, places_of
from jit.recording.reads import reads_of

X = np.array([1.0, 2.0, 3.0])
RATE = 2.0
WEIGHTS = np.array([1.0, 1.0, 2.0])
SETTINGS = {"rate": 2.0, "name": "plus", "weights": [np.ones(3), np.ones(3)]}
MODULE = types.ModuleType("settings_of_a_test")


def twice(x):
    return 2 * x


def scaled(x):
    return np.sin(x) * RATE


def helped(x):
    return scaled(x) + 1.0


def by_settings(x):
    sign = 1.0 if SETTINGS["name"] == "plus" else -1.0
    return sign * SETTINGS["rate"] * x * SETTINGS["weights"][1]


def by_module(x):
    return MODULE.rate * x


def weighted(x, w=WEIGHTS):
    return x * w + WEIGHTS


class Layer:
    bias = 1.0

    def __init__(self, w):
        self.w, self.function = w, twice

    def __call__(self, x):
        return self.function(x) * self.w + self.bias

    @property
    def size(self):
        return self.scale() * 2.0

    def scale(self):
        return self.factor

    factor = 0.5


class Slotted:
    __slots__ = ("rate",)

    def __init__(self, rate):
        self.rate = rate


@dataclass
class Network:
    layers: list
    rate: float = 0.1

    def loss(self, x):
        for layer in self.layers:
            x = layer(x)
        return np.sum(x) * self.rate * self.layers[0].size


def follows(f, plain, x, *changes, variants=None):
    """The compiled function gives what the plain one gives, before and after each change, and after a repetition."""
    for change in (lambda: None, *changes):
        change()
        for _ in range(3):
            np.testing.assert_allclose(f(x), plain(x), rtol=1e-14)
    if variants is not None:
        assert [len(known) for known in f.variants.values()] == [variants]


def changer(monkeypatch, holder, name, value):
    if isinstance(holder, dict):
        return lambda: monkeypatch.setitem(holder, name, value)
    return lambda: monkeypatch.setattr(holder, name, value)


# ---- numbers, strings, functions ----


def test_numbers_of_a_closure():
    k = 2.0

    def f(x):
        return x * k

    compiled = jit.compile(f)
    for k in (2.0, 3.0, 2.0, 2, True, np.float64(2.0), np.float32(3.0), 0.0, -0.0, np.nan, np.nan, math.inf):  # noqa: B007
        for _ in range(2):
            ours, expected = compiled(X), f(X)
            np.testing.assert_array_equal(ours, expected)
            np.testing.assert_array_equal(np.signbit(ours), np.signbit(expected))
    assert [len(known) for known in compiled.variants.values()] == [10]


def test_globals(monkeypatch):
    change = functools.partial(changer, monkeypatch, globals())
    follows(jit.compile(scaled), scaled, X, change("RATE", 3.0), change("RATE", 2.0), variants=2)


@pytest.mark.parametrize("transform", ["grad", "value_and_grad", "compile", "hessian"])
def test_what_is_called_is_followed(monkeypatch, transform):
    def f(x):
        return np.sum(helped(x))

    change = functools.partial(changer, monkeypatch, globals())
    plain = (lambda f: f) if transform == "compile" else getattr(ag, transform)
    first = (lambda out: out[1]) if transform == "value_and_grad" else (lambda out: out)
    compiled = getattr(jit, transform)(f)
    follows(
        lambda x: first(compiled(x)),
        lambda x: first(plain(f)(x)),
        X,
        change("RATE", 3.0),
        change("scaled", lambda x: x * x * RATE),
        change("helped", twice),
    )


def test_a_function_of_a_closure():
    g = twice
    compiled = jit.compile(lambda x: g(x))
    np.testing.assert_array_equal(compiled(X), 2 * X)
    g = np.square
    np.testing.assert_array_equal(compiled(X), X * X)


def test_containers(monkeypatch):
    change = functools.partial(changer, monkeypatch, SETTINGS)
    weights = [np.ones(3), np.full(3, 5.0)]
    f = jit.compile(by_settings)
    follows(f, by_settings, X, change("rate", 3.0), change("name", "minus"), variants=3)
    follows(f, by_settings, X, change("weights", weights), lambda: weights.append(1.0), lambda: weights.pop())


def test_a_long_list_of_numbers():
    numbers = [float(i) for i in range(100)]
    follows(
        jit.compile(lambda x: x * sum(numbers)),
        lambda x: x * sum(numbers),
        X,
        lambda: numbers.__setitem__(50, -1.0),
        lambda: numbers.append(1.0),
        variants=3,
    )


def test_attributes_of_modules(monkeypatch):
    MODULE.rate, MODULE.other = 2.0, 1.0
    change = functools.partial(changer, monkeypatch, MODULE)
    follows(jit.compile(by_module), by_module, X, change("other", 2.0), change("rate", 3.0), variants=2)


def test_defaults():
    def f(x, rate=2.0, *, power=2):
        return rate * x**power

    def change():
        f.__defaults__ = (3.0,)
        f.__kwdefaults__ = {"power": 3}

    follows(jit.compile(f), f, X, change, variants=2)


def test_attributes_of_objects(monkeypatch):
    model = Network([Layer(np.ones(3)), Layer(np.full(3, 2.0))])
    follows(
        jit.grad(model.loss),
        ag.grad(model.loss),
        X,
        changer(monkeypatch, model, "rate", 0.5),
        changer(monkeypatch, model.layers[1], "w", np.full(3, 3.0)),
        changer(monkeypatch, model.layers[1], "w", np.full(3, 4.0)),
        changer(monkeypatch, Layer, "bias", 2.0),
        changer(monkeypatch, model.layers[0], "bias", 3.0),
        changer(monkeypatch, model.layers[0], "function", np.square),
        changer(monkeypatch, Layer, "factor", 0.25),
        changer(monkeypatch, Layer, "scale", lambda self: 7.0),
        lambda: model.layers.pop(),
    )


def test_a_compiled_method(monkeypatch):
    class Model:
        def __init__(self, rate):
            self.rate = rate

        @jit.compile
        def __call__(self, x):
            return x * self.rate

    one, other = Model(2.0), Model(3.0)
    for _ in range(3):
        np.testing.assert_array_equal(one(X), X * one.rate)
        np.testing.assert_array_equal(other(X), X * other.rate)
        one.rate += 1.0


def test_slots():
    it = Slotted(2.0)
    follows(jit.compile(lambda x: x * it.rate), lambda x: x * it.rate, X, lambda: setattr(it, "rate", 3.0))


def test_an_attribute_that_appears(monkeypatch):
    model = Layer(np.ones(3))
    f = lambda x: x * getattr(model, "extra", 1.0) * model.bias
    follows(jit.compile(f), f, X, changer(monkeypatch, model, "bias", 5.0))


def test_partial_functions(monkeypatch):
    change = functools.partial(changer, monkeypatch, globals())
    f = functools.partial(lambda rate, x: rate * scaled(x), 2.0)
    follows(jit.compile(f), f, X, change("RATE", 5.0), variants=2)


# ---- arrays and tensors ----


def test_a_name_that_is_bound_to_another_array():
    w = X.copy()

    def loss(x):
        return np.sum(w * x**2)

    compiled = jit.value_and_grad(loss)
    for k in range(1, 6):
        w = k * X
        for ours, expected in zip(compiled(X), ag.value_and_grad(loss)(X), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-14)
    w = X.astype(np.float32)
    np.testing.assert_allclose(compiled(X)[1], ag.grad(loss)(X))
    w = np.repeat(X, 2)[::2]
    np.testing.assert_allclose(compiled(X)[1], ag.grad(loss)(X))
    assert [len(known) for known in compiled.variants.values()] == [3], "one for each dtype and layout"


def test_parameters_that_are_rebound_in_a_loop_of_training(monkeypatch):
    parameters = {"w": [np.full(3, 0.5), np.ones(3)], "b": np.array(0.25)}
    loss = lambda x: np.sum((parameters["w"][0] * x - parameters["w"][1]) ** 2) + parameters["b"] * 2.0
    compiled = jit.compile(loss)
    for _ in range(5):
        np.testing.assert_allclose(compiled(X), loss(X), rtol=1e-14)
        parameters = {"w": [y - 0.1 * X for y in parameters["w"]], "b": parameters["b"] + 1.0}
    parameters["b"] = np.array(parameters["b"])
    np.testing.assert_allclose(compiled(X), loss(X), rtol=1e-14)


def test_an_array_with_two_names():
    a = b = X.copy()
    f = lambda x: x * a + b
    compiled = jit.compile(f)
    np.testing.assert_array_equal(compiled(X), f(X))
    b = 2 * X
    np.testing.assert_array_equal(compiled(X), f(X))
    a = b
    np.testing.assert_array_equal(compiled(X), f(X))


def test_permuted_and_strided_arrays_that_are_rebound():
    a, b = np.asfortranarray(np.arange(12.0).reshape(3, 4)), np.arange(8.0)[::2]
    f = lambda x: a * x + b
    compiled = jit.compile(f)
    for k in (1.0, 2.0, 3.0):
        np.testing.assert_array_equal(compiled(2.0), f(2.0))
        a, b = np.asfortranarray(a * k), np.repeat(b, 2)[::2]
    assert [len(known) for known in compiled.variants.values()] == [1]


def test_a_tensor_that_is_rebound():
    w = ag.tensor(X, requires_grad=True)
    f = jit.compile(lambda x: (w * w * x).sum())
    for k in range(1, 5):
        w = ag.tensor(k * X, requires_grad=True)
        f(X).backward()
        np.testing.assert_array_equal(w.grad.numpy(), 2 * k * X * X)
    assert [len(known) for known in f.variants.values()] == [1]
    w = ag.tensor(X)
    assert f(X) == np.sum(X**3)
    w = X
    assert f(X) == np.sum(X**3)


def test_a_tensor_whose_gradient_the_function_sets():
    w = ag.tensor(X, requires_grad=True)

    @jit.compile
    def step(x):
        loss = (w * w * x).sum()
        loss.backward()
        return loss.detach()

    for k in range(1, 5):
        w = ag.tensor(k * X, requires_grad=True)
        step(X)
        np.testing.assert_array_equal(w.grad.numpy(), 2 * k * X * X)
    assert [len(known) for known in step.variants.values()] == [1]


def test_bound_calls_see_what_is_rebound():
    w, k = X.copy(), 2.0
    call = jit.compile(lambda x: w * x * k).bind(X)
    np.testing.assert_array_equal(call(), 2 * X * X)
    w = 5 * X
    np.testing.assert_array_equal(call(), 10 * X * X)
    k = 3.0
    np.testing.assert_array_equal(call(), 15 * X * X)


def test_results_in_given_arrays_see_what_is_rebound():
    w, k, out = X.copy(), 2.0, np.empty(3)
    f = jit.compile(lambda x: w * x * k)
    for _ in range(3):
        f(X, out=out)
        np.testing.assert_array_equal(out, w * X * k)
        w = 5 * w
        f(X, out=out)
        np.testing.assert_array_equal(out, w * X * k)
        k = k + 1


def test_an_array_that_numpy_alone_reads():
    a = np.array([1.0, 4.0, 9.0])
    f = lambda x: x * np.sqrt(a)
    follows(jit.compile(f), f, X, lambda: a.__setitem__(0, 16.0), lambda: a.__setitem__(1, np.nan), variants=3)


def test_a_view_of_an_array_follows_it():
    a = np.arange(9.0).reshape(3, 3)
    f = lambda x: x @ a.T
    follows(jit.compile(f), f, X, lambda: a.__setitem__((0, 1), 16.0), variants=1)


def test_an_array_that_decides_on_the_shape():
    a = np.ones((2, 3))
    f = lambda x: x * len(a)
    compiled = jit.compile(f)
    np.testing.assert_array_equal(compiled(X), f(X))
    a = np.ones((5, 3))
    np.testing.assert_array_equal(compiled(X), f(X))


def test_defaults_that_are_arrays(monkeypatch):
    change = functools.partial(changer, monkeypatch, globals())
    follows(jit.compile(weighted), weighted, X, change("WEIGHTS", np.full(3, 5.0)))


def test_what_the_function_holds_on_to_is_freed():
    gc.collect()
    gc.disable()
    try:

        class Model:
            def __init__(self):
                self.w, self.rate = X.copy(), 2.0

        model = Model()
        kept = weakref.ref(model)
        f = jit.compile(lambda x, model=model: x * model.w * model.rate)
        np.testing.assert_array_equal(f(X), 2 * X * X)
        np.testing.assert_array_equal(f(X), 2 * X * X)
        del f, model
        assert kept() is None
    finally:
        gc.enable()


# ---- what is read, by the code ----


def test_names_that_code_reads():
    def outer(x):
        return [RATE * y + WEIGHTS.size for y in x] and (lambda: SETTINGS.rate.value)

    found = reads_of(outer.__code__)
    assert set(found.globals) == {"RATE", "WEIGHTS", "SETTINGS"}
    assert set(found.attributes) == {"size", "rate", "value"}
    assert all(line.startswith(f"{__file__}:") for line in (*found.globals.values(), *found.attributes.values()))


def test_libraries_are_not_followed():
    found = places_of([lambda x: np.linalg.norm(x) + math.sin(RATE) + functools.reduce(max, x)])
    assert [place.name for place in found] == ["the global `RATE`"]


def test_a_container_that_holds_itself():
    own = [2.0]
    own.append(own)
    f = lambda x: x * own[0]
    follows(jit.compile(f), f, X, variants=1)


@pytest.mark.parametrize(
    ("x", "y", "same"),
    [
        (1.5, 1.5, True),
        (1, True, False),
        (1, 1.0, False),
        (0.0, -0.0, False),
        (math.nan, float("nan"), True),
        (1j, 1j, True),
        ("a", "a", True),
        ("a", b"a", False),
        (np.float64(1.0), 1.0, False),
        (np.float32(1.0), np.float32(1.0), True),
        (X, X, True),
        (X, X.copy(), False),
        (None, None, True),
    ],
)
def test_when_values_are_the_same(x, y, same):
    assert is_same(x, y) is same
    (place,) = places_of([lambda: x])
    assert are_same(y, place.leaves, place.structure) is same


MANY = 40


@pytest.mark.parametrize("kind", [list, tuple, lambda xs: dict(enumerate(xs))])
def test_what_arrays_in_a_large_container_hold_is_looked_at(kind):
    arrays = kind([np.full(2, float(i)) for i in range(MANY)])
    f = jit.compile(lambda x: x * float(np.sum(arrays[3])))
    assert f(2.0) == f(2.0) == 12.0
    arrays[3][0] = 5.0
    assert f(2.0) == 16.0


@pytest.mark.parametrize(
    "items",
    [
        [(i, 0.5 * i) for i in range(MANY)],
        [[i, 0.5 * i] for i in range(MANY)],
        {i: (i, 0.5 * i) for i in range(MANY)},
        tuple((i, 0.5 * i) for i in range(MANY)),
    ],
    ids=["list of tuples", "list of lists", "dict", "tuple"],
)
def test_a_large_container_is_known_by_what_it_holds(items):
    (place,) = places_of([lambda: items])
    held = Container(place)
    equal = copy.deepcopy([*items.items()] if isinstance(items, dict) else [*items])
    remade = [type(x)([*x]) for x in equal]
    make = dict if isinstance(items, dict) else type(items)
    assert held.holds(items)
    assert held.holds(make(remade))
    assert not held.holds(make(remade[:-1]))
    assert not held.holds(tuple(remade) if isinstance(items, list) else [*make(remade)])
    other = copy.deepcopy(items)
    if isinstance(items, dict):
        other[True] = other.pop(1)
    else:
        other = make([*remade[:1], type(remade[1])([True, 0.5]), *remade[2:]])
    assert not held.holds(other)


def test_a_list_within_a_large_container_may_have_changed():
    lists = [[1.0, 2.0] for _ in range(MANY)]
    f = jit.compile(lambda x: x * lists[3][1])
    assert f(2.0) == f(2.0) == 4.0
    lists[3][1] = 5.0
    assert f(2.0) == 10.0
