"""Every primitive can be compiled, and each knows one way only."""

import pytest

import jit
from autograd import ops, stop_gradient
from autograd.custom import custom_call
from autograd.function import function_call, function_output
from autograd.lengths import length
from autograd.primitive import PRIMITIVES, Aval, Primitive
from autograd.rerun import rerun_call, rerun_output
from jit.calling.outer import compiled_call, compiled_output
from jit.emit.calls import CALLS
from jit.emit.scalar import SCALAR
from jit.fourier import TRANSFORMS
from jit.loop import SHARED, loop_call, loop_output
from jit.lowering import fuse
from jit.lowering.lapack import LAPACK
from jit.lowering.parts import PARTS
from jit.lowering.views import VIEWS
from jit.passes.factors import RULES as FACTORED

#: Nodes of tapes: a compiled call, whose function is recorded instead; a loop, whose results are equations; and what
#: stands for a call of an `ag.Function`, which is gone once its gradient has been taken.
ON_TAPES = {compiled_call, compiled_output, loop_call, loop_output, function_call, function_output}
#: Loops that Python runs, which compiled ones never are.
ON_TAPES |= {rerun_call, rerun_output}
WAYS = [
    set(SCALAR),
    set(VIEWS),
    set(fuse.REDUCTIONS),
    set(fuse.CALLS),
    set(fuse.MOVES),
    set(PARTS),
    set(SHARED),
    {custom_call},
    # A number that the kernel computes from the shapes of its arguments.
    {length},
    set(LAPACK),
    # A pass has others in their place.
    set(FACTORED),
    {*TRANSFORMS, ops.eig},
    # What turns the sign of an imaginary part.
    {ops.conj},
]


def test_every_primitive_has_a_lowering():
    assert set(PRIMITIVES.values()) - set().union(*WAYS) == ON_TAPES


def test_no_primitive_has_two_lowerings():
    assert sum(map(len, WAYS)) == len(set().union(*WAYS))


def test_elementwise_primitives_are_those_with_a_row():
    assert set(SCALAR) == {p for p in PRIMITIVES.values() if p.elementwise}


def test_every_call_has_an_emitter():
    assert set(CALLS) == set(fuse.CALLS)


def test_a_primitive_without_a_lowering_is_an_error_that_names_it():
    nameless = Primitive("unlowered", eval=lambda x: x, aval=lambda x: Aval(x.shape, x.dtype))
    try:
        with pytest.raises(NotImplementedError, match="`unlowered` has no lowering, so it cannot be compiled"):
            jit.compile(nameless)(ops.add(1.0, 2.0))
    finally:
        del PRIMITIVES["unlowered"]


def test_stop_gradient_is_lowered_to_nothing():
    graph = jit.compile(lambda x: stop_gradient(x) * 2.0).graph(1.0)
    assert [e.primitive.name for e in graph.equations] == ["mul"]
