"""Saved fits come back equal, whatever the method, the data's container and what the fit holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
SHORT = {"gibbs": {"draws": 30, "tune": 10, "chains": 2}, "nuts": {"draws": 30, "tune": 60, "chains": 2}}
METHODS = ("em", "vi", "gibbs", "nuts", "laplace")
FAITHFUL = evb.datasets.load("faithful")
RNG = np.random.default_rng(0)


def equal(a, b):
    assert a.spec == b.spec
    assert (a.method, a.status, a.notes, a.converged, a.n_iter) == (b.method, b.status, b.notes, b.converged, b.n_iter)
    assert dict(a.options) == dict(b.options)
    assert dict(a.seconds) == dict(b.seconds)
    np.testing.assert_array_equal(a.theta, b.theta)
    for name in ("draws", "raw_draws", "permutation"):
        one, two = getattr(a, name), getattr(b, name)
        assert (one is None) == (two is None), name
        if one is not None:
            np.testing.assert_array_equal(one, two)
            assert one.dtype == two.dtype
    for name in ("history", "sample_stats"):
        one, two = getattr(a, name), getattr(b, name)
        assert list(one) == list(two)
        for key in one:
            np.testing.assert_array_equal(one[key], two[key])
    assert a.log_likelihood == b.log_likelihood
    np.testing.assert_array_equal(a.predict_proba(), b.predict_proba())
    np.testing.assert_array_equal(a.score_samples(), b.score_samples())
    pd.testing.assert_frame_equal(a.summary(), b.summary())
    for name, value in a.std_errors().items():
        np.testing.assert_array_equal(value, b.std_errors()[name])


def through(fit, tmp_path):
    fit.save(tmp_path / "fit")
    return evb.load(tmp_path / "fit")


@pytest.mark.parametrize("method", METHODS)
def test_every_method(method, tmp_path):
    fit = evb.GaussianMixture(2).fit(FAITHFUL, method, **SHORT.get(method, {}), **QUIET)
    back = through(fit, tmp_path)
    equal(fit, back)
    new = FAITHFUL.iloc[:7] + 0.1
    np.testing.assert_array_equal(fit.predict_proba(new), back.predict_proba(new))
    one, two = fit.simulate(5, seed=3), back.simulate(5, seed=3)
    np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    if method == "vi":
        assert back.elbo == fit.elbo
    one, two = fit.idata, back.idata
    for name in one.posterior.data_vars:
        np.testing.assert_array_equal(one.posterior[name], two.posterior[name])
        assert one.posterior[name].dims == two.posterior[name].dims
    assert list(one.posterior.coords["feature"].values) == list(two.posterior.coords["feature"].values)


@pytest.mark.parametrize(
    "y",
    [
        FAITHFUL.to_numpy(dtype=float),
        FAITHFUL,
        FAITHFUL.to_numpy(dtype=float).tolist(),
        pl.from_pandas(FAITHFUL),
        FAITHFUL.where(RNG.random(FAITHFUL.shape) > 0.1).dropna(how="all"),
    ],
    ids=["array", "frame", "list", "polars", "missing"],
)
def test_every_container(y, tmp_path):
    equal((fit := evb.GaussianMixture(2).fit(y, "em", **QUIET)), through(fit, tmp_path))


@pytest.mark.parametrize(
    ("emission", "y"),
    [
        (e.Normal(), FAITHFUL["waiting"]),
        (e.Normal(), FAITHFUL["waiting"].to_numpy(dtype=float)),
        (e.StudentT(3), RNG.standard_t(3.0, 50)),
        (e.Poisson(), RNG.poisson(4.0, 50)),
        (e.Exponential(), RNG.exponential(4.0, 50)),
        (e.Bernoulli(), RNG.integers(0, 2, 50).astype(bool)),
        (e.Categorical(3), RNG.integers(0, 3, 50)),
        (e.Product(u=e.Normal(), v=e.Poisson()), {"u": RNG.normal(size=50), "v": RNG.poisson(3, 50)}),
        (
            e.Product(u=e.Normal(), v=e.Poisson()),
            pd.DataFrame({"v": RNG.poisson(3, 50), "u": RNG.normal(size=50), "other": 1}),
        ),
        (e.Product(u=e.MvNormal("diag"), v=e.Normal()), {"u": RNG.normal(size=(50, 2)), "v": RNG.normal(size=50)}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_every_emission(emission, y, tmp_path):
    own = {e.Bernoulli(): {"probs": p.Beta(2.0, 2.0)}, e.Categorical(3): {"probs": p.Dirichlet(2.0)}}
    prior = {"weights": p.Dirichlet(2.0), **own.get(emission, {})}  # no estimate on the boundary: it has no errors
    fit = evb.Mixture(emission, 2, priors=prior).fit(y, "em", objective="map", max_iter=30, **QUIET)
    equal(fit, through(fit, tmp_path))


def test_weights_labels_priors_and_fixed_values(tmp_path):
    y = FAITHFUL["waiting"].to_numpy(dtype=float)
    spec = evb.Mixture(
        e.Normal(),
        2,
        priors={
            "weights": p.Dirichlet([2.0, 3.0]),
            "means": evb.Prior("StudentT", nu=3, mu=70.0, sigma=[20.0, 30.0]),
            "sigmas": p.InverseGamma(3.0, 50.0),
        },
        fixed={"sigmas": [np.nan, 6.0]},
    )
    weights, labels = RNG.integers(1, 4, len(y)), np.where(np.arange(len(y)) < 9, (y > 65).astype(int), -1)
    for method in ("em", "gibbs"):
        fit = spec.fit(y, method, weights=weights, labels=labels, **SHORT.get(method, {}), **QUIET)
        back = through(fit, tmp_path)
        equal(fit, back)
        np.testing.assert_array_equal(back.program.data.labels, labels)
        np.testing.assert_array_equal(back.program.data.weights, weights)
    ordered = evb.Mixture(e.Normal(), 2, ordered=("means",))
    equal((fit := ordered.fit(y, "nuts", **SHORT["nuts"], **QUIET)), through(fit, tmp_path))


def test_a_loaded_fit_starts_another(tmp_path):
    fit = evb.GaussianMixture(2).fit(FAITHFUL, "em", **QUIET)
    back = through(fit, tmp_path)
    again = evb.GaussianMixture(2).fit(FAITHFUL, "em", init=back, **QUIET)
    assert again.n_iter < 10
    assert again.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-8)


def test_specs_survive_json():
    spec = evb.Mixture(
        e.Product(u=e.Normal(), v=e.MvNormal("diag"), w=e.Categorical(4)),
        3,
        priors={"u_means": p.Normal([0.0, 1.0, 2.0], 3.0), "w_probs": p.Dirichlet(2.0)},
        fixed={"weights": [0.2, np.nan, np.nan]},
    )
    back = evb.Mixture.from_json(spec.to_json())
    assert back == spec
    assert hash(back) == hash(spec)
    assert back.to_json() == spec.to_json()
    assert back != evb.Mixture(e.Normal(), 3)
