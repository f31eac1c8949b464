"""What became of a recorded function, as text for its user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import NamedTuple

from autograd import Tensor
from autograd.custom import custom_call
from autograd.primitive import Aval, aval_of, dtype_name
from autograd.schedules import steps_again
from autograd.tree import Structure

from ..emit.nest import merged_axes
from ..kernels.kernel import Kernel
from ..lowering.plan import plan
from ..lowering.program import (
    Again,
    Blocks,
    Buffer,
    Call,
    Choose,
    Fill,
    Gather,
    Nest,
    Program,
    Reduce,
    Repeat,
    Scatter,
    Step,
    Store,
    View,
    views,
)
from ..lowering.views import row_major
from ..recording.record import Captured, Recording
from ..runtime.foreign import place_of
from ..signature import Leaf, Signature


class Times(NamedTuple):
    """The seconds that the first call took to record the function, for the passes, and to compile the kernel."""

    record: float
    passes: float
    compile: float


class Explained(NamedTuple):
    """One recording of a function, as much as is told of it.

    `captured` is what the kernel reads; `notes` say what was rolled, and what not; `sizes` which sizes the
    kernel serves, or why it serves one alone; `ways` how it is found among others for the same arguments.
    """

    signature: Signature
    recording: Recording
    kernel: Kernel
    captured: Sequence[Captured]
    times: Times
    notes: Sequence[str]
    sizes: Sequence[str] = ()
    ways: Sequence[str] = ()


def explanation(name: str, it: Explained, recordings: int) -> str:
    """What became of a function: its equations, steps, memory, guards, captures, and the times taken.

    **Arguments:** `name` of the function; `it`, the recording; `recordings`, how many there are of that function.
    """
    kernel = it.kernel
    labels = _Labels(kernel.program)
    sections = [
        ("", [_written_signature(name, it.signature)]),
        ("sizes", it.sizes),
        ("equations", [f"{len(it.recording.graph.equations)} recorded, {len(kernel.graph.equations)} after passes"]),
        ("loops", list(it.notes)),
        ("steps", [f"{i}  {_step(step, labels)}" for i, step in enumerate(kernel.program.steps, 1)]),
        ("memory", list(_memory(kernel, labels))),
        ("guards", _counted([x.where for x in it.recording.decisions]) if kernel.graph.guards else []),
        ("variants", it.ways),
        ("captured", [_captured(i, x) for i, x in enumerate(it.captured)]),
        ("kernel", [f"{_kernel(kernel)}, {recordings} recording{'s' * (recordings != 1)} of this function"]),
        ("time", [_times(it.times)]),
    ]
    return "\n".join(line for title, lines in sections if lines for line in _section(title, lines))


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if not title:
        yield from lines
    elif len(lines) == 1 and title != "steps":
        yield f"{title}: {lines[0]}"
    else:
        yield f"{title}:"
        yield from (f"  {line}" for line in lines)


# ---- the signature ----


def _written_signature(name: str, signature: Signature) -> str:
    positional, keywords = signature.structure.parts
    leaves = iter(signature.leaves)
    parts = [_written(part, leaves) for part in positional.parts]
    parts += [f"{key}={_written(part, leaves)}" for key, part in zip(keywords.keys, keywords.parts, strict=True)]
    return f"{name}({', '.join(parts)})"


def _written(structure: Structure, leaves: Iterator[Leaf]) -> str:
    kind = structure.kind
    if kind is None:
        return _leaf(next(leaves))
    parts = [_written(part, leaves) for part in structure.parts]
    if issubclass(kind, dict):
        return "{" + ", ".join(f"{key!r}: {part}" for key, part in zip(structure.keys, parts, strict=True)) + "}"
    return f"[{', '.join(parts)}]" if kind is list else f"({', '.join(parts)})"


def _leaf(leaf: Leaf) -> str:
    if leaf.kind == "static":
        return repr(leaf.value[1])
    if leaf.kind == "number":
        return str(leaf.value.__name__)
    notes = ["a tensor that requires a gradient" if leaf.requires_grad else "a tensor"] if leaf.is_tensor else []
    notes += [] if leaf.order is None else [f"axes in the order {leaf.order}"]
    notes += [] if leaf.ready else ["converted for each call"]
    text = str(Aval(leaf.shape, leaf.dtype))
    return f"{text} ({', '.join(notes)})" if notes else text


# ---- the steps ----


class _Labels(dict[int, str]):
    """The names of buffers: those in the workspace are `work0`, `work1`, ... in the order of their first use."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.work: list[Buffer] = []
        for step in program.steps:
            for view in views(step):
                self.add(view.buffer)

    def add(self, buffer: Buffer) -> None:
        if buffer.number in self:
            return
        if buffer.kind == "work":
            self[buffer.number] = f"work{len(self.work)}"
            self.work.append(buffer)
        else:
            self[buffer.number] = f"{buffer.kind}{buffer.position}"

    def of(self, views: Iterable[View]) -> str:
        """The names of the buffers that lie under these views, each once."""
        return ", ".join(dict.fromkeys([self[view.buffer.number] for view in views]))


def _step(step: Step, labels: _Labels) -> str:
    if isinstance(step, Fill):
        return f"fill    {labels.of([step.target])} with {step.value.value}"
    if isinstance(step, Call):
        avals = [x.aval for x in step.equation.inputs]
        operands = [
            f"{labels.of([view])}{_layout(view, aval)}" for view, aval in zip(step.operands, avals, strict=False)
        ]
        if step.equation.primitive is custom_call:
            function = dict(step.equation.params)["function"]
            return f"custom  {function.name}, {place_of(function)}: {' '.join(operands)} -> {labels.of([step.target])}"
        return f"{step.equation.primitive!r:7} {' '.join(operands)} -> {labels.of([step.target])}"
    if isinstance(step, Blocks):
        tasks = f"{(step.rows + step.task - 1) // step.task} tasks over {step.rows} rows, {step.block} at a time"
        return "\n".join([tasks, *[f"  | {_step(inner, labels)}" for inner in step.steps]])
    if isinstance(step, Repeat):
        backward = ", from the last to the first" if step.reverse else ""
        times = f"{step.length} times" if not step.dynamic else "as often as it says"
        times += f", {step.length} times at most" if step.dynamic and step.bounded else ""
        times += f", {step.tasks.steps} a task" if step.tasks is not None else ""
        again = [line for x in step.again for line in _again(x)]
        return "\n".join([f"repeat  {times}{backward}; reads {labels.of(views(step))}", *again, *_within(step.program)])
    if isinstance(step, Choose):
        cases = [line for i, x in enumerate(step.programs) for line in (f"  case {i}", *_within(x))]
        return "\n".join([f"choose  one of {len(step.programs)}; reads {labels.of(views(step))}", *cases])
    return _nest(step, labels)


def _again(again: Again) -> list[str]:
    """What a loop makes again before each step."""
    if again.forward:
        head = f"  states of {again.length} steps, made again one after the other"
    else:
        steps = steps_again(again.length, again.room)
        head = f"  states of {again.length} steps, {again.room} of them kept at a time, by {steps} steps"
    return [head, *_within(again.program)]


def _within(program: Program) -> list[str]:
    """The steps of a program inside of another."""
    inner = _Labels(program)
    return [f"  | {line}" for x in program.steps for line in _step(x, inner).splitlines()]


def _layout(view: View, aval: Aval) -> str:
    shape = f"[{','.join(map(str, aval.shape))}]"
    if view.strides == row_major(aval.shape):
        return shape
    dense = view.strides[::-1] == row_major(aval.shape[::-1])
    return f"{shape} transposed" if dense else f"{shape} with gaps"


def _nest(nest: Nest, labels: _Labels) -> str:
    equations = [x.equation for x in nest.entries if not isinstance(x, Store | Scatter)]
    names = _counted([repr(equation.primitive) for equation in equations])
    names += ["scatter_add" if x.adds else "put" for x in nest.entries if isinstance(x, Scatter)]
    head = f"loop    {_loops(nest)}" if nest.shape else "scalars"
    parts = [f"{head}: {', '.join(names) or 'copy'}"]
    loads = [x.place for entry in nest.entries for x in entry.operands if isinstance(x.place, View)]
    loads += [x.source for x in nest.entries if isinstance(x, Gather)]
    stores = [x.target for x in nest.entries if isinstance(x, Store | Scatter)]
    reductions = [x for x in nest.entries if isinstance(x, Reduce) and nest.shape]
    stores += [x.target for x in reductions if x.target is not None]
    scalars = sum(x.target is None for x in reductions)
    parts += [f"loads {labels.of(loads)}"] if loads else []
    parts += [f"stores {labels.of(stores)}"] if stores else []
    parts += [f"reduces to {scalars} number{'s' * (scalars != 1)}"] if scalars else []
    return "; ".join(parts)


def _loops(nest: Nest) -> str:
    """The shape of a nest, and the lengths of its loops where neighbouring axes run as one."""
    lengths = [prod([nest.shape[i] for i in axes]) for axes in merged_axes(nest)]
    shape = " x ".join(map(str, nest.shape))
    return shape if list(nest.shape) == lengths else f"{shape} as {' x '.join(map(str, lengths))}"


def _counted(names: Iterable[str]) -> list[str]:
    return [name if n == 1 else f"{name} ({n} times)" for name, n in Counter(names).items()]


# ---- the rest ----


def _memory(kernel: Kernel, labels: _Labels) -> Iterator[str]:
    steps = kernel.program.steps
    if moved := sum(map(_moved, steps)):
        yield f"{moved} bytes read and written"
    planned = plan(kernel.program)
    if not planned.size:
        return
    where = "from a pool" if kernel.workspace else "on the stack"
    yield f"{planned.size} bytes of workspace {where}"
    uses: dict[int, list[int]] = {}
    for i, step in enumerate(steps, 1):
        for view in views(step):
            uses.setdefault(view.buffer.number, []).append(i)
    for buffer in labels.work:
        size, start = buffer.size * buffer.dtype.itemsize, planned.offsets[buffer.number]
        first, *_, last = uses[buffer.number] * 2
        yield (
            f"{labels[buffer.number]}: {dtype_name(buffer.dtype)}, bytes {start} to {start + size}, "
            f"steps {first} to {last}"
        )


def _moved(step: Step) -> int:
    """How many bytes a step reads and writes in arrays, in the cache or beyond it; each view once."""
    if isinstance(step, Blocks):
        return sum(map(_moved, step.steps))
    if isinstance(step, Repeat):
        # Of a dynamic one, in each step.
        made_again = [steps_again(x.length, x.room) * sum(map(_moved, x.program.steps)) for x in step.again]
        return (1 if step.dynamic else step.length) * sum(map(_moved, step.program.steps)) + sum(made_again)
    if isinstance(step, Choose):
        return max([sum(map(_moved, program.steps)) for program in step.programs])
    if isinstance(step, Call):
        return sum([x.aval.size * x.aval.dtype.itemsize for x in (*step.equation.inputs, step.equation.out)])
    shape = step.shape if isinstance(step, Nest) else ()
    found = 0
    for view in set(views(step)):
        # A view that repeats an element reads it once.
        lengths = [n for n, stride in zip(shape, view.strides, strict=False) if stride]
        found += (prod(lengths) if isinstance(step, Nest) else view.buffer.size) * view.buffer.dtype.itemsize
    return found


def _captured(i: int, captured: Captured) -> str:
    source = captured.source
    kind = "tensor" if isinstance(source, Tensor) else "array"
    return f"capture{i}: {kind} {aval_of(source)}"


def _kernel(kernel: Kernel) -> str:
    return kernel.name if kernel.made else f"{kernel.name} from the disk"


def _times(times: Times) -> str:
    record, passes, compiled = [f"{1e3 * seconds:.1f} ms" for seconds in times]
    return f"recording {record}, passes {passes}, lowering and LLVM {compiled}"
