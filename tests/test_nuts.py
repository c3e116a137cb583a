"""NUTS on the direct road: case weights of any size, labels, metric, seeds; agreement with Gibbs is in test_gibbs."""

from __future__ import annotations

import numpy as np
import pytest
from science.montecarlo import assert_mean, assert_sd, posterior
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.common.status import Status
from em_vs_bayes.methods import nuts
from em_vs_bayes.methods.mode import Whitening
from em_vs_bayes.methods.nuts import NUTS, initial_point, longest

QUIET = {"progressbar": False, "seed": 1}


def test_half_a_row_is_a_square_root_of_its_likelihood():
    """One Poisson rate with a gamma prior: weights enter the posterior as powers, whole or not."""
    y, weights = np.array([3.0, 0.0, 5.0, 2.0]), np.array([0.5, 2.0, 1.25, 0.0])
    fit = evb.Mixture(e.Poisson(), 1, priors={"rates": p.Gamma(2.0, 0.5)}).fit(y, "nuts", weights=weights, **QUIET)
    exact = stats.gamma(2.0 + weights @ y, scale=1.0 / (0.5 + weights.sum()))
    draws = posterior(fit)["rates"][..., 0]
    assert_mean(draws, exact.mean(), "rate")
    assert_sd(draws, exact.std(), "rate", relative=0.08)
    assert stats.kstest(draws.ravel()[::3], exact.cdf).pvalue > 1e-4


def test_one_thread_where_threads_would_queue(monkeypatch):
    monkeypatch.setattr(nuts, "processors", lambda: 8)
    for seconds, default in ((1e-5, 1), (1e-3, 4)):
        monkeypatch.setattr(nuts, "_seconds", lambda density, x, seconds=seconds: seconds)
        assert NUTS()._threads(np.sum, np.zeros(2)) == default
        assert NUTS(cores=3)._threads(np.sum, np.zeros(2)) == 3
        assert NUTS(cores=8, chains=2)._threads(np.sum, np.zeros(2)) == 2


@pytest.mark.parametrize(
    ("lengths", "chains", "length"),
    [
        ([10, 10, 10], [0, 1, 2], 10),
        ([1000, 3, 0, 0], [0], 1000),  # sampled one after the other
        ([7, 8, 9, 7], [0, 1, 2, 3], 7),  # side by side
        ([100, 60, 0, 0], [0, 1], 60),
        ([0, 0], [0, 1], 0),
    ],
)
def test_a_run_that_broke_off_keeps_most_draws(lengths, chains, length):
    kept, most = longest(np.array(lengths))
    assert (kept.tolist(), most) == (chains, length)


def test_all_labels_known():
    rng = np.random.default_rng(2)
    z = rng.integers(0, 2, 50)
    y = rng.normal(3.0 * z, 1.0)
    prior = {"weights": p.Dirichlet([2.0, 3.0]), "emission": p.NormalInverseGamma(0.0, 0.1, 2.0, 1.0)}
    fit = evb.Mixture(e.Normal(), 2, priors=prior).fit(y, "nuts", labels=z, **QUIET)
    draws = posterior(fit)
    counts = np.bincount(z)
    assert_mean(draws["weights"][..., 0], (2 + counts[0]) / (5 + 50), "weights")
    for k in range(2):
        x = y[z == k]
        n, kappa, shape = len(x), 0.1 + len(x), 2.0 + len(x) / 2
        rate = 1.0 + 0.5 * ((x - x.mean()) ** 2).sum() + 0.5 * 0.1 * n * x.mean() ** 2 / kappa
        assert_mean(draws["means"][..., k], x.sum() / kappa, "means")
        assert_mean(draws["sigmas"][..., k] ** 2, rate / (shape - 1), "variances")


def test_the_metric_changes_the_road_not_the_posterior():
    rng = np.random.default_rng(3)
    y = np.r_[rng.normal(-2, 1, 40), rng.normal(2, 1, 60)]
    spec = evb.Mixture(e.Normal(), 2, ordered="means")
    one, two = (spec.fit(y, "nuts", whiten=w, tune=800, **QUIET) for w in (True, False))
    for name, value in posterior(one).items():
        for k in range(2):
            other = posterior(two)[name][..., k]
            error = np.std(other) / np.sqrt(len(other.ravel()) / 10)
            assert_mean(value[..., k], other.mean(), name, reference_error=error)


def test_seeds_chains_and_cores():
    y = np.random.default_rng(3).normal(size=30)
    spec = evb.Mixture(e.Normal(), 2)
    options = {"draws": 30, "tune": 30, "chains": 3, **QUIET}
    a, b = spec.fit(y, "nuts", **options), spec.fit(y, "nuts", cores=1, **options)
    np.testing.assert_array_equal(a.raw_draws, b.raw_draws)
    assert a.raw_draws.shape[:2] == (3, 30)
    assert not np.array_equal(a.raw_draws[0], a.raw_draws[1])
    assert not np.array_equal(a.raw_draws, spec.fit(y, "nuts", **{**options, "seed": 2}).raw_draws)


def test_statistics_of_the_sampler():
    y = np.random.default_rng(3).normal(size=30)
    fit = evb.Mixture(e.Normal(), 1).fit(y, "nuts", draws=40, tune=100, chains=2, **QUIET)
    assert fit.sample_stats["lp"].shape == (2, 40)
    x = fit.program.unconstrain(fit.raw_draws[1, 7])
    assert fit.sample_stats["lp"][1, 7] == pytest.approx(fit.program.density(fit.theta)(x)[0], rel=1e-10)


@pytest.mark.parametrize("method", ["nuts", "laplace"])
def test_a_mode_on_the_boundary_is_no_obstacle(method):
    """Ten successes in ten: the mode of p is 1, its posterior is Beta(11, 1)."""
    spec = evb.Mixture(e.Bernoulli(), 1, priors={"probs": p.Beta(1.0, 1.0)})
    fit = spec.fit(np.ones(10), method, **QUIET)
    exact = stats.beta(11, 1)
    if method == "nuts":
        assert_mean(posterior(fit)["probs"][..., 0], exact.mean(), "p")
        assert_sd(posterior(fit)["probs"][..., 0], exact.std(), "p", relative=0.1)
    else:  # normal in logit p at its mode there, log 11
        x = fit.program.unconstrain(fit.attrs["mode"])
        assert x[0] == pytest.approx(np.log(11.0), abs=1e-4)


def test_chains_start_where_the_posterior_is():
    """A metric a thousand times too wide: draws are halved until they fall no further than draws do."""
    found = Whitening(np.array([1.0, -2.0]), 1e3 * np.eye(2), 2 * np.log(1e3), -3.0, True)

    def density(x):
        return -3.0 - 0.5 * ((x - found.mode) ** 2).sum(), -(x - found.mode)

    starts = np.array([initial_point(density, found, seed) for seed in range(200)])
    falls = 0.5 * ((1e3 * starts) ** 2).sum(axis=1)
    assert (falls < 24.0).all()
    assert (falls > 0.01).mean() > 0.9  # not all at the mode itself
    near = Whitening(found.mode, np.eye(2), 0.0, -3.0, False)
    draws = np.array([initial_point(density, near, seed) for seed in range(200)])
    np.testing.assert_array_equal(draws, [np.random.default_rng(s).standard_normal(2) for s in range(200)])


def test_chains_that_cannot_begin_are_said(monkeypatch):
    monkeypatch.setattr(nuts, "initial_point", lambda density, found, seed: np.full(len(found.mode), 1e8))
    y = np.maximum(np.random.default_rng(0).normal(size=40), 0.0)
    fit = evb.Tobit(None, 0.0).fit(y, "nuts", exog=np.ones((40, 1)), seed=1, draws=10, tune=10, progressbar=False)
    assert fit.ended is Status.FAILED and not fit.converged and fit.draws is None
    assert "nutpie gave up" in fit.notes[0] and "init=" in fit.notes[0] and "backtrace" not in fit.notes[0]
    assert all(np.isfinite(value).all() for value in fit.params.values())
