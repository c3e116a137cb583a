"""Regressions with Student t errors beyond the laws: estimates and posteriors by other roads, and refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from naive import censored
from scipy import optimize, stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
INF = np.inf
# Brownlee (1965, p. 454): air flow, cooling water temperature, acid concentration, stack loss
STACK_LOSS = np.array(
    """80 27 89 42; 80 27 88 37; 75 25 90 37; 62 24 87 28; 62 22 87 18; 62 23 87 18; 62 24 93 19; 62 24 93 20;
    58 23 87 15; 58 18 80 14; 58 18 89 14; 58 17 88 13; 58 18 82 11; 58 19 93 12; 50 18 89 8; 50 18 86 7; 50 19 72 8;
    50 19 79 8; 50 20 80 9; 56 20 82 15; 70 20 91 15""".replace(";", " ").split(),
    dtype=float,
).reshape(21, 4)
X = np.column_stack([np.ones(21), STACK_LOSS[:, :3]])
LOSS = STACK_LOSS[:, 3]


def terms(df, intervals, design, b, sigma):
    """Log-likelihood of each row by scipy's t."""
    low, high = ((ends - design @ b) / sigma for ends in np.asarray(intervals, float).T)
    own, exact, up = stats.t(df), low == high, low > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.log(np.where(up, own.sf(low) - own.sf(high), own.cdf(high) - own.cdf(low)))
    return np.where(exact, own.logpdf(low) - np.log(sigma), inside)


def best(df, intervals, design, weights=None):
    """Maximum likelihood by BFGS from least squares: coefficients, sigma, log-likelihood."""
    w = np.ones(len(design)) if weights is None else weights
    middle = np.clip(np.asarray(intervals), -1e3, 1e3).mean(axis=1)
    start = np.linalg.lstsq(design, middle, rcond=None)[0]
    root = np.linalg.cholesky(np.linalg.inv(design.T @ design))  # evens out the scales of the predictors
    scale = np.std(middle - design @ start)

    def loss(x):
        return -w @ terms(df, intervals, design, start + scale * root @ x[:-1], scale * np.exp(x[-1]))

    x = optimize.minimize(loss, np.zeros(design.shape[1] + 1), method="BFGS", options={"gtol": 1e-7}).x
    return start + scale * root @ x[:-1], scale * np.exp(x[-1]), -loss(x)


def exact(y):
    return np.column_stack([y, y])


def rows(n=40, seed=11):
    """A line with t errors: exact, from below, from above, between, missing."""
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = design @ [0.5, 1.0] + 0.7 * rng.standard_t(3, size=n)
    kind = np.arange(n) % 4
    low = np.choose(kind, [y, y - 0.5, np.full(n, -INF), y - 0.3])
    high = np.choose(kind, [y, np.full(n, INF), y + 0.5, y + 0.6])
    return np.column_stack([low, high]), design


# --- maximum likelihood ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1.1, 4.0])
def test_stack_loss_is_fitted_as_a_general_optimizer_does(df):
    b, sigma, top = best(df, exact(LOSS), X)
    single = evb.CensoredRegression(df=df).fit(exact(LOSS), exog=X, tol=1e-12, **QUIET)
    mixture = evb.Mixture(e.LinearRegression(df=df), 1).fit(LOSS, exog=X, tol=1e-12, **QUIET)
    for coefficients, scale, fit in (
        (single.params["coefficients"], single.params["sigma"], single),
        (mixture.params["coefficients"][0], mixture.params["sigmas"][0], mixture),
    ):
        assert fit.log_likelihood == pytest.approx(top, abs=1e-6)
        np.testing.assert_allclose(coefficients, b, rtol=2e-3)
        assert scale == pytest.approx(sigma, rel=1e-3)


def test_far_rows_count_for_less_than_under_normal_errors():
    y = LOSS.copy()
    y[5] += 1000.0
    fits = (evb.Mixture(e.LinearRegression(df=df), 1).fit(y, exog=X, **QUIET) for df in (2.0, None))
    robust, normal = (fit.params["coefficients"][0] for fit in fits)
    clean = np.linalg.lstsq(np.delete(X, 5, axis=0), np.delete(LOSS, 5), rcond=None)[0]
    assert np.abs(X @ (robust - clean)).max() < 5.0
    assert np.abs(X @ (normal - clean)).max() > 50.0


@pytest.fixture(scope="module")
def affairs():
    frame = evb.datasets.load("affairs")
    formula = "affairs ~ age + yearsmarried + religiousness + occupation + rating"
    return frame, formula, evb.Tobit(formula, df=4).fit(frame, tol=1e-11, **QUIET)


def test_the_affairs_tobit(affairs):
    frame, formula, fit = affairs
    names = formula.split("~")[1].replace(" ", "").split("+")
    design = np.column_stack([np.ones(len(frame)), frame[names].to_numpy(float)])
    intervals = censored.tobit_intervals(frame["affairs"].to_numpy(float))
    b, sigma, top = best(4.0, intervals, design)
    assert fit.log_likelihood == pytest.approx(top, abs=1e-6)
    np.testing.assert_allclose(fit.params["coefficients"], b, rtol=2e-3)
    assert fit.params["sigma"] == pytest.approx(sigma, rel=1e-4)


def test_standard_errors_are_those_of_the_likelihood():
    intervals, design = rows()
    fit = evb.CensoredRegression(df=3).fit(intervals, exog=design, tol=1e-12, **QUIET)
    at = np.append(fit.params["coefficients"], fit.params["sigma"])

    def total(x):
        flat = np.reshape(x, (-1, 3))
        return np.array([terms(3, intervals, design, v[:2], v[2]).sum() for v in flat]).reshape(np.shape(x)[:-1])

    gradient, hessian = censored.differences(total, at, np.full(3, 3e-3))
    assert np.abs(gradient).max() < 1e-4
    np.testing.assert_allclose(fit.vcov("observed").to_numpy(), np.linalg.inv(-hessian), rtol=1e-4)
    np.testing.assert_allclose(fit.score_samples(), terms(3, intervals, design, at[:2], at[2]), rtol=1e-12)
    assert (np.diag(fit.vcov("opg")) > 0).all()
    with pytest.raises(ValueError, match="df"):
        fit.vcov("louis")


def test_many_degrees_of_freedom_are_normal():
    intervals, design = rows()
    student, normal = (
        evb.CensoredRegression(df=df).fit(intervals, exog=design, tol=1e-12, **QUIET) for df in (1e6, None)
    )
    assert student.log_likelihood == pytest.approx(normal.log_likelihood, abs=1e-3)
    for name, value in normal.params.items():
        np.testing.assert_allclose(student.params[name], value, rtol=1e-5)


def test_weights_are_copies():
    intervals, design = rows(12)
    weights = np.arange(12) % 3 + 1
    again = np.repeat(np.arange(12), weights)
    one = evb.CensoredRegression(df=3).fit(intervals, exog=design, weights=weights.astype(float), **QUIET)
    other = evb.CensoredRegression(df=3).fit(intervals[again], exog=design[again], **QUIET)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-10)


# --- the posterior ---------------------------------------------------------------------------------------------------

PRIORS = {"coefficients": p.Normal(0.0, 3.0), "sigma": p.InverseGamma(2.0, 1.0)}


@pytest.fixture(scope="module")
def tiny():
    """Nine rows and an intercept: intervals, and the posterior on a grid as log evidence, means and sds (b, sigma)."""
    intervals = rows(9)[0]
    b, log_sigma = np.linspace(-8, 8, 801), np.linspace(-5, 3.5, 341)
    low, high = ((ends[:, None, None] - b[:, None]) / np.exp(log_sigma) for ends in intervals.T)
    own, same = stats.t(3), (intervals[:, 0] == intervals[:, 1])[:, None, None]
    inside = np.where(low > 0, own.sf(low) - own.sf(high), own.cdf(high) - own.cdf(low))
    grid = np.log(np.where(same, own.pdf(low) / np.exp(log_sigma), inside)).sum(axis=0)
    variance = np.exp(2 * log_sigma)
    prior = stats.norm(0, 3).logpdf(b)[:, None] + stats.invgamma(2, scale=1).logpdf(variance) + np.log(2 * variance)
    density = np.exp(grid + prior)
    cell = (b[1] - b[0]) * (log_sigma[1] - log_sigma[0])
    mass = density.sum()
    values = [np.broadcast_to(v, density.shape) for v in (b[:, None], np.exp(log_sigma))]
    means = [(density * v).sum() / mass for v in values]
    sds = [np.sqrt((density * (v - m) ** 2).sum() / mass) for v, m in zip(values, means, strict=True)]
    return intervals, np.log(mass * cell), means, sds


def test_gibbs_has_the_exact_posterior(tiny):
    intervals, _, means, sds = tiny
    spec = evb.CensoredRegression(df=3, priors=PRIORS)
    fit = spec.fit(intervals, "gibbs", draws=6000, tune=500, chains=2, **QUIET)
    for draws, mean, sd in zip((fit.draws[..., -2], fit.draws[..., -1]), means, sds, strict=True):
        batches = draws.reshape(-1, 100).mean(axis=1)
        assert abs(draws.mean() - mean) < 4.0 * batches.std() / np.sqrt(len(batches))
        assert draws.std() == pytest.approx(sd, rel=0.1)


def test_cavi_bounds_the_evidence(tiny):
    intervals, evidence, means, sds = tiny
    fit = evb.CensoredRegression(df=3, priors=PRIORS).fit(intervals, "vi", **QUIET)
    assert evidence - 1.0 < fit.elbo < evidence  # 0.84 is lost to the mean field, most of it in the censored rows
    assert abs(fit.params["coefficients"][0] - means[0]) < 0.3 * sds[0]


# --- the rest --------------------------------------------------------------------------------------------------------


def test_simulated_errors_are_t():
    params = {"coefficients": np.array([[1.0, 2.0]]), "sigmas": np.array([1.5]), "exog": np.ones((4000, 2))}
    z, rng = np.zeros(4000, int), np.random.default_rng(5)
    y = e.LinearRegression(df=3).simulate(params, z, rng)
    assert stats.kstest(y, stats.t(3, 3.0, 1.5).cdf).pvalue > 1e-3
    cut = e.CensoredRegression(lower=2.0, df=3).simulate(params, z, rng)
    assert cut.min() == 2.0
    share = stats.t(3, 3.0, 1.5).cdf(2.0)
    assert abs((cut == 2.0).mean() - share) < 4 * np.sqrt(share * (1 - share) / 4000)


def test_df_is_written_only_where_it_is_given():
    for spec in (evb.Tobit(), evb.CensoredRegression(), evb.Mixture(e.LinearRegression(), 2)):
        assert "df" not in spec.to_json()
        assert "df" not in repr(spec)
        assert type(spec).from_json(spec.to_json()) == spec
    for spec in (evb.Tobit(df=4), evb.CensoredRegression(df=4), evb.Mixture(e.CensoredRegression(lower=0.0, df=4), 2)):
        assert "df=4.0" in repr(spec)
        assert type(spec).from_json(spec.to_json()) == spec
    assert evb.Tobit(df=4) != evb.Tobit()
    assert json.loads(evb.Tobit(df=4).to_json())["df"] == 4.0
    assert repr(e.LinearRegression("y ~ x")) == "LinearRegression(formula='y ~ x')"


@pytest.mark.parametrize("make", [evb.Tobit, evb.CensoredRegression, e.LinearRegression])
@pytest.mark.parametrize("df", [0.0, -1.0, np.nan, INF, 1e7])
def test_impossible_df_is_refused(make, df):
    with pytest.raises(ValueError, match="df must be positive"):
        make(df=df)


@pytest.mark.parametrize("df", ["4", True, [4.0]])
def test_a_df_that_is_no_number_is_refused(df):
    with pytest.raises(TypeError, match="df must be a number"):
        evb.Tobit(df=df)


def test_the_latent_response(affairs):
    frame, _, fit = affairs
    np.testing.assert_allclose(
        fit.predict(frame.iloc[:3]), fit.program.exogs["exog"][:3] @ fit.params["coefficients"], rtol=1e-12
    )
    assert list(fit.predict(frame.iloc[:3], level=0.9).columns) == ["mean", "lower", "upper"]
    assert len(fit.residuals()) == len(frame)
    slopes = fit.margins(kind="latent")
    np.testing.assert_allclose(slopes.iloc[:, 0], fit.params["coefficients"][1:], rtol=1e-12)


def test_errors_without_a_mean_have_no_expectation():
    intervals, design = rows()
    fit = evb.CensoredRegression(df=1).fit(intervals, exog=design, **QUIET)
    with pytest.raises(ValueError, match="df=1"):
        fit.predict()


@pytest.mark.parametrize(
    ("emission", "low"), [(e.LinearRegression(df=3), -INF), (e.CensoredRegression(lower=0.0, df=3), 0.0)]
)
def test_the_law_of_a_response_in_a_chain(emission, low):
    """Distribution function and mean of a t response cut off at limits, as residuals and forecasts read them."""
    from em_vs_bayes.fit.responses import _law

    params = {"means": np.array([0.3, 2.0]), "sigmas": np.array([0.8, 1.7])}
    law, own = _law(emission), stats.t(3, params["means"], params["sigmas"])
    means = [stats.t(3, m, s).expect(lambda v: max(v, low)) for m, s in zip(*params.values(), strict=True)]
    np.testing.assert_allclose(law.mean(params), means, rtol=1e-6)
    below, above = law.tails(np.array([1.2, 1.2]), params)
    np.testing.assert_allclose(below, own.logcdf(1.2), rtol=1e-12)
    np.testing.assert_allclose(above, own.logsf(1.2), rtol=1e-12)


def test_frames_and_saved_fits(tmp_path):
    intervals, design = rows()
    frame = pd.DataFrame({"a": intervals[:, 0], "b": intervals[:, 1], "x": design[:, 1]})
    fit = evb.CensoredRegression("censored(a, b) ~ x", df=3).fit(frame, **QUIET)
    fit.save(tmp_path / "fit")
    back = evb.load(tmp_path / "fit")
    assert back.spec == fit.spec
    assert back.log_likelihood == fit.log_likelihood
