"""A censored normal is a censored regression on an intercept, under the names and with the priors of `Normal`."""

import numpy as np
import pytest
from scipy import optimize, stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(1958)
N = 200
Z = RNG.random(N) < 0.4
LATENT = np.where(Z, RNG.normal(0.5, 1.0, N), RNG.normal(6.0, 1.5, N))
Y = np.clip(LATENT, 0.0, 8.0)
LIMITS = {"lower": 0.0, "upper": 8.0}
ENDS = np.column_stack([np.where(LATENT < 0, -np.inf, np.floor(LATENT)), np.ceil(LATENT)])


@pytest.mark.parametrize(("limits", "y"), [(LIMITS, Y), ({}, ENDS)], ids=["limits", "intervals"])
@pytest.mark.parametrize("method", ["em", "vi"])
def test_it_is_the_regression_on_an_intercept(method, limits, y):
    start = {"weights": [0.5, 0.5], "sigmas": [1.0, 1.0]}
    own = evb.Mixture(e.CensoredNormal(**limits), 2)
    other = evb.Mixture(e.CensoredRegression(None, **limits), 2)
    one = own.fit(y, method, init=start | {"means": [0.0, 5.0]}, **QUIET)
    two = other.fit(y, method, init=start | {"coefficients": [[0.0], [5.0]]}, exog=np.ones((N, 1)), **QUIET)
    assert one.history["objective"][-1] == pytest.approx(two.history["objective"][-1], rel=1e-12)
    np.testing.assert_allclose(one.params["means"], two.params["coefficients"][:, 0], rtol=1e-9)
    np.testing.assert_allclose(one.params["sigmas"], two.params["sigmas"], rtol=1e-9)
    assert one.idata.posterior["means"].dims == ("chain", "draw", "component")


def test_without_a_censored_row_it_is_the_normal():
    """Default and given priors alike."""
    pairs = [
        {},
        {"means": p.Normal([0.0, 5.0], 2.0), "sigmas": p.InverseGamma([2.0, 3.0], 1.0)},
        {"emission": p.NormalInverseGamma([[0.0], [5.0]], 0.5, 3.0, 2.0)},
        {"means": evb.Prior("Normal", mu=[0.0, 5.0], sigma=2.0), "sigmas": evb.Prior("HalfNormal", sigma=[1.0, 2.0])},
    ]
    params = {"weights": [0.4, 0.6], "means": [0.3, 5.5], "sigmas": [1.2, 0.9]}
    for priors in pairs:
        normal, cut = (
            evb.Mixture(emission, 2, priors=priors) for emission in (e.Normal(), e.CensoredNormal(lower=-99.0))
        )
        assert cut.log_likelihood(LATENT, params) == pytest.approx(normal.log_likelihood(LATENT, params), rel=1e-12)
        assert cut.log_prior(params, LATENT) == pytest.approx(normal.log_prior(params, LATENT), rel=1e-12)


def test_one_component_is_the_maximum_by_definition():
    fit = evb.Mixture(e.CensoredNormal(lower=0.0), 1).fit(np.maximum(LATENT, 0.0), objective="mle", **QUIET)
    seen = LATENT[LATENT > 0]

    def loss(x):
        law = stats.norm(x[0], np.exp(x[1]))
        return -(law.logpdf(seen).sum() + (N - len(seen)) * law.logcdf(0.0))

    best = optimize.minimize(loss, [3.0, 1.0], method="BFGS", options={"gtol": 1e-6})
    assert fit.log_likelihood == pytest.approx(-best.fun, rel=1e-9)
    assert fit.params["means"][0] == pytest.approx(best.x[0], rel=1e-4)
    assert fit.params["sigmas"][0] == pytest.approx(np.exp(best.x[1]), rel=1e-4)


@pytest.mark.parametrize("method", ["gibbs", "nuts", "laplace"])
def test_other_methods_find_the_components(method):
    fit = evb.Mixture(e.CensoredNormal(**LIMITS), 2, ordered="means").fit(Y, method, **QUIET)
    error = np.array([1.0, 1.5]) / np.sqrt(N / 4)  # of means; censoring makes it a little larger
    assert (np.abs(fit.params["means"] - [0.5, 6.0]) < 4.5 * error).all()
    assert (np.diff(fit.program.public(fit.draws)["means"], axis=-1) > 0).all()


def test_simulation_is_cut_off_and_of_any_size():
    fit = evb.Mixture(e.CensoredNormal(**LIMITS), 2).fit(Y, **QUIET)
    y = fit.simulate(4000, seed=2)
    assert y.shape == (4000,)
    assert y.min() == 0.0
    assert y.max() == 8.0
    share = fit.params["weights"] @ stats.norm.cdf(0.0, fit.params["means"], fit.params["sigmas"])
    assert abs((y == 0.0).mean() - share) < 4.5 * np.sqrt(share * (1 - share) / 4000)
    assert fit.score_samples(y[:5]).shape == (5,)


def test_beside_a_regression_it_has_no_design():
    """The design is the regression's alone; starts are drawn from its lines."""
    x = np.column_stack([np.ones(N), RNG.normal(size=N)])
    spec = evb.Mixture(e.Product(u=e.CensoredNormal(**LIMITS), v=e.LinearRegression()), 2)
    fit = spec.fit({"u": Y, "v": 2.0 * x[:, 1] * (1 - 2 * Z) + RNG.normal(0, 0.3, N)}, exog=x, **QUIET)
    assert list(fit.program.exogs) == ["v_exog"]
    assert fit.idata.posterior["v_coefficients"].dims == ("chain", "draw", "component", "v_predictor")
    order = np.argsort(fit.params["u_means"])
    np.testing.assert_allclose(fit.params["u_means"][order], [0.5, 6.0], atol=0.6)
    np.testing.assert_allclose(fit.params["v_coefficients"][order, 1], [-2.0, 2.0], atol=0.2)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"priors": {"means": p.Normal([0.0, 1.0, 2.0], 1.0)}}, ValueError, r"priors\['means'\]: mean: got shape"),
        ({"priors": {"means": p.InverseGamma(1.0, 1.0)}}, TypeError, r"priors\['means'\] must be Normal"),
        ({"priors": {"emission": p.Normal(0.0, 1.0)}}, TypeError, r"priors\['emission'\] must be NormalInverseGamma"),
        ({"fixed": {"means": [0.0, 1.0, 2.0]}}, ValueError, r"fixed\['means'\] has shape \(3,\)"),
    ],
)
def test_refusals_speak_of_means(options, error, words):
    with pytest.raises(error, match=words):
        evb.Mixture(e.CensoredNormal(lower=0.0), 2, **options).fit(Y, **QUIET)


def test_vi_names_the_prior_that_it_refuses():
    spec = evb.Mixture(e.CensoredNormal(lower=0.0), 2, priors={"means": evb.Prior("Cauchy", alpha=0.0, beta=2.0)})
    with pytest.raises(ValueError, match="on 'means' is not conjugate"):
        spec.fit(Y, "vi", **QUIET)


def test_data_that_do_not_fit():
    with pytest.raises(ValueError, match="y is constant"):
        evb.Mixture(e.CensoredNormal(lower=0.0), 1).fit(np.zeros(9), **QUIET)
    with pytest.raises(ValueError, match=r"must be \(n, 2\)"):
        evb.Mixture(e.CensoredNormal(), 1).fit(Y, **QUIET)
    with pytest.raises(ValueError, match="exog does not apply"):
        evb.Mixture(e.CensoredNormal(), 1).fit(ENDS, exog=np.ones((N, 1)), **QUIET)
    with pytest.raises(ValueError, match="lower must be less than upper"):
        e.CensoredNormal(lower=2.0, upper=1.0)
