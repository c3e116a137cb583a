"""Student t emissions beyond the laws: estimates by other roads, the exact ELBO, far rows, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.program.compile import compile as compile_program

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(20260301)
N = 400
Z = (RNG.random(N) < 0.6).astype(int)
TRUTH = {"weights": np.array([0.4, 0.6]), "means": np.array([0.0, 8.0]), "sigmas": np.array([1.0, 2.0])}
Y = e.StudentT(3.0).simulate(TRUTH, Z, RNG)
SPEC = evb.Mixture(e.StudentT(3.0), 2)


def sorted_params(fit):
    order = np.argsort(fit.params["means"])
    return {name: value[order] for name, value in fit.params.items()}


# --- maximum likelihood -------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1.0, 2.5, 30.0])
def test_one_component_is_the_maximum_that_a_general_optimizer_finds(df):
    y = 5.0 + 2.0 * stats.t(2).rvs(80, random_state=3)
    fit = evb.Mixture(e.StudentT(df), 1).fit(y, "em", **QUIET)
    best = optimize.minimize(
        lambda x: -stats.t.logpdf(y, df, x[0], np.exp(x[1])).sum(), [np.median(y), 0.0], method="BFGS", tol=1e-9
    )
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-8)
    assert fit.params["means"][0] == pytest.approx(best.x[0], abs=1e-5)
    assert fit.params["sigmas"][0] == pytest.approx(np.exp(best.x[1]), abs=1e-5)
    np.testing.assert_allclose(
        fit.score_samples(), stats.t.logpdf(y, df, fit.params["means"], fit.params["sigmas"]), rtol=1e-12
    )


def test_many_degrees_of_freedom_are_a_normal():
    student = evb.Mixture(e.StudentT(1e6), 2).fit(Y[np.abs(Y) < 15], "em", **QUIET)
    normal = evb.Mixture(e.Normal(), 2).fit(Y[np.abs(Y) < 15], "em", **QUIET)
    assert student.log_likelihood == pytest.approx(normal.log_likelihood, abs=1e-2)
    for name, value in sorted_params(normal).items():
        np.testing.assert_allclose(sorted_params(student)[name], value, rtol=1e-4, atol=1e-4)


def test_a_far_row_moves_nothing():
    far = np.append(Y, 1e6)
    near, with_far = (sorted_params(SPEC.fit(y, "em", **QUIET)) for y in (Y, far))
    errors = SPEC.fit(Y, "em", **QUIET).std_errors()
    for name in ("means", "sigmas"):
        assert (np.abs(with_far[name] - near[name]) < 0.5 * errors[name].min()).all()
    prior = SPEC.describe_priors(Y)["prior"].tolist(), SPEC.describe_priors(far)["prior"].tolist()
    assert prior[0][0] == prior[1][0] and "1e+0" not in prior[1][1]


def test_cauchy_components_are_found_among_rows_as_far_as_they_come():
    truth = {"weights": np.array([0.5, 0.5]), "means": np.array([-10.0, 10.0]), "sigmas": np.array([1.0, 2.0])}
    rng = np.random.default_rng(8)
    z = rng.integers(0, 2, 600)
    y = e.StudentT(1.0).simulate(truth, z, rng)
    assert np.abs(y).max() > 1000
    fit = evb.Mixture(e.StudentT(1.0), 2).fit(y, "em", **QUIET)
    errors, order = fit.std_errors(), np.argsort(fit.params["means"])
    for name, value in truth.items():
        assert (np.abs(fit.params[name][order] - value) < 4 * errors[name][order]).all()


def test_quartiles_that_coincide_leave_the_variance():
    y = np.r_[np.zeros(30), 1.0, 2.0, 3.0, 9.0]
    spec = evb.Mixture(e.StudentT(), 1)
    np.testing.assert_allclose(compile_program(spec, y).placed[-1].block.normal.prior.rate, y.var())
    assert spec.fit(y, "vi", **QUIET).converged
    with pytest.raises(ValueError, match="y is constant"):
        evb.Mixture(e.StudentT(), 1).fit(np.ones(9), "em", **QUIET)


def test_the_default_prior_has_the_quartiles_of_a_normal():
    y = stats.norm(50.0, 4.0).ppf((np.arange(4000) + 0.5) / 4000)
    program = compile_program(evb.Mixture(e.StudentT(), 2), y)
    block = program.placed[-1].block
    assert block.normal.centre[0] == pytest.approx(50.0, abs=0.01)
    np.testing.assert_allclose(block.normal.prior.rate, 4.0**2 / 4, rtol=0.01)
    np.testing.assert_allclose(block.normal.prior.mean, 0.0, atol=1e-12)


# --- CAVI ---------------------------------------------------------------------------------------------------

TINY = np.array([-0.7, 0.4, 2.9, 3.3, 14.0])
NIG = p.NormalInverseGamma([[0.0], [3.0]], [[0.5], [0.8]], [[3.0], [4.0]], [[2.0], [1.5]])


def tiny(**options):
    priors = {"weights": p.Dirichlet([2.0, 3.0]), "emission": NIG}
    return evb.Mixture(e.StudentT(2.5), 2, priors=priors, **options)


def expectations(shape, rate):
    """E[1 / v] and E[log 1 / v] of an inverse-gamma, by quadrature over log v."""
    law = stats.invgamma(shape, scale=rate)

    def mean(function):
        return integrate.quad(lambda t: function(np.exp(t)) * law.pdf(np.exp(t)) * np.exp(t), -12, 25, limit=200)[0]

    return mean(lambda v: 1 / v), mean(lambda v: -np.log(v))


def test_the_elbo_is_that_of_quadrature_over_weights():
    """log sum_k of the integral over u of exp(E_q[log p(y, u, k)]), and Kullback-Leibler terms by their definition."""
    program = compile_program(tiny(), TINY)
    theta = program.theta_of({"weights": [0.4, 0.6], "means": [0.2, 3.0], "sigmas": [0.9, 1.3]})
    _, start = program.expect(program.potentials(theta))
    factors = program.factors(theta, start)
    evidence, statistics = program.expect(program.expected_potentials(factors))
    elbo = evidence - program.kl(factors)

    named = program.named_stats(start)
    alpha, centre = np.array([2.0, 3.0]) + start[:2], program.centre["y"][0]
    n, s1, s2, count = (named[name][:, 0] for name in ("n", "s1", "s2", "count"))
    m0, k0, a0, b0 = (np.ravel(v) for v in (NIG.mean - centre, NIG.kappa, NIG.shape, NIG.rate))
    kappa, shape = k0 + n, a0 + count / 2
    mean = (k0 * m0 + s1) / kappa
    rate = b0 + 0.5 * (s2 + k0 * m0**2 - kappa * mean**2)

    def relative_entropy(q, prior, low, high):
        """KL(q || prior) of two laws, over a coordinate t = log of the variable."""
        return integrate.quad(
            lambda t: q.pdf(np.exp(t)) * np.exp(t) * (q.logpdf(np.exp(t)) - prior.logpdf(np.exp(t))),
            low,
            high,
            limit=200,
        )[0]

    def over_u(square, power):
        """Integral of u^(power + 1/2) exp(-u square / 2) Gamma(u; df / 2, df / 2)."""
        law = stats.gamma(1.25, scale=1 / 1.25)
        return integrate.quad(
            lambda t: np.exp((power + 1.5) * t - 0.5 * np.exp(t) * square) * law.pdf(np.exp(t)),
            -40, 8, limit=400, epsabs=0, epsrel=1e-11,
        )[0]  # fmt: skip

    table, weight = np.zeros((len(TINY), 2)), np.zeros((len(TINY), 2))
    kl = relative_entropy(stats.beta(*alpha), stats.beta(2, 3), -40, 0)
    for k in range(2):
        precision, log_precision = expectations(shape[k], rate[k])
        kl += relative_entropy(stats.invgamma(shape[k], scale=rate[k]), stats.invgamma(a0[k], scale=b0[k]), -12, 25)
        kl += 0.5 * (np.log(kappa[k] / k0[k]) + k0[k] / kappa[k] - 1 + k0[k] * (mean[k] - m0[k]) ** 2 * precision)
        own = stats.beta(alpha[k], alpha[1 - k])
        log_weight = integrate.quad(lambda t, own=own: t * own.pdf(np.exp(t)) * np.exp(t), -40, 0, limit=200)[0]
        for i, y in enumerate(TINY - centre):
            square = precision * (y - mean[k]) ** 2 + 1 / kappa[k]
            whole = over_u(square, 0)
            table[i, k] = log_weight + 0.5 * (log_precision - np.log(2 * np.pi)) + np.log(whole)
            weight[i, k] = over_u(square, 1) / whole
    want = np.logaddexp(table[:, 0], table[:, 1])
    assert evidence == pytest.approx(want.sum(), abs=1e-8)
    assert elbo == pytest.approx(want.sum() - kl, abs=1e-7)
    r = np.exp(table - want[:, None])
    np.testing.assert_allclose(program.named_stats(statistics)["n"][:, 0], (r * weight).sum(axis=0), rtol=1e-8)
    np.testing.assert_allclose(program.named_stats(statistics)["count"][:, 0], r.sum(axis=0), rtol=1e-8)


@pytest.mark.parametrize("fixed", [{}, {"means": [1.0]}, {"sigmas": [1.2]}], ids=["free", "mean", "sigma"])
def test_the_elbo_lies_just_below_the_evidence(fixed):
    """One component: the evidence is an integral over location and scale."""
    y = np.array([0.3, -1.0, 0.8, 2.0, 0.1, 1.4, 7.0])
    prior = p.NormalInverseGamma(0.5, 0.5, 3.0, 2.0)
    fit = evb.Mixture(e.StudentT(3.0), 1, priors={"emission": prior}, fixed=fixed).fit(y, "vi", **QUIET)
    m = np.array(fixed.get("means", np.linspace(-12, 13, 2001)))
    s = np.array(fixed.get("sigmas", np.exp(np.linspace(-4, 5, 1501))))
    log_joint = stats.t.logpdf(y, 3.0, m[:, None, None], s[:, None]).sum(axis=-1)
    log_joint = log_joint + stats.norm.logpdf(m[:, None], 0.5, s / np.sqrt(0.5))
    if "sigmas" not in fixed:
        log_joint = log_joint + stats.invgamma.logpdf(s**2, 3.0, scale=2.0) + np.log(2 * s)
    values = np.exp(log_joint)
    if "sigmas" not in fixed:
        values = integrate.simpson(values, x=s, axis=1)
    else:
        values = values[:, 0]
    evidence = np.log(integrate.simpson(values, x=m) if "means" not in fixed else values[0])
    if "means" in fixed:  # the bound is on the evidence given the fixed mean
        evidence -= stats.t.logpdf(1.0, 6.0, 0.5, np.sqrt(2.0 / 3.0 / 0.5))
    assert fit.elbo < evidence < fit.elbo + 0.5


# --- posteriors ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sampled():
    spec = evb.Mixture(e.StudentT(3.0), 2, ordered="means")
    gibbs = spec.fit(Y, "gibbs", draws=2000, tune=500, **QUIET)
    return gibbs, spec.fit(Y, "nuts", draws=1000, tune=500, **QUIET)


def test_gibbs_and_nuts_agree(sampled):
    gibbs, nuts = (fit.summary() for fit in sampled)
    assert (gibbs["rhat"] < 1.02).all() and (nuts["rhat"] < 1.02).all()
    error = np.hypot(gibbs["mcse"], nuts["mcse"])
    assert (np.abs(gibbs["estimate"] - nuts["estimate"]) < 4.5 * error).all()
    assert np.allclose(gibbs["sd"], nuts["sd"], rtol=0.15)


def test_laplace_and_vi_are_near(sampled):
    posterior = sampled[1].summary()
    for method in ("laplace", "vi"):
        fit = SPEC.fit(Y, method, **QUIET)
        for name, value in sorted_params(fit).items():
            rows = [f"{name}[{k}]" for k in range(2)]
            assert (np.abs(value - posterior.loc[rows, "estimate"]) < 0.5 * posterior.loc[rows, "sd"]).all(), name


@pytest.mark.parametrize("method", ["em", "vi", "gibbs"])
def test_weights_are_copies(method):
    weights = np.random.default_rng(4).integers(0, 4, N)
    options = {"gibbs": {"draws": 40, "tune": 20, "chains": 2}}.get(method, {})
    whole = SPEC.fit(np.repeat(Y, weights), method, **options, **QUIET)
    short = SPEC.fit(Y, method, weights=weights, init=None, **options, **QUIET)
    if method == "gibbs":
        np.testing.assert_array_equal(short.program.copies.data.y, whole.program.data.y)
        return
    assert short.history["objective"][-1] == pytest.approx(whole.history["objective"][-1], rel=1e-9)
    for name, value in sorted_params(whole).items():
        np.testing.assert_allclose(sorted_params(short)[name], value, rtol=1e-4, atol=1e-5)


def test_a_missing_value_says_nothing():
    """In a product where one stream is missing throughout a row, and in a chain where time passes."""
    emission = e.Product(u=e.StudentT(3.0), v=e.StudentT(5.0))
    params = {"weights": TRUTH["weights"]} | {f"{s}_{n}": TRUTH[n] for s in "uv" for n in ("means", "sigmas")}
    y = {"u": np.array([np.nan, 1.0, 2.0, 9.0]), "v": np.array([0.5, np.nan, 7.0, 8.0])}
    fit = evb.Mixture(emission, 2).at(y, params)
    terms = [
        np.where(np.isnan(y[s][:, None]), 0.0, stats.t.logpdf(y[s][:, None], df, TRUTH["means"], TRUTH["sigmas"]))
        for s, df in (("u", 3.0), ("v", 5.0))
    ]
    table = np.log(TRUTH["weights"]) + terms[0] + terms[1]
    np.testing.assert_allclose(fit.score_samples(), np.logaddexp(*table.T), rtol=1e-12)


def test_new_data_and_simulation():
    fit = SPEC.fit(Y, "em", **QUIET)
    new = fit.simulate(20_000, seed=5)
    means, sigmas, weights = (fit.params[n] for n in ("means", "sigmas", "weights"))
    mixed = sum(w * stats.t.cdf(np.sort(new), 3.0, m, s) for w, m, s in zip(weights, means, sigmas, strict=True))
    assert np.abs(mixed - (np.arange(20_000) + 0.5) / 20_000).max() < 1.95 / np.sqrt(20_000)
    at = np.array([-30.0, 0.0, 100.0])
    density = sum(w * stats.t.pdf(at, 3.0, m, s) for w, m, s in zip(weights, means, sigmas, strict=True))
    np.testing.assert_allclose(fit.score_samples(at), np.log(density), rtol=1e-10)


def test_forecasts_without_a_mean_have_quantiles():
    params = {"initial": [0.5, 0.5], "transition": [[0.9, 0.1], [0.2, 0.8]], "means": [0.0, 4.0], "sigmas": [1.0, 0.5]}
    row = evb.HMM(e.StudentT(1.0), 2).at([0.1, 0.2, 3.9], params).forecast(1).iloc[0]
    weights = row[["state_0", "state_1"]].to_numpy(float)
    assert np.isnan(row["mean"])
    for column, level in (("lower", 0.05), ("median", 0.5), ("upper", 0.95)):
        cdf = stats.cauchy.cdf(row[column], [0.0, 4.0], [1.0, 0.5])
        assert weights @ cdf == pytest.approx(level, abs=1e-10)


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [0, -1.0, np.nan, np.inf, 2e6])
def test_degrees_of_freedom_out_of_range(df):
    with pytest.raises(ValueError, match=r"StudentT\(df=...\) must be positive, at most 1e\+06"):
        e.StudentT(df)


@pytest.mark.parametrize("df", ["4", None, [4.0], np.array([3.0, 4.0]), True, 4j])
def test_degrees_of_freedom_that_are_no_number(df):
    with pytest.raises(TypeError, match=r"StudentT\(df=...\) must be a number; got"):
        e.StudentT(df)


def test_degrees_of_freedom_are_the_emissions_own():
    assert e.StudentT(np.int64(3)) == e.StudentT(3.0) != e.StudentT(4.0)
    assert repr(e.StudentT(3)) == "StudentT(df=3.0)"
    for argument in ("priors", "fixed"):
        with pytest.raises(ValueError, match=f"{argument}.*df"):
            evb.Mixture(e.StudentT(), 2, **{argument: {"df": 3.0}})
    with pytest.raises(ValueError, match=r"unknown \['df'\]"):
        SPEC.at(Y, TRUTH | {"df": [3.0, 3.0]})
    fit = SPEC.fit(Y, "em", **QUIET)
    assert list(fit.params) == ["weights", "means", "sigmas"]
    assert fit.program.ndim == 5
    with pytest.raises(ValueError, match="y must have one column for StudentT; got 2"):
        SPEC.fit(np.column_stack([Y, Y]), "em", **QUIET)
