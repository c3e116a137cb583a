"""Blocks of a Student t: densities given weights, conditional draws by Stein's identity, Geweke's test."""

from types import SimpleNamespace

import numba
import numpy as np
import pytest
from kernels.gibbs_helpers import assert_stein, difference_scores, make_plan, prior_draws, transitions
from kernels.reference import along
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import priors as p
from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.blocks import complete_log_likelihood, gradient, potentials
from em_vs_bayes.kernels.gibbs import (
    CONJUGATE,
    MEANS,
    SLICE,
    SPREAD,
    sweeps,
)
from em_vs_bayes.kernels.latent import draw_code
from em_vs_bayes.kernels.streams import DRAW, address_roles
from em_vs_bayes.kernels.tables import FLAT
from em_vs_bayes.program.compile import compile as compile_program

K, DF = 2, 3.0
NIG = p.NormalInverseGamma([[0.3], [1.0]], [[0.5], [2.0]], 3.0, 2.0)
NORMAL, IG = p.Normal([0.3, 1.0], [1.0, 1.5]), p.InverseGamma([3.0, 4.0], 2.0)
WIDE, HALF = evb.Prior("StudentT", nu=5.0, mu=0.2, sigma=1.0), evb.Prior("HalfNormal", sigma=1.5)
NAN = np.nan
FIXED = {
    "free": {},
    "a mean": {"means": [0.5, NAN]},
    "a sigma": {"sigmas": [NAN, 0.8]},
    "both": {"means": [0.5, NAN], "sigmas": [0.9, NAN]},
}
PRIORS = {"joint": {"emission": NIG}, "independent": {"means": NORMAL, "sigmas": IG}}


def small(priors, fixed=None, n=12, seed=0, flat=False, chain=False):
    """The tables of a small model, a random theta, and statistics of allocations z and weights u."""
    rng = np.random.default_rng(seed)
    y, z, u = 1.5 * rng.normal(size=n), np.arange(n) % K, rng.gamma(DF / 2, 2 / DF, n)
    emission, own = evb.emissions.StudentT(DF), {"fixed": fixed or {}}
    if chain:
        y[1] = NAN
        own["priors"] = {"initial": p.Dirichlet(2.0), "transition": p.Dirichlet(2.0), **priors}
        program = compile_program(evb.HMM(emission, K, **own), y, lengths=[n - 2, 2])
    else:
        own["priors"] = {"weights": p.Dirichlet([2.0, 3.0]), **priors}
        program = compile_program(evb.Mixture(emission, K, **own), y)
    t = program.tables
    blocks = t.blocks
    if flat:
        blocks = blocks._replace(mean_prior=np.array([blocks.mean_prior[0], FLAT]), spread_prior=np.array([0, FLAT]))
    first = t.theta.offset("means")
    theta = program.with_fixed(program.neutral())
    theta[first : first + 2 * K] = np.r_[rng.normal(size=K), rng.uniform(0.7, 1.5, K)]
    theta = program.with_fixed(theta)
    x = y - program.data.centre[0]
    counts = np.bincount(z, minlength=K).astype(float)
    sums = [np.bincount(z, v, minlength=K) for v in (u, u * x, u * x * x)]
    return SimpleNamespace(
        K=K,
        program=program,
        blocks=blocks,
        prior=t.prior,
        theta=theta,
        statistics=None if chain else np.concatenate([counts, *sums, counts]),
        x=x,
        z=z,
        u=u,
        last=len(program.placed) - 1,
        means=slice(first, first + K),
        sigmas=slice(first + K, first + 2 * K),
    )


def reference_likelihood(model, theta):
    m, s = theta[model.means], theta[model.sigmas]
    return stats.norm.logpdf(model.x, m[model.z], s[model.z] / np.sqrt(model.u)).sum() - 0.5 * np.log(model.u).sum()


# --- densities ----------------------------------------------------------------------------------------------


def test_the_likelihood_given_weights_and_its_gradient_are_those_of_scipy():
    model = small(PRIORS["joint"])
    likelihood = complete_log_likelihood(model.blocks, 1, model.theta, model.statistics)
    assert likelihood == pytest.approx(reference_likelihood(model, model.theta), rel=1e-12)
    g = np.zeros(model.theta.size)
    gradient(model.blocks, model.theta, model.statistics, g)
    for i in range(K, 3 * K):
        e = np.eye(model.theta.size)[i]
        slope = along(lambda theta: reference_likelihood(model, theta), model.theta, e)
        assert g[i] == pytest.approx(slope, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("fixed", FIXED)
@pytest.mark.parametrize("name", PRIORS)
def test_the_prior_and_its_gradient_are_those_of_scipy(name, fixed):
    model = small(PRIORS[name], FIXED[fixed])
    free = model.prior.free

    def reference(theta):
        m, s = theta[model.means] + model.program.data.centre[0], theta[model.sigmas]
        rate = 2.0
        shape = [3.0, 3.0] if name == "joint" else [3.0, 4.0]
        own = stats.invgamma.logpdf(s**2, shape, scale=rate) + np.log(2 * s)
        total = own[free[model.sigmas]].sum()
        if name == "joint":
            return total + stats.norm.logpdf(m, [0.3, 1.0], s / np.sqrt([0.5, 2.0])).sum()
        return total + stats.norm.logpdf(m, NORMAL.mean, NORMAL.sd)[free[model.means]].sum()

    g = np.zeros(model.theta.size)
    total = log_prior(model.blocks, model.prior, model.theta, g)
    weights = stats.dirichlet.logpdf(model.theta[:K], [2.0, 3.0])
    assert total - weights == pytest.approx(reference(model.theta), rel=1e-12)
    for i in K + np.flatnonzero(free[K:]):
        slope = along(reference, model.theta, np.eye(model.theta.size)[i])
        assert g[i] == pytest.approx(slope, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(("at", "value"), [(4, 0.0), (4, -1.0), (4, NAN), (4, np.inf), (2, NAN), (2, np.inf)])
def test_infeasible_parameters_are_reported(at, value):
    model = small(PRIORS["joint"])
    assert potentials(model.blocks, model.theta, np.empty(model.program.n_pot))
    model.theta[at] = value
    assert not potentials(model.blocks, model.theta, np.empty(model.program.n_pot))


# --- conditional draws --------------------------------------------------------------------------------------

STEPS = {"block": (CONJUGATE, "means", "sigmas"), "means": (MEANS, "means"), "sigmas": (SPREAD, "sigmas")}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fixed", FIXED)
@pytest.mark.parametrize("name", PRIORS)
def test_conditionals(name, fixed, step):
    # under a joint prior the block is drawn at once, whatever is fixed; else it is a Gibbs transition
    assert_stein(small(PRIORS[name], FIXED[fixed]), STEPS[step], 10 if step == "block" and name == "independent" else 1)


@pytest.mark.parametrize("step", STEPS)
def test_conditionals_under_a_flat_prior(step):
    assert_stein(small(PRIORS["joint"], n=40, flat=True), STEPS[step], 10 if step == "block" else 1)


def test_a_joint_draw_is_independent_and_student_t():
    """The marginal of a mean under the posterior given weights, in closed form (Murphy 2007, section 6.3)."""
    model = small(PRIORS["joint"])
    draws = transitions(model, make_plan((CONJUGATE, 1)), model.statistics, np.random.default_rng(3), 10_000)
    own = model.z == 0
    x, u, prior_mean = model.x[own], model.u[own], 0.3 - model.program.data.centre[0]
    kappa, shape = 0.5 + u.sum(), 3.0 + own.sum() / 2
    mean = (0.5 * prior_mean + u @ x) / kappa
    rate = 2.0 + 0.5 * (u @ x**2 + 0.5 * prior_mean**2 - kappa * mean**2)
    marginal = stats.t(2 * shape, mean, np.sqrt(rate / shape / kappa))
    assert stats.kstest(draws[:, model.means.start], marginal.cdf).pvalue > 1e-4
    assert stats.kstest(draws[:, model.sigmas.start] ** 2, stats.invgamma(shape, scale=rate).cdf).pvalue > 1e-4


# --- Geweke's joint-distribution test -----------------------------------------------------------------------


@numba.njit(cache=True)
def _every_sweep(draw, data, streams, blocks, prior, plan, rng, theta, pot, statistics, z, first, df, out):
    for i in range(len(out)):
        for r in range(len(z)):
            if data.columns[0, r] == data.columns[0, r]:  # what is missing stays so
                u = rng.standard_gamma(0.5 * df) / (0.5 * df)
                noise = rng.standard_normal() / np.sqrt(u)
                data.columns[0, r] = data.centre[0] + theta[first + z[r]] + theta[first + 2 + z[r]] * noise
        one = out[i : i + 1]
        if sweeps(draw, data, streams, blocks, prior, plan, 2, rng, theta, pot, statistics, z, 1, one) < 1:
            return False
    return True


def geweke(model, plan, sampler_prior=None, draws=60_000):
    """z-scores, successive-conditional against marginal-conditional simulator (Geweke 2004, JASA 99)."""
    program, rng = model.program, np.random.default_rng(1)
    out, chain = prior_draws(model, rng, draws), np.empty((draws, model.theta.size))
    prior = model.prior if sampler_prior is None else sampler_prior
    streams = address_roles(program.streams, DRAW)
    assert _every_sweep(
        draw_code(program.latent.code), program.data, streams, model.blocks, prior, plan, rng, out[0].copy(),
        np.empty(program.n_pot), np.empty(program.stats_layout.size), rng.integers(2, size=program.n),
        model.means.start, DF, chain,
    )  # fmt: skip

    def functions(thetas):
        m, s = np.arctan(thetas[:, model.means]), np.log(thetas[:, model.sigmas])
        g = np.hstack([thetas[:, : model.means.start], m, s])
        return np.hstack([g, g**2, m * s, m[:, :1] * m[:, 1:]])

    return difference_scores(chain, out, functions)


WHOLE, APART = ((CONJUGATE, 0), (CONJUGATE, 1)), ((CONJUGATE, 0), (MEANS, 1), (SPREAD, 1))


@pytest.mark.parametrize("fixed", ["free", "both"])
@pytest.mark.parametrize("plan", [WHOLE, APART], ids=["whole", "apart"])
@pytest.mark.parametrize("name", PRIORS)
def test_geweke(name, plan, fixed):
    scores = geweke(small(PRIORS[name], FIXED[fixed], n=4, seed=2), make_plan(*plan))
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_of_a_chain_with_a_missing_row():
    model = small(PRIORS["joint"], n=5, seed=2, chain=True)
    scores = geweke(model, make_plan(*((CONJUGATE, b) for b in range(model.last + 1))))
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_slice():
    model = small({"means": WIDE, "sigmas": HALF}, n=4, seed=2)
    plan = make_plan((CONJUGATE, 0), *((SLICE, 1, e) for e in range(len(model.prior.element))))
    scores = geweke(model, plan)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_sees_a_wrong_sampler():
    model = small(PRIORS["joint"], n=4, seed=2)
    hyper = model.prior.hyper.copy()
    hyper[-1] *= 1.5
    assert np.abs(geweke(model, make_plan(*WHOLE), model.prior._replace(hyper=hyper))).max() > 8
