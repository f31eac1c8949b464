"""What differs between two recordings of one function: why there has to be a second, or that there must not be one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor
from autograd.tree import unflatten

from ..calling.caller import Constant
from ..graph import Atom, Choice, Equation, Graph, Literal, Loop
from ..recording.places import are_same, is_same
from ..recording.record import Recording
from .tracing import Trace

_SIMPLE = (type(None), bool, int, float, complex, str, bytes, slice, np.generic, np.dtype)


class Difference(NamedTuple):
    """The first equation that reads or is something else, by its position, as text; and what it was and is."""

    position: int
    what: str
    before: str
    after: str


def difference(before: Trace, after: Trace) -> Difference | None:
    """The first difference between the programs of two runs; `None` where they are the same."""
    found = _difference(before.recording.graph, after.recording.graph, {**_sources(before), **_sources(after)})
    if found is not None:
        return found
    end = len(after.recording.graph.equations)
    returned, now = ([x.value for x in run.result.leaves if isinstance(x, Constant)] for run in (before, after))
    for x, y in zip(returned, now, strict=False):
        if not _same(x, y):
            return Difference(end, "the result", _brief(x), _brief(y))
    if before.result.structure != after.result.structure or len(returned) != len(now):
        return Difference(end, "the result", "of one structure", "of another one")
    return None


def same_decisions(before: Recording, after: Recording) -> bool:
    """Whether Python has decided the same wherever it looked at a value."""
    pairs = zip(before.decisions, after.decisions, strict=False)
    return len(before.decisions) == len(after.decisions) and all(_same(x.value, y.value) for x, y in pairs)


def reason(before: Trace, after: Trace) -> str:
    """Why a second recording was needed: the value that has changed, where it is read, and what it was and is."""
    for x, y in zip(before.recording.decisions, after.recording.decisions, strict=False):
        if not _same(x.value, y.value):
            return f"the value that Python looks at in {y.where} was {_brief(x.value)} and is {_brief(y.value)}"
    known = {(p.name, p.where): p for p in before.places}
    for q in after.places:
        p = known.get((q.name, q.where))
        now = unflatten(q.structure, q.leaves)
        if p is not None and not are_same(now, p.leaves, p.structure):
            was = unflatten(p.structure, p.leaves)
            return f"{q.name}, read in {q.where}, was {_brief(was)} and is {_brief(now)}"
    return "an array or tensor from outside has another shape, dtype or layout, or requires a gradient or not"


# ---- two graphs ----


def _sources(run: Trace) -> dict[Any, Any]:
    """What each capture of a graph stands for: the places that it is read from, or the very array or tensor."""
    at: dict[int, set[Any]] = {}
    for place in run.places:
        for i, x in enumerate(place.leaves):
            at.setdefault(id(x), set()).add((id(place.holder), place.key, i))
    captured = [x.source for x in run.recording.captured]
    return dict(zip(run.recording.graph.captures, [at.get(id(x), x) for x in captured], strict=True))


def _difference(before: Graph, after: Graph, sources: Mapping[Any, Any]) -> Difference | None:
    # What each variable of the second graph stands for in the first.
    match: dict[Any, Any] = dict(zip(after.inputs, before.inputs, strict=False))
    for i, (x, y) in enumerate(zip(before.equations, after.equations, strict=False)):
        if found := next(_differing(x, y, match, sources), None):
            return Difference(i, f"`{y.primitive!r}`", *found)
        match[y.out] = x.out
    counts = [f"after {len(graph.equations)} operations" for graph in (before, after)]
    end = min(len(before.equations), len(after.equations))
    if counts[0] != counts[1] or len(before.outputs) != len(after.outputs):
        return Difference(end - 1, "the end", *counts)
    for a, b in zip((*before.guards, *before.outputs), (*after.guards, *after.outputs), strict=False):
        if not _same_atom(a, b, match, sources):
            return Difference(end, "the result", _told(a, sources), _told(b, sources))
    return None


def _differing(x: Equation, y: Equation, match: Mapping[Any, Any], sources: Mapping[Any, Any]) -> Iterator[Any]:
    """What differs in two equations, as pairs of texts."""
    if x.primitive is not y.primitive or x.out.aval != y.out.aval or len(x.inputs) != len(y.inputs):
        yield f"`{x.primitive!r}` to {x.out.aval}", f"`{y.primitive!r}` to {y.out.aval}"
    for a, b in zip(x.inputs, y.inputs, strict=False):
        if not _same_atom(a, b, match, sources):
            yield _told(a, sources), _told(b, sources)
    for (key, a), (other, b) in zip(x.params, y.params, strict=False):
        if key != other or not _same(a, b):
            yield f"{key}={_brief(a)}", f"{other}={_brief(b)}"


def _same_atom(a: Atom, b: Atom, match: Mapping[Any, Any], sources: Mapping[Any, Any]) -> bool:
    if isinstance(a, Literal) or isinstance(b, Literal):
        return isinstance(a, Literal) and isinstance(b, Literal) and a.aval == b.aval and is_same(a.value, b.value)
    if a in sources and b in sources:
        one, other = sources[a], sources[b]
        if isinstance(one, set) and isinstance(other, set):
            # One array may have had several names in only one of the runs.
            return not one.isdisjoint(other)
        if isinstance(one, Tensor) and isinstance(other, Tensor):
            # Tensors that are made in each run are the same if they hold the same.
            one, other = one.data, other.data
        return one is other or _same(one, other)
    return match.get(b) is a


def _same(a: Any, b: Any) -> bool:
    """Whether two parameters, results or decisions are the same, as far as they can be told apart."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, Loop):
        return a.length == b.length and _difference(a.body, b.body, {}) is None
    if isinstance(a, Choice):
        return len(a.bodies) == len(b.bodies) and all(
            _difference(x, y, {}) is None for x, y in zip(a.bodies, b.bodies, strict=True)
        )
    # Others, such as functions, may be made anew in each run.
    return is_same(a, b) or not isinstance(a, _SIMPLE) or (isinstance(a, slice | np.dtype) and a == b)


def _told(x: Atom, sources: Mapping[Any, Any]) -> str:
    if isinstance(x, Literal):
        return str(x)
    held = getattr(sources.get(x), "data", None) if isinstance(sources.get(x), Tensor) else sources.get(x)
    if isinstance(held, np.ndarray) and held.size <= 3:
        return str(held.tolist())
    return f"{'an array from outside' if x in sources else 'a result'}, {x.aval}"


def _brief(x: Any) -> str:
    text = " ".join(repr(x).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
