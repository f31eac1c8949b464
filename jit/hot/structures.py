"""The structures of tapes that were seen, and the one that a tape has.

Tapes of one structure may have arrays of other lengths. Those that were seen to change are open in its compiled sweep.
Where conditions on them do not hold, there is another structure by its side; where they cannot be open, one for each
tuple of lengths.
"""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock
from typing import Any

from ..dispatch.opening import NotOpen
from .fingerprint import Fingerprint, Seeds
from .patterns import Pattern, Sample, pattern_of, sample_of
from .recorded_sweep import Unfit, names_of
from .sweeps import Sweep

#: How many structures are remembered, and how many of them with a compiled sweep.
BOUND, BOUND_COMPILED = 1024, 256
# How many samples may show which lengths are open, and how many structures may stand side by side.
_MOST_SAMPLES, _MOST_ASIDE = 6, 6


class Structure:
    """A structure of tapes: how many there were, how its sweep is done, and which one followed it last.

    `lengths` is the number of those that the last tape had, and `samples` have all that show which ones are open;
    `pattern` says how, if some are; `refused` says why they cannot be.
    """

    __slots__ = (
        "asked", "following", "lengths", "misses", "pattern", "refused", "samples", "seen", "shares", "sweep", "unfit",
        "used",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seen = self.misses = self.used = 0
        self.sweep: Sweep | None = None
        self.asked = self.shares = self.unfit = False
        self.following: Structure | None = None
        self.lengths: int | None = None
        self.samples: tuple[Sample, ...] = ()
        self.pattern: Pattern | None = None
        self.refused = ""

    def forget_sweep(self) -> None:
        """Has it compiled once more; where its sweep is still expected, it misses."""
        self.sweep, self.shares, self.misses = None, False, 0

    def refuse(self, why: str) -> None:
        """From now on each tuple of lengths is a structure of its own."""
        self.refused, self.samples, self.pattern = why, (), None
        self.forget_sweep()

    def add(self, sample: Sample) -> None:
        """Learns from a tape whose lengths do not fit the ones before.

        **Errors:** `NotOpen` where nothing follows from that.
        """
        if len(self.samples) == _MOST_SAMPLES:
            raise NotOpen(f"its lengths differed in another way {_MOST_SAMPLES} times")
        self.samples = (*self.samples, sample)
        found = pattern_of(self.samples)
        self.pattern = found if found.axes else None
        self.forget_sweep()


class Structures:
    """The structures by their numbers, those that were looked at last in the end."""

    def __init__(self) -> None:
        self.known: dict[int, Structure] = {}
        self.lock = Lock()

    def of(self, print_: Fingerprint, seeds: Seeds, wanted: Collection[Any] | None) -> tuple[Structure, bool]:
        """The structure of a tape, and whether it is new.

        **Arguments:** `print_`, the fingerprint of the tape; `seeds` and `wanted`, as for a sweep.
        """
        number, sample = print_.number, None
        if number is None:
            return Structure(), True
        for _ in range(_MOST_ASIDE):
            structure, is_new = self._find(number)
            if structure.refused:
                break
            if structure.unfit or structure.lengths == print_.lengths:
                return structure, is_new
            try:
                sample = sample or sample_of(seeds, names_of(seeds))
                answers = _learnt(structure, sample)
            except NotOpen as error:
                structure.refuse(str(error))
                break
            except Unfit:
                structure.unfit = True
                return structure, is_new
            if answers is None:
                structure.lengths = print_.lengths
                return structure, is_new
            number = hash((number, answers))
        return self._find(hash((number, print_.lengths)))

    def _find(self, number: int) -> tuple[Structure, bool]:
        """The structure of that number, now the last to be forgotten, and whether it is new."""
        with self.lock:
            known = self.known.pop(number, None)
            structure = self.known[number] = Structure() if known is None else known
            while len(self.known) > BOUND:
                self._drop(next(iter(self.known)))
        return structure, known is None

    def forget_compiled(self, but: Structure) -> None:
        """Forgets what was not used for the longest time, where there are too many compiled ones beside that one."""
        with self.lock:
            compiled = [(x.used, number) for number, x in self.known.items() if x.sweep and x is not but]
            for _, number in sorted(compiled)[: 1 - BOUND_COMPILED]:
                self._drop(number)

    def _drop(self, number: int) -> None:
        structure = self.known.pop(number)
        # Where it is still expected, it misses.
        structure.sweep = structure.following = None


def _learnt(structure: Structure, sample: Sample) -> tuple[bool, ...] | None:
    """Has a structure learn from the lengths of a tape.

    It returns `None`, or, where the tape is one of a structure by the side, which conditions hold.
    """
    pattern = structure.pattern
    sizes = None if pattern is None else pattern.sizes(sample)
    if pattern is None or sizes is None:
        structure.add(sample)
        return None
    answers = pattern.lengths.answers_at(sizes)
    return None if all(answers) else answers
