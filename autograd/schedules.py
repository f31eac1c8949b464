"""Which states of a long loop are kept when there is no room for all of them, so that its reverse makes few again.

The last step is reversed first, and needs the state that it began with. From the last state that is kept the steps up
to it are done once more, and some states on the way are kept in the room that is left: those of the binomial schedule,
which does as few steps again as can be (Griewank and Walther, Revolve, ACM TOMS 26(1), 2000).
"""

from __future__ import annotations

from collections.abc import Iterator


def split(n: int, room: int) -> int:
    """After how many of `n` steps the next state is to be kept, if there is room for so many, with the first one.

    >>> split(10, 3), split(10, 2)
    (4, 6)
    """
    repeats, before, reached = 0, 0, 1
    while reached < n:
        repeats, before, reached = repeats + 1, reached, reached * (room + repeats + 1) // (repeats + 1)
    return max(1, min(before, n - before * room // (room + repeats - 1)))


def replayed(length: int, room: int) -> Iterator[tuple[str, int, int]]:
    """What a reverse over `length` steps does with room for so many states, of which one has the first.

    It may `restore` the state number `i` from a place, `advance` from state `i` to `j`, `keep` the state `i` in a
    place, and `reverse` the step that begins with state `i`.

    >>> list(replayed(3, 2))
    [('restore', 0, 0), ('advance', 0, 1), ('keep', 1, 1), ('advance', 1, 2), ('reverse', 2, 2), ('restore', 1, 1), \
('reverse', 1, 1), ('restore', 0, 0), ('reverse', 0, 0)]
    """
    kept = [0]
    for last in reversed(range(length)):
        here = kept[-1]
        yield "restore", here, len(kept) - 1
        while here < last:
            left = room - len(kept) + 1
            there = here + (split(last + 1 - here, left) if left > 1 else last - here)
            yield "advance", here, there
            here = there
            if here < last:
                yield "keep", here, len(kept)
                kept.append(here)
        yield "reverse", last, last
        if kept[-1] == last:
            kept.pop()


def steps_again(length: int, room: int) -> int:
    """How many steps the reverse does again."""
    return sum([j - i for action, i, j in replayed(length, room) if action == "advance"])
