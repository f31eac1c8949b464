"""All that a kernel reads and writes as one Python tuple, for kernels with many arguments.

Numba compiles some instructions for each argument of a function, 10 ms for an array; here a loop over a table of the
kinds of items looks at them. An item is an array, or a number in the form of NumPy's scalars or of Python's floats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import OpaqueModel
from numba.extending import NativeValue, register_model, unbox

from autograd.primitive import Aval, dtype_name

from .boxing import ADDRESS, HEAD, INDEX, Dense, address_of_array, equal, field, is_of_type

_BYTE, _KIND = ir.IntType(8), ir.IntType(16)
# The length of a tuple stands behind the head that all objects have, and its items behind that.
_LENGTH, _ITEMS = HEAD, tuple.__basicsize__
_TUPLE, _FLOAT = "jit_python_tuple", "jit_python_float"

llvm.add_symbol(_TUPLE, id(tuple))
llvm.add_symbol(_FLOAT, id(float))
for _name in ("bool", *[f"{kind}{8 << i}" for kind in ("int", "uint") for i in range(4)], "float32", "float64"):
    llvm.add_symbol(f"jit_numpy_{_name}", id(np.dtype(_name).type))

#: A shape and dtype, and whether the array is written.
Item = tuple[Aval, bool]


class Items(types.Type):
    """The type of a tuple of such items; as a native value it is a table of the addresses of their elements."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = tuple(items)
        text = " ".join([f"{aval}{'!' if written else ''}" for aval, written in self.items])
        super().__init__(f"Items({hashlib.sha256(text.encode()).hexdigest()})")


register_model(Items)(OpaqueModel)


@unbox(Items)
def _unbox(kind: Items, given: Any, c: Any) -> Any:
    """The table, or a `TypeError` where the tuple is another one."""
    b, n = c.builder, len(kind.items)
    table = cgutils.alloca_once(b, ADDRESS, size=INDEX(max(n, 1)))
    fits = cgutils.alloca_once_value(b, cgutils.false_bit)
    is_tuple = is_of_type(c.context, b, given, _TUPLE)
    with b.if_then(is_tuple, likely=True), b.if_then(equal(b, field(b, given, _LENGTH, INDEX), n), likely=True):
        found = b.call(_reader(c.context, b.module, kind), [b.bitcast(given, ADDRESS), b.bitcast(table, ADDRESS)])
        b.store(found, fits)
    wrong = b.not_(b.load(fits))
    with b.if_then(wrong, likely=False):
        c.pyapi.err_set_string("PyExc_TypeError", "this kernel takes other arrays and numbers")
    return NativeValue(b.bitcast(table, c.context.get_value_type(kind)), is_error=wrong)


def _reader(context: Any, module: Any, kind: Items) -> Any:
    """The function `(tuple, table)` that fills the table, and says whether all items are what they should be."""
    name = f"jit_read_{kind.name[6:-1]}"
    made = ir.Function(module, ir.FunctionType(ir.IntType(1), [ADDRESS, ADDRESS]), name)
    made.linkage = "internal"
    kinds = {item: i for i, item in enumerate(dict.fromkeys(kind.items))}
    numbers = cgutils.global_constant(module, f"{name}_kinds", _numbers([kinds[item] for item in kind.items]))
    entry, head, body, after, end = (made.append_basic_block() for _ in range(5))
    b = ir.IRBuilder(entry)
    b.branch(head)
    b.position_at_end(head)
    i = b.phi(INDEX)
    i.add_incoming(INDEX(0), entry)
    b.cbranch(b.icmp_unsigned("<", i, INDEX(len(kind.items))), body, end)
    b.position_at_end(body)
    place = b.gep(made.args[0], [b.add(b.mul(i, INDEX(8)), INDEX(_ITEMS))], source_etype=_BYTE)
    item = b.load(b.bitcast(place, ADDRESS.as_pointer()), typ=ADDRESS)
    which = b.load(b.gep(b.bitcast(numbers, ADDRESS), [b.mul(i, INDEX(2))], source_etype=_BYTE), typ=_KIND)
    unreachable = made.append_basic_block()
    choice = b.switch(which, unreachable)
    b.position_at_end(unreachable)
    b.unreachable()
    b.position_at_end(after)
    address = b.phi(ADDRESS)
    for (aval, written), number in kinds.items():
        block = made.append_basic_block()
        choice.add_case(_KIND(number), block)
        b.position_at_end(block)
        found = _address(context, b, item, aval, written)
        address.add_incoming(found, b.block)
        b.branch(after)
    b.position_at_end(after)
    slot = b.gep(made.args[1], [b.mul(i, INDEX(8))], source_etype=_BYTE)
    b.store(address, b.bitcast(slot, ADDRESS.as_pointer()))
    following = b.add(i, INDEX(1))
    i.add_incoming(following, b.block)
    b.cbranch(b.icmp_unsigned("==", address, ADDRESS(None)), end, head)
    b.position_at_end(end)
    all_fit = b.phi(ir.IntType(1))
    all_fit.add_incoming(cgutils.true_bit, head)
    all_fit.add_incoming(cgutils.false_bit, after)
    b.ret(all_fit)
    return made


def _numbers(numbers: Sequence[int]) -> ir.Constant:
    if len(numbers) == 0:
        numbers = [0]
    return ir.Constant(ir.ArrayType(_KIND, len(numbers)), list(numbers))


def _address(context: Any, b: Any, item: Any, aval: Aval, written: bool) -> Any:
    """The address of the elements of an item, null where it is another one."""
    inside = cgutils.alloca_once_value(b, address_of_array(context, b, item, Dense(aval, written)))
    if aval.shape == () and not written:
        names = [f"jit_numpy_{dtype_name(aval.dtype)}"] + [_FLOAT] * (aval.dtype == np.float64)
        for name in names:
            with b.if_then(is_of_type(context, b, item, name)):
                b.store(b.gep(item, [INDEX(HEAD)], source_etype=_BYTE), inside)
    return b.load(inside)
