"""Normalisers by quadrature and against scipy.stats; expected potentials by quadrature and Monte Carlo."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

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

SCALE = np.array([[2.0, 0.5], [0.5, 1.0]])
SIGMA = np.array([[1.3, -0.2], [-0.2, 0.6]])


def one_dimensional(density, lower, upper):
    return integrate.quad(lambda x: math.exp(density(x)), lower, upper, limit=200)[0]


@pytest.mark.parametrize(
    ("density", "lower", "upper"),
    [
        (lambda x: Gamma([2.5], [1.7]).log_density([x]), 0, np.inf),
        (lambda x: Beta([2.5], [1.7]).log_density([x]), 0, 1),
        (lambda x: Normal([[2.5]], [[1.7]]).log_density([[x]]), -np.inf, np.inf),
        (lambda x: InverseGamma([[2.5]], [[1.7]]).log_density([[x]]), 0, np.inf),
        (lambda x: InverseGamma([[2.5]], [[1.7]]).log_density([[x]], "sd"), 0, np.inf),
        (lambda x: InverseWishart([3.5], [[[1.7]]]).log_density([[[x]]]), 0, np.inf),
    ],
    ids=["gamma", "beta", "normal", "inverse gamma", "inverse gamma sd", "inverse wishart"],
)
def test_one_dimensional_densities_integrate_to_one(density, lower, upper):
    assert one_dimensional(density, lower, upper) == pytest.approx(1, abs=1e-7)


def joint(prior, *words):
    """The integral of a density of (mu, spread) with mu within 30 standard deviations of zero."""
    shape = (1, 1, 1) if isinstance(prior, NormalInverseWishart) else (1, 1)

    def inner(spread):
        width = 30 * spread if words else 30 * math.sqrt(spread)
        value = np.full(shape, spread)
        return integrate.quad(
            lambda mu: math.exp(prior.log_density([[mu]], value, *words)), -width, width, points=[0.0]
        )[0]

    return integrate.quad(inner, 0, np.inf, limit=200)[0]


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (NormalInverseWishart([[0.4]], [0.8], [5.0], [[[1.7]]]), ()),
        (NormalInverseGamma([[0.4]], [[0.8]], [[2.5]], [[1.7]]), ()),
        (NormalInverseGamma([[0.4]], [[0.8]], [[2.5]], [[1.7]]), ("sd",)),
    ],
    ids=["inverse wishart", "inverse gamma", "inverse gamma sd"],
)
def test_joint_densities_integrate_to_one(prior, words):
    assert joint(prior, *words) == pytest.approx(1, abs=1e-6)


def test_dirichlet_integrates_to_one_and_equals_scipy():
    prior = Dirichlet([[2.0, 1.5, 3.0]])

    def density(b, a):
        return math.exp(prior.log_density([[a, b, 1 - a - b]]))

    assert integrate.dblquad(density, 0, 1, 0, lambda a: 1 - a)[0] == pytest.approx(1, abs=1e-6)
    p = [0.2, 0.5, 0.3]
    assert prior.log_density([p]) == pytest.approx(stats.dirichlet([2.0, 1.5, 3.0]).logpdf(p), abs=1e-12)
    assert prior.log_density([[0.2, 0.5, 0.4]]) == -math.inf


def test_inverse_wishart_families_equal_scipy():
    mu, mean, kappa, df = np.array([0.3, -1.0]), np.array([0.1, 0.4]), 0.7, 6.5
    covariance = stats.invwishart(df, SCALE).logpdf(SIGMA)
    assert InverseWishart([df], [SCALE]).log_density([SIGMA]) == pytest.approx(covariance, abs=1e-12)
    other = stats.multivariate_normal(mean, SIGMA / kappa)
    prior = NormalInverseWishart(mean, kappa, df, SCALE)
    got = prior.broadcast(1, 2).log_density([mu], [SIGMA])
    assert got == pytest.approx(covariance + other.logpdf(mu), abs=1e-12)
    points = [mu, mu + 1, mu - 2]
    got = prior.tied(3, 2).log_density(points, SIGMA)
    assert got == pytest.approx(covariance + other.logpdf(points).sum(), abs=1e-12)


def test_inverse_gamma_families_equal_scipy():
    mu, v, kappa = np.array([[0.3, -1.0]]), np.array([[0.7, 1.9]]), 0.7
    variance = stats.invgamma(3.0, scale=1.7).logpdf(v)
    assert InverseGamma(3.0, 1.7).broadcast(1, 2).log_density(v) == pytest.approx(variance.sum(), abs=1e-12)
    prior = NormalInverseGamma(0.1, kappa, 3.0, 1.7)
    means = stats.norm(0.1, np.sqrt(v / kappa)).logpdf(mu)
    assert prior.broadcast(1, 2).log_density(mu, v) == pytest.approx((means + variance).sum(), abs=1e-12)
    shared = stats.norm(0.1, math.sqrt(0.7 / kappa)).logpdf(mu).sum() + variance[0, 0]
    assert prior.spherical(1, 2).log_density(mu, [0.7]) == pytest.approx(shared, abs=1e-12)


def test_one_dimension_makes_the_families_equal():
    """NIW(df, scale) with d = 1 is NIG(df / 2, scale / 2), tied or spherical alike."""
    mu, v = np.array([[0.3]]), 0.8
    wishart = NormalInverseWishart(0.1, 0.7, 5.0, 3.0)
    gamma = NormalInverseGamma(0.1, 0.7, 2.5, 1.5)
    values = [
        wishart.broadcast(1, 1).log_density(mu, [[[v]]]),
        wishart.tied(1, 1).log_density(mu, [[v]]),
        gamma.broadcast(1, 1).log_density(mu, [[v]]),
        gamma.spherical(1, 1).log_density(mu, [v]),
    ]
    np.testing.assert_allclose(values, values[0], rtol=1e-13)


def test_scalar_potentials_equal_quadrature():
    gamma, beta = Gamma([2.5], [1.7]), Beta([2.5], [1.7])

    def mean(prior, f, upper):
        return integrate.quad(lambda x: f(x) * math.exp(prior.log_density([x])), 0, upper, limit=200)[0]

    want = [[mean(gamma, math.log, np.inf), -mean(gamma, float, np.inf)]]
    np.testing.assert_allclose(gamma.expected_potentials(), want, atol=1e-7)
    want = [[mean(beta, math.log, 1), mean(beta, lambda x: math.log1p(-x), 1)]]
    np.testing.assert_allclose(beta.expected_potentials(), want, atol=1e-7)
    sd = InverseGamma([[2.5]], [[1.7]])
    want = integrate.quad(lambda s: s * math.exp(sd.log_density([[s]], "sd")), 0, np.inf)[0]
    assert sd.expected("sd")[0, 0] == pytest.approx(want, abs=1e-7)


def test_dirichlet_potentials_equal_monte_carlo():
    prior = Dirichlet([[2.0, 1.5, 3.0], [0.8, 6.0, 1.0]])
    logs = np.log(prior.draw(np.random.default_rng(1), 40_000))
    z = (logs.mean(0) - prior.expected_potentials()) / (logs.std(0) / 200)
    assert np.abs(z).max() < 4


def gaussian(x, mu, sigma):
    """log N(x; mu, sigma) for stacks of means and covariances, in plain numpy."""
    quadratic = np.einsum("...i,...ij,...j", x - mu, np.linalg.inv(sigma), x - mu)
    return -0.5 * (quadratic + np.linalg.slogdet(sigma)[1] + len(x) * math.log(2 * math.pi))


def assert_equals_mean(value, sample):
    assert abs(value - sample.mean()) < 4 * sample.std() / math.sqrt(len(sample))


X = np.array([0.6, -0.9])


@pytest.mark.parametrize("tied", [False, True])
def test_wishart_potentials_equal_monte_carlo(tied):
    prior = NormalInverseWishart([[0.3, -1.0], [2.0, 1.0]], [0.7, 3.0], 8.0, SCALE)
    q = prior.tied(2, 2) if tied else prior.broadcast(2, 2)
    mu, sigma = q.draw(np.random.default_rng(2), 40_000)
    c, m, w = q.expected_potentials()
    assert c.shape == (2,)
    assert (m.shape, w.shape) == ((2, 2), (2, 2, 2))
    assert (w[:, 0, 1] == 0).all()
    for k in range(2):
        sample = gaussian(X, mu[:, k], sigma if tied else sigma[:, k])
        assert_equals_mean(c[k] - 0.5 * np.sum((w[k] @ (X - m[k])) ** 2), sample)


@pytest.mark.parametrize("spherical", [False, True])
def test_gamma_potentials_equal_monte_carlo(spherical):
    prior = NormalInverseGamma([[0.3, -1.0], [2.0, 1.0]], 0.7, 4.0, 3.0)
    q = prior.spherical(2, 2) if spherical else prior.broadcast(2, 2)
    mu, v = q.draw(np.random.default_rng(3), 40_000)
    v = v[..., None] if spherical else v
    c, m, w = q.expected_potentials()
    assert c.shape == m.shape == w.shape == (2, 2)
    sample = -0.5 * (np.log(2 * math.pi * v) + (X - mu) ** 2 / v)
    value = c - 0.5 * (w * (X - m)) ** 2
    z = (sample.mean(0) - value) / (sample.std(0) / 200)
    assert np.abs(z).max() < 4


def test_inverse_wishart_draws_have_scipy_distribution():
    """Kolmogorov-Smirnov tests against the known marginals and against scipy's own sampler."""
    sigma = InverseWishart([7.0], [SCALE]).draw(np.random.default_rng(4), 5000)[:, 0]
    # Sigma_11 ~ IG((df - d + 1) / 2, scale_11 / 2)
    assert stats.kstest(sigma[:, 0, 0], stats.invgamma(3.0, scale=1.0).cdf).pvalue > 1e-3
    assert stats.kstest(sigma[:, 1, 1], stats.invgamma(3.0, scale=0.5).cdf).pvalue > 1e-3
    theirs = stats.invwishart(7.0, SCALE).rvs(5000, random_state=5)
    ours, other = np.linalg.slogdet(sigma)[1], np.linalg.slogdet(theirs)[1]
    assert stats.ks_2samp(ours, other).pvalue > 1e-3
    assert stats.ks_2samp(sigma[:, 0, 1], theirs[:, 0, 1]).pvalue > 1e-3


def test_kl_closed_forms():
    gap, s, t = 1.3, 0.7, 2.0
    want = math.log(t / s) + (s**2 + gap**2) / (2 * t**2) - 0.5
    assert Normal([[gap]], [[s]]).kl(Normal([[0.0]], [[t]])) == pytest.approx(want, rel=1e-12)
    want = 3 * (math.log(2.0) + 0.5 - 1)  # KL(Gamma(a, b1) || Gamma(a, b0)) = a (log(b1 / b0) + b0 / b1 - 1)
    assert Gamma([3.0], [4.0]).kl(Gamma([3.0], [2.0])) == pytest.approx(want, rel=1e-12)
    want = 3 * (math.log(2.0) + 0.5 - 1)  # the same divergence, of the reciprocals
    assert InverseGamma([[3.0]], [[4.0]]).kl(InverseGamma([[3.0]], [[2.0]])) == pytest.approx(want, rel=1e-12)
    want = 5 / 2 * (2 * math.log(2.0) + 2 * 0.5 - 2)  # and of a (2, 2) inverse-Wishart with scale halved
    q, p = InverseWishart([5.0], [2 * SCALE]), InverseWishart([5.0], [SCALE])
    assert q.kl(p) == pytest.approx(want, rel=1e-12)
