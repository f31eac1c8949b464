"""A compiled function: its recordings by signature, and the way from a call to the kernel that answers it."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from autograd import Tensor
from autograd.tape import current_tape

from .cache import kernel_of, uncollected
from .caller import MISS, caller
from .explain import Explained, Times, explanation
from .graph import Graph
from .kernel import Kernel
from .outer import Link
from .passes import optimise
from .record import Captured, Recording
from .replay import cotangents
from .signature import Signature, signature_of
from .tracing import Trace, trace

#: Past so many recordings of one signature a warning says which line asks for them, and again at each doubling.
MAX_VARIANTS = 16


class Variant(NamedTuple):
    """One recording of a function: its kernel, what the kernel captures, and the function that calls it."""

    recording: Recording
    kernel: Kernel
    captured: tuple[Captured, ...]
    call: Callable[..., Any]
    times: Times


def _never(*args: Any, **kwargs: Any) -> Any:
    return MISS


class Compiled:
    """A function whose recordings run as kernels; made by `jit.compile` and its relatives.

    The first call with new shapes or dtypes records the function by running it once, and compiles what it did.
    """

    def __init__(self, function: Callable[..., Any], functional: bool = False) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.functional = function, functional
        self.variants: dict[Signature, list[Variant]] = {}
        # Calls the variant that answered last.
        self._call: Callable[..., Any] = _never

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current_tape() is not None:
            return self.function(*args, **kwargs)
        try:
            out = self._call(*args, **kwargs) if kwargs else self._call(*args)
        except Exception:
            # Not the arguments of the last call; what is wrong with them, if anything, comes out below.
            out = MISS
        return self._find(args, kwargs) if out is MISS else out

    def __repr__(self) -> str:
        return f"<compiled {_name(self.function)}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _Method(self, instance)

    # ---- from a call to its variant ----

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers a call of another signature, branch or kind than the last one."""
        signature, values = signature_of(args, kwargs)
        variant, out, eager = self._answer(signature, values, args, kwargs)
        if out is MISS:
            return self._disagreement(variant, eager, signature, args, kwargs)
        self._call = variant.call
        return out

    def _answer(
        self, signature: Signature, values: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Variant, Any, Any]:
        """The variant that answers a call, recorded if need be, what its kernel returns, and the eager result."""
        for variant in self.variants.get(signature, ()):
            out = _tried(variant, args, kwargs)
            if out is not MISS:
                return variant, out, None
        with uncollected():
            variant, eager = self._record(signature, values)
        return variant, variant.call(*args, **kwargs), eager

    def _record(self, signature: Signature, values: Sequence[Any]) -> tuple[Variant, Any]:
        start = perf_counter()
        run = trace(self.function, signature, values, self.functional)
        recorded = perf_counter()
        graph, captured = _without_unused(optimise(run.recording.graph), run.recording.captured)
        optimised = perf_counter()
        kernel = kernel_of(graph)
        times = Times(recorded - start, optimised - recorded, perf_counter() - optimised)
        sources = [x.source for x in run.recording.captured]
        call = caller(kernel, signature, captured, sources, run.result, _link(signature, run))
        variant = Variant(run.recording, kernel, captured, call, times)
        known = self.variants.setdefault(signature, [])
        known.insert(0, variant)
        times_too_many, rest = divmod(len(known) - 1, MAX_VARIANTS)
        if rest == 0 and times_too_many.bit_count() == 1:
            self._warn_of_many(known)
        return variant, run.eager

    def _warn_of_many(self, known: list[Variant]) -> None:
        warnings.warn(
            f"{self!r} was recorded {len(known)} times for one signature, since values that Python looked at changed "
            f"({_places(known[0])}); use `where` there, or keep that part out of the compiled function",
            stacklevel=6,
        )

    def _disagreement(
        self, variant: Variant, eager: Any, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The eager result, where the kernel does not take the branch that the recorded run took."""
        self.variants[signature] = [x for x in self.variants[signature] if x is not variant]
        warnings.warn(
            f"{self!r}: a value that Python looked at ({_places(variant)}) differs in its last digits between the "
            "eager run and the kernel, on either side of the decision taken; the eager result is returned",
            stacklevel=4,
        )
        return self.function(*args, **kwargs) if any(x.is_tensor for x in signature.leaves) else eager

    # ---- looking inside ----

    def _variant(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Variant:
        signature, values = signature_of(args, kwargs)
        return self._answer(signature, values, args, kwargs)[0]

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph that a call with these arguments runs, after all passes; it prints readably.

        >>> import jit
        >>> print(jit.grad(lambda x: x * x).graph(3.0))
        { a:float64[]
          b:float64[] = add a a
          in b }
        """
        return self._variant(args, kwargs).kernel.graph

    def llvm(self, *args: Any, **kwargs: Any) -> str:
        """The LLVM code of the kernel that a call with these arguments runs, after optimisation."""
        (text,) = self._variant(args, kwargs).kernel.function.inspect_llvm().values()
        return str(text)

    def asm(self, *args: Any, **kwargs: Any) -> str:
        """The machine code, as assembly text, of the kernel that a call with these arguments runs."""
        (text,) = self._variant(args, kwargs).kernel.function.inspect_asm().values()
        return str(text)

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """What became of the function: its steps and what they fuse, its memory, its guards, and the times it took."""
        signature, values = signature_of(args, kwargs)
        variant = self._answer(signature, values, args, kwargs)[0]
        it = Explained(signature, variant.recording, variant.kernel, variant.captured, variant.times)
        return explanation(_name(self.function), it, sum(map(len, self.variants.values())))


class _Method(functools.partial[Any]):
    """A compiled method of an instance."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.func, name)
        return functools.partial(found, *self.args) if isinstance(found, types.MethodType) else found


def _tried(variant: Variant, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the variant answers; `MISS` where the arguments are not those that it was made for."""
    try:
        return variant.call(*args, **kwargs)
    except Exception:
        # A captured tensor has data of another dtype, rank or layout by now.
        return MISS


def _without_unused(graph: Graph, captured: tuple[Captured, ...]) -> tuple[Graph, tuple[Captured, ...]]:
    """The graph without the captures that passes have made useless."""
    used = {id(x) for equation in graph.equations for x in equation.inputs}
    used.update([id(x) for x in (*graph.outputs, *graph.guards)])
    kept = [(x, value) for x, value in zip(graph.captures, captured, strict=True) if id(x) in used]
    return graph._replace(captures=tuple([x for x, _ in kept])), tuple([value for _, value in kept])


def _link(signature: Signature, run: Trace) -> Link | None:
    """What connects the results with the tensors that require a gradient, if there are any of either."""
    graph, captured, _ = run.recording
    inputs = [leaf for leaf in signature.leaves if leaf.kind != "static"]
    wanted = [leaf.requires_grad for leaf in inputs]
    wanted += [isinstance(x.source, Tensor) and x.source.requires_grad for x in captured]
    if not any(wanted) or not any(run.requires_grad):
        return None
    orders = [leaf.order for leaf in inputs] + [x.order for x in captured]
    return Link(Compiled(functools.partial(cotangents, graph, orders)), wanted, run.requires_grad)


def _places(variant: Variant) -> str:
    return ", ".join(sorted(set(variant.recording.places))) or "unknown"


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
