"""The samplers are calibrated, and the same check catches approximations that are not."""

from __future__ import annotations

import numpy as np
import pytest
from science.sbc import KEPT, STUDIES, p_values, ranks

SMALLEST = 1e-4  # over some ten quantities a study: a false alarm once in a thousand studies, were the seed not fixed


def assert_uniform(found, bins):
    values = p_values(found, bins)
    assert min(values.values()) > SMALLEST, {
        name: (f"{v:.1e}", np.sort(found[name])) for name, v in values.items() if v < 0.01
    }


@pytest.mark.parametrize("study", STUDIES)
def test_gibbs_is_calibrated(study):
    assert_uniform(ranks(STUDIES[study], "gibbs", 200, seed=1), bins=10)


# normal mixtures by NUTS: in full below, and `test_geweke_nuts`
@pytest.mark.parametrize(("study", "simulations"), [("poisson", 60), ("plane", 40)])
def test_nuts_is_calibrated(study, simulations):
    assert_uniform(ranks(STUDIES[study], "nuts", simulations, seed=2), bins=5)


def test_mean_field_is_not_calibrated_and_the_check_sees_it():
    """q(z) q(theta) is too narrow (Bishop 2006, section 10.1.2): truths fall in its tails."""
    found = ranks(STUDIES["normal"], "vi", 200, seed=3)  # as many as Gibbs passes with
    assert min(p_values(found, bins=10).values()) < SMALLEST
    tails = {name: np.mean((r < 0.05 * KEPT) | (r > 0.95 * KEPT)) for name, r in found.items()}
    assert tails["weights[0]"] > 0.15  # a tenth, were it calibrated


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(("method", "simulations"), [("gibbs", 2000), ("nuts", 1000)])
def test_calibration_in_full(study, method, simulations):
    assert_uniform(ranks(STUDIES[study], method, simulations, seed=4), bins=20)
