"""Values and gradients derived and written by hand as Numba kernels: what a patient expert would write.

A call is what its user would write: the inputs in, the value and fresh arrays out; memory between is the caller's,
allocated once, where there is much of it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contestants import Gradients, Run

from .heat import heat, heat_threads
from .heat import memory as heat_memory
from .kalman import kalman, kalman_memory
from .networks import mlp, mlp_memory, rnn, rnn_memory
from .options import black_scholes, black_scholes_threads
from .recurrences import hmm, hmm_memory, lstm, lstm_memory, nbody, nbody_memory
from .regression import logistic, logistic_threads
from .scalars import lorenz, polynomial, rosenbrock, rosenbrock_threads, square

Made = tuple[Callable[..., Any], tuple[np.ndarray, ...]]

#: By family: what makes the kernel and its memory from the inputs.
SERIAL: dict[str, Callable[..., Made]] = {
    "square": lambda x: (square, ()),
    "polynomial": lambda x: (polynomial, ()),
    "rosenbrock": lambda x: (rosenbrock, ()),
    "logistic": lambda *inputs: (logistic, ()),
    "mlp": lambda w1, b1, w2, b2, x, one_hot: (mlp(x.dtype), mlp_memory(x, b1.size, b2.size)),
    "black_scholes": lambda *inputs: (black_scholes, ()),
    "rnn": lambda w_in, w, bias, readout, x, target: (rnn(bias.size), rnn_memory(len(x), bias.size)),
    "lorenz": lambda *inputs: (lorenz, ()),
    "heat": lambda initial, rates, target: (heat, heat_memory(initial)),
    "kalman": lambda f, h, q, r, measurements: (kalman, kalman_memory(len(measurements))),
    "hmm": lambda initial, transition, emission: (hmm(initial.size), hmm_memory(*emission.shape)),
    "nbody": lambda position, velocity, mass: (nbody, nbody_memory(mass.size)),
    "lstm": lambda w_in, w, bias, readout, x, target: (lstm(len(w)), lstm_memory(len(x), len(w))),
}
#: With `prange`, where it can pay. The networks' threads are those of BLAS, in the other form too.
THREADS: dict[str, Callable[..., Made]] = {
    "square": lambda x: (square, ()),
    "rosenbrock": lambda x: (rosenbrock_threads, ()),
    "logistic": lambda *inputs: (logistic_threads, ()),
    "black_scholes": lambda *inputs: (black_scholes_threads, ()),
    "heat": lambda initial, rates, target: (heat_threads, heat_memory(initial)),
}
FORMS = {"serial": SERIAL, "threads": THREADS}
#: Numbers among the inputs below which nobody would start threads.
LARGE = 20_000


def collect(result: Any) -> tuple[float, Gradients]:
    """A result as plain numbers."""
    value, *gradients = result
    return float(value), [np.asarray(g) for g in gradients]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The kernel for a workload, `serial` or with `threads`; None where none was written."""
    if family not in FORMS[form]:
        return None
    if form == "threads" and family != "square" and sum(np.size(x) for x in inputs) < LARGE:
        return None
    function, memory = FORMS[form][family](*inputs)
    return Run(function, (*inputs, *memory), collect)
