"""Gibbs moves on the marginal posterior: their law against quadrature, when they are made, and what they bring."""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
from naive import censored

import em_vs_bayes as evb
from em_vs_bayes import priors as p
from em_vs_bayes.kernels.collapsed import ellipse, move
from em_vs_bayes.methods.slowest import where_slow
from em_vs_bayes.program.compile import compile as compile_program

B, PRIOR = np.array([0.3, -0.5]), p.InverseGamma(2.0, 1.0)


def few_rows():
    rng = np.random.default_rng(8)
    x = np.column_stack([np.ones(6), rng.normal(size=6)])
    return np.maximum(x @ B + rng.normal(size=6), 0.0), x


def moves(program, theta, centre, root, count):
    """theta (count, P), moved on the marginal posterior alone."""
    t, theta, rng = program.tables, theta.copy(), np.random.default_rng(4)
    about = ellipse(program.latent.code, t.coordinates, centre, root)
    pot, stats, out = program.potentials(theta), np.zeros(program.stats_layout.size), np.empty((count, theta.size))
    for i in range(count):
        assert move(about, program.prepared, program.streams, t.blocks, t.prior, 1, rng, theta, pot, stats)
        np.testing.assert_array_equal(pot, program.potentials(theta))
        out[i] = theta
    return out


def test_moves_have_the_law_of_sigma_and_a_wrong_jacobian_would_show():
    y, x = few_rows()
    priors = {"coefficients": p.Normal(0.0, 1.0), "sigma": PRIOR}
    spec = evb.Tobit(lower=0.0, priors=priors, fixed={"coefficients": B})
    program = compile_program(spec, y, exog=x)
    theta = program.theta_of({"coefficients": B, "sigma": 1.0})
    log_sigma = np.linspace(-4.0, 5.0, 4001)
    sigma = np.exp(log_sigma)
    likelihood = censored.censored_terms(censored.tobit_intervals(y), x, np.tile(B, (len(sigma), 1)), sigma).sum(axis=1)
    log_p = likelihood - 5.0 * log_sigma - sigma**-2.0  # of sigma, its square being IG(2, 1)
    for centre, root in ((0.0, 0.5), (1.0, 0.2)):  # any will do
        draws = np.log(moves(program, theta, np.array([centre]), np.array([[root]]), 20_000)[:, -1])
        batches = draws.reshape(50, -1).mean(axis=1)
        error = batches.std(ddof=1) / np.sqrt(50)
        right, wrong = (np.exp(log_p + power * log_sigma) for power in (1.0, 0.0))  # dsigma = sigma dlog sigma
        right, wrong = ((log_sigma * w).sum() / w.sum() for w in (right, wrong))
        assert abs(draws.mean() - right) < 4.5 * error
        assert abs(wrong - right) > 9 * error


def test_fixed_elements_stay():
    y, x = few_rows()
    program = compile_program(evb.Tobit(lower=0.0, fixed={"coefficients": [np.nan, -0.5]}), y, exog=x)
    theta = program.theta_of({"coefficients": B, "sigma": 1.0})
    drawn = program.public(moves(program, theta, np.zeros(2), 0.5 * np.eye(2), 50))
    assert (drawn["coefficients"][:, 1] == -0.5).all()
    assert np.ptp(drawn["coefficients"][:, 0]) > 0.1
    assert np.ptp(drawn["sigma"]) > 0.1


def shifted(seed, intercept, n=400):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    return x @ [intercept, 0.5, -0.5] + rng.normal(size=n), x


def test_moves_are_made_where_much_is_hidden():
    y, x = shifted(1, 2.0)
    assert where_slow(compile_program(evb.Tobit(lower=0.0), np.maximum(y, 0.0), exog=x), None)[0].size == 0
    y, x = shifted(1, -0.8)
    hidden = np.maximum(y, 0.0)
    for fixed, size in (({}, 4), ({"sigma": 1.0}, 3), ({"coefficients": [np.nan, np.nan, 0.0]}, 3)):
        centre, root = where_slow(compile_program(evb.Tobit(lower=0.0, fixed=fixed), hidden, exog=x), None)
        assert centre.size in (0, size)
        assert root.shape == (centre.size, centre.size)
    assert where_slow(compile_program(evb.Tobit(lower=0.0), hidden, exog=x), None)[0].size == 4
    mixture = evb.Mixture(evb.emissions.CensoredRegression(lower=0.0), 2)
    assert where_slow(compile_program(mixture, hidden, exog=x), None)[0].size == 0


def test_the_ellipse_is_that_of_the_posterior():
    y, x = shifted(3, -0.8, n=4000)
    program = compile_program(evb.Tobit(lower=0.0), np.maximum(y, 0.0), exog=x)
    centre, root = where_slow(program, None)
    fit = evb.Tobit(lower=0.0).fit(np.maximum(y, 0.0), "nuts", exog=x, draws=1000, chains=2, cores=1, seed=1,
                                   progressbar=False)  # fmt: skip
    draws = np.array([program.unconstrain(theta) for theta in fit.draws.reshape(-1, fit.draws.shape[-1])])
    u = np.linalg.solve(root, (draws - centre).T).T
    assert np.abs(u.mean(axis=0)).max() < 0.2
    np.testing.assert_allclose(np.cov(u.T), np.eye(4) / 1.3**2, atol=0.1)


@pytest.mark.parametrize("case", ["truncated", "censored"])
def test_draws_are_nearly_independent_where_much_is_hidden(case):
    y, x = shifted(5, 0.0 if case == "truncated" else -1.2, n=700)
    if case == "truncated":
        spec, seen = evb.TruncatedRegression(lower=0.0), y > 0
        y, x = y[seen], x[seen]
    else:
        spec, y = evb.Tobit(lower=0.0), np.maximum(y, 0.0)
    fit = spec.fit(y, "gibbs", exog=x, draws=1000, tune=100, cores=1, seed=1, progressbar=False)
    assert float(az.ess(np.asarray(fit.draws)[..., -1])) > 500  # of 4000; without the moves, 60 and 150
    rng, theta = np.random.default_rng(1), fit.theta.copy()
    plain = fit.program.gibbs_sweeps(rng, theta, fit.program.potentials(theta), np.zeros(len(y), np.int64), 4000, 1)
    assert float(az.ess(plain[None, :, -1])) < 300
