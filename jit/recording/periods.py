"""Where a sequence repeats itself: stretches in which every item is equal to the one a period before."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

# Windows of these lengths say how far away the same items stand again.
_WINDOWS = (1, 4, 16, 64, 256)
_CANDIDATES = 6
# The fewest iterations of a loop.
LEAST_ITERATIONS = 3

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class Stretch(NamedTuple):
    """Items from `start` to `stop`, each like the one `period` items before."""

    start: int
    stop: int
    period: int

    @property
    def saved(self) -> int:
        """How many items repeat others."""
        return self.stop - self.start - self.period


def stretches(items: Sequence[Hashable]) -> list[Stretch]:
    """The stretches of a sequence that hold some iterations, the ones that save most first.

    >>> stretches("xabcabcabcabcy")[0]
    Stretch(start=1, stop=13, period=3)
    """
    known: dict[Hashable, int] = {}
    numbers = np.array([known.setdefault(x, len(known)) for x in items], np.int64)
    found = [x for period in _periods(numbers) for x in _stretches(numbers, period)]
    return sorted(found, key=lambda x: (-x.saved, x.period))


def _periods(numbers: Numbers) -> list[int]:
    """The distances at which many windows stand again."""
    found: dict[int, None] = {}
    hashes, length = numbers.astype(np.uint64), 1
    for window in _WINDOWS:
        while length < window and len(hashes) > length:
            mixed = hashes * np.uint64(0x9E3779B97F4A7C15)
            hashes = (mixed ^ (mixed >> np.uint64(29)))[:-length] + hashes[length:]
            length *= 2
        if length < window:
            break
        order = np.argsort(hashes, kind="stable")
        distances = np.diff(order)[hashes[order[1:]] == hashes[order[:-1]]]
        counts = np.bincount(distances) if len(distances) else np.zeros(0, np.int64)
        # Each stands for as many items as the period is long.
        weights = counts * np.arange(len(counts))
        found.update(dict.fromkeys([int(i) for i in np.argsort(-weights)[:_CANDIDATES] if counts[i]]))
        found.update(dict.fromkeys([int(i) for i in np.argsort(-counts)[:_CANDIDATES] if counts[i]]))
    return list(found)


def _stretches(numbers: Numbers, period: int) -> Iterator[Stretch]:
    same = np.concatenate([[False], numbers[:-period] == numbers[period:], [False]])
    edges = np.flatnonzero(same[1:] != same[:-1])
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if stop - start >= (LEAST_ITERATIONS - 1) * period:
            yield Stretch(start, stop + period, period)
