"""The function that sweeps every tape of one structure by a kernel.

    def __sweep(__seeds, __wanted, __retain):
        (__n0, __g0), = __seeds
        [__n1, __l2] = __n0.parents
        __i0 = __n0.inputs
        if __wanted is not None or __n0.primitive is not __p3 or __n0.params or ... : return __MISS
        ...
        __o0 = __empty((3,), __d7)
        [__status] = __kernel((__g0, __i0[1], __n1.out, __o0))
        if __status: return __MISS
        if not __retain:
            __n0.inputs = __n0.out = None
        return {__l2: __o0}

It looks at all that the kernel takes for granted: the ops, their parameters, the wiring, and the shapes and dtypes of
what no swept op has made, from which those of all other values follow. The kernel looks at the arrays that it reads.

A node that stands at two places of the recorded tape is one name. Two names may well turn out to be one node: then
its two cotangents are swept apart, and add up below, since a sweep is linear in them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.lengths import closed, is_length, is_open, written
from autograd.primitive import Aval
from autograd.tape import Node

from ..calling.caller import MISS
from ..kernels.cache import kept_kernel_of, kernel_of, uncollected
from ..kernels.kernel import Kernel
from ..recording.record import Captured
from ..signature import is_ready, order_of, ready
from .fingerprint import Seeds, is_fixed
from .patterns import Pattern
from .recorded_sweep import Given, Recorded, Unfit, inputs_name, names_of, recorded_sweep

#: Gives the cotangents by node or leaf, as `sweep` does; `MISS` for a tape of another structure.
Sweep = Callable[[Seeds, Collection[Any] | None, bool], Any]
#: How a sweep says the same where a name or an item is not there, or where the kernel refuses a value.
OTHER_STRUCTURE = (AttributeError, TypeError, ValueError, IndexError)


def compiled_sweep(
    seeds: Seeds,
    wanted: Collection[Any] | None,
    share: bool,
    kept: bool = False,
    pattern: Pattern | None = None,
) -> tuple[Sweep | None, bool]:
    """The function that sweeps tapes of the structure of this one, and whether it takes arrays for shared.

    **Arguments:** `seeds`, pairs of a root and its cotangent; `wanted`, the nodes and leaves that are asked for, `None`
    for all leaves; `share`, whether an array that two nodes have saved is taken to be one for both in every tape;
    `kept`, whether nothing is to be compiled: the function is `None` where no such kernel is kept; `pattern`, the
    lengths of the tape, some of them open.

    **Errors:** `Unfit` for a tape that cannot be compiled, `NotOpen` for one that cannot with open lengths.
    """
    with uncollected():
        names = names_of(seeds)
        recorded = recorded_sweep(seeds, wanted, names, share, pattern)
        graph = recorded.graph._replace(together=True)
        try:
            kernel = kept_kernel_of(graph) if kept else kernel_of(graph)
        except NotImplementedError as error:
            raise Unfit(str(error)) from None
        if kernel is None:
            return None, False
        return _Writer(seeds, wanted, names, recorded, kernel, pattern).function(), bool(recorded.shared)


class _Writer:
    def __init__(
        self,
        seeds: Seeds,
        wanted: Collection[Any] | None,
        names: dict[Any, str],
        recorded: Recorded,
        kernel: Kernel,
        pattern: Pattern | None,
    ) -> None:
        self.seeds, self.wanted, self.nodes, self.recorded, self.kernel = seeds, wanted, names, recorded, kernel
        self.names: dict[str, Any] = {
            "__MISS": MISS, "__kept": kernel, "__kernel": kernel.entry, "__empty": np.empty, "__ready": ready,
        }  # fmt: skip
        self.lines: list[str] = []
        # The conditions under which the tape is one of another structure.
        self.unless: list[str] = []
        # The names of objects that the conditions ask for, and the expressions of arrays that were looked at.
        self.known: dict[int, str] = {}
        self.seen: dict[int, str] = {}
        self.roots = {root for root, _ in seeds}
        # The names of nodes and leaves that have been taken from a consumer.
        self.taken = {names[root] for root in self.roots}
        # What the kernel itself looks at.
        self.read = {x.path for x in recorded.given}
        # The values that are named for it, or to be compared with one of these.
        self.named = self.read.union(*recorded.shared)
        # What stands at the places of the tape; the names of the open sizes; and conditions that need these.
        self.at = {} if pattern is None else pattern.at
        self.axes = {} if pattern is None else pattern.axes
        self.sizes = {name: f"__{name}" for name in self.axes}
        self.later: list[str] = []

    def function(self) -> Sweep:
        """The function."""
        self.head()
        for node, name in self.nodes.items():
            if type(node) is Node:
                self.node(node, name)
        self.unless += [f"{one} is not {other}" for one, other in self.recorded.shared]
        self.lengths()
        self.distinct()
        self.end_unless()
        self.call()
        text = "".join(f"    {line}\n" for line in self.lines)
        exec(f"def __sweep(__seeds, __wanted, __retain):\n{text}", self.names)
        # Taken out of its own namespace, it is freed when nobody needs it.
        made: Sweep = self.names.pop("__sweep")
        return made

    def name(self, prefix: str, value: Any) -> str:
        """The name of a value in the namespace of the function, one for each value."""
        name = self.known.get(id(value))
        if name is None:
            name = self.known[id(value)] = f"__{prefix}{len(self.names)}"
            self.names[name] = value
        return name

    def end_unless(self) -> None:
        if self.unless:
            self.lines.append(f"if {' or '.join(self.unless)}: return __MISS")
            self.unless = []

    def expression(self, x: Any) -> str:
        """The expression of a shape, an index or an integer with open lengths."""
        if is_length(x):
            return written(x.terms, self.sizes)
        return f"({''.join([f'{self.expression(y)}, ' for y in x])})" if type(x) is tuple else repr(x)

    # ---- is it a tape of that structure ----

    def head(self) -> None:
        """Takes the roots and what is wanted."""
        pairs = [f"({self.nodes[root]}, __g{i})" for i, (root, _) in enumerate(self.seeds)]
        self.lines.append(f"{', '.join(pairs)}, = __seeds")
        self.unless.append("__wanted is not None" if self.wanted is None else f"len(__wanted) != {len(self.wanted)}")
        for i, (_, g) in enumerate(self.seeds):
            if isinstance(g, Tensor):
                self.unless.append(f"__g{i}.requires_grad")
                self.lines.append(f"__t{i} = __g{i}.data")
        self.end_unless()

    def node(self, node: Node, name: str) -> None:
        """Looks at a node, and takes its parents."""
        self.unless.append(f"{name}.primitive is not {self.name('p', node.primitive)}")
        self.params(node, name)
        if node not in self.roots:
            self.unless.append(f"not {name}.requires_grad")
        parents = [self.parent(i, parent) for i, parent in enumerate(node.parents)]
        self.lines.append(f"[{', '.join(parents)}] = {name}.parents")
        if node in self.recorded.swept and node.inputs is not None:
            saved = inputs_name(name)
            values = [f"{saved}[{i}]" for i in range(len(node.inputs))]
            if self.named.isdisjoint(values) and self.recorded.swept.issuperset(node.parents):
                self.unless.append(f"{name}.inputs is None")
            else:
                # Of a node that was freed, no item can be looked at.
                self.lines.append(f"{saved} = {name}.inputs")
            for i, (x, parent) in enumerate(zip(node.inputs, node.parents, strict=True)):
                if parent not in self.recorded.swept:
                    self.value(values[i], node, x, self.at.get((name, i)))
        self.end_unless()

    def params(self, node: Node, name: str) -> None:
        """Looks at the parameters of a node."""
        places = {key: self.at.get((name, key), value) for key, value in node.params.items()}
        if not node.params:
            self.unless.append(f"{name}.params")
        elif all(closed(x) is x for x in places.values()):
            self.unless.append(f"{name}.params != {self.name('q', node.params)}")
        else:
            # Only lengths are parameters there.
            items = [f"{key!r}: {self.expression(x)}" for key, x in places.items()]
            self.later.append(f"{name}.params != {{{', '.join(items)}}}")

    def lengths(self) -> None:
        """Takes the open sizes, and looks at all that depends on them."""
        for name, ((owner, key), axis) in self.axes.items():
            path = f"{inputs_name(owner)}[{key}]"
            if owner == "g":
                path = f"__t{key}" if isinstance(self.seeds[int(key)][1], Tensor) else f"__g{key}"
            self.lines.append(f"{self.sizes[name]} = {path}.shape[{axis}]")
        self.unless += self.later

    def parent(self, i: int, parent: Any) -> str:
        """The name that a parent is taken by."""
        name = self.nodes.get(parent)
        if name is None:
            self.unless.append(f"__x{i} is not None" if parent is None else f"__x{i}.requires_grad")
            return f"__x{i}"
        if name in self.taken:
            self.unless.append(f"__x{i} is not {name}")
            return f"__x{i}"
        self.taken.add(name)
        if type(parent) is not Node:
            self.unless.append(f"type({name}) is not {self.name('k', type(parent))} or not {name}.requires_grad")
        return name

    def value(self, path: str, node: Node, x: Any, at: Any) -> None:
        """Looks at a value that no swept node has made; `at` is its shape, or itself, with open lengths."""
        kind = type(x)
        if isinstance(x, np.ndarray | Aval):
            if x.shape == ():
                # The kernel takes a number here as well.
                self.unless.append(f"type({path}) is not {self.name('k', kind)}")
            if path in self.read:
                self.seen.setdefault(id(x), path)
                return
            if at is not None and is_open(at):
                self.later.append(f"{path}.shape != {self.expression(at)} or {path}.dtype != {self.name('d', x.dtype)}")
                return
            other = f"{path}.shape != {x.shape} or {path}.dtype != {self.name('d', x.dtype)}"
            before = self.seen.setdefault(id(x), path)
            self.unless.append(other if before == path else f"{path} is not {before} and ({other})")
            return
        other = f"type({path}) is not {self.name('k', kind)}"
        if is_length(at):
            self.later.append(f"{path} != {self.expression(at)}")
        elif is_fixed(node.primitive, x):
            # Small integers, and constants of a program, are the very same object each time.
            fixed = self.name("v", x)
            other = f"{path} is not {fixed} and ({other} or {path} != {fixed})"
        self.unless.append(other)

    def distinct(self) -> None:
        """Two names of one leaf, or of one node where a node is wanted, would each have a part of its cotangent."""
        wanted = () if self.wanted is None else self.wanted
        some = [name for x, name in self.nodes.items() if type(x) is not Node]
        if any(type(x) is Node for x in wanted):
            some = list(self.nodes.values())
        roots = [self.nodes[root] for root, _ in self.seeds]
        for group in (some, roots):
            if len(group) > 1:
                self.unless.append(f"len({{{', '.join(group)}}}) != {len(group)}")
        self.unless += [f"{self.nodes[x]} not in __wanted" for x in wanted]

    # ---- the call ----

    def call(self) -> None:
        """Calls the kernel, frees what was swept, and returns the cotangents."""
        graph, found = self.kernel.graph, []
        items = [self.given(x) for x in self.recorded.given] + [self.capture(x) for x in self.recorded.captured]
        results = ["__status"]
        for i, x in enumerate(graph.outputs):
            if x.aval.shape == ():
                results.append(f"__r{i}")
                found.append(f"{self.name('k', x.aval.dtype.type)}(__r{i})")
                continue
            self.lines.append(f"__o{i} = __empty({self.expression(x.aval.shape)}, {self.name('d', x.aval.dtype)})")
            items.append(f"__o{i}")
            found.append(f"__o{i}")
        if self.kernel.workspace:
            pool: deque[Any] = deque()
            self.names |= {"__take": pool.pop, "__give": pool.append, "__byte": np.uint8}
            size = self.expression(self.kernel.workspace)
            self.lines += ["try: __w = __take()", f"except IndexError: __w = __empty({size}, __byte)"]
            if is_length(self.kernel.workspace):
                self.lines.append(f"if __w.size < {size}: __w = __empty({size}, __byte)")
            items.append("__w")
        self.lines.append(f"[{', '.join(results)}] = __kernel(({''.join([f'{x}, ' for x in items])}))")
        if self.kernel.workspace:
            self.lines.append("__give(__w)")
        self.lines.append("if __status: return __MISS")
        self.lines.append("if not __retain:")
        self.lines += [
            f"    {name}.inputs = {name}.out = None" for x, name in self.nodes.items() if x in self.recorded.swept
        ]
        pairs = [f"{self.nodes[x]}: {value}" for x, value in zip(self.recorded.found, found, strict=True)]
        self.lines.append(f"return {{{', '.join(pairs)}}}")

    def given(self, x: Given) -> str:
        """The expression of a value as the kernel takes it."""
        path, value = x.path, x.value
        if path in self.sizes:
            return f"__empty(({self.sizes[path]}, 0), {self.name('d', np.dtype(bool))})"
        if path.startswith("__g") and isinstance(self.seeds[int(path[3:])][1], Tensor):
            path = f"__t{path[3:]}"
        if not isinstance(value, np.ndarray):
            return path
        order = order_of(value)
        if not is_ready(value if order is None else value.transpose(order)):
            return f"__ready({path}, {order})"
        return path if order is None else f"{path}.transpose({order})"

    def capture(self, x: Captured) -> str:
        """The expression of an array that the rules have made."""
        return self.name("c", ready(x.source, x.order))
