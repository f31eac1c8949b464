"""A compiled function: its recordings by signature, and the way from a call to the kernel that answers it."""

from __future__ import annotations

import functools
import inspect
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple, NoReturn, TypedDict

import numpy as np

from autograd import Tensor
from autograd.lengths import Lengths
from autograd.tape import current_tape

from .bound import bound_call
from .cache import uncollected
from .caller import MISS, Wiring
from .changes import difference, reason, same_decisions
from .counts import is_same_but_for_steps, widen
from .emit.repeat import NO_ROOM
from .explain import Explained, explanation
from .graph import Graph
from .loop import SHARED, has_bounds
from .native_kernel import NativeKernel, native_kernel
from .opening import (
    Dynamic,
    NotOpen,
    axes_that_differ,
    checked_axes,
    is_served,
    marked,
    open_signature,
    opened,
    told,
)
from .out import check_out, written
from .outer import Link
from .places import places_of
from .pool import checked
from .rebinding import Rebound, rebound, variables_of
from .replay import cotangents
from .shipping import shipped
from .signature import Signature, signature_of
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
# So many callers are tried before the signature of a call is looked up.
_RECENT = 16


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

    def __init__(
        self,
        function: Callable[..., Any],
        functional: bool = False,
        *,
        threads: int | None = None,
        max_variants: int = 16,
        strict: bool = False,
        verify: bool = True,
        dynamic: Dynamic | None = None,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.functional = function, functional
        self.threads = 0 if threads is None else checked(threads, "a compiled function", threads)
        self.max_variants, self.strict, self.verify = _positive(max_variants), strict, verify
        self.variants: dict[Signature, list[Variant]] = {}
        # Those that serve many sizes, and why there are none for others.
        self.open: list[Variant] = []
        self.refused: list[str] = []
        self._parameters = _parameters(function)
        self._takes_out = "out" not in self._parameters
        self.dynamic = None if dynamic is None else checked_axes(dynamic, self._parameters, _name(function))
        # By what factor there has to be room for more steps of loops than at first.
        self.room: dict[Signature, int] = {}
        # What `rebind` was told of, and the function that takes their values as well.
        self._rebound: tuple[Rebound, Compiled] | None = None
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
            self._rebound = function, Compiled(function, self.functional, **self._options())
        self._call = self._with_variables

    def _options(self) -> Options:
        return {
            "threads": self.threads or None,
            "max_variants": self.max_variants,
            "strict": self.strict,
            "verify": self.verify,
            # The values of variables come first, so that parameters have no names there.
            "dynamic": {} if self.dynamic == {} else None,
        }

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
        own = {"function", "__wrapped__", "_call", "_recent", "_rebound", "_parameters"}
        return {name: x for name, x in vars(self).items() if name not in own}, function, names

    def __setstate__(self, state: Any) -> None:
        attributes, function, names = state
        vars(self).update(attributes)
        self.function = self.__wrapped__ = function.function()
        self._call, self._recent, self._rebound = _never, (), None
        self._parameters = _parameters(self.function)
        for variant in [*self.open, *[x for known in self.variants.values() for x in known]]:
            leaves = variant.wiring.signature.leaves
            objects = [leaf.value[1] for leaf in leaves if leaf.kind == "static"]
            variant.reads_from(places_of([self.function, *objects]))
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
        if variant.verified:
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

    def _answer_alone(self, request: _Request, run: Trace | None = None) -> tuple[Variant, Any]:
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

    def _verify(self, variant: Variant, run: Trace, request: _Request) -> None:
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

    def _tell_difference(self, found: Any, run: Trace, request: _Request) -> NoReturn:
        """Raises the error of a function that gave two programs."""
        # Two runs more say where, if they differ from each other.
        first, second = (self._run_again(request, noting=True) for _ in range(2))
        noted = difference(first, second) or found
        lines = second.recording.lines if noted is not found or not _has_loops(run) else ()
        where = lines[noted.position] if 0 <= noted.position < len(lines) else "a line that is not known"
        raise RuntimeError(
            f"`{_name(self.function)}` does not depend on its arguments alone: {noted.what} in {where} got "
            f"{noted.before} in one run and {noted.after} in the next, and a kernel would keep one of them for ever; "
            "pass what the function draws, reads or changes (random numbers, a clock, a file, an object) as an "
            "argument, or say `verify=False` if it is meant to be kept"
        )

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
        if not (variant.verified or variant.wiring.result.gradients or result is MISS):
            self._verify(variant, self._run_again(request), request)
        if result is MISS:
            return variant.wiring, request.values, self._disagreement(variant, request), False
        return variant.wiring, request.values, result, True

    def _trace(self, request: _Request, noting: bool = False) -> Trace:
        room = self.room.get(request.signature, 1)
        with uncollected():
            return trace(self.function, request.signature, request.values, self.functional, room, noting)

    def _run_again(self, request: _Request, noting: bool = False) -> Trace:
        """A run that is not the first: what NumPy warns of was said before, or is no matter of the kernel."""
        with np.errstate(all="ignore"):
            return self._trace(request, noting)

    def _record_open(self, request: _Request) -> Variant | None:
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
            link = _link(signature, run, self.threads)
            variant = compiled(run, signature, self.threads, graph, link, None, perf_counter() - start)
        variant.verified = True
        self.open.insert(0, variant)
        return variant

    def _open_form(self, request: _Request) -> tuple[Signature, Lengths] | None:
        """The signature with open axes: those that are marked, or that differ from a known one."""
        if self.dynamic is not None:
            wanted = marked(self.dynamic, list(self._parameters.values()), request.signature)
            return open_signature(request.signature, wanted) if wanted else None
        for known in reversed(self.variants):
            axes = axes_that_differ(request.signature, known)
            if axes:
                return open_signature(request.signature, axes, known)
        return None

    def _record(self, request: _Request, run: Trace | None) -> Variant:
        """A new variant, of that run if there is one."""
        signature, start = request.signature, perf_counter()
        room = self.room.get(signature, 1)
        run = run or self._trace(request)
        for variant in self.variants.get(signature, ()) if run.counts else ():
            if is_same_but_for_steps(variant.run.recording, variant.wiring.result, run):
                widen(variant.run.counts, run.counts)
                return variant
        with uncollected():
            link = _link(signature, run, self.threads)
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
            stacklevel=7,
        )

    def _disagreement(self, variant: Variant, request: _Request) -> Any:
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
        if request.signature in taken.variants:
            taken._answer(request)
        else:
            taken._answer_alone(request)
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
        recording = variant.run.recording
        sizes = told(variant.kernel.graph.open, self.refused)
        it = Explained(
            request.signature, recording, variant.kernel, variant.captured, variant.times, variant.run.notes, sizes
        )
        return explanation(_name(self.function), it, sum(map(len, self.variants.values())) + len(self.open))


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


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The names of the parameters, none where they are not known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _marks(dynamic: Mapping[str, frozenset[int]]) -> str:
    return ", ".join(f"`{name}` along {', '.join(map(str, sorted(axes)))}" for name, axes in dynamic.items())


def _link(signature: Signature, run: Trace, threads: int) -> Link | None:
    """What connects the results with the tensors that require a gradient, if there are any of either."""
    graph, captured = run.recording.graph, run.recording.captured
    inputs = [leaf for leaf in signature.leaves if leaf.kind != "static"]
    wanted = [leaf.requires_grad for leaf in inputs]
    wanted += [isinstance(x.source, Tensor) and x.source.requires_grad for x in captured]
    if not any(wanted) or not any(run.requires_grad):
        return None
    orders = [leaf.order for leaf in inputs] + [x.order for x in captured]
    pullback = Compiled(functools.partial(cotangents, graph, orders), threads=threads or None, verify=False)
    return Link(pullback, wanted, run.requires_grad)


def _places(variant: Variant) -> str:
    return ", ".join(sorted({x.where for x in variant.run.recording.decisions})) or "unknown"


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
