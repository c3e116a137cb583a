"""Law 9 for mixtures of regressions: the truth of simulated data lies within the uncertainty that a method states."""

from __future__ import annotations

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes.model.emissions import LinearRegression

QUIET = {"progressbar": False, "seed": 1}
SHORT = {"gibbs": {"draws": 500, "chains": 2}, "nuts": {"draws": 500, "chains": 2}}
RNG = np.random.default_rng(5)
N = 600
X = np.column_stack([np.ones(N), RNG.uniform(-2, 2, N), RNG.normal(size=N)])
CASES = {
    "crossing": {"weights": [0.3, 0.7], "coefficients": [[0.0, 3.0, 0.0], [1.0, -2.0, 1.0]], "sigmas": [0.5, 1.0]},
    "three": {
        "weights": [0.2, 0.3, 0.5],
        "coefficients": [[-6.0, 1.0, 0.0], [0.0, -2.0, 2.0], [5.0, 0.0, -1.0]],
        "sigmas": [0.6, 0.5, 1.0],
    },
}


@pytest.mark.parametrize("method", ["em", "vi", "gibbs", "nuts", "laplace"])
@pytest.mark.parametrize("name", CASES)
def test_the_truth_is_within_the_stated_uncertainty(name, method):
    truth = {key: np.array(value) for key, value in CASES[name].items()}
    k = len(truth["weights"])
    rng = np.random.default_rng(12)
    z = rng.choice(k, size=N, p=truth["weights"])
    y = LinearRegression().simulate(truth | {"exog": X}, z, rng)
    fit = evb.Mixture(LinearRegression(), k).fit(y, method, exog=X, **SHORT.get(method, {}), **QUIET)
    order = np.argsort(fit.params["coefficients"][:, 0])
    errors = fit.std_errors()
    scores = np.concatenate([np.ravel((fit.params[key][order] - truth[key]) / errors[key][order]) for key in truth])
    assert np.abs(scores).max() < 4.0, np.round(scores, 1)
    assert np.sqrt(np.mean(scores**2)) < 2.0  # and not far off throughout
    assert np.mean(np.argsort(order)[fit.predict()] == z) > 0.85


def test_simulating_from_a_fit_gives_back_the_fit():
    truth = CASES["crossing"]
    rng = np.random.default_rng(3)
    z = rng.choice(2, size=N, p=truth["weights"])
    y = LinearRegression().simulate({n: np.array(v) for n, v in truth.items()} | {"exog": X}, z, rng)
    spec = evb.Mixture(LinearRegression(), 2)
    fit = spec.fit(y, "em", exog=X, **QUIET)
    again = spec.fit(fit.simulate(seed=4), "em", exog=X, init=fit, **QUIET)
    errors = again.std_errors()
    for name, value in fit.params.items():
        assert (np.abs(again.params[name] - value) < 4.0 * errors[name]).all(), name
