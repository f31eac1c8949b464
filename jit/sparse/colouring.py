"""Colourings of sparse matrices: columns of one colour are told apart in the sum of them, so one product serves all.

Columns may have one colour where no row has an entry in two of them (Curtis, Powell and Reid, "On the estimation of
sparse Jacobian matrices", 1974). Of a symmetric matrix an entry may be read at its place or at its mirror image, which
needs fewer colours: neighbours have different ones, and no path over four vertices has only two (a star colouring:
Coleman and Moré, "Estimation of sparse Hessian matrices and graph coloring problems", 1984). Both are found greedily,
the star colouring by the algorithm of Gebremedhin, Tarjan, Pothen and Manne, "New acyclic and star coloring algorithms
with application to computing Hessians" (2007), here with one entry for all edges of a vertex to vertices of one colour,
so that a vertex with many neighbours costs no more than others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from scipy.sparse import csr_array

#: Colours of grids are looked for up to that number, and along so many distances.
MOST_LATTICE, MOST_STRIDES = 32, 6


def _compiled(function: Any) -> Any:
    """The function compiled by Numba, which keeps it on the disk where it finds a folder that it can write to."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:
        return numba.njit(function)


class Colouring(NamedTuple):
    """How the entries of a matrix are read from products with as many vectors as there are colours.

    `mode` is `"columns"`, `"rows"` or `"symmetric"`. `colours` are those of the columns, or of the rows; `number`, how
    many there are. Entry k of the matrix, row by row, is element `at[k]` of product `by[k]`.
    """

    mode: str
    colours: np.ndarray[Any, Any]
    number: int
    by: np.ndarray[Any, Any]
    at: np.ndarray[Any, Any]


def coloured(pattern: csr_array) -> Colouring:
    """The colouring of the columns or of the rows of a matrix, whichever needs fewer.

    **Arguments:** `pattern`, whose rows are sorted.
    """
    turned = pattern.T.tocsr()
    # No colouring has fewer colours than the longest row has entries.
    widest, tallest = _longest(pattern), _longest(turned)
    forward = widest <= tallest
    colours, count = _fewest(pattern, turned) if forward else _fewest(turned, pattern)
    if (tallest if forward else widest) < count:
        others, fewer = _fewest(turned, pattern) if forward else _fewest(pattern, turned)
        if fewer < count or (fewer == count and not forward):
            colours, count, forward = others, fewer, not forward
    rows, columns = _places(pattern)
    by, at = (columns, rows) if forward else (rows, columns)
    return Colouring("columns" if forward else "rows", colours, count, colours[by], at)


def coloured_symmetric(pattern: csr_array) -> Colouring:
    """The colouring of a symmetric matrix, from whose products each entry is read directly: of stars, or of columns.

    **Arguments:** `pattern`, symmetric, with sorted rows.
    """
    indptr, indices = _lists(pattern)
    colours, count = _best([_star(indptr, indices, order) for order in _orders(pattern)])
    # Columns that meet in no row are read directly as well, and on grids have fewer colours.
    if _longest(pattern) < count:
        colours, count = _best([colours, _fewest(pattern, pattern)[0]])
    mirrored = _mirrored(indptr, indices, colours, count)
    rows, columns = _places(pattern)
    by, at = np.where(mirrored, rows, columns), np.where(mirrored, columns, rows)
    return Colouring("symmetric", colours, count, colours[by], at)


def _places(pattern: csr_array) -> tuple[Any, Any]:
    """The row and the column of each entry."""
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr)), pattern.indices


def _lists(pattern: csr_array) -> tuple[Any, Any]:
    """Where rows begin and the columns of their entries, in the one type that the functions below are compiled for."""
    return pattern.indptr.astype(np.int64), pattern.indices.astype(np.int64)


def _longest(pattern: csr_array) -> int:
    return int(np.diff(pattern.indptr).max(initial=0))


def _orders(pattern: csr_array) -> list[Any]:
    """The orders in which rows are tried: their own, and those with the most entries first."""
    own, fullest = np.arange(pattern.shape[0]), np.argsort(-np.diff(pattern.indptr), kind="stable")
    return [own] if np.array_equal(own, fullest) else [own, fullest]


def _best(found: list[Any]) -> tuple[Any, int]:
    colours = min(found, key=lambda colours: colours.max(initial=-1))
    return colours, int(colours.max(initial=-1)) + 1


def _fewest(pattern: csr_array, turned: csr_array) -> tuple[Any, int]:
    """The colours of the columns of `pattern`, whose transpose is `turned`, and how many there are."""
    lists = _lists(pattern)
    colours, count = _best([_distance_two(*lists, *_lists(turned), order) for order in _orders(turned)])
    strides = _strides(pattern)
    for fewer in range(_longest(pattern), min(count, MOST_LATTICE)):
        factors = _lattice(*lists, strides, fewer)
        if factors[0] >= 0:
            columns = np.arange(pattern.shape[1])
            found = (columns + (columns[:, None] // factors[2:] @ factors[:2])) % fewer
            return np.unique(found, return_inverse=True)[1].astype(np.int32), int(np.unique(found).size)
    return colours, count


def _strides(pattern: csr_array) -> Any:
    """The distances from the diagonal at which many entries lie: the sizes of rows and planes of a grid, maybe."""
    rows, columns = _places(pattern)
    distances, counts = np.unique(np.abs(columns.astype(np.int64) - rows), return_counts=True)
    common = distances[(distances > 1) & (counts >= 0.5 * pattern.shape[0])]
    return np.concatenate([common[:MOST_STRIDES], [pattern.shape[1] + 1]])


@_compiled
def _lattice(indptr: Any, indices: Any, strides: Any, count: int) -> Any:
    """The factors a, b and strides p, q with which (j + a * (j // p) + b * (j // q)) % count are colours of columns j.

    Grids have such colours, which are the fewest; greedy ones are often more. The first factor is -1 where there are
    none.
    """
    last = np.empty(count, np.int64)
    for k in range(len(strides)):
        for m in range(k + 1):
            p, q = strides[m], strides[k]
            for a in range(count):
                for b in range(count if m < k else 1):
                    last[:] = -1
                    fits = True
                    for i in range(len(indptr) - 1):
                        for j in indices[indptr[i] : indptr[i + 1]]:
                            colour = (j + a * (j // p) + b * (j // q)) % count
                            fits = fits and last[colour] != i
                            last[colour] = i
                        if not fits:
                            break
                    if fits:
                        return np.array([a, b, p, q])
    return np.full(4, -1)


@_compiled
def _distance_two(indptr: Any, indices: Any, t_indptr: Any, t_indices: Any, order: Any) -> Any:
    """Colours of columns, each the first that no column with an entry in one of its rows has."""
    colours = np.full(len(t_indptr) - 1, -1, np.int32)
    last = np.full(len(colours) + 1, -1, np.int64)
    for j in order:
        for k in range(t_indptr[j], t_indptr[j + 1]):
            i = t_indices[k]
            for q in range(indptr[i], indptr[i + 1]):
                last[colours[indices[q]]] = j
        colour = 0
        while last[colour] == j:
            colour += 1
        colours[j] = colour
    return colours


@_compiled
def _slot(indptr: Any, slot_colour: Any, filled: Any, v: int, colour: int) -> int:
    """The slot of vertex v for a colour, or else the next one that is free."""
    end = indptr[v] + filled[v]
    for s in range(indptr[v], end):
        if slot_colour[s] == colour:
            return s
    return end


@_compiled
def _star(indptr: Any, indices: Any, order: Any) -> Any:
    """A star colouring of the vertices of a graph whose edges are the entries off the diagonal.

    The edges of two colours form stars, each around its hub. Vertex w has a slot for each colour among its neighbours:
    the colour, one neighbour of it, and the star that the edges to such neighbours belong to.
    """
    size = len(indptr) - 1
    colours = np.full(size, -1, np.int32)
    filled = np.zeros(size, np.int64)
    slot_colour, slot_vertex = np.empty(len(indices), np.int32), np.empty(len(indices), np.int64)
    slot_star = np.empty(len(indices), np.int64)
    hubs = np.full(len(indices) + 1, -1, np.int64)
    stars = 0
    # By colour: for whom it is forbidden, for whom it was met among the neighbours, and by which of them.
    forbidden, met, first = (
        np.full(size + 1, -1, np.int64),
        np.full(size + 1, -1, np.int64),
        np.empty(size + 1, np.int64),
    )
    treated = np.full(size, -1, np.int64)
    for v in order:
        for k in range(indptr[v], indptr[v + 1]):
            w = indices[k]
            if w == v or colours[w] < 0:
                continue
            forbidden[colours[w]] = v
            slots = range(indptr[w], indptr[w] + filled[w])
            if met[colours[w]] == v:
                # Two neighbours of one colour: v is the middle of what must not go on.
                q = first[colours[w]]
                if treated[q] != v:
                    treated[q] = v
                    for s in range(indptr[q], indptr[q] + filled[q]):
                        forbidden[slot_colour[s]] = v
                for s in slots:
                    forbidden[slot_colour[s]] = v
            else:
                met[colours[w]], first[colours[w]] = v, w
                for s in slots:
                    if hubs[slot_star[s]] == slot_vertex[s]:
                        forbidden[slot_colour[s]] = v
        colour = 0
        while forbidden[colour] == v:
            colour += 1
        colours[v] = colour
        for k in range(indptr[v], indptr[v + 1]):
            w = indices[k]
            if w == v or colours[w] < 0:
                continue
            # The star of the edge: around w, around v, or a new one.
            mine = _slot(indptr, slot_colour, filled, v, colours[w])
            there = _slot(indptr, slot_colour, filled, w, colour)
            if there < indptr[w] + filled[w]:
                star = slot_star[there]
                hubs[star] = w
            elif mine < indptr[v] + filled[v]:
                star = slot_star[mine]
                hubs[star] = v
            else:
                star, stars = stars, stars + 1
            if mine == indptr[v] + filled[v]:
                slot_colour[mine], slot_vertex[mine] = colours[w], w
                filled[v] += 1
            if there == indptr[w] + filled[w]:
                slot_colour[there], slot_vertex[there] = colour, v
                filled[w] += 1
            slot_star[mine] = slot_star[there] = star
    return colours


@_compiled
def _mirrored(indptr: Any, indices: Any, colours: Any, count: int) -> Any:
    """Which entries are read at their mirror images: those in whose row another column has the same colour."""
    times, row = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    found = np.zeros(len(indices), np.bool_)
    for i in range(len(indptr) - 1):
        for k in range(indptr[i], indptr[i + 1]):
            colour = colours[indices[k]]
            times[colour] = times[colour] + 1 if row[colour] == i else 1
            row[colour] = i
        for k in range(indptr[i], indptr[i + 1]):
            found[k] = times[colours[indices[k]]] > 1
    return found
