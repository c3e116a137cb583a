"""Hidden Markov models of regressions (switching regressions): brute force over paths, gradients, every method."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import em_vs_bayes as evb
from em_vs_bayes.model.emissions import LinearRegression
from em_vs_bayes.program.compile import compile as compile_program

QUIET = {"progressbar": False, "seed": 1}
SHORT = {"gibbs": {"draws": 300, "tune": 200, "chains": 2}, "nuts": {"draws": 300, "tune": 300, "chains": 2}}
SPEC = evb.HMM(LinearRegression(), 2)
TRUTH = {
    "initial": np.array([0.6, 0.4]),
    "transition": np.array([[0.9, 0.1], [0.15, 0.85]]),
    "coefficients": np.array([[0.0, 2.0], [1.0, -2.0]]),
    "sigmas": np.array([0.5, 0.8]),
}


def simulated(n=300, seed=4):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    z = np.zeros(n, dtype=int)
    for t in range(1, n):
        z[t] = rng.choice(2, p=TRUTH["transition"][z[t - 1]])
    return LinearRegression().simulate(TRUTH | {"exog": x}, z, rng), x, z


Y, X, Z = simulated()


def brute_force(y, x):
    """log p(y) over all paths of one sequence; a missing response says nothing."""
    total = []
    for path in product(range(2), repeat=len(y)):
        value = np.log(TRUTH["initial"][path[0]])
        value += sum(np.log(TRUTH["transition"][a, b]) for a, b in pairwise(path))
        for z, row, response in zip(path, x, y, strict=True):
            if not np.isnan(response):
                value += stats.norm.logpdf(response, row @ TRUTH["coefficients"][z], TRUTH["sigmas"][z])
        total.append(value)
    return logsumexp(total)


def test_evidence_with_missing_responses_and_several_sequences():
    y = Y[:12].copy()
    y[[3, 9]] = np.nan
    fit = SPEC.at(y, TRUTH, exog=X[:12], lengths=[7, 5])
    assert fit.log_likelihood == pytest.approx(brute_force(y[:7], X[:7]) + brute_force(y[7:], X[7:12]), rel=1e-11)
    as_list = SPEC.at([y[:7], y[7:]], TRUTH, exog=[X[:7], X[7:12]])
    assert as_list.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-14)
    with pytest.raises(ValueError, match=r"exog has sequences of \[6, 6\]"):
        SPEC.at([y[:7], y[7:]], TRUTH, exog=[X[:6], X[6:12]])


def test_the_gradient_of_the_log_posterior():
    y = Y[:40].copy()
    y[5:8] = np.nan
    program = compile_program(SPEC, y, exog=X[:40])
    density, x = program.density(program.theta_of(TRUTH)), program.unconstrain(program.theta_of(TRUTH))
    _, gradient = density(x)
    for j in range(len(x)):
        e = 1e-5 * np.eye(len(x))[j]
        slope = (density(x + e)[0] - density(x - e)[0]) / 2e-5
        assert gradient[j] == pytest.approx(slope, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("method", ["em", "vi", "gibbs", "nuts", "laplace"])
def test_every_method_recovers_the_truth(method):
    # one sequence starts in one state: the MLE of ``initial`` lies on the edge, where there are no standard errors
    options = {"objective": "map"} if method == "em" else SHORT.get(method, {})
    spec = evb.HMM(LinearRegression(), 2, priors={"initial": evb.priors.Dirichlet(2.0)})
    fit = spec.fit(Y, method, exog=X, **options, **QUIET)
    order = np.argsort(-fit.params["coefficients"][:, 1])
    errors = fit.std_errors()
    for name in ("coefficients", "sigmas"):
        scores = (fit.params[name][order] - TRUTH[name]) / errors[name][order]
        assert np.abs(scores).max() < 4.0, (name, scores)
    assert np.mean(np.argsort(order)[fit.predict()] == Z) > 0.9


def test_states_of_new_sequences_and_what_is_not_known_yet():
    fit = SPEC.fit(Y, "em", exog=X, **QUIET)
    filtered = fit.filtered_proba(Y[:50], exog=X[:50])
    np.testing.assert_allclose(filtered[-1], fit.predict_proba(Y[:50], exog=X[:50])[-1], rtol=1e-10)
    np.testing.assert_allclose(filtered, fit.filtered_proba()[:50], rtol=1e-10)
    assert fit.predicted_proba(Y[:50], exog=X[:50]).shape == (50, 2)
    with pytest.raises(NotImplementedError, match=r"predictors of rows to come.*LinearRegression"):
        fit.forecast(2)


def test_save_and_load(tmp_path):
    fit = SPEC.fit(Y, "em", exog=X, lengths=[100, 200], **QUIET)
    fit.save(tmp_path / "fit")
    back = evb.load(tmp_path / "fit")
    assert back.log_likelihood == fit.log_likelihood
    assert fit.simulate(seed=1).shape == (300,)
