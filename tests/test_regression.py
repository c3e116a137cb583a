"""Linear regressions: exact answers with one component, brute force with two, designs, formulas, refusals."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from science.montecarlo import assert_mean, posterior
from scipy import stats
from scipy.special import betaln, gammaln, logsumexp

import em_vs_bayes as evb
from em_vs_bayes import priors as p
from em_vs_bayes.model.emissions import LinearRegression, Normal, Poisson, Product

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(31)
X = np.column_stack([np.ones(50), RNG.normal(size=(50, 2))])
Y = X @ [1.0, 2.0, -0.5] + RNG.normal(0.0, 0.7, 50)
KAPPA = np.array([[0.5, -0.1, 0.0], [-0.1, 0.4, 0.1], [0.0, 0.1, 0.3]])
M0, A0, B0 = np.array([0.5, 1.0, 0.0]), 2.5, 1.5
ONE = evb.Mixture(LinearRegression(), 1, priors={"emission": p.NormalInverseGamma(M0, KAPPA, A0, B0)})
NPREG = evb.datasets.load("npreg")
CURVES = evb.Mixture(LinearRegression("yn ~ x + I(x**2)"), 2)
NAN = np.nan


def evidence(x, y, m=M0, kappa=KAPPA, a=A0, b=B0):
    """log p(y), coefficients and variance integrated out: y is a multivariate t."""
    if len(y) == 0:
        return 0.0
    shape = (b / a) * (np.eye(len(y)) + x @ np.linalg.inv(kappa) @ x.T)
    return float(stats.multivariate_t(x @ m, shape, df=2 * a).logpdf(y))


# --- one component: everything is known in closed form ------------------------------------------------------


def test_em_is_least_squares():
    fit = evb.Mixture(LinearRegression(), 1).fit(Y, "em", exog=X, **QUIET)
    b, squares, *_ = np.linalg.lstsq(X, Y, rcond=None)
    np.testing.assert_allclose(fit.params["coefficients"][0], b, rtol=1e-10)
    assert fit.params["sigmas"][0] == pytest.approx(np.sqrt(squares[0] / 50), rel=1e-10)
    assert fit.log_likelihood == pytest.approx(stats.norm.logpdf(Y, X @ b, np.sqrt(squares[0] / 50)).sum(), rel=1e-12)
    errors = np.sqrt(np.diagonal(np.linalg.inv(X.T @ X)) * squares[0] / 50)
    np.testing.assert_allclose(fit.std_errors()["coefficients"][0], errors, rtol=1e-5)


def test_the_bound_is_the_evidence():
    fit = ONE.fit(Y, "vi", exog=X, **QUIET)
    assert fit.elbo == pytest.approx(evidence(X, Y), rel=1e-11)


@pytest.mark.parametrize("method", ["vi", "gibbs", "nuts"])
def test_posterior_moments(method):
    fit = ONE.fit(Y, method, exog=X, **QUIET)
    kappa = KAPPA + X.T @ X
    mean = np.linalg.solve(kappa, KAPPA @ M0 + X.T @ Y)
    a = A0 + 25.0
    b = B0 + 0.5 * (((Y - X @ mean) ** 2).sum() + (mean - M0) @ KAPPA @ (mean - M0))
    draws = posterior(fit)
    for j in range(3):
        assert_mean(draws["coefficients"][..., 0, j], mean[j], f"coefficient {j}")
        spread = b / (a - 1) * np.linalg.inv(kappa)[j, j]
        assert_mean((draws["coefficients"][..., 0, j] - mean[j]) ** 2, spread, f"variance of coefficient {j}")
    assert_mean(draws["sigmas"][..., 0] ** 2, b / (a - 1), "variance")


def test_an_intercept_alone_is_the_normal_emission():
    """Default priors included, and shifts and scales of y go through."""
    for y in (Y, 1000.0 + 30.0 * Y):
        mine, theirs = (evb.Mixture(e, 2).fit(y, "vi", init=START, **QUIET) for e in (LinearRegression(), Normal()))
        assert mine.elbo == pytest.approx(theirs.elbo, rel=1e-8)
        np.testing.assert_allclose(mine.params["coefficients"][:, 0], theirs.params["means"], rtol=1e-5)


START = "kmeans++"


def test_the_default_prior_follows_the_units_of_predictors():
    """The evidence of a regression does not depend on the units and the coding of its predictors."""
    turn = np.array([[1.0, 5.0, 0.0], [0.0, 100.0, 2.0], [0.0, 0.0, 0.01]])
    one, other = (evb.Mixture(LinearRegression(), 1).fit(Y, "vi", exog=x, **QUIET).elbo for x in (X, X @ turn))
    assert one == pytest.approx(other, rel=1e-9)


# --- two components -----------------------------------------------------------------------------------------


def test_brute_force_over_all_assignments():
    """Evidence and co-clustering of seven rows by summing 2^7 exact evidences; Gibbs and the bound agree with them."""
    x, y = X[:7], np.array([1.0, 2.5, -1.0, 0.3, 4.0, 1.7, -2.0])
    spec = evb.Mixture(
        LinearRegression(), 2, priors={"weights": p.Dirichlet(1.5), "emission": p.NormalInverseGamma(M0, KAPPA, A0, B0)}
    )
    zs = np.array(list(product(range(2), repeat=7)))
    own = {}
    for z in map(tuple, zs == 0):
        own[z] = evidence(x[list(z)], y[list(z)])
    counts = (zs == 0).sum(axis=1)
    prior = betaln(1.5 + counts, 1.5 + 7 - counts) - betaln(1.5, 1.5)
    joint = np.array([own[tuple(z == 0)] + own[tuple(z == 1)] for z in zs]) + prior
    exact = logsumexp(joint)
    probability = np.exp(joint - exact)
    assert spec.fit(y, "vi", exog=x, **QUIET).elbo < exact
    fit = spec.fit(y, "gibbs", exog=x, draws=4000, tune=500, **QUIET)
    proba = np.array([[fit.program.probabilities(theta) for theta in chain[::4]] for chain in fit.raw_draws])
    for i, j in ((0, 1), (2, 6), (3, 4), (4, 5)):
        together = (proba[:, :, i] * proba[:, :, j]).sum(axis=-1)
        assert_mean(together, float(probability @ (zs[:, i] == zs[:, j])), f"rows {i} and {j} together")


def test_evidence_by_harmonic_identity_of_the_candidate():
    """log p(y) = log p(y | theta) + log p(theta) - log p(theta | y) with one component, at any theta (Besag 1989)."""
    fit = ONE.fit(Y, "vi", exog=X, **QUIET)
    rng = np.random.default_rng(2)
    for _ in range(3):
        b, sd = rng.normal([1.0, 2.0, -0.5], 0.1), rng.uniform(0.6, 0.8)
        params = {"weights": [1.0], "coefficients": b[None], "sigmas": np.array([sd])}
        kappa, a = KAPPA + X.T @ X, A0 + 25.0
        mean = np.linalg.solve(kappa, KAPPA @ M0 + X.T @ Y)
        rate = B0 + 0.5 * (((Y - X @ mean) ** 2).sum() + (mean - M0) @ KAPPA @ (mean - M0))
        density = stats.multivariate_normal.logpdf(b, mean, sd**2 * np.linalg.inv(kappa))
        density += a * np.log(rate) - gammaln(a) - (2 * a + 1) * np.log(sd) - rate / sd**2 + np.log(2)
        joint = ONE.log_likelihood(Y, params, exog=X) + ONE.log_prior(params, Y, exog=X)
        assert joint - density == pytest.approx(fit.elbo, rel=1e-10)


def test_npreg_is_flexmixs_example():
    """Leisch (2004), section 3: a line and a parabola. The maximum by a loop of weighted least squares."""
    x, y = NPREG["x"].to_numpy(), NPREG["yn"].to_numpy()
    design = np.column_stack([np.ones_like(x), x, x**2])
    r = np.column_stack([NPREG["class"] == k for k in (1, 2)]).astype(float)
    for _ in range(600):
        table = np.empty((200, 2))
        coefficients, sigmas = np.empty((2, 3)), np.empty(2)
        for k in range(2):
            weighted = design * r[:, [k]]
            coefficients[k] = np.linalg.solve(weighted.T @ design, weighted.T @ y)
            sigmas[k] = np.sqrt(r[:, k] @ (y - design @ coefficients[k]) ** 2 / r[:, k].sum())
            table[:, k] = np.log(r[:, k].mean()) + stats.norm.logpdf(y, design @ coefficients[k], sigmas[k])
        rows = logsumexp(table, axis=1)
        r = np.exp(table - rows[:, None])
    for seed in range(5):  # whatever the random starts
        fit = CURVES.fit(NPREG, "em", seed=seed, progressbar=False)
        assert fit.converged
        assert fit.log_likelihood == pytest.approx(rows.sum(), abs=1e-6)
    line = np.argmin(fit.params["coefficients"][:, 0])
    order = [line, 1 - line]
    np.testing.assert_allclose(fit.params["coefficients"][order], coefficients, atol=5e-3)
    np.testing.assert_allclose(fit.params["sigmas"][order], sigmas, atol=5e-3)
    table = pd.crosstab(np.argsort(order)[fit.predict()] + 1, NPREG["class"])
    assert (np.diagonal(table) == 95).all()


@pytest.mark.parametrize("method", ["vi", "gibbs", "nuts", "laplace"])
def test_all_methods_find_the_curves_by_themselves(method):
    fit = CURVES.fit(NPREG, method, **QUIET)
    em = CURVES.fit(NPREG, "em", **QUIET)
    assert fit.log_likelihood > em.log_likelihood - 0.2
    assert fit.log_likelihood <= em.log_likelihood + 1e-6


def test_weights_are_copies_and_labels_are_known():
    w = RNG.integers(0, 3, 50)
    spec = evb.Mixture(LinearRegression(), 2, priors={"emission": p.NormalInverseGamma(M0, KAPPA, A0, B0)})
    start = {"weights": [0.5, 0.5], "coefficients": [[0.0, 2.0, 0.0], [2.0, 2.0, 0.0]], "sigmas": [1.0, 1.0]}
    one = spec.fit(Y, "em", exog=X, weights=w, init=start, objective="map", **QUIET)
    other = spec.fit(np.repeat(Y, w), "em", exog=np.repeat(X, w, axis=0), init=start, objective="map", **QUIET)
    for name, value in one.params.items():
        np.testing.assert_allclose(value, other.params[name], rtol=1e-6)
    z = (Y > 1).astype(int)
    known = spec.fit(Y, "em", exog=X, labels=z, **QUIET)
    for k in range(2):
        b = np.linalg.lstsq(X[z == k], Y[z == k], rcond=None)[0]
        np.testing.assert_allclose(known.params["coefficients"][k], b, rtol=1e-8)


@pytest.mark.parametrize("method", ["em", "vi", "gibbs", "nuts", "laplace"])
def test_fixed_elements_do_not_move(method):
    fixed = {"coefficients": [[NAN, 2.0, NAN], [NAN, NAN, NAN]], "sigmas": [NAN, 0.7]}
    short = {"gibbs": {"draws": 100, "tune": 50}, "nuts": {"draws": 100, "tune": 100}}.get(method, {})
    fit = evb.Mixture(LinearRegression(), 2, fixed=fixed).fit(Y, method, exog=X, **short, **QUIET)
    params = fit.params if fit.draws is None else fit.program.public(fit.draws)
    assert (params["coefficients"][..., 0, 1] == 2.0).all()
    assert (params["sigmas"][..., 1] == 0.7).all()
    assert (params["coefficients"][..., 1, 1] != 2.0).all()


def test_a_missing_response_says_nothing_in_its_stream():
    y = {"u": np.where(np.arange(50) % 5 == 0, NAN, Y), "v": RNG.poisson(3, 50).astype(float)}
    spec = evb.Mixture(Product(u=LinearRegression(), v=Poisson()), 1)
    fit = spec.fit(y, "em", exog=X, **QUIET)
    seen = ~np.isnan(y["u"])
    b = np.linalg.lstsq(X[seen], Y[seen], rcond=None)[0]
    np.testing.assert_allclose(fit.params["u_coefficients"][0], b, rtol=1e-10)
    assert fit.params["v_rates"][0] == pytest.approx(y["v"].mean())
    assert list(fit.idata["posterior"].coords["u_predictor"].to_numpy()) == ["x0", "x1", "x2"]


@pytest.mark.parametrize(
    ("k", "exchangeable"), [(np.diag([1.0, 2.0]), True), (np.array([np.eye(2), 2 * np.eye(2)]), False)]
)
def test_vectors_are_per_predictor(k, exchangeable):
    """With as many predictors as components a prior that differs by predictor is still the same for every component."""
    from em_vs_bayes.model.ordering import exchangeable as same

    spec = evb.Mixture(LinearRegression(), 2, priors={"emission": p.NormalInverseGamma([0.0, 1.0], k, 2.0, 1.0)})
    assert same(spec) == exchangeable
    assert same(evb.Mixture(LinearRegression(), 2, fixed={"coefficients": [NAN, 1.0]}))
    assert not same(evb.Mixture(LinearRegression(), 2, fixed={"coefficients": [[NAN, 1.0], [NAN, NAN]]}))
    assert same(evb.Mixture(LinearRegression(), 2, priors={"coefficients": p.Normal([0.0, 1.0], 1.0)}))


# --- designs and formulas -----------------------------------------------------------------------------------

FRAME = pd.DataFrame(
    {
        "y": Y,
        "x": X[:, 1],
        "group": np.resize(["b", "c", "a", "b"], 50),
        "size": pd.Categorical(np.resize(["small", "large", "small"], 50), ["small", "large"]),
        "code": RNG.integers(1, 4, 50),
    }
)


def test_a_formula_makes_the_design_that_a_person_would():
    fit = evb.Mixture(LinearRegression("y ~ x + group + size + C(code)"), 1).fit(FRAME, "em", **QUIET)
    columns = {
        "Intercept": np.ones(50),
        "x": FRAME["x"],
        "group[T.b]": FRAME["group"] == "b",
        "group[T.c]": FRAME["group"] == "c",
        "size[T.large]": FRAME["size"] == "large",
        "C(code)[T.2]": FRAME["code"] == 2,
        "C(code)[T.3]": FRAME["code"] == 3,
    }
    b = np.linalg.lstsq(np.column_stack(list(columns.values())).astype(float), Y, rcond=None)[0]
    names = list(fit.idata["posterior"].coords["predictor"].to_numpy())
    assert set(names) == set(columns)
    got = dict(zip(names, fit.params["coefficients"][0], strict=True))
    for name, value in zip(columns, b, strict=True):
        assert got[name] == pytest.approx(value, rel=1e-8), name


@pytest.mark.parametrize("formula", ["y ~ x + C(group) + size + C(code)", "y ~ bs(x, df=4)", "np.exp(y) ~ poly(x, 2)"])
def test_new_frames_are_encoded_alike_also_after_a_file(formula, tmp_path):
    fit = evb.Mixture(LinearRegression(formula), 2).fit(FRAME, "em", **QUIET)
    fit.save(tmp_path / "fit")
    back = evb.load(tmp_path / "fit")
    some = FRAME.iloc[[7, 3, 20]]
    for one in (fit, back):
        np.testing.assert_allclose(one.predict_proba(some), fit.predict_proba()[[7, 3, 20]], rtol=1e-10)
    assert list(back.idata["posterior"].coords["predictor"].to_numpy()) == list(
        fit.idata["posterior"].coords["predictor"].to_numpy()
    )


def test_frames_of_all_kinds():
    import polars as pl

    spec = evb.Mixture(LinearRegression("y ~ x + group"), 2)
    expected = spec.fit(FRAME, "em", **QUIET).log_likelihood
    plain = {name: FRAME[name].to_numpy() for name in ("y", "x", "group")}
    for y in (pl.DataFrame(plain), plain):
        assert spec.fit(y, "em", **QUIET).log_likelihood == pytest.approx(expected, rel=1e-12)
    named = evb.Mixture(LinearRegression(), 2).fit(Y, "em", exog=pl.DataFrame(X, schema=["one", "a", "b"]), **QUIET)
    assert list(named.idata["posterior"].coords["predictor"].to_numpy()) == ["one", "a", "b"]


def test_prediction_and_simulation_at_designs():
    fit = evb.Mixture(LinearRegression(), 2).fit(Y, "em", exog=X, **QUIET)
    np.testing.assert_allclose(fit.score_samples(Y[:4], exog=X[:4]), fit.score_samples()[:4], rtol=1e-12)
    assert (fit.predict(Y[:9], exog=X[:9]) == fit.predict()[:9]).all()
    y = fit.simulate(seed=3)
    assert y.shape == (50,)
    again = fit.spec.at(y, fit.params, exog=X)
    assert np.isfinite(again.log_likelihood)
    with pytest.raises(ValueError, match="50 row"):
        fit.simulate(20)
    for argument in ({"y": Y[:4]}, {"exog": X[:4]}, {"y": Y[:4], "exog": X[:4, :2]}, {"y": Y[:4], "exog": X}):
        with pytest.raises(ValueError, match="exog"):
            fit.score_samples(**argument)


def test_fits_at_other_designs_are_of_other_data():
    spec = evb.Mixture(LinearRegression(), 2)
    one, other = (spec.fit(Y, "em", exog=x, **QUIET) for x in (X, X[:, [0, 2, 1]]))
    with pytest.raises(ValueError, match="other data"):
        evb.compare([one, other])


def test_json_and_report(tmp_path):
    assert evb.Mixture.from_json(CURVES.to_json()) == CURVES
    assert evb.Mixture(LinearRegression("yn ~ x"), 2) != CURVES
    assert CURVES.describe_priors(NPREG)["parameters"].tolist() == ["weights", "coefficients, sigmas"]
    fits = [CURVES.fit(NPREG, method, **QUIET) for method in ("em", "vi")]
    evb.compare(fits).report(tmp_path / "report.html")
    assert "I(x ** 2)" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ __import__('os').getcwd()",
        "y ~ {x.__class__}",
        "y ~ np.load('x')",
        "y ~ I((lambda: 1)())",
        "y ~ {[v for v in x]}",
        "eval(y) ~ x",
        "y ~ x[0]",
        "~ x",
        "x + 1",
        "y + z ~ x",
        "y ~ x | z",
        "y ~ +* x",
    ],
)
def test_formulas_that_are_more_or_less_than_a_formula(formula):
    with pytest.raises(ValueError, match="formula="):
        LinearRegression(formula)


def bad(y=Y, exog=X, formula=None, **options):
    return lambda: evb.Mixture(LinearRegression(formula), 2, **options).fit(y, "em", exog=exog, **QUIET)


OWN = p.Normal(0.0, 1e3)  # on single coefficients, which then have no coordinates but their own
HOLE = X.copy()
HOLE[3, 1] = NAN
ENDLESS = pd.DataFrame(X, columns=["one", "a", "b"]).assign(a=np.inf)
TWICE = pd.DataFrame(X, columns=["one", "a", "b"]).assign(c=lambda f: 2 * f["a"] - f["one"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (bad(exog=X[:5]), r"exog has 5 row\(s\); y has 50"),
        (bad(exog=HOLE), r"exog must be finite; column\(s\) \['x1'\]"),
        (bad(exog=ENDLESS), r"exog must be finite; column\(s\) \['a'\]"),
        (bad(exog=TWICE), r"\['c'\] are linear combinations"),
        (bad(exog=np.column_stack([X, 1e7 + X[:, 1]])), r"\['x3'\] are linear combinations"),
        (bad(exog=np.column_stack([np.ones(50), 1e6 + X[:, 2]]), priors={"coefficients": OWN}), "too few digits"),
        (bad(y=Y[:2], exog=X[:2]), "linear combinations"),
        (bad(y=X @ [1.0, 2.0, 3.0]), "exact linear function"),
        (bad(y=Y + 1e8, priors={"coefficients": OWN}), "Subtract an offset"),
        (bad(y=np.where(np.arange(50) == 4, NAN, Y)), "row 4"),
        (bad(y=FRAME, formula="y ~ x"), "exog does not apply"),
        (bad(y=FRAME, exog=None, formula="y ~ z"), r"wants column\(s\) \['z'\]"),
        (bad(y=FRAME, exog=None, formula="y ~ np.log(group)"), "formula='y ~ np.log.group.' fails"),
        (
            bad(y=FRAME.assign(x=HOLE[:, 1]), exog=None, formula="y ~ x"),
            r"'x' is missing in 1 row\(s\) \(first: row 3\)",
        ),
        (bad(y=FRAME.assign(group=None), exog=None, formula="y ~ group"), "'group' is missing in 50"),
        (bad(priors={"emission": p.NormalInverseGamma(0.0, np.eye(2), 2.0, 1.0)}), r"priors\['emission'\]: kappa"),
        (bad(priors={"coefficients": p.Normal([0.0, 1.0], 1.0)}), r"one value per predictor"),
        (
            bad(priors={"coefficients": p.Normal(0, 1), "emission": p.NormalInverseGamma(0, 1, 1, 1)}),
            "one or the other",
        ),
        (bad(fixed={"coefficients": [1.0, NAN]}), r"fixed\['coefficients'\]"),
        (bad(fixed={"sigmas": [-1.0, NAN]}), r"fixed\['sigmas'\]"),
        (lambda: evb.Mixture(Normal(), 2).fit(Y, exog=X), "exog does not apply to Mixture"),
        (lambda: evb.GaussianMixture(2).at(Y, {}, exog=X), "exog does not apply to GaussianMixture"),
        (lambda: Product(u=LinearRegression("y ~ x")), "cannot have a formula"),
        (lambda: ONE.log_prior({"weights": [1.0], "coefficients": [[0, 0, 0]], "sigmas": [1.0]}), "log_prior needs y"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (bad(exog=FRAME[["group"]]), "exog must hold numbers"),
        (bad(y=Y, exog=None, formula="y ~ x"), "y is the frame"),
        (bad(y=FRAME, exog=None, formula="group ~ x"), "one number per row"),
        (bad(priors={"emission": p.Gamma(1.0, 1.0)}), "must be NormalInverseGamma"),
        (bad(priors={"sigmas": p.Gamma(1.0, 1.0)}), "must be InverseGamma or"),
        (lambda: LinearRegression(3), "formula must be a string"),
    ],
)
def test_refusals_of_types(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_an_unseen_category_is_refused():
    fit = evb.Mixture(LinearRegression("y ~ x + group"), 2).fit(FRAME, "em", **QUIET)
    with pytest.raises(ValueError, match=r"\{'zz'\}"):
        fit.predict(FRAME.head(3).assign(group=["a", "zz", "b"]))


@pytest.mark.parametrize("seed", [3, 7, 12, 33])
def test_a_line_through_one_far_row_is_a_collapse(seed):
    """Its sums have no digits to solve for three coefficients, and what is left of squares is their rounding."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(60, 2)), rng.integers(2, size=60)
    y = np.where(z, 3 + 2 * x[:, 0], -2 - x[:, 1]) + 0.3 * rng.normal(size=60)
    y[7] = 1e6
    fit = evb.Mixture(LinearRegression(df=4.0), 3).fit(y, exog=np.c_[np.ones(60), x], seed=1, progressbar=False)
    assert fit.status is evb.Status.COLLAPSED
    assert (np.diff(fit.history["objective"]) > -1e-9).all()


def test_lines_with_hardly_any_noise_are_none():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=60), rng.integers(2, size=60)
    y = np.where(z, 3 + 2 * x, -2 - x) + 1e-4 * rng.normal(size=60)
    fit = evb.Mixture(LinearRegression(), 2).fit(y, exog=np.c_[np.ones(60), x], seed=1, progressbar=False)
    assert fit.converged
    np.testing.assert_allclose(np.sort(fit.params["sigmas"]), 1e-4, rtol=0.4)
