"""The samplers are calibrated on hidden Markov models: simulation-based calibration as in `sbc.py`."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from science import hmm_studies
from science.sbc import KEPT, OPTIONS, p_values

SMALLEST = 1e-4  # over some ten quantities a study: a false alarm once in a thousand studies, were the seed not fixed
STUDIES = {
    "poisson, stationary": hmm_studies.POISSON_ORDERED,
    "normal, left to right": hmm_studies.NORMAL,
    "plane, values missing": hmm_studies.PLANE,
}


def scalars(params):
    """Name -> draws (T,), each quantity once: rows of probabilities without their last element, lower triangles."""
    out = {}
    for name, value in params.items():
        for index in np.ndindex(value.shape[1:]):
            said = name in ("initial", "transition") and index[-1] == value.shape[-1] - 1
            if not said and not (name == "covariances" and index[1] < index[2]):
                out[f"{name}[{', '.join(map(str, index))}]"] = value[(slice(None), *index)]
    return out


@cache
def ranks(name: str, method: str, simulations: int, seed: int) -> dict[str, np.ndarray]:
    """Scalar name -> ranks (simulations,) of the truth among `KEPT` draws; of the log-likelihood too."""
    study, rows = STUDIES[name], []
    for child in np.random.default_rng(seed).spawn(simulations):
        truth = study.draw(child)
        z = study.states(truth, child)
        y = study.observations(truth, z, child)
        labels = np.where(np.arange(len(z)) < study.labelled, z, -1) if study.labelled else None
        start = None if method == "gibbs" else truth  # only EM's climb to the mode starts there
        fit = study.spec.fit(
            y, method, lengths=study.lengths, labels=labels, init=start, seed=child, progressbar=False,
            **OPTIONS[method],
        )  # fmt: skip
        flat = fit.draws.reshape(-1, fit.draws.shape[-1])
        kept = flat[np.linspace(0, len(flat) - 1, KEPT).astype(int)]
        theta = fit.program.theta_of(truth)
        drawn = scalars(fit.program.public(kept))
        drawn["log-likelihood"] = np.array([fit.program.log_likelihood(row) for row in kept])
        wanted = scalars(fit.program.public(theta[None]))
        wanted["log-likelihood"] = np.array([fit.program.log_likelihood(theta)])
        rows.append({name: int((v < wanted[name]).sum()) for name, v in drawn.items() if np.ptp(v) > 0})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def assert_uniform(found, bins):
    values = p_values(found, bins)
    assert len(values) >= 5
    assert min(values.values()) > SMALLEST, {
        name: (f"{v:.1e}", np.sort(found[name])) for name, v in values.items() if v < 0.01
    }


# the other one in full below; its sweeps in `test_geweke_hmm`
@pytest.mark.parametrize("study", ["poisson, stationary", "plane, values missing"])
def test_gibbs_is_calibrated(study):
    assert_uniform(ranks(study, "gibbs", 200 if study == "poisson, stationary" else 150, seed=1), bins=10)


# stationary chains by NUTS: in full below, and in `test_hmm` against exact moments
@pytest.mark.parametrize("study", ["normal, left to right", "plane, values missing"])
def test_nuts_is_calibrated(study):
    assert_uniform(ranks(study, "nuts", 30, seed=2), bins=5)


def test_a_shift_is_seen():
    """Ranks an eighth of a posterior off are not uniform: the check has teeth at this size."""
    found = ranks("poisson, stationary", "gibbs", 200, seed=1)
    shifted = {"rates[0]": np.minimum(found["rates[0]"] + 12, KEPT)}
    assert p_values(shifted, bins=10)["rates[0]"] < SMALLEST


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(("method", "simulations"), [("gibbs", 2000), ("nuts", 600)])
def test_calibration_in_full(study, method, simulations):
    assert_uniform(ranks(study, method, simulations, seed=4), bins=20)
