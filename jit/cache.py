"""The kernel cache: graphs of the same structure share one kernel."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .graph import Graph
from .kernel import Kernel, build, name_of

#: How many kernels are kept; each holds about a megabyte of Numba's memory.
BOUND = 512


class CacheInfo(NamedTuple):
    """How often a kernel was found and how often one was compiled, how many are kept, and at most how many."""

    hits: int
    misses: int
    size: int
    bound: int


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps the garbage collector off: it would walk, again and again, all that a compilation still needs."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Cache:
    def __init__(self) -> None:
        self.kernels: OrderedDict[str, Kernel] = OrderedDict()
        self.lock = threading.RLock()
        self.hits = self.misses = 0

    def get(self, graph: Graph) -> Kernel:
        name = name_of(graph)
        with self.lock:
            found = self.kernels.get(name)
            if found is not None:
                self.hits += 1
                self.kernels.move_to_end(name)
                return found
            made = build(graph, name)
            self.misses += 1
            self.kernels[name] = made
            while len(self.kernels) > BOUND:
                self.kernels.popitem(last=False)
            return made


_CACHE = _Cache()


def kernel_of(graph: Graph) -> Kernel:
    """The kernel of a graph, compiled if none of the same structure is kept."""
    return _CACHE.get(graph)


def cache_info() -> CacheInfo:
    """The state of the kernel cache.

    >>> import jit
    >>> jit.clear_cache()
    >>> jit.cache_info()
    CacheInfo(hits=0, misses=0, size=0, bound=512)
    """
    return CacheInfo(_CACHE.hits, _CACHE.misses, len(_CACHE.kernels), BOUND)


def clear_cache() -> None:
    """Forgets all kernels; compiled functions keep those that they use."""
    with _CACHE.lock:
        _CACHE.kernels.clear()
        _CACHE.hits = _CACHE.misses = 0
