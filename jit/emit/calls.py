"""The steps that stand alone: one emitter for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from autograd import ops
from autograd.primitive import Primitive

from ..fourier import dft
from ..lowering.program import Call
from ..runtime.foreign import entry_of
from . import scalar
from .blas import Base, matmul
from .convolution import convolve
from .fourier import dft as transform
from .loops import loop
from .nest import OUT_OF_RANGE
from .ordering import argsort, searchsorted
from .over import over, pointer
from .types import INDEX, cast, constant, element, index, load, store


def cumsum(builder: ir.IRBuilder, call: Call, base: Base) -> None:
    """Emits the running sum along an axis, from its end where `reverse`."""
    params = dict(call.equation.params)
    axis, reverse = params["axis"], params["reverse"]
    x, out = call.operands[0], call.target
    source, dtype = x.buffer.dtype, out.buffer.dtype
    shape = call.equation.out.aval.shape
    n = shape[axis]

    def line(outer: list[ir.Value]) -> None:
        def step(i: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            k = builder.sub(index(n - 1), i) if reverse else i
            position = [*outer[:axis], k, *outer[axis:]]
            value = cast(builder, load(builder, pointer(builder, base, x, position), source), source, dtype)
            total = scalar.add(builder, dtype, carried[0], value)
            store(builder, total, pointer(builder, base, out, position), dtype)
            return [total]

        loop(builder, n, [constant(0, dtype)], step)

    over(builder, shape[:axis] + shape[axis + 1 :], line)


def _extremum_position(sign: str) -> Callable[..., None]:
    def emit(builder: ir.IRBuilder, call: Call, base: Base) -> None:
        """Emits the position of the first extremum along an axis; a NaN counts as one."""
        axis = dict(call.equation.params)["axis"]
        x, out = call.operands[0], call.target
        dtype = x.buffer.dtype
        shape = call.equation.inputs[0].aval.shape

        def line(outer: list[ir.Value]) -> None:
            def value(k: ir.Value) -> ir.Value:
                position = [*outer[:axis], k, *outer[axis:]]
                return load(builder, pointer(builder, base, x, position), dtype)

            def step(i: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
                best, where = carried
                y = value(i)
                better = _precedes(builder, sign, dtype, y, best)
                return [builder.select(better, y, best), builder.select(better, i, where)]

            _, found = loop(builder, shape[axis], [value(index(0)), index(0)], step)
            store(builder, found, pointer(builder, base, out, outer), np.dtype(np.int64))

        over(builder, shape[:axis] + shape[axis + 1 :], line)

    return emit


def _precedes(builder: ir.IRBuilder, sign: str, dtype: Any, y: ir.Value, best: ir.Value) -> ir.Value:
    if dtype.kind != "f":
        signed = builder.icmp_signed if dtype.kind == "i" else builder.icmp_unsigned
        return signed(sign, y, best)
    known = builder.fcmp_ordered("ord", best, best)
    return builder.and_(known, builder.fcmp_unordered(sign, y, best))


def foreign(builder: ir.IRBuilder, call: Call, base: Base, status: ir.Value) -> None:
    """Emits the call of a custom function by its address, unless something has gone wrong before."""
    given = []
    for view, x in zip((*call.operands, call.target), (*call.equation.inputs, call.equation.out), strict=True):
        given.append(element(builder, base(view.buffer), index(view.offset), view.buffer.dtype))
        given += [index(n) for n in x.aval.shape]
    kind = ir.FunctionType(INDEX, [x.type for x in given])
    function = builder.inttoptr(index(entry_of(call.equation).address), kind.as_pointer())
    fine = builder.icmp_unsigned("==", builder.load(status, typ=INDEX), index(0))
    with builder.if_then(fine, likely=True):
        failed = builder.icmp_unsigned("!=", builder.call(function, given), index(0))
        builder.store(builder.select(failed, index(OUT_OF_RANGE), index(0)), status)


CALLS: dict[Primitive, Callable[..., None]] = {
    ops.matmul: matmul,
    ops.cumsum: cumsum,
    ops.argmax: _extremum_position(">"),
    ops.argmin: _extremum_position("<"),
    ops.argsort: argsort,
    ops.searchsorted: searchsorted,
    ops.convolve: convolve,
    dft: transform,
}
