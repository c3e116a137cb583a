"""What the diagnostics say: planted faults are found, ordinary chains left alone, and all pages say the same limits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes import FakeFit, around, data

import em_vs_bayes as evb
from em_vs_bayes.common import thresholds
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit.diagnosis import apart, ebfmi, khat, remarks
from em_vs_bayes.fit.mixing import mixing

PAGE = Path(__file__).parent.parent / "docs" / "diagnostics.md"


def said(draws, **stats):
    table = pd.DataFrame([mixing(draws)], index=["x"], columns=["rhat", "ess_bulk", "ess_tail", "mcse"])
    return [(r.kind, r.statistic) for r in remarks({"x": draws}, table, stats)]


def noise(chains=4, draws=1000, seed=0):
    return np.random.default_rng(seed).normal(size=(chains, draws))


def walk(chains=4, draws=1000, memory=0.99, seed=0):
    e, out = noise(chains, draws, seed), np.empty((chains, draws))
    out[:, 0] = e[:, 0] / np.sqrt(1 - memory**2)
    for t in range(1, draws):
        out[:, t] = memory * out[:, t - 1] + e[:, t]
    return out


def test_independent_draws_are_left_alone():
    assert not [found for seed in range(30) for found in said(noise(seed=seed))]


def test_chains_in_two_modes_and_chains_that_have_not_mixed():
    two = noise()
    two[0] += 1.0
    assert ("multimodal", "R-hat") in said(two)
    few = said(noise(draws=20))
    assert {kind for kind, _ in few} == {"slow_mixing"} and ("slow_mixing", "bulk ESS") in few
    assert "slow_mixing" in {kind for kind, _ in said(walk())}


def test_one_slow_chain_has_its_own_noise():
    """Means of chains with memory differ, by no more than such chains' means do."""
    assert not any(apart(walk(memory=0.9, seed=seed)) for seed in range(20))
    assert apart(walk(memory=0.9) + np.arange(4)[:, None] * 3.0)


def test_tails_that_hardly_move():
    """All draws are independent, but for the rare ones far out, which come in one run."""
    x = noise()
    x[:, :60] = 8.0 + 0.01 * x[:, :60]
    assert ("slow_mixing", "tail ESS") in said(x)


def test_one_chain_cannot_be_judged():
    assert said(noise(chains=1)) == [("unchecked", "")]


@pytest.mark.parametrize(
    ("count", "kind"), [(0, None), (1, "few_divergences"), (40, "few_divergences"), (41, "divergences")]
)
def test_divergences(count, kind):
    diverging = np.zeros((4, 1000), dtype=bool)
    diverging.flat[:count] = True
    assert said(noise(), diverging=diverging) == ([(kind, "divergent transitions")] if kind else [])


def test_energy():
    """Independent energies have a ratio of 2; those that hardly change from draw to draw a ratio near 0."""
    np.testing.assert_allclose(ebfmi(noise()), 2.0, atol=0.2)
    assert said(noise(), energy=noise(seed=1)) == []
    assert said(noise(), energy=walk(memory=0.99)) == [("low_energy", "E-BFMI")]
    assert said(noise(), energy=np.ones((4, 1000))) == []


def test_a_quarter_of_divergent_draws_is_not_converged():
    """One factor level lies wholly below the limit: its coefficient may be anything below."""
    rng = np.random.default_rng(9)
    g = np.repeat(["a", "b", "c"], 60)
    y = np.maximum(np.where(g == "c", -9.0, 1.0) + rng.normal(size=180), 0.0)
    fit = evb.Tobit("y ~ g").fit(pd.DataFrame({"y": y, "g": g}), "nuts", seed=1, progressbar=False)
    share = fit.sample_stats["diverging"].mean()
    assert share > thresholds.DIVERGENT.limit
    assert fit.status is Status.SUSPECT and not fit.converged
    assert any("divergent" in note for note in fit.notes)
    found = {f.kind: f for f in evb.compare([fit]).findings}
    assert found["divergences"].severity == "bad" and found["divergences"].figure == pytest.approx(share)


def test_khat_of_known_tails():
    """Ratios u^-k of a uniform u have a Pareto tail of shape k."""
    u = np.random.default_rng(0).random(20_000)
    for shape in (0.3, 0.8):
        assert khat(-shape * np.log(u)) == pytest.approx(shape, abs=0.1)
    assert np.isnan(khat(np.zeros(20)))
    assert thresholds.khat_limit(4000) == 0.7 and thresholds.khat_limit(100) == 0.5


def test_the_page_and_the_report_have_the_limits():
    assert thresholds.markdown() in PAGE.read_text(encoding="utf-8")
    page = evb.compare([FakeFit(data(), "nuts", around())])
    from em_vs_bayes.report.page import render

    html = render(page)
    for limit in thresholds.TABLE[:-1]:
        assert f"{limit.name} {limit.words}" in html
