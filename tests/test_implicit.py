"""Solutions differentiated by the implicit function theorem: against closed forms, finite differences, compiled."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse.linalg

import autograd as ag
import jit

A = np.array([2.0, 10.0])
X = np.array([1.0, 2.0])


def cubic(x, a):
    return x**3 + x - a


def solved(a):
    return ag.sum(ag.implicit.root(cubic, np.zeros(2, a.dtype), a) * ag.as_tensor(X.astype(a.dtype)))


def coupled(x, params):
    return params["m"] @ x + 0.1 * ag.sin(x) - params["b"]


def coupled_sum(m, b):
    return ag.sum(ag.implicit.root(coupled, np.zeros(2), {"m": m, "b": b}) ** 2)


def python_loop(lower, upper, step, x):
    for i in range(lower, upper):
        x = step(i, x)
    return x


def test_root_has_the_derivatives_of_the_closed_form():
    slope = 3 * X**2 + 1
    np.testing.assert_allclose(ag.grad(solved)(A), X / slope, rtol=1e-12)
    np.testing.assert_allclose(ag.hessian(solved)(A), np.diag(X * -6 * X / slope**3), rtol=1e-12, atol=1e-15)


def test_root_compiled_is_as_eager():
    value, slope = jit.value_and_grad(solved)(A)
    np.testing.assert_allclose(value, 5.0, rtol=1e-12)
    np.testing.assert_allclose(slope, ag.grad(solved)(A), rtol=1e-12)


def test_second_order_compiled_is_as_eager():
    np.testing.assert_allclose(jit.hessian(solved)(A), ag.hessian(solved)(A), rtol=1e-12, atol=1e-15)


def test_a_parameter_that_the_residual_closes_over_has_its_gradient():
    a = ag.tensor(A, requires_grad=True)
    ag.implicit.root(lambda x: cubic(x, a), np.zeros(2)).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), 1 / (3 * X**2 + 1), rtol=1e-12)


def test_derivatives_are_right_to_the_fourth_order():
    def derivative(order):
        f = lambda a: ag.implicit.root(cubic, 1.0, a)
        for _ in range(order):
            f = ag.grad(f)
        return f

    s = 1 / 13  # at the solution 2
    np.testing.assert_allclose(derivative(3)(10.0), -6 * s**4 + 108 * 4 * s**5, rtol=1e-10)
    np.testing.assert_allclose(derivative(4)(10.0), 360 * 2 * s**6 - 3240 * 8 * s**7, rtol=1e-10)
    np.testing.assert_allclose(jit.grad(derivative(2))(10.0), -6 * s**4 + 108 * 4 * s**5, rtol=1e-10)


def closing(a):
    """Closes over two tensors, one of which is made of the other; the root is that of x³ + x = a²."""
    b = a * a
    return ag.sum(ag.implicit.root(lambda x: cubic(x, a) - (b - a), np.ones(2)))


def test_what_the_residual_closes_over_counts_once_to_the_second_order():
    a = np.sqrt(A)
    slope = 3 * X**2 + 1
    for package in ag, jit:
        np.testing.assert_allclose(package.grad(closing)(a), 2 * a / slope, rtol=1e-12)
        expected = np.diag(2 / slope - 6 * X / slope**3 * (2 * a) ** 2)
        np.testing.assert_allclose(package.hessian(closing)(a), expected, rtol=1e-12, atol=1e-14)
    for _, tangent in ag.jvp(closing, (a,), (np.ones(2),)), jit.jvp(closing)((a,), (np.ones(2),)):
        np.testing.assert_allclose(tangent, np.sum(2 * a / slope), rtol=1e-12)


def test_a_recorded_tape_is_differentiated_at_other_values():
    a = ag.tensor(1.02 * np.sqrt(A), requires_grad=True)
    with ag.record() as tape:
        out = closing(a)
    _, (slope,) = jit.compile(tape, inputs=[a], outputs=[out]).value_and_grad(ag.tensor(np.sqrt(A)))
    np.testing.assert_allclose(slope, 2 * np.sqrt(A) / (3 * X**2 + 1), rtol=1e-12)


@pytest.mark.parametrize("loop", [ag.fori_loop, python_loop], ids=["fori_loop", "for"])
def test_implicit_steps_of_a_loop_close_over_its_state(loop):
    """Implicit steps of y' = -rate y, each a root that closes over the last state and the rate."""

    def stepped(rate):
        return loop(0, 6, lambda _, y: ag.implicit.root(lambda z: z - y + 0.05 * rate * z, y), 1.0 * rate)

    # rate * (1 + rate / 20)^-6
    value, slope = 2 * 1.1**-6, 1.1**-6 - 0.6 * 1.1**-7
    for package in ag, jit:
        np.testing.assert_allclose(package.value_and_grad(stepped)(2.0), (value, slope), rtol=1e-12)
    second = -0.6 * 1.1**-7 + 0.21 * 1.1**-8
    np.testing.assert_allclose(jit.grad(ag.grad(stepped))(2.0), second, rtol=1e-10)


def rebinding(rate):
    """Implicit steps whose residual closes over a variable that is bound to the next state before the sweep."""
    x = 1.0 * rate
    for _ in range(3):
        x = ag.implicit.root(lambda y: y - x + 0.05 * rate * y, x)  # noqa: B023
    return x


def test_a_variable_that_is_bound_to_another_value_later_is_what_it_was():
    for package in ag, jit:
        np.testing.assert_allclose(package.grad(rebinding)(2.0), 1.1**-3 - 0.3 * 1.1**-4, rtol=1e-12)
    rate = ag.tensor(2.0, requires_grad=True)
    program = "x = 1.0 * rate\nfor _ in range(3):\n    x = root(lambda y: y - x + 0.05 * rate * y, x)"
    names = {"root": ag.implicit.root, "rate": rate}
    exec(program, names)
    assert ag.grad(names["x"], rate)[0].item() == pytest.approx(1.1**-3 - 0.3 * 1.1**-4, rel=1e-12)


def test_an_integer_among_the_parameters_has_no_derivative():
    power = lambda a: ag.implicit.root(lambda x, n, a: x**n + x - a, 1.0, 3, a)
    for package in ag, jit:
        assert float(package.grad(power)(10.0)) == pytest.approx(1 / 13, rel=1e-12)


def test_nothing_to_solve_for_is_solved():
    assert ag.implicit.root(cubic, np.zeros(0), 1.0).shape == (0,)


def test_float32_stays():
    slope = ag.grad(solved)(A.astype(np.float32))
    assert slope.dtype == np.float32
    np.testing.assert_allclose(slope, X / (3 * X**2 + 1), rtol=1e-5)


def test_several_parameters_nested_against_finite_differences():
    m, b = np.array([[2.0, 0.5], [0.3, 3.0]]), np.array([1.0, -1.0])
    assert ag.gradcheck(coupled_sum, (ag.tensor(m, requires_grad=True), ag.tensor(b, requires_grad=True)))
    found = jit.value_and_grad(coupled_sum, argnums=(0, 1))(m, b)[1]
    for g, expected in zip(found, ag.grad(coupled_sum, (0, 1))(m, b), strict=True):
        np.testing.assert_allclose(g, expected, rtol=1e-10)


def test_a_solver_of_scipy_gives_the_same():
    def by_scipy(a):
        solver = lambda f, x0: scipy.optimize.root(f, x0).x
        return ag.sum(ag.implicit.root(cubic, np.ones(2), a, solver=solver))

    np.testing.assert_allclose(ag.grad(by_scipy)(A), 1 / (3 * X**2 + 1), rtol=1e-8)
    with pytest.raises(TypeError, match="cannot run a `solver` in a recording"):
        jit.value_and_grad(by_scipy)(A)


def test_fixed_point_and_minimize_eager_and_compiled():
    def means(a):
        return ag.sum(ag.implicit.fixed_point(lambda x, a: (x + a / x) / 2, np.ones(2), a))

    def ridge(a):
        return ag.sum(ag.implicit.minimize(lambda x, a: ag.sum((x - 3) ** 2 + a * x**2), np.zeros(2), a))

    for f, expected in (means, 0.5 / np.sqrt(A)), (ridge, -3 / (1 + A) ** 2):
        np.testing.assert_allclose(ag.grad(f)(A), expected, rtol=1e-10)
        np.testing.assert_allclose(jit.value_and_grad(f)(A)[1], expected, rtol=1e-10)


def test_a_solution_that_is_not_found_is_an_error_and_compiled_nan():
    def turning(a):
        return ag.implicit.fixed_point(lambda x, a: a - x, 0.0, a, max_steps=5)

    with pytest.raises(ArithmeticError, match=r"`implicit\.fixed_point` did not converge in 5 steps"):
        turning(1.0)
    assert np.isnan(jit.value_and_grad(turning)(1.0)[0])


def test_what_cannot_be_solved_is_refused():
    with pytest.raises(TypeError, match=r"`implicit\.root` needs an `x0` of real floating point, got int64"):
        ag.implicit.root(cubic, 1, 2.0)
    with pytest.raises(ArithmeticError, match=r"must return finite numbers of the shape \(2,\), got the shape \(3,\)"):
        ag.implicit.root(cubic, X, A, solver=lambda f, x0: np.ones(3))


N = 12
STIFFNESS = np.linspace(1.0, 2.0, N)
LOAD = np.cos(np.arange(N))


def chain(x, stiffness):
    """The product of a positive definite matrix of three diagonals with `x`."""
    inner = stiffness * x
    return inner + ag.concatenate([x[:1], x[1:] - x[:-1]]) + ag.concatenate([x[:-1] - x[1:], x[-1:]])


def by_products(stiffness, load):
    return ag.sum(ag.implicit.linear_solve(chain, load, stiffness) ** 2)


def by_matrix(stiffness, load):
    return ag.sum(ag.linalg.solve(ag.jacobian(lambda x: chain(x, stiffness))(np.zeros(N)), load) ** 2)


def test_linear_equations_by_products_have_the_derivatives_of_the_matrix():
    expected = ag.value_and_grad(by_matrix, (0, 1))(STIFFNESS, LOAD)
    for package in ag, jit:
        value, gradients = package.value_and_grad(by_products, (0, 1))(STIFFNESS, LOAD)
        np.testing.assert_allclose(value, expected[0], rtol=1e-9)
        for g, e in zip(gradients, expected[1], strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-7, atol=1e-10)
    second = jit.hvp(by_matrix)(STIFFNESS, LOAD, LOAD)
    np.testing.assert_allclose(jit.hvp(by_products)(STIFFNESS, LOAD, LOAD), second, rtol=1e-6, atol=1e-9)


def test_linear_equations_in_float32_and_without_a_right_side():
    load = LOAD.astype(np.float32)
    for package in ag, jit:
        slope = package.grad(lambda load: by_products(STIFFNESS.astype(np.float32), load))(load)
        assert slope.dtype == np.float32
        np.testing.assert_allclose(slope, ag.grad(by_matrix, 1)(STIFFNESS, LOAD), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(ag.implicit.linear_solve(chain, np.zeros(N), STIFFNESS).numpy(), 0)


def test_a_linear_solver_of_scipy_solves_what_is_not_symmetric():
    m, b = np.array([[2.0, 0.5], [-0.3, 3.0]]), np.array([1.0, -1.0])

    def gmres(product, b):
        return scipy.sparse.linalg.gmres(scipy.sparse.linalg.LinearOperator((2, 2), product), b, rtol=1e-12)[0]

    found = ag.grad(lambda m: ag.sum(ag.implicit.linear_solve(lambda x, m: m @ x, b, m, solver=gmres) ** 3))(m)
    np.testing.assert_allclose(found, ag.grad(lambda m: ag.sum(ag.linalg.solve(m, b) ** 3))(m), rtol=1e-8)


def test_roots_and_minima_by_products_are_those_by_matrices():
    def energy(x, a):
        return ag.sum(x * chain(x, STIFFNESS)) / 2 + ag.sum(x**4) / 4 - a * ag.sum(LOAD * x)

    def of(linear_solver):
        least = lambda a: ag.implicit.minimize(energy, np.zeros(N), a, linear_solver=linear_solver)
        balance = lambda a: ag.implicit.root(ag.grad(energy), np.zeros(N), a, linear_solver=linear_solver)
        return lambda a: ag.sum(least(a) ** 2) + ag.sum(balance(a) ** 3)

    expected = ag.value_and_grad(of(None))(0.7)
    for package in ag, jit:
        np.testing.assert_allclose(package.value_and_grad(of(ag.implicit.cg))(0.7), expected, rtol=1e-8)


def test_a_linear_solver_that_fails_is_an_error_and_compiled_nan():
    short = lambda product, b: ag.implicit.cg(product, b, max_steps=2)
    solved = lambda load: ag.sum(ag.implicit.linear_solve(chain, load, STIFFNESS, solver=short))
    with pytest.raises(ArithmeticError, match=r"must return finite numbers of the shape \(12,\), .* more steps"):
        solved(LOAD)
    assert np.isnan(jit.grad(solved)(LOAD)).all()
    with pytest.raises(ArithmeticError, match=r"of the shape \(12,\), got the shape \(3,\)"):
        ag.implicit.linear_solve(chain, LOAD, STIFFNESS, solver=lambda product, b: np.ones(3))
    with pytest.raises(TypeError, match=r"`implicit\.linear_solve` needs a `b` of real floating point, got int64"):
        ag.implicit.linear_solve(chain, np.arange(N), STIFFNESS)
