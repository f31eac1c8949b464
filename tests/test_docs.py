"""The table of operations is that of the registry, and its conventions are what the library does."""

import re
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops
from autograd.primitive import Primitive
from docs import operations
from docs.operations import CONVENTIONS

ROOT = Path(__file__).parents[1]


def test_the_page_is_up_to_date():
    assert operations.page() == operations.FILE.read_text(), "run `python -m docs.operations`"


def test_the_page_has_every_primitive_once():
    listed = [x for _, _, primitives in operations.families() for x in primitives]
    assert set(listed) == {x for x in vars(ops).values() if isinstance(x, Primitive)}
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda x: x.text)
@pytest.mark.parametrize("grad", [ag.grad, jit.grad], ids=["eager", "compiled"])
def test_a_convention(convention, grad):
    with np.errstate(all="ignore"):
        found = grad(convention.function)(convention.at)
    np.testing.assert_array_equal(found, convention.derivative)


@pytest.mark.parametrize(("name", "count"), [("engines", 3), ("solvers", 1)])
def test_what_needs_other_packages_is_quoted_from_the_examples(name, count):
    sources = [path.read_text() for path in sorted((ROOT / "examples").glob("*.py"))]
    text = (ROOT / "docs" / f"{name}.md").read_text()
    quotes = re.findall(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(quotes) == count
    assert [quote for quote in quotes if not any(quote in source for source in sources)] == []
