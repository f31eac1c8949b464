"""A compiled call as one node of an eager tape: its backward is a compiled function as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd import Tensor
from autograd.context import Cotangents
from autograd.primitive import Primitive
from autograd.tape import Node


def _call_vjps(g: Any, _: Any, *inputs: Any, link: Link) -> list[Any]:
    """The cotangents of all inputs of a call; the kernel computes them at once."""
    return link.pullback(list(g) if isinstance(g, Cotangents) else [g], list(inputs), link.wanted)


def _no_eval(*inputs: Any, **params: Any) -> Any:
    raise NotImplementedError("a compiled call is evaluated by its kernel")


def _pick_vjp(g: Any, _: Any, x: Any, *, index: int, count: int) -> Any:
    return Cotangents.one(g, index, count)


compiled_call = Primitive("compiled_call", eval=_no_eval, aval=_no_eval, vjps=_call_vjps, saves="inputs")
compiled_output = Primitive("compiled_output", eval=_no_eval, aval=_no_eval, vjps=(_pick_vjp,), saves="shapes")


class Link:
    """What connects the tensors that a compiled call returns with those that it was given and those that it captured.

    **Arguments:** `pullback(gs, values, wanted)`, which gives the cotangents of the inputs that are `wanted` from those
    of the outputs; `requires_grad`, which outputs have a gradient.
    """

    def __init__(self, pullback: Callable[..., Any], wanted: Sequence[bool], requires_grad: Sequence[bool]) -> None:
        self.pullback, self.wanted, self.requires_grad = pullback, tuple(wanted), tuple(requires_grad)

    def __call__(self, outputs: Sequence[Tensor], inputs: Sequence[Any], values: Sequence[Any]) -> None:
        """Puts the outputs on the tape that the inputs are on; `values` are the arrays of the inputs."""
        parents = tuple([(x.node or x) if want else None for x, want in zip(inputs, self.wanted, strict=True)])
        call = Node(compiled_call, tuple(values), None, {"link": self}, parents, True)
        for i, (y, connected) in enumerate(zip(outputs, self.requires_grad, strict=True)):
            if connected:
                y.requires_grad = True
                y.node = call if len(outputs) == 1 else _picked(call, i, len(outputs))


def _picked(call: Node, i: int, count: int) -> Node:
    return Node(compiled_output, (None,), None, {"index": i, "count": count}, (call,), True)
