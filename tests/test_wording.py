"""What is said of ordinary fits: every number as the text beside it has it, and no alarm where nothing is wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes.common.words import to_precision_of
from em_vs_bayes.fit.diagnosis import beyond

QUIET = {"progressbar": False, "seed": 1}


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [(1.0151, 1.01, "1.015"), (1.01015, 1.01, "1.010"), (1.2, 1.01, "1.200"), (0.7004, 0.6994, "0.7004")],
)
def test_a_value_over_its_limit_is_shown_over_it(value, limit, shown):
    assert beyond(value, limit, 3).startswith(shown) and float(beyond(value, limit, 3)) > round(limit, 2)


def test_estimates_have_no_digits_below_those_of_their_errors():
    assert to_precision_of(-500.44, 403.1) == "-500"
    assert to_precision_of(83601.4, 24551.0) == "83,601"
    assert to_precision_of(0.1234, 0.031) == "0.123"


@pytest.fixture(scope="module")
def two_levels():
    rng = np.random.default_rng(0)
    return np.r_[rng.normal(5.0, 1.0, 40), rng.normal(0.0, 1.0, 60)]


def test_what_a_note_says_is_held_at_zero_is_printed_as_zero(two_levels):
    fit = evb.GaussianHMM(2).fit(two_levels, n_init=4, **QUIET)
    assert "initial" in " ".join(fit.notes) and "e-" not in repr(fit)


def test_criteria_belong_to_a_maximum(two_levels):
    fit = evb.GaussianMixture(2).fit(two_levels, "vi", **QUIET)
    assert "AIC" not in repr(fit) and "at the posterior means (5 parameters)" in repr(fit)
    assert "AIC" in repr(evb.GaussianMixture(2).fit(two_levels, **QUIET))


def test_an_estimate_on_the_edge_is_no_conflict_with_a_posterior_near_it():
    rng = np.random.default_rng(3)
    own = rng.random(150) < 0.5
    frame = pd.DataFrame({c: (rng.random(150) < np.where(own, 0.9, 0.1)).astype(int) for c in "abc"})
    frame["d"] = np.where(own, 1, (rng.random(150) < 0.3).astype(int))
    spec = evb.Mixture(evb.emissions.Product(**{c: evb.emissions.Bernoulli() for c in frame}), 2)
    found = evb.compare(spec, frame, methods=("em", "gibbs"), seed=1, progressbar=False).findings
    assert any(f.kind == "boundary" for f in found)
    assert not any(f.kind in ("prior_conflict", "disagreement") for f in found)


def test_several_columns_for_a_univariate_emission_are_pointed_to_streams():
    with pytest.raises(ValueError, match=r"one column for Bernoulli; got 2\. Use Product\(name=Bernoulli"):
        evb.Mixture(evb.emissions.Bernoulli(), 2).fit(np.zeros((9, 2)))
    with pytest.raises(ValueError, match="MvNormal for vectors"):
        evb.Mixture(evb.emissions.Normal(), 2).fit(np.random.default_rng(0).normal(size=(9, 2)))


@pytest.mark.parametrize(
    ("used", "formula", "words"),
    [
        ("ab", "y ~ x + g", r"column\(s\) \['g\[T.c\]'\] that are 0 in every row"),
        ("bc", "y ~ x + C(g)", r"the level that the others of C\(g\) are compared with"),
        ("bc", "y ~ 0 + g", r"column\(s\) \['g\[a\]'\] that are 0"),
        ("abc", "y ~ x + g", None),
    ],
)
def test_levels_without_rows_are_named(used, formula, words):
    rng = np.random.default_rng(0)
    levels = pd.Categorical(np.resize(list(used), 40), categories=list("abc"))
    data = pd.DataFrame({"g": levels, "x": rng.normal(size=40), "y": np.maximum(rng.normal(size=40), 0.0)})
    if words is None:
        assert evb.Tobit(formula).fit(data, **QUIET).converged
        return
    with pytest.raises(ValueError, match=words):
        evb.Tobit(formula).fit(data, **QUIET)


def test_two_places_that_no_mixed_chains_judge_are_said():
    """Two clusters and a third component that EM and VI give to different rows; the chains are too short to judge."""
    y = np.r_[np.random.default_rng(0).normal(0.0, 1.0, 60), np.random.default_rng(1).normal(8.0, 1.0, 60)]
    spec = evb.GaussianMixture(2)
    em = spec.fit(y, **QUIET)
    far = spec.fit(y, "vi", **QUIET)
    moved = spec.fit(np.where(y > 4.0, y + 3.0, y), "vi", **QUIET)
    gibbs = spec.fit(y, "gibbs", draws=4, tune=0, chains=2, **QUIET)
    assert any("too few draws" in f.sentence for f in evb.compare([em, gibbs], progressbar=False).findings)
    for other, expected in ((far, False), (moved, True)):
        if gibbs.converged:
            pytest.skip("the chains mixed")
        fits = [em, dataclasses.replace(other, program=em.program), gibbs]
        found = [f for f in evb.compare(fits, progressbar=False).findings if "describe different places" in f.sentence]
        assert bool(found) == expected
