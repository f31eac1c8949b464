"""Memory for large results: that of an earlier result which nobody has any more.

Fresh memory costs a page fault for every 4 kB, as much time as a kernel takes to fill it.
"""

from __future__ import annotations

from collections import deque
from sys import getrefcount
from typing import Any

import numpy as np

from autograd.primitive import Aval

# Smaller results come from memory that the C library has at hand, and larger ones are given back at once; in bytes.
LEAST, MOST = 1 << 17, 1 << 26
# One that the caller still has from the last call, and one for this call.
_KEPT = 2


def _taken(kept: deque[np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], int]:
    """An array taken out, and how many references to it there are."""
    x = kept.popleft()
    return x, getrefcount(x)


# How many there are to an array that nobody else has depends on the version of Python.
_OURS = _taken(deque([np.empty(0)]))[1]


class Results:
    """Makes arrays for one result of a kernel."""

    def __init__(self, aval: Aval) -> None:
        self.shape, self.dtype = aval.shape, aval.dtype
        self.kept: deque[np.ndarray[Any, Any]] = deque(maxlen=_KEPT)

    def __call__(self) -> np.ndarray[Any, Any]:
        """An array that the caller alone has."""
        for _ in range(_KEPT):
            # Whoever has taken an array out is the only one to look at it; other threads take others.
            try:
                x, references = _taken(self.kept)
            except IndexError:
                break
            self.kept.append(x)
            if references == _OURS and self._is_as_it_was(x):
                return x
        x = np.empty(self.shape, self.dtype)
        self.kept.append(x)
        return x

    def _is_as_it_was(self, x: np.ndarray[Any, Any]) -> bool:
        return x.shape == self.shape and x.dtype == self.dtype and x.flags.c_contiguous and x.flags.writeable


def is_kept(aval: Aval) -> bool:
    """Whether a result is large enough for its memory to be used again, and not too large to be held."""
    return LEAST <= aval.size * aval.dtype.itemsize <= MOST
