"""The recordings of a function: which one answers a call, when there has to be another, and whether it may be kept."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from time import perf_counter
from typing import Any, NamedTuple, NoReturn, TypedDict

import numpy as np

from autograd import Tensor
from autograd.lengths import Lengths

from ..calling.caller import MISS, answer_of
from ..calling.out import check_out, written
from ..calling.outer import Link
from ..emit.repeat import NO_ROOM
from ..kernels.cache import uncollected
from ..loop import SHARED, has_bounds
from ..recording.replay import cotangents
from ..runtime.pool import checked
from ..signature import Signature
from .changes import difference, reason, same_decisions
from .counts import is_same_but_for_steps, widen
from .opening import (
    Dynamic,
    NotOpen,
    axes_that_differ,
    checked_axes,
    is_served,
    marked,
    open_signature,
    opened,
)
from .tracing import Trace, eager, trace
from .variant import Variant, compiled


class Options(TypedDict, total=False):
    """How a function is compiled, as `jit.compile` says."""

    threads: int | None
    max_variants: int
    strict: bool
    verify: bool
    dynamic: Dynamic | None


# By what factor the room for steps of loops grows where it was too little.
_GROWTH = 8
# After so many attempts no kernel for many sizes is made any more, and no more of them than that.
_MOST_REFUSED, _MOST_OPEN = 8, 8


class Request(NamedTuple):
    """A call to be answered: its arguments without `out`, `out` or `None`, the signature, the leaves of the arguments.

    `tried` are functions that have not answered it.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    signature: Signature
    values: Sequence[Any]
    tried: Sequence[Callable[..., Any]] = ()


class Recordings:
    """The recordings of one function, made as `Options` say.

    **Arguments:** `functional`, whether the function itself takes gradients; `parameters` of the function by name; the
    options.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        functional: bool,
        parameters: Mapping[str, Parameter],
        *,
        threads: int | None = None,
        max_variants: int = 16,
        strict: bool = False,
        verify: bool = True,
        dynamic: Dynamic | None = None,
    ) -> None:
        self.function, self.functional = function, functional
        self.threads = 0 if threads is None else checked(threads, "a compiled function", threads)
        self.max_variants, self.strict, self.verify = _positive(max_variants), strict, verify
        self.variants: dict[Signature, list[Variant]] = {}
        # Those that serve many sizes, and why there are none for others.
        self.open: list[Variant] = []
        self.refused: list[str] = []
        self._parameters = parameters
        self.dynamic = None if dynamic is None else checked_axes(dynamic, parameters, self.name)
        # By what factor there has to be room for more steps of loops than at first.
        self.room: dict[Signature, int] = {}

    @property
    def name(self) -> str:
        """The name of the function."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def __repr__(self) -> str:
        return f"<compiled {self.name}>"

    def _answer(self, request: Request) -> tuple[Variant, Any]:
        """The variant that answers a call, recorded if need be, and what its kernel returns."""
        known = self.variants.get(request.signature, [])
        for variant in known:
            out = self._answer_of(variant, request) if variant.verified else MISS
            if out is not MISS:
                return variant, out
        room = self.room.get(request.signature)
        run = None
        for variant in [x for x in known if not x.verified]:
            # Before the kernel, which may set gradients.
            run = run or self._run_again(request)
            out = self._answer_of(variant, request)
            if out is not MISS:
                self._verify(variant, run, request)
                return variant, out
        if self.room.get(request.signature) != room:
            run = None
        elif self.strict and known:
            raise RuntimeError(
                f"{self!r} would have to be recorded again, which `strict=True` forbids: "
                f"{reason(known[0].run, run or self._trace(request))}"
            )
        if not known:
            for variant in self.open:
                if is_served(variant.wiring.signature, request.signature):
                    out = self._answer_of(variant, request)
                    if out is not MISS:
                        return variant, out
            opened = self._record_open(request)
            if opened is not None:
                out = self._answer_of(opened, request._replace(tried=()))
                if out is not MISS:
                    return opened, out
        return self._answer_alone(request, run)

    def _answer_alone(self, request: Request, run: Trace | None = None) -> tuple[Variant, Any]:
        """Answers a call by a new kernel for its very sizes."""
        while True:
            room = self.room.get(request.signature)
            variant = self._record(request, run)
            variant.verified = not self.verify
            if request.out is not None:
                out = self._answer_of(variant, request)
            else:
                out = variant.call(*request.args, **request.kwargs)
            if out is not MISS or self.room.get(request.signature) == room:
                return variant, out
            run = None

    def _verify(self, variant: Variant, run: Trace, request: Request) -> None:
        """Sees whether the function gives the same program when it is run once more for the same kind of arguments.

        **Errors:** `RuntimeError` where it does not, so that what it does depends on more than its arguments.
        """
        if not same_decisions(variant.run.recording, run.recording):
            # The eager run took another branch than the kernel, by the last digits of a value; or the kernel has a loop
            # that ends by a value, and the run was another number of steps.
            variant.verified = _is_dynamic(variant.run)
            return
        found = difference(variant.run, run)
        if variant.run.counts or (found is not None and _is_dynamic(variant.run)):
            variant.verified = True
            return
        if found is None:
            variant.verified = True
            variant.renew(run)
            return
        self._tell_difference(found, run, request)

    def _tell_difference(self, found: Any, run: Trace, request: Request) -> NoReturn:
        """Raises the error of a function that gave two programs."""
        # Two runs more say where, if they differ from each other.
        first, second = (self._run_again(request, noting=True) for _ in range(2))
        noted = difference(first, second) or found
        lines = second.recording.lines if noted is not found or not _has_loops(run) else ()
        where = lines[noted.position] if 0 <= noted.position < len(lines) else "a line that is not known"
        raise RuntimeError(
            f"`{self.name}` does not depend on its arguments alone: {noted.what} in {where} got "
            f"{noted.before} in one run and {noted.after} in the next, and a kernel would keep one of them for ever; "
            "pass what the function draws, reads or changes (random numbers, a clock, a file, an object) as an "
            "argument, or say `verify=False` if it is meant to be kept"
        )

    def _answer_of(self, variant: Variant, request: Request) -> Any:
        """What the variant answers.

        **Errors:** those of `check_out`, if it is this variant whose results `out` has to take.
        """
        args, kwargs, out, _, values, tried = request
        if out is None:
            return MISS if variant.call in tried else answer_of(variant.call, args, kwargs)
        try:
            check_out(self.name, variant.wiring, out, values)
        except (TypeError, ValueError):
            if variant.kernel.graph.guards and answer_of(variant.call, args, kwargs) is MISS:
                return MISS
            raise
        return answer_of(variant.call_with_out, args, {**kwargs, "out": out})

    def _trace(self, request: Request, noting: bool = False) -> Trace:
        room = self.room.get(request.signature, 1)
        with uncollected():
            return trace(self.function, request.signature, request.values, self.functional, room, noting)

    def _run_again(self, request: Request, noting: bool = False) -> Trace:
        """A run that is not the first: what NumPy warns of was said before, or is no matter of the kernel."""
        with np.errstate(all="ignore"):
            return self._trace(request, noting)

    def _record_open(self, request: Request) -> Variant | None:
        """A recording that serves other sizes too, where these have been seen to change; it is verified at once."""
        if len(self.refused) >= _MOST_REFUSED or len(self.open) >= _MOST_OPEN:
            return None
        form = self._open_form(request)
        if form is None:
            return None
        start = perf_counter()
        try:
            with uncollected():
                signature, run, graph = opened(self.function, *form, request.values, self.functional, self.threads)
            if has_bounds(graph):
                raise NotOpen("a loop takes as many steps as values say")
        except NotOpen as error:
            if self.dynamic is not None:
                raise ValueError(
                    f"{self!r} has no kernel for every length of {_marks(self.dynamic)}: {error}; write it without, or "
                    "leave `dynamic` out, and each length gets its own kernel"
                ) from error
            self.refused.append(str(error))
            return None
        if self.verify:
            first, second = self._trace(request), self._run_again(request)
            found = difference(first, second) if same_decisions(first.recording, second.recording) else None
            if found is not None:
                self._tell_difference(found, second, request)
        with uncollected():
            link = self._link(signature, run)
            variant = compiled(run, signature, self.threads, graph, link, None, perf_counter() - start)
        variant.verified = True
        self.open.insert(0, variant)
        return variant

    def _open_form(self, request: Request) -> tuple[Signature, Lengths] | None:
        """The signature with open axes: those that are marked, or that differ from a known one."""
        if self.dynamic is not None:
            wanted = marked(self.dynamic, list(self._parameters.values()), request.signature)
            return open_signature(request.signature, wanted) if wanted else None
        for known in reversed(self.variants):
            axes = axes_that_differ(request.signature, known)
            if axes:
                return open_signature(request.signature, axes, known)
        return None

    @uncollected()
    def _record(self, request: Request, run: Trace | None) -> Variant:
        """A new variant, of that run if there is one."""
        signature, start = request.signature, perf_counter()
        room = self.room.get(signature, 1)
        run = run or self._trace(request)
        for variant in self.variants.get(signature, ()) if run.counts else ():
            if is_same_but_for_steps(variant.run.recording, variant.wiring.result, run):
                widen(variant.run.counts, run.counts)
                return variant
        link = self._link(signature, run)
        refused = functools.partial(self._refused, signature, room)
        variant = compiled(run, signature, self.threads, None, link, refused, perf_counter() - start)
        known = self.variants.setdefault(signature, [])
        known.insert(0, variant)
        times_too_many, rest = divmod(len(known) - 1, self.max_variants)
        if rest == 0 and times_too_many.bit_count() == 1:
            self._warn_of_many(known)
        return variant

    def _refused(self, signature: Signature, room: int, status: int) -> None:
        """Sees to it that the next kernel has room for more steps, if a loop took more than there was room for."""
        if status == NO_ROOM:
            self.room[signature] = max(self.room.get(signature, 1), _GROWTH * room)

    def _warn_of_many(self, known: list[Variant]) -> None:
        why = reason(known[1].run, known[0].run)
        warnings.warn(
            f"{self!r} was recorded {len(known)} times for one signature, and each time costs as much as the first: "
            f"{why}; use `where` for a decision, pass a number that changes as an argument, keep that part out of the "
            "compiled function, or allow more with `max_variants`",
            stacklevel=8,
        )

    def _disagreement(self, variant: Variant, request: Request) -> Any:
        """The eager result, where the kernel does not take the branch that the recorded run took.

        **Errors:** those of the function, such as an index out of range, which a recorded run may not look at.
        """
        args, kwargs, out, signature, values, _ = request
        self.variants[signature] = [x for x in self.variants.get(signature, ()) if x is not variant]
        self.open = [x for x in self.open if x is not variant]
        if any(x.is_tensor for x in signature.leaves):
            result = self.function(*args, **kwargs)
        else:
            result = eager(self.function, signature, values)
        warnings.warn(
            f"{self!r}: a value that Python looked at ({_places(variant)}) differs in its last digits between the "
            "eager run and the kernel, on either side of the decision taken; the eager result is returned",
            stacklevel=4,
        )
        return result if out is None else written(variant.wiring.result.structure, out, result)

    def _compiled(self, function: Callable[..., Any]) -> Any:
        """The pullback of a recording as a compiled function, which may be differentiated in turn."""
        raise NotImplementedError

    def _link(self, signature: Signature, run: Trace) -> Link | None:
        """What connects the results with the tensors that require a gradient, if there are any of either."""
        graph, captured = run.recording.graph, run.recording.captured
        inputs = [leaf for leaf in signature.leaves if leaf.kind != "static"]
        wanted = [leaf.requires_grad for leaf in inputs]
        wanted += [isinstance(x.source, Tensor) and x.source.requires_grad for x in captured]
        if not any(wanted) or not any(run.requires_grad):
            return None
        orders = [leaf.order for leaf in inputs] + [x.order for x in captured]
        pullback = self._compiled(functools.partial(cotangents, graph, orders))
        return Link(pullback, wanted, run.requires_grad)


def _positive(count: Any) -> int:
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"`max_variants` needs an integer of at least 1, got {count!r}")
    return count


def _has_loops(run: Trace) -> bool:
    return any(equation.primitive in SHARED for equation in run.recording.graph.equations)


def _is_dynamic(run: Trace) -> bool:
    """Whether a loop of the program ends by a value, so that runs of one program may look different."""
    loops = [dict(x.params).get("loop") for x in run.recording.graph.equations]
    return any(x is not None and getattr(x, "dynamic", False) for x in loops)


def _marks(dynamic: Mapping[str, frozenset[int]]) -> str:
    return ", ".join(f"`{name}` along {', '.join(map(str, sorted(axes)))}" for name, axes in dynamic.items())


def _places(variant: Variant) -> str:
    return ", ".join(sorted({x.where for x in variant.run.recording.decisions})) or "unknown"
