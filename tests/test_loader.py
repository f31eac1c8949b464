"""Machine code to callables; that what they return is right is tested with the kernels."""

import numpy as np
import pytest

from jit.kernels.kernel import saved
from jit.kernels.loader import Code, load, packed, unpacked
from tests.graphs import compiled

X = np.linspace(0.5, 2.0, 100)


@pytest.fixture(scope="module")
def code():
    """The machine code of a kernel."""
    return unpacked(saved(compiled(lambda x: x * 2.0, X).kernel))


def test_packing_keeps_everything():
    code = Code(bytes(range(256)) + b"\n{}\n", "entry", "environment", ("a", "b"), 7)
    assert unpacked(packed(code)) == code
    assert unpacked(packed(code._replace(image=b"", symbols=()))) == code._replace(image=b"", symbols=())


def test_the_code_names_what_lies_outside(code):
    assert code.workspace == 0
    assert "PyErr_SetString" in code.symbols
    assert not [x for x in code.symbols if x.startswith("llvm.")]
    assert code.entry.encode() in code.image


def test_the_same_code_can_be_loaded_more_than_once(code):
    first, second = load("k", code), load("k", code)
    out = np.empty(100)
    assert first(X, out) == (0,)
    np.testing.assert_array_equal(out, 2 * X)
    del first
    assert second(-X, out) == (0,)
    np.testing.assert_array_equal(out, -2 * X)


BROKEN = {
    "a missing symbol": lambda code: code._replace(image=code.image.replace(b"PyErr_SetString", b"PyErr_SetStrong")),
    "a missing entry": lambda code: code._replace(entry="nothing"),
    "half of the code": lambda code: code._replace(image=code.image[: len(code.image) // 2]),
    "no code": lambda code: code._replace(image=b""),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_linked_is_an_error(code, broken, capfd):
    with pytest.raises(RuntimeError):
        load("k", broken(code))
    assert capfd.readouterr().err == ""
