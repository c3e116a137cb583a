"""Published and exactly known answers, by every method that applies. Values and sources: `reference.py`."""

from __future__ import annotations

from itertools import product
from math import lgamma, log, pi

import numpy as np
import pytest
from science import reference
from science.montecarlo import assert_mean, assert_sd, log_evidence_by_importance, posterior

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}


def column(name, which):
    return evb.datasets.load(name)[which].to_numpy()


# --- EM: maximum likelihood -----------------------------------------------------------------------------------------


def test_five_points_step_by_step():
    y, spec = column("five_point", "x"), evb.Mixture(e.Normal(), 2)
    steps = reference.FIVE_POINT_STEPS

    def params(step):
        return {"weights": step["pi"], "means": step["mu"], "sigmas": np.sqrt(step["var"])}

    for t, step in enumerate(steps):
        at = spec.at(y, params(step))
        assert at.log_likelihood == pytest.approx(step["loglik"], abs=1e-10)
        np.testing.assert_allclose(at.predict_proba()[:, 0], step["resp1"], atol=1e-10)
        if t:
            fit = spec.fit(y, "em", init=params(steps[0]), max_iter=t, accelerate=None, tol=0.0, **QUIET)
            np.testing.assert_allclose(fit.params["weights"], step["pi"], atol=1e-10)
            np.testing.assert_allclose(fit.params["means"], step["mu"], atol=1e-10)
            np.testing.assert_allclose(fit.params["sigmas"] ** 2, step["var"], atol=1e-10)
            np.testing.assert_allclose(fit.history["objective"], [s["loglik"] for s in steps[: t + 1]], atol=1e-10)


@pytest.mark.parametrize("accelerate", [None, "auto", "squarem"])
def test_faithful_waiting(accelerate):
    y = column("faithful", "waiting")
    wanted = reference.FAITHFUL_WAITING["unequal"]
    fit = evb.Mixture(e.Normal(), 2, ordered="means").fit(y, "em", accelerate=accelerate, **QUIET)
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-4)
    for name, key in (("weights", "pi"), ("means", "mu"), ("sigmas", "sigma")):
        np.testing.assert_allclose(fit.params[name], wanted[key], rtol=1e-4)


def test_faithful_waiting_common_variance():
    y = column("faithful", "waiting")
    wanted = reference.FAITHFUL_WAITING["equal"]
    fit = evb.GaussianMixture(2, covariance="tied").fit(y, "em", **QUIET)
    order = np.argsort(fit.params["means"][:, 0])
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-4)
    np.testing.assert_allclose(fit.params["weights"][order], wanted["pi"], rtol=1e-4)
    np.testing.assert_allclose(fit.params["means"][order, 0], wanted["mu"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(fit.params["covariances"][:, 0, 0]), wanted["sigma"], rtol=1e-4)


@pytest.mark.parametrize(("covariance", "k", "loglik", "df", "bic", "icl"), reference.MCLUST)
def test_mclust(covariance, k, loglik, df, bic, icl):
    fit = evb.GaussianMixture(k, covariance=covariance).fit(evb.datasets.load("faithful"), "em", **QUIET)
    assert fit.converged
    assert fit.n_parameters == df
    assert fit.log_likelihood >= loglik - 0.05
    assert fit.bic == pytest.approx(-2 * fit.log_likelihood + df * log(272))
    assert np.linalg.eigvalsh(fit.params["covariances"]).min() > 1e-4  # higher, but not by a spike
    if k <= 2:  # one maximum: here the values themselves must agree
        assert fit.log_likelihood == pytest.approx(loglik, abs=1e-6)
        assert fit.bic == pytest.approx(bic, abs=1e-5)
        assert fit.icl == pytest.approx(icl, abs=1e-3)
    if covariance == "full" and k in reference.SKLEARN_FULL:
        assert fit.log_likelihood >= reference.SKLEARN_FULL[k] - 1e-6


def test_mclust_parameters():
    y = evb.datasets.load("faithful")
    wanted = reference.MCLUST_VVV2
    fit = evb.GaussianMixture(2).fit(y, "em", **QUIET)
    order = np.argsort(-fit.params["means"][:, 0])
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(fit.params[name][order], wanted[name], rtol=1e-4)
    wanted = reference.MCLUST_EEE3
    covariances = np.repeat(np.array(wanted["covariance"])[None], 3, axis=0)
    start = {"weights": wanted["weights"], "means": wanted["means"], "covariances": covariances}
    at = evb.GaussianMixture(3, covariance="tied").at(y, start)
    assert at.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-8)
    fit = evb.GaussianMixture(3, covariance="tied").fit(y, "em", init=start, **QUIET)
    np.testing.assert_allclose(fit.params["means"], wanted["means"], rtol=1e-4)


def test_death_notices():
    frame, wanted = evb.datasets.load("death_notices"), reference.DEATH_NOTICES
    y, days = frame["deaths_per_day"], frame["days"]
    start = {"weights": [0.3, 0.7], "rates": [1.0, 2.5]}
    first = evb.Mixture(e.Poisson(), 2).fit(y, "em", weights=days, init=start, max_iter=1, accelerate=None, **QUIET)
    values = [first.params["weights"][0], *first.params["rates"]]
    np.testing.assert_allclose(values, wanted["first_step_from_03_1_25"], atol=1e-10)
    fit = evb.Mixture(e.Poisson(), 2, ordered="rates").fit(y, "em", weights=days, **QUIET)
    assert fit.converged
    assert fit.n_iter < 500  # plain EM takes thousands
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-4)
    np.testing.assert_allclose([fit.params["weights"][0], *fit.params["rates"]], wanted["mle"], atol=0.002)
    errors = fit.std_errors()
    np.testing.assert_allclose([errors["weights"][0], *errors["rates"]], wanted["se"], rtol=1e-3)
    assert errors["weights"][0] == pytest.approx(errors["weights"][1])
    one = evb.Mixture(e.Poisson(), 1).fit(y, "em", weights=days, **QUIET)
    assert one.log_likelihood == pytest.approx(wanted["loglik_k1"], abs=1e-6)
    assert one.params["rates"][0] == pytest.approx(np.average(y, weights=days))


@pytest.mark.parametrize("cov", reference.MURRAY)
def test_murray_missing_values(cov):
    """From a start without correlation EM's path is one of symmetry, to a saddle point: it must not end there."""
    saddle = reference.MURRAY[0.0]
    wanted = reference.MURRAY[cov] if cov else next(case for c, case in reference.MURRAY.items() if c)
    assert wanted["loglik"] > saddle["loglik"] + 0.05
    start = {"weights": [1.0], "means": [[0.0, 0.0]], "covariances": [[[2.0, cov], [cov, 2.0]]]}
    fit = evb.GaussianMixture(1).fit(evb.datasets.load("murray"), "em", init=start, tol=0.0, **QUIET)
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-6)
    np.testing.assert_allclose(fit.params["means"], 0.0, atol=1e-6)
    got = fit.params["covariances"][0]
    off = np.sign(got[0, 1] if cov == 0.0 else wanted["rho"]) * abs(wanted["rho"]) * wanted["variance"]
    np.testing.assert_allclose(got, [[wanted["variance"], off], [off, wanted["variance"]]], atol=1e-6)


# --- one component: everything is known in closed form --------------------------------------------------------------

NIW = {"emission": p.NormalInverseWishart(mean=[3.0, 70.0], kappa=0.1, df=4.0, scale=np.diag([1.0, 100.0]))}


def test_one_normal_map_and_variational():
    y, wanted = evb.datasets.load("faithful"), reference.NIW_FAITHFUL
    spec = evb.GaussianMixture(1, priors=NIW)
    em = spec.fit(y, "em", objective="map", **QUIET)
    np.testing.assert_allclose(em.params["means"][0], wanted["m_n"], rtol=1e-8)
    mode = np.array(wanted["Psi_n"]) / (wanted["nu_n"] + 2 + 2)  # of the joint density of (mu, Sigma), d = 2
    np.testing.assert_allclose(em.params["covariances"][0], mode, rtol=1e-8)
    vi = spec.fit(y, "vi", **QUIET)
    assert vi.elbo == pytest.approx(wanted["log_evidence"], abs=1e-6)
    np.testing.assert_allclose(vi.params["means"][0], wanted["m_n"], rtol=1e-8)
    np.testing.assert_allclose(vi.params["covariances"][0], wanted["E_Sigma"], rtol=1e-8)


@pytest.mark.parametrize(
    ("method", "options"), [("vi", {"draws": 8000}), ("gibbs", {"draws": 2000}), ("nuts", {"draws": 2000})]
)
def test_one_normal_draws(method, options):
    wanted = reference.NIW_FAITHFUL
    fit = evb.GaussianMixture(1, priors=NIW).fit(evb.datasets.load("faithful"), method, **options, **QUIET)
    draws = posterior(fit)
    for j in range(2):
        assert_mean(draws["means"][..., 0, j], wanted["m_n"][j], f"means[{j}]")
        assert_sd(draws["means"][..., 0, j], wanted["sd_mu"][j], f"means[{j}]")
        for i in range(2):
            assert_mean(draws["covariances"][..., 0, i, j], wanted["E_Sigma"][i][j], f"covariances[{i}, {j}]")


def test_one_normal_laplace():
    wanted = reference.NIW_FAITHFUL
    fit = evb.GaussianMixture(1, priors=NIW).fit(evb.datasets.load("faithful"), "laplace", **QUIET)
    evidence, error = log_evidence_by_importance(fit)
    assert error < 0.02
    assert evidence == pytest.approx(wanted["log_evidence"], abs=4 * error)
    np.testing.assert_allclose(fit.params["means"][0], wanted["m_n"], rtol=0.01)
    np.testing.assert_allclose(fit.params["covariances"][0], wanted["E_Sigma"], rtol=0.02)


# --- two components by variational Bayes ----------------------------------------------------------------------------


def test_variational_faithful():
    wanted = reference.VB_FAITHFUL
    spec = evb.GaussianMixture(2, priors={**NIW, "weights": p.Dirichlet(1.0)})
    fit = spec.fit(evb.datasets.load("faithful"), "vi", **QUIET)
    assert fit.converged
    assert fit.elbo == pytest.approx(wanted["elbo"], abs=1e-4)
    order = np.argsort(fit.params["means"][:, 0])
    alpha = np.array(wanted["alpha"])
    np.testing.assert_allclose(fit.params["weights"][order], alpha / alpha.sum(), rtol=1e-4)
    np.testing.assert_allclose(fit.params["means"][order], wanted["m"], rtol=1e-4)
    np.testing.assert_allclose(fit.params["covariances"][order], wanted["E_Sigma"], rtol=1e-4)
    draws = posterior(fit)["weights"][..., order[0]]
    a, b = alpha
    assert_mean(draws, a / (a + b), "weights")
    assert_sd(draws, np.sqrt(a * b / (a + b) ** 2 / (a + b + 1)), "weights", relative=0.07)  # 2000 independent draws


def test_the_elbo_of_two_components_lies_below_the_evidence():
    spec = evb.GaussianMixture(2, priors={**NIW, "weights": p.Dirichlet(1.0)})
    fit = spec.fit(evb.datasets.load("faithful"), "laplace", draws=4000, **QUIET)
    evidence, error = log_evidence_by_importance(fit, modes=2)
    assert error < 0.05
    assert reference.VB_FAITHFUL["elbo"] < evidence
    # CAVI's q is one of two mirror images and nearly exact within it: it misses log 2 and little else.
    assert evidence - np.log(2) - reference.VB_FAITHFUL["elbo"] < 0.5


# --- priors that are not conjugate ----------------------------------------------------------------------------------

LOW_DIM = evb.Mixture(
    e.Normal(),
    2,
    priors={"means": p.Normal(0.0, 2.0), "sigmas": evb.Prior("HalfNormal", sigma=2.0), "weights": p.Beta(5.0, 5.0)},
    ordered="means",
)
LOW_DIM_NAMES = {
    "mu[1]": ("means", 0),
    "mu[2]": ("means", 1),
    "sigma[1]": ("sigmas", 0),
    "sigma[2]": ("sigmas", 1),
    "theta": ("weights", 0),
}


@pytest.mark.parametrize(("method", "options"), [("gibbs", {"draws": 1250, "tune": 200}), ("nuts", {"draws": 1250})])
def test_posteriordb_low_dim_gauss_mix(method, options):
    fit = LOW_DIM.fit(evb.datasets.load("low_dim_gauss_mix"), method, **options, **QUIET)
    draws = posterior(fit)
    assert (np.diff(draws["means"], axis=-1) > 0).all()
    for key, (name, k) in LOW_DIM_NAMES.items():
        mean, sd, error = reference.LOW_DIM_GAUSS_MIX[key]
        assert_mean(draws[name][..., k], mean, key, reference_error=error)
        assert_sd(draws[name][..., k], sd, key)


def test_posteriordb_low_dim_gauss_mix_laplace():
    fit = LOW_DIM.fit(evb.datasets.load("low_dim_gauss_mix"), "laplace", draws=4000, **QUIET)
    evidence, error = log_evidence_by_importance(fit)
    assert error < 0.01
    assert evidence == pytest.approx(reference.LOW_DIM_LOG_EVIDENCE, abs=0.02)
    for key, (name, k) in LOW_DIM_NAMES.items():
        mean, sd, _ = reference.LOW_DIM_GAUSS_MIX[key]
        assert fit.params[name][k] == pytest.approx(mean, abs=0.15 * sd)
        assert fit.std_errors()[name][k] == pytest.approx(sd, rel=0.1)


def test_posteriordb_low_dim_gauss_mix_refuses_cavi():
    with pytest.raises(ValueError, match=r"HalfNormal.*not conjugate.*nuts"):
        LOW_DIM.fit(evb.datasets.load("low_dim_gauss_mix"), "vi", **QUIET)


# --- eight points: the posterior by enumeration ---------------------------------------------------------------------

TINY = evb.Mixture(
    e.Normal(),
    2,
    priors={"weights": p.Dirichlet(1.0), "emission": p.NormalInverseGamma(mean=3.0, kappa=0.1, shape=2.0, rate=1.0)},
)


def log_normal_inverse_gamma_evidence(x, m=3.0, kappa=0.1, shape=2.0, rate=1.0):
    """log p(x) of one component, mean and variance integrated out (Bishop 2006, exercise 2.44)."""
    n = len(x)
    if n == 0:
        return 0.0
    mean = sum(x) / n
    kappa_n, shape_n = kappa + n, shape + n / 2
    rate_n = rate + 0.5 * sum((v - mean) ** 2 for v in x) + 0.5 * kappa * n * (mean - m) ** 2 / kappa_n
    return (
        lgamma(shape_n) - lgamma(shape) + shape * log(rate) - shape_n * log(rate_n)
        + 0.5 * (log(kappa) - log(kappa_n)) - 0.5 * n * log(2 * pi)
    )  # fmt: skip


def enumerated(x):
    """(log evidence, P(z_i = z_j)) summed over every allocation."""
    logs, allocations = [], list(product((0, 1), repeat=len(x)))
    for z in allocations:
        groups = [[v for v, k in zip(x, z, strict=True) if k == j] for j in (0, 1)]
        n0, n1 = map(len, groups)
        log_prior = lgamma(1 + n0) + lgamma(1 + n1) - lgamma(2 + n0 + n1)
        logs.append(log_prior + sum(map(log_normal_inverse_gamma_evidence, groups)))
    top = max(logs)
    weights = np.exp(np.array(logs) - top)
    z = np.array(allocations)
    together = np.einsum("s,sij->ij", weights / weights.sum(), z[:, :, None] == z[:, None, :])
    return top + log(weights.sum()), together


def test_tiny_mixture_evidence():
    y, wanted = column("tiny_mixture", "x"), reference.TINY_MIXTURE
    evidence, together = enumerated(list(y))
    assert evidence == pytest.approx(wanted["log_evidence"], abs=1e-8)
    np.testing.assert_allclose(together[0], wanted["coclustering_row0"], atol=1e-8)
    np.testing.assert_allclose(together[2], wanted["coclustering_row2"], atol=1e-8)
    vi = TINY.fit(y, "vi", **QUIET)
    assert vi.elbo < evidence - np.log(2) + 0.01
    laplace = TINY.fit(y, "laplace", draws=20_000, **QUIET)
    estimate, _ = log_evidence_by_importance(laplace, modes=2)
    assert estimate == pytest.approx(evidence, abs=0.1)  # a normal at the mode misses the less likely allocations


@pytest.mark.parametrize(
    ("method", "options"), [("gibbs", {"draws": 12_000}), ("nuts", {"draws": 4000, "target_accept": 0.95})]
)
def test_tiny_mixture_draws(method, options):
    """Label-invariant summaries of the raw draws, exact to Monte-Carlo error, co-clustering among them."""
    y, wanted = column("tiny_mixture", "x"), reference.TINY_MIXTURE
    fit = TINY.fit(y, method, **options, **QUIET)
    draws = fit.program.public(fit.raw_draws)
    means, variances, weights = draws["means"], draws["sigmas"] ** 2, draws["weights"]
    assert_mean(means.mean(-1), wanted["E_mu_k"], "mu")
    assert_mean((means[..., 0] - means[..., 1]) ** 2, wanted["E_diff_mu_sq"], "(mu_1 - mu_2)^2")
    assert_mean((weights**2).sum(-1), wanted["E_sum_pi_sq"], "sum of squared weights")
    assert_mean(variances.mean(-1), wanted["E_sigma2_k"], "sigma^2")
    _, together = enumerated(list(y))
    r = np.array([[fit.program.probabilities(theta) for theta in chain[::4]] for chain in fit.raw_draws])
    for i, j in ((0, 1), (0, 2), (1, 2), (2, 3), (5, 7), (6, 7)):  # P(z_i = z_j | y) = E sum_k r_ik r_jk
        assert_mean((r[..., i, :] * r[..., j, :]).sum(-1), together[i, j], f"co-clustering of {i} and {j}")
