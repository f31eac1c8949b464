"""`python -m benchmarks.products`: matrix products in kernels beside NumPy's, which are OpenBLAS' or another library's.

Both write to arrays that are there, with all threads and with one, in rounds that alternate; the least counts.
"""

import argparse
from collections.abc import Callable
from time import sleep
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import jit
from benchmarks.harness import SETTLE_SECONDS
from benchmarks.measure import timed

# Rows of the first factor, terms of a sum, columns of the second.
SIZES = ((16, 16, 16), (32, 32, 32), (64, 64, 64), (128, 128, 128), (256, 256, 256), (128, 784, 256), (784, 128, 256))
FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "x y": lambda x, y: x @ y,
    "x.T y": lambda x, y: x.T @ y,
    "x y.T": lambda x, y: x @ y.T,
}
# A measurement takes about as many multiplications, some 10 to 20 ms.
WORK = 1_000_000_000


def factors(form: str, size: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Random factors, as they lie in memory, of a product of that form and size."""
    rng, (m, k, n) = np.random.default_rng(0), size
    shapes = (k, m) if form == "x.T y" else (m, k), (n, k) if form == "x y.T" else (k, n)
    return rng.normal(size=shapes[0]), rng.normal(size=shapes[1])


def speeds(form: str, size: tuple[int, int, int], threads: int, rounds: int) -> tuple[float, float]:
    """Operations a second of our product and of NumPy's, with so many threads, 0 for all; the result is checked."""
    function, (x, y) = FORMS[form], factors(form, size)
    ours = jit.compile(function, threads=threads or None).bind(x, y)
    left, right, out = (x.T if form == "x.T y" else x), (y.T if form == "x y.T" else y), np.empty_like(function(x, y))
    if not np.allclose(ours(), left @ right, rtol=1e-10, atol=1e-10):
        raise ArithmeticError(f"a product {form} of {size} is not NumPy's")
    calls = max(1, WORK // int(np.prod(size)))
    with threadpool_limits(threads or None):
        found = [
            (_settled(ours, calls), _settled(lambda: np.matmul(left, right, out=out), calls)) for _ in range(rounds)
        ]
    operations = 2.0 * float(np.prod(size))
    first, second = (operations / min(times) for times in zip(*found, strict=True))
    return first, second


def _settled(call: Callable[[], Any], calls: int) -> float:
    sleep(SETTLE_SECONDS)
    call()
    return timed(call, calls)


def main() -> None:
    """Prints operations a second in billions, ours and NumPy's, and by how much ours is faster."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.products", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each, of which the best counts")
    options = parser.parse_args()
    print(f"{'GFLOP/s, and NumPy by ours':<30}{'one thread':>24}{'all threads':>24}")
    for size in SIZES:
        for form in FORMS:
            line = f"{form + ' of ' + ' x '.join(map(str, size)):<30}"
            for threads in (1, 0):
                ours, theirs = speeds(form, size, threads, options.rounds)
                line += f"{ours / 1e9:>10.1f}{theirs / 1e9:>7.1f}{ours / theirs:>6.1f}x"
            print(line, flush=True)


if __name__ == "__main__":
    main()
