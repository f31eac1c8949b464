"""The sweep of a tape, recorded on the values that its nodes have saved: a graph with these values as inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor, set_grad_enabled
from autograd.deferred import Deferred
from autograd.lengths import closed, is_length, is_open
from autograd.primitive import Aval, Shape
from autograd.tape import Node, Tape, onto, sweep
from autograd.tensor import constant, open_number
from autograd.weak import weak

from ..calling.outer import compiled_call
from ..dispatch.opening import NotOpen, open_graph
from ..graph import Atom, Equation, Graph, Var
from ..passes import optimise
from ..recording.record import Captured, graph_of
from ..signature import check_dtype, order_of
from .fingerprint import Seeds, is_fixed
from .patterns import Pattern, Place

# More values than this are not handed to a kernel.
_MOST_VALUES = 50_000


class Unfit(Exception):
    """A tape whose sweep is not compiled, and why."""


class Given(NamedTuple):
    """A value that the recorded sweep reads: the expression that finds it, the value, the tensor that stood for it.

    Of one that only tells the kernel a size, the path is the name of that size, and there is no more.
    """

    path: str
    value: Any = None
    tensor: Tensor | None = None


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


def recorded_sweep(
    seeds: Seeds, wanted: Collection[Any] | None, names: dict[Any, str], share: bool, pattern: Pattern | None = None
) -> Recorded:
    """The sweep from the roots, as a graph after all passes.

    **Arguments:** `names`, those of `names_of`, from which the expressions are made; `share`, whether an array that was
    saved twice is one input; `pattern`, the lengths of the tape, some of them open.

    **Errors:** `Unfit` for a tape that cannot be compiled, `NotOpen` for one that cannot with open lengths.
    """
    copies = _Copies({} if pattern is None else pattern.at)
    ends: Any = None
    with onto(Tape(True, open=pattern is not None)) as tape, set_grad_enabled(False), np.errstate(all="ignore"):
        made = {node: copies.copied(node, names) for node in _oldest_first(names)}
        for node, copy in made.items():
            copy.parents = tuple([made.get(parent, parent) for parent in node.parents])
        roots = [
            (made[root], copies.lifted(f"__g{i}", array_of(g), copies.at.get(("g", i))))
            for i, (root, g) in enumerate(seeds)
        ]
        if wanted is not None:
            ends = {made.get(x, x) for x in wanted}
        cotangents = sweep(roots, ends, lambda x, _: x, False)
    if wanted is not None and len(cotangents) != len(wanted):
        raise Unfit("not all that is wanted is on the tape")
    outputs = [_tensor(x) for x in cotangents.values()]
    given = copies.given
    orders = [order_of(x.value) if isinstance(x.value, np.ndarray) else None for x in given]
    graph, captured, *_ = graph_of(tape, [x.tensor for x in given if x.tensor is not None], outputs, orders)
    originals = {copy: node for node, copy in made.items()}
    found = [originals.get(x, x) for x in cotangents]
    swept = {node for node, copy in made.items() if copy.inputs is None and node.inputs is not None}
    return _reduced(Recorded(graph, given, captured, found, swept), share, pattern)


def _oldest_first(names: Collection[Any]) -> list[Node]:
    return sorted([x for x in names if type(x) is Node], key=lambda node: node.number)


def _tensor(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        return x
    return constant(x if type(x) is Deferred else np.asarray(x))


def array_of(g: Any) -> Any:
    """The array of a cotangent that may be a tensor."""
    return g.data if isinstance(g, Tensor) else g


class _Copies:
    """Makes nodes with tensors in the place of their values, to be swept instead of them.

    **Arguments:** `at`, what stands at the places of the tape, with open lengths; nothing where none is open.
    """

    def __init__(self, at: Mapping[Place, Any]) -> None:
        self.at = at
        self.given: list[Given] = []
        # The shapes of what nodes have made, by their own rules.
        self.shapes: dict[Any, Shape] = {}

    def copied(self, node: Node, names: dict[Any, str]) -> Node:
        """The copy of a node, made after those of its parents; it has no parents yet."""
        name, values, params = names[node], node.inputs, node.params
        inputs = None
        if self.at:
            params = {key: self.at.get((name, key), value) for key, value in params.items()}
        if values is not None:
            shapes = [
                self.shapes[x] if x in self.shapes else self.at.get((name, i)) for i, x in enumerate(node.parents)
            ]
            if self.at:
                self.shapes[node] = _shape_of(node, params, shapes)
            saved = inputs_name(name)
            inputs = tuple([
                self.input(node, f"{saved}[{i}]", x, shape)
                for i, (x, shape) in enumerate(zip(values, shapes, strict=True))
            ])  # fmt: skip
        out = self.lifted(f"{name}.out", node.out, self.shapes.get(node))
        copy = Node(node.primitive, inputs, out, params, (), node.requires_grad)
        copy.number = node.number
        return copy

    def input(self, node: Node, path: str, x: Any, shape: Any) -> Any:
        if is_length(shape):
            return open_number(shape)
        return x if is_fixed(node.primitive, x) else self.lifted(path, x, shape)

    def lifted(self, path: str, x: Any, shape: Any) -> Any:
        """The tensor of a value, under a shape that may have open lengths; `None` for its own."""
        if x is None:
            return x
        if shape is not None and closed(shape) != x.shape:
            raise NotOpen(f"an array of {x.shape} stands where its ops give {closed(shape)}")
        if type(x) is Aval:
            return x if shape is None else Aval(shape, x.dtype)
        if not isinstance(x, float | np.ndarray | np.generic):
            raise Unfit(f"a rule reads a {type(x).__name__}")
        x = weak(x) if type(x) is float else x
        try:
            check_dtype(x.dtype)
        except TypeError as error:
            raise Unfit(str(error)) from None
        data = Deferred.of(x, shape) if shape is not None and is_open(shape) else x
        self.given.append(Given(path, x, constant(data)))
        return self.given[-1].tensor


def _shape_of(node: Node, params: dict[str, Any], shapes: Sequence[Any]) -> Shape:
    """The shape that the rule of an op gives where its inputs have these shapes, `None` for numbers."""
    inputs = zip(node.inputs or (), shapes, strict=True)
    values = tuple([Deferred.of(x, shape) if type(shape) is tuple else x for x, shape in inputs])
    try:
        return Deferred(node.primitive, values, params).shape
    except (TypeError, ValueError) as error:
        raise NotOpen(f"`{node.primitive}` failed with open lengths: {error}") from error


def _reduced(recorded: Recorded, share: bool, pattern: Pattern | None) -> Recorded:
    """The recorded sweep after all passes, without the values that it does not read."""
    graph, given = recorded.graph, recorded.given
    same, shared = _same(graph, given) if share else ({}, [])
    graph = _renamed(graph, same)
    graph = optimise(graph) if pattern is None else open_graph(graph, pattern.lengths)
    read = _read(graph)
    inputs = [(variable, x) for variable, x in zip(graph.inputs, given, strict=True) if variable in read]
    captures = [
        (variable, x) for variable, x in zip(graph.captures, recorded.captured, strict=True) if variable in read
    ]
    inputs += _size_inputs(graph, [x for x, _ in inputs])
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


def _size_inputs(graph: Graph, inputs: Sequence[Var]) -> list[tuple[Var, Given]]:
    """Arrays without elements for the sizes that no other array of the kernel has as a length."""
    if graph.open is None:
        return []
    outputs = [x for x in graph.outputs if isinstance(x, Var)]
    known = {str(n) for x in (*inputs, *outputs) for n in x.aval.shape if is_length(n)}
    missing = [name for name in graph.open.values if name not in known]
    shapes: list[Any] = [(graph.open.size(name), 0) for name in missing]
    return [(Var(Aval(shape, np.dtype(bool))), Given(name)) for shape, name in zip(shapes, missing, strict=True)]


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
        if one is not variable and str(one.aval) == str(variable.aval):
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
