"""Functions of C by their declarations, whose parameters' names say what they are to a kernel.

`in0`, `in1`, ... are the inputs of the kernel, `out0`, ... its outputs, `data` what a solver hands through; others are
not looked at. Where a solver hands the same to several functions, `data0`, `data1`, ... are the address of an array of
addresses, of which the one at that position is the data. `rows` and `columns` are where a sparse derivative writes the
places of its entries, in a call whose `out0` is null.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ..emit.types import POINTER, memory_type

#: The signatures that have a name, by whom wants them.
SIGNATURES = {
    # scipy.integrate.quad and nquad
    "quad": "double f(double in0, void *data)",
    "nquad": "double f(int n, double *in0, void *data)",
    # nutpie: the value and the gradient of a log density
    "nutpie": "int64_t f(uint64_t n, const double *in0, double *out1, double *out0, void *data)",
    # Ipopt's interface for C: the objective or its gradient; the constraints
    "ipopt f": "bool f(int n, const double *in0, bool new_x, double *out0, void *data)",
    "ipopt g": "bool f(int n, const double *in0, bool new_x, int m, double *out0, void *data)",
    # Ipopt's interface for C: the constraints' Jacobian and the Hessian of the Lagrangian, sparse
    "ipopt jac_g": (
        "bool f(int n, const double *in0, bool new_x, int m, int nnz, int *rows, int *columns, double *out0, "
        "void *data)"
    ),
    "ipopt h": (
        "bool f(int n, const double *in0, bool new_x, double in1, int m, const double *in2, bool new_lambda, int nnz, "
        "int *rows, int *columns, double *out0, void *data)"
    ),
    # ipyopt: the same, the values of the constraints' Jacobian, and those of the Hessian of the Lagrangian
    "ipyopt f": "bool f(int n, const double *in0, double *out0, void *data)",
    "ipyopt g": "bool f(int n, const double *in0, int m, double *out0, void *data)",
    "ipyopt jac_g": "bool f(int n, const double *in0, int m, int nnz, double *out0, void *data)",
    "ipyopt h": "bool f(int n, double *in0, double in1, int m, double *in2, int nnz, double *out0, void *data)",
    # numbalsoda: the right side of an ordinary differential equation
    "lsoda": "void f(double in0, const double *in1, double *out0, void *data)",
}
_WHOLE = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
_KINDS: dict[str, Any] = {
    "double": np.float64, "float": np.float32, "bool": np.bool_, "int": np.int32, "unsigned": np.uint32,
    "size_t": np.uintp, **{f"{name}_t": np.dtype(name) for name in _WHOLE},
}  # fmt: skip
_PARAMETER = re.compile(r"(?:const\s+)?(\w+)(\s*\*\s*|\s+)(\w+)")


def ctype_of(dtype: Any) -> Any:
    """The type of ctypes for a dtype."""
    return np.ctypeslib.as_ctypes_type(dtype)


class Parameter(NamedTuple):
    """A parameter of a function of C: its name, its dtype (`None` for `void`), and whether it is a pointer."""

    name: str
    dtype: np.dtype[Any] | None
    pointer: bool

    @property
    def type(self) -> ir.Type:
        """Its type in LLVM."""
        return POINTER if self.pointer else memory_type(self.dtype)  # type: ignore[arg-type]

    @property
    def ctype(self) -> Any:
        """Its type for ctypes."""
        if self.pointer:
            return ctypes.c_void_p if self.dtype is None else ctypes.POINTER(ctype_of(self.dtype))
        return ctype_of(self.dtype)


class CSignature(NamedTuple):
    """A function of C: what it returns (`None` for `void`), and its parameters."""

    returned: np.dtype[Any] | None
    parameters: tuple[Parameter, ...]

    @property
    def data(self) -> str | None:
        """The name of the parameter that leads to the data."""
        return next((x.name for x in self.parameters if re.fullmatch(r"data\d*", x.name)), None)

    @property
    def has_places(self) -> bool:
        """Whether a call may ask for the places of entries."""
        return {"rows", "columns"} <= {x.name for x in self.parameters}

    def names(self, prefix: str) -> dict[int, Parameter]:
        """The parameters that are numbered after that prefix."""
        found = [(re.fullmatch(rf"{prefix}(\d+)", x.name), x) for x in self.parameters]
        return {int(match[1]): x for match, x in found if match}


def parsed(text: str) -> CSignature:
    """The signature that a text in C says.

    **Errors:** `ValueError` where it is none.
    """
    whole = re.fullmatch(r"\s*(\w+)\s+\w+\s*\((.*)\)\s*", text)
    matches = [_PARAMETER.fullmatch(x.strip()) for x in whole[2].split(",")] if whole else [None]
    if whole is None or not all(matches):
        raise ValueError(
            f"a signature is like `{SIGNATURES['quad']}`, or one of {', '.join(map(repr, SIGNATURES))}; got {text!r}"
        )
    parameters = [Parameter(x[3], _kind(x[1], text), "*" in x[2]) for x in matches if x]
    return CSignature(_kind(whole[1], text), tuple(parameters))


def _kind(name: str, text: str) -> np.dtype[Any] | None:
    if name == "void":
        return None
    if name not in _KINDS:
        raise ValueError(f"signatures have the types {', '.join(_KINDS)} and void, got {name!r} in {text!r}")
    return np.dtype(_KINDS[name])
