"""Random numbers of what is run again: the second run draws those of the first."""

from __future__ import annotations

from typing import Any

from .tape import STATE


class Drawn:
    """A block that draws the same random numbers each time that it is entered.

    The first time it notes the states that generators had before; later it begins with these, and puts back those that
    they have by then.
    """

    def __init__(self) -> None:
        self.states: dict[Any, Any] | None = None

    def __enter__(self) -> None:
        self.outer, self.later = STATE.drawn, None
        if self.states is None:
            self.states = {}
            STATE.drawn = (*self.outer, self.states)
            return
        STATE.drawn = ()
        self.later = {x: x.data.copy() for x in self.states}
        _set(self.states)

    def __exit__(self, *error: object) -> None:
        STATE.drawn = self.outer
        if self.later is not None:
            _set(self.later)


def _set(states: dict[Any, Any]) -> None:
    for x, state in states.items():
        x.data[...] = state


def note(x: Any) -> None:
    """Notes the state of a generator that is about to draw."""
    for states in STATE.drawn:
        if x not in states:
            states[x] = x.data.copy()
