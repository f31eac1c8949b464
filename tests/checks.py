"""The generic checks of a case, each of which raises where the case fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.primitive import aval_of
from autograd.transforms import grad
from tests.cases import Case
from tests.references import REFERENCES

WIDER = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}
#: Steps and tolerances of the finite differences: a rule that is off by one in a thousand fails.
DIFFERENCES = {"eps": 1e-6, "atol": 2e-7, "rtol": 2e-6}


def close(actual: Any, expected: Any, ulps: float = 64, each: bool = False) -> None:
    """Same shape and dtype, and elements equal up to that many roundings: at the scale of the largest one, or
    of `each` by itself.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    assert actual.dtype == expected.dtype, f"dtype {actual.dtype}, expected {expected.dtype}"
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(actual, expected)
        return
    tolerance = ulps * float(np.finfo(expected.dtype).eps)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size and not each else float(np.finfo(expected.dtype).tiny)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * min(scale, 1e300))


def tensors(case: Case, arrays: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """All inputs, and those of them that require gradients as tensors."""
    inputs = list(arrays)
    for i in case.wrt:
        inputs[i] = ag.Tensor(arrays[i], requires_grad=True)
    return inputs, [inputs[i] for i in case.wrt]


def cotangent(out: Any) -> Any:
    """A cotangent of that shape and dtype, the same in every run."""
    random = np.random.default_rng(out.size)
    drawn = np.asarray(random.uniform(0.5, 1.5, out.shape))
    if out.dtype.kind == "c":
        drawn = np.asarray(drawn + 1j * random.uniform(0.5, 1.5, out.shape))
    return drawn.astype(out.dtype)


def gradients(case: Case, arrays: Sequence[Any], create_graph: bool = False) -> list[Any]:
    """The gradients of the case's inputs, for the cotangent of its output."""
    inputs, wanted = tensors(case, arrays)
    out = case(*inputs)
    found = grad(out, wanted, cotangent(out), create_graph=create_graph)
    return [g.data for g in found]


def function_of(case: Case, arrays: Sequence[Any]) -> Callable[..., Any]:
    """The case as a function of the inputs by which it is differentiated."""

    def f(*xs: Any) -> Any:
        inputs = list(arrays)
        for i, x in zip(case.wrt, xs, strict=True):
            inputs[i] = x
        return case(*inputs)

    return f


# ---- values ----


def check_value(case: Case, dtype: Any, reference: Callable[..., Any] | None = None) -> None:
    arrays = case.arrays(dtype)
    reference = reference or REFERENCES[case.op]
    close(case(*arrays), case.finished(reference(*case.prepared(arrays), **case.params)))


def check_special_values(case: Case, dtype: Any, reference: Callable[..., Any] | None = None) -> None:
    arrays = sprinkled(case, dtype)
    reference = reference or REFERENCES[case.op]
    with np.errstate(all="ignore"):
        close(case(*arrays), reference(*arrays, **case.params), each=case.op.elementwise)


def sprinkled(case: Case, dtype: Any) -> tuple[Any, ...]:
    """The case's inputs with NaN, infinity, signed zeros and tiny and huge numbers among the drawn ones.

    An op over several elements gets none whose product overflows: the order would decide of the result.
    """
    dtype = np.dtype(dtype)
    limit, tiny = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    huge = limit / 4 if case.op.elementwise else limit ** (1 / 16)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, huge, -huge, tiny, -tiny], dtype)
    random = np.random.default_rng(len(case.name))
    arrays = case.arrays(dtype)
    for x, given in zip(arrays, case.inputs, strict=True):
        if isinstance(given, tuple) and x.size:
            chosen = random.random(x.shape) < 0.6
            x[chosen] = random.choice(special, int(chosen.sum()))
    return arrays


def check_aval(case: Case, dtype: Any) -> None:
    arrays = [x if isinstance(x, np.ndarray) else np.asarray(x) for x in case.arrays(dtype)]
    out = np.asarray(case(*arrays))
    arrays = list(case.prepared(arrays))
    aval = case.op.aval(*[aval_of(x) for x in arrays], **case.params)
    assert aval.shape == out.shape, f"aval says shape {aval.shape}, the value has {out.shape}"
    assert aval.dtype == out.dtype, f"aval says dtype {aval.dtype}, the value has {out.dtype}"


# ---- gradients ----


def check_gradient(case: Case) -> None:
    arrays = case.arrays()
    gradcheck(function_of(case, arrays), tuple(arrays[i] for i in case.wrt), **DIFFERENCES)


def check_second_order(case: Case) -> None:
    arrays = case.arrays()
    gradgradcheck(function_of(case, arrays), tuple(arrays[i] for i in case.wrt), **DIFFERENCES)


def check_sweeps_agree(case: Case) -> None:
    arrays = case.arrays()
    for plain, recorded in zip(gradients(case, arrays), gradients(case, arrays, create_graph=True), strict=True):
        close(recorded, plain, ulps=2)


def check_inputs_unchanged(case: Case) -> None:
    arrays = case.arrays()
    inputs, wanted = tensors(case, arrays)
    out = case(*inputs)
    assert contents(arrays) == contents(case.arrays()), "the op wrote into an input"
    if wanted:
        g = cotangent(out)
        held = (*arrays, out.data, g)
        before = contents(held)
        grad(out, wanted, g, create_graph=True)
        grad(out, wanted, g)
        assert contents(held) == before, "a rule wrote into an input, the output or the cotangent"


def contents(arrays: Sequence[Any]) -> list[bytes]:
    return [np.asarray(x).tobytes() for x in arrays]


def check_dtype_of_gradients(case: Case) -> None:
    """Gradients of float32 and complex64 inputs have that dtype, and are as exact as it allows."""
    arrays = case.arrays(case.precisions[1])
    exact = [x.astype(WIDER.get(x.dtype, x.dtype)) if isinstance(x, np.ndarray) else x for x in arrays]
    for narrow, wide, i in zip(gradients(case, arrays), gradients(case, exact), case.wrt, strict=True):
        close(narrow, wide.astype(arrays[i].dtype), ulps=128)


def check_mixed_dtypes(case: Case) -> None:
    """Each gradient has the dtype of its input, whatever the others have."""
    wide, narrow = map(case.arrays, case.precisions)
    for i in case.wrt:
        arrays = [*wide[:i], narrow[i], *wide[i + 1 :]]
        for create_graph in (False, True):
            for g, j in zip(gradients(case, arrays, create_graph), case.wrt, strict=True):
                assert g.dtype == arrays[j].dtype, f"dtype {g.dtype}, expected {arrays[j].dtype}"


# ---- memory layouts ----


def strided(x: Any) -> Any:
    """Every second element of a larger array, along each axis."""
    larger = np.full([2 * n + 1 for n in x.shape], 7, x.dtype)
    view = larger[(..., *[slice(1, None, 2)] * x.ndim)]
    view[...] = x
    return view


def reversed_in_memory(x: Any) -> Any:
    """The same elements, stored from the last to the first."""
    flip = (..., *[slice(None, None, -1)] * x.ndim)
    return x[flip].copy()[flip]


def read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


def repeated(x: Any) -> Any:
    """The first row in place of every row, without a copy: a stride of zero."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim else x


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "strided": strided,
    "reversed": reversed_in_memory,
    "fortran": lambda x: np.asarray(x, order="F"),
    "read-only": read_only,
    "repeated": repeated,
}


def laid_out(layout: str, arrays: Sequence[Any]) -> list[Any]:
    """The inputs in that memory layout."""
    return [LAYOUTS[layout](x) if isinstance(x, np.ndarray) else x for x in arrays]


def plain(arrays: Sequence[Any]) -> list[Any]:
    """The inputs as fresh arrays in C order."""
    return [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in arrays]


def check_layout(case: Case, layout: str) -> None:
    odd = laid_out(layout, case.arrays())
    close(case(*odd), case(*plain(odd)))
    if case.wrt:
        for actual, expected in zip(gradients(case, odd), gradients(case, plain(odd)), strict=True):
            close(actual, expected)
