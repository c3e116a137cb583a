"""Bad data, priors and formulas of censored and truncated regressions: refused in words, or said to have no maximum."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from naive import censored

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.program.identified import runs_off

QUIET = {"progressbar": False, "seed": 1}
INF, NAN = np.inf, np.nan
N = 40
RNG = np.random.default_rng(0)
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
LATENT = X @ [1.0, 2.0] + RNG.normal(size=N)
Y = np.maximum(LATENT, 0.0)
PAIRS = np.column_stack([LATENT, LATENT])
FRAME = pd.DataFrame({"a": LATENT, "b": LATENT, "x": X[:, 1], "y": Y})
PRIOR = p.NormalInverseGamma([0.0, 0.0], np.eye(2), 3.0, 2.0)


def row(values, i=3, of=PAIRS):
    out = of.copy()
    out[i] = values
    return out


def tobit(y=Y, exog=X, method="em", formula=None, **arguments):
    given = {} if exog is None else {"exog": exog}
    return lambda: evb.Tobit(formula, **arguments).fit(y, method, **given, **QUIET)


def intervals(y=PAIRS, exog=X, formula=None, **arguments):
    given = {} if exog is None else {"exog": exog}
    return lambda: evb.CensoredRegression(formula, **arguments).fit(y, **given, **QUIET)


def truncated(y=Y, exog=X, **arguments):
    return lambda: evb.TruncatedRegression(**({"lower": 0.0} | arguments)).fit(y, exog=exog, **QUIET)


NIG = p.NormalInverseGamma
SPECS = {
    "equal": (lambda: evb.Tobit(lower=1, upper=1), ValueError, "lower must be less than upper; got lower=1, upper=1"),
    "reversed": (lambda: evb.TruncatedRegression(lower=3, upper=1), ValueError, "lower must be less than upper"),
    "emission, reversed": (lambda: e.CensoredRegression(lower=3, upper=1), ValueError, "lower must be less than upper"),
    "no limit": (lambda: evb.Tobit(lower=None), ValueError, "Tobit wants a limit: lower= or upper="),
    "no limit, truncated": (lambda: evb.TruncatedRegression(), ValueError, "wants a limit: lower= or upper="),
    "text": (lambda: evb.Tobit(lower="0"), TypeError, "lower must be a number or None; got '0'"),
    "bool": (lambda: evb.Tobit(upper=True), TypeError, "upper must be a number or None; got True"),
    "array": (lambda: evb.Tobit(lower=np.zeros(3)), TypeError, "lower must be one number.*got 3.*CensoredRegression"),
    "nan": (lambda: evb.Tobit(lower=NAN), ValueError, "lower must be finite, or None"),
    "infinite": (lambda: evb.TruncatedRegression(upper=INF), ValueError, "upper must be finite, or None"),
    "formula": (lambda: evb.Tobit("y = x"), ValueError, "formula='y = x' does not parse"),
    "one side": (lambda: evb.Tobit("~ x"), ValueError, "formula='~ x' wants one response"),
    "no text": (lambda: evb.Tobit(3), TypeError, "formula must be a string"),
    "one end": (lambda: evb.CensoredRegression("censored(a) ~ x"), ValueError, "censored wants two columns"),
    "three ends": (lambda: evb.CensoredRegression("censored(a, b, c) ~ x"), ValueError, "censored wants two columns"),
    "unclosed": (lambda: evb.CensoredRegression("censored(a, b ~ x"), ValueError, "formula='censored.a, b ~ x'"),
    "no ends": (lambda: evb.CensoredRegression("y ~ x"), ValueError, r"wants the response censored\(lower, upper\)"),
    "both": (lambda: evb.Tobit("censored(a, b) ~ x"), ValueError, "has the intervals; leave lower and upper out"),
    "code": (lambda: evb.CensoredRegression("censored(a, open('x')) ~ x"), ValueError, "uses 'open'"),
    "truncated": (lambda: evb.TruncatedRegression("censored(a, b) ~ x", lower=0), ValueError, "uses 'censored'"),
    "sigmas": (tobit(priors={"sigmas": p.InverseGamma(2, 1)}), ValueError, r"priors names \['sigmas'\].*'sigma'"),
    "emission": (tobit(priors={"emission": PRIOR}), ValueError, r"priors names \['emission'\]"),
    "weights": (tobit(priors={"weights": p.Dirichlet(1.0)}), ValueError, r"priors names \['weights'\]"),
    "no prior": (tobit(priors={"sigma": 3}), TypeError, r"priors\['sigma'\] must be"),
    "fixed": (tobit(fixed={"sigmas": 1.0}), ValueError, r"fixed names \['sigmas'\]"),
}
DATA = {
    "inverted": (intervals(row([2.0, 1.0])), ValueError, r"lower end above its upper end \(first: row 3, \[2, 1\]"),
    "half": (intervals(row([NAN, 1.0])), ValueError, r"one missing end.*\(first: row 3"),
    "one infinity": (intervals(row([INF, INF])), ValueError, "both ends at the same infinity"),
    "rounding": (intervals(row([0.3, 0.1 + 0.2])), ValueError, r"differ by rounding alone.*\(first: row 3"),
    "vector": (intervals(LATENT), ValueError, r"y must be \(n, 2\).*got shape \(40,\)"),
    "three columns": (intervals(np.zeros((N, 3))), ValueError, r"y must be \(n, 2\)"),
    "text": (intervals(np.full((N, 2), "a")), TypeError, "y must hold numbers"),
    "infinite": (tobit(row(INF, of=Y)), ValueError, "y has infinite values"),
    "text, tobit": (tobit(np.full(N, "a")), TypeError, "y must hold numbers"),
    "table": (tobit(PAIRS), ValueError, "y must have one column"),
    "outside": (truncated(LATENT), ValueError, r"9 value\(s\) outside \(0, inf\) \(first: row 0.*truncated"),
    "above": (truncated(Y, upper=1.5), ValueError, r"value\(s\) outside \(0, 1.5\)"),
    "exog": (tobit(exog=X[:5]), ValueError, r"exog has 5 row\(s\); y has 40"),
    "rank": (tobit(exog=np.column_stack([X, 2 * X[:, 1]])), ValueError, r"\['x2'\] are linear combinations"),
    "few rows": (tobit(Y[:2], exog=RNG.normal(size=(2, 3))), ValueError, "linear combinations"),
    "hole": (tobit(exog=np.where(X > 1.2, NAN, X)), ValueError, r"exog must be finite; column\(s\) \['x1'\]"),
    "constant": (tobit(np.full(N, 2.0)), ValueError, "line goes through all that is known of y"),
    "constant, truncated": (truncated(np.full(N, 2.0)), ValueError, "exact linear function"),
    "a line": (intervals(np.column_stack([X @ [1.0, 2.0]] * 2)), ValueError, "line goes through all"),
    "lengths": (lambda: evb.Tobit().fit(Y, exog=X, lengths=[20, 20], **QUIET), ValueError, "lengths does not apply"),
    "labels": (lambda: evb.Tobit().fit(Y, exog=X, labels=np.zeros(N, int), **QUIET), ValueError, "labels does not app"),
    "column": (intervals(FRAME, None, "censored(a, c) ~ x"), ValueError, r"wants column\(s\) \['c'\]"),
    "text column": (intervals(FRAME.assign(a="q"), None, "censored(a, b) ~ x"), TypeError, r"y\['a'\], the response"),
    "text response": (tobit(FRAME.assign(y="q"), None, formula="y ~ x"), TypeError, r"y\['y'\], the response"),
    "upside down": (intervals(FRAME.assign(b=LATENT - 1), None, "censored(a, b) ~ x"), ValueError, "above its"),
    "infinite column": (tobit(FRAME.assign(y=row(INF, of=Y)), None, formula="y ~ x"), ValueError, "infinite values"),
    "status": (intervals(FRAME.assign(b="left"), None, "censored(a, b) ~ x"), TypeError, "a status calls"),
    "nothing": (tobit(FRAME, None, formula="y ~ 0"), ValueError, "nothing on the right"),
    "no frame": (tobit(Y, None, formula="y ~ x"), TypeError, "y is the frame"),
    "frame and exog": (tobit(FRAME, formula="y ~ x"), ValueError, "exog does not apply to Tobit"),
    "start": (lambda: evb.Tobit().fit(Y, exog=X, init={"sigmas": 1.0}, **QUIET), ValueError, r"unknown \['sigmas'"),
}  # fmt: skip
PRIORS = {
    "joint size": ({"regression": NIG([0, 0, 0], np.eye(3), 2, 1)}, ValueError, r"\['regression'\].*\(3,\)"),
    "wrong size": ({"coefficients": p.Normal([0, 0, 0], 1.0)}, ValueError, r"priors\['coefficients'\].*\(3,\)"),
    "sigma, wrong size": ({"sigma": p.InverseGamma([2, 2], 1.0)}, ValueError, r"priors\['sigma'\].*\(2,\)"),
    "both": ({"coefficients": p.Normal(0, 1), "regression": PRIOR}, ValueError, "'regression'.*give one or the other"),
    "support": ({"sigma": evb.Prior("Normal", mu=0, sigma=1)}, ValueError, r"priors\['sigma'\].*support"),
    "family": ({"sigma": p.Gamma(1, 1)}, TypeError, r"priors\['sigma'\] must be InverseGamma"),
    "joint family": ({"regression": p.Normal(0, 1)}, TypeError, r"priors\['regression'\] must be NormalInverseGamma"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPECS)
def test_specs(case):
    call, error, match = SPECS[case]
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("case", DATA)
def test_data(case):
    call, error, match = DATA[case]
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("method", ["em", "gibbs", "nuts"])
@pytest.mark.parametrize("case", PRIORS)
def test_priors(case, method):
    priors, error, match = PRIORS[case]
    with pytest.raises(error, match=match):
        tobit(method=method, priors=priors)()


@pytest.mark.parametrize("fixed", [{"coefficients": [1.0, 2.0, 3.0]}, {"sigma": -1.0}, {"sigma": [1.0, 2.0]}])
def test_fixed_values(fixed):
    with pytest.raises(ValueError, match=rf"fixed\['{next(iter(fixed))}'\]"):
        tobit(fixed=fixed)()


def test_values_beyond_a_limit_are_taken_as_at_it_with_a_warning():
    with pytest.warns(UserWarning, match=r"y has 9 value\(s\) below lower=0"):
        fit = tobit(LATENT)()
    np.testing.assert_array_equal(fit.params["coefficients"], tobit(Y)().params["coefficients"])


# --- likelihoods without a maximum -----------------------------------------------------------------------------------

DUMMY = np.arange(N) % 4 == 0
WITH_DUMMY = np.column_stack([X, DUMMY])
ABOVE = np.column_stack([np.where(X[:, 1] > 0, 0.0, -INF), np.where(X[:, 1] > 0, INF, 0.0)])
FLOOR = np.floor(X @ [0.3, 1.0])
PROBIT = np.column_stack([np.where(LATENT > 0, 0.3, -INF), np.where(LATENT > 0, INF, 0.3)])
OPEN = np.where(np.arange(N)[:, None] % 2, [1.0, INF], [-INF, 0.0])  # each half at most with probability 1/2
UNBOUNDED = {
    "all at the limit": (evb.Tobit(priors={"regression": PRIOR}), np.zeros(N), X, "nothing holds the line or sigma"),
    "all from above": (evb.Tobit(lower=None, upper=2.0, priors={"regression": PRIOR}), np.full(N, 2.0), X, "nothing"),
    "a dummy, below": (evb.Tobit(), np.where(DUMMY, 0.0, Y), WITH_DUMMY, "x2 to -inf"),
    "a dummy, above": (evb.Tobit(upper=5.0), np.where(DUMMY, 5.0, np.minimum(Y, 5)), WITH_DUMMY, "x2 to inf"),
    "separated": (evb.CensoredRegression(priors={"regression": PRIOR}), ABOVE, X, "no maximum"),
    "a line through cells": (evb.CensoredRegression(), np.column_stack([FLOOR, FLOOR + 1]), X, "sigma runs to 0"),
    "fixed sigma": (evb.Tobit(fixed={"sigma": 1.0}), np.where(DUMMY, 0.0, Y), WITH_DUMMY, "x2 to -inf"),
    "one component": (evb.Mixture(e.CensoredRegression(lower=0), 1), np.where(DUMMY, 0.0, Y), WITH_DUMMY, "x2 to"),
    "exact rows on a line": (evb.Tobit(), np.maximum(X @ [1.0, 2.0], 0.0), X, "sigma runs to 0"),
    "a probit": (evb.CensoredRegression(priors={"regression": PRIOR}), PROBIT, X, "no single maximum"),
    "open intervals": (evb.CensoredRegression(), OPEN, X, "sigma runs to infinity"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNBOUNDED)
def test_em_says_that_there_is_no_maximum(case):
    spec, y, exog, words = UNBOUNDED[case]
    fit = spec.fit(y, "em", exog=exog, **QUIET)
    assert fit.status is Status.UNBOUNDED
    assert not fit.converged
    assert any(words in note and "objective='map'" in note for note in fit.notes)
    assert all(np.isfinite(value).all() for value in fit.params.values())


@pytest.mark.parametrize("case", UNBOUNDED)
@pytest.mark.parametrize("method", ["map", "vi", "gibbs", "nuts"])
def test_a_proper_prior_keeps_it_proper(case, method):
    spec, y, exog, _ = UNBOUNDED[case]
    options = {"method": method} if method != "map" else {"method": "em", "objective": "map"}
    fit = spec.fit(y, exog=exog, **options, **QUIET)
    assert fit.status in (Status.CONVERGED, Status.SAMPLED, Status.SUSPECT)
    assert all(np.isfinite(value).all() for value in fit.params.values())
    assert np.isfinite(fit.log_likelihood)


@pytest.mark.parametrize(
    "call",
    [tobit(np.zeros(N)), intervals(ABOVE), intervals(np.tile([-1.0, 1.0], (N, 1)))],
    ids=["at the limit", "separated", "one interval"],
)
def test_without_scale_priors_are_asked_for(call):
    with pytest.raises(ValueError, match=r"no maximum.*Give priors for 'coefficients' and 'sigma'"):
        call()


HEAVY = np.random.default_rng(2).exponential(size=N) ** 2  # a coefficient of variation above one


@pytest.mark.parametrize(
    ("y", "upper"), [(HEAVY, None), (np.where(DUMMY, 0.05, 0.95) * (1 + 0.04 * np.sin(np.arange(N))), 1.0)]
)
def test_em_says_that_a_truncated_regression_has_no_maximum(y, upper):
    fit = evb.TruncatedRegression(lower=0.0, upper=upper).fit(y, "em", exog=X, **QUIET)
    assert fit.status is Status.UNBOUNDED
    assert len(fit.history["objective"]) < 200
    assert any("no maximum" in note and "sigma runs to infinity" in note for note in fit.notes)


def test_a_censored_normal_without_a_maximum_is_said_to_have_none():
    y = np.column_stack([[1.0, 2.0, 3.0, 4.0], [INF] * 4])
    fit = evb.Mixture(e.CensoredNormal(), 1).fit(y, **QUIET)
    assert fit.status is Status.UNBOUNDED
    assert any("nothing holds the line or sigma" in note for note in fit.notes)


def test_weights_of_zero_are_rows_left_out():
    """Also of a factor's level, whose coefficient nothing then determines."""
    frame = FRAME.assign(g=np.where(DUMMY, "a", "b"))
    for rows, weights in (
        (frame, (~DUMMY) * 1.0),
        (frame[~DUMMY].assign(g=pd.Categorical(["b"] * 30, ["a", "b"])), None),
    ):
        with pytest.raises(ValueError, match="the level that the others of g are compared with"):
            evb.Tobit("y ~ x + g").fit(rows, weights=weights, **QUIET)


def test_gibbs_says_when_too_many_rows_are_hidden():
    priors = {"coefficients": p.Normal(0.0, 1.0), "sigma": p.InverseGamma(900.0, 900.0)}
    spec = evb.TruncatedRegression(lower=0.0, priors=priors, fixed={"coefficients": [-6.5]})
    fit = spec.fit(np.abs(Y[:6]) + 0.01, "gibbs", exog=X[:6, :1], draws=50, tune=10, chains=1, **QUIET)
    assert fit.status is Status.FAILED
    assert any("use nuts" in note for note in fit.notes)


@pytest.mark.parametrize("method", ["em", "vi", "laplace"])
@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_a_start_far_from_the_data_is_as_good_as_any(method, sigma):
    """There truncation hides 1e10 rows and more for each seen one, and sums over them would hold nothing of these."""
    init, rows = {"coefficients": [-6.0, 0.0], "sigma": sigma}, LATENT > 0.0
    far, near = (
        evb.TruncatedRegression(lower=0.0).fit(LATENT[rows], method, exog=X[rows], init=start, **QUIET)
        for start in (init, None)
    )
    assert far.status is near.status
    for name in ("coefficients", "sigma"):
        np.testing.assert_allclose(far.params[name], near.params[name], rtol=1e-5)


def test_values_at_the_limit_of_a_truncated_sample_are_doubted():
    y = np.abs(LATENT) + 0.01
    y[:3] = 0.0
    with pytest.warns(UserWarning, match=r"3 value\(s\) exactly at a limit.*Tobit"):
        evb.TruncatedRegression(lower=0.0).fit(y, "vi", exog=X, **QUIET)


@pytest.mark.parametrize("missing", [[NAN, NAN], [-INF, INF]])
@pytest.mark.parametrize("method", ["em", "vi"])
def test_a_row_without_a_response_says_nothing(method, missing):
    """It is there to be predicted."""
    fit = evb.CensoredRegression().fit(row(missing), method, exog=X, **QUIET)
    rest = evb.CensoredRegression().fit(np.delete(PAIRS, 3, axis=0), method, exog=np.delete(X, 3, axis=0), **QUIET)
    np.testing.assert_allclose(fit.params["coefficients"], rest.params["coefficients"], rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(rest.log_likelihood, rel=1e-8)
    assert fit.score_samples()[3] == 0.0
    assert fit.predict().shape == (N,)


def test_em_climbs_from_afar():
    """P(inside) of 3e-7 at the start."""
    spec, init = evb.TruncatedRegression(lower=0.0), {"coefficients": [-5.0, 0.0], "sigma": 1.0}
    y = np.abs(LATENT) + 0.01
    near, far = (spec.fit(y, "em", exog=X, init=i, **QUIET) for i in (None, init))
    assert near.converged and far.converged
    apart = np.abs(far.params["coefficients"] - near.params["coefficients"])
    assert (apart < 1e-3 * near.std_errors()["coefficients"]).all()


def test_fixing_the_dummy_makes_a_maximum():
    spec = evb.Tobit(fixed={"coefficients": [NAN, NAN, -3.0]})
    assert spec.fit(np.where(DUMMY, 0.0, Y), "em", exog=WITH_DUMMY, **QUIET).status is Status.CONVERGED
    weights = np.where(DUMMY & (np.arange(N) > 0), 0.0, 1.0)  # a row of weight zero tells nothing
    y = np.where(DUMMY, 3.0, Y)
    y[0] = 0.0
    fit = evb.Tobit().fit(y, "em", exog=WITH_DUMMY, weights=weights, **QUIET)
    assert fit.status is Status.UNBOUNDED


def test_the_verdict_is_that_of_the_likelihood():
    """Small random samples: where there is a maximum, EM stands on it; where there is none, EM still climbs."""
    rng, verdicts = np.random.default_rng(4), []
    for _ in range(60):
        n = int(rng.integers(5, 9))
        x = np.column_stack([np.ones(n), rng.integers(0, 3, n).astype(float)])
        if len(np.unique(x[:, 1])) < 2:
            continue
        y = x @ rng.normal(size=2) + rng.normal(size=n)
        low, high = np.floor(y), np.floor(y) + 1.0
        kind = rng.integers(0, 4, n)
        ends = np.column_stack([np.choose(kind, [y, low, -INF, low]), np.choose(kind, [y, INF, high, high])])
        if np.ptp(np.where(np.isinf(ends[:, 0]), ends[:, 1], ends[:, 0])) == 0.0:
            continue  # refused
        fit = evb.CensoredRegression().fit(ends, "em", exog=x, tol=1e-16, max_iter=20_000, **QUIET)
        b, sigma = fit.params["coefficients"], float(fit.params["sigma"])
        none = bool(runs_off(fit.program))
        verdicts.append(none)
        assert (fit.status is Status.UNBOUNDED) == none or fit.status is Status.COLLAPSED

        def height(z, ends=ends, x=x):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                terms = censored.censored_terms(ends, x, z[..., :2] / z[..., 2:], 1.0 / z[..., 2])
            return terms.sum(axis=-1)

        here = np.append(b, 1.0) / sigma  # where the likelihood is concave
        if none:
            continue
        gradient, _ = censored.differences(height, here, 1e-3 * np.maximum(np.abs(here), 0.1))
        assert np.abs(gradient).max() < 1e-3
        away = height(here + rng.normal(size=(200, 3)) * 0.3 * np.abs(here).max())  # concave: lower all around
        assert np.nanmax(away) < fit.log_likelihood + 1e-9
    assert 5 < sum(verdicts) < len(verdicts) - 5
