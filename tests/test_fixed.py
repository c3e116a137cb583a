"""Fixed elements stay where they are, in every method and every draw, and the rest is fitted around them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
SHORT = {"gibbs": {"draws": 200, "tune": 100, "chains": 2}, "nuts": {"draws": 200, "tune": 200, "chains": 2}}
METHODS = ("em", "vi", "gibbs", "nuts", "laplace")
RNG = np.random.default_rng(8)
X = np.r_[RNG.normal(0.0, 1.0, 80), RNG.normal(4.0, 2.0, 70)]
Y = np.column_stack([X, RNG.normal(X / 3.0, 1.0)])
COUNTS = np.r_[RNG.poisson(2, 60), RNG.poisson(9, 60)].astype(float)
NAN = np.nan
FREE = np.full((2, 2), NAN)

SPECS = {
    "a mean": (evb.GaussianMixture(2, fixed={"means": [[0.0, NAN], [NAN, NAN]]}), Y),
    "all means": (evb.GaussianMixture(2, fixed={"means": [[0.0, 0.0], [4.0, 1.0]]}), Y),
    "a covariance": (evb.GaussianMixture(2, fixed={"covariances": [np.eye(2), FREE]}), Y),
    "a tied covariance": (evb.GaussianMixture(2, "tied", fixed={"covariances": [np.diag([2.0, 1.0])] * 2}), Y),
    "a diagonal covariance": (evb.GaussianMixture(2, "diag", fixed={"covariances": [np.diag([1.0, 2.0]), FREE]}), Y),
    "a spherical covariance": (evb.GaussianMixture(2, "spherical", fixed={"covariances": [1.5 * np.eye(2), FREE]}), Y),
    "a diagonal mean": (evb.GaussianMixture(2, "diag", fixed={"means": [[NAN, 0.5], [NAN, NAN]]}), Y),
    "a weight": (evb.GaussianMixture(3, fixed={"weights": [0.2, NAN, NAN]}), Y),
    "all weights": (evb.GaussianMixture(2, fixed={"weights": [0.25, 0.75]}), Y),
    "mean and sd": (evb.Mixture(e.Normal(), 2, fixed={"means": [0.0, NAN], "sigmas": [NAN, 2.0]}), X),
    "a rate": (evb.Mixture(e.Poisson(), 2, fixed={"rates": [2.0, NAN]}), COUNTS),
    "a probability": (evb.Mixture(e.Bernoulli(), 2, fixed={"probs": [0.9, NAN]}), (COUNTS > 4).astype(float)),
    "a category": (evb.Mixture(e.Categorical(3), 2, fixed={"probs": [[0.5, NAN, NAN], [NAN] * 3]}), COUNTS % 3),
    "independent": (
        evb.GaussianMixture(
            2,
            priors={"means": p.Normal(0.0, 5.0), "covariances": p.InverseWishart(5.0, np.eye(2))},
            fixed={"means": [[0.0, NAN], [NAN, NAN]]},
        ),
        Y,
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SPECS)
def test_fixed_elements_do_not_move(name, method):
    spec, y = SPECS[name]
    fit = spec.fit(y, method, **SHORT.get(method, {}), **QUIET)
    checked = 0
    for parameter, value in spec.fixed.items():
        value = np.broadcast_to(np.asarray(value, dtype=float), fit.params[parameter].shape)
        known = ~np.isnan(value)
        np.testing.assert_allclose(fit.params[parameter][known], value[known], rtol=1e-12, atol=1e-12)
        if fit.draws is not None:
            draws = fit.program.public(fit.draws)[parameter]
            np.testing.assert_allclose(
                draws[..., known], np.broadcast_to(value[known], draws[..., known].shape), rtol=1e-12, atol=1e-12
            )
            assert (fit.std_errors()[parameter][known] == 0.0).all()
            moving = ~known & (fit.params[parameter] != 0.0)  # not what a diagonal covariance has off its diagonal
            assert (draws[..., moving].std(axis=(0, 1)) > 0).all()
        checked += known.sum()
    assert checked > 0
    assert np.isfinite(fit.log_likelihood)
    assert fit.n_parameters == fit.program.ndim


def constrained_maximum(log_likelihood, x):
    """By a general optimiser that knows nothing of EM."""
    best = optimize.minimize(
        lambda v: -log_likelihood(v),
        x,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20_000},
    )
    return -best.fun, best.x


def test_em_finds_the_constrained_maximum():
    spec, y = SPECS["mean and sd"]
    fit = spec.fit(y, "em", **QUIET)

    def log_likelihood(v):
        w = 1.0 / (1.0 + np.exp(-v[0]))
        return np.log(w * stats.norm.pdf(y, 0.0, np.exp(v[1])) + (1 - w) * stats.norm.pdf(y, v[2], 2.0)).sum()

    height, x = constrained_maximum(log_likelihood, [0.0, 0.0, 4.0])
    assert fit.log_likelihood == pytest.approx(height, abs=1e-7)
    assert fit.params["means"][1] == pytest.approx(x[2], abs=1e-4)
    assert fit.params["sigmas"][0] == pytest.approx(np.exp(x[1]), abs=1e-4)
    assert fit.n_parameters == 3


def test_a_fixed_weight_shares_what_is_left():
    spec, y = evb.Mixture(e.Poisson(), 3, fixed={"weights": [0.2, NAN, NAN], "rates": [1.0, 3.0, 9.0]}), COUNTS
    fit = spec.fit(y, "em", **QUIET)

    def log_likelihood(v):
        w = 0.8 / (1.0 + np.exp(-v[0]))
        parts = [0.2 * stats.poisson.pmf(y, 1.0), w * stats.poisson.pmf(y, 3.0), (0.8 - w) * stats.poisson.pmf(y, 9.0)]
        return np.log(sum(parts)).sum()

    height, x = constrained_maximum(log_likelihood, [0.0])
    assert fit.log_likelihood == pytest.approx(height, abs=1e-8)
    assert fit.params["weights"][1] == pytest.approx(0.8 / (1.0 + np.exp(-x[0])), abs=1e-5)
    assert fit.params["weights"].sum() == pytest.approx(1.0, abs=1e-14)


def test_a_weight_posterior_on_a_grid():
    """Everything fixed but one weight: the exact posterior is one integral; every method is held to it."""
    spec = evb.Mixture(e.Poisson(), 2, priors={"weights": p.Dirichlet([2.0, 5.0])}, fixed={"rates": [3.0, 7.0]})
    grid = (np.arange(20_000) + 0.5) / 20_000
    dense = stats.beta(2, 5).logpdf(grid) + sum(
        np.log(grid * stats.poisson.pmf(v, 3.0) + (1 - grid) * stats.poisson.pmf(v, 7.0)) for v in COUNTS
    )
    mass = np.exp(dense - dense.max())
    evidence = dense.max() + np.log(mass.mean())
    mass /= mass.sum()
    mean = (mass * grid).sum()
    sd = np.sqrt((mass * (grid - mean) ** 2).sum())
    for method, tolerance in (("gibbs", 0.15), ("nuts", 0.15), ("laplace", 0.15)):
        fit = spec.fit(COUNTS, method, **QUIET)
        assert fit.params["weights"][0] == pytest.approx(mean, abs=tolerance * sd)
        assert fit.std_errors()["weights"][0] == pytest.approx(sd, rel=0.1)
    vi = spec.fit(COUNTS, "vi", **QUIET)
    assert evidence - 1.0 < vi.elbo < evidence
    em = spec.fit(COUNTS, "em", objective="map", **QUIET)
    assert em.params["weights"][0] == pytest.approx(grid[np.argmax(dense)], abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("emission", [e.Normal(), e.Poisson()], ids=str)
def test_an_order_holds_in_every_draw_of_every_method(emission, method):
    name = "means" if emission == e.Normal() else "rates"
    y = X if emission == e.Normal() else COUNTS
    spec = evb.Mixture(emission, 2, ordered=name)
    for seed in range(3):
        fit = spec.fit(y, method, progressbar=False, seed=seed, **SHORT.get(method, {}))
        assert (np.diff(fit.params[name]) > 0).all()
        if fit.draws is not None:
            assert (np.diff(fit.program.public(fit.draws)[name], axis=-1) > 0).all()


def _chain(rng, transition, n):
    cut, at, path = np.cumsum(transition, axis=1), 0, []
    for u in rng.random(n):
        at = min(int(np.searchsorted(cut[at], u)), len(cut) - 1)
        path.append(at)
    return np.array(path)


@pytest.mark.parametrize("method", ["em", "vi"])
@pytest.mark.parametrize("case", ["rate 0", "categories"])
def test_starts_respect_what_excludes_rows_from_states(method, case):
    """Rows fall into clusters of states that cannot have them; the end is near the truth all the same, and higher."""
    rng, stay = np.random.default_rng(4), np.full((3, 3), 0.05) + 0.85 * np.eye(3)
    path = _chain(rng, stay, 600)
    if case == "rate 0":
        truth = {"rates": np.array([0.0, 2.0, 9.0])}
        spec, y = evb.HMM(e.Poisson(), 3, fixed={"rates": [0.0, np.nan, np.nan]}), rng.poisson(truth["rates"][path])
    else:
        truth = {"probs": np.array([[0.6, 0.4, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.1, 0.0, 0.1, 0.8]])}
        zeros = np.where(truth["probs"] == 0.0, 0.0, np.nan)
        spec = evb.HMM(e.Categorical(4), 3, fixed={"probs": zeros})
        y = np.array([rng.choice(4, p=truth["probs"][k]) for k in path])
    fit = spec.fit(y, method, seed=0, progressbar=False)
    there = spec.at(y, {"initial": np.full(3, 1 / 3), "transition": stay, **truth}).log_likelihood
    assert fit.converged
    assert fit.log_likelihood > there
    ((name, value),) = truth.items()
    mine = fit.params[name]
    np.testing.assert_allclose(
        np.sort(mine) if case == "rate 0" else mine, value, atol=0.5 if case == "rate 0" else 0.12
    )
