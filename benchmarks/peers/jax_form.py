"""JAX: `jit(value_and_grad(f))` in double precision, `lax.scan` for whatever is a loop."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erf, logsumexp

from benchmarks.contestants import Gradients, Run
from benchmarks.steps import HEAT_STEPS, LORENZ_STEPS, NBODY_STEPS

jax.config.update("jax_enable_x64", True)


def square(x):
    """The warm-up."""
    return x * x


def polynomial(x):
    """5x³ + 2x² + 4x + 8."""
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def rosenbrock(x):
    """Rosenbrock's valley."""
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(weights, features, labels):
    """Logistic loss with a penalty."""
    margins = labels * (features @ weights)
    return jnp.mean(jnp.log1p(jnp.exp(-margins))) + 0.01 * jnp.sum(weights**2)


def mlp(weights1, bias1, weights2, bias2, features, one_hot):
    """Cross-entropy of a network with one hidden layer."""
    logits = jnp.tanh(features @ weights1 + bias1) @ weights2 + bias2
    return jnp.mean(logsumexp(logits, axis=1) - jnp.sum(one_hot * logits, axis=1))


def black_scholes(spot, strike, time, rate, volatility):
    """Total price of European calls."""
    spread = volatility * jnp.sqrt(time)
    d1 = (jnp.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    cdf1 = 0.5 * (1.0 + erf(d1 / np.sqrt(2.0)))
    cdf2 = 0.5 * (1.0 + erf((d1 - spread) / np.sqrt(2.0)))
    return jnp.sum(spot * cdf1 - strike * jnp.exp(-rate * time) * cdf2)


def rnn(weights_in, weights_state, bias, readout, sequence, target):
    """Recurrent network, scanned over the sequence."""
    driven = sequence @ weights_in + bias

    def step(state, entry):
        return jnp.tanh(entry + state @ weights_state), None

    state, _ = lax.scan(step, jnp.tanh(driven[0]), driven[1:])
    return jnp.sum((state @ readout - target) ** 2)


def lorenz_slope(state, parameters):
    """Right-hand side of the Lorenz system."""
    x, y, z = state
    sigma, rho, beta = parameters
    return jnp.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz(initial, parameters):
    """Runge-Kutta steps, scanned."""
    size = 0.01

    def step(state, _):
        k1 = lorenz_slope(state, parameters)
        k2 = lorenz_slope(state + 0.5 * size * k1, parameters)
        k3 = lorenz_slope(state + 0.5 * size * k2, parameters)
        k4 = lorenz_slope(state + size * k3, parameters)
        return state + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), None

    state, _ = lax.scan(step, initial, length=LORENZ_STEPS)
    return jnp.sum(state**2)


def heat(initial, diffusivity, target):
    """Explicit heat steps, scanned."""

    def step(u, _):
        p = jnp.pad(u, 1)
        laplacian = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4.0 * u
        return u + diffusivity * laplacian, None

    u, _ = lax.scan(step, initial, length=HEAT_STEPS)
    return jnp.mean((u - target) ** 2)


def kalman(transition, observation, process, noise, measurements):
    """Kalman filter, scanned over the measurements."""

    def step(carry, measurement):
        mean, covariance, total = carry
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + process
        surprise = measurement - observation @ mean
        cross = observation @ covariance
        spread = cross @ observation.T + noise
        gain = jnp.linalg.solve(spread, cross).T
        total = total + 0.5 * (surprise @ jnp.linalg.solve(spread, surprise) + jnp.linalg.slogdet(spread)[1])
        return (mean + gain @ surprise, covariance - gain @ cross, total), None

    size = len(transition)
    (_, _, total), _ = lax.scan(step, (jnp.zeros(size), jnp.eye(size), 0.0), measurements)
    return total


def hmm(initial, transition, emission):
    """Forward pass in log space, scanned."""

    def step(forward, entry):
        return logsumexp(forward[:, None] + transition, axis=0) + entry, None

    forward, _ = lax.scan(step, initial + emission[0], emission[1:])
    return logsumexp(forward)


def acceleration(position, mass):
    """Softened gravity."""
    apart = position[None, :, :] - position[:, None, :]
    squared = jnp.sum(apart**2, axis=2) + 0.05**2
    return jnp.sum(apart * (mass * squared**-1.5)[:, :, None], axis=1)


def nbody(position, velocity, mass):
    """Leapfrog steps, scanned."""
    size = 0.01

    def step(carry, _):
        position, velocity, pull = carry
        velocity = velocity + 0.5 * size * pull
        position = position + size * velocity
        pull = acceleration(position, mass)
        return (position, velocity + 0.5 * size * pull, pull), None

    (position, _, _), _ = lax.scan(step, (position, velocity, acceleration(position, mass)), length=NBODY_STEPS)
    return jnp.sum(position**2)


def lstm(weights_in, weights_state, bias, readout, sequence, target):
    """LSTM, scanned over the sequence."""
    driven = sequence @ weights_in + bias
    size = len(weights_state)

    def step(carry, entry):
        state, cell = carry
        gates = entry + state @ weights_state
        opened = jax.nn.sigmoid(gates[: 3 * size])
        cell = opened[size : 2 * size] * cell + opened[:size] * jnp.tanh(gates[3 * size :])
        return (opened[2 * size :] * jnp.tanh(cell), cell), None

    (state, _), _ = lax.scan(step, (jnp.zeros(size), jnp.zeros(size)), driven)
    return jnp.sum((state @ readout - target) ** 2)


FAMILIES: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(square, polynomial, rosenbrock, logistic, mlp, black_scholes, rnn, lorenz, heat),
        *(kalman, hmm, nbody, lstm),
    )
}


def collect(result: Any) -> tuple[float, Gradients]:
    """A result as plain numbers."""
    value, gradients = result
    return float(value), [np.asarray(g) for g in gradients]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload's compiled value and gradient; a call waits for its results."""
    if family not in FAMILIES:
        return None
    value_and_grad = jax.jit(jax.value_and_grad(FAMILIES[family], argnums))

    def call(*arguments):
        # The value and the gradients are outputs of one program, complete together.
        result = value_and_grad(*arguments)
        result[0].block_until_ready()
        return result

    return Run(call, tuple(jnp.asarray(x) for x in inputs), collect)
