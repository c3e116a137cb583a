"""The bar appears after a while, also where nothing reports progress, and never where it was turned off."""

from __future__ import annotations

import logging
import time

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes.common import progress
from em_vs_bayes.common.progress import Progress

Y = np.r_[np.random.default_rng(0).normal(0, 1, 30), np.random.default_rng(1).normal(6, 1, 30)]


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)


def waited(bar):
    for _ in range(1000):
        if bar._bar is not None:
            return True
        time.sleep(0.01)
    return False


def test_it_comes_without_being_told_anything(at_once, capsys):
    with Progress("slow", shown=True) as bar:
        assert waited(bar)
        bar.show(0.5, "half")
        assert bar._bar.tasks[0].completed == 0.5 and bar._bar.tasks[0].fields["text"] == "half"
    assert bar._bar is None
    with Progress("slow", shown=False) as bar:
        bar.show(0.5, "half")
        time.sleep(0.05)
        assert bar._bar is None


def test_it_does_not_come_to_what_is_quick():
    with Progress("quick", shown=True) as bar:
        timer = bar._timer
        bar.show(0.5, "half")
    timer.join(5.0)
    assert not timer.is_alive() and bar._bar is None


def test_nothing_is_said_where_no_bar_is_wanted(at_once, capfd, caplog, tmp_path):
    spec, quiet = evb.Mixture(evb.emissions.Normal(), 2), {"seed": 1, "progressbar": False}
    em = spec.fit(Y, n_init=2, **quiet)
    logging.getLogger("pymc").setLevel(logging.INFO)
    advi = spec.fit(Y, "advi", n_steps=50, draws=20, **quiet)
    evb.compare([em, advi], progressbar=False).report(tmp_path / "r.html", progressbar=False)
    evb.select(spec, Y, n_components=[1, 2], n_init=1, **quiet)
    em.vcov("bootstrap", n_boot=20, seed=1, progressbar=False)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_case_weights_go_with_rows_whatever_their_labels():
    weights, tables = np.tile([1.0, 2.0], 30), []
    for index in (None, pd.date_range("2020-01-01", periods=60), np.arange(100, 160)):
        y = pd.DataFrame({"y": Y}, index=index)
        fit = evb.Mixture(evb.emissions.Normal(), 2).fit(
            y, "gibbs", weights=weights, draws=50, tune=50, chains=2, seed=1, progressbar=False
        )
        tables.append(evb.compare([fit], progressbar=False).elpd["elpd"].to_numpy())
    assert np.isfinite(tables[0]).all()
    np.testing.assert_array_equal(tables[1:], [tables[0]] * 2)
