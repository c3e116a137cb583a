"""Gibbs: milliseconds per sweep, and effective draws per second over four chains one after the other.

JAGS and nutpie figures are published ones from another machine (2 cores, x86-64): reference points, not rivals in
this process.
"""

from typing import Any

import numpy as np

import em_vs_bayes as evb
from benchmarks.cases import POSTERIORS, Posterior
from benchmarks.measure import max_rhat, min_ess, per_iteration, seconds
from benchmarks.show import at_least, at_most, table
from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.spec import Spec

JAGS = {"N=2000, d=2, K=3 full": 12.2e-3, "N=1000, d=1, K=2": 1.77e-3}  # seconds per sweep
FASTER = 50.0  # than JAGS
ESS_FACTOR = 5.0  # times nutpie's published min ESS per second


def run() -> None:
    _sweeps()
    _effective()


def _sweeps() -> None:
    two, one = POSTERIORS["2d"](), POSTERIORS["1d"]()
    cases: tuple[tuple[str, str, Spec, Array], ...] = (
        ("N=2000, d=2, K=3 full", "default priors", evb.GaussianMixture(3), two.y),
        ("N=2000, d=2, K=3 full", "independent priors", two.spec, two.y),
        ("N=1000, d=1, K=2", "default priors", evb.Mixture(evb.emissions.Normal(), 2), one.y),
        ("N=1000, d=1, K=2", "half-normal sigmas", one.spec, one.y),
    )
    rows = []
    for size, what, spec, y in cases:
        took = _sweep(spec, y)
        target = JAGS[size] / FASTER
        rows.append(
            (
                f"{size}, {what}",
                at_most(1e6 * took, 1e6 * target, "µs"),
                f"{1e3 * JAGS[size]:.3g} ms",
                f"{JAGS[size] / took:,.0f}x",
            )
        )
    table(
        "Gibbs, per sweep and chain",
        ("case", "em_vs_bayes", "JAGS, published", "ratio"),
        rows,
        "Processor time, one chain.",
    )


def _sweep(spec: Spec, y: Array) -> float:
    start = dict(spec.fit(y, "em", objective="map", seed=1, progressbar=False).params)

    def ours(sweeps: int) -> int:
        options = {"chains": 1, "cores": 1, "tune": 0, "draws": sweeps}
        return spec.fit(y, "gibbs", init=start, seed=1, progressbar=False, **options).n_iter

    return per_iteration({"ours": ours}, 200, 1200)["ours"]


def _fit(case: Posterior) -> tuple[float, Any]:
    options = {"cores": 1, "tune": 500, "draws": 2000, "seed": 1, "progressbar": False}
    return seconds(lambda: case.spec.fit(case.y, "gibbs", **options))


def _effective() -> None:
    rows = []
    for make in POSTERIORS.values():
        case = make()
        whole, fit = min((_fit(case) for _ in range(3)), key=lambda run: run[0])
        sampling = 4 * 2000 * _sweep(case.spec, case.y)
        ess = min_ess(np.asarray(fit.draws))
        rows.append(
            (
                case.name,
                f"{ess:,.0f}",
                f"{max_rhat(np.asarray(fit.draws)):.3f}",
                at_least(ess / sampling, ESS_FACTOR * case.published, "/s"),
                f"{ess / whole:,.0f}/s",
                f"{case.published:,.0f}/s",
            )
        )
    table(
        "Gibbs, min bulk ESS of 4 x 2000 draws, chains one after the other",
        ("model", "min ESS", "R-hat", "per second of sampling", "everything counted", "nutpie, published"),
        rows,
        "Processor time.",
    )
