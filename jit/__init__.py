"""Recorded functions and their gradients as machine code: traced once, lowered to LLVM under Numba, and cached."""

from .api import compile, grad, value_and_grad
from .cache import CacheInfo, cache_info, clear_cache
from .compiled import Compiled
from .csignature import SIGNATURES
from .derivatives import (
    gauss_newton,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacobian_diagonal,
    jacrev,
    jvp,
    laplacian,
    vjp,
)
from .graph import Graph
from .hot import HotTapesInfo, disable_hot_tapes, enable_hot_tapes, hot_tapes_info
from .listing import explain_recording
from .native import Status
from .native_kernel import NativeKernel
from .pool import get_num_threads, set_num_threads
from .sparse import SparseDerivative, hessian_pattern, jacobian_pattern, sparse_hessian, sparse_jacobian
from .spy import Spy, spy
from .vmap import vmap

__all__ = [
    "SIGNATURES", "CacheInfo", "Compiled", "Graph", "HotTapesInfo", "NativeKernel", "SparseDerivative", "Spy", "Status",
    "cache_info", "clear_cache", "compile", "disable_hot_tapes", "enable_hot_tapes", "explain_recording",
    "gauss_newton", "get_num_threads", "grad", "hessian", "hessian_pattern", "hot_tapes_info", "hvp", "jacfwd",
    "jacobian", "jacobian_diagonal", "jacobian_pattern", "jacrev", "jvp", "laplacian", "set_num_threads",
    "sparse_hessian", "sparse_jacobian", "spy", "value_and_grad", "vjp", "vmap",
]  # fmt: skip
