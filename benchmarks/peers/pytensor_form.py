"""PyTensor: one compiled function of value and gradient in Numba mode, `scan` for whatever is a loop."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from benchmarks.contestants import Gradients, Run
from benchmarks.steps import HEAT_STEPS, LORENZ_STEPS, NBODY_STEPS


def square(x):
    """The warm-up."""
    return x * x


def polynomial(x):
    """5x³ + 2x² + 4x + 8."""
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def rosenbrock(x):
    """Rosenbrock's valley."""
    return pt.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(weights, features, labels):
    """Logistic loss with a penalty."""
    margins = labels * (features @ weights)
    return pt.mean(pt.log1p(pt.exp(-margins))) + 0.01 * pt.sum(weights**2)


def mlp(weights1, bias1, weights2, bias2, features, one_hot):
    """Cross-entropy of a network with one hidden layer."""
    logits = pt.tanh(features @ weights1 + bias1) @ weights2 + bias2
    return pt.mean(pt.logsumexp(logits, axis=1) - pt.sum(one_hot * logits, axis=1))


def black_scholes(spot, strike, time, rate, volatility):
    """Total price of European calls."""
    spread = volatility * pt.sqrt(time)
    d1 = (pt.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    cdf1 = 0.5 * (1.0 + pt.erf(d1 / np.sqrt(2.0)))
    cdf2 = 0.5 * (1.0 + pt.erf((d1 - spread) / np.sqrt(2.0)))
    return pt.sum(spot * cdf1 - strike * pt.exp(-rate * time) * cdf2)


def rnn(weights_in, weights_state, bias, readout, sequence, target):
    """Recurrent network, scanned over the sequence."""
    driven = sequence @ weights_in + bias

    def step(entry, state, weights):
        return pt.tanh(entry + state @ weights)

    states = pytensor.scan(
        step,
        sequences=[driven[1:]],
        outputs_info=[pt.tanh(driven[0])],
        non_sequences=[weights_state],
        strict=True,
        return_updates=False,
    )
    return pt.sum((states[-1] @ readout - target) ** 2)


def lorenz_slope(state, parameters):
    """Right-hand side of the Lorenz system."""
    x, y, z = state[0], state[1], state[2]
    sigma, rho, beta = parameters[0], parameters[1], parameters[2]
    return pt.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz(initial, parameters):
    """Runge-Kutta steps, scanned."""
    size = 0.01

    def step(state, parameters):
        k1 = lorenz_slope(state, parameters)
        k2 = lorenz_slope(state + 0.5 * size * k1, parameters)
        k3 = lorenz_slope(state + 0.5 * size * k2, parameters)
        k4 = lorenz_slope(state + size * k3, parameters)
        return state + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)

    states = pytensor.scan(
        step,
        outputs_info=[initial],
        non_sequences=[parameters],
        n_steps=LORENZ_STEPS,
        strict=True,
        return_updates=False,
    )
    return pt.sum(states[-1] ** 2)


def heat(initial, diffusivity, target):
    """Explicit heat steps, scanned."""

    def step(u, diffusivity):
        p = pt.pad(u, 1, mode="constant")
        laplacian = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4.0 * u
        return u + diffusivity * laplacian

    states = pytensor.scan(
        step,
        outputs_info=[initial],
        non_sequences=[diffusivity],
        n_steps=HEAT_STEPS,
        strict=True,
        return_updates=False,
    )
    return pt.mean((states[-1] - target) ** 2)


def kalman(transition, observation, process, noise, measurements):
    """Kalman filter, scanned over the measurements."""

    def step(measurement, mean, covariance, total, transition, observation, process, noise):
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + process
        surprise = measurement - observation @ mean
        cross = observation @ covariance
        spread = cross @ observation.T + noise
        gain = pt.linalg.solve(spread, cross).T
        fit = surprise @ pt.linalg.solve(spread, surprise)
        total = total + 0.5 * (fit + pt.log(pt.linalg.det(spread)))
        return mean + gain @ surprise, covariance - gain @ cross, total

    size = transition.type.shape[0]
    _, _, total = pytensor.scan(
        step,
        sequences=[measurements],
        outputs_info=[pt.zeros(size), pt.eye(size), pt.as_tensor(np.float64(0.0))],
        non_sequences=[transition, observation, process, noise],
        strict=True,
        return_updates=False,
    )
    return total[-1]


def hmm(initial, transition, emission):
    """Forward pass in log space, scanned."""

    def step(entry, forward, transition):
        return pt.logsumexp(forward[:, None] + transition, axis=0) + entry

    forward = pytensor.scan(
        step,
        sequences=[emission[1:]],
        outputs_info=[initial + emission[0]],
        non_sequences=[transition],
        strict=True,
        return_updates=False,
    )
    return pt.logsumexp(forward[-1])


def acceleration(position, mass):
    """Softened gravity."""
    apart = position[None, :, :] - position[:, None, :]
    squared = pt.sum(apart**2, axis=2) + 0.05**2
    return pt.sum(apart * (mass * squared**-1.5)[:, :, None], axis=1)


def nbody(position, velocity, mass):
    """Leapfrog steps, scanned."""
    size = 0.01

    def step(position, velocity, pull, mass):
        velocity = velocity + 0.5 * size * pull
        position = position + size * velocity
        pull = acceleration(position, mass)
        return position, velocity + 0.5 * size * pull, pull

    positions, _, _ = pytensor.scan(
        step,
        outputs_info=[position, velocity, acceleration(position, mass)],
        non_sequences=[mass],
        n_steps=NBODY_STEPS,
        strict=True,
        return_updates=False,
    )
    return pt.sum(positions[-1] ** 2)


def lstm(weights_in, weights_state, bias, readout, sequence, target):
    """LSTM, scanned over the sequence."""
    size = weights_state.type.shape[0]

    def step(entry, state, cell, weights):
        gates = entry + state @ weights
        opened = pt.sigmoid(gates[: 3 * size])
        cell = opened[size : 2 * size] * cell + opened[:size] * pt.tanh(gates[3 * size :])
        return opened[2 * size :] * pt.tanh(cell), cell

    states, _ = pytensor.scan(
        step,
        sequences=[sequence @ weights_in + bias],
        outputs_info=[pt.zeros(size), pt.zeros(size)],
        non_sequences=[weights_state],
        strict=True,
        return_updates=False,
    )
    return pt.sum((states[-1] @ readout - target) ** 2)


FAMILIES: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(square, polynomial, rosenbrock, logistic, mlp, black_scholes, rnn, lorenz, heat),
        *(kalman, hmm, nbody, lstm),
    )
}


def collect(result: Any) -> tuple[float, Gradients]:
    """A result as plain numbers."""
    value, *gradients = result
    return float(value), [np.asarray(g) for g in gradients]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload's compiled value and gradient, without checks of the arguments at each call."""
    if family not in FAMILIES:
        return None
    inputs = tuple(np.asarray(x) for x in inputs)
    # The shapes are told, as each other compiler knows them too.
    symbols = [pt.tensor(dtype=x.dtype.name, shape=x.shape) for x in inputs]
    value = FAMILIES[family](*symbols)
    gradients = pt.grad(value, [symbols[i] for i in argnums])
    call = pytensor.function(symbols, [value, *gradients], mode="NUMBA", trust_input=True)
    return Run(call, inputs, collect)
