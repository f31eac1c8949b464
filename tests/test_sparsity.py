"""Structure: which elements reach which, compared with where derivatives at random points are other than zero."""

import numpy as np
import pytest

import autograd as ag
import jit
from autograd import ops
from autograd.primitive import PRIMITIVES
from jit.sparse import sparsity
from jit.sparse.dependence import FLAT, RULES
from tests.cases import SMOOTH

N = 12


def seen(f, *args):
    """Where the Jacobian is not zero at any of a few random points."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(3):
        x = rng.uniform(0.5, 1.5, N)
        found = found | (np.asarray(ag.jacobian(f)(x, *args)).reshape(-1, N) != 0)
    return found


def given(f, *args):
    return jit.jacobian_pattern(f, np.linspace(0.5, 1.5, N), *args).toarray()


def grid(x):
    return ag.reshape(x, (3, 4))


def written(x):
    y = ag.zeros(N)
    y[2:5] = x[3:6] ** 2
    y[[7, 9]] = x[[0, 1]]
    return y


def stepped(x):
    def step(carry, row):
        carry = carry * row
        return carry, carry + row[0]

    return ag.scan(step, x[:3], ag.reshape(x[3:], (3, 3)))[1]


EXACT = {
    "elementwise": lambda x: np.sin(x) * x,
    "shifted": lambda x: x[1:] * x[:-1],
    "reversed": lambda x: x + x[::-1] ** 2,
    "broadcast": lambda x: grid(x) * x[:4],
    "column": lambda x: grid(x) * grid(x)[:, :1],
    "scalar": lambda x: x * x[3],
    "transposed": lambda x: grid(x).T.reshape(3, 4) * grid(x),
    "concatenated": lambda x: ag.concatenate([x[:2], np.ones(3), x[5:] ** 2]),
    "stacked": lambda x: ag.stack([x, x[::-1]], 1),
    "padded": lambda x: ag.pad(x, 2)[1:-3],
    "summed": lambda x: ag.sum(grid(x) ** 2, 0),
    "kept": lambda x: ag.sum(grid(x) ** 2, 1, keepdims=True) * np.ones((3, 2)),
    "mean": lambda x: ag.mean(x),
    "product": lambda x: ag.prod(grid(x), 1),
    "running": lambda x: ag.cumsum(grid(x), 1),
    "gathered": lambda x: x[np.array([3, 3, 0])] * x[np.array([1, 2, 5])],
    "scattered": lambda x: ops.scatter_add(x[:4], np.array([0, 1, 1, 3]), shape=(5,)),
    "written": written,
    "matrix vector": lambda x: ag.reshape(x[:6], (2, 3)) @ x[6:9],
    "vector vector": lambda x: x[:3] @ x[3:6],
    "matrices": lambda x: ag.reshape(x[:6], (2, 3)) @ ag.reshape(x[6:], (3, 2)),
    "stack of matrices": lambda x: ag.reshape(x[:8], (2, 2, 2)) @ ag.reshape(x[8:], (2, 2)),
    "convolved": lambda x: ag.convolve(x[:5], x[5:8]),
    "scan": stepped,
    "python loop": lambda x: [x := x[:-1] * x[1:] for _ in range(6)][-1],
    "solved": lambda x: ag.linalg.solve(np.diag([1.0, 2.0]) + 0.1, ag.reshape(x, (2, 6))),
    "solved stacks": lambda x: ag.linalg.solve(ag.reshape(x[:8], (2, 2, 2)) + 3 * np.eye(2), np.ones((2, 2, 1))),
    "transformed": lambda x: abs(ag.fft.rfft(grid(x) + 0.1, axis=1)),
    "flat": lambda x: np.floor(x) + np.sign(x[::-1]) + ag.stop_gradient(x * x[0]),
    "copied sign": lambda x: np.copysign(x, x[::-1]),
    "compared": lambda x: x * (x[::-1] > 0.7),
    "constant": lambda x: np.ones(3) + 0 * ag.stop_gradient(x[:3]),
}


@pytest.mark.parametrize("name", EXACT)
def test_the_structure_is_that_of_the_derivative(name):
    np.testing.assert_array_equal(given(EXACT[name]), seen(EXACT[name]))


def test_a_choice_by_values_counts_both_branches():
    f = lambda x: np.where(x > 1, x[0] * x, x[::-1])
    expected = np.eye(N, dtype=bool) | np.eye(N, dtype=bool)[::-1]
    expected[:, 0] = True
    np.testing.assert_array_equal(given(f), expected)


def test_branches_are_united_unless_the_index_is_known():
    def f(x, i):
        return ag.switch(i, [lambda x: x[:2], lambda x: x[2:4]], x)

    assert given(lambda x: f(x, ops.astype(x[0] > 1, dtype=np.dtype(int)))).sum() == 4
    np.testing.assert_array_equal(given(f, 1), np.eye(N, dtype=bool)[2:4])


def test_loops_whose_structure_settles_are_not_followed_to_their_end(monkeypatch):
    runs = []
    run = sparsity._run
    monkeypatch.setattr(sparsity, "_run", lambda graph, states: runs.append(graph) or run(graph, states))

    def pendulum(x):
        a, b = x[:6], x[6:]
        for i in range(100):
            a, b = a + 0.01 * b, b - 0.01 * i * np.sin(a)
        return ag.concatenate([a, b])

    both = np.tile(np.eye(6, dtype=bool), (2, 2))
    np.testing.assert_array_equal(given(pendulum), both)
    assert len(runs) < 8

    def counted(x):
        def step(state, _):
            i, y = state
            return (i + 1, y * x[i]), None

        return ag.scan(step, (np.int64(0), x[0]), np.zeros(5))[0][1]

    np.testing.assert_array_equal(given(counted), np.arange(N)[None] < 5)
    mapped = lambda x: x[ag.map(lambda i: 2 * i + 1, np.arange(4))]
    np.testing.assert_array_equal(given(mapped), np.eye(N, dtype=bool)[1:8:2])


def test_a_loop_that_ends_by_a_value_counts_any_number_of_steps():
    def f(x):
        end = np.zeros(1)
        return ag.while_loop(lambda y: ag.sum(y) < 100.0, lambda y: 2 * y + ag.concatenate([y[1:], end]), x)

    np.testing.assert_array_equal(given(f), np.triu(np.ones((N, N), bool)))


def test_positions_that_depend_on_the_inputs_may_be_any():
    assert given(lambda x: x[np.argsort(x)[:2]]).all()


def test_a_custom_function_depends_on_all_of_its_inputs():
    square = ag.custom(lambda x: x**2, vjp=lambda g, out, x: 2 * g * x)
    expected = np.zeros((3, N), bool)
    expected[:, :3] = True
    np.testing.assert_array_equal(given(lambda x: square(x[:3])), expected)


def test_every_primitive_with_a_derivative_has_a_rule():
    others = {"function_call", "function_output", "rerun_call", "rerun_output", "loop_call", "loop_output"}
    others |= {"compiled_call", "compiled_output", "custom_call"}
    smooth = {op for op in PRIMITIVES.values() if op.differentiable and op.name not in others}
    assert {op for op in smooth if op not in RULES and not op.elementwise} == set()
    assert {op for op, _ in FLAT} <= smooth


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.kinds != "c"][::5], ids=lambda c: c.name)
def test_no_derivative_of_any_operation_is_left_out(case):
    arrays = case.arrays()
    i = sorted(case.wrt)[0]

    def f(x):
        return case.op(*case.prepared([*arrays[:i], x, *arrays[i + 1 :]]), **case.params)

    if arrays[i].dtype.kind == "c" or f(arrays[i]).dtype.kind == "c":
        pytest.skip("complex numbers have no Jacobian of real numbers")
    found = jit.jacobian_pattern(f, arrays[i]).toarray()
    dense = np.asarray(ag.jacobian(f)(arrays[i])).reshape(found.shape)
    assert not (np.nan_to_num(dense) != 0)[~found].any()


def test_a_mask_says_which_elements_count():
    mask = np.arange(N) % 3 == 0
    expected = np.where(mask[:, None], np.eye(N), np.eye(N)[::-1]).astype(bool)
    np.testing.assert_array_equal(given(lambda x, mask: np.where(mask, x**2, x[::-1]), mask), expected)


def test_exponents_of_derivatives_count():
    np.testing.assert_array_equal(jit.hessian_pattern(lambda x: ag.sum(x**1 + x[::-1] ** 2), np.ones(3)).nnz, 3)
