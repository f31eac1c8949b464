"""HIPS autograd: `value_and_grad`; it is found first on the path of its own process."""

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd.numpy as anp
from autograd import value_and_grad
from autograd.scipy.special import erf, logsumexp
from benchmarks.contestants import Gradients, Run
from benchmarks.steps import HEAT_STEPS, LORENZ_STEPS


def square(x):
    """The warm-up."""
    return x * x


def polynomial(x):
    """5x³ + 2x² + 4x + 8."""
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def rosenbrock(x):
    """Rosenbrock's valley."""
    return anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(weights, features, labels):
    """Logistic loss with a penalty."""
    margins = labels * anp.dot(features, weights)
    return anp.mean(anp.log1p(anp.exp(-margins))) + 0.01 * anp.sum(weights**2)


def mlp(weights1, bias1, weights2, bias2, features, one_hot):
    """Cross-entropy of a network with one hidden layer."""
    logits = anp.dot(anp.tanh(anp.dot(features, weights1) + bias1), weights2) + bias2
    return anp.mean(logsumexp(logits, axis=1) - anp.sum(one_hot * logits, axis=1))


def black_scholes(spot, strike, time, rate, volatility):
    """Total price of European calls."""
    spread = volatility * anp.sqrt(time)
    d1 = (anp.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    cdf1 = 0.5 * (1.0 + erf(d1 / np.sqrt(2.0)))
    cdf2 = 0.5 * (1.0 + erf((d1 - spread) / np.sqrt(2.0)))
    return anp.sum(spot * cdf1 - strike * anp.exp(-rate * time) * cdf2)


def rnn(weights_in, weights_state, bias, readout, sequence, target):
    """Recurrent network."""
    driven = anp.dot(sequence, weights_in) + bias
    state = anp.tanh(driven[0])
    for step in range(1, len(sequence)):
        state = anp.tanh(driven[step] + anp.dot(state, weights_state))
    return anp.sum((anp.dot(state, readout) - target) ** 2)


def lorenz_slope(state, parameters):
    """Right-hand side of the Lorenz system."""
    x, y, z = state[0], state[1], state[2]
    sigma, rho, beta = parameters
    return anp.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz(initial, parameters):
    """Runge-Kutta steps."""
    state, size, parts = initial, 0.01, (parameters[0], parameters[1], parameters[2])
    for _ in range(LORENZ_STEPS):
        k1 = lorenz_slope(state, parts)
        k2 = lorenz_slope(state + 0.5 * size * k1, parts)
        k3 = lorenz_slope(state + 0.5 * size * k2, parts)
        k4 = lorenz_slope(state + size * k3, parts)
        state = state + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return anp.sum(state**2)


def heat(initial, diffusivity, target):
    """Explicit heat steps."""
    u = initial
    for _ in range(HEAT_STEPS):
        p = anp.pad(u, 1, "constant")
        laplacian = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4.0 * u
        u = u + diffusivity * laplacian
    return anp.mean((u - target) ** 2)


FAMILIES: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (square, polynomial, rosenbrock, logistic, mlp, black_scholes, rnn, lorenz, heat)
}


def collect(result: Any) -> tuple[float, Gradients]:
    """A result as plain numbers."""
    value, gradients = result
    return float(value), [np.asarray(g) for g in gradients]


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload's eager value and gradient."""
    if family not in FAMILIES:
        return None
    return Run(value_and_grad(FAMILIES[family], argnums), inputs, collect)
