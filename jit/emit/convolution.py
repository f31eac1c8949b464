"""The convolution of two vectors."""

from __future__ import annotations

from llvmlite import ir

from ..lowering.program import Call
from . import scalar
from .loops import loop
from .over import Base
from .types import apart, cast, constant, element, index, load, store


def convolve(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits the multiples of the longer vector, added up where each element of the shorter one stands."""
    lengths = [x.aval.shape[0] for x in call.equation.inputs]
    (n, longer), (m, shorter) = sorted(zip(lengths, call.operands, strict=True), key=lambda pair: -pair[0])
    views, dtype = (longer, shorter, call.target), call.target.buffer.dtype
    module = builder.module
    function = apart(module, module.get_unique_name("convolve"), 3)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    long, short, out = function.args

    def read(start: ir.Value, i: ir.Value, which: int) -> ir.Value:
        view = views[which]
        where = b.mul(i, index(view.strides[0]), flags=("nsw",))
        return cast(
            b, load(b, element(b, start, where, view.buffer.dtype), view.buffer.dtype), view.buffer.dtype, dtype
        )

    def clear(k: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        store(b, constant(0, dtype), element(b, out, k, dtype), dtype)
        return []

    def add(j: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        factor = read(short, j, 1)

        def term(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            place = element(b, out, b.add(i, j, flags=("nsw",)), dtype)
            product = scalar.mul(b, dtype, read(long, i, 0), factor)
            store(b, scalar.add(b, dtype, load(b, place, dtype), product), place, dtype)
            return []

        return loop(b, n, [], term)

    loop(b, n + m - 1, [], clear)
    loop(b, m, [], add)
    b.ret_void()
    starts = [element(builder, base(view.buffer), index(view.offset), view.buffer.dtype) for view in views]
    builder.call(function, starts)
