"""The derivatives of functions in the forms of `torch.autograd.functional`: their arguments and the shapes they return.

Where tensors come in, tensors come out, and arrays where only arrays do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .functions.arguments import as_array
from .linear import Linear, direction, zeros_of
from .primitive import aval_of
from .tensor import Tensor
from .transforms import fresh, leaving

Function = Callable[..., Any]
_STRATEGIES = ("reverse-mode", "forward-mode")


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs of a function, and the product of a vector and its Jacobian.

    **Arguments:** `func`, a function of tensors that returns a tensor or a tuple of them; `inputs`, its argument or a
    tuple of arguments; `v`, a vector for each output, with its shape, which may be left out for a single number;
    `create_graph`, whether results can be differentiated in turn; `strict`, whether an output that does not depend on
    an input is an error instead of zeros.

    **Returns:** the outputs, and what has the shape of the inputs: a tuple if `inputs` is one.

    **Errors:** `RuntimeError` for a missing `v`, and what `strict` says; `ValueError` for a `v` of another shape;
    `TypeError` for integers.

    >>> import autograd as ag
    >>> ag.functional.vjp(lambda x: x**2, ag.tensor([1.0, 2.0]), ag.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    at = _Point("vjp", func, inputs, v, create_graph, strict)
    gs = at.vectors(v, at.linear.outputs, at.several_outputs, "output")
    return at.outputs(), at.cotangents(gs)


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs of a function, and the product of its Jacobian and a vector, in forward mode.

    **Arguments:** as for `vjp`, but `v` has a vector for each input, and may be left out for a single number as input.

    **Returns:** the outputs, and what has the shape of the outputs.

    **Errors:** as for `vjp`.

    >>> import autograd as ag
    >>> ag.functional.jvp(lambda x: x**2, ag.tensor([1.0, 2.0]), ag.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    at = _Point("jvp", func, inputs, v, create_graph, strict)
    vs = at.vectors(v, at.linear.leaves, at.several_inputs, "input")
    return at.outputs(), at.tangents(vs)


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    *,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of a function.

    **Arguments:** as for `vjp`; `strategy`, `"reverse-mode"` for a sweep for each row, `"forward-mode"` for one for
    each column.

    **Returns:** for one output and one input the Jacobian, whose shape is that of the output followed by that of the
    input; for a tuple of inputs or outputs a tuple of Jacobians; for tuples of both a tuple of tuples, one for each
    output.

    **Errors:** as for `vjp`, and `ValueError` for another strategy.

    >>> import autograd as ag
    >>> ag.functional.jacobian(lambda x, y: x * y, (ag.tensor([1.0, 2.0]), ag.tensor(3.0)))
    (tensor([[3., 0.],
            [0., 3.]]), tensor([1., 2.]))
    """
    if strategy not in _STRATEGIES:
        raise ValueError(f"`jacobian` needs a strategy of {' or '.join(map(repr, _STRATEGIES))}, got {strategy!r}")
    at = _Point("jacobian", func, inputs, None, create_graph, strict)
    return at.matrices(forward=strategy == "forward-mode")


def hessian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False) -> Any:
    """The second derivatives of a function.

    **Arguments:** as for `vjp`; `func` returns one number.

    **Returns:** for one input the Hessian, whose shape is that of the input twice; for a tuple of inputs a tuple of
    tuples of such blocks.

    **Errors:** as for `vjp`, and `RuntimeError` for a function that does not return a tensor with one element.

    >>> import autograd as ag
    >>> ag.functional.hessian(lambda x: x[0] * x[1] ** 2, ag.tensor([1.0, 2.0]))
    tensor([[0., 4.],
            [4., 2.]])
    """
    gradient = _Gradient("hessian", func)
    at = _Point("hessian", gradient, inputs, None, create_graph, strict)
    at.several_outputs = at.several_inputs
    return at.matrices(forward=False)


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function, and the product of a vector and its Hessian.

    **Arguments:** as for `hessian`; `v`, a vector for each input, with its shape, which may be left out for a single
    number.

    **Returns:** the value, and what has the shape of the inputs.

    **Errors:** as for `hessian`.

    >>> import autograd as ag
    >>> ag.functional.vhp(lambda x: (x**3).sum(), ag.tensor([1.0, 2.0]), ag.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function, and the product of its Hessian and a vector, which is `vhp`: the Hessian is symmetric.

    **Arguments, Returns, Errors:** as for `vhp`.

    >>> import autograd as ag
    >>> ag.functional.hvp(lambda x: (x**3).sum(), ag.tensor([1.0, 2.0]), ag.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(
    name: str, func: Function, inputs: Any, v: Any, create_graph: bool, strict: bool
) -> tuple[Any, Any]:
    gradient = _Gradient(name, func)
    at = _Point(name, gradient, inputs, v, create_graph, strict)
    vs = at.vectors(v, at.linear.leaves, at.several_inputs, "input")
    found = at.cotangents(vs)
    return at.left(gradient.value), found


class _Point:
    """A function at its inputs, with the conventions of PyTorch for what is given and returned."""

    def __init__(self, name: str, func: Function, inputs: Any, v: Any, create_graph: bool, strict: bool) -> None:
        self.name, self.create_graph, self.strict = name, create_graph, strict
        self.several_inputs = isinstance(inputs, tuple | list)
        given = list(inputs) if self.several_inputs else [inputs]
        self.leave = leaving([*given, *(v if isinstance(v, tuple | list) else [] if v is None else [v])])
        leaves = [_leaf(name, x, i) for i, x in enumerate(given)]
        self.linear = Linear(getattr(func, "__name__", "func"), lambda: func(*leaves), leaves, create_graph)
        self.several_outputs = self.linear.structure.kind is not None

    def outputs(self) -> Any:
        """What the function returned."""
        return _packed([self.left(y) for y in self.linear.outputs], self.several_outputs)

    def left(self, x: Any) -> Any:
        """A result for the caller, cut off from the graph unless that was asked for."""
        return self.leave(x.detach() if isinstance(x, Tensor) and not self.create_graph else x)

    def vectors(self, v: Any, xs: Sequence[Any], several: bool, what: str) -> list[Any]:
        """The vector of each input or output.

        **Errors:** `RuntimeError` for a missing one, `ValueError` for another number of them.
        """
        if v is None:
            if len(xs) != 1 or xs[0].size != 1:
                raise RuntimeError(
                    f"`{self.name}` needs `v` unless the {what} is a single number, got {len(xs)} of shape "
                    f"{', '.join(str(x.shape) for x in xs)}; pass a vector of that shape"
                )
            return [np.ones(xs[0].shape, xs[0].dtype)]
        given = list(v) if several and isinstance(v, tuple | list) else [v]
        if len(given) != len(xs):
            raise ValueError(f"`{self.name}` needs `v` for each of {len(xs)} {what}s, got {len(given)}")
        return [direction(self.name, "`v`", one, x) for one, x in zip(given, xs, strict=True)]

    def cotangents(self, gs: Sequence[Any]) -> Any:
        """What the vectors of the outputs are pulled back to."""
        found = self.linear.pull(gs)
        words = [f"the value of `{self.linear.name}` does not depend on input {j}" for j in range(len(found))]
        return self._products(found, self.linear.leaves, words, self.several_inputs)

    def tangents(self, vs: Sequence[Any]) -> Any:
        """What the vectors of the inputs are pushed forward to."""
        found = self.linear.push(vs)
        words = [f"output {k} of `{self.linear.name}` does not depend on the inputs" for k in range(len(found))]
        return self._products(found, self.linear.outputs, words, self.several_outputs)

    def _products(self, found: Sequence[Any], xs: Sequence[Any], words: Sequence[str], several: bool) -> Any:
        for product, independent in zip(found, words, strict=True):
            self._check(product, independent)
        return _packed([self.left(zeros_of(x) if y is None else y) for y, x in zip(found, xs, strict=True)], several)

    def matrices(self, forward: bool) -> Any:
        """The Jacobian of each output by each input."""
        rows = []
        for k, row in enumerate(self.linear.matrices(forward)):
            for j, block in enumerate(row):
                self._check(block, f"output {k} of `{self.linear.name}` does not depend on input {j}")
            rows.append(_packed([self.left(block) for block in self.linear.filled(k, row)], self.several_inputs))
        return _packed(rows, self.several_outputs)

    def _check(self, derivative: Any, independent: str) -> None:
        """
        **Errors:** `RuntimeError` for a derivative that is zero whatever the inputs, if `strict`.
        """
        if self.strict and derivative is None:
            raise RuntimeError(f"`{self.name}` with `strict=True`: {independent}; leave `strict` out to get zeros")
        if self.strict and self.create_graph and not (isinstance(derivative, Tensor) and derivative.requires_grad):
            raise RuntimeError(
                f"`{self.name}` with `strict=True` and `create_graph=True`: a derivative of `{self.linear.name}` does "
                "not depend on the inputs; leave `strict` out to get constants"
            )


class _Gradient:
    """The gradient of a function of one number, as a function of tensors; it keeps the value of the last call."""

    def __init__(self, name: str, func: Function) -> None:
        self.name, self.func, self.value = name, func, None
        self.__name__ = f"the gradient of {getattr(func, '__name__', 'func')}"

    def __call__(self, *inputs: Tensor) -> Any:
        at = _Point(self.name, self.func, inputs, None, create_graph=True, strict=False)
        outputs = at.linear.outputs
        if len(outputs) != 1 or at.several_outputs or outputs[0].size != 1:
            raise RuntimeError(
                f"`{self.name}` needs a function that returns a single number, got {len(outputs)} results of shape "
                f"{', '.join(str(y.shape) for y in outputs)}; reduce it, with `.sum()`"
            )
        self.value = outputs[0]
        return at.cotangents([np.ones(outputs[0].shape, outputs[0].dtype)])


def _leaf(name: str, x: Any, i: int) -> Tensor:
    """An input as a tensor to differentiate by.

    **Errors:** `TypeError` for what has no gradient.
    """
    dtype = aval_of(x if isinstance(x, Tensor) else as_array(x)).dtype
    if dtype.kind not in "fc":
        raise TypeError(
            f"`{name}` needs floating-point inputs, got {dtype.name} for input {i}; convert it, or write numbers with "
            "a decimal point"
        )
    return fresh(x)


def _packed(parts: Sequence[Any], several: bool) -> Any:
    return tuple(parts) if several else parts[0]
