"""Functions of arrays with a rule of their own: what NumPy or Numba computes, as an op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from itertools import count
from typing import Any

import numpy as np

from .context import fitted
from .hooks import turned
from .primitive import Aval, Primitive, Traced, aval_of
from .tensor import Tensor

Rule = Callable[..., Any]
_next_number = count().__next__


class Custom:
    """A function of arrays as an op; `autograd.custom` makes it.

    `compiled` holds what a compiler has made of it, by the dtypes and the numbers of axes of inputs and output.
    """

    def __init__(self, function: Callable[..., Any], vjp: Rule | tuple[Rule | None, ...] | None) -> None:
        update_wrapper(self, function, updated=())
        self.function = function
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self.vjp = tuple([_rule(x) for x in vjp]) if isinstance(vjp, tuple) else _rule(vjp)
        # Two functions of one name are two in the text of a graph.
        self.number = _next_number()
        self.compiled: dict[Any, Any] = {}

    def __call__(self, *inputs: Any) -> Any:
        """The value of the function for arrays, tensors and numbers; a tensor where one of them is."""
        if not any(isinstance(x, Traced) for x in inputs):
            return self.value(inputs)
        out = self.value([x.data if isinstance(x, Tensor) else x for x in inputs])
        params = {"function": self, "shape": out.shape, "dtype": out.dtype}
        tensor = next(x for x in inputs if isinstance(x, Traced))
        return tensor.bind(custom_call, inputs, params, lambda *_: out)

    def __repr__(self) -> str:
        return f"<custom {self.name}>"

    def __str__(self) -> str:
        return f"{self.name}.{self.number}"

    def __reduce__(self) -> Any:
        return Custom, (self.function, self.vjp)

    def value(self, inputs: Sequence[Any]) -> Any:
        """What the function gives for these arrays, in the form in which it takes them.

        **Errors:** `TypeError` where that is no array and no number.
        """
        given = [_taken(x) for x in inputs]
        out = self.function(*given)
        kind = getattr(out, "dtype", np.dtype(type(out))).kind
        plain = isinstance(out, np.ndarray | np.generic | complex | float | int) and not isinstance(out, Tensor)
        if not plain or kind not in "biufc":
            raise TypeError(
                f"the custom function `{self.name}` needs to return an array or a number, got {type(out).__name__}; "
                "for several results stack them, or make a function of each; for a rule with several gradients give "
                "`custom` a tuple of functions, one for each input"
            )
        if not isinstance(out, np.ndarray):
            return np.asarray(out)[()]
        # The memory of a result is nobody else's.
        return out.copy() if any(np.may_share_memory(out, x) for x in given) else out

    def cotangents(self, g: Any, out: Any, inputs: tuple[Any, ...]) -> list[Any]:
        """The cotangents of all inputs, by the rule."""
        if self.vjp is None:
            raise NotImplementedError(
                f"the custom function `{self.name}` has no gradient; give it a rule, `custom({self.name}, vjp)` with "
                "`vjp(g, out, *inputs)`, or stop the gradient of its inputs with `detach`"
            )
        g = turned(g)
        if isinstance(self.vjp, tuple):
            found = [None if rule is None else rule(g, out, *inputs) for rule in self.vjp]
        else:
            found = self.vjp(g, out, *inputs)
            found = list(found) if isinstance(found, tuple | list) else [found]
        if len(found) != len(inputs):
            raise ValueError(
                f"the rule of the custom function `{self.name}` needs to give a gradient for each of {len(inputs)} "
                f"inputs, got {len(found)}; give `None` for those that have none"
            )
        recorded = any(isinstance(x, Tensor) for x in (g, out, *inputs))
        return [
            None
            if x is None
            else turned(fitted(f"the rule of the custom function `{self.name}`", i, x, aval_of(y), recorded))
            for i, (x, y) in enumerate(zip(found, inputs, strict=True))
        ]


def custom(
    function: Callable[..., Any] | None = None, vjp: Rule | tuple[Rule | None, ...] | None = None
) -> Callable[..., Any]:
    """A function of arrays, computed by NumPy, Numba or anything else, as an op with a gradient.

    The function takes arrays, contiguous in C's order, and numbers for what has no axes. It returns one array or
    number, the same for the same inputs, and changes none of them. A compiled function calls it at every call with the
    values of that call: one made by Numba's `@njit` without returning to Python, any other back in Python. Where the
    compiled function branches on values, that may include values of the branch that is not taken.

    **Arguments:** `function`; `vjp`, the rule of its gradient, `vjp(g, out, *inputs)`, which gives the cotangent of
    each input from that of the output: a tuple, or the only one by itself, with `None` for an input without a gradient;
    or a tuple of rules, one for each input. A rule in functions of this library, or of NumPy as far as they work on
    tensors, can be differentiated again. A rule of bare arrays is a custom function itself; what `@njit` has made is
    taken for one. `autograd.gradcheck(f, inputs)` compares a rule with finite differences.

    **Returns:** a function of tensors, arrays and numbers. As a decorator: `@custom(vjp=rule)`.

    **Errors:** `TypeError` where the function returns anything else; in a sweep `NotImplementedError` without a rule,
    and `ValueError` for gradients of another number or shape than the inputs.

    >>> import numpy as np
    >>> import autograd as ag
    >>> @ag.custom(vjp=lambda g, out, x: g * out / (x * (1 + out)))
    ... def lambert(x):  # the w with w * exp(w) = x
    ...     w = np.log1p(x)
    ...     for _ in range(20):
    ...         w = w - (w - x * np.exp(-w)) / (1 + w)
    ...     return w
    >>> ag.grad(lambda x: lambert(x) * x)(np.e)
    1.5
    """
    if function is None:
        return partial(custom, vjp=vjp)
    rules = vjp if isinstance(vjp, tuple) else (vjp,)
    if not callable(function) or not all(rule is None or callable(rule) for rule in rules):
        raise TypeError(f"`custom` needs a function and its rule, or a tuple of rules, got {function!r} and {vjp!r}")
    return Custom(function, vjp)


def _rule(vjp: Rule | None) -> Rule | None:
    # What Numba has compiled takes no tensors.
    return Custom(vjp, None) if vjp is not None and hasattr(vjp, "py_func") else vjp


def _taken(x: Any) -> Any:
    """An input as custom functions take it."""
    x = np.asarray(x)
    if x.dtype.kind not in "biufc":
        raise TypeError(f"a custom function needs tensors, arrays or numbers, got elements of {x.dtype}: {x!r:.100}")
    return np.ascontiguousarray(x, x.dtype.newbyteorder("=")) if x.ndim else x[()]


def _eval(*inputs: Any, function: Custom, shape: Any, dtype: Any) -> Any:
    out = function.value(inputs)
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"it gave {aval_of(out)}, and {Aval(shape, dtype)} before, for the same inputs")
    return out


#: A call of a custom function; the shape and dtype are those of its result.
custom_call = Primitive(
    "custom_call",
    eval=_eval,
    aval=lambda *inputs, function, shape, dtype: Aval(shape, dtype),
    vjps=lambda g, out, *inputs, function, shape, dtype: function.cotangents(g, out, inputs),
)
