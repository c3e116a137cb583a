"""Geweke's joint-distribution test of NUTS, as users run it (Geweke 2004, J. Am. Stat. Assoc. 99, 799-804).

Parameters and data are drawn two ways: both at once from the model; and by turns, data given parameters, parameters
given data by a short run of NUTS from the last ones. Such a run, warm-up included, ends in a draw of the posterior if
NUTS does what it says; then the two ways have the same averages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from kernels.gibbs_helpers import z_scores
from science import censored_studies

import em_vs_bayes as evb

P = evb.priors


@dataclass(frozen=True)
class Study:
    """A model, draws from its prior, data given parameters, and light-tailed functions that labels do not change."""

    spec: Any
    draw: Callable[[np.random.Generator], dict[str, Any]]
    data: Callable[[dict[str, Any], np.random.Generator], np.ndarray]
    functions: Callable[[dict[str, Any], np.ndarray], np.ndarray]
    arguments: dict[str, Any]


def _mixture_draw(rng):
    sigmas = np.sqrt(3.0 / rng.gamma(4.0, size=2))
    return {"weights": rng.dirichlet([2.0, 2.0]), "means": rng.normal(0.0, 2.0, size=2), "sigmas": sigmas}


def _mixture_data(params, rng):
    z = rng.choice(2, size=7, p=params["weights"])
    return rng.normal(params["means"][z], params["sigmas"][z])


def _mixture_functions(params, y):
    w, m, s = params["weights"], np.arctan(params["means"]), np.log(params["sigmas"])
    near = w.min(), m.mean(), abs(m[0] - m[1]), s.mean(), abs(s[0] - s[1]), w @ m, w @ s
    return np.array([*near, np.tanh(y).mean(), np.tanh(np.ptp(y))])


def _regression_functions(params, y):
    b, s = np.arctan(params["coefficients"]), np.log(params["sigma"])
    return np.array([*b, s, *np.tanh(y), *(np.tanh(y) * s)])


def _tobit_data(study):
    def data(params, rng):
        return study.response(study.known(params, study.components(params, rng), rng))

    return data


MIXTURE = Study(
    evb.Mixture(
        evb.emissions.Normal(),
        2,
        priors={"weights": P.Dirichlet(2.0), "means": P.Normal(0.0, 2.0), "sigmas": P.InverseGamma(4.0, 3.0)},
    ),
    _mixture_draw,
    _mixture_data,
    _mixture_functions,
    {},
)
CASES = {"mixture": MIXTURE} | {
    name: Study(one.spec, one.draw, _tobit_data(one), _regression_functions, one.arguments)
    for name, one in (("tobit", censored_studies.TOBIT), ("truncated", censored_studies.TRUNCATED))
}


def geweke(study: Study, rounds: int, seed: int, spec: Any = None) -> np.ndarray:
    """z-scores of each function and its square; ``spec`` samples with another model than the data come from."""
    rng = np.random.default_rng(seed)
    marginal = []
    for _ in range(rounds):
        params = study.draw(rng)
        marginal.append(study.functions(params, study.data(params, rng)))
    chain = []
    for _ in range(rounds):
        y = study.data(params, rng)
        fit = (spec or study.spec).fit(
            y, "nuts", init=params, chains=1, tune=60, draws=15, seed=rng, progressbar=False, **study.arguments
        )
        params = {name: value[0, -1] for name, value in fit.program.public(fit.raw_draws).items()}
        chain.append(study.functions(params, y))
    both = [np.hstack([g, g**2]) for g in (np.array(marginal), np.array(chain))]
    return z_scores(both[1] - both[0], np.zeros(both[0].shape[1]))


@pytest.mark.parametrize("name", CASES)
def test_nuts_keeps_the_joint_distribution(name):
    scores = geweke(CASES[name], rounds=250, seed=1)
    assert np.abs(scores).max() < 4.0, scores.round(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_nuts_keeps_the_joint_distribution_in_full(name):
    scores = geweke(CASES[name], rounds=4000, seed=2)
    assert np.abs(scores).max() < 4.0, scores.round(1)


def test_a_wrong_prior_is_seen():
    wrong = evb.Mixture(MIXTURE.spec.emission, 2, priors={**MIXTURE.spec.priors, "sigmas": P.InverseGamma(4.0, 9.0)})
    assert np.abs(geweke(MIXTURE, rounds=250, seed=1, spec=wrong)).max() > 6.0
