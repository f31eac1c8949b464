"""Products of vectors, matrices and tensors, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import functions as F
from autograd.functions.einsum import plan_of
from tests.compare import agrees, same


def arrays(*shapes):
    random = np.random.default_rng(5)
    return [random.uniform(0.5, 2.0, shape) for shape in shapes]


SHAPES = [
    [(), ()], [(), (2, 3)], [(2, 3), ()], [(3,), (3,)], [(2, 3), (3,)], [(3,), (3, 2)], [(2, 3), (3, 4)],
    [(2, 2, 3), (3,)], [(2, 3), (2, 3, 4)], [(2, 2, 3), (2, 3, 2)], [(3,), (2, 3, 2)], [(0, 3), (3, 2)],
    [(2, 0), (0, 3)],
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_dot(shapes):
    agrees(F.dot, np.dot, *arrays(*shapes))


@pytest.mark.parametrize("shapes", [s for s in SHAPES if () not in s], ids=str)
def test_matmul(shapes):
    x, y = arrays(*shapes)
    if len(shapes[0]) == len(shapes[1]) == 3:
        x, y = x[:1], y
    agrees(F.matmul, np.matmul, x, y)
    same((ag.Tensor(x) @ y).data, x @ y)


INNER = [[(), (3,)], [(3,), (3,)], [(2, 3), (3,)], [(2, 3), (4, 3)], [(2, 2, 3), (4, 3)], [(3,), (2, 2, 3)]]


@pytest.mark.parametrize("shapes", INNER, ids=str)
def test_inner(shapes):
    agrees(F.inner, np.inner, *arrays(*shapes))


@pytest.mark.parametrize("shapes", [[(), ()], [(3,), (2,)], [(2, 2), (3,)], [(0,), (3,)]], ids=str)
def test_outer(shapes):
    agrees(F.outer, np.outer, *arrays(*shapes))


@pytest.mark.parametrize("shapes", [[(), ()], [(3,), (3,)], [(2, 3), (3, 2)]], ids=str)
def test_vdot(shapes):
    agrees(F.vdot, np.vdot, *arrays(*shapes))


TENSORDOT = [
    [(2, 3), (3, 4), 1],
    [(2, 3, 4), (3, 4, 2), 2],
    [(2, 3), (4,), 0],
    [(2, 3), (2, 3), 2],
    [(2, 3, 4), (4, 3, 5), ([1, 2], [1, 0])],
    [(2, 3, 4), (2, 5), (0, 0)],
    [(2, 3, 4), (5, 3), (-2, -1)],
    [(2, 0), (0, 3), 1],
    [(), (3,), 0],
]


@pytest.mark.parametrize("case", TENSORDOT, ids=str)
def test_tensordot(case):
    *shapes, axes = case
    agrees(lambda x, y: F.tensordot(x, y, axes), lambda x, y: np.tensordot(x, y, axes), *arrays(*shapes))


EINSUM = [
    ("i->i", (3,)), ("i->", (3,)), ("ij->ji", (2, 3)), ("ij->i", (2, 3)), ("ij->", (2, 3)), ("ii->i", (3, 3)),
    ("ii", (3, 3)), ("iij->j", (2, 2, 3)), ("iji->ij", (2, 3, 2)), ("iii->i", (2, 2, 2)),
    ("iijj->ij", (2, 2, 3, 3)), ("ba", (2, 3)), ("...i->...", (2, 3, 4)), ("i...->...i", (2, 3, 4)),
    ("...ii->...i", (4, 2, 2)), ("...", ()), ("i,i", (3,), (3,)), ("i,i->i", (3,), (3,)),
    ("i,j->ij", (3,), (2,)), ("i,j->ji", (3,), (2,)), ("i,j->", (3,), (2,)), ("i,j->j", (3,), (2,)),
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk->ki", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)), ("ji,jk->ik", (3, 2), (3, 4)), ("ij,j->i", (2, 3), (3,)),
    ("j,ij->i", (3,), (2, 3)), ("ij,ij->", (2, 3), (2, 3)), ("ij,ij->i", (2, 3), (2, 3)),
    ("ij,ji->", (2, 3), (3, 2)), ("ij,ij->ij", (2, 3), (2, 3)), ("ij,ji->ij", (2, 3), (3, 2)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)), ("bij,bjk->ikb", (2, 3, 4), (2, 4, 2)),
    ("bij,bkj->bki", (2, 3, 4), (2, 5, 4)), ("bij,bj->bi", (2, 3, 4), (2, 4)), ("bi,bi->b", (2, 3), (2, 3)),
    ("bij,jk->bik", (2, 3, 4), (4, 2)), ("aibj,bjc->aic", (2, 3, 2, 2), (2, 2, 3)),
    ("abcd,cdef->abef", (2, 1, 2, 3), (2, 3, 1, 2)), ("ij,k->ijk", (2, 3), (2,)), ("ij,k->kij", (2, 3), (2,)),
    ("ii,ij->j", (3, 3), (3, 2)), ("ijj,jk->ik", (2, 3, 3), (3, 4)), ("i,->i", (3,), ()), (",->", (), ()),
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 2)), ("...ij,...jk", (5, 2, 3, 4), (2, 4, 2)),
    ("...i,...i->...", (1, 3), (2, 3)), ("i...,j...->ij...", (2, 4), (3, 4)), ("...,...", (2, 1), (3,)),
    ("ij,jk->ik", (2, 1), (3, 4)), ("ij,j->i", (2, 3), (1,)), ("i,i->i", (1,), (3,)),
    ("b...,b->...", (2, 3), (2,)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("i,i,i->i", (3,), (3,), (3,)),
    ("i,j,k->", (2,), (3,), (4,)), ("ij,ik,il->jkl", (2, 3), (2, 2), (2, 4)),
    ("abc,bd,ce,de->a", (2, 3, 2), (3, 2), (2, 3), (2, 3)), ("...a,ab,b...->...", (2, 3), (3, 2), (2, 2)),
    ("i,ij,j,->", (2,), (2, 3), (3,), ()), ("a,b,c,d,e->ec", (2,), (1,), (3,), (2,), (2,)),
    ("ij,jk->ik", (0, 3), (3, 2)), ("ij,jk->ik", (2, 0), (0, 2)), ("ii->i", (0, 0)),
    ("iJ,Jk->ik", (2, 3), (3, 2)), ("bA", (2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("case", EINSUM, ids=str)
def test_einsum(case):
    subscripts, *shapes = case
    agrees(lambda *xs: F.einsum(subscripts, *xs), lambda *xs: np.einsum(subscripts, *xs), *arrays(*shapes))


def test_einsum_with_lists_of_integers():
    x, y = arrays((2, 3), (3, 4))
    agrees(
        lambda x, y: F.einsum(x, [0, 1], y, [1, 2], [2, 0]),
        lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]),
        x,
        y,
    )
    agrees(lambda x, y: F.einsum(x, [30, 1], y, [1, 2]), lambda x, y: np.einsum(x, [30, 1], y, [1, 2]), x, y)
    agrees(lambda x: F.einsum(x, [..., 0]), lambda x: np.einsum(x, [..., 0]), x)


@st.composite
def sums(draw):
    """Subscripts and shapes, with broadcast axes, repeated and summed labels."""
    sizes = {c: draw(st.integers(1, 3)) for c in "abcd"}
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 4))):
        labels = "".join(draw(st.lists(st.sampled_from("abcd"), max_size=3)))
        narrow = draw(st.sampled_from([*"abcd", "", "", "", ""]))
        dots = draw(st.integers(0, 2)) if draw(st.booleans()) else None
        place = draw(st.integers(0, len(labels)))
        shape = [1 if c == narrow else sizes[c] for c in labels]
        if dots is not None:
            shape[place:place] = (2, 3)[2 - dots :]
            labels = f"{labels[:place]}...{labels[place:]}"
        terms.append(labels)
        shapes.append(tuple(shape))
    text = ",".join(terms)
    if draw(st.booleans()):
        used = sorted(set(text) - set(".,"))
        kept = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        text += "->" + ("..." if "..." in text else "") + "".join(kept)
    return text, shapes


@settings(max_examples=150)
@given(sums())
def test_random_einsum(case):
    subscripts, shapes = case
    values = arrays(*shapes)
    expected = np.einsum(subscripts, *values)
    tensors = [ag.Tensor(x, requires_grad=True) for x in values]
    out = F.einsum(subscripts, *tensors)
    np.testing.assert_allclose(out.data, expected, rtol=1e-12)
    g = np.random.default_rng(1).uniform(0.5, 1.5, expected.shape)
    out.backward(g)
    # The sum is linear in each operand, so a finite step is exact.
    for i, t in enumerate(tensors):
        step = np.random.default_rng(2).uniform(0.5, 1.5, t.shape)
        moved = [step if j == i else x for j, x in enumerate(values)]
        np.testing.assert_allclose(np.sum(t.grad.data * step), np.sum(g * np.einsum(subscripts, *moved)), rtol=1e-10)


RECORDED = [
    ("ij,jk->ik", [(2, 3), (3, 4)], ["matmul"]),
    ("ij,kj->ik", [(2, 3), (4, 3)], ["transpose", "matmul"]),
    ("ij,jk->ki", [(2, 3), (3, 4)], ["transpose", "transpose", "matmul"]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], ["matmul"]),
    ("ij,j->i", [(2, 3), (3,)], ["matmul"]),
    ("i,i->", [(3,), (3,)], ["matmul"]),
    ("bi,bi->b", [(2, 3), (2, 3)], ["mul", "sum"]),
    ("i,j->ij", [(2,), (3,)], ["reshape", "mul"]),
    ("ij,j->ij", [(2, 3), (3,)], ["mul"]),
    ("ij->ji", [(2, 3)], ["transpose"]),
    ("ij->", [(2, 3)], ["sum"]),
    ("ii->i", [(3, 3)], ["reshape", "slice"]),
]


@pytest.mark.parametrize(("subscripts", "shapes", "names"), RECORDED)
def test_a_sum_records_few_primitives(subscripts, shapes, names):
    tensors = [ag.Tensor(x) for x in arrays(*shapes)]
    with ag.record() as tape:
        F.einsum(subscripts, *tensors)
    assert [node.primitive.name for node in tape.nodes] == names


def test_a_chain_is_multiplied_in_a_cheap_order():
    shapes = ((2, 100), (100, 100), (100, 1))
    plan = plan_of("ij,jk,kl->il", shapes)
    assert [step.places for step, _ in plan.steps] == [(1, 2), (0, 1)]
    assert plan_of("ij,jk,kl->il", shapes) is plan


@pytest.mark.parametrize("optimize", [True, False, "optimal", ["einsum_path", (0, 2), (0, 1)]], ids=str)
def test_the_order_of_a_chain_may_be_given(optimize):
    xs = arrays((2, 3), (3, 4), (4, 2))
    agrees(lambda *xs: F.einsum("ij,jk,kl->il", *xs, optimize=optimize), lambda x, y, z: x @ y @ z, *xs)


ERRORS = [
    (
        lambda x: F.einsum("ij,jk", x),
        r'`einsum\("ij,jk"\)` needs as many operands as labels, 2, got shapes \(2, 3\)',
    ),
    (lambda x: F.einsum("i", x), "needs a label for each axis of each operand"),
    (lambda x: F.einsum("ijk", x), "needs a label for each axis of each operand"),
    (lambda x: F.einsum("ij->k", x), "needs each label of the result once, and in an operand"),
    (lambda x: F.einsum("ij->ii", x), "needs each label of the result once, and in an operand"),
    (lambda x: F.einsum("i1", x), "needs letters as labels"),
    (lambda x: F.einsum("...->", x), r"needs `...` in the result too"),
    (
        lambda x: F.einsum("ij,ji->", x, x),
        r"one length for the label j, which is 3 and 2, got shapes \(2, 3\) and",
    ),
    (lambda x: F.einsum("ii", x), "one length for the label i, which is 2 and 3"),
    (lambda x: F.einsum("ii", x[:1]), "one length for the label i, which one operand repeats"),
    (lambda x: F.einsum(x, "ab"), "needs subscripts as a string, or after each operand a list of integers"),
    (
        lambda x: F.tensordot(x, x, 1),
        r"`tensordot` needs axes of the same lengths.* got axes \[1\] of shape \(2, 3\)",
    ),
    (lambda x: F.tensordot(x, x, 3), r"`tensordot` needs a number of axes that both have, got 3"),
    (lambda x: F.tensordot(x, x, ([0, 0], [0, 0])), "`tensordot` needs axes of the same lengths, each once"),
    (lambda x: F.tensordot(x, x, (5, 0)), "`tensordot` needs an axis between -2 and 1"),
    (lambda x: F.inner(x, x.T), "`inner` needs axes of the same lengths"),
    (lambda x: F.vdot(x, x[0]), "`vdot` needs as many elements in both, got 6 and 3"),
    (lambda x: F.dot(x, x), "`matmul` needs the last axis of `x` as long as the last but one of `y`"),
    (lambda x: F.dot(x[None], x), "`dot` needs axes of the same lengths"),
]


@pytest.mark.parametrize(("call", "words"), ERRORS)
def test_errors_say_what_is_needed(call, words):
    with pytest.raises(ValueError, match=words):
        call(ag.Tensor(np.ones((2, 3))))


def test_vdot_takes_the_conjugate_of_the_first():
    x, y = np.array([1.0 + 2.0j, -1.0j]), np.array([0.5 - 1.0j, 2.0])
    np.testing.assert_allclose(F.vdot(x, y), np.vdot(x, y), rtol=1e-15)
    np.testing.assert_allclose(F.vdot(x, y.real), np.vdot(x, y.real), rtol=1e-15)
