"""Arrays between margins: which of them share memory, and that no value is lost."""

import numpy as np
import pytest

from autograd import ops
from jit.graph import Literal
from jit.lowering.program import Nest, Store, View
from tests.graphs import check, program_of, with_gradient

PLATE = np.random.default_rng(1).normal(size=(6, 7))
LINE = np.linspace(-1.0, 1.0, 9)


def padded(x, width=1):
    """`x` between zeros, as `numpy.pad` makes it."""
    index = tuple([(width, n, 1) for n in x.shape])
    return ops.unslice(x, index=index, shape=tuple([n + 2 * width for n in x.shape]))


def moved(p, shape, *start):
    return ops.slice_(p, index=tuple([(i, n, 1) for i, n in zip(start, shape, strict=True)]))


def neighbours(x):
    """The sum of the four neighbours of each element, zero beyond the edge."""
    p = padded(x)
    first, *others = [moved(p, x.shape, *at) for at in ((0, 1), (2, 1), (1, 0), (1, 2))]
    for other in others:
        first = first + other
    return first


def total(x):
    return ops.sum(x, axis=tuple(range(len(x.shape))), keepdims=False)


def diffusion(steps):
    """So many steps of a stencil."""

    def f(x, y):
        for _ in range(steps):
            x = x + y * neighbours(x)
        return total(x * x)

    return f


def stores(program):
    """The stores of numbers."""
    entries = [entry for step in program.steps if isinstance(step, Nest) for entry in step.entries]
    return [x for x in entries if isinstance(x, Store) and isinstance(x.operands[0].atom, Literal)]


def margins(program):
    """The buffers into which numbers are stored, as often as that happens."""
    return [x.target.buffer.number for x in stores(program)]


def work(program):
    """The buffers of the workspace."""
    views = [
        x.place for step in program.steps if isinstance(step, Nest) for entry in step.entries for x in entry.operands
    ]
    return {view.buffer.number for view in views if isinstance(view, View) and view.buffer.kind == "work"}


@pytest.mark.parametrize("steps", [3, 4, 9])
def test_the_steps_of_a_stencil_take_turns_in_two_arrays(steps):
    program = program_of(diffusion(steps), PLATE, PLATE)
    assert len(work(program)) == 2
    # On each side of each axis one stretch of zeros.
    assert len(margins(program)) == 2 * 4
    check(diffusion(steps), PLATE, PLATE)


@pytest.mark.parametrize("steps", [3, 9])
def test_the_gradient_of_a_stencil_takes_turns_in_them_as_well(steps):
    f = with_gradient(diffusion(steps), 2)
    assert len(set(margins(program_of(f, PLATE, PLATE)))) == 2
    check(f, PLATE, PLATE)


def test_arrays_that_are_needed_at_the_same_time_share_nothing():
    f = lambda x: neighbours(ops.exp(x)) * neighbours(ops.sin(x)) * neighbours(ops.cos(x)) + neighbours(neighbours(x))
    check(f, PLATE)
    made = lambda x: [padded(g(x)) for g in (ops.exp, ops.sin, ops.cos)]
    f = lambda x: tuple([total(ops.exp(total(p) + p)) for p in made(x)])
    assert len(set(margins(program_of(f, LINE)))) == 3
    check(f, LINE)


def test_another_margin_is_another_kind():
    def f(x):
        for width in (1, 2, 1, 2, 1):
            p = padded(ops.tanh(x), width)
            x = moved(p, x.shape, 0) - moved(p, x.shape, width)
        return x

    program = program_of(f, LINE)
    kinds = {(x.target.buffer.size, x.target.buffer.number) for x in stores(program)}
    assert sorted([size for size, _ in kinds]) == [11, 13]
    check(f, LINE)


def test_a_margin_that_is_written_to_later_is_left_alone():
    index = lambda start, n: ((start, n, 1),)

    def f(x):
        for _ in range(4):
            p = ops.unslice(ops.sin(x), index=index(0, 9), shape=(14,))
            p = p + ops.unslice(ops.cos(x), index=index(3, 9), shape=(14,))
            x = ops.slice_(p, index=index(2, 9)) + ops.slice_(p, index=index(5, 9))
        return x

    check(f, LINE)


def test_what_is_returned_has_its_own_memory():
    f = lambda x: tuple([padded(ops.sin(x * i)) for i in range(4)])
    check(f, LINE)


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_of_padded_arrays(seed):
    """Padded arrays of several margins, read by products, sums and stencils soon, late, or never."""
    draw = np.random.default_rng(seed)
    plan = [(int(draw.integers(5)), int(draw.integers(1, 3)), int(draw.integers(100))) for _ in range(14)]

    def f(x):
        alive = [x]
        for kind, width, at in plan:
            y = alive[at % len(alive)]
            p = padded(ops.sin(y), width)
            if kind == 0:
                made = moved(p, y.shape, 0, width) + moved(p, y.shape, 2 * width, 0)
            elif kind == 1:
                made = y * total(p)
            elif kind == 2:
                made = moved(p @ ops.transpose(p, axes=(1, 0)) @ p, y.shape, 1, 1)
            elif kind == 3:
                made = moved(p + ops.exp(-p * p), y.shape, width, 0)
            else:
                made = neighbours(neighbours(y)) - y
            alive = [*alive[-4:], ops.sin(made)]
        return total(alive[-1] + alive[0])

    check(with_gradient(f), PLATE, rtol=1e-9)
