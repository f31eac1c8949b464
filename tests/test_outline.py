"""Long programs in pieces: results, guards and indices are those of one function."""

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import ops
from jit.emit import outline, wiring
from jit.emit import program as program_module
from jit.emit.interpreter import entries_of, in_runs, is_plain, surprises
from jit.emit.outline import pieces, variety
from jit.lowering import plan as plan_module
from jit.lowering.plan import CALL, HUGE, NEARLY_HUGE, most_compiled, weight
from jit.lowering.program import Nest, Store, View
from tests.graphs import check, compiled, program_of, with_gradient
from tests.mixtures import mixtures
from tests.programs import programs


def in_pieces(f, *inputs, size=2, inlined=16, addresses=64, huge=1000, sorts=False, rtol=1e-9):
    """`f` compiled with limits that take even a short function to pieces, of which `huge` weight is compiled.

    With `sorts` the interpreter has its rows in another order.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "LONG", 0)
        patch.setattr(plan_module, "HUGE", huge)
        patch.setattr(program_module, "NEARLY_HUGE", huge)
        patch.setattr(program_module._Body, "sorts", lambda *_: sorts)
        patch.setattr(outline, "SMALLEST", size)
        patch.setattr(outline, "LARGEST", 2 * size)
        patch.setattr(program_module, "MOST_INLINED", inlined)
        patch.setattr(wiring, "MOST_ADDRESSES", addresses)
        return check(f, *inputs, rtol=rtol)


@settings(max_examples=15)
@given(programs(smooth=False, most_steps=12), st.sampled_from([-1, 20, 1000]), st.booleans())
def test_programs_in_pieces(program, huge, sorts):
    in_pieces(with_gradient(program, len(program.shapes)), *program.inputs(), huge=huge, sorts=sorts)


@settings(max_examples=20, derandomize=True)
@given(mixtures(), st.sampled_from([-1, 1000]), st.booleans())
def test_mixtures_in_pieces(mixture, huge, sorts):
    in_pieces(mixture, *mixture.inputs, size=1, inlined=0, huge=huge, sorts=sorts, rtol=1e-5)


def scalars_and_loops(x, i):
    """Scalars, loops, products, guards and indices by turns."""
    a, b = x[0], x[1]
    for k in range(4):
        for _ in range(8):
            a, b = ops.sin(a) + b * 0.5, ops.tanh(a * b) - k
        x = x * a + ops.gather(x, i) * b
        if ops.sum(x, axis=(0,), keepdims=False) > -1e9:
            a = a + x @ x * 1e-3
        b = b + ops.gather(x, i[k])
    return a, b, x, ops.astype(a, dtype=np.dtype(np.float32)), a > b


@pytest.mark.parametrize("huge", [-1, 30, 1000])
@pytest.mark.parametrize(("size", "inlined", "addresses"), [(1, 0, 64), (10, 16, 4), (25, 0, 0), (1000, 0, 64)])
@pytest.mark.parametrize("sorts", [False, True])
def test_pieces_between_loops_and_guards(sorts, size, inlined, addresses, huge):
    x = np.linspace(-0.5, 0.5, 70)
    i = np.arange(70)[::-1].copy()
    limits = {"size": size, "inlined": inlined, "addresses": addresses, "huge": huge, "sorts": sorts}
    run = in_pieces(scalars_and_loops, x, i, **limits)
    assert len(run.graph.guards) == 4
    assert any(isinstance(step, Nest) and step.shape for step in run.kernel.program.steps)


def test_a_piece_notes_an_index_out_of_range():
    x, i = np.linspace(-0.5, 0.5, 70), np.arange(70)
    run = in_pieces(scalars_and_loops, x, i, size=1)
    i[2] = 70
    assert run(x, i)[0] == compiled(scalars_and_loops, x, np.arange(70))(x, i)[0] != 0


def test_a_piece_reports_its_guards():
    def f(x):
        for _ in range(20):
            x = ops.sin(x) + 0.1
        return x if x > 0 else -x

    run = in_pieces(f, 0.5)
    assert run(0.5)[0] == 0
    assert run(np.nan)[0] == 1


def function_count(run):
    return len(re.findall(r"^define internal", run.llvm, re.MULTILINE))


def test_a_long_scalar_program_as_it_comes():
    def f(x):
        y = x
        for k in range(1200):
            y = ops.sin(y) * x + k * 1e-3
        return y

    # Every piece has numbers of its own.
    run = check(with_gradient(f), 0.3, rtol=1e-9)
    assert function_count(run) > 10


def test_a_long_program_of_loops_and_products_as_it_comes():
    def f(w, x):
        h = x
        for _ in range(60):
            h = ops.tanh(h @ w + x) * (1 + h[0])
        return ops.sum(h * h, axis=(0,), keepdims=False)

    w, x = np.cos(np.arange(1024.0)).reshape(32, 32) * 0.1, np.sin(np.arange(32.0))
    run = check(with_gradient(f, 2), w, x, rtol=1e-9)
    assert len(list(pieces(run.kernel.program.steps))) > 5
    # The steps of all iterations share the functions of their nests.
    assert function_count(run) < 30


def entries(steps):
    """The steps, those of shape () by their entries."""
    return [x for step in steps for x in (step.entries if isinstance(step, Nest) and step.shape == () else [step])]


def test_pieces_keep_the_steps_and_end_between_two_sizes():
    program = program_of(with_gradient(lambda x: np.sum(scalars_and_loops(x, np.arange(70))[2] ** 2)), np.ones(70))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outline, "SMALLEST", 20)
        patch.setattr(outline, "LARGEST", 50)
        cut = list(pieces(program.steps))
    assert [x for piece in cut for x in entries(piece)] == entries(program.steps)
    weights = [[weight(step) for step in piece] for piece in cut]
    assert len(cut) > 3
    assert all(20 <= sum(piece) < 50 + CALL for piece in weights[:-1])
    assert any(CALL in piece for piece in weights)


@pytest.mark.parametrize("period", [2, 4, 30, 333])
def test_a_long_loop_is_cut_alike_wherever_it_is(period):
    def f(x):
        for k in range(6000):
            x = ops.sin(x) if k % period else x * 0.5
        return x

    run = check(with_gradient(f), 0.3, rtol=1e-9)
    assert len(list(pieces(run.kernel.program.steps))) > 20
    assert function_count(run) < 20


def test_pieces_of_one_shape_that_read_different_memory():
    def f(x, w):
        kept = []
        for k in range(700):
            x = ops.sin(x * w[k % 7]) + 0.25
            kept.append(x)
        total = x
        for k in range(700):
            total = total * 0.5 + kept[(k * 311) % 700] * w[k % 7]
        return total

    run = check(with_gradient(f, 2), 0.3, np.linspace(0.5, 1.5, 7), rtol=1e-9)
    assert function_count(run) > 3


def converted(x, name):
    return ops.astype(x, dtype=np.dtype(name))


OPERATIONS = (
    lambda a, b: a * b,
    lambda a, b: ops.tanh(a + b),
    lambda a, b: ops.where(a > b, a, ops.sin(b)),
    lambda a, b: ops.clip(a, b - 1.0, b + 1.0),
    lambda a, b: converted(converted(a, "float32"), "float64") - b,
    lambda a, b: converted(a > b, "float64") + 1.5 * b,
    lambda a, b: a - 0.1 * converted(converted(8.0 * b, "int64"), "float64"),
)


def irregular(length):
    """A function of scalars of which no two stretches are alike, of several dtypes."""
    rng = np.random.default_rng(0)
    kinds, places = rng.integers(len(OPERATIONS), size=length), rng.random((length, 2))

    def function(x):
        made = [x[i] for i in range(4)]
        for kind, pair in zip(kinds, places, strict=True):
            made.append(OPERATIONS[kind](*[made[int(i * len(made))] for i in pair]))
        total = made[-1]
        for x in made[-30:-1]:
            total = total + ops.tanh(x)
        return total

    return function


def test_rows_in_another_order_keep_what_they_wait_for():
    steps = program_of(with_gradient(irregular(600), 1), np.linspace(0.1, 0.9, 4)).steps
    entries = entries_of([step for step in steps if is_plain([step])])
    ordered = in_runs(entries)
    place = {id(entry): i for i, entry in enumerate(ordered)}
    assert len(place) == len(entries) > 600
    made = {entry.equation.out: place[id(entry)] for entry in entries if not isinstance(entry, Store)}
    for entry in entries:
        assert all(made.get(x.atom, -1) < place[id(entry)] for x in entry.operands)
    stores = [isinstance(entry, Store) for entry in entries]
    reads = [any(isinstance(x.place, View) for x in entry.operands) for entry in entries]
    for i, j in combinations(range(len(entries)), 2):
        if (stores[i] and (stores[j] or reads[j])) or (reads[i] and stores[j]):
            assert place[id(entries[i])] < place[id(entries[j])]
    assert surprises(ordered) < surprises(entries)


def test_the_larger_a_program_the_less_is_compiled():
    assert most_compiled(NEARLY_HUGE, True) == most_compiled(10**6, False) == HUGE
    assert most_compiled(10**6, True) == HUGE // 3 < most_compiled(NEARLY_HUGE + 8_000, True) < HUGE


def test_pieces_that_are_alike_are_no_variety():
    steps = program_of(irregular(600), np.linspace(0.1, 0.9, 4)).steps
    cut = list(pieces(steps))
    whole = sum(weight(step) for step in steps)
    assert whole / 2 < variety(cut) <= whole
    assert variety([*cut, *cut]) == variety(cut)


def test_a_huge_program_is_interpreted_in_part():
    x = np.linspace(0.1, 0.9, 4)
    f = with_gradient(irregular(600), 1)
    values = [in_pieces(f, x, size=40, huge=huge, sorts=True) for huge in (-1, 300, 10**6)]
    interpreted, mixed, whole = (made.kernel.llvm for made in values)
    assert interpreted.count("switch i32") == mixed.count("switch i32") == 1
    assert "switch i32" not in whole
    assert len(interpreted) < len(mixed) < len(whole)
