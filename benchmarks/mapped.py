"""Ours at `benchmarks.batches`: functions of one example by `jit.vmap`, and of arrays of all."""

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
import jit
from benchmarks.contestants import Run
from benchmarks.examples import option, options, orbit, residual
from benchmarks.workloads import square


def total(function: Callable[..., Any]) -> Callable[..., Any]:
    """The sum over all examples."""
    mapped = jit.vmap(function)
    return lambda *xs: np.sum(mapped(*xs))


def with_jacobians(camera: Any, point: Any, observed: Any) -> Any:
    """A residual and its Jacobians."""
    return residual(camera, point, observed), *ag.jacobian(residual, (0, 1))(camera, point, observed)


def adjustment(cameras: Any, points: Any, seen_by: Any, seen: Any, observed: Any) -> Any:
    """The sum of squared residuals."""
    return np.sum(jit.vmap(residual)(cameras[seen_by], points[seen], observed) ** 2)


def collect(result: Any) -> tuple[float, list[np.ndarray]]:
    """The sum over what belongs to the value, and the derivatives."""
    value, derivatives = result
    derivatives = derivatives if isinstance(derivatives, tuple) else (derivatives,)
    return float(np.sum(value)), [np.asarray(x) for x in derivatives]


def made(form: str, family: str, argnums: tuple[int, ...]) -> Callable[..., Any] | None:
    """The compiled function of a workload in that form."""
    if family == "square":
        return jit.value_and_grad(square, argnums)
    if form == "arrays":
        return jit.value_and_grad(options, argnums) if family == "options" else None
    forms = {
        "orbits": lambda: jit.vmap(ag.value_and_grad(orbit)),
        "options": lambda: jit.value_and_grad(total(option), argnums),
        "jacobians": lambda: jit.vmap(with_jacobians),
        "adjustment": lambda: jit.value_and_grad(adjustment, argnums),
    }
    return forms[family]()


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload `mapped`, or written for `arrays`."""
    function = made(form, family, argnums)
    if function is None:
        return None
    if family == "jacobians":
        return Run(function, inputs, lambda result: collect((result[0], tuple(result[1:]))))
    return Run(function, inputs, collect)
