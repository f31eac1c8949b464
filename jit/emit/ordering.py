"""Sorting and searching, in the order that NumPy gives to numbers: NaN comes last, and equal elements stay in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from ..program import Buffer, Call
from .loops import loop, offset
from .over import over, pointer
from .types import INDEX, POINTER, cast, element, index, load, store

Base = Callable[[Buffer], ir.Value]
DType = np.dtype[Any]
_POSITION = np.dtype(np.int64)


def argsort(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits the order of the elements along an axis; the operands after the first are room for twice the line."""
    axis = dict(call.equation.params)["axis"]
    x, keys, order = call.operands
    out, dtype = call.target, x.buffer.dtype
    shape = call.equation.out.aval.shape
    n = shape[axis]
    rooms = [(base(view.buffer), view.buffer.dtype) for view in (keys, order)]

    def line(outer: list[ir.Value]) -> None:
        def at(k: ir.Value) -> list[ir.Value]:
            return [*outer[:axis], k, *outer[axis:]]

        def begin(k: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            values = (load(builder, pointer(builder, base, x, at(k)), dtype), k)
            for value, (room, kind) in zip(values, rooms, strict=True):
                store(builder, value, element(builder, room, k, kind), kind)
            return []

        loop(builder, n, [], begin)
        found = builder.call(_sort(builder.module, dtype), [rooms[0][0], rooms[1][0], index(n)])

        def end(k: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            position = load(builder, element(builder, rooms[1][0], builder.add(found, k), _POSITION), _POSITION)
            store(builder, position, pointer(builder, base, out, at(k)), _POSITION)
            return []

        loop(builder, n, [], end)

    over(builder, shape[:axis] + shape[axis + 1 :], line)


def _sort(module: ir.Module, dtype: DType) -> ir.Function:
    """The function that sorts `n` keys and their positions, one for each dtype in a module.

    It merges stretches of 1, 2, 4, ... from one half of the room into the other and back, and returns where the
    last one begins.
    """
    name = f"argsort_{dtype.name}"
    known = module.globals.get(name)
    if known is not None:
        return known
    function = ir.Function(module, ir.FunctionType(INDEX, [POINTER, POINTER, INDEX]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    for argument in function.args[:2]:
        argument.add_attribute("noalias")
    b = ir.IRBuilder(function.append_basic_block("entry"))
    n = function.args[2]
    before, start, body, end = b.block, *[b.append_basic_block(x) for x in ("start", "body", "end")]
    b.branch(start)
    b.position_at_end(start)
    width, source = b.phi(INDEX), b.phi(INDEX)
    width.add_incoming(index(1), before)
    source.add_incoming(index(0), before)
    b.cbranch(b.icmp_signed("<", width, n), body, end)
    b.position_at_end(body)
    target = b.sub(n, source)
    twice = b.shl(width, index(1))
    count = b.udiv(b.add(n, b.sub(twice, index(1))), twice)

    def merge(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        low = b.mul(i, twice)
        _merge(b, dtype, function.args, (low, _least(b, b.add(low, width), n), _least(b, b.add(low, twice), n)),
               source, target)  # fmt: skip
        return []

    loop(b, count, [], merge)
    width.add_incoming(twice, b.block)
    source.add_incoming(target, b.block)
    b.branch(start)
    b.position_at_end(end)
    b.ret(source)
    return function


def _least(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.select(b.icmp_signed("<", x, y), x, y)


def _merge(
    b: ir.IRBuilder, dtype: DType, arguments: Any, bounds: tuple[ir.Value, ...], source: ir.Value, target: ir.Value
) -> None:
    """Merges the sorted stretches `low:middle` and `middle:high`, without a branch for the choice."""
    keys, order, n = arguments
    low, middle, high = bounds
    last = b.sub(n, index(1))

    def key(i: ir.Value) -> ir.Value:
        return load(b, element(b, keys, b.add(source, _least(b, i, last)), dtype), dtype)

    def step(k: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
        left, right = carried
        x, y = key(left), key(right)
        kept = b.or_(b.icmp_signed(">=", right, high), b.not_(precedes(b, dtype, y, x)))
        from_left = b.and_(b.icmp_signed("<", left, middle), kept)
        chosen = b.select(from_left, left, right)
        place = b.add(target, b.add(low, k))
        store(b, b.select(from_left, x, y), element(b, keys, place, dtype), dtype)
        position = load(b, element(b, order, b.add(source, chosen), _POSITION), _POSITION)
        store(b, position, element(b, order, place, _POSITION), _POSITION)
        taken = b.zext(from_left, INDEX)
        return [b.add(left, taken), b.add(right, b.sub(index(1), taken))]

    loop(b, b.sub(high, low), [low, middle], step)


def precedes(b: ir.IRBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """Whether `x` comes before `y`: it is less, or `y` alone is NaN."""
    if dtype.kind == "f":
        y_only = b.and_(b.fcmp_unordered("uno", y, y), b.fcmp_ordered("ord", x, x))
        return b.or_(b.fcmp_ordered("<", x, y), y_only)
    return b.icmp_signed("<", x, y) if dtype.kind == "i" else b.icmp_unsigned("<", x, y)


def searchsorted(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits for each number the position in an ascending vector before which it belongs, by bisection."""
    right = dict(call.equation.params)["right"]
    x, y = call.operands
    (n,), shape = [operand.aval.shape for operand in call.equation.inputs]
    dtype = np.result_type(x.buffer.dtype, y.buffer.dtype)
    start = base(x.buffer)

    def each(position: list[ir.Value]) -> None:
        wanted = cast(
            builder, load(builder, pointer(builder, base, y, position), y.buffer.dtype), y.buffer.dtype, dtype
        )

        def halve(_: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            low, high = carried
            middle = builder.lshr(builder.add(low, high), index(1))
            # Once nothing is left the middle may lie past the end.
            where = offset(builder, x.offset, x.strides, [_least(builder, middle, index(n - 1))])
            found = load(builder, element(builder, start, where, x.buffer.dtype), x.buffer.dtype)
            found = cast(builder, found, x.buffer.dtype, dtype)
            if right:
                before = builder.not_(precedes(builder, dtype, wanted, found))
            else:
                before = precedes(builder, dtype, found, wanted)
            before = builder.and_(before, builder.icmp_signed("<", low, high))
            return [
                builder.select(before, builder.add(middle, index(1)), low),
                builder.select(before, high, middle),
            ]

        found, _ = loop(builder, n.bit_length(), [index(0), index(n)], halve)
        store(builder, found, pointer(builder, base, call.target, position), _POSITION)

    over(builder, shape, each)
