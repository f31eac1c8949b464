"""The sweep of a tape, recorded on the values that its nodes have saved: a graph with these values as inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor, record, set_grad_enabled
from autograd.primitive import Aval
from autograd.tape import Node, sweep
from autograd.tensor import constant
from autograd.weak import weak

from .fingerprint import Seeds, is_fixed
from .graph import Atom, Equation, Graph, Var
from .outer import compiled_call
from .passes import optimise
from .record import Captured, graph_of
from .signature import check_dtype, order_of

# More values than this are not handed to a kernel.
_MOST_VALUES = 50_000


class Unfit(Exception):
    """A tape whose sweep is not compiled, and why."""


class Given(NamedTuple):
    """A value that the recorded sweep reads: the expression that finds it, the value, the tensor that stood for it."""

    path: str
    value: Any
    tensor: Tensor


class Recorded(NamedTuple):
    """A recorded sweep.

    `given` and `captured` are what the inputs and captures of the `graph` stand for; `found` are the nodes and leaves
    whose cotangents it returns; `swept` are the nodes whose rules it has applied; `shared` are pairs of expressions
    that are taken to find the same array.
    """

    graph: Graph
    given: Sequence[Given]
    captured: Sequence[Captured]
    found: Sequence[Any]
    swept: set[Node]
    shared: Sequence[tuple[str, str]] = ()


def names_of(seeds: Seeds) -> dict[Any, str]:
    """A name for each node and leaf behind the roots, in the order of the walk from them.

    **Errors:** `Unfit` for a tape that cannot be compiled.
    """
    names: dict[Any, str] = {}
    for root, _ in seeds:
        if type(root) is not Node or root in names:
            raise Unfit("a root is a leaf, or stands twice")
        names[root] = f"__n{len(names)}"
    nodes = list(names)
    for node in nodes:
        if node.primitive is compiled_call:
            raise Unfit("a compiled call has a kernel for its own sweep")
        for parent in node.parents:
            if parent is None or parent in names or not parent.requires_grad:
                continue
            is_node = type(parent) is Node
            names[parent] = f"__{'n' if is_node else 'l'}{len(names)}"
            if is_node:
                nodes.append(parent)
    return names


def inputs_name(name: str) -> str:
    """The name of what the node of that name has saved of its inputs."""
    return f"__i{name[3:]}"


def recorded_sweep(seeds: Seeds, wanted: Collection[Any] | None, names: dict[Any, str], share: bool) -> Recorded:
    """The sweep from the roots, as a graph after all passes.

    **Arguments:** `names`, those of `names_of`, from which the expressions are made; `share`, whether an array that was
    saved twice is one input.

    **Errors:** `Unfit` for a tape that cannot be compiled.
    """
    given: list[Given] = []

    def lifted(path: str, x: Any) -> Any:
        if x is None or type(x) is Aval:
            return x
        if not isinstance(x, float | np.ndarray | np.generic):
            raise Unfit(f"a rule reads a {type(x).__name__}")
        x = weak(x) if type(x) is float else x
        try:
            check_dtype(x.dtype)
        except TypeError as error:
            raise Unfit(str(error)) from None
        given.append(Given(path, x, constant(x)))
        return given[-1].tensor

    copies = {node: _copied(node, name, lifted) for node, name in names.items() if type(node) is Node}
    for node, copy in copies.items():
        copy.parents = tuple([copies.get(parent, parent) for parent in node.parents])
    roots = [(copies[root], lifted(f"__g{i}", array_of(g))) for i, (root, g) in enumerate(seeds)]
    ends = None if wanted is None else {copies.get(x, x) for x in wanted}
    with record(defer=True) as tape, set_grad_enabled(False), np.errstate(all="ignore"):
        cotangents = sweep(roots, ends, lambda x, _: x, False)
    if wanted is not None and len(cotangents) != len(wanted):
        raise Unfit("not all that is wanted is on the tape")
    outputs = [x if isinstance(x, Tensor) else constant(np.asarray(x)) for x in cotangents.values()]
    orders = [order_of(x.value) if isinstance(x.value, np.ndarray) else None for x in given]
    graph, captured, *_ = graph_of(tape, [x.tensor for x in given], outputs, orders)
    originals = {copy: node for node, copy in copies.items()}
    found = [originals.get(x, x) for x in cotangents]
    swept = {node for node, copy in copies.items() if copy.inputs is None and node.inputs is not None}
    return _reduced(Recorded(graph, given, captured, found, swept), share)


def array_of(g: Any) -> Any:
    """The array of a cotangent that may be a tensor."""
    return g.data if isinstance(g, Tensor) else g


def _copied(node: Node, name: str, lifted: Callable[[str, Any], Any]) -> Node:
    """A node with tensors in the place of its values, to be swept instead of it."""
    inputs = None
    if node.inputs is not None:
        saved = inputs_name(name)
        inputs = tuple([
            x if is_fixed(node.primitive, x) else lifted(f"{saved}[{i}]", x) for i, x in enumerate(node.inputs)
        ])  # fmt: skip
    copy = Node(node.primitive, inputs, lifted(f"{name}.out", node.out), node.params, (), node.requires_grad)
    copy.number = node.number
    return copy


def _reduced(recorded: Recorded, share: bool) -> Recorded:
    """The recorded sweep after all passes, without the values that it does not read."""
    graph, given = recorded.graph, recorded.given
    same, shared = _same(graph, given) if share else ({}, [])
    graph = optimise(_renamed(graph, same))
    read = _read(graph)
    inputs = [(variable, x) for variable, x in zip(graph.inputs, given, strict=True) if variable in read]
    captures = [
        (variable, x) for variable, x in zip(graph.captures, recorded.captured, strict=True) if variable in read
    ]
    if len(inputs) > _MOST_VALUES:
        raise Unfit(f"a sweep that reads {len(inputs)} values")
    graph = graph._replace(inputs=tuple([x for x, _ in inputs]), captures=tuple([x for x, _ in captures]))
    paths = {x.path for _, x in inputs}
    return recorded._replace(
        graph=graph,
        given=[x for _, x in inputs],
        captured=[x for _, x in captures],
        shared=[(one, other) for one, other in shared if one in paths],
    )


def _same(graph: Graph, given: Sequence[Given]) -> tuple[dict[Atom, Atom], list[tuple[str, str]]]:
    """For each variable of an array that the graph reads by an earlier one too that one; and both expressions."""
    read = _read(graph)
    first: dict[int, tuple[Var, str]] = {}
    same: dict[Atom, Atom] = {}
    shared = []
    for variable, x in zip(graph.inputs, given, strict=True):
        if variable not in read or not isinstance(x.value, np.ndarray) or x.value.ndim == 0:
            continue
        one, path = first.setdefault(id(x.value), (variable, x.path))
        if one is not variable:
            same[variable] = one
            shared.append((path, x.path))
    return same, shared


def _read(graph: Graph) -> set[Atom]:
    """The variables that equations, guards and outputs read."""
    read: set[Atom] = {x for equation in graph.equations for x in equation.inputs if isinstance(x, Var)}
    return read.union([x for x in (*graph.outputs, *graph.guards) if isinstance(x, Var)])


def _renamed(graph: Graph, names: dict[Atom, Atom]) -> Graph:
    """The graph that reads other variables."""

    def renamed(atoms: Sequence[Atom]) -> tuple[Atom, ...]:
        return tuple([names.get(x, x) if isinstance(x, Var) else x for x in atoms])

    equations = [
        Equation(primitive, renamed(inputs), params, out) for primitive, inputs, params, out in graph.equations
    ]
    return graph._replace(equations=tuple(equations), guards=renamed(graph.guards), outputs=renamed(graph.outputs))
