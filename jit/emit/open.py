"""Open lengths in machine code: each function takes the open sizes, and computes the lengths that it uses first.

    define internal void @nest(ptr %x, ptr %out, i64 %s0, i64 %s1) {
      %"length.5*s0" = mul i64 %s0, 5
      ...

The code is written with the lengths as operands that nothing defines yet (`types.Symbol`), as if they were constants;
here come the definitions, and what hands the sizes from function to function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from autograd.lengths import Lengths, Terms

from .types import INDEX, Symbol

#: The values of the open sizes in one function, by their names.
Sizes = Mapping[str, ir.Value]


def define(root: ir.Function, sizes: Lengths, tasks: Mapping[ir.Function, Sizes]) -> dict[str, Symbol]:
    """Gives every function that is reached from the body of a kernel the lengths that it uses, but the body itself.

    **Arguments:** `root`, in which the body was emitted; `tasks`, the functions that get the sizes by other ways, and
    the values that they have there.

    **Returns:** the lengths that the body uses, by name.
    """
    functions = _reached(root)
    used = {x: _symbols(x) for x in functions}
    needing = {x for x in functions if used[x] and x not in tasks}
    calls = [(x, call) for x in functions for call in _calls(x)]
    while more := {x for x, call in calls if call.callee in needing and x not in tasks} - needing:
        needing |= more
    needing.discard(root)
    names = list(sizes.values)
    taken: dict[ir.Function, tuple[Sizes, Any]] = {x: (_with_arguments(x, names), None) for x in needing}
    taken |= {x: (values, list(values.values())[-1]) for x, values in tasks.items()}
    for x, call in calls:
        if call.callee in needing:
            if x is root:
                given: list[Any] = [Symbol(sizes.size(name)) for name in names]
                used[root] |= {size.name: size for size in given}
            else:
                given = [taken[x][0][name] for name in names]
            call.operands += given
    for x, (values, place) in taken.items():
        builder = ir.IRBuilder(x.blocks[0])
        if place is None:
            builder.position_at_start(x.blocks[0])
        else:
            builder.position_after(place)
        emit(builder, used[x], values)
    return used[root]


def emit(builder: ir.IRBuilder, symbols: Mapping[str, Symbol], sizes: Sizes) -> None:
    """Defines lengths where the builder stands."""
    for name, symbol in symbols.items():
        total = value_of(builder, symbol.length.terms, sizes)
        # An instruction of that very name.
        builder.add(total, ir.Constant(INDEX, 0), name=name)


def value_of(builder: ir.IRBuilder, terms: Terms, sizes: Sizes) -> ir.Value:
    """The value of a sum at the sizes."""
    total: ir.Value = ir.Constant(INDEX, 0)
    for atoms, n in terms:
        product: ir.Value = ir.Constant(INDEX, n)
        for atom in atoms:
            if isinstance(atom, str):
                factor = sizes[atom]
            else:
                above, below = (value_of(builder, x, sizes) for x in atom)
                factor = _floor(builder, above, below)
            product = builder.mul(product, factor, flags=("nsw",))
        total = builder.add(total, product, flags=("nsw",))
    return total


def _floor(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """The quotient rounded down; the divisor is positive where the conditions on the sizes hold.

    It is computed before anybody has looked at these.
    """
    y = b.select(b.icmp_signed(">", y, INDEX(0)), y, INDEX(1))
    quotient = b.sdiv(x, y)
    rest = b.sub(x, b.mul(quotient, y))
    return b.select(b.icmp_signed("<", rest, INDEX(0)), b.sub(quotient, INDEX(1)), quotient)


def _reached(root: ir.Function) -> list[ir.Function]:
    """The function and all that it refers to, with their bodies."""
    found = [root]
    # The list grows while it is read.
    for x in found:
        for instruction in _instructions(x):
            for operand in _operands(instruction):
                if isinstance(operand, ir.Function) and operand.blocks and operand not in found:
                    found.append(operand)
    return found


def _instructions(function: ir.Function) -> list[Any]:
    return [instruction for block in function.blocks for instruction in block.instructions]


def _operands(instruction: Any) -> list[Any]:
    if isinstance(instruction, ir.PhiInstr):
        return [value for value, _ in instruction.incomings]
    return list(instruction.operands)


def _symbols(function: ir.Function) -> dict[str, Symbol]:
    operands = [x for instruction in _instructions(function) for x in _operands(instruction)]
    return {x.name: x for x in operands if isinstance(x, Symbol)}


def _calls(function: ir.Function) -> list[Any]:
    return [x for x in _instructions(function) if isinstance(x, ir.CallInstr) and isinstance(x.callee, ir.Function)]


def _with_arguments(function: ir.Function, names: list[str]) -> Sizes:
    """Adds a parameter for each size to a function."""
    kind = function.ftype
    function.ftype = ir.FunctionType(kind.return_type, [*kind.args, *[INDEX] * len(names)])
    made = [ir.Argument(function, INDEX, name=name) for name in names]
    function.args += tuple(made)
    return dict(zip(names, made, strict=True))
