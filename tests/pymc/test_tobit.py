"""Regressions seen through limits as PyMC models: what a user finds there, predictions, samplers."""

import arviz_base
import numpy as np
import pandas as pd
import pymc as pm
import pytest
from naive import censored
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import priors

from .conftest import PYTHON

KWARGS = {"compile_kwargs": {"mode": PYTHON}}
PLAIN = {"nuts_sampler": "pymc", **KWARGS}
RNG = np.random.default_rng(20261121)
N = 60
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
LATENT = X @ [0.3, 1.0] + RNG.normal(size=N)
Y = np.clip(LATENT, 0.0, None)
ENDS = np.column_stack([np.where(LATENT < 0, -np.inf, np.floor(LATENT)), np.where(LATENT < 0, 0.0, np.ceil(LATENT))])
FRAME = pd.DataFrame({"y": Y, "x": X[:, 1]})
INSIDE = LATENT > 0
PARAMS = {"coefficients": np.array([0.2, 0.9]), "sigma": 1.1}


def pointwise(model, params=PARAMS):
    """Log-likelihood terms of a model at one draw."""
    draw = {name: np.asarray(value, float)[None, None] for name, value in params.items()}
    tree = arviz_base.from_dict({"posterior": draw})
    terms = pm.compute_log_likelihood(tree, model=model, progressbar=False, extend_inferencedata=False, **KWARGS)
    return np.asarray(terms["y"])[0, 0]


def test_names_dims_and_no_weights():
    model = evb.Tobit("y ~ x").to_pymc(FRAME)
    assert {rv.name for rv in model.free_RVs} == {"coefficients", "sigma"}
    assert set(model.named_vars) == {"coefficients", "sigma", "y"}  # and no weight of a single component
    assert not model.potentials
    assert model.named_vars_to_dims["coefficients"] == ("predictor",)
    assert list(model.coords["predictor"]) == ["Intercept", "x"]
    assert model["sigma"].ndim == 0
    assert model.named_vars_to_dims["y"] == ("obs",)


def test_intervals_have_two_named_ends():
    model = evb.CensoredRegression().to_pymc(ENDS, exog=X)
    assert model.named_vars_to_dims["y"] == ("obs", "end")
    assert list(model.coords["end"]) == ["lower", "upper"]
    np.testing.assert_array_equal(model.rvs_to_values[model["y"]].data, ENDS)


def test_fixed_elements_leave_free_pieces():
    model = evb.Tobit(fixed={"coefficients": [np.nan, 1.0], "sigma": 2.0}).to_pymc(Y, exog=X)
    assert {rv.name for rv in model.free_RVs} == {"coefficients_free"}
    assert {d.name for d in model.deterministics} == {"coefficients", "sigma"}


def test_initial_values_are_the_given_parameters():
    start = evb.pymc.initial_values(evb.Tobit(), Y, PARAMS, exog=X)
    assert set(start) == {"coefficients", "sigma"}
    np.testing.assert_array_equal(start["coefficients"], PARAMS["coefficients"])
    assert start["sigma"].shape == ()
    assert start["sigma"] == 1.1


def test_the_log_likelihood_has_a_term_for_every_row():
    b, sigma = PARAMS["coefficients"], PARAMS["sigma"]
    cases = [
        (evb.Tobit(), Y, X, censored.censored_terms(censored.tobit_intervals(Y), X, b, sigma)),
        (evb.CensoredRegression(), ENDS, X, censored.censored_terms(ENDS, X, b, sigma)),
        (
            evb.TruncatedRegression(lower=0.0),
            Y[INSIDE],
            X[INSIDE],
            censored.truncated_terms(Y[INSIDE], X[INSIDE], b, sigma, lower=0.0),
        ),
    ]
    for spec, y, exog, expected in cases:
        np.testing.assert_allclose(pointwise(spec.to_pymc(y, exog=exog)), expected, rtol=1e-11)


def test_case_weights_are_powers_of_the_rows():
    weights = np.arange(N) % 3.0
    model = evb.Tobit().to_pymc(Y, exog=X, weights=weights)
    plain = evb.Tobit().to_pymc(Y, exog=X)
    np.testing.assert_allclose(pointwise(model), weights * pointwise(plain), rtol=1e-13)


def test_predictive_draws_are_cut_off_as_the_data_are():
    given = {name: np.broadcast_to(value, (1, 400, *np.shape(value))) for name, value in PARAMS.items()}
    tree = arviz_base.from_dict({"posterior": given})
    lines, sigma = X @ PARAMS["coefficients"], PARAMS["sigma"]

    def drawn(spec, y, exog=X):
        with spec.to_pymc(y, exog=exog):
            out = pm.sample_posterior_predictive(tree, random_seed=3, progressbar=False, **KWARGS)
        return out["posterior_predictive"]["y"].values[0]

    y = drawn(evb.Tobit(upper=2.0), Y.clip(0.0, 2.0))
    assert y.shape == (400, N)
    assert y.min() == 0.0
    assert y.max() == 2.0
    expected = stats.norm.cdf(-lines / sigma)
    error = np.sqrt(expected * (1 - expected) / 400) + 1e-3
    assert (np.abs((y == 0.0).mean(axis=0) - expected) < 4.5 * error).all()

    inside = drawn(evb.TruncatedRegression(lower=0.0), Y[INSIDE], X[INSIDE])
    assert inside.min() > 0.0
    a = -lines[INSIDE] / sigma
    mean, sd = (f(a, np.inf, lines[INSIDE], sigma) for f in (stats.truncnorm.mean, stats.truncnorm.std))
    assert (np.abs(inside.mean(axis=0) - mean) < 4.5 * sd / 20).all()

    pairs = drawn(evb.CensoredRegression(), ENDS)
    assert pairs.shape == (400, N, 2)
    np.testing.assert_array_equal(pairs[..., 0], pairs[..., 1])  # nothing says how intervals come about


def test_rows_of_a_model_of_ones_own():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 10.0)
        evb.pymc.Rows("y", mu, observed=Y, log_density=lambda y, mu: pm.logp(pm.Normal.dist(mu, np.float64(2.0)), y))
    np.testing.assert_allclose(pointwise(model, {"mu": 0.5}), stats.norm(0.5, 2.0).logpdf(Y), rtol=1e-12)
    with pytest.raises(NotImplementedError, match="give Rows"), model:
        pm.sample_prior_predictive(2, **KWARGS)
    with pytest.raises(ValueError, match=r"observed must be \(n,\) or \(n, d\)"), pm.Model():
        evb.pymc.Rows("y", observed=np.zeros((2, 2, 2)), log_density=lambda y: y)


def test_a_prior_that_only_pymc_knows_is_sampled():
    prior = {"coefficients": evb.Prior("SkewNormal", mu=[0.0, 1.0], sigma=1.0, alpha=1.0)}
    fit = evb.Tobit(priors=prior | {"sigma": priors.InverseGamma(3.0, 2.0)}).fit(
        Y, "nuts", exog=X, sampler="pymc", draws=60, tune=60, chains=2, cores=1, seed=3, options=PLAIN,
        progressbar=False,
    )  # fmt: skip
    draws = fit.program.public(fit.draws)
    assert draws["coefficients"].shape == (2, 60, 2)
    assert draws["sigma"].shape == (2, 60)
    assert {"lp", "tree_depth", "diverging", "energy"} <= set(fit.sample_stats)
    mode = evb.Tobit().fit(Y, exog=X, progressbar=False).params
    np.testing.assert_allclose(fit.params["coefficients"], mode["coefficients"], atol=0.2)
    assert fit.params["sigma"] == pytest.approx(mode["sigma"], abs=0.2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("spec", "y", "exog"),
    [
        (evb.Tobit(), Y, X),
        (evb.CensoredRegression(), ENDS, X),
        (evb.TruncatedRegression(lower=0.0, priors={"coefficients": priors.Normal(0.0, 2.0)}), Y[INSIDE], X[INSIDE]),
    ],
    ids=["tobit", "censored", "truncated"],
)
def test_nutpie_agrees_with_the_direct_road(spec, y, exog):
    fits = [
        spec.fit(y, "nuts", exog=exog, sampler=s, draws=1000, tune=400, chains=2, seed=5, progressbar=False)
        for s in ("pymc", "direct")
    ]
    for name in ("coefficients", "sigma"):
        a, b = (f.program.public(f.draws)[name].reshape(2000, -1) for f in fits)
        error = np.sqrt((a.var(0) + b.var(0)) / 400)  # at least one effective draw in five
        assert (np.abs(a.mean(0) - b.mean(0)) < 4.5 * error).all(), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_pymc_samples_the_model_itself():
    fit = evb.Tobit().fit(Y, exog=X, progressbar=False)
    with evb.Tobit().to_pymc(Y, exog=X):
        trace = pm.sample(
            200, tune=200, chains=2, cores=1, nuts_sampler="pymc", progressbar=False, random_seed=5,
            initvals=evb.pymc.initial_values(evb.Tobit(), Y, fit.params, exog=X),
        )  # fmt: skip
    np.testing.assert_allclose(trace["posterior"]["coefficients"].mean(("chain", "draw")), fit.params["coefficients"],
        atol=0.15)  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_advi_finds_the_mode():
    fit = evb.Tobit().fit(Y, "advi", exog=X, n_steps=8000, draws=500, seed=5, progressbar=False)
    vi = evb.Tobit().fit(Y, "vi", exog=X, seed=5, progressbar=False)
    np.testing.assert_allclose(fit.params["coefficients"], vi.params["coefficients"], atol=0.15)
    assert fit.elbo == pytest.approx(vi.elbo, abs=3.0)
