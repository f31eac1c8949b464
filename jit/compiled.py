"""A compiled function: its recordings by signature, and the way from a call to the kernel that answers it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import autograd as ag
from autograd import Tensor, ops
from autograd.tape import STATE, current_tape
from autograd.tensor import constant
from autograd.transforms import fresh
from autograd.tree import Structure, flatten, unflatten
from autograd.weak import weak

from .cache import kernel_of
from .caller import MISS, Constant, caller
from .graph import Graph
from .kernel import Kernel
from .outer import connect
from .passes import optimise
from .record import Captured, Recording, graph_of
from .replay import is_float, replay
from .signature import Signature, signature_of

#: Past so many recordings of one signature a warning says which line asks for them.
MAX_VARIANTS = 16


class Variant(NamedTuple):
    """One recording of a function: its kernel, and what calls it."""

    kernel: Kernel
    captured: tuple[Captured, ...]
    places: tuple[str, ...]
    call: Callable[..., Any]
    structure: Structure
    constants: tuple[bool, ...]
    pullback: Callable[..., Any]


def _never(*args: Any, **kwargs: Any) -> Any:
    return MISS


class Compiled:
    """A function whose recordings run as kernels; made by `jit.compile` and its relatives.

    The first call with new shapes or dtypes records the function by running it once, and compiles what it did.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.variants: dict[Signature, list[Variant]] = {}
        self._call: Callable[..., Any] = _never

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current_tape() is not None:
            return self.function(*args, **kwargs)
        try:
            out = self._call(*args, **kwargs)
        except Exception:
            # Not the arguments of the last call; what is wrong with them, if anything, comes out below.
            out = MISS
        return self._find(args, kwargs) if out is MISS else out

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__name__', self.function)}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    # ---- from a call to its variant ----

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers a call of another signature, branch or kind than the last one."""
        signature, values = signature_of(args, kwargs)
        ready_args, ready_kwargs = unflatten(signature.structure, list(values))
        for variant in self.variants.get(signature, ()):
            out = variant.call(*ready_args, **ready_kwargs)
            if out is not MISS:
                break
        else:
            variant, eager = self._record(signature, values)
            out = variant.call(*ready_args, **ready_kwargs)
            if out is MISS:
                out = self._disagreement(variant, eager)
        if not any(leaf.is_tensor for leaf in signature.leaves):
            self._call = variant.call
            return out
        return self._as_tensors(variant, signature, args, kwargs, values, out)

    def _record(self, signature: Signature, values: Sequence[Any]) -> tuple[Variant, Any]:
        recording, outputs, structure, eager = self._trace(signature, values)
        graph, captured = _without_unused(optimise(recording.graph), recording.captured)
        kernel = kernel_of(graph)
        call = caller(kernel, signature, captured, outputs, structure)
        constants = tuple([isinstance(x, Constant) for x in outputs])
        pullback = Compiled(functools.partial(_pull, kernel.graph))
        variant = Variant(kernel, captured, recording.places, call, structure, constants, pullback)
        known = self.variants.setdefault(signature, [])
        if not any(x.kernel is kernel and _same(x.captured, captured) for x in known):
            known.insert(0, variant)
            self._warn_of_many(known)
        return variant, eager

    def _trace(self, signature: Signature, values: Sequence[Any]) -> tuple[Recording, list[Any], Structure, Any]:
        """Runs the function once, recorded."""
        given, tensors, orders = [], [], []
        for leaf, value in zip(signature.leaves, values, strict=True):
            if leaf.kind == "static":
                given.append(value)
                continue
            x = constant(weak(value))
            x.requires_grad = leaf.requires_grad
            given.append(x)
            tensors.append(x)
            orders.append(leaf.order)
        args, kwargs = unflatten(signature.structure, given)
        with ag.record() as tape:
            result = self.function(*args, **kwargs)
        leaves, structure = flatten(result)
        traced = [x for x in leaves if isinstance(x, Tensor)]
        positions = iter(range(len(traced)))
        outputs = [next(positions) if isinstance(x, Tensor) else Constant(x) for x in leaves]
        recording = graph_of(tape, tensors, traced, orders)
        eager = unflatten(structure, [x.data if isinstance(x, Tensor) else x for x in leaves])
        return recording, outputs, structure, eager

    def _warn_of_many(self, known: list[Variant]) -> None:
        if len(known) > MAX_VARIANTS and len(known) & (len(known) - 1) == 0:
            places = ", ".join(sorted(set(known[0].places))) or "unknown"
            warnings.warn(
                f"{self!r} was recorded {len(known)} times for one signature, since values that Python looked at "
                f"changed ({places}); use `where` there, or keep that part out of the compiled function",
                stacklevel=5,
            )

    def _disagreement(self, variant: Variant, eager: Any) -> Any:
        places = ", ".join(sorted(set(variant.places))) or "unknown"
        warnings.warn(
            f"{self!r}: a value that Python looked at ({places}) differs in its last digits between the eager run and "
            "the kernel, on either side of the decision taken; the eager result is returned",
            stacklevel=4,
        )
        return eager

    # ---- tensors in, tensors out ----

    def _as_tensors(
        self,
        variant: Variant,
        signature: Signature,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        values: Sequence[Any],
        out: Any,
    ) -> Any:
        leaves, structure = flatten(out)
        places = [i for i, is_constant in enumerate(variant.constants) if not is_constant]
        traced = [leaf.kind != "static" for leaf in signature.leaves]
        given = [x for x, t in zip(flatten((args, kwargs))[0], traced, strict=True) if t]
        used = [x for x, t in zip(values, traced, strict=True) if t]
        sources = [x.source for x in variant.captured]
        if STATE.grad_enabled and any(isinstance(x, Tensor) and x.requires_grad for x in (*given, *sources)):
            used += [x.data if isinstance(x, Tensor) else x for x in sources]
            orders = [leaf.order for leaf, t in zip(signature.leaves, traced, strict=True) if t]
            orders += [x.order for x in variant.captured]
            pullback = functools.partial(_in_order, variant.pullback, orders)
            arrays = [np.asarray(x) for x in used]
            tensors = connect([leaves[i] for i in places], [*given, *sources], arrays, pullback)
        else:
            tensors = [constant(np.asarray(leaves[i])) for i in places]
        for i, x in zip(places, tensors, strict=True):
            leaves[i] = x
        return unflatten(structure, leaves)

    # ---- looking inside ----

    def _variant(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Variant:
        """The variant that answers a call, recorded if need be."""
        signature, values = signature_of(args, kwargs)
        ready_args, ready_kwargs = unflatten(signature.structure, list(values))
        for variant in self.variants.get(signature, ()):
            if variant.call(*ready_args, **ready_kwargs) is not MISS:
                return variant
        return self._record(signature, values)[0]

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
        """What became of the function: its graph, its loop nests and calls, its memory, and its guards."""
        variant = self._variant(args, kwargs)
        return explained(self, variant)


def explained(function: Any, variant: Variant) -> str:
    raise NotImplementedError


def _without_unused(graph: Graph, captured: tuple[Captured, ...]) -> tuple[Graph, tuple[Any, ...]]:
    """The graph without the captures that passes have made useless."""
    used = {id(x) for equation in graph.equations for x in equation.inputs}
    used.update([id(x) for x in (*graph.outputs, *graph.guards)])
    kept = [(x, value) for x, value in zip(graph.captures, captured, strict=True) if id(x) in used]
    return graph._replace(captures=tuple([x for x, _ in kept])), tuple([value for _, value in kept])


def _same(xs: Sequence[Captured], ys: Sequence[Captured]) -> bool:
    return all(x.source is y.source and x.order == y.order for x, y in zip(xs, ys, strict=True))


def _in_order(pullback: Any, orders: list[Any], gs: Any, values: list[Any], wanted: Any) -> Any:
    """Calls a pullback with inputs permuted as the graph takes them, and permutes their cotangents back."""
    permuted = [x if order is None else ops.transpose(x, axes=order) for x, order in zip(values, orders, strict=True)]
    cotangents = pullback(gs, permuted, wanted)
    return [
        g if g is None or order is None else ops.transpose(g, axes=tuple(np.argsort(order).tolist()))
        for g, order in zip(cotangents, orders, strict=True)
    ]


def _pull(graph: Graph, gs: list[Any], values: list[Any], wanted: tuple[bool, ...]) -> list[Any]:
    """The cotangents of the inputs of a graph that are wanted, from those of its outputs."""
    inputs = [fresh(x) if want and is_float(x) else x for x, want in zip(values, wanted, strict=True)]
    outputs = replay(graph, inputs)
    pairs = [
        (y, g) for y, g in zip(outputs, gs, strict=True) if g is not None and isinstance(y, Tensor) and y.requires_grad
    ]
    sought = [x for x, want in zip(inputs, wanted, strict=True) if want]
    if not pairs:
        return [x * 0 if want else None for x, want in zip(values, wanted, strict=True)]
    found = iter(ag.grad([y for y, _ in pairs], sought, [g for _, g in pairs], create_graph=True, allow_unused=True))
    cotangents = [next(found) if want else None for want in wanted]
    return [x * 0 if want and g is None else g for x, g, want in zip(values, cotangents, wanted, strict=True)]


def captured_values(captured: Sequence[Captured]) -> list[Any]:
    """What captures stand for, as a graph takes it: tensors stay tensors, so that gradients reach them."""
    return [x.source if x.order is None else ops.transpose(x.source, axes=x.order) for x in captured]
