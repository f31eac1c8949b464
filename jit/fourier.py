"""Fourier transforms in kernels: into which steps a length falls, and the roots of unity that they read.

A length whose prime factors are small is transformed factor by factor, by Stockham's algorithm, which needs no
reordering (see van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992). Any other is a convolution
of a longer such length (Bluestein 1970). Real numbers of even length are half as many complex ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.fft import next_fast_len

from autograd import ops
from autograd.primitive import Aval, Primitive

#: The radices of single steps, in the order in which they are taken.
RADICES = (4, 2, 3, 5, 7, 11, 13)


class Stage(NamedTuple):
    """A step of a transform: `times` times `stride` butterflies of that `radix`; its roots begin at `roots`."""

    radix: int
    times: int
    stride: int
    roots: int


def stages(n: int) -> list[Stage] | None:
    """The steps of a transform of length `n`; `None` where that has a larger prime factor than there are radices."""
    found, rest, stride, roots = [], n, 1, 0
    for radix in RADICES:
        while rest % radix == 0:
            rest //= radix
            found.append(Stage(radix, rest, stride, roots))
            roots += 2 * (radix - 1) * rest
            stride *= radix
    return found if rest == 1 else None


def convolved(n: int) -> int:
    """The length of the convolution that is a transform of length `n`."""
    return int(next_fast_len(2 * n - 1))


def work_size(n: int) -> int:
    """How many real numbers a complex transform of length `n` works in, beside what it reads and writes."""
    return 4 * n if stages(n) is not None else 8 * convolved(n)


def scratch_size(kind: str, n: int) -> int:
    """How many real numbers a transform of that kind works in."""
    if kind == "complex":
        return work_size(n)
    return n + work_size(n // 2) if n % 2 == 0 else 4 * n + work_size(n)


# ---- roots of unity ----


def _roots(k: Any, n: int) -> Any:
    """`exp(-2 pi i k / n)`, in more digits than it is needed in."""
    angle = 8 * np.arctan(np.longdouble(1)) * (np.asarray(k) % n) / np.longdouble(n)
    return np.cos(angle) - 1j * np.sin(angle)


def _parts(x: Any) -> list[Any]:
    return [np.real(x), np.imag(x)]


def _of_stages(n: int) -> Iterator[Any]:
    for radix, times, stride, _ in stages(n) or ():
        for j in range(1, radix):
            yield from _parts(_roots(stride * j * np.arange(times, dtype=np.int64), n))


def chirp(n: int) -> Any:
    """`exp(-pi i k**2 / n)`."""
    k = np.arange(n, dtype=np.int64)
    return _roots(k * k % (2 * n), 2 * n)


def _of_complex(n: int) -> Iterator[Any]:
    if stages(n) is not None:
        yield from _of_stages(n)
        return
    m = convolved(n)
    wave = chirp(n)
    kernel = np.zeros(m, wave.dtype)
    kernel[:n] = np.conj(wave)
    kernel[m - n + 1 :] = np.conj(wave[:0:-1])
    yield from _parts(wave)
    # The factor of the inverse transform is part of it.
    yield from _parts(np.fft.fft(kernel) / m)
    yield from _of_stages(m)


@lru_cache(maxsize=64)
def table(kind: str, n: int, dtype: Any) -> Any:
    """All roots that a transform of that kind reads, in the order in which it does; one array for all calls."""
    found: list[Any] = []
    if kind == "complex" or n % 2:
        found += _of_complex(n)
    else:
        found += _parts(_roots(np.arange(n // 2), n))
        found += _of_complex(n // 2)
    made = np.concatenate([*[part.astype(dtype) for part in found], np.zeros(1, dtype)])
    made.flags.writeable = False
    return made


# ---- as an equation of real numbers ----


def _aval(x: Aval, *_: Aval, kind: str, axis: int, n: int) -> Aval:
    length = n // 2 + 1 if kind == "real" else n
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    return Aval(shape if kind == "hermitian" else (2, *shape), x.dtype)


def _eval(*inputs: Any, kind: str, axis: int, n: int) -> Any:
    *parts, _ = inputs
    if kind == "real":
        found = np.fft.rfft(parts[0], axis=axis)
    else:
        z = parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0]
        if kind == "hermitian":
            return np.fft.irfft(z, n, axis, norm="forward").astype(parts[0].dtype)
        found = np.fft.fft(z, axis=axis)
    return np.stack(_parts(found)).astype(parts[0].dtype)


#: The transform of real numbers, or of two parts of complex ones, with the table: both parts of the result, one after
#: the other. A `hermitian` one is of parts of a half, and gives real numbers, with the sign of the inverse.
dft = Primitive("dft", eval=_eval, aval=_aval)

#: The ops that a kernel is given a table for.
TRANSFORMS: dict[Primitive, str] = {ops.fft: "complex", ops.rfft: "real", ops.irfft: "hermitian"}


def length_of(x: Aval, axis: int, n: int | None = None, **_: Any) -> int:
    """The length of a transform."""
    return x.shape[axis] if n is None else n
