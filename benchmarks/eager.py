"""Our eager tape: `ag.value_and_grad` of the workload's plain function."""

from typing import Any

import numpy as np

import autograd as ag
from benchmarks.contestants import Gradients, Run
from benchmarks.workloads import FUNCTIONS


def collect(result: Any) -> tuple[float, Gradients]:
    """A result as plain numbers."""
    value, gradients = result
    return float(value), [np.asarray(g) for g in gradients]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload's value and gradient, arrays in and arrays out."""
    return Run(ag.value_and_grad(FUNCTIONS[family], argnums), inputs, collect)
