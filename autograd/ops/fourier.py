"""Fourier transforms along one axis, without a factor: what those of NumPy's names are composed of.

    fft    out[k] = sum over j of x[j] exp(-2 pi i j k / n), or with the other sign where `inverse`
    rfft   the first n // 2 + 1 elements of that, of real numbers: the others are their conjugates
    irfft  the `n` real numbers of which these are the elements, times n

A kernel is given roots of unity, in its own order, as a further input, which NumPy does not need.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..primitive import Aval, Primitive
from .complexes import COMPLEX_OF, REAL_OF, conj


def _fft_eval(x: Any, *_: Any, axis: int, inverse: bool) -> Any:
    return np.fft.ifft(x, axis=axis, norm="forward") if inverse else np.fft.fft(x, axis=axis)


def _half_aval(x: Aval, *_: Aval, axis: int) -> Aval:
    return Aval((*x.shape[:axis], x.shape[axis] // 2 + 1, *x.shape[axis + 1 :]), COMPLEX_OF[x.dtype])


def _whole_aval(x: Aval, *_: Aval, axis: int, n: int) -> Aval:
    return Aval((*x.shape[:axis], n, *x.shape[axis + 1 :]), REAL_OF[x.dtype])


@lru_cache(maxsize=64)
def _weights(n: int, twice: bool, axis: int, ndim: int, dtype: Any) -> Any:
    """How often each element of a half stands for one of the whole: twice, but for the first, and the middle one."""
    found = np.full(n // 2 + 1, 2 if twice else 0.5, dtype)
    found[0] = 1
    if n % 2 == 0:
        found[-1] = 1
    found = found.reshape([-1 if i == axis else 1 for i in range(ndim)])
    found.flags.writeable = False
    return found


def _rfft_x(g: Any, _: Any, x: Any, *tables: Any, axis: int) -> Any:
    n = x.shape[axis]
    return irfft(conj(g) * _weights(n, False, axis, len(x.shape), x.dtype), axis=axis, n=n)


def _irfft_x(g: Any, _: Any, x: Any, *tables: Any, axis: int, n: int) -> Any:
    return conj(rfft(g, axis=axis)) * _weights(n, True, axis, len(x.shape), g.dtype)


# The matrix of the transform is symmetric: it is its own transpose.
fft = Primitive(
    "fft",
    eval=_fft_eval,
    aval=lambda x, *_, axis, inverse: x,
    vjps=(lambda g, _, x, *tables, axis, inverse: fft(g, axis=axis, inverse=inverse),),
    saves="shapes",
)

rfft = Primitive(
    "rfft",
    eval=lambda x, *_, axis: np.fft.rfft(x, axis=axis),
    aval=_half_aval,
    vjps=(_rfft_x,),
    saves="shapes",
)

irfft = Primitive(
    "irfft",
    eval=lambda x, *_, axis, n: np.fft.irfft(x, n, axis, norm="forward"),
    aval=_whole_aval,
    vjps=(_irfft_x,),
    saves="shapes",
)
