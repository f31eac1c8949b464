"""Memory: buffers that are alive together lie apart, and the others share room."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import ops
from jit.emit import outline
from jit.emit.wiring import Layout
from jit.lowering import plan as plan_module
from jit.lowering.fuse import fuse
from jit.lowering.plan import ALIGNMENT, CALL, Plan, plan
from jit.lowering.program import Buffer, Nest, Program
from tests.graphs import check, graph_after, program_of, with_gradient
from tests.mixtures import mixtures
from tests.programs import programs

SQUARE = np.eye(64) * 0.5
BYTES = 64 * 64 * 8


def buffers_in(record) -> Iterator[Buffer]:
    """Every buffer anywhere inside a record."""
    if isinstance(record, Buffer):
        yield record
    elif isinstance(record, tuple):
        for part in record:
            yield from buffers_in(part)


def lives(program: Program) -> dict[Buffer, tuple[int, int]]:
    """The first and the last step that mention each work buffer; what is returned is used after the last step."""
    found: dict[Buffer, tuple[int, int]] = {}
    for i, record in enumerate([*program.steps, (program.guards, program.outputs)]):
        for buffer in buffers_in(record):
            if buffer.kind == "work":
                found[buffer] = (found.get(buffer, (i, i))[0], i)
    return found


def check_plan(program: Program, planned: Plan) -> None:
    """Each buffer is aligned and inside the workspace, and shares no byte with one alive at the same step."""
    places = []
    for buffer, (first, last) in lives(program).items():
        start = planned.offsets[buffer.number]
        end = start + buffer.size * buffer.dtype.itemsize
        assert start % ALIGNMENT == 0
        assert end <= (planned.size if planned.state is None else planned.state)
        places.append((start, end, first, last))
    for i, (start, end, first, last) in enumerate(places):
        for other_start, other_end, other_first, other_last in places[:i]:
            together = first <= other_last and other_first <= last
            assert not together or end <= other_start or other_end <= start


def size(f, *inputs) -> int:
    """The bytes of the workspace of a function."""
    program = program_of(f, *inputs)
    planned = plan(program)
    check_plan(program, planned)
    return planned.size


@settings(max_examples=80)
@given(programs(smooth=False, most_steps=12))
def test_random_programs(program):
    lowered = program_of(with_gradient(program, len(program.shapes)), *program.inputs())
    check_plan(lowered, plan(lowered))


@settings(max_examples=100)
@given(mixtures())
def test_random_mixtures(mixture):
    lowered = program_of(mixture, *mixture.inputs)
    check_plan(lowered, plan(lowered))


# ---- sizes ----


def test_a_fused_chain_needs_no_memory():
    assert size(lambda x: ops.sum(ops.exp(x) * x, axis=(0, 1), keepdims=False), SQUARE) == 0


def test_results_and_views_need_no_memory():
    assert size(lambda x: (x @ x, x.T @ x[::-1].T, ops.sum(x, axis=(0,), keepdims=False), x[1:]), SQUARE) == BYTES


def test_one_intermediate():
    assert size(lambda x: (x @ x) + 1, SQUARE) == BYTES


def chain(x, n):
    for _ in range(n):
        x = x @ x
    return x


@pytest.mark.parametrize("n", [3, 4, 10])
def test_a_chain_of_products_needs_two_buffers(n):
    assert size(lambda x: chain(x, n), SQUARE) == 2 * BYTES


def test_values_that_stay_alive_need_a_buffer_each():
    def f(x):
        powers = [x @ x]
        for _ in range(4):
            powers.append(powers[-1] @ x)
        total = powers[0]
        for power in powers[1:]:
            total = total + power
        return total

    assert size(f, SQUARE) == 5 * BYTES


def test_a_freed_gap_is_used_again():
    def f(x, v):
        first = (x @ x) @ (x @ x)
        return ops.sum(first @ v, axis=(0,), keepdims=False)

    # Two squares of x, their product, which a vector then takes; the vector's result fits where x @ x was.
    assert size(f, SQUARE, np.ones(64)) == 2 * BYTES


def test_sizes_are_rounded_up():
    assert size(lambda x: (x @ x.T) @ x, np.ones((3, 3))) == -(-9 * 8 // ALIGNMENT) * ALIGNMENT


def test_reused_memory_gives_right_results():
    random = np.random.default_rng(1)
    x = random.uniform(-0.2, 0.2, (40, 40))

    def f(x):
        for i in range(6):
            x = ops.tanh(x @ x.T + i) - ops.sum(x, axis=(1,), keepdims=True) / 40
        return x, ops.sum(x, axis=(0, 1), keepdims=False)

    run = check(f, x, rtol=1e-11)
    assert 0 < run.kernel.workspace < 6 * x.nbytes
    check(with_gradient(lambda x: f(x)[1]), x, rtol=1e-9)


# ---- long scalar programs ----


def products(x):
    """Many scalars from few, each read by a loop nest alone."""
    scalars = [x[i] for i in range(6)]
    total = x
    for i in range(6):
        for j in range(i):
            total = ops.sin(total) * (scalars[i] * scalars[j]) + (scalars[i] - scalars[j])
    return total


def test_a_short_program_has_no_state():
    assert plan(program_of(products, np.ones(6))).state is None


def test_the_state_of_a_long_program_has_room_for_every_scalar():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "LONG", 5)
        patch.setattr(outline, "SMALLEST", 5)
        patch.setattr(outline, "LARGEST", 10)
        ends: list[int] = []
        original = Layout.keep

        def keep(layout, x):
            original(layout, x)
            ends.append(layout.slot(x).offset + 8)

        patch.setattr(Layout, "keep", keep)
        graph = graph_after(products, np.linspace(0.5, 1.0, 6))
        program = fuse(graph)
        planned = plan(program)
        assert planned.state is not None
        assert planned.state % ALIGNMENT == 0
        check_plan(program, planned)
        check(products, np.linspace(0.5, 1.0, 6))
        assert len(set(ends)) > 15
        assert planned.state < min(ends)
        assert max(ends) <= planned.size


def test_what_makes_a_program_long():
    program = program_of(products, np.ones(6))
    entries = [len(step.entries) for step in program.steps if isinstance(step, Nest) and step.shape == ()]
    weight = sum(entries) + CALL * (len(program.steps) - len(entries))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "LONG", weight)
        assert plan(program).state is None
        patch.setattr(plan_module, "LONG", weight - 1)
        assert plan(program).state is not None


def first_fit(lives):
    """The definition: each buffer at the lowest place where none that is alive lies."""
    placed = []
    for buffer, first, last in lives:
        size = -(-max(buffer.size * buffer.dtype.itemsize, 1) // ALIGNMENT) * ALIGNMENT
        taken = sorted([(start, end) for start, end, _, until in placed if until >= first])
        places = [0, *[end for _, end in taken]]
        start = min(x for x in places if all(x + size <= start or x >= end for start, end in taken))
        placed.append((start, start + size, first, last))
    return [start for start, *_ in placed]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 6), st.integers(0, 40)), max_size=20))
def test_places_are_those_of_first_fit(drawn):
    found = sorted(drawn, key=lambda life: life[0])
    lives = [
        (Buffer(i, "work", 0, np.dtype(float), size), first, first + length)
        for i, (first, length, size) in enumerate(found)
    ]
    offsets, total = plan_module._first_fit(lives)
    assert [offsets[i] for i in range(len(lives))] == first_fit(lives)
    assert total == max([offsets[b.number] + -(-max(b.size * 8, 1) // 64) * 64 for b, *_ in lives], default=0)
