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
    kind: str
    module: str
    form: str
    package: str


#: `VALUE` marks what computes no gradient, to be compared with what does.
OURS, VALUE, WRITTEN, PEER = "ours", "value", "written", "peer"

PEERS = "benchmarks.peers."

# fmt: off
CONTESTANTS = (
    Contestant("compiled",      "ours, compiled", OURS,    "benchmarks.compiled",   "compiled", "numba"),
    Contestant("bound",         "ours, bound",    OURS,    "benchmarks.compiled",   "bound",    "numba"),
    Contestant("value",         "ours, value alone", VALUE, "benchmarks.compiled",  "value",    "numba"),
    Contestant("eager",         "ours, eager",    OURS,    "benchmarks.eager",      "eager",    "numpy"),
    Contestant("numba",         "Numba by hand",  WRITTEN, "benchmarks.handwritten", "serial",  "numba"),
    Contestant("numba-threads", "Numba, threads", WRITTEN, "benchmarks.handwritten", "threads", "numba"),
    Contestant("jax",           "JAX",            PEER,    PEERS + "jax_form",      "jit",      "jax"),
    Contestant("torch",         "PyTorch",        PEER,    PEERS + "torch_form",    "eager",    "torch"),
    Contestant("torch-compile", "torch.compile",  PEER,    PEERS + "torch_form",    "compile",  "torch"),
    Contestant("pytensor",      "PyTensor",       PEER,    PEERS + "pytensor_form", "numba",    "pytensor"),
    Contestant("casadi",        "CasADi",         PEER,    PEERS + "casadi_form",   "plain",    "casadi"),
    Contestant("casadi-buffer", "CasADi buffers", PEER,    PEERS + "casadi_form",   "buffer",   "casadi"),
    Contestant("hips",          "HIPS autograd",  PEER,    PEERS + "hips_form",     "eager",    "autograd"),
)
# fmt: on

BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
