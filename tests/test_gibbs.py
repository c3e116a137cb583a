"""Gibbs beyond its kernels: exact answers with labels known, weights as copies, labels, chains and seeds."""

from __future__ import annotations

import numpy as np
import pytest
from science.montecarlo import mcse, posterior
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(11)
Y = np.r_[RNG.normal(-1.0, 1.0, 40), RNG.normal(2.5, 0.7, 60)]
PRIORS = {"weights": p.Dirichlet(2.0), "means": p.Normal(0.0, 4.0), "sigmas": p.InverseGamma(3.0, 2.0)}
SPEC = evb.Mixture(e.Normal(), 2, priors=PRIORS, ordered="means")
PLANE = np.column_stack([Y, RNG.normal(size=100)])
SLICED = {"sigmas": evb.Prior("HalfNormal", sigma=2.0), "means": evb.Prior("StudentT", nu=4, mu=0.0, sigma=3.0)}


def agree(one, two, width=4.5):
    """Every posterior mean of two fits agrees to Monte-Carlo error."""
    a, b = posterior(one), posterior(two)
    for name, value in a.items():
        for index in np.ndindex(value.shape[2:]):
            x, y = value[(..., *index)], b[name][(..., *index)]
            error = np.hypot(mcse(x), mcse(y))
            assert abs(x.mean() - y.mean()) < width * error + 1e-12, (name, index, x.mean(), y.mean(), error)


def test_all_labels_known_gives_independent_draws_of_the_exact_posterior():
    z = (np.arange(100) >= 40).astype(int)
    prior = {"weights": p.Dirichlet([2.0, 3.0]), "emission": p.NormalInverseGamma(0.0, 0.1, 2.0, 1.0)}
    fit = evb.Mixture(e.Normal(), 2, priors=prior).fit(Y, "gibbs", labels=z, draws=2500, **QUIET)
    draws = {name: value.reshape(10_000, *value.shape[2:]) for name, value in posterior(fit).items()}
    assert stats.kstest(draws["weights"][:, 0], stats.beta(42, 63).cdf).pvalue > 1e-4
    for k in range(2):
        x = Y[z == k]
        n, kappa, shape = len(x), 0.1 + len(x), 2.0 + len(x) / 2
        mean = x.sum() / kappa
        rate = 1.0 + 0.5 * ((x - x.mean()) ** 2).sum() + 0.5 * 0.1 * n * x.mean() ** 2 / kappa
        assert (
            stats.kstest(draws["means"][:, k], stats.t(2 * shape, mean, np.sqrt(rate / shape / kappa)).cdf).pvalue
            > 1e-4
        )
        assert stats.kstest(draws["sigmas"][:, k] ** 2, stats.invgamma(shape, scale=rate).cdf).pvalue > 1e-4
        assert abs(np.corrcoef(draws["means"][1:, k], draws["means"][:-1, k])[0, 1]) < 0.05


def test_weights_are_copies():
    count = np.random.default_rng(5).integers(0, 4, len(Y))
    weighted = SPEC.fit(Y, "gibbs", weights=count, draws=3000, **QUIET)
    repeated = SPEC.fit(np.repeat(Y, count), "gibbs", draws=3000, progressbar=False, seed=2)
    agree(weighted, repeated)
    sd = {name: np.std(value, axis=(0, 1)) for name, value in posterior(repeated).items()}
    for name, value in posterior(weighted).items():
        np.testing.assert_allclose(np.std(value, axis=(0, 1)), sd[name], rtol=0.1)


def test_some_labels_name_the_components():
    z = np.full(100, -1)
    z[[0, 1, 2, 50, 51, 52]] = [1, 1, 1, 0, 0, 0]
    spec = evb.Mixture(e.Normal(), 2, priors=PRIORS)
    fit = spec.fit(Y, "gibbs", labels=z, **QUIET)
    assert fit.params["means"][1] < -0.5 < 2.0 < fit.params["means"][0]
    assert fit.permutation is None
    agree(fit, spec.fit(Y, "nuts", labels=z, **QUIET))


def test_a_start_on_the_edge_is_moved_inside():
    """A component of zeros only has rate 0, where a slice step under Gamma(2, .) cannot begin."""
    prior = {"rates": p.Gamma([2.0, 3.0], 0.3)}
    y = np.r_[np.zeros(20), np.full(20, 9.0), np.full(20, 11.0)]
    fit = evb.Mixture(e.Poisson(), 2, priors=prior, ordered="rates").fit(
        y, "gibbs", draws=100, tune=50, chains=2, **QUIET
    )
    assert fit.status is not Status.FAILED
    assert fit.draws.shape[:2] == (2, 100)
    assert 0.0 < fit.params["rates"][0] < 1.0


def test_ordered_means_increase_in_every_draw():
    fit = SPEC.fit(Y, "gibbs", **QUIET)
    assert (np.diff(posterior(fit)["means"], axis=-1) > 0).all()
    swapped = fit.program.permuted(fit.raw_draws, fit.permutation)
    np.testing.assert_array_equal(swapped, fit.draws)


def test_a_truncating_order_is_kept_by_the_draws_themselves():
    """Priors that differ by component: the order truncates, and no relabelling is allowed."""
    prior = {**PRIORS, "means": p.Normal([1.0, 0.0], 1.0)}
    spec = evb.Mixture(e.Normal(), 2, priors=prior, ordered="means")
    gibbs, nuts = (spec.fit(Y, m, **o, **QUIET) for m, o in (("gibbs", {"draws": 2000}), ("nuts", {})))
    assert gibbs.permutation is None
    for fit in (gibbs, nuts):
        assert (np.diff(fit.program.public(fit.raw_draws)["means"], axis=-1) > 0).all()
    agree(gibbs, nuts)


def test_relabelling_undoes_switches_and_nothing_else():
    y = np.r_[RNG.normal(-1.0, 1.0, 30), RNG.normal(1.0, 1.0, 30)]
    spec = evb.Mixture(e.Normal(), 2, priors=PRIORS)
    fit = spec.fit(y, "gibbs", draws=4000, **QUIET)
    raw = fit.program.public(fit.raw_draws)
    assert (np.diff(raw["means"], axis=-1) > 0).mean() == pytest.approx(0.5, abs=0.48)  # both orders are visited
    np.testing.assert_array_equal(fit.program.permuted(fit.raw_draws, fit.permutation), fit.draws)
    for chain, draw in ((0, 0), (1, 17), (3, 3999)):
        a, b = (fit.program.log_likelihood(d[chain, draw]) for d in (fit.raw_draws, fit.draws))
        assert a == pytest.approx(b, rel=1e-12)


def test_seeds_chains_and_thinning():
    options = {"draws": 50, "tune": 20, "chains": 3, **QUIET}
    a, b = SPEC.fit(Y, "gibbs", **options), SPEC.fit(Y, "gibbs", cores=1, **options)
    np.testing.assert_array_equal(a.raw_draws, b.raw_draws)  # however many threads
    assert a.raw_draws.shape[:2] == (3, 50)
    assert not np.array_equal(a.raw_draws[0], a.raw_draws[1])
    c = SPEC.fit(Y, "gibbs", **{**options, "seed": 2})
    assert not np.array_equal(a.raw_draws, c.raw_draws)
    wide = SPEC.fit(Y, "gibbs", thin=5, **{**options, "draws": 10})
    np.testing.assert_array_equal(wide.raw_draws, a.raw_draws[:, 4::5])


@pytest.mark.parametrize(
    ("emission", "prior", "y"),
    [
        (e.Normal(), SLICED, Y),
        (
            e.Poisson(),
            {"rates": evb.Prior("LogNormal", mu=1.0, sigma=1.0)},
            np.r_[RNG.poisson(1, 60), RNG.poisson(9, 60)],
        ),
        (e.Exponential(), {"rates": p.Gamma(2.0, 1.0)}, np.r_[RNG.exponential(0.2, 100), RNG.exponential(6.0, 100)]),
        (e.MvNormal(), {"means": p.Normal(0.0, 5.0), "covariances": p.InverseWishart(5.0, np.eye(2))}, PLANE),
        (e.MvNormal("tied"), {}, PLANE),
        (e.MvNormal("diag"), {"means": p.Normal(0.0, 5.0), "covariances": p.InverseGamma(3.0, 2.0)}, PLANE),
        (e.MvNormal("spherical"), {}, PLANE),
    ],
    ids=["slice", "slice rates", "gamma", "independent", "tied", "diag", "spherical"],
)
def test_gibbs_and_nuts_agree(emission, prior, y):
    """Data augmentation and the marginal posterior share no step: conditional draws against gradients."""
    spec = evb.Mixture(emission, 2, priors={"weights": p.Dirichlet(2.0), **prior})
    one = np.asarray(y, dtype=float)
    near = spec.fit(one, "em", objective="map", **QUIET)
    agree(*(spec.fit(one, m, init=near, draws=1500, **QUIET) for m in ("gibbs", "nuts")))
