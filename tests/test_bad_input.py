"""What does not fit is refused by name; what collapses or is interrupted says so."""

# ruff: noqa: E501 - in a table of cases, one case is one line

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.methods import METHODS

RNG = np.random.default_rng(0)
Y = np.vstack([RNG.normal(0, 1, (20, 2)), RNG.normal(5, 1, (20, 2))])
X = Y[:, 0]
COUNTS = RNG.poisson(3, 40).astype(float)
NORMAL, GAUSS = evb.Mixture(e.Normal(), 2), evb.GaussianMixture(2)
START = {"weights": [0.5, 0.5], "means": Y[[0, -1]], "covariances": [np.eye(2)] * 2}
QUIET = {"progressbar": False, "seed": 1}
SAMPLERS = ("gibbs", "nuts", "laplace")


def put(value, *where):
    y = Y.copy()
    y[where] = value
    return y


def refused(match, spec, y, method="em", error=ValueError, **options):
    with pytest.raises(error, match=match):
        spec.fit(y, method, **{**QUIET, **options})


# --- data -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        (np.zeros((3, 2, 2)), ValueError, r"y must be \(n,\) or \(n, d\); got .*\(3, 2, 2\)"),
        (3.0, ValueError, r"y must be"),
        (None, ValueError, r"y must be"),
        (np.zeros((0, 2)), ValueError, r"y is empty: shape \(0, 2\)"),
        (np.zeros((4, 0)), ValueError, r"y is empty: shape \(4, 0\)"),
        ([[1, 2], [3]], TypeError, "y must hold numbers"),
        (put(np.inf, 3, 1), ValueError, r"y has infinite values in column\(s\) \[1\]"),
        (put(-np.inf, 3, 0), ValueError, r"y has infinite values in column\(s\) \[0\]"),
        (np.column_stack([X, np.ones(40)]), ValueError, r"y is constant in column\(s\) \[1\]"),
        (np.column_stack([X, np.full(40, 1e9 + 0.1)]), ValueError, r"y is constant in column\(s\) \[1\]"),
        (put(np.nan, 4), ValueError, r"y has 1 row\(s\) with no observed value \(first: row 4\)"),
        (put(np.nan, slice(None), 1), ValueError, r"y has no observed value in column\(s\) \[1\]"),
        (pd.DataFrame({"a": X, "b": ["u"] * 40}), TypeError, "y must hold numbers; got a pandas DataFrame whose column 'b' holds text .'u'."),
        (pd.DataFrame({"a": X, "b": ["1"] * 40}), TypeError, "y must hold numbers"),
        (np.array([["1", "2"], ["3", "4"], ["5", "7"]]), TypeError, "y must hold numbers"),
        (np.array([["1", "2"], ["3", "4"], ["5", "7"]], dtype=object), TypeError, "y must hold numbers.*'1'"),
        (Y + 1j, TypeError, "y must hold numbers.*complex"),
        (pd.Series(pd.date_range("2020", periods=40)), TypeError, "y must hold numbers; got dates"),
        (np.array([[0, 0], [0, 0], [0, 1.0]])[[0, 1, 1]], ValueError, "n_components=2 is more than the 1 distinct|constant"),
    ],
    ids=lambda v: re.sub(r"\W+", " ", v)[:30] if isinstance(v, str) else "",
)  # fmt: skip
def test_data(y, error, match):
    for method in ("em", "gibbs"):
        refused(match, GAUSS, y, method, error=error)


def test_more_components_than_distinct_rows():
    y = np.array([[0.0, 0.0], [1.0, 1.0]] * 5)
    for method in METHODS:
        refused("n_components=3 is more than the 2 distinct", evb.GaussianMixture(3), y, method)


@pytest.mark.parametrize(
    ("emission", "y", "match"),
    [
        (e.Normal(), Y, "y must have one column for Normal; got 2"),
        (e.Poisson(), X, "y must hold counts"),
        (e.Poisson(), [0.5, 1, 2], r"y must hold counts .*got 0\.5"),
        (e.Exponential(), X, "y must be non-negative for Exponential"),
        (e.Bernoulli(), [0, 1, 2.0], "y must be 0 or 1 for Bernoulli; got 2"),
        (e.Categorical(2), [0, 1, 2.0], r"y must hold category codes 0, \.\.\., 1 .*got 2"),
        (e.Categorical(2), [0, 1, 0.5], "y must hold category codes"),
        (e.Product(u=e.Normal(), v=e.Normal()), {"u": X}, r"it lacks \['v'\]"),
        (e.Product(u=e.Normal(), v=e.Normal()), {"u": X, "v": X[:5]}, "streams of y must have one length"),
        (e.Product(u=e.Normal(), v=e.Normal()), Y, "y must be a frame or dict"),
        (e.Product(u=e.Normal(), v=e.Poisson()), {"u": X, "v": X}, "v_y must hold counts"),
    ],
)
def test_data_of_an_emission(emission, y, match):
    refused(match, evb.Mixture(emission, 2), y)


# --- what goes with the data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"weights": np.r_[-1, np.ones(39)]}, ValueError, "weights must be non-negative numbers; got -1"),
        ({"weights": np.r_[np.nan, np.ones(39)]}, ValueError, "weights must be non-negative numbers; got nan"),
        ({"weights": np.ones(3)}, ValueError, r"weights has 3 value\(s\); y has 40"),
        ({"weights": np.zeros(40)}, ValueError, "weights are all zero"),
        ({"weights": np.ones((40, 2))}, ValueError, "weights must have one column"),
        ({"weights": ["a"] * 40}, TypeError, "weights must hold numbers"),
        ({"labels": np.full(40, 2)}, ValueError, r"labels must be -1 \(unknown\) or 0, \.\.\., 1; got 2"),
        ({"labels": np.full(40, -2)}, ValueError, "labels must be -1 .*got -2"),
        ({"labels": np.full(40, 0.5)}, ValueError, r"labels must be -1 .*got 0\.5"),
        ({"labels": np.full(40, np.nan)}, ValueError, "labels must be -1 .*got nan"),
        ({"labels": [0, 1]}, ValueError, r"labels has 2 value\(s\); y has 40"),
        ({"labels": ["a"] * 40}, TypeError, "labels must hold numbers"),
        ({"exog": Y}, ValueError, "exog does not apply to GaussianMixture"),
        ({"lengths": [40]}, ValueError, "lengths does not apply to GaussianMixture"),
        ({"init": "kmean"}, ValueError, "init='kmean' is unknown"),
        ({"init": 3}, TypeError, "init must be a Fit, a dict"),
        ({"init": {"weights": [0.5, 0.6]}}, ValueError, r"params\['weights'\] must hold probabilities.* sum of 1\.1"),
        ({"init": {**START, "sigmas": 1}}, ValueError, r"unknown \['sigmas'\]"),
        (
            {"init": {**START, "means": Y[:3]}},
            ValueError,
            r"params\['means'\] has shape \(3, 2\); the model wants \(2, 2\)",
        ),
        ({"init": {**START, "means": Y[:2] * np.nan}}, ValueError, r"params\['means'\] must be finite"),
        ({"init": {**START, "covariances": np.eye(2)}}, ValueError, r"params\['covariances'\] has shape \(2, 2\)"),
        ({"init": {**START, "means": np.zeros((2, 3))}}, ValueError, r"params\['means'\] has shape \(2, 3\)"),
        (
            {"init": {**START, "covariances": [[[1, 0.9], [0, 1]]] * 2}},
            ValueError,
            r"params\['covariances'\] must be symmetric",
        ),
        (
            {"init": {**START, "covariances": [-np.eye(2)] * 2}},
            ValueError,
            r"params\['covariances'\] must be positive def",
        ),
    ],
)
def test_arguments(arguments, error, match):
    for method in ("em", "vi", "gibbs", "nuts", "laplace"):
        refused(match, GAUSS, Y, method, error=error, **arguments)


def test_init_from_another_model():
    refused("init is a fit of GaussianMixture", GAUSS, Y, init=evb.GaussianMixture(3).fit(Y, **QUIET))
    refused(r"params\['means'\] has shape \(2, 1\)", GAUSS, Y, init=GAUSS.fit(X, **QUIET))


def test_weights_that_are_not_whole_under_gibbs():
    refused(r"weights must be whole numbers for method='gibbs'.*1\.5", GAUSS, Y, "gibbs", weights=np.full(40, 1.5))


def test_labels_and_order_exclude_each_other():
    refused(
        "labels and ordered exclude each other", evb.Mixture(e.Normal(), 2, ordered="means"), X, labels=np.zeros(40)
    )


# --- method and options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "error", "match"),
    [
        ("mcmc", {}, ValueError, "method='mcmc' is unknown; wants 'em', 'vi'"),
        (None, {}, ValueError, "method=None is unknown"),
        ("em", {"maxiter": 3}, TypeError, "maxiter=3 is not an option of method='em'.*Did you mean 'max_iter'"),
        ("vi", {"objective": "map"}, TypeError, "objective='map' is not an option of method='vi'"),
        ("gibbs", {"n_init": 3}, TypeError, "n_init=3 is not an option of method='gibbs'"),
        ("nuts", {"drawz": 3}, TypeError, "drawz=3 is not an option of method='nuts'.*Did you mean 'draws'"),
        ("em", {"objective": "ml"}, ValueError, "objective must be one of 'mle', 'map'; got 'ml'"),
        ("em", {"algorithm": "cem"}, ValueError, "algorithm must be one of"),
        ("em", {"accelerate": "fast"}, ValueError, "accelerate must be one of"),
        ("em", {"max_iter": 0}, ValueError, "max_iter must be an integer of at least 1; got 0"),
        ("em", {"n_init": 0}, ValueError, "n_init must be"),
        ("em", {"tol": -1}, ValueError, "tol must be a non-negative number of nats; got -1"),
        ("em", {"tol": np.nan}, ValueError, "tol must be"),
        ("vi", {"tol": "5"}, ValueError, "tol must be"),
        ("em", {"covariance_floor": -1}, ValueError, "covariance_floor must lie in"),
        ("vi", {"draws": 0}, ValueError, "draws must be"),
        ("gibbs", {"draws": 0}, ValueError, "draws must be"),
        ("gibbs", {"thin": 0}, ValueError, "thin must be"),
        ("gibbs", {"tune": -1}, ValueError, "tune must be"),
        ("nuts", {"chains": 1.5}, ValueError, "chains must be"),
        ("nuts", {"target_accept": 1}, ValueError, "target_accept must lie in"),
        ("nuts", {"sampler": "stan"}, ValueError, "sampler must be one of 'direct', 'pymc'"),
        ("nuts", {"options": {"a": 1}}, ValueError, "options=.* wants sampler='pymc'"),
        ("laplace", {"draws": 0}, ValueError, "draws must be"),
    ],
)
def test_options(method, options, error, match):
    refused(match, GAUSS, Y, method, error=error, **options)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: evb.GaussianMixture(0), ValueError, "n_components must be a positive integer; got 0"),
        (lambda: evb.GaussianMixture(2.0), ValueError, "n_components must be"),
        (lambda: evb.GaussianMixture(True), ValueError, "n_components must be"),
        (lambda: evb.GaussianMixture(2, covariance="round"), ValueError, "covariance must be one of .*got 'round'"),
        (lambda: evb.Mixture("normal", 2), TypeError, "emission must be one of evb.emissions"),
        (lambda: evb.GaussianMixture(2, ordered="means"), ValueError, "ordered names 'means'"),
        (lambda: evb.Mixture(e.Normal(), 2, ordered="mu"), ValueError, "ordered names 'mu'"),
        (lambda: evb.GaussianMixture(2, priors={"sigma": p.Gamma(1, 1)}), ValueError, r"priors names \['sigma'\]"),
        (lambda: evb.GaussianMixture(2, priors={"weights": 3}), TypeError, r"priors\['weights'\] must be"),
        (lambda: evb.GaussianMixture(2, priors=[1]), TypeError, "priors must be a dict"),
        (lambda: evb.GaussianMixture(2, fixed={"mean": 0}), ValueError, r"fixed names \['mean'\]"),
        (lambda: e.Categorical(0), ValueError, "n_categories must be"),
        (lambda: e.Product(u=3), TypeError, r"Product\(u=\.\.\.\) must be an emission"),
        (lambda: p.NormalInverseWishart(np.zeros(2), 0.1, 0.5, np.eye(2)), ValueError, "df: got 0.5"),
        (lambda: evb.GaussianMixture.from_json('{"spec": "X"}'), ValueError, "spec='X' is unknown"),
        (lambda: evb.GaussianMixture.from_json(NORMAL.to_json()), ValueError, "describes a Mixture"),
        (lambda: GAUSS.fit(Y, **QUIET).predict(X), ValueError, r"y has 1 column\(s\); the model was fitted to 2"),
        (lambda: GAUSS.fit(Y, **QUIET).std_errors("robust"), ValueError, "kind must be one of .*got 'robust'"),
        (lambda: GAUSS.fit(Y, **QUIET).vcov("posterior"), ValueError, "kind='posterior' needs draws"),
        (lambda: GAUSS.fit(Y, **QUIET).confint(level=95), ValueError, r"level must lie in \(0, 1\).*got 95"),
        (lambda: GAUSS.fit(Y, **QUIET).elbo, ValueError, "elbo belongs to method='vi'"),
        (
            lambda: GAUSS.log_prior(START),
            ValueError,
            r"log_prior needs y: the default prior of \['means', 'covariances'\]",
        ),
    ],
)
def test_specs_and_fits(make, error, match):
    with pytest.raises(error, match=match):
        make()


# --- priors and fixed values ----------------------------------------------------------------------------------------

NIW = p.NormalInverseWishart


@pytest.mark.parametrize(
    ("spec", "error", "match"),
    [
        (evb.GaussianMixture(2, priors={"emission": NIW(np.zeros(3), 0.1, 5, np.eye(3))}), ValueError, r"priors\['emission'\].*\(3,\)"),
        (evb.GaussianMixture(2, priors={"emission": p.NormalInverseGamma(0, 1, 2, 1)}), TypeError, r"priors\['emission'\] must be NormalInverseWishart"),
        (evb.GaussianMixture(2, "diag", priors={"emission": NIW(np.zeros(2), 0.1, 5, np.eye(2))}), TypeError, r"priors\['emission'\] must be NormalInverseGamma"),
        (evb.GaussianMixture(2, priors={"weights": p.Gamma(1, 1)}), TypeError, r"priors\['weights'\] must be Dirichlet"),
        (evb.GaussianMixture(2, priors={"weights": evb.Prior("Uniform", lower=0.0, upper=1.0)}), TypeError, r"priors\['weights'\] must be Dirichlet"),
        (evb.GaussianMixture(3, priors={"weights": p.Beta(1, 1)}), TypeError, r"priors\['weights'\]: Beta is for two"),
        (evb.GaussianMixture(2, priors={"weights": p.Dirichlet([1, 1, 1])}), ValueError, r"priors\['weights'\].*\(3,\)"),
        (evb.GaussianMixture(2, priors={"covariances": evb.Prior("HalfNormal", sigma=1.0)}), TypeError, r"priors\['covariances'\] must be InverseWishart"),
        (evb.GaussianMixture(2, fixed={"means": np.zeros((3, 2))}), ValueError, r"fixed\['means'\] has shape \(3, 2\)"),
        (evb.GaussianMixture(2, fixed={"weights": [0.5, 0.6]}), ValueError, r"fixed\['weights'\].* sums to 1\.1"),
        (evb.GaussianMixture(2, fixed={"weights": [-0.5, 1.5]}), ValueError, r"fixed\['weights'\] must hold probabilities"),
        (evb.GaussianMixture(3, fixed={"weights": [0.5, 0.5, np.nan]}), ValueError, r"fixed\['weights'\].*leave nothing"),
        (evb.GaussianMixture(2, fixed={"covariances": [-np.eye(2)] * 2}), ValueError, r"fixed\['covariances'\]\[0\] must be symmetric positive"),
        (evb.GaussianMixture(2, fixed={"covariances": [[[1, np.nan], [0, 1]]] * 2}), ValueError, r"fixed\['covariances'\].*whole or not"),
        (evb.GaussianMixture(2, "tied", fixed={"covariances": [np.eye(2), np.full((2, 2), np.nan)]}), ValueError, r"fixed\['covariances'\]: a tied"),
        (evb.GaussianMixture(2, "diag", fixed={"covariances": [[[1, 0.5], [0.5, 1]]] * 2}), ValueError, r"fixed\['covariances'\] must be diagonal"),
        (evb.GaussianMixture(2, "spherical", fixed={"covariances": [np.diag([1.0, 2.0])] * 2}), ValueError, r"fixed\['covariances'\] must be a multiple"),
    ],
)  # fmt: skip
def test_priors_and_fixed_values(spec, error, match):
    for method in ("em", "gibbs", "nuts"):
        refused(match, spec, Y, method, error=error)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"priors": {"means": p.Normal([0, 1, 2], 1)}}, ValueError, r"priors\['means'\].*\(3,\)"),
        ({"priors": {"means": p.Normal(0, 1), "emission": p.NormalInverseGamma(0, 1, 2, 1)}}, ValueError, "give one or the other"),
        ({"priors": {"sigmas": evb.Prior("Normal", mu=0.0, sigma=1.0)}}, ValueError, r"priors\['sigmas'\].*outside the parameter's support"),
        ({"priors": {"sigmas": evb.Prior("HalfNormal", sigma=[1.0, 2.0, 3.0])}}, ValueError, r"HalfNormal.*\(2,\)"),
        ({"fixed": {"sigmas": [-1.0, 1.0]}}, ValueError, r"fixed\['sigmas'\] must lie in"),
        ({"fixed": {"sigmas": [0.0, 1.0]}}, ValueError, r"fixed\['sigmas'\] must lie in"),
        ({"ordered": "means", "fixed": {"means": [0.0, np.nan]}}, ValueError, r"ordered='means' and fixed\['means'\] exclude"),
    ],
)  # fmt: skip
def test_priors_and_fixed_values_of_one_dimension(arguments, error, match):
    for method in ("em", "gibbs", "nuts"):
        refused(match, evb.Mixture(e.Normal(), 2, **arguments), X, method, error=error)


def test_cavi_wants_conjugate_priors():
    spec = evb.Mixture(e.Normal(), 2, priors={"sigmas": evb.Prior("HalfNormal", sigma=1.0)})
    refused(r"method='vi' \(CAVI\) needs conjugate priors.*HalfNormal.*'sigmas'.*'gibbs' or 'nuts'", spec, X, "vi")
    uneven = {"means": p.Normal([-1.0, 1.0], 1.0)}
    refused("not conjugate|truncates", evb.Mixture(e.Normal(), 2, priors=uneven, ordered="means"), X, "vi")


@pytest.mark.parametrize("method", SAMPLERS)
def test_a_prior_that_only_pymc_knows(method):
    spec = evb.Mixture(e.Normal(), 2, priors={"sigmas": evb.Prior("Weibull", alpha=1.0, beta=2.0)})
    refused(r"cannot evaluate sigmas ~ Prior\('Weibull'.*sampler='pymc'", spec, X, method)
    refused("objective='map' cannot evaluate sigmas", spec, X, objective="map")
    assert spec.fit(X, "em", **QUIET).converged  # the likelihood does not need it


@pytest.mark.parametrize("method", ["nuts", "laplace"])
def test_nothing_left_free(method):
    refused(
        "fixed leaves no parameter free", evb.Mixture(e.Normal(), 1, fixed={"means": [0.0], "sigmas": [1.0]}), X, method
    )


# --- collapse -------------------------------------------------------------------------------------------------------

TIGHT = np.vstack([np.random.default_rng(0).normal(0, 1, (40, 2)), [[3.0, 3.0], [3.0, 3.0]]])
SPIKE = {"weights": [0.95, 0.05], "means": [[0.0, 0.0], [3.0, 3.0]], "covariances": [np.eye(2), 1e-3 * np.eye(2)]}


@pytest.mark.parametrize(
    "options", [{}, {"algorithm": "hard"}, {"accelerate": "squarem"}, {"accelerate": None}], ids=str
)
@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
def test_em_says_that_a_component_collapsed(covariance, options):
    fit = evb.GaussianMixture(2, covariance).fit(TIGHT, "em", init=SPIKE, **options, **QUIET)
    assert fit.status is Status.COLLAPSED
    assert not fit.converged
    assert "collapsed" in str(fit.status)
    assert any("component(s) 1" in note for note in fit.notes)
    assert all(np.isfinite(value).all() for value in fit.params.values())


@pytest.mark.parametrize("spec", [NORMAL, evb.GaussianMixture(2), evb.GaussianMixture(2, "tied")], ids=str)
def test_em_collapses_on_two_points_repeated(spec):
    y = np.repeat([0.0, 1.0], 10) if spec is NORMAL else np.repeat([[0.0, 1.0], [1.0, 5.0]], 10, axis=0)
    assert spec.fit(y, "em", **QUIET).status is Status.COLLAPSED
    assert spec.fit(y, "em", objective="map", **QUIET).status is Status.CONVERGED  # the prior keeps it proper


def test_more_starts_find_the_proper_maximum():
    """Left to itself, EM prefers a start that does not collapse."""
    fit = GAUSS.fit(np.vstack([Y, Y[:1]]), "em", **QUIET)
    assert fit.status is Status.CONVERGED


@pytest.mark.parametrize("method", ["vi", *SAMPLERS])
def test_the_prior_keeps_a_tight_pair_proper(method):
    """No method claims more than it has: either its diagnostics are clean, or it says what they warn of."""
    fit = GAUSS.fit(TIGHT, method, init=SPIKE, **QUIET)
    assert fit.status in (Status.CONVERGED, Status.SAMPLED, Status.APPROXIMATED, Status.SUSPECT)
    assert fit.status is not Status.SUSPECT or fit.notes
    assert np.linalg.eigvalsh(fit.params["covariances"]).min() > 1e-3
    assert np.isfinite(fit.log_likelihood)


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("em", {"max_iter": 10**6, "tol": 0.0, "accelerate": None}),
        ("vi", {"max_iter": 10**6, "tol": 0.0}),
        ("gibbs", {"draws": 10**7, "tune": 0}),
        ("nuts", {"draws": 10**7, "tune": 50, "chains": 2}),
    ],
)
def test_ctrl_c_leaves_what_had_been_done(method, options, monkeypatch, tmp_path):
    kind, steps = METHODS[method], []
    plain = kind.step

    def interrupted(self, program, state, **rest):
        if len(steps) == 5:
            raise KeyboardInterrupt
        steps.append(1)
        return plain(self, program, state, **rest)

    monkeypatch.setattr(kind, "step", interrupted)
    blob = np.random.default_rng(3).normal(size=(200, 2))  # two components in one cloud: a long climb
    fit = GAUSS.fit(blob, method, init={**START, "means": [[-1.0, 0.0], [1.0, 0.0]]}, **options, **QUIET)
    monkeypatch.undo()
    assert fit.status is Status.INTERRUPTED
    assert not fit.converged
    assert all(np.isfinite(value).all() for value in fit.params.values())
    assert np.isfinite(fit.log_likelihood)
    if method in ("gibbs", "nuts"):
        assert fit.draws.shape[1] > 0 and np.isfinite(fit.draws).all()
        assert fit.draws.shape[1] < options["draws"]
    assert fit.idata.posterior.attrs["status"] == "INTERRUPTED"
    fit.save(tmp_path / "fit")
    assert evb.load(tmp_path / "fit").status is Status.INTERRUPTED


@pytest.mark.parametrize("when", ["the first start", "the screening"])
@pytest.mark.parametrize("method", ["em", "vi", "gibbs", "nuts", "laplace"])
def test_ctrl_c_while_starts_are_compared(method, when, monkeypatch):
    """Gibbs starts after a little EM; NUTS and Laplace look for the mode by EM first."""
    if when == "the first start":
        monkeypatch.setattr(
            "em_vs_bayes.common.partitions.partition", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
    else:
        kind, steps = METHODS["vi" if method == "vi" else "em"], []
        plain = kind.step

        def interrupted(self, program, state, **rest):
            steps.append(1)
            if len(steps) == 7:
                raise KeyboardInterrupt
            return plain(self, program, state, **rest)

        monkeypatch.setattr(kind, "step", interrupted)
    fit = GAUSS.fit(Y, method, **QUIET)
    assert fit.status is Status.INTERRUPTED
    assert not fit.converged
    assert all(np.isfinite(value).all() for value in fit.params.values())
    if method in ("em", "vi") and when == "the screening":
        assert len(fit.history["objective"]) > 0
    else:
        assert any("not estimates" in note for note in fit.notes)
