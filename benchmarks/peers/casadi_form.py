"""CasADi: one function of value and gradient, compiled by the C compiler, called through its buffers."""

import shutil
from collections.abc import Callable
from typing import Any

import casadi as ca
import numpy as np

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
    return ca.sum1(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(weights, features, labels):
    """Logistic loss with a penalty."""
    margins = labels * (features @ weights)
    return ca.sum1(ca.log1p(ca.exp(-margins))) / labels.numel() + 0.01 * ca.sumsqr(weights)


def mlp(weights1, bias1, weights2, bias2, features, one_hot):
    """Cross-entropy of a network with one hidden layer."""
    rows = features.shape[0]
    hidden = ca.tanh(features @ weights1 + ca.repmat(bias1.T, rows, 1))
    logits = hidden @ weights2 + ca.repmat(bias2.T, rows, 1)
    log_norms = ca.log(ca.sum2(ca.exp(logits)))
    return ca.sum1(log_norms - ca.sum2(one_hot * logits)) / rows


def black_scholes(spot, strike, time, rate, volatility):
    """Total price of European calls."""
    spread = volatility * ca.sqrt(time)
    d1 = (ca.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    cdf1 = 0.5 * (1.0 + ca.erf(d1 / np.sqrt(2.0)))
    cdf2 = 0.5 * (1.0 + ca.erf((d1 - spread) / np.sqrt(2.0)))
    return ca.sum1(spot * cdf1 - strike * ca.exp(-rate * time) * cdf2)


def rnn(weights_in, weights_state, bias, readout, sequence, target):
    """Recurrent network, folded over the sequence."""
    driven = weights_in.T @ sequence.T + ca.repmat(bias, 1, sequence.shape[0])
    state, entry = ca.MX.sym("state", bias.numel()), ca.MX.sym("entry", bias.numel())
    weights = ca.MX.sym("weights", *weights_state.shape)
    following = ca.tanh(entry + weights.T @ state)
    step = ca.Function("step", [state, entry, weights], [following])
    steps = driven.shape[1] - 1
    states = step.mapaccum(steps)(ca.tanh(driven[:, 0]), driven[:, 1:], ca.repmat(weights_state, 1, steps))
    return ca.sumsqr(readout.T @ states[:, -1] - target)


def lorenz_slope(state, parameters):
    """Right-hand side of the Lorenz system."""
    x, y, z = state[0], state[1], state[2]
    sigma, rho, beta = parameters[0], parameters[1], parameters[2]
    return ca.vertcat(sigma * (y - x), x * (rho - z) - y, x * y - beta * z)


def lorenz(initial, parameters):
    """Runge-Kutta steps."""
    state, size = initial, 0.01
    for _ in range(LORENZ_STEPS):
        k1 = lorenz_slope(state, parameters)
        k2 = lorenz_slope(state + 0.5 * size * k1, parameters)
        k3 = lorenz_slope(state + 0.5 * size * k2, parameters)
        k4 = lorenz_slope(state + size * k3, parameters)
        state = state + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return ca.sumsqr(state)


def heat(initial, diffusivity, target):
    """Explicit heat steps, folded."""
    shape = initial.shape
    u, rates = ca.MX.sym("u", *shape), ca.MX.sym("rates", *shape)
    row, column = ca.MX(1, shape[1]), ca.MX(shape[0], 1)
    vertical = ca.vertcat(u[1:, :], row) + ca.vertcat(row, u[:-1, :])
    horizontal = ca.horzcat(u[:, 1:], column) + ca.horzcat(column, u[:, :-1])
    step = ca.Function("step", [u, rates], [ca.densify(u + rates * (vertical + horizontal - 4.0 * u))])
    u = initial
    for _ in range(HEAT_STEPS):
        u = step(u, diffusivity)
    return ca.sumsqr(u - target) / u.numel()


FAMILIES: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (square, polynomial, rosenbrock, logistic, mlp, black_scholes, rnn, lorenz, heat)
}

SCALAR_LIMIT = 1_000
COMPILE_LIMIT = 50_000
COMPILER = shutil.which("gcc") or shutil.which("cc")


def symbol_type(family: str, size: int) -> Any:
    """Scalar expressions, which give the faster C, where they stay small; else matrix expressions."""
    scalar = family in ("square", "polynomial", "rosenbrock", "logistic", "lorenz") and size <= SCALAR_LIMIT
    return ca.SX if scalar else ca.MX


def options(size: int) -> dict[str, Any]:
    """Compilation by the C compiler where there is one and the time goes to single instructions."""
    if COMPILER is None or size > COMPILE_LIMIT:
        return {}
    flags = {"compiler": COMPILER, "flags": ["-O3", "-march=native"]}
    return {"jit": True, "compiler": "shell", "jit_options": flags}


def derive(family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> ca.Function:
    """The function of all inputs that returns the value and the dense gradients."""
    size = sum(x.size for x in inputs)
    kind = symbol_type(family, size)
    symbols = [kind.sym(f"x{i}", *x.shape) for i, x in enumerate(inputs)]
    value = FAMILIES[family](*symbols)
    gradients = [ca.densify(ca.gradient(value, symbols[i])) for i in argnums]
    return ca.Function("value_and_gradient", symbols, [value, *gradients], options(size))


def plain(function: ca.Function, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run:
    """The ordinary call, with CasADi's own matrices in and out."""
    shapes = [inputs[i].shape for i in argnums]

    def collect(result: Any) -> tuple[float, Gradients]:
        gradients = [np.array(g).reshape(shape) for g, shape in zip(result[1:], shapes, strict=True)]
        return float(result[0]), gradients

    return Run(function, tuple(ca.DM(x) for x in inputs), collect)


def buffered(function: ca.Function, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run:
    """The call through bound buffers: the point is copied in, the gradient out; the data stay in place."""
    buffer, trigger = function.buffer()
    arguments = [np.array(x, order="F") for x in inputs]
    results = [np.zeros(()), *(np.zeros(inputs[i].shape, order="F") for i in argnums)]
    for i, x in enumerate(arguments):
        buffer.set_arg(i, x.reshape(-1, order="F").data)
    for i, x in enumerate(results):
        buffer.set_res(i, x.reshape(-1, order="F").data)
    slots, (value, *gradients) = [arguments[i] for i in argnums], results

    def call(*points):
        for slot, point in zip(slots, points):  # noqa: B905
            slot[...] = point
        trigger()
        return value.item(), [g.copy() for g in gradients]

    # `trigger` holds no reference to the buffers.
    call.kept = (function, buffer, arguments, results)  # type: ignore[attr-defined]
    return Run(call, tuple(inputs[i] for i in argnums), lambda result: result)


def build(form: str, family: str, inputs: tuple[np.ndarray, ...], argnums: tuple[int, ...]) -> Run | None:
    """The workload called as `plain` or `buffer`; single precision does not exist here."""
    inputs = tuple(np.asarray(x) for x in inputs)
    if family not in FAMILIES or inputs[0].dtype != np.float64:
        return None
    function = derive(family, inputs, argnums)
    return (buffered if form == "buffer" else plain)(function, inputs, argnums)
