"""Convolutions and pooling: values and gradients against plain loops, compiled as eager, what is refused."""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd as ag
import jit
from autograd.gradcheck import gradcheck, gradgradcheck
from tests import checks
from tests.checks import DIFFERENCES


class Sample(NamedTuple):
    """A call of one of the functions, by its name, and what that makes of the arrays in plain loops."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    options: dict[str, Any]


SAMPLES = [
    Sample("conv1d", ((2, 3, 7), (4, 3, 3)), {}),
    Sample("conv1d", ((2, 3, 7), (4, 3, 3), (4,)), {"stride": 2, "padding": 1}),
    Sample("conv1d", ((3, 6), (2, 3, 2)), {"stride": 2}),
    Sample("conv1d", ((1, 1, 5), (1, 1, 1)), {"stride": 3}),
    Sample("conv2d", ((2, 2, 5, 6), (3, 2, 3, 2), (3,)), {}),
    Sample("conv2d", ((2, 2, 5, 6), (3, 2, 3, 2)), {"stride": (2, 1), "padding": (1, 2)}),
    Sample("conv2d", ((2, 4, 4), (1, 2, 4, 4)), {}),
    Sample("conv2d", ((0, 2, 4, 4), (1, 2, 2, 2)), {}),
    Sample("max_pool1d", ((2, 3, 7),), {"kernel_size": 2}),
    Sample("max_pool1d", ((3, 7),), {"kernel_size": 3, "stride": 2, "padding": 1}),
    Sample("max_pool2d", ((2, 2, 5, 6),), {"kernel_size": 2}),
    Sample("max_pool2d", ((2, 5, 6),), {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}),
    Sample("avg_pool1d", ((2, 3, 7),), {"kernel_size": 3}),
    Sample("avg_pool1d", ((2, 3, 7),), {"kernel_size": 2, "stride": 3, "padding": 1}),
    Sample("avg_pool2d", ((2, 2, 5, 6),), {"kernel_size": (2, 3)}),
    Sample("avg_pool2d", ((2, 5, 6),), {"kernel_size": 3, "stride": 1, "padding": 1}),
]
EVERY = pytest.mark.parametrize("sample", SAMPLES, ids=lambda x: f"{x.name}{x.shapes}{x.options}".replace(" ", ""))


def arrays(sample, dtype=np.float64):
    found = []
    for shape in sample.shapes:
        size = int(np.prod(shape))
        # Far enough from each other for finite differences to keep their order.
        steps = np.random.default_rng(size).permutation(size)
        found.append(((steps - size / 2) / max(size / 4, 1)).astype(dtype).reshape(shape))
    return found


def call(sample):
    return lambda *xs: getattr(ag, sample.name)(*xs, **sample.options)


def by_loops(sample, x, weight=None, bias=None):
    """What the function computes, window by window."""
    rank = int(sample.name[-2])
    options = {name: (n,) * rank if isinstance(n, int) else n for name, n in sample.options.items()}
    sizes = options.get("kernel_size") or weight.shape[2:]
    strides = options.get("stride") or (sizes if "pool" in sample.name else (1,) * rank)
    paddings = options.get("padding") or (0,) * rank
    batch = x if x.ndim == rank + 2 else x[None]
    beside = -np.inf if "max" in sample.name else 0
    batch = np.pad(batch, [(0, 0), (0, 0), *[(n, n) for n in paddings]], constant_values=beside)
    places = [(n - size) // step + 1 for n, size, step in zip(batch.shape[2:], sizes, strides, strict=True)]
    filters = batch.shape[1] if weight is None else weight.shape[0]
    out = np.empty((batch.shape[0], filters, *places), x.dtype)
    for at in product(*map(range, places)):
        window = (..., *[slice(i * s, i * s + n) for i, s, n in zip(at, strides, sizes, strict=True)])
        axes = tuple(range(-rank, 0))
        if weight is not None:
            value = (batch[window][:, None] * weight).sum((2, *range(3, 3 + rank)))
        else:
            value = batch[window].max(axes) if "max" in sample.name else batch[window].mean(axes)
        out[(slice(None), slice(None), *at)] = value
    if bias is not None:
        out += bias.reshape(-1, *(1,) * rank)
    return out if x.ndim == rank + 2 else out[0]


@EVERY
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values(sample, dtype):
    xs = arrays(sample, dtype)
    checks.close(call(sample)(*xs), by_loops(sample, *xs), ulps=64)
    out = call(sample)(*[ag.tensor(x) for x in xs])
    checks.close(out.numpy(), by_loops(sample, *xs), ulps=64)


@EVERY
def test_gradients(sample):
    gradcheck(call(sample), tuple(arrays(sample)), **DIFFERENCES)
    gradgradcheck(call(sample), tuple(arrays(sample)), **DIFFERENCES)


@EVERY
def test_compiled(sample):
    f = call(sample)

    def value_and_gradients(*xs):
        by = tuple(range(len(xs)))
        return (f(*xs), *ag.grad(lambda *ys: ag.sum(ag.square(f(*ys))), by)(*xs))

    kernel = jit.compile(value_and_gradients)
    xs = arrays(sample)
    for ours, eager in zip(kernel(*xs), value_and_gradients(*xs), strict=True):
        checks.close(ours, np.asarray(eager), ulps=512)


def test_float32_compiled():
    sample = SAMPLES[5]
    xs = arrays(sample, np.float32)
    checks.close(jit.compile(call(sample))(*xs), call(sample)(*xs), ulps=64)


def test_elements_that_tie_share_the_gradient():
    g = ag.grad(lambda x: ag.sum(ag.max_pool1d(x, 2)))(np.array([[1.0, 1.0, 2.0, 0.0]]))
    assert g.tolist() == [[0.5, 0.5, 1, 0]]


X, W = np.zeros((2, 3, 5)), np.zeros((4, 3, 2))


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda: ag.conv1d(X[0, 0], W), r"`conv1d` needs an array of 2 or 3 axes, got shape \(5,\)"),
        (lambda: ag.conv1d(X, W[:, :2]), r"`conv1d` needs a weight of shape \(filters, 3 channels, size\)"),
        (lambda: ag.conv2d(X, W), r"`conv2d` needs a weight of shape \(filters, 2 channels, size, size\)"),
        (lambda: ag.conv1d(X, np.zeros((4, 3, 6))), r"`conv1d` needs windows that fit into the array, got \(6,\)"),
        (lambda: ag.conv1d(X, W, stride=0), "`conv1d` needs one `stride` or 1, 1 at least"),
        (lambda: ag.conv1d(X, W, padding=-1), "`conv1d` needs one `padding` or 1, 1 at least"),
        (lambda: ag.conv2d(X, W[..., None], stride=(1, 2, 3)), "`conv2d` needs a weight"),
        (lambda: ag.avg_pool2d(X, (1, 2, 3)), "`avg_pool2d` needs one `kernel_size` or 2, 1 at least"),
        (lambda: ag.max_pool1d(X, 2, padding=2), r"`max_pool1d` needs a padding of half of the window at most"),
    ],
)
def test_errors(f, words):
    with pytest.raises(ValueError, match=words):
        f()
