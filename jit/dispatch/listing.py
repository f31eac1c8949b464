"""What a recording of a function takes for granted, as text: its guards, and what it reads from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.primitive import aval_of
from autograd.tree import unflatten

from ..recording.places import Place
from ..signature import signature_of
from .compiled import Compiled
from .tracing import Trace, trace


def explain_recording(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """What a recording of a function would take for granted, found by running the function once.

    **Arguments:** `function`, compiled or not; `args` and `kwargs`, those of the call.

    **Returns:** text with a line for each decision that Python takes on a value, each value that is read from closures,
    globals, defaults and objects, each array and tensor from outside, and each array that NumPy alone makes in the run
    and that is kept; all with the source line.

    >>> import jit
    >>> def absolute(x):
    ...     return x if x > 0 else -x
    >>> print(jit.explain_recording(absolute, 2.0))
    absolute
    decided on values, checked in the kernel:
      <doctest ...>:2: True
    """
    plain = function.function if isinstance(function, Compiled) else function
    functional = isinstance(function, Compiled) and function.functional
    signature, values = signature_of(args, kwargs)
    run = trace(plain, signature, values, functional, 1, noting=True)
    sections = [
        ("decided on values, checked in the kernel", [f"{x.where}: {x.value!r}" for x in run.recording.decisions]),
        ("read from outside, checked at each call", [f"{p.where}: {p.name} is {_brief(p)}" for p in _constants(run)]),
        ("taken from outside at each call", list(_arrays(run))),
        ("made by NumPy alone, and kept as it was", list(_kept(run))),
    ]
    lines = [str(getattr(plain, "__name__", type(plain).__name__))]
    for title, found in sections:
        lines += [f"{title}:", *[f"  {line}" for line in dict.fromkeys(found)]] if found else []
    return "\n".join(lines)


def _constants(run: Trace) -> Iterator[Place]:
    """The places that hold something else than captured arrays and tensors."""
    captured = {id(x.source) for x in run.recording.captured}
    return (p for p in run.places if not p.leaves or any(id(x) not in captured for x in p.leaves))


def _arrays(run: Trace) -> Iterator[str]:
    captured = {id(x.source) for x in run.recording.captured}
    for place in run.places:
        for x in place.leaves:
            if id(x) in captured:
                yield f"{place.where}: {place.name}, {_kind(x)}"


def _kept(run: Trace) -> Iterator[str]:
    """The captured arrays that the function reads from no place, with the operation that takes each."""
    read = {id(x) for p in run.places for x in p.leaves}
    graph, captured, _, lines = run.recording
    for variable, (source, _) in zip(graph.captures, captured, strict=True):
        if id(source) in read:
            continue
        users = [(e, line) for e, line in zip(graph.equations, lines, strict=True) if variable in e.inputs]
        for equation, line in users[:1]:
            yield f"{line}: {_kind(source)}, for `{equation.primitive!r}`"


def _kind(x: Any) -> str:
    return f"{'a tensor' if isinstance(x, Tensor) else 'an array'} of {aval_of(x)}"


def _brief(place: Place) -> str:
    if any(isinstance(x, np.ndarray | Tensor) for x in place.leaves):
        return ", ".join(_kind(x) if isinstance(x, np.ndarray | Tensor) else repr(x) for x in place.leaves)
    text = repr(unflatten(place.structure, place.leaves))
    return text if len(text) <= 60 else f"{text[:57]}..."
