"""NumPy's protocols: `np.sin(x)`, `np.sum(x, axis=0)` and `array * x` work on tensors and record.

What has no derivative rule, and what would cut a gradient without a word, raises an error that names the
remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import Parameter, signature
from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from scipy import special as scipy_special

from . import fft, functions, linalg, ops, special
from .functions.arguments import as_array, filled
from .primitive import Traced
from .tape import made_here


def _only_booleans(logical: Any, ufunc: str) -> Callable[..., Any]:
    def function(*xs: Any) -> Any:
        kinds = {as_array(x).dtype.kind for x in xs}
        if kinds != {"b"}:
            raise TypeError(
                f"`np.{ufunc}` of a tensor needs booleans; for the bits of integers use an array, `x.numpy()`"
            )
        return logical(*xs)

    return function


def _fmod(x: Any, y: Any) -> Any:
    # The remainder has the sign of `x`, that of `mod` the sign of `y`; both are exact.
    y = ops.abs(y)
    return ops.where(ops.less(x, 0), ops.neg(ops.mod(ops.neg(x), y)), ops.mod(x, y))


#: Every ufunc that works on tensors, by what records it.
UFUNCS: dict[Any, Callable[..., Any]] = {
    **ops.UFUNCS,
    np.conjugate: functions.conj,
    np.matmul: ops.matmul,
    np.positive: lambda x: x,
    np.float_power: lambda x, y: ops.pow(functions.astype(x, float), y),
    np.deg2rad: lambda x: ops.mul(x, pi / 180),
    np.radians: lambda x: ops.mul(x, pi / 180),
    np.rad2deg: lambda x: ops.mul(x, 180 / pi),
    np.degrees: lambda x: ops.mul(x, 180 / pi),
    np.bitwise_and: _only_booleans(ops.logical_and, "bitwise_and"),
    np.bitwise_or: _only_booleans(ops.logical_or, "bitwise_or"),
    np.bitwise_xor: _only_booleans(ops.logical_xor, "bitwise_xor"),
    np.invert: _only_booleans(ops.logical_not, "invert"),
    np.fmax: functions.fmax,
    np.fmin: functions.fmin,
    np.heaviside: functions.heaviside,
    np.fmod: _fmod,
    np.logaddexp2: lambda x, y: ops.div(ops.logaddexp(ops.mul(x, log(2)), ops.mul(y, log(2))), log(2)),
    scipy_special.xlogy: special.xlogy,
    scipy_special.xlog1py: special.xlog1py,
    scipy_special.log_expit: special.log_expit,
    scipy_special.ndtr: special.ndtr,
}

REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: functions.sum,
    np.multiply: functions.prod,
    np.maximum: functions.max,
    np.minimum: functions.min,
    np.logical_and: functions.all,
    np.logical_or: functions.any,
}


def _isclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    close = ops.logical_or(ops.equal(x, y), ops.less_equal(ops.abs(x - y), atol + rtol * ops.abs(y)))
    # An infinity is close to itself alone, although the tolerance is infinite beside one.
    close = ops.where(ops.isfinite(y), close, ops.equal(x, y))
    return ops.logical_or(close, ops.logical_and(ops.isnan(x), ops.isnan(y))) if equal_nan else close


def _allclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    return bool(functions.all(_isclose(x, y, rtol, atol, equal_nan)))


def _array_equal(x: Any, y: Any) -> bool:
    x, y = as_array(x), as_array(y)
    return x.shape == y.shape and bool(functions.all(ops.equal(x, y)))


def _same_like(x: Any, number: float, dtype: Any) -> Any:
    return made_here(type(x)(filled(number, x.shape, dtype or x.dtype)))


def _full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    x, fill_value = as_array(x), as_array(fill_value)
    return functions.broadcast_to(functions.astype(fill_value, dtype or x.dtype), x.shape)


def _fraction(start: Any, stop: Any, num: int, endpoint: bool) -> Any:
    """The way from the start to the stop, along a new first axis."""
    ndim = max(len(np.shape(start)), len(np.shape(stop)))
    fraction = np.linspace(0.0, 1.0, num, endpoint).reshape(num, *(1,) * ndim)
    dtype = np.result_type(*[x.dtype if isinstance(x, Traced) else x for x in (start, stop)], 0.0)  # type: ignore[attr-defined]
    return fraction.astype(dtype)


def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    fraction = _fraction(start, stop, num, endpoint)
    return start * (1 - fraction) + stop * fraction


def _logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0) -> Any:
    return ops.pow(base, _linspace(start, stop, num, endpoint))


def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    return start * ops.pow(ops.div(stop, start), _fraction(start, stop, num, endpoint))


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise TypeError("`np.where` of a tensor needs a condition, `x` and `y`; for indices take an array, `x.numpy()`")
    return functions.where(condition, x, y)


def _result_type(*xs: Any) -> Any:
    return np.result_type(*[x.dtype if isinstance(x, Traced) else x for x in xs])  # type: ignore[attr-defined]


def _vector_norm(x: Any, axis: Any, keepdims: bool, ord: Any) -> Any:
    x = as_array(x)
    if axis is not None and not isinstance(axis, tuple):
        return linalg.norm(x, ord, axis, keepdims)
    if axis is not None:
        raise TypeError(f"`np.linalg.vector_norm` of a tensor takes one axis or none, got {axis}; reshape it before")
    out = linalg.norm(functions.ravel(x), ord)
    return functions.reshape(out, (1,) * x.ndim) if keepdims else out


#: NumPy's functions that go by the name that they have in `functions`.
SAME_NAMES = (
    "all", "angle", "any", "argmax", "argmin", "argsort", "around", "array_split", "atleast_1d", "atleast_2d",
    "atleast_3d", "average", "broadcast_arrays", "broadcast_to", "clip", "column_stack", "compress",
    "concatenate", "convolve", "correlate", "count_nonzero", "cross", "cumprod", "cumsum", "diag",
    "diagflat", "diagonal", "diff", "digitize", "dot", "dstack", "ediff1d", "einsum", "expand_dims",
    "flip", "fliplr", "flipud", "gradient", "hsplit", "hstack", "imag", "inner", "interp", "matrix_transpose",
    "max", "mean", "median", "meshgrid", "min", "moveaxis", "nan_to_num", "nanmax", "nanmean", "nanmin",
    "nanprod", "nanstd", "nansum", "nanvar", "outer", "pad", "partition", "percentile", "polyval", "prod",
    "ptp", "quantile", "ravel", "real", "repeat", "reshape", "roll", "rot90", "round", "searchsorted", "select",
    "sort",
    "split", "squeeze", "stack", "std", "sum", "swapaxes", "take", "take_along_axis", "tensordot", "tile",
    "trace", "transpose", "trapezoid", "tril", "triu", "vander", "var", "vdot", "vsplit", "vstack",
)  # fmt: skip

#: Those of `numpy.linalg` that go by the name that they have in `linalg`.
LINALG_NAMES = (
    "cholesky", "cond", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matrix_power", "matrix_rank",
    "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "svd", "svdvals",
)  # fmt: skip

#: Every function of NumPy that works on tensors, by what computes it.
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{getattr(np.linalg, name): getattr(linalg, name) for name in LINALG_NAMES},
    **{getattr(np.fft, name): getattr(fft, name) for name in fft.__all__ if not name.endswith("freq")},
    np.kron: linalg.kron,
    np.linalg.cross: lambda x, y, axis=-1: functions.cross(x, y, axis=axis),
    np.linalg.diagonal: lambda x, offset=0: functions.diagonal(x, offset, -2, -1),
    np.linalg.outer: functions.outer,
    np.linalg.trace: lambda x, offset=0: functions.trace(x, offset, -2, -1),
    np.linalg.vector_norm: lambda x, axis=None, keepdims=False, ord=2: _vector_norm(x, axis, keepdims, ord),
    np.linalg.matrix_norm: lambda x, keepdims=False, ord="fro": linalg.norm(x, ord, (-2, -1), keepdims),
    **{getattr(np, name): getattr(functions, name) for name in SAME_NAMES},
    np.amax: functions.max,
    np.append: lambda x, values, axis=None: functions.concatenate((x, values), axis),
    np.nancumprod: lambda x, axis=None: functions.cumprod(ops.where(ops.isnan(x), 1, x), axis),
    np.nancumsum: lambda x, axis=None: functions.cumsum(ops.where(ops.isnan(x), 0, x), axis),
    np.amin: functions.min,
    np.where: _where,
    np.sinc: special.sinc,
    np.shape: lambda x: as_array(x).shape,
    np.ndim: lambda x: as_array(x).ndim,
    np.size: lambda x, axis=None: as_array(x).size if axis is None else np.shape(x)[axis],
    np.copy: lambda x: functions.clone(x) if isinstance(x, Traced) else np.array(x),
    # Tensors, since the caller of these is often about to write tensors into them.
    np.zeros_like: lambda x, dtype=None: _same_like(x, 0, dtype),
    np.ones_like: lambda x, dtype=None: _same_like(x, 1, dtype),
    np.empty_like: lambda x, dtype=None: _same_like(x, 0, dtype),
    np.full_like: _full_like,
    np.linspace: _linspace,
    np.logspace: _logspace,
    np.geomspace: _geomspace,
    np.isclose: _isclose,
    np.allclose: _allclose,
    np.array_equal: _array_equal,
    np.result_type: _result_type,
    np.iscomplexobj: lambda x: x.dtype.kind == "c",
    np.isrealobj: lambda x: x.dtype.kind != "c",
}

#: NumPy's functions that write into their first argument.
WRITERS = frozenset({np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask})

#: NumPy's functions whose result depends on the values in a way that has no gradient, and what that is.
WITHOUT_GRADIENT: dict[Any, str] = {
    **dict.fromkeys((np.nonzero, np.flatnonzero, np.argwhere), "positions, as many as there are elements other than 0"),
    **dict.fromkeys((np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values,
                     np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d),
                    "as many elements as there are different ones"),
    **dict.fromkeys((np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges, np.bincount),
                    "numbers of elements"),
}  # fmt: skip

#: NumPy's names of arguments that have another name here.
RENAMED = {"a_min": "low", "min": "low", "a_max": "high", "max": "high", "correction": "ddof"}
#: Arguments that change nothing when they have these values.
NEUTRAL = {
    "out": None, "dtype": None, "order": "C", "where": True, "casting": "same_kind", "subok": False,
    "copy": None, "mode": "raise", "equal_nan": False, "returned": False, "method": "linear",
    "overwrite_input": False, "weights": None, "sorter": None, "period": None, "hermitian": False,
}  # fmt: skip


def _changes(name: str, value: Any) -> bool:
    """Whether an argument that ours does not have would change the result."""
    if name in ("optimize", "kind", "stable"):  # of `einsum` and of sorts, all of which are stable: how, not what
        return False
    neutral = NEUTRAL.get(name, _changes)
    return not (value is neutral or (isinstance(value, str) and value == neutral))


class _Names(NamedTuple):
    """Our function for one of NumPy's, and how the arguments of the two correspond."""

    function: Callable[..., Any]
    #: NumPy's names in their order, and ours by NumPy's.
    numpys: tuple[str, ...]
    ours: dict[str, str]
    #: So many positional arguments mean the same in both; any number where ours takes them as they come.
    alike: float


@cache
def _names_of(function: Any) -> _Names | None:
    if function not in FUNCTIONS:
        return None
    function_here = FUNCTIONS[function]
    parameters = signature(function_here).parameters
    names = tuple(parameters)
    if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters.values()):
        return _Names(function_here, (), {name: name for name in names}, float("inf"))
    try:
        numpys = tuple(signature(function).parameters)
    except ValueError:  # a function in C without a signature
        numpys = names
    ours = {name: name for name in names}
    ours |= {theirs: name for theirs, name in RENAMED.items() if theirs in numpys and name in names}
    taken = {ours[theirs] for theirs in numpys if theirs in ours}
    for theirs, name in zip(numpys, names, strict=False):
        if theirs not in ours and name not in taken:
            ours[theirs] = name
    same = [ours.get(theirs) == name for theirs, name in zip(numpys, names, strict=False)]
    return _Names(function_here, numpys, ours, same.index(False) if False in same else len(same))


def call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of NumPy evaluated by ours, its arguments translated from NumPy's order and names.

    **Errors:** `TypeError` for a function or an argument that tensors do not support.
    """
    names = _names_of(function)
    if names is None:
        if function in WRITERS and not isinstance(args[0], Traced):
            # The array of a tensor: it is refused where that would cut a gradient or a recording.
            return function(*[np.asarray(x) if isinstance(x, Traced) else x for x in args], **kwargs)
        name = _name_of(function)
        if function in WITHOUT_GRADIENT:
            raise TypeError(_CONSTANT.format(name=name, result=WITHOUT_GRADIENT[function]))
        raise TypeError(_UNSUPPORTED.format(name=name))
    ours = names.function
    if len(args) > names.alike:
        alike = int(names.alike)
        kwargs = dict(zip(names.numpys[alike:], args[alike:], strict=False)) | kwargs
        args = args[:alike]
    return ours(*args, **_renamed(function, names, kwargs)) if kwargs else ours(*args)


def _renamed(function: Any, names: _Names, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The named arguments by our names, without those that change nothing."""
    given = {}
    for theirs, value in kwargs.items():
        if theirs in names.ours:
            given[names.ours[theirs]] = value
        elif _changes(theirs, value):
            name = _name_of(function)
            raise TypeError(f"{name} of a tensor does not take `{theirs}={value!r:.80}`; {_remedy(theirs)}")
    return given


def _name_of(function: Any) -> str:
    return f"`{function.__module__}.{function.__name__}`".replace("numpy", "np", 1)


_CONSTANT = (
    "{name} has no gradient, for it returns {result}, and does not work on tensors; pass `x.detach().numpy()` if none "
    "is meant to flow through it"
)
_UNSUPPORTED = (
    "{name} has no derivative rule and does not work on tensors; compose it from functions of `autograd`, "
    "or pass `x.detach().numpy()` if no gradient is meant to flow through it"
)


def _remedy(name: str) -> str:
    return {
        "out": "assign the result, `y = ...` or `y[...] = ...`",
        "dtype": "convert with `.astype(dtype)` before or after",
        "where": "select with `np.where` before",
    }.get(name, "leave it out, or compose the function from others")


def ufunc_call(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc, or one of its methods, evaluated by ours.

    **Errors:** `TypeError` for a ufunc, a method or an argument that tensors do not support.
    """
    module = "np" if getattr(np, ufunc.__name__, None) is ufunc else "scipy.special"
    name = f"`{module}.{ufunc.__name__}`" if method == "__call__" else f"`{module}.{ufunc.__name__}.{method}`"
    if method == "at" or kwargs.get("out") is not None:
        raise TypeError(
            f"{name} would write a tensor into an array, which cuts its gradient; assign the result instead: "
            "`a = a + t` for `a += t`"
        )
    if ufunc not in UFUNCS or (method in ("reduce", "accumulate") and ufunc not in REDUCTIONS):
        raise TypeError(_UNSUPPORTED.format(name=name))
    options = {key: value for key, value in kwargs.items() if _changes(key, value)}
    if method == "reduce" and options.keys() <= {"axis", "keepdims"}:
        # A ufunc reduces the first axis unless said, and a function all of them.
        axis = inputs[1] if len(inputs) > 1 else options.get("axis", 0)
        return REDUCTIONS[ufunc](inputs[0], axis=axis, keepdims=options.get("keepdims", False))
    if method == "accumulate" and ufunc is np.add and options.keys() <= {"axis"}:
        return functions.cumsum(inputs[0], *inputs[1:] or (options.get("axis", 0),))
    if method == "outer" and not options:
        x, y = map(as_array, inputs)
        return UFUNCS[ufunc](functions.reshape(x, (*x.shape, *(1,) * y.ndim)), y)
    if method == "__call__" and not options:
        return UFUNCS[ufunc](*inputs)
    wanted = "".join(f", `{key}={value!r}`" for key, value in options.items())
    raise TypeError(f"{name}{wanted} does not work on tensors; {_remedy(next(iter(options), ''))}")


class Protocols(Traced):
    """What NumPy asks of an object that takes part in its functions."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            primitive = ops.UFUNCS.get(ufunc)
            if primitive is not None:
                return self.bind(primitive, inputs, kwargs)
        return ufunc_call(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        names = _names_of(function)
        if names is not None and not kwargs and len(args) <= names.alike:
            return names.function(*args)
        return call(function, args, kwargs)
