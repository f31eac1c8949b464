"""Recordings that are one but for the numbers of steps of their loops, of which each knows some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..calling.caller import Constant, Result
from ..recording.record import Captured, Recording
from .tracing import Trace


def is_same_but_for_steps(recording: Recording, result: Result, run: Trace) -> bool:
    """Whether a run has recorded what a recording says, and returned the like, with other numbers of steps perhaps."""
    other = run.recording
    if len(recording.captured) != len(other.captured) or not _same_result(result, run.result):
        return False
    counts = {id(x) for x in run.counts}
    pairs = [pair for pair in zip(recording.captured, other.captured, strict=True) if id(pair[1].source) not in counts]
    return all(_same_capture(x, y) for x, y in pairs) and str(recording.graph) == str(other.graph)


def widen(numbers: Sequence[Any], others: Sequence[Any]) -> None:
    """Adds numbers of steps to those that are known, in place: kernels read them at every call."""
    for x, y in zip(numbers, others, strict=True):
        np.maximum(x.data, y.data, out=x.data)


def _same_capture(x: Captured, y: Captured) -> bool:
    if x.source is y.source:
        return True
    if not (isinstance(x.source, np.ndarray) and isinstance(y.source, np.ndarray)) or x.order != y.order:
        return False
    return x.source.dtype == y.source.dtype and np.array_equal(x.source, y.source, equal_nan=x.source.dtype.kind == "f")


def _same_result(x: Result, y: Result) -> bool:
    if x._replace(leaves=(), gradients=()) != y._replace(leaves=(), gradients=()) or len(x.leaves) != len(y.leaves):
        return False
    gradients = zip(x.gradients, y.gradients, strict=False)
    same = len(x.gradients) == len(y.gradients) and all(a[0] is b[0] and a[1] == b[1] for a, b in gradients)
    return same and all(_same_leaf(a, b) for a, b in zip(x.leaves, y.leaves, strict=True))


def _same_leaf(x: int | Constant, y: int | Constant) -> bool:
    if not (isinstance(x, Constant) and isinstance(y, Constant)):
        return not isinstance(x, Constant) and x == y
    # As Python writes them: 1 is not 1.0, and NaN is NaN.
    return type(x.value) is type(y.value) and repr(x.value) == repr(y.value)
