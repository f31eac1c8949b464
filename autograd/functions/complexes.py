"""The parts of complex numbers, and complex numbers of parts; real numbers are taken for complex ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from .arguments import as_array


def _is_complex(x: Any) -> bool:
    return bool(x.dtype.kind == "c")


def real(x: Any) -> Any:
    """The real parts of the elements.

    >>> import autograd as ag
    >>> ag.real([1 + 2j, 3.0])
    array([1., 3.])
    """
    x = as_array(x)
    return ops.real(x) if _is_complex(x) else x


def imag(x: Any) -> Any:
    """The imaginary parts of the elements, zeros for real ones.

    >>> import autograd as ag
    >>> ag.imag([1 + 2j, 3.0])
    array([2., 0.])
    """
    x = as_array(x)
    return ops.imag(x) if _is_complex(x) else ops.where(True, x.dtype.type(0), x)


def conj(x: Any) -> Any:
    """The complex conjugates of the elements.

    >>> import autograd as ag
    >>> ag.conj([1 + 2j, 3.0])
    array([1.-2.j, 3.-0.j])
    """
    x = as_array(x)
    return ops.conj(x) if _is_complex(x) else x


conjugate = conj


def squared_size(x: Any) -> Any:
    """The squares of the absolute values."""
    return ops.add(ops.square(ops.real(x)), ops.square(ops.imag(x))) if _is_complex(x) else ops.square(x)


def angle(x: Any, deg: bool = False) -> Any:
    """The angle of each element with the positive real axis, between -pi and pi; its gradient at 0 is NaN.

    **Arguments:** `x`; `deg`, whether in degrees.

    >>> import autograd as ag
    >>> ag.angle([1j, 2.0], deg=True)
    array([90.,  0.])
    """
    x = as_array(x)
    found = ops.arctan2(imag(x), real(x))
    return ops.mul(found, 180 / np.pi) if deg else found


def complex(real: Any, imag: Any) -> Any:
    """Complex numbers of their real and imaginary parts, as `torch.complex`.

    **Arguments:** `real` and `imag`, of float64 or float32, whose shapes broadcast together.

    **Errors:** `TypeError` for parts of another dtype.

    >>> import autograd as ag
    >>> ag.complex([1.0, 2.0], 0.5)
    array([1.+0.5j, 2.+0.5j])
    """
    parts: list[Any] = [x if type(x) is float else as_array(x) for x in (real, imag)]
    for x in parts:
        if type(x) is not float and x.dtype not in ops.COMPLEX_OF:
            raise TypeError(
                f"`complex` needs parts of float64 or float32, got {x.dtype.name}; convert it with `astype`"
            )
    return ops.complex_(*parts)
