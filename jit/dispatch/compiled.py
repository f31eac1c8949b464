"""A compiled function: the way from a call to the kernel that answers it, and what there is to see of it."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from autograd.tape import current_tape

from ..calling.bound import bound_call
from ..calling.caller import MISS, PATIENCE, Wiring, answer_of
from ..calling.explain import Explained, explanation
from ..graph import Graph
from ..native.native_kernel import NativeKernel, native_kernel
from ..recording.places import places_of
from ..recording.rebinding import Rebound, rebound, variables_of
from ..signature import Signature, signature_of
from .opening import told
from .recordings import Options, Recordings, Request
from .search import Search, Searches
from .shipping import shipped
from .variant import Variant

# So many callers are tried before the signature of a call is looked up.
_RECENT = 16


def _never(*args: Any, **kwargs: Any) -> Any:
    return MISS


class Compiled(Recordings):
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

    def __init__(self, function: Callable[..., Any], functional: bool = False, **options: Unpack[Options]) -> None:
        parameters = _parameters(function)
        super().__init__(function, functional, parameters, **options)
        functools.update_wrapper(self, function, updated=())
        self._takes_out = "out" not in parameters
        # What `rebind` was told of, and the function that takes their values as well.
        self._rebound: tuple[Rebound, Compiled] | None = None
        # What answered last, and what answered before: functions, and searches that find some.
        self._call: Callable[..., Any] = _never
        self._recent: tuple[Any, ...] = ()
        # How many calls have been found by trying since the last recording, and what finds others.
        self._changes = 0
        self._searches = Searches(self.threads, self._takes_out)

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
        return bound_call(self.function, self._answer_bound, self._finder, args, kwargs, out)

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
        own = {"function", "__wrapped__", "_call", "_recent", "_changes", "_searches", "_rebound", "_parameters"}
        return {name: x for name, x in vars(self).items() if name not in own}, function, names

    def __setstate__(self, state: Any) -> None:
        attributes, function, names = state
        vars(self).update(attributes)
        self.function = self.__wrapped__ = function.function()
        self._call, self._recent, self._rebound = _never, (), None
        self._changes, self._searches = 0, Searches(self.threads, self._takes_out)
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
        last, tried = self._call, self._recent
        for way in tried:
            if type(way) is Search:
                call, out = way.answer(args, kwargs, last)
            else:
                call, out = way, MISS if way is last else answer_of(way, args, kwargs)
            if out is not MISS:
                if type(way) is Search:
                    self._use(way.call if way.is_quick and last is not way.call and not kwargs else call, way)
                else:
                    self._use(call, way)
                    self._changed(args, kwargs)
                return out
        request = self._request(args, kwargs)._replace(tried=(last, *tried))
        variant, out = self._answer(request)
        if out is MISS:
            return self._disagreement(variant, request)
        if variant.verified:
            call = variant.call if request.out is None else variant.call_with_out
            self._use(call, call)
            self._changed(args, kwargs)
        else:
            self._changes = 0
        return out

    def _use(self, call: Callable[..., Any], way: Any) -> None:
        self._call = call
        if not self._recent or self._recent[0] is not way:
            self._recent = (way, *[x for x in self._recent if x is not way])[:_RECENT]

    def _changed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Sees to it that variants are searched for, once other ones than the last were found often by trying them."""
        self._changes += 1
        if self._changes < PATIENCE:
            return
        self._changes = 0
        search = self._search(self._request(args, kwargs).signature)
        if search is not None:
            self._recent = (search, *[x for x in self._recent if not search.replaces(x)])

    def _search(self, signature: Signature) -> Search | None:
        """The search among the variants of a signature, if there are several and it is worthwhile."""
        variants = [x for x in self.variants.get(signature, ()) if x.verified]
        return self._searches.of(signature, variants) if len(variants) > 1 else None

    def _finder(self, signature: Signature, values: Sequence[Any]) -> Callable[[], Any] | None:
        """What finds the variant for a bound call."""
        search = self._search(signature)
        return None if search is None else search.bound(values)

    def _without_out(self, kwargs: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        if not (self._takes_out and "out" in kwargs):
            return kwargs, None
        return {key: x for key, x in kwargs.items() if key != "out"}, kwargs["out"]

    def _request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        kwargs, out = self._without_out(kwargs)
        return Request(args, kwargs, out, *signature_of(args, kwargs))

    def _recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the function as part of what is recorded."""
        kwargs, out = self._without_out(kwargs)
        if out is not None:
            raise TypeError(f"{self!r} was called with `out=` while a tape records, which follows results, not arrays")
        return self.function(*args, **kwargs)

    def _answer_bound(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> tuple[Wiring, Sequence[Any], Any, bool]:
        """Answers a bound call, as `bound_call` needs it."""
        request = Request(args, kwargs, out, *signature_of(args, kwargs))
        variant, result = self._answer(request)
        if not (variant.verified or variant.wiring.result.gradients or result is MISS):
            self._verify(variant, self._run_again(request), request)
        if result is MISS:
            return variant.wiring, request.values, self._disagreement(variant, request), False
        return variant.wiring, request.values, result, True

    def _compiled(self, function: Callable[..., Any]) -> Compiled:
        return Compiled(function, threads=self.threads or None, verify=False)

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
        return native_kernel(self.name, request.signature, recordings, values)

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
        notes = variant.run.notes
        it = Explained(request.signature, recording, variant.kernel, variant.captured, variant.times, notes)
        ways = self._searches.told(request.signature, self.variants.get(request.signature, ()))
        it = it._replace(sizes=told(variant.kernel.graph.open, self.refused), ways=ways)
        return explanation(self.name, it, sum(map(len, self.variants.values())) + len(self.open))


class _Method(functools.partial[Any]):
    """A compiled method of an instance."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.func, name)
        return functools.partial(found, *self.args) if isinstance(found, types.MethodType) else found


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The names of the parameters, none where they are not known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
