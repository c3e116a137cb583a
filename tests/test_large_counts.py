"""Poisson counts so large that y log(rate) - rate - log y! has no digits left: every engine, against exact answers.

The oracle is decimal arithmetic of fifty digits, and for fits the normal distribution that such a count has.
"""

from __future__ import annotations

import itertools
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import optimize, stats

import em_vs_bayes as evb
from em_vs_bayes.common import saddlepoint
from em_vs_bayes.kernels import densities as kernel_densities
from em_vs_bayes.kernels import tables
from em_vs_bayes.program.compile import compile as compile_program
from em_vs_bayes.report import densities

POISSON = evb.emissions.Poisson()
SIZES = [3e6, 1e9, 1e12, 1e15, 1e18]
TWO_PI = 2 * Decimal("3.14159265358979323846264338327950288419716939937510582")
BERNOULLI = [Decimal(p) / q for p, q in ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6))]


@pytest.fixture(autouse=True)
def fifty_digits():
    with localcontext() as context:
        context.prec = 60
        yield


def log_gamma(x: Decimal) -> Decimal:
    """By recurrence to 200, then Stirling's series."""
    product = Decimal(1)
    while x < 200:
        product, x = product * x, x + 1
    series = sum(b / ((i + 1) * (i + 2) * x ** (i + 1)) for i, b in zip(range(0, 14, 2), BERNOULLI, strict=True))
    return (x - Decimal("0.5")) * x.ln() - x + TWO_PI.ln() / 2 + series - product.ln()


def log_probability(y: float, rate: float) -> Decimal:
    if np.isnan(y):
        return Decimal(0)
    if rate == 0.0:
        return Decimal(0) if y == 0.0 else Decimal("-Infinity")
    count, mean = Decimal(float(y)), Decimal(float(rate))
    return count * mean.ln() - mean - log_gamma(count + 1)


def mixture(y, weights, rates) -> float:
    each = [[Decimal(w) * log_probability(v, r).exp() for w, r in zip(weights, rates, strict=True)] for v in y]
    return float(sum(sum(row).ln() for row in each))


def chain(y, initial, transition, rates) -> float:
    """The sum over all paths."""
    total = Decimal(0)
    for path in itertools.product(range(len(rates)), repeat=len(y)):
        probability = Decimal(initial[path[0]])
        for a, b in itertools.pairwise(path):
            probability *= Decimal(transition[a][b])
        total += probability * sum(log_probability(v, rates[k]) for v, k in zip(y, path, strict=True)).exp()
    return float(total.ln())


def sample(size: float, n: int, seed: int = 0, apart: float = 3.0) -> np.ndarray:
    """Counts of two rates that are ``apart`` standard deviations of a count apart."""
    rng = np.random.default_rng(seed)
    z = rng.random(n) < 0.4
    return np.floor(size + np.sqrt(size) * (rng.standard_normal(n) + apart * z))


def standard(size: float, values):
    return (np.asarray(values) - size) / np.sqrt(size)


@pytest.mark.parametrize("x", [0.3, 4.0, 14.9, 15.0, 1e3, 1e8, 1e15])
def test_functions_without_cancellation(x):
    exact = log_gamma(Decimal(x) + 1) - (Decimal(x) + Decimal("0.5")) * Decimal(x).ln() + Decimal(x) - TWO_PI.ln() / 2
    assert saddlepoint.stirling_error(x) == pytest.approx(float(exact), rel=1e-12, abs=1e-14)
    for mean in (x, x * 1.01, x * 0.7, x * 40.0, x + np.sqrt(x), x * 1e-9):
        exact = Decimal(x) * (Decimal(x) / Decimal(mean)).ln() + Decimal(mean) - Decimal(x)
        assert saddlepoint.deviance(x, mean) == pytest.approx(float(exact), rel=1e-14)
    half = Decimal(x) * Decimal("1e-20")  # the derivative of log Gamma by a difference
    exact = (log_gamma(Decimal(x) + half) - log_gamma(Decimal(x) - half)) / (2 * half) - Decimal(x).ln()
    assert saddlepoint.digamma_error(x) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0, 40.0, 1e9, 1e17])
def test_gamma_densities_keep_their_digits(shape):
    a, b = Decimal(shape), Decimal("0.125")
    values = shape / 0.125 * (1.0 + np.array([-1.0, 0.0, 0.5, 2.0]) / np.sqrt(shape) / 4.0)
    exact = [float(a * b.ln() - log_gamma(a) + (a - 1) * Decimal(v).ln() - b * Decimal(v)) for v in values]
    close = {"rtol": 1e-13, "atol": 1e-13 + 1e-16 * np.sqrt(shape)}  # of shape - 1, rounded
    np.testing.assert_allclose(saddlepoint.gamma_log_density(shape, 0.125, values), exact, **close)
    code = tables.DENSITY["Gamma"]
    compiled = [kernel_densities.log_density(code, shape, 0.125, 0.0, v) for v in values]
    np.testing.assert_allclose(compiled, exact, **close)


@pytest.mark.parametrize("size", SIZES)
def test_evidence_is_that_of_exact_arithmetic(size):
    y = np.r_[sample(size, 3), 0.0, np.floor(0.01 * size), 7.0]
    own = {"rates": np.array([size + np.sqrt(size), 1.01 * size, 0.5, 0.01 * size])}
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    found = evb.Mixture(POISSON, 4).log_likelihood(y, own | {"weights": weights})
    assert found == pytest.approx(mixture(y, weights, own["rates"]), rel=1e-13)
    own = {"rates": np.array([size, size + np.sqrt(size), 0.0])}
    initial, transition = np.full(3, 1 / 3), np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]])
    y = np.r_[sample(size, 2), np.nan, 0.0, sample(size, 1, 4)]
    found = evb.HMM(POISSON, 3).log_likelihood(y, own | {"initial": initial, "transition": transition})
    assert found == pytest.approx(chain(y, initial, transition, own["rates"]), rel=1e-13)


@pytest.mark.parametrize("zeros", [0, 2])
@pytest.mark.parametrize("size", SIZES[1:4])
def test_one_rate_has_its_gamma_posterior_with_every_engine(size, zeros):
    y = sample(size, 12, apart=0.0)
    y[:zeros] = 0.0
    for prior in (evb.priors.Gamma(2.0, 2.0 / size), evb.priors.Gamma(size, 1.0)):
        spec = evb.Mixture(POISSON, 1, priors={"rates": prior})
        a0, b0 = Decimal(float(prior.shape)), Decimal(float(prior.rate))
        a, b = a0 + sum(Decimal(v) for v in y), b0 + len(y)
        evidence = a0 * b0.ln() - log_gamma(a0) - a * b.ln() + log_gamma(a) - sum(log_gamma(Decimal(v) + 1) for v in y)
        vi = spec.fit(y, "vi", progressbar=False)
        assert vi.ended is evb.Status.CONVERGED
        assert vi.history["objective"][-1] == pytest.approx(float(evidence), rel=1e-13, abs=1e-16 * np.sqrt(size))
        fit = spec.fit(y, "em", objective="map", progressbar=False)
        assert fit.params["rates"][0] == pytest.approx(float((a - 1) / b), rel=1e-15)
        mean, sd = float(a / b), float(a.sqrt() / b)
        for method, options in (("gibbs", {}), ("nuts", {"draws": 500, "chains": 2}), ("laplace", {})):
            fit = spec.fit(y, method, progressbar=False, seed=1, **options)
            drawn = (fit.idata.posterior["rates"].to_numpy().ravel() - mean) / sd
            assert abs(drawn.mean()) < 0.15, method
            assert drawn.std() == pytest.approx(1.0, abs=0.08), method


@pytest.mark.parametrize("kind", [evb.Mixture, evb.HMM])
@pytest.mark.parametrize("size", [1e12, 1e15, 1e18])
def test_overlapping_rates_are_fitted_as_the_normals_they_are(size, kind):
    y = sample(size, 200)
    normal = kind(evb.emissions.Normal(), 2, fixed={"sigmas": np.ones(2)}, ordered="means")
    right = normal.fit(standard(size, y), seed=1, progressbar=False)
    fit = kind(POISSON, 2, ordered="rates").fit(y, seed=1, progressbar=False)
    assert fit.ended is evb.Status.CONVERGED
    assert not any("same emission" in note for note in fit.notes)
    near = {"abs": 30.0 / np.sqrt(size) + 1e-5}
    assert standard(size, fit.params["rates"]) == pytest.approx(right.params["means"], **near)
    assert fit.log_likelihood + 100.0 * np.log(size) == pytest.approx(right.log_likelihood, abs=1e-4)
    if size < 1e18:  # where differences of the gradient have but two digits
        errors = fit.std_errors()["rates"] / np.sqrt(size)
        assert errors == pytest.approx(right.std_errors()["means"], rel=2e-3)
    vi = kind(POISSON, 2).fit(y, "vi", seed=1, progressbar=False)
    assert vi.ended is evb.Status.CONVERGED
    assert np.diff(vi.history["objective"]).min() > -1e-6


def test_zeros_among_large_counts_are_a_rate_of_zero_with_every_engine():
    size = 1e15
    y = np.r_[sample(size, 20, apart=0.0), np.zeros(4)]
    fit = evb.Mixture(POISSON, 2).fit(y, seed=1, progressbar=False)
    assert fit.ended is evb.Status.CONVERGED
    assert np.sort(fit.params["rates"]) == pytest.approx([0.0, y[:20].mean()])
    spec = evb.Mixture(POISSON, 2, priors={"rates": evb.priors.Gamma(5.0, 5.0 / size)})
    posterior, normal = stats.gamma(5.0, scale=0.25), stats.lognorm(5.0**-0.5, scale=5.0 / 4.0)
    for method, options in (("gibbs", {}), ("nuts", {"draws": 500}), ("vi", {}), ("laplace", {})):
        drawn = spec.fit(y, method, seed=1, progressbar=False, **options).idata.posterior["rates"].to_numpy().min(-1)
        right = normal if method == "laplace" else posterior  # in the logarithm of the rate
        assert drawn.mean() == pytest.approx(right.mean(), abs=0.07), method
        assert drawn.std() == pytest.approx(right.std(), rel=0.12), method


@pytest.mark.parametrize(("size", "lost"), [(1e12, False), (1e18, True)])
def test_a_sampler_says_where_rounding_is_larger_than_what_it_explores(size, lost):
    y = np.r_[sample(size, 20, apart=0.0), 0.0]  # under one rate, a zero is that improbable
    fit = evb.Mixture(POISSON, 1).fit(y, "nuts", draws=20, tune=20, chains=2, seed=1, progressbar=False)
    assert any("no differences below" in note for note in fit.notes) is lost
    assert fit.status is evb.Status.SUSPECT if lost else fit.status is not None


@pytest.mark.parametrize("size", [1e8, 1e15])
def test_priors_by_name(size):
    """A log-normal prior that is as sure as the data: MAP and slice steps, against quadrature in units of the data."""
    y = sample(size, 25, apart=0.0)
    width = 0.2 / np.sqrt(size)
    prior = evb.Prior("LogNormal", mu=np.log(size), sigma=width)
    centre = np.exp(np.log(size))  # as rounded

    def log_posterior(z):
        rate = size + np.sqrt(size) * z
        return -saddlepoint.deviance(y.mean(), rate) * len(y) - 0.5 * (np.log1p((rate - centre) / centre) / width) ** 2

    z = np.linspace(-1.5, 1.5, 20_001)
    weight = np.array([log_posterior(v) for v in z])
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    mean = (weight * z).sum()
    sd = np.sqrt((weight * (z - mean) ** 2).sum())
    spec = evb.Mixture(POISSON, 1, priors={"rates": prior})
    top = optimize.minimize_scalar(lambda v: -log_posterior(v), bracket=(-1.0, 0.0, 1.0)).x
    fit = spec.fit(y, "em", objective="map", progressbar=False)
    assert standard(size, fit.params["rates"][0]) == pytest.approx(top, abs=1e-4)
    drawn = standard(size, spec.fit(y, "gibbs", seed=1, progressbar=False).idata.posterior["rates"]).ravel()
    assert drawn.mean() == pytest.approx(mean, abs=0.1 * sd)
    assert drawn.std() == pytest.approx(sd, rel=0.06)


@pytest.mark.parametrize("size", [1e7, 1e15, 1e18])
def test_densities_and_slopes_in_pytensor(size):
    import pytensor
    import pytensor.tensor as pt

    y = np.r_[sample(size, 4), 0.0, np.nan]
    rates = pt.dvector()
    density = POISSON.symbolic_log_density(y, {"rates": rates}, 3)
    slope = pytensor.grad(density[:4, 0].sum() + density[4, 2], rates)
    at = np.array([size + np.sqrt(size), 3.0 * size, 2.0])
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        found, slopes = (term.eval({rates: at}) for term in (density, slope))
    exact = [[float(log_probability(v, r)) for r in at] for v in y]
    np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-13 * np.sqrt(size) + 1e-13)
    assert slopes == pytest.approx([(y[:4] - at[0]).sum() / at[0], 0.0, -1.0], rel=1e-6)


@pytest.mark.parametrize("size", [3e10, 1e15, 1e18])
def test_draws_of_large_counts_and_rates(size):
    rng = np.random.default_rng(0)
    y = POISSON.simulate({"rates": np.array([size, 5.0])}, np.repeat([0, 1], 20_000), rng)
    assert y.dtype == np.int64
    assert stats.kstest(standard(size, y[:20_000]), "norm").pvalue > 1e-3
    assert stats.kstest(y[20_000:], "poisson", args=(5.0,), method="asymp").statistic < 0.18  # steps of 0.175
    assert abs(y[20_000:].mean() - 5.0) < 0.08
    drawn = evb.priors.Gamma(size, 1.0).draw(rng, 20_000)
    assert stats.kstest(standard(size, drawn), "norm").pvalue > 1e-3


def test_tails_of_large_counts():
    rate = 1e11
    z = np.array([-6.0, -2.0, 0.0, 2.0])
    y = np.floor(rate + np.sqrt(rate) * z)
    below, above = saddlepoint.large_count_tails(y, np.full(4, rate))
    np.testing.assert_allclose(below, np.log(stats.gamma.sf(rate, y + 1.0)), rtol=1e-8)
    np.testing.assert_allclose(above[:3], np.log(stats.gamma.cdf(rate, y[:3] + 1.0)), rtol=1e-8, atol=1e-15)
    far = saddlepoint.large_count_tails(np.array([1.1 * rate]), np.array([rate]))[1][0]
    assert far == pytest.approx(-saddlepoint.deviance(1.1 * rate, rate), rel=1e-6)  # Chernoff's bound, which it nears


def test_forecasts_and_figures_of_large_counts():
    size = 1e17
    fit = evb.HMM(POISSON, 1).fit(sample(size, 30, apart=0.0), progressbar=False)
    rate = fit.params["rates"][0]
    ahead = fit.forecast(1, level=0.9).iloc[0]
    quantiles = stats.norm(rate, np.sqrt(rate)).ppf([0.05, 0.5, 0.95])
    assert standard(size, ahead[["lower", "median", "upper"]]) == pytest.approx(standard(size, quantiles), abs=1e-6)
    assert np.isfinite(fit.pseudo_residuals().to_numpy()).all()
    assert densities.densities(evb.compare([fit])) is not None


def test_components_that_rows_tell_apart_are_not_alike():
    size = 1e15
    y = sample(size, 60, apart=40.0)
    fit = evb.Mixture(POISSON, 2).fit(y, seed=1, progressbar=False)
    assert np.ptp(fit.params["rates"]) == pytest.approx(40.0 * np.sqrt(size), rel=0.02)
    assert not fit.notes
    program = compile_program(evb.Mixture(POISSON, 2), y)
    assert program.told_apart(fit.theta, [(0, 1)]) == [True]
    same = program.theta_of({"weights": [0.3, 0.7], "rates": np.full(2, size)})
    assert program.told_apart(same, [(0, 1)]) == [False]


def test_what_sixty_four_bits_do_not_hold_is_refused():
    with pytest.raises(ValueError, match=r"y has counts of up to 1e\+19; Poisson wants at most 9e\+18"):
        evb.Mixture(POISSON, 1).fit([1.0, 1e19])
