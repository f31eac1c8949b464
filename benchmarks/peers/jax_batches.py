"""JAX at `benchmarks.batches`: functions of one example by `jax.vmap`, compiled, in double precision."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from benchmarks.contestants import Run
from benchmarks.peers.jax_form import lorenz, square

jax.config.update("jax_enable_x64", True)


def orbit(state):
    """Squared norm of the state after Runge-Kutta steps, scanned."""
    return lorenz(state, jnp.array([10.0, 28.0, 8.0 / 3.0]))


def option(spot, strike, time, rate, volatility):
    """Price of a European call."""
    spread = volatility * jnp.sqrt(time)
    d1 = (jnp.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    cdf1 = 0.5 * (1.0 + erf(d1 / np.sqrt(2.0)))
    cdf2 = 0.5 * (1.0 + erf((d1 - spread) / np.sqrt(2.0)))
    return spot * cdf1 - strike * jnp.exp(-rate * time) * cdf2


def residual(camera, point, observed):
    """Where a camera sees a point, less where it was observed."""
    rotation = camera[:3]
    angle = jnp.sqrt(jnp.sum(rotation * rotation) + 1e-20)
    axis = rotation / angle
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    along = axis * (jnp.sum(axis * point) * (1.0 - cosine))
    turned = point * cosine + jnp.cross(axis, point) * sine + along + camera[3:6]
    image = -turned[:2] / turned[2]
    squared = jnp.sum(image * image)
    return camera[6] * (1.0 + squared * (camera[7] + camera[8] * squared)) * image - observed


def with_jacobians(camera, point, observed):
    """A residual and its Jacobians: with two results of twelve inputs reverse mode is the faster one."""
    return residual(camera, point, observed), jax.jacrev(residual, (0, 1))(camera, point, observed)


def adjustment(cameras, points, seen_by, seen, observed):
    """The sum of squared residuals."""
    return jnp.sum(jax.vmap(residual)(cameras[seen_by], points[seen], observed) ** 2)


def options(*parameters):
    """The sum over all options."""
    return jnp.sum(jax.vmap(option)(*parameters))


def made(family: str, argnums: tuple[int, ...]) -> Callable[..., Any]:
    """The function of a workload."""
    forms = {
        "square": lambda: jax.value_and_grad(square, argnums),
        "orbits": lambda: jax.vmap(jax.value_and_grad(orbit)),
        "options": lambda: jax.value_and_grad(options, argnums),
        "jacobians": lambda: jax.vmap(with_jacobians),
        "adjustment": lambda: jax.value_and_grad(adjustment, argnums),
    }
    return forms[family]()


def collect(result: Any) -> tuple[float, list[np.ndarray]]:
    """The sum over what belongs to the value, and the derivatives."""
    value, derivatives = result
    derivatives = derivatives if isinstance(derivatives, tuple) else (derivatives,)
    return float(np.sum(value)), [np.asarray(x) for x in derivatives]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload, compiled; a call waits for its results."""
    function = jax.jit(made(family, argnums))

    def call(*arguments):
        return jax.block_until_ready(function(*arguments))

    return Run(call, tuple(jnp.asarray(x) for x in inputs), collect)
