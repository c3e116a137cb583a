"""What print(fit) shows: who, what, how it ended and a table; and it never raises."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

QUIET = {"progressbar": False, "seed": 1}
FAIR = "affairs ~ age + yearsmarried + religiousness + occupation + rating"


def test_a_tobit_regression_prints_what_survreg_prints():
    fit = evb.Tobit(FAIR).fit(evb.datasets.load("affairs"), **QUIET)
    shown = repr(fit)
    for words in ("em: 601 rows", "converged", "log-likelihood -705.5762 (df = 7)", "AIC 1,425.15", "BIC 1,455.94"):
        assert words in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith(("coef", "sigma"))}
    # Kleiber & Zeileis (2008), section 5.5: AER's tobit of Fair's affairs
    assert [float(v) for v in rows["coefficients[rating]"]] == pytest.approx(
        [-2.285, 0.408, -5.603, 2.11e-08], rel=2e-3
    )
    assert [float(v) for v in rows["coefficients[age]"]] == pytest.approx([-0.179, 0.079, -2.267, 0.0234], rel=5e-3)
    assert len(rows["sigma"]) == 2  # that it is zero is no hypothesis
    page = fit._repr_html_()
    assert "<b>Tobit(" in page and page.count("<tr") == 8 and "&lt;" not in page


def test_rows_that_lack_something_are_counted():
    for emission, y in (
        (e.Normal(), [0.1, np.nan, 3.0, np.nan, 7.0, 8.0]),
        (e.Poisson(), [0.0, np.nan, 3.0, np.nan, 7.0, 8.0]),
        (e.Categorical(3), [0.0, np.nan, 2.0, np.nan, 1.0, 1.0]),
        (e.StudentT(), [0.1, np.nan, 3.0, np.nan, 7.0, 8.0]),
    ):
        fit = evb.HMM(emission, 2).fit([y[:3], y[3:]], n_init=2, **QUIET)
        assert "em: 6 rows in 2 sequences, 2 with missing values" in repr(fit)


def test_draws_have_intervals_and_mixing():
    y = np.r_[np.arange(20.0), 100 + np.arange(20.0)]
    fit = evb.Mixture(e.Normal(), 2).fit(y, "gibbs", draws=20, tune=20, chains=2, **QUIET)
    assert all(word in repr(fit) for word in ("rhat", "ess_bulk", "lower", "means[1]", "gibbs: 40 rows"))
    level = fit.summary(level=0.5)
    assert (level["upper"] - level["lower"] <= fit.summary()["upper"] - fit.summary()["lower"]).all()
    wide = evb.Tobit().fit(np.maximum(y - 50, 0), exog=np.vander(y / 100, 4), **QUIET)
    assert "coefficients[3]" in repr(wide) and "more rows" not in repr(wide)


def test_a_long_table_says_where_the_rest_is():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 40))
    fit = evb.Tobit().fit(np.maximum(x @ np.ones(40) + rng.normal(size=200), 0), exog=x, **QUIET)
    assert "... 11 more rows: fit.summary()" in repr(fit)
    assert len(repr(evb.GaussianMixture(2).fit(rng.normal(size=(60, 20)), n_init=1, max_iter=3, **QUIET))) < 5000


def test_components_and_states_stand_side_by_side():
    fit = evb.GaussianMixture(2).fit(evb.datasets.load("faithful"), **QUIET)
    rows = {re.split(r"\s\s+", line)[0]: line for line in repr(fit).splitlines()}
    # mclust 6: Mclust(faithful, G = 2, modelNames = "VVV"), summary(parameters = TRUE); sizes 175 and 97
    assert rows["rows, most probably"].split()[-2:] == ["175", "97"]
    assert rows["means[eruptions]"].split()[1:] == ["4.290", "(0.031)", "2.036", "(0.027)"]
    assert "covariances[eruptions, waiting]" in rows and "covariances[waiting, eruptions]" not in rows
    errors = fit.std_errors()
    assert f"({errors['weights'][0]:.3f})" in rows["weights"]
    chain = evb.HMM(e.Normal(), 2).fit(np.tile(np.repeat([0.0, 5.0], 10), 4) + np.arange(80) % 7, **QUIET)
    after = repr(chain).split("transition, from row to column")[1].splitlines()
    assert [line.split()[:2] for line in after[2:4]] == [["state", "0"], ["state", "1"]]
    assert f"{chain.params['transition'][0, 1]:.3f}" in after[2]
    diagonal = evb.GaussianMixture(1, covariance="diag").fit(evb.datasets.load("faithful"), **QUIET)
    assert "covariances[waiting, waiting]" in repr(diagonal) and "[eruptions, waiting]" not in repr(diagonal)


def test_mixtures_of_lines_have_tests_of_their_coefficients():
    rng = np.random.default_rng(0)
    x, up = rng.normal(size=200), rng.random(200) < 0.5
    y = np.where(up, 3.0 * x, 8.0 - 3.0 * x) + rng.normal(size=200)
    fit = evb.Mixture(e.LinearRegression(), 2).fit(y, exog=np.c_[np.ones(200), x], **QUIET)
    line = next(line for line in repr(fit).splitlines() if line.startswith("coefficients[0, 1]")).split()[2:]
    estimate, se, z = fit.params["coefficients"][0, 1], fit.std_errors()["coefficients"][0, 1], float(line[2])
    assert [float(v) for v in line[:2]] == pytest.approx([estimate, se], rel=1e-3)
    assert z == pytest.approx(estimate / se, rel=1e-3) and line[3] == "<2e-16"


def test_errors_that_take_long_are_left_to_the_summary(monkeypatch):
    from em_vs_bayes.fit import layout

    fit = evb.GaussianMixture(2).fit(evb.datasets.load("faithful"), **QUIET)
    monkeypatch.setattr(layout, "WORK", 1.0)
    assert "standard errors take longer: fit.summary()" in repr(fit) and "(0.0" not in repr(fit)


def test_nothing_keeps_it_from_printing():
    fit = evb.GaussianMixture(2).fit(np.random.default_rng(0).normal(size=(30, 2)), n_init=1, **QUIET)
    for broken in (replace(fit, theta=fit.theta * np.nan), replace(fit, theta=0.0 * fit.theta)):
        assert "GaussianMixture" in repr(broken) and "weights" in repr(broken)
        assert broken._repr_html_()
    single = evb.Tobit().at([1.0], {"coefficients": [1.0], "sigma": 1.0})
    assert "given: 1 row\n" in repr(single)


def test_what_is_public_is_listed():
    listed = dir(evb)
    assert set(evb.__all__) <= set(listed)
    assert {"load", "Fit", "pymc"} <= set(listed)
    assert not [name for name in listed if name in ("annotations", "import_module", "Any", "TYPE_CHECKING")]
    for name in evb.__all__:
        assert getattr(evb, name) is not None


def test_completion_offers_what_applies():
    y = np.r_[np.arange(20.0), 50 + np.arange(20.0)]
    mixture = evb.Mixture(evb.emissions.Normal(), 2).fit(y, seed=1, progressbar=False)
    chain = evb.HMM(evb.emissions.Normal(), 2).fit(y, seed=1, progressbar=False)
    line = evb.Tobit(lower=0.0).fit(y, progressbar=False)
    assert "predict_proba" in dir(mixture) and not {"forecast", "margins"} & set(dir(mixture))
    assert {"forecast", "dwell_times"} <= set(dir(chain)) and "margins" not in dir(chain)
    assert {"margins", "residuals"} <= set(dir(line)) and not {"forecast", "predict_proba"} & set(dir(line))
    assert all("std_errors" in dir(fit) and "idata" in dir(fit) for fit in (mixture, chain, line))
