"""Fits to censored and truncated responses as ArviZ trees: the same groups and dims whatever the method."""

import numpy as np
import pytest
from naive import censored

import em_vs_bayes as evb

INF, NAN = np.inf, np.nan
RNG = np.random.default_rng(1958)
N = 30
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
LATENT = X @ [0.5, 1.0] + RNG.normal(size=N)
ENDS = np.column_stack([np.where(LATENT < 0, -INF, np.floor(LATENT)), np.ceil(LATENT)])
INSIDE = LATENT > 0
OPTIONS = {
    "em": {},
    "vi": {},
    "gibbs": {"draws": 20, "tune": 10, "chains": 2},
    "nuts": {"draws": 20, "tune": 20, "chains": 2, "cores": 1},
    "laplace": {"draws": 200},
}
CASES = {
    "tobit": (evb.Tobit(), np.maximum(LATENT, 0.0), X, ("obs",)),
    "censored": (evb.CensoredRegression(), ENDS, X, ("obs", "end")),
    "truncated": (evb.TruncatedRegression(lower=0.0), LATENT[INSIDE], X[INSIDE], ("obs",)),
}


def terms(name, b, sigma):
    """Log-likelihood of every row by definition."""
    _, y, x, _ = CASES[name]
    if name == "truncated":
        return censored.truncated_terms(y, x, b, sigma, lower=0.0)
    return censored.censored_terms(censored.tobit_intervals(y) if name == "tobit" else y, x, b, sigma)


@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.parametrize("name", CASES)
def test_groups_and_dims(name, method):
    spec, y, x, dims = CASES[name]
    tree = spec.fit(y, method, exog=x, seed=1, progressbar=False, **OPTIONS[method]).idata
    assert set(tree.posterior.data_vars) == {"coefficients", "sigma"}
    assert tree.posterior["coefficients"].dims == ("chain", "draw", "predictor")
    assert tree.posterior["sigma"].dims == ("chain", "draw")
    assert tree.observed_data["y"].dims == dims
    np.testing.assert_array_equal(tree.observed_data["y"], y)
    assert tree.log_likelihood["y"].dims == ("chain", "draw", "obs")
    last = {"chain": -1, "draw": -1}
    at = tree.posterior.isel(last)
    expected = terms(name, at["coefficients"].values, float(at["sigma"]))
    np.testing.assert_allclose(tree.log_likelihood["y"].isel(last), expected, rtol=1e-9)
    assert float(tree.sample_stats["log_likelihood_total"].isel(last)) == pytest.approx(expected.sum(), rel=1e-10)


def test_ends_have_names():
    ends = evb.CensoredRegression().fit(ENDS, exog=X, progressbar=False).idata.observed_data["y"]
    np.testing.assert_array_equal(ends.sel(end="lower"), ENDS[:, 0])
    np.testing.assert_array_equal(ends.sel(end="upper"), ENDS[:, 1])


def test_streams_of_a_product_keep_their_own_ends():
    spec = evb.Mixture(evb.emissions.Product(u=evb.emissions.CensoredNormal(), v=evb.emissions.Normal()), 1)
    tree = spec.fit({"u": ENDS, "v": LATENT}, progressbar=False).idata
    assert tree.observed_data["u"].dims == ("obs", "u_end")
    assert tree.observed_data["v"].dims == ("obs",)
    np.testing.assert_array_equal(tree.observed_data["u"].sel(u_end="upper"), ENDS[:, 1])


def test_rows_of_a_chain_that_say_nothing_have_no_term():
    """Missing in either way; a row with one infinite end says something."""
    gaps = ENDS.copy()
    gaps[4], gaps[9] = NAN, [-INF, INF]
    tree = evb.HMM(evb.emissions.CensoredRegression(), 2).fit(gaps, exog=X, n_init=1, progressbar=False).idata
    np.testing.assert_array_equal(tree.log_likelihood["obs"], np.delete(np.arange(N), [4, 9]))
    assert tree.observed_data["y"].sizes["obs"] == N
    assert np.isnan(tree.observed_data["y"][9]).all()
