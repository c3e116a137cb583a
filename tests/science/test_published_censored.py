"""Censored and truncated regressions: published and exact answers. Values and sources: `reference_censored.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from naive import censored
from science import reference_censored as reference
from science.montecarlo import assert_mean, assert_sd, log_evidence_by_importance, posterior

import em_vs_bayes as evb
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}


@dataclass(frozen=True)
class Case:
    """Data for the package, the same for the oracle, and what is expected."""

    spec: Callable[[], Any]  # makes it, so that a reference is checked without it
    y: Any
    terms: Callable[[Any, Any], np.ndarray]  # of the oracle: (b, sigma) -> log density of each row
    wanted: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self):
        return self.options.get("weights")

    def fit(self, method="em", **options):
        return self.spec().fit(self.y, method, **self.options, **QUIET, **options)


def with_intercept(*columns):
    return np.column_stack([np.ones(len(columns[0])), *columns])


def intervals_spec(formula=None):
    return lambda: evb.CensoredRegression(formula)


def tobin():
    frame = evb.datasets.load("tobin")
    intervals = censored.tobit_intervals(frame["durable"])
    terms = partial(censored.censored_terms, intervals, with_intercept(frame["age"], frame["quant"]))
    return Case(lambda: evb.Tobit("durable ~ age + quant"), frame, terms, reference.TOBIN)


FAIR = "affairs ~ age + yearsmarried + religiousness + occupation + rating"


def affairs(upper=None, wanted=reference.AFFAIRS):
    frame = evb.datasets.load("affairs")
    intervals = censored.tobit_intervals(frame["affairs"], upper=upper)
    terms = partial(censored.censored_terms, intervals, with_intercept(frame.to_numpy()[:, 1:]))
    return Case(lambda: evb.Tobit(FAIR, upper=upper), frame, terms, wanted)


def affairs_as_intervals():
    case = affairs()
    ends = censored.tobit_intervals(case.y["affairs"])
    frame = case.y.assign(lower=ends[:, 0], upper=ends[:, 1])
    spec = intervals_spec(FAIR.replace("affairs ~", "censored(lower, upper) ~"))
    return Case(spec, frame, case.terms, reference.AFFAIRS)


def affairs_truncated():
    frame = evb.datasets.load("affairs").query("affairs > 0").reset_index(drop=True)
    X = with_intercept(frame.to_numpy()[:, 1:])
    terms = partial(censored.truncated_terms, frame["affairs"], X, lower=0.0)
    return Case(lambda: evb.TruncatedRegression(FAIR, lower=0.0), frame, terms, reference.AFFAIRS_TRUNCATED)


def motorette(formula=True):
    frame = evb.datasets.load("motorette")
    low = np.log10(frame["time"].to_numpy())
    ends = np.column_stack([low, np.where(frame["status"] == 1, low, np.inf)])
    X = with_intercept(1000 / (frame["temp"] + 273.2))
    terms = partial(censored.censored_terms, ends, X)
    if not formula:
        return Case(intervals_spec(), ends, terms, reference.MOTORETTE, {"exog": X})
    frame = frame.assign(lower=ends[:, 0], upper=ends[:, 1])
    spec = intervals_spec("censored(lower, upper) ~ I(1000 / (temp + 273.2))")
    return Case(spec, frame, terms, reference.MOTORETTE)


def crimtab():
    frame = evb.datasets.load("crimtab")
    ends, count = frame[["lower", "upper"]].to_numpy(), frame["count"].to_numpy(float)
    terms = partial(censored.censored_terms, ends, np.ones((len(ends), 1)))
    return Case(intervals_spec(), ends, terms, reference.CRIMTAB, {"weights": count})


def turbine():
    """One row for the wheels with a crack at each age, one for those without: all are censored."""
    frame = evb.datasets.load("turbine")
    age, cracked = np.log(frame["hours"].to_numpy()), frame["failed"].to_numpy(float)
    before = np.column_stack([np.full(len(age), -np.inf), age])
    after = np.column_stack([age, np.full(len(age), np.inf)])
    ends, weights = np.concatenate([before, after]), np.concatenate([cracked, frame["inspected"] - cracked])
    rows = pd.DataFrame({"lower": ends[:, 0], "upper": ends[:, 1]})
    terms = partial(censored.censored_terms, ends, np.ones((len(ends), 1)))
    spec = intervals_spec("censored(lower, upper) ~ 1")
    return Case(spec, rows, terms, reference.TURBINE, {"weights": weights})


CASES = {
    "tobin": tobin,
    "affairs": affairs,
    "affairs as intervals": affairs_as_intervals,
    "affairs truncated": affairs_truncated,
    "motorette": motorette,
    "motorette, exog": partial(motorette, formula=False),
    "crimtab": crimtab,
    "turbine": turbine,
}
BOTH = partial(affairs, 4.0, reference.AFFAIRS_BOTH)


# --- the references themselves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*CASES.values(), BOTH], ids=[*CASES, "affairs, both sides"])
def test_the_reference_is_the_maximum(case):
    """By the likelihood as it is defined: its value, a Newton step of nothing, its curvature."""
    case = case()
    b, sigma = np.array(case.wanted["coefficients"]), case.wanted["sigma"]
    assert censored.total(case.terms, b, sigma, case.weights) == pytest.approx(case.wanted["loglik"], abs=1e-8)
    step, covariance = censored.newton(case.terms, b, sigma, case.weights)
    errors = np.sqrt(np.diag(covariance))
    assert np.abs(step / errors).max() < 1e-4
    np.testing.assert_allclose(
        case.wanted["vcov"] / np.outer(errors, errors), covariance / np.outer(errors, errors), atol=2e-4
    )


def test_printed_figures():
    """What the sources print is what the references round to."""
    both = reference.AFFAIRS_BOTH
    np.testing.assert_allclose(
        [*both["coefficients"], np.log(both["sigma"])], reference.AFFAIRS_BOTH_PRINTED["estimates"], atol=6e-6
    )
    np.testing.assert_allclose(np.sqrt(np.diag(both["vcov"])), reference.AFFAIRS_BOTH_PRINTED["se"], atol=6e-6)
    printed = (8.174, -0.179, 0.554, -1.686, 0.326, -2.285, 2.110)
    affairs = reference.AFFAIRS
    np.testing.assert_allclose([*affairs["coefficients"], np.log(affairs["sigma"])], printed, atol=6e-4)
    motorette = reference.MOTORETTE
    np.testing.assert_allclose([*motorette["coefficients"], motorette["sigma"]], (-6.019, 4.311, 0.2592), atol=6e-4)


def test_the_exact_posterior():
    """The trapezoidal rule at a coarser step than the reference's."""
    wanted, (_, X, intervals) = reference.TOBIN_BAYES, tobin_design()
    terms = partial(censored.censored_terms, intervals, X)
    found = censored.posterior(
        terms, censored.Independent(0.0, 10.0, 3.0, 30.0), (np.array([-2.0, -1.0, -0.4]), 5.0), step=0.3
    )
    assert found.log_evidence == pytest.approx(wanted["log_evidence"], abs=1e-6)
    np.testing.assert_allclose(found.mean, wanted["coefficients"], atol=1e-5)
    np.testing.assert_allclose(found.sd, wanted["coefficients_sd"], atol=1e-5)
    assert (found.sigma, found.sigma_sd) == pytest.approx((wanted["sigma"], wanted["sigma_sd"]), abs=1e-5)
    assert found.variance == pytest.approx(wanted["variance"], abs=1e-4)
    assert found.edge < 1e-9


# --- EM: maximum likelihood ------------------------------------------------------------------------------------------


def check_maximum(fit, wanted, rtol=1e-3):
    """Estimates within a thousandth, relative and of their standard errors; the covariance of (b, log sigma)."""
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-5)
    b, sigma = np.array(wanted["coefficients"]), wanted["sigma"]
    errors = np.sqrt(np.diag(wanted["vcov"]))
    np.testing.assert_allclose(fit.params["coefficients"], b, rtol=rtol)
    assert np.abs((fit.params["coefficients"] - b) / errors[:-1]).max() < 1e-3
    assert np.shape(fit.params["sigma"]) == ()
    assert fit.params["sigma"] == pytest.approx(sigma, rel=rtol)
    assert fit.n_parameters == len(b) + 1
    to_log = np.diag([*np.ones(len(b)), 1 / fit.params["sigma"]])  # the delta method: d log sigma = d sigma / sigma
    got = to_log @ fit.vcov("observed").to_numpy() @ to_log
    np.testing.assert_allclose(got / np.outer(errors, errors), wanted["vcov"] / np.outer(errors, errors), atol=2e-3)
    np.testing.assert_allclose(fit.std_errors()["coefficients"], errors[:-1], rtol=1e-3)
    assert fit.std_errors()["sigma"] == pytest.approx(errors[-1] * sigma, rel=2e-3)


@pytest.mark.parametrize("case", CASES)
def test_maximum_likelihood(case):
    case = CASES[case]()
    check_maximum(case.fit(), case.wanted, rtol=1e-5 if case.wanted is reference.CRIMTAB else 1e-3)


def test_censored_on_both_sides():
    case = BOTH()
    with pytest.warns(UserWarning, match="upper"):  # 7 and 12 are past it: they are taken as censored there
        fit = case.fit()
    check_maximum(fit, case.wanted)


@pytest.mark.parametrize("accelerate", [None, "squarem"])
def test_with_and_without_acceleration(accelerate):
    case = motorette()
    check_maximum(case.fit(accelerate=accelerate), case.wanted)


@pytest.mark.parametrize("case", CASES)
def test_log_likelihood_at_the_published_estimates(case):
    """Row by row, so that no two errors cancel."""
    case = CASES[case]()
    b, sigma = np.array(case.wanted["coefficients"]), case.wanted["sigma"]
    exog = {name: value for name, value in case.options.items() if name == "exog"}
    at = case.spec().at(case.y, {"coefficients": b, "sigma": sigma}, **exog)
    np.testing.assert_allclose(at.score_samples(), case.terms(b, sigma), rtol=1e-10)
    if case.weights is None:
        assert at.log_likelihood == pytest.approx(case.wanted["loglik"], abs=1e-8)


# --- the Bayesian Tobit ----------------------------------------------------------------------------------------------

PRIORS = {"coefficients": p.Normal(0.0, 10.0), "sigma": p.InverseGamma(3.0, 30.0)}


def tobin_design():
    """Response, predictors that are centred and scaled, what is known of the response."""
    frame = evb.datasets.load("tobin")
    X = with_intercept((frame["age"] - 50) / 10, (frame["quant"] - 250) / 10)
    return frame["durable"].to_numpy(), X, censored.tobit_intervals(frame["durable"])


@pytest.mark.parametrize(("method", "options"), [("gibbs", {"draws": 15_000}), ("nuts", {"draws": 5000})])
def test_bayesian_tobit(method, options):
    y, X, _ = tobin_design()
    wanted = reference.TOBIN_BAYES
    draws = posterior(evb.Tobit(priors=PRIORS).fit(y, method, exog=X, **options, **QUIET))
    for j, (mean, sd) in enumerate(zip(wanted["coefficients"], wanted["coefficients_sd"])):
        assert_mean(draws["coefficients"][..., j], mean, f"coefficients[{j}]")
        assert_sd(draws["coefficients"][..., j], sd, f"coefficients[{j}]", relative=0.04)
    assert_mean(draws["sigma"], wanted["sigma"], "sigma")
    assert_sd(draws["sigma"], wanted["sigma_sd"], "sigma", relative=0.04)
    assert_mean(draws["sigma"] ** 2, wanted["variance"], "sigma^2")


def test_bayesian_tobit_as_intervals():
    """The same model by its other name, with a formula."""
    frame, wanted = evb.datasets.load("tobin"), reference.TOBIN_BAYES
    ends = tobin_design()[2]
    frame = frame.assign(lower=ends[:, 0], upper=ends[:, 1])
    formula = "censored(lower, upper) ~ I((age - 50) / 10) + I((quant - 250) / 10)"
    draws = posterior(evb.CensoredRegression(formula, priors=PRIORS).fit(frame, "gibbs", draws=5000, **QUIET))
    for j, mean in enumerate(wanted["coefficients"]):
        assert_mean(draws["coefficients"][..., j], mean, f"coefficients[{j}]")
    assert_mean(draws["sigma"], wanted["sigma"], "sigma")


def test_bayesian_tobit_evidence():
    y, X, _ = tobin_design()
    fit = evb.Tobit(priors=PRIORS).fit(y, "laplace", exog=X, draws=20_000, **QUIET)
    evidence, error = log_evidence_by_importance(fit)
    assert error < 0.05
    assert evidence == pytest.approx(reference.TOBIN_BAYES["log_evidence"], abs=4 * error)
