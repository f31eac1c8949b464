"""Arrays as kernels take them from Python: what a kernel relies on is checked in machine code.

Numba's wrapper of a function trusts its dispatcher, which looks at every argument, and refuses read-only arrays. Here
the wrapper reads NumPy's array object itself, so a call needs no dispatcher, and no check in Python either.
"""

from __future__ import annotations

import sys
from functools import cache
from math import prod
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import from_dtype
from numba.core import cgutils, types
from numba.core.datamodel.models import ArrayModel
from numba.extending import NativeValue, lower_cast, register_model, unbox

from autograd.lengths import is_length, is_open
from autograd.primitive import Aval

_BYTE, _INT, INDEX = ir.IntType(8), ir.IntType(32), ir.IntType(64)
ADDRESS = _BYTE.as_pointer()
# The head of every object ends with its type; then come, by NumPy's ABI, the fields of an array, and those of a dtype.
HEAD = object.__basicsize__
_TYPE, _DATA, _NDIM, _SHAPE, _DTYPE, _FLAGS = (HEAD + offset for offset in (-8, 0, 8, 16, 40, 48))
_BYTE_ORDER, _NUMBER = HEAD + 10, HEAD + 12
_SWAPPED = ord(">" if sys.byteorder == "little" else "<")
_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
# The symbol for the address of NumPy's array type.
_NDARRAY = "jit_numpy_ndarray"

llvm.add_symbol(_NDARRAY, id(np.ndarray))


class Dense(types.Array):
    """The type of an array of one dtype and shape: contiguous, aligned, of the machine's byte order.

    One that is `written` is writeable as well.
    """

    def __init__(self, aval: Aval, written: bool = False) -> None:
        self.aval, self.written = aval, written
        name = f"Dense({aval}, {'written' if written else 'read'})"
        super().__init__(from_dtype(aval.dtype), aval.ndim, "C", readonly=not written, name=name)

    @property
    def key(self) -> Any:
        """What tells the type from others."""
        return self.aval, self.written


register_model(Dense)(ArrayModel)


@lower_cast(types.Array, Dense)
def _from_compiled_code(context: Any, builder: Any, given: Any, wanted: Any, array: Any) -> Any:
    """The array as it is; its shape is for the kernel to check."""
    return array


@unbox(Dense)
def _unbox(kind: Dense, given: Any, c: Any) -> Any:
    """The array, or a `TypeError` if it is no such array."""
    b, aval, n = c.builder, kind.aval, kind.aval.ndim
    array = c.context.make_array(kind)(c.context, b)
    if is_open(aval.shape):
        # What the kernel asks for beside the address and the lengths.
        array.strides = ir.ArrayType(INDEX, n)(ir.Undefined)
        array.nitems, array.itemsize = INDEX(ir.Undefined), INDEX(aval.dtype.itemsize)
    else:
        strides = [aval.dtype.itemsize * prod(aval.shape[i + 1 :]) for i in range(n)]
        array.shape, array.strides = (ir.Constant(ir.ArrayType(INDEX, n), list(x)) for x in (aval.shape, strides))
        array.nitems, array.itemsize = (INDEX(x) for x in (prod(aval.shape), aval.dtype.itemsize))
    address = address_of_array(c.context, b, given, kind)
    array.data = b.bitcast(address, array.data.type)
    wrong = b.icmp_unsigned("==", address, ADDRESS(None))
    if is_open(aval.shape):
        lengths = cgutils.alloca_once_value(b, ir.ArrayType(INDEX, n)(None))
        with b.if_then(b.not_(wrong), likely=True):
            b.store(_lengths(b, given, n), lengths)
        array.shape = b.load(lengths)
    with b.if_then(wrong, likely=False):
        c.pyapi.err_set_string("PyExc_TypeError", f"this kernel takes a contiguous {aval} here")
    return NativeValue(array._getvalue(), is_error=wrong)


def address_of_array(context: Any, b: Any, given: Any, kind: Dense) -> Any:
    """The address of the elements of an array of that kind; null for any other object."""
    numbers = numbers_of(kind.aval.dtype)
    flags = _CONTIGUOUS | _ALIGNED | (_WRITEABLE if kind.written else 0)
    free = tuple([i for i, n in enumerate(kind.aval.shape) if is_length(n)])
    lengths = [INDEX(0 if i in free else n) for i, n in enumerate(kind.aval.shape)]
    expected = [_INT(x) for x in (numbers[0], numbers[-1], flags)] + lengths
    return b.call(_reader(context, b.module, kind.aval.ndim, free), [b.bitcast(given, ADDRESS), *expected])


def is_of_type(context: Any, b: Any, given: Any, symbol: str) -> Any:
    """Whether an object is of the very type whose address has that symbol."""
    kind = context.get_c_value(b, _BYTE, symbol)
    return b.icmp_unsigned("==", field(b, given, _TYPE, ADDRESS), b.bitcast(kind, ADDRESS))


def _reader(context: Any, module: Any, ndim: int, free: tuple[int, ...]) -> Any:
    """The function `(object, number, number, flags, *shape)`: the address of an array's elements if all is as expected.

    All arrays of as many axes, of which the same are `free`, share it, since LLVM would need 2 ms for each.
    """
    name = "_".join(["jit_array", str(ndim), *map(str, free)])
    known = module.globals.get(name)
    if known is not None:
        return known
    parameters = [ADDRESS, _INT, _INT, _INT, *[INDEX] * ndim]
    made = ir.Function(module, ir.FunctionType(ADDRESS, parameters), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    given, first, second, flags, *lengths = made.args
    b = ir.IRBuilder(made.append_basic_block())
    is_array = is_of_type(context, b, given, _NDARRAY)
    with b.if_then(is_array, likely=True), b.if_then(equal(b, field(b, given, _NDIM, _INT), ndim), likely=True):
        dtype, shape = (field(b, given, offset, ADDRESS) for offset in (_DTYPE, _SHAPE))
        number, found = field(b, dtype, _NUMBER, _INT), field(b, given, _FLAGS, _INT)
        fits = b.or_(b.icmp_signed("==", number, first), b.icmp_signed("==", number, second))
        fits = b.and_(fits, b.icmp_signed("!=", field(b, dtype, _BYTE_ORDER, _BYTE), _BYTE(_SWAPPED)))
        fits = b.and_(fits, b.icmp_signed("==", b.and_(found, flags), flags))
        for i, length in enumerate(lengths):
            # The kernel looks at the lengths that are open.
            if i not in free:
                fits = b.and_(fits, b.icmp_signed("==", field(b, shape, 8 * i, INDEX), length))
        b.ret(b.select(fits, field(b, given, _DATA, ADDRESS), ADDRESS(None)))
    b.ret(ADDRESS(None))
    return made


def _lengths(b: Any, array: Any, n: int) -> Any:
    found = ir.ArrayType(INDEX, n)(ir.Undefined)
    for i in range(n):
        found = b.insert_value(found, length_of(b, array, i), i)
    return found


def length_of(b: Any, array: Any, axis: int) -> Any:
    """The length of an axis of an object that is an array."""
    return field(b, field(b, array, _SHAPE, ADDRESS), 8 * axis, INDEX)


@cache
def numbers_of(dtype: np.dtype[Any]) -> tuple[int, ...]:
    """NumPy's numbers of a dtype, two where two types of C are the same: `long` and `long long` both are `int64`."""
    codes = "?" + np.typecodes["AllInteger"] + np.typecodes["AllFloat"]
    return tuple(sorted({np.dtype(code).num for code in codes if np.dtype(code) == dtype}))


def field(b: Any, of: Any, offset: int, kind: Any) -> Any:
    place = b.gep(of, [INDEX(offset)], inbounds=True, source_etype=_BYTE)
    return b.load(b.bitcast(place, kind.as_pointer()), typ=kind)


def equal(b: Any, x: Any, n: int) -> Any:
    return b.icmp_signed("==", x, x.type(n))
