"""Modes under priors by name, and of truncated regressions with weights: against SciPy's optimisers and densities."""

import numpy as np
import pytest
import two_lines
from scipy import optimize, stats

import em_vs_bayes as evb
from em_vs_bayes.common.status import Status
from em_vs_bayes.model.blocks.elementwise import climbed, climbed_vectors

QUIET = {"progressbar": False, "seed": 1}
e, p = evb.emissions, evb.priors
LAWS = {  # prior, the same in SciPy
    "Normal": (evb.Prior("Normal", mu=0.3, sigma=1.2), stats.norm(0.3, 1.2)),
    "StudentT": (evb.Prior("StudentT", nu=3.0, mu=1.0, sigma=0.5), stats.t(3.0, 1.0, 0.5)),
    "HalfNormal": (evb.Prior("HalfNormal", sigma=2.0), stats.halfnorm(0.0, 2.0)),
    "HalfCauchy": (evb.Prior("HalfCauchy", beta=1.0), stats.halfcauchy(0.0, 1.0)),
    "Gamma": (evb.Prior("Gamma", alpha=2.0, beta=1.5), stats.gamma(2.0, scale=1 / 1.5)),
    "LogNormal": (evb.Prior("LogNormal", mu=0.0, sigma=1.0), stats.lognorm(1.0)),
    "Uniform": (evb.Prior("Uniform", lower=0.5, upper=2.0), stats.uniform(0.5, 1.5)),
    "Laplace": (evb.Prior("Laplace", mu=0.7, b=0.3), stats.laplace(0.7, 0.3)),
    "Beta": (evb.Prior("Beta", alpha=2.0, beta=3.0), stats.beta(2.0, 3.0)),
}
DATA = {  # what completed data say of x
    "MEAN": lambda x, a, b: a * x - 0.5 * b * x**2,
    "SIGMA": lambda x, a, b: -a * np.log(x) - 0.5 * b / x**2,
    "VARIANCE": lambda x, a, b: -0.5 * (a * np.log(x) + b / x),
    "RATE": lambda x, a, b: a * np.log(x) - b * x,
    "PROBABILITY": lambda x, a, b: a * np.log(x) + b * np.log1p(-x),
}
GRID = np.unique(np.concatenate([np.linspace(-8.0, 8.0, 3001), np.exp(np.linspace(-9.0, 9.0, 3001)), [0.5, 0.7, 2.0]]))


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("name", LAWS)
def test_elements_climb_to_the_highest_point(name, kind):
    prior, law = LAWS[name]
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0.1, 30.0, (2, 12))
    found = climbed(kind, prior, np.full(12, 0.8), np.ones(12, dtype=bool), first, second)
    with np.errstate(all="ignore"):
        for a, b, x in zip(first, second, found, strict=True):
            heights = np.nan_to_num(law.logpdf(GRID) + DATA[kind](GRID, a, b), nan=-np.inf)
            assert law.logpdf(x) + DATA[kind](x, a, b) >= heights.max() - 1e-10


@pytest.mark.parametrize("name", ["Normal", "StudentT", "Laplace", "Uniform", "HalfNormal"])
def test_vectors_climb_though_columns_are_nearly_alike(name):
    prior, law = LAWS[name]
    rng = np.random.default_rng(2)
    x = 5.0 + rng.normal(size=(12, 2))
    y = x @ [1.0, 0.8] + rng.normal(size=12)
    start = np.full((1, 2), 0.9)
    found = climbed_vectors(prior, start, np.ones((1, 2), dtype=bool), (x.T @ x)[None], (x.T @ y)[None])[0]

    def minus(b):
        value = -(b @ x.T @ y - 0.5 * b @ x.T @ x @ b + law.logpdf(b).sum())
        return value if np.isfinite(value) else 1e10

    options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 2000}
    best = min(
        (optimize.minimize(minus, b, method="Nelder-Mead", options=options) for b in (found, start[0])),
        key=lambda o: o.fun,
    )
    assert minus(found) <= best.fun + 1e-8


FAMILIES = {
    "normal": (e.Normal(), {"means": "Laplace", "sigmas": "HalfNormal"}),
    "t": (e.StudentT(4.0), {"means": "Normal", "sigmas": "LogNormal"}),
    "poisson": (e.Poisson(), {"rates": "LogNormal"}),
    "bernoulli": (e.Bernoulli(), {"probs": "Uniform"}),
    "line": (e.LinearRegression(), {"coefficients": "StudentT", "sigmas": "HalfCauchy"}),
    "truncated": (e.TruncatedRegression(lower=0.0), {"coefficients": "Normal", "sigmas": "HalfNormal"}),
    "truncated, odd": (e.TruncatedRegression(lower=0.0), {"coefficients": "Laplace", "sigmas": "HalfNormal"}),
}
PRIORS = {**{name: prior for name, (prior, _) in LAWS.items()}, "Uniform": evb.Prior("Uniform", lower=0.05, upper=0.9)}


@pytest.mark.parametrize("name", FAMILIES)
def test_maps_under_priors_by_name_are_stationary(name):
    """No step in any coordinate leads higher than the fit, of a mixture that the data know well."""
    emission, named = FAMILIES[name]
    rng = np.random.default_rng(3)
    n, z = 80, rng.integers(2, size=80)
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = {
        "poisson": rng.poisson(np.array([1.0, 9.0])[z]).astype(float),
        "bernoulli": (rng.random(n) < 0.4).astype(float),
    }.get(name, np.abs(6.0 * z + 0.5 + rng.normal(size=n)) + 0.01)
    spec = evb.Mixture(emission, 2, priors={key: PRIORS[law] for key, law in named.items()})
    exog = {"exog": x} if emission.takes_exog else {}
    fit = spec.fit(y, objective="map", n_init=4, **exog, **QUIET)
    assert fit.status in (Status.CONVERGED, Status.COLLAPSED)
    if fit.status is Status.COLLAPSED:
        return
    program, theta = fit.program, fit.theta
    density = program.density(theta, 1.0, 1.0, 0.0)
    at = program.unconstrain(theta)
    if np.isfinite(at).all():
        top = density(at)[0]
        for i in range(len(at)):
            for step in (-1e-3, 1e-3):
                moved = at.copy()
                moved[i] += step
                assert density(moved)[0] <= top + 1e-8


@pytest.mark.parametrize("seed", [0, 5, 8, 11])
def test_mixtures_of_truncated_regressions_converge(seed):
    """The likelihood has its maximum in the sample's own rows: written out with SciPy, and climbed by it from there."""
    x, y, cut = two_lines.seen(seed)
    fit = evb.Mixture(e.TruncatedRegression(None, cut), 2).fit(y, exog=x, n_init=5, **QUIET)
    assert fit.status is Status.CONVERGED

    def height(v):
        b, s, w = v[:8].reshape(2, 4), np.exp(v[8:10]), 1.0 / (1.0 + np.exp(-v[10]))
        line = x @ b.T
        terms = stats.norm.logpdf(y[:, None], line, s) - stats.norm.logsf(cut, line, s)
        return float(np.logaddexp(terms[:, 0] + np.log(w), terms[:, 1] + np.log1p(-w)).sum())

    weight = fit.params["weights"][0]
    at = np.concatenate(
        [fit.params["coefficients"].ravel(), np.log(fit.params["sigmas"]), [np.log(weight / (1.0 - weight))]]
    )
    assert height(at) == pytest.approx(fit.log_likelihood, abs=1e-6)
    slopes = optimize.approx_fprime(at, height, 1e-6)
    scale = np.concatenate([np.tile(np.abs(x).max(axis=0), 2) / np.repeat(fit.params["sigmas"], 4), np.ones(3)])
    assert (np.abs(slopes) <= 1e-2 * np.maximum(scale, 1.0)).all()


@pytest.mark.parametrize("upper", [None, 4.0])
@pytest.mark.parametrize(
    "priors", [{}, {"sigma": evb.Prior("HalfNormal", sigma=1.0), "coefficients": LAWS["Laplace"][0]}]
)
@pytest.mark.parametrize("line", [[1.0, 0.8], [1.0, np.nan]])
def test_sigma_of_a_known_line_in_a_truncated_sample(line, priors, upper):
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    y = 1.0 + 0.8 * x + rng.normal(size=200)
    rows = (y > 0.0) & (y < (upper or np.inf))
    x, y = np.column_stack([np.ones(rows.sum()), x[rows]]), y[rows]
    spec = evb.TruncatedRegression(lower=0.0, upper=upper, fixed={"coefficients": line}, priors=priors)
    fit = spec.fit(y, exog=x, objective="map" if priors else "mle", **QUIET)

    def minus(v):
        mean, sigma = x @ [1.0, v[1] if np.isnan(line[1]) else 0.8], np.exp(v[0])
        ends = (stats.norm.cdf(end, mean, sigma) for end in (upper or np.inf, 0.0))
        total = stats.norm.logpdf(y, mean, sigma) - np.log(next(ends) - next(ends))
        prior = stats.halfnorm.logpdf(sigma) + (LAWS["Laplace"][1].logpdf(v[1]) if np.isnan(line[1]) else 0.0)
        return -(total.sum() + (prior if priors else 0.0))

    best = optimize.minimize(minus, [0.0, 0.6], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
    assert fit.status is Status.CONVERGED
    assert fit.params["sigma"] == pytest.approx(np.exp(best.x[0]), rel=1e-5)
    if np.isnan(line[1]):
        assert fit.params["coefficients"][1] == pytest.approx(best.x[1], abs=1e-5)


def test_a_truncated_component_that_runs_off_is_said():
    """Responses that fall off more slowly than any exponential law, next to a cluster that does not."""
    rng = np.random.default_rng(0)
    y = np.concatenate([50.0 + rng.normal(size=60), 3.0 * rng.weibull(0.6, 60)])
    y = y[y > 0.0]
    fit = evb.Mixture(e.TruncatedRegression(lower=0.0), 2).fit(y, exog=np.ones((len(y), 1)), **QUIET)
    assert fit.status is Status.UNBOUNDED
    assert any("sigma runs to infinity" in note for note in fit.notes)


ENOUGH = {
    "joint": {"emission": p.NormalInverseGamma(mean=0.0, kappa=1.0, shape=2.0, rate=1.0)},
    "apart": {"coefficients": p.Normal(0.0, 2.0), "sigmas": p.InverseGamma(3.0, 2.0)},
    "by name": {
        "coefficients": evb.Prior("StudentT", nu=5.0, mu=0.0, sigma=1.0),
        "sigmas": evb.Prior("Gamma", alpha=30.0, beta=30.0),
    },
}
RNG = np.random.default_rng(4)
FEW = np.column_stack([np.ones(5), RNG.normal(size=(5, 7))])
TWICE = np.column_stack([np.ones(30), np.repeat(RNG.normal(size=(30, 1)), 2, axis=1)])


@pytest.mark.parametrize("design", [FEW, TWICE], ids=["few rows", "one column twice"])
@pytest.mark.parametrize("priors", ENOUGH.values(), ids=ENOUGH)
def test_proper_priors_make_up_for_rows(design, priors):
    y = design @ RNG.normal(size=design.shape[1]) + RNG.normal(size=len(design))
    spec = evb.Mixture(e.LinearRegression(), 1, priors=priors)
    fit = spec.fit(y, objective="map", exog=design, **QUIET)
    assert fit.status is Status.CONVERGED
    sampled = spec.fit(y, "gibbs", exog=design, draws=20, tune=20, chains=1, **QUIET)
    assert np.isfinite(sampled.params["coefficients"]).all()
    with pytest.raises(ValueError, match=r"not determined.*With these priors objective='map'"):
        spec.fit(y, exog=design, **QUIET)
    with pytest.raises(ValueError, match="not determined"):
        evb.Mixture(e.LinearRegression(), 1).fit(y, objective="map", exog=design, **QUIET)
    if "emission" in priors:
        ridge = np.linalg.solve(design.T @ design + np.eye(design.shape[1]), design.T @ y)
        np.testing.assert_allclose(fit.params["coefficients"][0], ridge, rtol=1e-8)
    else:
        density = fit.program.density(fit.theta, 1.0, 1.0, 0.0)
        assert np.abs(density(fit.program.unconstrain(fit.theta))[1]).max() < 1e-4


@pytest.mark.parametrize("scale", [1e155, 1e200, 1e-160])
def test_regressions_say_what_leaves_floating_point(scale):
    y, x = RNG.normal(size=20), RNG.normal(size=20)
    for spec, response in ((evb.Tobit(), np.abs(y)), (evb.CensoredRegression(), np.column_stack([y, y]))):
        with pytest.raises(ValueError, match=r"y ranges from .*: squares of such numbers leave floating point"):
            spec.fit(response * scale, exog=np.column_stack([np.ones(20), x]), **QUIET)
        with pytest.raises(ValueError, match="exog, column 'x1', ranges from"):
            spec.fit(response, exog=np.column_stack([np.ones(20), x * scale]), **QUIET)


def test_a_crawl_is_left_to_a_quasi_newton_method():
    """A state of responses known from below alone: sigma falls for ever, and EM would by ever smaller steps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=150)
    y = np.column_stack([x + rng.normal(size=150), np.full(150, np.inf)])
    y[::2, 1] = y[::2, 0]
    named = {"coefficients": evb.Prior("Normal", mu=0.0, sigma=9.0), "sigmas": evb.Prior("HalfNormal", sigma=2.0)}
    spec = evb.HMM(e.CensoredRegression(df=50), 4, priors=named)
    fits = [
        spec.fit(
            y, objective="map", exog=np.column_stack([np.ones(150), x]), accelerate=how, max_iter=300, n_init=1, **QUIET
        )
        for how in ("auto", "anderson")
    ]
    assert fits[0].history["objective"][-1] >= fits[1].history["objective"][-1]
    assert (np.diff(fits[0].history["objective"]) > -1e-9).all()


def test_a_uniform_prior_far_from_zero():
    """Means are centred inside, and the ends of the prior with them; at an end the estimate is held."""
    y = 100.0 + np.random.default_rng(0).normal(size=60)
    wide = {"means": evb.Prior("Uniform", lower=90.0, upper=110.0)}
    spec = evb.Mixture(e.Normal(), 1, priors=wide)
    fit = spec.fit(y, objective="map", **QUIET)
    assert fit.params["means"].item() == pytest.approx(y.mean(), abs=1e-9)
    assert 0.0 < fit.std_errors()["means"].item() < 0.2
    drawn = spec.fit(y, "nuts", draws=100, tune=100, chains=2, **QUIET)
    assert drawn.params["means"].item() == pytest.approx(y.mean(), abs=0.2)
    short = evb.Mixture(e.Normal(), 1, priors={"means": evb.Prior("Uniform", lower=90.0, upper=99.0)})
    fit = short.fit(y, objective="map", **QUIET)
    assert fit.params["means"].item() == pytest.approx(99.0, abs=1e-12)
    assert any("means[0] = 99" in note for note in fit.notes)
    assert fit.std_errors()["sigmas"].item() > 0.0
