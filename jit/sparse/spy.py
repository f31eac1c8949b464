"""The plot of a sparse matrix as an SVG: a square where there is an entry, in a grey that says how many lie there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array, issparse

#: The longer side in pixels, and the most squares along it.
SIDE, MOST_SQUARES = 360, 180
#: From how full a square is to its colour, the fullest last.
SHADES = ("#a9c7e3", "#6aa9d8", "#2f74ad", "#163a56")


class Spy:
    """The plot of a sparse matrix: a notebook shows it, `save` writes it.

    `counts` are the numbers of entries in each square, of which one stands for `scale` x `scale` elements.
    """

    def __init__(self, rows: Any, columns: Any, shape: tuple[int, int]) -> None:
        self.shape, self.entries = shape, len(rows)
        self.scale = max(1, -(-max(shape) // MOST_SQUARES))
        height, width = (-(-n // self.scale) for n in shape)
        self.counts = np.zeros((height, width), np.int64)
        np.add.at(self.counts, (rows // self.scale, columns // self.scale), 1)

    @cached_property
    def svg(self) -> str:
        """The plot as SVG text."""
        height, width = self.counts.shape
        size = SIDE / max(height, width, 1)
        across, down = round(width * size), round(height * size)
        text = f"{self.shape[0]} x {self.shape[1]}, {self.entries} entries"
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE + 20}" height="{down + 44}" '
                f'viewBox="-10 -10 {SIDE + 20} {down + 44}" font-family="sans-serif" font-size="12">',
                f'<rect x="-10" y="-10" width="{SIDE + 20}" height="{down + 44}" rx="8" fill="#ffffff"/>',
                *self._squares(size),
                f'<rect width="{across}" height="{down}" fill="none" stroke="#7d8590"/>',
                f'<text y="{down + 22}" fill="#24292f">{text}</text>',
                "</svg>",
                "",
            ]
        )

    def _squares(self, size: float) -> Iterator[str]:
        """A path for each shade, of stretches of squares along rows."""
        most = self.scale**2 if self.scale == 1 else int(self.counts.max(initial=1))
        shades = np.ceil(self.counts / most * len(SHADES)).astype(int)
        for shade, colour in enumerate(SHADES, 1):
            steps = np.diff((shades == shade).astype(int), axis=1, prepend=0, append=0)
            rows, first = np.nonzero(steps == 1)
            last = np.nonzero(steps == -1)[1]
            pieces = [
                f"M{j * size:.2f} {i * size:.2f}h{(k - j) * size:.2f}v{size:.2f}h{(j - k) * size:.2f}z"
                for i, j, k in zip(rows, first, last, strict=True)
            ]
            if pieces:
                yield f'<path fill="{colour}" d="{"".join(pieces)}"/>'

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the plot to a file.

        **Arguments:** `path`, a name ending in `.svg`.

        **Errors:** `ValueError` for any other ending.
        """
        if Path(path).suffix.lower() != ".svg":
            raise ValueError(f"`Spy.save` writes `.svg`, got {fspath(path)!r}; choose a name with this ending")
        Path(path).write_text(self.svg, encoding="utf-8", newline="\n")

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Spy({self.shape[0]} x {self.shape[1]}, {self.entries} entries)"


def spy(matrix: Any) -> Spy:
    """The plot of where a matrix has entries.

    **Arguments:** `matrix`, an array of `scipy.sparse`, whose stored entries count, or any other with two axes, whose
    elements count that are not zero.

    **Returns:** a `Spy`, which a notebook shows and `save` writes as an SVG.

    **Errors:** `ValueError` for another number of axes.

    >>> import numpy as np
    >>> import jit
    >>> jit.spy(jit.jacobian_pattern(lambda x: x[1:] * x[:-1], np.ones(5)))
    Spy(4 x 5, 8 entries)
    """
    given: Any = matrix if issparse(matrix) else np.asarray(matrix)
    if given.ndim != 2:
        raise ValueError(f"`spy` needs a matrix, got {given.ndim} axes; reshape it to two")
    found = coo_array(given)
    rows, columns = found.coords
    return Spy(rows, columns, found.shape)
