"""Selection of the number of components or states: published criteria, refusals, the table."""

import numpy as np
import pytest

import em_vs_bayes as evb

QUICK = {"progressbar": False, "seed": 1}


def test_earthquakes_as_published():
    """Zucchini, MacDonald & Langrock (2016), table 6.1: Poisson HMMs, the first state stationary."""
    counts = evb.datasets.load("quakes")["count"]
    spec = evb.HMM(evb.emissions.Poisson(), 2, initial="stationary")
    chosen = evb.select(spec, counts, n_states=range(1, 4), **QUICK)
    table = chosen.table
    assert list(table.index) == [1, 2, 3] and table.index.name == "states"
    np.testing.assert_allclose(-table["log_likelihood"], [391.9189, 342.3183, 329.4603], atol=2e-4)
    assert table["n_parameters"].tolist() == [1, 4, 9]
    np.testing.assert_allclose(table["aic"], [785.8, 692.6, 676.9], atol=0.06)
    np.testing.assert_allclose(table["bic"], [788.5, 703.3, 701.0], atol=0.06)
    assert chosen.best.spec == evb.HMM(evb.emissions.Poisson(), 3, initial="stationary")
    assert "best by BIC: 3 states" in str(chosen)


def test_mixtures_by_every_criterion():
    y = evb.datasets.load("faithful")["waiting"]
    for criterion in ("bic", "aic", "icl"):
        chosen = evb.select(evb.GaussianMixture(5), y, n_components=[1, 2], criterion=criterion, **QUICK)
        assert chosen.best.spec.size == 2
        assert chosen.table.loc[2, criterion] == pytest.approx(getattr(chosen.best, criterion))


def test_by_leave_one_out():
    y = evb.datasets.load("faithful")["waiting"]
    chosen = evb.select(evb.GaussianMixture(1), y, [1, 2], criterion="loo", draws=500, tune=100, **QUICK)
    table = chosen.table
    assert chosen.best.spec.size == 2 and chosen.best.method == "gibbs"
    assert table["elpd"].idxmax() == 2 and table.loc[2, "difference"] == 0.0
    assert table.loc[1, "difference"] == pytest.approx(table.loc[1, "elpd"] - table.loc[2, "elpd"])
    assert "best by elpd (loo): 2 components" in str(chosen)
    far = evb.select(evb.GaussianMixture(1), y, [2], criterion="loo", method="vi", **QUICK)
    assert np.isnan(far.table["elpd"]).all() and "'vi' is too far from the posterior" in str(far)


def test_what_did_not_end_well_is_not_best():
    """A spike of infinite likelihood on the repeated value has the smallest BIC, and is passed over."""
    y = np.concatenate([np.full(6, 3.0), np.random.default_rng(0).normal(size=60)])
    chosen = evb.select(evb.Mixture(evb.emissions.Normal(), 1), y, [1, 2], n_init=5, **QUICK)
    assert chosen.table["status"].tolist() == ["converged", "collapsed"]
    assert chosen.table["bic"].idxmin() == 2 and chosen.best.spec.size == 1
    only = evb.select(evb.Mixture(evb.emissions.Normal(), 1), y, [2], n_init=5, **QUICK)
    with pytest.raises(ValueError, match="No fit ended well \\(2: collapsed\\)"):
        _ = only.best
    assert "No fit ended well" in str(only)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"criterion": "dic"}, "criterion must be one of 'bic'"),
        ({"n_states": [2]}, "n_states does not apply to GaussianMixture; give n_components"),
        ({"n_components": []}, "n_components is empty"),
        ({"n_components": [0]}, "n_components must be an integer of at least 1; got 0"),
        ({"criterion": "loo", "method": "em"}, "criterion='loo' needs posterior draws; method='em' does not"),
        ({"method": "nuts"}, "criterion='bic' is defined at the maximum of the likelihood"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        evb.select(evb.GaussianMixture(2), np.arange(9.0), **arguments)


def test_a_regression_has_no_number_to_choose():
    with pytest.raises(ValueError, match="has no number of components or states to choose"):
        evb.select(evb.Tobit("durable ~ age"), evb.datasets.load("tobin"))
