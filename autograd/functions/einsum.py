"""Einstein's sums, planned once for their subscripts and shapes, as matrix products of pairs.

A plan is made of the shapes alone. Each operand is a `_Term`, whose axes have labels and whose `program` is
the list of primitives that bring it into the form that a product needs. Two terms become one by `matmul`
if a label is summed away between them, and by `mul` otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..primitive import Primitive, Shape
from .arguments import ALL_AXES, as_array

Program = tuple[tuple[Primitive, dict[str, Any]], ...]


def einsum(subscripts: Any, *operands: Any, optimize: Any = True) -> Any:
    """The sum of products that Einstein's notation says.

    **Arguments:** `subscripts`, the labels of the axes of each operand, and after `->` those of the result,
    as in `"ij,jk->ik"`; without `->` the result has the labels that stand once, in alphabetical order; `...`
    stands for axes that broadcast; `operands`, the arrays. NumPy's other form, in which each operand is
    followed by a list of integers, is understood too; `optimize` as in `np.einsum_path`: the order in which
    pairs of more than two operands are multiplied, a cheap one unless said.

    **Errors:** `ValueError` for subscripts that are not well formed, or that do not fit the shapes.

    >>> import autograd as ag
    >>> ag.einsum("ij,j->i", [[1, 2], [3, 4]], [5, 6])
    array([17, 39])
    >>> ag.einsum("ij->ji", [[1, 2], [3, 4]])
    array([[1, 3],
           [2, 4]])
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists((subscripts, *operands))
    values = [as_array(x) for x in operands]
    order = tuple(optimize) if isinstance(optimize, list) else optimize
    return run(plan_of(subscripts, tuple([x.shape for x in values]), order), values)


def _from_lists(arguments: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The subscripts and operands of the form `einsum(x, [0, 1], y, [1, 2], [0, 2])`."""
    letters = ascii_uppercase + ascii_lowercase
    count = len(arguments) // 2
    lists = [*arguments[1 : 2 * count : 2], *arguments[2 * count :]]
    try:
        texts = ["".join(["..." if i is Ellipsis else letters[i] for i in labels]) for labels in lists]
    except (TypeError, IndexError):
        raise ValueError(
            f"`einsum` needs subscripts as a string, or after each operand a list of integers from 0 to 51, got {lists}"
        ) from None
    arrow = "->" + texts[count] if len(texts) > count else ""
    return ",".join(texts[:count]) + arrow, arguments[: 2 * count : 2]


# ---- subscripts ----


class _Labels(NamedTuple):
    inputs: tuple[str, ...]
    output: str


def _labels_of(subscripts: str, shapes: tuple[Shape, ...]) -> _Labels:
    """The labels of each operand and of the result, with letters that are not used for the axes of `...`."""
    given, arrow, output = subscripts.replace(" ", "").partition("->")
    texts = given.split(",")
    if len(texts) != len(shapes):
        raise _mistake(subscripts, shapes, f"as many operands as labels, {len(texts)}")
    spare = [c for c in ascii_letters if c not in subscripts]
    counts = [len(shape) - len(text.replace("...", "")) for text, shape in zip(texts, shapes, strict=True)]
    widest = max([n for n, text in zip(counts, texts, strict=True) if "..." in text], default=0)
    dots = "".join(spare[:widest])
    inputs = []
    for text, count in zip(texts, counts, strict=True):
        if count < 0 or (count and "..." not in text):
            raise _mistake(subscripts, shapes, "a label for each axis of each operand")
        inputs.append(text.replace("...", dots[len(dots) - count :]))
    if arrow:
        if dots and "..." not in output:
            raise _mistake(subscripts, shapes, "`...` in the result too")
        output = output.replace("...", dots)
    else:
        once = [c for c in sorted(set(given)) if c.isalpha() and given.count(c) == 1]
        output = dots + "".join(once)
    known = set("".join(inputs))
    if not all(c in ascii_letters for c in "".join(inputs) + output):
        raise _mistake(subscripts, shapes, "letters as labels")
    if len(set(output)) != len(output) or not known.issuperset(output):
        raise _mistake(subscripts, shapes, "each label of the result once, and in an operand")
    return _Labels(tuple(inputs), output)


def _mistake(subscripts: str, shapes: tuple[Shape, ...], need: str) -> ValueError:
    got = " and ".join(map(str, shapes)) or "no operands"
    return ValueError(f'`einsum("{subscripts}")` needs {need}, got shapes {got}')


def _sizes_of(subscripts: str, inputs: Iterable[str], shapes: tuple[Shape, ...]) -> dict[str, int]:
    """The length that each label stands for; axes of length 1 broadcast."""
    sizes: dict[str, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        for label, n in zip(labels, shape, strict=True):
            if n not in (1, sizes.setdefault(label, n)):
                if sizes[label] != 1:
                    need = f"one length for the label {label}, which is {sizes[label]} and {n}"
                    raise _mistake(subscripts, shapes, need)
                sizes[label] = n
    return sizes


# ---- terms ----


class _Term:
    """An operand of a plan: the labels of its axes, its shape, and how it is made."""

    def __init__(self, labels: str, shape: Shape) -> None:
        self.labels = labels
        self.shape = shape
        self.program: list[tuple[Primitive, dict[str, Any]]] = []

    def take_program(self) -> Program:
        program, self.program = tuple(self.program), []
        return program

    def reshape(self, shape: Shape) -> None:
        if shape != self.shape:
            self.program.append((ops.reshape, {"shape": shape}))
            self.shape = shape

    def order(self, labels: str) -> None:
        axes = tuple([self.labels.index(c) for c in labels])
        if axes != ALL_AXES[len(axes)]:
            self.program.append((ops.transpose, {"axes": axes}))
        self.shape = tuple([self.shape[i] for i in axes])
        self.labels = labels

    def sum_all_but(self, needed: str) -> None:
        axes = tuple([i for i, c in enumerate(self.labels) if c not in needed])
        if axes:
            self.program.append((ops.sum, {"axis": axes, "keepdims": False}))
            self.shape = tuple([n for i, n in enumerate(self.shape) if i not in axes])
            self.labels = "".join([c for c in self.labels if c in needed])

    def take_diagonals(self) -> None:
        """Labels that stand several times made single, by the elements for which they are equal."""
        for label in [c for c in dict.fromkeys(self.labels) if self.labels.count(c) > 1]:
            count = self.labels.count(label)
            kept = [i for i, c in enumerate(self.labels) if c != label]
            axes = [i for i, c in enumerate(self.labels) if c == label]
            if axes[0] != len(kept):
                self.program.append((ops.transpose, {"axes": (*kept, *axes)}))
            lead = tuple([self.shape[i] for i in kept])
            n = self.shape[axes[0]]
            self.shape = (*lead, *(n,) * count)
            self.reshape((*lead, n**count))
            # In the flattened cube the next element of the diagonal is one further along each axis.
            index = (*[(0, m, 1) for m in lead], (0, n, sum([n**i for i in range(count)])))
            if n > 1:
                self.program.append((ops.slice_, {"index": index}))
            self.shape = (*lead, n)
            self.labels = "".join([self.labels[i] for i in kept]) + label

    def drop_broadcast(self, sizes: dict[str, int]) -> None:
        """Axes of length 1 taken away where the label stands for more: the product broadcasts by itself."""
        kept = [i for i, c in enumerate(self.labels) if self.shape[i] == sizes[c]]
        if len(kept) < len(self.labels):
            self.reshape(tuple([self.shape[i] for i in kept]))
            self.labels = "".join([self.labels[i] for i in kept])


# ---- plans ----


class _Step(NamedTuple):
    """The operands at two places brought into form and combined into a new one, which stands last."""

    places: tuple[int, int]
    programs: tuple[Program, Program]
    product: Primitive


class Plan(NamedTuple):
    """What is done with each operand first, the products, and what is done with the last one."""

    first: tuple[Program, ...]
    steps: tuple[tuple[_Step, Program], ...]


@lru_cache(maxsize=1024)
def plan_of(subscripts: str, shapes: tuple[Shape, ...], optimize: Any = True) -> Plan:
    """The plan for operands of these shapes."""
    inputs, output = _labels_of(subscripts, shapes)
    sizes = _sizes_of(subscripts, inputs, shapes)
    terms = [_Term(labels, shape) for labels, shape in zip(inputs, shapes, strict=True)]
    for term in terms:
        _check_diagonals(subscripts, term, shapes)
        term.take_diagonals()
        term.drop_broadcast(sizes)
    for i, term in enumerate(terms):
        term.sum_all_but(output + "".join([other.labels for j, other in enumerate(terms) if j != i]))
    if len(terms) == 1:
        terms[0].order(output)
        return Plan((terms[0].take_program(),), ())
    first = tuple([term.take_program() for term in terms])
    steps = []
    for i, j in _pairs(terms, output, optimize):
        x, y = terms[i], terms[j]
        terms = [term for k, term in enumerate(terms) if k not in (i, j)]
        needed = output + "".join([term.labels for term in terms])
        target = output if not terms else ""
        step, out = _product(x, y, needed, target, (i, j))
        terms.append(out)
        steps.append((step, out.take_program()))
    return Plan(first, tuple(steps))


def _check_diagonals(subscripts: str, term: _Term, shapes: tuple[Shape, ...]) -> None:
    for label in term.labels:
        if len({n for c, n in zip(term.labels, term.shape, strict=True) if c == label}) > 1:
            raise _mistake(subscripts, shapes, f"one length for the label {label}, which one operand repeats")


def _pairs(terms: list[_Term], output: str, optimize: Any) -> list[tuple[int, int]]:
    """The places of the terms to multiply, one pair after the other; each product then stands last."""
    if len(terms) == 2:
        return [(0, 1)]
    # The path depends on the shapes alone, so arrays without memory of their own stand for the operands.
    stand_ins = [np.broadcast_to(0.0, term.shape) for term in terms]
    text = ",".join([term.labels for term in terms]) + "->" + output
    if isinstance(optimize, tuple) and "einsum_path" in optimize:
        optimize = list(optimize)
    path = np.einsum_path(text, *stand_ins, optimize=optimize)[0][1:]
    pairs = []
    count = len(terms)
    for places in path:
        rest = sorted(places)
        while len(rest) > 1:
            i, j = rest[:2]
            pairs.append((i, j))
            # The places of the others move down by the two that are gone, and the product stands last.
            count -= 1
            rest = [*[k - 2 for k in rest[2:]], count - 1]
    return pairs


def _product(x: _Term, y: _Term, needed: str, target: str, places: tuple[int, int]) -> tuple[_Step, _Term]:
    x.sum_all_but(needed + y.labels)
    y.sum_all_but(needed + x.labels)
    batch = _sorted_like([c for c in x.labels if c in y.labels and c in needed], target)
    summed = "".join([c for c in x.labels if c in y.labels and c not in needed])
    x_only = _sorted_like([c for c in x.labels if c not in y.labels], target)
    y_only = _sorted_like([c for c in y.labels if c not in x.labels], target)
    if target and x_only and y_only and target.index(y_only[0]) < target.index(x_only[0]):
        x, y, x_only, y_only, places = y, x, y_only, x_only, places[::-1]
    if not summed or (batch and not x_only and not y_only):
        out = _multiply(x, y, (target or batch + x_only + y_only) + summed)
        product = ops.mul
    else:
        out = _matmul(x, y, batch, x_only, summed, y_only)
        product = ops.matmul
    step = _Step(places, (x.take_program(), y.take_program()), product)
    if summed and product is ops.mul:
        out.sum_all_but(needed)
    out.order(target or out.labels)
    return step, out


def _sorted_like(labels: list[str], target: str) -> str:
    return "".join(sorted(labels, key=target.index) if target else labels)


def _multiply(x: _Term, y: _Term, labels: str) -> _Term:
    """The terms with their axes lined up, so that `mul` broadcasts them."""
    sizes = dict(zip(x.labels + y.labels, x.shape + y.shape, strict=True))
    for term in (x, y):
        own = [c for c in labels if c in term.labels]
        term.order("".join(own))
        # Axes that are missing in front need no reshape to broadcast.
        lined_up = labels[labels.index(own[0]) :] if own else ""
        term.reshape(tuple([sizes[c] if c in own else 1 for c in lined_up]))
    return _Term(labels, tuple([sizes[c] for c in labels]))


def _matmul(x: _Term, y: _Term, batch: str, x_only: str, summed: str, y_only: str) -> _Term:
    """The terms as matrices, or as vectors where they have no axes of their own and there is no batch."""
    sizes = dict(zip(x.labels + y.labels, x.shape + y.shape, strict=True))
    x.order(batch + x_only + summed)
    y.order(batch + summed + y_only)
    lead, n = tuple([sizes[c] for c in batch]), prod([sizes[c] for c in summed])
    rows, columns = prod([sizes[c] for c in x_only]), prod([sizes[c] for c in y_only])
    has_rows, has_columns = bool(x_only or batch), bool(y_only or batch)
    x.reshape((*lead, rows, n) if has_rows else (n,))
    y.reshape((*lead, n, columns) if has_columns else (n,))
    labels = batch + x_only + y_only
    out = _Term(labels, (*lead, *[rows] * has_rows, *[columns] * has_columns))
    out.reshape(tuple([sizes[c] for c in labels]))
    return out


# ---- running a plan ----


def run(plan: Plan, values: list[Any]) -> Any:
    """What the plan makes of the operands."""
    values = [_applied(program, x) for program, x in zip(plan.first, values, strict=True)]
    for (places, programs, product), finish in plan.steps:
        x, y = [_applied(program, values[i]) for program, i in zip(programs, places, strict=True)]
        values = [value for k, value in enumerate(values) if k not in places]
        values.append(_applied(finish, product(x, y)))
    return values[0]


def _applied(program: Program, x: Any) -> Any:
    for primitive, params in program:
        x = primitive(x, **params)
    return x
