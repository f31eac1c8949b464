"""Graphs: how they print, what their keys tell apart, and what `verify` finds."""

import numpy as np
import pytest

from autograd import ops
from autograd.primitive import Aval
from jit.graph import Equation, Graph, GraphError, Literal, Var, verify
from tests.graphs import equation, graph_after, graph_before, variable, with_gradient

X = np.array([1.0, 2.0, 3.0])


def polynomial(x):
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def logistic_loss(w, x, y):
    return np.sum(np.logaddexp(0, -y * (x @ w)))


SCALE, SHIFT = np.array([2.0, 4.0, 8.0]), np.array(0.5)


def branching(x):
    return x * SCALE + SHIFT if np.sum(x) > 0 else x


# ---- printing ----


def test_polynomial():
    assert (
        str(graph_after(with_gradient(polynomial), 2.0))
        == """\
{ a:float64[]
  b:float64[] = square a
  c:float64[] = mul b a
  d:float64[] = mul 5.0:float64 c
  e:float64[] = mul 2.0:float64 b
  f:float64[] = add d e
  g:float64[] = mul 4.0:float64 a
  h:float64[] = add f g
  i:float64[] = add h 8.0:float64
  j:float64[] = mul 2.0:float64 a
  k:float64[] = mul 2.0:float64 j
  l:float64[] = add 4.0:float64 k
  m:float64[] = mul 3.0:float64 b
  n:float64[] = mul 5.0:float64 m
  o:float64[] = add l n
  in i, o }"""
    )


def test_logistic_regression():
    inputs = np.ones(5), np.ones((100, 5)), np.ones(100)
    assert (
        str(graph_after(with_gradient(logistic_loss), *inputs))
        == """\
{ a:float64[5], b:float64[100,5], c:float64[100]
  d:float64[100] = neg c
  e:float64[100] = matmul b a
  f:float64[100] = mul d e
  g:float64[100] = logaddexp 0.0:float64 f
  h:float64[] = sum[axis=(0,) keepdims=False] g
  i:float64[100] = sigmoid f
  j:float64[100] = mul i d
  k:float64[5] = matmul j b
  in h, k }"""
    )


def test_guards_and_captures():
    assert (
        str(graph_after(branching, X))
        == """\
{ a:float64[3]; b:float64[3], c:float64[]
  d:float64[] = sum[axis=(0,) keepdims=False] a
  e:bool[] = greater d 0.0:float64
  f:float64[3] = mul a b
  g:float64[3] = add f c
  guard e
  in g }"""
    )


def test_many_variables_have_names_of_their_own():
    x = variable()
    equations = []
    for _ in range(800):
        equations.append(equation(ops.neg, equations[-1].out if equations else x))
    graph = verify(Graph((x,), (), tuple(equations), (), (equations[-1].out,)))
    names = [line.split(":")[0].strip() for line in str(graph).splitlines()[1:-1]]
    assert names[24:27] == ["z", "ba", "bb"]
    assert len(set(names)) == 800


def test_params_and_literals():
    x = variable(3, dtype=np.float32)
    cast = equation(ops.astype, x, dtype=np.dtype(np.int32))
    total = equation(ops.add, cast.out, Literal.of(-7, np.int32))
    assert (
        str(Graph((x,), (), (cast, total), (), (total.out, Literal.of(0.1, np.float32))))
        == """\
{ a:float32[3]
  b:int32[3] = astype[dtype=int32] a
  c:int32[3] = add b -7:int32
  in c, 0.10000000149011612:float32 }"""
    )


# ---- keys ----


def times(value, dtype=np.float64):
    x = variable(3, dtype=dtype)
    product = equation(ops.mul, x, Literal.of(value, dtype))
    return Graph((x,), (), (product,), (), (product.out,))


def test_equal_structure_has_one_key():
    first, second = (graph_before(with_gradient(polynomial), x) for x in (2.0, 3.0))
    assert first.equations[0].out is not second.equations[0].out
    assert first.key == second.key


def test_nan_is_the_same_as_nan():
    assert times(np.nan).key == times(np.nan).key


DIFFERENT = {
    "0.0": times(0.0),
    "-0.0": times(-0.0),
    "1.0": times(1.0),
    "next": times(np.nextafter(1.0, 2.0)),
    "nan": times(np.nan),
    "inf": times(np.inf),
    "0.1": times(0.1),
    "single 0.1": times(0.1, np.float32),
    "integer": times(1, np.int64),
    "short integer": times(1, np.int32),
    "boolean": times(True, np.bool_),
    "axis 0": graph_before(lambda x: np.sum(x, 0), np.ones((2, 2))),
    "axis 1": graph_before(lambda x: np.sum(x, 1), np.ones((2, 2))),
    "keepdims": graph_before(lambda x: np.sum(x, 0, keepdims=True), np.ones((2, 2))),
    "x - y": graph_before(lambda x, y: x - y, X, X),
    "y - x": graph_before(lambda x, y: y - x, X, X),
    "x - x": graph_before(lambda x, y: x - x, X, X),
    "x - capture": graph_before(lambda x: x - SCALE, X),
    "both": graph_before(lambda x, y: (x, y), X, X),
    "first": graph_before(lambda x, y: x, X, X),
    "second": graph_before(lambda x, y: y, X, X),
    "other shape": graph_before(lambda x, y: x, X, np.ones(4)),
}


def test_different_graphs_have_different_keys():
    assert len({graph.key for graph in DIFFERENT.values()}) == len(DIFFERENT)


def test_an_input_and_a_capture_are_not_the_same():
    x = variable(3)
    double = equation(ops.add, x, x)
    assert Graph((x,), (), (double,), (), (double.out,)).key != Graph((), (x,), (double,), (), (double.out,)).key


def test_a_guard_is_part_of_the_key():
    x = variable()
    positive = equation(ops.greater, x, Literal.of(0.0, np.float64))
    graphs = [Graph((x,), (), (positive,), guards, (x,)) for guards in ((), (positive.out,), (positive.out,) * 2)]
    assert len({graph.key for graph in graphs}) == 3


# ---- verify ----


def broken(**changes):
    x, y = variable(3), variable(3)
    double, total = equation(ops.add, x, x), equation(ops.mul, x, y)
    return Graph((x, y), (), (double, total), (), (double.out, total.out))._replace(**changes)


def test_a_sound_graph_comes_back_itself():
    graph = broken()
    assert verify(graph) is graph


def test_a_use_before_the_definition():
    graph = broken()
    first = graph.equations[0]
    later = equation(ops.neg, first.out)
    with pytest.raises(GraphError, match=r"`neg` reads v\d+ before its definition"):
        verify(graph._replace(equations=(later, first)))


def test_a_use_of_its_own_result():
    out = variable(3)
    with pytest.raises(GraphError, match=r"`neg` reads v\d+ before its definition"):
        verify(broken(equations=(Equation(ops.neg, (out,), (), out),)))


def test_two_definitions():
    graph = broken()
    with pytest.raises(GraphError, match=r"`add` defines v\d+ a second time"):
        verify(graph._replace(equations=(graph.equations[0],) * 2))


def test_a_definition_of_an_input():
    graph = broken()
    x, y = graph.inputs
    with pytest.raises(GraphError, match=r"`neg` defines v\d+ a second time"):
        verify(graph._replace(equations=(Equation(ops.neg, (x,), (), y),)))


def test_an_input_that_is_a_capture_too():
    graph = broken()
    with pytest.raises(GraphError, match=r"the input v\d+ stands twice"):
        verify(graph._replace(captures=graph.inputs[:1]))


@pytest.mark.parametrize(
    ("aval", "said"),
    [
        (Aval((4,), np.dtype(np.float64)), r"`neg` gives float64\[3\], its variable says float64\[4\]"),
        (Aval((3,), np.dtype(np.float32)), r"`neg` gives float64\[3\], its variable says float32\[3\]"),
    ],
)
def test_a_wrong_aval(aval, said):
    graph = broken()
    with pytest.raises(GraphError, match=said):
        verify(graph._replace(equations=(Equation(ops.neg, graph.inputs[:1], (), Var(aval)),), outputs=()))


@pytest.mark.parametrize("where", ["outputs", "guards"])
def test_an_undefined_result(where):
    with pytest.raises(GraphError, match=r"the result v\d+ is never defined"):
        verify(broken(**{where: (variable(),)}))


def test_the_message_shows_the_graph():
    with pytest.raises(GraphError, match=r"\{ a:float64\[3\], b:float64\[3\]\n  c:float64\[3\] = add a a"):
        verify(broken(outputs=(variable(),)))
