"""`python -m benchmarks.decisions`: what it costs to find the variant of a function that decides on values.

The function takes one of several branches by the value of its argument; calls visit them at random. The plain function
is one of its branches alone. Both are timed in rounds that alternate; the least counts. Results are compared first.
"""

import argparse
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

import autograd as ag
import jit

COUNTS, CALLS = (2, 4, 8, 16), 400


def polynomial(x: Any) -> Any:
    """The seed polynomial."""
    return 5 * x**3 + 2 * x**2 + 4 * x + 8


def by_number(x: Any) -> Any:
    """A polynomial for each unit interval."""
    k = int(x)
    return 5 * x**3 + (2 + k) * x**2 + 4 * x + 8


def loss(x: Any) -> Any:
    """A mean of transcendental functions."""
    return np.mean(np.tanh(np.exp(-x * x)) ** 2)


def by_signs(x: Any) -> Any:
    """The same, with a decision on each of the first four elements."""
    scale = 1.0
    for i in range(4):
        scale = scale * 2 if x[i] > 0 else scale + i
    return scale * loss(x)


def numbers(count: int, rng: np.random.Generator) -> list[Any]:
    """Arguments of `by_number` in so many intervals."""
    return [float(x) for x in rng.uniform(0, count, CALLS)]


def arrays(count: int, rng: np.random.Generator) -> list[Any]:
    """Arguments of `by_signs` with so many combinations of signs."""
    points = []
    for _ in range(CALLS):
        x = rng.normal(size=1000)
        x[:4] = np.abs(x[:4]) * [1 if rng.integers(2) or 2**i >= count else -1 for i in range(4)]
        points.append(x)
    return points


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., list[Any]]]] = {
    "polynomial, by int(x)": (polynomial, by_number, numbers),
    "1000 elements, by signs": (loss, by_signs, arrays),
}


def seconds_of(function: Callable[..., Any], points: Sequence[Any]) -> float:
    """Seconds of a call."""
    begun = perf_counter()
    for x in points:
        function(x)
    return (perf_counter() - begun) / len(points)


def compare(name: str, count: int, rounds: int) -> tuple[float, float, float]:
    """Seconds of a call of the plain function, and of the other one at random branches and always at the same."""
    plain, deciding, make = CASES[name]
    points = make(count, np.random.default_rng(0))
    fast, alone = jit.value_and_grad(deciding), jit.value_and_grad(plain)
    for x in points * 4:
        gradient = fast(x)[1]
    np.testing.assert_allclose(gradient, ag.value_and_grad(deciding)(x)[1], rtol=1e-12)
    if sum(map(len, fast.variants.values())) != count:
        raise ValueError(f"{name}: {fast.variants} are not {count} variants")
    same, times = [points[0]] * len(points), []
    for _ in range(rounds):
        times.append([seconds_of(f, xs) for f, xs in ((alone, same), (alone, points), (fast, points), (fast, same))])
    at_one, least, at_random, always = (min(column) for column in zip(*times, strict=True))
    return least, at_random - least, always - at_one


def compare_bound(count: int, rounds: int) -> tuple[float, float]:
    """Seconds of a bound call of `loss`, and how many more one of `by_signs` takes at random branches."""
    points, x = arrays(count, np.random.default_rng(0)), np.ones(1000)
    alone, fast = jit.value_and_grad(loss).bind(x), jit.value_and_grad(by_signs).bind(x)

    def at(call: Callable[[], Any]) -> Callable[[Any], Any]:
        def called(point: Any) -> Any:
            x[:] = point
            return call()

        return called

    for point in points * 4:
        gradient = at(fast)(point)[1]
    np.testing.assert_allclose(gradient, ag.value_and_grad(by_signs)(x)[1], rtol=1e-12)
    times = [[seconds_of(at(call), points) for call in (alone, fast)] for _ in range(rounds)]
    least, at_random = (min(column) for column in zip(*times, strict=True))
    return least, at_random - least


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    print(f"{'us a call':<26}{'variants':>9}{'plain':>9}{'at random':>11}{'the same':>10}")
    for name in CASES:
        for count in COUNTS:
            plain, at_random, same = (1e6 * x for x in compare(name, count, rounds))
            print(f"{name:<26}{count:>9}{plain:>9.2f}{f'+{at_random:.2f}':>11}{same:>+10.2f}", flush=True)
    for count in COUNTS:
        plain, at_random = (1e6 * x for x in compare_bound(count, rounds))
        print(f"{'the same, bound':<26}{count:>9}{plain:>9.2f}{f'+{at_random:.2f}':>11}", flush=True)


if __name__ == "__main__":
    main()
