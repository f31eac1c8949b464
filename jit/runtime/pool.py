"""A pool of threads that compiled kernels call: one native function, written in LLVM and built when first needed.

    void jit_parallel_for(void (*task)(void *context, int64_t i), void *context, int64_t count, int64_t threads)

runs `task(context, i)` once for each `i` below `count`, on at most `threads` threads (0: as `set_num_threads` says),
the caller's among them, and returns when all have ended. It needs no GIL and may be called from any thread.

The caller never depends on another thread to begin: it takes tasks itself until none is left, and waits only for
workers that are inside one. So it may be called while the pool is busy, from inside a task, or in a forked child,
where the workers are gone: the worst that happens is that the caller runs all tasks.
"""

from __future__ import annotations

import ctypes
import operator
import os
import threading
from typing import SupportsIndex

import llvmlite.binding as llvm

from .workers import source

#: The name under which kernels call the function, once `link` has been called.
SYMBOL = "jit_parallel_for"
#: The environment variable that sets the number of threads.
VARIABLE = "JIT_NUM_THREADS"
#: More threads than this are taken for a mistake.
LIMIT = 1024
#: The native function's type for ctypes, which gives the GIL free during a call.
FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def _compiled(text: str) -> llvm.ExecutionEngine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    module.verify()
    # Optimising takes three times as long, and calls are as fast without.
    machine = llvm.Target.from_default_triple().create_target_machine(opt=0, jit=True, codemodel="jitdefault")
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


class _Pool:
    """The number of threads, and the native function once it is built."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.threads = 0
        self.address = 0
        self.cell = ctypes.c_int64()

    def number(self) -> int:
        with self.lock:
            if not self.threads:
                self.threads = _default()
            return self.threads

    def set(self, n: int) -> None:
        with self.lock:
            self.threads = self.cell.value = n

    def start(self) -> int:
        with self.lock:
            if not self.address:
                number = self.number()
                engine = _compiled(source())
                self.cell = ctypes.c_int64.from_address(engine.get_global_value_address("threads"))
                self.cell.value = number
                self.address = engine.get_function_address("parallel_for")
                # The workers are inside this code until the process ends, so it is never freed.
                engine.detach()
        return self.address


_POOL = _Pool()


def _default() -> int:
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        return checked(int(text) if text.isdecimal() else 0, f"the environment variable `{VARIABLE}`", text)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cpus or 1, LIMIT)


def checked(n: int, what: str, given: object) -> int:
    """The number of threads, if it can be one."""
    if not 1 <= n <= LIMIT:
        raise ValueError(f"{what} needs a number of threads from 1 to {LIMIT}, got {given!r}; 1 means no other thread")
    return n


def address() -> int:
    """The address of the native function, which is built at the first call; no thread is started yet.

    **Errors:** `ValueError` if the environment variable `JIT_NUM_THREADS` is no number from 1 to 1024.
    """
    return _POOL.start()


def link() -> None:
    """Makes the native function known to LLVM as `jit_parallel_for`, before code that calls it is loaded."""
    llvm.add_symbol(SYMBOL, address())


def get_num_threads() -> int:
    """The number of threads that large loops and products use, the calling thread included.

    Unless `set_num_threads` was called, it is that of the environment variable `JIT_NUM_THREADS`, or else the number
    of CPUs that the process may run on; both are read once.

    **Returns:** a number of at least 1.

    **Errors:** `ValueError` if the environment variable is no number from 1 to 1024.

    >>> from jit import get_num_threads
    >>> get_num_threads() >= 1
    True
    """
    return _POOL.number()


def set_num_threads(n: SupportsIndex) -> None:
    """Sets the number of threads that large loops and products use from their next call on, in all threads.

    Results do not depend on it, not in the last bit.

    **Arguments:** `n`: a number from 1 to 1024; the calling thread counts, so that 1 means no other thread.

    **Errors:** `ValueError` for a number outside that range, `TypeError` for what is no whole number.

    >>> from jit import get_num_threads, set_num_threads
    >>> before = get_num_threads()
    >>> set_num_threads(3)
    >>> get_num_threads()
    3
    >>> set_num_threads(before)
    """
    try:
        number = operator.index(n)
    except TypeError:
        raise TypeError(f"`set_num_threads` needs a whole number, got {n!r} of type {type(n).__name__}") from None
    _POOL.set(checked(number, "`set_num_threads`", n))
