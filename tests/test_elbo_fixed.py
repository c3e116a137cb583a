"""The ELBO where means are fixed under a joint prior: a bound on the evidence given them, exact where q can be.

Evidences come one observation after the other, from Student's t predictive densities (Murphy 2007).
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.model.blocks.fixed import over_covariance

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(4)
Y = RNG.normal([1.0, -1.0], [1.0, 2.0], (15, 2))
Z = np.arange(15) % 2
MEANS = np.array([[0.5, -0.5], [1.5, 0.0]])


def known_mean(y, mean, shape, rate):
    """Log evidence of a normal sample with known mean and an inverse-gamma variance."""
    total = 0.0
    for value in y:
        total += stats.t.logpdf(value, 2 * shape, mean, np.sqrt(rate / shape))
        shape, rate = shape + 0.5, rate + 0.5 * (value - mean) ** 2
    return total


def known_means(y, means, df, scale):
    """The same for rows with a common inverse-Wishart covariance."""
    total, d = 0.0, y.shape[1]
    for row, mean in zip(y, means, strict=True):
        total += stats.multivariate_t.logpdf(row, mean, scale / (df - d + 1), df - d + 1)
        df, scale = df + 1, scale + np.outer(row - mean, row - mean)
    return total


def test_univariate():
    prior = p.NormalInverseGamma(mean=0.2, kappa=0.7, shape=2.5, rate=1.5)
    fit = evb.Mixture(e.Normal(), 1, fixed={"means": [0.5]}, priors={"emission": prior}).fit(Y[:, 0], "vi", **QUIET)
    rate = 1.5 + 0.5 * 0.7 * 0.3**2  # the fixed mean says something of the variance
    assert fit.elbo == pytest.approx(known_mean(Y[:, 0], 0.5, 3.0, rate), rel=1e-10)


def test_nothing_free():
    fixed = {"means": [[0.5, -0.5]], "covariances": [np.diag([1.0, 2.0])]}
    for covariance in ("full", "diag", "tied"):
        fit = evb.GaussianMixture(1, covariance, fixed=fixed).fit(Y, "vi", **QUIET)
        assert fit.elbo == pytest.approx(fit.log_likelihood, rel=1e-12)


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_multivariate(covariance):
    mean, kappa, df, scale = np.array([0.3, 0.1]), 0.4, 5.0, np.array([[2.0, 0.5], [0.5, 1.0]])
    prior = p.NormalInverseWishart(mean=mean, kappa=kappa, df=df, scale=scale)
    fixed = {"means": MEANS, "weights": [0.4, 0.6]}
    fit = evb.GaussianMixture(2, covariance, fixed=fixed, priors={"emission": prior}).fit(Y, "vi", labels=Z, **QUIET)
    off = (MEANS - mean)[:, :, None] * (MEANS - mean)[:, None, :]
    wanted = np.log(np.array([0.4, 0.6])[Z]).sum()
    if covariance == "full":
        for k in range(2):
            wanted += known_means(Y[k == Z], MEANS[Z[k == Z]], df + 1, scale + kappa * off[k])
    else:
        wanted += known_means(Y, MEANS[Z], df + 2, scale + kappa * off.sum(axis=0))
    assert fit.elbo == pytest.approx(wanted, rel=1e-10)


def test_part_of_a_mean_with_a_known_covariance():
    """All is normal: q is exact."""
    mean, kappa, sigma = np.array([0.3, 0.1]), 0.4, np.array([[2.0, 0.5], [0.5, 1.0]])
    prior = p.NormalInverseWishart(mean=mean, kappa=kappa, df=5.0, scale=np.eye(2))
    fixed = {"means": [[0.5, np.nan]], "covariances": [sigma]}
    fit = evb.GaussianMixture(1, fixed=fixed, priors={"emission": prior}).fit(Y, "vi", **QUIET)
    slope = sigma[0, 1] / sigma[0, 0]
    centre = np.array([0.5, 0.1 + slope * 0.2])
    spread = np.diag([0.0, (sigma[1, 1] - slope * sigma[0, 1]) / kappa])
    whole = np.kron(np.eye(15), sigma) + np.kron(np.ones((15, 15)), spread)
    wanted = stats.multivariate_normal.logpdf(Y.ravel(), np.tile(centre, 15), whole)
    assert fit.elbo == pytest.approx(wanted, rel=1e-10)


def test_coefficients():
    x, b, m = np.column_stack([np.ones(15), Y[:, 1]]), np.array([0.5, 0.2]), np.array([0.1, 0.0])
    kappa = np.array([[1.0, 0.3], [0.3, 0.5]])
    prior = p.NormalInverseGamma(mean=m, kappa=kappa, shape=2.5, rate=1.5)
    spec = evb.Mixture(e.LinearRegression(), 1, fixed={"coefficients": [b]}, priors={"emission": prior})
    fit = spec.fit(Y[:, 0], "vi", exog=x, **QUIET)
    wanted = known_mean(Y[:, 0] - x @ b, 0.0, 3.5, 1.5 + 0.5 * (b - m) @ kappa @ (b - m))
    assert fit.elbo == pytest.approx(wanted, rel=1e-10)
    part = evb.Mixture(
        e.LinearRegression(), 1, fixed={"coefficients": [[0.5, np.nan]], "sigmas": [1.2]}, priors={"emission": prior}
    ).fit(Y[:, 0], "vi", exog=x, **QUIET)
    v = 1.44
    centre, spread = 0.0 - kappa[1, 0] / kappa[1, 1] * (0.5 - 0.1), v / kappa[1, 1]
    whole = v * np.eye(15) + spread * np.outer(x[:, 1], x[:, 1])
    exact = stats.multivariate_normal.logpdf(Y[:, 0], 0.5 + centre * x[:, 1], whole)
    assert part.elbo == pytest.approx(exact, rel=1e-10)


def test_the_matrix_t_density():
    """Of a block of a larger inverse Wishart (one feature fewer), one after the other."""
    df, scale = 6.0, np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    x, kappa = np.array([[0.3, -0.2], [1.0, 0.4]]), np.array([0.5, 2.0])
    own = scale[:2, :2]
    first = stats.multivariate_t.logpdf(x[0], np.zeros(2), own / (kappa[0] * 4.0), 4.0)  # 6 - 3 + 1
    assert over_covariance(x[:1], kappa[:1], None, df - 1, own) == pytest.approx(first, rel=1e-12)
    own = own + kappa[0] * np.outer(x[0], x[0])
    second = stats.multivariate_t.logpdf(x[1], np.zeros(2), own / (kappa[1] * 5.0), 5.0)
    assert over_covariance(x, kappa, None, df - 1, scale[:2, :2]) == pytest.approx(first + second, rel=1e-12)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_below_the_evidence_where_means_are_fixed_in_part(covariance):
    """The evidence by draws from the prior, weighed by what the fixed element says of them."""
    y = Y[:6]
    prior = {
        "full": p.NormalInverseWishart(mean=[0.3, 0.1], kappa=0.4, df=5.0, scale=4.0 * np.eye(2)),
        "tied": p.NormalInverseWishart(mean=[0.3, 0.1], kappa=0.4, df=5.0, scale=4.0 * np.eye(2)),
        "diag": p.NormalInverseGamma(mean=[0.3, 0.1], kappa=0.4, shape=2.5, rate=3.0),
        "spherical": p.NormalInverseGamma(mean=[0.3, 0.1], kappa=0.4, shape=2.5, rate=3.0),
    }[covariance]
    spec = evb.GaussianMixture(1, covariance, fixed={"means": [[0.5, np.nan]]}, priors={"emission": prior})
    fit = spec.fit(y, "vi", **QUIET)
    rng = np.random.default_rng(2)
    size, kappa = 200_000, 0.4
    if covariance in ("full", "tied"):
        sigmas = stats.invwishart(df=5.0, scale=4.0 * np.eye(2)).rvs(size, random_state=rng)
    else:
        v = 1.0 / rng.gamma(2.5, 1.0 / 3.0, (size, 2 if covariance == "diag" else 1))
        sigmas = np.broadcast_to(v[:, :, None], (size, v.shape[1], 2)) * np.eye(2)
    weight = stats.norm.pdf(0.5, 0.3, np.sqrt(sigmas[:, 0, 0] / kappa))
    slope = sigmas[:, 0, 1] / sigmas[:, 0, 0]
    second = (
        0.1 + slope * 0.2 + rng.standard_normal(size) * np.sqrt((sigmas[:, 1, 1] - slope * sigmas[:, 0, 1]) / kappa)
    )
    off = y - np.column_stack([np.full(size, 0.5), second])[:, None]
    inverse, det = np.linalg.inv(sigmas), np.linalg.slogdet(sigmas)[1]
    heights = -0.5 * (np.einsum("sni,sij,snj->s", off, inverse, off) + len(y) * (det + 2 * np.log(2 * np.pi)))
    top = heights.max()
    values = weight * np.exp(heights - top)
    evidence = top + np.log(values.mean() / weight.mean())
    noise = values.std() / values.mean() / np.sqrt(size)
    assert noise < 0.05
    assert evidence - 0.3 - 4 * noise < fit.elbo < evidence + 4 * noise
