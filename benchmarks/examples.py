"""What `benchmarks.batches` maps over many examples: functions of one of them, in plain NumPy code, and inputs.

Axes of an example come first, so the same functions work on arrays of examples along the last axis.
"""

from typing import Any

import numpy as np

import autograd as ag
from benchmarks.steps import LORENZ_STEPS
from benchmarks.workloads import Inputs, lorenz_slope, normal_cdf

STEP = 0.01
PARAMETERS = (10.0, 28.0, 8.0 / 3.0)
CAMERAS, POINTS = 100, 20_000


def orbit(state: Any) -> Any:
    """Squared norm of the Lorenz system's state after classical Runge-Kutta steps."""

    def step(state: Any, _: Any) -> Any:
        k1 = lorenz_slope(state, PARAMETERS)
        k2 = lorenz_slope(state + 0.5 * STEP * k1, PARAMETERS)
        k3 = lorenz_slope(state + 0.5 * STEP * k2, PARAMETERS)
        k4 = lorenz_slope(state + STEP * k3, PARAMETERS)
        return state + STEP / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), None

    state, _ = ag.scan(step, state, length=LORENZ_STEPS)
    return np.sum(state**2, axis=0)


def option(spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    """Price of a European call."""
    spread = volatility * np.sqrt(time)
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    return spot * normal_cdf(d1) - strike * np.exp(-rate * time) * normal_cdf(d1 - spread)


def residual(camera: Any, point: Any, observed: Any) -> Any:
    """Where a camera sees a point, less where it was observed.

    The camera is a rotation vector, a translation, the focal length and two coefficients of radial distortion.
    """
    rotation = camera[:3]
    angle = np.sqrt(np.sum(rotation * rotation, axis=0) + 1e-20)
    axis = rotation / angle
    across = np.stack([
        axis[1] * point[2] - axis[2] * point[1],
        axis[2] * point[0] - axis[0] * point[2],
        axis[0] * point[1] - axis[1] * point[0],
    ])  # fmt: skip
    cosine, sine = np.cos(angle), np.sin(angle)
    along = axis * (np.sum(axis * point, axis=0) * (1.0 - cosine))
    turned = point * cosine + across * sine + along + camera[3:6]
    image = -turned[:2] / turned[2]
    squared = np.sum(image * image, axis=0)
    return camera[6] * (1.0 + squared * (camera[7] + camera[8] * squared)) * image - observed


def orbits(states: Any) -> Any:
    """The sum over all starting points."""
    return np.sum(orbit(states.T))


def options(*parameters: Any) -> Any:
    """The sum over all options."""
    return np.sum(option(*parameters))


def jacobians(cameras: Any, points: Any, observed: Any) -> Any:
    """The sum of all residuals."""
    return np.sum(residual(cameras.T, points.T, observed.T))


def adjustment(cameras: Any, points: Any, seen_by: Any, seen: Any, observed: Any) -> Any:
    """The sum of squared residuals, where each camera and each point has part in many observations."""
    return np.sum(residual(cameras[seen_by].T, points[seen].T, observed.T) ** 2)


def orbits_inputs(count: int) -> Inputs:
    """Starting points."""
    return (np.random.default_rng(11).standard_normal((count, 3)),)


def adjustment_inputs(count: int) -> Inputs:
    """Cameras, points, which camera sees which point in each observation, and where."""
    rng = np.random.default_rng(12)
    lens = np.array([500.0, -1e-2, 1e-3])
    cameras = np.concatenate([
        0.3 * rng.standard_normal((CAMERAS, 3)),
        0.1 * rng.standard_normal((CAMERAS, 3)),
        lens * (1.0 + 0.01 * rng.standard_normal((CAMERAS, 3))),
    ], axis=1)  # fmt: skip
    points = rng.standard_normal((POINTS, 3)) - np.array([0.0, 0.0, 6.0])
    return (
        cameras,
        points,
        rng.integers(0, CAMERAS, count),
        rng.integers(0, POINTS, count),
        rng.standard_normal((count, 2)),
    )


def jacobians_inputs(count: int) -> Inputs:
    """The camera, the point and the place of each observation."""
    cameras, points, seen_by, seen, observed = adjustment_inputs(count)
    return cameras[seen_by], points[seen], observed
