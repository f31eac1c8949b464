"""Checks of gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .linear import Linear
from .tensor import Tensor
from .transforms import grad

Array = np.ndarray[Any, np.dtype[Any]]


class GradcheckError(RuntimeError):
    """A gradient differs from what finite differences say."""


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    check_forward: bool = False,
) -> bool:
    """Compares the gradient of `f` with central finite differences, element by element.

    Of complex numbers both parts are moved, and the real and the imaginary part of a complex output compared.

    **Arguments:** `f`, a function of tensors that returns a tensor or several; `inputs`, its argument or a
    tuple of arguments: arrays and tensors of float64 and complex128 are differentiated, tensors that do not require a
    gradient and arrays of other kinds are held constant; `eps`, the step of the differences; a numerical
    value `n` and an analytical value `a` agree if `|n - a| <= atol + rtol * |n|`; `check_forward`, whether the
    derivative in forward mode is compared too.

    **Returns:** `True`.

    **Errors:** `GradcheckError` with the positions and values of the worst element; `ValueError` when no
    input is differentiable or one is of low precision; `TypeError` when `f` returns no tensor.

    >>> import numpy as np
    >>> import autograd as ag
    >>> from autograd.gradcheck import gradcheck
    >>> gradcheck(lambda x, y: x * y, (np.array([1.0, 2.0]), np.array(3.0)))
    True
    """
    arguments = _arguments(inputs)
    wanted = [i for i, x in enumerate(arguments) if x.requires_grad]
    outputs = _outputs(f, _fresh(arguments))
    analytical = [[analytical_jacobian(f, arguments, k, i) for i in wanted] for k in range(len(outputs))]
    for column, i in enumerate(wanted):
        numerical = numerical_jacobians(f, arguments, i, eps)
        for k, (out, expected) in enumerate(zip(outputs, numerical, strict=True)):
            _compare(expected, analytical[k][column], k, i, out, arguments[i], atol, rtol)
        if check_forward:
            for k, (found, expected) in enumerate(zip(forward_jacobians(f, arguments, i), numerical, strict=True)):
                _compare(expected, found, k, i, outputs[k], arguments[i], atol, rtol, "forward mode says")
    return True


def gradgradcheck(
    f: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Compares the second derivatives of `f` with finite differences of its gradient.

    **Arguments:** as for `gradcheck`; `grad_outputs`, the cotangents of the outputs with which the gradient
    is taken, drawn at random from a fixed seed unless given. The gradient is differentiated with respect
    to them too.

    **Returns:** `True`.

    **Errors:** as for `gradcheck`.

    >>> import numpy as np
    >>> import autograd as ag
    >>> from autograd.gradcheck import gradgradcheck
    >>> gradgradcheck(lambda x: x * x * x, np.array([1.0, 2.0]))
    True
    """
    arguments = _arguments(inputs)
    outputs = [out for out in _outputs(f, _fresh(arguments)) if out.requires_grad]
    if grad_outputs is None:
        random = np.random.default_rng(0)
        cotangents = [_drawn(random, out) for out in outputs]
    else:
        cotangents = [x.data for x in _arguments(grad_outputs)]
    if len(cotangents) != len(outputs):
        raise ValueError(
            f"`gradgradcheck` needs `grad_outputs` for each of {len(outputs)} differentiable outputs, got "
            f"{len(cotangents)}"
        )

    def gradient(*all_arguments: Tensor) -> tuple[Tensor, ...]:
        xs, gs = all_arguments[: len(arguments)], all_arguments[len(arguments) :]
        wanted = [x for x in xs if x.requires_grad]
        ys = [y for y in _outputs(f, list(xs)) if y.requires_grad]
        found = grad(ys, wanted, gs, create_graph=True, allow_unused=True)
        return tuple(Tensor(np.zeros(x.shape, x.dtype)) if g is None else g for x, g in zip(wanted, found, strict=True))

    return gradcheck(gradient, (*arguments, *cotangents), eps, atol, rtol)


def numerical_jacobians(f: Callable[..., Any], arguments: Sequence[Tensor], i: int, eps: float) -> list[Array]:
    """For each output of `f` its Jacobian by argument `i`, `[out.size, x.size]`, by central differences."""
    columns: list[list[Array]] = []
    for position in range(_numbers(arguments[i].data).size):
        after = _shifted(f, arguments, i, position, eps)
        before = _shifted(f, arguments, i, position, -eps)
        columns.append([(y1 - y0) / (2 * eps) for y1, y0 in zip(after, before, strict=True)])
    if not columns:
        return [np.zeros((_numbers(out.data).size, 0)) for out in _outputs(f, _fresh(arguments))]
    return [np.stack(parts, axis=1) for parts in zip(*columns, strict=True)]


def analytical_jacobian(f: Callable[..., Any], arguments: Sequence[Tensor], k: int, i: int) -> Array:
    """The Jacobian of output `k` of `f` by argument `i`, `[out.size, x.size]`, one sweep for each row."""
    xs = _fresh(arguments)
    out = _outputs(f, xs)[k]
    rows = np.zeros((_numbers(out.data).size, _numbers(xs[i].data).size))
    if not out.requires_grad:
        return rows
    for j, row in enumerate(rows):
        seed = np.zeros(out.shape, out.dtype)
        _numbers(seed)[j] = 1.0
        (g,) = grad(out, [xs[i]], seed, retain_graph=True, allow_unused=True)
        if g is None:
            break
        if g.shape != xs[i].shape or g.dtype != xs[i].dtype:
            raise GradcheckError(
                f"the gradient of output {k} by input {i} needs the shape and dtype of the input, "
                f"{xs[i].shape} of {xs[i].dtype}, got {g.shape} of {g.dtype}"
            )
        row[:] = _numbers(g.data)
    return rows


def forward_jacobians(f: Callable[..., Any], arguments: Sequence[Tensor], i: int) -> list[Array]:
    """For each output of `f` its Jacobian by argument `i`, `[out.size, x.size]`, in forward mode."""
    xs = _fresh(arguments)
    linear = Linear(getattr(f, "__name__", "f"), lambda: _outputs(f, xs), [xs[i]], connected=False)
    columns = []
    for position in range(_numbers(xs[i].data).size):
        tangent = np.zeros(xs[i].shape, xs[i].dtype)
        _numbers(tangent)[position] = 1.0
        found = zip(linear.outputs, linear.push([tangent]), strict=True)
        columns.append([np.zeros(y.shape, y.dtype) if t is None else t.data for y, t in found])
    if not columns:
        return [np.zeros((_numbers(y.data).size, 0)) for y in linear.outputs]
    return [np.stack([_numbers(t) for t in parts], axis=1) for parts in zip(*columns, strict=True)]


def _numbers(x: Any) -> Array:
    """The real numbers that an array is made of, flat, two for a complex element; a view of contiguous memory."""
    flat = np.ascontiguousarray(np.asarray(x).reshape(-1))
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _arguments(inputs: Any) -> list[Tensor]:
    """Tensors of their own memory, with `requires_grad` on those to differentiate."""
    given = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    found = []
    for i, x in enumerate(given):
        data = np.array(x.data if isinstance(x, Tensor) else x)
        wanted = x.requires_grad if isinstance(x, Tensor) else data.dtype.kind in "fc"
        if wanted and data.dtype not in (np.float64, np.complex128):
            raise ValueError(
                f"finite differences need float64 or complex128, got {data.dtype.name} as input {i}; convert it with "
                "`.astype(np.float64)`"
            )
        found.append(Tensor(data, requires_grad=wanted))
    if not any(x.requires_grad for x in found):
        raise ValueError(
            "a check of gradients needs at least one float64 array or tensor with `requires_grad=True`, got "
            f"inputs of {', '.join(x.dtype.name for x in found) or 'no kind'}"
        )
    return found


def _fresh(arguments: Sequence[Tensor]) -> list[Tensor]:
    return [Tensor(x.data.copy(), requires_grad=x.requires_grad) for x in arguments]


def _outputs(f: Callable[..., Any], xs: list[Tensor]) -> list[Tensor]:
    result = f(*xs)
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    if not outputs or not all(isinstance(y, Tensor) for y in outputs):
        raise TypeError(
            "a check of gradients needs a function that returns a tensor or several, got "
            f"{[type(y).__name__ for y in outputs]}"
        )
    return outputs


def _shifted(f: Callable[..., Any], arguments: Sequence[Tensor], i: int, position: int, step: float) -> list[Array]:
    """The outputs of `f`, flat, with one element of argument `i` moved by `step`."""
    xs = _fresh(arguments)
    _numbers(xs[i].data)[position] += step
    return [_numbers(np.array(y.data)).astype(np.float64) for y in _outputs(f, xs)]


def _compare(
    numerical: Array,
    analytical: Array,
    k: int,
    i: int,
    out: Tensor,
    x: Tensor,
    atol: float,
    rtol: float,
    says: str = "the rules say",
) -> None:
    excess = np.abs(numerical - analytical) - (atol + rtol * np.abs(numerical))
    excess[np.isnan(excess)] = np.inf
    if not (excess > 0).any():
        return
    row, column = divmod(int(np.argmax(excess)), excess.shape[1])
    raise GradcheckError(
        f"the gradient of output {k} at {_place(out, row)} by input {i} at {_place(x, column)}: finite differences say "
        f"{numerical[row, column]:.9g}, {says} {analytical[row, column]:.9g}; "
        f"{int((excess > 0).sum())} of {excess.size} elements differ by more than "
        f"{atol:g} + {rtol:g} * |numerical|"
    )


def _place(x: Tensor, number: int) -> str:
    """The position of the element that a real number belongs to, and which part of it that is."""
    step = 2 if x.dtype.kind == "c" else 1
    at = tuple(int(n) for n in np.unravel_index(number // step, x.shape))
    return f"{at}{('.real', '.imag')[number % 2] if step == 2 else ''}"


def _drawn(random: np.random.Generator, out: Tensor) -> Array:
    drawn: Array = random.uniform(0.5, 1.5, out.shape)
    return drawn + 1j * random.uniform(0.5, 1.5, out.shape) if out.dtype.kind == "c" else drawn
