"""Solvers and samplers, where they are installed, that call kernels by their addresses."""

import warnings

import numpy as np
import pytest
from scipy import LowLevelCallable

import autograd as ag
import jit
from examples.nuts import EFFECTS, ERRORS


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
