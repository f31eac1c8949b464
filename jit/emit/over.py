"""Loops over all positions of a shape, and the addresses of elements there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ..lowering.program import Buffer, View
from .loops import loop, offset
from .types import element

Base = Callable[[Buffer], ir.Value]


def over(builder: ir.IRBuilder, shape: Any, body: Callable[[list[ir.Value]], None]) -> None:
    """Loops over all positions of a shape."""

    def each(position: list[ir.Value]) -> None:
        if len(position) == len(shape):
            body(position)
            return

        def inner(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            each([*position, i])
            return []

        loop(builder, shape[len(position)], [], inner)

    each([])


def pointer(builder: ir.IRBuilder, base: Base, view: View, position: list[ir.Value]) -> ir.Value:
    """The address of an element of a view."""
    where = offset(builder, view.offset, view.strides, position)
    return element(builder, base(view.buffer), where, view.buffer.dtype)
