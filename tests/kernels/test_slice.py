"""The slice sampler against distributions in closed form or by quadrature.

Invariance is exact: a draw of the target, moved once, is a draw of the target, so independent pairs (before,
after) take a plain Kolmogorov-Smirnov test; and they are exchangeable, since the transition is reversible.
Ergodicity: chains from afar.
"""

from itertools import product

import numpy as np
import pytest
from kernels.gibbs_helpers import assert_follows, hard_statistics, make_plan, transitions, with_elements
from kernels.tiny_models import tiny
from scipy import integrate, stats

from em_vs_bayes.kernels.gibbs import SLICE
from em_vs_bayes.kernels.slice import draw_element
from em_vs_bayes.kernels.tables import DENSITY, ELEMENTWISE, FLAT, INDEPENDENT

N = 8_000
ELEMENT = make_plan((SLICE, 1, 0))


def elementwise(covariance="sigma", K=2, d=1, **options):
    return tiny(covariance, K, d, mean_prior=ELEMENTWISE, spread_prior=ELEMENTWISE, conjugate=ELEMENTWISE, **options)


def moved_once(model, prior, block, at, before, statistics, rng, below=-1, above=-1):
    """One transition of prior.element[0] from each of many starting values."""
    after, theta = np.empty_like(before), model.theta.copy()
    for i, value in enumerate(before):
        theta[at] = value
        assert draw_element(model.blocks, prior, block, 0, below, above, theta, statistics, rng)
        after[i] = theta[at]
    return after


def assert_reversible(before, after, cdf):
    """Exchangeable pairs: antisymmetric functions of their probability transforms have mean zero."""
    u, v = cdf(before), cdf(after)
    assert np.mean(u == v) < 0.02
    for f in (
        lambda a, b: a - b,
        lambda a, b: a * a * b - a * b * b,
        lambda a, b: np.sin(7 * a) * b - np.sin(7 * b) * a,
    ):
        value = f(u, v)
        assert abs(value.mean()) < 4 * value.std() / np.sqrt(value.size)


POSITIVE = {
    "HalfNormal": ((2.0, 0.0), stats.halfnorm(scale=2)),
    "TruncatedNormal": ((-1.0, 2.0), stats.truncnorm(0.5, np.inf, -1, 2)),
    "Gamma": ((0.3, 2.0), stats.gamma(0.3, scale=0.5)),
    "InverseGamma": ((2.0, 3.0), stats.invgamma(2, scale=3)),
    "HalfCauchy": ((3.0, 0.0), stats.halfcauchy(scale=3)),
    "LogNormal": ((1.0, 2.0), stats.lognorm(2, scale=np.e)),
    "Uniform": ((0.0, 5.0), stats.uniform(0, 5)),
}


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("name", POSITIVE)
def test_prior_of_a_standard_deviation(rng, name, scale):
    """Zero statistics: the target is the elementwise prior itself, at any scale."""
    (a, b), exact = POSITIVE[name]
    a, b = {
        "HalfNormal": (a * scale, b),
        "TruncatedNormal": (a * scale, b * scale),
        "HalfCauchy": (a * scale, b),
        "Gamma": (a, b / scale),
        "InverseGamma": (a, b * scale),
        "LogNormal": (a + np.log(scale), b),
        "Uniform": (a, b * scale),
    }[name]
    model = elementwise()
    prior, at = with_elements(model, ("spread", 0, DENSITY[name], a, b, 0.0)), model.at["spread"].start
    before = scale * exact.rvs(N, random_state=rng)
    after = moved_once(model, prior, 1, at, before, np.zeros(model.n_stats), rng)
    assert_follows(after / scale, exact.cdf)
    assert_reversible(before / scale, after / scale, exact.cdf)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_chain_from_afar_reaches_its_target(rng, scale):
    model = elementwise()
    model.theta[model.at["means"].start] = 1e4 * scale
    shift = model.prior.shift[model.at["means"].start]
    prior = with_elements(model, ("means", 0, DENSITY["StudentT"], 4.0, shift + 3 * scale, scale))
    draws = transitions(model, ELEMENT, np.zeros(model.n_stats), rng, N, spacing=10, prior=prior)[50:, 2]
    assert_follows(draws / scale - 3, stats.t(4).cdf)


def test_bounds_truncate(rng):
    """Ordered means: nothing outside (theta[below], theta[above])."""
    model = elementwise(K=3)
    at = model.at["means"].start + 1
    model.theta[model.at["means"]] = [-0.3, 0.2, 0.9]
    shift = model.prior.shift[at]
    prior = with_elements(model, ("means", 1, DENSITY["Normal"], shift - 1.0, 1.5, 0.0))
    exact = stats.truncnorm(0.7 / 1.5, 1.9 / 1.5, -1, 1.5)
    before = exact.rvs(N, random_state=rng)
    after = moved_once(model, prior, 1, at, before, np.zeros(model.n_stats), rng, at - 1, at + 1)
    assert_follows(after, exact.cdf)
    assert_reversible(before, after, exact.cdf)


@pytest.mark.parametrize("covariance", ["sigma", "diag"])
@pytest.mark.parametrize("bounds", [(-0.3, 0.9), (-9.0, 9.0), (1.5, 1.9)], ids=["near", "far", "in the tail"])
def test_bounds_truncate_a_normal_conditional(covariance, bounds, rng):
    """A mean with a normal prior, data and bounds: inside, on both sides of, and far from where its normal lies."""
    model = elementwise(covariance, K=3)
    at = model.at["means"].start + 1
    model.theta[[at - 1, at + 1]] = bounds
    shift, v = model.prior.shift[at], model.theta[model.at["spread"].start + 1]
    v = v * v if covariance == "sigma" else v
    prior = with_elements(model, ("means", 1, DENSITY["Normal"], shift - 1.0, 1.5, 0.0))
    statistics = np.zeros(model.n_stats)
    s = model.blocks.stat[1]
    statistics[s + 1], statistics[s + 3 + 1] = 4.0, 2.8
    spread = 1.0 / (4.0 / v + 1.0 / 1.5**2)
    mean, sd = spread * (2.8 / v - 1.0 / 1.5**2), np.sqrt(spread)
    exact = stats.truncnorm((bounds[0] - mean) / sd, (bounds[1] - mean) / sd, mean, sd)
    before = exact.rvs(N, random_state=rng)
    after = moved_once(model, prior, 1, at, before, statistics, rng, at - 1, at + 1)
    assert_follows(after, exact.cdf)
    assert_reversible(before, after, exact.cdf)


@pytest.mark.parametrize("n", [0, 5, 2000])
def test_posterior_of_rates_and_probabilities(rng, n):
    """Gamma and Beta densities, Poisson and Bernoulli statistics: the posteriors are in closed form."""
    model = elementwise("diag", counts=True)
    statistics = np.zeros(model.n_stats)
    s = model.blocks.stat
    statistics[s[2] : s[2] + 2] = [3.0 * n, n]
    statistics[s[3] + 2 : s[3] + 4] = [0.1 * n, 0.9 * n]
    rates = with_elements(model, ("rates", 0, DENSITY["Gamma"], 2.5, 1.5, 0.0))
    probs = with_elements(model, ("probs", 1, DENSITY["Beta"], 0.8, 2.0, 0.0))
    for prior, b, exact in (
        (rates, 2, stats.gamma(2.5 + 3 * n, scale=1 / (1.5 + n))),
        (probs, 3, stats.beta(0.8 + 0.1 * n, 2 + 0.9 * n)),
    ):
        before = exact.rvs(N, random_state=rng)
        after = moved_once(model, prior, b, prior.element[0], before, statistics, rng)
        assert_follows(after, exact.cdf)
        assert_reversible(before, after, exact.cdf)


def by_quadrature(log_density, low, high, points=200_001):
    """Distribution function and sampler of an unnormalised density on an interval."""
    x = np.linspace(low, high, points)
    logp = log_density(x)
    mass = integrate.cumulative_trapezoid(np.exp(logp - logp.max()), x, initial=0)
    mass /= mass[-1]
    return lambda v: np.interp(v, x, mass), lambda u: np.interp(u, mass, x)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "sigma"])
def test_posterior_of_a_mean_with_two_modes(rng, covariance):
    """A Cauchy prior far from the data: doubling's acceptance test keeps detailed balance across the gap."""
    # a mode of several first widths and, four of its standard deviations away, one narrower than a width
    model = elementwise(covariance, n=4)
    statistics = hard_statistics(model, [0, 0, 1, 1]) / 100
    sd, centred = np.sqrt(model.covariances()[0, 0, 0]), model.data.y[:2, 0].mean() - model.data.centre[0]
    wide, far, narrow = sd / np.sqrt(0.02), centred + 28 * sd, 0.02 * sd
    prior = with_elements(model, ("means", 0, DENSITY["Cauchy"], far + model.data.centre[0], narrow, 0.0))
    cdf, quantile = by_quadrature(
        lambda m: stats.norm.logpdf(m, centred, wide) + stats.cauchy.logpdf(m, far, narrow),
        centred - 80 * sd,
        centred + 80 * sd,
        2_000_001,  # hundreds in the narrow mode
    )
    edge = far - 100 * narrow
    assert 0.2 < cdf(edge) < 0.8
    before = quantile(rng.random(5 * N))
    after = moved_once(model, prior, 1, model.at["means"].start, before, statistics, rng)
    assert_follows(after, cdf)
    assert_reversible(before, after, cdf)
    there, back = np.sum((before < edge) & (after > edge)), np.sum((before > edge) & (after < edge))
    assert there + back > 100 and abs(there - back) < 4 * np.sqrt(there + back)


@pytest.mark.parametrize("covariance", ["diag", "spherical", "sigma"])
@pytest.mark.parametrize("mean_prior", [FLAT, INDEPENDENT, ELEMENTWISE])
def test_posterior_of_a_spread(rng, covariance, mean_prior):
    """A HalfNormal prior on the variance or standard deviation, by quadrature on the log scale."""
    d = 1 if covariance == "sigma" else 2
    model = tiny(covariance, 2, d, mean_prior=mean_prior, spread_prior=ELEMENTWISE, n=6)
    z = np.array([0, 1, 1, 0, 1, 1])
    at = model.at["spread"].start + (d if covariance == "diag" else 1)  # component 1, first dimension
    prior = with_elements(model, ("spread", at - model.at["spread"].start, DENSITY["HalfNormal"], 4.0, 0.0, 0.0))
    dims = [0] if covariance == "diag" else range(d)
    x = (model.data.y[z == 1, :d] - model.data.centre[:d])[:, list(dims)] - model.get("means")[1][list(dims)]

    def log_density(log_value):
        value = np.exp(log_value)
        sd = value if covariance == "sigma" else np.sqrt(value)
        return (
            stats.norm.logpdf(x.ravel(), 0, sd[:, None]).sum(axis=1) + stats.halfnorm.logpdf(value, scale=4) + log_value
        )

    cdf, quantile = by_quadrature(log_density, -12, 6, 20_001)
    before = np.exp(quantile(rng.random(N)))
    after = moved_once(model, prior, 1, at, before, hard_statistics(model, z), rng)
    assert_follows(np.log(after), cdf)
    assert_reversible(np.log(before), np.log(after), cdf)


@pytest.mark.parametrize(
    ("covariance", "name"), [*product(["diag", "spherical", "sigma"], ["means", "spread"]), ("full", "means")]
)
def test_conjugate_priors_in_force_are_part_of_the_target(rng, covariance, name):
    """Element ~position: no density of its own, but the joint prior's (how ordered parameters are drawn)."""
    model = tiny(covariance, 2, 1, n=6)
    statistics, at = hard_statistics(model, [0, 1, 1, 0, 1, 1]), model.at[name].start + 1
    draws = transitions(model, make_plan((SLICE, 1, ~at)), statistics, rng, N, spacing=4)[:, at]
    x = model.data.y[[1, 2, 4, 5], 0] - model.data.centre[0]
    h = model.prior.hyper[model.blocks.hyper[1] :]
    m, kappa, mean, v = h[1], h[3], model.get("means")[1, 0], float(model.covariances()[1, 0, 0])
    if name == "means":
        total = len(x) + kappa
        assert_follows(draws, stats.norm((x.sum() + kappa * m) / total, np.sqrt(v / total)).cdf)
    else:
        shape, rate = h[5] + 2.5, h[7] + 0.5 * (np.sum((x - mean) ** 2) + kappa * (mean - m) ** 2)
        variance = draws**2 if covariance == "sigma" else draws
        assert_follows(variance, stats.invgamma(shape, scale=rate).cdf)


def test_it_refuses_to_start_where_the_target_is_zero_and_where_it_has_no_integral(rng):
    model = elementwise()
    start, nothing = model.theta.copy(), np.zeros(model.n_stats)
    outside = with_elements(model, ("spread", 0, DENSITY["Uniform"], 1e3, 1e4, 0.0))
    assert not draw_element(model.blocks, outside, 1, 0, -1, -1, model.theta, nothing, rng)
    flat = with_elements(model, ("means", 0, DENSITY["Flat"], 0.0, 0.0, 0.0))
    assert not draw_element(model.blocks, flat, 1, 0, -1, -1, model.theta, nothing, rng)
    # a covariance matrix has no element that stands alone
    matrix = elementwise("full", d=2)
    prior = with_elements(matrix, ("spread", 0, DENSITY["HalfNormal"], 1.0, 0.0, 0.0))
    assert not draw_element(matrix.blocks, prior, 1, 0, -1, -1, matrix.theta, np.zeros(matrix.n_stats), rng)
    assert (model.theta == start).all()


def test_a_fixed_element_stays(rng):
    model = elementwise(fixed=[("spread", 0)])
    prior = with_elements(model, ("spread", 0, DENSITY["HalfNormal"], 1.0, 0.0, 0.0))
    draws = transitions(model, ELEMENT, np.zeros(model.n_stats), rng, 10, prior=prior)
    assert (draws == model.theta).all()
