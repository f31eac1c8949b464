"""`explain`: what became of a function, as text."""

import re

import numpy as np
import pytest

import autograd as ag
import jit

X = np.linspace(0.0, 1.0, 300).reshape(100, 3)
EXPECTED = """\
loss({'w': float64[3]}, float64[50,3] (converted for each call), kind='sum')
equations: 18 recorded, 15 after passes
steps:
  1  loop    3: sum, mul; loads input0, capture0; stores work0; reduces to 1 number
  2  scalars: greater, logical_not
  3  loop    50 x 3: mul (5 times), tanh, square, sum (2 times), sub; loads input1, work0; stores work1; \
reduces to 1 number
  4  loop    3: mul; loads work1, capture0; stores output1
memory:
  1392 bytes read and written
  128 bytes of workspace on the stack
  work0: float64, bytes 0 to 24, steps 1 to 3
  work1: float64, bytes 64 to 88, steps 3 to 4
guards: FILE:LINE
captured: capture0: array float64[3]
kernel: NAME, 1 recording of this function
time: recording TIME, passes TIME, lowering and LLVM TIME"""


def masked(text):
    """The text without what differs from run to run."""
    for pattern, name in ((r"k_[0-9a-f]{32}", "NAME"), (r"[\d.]+ ms", "TIME"), (r"/\S*\.py:\d+", "FILE:LINE")):
        text = re.sub(pattern, name, text)
    return text


def test_golden():
    scale = np.ones(3)

    def loss(p, x, *, kind):
        if p["w"].sum() > 3:
            return np.sum(p["w"])
        return np.sum(np.tanh(x * (p["w"] * scale)) ** 2)

    text = jit.value_and_grad(loss).explain({"w": np.zeros(3)}, X[::2], kind="sum")
    assert masked(text) == EXPECTED


@pytest.mark.parametrize(
    ("function", "args", "words"),
    [
        (
            lambda x: x * 2,
            (ag.tensor(X, requires_grad=True),),
            ["(a tensor that requires a gradient)", "100 x 3 as 300: mul"],
        ),
        (lambda x: x * 2, (X.T,), ["float64[3,100] (axes in the order (1, 0))"]),
        (lambda x, i: x[i].sum(0), (X, np.array([1, 5])), ["gather", "loads input1, input0"]),
        (
            lambda x, i: ag.grad(lambda x: x[i].sum())(x),
            (X, np.array([1, 5])),
            ["scatter_add", "fill    output0 with 0.0"],
        ),
        (lambda x: x @ x.T, (X,), ["matmul  input0[100,3] input0[3,100] transposed -> output0"]),
        (lambda x: x @ (x @ x) @ x, (np.eye(60),), ["bytes of workspace from a pool", "work1: float64, bytes"]),
        (
            lambda w, x: np.sum(np.exp(x @ w) @ x),
            (np.ones(5), np.ones((50_000, 5))),
            ["16 tasks over 50000 rows, ", "  | matmul  input1[50000,5] input0[5] -> work0"],
        ),
        (lambda x: x * x, (2.0,), ["<lambda>(float)", "scalars: mul", "equations: 1 recorded, 1 after passes"]),
        (lambda xs, t: xs[0] * t[0], ([1.5, X], (2,)), ["([float, float64[100,3]], (int))"]),
        (lambda x: x, (X,), ["copy; loads input0; stores output0"]),
    ],
)
def test_what_it_tells(function, args, words):
    text = jit.compile(function).explain(*args)
    for part in words:
        assert part in text
    assert "guards" not in text


def test_guards_and_recordings():
    f = jit.compile(lambda x: x * 2 if x.sum() > 0 else -x)
    f(X)
    text = f.explain(-X)
    assert re.search(r"guards: \S*test_jit_explain.py:\d+\n", text)
    assert "2 recordings of this function" in text
    assert text.index("logical_not") > 0


def test_steps_with_memory_of_their_own():
    text = jit.compile(lambda x: np.sort(x, axis=1)).explain(X)
    assert re.search(r"argsort input0\[100,3\] -> work\d", text)
