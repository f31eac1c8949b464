"""Special functions: values and derivatives against exact ones, edges and poles, float32, compiled, what is refused."""

import os
import subprocess
import sys
from functools import cache
from inspect import isfunction
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import scipy.special
from mpmath import mp

import autograd as ag
import jit
from autograd import special as s
from autograd.ops.special import Refused
from autograd.primitive import PRIMITIVES
from jit.emit.special import bernoulli
from tests import checks

ROOT = Path(__file__).parents[1]
INFINITY, NAN = float("inf"), float("nan")


class Exact(NamedTuple):
    """A function of one real number with its value at any precision, and points at which it is looked at."""

    f: Any
    exact: Any
    points: tuple[float, ...]
    #: How many digits its derivatives may lose, as a factor of roundings.
    lost: float = 1


def density_of_beta(x):
    return mpmath.betainc(2.5, 0.7, 0, x, regularized=True)


def sinc(x):
    return mpmath.sincpi(x)


WIDE = (-30.0, -3.0, -0.4, 1e-3, 0.3, 1.0, 4.0, 30.0)
EXACT = {
    "gammaln": Exact(s.gammaln, lambda x: mpmath.log(abs(mp.gamma(x))), (-3.6, -0.4, 0.01, 0.6, 4.0, 30.0, 1e6), 20),
    "gamma": Exact(s.gamma, mp.gamma, (-3.6, -0.4, 0.01, 0.6, 4.0, 30.0), 20),
    "digamma": Exact(s.digamma, mp.digamma, (-3.6, -0.4, 0.01, 0.6, 4.0, 30.0, 1e6), 20),
    "trigamma": Exact(lambda x: s.polygamma(1, x), lambda x: mp.polygamma(1, x), (-2.4, 0.01, 0.6, 4.0, 30.0, 1e6), 20),
    "polygamma 4": Exact(lambda x: s.polygamma(4, x), lambda x: mp.polygamma(4, x), (0.01, 0.6, 4.0, 30.0), 20),
    "beta": Exact(lambda x: s.beta(x, 1.7), lambda x: mp.beta(x, 1.7), (0.01, 0.6, 4.0, 30.0), 20),
    "betaln": Exact(lambda x: s.betaln(1.7, x), lambda x: mpmath.log(mp.beta(x, 1.7)), (0.01, 0.6, 4.0, 30.0), 200),
    "betainc": Exact(lambda x: s.betainc(2.5, 0.7, x), density_of_beta, (1e-6, 0.1, 0.5, 0.9), 100),
    "gammainc": Exact(
        lambda x: s.gammainc(2.5, x), lambda x: mpmath.gammainc(2.5, 0, x, regularized=True), (1e-6, 0.3, 2.0, 9.0), 100
    ),
    "gammaincc": Exact(
        lambda x: s.gammaincc(2.5, x), lambda x: mpmath.gammainc(2.5, x, regularized=True), (1e-6, 0.3, 2.0, 9.0), 100
    ),
    "erfinv": Exact(s.erfinv, mp.erfinv, (-0.99, -0.4, 1e-9, 0.3, 0.999), 100),
    "erfcinv": Exact(s.erfcinv, lambda x: mp.erfinv(1 - x), (1e-3, 0.3, 1.0, 1.9), 100),
    "erfcx": Exact(s.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), (-3.0, -0.4, 1e-9, 0.3, 3.0, 30.0, 1e9), 200),
    "ndtr": Exact(s.ndtr, mp.ncdf, (-20.0, -3.0, 0.3, 3.0), 800),
    "ndtri": Exact(s.ndtri, lambda x: mp.sqrt(2) * mp.erfinv(2 * x - 1), (1e-6, 0.3, 0.5, 0.99), 100),
    "log_ndtr": Exact(
        s.log_ndtr, lambda x: mpmath.log(mp.erfc(-x / mp.sqrt(2)) / 2), (-1e3, -20.0, -3.0, -1e-3, 0.3, 3.0, 20.0), 3e6
    ),
    "logit": Exact(s.logit, lambda x: mpmath.log(x / (1 - x)), (1e-9, 0.3, 0.45, 0.9), 20),
    "expit": Exact(s.expit, lambda x: 1 / (1 + mp.exp(-x)), WIDE, 40),
    "log_expit": Exact(s.log_expit, lambda x: -mpmath.log1p(mp.exp(-x)), WIDE, 40),
    "xlogy": Exact(lambda x: s.xlogy(x, x + 1.5), lambda x: x * mpmath.log(x + 1.5), (-0.4, 0.0, 0.3, 4.0), 20),
    "xlog1py": Exact(lambda x: s.xlog1py(x, 2 * x), lambda x: x * mpmath.log1p(2 * x), (-0.4, 0.0, 0.3, 4.0), 20),
    "entr": Exact(s.entr, lambda x: -x * mpmath.log(x), (1e-9, 0.3, 1.0, 4.0), 20),
    "rel_entr": Exact(
        lambda x: s.rel_entr(x, x * x + 1), lambda x: x * mpmath.log(x / (x * x + 1)), (1e-9, 0.3, 1.0, 4.0), 20
    ),
    "kl_div": Exact(lambda x: s.kl_div(x, 0.7), lambda x: x * mpmath.log(x / 0.7) - x + 0.7, (1e-9, 0.3, 1.0, 4.0), 20),
    "i0": Exact(s.i0, lambda x: mp.besseli(0, x), (-4.0, -1e-6, 1e-6, 0.3, 4.0, 30.0), 40),
    "i1": Exact(s.i1, lambda x: mp.besseli(1, x), (-4.0, -1e-6, 1e-6, 0.3, 4.0, 30.0), 40),
    "i0e": Exact(s.i0e, lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), (-4.0, 1e-6, 0.3, 4.0, 30.0), 9000),
    "i1e": Exact(s.i1e, lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), (-4.0, 1e-6, 0.3, 4.0, 30.0), 9000),
    "iv": Exact(lambda x: s.iv(2.5, x), lambda x: mp.besseli(2.5, x), (0.3, 4.0, 30.0), 40),
    "ive": Exact(lambda x: s.ive(2.5, x), lambda x: mp.besseli(2.5, x) * mp.exp(-abs(x)), (0.3, 4.0, 30.0), 9000),
    "sinc": Exact(s.sinc, sinc, (-7.3, -0.3182, -1e-7, 0.0, 1e-300, 1e-3, 0.3184, 2.2), 40),
    "zeta": Exact(lambda x: s.zeta(3.0, x), lambda x: mp.zeta(3, x), (0.01, 0.6, 4.0, 30.0, 1e6), 20),
    "multigammaln": Exact(
        lambda x: s.multigammaln(x, 3),
        lambda x: sum(mp.loggamma(x - j / mp.mpf(2)) for j in range(3)) + 1.5 * mpmath.log(mp.pi),
        (1.2, 4.0, 30.0),
        20,
    ),
}


@cache
def expected(name, order):
    """The exact derivative of that order at each point."""
    exact = EXACT[name]
    with mp.workdps(40):
        return [float(mpmath.diff(exact.exact, mpmath.mpf(x), order)) for x in exact.points]


def derivative(f, order):
    """The derivative of that order of a function of each element."""
    for _ in range(order):
        f = ag.grad(lambda x, f=f: ag.sum(f(x)))
    return f


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", EXACT)
def test_values_and_derivatives_are_the_exact_ones(name, order):
    f, _, points, lost = EXACT[name]
    found = derivative(f, order)(np.array(points))
    np.testing.assert_allclose(found, expected(name, order), rtol=1e-15 * lost * (10 if order else 1), atol=1e-16)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", EXACT)
def test_compiled(name, order):
    f = derivative(EXACT[name].f, order)
    for dtype in (np.float64, np.float32):
        points = np.array(EXACT[name].points, dtype)
        if dtype == np.float32:
            points = points[(np.abs(points) > 1e-5) & (np.abs(points) < 100)]
        with np.errstate(all="ignore"):
            checks.close(jit.compile(f)(points), f(points), ulps=1024 * max(1, EXACT[name].lost / 100), each=order < 1)


@pytest.mark.parametrize("name", EXACT)
def test_float32_stays_float32(name):
    points = np.array([x for x in EXACT[name].points if 1e-5 < abs(x) < 100], np.float32)
    for order in (0, 1, 2):
        found = derivative(EXACT[name].f, order)(points)
        assert found.dtype == np.float32
        wide = derivative(EXACT[name].f, order)(points.astype(np.float64))
        np.testing.assert_allclose(found, wide, rtol=3e-5 * max(1, EXACT[name].lost / 40), atol=1e-6)


def test_every_function_of_scipys_name_has_its_values():
    x, y = np.array([0.2, 0.5, 0.9]), np.array([0.3, 0.6, 0.8])
    more = {"betainc": (y, x, x), "polygamma": (np.array([0, 1, 2]), x), "multigammaln": (x + 2, 3)}
    for name in s.__all__:
        ours, theirs = getattr(s, name), getattr(scipy.special, name)
        count = 2 if getattr(theirs, "nin", 1) == 2 or name == "zeta" else 1
        args = more.get(name, (x + 1.5, y) if name == "zeta" else (x, y)[:count])
        np.testing.assert_allclose(ours(*args), theirs(*args), rtol=1e-14, err_msg=name)


# ---- edges and poles ----

# fmt: off
EDGES = [
    # function, arguments, value, the gradient by each argument; the same eager and compiled
    (s.xlogy, (0.0, 0.0), 0, (0, 0)),
    (s.xlogy, (0.0, 2.0), 0, (np.log(2), 0)),
    (s.xlogy, (0.0, INFINITY), 0, (0, 0)),
    (s.xlogy, (0.0, -1.0), 0, (0, 0)),
    (s.xlogy, (0.0, NAN), NAN, (NAN, NAN)),
    (s.xlogy, (1.0, 0.0), -INFINITY, (-INFINITY, INFINITY)),
    (s.xlog1py, (0.0, -1.0), 0, (0, 0)),
    (s.xlog1py, (0.0, 1.0), 0, (np.log(2), 0)),
    (s.xlog1py, (1.0, -1.0), -INFINITY, (-INFINITY, INFINITY)),
    (s.entr, (0.0,), 0, (INFINITY,)),
    (s.entr, (-1.0,), -INFINITY, (NAN,)),
    (s.rel_entr, (0.0, 0.0), 0, (0, 0)),
    (s.rel_entr, (0.0, 2.0), 0, (0, 0)),
    (s.rel_entr, (1.0, 0.0), INFINITY, (0, 0)),
    (s.rel_entr, (-1.0, 1.0), INFINITY, (0, 0)),
    (s.rel_entr, (0.0, -1.0), INFINITY, (0, 0)),
    (s.rel_entr, (NAN, 1.0), NAN, (NAN, NAN)),
    (s.rel_entr, (1.0, NAN), NAN, (NAN, NAN)),
    (s.kl_div, (0.0, 2.0), 2, (0, 1)),
    (s.kl_div, (0.0, 0.0), 0, (0, 1)),
    (s.kl_div, (1.0, 0.0), INFINITY, (0, 0)),
    (s.logit, (0.0,), -INFINITY, (INFINITY,)),
    (s.logit, (1.0,), INFINITY, (INFINITY,)),
    (s.logit, (1.5,), NAN, (1 / (1.5 * -0.5),)),
    (s.gammaln, (0.0,), INFINITY, (-INFINITY,)),
    (s.gammaln, (-1.0,), INFINITY, (NAN,)),
    (s.digamma, (0.0,), -INFINITY, (INFINITY,)),
    (s.digamma, (-2.0,), NAN, (INFINITY,)),
    (s.log_expit, (-1000.0,), -1000, (1,)),
    (s.log_expit, (1000.0,), 0, (0,)),
    (s.log_ndtr, (-1e10,), -5e19, (1e10,)),
    (s.log_ndtr, (100.0,), 0, (0,)),
    (s.log_ndtr, (-INFINITY,), -INFINITY, (INFINITY,)),
    (s.ndtr, (-INFINITY,), 0, (0,)),
    (s.erfinv, (1.0,), INFINITY, (INFINITY,)),
    (s.ndtri, (0.0,), -INFINITY, (INFINITY,)),
    (s.ndtri, (1.5,), NAN, (NAN,)),
    (s.i0, (0.0,), 1, (0,)),
    (s.i1, (0.0,), 0, (0.5,)),
    (s.i0e, (0.0,), 1, (0,)),
    (s.i1e, (0.0,), 0, (0.5,)),
    (s.sinc, (0.0,), 1, (0,)),
]
# fmt: on


@pytest.mark.parametrize(
    ("f", "args", "value", "gradients"), EDGES, ids=lambda x: x.__name__ if isfunction(x) else str(x)
)
def test_edges(f, args, value, gradients):
    arrays = [np.array([x]) for x in args]

    def summed(*xs):
        return ag.sum(f(*xs))

    with np.errstate(all="ignore"):
        for results in (
            ag.value_and_grad(summed, tuple(range(len(args))))(*arrays),
            jit.value_and_grad(summed, tuple(range(len(args))))(*arrays),
        ):
            np.testing.assert_allclose(results[0], value, rtol=1e-14)
            np.testing.assert_allclose(np.ravel(results[1]), gradients, rtol=1e-12)


@pytest.mark.parametrize("name", ["xlogy", "xlog1py", "ndtr", "log_expit", "sinc"])
def test_composed_functions_have_scipys_special_values(name):
    special = np.array([NAN, INFINITY, -INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, 5e-324, -3.0, 800.0])
    theirs = getattr(scipy.special, name)
    args = (special[:, None], special) if getattr(theirs, "nin", 1) == 2 else (special,)
    with np.errstate(all="ignore"):
        wanted = theirs(*args)
        np.testing.assert_allclose(getattr(s, name)(*args), wanted, rtol=1e-13)
        np.testing.assert_allclose(jit.compile(getattr(s, name))(*args), wanted, rtol=1e-13)


def test_the_second_derivative_is_finite_where_the_first_is_flat():
    for f, x in ((s.log_ndtr, 60.0), (s.log_ndtr, -1e5), (s.sinc, 0.0), (s.log_expit, 800.0), (s.xlogy, 0.0)):
        g = derivative(lambda x, f=f: f(x, x + 1) if f is s.xlogy else f(x), 2)(np.array([x]))
        assert np.isfinite(g).all(), f


# ---- through SciPy's own names ----


def test_scipys_ufuncs_take_tensors():
    x = ag.tensor([0.5, 1.5], requires_grad=True)
    y = scipy.special.gammaln(x) + scipy.special.xlogy(x, 2.0) + scipy.special.zeta(2.0, x) + scipy.special.ndtr(x)
    (g,) = ag.grad(y.sum(), [x])
    at = x.detach().numpy()
    wanted = scipy.special.psi(at) + np.log(2) - 2 * scipy.special.zeta(3.0, at)
    wanted += np.exp(-at * at / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(g.numpy(), wanted, rtol=1e-14)


def test_polygamma_of_several_orders():
    n, x = np.array([[0], [1], [3]]), np.array([0.5, 2.5])
    np.testing.assert_allclose(s.polygamma(n, x), scipy.special.polygamma(n, x), rtol=1e-14)
    np.testing.assert_allclose(jit.compile(s.polygamma)(n, x), scipy.special.polygamma(n, x), rtol=1e-14)
    g = ag.grad(lambda x: ag.sum(s.polygamma(n, x)))(x)
    np.testing.assert_allclose(g, scipy.special.polygamma(n + 1, x).sum(0), rtol=1e-13)


# ---- what is refused ----

REFUSED = [(op, i, op.vjp(i)) for op in PRIMITIVES.values() for i in range(3) if isinstance(op.vjp(i), Refused)]


def test_what_has_no_derivative_is_known():
    assert {f"{op.name} by {rule.input}" for op, _, rule in REFUSED} == {
        "betainc by a", "betainc by b", "gammainc by a", "gammaincc by a", "iv by v", "ive by v", "zeta by s"
    }  # fmt: skip


@pytest.mark.parametrize(("op", "i", "rule"), REFUSED, ids=str)
def test_a_gradient_that_does_not_exist_is_refused(op, i, rule):
    count = 3 if op is s.betainc else 2
    args: list[Any] = [np.array([0.5, 0.25])] * count
    words = rf"`{op.name}` has no derivative with respect to `{rule.input}`.*`{rule.input}.detach\(\)`"
    for f in (ag.grad, jit.grad):
        with pytest.raises(NotImplementedError, match=words):
            f(lambda *xs: ag.sum(op(*xs)), i)(*args)
        f(lambda *xs: ag.sum(op(*xs)), count - 1)(*args)


def test_multigammaln_needs_a_dimension():
    for d in (0, 1.5, -2):
        with pytest.raises(ValueError, match=f"`multigammaln` needs a dimension that is a whole number.*got {d}"):
            s.multigammaln(3.0, d)


# ---- compiled ----


def test_bernoulli_numbers():
    assert [str(bernoulli(n)) for n in range(9)] == ["1", "-1/2", "1/6", "0", "-1/30", "0", "1/42", "0", "-1/30"]


def test_the_zeta_function_of_kernels_over_its_range(rng):
    f = jit.compile(s.zeta)
    order = np.concatenate([rng.uniform(1.001, 60, 400), [1.0, 0.5, 1e3, 1e10, 2.0, 2.0, 3.0, 2.0, 2.5, NAN, 2.0]])
    q = np.concatenate([10 ** rng.uniform(-6, 12, 400), [2, 2, 3, 0.5, -3.0, -3.5, -40.5, -1e300, -0.5, 1, NAN]])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(f(order, q), scipy.special.zeta(order, q), rtol=2e-14)


def test_a_kernel_from_the_disk_finds_the_functions_again(tmp_path):
    program = (
        "import jit, numpy as np, autograd as ag\n"
        "f = jit.grad(lambda x: ag.sum(ag.special.gammaln(x) + ag.special.digamma(x) * ag.special.i0e(x)))\n"
        "print(*f(np.array([0.5, 2.5])), jit.cache_info().loaded)\n"
    )
    environment = os.environ | {"JIT_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
        for _ in range(2)
    ]
    first, second = [run.stdout.split() for run in runs]
    assert first[:2] == second[:2], [run.stderr for run in runs]
    assert (first[2], second[2]) == ("0", "1")
