"""Fourier transforms under NumPy's names, and what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ops
from .arguments import Axis, as_array, axes_of, axis_of, floating, part
from .complexes import conj
from .rearranging import roll

fftfreq = np.fft.fftfreq
rfftfreq = np.fft.rfftfreq


def fft(x: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The discrete Fourier transform along an axis.

    **Arguments:** `x`, real or complex; `n`, the length of the transform: the axis is cut to it, or filled up with
    zeros; `axis`; `norm`, `"backward"` for a factor of `1/n` in the inverse (the default), `"ortho"` for `1/sqrt(n)` in
    both directions, `"forward"` for `1/n` in this one. So for all transforms here.

    **Returns:** a complex array; complex64 for float32 and complex64.

    **Errors:** `ValueError` for a length of zero or less, and for another `norm`.

    >>> import autograd as ag
    >>> ag.fft.fft([1.0, 2.0, 3.0, 4.0])
    array([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    return _transform("fft", x, n, axis, norm, inverse=False)


def ifft(x: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `fft`.

    **Arguments, errors:** as for `fft`.

    >>> import autograd as ag
    >>> ag.fft.ifft([4.0, 0.0, 0.0, 0.0])
    array([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _transform("ifft", x, n, axis, norm, inverse=True)


def rfft(x: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The first `n // 2 + 1` elements of the Fourier transform of real numbers; the others are their conjugates.

    **Arguments, errors:** as for `fft`; `TypeError` for complex numbers.

    >>> import autograd as ag
    >>> ag.fft.rfft([1.0, 2.0, 3.0, 4.0])
    array([10.+0.j, -2.+2.j, -2.+0.j])
    """
    x, i = _real("rfft", x), axis
    i = axis_of("rfft", axis, len(x.shape))
    x = _fitted("rfft", x, i, x.shape[i] if n is None else n)
    return _scaled("rfft", ops.rfft(x, axis=i), x.shape[i], norm, False)


def irfft(x: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `rfft`: the real numbers of whose Fourier transform `x` is the first half.

    The imaginary parts of the first element, and for an even `n` of the last one, have no influence, and no gradient.

    **Arguments, errors:** as for `fft`; `n` is the length of the result, `2 * (m - 1)` unless said.

    >>> import autograd as ag
    >>> ag.fft.irfft([10.0, -2.0 + 2.0j, -2.0])
    array([1., 2., 3., 4.])
    """
    x = _complex(x)
    i = axis_of("irfft", axis, len(x.shape))
    n = 2 * (x.shape[i] - 1) if n is None else n
    _check_length("irfft", n)
    x = _fitted("irfft", x, i, n // 2 + 1)
    return _scaled("irfft", ops.irfft(x, axis=i, n=n), n, norm, True)


def hfft(x: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The Fourier transform, which is real, of what has conjugate halves, from its first half; as `numpy.fft.hfft`.

    >>> import autograd as ag
    >>> ag.fft.hfft([1.0, 2.0, 3.0])
    array([ 8., -2.,  0., -2.])
    """
    return irfft(conj(as_array(x)), n, axis, _swapped("hfft", norm))


def ihfft(x: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `hfft`; as `numpy.fft.ihfft`.

    >>> import autograd as ag
    >>> ag.fft.ihfft([8.0, -2.0, 0.0, -2.0])
    array([1.-0.j, 2.-0.j, 3.-0.j])
    """
    return conj(rfft(x, n, axis, _swapped("ihfft", norm)))


# ---- along several axes ----


def fftn(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The discrete Fourier transform along several axes.

    **Arguments:** `x`; `s`, the length of the transform along each of `axes`; `axes`, all of them, or as many of the
    last ones as `s` has, unless said; `norm`, as for `fft`.

    >>> import autograd as ag
    >>> ag.fft.fftn([[1.0, 0.0], [0.0, 1.0]])
    array([[2.+0.j, 0.+0.j],
           [0.+0.j, 2.+0.j]])
    """
    return _along(fft, *_axes("fftn", x, s, axes), norm)


def ifftn(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The inverse of `fftn`, with the same arguments."""
    return _along(ifft, *_axes("ifftn", x, s, axes), norm)


def rfftn(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The Fourier transform of real numbers along several axes, of which the last one keeps its first half.

    **Arguments:** as for `fftn`.
    """
    x, pairs = _axes("rfftn", x, s, axes)
    return _along(fft, rfft(x, pairs[-1][1], pairs[-1][0], norm), pairs[:-1], norm)


def irfftn(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The inverse of `rfftn`; the last length is `2 * (m - 1)` unless said.

    **Arguments:** as for `fftn`.
    """
    x, pairs = _axes("irfftn", x, s, axes)
    last, n = pairs[-1]
    n = 2 * (x.shape[last] - 1) if s is None else n
    return irfft(_along(ifft, x, pairs[:-1], norm), n, last, norm)


_TWO = (-2, -1)


def fft2(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] = _TWO, norm: str | None = None) -> Any:
    """As `fftn`, along the last two axes."""
    return fftn(x, s, axes, norm)


def ifft2(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] = _TWO, norm: str | None = None) -> Any:
    """As `ifftn`, along the last two axes."""
    return ifftn(x, s, axes, norm)


def rfft2(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] = _TWO, norm: str | None = None) -> Any:
    """As `rfftn`, along the last two axes."""
    return rfftn(x, s, axes, norm)


def irfft2(x: Any, s: Sequence[int] | None = None, axes: Sequence[int] = _TWO, norm: str | None = None) -> Any:
    """As `irfftn`, along the last two axes."""
    return irfftn(x, s, axes, norm)


# ---- the order of the result ----


def fftshift(x: Any, axes: Axis = None) -> Any:
    """The elements with that of frequency zero in the middle.

    >>> import autograd as ag
    >>> ag.fft.fftshift([0.0, 1.0, 2.0, -2.0, -1.0])
    array([-2., -1.,  0.,  1.,  2.])
    """
    x = as_array(x)
    axes = axes_of("fftshift", axes, len(x.shape))
    return roll(x, [x.shape[i] // 2 for i in axes], axes)


def ifftshift(x: Any, axes: Axis = None) -> Any:
    """The inverse of `fftshift`.

    >>> import autograd as ag
    >>> ag.fft.ifftshift([-2.0, -1.0, 0.0, 1.0, 2.0])
    array([ 0.,  1.,  2., -2., -1.])
    """
    x = as_array(x)
    axes = axes_of("ifftshift", axes, len(x.shape))
    return roll(x, [-(x.shape[i] // 2) for i in axes], axes)


# ---- arguments ----


def _real(name: str, x: Any) -> Any:
    x = floating(as_array(x))
    if x.dtype not in ops.COMPLEX_OF:
        raise TypeError(f"`{name}` needs real numbers, got {x.dtype.name}; take `fft`, or the real part")
    return x


def _complex(x: Any) -> Any:
    x = floating(as_array(x))
    return x if x.dtype.kind == "c" else ops.astype(x, dtype=ops.COMPLEX_OF[x.dtype])


def _check_length(name: str, n: int) -> None:
    if n < 1:
        raise ValueError(f"`{name}` needs a length of one at least, got {n}; the axis is empty, or `n` too small")


def _fitted(name: str, x: Any, axis: int, n: int) -> Any:
    """`x` cut along an axis, or filled up with zeros, to that length."""
    _check_length(name, n)
    length = x.shape[axis]
    if n <= length:
        return part(x, axis, 0, n)
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    return ops.unslice(x, shape=shape, index=tuple([(0, m, 1) for m in x.shape]))


def _swapped(name: str, norm: str | None) -> str:
    """The norm of the transform in the other direction that has the same factor."""
    _check_norm(name, norm)
    return {"backward": "forward", "forward": "backward", "ortho": "ortho"}[norm or "backward"]


def _check_norm(name: str, norm: str | None) -> None:
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'`{name}` needs `norm` "backward", "ortho" or "forward", got {norm!r}')


def _scaled(name: str, x: Any, n: int, norm: str | None, inverse: bool) -> Any:
    """A transform of that length without a factor, with the one that `norm` says."""
    _check_norm(name, norm)
    if norm == "ortho":
        return ops.mul(x, float(n**-0.5))
    return ops.mul(x, 1 / n) if inverse is (norm != "forward") else x


def _transform(name: str, x: Any, n: int | None, axis: int, norm: str | None, inverse: bool) -> Any:
    x = _complex(x)
    i = axis_of(name, axis, len(x.shape))
    x = _fitted(name, x, i, x.shape[i] if n is None else n)
    return _scaled(name, ops.fft(x, axis=i, inverse=inverse), x.shape[i], norm, inverse)


def _axes(
    name: str, x: Any, s: Sequence[int] | None, axes: Sequence[int] | None
) -> tuple[Any, list[tuple[int, int | None]]]:
    """`x`, and pairs of the axes and the lengths of the transforms along them."""
    x = as_array(x)
    ndim = len(x.shape)
    if axes is None:
        axes = range(ndim) if s is None else range(ndim - len(s), ndim)
    lengths = [None] * len(axes) if s is None else list(s)
    if len(lengths) != len(axes) or not len(axes):
        raise ValueError(f"`{name}` needs axes, and as many lengths, got axes {tuple(axes)} and lengths {s}")
    return x, list(zip([axis_of(name, i, ndim) for i in axes], lengths, strict=True))


def _along(transform: Callable[..., Any], x: Any, pairs: Sequence[tuple[int, int | None]], norm: str | None) -> Any:
    """A transform along one axis after the other, the last one first, as in NumPy."""
    for axis, n in reversed(pairs):
        x = transform(x, n, axis, norm)
    return x
