"""Kernels as functions that Numba's compiled code calls: their type, and the machine code of a call.

The call is that of a function of C by its name, with the addresses of the arguments. Nothing goes through Python, and
nothing but that name is left in the code, so Numba can keep it on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from llvmlite import ir
from numba import from_dtype
from numba.core import cgutils, errors, imputils, types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.typeconv.castgraph import Conversion
from numba.core.typing.templates import AttributeTemplate, Signature, infer_getattr
from numba.extending import NativeValue, lower_builtin, register_model, unbox

from autograd.primitive import Aval

from ..emit.types import index, load, memory_type, opaque, store
from ..kernels.cache import known_native
from ..kernels.disjoint import disjoint
from ..kernels.native import Status
from .face import Face, Given, Tree
from .seen import seen_by

#: What a call raises that went wrong, by its status.
ERRORS: dict[Status, tuple[type[Exception], str]] = {
    Status.BRANCH: (
        RuntimeError,
        "a value that Python looked at leads to a branch that was not recorded; call the compiled function with such "
        "values, then make the kernel again",
    ),
    Status.INDEX: (IndexError, "an index is out of range, or a custom function failed"),
    Status.MATRIX: (ArithmeticError, "LAPACK refuses a matrix, which is singular or not positive definite"),
    Status.SHAPE: (ValueError, "an array has another shape than the example that the kernel was made for"),
    Status.OVERLAP: (ValueError, "an array that is written shares memory with another argument"),
    Status.MEMORY: (MemoryError, "there is no memory for intermediate results"),
    Status.STEPS: (
        RuntimeError,
        "a loop takes more steps than its gradient has room for; call the compiled function with such arguments, then "
        "make the kernel again",
    ),
}
_CALL = "jit call of a kernel"
# Loaded when code is compiled that needs it.
_ARRAYS = "numba.np.arrayobj"


class KernelType(types.Callable):
    """The type of a kernel in compiled code; with `status` its calls return that, too, instead of raising.

    What calls one that is `hidden` must not be kept on the disk, since the key there does not say which it is.
    """

    def __init__(self, face: Face, status: bool = False, hidden: bool = False) -> None:
        self.face, self.status, self.hidden = face, status, hidden
        inputs = ", ".join(map(str, face.inputs))
        head = f"{'Hidden' * hidden}{'Status' if status else 'Kernel'}"
        super().__init__(f"{head}({face.name}: {inputs} -> {face.result} of {', '.join(map(str, face.outputs))})")

    @property
    def key(self) -> Any:
        """What tells the type from others."""
        return self.face, self.status, self.hidden

    @property
    def inputs(self) -> list[Any]:
        """The types of the inputs."""
        return [_type_of(x) for x in self.face.inputs]

    @property
    def arrays(self) -> list[Any]:
        """The types of the arrays to write to."""
        return [_type_of(Given(self.face.outputs[i])) for i in self.face.written]

    def get_call_type(self, context: Any, args: Sequence[Any], kws: Any) -> Signature:
        """The signature of a call.

        **Errors:** Numba's `TypingError` where a kernel cannot be called like that.
        """
        inputs, arrays = self.inputs, self.arrays
        if kws or len(args) not in (len(inputs), len(inputs) + len(arrays)):
            raise errors.TypingError(
                f"this kernel takes {len(inputs)} arguments, or {len(inputs) + len(arrays)} with the arrays that it "
                f"writes to, one by one and without names, got {len(args) + len(kws)}: {', '.join(map(str, args))}"
            )
        wanted = [*inputs, *arrays][: len(args)]
        taken = [
            _taken(context, i, types.unliteral(x), y, i >= len(inputs))
            for i, (x, y) in enumerate(zip(args, wanted, strict=True))
        ]
        hidden = not all(self.is_seen(frame) for frame in context.callstack)
        return Signature(self.returned(len(args)), tuple(taken), KernelType(self.face, self.status, hidden))

    def is_seen(self, frame: Any) -> bool:
        """Whether the key of a function that is being compiled says that it calls this kernel."""
        function = frame.func_id.func
        # Numba makes functions of the bodies of parallel loops, which are kept with the function around them.
        if function.__module__ is None:
            return True
        arguments = [x for given in frame.args for x in getattr(given, "types", [given])]
        if any(isinstance(x, KernelType) and x.face == self.face for x in arguments):
            return True
        return any(x.name == self.face.name for x in seen_by(function).values())

    def returned(self, count: int) -> Any:
        """The type of what a call with so many arguments returns."""
        found = self.tree_type(self.tree(count))
        return types.Tuple([types.int64, found]) if self.status else found

    def tree(self, count: int) -> Tree:
        """What a call with so many arguments returns."""
        return self.face.numbers if count > len(self.face.inputs) else self.face.result

    def tree_type(self, tree: Tree) -> Any:
        if isinstance(tree, int):
            return _type_of(Given(self.face.outputs[tree]))
        return types.Tuple([self.tree_type(x) for x in tree]) if tree else types.none

    def get_call_signatures(self) -> tuple[list[Signature], bool]:
        """The signature of a call with the arrays that are written."""
        given = [*self.inputs, *self.arrays]
        return [Signature(self.returned(len(given)), tuple(given), None)], False

    def get_impl_key(self, signature: Signature) -> str:
        """The key of the code for calls, one for all kernels."""
        return _CALL


def _type_of(x: Given) -> Any:
    kind = from_dtype(x.aval.dtype)
    return types.Array(kind, x.aval.ndim, "F" if x.by_columns else "C") if x.aval.shape != () else kind


def _taken(context: Any, i: int, got: Any, wanted: Any, written: bool) -> Any:
    """The type in which the kernel gets an argument."""
    if not isinstance(wanted, types.Array):
        if context.can_convert(got, wanted) in (None, Conversion.unsafe):
            raise errors.TypingError(f"argument {i} of this kernel is a number, {wanted}, got {got}")
        return wanted
    like = isinstance(got, types.Array) and (got.dtype, got.ndim) == (wanted.dtype, wanted.ndim) and got.aligned
    # What has one axis and is contiguous lies by rows and by columns.
    if not like or got.layout != ("C" if wanted.ndim == 1 else wanted.layout):
        raise errors.TypingError(
            f"argument {i} of this kernel is {wanted}, got {got}; a contiguous copy of a view is "
            "`np.ascontiguousarray(x)`"
        )
    if written and not got.mutable:
        raise errors.TypingError(f"argument {i} of this kernel is written to, got the read-only {got}")
    return got


@infer_getattr
class _Attributes(AttributeTemplate):
    key = KernelType

    def resolve_status(self, kernel: KernelType) -> Any:
        return None if kernel.status else KernelType(kernel.face, True)


# ---- values ----


@register_model(KernelType)
class _Model(PrimitiveModel):
    """The address of the table of what was captured."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.PointerType(ir.IntType(8)))


@imputils.lower_constant(KernelType)
def _constant(context: Any, builder: ir.IRBuilder, kind: KernelType, value: Any) -> ir.Value:
    pointer = context.get_value_type(kind)
    if not kind.face.captures:
        return pointer(None)
    value.hold()
    found = builder.module.globals.get(value.symbol)
    if found is None:
        found = ir.GlobalVariable(builder.module, ir.IntType(8), value.symbol)
    return builder.bitcast(found, pointer)


@unbox(KernelType)
def _unbox(kind: KernelType, value: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(value, "data")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.bitcast(address, c.context.get_value_type(kind)))


@imputils.lower_getattr(KernelType, "status")
def _status(context: Any, builder: ir.IRBuilder, kind: KernelType, value: Any) -> Any:
    return value


# ---- calls ----


class _Call(NamedTuple):
    """A call in the making."""

    context: Any
    builder: ir.IRBuilder
    kind: KernelType


@lower_builtin(_CALL, types.VarArg(types.Any))
def _call(context: Any, builder: ir.IRBuilder, signature: Signature, args: Sequence[Any]) -> Any:
    kind, given = signature.args[0], signature.args[1:]
    call, face = _Call(context, builder, kind), kind.face
    n = len(face.inputs)
    inputs = [_pointer(call, x, y, z) for x, y, z in zip(face.inputs, given[:n], args[1 : n + 1], strict=True)]
    slot = cgutils.alloca_once_value(builder, index(0))
    values, pointers, made = _outputs(call, given[n:], args[n + 1 :])
    fits = _fits(call, given, args[1:])
    reads = [(x, y.aval) for x, y in zip(inputs, face.inputs, strict=True) if y.aval.shape != ()]
    writes = [] if made else [(pointers[i], face.outputs[i]) for i in face.written]
    apart = disjoint(builder, f"{face.name}_disjoint", writes, reads)
    with builder.if_else(builder.and_(fits, apart), likely=True) as (fine, wrong):
        with fine:
            target = _target(call)
            table = opaque(builder, args[0])
            builder.store(builder.call(target, [*inputs, *pointers, table]), slot)
        with wrong:
            builder.store(builder.select(fits, index(Status.OVERLAP), index(Status.SHAPE)), slot)
    status = builder.load(slot)
    if not kind.status:
        _raise(call, status, made)
    return _returned(call, signature.return_type, status, [value() for value in values], len(given))


def _target(call: _Call) -> ir.Value:
    """The function of C."""
    context, b, kind = call
    native = known_native(kind.face.name)
    target = native.declared(b.module)
    if not native.is_foreign and not kind.hidden:
        return target
    # What is called by an address of this process Numba does not keep.
    address = context.add_dynamic_addr(b, native.address, info="a kernel")
    return b.bitcast(address, target.type)


def _pointer(call: _Call, expected: Given, kind: Any, value: Any) -> ir.Value:
    """The address of an argument; a number is put on the stack, from where LLVM takes it back."""
    if isinstance(kind, types.Array):
        return opaque(call.builder, call.context.make_array(kind)(call.context, call.builder, value).data)
    place = opaque(call.builder, cgutils.alloca_once(call.builder, memory_type(expected.aval.dtype)))
    store(call.builder, value, place, expected.aval.dtype)
    return place


def _fits(call: _Call, kinds: Sequence[Any], values: Sequence[Any]) -> ir.Value:
    """Whether all arrays have their shapes."""
    fits: ir.Value = ir.Constant(ir.IntType(1), 1)
    face = call.kind.face
    expected = [x.aval for x in face.inputs] + [face.outputs[i] for i in face.written]
    for aval, kind, value in zip(expected, kinds, values, strict=False):
        if isinstance(kind, types.Array):
            array = call.context.make_array(kind)(call.context, call.builder, value)
            lengths = cgutils.unpack_tuple(call.builder, array.shape)
            for length, n in zip(lengths, aval.shape, strict=True):
                same = call.builder.icmp_unsigned("==", length, ir.Constant(length.type, n))
                fits = call.builder.and_(fits, same)
    return fits


Made = list[tuple[Any, Any]]


def _outputs(
    call: _Call, kinds: Sequence[Any], values: Sequence[Any]
) -> tuple[list[Callable[[], Any]], list[ir.Value], Made]:
    """For each output how its value is got after the call, and its address; and the arrays that were made for it."""
    context, b, face = call
    outputs, made = face.face.outputs, []
    got: list[Callable[[], Any]] = []
    pointers = []
    arrays = iter(zip(kinds, values, strict=True))
    for aval in outputs:
        if aval.shape == ():
            place = opaque(b, cgutils.alloca_once(b, memory_type(aval.dtype), zfill=True))
            got.append(_loaded(b, place, aval))
            pointers.append(place)
            continue
        if kinds:
            kind, value = next(arrays)
        else:
            kind = _type_of(Given(aval))
            shape = [context.get_constant(types.intp, n) for n in aval.shape]
            value = import_module(_ARRAYS)._empty_nd_impl(context, b, kind, shape)._getvalue()
            made.append((kind, value))
        got.append(_same(value))
        pointers.append(opaque(b, context.make_array(kind)(context, b, value).data))
    return got, pointers, made


def _loaded(b: ir.IRBuilder, place: ir.Value, aval: Aval) -> Callable[[], ir.Value]:
    return lambda: load(b, place, aval.dtype)


def _same(value: Any) -> Callable[[], Any]:
    return lambda: value


def _raise(call: _Call, status: ir.Value, made: Made) -> None:
    """Raises what the status says, unless all went well."""
    context, b, _ = call
    with b.if_then(b.icmp_unsigned("!=", status, index(Status.OK)), likely=False):
        if context.enable_nrt:
            for kind, value in made:
                context.nrt.decref(b, kind, value)
        last = list(ERRORS)[-1]
        for code, (error, text) in ERRORS.items():
            if code is last:
                context.call_conv.return_user_exc(b, error, (text,))
            else:
                with b.if_then(b.icmp_unsigned("==", status, index(code))):
                    context.call_conv.return_user_exc(b, error, (text,))
        # What follows is never reached, but a block has to go on.
        b.position_at_end(b.append_basic_block("unreachable"))


def _returned(call: _Call, kind: Any, status: ir.Value, values: list[Any], count: int) -> Any:
    """The result, put together."""
    context, b, face = call
    tree = face.tree(count)

    def put(tree: Tree, wanted: Any) -> Any:
        if isinstance(tree, int):
            return values[tree]
        if not tree:
            return context.get_dummy_value()
        return context.make_tuple(b, wanted, [put(x, y) for x, y in zip(tree, wanted.types, strict=True)])

    if face.status:
        return context.make_tuple(b, kind, [status, put(tree, kind.types[1])])
    return put(tree, kind)
