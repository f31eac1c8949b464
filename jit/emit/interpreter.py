"""Scalars of a huge program as rows of numbers, which one loop in the kernel works through.

A row says what to do and in which slots the operands lie; what it makes lies in the slot of its own number, counted
from the first of its script. LLVM sees one branch of a `switch` for each kind of row, however many rows there are, so
they cost neither its time nor its memory. A call takes three to five times as long as compiled pieces would.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llvmlite import ir

from ..graph import Atom, Literal, Var
from ..lowering.program import Compute, Entry, Nest, Operand, Reduce, Step, Store, View
from . import scalar
from .types import INDEX, POINTER, cast, index, load, store
from .wiring import Layout

# The kind of a row, its first operand, and the others or what else it needs.
_ROW = struct.Struct("=iiq")
_HALF = 32
# Where an address is a number: the place of the array among all, above the offset in bytes.
_PLACE = 48
_BYTE, _WORD = ir.IntType(8), ir.IntType(32)


def is_plain(steps: Sequence[Step]) -> bool:
    """Whether rows can do what the steps do: scalars of scalars, and stores of them."""
    return all(isinstance(x, Nest) and x.shape == () and all(map(_is_plain, x.entries)) for x in steps)


def _is_plain(entry: Entry) -> bool:
    return isinstance(entry, Compute | Store) or (isinstance(entry, Reduce) and entry.target is None)


class Script(NamedTuple):
    """Rows that follow each other; what the first makes lies in the slot `first`."""

    first: int
    rows: bytearray

    @property
    def length(self) -> int:
        """The number of rows."""
        return len(self.rows) // _ROW.size


def entries_of(steps: Sequence[Step]) -> list[Entry]:
    """The entries of plain steps."""
    return [entry for step in steps for entry in step.entries]  # type: ignore[union-attr]


def in_runs(entries: Sequence[Entry]) -> list[Entry]:
    """The entries in an order in which those of one kind that do not wait for each other follow one another.

    What reads memory stays after the stores that came before it, and before those that came after it.
    """
    runs: dict[tuple[int, int], list[Entry]] = {}
    kinds: dict[Any, int] = {}
    levels: dict[Atom, int] = {}
    read = stored = 0
    for entry in entries:
        level = 1 + max([levels.get(x.atom, 0) for x in entry.operands if type(x.atom) is Var], default=0)
        if isinstance(entry, Store):
            level = stored = max(level, read + 1, stored)
        else:
            if View in map(type, [x.place for x in entry.operands]):
                level = max(level, stored + 1)
                read = max(read, level)
            levels[entry.equation.out] = level  # type: ignore[union-attr]
        runs.setdefault((level, kinds.setdefault(_kind(entry), len(kinds))), []).append(entry)
    return [entry for run in sorted(runs) for entry in runs[run]]


def surprises(entries: Sequence[Entry]) -> int:
    """How many of the rows a processor that remembers three before each takes for others, at 15 to 20 cycles each."""
    kinds = [_kind(entry) for entry in entries]
    following: defaultdict[Any, Counter[Any]] = defaultdict(Counter)
    for before in zip(kinds, kinds[1:], kinds[2:], kinds[3:], strict=False):
        following[before[:3]][before[3]] += 1
    return sum([found.total() - max(found.values()) for found in following.values()])


def _kind(entry: Entry) -> Any:
    return Store if isinstance(entry, Store) else entry.equation.primitive  # type: ignore[union-attr]


class Interpreter:
    """The function `(state, memories, rows, count, first)` in the making: a loop around a branch for each kind."""

    def __init__(self, module: ir.Module, name: str) -> None:
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, INDEX, INDEX])
        self.function = ir.Function(module, kind, name)
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        self.state, self.memories, rows, count, first = self.function.args
        entry, head, self.latch, done, never = map(
            self.function.append_basic_block, ["entry", *["head", "latch"], *"dn"]
        )
        ir.IRBuilder(entry).branch(head)
        b = ir.IRBuilder(head)
        i = b.phi(INDEX)
        self.row = _at(b, rows, b.mul(i, index(_ROW.size)))
        self.out = _at(b, self.state, b.mul(b.add(first, i), index(8)))
        self.switch = b.switch(b.load(self.row, typ=_WORD), never)
        b = ir.IRBuilder(self.latch)
        following = b.add(i, index(1))
        b.cbranch(b.icmp_unsigned("<", following, count), head, done)
        i.add_incoming(index(0), entry)
        i.add_incoming(following, self.latch)
        ir.IRBuilder(done).ret_void()
        ir.IRBuilder(never).unreachable()
        self.kinds: dict[Any, int] = {}

    def kind(self, key: Any, body: Callable[[ir.IRBuilder], None]) -> int:
        """The number of a kind of row; `body` emits what one of a new kind does."""
        number = self.kinds.get(key)
        if number is None:
            number = self.kinds[key] = len(self.kinds)
            block = self.function.append_basic_block()
            self.switch.add_case(_WORD(number), block)
            builder = ir.IRBuilder(block)
            body(builder)
            builder.branch(self.latch)
        return number

    def word(self, b: ir.IRBuilder, i: int) -> ir.Value:
        """One of the four words of the row."""
        return b.zext(b.load(_at(b, self.row, index(4 * i)), typ=_WORD), INDEX)

    def wide(self, b: ir.IRBuilder) -> ir.Value:
        """The last two words of the row as one."""
        return b.load(_at(b, self.row, index(8)), typ=INDEX)

    def slot(self, b: ir.IRBuilder, i: int) -> ir.Value:
        """The address of the slot that a word of the row names."""
        return _at(b, self.state, b.mul(self.word(b, i), index(8)))

    def element(self, b: ir.IRBuilder) -> ir.Value:
        """The address of an element of an array, which the last two words are."""
        number = self.wide(b)
        place = b.load(_at(b, self.memories, b.mul(b.lshr(number, index(_PLACE)), index(8))), typ=POINTER)
        return _at(b, place, b.and_(number, index((1 << _PLACE) - 1)))


def _at(b: ir.IRBuilder, base: ir.Value, offset: ir.Value) -> ir.Value:
    return b.gep(base, [offset], inbounds=True, source_etype=_BYTE)


class Rows:
    """The rows of one program; `numbers` has the place of each memory among all."""

    def __init__(self, interpreter: Interpreter, layout: Layout, numbers: Mapping[tuple[str, int], int]) -> None:
        self.interpreter, self.layout, self.numbers = interpreter, layout, numbers
        self.constants: dict[Any, int] = {}
        self.script = Script(0, bytearray())

    def of(self, entries: Sequence[Entry]) -> Script:
        """The rows of entries that follow each other."""
        self.script = Script(self.layout.count, bytearray())
        for entry in entries:
            self.entry(entry)
        return self.script

    def entry(self, entry: Entry) -> None:
        operands = [self.operand(x) for x in entry.operands]
        if isinstance(entry, Store):
            self.append(self._storing(entry), operands[0], self.location(entry.target))
            return
        kind = self._computing(entry) if isinstance(entry, Compute) else self._converting(entry)  # type: ignore[arg-type]
        first, second, third = (*operands, 0, 0)[:3]
        self.layout.slots[entry.equation.out] = self.append(kind, first, second | third << _HALF)  # type: ignore[union-attr]

    def append(self, kind: int, first: int, rest: int) -> int:
        """Adds a row, and gives the number of the slot of what it makes."""
        self.script.rows.extend(_ROW.pack(kind, first, rest))
        return self.layout.next()

    def operand(self, operand: Operand) -> int:
        """The slot of an operand; constants and elements of arrays are put into one at their first use."""
        atom = operand.atom
        if isinstance(atom, Literal):
            return self.constant(atom)
        known = self.layout.slots.get(atom)
        if known is None:
            assert isinstance(operand.place, View)
            known = self.layout.slots[atom] = self.append(self._loading(atom), 0, self.location(operand.place))
        return known

    def constant(self, x: Literal) -> int:
        content = x.value.tobytes()
        key = content, x.aval.dtype
        if key not in self.constants:
            kind = self.interpreter.kind("constant", self._constant)
            number = struct.unpack("=q", content.ljust(8, b"\0"))[0]
            self.constants[key] = self.append(kind, 0, number)
        return self.constants[key]

    def location(self, view: View) -> int:
        """An element of an array as a number."""
        memory, _, offset = self.layout.view(view)
        return self.numbers[memory] << _PLACE | offset

    # ---- what a row does ----

    def _constant(self, b: ir.IRBuilder) -> None:
        b.store(self.interpreter.wide(b), self.interpreter.out)

    def _loading(self, x: Atom) -> int:
        dtype = x.aval.dtype

        def body(b: ir.IRBuilder) -> None:
            store(b, load(b, self.interpreter.element(b), dtype), self.interpreter.out, dtype)

        return self.interpreter.kind(("load", dtype), body)

    def _storing(self, entry: Store) -> int:
        source, target = entry.operands[0].atom.aval.dtype, entry.target.buffer.dtype

        def body(b: ir.IRBuilder) -> None:
            x = load(b, self.interpreter.slot(b, 1), source)
            store(b, cast(b, x, source, target), self.interpreter.element(b), target)

        return self.interpreter.kind(("store", source, target), body)

    def _converting(self, entry: Reduce) -> int:
        source, target = entry.operands[0].atom.aval.dtype, entry.equation.out.aval.dtype

        def body(b: ir.IRBuilder) -> None:
            x = load(b, self.interpreter.slot(b, 1), source)
            store(b, cast(b, x, source, target), self.interpreter.out, target)

        return self.interpreter.kind(("convert", source, target), body)

    def _computing(self, entry: Compute) -> int:
        primitive, inputs, params, out = entry.equation
        dtypes = tuple([x.aval.dtype for x in inputs])

        def body(b: ir.IRBuilder) -> None:
            operands = [load(b, self.interpreter.slot(b, i), dtype) for i, dtype in enumerate(dtypes, 1)]
            store(b, scalar.compute(b, entry.equation, operands, False), self.interpreter.out, out.aval.dtype)

        return self.interpreter.kind((primitive, params, dtypes, out.aval.dtype), body)
