"""EM beyond the laws: against plain loops, in other units and labels, with weights, known labels, hard assignment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from naive import em as naive
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.methods.ascent import Climb
from em_vs_bayes.methods.em import EM, State
from em_vs_bayes.program.compile import compile

QUIET = {"progressbar": False, "seed": 1}
FAITHFUL = evb.datasets.load("faithful")
Y = FAITHFUL.to_numpy(dtype=float)
START = {
    "weights": [0.4, 0.6],
    "means": [[2.0, 55.0], [4.0, 78.0]],
    "covariances": [[[0.2, 0.3], [0.3, 30.0]], [[0.3, 0.5], [0.5, 40.0]]],
}
SPEC = evb.GaussianMixture(2)


@pytest.mark.parametrize("algorithm", ["em", "hard"])
def test_the_first_steps_are_those_of_a_plain_loop(algorithm):
    state, objective = (START["weights"], START["means"], START["covariances"]), []
    for t in range(1, 4):
        *state, log_likelihood = naive.step(Y, *state, hard=algorithm == "hard")
        objective.append(log_likelihood)
        fit = SPEC.fit(Y, "em", init=START, max_iter=t, tol=0.0, accelerate=None, algorithm=algorithm, **QUIET)
        for name, wanted in zip(("weights", "means", "covariances"), state, strict=True):
            np.testing.assert_allclose(fit.params[name], wanted, rtol=1e-9, atol=1e-11)
    if algorithm == "em":
        np.testing.assert_allclose(fit.history["objective"][:3], objective, rtol=1e-12)


@pytest.mark.parametrize("k", [2, 3])
def test_hard_em_climbs_the_classification_likelihood(k):
    fit = evb.GaussianMixture(k).fit(Y, "em", algorithm="hard", n_init=1, **QUIET)
    history = fit.history["objective"]
    assert len(history) > 2
    assert np.diff(history).min() >= -1e-9
    assert fit.status is Status.CONVERGED
    z, q = fit.predict(), fit.params
    wanted = sum(
        np.log(q["weights"][c]) * (z == c).sum()
        + stats.multivariate_normal.logpdf(Y[z == c], q["means"][c], q["covariances"][c]).sum()
        for c in range(k)
    )
    assert history[-1] == pytest.approx(wanted, rel=1e-12)
    for c in range(k):  # a fixed point: each component is the maximum likelihood fit of its own rows
        np.testing.assert_allclose(q["means"][c], Y[z == c].mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(q["covariances"][c], np.cov(Y[z == c], rowvar=False, bias=True), rtol=1e-8)


def test_acceleration_reaches_the_same_maximum_sooner():
    frame = evb.datasets.load("death_notices")
    spec, start = evb.Mixture(e.Poisson(), 2), {"weights": [0.3, 0.7], "rates": [1.0, 2.5]}
    common = {"weights": frame["days"], "init": start, **QUIET}
    fits = {
        a: spec.fit(frame["deaths_per_day"], "em", accelerate=a, max_iter=20_000, **common)
        for a in (None, "auto", "squarem", "anderson")
    }
    for name in ("auto", "squarem", "anderson"):
        assert fits[name].converged
        assert fits[name].log_likelihood >= fits[None].log_likelihood - 1e-9
        assert fits[name].n_iter < fits[None].n_iter / 10
        assert np.diff(fits[name].history["objective"]).min() >= -1e-9
        np.testing.assert_allclose(fits[name].params["rates"], fits[None].params["rates"], rtol=1e-3)


def test_out_of_iterations_is_said():
    fit = SPEC.fit(Y, "em", init=START, max_iter=2, **QUIET)
    assert fit.status is Status.MAX_ITER
    assert not fit.converged
    assert fit.n_iter == 2
    assert "fit.resume(max_iter=4)" in fit.notes[-1]
    assert fit.resume(max_iter=1000, progressbar=False).converged
    plain = SPEC.fit(Y, "em", init=START, max_iter=2, accelerate=None, **QUIET)
    assert "accelerate='auto'" in plain.notes[-1]
    assert "fit.resume(max_iter=4)" in SPEC.fit(Y, "vi", init=START, max_iter=2, **QUIET).notes[-1]


def test_more_starts_are_no_worse():
    spec = evb.GaussianMixture(4)
    single = [spec.fit(Y, "em", n_init=1, progressbar=False, seed=s).log_likelihood for s in range(5)]
    assert spec.fit(Y, "em", **QUIET).log_likelihood >= max(single) - 0.5


def test_the_same_seed_gives_the_same_fit():
    a, b = (evb.GaussianMixture(3).fit(Y, "em", **QUIET) for _ in range(2))
    for name, value in a.params.items():
        np.testing.assert_array_equal(value, b.params[name])
    c = evb.GaussianMixture(3).fit(Y, "em", seed=np.random.default_rng(1), progressbar=False)
    np.testing.assert_array_equal(a.params["means"], c.params["means"])


# --- law 8: units and labels ----------------------------------------------------------------------------------------

ROTATION = np.array([[0.6, -0.8], [0.8, 0.6]])
MAPS = {
    "full": np.array([[2.0, 0.3], [-1.0, 0.05]]),
    "tied": np.array([[2.0, 0.3], [-1.0, 0.05]]),
    "diag": np.diag([3.0, 0.02]),
    "spherical": 2.5 * ROTATION,
}


@pytest.mark.parametrize("covariance", MAPS)
@pytest.mark.parametrize(("method", "options"), [("em", {}), ("em", {"objective": "map"}), ("vi", {})])
def test_units_map_the_fit(covariance, method, options):
    """y -> A y + b carries means and covariances along, and each density by |A|; default priors move with the data."""
    a, b = MAPS[covariance], np.array([10.0, -300.0])
    if covariance in ("tied", "full", "diag"):
        y = Y
    else:
        y = Y / Y.std(axis=0)  # one variance for all features: only meaningful when they are alike
        if (method, options) != ("em", {}):
            a = 2.5 * np.eye(2)
    spec = evb.GaussianMixture(2, covariance)
    first = spec.fit(y, "em", **QUIET).params
    mapped = {
        "weights": first["weights"],
        "means": first["means"] @ a.T + b,
        "covariances": a @ first["covariances"] @ a.T,
    }
    one = spec.fit(y, method, init=first, **options, **QUIET)
    two = spec.fit(y @ a.T + b, method, init=mapped, **options, **QUIET)
    np.testing.assert_allclose(two.params["weights"], one.params["weights"], rtol=1e-5)
    np.testing.assert_allclose(two.params["means"], one.params["means"] @ a.T + b, rtol=1e-5)
    wanted = a @ one.params["covariances"] @ a.T
    np.testing.assert_allclose(two.params["covariances"], wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())
    shift = -len(y) * np.log(abs(np.linalg.det(a)))
    assert two.log_likelihood == pytest.approx(one.log_likelihood + shift, abs=1e-5)
    if method == "vi":
        assert two.elbo == pytest.approx(one.elbo + shift, abs=1e-6)


def test_a_far_origin_costs_no_digits():
    fit = SPEC.fit(Y, "em", init=START, **QUIET)
    far = SPEC.fit(Y + 1e8, "em", init={**START, "means": np.array(START["means"]) + 1e8}, **QUIET)
    assert far.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-4)
    np.testing.assert_allclose(far.params["covariances"], fit.params["covariances"], rtol=1e-5)


@pytest.mark.parametrize("method", ["em", "vi"])
def test_permuted_starts_give_permuted_fits(method):
    turned = {name: np.array(value)[[1, 0]] for name, value in START.items()}
    one, two = SPEC.fit(Y, method, init=START, **QUIET), SPEC.fit(Y, method, init=turned, **QUIET)
    for name, value in one.params.items():
        np.testing.assert_allclose(two.params[name], value[[1, 0]], rtol=1e-6)


# --- weights, labels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"objective": "map"}, {"algorithm": "hard"}], ids=str)
def test_weights_are_repeated_rows(options):
    count = np.random.default_rng(5).integers(0, 4, len(Y))
    prior = {"emission": p.NormalInverseWishart([3.0, 70.0], 0.1, 4.0, np.diag([1.0, 100.0]))}
    spec = evb.GaussianMixture(2, priors=prior)
    weighted = spec.fit(Y, "em", weights=count, init=START, **options, **QUIET)
    repeated = spec.fit(np.repeat(Y, count, axis=0), "em", init=START, **options, **QUIET)
    for name, value in repeated.params.items():
        np.testing.assert_allclose(weighted.params[name], value, rtol=1e-6)
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-12)
    assert weighted.bic == pytest.approx(repeated.bic, rel=1e-12)
    np.testing.assert_allclose(weighted.std_errors()["means"], repeated.std_errors()["means"], rtol=1e-4)


def test_all_labels_known_is_the_generative_classifier():
    z = (Y[:, 0] > 3.0).astype(int)
    fit = SPEC.fit(Y, "em", labels=z, **QUIET)
    assert fit.converged
    for k in range(2):
        np.testing.assert_allclose(fit.params["weights"][k], np.mean(z == k), rtol=1e-10)
        np.testing.assert_allclose(fit.params["means"][k], Y[z == k].mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(fit.params["covariances"][k], np.cov(Y[z == k], rowvar=False, bias=True), rtol=1e-9)
    wanted = sum(
        np.log(fit.params["weights"][k]) * (z == k).sum()
        + stats.multivariate_normal.logpdf(Y[z == k], fit.params["means"][k], fit.params["covariances"][k]).sum()
        for k in range(2)
    )
    assert fit.log_likelihood == pytest.approx(wanted, rel=1e-12)
    new = SPEC.at(Y, fit.params)  # the fitted rows keep their labels; new rows have none
    np.testing.assert_allclose(fit.predict_proba(Y), new.predict_proba(), rtol=1e-10)


def test_some_labels_name_the_components():
    z = np.where(np.arange(len(Y)) < 20, (Y[:, 0] < 3.0).astype(int), -1)
    for seed in range(4):
        fit = SPEC.fit(Y, "em", labels=z, progressbar=False, seed=seed)
        assert fit.params["means"][0, 0] > 4.0 > 2.5 > fit.params["means"][1, 0]
        np.testing.assert_array_equal(fit.predict()[:20], z[:20])
        np.testing.assert_array_equal(fit.predict_proba()[np.arange(20), z[:20]], 1.0)


def test_ordered_means_increase():
    for seed in range(5):
        fit = evb.Mixture(e.Normal(), 3, ordered="means").fit(Y[:, 1], "em", max_iter=100, progressbar=False, seed=seed)
        assert (np.diff(fit.params["means"]) > 0).all()


def test_a_weight_of_zero_is_on_the_boundary():
    """One component is left: its rate has the error of a gamma's mode, the other's that of its prior's."""
    spec = evb.Mixture(e.Poisson(), 2, priors={"weights": p.Dirichlet(0.2), "rates": p.Gamma(2.0, 0.5)})
    fit = spec.fit(np.random.default_rng(0).poisson(4.0, 60).astype(float), "em", objective="map", **QUIET)
    assert fit.params["weights"].min() == 0.0
    assert any("boundary" in note and "weights" in note for note in fit.notes)
    rows = np.where(fit.params["weights"] > 0.5, 60, 0)
    errors = fit.std_errors()
    np.testing.assert_array_equal(errors["weights"], 0.0)
    np.testing.assert_allclose(errors["rates"], np.sqrt(fit.params["rates"] / (0.5 + rows)), rtol=1e-6)


# --- one y, many containers -----------------------------------------------------------------------------------------

CONTAINERS = {
    "list": Y.tolist(),
    "pandas": FAITHFUL,
    "polars": pl.from_pandas(FAITHFUL),
    "xarray": xr.DataArray(Y, dims=("row", "feature")),
    "fortran": np.asfortranarray(Y),
    "view": np.repeat(Y, 2, axis=0)[::2],
    "nullable": FAITHFUL.convert_dtypes(),
    "masked": np.ma.masked_array(Y, mask=np.zeros(Y.shape, dtype=bool)),
}


@pytest.mark.parametrize("method", ["em", "vi", "gibbs", "nuts", "laplace"])
def test_containers_make_no_difference(method):
    options = {"draws": 20, "tune": 20, "chains": 2} if method in ("gibbs", "nuts") else {}
    wanted = SPEC.fit(Y, method, init=START, **options, **QUIET)
    for kind, y in CONTAINERS.items():
        fit = SPEC.fit(y, method, init=START, **options, **QUIET)
        for name, value in wanted.params.items():
            np.testing.assert_array_equal(fit.params[name], value, err_msg=kind)
        np.testing.assert_array_equal(fit.predict_proba(y), wanted.predict_proba(Y), err_msg=kind)


def test_missing_values_of_every_container():
    y = Y.copy()
    y[3, 1] = y[7, 0] = np.nan
    frame = pd.DataFrame(y, columns=["a", "b"])
    kinds = [
        y,
        frame,
        frame.convert_dtypes(),
        pl.from_pandas(frame),
        xr.DataArray(y),
        [[None if np.isnan(v) else v for v in row] for row in y],
        np.ma.masked_invalid(y),
    ]
    fits = [SPEC.fit(kind, "em", init=START, **QUIET).log_likelihood for kind in kinds]
    assert fits == [fits[0]] * len(kinds)


def test_columns_of_a_product_of_every_container():
    frame = FAITHFUL.assign(count=np.round(FAITHFUL["waiting"] / 10))
    spec = evb.Mixture(e.Product(eruptions=e.Normal(), count=e.Poisson()), 2)
    kinds = [
        frame,
        pl.from_pandas(frame),
        {name: frame[name].to_list() for name in frame},
        xr.Dataset.from_dataframe(frame),
    ]
    fits = [spec.fit(kind, "em", **QUIET).log_likelihood for kind in kinds]
    assert fits == [fits[0]] * len(kinds)


@pytest.mark.parametrize(("tie", "rounding"), [(0.0, False), (1e14, True)])
def test_a_fall_within_the_last_bits_of_parameters_is_rounding(tie, rounding):
    """Four features that one far row ties together, and the same four without it: half a millionth of a nat is lost."""
    y = 1e4 + 500.0 * np.random.default_rng(0).normal(size=(60, 4))
    program = compile(evb.GaussianMixture(1, "full"), y)
    params = {"weights": [1.0], "means": y.mean(axis=0)[None], "covariances": (np.cov(y.T) + tie)[None]}
    em, theta = EM(), program.theta_of(params)
    height, stats = program.expect(program.potentials(theta))
    state = State(theta, stats, Climb(height, gain=-5e-7, previous_gain=1e-6, iteration=30))
    assert state.climb.verdict(em.tol, em.max_iter) is Status.OBJECTIVE_FELL
    verdict = em._blurred(program, state).verdict(em.tol, em.max_iter)
    assert (verdict is Status.CONVERGED) == rounding
