"""What limits let through of Student t errors: expectations, effects and residuals by quadrature and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

import em_vs_bayes as evb
from em_vs_bayes.model.emissions import expectations
from em_vs_bayes.model.emissions.laws import Normal, Student

QUIET = {"progressbar": False, "seed": 1}
INF = np.inf
KINDS = {
    "observed": expectations.observed,
    "probability": expectations.uncensored,
    "conditional": expectations.conditional,
    "below": expectations.below,
    "above": expectations.above,
}


def expected(kind, df, line, sigma, lower, upper):
    """By quadrature over the latent response, whose distribution function is scipy's."""
    own = stats.t(df, line, sigma)
    below, above = own.cdf(lower), own.sf(upper)
    if kind in ("below", "above"):
        return below if kind == "below" else above
    share = above - own.sf(lower) if lower > line else own.cdf(upper) - below
    if kind == "probability":
        return abs(share)
    a, b = (np.clip(np.arcsinh((end - line) / sigma), -120.0, 120.0) for end in (lower, upper))

    def part(v):  # tails are exponential in v
        return (line + sigma * np.sinh(v)) * stats.t.pdf(np.sinh(v), df) * np.cosh(v)

    inside = integrate.quad(part, a, b, epsabs=1e-13, epsrel=1e-12, limit=400)[0]
    if kind == "conditional":
        return inside / abs(share)
    at_ends = [end * p for end, p in ((lower, below), (upper, above)) if np.isfinite(end)]
    return inside + sum(at_ends)


def derivative(function, x, h):
    """Central differences of fourth order."""
    return (8 * (function(x + h) - function(x - h)) - function(x + 2 * h) + function(x - 2 * h)) / (12 * h)


BOTH, ONE = ((-0.5, 2.0), (0.2, 0.9)), ((0.0, INF), (-INF, 1.0))
CASES = [(kind, df, ends) for kind in KINDS for df in (0.6, 1.0, 1.5, 4.0, 25.0) for ends in BOTH]
CASES += [(kind, df, ends) for kind in ("observed", "conditional") for df in (1.5, 4.0, 25.0) for ends in ONE]
CASES += [(kind, df, ends) for kind in ("probability", "below") for df in (0.6, 4.0) for ends in ONE[:1]]


@pytest.mark.parametrize(("kind", "df", "ends"), CASES)
def test_expectations_and_their_derivatives(kind, df, ends):
    """Value and first derivatives from quadrature, those of the slope from differences of the slope just proved."""
    law, lines, sigma = Student(df), np.array([-3.0, -0.4, 0.5, 4.0]), 0.8
    got = KINDS[kind](law, lines, np.full(4, sigma), *ends)
    for i, line in enumerate(lines):
        assert got.value[i] == pytest.approx(expected(kind, df, line, sigma, *ends), rel=1e-9)
        by_line = derivative(lambda x: expected(kind, df, x, sigma, *ends), line, 2e-3)
        by_sigma = derivative(lambda x, at=line: expected(kind, df, at, x, *ends), sigma, 2e-3)
        assert got.by_line[i] == pytest.approx(by_line, rel=1e-6, abs=1e-8)
        assert got.by_sigma[i] == pytest.approx(by_sigma, rel=1e-6, abs=1e-8)
    slope = derivative(lambda x: KINDS[kind](law, x, np.full(4, sigma), *ends).by_line, lines, 2e-3)
    np.testing.assert_allclose(got.slope_by_line, slope, rtol=1e-7, atol=1e-10)
    slope = derivative(lambda x: KINDS[kind](law, lines, np.full(4, x), *ends).by_line, sigma, 2e-3)
    np.testing.assert_allclose(got.slope_by_sigma, slope, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_many_degrees_of_freedom_are_normal(kind):
    lines, sigma = np.linspace(-4.0, 4.0, 17), np.full(17, 0.8)
    student, normal = (KINDS[kind](law, lines, sigma, -0.3, 1.1) for law in (Student(1e6), Normal()))
    for got, wanted in zip(student, normal, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1e-7, 1e-3, 0.2, 0.3, 1.0, 1.5, 3.0])
def test_narrow_and_wide_intervals_meet(width):
    """Far out too, the slope by its integral: the covariance of the error with its score."""
    df = 3.0
    for low in (-2.0, -0.5 * width, 0.1, 1.7, 40.0):
        high = low + width
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        x, w = np.polynomial.legendre.leggauss(100)
        t = middle + half * x
        p = w * np.exp(-2.0 * np.log1p(half * x * (middle + t) / (df + middle**2)))
        p /= p.sum()
        s = 4.0 * (half * x) * (df - t * middle) / (df + t**2) / (df + middle**2)
        mean, score = p @ (half * x), p @ s
        got = Student(df).given(low, high)
        assert got.mean == pytest.approx(middle + mean, rel=1e-13, abs=1e-15)
        assert got.spread == pytest.approx(p @ ((half * x - mean) * (s - score)), rel=1e-9)
        assert got.log_p == pytest.approx(np.log(stats.t.pdf(t, df) @ w * half), rel=1e-11)


def test_the_far_tail_keeps_its_digits():
    """A power of the distance: P(T > x) -> c x^-df, the mean excess -> x / (df - 1)."""
    df, x = 4.0, 1e9
    tail = Student(df).given(x, INF)
    assert np.exp(tail.log_p) == pytest.approx(stats.t.sf(x, df), rel=1e-12)
    assert tail.mean == pytest.approx(x * df / (df - 1), rel=1e-12)
    assert tail.spread == pytest.approx(-1 / (df - 1), rel=1e-9)
    assert Student(df).log_below(np.array(-x)) == pytest.approx(tail.log_p, rel=1e-15)


# --- fits ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both():
    rng = np.random.default_rng(4)
    design = np.column_stack([np.ones(90), rng.normal(size=90)])
    y = np.clip(design @ [0.5, 0.8] + 0.6 * rng.standard_t(3, size=90), -0.5, 1.5)
    return evb.Tobit(lower=-0.5, upper=1.5, df=3).fit(y, exog=design, **QUIET)


def point(fit):
    return np.append(fit.params["coefficients"], fit.params["sigma"])


@pytest.mark.parametrize("kind", ["observed", "probability", "conditional"])
def test_effects_and_their_errors(both, kind):
    """Against differences of the quadrature, twice: by the predictor, and of that by the parameters."""
    at, mean = point(both), both.program.exog.mean(axis=0)

    def effect(x):
        return derivative(lambda v: expected(kind, 3, x[0] + x[1] * v, x[2], -0.5, 1.5), mean[1], 1e-2)

    jacobian = np.array([derivative(lambda h, m=m: effect(at + h * m), 0.0, 1e-2) for m in np.eye(3)])
    table = both.margins(kind=kind)
    assert table["estimate"].item() == pytest.approx(effect(at), rel=1e-6)
    assert table["sd"].item() == pytest.approx(np.sqrt(jacobian @ both.vcov().to_numpy() @ jacobian), rel=1e-4)
    each = [derivative(lambda v: expected(kind, 3, at[0] + at[1] * v, at[2], -0.5, 1.5), v, 1e-2)
            for v in both.program.exog[:, 1]]  # fmt: skip
    assert both.margins("each", kind)["estimate"].item() == pytest.approx(np.mean(each), rel=1e-6)


def test_predictions(both):
    b0, b1, sigma = point(both)
    x = np.array([[1.0, 0.3], [1.0, -2.0], [1.0, 3.0]])
    lines = b0 + b1 * x[:, 1]
    wanted = [expected("observed", 3, line, sigma, -0.5, 1.5) for line in lines]
    np.testing.assert_allclose(both.predict(exog=x, kind="observed"), wanted, rtol=1e-9)
    share = both.predict(exog=x, kind="probability")
    np.testing.assert_allclose(share["below"], stats.t.cdf((-0.5 - lines) / sigma, 3), rtol=1e-10)
    np.testing.assert_allclose(share["above"], stats.t.sf((1.5 - lines) / sigma, 3), rtol=1e-10)

    def first(at):
        return expected("observed", 3, at[0] + 0.3 * at[1], at[2], -0.5, 1.5)

    gradient = np.array([derivative(lambda h, m=m: first(point(both) + h * m), 0.0, 1e-3) for m in np.eye(3)])
    table = both.predict(exog=x, kind="observed", level=0.9)
    sd = np.sqrt(gradient @ both.vcov().to_numpy() @ gradient)
    odds = np.log((table + 0.5) / (1.5 - table)).iloc[0]  # of where between the limits
    slope = 1.0 / (table["mean"][0] + 0.5) + 1.0 / (1.5 - table["mean"][0])
    assert odds["upper"] - odds["mean"] == pytest.approx(1.6448536 * sd * slope, rel=1e-6)
    assert odds["mean"] - odds["lower"] == pytest.approx(1.6448536 * sd * slope, rel=1e-6)


def test_observed_is_the_mean_of_what_is_simulated(both):
    draws = np.stack([both.simulate(seed=s) for s in range(400)])
    far = (draws.mean(axis=0) - both.predict(kind="observed")) / (draws.std(axis=0) / 20)
    assert np.abs(far).max() < 5


def test_posterior_effects_are_those_of_the_draws(both):
    fit = both.spec.fit(both.program.y, "gibbs", exog=both.program.exog, draws=40, chains=2, **QUIET)
    public = fit.program.public(fit.draws.reshape(80, -1))
    b, sigma, mean = public["coefficients"], public["sigma"][:, None], both.program.exog.mean(axis=0)
    line = b @ mean[:, None]
    share = stats.t.cdf((1.5 - line) / sigma, 3) - stats.t.cdf((-0.5 - line) / sigma, 3)
    table = fit.margins()
    np.testing.assert_allclose(table["estimate"], (b[:, 1] * share[:, 0]).mean(), rtol=1e-10)
    above = stats.t.sf((1.5 - b @ both.program.exog.T) / sigma, 3)
    np.testing.assert_allclose(fit.predict(kind="probability")["above"], above.mean(axis=0), rtol=1e-10)


@pytest.mark.parametrize("df", [0.8, 1.0])
def test_a_mean_wants_limits_or_degrees_of_freedom(df):
    rng = np.random.default_rng(4)
    design = np.column_stack([np.ones(60), rng.normal(size=60)])
    y = design @ [0.5, 0.8] + 0.5 * rng.standard_t(1, size=60)
    one = evb.Tobit(df=df).fit(np.maximum(y, 0.0), exog=design, **QUIET)
    two = evb.Tobit(upper=2.0, df=df).fit(np.clip(y, 0.0, 2.0), exog=design, **QUIET)
    for call in (
        lambda: one.predict(kind="observed"),
        one.margins,
        lambda: one.margins(kind="conditional"),
        two.predict,
        lambda: two.margins(kind="latent"),
    ):
        with pytest.raises(ValueError, match=f"Student t errors with df={df:g} have no mean"):
            call()
    line, sigma = design @ one.params["coefficients"], one.params["sigma"]
    np.testing.assert_allclose(one.predict(kind="probability"), stats.t.cdf(-line / sigma, df), rtol=1e-9)
    assert np.isfinite(one.margins(kind="probability").to_numpy()).all()
    line, sigma = design @ two.params["coefficients"], float(two.params["sigma"])
    wanted = [expected("observed", df, at, sigma, 0.0, 2.0) for at in line]
    np.testing.assert_allclose(two.predict(kind="observed"), wanted, rtol=1e-9)


# --- residuals -------------------------------------------------------------------------------------------------------


def test_deviance_residuals_lose_what_the_line_could_gain():
    """Of exact, one-sided and interval responses: the best line by numerical search."""
    rng, df = np.random.default_rng(8), 2.5
    design = np.column_stack([np.ones(40), rng.normal(size=40)])
    y = design @ [0.2, 1.0] + rng.standard_t(df, size=40)
    kind = np.arange(40) % 4
    low = np.where(kind == 1, -INF, np.where(kind == 3, np.floor(y), y))
    high = np.where(kind == 2, INF, np.where(kind == 3, np.floor(y) + 1, y))
    fit = evb.CensoredRegression(df=df).fit(np.column_stack([low, high]), exog=design, **QUIET)
    lines, sigma = design @ fit.params["coefficients"], float(fit.params["sigma"])
    got = fit.residuals("deviance")

    def log_likelihood(i, line):
        own = stats.t(df, line, sigma)
        with np.errstate(divide="ignore"):
            return own.logpdf(low[i]) if low[i] == high[i] else np.log(own.cdf(high[i]) - own.cdf(low[i]))

    centre, far = np.where(np.isinf(low), high, np.where(np.isinf(high), low, 0.5 * (low + high))), 1e7
    for i in range(40):
        tries = centre[i] + np.array([0.0, far, -far]) + np.linspace(-1e-3, 1e-3, 21)[:, None]
        best = np.nanmax([log_likelihood(i, line) for line in tries.ravel()])
        assert got[i] ** 2 == pytest.approx(2 * (best - log_likelihood(i, lines[i])), abs=1e-8)
        assert np.sign(got[i]) == np.sign(log_likelihood(i, lines[i] + 1e-4) - log_likelihood(i, lines[i]))
    assert (got[kind == 1] < 0).all() and (got[kind == 2] > 0).all()


@pytest.mark.parametrize("df", [0.7, 3.0])
@pytest.mark.parametrize("ends", [(0.0, None), (-0.4, 1.0)])
def test_quantile_residuals_are_standard_normal(df, ends):
    """Kolmogorov-Smirnov at the true parameters."""
    rng = np.random.default_rng(12)
    design = np.column_stack([np.ones(4000), rng.normal(size=4000)])
    params = {"coefficients": np.array([0.3, 0.9]), "sigma": np.array(1.1)}
    y = design @ params["coefficients"] + 1.1 * rng.standard_t(df, size=4000)
    y = np.clip(y, ends[0], INF if ends[1] is None else ends[1])
    spec = evb.Tobit(lower=ends[0], upper=ends[1], df=df)
    assert stats.kstest(spec.at(y, params, exog=design).residuals("quantile", seed=3), "norm").pvalue > 0.01
    wrong = params | {"coefficients": np.array([0.7, 0.9])}
    assert stats.kstest(spec.at(y, wrong, exog=design).residuals("quantile", seed=3), "norm").pvalue < 1e-3


def test_quantile_residuals_of_exact_rows_and_far_intervals():
    """An exact row by its distribution function; draws stay inside where the interval has hardly any probability."""
    df, design = 3.0, np.ones((200, 1))
    y = np.full((200, 2), 0.7)
    y[:100] = 1e8, 2e8
    y[0] = -30.0, -30.0
    z = (
        evb.CensoredRegression(df=df)
        .at(y, {"coefficients": [0.0], "sigma": 1.0}, exog=design)
        .residuals("quantile", seed=0)
    )
    assert z[0] == pytest.approx(stats.norm.ppf(stats.t.cdf(-30.0, df)), rel=1e-12)
    np.testing.assert_allclose(z[100:], stats.norm.ppf(stats.t.cdf(0.7, df)), rtol=1e-12)
    low, high = (stats.norm.isf(stats.t.sf(end, df)) for end in (1e8, 2e8))
    assert (z[1:100] >= low).all() and (z[1:100] <= high).all() and len(np.unique(z[1:100])) == 99
    u = (stats.norm.sf(z[1:100]) - stats.t.sf(2e8, df)) / (stats.t.sf(1e8, df) - stats.t.sf(2e8, df))
    assert stats.kstest(u, "uniform").pvalue > 0.01
