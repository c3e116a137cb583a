"""Every density of the table against scipy.stats, inside, outside and on the edge of its support."""

import numpy as np
import pytest
from scipy import stats

from em_vs_bayes.kernels.densities import log_density, log_density_gradient
from em_vs_bayes.kernels.tables import DENSITY

NAN = np.nan
CASES = [
    ("Normal", (0.7, 2.3, NAN), stats.norm(0.7, 2.3)),
    ("HalfNormal", (1.7, NAN, NAN), stats.halfnorm(scale=1.7)),
    ("TruncatedNormal", (0.8, 1.7, stats.norm.logsf(-0.8 / 1.7)), stats.truncnorm(-0.8 / 1.7, np.inf, 0.8, 1.7)),
    ("TruncatedNormal", (-3.0, 0.9, stats.norm.logsf(3 / 0.9)), stats.truncnorm(3 / 0.9, np.inf, -3.0, 0.9)),
    ("Gamma", (2.5, 1.3, NAN), stats.gamma(2.5, scale=1 / 1.3)),
    ("Gamma", (1.0, 1.3, NAN), stats.gamma(1.0, scale=1 / 1.3)),
    ("Gamma", (0.4, 3.0, NAN), stats.gamma(0.4, scale=1 / 3.0)),
    ("InverseGamma", (2.5, 1.3, NAN), stats.invgamma(2.5, scale=1.3)),
    ("Beta", (2.0, 3.5, NAN), stats.beta(2.0, 3.5)),
    ("Beta", (1.0, 1.0, NAN), stats.beta(1.0, 1.0)),
    ("Beta", (0.5, 0.7, NAN), stats.beta(0.5, 0.7)),
    ("Exponential", (0.6, NAN, NAN), stats.expon(scale=1 / 0.6)),
    ("StudentT", (3.5, -0.4, 1.9), stats.t(3.5, -0.4, 1.9)),
    ("Cauchy", (-0.4, 1.9, NAN), stats.cauchy(-0.4, 1.9)),
    ("HalfCauchy", (1.9, NAN, NAN), stats.halfcauchy(scale=1.9)),
    ("LogNormal", (0.3, 0.8, NAN), stats.lognorm(0.8, scale=np.exp(0.3))),
    ("Uniform", (-1.5, 2.25, NAN), stats.uniform(-1.5, 3.75)),
    ("Laplace", (0.25, 1.4, NAN), stats.laplace(0.25, 1.4)),
]
IDS = [f"{name}{parameters[:2]}" for name, parameters, _ in CASES]
VALUES = np.array([-3.0, -1.5, -0.4, 1e-6, 0.03, 0.31, 0.5, 0.97, 1.6, 2.25, 7.0, 60.0])


def slope(f, x, step):
    """Central difference of fourth order."""
    return (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * step)


@pytest.mark.parametrize(("name", "parameters", "reference"), CASES, ids=IDS)
def test_log_density_is_that_of_scipy(name, parameters, reference):
    got = [log_density(DENSITY[name], *parameters, value) for value in VALUES]
    np.testing.assert_allclose(got, reference.logpdf(VALUES), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("name", "parameters", "reference"), CASES, ids=IDS)
def test_edges_of_the_support_are_those_of_scipy(name, parameters, reference):
    with np.errstate(all="ignore"):
        for edge in reference.support():
            if np.isfinite(edge):
                expected = reference.logpdf(edge)
                logp, derivative = log_density_gradient(DENSITY[name], *parameters, edge)
                np.testing.assert_allclose(logp, expected, rtol=1e-12, atol=1e-12)
                assert np.isfinite(derivative)


@pytest.mark.parametrize(("name", "parameters", "reference"), CASES, ids=IDS)
def test_gradient_is_the_slope_of_scipys_log_density(name, parameters, reference):
    code = DENSITY[name]
    for value in (-0.9, 0.11, 0.6, 0.93, 1.8, 4.0):
        logp, derivative = log_density_gradient(code, *parameters, value)
        assert logp == log_density(code, *parameters, value)
        if np.isfinite(reference.logpdf(value)):
            np.testing.assert_allclose(derivative, slope(reference.logpdf, value, 1e-3), rtol=1e-6, atol=1e-8)
        else:
            assert derivative == 0.0 and logp == -np.inf


def test_half_student_t_is_the_student_t_folded():
    reference = stats.t(4.0, 0.0, 1.6)
    for value in (0.0, 0.3, 2.0, 11.0):
        logp, derivative = log_density_gradient(DENSITY["HalfStudentT"], 4.0, 1.6, NAN, value)
        np.testing.assert_allclose(logp, np.log(2) + reference.logpdf(value), rtol=1e-12)
        np.testing.assert_allclose(derivative, slope(reference.logpdf, value, 1e-3), rtol=1e-6, atol=1e-8)
    assert log_density(DENSITY["HalfStudentT"], 4.0, 1.6, NAN, -0.1) == -np.inf


def test_inverse_gamma_on_square_is_the_density_of_sigma():
    reference = stats.invgamma(2.5, scale=1.3)

    def direct(sigma):
        return reference.logpdf(sigma**2) + np.log(2 * sigma)

    for sigma in (0.2, 0.9, 3.0):
        logp, derivative = log_density_gradient(DENSITY["InverseGammaOnSquare"], 2.5, 1.3, NAN, sigma)
        np.testing.assert_allclose(logp, direct(sigma), rtol=1e-12)
        np.testing.assert_allclose(derivative, slope(direct, sigma, 1e-3), rtol=1e-5)
    assert log_density(DENSITY["InverseGammaOnSquare"], 2.5, 1.3, NAN, 0.0) == -np.inf


def test_flat_is_constant():
    assert log_density_gradient(DENSITY["Flat"], NAN, NAN, NAN, -40.0) == (0.0, 0.0)


@pytest.mark.parametrize("name", DENSITY)
def test_not_a_number_is_outside_every_support(name):
    assert log_density_gradient(DENSITY[name], 0.5, 2.0, 1.0, NAN) == (-np.inf, 0.0)


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match="DENSITY"):
        log_density(99, 0.0, 1.0, 0.0, 0.5)
