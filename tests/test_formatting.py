"""How tensors print: to the letter as PyTorch does."""

import numpy as np
import pytest

import autograd as ag
from autograd.formatting import text_of

x = ag.tensor(2.0, requires_grad=True)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (64.0, "tensor(64.)"),
        (7, "tensor(7)"),
        (True, "tensor(True)"),
        (3.14159265, "tensor(3.1416)"),
        (-0.0, "tensor(-0.)"),
        ([1.0, 2.0], "tensor([1., 2.])"),
        ([1.0, -2.0, -300.0], "tensor([   1.,   -2., -300.])"),
        ([1.5, 2.0], "tensor([1.5000, 2.0000])"),
        ([0, 1, -20], "tensor([  0,   1, -20])"),
        ([True, False], "tensor([ True, False])"),
        ([[1.0, 2.0], [3.0, 4.0]], "tensor([[1., 2.],\n        [3., 4.]])"),
        ([[[1.0]], [[2.0]]], "tensor([[[1.]],\n\n        [[2.]]])"),
        ([np.nan, np.inf], "tensor([nan, inf])"),
        ([np.nan, 1.5], "tensor([   nan, 1.5000])"),
        ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
        ([1.0, 10000.0], "tensor([1.0000e+00, 1.0000e+04])"),
        (1e9, "tensor(1.0000e+09)"),
        (1e-7, "tensor(1.0000e-07)"),
        ([1e-300, 1e300], "tensor([1.0000e-300, 1.0000e+300])"),
        (1 + 2j, "tensor(1.+2.j)"),
        ([], "tensor([])"),
        (np.zeros((0, 3)), "tensor([], size=(0, 3))"),
        (np.zeros((0, 2), int), "tensor([], size=(0, 2), dtype=int64)"),
        (np.float32(1.5), "tensor(1.5000, dtype=float32)"),
        (np.array([1, 2], np.int8), "tensor([1, 2], dtype=int8)"),
    ],
)
def test_values(data, text):
    assert repr(ag.tensor(data)) == str(ag.tensor(data)) == text


def test_long_arrays_are_summarised():
    assert text_of(np.arange(1000)).count(",") == 999
    assert text_of(np.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    rows = text_of(np.ones((40, 50))).split("\n")
    assert rows[0] == "tensor([[1., 1., 1.,  ..., 1., 1., 1.],"
    assert rows[3] == "        ...,"
    assert len(rows) == 7


def test_what_is_not_shown_has_no_say_in_the_format():
    a = np.ones(2000)
    a[1000] = 1e-9
    assert text_of(a) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_where_values_are_from():
    y = 5 * x**3 + 2 * x**2 + 4 * x + 8
    assert repr(y) == "tensor(64., grad_fn=<AddBackward0>)"
    assert repr(x) == "tensor(2., requires_grad=True)"
    assert repr((x * 2).reshape(1)) == "tensor([4.], grad_fn=<ReshapeBackward0>)"
    assert repr(y.detach()) == "tensor(64.)"
    assert repr(ag.tensor([1.5], np.float32, requires_grad=True)) == (
        "tensor([1.5000], dtype=float32, requires_grad=True)"
    )


def test_what_does_not_fit_goes_to_the_next_line():
    y = ag.tensor(np.full(9, 0.25), requires_grad=True) * 1
    assert repr(y) == (
        "tensor([0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500],\n"
        "       grad_fn=<MulBackward0>)"
    )


def test_printing_is_no_guard():
    with ag.record() as tape:
        y = x * 2
        assert f"{y}" == "tensor(4., grad_fn=<MulBackward0>)"
        assert f"{y:.1f}" == "4.0"
    assert tape.guards == []


def test_formats_of_single_elements():
    assert f"{x:.3f}" == "2.000"
    assert f"{ag.tensor([[7]]):4d}" == "   7"
    assert f"{x}" == "tensor(2., requires_grad=True)"
    with pytest.raises(TypeError, match=r"the format '.3f' needs a tensor with one element, got shape \(2,\)"):
        f"{ag.tensor([1.0, 2.0]):.3f}"
