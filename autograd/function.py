"""Functions with a derivative of their own: `forward` and `backward` as PyTorch has them.

A call is one node, whose rule runs `backward`. Its values go through one more node for each output where there are
several. While a tape records, what `forward` did is recorded too, and the two nodes stand around it: what the node of
the call needs for `backward` are its inputs, so that the recorded graph can be differentiated at other values.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from copy import copy
from functools import wraps
from typing import Any

import numpy as np

from .context import Context, Cotangents, Kept, Output, fitted
from .functions.elementwise import clone
from .hooks import turned
from .ops.broadcasting import zeros
from .primitive import Aval, Primitive, aval_of
from .tape import Node, current_tape, gradients_enabled, no_grad
from .tensor import Tensor, constant
from .tree import flatten


class Function:
    """A function with a derivative of its own.

    A subclass has two static methods. `forward(ctx, *args)` computes the outputs, one tensor or a tuple, and runs
    without recording gradients. `backward(ctx, *grads)` gets the gradient of each output and returns that of each
    argument, `None` where there is none; written in functions of this library, it can be differentiated again.
    As in PyTorch, `forward(*args)` without `ctx` goes with `setup_context(ctx, inputs, output)`.

    Derivatives in forward mode follow `backward`, unless there is `jvp(ctx, *tangents)`, which gets the tangent of each
    argument, `None` for those without one, and returns that of each output. `backward` is not differentiated by the
    gradients that it gets then, so it may be `once_differentiable`.

    `apply(*args)` calls it. A compiled function records what `forward` and `backward` do to tensors; a function of
    arrays, by NumPy or Numba, is compiled through `autograd.custom`.

    **Errors:** of the sweep, `RuntimeError` where `backward` returns another number of gradients than there are
    arguments, a gradient for what is no tensor, or one of another shape than its argument.

    >>> import autograd as ag
    >>> class Cube(ag.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x**2
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x)
    tensor([1., 8.], grad_fn=<CubeBackward>)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """

    setup_context: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(*args: Any) -> Any:
        """Computes the gradients of the arguments from those of the outputs."""
        raise NotImplementedError(
            "You must implement the backward method of your `Function` to take a gradient through it"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Is not how a function is called."""
        raise RuntimeError("a `Function` is called by its class: `Cube.apply(x)`, with static `forward` and `backward`")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The outputs of `forward` for these arguments, connected with the tensors among them."""
        recording = current_tape() is not None
        wanted = gradients_enabled() or recording
        needs = tuple([wanted and _may_need(x, recording) for x in args])
        context = Context(cls, needs)
        with no_grad():
            if cls.setup_context is None:
                outputs = cls.forward(context, *args, **kwargs)
            else:
                outputs = cls.forward(*args, **kwargs)
                cls.setup_context(context, args, outputs)
        several = isinstance(outputs, tuple)
        raws = outputs if several else (outputs,)
        if not any(isinstance(x, Tensor) for x in args):
            return outputs
        made = (_recorded if recording else _eager)(context, args, raws)
        return tuple(made) if several else made[0]


def _may_need(x: Any, recording: bool) -> bool:
    """Whether the gradient of an argument is wanted: a recorded graph may be differentiated later."""
    return isinstance(x, Tensor) and (x.requires_grad or (recording and x.dtype.kind in "fc"))


def _has_gradient(context: Context, raw: Any) -> bool:
    return isinstance(raw, Tensor) and raw.dtype.kind in "fc" and not any(raw is x for x in context._unmarked)


def _index(raws: Sequence[Any], args: Sequence[Any], x: Any) -> int | None:
    """Which output a saved tensor is, `None` for what is an argument or was made in between."""
    if x is None or any(x is arg for arg in args):
        return None
    return next((i for i, raw in enumerate(raws) if raw is x), None)


def _described(context: Context, args: Sequence[Any], raws: Sequence[Any]) -> Sequence[Any]:
    """Notes on the context what `backward` is checked against, and takes the saved tensors from it.

    From here on they belong to the node alone, which frees them.
    """
    saved = context._saved
    context._avals = tuple([aval_of(x) if isinstance(x, Tensor) else None for x in args])
    context._outputs = [aval_of(x) if isinstance(x, Tensor) else None for x in raws]
    context._nodes = [None] * len(raws)
    context._saved, context._unmarked = (), ()
    return saved


# ---- eagerly ----


def _eager(context: Context, args: Sequence[Any], raws: Sequence[Any]) -> list[Any]:
    """The outputs as new tensors, connected with the arguments by the node of the call."""
    connected = [_has_gradient(context, raw) for raw in raws]
    saved = _described(context, args, raws)
    outputs = [constant(x.data) if isinstance(x, Tensor) else x for x in raws]
    if not any(context.needs_input_grad) or not any(connected):
        return outputs
    places = [_index(raws, args, x) for x in saved]
    kept = [
        None if x is None else Kept(x) if i is None else Output(i, x.data) for x, i in zip(saved, places, strict=True)
    ]
    parents = [(x.node or x) if need else None for x, need in zip(args, context.needs_input_grad, strict=True)]
    inputs = (*context._avals, *kept)
    call = Node(function_call, inputs, None, {"context": context}, (*parents, *[None] * len(kept)), True)
    for i, (y, known) in enumerate(zip(outputs, connected, strict=True)):
        if known:
            y.requires_grad, y.node = True, _node_of_output(context, call, i)
    return outputs


def _node_of_output(context: Context, call: Node, i: int) -> Node:
    """The node of an output: that of the call if it is the only one, otherwise the one that it has while it lives."""
    if len(context._outputs) == 1:
        return call
    known = context._nodes[i]
    node: Node | None = None if known is None else known()
    if node is None:
        node = Node(function_output, (None, None), None, {"context": context, "index": i}, (None, call), True)
        context._nodes[i] = weakref.ref(node)
    return node


# ---- while a tape records ----


def _recorded(context: Context, args: Sequence[Any], raws: Sequence[Any]) -> list[Any]:
    """The outputs as equations of the tape, beside one that stands for the call.

    **Errors:** `RuntimeError` for what `forward` computed or kept where the recording does not see it.
    """
    connected = [_has_gradient(context, raw) for raw in raws]
    for i, (raw, known) in enumerate(zip(raws, connected, strict=True)):
        if isinstance(raw, np.ndarray | np.generic) or (known and raw.node is None and not _among(raw, args)):
            raise RuntimeError(
                f"`{context}`: output {i} of `forward` was computed outside of the recording, so a compiled function "
                "would repeat its values; write `forward` in functions of `autograd` on the tensors, or give the "
                "function of arrays to `autograd.custom`"
            )
    for name, x in vars(context).items():
        if not name.startswith("_") and any(isinstance(y, Tensor) for y in flatten(x)[0]):
            raise RuntimeError(
                f"`{context}`: `ctx.{name}` holds a tensor, which a recording cannot follow to `backward`; keep it "
                "with `ctx.save_for_backward`"
            )
    saved = _described(context, args, raws)
    context._places = [None if x is None else _index(raws, args, x) for x in saved]
    context._absent = [x is None for x in saved]
    inputs = [x if isinstance(x, Tensor) else 0 for x in args]
    for x, place in zip(saved, context._places, strict=True):
        # What was made in between is a constant to `backward`.
        follows = x is None or place is not None or _among(x, args)
        inputs.append(0 if x is None else x if follows else x.detach())
    call = function_call(*inputs, context=context)
    outputs = []
    for i, (raw, known) in enumerate(zip(raws, connected, strict=True)):
        if known:
            outputs.append(function_output(raw, call, context=context, index=i))
        else:
            outputs.append(raw.detach() if isinstance(raw, Tensor) else raw)
    return outputs


def _among(x: Any, args: Sequence[Any]) -> bool:
    return any(x is arg for arg in args)


# ---- backward ----


def _function_vjps(g: Any, out: Any, *inputs: Any, context: Context) -> list[Any]:
    """The gradients of a call's arguments by `backward`, on tensors; `out` is a tensor if they are to be recorded."""
    count, bound = len(context._avals), copy(context)
    gs = g if isinstance(g, Cotangents) else Cotangents([g])
    # Forward mode follows the gradients alone.
    bare = not any(isinstance(x, Tensor) for x in (out, *gs))
    needs = zip(inputs, context.needs_input_grad, strict=False)
    bound.needs_input_grad = tuple([x.requires_grad if isinstance(x, Tensor) else need for x, need in needs])
    bound._saved = [_restored(context, out, k, x) for k, x in enumerate(inputs[count:])]
    given = [_given(context, aval, x) for aval, x in zip(context._outputs, gs, strict=True)]
    forwards = not bare and context._function.jvp is not None
    if bare:
        with no_grad():
            found = context._function.backward(bound, *given)
    else:
        fixed = [x.detach() if forwards and x is not None else x for x in given]
        found = context._function.backward(bound, *fixed)
    gradients = [_checked(context, i, x, bare) for i, x in enumerate(_counted(context, found))]
    if forwards:
        gradients = _forwards(bound, given, gradients)
    return gradients + [None] * (len(inputs) - count)


def _forwards(bound: Context, given: Sequence[Tensor | None], gradients: Sequence[Any]) -> list[Any]:
    """The gradients of arguments, connected with those of the outputs by `jvp`."""
    call, saved = copy(bound), bound.saved_tensors
    call._saved = ()
    zeros_of = iter(_Tangents.apply(call, len(saved), *saved, *given))
    added = [turned(next(zeros_of)) if need else None for need in call.needs_input_grad]
    return [x if x is None or zero is None else x + zero for x, zero in zip(gradients, added, strict=True)]


def _restored(context: Context, out: Any, k: int, x: Any) -> Tensor | None:
    """A saved tensor as `backward` sees it: an output is connected with the call again."""
    if isinstance(x, Output):
        y = constant(x.data)
        if isinstance(out, Tensor) and out.node is not None:
            y.requires_grad, y.node = True, _node_of_output(context, out.node, x.index)
        return y
    if isinstance(x, Kept):
        return x.restored()
    if not context._places:
        return None
    if context._absent[k]:
        return None
    place = context._places[k]
    return x if place is None else function_output(x, out, context=context, index=place)


def _given(context: Context, aval: Aval | None, g: Any) -> Tensor | None:
    """The gradient of an output as a tensor."""
    if aval is None or (g is None and not context._materialize):
        return None
    if g is None:
        return constant(zeros(aval))
    return turned(g if isinstance(g, Tensor) else constant(g))


def _counted(context: Context, found: Any) -> list[Any]:
    """One gradient for each argument."""
    gradients = list(found) if isinstance(found, tuple | list) else [found]
    count = len(context._avals)
    if len(gradients) < count or any(x is not None for x in gradients[count:]):
        raise RuntimeError(
            f"function {context}Backward returned an incorrect number of gradients (expected {count}, got "
            f"{len(gradients)}); return one for each argument of `forward`, `None` for what has none"
        )
    return gradients[:count]


def _checked(context: Context, i: int, g: Any, bare: bool) -> Any:
    """The gradient of an argument, of its shape and dtype; for a sweep on `bare` arrays, an array."""
    aval = context._avals[i]
    if g is None:
        return None
    if aval is None:
        raise RuntimeError(
            f"function {context}Backward returned a gradient different than None at position {i + 1}, but the "
            "corresponding forward input was not a tensor; return `None` for it"
        )
    try:
        return turned(fitted(f"Function {context}Backward", i, g, aval, not bare))
    except ValueError as error:
        raise RuntimeError(str(error)) from None


def _output_vjp(g: Any, _: Any, raw: Any, call: Any, *, context: Context, index: int) -> Cotangents:
    return Cotangents.one(g, index, len(context._outputs))


#: A call, which stands for its outputs; their values come from elsewhere.
function_call = Primitive(
    "function_call",
    eval=lambda *inputs, context: np.float64(0),
    aval=lambda *inputs, context: Aval((), np.dtype(np.float64)),
    vjps=_function_vjps,
)

#: An output of a call: the value that `forward` computed, with the gradient of the call.
function_output = Primitive(
    "function_output",
    eval=lambda raw, call, context, index: raw,
    aval=lambda raw, call, context, index: raw,
    vjps=(None, _output_vjp),
    saves="shapes",
)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a `backward` that cannot be differentiated in turn, because it computes on arrays.

    >>> import numpy as np
    >>> import autograd as ag
    >>> class Sine(ag.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return ag.tensor(np.sin(x.detach().numpy()))
    ...
    ...     @staticmethod
    ...     @ag.once_differentiable
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * np.cos(x.detach().numpy())
    >>> x = ag.tensor(0.0, requires_grad=True)
    >>> ag.grad(Sine.apply(x), x)
    (tensor(1.),)
    """

    @wraps(backward)
    def once(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            found = backward(ctx, *grads)
        if not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return found
        several = isinstance(found, tuple)
        trap = [_Once.apply(x, *grads) if isinstance(x, Tensor) else x for x in (found if several else (found,))]
        return tuple(trap) if several else trap[0]

    return once


class _Once(Function):
    """The identity in its first argument, that cannot be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Any, *grads: Any) -> Any:
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


class _Tangents(Function):
    """Zeros, added to the gradients that `backward` gives: their derivative by the gradients of the outputs is `jvp`.

    A sweep gives gradients as a linear function of those of the outputs, and the transpose of that is `jvp`.
    """

    @staticmethod
    def forward(ctx: Any, call: Context, count: int, *tensors: Any) -> Any:
        ctx.call, ctx.count = call, count
        ctx.save_for_backward(*tensors[:count])
        wanted = [aval for aval, need in zip(call._avals, call.needs_input_grad, strict=True) if need]
        return tuple([clone(constant(zeros(aval))) for aval in wanted if aval is not None])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        call, given = copy(ctx.call), iter(grads)
        call._saved = ctx.saved_tensors
        tangents = [turned(next(given)) if need else None for need in call.needs_input_grad]
        found = call._function.jvp(call, *tangents)
        outputs = found if isinstance(found, tuple | list) else (found,)
        if len(outputs) != len(call._outputs):
            raise RuntimeError(
                f"`jvp` of the function {call} returned an incorrect number of tangents (expected "
                f"{len(call._outputs)}, got {len(outputs)}); return one for each output of `forward`"
            )
        needs = ctx.needs_input_grad[2 + ctx.count :]
        kept = [turned(x) if need and x is not None else None for x, need in zip(outputs, needs, strict=True)]
        return (None, None, *[None] * ctx.count, *kept)
