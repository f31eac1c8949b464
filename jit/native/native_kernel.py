"""A kernel for compiled code: `kernel` of a compiled function makes it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import cfunc, types
from numba.core.typing.templates import signature

from autograd import Tensor
from autograd.primitive import Aval, aval_of
from autograd.tree import LEAF, flatten

from ..calling.caller import Result
from ..graph import Graph
from ..kernels.cache import known_native, native_of, next_number, pin
from ..kernels.native import Status, native_name
from ..recording.record import Captured
from ..runtime.foreign import called_back
from ..signature import Signature, is_ready, leaf_of
from .callbacks import Adapter, Callback, rest
from .csignature import SIGNATURES, parsed
from .face import Face, Given, built, given, with_results
from .numba_calls import ERRORS, KernelType
from .seen import Seen

#: For each variable its places in the table, and what lies there.
Variables = Mapping[str, tuple[tuple[int, ...], Given]]


class NativeKernel(Seen):
    """A compiled function for arguments like an example's, which compiled code calls without returning to Python.

    In a function of Numba, under `@njit`, `prange`, `@vectorize` or `@guvectorize`, it is called with the leaves of the
    arguments one by one, arrays and numbers, and then an array for each array of the result, which it writes to. It
    returns the numbers of the result. Without arrays to write to it makes them, and returns the whole result, with
    tuples for lists and dicts. `kernel.status(...)` is the same call, but it returns a `Status` and the result, where
    `kernel(...)` raises. It may be a global of that function or an argument.

    `address` is that of a function of C, described by `c_signature`; `data` is what it takes for its last argument.

    Arrays are contiguous, and have the shapes and dtypes of the example. What the function captured lies where it lay
    when the kernel was made.
    """

    def __init__(
        self, label: str, face: Face, graphs: Sequence[Graph], arrays: Sequence[Any], variables: Variables
    ) -> None:
        self.__name__ = label
        self.face, self.arrays, self.variables = face, list(arrays), variables
        self.native = native_of(graphs)
        self.name = face.name
        self._table = _table(arrays)
        self._adapters: dict[str, Adapter] = {}
        #: The rows and columns of the entries that a sparse derivative makes.
        self.places: tuple[Any, Any] | None = None
        self.symbol = face.name
        if len(arrays):
            # Of two kernels that captured different arrays each has its own.
            self.symbol += f"_data_{next_number(face.name)}"
            llvm.add_symbol(self.symbol, self.data)

    @property
    def address(self) -> int:
        """The address of the function of C; it is valid as long as the kernel lives.

        **Errors:** `TypeError` where the kernel goes back to Python for a custom function.
        """
        names = [name for graph in self.native.graphs for name in called_back(graph)]
        if names:
            raise TypeError(
                f"{self!r} has no address for C, since the custom function `{names[0]}` is called back in Python; make "
                "that one with `@njit`"
            )
        return self.native.address

    @property
    def c_signature(self) -> str:
        """The function of C as its declaration: first the inputs, then the outputs, then what was captured."""
        inputs = [f"const {_c_type(x.aval)} *in{i} /* {x} */" for i, x in enumerate(self.face.inputs)]
        outputs = [f"{_c_type(x)} *out{i} /* {x} */" for i, x in enumerate(self.face.outputs)]
        return f"int64_t {self.name}({', '.join([*inputs, *outputs, 'const void *data'])})"

    @property
    def ctypes(self) -> Any:
        """The function of C for ctypes, which keeps the kernel alive; all its arguments are addresses."""
        function = _by_ctypes(self.face, self.address)
        function.kept = self
        return function

    def callback(self, signature: str, *data: Any) -> Callback:
        """The kernel as a function of C whose arguments stand as a solver wants them.

        **Arguments:** `signature`, a name in `jit.SIGNATURES`, or the declaration in C, with `in0`, `in1`, ... for the
        inputs of the kernel, `out0`, ... for its outputs, and `data`; the inputs that are no parameters, `data`, in
        their order. Arrays are read at each call of the function, numbers now.

        **Returns:** the function with its `address`; its `bind(*data)` is the same one with other data, for which
        nothing is compiled.

        **Errors:** `ValueError` for a signature that is none; `TypeError` where the kernel cannot be called like that,
        or gets other data than it needs.
        """
        text = SIGNATURES.get(signature, signature)
        _ = self.address
        if text not in self._adapters:
            self._adapters[text] = Adapter(repr(self), self.native, self.face, parsed(text))
        adapter = self._adapters[text]
        places = rest(self.face, adapter.signature)
        if len(data) != len(places):
            raise TypeError(f"{self!r} needs {len(places)} data besides what `{text}` has, got {len(data)}")
        inputs = [(i, x, self.face.inputs[i]) for i, x in zip(places, data, strict=True)]
        arrays = [*self.arrays, *[_given(i, x, y.aval, y.by_columns) for i, x, y in inputs]]
        if adapter.signature.has_places:
            if self.places is None:
                raise TypeError(
                    f"`{text}` asks {self!r} for the places of entries; take the kernel of a sparse derivative, "
                    "`jit.sparse_jacobian(f).kernel(x)`"
                )
            arrays += self.places
        return Callback(adapter, (self, arrays), _table(arrays), partial(self.callback, signature))

    @property
    def data(self) -> int:
        """The address of the table of what was captured."""
        return int(self._table.ctypes.data)

    @cached_property
    def first_class(self) -> FirstClass:
        """The kernel as Numba's first-class function, of one type for all kernels that take and write the same.

        It is called with the arrays to write to. Such functions cannot raise: where a call goes wrong, all numbers that
        it returns and all that it writes are NaN.

        **Errors:** `TypeError` where there are results of integers or booleans, which have no NaN.
        """
        return FirstClass(self)

    def rebind(self, **values: Any) -> None:
        """Gives the kernel other values of the variables that its function was told to `rebind`.

        Compiled code that calls the kernel reads them from its next call on. Callbacks keep what they have.

        **Arguments:** `values`, by the names of the variables; arrays of the same shapes and dtypes.

        **Errors:** `ValueError` for another name, and for an array of another shape, dtype or layout.
        """
        for name in values:
            if name not in self.variables:
                raise ValueError(
                    f"{self!r} has no variable `{name}`, only {', '.join(self.variables) or 'none'}; name it in a call "
                    "of `rebind` of the compiled function before the kernel is made"
                )
        arrays = {name: _given(f"`{name}`", x, *self.variables[name][1]) for name, x in values.items()}
        for name, x in arrays.items():
            places, expected = self.variables[name]
            for i in places:
                self.arrays[i] = x.T if expected.by_columns else x
                self._table[i] = x.ctypes.data

    def hold(self) -> None:
        """Keeps it for ever, since Numba never frees code."""
        pin(self.symbol, self)

    @property
    def _numba_type_(self) -> KernelType:
        # Code that Numba has kept may be loaded next and refer to the function of C by its name.
        known_native(self.name)
        return KernelType(self.face)

    def __reduce__(self) -> Any:
        return _unpickled, (self.__name__, self.face, self.native.graphs, self.arrays, self.variables)

    def __repr__(self) -> str:
        return f"<kernel {self.__name__}: {', '.join(map(str, self.face.inputs))}>"

    def __call__(self, *args: Any) -> Any:
        status, result = self.status(*args)
        if status:
            error, text = ERRORS[status]
            raise error(text)
        return result

    def status(self, *args: Any) -> tuple[Status, Any]:
        """The call of the kernel from Python."""
        face = self.face
        n, m = len(face.inputs), len(face.written)
        if len(args) not in (n, n + m):
            raise TypeError(f"{self!r} takes {n} arguments, or {n + m} with the arrays to write to, got {len(args)}")
        given = [_given(i, x, y.aval, y.by_columns) for i, (x, y) in enumerate(zip(args, face.inputs, strict=False))]
        arrays = enumerate(args[n:], n)
        outputs = [
            _written(*next(arrays), x) if args[n:] and x.shape != () else np.empty(x.shape, x.dtype)
            for x in face.outputs
        ]
        pairs = [(x, y) for i, x in enumerate(outputs) for y in (*given, *outputs[:i])]
        if any(np.may_share_memory(x, y) for x, y in pairs):
            return Status.OVERLAP, None
        # Python may call it also where C may not, since the kernel goes back to Python.
        call = _by_ctypes(face, self.native.address)
        status = Status(call(*[x.ctypes.data for x in (*given, *outputs)], self.data))
        values = [x if x.ndim else x.item() for x in outputs]
        return status, built(face.numbers if args[n:] else face.result, values)


def _by_ctypes(face: Face, address: int) -> Any:
    """The function of C at that address for ctypes."""
    count = len(face.inputs) + len(face.outputs) + 1
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * count)(address)


def _table(arrays: Sequence[Any]) -> np.ndarray[Any, Any]:
    """The addresses of arrays."""
    return np.array([x.ctypes.data for x in arrays], np.uintp)


def _c_type(aval: Aval) -> str:
    """The type of an element in C."""
    return {"float64": "double", "float32": "float", "bool": "bool"}.get(aval.dtype.name, f"{aval.dtype.name}_t")


def native_kernel(
    name: str,
    signature: Signature,
    recordings: Sequence[tuple[Graph, Result, Sequence[Captured]]],
    variables: Mapping[str, Any],
) -> NativeKernel:
    """The kernel of a function for arguments of that signature, from its recordings: graph, result, captures.

    **Arguments:** `variables`, what the first arguments are, by names: the kernel holds them, as what was captured.

    **Errors:** `TypeError` where it cannot be called from compiled code.
    """
    what = f"the kernel of `{name}`"
    inputs = given(what, signature)
    held = _variables(variables)
    graphs: list[Graph] = []
    captured: list[Any] = []
    faces, places = set(), []
    for graph, result, sources in recordings:
        whole, tree = with_results(what, graph, result)
        graphs.append(_holding(whole, len(held)))
        places.append(len(captured))
        captured += [*[_ordered(x, y) for (_, x), y in zip(held, inputs, strict=False)]]
        captured += [_array(what, x) for x in sources]
        faces.add((tuple([x.aval for x in whole.outputs]), tree))
        if not graph.guards:
            # It answers whatever comes to it.
            break
    if len(faces) > 1:
        raise TypeError(f"{what} needs results of one structure, of the same shapes and dtypes, in all its branches")
    ((outputs, tree),) = faces
    face = Face(native_name(graphs), inputs[len(held) :], outputs, tree, len(captured))
    names = {x: (tuple([i + start for start in places]), inputs[i]) for i, (x, _) in enumerate(held) if x is not None}
    return NativeKernel(name, face, graphs, captured, names)


def _variables(variables: Mapping[str, Any]) -> list[tuple[str | None, Any]]:
    """The leaves of variables, as far as they are no part of the program; those of containers have no name."""
    found: list[tuple[str | None, Any]] = []
    for name, value in variables.items():
        leaves, structure = flatten(value)
        is_one = structure is LEAF
        found += [(name if is_one else None, x) for x in leaves if leaf_of(x).kind != "static"]
    return found


def _holding(graph: Graph, count: int) -> Graph:
    """The graph with the first inputs as captures."""
    return graph._replace(inputs=graph.inputs[count:], captures=(*graph.inputs[:count], *graph.captures))


def _ordered(x: Any, expected: Given) -> np.ndarray[Any, Any]:
    """The array of a variable as the kernel reads it."""
    x = np.asarray(x.data if isinstance(x, Tensor) else x, expected.aval.dtype)
    return x.T if expected.by_columns else x


def _unpickled(
    label: str, face: Face, graphs: Sequence[Graph], arrays: Sequence[Any], variables: Variables
) -> NativeKernel:
    # The name is another one where the processor or the version is.
    return NativeKernel(label, face._replace(name=native_name(graphs)), graphs, arrays, variables)


_FIRST_CLASS = """\
def {name}({arguments}):
    status, result = kernel.status({arguments})
    if status != 0:
        {spoil}
        return {nothing}
    return result
"""


class FirstClass(types.WrapperAddressProtocol):
    """A kernel by the address of a function of Numba's own convention; the kernel makes it."""

    def __init__(self, kernel: NativeKernel) -> None:
        face = kernel.face
        if any(aval.dtype.kind != "f" for aval in face.outputs):
            raise TypeError(
                f"{kernel!r} has results that are no floats, which cannot say that a call went wrong; make them "
                "floats, or pass the kernel itself"
            )
        kind = KernelType(face)
        given = [*kind.inputs, *kind.arrays]
        names = [f"a{i}" for i in range(len(given))]
        name = f"first_class_{kernel.symbol}"
        source = _FIRST_CLASS.format(
            name=name,
            arguments=", ".join(names),
            spoil="; ".join([f"{x}[...] = nan" for x in names[len(face.inputs) :]] or ["pass"]),
            nothing=_nothing(face.numbers),
        )
        namespace: dict[str, Any] = {"kernel": kernel, "nan": np.nan}
        exec(source, namespace)
        self._signature = signature(kind.returned(len(given)), *given)
        self._made: Any = cfunc(self._signature)(namespace[name])

    def __wrapper_address__(self) -> int:
        return int(self._made.address)

    def signature(self) -> Any:
        """Its signature, that of `numba.types.FunctionType`."""
        return self._signature


def _nothing(tree: Any) -> str:
    if isinstance(tree, int):
        return "nan"
    return f"({''.join(_nothing(x) + ', ' for x in tree)})" if tree else "None"


def _array(what: str, captured: Captured) -> np.ndarray[Any, Any]:
    """What was captured, as the kernel reads it."""
    source, order = captured
    x = np.asarray(source.data if isinstance(source, Tensor) else source)
    x = x if order is None else x.transpose(order)
    if not is_ready(x):
        raise TypeError(
            f"{what} needs captured arrays that are contiguous, aligned and of this machine's byte "
            f"order, got one of {aval_of(x)}; copy it, `np.ascontiguousarray(x)`, before the function captures it"
        )
    return x


def _written(i: int, x: Any, aval: Any) -> np.ndarray[Any, Any]:
    x = _given(i, x, aval, False)
    if not x.flags.writeable:
        raise ValueError(f"argument {i} of this kernel needs an array that can be written to, got a read-only one")
    return x


def _given(i: int | str, x: Any, aval: Any, by_columns: bool) -> np.ndarray[Any, Any]:
    x = np.asarray(x, aval.dtype) if aval.shape == () else x
    if not isinstance(x, np.ndarray) or (x.shape, x.dtype) != aval or not is_ready(x.T if by_columns else x):
        what = f"argument {i}" if isinstance(i, int) else i
        raise ValueError(f"{what} of this kernel needs a contiguous array of {aval}, got {x!r:.100}")
    return x
