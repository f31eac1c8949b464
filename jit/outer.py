"""A compiled call as one node of an eager tape: its backward is a compiled function as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.primitive import Primitive
from autograd.tape import Node
from autograd.tensor import constant


class Cotangents(tuple[Any, ...]):
    """The cotangents of several outputs, `None` for those that nothing depends on; they add element by element."""

    __slots__ = ()

    def __add__(self, other: Any) -> Cotangents:
        pairs = zip(self, other, strict=True)
        return Cotangents([y if x is None else x if y is None else x + y for x, y in pairs])


class Pullback:
    """The cotangents of all inputs of one call, computed at once and handed out one by one."""

    def __init__(self, function: Callable[..., Any], wanted: tuple[bool, ...]) -> None:
        self.function, self.wanted = function, wanted
        self.last: tuple[Any, Any] = (None, None)

    def __call__(self, i: int, g: Any, inputs: tuple[Any, ...]) -> Any:
        if self.last[0] is not g:
            gs = list(g) if isinstance(g, Cotangents) else [g]
            self.last = (g, self.function(gs, list(inputs), self.wanted))
        return self.last[1][i]


def _call_vjp(i: int) -> Any:
    return lambda g, _, *inputs, pullback: pullback(i, g, inputs)


def _no_eval(*inputs: Any, **params: Any) -> Any:
    raise NotImplementedError("a compiled call is evaluated by its kernel")


def _pick_vjp(g: Any, _: Any, x: Any, *, index: int, count: int) -> Any:
    return Cotangents([g if i == index else None for i in range(count)])


compiled_call = Primitive("compiled_call", eval=_no_eval, aval=_no_eval, vjps=_call_vjp, saves="inputs")
compiled_output = Primitive("compiled_output", eval=_no_eval, aval=_no_eval, vjps=(_pick_vjp,), saves="shapes")


def connect(
    outputs: Sequence[Any], inputs: Sequence[Any], values: Sequence[Any], function: Callable[..., Any]
) -> list[Tensor]:
    """The outputs of a compiled call as tensors of the tape that its inputs are on.

    **Arguments:** `outputs`, the arrays; `inputs`, the tensors (or what else was given) and `values`, their arrays;
    `function(gs, values, wanted)`, which gives the cotangents of the inputs that are wanted.
    """
    wanted = tuple([isinstance(x, Tensor) and x.requires_grad for x in inputs])
    parents = tuple([(x.node or x) if w else None for x, w in zip(inputs, wanted, strict=True)])
    params = {"pullback": Pullback(function, wanted)}
    call = Node(compiled_call, tuple(values), None, params, parents, True)
    tensors = []
    for i, out in enumerate(outputs):
        x = constant(np.asarray(out))
        if x.dtype.kind == "f":
            x.requires_grad = True
            x.node = call if len(outputs) == 1 else _picked(call, i, len(outputs))
        tensors.append(x)
    return tensors


def _picked(call: Node, i: int, count: int) -> Node:
    return Node(compiled_output, (None,), None, {"index": i, "count": count}, (call,), True)
