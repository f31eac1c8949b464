"""Recorded functions and their gradients as machine code: traced once, lowered to LLVM under Numba, and cached."""

from .api import compile, grad, value_and_grad
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
from .dispatch.compiled import Compiled
from .dispatch.listing import explain_recording
from .graph import Graph
from .hot.tapes import HotTapesInfo, disable_hot_tapes, enable_hot_tapes, hot_tapes_info
from .kernels.cache import CacheInfo, cache_info, clear_cache
from .kernels.native import Status
from .native.csignature import SIGNATURES
from .native.native_kernel import NativeKernel
from .runtime.pool import get_num_threads, set_num_threads
from .sparse.matrices import SparseDerivative, hessian_pattern, jacobian_pattern, sparse_hessian, sparse_jacobian
from .sparse.spy import Spy, spy
from .vmap import vmap

__all__ = [
    "SIGNATURES", "CacheInfo", "Compiled", "Graph", "HotTapesInfo", "NativeKernel", "SparseDerivative", "Spy", "Status",
    "cache_info", "clear_cache", "compile", "disable_hot_tapes", "enable_hot_tapes", "explain_recording",
    "gauss_newton", "get_num_threads", "grad", "hessian", "hessian_pattern", "hot_tapes_info", "hvp", "jacfwd",
    "jacobian", "jacobian_diagonal", "jacobian_pattern", "jacrev", "jvp", "laplacian", "set_num_threads",
    "sparse_hessian", "sparse_jacobian", "spy", "value_and_grad", "vjp", "vmap",
]  # fmt: skip
