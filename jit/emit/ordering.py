"""Sorting and searching, in the order that NumPy gives to numbers: NaN comes last, and equal elements stay in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from ..lowering.program import Buffer, Call
from ..lowering.steps import key_dtype
from .loops import loop, offset
from .over import over, pointer
from .types import INDEX, POINTER, cast, constant, element, index, load, scalar_type, store

Base = Callable[[Buffer], ir.Value]
DType = np.dtype[Any]
_POSITION = np.dtype(np.int64)


def argsort(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits the order of the elements along an axis; the operands after the first are room for a line, twice."""
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
            values = (_ordinal(builder, dtype, load(builder, pointer(builder, base, x, at(k)), dtype)), k)
            for value, (room, kind) in zip(values, rooms, strict=True):
                store(builder, value, element(builder, room, k, kind), kind)
            return []

        loop(builder, n, [], begin)
        found = builder.call(_sort(builder.module, rooms[0][1]), [rooms[0][0], rooms[1][0], index(n)])

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
    run = _Run(b, dtype, function.args, source, b.sub(n, source))
    twice = b.shl(width, index(1))
    pairs = b.udiv(n, twice)

    def merge(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        run.merge_even(b.mul(i, twice), width)
        return []

    loop(b, pairs, [], merge)
    low = b.mul(pairs, twice)
    run.merge_rest(low, _least(b, b.add(low, width), n), n)
    width.add_incoming(twice, b.block)
    source.add_incoming(run.target, b.block)
    b.branch(start)
    b.position_at_end(end)
    b.ret(source)
    return function


def _least(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.select(b.icmp_signed("<", x, y), x, y)


class _Run:
    """One run over all elements, which merges neighbouring stretches; choices are no branches, being random."""

    def __init__(self, b: ir.IRBuilder, dtype: DType, arguments: Any, source: ir.Value, target: ir.Value) -> None:
        self.b, self.dtype, self.source, self.target = b, dtype, source, target
        self.keys, self.order, self.n = arguments

    def key(self, i: ir.Value) -> ir.Value:
        return load(self.b, element(self.b, self.keys, self.b.add(self.source, i), self.dtype), self.dtype)

    def less(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return (self.b.icmp_signed if self.dtype.kind == "i" else self.b.icmp_unsigned)("<", x, y)

    def put(self, place: ir.Value, key: ir.Value, chosen: ir.Value) -> None:
        b = self.b
        position = load(b, element(b, self.order, b.add(self.source, chosen), _POSITION), _POSITION)
        store(b, key, element(b, self.keys, b.add(self.target, place), self.dtype), self.dtype)
        store(b, position, element(b, self.order, b.add(self.target, place), _POSITION), _POSITION)

    def merge_even(self, low: ir.Value, width: ir.Value) -> None:
        """Merges two stretches of that width from both ends at once; neither is exhausted before they meet."""
        b, one = self.b, index(1)
        middle = b.add(low, width)
        last = b.sub(b.add(middle, width), one)

        def step(k: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            left, right, left_end, right_end = carried
            x, y = self.key(left), self.key(right)
            from_right = self.less(y, x)
            self.put(b.add(low, k), b.select(from_right, y, x), b.select(from_right, right, left))
            u, v = self.key(left_end), self.key(right_end)
            from_left = self.less(v, u)
            self.put(b.sub(last, k), b.select(from_left, u, v), b.select(from_left, left_end, right_end))
            taken, given = b.zext(from_right, INDEX), b.zext(from_left, INDEX)
            return [
                b.add(left, b.sub(one, taken)),
                b.add(right, taken),
                b.sub(left_end, given),
                b.sub(right_end, b.sub(one, given)),
            ]

        loop(b, width, [low, middle, b.sub(middle, one), last], step)

    def merge_rest(self, low: ir.Value, middle: ir.Value, high: ir.Value) -> None:
        """Merges two stretches of which the second may be shorter, or empty."""
        b, one = self.b, index(1)
        last = b.sub(self.n, one)

        def step(k: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            left, right = carried
            x, y = self.key(_least(b, left, last)), self.key(_least(b, right, last))
            kept = b.or_(b.icmp_signed(">=", right, high), b.not_(self.less(y, x)))
            from_left = b.and_(b.icmp_signed("<", left, middle), kept)
            self.put(b.add(low, k), b.select(from_left, x, y), b.select(from_left, left, right))
            taken = b.zext(from_left, INDEX)
            return [b.add(left, taken), b.add(right, b.sub(one, taken))]

        loop(b, b.sub(high, low), [low, middle], step)


def _ordinal(b: ir.IRBuilder, dtype: DType, x: ir.Value) -> ir.Value:
    """An integer in the order of the numbers: of a float the bits, those below a sign that is set turned over."""
    if dtype.kind != "f":
        return x
    kind = scalar_type(key_dtype(dtype))
    # -0.0 is 0.0, and every NaN the one above infinity.
    x = b.select(b.fcmp_ordered("==", x, constant(0, dtype)), constant(0, dtype), x)
    x = b.select(b.fcmp_unordered("uno", x, x), constant(np.nan, dtype), x)
    bits = b.bitcast(x, kind)
    below = b.lshr(b.ashr(bits, ir.Constant(kind, kind.width - 1)), ir.Constant(kind, 1))
    return b.xor(bits, below)


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
