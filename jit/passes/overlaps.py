"""Sums of large arrays that overlap in a larger one, as the gradient of `x[1:] - x[:-1]` is, taken apart.

    unslice[0:n-1](x) + unslice[1:n](y)  =  concatenate(x[:1] + 0, x[1:] + y[:-1], y[-1:] + 0)

The left side stores one array, and adds the other one in a second pass over memory. The right side writes each element
once. It is taken where a few cheap operations make `x` and `y` of arrays in memory: their slices are then made by the
same operations on slices, so that neither is stored. A sum over all that is made like `x` is taken apart in the same
places: it is the function whose gradient the rest is, and so stays in one pass with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple

from autograd import ops
from autograd.lengths import is_long
from autograd.primitive import Aval, Shape

from ..graph import Atom, Equation, Graph, Literal
from .dce import dce
from .simplify import Rewriter

#: What costs less than to store an array and to read it again.
CHEAP = frozenset({ops.add, ops.sub, ops.mul, ops.neg, ops.square, ops.maximum, ops.minimum})
# Smaller arrays stay in the cache, where a second pass over them costs little.
LEAST = 4096
# The most operations that are done again for one element, and the most arrays that they read.
MOST_REPEATED, MOST_READ = 24, 3

_VIEWS = frozenset({ops.slice_, ops.reshape, ops.transpose, ops.expand})

#: For each axis the first position, how many there are, and the step; one step of all is 1 here.
Index = tuple[Any, ...]


class _Cut(NamedTuple):
    """A piece of the arrays of one shape: an axis, and on it the first position and the one past the last."""

    axis: int
    start: int
    stop: int

    def of(self, whole: Index) -> Index:
        """The part of a box that lies in the piece."""
        return (*whole[: self.axis], (self.start, self.stop - self.start, 1), *whole[self.axis + 1 :])

    def relative(self, first: int) -> _Cut:
        """The same, counted from another first position."""
        return _Cut(self.axis, self.start - first, self.stop - first)


class _Sum(NamedTuple):
    """Parts of an array in the order of their sum, which differ in where they lie on one axis of that length."""

    parts: list[Equation]
    axis: int
    length: int

    def place(self, part: Equation) -> tuple[int, int]:
        """Where a part begins and ends."""
        start, n, _ = dict(part.params)["index"][self.axis]
        return start, start + n

    def stretches(self) -> list[_Cut]:
        """The stretches in which the same parts lie."""
        edges = {0, self.length, *[edge for part in self.parts for edge in self.place(part)]}
        return [_Cut(self.axis, *pair) for pair in pairwise(sorted(edges))]

    def inside(self, cut: _Cut) -> list[Equation]:
        """The parts that lie in a stretch."""
        return [part for part in self.parts if self.place(part)[0] <= cut.start and cut.stop <= self.place(part)[1]]

    def main(self) -> tuple[Shape, _Cut]:
        """The shape of the first part in the longest stretch that several share, and where that cuts it."""
        shared = [cut for cut in self.stretches() if len(self.inside(cut)) > 1]
        cut = max(shared, key=lambda cut: cut.stop - cut.start)
        part = self.inside(cut)[0]
        return part.inputs[0].aval.shape, cut.relative(self.place(part)[0])


def overlaps(graph: Graph) -> Graph:
    """The graph with the sums of overlapping arrays put together of stretches, where that spares memory."""
    sums = _sums(graph)
    if not sums:
        return graph
    cuts = dict([found.main() for found in sums.values()])
    slices = _Slices()
    renamed: dict[Atom, Atom] = {}
    for equation in graph.equations:
        equation = equation._replace(inputs=tuple([renamed.get(x, x) for x in equation.inputs]))
        slices.take(equation)
        if equation.out in sums:
            renamed[equation.out] = slices.joined(sums[equation.out], equation.out.aval)
        elif _is_total(equation) and equation.inputs[0].aval.shape in cuts and _is_cheap(equation.inputs, slices.made):
            renamed[equation.out] = slices.total(equation, cuts[equation.inputs[0].aval.shape])
    outputs, guards = (tuple([renamed.get(x, x) for x in xs]) for xs in (graph.outputs, graph.guards))
    return dce(graph._replace(equations=tuple(slices.equations), outputs=outputs, guards=guards))


# ---- which sums ----


def _sums(graph: Graph) -> dict[Atom, _Sum]:
    """The sums of parts that overlap and are cheap to make again."""
    if not any(e.primitive is ops.unslice and is_long(e.out.aval.size, LEAST) for e in graph.equations):
        return {}
    uses = Counter([x for equation in graph.equations for x in equation.inputs])
    uses.update([*graph.outputs, *graph.guards])
    made: dict[Any, Equation] = {equation.out: equation for equation in graph.equations}
    inner: set[Atom] = set()
    found: dict[Atom, _Sum] = {}
    for equation in reversed(graph.equations):
        if equation.primitive is not ops.add or not is_long(equation.out.aval.size, LEAST) or equation.out in inner:
            continue
        terms = _terms(equation, made, uses)
        inner.update([x for term in terms if term.primitive is ops.add for x in term.inputs])
        overlapping = _overlapping([term for term in terms if term.primitive is ops.unslice], equation.out.aval.shape)
        if overlapping is not None and _is_cheap([part.inputs[0] for part in overlapping.parts], made):
            found[equation.out] = overlapping
    return found


def _terms(root: Equation, made: Mapping[Any, Equation], uses: Counter[Atom]) -> list[Equation]:
    """The equations of a sum of unslices in their order; none where something else has a part in it."""
    found: list[Equation] = []
    left = root
    while left.primitive is ops.add:
        if any(x not in made or uses[x] != 1 or x.aval != root.out.aval for x in left.inputs):
            return []
        x, y = [made[x] for x in left.inputs]
        # Two terms can change places, but a sum of others stays on the left.
        before, last = (x, y) if y.primitive is ops.unslice else (y, x)
        if last.primitive is not ops.unslice:
            return []
        found += [left, last]
        left = before
    return [*found, left][::-1] if left.primitive is ops.unslice else []


def _overlapping(parts: list[Equation], shape: Shape) -> _Sum | None:
    """The parts, if they differ in their place on one axis, and overlap there."""
    indices = [dict(part.params)["index"] for part in parts]
    if any(type(i) is not tuple or i[2] != 1 for index in indices for i in index):
        return None
    axes = [axis for axis, places in enumerate(zip(*indices, strict=True)) if len(set(places)) > 1]
    if len(axes) != 1:
        return None
    places = sorted([index[axes[0]] for index in indices])
    overlap = any(start + n > following for (start, n, _), (following, *_) in pairwise(places))
    return _Sum(parts, axes[0], shape[axes[0]]) if overlap else None


def _is_total(equation: Equation) -> bool:
    """Whether an equation is the sum of an array over all axes."""
    return equation.primitive is ops.sum and equation.out.aval.size == 1


def _is_cheap(arrays: Iterable[Atom], made: Mapping[Any, Equation]) -> bool:
    """Whether a few cheap operations make those arrays of others that lie in memory."""
    seen: set[Atom] = set()
    read: set[Atom] = set()
    pending = list(arrays)
    while pending and len(seen) <= MOST_REPEATED:
        x = pending.pop()
        if type(x) is Literal or x.aval.size == 1 or x in seen:
            continue
        if x in made and (made[x].primitive in CHEAP or _is_box(made[x])):
            seen.add(x)
            pending += made[x].inputs
            continue
        while x in made and made[x].primitive in _VIEWS:
            (x,) = made[x].inputs
        if x in made and (made[x].primitive.elementwise or made[x].primitive is ops.unslice):
            return False
        read.add(x)
    return len(seen) <= MOST_REPEATED and len(read) <= MOST_READ


def _is_box(equation: Equation) -> bool:
    """Whether an equation is a slice that keeps all axes."""
    return equation.primitive is ops.slice_ and len(equation.inputs[0].aval.shape) == len(equation.out.aval.shape)


# ---- slices ----


class _Slices(Rewriter):
    """Stretches of sums, made of slices of what the sums are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[Atom, Index], Atom] = {}

    def joined(self, found: _Sum, aval: Aval) -> Atom:
        """The sum, put together of its stretches."""
        box = dict(found.parts[0].params)["index"]
        stretches = [self.stretch(found, cut, cut.of(box), aval) for cut in found.stretches()]
        whole = self.equation(ops.concatenate, *stretches, axis=found.axis)
        if whole.aval == aval:
            return whole
        return self.equation(ops.unslice, whole, index=_Cut(found.axis, 0, found.length).of(box), shape=aval.shape)

    def stretch(self, found: _Sum, cut: _Cut, box: Index, aval: Aval) -> Atom:
        """The sum of the parts that lie in a stretch, and of the zeros of those that do not."""
        parts = found.inside(cut)
        terms = []
        for part in parts:
            x = part.inputs[0]
            terms.append(self.sliced(x, cut.relative(found.place(part)[0]).of(_all(x.aval.shape))))
        zero = Literal.of(0, aval.dtype)
        if not terms:
            return self.equation(ops.expand, zero, shape=tuple([n for _, n, _ in box]))
        return self.added(terms if len(parts) == len(found.parts) else [*terms, zero])

    def total(self, equation: Equation, cut: _Cut) -> Atom:
        """The sum of an array as the sum of those of its pieces: what is cut out, and what is left on both sides."""
        (x,) = equation.inputs
        edges = [0, cut.start, cut.stop, x.aval.shape[cut.axis]]
        whole = _all(x.aval.shape)
        pieces = [_Cut(cut.axis, *pair).of(whole) for pair in pairwise(edges) if pair[0] < pair[1]]
        return self.added([self.equation(ops.sum, self.sliced(x, i), **dict(equation.params)) for i in pieces])

    def added(self, terms: Iterable[Atom]) -> Atom:
        return reduce(lambda x, y: self.equation(ops.add, x, y), terms)

    def sliced(self, x: Atom, index: Index) -> Atom:
        """`x[index]`, of slices of what `x` is made of where that is cheap."""
        if type(x) is Literal or index == _all(x.aval.shape):
            return x
        if (x, index) not in self.known:
            self.known[x, index] = self.slice_of(x, index)
        return self.known[x, index]

    def slice_of(self, x: Any, index: Index) -> Atom:
        equation = self.made.get(x)
        if equation is not None and equation.primitive in CHEAP:
            inputs = [self.sliced(y, _aligned(index, y.aval.shape)) for y in equation.inputs]
            return self.equation(equation.primitive, *inputs, **dict(equation.params))
        if equation is not None and _is_box(equation):
            outer = dict(equation.params)["index"]
            composed = [(i[0] + j[0] * i[2], j[1], i[2] * j[2]) for i, j in zip(outer, index, strict=True)]
            return self.sliced(equation.inputs[0], tuple(composed))
        return self.equation(ops.slice_, x, index=index)


def _all(shape: Shape) -> Index:
    return tuple([(0, n, 1) for n in shape])


def _aligned(index: Index, shape: Shape) -> Index:
    """The index of the same elements in an array of that shape, which is broadcast."""
    own = index[len(index) - len(shape) :]
    return tuple([(0, 1, 1) if n == 1 else i for i, n in zip(own, shape, strict=True)])
