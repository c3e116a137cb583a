"""What a user finds in the model of a spec: names, dims, starting values, predictions, words."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest

import em_vs_bayes as evb
from em_vs_bayes import priors
from em_vs_bayes.model.emissions import Normal, Poisson, Product

from .conftest import PYTHON

KWARGS = {"compile_kwargs": {"mode": PYTHON}}
RNG = np.random.default_rng(31)
N = 60
Z = np.arange(N) % 2
FRAME = pd.DataFrame(RNG.normal(size=(N, 2)) + 4.0 * Z[:, None], columns=["wait", "last"])
PARAMS = {
    "weights": np.array([0.3, 0.7]),
    "means": np.array([[0.0, 0.5], [4.0, 4.5]]),
    "covariances": np.array([np.eye(2), 2.0 * np.eye(2)]),
}


def free(model):
    return {rv.name for rv in model.free_RVs}


def test_names_dims_and_coords():
    model = evb.GaussianMixture(2).to_pymc(FRAME)
    assert free(model) == {"weights", "means", "covariances"}
    assert model.named_vars_to_dims["covariances"] == ("component", "feature", "feature_to")
    assert list(model.coords["feature"]) == ["wait", "last"]
    assert list(model.coords["component"]) == [0, 1]
    assert model.named_vars_to_dims["y"] == ("obs", "column")


@pytest.mark.parametrize(
    ("covariance", "names"),
    [("tied", {"covariance"}), ("diag", {"variances"}), ("spherical", {"variances"})],
)
def test_what_stands_behind_structured_covariances(covariance, names):
    model = evb.GaussianMixture(2, covariance).to_pymc(FRAME)
    assert free(model) == {"weights", "means"} | names
    assert model["covariances"] in model.deterministics


def test_fixed_elements_leave_free_pieces_and_the_public_name():
    nan = np.nan
    spec = evb.Mixture(
        Product(u=Normal(), v=Poisson()),
        2,
        fixed={"u_sigmas": [1.0, nan], "v_rates": [2.0, 5.0], "weights": [0.5, 0.5]},
    )
    model = spec.to_pymc({"u": FRAME["wait"], "v": np.abs(np.round(FRAME["last"]))})
    assert free(model) == {"u_sigmas_free", "u_means"}
    assert {d.name for d in model.deterministics} == {"weights", "u_sigmas", "v_rates"}


def test_initial_values_are_the_given_parameters():
    start = evb.pymc.initial_values(evb.GaussianMixture(2, "diag"), FRAME, PARAMS)
    assert set(start) == {"weights", "variances", "means"}
    np.testing.assert_array_equal(start["variances"], [[1.0, 1.0], [2.0, 2.0]])
    np.testing.assert_array_equal(start["means"], PARAMS["means"])


def test_starts_on_the_boundary_are_moved_inside():
    spec = evb.Mixture(Normal(), 2)
    params = {"weights": [1.0, 0.0], "means": [0.0, 1.0], "sigmas": [1.0, 1.0]}
    start = evb.pymc.initial_values(spec, FRAME["wait"], params)
    assert 0.0 < start["weights"][1] < 1e-9


def test_tied_initial_values_of_an_ordered_parameter_are_spread():
    model = evb.Mixture(Normal(), 3, ordered="means").to_pymc(FRAME["wait"])
    assert np.isfinite(model.compile_logp(mode=PYTHON)(model.initial_point(0)))


def test_a_model_stands_alone_inside_another():
    with pm.Model() as outer:
        inner = evb.GaussianMixture(2).to_pymc(FRAME)
    assert not outer.free_RVs
    assert inner.free_RVs


def test_predictive_draws_look_like_the_data():
    spec = evb.GaussianMixture(2, priors={"emission": priors.NormalInverseWishart([0.0, 0.0], 1.0, 6.0, 1.0)})
    labels = np.where(np.arange(N) < 30, Z, -1)
    model = spec.to_pymc(FRAME, labels=labels)
    with model:
        drawn = pm.sample_prior_predictive(20, random_seed=1, **KWARGS)
    assert drawn["prior_predictive"]["y"].sizes == {"chain": 1, "draw": 20, "obs": N, "column": 2}
    assert (np.linalg.eigvalsh(drawn["prior"]["covariances"].values)[..., 0] > 0).all()
    # rows of one known component share a mean: within a draw they differ less than components do
    y, means = drawn["prior_predictive"]["y"].values[0], drawn["prior"]["means"].values[0]
    gaps = y[:, :30:2].mean(axis=1) - means[:, 0]
    assert np.abs(gaps).mean() < np.abs(y[:, 1:30:2].mean(axis=1) - means[:, 0]).mean()


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (evb.Prior("Normall", mu=0.0), "PyMC has no continuous distribution 'Normall'"),
        (evb.Prior("SkewNormal", mu=np.zeros(3), sigma=1.0, alpha=1.0), r"wants scalars or arrays for \(2,\)"),
        (evb.Prior("Poisson", mu=1.0), "PyMC has no continuous distribution 'Poisson'"),
        (evb.Prior("SkewNormal", mean=1.0), r"SkewNormal has no argument \['mean'\]"),
        (evb.Prior("SkewNormal", sigma=1.0, tau=1.0), "PyMC refuses it elementwise"),
    ],
)
def test_priors_by_name_that_do_not_fit(prior, words):
    with pytest.raises(ValueError, match=words):
        evb.Mixture(Normal(), 2, priors={"means": prior}).to_pymc(FRAME["wait"])


def test_a_prior_only_pymc_knows():
    prior = evb.Prior("SkewNormal", mu=[0.0, 4.0], sigma=2.0, alpha=1.0)
    model = evb.Mixture(Normal(), 2, priors={"means": prior}).to_pymc(FRAME["wait"])
    point = model.initial_point(0)
    got = model.compile_logp(vars=[model["means"]], jacobian=False, mode=PYTHON)(point)
    value = pm.logp(pm.SkewNormal.dist(mu=[0.0, 4.0], sigma=2.0, alpha=1.0), point["means"]).eval(mode=PYTHON)
    assert got == pytest.approx(value.sum(), rel=1e-13)
