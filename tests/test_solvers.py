"""Solvers and samplers that take derivatives: SciPy's, and those of the extra `solvers` where they are installed."""

import warnings

import numpy as np
import pytest
from numba import njit
from scipy import LowLevelCallable
from scipy.integrate import quad, solve_ivp
from scipy.optimize import curve_fit, least_squares, minimize

import autograd as ag
import jit
from examples.nuts import EFFECTS, ERRORS

T = np.linspace(0, 2, 20)
TRUE = np.array([3.0, 1.5])
Y = TRUE[0] * np.exp(-TRUE[1] * T)


def model(t, scale, rate):
    return scale * np.exp(-rate * t)


def squares(p, y):
    return np.sum((model(T, p[0], p[1]) - y) ** 2)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def robertson(t, x):
    """A reaction of three substances, of which the fast ones make it stiff."""
    slow, fast, fastest = 0.04 * x[0], 1e4 * x[1] * x[2], 3e7 * x[1] ** 2
    return np.stack([fast - slow, slow - fast - fastest, fastest])


def low_level(callback):
    return LowLevelCallable(callback.ctypes, callback.user_data)


def test_ipopt_solves_a_problem_with_its_sparse_derivatives():
    """Number 71 of Hock and Schittkowski's, which Ipopt's documentation solves."""
    ipyopt = pytest.importorskip("ipyopt")
    objective = lambda x: x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]
    constraints = lambda x: np.stack([np.prod(x), np.sum(x**2)])
    lagrangian = lambda x, factor, multipliers: factor * objective(x) + np.sum(multipliers * constraints(x))
    x, lower = np.array([1.0, 5.0, 5.0, 1.0]), np.tril_indices(4)
    hessian = lambda *args: ag.hessian(lagrangian)(*args)[lower]
    problem = ipyopt.Problem(
        n=4,
        x_l=np.ones(4),
        x_u=np.full(4, 5.0),
        m=2,
        g_l=np.array([25.0, 40.0]),
        g_u=np.array([2e19, 40.0]),
        sparsity_indices_jac_g=tuple(np.indices((2, 4)).reshape(2, -1)),
        sparsity_indices_h=lower,
        eval_f=low_level(jit.compile(objective).kernel(x).callback("ipyopt f")),
        eval_grad_f=low_level(jit.grad(objective).kernel(x).callback("ipyopt f")),
        eval_g=low_level(jit.compile(constraints).kernel(x).callback("ipyopt g")),
        eval_jac_g=low_level(jit.jacobian(constraints).kernel(x).callback("ipyopt jac_g")),
        eval_h=low_level(jit.compile(hessian).kernel(x, 1.0, np.ones(2)).callback("ipyopt h")),
        ipopt_options={"print_level": 0, "sb": "yes"},
    )
    found, value, status = problem.solve(x.copy())
    assert status == 0
    assert value == pytest.approx(17.0140173, abs=1e-6)
    np.testing.assert_allclose(found, [1.0, 4.7429994, 3.8211503, 1.3794082], atol=1e-5)


def chained(x):
    return np.sum(100 * (x[:-1] ** 2 - x[1:]) ** 2 + (x[:-1] - 1) ** 2)


def chain_of_constraints(x):
    """Those of problem 5.1 of Luksan and Vlcek (1999), each of three neighbours."""
    a, b, c = x[:-2], x[1:-1], x[2:]
    return 3 * b**3 + 2 * c - 5 + np.sin(b - c) * np.sin(b + c) + 4 * b - a * np.exp(a - b) - 3


def test_ipopt_takes_the_entries_of_sparse_matrices_by_address():
    ipyopt = pytest.importorskip("ipyopt")
    x, m = np.tile([-1.2, 1.0], 25), 48
    lagrangian = lambda x, factor, multipliers: factor * chained(x) + np.sum(multipliers * chain_of_constraints(x))
    jacobian, hessian = jit.sparse_jacobian(chain_of_constraints), jit.sparse_hessian(lagrangian, lower=True)
    problem = ipyopt.Problem(
        n=50,
        x_l=np.full(50, -2e19),
        x_u=np.full(50, 2e19),
        m=m,
        g_l=np.zeros(m),
        g_u=np.zeros(m),
        sparsity_indices_jac_g=jacobian.places(x),
        sparsity_indices_h=hessian.places(x, 1.0, np.ones(m)),
        eval_f=low_level(jit.compile(chained).kernel(x).callback("ipyopt f")),
        eval_grad_f=low_level(jit.grad(chained).kernel(x).callback("ipyopt f")),
        eval_g=low_level(jit.compile(chain_of_constraints).kernel(x).callback("ipyopt g")),
        eval_jac_g=low_level(jacobian.kernel(x).callback("ipyopt jac_g")),
        eval_h=low_level(hessian.kernel(x, 1.0, np.ones(m)).callback("ipyopt h")),
        ipopt_options={"print_level": 0, "sb": "yes", "tol": 1e-10},
    )
    found, _, status = problem.solve(x.copy())
    assert status == 0
    np.testing.assert_allclose(chain_of_constraints(found), 0, atol=1e-9)
    # The gradient is a combination of those of the constraints.
    slope, normals = jit.grad(chained)(found), jacobian(found).toarray().T
    multipliers = np.linalg.lstsq(normals, slope, rcond=None)[0]
    np.testing.assert_allclose(normals @ multipliers, slope, atol=1e-6)


def test_solvers_of_scipy_take_sparse_jacobians():
    jacobian = jit.sparse_jacobian(chain_of_constraints)
    found = least_squares(jit.compile(chain_of_constraints), np.full(50, 0.5), jacobian, tr_solver="lsmr")
    np.testing.assert_allclose(chain_of_constraints(found.x), 0, atol=1e-6)
    diffusion = lambda t, x: 2500 * (ag.pad(x, 1)[2:] - 2 * x + ag.pad(x, 1)[:-2])
    x = np.sin(np.pi * np.arange(1, 50) / 50)
    found = solve_ivp(jit.compile(diffusion), (0, 0.1), x, "BDF", jac=jit.sparse_jacobian(diffusion, 1), rtol=1e-6)
    np.testing.assert_allclose(found.y[:, -1], x * np.exp(-1e4 * np.sin(np.pi / 100) ** 2 * 0.1), rtol=1e-3)


def test_ipopt_solves_optimal_control_with_few_entries():
    """A point is moved from 0 to 1 in 40 steps, at rest at both ends, with the least control: x = 3 t² - 2 t³."""
    ipyopt = pytest.importorskip("ipyopt")
    n = 40
    step, ends = 1 / n, np.array([0.0, 0.0, 1.0, 0.0])

    def objective(z):
        return step * np.sum(z[2 * n + 2 :] ** 2)

    def constraints(z):
        x, v, u = z[: n + 1], z[n + 1 : 2 * n + 2], z[2 * n + 2 :]
        along = x[1:] - x[:-1] - step / 2 * (v[1:] + v[:-1])
        return np.concatenate([along, v[1:] - v[:-1] - step * u, np.stack([x[0], v[0], x[-1], v[-1]]) - ends])

    lagrangian = lambda z, factor, multipliers: factor * objective(z) + np.sum(multipliers * constraints(z))
    z, multipliers = np.zeros(3 * n + 2), np.zeros(2 * n + 4)
    jacobian, hessian = jit.sparse_jacobian(constraints), jit.sparse_hessian(lagrangian, lower=True)
    wide = np.full(len(z), 2e19)
    problem = ipyopt.Problem(
        n=len(z),
        x_l=-wide,
        x_u=wide,
        m=len(multipliers),
        g_l=np.zeros(len(multipliers)),
        g_u=np.zeros(len(multipliers)),
        sparsity_indices_jac_g=jacobian.places(z),
        sparsity_indices_h=hessian.places(z, 1.0, multipliers),
        eval_f=low_level(jit.compile(objective).kernel(z).callback("ipyopt f")),
        eval_grad_f=low_level(jit.grad(objective).kernel(z).callback("ipyopt f")),
        eval_g=low_level(jit.compile(constraints).kernel(z).callback("ipyopt g")),
        eval_jac_g=low_level(jacobian.kernel(z).callback("ipyopt jac_g")),
        eval_h=low_level(hessian.kernel(z, 1.0, multipliers).callback("ipyopt h")),
        ipopt_options={"print_level": 0, "sb": "yes"},
    )
    found, value, status = problem.solve(z.copy())
    t = np.linspace(0, 1, n + 1)
    assert status == 0
    assert value == pytest.approx(12, rel=1e-2)
    np.testing.assert_allclose(found[: n + 1], 3 * t**2 - 2 * t**3, atol=1e-3)
    assert jacobian(z).nnz == 7 * n + 4
    assert hessian(z, 1.0, multipliers).nnz == n


def log_density(q, effects, errors):
    mean, spread, z = q[0], np.exp(q[1]), q[2:]
    prior = -0.5 * (mean / 5) ** 2 - np.log1p((spread / 5) ** 2) + q[1] - 0.5 * np.sum(z**2)
    return prior - 0.5 * np.sum(((effects - mean - spread * z) / errors) ** 2)


def test_nutpie_samples_a_density_with_its_data():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nutpie = pytest.importorskip("nutpie")
        compile_pymc = pytest.importorskip("nutpie.compile_pymc")
        q = np.zeros(10)
        density = jit.value_and_grad(log_density).kernel(q, EFFECTS, ERRORS).callback("nutpie", EFFECTS, ERRORS)
        # What the sampler calls to make the variables of a draw of the point.
        expand = "int64_t f(uint64_t n, uint64_t m, const double *in0, double *out0, void *data)"
        model = compile_pymc.CompiledPyMCModel(
            dims={},
            compiled_logp_func=density,
            compiled_expand_func=jit.compile(lambda q: q + 0.0).kernel(q).callback(expand),
            initial_point_func=lambda seed: np.zeros(10),
            shared_data={},
            user_data=density.table,
            n_expanded=10,
            shape_info=(["q"], [slice(0, 10)], [(10,)]),
            logp_func=None,
            expand_func=None,
            _n_dim=10,
            _shapes={"q": (10,)},
            _coords={},
        )
        draws = nutpie.sample(model, draws=2000, tune=500, chains=2, cores=1, seed=1, progress_bar=False)
    found = np.asarray(draws.posterior["q"])
    assert found[..., 0].mean() == pytest.approx(4.4, abs=0.4)
    assert np.exp(found[..., 1]).mean() == pytest.approx(3.6, abs=0.5)


def test_minimize_takes_products_with_the_hessian():
    fast, product = jit.value_and_grad(rosenbrock), jit.hvp(rosenbrock)
    for method in "Newton-CG", "trust-ncg", "trust-krylov":
        found = minimize(fast, np.zeros(6), jac=True, hessp=product, method=method)
        assert found.nhev > 0
        np.testing.assert_allclose(found.x, 1, atol=1e-4)


def test_curve_fit_takes_the_columns_of_the_jacobian():
    by_parameters = jit.jacobian(model, (1, 2))
    jac = lambda t, *p: np.stack(by_parameters(t, *map(float, p)), axis=1)
    found, covariance = curve_fit(jit.compile(model), T, Y, p0=(1.0, 1.0), jac=jac)
    np.testing.assert_allclose(found, TRUE, rtol=1e-8)
    assert covariance.shape == (2, 2)


def test_quad_integrates_a_derivative_without_python():
    slope = jit.grad(lambda rate, x: np.exp(-rate * x)).kernel(2.0, 1.0)
    callback = slope.callback("double f(double in1, void *data)", 2.0)
    assert quad(low_level(callback), 0, np.inf)[0] == pytest.approx(-1 / 4, rel=1e-9)


def test_iminuit_takes_the_gradient_and_finds_the_errors():
    iminuit = pytest.importorskip("iminuit")
    fast = jit.value_and_grad(lambda p: squares(p, Y))
    found = iminuit.Minuit(lambda p: fast(p)[0], np.ones(2), grad=lambda p: fast(p)[1]).migrad()
    assert found.valid
    assert found.ngrad > 0
    np.testing.assert_allclose(found.values, TRUE, rtol=1e-3)
    expected = np.linalg.inv(jit.hessian(squares)(np.array(found.values), Y) / 2)
    found.hesse()
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-2)


def test_nlopt_takes_a_gradient_in_place_and_constraints():
    """Minimum of sqrt(x1) above two cubics, the example of NLopt's tutorial."""
    nlopt = pytest.importorskip("nlopt")

    def taken(f):
        fast = jit.value_and_grad(f)
        return lambda x, g: float(fast(x, out=(None, g))[0] if g.size else fast(x)[0])

    solver = nlopt.opt(nlopt.LD_SLSQP, 2)
    solver.set_lower_bounds([-10.0, 1e-9])
    solver.set_min_objective(taken(lambda x: np.sqrt(x[1])))
    solver.add_inequality_constraint(taken(lambda x: (2 * x[0]) ** 3 - x[1]), 1e-9)
    solver.add_inequality_constraint(taken(lambda x: (1 - x[0]) ** 3 - x[1]), 1e-9)
    solver.set_xtol_rel(1e-9)
    np.testing.assert_allclose(solver.optimize([1.234, 5.678]), [1 / 3, 8 / 27], rtol=1e-6)


@pytest.mark.parametrize("products", [False, True], ids=["jacfn", "jactimes"])
def test_cvode_takes_a_jacobian_or_its_products(products):
    cvode = pytest.importorskip("sksundae.cvode")
    x = np.array([1.0, 0.0, 0.0])
    slope, jacobian = jit.compile(robertson), jit.jacobian(robertson, 1)
    product = jit.compile(lambda t, x, v: ag.jvp(lambda x: robertson(t, x), (x,), (v,))[1])
    calls = []

    def rhsfn(t, x, out):
        slope(t, x, out=out)

    def jacfn(t, x, xp, out):
        calls.append(t)
        out[:] = jacobian(t, x)

    def times(t, x, xp, v, out):
        calls.append(t)
        out[:] = product(t, x, v)

    if products:
        options = {"linsolver": "gmres", "krylov_dim": 3, "jactimes": cvode.CVODEJacTimes(None, times)}
    else:
        options = {"jacfn": jacfn}
    solver = cvode.CVODE(rhsfn, rtol=1e-8, atol=1e-12, **options)
    found = solver.solve(np.array([0.0, 0.4, 4.0, 40.0]), x)
    assert found.success
    assert calls
    # The values of the table in CVODE's own example.
    np.testing.assert_allclose(found.y[-1], [7.158e-01, 9.186e-06, 2.842e-01], rtol=1e-3)


def test_many_fits_run_in_one_compiled_loop_of_scijit():
    optimize = pytest.importorskip("scijit.optimize")
    kernel, minimum = jit.value_and_grad(squares).kernel(np.ones(2), T), optimize.fmin_l_bfgs_b

    @njit
    def value_and_gradient(p, y):
        return kernel(p, y)

    @njit
    def fits(ys):
        found = np.empty((len(ys), 2))
        for i in range(len(ys)):
            found[i] = minimum(value_and_gradient, np.ones(2), args=(ys[i],))[0]
        return found

    wanted = np.random.default_rng(0).uniform(0.5, 3, (50, 2))
    np.testing.assert_allclose(fits(wanted[:, :1] * np.exp(-wanted[:, 1:] * T)), wanted, atol=1e-3)
