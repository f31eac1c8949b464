"""The Python function that calls a kernel, written for one signature so that a call does nothing else.

    def call(a0, a1):
        if type(a0) is not float: return MISS
        o0 = empty((3,), dtype0)
        r = kernel(a0, a1, c0, o0)
        if r[0]: return MISS
        return (float64(r[1]), o0)

Names of its own begin with two underscores, since keyword arguments keep theirs.

It answers `MISS` where the arguments are not those that the kernel was made for: Numba's dispatcher raises
`TypeError` for another dtype, rank or layout, and the kernel's status tells of other shapes and of guards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.tree import Structure

from .kernel import Kernel
from .record import Captured
from .signature import Leaf, Signature

MISS = object()


def caller(
    kernel: Kernel,
    signature: Signature,
    captured: Sequence[Captured],
    outputs: Sequence[Any],
    structure: Structure,
) -> Callable[..., Any]:
    """The function that calls the kernel with arguments of that signature.

    **Arguments:** `captured`, the arrays or tensors that the captures of the graph stand for; `outputs`, for each leaf
    of the result the position of a kernel output, or a `Constant`; `structure`, that of the result.
    """
    return _Writer(kernel, captured).function(signature, outputs, structure)


class Constant:
    """A leaf of the result that no argument has a part in."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Writer:
    def __init__(self, kernel: Kernel, captured: Sequence[Captured]) -> None:
        self.kernel, self.captured = kernel, captured
        self.names: dict[str, Any] = {
            "__MISS": MISS, "__kernel": kernel.function, "__empty": np.empty, "__copy": np.array,
        }  # fmt: skip
        self.lines: list[str] = []
        self.inputs: list[str] = []

    def name(self, prefix: str, value: Any) -> str:
        """A name for a value in the namespace of the function."""
        name = f"__{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def function(self, signature: Signature, outputs: Sequence[Any], structure: Structure) -> Callable[..., Any]:
        positional, keywords = signature.structure.parts
        leaves = iter(signature.leaves)
        parameters = []
        for i, part in enumerate(positional.parts):
            parameters.append(f"__a{i}")
            self.argument(f"__a{i}", part, leaves)
        if parameters:
            parameters.append("/")
        if keywords.parts:
            parameters.append("*")
        for key, part in zip(keywords.keys, keywords.parts, strict=True):
            parameters.append(key)
            self.argument(key, part, leaves)
        self.body(outputs, structure)
        text = "".join(f"    {line}\n" for line in self.lines)
        exec(f"def __call({', '.join(parameters)}):\n{text}", self.names)
        made: Callable[..., Any] = self.names["__call"]
        return made

    def argument(self, path: str, structure: Structure, leaves: Any) -> None:
        """Checks an argument and notes the expressions of its leaves."""
        if structure.kind is None:
            self.leaf(path, next(leaves))
            return
        kind = self.name("t", structure.kind)
        self.lines.append(f"if type({path}) is not {kind} or len({path}) != {len(structure.parts)}: return __MISS")
        if structure.keys:
            keys = self.name("k", list(structure.keys))
            self.lines.append(f"if list({path}) != {keys}: return __MISS")
        for i, part in enumerate(structure.parts):
            self.argument(f"{path}[{structure.keys[i]!r}]" if structure.keys else f"{path}[{i}]", part, leaves)

    def leaf(self, path: str, leaf: Leaf) -> None:
        if leaf.kind == "static":
            kind, value = self.name("t", leaf.value[0]), self.name("s", leaf.value[1])
            self.lines.append(f"if type({path}) is not {kind} or {path} != {value}: return __MISS")
        elif leaf.kind == "number":
            self.lines.append(f"if type({path}) is not {self.name('t', leaf.value)}: return __MISS")
            self.inputs.append(path)
        elif leaf.shape == ():
            # Numba would convert a number of another dtype without a word.
            self.lines.append(f"if {path}.dtype != {self.name('d', leaf.dtype)}: return __MISS")
            self.inputs.append(f"{path}[()]")
        elif leaf.order is not None:
            self.inputs.append(f"{path}.transpose({leaf.order})")
        else:
            self.inputs.append(path)

    def body(self, outputs: Sequence[Any], structure: Structure) -> None:
        graph = self.kernel.graph
        arguments = [*self.inputs, *[self.capture(x) for x in self.captured]]
        results, scalars = [], 0
        for i, x in enumerate(graph.outputs):
            if x.aval.shape == ():
                scalars += 1
                results.append(f"{self.name('t', x.aval.dtype.type)}(__r[{scalars}])")
            else:
                dtype = self.name("d", x.aval.dtype)
                self.lines.append(f"__o{i} = __empty({x.aval.shape}, {dtype})")
                arguments.append(f"__o{i}")
                results.append(f"__o{i}")
        if self.kernel.workspace:
            self.workspace()
            arguments.append("__w")
        self.lines.append(f"__r = __kernel({', '.join(arguments)})")
        if self.kernel.workspace:
            self.lines.append("__give(__w)")
        self.lines.append("if __r[0]: return __MISS")
        values = iter([self.result(x, results) for x in outputs])
        self.lines.append(f"return {self.tree(structure, values)}")

    def workspace(self) -> None:
        # A call takes a workspace out of the pool, so that calls in other threads have others.
        pool: deque[Any] = deque()
        self.names |= {"__take": pool.pop, "__give": pool.append, "__byte": np.uint8}
        self.lines += [
            "try: __w = __take()",
            f"except IndexError: __w = __empty({self.kernel.workspace}, __byte)",
        ]

    def capture(self, captured: Captured) -> str:
        source, order = captured
        array = source.data if isinstance(source, Tensor) else source
        view = np.asarray(array) if order is None else array.transpose(order)
        ready = view.flags.c_contiguous and view.flags.writeable
        if isinstance(source, Tensor):
            # The tensor may be given other data later.
            name = self.name("c", source) + ".data"
            name = name if order is None else f"{name}.transpose({order})"
        else:
            # A view shares the memory of the array, so it sees what is written there later.
            name = self.name("c", view)
        return name if ready else f"__copy({name}, order='C')"

    def result(self, x: Any, results: list[str]) -> str:
        if not isinstance(x, Constant):
            return results[x]
        name = self.name("s", x.value)
        return f"{name}.copy()" if isinstance(x.value, np.ndarray) else name

    def tree(self, structure: Structure, values: Any) -> str:
        if structure.kind is None:
            return str(next(values))
        parts = [self.tree(part, values) for part in structure.parts]
        kind = structure.kind
        if kind is tuple:
            return "(" + "".join(f"{part}, " for part in parts) + ")"
        if kind is list:
            return f"[{', '.join(parts)}]"
        name = self.name("t", kind)
        if issubclass(kind, dict):
            pairs = ", ".join(f"({key!r}, {part})" for key, part in zip(structure.keys, parts, strict=True))
            return f"{name}([{pairs}])"
        return f"{name}({', '.join(parts)})" if hasattr(kind, "_fields") else f"{name}([{', '.join(parts)}])"
