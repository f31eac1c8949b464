"""Counted loops with values carried from one iteration to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from .types import INDEX, index

Body = Callable[[ir.Value, list[ir.Value]], list[ir.Value]]
Note = tuple[Any, ...]


#: What LLVM is told of a loop: not to unroll it, to take its iterations one by one, or two vectors of them at a time.
NOT_UNROLLED: Note = ("llvm.loop.unroll.disable",)
NOT_VECTORISED: Note = ("llvm.loop.vectorize.width", 1)
INTERLEAVED: Note = ("llvm.loop.interleave.count", 2)


def loop(
    builder: ir.IRBuilder, n: int | ir.Value, carried: Sequence[ir.Value], body: Body, note: Note | None = None
) -> list[ir.Value]:
    """Emits `for i in range(n): carried = body(i, carried)`, and returns the last `carried`.

    The test stands at the end, as LLVM's vectoriser wants it; a loop of one iteration is its body. The `note` is for
    LLVM.
    """
    if isinstance(n, ir.Value):
        return _guarded(builder, n, carried, body, note)
    if n == 0:
        return list(carried)
    if n == 1:
        return body(index(0), list(carried))
    return _loop(builder, index(n), carried, body, note)


def _guarded(
    builder: ir.IRBuilder, n: ir.Value, carried: Sequence[ir.Value], body: Body, note: Note | None
) -> list[ir.Value]:
    """A loop that may have no iteration."""
    before = builder.block
    start, end = builder.append_basic_block("some"), builder.append_basic_block("all")
    builder.cbranch(builder.icmp_signed(">", n, index(0)), start, end)
    builder.position_at_end(start)
    results = _loop(builder, n, carried, body, note)
    last = builder.block
    builder.branch(end)
    builder.position_at_end(end)
    phis = [builder.phi(x.type) for x in carried]
    for phi, x, result in zip(phis, carried, results, strict=True):
        phi.add_incoming(x, before)
        phi.add_incoming(result, last)
    return list(phis)


def _loop(
    builder: ir.IRBuilder, n: ir.Value, carried: Sequence[ir.Value], body: Body, note: Note | None
) -> list[ir.Value]:
    before = builder.block
    start = builder.append_basic_block("loop")
    builder.branch(start)
    builder.position_at_end(start)
    i = builder.phi(INDEX)
    phis = [builder.phi(x.type) for x in carried]
    i.add_incoming(index(0), before)
    for phi, x in zip(phis, carried, strict=True):
        phi.add_incoming(x, before)
    results = body(i, list(phis))
    following = builder.add(i, index(1), flags=("nuw", "nsw"))
    last = builder.block
    i.add_incoming(following, last)
    for phi, x in zip(phis, results, strict=True):
        phi.add_incoming(x, last)
    end = builder.append_basic_block("end")
    again = builder.cbranch(builder.icmp_unsigned("<", following, n), start, end)
    if note is not None:
        again.set_metadata("llvm.loop", _noted(builder.module, note))
    builder.position_at_end(end)
    return list(results)


def while_loop(
    builder: ir.IRBuilder,
    carried: Sequence[ir.Value],
    goes_on: Callable[[ir.Value, list[ir.Value]], ir.Value],
    body: Body,
) -> tuple[ir.Value, list[ir.Value]]:
    """Emits `while goes_on(i, carried): carried = body(i, carried); i = i + 1`.

    **Returns:** how many iterations there were, and the last `carried`.
    """
    before = builder.block
    start, inside = builder.append_basic_block("while"), builder.append_basic_block("body")
    end = builder.append_basic_block("end")
    builder.branch(start)
    builder.position_at_end(start)
    i = builder.phi(INDEX)
    phis = [builder.phi(x.type) for x in carried]
    again = goes_on(i, list(phis))
    builder.cbranch(again, inside, end)
    builder.position_at_end(inside)
    results = body(i, list(phis))
    following, last = builder.add(i, index(1), flags=("nuw", "nsw")), builder.block
    builder.branch(start)
    for phi, first, result in zip([i, *phis], [index(0), *carried], [following, *results], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(result, last)
    builder.position_at_end(end)
    return i, list(phis)


def _noted(module: ir.Module, note: Note) -> ir.MDValue:
    """What tells LLVM something of one loop: a node that names itself, so that no two loops share it."""
    name, *numbers = note
    said = module.add_metadata([
        ir.MetaDataString(module, name), *[ir.Constant(ir.IntType(32), number) for number in numbers],
    ])  # fmt: skip
    node = ir.MDValue(module, (), str(len(module.metadata)))
    node.operands = (node, said)
    return node


def offset(builder: ir.IRBuilder, start: int, strides: Sequence[int], position: Sequence[ir.Value]) -> ir.Value:
    """The linear offset `start + sum(strides * position)`."""
    total: ir.Value = index(start)
    for stride, i in zip(strides, position, strict=True):
        if stride:
            step = i if stride == 1 else builder.mul(i, index(stride), flags=("nsw",))
            total = builder.add(total, step, flags=("nsw",)) if not _is_zero(total) else step
    return total


def _is_zero(x: ir.Value) -> bool:
    return isinstance(x, ir.Constant) and x.constant == 0
