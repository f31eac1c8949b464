"""All that a kernel reads and writes as one Python tuple, for kernels with many arguments.

Numba compiles some instructions for each argument of a function, 10 ms for an array; here a loop over a table of the
kinds of items looks at them. An item is an array, or a number in the form of NumPy's scalars or of Python's floats.

Where lengths are open, the sizes are taken from the first items that have them, and the lengths of all items follow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import OpaqueModel
from numba.extending import NativeValue, register_model, unbox

from autograd.lengths import Lengths, is_length
from autograd.primitive import Aval, dtype_name

from ..emit.open import value_of
from .boxing import ADDRESS, HEAD, INDEX, Dense, address_of_array, equal, field, is_of_type, length_of

_BYTE, _KIND = ir.IntType(8), ir.IntType(16)
# The length of a tuple stands behind the head that all objects have, and its items behind that.
_LENGTH, _ITEMS = HEAD, tuple.__basicsize__
_TUPLE = "jit_python_tuple"
# Python's numbers that have the same memory as NumPy's.
_PYTHON = {"float64": ["jit_python_float"], "complex128": ["jit_python_complex"]}

llvm.add_symbol(_TUPLE, id(tuple))
llvm.add_symbol("jit_python_float", id(float))
llvm.add_symbol("jit_python_complex", id(complex))
_WIDTHS = [f"{kind}{8 << i}" for kind in ("int", "uint") for i in range(4)]
for _name in ("bool", *_WIDTHS, "float32", "float64", "complex64", "complex128"):
    llvm.add_symbol(f"jit_numpy_{_name}", id(np.dtype(_name).type))

#: A shape and dtype, and whether the array is written.
Item = tuple[Aval, bool]


class Items(types.Type):
    """The type of a tuple of such items; as a native value it is a table of the addresses of their elements.

    Behind the addresses stand the open `sizes`, and the length of the last item if that is a `workspace`, which may be
    longer than needed.
    """

    def __init__(self, items: Sequence[Item], sizes: Lengths | None = None, workspace: bool = False) -> None:
        self.items, self.workspace = tuple(items), workspace
        self.sizes = () if sizes is None else tuple(sizes.values)
        text = " ".join([f"{aval}{'!' if written else ''}" for aval, written in self.items])
        super().__init__(f"Items({hashlib.sha256(f'{text} {self.sizes} {workspace}'.encode()).hexdigest()})")

    @property
    def taken(self) -> list[tuple[int, int]]:
        """The items and axes whose lengths stand behind the addresses."""
        found: dict[str, tuple[int, int]] = {}
        for i, (aval, _) in enumerate(self.items):
            for axis, n in enumerate(aval.shape):
                found.setdefault(str(n), (i, axis))
        return [found[name] for name in self.sizes] + [(len(self.items) - 1, 0)] * self.workspace


register_model(Items)(OpaqueModel)


@unbox(Items)
def _unbox(kind: Items, given: Any, c: Any) -> Any:
    """The table, or a `TypeError` where the tuple is another one."""
    b, n = c.builder, len(kind.items)
    table = cgutils.alloca_once(b, ADDRESS, size=INDEX(max(n + len(kind.taken), 1)))
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
    made = ir.Function(module, ir.FunctionType(cgutils.bool_t, [ADDRESS, ADDRESS]), name)
    made.linkage = "internal"
    items, table = made.args
    numbers = {item: i for i, item in enumerate(dict.fromkeys(kind.items))}
    column = ir.Constant(ir.ArrayType(_KIND, len(kind.items)), [numbers[item] for item in kind.items])
    kinds = cgutils.global_constant(module, f"{name}_kinds", column)
    b = ir.IRBuilder(made.append_basic_block())
    with cgutils.for_range(b, INDEX(len(kind.items))) as loop:
        item = _entry(b, items, b.add(b.mul(loop.index, INDEX(8)), INDEX(_ITEMS)), ADDRESS)
        number = _entry(b, kinds, b.mul(loop.index, INDEX(2)), _KIND)
        found = cgutils.alloca_once(b, ADDRESS)
        b.store(ADDRESS(None), found)
        for (aval, written), i in numbers.items():
            with b.if_then(b.icmp_unsigned("==", number, _KIND(i))):
                b.store(_address(context, b, item, aval, written), found)
        address = b.load(found)
        with b.if_then(b.icmp_unsigned("==", address, ADDRESS(None)), likely=False):
            b.ret(cgutils.false_bit)
        _put(b, table, loop.index, address)
    b.ret(_lengths_fit(b, kind, numbers, items, kinds, table))
    return made


def _lengths_fit(b: Any, kind: Items, numbers: Any, items: Any, kinds: Any, table: Any) -> Any:
    """Puts the sizes behind the addresses, and says whether the lengths of all items follow from them."""
    taken = []
    for i, (number, axis) in enumerate(kind.taken):
        taken.append(length_of(b, _entry(b, items, INDEX(8 * number + _ITEMS), ADDRESS), axis))
        _put(b, table, INDEX(len(kind.items) + i), taken[-1])
    sizes = dict(zip(kind.sizes, taken, strict=False))
    # The workspace is looked at by the kernel.
    count = len(kind.items) - kind.workspace
    lengths = {n for aval, _ in kind.items[:count] for n in aval.shape if is_length(n)}
    if not lengths:
        return cgutils.true_bit
    fits = cgutils.alloca_once_value(b, cgutils.true_bit)
    expected = {n: value_of(b, n.terms, sizes) for n in lengths}
    with cgutils.for_range(b, INDEX(count)) as loop:
        item = _entry(b, items, b.add(b.mul(loop.index, INDEX(8)), INDEX(_ITEMS)), ADDRESS)
        number = _entry(b, kinds, b.mul(loop.index, INDEX(2)), _KIND)
        for (aval, _), i in numbers.items():
            axes = [(axis, expected[n]) for axis, n in enumerate(aval.shape) if n in expected]
            with b.if_then(b.icmp_unsigned("==", number, _KIND(i))) if axes else nullcontext():
                for axis, n in axes:
                    same = b.icmp_signed("==", length_of(b, item, axis), n)
                    b.store(b.and_(b.load(fits), same), fits)
    return b.load(fits)


def _put(b: Any, table: Any, i: Any, x: Any) -> None:
    place = b.gep(table, [b.mul(i, INDEX(8))], source_etype=_BYTE)
    b.store(x, b.bitcast(place, x.type.as_pointer()))


def _entry(b: Any, of: Any, offset: Any, kind: Any) -> Any:
    place = b.gep(b.bitcast(of, ADDRESS), [offset], source_etype=_BYTE)
    return b.load(b.bitcast(place, kind.as_pointer()), typ=kind)


def _address(context: Any, b: Any, item: Any, aval: Aval, written: bool) -> Any:
    """The address of the elements of an item, null where it is another one."""
    inside = cgutils.alloca_once_value(b, address_of_array(context, b, item, Dense(aval, written)))
    if aval.shape == () and not written:
        names = [f"jit_numpy_{dtype_name(aval.dtype)}", *_PYTHON.get(aval.dtype.name, ())]
        for name in names:
            with b.if_then(is_of_type(context, b, item, name)):
                b.store(b.gep(item, [INDEX(HEAD)], source_etype=_BYTE), inside)
    return b.load(inside)
