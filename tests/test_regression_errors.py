"""Standard errors of censored and truncated regressions, against derivatives of the likelihood by definition."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from naive import censored

import em_vs_bayes as evb
from em_vs_bayes import priors
from em_vs_bayes.fit import information
from em_vs_bayes.fit.fitted import Fitted

QUIET = {"progressbar": False, "seed": 1}
FAIR = "affairs ~ age + yearsmarried + religiousness + occupation + rating"


def with_intercept(frame):
    return np.column_stack([np.ones(len(frame)), frame.to_numpy(float)])


def make(n=60, seed=3):
    """A design of two predictors, a latent response on it, clusters of about five rows and whole case weights."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n), rng.uniform(-1, 2, size=n)])
    group = rng.integers(0, n // 5, size=n)
    y = X @ [0.4, 1.0, -0.6] + 0.5 * rng.normal(size=n // 5)[group] + 1.2 * rng.normal(size=n)
    return X, y, group, rng.integers(1, 4, size=n).astype(float)


def tobit(lower=0.0, upper=None):
    X, y, *_ = make()
    y = np.clip(y, -np.inf if lower is None else lower, np.inf if upper is None else upper)
    return evb.Tobit(lower=lower, upper=upper), y, X, censored.tobit_intervals(y, lower, upper)


def intervals():
    """Exact, left, right and interval responses, wide ones and narrow ones."""
    X, y, *_ = make()
    kind = np.arange(len(y)) % 5
    low = np.where(kind == 1, -np.inf, np.where(kind == 3, np.floor(y), np.where(kind == 4, y - 0.01, y)))
    high = np.where(kind == 2, np.inf, np.where(kind == 3, np.floor(y) + 1, np.where(kind == 4, y + 0.02, y)))
    ends = np.column_stack([low, high])
    return evb.CensoredRegression(), ends, X, ends


def truncated(lower=-1.0, upper=None):
    X, y, *_ = make(200)
    seen = (y > (-np.inf if lower is None else lower)) & (y < (np.inf if upper is None else upper))
    return evb.TruncatedRegression(lower=lower, upper=upper), y[seen], X[seen], None


CASES = {
    "left": tobit,
    "right": partial(tobit, None, 1.0),
    "both": partial(tobit, -0.5, 1.5),
    "intervals": intervals,
    "truncated below": truncated,
    "truncated above": partial(truncated, None, 2.0),
    "truncated on both sides": partial(truncated, -1.0, 2.5),
}


def oracle(spec, y, X, ends):
    """Row terms of the log-likelihood at points (..., p + 1) of (b, sigma)."""
    if ends is None:
        lower, upper = (-np.inf if spec.lower is None else spec.lower), (np.inf if spec.upper is None else spec.upper)
        terms = partial(censored.truncated_terms, y, X, lower=lower, upper=upper)
    else:
        terms = partial(censored.censored_terms, ends, X)
    return lambda at: terms(at[..., :-1], at[..., -1])


def point(fit):
    return np.append(fit.params["coefficients"], fit.params["sigma"])


def row_scores(rows, at):
    """Derivatives (n, p + 1) of each row's term: central differences of fourth order."""
    step = 2e-3 * np.maximum(np.abs(at), 0.1)
    moves = np.array([-2.0, -1.0, 1.0, 2.0])[:, None, None] * np.diag(step)
    return np.einsum("a,ain->ni", np.array([1.0, -8.0, 8.0, -1.0]) / 12, rows(at + moves)) / step


def curvature(rows, at, weights=None):
    step = 5e-3 * np.maximum(np.abs(at), 0.1)
    w = 1.0 if weights is None else weights
    return -censored.differences(lambda x: (rows(x) * w).sum(axis=-1), at, step)[1]


@pytest.fixture(scope="module", params=CASES, ids=list(CASES))
def case(request):
    spec, y, X, ends = CASES[request.param]()
    fit = spec.fit(y, exog=X, **QUIET)
    return fit, oracle(spec, y, X, ends), point(fit), len(y)


def close(got, wanted, tolerance):
    """To a fraction of the standard errors, whatever the units."""
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    np.testing.assert_allclose(got / scale, wanted / scale, rtol=0, atol=tolerance)


def test_observed_is_the_curvature_of_the_likelihood(case):
    fit, rows, at, _ = case
    close(fit.vcov("observed").to_numpy(), np.linalg.inv(curvature(rows, at)), 1e-6)
    assert list(fit.vcov().index) == ["coefficients[0]", "coefficients[1]", "coefficients[2]", "sigma"]


def test_louis_is_observed(case):
    """Complete less missing information is the curvature, to rounding."""
    fit, *_ = case
    close(fit.vcov("louis").to_numpy(), fit.vcov("observed").to_numpy(), 1e-8)


def test_away_from_the_maximum_too(case):
    fit, rows, at, _ = case
    at = at + np.array([0.1, -0.1, 0.05, 0.2])
    there = fit.spec.at(fit.program.y, {"coefficients": at[:-1], "sigma": at[-1]}, exog=fit.program.exog)
    wanted = np.linalg.inv(curvature(rows, at))
    close(there.vcov("observed").to_numpy(), wanted, 1e-6)
    close(there.vcov("louis").to_numpy(), wanted, 1e-6)


def test_outer_product_and_sandwich(case):
    fit, rows, at, _ = case
    scores = row_scores(rows, at)
    bread, meat = np.linalg.inv(curvature(rows, at)), scores.T @ scores
    close(fit.vcov("opg").to_numpy(), np.linalg.inv(meat), 1e-6)
    close(fit.vcov("sandwich").to_numpy(), bread @ meat @ bread, 1e-6)
    assert np.abs(scores.sum(axis=0) @ bread @ scores.sum(axis=0)) < 1e-6  # it is a maximum


def test_clustered_is_the_sandwich_of_cluster_sums(case):
    fit, rows, at, n = case
    group = np.random.default_rng(7).integers(0, 9, size=n)
    scores, bread = row_scores(rows, at), np.linalg.inv(curvature(rows, at))
    sums = np.stack([scores[group == g].sum(axis=0) for g in range(9)])
    close(fit.vcov("clustered", clusters=group).to_numpy(), bread @ (sums.T @ sums * 9 / 8) @ bread, 1e-6)
    names = np.array(list("abcdefghi"))[group]
    np.testing.assert_array_equal(
        fit.std_errors("clustered", clusters=names)["sigma"], fit.std_errors("clustered", clusters=group)["sigma"]
    )


def test_every_row_its_own_cluster(case):
    fit, *_, n = case
    factor = n / (n - 1)
    close(fit.vcov("clustered", clusters=np.arange(n)).to_numpy(), factor * fit.vcov("sandwich").to_numpy(), 1e-12)


def test_case_weights_are_repeated_rows():
    X, _, group, weights = make()
    spec, y, _, ends = tobit()
    times = weights.astype(int)
    one = spec.fit(y, exog=X, weights=weights, **QUIET)
    many = spec.fit(np.repeat(y, times), exog=np.repeat(X, times, axis=0), **QUIET)
    for kind in ("observed", "louis", "opg", "sandwich"):
        close(one.vcov(kind).to_numpy(), many.vcov(kind).to_numpy(), 1e-6)
    close(
        one.vcov("clustered", clusters=group).to_numpy(),
        many.vcov("clustered", clusters=np.repeat(group, times)).to_numpy(),
        1e-6,
    )
    at = point(one)
    close(one.vcov().to_numpy(), np.linalg.inv(curvature(oracle(spec, y, X, ends), at, weights)), 1e-6)


INDEPENDENT = {"coefficients": priors.Normal(0.0, 0.7), "sigma": priors.InverseGamma(3.0, 2.0)}
JOINT = {"regression": priors.NormalInverseGamma(mean=[0.0, 0.5, 0.0], kappa=3.0 * np.eye(3), shape=3.0, rate=2.0)}
ORACLES = {
    "independent": (INDEPENDENT, censored.Independent(0.0, 0.7, 3.0, 2.0)),
    "joint": (JOINT, censored.NormalInverseGamma(np.array([0.0, 0.5, 0.0]), 3.0 * np.eye(3), 3.0, 2.0)),
}


@pytest.mark.parametrize("which", ORACLES)
def test_the_prior_counts_where_the_estimate_is_a_map(which):
    spec, y, X, ends = tobit()
    given, density = ORACLES[which]
    fit = evb.Tobit(priors=given).fit(y, exog=X, objective="map", **QUIET)
    rows, at = oracle(spec, y, X, ends), point(fit)

    def log_prior(x):
        return density.log_density(x[..., :-1], x[..., -1] ** 2) + np.log(2 * x[..., -1])

    assert float(log_prior(at)) == pytest.approx(fit.program.log_prior(fit.theta), abs=1e-9)
    step = 5e-3 * np.maximum(np.abs(at), 0.1)
    hessian = censored.differences(lambda x: rows(x).sum(axis=-1) + log_prior(x), at, step)[1]
    close(fit.vcov().to_numpy(), np.linalg.inv(-hessian), 1e-6)
    close(fit.vcov("louis").to_numpy(), np.linalg.inv(-hessian), 1e-6)
    flat = evb.Tobit().fit(y, exog=X, **QUIET)
    assert fit.std_errors()["coefficients"][0] < 0.99 * flat.std_errors()["coefficients"][0]


@pytest.mark.parametrize("fixed", [{"sigma": 1.3}, {"coefficients": [np.nan, 1.0, np.nan]}])
def test_what_is_fixed_has_no_error(fixed):
    spec, y, X, ends = tobit()
    fit = evb.Tobit(fixed=fixed).fit(y, exog=X, **QUIET)
    free = [0, 1, 2] if "sigma" in fixed else [0, 2, 3]
    whole = curvature(oracle(spec, y, X, ends), point(fit))
    got = fit.vcov().to_numpy()
    close(got[np.ix_(free, free)], np.linalg.inv(whole[np.ix_(free, free)]), 1e-6)
    held = [i for i in range(4) if i not in free]
    assert not got[held].any() and not got[:, held].any()
    assert not fit.vcov("sandwich").to_numpy()[held].any()


@pytest.mark.parametrize("ends", [(40.0, np.inf), (-np.inf, -40.0), (-1e-6, 2e-6), (7.0, 7.5), (-3.0, 40.0)])
def test_far_tails_and_narrow_intervals(ends):
    """The information about the line is 1 - Var[z], with the variance by quadrature; Louis agrees in all of it."""
    fitted = Fitted(
        spec=evb.CensoredRegression(),
        design=np.ones((1, 1)),
        names=("Intercept",),
        low=np.array([ends[0]]),
        high=np.array([ends[1]]),
        ends=None,
        weights=np.ones(1),
        coefficients=np.zeros(1),
        sigma=1.0,
    )
    observed, (complete, missing) = information.observed(fitted), information.louis(fitted)
    exact = censored.moments(*ends)
    assert observed[0, 0] == pytest.approx(1.0 - exact.variance, abs=1e-12)
    assert complete[0, 1] == pytest.approx(2.0 * exact.mean, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(observed, complete - missing, rtol=1e-9, atol=1e-9)


# --- published ------------------------------------------------------------------------------------------------------


def test_affairs_as_printed():
    """R, censReg 0.5-36 with sandwich, tests/censRegTest.Rout.save: vcov, sandwich, BHHH; sigma by the delta method."""
    fit = evb.Tobit(FAIR).fit(evb.datasets.load("affairs"), **QUIET)
    sigma = fit.params["sigma"]
    got = fit.vcov("observed").to_numpy()
    np.testing.assert_allclose(np.diag(got), [7.52, 0.01, 0.02, 0.16, 0.06, 0.17, 0.31], atol=0.00501)
    np.testing.assert_allclose(got[-1, :-1], [0.06, 0.00, 0.01, -0.04, 0.01, -0.06], atol=0.00501)
    robust = fit.vcov("sandwich").to_numpy()
    np.testing.assert_allclose(robust[0, :-1], [9.47, -0.19, 0.16, -0.42, -0.16, -0.67], atol=0.00501)
    assert robust[0, -1] / sigma == pytest.approx(-0.04, abs=0.00501)
    opg = np.sqrt(np.diag(fit.vcov("opg").to_numpy()))
    np.testing.assert_allclose(opg[:-1], [2.608, 0.076, 0.141, 0.414, 0.265, 0.444], atol=1.2e-3)
    assert opg[-1] / sigma == pytest.approx(0.087, abs=6e-4)


# --- the bootstrap --------------------------------------------------------------------------------------------------


def test_bootstrap_of_rows_is_about_the_sandwich():
    """Both are consistent when the model is right; 300 draws tell an error to 4 %."""
    X, *_ = make(400, seed=11)
    y = np.maximum(X @ [0.4, 1.0, -0.6] + np.random.default_rng(5).normal(size=400), 0.0)
    fit = evb.Tobit().fit(y, exog=X, **QUIET)
    options = {"n_boot": 300, "seed": 2, "progressbar": False}
    boot, robust = fit.std_errors("bootstrap", **options), fit.std_errors("sandwich")
    np.testing.assert_allclose(boot["coefficients"], robust["coefficients"], rtol=0.16)
    assert boot["sigma"] == pytest.approx(robust["sigma"], rel=0.16)
    limits = fit.confint(0.9, "bootstrap", **options)
    np.testing.assert_allclose(
        (limits["upper"] - limits["lower"]).to_numpy()[:3] / (2 * 1.645), boot["coefficients"], rtol=0.25
    )
    again = fit.std_errors("bootstrap", **options)
    np.testing.assert_array_equal(again["coefficients"], boot["coefficients"])


def test_bootstrap_of_clusters_is_wider_where_rows_repeat():
    """Every row four times over: rows pretend to be independent, clusters do not."""
    spec, y, X, _ = tobit()
    n = len(y)
    fit = spec.fit(np.repeat(y, 4), exog=np.repeat(X, 4, axis=0), **QUIET)
    options = {"n_boot": 100, "seed": 3, "progressbar": False}
    rows = fit.std_errors("bootstrap", **options)["coefficients"]
    clusters = fit.std_errors("bootstrap", clusters=np.repeat(np.arange(n), 4), **options)["coefficients"]
    once = spec.fit(y, exog=X, **QUIET)
    np.testing.assert_allclose(clusters, once.std_errors("sandwich")["coefficients"], rtol=0.4)
    np.testing.assert_allclose(clusters / rows, 2.0, rtol=0.35)


def test_bootstrap_and_clusters_of_other_models():
    y = np.concatenate([np.random.default_rng(0).normal(0, 1, 80), np.random.default_rng(1).normal(8, 1, 80)])
    fit = evb.GaussianMixture(2).fit(y, **QUIET)
    boot = fit.std_errors("bootstrap", n_boot=60, seed=1, progressbar=False)
    np.testing.assert_allclose(boot["means"], fit.std_errors()["means"], rtol=0.4)
    rows = np.arange(len(y))
    close(
        fit.vcov("clustered", clusters=rows).to_numpy()[1:, 1:],
        fit.vcov("sandwich").to_numpy()[1:, 1:] * len(y) / (len(y) - 1),
        1e-9,
    )


def test_scores_of_a_chain_add_up_to_the_gradient():
    """Row terms given the past do; terms given all other rows would not."""
    from em_vs_bayes.fit.curvature import curvature as bent

    rng = np.random.default_rng(2)
    y = np.where(np.repeat(rng.integers(0, 2, size=20), 6) == 1, 4.0, 0.0) + rng.normal(size=120)
    fit = evb.GaussianHMM(2).fit(y, **QUIET)
    away = fit.spec.at(y, {**fit.params, "means": fit.params["means"] + 0.3})
    curved = bent(away)
    program, theta = curved.held.program, curved.held.theta  # the first state is sure
    gradient = program.density(theta, prior=0.0, jacobian=0.0)(program.unconstrain(theta))[1]
    np.testing.assert_allclose(curved.scores().sum(axis=0), gradient @ curved.directions, rtol=1e-5, atol=1e-5)


def test_sequences_are_drawn_whole():
    """Thirty short chains; a row never leaves its sequence, so that weights stay even within one."""
    rng = np.random.default_rng(4)
    level = np.repeat(rng.integers(0, 2, size=60), 5) * 5.0
    fit = evb.GaussianHMM(2).fit(level + rng.normal(size=300), lengths=[10] * 30, **QUIET)
    boot = fit.std_errors("bootstrap", n_boot=60, seed=1, progressbar=False)
    np.testing.assert_allclose(boot["means"], fit.std_errors()["means"], rtol=0.5)


def test_a_loaded_fit_answers_alike(tmp_path):
    frame = evb.datasets.load("affairs")
    fit = evb.Tobit(FAIR).fit(frame, weights=np.arange(601) % 3 + 1.0, **QUIET)
    fit.save(tmp_path / "fit.zip")
    again = evb.load(tmp_path / "fit.zip")
    for asked in ({"kind": "louis"}, {"kind": "clustered", "clusters": "rating"}):
        np.testing.assert_array_equal(fit.vcov(**asked), again.vcov(**asked))
    np.testing.assert_array_equal(fit.predict(frame[:3]), again.predict(frame[:3]))


def test_clusters_by_the_name_of_a_column():
    frame = evb.datasets.load("affairs")
    fit = evb.Tobit(FAIR).fit(frame, **QUIET)
    np.testing.assert_array_equal(
        fit.vcov("clustered", clusters="rating"), fit.vcov("clustered", clusters=frame["rating"].to_numpy())
    )


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain():
    spec, y, X, _ = tobit()
    return spec.fit(y, exog=X, **QUIET)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "robust"}, "kind must be one of .*'clustered'.* got 'robust'"),
        ({"kind": "clustered"}, "kind='clustered' wants clusters="),
        ({"kind": "observed", "clusters": np.zeros(60)}, "clusters= goes with kind='clustered' or 'bootstrap'"),
        ({"kind": "clustered", "clusters": np.zeros(60)}, "one cluster"),
        ({"kind": "clustered", "clusters": np.arange(5)}, r"clusters must be \(60,\), one label per row; got shape"),
        ({"kind": "clustered", "clusters": "town"}, "clusters='town' is no column of the data"),
        ({"kind": "clustered", "clusters": np.r_[np.nan, np.arange(59)]}, r"missing in 1 row\(s\) \(first: row 0\)"),
        ({"kind": "bootstrap", "n_boot": 1}, "n_boot must be an integer of at least 2; got 1"),
        ({"kind": "observed", "n_boot": 50}, "n_boot=50 goes with kind='bootstrap'; got kind='observed'"),
        ({"seed": 1}, "seed=1 goes with kind='bootstrap'"),
        ({"kind": "posterior"}, "kind='posterior' needs draws"),
    ],
)
def test_refusals(plain, arguments, words):
    with pytest.raises(ValueError, match=words):
        plain.vcov(**arguments, progressbar=False)


def test_refusals_of_other_fits():
    spec, y, X, _ = tobit()
    with pytest.raises(ValueError, match="fits again by EM; this fit is by 'given'"):
        spec.at(y, {"coefficients": [0.0, 1.0, 0.0], "sigma": 1.0}, exog=X).vcov("bootstrap")
    with pytest.raises(ValueError, match="case weights must be whole numbers"):
        spec.fit(y, exog=X, weights=np.full(len(y), 0.5), **QUIET).vcov("bootstrap", progressbar=False)
    series = np.random.default_rng(1).normal(size=30)
    mixture, chain = evb.GaussianMixture(1).fit(series, **QUIET), evb.GaussianHMM(1).fit(series, **QUIET)
    with pytest.raises(ValueError, match="kind='louis' is worked out for Tobit"):
        mixture.vcov("louis")
    known = evb.GaussianHMM(2).fit(series, labels=np.where(np.arange(30) < 4, 0, -1), **QUIET)
    with pytest.raises(ValueError, match="known labels cannot be kept"):
        known.vcov("bootstrap", progressbar=False)
    doubled = evb.GaussianHMM(1).fit(series, weights=np.full(30, 2.0), **QUIET)
    with pytest.raises(ValueError, match="its case weight must be 1; got 2"):
        doubled.vcov("bootstrap", progressbar=False)
    with pytest.raises(ValueError, match="clusters must be the same within a sequence"):
        chain.vcov("clustered", clusters=np.arange(30) % 3)


def test_far_from_a_maximum_there_are_no_errors():
    spec, y, X, _ = tobit()
    fit = spec.at(y, {"coefficients": [0.0, 0.0, 0.0], "sigma": 100.0}, exog=X)
    with pytest.raises(ValueError, match="not positive definite"):
        fit.vcov("observed")


@pytest.mark.parametrize(
    "spec", [evb.Tobit(upper=2.0), evb.Tobit(upper=2.0, df=3.0), evb.TruncatedRegression(upper=2.5)]
)
def test_rows_without_a_response_say_nothing(spec):
    """Standard errors of every kind, residuals and the page are those of the other rows."""
    rng = np.random.default_rng(6)
    X = np.column_stack([np.ones(80), rng.normal(size=80)])
    y = X @ [0.4, 0.5] + rng.normal(size=80)
    y = np.minimum(y, 2.4) if spec.truncated else np.clip(y, 0.0, 2.0)
    less = np.delete(np.arange(80), [3, 17])
    few = spec.fit(y[less], exog=X[less], progressbar=False)
    y[[3, 17]] = np.nan
    whole = spec.at(y, few.params, exog=X)
    few = spec.at(y[less], few.params, exog=X[less])
    for kind in ("observed", "opg", "sandwich"):
        np.testing.assert_allclose(whole.vcov(kind), few.vcov(kind), rtol=1e-6)
    z = whole.residuals("quantile", seed=1)
    assert np.isnan(z[[3, 17]]).all()
    np.testing.assert_array_equal(z[less], few.residuals("quantile", seed=1))
    from em_vs_bayes.report import page

    assert 'id="responses"' in page.render(evb.compare([whole]))
