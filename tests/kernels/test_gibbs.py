"""Whole sweeps: enumeration of all allocations, Geweke's joint-distribution test, what must never happen."""

from itertools import product
from math import lgamma, log, pi

import numba
import numpy as np
import pytest
from kernels.gibbs_helpers import (
    assert_follows,
    batch_means,
    complete_data_gradients,
    hard_statistics,
    make_plan,
    prior_draws,
    with_elements,
    z_scores,
)
from kernels.tiny_models import COVARIANCES, tiny
from scipy import stats

from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.gibbs import (
    CONJUGATE,
    MEANS,
    SLICE,
    SPREAD,
    complete_data_log_posterior,
    prior_draw,
    sweeps,
)
from em_vs_bayes.kernels.gibbs import plan as unaddressed
from em_vs_bayes.kernels.latent import draw_code
from em_vs_bayes.kernels.tables import (
    DENSITY,
    ELEMENTWISE,
    FLAT,
    INDEPENDENT,
    JOINT,
    MIXTURE,
)

WHOLE = make_plan((CONJUGATE, 0), (CONJUGATE, 1))
APART = make_plan((CONJUGATE, 0), (MEANS, 1), (SPREAD, 1))
EVERYTHING = make_plan(*((CONJUGATE, b) for b in range(5)))


def chain(model, plan, rng, draws, thin=1, prior=None, theta=None, z=None):
    """(completed, thetas (draws, P)); runs on in ``theta`` and ``z`` if they are given."""
    out, n = np.full((draws, model.theta.size), np.nan), len(model.data.y)
    completed = sweeps(
        draw_code(MIXTURE), model.data, model.streams, model.blocks,
        model.prior if prior is None else prior, plan,
        model.K, rng, model.theta.copy() if theta is None else theta, np.empty(model.n_pot), np.empty(model.n_stats),
        np.zeros(n, dtype=np.int64) if z is None else z, thin, out,
    )  # fmt: skip
    return completed, out


# --- against enumeration ------------------------------------------------------------------------------------


def enumerate_allocations(x, alpha, m, kappa, shape, rate):
    """Posterior of every allocation of x (n,) to two NIG components, and E[mu], E[sigma^2] under each."""
    rows = []
    for z in product(range(2), repeat=len(x)):
        total, mu, variance = 0.0, [], []
        for k in range(2):
            own = x[np.array(z) == k]
            n, s = len(own), own.sum()
            kappa_n, shape_n = kappa[k] + n, shape[k] + n / 2
            mean = (kappa[k] * m[k] + s) / kappa_n
            rate_n = rate[k] + 0.5 * (np.sum(own**2) + kappa[k] * m[k] ** 2 - kappa_n * mean**2)
            total += lgamma(alpha[k] + n) + lgamma(shape_n) - lgamma(shape[k]) - 0.5 * n * log(2 * pi)
            total += shape[k] * log(rate[k]) - shape_n * log(rate_n) + 0.5 * log(kappa[k] / kappa_n)
            mu.append(mean)
            variance.append(rate_n / (shape_n - 1))
        rows.append((total, z, mu, variance))
    logp, z, mu, variance = (np.array(column) for column in zip(*rows, strict=True))
    p = np.exp(logp - logp.max())
    return p / p.sum(), z, mu, variance


@pytest.mark.parametrize("plan", [WHOLE, APART], ids=["whole", "apart"])
@pytest.mark.parametrize("covariance", ["full", "diag", "spherical", "sigma"])
def test_a_chain_agrees_with_enumeration(covariance, plan):
    """Co-clustering, allocations, means and variances of seven rows, in the chain's standard errors."""
    model, hyper_at = tiny(covariance, 2, 1, n=7, seed=2), 2
    hyper = model.prior.hyper
    shape, rate = np.array([3.0, 4.0]), np.array([2.0, 3.0])
    spread = 2 if covariance == "full" else 1  # IW(df, S) in one dimension is IG(df / 2, S / 2)
    hyper[:2], hyper[hyper_at + 4 : hyper_at + 6], hyper[hyper_at + 6 : hyper_at + 8] = (
        1.0,
        spread * shape,
        spread * rate,
    )
    m, kappa = hyper[hyper_at : hyper_at + 2], hyper[hyper_at + 2 : hyper_at + 4]
    p, zs, mu, variance = enumerate_allocations(
        model.data.y[:, 0] - model.data.centre[0], np.ones(2), m, kappa, shape, rate
    )
    pairs = np.triu_indices(7, 1)
    together = (zs[:, pairs[0]] == zs[:, pairs[1]]).astype(float)
    exact = np.concatenate([p @ together, p @ zs, p @ mu, p @ variance])

    thetas, found_z = every_sweep(model, plan, np.random.default_rng(1), 60_000, simulated=False)
    v = thetas[:, 4:6] ** 2 if covariance == "sigma" else thetas[:, 4:6]
    found = np.hstack([found_z[:, pairs[0]] == found_z[:, pairs[1]], found_z, thetas[:, 2:4], v])
    assert np.abs(z_scores(found, exact)).max() < 4.5


# --- Geweke's joint-distribution test -----------------------------------------------------------------------


def functions(model, thetas):
    """What is compared: light-tailed functions of every parameter, their squares, and products, per theta."""
    K, d, T = model.K, model.d, len(thetas)
    spread, eye = thetas[:, model.at["spread"]], np.eye(model.d)
    covariances = {
        "full": lambda: spread.reshape(T, K, d, d),
        "tied": lambda: spread.reshape(T, 1, d, d),
        "diag": lambda: spread.reshape(T, K, d)[..., None] * eye,
        "spherical": lambda: spread[:, :, None, None] * eye,
        "sigma": lambda: spread[:, :, None, None] ** 2,
    }[model.covariance]()
    scale = np.log(np.diagonal(covariances, axis1=2, axis2=3))
    angle = covariances[..., 0, -1] * np.exp(-0.5 * (scale[..., 0] + scale[..., -1]))
    weights, means = thetas[:, model.at["weights"]], np.arctan(thetas[:, model.at["means"]])
    pieces = [weights, means, scale.reshape(T, -1), angle]
    if "rates" in model.at:
        pieces += [np.log(thetas[:, model.at[name]]) for name in ("rates", "probs", "categories")]
    g = np.hstack(pieces)
    products = means.reshape(T, K, d) * scale
    return np.hstack([g, g**2, products.reshape(T, -1), g[:, :1] * g[:, 1:]])


@numba.njit(cache=True)
def _simulate(y, centre, K, d, spread, spread_at, counts_at, theta, z, rng):
    """Rows of y given parameters and allocations, in place. Spread is a code: FULL ... SIGMA."""
    for i in range(y.shape[0]):
        k, noise = z[i], np.empty(d)
        for j in range(d):
            noise[j] = rng.standard_normal()
        if spread <= 1:
            start = spread_at + (k * d * d if spread == 0 else 0)
            noise = np.linalg.cholesky(theta[start : start + d * d].copy().reshape(d, d)) @ noise
        for j in range(d):
            if spread > 1:
                value = theta[spread_at + (k * d + j if spread == 2 else k)]
                noise[j] *= value if spread == 4 else np.sqrt(value)
            y[i, j] = centre[j] + theta[K + k * d + j] + noise[j]
        if counts_at >= 0:
            y[i, d] = rng.poisson(theta[counts_at + k])
            y[i, d + 2] = rng.random() < theta[counts_at + K + k]
            y[i, d + 3] = 1 - y[i, d + 2]
            row, u = counts_at + 2 * K + 3 * k, rng.random()
            y[i, d + 4] = (u > theta[row]) + (u > theta[row] + theta[row + 1])


@numba.njit(cache=True)
def _every_sweep(
    draw, data, streams, blocks, prior, plan, K, d, rng, theta, pot, stats, z, spread, spread_at, counts_at, out, zs
):
    for i in range(len(out)):
        if counts_at > -2:
            _simulate(data.columns.T, data.centre, K, d, spread, spread_at, counts_at, theta, z, rng)
        one = out[i : i + 1]
        if sweeps(draw, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, 1, one) < 1:
            return False
        zs[i] = z
    return True


def every_sweep(model, plan, rng, draws, simulated, prior=None, theta=None):
    """Thetas and allocations after each sweep; ``simulated`` draws the data anew before each."""
    theta = model.theta.copy() if theta is None else theta
    out, zs = np.empty((draws, theta.size)), np.empty((draws, len(model.data.y)), dtype=np.int64)
    weights = theta[model.at["weights"]]
    z = rng.choice(model.K, size=zs.shape[1], p=weights / weights.sum())
    counts = (model.at["rates"].start if "rates" in model.at else -1) if simulated else -2
    assert _every_sweep(
        draw_code(MIXTURE), model.data, model.streams, model.blocks,
        model.prior if prior is None else prior, plan,
        model.K, model.d, rng, theta, np.empty(model.n_pot), np.empty(model.n_stats), z, COVARIANCES[model.covariance],
        model.at["spread"].start, counts, out, zs,
    )  # fmt: skip
    return out, zs


def geweke(model, plan, prior=None, sampler_prior=None, iterations=60_000, seed=1, independent=None):
    """z-scores, successive-conditional against marginal-conditional simulator (Geweke 2004, JASA 99).

    Of the latter there are ``independent`` draws; as many as iterations unless said otherwise.
    """
    rng, prior = np.random.default_rng(seed), model.prior if prior is None else prior
    thetas = prior_draws(model, rng, iterations if independent is None else independent, prior)
    marginal = functions(model, thetas)
    sampler_prior = prior if sampler_prior is None else sampler_prior
    chain = every_sweep(model, plan, rng, iterations, True, sampler_prior, thetas[0].copy())[0]
    moves = marginal.std(axis=0) > 1e-9  # not what is fixed, nor the correlations of a diagonal matrix
    difference = batch_means(functions(model, chain)) - batch_means(marginal)
    return z_scores(difference[:, moves], np.zeros(moves.sum()))


@pytest.mark.parametrize("plan", [WHOLE, APART], ids=["whole", "apart"])
@pytest.mark.parametrize("mean_prior", [JOINT, INDEPENDENT])
@pytest.mark.parametrize(("covariance", "d"), [("full", 2), ("tied", 2), ("diag", 2), ("spherical", 2), ("sigma", 1)])
def test_geweke_gaussian(covariance, d, mean_prior, plan):
    model = tiny(covariance, 2, d, mean_prior=mean_prior, n=4, seed=3)
    scores = geweke(model, plan)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_fixed_elements():
    model = tiny(
        "full",
        3,
        2,
        n=5,
        seed=4,
        fixed=[("weights", 1), ("means", 1), ("means", 2), ("means", 3), ("spread", 2)],
    )
    # a draw from this prior takes the time of thirty sweeps: fewer of them and a longer chain have the same errors
    scores = geweke(model, WHOLE, iterations=180_000, independent=22_000)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_poisson_bernoulli_categorical():
    scores = geweke(tiny("diag", 2, 1, counts=True, n=4, seed=5), EVERYTHING)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_slice():
    """Every parameter but the weights by slice sampling."""
    model = tiny("sigma", 2, 1, mean_prior=ELEMENTWISE, spread_prior=ELEMENTWISE, n=4, seed=6)
    shift = model.prior.shift[model.at["means"].start]
    prior = with_elements(
        model,
        ("means", 0, DENSITY["StudentT"], 5.0, shift - 1.0, 1.0),
        ("means", 1, DENSITY["Laplace"], shift + 2.0, 0.7, 0.0),
        ("spread", 0, DENSITY["HalfNormal"], 1.5, 0.0, 0.0),
        ("spread", 1, DENSITY["LogNormal"], 0.0, 0.5, 0.0),
    )
    scores = geweke(model, make_plan((CONJUGATE, 0), *((SLICE, 1, e) for e in range(4))), prior)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_sees_a_wrong_sampler():
    """The power of the test: a sampler with a prior rate of its own, one half larger, is found out."""
    model = tiny("sigma", 2, 1, n=4, seed=3)
    hyper = model.prior.hyper.copy()
    hyper[-1] *= 1.5
    scores = geweke(model, WHOLE, sampler_prior=model.prior._replace(hyper=hyper))
    assert np.abs(scores).max() > 8


# --- the prior ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean_prior", [JOINT, INDEPENDENT])
@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_prior_draws_given_fixed_elements(covariance, mean_prior):
    """Stein's identity E[d log p] = 0 for the density of the free elements given the fixed ones."""
    fixed = [("weights", 1), ("means", 0), ("means", 3), ("means", 4)]
    model = tiny(covariance, 3, 2, mean_prior=mean_prior, fixed=fixed)
    draws = prior_draws(model, np.random.default_rng(7), 4_000)
    assert (draws[:, ~model.prior.free] == model.theta[~model.prior.free]).all()
    mass = 1 - model.theta[1]
    np.testing.assert_allclose(draws[:, [0, 2]].sum(axis=1), mass, rtol=1e-14)
    alpha = model.prior.hyper[[0, 2]]
    assert_follows(draws[:, 0] / mass, stats.beta(*alpha).cdf)
    slopes = np.zeros_like(draws)
    complete_data_gradients(model.blocks, model.prior, np.zeros(model.n_stats), draws, slopes)
    e = np.array([e for e in model.directions() if e[:3].sum() == 0])
    z = z_scores(slopes @ e.T, 0 * e[:, 0])
    assert np.abs(z).max() < 4.5, z.round(1)


def test_prior_draws_of_elementwise_densities():
    model = tiny("sigma", 2, 1, mean_prior=ELEMENTWISE, spread_prior=ELEMENTWISE)
    shift = model.prior.shift[2]
    rows = [
        ("means", 0, DENSITY["Normal"], 1.0, 2.0, 0.0),
        ("means", 1, DENSITY["Cauchy"], 0.0, 1.0, 0.0),
        ("spread", 0, DENSITY["HalfNormal"], 3.0, 0.0, 0.0),
        ("spread", 1, DENSITY["Gamma"], 2.0, 1.0, 0.0),
    ]
    draws = prior_draws(model, np.random.default_rng(8), 5_000, with_elements(model, *rows))
    for j, exact in enumerate([stats.norm(1, 2), stats.cauchy(), stats.halfnorm(scale=3), stats.gamma(2)]):
        assert_follows(draws[:, 2 + j] + (shift if j < 2 else 0), exact.cdf)


@pytest.mark.parametrize("flat", ["means", "spread", "element", "missing"])
def test_an_improper_prior_cannot_be_drawn(rng, flat):
    mean_prior, spread_prior = (FLAT if flat == "means" else JOINT), (FLAT if flat == "spread" else JOINT)
    if flat in ("element", "missing"):
        mean_prior, spread_prior = ELEMENTWISE, INDEPENDENT
    model = tiny("sigma", 1, 1, mean_prior=mean_prior, spread_prior=spread_prior)
    rows = [("means", 0, DENSITY["Flat"], 0.0, 0.0, 0.0)] if flat == "element" else []
    prior = with_elements(model, *rows) if rows else model.prior
    assert not prior_draw(model.blocks, prior, 1, rng, model.theta)


# --- manners ------------------------------------------------------------------------------------------------


def test_thinning_and_chunks_do_not_change_the_chain():
    model = tiny("full", 2, 2)
    _, every = chain(model, WHOLE, np.random.default_rng(9), 12)
    completed, third = chain(model, WHOLE, np.random.default_rng(9), 4, thin=3)
    assert completed == 12 and (third == every[2::3]).all()
    rng, theta, z = np.random.default_rng(9), model.theta.copy(), np.zeros(8, dtype=np.int64)
    chunks = [chain(model, WHOLE, rng, size, theta=theta, z=z)[1] for size in (5, 1, 6)]
    assert (np.vstack(chunks) == every).all() and (theta == every[-1]).all()


def test_fixed_elements_never_move():
    fixed = [
        ("weights", 0),
        ("means", 1),
        ("means", 2),
        ("spread", 1),
        ("rates", 2),
        ("probs", 0),
        ("categories", 5),
    ]
    model = tiny("full", 3, 2, counts=True, fixed=fixed)
    completed, out = chain(model, EVERYTHING, np.random.default_rng(10), 500)
    still = ~model.prior.free
    assert completed == 500 and (out[:, still] == model.theta[still]).all()
    assert (np.ptp(out[:, ~still], axis=0) > 0).all()


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "sigma"])
def test_empty_components_never_make_nan(covariance):
    """Two rows, eight components, alpha = 0.01: most are empty, their weights below 1e-100."""
    model = tiny(covariance, 8, 1, n=2)
    model.prior.hyper[:8] = 0.01
    completed, out = chain(model, WHOLE, np.random.default_rng(11), 3_000)
    assert completed == 3_000 and np.isfinite(out).all()
    np.testing.assert_allclose(out[:, :8].sum(axis=1), 1, rtol=1e-13)


def test_vague_priors_of_the_literature_never_make_nan():
    """IG(0.001, 0.001): half of an empty component's variances overflow a float64 and stay inside it here."""
    model = tiny("sigma", 4, 1, n=3, mean_prior=INDEPENDENT, spread_prior=INDEPENDENT)
    model.prior.hyper[-8:] = 1e-3
    completed, out = chain(model, WHOLE, np.random.default_rng(12), 2_000)
    assert completed == 2_000 and np.isfinite(out).all()


def test_a_flat_prior_stops_at_an_empty_component():
    model = tiny("sigma", 3, 1, n=6, mean_prior=FLAT, spread_prior=FLAT)
    completed, out = chain(model, WHOLE, np.random.default_rng(13), 2_000)
    assert completed < 2_000 and np.isfinite(out[:completed]).all() and np.isnan(out[completed:]).all()


def test_it_does_not_start_at_an_impossible_theta():
    model = tiny("full", 2, 2)
    model.theta[model.at["spread"].start] = -1.0
    assert chain(model, WHOLE, np.random.default_rng(14), 3)[0] == 0


def test_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match=r"plan\.step"):
        chain(tiny("full", 2, 2), make_plan((7, 0)), np.random.default_rng(15), 3)


def test_a_plan_without_addresses_is_refused():
    with pytest.raises(ValueError, match="address_steps"):
        chain(tiny("full", 2, 2), unaddressed([(CONJUGATE, 0, -1, -1, -1)]), np.random.default_rng(15), 3)


def test_complete_data_log_posterior():
    model = tiny("full", 2, 2)
    z = np.array([0, 1, 1, 0, 1, 1, 0, 0])
    prior = log_prior(model.blocks, model.prior, model.theta, np.zeros(model.theta.size))
    x = model.data.y - model.data.centre
    density = stats.multivariate_normal
    rows = [
        np.log(model.get("weights")[k]) + density(model.get("means")[k], model.covariances()[k]).logpdf(x[i])
        for i, k in enumerate(z)
    ]
    found = complete_data_log_posterior(model.blocks, model.prior, model.theta, hard_statistics(model, z))
    np.testing.assert_allclose(found, prior + sum(rows), rtol=1e-12)
