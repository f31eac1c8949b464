"""The search among the recordings of one signature: the right one answers, and explain says how it is found."""

import threading

import numpy as np
import pytest

import autograd as ag
import jit
from benchmarks.decisions import compare
from jit.dispatch import search as search_module
from jit.dispatch.search import MOST_REPEATS, Search


def by_number(x):
    return (2 + int(x)) * x * x


def by_signs(x):
    scale = 1.0
    for i in range(3):
        scale = scale * 2 if x[i] > 0 else scale + i
    return scale * np.sum(x**3)


def by_value(x, y):
    k = float(np.round(y))
    return x**2 * k if x > k else x + k


def by_mean(x):
    middle = np.mean(np.tanh(x))
    if middle > 0.3:
        return np.sum(x**2)
    return np.sum(x * middle) if middle > 0 else np.prod(x)


def points_of(f, count=200):
    rng = np.random.default_rng(0)
    if f is by_number:
        return [(float(x),) for x in rng.uniform(-3, 6, count)]
    if f is by_value:
        return [(x, y) for x, y in rng.uniform(0, 3, (count, 2)).tolist()]
    return [(x,) for x in rng.normal(0.2, 1, (count, 4))]


def searched(f, points, **options):
    """The compiled function, after calls that have made a search."""
    compiled = jit.value_and_grad(f, **options)
    for _ in range(3):
        for x in points:
            compiled(*x)
    return compiled


def search_of(compiled):
    [search] = [x for x in compiled._recent if type(x) is Search]
    return search


@pytest.mark.parametrize("f", [by_number, by_signs, by_value, by_mean])
def test_the_right_variant_answers(f):
    points = points_of(f)
    compiled = searched(f, points)
    variants = compiled.variants.copy()
    search = search_of(compiled)
    assert len(search.variants) == sum(map(len, variants.values())) > 2
    expected = ag.value_and_grad(f)
    for x in points:
        found = search.find(*x)
        assert found.call(*x)[0] == compiled(*x)[0]
        for given, wanted in zip(compiled(*x), expected(*x), strict=True):
            np.testing.assert_allclose(given, wanted, rtol=1e-12)
    assert compiled.variants == variants


def test_a_new_branch_is_recorded_and_found_later():
    compiled = searched(by_number, [(0.5,), (1.5,), (2.5,)] * 20)
    before = search_of(compiled)
    assert before.find(7.5) is None
    points = [(x + 0.5,) for x in range(8)] * 10
    for x in points:
        assert compiled(*x)[0] == ag.value_and_grad(by_number)(*x)[0]
    after = search_of(compiled)
    assert (len(before.variants), len(after.variants)) == (3, 8)


def test_one_variant_many_times_in_a_row_is_called_by_itself():
    compiled = searched(by_number, points_of(by_number))
    search = search_of(compiled)
    compiled(0.5)
    compiled(1.5)
    assert compiled._call is search.call
    for _ in range(2 * MOST_REPEATS):
        assert compiled(2.5)[0] == 4 * 2.5**2
    assert compiled._call is search.find(2.5).call
    assert compiled(0.5)[0] == 2 * 0.5**2
    assert compiled._call is search.call


def test_guards_that_take_long_come_after_the_last_variant():
    compiled = searched(by_mean, [(np.full(600, x),) for x in (0.1, 0.9, -0.5)] * 20)
    search = search_of(compiled)
    assert not search.is_quick
    for x in (0.2, 0.8, -0.4, -0.4):
        given = np.full(600, x)
        np.testing.assert_allclose(compiled(given)[0], ag.value_and_grad(by_mean)(given)[0], rtol=1e-12)
        assert compiled._call is search.find(given).call


def test_nan_in_a_guard():
    def f(x):
        return x * 2 if x > 1 else x * 3 if x < 0 else x * 5

    compiled = searched(f, [(2.0,), (-1.0,), (0.5,)] * 20)
    assert search_of(compiled).find(np.nan) is search_of(compiled).find(0.5)
    assert np.isnan(compiled(np.nan)[0])
    assert compiled(np.nan)[1] == 5

    def g(x):
        return x * float(x)

    compiled = searched(g, [(1.0,), (np.nan,), (2.0,)] * 20)
    assert np.isnan(compiled(np.nan)[0])
    assert compiled(2.0) == (4.0, 2.0)
    assert sum(map(len, compiled.variants.values())) == 3


def test_more_variants_than_are_expected():
    with pytest.warns(UserWarning, match="was recorded 5 times"):
        compiled = searched(by_number, [(x + 0.5,) for x in range(6)] * 20, max_variants=4)
    assert len(search_of(compiled).variants) == 6


def test_strict_functions_refuse_what_is_not_known():
    compiled = jit.value_and_grad(by_number, strict=False)
    for x in [0.5, 1.5, 2.5] * 20:
        compiled(x)
    compiled.strict = True
    assert search_of(compiled).find(9.5) is None
    with pytest.raises(RuntimeError, match="which `strict=True` forbids"):
        compiled(9.5)
    assert compiled(1.5)[0] == 3 * 1.5**2


def test_results_in_given_arrays():
    points = points_of(by_signs)
    compiled, out = searched(by_signs, points), np.empty(4)
    for (x,) in points[:50]:
        assert compiled(x, out=(None, out))[1] is out
        np.testing.assert_allclose(out, ag.grad(by_signs)(x), rtol=1e-12)
    assert any(type(x) is Search for x in compiled._recent[:1])


def test_arguments_by_name_and_other_shapes():
    compiled = jit.compile(by_signs)
    points = [x for (x,) in points_of(by_signs)]
    for x in [*points, *points]:
        compiled(x=x)
    assert type(compiled._recent[0]) is Search
    for x in points[:20]:
        for given in (np.append(x, 1), x, x.astype(np.float32)):
            np.testing.assert_allclose(compiled(x=given), by_signs(given), rtol=1e-5)
            np.testing.assert_allclose(compiled(given), by_signs(given), rtol=1e-5)


def test_arrays_from_outside_are_taken_from_where_they_are_read():
    limits = np.array([0.0, 1.0])

    def f(x):
        return x * [2, 3, 5][int(np.sum(x > limits))]

    compiled = searched(f, [(-0.5,), (0.5,), (1.5,)] * 20)
    assert [compiled(x)[1] for x in (-0.5, 0.5, 1.5)] == [2, 3, 5]
    limits = np.array([-1.0, 0.0])
    assert search_of(compiled).find(-0.5).call(-0.5)[1] == 3
    assert [compiled(x)[1] for x in (-0.5, 0.5, 1.5)] == [3, 5, 5]
    limits[:] = 9.0
    assert [compiled(x)[1] for x in (-0.5, 0.5, 1.5)] == [2, 2, 2]
    assert sum(map(len, compiled.variants.values())) == 3


def test_numbers_from_outside_that_change():
    factor = 2.0

    def f(x):
        return x * factor if x > 0 else -x

    compiled = jit.value_and_grad(f)
    for i in range(100):
        factor = float(2 + i % 3)
        assert compiled(1.0)[1] == factor
        assert compiled(-1.0)[1] == -1


def test_tensors_keep_their_gradients():
    def f(x):
        return (x**2).sum() * int(x[0])

    compiled = jit.compile(f)
    for i in range(80):
        x = ag.tensor([1.5 + i % 3, 2.0], requires_grad=True)
        compiled(x).backward()
        np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy() * (1 + i % 3))
    assert len(search_of(compiled).variants) == 3


def test_loops_that_all_have_in_common_are_computed_once():
    def f(x):
        y = x
        for _ in range(50):
            y = np.cos(y) * x
        return y * 2 if y > 0.7 else y * 3 if y > 0.5 else y * 5

    points = [(x,) for x in np.random.default_rng(0).uniform(0.3, 1.2, 100).tolist()]
    compiled = searched(f, points)
    loops = [x for x in search_of(compiled).kernel.graph.equations if x.primitive.name == "scan"]
    assert len(loops) == 1
    for x in points:
        np.testing.assert_allclose(compiled(*x), ag.value_and_grad(f)(*x), rtol=1e-9)


def test_custom_functions_are_not_called_to_search():
    calls = []

    def doubled(x):
        calls.append(x)
        return np.asarray(2 * x)

    double = ag.custom(doubled)
    compiled = jit.compile(lambda x: x * int(double(x)))
    for x in (0.75, 1.25, 1.75) * 30:
        assert compiled(x) == x * int(2 * x)
    del calls[:]
    assert compiled(1.75) == 3 * 1.75
    assert len(calls) == 1
    assert "variants: 3 for such arguments, tried one after the other" in compiled.explain(1.75)


def test_guards_that_are_too_much_to_be_compiled_once_more(monkeypatch):
    points = [(x + 0.5,) for x in range(4)] * 20
    for largest in (0, 5):
        monkeypatch.setattr(search_module, "LARGEST", largest)
        compiled = searched(by_number, points)
        assert not any(type(x) is Search for x in compiled._recent)
        assert "variants: 4 for such arguments, tried one after the other" in compiled.explain(0.5)
        assert [compiled(*x)[0] for x in points] == [by_number(*x) for x in points]


def test_threads():
    points = points_of(by_number)
    expected = [by_number(*x) for x in points]
    compiled = jit.compile(by_number)
    wrong = []

    def work(seed):
        order = np.random.default_rng(seed).permutation(len(points) * 5) % len(points)
        wrong.extend([i for i in order if not np.isclose(compiled(*points[i]), expected[i], rtol=1e-14)])

    for x in points:
        compiled(*x)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_explain_says_how_variants_are_found():
    compiled = jit.compile(by_number)
    for x in (0.5, 1.5, 2.5) * 2:
        compiled(x)
    assert "variants: 3 for such arguments, tried one after the other" in compiled.explain(0.5)
    for x in (0.5, 1.5, 2.5) * 20:
        compiled(x)
    assert "variants: 3 for such arguments, found by a kernel of all their guards, 7 equations" in compiled.explain(0.5)
    assert "variants" not in jit.compile(lambda x: x * 2).explain(0.5)


def test_a_kernel_ends_where_a_guard_fails():
    calls = []

    def doubled(x):
        calls.append(x.copy())
        return 2 * x

    double = ag.custom(doubled)

    def f(x):
        y = double(x)
        return y * 3 if np.sum(x) > 1 else y * 5

    compiled, low, high = jit.compile(f), np.array([0.1, 0.2]), np.array([1.0, 2.0])
    for _ in range(3):
        compiled(low), compiled(high)
    del calls[:]
    for _ in range(3):
        np.testing.assert_allclose(compiled(low), 10 * low)
        np.testing.assert_allclose(compiled(high), 6 * high)
    assert len(calls) == 6


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_numbers_and_arrays_of_a_kernel_that_may_end_early(dtype):
    def f(x):
        y = np.exp(x * 0.1)
        total = np.sum(y)
        return (total, y, np.sum(x) == 0, np.argmax(x.real)) if x[0].real > 0 else (-total, 2 * y, np.sum(x) == 1, 7)

    compiled, rng = jit.compile(f), np.random.default_rng(0)
    for _ in range(10):
        x = rng.normal(size=(2, 5)).astype(dtype)
        for row in x:
            for given, wanted in zip(compiled(row), f(row), strict=True):
                np.testing.assert_allclose(given, wanted, rtol=1e-5)
                assert np.asarray(given).dtype == np.asarray(wanted).dtype
    assert sum(map(len, compiled.variants.values())) == 2


def test_the_benchmark_compares_what_it_says():
    plain, at_random, same = compare("polynomial, by int(x)", 2, rounds=1)
    assert plain > 0
    assert abs(at_random) + abs(same) < 1
