"""How the kernels are compiled: NumPy's division, fused multiply-adds, sums in whatever order is fast."""

import numba

FLAGS = {"contract", "reassoc", "nsz"}
kernel = numba.njit(error_model="numpy", fastmath=FLAGS)
parallel = numba.njit(error_model="numpy", fastmath=FLAGS, parallel=True)
