"""The search among the recordings of one signature: a kernel of their guards alone says whose hold.

    def __call(__a0, /):
        __r = __kernel(__a0)
        if __r[0]: return None
        return __variants[__r[1]]

What guards have in common is computed once. The variant that is found is called as any other, and looks at its guards
itself: where rounding makes one of them come out otherwise here, that costs time, never an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from autograd import ops

from ..calling.bound import BoundWriter
from ..calling.caller import MISS, Wiring, Writer, answer_of
from ..graph import Atom, Equation, Graph, Literal, Loop, Params, Var
from ..kernels.cache import kernel_of
from ..kernels.kernel import Kernel, is_brief
from ..passes import cse, dce, optimise
from ..recording.record import Captured, Recording
from ..runtime.foreign import is_foreign
from ..signature import Signature
from .variant import Variant, without_unused

# Guards of more equations are not compiled once more, so that a search takes no longer to make than a recording does.
LARGEST = 2000
# After so many calls of one variant in a row it is tried first again.
MOST_REPEATS = 16


class Search:
    """Finds the variant of one signature that answers a call.

    **Arguments:** the `variants`, of which the first one counts whose guards hold; `kernel` and `captured`, what
    `search_among` makes of them; `takes_out`, whether a keyword `out` is none of the function's own.
    """

    def __init__(
        self, variants: Sequence[Variant], kernel: Kernel, captured: Sequence[Captured], takes_out: bool
    ) -> None:
        self.variants, self.kernel, self.takes_out = tuple(variants), kernel, takes_out
        self.signature = variants[0].wiring.signature
        # Gives a variant or `None`, or raises, where the arguments are of another kind.
        self.wiring = _wiring(self.variants, kernel, captured)
        self.find = self.finder((_WriterWithOut if takes_out else _Writer)(self.wiring))
        self.call = _caller(self.find)
        # Whether it is worthwhile to search before the last variant is tried, since that takes no longer.
        self.is_quick = is_brief(kernel.program)

    def finder(self, writer: Writer) -> Callable[..., Variant | None]:
        """The function of a writer, which has the variants to return."""
        writer.names["__variants"] = (*self.variants, None)
        return writer.function()

    def bound(self, values: Sequence[Any]) -> Callable[[], Variant | None]:
        """What finds the variant for a bound call, from the leaves of its arguments."""
        return self.finder(_BoundWriter(self.wiring, values, [None] * len(self.wiring.result.leaves)))

    def answer(self, args: tuple[Any, ...], kwargs: dict[str, Any], last: Any) -> tuple[Any, Any]:
        """The function that answers a call, and what it returns, `MISS` if there is none.

        **Arguments:** those of the call; `last`, the function that has not answered it.
        """
        try:
            found = self.find(*args, **kwargs) if kwargs else self.find(*args)
        except Exception:
            return last, MISS
        if found is None:
            return last, MISS
        call = self.call_of(found, kwargs) if kwargs else found.call
        try:
            out = MISS if call is last else call(*args, **kwargs)
        except Exception:
            out = MISS
        return (call, out) if out is not MISS else self.tried(args, kwargs, last)

    def replaces(self, way: Any) -> bool:
        """Whether all that is found in that way, by a search or a function that may answer, is found by this one."""
        if type(way) is Search:
            return way.signature == self.signature
        return any(way is x.call or way is vars(x).get("call_with_out") for x in self.variants)

    def call_of(self, variant: Variant, kwargs: dict[str, Any]) -> Callable[..., Any]:
        """The function of a variant that takes such a call."""
        return variant.call_with_out if self.takes_out and "out" in kwargs else variant.call

    def tried(self, args: tuple[Any, ...], kwargs: dict[str, Any], last: Any) -> tuple[Any, Any]:
        """The same by trying all: the one that was found may have read other values from outside, or be none by the
        last digits of a value.
        """
        for call in [self.call_of(x, kwargs) for x in self.variants]:
            out = MISS if call is last else answer_of(call, args, kwargs)
            if out is not MISS:
                return call, out
        return last, MISS


def _caller(find: Callable[..., Variant | None]) -> Callable[..., Any]:
    """The function that calls what is found, for calls that take turns: it gives up where the same is found often."""
    last: Variant | None = None
    repeats = 0

    def call(*args: Any) -> Any:
        nonlocal last, repeats
        found = find(*args)
        if found is not last:
            last, repeats = found, 0
        elif repeats == MOST_REPEATS:
            last = found = None
        else:
            repeats += 1
        # Another thread may have found another one meanwhile.
        return MISS if found is None else found.call(*args)

    return call


class Searches:
    """The searches of a function: for each signature the last one that was made, `None` if it was too much."""

    def __init__(self, threads: int, takes_out: bool) -> None:
        self.threads, self.takes_out = threads, takes_out
        self.made: dict[Signature, tuple[tuple[Variant, ...], Search | None]] = {}

    def of(self, signature: Signature, variants: Sequence[Variant]) -> Search | None:
        """The search among these variants, made now if need be."""
        among, search = self.made.get(signature, ((), None))
        if among != tuple(variants):
            among, search = tuple(variants), search_among(variants, self.threads, self.takes_out)
            self.made[signature] = among, search
        return search

    def told(self, signature: Signature, variants: Sequence[Variant]) -> list[str]:
        """How the one that answers is found among several, in words."""
        _, search = self.made.get(signature, ((), None))
        if len(variants) < 2:
            return []
        if search is None or len(search.variants) < len(variants):
            return [f"{len(variants)} for such arguments, tried one after the other"]
        count = len(search.kernel.graph.equations)
        return [f"{len(variants)} for such arguments, found by a kernel of all their guards, {count} equations"]


def search_among(variants: Sequence[Variant], threads: int, takes_out: bool) -> Search | None:
    """The search among variants of one signature; `None` where their guards are too much to be computed apart.

    **Arguments:** `threads`, as graphs have them; `takes_out`, as `Search` does.
    """
    recordings = [x.run.recording for x in variants]
    parts = [dce(x.graph._replace(outputs=())) for x in recordings]
    if any(len(x.equations) > LARGEST for x in parts):
        return None
    if any(map(is_foreign, parts)):
        # A function of the user's own may do something beside, so it is not called more often than it has to.
        return None
    merged = _Merged(parts[0].inputs)
    for part, recording in zip(parts, recordings, strict=True):
        merged.add(part, recording)
    shared = cse(merged.graph())
    if len(shared.equations) > LARGEST:
        return None
    graph, captured = without_unused(optimise(shared), merged.captured)
    return Search(variants, kernel_of(graph._replace(threads=threads)), captured, takes_out)


class _Merged:
    """The guards of several graphs with the same inputs, as one graph in the making."""

    def __init__(self, inputs: Sequence[Var]) -> None:
        self.inputs = [Var(x.aval) for x in inputs]
        self.captures: dict[Any, Var] = {}
        self.captured: list[Captured] = []
        self.loops: dict[str, Loop] = {}
        self.equations: list[Equation] = []
        # For each graph whether its guards hold.
        self.hold: list[Atom] = []

    def add(self, graph: Graph, recording: Recording) -> None:
        """Adds a graph, whose captures are those of the recording."""
        known: dict[Atom, Atom] = dict(zip(graph.inputs, self.inputs, strict=True))
        known.update(zip(graph.captures, map(self.capture, graph.captures, recording.captured), strict=True))
        for primitive, inputs, params, out in graph.equations:
            known[out] = made = Var(out.aval)
            renamed = tuple([known.get(x, x) if type(x) is Var else x for x in inputs])
            self.equations.append(Equation(primitive, renamed, self.shared(params), made))
        guards = [known.get(x, x) if type(x) is Var else x for x in graph.guards]
        self.hold.append(reduce(self.both, guards) if guards else Literal.of(True, bool))

    def capture(self, x: Var, captured: Captured) -> Var:
        """The variable of what was captured, one for what is the same in several recordings."""
        key = id(captured.source), captured.order
        if key not in self.captures:
            self.captures[key] = Var(x.aval)
            self.captured.append(captured)
        return self.captures[key]

    def shared(self, params: Params) -> Params:
        """The parameters with the first loop of the same text, or else equations of equal loops would not be equal."""
        return tuple([(name, self.first(x) if isinstance(x, Loop) else x) for name, x in params])

    def first(self, loop: Loop) -> Loop:
        return self.loops.setdefault("\n".join(loop.lines("loop")), loop)

    def equation(self, primitive: Any, *inputs: Atom) -> Var:
        self.equations.append(Equation.of(primitive, *inputs))
        return self.equations[-1].out

    def both(self, x: Atom, y: Atom) -> Atom:
        return self.equation(ops.logical_and, x, y)

    def graph(self) -> Graph:
        """The graph of the number of the first one whose guards hold; their number where none does."""
        found: Atom = Literal.of(len(self.hold), int)
        for i in range(len(self.hold) - 1, -1, -1):
            found = self.equation(ops.where, self.hold[i], Literal.of(i, int), found)
        captures = tuple(self.captures.values())
        return Graph(tuple(self.inputs), captures, tuple(self.equations), (), (found,))


class _Writer(Writer):
    """Writes the function that calls the kernel of the guards, and looks at nothing itself."""

    def unless(self, condition: str) -> None:
        """Nothing: the variant will look at it."""

    def conditions(self) -> None:
        """Takes the captured arrays from where the function reads them."""
        self.read()

    def run(self) -> None:
        """Writes the call of the kernel."""
        self.call_kernel([*self.arguments, *[self.capture(x) for x in self.captured]])
        self.lines += ["if __r[0]: return None", "return __variants[__r[1]]"]


class _WriterWithOut(_Writer):
    """Writes it for calls that may have `out=`."""

    keywords = ("out=None",)


class _BoundWriter(_Writer, BoundWriter):
    """Writes it without parameters, for given leaves of the arguments."""


def _wiring(variants: Sequence[Variant], kernel: Kernel, captured: Sequence[Captured]) -> Wiring:
    """That of the kernel of the guards."""
    taken = {id(x.source) for x in captured}
    places = {(id(p.holder), p.key, *map(id, p.leaves)): p for x in variants for p in x.run.places}
    read = [p for p in places.values() if any(id(leaf) in taken for leaf in p.leaves)]
    return variants[0].wiring._replace(kernel=kernel, captured=captured, sources=(), places=read)
