"""How a tensor prints: as PyTorch prints it, with four digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PRECISION = 4
WIDTH = 80
# Arrays of more elements than this show only so many at each end of an axis.
THRESHOLD = 1000
EDGE = 3

PREFIX = "tensor("
_DEFAULTS = frozenset(map(np.dtype, (np.float64, np.int64, np.bool_, np.complex128)))


def text_of(x: Any, *notes: str) -> str:
    """An array as a tensor's text: `tensor([1., 2.])`.

    **Arguments:** `x`, an array; `notes`, what else stands in the brackets, such as `requires_grad=True`.

    >>> print(text_of(np.array([[1.0, 2.5], [3.0, 4.0]]), "requires_grad=True"))
    tensor([[1.0000, 2.5000],
            [3.0000, 4.0000]], requires_grad=True)
    """
    x = np.asarray(x)
    # Elements show the kind of a default dtype; where there are none, only float64 goes without saying.
    if x.dtype not in _DEFAULTS or (x.size == 0 and x.dtype != np.float64):
        notes = (f"dtype={x.dtype.name}", *notes)
    if x.size == 0:
        if x.shape != (0,):
            notes = (f"size={x.shape}", *notes)
        return _joined("[]", notes)
    text = np.array2string(
        x,
        max_line_width=WIDTH,
        precision=PRECISION,
        separator=", ",
        prefix=PREFIX,
        threshold=THRESHOLD,
        edgeitems=EDGE,
        formatter=None if x.dtype.kind == "c" else {"all": _formatter(_shown(x))},
    )
    # PyTorch's two spaces where elements are left out within a line.
    return _joined(text.replace(", ...,", ",  ...,"), notes)


def _joined(text: str, notes: tuple[str, ...]) -> str:
    text = PREFIX + text
    used = len(text) - text.rfind("\n") - 1
    for note in notes:
        fits = used + len(note) + 2 < WIDTH
        text += f", {note}" if fits else f",\n{' ' * len(PREFIX)}{note}"
        used = used + len(note) + 2 if fits else len(PREFIX) + len(note)
    return text + ")"


def _shown(x: Any) -> Any:
    """The elements that are printed."""
    if x.size > THRESHOLD:
        for axis, n in enumerate(x.shape):
            if n > 2 * EDGE:
                x = np.take(x, [*range(EDGE), *range(n - EDGE, n)], axis)
    return x.ravel()


def _formatter(values: Any) -> Callable[[Any], str]:
    """The common format of these values, all of one width."""
    form = _float_format(values) if values.dtype.kind == "f" else str
    width = max([len(form(x)) for x in values.tolist()])
    return lambda x: form(x).rjust(width)


def _float_format(values: Any) -> Callable[[Any], str]:
    magnitudes = np.abs(values[np.isfinite(values) & (values != 0)].astype(float))
    whole = bool(np.all(magnitudes == np.rint(magnitudes)))
    smallest, largest = (magnitudes.min(), magnitudes.max()) if magnitudes.size else (1.0, 1.0)
    # Divided on the other side, so that the largest float does not overflow.
    if largest / 1000 > smallest or largest > 1e8 or (smallest < 1e-4 and not whole):
        return lambda x: format(float(x), f".{PRECISION}e")
    if whole:
        return lambda x: format(float(x), ".0f") + ("." if np.isfinite(x) else "")
    return lambda x: format(float(x), f".{PRECISION}f")
