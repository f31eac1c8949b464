"""A loss and its gradient summed over shards of data, on processes of `multiprocessing`, joblib, Dask or MPI.

An engine is anything with a `map` that gives results in the order of its arguments. The parts are added in pairs by
their positions, so the sum is the same to the last bit for any number of processes, and also where one was lost and its
shards were done again.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

import jit
from examples.fit import accuracy, read_data

Part = tuple[float, np.ndarray]
Shard = tuple[np.ndarray, np.ndarray]
OnShard = Callable[[np.ndarray, Shard], Part]
Total = Callable[[np.ndarray], Part]
SHARDS = 7
PENALTY = 1.0


def loss(w, X, sign):
    """The logistic loss of labels `sign` (1 or -1) under weights `w` (the intercept last), summed over the rows."""
    return np.sum(np.logaddexp(0.0, -sign * (X @ w[:-1] + w[-1])))


# One kernel for all lengths: otherwise the bits depend on which shard a process sees first. One thread: the engine
# has a process for each CPU.
gradient = jit.value_and_grad(loss, dynamic={"X": 0, "sign": 0}, threads=1)


def read_shard(i: int) -> Shard:
    """Every `SHARDS`-th row from the i-th on."""
    (X, sign), _ = read_data()
    return X[i::SHARDS], sign[i::SHARDS]


def on_shard(w: np.ndarray, shard: Shard) -> Part:
    return gradient(w, *shard)


def added(x: Part, y: Part) -> Part:
    return x[0] + y[0], x[1] + y[1]


def in_pairs(add: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    """The sum of at least one part: neighbours are added, then neighbouring sums, until one is left."""
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [add(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]


def over_shards(f: OnShard, shards: Sequence[Shard], map: Callable[..., Iterable[Part]] = map) -> Total:
    """The sum of `f(w, shard)` over the shards as a function of `w`, by an engine's `map`."""
    return lambda w: in_pairs(added, list(map(partial(f, w), shards)))


def over_ranks(f: OnShard, shards: Sequence[Shard], ranks: Any) -> Total:
    """The same sum in every rank of an MPI communicator; each has its `shards`, which are dealt out in turn."""

    def total(w: np.ndarray) -> Part:
        dealt = ranks.allgather([f(w, shard) for shard in shards])
        return in_pairs(added, [dealt[i % ranks.size][i // ranks.size] for i in range(sum(map(len, dealt)))])

    return total


def fit(total: Total) -> OptimizeResult:
    """The weights of least loss with a penalty, which needs no data."""

    def penalised(w: np.ndarray) -> Part:
        value, g = total(w)
        slope = np.append(PENALTY * w[:-1], 0.0)
        return value + 0.5 * slope @ w, g + slope

    return minimize(penalised, np.zeros(31), jac=True, method="L-BFGS-B")


def report(name: str, found: OptimizeResult) -> None:
    held_out = 100 * accuracy(found.x, *read_data()[1])
    print(f"{name:20} loss {found.fun:.12f} after {found.nfev} gradients, accuracy on held-out rows {held_out:.1f}%")


def main() -> None:
    shards = [read_shard(i) for i in range(SHARDS)]
    report("this process", fit(over_shards(on_shard, shards)))
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        report("two processes", fit(over_shards(on_shard, shards, pool.map)))


if __name__ == "__main__":
    main()
