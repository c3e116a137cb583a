"""elpd of draws that are not the posterior's: corrected by what they are drawn from, or not given at all."""

from dataclasses import replace

import arviz as az
import numpy as np
import pytest
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(3)
Z = np.repeat([0, 1], 15)
X = RNG.normal(size=(30, 2)) + 4.0 * Z[:, None]
COUNTS, FLAGS = RNG.poisson(3 + 5 * Z), RNG.integers(2, size=30)
DESIGN = np.column_stack([np.ones(30), RNG.normal(size=30)])
NIG = p.NormalInverseGamma(0.0, 0.1, 2.0, 2.0)
MEANS = {"means": [[0.0, 1.0], [np.nan, 3.0]]}


def normal(**more):
    return evb.Mixture(e.Normal(), 2, **more)


def regression(**more):
    return evb.Mixture(e.LinearRegression(), 2, **more)


EXACT = {
    **{c: (evb.GaussianMixture(2, c), X, {}) for c in ("full", "tied", "diag", "spherical")},
    "normal": (normal(), X[:, 0], {}),
    "poisson": (evb.Mixture(e.Poisson(), 2), COUNTS, {}),
    "exponential": (evb.Mixture(e.Exponential(), 2), COUNTS + 0.5, {}),
    "bernoulli": (evb.Mixture(e.Bernoulli(), 2), FLAGS, {}),
    "categorical": (evb.Mixture(e.Categorical(3), 2), COUNTS % 3, {}),
    "regression": (regression(), X[:, 0], {"exog": DESIGN}),
    "weights in part": (evb.Mixture(e.Poisson(), 2, fixed={"weights": [0.5, np.nan]}), COUNTS, {}),
    "known means": (normal(fixed={"means": [0.0, 4.0]}), X[:, 0], {}),
    "known sigmas": (normal(fixed={"sigmas": [1.0, 1.0]}, priors={"means": p.Normal(0.0, 3.0)}), X[:, 0], {}),
    "known covariances": (evb.GaussianMixture(2, fixed={"covariances": np.tile(np.eye(2), (2, 1, 1))}), X, {}),
    "known line": (regression(fixed={"coefficients": [[0.0, 0.0], [4.0, 0.0]]}), X[:, 0], {"exog": DESIGN}),
    "known noise": (regression(fixed={"sigmas": [1.0, 1.0]}), X[:, 0], {"exog": DESIGN}),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_a_factor_that_is_the_posterior_has_even_ratios(name):
    """With all labels known q is exact: p(theta, y) / q(theta) is the evidence, whatever theta."""
    spec, y, more = EXACT[name]
    fit = spec.fit(y, "vi", labels=Z, draws=50, **more, **QUIET)
    ratio = np.asarray(fit.idata["sample_stats"]["log_joint"]) - fit.sample_stats["log_q"]
    assert np.ptp(ratio) < 1e-8 * (1.0 + np.abs(ratio).max())


def narrow(y, factor, draws=20_000):
    """Draws of a mean whose standard deviation is ``factor`` times the posterior's, and the exact elpd."""
    spec = evb.Mixture(e.Normal(), 1, fixed={"sigmas": [1.0]}, priors={"means": p.Normal(0.0, 3.0)})
    fit = spec.fit(y, "vi", **QUIET)
    sd, mean = (len(y) + 1 / 9) ** -0.5, y.sum() / (len(y) + 1 / 9)
    mu = mean + factor * sd * np.random.default_rng(0).normal(size=draws)
    theta = np.stack([fit.program.theta_of({"weights": [1.0], "means": [m], "sigmas": [1.0]}) for m in mu])[None]
    log_q = stats.norm(mean, factor * sd).logpdf(mu)[None]
    fit = replace(fit, draws=theta, raw_draws=theta, sample_stats={"log_q": log_q})
    without = [np.delete(y, i) for i in range(len(y))]
    precision = len(y) - 1 + 1 / 9
    ahead = [stats.norm(rest.sum() / precision, np.sqrt(1 + 1 / precision)) for rest in without]
    return fit, float(sum(law.logpdf(value) for law, value in zip(ahead, y, strict=True)))


def test_too_narrow_draws_are_corrected():
    y = np.random.default_rng(1).normal(1.0, 1.0, 20)
    fit, exact = narrow(y, 0.8)
    row = evb.compare([fit]).elpd.loc["vi"]
    assert row["khat"] < 0.7
    assert row["elpd"] == pytest.approx(exact, abs=0.05)
    plain = -np.log(np.exp(-np.asarray(fit.idata["log_likelihood"]["y"])).mean((0, 1))).sum()
    assert plain > exact + 0.1  # what the draws would have claimed


def test_an_approximation_that_misses_too_much_is_not_ranked():
    y = np.random.default_rng(1).normal(1.0, 1.0, 20)
    fit, _ = narrow(y, 0.3, 3000)
    c = evb.compare([fit])
    row = c.elpd.loc["vi"]
    assert row["khat"] > 0.7 and np.isnan(row["elpd"])
    assert any(f.kind == "unreliable_elpd" and "not ranked" in f.sentence for f in c.findings)
    blind = replace(fit, sample_stats={})
    assert np.isnan(evb.compare([blind]).elpd["elpd"]["vi"])
    assert "–" in str(c) and "not ranked" in c._repr_html_()


def test_an_exact_factor_has_an_elpd():
    """One rate under a gamma prior: q is the posterior, and a row left out is negative binomial given the rest."""
    y, prior = np.random.default_rng(0).poisson(3, 60), p.Gamma(2.0, 1.0)
    fit = evb.Mixture(e.Poisson(), 1, priors={"rates": prior}).fit(y, "vi", draws=4000, seed=0, progressbar=False)
    row = evb.compare([fit]).elpd.loc["vi"]
    shape, rate = 2.0 + y.sum() - y, float(len(y))  # of the posterior without the row
    assert row["elpd"] == pytest.approx(stats.nbinom.logpmf(y, shape, rate / (rate + 1.0)).sum(), abs=0.15)
    assert row["khat"] == 0.0
    chosen = evb.select(fit.spec, y, [1], criterion="loo", method="vi", seed=0, progressbar=False)
    assert chosen.best.spec.size == 1


def test_arviz_says_that_a_point_estimate_has_no_draws():
    fit = evb.Mixture(e.Poisson(), 1).fit([1, 2, 3, 1], progressbar=False)
    with pytest.raises(TypeError, match="no_draws"):
        az.loo(fit.idata)
    assert fit.idata["log_likelihood"]["y"].sum().item() == pytest.approx(fit.log_likelihood)
