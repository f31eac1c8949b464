"""Complex numbers and their parts.

A sweep passes on, for a loss L and a complex z = x + iy, the cotangent c = dL/dx - i dL/dy, for which dL = Re(c dz).
With it the rules of all functions that have a complex derivative are those of real numbers, without conjugates. What is
handed out, as `.grad` or by `grad`, is the conjugate, dL/dx + i dL/dy: the direction in which L grows, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..lengths import broadcast_shapes
from ..primitive import Aval, Primitive
from .broadcasting import astype, unbroadcast
from .masking import Masked

#: The complex dtype of two parts of a real one, and the other way.
COMPLEX_OF: dict[Any, np.dtype[Any]] = {
    np.dtype(np.float64): np.dtype(np.complex128),
    np.dtype(np.float32): np.dtype(np.complex64),
}
REAL_OF: dict[Any, np.dtype[Any]] = {whole: part for part, whole in COMPLEX_OF.items()}


def by_element(f: Callable[[Any], Any], g: Any) -> Any:
    """What a function, linear in each element by itself, makes of a cotangent, which may be masked."""
    return g.with_value(f(g.value)) if type(g) is Masked else f(g)


def _part_aval(x: Aval) -> Aval:
    return Aval(x.shape, REAL_OF[x.dtype])


def _complex_eval(x: Any, y: Any) -> Any:
    out = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), COMPLEX_OF[np.result_type(x, y)])
    out.real, out.imag = x, y
    return out if out.shape else out[()]


def _complex_aval(x: Aval, y: Aval) -> Aval:
    return Aval(broadcast_shapes(x.shape, y.shape), COMPLEX_OF[np.result_type(x.dtype, y.dtype)])


# Copies, since the parts of a complex number are no neighbours.
real = Primitive(
    "real",
    eval=lambda x: np.positive(np.real(x)),
    aval=_part_aval,
    vjps=(lambda g, _, x: astype(g, dtype=x.dtype),),
    saves="shapes",
    by_element=True,
)

imag = Primitive(
    "imag",
    eval=lambda x: np.positive(np.imag(x)),
    aval=_part_aval,
    vjps=(lambda g, _, x: by_element(lambda g: complex_(0.0, -g), g),),
    saves="shapes",
    by_element=True,
)

conj = Primitive(
    "conj",
    eval=np.conj,
    aval=lambda x: x,
    vjps=(lambda g, _, x: by_element(conj, g),),
    saves="shapes",
    by_element=True,
)

complex_ = Primitive(
    "complex",
    eval=_complex_eval,
    aval=_complex_aval,
    vjps=(
        lambda g, _, x, y: unbroadcast(by_element(real, g), x),
        lambda g, _, x, y: unbroadcast(-by_element(imag, g), y),
    ),
    saves="shapes",
    by_element=True,
)
