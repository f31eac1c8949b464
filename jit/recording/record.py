"""From a tape to a graph: the equations that the outputs need, with captured arrays as inputs of their own."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from os import sep
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor, ops
from autograd.closed import source_of
from autograd.deferred import Deferred, dtypes_of
from autograd.lengths import is_open
from autograd.primitive import Aval, Primitive
from autograd.tape import PACKAGE, Guard, Node, Tape, user_line
from autograd.tensor import lift
from autograd.weak import WEAK, WeakFloat, plain

from ..fourier import TRANSFORMS, length_of, table
from ..graph import Atom, Equation, Graph, Literal, Params, Var
from ..loop import loop_call, loop_output, primitive_of
from ..signature import check_dtype, order_of

# As a tuple, since a union would be made anew at each call.
_ARRAYS = (np.ndarray, np.generic, Deferred)
_FLOATS, _FLOAT = frozenset({float, WeakFloat}), np.dtype(np.float64)
_UNKNOWN: Mapping[int, str] = MappingProxyType({})
_PACKAGES = (PACKAGE, str(Path(__file__).parents[1]) + sep)


class Captured(NamedTuple):
    """An array, or a tensor, that a graph holds on to; `order` is the permutation in which the graph takes it."""

    source: Any
    order: tuple[int, ...] | None


class Decision(NamedTuple):
    """What a guard asks: whether the value that Python looked at, at a source line, is this one."""

    where: str
    value: Any


class Recording(NamedTuple):
    """A graph, what its captures stand for, the decision of each guard, and the source line of each equation.

    The lines are empty unless they were noted.
    """

    graph: Graph
    captured: tuple[Captured, ...]
    decisions: tuple[Decision, ...]
    lines: tuple[str, ...] = ()


class NotedNodes(list[Node]):
    """The nodes of a tape, which notes from where each came."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[int, str] = {}

    def append(self, node: Node) -> None:
        """Adds a node."""
        super().append(node)
        self.lines[id(node)] = user_line(_PACKAGES)


# What takes no time for names.
_new = tuple.__new__


def graph_of(
    tape: Tape, inputs: Sequence[Tensor], outputs: Sequence[Tensor], orders: Sequence[Any] | None = None
) -> Recording:
    """The graph of what the tape recorded between tensors.

    **Arguments:** `tape`; `inputs`, the tensors that become the graph's inputs, in its order; `outputs`, the
    tensors that it returns; `orders`, for each input the permutation of its axes in which the kernel gets it, `None`
    for their own order. Any other tensor or array which the recorded operations read is captured. Where the tape notes
    lines, the equations that the outputs do not need are in the graph too.
    """
    noted = tape.nodes.lines if isinstance(tape.nodes, NotedNodes) else None
    builder = GraphBuilder(noted or _UNKNOWN)
    for x, order in zip(inputs, orders or [None] * len(inputs), strict=True):
        builder.input(x, order)
    results = [source_of(x) for x in outputs]
    given = set(builder.atoms)
    for node in live(tape, results, given) if noted is None else _all(tape, given):
        builder.add(node)
    for guard in tape.guards:
        builder.guard(guard)
    atoms = tuple([builder.atom(x, x.out if isinstance(x, Node) else x.data) for x in results])
    graph = Graph(
        tuple(builder.inputs),
        tuple(builder.captures),
        tuple(builder.equations),
        tuple(builder.conditions),
        atoms,
    )
    return Recording(graph, tuple(builder.captured), tuple(builder.decisions), tuple(builder.lines))


def _all(tape: Tape, given: set[int]) -> list[Node]:
    """The nodes of the tape that a graph can have."""
    return [x for x in tape.nodes if id(x) not in given and x.inputs is not None and x.out.dtype.kind in "fiub"]


def live(tape: Tape, results: list[Any], given: set[int]) -> list[Node]:
    """The nodes of the tape that results and guards depend on, in their order."""
    needed = {id(x) for x in results} | {id(source_of(guard.node)) for guard in tape.guards}
    kept = []
    for node in reversed(tape.nodes):
        if id(node) in needed and id(node) not in given:
            kept.append(node)
            for parent in node.parents:
                if parent is not None:
                    needed.add(id(parent) if type(parent) is Node else id(source_of(parent)))
    return kept[::-1]


class GraphBuilder:
    """The graph in the making; `atoms` maps the nodes and leaf tensors of the tape to its variables.

    **Arguments:** `noted`, the source lines of nodes, by identity, if they are known.
    """

    def __init__(self, noted: Mapping[int, str] = _UNKNOWN) -> None:
        self.noted, self.line = noted, ""
        self.lines: list[str] = []
        self.inputs: list[Var] = []
        self.atoms: dict[int, Atom] = {}
        self.captures: list[Var] = []
        self.captured: list[Captured] = []
        self.equations: list[Equation] = []
        # The guards, and what each asks.
        self.conditions: list[Atom] = []
        self.decisions: list[Decision] = []
        # The keys of `atoms` are addresses, so what they stand for must live as long.
        self.kept: list[Any] = []
        # The inputs of each loop, by its node.
        self.loops: dict[int, tuple[Atom, ...]] = {}
        # What the operations of a loop have in common is made once: shapes with dtypes, and numbers by their identity.
        self.avals: dict[Any, Aval] = {}
        self.numbers: dict[Any, tuple[Any, Literal]] = {}

    def input(self, x: Tensor, order: tuple[int, ...] | None) -> None:
        aval = _aval(x.data)
        if order is None:
            variable: Atom = Var(aval)
            self.inputs.append(variable)  # type: ignore[arg-type]
        else:
            given = Var(Aval(tuple([aval.shape[i] for i in order]), aval.dtype))
            self.inputs.append(given)
            back = tuple(np.argsort(order).tolist())
            variable = self.equation(ops.transpose, (given,), (("axes", back),), aval)
        self.atoms[id(source_of(x))] = variable
        self.kept.append(source_of(x))

    def equation(self, primitive: Primitive, inputs: tuple[Atom, ...], params: Params, aval: Aval) -> Var:
        out = Var(aval)
        self.equations.append(Equation(primitive, inputs, params, out))
        self.lines.append(self.line)
        return out

    def add(self, node: Node) -> None:
        values = node.inputs
        if values is None:
            raise RuntimeError(
                f"`{node.name}` was freed by a sweep outside of the recording; record the whole computation again"
            )
        primitive, self.line = node.primitive, self.noted.get(id(node), "")
        if primitive is loop_output:
            params = tuple(sorted(node.params.items()))
            inputs = self.loops[id(node.parents[0])]
            self.atoms[id(node)] = self.equation(primitive_of(node.params["loop"]), inputs, params, _aval(node.out))
            return
        atoms = []
        out, requires_grad, known = node.out, node.requires_grad, self.atoms
        for i, (value, parent) in enumerate(zip(values, node.parents, strict=True)):
            if parent is None:
                atoms.append(self.constant(value, primitive, values, i, out))
            else:
                atom = known.get(id(parent)) or self.atom(source_of(parent), value)
                if requires_grad and type(parent) is Node and not parent.requires_grad:
                    atom = self.stopped(atom)
                if type(value) in WEAK:
                    atom = self.promoted(atom, primitive, values, i, out)
                atoms.append(atom)
        if primitive in TRANSFORMS and len(atoms) == 1:
            x = atoms[0].aval
            roots = table(TRANSFORMS[primitive], length_of(x, **node.params), ops.REAL_OF.get(x.dtype, x.dtype))
            atoms.append(self.atom(roots, roots))
        if primitive is loop_call:
            self.loops[id(node)] = tuple(atoms)
            return
        params = tuple(sorted(node.params.items())) if node.params else ()
        aval = self.avals.get((out.shape, out.dtype)) or self.avals.setdefault((out.shape, out.dtype), _aval(out))
        variable = known[id(node)] = Var(aval)
        self.equations.append(_new(Equation, (primitive, tuple(atoms), params, variable)))
        self.lines.append(self.line)
        if primitive is ops.pow and out.dtype.kind == "i" and _may_be_negative(atoms[1]):
            self.conditions.append(self.nonnegative(atoms[1]))
            self.decisions.append(Decision("an integer power, whose exponents must not be negative", True))

    def promoted(self, atom: Atom, primitive: Primitive, values: tuple[Any, ...], i: int, out: Any) -> Atom:
        """The atom of a number that a caller gave as a Python number: it takes the dtype of the arrays beside it."""
        if not primitive.elementwise or primitive is ops.astype:
            return atom
        dtype = _weak_dtype(primitive, values, i, out)
        if dtype == atom.aval.dtype:
            return atom
        return self.equation(ops.astype, (atom,), (("dtype", dtype),), Aval(atom.aval.shape, dtype))

    def stopped(self, atom: Atom) -> Atom:
        """What was computed without gradients, for instance within `no_grad`, as a gradient finds it."""
        if isinstance(atom, Literal) or atom.aval.dtype.kind not in "fc":
            return atom
        return self.equation(ops.stop_gradient, (atom,), (), atom.aval)

    def atom(self, source: Any, value: Any) -> Atom:
        """The variable of a node or leaf tensor; a new capture for what is neither recorded nor an input."""
        known = self.atoms.get(id(source))
        if known is not None:
            return known
        if isinstance(source, Node) and source.requires_grad:
            # Made before the recording began: gradients go through it to where it came from.
            known = self.capture(lift(value, source), value)
        else:
            known = self.number(source, value) or self.capture(source, value)
        self.kept.append(source)
        self.atoms[id(source)] = known
        return known

    def number(self, source: Any, value: Any) -> Atom | None:
        """The literal that a value is or repeats, if it stays that for ever; `None` for any other array."""
        if isinstance(value, np.generic):
            # A tensor may be given other data later.
            return None if isinstance(source, Tensor) else Literal.of(value, value.dtype)
        if type(value) is Deferred:
            return self.repeated(value)
        if not value.size or any(value.strides) or not _is_immutable(value):
            return None
        number = Literal.of(value.flat[0], value.dtype)
        if value.ndim == 0:
            return number
        return self.equation(ops.expand, (number,), (("shape", value.shape),), _aval(value))

    def repeated(self, value: Deferred) -> Atom | None:
        """What a constant of an open shape is made by."""
        if value.equation is None or not is_open(value.shape):
            return None
        primitive, inputs, params = value.equation
        atoms = tuple([self.atom(x, x) for x in inputs])
        return self.equation(primitive, atoms, tuple(sorted(params.items())), _aval(value))

    def capture(self, source: Any, value: Any) -> Var:
        if is_open(value.shape):
            # An array that is there has the length that it has.
            [operator.index(n) for n in value.shape]
        value = np.asarray(value)
        check_dtype(value.dtype)
        aval, order = _aval(value), order_of(value)
        given = aval if order is None else Aval(tuple([aval.shape[i] for i in order]), aval.dtype)
        variable = Var(given)
        self.captures.append(variable)
        self.captured.append(Captured(source if isinstance(source, Tensor) else value, order))
        if order is None:
            return variable
        back = tuple(np.argsort(order).tolist())
        return self.equation(ops.transpose, (variable,), (("axes", back),), aval)

    def constant(self, value: Any, primitive: Primitive, values: tuple[Any, ...], i: int, out: Any) -> Atom:
        """The atom of an input that is no tensor: a number is part of the program, an array is captured."""
        if isinstance(value, _ARRAYS):
            return self.atom(value, value)
        dtype = _weak_dtype(primitive, values, i, out)
        known = self.numbers.get((id(value), dtype))
        if known is None:
            # A number that is kept has its identity for itself.
            known = self.numbers[id(value), dtype] = value, Literal.of(value, dtype)
        return known[1]

    def guard(self, guard: Guard) -> None:
        """Adds the condition that the value which escaped is the one that the recording saw."""
        self.conditions.append(self.unchanged(guard))
        self.decisions.append(Decision(guard.where, guard.value))

    def unchanged(self, guard: Guard) -> Atom:
        source, value = source_of(guard.node), guard.value
        seen = source.out if isinstance(source, Node) else source.data if isinstance(source, Tensor) else source
        x = self.atom(source, seen)
        if isinstance(value, bool):
            if x.aval.dtype.kind != "b":
                aval = Aval(x.aval.shape, np.dtype(bool))
                x = self.equation(ops.not_equal, (x, Literal.of(0, x.aval.dtype)), (), aval)
            return self.all(x if value else self.equation(ops.logical_not, (x,), (), x.aval))
        if isinstance(value, int) and x.aval.dtype.kind == "f":
            x = self.equation(ops.trunc, (x,), (), x.aval)
        return self.equal_to(x, np.asarray(value, x.aval.dtype))

    def nonnegative(self, x: Atom) -> Atom:
        """The condition under which NumPy takes integers to that power; the eager op says what is wrong otherwise."""
        zero = Literal.of(0, x.aval.dtype)
        return self.all(self.equation(ops.greater_equal, (x, zero), (), Aval(x.aval.shape, np.dtype(bool))))

    def all(self, x: Atom) -> Atom:
        """Whether all elements of a boolean array are true."""
        if not x.aval.shape:
            return x
        axes = (("axis", tuple(range(x.aval.ndim))), ("keepdims", False))
        return self.equation(ops.min, (x,), axes, Aval((), np.dtype(bool)))

    def equal_to(self, x: Atom, seen: Any) -> Atom:
        shape, dtype = x.aval.shape, np.dtype(bool)
        expected: Atom = Literal.of(seen.item(), x.aval.dtype) if seen.size == 1 else self.capture(None, seen.copy())
        # A NaN that is a NaN again has not changed.
        both = self.equation(ops.equal, (x, expected), (), Aval(shape, dtype))
        if x.aval.dtype.kind in "fc" and np.isnan(seen).any():
            nan = [self.equation(ops.isnan, (y,), (), Aval(y.aval.shape, dtype)) for y in (x, expected)]
            same = self.equation(ops.logical_and, tuple(nan), (), Aval(shape, dtype))
            both = self.equation(ops.logical_or, (both, same), (), Aval(shape, dtype))
        return self.all(both)


def _weak_dtype(primitive: Primitive, values: tuple[Any, ...], i: int, out: Any) -> Any:
    """The dtype that a Python number takes beside the other inputs of an op, by NumPy's promotion."""
    operands = values[1:] if primitive is ops.where else values
    if primitive is ops.where and i == 0:
        return np.dtype(bool)
    if _FLOATS.issuperset(map(type, operands)):
        return _FLOAT
    dtypes = dtypes_of(operands)
    if len(dtypes) == 1 and dtypes[0].kind == "f" and type(values[i]) in (float, int):
        return dtypes[0]
    if not dtypes:
        # Python numbers alone: what NumPy makes of them as arrays.
        return np.result_type(*[np.asarray(plain(x)).dtype for x in operands])
    return np.result_type(*dtypes, plain(values[i]))


def _may_be_negative(x: Atom) -> bool:
    return isinstance(x, Var) or x.value < 0


def _is_immutable(x: Any) -> bool:
    """Whether neither the array nor one that it is a view of can be written to."""
    while isinstance(x, np.ndarray):
        if x.flags.writeable:
            return False
        x = x.base
    return x is None


def _aval(x: Any) -> Aval:
    return Aval(x.shape, x.dtype if x.dtype.isnative else x.dtype.newbyteorder("="))
