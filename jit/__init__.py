"""Recorded functions and their gradients as machine code: traced once, lowered to LLVM under Numba, and cached."""

from .api import compile, grad, value_and_grad
from .cache import CacheInfo, cache_info, clear_cache
from .compiled import Compiled
from .graph import Graph

__all__ = [
    "CacheInfo", "Compiled", "Graph", "cache_info", "clear_cache", "compile", "grad", "value_and_grad",
]  # fmt: skip
