"""Kernels as functions of C in the argument orders that solvers and samplers want.

Inputs of the kernel that are no parameters are data: they are found, as what the function captured is, through a table
whose address is the parameter `data`, so that new data needs no new code.

What is returned says how the call went: an integer is a `Status`, a `bool` whether all went well, a `double` is `out0`,
NaN where something went wrong. Where nothing is returned all outputs are NaN then.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from autograd.primitive import Aval

from ..emit.loops import loop
from ..emit.types import POINTER, constant, element, index, memory_type, opaque, scalar_type, store
from ..kernels.loader import linked
from ..kernels.machine import code_of_module, new_module
from ..kernels.native import Native, Status
from .csignature import CSignature, Parameter, ctype_of
from .face import Face


def rest(face: Face, signature: CSignature) -> list[int]:
    """The inputs that are data, since they are no parameters."""
    given = signature.names("in")
    return [i for i in range(len(face.inputs)) if i not in given]


def _check(what: str, face: Face, signature: CSignature) -> None:
    """
    **Errors:** `TypeError` where a kernel cannot be called like that.
    """
    inputs, outputs = [x.aval for x in face.inputs], list(face.outputs)
    for prefix, avals in (("in", inputs), ("out", outputs)):
        for i, parameter in signature.names(prefix).items():
            if i >= len(avals):
                raise TypeError(f"{what} has {len(avals)} {prefix}puts, and the signature asks for `{parameter.name}`")
            aval = avals[i]
            like = parameter.dtype == aval.dtype and (parameter.pointer or (prefix == "in" and aval.shape == ()))
            if not like:
                raise TypeError(f"`{parameter.name}` of {what} is {aval}, which is no `{_text(parameter)}`")
    returned = signature.returned
    if returned is not None and returned.kind == "f" and (not outputs or outputs[0] != Aval((), returned)):
        raise TypeError(f"{what} has to give {Aval((), returned)} first, which is returned, got {_list(outputs)}")
    missing = [i for i, x in enumerate(outputs) if x.shape != () and i not in signature.names("out")]
    if missing:
        raise TypeError(
            f"{what} writes `out{missing[0]}`, {outputs[missing[0]]}, and the signature has no such parameter"
        )
    if returned is None and any(x.dtype.kind != "f" for x in outputs):
        raise TypeError(
            f"{what} has results that are no floats, so a function that returns nothing cannot say how it went"
        )
    if signature.has_places:
        _check_places(what, signature)
    if signature.data is None and (face.captures or rest(face, signature) or signature.has_places):
        raise TypeError(f"{what} needs data, and the signature has no parameter `data` for it")


def _check_places(what: str, signature: CSignature) -> None:
    """
    **Errors:** `TypeError` where the places of entries cannot be written.
    """
    for x in signature.parameters:
        if x.name in ("rows", "columns") and not (x.pointer and x.dtype == np.int32):
            raise TypeError(f"`{x.name}` of {what} is int *, which is no `{_text(x)}`")
    if signature.returned is None or signature.returned.kind == "f":
        raise TypeError(f"{what} writes the places of its entries, so the signature has to return a bool or an integer")


def _text(parameter: Parameter) -> str:
    return f"{parameter.dtype or 'void'}{' *' * parameter.pointer}"


def _list(avals: Sequence[Aval]) -> str:
    return ", ".join(map(str, avals)) or "nothing"


class Adapter:
    """The machine code of a kernel under a signature; it may be called as long as this object lives."""

    def __init__(self, what: str, native: Native, face: Face, signature: CSignature) -> None:
        _check(what, face, signature)
        self.native, self.signature = native, signature
        name = f"{native.name}_adapted"
        module = new_module(name)
        parameters = [x.type for x in signature.parameters]
        returned = ir.VoidType() if signature.returned is None else _returned(signature.returned)
        function = ir.Function(module, ir.FunctionType(returned, parameters), name)
        _write(function, ir.Function(module, native.type, native.name), face, signature)
        self._kept = linked(name, code_of_module(module, name))
        self.address = int(self._kept[1][name])

    def function(self) -> Any:
        """The function for ctypes."""
        returned = self.signature.returned
        result = None if returned is None else ctype_of(returned)
        return ctypes.CFUNCTYPE(result, *[x.ctype for x in self.signature.parameters])(self.address)


class Callback:
    """A kernel as a function of C of some signature, and its data; `NativeKernel.callback` makes it.

    `address` is that of the function, `data` that of the table which its parameter `data` takes, the memory of the
    array `table`. Both are valid as long as the callback lives.

    >>> import numpy as np
    >>> import jit
    >>> from scipy import LowLevelCallable
    >>> from scipy.integrate import quad
    >>> wave = jit.compile(lambda x, rate: np.exp(-rate * x)).kernel(0.0, 1.0).callback("quad", 2.0)
    >>> round(quad(LowLevelCallable(wave.ctypes, wave.user_data), 0, np.inf)[0], 12)
    0.5
    """

    def __init__(self, adapter: Adapter, held: Sequence[Any], table: np.ndarray[Any, Any], bind: Any) -> None:
        self._adapter, self._held, self.table, self.bind = adapter, held, table, bind
        self.address = adapter.address

    @property
    def data(self) -> int:
        """The address of the table of the data."""
        return int(self.table.ctypes.data)

    @property
    def ctypes(self) -> Any:
        """The function for ctypes, as `scipy.LowLevelCallable` takes it; it keeps the callback alive."""
        function = self._adapter.function()
        function.kept = self
        return function

    @property
    def user_data(self) -> Any:
        """The address of the data for ctypes; it keeps the callback alive."""
        address = ctypes.c_void_p(self.data)
        address.kept = self  # type: ignore[attr-defined]
        return address


def _write(function: ir.Function, target: ir.Function, face: Face, signature: CSignature) -> None:
    b = ir.IRBuilder(function.append_basic_block("entry"))
    named = {x.name: value for x, value in zip(signature.parameters, function.args, strict=True)}
    data = _data(b, named, signature)
    later = rest(face, signature)
    if signature.has_places:
        _write_places(b, named, data, face.captures + len(later), face.outputs[0].size, signature)
    inputs = []
    for i, x in enumerate(face.inputs):
        if i in later:
            place = b.gep(data, [index(face.captures + later.index(i))], source_etype=POINTER)
            inputs.append(b.load(place, typ=POINTER))
        else:
            value = named[f"in{i}"]
            inputs.append(value if isinstance(value.type, ir.PointerType) else _on_stack(b, value, x.aval.dtype))
    outputs = [named.get(f"out{i}") or opaque(b, b.alloca(memory_type(x.dtype))) for i, x in enumerate(face.outputs)]
    status = b.call(target, [*inputs, *outputs, data])
    fine = b.icmp_unsigned("==", status, index(Status.OK))
    returned = signature.returned
    if returned is None:
        with b.if_then(b.not_(fine), likely=False):
            for aval, pointer in zip(face.outputs, outputs, strict=True):
                _spoil(b, pointer, aval)
        b.ret_void()
    elif returned.kind == "f":
        value = b.load(outputs[0], typ=scalar_type(returned))
        b.ret(b.select(fine, value, constant(np.nan, returned)))
    elif returned.kind == "b":
        b.ret(b.zext(fine, _returned(returned)))
    else:
        whole = memory_type(returned)
        b.ret(status if whole == status.type else b.trunc(status, whole))


def _data(b: ir.IRBuilder, named: Any, signature: CSignature) -> ir.Value:
    """The table of the data: what the parameter is, or what lies at a position of an array of such."""
    if signature.data is None:
        return ir.Constant(POINTER, None)
    given = named[signature.data]
    if signature.data == "data":
        return given
    return b.load(b.gep(given, [index(int(signature.data[4:]))], source_etype=POINTER), typ=POINTER)


def _write_places(b: ir.IRBuilder, named: Any, data: ir.Value, position: int, size: int, signature: CSignature) -> None:
    """Where `out0` is null, writes the places of so many entries, which lie at that position of the table; and ends."""
    null = b.icmp_unsigned("==", named["out0"], ir.Constant(POINTER, None))
    with b.if_then(null, likely=False):
        for k, name in enumerate(("rows", "columns")):
            place = b.load(b.gep(data, [index(position + k)], source_etype=POINTER), typ=POINTER)
            _copy(b, place, named[name], size)
        dtype: Any = signature.returned
        b.ret(ir.Constant(_returned(dtype), 1 if dtype.kind == "b" else int(Status.OK)))


def _copy(b: ir.IRBuilder, source: ir.Value, target: ir.Value, size: int) -> None:
    dtype = np.dtype(np.int32)

    def one(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        b.store(b.load(element(b, source, i, dtype), typ=memory_type(dtype)), element(b, target, i, dtype))
        return []

    loop(b, size, [], one)


def _returned(dtype: np.dtype[Any]) -> ir.Type:
    # Whoever takes it for an `int` reads four bytes.
    return ir.IntType(32) if dtype.kind == "b" else memory_type(dtype)


def _on_stack(b: ir.IRBuilder, value: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    place = opaque(b, b.alloca(memory_type(dtype)))
    b.store(value, place)
    return place


def _spoil(b: ir.IRBuilder, pointer: ir.Value, aval: Aval) -> None:
    """Writes NaN to all elements."""

    def one(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        store(b, constant(np.nan, aval.dtype), element(b, pointer, i, aval.dtype), aval.dtype)
        return []

    loop(b, aval.size, [], one)
