"""A compiled function: its recordings by signature, and the way from a call to the kernel that answers it."""

from __future__ import annotations

import functools
import inspect
import types
import warnings
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

from autograd import Tensor
from autograd.tape import current_tape

from .bound import bound_call
from .cache import kernel_of, uncollected
from .caller import MISS, Wiring, caller
from .emit.repeat import NO_ROOM
from .explain import Explained, Times, explanation
from .graph import Graph
from .loop import has_bounds
from .native_kernel import NativeKernel, native_kernel
from .out import caller_with_out, check_out, written
from .outer import Link
from .passes import optimise
from .pool import checked
from .ranges import is_same_but_for_steps, widen
from .rebinding import Rebound, rebound, variables_of
from .record import Captured
from .replay import cotangents
from .shipping import shipped
from .signature import Signature, signature_of
from .tracing import Trace, eager, trace

#: Past so many recordings of one signature a warning says which line asks for them, and again at each doubling.
MAX_VARIANTS = 16


# By what factor the room for steps of loops grows where it was too little.
_GROWTH = 8
# So many callers are tried before the signature of a call is looked up.
_RECENT = 8


class Variant:
    """One recording of a function: what the functions that call its kernel are written from, and these functions."""

    def __init__(self, run: Trace, wiring: Wiring, times: Times) -> None:
        self.recording, self.wiring, self.times, self.notes = run.recording, wiring, times, run.notes
        self.ranges = run.ranges
        self.kernel, self.captured = wiring.kernel, wiring.captured
        self.call = caller(wiring)

    @cached_property
    def call_with_out(self) -> Callable[..., Any]:
        """Calls the kernel with `out=`."""
        return caller_with_out(self.wiring)

    def __getstate__(self) -> Any:
        return {name: x for name, x in vars(self).items() if name not in ("call", "call_with_out")}

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state)
        self.call = caller(self.wiring)


class _Request(NamedTuple):
    """A call to be answered: its arguments without `out`, `out` or `None`, the signature, the leaves of the arguments.

    `tried` are functions that have not answered it.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    signature: Signature
    values: Sequence[Any]
    tried: Sequence[Callable[..., Any]] = ()


def _never(*args: Any, **kwargs: Any) -> Any:
    return MISS


class Compiled:
    """A function whose recordings run as kernels; made by `jit.compile` and its relatives.

    The first call with new shapes or dtypes records the function by running it once, and compiles what it did.

    **Arguments:** those of the function, and `out`, unless the function has a parameter of that name: an array that the
    result is written into and that is returned. For a result of several parts it has the same structure, with `None`
    for each number and for each array that is to be allocated.

    **Errors:** besides those of the function `TypeError` or `ValueError` where `out` has another structure, or an array
    in it another shape, dtype or layout than the result, is read-only, or shares memory with an array that is read.

    >>> import numpy as np
    >>> import jit
    >>> f, g = jit.value_and_grad(lambda x: np.sum(x**3)), np.empty(2)
    >>> value, slope = f(np.array([1.0, 2.0]), out=(None, g))
    >>> slope is g, g
    (True, array([ 3., 12.]))
    """

    def __init__(self, function: Callable[..., Any], functional: bool = False, threads: int | None = None) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.functional = function, functional
        self.threads = 0 if threads is None else checked(threads, "a compiled function", threads)
        self.variants: dict[Signature, list[Variant]] = {}
        # By what factor there has to be room for more steps of loops than at first.
        self.room: dict[Signature, int] = {}
        # What `rebind` was told of, and the function that takes their values as well.
        self._rebound: tuple[Rebound, Compiled] | None = None
        self._takes_out = "out" not in _parameters(function)
        # What answered last, and what answered before.
        self._call: Callable[..., Any] = _never
        self._recent: tuple[Callable[..., Any], ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current_tape() is not None:
            return self._recorded(args, kwargs)
        try:
            out = self._call(*args, **kwargs) if kwargs else self._call(*args)
        except Exception:
            # Not the arguments of the last call; what is wrong with them, if anything, comes out below.
            out = MISS
        return self._find(args, kwargs) if out is MISS else out

    def bind(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        """A call with fixed arguments, which reads what the arrays hold at each call.

        **Arguments:** those of a call, `out` among them if the results are to be in arrays of the caller's; arrays,
        numbers and what else is no tensor. They are looked at now, so later changes of a list or dict are not seen.

        **Returns:** a function without parameters. Its result arrays are the same ones at each call, which writes over
        what the call before left in them, so two threads need one each; numbers are new.

        **Errors:** `TypeError` where the function returns tensors. A call raises the errors of `out` where the bound
        arrays lead to a branch whose results have other shapes.

        >>> import numpy as np
        >>> import jit
        >>> x = np.array([1.0, 2.0])
        >>> call = jit.grad(lambda x: np.sum(x**3)).bind(x)
        >>> call()
        array([ 3., 12.])
        >>> x[0] = 3.0
        >>> call()
        array([27., 12.])
        """
        taken, args = self._taken(args)
        if taken is not self:
            return taken.bind(*args, **kwargs)
        kwargs, out = self._without_out(kwargs)
        return bound_call(self.function, self._answer_bound, args, kwargs, out)

    def rebind(self, **values: Any) -> None:
        """Binds variables of the function, of the code around it or of its module, to other values.

        From now on they are arguments that every call takes from where the function reads them: other values of the
        same shapes and dtypes need no recording and no compilation. That holds for all that the function computes
        from them. To be rebound a function is recorded once more.

        **Arguments:** `values`, by the names of the variables.

        **Errors:** `ValueError` where the function reads no variable of that name.

        >>> import numpy as np
        >>> import jit
        >>> def make(x, y):
        ...     return jit.value_and_grad(lambda w: np.mean((x * w - y) ** 2))
        >>> loss = make(np.ones(3), np.ones(3))
        >>> loss.rebind(x=np.arange(3.0))
        >>> loss(np.array([1.0]))[1]
        array([1.33333333])
        """
        known = self._rebound[0].variables if self._rebound else ()
        variables = rebound(self.function, known, values)
        if self._rebound is None or variables is not known:
            function = Rebound(self.function, variables)
            self._rebound = function, Compiled(function, self.functional, self.threads or None)
        self._call = self._with_variables

    def _with_variables(self, *args: Any, **kwargs: Any) -> Any:
        """The call of a function whose variables may be rebound."""
        function, taken = self._rebound  # type: ignore[misc]
        return taken(function.values(), *args, **kwargs)

    def _taken(self, args: tuple[Any, ...]) -> tuple[Compiled, tuple[Any, ...]]:
        """The function that takes the values of variables, if some may be rebound, and its arguments."""
        if self._rebound is None:
            return self, args
        function, taken = self._rebound
        return taken, (function.values(), *args)

    def __repr__(self) -> str:
        return f"<compiled {_name(self.function)}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _Method(self, instance)

    # ---- pickles ----

    def __getstate__(self) -> Any:
        """What goes into a pickle: the recordings, the names of their kernels, and the function, if that is possible.

        **Errors:** `TypeError` where variables were rebound and the function cannot be pickled.
        """
        function = shipped(self.function)
        names = [x.name for x in self._rebound[0].variables] if self._rebound else []
        if names and function.content is None:
            raise TypeError(
                f"{self!r} cannot be pickled ({function.why}), and without its function it has no variables to rebind; "
                "make its closure of what can be pickled, or pass the data as arguments"
            )
        own = {"function", "__wrapped__", "_call", "_recent", "_rebound"}
        return {name: x for name, x in vars(self).items() if name not in own}, function, names

    def __setstate__(self, state: Any) -> None:
        attributes, function, names = state
        vars(self).update(attributes)
        self.function = self.__wrapped__ = function.function()
        self._call, self._recent, self._rebound = _never, (), None
        if names:
            variables = variables_of(self.function)
            self.rebind(**{name: variables[name].get() for name in names})

    # ---- from a call to its variant ----

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers a call of another signature, branch or kind than the last one."""
        if self._rebound is not None:
            return self._with_variables(*args, **kwargs)
        tried = self._recent
        for call in tried[1:]:
            out = _tried(call, args, kwargs)
            if out is not MISS:
                self._use(call)
                return out
        request = self._request(args, kwargs)._replace(tried=tried)
        variant, out = self._answer(request)
        if out is MISS:
            return self._disagreement(variant, request)
        self._use(variant.call if request.out is None else variant.call_with_out)
        return out

    def _use(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._recent = (call, *[x for x in self._recent if x is not call])[:_RECENT]

    def _without_out(self, kwargs: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        if not (self._takes_out and "out" in kwargs):
            return kwargs, None
        return {key: x for key, x in kwargs.items() if key != "out"}, kwargs["out"]

    def _request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Request:
        kwargs, out = self._without_out(kwargs)
        return _Request(args, kwargs, out, *signature_of(args, kwargs))

    def _recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the function as part of what is recorded."""
        kwargs, out = self._without_out(kwargs)
        if out is not None:
            raise TypeError(f"{self!r} was called with `out=` while a tape records, which follows results, not arrays")
        return self.function(*args, **kwargs)

    def _answer(self, request: _Request) -> tuple[Variant, Any]:
        """The variant that answers a call, recorded if need be, and what its kernel returns."""
        for variant in self.variants.get(request.signature, ()):
            out = self._answer_of(variant, request)
            if out is not MISS:
                return variant, out
        while True:
            room = self.room.get(request.signature)
            with uncollected():
                variant = self._record(request.signature, request.values)
            if request.out is not None:
                out = self._answer_of(variant, request)
            else:
                out = variant.call(*request.args, **request.kwargs)
            if out is not MISS or self.room.get(request.signature) == room:
                return variant, out

    def _answer_of(self, variant: Variant, request: _Request) -> Any:
        """What the variant answers.

        **Errors:** those of `check_out`, if it is this variant whose results `out` has to take.
        """
        args, kwargs, out, _, values, tried = request
        if out is None:
            return MISS if variant.call in tried else _tried(variant.call, args, kwargs)
        try:
            check_out(_name(self.function), variant.wiring, out, values)
        except (TypeError, ValueError):
            if variant.kernel.graph.guards and _tried(variant.call, args, kwargs) is MISS:
                return MISS
            raise
        return _tried(variant.call_with_out, args, {**kwargs, "out": out})

    def _answer_bound(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> tuple[Wiring, Sequence[Any], Any, bool]:
        """Answers a bound call, as `bound_call` needs it."""
        request = _Request(args, kwargs, out, *signature_of(args, kwargs))
        variant, result = self._answer(request)
        if result is MISS:
            return variant.wiring, request.values, self._disagreement(variant, request), False
        return variant.wiring, request.values, result, True

    def _record(self, signature: Signature, values: Sequence[Any]) -> Variant:
        start = perf_counter()
        room = self.room.get(signature, 1)
        run = trace(self.function, signature, values, self.functional, room)
        recorded = perf_counter()
        known = self.variants.setdefault(signature, [])
        for variant in known if run.ranges else ():
            if is_same_but_for_steps(variant.recording, variant.wiring.result, run):
                widen(variant.ranges, run.ranges)
                return variant
        graph, captured = _without_unused(optimise(run.recording.graph), run.recording.captured)
        optimised = perf_counter()
        kernel = kernel_of(graph._replace(threads=self.threads))
        times = Times(recorded - start, optimised - recorded, perf_counter() - optimised)
        sources = [x.source for x in run.recording.captured]
        refused = functools.partial(self._refused, signature, room) if has_bounds(kernel.graph) else None
        wiring = Wiring(kernel, signature, captured, sources, run.result, _link(signature, run, self.threads), refused)
        variant = Variant(run, wiring, times)
        known.insert(0, variant)
        times_too_many, rest = divmod(len(known) - 1, MAX_VARIANTS)
        if rest == 0 and times_too_many.bit_count() == 1:
            self._warn_of_many(known)
        return variant

    def _refused(self, signature: Signature, room: int, status: int) -> None:
        """Sees to it that the next kernel has room for more steps, if a loop took more than there was room for."""
        if status == NO_ROOM:
            self.room[signature] = max(self.room.get(signature, 1), _GROWTH * room)

    def _warn_of_many(self, known: list[Variant]) -> None:
        warnings.warn(
            f"{self!r} was recorded {len(known)} times for one signature, since values that Python looked at changed "
            f"({_places(known[0])}); use `where` there, or keep that part out of the compiled function",
            stacklevel=6,
        )

    def _disagreement(self, variant: Variant, request: _Request) -> Any:
        """The eager result, where the kernel does not take the branch that the recorded run took.

        **Errors:** those of the function, such as an index out of range, which a recorded run may not look at.
        """
        args, kwargs, out, signature, values, _ = request
        self.variants[signature] = [x for x in self.variants[signature] if x is not variant]
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

    # ---- for compiled code ----

    def kernel(self, *args: Any, **kwargs: Any) -> NativeKernel:
        """The function as a kernel that compiled code calls, without returning to Python.

        It has all branches in it that were recorded for such arguments, so call the function at values that lead to
        each of them before.

        **Arguments:** an example of the arguments: the shapes and dtypes count.

        **Returns:** what `@njit` functions call with the arguments and the arrays for the result, and C by its address.

        **Errors:** `TypeError` where the example has arrays that are not contiguous, and where the function sets the
        `.grad` of tensors.

        >>> import numba, numpy as np
        >>> import jit
        >>> kernel = jit.value_and_grad(lambda x: np.sum(x**2)).kernel(np.ones(2))
        >>> @numba.njit
        ... def minimum(x):
        ...     g = np.empty_like(x)
        ...     for _ in range(100):
        ...         value = kernel(x, g)
        ...         x = x - 0.1 * g
        ...     return value
        >>> minimum(np.array([1.0, 2.0])) < 1e-15
        True
        """
        taken, args = self._taken(args)
        names = [x.name for x in self._rebound[0].variables] if self._rebound else []
        values = dict(zip(names, args[0] if names else (), strict=True))
        request = taken._request(args, kwargs)
        taken._answer(request)
        recordings = [(x.kernel.graph, x.wiring.result, x.captured) for x in taken.variants[request.signature]]
        return native_kernel(_name(self.function), request.signature, recordings, values)

    # ---- looking inside ----

    def _variant(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Variant:
        taken, args = self._taken(args)
        if taken is not self:
            return taken._variant(args, kwargs)
        return self._answer(self._request(args, kwargs))[0]

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
        return self._variant(args, kwargs).kernel.llvm

    def asm(self, *args: Any, **kwargs: Any) -> str:
        """The machine code, as assembly text, of the kernel that a call with these arguments runs."""
        return self._variant(args, kwargs).kernel.asm

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """What became of the function: its steps and what they fuse, its memory, its guards, and the times it took."""
        taken, args = self._taken(args)
        if taken is not self:
            return taken.explain(*args, **kwargs)
        request = self._request(args, kwargs)
        variant = self._answer(request)[0]
        it = Explained(
            request.signature, variant.recording, variant.kernel, variant.captured, variant.times, variant.notes
        )
        return explanation(_name(self.function), it, sum(map(len, self.variants.values())))


class _Method(functools.partial[Any]):
    """A compiled method of an instance."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.func, name)
        return functools.partial(found, *self.args) if isinstance(found, types.MethodType) else found


def _tried(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the function returns; `MISS` where the arguments are not those that it was made for."""
    try:
        return call(*args, **kwargs)
    except Exception:
        # For instance, a captured tensor has data of another dtype, shape or layout by now.
        return MISS


def _parameters(function: Callable[..., Any]) -> Collection[str]:
    """The names of the parameters, none where they are not known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ()


def _without_unused(graph: Graph, captured: tuple[Captured, ...]) -> tuple[Graph, tuple[Captured, ...]]:
    """The graph without the captures that passes have made useless."""
    used = {id(x) for equation in graph.equations for x in equation.inputs}
    used.update([id(x) for x in (*graph.outputs, *graph.guards)])
    kept = [(x, value) for x, value in zip(graph.captures, captured, strict=True) if id(x) in used]
    return graph._replace(captures=tuple([x for x, _ in kept])), tuple([value for _, value in kept])


def _link(signature: Signature, run: Trace, threads: int) -> Link | None:
    """What connects the results with the tensors that require a gradient, if there are any of either."""
    graph, captured, _ = run.recording
    inputs = [leaf for leaf in signature.leaves if leaf.kind != "static"]
    wanted = [leaf.requires_grad for leaf in inputs]
    wanted += [isinstance(x.source, Tensor) and x.source.requires_grad for x in captured]
    if not any(wanted) or not any(run.requires_grad):
        return None
    orders = [leaf.order for leaf in inputs] + [x.order for x in captured]
    pullback = Compiled(functools.partial(cotangents, graph, orders), threads=threads or None)
    return Link(pullback, wanted, run.requires_grad)


def _places(variant: Variant) -> str:
    return ", ".join(sorted(set(variant.recording.places))) or "unknown"


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
