"""NumPy: the workload's plain function on arrays, which gives its value alone."""

import numpy as np

from benchmarks.contestants import Run
from benchmarks.workloads import FUNCTIONS


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The function as it is."""
    return Run(FUNCTIONS[family], inputs, lambda value: (float(value), []))
