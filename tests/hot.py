"""Gradients of eager code by hot tapes beside those of interpreted sweeps."""

import numpy as np

import autograd as ag
import jit

TOLERANCE = 1e-11


def leaf(x):
    return ag.tensor(x, requires_grad=True)


def gradients(loss, leaves):
    """What `backward()` leaves in `.grad`, `None` for a leaf that nothing depends on."""
    for x in leaves:
        x.grad = None
    loss().backward()
    return [None if x.grad is None else x.grad.data for x in leaves]


def agree(ours, theirs, tolerance=TOLERANCE):
    for g, expected in zip(ours, theirs, strict=True):
        assert (g is None) == (expected is None)
        if g is not None:
            assert (np.shape(g), g.dtype) == (np.shape(expected), expected.dtype)
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
            np.testing.assert_allclose(g, expected, rtol=tolerance, atol=tolerance * size)


def check(loss, leaves, tolerance=TOLERANCE):
    """The gradients as they are now, by a hot tape if there is one, are those of the interpreted sweep."""
    ours = gradients(loss, leaves)
    with jit.disable_hot_tapes():
        agree(ours, gradients(loss, leaves), tolerance)


def hits():
    return jit.hot_tapes_info().hits
