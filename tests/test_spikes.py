"""Lines through a few exact responses, at which t errors let sigma run to 0; components with censored rows alone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes.model.emissions.recession import Known
from em_vs_bayes.model.emissions.spikes import gain
from em_vs_bayes.program.compile import compile as compiled
from em_vs_bayes.program.identified import runs_off

QUIET = {"progressbar": False, "seed": 1}


def by_all_corners(x, low, high, df):
    """m - k df at every line that ends of responses can fix, by its definition."""
    n, p = x.shape
    exact = low == high
    ends = [(x[i], end) for i in range(n) for end in {low[i], high[i]} if np.isfinite(end)]
    best = -np.inf
    for r in range(1, p + 1):
        for some in combinations(ends, r):
            rows, values = np.array([row for row, _ in some]), np.array([value for _, value in some])
            line = x @ np.linalg.lstsq(rows, values, rcond=None)[0]
            on = np.abs(line - low)[exact] < 1e-9
            passed = ((line < low - 1e-9) | (line > high + 1e-9))[~exact]
            best = max(best, on.sum() - df * ((~on).sum() + passed.sum()))
    return best


def some_rows(rng, n, p):
    others = rng.integers(0, 3, (n, p - 1)) if rng.random() < 0.5 else rng.normal(size=(n, p - 1))
    x = np.column_stack([np.ones(n), others])
    y = np.round(2.0 * rng.normal(size=n), rng.choice([0, 1, 6]))
    kinds = np.append(0, rng.choice(4, size=n - 1, p=[0.6, 0.15, 0.15, 0.1]))
    low = np.choose(kinds, [y, y, np.full(n, -np.inf), y])
    return x, low, np.choose(kinds, [y, np.full(n, np.inf), y, y + 1.0])


def test_what_t_errors_gain_on_a_line_is_that_of_its_definition():
    rng, signs = np.random.default_rng(0), []
    while len(signs) < 120:
        n, p, df = int(rng.integers(2, 8)), int(rng.integers(1, 4)), float(rng.choice([0.5, 1.0, 2.0, 4.0]))
        x, low, high = some_rows(rng, n, p)
        known, best = Known(x, low, high, np.ones(n), True), by_all_corners(x, low, high, df)
        found = gain(known, df)
        assert found <= best + 1e-9
        signs.append((np.sign(max(found, -1.0)), np.sign(max(best, -1.0))))
    alike = [found == best for found, best in signs]
    assert np.mean(alike) > 0.97  # which rows a line had best pass by is found by their distances
    assert {best for _, best in signs} == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("p", [1, 3, 6])
def test_a_line_that_holds_enough_rows_is_found_among_many(p, shift):
    rng, df = np.random.default_rng(0), 2.0
    x = np.column_stack([np.ones(600), rng.normal(size=(600, p - 1))])
    slopes = np.r_[shift, np.ones(p - 1)]
    y = x @ slopes + rng.standard_t(df, size=600)
    weights = np.ones(600)
    assert gain(Known(x, y, y, weights, True), df) < 0.0
    for share in (0.6, 0.7):  # two thirds it takes
        y[: int(share * 600)] = (x @ slopes)[: int(share * 600)]
        assert (gain(Known(x, y, y, weights, True), df) > 0.0) == (share > 2.0 / 3.0)
    assert gain(Known(x, y, y, np.where(np.arange(600) < 420, 0.5, 1.0), True), df) < 0.0


@pytest.mark.parametrize("df", [1.0, 4.0])
def test_ordinary_rows_with_t_errors_have_no_such_line(df):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = np.column_stack([np.ones(25), rng.normal(size=25)])
        y = np.round(x @ [0.5, 1.0] + rng.standard_t(df, size=25), 1)
        fit = evb.Tobit(df=df).fit(np.maximum(y, 0.0), exog=x, **QUIET)
        assert fit.status is Status.CONVERGED and not fit.notes


def test_no_bound_and_a_bound_that_no_sigma_reaches_are_no_maximum():
    """The likelihood of one location by itself: three of four rows at one value, two of four."""
    for y, status in (([1.0, 1.0, 1.0, 9.0], True), ([1.0, 1.0, 1.0, 4.0, 5.0, 9.0], None), ([1.0, 1.0, 3.0, 9.0], 0)):
        spec, rows = evb.CensoredRegression(df=1.0), np.column_stack([y, y])
        fit = spec.fit(rows, **QUIET)
        if status:
            assert fit.status is Status.UNBOUNDED and "without bound" in " ".join(fit.notes)
            assert "without bound" in runs_off(compiled(spec, rows))
        else:
            assert runs_off(compiled(spec, rows)) is None
            rises = spec.log_likelihood(rows, {"coefficients": [1.0], "sigma": 1e-7}) > fit.log_likelihood - 1e-6
            assert rises == (fit.status is Status.UNBOUNDED), y


def test_one_of_two_exact_rows_on_a_line_below_the_limit_of_all_others():
    x = np.column_stack([np.ones(8), [1.3, -0.1, 0.5, -1.2, -1.9, 0.0, 1.0, 0.3]])
    y = np.array([2.5, 8.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    fit = evb.Tobit(lower=2.0, df=1.0).fit(y, exog=x, **QUIET)
    assert fit.status is Status.UNBOUNDED
    assert "a bound that no sigma reaches" in fit.notes[0]
    assert evb.Tobit(lower=2.0, df=1.5).fit(y, exog=x, **QUIET).notes != fit.notes


@pytest.mark.parametrize("kind", [evb.Mixture, evb.HMM])
@pytest.mark.parametrize("df", [None, 5.0])
def test_a_component_whose_rows_are_all_censored_is_said(kind, df):
    rng = np.random.default_rng(0)
    zero = np.arange(120) // 10 % 2 == 0
    x = np.column_stack([np.ones(120), rng.normal(size=120)])
    y = np.where(zero, 0.0, x @ [6.0, 1.0] + rng.normal(size=120))
    spec = kind(evb.emissions.CensoredRegression(lower=0.0, df=df), 2)
    fit = spec.fit(y, exog=x, n_init=4, **QUIET)
    assert fit.status is Status.UNBOUNDED and "known on one side alone" in fit.notes[0]
    own = int(np.argmin(fit.params["coefficients"][:, 0]))
    assert f" {own} " in fit.notes[0]
    mode = spec.fit(y, exog=x, objective="map", n_init=4, **QUIET)
    assert mode.status is Status.CONVERGED
    assert df or "what the priors say" in mode.notes[0]  # tails reach to exact responses
    y[zero] = np.maximum(rng.normal(size=zero.sum()), 0.0)  # half of them exact
    assert not any("one side" in note for note in spec.fit(y, exog=x, n_init=4, **QUIET).notes)
