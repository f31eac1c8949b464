"""The Python function that calls a kernel, written for one signature so that a call does nothing else.

    def __call(__a0, __a1, /):
        if type(__a0) is not __t5: return __MISS
        __o0 = __empty((3,), __d6)
        __r = __kernel(__a0, __a1, __c7, __o0)
        if __r[0]: return __MISS
        return (__t8(__r[1]), __o0, )

Names of its own begin with two underscores, since keyword arguments keep theirs.

It answers `MISS`, or raises, where the arguments are not those that the kernel was made for. Most arrays are not looked
at here: the kernel itself raises `TypeError` for another dtype, shape or layout, and its status tells of guards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from keyword import iskeyword
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor
from autograd.lengths import is_length, is_open, written
from autograd.primitive import Aval, Shape
from autograd.tape import STATE, gradients_enabled
from autograd.tensor import constant
from autograd.tree import Structure

from ..kernels.kernel import WRONG_SHAPE, Kernel
from ..recording.places import Place
from ..recording.record import Captured
from ..signature import Leaf, Signature
from .outside import Outside
from .results import Results, is_kept

MISS = object()
#: After so many calls that another variant answered than the one before, there is a kernel that finds them.
PATIENCE = 32
#: The dtypes that Python's own numbers have.
PYTHON_DTYPES = frozenset(map(np.dtype, (float, int, bool, complex)))


class Constant:
    """A leaf of the result that no argument has a part in."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Result(NamedTuple):
    """What becomes of the outputs of a kernel.

    `leaves` has for each leaf of the result, which has that `structure`, the position of an output or a `Constant`.
    `gradients` are the tensors whose `.grad` the call sets, each a captured tensor or the position of a leaf of the
    arguments, with the position of the output, `None` if the function takes it away again. The results are `tensors` or
    arrays, and those without axes are Python's `numbers` or NumPy's. `nested` says whether the recording was made
    within an outer gradient, `None` where that does not matter. `states` are those of random generators, with the
    positions of the outputs that they become.
    """

    leaves: tuple[int | Constant, ...]
    structure: Structure
    gradients: tuple[tuple[Tensor | int, int | None], ...]
    tensors: bool
    numbers: bool
    nested: bool | None
    states: tuple[tuple[Tensor, int], ...] = ()


class Wiring(NamedTuple):
    """All that a function which calls a kernel is written from.

    `captured` is what the captures of the kernel's graph stand for; `sources` are all tensors and arrays that the
    function captured; `result` says what to make of the outputs; `link(outputs, inputs, values)`, if any of them
    requires a gradient, connects tensors that come out with those that went in and with the captured ones;
    `refused(status)` is told why the kernel gave no answer, where somebody wants to know; `places` is what the function
    reads beside its arguments, and `contents` what arrays hold, by identity, with which NumPy alone computed.
    """

    kernel: Kernel
    signature: Signature
    captured: Sequence[Captured]
    sources: Sequence[Any]
    result: Result
    link: Callable[..., Any] | None
    refused: Callable[[int], None] | None = None
    places: Sequence[Place] = ()
    contents: Mapping[int, bytes] = MappingProxyType({})


def caller(wiring: Wiring) -> Callable[..., Any]:
    """The function that calls the kernel with arguments of the wiring's signature."""
    return Writer(wiring).function()


def answer_of(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the function returns; `MISS` where the arguments are not those that it was made for."""
    try:
        return call(*args, **kwargs)
    except Exception:
        # For instance, a captured tensor has data of another dtype, shape or layout by now.
        return MISS


def _nested() -> bool:
    return bool(STATE.nesting)


class Writer(Outside):
    """Writes the function; others derive from it that get arguments or outputs in another way."""

    #: Keyword arguments beside those of the signature.
    keywords: tuple[str, ...] = ()

    def __init__(self, wiring: Wiring) -> None:
        self.kernel, self.signature, self.result = wiring.kernel, wiring.signature, wiring.result
        self.link, self.refused = wiring.link, wiring.refused
        names = {
            "__MISS": MISS, "__kept": wiring.kernel, "__kernel": wiring.kernel.entry, "__empty": np.empty,
            "__tensor": constant,
        }  # fmt: skip
        super().__init__(names, wiring.captured, wiring.sources, wiring.places, wiring.contents)
        # The expressions of the open sizes.
        self.sizes: dict[str, str] = {}
        # For each leaf that is no static one the expression of what was given, and that of its value.
        self.given: list[str] = []
        self.values: list[str] = []
        # What the kernel is called with.
        self.arguments: list[str] = []

    def function(self) -> Callable[..., Any]:
        """The function."""
        head = self.parameters()
        self.conditions()
        self.run()
        text = "".join(f"    {line}\n" for line in self.lines)
        exec(f"def __call({head}):\n{text}", self.names)
        # Taken out of its own namespace, it is freed, with all that it captures, when nobody needs it.
        made: Callable[..., Any] = self.names.pop("__call")
        return made

    # ---- what is given ----

    def parameters(self) -> str:
        """The parameters of the function; what is given for them is checked."""
        positional, keywords = self.signature.structure.parts
        leaves = iter(self.signature.leaves)
        parameters = [f"__a{i}" for i in range(len(positional.parts))]
        for path, part in zip(parameters, positional.parts, strict=True):
            self.walk(path, part, leaves, self.leaf)
        if parameters:
            parameters.append("/")
        named = all(key.isidentifier() and not iskeyword(key) and key[:2] != "__" for key in keywords.keys)
        names = [*(keywords.keys if named else ()), *self.keywords]
        parameters += ["*", *names] if names else []
        if named:
            for key, part in zip(keywords.keys, keywords.parts, strict=True):
                self.walk(key, part, leaves, self.leaf)
        else:
            parameters.append("**__k")
            self.walk("__k", keywords, leaves, self.leaf)
        return ", ".join(parameters)

    def leaf(self, path: str, leaf: Leaf) -> None:
        """Checks a leaf of the arguments, as far as the kernel does not, and notes its expressions."""
        if leaf.kind == "static":
            self.static(path, *leaf.value)
            return
        if leaf.shape == () or leaf.is_tensor or not leaf.ready:
            self.unless(f"type({path}) is {self.name('t', leaf.value)}")
        if leaf.is_tensor:
            self.unless(f"{path}.requires_grad is {leaf.requires_grad}")
        value = f"{path}.data" if leaf.is_tensor else path
        self.note_sizes(value, leaf)
        self.given.append(path)
        self.values.append(value)
        self.arguments.append(value if leaf.kind == "number" else self.array(value, leaf))

    def note_sizes(self, value: str, leaf: Leaf) -> None:
        """Notes where the open sizes are to be had; that other arrays fit is seen by the kernel."""
        for axis, n in enumerate(leaf.shape):
            if is_length(n) and str(n) not in self.sizes:
                self.sizes[str(n)] = f"{value}.shape[{axis}]"

    def length(self, n: Any) -> str:
        """The expression of a length."""
        return written(n.terms, self.sizes) if is_length(n) else str(n)

    def shape(self, shape: Shape) -> str:
        """The expression of a shape."""
        return f"({''.join([f'{self.length(n)}, ' for n in shape])})"

    def static(self, path: str, kind: type, value: Any) -> None:
        if value is None or kind is bool:
            self.unless(f"{path} is {value}")
        else:
            self.unless(f"type({path}) is {self.name('t', kind)} and {path} == {self.name('s', value)}")

    def array(self, value: str, leaf: Leaf) -> str:
        """The expression of an array as the kernel takes it."""
        if leaf.shape == ():
            # The kernel takes a number, and would convert one of another dtype without a word.
            self.unless(f"{value}.shape == () and {value}.dtype == {self.name('d', leaf.dtype)}")
            if leaf.dtype.kind == "c":
                # Numba makes a complex number of a number alone.
                return f"{value}[()]"
        if not leaf.ready:
            return f"__ready({value}, {leaf.order})"
        return value if leaf.order is None else f"{value}.transpose({leaf.order})"

    # ---- what is captured ----

    def conditions(self) -> None:
        """Checks what the recording took for granted of what lies outside, and of the gradients that it sets."""
        self.read()
        if self.result.nested is not None:
            self.unless(f"{self.name('f', _nested)}() is {self.result.nested}")
        for target, _ in self.result.gradients:
            self.unless(f"{self.target(target)}.grad is None")

    def target(self, target: Tensor | int) -> str:
        """The expression of a tensor whose `.grad` is set."""
        return self.given[target] if isinstance(target, int) else self.source(target)

    # ---- the call ----

    def run(self) -> None:
        """Writes the call of the kernel, and what is made of its outputs."""
        arguments = self.arguments + [self.capture(x) for x in self.captured]
        outputs, scalars = [], 0
        for i, x in enumerate(self.kernel.graph.outputs):
            if x.aval.shape == ():
                scalars += 1
                number = f"__r[{scalars}]"
                kind = self.name("t", x.aval.dtype.type)
                as_it_is = self.result.numbers and x.aval.dtype in PYTHON_DTYPES
                outputs.append(number if as_it_is else f"{kind}({number})")
            else:
                outputs.append(self.output(i, self.empty(x.aval)))
                arguments.append(outputs[-1])
        self.call_kernel(arguments)
        told = "" if self.refused is None else f"{self.name('f', self.refused)}(__r[0]); "
        self.lines.append(f"if __r[0]: {told}return __MISS")
        after = [(f"{self.source(state)}.data[:]", outputs[i]) for state, i in self.result.states]
        if self.result.tensors:
            outputs = self.as_tensors(outputs)
        self.lines += [f"{state} = {made}" for state, made in after]
        for target, position in self.result.gradients:
            if position is not None:
                made = outputs[position] if self.result.tensors else f"__tensor({outputs[position]})"
                self.lines.append(f"{self.target(target)}.grad = {made}")
        leaves = iter([self.leaf_of_result(x, outputs) for x in self.result.leaves])
        self.lines.append(f"return {self.tree(self.result.structure, leaves)}")

    def call_kernel(self, arguments: list[str]) -> None:
        """Writes the call, with a workspace where the kernel needs one."""
        if not self.kernel.workspace:
            self.lines.append(f"__r = __kernel({', '.join(arguments)})")
            return
        self.take_workspace()
        call = f"__r = __kernel({', '.join([*arguments, '__w'])})"
        self.lines.append(call)
        if is_length(self.kernel.workspace):
            # The kernel looks at the size of its workspace anyway.
            size = self.length(self.kernel.workspace)
            self.lines.append(f"if __r[0] == {WRONG_SHAPE} and __w.size < {size}:")
            self.lines += [f"    __w = __empty({size}, __byte)", f"    {call}"]
        self.lines.append("__give(__w)")

    def empty(self, aval: Aval) -> str:
        """The expression of a new array."""
        if is_open(aval.shape):
            return f"__empty({self.shape(aval.shape)}, {self.name('d', aval.dtype)})"
        if is_kept(aval):
            return f"{self.name('f', Results(aval))}()"
        return f"__empty({aval.shape}, {self.name('d', aval.dtype)})"

    def output(self, i: int, empty: str) -> str:
        """The expression of the array that the kernel writes an output to; `empty` is that of a new one."""
        self.lines.append(f"__o{i} = {empty}")
        return f"__o{i}"

    def take_workspace(self) -> None:
        # A call takes a workspace out of the pool, so that calls in other threads have others.
        pool: deque[Any] = deque()
        self.names |= {"__take": pool.pop, "__give": pool.append, "__byte": np.uint8}
        size = self.length(self.kernel.workspace)
        self.lines += ["try: __w = __take()", f"except IndexError: __w = __empty({size}, __byte)"]

    def as_tensors(self, outputs: list[str]) -> list[str]:
        """Wraps the outputs, and connects them with the tensors that they come from."""
        made = [f"__y{i}" for i in range(len(outputs))]
        self.lines += [f"{y} = __tensor({x})" for y, x in zip(made, outputs, strict=True)]
        if self.link is not None:
            sources = [self.source(x) for x in self.sources]
            values = [self.value_of(name, x) for name, x in zip(sources, self.sources, strict=True)]
            groups = [", ".join(xs) for xs in (made, self.given + sources, self.values + values)]
            link = f"{self.name('f', self.link)}([{groups[0]}], [{groups[1]}], [{groups[2]}])"
            self.lines.append(f"if {self.name('f', gradients_enabled)}(): {link}")
        return made

    def value_of(self, name: str, source: Any) -> str:
        """The expression of the array that was captured, as it is before the call changes it."""
        if not isinstance(source, Tensor):
            return name
        is_state = any(source is state for state, _ in self.result.states)
        return f"{name}.data.copy()" if is_state else f"{name}.data"

    def leaf_of_result(self, x: int | Constant, outputs: list[str]) -> str:
        if not isinstance(x, Constant):
            return outputs[x]
        name = self.name("s", x.value)
        return f"{name}.copy()" if isinstance(x.value, np.ndarray) else name

    def tree(self, structure: Structure, leaves: Iterator[str]) -> str:
        """The expression of the result."""
        kind = structure.kind
        if kind is None:
            return next(leaves)
        parts = [self.tree(part, leaves) for part in structure.parts]
        if kind is tuple:
            return "(" + "".join(f"{part}, " for part in parts) + ")"
        if kind is list:
            return f"[{', '.join(parts)}]"
        name = self.name("t", kind)
        if issubclass(kind, dict):
            keys = [self.name("k", key) for key in structure.keys]
            return f"{name}([{', '.join(f'({key}, {part})' for key, part in zip(keys, parts, strict=True))}])"
        return f"{name}({', '.join(parts)})" if hasattr(kind, "_fields") else f"{name}([{', '.join(parts)}])"
