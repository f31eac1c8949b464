"""One run of a function, recorded: its graph, and what its result and its side effects are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

import autograd as ag
from autograd import Tensor
from autograd.deferred import Deferred
from autograd.lengths import is_open
from autograd.tape import STATE, Control, Tape, onto
from autograd.tensor import constant
from autograd.tree import flatten, unflatten
from autograd.weak import weak

from ..batching.each import recorded_each
from ..calling.caller import PYTHON_DTYPES, Constant, Result
from ..recording.places import Place, places_of, untouched
from ..recording.rebinding import Rebound
from ..recording.record import NotedNodes, Recording, graph_of
from ..recording.scan import recorded_loop, recorded_switch, recorded_while, rolled_results
from ..signature import Signature

_CONSTANTS = (type(None), int, float, complex, str, bytes, np.ndarray, np.generic, np.dtype, type, slice, range, Enum)


class Trace(NamedTuple):
    """What a run has shown.

    `requires_grad` says which outputs of the graph have a gradient; `notes` say what was rolled, and what not; `counts`
    are the tape's; `places` is what the function reads beside its arguments, without what it changes itself.
    """

    recording: Recording
    result: Result
    requires_grad: tuple[bool, ...]
    notes: tuple[str, ...]
    counts: tuple[Any, ...]
    places: Sequence[Place]


class _Run(NamedTuple):
    """A recorded run: its tape, the tensors that it was given, and what it returned and left as `.grad`."""

    tape: Tape
    inputs: list[Tensor]
    outcome: Any
    accumulated: list[tuple[Tensor | int, Tensor | None]]


def _run(
    function: Callable[..., Any], signature: Signature, values: Sequence[Any], room: int | None, noting: bool = False
) -> _Run:
    given = [x if leaf.kind == "static" else _traced(x, leaf) for x, leaf in zip(values, signature.leaves, strict=True)]
    args, kwargs = unflatten(signature.structure, given)
    inputs = [x for x, leaf in zip(given, signature.leaves, strict=True) if leaf.kind != "static"]
    with _recorded(room, noting, any(is_open(leaf.shape) for leaf in signature.leaves)) as tape:
        outcome = function(*args, **kwargs)
        return _Run(tape, inputs, outcome, _accumulated(function, tape, inputs, values, signature))


def trace(
    function: Callable[..., Any],
    signature: Signature,
    values: Sequence[Any],
    functional: bool,
    room: int,
    noting: bool = False,
) -> Trace:
    """Runs a function once with arguments of that signature, recorded.

    **Arguments:** `values`, the leaves of the arguments; `functional`, whether the results are arrays even where a
    captured tensor requires a gradient, as those of `ag.grad(f)` are; `room`, the factor to the number of steps for
    which loops that end by a value have memory; `noting`, whether source lines are noted, and loops of Python left as
    they are.
    """
    objects = [leaf.value[1] for leaf in signature.leaves if leaf.kind == "static"]
    # Variables that are arguments while it runs.
    given = function.keys() if isinstance(function, Rebound) else frozenset()
    before = places_of([function, *objects], given)
    tape, inputs, outcome, accumulated = _run(function, signature, values, room, noting)
    orders = [leaf.order for leaf in signature.leaves if leaf.kind != "static"]
    leaves, structure = flatten(outcome)
    outputs = [x for x in leaves if isinstance(x, Tensor)]
    positions = iter(range(len(outputs)))
    places = tuple([next(positions) if isinstance(x, Tensor) else _constant(function, x) for x in leaves])
    gradients = []
    for target, g in accumulated:
        gradients.append((target, None if g is None else len(outputs)))
        outputs += [] if g is None else [g]
    states = []
    for state, after in (tape.states or {}).items():
        states.append((state, len(outputs)))
        outputs.append(after)
    if not noting:
        outputs = list(rolled_results(tape, 0, 0, inputs, outputs))
    recording = graph_of(tape, inputs, outputs, orders)
    captures = any(isinstance(x.source, Tensor) and x.source.requires_grad for x in recording.captured)
    nested = bool(STATE.nesting) if captures or any(leaf.requires_grad for leaf in signature.leaves) else None
    tensors = any(leaf.is_tensor for leaf in signature.leaves) or (captures and (bool(nested) or not functional))
    numbers = not tensors and _of_numbers(signature)
    result = Result(places, structure, tuple(gradients), tensors, numbers, nested, tuple(states))
    connected = tuple([x.requires_grad and x.dtype.kind in "fc" for x in outputs])
    kept = untouched(before, places_of([function, *objects], given))
    return Trace(recording, result, connected, tuple(tape.notes), tuple(tape.counts), kept)


def eager(function: Callable[..., Any], signature: Signature, values: Sequence[Any]) -> Any:
    """What the function returns for arrays and numbers, computed by NumPy.

    **Arguments:** `values`, the leaves of the arguments, none of them a tensor.
    """
    run = _run(function, signature, values, None)
    for state, after in (run.tape.states or {}).items():
        state.data[...] = after.data
    leaves, structure = flatten(run.outcome)
    numbers = _of_numbers(signature)
    return unflatten(structure, [_value(x, numbers) if isinstance(x, Tensor) else x for x in leaves])


def _of_numbers(signature: Signature) -> bool:
    """Whether all arguments are Python's numbers: numbers in, numbers out."""
    return bool(signature.leaves) and all(leaf.value in (float, int, complex) for leaf in signature.leaves)


def _traced(x: Any, leaf: Any) -> Tensor:
    data = weak(x.data if isinstance(x, Tensor) else x)
    if isinstance(data, np.ndarray) and not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    made = constant(Deferred.of(data, leaf.shape) if is_open(leaf.shape) else data)
    made.requires_grad = leaf.requires_grad
    return made


def _value(x: Tensor, numbers: bool) -> Any:
    data = np.asarray(x.data)[()]
    return data.item() if numbers and data.ndim == 0 and data.dtype in PYTHON_DTYPES else data


@contextmanager
def _recorded(room: int | None, noting: bool, open: bool) -> Iterator[Tape]:
    """Records, with gradients enabled; the `.grad` of tensors from outside is put back at the end.

    **Arguments:** as for `trace`; for a `room` of `None` everything is computed, step by step; `open`, whether there
    are open lengths.
    """
    control = None if room is None else Control(recorded_loop, recorded_while, recorded_switch, recorded_each, room)
    made = Tape() if control is None else Tape(True, control, None if noting else rolled_results, open)
    if noting:
        made.nodes = NotedNodes()
    with ag.enable_grad(), onto(made) as tape:
        tape.states = {}
        try:
            yield tape
        finally:
            for leaf, before in reversed(tape.accumulated):
                if leaf not in tape.leaves:
                    leaf.grad = before


def _accumulated(
    function: Any, tape: Tape, inputs: Sequence[Tensor], values: Sequence[Any], signature: Signature
) -> list[tuple[Tensor | int, Tensor | None]]:
    """The tensors from outside that `backward()` gave a gradient, arguments by their position, with what is left of it.

    **Errors:** `RuntimeError` where one had a gradient before.
    """
    given = [x for x, leaf in zip(values, signature.leaves, strict=True) if leaf.kind != "static"]
    position = {id(x): i for i, x in enumerate(inputs)}
    found: dict[int, tuple[Tensor | int, Tensor | None]] = {}
    for leaf, before in tape.accumulated:
        if leaf in tape.leaves or id(leaf) in found:
            continue
        i = position.get(id(leaf))
        if before is not None or (i is not None and given[i].grad is not None):
            name = getattr(function, "__name__", "function")
            raise RuntimeError(
                f"the compiled `{name}` calls `backward()`, which would add to the `.grad` that a tensor from outside "
                "has already; set it to `None` before each call, or return the gradients: `ag.grad(loss, [w])`"
            )
        found[id(leaf)] = (leaf if i is None else i, leaf.grad)
    return list(found.values())


def _constant(function: Any, x: Any) -> Constant:
    if not isinstance(x, _CONSTANTS) or (isinstance(x, np.ndarray) and x.dtype.hasobject):
        name = getattr(function, "__name__", "function")
        raise TypeError(
            "a compiled function returns arrays, tensors, numbers, strings, `None`, and nested tuples, lists and dicts "
            f"of them, got {type(x).__name__} from `{name}`; return what it holds"
        )
    return Constant(x)
