"""Conditional draws of blocks.

Draws of a smooth density p satisfy Stein's identity: E[f d log p] = -E[df] along every direction. With f = 1
and f = theta it pins down location and scale of every structure, prior and pattern of fixed elements, given
only the gradient of the log prior and of the complete-data likelihood, which other tests check against scipy.
Marginals in closed form besides.
"""

from itertools import product

import numpy as np
import pytest
from kernels.gibbs_helpers import (
    assert_follows,
    complete_data_gradients,
    hard_statistics,
    make_plan,
    transitions,
    z_scores,
)
from kernels.tiny_models import tiny
from scipy import stats

from em_vs_bayes.kernels.conditionals import workspace
from em_vs_bayes.kernels.gibbs import CONJUGATE, MEANS, SPREAD, draw_parameters
from em_vs_bayes.kernels.tables import ELEMENTWISE, FLAT, INDEPENDENT, JOINT

DRAWS = 10_000
PRIORS = {
    "joint": (JOINT, JOINT),
    "independent": (INDEPENDENT, INDEPENDENT),
    "flat": (FLAT, FLAT),
    "mixed": (FLAT, JOINT),
}
FIXED = {
    "free": (),
    "mean elements": [("means", 0), ("means", 4)],
    "a mean": [("means", 0), ("means", 1), ("means", 2)],
    "a spread": [("spread", 0)],
    "both": [("spread", 1), ("means", 3)],
}
STRUCTURES = [
    *product(["full", "diag", "spherical"], FIXED),
    *(("tied", name) for name in FIXED if name != "both"),
]
STEPS = {"block": CONJUGATE, "means": MEANS, "spread": SPREAD}
MOVED = {"block": ["means", "spread"], "means": ["means"], "spread": ["spread"]}


def assert_stein(model, step, spacing=1):
    """Stein's identity along every direction that a step should move. Nothing else moves, nothing fixed."""
    statistics = hard_statistics(model, np.arange(len(model.data.y)) % 3 % model.K)
    plan = make_plan((STEPS[step], 1))
    draws = transitions(model, plan, statistics, np.random.default_rng(3), DRAWS, spacing)
    slopes = np.zeros_like(draws)
    complete_data_gradients(model.blocks, model.prior, statistics, draws, slopes)
    still = np.ones(model.theta.size, dtype=bool)
    for name in MOVED[step]:
        still[model.at[name]] = ~model.prior.free[model.at[name]]
    assert (draws[:, still] == model.theta[still]).all()
    e = np.array([e for e in model.directions() if not still[np.flatnonzero(e)].any()])
    if len(e) == 0:
        return
    slope, value = slopes @ e.T, (draws - draws.mean(axis=0)) @ e.T
    z = np.concatenate([z_scores(slope, 0 * e[:, 0]), z_scores(slope * value, -(e * e).sum(axis=1))])
    assert np.abs(z).max() < 4.8, z.round(1)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("priors", PRIORS)
@pytest.mark.parametrize(("covariance", "fixed"), STRUCTURES)
def test_conditionals_of_a_gaussian_block(covariance, priors, fixed, step):
    mean_prior, spread_prior = PRIORS[priors]
    # few rows, so that the prior matters; but under a flat one, few leave no finite moments
    n = 40 if FLAT in (mean_prior, spread_prior) else 8
    model = tiny(covariance, 2, 3, mean_prior=mean_prior, spread_prior=spread_prior, fixed=FIXED[fixed], n=n, seed=1)
    # unless a block is drawn jointly, it is a Gibbs transition: let it forget where it was
    spacing = 10 if step == "block" and (priors != "joint" or "mean" in fixed or fixed == "both") else 1
    assert_stein(model, step, spacing)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("priors", PRIORS)
def test_conditionals_of_the_univariate_normal(priors, step):
    mean_prior, spread_prior = PRIORS[priors]
    fixed = [("means", 1), ("spread", 2)]
    model = tiny("sigma", 3, 1, mean_prior=mean_prior, spread_prior=spread_prior, fixed=fixed, n=40)
    assert_stein(model, step, 1 if step != "block" or priors == "joint" else 10)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "sigma"])
def test_an_empty_component_is_drawn_from_its_prior(covariance):
    # a mean under a normal-inverse-gamma prior is a Student t (Gelman et al. 2013, section 3.3)
    rng, d = np.random.default_rng(5), 1
    model = tiny(covariance, 2, d)
    draws = transitions(model, make_plan((CONJUGATE, 1)), np.zeros(model.n_stats), rng, DRAWS)
    h = model.prior.hyper[model.blocks.hyper[1] :]
    m, kappa = h[:2], h[2:4]
    first, second = h[4], h[5 if covariance == "tied" else 6]
    shape, rate = (first / 2, second / 2) if covariance in ("full", "tied") else (first, second)
    assert_follows(draws[:, 2], stats.t(2 * shape, m[0], np.sqrt(rate / (shape * kappa[0]))).cdf)
    spread = draws[:, 4] ** 2 if covariance == "sigma" else draws[:, 4]
    assert_follows(spread, stats.invgamma(shape, scale=rate).cdf)


def test_probabilities_and_rates():
    rng = np.random.default_rng(6)
    model = tiny("diag", 2, 1, counts=True, fixed=[("rates", 1), ("probs", 0), ("categories", 4)])
    z = np.array([0, 1, 1, 1, 0, 1, 0, 0])
    plan = make_plan(*((CONJUGATE, b) for b in (0, 2, 3, 4)))
    draws = transitions(model, plan, hard_statistics(model, z), rng, DRAWS)
    y, hyper, start = model.data.y, model.prior.hyper, model.blocks.hyper
    alpha = hyper[:2] + 4
    assert_follows(draws[:, 0], stats.beta(*alpha).cdf)
    shape, rate = hyper[start[2]] + y[z == 0, 1].sum(), hyper[start[2] + 1] + 4
    assert_follows(draws[:, model.at["rates"].start], stats.gamma(shape, scale=1 / rate).cdf)
    a, b = hyper[start[3] + 2] + y[z == 1, 3].sum(), hyper[start[3] + 3] + y[z == 1, 4].sum()
    assert_follows(draws[:, model.at["probs"].start + 1], stats.beta(a, b).cdf)
    # categories of component 1: the middle one is fixed, the others share the rest
    counts = [(y[z == 1, 5] == c).sum() for c in range(3)]
    a, b = hyper[start[4] + 3] + counts[0], hyper[start[4] + 5] + counts[2]
    rows = draws[:, model.at["categories"]].reshape(-1, 2, 3)
    mass = 1 - rows[0, 1, 1]
    assert_follows(rows[:, 1, 0] / mass, stats.beta(a, b).cdf)
    np.testing.assert_allclose(rows.sum(axis=2), 1, rtol=1e-14)
    fixed = ~model.prior.free
    assert fixed.sum() == 3 and (draws[:, fixed] == draws[0, fixed]).all()


def test_flat_rates_and_probabilities():
    rng = np.random.default_rng(7)
    model = tiny("diag", 2, 1, counts=True, conjugate=FLAT)
    z, y = np.array([0, 1, 1, 1, 0, 1, 0, 0]), model.data.y
    plan = make_plan(*((CONJUGATE, b) for b in (0, 2, 3)))
    draws = transitions(model, plan, hard_statistics(model, z), rng, DRAWS)
    assert_follows(draws[:, 0], stats.beta(5, 5).cdf)
    assert_follows(draws[:, model.at["rates"].start], stats.gamma(1 + y[z == 0, 1].sum(), scale=1 / 4).cdf)
    hits = y[z == 1, 3].sum()
    assert_follows(draws[:, model.at["probs"].start + 1], stats.beta(1 + hits, 5 - hits).cdf)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "sigma"])
@pytest.mark.parametrize("step", STEPS.values())
def test_improper_conditionals_are_refused(covariance, step):
    rng, model = np.random.default_rng(8), tiny(covariance, 2, 1, mean_prior=FLAT, spread_prior=FLAT)
    nothing, work = np.zeros(model.n_stats), workspace(model.blocks)
    assert not draw_parameters(model.blocks, model.prior, make_plan((step, 1)), model.theta, nothing, rng, work)
    assert np.isfinite(model.theta).all()


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "sigma"])
def test_elementwise_priors_are_left_to_slice_steps(covariance):
    model = tiny(covariance, 2, 1, mean_prior=ELEMENTWISE, spread_prior=ELEMENTWISE)
    statistics, plan = (
        hard_statistics(model, np.arange(8) % 2),
        make_plan((CONJUGATE, 1), (MEANS, 1), (SPREAD, 1)),
    )
    draws = transitions(model, plan, statistics, np.random.default_rng(9), 10)
    assert (draws == model.theta).all()
