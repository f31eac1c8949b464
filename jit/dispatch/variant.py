"""One recording of a function, compiled, with the functions that call its kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np

from ..calling.caller import Wiring, caller
from ..calling.explain import Times
from ..calling.out import caller_with_out
from ..calling.outer import Link
from ..calling.outside import contents_of
from ..graph import Graph
from ..kernels.cache import kernel_of
from ..loop import has_bounds
from ..passes import optimise
from ..recording.places import Place
from ..recording.record import Captured
from ..signature import Signature
from .tracing import Trace


class Variant:
    """A kernel, and the functions that call it.

    **Arguments:** `run`, what it was compiled from. A variant is `verified` once a second run gave the same program.
    """

    def __init__(self, run: Trace, wiring: Wiring, times: Times) -> None:
        self.run, self.wiring, self.times = run, wiring, times
        self.kernel, self.captured = wiring.kernel, wiring.captured
        self.call = caller(wiring)
        self.verified = False

    @cached_property
    def call_with_out(self) -> Callable[..., Any]:
        """Calls the kernel with `out=`."""
        return caller_with_out(self.wiring)

    def __getstate__(self) -> Any:
        state = {name: x for name, x in vars(self).items() if name not in ("call", "call_with_out")}
        # Cells and the globals of modules do not travel: the function has others where it arrives.
        wiring, run = self.wiring._replace(places=(), contents={}), self.run._replace(places=())
        return {**state, "wiring": wiring, "run": run, "verified": True}

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state)
        self.call = caller(self.wiring)

    def reads_from(self, places: Sequence[Place]) -> None:
        """Takes what these places hold now for what the recording has read; it comes out of a pickle, as they do."""
        arrays = [x for place in places for x in place.leaves if isinstance(x, np.ndarray)]
        captured = tuple([x._replace(source=_found(x.source, arrays)) for x in self.captured])
        now = {id(x.source): y.source for x, y in zip(self.captured, captured, strict=True)}
        sources = [now.get(id(x), x) for x in self.wiring.sources]
        contents = contents_of(captured, places)
        self.captured, self.run = captured, self.run._replace(places=places)
        self.wiring = self.wiring._replace(captured=captured, sources=sources, places=places, contents=contents)
        self.call = caller(self.wiring)

    def renew(self, run: Trace) -> None:
        """Takes what a later run of the same program has captured and read in the place of what the first one did."""
        if len(run.recording.captured) != len(self.run.recording.captured):
            # Arrays of several names were one array in one of the runs.
            return
        used = {id(x) for x in self.captured}
        pairs = zip(self.run.recording.captured, run.recording.captured, strict=True)
        self.captured = tuple([now for before, now in pairs if id(before) in used])
        sources = [x.source for x in run.recording.captured]
        self.wiring = self.wiring._replace(
            captured=self.captured,
            sources=sources,
            result=run.result,
            places=run.places,
            contents=contents_of(run.recording.captured, run.places),
        )
        self.run, self.call = run, caller(self.wiring)
        self.__dict__.pop("call_with_out", None)


def compiled(
    run: Trace,
    signature: Signature,
    threads: int,
    graph: Graph | None,
    link: Link | None,
    refused: Callable[[int], None] | None,
    recording: float,
) -> Variant:
    """The variant of a run.

    **Arguments:** `threads`, as graphs have them; `graph`, that of the run after all passes where it is known; `link`
    and `refused`, as `Wiring` has them, the latter for kernels with a limited number of steps; `recording`, how long
    the run has taken.
    """
    start = perf_counter()
    graph, captured = without_unused(optimise(run.recording.graph) if graph is None else graph, run.recording.captured)
    optimised = perf_counter()
    kernel = kernel_of(graph._replace(threads=threads))
    times = Times(recording, optimised - start, perf_counter() - optimised)
    sources = [x.source for x in run.recording.captured]
    told = refused if has_bounds(kernel.graph) else None
    contents = contents_of(run.recording.captured, run.places)
    wiring = Wiring(kernel, signature, captured, sources, run.result, link, told, run.places, contents)
    return Variant(run, wiring, times)


def _found(source: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    """The array among several that is a copy of the source, or the source itself."""
    kind = (getattr(source, "shape", None), getattr(source, "dtype", None), getattr(source, "strides", None))
    same = (x for x in arrays if (x.shape, x.dtype, x.strides) == kind and x.tobytes() == source.tobytes())
    return next(same, source)


def without_unused(graph: Graph, captured: Sequence[Captured]) -> tuple[Graph, tuple[Captured, ...]]:
    """The graph without the captures that passes have made useless."""
    used = {id(x) for equation in graph.equations for x in equation.inputs}
    used.update([id(x) for x in (*graph.outputs, *graph.guards)])
    kept = [(x, value) for x, value in zip(graph.captures, captured, strict=True) if id(x) in used]
    return graph._replace(captures=tuple([x for x, _ in kept])), tuple([value for _, value in kept])
