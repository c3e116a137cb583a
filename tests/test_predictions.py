"""What regressions predict, with intervals, and their residuals: against quadrature, simulation and definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from naive import censored
from scipy import stats

import em_vs_bayes as evb

QUIET = {"progressbar": False, "seed": 1}
FORMULA = "affairs ~ C(rating) + yearsmarried"


@pytest.fixture(scope="module")
def frame():
    return evb.datasets.load("affairs")


@pytest.fixture(scope="module")
def left(frame):
    return evb.Tobit(FORMULA).fit(frame, **QUIET)


def sample(n=80, lower=-0.5, upper=1.5, seed=4):
    """A Tobit with two limits on a matrix: spec, response, design."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    return evb.Tobit(lower=lower, upper=upper), np.clip(X @ [0.5, 0.8] + rng.normal(size=n), lower, upper), X


@pytest.fixture(scope="module")
def both():
    spec, y, X = sample()
    return spec.fit(y, exog=X, **QUIET)


@pytest.fixture(scope="module")
def truncated():
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(400), rng.normal(size=400)])
    y = X @ [0.5, 0.8] + rng.normal(size=400)
    seen = (y > -0.5) & (y < 2.5)
    return evb.TruncatedRegression(lower=-0.5, upper=2.5).fit(y[seen], exog=X[seen], **QUIET)


def design(rows):
    """Of `FORMULA`, by hand."""
    levels = [(rows["rating"] == r).to_numpy(float) for r in (2, 3, 4, 5)]
    return np.column_stack([np.ones(len(rows)), *levels, rows["yearsmarried"]])


def cut_off(lines, sigma, lower, upper):
    """E[y] of the response cut off at limits, by quadrature of the part between them."""
    out = []
    for line in lines:
        inside = censored.moments(lower, upper, line, sigma)
        below, above = stats.norm(line, sigma).cdf(lower), stats.norm(line, sigma).sf(upper)
        value = np.exp(inside.log_mass) * inside.mean
        value += lower * below if np.isfinite(lower) else 0.0
        out.append(value + (upper * above if np.isfinite(upper) else 0.0))
    return np.array(out)


# --- values ---------------------------------------------------------------------------------------------------------


def test_expectations_of_a_tobit(left, frame):
    b, sigma, X = left.params["coefficients"], float(left.params["sigma"]), design(frame)
    np.testing.assert_allclose(left.predict(), X @ b, rtol=1e-12)
    np.testing.assert_allclose(left.predict(kind="observed"), cut_off(X @ b, sigma, 0.0, np.inf), rtol=1e-10)
    np.testing.assert_allclose(left.predict(kind="probability"), stats.norm.cdf(-X @ b / sigma), rtol=1e-10)


def test_expectations_with_two_limits(both):
    b, sigma, X = both.params["coefficients"], float(both.params["sigma"]), both.program.exog
    np.testing.assert_allclose(both.predict(kind="observed"), cut_off(X @ b, sigma, -0.5, 1.5), rtol=1e-10)
    share = both.predict(kind="probability")
    assert list(share.columns) == ["below", "above"]
    np.testing.assert_allclose(share["below"], stats.norm.cdf((-0.5 - X @ b) / sigma), rtol=1e-10)
    np.testing.assert_allclose(share["above"], stats.norm.sf((1.5 - X @ b) / sigma), rtol=1e-10)


def test_expectations_of_a_truncated_sample(truncated):
    b, sigma, X = truncated.params["coefficients"], float(truncated.params["sigma"]), truncated.program.exog
    wanted = [censored.moments(-0.5, 2.5, line, sigma).mean for line in X @ b]
    np.testing.assert_allclose(truncated.predict(kind="observed"), wanted, rtol=1e-10)
    np.testing.assert_allclose(truncated.predict(), X @ b, rtol=1e-12)
    y = truncated.program.y
    assert abs((y - truncated.predict(kind="observed")).mean()) < 1e-6  # the intercept's score is zero


def test_observed_is_the_mean_of_what_is_simulated(both):
    """To five standard errors of 400 simulated data sets."""
    draws = np.stack([both.simulate(seed=s) for s in range(400)])
    far = (draws.mean(axis=0) - both.predict(kind="observed")) / (draws.std(axis=0) / 20)
    assert np.abs(far).max() < 5


def test_the_far_tail_keeps_its_digits():
    """Expected excess over the limit thirty standard deviations away."""
    spec, y, X = sample()
    fit = spec.at(y, {"coefficients": [-31.0, 0.0], "sigma": 1.0}, exog=X)
    assert fit.predict(kind="observed")[0] == pytest.approx(-0.5, abs=1e-15)
    assert fit.predict(kind="probability")["above"][0] == pytest.approx(stats.norm.sf(32.5), rel=1e-12)


# --- new rows -------------------------------------------------------------------------------------------------------


def test_a_new_frame_needs_no_response(left, frame):
    few = frame[10:20]
    for kind in ("latent", "observed", "probability"):
        there = left.predict(few.drop(columns="affairs"), kind=kind)
        np.testing.assert_array_equal(there, left.predict(few, kind=kind))
        np.testing.assert_allclose(there, left.predict(kind=kind)[10:20], rtol=1e-12)
    one = few[:1].drop(columns="affairs")  # a single level of the factor, encoded as in the fit
    np.testing.assert_allclose(left.predict(one), left.predict()[10], rtol=1e-12)


def test_intervals_per_row_need_none_either(frame):
    ends = censored.tobit_intervals(frame["affairs"])
    spec = evb.CensoredRegression("censored(low, high) ~ yearsmarried")
    fit = spec.fit(frame.assign(low=ends[:, 0], high=ends[:, 1]), **QUIET)
    b = fit.params["coefficients"]
    np.testing.assert_allclose(fit.predict(pd.DataFrame({"yearsmarried": [1.0, 4.0]})), b[0] + b[1] * np.array([1, 4]))


def test_new_exog(both):
    new = np.array([[1.0, 0.3], [1.0, -2.0]])
    np.testing.assert_allclose(both.predict(exog=new), new @ both.params["coefficients"], rtol=1e-12)


# --- intervals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["latent", "observed", "probability"])
def test_intervals_by_the_delta_method(both, kind):
    """With the gradient by differences of the model at given parameters."""
    at = np.append(both.params["coefficients"], both.params["sigma"])
    new = np.array([[1.0, 0.3], [1.0, -2.0]])

    def value(x):
        there = both.spec.at(both.program.y, {"coefficients": x[:-1], "sigma": x[-1]}, exog=both.program.exog)
        return np.asarray(there.predict(exog=new, kind=kind)).reshape(2, -1)

    moves = 1e-5 * np.eye(3)
    gradient = np.stack([(value(at + m) - value(at - m)) / 2e-5 for m in moves], axis=-1)
    sd = np.sqrt(np.einsum("nci,ij,ncj->nc", gradient, both.vcov().to_numpy(), gradient))
    table = both.predict(exog=new, kind=kind, level=0.9)
    for c, name in enumerate(["below_", "above_"] if kind == "probability" else [""]):
        np.testing.assert_allclose(table[name + "mean"], value(at)[:, c], rtol=1e-12)
        low, high = {"latent": (-np.inf, np.inf), "probability": (0.0, 1.0)}.get(kind, (-0.5, 1.5))
        for end, sign in (("lower", -1.0), ("upper", 1.0)):
            moved = log_odds(table[name + end], low, high) - log_odds(table[name + "mean"], low, high)
            slope = 1.0 if kind == "latent" else 1.0 / (value(at)[:, c] - low) + 1.0 / (high - value(at)[:, c])
            np.testing.assert_allclose(moved, sign * 1.6448536 * sd[:, c] * slope, rtol=1e-6)


def log_odds(values, low, high):
    """Of where between two ends; the values themselves where there are none."""
    return values if np.isinf(low) else np.log((values - low) / (high - values))


def test_intervals_stay_within_the_limits():
    """Where nearly all of the response is at its limit a symmetric interval would not."""
    spec, y, X = sample()
    far = np.array([[1.0, x] for x in (-8.0, -2.0, 0.0, 2.0, 8.0)])
    seen, share = (
        spec.fit(y, exog=X, **QUIET).predict(exog=far, kind=k, level=0.99) for k in ("observed", "probability")
    )
    assert ((seen["lower"] >= -0.5) & (seen["lower"] <= seen["mean"]) & (seen["mean"] <= seen["upper"])).all()
    assert (seen["upper"] <= 1.5).all()
    assert ((share >= 0.0) & (share <= 1.0)).all(axis=None)


def test_posterior_predictions_are_averages_over_draws():
    spec, y, X = sample()
    fit = spec.fit(y, "gibbs", exog=X, draws=150, chains=2, **QUIET)
    public = fit.program.public(fit.draws.reshape(300, -1))
    lines, sigmas = public["coefficients"] @ X.T, public["sigma"]
    above = stats.norm.sf((1.5 - lines) / sigmas[:, None])
    table = fit.predict(kind="probability", level=0.8)
    np.testing.assert_allclose(table["above_mean"], above.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(table[["above_lower", "above_upper"]].T, np.quantile(above, [0.1, 0.9], axis=0))
    np.testing.assert_allclose(fit.predict(), lines.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(fit.predict(draws=1), lines[0], rtol=1e-10)
    seen = fit.predict(kind="observed", level=0.95)
    assert ((seen["lower"] < seen["mean"]) & (seen["mean"] < seen["upper"])).all()


def test_rows_are_worked_on_in_parts(monkeypatch):
    from em_vs_bayes.fit.regression import margins, predictions

    spec, y, X = sample()
    fit = spec.fit(y, "gibbs", exog=X, draws=50, chains=1, **QUIET)
    whole, effects = fit.predict(kind="observed", level=0.9), fit.margins("each")
    monkeypatch.setattr(predictions, "AT_ONCE", 350)
    monkeypatch.setattr(margins, "AT_ONCE", 350)
    pd.testing.assert_frame_equal(fit.predict(kind="observed", level=0.9), whole)
    pd.testing.assert_frame_equal(fit.margins("each"), effects)


# --- residuals ------------------------------------------------------------------------------------------------------


def test_response_residuals(left, frame):
    np.testing.assert_allclose(left.residuals(), frame["affairs"] - left.predict(), rtol=1e-12)


def test_deviance_residuals_lose_what_the_line_could_gain():
    """Of exact, one-sided and interval responses: the best line by numerical search."""
    rng = np.random.default_rng(8)
    X = np.column_stack([np.ones(40), rng.normal(size=40)])
    y = X @ [0.2, 1.0] + rng.normal(size=40)
    kind = np.arange(40) % 4
    low = np.where(kind == 1, -np.inf, np.where(kind == 3, np.floor(y), y))
    high = np.where(kind == 2, np.inf, np.where(kind == 3, np.floor(y) + 1, y))
    fit = evb.CensoredRegression().fit(np.column_stack([low, high]), exog=X, **QUIET)
    lines, sigma = X @ fit.params["coefficients"], float(fit.params["sigma"])
    got = fit.residuals("deviance")
    shifts = np.linspace(-60, 60, 240001)[:, None]
    for i in range(40):
        terms = censored.censored_terms([(low[i], high[i])], [[1.0]], shifts, sigma)[:, 0]
        here = censored.censored_terms([(low[i], high[i])], [[1.0]], np.array([lines[i]]), sigma)[0]
        assert got[i] ** 2 == pytest.approx(2 * (terms.max() - here), abs=1e-6)
        up = censored.censored_terms([(low[i], high[i])], [[1.0]], np.array([lines[i] + 1e-4]), sigma)[0]
        assert np.sign(got[i]) == np.sign(up - here)  # towards where the row pulls the line
    assert (got[kind == 1] < 0).all() and (got[kind == 2] > 0).all()


def test_quantile_residuals_of_exact_rows_are_standardised(left, frame):
    z = left.residuals("quantile", seed=0)
    exact = frame["affairs"].to_numpy() > 0
    wanted = (frame["affairs"] - left.predict()) / float(left.params["sigma"])
    np.testing.assert_allclose(z[exact], wanted[exact], rtol=1e-12)
    limits = -left.predict() / float(left.params["sigma"])
    assert (z[~exact] <= limits[~exact]).all()
    np.testing.assert_array_equal(z, left.residuals("quantile", seed=0))
    assert (z[~exact] != left.residuals("quantile", seed=1)[~exact]).all()


def simulated(n=4000):
    """At the true parameters, so that residuals are exactly standard normal."""
    rng = np.random.default_rng(12)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    params = {"coefficients": np.array([0.3, 0.9]), "sigma": np.array(1.1)}
    y = X @ params["coefficients"] + 1.1 * rng.normal(size=n)
    return X, params, y


@pytest.mark.parametrize("ends", [(0.0, None), (None, 0.5), (-0.4, 1.0)])
@pytest.mark.parametrize("kind", [evb.Tobit, evb.TruncatedRegression])
def test_quantile_residuals_are_standard_normal(kind, ends):
    """Kolmogorov-Smirnov at the true parameters."""
    lower, upper = ends
    spec = kind(lower=lower, upper=upper)
    X, params, y = simulated()
    low, high = (-np.inf if lower is None else lower), (np.inf if upper is None else upper)
    if kind is evb.Tobit:
        y = np.clip(y, low, high)
    else:
        X, y = X[(y > low) & (y < high)], y[(y > low) & (y < high)]
    z = spec.at(y, params, exog=X).residuals("quantile", seed=3)
    assert stats.kstest(z, "norm").pvalue > 0.01
    wrong = spec.at(y, params | {"coefficients": np.array([1.5, 0.9])}, exog=X).residuals("quantile", seed=3)
    assert stats.kstest(wrong, "norm").pvalue < 1e-6  # the test can fail


def test_quantile_residuals_of_narrow_and_far_intervals():
    """Draws stay inside, also where the interval has a probability of e-800, and spread over all of it."""
    X = np.ones((200, 1))
    for low, high in ((39.0, 40.0), (-40.0, -39.0), (40.0, np.inf), (0.5, 0.5 + 1e-9)):
        y = np.column_stack([np.full(200, low), np.full(200, high)])
        y[0] = 0.0, 0.0
        fit = evb.CensoredRegression().at(y, {"coefficients": [0.0], "sigma": 1.0}, exog=X)
        z = fit.residuals("quantile", seed=0)[1:]
        assert (z >= low).all() and (z <= high).all()
        assert len(np.unique(z)) > 190
        exact = censored.moments(low, high)
        assert abs(z.mean() - exact.mean) < 5 * np.sqrt(exact.variance / 199) + 1e-12


# --- refusals -------------------------------------------------------------------------------------------------------


def test_refusals_of_a_regression(left, both, truncated, frame):
    ends = np.column_stack([np.arange(9.0), np.arange(9.0) + 1])
    own = evb.CensoredRegression().fit(ends, **QUIET)
    for call, words in (
        (lambda: left.predict(kind="mean"), "kind must be one of 'latent', 'observed', 'probability'; got 'mean'"),
        (lambda: left.predict(level=2.0), r"level must lie in \(0, 1\), such as 0.95; got 2.0"),
        (lambda: left.predict(frame.drop(columns="rating")), r"wants column\(s\) \['rating'\]"),
        (lambda: left.predict(frame.assign(rating=9)), "categories that the fitted frame did not have"),
        (lambda: left.predict(exog=np.ones((2, 6))), "new rows are a frame"),
        (lambda: left.predict(lengths=[300, 301]), "lengths does not apply to Tobit"),
        (lambda: both.predict(np.zeros(3)), "new rows are exog alone"),
        (lambda: both.predict(exog=np.ones((2, 3))), r"the model was fitted to \['x0', 'x1'\]"),
        (lambda: both.predict(exog=np.array([[1.0, np.nan]])), "must be finite"),
        (lambda: truncated.predict(kind="probability"), "a truncated sample has none"),
        (lambda: own.predict(kind="observed"), "wants limits that hold for every row"),
        (lambda: left.predict_proba(), "predict_proba is about components or states"),
        (lambda: left.residuals("pearson"), "kind must be one of 'response', 'deviance', 'quantile'; got 'pearson'"),
        (lambda: truncated.residuals("deviance"), "not defined for a truncated regression"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_draws_must_be_a_number():
    spec, y, X = sample()
    fit = spec.fit(y, "gibbs", exog=X, draws=20, chains=1, **QUIET)
    point = spec.fit(y, exog=X, **QUIET)
    for call in (fit.predict, fit.margins, point.predict, point.margins):
        for wrong in (0, "many", 2.5):
            with pytest.raises(ValueError, match="draws must be an integer of at least 1"):
                call(draws=wrong)


def test_other_models_keep_their_meaning():
    y = np.concatenate([np.random.default_rng(0).normal(size=20), np.random.default_rng(1).normal(9, 1, size=20)])
    fit = evb.GaussianMixture(2).fit(y, **QUIET)
    assert fit.predict().dtype == np.int64
    for call, words in (
        (lambda: fit.predict(kind="latent"), "kind='latent' is for Tobit"),
        (lambda: fit.predict(level=0.9), "level=0.9 is for Tobit"),
        (lambda: fit.predict(draws=10), "draws=10 is for Tobit"),
        (lambda: fit.residuals(), "residuals belongs to Tobit"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
