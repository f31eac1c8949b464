"""`python -m benchmarks.hot_tapes`: `backward()` by hot tapes beside the interpreted sweep, and what they cost else.

Only the calls of `backward()` are timed, on tapes that were recorded before, by the time that the thread was running;
rounds alternate, and the least counts. A kernel is worth its compilation after so many sweeps as take as long.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import thread_time
from typing import Any, NamedTuple

import numpy as np

import autograd as ag
import jit
from benchmarks.report import seconds
from benchmarks.workloads import Workload, select, square

Make = Callable[[], Any]
# So long one measurement of one side takes, forward pass included; few tapes stay in the processor's cache.
PATIENCE = 0.05
# The operations of a program that is another one each time, and how many there are.
OPERATIONS = (np.sin, np.cos, np.tanh, np.arctan, lambda y: y * 0.5, lambda y: y + 0.25, lambda y: y * y, np.negative)
LENGTH = 50
# Sample sizes of a bootstrap, and how many distinct ones there are.
SAMPLES, SIZES = 4134, 145


def sweep_time(make: Make, count: int) -> float:
    """Seconds of `backward()` of a loss, over so many tapes."""
    losses = [make() for _ in range(count)]
    begun = thread_time()
    for loss in losses:
        loss.backward()
    return (thread_time() - begun) / count


def count_for(make: Make) -> int:
    """How many tapes one measurement takes."""
    begun = thread_time()
    make().backward()
    return max(1, min(20, int(PATIENCE / (thread_time() - begun))))


def loss_of(workload: Workload) -> tuple[Make, list[ag.Tensor]]:
    """What makes a tape of a workload, and its leaves."""
    arrays = [np.asarray(x) for x in workload.inputs()]
    xs = [ag.tensor(x, requires_grad=True) if i in workload.argnums else x for i, x in enumerate(arrays)]
    return lambda: workload.function(*xs), [xs[i] for i in workload.argnums]


def gradients(make: Make, leaves: list[ag.Tensor]) -> list[Any]:
    """The gradients of a loss."""
    for x in leaves:
        x.grad = None
    make().backward()
    return [np.asarray(x.grad.data) for x in leaves if x.grad is not None]


def compare(workload: Workload, rounds: int) -> tuple[float, float, float]:
    """Seconds of the interpreted sweep, of the hot one, and of its compilation; the gradients are compared first."""
    make, leaves = loss_of(workload)
    expected = gradients(make, leaves)
    count = count_for(make)
    with jit.enable_hot_tapes(after=1):
        gradients(make, leaves)
        begun = thread_time()
        found = gradients(make, leaves)
        compilation = thread_time() - begun
        for g, h in zip(found, expected, strict=True):
            np.testing.assert_allclose(g, h, rtol=0, atol=workload.tolerance * np.abs(h).max())
        interpreted, hot = [], []
        for _ in range(rounds):
            hot.append(sweep_time(make, count))
            with jit.disable_hot_tapes():
                interpreted.append(sweep_time(make, count))
        info = jit.hot_tapes_info()
        if info.hits < rounds * count:
            raise SystemExit(f"{workload.title}: hot tapes did only {info.hits} sweeps")
    return min(interpreted), min(hot), compilation


def varied(x: Any, rng: np.random.Generator) -> Any:
    """A program of small operations that is another one at each call."""
    y = x
    for i in rng.integers(len(OPERATIONS), size=LENGTH):
        y = OPERATIONS[i](y)
    return y.sum()


def added(make: Make, count: int, repeats: int) -> list[float]:
    """What hot tapes add to the time of sweeps, as a fraction, over so many measurements in turn."""
    found = []
    for _ in range(repeats):
        hot = sweep_time(make, count)
        with jit.disable_hot_tapes():
            found.append(hot / sweep_time(make, count) - 1)
    return found


def cost_without_repetition(rounds: int) -> tuple[float, float]:
    """What they add for programs that are never the same: to the first 50 sweeps of a process, and to later ones."""
    x, rng = ag.tensor(np.linspace(0.5, 1.5, 10), requires_grad=True), np.random.default_rng(0)
    first, later = [], []
    for _ in range(2 * rounds):
        with jit.enable_hot_tapes():
            first += added(lambda: varied(x, rng), 50, 1)
            later += added(lambda: varied(x, rng), 50, 8)
    return median(first), median(later[len(later) // 2 :])


def cost_before_compilation(rounds: int) -> float:
    """What they add to the sweeps of a fit that ends before they would compile: 90 of some fifty operations."""
    x = ag.tensor(np.linspace(0.5, 1.5, 10), requires_grad=True)
    found = []
    for i in range(5 * rounds):
        with jit.enable_hot_tapes():
            found += added(lambda i=i: varied(x, np.random.default_rng(i)), 90, 1)  # type: ignore[misc]
    return median(found)


class Bootstrap(NamedTuple):
    """Seconds of all sweeps of a regression on samples whose number changes from one to the next: interpreted; by hot
    tapes as usual; by hot tapes that had a kernel before, which is as fast as they become; and the number of kernels.
    """

    interpreted: float
    usual: float
    hot: float
    kernels: int


def bootstrap() -> Bootstrap:
    """Sweeps samples of many sizes, no two of one size in turn."""
    rng = np.random.default_rng(0)
    sizes = [100 + i * 64 % SIZES for i in range(SAMPLES)]
    features, labels = rng.standard_normal((300, 5)), rng.choice([-1.0, 1.0], 300)
    w = ag.tensor(np.zeros(5), requires_grad=True)

    def run() -> float:
        spent = 0.0
        for n in sizes:
            rows = rng.integers(300, size=n)
            margins = labels[rows] * (features[rows] @ w)
            loss = np.mean(np.log1p(np.exp(-margins))) + 0.01 * np.sum(w**2)
            begun = thread_time()
            loss.backward()
            spent += thread_time() - begun
        return spent

    with jit.disable_hot_tapes():
        run()
        interpreted = run()
    with jit.disable_hot_tapes(), jit.enable_hot_tapes():
        usual = run()
        hot = run()
        return Bootstrap(interpreted, usual, hot, jit.hot_tapes_info().compiled)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hot_tapes", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of workloads, all small ones unless said")
    parser.add_argument("--rounds", type=int, default=10, help="alternating measurements")
    options = parser.parse_args()
    # Numba's start-up is in nobody's compilation.
    jit.compile(square)(2.0)
    print(f"{'':<28}{'interpreted':>12}{'hot':>10}{'ratio':>8}{'compilation':>13}{'worth after':>13}")
    for workload in select(options.names or None, quick=True):
        interpreted, hot, compilation = compare(workload, options.rounds)
        worth = compilation / (interpreted - hot) if interpreted > hot else float("inf")
        shown = f"{seconds(interpreted):>12}{seconds(hot):>10}{interpreted / hot:>7.1f}x{seconds(compilation):>13}"
        print(f"{workload.title:<28}{shown}{worth:>13,.0f}", flush=True)
    first, later = cost_without_repetition(options.rounds)
    print(f"\nwhere no structure repeats: {first:+.1%} on the first 50 sweeps, {later:+.1%} later")
    print(f"a fit of 90 sweeps that ends before a compilation: {cost_before_compilation(options.rounds):+.1%}")
    found = bootstrap()
    print(f"bootstrap, {SAMPLES:,} samples in {SIZES} sizes: interpreted {seconds(found.interpreted)}", end="")
    print(f", with a compilation on the way {seconds(found.usual)}, after it {seconds(found.hot)}", end="")
    print(f" ({found.interpreted / found.hot:.1f}x); kernels: {found.kernels}")


if __name__ == "__main__":
    main()
