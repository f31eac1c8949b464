"""Gradients in both forms: of tensors with respect to tensors, and of functions as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from . import ops
from .functions import stack
from .tape import STATE
from .tensor import Tensor, constant, cotangents_of
from .tree import Structure, flatten, leaves_of, unflatten
from .views import protect

Argnums = int | Sequence[int]


def grad(
    y: Any,
    inputs: Any = 0,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradient of a function, as a function; or of tensors with respect to tensors.

    **Arguments:** in the functional form `grad(f, argnums)`, `f`, a function that returns one number, and the
    positions of the arguments to differentiate (the first one unless said); each may be an array, a
    tensor, or nested tuples, lists and dicts of them. In the form of tensors `grad(y, inputs)`, one tensor
    or several of each; `grad_outputs`, the cotangents of `y`, which may be left out for single numbers;
    `retain_graph` and `create_graph` as for `Tensor.backward`; `allow_unused`, whether an input that `y` does
    not depend on gets `None` instead of an error; `is_grads_batched`, whether each of `grad_outputs` is a stack of
    cotangents, which gives stacks of gradients; `materialize_grads`, whether an input that `y` does not depend on gets
    zeros.

    **Returns:** a function with the arguments of `f`: arrays in, arrays out; tensors in, tensors out. A
    tuple of gradients, one for each input, in the form of tensors.

    **Errors:** `RuntimeError` for an input that does not require a gradient or that `y` does not depend on;
    `TypeError` for integers, which have no gradient.

    >>> import numpy as np
    >>> import autograd as ag
    >>> ag.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> ag.grad(x * x, [x])
    (tensor(6.),)
    """
    if callable(y) and not isinstance(y, Tensor):
        differentiated = value_and_grad(y, inputs)

        @wraps(y)
        def gradient(*args: Any, **kwargs: Any) -> Any:
            return differentiated(*args, **kwargs)[1]

        return gradient
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    unused = "zeros" if materialize_grads else "none" if allow_unused else "error"
    if is_grads_batched:
        return _grad_of_batch(y, inputs, grad_outputs, retain_graph, create_graph, unused)
    return _grad_of_tensors(y, inputs, grad_outputs, retain_graph, create_graph, unused)


def _grad_of_batch(
    y: Any, inputs: Any, grad_outputs: Any, retain_graph: bool | None, create_graph: bool, unused: str
) -> tuple[Tensor | None, ...]:
    """The gradients for stacks of cotangents, as stacks."""
    stacks = [grad_outputs] if isinstance(grad_outputs, Tensor | np.ndarray) else list(grad_outputs or ())
    lengths = {np.shape(x)[0] if np.ndim(x) else 0 for x in stacks}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "`grad` with `is_grads_batched=True` needs `grad_outputs` with a first axis of one length, got "
            f"{' and '.join([str(np.shape(x)) for x in stacks]) or grad_outputs}"
        )
    count = lengths.pop()
    rows = []
    for i in range(count):
        retain = retain_graph if i == count - 1 else True
        rows.append(_grad_of_tensors(y, inputs, [x[i] for x in stacks], retain, create_graph, unused))
    return tuple([None if column[0] is None else stack(column) for column in zip(*rows, strict=True)])


def _grad_of_tensors(
    y: Any, inputs: Any, grad_outputs: Any, retain_graph: bool | None, create_graph: bool, unused: str
) -> tuple[Tensor | None, ...]:
    outputs = [y] if isinstance(y, Tensor) else list(y)
    xs = [inputs] if isinstance(inputs, Tensor) else inputs
    if not isinstance(xs, Sequence) or not all(isinstance(x, Tensor) for x in xs):
        raise TypeError(
            "`grad` of tensors needs `inputs`, a tensor or a sequence of tensors, got "
            f"{type(inputs).__name__}; for a gradient of a function pass the function itself"
        )
    for i, x in enumerate(xs):
        if not x.requires_grad:
            raise RuntimeError(
                f"`grad` needs inputs that require a gradient, got input {i} that does not; create it with "
                "`requires_grad=True`"
            )
    if grad_outputs is None or isinstance(grad_outputs, Tensor | np.ndarray):
        grad_outputs = [grad_outputs]
    if len(grad_outputs) == 1 and grad_outputs[0] is None:
        grad_outputs = [None] * len(outputs)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"`grad` needs a cotangent for each of {len(outputs)} outputs, got {len(grad_outputs)}")
    found = cotangents_of(outputs, grad_outputs, xs, retain_graph, create_graph)
    gradients: list[Tensor | None] = []
    for i, x in enumerate(xs):
        g = found.get(x.node or x)
        if g is None and unused == "error":
            raise RuntimeError(
                f"`grad`: the outputs do not depend on input {i}; pass `allow_unused=True` to get `None` for it"
            )
        if g is None and unused == "zeros":
            g = np.zeros(x.shape, x.dtype)
        gradients.append(g if g is None or isinstance(g, Tensor) else constant(np.asarray(g)))
    return tuple(gradients)


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the value of `f` and its gradient.

    **Arguments:** `f`, a function that returns one number; `argnums`, the position of the argument to
    differentiate, or several positions.

    **Returns:** a function with the arguments of `f` that returns `(value, gradient)`, the gradient of the
    structure of the argument, or a tuple of them for several positions; numbers in, numbers out.

    >>> import numpy as np
    >>> import autograd as ag
    >>> value, g = ag.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    >>> float(value), g
    (5.0, array([2., 4.]))
    """
    positions = positions_of("value_and_grad", f, argnums)

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        leaves, structures, all_args = differentiable(f, args, positions)
        given = leaves_of((args, kwargs))
        tensors = [x for x in given if isinstance(x, Tensor)]
        nesting, enabled = STATE.nesting, STATE.grad_enabled
        STATE.nesting, STATE.grad_enabled = nesting + 1, True
        try:
            out = _by_loops(f, leaves, all_args, kwargs)
            outer = nesting > 0 or any(x.requires_grad for x in tensors)
            gradients = _gradients(f, out, leaves, create_graph=outer)
        finally:
            STATE.nesting, STATE.grad_enabled = nesting, enabled
        leave = leaving(given)
        left = [leave(g) for g in gradients]
        return leave(out), by_argument(structures, left, argnums)

    return differentiated


def _by_loops(f: Callable[..., Any], leaves: list[Tensor], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """What `f` returns; where a tape that rolls records, by loops, so that their gradients are loops too."""
    tape = STATE.tape
    if tape is None or tape.roll is None:
        return f(*args, **kwargs)
    nodes, guards = len(tape.nodes), len(tape.guards)
    out = f(*args, **kwargs)
    if not isinstance(out, Tensor):
        return out
    (out,) = tape.roll(tape, nodes, guards, leaves, [out])
    return out


def differentiable(
    f: Any, args: tuple[Any, ...], positions: tuple[int, ...]
) -> tuple[list[Tensor], list[Structure], list[Any]]:
    """The leaves of the arguments at the positions as fresh tensors that require gradients."""
    name = getattr(f, "__name__", "f")
    all_args = list(args)
    leaves: list[Tensor] = []
    structures = []
    for i in positions:
        if not -len(args) <= i < len(args):
            raise TypeError(f"the gradient of `{name}` by argument {i} needs that argument, got {len(args)}")
        values, structure = flatten(args[i])
        tensors = [_argument(x, name, i) for x in values]
        all_args[i] = unflatten(structure, tensors)
        leaves += tensors
        structures.append(structure)
    return leaves, structures, all_args


def fresh(x: Any) -> Tensor:
    """A new tensor of the values of `x` that requires a gradient: with respect to it alone, however it was made.

    A tensor stays connected with its own graph, so that nested gradients see through it.
    """
    if STATE.tape is not None or (isinstance(x, Tensor) and x.requires_grad):
        x = x if isinstance(x, Tensor) else constant(np.asarray(x))
        t: Tensor = x.bind(ops.reshape, (x,), {"shape": x.shape})
    else:
        t = constant(x.data if isinstance(x, Tensor) else np.asarray(x))
        if not t.data.ndim:
            # A number, which no write changes.
            t.data = t.data[()]
    protect(t)
    t.requires_grad = True
    if t.node is not None:
        t.node.requires_grad = True
    return t


def _argument(x: Any, name: str, i: int) -> Tensor:
    x = x if isinstance(x, Tensor) else np.asarray(x)
    dtype = x.dtype
    if dtype.kind not in "fc":
        raise TypeError(
            f"the gradient of `{name}` needs floating-point arguments, got {dtype.name} for argument {i}; "
            "convert it, or write numbers with a decimal point"
        )
    return fresh(x)


def _gradients(f: Any, out: Any, leaves: list[Tensor], create_graph: bool) -> list[Any]:
    name = getattr(f, "__name__", "f")
    if not isinstance(out, Tensor):
        if np.ndim(out) != 0 or isinstance(out, tuple | list | dict) or out is None:
            raise TypeError(
                f"the gradient of `{name}` needs a single number, got {type(out).__name__}; return one tensor"
            )
        return [constant(np.zeros(x.shape, x.dtype)) for x in leaves]
    if out.size != 1:
        raise ValueError(
            f"the gradient of `{name}` needs a single number, got shape {out.shape}; reduce it, with `.sum()`"
        )
    if out.dtype.kind not in "fc":
        raise TypeError(f"the gradient of `{name}` needs a floating-point value, got {out.dtype.name}")
    found = {}
    if out.requires_grad:
        found = cotangents_of([out], [None], leaves, None, create_graph)
    gradients = [found.get(x.node or x) for x in leaves]
    return [np.zeros(x.shape, x.dtype) if g is None else g for g, x in zip(gradients, leaves, strict=True)]


def positions_of(name: str, f: Any, argnums: Argnums) -> tuple[int, ...]:
    """The positions of the arguments to differentiate.

    **Errors:** `TypeError` for what is no function or no position.
    """
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not callable(f) or not all(isinstance(i, int) for i in positions):
        raise TypeError(f"`{name}` needs a function and positions of arguments, got {f!r}, {argnums!r}")
    return positions


def by_argument(structures: Sequence[Structure], leaves: Sequence[Any], argnums: Argnums) -> Any:
    """The leaves in the structure of the argument at a position, or a tuple of such for several positions."""
    rest = iter(leaves)
    parts = [unflatten(structure, rest) for structure in structures]
    return parts[0] if isinstance(argnums, int) else tuple(parts)


def leaving(given: Sequence[Any]) -> Callable[[Any], Any]:
    """What makes a result for a caller who gave these leaves of arguments."""
    if STATE.tape is not None or any(isinstance(x, Tensor) for x in given):
        return _tensor
    if STATE.nesting > 0:
        return _inner
    return _number if all(type(x) in (float, int) for x in given) else _array


def _tensor(x: Any) -> Any:
    """A result where tensors came in."""
    return x if isinstance(x, Tensor) else constant(np.asarray(x))


def _inner(x: Any) -> Any:
    """A result inside an outer gradient, which it stays connected with."""
    return x if isinstance(x, Tensor) and x.requires_grad else _array(x)


def _array(x: Any) -> Any:
    """A result where arrays came in."""
    x = x.data if isinstance(x, Tensor) else x
    # A sweep may hand out a view of what the caller still holds.
    if isinstance(x, np.ndarray) and (x.base is not None or not x.flags.writeable):
        return x.copy()
    return x


def _number(x: Any) -> Any:
    """A result where Python numbers came in."""
    x = _array(x)
    return x.item() if isinstance(x, (np.ndarray, np.generic)) and x.ndim == 0 else x
