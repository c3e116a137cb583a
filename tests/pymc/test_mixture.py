"""`Mixture` in a user's own hierarchical model."""

import arviz as az
import numpy as np
import pymc as pm
import pytest
from scipy import stats
from scipy.special import logsumexp

import em_vs_bayes as evb

from .conftest import PYTHON

RNG = np.random.default_rng(21)
Y = np.r_[RNG.normal(0.0, 1.0, 25), RNG.normal(5.0, 1.0, 15)]
KWARGS = {"mode": PYTHON}


def normal_logp(y, mu):
    return pm.logp(pm.Normal.dist(mu, 1.0), y[:, None])


@pytest.fixture(scope="module")
def model():
    """Component means drawn from a population with unknown centre and spread: no conjugate prior in sight."""
    with pm.Model(coords={"component": range(2), "obs": range(40)}) as m:
        w = pm.Dirichlet("w", np.ones(2), dims="component")
        top, tau = pm.Normal("top", 0, 10), pm.HalfNormal("tau", 5)
        mu = pm.Normal("mu", top, tau, dims="component")
        evb.pymc.Mixture(
            "y",
            mu,
            weights=w,
            emission_logp=normal_logp,
            simulate=lambda rng, z, mu: rng.normal(mu[z], 1.0),
            observed=Y,
            dims="obs",
        )
    return m


@pytest.fixture(scope="module")
def trace(model):
    with model:
        return pm.sample(
            40,
            tune=40,
            chains=2,
            cores=1,
            nuts_sampler="pymc",
            init="adapt_diag",
            initvals={"mu": [0.0, 5.0]},
            random_seed=1,
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
            compile_kwargs=KWARGS,
        )


def test_log_density_and_gradient(model):
    point = {
        "w_simplex__": np.array([0.3]),
        "top": np.array(1.0),
        "tau_log__": np.array(0.5),
        "mu": np.array([0.5, 4.0]),
    }
    share = np.exp([0.3, -0.3]) / np.exp([0.3, -0.3]).sum()
    parts = np.log(share) + stats.norm.logpdf(Y[:, None], [0.5, 4.0], 1.0)
    got = model.compile_logp(vars=model.observed_RVs, sum=False, mode=PYTHON)(point)
    np.testing.assert_allclose(got[0], logsumexp(parts, axis=1), rtol=1e-13)
    assert np.isfinite(model.compile_dlogp(mode=PYTHON)(point)).all()


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")  # eighty draws
def test_pointwise_log_likelihood_and_loo(model, trace):
    with model:
        pm.compute_log_likelihood(trace, progressbar=False, compile_kwargs=KWARGS)
    got = trace["log_likelihood"]["y"]
    assert dict(got.sizes) == {"chain": 2, "draw": 40, "obs": 40}
    w, mu = (trace["posterior"][name].values[..., None, :] for name in ("w", "mu"))
    parts = np.log(w) + stats.norm.logpdf(Y[:, None], mu, 1.0)
    np.testing.assert_allclose(got, logsumexp(parts, axis=-1), rtol=1e-12)
    loo = az.loo(trace)
    assert loo.n_data_points == 40
    within = float(np.log(np.exp(got.values).mean((0, 1))).sum())
    assert 0.0 < within - loo.elpd < 10.0  # four effective parameters at most


def test_posterior_predictive(model, trace):
    with model:
        drawn = pm.sample_posterior_predictive(trace, random_seed=2, progressbar=False, compile_kwargs=KWARGS)
    y = drawn["posterior_predictive"]["y"]
    assert dict(y.sizes) == {"chain": 2, "draw": 40, "obs": 40}
    means = y.mean("obs").values.ravel()
    assert abs(means.mean() - Y.mean()) < 5.0 * means.std() / np.sqrt(10)  # about ten independent draws at the least


def test_densities_may_come_as_a_tensor_and_weights_by_row():
    x = np.linspace(-1.0, 1.0, 40)
    with pm.Model() as m:
        mu = pm.Normal("mu", 0, 5, shape=2)
        slope = pm.Normal("slope", 0, 1)
        p = pm.math.sigmoid(slope * x)
        weights = pm.math.stack([p, 1 - p], axis=1)
        density = pm.logp(pm.Normal.dist(mu, 1.0), Y[:, None])
        evb.pymc.Mixture("y", weights=weights, emission_logp=density, observed=Y)
        pm.Deterministic("r", evb.pymc.responsibilities(weights, density))
    point = {"mu": np.array([0.0, 5.0]), "slope": np.array(0.7)}
    share = 1 / (1 + np.exp(-0.7 * x))
    parts = np.log(np.stack([share, 1 - share], axis=1)) + stats.norm.logpdf(Y[:, None], [0.0, 5.0], 1.0)
    got = m.compile_logp(vars=m.observed_RVs, sum=False, mode=PYTHON)(point)[0]
    np.testing.assert_allclose(got, logsumexp(parts, axis=1), rtol=1e-13)
    assert np.isfinite(m.compile_dlogp(mode=PYTHON)(point)).all()


def test_rows_of_weight_zero_say_nothing():
    powers = np.arange(40) % 3
    with pm.Model() as m:
        mu = pm.Normal("mu", 0, 5, shape=2)
        impossible = np.where(powers == 0, -np.inf, 0.0)[:, None]
        evb.pymc.Mixture(
            "y",
            mu,
            weights=[0.4, 0.6],
            emission_logp=lambda y, mu: normal_logp(y, mu) + impossible,
            observed=Y,
            case_weights=powers,
        )
    point = {"mu": np.array([0.0, 5.0])}
    parts = np.log([0.4, 0.6]) + stats.norm.logpdf(Y[:, None], [0.0, 5.0], 1.0)
    got = m.compile_logp(vars=m.observed_RVs, sum=False, mode=PYTHON)(point)[0]
    np.testing.assert_allclose(got, powers * logsumexp(parts, axis=1), rtol=1e-13)
    assert np.isfinite(m.compile_dlogp(mode=PYTHON)(point)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observed": np.zeros((2, 2, 2))}, r"observed must be \(n,\) or \(n, d\); got 3"),
        ({"weights": 1.0}, r"weights must be \(K,\) or \(n, K\); got 0"),
        ({"emission_logp": np.zeros(3)}, r"emission_logp must be \(n, K\), or a callable; got 1"),
    ],
)
def test_errors_name_the_argument(change, words):
    given = {"weights": np.ones(2) / 2, "emission_logp": np.zeros((40, 2)), "observed": Y} | change
    with pm.Model(), pytest.raises(ValueError, match=words):
        evb.pymc.Mixture("y", **given)


# --- weights that are none, and graphs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.6, 1.4], r"weights must hold probabilities.*sums to 2"),
        ([-0.3, 1.3], "weights is negative in part"),
        ([np.nan, 1.0], "weights is not a number"),
        ([1.0], r"weights must be \(2,\), or \(40, 2\) for 40 rows.*got \(1,\)"),
        ([0.2, 0.3, 0.5], r"weights must be \(2,\), or \(40, 2\).*got \(3,\)"),
        (np.full((40, 2), 0.25), r"weights\[0\] sums to 0.5"),
        (np.full((39, 2), 0.5), r"weights must be \(2,\), or \(40, 2\).*got \(39, 2\)"),
    ],
)
def test_weights_that_are_no_probabilities_are_refused(weights, message):
    with pm.Model():
        mu = pm.Normal("mu", [0.0, 5.0])
        with pytest.raises(ValueError, match=message):
            evb.pymc.Mixture("y", mu, weights=weights, emission_logp=normal_logp, observed=Y)


def test_weights_are_looked_at_when_evaluated_and_drawn():
    """Right where the model was written, and not after `pymc.set_data`."""
    with pm.Model() as m:
        w, mu = pm.Data("w", np.full((40, 2), 0.5)), pm.Normal("mu", [0.0, 5.0])
        evb.pymc.Mixture(
            "y", mu, weights=w, observed=Y, emission_logp=normal_logp, simulate=lambda rng, z, mu: rng.normal(mu[z])
        )
    point, evaluate = {"mu": np.array([0.0, 5.0])}, m.compile_logp(vars=m.observed_RVs, mode=PYTHON)
    both = stats.norm.logpdf(Y[:, None], [0.0, 5.0])
    np.testing.assert_allclose(evaluate(point), logsumexp(both + np.log(0.5), axis=1).sum(), rtol=1e-10)
    for wrong in (np.full((40, 2), 0.7), np.column_stack([np.full(40, 1.5), np.full(40, -0.5)])):
        m.set_data("w", wrong)
        assert evaluate(point) == -np.inf
        with pytest.raises(ValueError, match="weights must hold probabilities"):
            pm.draw(m["y"], mode=PYTHON)
    for wrong in (np.full((40, 1), 1.0), np.full((1, 2), 0.5), np.full((39, 2), 0.5)):
        m.set_data("w", wrong)
        with pytest.raises(ValueError):
            evaluate(point)


@pytest.mark.parametrize("given", [lambda y: y, lambda y: pm.Data("data", y)], ids=["array", "data"])
def test_models_are_drawn_as_graphs_without_simulate(given):
    table = lambda y, mu: pm.logp(pm.Normal.dist(mu, 1.0), y[:, None])  # noqa: E731
    row = lambda y, mu: pm.logp(pm.Normal.dist(mu[0], 1.0), y)  # noqa: E731
    with pm.Model() as m:
        mu = pm.Normal("mu", [0.0, 5.0])
        half = np.full((2, 2), 0.5)
        evb.pymc.HMM("a", mu, initial=half[0], transition=half, emission_logp=table, observed=given(Y[:7]))
        evb.pymc.Mixture("b", mu, weights=half[0], emission_logp=table, observed=Y[:8])
        evb.pymc.Rows("c", mu, log_density=row, observed=Y[:9])
    drawn = pm.model_to_mermaid(m)
    assert all(f"{n}" in drawn for n in (7, 8, 9))
    for name in "abc":
        with pytest.raises(NotImplementedError, match=f"'{name}' draws no data: give .*simulate="):
            np.asarray(pm.draw(m[name], mode=PYTHON))
