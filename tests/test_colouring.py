"""Colourings: no two columns of one colour meet in a row, and symmetric matrices are read from few products."""

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array

from jit.sparse.colouring import _compiled, coloured, coloured_symmetric


def random_pattern(rng, m, n):
    pattern = csr_array(rng.random((m, n)) < rng.uniform(0, 0.4))
    pattern.sort_indices()
    return pattern


def random_symmetric(rng, n):
    half = rng.random((n, n)) < rng.uniform(0, 0.3)
    half[0] |= rng.random() < 0.3
    if rng.random() < 0.5:
        np.fill_diagonal(half, True)
    pattern = csr_array(half | half.T)
    pattern.sort_indices()
    return pattern


def meets(pattern, colours):
    """Whether two columns of one colour have an entry in the same row, by looking at all pairs."""
    dense = pattern.toarray()
    n = dense.shape[1]
    pairs = [(j, k) for j in range(n) for k in range(j) if colours[j] == colours[k]]
    return any((dense[:, j] & dense[:, k]).any() for j, k in pairs)


def is_star(pattern, colours):
    """Whether neighbours differ and no path over four vertices has two colours, by looking at all such paths."""
    graph = pattern.toarray()
    np.fill_diagonal(graph, False)
    near = [np.flatnonzero(row) for row in graph]
    for b in range(len(graph)):
        for c in near[b]:
            if colours[b] == colours[c]:
                return False
            firsts = [a for a in near[b] if a != c and colours[a] == colours[c]]
            lasts = [d for d in near[c] if d != b and colours[d] == colours[b]]
            if any(a != d for a in firsts for d in lasts):
                return False
    return True


def read_back(pattern, found):
    """The entries of a matrix of that pattern, and what the colouring reads of its products."""
    matrix = csr_array((np.arange(1.0, pattern.nnz + 1), pattern.indices, pattern.indptr), pattern.shape)
    if found.mode == "symmetric":
        matrix = csr_array(matrix + matrix.T)
        matrix.sort_indices()
    seeds = np.eye(found.number)[found.colours]
    products = (matrix.T if found.mode == "rows" else matrix) @ seeds
    return matrix.data, products.T[found.by, found.at]


@pytest.mark.parametrize("seed", range(20))
def test_colours_of_columns_or_rows_never_meet(seed):
    rng = np.random.default_rng(seed)
    pattern = random_pattern(rng, *rng.integers(1, 20, 2))
    found = coloured(pattern)
    whole = pattern if found.mode == "columns" else csr_array(pattern.T)
    assert not meets(whole, found.colours)
    assert set(found.colours) == set(range(found.number))
    np.testing.assert_array_equal(*read_back(pattern, found))


@pytest.mark.parametrize("seed", range(30))
def test_colours_of_a_symmetric_matrix_are_stars(seed):
    rng = np.random.default_rng(seed)
    pattern = random_symmetric(rng, rng.integers(1, 16))
    found = coloured_symmetric(pattern)
    assert is_star(pattern, found.colours) or not meets(pattern, found.colours)
    assert set(found.colours) == set(range(found.number))
    np.testing.assert_array_equal(*read_back(pattern, found))


def test_the_checks_notice_a_broken_colouring():
    pattern = csr_array(np.eye(4, k=1, dtype=bool) | np.eye(4, dtype=bool))
    assert not meets(pattern, np.array([0, 1, 0, 1]))
    assert meets(pattern, np.array([0, 1, 1, 0]))
    path = csr_array(np.eye(4, k=1, dtype=bool) | np.eye(4, k=-1, dtype=bool))
    assert not is_star(path, np.array([0, 1, 0, 1]))
    assert not is_star(path, np.array([0, 0, 1, 2]))
    assert is_star(path, np.array([0, 1, 0, 2]))
    wrong = coloured_symmetric(path)._replace(colours=np.array([0, 1, 0, 1]))
    read = read_back(path, wrong)
    assert (read[0] != read[1]).any()


def test_rows_are_taken_where_they_need_fewer_colours():
    tall, wide = np.eye(6, dtype=bool), np.eye(6, dtype=bool)
    tall[:, 0], wide[0] = True, True
    found = coloured(csr_array(tall))
    assert (found.mode, found.number) == ("columns", 2)
    found = coloured(csr_array(wide))
    assert (found.mode, found.number) == ("rows", 2)


def test_an_arrow_needs_two_colours_of_a_star_and_little_time():
    n = 20_000
    i = np.arange(n)
    rows, columns = np.concatenate([i, i, 0 * i]), np.concatenate([i, 0 * i, i])
    arrow = csr_array((np.ones(3 * n, bool), (rows, columns)), (n, n))
    arrow.sum_duplicates()
    assert coloured_symmetric(arrow).number == 2


def test_empty_matrices_have_no_entries_to_read():
    for shape in ((0, 0), (0, 3), (3, 0), (2, 2)):
        found = coloured(csr_array(shape, dtype=bool))
        assert found.by.size == found.at.size == 0
    assert coloured_symmetric(csr_array((0, 0), dtype=bool)).number == 0


def banded(n, *distances):
    found = np.zeros((n, n), bool)
    for k in distances:
        found |= np.eye(n, k=k, dtype=bool) | np.eye(n, k=-k, dtype=bool)
    return found


@pytest.mark.parametrize(
    ("dense", "fewest"),
    [
        (np.kron(np.eye(8), banded(7, 0, 1)) + np.kron(banded(8, 1), np.eye(7)), 5),
        (np.kron(banded(8, 0, 1), banded(7, 0, 1)), 9),
        (banded(125, 0, 1, 5, 25), 7),
        (banded(40, 0, 1, 2), 5),
    ],
    ids=["five points", "nine points", "seven points in space", "bands"],
)
def test_grids_need_no_more_colours_than_their_longest_rows(dense, fewest):
    pattern = csr_array(dense.astype(bool))
    pattern.sort_indices()
    for found in (coloured(pattern), coloured_symmetric(pattern)):
        assert found.number <= fewest
        np.testing.assert_array_equal(*read_back(pattern, found))
    assert not meets(pattern, coloured(pattern).colours)


def test_colours_need_no_folder_for_compiled_functions(monkeypatch):
    def refuse(*_, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*_, **options)

    njit = numba.njit
    monkeypatch.setattr(numba, "njit", refuse)
    assert _compiled(lambda x: x + 1)(1) == 2
