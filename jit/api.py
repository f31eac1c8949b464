"""The public functions: compile, value_and_grad, grad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import autograd as ag
from autograd import Tensor
from autograd.primitive import aval_of
from autograd.tape import Tape
from autograd.transforms import Argnums

from .compiled import Compiled, captured_values
from .passes import optimise
from .record import Recording, graph_of
from .replay import replay


def compile(
    function: Callable[..., Any] | Tape,
    inputs: Sequence[Tensor] | None = None,
    outputs: Sequence[Tensor] | Tensor | None = None,
) -> Compiled:
    """A function, or a recorded tape, as machine code that is called with new inputs.

    **Arguments:** `function`, a function of arrays or tensors and of nested tuples, lists and dicts of them, which it
    also returns; it is recorded by running it once for each new signature of shapes and dtypes. Or a tape of
    `ag.record()`, with the tensors that are its `inputs` and `outputs`.

    **Returns:** a function with the same arguments; arrays in, arrays out; tensors in, tensors out. The function of a
    tape takes one argument for each input and returns the output, or a tuple of several; its
    `value_and_grad(*inputs)` returns the first output and the gradients by all inputs.

    >>> import numpy as np
    >>> import jit
    >>> f = jit.compile(lambda x: np.sum(np.sin(x) ** 2))
    >>> round(float(f(np.array([1.0, 2.0]))), 6)
    1.534895
    """
    if isinstance(function, Tape):
        return CompiledTape(function, inputs, outputs)
    if not callable(function):
        raise TypeError(f"`jit.compile` needs a function or a tape of `ag.record()`, got {type(function).__name__}")
    return Compiled(_inner(function))


def value_and_grad(function: Callable[..., Any], argnums: Argnums = 0) -> Compiled:
    """A compiled function that returns the value of `function` and its gradient.

    **Arguments:** `function`, which returns one number; `argnums`, the position of the argument to differentiate, or
    several positions.

    >>> import numpy as np
    >>> import jit
    >>> value, g = jit.value_and_grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    >>> float(value), g
    (9.0, array([ 3., 12.]))
    """
    return Compiled(ag.value_and_grad(_inner(function), argnums))


def grad(function: Callable[..., Any], argnums: Argnums = 0) -> Compiled:
    """A compiled function that returns the gradient of `function`; it can be differentiated in turn.

    >>> import jit
    >>> float(jit.grad(jit.grad(lambda x: x**3))(2.0))
    12.0
    """
    return Compiled(ag.grad(_inner(function), argnums))


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """What to record of a function: of one that is compiled already, the function inside."""
    return function.function if type(function) is Compiled else function


class CompiledTape(Compiled):
    """A recorded tape as a function of new inputs."""

    def __init__(self, tape: Tape, inputs: Any, outputs: Any) -> None:
        if inputs is None or outputs is None:
            raise TypeError(
                "`jit.compile` of a tape needs `inputs` and `outputs`, the tensors that it was recorded with"
            )
        xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        recording = graph_of(tape, xs, ys)
        recording = recording._replace(graph=optimise(recording.graph))
        super().__init__(_Replayed(recording))
        self.value_and_grad = Compiled(ag.value_and_grad(self.function, tuple(range(len(xs)))))


class _Replayed:
    """A recording as a function of its inputs."""

    __name__ = "tape"

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def __call__(self, *inputs: Any) -> Any:
        graph, captured, places = self.recording
        if len(inputs) != len(graph.inputs):
            raise TypeError(f"this tape was recorded with {len(graph.inputs)} inputs, got {len(inputs)}")
        for i, (x, given) in enumerate(zip(graph.inputs, inputs, strict=True)):
            if aval_of(given) != x.aval:
                raise ValueError(
                    f"this tape was recorded for input {i} of {x.aval}, got {aval_of(given)}; compile the function itself "
                    "to serve other shapes"
                )
        outputs = replay(graph, [*inputs, *captured_values(captured)], places)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)
