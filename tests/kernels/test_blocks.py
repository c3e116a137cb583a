"""Blocks and their priors against scipy.stats and finite differences, for every covariance and prior."""

from itertools import product

import numpy as np
import pytest
from kernels.reference import along, log_densities, reference_prior
from kernels.tiny_models import tiny
from scipy import stats

from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.blocks import (
    complete_log_likelihood,
    component_log_likelihood,
    gradient,
    potentials,
)
from em_vs_bayes.kernels.tables import (
    DENSITY,
    ELEMENTWISE,
    FLAT,
    INDEPENDENT,
    JOINT,
)

SHAPES = [
    *product(["full", "tied", "diag", "spherical"], [1, 2, 3], [1, 2, 3]),
    *product(["sigma"], [1, 2, 3], [1]),
]
shapes = pytest.mark.parametrize(("covariance", "K", "d"), SHAPES)
structures = pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "sigma"])


def responsibilities(model, n, seed=5):
    return np.random.default_rng(seed).dirichlet(np.ones(model.K), size=n)


def expected_statistics(model, r):
    """The statistics of ``tables.py``, written with einsum from the rows and given responsibilities."""
    d, y = model.d, model.data.y
    x, n = y[:, :d] - model.data.centre[:d], r.sum(axis=0)
    first = np.einsum("ik,ij->kj", r, x).ravel()
    if model.covariance in ("full", "tied"):
        pieces = [n, n, first, np.einsum("ik,ij,il->kjl", r, x, x).ravel()]
    else:
        pieces = [n, np.repeat(n, d), first, np.einsum("ik,ij->kj", r, x**2).ravel()]
    if y.shape[1] > d:
        pieces += [(r.T @ y[:, d : d + 2]).ravel(), (r.T @ y[:, d + 2 : d + 4]).ravel()]
        pieces.append((r.T @ np.eye(3)[y[:, d + 4].astype(int)]).ravel())
    return np.concatenate(pieces)


def potential_log_densities(model, pot):
    """What an E-step makes of potentials: the formulas of ``tables.py`` for each kind of stream."""
    K, d, y = model.K, model.d, model.data.y
    x = y[:, :d] - model.data.centre[:d]
    size = K + K * d + K * d * d if model.covariance in ("full", "tied") else 3 * K * d
    part, rest = pot[K : K + size], pot[K + size :]
    if model.covariance in ("full", "tied"):
        c, m, w = part[:K], part[K : K + K * d].reshape(K, d), part[K + K * d :].reshape(K, d, d)
        assert np.all(np.triu(w, 1) == 0)
        z = np.einsum("kjl,ikl->ikj", w, x[:, None] - m)
        gauss = c - 0.5 * np.sum(z**2, axis=2)
    else:
        c, m, w = part.reshape(3, K, d)
        gauss = np.sum(c - 0.5 * (w * (x[:, None] - m)) ** 2, axis=2)
    out = [np.tile(pot[:K], (len(y), 1)), gauss]
    if y.shape[1] > d:
        out.append(y[:, d : d + 2] @ rest[: 2 * K].reshape(K, 2).T)
        out.append(y[:, d + 2 : d + 4] @ rest[2 * K : 4 * K].reshape(K, 2).T)
        out.append(rest[4 * K :].reshape(K, 3)[:, y[:, d + 4].astype(int)].T)
    return out


@shapes
def test_potentials_give_the_log_densities_of_scipy(covariance, K, d):
    model = tiny(covariance, K, d, counts=True)
    pot = np.full(model.n_pot, np.nan)
    assert potentials(model.blocks, model.theta, pot)
    for got, expected in zip(potential_log_densities(model, pot), log_densities(model), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


@shapes
def test_complete_log_likelihood_is_the_weighted_sum_of_log_densities(covariance, K, d):
    model = tiny(covariance, K, d, counts=True)
    r = responsibilities(model, len(model.data.y))
    statistics = expected_statistics(model, r)
    for b, density in enumerate(log_densities(model)):
        got = complete_log_likelihood(model.blocks, b, model.theta, statistics)
        np.testing.assert_allclose(got, np.sum(r * density), rtol=1e-11)
        if b > 0:
            each = [component_log_likelihood(model.blocks, b, k, model.theta, statistics) for k in range(K)]
            np.testing.assert_allclose(each, np.sum(r * density, axis=0), rtol=1e-11)


@shapes
def test_gradient_is_the_slope_of_the_complete_log_likelihood(covariance, K, d):
    model = tiny(covariance, K, d, counts=True)
    r = responsibilities(model, len(model.data.y))

    def target(theta):
        return sum(np.sum(r * density) for density in log_densities(model, theta))

    g = np.full(model.theta.size, 0.25)  # gradients are added
    gradient(model.blocks, model.theta, expected_statistics(model, r), g)
    for e in model.directions():
        np.testing.assert_allclose((g - 0.25) @ e, along(target, model.theta, e), rtol=1e-6, atol=1e-6)
    if covariance in ("full", "tied"):
        spread = (g[model.at["spread"]]).reshape(-1, d, d)
        np.testing.assert_array_equal(spread, spread.transpose(0, 2, 1))


@structures
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, 0.0])
def test_infeasible_parameters_are_reported(covariance, bad):
    model = tiny(covariance, 2, 1 if covariance == "sigma" else 2, counts=True)
    statistics = expected_statistics(model, responsibilities(model, len(model.data.y)))
    for name in ("weights", "means", "spread", "rates", "probs", "categories"):
        theta = model.theta.copy()
        theta[model.at[name].start] = bad
        if (bad == 0 and name != "spread") or (bad == -1 and name == "means"):
            assert potentials(model.blocks, theta, np.zeros(model.n_pot))
            continue
        assert not potentials(model.blocks, theta, np.zeros(model.n_pot)), name
        if name == "spread" and not np.isposinf(bad):
            assert complete_log_likelihood(model.blocks, 1, theta, statistics) == -np.inf
            assert log_prior(model.blocks, model.prior, theta, np.zeros(theta.size)) == -np.inf


def test_a_covariance_that_is_not_positive_definite_is_infeasible():
    model = tiny("full", 2, 2)
    theta = model.theta.copy()
    theta[model.at["spread"]][:] = [1, 0, 0, 1, 1, 1.5, 1.5, 2]  # the second has determinant -0.25
    assert not potentials(model.blocks, theta, np.zeros(model.n_pot))
    assert log_prior(model.blocks, model.prior, theta, np.zeros(theta.size)) == -np.inf


def test_a_zero_weight_without_a_count_is_harmless():
    model = tiny("full", 3, 2, fixed=[("weights", 1)])
    model.theta[model.at["weights"]] = [0.3, 0.0, 0.7]
    pot, g = np.zeros(model.n_pot), np.zeros(model.theta.size)
    assert potentials(model.blocks, model.theta, pot)
    assert pot[1] == -np.inf
    r = responsibilities(model, len(model.data.y))
    r[:, 1] = 0.0
    statistics = expected_statistics(model, r)
    gradient(model.blocks, model.theta, statistics, g)
    assert np.all(np.isfinite(g)) and g[1] == 0.0
    assert np.isfinite(complete_log_likelihood(model.blocks, 0, model.theta, statistics))
    statistics[1] = 1.0
    assert complete_log_likelihood(model.blocks, 0, model.theta, statistics) == -np.inf


# --- priors -------------------------------------------------------------------------------------------------


def check_prior(model):
    g = np.zeros(model.theta.size)
    got = log_prior(model.blocks, model.prior, model.theta, g)
    np.testing.assert_allclose(got, reference_prior(model, model.theta), rtol=1e-10, atol=1e-10)
    for e in model.directions():
        slope = along(lambda theta: reference_prior(model, theta), model.theta, e, step=3e-4)
        np.testing.assert_allclose(g @ e, slope, rtol=1e-6, atol=1e-6)


@shapes
@pytest.mark.parametrize(
    ("mean_prior", "spread_prior"),
    [(JOINT, JOINT), (JOINT, FLAT), (INDEPENDENT, INDEPENDENT), (FLAT, INDEPENDENT), (FLAT, FLAT)],
)
def test_log_prior_and_gradient_are_those_of_scipy(covariance, K, d, mean_prior, spread_prior):
    check_prior(tiny(covariance, K, d, mean_prior=mean_prior, spread_prior=spread_prior))


@structures
def test_log_prior_of_rates_probabilities_and_categories(covariance):
    check_prior(tiny(covariance, 3, 1, counts=True))


@structures
@pytest.mark.parametrize("mean_prior", [JOINT, INDEPENDENT])
def test_fixed_elements_are_conditioned_on(covariance, mean_prior):
    d = 1 if covariance == "sigma" else 2
    which = 0 if covariance == "tied" else 1
    everything = [("weights", 0), ("means", 1), ("means", 2), ("spread", which)]
    for fixed in ([f] for f in everything):
        check_prior(tiny(covariance, 3, d, mean_prior=mean_prior, fixed=fixed))
    check_prior(tiny(covariance, 3, d, mean_prior=mean_prior, fixed=everything))
    check_prior(tiny(covariance, 3, d, mean_prior=mean_prior, fixed=[("weights", 0), ("weights", 2)]))


@structures
def test_flat_priors_and_the_constant(covariance):
    model = tiny(covariance, 3, 1, mean_prior=FLAT, spread_prior=FLAT, conjugate=FLAT, counts=True)
    g = np.zeros(model.theta.size)
    constant = np.array([np.log(6.0)])
    assert log_prior(model.blocks, model.prior._replace(constant=constant), model.theta, g) == np.log(6.0)
    assert np.all(g == 0.0)


def test_elementwise_densities_see_the_users_value():
    """The data centre is added back to means; a fixed element adds nothing."""
    model = tiny("sigma", 3, 1, mean_prior=ELEMENTWISE, spread_prior=ELEMENTWISE, conjugate=FLAT, fixed=[("means", 1)])
    means, spread = model.at["means"].start, model.at["spread"].start
    prior = model.prior._replace(
        element=np.array([means, means + 1, means + 2, spread]),
        density=np.array([DENSITY["Normal"], DENSITY["Normal"], DENSITY["Laplace"], DENSITY["HalfNormal"]]),
        abc=np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 0.0], [0.5, 1.5, 0.0], [0.7, 0.0, 0.0]]),
    )

    def reference(theta):
        mu, centre = theta[model.at["means"]], model.data.centre[0]
        total = stats.norm(1.0, 2.0).logpdf(mu[0] + centre) + stats.laplace(0.5, 1.5).logpdf(mu[2] + centre)
        return total + stats.halfnorm(scale=0.7).logpdf(theta[spread])

    g = np.zeros(model.theta.size)
    np.testing.assert_allclose(log_prior(model.blocks, prior, model.theta, g), reference(model.theta), rtol=1e-12)
    for e in model.directions():
        np.testing.assert_allclose(g @ e, along(reference, model.theta, e), rtol=1e-6, atol=1e-8)
