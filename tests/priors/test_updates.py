"""Conjugacy: log p(theta | y) - log p(theta) - log p(y | theta) is the same at every theta.

Flat priors give the sample estimates.
"""

import math

import numpy as np
import pytest
from scipy import stats

from em_vs_bayes.model.priors import (
    Beta,
    Dirichlet,
    Gamma,
    InverseGamma,
    InverseWishart,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor, update_given_joint

K, D = 2, 3
RNG = np.random.default_rng(11)
Y = [RNG.normal(2.0, 1.5, (9, D)), RNG.normal(-1.0, 0.7, (14, D))]  # rows of each component
N = np.array([9.0, 14.0])
S1 = np.array([y.sum(0) for y in Y])
S2 = np.array([y.T @ y for y in Y])
DIAGONAL = (np.repeat(N[:, None], D, 1), S1, np.array([(y**2).sum(0) for y in Y]))
SCALE = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.0], [0.1, 0.0, 1.4]])
MEAN = np.array([[0.3, -1.0, 0.2], [2.0, 1.0, -0.4]])
WISHART = NormalInverseWishart(MEAN, [0.7, 3.0], 6.0, SCALE)
GAMMA = NormalInverseGamma(MEAN, 0.7, 4.0, 3.0)


def likelihood(mu, sigma):
    """Log-likelihood of ``Y`` at means (K, D) and covariances (K, D, D)."""
    pairs = zip(Y, mu, np.broadcast_to(sigma, (K, D, D)), strict=True)
    return sum(stats.multivariate_normal.logpdf(y, m, s).sum() for y, m, s in pairs)


def diagonal(v):
    return np.broadcast_to(v, (K, D))[..., None] * np.eye(D)


def assert_constant(values):
    assert len(values) >= 8
    np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-9 * max(1, abs(values[0])))


JOINT = {
    "full": (WISHART.broadcast(K, D), (N, S1, S2), lambda s: s),
    "tied": (WISHART.tied(K, D), (N, S1, S2), lambda s: s),
    "diagonal": (GAMMA.broadcast(K, D), DIAGONAL, diagonal),
    "spherical": (GAMMA.spherical(K, D), DIAGONAL, lambda v: diagonal(np.asarray(v)[:, None])),
}


@pytest.mark.parametrize(("prior", "sums", "covariance"), JOINT.values(), ids=JOINT.keys())
def test_joint_updates_are_conjugate(prior, sums, covariance):
    posterior = prior.update(*sums)
    mu, spread = prior.draw(np.random.default_rng(1), 10)
    assert_constant(
        [
            posterior.log_density(m, s) - prior.log_density(m, s) - likelihood(m, covariance(s))
            for m, s in zip(mu, spread, strict=True)
        ]
    )


@pytest.mark.parametrize(("prior", "sums", "covariance"), JOINT.values(), ids=JOINT.keys())
def test_updates_are_sequential(prior, sums, covariance):
    """Updating on two parts of the statistics, one after the other, equals updating on their sum."""
    once = prior.update(*sums)
    first = (sums[0] - 4, *(part / 2 for part in sums[1:]))
    rest = tuple(whole - part for whole, part in zip(sums, first, strict=True))
    twice = prior.update(*first).update(*rest)
    for name in type(prior).__dataclass_fields__:
        np.testing.assert_allclose(getattr(twice, name), getattr(once, name), rtol=1e-9, atol=1e-9)


def test_scalar_updates_are_conjugate():
    counts, times = np.array([3, 0, 5, 2]), np.array([0.3, 1.8, 0.9])
    gamma, beta, rows = Gamma([2.0], [1.5]), Beta([2.0], [1.5]), Dirichlet([[2.0, 1.5, 0.7]])
    theta = np.linspace(0.05, 0.95, 10)
    poisson, exponential = gamma.update([10.0], [4.0]), gamma.update([3.0], [times.sum()])
    binomial = beta.update([7.0], [4.0])
    assert_constant(
        [poisson.log_density([x]) - gamma.log_density([x]) - stats.poisson.logpmf(counts, x).sum() for x in theta]
    )
    assert_constant(
        [
            exponential.log_density([x]) - gamma.log_density([x]) - stats.expon.logpdf(times, scale=1 / x).sum()
            for x in theta
        ]
    )
    assert_constant([binomial.log_density([x]) - beta.log_density([x]) - stats.binom.logpmf(7, 11, x) for x in theta])
    seen = np.array([4, 0, 3])
    assert_constant(
        [
            rows.update(seen).log_density([p]) - rows.log_density([p]) - stats.multinomial(7, p).logpmf(seen)
            for p in rows.draw(np.random.default_rng(2), 10)[:, 0]
        ]
    )


def test_flat_priors_give_the_sample_estimates():
    mu, sigma = NormalInverseWishart.flat(K, D).update(N, S1, S2).mode()
    np.testing.assert_allclose(mu, [y.mean(0) for y in Y], rtol=1e-12)
    np.testing.assert_allclose(sigma, [np.cov(y.T, bias=True) for y in Y], rtol=1e-11)
    pooled = sum(n * s for n, s in zip(N, sigma, strict=True)) / N.sum()
    np.testing.assert_allclose(WISHART.tied(K, D).flat(K, D).update(N, S1, S2).mode()[1], pooled, rtol=1e-11)
    variances = np.array([y.var(0) for y in Y])
    np.testing.assert_allclose(NormalInverseGamma.flat(K, D).update(*DIAGONAL).mode()[1], variances, rtol=1e-11)
    sds = NormalInverseGamma.flat(K, D, "sd").update(*DIAGONAL).mode("sd")[1]
    np.testing.assert_allclose(sds, np.sqrt(variances), rtol=1e-11)
    spherical = GAMMA.spherical(K, D).flat(K, D).update(*DIAGONAL).mode()[1]
    np.testing.assert_allclose(spherical, variances.mean(1), rtol=1e-11)
    np.testing.assert_allclose(Gamma.flat(2).update([10.0, 3.0], [4.0, 6.0]).mode(), [2.5, 0.5])
    np.testing.assert_allclose(Beta.flat(2).update([7.0, 1.0], [4.0, 3.0]).mode(), [7 / 11, 0.25])
    np.testing.assert_allclose(Dirichlet.flat(1, 3).update([[5.0, 3.0, 2.0]]).mode(), [[0.5, 0.3, 0.2]])


def test_scatter_is_formed_about_the_mean():
    """Data far from the origin: the sums have lost 10 digits, the update must lose no more."""
    y = 1e5 + np.random.default_rng(3).normal(size=(50, 2))
    flat = NormalInverseWishart.flat(1, 2)
    _, sigma = flat.update(np.array([50.0]), y.sum(0)[None], (y.T @ y)[None]).mode()
    np.testing.assert_allclose(sigma[0], np.cov(y.T, bias=True), rtol=1e-4, atol=1e-4)


def test_scales_stay_symmetric_to_the_last_bit():
    for prior in (WISHART.broadcast(K, D), WISHART.tied(K, D)):
        scale = prior.update(N, S1, (S2 + np.swapaxes(S2, -1, -2)) / 2).scale
        np.testing.assert_array_equal(scale, np.swapaxes(scale, -1, -2))


def test_a_component_without_data_keeps_its_prior():
    prior = WISHART.broadcast(K, D)
    assert prior.update(np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))) == prior
    none = NormalInverseWishart.flat(K, D).update(np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D)))
    assert np.isnan(none.mode()[1]).all()
    assert not none.proper


def test_modes_on_the_boundary():
    def mode(*alpha):
        return Dirichlet([alpha]).mode()[0].tolist()

    assert mode(0.5, 2.0, 4.0) == [0.0, 0.25, 0.75]
    assert mode(1.0, 1.0, 1.0) == pytest.approx([1 / 3] * 3)
    assert mode(0.5, 1.0, 1.0) == [0.0, 0.5, 0.5]
    assert mode(0.5, 0.7, 0.7) == [0.0, 1.0, 0.0]
    assert Dirichlet([[0.5, 2.0, 4.0]]).mode_on_boundary()
    assert not Dirichlet([[1.5, 2.0, 4.0]]).mode_on_boundary()
    assert not Dirichlet.flat(2, 3).mode_on_boundary()
    assert Beta([0.5, 3.0], [2.0, 0.5]).mode().tolist() == [0.0, 1.0]
    assert Beta([0.5], [2.0]).mode_on_boundary()
    assert not Beta([1.5], [2.0]).mode_on_boundary()
    assert Gamma.flat(1).update([0.0], [4.0]).mode().tolist() == [0.0]
    assert Gamma.flat(1).update([0.0], [4.0]).mode_on_boundary()


# --- conditional updates: one factor given the other ---

PRECISION = np.linalg.inv([SCALE, 2 * SCALE + np.eye(D)])
FREE = np.array([[True, False, True], [True, True, True]])
VALUES = np.array([[np.nan, 0.4, np.nan], [np.nan] * 3])


def means(seed, free=None):
    draws = np.random.default_rng(seed).normal(size=(10, K, D))
    return draws if free is None else np.where(free, draws, VALUES)


@pytest.mark.parametrize("free", [None, FREE], ids=["free", "one fixed"])
@pytest.mark.parametrize("form", ["independent", "joint"])
@pytest.mark.parametrize("shape", ["full", "diagonal"])
def test_means_given_covariances(shape, form, free):
    variances = np.array([[0.7, 1.0, 2.0], [0.5, 0.3, 1.4]])
    sigma = np.linalg.inv(PRECISION) if shape == "full" else diagonal(variances)
    precision, n = (PRECISION, N) if shape == "full" else (1 / variances, DIAGONAL[0])
    spread = sigma if shape == "full" else variances
    if form == "independent":
        prior = Normal(MEAN, 2.0).broadcast(K, D)
        factor = prior.update_given(n, S1, precision, free, VALUES)
        log_prior = prior.log_density
    else:
        prior = JOINT[shape][0]
        factor = update_given_joint(prior, n, S1, precision, free, VALUES)

        def log_prior(mu):
            return prior.log_density(mu, spread)

    assert_constant([factor.log_density(m) - log_prior(m) - likelihood(m, sigma) for m in means(1, free)])
    if free is not None:
        assert factor.mean[0, 1] == 0.4
        assert not factor.covariance[0, 1].any()
        assert not factor.covariance[0, :, 1].any()
        assert (factor.draw(np.random.default_rng(1), 5)[:, 0, 1] == 0.4).all()
        assert factor.log_density(factor.mean + 0.1) == -math.inf


def test_gaussian_factor_density_draws_and_entropy():
    factor = Normal(MEAN, 2.0).broadcast(K, D).update_given(N, S1, PRECISION, FREE, VALUES)
    keep = [np.array([0, 2]), np.array([0, 1, 2])]
    reference = [
        stats.multivariate_normal(factor.mean[k][i], factor.covariance[k][np.ix_(i, i)]) for k, i in enumerate(keep)
    ]
    mu = np.where(FREE, 0.1, factor.mean)
    want = sum(r.logpdf(mu[k][keep[k]]) for k, r in enumerate(reference))
    assert factor.log_density(mu) == pytest.approx(want, rel=1e-12)
    assert factor.entropy() == pytest.approx(sum(r.entropy() for r in reference), rel=1e-12)
    draws = factor.draw(np.random.default_rng(5), 40_000)
    for k, i in enumerate(keep):  # 3 % of a variance is four standard errors at 40,000 draws
        np.testing.assert_allclose(np.cov(draws[:, k, i].T), reference[k].cov, atol=0.03 * reference[k].cov.max())
    z = (draws.mean(0) - factor.mean)[FREE] / (draws.std(0)[FREE] / 200)
    assert np.abs(z).max() < 4


def sigma_points(factor):
    """Points whose plain average integrates any quadratic in each mu_k exactly."""
    root = np.linalg.cholesky(factor.covariance) * math.sqrt(D)
    return [factor.mean + sign * root[:, :, j] for j in range(D) for sign in (1, -1)]


FACTOR = GaussianFactor(MEAN + 0.5, [0.2 * SCALE, 0.1 * SCALE + 0.05 * np.eye(D)])


@pytest.mark.parametrize(("prior", "sums", "covariance"), JOINT.values(), ids=JOINT.keys())
def test_spreads_given_a_factor_of_the_means(prior, sums, covariance):
    """log q(spread) - E_q(mu)[log p(mu, spread, y)] is constant in the spread: CAVI's optimal factor."""
    given = prior.covariances_given if sums[2].ndim == 3 else prior.variances_given
    q = given(*sums, FACTOR)
    points = sigma_points(FACTOR)
    values = []
    for spread in prior.draw(np.random.default_rng(6), 10)[1]:
        expected = np.mean([prior.log_density(m, spread) + likelihood(m, covariance(spread)) for m in points])
        values.append(q.log_density(spread.reshape(q_shape(q))) - expected)
    assert_constant(values)


def q_shape(q):
    return q.scale.shape if isinstance(q, InverseWishart) else q.shape.shape


INDEPENDENT = {
    "full": (InverseWishart(6.0, SCALE).broadcast(K, D), (N, S1, S2), lambda s: s),
    "tied": (InverseWishart(6.0, SCALE).broadcast(1, D), (N, S1, S2), lambda s: s),
    "diagonal": (InverseGamma(4.0, 3.0).broadcast(K, D), DIAGONAL, diagonal),
    "spherical": (InverseGamma(4.0, 3.0).broadcast(K, 1), DIAGONAL, diagonal),
}


@pytest.mark.parametrize(("prior", "sums", "covariance"), INDEPENDENT.values(), ids=INDEPENDENT.keys())
def test_independent_spreads_given_a_factor_of_the_means(prior, sums, covariance):
    q = prior.update_given(sums[0], FACTOR.scatter(*sums))
    assert q_shape(q) == q_shape(prior)
    points = sigma_points(FACTOR)
    assert_constant(
        [
            q.log_density(spread)
            - prior.log_density(spread)
            - np.mean([likelihood(m, covariance(spread)) for m in points])
            for spread in prior.draw(np.random.default_rng(7), 10)
        ]
    )


@pytest.mark.parametrize(("prior", "sums", "covariance"), INDEPENDENT.values(), ids=INDEPENDENT.keys())
def test_potentials_of_independent_factors_equal_monte_carlo(prior, sums, covariance):
    x, rng = np.array([0.5, -0.3, 1.0]), np.random.default_rng(8)
    mu = FACTOR.draw(rng, 30_000)
    spread = prior.draw(rng, 30_000)
    c, m, w = prior.expected_potentials(FACTOR)
    if isinstance(prior, InverseWishart):
        assert (c.shape, m.shape, w.shape) == ((K,), (K, D), (K, D, D))
        value = c - 0.5 * ((w @ (x - m)[..., None])[..., 0] ** 2).sum(-1)
        spread = np.broadcast_to(spread, (30_000, K, D, D))
        quadratic = np.einsum("nki,nkij,nkj->nk", x - mu, np.linalg.inv(spread), x - mu)
        sample = -0.5 * (quadratic + np.linalg.slogdet(spread)[1] + D * math.log(2 * math.pi))
    else:
        assert c.shape == m.shape == w.shape == (K, D)
        value = c - 0.5 * (w * (x - m)) ** 2
        sample = -0.5 * (np.log(2 * math.pi * spread) + (x - mu) ** 2 / spread)
    z = (sample.mean(0) - value) / (sample.std(0) / math.sqrt(30_000))
    assert np.abs(z).max() < 4


@pytest.mark.parametrize(("prior", "sums", "covariance"), JOINT.values(), ids=JOINT.keys())
def test_kl_of_two_factors_equals_monte_carlo(prior, sums, covariance):
    given = prior.covariances_given if sums[2].ndim == 3 else prior.variances_given
    q, rng = given(*sums, FACTOR), np.random.default_rng(9)
    shape = prior.mode()[1].shape
    ratio = []
    for mu, spread in zip(FACTOR.draw(rng, 3000), q.draw(rng, 3000), strict=True):
        log_q = FACTOR.log_density(mu) + q.log_density(spread)
        ratio.append(log_q - prior.log_density(mu, spread.reshape(shape)))
    assert abs(np.mean(ratio) - prior.kl_given(FACTOR, q)) < 4 * np.std(ratio) / math.sqrt(3000)


def test_kl_to_a_normal_counts_the_free_elements():
    prior = Normal(MEAN, 2.0).broadcast(K, D)
    factor = prior.update_given(N, S1, PRECISION, FREE, VALUES)
    fixed = stats.norm.logpdf(0.4, MEAN[0, 1], 2.0)
    draws = factor.draw(np.random.default_rng(10), 4000)
    ratio = [factor.log_density(m) - (prior.log_density(m) - fixed) for m in draws]
    assert abs(np.mean(ratio) - prior.kl_given(factor)) < 4 * np.std(ratio) / math.sqrt(4000)


def test_means_without_prior_or_data_are_refused():
    flat = Normal.flat(K, D)
    factor = flat.update_given(N, S1, PRECISION)
    np.testing.assert_allclose(factor.mean, S1 / N[:, None], rtol=1e-12)
    with pytest.raises(ValueError, match="neither data nor a proper prior"):
        flat.update_given(np.array([0.0, 14.0]), S1, PRECISION)
    with pytest.raises(ValueError, match="values: got None"):
        flat.update_given(N, S1, PRECISION, FREE)
