"""SciPy's special functions: called by the addresses of its Cython exports, in float64 whatever the dtype is."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from importlib import import_module
from math import comb, factorial
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.extending import get_cython_function_address

from autograd import ops
from autograd.primitive import Primitive

from .loops import loop
from .types import cast, constant, intrinsic

Row = Callable[..., ir.Value]
#: What the symbols of these functions begin with.
PREFIX = "special_"
_MODULE = "scipy.special.cython_special"
_DOUBLE = np.dtype(np.float64)


def link(symbol: str) -> None:
    """Makes SciPy's function of that symbol known to LLVM."""
    llvm.add_symbol(symbol, get_cython_function_address(_MODULE, _exports()[symbol]))


@cache
def _exports() -> dict[str, str]:
    """The export of each function on float64, by its symbol; of several forms each has a name of its own."""
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, (ctypes.py_object,)
    found = {}
    # Loaded by the first kernel that needs it.
    for name, capsule in import_module(_MODULE).__pyx_capi__.items():
        signature = name_of(capsule).decode().replace(" ", "")
        count = signature.count("double") - 1
        if signature == f"double({'double,' * count}int__pyx_skip_dispatch)":
            found[PREFIX + name.removeprefix("__pyx_fuse_").lstrip("0123456789")] = name
    return found


def _by_address(name: str) -> Row:
    """A call of the function of SciPy."""
    symbol = PREFIX + name

    def row(b: ir.IRBuilder, dtype: np.dtype[Any], *operands: ir.Value) -> ir.Value:
        values = [cast(b, x, dtype, _DOUBLE) for x in operands]
        function = b.module.globals.get(symbol)
        if function is None:
            link(symbol)
            types = [*[x.type for x in values], ir.IntType(32)]
            function = ir.Function(b.module, ir.FunctionType(ir.DoubleType(), types), symbol)
        # The last argument is Cython's own.
        return cast(b, b.call(function, [*values, ir.Constant(ir.IntType(32), 0)]), _DOUBLE, dtype)

    return row


# ---- Hurwitz's zeta function, which SciPy does not export ----

# From here on the sum of `n**-s` is followed by so many terms of the formula of Euler and Maclaurin.
_START, _TERMS = 9, 12


def _zeta(b: ir.IRBuilder, dtype: np.dtype[Any], s: ir.Value, x: ir.Value) -> ir.Value:
    """A call of the function, one for the whole module."""
    name = "hurwitz_zeta"
    function = b.module.globals.get(name)
    if function is None:
        double = ir.DoubleType()
        function = ir.Function(b.module, ir.FunctionType(double, [double, double]), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        inner = ir.IRBuilder(function.append_basic_block("entry"))
        inner.ret(_zeta_body(inner, *function.args))
    values = [cast(b, y, dtype, _DOUBLE) for y in (s, x)]
    return cast(b, b.call(function, values), _DOUBLE, dtype)


def _zeta_body(b: ir.IRBuilder, s: ir.Value, x: ir.Value) -> ir.Value:
    """The sum of `(x + k)**-s` over `k >= 0`; its edge values are SciPy's.

    The terms up to `w = x + n > 9` one by one, the rest by https://dlmf.nist.gov/25.11.E28.
    """
    one, infinity, nan = (constant(c, _DOUBLE) for c in (1, np.inf, np.nan))
    minus_s = b.fneg(s)
    far = b.fcmp_ordered(">", x, constant(1e8, _DOUBLE))
    near = b.select(far, one, x)
    # One for each step of 1 that brings it past 9; at a pole of a huge negative argument none.
    whole = b.fcmp_ordered("==", intrinsic(b, "llvm.floor", x), x)
    pole = b.and_(b.fcmp_ordered("<=", x, constant(0, _DOUBLE)), whole)
    short = b.fsub(constant(_START, _DOUBLE), b.select(pole, one, near))
    steps = intrinsic(b, "llvm.maxnum", b.fadd(intrinsic(b, "llvm.ceil", short), one), constant(_START, _DOUBLE))
    count = b.fptosi(intrinsic(b, "llvm.minnum", steps, constant(2.0**62, _DOUBLE)), ir.IntType(64))

    def step(_: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
        w = b.fadd(carried[1], one)
        last = intrinsic(b, "llvm.pow", w, minus_s)
        return [b.fadd(carried[0], last), w, last]

    total, w, last = loop(b, count, [intrinsic(b, "llvm.pow", near, minus_s), near, one], step)
    tail = b.fsub(b.fdiv(b.fmul(last, w), b.fsub(s, one)), b.fmul(constant(0.5, _DOUBLE), last))
    rising, power = s, b.fdiv(last, w)
    for k in range(1, _TERMS + 1):
        number = constant(float(bernoulli(2 * k) / factorial(2 * k)), _DOUBLE)
        tail = b.fadd(tail, b.fmul(number, b.fmul(rising, power)))
        for i in (2 * k - 1, 2 * k):
            rising = b.fmul(rising, b.fadd(s, constant(i, _DOUBLE)))
        power = b.fdiv(power, b.fmul(w, w))
    # Where the last term does not count, neither does the tail, in which large `s` would overflow.
    small = b.fmul(constant(np.finfo(np.float64).eps / 2, _DOUBLE), intrinsic(b, "llvm.fabs", total))
    negligible = b.fcmp_ordered("<", intrinsic(b, "llvm.fabs", last), small)
    out = b.select(negligible, total, b.fadd(total, tail))
    # https://dlmf.nist.gov/25.11.E43
    lead = b.fadd(b.fdiv(one, b.fsub(s, one)), b.fdiv(constant(0.5, _DOUBLE), x))
    out = b.select(far, b.fmul(lead, intrinsic(b, "llvm.pow", x, b.fsub(one, s))), out)
    fraction = b.fcmp_unordered("!=", intrinsic(b, "llvm.floor", s), s)
    undefined = b.and_(b.fcmp_ordered("<=", x, constant(0, _DOUBLE)), fraction)
    out = b.select(pole, infinity, b.select(undefined, nan, out))
    out = b.select(b.fcmp_ordered("<", s, one), nan, out)
    return b.select(b.fcmp_ordered("==", s, one), infinity, out)


@cache
def bernoulli(n: int) -> Fraction:
    """The Bernoulli number of that index."""
    if n == 0:
        return Fraction(1)
    return -sum((comb(n + 1, k) * bernoulli(k) for k in range(n)), Fraction(0)) / (n + 1)


# fmt: off
SPECIAL: dict[Primitive, Row] = {
    ops.gammaln:   _by_address("gammaln"),
    ops.gamma:     _by_address("gamma"),
    ops.digamma:   _by_address("psi"),
    ops.zeta:      _zeta,
    ops.erfinv:    _by_address("erfinv"),
    ops.erfcinv:   _by_address("erfcinv"),
    ops.erfcx:     _by_address("erfcx"),
    ops.ndtri:     _by_address("ndtri"),
    ops.log_ndtr:  _by_address("log_ndtr"),
    ops.logit:     _by_address("logit"),
    ops.entr:      _by_address("entr"),
    ops.i0:        _by_address("i0"),
    ops.i1:        _by_address("i1"),
    ops.i0e:       _by_address("i0e"),
    ops.i1e:       _by_address("i1e"),
    ops.iv:        _by_address("iv"),
    ops.ive:       _by_address("ive"),
    ops.beta:      _by_address("beta"),
    ops.betaln:    _by_address("betaln"),
    ops.rel_entr:  _by_address("rel_entr"),
    ops.kl_div:    _by_address("kl_div"),
    ops.betainc:   _by_address("betainc"),
    ops.gammainc:  _by_address("gammainc"),
    ops.gammaincc: _by_address("gammaincc"),
}
# fmt: on
