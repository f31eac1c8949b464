"""Kernels that take all their arguments in one tuple."""

import numpy as np
import pytest

from autograd import ops
from autograd.primitive import Aval
from jit.graph import Equation, Graph, Literal, Var, verify
from jit.kernels.kernel import Kernel, build, name_of, restored, saved

FLOAT = np.dtype(np.float64)


def kernel(graph: Graph, cached: bool) -> Kernel:
    made = build(verify(graph), name_of(graph))
    return restored(graph, made.name, saved(made)) if cached else made


def sum_of(avals: list[Aval]) -> Graph:
    """The graph that adds up all its inputs, as numbers in float64."""
    inputs, equations = tuple([Var(aval) for aval in avals]), []
    total = Literal.of(0.0, FLOAT)
    for x in inputs:
        cast = Equation(ops.astype, (x,), (("dtype", FLOAT),), Var(Aval(x.aval.shape, FLOAT)))
        added = Equation(ops.add, (total, cast.out), (), Var(Aval((), FLOAT)))
        equations += [cast, added]
        total = added.out
    return Graph(inputs, (), tuple(equations), (), (total,), together=True)


@pytest.mark.parametrize("cached", [False, True])
def test_numbers_of_every_dtype_as_scalars_and_as_arrays(cached):
    dtypes = [np.dtype(x) for x in "?bhilBHILfd"]
    made = kernel(sum_of([Aval((), dtype) for dtype in dtypes]), cached)
    numbers = [dtype.type(i + 1) for i, dtype in enumerate(dtypes)]
    expected = float(sum(map(float, numbers)))
    assert made.entry(tuple(numbers)) == (0, expected)
    assert made.entry(tuple(map(np.asarray, numbers))) == (0, expected)
    assert made.entry((*numbers[:-1], float(numbers[-1]))) == (0, expected)
    for i, x in enumerate(numbers):
        for other in (None, "x", 1, 1j, np.longdouble(1), np.ones(1, x.dtype), *[y for y in numbers if y is not x]):
            with pytest.raises(TypeError, match="this kernel takes other arrays and numbers"):
                made.entry((*numbers[:i], other, *numbers[i + 1 :]))


@pytest.mark.parametrize("cached", [False, True])
def test_arrays(cached):
    x, s = Var(Aval((2, 3), FLOAT)), Var(Aval((), FLOAT))
    product = Equation(ops.mul, (x, s), (), Var(x.aval))
    made = kernel(Graph((x, s), (), (product,), (), (product.out,), together=True), cached)
    data, out = np.arange(6.0).reshape(2, 3), np.empty((2, 3))
    data.flags.writeable = False
    assert made.entry((data, 2.0, out)) == (0,)
    np.testing.assert_array_equal(out, 2 * data)
    swapped, single = data.astype(">f8"), data.astype(np.float32)
    unaligned = np.frombuffer(bytearray(8 * 6 + 1), np.uint8)[1:].view(FLOAT).reshape(2, 3)
    for other in (
        data.T,
        data.ravel(),
        data[:1],
        np.empty((3, 2)),
        data[:, ::-1],
        swapped,
        single,
        unaligned,
        2.0,
        None,
    ):
        with pytest.raises(TypeError, match="this kernel takes other"):
            made.entry((other, 2.0, out))
        with pytest.raises(TypeError, match="this kernel takes other"):
            made.entry((data, 2.0, other))
    with pytest.raises(TypeError, match="this kernel takes other"):
        made.entry((data, 2.0, data))  # read-only
    for other in ((), (data, 2.0), (data, 2.0, out, out), [data, 2.0, out], None, data):
        with pytest.raises(TypeError, match="this kernel takes other"):
            made.entry(other)


def test_the_name_of_a_kernel_says_how_it_is_called():
    graph = sum_of([Aval((), FLOAT)])
    assert graph.key != graph._replace(together=False).key


def test_many_arguments_and_none():
    made = kernel(sum_of([Aval((), FLOAT)] * 3000), False)
    work = np.empty(made.workspace, np.uint8)
    assert made.entry((*np.arange(3000.0), work)) == (0, 3000 * 2999 / 2)
    assert kernel(sum_of([]), False).entry(()) == (0, 0.0)
