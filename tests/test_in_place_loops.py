"""Programs that write to arrays in loops: exact gradients, compiled, without a copy of the array for each write."""

import re

import numpy as np
import pytest

import autograd as ag
import jit

RNG = np.random.default_rng(3)


def jacobi_2d(a):
    a = a.copy()
    b = a.copy()
    for _ in range(20):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a[1:-1, 1:-1] = 0.2 * (b[1:-1, 1:-1] + b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])
    return np.sum(a**2)


def jacobi_without(a):
    for _ in range(40):
        inside = 0.2 * (a[1:-1, 1:-1] + a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        rows = np.concatenate([a[1:-1, :1], inside, a[1:-1, -1:]], axis=1)
        a = np.concatenate([a[:1], rows, a[-1:]])
    return np.sum(a**2)


def second(u, axis):
    def part(shift):
        index = [slice(1, -1)] * 3
        index[axis] = slice(1 + shift, u.shape[axis] - 1 + shift)
        return u[tuple(index)]

    return 0.125 * (part(1) - 2.0 * part(0) + part(-1))


def heat_3d(a):
    a = a.copy()
    b = np.zeros_like(a)
    b[:] = a
    for _ in range(10):
        b[1:-1, 1:-1, 1:-1] = second(a, 0) + second(a, 1) + second(a, 2) + a[1:-1, 1:-1, 1:-1]
        a[1:-1, 1:-1, 1:-1] = second(b, 0) + second(b, 1) + second(b, 2) + b[1:-1, 1:-1, 1:-1]
    return np.sum(a**2)


def heat_without(a):
    for _ in range(20):
        inside = second(a, 0) + second(a, 1) + second(a, 2) + a[1:-1, 1:-1, 1:-1]
        a = ag.where(MARGIN, a, np.pad(inside, 1))
    return np.sum(a**2)


MARGIN = np.pad(np.zeros((6, 6, 6), bool), 1, constant_values=True)


def gauss_seidel(a):
    a, n = a.copy(), a.shape[0]
    for _ in range(3):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                a[i, j] = 0.25 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1])
    return np.sum(a**2)


def gauss_seidel_without(a):
    n = a.shape[0]
    rows = [[a[i, j] for j in range(n)] for i in range(n)]
    for _ in range(3):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                rows[i][j] = 0.25 * (rows[i - 1][j] + rows[i + 1][j] + rows[i][j - 1] + rows[i][j + 1])
    return np.sum(np.stack([np.stack(row) for row in rows]) ** 2)


def lu(a):
    a, n = a.copy(), a.shape[0]
    for k in range(n - 1):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= a[k + 1 :, k, None] * a[k, k + 1 :]
    return np.sum(a**2)


def lu_by_elements(a):
    a, n = a.copy(), a.shape[0]
    for k in range(n - 1):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return np.sum(a**2)


def lu_without(a):
    rest, total = a, 0.0
    while rest.shape[0]:
        column, row = rest[1:, 0] / rest[0, 0], rest[0]
        total = total + np.sum(column**2) + np.sum(row**2)
        rest = rest[1:, 1:] - column[:, None] * row[None, 1:]
    return total


def banded(lower, middle, upper, right):
    middle, right, n = middle.copy(), right.copy(), len(right)
    for i in range(1, n):
        factor = lower[i] / middle[i - 1]
        middle[i] -= factor * upper[i - 1]
        right[i] -= factor * right[i - 1]
    x = np.zeros_like(right)
    x[n - 1] = right[n - 1] / middle[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = (right[i] - upper[i] * x[i + 1]) / middle[i]
    return np.sum(x**2)


def banded_without(lower, middle, upper, right):
    n = len(right)
    matrix = np.diag(middle) + np.diag(lower[1:], -1) + np.diag(upper[:-1], 1)
    return np.sum(np.linalg.solve(matrix, right) ** 2) + 0 * (lower[0] + upper[n - 1])


def diagonal(n):
    return RNG.normal(size=(n, n)) + 5 * np.eye(n)


def bands(n):
    return RNG.uniform(0.1, 0.4, n), RNG.uniform(2.0, 3.0, n), RNG.uniform(0.1, 0.4, n), RNG.normal(size=n)


PROGRAMS = {
    "jacobi_2d": (jacobi_2d, jacobi_without, (RNG.normal(size=(12, 9)),)),
    "heat_3d": (heat_3d, heat_without, (RNG.normal(size=(8, 8, 8)),)),
    "gauss_seidel": (gauss_seidel, gauss_seidel_without, (RNG.normal(size=(9, 9)),)),
    "lu": (lu, lu_without, (diagonal(7),)),
    "lu by elements": (lu_by_elements, lu_without, (diagonal(5),)),
    "banded": (banded, banded_without, bands(40)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_are_those_without_writes(name):
    f, without, inputs = PROGRAMS[name]
    argnums = tuple(range(len(inputs)))
    expected, gradients = ag.value_and_grad(without, argnums)(*inputs)
    for transform in (ag.value_and_grad, jit.value_and_grad):
        value, found = transform(f, argnums)(*inputs)
        np.testing.assert_allclose(value, expected, rtol=1e-11)
        for g, h in zip(found, gradients, strict=True):
            np.testing.assert_allclose(g, h, rtol=1e-9, atol=1e-10)
    assert float(jit.compile(f)(*inputs)) == pytest.approx(float(expected), rel=1e-11)
    # Along one direction, by finite differences.
    direction = [np.cos(np.arange(x.size)).reshape(x.shape) for x in inputs]
    step = 1e-6
    ahead, behind = (f(*[ag.tensor(x + s * d) for x, d in zip(inputs, direction, strict=True)]) for s in (step, -step))
    slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
    assert float(ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_second_derivative(name):
    f, without, inputs = PROGRAMS[name]
    if name == "lu by elements":
        inputs = (diagonal(3),)
    argnums = tuple(range(len(inputs)))

    def norm(f):
        return lambda *xs: sum(np.sum(g * g) for g in ag.grad(f, argnums)(*xs))

    expected = ag.grad(norm(without), argnums)(*inputs)
    for g, h in zip(jit.grad(norm(f), argnums)(*inputs), expected, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-8, atol=1e-8 * np.abs(h).max())


def moved(text):
    return int(re.search(r"(\d+) bytes read and written", text).group(1))


def test_bytes_of_a_sweep_of_elements():
    def swept(n):
        def f(u):
            u = u.copy()
            for _ in range(n):
                for i in range(1, 499):
                    u[i] = 0.5 * (u[i - 1] + u[i + 1])
            return np.sum(u * u)

        return f

    u = RNG.normal(size=500)
    few, more = (moved(jit.value_and_grad(swept(n)).explain(u)) for n in (1, 3))
    # A write reads a few numbers and positions; a copy would move 8000 bytes for each.
    assert (more - few) / (2 * 498) < 200


def test_bytes_of_a_stencil():
    def stepped(n):
        def f(a):
            a = a.copy()
            b = a.copy()
            for _ in range(n):
                b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
                a[1:-1, 1:-1] = 0.25 * (b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])
            return np.sum(a * a)

        return f

    a = RNG.normal(size=(40, 40))
    inside = 38 * 38 * 8
    few, more = (moved(jit.compile(stepped(n)).explain(a)) for n in (10, 20))
    # Four neighbours read, one element written, twice a step.
    assert (more - few) / 10 == 2 * 5 * inside
    few, more = (moved(jit.value_and_grad(stepped(n)).explain(a)) for n in (10, 20))
    # Each neighbour's gradient is read, added to and written; what was written over is read and set to zero.
    assert (more - few) / 10 <= 2 * (5 + 4 * 3 + 2) * inside


def test_bytes_of_an_elimination():
    n = 12
    a = diagonal(n)
    # What is left is read and written once for each column; a copy of the array would be read and written twice.
    left = sum(8 * 2 * k * k for k in range(1, n))
    assert moved(jit.compile(lu).explain(a)) < 1.2 * left
    assert moved(jit.value_and_grad(lu).explain(a)) < 8 * left


def test_bytes_of_a_banded_solve():
    few, more = (moved(jit.value_and_grad(banded).explain(*bands(n))) for n in (50, 100))
    # A step reads and keeps a few numbers; the two arrays that it writes to are 800 bytes each.
    assert (more - few) / 50 < 600


@pytest.mark.parametrize("seed", range(12))
def test_random_loops(seed):
    random = np.random.default_rng(seed)
    steps = [random.integers(0, 5, size=6).tolist() for _ in range(random.integers(2, 6))]

    def f(*arrays):
        arrays, old = [x.copy() for x in arrays], []
        for t in range(12):
            for kind, i, j, row, column, shift in steps:
                x, y = arrays[i % 3], arrays[j % 3]
                at = (t + shift) % 5 if kind % 2 else row
                if kind == 0:
                    x[1:-1, 1:-1] = np.sin(y[row % 3 : row % 3 + 3, :3]) + 0.3 * x[1:-1, 2:]
                elif kind == 1:
                    x[at, column] = x[row, at] * 0.5 + np.cos(y[at, row])
                elif kind == 2:
                    x[:, column] += 0.1 * y[at]
                elif kind == 3:
                    x[at] *= np.sin(y[row])
                elif kind == 4 and shift % 2:
                    arrays[i % 3] = 0.5 * x + 0.25 * y.T
                else:
                    y[at, at] = np.sum(x[row]) * 0.2
            if row == column:
                old.append(arrays[t % 3][t % 5])
        return sum(np.sum(np.sin(x)) for x in (*arrays, *old))

    inputs = [RNG.normal(size=(5, 5)) for _ in range(3)]
    # Eager sweeps refuse values that were written over; recorded ones keep them.
    with ag.record() as tape:
        given = [ag.tensor(x, requires_grad=True) for x in inputs]
        value = f(*given)
        expected = ag.grad(value, given)
    assert tape.nodes
    found, gradients = jit.value_and_grad(f, (0, 1, 2))(*inputs)
    np.testing.assert_allclose(found, value.data, rtol=1e-10)
    for g, h in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(g, h.data, rtol=1e-9, atol=1e-10 * max(1.0, np.abs(h.data).max()))


def test_a_sum_carried_beside_blocks_of_rows(rng):
    """The gradient of a recurrent network on many rows: its step has blocks, and adds to a matrix in place."""
    w, xs = rng.normal(size=(64, 64)) / 64, rng.normal(size=(2, 256, 64))

    def last(w, xs):
        return ag.scan(lambda h, x: (np.tanh(h @ w.T + x), None), np.zeros((256, 64)), xs)[0].sum()

    np.testing.assert_allclose(jit.grad(last)(w, xs), ag.grad(last)(w, xs), rtol=1e-10)
