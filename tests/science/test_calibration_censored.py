"""The samplers are calibrated on censored and truncated regressions: simulation-based calibration as in `sbc.py`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from science import censored_studies as studies
from science.sbc import KEPT, OPTIONS, p_values

SMALLEST = 1e-4  # over some four quantities a study, were the seed not fixed
STUDIES = {
    "tobit": replace(studies.TOBIT, n=25),
    "tobit, independent priors": replace(studies.TOBIT_APART, n=25),
    "intervals": replace(studies.CELLS, n=25),
    "truncated": replace(studies.TRUNCATED, n=25),
    "t errors": replace(studies.ROBUST, n=25),
    "t errors, intervals": replace(studies.ROBUST_CELLS, n=25),
    "mixture": replace(studies.MIXTURE, n=30),
}


def scalars(params):
    """Name -> draws (T,), each quantity once."""
    return {
        f"{name}{list(index)}": value[(slice(None), *index)]
        for name, value in params.items()
        for index in np.ndindex(value.shape[1:])
        if not (name == "weights" and index[0] == 1)
    }


@cache
def ranks(name: str, method: str, simulations: int, seed: int) -> dict[str, np.ndarray]:
    """Scalar name -> ranks (simulations,) of the truth among `KEPT` draws; of the log-likelihood too."""
    study, rows = STUDIES[name], []
    for child in np.random.default_rng(seed).spawn(simulations):
        truth = study.draw(child)
        z = study.components(truth, child)
        y = study.response(study.known(truth, z, child))
        start = None if method == "gibbs" else truth  # only EM's climb to the mode starts there
        fit = study.spec.fit(
            y, method, **study.arguments, init=start, seed=child, progressbar=False, **OPTIONS[method]
        )  # fmt: skip
        flat = fit.draws.reshape(-1, fit.draws.shape[-1])
        assert len(flat) >= KEPT  # nothing broke off
        kept = flat[np.linspace(0, len(flat) - 1, KEPT).astype(int)]
        theta = fit.program.theta_of(truth)
        drawn = scalars(fit.program.public(kept))
        drawn["log-likelihood"] = np.array([fit.program.log_likelihood(row) for row in kept])
        wanted = scalars(fit.program.public(theta[None]))
        wanted["log-likelihood"] = np.array([fit.program.log_likelihood(theta)])
        rows.append({key: int((v < wanted[key]).sum()) for key, v in drawn.items()})
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def assert_uniform(found, bins):
    values = p_values(found, bins)
    assert len(values) >= 4
    assert min(values.values()) > SMALLEST, {
        name: (f"{v:.1e}", np.sort(found[name])) for name, v in values.items() if v < 0.01
    }


# the others in full below; the sweeps of every one in `test_geweke_censored`
@pytest.mark.parametrize("study", ["tobit", "intervals", "truncated", "t errors, intervals"])
def test_gibbs_is_calibrated(study):
    assert_uniform(ranks(study, "gibbs", 150, seed=1), bins=10)


def test_nuts_is_calibrated():
    """The others in full below; Tobit and truncated regressions in `test_geweke_nuts`."""
    assert_uniform(ranks("intervals", "nuts", 40, seed=2), bins=5)


def test_a_shift_is_seen():
    """Ranks an eighth of a posterior off are not uniform: the check has teeth at this size."""
    found = ranks("tobit", "gibbs", 150, seed=1)
    shifted = {"sigma[]": np.minimum(found["sigma[]"] + 12, KEPT)}
    assert p_values(shifted, bins=10)["sigma[]"] < SMALLEST


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(("method", "simulations"), [("gibbs", 2000), ("nuts", 600)])
def test_calibration_in_full(study, method, simulations):
    assert_uniform(ranks(study, method, simulations, seed=4), bins=20)
