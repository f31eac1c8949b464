"""Eigenvalues of general real matrices, as an equation of real numbers.

Row i of the result has the real parts of the eigenvalue i and of its vector, then the imaginary ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import ops
from autograd.primitive import Aval, Primitive


def _eval(x: Any) -> Any:
    found = ops.eig(x)
    return np.concatenate([found.real, found.imag], axis=-1)


geev = Primitive("geev", eval=_eval, aval=lambda x: Aval((*x.shape[:-1], 2 * (x.shape[-1] + 1)), x.dtype))
