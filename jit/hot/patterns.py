"""Which lengths of the tapes of one structure are open: what differs among those that were seen.

    x of (7, 3), reshape to (21,)        a sample
    x of (9, 3), reshape to (27,)        another one
    x of (s0, 3), reshape to (3*s0,)     their pattern

A length that was the same each time is a number. Of those that were not, the lengths of axes are sizes, but for those
that follow from smaller ones; integers and parameters of operations have to follow from sizes. What follows is guessed
from the samples, so a compiled sweep looks at all of it, for each tape anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement
from math import prod
from typing import Any, NamedTuple

from autograd.lengths import LEAST, Length, Lengths, closed
from autograd.tape import Node
from autograd.tensor import open_number

from ..dispatch.opening import NotOpen
from .fingerprint import SIZED, Seeds, may_be_length

#: Where a shape, an index or an integer stands: the name of a node, with the number of one of its inputs or the name of
#: one of its parameters; or the number of a cotangent that is given.
Place = tuple[str, int | str]
#: What stands at each place of one tape.
Sample = Mapping[Place, Any]
#: The lengths that one integer had in each sample.
Row = tuple[int, ...]
_Form = Callable[[Any], Any]
# The factors and divisors by which one length may follow from another.
_FACTORS = (2, 3, 4)
# And how many sizes may be multiplied, as the number of elements of an array is.
_MOST_MULTIPLIED = 4


def sample_of(seeds: Seeds, names: Mapping[Any, str]) -> Sample:
    """The lengths of a tape.

    **Arguments:** `seeds`, pairs of a root and its cotangent; `names`, those of its nodes and leaves.

    **Errors:** `NotOpen` for a tape of which a part was swept before.
    """
    found: dict[Place, Any] = {("g", i): x.shape for i, (_, x) in enumerate(seeds)}
    for node, name in names.items():
        if type(node) is not Node:
            continue
        if node.inputs is None:
            raise NotOpen("a part of the tape was swept before")
        if node.primitive in SIZED:
            found.update({(name, key): value for key, value in node.params.items()})
        for i, (parent, x) in enumerate(zip(node.parents, node.inputs, strict=True)):
            if type(parent) is Node and parent in names:
                continue
            if may_be_length(node.primitive, x):
                found[name, i] = x
            elif not isinstance(x, float | int | complex):
                found[name, i] = x.shape
    return found


class Pattern(NamedTuple):
    """The lengths of all tapes that one sweep serves.

    `lengths` are its sizes; `at` has for each place what stands there, with open lengths in it; `axes` say for each
    size, by its name, of which place and axis it is the length.
    """

    lengths: Lengths
    at: Mapping[Place, Any]
    axes: Mapping[str, tuple[Place, int]]

    @property
    def tells_apart(self) -> bool:
        """Whether no two sizes are equal where it is recorded, so that no decision takes one for the other."""
        values = self.lengths.values.values()
        return len(set(values)) == len(values)

    def sizes(self, sample: Sample) -> Mapping[str, int] | None:
        """The sizes at which the lengths of a tape are those of the pattern; `None` where there are none."""
        if sample.keys() != self.at.keys():
            return None
        sizes = {name: sample[place][axis] for name, (place, axis) in self.axes.items()}
        return sizes if all(closed(x, sizes) == sample[place] for place, x in self.at.items()) else None


def pattern_of(samples: Sequence[Sample]) -> Pattern:
    """The pattern of some tapes, recorded at the last of them.

    **Errors:** `NotOpen` where an integer differs that does not follow from the lengths of axes.
    """
    last = samples[-1]
    if any(x.keys() != last.keys() for x in samples):
        raise NotOpen("the tapes of its structure have other lengths to tell apart")
    rows = {place: _rows([x[place] for x in samples]) for place in last}
    sizes = Lengths({}, open_number)
    known: dict[Row, Any] = {}
    axes: dict[str, tuple[Place, int]] = {}
    # The smallest first, since larger ones are rather made of smaller ones.
    for row, place, axis in sorted(_axes(rows), key=lambda x: x[0][-1]):
        if row in known:
            continue
        known[row] = _following(row, sizes, axes, samples)
        if known[row] is None:
            name = f"s{len(axes)}"
            sizes.values[name], axes[name] = row[-1], (place, axis)
            known[row] = sizes.size(name)

    def opened(x: Any) -> Any:
        if isinstance(x, list):
            return tuple(map(opened, x))
        if len(set(x)) == 1:
            return x[-1]
        if x not in known:
            known[x] = None if min(x) < LEAST else _following(x, sizes, axes, samples)
        if known[x] is None:
            raise NotOpen(f"an integer of it was {x[0]} and then {x[-1]}, which no length of an array gives")
        return known[x]

    return Pattern(sizes, {place: opened(x) for place, x in rows.items()}, axes)


def _rows(values: Sequence[Any]) -> Any:
    """One row for each integer of several shapes or indices."""
    if type(values[0]) is not tuple:
        return tuple(values)
    if any(len(x) != len(values[0]) for x in values):
        raise NotOpen("an index of it has another form than before")
    return [_rows(x) for x in zip(*values, strict=True)]


def _axes(rows: Mapping[Place, Any]) -> Iterator[tuple[Row, Place, int]]:
    """The lengths of axes that differ, and where they stand."""
    for place, shape in rows.items():
        if isinstance(shape, list) and isinstance(place[1], int):
            for axis, row in enumerate(shape):
                if len(set(row)) > 1:
                    yield row, place, axis


def _following(row: Row, sizes: Lengths, axes: Mapping[str, Any], samples: Sequence[Sample]) -> Length | None:
    """The length that was these numbers, made of the sizes; `None` where none of the simple ones was."""
    known = [(sizes.size(name), tuple([x[place][axis] for x in samples])) for name, (place, axis) in axes.items()]
    for forms in (_sums, _multiples, _quotients):
        for size, numbers in known:
            for form in forms(row, numbers):
                if all(form(n) == m for n, m in zip(numbers, row, strict=True)):
                    found: Length = form(size)
                    return found
    for count in range(2, _MOST_MULTIPLIED + 1):
        for some in combinations_with_replacement(known, count):
            products = list(map(prod, zip(*[numbers for _, numbers in some], strict=True)))
            factor = row[0] // products[0]
            if factor and all(factor * n == m for n, m in zip(products, row, strict=True)):
                made: Any = prod([size for size, _ in some]) * factor
                return made
    return None


def _sums(row: Row, numbers: Row) -> Iterator[_Form]:
    yield partial(_linear, 1, row[0] - numbers[0], 1)


def _multiples(row: Row, numbers: Row) -> Iterator[_Form]:
    yield partial(_linear, row[0] // numbers[0], 0, 1)
    for k in _FACTORS:
        if abs(row[0] - k * numbers[0]) < k:
            yield partial(_linear, k, row[0] - k * numbers[0], 1)


def _quotients(row: Row, numbers: Row) -> Iterator[_Form]:
    for k in _FACTORS:
        for c in range(2 * k):
            yield partial(_linear, 1, c, k)


def _linear(factor: int, more: int, divisor: int, n: Any) -> Any:
    return (n * factor + more) // divisor
