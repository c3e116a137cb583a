"""What is allowed is not refused, and parameters that a user gives are what they are called."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from naive.hmm import recursions
from scipy.special import gammaln, logsumexp
from scipy.stats import multivariate_normal, norm, poisson

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.model.markov import sensitivity, stationary_distribution

QUIET = {"progressbar": False, "seed": 1}
CHAIN = {"initial": [0.5, 0.5], "transition": [[0.9, 0.1], [0.2, 0.8]], "means": [0.0, 5.0], "sigmas": [1.0, 1.0]}
MIX = {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [1.0, 1.0]], "covariances": [np.eye(2)] * 2}
COUNTS = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9])


# --- data from which nothing could be estimated --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "params", "y", "exog", "right"),
    [
        (evb.HMM(e.Normal(), 2), CHAIN, [3.0], None, np.log(0.5 * norm.pdf(3) + 0.5 * norm.pdf(3, 5))),
        (evb.HMM(e.Normal(), 2), CHAIN, [3.0, np.nan], None, np.log(0.5 * norm.pdf(3) + 0.5 * norm.pdf(3, 5))),
        (
            evb.GaussianMixture(2),
            MIX,
            [[0.0, 1.0]],
            None,
            np.log(np.mean([multivariate_normal.pdf([0, 1], m) for m in MIX["means"]])),
        ),
        (evb.GaussianMixture(2), MIX, [[0.0, np.nan]], None, np.log(0.5 * norm.pdf(0) + 0.5 * norm.pdf(0, 1))),
        (evb.HMM(e.Categorical(2), 3), {"initial": [1 / 3] * 3, "transition": np.full((3, 3), 1 / 3),
         "probs": [[0.5, 0.5], [0.1, 0.9], [0.9, 0.1]]}, [0, 0, 1], None, 3 * np.log(0.5)),
        (evb.Tobit(), {"coefficients": [1.0, 2.0], "sigma": 1.0}, [1.5], [[1.0, 0.5]], norm.logpdf(1.5, 2.0)),
        (evb.Tobit(), {"coefficients": [1.0, 2.0], "sigma": 1.0}, [1.5, 1.5], [[1.0, 0.5], [1.0, 0.7]],
         norm.logpdf(1.5, [2.0, 2.4]).sum()),
        (evb.Tobit(), {"coefficients": [1.0], "sigma": 1.0}, [2.0, 2.0, 0.0], np.ones((3, 1)),
         2 * norm.logpdf(1.0) + norm.logcdf(-1.0)),
        (evb.Mixture(e.StudentT(4), 1), {"weights": [1], "means": [0], "sigmas": [1]}, [0.0], None, np.log(0.375)),
    ],
)  # fmt: skip
def test_given_parameters_want_no_data_to_fit(spec, params, y, exog, right, tmp_path):
    fit = spec.at(y, params, exog=exog)
    assert fit.log_likelihood == pytest.approx(right, rel=1e-12)
    assert spec.log_likelihood(y, params, exog=exog) == fit.log_likelihood
    fit.save(tmp_path / "fit.evb")
    assert evb.load(tmp_path / "fit.evb").log_likelihood == fit.log_likelihood


def test_a_chain_may_have_more_states_than_the_data_have_values():
    rng = np.random.default_rng(0)
    a, probs, z = np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.1, 0.0, 0.9]]), np.array([0.05, 0.5, 0.95]), [0]
    while len(z) < 600:
        z.append(rng.choice(3, p=a[z[-1]]))
    y = (rng.random(600) < probs[z]).astype(float)
    spec = evb.HMM(e.Bernoulli(), 3)
    truth = spec.log_likelihood(y, {"initial": [1.0, 0.0, 0.0], "transition": a, "probs": probs})
    em = spec.fit(y, n_init=8, **QUIET)
    assert em.converged
    assert em.log_likelihood > truth
    assert em.log_likelihood > evb.HMM(e.Bernoulli(), 2).fit(y, n_init=8, **QUIET).log_likelihood + 3
    for method, options in (("vi", {}), ("gibbs", {"draws": 20, "tune": 20, "chains": 1})):
        assert np.isfinite(spec.fit(y[:100], method, **QUIET, **options).log_likelihood)
    few = evb.HMM(e.Poisson(), 4).fit([1.0, 2.0], **QUIET)  # more states than rows, even
    assert np.isfinite(few.log_likelihood)


PRIORS = {
    "diag": p.NormalInverseGamma(mean=0.0, kappa=0.01, shape=2.0, rate=1.0),
    "full": p.NormalInverseWishart(mean=[0.0, 0.0], kappa=0.01, df=4.0, scale=np.eye(2)),
}


@pytest.mark.parametrize("covariance", PRIORS)
def test_a_constant_column_under_a_prior_of_ones_own(covariance):
    y = np.column_stack([np.full(60, 715.0), np.random.default_rng(0).normal(size=60)])
    spec = evb.GaussianMixture(1, covariance, priors={"emission": PRIORS[covariance]})
    for method, options in (("em", {"objective": "map"}), ("vi", {}), ("gibbs", {"draws": 500, "tune": 100})):
        fit = spec.fit(y, method, **QUIET, **options)
        assert fit.params["means"][0, 0] == pytest.approx(60 * 715 / 60.01, rel=1e-3), method  # its conjugate mean
    assert not spec.fit(y, **QUIET).converged  # the likelihood alone is unbounded
    with pytest.raises(ValueError, match=r"constant in column\(s\) \[0\].*or give priors"):
        evb.GaussianMixture(1, covariance).fit(y, **QUIET)
    fixed = evb.Mixture(e.Normal(), 1, fixed={"sigmas": [2.0]}).fit(np.full(9, 3.0), **QUIET)
    assert fixed.log_likelihood == pytest.approx(9 * norm.logpdf(0, 0, 2))


def test_a_constant_column_among_columns_of_one_variance():
    y = np.column_stack([np.full(50, 715.0), np.random.default_rng(0).normal(size=50)])
    fit = evb.GaussianMixture(1, "spherical").fit(y, **QUIET)
    variance = ((y - y.mean(axis=0)) ** 2).mean()
    assert fit.converged
    np.testing.assert_allclose(fit.params["covariances"][0], variance * np.eye(2), rtol=1e-12)
    assert fit.log_likelihood == pytest.approx(norm.logpdf(y, y.mean(axis=0), variance**0.5).sum(), rel=1e-12)
    with pytest.raises(ValueError, match=r"constant in column\(s\) \[0, 1\]"):
        evb.GaussianMixture(1, "spherical").fit(np.ones((5, 2)), **QUIET)


def test_more_components_than_distinct_rows_under_a_prior_of_ones_own():
    y, k, a, shape, rate = np.array([0, 2, 2, 0, 2]), 3, 1.5, 2.0, 1.0
    spec = evb.Mixture(e.Poisson(), k, priors={"weights": p.Dirichlet(a), "rates": p.Gamma(shape, rate)})
    terms = []  # of the evidence: every assignment, weights and rates integrated out
    for z in product(range(k), repeat=len(y)):
        n = np.bincount(z, minlength=k)
        s = np.bincount(z, y, minlength=k)
        terms.append(
            gammaln(k * a) - gammaln(k * a + n.sum()) + (gammaln(a + n) - gammaln(a)).sum() - gammaln(y + 1).sum()
            + (shape * np.log(rate) - gammaln(shape) + gammaln(shape + s) - (shape + s) * np.log(rate + n)).sum()
        )  # fmt: skip
    vi = spec.fit(y, "vi", **QUIET)
    assert vi.converged and logsumexp(terms) - 3.0 < vi.elbo < logsumexp(terms)
    assert np.isfinite(spec.fit(y, "gibbs", draws=20, tune=20, chains=1, **QUIET).log_likelihood)
    assert spec.fit(y, objective="map", **QUIET).converged
    normal = evb.GaussianMixture(3, priors={"emission": PRIORS["full"]})
    assert normal.fit(np.eye(2)[[0, 1, 1]], **QUIET).status is evb.Status.COLLAPSED  # the likelihood alone
    with pytest.raises(ValueError, match="n_components=3 is more than the 2 distinct row"):
        evb.Mixture(e.Poisson(), 3).fit(y, **QUIET)


# --- parameters that are none ---------------------------------------------------------------------------------------


def test_the_first_state_of_a_stationary_chain_need_not_be_given():
    spec = evb.HMM(e.Poisson(), 2, initial="stationary")
    given = {"transition": [[0.93, 0.07], [0.12, 0.88]], "rates": [3.0, 7.0]}
    density = poisson.logpmf(COUNTS[:, None], given["rates"])
    right = recursions(np.log([12 / 19, 7 / 19]), np.log(given["transition"]), density).evidence
    for own in ({}, {"initial": [0.63158, 0.36842]}, {"initial": [12 / 19, 7 / 19]}):
        assert spec.log_likelihood(COUNTS, given | own) == pytest.approx(right, rel=1e-12)
        assert spec.fit(COUNTS, init=given | own, max_iter=1, **QUIET).n_iter == 1
    with pytest.raises(
        ValueError, match=r"params\['initial'\] must be the stationary .*\[0\.63158, 0\.36842\].*left out"
    ):
        spec.at(COUNTS, given | {"initial": [0.6, 0.4]})
    uniform = evb.HMM(e.Poisson(), 3, initial="uniform")
    thirds = {"transition": np.full((3, 3), 1 / 3), "rates": [1.0, 2.0, 3.0]}
    assert uniform.log_likelihood(COUNTS, thirds) == uniform.log_likelihood(
        COUNTS, thirds | {"initial": [0.33333, 0.33333, 0.33333]}
    )
    with pytest.raises(ValueError, match=r"params\['initial'\] must be 1 / n_states"):
        uniform.at(COUNTS, thirds | {"initial": [0.3, 0.3, 0.4]})


def test_printed_digits_of_a_chain_that_all_but_falls_apart_will_do():
    a = np.array([[0.99904, 0.00096], [0.00204, 0.99796]])
    exact, printed = stationary_distribution(a), stationary_distribution(np.round(a, 3))
    assert np.abs(exact - printed).max() > 1e-2
    assert np.abs(exact - printed).max() <= 5e-4 * (1 + 2 * sensitivity(np.round(a, 3)))
    spec = evb.HMM(e.Poisson(), 2, initial="stationary")
    spec.at(COUNTS, {"initial": np.round(exact, 4), "transition": np.round(a, 4), "rates": [1.0, 2.0]})


def test_what_is_fixed_need_not_be_given():
    spec = evb.HMM(e.Normal(), 2, fixed={"initial": [1.0, 0.0], "sigmas": 1.0, "means": [np.nan, 5.0]})
    given = {"transition": CHAIN["transition"], "means": [0.0, 5.0]}
    whole = evb.HMM(e.Normal(), 2).log_likelihood(COUNTS, CHAIN | {"initial": [1.0, 0.0]})
    assert spec.log_likelihood(COUNTS, given) == pytest.approx(whole, rel=1e-14)
    with pytest.raises(ValueError, match=r"missing \['means'\]"):
        spec.at(COUNTS, {"transition": CHAIN["transition"]})


def test_coefficients_with_names_go_by_their_names():
    frame = pd.DataFrame({"y": [0.0, 1.0, 2.5, 0.0, 3.0], "x": [0.1, 0.4, 0.9, -0.3, 1.2]})
    spec, sigma = evb.Tobit("y ~ x"), 0.7
    right = spec.at(frame, {"coefficients": [0.5, 2.0], "sigma": sigma}).log_likelihood
    named = pd.Series({"x": 2.0, "Intercept": 0.5})
    for given in (named, named[::-1], named[::-1].reset_index(drop=True)):
        assert spec.at(frame, {"coefficients": given, "sigma": sigma}).log_likelihood == right
    with pytest.raises(ValueError, match=r"params\['coefficients'\] names \['x', 'z'\]; the predictors are"):
        spec.at(frame, {"coefficients": pd.Series({"x": 2.0, "z": 0.5}), "sigma": sigma})
    lines, two = evb.Mixture(evb.emissions.LinearRegression("y ~ x"), 2), {"weights": [0.5, 0.5], "sigmas": [1.0, 2.0]}
    table = pd.DataFrame({"x": [2.0, 1.0], "Intercept": [0.5, 0.0]})
    ends = (table, table[["Intercept", "x"]].to_numpy())
    one, other = (lines.at(frame, {**two, "coefficients": v}).log_likelihood for v in ends)
    assert one == other


def test_a_scale_whose_square_is_zero_is_named():
    for sigma in (0.0, 1e-320):
        with pytest.raises(ValueError, match="sigma too small or too large"):
            evb.Tobit().log_likelihood([1.0], {"coefficients": [1.0], "sigma": sigma})


def test_a_start_may_be_given_in_part():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0, 1, 100), rng.normal(6, 2, 50), rng.normal(-9, 0.5, 20)])
    spec = evb.Mixture(e.Normal(), 3)
    best = spec.fit(y, **QUIET)
    for init in ({}, {"weights": [0.1, 0.3, 0.6]}, {"sigmas": [2.0, 0.5, 1.0]}, {"means": [6.0, -9.0, 0.0]}):
        fit = spec.fit(y, init=init, **QUIET)
        assert fit.log_likelihood == pytest.approx(best.log_likelihood, rel=1e-10)
        for name, value in init.items():  # the rest goes with the components as they were given
            assert np.argsort(fit.params[name]).tolist() == np.argsort(value).tolist()


@pytest.mark.parametrize("spec", [evb.Mixture(e.Normal(), 2), evb.HMM(e.Normal(), 2), evb.GaussianMixture(2)])
def test_nothing_can_be_simulated(spec):
    y = np.r_[np.arange(9.0), 50 + np.arange(9.0)]
    fit = spec.fit(y, n_init=2, **QUIET)
    assert len(fit.simulate(0)) == 0
    assert np.ndim(fit.simulate(0)) == np.ndim(fit.simulate(2))
    for bad in (-1, 1.5, "3", True, 10**12):
        with pytest.raises((TypeError, ValueError), match="n must be a"):
            fit.simulate(bad)


def test_categories_and_counts_are_simulated_as_integers():
    spec = evb.HMM(e.Product(a=e.Categorical(3), b=e.Poisson(), c=e.Bernoulli(), d=e.Normal()), 1)
    params = {"initial": [1.0], "transition": [[1.0]], "a_probs": [[0.2, 0.3, 0.5]], "b_rates": [3.0], "c_probs": [0.4]}
    y = {name: [0.0, 1.0] for name in "abcd"}
    drawn = spec.at(y, params | {"d_means": [0.0], "d_sigmas": [1.0]}).simulate(5, seed=1)
    assert [drawn[name].dtype.kind for name in "abcd"] == ["i", "i", "i", "f"]


# --- parameters are what they are called ----------------------------------------------------------------------------

DISCRETE = {"weights": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("spec", "y", "params", "match"),
    [
        (evb.Mixture(e.Categorical(2), 2), [0.0, 1], DISCRETE | {"probs": [[0.9, 0.9]] * 2}, r"'probs'.*sum of 1\.8"),
        (evb.Mixture(e.Categorical(2), 2), [0.0, 1], DISCRETE | {"probs": [[1.2, -0.2]] * 2}, "'probs'.*non-negative"),
        (evb.Mixture(e.Bernoulli(), 2), [0.0, 1], DISCRETE | {"probs": [0.5, 1.5]}, r"'probs'.*in \[0, 1\]"),
        (evb.Mixture(e.Poisson(), 2), [0.0, 1], DISCRETE | {"rates": [-1.0, 1.0]}, "'rates'.*must be positive"),
        (evb.Mixture(e.Normal(), 2), [0.0, 1], DISCRETE | {"means": [0, 1], "sigmas": [-1, 1]}, "'sigmas'.*positive"),
        (evb.Mixture(e.Normal(), 2), [0.0, 1], {"weights": [0.6, 0.6], "means": [0, 1], "sigmas": [1, 1]}, "'weights'"),
        (evb.Mixture(e.Normal(), 2), [0.0, 1], DISCRETE | {"means": ["a", 1], "sigmas": [1, 1]}, "'means'.*numbers"),
        (evb.Mixture(e.Normal(), 2), [0.0, 1], DISCRETE | {"means": [np.inf, 1], "sigmas": [1, 1]}, "'means'.*finite"),
        (evb.HMM(e.Normal(), 2), [0.0, 1], CHAIN | {"transition": [[0.9, 0.2], [0.2, 0.8]]}, "'transition'.*by row"),
        (evb.GaussianMixture(2), np.eye(2), MIX | {"covariances": [[[1, 2], [2, 1]]] * 2}, "'covariances'.*definite"),
        (evb.GaussianMixture(2, "diag"), np.eye(2), MIX | {"covariances": [-np.eye(2)] * 2}, "'covariances'.*definite"),
        (evb.GaussianMixture(2, "diag"), np.eye(2), MIX | {"covariances": [[[1, 0.5], [0.5, 1]]] * 2}, "cannot hold"),
        (evb.Tobit(), [0.0, 1], {"coefficients": [0.5], "sigma": -1.0}, "'sigma'.*positive"),
        (evb.Tobit(), [0.0, 1], {"coefficients": [0.5], "sigma": None}, "'sigma'"),
        (evb.Tobit(), [0.0, 1], [0.5, 1.0], "params must be a dict"),
    ],
)  # fmt: skip
def test_given_parameters_are_checked(spec, y, params, match):
    for call in (spec.at, spec.log_likelihood):
        with pytest.raises((TypeError, ValueError), match=match) as caught:
            call(y, params)
        assert len(str(caught.value)) < 300
