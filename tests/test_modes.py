"""Several maxima that share the posterior mass: found among EM's starts, visited by chains, or else no agreement."""

from dataclasses import replace

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit.modes import apart, modes

FEW = {m: {"draws": 100, "tune": 100} for m in ("gibbs", "nuts")}


def corners(n=25):
    """Four clusters at the corners of a rectangle, mirror images of each other to the last bit."""
    b = np.random.default_rng(0).normal(size=(n, 2))
    return np.vstack([b, [5, 0] + b * [-1, 1], [0, 9] + b * [1, -1], [5, 9] + b * [-1, -1]])


@pytest.fixture(scope="module")
def compared():
    spec = evb.GaussianMixture(3, covariance="spherical")
    return evb.compare(spec, corners(), seed=1, options=FEW, progressbar=False)


def test_two_explanations_of_one_height(compared):
    """Three components for four clusters: the lower two merge, or the upper two."""
    upper, lower = compared.modes
    assert upper.height == pytest.approx(lower.height, abs=1e-6)
    assert upper.share == pytest.approx(0.5, abs=0.01) and lower.share == pytest.approx(0.5, abs=0.01)
    found = [f for f in compared.findings if f.kind == "multimodal" and "em's starts" in f.sentence]
    assert len(found) == 1 and found[0].figure == pytest.approx(0.5, abs=0.01)


def test_chains_begin_in_both_and_nothing_agrees(compared):
    for a in compared.aligned:
        if a.is_chain:
            merged = (np.asarray(a.fit.idata["posterior"]["means"])[..., 1] < 4.5).sum(-1) == 1
            assert merged.mean() == pytest.approx(0.5, abs=0.05)
            assert a.fit.draws.shape[:2] == (4, 100) and a.fit.options["chains"] == 4
            assert a.fit.status is Status.SUSPECT
    assert not {"agreement", "underdispersed"} & {f.kind for f in compared.findings}


def test_chains_that_all_began_in_one_mode_agree_with_nothing(compared):
    spec, em = compared.fits[0].spec, compared.fits[0]
    samplers = [spec.fit(corners(), m, init=em, seed=1, progressbar=False, **FEW[m]) for m in ("gibbs", "nuts")]
    c = evb.compare([em, *samplers])
    assert all(share.max() == 1.0 for share in c.visits.values())
    assert "agreement" not in {f.kind for f in c.findings}
    assert any("gibbs, nuts never see" in f.sentence for f in c.findings)


def test_clear_data_have_one_mode():
    y = evb.datasets.load("faithful")
    for covariance in ("full", "tied"):
        fit = evb.GaussianMixture(2, covariance).fit(y, seed=1, progressbar=False)
        assert len(modes(fit)) == 1


def test_labels_do_not_part_modes():
    fit = evb.GaussianMixture(3).fit(evb.datasets.load("faithful"), seed=1, progressbar=False)
    assert apart(fit.program, fit.theta, fit.program.permuted(fit.theta, np.array([2, 0, 1]))) < 1e-12
    assert modes(replace(fit, attrs={})) == ()


def test_ends_are_saved(tmp_path):
    fit = evb.GaussianMixture(3, covariance="spherical").fit(corners(), seed=1, progressbar=False)
    fit.save(tmp_path / "corners.fit")
    back = evb.load(tmp_path / "corners.fit")
    assert [m.height for m in modes(back)] == [m.height for m in modes(fit)]
