"""Standard errors and intervals where they are awkward: other units, the boundary, one long sequence."""

from __future__ import annotations

import _thread
import threading

import numpy as np
import pytest
from laws.cases import CASES
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.fit.uncertainty import inside
from em_vs_bayes.program.coordinates import jacobian
from em_vs_bayes.program.differences import information

QUIET = {"progressbar": False, "seed": 1}
SEED = np.random.default_rng(3)
JUMPS = (np.cumsum(SEED.random(200) < 0.08) % 2) * 3.0 + SEED.normal(size=200)


# --- differences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collinear", [0.0, 1.0 - 1e-9], ids=["apart", "collinear"])
@pytest.mark.parametrize("scale", [1e-100, 1e-7, 1.0, 1e7, 1e100])
def test_curvature_of_a_known_density_in_any_units(scale, collinear):
    """log cosh of three directions: its information at x is known, and no difference of it is exact."""
    units = np.array([scale, 1.0, 1.0 / scale])
    mix = np.eye(3) + collinear * np.eye(3, k=1)
    if collinear:
        mix = np.array([[1.0, collinear, 0.0], [0.0, np.sqrt(1.0 - collinear**2), 0.0], [0.0, 0.0, 1.0]])

    def density(x):
        t = mix @ (x / units)
        if not np.abs(t).max() < 300.0:
            return -np.inf, np.zeros(3)
        return -np.log(np.cosh(t)).sum(), -(mix.T @ np.tanh(t)) / units

    x = np.array([0.2, -0.1, 0.0]) * units
    found = information(density, x)
    exact = mix.T @ np.diag(1.0 / np.cosh(mix @ (x / units)) ** 2) @ mix
    got = found.matrix * units * units[:, None]
    root, repaired = found.inverse_root()
    assert not repaired
    np.testing.assert_allclose(got, exact, rtol=1e-6, atol=1e-7)
    errors = np.sqrt(np.diag(root @ root.T)) / units
    np.testing.assert_allclose(errors, np.sqrt(np.diag(np.linalg.inv(exact))), rtol=1e-4)


def test_a_saddle_and_a_flat_direction_are_said():
    saddle = information(lambda x: (x[1] ** 2 - x[0] ** 2, np.array([-2.0 * x[0], 2.0 * x[1]])), np.zeros(2))
    np.testing.assert_allclose(saddle.matrix, np.diag([2.0, -2.0]), atol=1e-6)
    flat = information(lambda x: (-(x[0] ** 2), np.array([-2.0 * x[0], 0.0])), np.zeros(2))
    np.testing.assert_array_equal(flat.inner[1], 0.0)
    assert saddle.inverse_root()[1] and flat.inverse_root()[1]


@pytest.mark.parametrize(
    "name", ["tied", "normal, fixed", "fixed weights", "censored normal, ordered", "hmm of products, ordered"]
)
def test_jacobian_of_coordinates_is_their_derivative(name):
    case = next(case for case in CASES if case.name == name)
    program = case.program()
    theta = case.points(program, 1)[0]
    x = program.unconstrain(theta)
    h = 1e-6
    wanted = [
        (program.constrain(x + h * d, theta) - program.constrain(x - h * d, theta)) / (2 * h) for d in np.eye(len(x))
    ]
    np.testing.assert_allclose(
        jacobian(program.tables.coordinates, x, theta), np.transpose(wanted), rtol=1e-6, atol=1e-8
    )


# --- the boundary ---------------------------------------------------------------------------------------------------


def test_errors_beside_a_sure_first_state_are_those_of_the_model_that_fixes_it():
    fit = evb.HMM(e.Normal(), 2).fit(JUMPS, **QUIET)
    vertex = np.round(fit.params["initial"])
    fixed = evb.HMM(e.Normal(), 2, fixed={"initial": vertex})
    same = fixed.fit(JUMPS, init={**fit.params, "initial": vertex}, **QUIET)
    for kind in ("observed", "opg", "sandwich"):
        for name, error in fit.std_errors(kind).items():
            np.testing.assert_allclose(error, same.std_errors(kind)[name], rtol=1e-5, err_msg=f"{kind} {name}")
    np.testing.assert_array_equal(fit.std_errors()["initial"], 0.0)
    assert any("boundary" in note and "initial" in note for note in fit.notes)
    assert not any("boundary" in note for note in same.notes)
    limits = fit.confint(0.9999)
    inner = limits.loc[[n for n in limits.index if n.startswith("transition")]]
    assert ((inner > 0.0) & (inner < 1.0)).all(axis=None)


def test_impossible_moves_and_symbols_are_held():
    """A category and a count that no row of one component has: the others' errors are binomial and Poisson."""
    labels = np.repeat([0, 1], 50)
    sides = np.r_[np.repeat([0, 1], 25), np.repeat([0, 1, 2], [10, 20, 20])]
    counts = np.r_[np.zeros(50), np.full(50, 4.0)]
    fit = evb.Mixture(e.Product(u=e.Categorical(3), v=e.Poisson()), 2).fit(
        {"u": sides, "v": counts}, labels=labels, **QUIET
    )
    errors = fit.std_errors()
    share = np.array([[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]])
    np.testing.assert_allclose(errors["u_probs"], np.sqrt(share * (1.0 - share) / 50), rtol=1e-5)
    np.testing.assert_allclose(errors["v_rates"], [0.0, np.sqrt(4.0 / 50)], rtol=1e-5)
    assert "v_rates[0] = 0" in fit.notes[-1] and "u_probs[0, 2] = 0" in fit.notes[-1]


def test_what_the_data_say_nothing_of_has_no_error():
    rng = np.random.default_rng(4)
    y = rng.normal(size=60)
    fit = evb.Mixture(e.Normal(), 2).at(y, {"weights": [1.0, 0.0], "means": [y.mean(), 9.0], "sigmas": [y.std(), 1.0]})
    errors = fit.std_errors()
    np.testing.assert_allclose(errors["means"], [y.std() / np.sqrt(60), np.nan], rtol=1e-6)
    np.testing.assert_allclose(errors["sigmas"], [y.std() / np.sqrt(120), np.nan], rtol=1e-6)


def test_where_all_is_held_all_errors_are_zero():
    fit = evb.HMM(evb.emissions.Bernoulli(), 1).fit(np.ones(5), progressbar=False)
    assert all((error == 0).all() for error in fit.std_errors().values())
    assert (fit.summary()["sd"] == 0).all()


def test_a_small_probability_inside_is_not_held():
    """Two rows of 3,000: its error is binomial."""
    rng = np.random.default_rng(4)
    labels = np.r_[np.zeros(2998, int), 1, 1]
    y = np.where(labels == 1, [50.0] * 2999 + [54.0], rng.normal(size=3000))
    fit = evb.Mixture(e.Normal(), 2).fit(y, labels=labels, **QUIET)
    share = 2 / 3000
    np.testing.assert_allclose(fit.std_errors()["weights"], np.sqrt(share * (1 - share) / 3000), rtol=1e-4)
    assert not any("boundary" in note for note in fit.notes)


# --- intervals ------------------------------------------------------------------------------------------------------


def test_intervals_are_symmetric_on_their_own_scales():
    fit = evb.GaussianMixture(2).fit(evb.datasets.load("faithful"), **QUIET)
    sd, ends, z = fit.std_errors(), fit.confint(0.95), stats.norm.ppf(0.975)
    means = ends.loc[[n for n in ends.index if n.startswith("means")]].to_numpy().reshape(2, 2, 2)
    np.testing.assert_allclose(means[..., 1] - fit.params["means"], z * sd["means"], rtol=1e-9)
    w, low_high = fit.params["weights"], ends.iloc[:2].to_numpy()
    odds = np.log(low_high / (1.0 - low_high)) - np.log(w / (1.0 - w))[:, None]
    np.testing.assert_allclose(odds, (z * sd["weights"] / (w * (1.0 - w)))[:, None] * [-1.0, 1.0], rtol=1e-9)
    variance = ends.loc["covariances[0, 0, 0]"] / fit.params["covariances"][0, 0, 0]
    ratio = z * sd["covariances"][0, 0, 0] / fit.params["covariances"][0, 0, 0]
    np.testing.assert_allclose(np.log(variance), [-ratio, ratio], rtol=1e-9)
    table = evb.compare([fit], level=0.95).table["em"]
    np.testing.assert_allclose(table["lower"].iloc[:2], ends["lower"].iloc[:2], rtol=1e-9)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (2.0, np.inf), (-np.inf, 4.0), (-np.inf, np.inf)])
def test_ends_stay_between_the_bounds(low, high):
    value = np.array([2.5, 3.0]) if low else np.array([0.001, 0.7])
    lower, upper = inside(value, np.array([0.5, 1e-3]), low, high, 3.0)
    assert ((low <= lower) & (lower < value) & (value < upper) & (upper <= high)).all()
    np.testing.assert_allclose((upper - lower)[1], 6e-3, rtol=0.01)  # far from a bound: as usual
    at = inside(np.array([2.5 if low else 0.5]), np.zeros(1), low, high, 3.0)
    np.testing.assert_array_equal(at[0], at[1])


# --- one sequence, Laplace, idata -----------------------------------------------------------------------------------


def test_one_long_sequence_is_simulated():
    y = JUMPS.copy()
    y[[3, 50]] = np.nan
    fit = evb.HMM(e.Normal(), 2).fit(y, **QUIET)
    options = {"n_boot": 60, "seed": 2, "progressbar": False}
    boot = fit.std_errors("bootstrap", **options)
    for name in ("means", "sigmas", "transition"):
        np.testing.assert_allclose(boot[name], fit.std_errors()[name], rtol=0.5)
    ends = fit.confint(0.9, "bootstrap", **options)
    means = ends.loc[["means[0]", "means[1]"]]
    assert (means["lower"] < fit.params["means"]).all() and (fit.params["means"] < means["upper"]).all()


@pytest.mark.parametrize("draws", [1, 3, 600])
def test_any_number_of_draws_by_laplace(draws):
    fit = evb.Mixture(e.Normal(), 1).fit(JUMPS, "laplace", draws=draws, **QUIET)
    assert fit.draws.shape[:2] == (1, draws)
    assert fit.status is (evb.Status.SUSPECT if draws < 25 else evb.Status.APPROXIMATED)
    assert repr(fit) and fit.n_iter == draws


def test_laplace_keeps_the_draws_that_it_has_when_interrupted():
    rng = np.random.default_rng(4)
    y = rng.normal(size=(2000, 3))
    timer = threading.Timer(1.0, _thread.interrupt_main)
    timer.start()
    fit = evb.GaussianMixture(1).fit(y, "laplace", draws=10**6, **QUIET)
    timer.cancel()
    assert fit.ended is evb.Status.INTERRUPTED
    assert fit.draws is None or 0 < fit.draws.shape[1] < 10**6


def test_a_missing_response_with_case_weights_in_idata():
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(40), rng.normal(size=40)])
    y = np.maximum(X @ [1.0, 2.0] + rng.normal(size=40), 0.0)
    y[3] = np.nan
    weights = rng.integers(1, 4, size=40).astype(float)
    fit = evb.Tobit().fit(y, exog=X, weights=weights, **QUIET)
    assert fit.idata["sample_stats"]["log_likelihood_total"].item() == pytest.approx(fit.log_likelihood)


def test_prior_of_a_wide_covariance_is_that_of_scipy():
    rng = np.random.default_rng(4)
    d = 30
    root = rng.normal(size=(d, 2 * d))
    sigma, scale = root @ root.T / d, np.diag(rng.uniform(1.0, 2.0, d))
    prior = p.NormalInverseWishart(np.zeros(d), 0.5, d + 4.0, scale)
    spec = evb.GaussianMixture(1, priors={"emission": prior})
    params = {"weights": [1.0], "means": np.full((1, d), 0.3), "covariances": sigma[None]}
    wanted = stats.invwishart.logpdf(sigma, d + 4, scale)
    wanted += stats.multivariate_normal.logpdf(params["means"][0], np.zeros(d), sigma / 0.5)
    assert spec.log_prior(params, y=rng.normal(size=(40, d))) == pytest.approx(wanted, rel=1e-10)
