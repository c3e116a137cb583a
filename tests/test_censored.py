"""Censored and truncated regressions: the posterior by quadrature, what the models have in common, units, results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from naive import censored
from science.montecarlo import assert_mean, log_evidence_by_importance, posterior
from scipy import optimize, stats
from scipy.special import logsumexp

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
INF, NAN = np.inf, np.nan
X = np.column_stack([np.ones(7), [-1.0, -0.6, -0.1, 0.2, 0.7, 1.1, 1.4]])
Y = np.array([0.0, 0.0, 0.4, 1.3, 3.0, 2.2, 3.0])
ENDS = np.array([[0.2, 0.2], [-INF, 0.5], [0.4, INF], [1.0, 2.5], [1.9, 1.9], [2.0, INF], [-1.0, 4.0]])
KAPPA = np.array([[0.6, 0.1], [0.1, 0.4]])
JOINT = p.NormalInverseGamma([0.5, 1.0], KAPPA, 3.0, 2.5), censored.NormalInverseGamma([0.5, 1.0], KAPPA, 3.0, 2.5)
APART = (
    {"coefficients": p.Normal(0.5, 2.0), "sigma": p.InverseGamma(3.0, 2.5)},
    censored.Independent(0.5, 2.0, 3.0, 2.5),
)


@dataclass(frozen=True)
class Case:
    """A spec without priors, data, and the same likelihood row by row from the oracle."""

    make: Any
    y: Any
    terms: Any

    def spec(self, priors):
        return self.make(priors=priors if isinstance(priors, dict) else {"regression": priors})

    def exact(self, prior):
        return censored.posterior(self.terms, prior, (np.array([0.8, 1.0]), 1.0), step=0.15)


INSIDE = np.array([0.3, 0.2, 0.9, 1.3, 2.1, 2.7, 2.4])
CASES = {
    "tobit": Case(
        partial(evb.Tobit, upper=3.0), Y, partial(censored.censored_terms, censored.tobit_intervals(Y, 0.0, 3.0), X)
    ),
    "intervals": Case(evb.CensoredRegression, ENDS, partial(censored.censored_terms, ENDS, X)),
    "truncated": Case(
        partial(evb.TruncatedRegression, lower=0.0, upper=4.0),
        INSIDE,
        partial(censored.truncated_terms, INSIDE, X, lower=0.0, upper=4.0),
    ),
    "truncated far": Case(
        partial(evb.TruncatedRegression, lower=-1.5, upper=5.5),
        INSIDE,
        partial(censored.truncated_terms, INSIDE, X, lower=-1.5, upper=5.5),
    ),
    "truncated below": Case(
        partial(evb.TruncatedRegression, lower=-1.0), INSIDE, partial(censored.truncated_terms, INSIDE, X, lower=-1.0)
    ),
}
every_case = pytest.mark.parametrize("name", CASES)
# Where responses fill the space between the limits, P(inside) may be tiny, and Gibbs mixes in millions of sweeps.
MIXING = [name for name in CASES if name != "truncated"]
every_prior = pytest.mark.parametrize("prior", [JOINT, APART], ids=["joint", "independent"])


# --- the posterior of seven rows, by quadrature ----------------------------------------------------------------------


@every_prior
@every_case
def test_the_bound_lies_just_below_the_evidence(name, prior):
    case, (own, theirs) = CASES[name], prior
    exact = case.exact(theirs)
    assert exact.error < 1e-3 and exact.edge < 1e-6
    fit = case.spec(own).fit(case.y, "vi", exog=X, **QUIET)
    assert fit.converged
    assert exact.log_evidence - (2.0 if name == "truncated" else 1.0) < fit.elbo < exact.log_evidence


@every_case
def test_the_bound_where_only_sigma_is_unknown(name):
    """Mean field is one factor here: but for the hidden responses it would be exact."""
    case, prior = CASES[name], censored.Independent(0.5, 2.0, 3.0, 2.5)
    b = np.array([0.9, 1.0])
    grid = np.linspace(-6.0, 8.0, 4001)  # log sigma^2
    sigmas = np.exp(grid / 2)
    density = case.terms(np.tile(b, (len(grid), 1)), sigmas).sum(axis=-1)
    prior_density = prior.log_density(np.tile(b, (len(grid), 1)), sigmas**2) - stats.norm(0.5, 2.0).logpdf(b).sum()
    evidence = logsumexp(density + prior_density + grid) + np.log(grid[1] - grid[0])
    fit = case.make(priors=APART[0], fixed={"coefficients": b}).fit(case.y, "vi", exog=X, **QUIET)
    assert evidence - 1.0 < fit.elbo < evidence


@every_case
def test_the_mode(name):
    """Of the density in b and sigma."""
    case, (own, theirs) = CASES[name], JOINT
    fit = case.spec(own).fit(case.y, "em", objective="map", exog=X, **QUIET)
    assert fit.converged

    def height(x):
        return -censored.log_joint(case.terms, theirs, x[:2], x[2]) - np.log(2 * x[2])

    at = np.append(fit.params["coefficients"], fit.params["sigma"])
    best = optimize.minimize(height, at * 1.01, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
    assert fit.history["objective"][-1] == pytest.approx(-best.fun, abs=1e-9)
    np.testing.assert_allclose(at, best.x, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "method", "options"),
    [
        *((name, "gibbs", {"draws": 8000, "chains": 2}) for name in MIXING),
        *((name, "nuts", {"draws": 3000}) for name in CASES),
    ],
)
def test_the_moments(name, method, options):
    case, (own, theirs) = CASES[name], JOINT
    exact = case.exact(theirs)
    draws = posterior(case.spec(own).fit(case.y, method, exog=X, **options, **QUIET))
    for j in range(2):
        b = draws["coefficients"][..., j]
        assert_mean(b, exact.mean[j], f"coefficient {j}")
        assert_mean((b - exact.mean[j]) ** 2, exact.sd[j] ** 2, f"variance of coefficient {j}")
    assert_mean(draws["sigma"], exact.sigma, "sigma")


@every_case
def test_the_evidence_by_importance(name):
    case, (own, theirs) = CASES[name], JOINT
    evidence, error = log_evidence_by_importance(case.spec(own).fit(case.y, "laplace", exog=X, draws=20_000, **QUIET))
    assert error < 0.1
    assert evidence == pytest.approx(case.exact(theirs).log_evidence, abs=4 * error)


# --- models that are one model ---------------------------------------------------------------------------------------


def test_exact_responses_are_a_linear_regression():
    """All methods' targets: evidence in closed form, likelihood and prior at a point."""
    own, theirs = JOINT
    y = 0.5 + X @ [0.3, 1.0] + np.array([0.1, -0.5, 0.4, 0.9, -0.7, 0.2, -0.1])
    pairs = np.column_stack([y, y])
    spec, plain = evb.CensoredRegression(priors={"regression": own}), evb.Mixture(e.LinearRegression(), 1)
    fit = spec.fit(pairs, "vi", exog=X, **QUIET)
    after, evidence = theirs.after(X, y)
    assert fit.elbo == pytest.approx(evidence, rel=1e-11)
    np.testing.assert_allclose(fit.params["coefficients"], after.mean, atol=0.05)  # of 2000 draws
    em, ols = spec.fit(pairs, "em", exog=X, **QUIET), plain.fit(y, "em", exog=X, **QUIET)
    np.testing.assert_allclose(em.params["coefficients"], ols.params["coefficients"][0], rtol=1e-10)
    assert em.log_likelihood == pytest.approx(ols.log_likelihood, rel=1e-12)
    assert em.n_parameters == 3


@pytest.mark.parametrize("method", ["em", "vi", "gibbs"])
def test_a_tobit_is_intervals(method):
    """The same numbers, draws included; default priors too."""
    ends = censored.tobit_intervals(Y, 0.0, 3.0)
    one = evb.Tobit(upper=3.0).fit(Y, method, exog=X, **QUIET)
    other = evb.CensoredRegression().fit(ends, method, exog=X, **QUIET)
    for name, value in one.params.items():
        np.testing.assert_array_equal(other.params[name], value)


@pytest.mark.parametrize("method", ["em", "vi"])
@pytest.mark.parametrize("name", ["tobit", "truncated"])
def test_a_mixture_of_one_component_is_the_regression(name, method):
    case = CASES[name]
    single = case.make()
    emission = single.model_emission.regression
    options = {"tol": 1e-13, **QUIET}  # they start elsewhere
    one = single.fit(case.y, method, exog=X, **options)
    other = evb.Mixture(emission, 1).fit(case.y, method, exog=X, **options)
    assert one.history["objective"][-1] == pytest.approx(other.history["objective"][-1], rel=1e-11)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-11 if method == "em" else 1e-6)


def test_limits_out_of_reach_change_nothing():
    y = 5.0 + X @ [0.3, 1.0] + np.array([0.1, -0.5, 0.4, 0.9, -0.7, 0.2, -0.1])
    plain = evb.Mixture(e.LinearRegression(), 1).fit(y, "vi", exog=X, **QUIET)
    for spec in (evb.Tobit(lower=-1e6), evb.TruncatedRegression(lower=-1e6, upper=1e6)):
        assert spec.fit(y, "vi", exog=X, **QUIET).elbo == pytest.approx(plain.elbo, rel=1e-11)


@every_case
def test_case_weights_repeat_rows(name):
    case, times = CASES[name], np.array([1, 2, 1, 3, 1, 1, 2])
    spec = case.spec(JOINT[0])
    for method in ("em", "vi"):
        weighted = spec.fit(case.y, method, exog=X, weights=times, **QUIET)
        repeated = spec.fit(np.repeat(case.y, times, axis=0), method, exog=np.repeat(X, times, axis=0), **QUIET)
        assert weighted.history["objective"][-1] == pytest.approx(repeated.history["objective"][-1], rel=1e-11)
        np.testing.assert_allclose(weighted.params["coefficients"], repeated.params["coefficients"], rtol=1e-7)


# --- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["em", "vi", "gibbs"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1e-6), (40.0, 3.0), (-2.0, 1e5)])
def test_shifts_and_scales_go_through(name, method, shift, scale):
    """y -> shift + scale y with the limits: the default priors follow."""
    case = CASES[name]
    if method == "gibbs":  # the same random numbers: the same draws
        options, rtol = {"draws": 200, "tune": 50, "chains": 1}, 1e-5
    else:
        options, rtol = {}, 1e-5
    one, spec = case.make(), case.make()
    moved = {
        end: shift + scale * value for end in ("lower", "upper") if (value := getattr(spec, end, None)) is not None
    }
    other = type(spec)(**moved).fit(shift + scale * case.y, method, exog=X, **options, **QUIET)
    one = one.fit(case.y, method, exog=X, **options, **QUIET)
    assert one.status is other.status
    np.testing.assert_allclose(
        (other.params["coefficients"] - [shift, 0.0]) / scale, one.params["coefficients"], rtol=rtol, atol=rtol
    )
    assert other.params["sigma"] / scale == pytest.approx(one.params["sigma"], rel=rtol)


@pytest.mark.parametrize("method", ["em", "vi"])
def test_the_mirror_image(method):
    """-y censored above at -L is y censored below at L, with coefficients of the other sign."""
    y = np.maximum(Y, 0.3)
    below = evb.Tobit(lower=0.3).fit(y, method, exog=X, **QUIET)
    above = evb.Tobit(lower=None, upper=-0.3).fit(-y, method, exog=X, **QUIET)
    assert above.history["objective"][-1] == pytest.approx(below.history["objective"][-1], rel=1e-10)
    if method == "em":
        np.testing.assert_allclose(above.params["coefficients"], -below.params["coefficients"], rtol=1e-6)


# --- results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [evb.CensoredRegression, lambda: evb.Mixture(e.CensoredRegression(), 2)])
@pytest.mark.parametrize("method", ["em", "gibbs"])
def test_both_ends_are_in_the_observed_data(make, method):
    """And every row has its term, whichever of its ends is infinite."""
    ends = np.vstack([ENDS, ENDS + 3.0])
    fit = make().fit(ends, method, exog=np.vstack([X, X]), **QUIET)
    tree = fit.idata
    np.testing.assert_array_equal(tree.observed_data["y"], ends)
    assert tree.observed_data["y"].dims == ("obs", "end")
    assert tree.log_likelihood.sizes["obs"] == len(ends)


def test_missing_rows_of_a_stream_say_nothing():
    """In a product the others go on; the intervals' own way of saying so is the whole line."""
    u = np.array([1.0, 3.0, 2.0, 0.5, 2.5, 1.5, 4.0])
    by_nan, by_line = ENDS.copy(), ENDS.copy()
    by_nan[2], by_line[2] = NAN, [-INF, INF]
    spec = evb.Mixture(e.Product(u=e.Normal(), v=e.CensoredRegression()), 1)
    fits = [spec.fit({"u": u, "v": v}, "em", exog=X, **QUIET) for v in (by_nan, by_line)]
    rest = np.arange(7) != 2
    alone = evb.CensoredRegression().fit(ENDS[rest], "em", exog=X[rest], **QUIET)
    for fit in fits:
        np.testing.assert_allclose(fit.params["v_coefficients"][0], alone.params["coefficients"], rtol=1e-6)
        assert fit.params["u_means"][0] == pytest.approx(u.mean(), rel=1e-10)


def test_a_frame_of_intervals_is_saved(tmp_path):
    frame = pd.DataFrame({"low": ENDS[:, 0], "high": ENDS[:, 1], "x": X[:, 1]})
    fit = evb.CensoredRegression("censored(low, high) ~ x").fit(frame, "em", **QUIET)
    fit.save(tmp_path / "fit")
    back = evb.load(tmp_path / "fit")
    pd.testing.assert_frame_equal(back.program.y, frame)
    np.testing.assert_array_equal(back.score_samples(), fit.score_samples())
    np.testing.assert_allclose(
        fit.params["coefficients"], evb.CensoredRegression().fit(ENDS, "em", exog=X, **QUIET).params["coefficients"]
    )


def test_products_summed_once_are_those_of_the_rows_in_use():
    rng = np.random.default_rng(31)
    x = np.column_stack([np.ones(40), rng.normal(size=40)])
    y, weights = np.maximum(x @ [0.5, 1.0] + rng.normal(size=40), 0.0), rng.integers(1, 4, size=40).astype(float)
    y[::7] = np.nan
    program = evb.Tobit(lower=0.0).fit(y, "em", exog=x, weights=weights, progressbar=False).program
    seen = ~np.isnan(y)
    np.testing.assert_allclose(program.data.known.reshape(2, 2), (weights[seen, None] * x[seen]).T @ x[seen])
    twice = replace(program, data=program.data.changed(weights=2.0 * weights))
    theta = program.theta_of({"coefficients": [0.4, 0.9], "sigma": 1.1})
    for one in (program, program.copies, twice):  # against the rows one by one
        expected = one.pointwise(theta) @ one.case_weights
        assert one.log_likelihood(theta) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(*(one.expect(one.potentials(theta))[1] for one in (program, program.copies)), rtol=1e-12)
    assert program.copies.n == weights.sum()
