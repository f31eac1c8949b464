"""Arrays in the place of others: which are, and that no value is overwritten before it is read for the last time."""

import numpy as np
import pytest
from hypothesis import given, settings

from autograd import ops
from jit.graph import Var
from jit.lowering import inplace
from jit.lowering.program import Nest, Operand, Scalar, Store
from tests.graphs import check, magnitude, program_of, with_gradient
from tests.programs import programs

X = np.random.default_rng(1).normal(size=(5, 5))


@pytest.fixture(autouse=True)
def every_array_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inplace, "LEAST", 2)


def total(x, axis=None):
    return ops.sum(x, axis=tuple(range(len(x.shape))) if axis is None else axis, keepdims=False)


def swapped(x):
    return ops.transpose(x, axes=(1, 0))


def stored(program):
    """The buffers of the workspace that nests store to, in their order."""
    entries = [entry for step in program.steps if isinstance(step, Nest) for entry in step.entries]
    return [x.target.buffer.number for x in entries if isinstance(x, Store) and x.target.buffer.kind == "work"]


def normalised(steps, then=lambda x: x):
    """So many nests, since each needs a sum of the one before."""

    def f(x):
        for _ in range(steps):
            x = then(ops.exp(x)) / total(ops.exp(x))
        return x

    return f


def test_a_chain_of_nests_stays_in_one_array():
    f = normalised(5)
    assert len(stored(program_of(f, X))) == 5
    assert len(set(stored(program_of(f, X)))) == 1
    check(f, X)


def test_a_small_array_has_its_own_place(monkeypatch):
    monkeypatch.setattr(inplace, "LEAST", 26)
    assert len(set(stored(program_of(normalised(5), X)))) == 5


def test_what_is_read_elsewhere_in_the_array_is_not_overwritten():
    f = normalised(5, swapped)
    assert len(set(stored(program_of(f, X)))) > 1
    check(f, X)
    f = normalised(4, lambda x: x + x[::-1])
    check(f, X)


def test_what_is_read_again_later_is_kept():
    def f(x):
        y = ops.exp(x)
        z = y / total(y)
        return ops.sin(z / total(z)) + y

    check(f, X)


def test_what_is_returned_is_kept():
    def f(x):
        found = [x]
        for _ in range(4):
            y = ops.exp(found[-1])
            found.append(y / total(y))
        return tuple(found[1:])

    check(f, X)


def test_an_element_is_read_before_it_is_stored_under_all_its_names():
    def f(x):
        y = ops.exp(x)
        again = ops.reshape(ops.reshape(y, shape=(25,)), shape=(5, 5))
        scale = total(y)
        z = y / scale
        w = ops.sin(z) * total(z) + again
        return w / total(w)

    check(f, X)


def handmade(entries):
    """The last nest of a program of two: one stores an array, the other one has entries that `entries` makes.

    It is given what reads the array, and two other places for what is stored.
    """
    program = program_of(normalised(3), X)
    first = next(step for step in program.steps if isinstance(step, Nest) and step.shape)
    store = next(entry for entry in first.entries if isinstance(entry, Store))
    places = [store.target._replace(buffer=store.target.buffer._replace(number=n)) for n in (1000, 1001)]
    last = first._replace(entries=entries(Operand(store.operands[0].atom, store.target), *places))
    made = inplace.in_place(program._replace(steps=(first, last), outputs=(), guards=()))
    return store.target.buffer.number, [entry.target.buffer.number for entry in made.steps[1].entries]


def test_what_is_read_after_the_store_cannot_be_overwritten():
    number = lambda x: Operand(x.atom, Scalar(x.atom))
    before, after = handmade(lambda x, one, two: (Store((number(x),), one), Store((x,), two)))
    assert after == [1000, before]


def test_what_goes_by_two_names_cannot_be_overwritten():
    other = lambda x: x._replace(atom=Var(x.atom.aval))
    _, after = handmade(lambda x, one, two: (Store((x,), one), Store((other(x),), two)))
    assert after == [1000, 1001]


@settings(max_examples=60)
@given(programs(smooth=False))
def test_random_programs_and_gradients(program):
    inputs = program.inputs()
    check(with_gradient(program, len(program.shapes)), *inputs, rtol=1e-11, scale=magnitude(inputs))


@pytest.mark.parametrize("seed", range(12))
def test_random_chains_of_nests(seed):
    draw = np.random.default_rng(seed)
    plan = draw.integers(1000, size=(14, 3)).tolist()

    def f(x):
        known = [x]
        for kind, i, j in plan:
            y, z = known[-1 - i % min(len(known), 3)], known[-1 - j % min(len(known), 3)]
            scale = 1.0 / (1.0 + ops.square(total(y)))
            parts = (y * scale + z, swapped(y) * scale - z, total(z, (0,)) * y * scale, y @ z * scale, y[::-1] * scale)
            known.append(ops.sin(parts[kind % len(parts)]))
        return total(known[-1] + known[-2])

    check(with_gradient(f), X, rtol=1e-9)
