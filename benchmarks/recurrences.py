"""Public workloads that go step by step: a filter, a hidden Markov model, bodies under gravity, and an LSTM."""

from typing import Any

import numpy as np

import autograd as ag
from benchmarks.steps import NBODY_STEPS

Inputs = tuple[np.ndarray, ...]

SOFTENING = 0.05
NBODY_STEP = 0.01


def kalman(transition: Any, observation: Any, process: Any, noise: Any, measurements: Any) -> Any:
    """Negative log-likelihood of measurements under a linear state space model, by the Kalman filter."""
    size = len(transition)
    mean, covariance, total = np.zeros(size), np.eye(size), 0.0
    for step in range(len(measurements)):
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + process
        surprise = measurements[step] - observation @ mean
        cross = observation @ covariance
        spread = cross @ observation.T + noise
        gain = np.linalg.solve(spread, cross).T
        total = total + 0.5 * (surprise @ np.linalg.solve(spread, surprise) + np.linalg.slogdet(spread)[1])
        mean = mean + gain @ surprise
        covariance = covariance - gain @ cross
    return total


def hmm(initial: Any, transition: Any, emission: Any) -> Any:
    """Log-likelihood of a hidden Markov model from log-probabilities, by the forward pass in log space."""
    forward = initial + emission[0]
    for step in range(1, len(emission)):
        forward = ag.logsumexp(forward[:, None] + transition, axis=0) + emission[step]
    return ag.logsumexp(forward)


def acceleration(position: Any, mass: Any) -> Any:
    """What softened gravity does to each body."""
    apart = position[None, :, :] - position[:, None, :]
    squared = np.sum(apart**2, axis=2) + SOFTENING**2
    return np.sum(apart * (mass * squared**-1.5)[:, :, None], axis=1)


def nbody(position: Any, velocity: Any, mass: Any) -> Any:
    """Squared distance of bodies from the origin after leapfrog steps under gravity."""
    pull = acceleration(position, mass)
    for _ in range(NBODY_STEPS):
        velocity = velocity + 0.5 * NBODY_STEP * pull
        position = position + NBODY_STEP * velocity
        pull = acceleration(position, mass)
        velocity = velocity + 0.5 * NBODY_STEP * pull
    return np.sum(position**2)


def sigmoid(x: Any) -> Any:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def lstm(weights_in: Any, weights_state: Any, bias: Any, readout: Any, sequence: Any, target: Any) -> Any:
    """Squared error of an LSTM's readout after the last element of a sequence."""
    driven = sequence @ weights_in + bias
    size = len(weights_state)
    state, cell = np.zeros(size), np.zeros(size)
    for step in range(len(sequence)):
        gates = driven[step] + state @ weights_state
        opened = sigmoid(gates[: 3 * size])
        cell = opened[size : 2 * size] * cell + opened[:size] * np.tanh(gates[3 * size :])
        state = opened[2 * size :] * np.tanh(cell)
    return np.sum((state @ readout - target) ** 2)


def kalman_inputs(length: int) -> Inputs:
    """A point in the plane that moves at nearly constant velocity, measured with noise."""
    rng = np.random.default_rng(7)
    transition = np.eye(4) + 0.1 * np.eye(4, k=2)
    observation = np.eye(2, 4)
    return transition, observation, 0.01 * np.eye(4), 0.25 * np.eye(2), rng.standard_normal((length, 2)).cumsum(axis=0)


def hmm_inputs(length: int, states: int) -> Inputs:
    """Normalised random log-probabilities."""
    rng = np.random.default_rng(8)
    initial, transition = rng.standard_normal(states), rng.standard_normal((states, states))
    initial -= np.log(np.sum(np.exp(initial)))
    transition -= np.log(np.sum(np.exp(transition), axis=1, keepdims=True))
    return initial, transition, rng.standard_normal((length, states))


def nbody_inputs(bodies: int) -> Inputs:
    """Bodies of about equal mass, slowly moving."""
    rng = np.random.default_rng(9)
    return (
        rng.standard_normal((bodies, 3)),
        0.1 * rng.standard_normal((bodies, 3)),
        rng.uniform(0.5, 1.5, bodies) / bodies,
    )


def lstm_inputs(length: int, hidden: int, width: int = 16, outputs: int = 4) -> Inputs:
    """Weights scaled so that the gates stay half open, one sequence and its target."""
    rng = np.random.default_rng(10)
    return (
        rng.standard_normal((width, 4 * hidden)) / np.sqrt(width),
        rng.standard_normal((hidden, 4 * hidden)) / np.sqrt(hidden),
        0.1 * rng.standard_normal(4 * hidden),
        rng.standard_normal((hidden, outputs)) / np.sqrt(hidden),
        rng.standard_normal((length, width)),
        rng.standard_normal(outputs),
    )
