"""PyTorch: eager with `torch.autograd.grad`, and `torch.compile` of value and gradient together."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional

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
    return torch.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(weights, features, labels):
    """Logistic loss with a penalty."""
    margins = labels * (features @ weights)
    return torch.mean(torch.log1p(torch.exp(-margins))) + 0.01 * torch.sum(weights**2)


def mlp(weights1, bias1, weights2, bias2, features, one_hot):
    """Cross-entropy of a network with one hidden layer."""
    hidden = torch.tanh(torch.addmm(bias1, features, weights1))
    return functional.cross_entropy(torch.addmm(bias2, hidden, weights2), one_hot)


def black_scholes(spot, strike, time, rate, volatility):
    """Total price of European calls."""
    spread = volatility * torch.sqrt(time)
    d1 = (torch.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    cdf1 = 0.5 * (1.0 + torch.erf(d1 / math.sqrt(2.0)))
    cdf2 = 0.5 * (1.0 + torch.erf((d1 - spread) / math.sqrt(2.0)))
    return torch.sum(spot * cdf1 - strike * torch.exp(-rate * time) * cdf2)


def rnn(weights_in, weights_state, bias, readout, sequence, target):
    """Recurrent network, a loop over the sequence."""
    driven = sequence @ weights_in + bias
    state = torch.tanh(driven[0])
    for entry in driven[1:].unbind():
        state = torch.tanh(entry + state @ weights_state)
    return torch.sum((state @ readout - target) ** 2)


def lorenz_slope(state, parameters):
    """Right-hand side of the Lorenz system."""
    x, y, z = state.unbind()
    sigma, rho, beta = parameters.unbind()
    return torch.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz_step(state, parameters):
    """One Runge-Kutta step."""
    size = 0.01
    k1 = lorenz_slope(state, parameters)
    k2 = lorenz_slope(state + 0.5 * size * k1, parameters)
    k3 = lorenz_slope(state + 0.5 * size * k2, parameters)
    k4 = lorenz_slope(state + size * k3, parameters)
    return state + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def lorenz(initial, parameters, step=lorenz_step):
    """Runge-Kutta steps."""
    state = initial
    for _ in range(LORENZ_STEPS):
        state = step(state, parameters)
    return torch.sum(state**2)


def heat_step(u, diffusivity):
    """One explicit heat step."""
    p = functional.pad(u, (1, 1, 1, 1))
    laplacian = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4.0 * u
    return u + diffusivity * laplacian


def heat(initial, diffusivity, target, step=heat_step):
    """Explicit heat steps."""
    u = initial
    for _ in range(HEAT_STEPS):
        u = step(u, diffusivity)
    return torch.mean((u - target) ** 2)


def kalman(transition, observation, process, noise, measurements):
    """Kalman filter, a loop over the measurements."""
    size = len(transition)
    mean, covariance, total = transition.new_zeros(size), torch.eye(size, dtype=transition.dtype), 0.0
    for measurement in measurements.unbind():
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + process
        surprise = measurement - observation @ mean
        cross = observation @ covariance
        spread = cross @ observation.T + noise
        gain = torch.linalg.solve(spread, cross).T
        total = total + 0.5 * (surprise @ torch.linalg.solve(spread, surprise) + torch.linalg.slogdet(spread)[1])
        mean = mean + gain @ surprise
        covariance = covariance - gain @ cross
    return total


def hmm(initial, transition, emission):
    """Forward pass in log space."""
    first, *rest = emission.unbind()
    forward = initial + first
    for entry in rest:
        forward = torch.logsumexp(forward[:, None] + transition, 0) + entry
    return torch.logsumexp(forward, 0)


def acceleration(position, mass):
    """Softened gravity."""
    apart = position[None, :, :] - position[:, None, :]
    squared = torch.sum(apart**2, 2) + 0.05**2
    return torch.sum(apart * (mass * squared**-1.5)[:, :, None], 1)


def nbody(position, velocity, mass):
    """Leapfrog steps."""
    size, pull = 0.01, acceleration(position, mass)
    for _ in range(NBODY_STEPS):
        velocity = velocity + 0.5 * size * pull
        position = position + size * velocity
        pull = acceleration(position, mass)
        velocity = velocity + 0.5 * size * pull
    return torch.sum(position**2)


def lstm(weights_in, weights_state, bias, readout, sequence, target):
    """LSTM, a loop over the sequence."""
    driven = sequence @ weights_in + bias
    size = len(weights_state)
    state = cell = driven.new_zeros(size)
    for entry in driven.unbind():
        gates = entry + state @ weights_state
        let_in, forget, let_out = torch.sigmoid(gates[: 3 * size]).split(size)
        cell = forget * cell + let_in * torch.tanh(gates[3 * size :])
        state = let_out * torch.tanh(cell)
    return torch.sum((state @ readout - target) ** 2)


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
    return float(value), [g.detach().numpy() for g in gradients]


def eager(function: Callable[..., Any], argnums: tuple[int, ...]) -> Callable[..., Any]:
    """Value and gradient by the eager tape."""

    def call(*arguments):
        value = function(*arguments)
        return value.detach(), torch.autograd.grad(value, [arguments[i] for i in argnums])

    return call


def compiled(function: Callable[..., Any], argnums: tuple[int, ...]) -> Callable[..., Any]:
    """Value and gradient traced by `torch.func` and compiled as one graph."""
    gradient_and_value = torch.compile(torch.func.grad_and_value(function, argnums))

    def call(*arguments):
        gradients, value = gradient_and_value(*arguments)
        return value, gradients

    return call


# The steps of these two take minutes to compile unrolled, and heat's then recompute one another.
STEPPED = {"lorenz": lorenz_step, "heat": heat_step}


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload in the named form, `eager` or `compile`."""
    if family not in FAMILIES:
        return None
    function = FAMILIES[family]
    arguments = [torch.from_numpy(np.array(x)) for x in inputs]
    if form == "compile":
        torch.compiler.reset()
        if family not in STEPPED:
            return Run(compiled(function, argnums), tuple(arguments), collect)
        function = partial(function, step=torch.compile(STEPPED[family]))
    for i in argnums:
        arguments[i].requires_grad_(True)
    return Run(eager(function, argnums), tuple(arguments), collect)
