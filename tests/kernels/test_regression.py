"""COEFFICIENTS blocks: densities against scipy, conditional draws by Stein's identity, sweeps by Geweke's test."""

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
from em_vs_bayes.kernels.tables import FLAT, MIXTURE
from em_vs_bayes.program.compile import compile as compile_program

K, P = 2, 3
KAPPA = np.array([[2.0, -0.5, 0.0], [-0.5, 1.0, 0.2], [0.0, 0.2, 0.7]])
NIG = p.NormalInverseGamma([[0.3, -1.0, 0.2], [1.0, 0.5, -0.4]], KAPPA, [3.0, 4.0], 2.0)
NORMAL = p.Normal([[0.3, -1.0, 0.2], [1.0, 0.5, -0.4]], [1.0, 0.7, 1.5])
IG = p.InverseGamma([3.0, 4.0], 2.0)
STUDENT, HALF = evb.Prior("StudentT", nu=5.0, mu=0.2, sigma=1.0), evb.Prior("HalfNormal", sigma=1.5)
NAN = np.nan
FIXED = {
    "free": {},
    "a coefficient": {"coefficients": [[NAN, 0.5, NAN], [NAN, NAN, NAN]]},
    "a row": {"coefficients": [[0.1, 0.5, -0.2], [NAN, NAN, 1.0]]},
    "a sigma": {"sigmas": [NAN, 0.8]},
    "both": {"coefficients": [[NAN, 0.5, NAN], [1.0, NAN, NAN]], "sigmas": [0.9, NAN]},
}
PRIORS = {"joint": {"emission": NIG}, "independent": {"coefficients": NORMAL, "sigmas": IG}}


def small(priors, fixed=None, n=12, seed=0, flat=False):
    """The tables of a small mixture of regressions, a random theta and hard statistics."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, P)), 1.5 * rng.normal(size=n)
    spec = evb.Mixture(
        evb.emissions.LinearRegression(), K, priors={"weights": p.Dirichlet([2.0, 3.0]), **priors}, fixed=fixed or {}
    )
    program = compile_program(spec, y, exog=x)
    t = program.tables
    blocks = t.blocks
    if flat:
        kinds = np.array([blocks.mean_prior[0], FLAT]), np.array([0, FLAT])
        blocks = blocks._replace(mean_prior=kinds[0], spread_prior=kinds[1])
    theta = program.with_fixed(np.concatenate([[0.4, 0.6], rng.normal(size=K * P), rng.uniform(0.7, 1.5, K)]))
    z = np.arange(n) % K
    rows = np.column_stack([x, y])
    cross = [rows[z == k].T @ rows[z == k] for k in range(K)]
    counts = np.bincount(z, minlength=K).astype(float)
    statistics = np.concatenate([counts, counts, np.ravel(cross)])
    return SimpleNamespace(
        K=K,
        program=program,
        blocks=blocks,
        prior=t.prior,
        theta=theta,
        statistics=statistics,
        rows=rows,
        z=z,
        coefficients=slice(K, K + K * P),
        sigmas=slice(K + K * P, None),
    )


def parts(model, theta):
    return theta[model.coefficients].reshape(K, P), theta[model.sigmas]


def reference_likelihood(model, theta):
    b, sigma = parts(model, theta)
    return sum(stats.norm.logpdf(row[P], row[:P] @ b[k], sigma[k]) for row, k in zip(model.rows, model.z, strict=True))


def reference_prior(model, theta, name):
    """scipy's densities; in sigma, log 2 sigma for the change from the variance. Weights apart."""
    b, sigma = parts(model, theta)
    free = model.prior.free
    own = stats.invgamma.logpdf(sigma**2, [3.0, 4.0], scale=2.0) + np.log(2 * sigma)
    total = own[free[model.sigmas]].sum()
    if name == "joint":
        covariance = np.linalg.inv(KAPPA)
        return total + sum(
            stats.multivariate_normal.logpdf(b[k], NIG.mean[k], sigma[k] ** 2 * covariance) for k in range(K)
        )
    return total + stats.norm.logpdf(b, NORMAL.mean, NORMAL.sd)[free[model.coefficients].reshape(K, P)].sum()


# --- densities ----------------------------------------------------------------------------------------------


def test_the_likelihood_and_its_gradient_are_those_of_scipy():
    model = small(PRIORS["joint"])
    likelihood = complete_log_likelihood(model.blocks, 1, model.theta, model.statistics)
    assert likelihood == pytest.approx(reference_likelihood(model, model.theta), rel=1e-12)
    g = np.zeros(model.theta.size)
    gradient(model.blocks, model.theta, model.statistics, g)
    for i in range(K, model.theta.size):
        e = np.eye(model.theta.size)[i]
        slope = along(lambda theta: reference_likelihood(model, theta), model.theta, e)
        assert g[i] == pytest.approx(slope, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("fixed", FIXED)
@pytest.mark.parametrize("name", PRIORS)
def test_the_prior_and_its_gradient_are_those_of_scipy(name, fixed):
    model = small(PRIORS[name], FIXED[fixed])
    g = np.zeros(model.theta.size)
    total = log_prior(model.blocks, model.prior, model.theta, g)
    weights = stats.dirichlet.logpdf([0.4, 0.6], [2.0, 3.0])
    assert total - weights == pytest.approx(reference_prior(model, model.theta, name), rel=1e-12)
    for i in K + np.flatnonzero(model.prior.free[K:]):
        e = np.eye(model.theta.size)[i]
        slope = along(lambda theta: reference_prior(model, theta, name), model.theta, e)
        assert g[i] == pytest.approx(slope, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(("at", "value"), [(-1, 0.0), (-1, -1.0), (-1, NAN), (-1, np.inf), (3, NAN), (3, np.inf)])
def test_infeasible_parameters_are_reported(at, value):
    model = small(PRIORS["joint"])
    model.theta[at] = value
    assert not potentials(model.blocks, model.theta, np.empty(model.program.n_pot))


# --- conditional draws --------------------------------------------------------------------------------------

STEPS = {
    "block": (CONJUGATE, "coefficients", "sigmas"),
    "coefficients": (MEANS, "coefficients"),
    "sigmas": (SPREAD, "sigmas"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fixed", FIXED)
@pytest.mark.parametrize("name", PRIORS)
def test_conditionals(name, fixed, step):
    # under a joint prior the block is drawn at once, whatever is fixed; else it is a Gibbs transition
    spacing = 10 if step == "block" and name == "independent" else 1
    assert_stein(small(PRIORS[name], FIXED[fixed]), STEPS[step], spacing)


@pytest.mark.parametrize("step", STEPS)
def test_conditionals_under_a_flat_prior(step):
    assert_stein(small(PRIORS["joint"], n=40, flat=True), STEPS[step], 10 if step == "block" else 1)


def test_a_joint_draw_is_independent_and_student_t():
    """A coefficient's marginal under the posterior in closed form (O'Hagan & Forster 2004, section 11.3)."""
    model = small(PRIORS["joint"])
    draws = transitions(model, make_plan((CONJUGATE, 1)), model.statistics, np.random.default_rng(3), 10_000)
    cross = model.statistics[2 * K :].reshape(K, P + 1, P + 1)[0]
    precision = KAPPA + cross[:P, :P]
    mean = np.linalg.solve(precision, KAPPA @ NIG.mean[0] + cross[:P, P])
    rate = 2.0 + 0.5 * (cross[P, P] + NIG.mean[0] @ KAPPA @ NIG.mean[0] - mean @ precision @ mean)
    shape = 3.0 + model.statistics[0] / 2
    scale = np.sqrt(rate / shape * np.diagonal(np.linalg.inv(precision)))
    for j in range(P):
        assert stats.kstest(draws[:, K + j], stats.t(2 * shape, mean[j], scale[j]).cdf).pvalue > 1e-4
    sigma = stats.invgamma(shape, scale=rate)
    assert stats.kstest(draws[:, -2] ** 2, sigma.cdf).pvalue > 1e-4
    assert abs(np.corrcoef(draws[1:, K], draws[:-1, K])[0, 1]) < 4 / np.sqrt(len(draws))


def test_a_flat_prior_stops_at_an_empty_component():
    model = small(PRIORS["joint"], flat=True)
    empty = np.zeros_like(model.statistics)
    with pytest.raises(AssertionError):
        transitions(model, make_plan((MEANS, 1)), empty, np.random.default_rng(3), 1)


# --- Geweke's joint-distribution test -----------------------------------------------------------------------


@numba.njit(cache=True)
def _every_sweep(draw, data, streams, blocks, prior, plan, rng, theta, pot, statistics, z, p, out):
    k_count = 2
    for i in range(len(out)):
        for r in range(len(z)):
            line = 0.0
            for j in range(p):
                line += data.columns[j, r] * theta[k_count + z[r] * p + j]
            data.columns[p, r] = line + theta[k_count + k_count * p + z[r]] * rng.standard_normal()
        one = out[i : i + 1]
        if sweeps(draw, data, streams, blocks, prior, plan, k_count, rng, theta, pot, statistics, z, 1, one) < 1:
            return False
    return True


def geweke(model, plan, sampler_prior=None, draws=60_000):
    """z-scores, successive-conditional against marginal-conditional simulator (Geweke 2004, JASA 99)."""
    program, rng = model.program, np.random.default_rng(1)
    out, chain = prior_draws(model, rng, draws), np.empty((draws, model.theta.size))
    prior = model.prior if sampler_prior is None else sampler_prior
    streams = address_roles(program.streams, DRAW)
    assert _every_sweep(
        draw_code(MIXTURE), program.data, streams, model.blocks, prior, plan,
        rng, out[0].copy(), np.empty(program.n_pot),
        np.empty(model.statistics.size), rng.integers(2, size=program.n), P, chain,
    )  # fmt: skip

    def functions(thetas):
        b, sigma = np.arctan(thetas[:, model.coefficients]), np.log(thetas[:, model.sigmas])
        products = (b.reshape(-1, K, P) * sigma[:, :, None]).reshape(len(b), -1)
        g = np.hstack([thetas[:, :K], b, sigma])
        return np.hstack([g, g**2, products, b[:, :1] * b[:, 1:]])

    return difference_scores(chain, out, functions)


WHOLE, APART = ((CONJUGATE, 0), (CONJUGATE, 1)), ((CONJUGATE, 0), (MEANS, 1), (SPREAD, 1))


@pytest.mark.parametrize("fixed", ["free", "both"])
@pytest.mark.parametrize("plan", [WHOLE, APART], ids=["whole", "apart"])
@pytest.mark.parametrize("name", PRIORS)
def test_geweke(name, plan, fixed):
    scores = geweke(small(PRIORS[name], FIXED[fixed], n=4, seed=2), make_plan(*plan))
    assert np.abs(scores).max() < 4.5, scores.round(1)


@pytest.mark.parametrize("priors", [{"coefficients": STUDENT, "sigmas": HALF}, {"coefficients": STUDENT, "sigmas": IG}])
def test_geweke_slice(priors):
    model = small(priors, n=4, seed=2)
    spread = () if priors["sigmas"] is HALF else ((SPREAD, 1),)
    plan = make_plan((CONJUGATE, 0), *spread, *((SLICE, 1, e) for e in range(len(model.prior.element))))
    scores = geweke(model, plan)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_slice_of_sigmas_under_normal_coefficients():
    model = small({"coefficients": NORMAL, "sigmas": HALF}, n=4, seed=2)
    plan = make_plan((CONJUGATE, 0), (MEANS, 1), (SLICE, 1, 0), (SLICE, 1, 1))
    scores = geweke(model, plan)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_geweke_sees_a_wrong_sampler():
    model = small(PRIORS["joint"], n=4, seed=2)
    hyper = model.prior.hyper.copy()
    hyper[-1] *= 1.5
    assert np.abs(geweke(model, make_plan(*WHOLE), model.prior._replace(hyper=hyper))).max() > 8
