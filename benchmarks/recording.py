"""`python -m benchmarks.recording`: what the first call of a compiled function takes before it compiles, an operation.

Long loops of Python run eagerly, then on the tape of a recording, then recorded as the first call does it, which finds
the loop in the tape. They alternate, and the least counts.
"""

import argparse
from collections.abc import Callable
from gc import disable, enable
from time import process_time
from typing import Any

import numpy as np

import autograd as ag
from autograd.tape import Tape, onto
from jit.dispatch.tracing import trace
from jit.signature import signature_of

STEPS, LAYERS = 2000, 100


def recurrence(x: Any) -> Any:
    """Two operations a step."""
    y = x
    for _ in range(STEPS):
        y = y * 0.999 + x
    return y


def network(x: Any, first: Any, second: Any) -> Any:
    """Layers of four operations."""
    for _ in range(LAYERS):
        x = np.maximum(np.tanh(x @ first) @ second, 0.0)
    return x


MATRICES = tuple(np.random.default_rng(0).normal(size=(3, 8, 8)) * 0.3)
# What is recorded, its arguments, and of how many operations it consists.
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "numbers": (recurrence, (1.5,), 2 * STEPS),
    "arrays of 3": (recurrence, (np.array([0.5, 1.0, 1.5]),), 2 * STEPS),
    "network, 8 x 8": (network, MATRICES, 4 * LAYERS),
}


def timed(call: Callable[[], Any]) -> float:
    """The seconds of the processor that a call takes, without the collection of garbage, as recordings are made."""
    disable()
    try:
        begun = process_time()
        call()
        return process_time() - begun
    finally:
        enable()


def costs(name: str, rounds: int) -> tuple[float, float, float]:
    """Seconds of an operation: eager, with gradients; on the tape of a recording; the whole recording."""
    function, args, operations = CASES[name]
    signature, values = signature_of(args, {})
    leaves = [ag.tensor(x, requires_grad=True) for x in args]

    def on_a_tape() -> Any:
        with onto(Tape(True)):
            return function(*leaves)

    forms = (lambda: function(*leaves), on_a_tape, lambda: trace(function, signature, values, False, 1))
    times = [[timed(form) / operations for form in forms] for _ in range(rounds)]
    eager, tape, whole = (min(column) for column in zip(*times, strict=True))
    return eager, tape, whole


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    print(f"{'us an operation':<18}{'eager':>9}{'on a tape':>11}{'with loops found':>18}")
    for name in CASES:
        eager, tape, whole = (1e6 * x for x in costs(name, rounds))
        print(f"{name:<18}{eager:>9.2f}{tape:>11.2f}{whole:>18.2f}", flush=True)


if __name__ == "__main__":
    main()
