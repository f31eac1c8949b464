"""Generators whose steps run within a block, and what runs between the steps without it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any


def stepped(
    steps: Generator[Any, Any, Any], block: Callable[[], AbstractContextManager[Any]]
) -> Generator[Any, Any, Any]:
    """The generator with each of its steps in a new block."""
    resume: Callable[[Any], Any] = steps.send
    given: Any = None
    while True:
        try:
            with block():
                out = resume(given)
        except StopIteration as end:
            return end.value
        try:
            resume, given = steps.send, (yield out)
        except GeneratorExit:
            with block():
                steps.close()
            raise
        except BaseException as error:
            resume, given = steps.throw, error
