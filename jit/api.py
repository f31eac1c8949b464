"""The public functions: compile, value_and_grad, grad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import autograd as ag
from autograd import Tensor, ops
from autograd.closed import source_of
from autograd.primitive import Aval, aval_of
from autograd.tape import Tape
from autograd.transforms import Argnums
from autograd.weak import Weak

from .dispatch.compiled import Compiled
from .dispatch.recordings import Options
from .recording.record import Recording, graph_of
from .recording.replay import permuted, replay


def compile(
    function: Callable[..., Any] | Tape,
    inputs: Sequence[Tensor] | Tensor | None = None,
    outputs: Sequence[Tensor] | Tensor | None = None,
    **options: Unpack[Options],
) -> Compiled:
    """A function, or a recorded tape, as machine code that is called with new inputs.

    **Arguments:** `function`, a function of arrays or tensors and of nested tuples, lists and dicts of them, which it
    also returns; it is recorded by running it once for each new signature of shapes and dtypes. Or a tape of
    `ag.record()`, with the tensors that are its `inputs` and `outputs`. The options are

    - `threads`, the most that large loops use, as many as `jit.get_num_threads()` says for `None`; results do not
      depend on it;
    - `max_variants`, 16: past so many recordings of one signature a warning names the line and the values that ask for
      them, and again at each doubling;
    - `strict`, whether to raise instead of recording a function anew because a value has changed that Python looked at,
      or one from outside;
    - `verify`, true: the second call runs the function once more, and raises if it does not depend on its arguments
      alone;
    - `dynamic`, for parameters by their names the axes, `{"X": (0,)}`, of which one kernel serves all lengths from 2
      on; those that have one length in the first call are taken to have one in all. Without it the axes are found by
      themselves, at the second length, where that can be; with `{}` each length has a kernel of its own.

    **Returns:** a function with the same arguments; numbers in, numbers out; arrays in, arrays out; tensors in, tensors
    out, also where a captured tensor requires a gradient. The function of a tape takes one argument for each input and
    returns the output, or a tuple of several; its `value_and_grad(*inputs)` returns the (first) output and a tuple of
    gradients, one for each input. A call with `out=` writes results into given arrays, and `bind` fixes the arguments:
    see `Compiled`.

    **Errors:** `TypeError` for what is no function, `ValueError` for tensors that the tape does not know, for a number
    of threads or variants below 1, and for a parameter in `dynamic` that the function does not have. A call raises
    `RuntimeError` where `strict` or `verify` says so, and `ValueError` where the function needs the very length of an
    axis that is marked, as `len(x)` and `range(x.shape[0])` do.

    >>> import numpy as np
    >>> import jit
    >>> f = jit.compile(lambda x: np.sum(np.sin(x) ** 2))
    >>> round(float(f(np.array([1.0, 2.0]))), 6)
    1.534895
    """
    if isinstance(function, Tape):
        if options.get("dynamic") is not None:
            raise TypeError("`jit.compile` takes `dynamic` with a function; a tape is recorded for its shapes alone")
        return CompiledTape(function, inputs, outputs, options)
    if not callable(function):
        raise TypeError(f"`jit.compile` needs a function or a tape of `ag.record()`, got {type(function).__name__}")
    if inputs is not None or outputs is not None:
        raise TypeError("`jit.compile` takes `inputs` and `outputs` with a tape of `ag.record()`, not with a function")
    return Compiled(function, **options)


def value_and_grad(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the value of `function` and its gradient.

    **Arguments:** `function`, which returns one number; `argnums`, the position of the argument to differentiate, or
    several positions; `options`, as for `compile`.

    >>> import numpy as np
    >>> import jit
    >>> value, g = jit.value_and_grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    >>> float(value), g
    (9.0, array([ 3., 12.]))
    """
    return Compiled(ag.value_and_grad(function, argnums), functional=True, **options)


def grad(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function that returns the gradient of `function`; it can be differentiated in turn.

    **Arguments:** as for `value_and_grad`.

    >>> import jit
    >>> float(jit.grad(jit.grad(lambda x: x**3))(2.0))
    12.0
    """
    return Compiled(ag.grad(function, argnums), functional=True, **options)


class CompiledTape(Compiled):
    """A recorded tape as a function of new inputs."""

    def __init__(self, tape: Tape, inputs: Any, outputs: Any, options: Options) -> None:
        xs, ys = _tensors("inputs", inputs), _tensors("outputs", outputs)
        made = {id(node) for node in tape.nodes}
        _check_known("input", xs, "read", made | {id(source_of(x)) for node in tape.nodes for x in node.parents})
        _check_known("output", ys, "made", made | {id(source_of(x)) for x in xs})
        recording = graph_of(tape, xs, ys)
        differentiable = [y.requires_grad for y in ys]
        super().__init__(_Replayed(recording, differentiable), **options)
        first = recording.graph._replace(outputs=recording.graph.outputs[:1])
        replayed = _Replayed(recording._replace(graph=first), differentiable[:1])
        self.value_and_grad = value_and_grad(replayed, tuple(range(len(xs))), **options)


class _Replayed:
    """A recording as a function of its inputs.

    `differentiable` says which outputs have a gradient by what the tape captured; by its inputs all have one.
    """

    __name__ = "tape"

    def __init__(self, recording: Recording, differentiable: Sequence[bool]) -> None:
        self.recording, self.differentiable = recording, tuple(differentiable)

    def __call__(self, *inputs: Any) -> Any:
        graph, captured, decisions, _ = self.recording
        if len(inputs) != len(graph.inputs):
            raise TypeError(f"this tape was recorded with {len(graph.inputs)} inputs, got {len(inputs)}")
        given = [
            _checked(i, x, recorded.aval) for i, (x, recorded) in enumerate(zip(inputs, graph.inputs, strict=True))
        ]
        held = permuted([x.source for x in captured], [x.order for x in captured])
        outputs, guards = replay(graph, [*given, *held])
        if not all(self.differentiable):
            held = [x.detach() if isinstance(x, Tensor) else x for x in held]
            cut, _ = replay(graph, [*given, *held])
            outputs = [y if has else z for y, z, has in zip(outputs, cut, self.differentiable, strict=True)]
        for guard, decision in zip(guards, decisions, strict=True):
            if not bool(guard):
                raise RuntimeError(
                    f"the tape was recorded for another outcome at {decision.where}, and these inputs take the branch "
                    "that was not recorded; compile the function instead of its tape, or record a tape for this case"
                )
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _checked(i: int, x: Any, recorded: Aval) -> Any:
    """An input that a tape can be replayed with."""
    aval = aval_of(x)
    if aval != recorded and isinstance(getattr(x, "data", x), Weak | int) and recorded.shape == ():
        # A Python number takes the dtype that it meets.
        return ops.astype(x, dtype=recorded.dtype)
    if aval != recorded:
        raise ValueError(
            f"this tape was recorded for input {i} of {recorded}, got {aval}; compile the function itself to serve "
            "other shapes"
        )
    return x


def _check_known(name: str, xs: Sequence[Tensor], verb: str, known: set[int]) -> None:
    for i, x in enumerate(xs):
        if id(source_of(x)) not in known:
            raise ValueError(
                f"{name} {i} of the tape is no tensor that it has {verb}; pass the very tensors that the code within "
                "`ag.record()` used"
            )


def _tensors(name: str, xs: Any) -> list[Tensor]:
    found = [xs] if isinstance(xs, Tensor) else [] if xs is None else list(xs)
    if not found or not all(isinstance(x, Tensor) for x in found):
        raise TypeError(
            f"`jit.compile` of a tape needs `{name}`, the tensors that it was recorded with, got {xs!r:.100}"
        )
    return found
