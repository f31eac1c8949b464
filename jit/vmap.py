"""`vmap`: a function of one example as a function of many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from typing import Any, NamedTuple, Unpack

import numpy as np

from autograd import Tensor, enable_grad, ops
from autograd.carry import paths
from autograd.closed import source_of
from autograd.deferred import Deferred
from autograd.functions.arguments import as_array, axis_of, transposed
from autograd.ops.broadcasting import repeated
from autograd.primitive import aval_of
from autograd.tape import Control, Guard, Node, Tape, current_tape, onto
from autograd.tensor import constant, lift
from autograd.tree import Structure, flatten, unflatten

from .batching.each import recorded_each
from .batching.graphs import Mapped, batched
from .batching.rules import followed, positions
from .dispatch.compiled import Compiled
from .dispatch.recordings import Options
from .recording.body import Body, body_of, placeholder
from .recording.scan import recorded_loop, recorded_switch, recorded_while

#: The axis of an argument along which its examples lie, `None` for one that all share; or such for each of its parts.
Axes = int | None | Sequence[Any] | dict[Any, Any]


def vmap(function: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0, **options: Unpack[Options]) -> Compiled:
    """A compiled function of many examples, made of one of a single example.

    What it returns is what a loop of Python over the examples would, stacked. It may be mapped and differentiated in
    turn, and called in other compiled functions; `function` may be a gradient.

    **Arguments:** `function`; `in_axes`, the axis of the arguments along which the examples lie, `None` where all
    examples share the argument, a tuple for one of each argument, in which a tuple, list or dict says it of the parts
    of a nested argument (keyword arguments are mapped along their first axis); `out_axes`, where that axis stands in
    the result, in the same forms, `None` for what is the same for all examples; `options`, as for `compile`.

    **Errors:** of a call `ValueError` where the mapped axes differ in length, naming the arguments, where no argument
    is mapped, and where axes are not those of the arguments; `RuntimeError` where Python decides on a value that
    differs from example to example.

    >>> import numpy as np
    >>> import jit
    >>> loss = lambda w, x, y: (w @ x - y) ** 2
    >>> per_example = jit.vmap(jit.grad(loss), in_axes=(None, 0, 0))
    >>> per_example(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 1.0]))
    array([[2., 0.],
           [0., 2.]])
    """

    @wraps(function, updated=())
    def many(*args: Any, **kwargs: Any) -> Any:
        return _Examples(function, args, kwargs, in_axes).results(out_axes)

    return Compiled(many, **options)


class _Leaf(NamedTuple):
    """A leaf of the arguments, where it stands, and its axis of examples, `None` for one that all share."""

    value: Any
    path: str
    axis: int | None


class _Examples:
    """A call for many examples, while a tape records."""

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], in_axes: Axes) -> None:
        self.function, self.name = function, getattr(function, "__name__", "function")
        leaves, self.structure = flatten((args, kwargs))
        axes = [*_axes_of("in_axes", in_axes, self.structure.parts[0], "args"), *[0] * len(flatten(kwargs)[0])]
        where = [*paths(self.structure.parts[0], "args"), *paths(self.structure.parts[1], "kwargs")]
        self.leaves = [_leaf(*given) for given in zip(leaves, where, axes, strict=True)]
        self.size = self._size()
        outer = current_tape()
        assert outer is not None
        self.outer = outer

    def _size(self) -> Any:
        """How many examples there are."""
        found = [(x.value.shape[x.axis], x.path) for x in self.leaves if x.axis is not None]
        if not found:
            raise ValueError(
                f"`vmap` of `{self.name}` needs an argument that is mapped, got none; give one an axis in `in_axes`, "
                "or call the function itself"
            )
        if any(n != found[0][0] for n, _ in found):
            text = ", ".join([f"{n} of {path}" for n, path in found])
            raise ValueError(
                f"`vmap` of `{self.name}` needs as many examples in each mapped argument, got {text}; cut them to one "
                "length, or put `None` into `in_axes` for what all examples share"
            )
        return found[0][0]

    def results(self, out_axes: Axes) -> Any:
        """What the function returns for all examples."""
        examples = [x.value if x.axis is None else _example(x, self.size) for x in self.leaves]
        tape = self._tape()
        with onto(tape), enable_grad():
            args, kwargs = unflatten(self.structure, examples)
            leaves, structure = flatten(self.function(*args, **kwargs))
        if tape.accumulated:
            raise RuntimeError(
                f"`vmap` of `{self.name}`, which calls `backward()`; use `grad`, which returns the gradients"
            )
        axes = _axes_of("out_axes", out_axes, structure, "result")
        outputs = [x for x in leaves if isinstance(x, Tensor)]
        found = iter(self._computed(tape, examples, outputs))
        made = [Mapped(x, False) if not isinstance(x, Tensor) else next(found) for x in leaves]
        where = paths(structure, "result")
        return unflatten(structure, [self._placed(*given) for given in zip(made, axes, where, strict=True)])

    def _tape(self) -> Tape:
        """A tape for the function of one example."""
        control = self.outer.control or Control(recorded_loop, recorded_while, recorded_switch, recorded_each, 1)
        roll = None if self.outer.roll is None else partial(_rolled, self.outer.roll)
        tape = Tape(True, control, roll, self.outer.open)
        tape.states = None if self.outer.states is None else {}
        return tape

    def _computed(self, tape: Tape, examples: Sequence[Any], outputs: Sequence[Tensor]) -> list[Mapped]:
        """The outputs for all examples; guards on what all share go to the outer tape."""
        inputs = [x for x, leaf in zip(examples, self.leaves, strict=True) if leaf.axis is not None]
        if tape.roll is not None:
            outputs = tape.roll(tape, 0, 0, inputs, outputs)
        self.outer.notes += tape.notes
        self.outer.counts += tape.counts
        guards, tape.guards = tape.guards, []
        asked = [_value_of(x.node) for x in guards]
        body = body_of(tape, inputs, [*outputs, *asked])
        conditions = body.graph.guards
        graph = body.graph._replace(guards=(), outputs=(*body.graph.outputs, *conditions))
        states = {id(state): self._state(state, x) for state, x in (tape.states or {}).items()}
        given = [states.get(id(x)) or Mapped(followed(x), False) for x in body.constants]
        given += [Mapped(_in_front(x), True) for x in self.leaves if x.axis is not None]
        found = batched(graph, self.size, [x.value for x in given], [x.mapped for x in given])
        count = len(outputs)
        self._guarded(guards, found[count : count + len(guards)])
        self._demanded(body, found[count + len(guards) :])
        return found[:count]

    def _state(self, state: Any, after: Any) -> Mapped:
        """The state of a generator that draws for all examples, one after the other, at the beginning of each."""
        assert self.outer.states is not None
        before = self.outer.states.get(state, state)
        drawn = np.asarray(after.data)[1] - np.asarray(state.data)[1]
        step = constant(np.array([0, drawn], np.uint64))
        numbers = ops.astype(positions(self.size), dtype=np.dtype(np.uint64))
        self.outer.states[state] = before + ops.mul(step, self.size)
        return Mapped(before + ops.reshape(numbers, shape=(self.size, 1)) * step, True)

    def _guarded(self, guards: Sequence[Guard], values: Sequence[Mapped]) -> None:
        """Puts guards on the outer tape.

        **Errors:** `RuntimeError` for one that asks for another value of each example.
        """
        for guard, (value, mapped) in zip(guards, values, strict=True):
            if mapped:
                raise RuntimeError(
                    f"`vmap` of `{self.name}`: Python decides on a value at {guard.where} that differs from example to "
                    "example, and what it does for one cannot be done for all; choose by `ag.where` or `ag.cond`, or "
                    "loop by `ag.while_loop`"
                )
            self._holds(value, guard.value, guard.where)

    def _demanded(self, body: Body, values: Sequence[Mapped]) -> None:
        """Puts on the outer tape what operations demand of all examples."""
        for (value, _), place in zip(values, body.places, strict=True):
            every = ops.min(value, axis=tuple(range(len(value.shape))), keepdims=False)
            self._holds(every, True, place)

    def _holds(self, value: Any, seen: Any, where: str) -> None:
        """Puts a guard on the outer tape; a number of the program is always what it was."""
        if isinstance(value, Tensor):
            self.outer.guards.append(Guard(source_of(value), seen, where))

    def _placed(self, x: Mapped, axis: int | None, path: str) -> Any:
        """A result with the axis of the examples where it is wanted."""
        if axis is None:
            if x.mapped:
                raise ValueError(
                    f"`vmap` of `{self.name}` was asked by `out_axes` for one {path} for all examples, and it differs "
                    "from example to example; give it an axis"
                )
            return x.value
        if not isinstance(x.value, Tensor | np.ndarray | np.generic | float | int | complex):
            return x.value
        whole = Mapped(as_array(x.value), x.mapped).whole(self.size)
        to = axis_of("vmap", axis, len(whole.shape))
        return transposed(whole, (*range(1, to + 1), 0, *range(to + 1, len(whole.shape))))


def _rolled(
    roll: Callable[..., Any], tape: Tape, node: int, guard: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Sequence[Tensor]:
    """The outputs by loops, unless Python decided on values on the way.

    Such a loop would say of all its decisions at once whether they differ from example to example. The steps for all
    examples are rolled in their turn.
    """
    return outputs if tape.guards[guard:] else roll(tape, node, guard, inputs, outputs)


# ---- arguments and axes ----


def _axes_of(name: str, axes: Axes, structure: Structure, path: str) -> list[int | None]:
    """The axis of each leaf."""
    return list(_leaf_axes(name, axes, structure, path))


def _leaf_axes(name: str, axes: Any, structure: Structure, path: str) -> Iterator[int | None]:
    if axes is None or (isinstance(axes, int | np.integer) and not isinstance(axes, bool)):
        yield from [axes if axes is None else int(axes)] * len(list(paths(structure, path)))
        return
    parts, keys = structure.parts, structure.keys or range(len(structure.parts))
    is_dict = isinstance(axes, dict)
    if (
        not isinstance(axes, tuple | list | dict)
        or structure.kind is None
        or is_dict != issubclass(structure.kind, dict)
    ):
        raise _unlike(name, axes, structure, path)
    if set(axes) != set(keys) if is_dict else len(axes) != len(parts):
        raise _unlike(name, axes, structure, path)
    for key, part in zip(keys, parts, strict=True):
        yield from _leaf_axes(name, axes[key], part, f"{path}[{key!r}]")


def _unlike(name: str, axes: Any, structure: Structure, path: str) -> ValueError:
    got = "a single value" if structure.kind is None else f"a {structure.kind.__name__} of {len(structure.parts)}"
    return ValueError(
        f"`vmap` needs in `{name}` an integer, `None`, or one for each part of what it stands for, got {axes!r} for "
        f"{path}, which is {got}"
    )


def _leaf(value: Any, path: str, axis: int | None) -> _Leaf:
    """A leaf of the arguments; strings, functions and the like are shared."""
    if axis is None or not isinstance(value, Tensor | np.ndarray | np.generic | float | int | complex):
        return _Leaf(value, path, None)
    x = as_array(value)
    if not x.shape:
        raise ValueError(
            f"`vmap` needs an axis of examples in {path}, got a single number; put `None` into `in_axes` for what all "
            "examples share"
        )
    if not -len(x.shape) <= axis < len(x.shape):
        raise ValueError(f"`vmap` needs an axis of {path}, which has shape {x.shape}, got {axis} in `in_axes`")
    return _Leaf(x, path, axis % len(x.shape))


def _in_front(leaf: _Leaf) -> Any:
    """A mapped argument with the axis of the examples in front."""
    axis = leaf.axis
    assert axis is not None
    return transposed(leaf.value, (axis, *[i for i in range(len(leaf.value.shape)) if i != axis]))


def _example(leaf: _Leaf, size: Any) -> Tensor:
    """A tensor that stands for one example of an argument; nothing that is made of it is computed."""
    aval = aval_of(leaf.value)
    if size == 0:
        shape = tuple([n for i, n in enumerate(aval.shape) if i != leaf.axis])
        return placeholder(Deferred(ops.expand, (repeated(0, aval.dtype, ()),), {"shape": shape}))
    data = leaf.value.data if isinstance(leaf.value, Tensor) else leaf.value
    index = tuple([0 if i == leaf.axis else (0, n, 1) for i, n in enumerate(aval.shape)])
    return placeholder(Deferred(ops.slice_, (data,), {"index": index}))


def _value_of(source: Any) -> Any:
    """What a guard asks for, as a tensor."""
    return lift(source.out, source) if isinstance(source, Node) else source
