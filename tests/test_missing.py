"""Missing values: EM against loops, Gibbs (which draws them) against NUTS (which integrates them out), products."""

from __future__ import annotations

import numpy as np
import pytest
from naive import em as naive
from science.montecarlo import mcse, posterior
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

QUIET = {"progressbar": False, "seed": 1}
METHODS = ("em", "vi", "gibbs", "nuts", "laplace")


def holes(n=150, d=3, share=0.25, seed=2):
    """Two groups in d dimensions, values missing completely at random, at least one value left in each row."""
    rng = np.random.default_rng(seed)
    z = rng.random(n) < 0.4
    root = np.linalg.cholesky(0.5 * np.eye(d) + 0.5)
    y = rng.normal(size=(n, d)) @ root.T + np.where(z[:, None], 0.0, 5.0)
    gone = rng.random((n, d)) < share
    gone[gone.all(axis=1), 0] = False
    return np.where(gone, np.nan, y), z


Y, Z = holes()
START = {"weights": [0.5, 0.5], "means": [[0.5] * 3, [4.0] * 3], "covariances": [1.5 * np.eye(3) + 0.2] * 2}


def test_em_is_a_plain_loop():
    state = (START["weights"], START["means"], START["covariances"])
    for t in range(1, 4):
        *state, log_likelihood = naive.step(Y, *state)
        fit = evb.GaussianMixture(2).fit(Y, "em", init=START, max_iter=t, tol=0.0, accelerate=None, **QUIET)
        for name, wanted in zip(("weights", "means", "covariances"), state, strict=True):
            np.testing.assert_allclose(fit.params[name], wanted, rtol=1e-9, atol=1e-11)
        assert fit.history["objective"][t - 1] == pytest.approx(log_likelihood, rel=1e-12)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_them(method, covariance):
    options = {"draws": 300, "tune": 200, "chains": 2} if method in ("gibbs", "nuts") else {}
    fit = evb.GaussianMixture(2, covariance).fit(Y, method, **options, **QUIET)
    order = np.argsort(fit.params["means"][:, 0])
    np.testing.assert_allclose(fit.params["means"][order], [[0.0] * 3, [5.0] * 3], atol=0.6)
    assert np.mean(fit.predict() == np.where(Z, order[0], order[1])) > 0.97
    scores = fit.score_samples()
    assert np.isfinite(scores).all()
    assert scores.sum() == pytest.approx(fit.log_likelihood, rel=1e-10)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_drawing_them_and_integrating_them_out_agree(covariance):
    y, _ = holes(n=60, d=2, share=0.3)
    near = evb.GaussianMixture(2, covariance).fit(y, "em", objective="map", **QUIET)
    gibbs, nuts = (
        posterior(evb.GaussianMixture(2, covariance).fit(y, m, init=near, draws=2500, **QUIET))
        for m in ("gibbs", "nuts")
    )
    order = [np.argsort(draws["means"][..., 0].mean(axis=(0, 1))) for draws in (gibbs, nuts)]
    for name in ("weights", "means", "covariances"):
        a, b = gibbs[name][:, :, order[0]], nuts[name][:, :, order[1]]
        for index in np.ndindex(a.shape[2:]):
            x, z = a[(..., *index)], b[(..., *index)]
            assert abs(x.mean() - z.mean()) <= 4.5 * np.hypot(mcse(x), mcse(z)) + 1e-12, (name, index)


def test_the_rows_that_are_whole_count_as_they_are():
    """A column missing throughout one row is that row's marginal density, whatever stands beside it."""
    params = {
        "weights": [0.3, 0.7],
        "means": [[0.0, 1.0], [3.0, -1.0]],
        "covariances": [[[1.0, 0.5], [0.5, 2.0]], [[2.0, -0.3], [-0.3, 1.0]]],
    }
    y = np.array([[0.5, np.nan], [np.nan, 0.2], [1.0, 2.0], [3.0, 0.0]])
    at = evb.GaussianMixture(2).at(y, params)
    wanted = []
    for row in y:
        o = ~np.isnan(row)
        wanted.append(
            np.log(
                sum(
                    w * stats.multivariate_normal.pdf(row[o], np.array(m)[o], np.array(s)[np.ix_(o, o)])
                    for w, m, s in zip(*params.values(), strict=True)
                )
            )
        )
    np.testing.assert_allclose(at.score_samples(), wanted, rtol=1e-12)


def test_values_missing_at_random_do_not_bias():
    """The second value is missing where the first is high: dropping rows is biased, integrating out is not."""
    rng = np.random.default_rng(7)
    full = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], 4000)
    y = full.copy()
    y[y[:, 0] > 0.0, 1] = np.nan
    fit = evb.GaussianMixture(1).fit(y, "em", **QUIET)
    assert fit.params["means"][0, 1] == pytest.approx(0.0, abs=4 * fit.std_errors()["means"][0, 1])
    assert fit.std_errors()["means"][0, 1] < 0.05
    assert np.nanmean(y[:, 1]) < -0.5


def streams(n=160, seed=3, share=0.15):
    rng = np.random.default_rng(seed)
    z = rng.random(n) < 0.5
    y = {
        "u": np.where(z, rng.normal(0, 1, n), rng.normal(3, 1, n)),
        "v": np.where(z, rng.poisson(2, n), rng.poisson(8, n)).astype(float),
        "w": np.where(z, rng.random(n) < 0.2, rng.random(n) < 0.8).astype(float),
        "c": np.where(z, rng.choice(3, n, p=[0.7, 0.2, 0.1]), rng.choice(3, n, p=[0.1, 0.2, 0.7])).astype(float),
        "t": np.where(z, rng.exponential(1.0, n), rng.exponential(5.0, n)),
    }
    return {name: np.where(rng.random(n) < share, np.nan, values) for name, values in y.items()}, z


PRODUCT = evb.Mixture(e.Product(u=e.Normal(), v=e.Poisson(), w=e.Bernoulli(), c=e.Categorical(3), t=e.Exponential()), 2)


@pytest.mark.parametrize("method", METHODS)
def test_streams_of_every_kind_side_by_side(method):
    y, z = streams()
    keep = ~np.all([np.isnan(v) for v in y.values()], axis=0)
    y, z = {name: values[keep] for name, values in y.items()}, z[keep]
    options = {"draws": 500, "tune": 300, "chains": 2} if method in ("gibbs", "nuts") else {}
    fit = PRODUCT.fit(y, method, **options, **QUIET)
    a, b = order = np.argsort(fit.params["u_means"])
    assert np.mean(fit.predict() == np.where(z, a, b)) > 0.95
    truth = {"u_means": (0, 3), "u_sigmas": (1, 1), "v_rates": (2, 8), "w_probs": (0.2, 0.8), "t_rates": (1, 0.2)}
    errors = fit.std_errors()
    for name, wanted in truth.items():
        assert (np.abs(fit.params[name][order] - wanted) < 4.5 * errors[name][order]).all(), name
    assert (np.abs(fit.params["c_probs"][a] - [0.7, 0.2, 0.1]) < 4.5 * errors["c_probs"][a]).all()


def test_a_product_is_the_product_of_its_streams():
    y, _ = streams(n=12)
    y = {name: np.where(np.isnan(v), 1.0, v) for name, v in y.items()}
    y["u"][3] = y["c"][4] = y["t"][5] = np.nan
    params = {
        "weights": [0.4, 0.6],
        "u_means": [0.0, 2.0],
        "u_sigmas": [1.0, 1.5],
        "v_rates": [2.0, 7.0],
        "w_probs": [0.3, 0.6],
        "c_probs": [[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]],
        "t_rates": [1.0, 0.3],
    }
    wanted = []
    for i in range(12):
        row = {name: values[i] for name, values in y.items()}
        total = 0.0
        for k in range(2):
            part = params["weights"][k]
            part *= 1.0 if np.isnan(row["u"]) else stats.norm.pdf(row["u"], params["u_means"][k], params["u_sigmas"][k])
            part *= stats.poisson.pmf(row["v"], params["v_rates"][k])
            part *= stats.bernoulli.pmf(row["w"], params["w_probs"][k])
            part *= 1.0 if np.isnan(row["c"]) else params["c_probs"][k][int(row["c"])]
            part *= 1.0 if np.isnan(row["t"]) else stats.expon.pdf(row["t"], scale=1 / params["t_rates"][k])
            total += part
        wanted.append(np.log(total))
    np.testing.assert_allclose(PRODUCT.at(y, params).score_samples(), wanted, rtol=1e-11)
