"""Our compiled kernels: `jit.value_and_grad` of the workload's plain function, that bound, and `jit.compile`."""

from typing import Any

import numpy as np

import jit
from benchmarks.contestants import Gradients, Run
from benchmarks.workloads import FUNCTIONS


def collect(result: Any) -> tuple[float, Gradients]:
    """A result as plain numbers."""
    value, gradients = result
    return float(value), [np.asarray(g) for g in gradients]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload `compiled`, arrays in and arrays out; with inputs and results `bound`; its `value` alone."""
    function = FUNCTIONS[family]
    if form == "value":
        return Run(jit.compile(function), inputs, lambda value: (float(value), []))
    value_and_grad = jit.value_and_grad(function, argnums)
    if form == "bound":
        return Run(value_and_grad.bind(*inputs), (), collect)
    return Run(value_and_grad, inputs, collect)
