"""The inlined elementary functions: accuracy, special values, and that loops over them vectorise."""

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import scipy.special
from llvmlite import ir
from mpmath import mp
from numba import njit
from numba.extending import intrinsic

from jit.emit.vecmath import VECMATH, arithmetic

Array = np.ndarray[Any, Any]
Interval = tuple[float, float]
DTYPES = (np.float64, np.float32)
KINDS = {np.float64: ir.DoubleType(), np.float32: ir.FloatType()}
# Every bit pattern at this distance from the last; some 500 thousand float32 numbers.
STRIDE = 8191


class Case(NamedTuple):
    """A function with its values in float64 and at any precision, and where to look closely."""

    values: Callable[..., Array]
    exact: Callable[..., Any]
    intervals: tuple[Interval, ...]
    instructions: int  # not to be exceeded, as compile time is paid for each
    cancels: bool = False  # near zero the error is that of the larger argument, as in NumPy's function


def sigmoid(x: Array) -> Array:
    t = np.exp(-np.abs(x))
    return np.where(x < 0, t, 1) / (1 + t)


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


UNARY = {
    "exp": Case(np.exp, mp.exp, ((-1, 1), (-744, 709)), 35),
    "exp2": Case(np.exp2, lambda x: mpmath.power(2, x), ((-1, 1), (-1074, 1023)), 35),
    "expm1": Case(np.expm1, mp.expm1, ((-0.4, 0.4), (-2, 2), (-40, 709)), 40),
    "log": Case(np.log, mp.log, ((0.7, 1.5), (0, 100)), 45),
    "log1p": Case(np.log1p, mp.log1p, ((-0.5, 0.5), (-1, 10)), 55),
    "log2": Case(np.log2, lambda x: mpmath.log(x, 2), ((0.7, 1.5), (0, 100)), 60),
    "log10": Case(np.log10, mp.log10, ((0.7, 1.5), (0, 100)), 60),
    "sin": Case(np.sin, mp.sin, ((-1.6, 1.6), (-100, 100), (-2e9, 2e9)), 50),
    "cos": Case(np.cos, mp.cos, ((-1.6, 1.6), (-100, 100), (-2e9, 2e9)), 50),
    "tan": Case(np.tan, mp.tan, ((-1.6, 1.6), (-100, 100), (-2e9, 2e9)), 70),
    "tanh": Case(np.tanh, mp.tanh, ((-0.6, 0.6), (-20, 20)), 50),
    "sinh": Case(np.sinh, mp.sinh, ((-0.5, 0.5), (-20, 20), (-710, 710)), 50),
    "cosh": Case(np.cosh, mp.cosh, ((-0.5, 0.5), (-20, 20), (-710, 710)), 50),
    "sigmoid": Case(sigmoid, lambda x: 1 / (1 + mp.exp(-x)), ((-5, 5), (-745, 40)), 55),
    "softplus": Case(softplus, lambda x: mp.log1p(mp.exp(x)), ((0, 0.5), (-5, 5), (-745, 40)), 65),
    "erf": Case(scipy.special.erf, mp.erf, ((-1, 1), (0.9, 1.5), (-6, 6)), 75),
    "erfc": Case(scipy.special.erfc, lambda x: mp.erfc(min(x, 40)), ((-1, 1), (0.4, 2), (-6, 27)), 110),
    "arctan": Case(np.arctan, mp.atan, ((0.4, 0.6), (1.8, 2.2), (-5, 5)), 50),
    "arcsin": Case(np.arcsin, mp.asin, ((-1, 1), (0.45, 0.6), (0.99, 1)), 40),
    "arccos": Case(np.arccos, mp.acos, ((-1, 1), (0.45, 0.6), (0.99, 1)), 50),
    "arcsinh": Case(np.arcsinh, mp.asinh, ((-0.5, 0.5), (-5, 5), (0, 2e9)), 70),
    "arccosh": Case(np.arccosh, mp.acosh, ((1, 1.1), (1, 5), (1, 2e9)), 80),
    "arctanh": Case(np.arctanh, mp.atanh, ((-0.2, 0.2), (-1, 1), (0.99, 1)), 65),
}
BINARY = {
    "pow": Case(np.power, mpmath.power, ((0.7, 1.4), (-500, 500)), 160),
    "arctan2": Case(np.arctan2, mp.atan2, ((-3, 3), (-3, 3)), 80),
    "logaddexp": Case(np.logaddexp, lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), ((0, 40), (0, 40)), 75, cancels=True),
}
CASES = UNARY | BINARY


@cache
def kernel(name: str, fuses: bool = True) -> Any:
    """A jitted loop that applies the function to each element."""

    def emit(builder: ir.IRBuilder, arguments: list[ir.Value]) -> ir.Value:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arithmetic, "FUSES", fuses and arithmetic.FUSES)
            return VECMATH[name](builder, *arguments)

    if name in BINARY:

        @intrinsic
        def two(_typing: Any, x: Any, y: Any) -> Any:
            return x(x, y), lambda _context, builder, _signature, arguments: emit(builder, arguments)

        @njit(error_model="numpy")
        def binary(x: Array, y: Array, out: Array) -> None:
            for i in range(x.size):
                out[i] = two(x[i], y[i])

        return binary

    @intrinsic
    def one(_typing: Any, x: Any) -> Any:
        return x(x), lambda _context, builder, _signature, arguments: emit(builder, arguments)

    @njit(error_model="numpy")
    def unary(x: Array, out: Array) -> None:
        for i in range(x.size):
            out[i] = one(x[i])

    return unary


def evaluate(name: str, *arguments: Array, fuses: bool = True) -> Array:
    out = np.empty_like(arguments[0])
    kernel(name, fuses)(*arguments, out)
    return out


def reference(name: str, *arguments: Array) -> Array:
    """The value in float64, with every floating-point warning silenced."""
    with np.errstate(all="ignore"):
        return CASES[name].values(*(x.astype(np.float64) for x in arguments))


def error_from_float64(got: Array, want: Array, least: Array | float = 0.0) -> Array:
    """The error of finite results in units in the last place, of the result or of a larger `least`."""
    with np.errstate(all="ignore"):
        unit = np.spacing(np.maximum(np.abs(want), least).astype(got.dtype)).astype(np.float64)
        error = np.abs(got.astype(np.float64) - want) / unit
        return np.where(np.isfinite(want.astype(got.dtype)), error, 0)


def error_from_exact(got: float, want: Any) -> float:
    """The error of a float64 result in units in the last place."""
    exponent = max(int(mp.frexp(want)[1]) - 53, -1074) if want else -1074
    return float(abs(mp.mpf(got) - want) / mpmath.ldexp(1, exponent))


def same_special(got: Array, want: Array) -> Array:
    """Where zeros, infinities and NaN are the same, the signs of zeros included."""
    special = ~np.isfinite(want) | (want == 0)
    alike = (got == want) & ((want != 0) | (np.signbit(got) == np.signbit(want)))
    return ~special | alike | (np.isnan(got) & np.isnan(want))


def samples(intervals: tuple[Interval, ...], count: int, dtype: type) -> Array:
    rng = np.random.default_rng(5)
    return np.concatenate([rng.uniform(*interval, count) for interval in intervals]).astype(dtype)


def edges(dtype: type) -> Array:
    limits = np.finfo(dtype)
    sizes = [0, 0.25, 0.5, 0.75, 1, 2, 2.5, 3, 4, 10, 1e10, 2**24, 2**24 - 1, 2**53, 2**53 - 1, np.inf]
    sizes += [
        limits.tiny,
        limits.smallest_subnormal,
        limits.max,
        limits.eps,
        1 + limits.eps,
        1 - limits.epsneg,
    ]
    with np.errstate(over="ignore"):
        positive = np.array(sizes, dtype)
    return np.concatenate([positive, -positive, np.array([np.nan], dtype)])


def test_every_function_is_tested() -> None:
    assert set(VECMATH) == set(CASES)
    assert all(VECMATH[name].__name__ == name for name in VECMATH)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("fuses", [True, False], ids=["fused", "unfused"])
def test_float64_is_within_two_units(name: str, fuses: bool) -> None:
    case = UNARY[name]
    x = samples(case.intervals, 400, np.float64)
    spread = np.random.default_rng(6).integers(0, 2**64, 400, dtype=np.uint64).view(np.float64)
    x = np.concatenate([x, spread, np.abs(spread), edges(np.float64)])
    want = reference(name, x)
    finite = np.isfinite(want) & np.isfinite(x)
    got = evaluate(name, x, fuses=fuses)
    with mp.workprec(140):
        errors = [
            error_from_exact(float(y), mp.mpf(case.exact(mp.mpf(float(t)))))
            for t, y in zip(x[finite], got[finite], strict=True)
        ]
    worst = int(np.argmax(errors))
    assert errors[worst] <= 2, f"{name}({x[finite][worst]!r}) is off by {errors[worst]:.3f} ulp"


@pytest.mark.parametrize("name", UNARY)
def test_float32_is_within_two_units(name: str) -> None:
    spread = np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate([spread, samples(UNARY[name].intervals, 100_000, np.float32)])
    got, want = evaluate(name, x), reference(name, x)
    errors = error_from_float64(got, want)
    worst = int(np.argmax(errors))
    assert errors[worst] <= 2, f"{name}({x[worst]!r}) is off by {errors[worst]:.3f} ulp"
    with np.errstate(over="ignore"):
        agree = same_special(got, want.astype(np.float32))
    underflow = (want != 0) & (np.abs(want) < np.finfo(np.float32).smallest_subnormal)
    assert np.all(agree | underflow), f"{name} at {x[~(agree | underflow)][:5]}"


def binary_samples(name: str, count: int, dtype: type) -> tuple[Array, Array]:
    """Pairs of arguments; the second of `pow` is such that powers near 1 range over all exponents."""
    first, second = CASES[name].intervals
    rng = np.random.default_rng(7)
    x = rng.uniform(*first, count).astype(dtype)
    if name != "pow":
        return x, rng.uniform(*second, count).astype(dtype)
    largest = np.log(np.finfo(dtype).max)
    y = rng.uniform(-largest, largest, count) / np.log(x.astype(np.float64))
    x = np.concatenate([x, rng.uniform(-5, 5, count).astype(dtype)])
    y = np.concatenate([y, rng.integers(-20, 20, count)])
    return x, y.astype(dtype)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("fuses", [True, False], ids=["fused", "unfused"])
def test_binary_float64_is_within_two_units(name: str, fuses: bool) -> None:
    x, y = binary_samples(name, 1000, np.float64)
    got, want = evaluate(name, x, y, fuses=fuses), reference(name, x, y)
    with mp.workprec(140):
        errors = [
            error_from_exact(float(v), CASES[name].exact(mp.mpf(float(s)), mp.mpf(float(t))))
            for s, t, v, w in zip(x, y, got, want, strict=True)
            if np.isfinite(w)
        ]
    assert max(errors) <= 2


@pytest.mark.parametrize("name", BINARY)
def test_binary_float32_is_within_two_units(name: str) -> None:
    x, y = binary_samples(name, 500_000, np.float32)
    errors = error_from_float64(evaluate(name, x, y), reference(name, x, y))
    assert errors.max() <= 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_special_values_are_those_of_numpy(name: str, dtype: type) -> None:
    x = edges(dtype)
    arguments = [a.ravel().copy() for a in np.meshgrid(x, x)] if name in BINARY else [x]
    got = evaluate(name, *arguments)
    with np.errstate(all="ignore"):
        want = reference(name, *arguments).astype(dtype)
    agree = same_special(got, want)
    assert np.all(agree), f"{name} at {[a[~agree][:5] for a in arguments]}"
    # One unit is NumPy's own.
    least = np.abs(np.maximum(*arguments)) if CASES[name].cancels else 0.0
    near = error_from_float64(got, want.astype(np.float64), least) <= 3
    assert np.all(near), f"{name} at {[a[~near][:5] for a in arguments]}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_a_loop_is_vectorised(name: str, dtype: type) -> None:
    loop = kernel(name)
    x = np.ones(3, dtype)
    loop(*([x] * (2 if name in BINARY else 1)), np.empty_like(x))
    vector = r"<(vscale x )?\d+ x " + ("double" if dtype is np.float64 else "float") + ">"
    texts = [text for signature, text in loop.inspect_llvm().items() if signature[0].dtype.name == dtype.__name__]
    assert re.search(rf"(fmul|fadd|fdiv) {vector}", texts[0])


def nearest_to_multiples_of_half_pi(exponent: int) -> list[float]:
    """The numbers m * 2**exponent, m below 2**53, that come nearest to multiples of pi/2.

    m/n are the convergents of the continued fraction of pi/2 / 2**exponent (Kahan, Minimizing q*m - n, 1983).
    """
    found = []
    rest = mpmath.ldexp(mp.pi / 2, -exponent)
    before, m = 0, 1
    while m < 2**53:
        if m > 2**40:
            found.append(math.ldexp(m, exponent))
        before, m = m, int(rest) * m + before
        rest = 1 / (rest - int(rest))
    return found


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_arguments_near_multiples_of_half_pi(name: str) -> None:
    n = [*range(1, 300), *np.random.default_rng(8).integers(1, 2**29, 300)]
    with mp.workprec(300):
        nearest = [t for e in range(-52, -22) for t in nearest_to_multiples_of_half_pi(e)]
        x = np.array([float(int(k) * mp.pi / 2) for k in n] + nearest)
        got = evaluate(name, x)
        errors = [error_from_exact(float(y), CASES[name].exact(mp.mpf(float(t)))) for t, y in zip(x, got, strict=True)]
    assert max(errors) <= 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_arguments_are_left_to_libm(name: str, dtype: type) -> None:
    x = np.ldexp(dtype(1.5), np.arange(31, 128))
    x = np.concatenate([x, -x])
    want = np.array([getattr(math, name)(float(t)) for t in x]).astype(dtype)
    np.testing.assert_array_equal(evaluate(name, x), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_two_are_exact(dtype: type) -> None:
    limits = np.finfo(dtype)
    n = np.arange(limits.minexp - limits.nmant, limits.maxexp).astype(dtype)
    powers = np.ldexp(dtype(1), n.astype(np.int32))
    np.testing.assert_array_equal(evaluate("exp2", n), powers)
    np.testing.assert_array_equal(evaluate("log2", powers), n)
    np.testing.assert_array_equal(evaluate("pow", np.full_like(n, 2), n), powers)


def test_powers_of_ten_have_exact_logarithms() -> None:
    n = np.arange(23.0)
    np.testing.assert_array_equal(evaluate("log10", np.array([float(10**k) for k in range(23)])), n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_the_number_of_instructions_is_moderate(name: str, dtype: type) -> None:
    kind = KINDS[dtype]
    module = ir.Module()
    signature = ir.FunctionType(kind, [kind] * (2 if name in BINARY else 1))
    function = ir.Function(module, signature, "f")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(VECMATH[name](builder, *function.args))
    assert sum(len(block.instructions) for block in function.blocks) <= CASES[name].instructions
