"""The processor that Numba compiles for."""

from __future__ import annotations

from functools import cache

from numba.core import codegen, config


def features() -> str:
    """Its features as LLVM has them, those that are given to Numba before those of this machine."""
    given = getattr(config, "CPU_FEATURES", None)
    return _of_this_machine() if given is None else str(given)


@cache
def _of_this_machine() -> str:
    # To ask LLVM takes 150 us, and each product asks.
    return str(codegen.get_host_cpu_features())


def vector_bytes() -> int:
    """The bytes of a vector register: those of AVX-512, or of AVX2; a narrower machine makes two of one."""
    return 64 if "+avx512f" in features().split(",") else 32
