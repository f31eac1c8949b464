"""Bodies of loops: recorded once, they become loops of the tape that records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor, enable_grad, is_grad_enabled, ops
from autograd.closed import source_of
from autograd.context import Cotangents
from autograd.deferred import Deferred, is_deferred
from autograd.primitive import aval_of
from autograd.tape import Guard, Node, Tape, current_tape, onto
from autograd.tensor import constant, lift

from ..graph import Atom, Choice, Graph, Loop, Var
from ..loop import loop_call, loop_output, primitive_of
from .record import GraphBuilder, live


class Body(NamedTuple):
    """A recorded body: its inputs are first the `constants`, tensors and arrays from outside that it reads.

    `places` are the source lines of its guards.
    """

    graph: Graph
    constants: list[Any]
    places: list[str]


class _BodyBuilder(GraphBuilder):
    """Takes whatever comes from outside as an input, connected with where it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.constants: list[Any] = []
        self.outer: list[Var] = []

    def atom(self, source: Any, value: Any) -> Atom:
        """The variable of a node, a leaf tensor or an array."""
        known = self.atoms.get(id(source))
        if known is None:
            connected = isinstance(source, Node | Tensor)
            known = None if connected else self.number(source, value)
        if known is None:
            known = Var(aval_of(value))
            self.outer.append(known)
            self.constants.append(lift(value, source) if connected else value)
        self.atoms[id(source)] = known
        self.kept.append(source)
        return known


def recorded_body(
    name: str,
    constants: Sequence[Tensor],
    inputs: Sequence[Tensor],
    run: Callable[[], Sequence[Any]],
    states: dict[Any, Any] | None = None,
) -> Body:
    """What `run` makes of tensors, as a body; its result are the outputs.

    **Arguments:** `name` of the loop; `constants` and `inputs`, the tensors that stand for those of the body; `states`,
    the states of random generators where a step begins, which are changed to those where it ends.

    **Errors:** `RuntimeError` where the body decides on a value, which may differ from step to step.
    """
    outer = current_tape()
    assert outer is not None
    tape = Tape(defers=True, control=outer.control)
    tape.states = states
    with onto(tape), enable_grad():
        outputs = run()
    if tape.guards:
        raise RuntimeError(
            f"the body of `{name}` decides on a value at {tape.guards[0].where}, which may differ from step to step; "
            "use `where` or `ag.cond` there, or a loop of Python"
        )
    if tape.accumulated:
        raise RuntimeError(f"the body of `{name}` calls `backward()`; use `grad`, which returns the gradients")
    return body_of(tape, [*constants, *inputs], outputs)


def body_of(tape: Tape, inputs: Sequence[Tensor], outputs: Sequence[Any]) -> Body:
    """What a tape made of inputs; whatever else it read are constants. Its guards stand where they were decided on."""
    builder = _BodyBuilder()
    for x in inputs:
        builder.input(x, None)
    guards: dict[int, list[Guard]] = {}
    for guard in tape.guards:
        guards.setdefault(id(guard.node), []).append(guard)
    for node in live(tape, [source_of(y) for y in outputs], set(builder.atoms)):
        builder.add(node)
        for guard in guards.get(id(node), ()):
            builder.guard(guard)
    atoms = tuple([builder.atom(source_of(y), y.data if isinstance(y, Tensor) else y) for y in outputs])
    graph = Graph((*builder.outer, *builder.inputs), (), tuple(builder.equations), tuple(builder.conditions), atoms)
    return Body(graph, builder.constants, [x.where for x in builder.decisions])


def placeholder(x: Any) -> Tensor:
    """A tensor that stands for a value of a step; it has that of the first step, whoever looks."""
    data = x.data if isinstance(x, Tensor) else x
    # To ask for a value that waits may be to run a whole loop.
    made = constant(data if is_deferred([data]) else np.asarray(data))
    made.requires_grad = made.dtype.kind in "fc"
    return made


def element_of(x: Any) -> Tensor:
    """A tensor that stands for the elements of an array that a loop goes over."""
    data = x.data if isinstance(x, Tensor) else x
    index = (0, *[(0, n, 1) for n in data.shape[1:]])
    return placeholder(Deferred(ops.slice_, (data,), {"index": index}) if is_deferred([data]) else data[0])


def united(bodies: Sequence[Body]) -> tuple[Choice, list[Any]]:
    """Bodies of the same inputs as the cases of a choice, and the constants that its inputs begin with."""
    constants: dict[int, Any] = {}
    for body in bodies:
        constants.update({id(source_of(x)): x for x in body.constants})
    graphs = []
    for graph, own, _ in bodies:
        variables = {id(source_of(x)): variable for x, variable in zip(own, graph.inputs, strict=False)}
        read = [variables.get(key) or Var(aval_of(x)) for key, x in constants.items()]
        graphs.append(graph._replace(inputs=(*read, *graph.inputs[len(own) :])))
    return Choice(tuple(graphs)), list(constants.values())


def bind(
    loop: Loop | Choice, inputs: Sequence[Any], pullback: Callable[[Any, Cotangents, Sequence[Any]], list[Any]]
) -> list[Tensor]:
    """The results of a loop, or of a choice, as nodes of the tape that records.

    **Arguments:** `inputs`, tensors and arrays; `pullback(loop, g, inputs)`, which gives their cotangents from those of
    the results.
    """
    tape = current_tape()
    assert tape is not None
    values = tuple([x.data if isinstance(x, Tensor) else x for x in inputs])
    parents = tuple([(x.node or x) if isinstance(x, Tensor) else None for x in inputs])
    requires_grad = is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
    call = Node(loop_call, values, None, {"loop": loop, "pullback": pullback}, parents, requires_grad)
    tape.nodes.append(call)
    return [_output(tape, call, values, {"loop": loop, "pick": i}) for i in range(len(loop.results))]


def _output(tape: Tape, call: Node, values: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
    out = constant(Deferred(primitive_of(params["loop"]), values, params))
    out.requires_grad = call.requires_grad and out.dtype.kind in "fc"
    out.node = Node(loop_output, (None,), out.data, params, (call,), out.requires_grad)
    tape.nodes.append(out.node)
    return out
