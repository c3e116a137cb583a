"""Predictors and responses far from zero, next to how much they vary: the numbers are those of centred ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

QUIET = {"progressbar": False, "seed": 1}
N, OFFSET = 300, 2e5
RNG = np.random.default_rng(11)
YEAR = RNG.integers(1995, 2021, N).astype(float)
Z = RNG.integers(2, size=N)
LINE = 0.4 * (YEAR - 2005) - 0.02 * (YEAR - 2005) ** 2
LATENT = LINE + RNG.normal(0, 2, N)
FRAME = pd.DataFrame({"y": LATENT, "year": YEAR})
TURN = np.array([[1.0, -2005.0, 2005.0**2], [0.0, 1.0, -2 * 2005.0], [0.0, 0.0, 1.0]])  # of centred coefficients


def frames(y, offset=OFFSET):
    """The same rows as they come and centred."""
    far = pd.DataFrame({"y": y + offset, "t": YEAR})
    return far, pd.DataFrame({"y": y, "t": YEAR - 2005})


FORMULA = "y ~ t + I(t**2)"
SPECS = {
    "tobit": (lambda at: evb.Tobit(FORMULA, lower=at), np.maximum(LATENT, 0.0)),
    "t errors": (lambda at: evb.Tobit(FORMULA, lower=at, df=5.0), np.maximum(LATENT, 0.0)),
    "truncated": (lambda at: evb.TruncatedRegression(FORMULA, lower=at), np.where(LATENT > -5, LATENT, -4.5)),
    "mixture": (lambda at: evb.Mixture(e.LinearRegression(FORMULA), 2), LATENT + 30.0 * Z),
    "chain": (lambda at: evb.HMM(e.LinearRegression(FORMULA), 2), LATENT + 30.0 * Z),
    "product": (lambda at: evb.Mixture(e.Product(a=e.LinearRegression(FORMULA)), 2), LATENT + 30.0 * Z),
}


def both(case, method="em", **options):
    make, y = SPECS[case]
    limit = -5.0 if case == "truncated" else 0.0
    out = []
    for frame, offset in zip(frames(y), (OFFSET, 0.0)):
        data = {"a": frame} if case == "product" else frame
        out.append(make(limit + offset).fit(data, method, **QUIET, **options))
    return out


def coefficients(params):
    return np.atleast_2d(next(v for k, v in params.items() if k.endswith("coefficients")))


@pytest.mark.parametrize("case", ["tobit", "t errors", "truncated", "mixture", "chain"])
def test_em_is_that_of_centred_data(case):
    far, near = both(case)
    assert far.converged and near.converged
    assert far.log_likelihood == pytest.approx(near.log_likelihood, abs=1e-7)
    wanted = coefficients(near.params) @ TURN.T
    wanted[:, 0] += OFFSET
    np.testing.assert_allclose(coefficients(far.params), wanted, rtol=1e-5)
    np.testing.assert_allclose(coefficients(far.std_errors())[:, -1], coefficients(near.std_errors())[:, -1], rtol=1e-4)
    np.testing.assert_allclose(far.score_samples(), near.score_samples(), atol=1e-5)


@pytest.mark.parametrize(
    ("case", "method"), [("tobit", "vi"), ("mixture", "vi"), ("tobit", "laplace"), ("tobit", "gibbs")]
)
def test_posteriors_are_those_of_centred_data(case, method):
    far, near = both(case, method, **({"draws": 500, "tune": 100} if method == "gibbs" else {}))
    assert far.status is near.status
    rough = {"vi": 1e-4, "laplace": 0.05, "gibbs": 0.2}[method]
    if method == "vi":
        assert far.elbo == pytest.approx(near.elbo, abs=1e-5)
    sds = [
        coefficients({k: v.std(axis=(0, 1)) for k, v in f.program.public(f.draws).items()})[:, -1] for f in (far, near)
    ]
    np.testing.assert_allclose(*sds, rtol=max(rough, 0.05))
    sigmas = [np.atleast_1d(f.params.get("sigma", f.params.get("sigmas"))) for f in (far, near)]
    np.testing.assert_allclose(*sigmas, rtol=rough)


def test_nuts_moves_freely():
    far, _ = frames(np.maximum(LATENT, 0.0))
    fit = evb.Tobit(FORMULA, lower=OFFSET).fit(far, "nuts", draws=200, tune=200, **QUIET)
    em = evb.Tobit(FORMULA, lower=OFFSET).fit(far, **QUIET)
    summary = fit.summary()
    assert summary["ess_bulk"].min() > 200
    np.testing.assert_allclose(summary["sd"].iloc[2], em.summary()["sd"].iloc[2], rtol=0.2)


def test_predictions_files_and_given_parameters_are_the_users():
    (far, near), y = frames(np.maximum(LATENT, 0.0)), np.maximum(LATENT, 0.0)
    fit = evb.Tobit(FORMULA, lower=OFFSET).fit(far, **QUIET)
    other = evb.Tobit(FORMULA).fit(near, **QUIET)
    new = pd.DataFrame({"t": [1999.0, 2012.5]})
    np.testing.assert_allclose(fit.predict(new) - OFFSET, other.predict(new.assign(t=new["t"] - 2005)), rtol=1e-6)
    again = evb.Tobit(FORMULA, lower=OFFSET).at(far, fit.params)
    assert again.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-7)
    np.testing.assert_allclose(again.params["coefficients"], fit.params["coefficients"], rtol=1e-12)
    np.testing.assert_allclose(fit.score_samples(far[:20]), fit.score_samples()[:20], atol=1e-9)
    resumed = evb.Tobit(FORMULA, lower=OFFSET).fit(far, init=fit, **QUIET)
    assert resumed.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-8)
    np.testing.assert_allclose(fit.program.exogs["exog"][:, 1], far["t"])
    assert len(y) == fit.simulate(seed=1).shape[0]


def test_a_joint_prior_holds_as_it_was_given():
    """Its density, by SciPy, and that of the PyMC model."""
    rng = np.random.default_rng(3)
    t = 2005.0 + rng.normal(size=40)
    x = np.column_stack([np.ones(40), t])
    y = 3.0 + 0.5 * (t - 2005.0) + rng.normal(size=40)
    prior = evb.priors.NormalInverseGamma([1.0, 0.1], [[0.5, 0.1], [0.1, 0.7]], 3.0, 2.0)
    spec = evb.CensoredRegression(priors={"regression": prior})
    b, sigma = np.array([-1000.0, 0.5]), 1.3
    params = {"coefficients": b, "sigma": np.array(sigma)}
    wanted = stats.multivariate_normal.logpdf(b, [1.0, 0.1], sigma**2 * np.linalg.inv([[0.5, 0.1], [0.1, 0.7]]))
    wanted += stats.invgamma.logpdf(sigma**2, 3.0, scale=2.0) + np.log(2.0 * sigma)
    ends = np.column_stack([y, y])
    assert spec.log_prior(params, ends, exog=x) == pytest.approx(wanted, rel=1e-10)
    fit = spec.fit(ends, objective="map", exog=x, **QUIET)
    assert fit.program.centre.get("basis") is not None
    kappa = np.array([[0.5, 0.1], [0.1, 0.7]])
    best = np.linalg.solve(kappa + x.T @ x, kappa @ [1.0, 0.1] + x.T @ y)
    np.testing.assert_allclose(fit.params["coefficients"], best, rtol=1e-7)


def test_ordinary_data_keep_their_coordinates():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(50), rng.normal(size=(50, 2))])
    fit = evb.Tobit().fit(np.maximum(x @ [1.0, 1.0, -1.0] + rng.normal(size=50), 0.0), exog=x, **QUIET)
    assert "basis" not in fit.program.centre


def test_a_censored_normal_far_from_zero():
    y = np.maximum(RNG.normal(size=200), -0.3)
    fits = [evb.Mixture(e.CensoredNormal(lower=far - 0.3), 1).fit(y + far, **QUIET) for far in (0.0, 1e6)]
    assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, abs=1e-5)
    np.testing.assert_allclose(fits[1].params["means"] - 1e6, fits[0].params["means"], atol=1e-6)
    np.testing.assert_allclose(fits[1].params["sigmas"], fits[0].params["sigmas"], rtol=1e-6)
