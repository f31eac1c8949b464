"""From a graph to a program of steps: loop nests that fuse many equations, and calls that stand alone.

An elementwise equation joins the first nest over its shape that runs late enough for all its operands. Reductions join
the nest of what they reduce. What writes a part of an array is a store of the nest that makes the part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autograd import ops
from autograd.custom import custom_call
from autograd.lengths import length
from autograd.primitive import Aval, Primitive, Shape

from ..fourier import dft, scratch_size
from ..graph import Atom, Equation, Graph, Literal, Var
from ..loop import SHARED, key_of, scan, uses_of
from .again import forgotten
from .blocks import blocked
from .inplace import in_place
from .lapack import LAPACK, factorise
from .margins import with_shared_margins
from .matrix import as_matrix, by_blas, product_of
from .parts import Box, cover, sums_of_parts
from .program import Call, Compute, Fill, Gather, Operand, Place, Program, Reduce, Scalar, Scatter, Store, View
from .puts import WRITES, at_positions, last_reads, put, with_early_guards, with_late_writes
from .repeats import choose, repeat
from .steps import Group, Lowering, key_dtype
from .views import VIEWS, row_major, sliced

REDUCTIONS = frozenset({ops.sum, ops.prod, ops.max, ops.min})
CALLS = frozenset({ops.matmul, ops.cumsum, ops.argmax, ops.argmin, ops.argsort, ops.searchsorted, ops.convolve, dft})
_IDENTITY: dict[Primitive, int] = {ops.sum: 0, ops.prod: 1}


def fuse(graph: Graph, owned: Mapping[int, int] | None = None) -> Program:
    """The program of a graph.

    **Arguments:** `owned`, the inputs whose memory may be written to, each with the output that it may become.
    """
    graph = with_late_writes(with_early_guards(graph))
    low = Lowering(graph, owned or {})
    sums, terms = sums_of_parts(graph)
    last = last_reads(graph, sums)
    shared = uses_of(graph, *SHARED)
    low.forgotten = forgotten(graph)

    def body(inner: Graph, owned: Mapping[int, int]) -> Program:
        return blocked(fuse(inner._replace(threads=graph.threads), owned), in_loop=True)

    for now, equation in enumerate(_lengths_first(graph)):
        out = equation.out
        # A custom function is called also for a result without elements, which it may have at other values.
        if out.aval.size == 0 and equation.primitive is not custom_call:
            low.places[out], low.ready[out] = low.new_buffer(out), 0
        elif equation.primitive in SHARED:
            if out not in low.places and out not in low.forgotten:
                add = repeat if equation.primitive is scan else choose
                add(low, shared[key_of(equation)], body)
        elif out in sums:
            _assemble(low, out, sums[out])
        elif equation.primitive in WRITES and out.aval.size > 1 and equation.inputs[1].aval.size:
            put(low, equation, dict(equation.params)["index"], last, now)
        elif out not in terms:
            _add(low, equation)
    return in_place(with_shared_margins(low.program()))


def _lengths_first(graph: Graph) -> Sequence[Equation]:
    """The equations; what is computed of open lengths alone comes first, so that no loop waits for another one."""
    if graph.open is None:
        return graph.equations
    first: dict[Var, Equation] = {}
    for equation in graph.equations:
        known = all(isinstance(x, Literal) or x in first for x in equation.inputs)
        if equation.primitive is length or (equation.primitive.elementwise and equation.out.aval.shape == () and known):
            first[equation.out] = equation
    return [*first.values(), *[equation for equation in graph.equations if equation.out not in first]]


def _add(low: Lowering, equation: Equation) -> None:
    primitive, _, params, _ = equation
    if primitive in VIEWS:
        _alias(low, equation, dict(params))
    elif primitive.elementwise or primitive is length:
        _compute(low, equation)
    elif primitive in REDUCTIONS:
        _reduce(low, equation, **dict(params))
    elif primitive in CALLS:
        _call(low, equation)
    elif primitive is custom_call:
        _call_custom(low, equation)
    elif primitive in LAPACK:
        factorise(low, equation)
    elif primitive in MOVES:
        MOVES[primitive](low, equation, **dict(params))
    else:
        raise NotImplementedError(
            f"`{primitive}` has no lowering, so it cannot be compiled; run this part outside the compiled function"
        )


# ---- elementwise equations, views, reductions ----


def _compute(low: Lowering, equation: Equation) -> None:
    out = equation.out
    shape = () if out.aval.size == 1 else out.aval.shape
    group = low.group(shape, max([low.level(x, shape) for x in equation.inputs], default=0))
    operands = tuple([low.operand(x, group, shape) for x in equation.inputs])
    low.groups[group].entries.append(Compute(equation, operands))
    if shape != ():
        low.equations[out] = equation
    low.made(out, group, shape)


def _alias(low: Lowering, equation: Equation, params: dict[str, Any]) -> None:
    primitive, (x,), _, out = equation
    if isinstance(x, Literal) or isinstance(low.places.get(x), Scalar):
        place = Scalar(x) if isinstance(x, Literal) else low.places[x]
        low.places[out] = place
        root = place.atom  # type: ignore[union-attr]
        low.ready[out] = 0 if isinstance(root, Literal) else low.ready[root]
        return
    view, ready = low.view(x)
    strides = VIEWS[primitive](view, x.aval, **params)
    if strides is None:
        view, ready = low.copy(x)
        strides = VIEWS[primitive](view, x.aval, **params)
    low.places[out], low.ready[out] = strides, ready


def _reduce(low: Lowering, equation: Equation, axis: tuple[int, ...], keepdims: bool) -> None:
    x, out = equation.inputs[0], equation.out
    shape = x.aval.shape
    if x.aval.size == 0:
        _fill(low, out, Literal.of(_IDENTITY[equation.primitive], out.aval.dtype))
        return
    shape = () if x.aval.size == 1 else shape
    group = low.group(shape, low.level(x, shape))
    operand = low.operand(x, group, shape)
    if out.aval.size == 1:
        low.groups[group].entries.append(Reduce(equation, (operand,), None))
        low.places[out] = Scalar(out)
        low.ready[out] = group + 1
        if shape == ():
            low.home[out] = group
        return
    view = low.new_buffer(out)
    kept = iter(view.strides if not keepdims else [s for i, s in enumerate(view.strides) if i not in axis])
    aligned = tuple([0 if i in axis else next(kept) for i in range(len(shape))])
    low.groups[group].entries.append(Reduce(equation, (operand,), view._replace(strides=aligned)))
    low.places[out], low.ready[out] = view, group + 1


# ---- steps that stand alone ----


def _call(low: Lowering, equation: Equation) -> None:
    out = equation.out
    if any(x.aval.size == 0 for x in equation.inputs):
        _fill(low, out, Literal.of(0, out.aval.dtype))
        return
    found = _factors(low, equation) if equation.primitive is ops.matmul else [low.view(x) for x in equation.inputs]
    operands = [view for view, _ in found]
    if equation.primitive is ops.argsort:
        # Room for the keys and the positions of a line, twice, as they are merged from one place to another.
        twice = (2 * out.aval.shape[dict(equation.params)["axis"]],)
        dtypes = (key_dtype(equation.inputs[0].aval.dtype), out.aval.dtype)
        operands += [low.buffer("work", 0, Aval(twice, dtype)) for dtype in dtypes]
    if equation.primitive is dft:
        params = dict(equation.params)
        size = scratch_size(params["kind"], params["n"])
        operands.append(low.buffer("work", 0, Aval((size,), out.aval.dtype)))
    target = low.new_buffer(out)
    low.groups.append(Group((), Call(equation, tuple(operands), target)))
    low.places[out], low.ready[out] = target, len(low.groups)


def _call_custom(low: Lowering, equation: Equation) -> None:
    """Calls a custom function on arrays that are contiguous."""
    found = []
    for x in equation.inputs:
        view, _ = low.view(x)
        if x.aval.size > 1 and view.strides != row_major(x.aval.shape):
            view, _ = low.copy(x)  # type: ignore[arg-type]
        found.append(view)
    target = low.new_buffer(equation.out)
    low.groups.append(Group((), Call(equation, tuple(found), target)))
    low.places[equation.out], low.ready[equation.out] = target, len(low.groups)


def _factors(low: Lowering, equation: Equation) -> list[tuple[View, int]]:
    """The operands of a matrix product, copied where they have another dtype, or strides that BLAS cannot read."""
    out = equation.out.aval
    found = [low.converted(x, out.dtype) if x.aval.dtype != out.dtype else low.view(x) for x in equation.inputs]
    x, y = (x.aval.shape for x in equation.inputs)
    left, right = (view.strides for view, _ in found)
    it = product_of(x, y, (left, right, row_major(out.shape)), out.dtype)
    if by_blas(it):
        readable = as_matrix((it.m, it.k), it.x), as_matrix((it.k, it.n), it.y)
        for i, factor in enumerate(equation.inputs):
            if readable[i] is None:
                found[i] = low.copy(factor)  # type: ignore[arg-type]
    return found


def _fill(low: Lowering, out: Var, value: Literal) -> None:
    if out.aval.size == 1:
        low.places[out], low.ready[out] = Scalar(value), 0
        return
    target = low.new_buffer(out)
    low.groups.append(Group((), Fill(target, value)))
    low.places[out], low.ready[out] = target, len(low.groups)


# ---- parts of arrays ----


def _concatenate(low: Lowering, equation: Equation, axis: int) -> None:
    out = equation.out
    target = low.target(out)
    start, ready = 0, 0
    for x in equation.inputs:
        part = target._replace(offset=target.offset + start * target.strides[axis])
        if _is_at(low.places.get(x), part, x.aval.shape):  # type: ignore[arg-type]
            ready = max(ready, low.ready[x])  # type: ignore[index]
        elif x.aval.size:
            stored = low.store(x, part, 0)
            low.remember(x, part, stored)
            ready = max(ready, stored)
        start += x.aval.shape[axis]
    low.places[out], low.ready[out] = target, ready


def _put(low: Lowering, equation: Equation, index: Any) -> None:
    """A write of all elements or of none; `puts.put` does any other."""
    x, y = equation.inputs[:2]
    kept = y if y.aval.size else x
    shape = equation.out.aval.shape
    _alias(low, Equation(ops.reshape, (kept,), (), equation.out), {"shape": shape})


def _join(low: Lowering, equation: Equation) -> None:
    """Puts the parts of complex numbers side by side."""
    out = equation.out
    low.parts[out] = tuple([_expanded(low, x, out.aval.shape) for x in equation.inputs])
    target = low.new_buffer(out)
    low.places[out], low.ready[out] = target, low.store_parts(out, target)


def _expanded(low: Lowering, x: Atom, shape: Shape) -> Atom:
    if x.aval.shape == shape:
        return x
    equation = Equation.of(ops.expand, x, shape=shape)
    _alias(low, equation, dict(equation.params))
    return equation.out


def _is_at(place: Place | None, part: View, shape: Shape) -> bool:
    """Whether an array of that shape lies where a part of another one is to be."""
    if not isinstance(place, View) or (place.buffer, place.offset) != (part.buffer, part.offset):
        return False
    return all(x == y for x, y, n in zip(place.strides, part.strides, shape, strict=True) if n > 1)


def _assemble(low: Lowering, out: Var, parts: list[Equation]) -> None:
    """The sum of parts of an array in its memory: the first ones stored, the others added to what is there."""
    parts = [part for part in parts if part.inputs[0].aval.size]
    zero = Literal.of(0, out.aval.dtype)
    if not parts:
        _fill(low, out, zero)
        return
    target = low.new_buffer(out)
    covered = cover(parts, out.aval.shape)
    # A sum with zeros has no negative zero.
    addend = zero if len(parts) > 1 else None
    ready = [low.store(part.inputs[0], _place(part, target), 0, addend) for part in parts[: covered.stored]]
    ready += [_store_zeros(low, box, target, zero) for box in covered.rest or ()]
    if len(parts) == 1 == covered.stored:
        low.remember(parts[0].inputs[0], _place(parts[0], target), ready[0])
    level = max(ready, default=0)
    for part in parts[covered.stored :]:
        level = _add_part(low, part, target, level)
        ready.append(level)
    if covered.rest is None:
        low.fills.setdefault(min(ready) - 1, []).append(Fill(target, zero))
    low.places[out], low.ready[out] = target, level


def _place(part: Equation, target: View) -> View:
    return sliced(target, part.inputs[0].aval, index=dict(part.params)["index"])


def _store_zeros(low: Lowering, box: Box, target: View, zero: Literal) -> int:
    shape = tuple([stop - start for start, stop in box])
    offset = target.offset + sum(start * s for (start, _), s in zip(box, target.strides, strict=True))
    small = all(n == 1 for n in shape)
    view = View(target.buffer, offset, () if small else target.strides)
    group = low.group(() if small else shape, 0)
    low.groups[group].entries.append(Store((Operand(zero, Scalar(zero)),), view))
    return group + 1


def _add_part(low: Lowering, part: Equation, target: View, level: int) -> int:
    x = part.inputs[0]
    if part.primitive is ops.scatter_add:
        return _scatter(low, part, target, level)
    return low.store(x, _place(part, target), level, Var(x.aval))


def _scatter(low: Lowering, part: Equation, target: View, level: int) -> int:
    x, *indices = part.inputs
    shape = () if x.aval.size == 1 else x.aval.shape
    level = max([level, *[low.level(i, shape) for i in part.inputs]])
    group = _scattering(low, shape, level)
    trailing = len(x.aval.shape) - len(indices[0].aval.shape)
    operands = (low.operand(x, group, shape), *[low.leading(i, group, shape, trailing) for i in indices])
    low.groups[group].entries.append(Scatter(operands, target, dict(part.params)["shape"]))
    return group + 1


def _scattering(low: Lowering, shape: Shape, level: int) -> int:
    """A nest of its own: sums at repeated indices cannot be vectorised, nor could what shared their loop."""
    if shape == ():
        return low.group(shape, level)
    low.groups.append(Group(shape))
    return len(low.groups) - 1


def _gather(low: Lowering, equation: Equation) -> None:
    x, *indices = equation.inputs
    out = equation.out
    source, ready = low.view(x)
    shape = () if out.aval.size == 1 else out.aval.shape
    level = max([ready, *[low.level(i, shape) for i in indices]])
    group = low.group(shape, level)
    trailing = len(out.aval.shape) - len(indices[0].aval.shape)
    operands = tuple([low.leading(i, group, shape, trailing) for i in indices])
    low.groups[group].entries.append(Gather(equation, source, operands))
    low.made(out, group, shape)


def _slice_at(low: Lowering, equation: Equation, index: Any) -> None:
    """A part of an array at positions that are inputs: gathered from the part at all of them."""
    x, *positions = equation.inputs
    view, ready = low.view(x)
    part, lengths = at_positions(view, x.aval, index)
    source = Var(Aval((*lengths, *equation.out.aval.shape), x.aval.dtype))
    low.places[source], low.ready[source] = part, ready
    _gather(low, Equation(ops.gather, (source, *positions), (), equation.out))


#: The ops that move elements; those of `parts.PARTS` put arrays together.
MOVES: dict[Primitive, Any] = {
    ops.concatenate: _concatenate,
    ops.gather: _gather,
    ops.put: _put,
    ops.complex_: _join,
    ops.put_at: _put,
    ops.slice_at: _slice_at,
}
