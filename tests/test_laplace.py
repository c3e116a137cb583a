"""The Laplace approximation: mode, curvature and draws against closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from science.montecarlo import log_evidence_by_importance
from scipy import stats
from scipy.special import gammaln

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.methods.mode import settled
from em_vs_bayes.program.compile import compile as compile_program

QUIET = {"progressbar": False, "seed": 1}
COUNTS = np.random.default_rng(0).poisson(4.0, 25).astype(float)
SHAPE, RATE = 2.0, 0.5


def test_one_rate_in_closed_form():
    """log rate ~ posterior: the mode is log(a / b), the curvature a (Tierney & Kadane 1986)."""
    spec = evb.Mixture(e.Poisson(), 1, priors={"rates": p.Gamma(SHAPE, RATE)})
    fit = spec.fit(COUNTS, "laplace", draws=20_000, **QUIET)
    a, b = SHAPE + COUNTS.sum(), RATE + len(COUNTS)
    x = np.log(fit.program.public(fit.draws)["rates"].ravel())
    assert stats.kstest(x, stats.norm(np.log(a / b), a**-0.5).cdf).pvalue > 1e-4
    evidence, error = log_evidence_by_importance(fit)
    exact = SHAPE * np.log(RATE) - gammaln(SHAPE) + gammaln(a) - a * np.log(b) - gammaln(COUNTS + 1).sum()
    assert evidence == pytest.approx(exact, abs=max(4 * error, 1e-3))
    assert fit.status is Status.APPROXIMATED


def test_draws_have_the_inverse_information_as_covariance():
    y = evb.datasets.load("faithful")
    fit = evb.GaussianMixture(2).fit(y, "laplace", draws=20_000, **QUIET)
    density = fit.program.density(fit.theta)
    mode = fit.program.unconstrain(fit.attrs["mode"])
    d, h = len(mode), 1e-4

    def value(i, j, a, b):
        step = mode.copy()
        step[i] += a * h
        step[j] += b * h
        return density(step)[0]

    def second(i, j):
        return (value(i, j, 1, 1) - value(i, j, 1, -1) - value(i, j, -1, 1) + value(i, j, -1, -1)) / (4 * h * h)

    hessian = np.array([[second(i, j) for j in range(d)] for i in range(d)])
    wanted = np.linalg.inv(-hessian)
    x = np.array([fit.program.unconstrain(theta) for theta in fit.draws[0, :10_000]])
    scale = np.sqrt(np.diag(wanted))
    np.testing.assert_allclose(
        np.cov(x, rowvar=False) / np.outer(scale, scale), wanted / np.outer(scale, scale), atol=0.06
    )
    np.testing.assert_allclose((x.mean(axis=0) - mode) / scale, 0.0, atol=0.05)
    for j in range(d):  # a mode: no neighbour is higher
        for sign in (-1, 1):
            step = mode.copy()
            step[j] += sign * 0.05 * scale[j]
            assert density(step)[0] < density(mode)[0]


def test_near_the_exact_posterior_with_many_rows():
    y = evb.datasets.load("faithful")
    laplace, gibbs = (evb.GaussianMixture(2).fit(y, m, **QUIET) for m in ("laplace", "gibbs"))
    order = [np.argsort(fit.params["means"][:, 0]) for fit in (laplace, gibbs)]
    sd = gibbs.std_errors()["means"][order[1]]
    np.testing.assert_allclose(
        (laplace.params["means"][order[0]] - gibbs.params["means"][order[1]]) / sd, 0.0, atol=0.25
    )
    np.testing.assert_allclose(laplace.std_errors()["means"][order[0]], sd, rtol=0.15)


def test_a_posterior_that_no_normal_follows_is_said():
    """Three components for one cloud: k-hat of the importance ratios is too large."""
    fit = evb.Mixture(e.Normal(), 3).fit(np.random.default_rng(1).normal(size=40), "laplace", **QUIET)
    assert fit.status is Status.SUSPECT
    assert not fit.converged
    assert any("k-hat" in note for note in fit.notes)


def test_the_same_seed_gives_the_same_draws():
    spec = evb.Mixture(e.Poisson(), 2)
    a, b = (spec.fit(COUNTS, "laplace", **QUIET) for _ in range(2))
    np.testing.assert_array_equal(a.draws, b.draws)
    assert not np.array_equal(a.draws, spec.fit(COUNTS, "laplace", progressbar=False, seed=2).draws)


def test_a_probability_that_all_but_vanishes_at_the_map_is_no_start(rng):
    """The mode of the initial distribution is (1, 0); where its odds are 1e50 the density of the odds is flat."""
    y = np.r_[rng.normal(0.0, 1.0, 8), rng.normal(2.0, 1.0, 8)]
    spec = evb.HMM(e.Normal(), 2, priors={"initial": p.Dirichlet([3.0, 1.0])})
    init = {
        "initial": [0.9, 0.1],
        "transition": [[0.6, 0.4], [0.1, 0.9]],
        "means": [0.0, 2.0],
        "sigmas": [1.0, 1.0],
    }
    labels = np.where(np.arange(16) % 8 < 3, np.arange(16) // 8, -1)
    labels[8:10] = 0
    fit = spec.fit(y, "laplace", lengths=[8, 8], labels=labels, init=init, seed=1, progressbar=False)
    # alpha + starts = (5, 1): a Beta's mode in log odds has that mean
    program = fit.program
    assert program.public(np.asarray(fit.attrs["mode"]))["initial"][0] == pytest.approx(5 / 6, abs=1e-6)


def test_the_mode_is_found_from_a_plateau():
    """Two rates that all but coincide: where their order is a logarithm of their difference, the density is flat."""
    y = np.random.default_rng(3).poisson(3.0, size=40).astype(float)
    priors = {"weights": p.Dirichlet(3.0), "rates": p.Gamma(2.0, 0.3)}
    spec = evb.Mixture(e.Poisson(), 2, priors=priors, ordered="rates")
    apart, alike = ({"weights": [0.5, 0.5], "rates": [3.0 - gap, 3.0 + gap]} for gap in (0.6, 0.002))
    program = compile_program(spec, y)
    theta, flat = (program.internal(params) for params in (apart, alike))
    density = program.density(theta)
    mode, found = settled(density, program.unconstrain(theta)), settled(density, program.unconstrain(flat))
    assert not found.repaired
    assert found.height == pytest.approx(mode.height, abs=1e-6)
