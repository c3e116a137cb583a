"""The oracle for censored and truncated regressions, checked before anything is checked against it."""

from __future__ import annotations

from functools import partial
from math import log

import numpy as np
import pytest
from naive import censored
from scipy import integrate, stats

X = np.array([[1.0, -1.2], [1.0, -0.4], [1.0, 0.1], [1.0, 0.5], [1.0, 1.3], [1.0, 2.0]])
Y = np.array([0.2, -0.5, 0.9, 1.4, 1.1, 2.6])
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])
INTERVALS = np.array([(0.2, 0.2), (-np.inf, 0.0), (0.5, 1.5), (1.4, 1.4), (1.0, np.inf), (2.6, 2.6)])
PRIOR = censored.NormalInverseGamma(np.array([0.5, 1.0]), np.array([[0.5, 0.1], [0.1, 0.3]]), 2.0, 1.5)
NARROW = censored.NormalInverseGamma(PRIOR.mean[:1], PRIOR.kappa[:1, :1], 2.0, 1.5)
START = (np.array([0.5, 0.8]), 0.7)

BOUNDS = [
    (-np.inf, np.inf), (-np.inf, -3.0), (-np.inf, 2.0), (1.5, np.inf), (8.0, np.inf), (-1.0, 2.0), (3.0, 3.5),
    (-9.0, -7.0), (0.4, 0.4001), (-6.0001, -6.0), (30.0, np.inf), (-40.0, -39.9), (20.0, 20.0 + 1e-9),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), BOUNDS)
def test_mass_two_ways(a, b):
    """By logarithms of the distribution function and by quadrature: they share nothing but the density."""
    assert censored.log_mass(a, b).item() == pytest.approx(censored.moments(a, b).log_mass, rel=1e-12, abs=1e-12)


def test_known_masses():
    # Abramowitz & Stegun (1964), table 26.2: Q(1.96) = 0.0249978951, log10 Q(10) = -23.11805, log10 Q(40) = -349.43701
    assert np.exp(censored.log_mass(1.96, np.inf)) == pytest.approx(0.024997895148220435, rel=1e-13)
    assert censored.log_mass(10.0, np.inf) / log(10) == pytest.approx(-23.11805, abs=1e-5)
    assert censored.log_mass(40.0, np.inf) / log(10) == pytest.approx(-349.43701, abs=1e-5)


@pytest.mark.parametrize(("a", "b"), BOUNDS[:8])
@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (0.7, 1.6)])
def test_moments_against_adaptive_quadrature(a, b, mean, sigma):
    found = censored.moments(a, b, mean, sigma)
    low, high = max(a, mean - 40 * sigma), min(b, mean + 40 * sigma)
    top = stats.norm.logpdf(min(max(mean, low), high), mean, sigma)

    def integral(g):
        peak = min(max(mean, low), high)
        points = [v for v in (peak - sigma, peak, peak + sigma) if low < v < high]
        weighted = partial(lambda g, v: g(v) * np.exp(stats.norm.logpdf(v, mean, sigma) - top), g)
        return integrate.quad(weighted, low, high, points=points, epsabs=1e-13, epsrel=1e-11, limit=500)[0]

    mass = integral(lambda v: 1.0)
    first = integral(lambda v: v) / mass
    assert found.log_mass == pytest.approx(top + log(mass), abs=1e-9)
    assert found.mean == pytest.approx(first, rel=1e-9, abs=1e-9)
    assert found.variance == pytest.approx(integral(lambda v: (v - first) ** 2) / mass, rel=1e-8)


def test_moments_in_closed_form():
    half = censored.moments(0.0, np.inf, 0.0, 2.0)
    assert half.mean == pytest.approx(2 * np.sqrt(2 / np.pi), rel=1e-13)
    assert half.variance == pytest.approx(4 * (1 - 2 / np.pi), rel=1e-13)
    far = censored.moments(1e6, np.inf)  # an exponential of rate 1e6, to 1e-12
    assert (far.mean - 1e6) * 1e6 == pytest.approx(1.0, rel=1e-3)  # 1e6 + 1e-6 keeps four digits of the second
    assert far.variance * 1e12 == pytest.approx(1.0, rel=1e-10)
    thin = censored.moments(5.0, 5.0 + 1e-6)  # a uniform
    assert thin.variance == pytest.approx(1e-12 / 12, rel=1e-5)
    assert censored.moments(1.3, 1.3, 0.3, 2.0) == censored.Moments(stats.norm.logpdf(1.3, 0.3, 2.0), 1.3, 0.0)


def test_terms_are_what_scipy_says():
    b, sigma = START
    lines = X @ b
    got = censored.censored_terms(INTERVALS, X, b, sigma)
    for (lower, upper), line, term in zip(INTERVALS, lines, got):
        normal = stats.norm(line, sigma)
        wanted = normal.logpdf(lower) if lower == upper else log(normal.cdf(upper) - normal.cdf(lower))
        assert term == pytest.approx(wanted, rel=1e-12)
    truncated = censored.truncated_terms(Y, X, b, sigma, lower=-0.6, upper=3.0)
    wanted = stats.truncnorm((-0.6 - lines) / sigma, (3.0 - lines) / sigma, lines, sigma).logpdf(Y)
    np.testing.assert_allclose(truncated, wanted, rtol=1e-11)
    for value, line, term in zip(Y, lines, truncated):  # and it is a density
        mass = integrate.quad(lambda v, line=line: np.exp(_one_truncated(v, line, sigma)), -0.6, 3.0, epsabs=1e-12)[0]
        assert mass == pytest.approx(1.0, abs=1e-10)
        assert term == pytest.approx(_one_truncated(value, line, sigma))


def _one_truncated(value, line, sigma):
    return censored.truncated_terms([value], [[1.0]], [line], sigma, lower=-0.6, upper=3.0).item()


def test_intervals_of_a_tobit():
    got = censored.tobit_intervals([-1.0, 0.0, 0.5, 4.0, 12.0], lower=0.0, upper=4.0)
    wanted = [(-np.inf, 0.0), (-np.inf, 0.0), (0.5, 0.5), (4.0, np.inf), (4.0, np.inf)]
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(censored.tobit_intervals([-1.0, 7.0], lower=None), [(-1.0, -1.0), (7.0, 7.0)])


# --- evidence and posterior ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("p", [1, 2])
def test_exact_responses_have_a_closed_form(p, weights):
    prior = PRIOR if p == 2 else NARROW
    terms = partial(censored.censored_terms, np.column_stack([Y, Y]), X[:, :p])
    found = censored.posterior(terms, prior, (START[0][:p], 0.7), weights)
    wanted, evidence = prior.after(X[:, :p], Y, weights)
    assert found.log_evidence == pytest.approx(evidence, abs=1e-9)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-8)
    assert found.variance == pytest.approx(wanted.rate / (wanted.shape - 1), rel=1e-8)
    spread = np.sqrt(np.diag(np.linalg.inv(wanted.kappa)) * wanted.rate / (wanted.shape - 1))
    np.testing.assert_allclose(found.sd, spread, rtol=1e-7)
    assert found.sigma**2 + found.sigma_sd**2 == pytest.approx(found.variance, rel=1e-10)
    assert found.error < 1e-4
    assert found.edge < 1e-9


def test_the_closed_form_is_a_chain_of_predictions():
    """log p(y) as a sum of log Student densities, one row after another."""
    prior, log_evidence = PRIOR, 0.0
    for x, y in zip(X, Y):
        scale = np.sqrt(prior.rate / prior.shape * (1 + x @ np.linalg.solve(prior.kappa, x)))
        log_evidence += stats.t(2 * prior.shape, x @ prior.mean, scale).logpdf(y)
        prior, _ = prior.after(x[None], [y])
    assert PRIOR.after(X, Y)[1] == pytest.approx(log_evidence, abs=1e-12)


CASES = {
    "censored": (partial(censored.censored_terms, INTERVALS), None),
    "weighted": (partial(censored.censored_terms, INTERVALS), WEIGHTS),
    "all censored": (partial(censored.censored_terms, censored.tobit_intervals(Y, 0.5, 0.5)), None),
    "truncated": (partial(censored.truncated_terms, Y, lower=-1.0, upper=4.0), None),
    "truncated below": (partial(censored.truncated_terms, Y, lower=-1.0), WEIGHTS),
}


@pytest.mark.parametrize("prior", [PRIOR, censored.Independent(0.0, 3.0, 2.0, 1.5)], ids=["joint", "independent"])
@pytest.mark.parametrize("case", CASES)
def test_quadrature_has_converged(case, prior):
    """A finer and longer grid changes nothing."""
    rows, weights = CASES[case]
    found = censored.posterior(partial(rows, X), prior, START, weights)
    again = censored.posterior(partial(rows, X), prior, START, weights, step=0.11, reach=4.0)
    assert found.log_evidence == pytest.approx(again.log_evidence, abs=1e-6)
    np.testing.assert_allclose(found.mean, again.mean, atol=1e-5)
    assert found.sigma == pytest.approx(again.sigma, rel=1e-4)
    assert max(found.error, again.error) < 1e-3


@pytest.mark.parametrize("case", CASES)
def test_evidence_by_another_rule(case):
    """One coefficient, by Gauss-Legendre panels in (b, sigma), scaled as the prior is: another rule and coordinates."""
    rows, weights = CASES[case]
    terms = partial(rows, X[:, :1])
    found = censored.posterior(terms, NARROW, (START[0][:1], 0.7), weights)
    u, u_weights = panels(np.linspace(-12.0, 12.0, 41))
    sigma, sigma_weights = panels(np.geomspace(0.02, 1e4, 31))
    spread = sigma[:, None] / np.sqrt(NARROW.kappa.item())
    b = NARROW.mean + spread * u
    values = censored.log_joint(terms, NARROW, b[..., None], np.broadcast_to(sigma[:, None], b.shape), weights)
    volume = 2 * sigma[:, None] * spread * sigma_weights[:, None] * u_weights  # d sigma^2 = 2 sigma d sigma
    density = np.exp(values - found.log_evidence) * volume
    assert density.sum() == pytest.approx(1.0, abs=1e-6)
    assert (density * b).sum() == pytest.approx(found.mean.item(), abs=1e-6)
    assert (density * sigma[:, None]).sum() == pytest.approx(found.sigma, abs=1e-5)


def panels(edges):
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()
