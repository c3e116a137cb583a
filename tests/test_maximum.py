"""The end of an EM fit is a maximum: saddle points are left, and what is alike is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.methods.ascent import Climb
from em_vs_bayes.methods.maximum import errors, lowest

QUIET = {"progressbar": False, "seed": 1}
MURRAY = evb.datasets.load("murray")


@pytest.mark.parametrize("seed", [1, 2])
def test_bivariate_normal_leaves_the_saddle_at_no_correlation(seed):
    """Murray (1977): two maxima at correlations of 1/2 and -1/2, variances 8/3, a saddle point between them."""
    fit = evb.GaussianMixture(1).fit(MURRAY, progressbar=False, seed=seed)
    (a, b), (_, c) = fit.params["covariances"][0]
    np.testing.assert_allclose([a, abs(b), c], [8 / 3, 4 / 3, 8 / 3], rtol=1e-5)
    y = MURRAY.to_numpy(dtype=float)
    whole, parts = ~np.isnan(y).any(axis=1), np.isnan(y).any(axis=1)
    wanted = stats.multivariate_normal.logpdf(y[whole], [0, 0], [[8 / 3, 4 / 3], [4 / 3, 8 / 3]]).sum()
    wanted += stats.norm.logpdf(y[parts][~np.isnan(y[parts])], 0, np.sqrt(8 / 3)).sum()
    assert fit.log_likelihood == pytest.approx(wanted, abs=1e-9)
    assert fit.converged
    assert np.diff(fit.history["objective"]).min() > -1e-12
    assert np.isfinite(np.concatenate([v.ravel() for v in fit.std_errors().values()])).all()


def _far_apart(rng):
    return np.r_[rng.normal(size=(60, 2)), rng.normal(4.0, 1.0, (90, 2))]


RNG = np.random.default_rng(0)
STATES = np.repeat(RNG.integers(2, size=20), 8)
ALIKE = {
    "full": (evb.GaussianMixture(2), _far_apart(RNG), {"means": np.zeros((2, 2)), "covariances": [np.eye(2)] * 2}),
    "diag": (
        evb.GaussianMixture(2, "diag"),
        _far_apart(RNG),
        {"means": np.ones((2, 2)), "covariances": [np.eye(2)] * 2},
    ),
    "poisson": (evb.Mixture(e.Poisson(), 2), np.r_[RNG.poisson(2, 80), RNG.poisson(9, 80)], {"rates": [4.0, 4.0]}),
    "exponential": (
        evb.Mixture(e.Exponential(), 2),
        np.r_[RNG.exponential(1, 150), RNG.exponential(9, 80)],
        {"rates": [1.0, 1.0]},
    ),
    "chain": (
        evb.HMM(e.Normal(), 2),
        RNG.normal(3.0 * STATES),
        {"initial": [0.5, 0.5], "transition": [[0.5, 0.5], [0.5, 0.5]], "means": [0.0, 0.0], "sigmas": [1.0, 1.0]},
    ),
}


@pytest.mark.parametrize("case", ALIKE)
@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_components_that_began_alike_part(case, unit):
    spec, y, start = ALIKE[case]
    start = {"weights": [0.5, 0.5], **start} if case != "chain" else start
    if case != "poisson":  # counts have no units
        powers = {"means": 1, "sigmas": 1, "covariances": 2, "rates": -1}
        y, start = y * unit, {name: np.asarray(value) * unit ** powers.get(name, 0) for name, value in start.items()}
    fit, best = spec.fit(y, init=start, **QUIET), spec.fit(y, **QUIET)
    assert fit.log_likelihood == pytest.approx(best.log_likelihood, abs=1e-6)
    assert not any("same emission" in note for note in fit.notes)


def test_components_that_the_data_hold_alike_are_said():
    even = np.repeat([1.0, 2.0, 3.0], [5, 10, 5])  # less spread than any Poisson mixture of two
    fit = evb.Mixture(e.Poisson(), 2).fit(even, init={"weights": [0.5, 0.5], "rates": [2.5, 2.5]}, **QUIET)
    assert fit.converged
    np.testing.assert_allclose(fit.params["rates"], 2.0)
    assert any("0 and 1 have the same emission" in note for note in fit.notes)


def test_a_saddle_that_is_not_left_is_called_one(monkeypatch):
    """Murray's data without a way to go on: the climb ends at no correlation."""
    monkeypatch.setattr("em_vs_bayes.methods.driving.ROUNDS", 0)
    fit = evb.GaussianMixture(1).fit(MURRAY, **QUIET)
    np.testing.assert_allclose(fit.params["covariances"][0, 0, 1], 0.0, atol=1e-6)
    assert fit.status is evb.Status.SADDLE
    assert not fit.converged
    assert any("way up" in note for note in fit.notes)


def _answers(rng, n, columns, k):
    """Rows of yes and no from k latent classes."""
    yes, own = rng.uniform(0.1, 0.9, (k, columns)), rng.integers(k, size=n)
    return pd.DataFrame((rng.random((n, columns)) < yes[own]).astype(int), columns=list("abcdef")[:columns])


def _classes(columns, k):
    return evb.Mixture(e.Product(**{name: e.Bernoulli() for name in "abcdef"[:columns]}), k)


def _never_together():
    y = RNG.normal(size=(80, 2))
    y[:40, 0] = y[40:, 1] = np.nan
    return y


HALVES = {"weights": [0.5, 0.5], "probs": [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]}
MANY = {  # more parameters than the data have to say, and which of them move
    "one trial": (evb.Mixture(e.Bernoulli(), 2), RNG.integers(2, size=90), "weights, probs"),
    "one answer": (evb.Mixture(e.Categorical(4), 2), RNG.integers(4, size=200), "7 free parameters"),
    "two answers": (_classes(2, 2), _answers(RNG, 300, 2, 2), "Not identified"),
    "never together": (evb.GaussianMixture(1), _never_together(), "covariances"),
}


@pytest.mark.parametrize("case", MANY)
def test_what_the_data_do_not_identify_is_said(case):
    spec, y, wanted = MANY[case]
    fit = spec.fit(y, init=HALVES if case == "one answer" else None, **QUIET)
    (note,) = [note for note in fit.notes if note.startswith("Not identified")]
    assert wanted in note
    if case == "one answer":  # another maximum, far off, that is as high
        other = {"weights": [0.5, 0.5], "probs": np.tile(np.bincount(y) / len(y), (2, 1))}
        assert spec.at(y, other).log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_nearly_flat_is_not_called_so(seed):
    rng = np.random.default_rng(seed)
    ordinary = [
        (evb.Mixture(e.Poisson(), 2), np.r_[rng.poisson(2, 300), rng.poisson(3, 300)]),
        (evb.Mixture(e.Normal(), 2), rng.normal(size=300)),
        (_classes(3, 2), _answers(rng, 300, 3, 2)),  # seven parameters for the shares of eight rows
        (evb.HMM(e.Normal(), 2), rng.normal(size=200)),
    ]
    for spec, y in ordinary:
        assert not any("Not identified" in note for note in spec.fit(y, **QUIET).notes)


@pytest.mark.parametrize("units", [np.ones(3), np.array([1e-9, 1.0, 1e12])])
def test_curvature_is_read_in_any_units(units):
    """A quadratic with a known Hessian, one of its directions upwards."""
    hessian = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, 1.2], [0.0, 1.2, 1.0]])

    def gradient(x):
        return -(hessian @ (x / units)) / units

    unit = errors(gradient, np.array([0.0, 1.0, -2.0]) * units, np.arange(3))
    np.testing.assert_allclose(unit, units / np.sqrt(np.diag(hessian)), rtol=1e-6)
    value, vector = lowest(lambda v: -unit * gradient(unit * v), unit > 0.0, 3)
    scaled = hessian / np.sqrt(np.outer(np.diag(hessian), np.diag(hessian)))
    assert value == pytest.approx(np.linalg.eigvalsh(scaled)[0], rel=1e-8)
    np.testing.assert_allclose(scaled @ vector, value * vector, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_a_maximum_is_left_alone(seed):
    y = np.random.default_rng(seed).normal(size=(80, 2)) + 3.0 * (np.arange(80) % 2)[:, None]
    fit = evb.GaussianMixture(2).fit(y, progressbar=False, seed=seed)
    again = evb.GaussianMixture(2).fit(y, init=fit, progressbar=False)
    assert again.n_iter < 5
    assert again.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-9)


# --- collapse, infinite rates, infinite priors, nothing possible ----------------------------------------------------


def _two(rng, sd, n=200):
    return np.r_[rng.normal(0.0, sd, n), rng.normal(1000.0, sd, n)]


@pytest.mark.parametrize("sd", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("unit", [1.0, 1e-140])
def test_tight_clusters_far_apart_are_no_collapse(sd, unit):
    y = _two(np.random.default_rng(0), sd)
    for spec in (evb.Mixture(e.Normal(), 2), evb.HMM(e.Normal(), 2)):
        fit = spec.fit(y * unit, **QUIET)
        assert fit.converged, fit.notes
        own = np.sort([y[:200].std(), y[200:].std()])
        np.testing.assert_allclose(np.sort(fit.params["sigmas"]) / unit, own, rtol=1e-4 if sd < 0.01 else 1e-6)


@pytest.mark.parametrize("covariance", ["full", "diag", "tied", "spherical"])
def test_tight_clouds_far_apart_are_no_collapse(covariance):
    rng = np.random.default_rng(0)
    y = np.vstack([rng.normal(at, 0.01, (100, 2)) for at in ([0.0, 0.0], [1000.0, 0.0], [0.0, 500.0])])
    fit = evb.GaussianMixture(3, covariance).fit(y, **QUIET)
    assert fit.converged, fit.notes


COLLAPSES = {
    "duplicates": (evb.Mixture(e.Normal(), 2), np.r_[np.linspace(-1, 1, 60), np.full(30, 5.0)]),
    "one row": (evb.Mixture(e.Normal(), 2), np.r_[np.linspace(-1, 1, 60), 1e5]),
    "a line": (
        evb.GaussianMixture(2),
        np.c_[np.r_[np.arange(40.0), np.arange(200.0, 240.0)], [0.0, 1.0] * 20 + [9.0] * 40],
    ),
    "student": (evb.Mixture(e.StudentT(4), 2), np.r_[np.linspace(-1, 1, 60), np.full(60, 50.0)]),
    "chain": (evb.HMM(e.Normal(), 2), np.tile(np.r_[np.linspace(-1, 1, 10), np.full(10, 5.0)], 5)),
    "zeros": (evb.Mixture(e.Exponential(), 2), np.r_[np.zeros(20), np.random.default_rng(3).exponential(3, 50)]),
    "zeros in time": (evb.HMM(e.Exponential(), 2), np.r_[np.zeros(20), np.random.default_rng(3).exponential(3, 50)]),
}


@pytest.mark.parametrize("case", COLLAPSES)
@pytest.mark.parametrize("unit", [1.0, 1e140])
def test_a_component_on_one_value_is_a_collapse(case, unit):
    spec, y = COLLAPSES[case]
    fit = spec.fit(y * unit, **QUIET)
    assert fit.status is evb.Status.COLLAPSED
    assert fit.n_iter < 200
    assert any("rates" in note if "zeros" in case else "floor" in note for note in fit.notes)


def test_rates_are_bounded_by_a_prior():
    spec, y = COLLAPSES["zeros"]
    assert spec.fit(y, objective="map", **QUIET).converged


INFINITE = {
    "rates": (evb.Mixture(e.Poisson(), 2, priors={"rates": p.Gamma(0.5, 1.0)}), np.repeat([0.0, 8.0, 9.0], 20)),
    "weights": (evb.Mixture(e.Poisson(), 3, priors={"weights": p.Dirichlet(0.5)}), RNG.poisson(3, 40)),
    "probs": (evb.Mixture(e.Bernoulli(), 2, priors={"probs": p.Beta(0.5, 0.5)}), np.repeat([0.0, 1.0], 20)),
    "transition": (
        evb.HMM(e.Poisson(), 2, priors={"transition": p.Dirichlet(0.5)}),
        np.r_[np.zeros(30), np.full(30, 9)],
    ),
}


@pytest.mark.parametrize("name", INFINITE)
def test_an_infinite_posterior_density_is_said(name):
    spec, y = INFINITE[name]
    fit = spec.fit(y, objective="map", **QUIET)
    assert fit.log_likelihood == pytest.approx(spec.log_likelihood(y, fit.params))
    if np.isfinite(fit.history["objective"][-1]):  # a local maximum inside
        assert spec.log_prior(fit.params, y) < np.inf
        return
    assert fit.status is evb.Status.UNBOUNDED
    assert any(f"priors[{name!r}]" in note for note in fit.notes)


def test_what_a_fixed_value_excludes_does_not_stop_the_climb():
    y = {"a": np.random.default_rng(0).poisson(4, 80).astype(float), "b": np.zeros(80)}
    emission, fixed = e.Product(a=e.Poisson(), b=e.Bernoulli()), {"b_probs": [np.nan, 1.0]}
    chain = evb.HMM(emission, 2, fixed=fixed).fit(y, **QUIET)
    wanted = stats.poisson.logpmf(y["a"], y["a"].mean()).sum()  # all rows in the one state that they can be in
    assert chain.converged
    assert chain.log_likelihood == pytest.approx(wanted, abs=1e-6)
    never = {**chain.params, "initial": [0.0, 1.0], "b_probs": [0.5, 1.0]}
    with pytest.raises(ValueError, match="init"):
        evb.HMM(emission, 2, fixed=fixed).fit(y, init=never, **QUIET)


@pytest.mark.parametrize("spec", [evb.GaussianMixture(2), evb.HMM(e.Normal(), 2), evb.Mixture(e.StudentT(4), 2)])
def test_numpy_may_raise_whatever_it_likes(spec):
    half = np.round(np.random.default_rng(0).normal(size=50) * 8) / 8
    y = np.r_[half, -half]  # its mean is exactly 0
    wanted = spec.fit(y, **QUIET)
    with np.errstate(all="raise"):
        fit = spec.fit(y, **QUIET)
        assert spec.at(y, fit.params).log_likelihood == pytest.approx(fit.log_likelihood)
    assert fit.status is wanted.status
    assert fit.log_likelihood == wanted.log_likelihood


@pytest.mark.parametrize("unit", [1e-160, 1e155, 1e200])
def test_numbers_whose_squares_do_not_exist_are_refused(unit):
    y = np.random.default_rng(0).normal(size=(60, 2)) * unit
    with pytest.raises(ValueError, match="other units"):
        evb.GaussianMixture(2).fit(y, **QUIET)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_a_mixture_in_any_unit(unit):
    rng = np.random.default_rng(0)
    y = np.vstack([rng.normal(size=(60, 2)), rng.normal(4.0, 1.0, (60, 2))])
    one, other = evb.GaussianMixture(2).fit(y, **QUIET), evb.GaussianMixture(2).fit(y * unit, **QUIET)
    assert other.log_likelihood + y.size * np.log(unit) == pytest.approx(one.log_likelihood, abs=1e-7)
    assert other.notes == ()


def test_rounding_is_that_of_what_was_summed():
    counts = np.random.default_rng(0).poisson(1e9, 400).astype(float)
    fit = evb.Mixture(e.Poisson(), 2).fit(counts, **QUIET)
    assert fit.converged
    small = Climb(-5.0, gain=-1e-6, iteration=3)
    assert small.verdict(0.0, 10) is evb.Status.OBJECTIVE_FELL
    assert replace(small, summed=1e9).verdict(0.0, 10) is not evb.Status.OBJECTIVE_FELL
    assert replace(small, gain=-1.0, summed=1e9).verdict(0.0, 10) is evb.Status.OBJECTIVE_FELL


# --- zeros that EM never leaves ---------------------------------------------------------------------------------------


def test_zeros_of_the_start_that_are_no_maximum_are_said():
    rng, b = np.random.default_rng(0), e.Bernoulli()
    y = pd.DataFrame(
        (rng.random((800, 3)) < np.where(np.arange(800) % 2, 0.7, 0.2)[:, None]).astype(int), columns=[*"abc"]
    )
    spec = evb.Mixture(e.Product(a=b, b=b, c=b), 2)
    inside = spec.fit(y, **QUIET)
    start = {"weights": [0.5, 0.5], "a_probs": [0.3, 0.6], "b_probs": [0.3, 0.6], "c_probs": [0.0, 1.0]}
    at_zero = spec.fit(y, init=start, **QUIET)
    assert at_zero.log_likelihood < inside.log_likelihood - 1.0
    assert any("No maximum in c_probs[0] = 0, c_probs[1] = 1: the climb began there" in note for note in at_zero.notes)
    assert not any("began there" in note for note in inside.notes)
    meant = evb.Mixture(e.Product(a=b, b=b, c=b), 2, fixed={"c_probs": [0.0, 1.0]}).fit(y, init=start, **QUIET)
    assert not any("began there" in note for note in meant.notes)


@pytest.mark.parametrize("seed", range(4))
def test_zeros_that_a_climb_from_inside_found_are_maxima(seed):
    rng = np.random.default_rng(seed)
    for spec, y in (
        (evb.HMM(e.Categorical(4), 2), rng.integers(0, 4, 150)),
        (evb.Mixture(e.Poisson(), 2), rng.poisson(0.8, 150) * rng.integers(0, 2, 150)),
        (evb.GaussianHMM(2), rng.normal(size=100)),
    ):
        fit = spec.fit(y, n_init=3, seed=seed, progressbar=False)
        assert not any("began there" in note for note in fit.notes), spec
