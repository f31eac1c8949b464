"""A loop nest as one LLVM function: operands by pointers that do not alias, scalars by value.

define internal void @nest(ptr noalias %x, ptr noalias %out, double %c) {
  for i: for j: out[i, j] = f(x[i, j], c)
}
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir

from autograd import ops
from autograd.lengths import is_open

from ..graph import Atom, Equation, Var
from ..lowering.program import (
    Compute,
    Entry,
    Gather,
    Nest,
    Operand,
    Reduce,
    Scatter,
    Store,
    View,
    by_value,
    origin,
    touched,
)
from . import scalar
from .interface import Interface, interface
from .loops import INTERLEAVED, NOT_UNROLLED, NOT_VECTORISED, Note, loop, offset
from .types import INDEX, POINTER, cast, constant, element, index, load, scalar_type, store
from .vecmath import VECMATH

Address = Callable[[View], ir.Value]
_IDENTITIES: dict[Any, Any] = {ops.sum: 0, ops.prod: 1, ops.matmul: 0}
# A nest of few iterations is inlined, so that LLVM unrolls it in place.
_INLINED = 64
# A short loop of so many entries is not unrolled: that costs more than it gains, at compile time and at run time. But
# LLVM then takes no vectors where there are transcendental functions, which innermost loops of so many iterations need.
_SHORT, _MANY, _VECTORS = 2048, 64, 32
# LLVM would unroll innermost loops of so many iterations before it vectorises: what is left for it to vectorise then is
# the loop around them, whose steps through memory are long, or nothing. A loop that reduces pays more for what is left
# beside whole vectors.
_LEAST, _LEAST_REDUCED, _MOST = 8, 16, 64
# Elements so near to each other are taken from whole vectors.
_NEAR = 4
# Innermost loops of at most so many iterations are written out: the loop around them is what is vectorised.
_FEW = 4
# An iteration with so many transcendental functions is longer than what a processor looks ahead, and most of it waits
# for what comes before: two side by side take 0.72 to 0.9 of the time. Sines need all registers, and lose.
_LONG_CHAIN = 3
_SINES = frozenset({ops.sin, ops.cos, ops.tan})


def function(module: ir.Module, name: str, nest: Nest, status: bool, inline: bool, rows: bool = False) -> ir.Function:
    """Adds the function of a nest to a module; its parameters are those of `interface`, and the status.

    With `rows` it takes their number, and adds what it reduces over them to what is there.
    """
    needed = interface(nest)
    types = [POINTER] * len(needed.views)
    types += [scalar_type(x.aval.dtype) for x in needed.scalars]
    types += [POINTER] * (len(needed.results) + status) + [INDEX] * rows
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), types), name)
    made.linkage = "internal"
    made.attributes.add("alwaysinline" if inline and _is_at_most(nest, _INLINED) else "noinline")
    if _is_at_most(nest, _SHORT) and len(nest.entries) >= _MANY and max(nest.shape[-1:], default=0) < _VECTORS:
        made.attributes.add("optsize")
    for argument in made.args:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    arguments = made.args[:-1] if rows else made.args
    _Emitter(builder, nest, needed, arguments, status, made.args[-1] if rows else None).emit()
    builder.ret_void()
    return made


def _is_at_most(nest: Nest, iterations: int) -> bool:
    return not is_open(nest.shape) and prod(nest.shape) <= iterations


def scalars(
    builder: ir.IRBuilder,
    nest: Nest,
    values: dict[Atom, ir.Value],
    address: Address,
    status: ir.Value | None,
    keep: Callable[[Var], None] | None = None,
) -> None:
    """Emits the entries of a nest of shape () in place.

    **Arguments:** `values`, the scalars before and after it; `address`, which gives that of a view; `status`, where an
    index out of range is noted; `keep`, called with each new scalar.
    """
    emitter = _Emitter(builder, nest, Interface((), (), ()), [], False)
    emitter.scalars = emitter.values = values
    emitter.status = status
    for entry in nest.entries:
        for view in touched(entry):
            emitter.addresses[origin(view)] = address(view)
        emitter.entry(entry)
        if keep is not None and not isinstance(entry, Store | Scatter):
            keep(entry.equation.out)


class _Emitter:
    """The body of one nest: `values` holds what is computed at the current element."""

    def __init__(
        self, builder: Any, nest: Nest, needed: Interface, arguments: Any, status: bool, rows: ir.Value | None = None
    ) -> None:
        self.builder, self.nest, self.rows = builder, nest, rows
        n, m = len(needed.views), len(needed.scalars)
        self.addresses = dict(zip(map(origin, needed.views), arguments[:n], strict=True))
        self.scalars: dict[Atom, ir.Value] = dict(zip(needed.scalars, arguments[n : n + m], strict=True))
        self.results = dict(zip(needed.results, arguments[n + m :], strict=False))
        self.status = arguments[-1] if status else None
        self.values: dict[Atom, ir.Value] = {}
        self.loaded: dict[tuple[Var, View], ir.Value] = {}
        self.position: list[ir.Value] = []
        self.reductions = [x for x in nest.entries if isinstance(x, Reduce)]
        self.axes = merged_axes(nest)
        self.lengths: list[Any] = [prod([nest.shape[i] for i in axes]) for axes in self.axes]
        if rows is not None:
            self.lengths[0] = builder.mul(rows, index(self.lengths[0] // nest.shape[0]))
        # For each reduction, how many of the innermost loops it runs over in a register.
        self.depths = [self.register_depth(x) for x in self.reductions]

    def strides(self, view: View) -> list[int]:
        """The strides of a view over the merged axes: a group of axes steps as its last one does."""
        return [view.strides[axes[-1]] for axes in self.axes]

    def is_transposition(self) -> bool:
        """Whether the nest copies alone, and elements that lie apart, which vectors would be put together of."""
        if not all(isinstance(entry, Store) for entry in self.nest.entries):
            return False
        found = [x.place for entry in self.nest.entries for x in entry.operands if isinstance(x.place, View)]
        found += [view for entry in self.nest.entries for view in touched(entry)]
        return any(self.strides(view)[-1] > _NEAR for view in found if view.strides)

    def register_depth(self, reduction: Reduce) -> int:
        if reduction.target is None:
            return len(self.axes)
        depth = 0
        for stride in reversed(self.strides(reduction.target)):
            if stride:
                break
            depth += 1
        return depth

    def emit(self) -> None:
        for reduction, depth in zip(self.reductions, self.depths, strict=True):
            if self.in_memory(reduction, depth):
                self.prefill(reduction)
        self.nested(0, [None] * len(self.reductions))

    def in_memory(self, reduction: Reduce, depth: int) -> bool:
        """Whether partial results pass through memory, since an outer loop reduces as well."""
        if reduction.target is None:
            return False
        outer = self.strides(reduction.target)[: len(self.axes) - depth]
        return any(stride == 0 for stride in outer)

    def nested(self, d: int, accumulators: list[Any]) -> list[Any]:
        """Emits the loops from axis `d` inwards; the accumulators that are alive run through them."""
        if d == len(self.axes):
            return self.element(accumulators)
        started = [
            identity(self.reductions[r].equation) if len(self.axes) - self.depths[r] == d else x
            for r, x in enumerate(accumulators)
        ]
        alive = [r for r, x in enumerate(started) if x is not None]

        def body(i: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            self.position.append(i)
            inner: list[Any] = [None] * len(started)
            for r, x in zip(alive, carried, strict=True):
                inner[r] = x
            after = self.nested(d + 1, inner)
            self.position.pop()
            return [after[r] for r in alive]

        length, results = self.lengths[d], [started[r] for r in alive]
        if self.is_written_out(d):
            for i in range(length):
                results = body(index(i), results)
        else:
            results = loop(self.builder, length, results, body, self.note(d, bool(alive)))
        finished: list[Any] = [None] * len(started)
        for r, x in zip(alive, results, strict=True):
            if len(self.axes) - self.depths[r] == d:
                self.finish(self.reductions[r], self.depths[r], x)
            else:
                finished[r] = x
        return finished

    def is_written_out(self, d: int) -> bool:
        """Whether the loop is the innermost of several, and of few iterations."""
        length = self.lengths[d]
        return d > 0 and d == len(self.axes) - 1 and isinstance(length, int) and length <= _FEW

    def note(self, d: int, reduces: bool) -> Note | None:
        """What LLVM is told of the loop: most are for it to decide on."""
        if self.is_transposition():
            return NOT_VECTORISED
        length, last = self.lengths[d], len(self.axes) - 1
        least = _LEAST_REDUCED if reduces else _LEAST
        if d < last and not (d == last - 1 and self.is_written_out(last)):
            return None
        if isinstance(length, int) and length <= _MOST:
            # It is left to the vectoriser as it is, however short.
            return NOT_UNROLLED if least <= length else None
        return INTERLEAVED if self.is_long_chain() else None

    def is_long_chain(self) -> bool:
        """Whether an iteration is best beside another one."""
        primitives = [entry.equation.primitive for entry in self.nest.entries if isinstance(entry, Compute)]
        return _SINES.isdisjoint(primitives) and sum([x.name in VECMATH for x in primitives]) >= _LONG_CHAIN

    def finish(self, reduction: Reduce, depth: int, x: ir.Value) -> None:
        dtype = reduction.equation.out.aval.dtype
        x = cast(self.builder, x, accumulator_dtype(reduction.equation), dtype)
        if reduction.target is None:
            store(self.builder, x, self.results[reduction.equation.out], dtype)
            return
        pointer = self.pointer(reduction.target, len(self.axes) - depth)
        if self.in_memory(reduction, depth):
            x = combined(self.builder, reduction.equation, load(self.builder, pointer, dtype), x, dtype)
        store(self.builder, x, pointer, dtype)

    def element(self, accumulators: list[Any]) -> list[Any]:
        """Emits what happens at one element."""
        self.values, self.loaded = {}, {}
        found = list(accumulators)
        number = 0
        for entry in self.nest.entries:
            if isinstance(entry, Reduce):
                found[number] = self.reduce(entry, accumulators[number], self.depths[number])
                number += 1
            else:
                self.entry(entry)
        return found

    def entry(self, entry: Entry) -> None:
        if isinstance(entry, Store):
            self.store(entry)
        elif isinstance(entry, Scatter):
            self.scatter(entry)
        elif isinstance(entry, Gather):
            self.values[entry.equation.out] = self.gather(entry)
        else:
            operands = [self.value(x) for x in entry.operands]
            out = entry.equation.out
            if isinstance(entry, Reduce):
                # A reduction of one element.
                source = entry.operands[0].atom.aval.dtype
                self.values[out] = cast(self.builder, operands[0], source, out.aval.dtype)
            else:
                self.values[out] = scalar.compute(self.builder, entry.equation, operands, bool(self.axes))

    def reduce(self, entry: Reduce, accumulator: Any, depth: int) -> Any:
        x = self.value(entry.operands[0])
        source, out = entry.operands[0].atom.aval.dtype, entry.equation.out.aval.dtype
        if depth:
            dtype = accumulator_dtype(entry.equation)
            return combined(self.builder, entry.equation, accumulator, cast(self.builder, x, source, dtype), dtype)
        pointer = self.pointer(entry.target, len(self.axes))
        after = cast(self.builder, x, source, out)
        if self.in_memory(entry, depth):
            after = combined(self.builder, entry.equation, load(self.builder, pointer, out), after, out)
        store(self.builder, after, pointer, out)
        return None

    def store(self, entry: Store) -> None:
        dtype = entry.target.buffer.dtype
        x = cast(self.builder, self.value(entry.operands[0]), entry.operands[0].atom.aval.dtype, dtype)
        store(self.builder, x, self.pointer(entry.target, len(self.axes)), dtype)

    def gather(self, entry: Gather) -> ir.Value:
        rank = len(entry.operands)
        shape = entry.equation.inputs[0].aval.shape
        where = self.indexed(entry.source, rank, shape, entry.operands)
        dtype = entry.source.buffer.dtype
        base = self.addresses[origin(entry.source)]
        return load(self.builder, element(self.builder, base, where, dtype), dtype)

    def scatter(self, entry: Scatter) -> None:
        x, *indices = entry.operands
        dtype = entry.target.buffer.dtype
        where = self.indexed(entry.target, len(indices), entry.shape, indices)
        pointer = element(self.builder, self.addresses[origin(entry.target)], where, dtype)
        value = cast(self.builder, self.value(x), x.atom.aval.dtype, dtype)
        if entry.adds:
            value = scalar.add(self.builder, dtype, load(self.builder, pointer, dtype), value)
        store(self.builder, value, pointer, dtype)

    def indexed(self, view: View, rank: int, shape: Any, indices: Any) -> ir.Value:
        """The offset of `view[indices..., trailing position]`, each index checked against its axis."""
        b = self.builder
        trailing = len(view.strides) - rank
        # A nest of shape () stands for axes of length one.
        own = ([index(0)] * trailing + self.unmerged_position())[-trailing:] if trailing else []
        where = offset(b, 0, view.strides[rank:], own)
        for operand, n, stride in zip(indices, shape, view.strides, strict=False):
            i = cast(b, self.value(operand), operand.atom.aval.dtype, np.dtype(np.int64))
            i = b.select(b.icmp_signed("<", i, index(0)), b.add(i, index(n)), i)
            outside = b.icmp_unsigned(">=", i, index(n))
            with b.if_then(outside, likely=False):
                b.store(ir.Constant(ir.IntType(64), OUT_OF_RANGE), self.status)
            i = b.select(outside, index(0), i)
            where = b.add(where, b.mul(i, index(stride)))
        return where

    def unmerged_position(self) -> list[ir.Value]:
        """The position on every axis of the nest; a nest that gathers keeps its axes unmerged."""
        found: list[ir.Value] = [index(0)] * len(self.nest.shape)
        for axes, i in zip(self.axes, self.position, strict=True):
            found[axes[-1]] = i
        return found

    def value(self, operand: Operand) -> ir.Value:
        atom = operand.atom
        if not isinstance(atom, Var):
            return constant(atom.value, atom.aval.dtype)
        if by_value(operand):
            return self.scalars[atom]
        if operand.place is None:
            return self.values[atom]
        assert isinstance(operand.place, View)
        key = (atom, operand.place)
        if key not in self.loaded:
            pointer = self.pointer(operand.place, len(self.axes))
            self.loaded[key] = load(self.builder, pointer, operand.place.buffer.dtype)
        return self.loaded[key]

    def pointer(self, view: Any, depth: int) -> ir.Value:
        strides = self.strides(view)[:depth]
        where = offset(self.builder, 0, strides, self.position[:depth])
        return element(self.builder, self.addresses[origin(view)], where, view.buffer.dtype)

    def prefill(self, reduction: Reduce) -> None:
        """Sets the target of a reduction through memory to the identity; of some rows alone, their part of it.

        A sum over the rows is set by whoever adds up the parts.
        """
        target = reduction.target
        assert target is not None
        size: int | ir.Value = target.buffer.size
        if self.rows is not None:
            size = self.builder.mul(self.rows, index(target.strides[0]))
        prefill(self.builder, reduction.equation, self.addresses[origin(target)], size)


OUT_OF_RANGE = 2**62


def merged_axes(nest: Nest) -> list[tuple[int, ...]]:
    """The axes of a nest in groups over which every view steps evenly, so that each is one loop.

    Axes of length one are left out.
    """
    axes = [i for i, n in enumerate(nest.shape) if n != 1]
    if not axes:
        return [(0,)] if nest.shape else []
    if any(isinstance(entry, Gather | Scatter) for entry in nest.entries):
        return [(i,) for i in axes]
    views = [x.place for entry in nest.entries for x in entry.operands if isinstance(x.place, View) and not by_value(x)]
    views += [view for entry in nest.entries for view in touched(entry)]
    groups: list[tuple[int, ...]] = [(axes[0],)]
    for i in axes[1:]:
        last = groups[-1][-1]
        even = all(view.strides[last] == view.strides[i] * nest.shape[i] for view in views)
        scalars = any(isinstance(entry, Reduce) and entry.target is None for entry in nest.entries)
        if even and (views or scalars):
            groups[-1] = (*groups[-1], i)
        else:
            groups.append((i,))
    return groups


def prefill(builder: ir.IRBuilder, reduction: Equation, base: ir.Value, size: int | ir.Value) -> None:
    """Sets so many elements to what a reduction starts from."""
    dtype = reduction.out.aval.dtype
    x = cast(builder, identity(reduction), accumulator_dtype(reduction), dtype)

    def body(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        store(builder, x, element(builder, base, i, dtype), dtype)
        return []

    loop(builder, size, [], body)


def accumulator_dtype(reduction: Equation) -> Any:
    """Sums of float32 run in float64, or their rounding errors would grow with the length."""
    dtype = reduction.out.aval.dtype
    if reduction.primitive is ops.sum and dtype.name == "float32":
        return np.dtype(np.float64)
    return dtype


def identity(reduction: Equation) -> ir.Value:
    """What a reduction, or a matrix product, starts from."""
    primitive, dtype = reduction.primitive, accumulator_dtype(reduction)
    if primitive in _IDENTITIES:
        return constant(_IDENTITIES[primitive], dtype)
    largest = primitive is ops.min
    if dtype.kind == "f":
        return constant(np.inf if largest else -np.inf, dtype)
    if dtype.kind == "b":
        return constant(largest, dtype)
    return constant(np.iinfo(dtype).max if largest else np.iinfo(dtype).min, dtype)


def combined(builder: ir.IRBuilder, reduction: Equation, x: ir.Value, y: ir.Value, dtype: Any) -> ir.Value:
    """Two partial results as one."""
    primitive = reduction.primitive
    if primitive is ops.max:
        return scalar.maximum(builder, dtype, x, y)
    if primitive is ops.min:
        return scalar.minimum(builder, dtype, x, y)
    if dtype.kind != "f":
        return scalar.mul(builder, dtype, x, y) if primitive is ops.prod else scalar.add(builder, dtype, x, y)
    # Partial results in the lanes of a vector: the only reordering of a sum that is allowed. With `nsz` beside it LLVM
    # would take common factors out of terms, and inf * x + inf * y would be no NaN any more.
    make = builder.fmul if primitive is ops.prod else builder.fadd
    return make(x, y, flags=("reassoc", "contract"))
