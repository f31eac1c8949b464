"""Solutions of ordinary differential equations by SciPy's adaptive solvers, differentiated by the continuous adjoint.

With the cotangents g of the states at the times, the adjoint runs backwards, dλ/dt = -(∂f/∂y)ᵀ λ, from λ = 0 behind the
last time, and takes up g at each time. The cotangent of the first state is λ at the first time, that of the parameters
the integral of (∂f/∂p)ᵀ λ; Pontryagin et al., The Mathematical Theory of Optimal Processes. The states on the way back
are those of the forward solution's interpolant, since to run a decaying solution backwards is unstable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np
import scipy.integrate

from .closed import Closed, snapshot
from .custom import Custom
from .derivatives import jacobian
from .functions import reshape, sum
from .functions.arguments import as_array
from .tape import Tape, current_tape, no_grad, onto, setting
from .tensor import Tensor
from .transforms import grad
from .tree import Structure, flatten, unflatten

#: SciPy's methods, and whether they take a Jacobian.
METHODS = {"RK23": False, "RK45": False, "DOP853": False, "Radau": True, "BDF": True, "LSODA": True}
#: Nodes and weights on [-1, 1] for the integral over a step of the adjoint.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)


def solve_ivp(
    f: Callable[..., Any],
    times: Any,
    y0: Any,
    *params: Any,
    method: str = "RK45",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    compile: Callable[..., Any] | None = None,
) -> Any:
    """The solution of `dy/dt = f(t, y, *params)` at the times, by a solver of SciPy, with derivatives by its adjoint.

    First derivatives, in reverse mode, by all arguments and by the tensors that `f` closes over. They are those of the
    exact solution: as near to it as the tolerances say, which hold for the adjoint too. A compiled function calls it
    back in Python. For derivatives of any order, and without Python, integrate with fixed steps, in `fori_loop`.

    **Arguments:** `f`, whose value has the shape of `y`; `times`, two at least, increasing or decreasing, at the first
    of which the state is `y0`; `params`, arrays, tensors or nested tuples, lists and dicts of them; `method`, one of
    SciPy's names, of which the stiff ones get the Jacobian; `rtol` and `atol`, the tolerances; `compile`, such as
    `jit.compile`, which makes faster functions of `f` and of its derivatives; what `f` closes over must then not
    change before the gradient is taken.

    **Returns:** the states, of the shape of the times followed by that of `y0`; a tensor where one was given.

    **Errors:** `ArithmeticError` where SciPy's solver gives up; `ValueError` for other times and methods; `TypeError`
    for a `y0` or times that are not real floating point, and for tensors that `f` closes over in a compiled function
    or with `compile`; `NotImplementedError` for second derivatives and for forward mode.

    >>> import numpy as np
    >>> import autograd as ag
    >>> decayed = lambda rate: ag.solve_ivp(lambda t, y, rate: -rate * y, np.array([0.0, 1.0]), 1.0, rate)[-1]
    >>> value, slope = ag.value_and_grad(decayed)(2.0)
    >>> bool(np.allclose([value, slope], [np.exp(-2), -np.exp(-2)], rtol=1e-5))
    True
    """
    times, y0 = as_array(times), as_array(y0)
    _check(times, y0, method)
    leaves, structure = flatten(params)
    inputs = [times, y0, *[as_array(x) for x in leaves]]
    outer = _outer(f, structure, inputs)
    if not outer:
        if compile is not None:
            return _problem(f, structure, method, rtol, atol, compile).solution(*inputs)
        return _Problem(snapshot(_of_leaves(f, structure)), method, rtol, atol, None).solution(*inputs)
    if current_tape() is not None or compile is not None:
        raise TypeError(
            f"`solve_ivp` in a compiled function or with `compile` cannot follow tensors that `f` closes over, got "
            f"{len(outer.outer)} of them; pass them as `params`, or as NumPy arrays where no derivative is wanted"
        )
    count = len(leaves)
    closed = lambda t, y, *rest: outer([t, y, *rest[:count]], rest[count:])
    return _Problem(closed, method, rtol, atol, None).solution(*inputs, *outer.outer)


def _check(times: Any, y0: Any, method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"`solve_ivp` needs one of the methods {', '.join(METHODS)}, got {method!r}")
    for name, x in (("times", times), ("y0", y0)):
        if x.dtype.kind != "f":
            raise TypeError(f"`solve_ivp` needs `{name}` of real floating point, got {x.dtype.name}; convert it")
    if times.ndim != 1 or times.shape[0] < 2 or not y0.size:
        raise ValueError(
            f"`solve_ivp` needs two times at least and a state that is not empty, got the shapes {times.shape} and "
            f"{y0.shape}"
        )


def _outer(f: Callable[..., Any], structure: Structure, inputs: Sequence[Any]) -> Closed | None:
    """`f` with the tensors that it closes over as arguments; `None` where there are none."""
    recording = current_tape() is not None
    # What it does at the first state is no part of the recording.
    with onto(Tape()) if recording else setting("watchers", ()):
        closed = Closed(_of_leaves(f, structure), inputs[0][0], *inputs[1:])
    return closed if closed.outer else None


def _of_leaves(f: Callable[..., Any], structure: Structure) -> Callable[..., Any]:
    return lambda t, y, *leaves: f(t, y, *unflatten(structure, leaves))


@lru_cache(maxsize=64)
def _problem(f: Any, structure: Structure, method: str, rtol: float, atol: float, compile: Any) -> _Problem:
    """The problem of a function, the same at each call, so that what was compiled is found again."""
    return _Problem(_of_leaves(f, structure), method, rtol, atol, compile)


class _Problem:
    """An equation and how it is solved; `solution(times, y0, *leaves)` are the states, as an op with a gradient."""

    def __init__(self, slope: Callable[..., Any], method: str, rtol: float, atol: float, compile: Any) -> None:
        made = compile or (lambda f: f)
        along = lambda t, y, multipliers, *leaves: sum(slope(t, y, *leaves) * multipliers)
        by_leaves = lambda *args: grad(along, tuple([3 + i for i in _floating(args[3:])]))(*args)
        self.slope, self.jacobian = made(slope), made(jacobian(slope, 1))
        self.by_state, self.by_leaves = made(grad(along, 1)), made(by_leaves)
        self.method = method
        self.options: dict[str, Any] = {"method": method, "rtol": rtol, "atol": atol}
        self.solution = Custom(self.solve_ivp, self.rule)
        self.adjoint = Custom(self.cotangents, _no_second)

    def solve_ivp(self, times: Any, y0: Any, *leaves: Any) -> Any:
        """The states at the times."""
        found = self._forward(times, y0, leaves, t_eval=times).y
        return found.T.reshape(len(times), *np.shape(y0)).astype(y0.dtype)

    def rule(self, g: Any, out: Any, *inputs: Any) -> list[Any]:
        """The cotangents of the inputs."""
        found, floating = self.adjoint(g, *inputs), _floating(inputs)
        shapes = [np.shape(inputs[i]) for i in floating]
        ends = accumulate([prod(shape) for shape in shapes], initial=0)
        parts = [reshape(found[start:end], shape) for shape, (start, end) in zip(shapes, pairwise(ends), strict=True)]
        by_input = dict(zip(floating, parts, strict=True))
        return [by_input.get(i) for i in range(len(inputs))]

    def cotangents(self, g: Any, times: Any, y0: Any, *leaves: Any) -> Any:
        """The cotangents of the inputs that are floating point, one after the other."""
        wanted = _floating(leaves)
        shape, states = np.shape(y0), self._forward(times, y0, leaves, dense_output=True).sol
        gs = np.asarray(g, float).reshape(len(times), -1)
        of_times, multipliers = np.zeros(len(times)), np.zeros(gs.shape[1])
        of_leaves = [np.zeros(np.shape(leaves[i])) for i in wanted]
        for k in range(len(times) - 1, 0, -1):
            multipliers = multipliers + gs[k]
            of_times[k] = gs[k] @ self._slope(times[k], states(times[k]), shape, leaves)
            steps = self._backward(times[k], times[k - 1], multipliers, states, shape, leaves)
            multipliers = steps.y[:, -1]
            if wanted:
                self._add_integral(of_leaves, steps, states, shape, leaves)
        of_times[0] = -multipliers @ self._slope(times[0], states(times[0]), shape, leaves)
        return np.concatenate([of_times, multipliers + gs[0], *[x.ravel() for x in of_leaves]])

    def _slope(self, t: Any, y: Any, shape: Any, leaves: Sequence[Any]) -> Any:
        found = _plainly(self.slope, t, y.reshape(shape), *leaves)
        found = np.asarray(found.data if isinstance(found, Tensor) else found)
        if found.shape != shape:
            raise ValueError(f"`solve_ivp` needs an `f` whose value has the shape of `y`, {shape}, got {found.shape}")
        return found.ravel()

    def _forward(self, times: Any, y0: Any, leaves: Sequence[Any], **options: Any) -> Any:
        if not (np.all(np.diff(times) > 0) or np.all(np.diff(times) < 0)):
            raise ValueError(f"`solve_ivp` needs times that increase or decrease, got {times}")
        shape, size = np.shape(y0), np.size(y0)
        slopes = lambda t, y: np.reshape(_plainly(self.jacobian, t, y.reshape(shape), *leaves), (size, size))
        slope = lambda t, y: self._slope(t, y, shape, leaves)
        return self._solved(slope, slopes, times[0], times[-1], np.asarray(y0, float).ravel(), **options)

    def _backward(self, start: Any, end: Any, multipliers: Any, states: Any, shape: Any, leaves: Sequence[Any]) -> Any:
        """The adjoint from one time to the one before it."""
        size = multipliers.size
        state = lambda t: states(t).reshape(shape)
        slopes = lambda t, _: -np.reshape(_plainly(self.jacobian, t, state(t), *leaves), (size, size)).T
        slope = lambda t, x: -np.ravel(_plainly(self.by_state, t, state(t), x.reshape(shape), *leaves))
        return self._solved(slope, slopes, start, end, multipliers, dense_output=True)

    def _add_integral(self, sums: Any, steps: Any, states: Any, shape: Any, leaves: Sequence[Any]) -> None:
        """Adds the integral over a piece of the adjoint, step by step."""
        for start, end in pairwise(steps.t):
            half = (start - end) / 2
            for node, weight in zip(_NODES, _WEIGHTS, strict=True):
                t = start - half * (1 + node)
                args = states(t).reshape(shape), steps.sol(t).reshape(shape), *leaves
                for total, x in zip(sums, _plainly(self.by_leaves, t, *args), strict=True):
                    total += half * weight * np.asarray(x)

    def _solved(self, slope: Any, slopes: Any, start: Any, end: Any, y: Any, **options: Any) -> Any:
        options |= self.options | ({"jac": slopes} if METHODS[self.method] else {})
        found: Any = scipy.integrate.solve_ivp(slope, (start, end), y, **options)
        if not found.success:
            raise ArithmeticError(f"`solve_ivp` did not reach {end:.6g} from {start:.6g}: {found.message}")
        return found


def _floating(xs: Sequence[Any]) -> list[int]:
    """The positions of what has a derivative."""
    return [i for i, x in enumerate(xs) if as_array(x).dtype.kind == "f"]


def _plainly(f: Callable[..., Any], *args: Any) -> Any:
    """What the function makes of arrays, unseen by recordings and gradients around it."""
    with setting("tape", None), setting("nesting", 0), no_grad():
        return f(*args)


def _no_second(*_: Any) -> Any:
    raise NotImplementedError(
        "`solve_ivp` has first derivatives in reverse mode alone: for a Jacobian use `jacrev`; for second derivatives "
        "and forward mode integrate with fixed steps, in `fori_loop`"
    )
