"""Data that are exchanged for others of another size: what has to go with them is named."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest

import em_vs_bayes as evb


def normal(y, mu):
    return -0.5 * (y[:, None] - mu[None, :]) ** 2


def model(kind, **options):
    with pm.Model() as made:
        data, mu = pm.Data("data", np.zeros(6)), pm.Normal("mu", 0, 3, shape=2)
        kind("y", mu, emission_logp=normal, observed=data, **options)
    return made


@pytest.mark.parametrize(
    ("kind", "options", "rows", "words"),
    [
        (evb.pymc.Mixture, {"weights": [0.5, 0.5], "case_weights": np.ones(6)}, 9, "y: observed has another number"),
        (evb.pymc.Mixture, {"weights": np.full((6, 2), 0.5)}, 9, "y: observed has another number of rows"),
        (evb.pymc.HMM, {"initial": [0.5, 0.5], "transition": np.full((2, 2), 0.5)}, 0, "y: observed has no rows"),
    ],
)
def test_sizes_that_stop_fitting_are_refused_in_words(kind, options, rows, words):
    made = model(kind, **options)
    density, point = made.compile_logp(), made.initial_point()
    assert np.isfinite(density(point))
    with made:
        pm.set_data({"data": np.zeros(rows)})
    with pytest.raises(ValueError, match=words):
        density(point)
