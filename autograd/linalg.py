"""Linear algebra with derivatives: `ag.linalg.solve`, `ag.linalg.eigh` and the rest.

The names are those of `numpy.linalg`, whose functions work on tensors too, and of `scipy.linalg` and `torch.linalg` for
what NumPy does not have. The functions of `scipy.linalg` itself do not take tensors.
"""

from .functions.equations import (
    LstsqResult,
    SlogdetResult,
    cholesky_solve,
    det,
    inv,
    lstsq,
    pinv,
    slogdet,
    solve,
    solve_triangular,
)
from .functions.factorisations import (
    EighResult,
    EigResult,
    LUResult,
    QRResult,
    SVDResult,
    cholesky,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    lu,
    qr,
    svd,
    svdvals,
)
from .functions.norms import cond, expm, kron, matrix_power, matrix_rank, multi_dot, norm

__all__ = [
    "EigResult",
    "EighResult",
    "LUResult",
    "LstsqResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cholesky_solve",
    "cond",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "kron",
    "lstsq",
    "lu",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
]
