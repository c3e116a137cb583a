"""Sampling by way of PyMC: a smoke test in plain Python, and the real thing against the direct road (slow)."""

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes.model.emissions import Normal, Poisson

from .conftest import PYTHON

RNG = np.random.default_rng(41)
Z = np.arange(60) % 2
LINE = RNG.normal(size=60) + 6.0 * Z
COUNTS = RNG.poisson(np.where(Z, 12.0, 2.0)).astype(float)
PLAIN = {"nuts_sampler": "pymc", "compile_kwargs": {"mode": PYTHON}}


def test_draws_come_back_as_theta_with_pymc_statistics():
    spec = evb.Mixture(Poisson(), 2, ordered="rates", fixed={"weights": [0.5, 0.5]})
    fit = spec.fit(
        COUNTS,
        method="nuts",
        sampler="pymc",
        draws=60,
        tune=60,
        chains=2,
        cores=1,
        seed=3,
        options=PLAIN,
        progressbar=False,
    )
    draws = fit.program.public(fit.draws)
    assert draws["rates"].shape == (2, 60, 2)
    assert (np.diff(draws["rates"], axis=-1) > 0).all()
    assert (draws["weights"] == 0.5).all()
    assert {"lp", "tree_depth", "diverging", "energy"} <= set(fit.sample_stats)
    other = spec.fit(COUNTS, method="gibbs", draws=2000, seed=3, progressbar=False)
    error = draws["rates"].std((0, 1)) / np.sqrt(20)  # at least one effective draw in six
    assert (np.abs(fit.params["rates"] - other.params["rates"]) < 4.5 * error).all()


def test_a_prior_that_only_pymc_knows_is_sampled():
    spec = evb.Mixture(Normal(), 2, priors={"means": evb.Prior("SkewNormal", mu=[0.0, 6.0], sigma=2.0, alpha=1.0)})
    fit = spec.fit(
        LINE,
        method="nuts",
        sampler="pymc",
        draws=30,
        tune=40,
        chains=1,
        cores=1,
        seed=3,
        options=PLAIN,
        progressbar=False,
    )
    np.testing.assert_allclose(np.sort(fit.params["means"]), [0.0, 6.0], atol=0.8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nutpie_agrees_with_the_direct_road():
    spec = evb.GaussianMixture(2)
    y = RNG.normal(size=(200, 2)) + 4.0 * (np.arange(200) % 2)[:, None]
    fits = [
        spec.fit(y, method="nuts", sampler=s, draws=1000, tune=400, chains=2, seed=5, progressbar=False)
        for s in ("pymc", "direct")
    ]
    for name in ("weights", "means", "covariances"):
        a, b = (f.program.public(f.draws)[name].reshape(2000, -1) for f in fits)
        error = np.sqrt((a.var(0) + b.var(0)) / 400)  # at least one effective draw in five
        assert (np.abs(a.mean(0) - b.mean(0)) < 4.5 * error).all(), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_advi_finds_the_mode():
    spec = evb.Mixture(Normal(), 2)
    fit = spec.fit(LINE, method="advi", n_steps=5000, draws=500, seed=5, progressbar=False)
    vi = spec.fit(LINE, method="vi", seed=5, progressbar=False)
    np.testing.assert_allclose(np.sort(fit.params["means"]), np.sort(vi.params["means"]), atol=0.15)
    assert fit.elbo == pytest.approx(vi.elbo, abs=6.0)
