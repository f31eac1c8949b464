"""The public workloads: plain NumPy functions, their seeded inputs, and what is differentiated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd as ag
from benchmarks.recurrences import (
    hmm,
    hmm_inputs,
    kalman,
    kalman_inputs,
    lstm,
    lstm_inputs,
    nbody,
    nbody_inputs,
)
from benchmarks.steps import HEAT_STEPS, LORENZ_STEPS

Inputs = tuple[np.ndarray, ...]


def square(x: Any) -> Any:
    """What each contestant compiles first, so that its start-up is in nobody's first call."""
    return x * x


def polynomial(x: Any) -> Any:
    """The polynomial of PyTorch's first gradient example: 64 at 2, with slope 72."""
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def rosenbrock(x: Any) -> Any:
    """Rosenbrock's valley in `len(x)` dimensions."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(weights: Any, features: Any, labels: Any) -> Any:
    """Mean logistic loss of a linear classifier with labels -1 and 1, and a small penalty."""
    margins = labels * (features @ weights)
    return np.mean(np.log1p(np.exp(-margins))) + 0.01 * np.sum(weights**2)


def mlp(weights1: Any, bias1: Any, weights2: Any, bias2: Any, features: Any, one_hot: Any) -> Any:
    """Mean cross-entropy of a network with one hidden layer."""
    hidden = np.tanh(features @ weights1 + bias1)
    logits = hidden @ weights2 + bias2
    return np.mean(ag.logsumexp(logits, axis=1) - np.sum(one_hot * logits, axis=1))


def normal_cdf(x: Any) -> Any:
    """The distribution function of the standard normal."""
    return 0.5 * (1.0 + ag.erf(x / np.sqrt(2.0)))


def black_scholes(spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    """Total price of European calls; the gradient holds every option's delta, theta, rho and vega."""
    spread = volatility * np.sqrt(time)
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    d2 = d1 - spread
    return np.sum(spot * normal_cdf(d1) - strike * np.exp(-rate * time) * normal_cdf(d2))


def rnn(weights_in: Any, weights_state: Any, bias: Any, readout: Any, sequence: Any, target: Any) -> Any:
    """Squared error of a recurrent network's readout after the last element of a sequence."""
    driven = sequence @ weights_in + bias
    state = np.tanh(driven[0])
    for step in range(1, len(sequence)):
        state = np.tanh(driven[step] + state @ weights_state)
    return np.sum((state @ readout - target) ** 2)


def lorenz_slope(state: Any, parameters: Any) -> Any:
    """Right-hand side of the Lorenz system; the parameters are sigma, rho and beta."""
    x, y, z = state[0], state[1], state[2]
    sigma, rho, beta = parameters[0], parameters[1], parameters[2]
    return np.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz(initial: Any, parameters: Any) -> Any:
    """Squared norm of the Lorenz system's state after classical Runge-Kutta steps of 0.01."""
    state, size = initial, 0.01
    for _ in range(LORENZ_STEPS):
        k1 = lorenz_slope(state, parameters)
        k2 = lorenz_slope(state + 0.5 * size * k1, parameters)
        k3 = lorenz_slope(state + 0.5 * size * k2, parameters)
        k4 = lorenz_slope(state + size * k3, parameters)
        state = state + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return np.sum(state**2)


def heat(initial: Any, diffusivity: Any, target: Any) -> Any:
    """Misfit of a plate's temperature after explicit steps, its edge held at zero, to a measured one."""
    u = initial
    for _ in range(HEAT_STEPS):
        p = np.pad(u, 1)
        laplacian = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4.0 * u
        u = u + diffusivity * laplacian
    return np.mean((u - target) ** 2)


def polynomial_inputs() -> Inputs:
    """The point at which the first gradient example is evaluated."""
    return (2.0,)


def rosenbrock_inputs(size: int) -> Inputs:
    """A point near the valley's floor."""
    return (1.0 + 0.3 * np.random.default_rng(1).standard_normal(size),)


def logistic_inputs(rows: int, columns: int) -> Inputs:
    """Weights, features and noisy labels of a random linear classifier."""
    rng = np.random.default_rng(2)
    features = rng.standard_normal((rows, columns))
    labels = np.where(features @ rng.standard_normal(columns) + rng.standard_normal(rows) > 0, 1.0, -1.0)
    return (0.1 * rng.standard_normal(columns), features, labels)


def mlp_inputs(batch: int, width: int, hidden: int, classes: int) -> Inputs:
    """Both layers' weights and biases, a batch of features and one-hot classes."""
    rng = np.random.default_rng(3)
    return (
        rng.standard_normal((width, hidden)) / np.sqrt(width),
        0.1 * rng.standard_normal(hidden),
        rng.standard_normal((hidden, classes)) / np.sqrt(hidden),
        0.1 * rng.standard_normal(classes),
        rng.standard_normal((batch, width)),
        np.eye(classes)[rng.integers(classes, size=batch)],
    )


def mlp_float32_inputs() -> Inputs:
    """The network of an image classifier, in single precision."""
    return tuple(array.astype(np.float32) for array in mlp_inputs(128, 784, 256, 10))


def black_scholes_inputs(size: int) -> Inputs:
    """Spot, strike, time, rate and volatility of options near the money."""
    rng = np.random.default_rng(4)
    ranges = ((80.0, 120.0), (80.0, 120.0), (0.2, 2.0), (0.0, 0.05), (0.1, 0.4))
    return tuple(rng.uniform(low, high, size) for low, high in ranges)


def rnn_inputs(length: int, hidden: int, width: int = 16, outputs: int = 4) -> Inputs:
    """Weights scaled so that the state neither dies nor saturates, one sequence and its target."""
    rng = np.random.default_rng(5)
    return (
        rng.standard_normal((width, hidden)) / np.sqrt(width),
        rng.standard_normal((hidden, hidden)) / np.sqrt(hidden),
        0.1 * rng.standard_normal(hidden),
        rng.standard_normal((hidden, outputs)) / np.sqrt(hidden),
        rng.standard_normal((length, width)),
        rng.standard_normal(outputs),
    )


def lorenz_inputs() -> Inputs:
    """A state near the attractor and the classical parameters."""
    return (np.array([1.0, 2.0, 20.0]), np.array([10.0, 28.0, 8.0 / 3.0]))


def heat_inputs(size: int) -> Inputs:
    """Initial temperature, a diffusivity within the stable range, and a measurement."""
    rng = np.random.default_rng(6)
    return (
        rng.standard_normal((size, size)),
        rng.uniform(0.05, 0.24, (size, size)),
        rng.standard_normal((size, size)),
    )


FUNCTIONS = {
    f.__name__: f
    for f in (
        *(square, polynomial, rosenbrock, logistic, mlp, black_scholes, rnn, lorenz, heat),
        *(kalman, hmm, nbody, lstm),
    )
}

TITLES = {
    "polynomial": "Seed polynomial",
    "rosenbrock": "Rosenbrock",
    "logistic": "Logistic regression",
    "mlp": "MLP",
    "black_scholes": "Black-Scholes greeks",
    "rnn": "RNN",
    "lorenz": "Lorenz RK4",
    "heat": "Heat equation",
    "kalman": "Kalman filter",
    "hmm": "HMM forward pass",
    "nbody": "N-body leapfrog",
    "lstm": "LSTM",
}


@dataclass(frozen=True)
class Workload:
    """One function at one size: `function(*inputs())` is a number, differentiated in the inputs `argnums`."""

    name: str
    function: Callable[..., Any]
    argnums: tuple[int, ...]
    inputs: Callable[[], Inputs]
    small: bool
    tolerance: float = 1e-8

    @property
    def family(self) -> str:
        """The name by which each contestant finds its own form of the function."""
        return self.function.__name__

    @property
    def title(self) -> str:
        """What a reader calls it, its size included."""
        size = self.name.rpartition("-")[2] if "-" in self.name else ""
        return f"{TITLES[self.family]} {size}".strip()


SMALL, LARGE = True, False
FLOAT32 = 1e-4

# fmt: off
WORKLOADS = (
    Workload("polynomial",         polynomial,    (0,),         polynomial_inputs, SMALL),
    Workload("rosenbrock-10",      rosenbrock,    (0,),         lambda: rosenbrock_inputs(10), SMALL),
    Workload("rosenbrock-1e5",     rosenbrock,    (0,),         lambda: rosenbrock_inputs(100_000), LARGE),
    Workload("logistic-100x5",     logistic,      (0,),         lambda: logistic_inputs(100, 5), SMALL),
    Workload("logistic-1e5x20",    logistic,      (0,),         lambda: logistic_inputs(100_000, 20), LARGE),
    Workload("mlp-32x16x16x4",     mlp,           (0, 1, 2, 3), lambda: mlp_inputs(32, 16, 16, 4), SMALL),
    Workload("mlp-128x784x256x10", mlp,           (0, 1, 2, 3), mlp_float32_inputs, LARGE, FLOAT32),
    Workload("black-scholes-100",  black_scholes, (0, 2, 3, 4), lambda: black_scholes_inputs(100), SMALL),
    Workload("black-scholes-1e6",  black_scholes, (0, 2, 3, 4), lambda: black_scholes_inputs(10**6), LARGE),
    Workload("rnn-100x32",         rnn,           (0, 1, 2, 3), lambda: rnn_inputs(100, 32), SMALL),
    Workload("lorenz-100",         lorenz,        (0, 1),       lorenz_inputs, SMALL),
    Workload("heat-128x50",        heat,          (0, 1),       lambda: heat_inputs(128), LARGE),
    Workload("kalman-200x4",       kalman,        (0, 1, 2, 3), lambda: kalman_inputs(200), SMALL),
    Workload("hmm-200x16",         hmm,           (0, 1, 2),    lambda: hmm_inputs(200, 16), SMALL),
    Workload("nbody-100x8",        nbody,         (0, 1, 2),    lambda: nbody_inputs(8), SMALL),
    Workload("lstm-100x32",        lstm,          (0, 1, 2, 3), lambda: lstm_inputs(100, 32), SMALL),
)
# fmt: on


def select(names: list[str] | None, quick: bool) -> tuple[Workload, ...]:
    """The workloads whose name contains one of `names` (all for None); only the small ones when `quick`."""
    chosen = [w for w in WORKLOADS if names is None or any(name in w.name for name in names)]
    if names and not chosen:
        raise ValueError(f"no workload is named like {names}; there are {[w.name for w in WORKLOADS]}")
    return tuple(w for w in chosen if w.small or not quick)
