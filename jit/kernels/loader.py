"""Machine code to callables, without Numba's typing: its registries alone take 0.3 s to load.

The object file that Numba has made of a kernel holds the kernel and its wrapper for CPython. LLVM's linker puts it
into memory, and a function object of Numba's is made of the wrapper's address. The memory is freed with the function.
"""

from __future__ import annotations

import builtins
import ctypes
import json
import sys
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite.binding.orcjit import LLJIT, JITLibraryBuilder, create_lljit_compiler
from numba import _dynfunc, _helperlib  # type: ignore[attr-defined]
from numba.core.runtime import _nrt_python  # type: ignore[attr-defined]

_next_number = count().__next__


class Code(NamedTuple):
    """The machine code of a kernel.

    `image` is an object file; `entry` is the symbol of the wrapper, `environment` that of the pointer which must not be
    null when it runs, and `symbols` are those that lie outside. `workspace` is the size of the one that the kernel
    takes as its last argument. A function of C has neither wrapper nor environment: its `entry` is its own symbol.
    """

    image: bytes
    entry: str
    environment: str
    symbols: tuple[str, ...]
    workspace: int


def code_of(result: Any, workspace: int) -> Code:
    """The machine code of what Numba has compiled."""
    _, _, (image, _) = result.library.serialize_using_object_code()
    module = result.library._final_module
    outside = [x.name for x in (*module.functions, *module.global_variables) if x.is_declaration]
    symbols = tuple([x for x in outside if not x.startswith("llvm.")])
    return Code(image, result.fndesc.llvm_cpython_wrapper_name, result.fndesc.env_name, symbols, workspace)


def packed(code: Code) -> bytes:
    """The code as a string of bytes, for `unpacked`."""
    return json.dumps(code[1:]).encode() + b"\n" + code.image


def unpacked(content: bytes) -> Code:
    """The code that `packed` was given."""
    head, image = content.split(b"\n", 1)
    entry, environment, symbols, workspace = json.loads(head)
    return Code(image, entry, environment, tuple(symbols), workspace)


def load(name: str, code: Code) -> Callable[..., Any]:
    """The kernel as a function.

    **Errors:** `RuntimeError` where this process does not have a symbol.
    """
    kept = linked(name, code)
    library = kept[1]
    environment = _dynfunc.Environment({})
    ctypes.c_void_p.from_address(library[code.environment]).value = id(environment)
    made: Callable[..., Any] = _dynfunc.make_function(
        sys.modules[__name__], name, "", library[code.entry], environment, kept
    )
    return made


def linked(name: str, code: Code) -> tuple[LLJIT, Any]:
    """The code in the memory of this process, freed with what is returned: LLVM's linker, and addresses by symbol.

    **Errors:** `RuntimeError` where this process does not have a symbol.
    """
    builder = JITLibraryBuilder().add_object_img(code.image).add_current_process()
    for symbol in filter(None, (code.entry, code.environment)):
        builder.export_symbol(symbol)
    for symbol in code.symbols:
        # Numba's come first: for it `PyExc_TypeError` is the class, in the process it is a pointer to that.
        address = _helpers().get(symbol) or llvm.address_of_symbol(symbol)
        if address:
            builder.import_symbol(symbol, address)
    engine = _engine()
    return engine, builder.link(engine, f"{name}_{_next_number()}")


@cache
def _engine() -> LLJIT:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return create_lljit_compiler(suppress_errors=True)


@cache
def _helpers() -> dict[str, int]:
    """The addresses of what Numba's wrappers use, by the names that Numba gives to them."""
    found = {name if name[0] == "_" else f"NRT_{name}": x for name, x in _nrt_python.c_helpers.items()}
    for helpers in (_helperlib, _dynfunc):
        found |= {f"numba_{name}": x for name, x in helpers.c_helpers.items()}
    errors = [x for x in vars(builtins).values() if isinstance(x, type) and issubclass(x, BaseException)]
    return found | {f"PyExc_{x.__name__}": id(x) for x in errors}
