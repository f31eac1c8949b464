"""Kernels by address: the signatures of solvers, called as these do."""

import ctypes
import gc
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from scipy import LowLevelCallable
from scipy.integrate import nquad, quad

import autograd as ag
import jit
from jit import SIGNATURES, Status
from jit.native.csignature import parsed

RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(20, 3)), RNG.normal(size=20), RNG.normal(size=3)
DOUBLES = ctypes.POINTER(ctypes.c_double)


def pointer(x):
    return x.ctypes.data_as(DOUBLES)


def loss(w, x, y):
    return np.mean((np.tanh(x @ w) - y) ** 2)


def same(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_a_sampler_gets_value_and_gradient_and_other_data_needs_no_code():
    fast = jit.value_and_grad(loss)
    call = fast.kernel(W, X, Y).callback("nutpie", X, Y)
    other = call.bind(2 * X, Y)
    assert call.address == other.address
    for x, it in ((X, call), (2 * X, other)):
        value, g = np.empty(1), np.empty(3)
        assert it.ctypes(3, pointer(W), pointer(g), pointer(value), it.user_data) == Status.OK
        expected = fast(W, x, Y)
        same(value[0], expected[0])
        same(g, expected[1])


def test_data_is_read_at_each_call_and_so_is_what_was_captured():
    scale, rate = np.array([2.0, 3.0]), np.array([1.0, 1.0])
    wave = jit.compile(lambda x, rate: np.sum(scale * np.exp(-rate * x))).kernel(0.0, rate)
    call = wave.callback("quad", rate)
    integral = lambda: quad(LowLevelCallable(call.ctypes, call.user_data), 0, np.inf)[0]
    assert integral() == pytest.approx(5.0)
    rate[:] = 2.0
    scale[0] = 7.0
    assert integral() == pytest.approx(5.0)
    rate[0] = 0.5
    assert integral() == pytest.approx(14 + 1.5)


def test_integrals_over_several_variables():
    f = jit.compile(lambda x: x[0] * x[1] ** 2).kernel(np.ones(2))
    call = LowLevelCallable(f.callback("nquad").ctypes)
    assert nquad(call, [(0, 1), (0, 3)])[0] == pytest.approx(4.5)


def test_what_ctypes_is_given_keeps_the_code_alive():
    x, scale = np.full(2, 3.0), np.array([2.0])
    kernel = lambda: jit.compile(lambda x, s: np.sum(x * x) * s[0] + 4321.0).kernel(x, scale)
    function = kernel().callback("nquad", scale).ctypes
    data = kernel().callback("nquad", scale).user_data
    plain = kernel().ctypes
    gc.collect()
    assert function(2, pointer(x), data) == 36 + 4321
    value = np.empty(())
    plain(*[ctypes.c_void_p(y.ctypes.data) for y in (x, scale, value)], None)
    assert value == 36 + 4321


def test_the_callbacks_of_ipopt():
    f = lambda x, scale: scale * np.sum(x**4)
    g = lambda x: np.stack([np.prod(x), np.sum(x * x)])
    lagrangian = lambda x, factor, multipliers: factor * f(x, 3.0) + np.sum(multipliers * g(x))
    lower = np.tril_indices(3)
    x, multipliers = W, np.array([2.0, -1.0])
    value, slope, constraints = np.empty(1), np.empty(3), np.empty(2)
    jacobian, hessian = np.empty((2, 3)), np.empty(6)
    n = 3

    call = jit.compile(f).kernel(x, 3.0).callback("ipopt f", 3.0)
    assert call.ctypes(n, pointer(x), True, pointer(value), call.user_data)
    call = jit.grad(f).kernel(x, 3.0).callback("ipyopt f", 3.0)
    assert call.ctypes(n, pointer(x), pointer(slope), call.user_data)
    for name, flag in (("ipopt g", [True]), ("ipyopt g", [])):
        call = jit.compile(g).kernel(x).callback(name)
        assert call.ctypes(n, pointer(x), *flag, 2, pointer(constraints), call.user_data)
    call = jit.jacobian(g).kernel(x).callback("ipyopt jac_g")
    assert call.ctypes(n, pointer(x), 2, 6, pointer(jacobian), call.user_data)
    call = (
        jit.compile(lambda *args: ag.hessian(lagrangian)(*args)[lower]).kernel(x, 1.0, multipliers).callback("ipyopt h")
    )
    assert call.ctypes(n, pointer(x), 0.5, 2, pointer(multipliers), 6, pointer(hessian), call.user_data)

    same(value[0], 3 * np.sum(x**4))
    same(slope, 12 * x**3)
    same(constraints, g(x))
    same(jacobian, ag.jacobian(g)(x))
    same(hessian, ag.hessian(lagrangian)(x, 0.5, multipliers)[lower])


def test_the_right_side_of_a_differential_equation():
    rhs = lambda t, u, p: np.stack([u[0] - u[0] * u[1] * t, u[0] * u[1] - u[1] * p[0]])
    u, p, out = np.array([5.0, 0.8]), np.array([1.5]), np.empty(2)
    call = jit.compile(rhs).kernel(0.0, u, p).callback("lsoda", p)
    assert call.table.dtype == np.uintp
    assert call.table.ctypes.data == call.data
    assert call.ctypes(0.3, pointer(u), pointer(out), call.user_data) is None
    same(out, rhs(0.3, u, p))


def test_what_goes_wrong_is_said_as_the_signature_can():
    solve = lambda a, b: np.linalg.solve(a, b)
    good, bad, b, out = np.eye(2), np.zeros((2, 2)), np.ones(2), np.zeros(2)
    kernel = jit.compile(solve).kernel(good, b)
    arguments = "(const double *in0, const double *in1, double *out0)"
    for returned, fine, wrong in (("int64_t", 0, Status.MATRIX), ("int", 0, Status.MATRIX), ("bool", True, False)):
        call = kernel.callback(f"{returned} f{arguments}").ctypes
        assert call(pointer(good), pointer(b), pointer(out)) == fine
        assert call(pointer(bad), pointer(b), pointer(out)) == wrong
    call = kernel.callback(f"void f{arguments}").ctypes
    call(pointer(good), pointer(b), pointer(out))
    same(out, b)
    call(pointer(bad), pointer(b), pointer(out))
    assert np.isnan(out).all()
    first = (
        jit.compile(lambda a, b: solve(a, b)[0]).kernel(good, b).callback("double f(const double *in0, double *in1)")
    )
    assert first.ctypes(pointer(good), pointer(b)) == 1.0
    assert np.isnan(first.ctypes(pointer(bad), pointer(b)))


def test_numbers_of_other_types():
    f = jit.compile(lambda x, n, flag: (np.where(flag, x * x, x), n + 1))
    kernel = f.kernel(np.float32(2), np.int32(3), np.array(True))
    call = kernel.callback("int32_t f(float in0, int in1, bool in2, float *out0, int32_t *out1)")
    x, n = ctypes.c_float(), ctypes.c_int32()
    for flag in (True, False):
        assert call.ctypes(1.5, 4, flag, x, n) == Status.OK
        assert (x.value, n.value) == (2.25 if flag else 1.5, 5)


def test_every_named_signature_can_be_read_and_is_in_the_document():
    document = (Path(__file__).parents[1] / "docs" / "native.md").read_text()
    for name, text in SIGNATURES.items():
        assert parsed(text).parameters[-1].name == "data"
        assert f"| `{name}` | `{text}` |" in document


def test_the_declaration_of_the_plain_function():
    kernel = jit.value_and_grad(loss).kernel(W, np.asfortranarray(X), Y.astype(np.float32))
    assert kernel.c_signature == (
        f"int64_t {kernel.name}(const double *in0 /* float64[3] */, const double *in1 /* float64[20,3] by columns */, "
        "const float *in2 /* float32[20] */, double *out0 /* float64[] */, double *out1 /* float64[3] */, "
        "const void *data)"
    )
    value, g, y = np.empty(()), np.empty(3), Y.astype(np.float32)
    given = [x.ctypes.data for x in (W, X.T.copy(), y, value, g)]
    assert kernel.ctypes(*given, kernel.data) == Status.OK
    same(value, kernel(W, np.asfortranarray(X), y)[0])


KERNEL, SLOPE = jit.value_and_grad(loss).kernel(W, X, Y), jit.grad(lambda w: np.sum(w**2)).kernel(W)
WHOLE = jit.compile(lambda n: n + 1).kernel(1)
REFUSED = [
    (KERNEL, "what", r"a signature is like `double f\(double in0, void \*data\)`, or one of 'quad', .*; got 'what'"),
    (KERNEL, "real f(real in0)", r"signatures have the types double, .* and void, got 'real' in 'real f\(real in0\)'"),
    (KERNEL, "int f(double *in3)", "has 3 inputs, and the signature asks for `in3`"),
    (KERNEL, "int f(double *out2)", "has 2 outputs, and the signature asks for `out2`"),
    (KERNEL, "int f(double in0)", r"`in0` of <kernel loss: .*> is float64\[3\], which is no `float64`"),
    (KERNEL, "int f(float *in0)", r"`in0` of .* is float64\[3\], which is no `float32 \*`"),
    (KERNEL, "int f(double out0)", r"`out0` of .* is float64\[\], which is no `float64`"),
    (SLOPE, "nquad", r"has to give float64\[\] first, which is returned, got float64\[3\]"),
    (KERNEL, "nquad", r"writes `out1`, float64\[3\], and the signature has no such parameter"),
    (WHOLE, "void f(int64_t *in0)", "has results that are no floats, so a function that returns nothing"),
    (KERNEL, "int f(double *in0, double *out1)", "needs data, and the signature has no parameter `data`"),
    (KERNEL, "nutpie", "needs 2 data besides what `.*` has, got 0"),
]


@pytest.mark.parametrize(("kernel", "signature", "message"), REFUSED, ids=[x[1] for x in REFUSED])
def test_signatures_and_data_that_are_refused(kernel, signature, message):
    with pytest.raises((TypeError, ValueError), match=message):
        kernel.callback(signature)


C = """
#include <stdint.h>
typedef int64_t (*Density)(uint64_t, const double *, double *, double *, void *);

double ascend(Density f, void *data, double *x, uint64_t n, int steps) {
    double value = 0.0, gradient[8];
    for (int step = 0; step < steps; step++) {
        if (f(n, x, gradient, &value, data)) return -1.0;
        for (uint64_t i = 0; i < n; i++) x[i] -= 0.1 * gradient[i];
    }
    return value;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler for C")
def test_a_program_in_c(tmp_path):
    (tmp_path / "ascend.c").write_text(C)
    library = tmp_path / "ascend.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, tmp_path / "ascend.c"], check=True)
    ascend = ctypes.CDLL(library).ascend
    ascend.restype = ctypes.c_double
    call, x = KERNEL.callback("nutpie", X, Y), W.copy()
    value = ascend(ctypes.c_void_p(call.address), call.user_data, pointer(x), ctypes.c_uint64(3), 50)
    w = W
    for _ in range(50):
        expected, g = KERNEL(w, X, Y)
        w = w - 0.1 * g
    same(value, expected)
    same(x, w)


def test_a_kernel_that_goes_back_to_python_has_no_address():
    python = ag.custom(lambda x: x**3, lambda g, out, x: g * 3 * x**2)
    compiled = ag.custom(njit(lambda x: x**3), lambda g, out, x: g * 3 * x**2)
    in_loop = lambda x: ag.fori_loop(0, 3, lambda i, x: python(x) * 0.5, x)
    for f in (lambda x: python(x), in_loop):
        kernel = jit.compile(f).kernel(2.0)
        for use in (lambda kernel: kernel.address, lambda kernel: kernel.callback("quad")):
            with pytest.raises(
                TypeError, match="has no address for C, since the custom function `<lambda>` is called back"
            ):
                use(kernel)
    call = jit.compile(lambda x: compiled(x)).kernel(2.0).callback("double f(double in0)")
    assert call.ctypes(3.0) == 27.0
