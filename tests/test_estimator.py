"""An estimator with a compiled loss, in scikit-learn's own checks and searches."""

import pickle

import numpy as np
import pytest

import autograd as ag
import jit

pytest.importorskip("sklearn")

from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from examples.estimator import LossRegressor, mean_loss, objective, shortage

X, Y = StandardScaler().fit_transform(load_diabetes().data), load_diabetes().target
Y = (Y - Y.mean()) / Y.std()
SCORER = make_scorer(mean_loss, greater_is_better=False)


def square(residual):
    return residual**2


def doubled(residual):
    return 2 * shortage(residual)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_finds_nothing_wrong():
    results = check_estimator(LossRegressor(), on_fail=None, on_skip=None)
    assert len(results) > 40
    assert [(x["check_name"], x["exception"]) for x in results if x["status"] not in {"passed", "skipped"}] == []


def test_squares_with_a_penalty_are_what_ridge_regression_has():
    found = LossRegressor(square, 0.1, tol=1e-8).fit(X, Y)
    expected = Ridge(0.1 * len(Y)).fit(X, Y)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-6)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, atol=1e-6)


def test_the_gradient_by_the_weights_is_the_eager_one():
    w, rows = np.linspace(-1, 1, 11), np.column_stack([X, np.ones(len(X))])
    value, g = objective(shortage)(w, rows, Y, 0.1)

    def eager(w):
        return np.mean(shortage(Y - rows @ w)) + 0.1 * np.sum(w[:-1] ** 2)

    expected, expected_g = ag.value_and_grad(eager)(w)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(g, expected_g, rtol=1e-11)


def test_a_search_compiles_two_kernels_and_finds_what_costs_least():
    before = jit.cache_info().misses
    penalties = [0.001, 0.1, 10.0]
    search = GridSearchCV(make_pipeline(StandardScaler(), LossRegressor(doubled)), scoring=SCORER,
                          param_grid={"lossregressor__penalty": penalties}, cv=3)  # fmt: skip
    search.fit(X, Y)
    assert jit.cache_info().misses - before <= 2
    scores = [-cross_val_score(search.estimator.set_params(lossregressor__penalty=x), X, Y, scoring=SCORER, cv=3).mean()
              for x in penalties]  # fmt: skip
    np.testing.assert_allclose(-search.cv_results_["mean_test_score"], scores, rtol=1e-5)
    assert search.best_params_ == {"lossregressor__penalty": penalties[int(np.argmin(scores))]}
    assert min(scores) < -cross_val_score(Ridge(), X, Y, scoring=SCORER, cv=3).mean() - 0.1


def test_a_fitted_one_pickles():
    fitted = LossRegressor(penalty=0.5).fit(X, Y)
    made = pickle.loads(pickle.dumps(fitted))
    assert made.get_params() == {"loss": shortage, "penalty": 0.5, "max_iter": 1000, "tol": 1e-6}
    np.testing.assert_array_equal(made.predict(X), fitted.predict(X))


def test_no_minimum_is_a_warning():
    with pytest.warns(ConvergenceWarning, match="LossRegressor found no minimum: .*ITERATIONS"):
        LossRegressor(max_iter=1).fit(X, Y)
