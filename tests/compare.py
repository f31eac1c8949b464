"""A function of tensors against NumPy's: values, dtypes, gradients, layouts, and what a tape records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd as ag

STEP = 1e-6


def outputs(result: Any) -> list[Any]:
    """The results of a function that returns one array or several."""
    return list(result) if isinstance(result, list | tuple) else [result]


def same(actual: Any, expected: Any, rtol: float = 1e-12) -> None:
    """Same shape and dtype, and elements equal up to rounding."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    assert actual.dtype == expected.dtype, f"dtype {actual.dtype}, expected {expected.dtype}"
    tolerance = max(rtol, 8 * float(np.finfo(expected.dtype).eps)) if expected.dtype.kind == "f" else 0
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def agrees(
    function: Callable[..., Any],
    reference: Callable[..., Any],
    *arrays: Any,
    gradient: bool = True,
    replayed: bool = True,
) -> None:
    """Runs every check; `gradient` and `replayed` leave out those that a function has no part in."""
    arrays = tuple([np.asarray(x) for x in arrays])
    expected = outputs(reference(*arrays))
    plain = outputs(function(*arrays))
    assert not any(isinstance(x, ag.Tensor) for x in plain), "arrays went in, a tensor came out"
    for actual, wanted in zip(plain, expected, strict=True):
        same(actual, wanted)
    weights = weights_of(expected)
    gradients = [differences(reference, arrays, i, weights) if gradient else None for i in range(len(arrays))]
    for layout in (np.copy, by_columns, strided, backward):
        tensors = [ag.Tensor(layout(x), requires_grad=x.dtype.kind == "f") for x in arrays]
        found = outputs(function(*tensors))
        for actual, wanted in zip(found, expected, strict=True):
            assert isinstance(actual, ag.Tensor), "tensors went in, an array came out"
            same(actual.data, wanted)
        if gradient:
            check_gradients(tensors, found, weights, gradients)
    if replayed:
        check_replay(function, reference, arrays)


def by_columns(x: Any) -> Any:
    """The same array in Fortran's order."""
    return np.array(x, order="F")


def strided(x: Any) -> Any:
    """The same array, every second element of a larger one."""
    wide = np.repeat(np.atleast_1d(x), 2, axis=-1)
    return wide[..., ::2].reshape(x.shape) if x.ndim == 0 else wide[..., ::2]


def backward(x: Any) -> Any:
    """The same array with negative strides."""
    return np.flip(np.flip(x).copy()) if x.ndim else x


def weights_of(results: Sequence[Any]) -> list[Any]:
    """A cotangent for each result, the same in every run."""
    random = np.random.default_rng(7)
    return [random.uniform(0.5, 1.5, np.shape(y)) for y in results]


def check_gradients(
    tensors: Sequence[Any], found: Sequence[Any], weights: Sequence[Any], expected: Sequence[Any]
) -> None:
    """`backward(gradient)` of the results against the gradients that are expected."""
    for y, weight in zip(found, weights, strict=True):
        y.backward(weight, retain_graph=True)
    for x, g in zip(tensors, expected, strict=True):
        if x.requires_grad:
            assert x.grad.shape == x.shape
            np.testing.assert_allclose(x.grad.data, g, rtol=2e-6, atol=1e-7)


def differences(reference: Callable[..., Any], values: Sequence[Any], i: int, weights: Sequence[Any]) -> Any:
    """The gradient of the weighted sum of the reference's results, by central differences."""
    if values[i].dtype.kind != "f":
        return None
    out = np.zeros(values[i].shape)
    for position in np.ndindex(values[i].shape):
        sums = []
        for step in (STEP, -STEP):
            moved = [np.array(x) for x in values]
            moved[i][position] += step
            results = outputs(reference(*moved))
            sums.append(sum(float(np.sum(y * w)) for y, w in zip(results, weights, strict=True)))
        out[position] = (sums[0] - sums[1]) / (2 * STEP)
    return out


def check_replay(function: Callable[..., Any], reference: Callable[..., Any], arrays: Sequence[Any]) -> None:
    """What a tape records is the whole of the function: at new inputs it gives the new values."""
    tensors = [ag.Tensor(x) for x in arrays]
    with ag.record() as tape:
        found = outputs(function(*tensors))
    assert not tape.guards
    random = np.random.default_rng(11)
    others = [x if x.dtype.kind != "f" else x + random.uniform(0.01, 0.02, x.shape) for x in arrays]
    values = replay(tape, tensors, others)
    for y, wanted in zip(found, outputs(reference(*others)), strict=True):
        same(values[y.node or y] if isinstance(y, ag.Tensor) else y, wanted)


def replay(tape: Any, tensors: Sequence[Any], others: Sequence[Any]) -> dict[Any, Any]:
    """The values of all nodes when the tensors have other values."""
    values: dict[Any, Any] = dict(zip(tensors, others, strict=True))
    for node in tape.nodes:
        inputs = [values.get(parent, x) for parent, x in zip(node.parents, node.inputs, strict=True)]
        values[node] = node.primitive.eval(*inputs, **node.params)
    return values
