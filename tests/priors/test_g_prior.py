"""Zellner's g-prior against its closed forms."""

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes import priors

RNG = np.random.default_rng(8)
X = np.column_stack([np.ones(40), RNG.normal(size=(40, 2))])
Y = X @ [1.0, 2.0, -1.0] + RNG.normal(size=40)


def _fit(prior, y=Y, **options):
    spec = evb.CensoredRegression(priors={"regression": prior})
    return spec.fit(np.column_stack([y, y]), exog=X, progressbar=False, **options)


def test_exact_responses_shrink_least_squares_by_g():
    """The posterior mean is g / (1 + g) times least squares (Zellner 1986)."""
    g = 7.0
    fit = _fit(priors.GPrior(g), method="vi")
    ols = np.linalg.lstsq(X, Y, rcond=None)[0]
    np.testing.assert_allclose(fit.params["coefficients"], g / (1.0 + g) * ols, rtol=1e-10)


def test_the_prior_of_the_model_is_the_normal_inverse_gamma_it_stands_for():
    ols = np.linalg.lstsq(X, Y, rcond=None)[0]
    variance = ((Y - X @ ols) ** 2).mean()
    same = priors.NormalInverseGamma(mean=[0.5, 0.0, 0.0], kappa=X.T @ X / 40.0, shape=2.0, rate=variance)
    params = {"coefficients": np.array([1.0, 1.5, -0.5]), "sigma": np.array(1.3)}
    pair = np.column_stack([Y, Y])
    g, nig = (
        evb.CensoredRegression(priors={"regression": p}).log_prior(params, pair, exog=X)
        for p in (priors.GPrior(40.0, mean=[0.5, 0.0, 0.0]), same)
    )
    assert g == pytest.approx(nig, rel=1e-12)


def test_it_survives_json_and_shows_its_numbers():
    prior = priors.GPrior(10.0, rate=2.0)
    assert priors.from_dict(prior.to_dict()) == prior
    spec = evb.Tobit(priors={"regression": priors.GPrior(30.0)})
    assert evb.Tobit.from_json(spec.to_json()) == spec
    assert "GPrior(g=30.0" in repr(spec)


@pytest.mark.parametrize("arguments", [{"g": 0.0}, {"g": -1.0}, {"g": 1.0, "shape": 0.0}, {"g": [1.0, 2.0]}])
def test_bad_numbers_are_named(arguments):
    with pytest.raises(ValueError, match=r"g|shape"):
        priors.GPrior(**arguments)


def test_it_is_for_regressions():
    with pytest.raises(TypeError, match="NormalInverseGamma"):
        evb.Mixture(evb.emissions.Normal(), 2, priors={"emission": priors.GPrior(3.0)}).fit(Y, "vi", progressbar=False)
