"""The end of an EM fit is a maximum: saddle points are left, and what is alike is said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
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
    assert fit.notes == ()


def test_components_that_the_data_hold_alike_are_said():
    even = np.repeat([1.0, 2.0, 3.0], [5, 10, 5])  # less spread than any Poisson mixture of two
    fit = evb.Mixture(e.Poisson(), 2).fit(even, init={"weights": [0.5, 0.5], "rates": [2.5, 2.5]}, **QUIET)
    assert fit.converged
    np.testing.assert_allclose(fit.params["rates"], 2.0)
    assert any("0 and 1 have the same emission" in note for note in fit.notes)


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
