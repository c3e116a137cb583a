"""The conjugate prior of a regression: Bayes' rule at many points, least squares in the flat limit, quadrature."""

import numpy as np
import pytest
from scipy import integrate, stats

from em_vs_bayes.model.priors import NormalInverseGamma
from em_vs_bayes.model.priors.regression_normal_inverse_gamma import RegressionNormalInverseGamma

RNG = np.random.default_rng(8)
K, P = 2, 3
X = [RNG.normal(size=(n, P)) for n in (9, 14)]
Y = [x @ [1.0, -2.0, 0.5] + RNG.normal(size=len(x)) for x in X]
N = np.array([9.0, 14.0])
CROSS = np.array([np.column_stack([x, y]).T @ np.column_stack([x, y]) for x, y in zip(X, Y, strict=True)])
KAPPA = np.array([[2.0, -0.5, 0.0], [-0.5, 1.0, 0.2], [0.0, 0.2, 0.7]])
PRIOR = NormalInverseGamma([[0.3, -1.0, 0.2], [2.0, 1.0, -0.4]], KAPPA, [3.0, 4.0], 2.0)


def likelihood(b, v):
    return sum(stats.norm(x @ b[k], np.sqrt(v[k])).logpdf(y).sum() for k, (x, y) in enumerate(zip(X, Y, strict=True)))


def test_the_update_is_bayes_rule():
    prior = PRIOR.regression(K, P)
    posterior = prior.update(N, CROSS)
    ratios = []
    for seed in range(10):
        b, v = prior.draw(np.random.default_rng(seed))
        ratios.append(posterior.log_density(b, v) - prior.log_density(b, v) - likelihood(b, v))
    np.testing.assert_allclose(ratios, ratios[0], rtol=0, atol=1e-9 * abs(ratios[0]))


def test_the_log_density_is_that_of_scipy():
    prior = PRIOR.regression(K, P)
    b, v = prior.draw(np.random.default_rng(1))
    expected = sum(
        stats.multivariate_normal(prior.mean[k], v[k] * np.linalg.inv(KAPPA)).logpdf(b[k])
        + stats.invgamma(prior.shape[k], scale=prior.rate[k]).logpdf(v[k])
        for k in range(K)
    )
    assert prior.log_density(b, v) == pytest.approx(expected, rel=1e-12)
    in_sd = prior.log_density(b, np.sqrt(v), parameter="sd")
    assert in_sd == pytest.approx(expected + np.log(2 * np.sqrt(v)).sum(), rel=1e-12)


def test_expected_potentials_by_quadrature():
    """E[log N(y; x b, v)] for one predictor, by a double integral over log v and b in its own standard deviations."""
    q = NormalInverseGamma(0.7, 1.5, 3.0, 2.0).regression(1, 1)
    x, y = 1.3, -0.4

    z, log_v = np.linspace(-12, 12, 801)[:, None], np.linspace(-15, 30, 4501)  # smooth, and gone at the ends
    v = np.exp(log_v)
    density = stats.norm.pdf(z) * stats.invgamma.pdf(v, 3.0, scale=2.0) * v
    values = density * stats.norm.logpdf(y, x * (0.7 + z * np.sqrt(v / 1.5)), np.sqrt(v))
    one, exact = (integrate.trapezoid(integrate.trapezoid(f, log_v), z[:, 0]) for f in (density, values))
    assert one == pytest.approx(1.0, abs=1e-9)
    c, mean, w, upper = (part[0] for part in q.expected_potentials())
    got = c - (w * (y - x * mean[0])) ** 2 / 2 - (upper[0, 0] * x) ** 2 / 2
    assert got == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("parameter", "power"), [("variance", 1), ("sd", 2)])
def test_flat_priors_give_least_squares(parameter, power):
    posterior = RegressionNormalInverseGamma.flat(K, P, parameter).update(N, CROSS)
    b, value = posterior.mode(parameter)
    for k, (x, y) in enumerate(zip(X, Y, strict=True)):
        expected, squares, *_ = np.linalg.lstsq(x, y, rcond=None)
        np.testing.assert_allclose(b[k], expected, rtol=1e-10)
        assert value[k] ** power == pytest.approx(squares[0] / len(y), rel=1e-10)


def test_a_component_without_enough_rows_keeps_finite_coefficients():
    posterior = RegressionNormalInverseGamma.flat(K, P, "sd").update(np.array([0.0, 1.0]), CROSS * [[[0.0]], [[0.0]]])
    b, sd = posterior.mode("sd")
    assert np.isfinite(b).all()
    assert np.isnan(sd[0])


@pytest.mark.parametrize(
    ("kappa", "words"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], "positive definite"),
        ([[1.0, -2.0], [-2.0, 1.0]], "positive definite"),
        ([1.0, 2.0], "a number or matrices"),
        (-1.0, "positive"),
        (np.eye(3), "wants a scalar or an array"),
    ],
)
def test_a_precision_that_is_none_is_refused(kappa, words):
    with pytest.raises(ValueError, match=words):
        NormalInverseGamma(0.0, kappa, 2.0, 1.0).regression(2, 2)


def test_a_matrix_is_refused_where_dimensions_are_independent():
    with pytest.raises(ValueError, match="kappa"):
        NormalInverseGamma(0.0, [[1.0, -0.5], [-0.5, 1.0]], 2.0, 1.0).broadcast(2, 2)
