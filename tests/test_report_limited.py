"""What reports say of censored and truncated regressions: curves against definitions, tables against the fits."""

import re

import arviz_plots
import arviz_stats
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from naive import censored
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes.comparison.compare import compare
from em_vs_bayes.comparison.findings.regressions import shares, worst_direction
from em_vs_bayes.fit.fitted import regression_of
from em_vs_bayes.report import limited, page, predictive
from em_vs_bayes.report.survival import product_limit, survival, turnbull

QUIET = {"progressbar": False, "seed": 1}
ONES = np.ones


# --- distributions without a model -----------------------------------------------------------------------------------


def at(curve, t):
    """Right-continuous value of a falling step curve."""
    x, s = curve
    return np.array([s[np.flatnonzero(x <= one)[-1]] for one in t])


def test_product_limit_is_that_of_arviz():
    rng = np.random.default_rng(0)
    t, event = rng.integers(1, 15, 60).astype(float), rng.random(60) < 0.6
    tree = xr.DataTree.from_dict(
        {
            "observed_data": xr.Dataset({"y": ("obs", t)}),
            "constant_data": xr.Dataset({"y": ("obs", event.astype(int))}),
        }
    )
    wanted = arviz_stats.kaplan_meier(tree, "y")["y"].to_numpy()
    times, s = product_limit(t, event, ONES(60))
    there = np.isin(wanted[0], times)
    np.testing.assert_allclose(s, wanted[1][there], rtol=1e-12)


def test_weights_are_copies():
    rng = np.random.default_rng(1)
    t, event, w = rng.exponential(size=20), rng.random(20) < 0.5, rng.integers(1, 4, 20)
    one, many = product_limit(t, event, w), product_limit(*(np.repeat(v, w) for v in (t, event)), ONES(w.sum()))
    np.testing.assert_allclose(one, many)


def test_one_limit_leaves_the_empirical_distribution_beyond_it():
    y = np.random.default_rng(2).normal(size=300)
    for sign in (1.0, -1.0):
        seen = np.maximum(sign * y, 0.2)
        low, high = np.where(seen > 0.2, seen, -np.inf), seen
        if sign < 0:
            seen, low, high = -seen, -high, -low
        curve = survival(low, high, ONES(300))
        inside = seen[np.abs(seen) > 0.2]
        grid = np.append(inside, 0.2) if sign > 0 else inside
        wanted = [(np.sign(seen - t) > 0).mean() for t in grid]
        np.testing.assert_allclose(at(curve, grid), wanted, atol=1e-12)
        assert curve[0].min() == min(seen) and curve[0].max() == max(seen)  # as far as it is known


def test_turnbull_is_the_product_limit_where_that_exists():
    rng = np.random.default_rng(3)
    t, event = rng.exponential(size=40), rng.random(40) < 0.7
    event[np.argmax(t)] = True
    times, s = product_limit(t, event, ONES(40))
    x, own = turnbull(t, np.where(event, t, np.inf), ONES(40))
    np.testing.assert_allclose(own[np.searchsorted(x, times, side="right") - 1], s, atol=1e-6)


def test_turnbull_of_classes_is_the_table():
    edges, count = np.array([0.0, 1.0, 2.0, 4.0]), np.array([2.0, 5.0, 3.0])
    x, s = turnbull(edges[:-1], edges[1:], count)
    np.testing.assert_array_equal(x, [0, 1, 1, 2, 2, 4])
    np.testing.assert_allclose(s, [1.0, 0.8, 0.8, 0.3, 0.3, 0.0], atol=1e-12)


def test_turnbull_is_the_most_likely():
    """No masses on the same intervals are likelier, by the likelihood as it is defined."""
    low = np.array([-np.inf, 0.0, 0.5, 1.0, 1.1, 2.5, 0.2])
    high = np.array([1.0, 2.0, 3.0, 1.0, 4.0, np.inf, 0.9])
    x, s = turnbull(low, high, ONES(7))
    begin, end, mass = x[::2], x[1::2], s[::2] - s[1::2]
    if len(x) % 2:  # the last interval goes on for ever
        begin, end, mass = x[::2], np.append(x[1::2], np.inf), s[::2] - np.append(s[1::2], 0.0)
    within = (begin >= low[:, None]) & (end <= high[:, None])
    best = np.log(within @ mass).sum()
    for other in np.random.default_rng(4).dirichlet(np.ones(len(mass)), 2000):
        for step in (1.0, 0.05):
            with np.errstate(divide="ignore"):
                assert np.log(within @ ((1 - step) * mass + step * other)).sum() <= best + 1e-7


# --- pages -----------------------------------------------------------------------------------------------------------


def frame(seed=0, n=120):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame({"x": x, "y": 0.3 + 1.0 * x + rng.normal(size=n)})


@pytest.fixture(scope="module")
def tobit():
    d = frame()
    d["y"] = np.clip(d["y"], 0.0, 2.0)
    options = {"gibbs": {"draws": 300}}
    return compare(evb.Tobit("y ~ x", upper=2.0), d, methods=("em", "vi", "gibbs"), options=options, **QUIET)


def cases():
    d = frame()
    ends = np.column_stack([d["y"], np.where(d["x"] > 0.5, np.inf, d["y"])])
    truncated = d[d["y"] > 0].reset_index(drop=True)
    classes = np.column_stack([np.floor(d["y"]), np.floor(d["y"]) + 1])
    yield "t errors", evb.Tobit("y ~ x", upper=2.0, df=3), d.assign(y=d["y"].clip(0.0, 2.0)), {}
    yield "t errors, right-censored rows", evb.CensoredRegression(df=0.9), ends, {"exog": d[["x"]]}
    yield "truncated", evb.TruncatedRegression("y ~ x", lower=0.0), truncated, {}
    yield "right-censored rows", evb.CensoredRegression(), ends, {"exog": d[["x"]]}
    yield "classes, an intercept", evb.CensoredRegression(), classes, {"weights": np.arange(120.0) % 3 + 1}
    yield "a bare matrix", evb.Tobit(), np.maximum(d["y"], 0.0), {"exog": np.column_stack([ONES(120), d["x"]])}
    yield "fixed", evb.Tobit("y ~ x", fixed={"sigma": 1.0}), d.assign(y=d["y"].clip(lower=0.0)), {}


@pytest.mark.parametrize(("spec", "y", "more"), [c[1:] for c in cases()], ids=[c[0] for c in cases()])
def test_every_regression_makes_a_page(spec, y, more):
    before = plt.get_fignums()
    c = compare(spec, y, methods=("em", "vi"), **more, **QUIET)
    html = page.render(c)
    assert 'id="responses"' in html
    assert ('id="margins"' in html) == (not isinstance(spec, evb.CensoredRegression))
    assert ("Share of censored responses" in html) == isinstance(spec, evb.Tobit)
    assert plt.get_fignums() == before


def test_nothing_is_said_of_components(tobit):
    text = re.sub(r'src="[^"]*"', "", page.render(tobit).split("</style>")[1])
    for word in ("omponent", "relabel", " weights[", "ICL", " state"):
        assert word not in text, word


def test_predictors_go_by_their_names(tobit):
    assert list(tobit.table.index) == ["coefficients[Intercept]", "coefficients[x]", "sigma"]
    fit = tobit.fits[0]
    names = ["coefficients[Intercept]", "coefficients[x]", "sigma"]
    assert list(fit.summary().index) == list(fit.vcov().index) == list(fit.confint().index) == names
    assert "coefficients[x]" in str(tobit)
    d = frame()
    mixture = evb.Mixture(evb.emissions.LinearRegression("y ~ x"), 2).fit(d, max_iter=3, **QUIET)
    assert "coefficients[1, x]" in mixture.summary().index
    assert "coefficients[component 1, x]" in compare([mixture]).table.index


def test_responses_are_drawn_where_they_are_known(tobit):
    ax = limited.fits(tobit).axes[0]
    fit, y = tobit.reference, tobit.fits[0].program.y["y"].to_numpy()
    line = fit.predict()
    exact, below, above = (np.asarray(part.get_offsets()) for part in ax.collections[:1] + ax.collections[2:4])
    np.testing.assert_allclose(exact, np.column_stack([line, y])[(y > 0) & (y < 2)])
    np.testing.assert_allclose(below, np.column_stack([line, y])[y == 0])
    np.testing.assert_allclose(above, np.column_stack([line, y])[y == 2])
    curve = ax.lines[-1]
    x, seen = curve.get_xdata()[17], curve.get_ydata()[17]
    draws = np.clip(np.random.default_rng(0).normal(x, fit.params["sigma"], 400_000), 0, 2)
    assert seen == pytest.approx(draws.mean(), abs=5 * draws.std() / np.sqrt(400_000))


def test_fitted_distributions_are_averages_over_rows(tobit):
    t = np.array([-1.0, 0.3, 1.9])
    for a in tobit.aligned:
        line = a.params["coefficients"][0] + a.params["coefficients"][1] * tobit.fits[0].program.y["x"].to_numpy()
        wanted = stats.norm.sf(t[:, None], line, a.params["sigma"]).mean(axis=1)
        got = limited.marginal(limited.shown(tobit, a), t, limited.scale(tobit))
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.fixture(scope="module")
def robust():
    d = frame()
    d["y"] = np.clip(d["y"], 0.0, 2.0)
    return compare(evb.Tobit("y ~ x", upper=2.0, df=2.0), d, methods=("em", "vi"), **QUIET)


def test_pages_of_t_errors_are_drawn_with_them(robust):
    """Expected responses, the distribution, the shares at the limits."""
    fit, x = robust.fits[0], robust.fits[0].program.y["x"].to_numpy()
    (b0, b1), sigma = fit.params["coefficients"], float(fit.params["sigma"])
    own = stats.t(2, b0 + b1 * x, sigma)
    t = np.array([-3.0, 0.3, 1.9])
    got = limited.marginal(limited.shown(robust, robust.aligned[0]), t, limited.scale(robust))
    np.testing.assert_allclose(got, own.sf(t[:, None]).mean(axis=1), rtol=1e-12)
    below, above = (share.predicted[0].mean for share in shares(robust))
    assert below == pytest.approx(own.cdf(0.0).mean(), rel=1e-9)
    assert above == pytest.approx(own.sf(2.0).mean(), rel=1e-9)
    curve = limited.fits(robust).axes[0].lines[-1]
    at, seen = curve.get_xdata()[17], curve.get_ydata()[17]
    draws = np.clip(stats.t(2, at, sigma).rvs(400_000, random_state=0), 0, 2)
    assert seen == pytest.approx(draws.mean(), abs=5 * draws.std() / np.sqrt(400_000))
    assert limited.margins(robust)[0][0] == "x"


# --- the predictive check --------------------------------------------------------------------------------------------


def drawn(c):
    """Lines of the panel of data sets: those drawn, and the data."""
    lines = limited.distributions(c).axes[1].lines
    black = [line for line in lines if line.get_color() == limited.INK]
    return [line for line in lines if line not in black], black


@pytest.mark.parametrize("which", ["tobit", "robust"])
def test_the_check_is_that_of_arviz(which, request, monkeypatch):
    """Product-limit curve and shares above of every data set; no figure of pyplot's, no setting changed."""
    calls, ours = [], arviz_plots.plot_ppc_censored
    monkeypatch.setattr(arviz_plots, "plot_ppc_censored", lambda *a, **k: calls.append(a) or ours(*a, **k))
    monkeypatch.setattr(plt, "subplots", None)
    before, settings, backend = plt.get_fignums(), dict(plt.rcParams), matplotlib.get_backend()
    c = request.getfixturevalue(which)
    sets, (black,) = drawn(c)
    assert len(calls) == 1 and len(sets) == predictive.REPLICATES
    assert (plt.get_fignums(), dict(plt.rcParams), matplotlib.get_backend()) == (before, settings, backend)
    a = next(a for a in c.aligned if a.fit.method == ("gibbs" if which == "tobit" else "vi"))
    shown = limited.shown(c, a)
    rows = np.arange(120)
    for line, y in zip(sets, predictive.replicates(shown, a.fit, limited.scale(c), rows), strict=True):
        t, s = line.get_data()
        np.testing.assert_allclose(t, np.sort(y))
        np.testing.assert_allclose(s, [(y > one).mean() for one in t], atol=1e-12)
        assert line.get_drawstyle() == "steps-post"
    y = c.fits[0].program.y["y"].to_numpy()
    t, s = black.get_data()
    inside = (t >= 0) & (t < 2)
    np.testing.assert_allclose(s[inside], [(y > one).mean() for one in t[inside]], atol=1e-12)
    assert black.get_drawstyle() == "steps-post"


def test_what_a_product_limit_estimate_reads():
    inf, low = np.inf, np.array([1.0, 2.0, 3.0])
    values, reached = predictive.events(np.array([-inf, 2.0, 3.0]), np.array([1.0, 2.0, inf]))
    np.testing.assert_array_equal(values, low)
    np.testing.assert_array_equal(reached, [True, True, False])
    assert predictive.events(low, low + np.array([0.0, 0.0, 1.0])) is None
    assert predictive.events(np.array([1.0, -inf, 3.0]), low) is None


@pytest.mark.parametrize(
    ("spec", "weights"),
    [(evb.CensoredRegression(), None), (evb.TruncatedRegression(upper=9.0), None), (evb.Tobit(lower=-9.0), 0.5)],
)
def test_elsewhere_the_check_is_our_own(spec, weights, monkeypatch):
    """Intervals, truncated samples and weights that are no counts."""
    monkeypatch.setattr(arviz_plots, "plot_ppc_censored", None)
    d = frame()
    y = np.column_stack([d["y"], d["y"] + 0.5]) if isinstance(spec, evb.CensoredRegression) else d["y"]
    more = {} if weights is None else {"weights": np.full(120, weights)}
    sets, _ = drawn(compare(spec, y, methods=("em", "vi"), **more, **QUIET))
    assert len(sets) == predictive.REPLICATES
    for line in sets:
        np.testing.assert_allclose(line.get_ydata(), 1 - np.arange(1, 121) / 120, atol=1e-12)


def test_a_truncated_distribution_stays_within_its_limits():
    d = frame()
    d = d[(d["y"] > 0) & (d["y"] < 2)].reset_index(drop=True)
    spec = evb.TruncatedRegression("y ~ x", lower=0.0, upper=2.0)
    c = compare(spec, d, methods=("em", "vi"), **QUIET)
    a = c.aligned[0]
    np.testing.assert_allclose(limited.marginal(limited.shown(c, a), np.array([0.0, 2.0]), limited.scale(c)), [1, 0])
    shown = limited.shown(c, c.aligned[1])
    y = predictive.replicates(shown, c.fits[1], limited.scale(c), np.arange(len(d)))
    assert y.min() >= 0 and y.max() <= 2 and y.mean() == pytest.approx(d["y"].mean(), abs=0.1)


def test_shares_are_probabilities_averaged_over_rows(tobit):
    y = tobit.fits[0].program.y["y"].to_numpy()
    below, above = shares(tobit)
    assert below.observed == pytest.approx((y == 0).mean()) and above.observed == pytest.approx((y == 2).mean())
    for i, a in enumerate(tobit.aligned):
        wanted = a.fit.predict(kind="probability")
        tolerance = 1e-9 if a.sample is None else 5e-3  # other draws are thinned away
        assert below.predicted[i].mean == pytest.approx(wanted["below"].mean(), abs=tolerance)
        assert above.predicted[i].mean == pytest.approx(wanted["above"].mean(), abs=tolerance)
        if a.sample is not None:
            assert below.predicted[i].lower < below.predicted[i].mean < below.predicted[i].upper


def test_margins_of_the_page_are_those_of_the_fits(tobit):
    ((name, cells),) = limited.margins(tobit)
    assert name == "x"
    for cell, fit in zip(cells, tobit.fits, strict=True):
        row = fit.margins(at="each").loc["x"]
        assert float(cell["estimate"]) == pytest.approx(
            row["estimate"], abs=0.51 * 10 ** np.floor(np.log10(row["sd"]) - 1)
        )


@pytest.mark.parametrize("lower", [0.0, None])
def test_mixtures_seen_through_limits_make_a_page(lower):
    """Not as densities: a limit has a probability, and an interval is no number."""
    y = np.concatenate([np.random.default_rng(0).normal(m, 1, 60) for m in (0.5, 6.0)])
    y = np.maximum(y, 0.0) if lower is not None else np.column_stack([y, np.ceil(y)])
    c = compare(evb.Mixture(evb.emissions.CensoredNormal(lower=lower), 2), y, methods=("em", "vi"), **QUIET)
    html = page.render(c)
    assert 'id="data"' not in html and "120 observations of y" in html
    assert 'id="distribution"' in html
    ax, params = limited.mixture(c).axes[0], c.aligned[0].params
    x, s = ax.lines[1].get_data()
    wanted = (params["weights"] * stats.norm.sf(x[:, None], params["means"], params["sigmas"])).sum(axis=1)
    np.testing.assert_allclose(s, wanted, rtol=1e-9)
    x, s = ax.lines[0].get_data()
    assert s[np.searchsorted(x, 3.0)] == pytest.approx(0.5, abs=0.02)


def test_states_seen_through_limits_make_a_page():
    y = np.maximum(np.random.default_rng(1).normal(np.repeat([1.0, 5.0, 1.0], 40), 1.0), 0.5)
    y[7] = np.nan
    c = compare(evb.HMM(evb.emissions.CensoredNormal(lower=0.5), 2), y, methods=("em", "vi"), **QUIET)
    assert 'id="distribution"' in page.render(c)


# --- findings --------------------------------------------------------------------------------------------------------


def test_censored_responses_are_counted(tobit):
    y = tobit.fits[0].program.y["y"]
    said = next(f for f in tobit.findings if f.kind == "censoring")
    assert said.figure == pytest.approx(((y == 0) | (y == 2)).mean())
    for words in (f"Of 120 responses {((y > 0) & (y < 2)).sum()} are exact", f"{(y == 0).sum()} known from above"):
        assert words in said.sentence


@pytest.mark.parametrize("df", [None, 3.0])
def test_what_is_hidden_is_the_rate_of_em(df):
    """The largest eigenvalue of the missing information is the ratio of EM's successive steps, unaccelerated."""
    d = evb.datasets.load("tobin")
    spec = evb.Tobit("durable ~ age + quant", df=df)
    best = spec.fit(d, **QUIET)
    rate, where = worst_direction(best)
    history = spec.fit(d, accelerate=None, **QUIET).history["objective"]
    gap = best.log_likelihood - history
    late = np.flatnonzero(gap < 1e-4)[:20]
    assert np.sqrt(gap[late[-1]] / gap[late[0]]) ** (1 / (len(late) - 1)) == pytest.approx(rate, abs=0.01)
    assert where in compare([best]).table.index


def test_where_there_is_no_maximum_the_page_says_so():
    """Every row with the dummy is censored, and its coefficient runs off: the rate there means nothing."""
    d = frame().assign(y=lambda d: d["y"].clip(lower=0.0))
    d["rare"] = ((d["y"] == 0) & (d.index % 5 == 0)).astype(float)
    c = compare(evb.Tobit("y ~ x + rare"), d, methods=("em",), **QUIET)
    html = page.render(c)
    assert "(rare to -inf)" in html
    assert "hidden_information" not in [f.kind for f in c.findings]


def test_an_exact_sample_hides_nothing():
    c = compare(evb.Tobit("y ~ x", lower=-99.0), frame(), methods=("em",), **QUIET)
    kinds = [f.kind for f in c.findings]
    assert "hidden_information" not in kinds
    assert "All 120 responses are exact" in next(f for f in c.findings if f.kind == "censoring").sentence


def test_too_sure_for_what_limits_hide(tobit):
    said = next(f for f in tobit.findings if f.kind == "underdispersed")
    assert "responses that limits hide" in said.sentence and "allocations" not in said.sentence


def test_intervals_of_the_oracle_are_read_alike():
    """Guards the cases above: the same rows are censored for the oracle."""
    d = frame()
    ends = censored.tobit_intervals(np.clip(d["y"], 0, 2), 0.0, 2.0)
    fitted = regression_of(
        evb.Tobit("y ~ x", upper=2.0).at(d.assign(y=d["y"].clip(0, 2)), {"coefficients": [0.0, 1.0], "sigma": 1.0}), "t"
    )
    np.testing.assert_array_equal(np.column_stack([fitted.low, fitted.high]), ends)
