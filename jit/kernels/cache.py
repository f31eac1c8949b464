"""The kernel cache: graphs of the same structure share one kernel, in this process and in those to come."""

from __future__ import annotations

import copyreg
import gc
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from ..graph import Graph
from ..runtime.foreign import is_foreign
from .disk import Store, folder
from .kernel import Kernel, build, name_of, restored, saved
from .native import Native, native_code, native_name

#: How many kernels are kept; each holds about a megabyte of Numba's memory.
BOUND = 512


class CacheInfo(NamedTuple):
    """How often a kernel was found, compiled, and read from the disk, and what is kept.

    `hits` counts the kernels found in memory, `misses` those compiled, and `loaded` those read from the disk; in memory
    there are `size` kernels, at most `bound`. `folder` is where kernels are on the disk, `None` for nowhere; there are
    `files` of them, of `bytes` in all.
    """

    hits: int
    misses: int
    loaded: int
    size: int
    bound: int
    folder: str | None
    files: int
    bytes: int


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
        self.hits = self.misses = self.loaded = 0
        self._store: Store | None = None
        # Functions of C, and what code that Numba keeps for ever refers to.
        self.natives: WeakValueDictionary[str, Native] = WeakValueDictionary()
        self.pinned: dict[str, Any] = {}
        self.numbers: Counter[str] = Counter()

    def get(self, graph: Graph) -> Kernel:
        name = name_of(graph)
        with self.lock:
            return self.find(graph, name) or self.keep(self.compile(graph, name))

    def find(self, graph: Graph, name: str) -> Kernel | None:
        """The kernel from memory or from the disk."""
        found = self.kernels.get(name)
        if found is not None:
            self.hits += 1
            self.kernels.move_to_end(name)
            return found
        read = self.read(graph, name)
        return None if read is None else self.keep(read)

    def keep(self, made: Kernel) -> Kernel:
        self.kernels[made.name] = made
        while len(self.kernels) > BOUND:
            self.kernels.popitem(last=False)
        return made

    def read(self, graph: Graph, name: str) -> Kernel | None:
        """The kernel from the disk."""
        store = None if is_foreign(graph) else self.store()
        content = None if store is None else store.read(name)
        if store is None or content is None:
            return None
        try:
            found = restored(graph, name, content)
        except (ImportError, RuntimeError, ValueError) as error:
            store.ignore(str(error))
            return None
        self.loaded += 1
        return found

    def compile(self, graph: Graph, name: str) -> Kernel:
        """The kernel, compiled now."""
        made = build(graph, name)
        self.misses += 1
        store = None if is_foreign(graph) else self.store()
        if store is not None:
            store.write(name, saved(made))
        return made

    def native(self, graphs: Sequence[Graph]) -> Native:
        name = native_name(graphs)
        with self.lock:
            found = self.natives.get(name) or self.linked(name, graphs)
            self.natives[name] = found
            return found

    def linked(self, name: str, graphs: Sequence[Graph]) -> Native:
        """The function of C from the disk, or compiled now."""
        store = None if any(map(is_foreign, graphs)) else self.store()
        content = None if store is None else store.read(name)
        if store is not None and content is not None:
            try:
                found = Native(name, graphs, content)
                self.loaded += 1
                return found
            except (ImportError, RuntimeError, ValueError) as error:
                store.ignore(str(error))
        content = native_code(name, graphs)
        self.misses += 1
        if store is not None:
            store.write(name, content)
        return Native(name, graphs, content)

    def store(self) -> Store | None:
        """The kernels on the disk; the folder may be another one than at the last call."""
        where = folder()
        if where is None:
            self._store = None
        elif self._store is None or self._store.folder != where:
            self._store = Store(where)
        return self._store


_CACHE = _Cache()


def kernel_of(graph: Graph) -> Kernel:
    """The kernel of a graph, compiled if none of the same structure is kept."""
    return _CACHE.get(graph)


# A kernel in a pickle is its graph: where that is read, its code is found or made.
copyreg.pickle(Kernel, lambda kernel: (kernel_of, (kernel.graph,)))


def kept_kernel_of(graph: Graph) -> Kernel | None:
    """The kernel of a graph, if one of the same structure is kept in memory or on the disk."""
    with _CACHE.lock:
        return _CACHE.find(graph, name_of(graph))


def native_of(graphs: Sequence[Graph]) -> Native:
    """The function of C for graphs of the same inputs and outputs."""
    return _CACHE.native(graphs)


def known_native(name: str) -> Native:
    """The function of C of that name, which somebody holds; it stays for ever from now on."""
    with _CACHE.lock:
        found: Native = _CACHE.natives[name]
        _CACHE.pinned[name] = found
        return found


def next_number(name: str) -> int:
    """How many times it was asked for that name before."""
    with _CACHE.lock:
        _CACHE.numbers[name] += 1
        return _CACHE.numbers[name] - 1


def pin(name: str, value: Any) -> None:
    """Keeps what code that is never freed refers to by that name."""
    with _CACHE.lock:
        _CACHE.pinned[name] = value


def cache_info() -> CacheInfo:
    """The state of the kernel cache.

    >>> import jit
    >>> jit.clear_cache()
    >>> double = jit.compile(lambda x: x + x)
    >>> double(2.0), double(3)
    (4.0, 6)
    >>> info = jit.cache_info()
    >>> info.misses + info.loaded, info.size
    (2, 2)
    """
    with _CACHE.lock:
        store = _CACHE.store()
        sizes = [] if store is None else [size for _, size in store.files()]
        where = None if store is None else str(store.folder)
        counts = (_CACHE.hits, _CACHE.misses, _CACHE.loaded, len(_CACHE.kernels))
        return CacheInfo(*counts, BOUND, where, len(sizes), sum(sizes))


def clear_cache(disk: bool = False) -> None:
    """Forgets all kernels, with `disk` those in the folder too; compiled functions keep those that they use."""
    with _CACHE.lock:
        _CACHE.kernels.clear()
        _CACHE.hits = _CACHE.misses = _CACHE.loaded = 0
        store = _CACHE.store() if disk else None
        if store is not None:
            store.clear()
