"""Large arrays in the place of one that their nest reads for the last time, at the same elements as it writes.

A loop that adds to a large array at each step then stays in one, which the cache can hold, where otherwise it would go
back and forth between two.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from autograd.lengths import is_long

from .program import Blocks, Buffer, Nest, Program, Step, Store, View, touched, views
from .renamed import Places, in_places, renamed, stored

# Smaller arrays fit into the cache as they are.
LEAST = 1024


class _Use(NamedTuple):
    """The only view of an array in a nest, and the first entry that uses it."""

    view: View
    entry: int


def in_place(program: Program) -> Program:
    """The program with large arrays in the place of others that end where they begin."""
    if not stored(program, LEAST):
        return program
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for i, step in enumerate(program.steps):
        for view in views(step):
            first.setdefault(view.buffer.number, i)
            last[view.buffer.number] = i
    kept = {x.place.buffer.number for x in (*program.guards, *program.outputs) if isinstance(x.place, View)}
    places: Places = {}
    for i, step in enumerate(program.steps):
        if not isinstance(step, Nest):
            continue
        reads, stores = _uses(step)
        ending = [x for n, x in reads.items() if last[n] == i and n not in kept and x.view.buffer.kind == "work"]
        # The cache holds what was written last.
        ending.sort(key=lambda use: -first[use.view.buffer.number])
        for number, store in stores.items():
            if first[number] != i or number in kept or store.view.buffer.kind != "work":
                continue
            read = next((use for use in ending if _can_take(store, use)), None)
            if read is not None:
                ending.remove(read)
                places[number] = places.get(read.view.buffer.number, read.view.buffer)
    return in_places(program, places)


def carried_in_place(program: Program, read: int, written: int) -> Program | None:
    """The program of a step that writes a large output where an input lies, `None` where it cannot.

    **Arguments:** `read` and `written`, the positions of the input and of the output.
    """
    readers, writers = _users(program, "input", read), _users(program, "output", written)
    if not writers or any(i > writers[0] for i in readers):
        return None
    if writers[0] not in readers:
        # Whoever reads it is done with it.
        return program
    changed = _in_one(program.steps[writers[0]], read, written)
    return None if changed is None else program._replace(steps=_with(program.steps, writers[0], changed))


def _in_one(step: Step, read: int, written: int) -> Step | None:
    """A step that reads and writes what `carried_in_place` says, in one place, `None` where it cannot."""
    if isinstance(step, Blocks):
        numbers = [*_users(step, "input", read), *_users(step, "output", written)]
        changed = _in_one(step.steps[numbers[0]], read, written) if len(set(numbers)) == 1 else None
        return None if changed is None else step._replace(steps=_with(step.steps, numbers[0], changed))
    if not isinstance(step, Nest):
        return None
    reads, stores = _uses(step)
    read_, store = _of(reads, "input", read), _of(stores, "output", written)
    if read_ is None or store is None or not _can_take(store, read_):
        return None
    return renamed(step, {store.view.buffer.number: read_.view.buffer})


def _with(steps: tuple[Any, ...], i: int, step: Step) -> tuple[Any, ...]:
    return (*steps[:i], step, *steps[i + 1 :])


def _users(within: Program | Blocks, kind: str, position: int) -> list[int]:
    """The numbers of the steps that use an input or an output."""
    wanted = (kind, position)
    return [
        i for i, step in enumerate(within.steps)
        if any((view.buffer.kind, view.buffer.position) == wanted for view in views(step))
    ]  # fmt: skip


def _of(uses: dict[int, _Use], kind: str, position: int) -> _Use | None:
    found = [use for use in uses.values() if (use.view.buffer.kind, use.view.buffer.position) == (kind, position)]
    return found[0] if found else None


def _uses(nest: Nest) -> tuple[dict[int, _Use], dict[int, _Use]]:
    """The large arrays that a nest only reads, and those that it only stores, each by one view."""
    reads: defaultdict[int, list[_Use]] = defaultdict(list)
    stores: defaultdict[int, list[_Use]] = defaultdict(list)
    atoms: defaultdict[int, set[int]] = defaultdict(set)
    others: set[int] = set()
    for i, entry in enumerate(nest.entries):
        for x in entry.operands:
            if isinstance(x.place, View):
                reads[x.place.buffer.number].append(_Use(x.place, i))
                atoms[x.place.buffer.number].add(id(x.atom))
        for view in touched(entry):
            if isinstance(entry, Store):
                stores[view.buffer.number].append(_Use(view, i))
            else:
                others.add(view.buffer.number)
    # What goes by two names would be loaded twice, and the second time perhaps after the store.
    read = {n: uses[0] for n, uses in reads.items() if len({use.view for use in uses}) == 1 == len(atoms[n])}
    written = {n: uses[0] for n, uses in stores.items() if len(uses) == 1}
    return (
        {n: use for n, use in read.items() if n not in stores and n not in others and _is_large(use.view.buffer)},
        {n: use for n, use in written.items() if n not in reads and n not in others and _is_large(use.view.buffer)},
    )


def _is_large(buffer: Buffer) -> bool:
    return is_long(buffer.size, LEAST)


def _can_take(store: _Use, read: _Use) -> bool:
    """Whether an array can be stored where the other one is read: each element after it was read."""
    x, y = store.view, read.view
    same = (x.offset, x.strides) == (y.offset, y.strides)
    return same and (x.buffer.size, x.buffer.dtype) == (y.buffer.size, y.buffer.dtype) and read.entry <= store.entry
