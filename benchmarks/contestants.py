"""Who takes part: each contestant's module and form, and the records that the modules return."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Gradients = list[np.ndarray]


@dataclass(frozen=True)
class Run:
    """A workload ready to be timed: `function(*arguments)` evaluates value and gradient completely."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    collect: Callable[[Any], tuple[float, Gradients]]


@dataclass(frozen=True)
class Contestant:
    """One column of the table; `module.build(form, family, inputs, argnums)` makes its `Run`, or None."""

    name: str
    title: str
    module: str
    form: str
    packages: tuple[str, ...]
    kind: str


OURS, WRITTEN, PEER = "ours", "written", "peer"

# fmt: off
CONTESTANTS = (
    Contestant("compiled",      "ours, compiled",  "benchmarks.ours",               "compiled", ("numba", "llvmlite"), OURS),
    Contestant("eager",         "ours, eager",     "benchmarks.ours",               "eager",    ("numpy", "scipy"),    OURS),
    Contestant("numba",         "Numba by hand",   "benchmarks.written",            "numba",    ("numba",),            WRITTEN),
    Contestant("jax",           "JAX",             "benchmarks.peers.jax_form",     "jit",      ("jax", "jaxlib"),     PEER),
    Contestant("torch",         "PyTorch",         "benchmarks.peers.torch_form",   "eager",    ("torch",),            PEER),
    Contestant("torch-compile", "torch.compile",   "benchmarks.peers.torch_form",   "compile",  ("torch",),            PEER),
    Contestant("pytensor",      "PyTensor",        "benchmarks.peers.pytensor_form", "numba",   ("pytensor", "numba"), PEER),
    Contestant("casadi",        "CasADi",          "benchmarks.peers.casadi_form",  "function", ("casadi",),           PEER),
    Contestant("hips",          "HIPS autograd",   "benchmarks.peers.hips_form",    "eager",    ("autograd",),         PEER),
)
# fmt: on

BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
