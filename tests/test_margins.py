"""Marginal effects: published ones of R's censReg, and derivatives of expectations by quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from naive import censored, normal
from scipy import stats
from scipy.special import ndtr

import em_vs_bayes as evb

QUIET = {"progressbar": False, "seed": 1}
FAIR = "affairs ~ age + yearsmarried + religiousness + occupation + rating"
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(200)

# R, censReg 0.5-36, tests/censRegTest.Rout.save: summary(margEff(...)) of the affairs model,
# to the digits printed: at the means, at (40, 4, 2, 4, 4), with an upper limit of 4, and by BHHH.
LEFT = {"estimate": (-0.042, 0.130, -0.394, 0.076, -0.534), "sd": (0.02, 0.03, 0.09, 0.06, 0.09)}
AT = {"estimate": (-0.0298, 0.0922, -0.2804, 0.0542, -0.3800), "sd": (0.0083, 0.0139, 0.1022, 0.0415, 0.1066)}
BOTH = {"estimate": (-0.0218, 0.0654, -0.1987, 0.0399, -0.2713), "sd": (0.0096, 0.0161, 0.0483, 0.0310, 0.0488)}
BHHH = {"sd": (0.018, 0.033, 0.095, 0.062, 0.103)}
BHHH_JACOBIAN = (-0.063, -2.035, -0.512, 0.039, -0.263, -0.246, -0.046)  # row of religiousness, in (b, sigma)


@pytest.fixture(scope="module")
def frame():
    return evb.datasets.load("affairs")


@pytest.fixture(scope="module")
def left(frame):
    return evb.Tobit(FAIR).fit(frame, **QUIET)


@pytest.fixture(scope="module")
def both(frame):
    return evb.Tobit(FAIR, upper=4.0).fit(frame.assign(affairs=frame["affairs"].clip(upper=4.0)), **QUIET)


@pytest.fixture(scope="module")
def truncated(frame):
    return evb.TruncatedRegression(FAIR, lower=0.0).fit(frame.query("affairs > 0").reset_index(drop=True), **QUIET)


# --- published ------------------------------------------------------------------------------------------------------


def test_affairs_at_the_means(left):
    table = left.margins()
    np.testing.assert_allclose(table["estimate"], LEFT["estimate"], atol=5.1e-4)
    np.testing.assert_allclose(table["sd"], LEFT["sd"], atol=5.1e-3)
    assert list(table.index) == ["age", "yearsmarried", "religiousness", "occupation", "rating"]
    assert list(table.columns) == ["estimate", "sd", "z", "p", "lower", "upper"]
    np.testing.assert_allclose(table["p"], [0.02, 4e-5, 3e-5, 0.20, 3e-8], rtol=0.6)  # there from t, 594 df


def test_affairs_at_a_point(left, frame):
    where = {"age": 40, "yearsmarried": 4, "religiousness": 2, "occupation": 4, "rating": 4}
    table = left.margins(frame[:1].drop(columns="affairs").assign(**where))
    np.testing.assert_allclose(table["estimate"], AT["estimate"], atol=5.1e-5)
    np.testing.assert_allclose(table["sd"], AT["sd"], atol=5.1e-5)


def test_affairs_with_two_limits(both):
    table = both.margins()
    np.testing.assert_allclose(table["estimate"], BOTH["estimate"], atol=5.1e-5)
    np.testing.assert_allclose(table["sd"], BOTH["sd"], atol=5.1e-5)


def test_affairs_by_bhhh(left):
    """The covariance by outer products: by kind, or as a matrix."""
    table = left.margins(vcov="opg")
    np.testing.assert_allclose(table["sd"], BHHH["sd"], atol=1.2e-3)  # its estimate stops short of the maximum
    np.testing.assert_array_equal(left.margins(vcov=left.vcov("opg"))["sd"], table["sd"])


def test_one_row_of_the_printed_jacobian(left):
    """A covariance with a single one on its diagonal gives one element of the Jacobian."""
    for j, wanted in enumerate(BHHH_JACOBIAN):
        unit = np.zeros((7, 7))
        unit[j, j] = 1.0
        assert left.margins(vcov=unit)["sd"]["religiousness"] == pytest.approx(abs(wanted), abs=2e-3)


# --- by definition --------------------------------------------------------------------------------------------------


def expected(kind, line, sigma, lower, upper):
    """The expectation by quadrature over the latent response."""
    if kind == "latent":
        return line
    low, high = max(lower, line - 12 * sigma), min(upper, line + 12 * sigma)
    y = 0.5 * (high - low) * NODES + 0.5 * (high + low)
    density = 0.5 * (high - low) * NODE_WEIGHTS * normal.density(y, line, sigma)
    if kind == "probability":
        return density.sum()
    if kind == "conditional":
        return density @ y / density.sum()
    below = lower * ndtr((lower - line) / sigma) if np.isfinite(lower) else 0.0
    above = upper * ndtr((line - upper) / sigma) if np.isfinite(upper) else 0.0
    return below + density @ y + above


def effect(kind, x, at, lower, upper):
    """(p,), central differences of fourth order in each predictor."""

    def value(row):
        return expected(kind, row @ at[:-1], at[-1], lower, upper)

    out = []
    for j in range(len(x)):
        move = np.zeros(len(x))
        move[j] = h = 0.02 * at[-1] / max(abs(at[j]), 0.1)
        out.append((8 * (value(x + move) - value(x - move)) - value(x + 2 * move) + value(x - 2 * move)) / (12 * h))
    return np.array(out)


def delta(function, at, covariance):
    """Standard deviations by the delta method, with a numerical Jacobian."""
    columns = []
    for k in range(len(at)):
        move = np.zeros(len(at))
        move[k] = h = 1e-3 * max(abs(at[k]), 0.1)
        columns.append((8 * (function(at + move) - function(at - move))
                        - function(at + 2 * move) + function(at - 2 * move)) / (12 * h))  # fmt: skip
    jacobian = np.column_stack(columns)
    return np.sqrt(np.einsum("ji,ik,jk->j", jacobian, covariance, jacobian))


def point(fit):
    return np.append(fit.params["coefficients"], fit.params["sigma"])


@pytest.mark.parametrize("kind", ["observed", "latent", "probability", "conditional"])
@pytest.mark.parametrize("which", ["left", "both"])
def test_effects_are_derivatives(which, kind, request, frame):
    fit = request.getfixturevalue(which)
    ends = (0.0, np.inf if which == "left" else 4.0)
    at, X = point(fit), np.column_stack([np.ones(len(frame)), frame.to_numpy(float)[:, 1:]])
    mean = X.mean(axis=0)
    table = fit.margins(kind=kind)
    np.testing.assert_allclose(table["estimate"], effect(kind, mean, at, *ends)[1:], rtol=1e-6)
    sd = delta(lambda x: effect(kind, mean, x, *ends)[1:], at, fit.vcov().to_numpy())
    np.testing.assert_allclose(table["sd"], sd, rtol=1e-5)
    few = frame[:12]
    rows = fit.margins(few, kind)
    wanted = np.stack([effect(kind, x, at, *ends)[1:] for x in X[:12]])
    np.testing.assert_allclose(rows["estimate"].to_numpy().reshape(12, 5), wanted, rtol=1e-6)
    assert rows.index.names == ["row", "predictor"]


@pytest.mark.parametrize("kind", ["observed", "probability", "conditional"])
def test_averaged_effects(kind, frame):
    """The mean over rows, case weights counted, with an error of its own."""
    few, weights = frame[::20].reset_index(drop=True), np.tile([1.0, 2.0, 3.0], 11)[:31]
    fit = evb.Tobit("affairs ~ yearsmarried + rating", upper=10.0).fit(
        few.assign(affairs=few["affairs"].clip(upper=10.0)), weights=weights, **QUIET
    )
    at, X = point(fit), np.column_stack([np.ones(31), few["yearsmarried"], few["rating"]])

    def average(x):
        return np.average([effect(kind, row, x, 0.0, 10.0)[1:] for row in X], axis=0, weights=weights)

    table = fit.margins("each", kind)
    np.testing.assert_allclose(table["estimate"], average(at), rtol=1e-6)
    np.testing.assert_allclose(table["sd"], delta(average, at, fit.vcov().to_numpy()), rtol=1e-5)
    np.testing.assert_allclose(table["upper"] - table["estimate"], 1.959964 * table["sd"], rtol=1e-5)
    at_mean = np.average(X, axis=0, weights=weights)
    np.testing.assert_allclose(fit.margins(kind=kind)["estimate"], effect(kind, at_mean, at, 0.0, 10.0)[1:], rtol=1e-6)


def test_a_truncated_response(truncated, frame):
    X = frame.query("affairs > 0").to_numpy(float)
    mean, at = np.append(1.0, X[:, 1:].mean(axis=0)), point(truncated)
    wanted = effect("conditional", mean, at, 0.0, np.inf)[1:]
    np.testing.assert_allclose(truncated.margins()["estimate"], wanted, rtol=1e-6)
    np.testing.assert_allclose(truncated.margins(kind="latent")["estimate"], at[1:-1], rtol=1e-12)


def test_conditional_variance_far_out():
    """Forty standard deviations below the limit the derivative is the variance of an all but exponential excess."""
    from em_vs_bayes.model.emissions import expectations
    from em_vs_bayes.model.emissions.laws import Normal

    f = expectations.conditional(Normal(), np.array([-40.0]), np.array(1.0), 0.0, np.inf)
    exact = censored.moments(0.0, np.inf, -40.0, 1.0)
    assert f.value[0] == pytest.approx(exact.mean, abs=1e-12)
    assert f.by_line[0] == pytest.approx(exact.variance, rel=1e-10)


# --- posterior ------------------------------------------------------------------------------------------------------


def test_posterior_effects_are_those_of_the_draws(frame):
    fit = evb.Tobit("affairs ~ yearsmarried + rating").fit(frame, "gibbs", draws=150, chains=2, **QUIET)
    draws = fit.idata["posterior"]
    b, sigma = (draws[n].to_numpy().reshape(300, *draws[n].shape[2:]) for n in ("coefficients", "sigma"))
    mean = np.array([1.0, frame["yearsmarried"].mean(), frame["rating"].mean()])
    wanted = b[:, 1:] * stats.norm.cdf(b @ mean / sigma)[:, None]
    table = fit.margins(level=0.8)
    np.testing.assert_allclose(table["estimate"], wanted.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["sd"], wanted.std(axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(table[["lower", "upper"]].T, np.quantile(wanted, [0.1, 0.9], axis=0), rtol=1e-12)
    assert list(table.columns) == ["estimate", "sd", "lower", "upper"]
    X = np.column_stack([np.ones(len(frame)), frame["yearsmarried"], frame["rating"]])
    each = b[:, 1:] * stats.norm.cdf(b @ X.T / sigma[:, None]).mean(axis=1)[:, None]
    np.testing.assert_allclose(fit.margins("each")["estimate"], each.mean(axis=0), rtol=1e-12)
    em = evb.Tobit("affairs ~ yearsmarried + rating").fit(frame, **QUIET).margins()
    np.testing.assert_allclose(table["estimate"], em["estimate"], atol=0.6 * em["sd"].min())
    with pytest.raises(ValueError, match="vcov= goes with point estimates"):
        fit.margins(vcov="observed")


# --- refusals and names ---------------------------------------------------------------------------------------------


def test_columns_of_a_factor(frame):
    """The same output, with religiousness as a factor and without its last level."""
    formula = FAIR.replace("religiousness", "C(religiousness)")
    table = evb.Tobit(formula).fit(frame.query("religiousness != 5").reset_index(drop=True), **QUIET).margins()
    names = [f"C(religiousness)[T.{r}]" for r in (2, 3, 4)]
    table = table.loc[["age", "yearsmarried", *names, "occupation", "rating"]]
    np.testing.assert_allclose(table["estimate"], (-0.039, 0.126, -0.990, -0.725, -1.734, 0.096, -0.559), atol=5.1e-4)
    np.testing.assert_allclose(table["sd"], (0.021, 0.034, 0.395, 0.402, 0.403, 0.066, 0.104), atol=5.1e-4)


def test_at_rows_of_exog():
    X = np.column_stack([np.ones(60), np.random.default_rng(2).normal(size=60)])
    y = np.maximum(X @ [0.2, 1.0] + np.random.default_rng(3).normal(size=60), 0.0)
    fit = evb.Tobit().fit(y, exog=X, **QUIET)
    b, sigma = fit.params["coefficients"], float(fit.params["sigma"])
    table = fit.margins(np.array([[1.0, 0.5], [1.0, -1.0]]))
    wanted = b[1] * stats.norm.cdf(np.array([b[0] + 0.5 * b[1], b[0] - b[1]]) / sigma)
    np.testing.assert_allclose(table["estimate"].to_numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"at": "median"}, "at must be 'mean', 'each', or a frame"),
        (
            {"kind": "expected"},
            "kind must be one of 'observed', 'latent', 'probability', 'conditional'; got 'expected'",
        ),
        ({"level": 1.0}, r"level must lie in \(0, 1\), such as 0.95; got 1.0"),
        ({"vcov": np.eye(3)}, r"vcov must be a kind of Fit.vcov or a symmetric \(7, 7\) matrix"),
        ({"vcov": "robust"}, "vcov must be one of .* got 'robust'"),
    ],
)
def test_refusals(left, arguments, words):
    with pytest.raises(ValueError, match=words):
        left.margins(**arguments)


def test_refusals_of_other_models(truncated, frame):
    y = np.random.default_rng(0).normal(size=40)
    ends = np.column_stack([y, np.where(y > 1, np.inf, y)])
    own = evb.CensoredRegression().fit(ends, exog=np.column_stack([np.ones(40), np.arange(40.0)]), **QUIET)
    assert own.margins(kind="latent").index.tolist() == ["x1"]
    for fit, kind, words in (
        (evb.GaussianMixture(1).fit(y, **QUIET), "latent", "margins belongs to Tobit"),
        (own, "observed", "kind='observed' wants limits that hold for every row"),
        (truncated, "probability", "a truncated sample has no others"),
        (evb.Tobit("affairs ~ 1").fit(frame, **QUIET), "latent", "margins wants a predictor"),
    ):
        with pytest.raises(ValueError, match=words):
            fit.margins(kind=kind)
