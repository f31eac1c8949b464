"""Plots of sparse matrices."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.sparse import csr_array, eye_array

import jit


def squares(svg):
    """The stretches of squares as rows, first columns and numbers of squares."""
    found = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z", svg)
    return sorted(
        (round(float(y) / float(s)), round(float(x) / float(s)), round(float(w) / float(s))) for x, y, w, s in found
    )


def test_a_square_stands_where_there_is_an_entry():
    picture = jit.spy(csr_array(np.array([[1, 1, 0, 2], [0, 0, 0, 0], [0, 3, 0, 0]])))
    assert squares(picture.svg) == [(0, 0, 2), (0, 3, 1), (2, 1, 1)]
    assert "3 x 4, 4 entries" in picture.svg
    assert ElementTree.fromstring(picture.svg).tag.endswith("svg")
    assert picture._repr_svg_() == picture.svg
    assert squares(jit.spy([[1.0, 0.0], [0.0, 0.0]]).svg) == [(0, 0, 1)]


def test_stored_zeros_are_entries():
    assert jit.spy(csr_array((np.zeros(2), [0, 1], [0, 1, 2]))).entries == 2


def test_large_matrices_are_drawn_in_few_squares():
    picture = jit.spy(eye_array(100_000))
    assert picture.scale == 556
    assert picture.counts.sum() == picture.entries == 100_000
    assert len(picture.svg) < 20_000
    assert len(squares(picture.svg)) == 180


def test_matrices_without_entries_or_elements_have_a_plot():
    for shape in ((0, 0), (0, 3), (3, 3)):
        assert squares(jit.spy(csr_array(shape)).svg) == []


def test_it_is_saved_as_svg(tmp_path):
    picture = jit.spy(np.eye(3))
    picture.save(tmp_path / "eye.svg")
    assert (tmp_path / "eye.svg").read_text() == picture.svg
    with pytest.raises(ValueError, match=r"`Spy.save` writes `\.svg`, got 'eye.png'"):
        picture.save("eye.png")
    with pytest.raises(ValueError, match="`spy` needs a matrix, got 1 axes"):
        jit.spy(np.ones(3))
