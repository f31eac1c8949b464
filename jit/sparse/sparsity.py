"""Which elements of the inputs each element of a recorded graph depends on, by a derivative that is not zero.

Positions, as those of `x[i]`, are looked at where they do not depend on the inputs, and it is told which values were
looked at on the way: the structure holds for these values alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd import ops

from ..graph import Atom, Choice, Equation, Graph, Literal, Loop, Var
from ..loop import key_of, scan, switch
from .dependence import Known, State, Step, dependence
from .reach import Reach, empty, grouped, identity, part, stacked, taken, union


def structure(graph: Graph, values: Mapping[Var, Callable[[], Any]]) -> tuple[list[Reach], list[Var]]:
    """What reaches each output of a graph.

    **Arguments:** `values`, functions that return the values of captures, and of those inputs whose elements are not
    asked for.

    **Returns:** for each output a matrix of booleans with a row for each element and a column for each element of all
    other inputs, in their order; and the variables whose values were looked at.
    """
    followed = [x for x in graph.inputs if x not in values]
    columns = sum(x.aval.size for x in followed)
    reads: list[Var] = []
    states: dict[Atom, State] = {}
    first = 0
    for x in followed:
        states[x] = State(identity(first, x.aval.size, columns), None)
        first += x.aval.size
    for x, value in values.items():
        states[x] = State(None, Known(_reading(x, value, reads), x.aval.dtype.kind in "iub"))
    found = _run(graph, states)
    rows = [x.aval.size for x in graph.outputs]
    return [empty(n, columns) if y.reach is None else y.reach for y, n in zip(found, rows, strict=True)], reads


def _reading(x: Var, value: Callable[[], Any], reads: list[Var]) -> Callable[[], Any]:
    def compute() -> Any:
        reads.append(x)
        return value()

    return compute


def _run(graph: Graph, states: dict[Atom, State]) -> list[State]:
    """The states of the outputs of a graph from those of what it is given."""
    loops: dict[Any, list[State]] = {}

    def read(x: Atom) -> State:
        return State(None, Known(lambda: x.value, True)) if isinstance(x, Literal) else states[x]

    for equation in graph.equations:
        inputs = tuple([read(x) for x in equation.inputs])
        if equation.primitive in (scan, switch):
            key = key_of(equation)
            params = dict(equation.params)
            if key not in loops:
                results = _loop if equation.primitive is scan else _choice
                loops[key] = results(params["loop"], inputs)
            states[equation.out] = loops[key][params["pick"]]
        else:
            states[equation.out] = _applied(equation, inputs)
    return [read(x) for x in graph.outputs]


def _applied(equation: Equation, inputs: tuple[State, ...]) -> State:
    primitive, atoms, params, out = equation
    known = None
    values = [x.known for x in inputs if x.known is not None]
    if len(values) == len(inputs):
        known = Known(lambda: primitive.eval(*[x.get() for x in values], **dict(params)), all(x.fixed for x in values))
    if out.aval.dtype.kind not in "fc":
        return State(None, known)
    step = Step(primitive, tuple([x.aval for x in atoms]), dict(params), out.aval, inputs)
    return State(dependence(step), known)


# ---- loops and branches ----


def _loop(loop: Loop, inputs: tuple[State, ...]) -> list[State]:
    return _until_settled(loop, inputs) if loop.dynamic else _step_by_step(loop, inputs)


def _split(loop: Loop, inputs: tuple[State, ...]) -> tuple[tuple[State, ...], list[State], tuple[State, ...]]:
    """The constants, what is carried first, and the arrays that a loop goes over."""
    first = loop.constants + loop.carried
    return inputs[: loop.constants], list(inputs[loop.constants : first]), inputs[first:]


def _step_by_step(loop: Loop, inputs: tuple[State, ...]) -> list[State]:
    constants, carried, arrays = _split(loop, inputs)
    rows: list[Any] = [None] * loop.length
    alike = all(x.reach is None for x in arrays) and not any(map(_asks, loop.body.equations))
    made = loop.body.outputs
    before: list[State] = []
    outputs: list[State] = []
    for step in range(loop.length):
        i = loop.length - 1 - step if loop.reverse else step
        if alike and step and all(map(_is_same, before, carried)) and not any(map(_counts, outputs, made)):
            # What reaches the results has settled, as in most loops after few steps.
            outputs = [State(x.reach, None) for x in outputs]
        else:
            before = carried
            elements = [_element(x, i, loop.length) for x in arrays]
            outputs = _run(loop.body, dict(zip(loop.body.inputs, [*constants, *carried, *elements], strict=True)))
        carried = [_settled(x, y) for x, y in zip(outputs[: loop.carried], made, strict=False)]
        rows[i] = outputs[loop.carried :]
    return [*carried, *[_stack([row[k] for row in rows], x.aval.size) for k, x in enumerate(made[loop.carried :])]]


def _asks(equation: Equation) -> bool:
    """Whether what reaches the result depends on values, which may be others in each step."""
    primitive, inputs, *_ = equation
    return primitive in _ASKING or (primitive is ops.pow and isinstance(inputs[1], Var))


_ASKING = frozenset({ops.gather, ops.scatter_add, ops.slice_at, ops.put_at, ops.where, scan, switch})


def _counts(x: State, atom: Atom) -> bool:
    """Whether a result of a step may be a position."""
    return x.known is not None and atom.aval.dtype.kind in "iub"


def _is_same(x: State, y: State) -> bool:
    """Whether what is carried is reached by the same as before."""
    if x.reach is None or y.reach is None or x.reach is y.reach:
        return x.reach is y.reach
    pairs = ((x.reach.indptr, y.reach.indptr), (x.reach.indices, y.reach.indices))
    return all(np.array_equal(one, other) for one, other in pairs)


def _settled(state: State, x: Atom) -> State:
    """What is carried on: counters are computed at once, or the last one would be a tower of all steps."""
    if state.known is not None and _counts(state, x):
        state.known.get()
    return state


def _element(x: State, i: int, length: int) -> State:
    """One element of an array that a loop goes over."""
    whole = x.known
    known = None if whole is None else Known(lambda: whole.get()[i], whole.fixed)
    if x.reach is None:
        return State(None, known)
    count = x.reach.shape[0] // length
    return State(part(x.reach, i * count, count), known)


def _stack(states: Sequence[State], size: int) -> State:
    """The array of what each step makes."""
    known = None
    values = [x.known for x in states if x.known is not None]
    if len(values) == len(states):
        known = Known(lambda: np.stack([x.get() for x in values]), all(x.fixed for x in values))
    columns = next((x.reach.shape[1] for x in states if x.reach is not None), None)
    if columns is None:
        return State(None, known)
    return State(stacked([empty(size, columns) if x.reach is None else x.reach for x in states]), known)


def _until_settled(loop: Loop, inputs: tuple[State, ...]) -> list[State]:
    """For any number of steps: what may reach each result at the end of one of them."""
    constants, carried, arrays = _split(loop, inputs)
    carried = [State(x.reach, None) for x in carried]
    elements = [State(_of_any(x.reach, loop.length), None) for x in arrays]
    while True:
        outputs = _run(loop.body, dict(zip(loop.body.inputs, [*constants, *carried, *elements], strict=True)))
        after = [State(_both(x.reach, y.reach), None) for x, y in zip(carried, outputs, strict=False)]
        if all(_count(x) == _count(y) for x, y in zip(carried, after, strict=True)):
            break
        carried = after
    made = outputs[loop.carried :]
    stacks = [x if x.reach is None else State(_repeated(x.reach, loop.length), None) for x in made]
    return [*carried, *[State(x.reach, None) for x in stacks]]


def _of_any(x: Reach | None, length: int) -> Reach | None:
    """What reaches one element of an array, whichever it is."""
    if x is None or not length:
        return None
    count = x.shape[0] // length
    return grouped(x, np.tile(np.arange(1, count + 1), length), count)


def _repeated(x: Reach, length: int) -> Reach:
    return taken(x, np.tile(np.arange(1, x.shape[0] + 1), length))


def _both(x: Reach | None, y: Reach | None) -> Reach | None:
    return union([z for z in (x, y) if z is not None])


def _count(x: State) -> int:
    return 0 if x.reach is None else x.reach.nnz


def _choice(choice: Choice, inputs: tuple[State, ...]) -> list[State]:
    """The results of the body that is chosen, or of any of them where that depends on the inputs."""
    index, *rest = inputs
    bodies = choice.bodies if index.known is None else [choice.bodies[int(index.known.get())]]
    found = [_run(body, dict(zip(body.inputs, rest, strict=True))) for body in bodies]
    if len(found) == 1:
        return found[0]
    return [State(union([x.reach for x in each if x.reach is not None]), None) for each in zip(*found, strict=True)]
