"""CAVI beyond the laws: exact answers where q is exact, weights, labels, draws, and where it must stay below."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, multigammaln

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
Y = evb.datasets.load("faithful").to_numpy(dtype=float)
Z = (Y[:, 0] > 3.0).astype(int)
M0, KAPPA0, DF0, SCALE0 = np.array([3.0, 70.0]), 0.1, 4.0, np.diag([1.0, 100.0])
SPEC = evb.GaussianMixture(
    2, priors={"weights": p.Dirichlet([2.0, 3.0]), "emission": p.NormalInverseWishart(M0, KAPPA0, DF0, SCALE0)}
)


def niw_update(y):
    n, mean = len(y), y.mean(axis=0)
    off = mean - M0
    scale = SCALE0 + (y - mean).T @ (y - mean) + KAPPA0 * n / (KAPPA0 + n) * np.outer(off, off)
    return (KAPPA0 * M0 + n * mean) / (KAPPA0 + n), KAPPA0 + n, DF0 + n, scale


def niw_evidence(y):
    """log p(y), mean and covariance integrated out (Murphy 2007, equation 266)."""
    _, kappa, df, scale = niw_update(y)
    return (
        -0.5 * y.size * np.log(np.pi) + multigammaln(df / 2, 2) - multigammaln(DF0 / 2, 2)
        + 0.5 * DF0 * np.linalg.slogdet(SCALE0)[1] - 0.5 * df * np.linalg.slogdet(scale)[1] + np.log(KAPPA0 / kappa)
    )  # fmt: skip


def test_all_labels_known_make_the_bound_exact():
    fit = SPEC.fit(Y, "vi", labels=Z, **QUIET)
    counts, alpha = np.bincount(Z), np.array([2.0, 3.0])
    allocation = gammaln(alpha.sum()) - gammaln(alpha.sum() + len(Y)) + (gammaln(alpha + counts) - gammaln(alpha)).sum()
    assert fit.elbo == pytest.approx(allocation + sum(niw_evidence(Y[k == Z]) for k in range(2)), abs=1e-8)
    np.testing.assert_allclose(fit.params["weights"], (alpha + counts) / (alpha + counts).sum(), rtol=1e-12)
    for k in range(2):
        mean, _, df, scale = niw_update(Y[k == Z])
        np.testing.assert_allclose(fit.params["means"][k], mean, rtol=1e-12)
        np.testing.assert_allclose(fit.params["covariances"][k], scale / (df - 3.0), rtol=1e-10)


def test_draws_follow_q():
    fit = SPEC.fit(Y, "vi", labels=Z, draws=20_000, **QUIET)
    draws = {name: value[0] for name, value in fit.program.public(fit.draws).items()}
    for k in range(2):
        mean, kappa, df, scale = niw_update(Y[k == Z])
        for j in range(2):  # marginal of the mean: Student with df - d + 1 degrees of freedom
            marginal = stats.t(df - 1.0, mean[j], np.sqrt(scale[j, j] / (kappa * (df - 1.0))))
            assert stats.kstest(draws["means"][:, k, j], marginal.cdf).pvalue > 1e-4
            variance = stats.invgamma(0.5 * (df - 1.0), scale=0.5 * scale[j, j])
            assert stats.kstest(draws["covariances"][:, k, j, j], variance.cdf).pvalue > 1e-4
    counts = np.bincount(Z)
    assert stats.kstest(draws["weights"][:, 0], stats.beta(2 + counts[0], 3 + counts[1]).cdf).pvalue > 1e-4
    np.testing.assert_allclose(draws["weights"].sum(-1), 1.0)


def test_weights_are_repeated_rows():
    count = np.random.default_rng(5).integers(0, 4, len(Y))
    start = SPEC.fit(Y, "em", **QUIET)
    weighted = SPEC.fit(Y, "vi", weights=count, init=start, **QUIET)
    repeated = SPEC.fit(np.repeat(Y, count, axis=0), "vi", init=start, **QUIET)
    assert weighted.elbo == pytest.approx(repeated.elbo, rel=1e-12)
    for name, value in repeated.params.items():
        np.testing.assert_allclose(weighted.params[name], value, rtol=1e-6)


def test_an_empty_component_returns_to_the_prior():
    """Sparse weights switch off what the data do not need (Bishop 2006, section 10.2.1)."""
    prior = {"weights": p.Dirichlet(1e-3), "emission": p.NormalInverseWishart(M0, KAPPA0, DF0, SCALE0)}
    fit = evb.GaussianMixture(6, priors=prior).fit(Y, "vi", **QUIET)
    assert fit.converged
    weights = np.sort(fit.params["weights"])
    assert weights[:3].max() < 0.01
    empty = int(np.argmin(fit.params["weights"]))
    np.testing.assert_allclose(fit.params["means"][empty], M0, rtol=0.05)


def test_posterior_spread_is_smaller_than_the_exact_one_where_groups_overlap():
    rng = np.random.default_rng(4)
    y = np.r_[rng.normal(-1.0, 1.0, 60), rng.normal(1.0, 1.0, 60)]
    spec = evb.Mixture(
        e.Normal(), 2, fixed={"sigmas": [1.0, 1.0]}, priors={"means": p.Normal(0.0, 3.0)}, ordered="means"
    )
    vi, exact = spec.fit(y, "vi", **QUIET), spec.fit(y, "nuts", **QUIET)
    assert (vi.std_errors()["means"] < 0.8 * exact.std_errors()["means"]).all()


def test_ordered_means_increase():
    spec = evb.Mixture(e.Normal(), 2, ordered="means")
    for seed in range(4):
        fit = spec.fit(Y[:, 1], "vi", progressbar=False, seed=seed)
        assert fit.params["means"][0] < fit.params["means"][1]
        assert (np.diff(fit.program.public(fit.draws)["means"], axis=-1) > 0).all()


def test_the_same_seed_gives_the_same_fit():
    a, b = (SPEC.fit(Y, "vi", **QUIET) for _ in range(2))
    assert a.elbo == b.elbo
    np.testing.assert_array_equal(a.draws, b.draws)


PAIR = e.Product(a=e.Normal(), b=e.Normal())


def niw(df):
    return {"emission": p.NormalInverseWishart([0.0, 0.0], 50.0, df, np.eye(2))}


def nig(shape):
    return p.NormalInverseGamma(0.0, 50.0, shape, shape)


@pytest.mark.parametrize(
    ("model", "priors", "parameter"),
    [
        ("full", niw(3.0), "covariances"),
        ("full", niw(1.01), "means"),
        ("diag", {"emission": nig(0.8)}, "covariances"),
        ("spherical", {"emission": nig(0.4)}, "means"),
        (PAIR, {"a_emission": nig(0.3)}, "a_sigmas"),
        (PAIR, {"a_means": p.Normal(0.0, 1.0), "a_sigmas": p.InverseGamma(0.3, 0.3)}, "a_sigmas"),
    ],
)
def test_a_mean_that_does_not_exist_is_said_and_the_rest_works(model, priors, parameter):
    """An emptied component keeps its prior, whose covariance (or location) has no mean."""
    y = np.random.default_rng(0).normal(size=(40, 2))
    priors = priors | {"weights": p.Dirichlet(0.01)}
    if model is PAIR:
        spec, y = evb.Mixture(PAIR, 3, priors=priors), dict(zip("ab", y.T, strict=True))
    else:
        spec = evb.GaussianMixture(3, model, priors=priors)
    fit = spec.fit(y, "vi", **QUIET)
    assert fit.status.name == "NO_MEAN" and not fit.converged
    note = next(note for note in fit.notes if "posterior mean does not exist" in note)
    assert f"{parameter} (component" in note and "does not exist" in repr(fit)
    assert all(np.isfinite(value).all() for value in fit.params.values())
    assert np.isfinite(fit.log_likelihood) and np.isfinite(fit.predict_proba()).all()
    assert np.isfinite(fit.idata["log_likelihood"]["y"]).all()


def test_what_stands_for_a_mean_inverts_the_expected_precision():
    """With all labels known and one component without rows, its factor is the prior: E[Sigma^-1] = df scale^-1."""
    scale = np.array([[2.0, 0.5], [0.5, 1.0]])
    prior = {"emission": p.NormalInverseWishart([1.0, -1.0], 5.0, 2.5, scale)}
    labels = np.zeros(40, dtype=int)
    y = np.random.default_rng(0).normal(size=(40, 2))
    fit = evb.GaussianMixture(2, priors=prior).fit(y, "vi", labels=labels, **QUIET)
    assert "covariances (component 1)" in fit.notes[0] and "means" not in fit.notes[0].split(":")[0]
    np.testing.assert_allclose(fit.params["covariances"][1], scale / 2.5, rtol=1e-12)
    np.testing.assert_allclose(fit.params["means"][1], [1.0, -1.0], rtol=1e-9)
    strong = evb.GaussianMixture(2, priors={"emission": p.NormalInverseWishart([1.0, -1.0], 5.0, 3.5, scale)})
    assert strong.fit(y, "vi", labels=labels, **QUIET).converged


def test_components_alike_are_said_and_empty_or_fixed_ones_are_not():
    even = np.repeat([1.0, 2.0, 3.0], [5, 10, 5])  # less spread than any Poisson mixture of two
    alike = {"weights": [0.5, 0.5], "rates": [2.5, 2.5]}
    fit = evb.Mixture(e.Poisson(), 2).fit(even, "vi", init=alike, **QUIET)
    assert any("0 and 1 have the same emission" in note for note in fit.notes)
    fixed = evb.Mixture(e.Poisson(), 2, fixed={"rates": [2.0, 2.0]}).fit(even, "vi", **QUIET)
    sparse = evb.Mixture(e.Poisson(), 5, priors={"weights": p.Dirichlet([0.01] * 5)})
    empty = sparse.fit(np.repeat([2, 3, 29, 30, 31], 40), "vi", **QUIET)
    assert any("Less than one" in note for note in empty.notes)
    assert not any("same emission" in note for note in (*fixed.notes, *empty.notes))
